//! `/dev`: the directory that holds device nodes (devtmpfs), and what opening a character device gives.
//!
//! Nodes here are only names; [`open_device`] goes by the device number, so a node on any file system opens the same.

use crate::file::{Blocking, FileOps, Io, Result};
use crate::fs::devpts::PTMX;
use crate::task::Task;
use crate::tty::file::{self as tty_file, HangUp};
use crate::tty::job;
use async_trait::async_trait;
use guest_mem::{Frame, FramePool, LoadError, Lookup, Mappable, MappableId};
use linux_abi::Errno;
use linux_abi::fs::{MEM_MAJOR, TTY_MAJOR, TTYAUX_MAJOR, UNIX98_PTY_SLAVE_MAJOR};
use linux_abi::random::RNDGETENTCNT;
use linux_abi::stat::{major, makedev, minor};
use linux_abi::statfs::TMPFS_MAGIC;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use vfs::namespace::Path;
use vfs::{
    Attributes, DirEntry, FileSystem, FileType, FsStat, Inode, NewNode, RenameMode, SetAttributes, Timestamp,
};

/// `st_dev` of `/dev`.
const DEVICE: u64 = 5;

/// Minor numbers of the memory devices (mem(4), null(4), random(4)).
const NULL: u32 = 3;
const ZERO: u32 = 5;
const FULL: u32 = 7;
const RANDOM: u32 = 8;
const URANDOM: u32 = 9;
const KMSG: u32 = 11;

/// Opens a character device by its number. `ENXIO` where there is no such device.
pub async fn open_device(task: &Rc<Task>, _path: &Path, rdev: u32, flags: u32) -> Result<Rc<dyn FileOps>> {
    let kernel = &task.kernel;
    match (major(rdev), minor(rdev)) {
        (MEM_MAJOR, kind @ (NULL | ZERO | FULL | RANDOM | URANDOM | KMSG)) => {
            Ok(Rc::new(MemoryDevice { kind, pool: kernel.pool.clone() }))
        }
        (TTYAUX_MAJOR, 0) => {
            let tty = job::controlling(&task.process).ok_or(Errno::ENXIO)?;
            Ok(tty_file::TtyFile::new(kernel, &tty, HangUp::Obeys))
        }
        (TTY_MAJOR, 0) | (TTYAUX_MAJOR, 1) => tty_file::open(task, &kernel.console, HangUp::Survives, flags),
        (TTY_MAJOR, crate::tty::console::VIRTUAL_TERMINAL) => {
            tty_file::open(task, &kernel.console, HangUp::Obeys, flags)
        }
        (TTYAUX_MAJOR, 2) => Ok(kernel.ptys.open_master(task)?),
        (UNIX98_PTY_SLAVE_MAJOR, index) => kernel.ptys.open_slave(task, index, flags),
        _ => Err(Errno::ENXIO),
    }
}

/// `/dev/null` and its kin.
struct MemoryDevice {
    kind: u32,
    pool: FramePool,
}

impl MemoryDevice {
    async fn read_any(&self, io: Io<'_>, buf: &mut [u8]) -> Result<usize> {
        match self.kind {
            ZERO | FULL => buf.fill(0),
            RANDOM | URANDOM => io.task.kernel.entropy(buf),
            KMSG => {
                // Nothing is kept for reading: the log went to the host.
                return match io.blocking {
                    Blocking::Never => Err(Errno::EAGAIN),
                    Blocking::Wait => io.task.interruptible(std::future::pending()).await,
                };
            }
            _ => return Ok(0),
        }
        Ok(buf.len())
    }

    fn write_any(&self, io: Io<'_>, data: &[u8]) -> Result<usize> {
        match self.kind {
            FULL if !data.is_empty() => return Err(Errno::ENOSPC),
            KMSG => io.task.kernel.log(String::from_utf8_lossy(data).trim_end()),
            _ => {}
        }
        Ok(data.len())
    }
}

#[async_trait(?Send)]
impl FileOps for MemoryDevice {
    fn as_any(&self) -> &dyn Any {
        self
    }

    /// pread(2) and pwrite(2) work, whatever the position.
    fn seekable(&self) -> bool {
        true
    }

