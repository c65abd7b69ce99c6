//! Event polls (epoll(7)), and the three questions that `poll`, `select` and `epoll` ask of any open file:
//! [`readiness`], [`register`] and [`changes`].
//!
//! An epoll keeps no ready list: a wait looks at each watched file in turn, and sleeps on all their queues.
//! Edge-triggered entries compare the number of changes of the file's queue with what they saw last.

use super::signalfd::SignalFd;
use crate::file::{Fd, FileOps, OpenFile, Ready, Result, open_flags};
use crate::kernel::Kernel;
use crate::task::Task;
use crate::wait::WaitQueue;
use linux_abi::Errno;
use linux_abi::epoll::{EpollEvent, EpollEvents};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::rc::{Rc, Weak};
use std::task::Waker;
use vfs::FileType;

/// How many epolls may watch each other in a chain, less one (fs/eventpoll.c `EP_MAX_NESTS`).
const MAX_NESTS: usize = 4;

/// What `epoll_ctl` sets besides events to wait for.
const MODES: EpollEvents =
    EpollEvents::EXCLUSIVE.union(EpollEvents::WAKEUP).union(EpollEvents::ONESHOT).union(EpollEvents::ET);

/// With `EPOLLEXCLUSIVE` only these may be asked for (epoll_ctl(2)).
const EXCLUSIVE_OK: EpollEvents = EpollEvents::IN
    .union(EpollEvents::OUT)
    .union(EpollEvents::ERR)
    .union(EpollEvents::HUP)
    .union(EpollEvents::WAKEUP)
    .union(EpollEvents::ET)
    .union(EpollEvents::EXCLUSIVE);

/// What can be done with a file now, as a thread sees it.
pub fn readiness(task: &Task, file: &OpenFile) -> Ready {
    if let Some(signals) = file.ops_as::<SignalFd>() {
        signals.ready_for(task)
    } else if let Some(epoll) = file.ops_as::<Epoll>() {
        Ready::when(epoll.any_ready(Some(task)), false)
    } else {
        file.ops.ready()
    }
}

/// Wakes a future when the readiness of a file may have changed. The future must run inside
/// [`Task::interruptible`], which adds the arrival of signals.
pub fn register(file: &OpenFile, waker: &Waker) {
    if let Some(queue) = file.ops.wait_queue() {
        queue.register(waker);
    }
    if let Some(epoll) = file.ops_as::<Epoll>() {
        epoll.register_all(waker);
    }
}

/// Number of changes of a file so far.
fn changes(task: &Task, file: &OpenFile) -> u64 {
    let own = file.ops.wait_queue().map_or(0, WaitQueue::sequence);
    if file.ops_as::<SignalFd>().is_some() {
        own.wrapping_add(task.signaled.sequence())
    } else if let Some(epoll) = file.ops_as::<Epoll>() {
        let items = epoll.items.borrow();
        let files = items.values().filter_map(|item| item.file.upgrade());
        files.fold(own, |sum, file| sum.wrapping_add(changes(task, &file)))
    } else {
        own
    }
}

/// Files are told apart by descriptor and description: a duplicate may be watched on its own.
type Key = (Fd, usize);

#[derive(Debug)]
struct Item {
    file: Weak<OpenFile>,
    events: EpollEvents,
    data: u64,
    /// [`changes`] at the last report of an edge-triggered entry; none: not reported since it was set.
    seen: Cell<Option<u64>>,
    /// A one-shot entry that has fired.
    spent: Cell<bool>,
}

impl Item {
    fn new(file: &Rc<OpenFile>, event: EpollEvent) -> Item {
        // Errors and hang-ups are always reported.
        let events = EpollEvents::from_bits_retain(event.events) | EpollEvents::ERR | EpollEvents::HUP;
        Item {
            file: Rc::downgrade(file),
            events,
            data: event.data,
            seen: Cell::new(None),
            spent: Cell::new(false),
        }
    }

    fn wanted(&self, ready: Ready) -> u32 {
        if self.spent.get() { 0 } else { ready.0 & self.events.difference(MODES).bits() }
    }
}

/// An epoll instance.
#[derive(Debug, Default)]
pub struct Epoll {
    items: RefCell<BTreeMap<Key, Item>>,
    /// Where the last wait stopped: the next goes on after it, so that no busy file starves others.
    last: Cell<Option<Key>>,
    /// Changes with the set of watched files.
    changed: WaitQueue,
    /// Epolls that watch this one.
    watchers: RefCell<Vec<Weak<OpenFile>>>,
}

/// Operations of epoll_ctl(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// `EPOLL_CTL_ADD`.
    Add,
    /// `EPOLL_CTL_DEL`.
    Delete,
    /// `EPOLL_CTL_MOD`.
    Modify,
}

impl Epoll {
    /// An open epoll that watches nothing.
    pub fn open(kernel: &Kernel) -> Rc<OpenFile> {
        let path = kernel.anonymous_path("anon_inode:[eventpoll]", FileType::Regular);
        OpenFile::new(Rc::new(Epoll::default()), open_flags::RDWR, path)
    }

    fn depth_below(&self) -> usize {
        let items = self.items.borrow();
        let files = items.values().filter_map(|item| item.file.upgrade());
        files
            .filter_map(|file| file.ops_as::<Epoll>().map(|below| below.depth_below() + 1))
            .max()
            .unwrap_or(0)
    }

