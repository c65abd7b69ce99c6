//! Notices of file changes (inotify(7)).
//!
//! Whoever changes a file or a name tells the [`InotifyTable`] of the kernel, which knows the watches by inode.
//! A change of a file in a directory is told twice: for the file, without a name, and for the directory, with it.

use crate::file::{Blocking, FileOps, Io, OpenFile, Ready, Result, open_flags};
use crate::kernel::Kernel;
use crate::wait::WaitQueue;
use async_trait::async_trait;
use hashbrown::HashMap;
use linux_abi::Errno;
use linux_abi::inotify::{InotifyEvent, InotifyMask};
use linux_abi::ioctl::FIONREAD;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::{Rc, Weak};
use vfs::FileType;

/// Events one descriptor holds (/proc/sys/fs/inotify/max_queued_events).
const MAX_QUEUED: usize = 16384;
/// Watches of one descriptor (a cautious /proc/sys/fs/inotify/max_user_watches).
const MAX_WATCHES: usize = 65536;

/// Device and inode number.
type InodeKey = (u64, u64);
/// Who watches an inode: a descriptor's queue and the number of the watch in it.
type Watcher = (Weak<Queue>, i32);

/// Every watch of a machine, by inode.
#[derive(Debug, Default)]
pub struct InotifyTable {
    watchers: RefCell<HashMap<InodeKey, Vec<Watcher>>>,
    cookie: Cell<u32>,
}

impl InotifyTable {
    /// Tells that something happened to an inode; in a directory, to the name in it (else empty). `mask` holds one
    /// `IN_*` event, and `IN_ISDIR` where the subject is a directory. After `IN_DELETE_SELF` and `IN_UNMOUNT` the
    /// watch ends.
    pub fn notify(&self, device: u64, ino: u64, mask: u32, name: &[u8]) {
        self.notify_with_cookie(device, ino, mask, name, 0);
    }

    /// A number that ties the two events of one rename together.
    pub fn next_cookie(&self) -> u32 {
        self.cookie.set(self.cookie.get().wrapping_add(1).max(1));
        self.cookie.get()
    }

    /// [`InotifyTable::notify`] for `IN_MOVED_FROM` and `IN_MOVED_TO`, with a [`InotifyTable::next_cookie`].
    pub fn notify_with_cookie(&self, device: u64, ino: u64, mask: u32, name: &[u8], cookie: u32) {
        let mask = InotifyMask::from_bits_retain(mask);
        let key = (device, ino);
        if self.watchers.borrow().is_empty() {
            return;
        }
        let Some(watchers) = self.watchers.borrow().get(&key).cloned() else { return };
        let ends = mask.intersects(InotifyMask::DELETE_SELF | InotifyMask::UNMOUNT);
        for (queue, wd) in watchers {
            let Some(queue) = queue.upgrade() else { continue };
            if queue.deliver(wd, mask, name, cookie) || ends {
                queue.end(wd);
                self.forget(key, &queue, wd);
            }
        }
        if ends {
            self.watchers.borrow_mut().remove(&key);
        }
    }

    /// Whether somebody watches an inode.
    pub fn watches(&self, device: u64, ino: u64) -> bool {
        self.watchers.borrow().contains_key(&(device, ino))
    }

    /// Whether nothing is watched: saves callers the work of finding names.
    pub fn is_empty(&self) -> bool {
        self.watchers.borrow().is_empty()
    }

    fn forget(&self, key: InodeKey, queue: &Rc<Queue>, wd: i32) {
        let mut watchers = self.watchers.borrow_mut();
        if let Some(list) = watchers.get_mut(&key) {
            list.retain(|(known, number)| {
                known.strong_count() > 0 && !(known.as_ptr() == Rc::as_ptr(queue) && *number == wd)
            });
            if list.is_empty() {
                watchers.remove(&key);
            }
        }
    }
}

#[derive(Debug)]
struct Watch {
    key: InodeKey,
    mask: InotifyMask,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Event {
    wd: i32,
    mask: u32,
    cookie: u32,
    name: Vec<u8>,
}

impl Event {
    /// Length of the name with its NULs, which align the next event.
    fn name_len(&self) -> usize {
        if self.name.is_empty() {
            0
        } else {
            (self.name.len() + 1).next_multiple_of(size_of::<InotifyEvent>())
        }
    }

