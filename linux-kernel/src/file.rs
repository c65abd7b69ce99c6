//! Open files: the seam that every kind of descriptor implements, open file descriptions, descriptor tables.

use crate::task::Task;
use crate::wait::WaitQueue;
use async_trait::async_trait;
use guest_mem::Mappable;
use linux_abi::Errno;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use vfs::AsyncLock;
use vfs::namespace::Path;

/// Results of kernel operations.
pub type Result<T> = core::result::Result<T, Errno>;

/// `O_*` flags that matter after `open` (asm-generic/fcntl.h; i386 and x86-64 agree).
pub mod open_flags {
    #![allow(missing_docs)]
    pub const ACCMODE: u32 = 3;
    pub const WRONLY: u32 = 1;
    pub const RDWR: u32 = 2;
    pub const APPEND: u32 = 0o2000;
    pub const NONBLOCK: u32 = 0o4000;
    pub const DSYNC: u32 = 0o10000;
    pub const ASYNC: u32 = 0o20000;
    pub const DIRECT: u32 = 0o40000;
    pub const LARGEFILE: u32 = 0o100000;
    pub const NOATIME: u32 = 0o1000000;
    pub const SYNC: u32 = 0o4010000;
    pub const PATH: u32 = 0o10000000;
    /// What `F_SETFL` changes.
    pub const SETTABLE: u32 = APPEND | NONBLOCK | ASYNC | DIRECT | NOATIME;
}

/// Readiness, in the bits of `poll` (asm-generic/poll.h).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ready(pub u32);

impl Ready {
    #![allow(missing_docs)]
    pub const NONE: Ready = Ready(0);
    pub const IN: Ready = Ready(0x001);
    pub const PRI: Ready = Ready(0x002);
    pub const OUT: Ready = Ready(0x004);
    pub const ERR: Ready = Ready(0x008);
    pub const HUP: Ready = Ready(0x010);
    pub const RDNORM: Ready = Ready(0x040);
    pub const WRNORM: Ready = Ready(0x100);
    pub const RDHUP: Ready = Ready(0x2000);

    /// Always readable and writable, as regular files are.
    pub const ALWAYS: Ready = Ready(0x145);

    /// `IN | RDNORM` and `OUT | WRNORM` by condition.
    pub fn when(readable: bool, writable: bool) -> Ready {
        Ready(if readable { 0x041 } else { 0 } | if writable { 0x104 } else { 0 })
    }

    #[must_use]
    pub const fn union(self, other: Ready) -> Ready {
        Ready(self.0 | other.0)
    }
}

/// Whether an operation may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocking {
    /// Wait, until a signal comes.
    Wait,
    /// `O_NONBLOCK`: `EAGAIN` instead.
    Never,
}

/// What an operation on an open file knows of its caller.
#[derive(Clone, Copy, Debug)]
pub struct Io<'a> {
    /// The calling thread.
    pub task: &'a Rc<Task>,
    /// The description it came through.
    pub file: &'a OpenFile,
    /// May it wait?
    pub blocking: Blocking,
}

/// The behaviour of one kind of open file.
///
/// Stream files (pipes, terminals, sockets) implement `read`/`write`; seekable ones `read_at`/`write_at` and say
/// so by [`FileOps::seekable`]. An operation that would wait does so with [`Task::interruptible`] where
/// [`Io::blocking`] allows, else gives `EAGAIN`.
#[async_trait(?Send)]
pub trait FileOps: Any {
    /// For code that knows the kind.
    fn as_any(&self) -> &dyn Any;

    /// Whether positions mean something.
    fn seekable(&self) -> bool {
        false
    }

    /// Whether `lseek` does nothing and gives 0, as it does on event descriptors and `/dev/zero` (`noop_llseek` and
    /// `null_lseek` in Linux).
    fn ignores_seek(&self) -> bool {
        false
    }

    /// Reads what is there, at most `buf.len()` bytes; 0 at the end.
    async fn read(&self, _io: Io<'_>, _buf: &mut [u8]) -> Result<usize> {
        Err(Errno::EINVAL)
    }

    /// Writes. A stream may take fewer bytes than given; with [`Blocking::Wait`] it takes all or is interrupted.
    async fn write(&self, _io: Io<'_>, _data: &[u8]) -> Result<usize> {
        Err(Errno::EINVAL)
    }