    /// To any place from any place is 0, where `tail -c` then reads (`null_lseek` in Linux).
    fn ignores_seek(&self) -> bool {
        self.kind != KMSG
    }

    async fn read(&self, io: Io<'_>, buf: &mut [u8]) -> Result<usize> {
        self.read_any(io, buf).await
    }

    async fn write(&self, io: Io<'_>, data: &[u8]) -> Result<usize> {
        self.write_any(io, data)
    }

    async fn read_at(&self, io: Io<'_>, _offset: u64, buf: &mut [u8]) -> Result<usize> {
        self.read_any(io, buf).await
    }

    async fn write_at(&self, io: Io<'_>, _offset: u64, data: &[u8]) -> Result<usize> {
        self.write_any(io, data)
    }

    async fn ioctl(&self, io: Io<'_>, request: u32, arg: u64) -> Result<u64> {
        match (self.kind, request) {
            // The pool is always full: its size in bits, as Linux shows it since 5.18.
            (RANDOM | URANDOM, RNDGETENTCNT) => io.task.put(arg, &256i32).await.map(|()| 0),
            _ => Err(Errno::ENOTTY),
        }
    }

    fn mappable(&self) -> Result<Rc<dyn Mappable>> {
        match self.kind {
            ZERO => Ok(Rc::new(ZeroPages { pool: self.pool.clone(), frames: RefCell::default() })),
            _ => Err(Errno::ENODEV),
        }
    }
}

/// Memory that starts as zeros: what `/dev/zero` maps.
struct ZeroPages {
    pool: FramePool,
    frames: RefCell<HashMap<u64, Frame>>,
}

impl Mappable for ZeroPages {
    fn id(&self) -> MappableId {
        // Each mapping is memory of its own: nothing else names it.
        MappableId {
            device: u64::from(makedev(MEM_MAJOR, ZERO)),
            object: std::ptr::from_ref(self).addr() as u64,
        }
    }

    fn lookup(&self, page: u64) -> Lookup {
        let mut frames = self.frames.borrow_mut();
        if let Some(frame) = frames.get(&page) {
            return Lookup::Resident(frame.clone());
        }
        let Some(frame) = self.pool.alloc() else { return Lookup::Absent };
        frames.insert(page, frame.clone());
        Lookup::Resident(frame)
    }

    fn load<'a>(
        &'a self,
        _page: u64,
    ) -> Pin<Box<dyn Future<Output = core::result::Result<(), LoadError>> + 'a>> {
        // Only a machine without memory gets here.
        Box::pin(std::future::ready(Err(LoadError)))
    }

    fn mark_dirty(&self, _page: u64) {}
}

struct Named {
    position: u64,
    name: Vec<u8>,
    inode: Rc<DevInode>,
}

enum Body {
    Directory(RefCell<Vec<Named>>),
    Link(Vec<u8>),
    Node,
}

/// A file of `/dev`.
struct DevInode {
    attributes: Cell<Attributes>,
    body: Body,
    next: Rc<Cell<u64>>,
    itself: Weak<DevInode>,
}

impl DevInode {
    fn new(next: &Rc<Cell<u64>>, node: &NewNode<'_>) -> Rc<DevInode> {
        let ino = next.replace(next.get() + 1);
        let body = match node.file_type {
            FileType::Directory => Body::Directory(RefCell::default()),
            FileType::Symlink => Body::Link(node.target.to_vec()),
            _ => Body::Node,
        };
        let attributes = Attributes {
            ino,
            file_type: node.file_type,
            permissions: node.permissions,
            links: if node.file_type == FileType::Directory { 2 } else { 1 },
            uid: node.uid,
            gid: node.gid,
            rdev: node.rdev,
            size: node.target.len() as u64,
            block_size: 4096,
            blocks: 0,
            accessed: node.now,
            modified: node.now,
            changed: node.now,
            created: Some(node.now),
        };
        let next = next.clone();
        Rc::new_cyclic(|itself| DevInode {
            attributes: Cell::new(attributes),
            body,
            next,
            itself: itself.clone(),
        })
    }

    fn names(&self) -> Result<&RefCell<Vec<Named>>> {
        match &self.body {
            Body::Directory(names) => Ok(names),
            _ => Err(Errno::ENOTDIR),
        }
    }