    fn size(&self) -> usize {
        size_of::<InotifyEvent>() + self.name_len()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let len = self.name_len();
        let head = InotifyEvent { wd: self.wd, mask: self.mask, cookie: self.cookie, len: len as u32 };
        out.extend_from_slice(bytemuck::bytes_of(&head));
        let end = out.len() + len;
        out.extend_from_slice(&self.name);
        out.resize(end, 0);
    }
}

/// Watches and events of one descriptor.
#[derive(Debug, Default)]
struct Queue {
    watches: RefCell<BTreeMap<i32, Watch>>,
    next_wd: Cell<i32>,
    events: RefCell<VecDeque<Event>>,
    changed: WaitQueue,
}

impl Queue {
    fn push(&self, event: Event) {
        let mut events = self.events.borrow_mut();
        // The same as the last one not yet read: once is enough (inotify(7)).
        if events.back() == Some(&event) {
            return;
        }
        if events.len() < MAX_QUEUED {
            events.push_back(event);
        } else if events.len() == MAX_QUEUED {
            events.push_back(Event {
                wd: -1,
                mask: InotifyMask::Q_OVERFLOW.bits(),
                cookie: 0,
                name: Vec::new(),
            });
        }
        drop(events);
        self.changed.wake_all();
    }

    /// Queues an event if the watch wants it; true where that ends a one-shot watch.
    fn deliver(&self, wd: i32, mask: InotifyMask, name: &[u8], cookie: u32) -> bool {
        let Some(wanted) = self.watches.borrow().get(&wd).map(|watch| watch.mask) else { return false };
        let event = mask & (InotifyMask::ALL_EVENTS | InotifyMask::UNMOUNT);
        if !wanted.intersects(event) && !event.contains(InotifyMask::UNMOUNT) {
            return false;
        }
        self.push(Event { wd, mask: mask.bits(), cookie, name: name.to_vec() });
        wanted.contains(InotifyMask::ONESHOT)
    }

    /// Removes a watch and says so.
    fn end(&self, wd: i32) -> Option<Watch> {
        let watch = self.watches.borrow_mut().remove(&wd)?;
        self.push(Event { wd, mask: InotifyMask::IGNORED.bits(), cookie: 0, name: Vec::new() });
        Some(watch)
    }
}

/// An inotify descriptor.
#[derive(Debug)]
pub struct Inotify {
    queue: Rc<Queue>,
}

impl Inotify {
    /// An open inotify without watches.
    pub fn open(kernel: &Kernel, nonblock: u32) -> Rc<OpenFile> {
        let path = kernel.anonymous_path("anon_inode:inotify", FileType::Regular);
        let inotify = Inotify { queue: Rc::default() };
        OpenFile::new(Rc::new(inotify), nonblock & open_flags::NONBLOCK, path)
    }

    /// inotify_add_watch(2) on an inode: a new watch, or another mask for the one that is there.
    pub fn add(&self, table: &InotifyTable, device: u64, ino: u64, mask: InotifyMask) -> Result<i32> {
        let key = (device, ino);
        let kept = InotifyMask::ALL_EVENTS | InotifyMask::ONESHOT | InotifyMask::EXCL_UNLINK;
        let mut watches = self.queue.watches.borrow_mut();
        if let Some((wd, watch)) = watches.iter_mut().find(|(_, watch)| watch.key == key) {
            if mask.contains(InotifyMask::MASK_CREATE) {
                return Err(Errno::EEXIST);
            }
            let old = if mask.contains(InotifyMask::MASK_ADD) { watch.mask } else { InotifyMask::empty() };
            watch.mask = old | mask & kept;
            return Ok(*wd);
        }
        if watches.len() >= MAX_WATCHES {
            return Err(Errno::ENOSPC);
        }
        let wd = self.queue.next_wd.get().checked_add(1).ok_or(Errno::ENOSPC)?;
        self.queue.next_wd.set(wd);
        watches.insert(wd, Watch { key, mask: mask & kept });
        table.watchers.borrow_mut().entry(key).or_default().push((Rc::downgrade(&self.queue), wd));
        Ok(wd)
    }