    /// Reads at a position.
    async fn read_at(&self, _io: Io<'_>, _offset: u64, _buf: &mut [u8]) -> Result<usize> {
        Err(Errno::ESPIPE)
    }

    /// Writes at a position.
    async fn write_at(&self, _io: Io<'_>, _offset: u64, _data: &[u8]) -> Result<usize> {
        Err(Errno::ESPIPE)
    }

    /// What can be done now without waiting.
    fn ready(&self) -> Ready {
        Ready::ALWAYS
    }

    /// Changes whenever [`FileOps::ready`] may have. None: readiness never changes (`epoll` refuses it with `EPERM`).
    fn wait_queue(&self) -> Option<&WaitQueue> {
        None
    }

    /// A control request. `arg` is the raw third argument; user memory through `io.task`.
    async fn ioctl(&self, _io: Io<'_>, _request: u32, _arg: u64) -> Result<u64> {
        Err(Errno::ENOTTY)
    }

    /// The pages for mmap.
    fn mappable(&self) -> Result<Rc<dyn Mappable>> {
        Err(Errno::ENODEV)
    }

    /// `fsync` and `fdatasync`.
    async fn fsync(&self) -> Result<()> {
        Err(Errno::EINVAL)
    }

    /// Lines that `/proc/PID/fdinfo/N` shows beyond pos and flags.
    fn fdinfo(&self) -> String {
        String::new()
    }

    /// The last descriptor of the description was closed.
    fn released(&self, _file: &OpenFile) {}
}

/// An open file description (man 2 open): what `dup` and `fork` share.
pub struct OpenFile {
    /// Behaviour.
    pub ops: Rc<dyn FileOps>,
    /// Access mode and status flags.
    pub flags: Cell<u32>,
    /// File position.
    pub position: Cell<u64>,
    /// Held from reading a position to moving it: what `fork` shares is used by several at once (read(2), "thread
    /// safety" of the file offset).
    pub position_lock: AsyncLock,
    /// What was opened; pipes and sockets have a path that is nobody's child.
    pub path: Path,
    /// `F_SETOWN`.
    pub owner: Cell<i32>,
    /// `F_SETSIG`.
    pub owner_signal: Cell<u32>,
    /// Where `getdents` goes on.
    pub directory_position: Cell<u64>,
}

impl fmt::Debug for OpenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenFile({:?}, {:#o})", self.path, self.flags.get())
    }
}

impl OpenFile {
    /// A description with position 0.
    pub fn new(ops: Rc<dyn FileOps>, flags: u32, path: Path) -> Rc<OpenFile> {
        Rc::new(OpenFile {
            ops,
            flags: Cell::new(flags),
            position: Cell::new(0),
            position_lock: AsyncLock::new(),
            path,
            owner: Cell::new(0),
            owner_signal: Cell::new(0),
            directory_position: Cell::new(0),
        })
    }

    fn is_path_only(&self) -> bool {
        self.flags.get() & open_flags::PATH != 0
    }

    /// Opened for reading.
    pub fn readable(&self) -> bool {
        !self.is_path_only() && self.flags.get() & open_flags::ACCMODE != open_flags::WRONLY
    }

    /// Opened for writing.
    pub fn writable(&self) -> bool {
        !self.is_path_only() && matches!(self.flags.get() & open_flags::ACCMODE, 1 | 2)
    }

    /// By `O_NONBLOCK`.
    pub fn blocking(&self) -> Blocking {
        if self.flags.get() & open_flags::NONBLOCK != 0 { Blocking::Never } else { Blocking::Wait }
    }

    /// The behaviour as a concrete kind.
    pub fn ops_as<T: 'static>(&self) -> Option<&T> {
        self.ops.as_any().downcast_ref()
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        let ops = self.ops.clone();
        ops.released(self);
    }
}

/// A descriptor number.
pub type Fd = i32;

#[derive(Clone, Debug)]
struct Entry {
    file: Rc<OpenFile>,
    close_on_exec: bool,
}

/// The descriptors of a process (shared by its threads).
#[derive(Debug, Default)]
pub struct FdTable {
    entries: RefCell<Vec<Option<Entry>>>,
}