    fn find(&self, name: &[u8]) -> Result<Rc<DevInode>> {
        let names = self.names()?.borrow();
        names.iter().find(|row| row.name == name).map(|row| row.inode.clone()).ok_or(Errno::ENOENT)
    }

    fn is_directory(&self) -> bool {
        matches!(self.body, Body::Directory(_))
    }

    fn is_empty(&self) -> bool {
        self.names().is_ok_and(|names| names.borrow().is_empty())
    }

    fn touch(&self, now: Timestamp) {
        self.attributes.set(Attributes { modified: now, changed: now, ..self.attributes.get() });
    }

    fn count_links(&self, change: i32, now: Timestamp) {
        let attributes = self.attributes.get();
        let links = attributes.links.saturating_add_signed(change);
        self.attributes.set(Attributes { links, changed: now, ..attributes });
    }

    fn insert(&self, name: &[u8], inode: Rc<DevInode>, now: Timestamp) -> Result<()> {
        let mut names = self.names()?.borrow_mut();
        let position = names.last().map_or(2, |row| row.position + 1);
        if inode.is_directory() {
            self.count_links(1, now);
        }
        names.push(Named { position, name: name.to_vec(), inode });
        self.touch(now);
        Ok(())
    }

    fn take(&self, name: &[u8], now: Timestamp) -> Result<Rc<DevInode>> {
        let mut names = self.names()?.borrow_mut();
        let at = names.iter().position(|row| row.name == name).ok_or(Errno::ENOENT)?;
        let inode = names.remove(at).inode;
        if inode.is_directory() {
            self.count_links(-1, now);
        }
        self.touch(now);
        Ok(inode)
    }

    /// Whether `victim` may give its name up to `mover` (rename(2)).
    fn check_replace(mover: &DevInode, victim: &DevInode) -> Result<()> {
        match (mover.is_directory(), victim.is_directory()) {
            (true, false) => Err(Errno::ENOTDIR),
            (false, true) => Err(Errno::EISDIR),
            (true, true) if !victim.is_empty() => Err(Errno::ENOTEMPTY),
            _ => Ok(()),
        }
    }
}

#[async_trait(?Send)]
impl Inode for DevInode {
    fn attributes(&self) -> Attributes {
        self.attributes.get()
    }