    fn depth_above(&self) -> usize {
        let watchers = self.watchers.borrow();
        let files = watchers.iter().filter_map(Weak::upgrade);
        files
            .filter_map(|file| file.ops_as::<Epoll>().map(|above| above.depth_above() + 1))
            .max()
            .unwrap_or(0)
    }

    fn watches(&self, other: &Epoll) -> bool {
        if std::ptr::eq(self, other) {
            return true;
        }
        let items = self.items.borrow();
        let files = items.values().filter_map(|item| item.file.upgrade());
        files.filter_map(|file| file.ops_as::<Epoll>().map(|below| below.watches(other))).any(|found| found)
    }

    /// epoll_ctl(2), after the checks that need no entry. `own` is the file of this epoll.
    pub fn control(
        &self,
        own: &Rc<OpenFile>,
        control: Control,
        fd: Fd,
        file: &Rc<OpenFile>,
        event: EpollEvent,
    ) -> Result<()> {
        let asked = EpollEvents::from_bits_retain(event.events);
        let nested = file.ops_as::<Epoll>();
        if control != Control::Delete && asked.contains(EpollEvents::EXCLUSIVE) {
            let allowed = EXCLUSIVE_OK.contains(asked) && nested.is_none();
            if control == Control::Modify || !allowed {
                return Err(Errno::EINVAL);
            }
        }
        if control == Control::Add
            && let Some(below) = nested
            && (below.watches(self) || below.depth_below() + 1 + self.depth_above() > MAX_NESTS)
        {
            return Err(Errno::ELOOP);
        }
        let key = (fd, Rc::as_ptr(file) as usize);
        let mut items = self.items.borrow_mut();
        items.retain(|_, item| item.file.strong_count() > 0);
        match (control, items.contains_key(&key)) {
            (Control::Add, true) => return Err(Errno::EEXIST),
            (Control::Delete | Control::Modify, false) => return Err(Errno::ENOENT),
            (Control::Delete, true) => _ = items.remove(&key),
            (Control::Add, false) => {
                items.insert(key, Item::new(file, event));
                if let Some(below) = nested {
                    let mut watchers = below.watchers.borrow_mut();
                    watchers.retain(|watcher| watcher.strong_count() > 0);
                    watchers.push(Rc::downgrade(own));
                }
            }
            (Control::Modify, true) => {
                let exclusive =
                    items.get(&key).is_some_and(|item| item.events.contains(EpollEvents::EXCLUSIVE));
                if exclusive {
                    return Err(Errno::EINVAL);
                }
                items.insert(key, Item::new(file, event));
            }
        }
        if let Some(below) = nested.filter(|_| control == Control::Delete) {
            below.watchers.borrow_mut().retain(|watcher| !std::ptr::eq(watcher.as_ptr(), Rc::as_ptr(own)));
        }
        drop(items);
        self.changed.wake_all();
        Ok(())
    }

    fn any_ready(&self, task: Option<&Task>) -> bool {
        self.items.borrow().values().any(|item| {
            let Some(file) = item.file.upgrade() else { return false };
            let ready = match task {
                Some(task) => readiness(task, &file),
                None => file.ops.ready(),
            };
            let edge_seen = task.is_some_and(|task| item.seen.get() == Some(changes(task, &file)));
            item.wanted(ready) != 0 && !edge_seen
        })
    }

    pub(crate) fn register_all(&self, waker: &Waker) {
        for item in self.items.borrow().values() {
            if let Some(file) = item.file.upgrade().filter(|_| !item.spent.get()) {
                register(&file, waker);
            }
        }
    }

    /// Takes at most `max` events for a thread: what epoll_wait(2) gives.
    pub fn collect(&self, task: &Task, max: usize) -> Vec<EpollEvent> {
        let mut items = self.items.borrow_mut();
        items.retain(|_, item| item.file.strong_count() > 0);
        let start = self.last.get().map_or(Bound::Unbounded, Bound::Excluded);
        let end = self.last.get().map_or(Bound::Excluded((Fd::MIN, 0)), Bound::Included);
        let after = items.range((start, Bound::Unbounded));
        let before = items.range((Bound::Unbounded, end));
        let mut events = Vec::new();
        let mut last = None;
        for (key, item) in after.chain(before) {
            if events.len() >= max {
                break;
            }
            let Some(file) = item.file.upgrade().filter(|_| !item.spent.get()) else { continue };
            let found = item.wanted(readiness(task, &file));
            if found == 0 {
                continue;
            }
            if item.events.contains(EpollEvents::ET) {
                let now = Some(changes(task, &file));
                if item.seen.replace(now) == now {
                    continue;
                }
            }
            if item.events.contains(EpollEvents::ONESHOT) {
                item.spent.set(true);
            }
            events.push(EpollEvent { events: found, data: item.data });
            last = Some(*key);
        }
        if events.len() >= max {
            self.last.set(last);
        }
        events
    }
}

impl FileOps for Epoll {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn ignores_seek(&self) -> bool {
        true
    }

    fn ready(&self) -> Ready {
        Ready::when(self.any_ready(None), false)
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.changed)
    }

    fn fdinfo(&self) -> String {
        let items = self.items.borrow();
        let line = |(key, item): (&Key, &Item)| {
            let ino = item.file.upgrade().map_or(0, |file| file.path.inode().attributes().ino);
            let (events, data) = (item.events.bits(), item.data);
            format!("tfd: {:8} events: {events:8x} data: {data:16x}  pos:0 ino:{ino:x} sdev:d\n", key.0)
        };
        items.iter().map(line).collect()
    }
}