impl FdTable {
    /// The open file behind a descriptor, or `EBADF`.
    pub fn get(&self, fd: Fd) -> Result<Rc<OpenFile>> {
        let entries = self.entries.borrow();
        let entry = usize::try_from(fd).ok().and_then(|fd| entries.get(fd)?.as_ref());
        entry.map(|entry| entry.file.clone()).ok_or(Errno::EBADF)
    }

    /// Like [`FdTable::get`], refusing `O_PATH` descriptors, which can do nothing but name a file.
    pub fn get_io(&self, fd: Fd) -> Result<Rc<OpenFile>> {
        self.get(fd).and_then(|file| if file.is_path_only() { Err(Errno::EBADF) } else { Ok(file) })
    }

    /// Installs at the lowest free number at or above `from`, below `limit` (`RLIMIT_NOFILE`).
    pub fn install(&self, file: Rc<OpenFile>, close_on_exec: bool, from: Fd, limit: u64) -> Result<Fd> {
        let mut entries = self.entries.borrow_mut();
        let from = usize::try_from(from).map_err(|_| Errno::EINVAL)?;
        let free = (from..entries.len()).find(|i| entries[*i].is_none()).unwrap_or(entries.len().max(from));
        if free as u64 >= limit {
            return Err(Errno::EMFILE);
        }
        if free >= entries.len() {
            entries.resize(free + 1, None);
        }
        entries[free] = Some(Entry { file, close_on_exec });
        Ok(free as Fd)
    }

    /// Installs at a number, giving back what was there (to be closed).
    pub fn replace(
        &self,
        fd: Fd,
        file: Rc<OpenFile>,
        close_on_exec: bool,
        limit: u64,
    ) -> Result<Option<Rc<OpenFile>>> {
        let index = usize::try_from(fd).map_err(|_| Errno::EBADF)?;
        if index as u64 >= limit {
            return Err(Errno::EBADF);
        }
        let mut entries = self.entries.borrow_mut();
        if index >= entries.len() {
            entries.resize(index + 1, None);
        }
        Ok(entries[index].replace(Entry { file, close_on_exec }).map(|old| old.file))
    }

    /// Takes a descriptor out.
    pub fn take(&self, fd: Fd) -> Result<Rc<OpenFile>> {
        let mut entries = self.entries.borrow_mut();
        let entry = usize::try_from(fd).ok().and_then(|fd| entries.get_mut(fd)?.take());
        entry.map(|entry| entry.file).ok_or(Errno::EBADF)
    }

    /// `FD_CLOEXEC`.
    pub fn close_on_exec(&self, fd: Fd) -> Result<bool> {
        let entries = self.entries.borrow();
        let entry = usize::try_from(fd).ok().and_then(|fd| entries.get(fd)?.as_ref());
        entry.map(|entry| entry.close_on_exec).ok_or(Errno::EBADF)
    }

    /// Sets `FD_CLOEXEC`.
    pub fn set_close_on_exec(&self, fd: Fd, on: bool) -> Result<()> {
        let mut entries = self.entries.borrow_mut();
        let entry = usize::try_from(fd).ok().and_then(|fd| entries.get_mut(fd)?.as_mut());
        entry.map(|entry| entry.close_on_exec = on).ok_or(Errno::EBADF)
    }

    /// A table of its own with the same descriptions (`fork`).
    pub fn duplicate(&self) -> FdTable {
        FdTable { entries: RefCell::new(self.entries.borrow().clone()) }
    }

    /// Takes out every descriptor marked close-on-exec.
    pub fn take_close_on_exec(&self) -> Vec<Rc<OpenFile>> {
        let mut entries = self.entries.borrow_mut();
        let marked = entries.iter_mut().filter(|entry| entry.as_ref().is_some_and(|e| e.close_on_exec));
        marked.filter_map(Option::take).map(|entry| entry.file).collect()
    }

    /// Takes out everything.
    pub fn take_all(&self) -> Vec<Rc<OpenFile>> {
        std::mem::take(&mut *self.entries.borrow_mut())
            .into_iter()
            .flatten()
            .map(|entry| entry.file)
            .collect()
    }

    /// Numbers in use, ascending.
    pub fn numbers(&self) -> Vec<Fd> {
        let entries = self.entries.borrow();
        entries.iter().enumerate().filter(|(_, entry)| entry.is_some()).map(|(fd, _)| fd as Fd).collect()
    }
}