    fn device(&self) -> u64 {
        DEVICE
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    async fn set_attributes(&self, change: &SetAttributes) -> Result<()> {
        let old = self.attributes.get();
        self.attributes.set(Attributes {
            permissions: change.permissions.unwrap_or(old.permissions),
            uid: change.uid.unwrap_or(old.uid),
            gid: change.gid.unwrap_or(old.gid),
            accessed: change.accessed.unwrap_or(old.accessed),
            modified: change.modified.unwrap_or(old.modified),
            changed: change.now,
            ..old
        });
        Ok(())
    }

    async fn lookup(&self, name: &[u8]) -> Result<Rc<dyn Inode>> {
        Ok(self.find(name)?)
    }

    async fn create(&self, name: &[u8], node: &NewNode<'_>) -> Result<Rc<dyn Inode>> {
        if self.find(name).is_ok() {
            return Err(Errno::EEXIST);
        }
        // It has no pages to hold data in.
        if node.file_type == FileType::Regular {
            return Err(Errno::EPERM);
        }
        let inode = DevInode::new(&self.next, node);
        self.insert(name, inode.clone(), node.now)?;
        Ok(inode)
    }

    async fn link(&self, name: &[u8], target: &Rc<dyn Inode>, now: Timestamp) -> Result<()> {
        let target = target.as_any().downcast_ref::<DevInode>().ok_or(Errno::EXDEV)?;
        if target.is_directory() {
            return Err(Errno::EPERM);
        }
        if self.find(name).is_ok() {
            return Err(Errno::EEXIST);
        }
        let inode = target.itself.upgrade().ok_or(Errno::ENOENT)?;
        inode.count_links(1, now);
        self.insert(name, inode, now)
    }

    async fn unlink(&self, name: &[u8], now: Timestamp) -> Result<()> {
        if self.find(name)?.is_directory() {
            return Err(Errno::EISDIR);
        }
        self.take(name, now)?.count_links(-1, now);
        Ok(())
    }

    async fn rmdir(&self, name: &[u8], now: Timestamp) -> Result<()> {
        let victim = self.find(name)?;
        if !victim.is_directory() {
            return Err(Errno::ENOTDIR);
        }
        if !victim.is_empty() {
            return Err(Errno::ENOTEMPTY);
        }
        self.take(name, now)?.count_links(-2, now);
        Ok(())
    }

    async fn rename(
        &self,
        name: &[u8],
        new_parent: &Rc<dyn Inode>,
        new_name: &[u8],
        mode: RenameMode,
        now: Timestamp,
    ) -> Result<()> {
        let to = new_parent.as_any().downcast_ref::<DevInode>().ok_or(Errno::EXDEV)?;
        let mover = self.find(name)?;
        match (to.find(new_name), mode) {
            (Ok(_), RenameMode::NoReplace) => return Err(Errno::EEXIST),
            (Ok(other), _) if Rc::ptr_eq(&other, &mover) => return Ok(()),
            (Ok(_), RenameMode::Exchange) => {
                let other = to.take(new_name, now)?;
                let mover = self.take(name, now)?;
                self.insert(name, other, now)?;
                return to.insert(new_name, mover, now);
            }
            (Ok(victim), RenameMode::Replace) => {
                DevInode::check_replace(&mover, &victim)?;
                to.take(new_name, now)?.count_links(-1, now);
            }
            (Err(_), RenameMode::Exchange) => return Err(Errno::ENOENT),
            (Err(_), _) => {}
        }
        let mover = self.take(name, now)?;
        to.insert(new_name, mover, now)
    }

    async fn readdir(&self, from: u64, sink: &mut dyn FnMut(DirEntry) -> bool) -> Result<()> {
        let ino = self.attributes.get().ino;
        let own =
            |name: &[u8], next| DirEntry { name: name.into(), ino, file_type: FileType::Directory, next };
        if from == 0 && !sink(own(b".", 1)) || from <= 1 && !sink(own(b"..", 2)) {
            return Ok(());
        }
        for row in self.names()?.borrow().iter().filter(|row| row.position >= from) {
            let Attributes { ino, file_type, .. } = row.inode.attributes();
            if !sink(DirEntry { name: row.name.clone(), ino, file_type, next: row.position + 1 }) {
                break;
            }
        }
        Ok(())
    }

    async fn read_link(&self) -> Result<Vec<u8>> {
        match &self.body {
            Body::Link(target) => Ok(target.clone()),
            _ => Err(Errno::EINVAL),
        }
    }
}

/// The file system of `/dev`.
pub struct DevFs(Rc<DevInode>);

impl fmt::Debug for DevFs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DevFs")
    }
}

/// Group of terminals.
const TTY_GROUP: u32 = 5;

/// What a new `/dev` holds: name, device, mode, group.
#[rustfmt::skip]
const NODES: &[(&str, u32, u32, u32)] = &[
    ("null", makedev(MEM_MAJOR, NULL), 0o666, 0),
    ("zero", makedev(MEM_MAJOR, ZERO), 0o666, 0),
    ("full", makedev(MEM_MAJOR, FULL), 0o666, 0),
    ("random", makedev(MEM_MAJOR, RANDOM), 0o666, 0),
    ("urandom", makedev(MEM_MAJOR, URANDOM), 0o666, 0),
    ("kmsg", makedev(MEM_MAJOR, KMSG), 0o644, 0),
    ("tty", makedev(TTYAUX_MAJOR, 0), 0o666, TTY_GROUP),
    ("console", makedev(TTYAUX_MAJOR, 1), 0o600, 0),
    ("ptmx", PTMX, 0o666, TTY_GROUP),
    ("tty0", makedev(TTY_MAJOR, 0), 0o620, TTY_GROUP),
    ("tty1", makedev(TTY_MAJOR, 1), 0o620, TTY_GROUP),
    ("tty2", makedev(TTY_MAJOR, 2), 0o620, TTY_GROUP),
];

/// Its symlinks (fd(4)).
const LINKS: &[(&str, &str)] = &[
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];