    /// inotify_rm_watch(2).
    pub fn remove(&self, table: &InotifyTable, wd: i32) -> Result<()> {
        let watch = self.queue.end(wd).ok_or(Errno::EINVAL)?;
        table.forget(watch.key, &self.queue, wd);
        Ok(())
    }

    fn take(&self, max: usize) -> Option<Result<Vec<u8>>> {
        let mut events = self.queue.events.borrow_mut();
        if events.front()?.size() > max {
            return Some(Err(Errno::EINVAL));
        }
        let mut out = Vec::new();
        while let Some(event) = events.front().filter(|event| out.len() + event.size() <= max) {
            event.encode(&mut out);
            events.pop_front();
        }
        Some(Ok(out))
    }
}

#[async_trait(?Send)]
impl FileOps for Inotify {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn ignores_seek(&self) -> bool {
        true
    }

    async fn read(&self, io: Io<'_>, buf: &mut [u8]) -> Result<usize> {
        let bytes = match (self.take(buf.len()), io.blocking) {
            (Some(bytes), _) => bytes?,
            (None, Blocking::Never) => return Err(Errno::EAGAIN),
            (None, Blocking::Wait) => {
                io.task.wait_until(&self.queue.changed, || self.take(buf.len())).await??
            }
        };
        buf[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }

    fn ready(&self) -> Ready {
        Ready::when(!self.queue.events.borrow().is_empty(), false)
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.queue.changed)
    }

    async fn ioctl(&self, io: Io<'_>, request: u32, arg: u64) -> Result<u64> {
        if request != FIONREAD {
            return Err(Errno::ENOTTY);
        }
        let bytes: usize = self.queue.events.borrow().iter().map(Event::size).sum();
        io.task.put(arg, &(bytes as i32)).await.map(|()| 0)
    }

    fn fdinfo(&self) -> String {
        let watches = self.queue.watches.borrow();
        let line = |(wd, watch): (&i32, &Watch)| {
            let ((device, ino), mask) = (watch.key, watch.mask.bits());
            format!("inotify wd:{wd:x} ino:{ino:x} sdev:{device:x} mask:{mask:x} ignored_mask:0\n")
        };
        watches.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(inotify: &Inotify) -> Vec<(i32, u32, Vec<u8>)> {
        let events = std::mem::take(&mut *inotify.queue.events.borrow_mut());
        events.into_iter().map(|event| (event.wd, event.mask, event.name)).collect()
    }

    #[test]
    fn watches_select_merge_and_end() {
        let table = InotifyTable::default();
        let inotify = Inotify { queue: Rc::default() };
        let wd = inotify.add(&table, 1, 2, InotifyMask::CREATE | InotifyMask::DELETE_SELF).unwrap();
        table.notify(1, 2, InotifyMask::MODIFY.bits(), b"");
        table.notify(1, 3, InotifyMask::CREATE.bits(), b"other");
        table.notify(1, 2, InotifyMask::CREATE.bits(), b"a");
        table.notify(1, 2, InotifyMask::CREATE.bits(), b"a");
        assert_eq!(read_all(&inotify), [(wd, InotifyMask::CREATE.bits(), b"a".to_vec())]);
        assert_eq!(inotify.add(&table, 1, 2, InotifyMask::MODIFY | InotifyMask::MASK_ADD), Ok(wd));
        assert_eq!(
            inotify.add(&table, 1, 2, InotifyMask::MODIFY | InotifyMask::MASK_CREATE),
            Err(Errno::EEXIST)
        );
        table.notify(1, 2, InotifyMask::DELETE_SELF.bits(), b"");
        let ended = [
            (wd, InotifyMask::DELETE_SELF.bits(), Vec::new()),
            (wd, InotifyMask::IGNORED.bits(), Vec::new()),
        ];
        assert_eq!(read_all(&inotify), ended);
        assert!(table.is_empty());
        assert_eq!(inotify.remove(&table, wd), Err(Errno::EINVAL));
    }

    #[test]
    fn names_fill_up_to_whole_headers() {
        for (name, size) in [("", 16), ("a", 32), ("fifteen letters", 32), ("sixteen  letters", 48)] {
            let event = Event { wd: 1, mask: 2, cookie: 0, name: name.as_bytes().to_vec() };
            let mut out = Vec::new();
            event.encode(&mut out);
            assert_eq!((out.len(), event.size()), (size, size), "{name}");
        }
    }
}