/// Places where other file systems are mounted.
const DIRECTORIES: &[(&str, u32)] = &[("pts", 0o755), ("shm", 0o1777)];

impl DevFs {
    /// A `/dev` with the usual nodes.
    pub fn new(now: Timestamp) -> Rc<DevFs> {
        let next = Rc::new(Cell::new(1));
        let node = |file_type, permissions| NewNode {
            file_type,
            permissions,
            uid: 0,
            gid: 0,
            rdev: 0,
            target: b"",
            now,
        };
        let root = DevInode::new(&next, &node(FileType::Directory, 0o755));
        let add = |name: &str, node: NewNode<'_>| {
            // The root is a directory, and takes any name.
            let _ = root.insert(name.as_bytes(), DevInode::new(&next, &node), now);
        };
        for (name, rdev, mode, gid) in NODES {
            add(name, NewNode { rdev: *rdev, gid: *gid, ..node(FileType::CharDevice, *mode) });
        }
        for (name, target) in LINKS {
            add(name, NewNode { target: target.as_bytes(), ..node(FileType::Symlink, 0o777) });
        }
        for (name, mode) in DIRECTORIES {
            add(name, node(FileType::Directory, *mode));
        }
        Rc::new(DevFs(root))
    }
}

#[async_trait(?Send)]
impl FileSystem for DevFs {
    fn root(&self) -> Rc<dyn Inode> {
        self.0.clone()
    }

    fn device(&self) -> u64 {
        DEVICE
    }

    fn type_name(&self) -> &'static str {
        "devtmpfs"
    }

    fn stat(&self) -> FsStat {
        FsStat { magic: TMPFS_MAGIC, block_size: 4096, name_max: 255, ..FsStat::default() }
    }

    async fn sync(&self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    fn now<T>(work: impl Future<Output = T>) -> T {
        work.now_or_never().expect("nothing here waits")
    }

    fn names(dir: &Rc<dyn Inode>) -> Vec<String> {
        let mut all = Vec::new();
        let mut from = 0;
        // One entry a call, as a tiny getdents buffer would.
        loop {
            let mut got = None;
            now(dir.readdir(from, &mut |entry| {
                if got.is_some() {
                    return false;
                }
                got = Some((entry.name, entry.next));
                true
            }))
            .expect("a directory lists");
            let Some((name, next)) = got else { return all };
            all.push(String::from_utf8(name).expect("names are text"));
            from = next;
        }
    }

    #[test]
    fn takes_what_programs_put_there() {
        let fs = DevFs::new(Timestamp::default());
        let root = fs.root();
        let count = names(&root).len();
        assert_eq!(count, 2 + NODES.len() + LINKS.len() + DIRECTORIES.len());
        let node = |file_type, target| NewNode {
            file_type,
            permissions: 0o600,
            uid: 1,
            gid: 2,
            rdev: 0,
            target,
            now: Timestamp::default(),
        };
        let socket = now(root.create(b"log", &node(FileType::Socket, b""))).expect("a socket");
        assert!(Rc::ptr_eq(&socket, &now(root.lookup(b"log")).expect("it is there")));
        assert_eq!(now(root.create(b"log", &node(FileType::Symlink, b"x"))).err(), Some(Errno::EEXIST));
        assert_eq!(now(root.create(b"data", &node(FileType::Regular, b""))).err(), Some(Errno::EPERM));
        let link = now(root.create(b"core", &node(FileType::Symlink, b"/proc/kcore"))).expect("a symlink");
        assert_eq!(now(link.read_link()), Ok(b"/proc/kcore".to_vec()));
        assert_eq!(now(root.rmdir(b"log", Timestamp::default())), Err(Errno::ENOTDIR));
        assert_eq!(now(root.unlink(b"shm", Timestamp::default())), Err(Errno::EISDIR));
        let to = root.clone();
        now(root.rename(b"log", &to, b"core", RenameMode::Replace, Timestamp::default())).expect("a rename");
        assert!(Rc::ptr_eq(&socket, &now(root.lookup(b"core")).expect("moved")));
        now(root.unlink(b"core", Timestamp::default())).expect("removed");
        assert_eq!(names(&root).len(), count);
        assert_eq!(socket.attributes().links, 0);
    }
}
