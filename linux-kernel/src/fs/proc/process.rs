//! `/proc/PID` and `/proc/PID/task/TID`: one row for each file in them.

use super::{DEVICE, PID_SHIFT, memory, mounts, status};
use crate::file::{FileOps, Io, OpenFile, Result};
use crate::fs::devpts::plain_number;
use crate::fs::synthetic::{
    Content, Entries, Entry, Link, ListDirectory, Owner, Place, ROOT, Target, TextFile,
};
use crate::kernel::Kernel;
use crate::mm::Mm;
use crate::task::{Pid, Process, Task};
use async_trait::async_trait;
use linux_abi::Errno;
use linux_abi::fcntl::OFlags;
use std::any::Any;
use std::cell::RefCell;
use std::fmt::Write;
use std::rc::{Rc, Weak};
use vfs::namespace::Path;
use vfs::{FileType, Inode, Timestamp};

/// Inode numbers within a process: [`ROWS`] by index, then these.
const FD_INO: u64 = 0x10_0000;
const FDINFO_INO: u64 = 0x20_0000;
const NS_INO: u64 = 0x1000;
/// Set in those below `task`.
const THREAD_INO: u64 = 1 << 56;

/// Folds what tells one place from another into an inode number of 32 bits. A 32-bit program without large files
/// can be told no more: its `readdir` would end with `EOVERFLOW`. Two places may, rarely, share a number.
fn fold_ino(place: u64) -> u64 {
    (place.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) | 1 << 31
}

/// The inode number of `/proc/PID`.
pub(super) fn process_ino(pid: Pid) -> u64 {
    fold_ino((pid as u64) << PID_SHIFT)
}

/// The inode number of something in `/proc/PID/task/TID`, by its number there.
fn thread_ino(tid: Pid, offset: u64) -> u64 {
    fold_ino(((tid as u64) << PID_SHIFT | THREAD_INO) + offset)
}

/// A process, or one of its threads, as it is at this moment.
pub(super) struct Subject {
    pub(super) kernel: Rc<Kernel>,
    pub(super) process: Rc<Process>,
    /// The thread; of a process, its leader, or another where that is gone. None: a zombie.
    pub(super) task: Option<Rc<Task>>,
    /// Named through `task/TID`: numbers are the thread's own.
    pub(super) single: bool,
}

impl Subject {
    /// Its id.
    pub(super) fn id(&self) -> Pid {
        self.task.as_ref().filter(|_| self.single).map_or(self.process.pid, |task| task.tid)
    }

    pub(super) fn living(&self) -> Result<&Rc<Task>> {
        self.task.as_ref().ok_or(Errno::ESRCH)
    }

    /// The thread, where a zombie is "no such place".
    fn with_place(&self) -> Result<&Rc<Task>> {
        self.task.as_ref().ok_or(Errno::ENOENT)
    }

    pub(super) fn mm(&self) -> Option<Rc<Mm>> {
        self.task.as_ref().map(|task| task.mm())
    }

    fn owner(&self) -> Owner {
        match &self.task {
            // Memory that its user may not see belongs to root (PR_SET_DUMPABLE(2const)).
            Some(task) if self.process.dumpable.get() == 1 => (task.cred().euid, task.cred().egid),
            None => self.process.remains.borrow().as_ref().map_or(ROOT, |(_, cred)| (cred.euid, cred.egid)),
            _ => ROOT,
        }
    }
}

/// A process or thread by reference: inodes outlive what they show.
#[derive(Clone)]
struct Who {
    kernel: Weak<Kernel>,
    process: Weak<Process>,
    pid: Pid,
    thread: Option<(Pid, Weak<Task>)>,
    net: Rc<ListDirectory>,
    time: Timestamp,
}

impl Who {
    fn subject(&self) -> Result<Subject> {
        let kernel = self.kernel.upgrade().ok_or(Errno::ESRCH)?;
        let process = self.process.upgrade().ok_or(Errno::ESRCH)?;
        // Waited for: gone, though somebody may hold it still.
        if !kernel.process(self.pid).is_some_and(|known| Rc::ptr_eq(&known, &process)) {
            return Err(Errno::ESRCH);
        }
        let task = match &self.thread {
            None => process.any_thread(),
            Some((_, thread)) => {
                let task = thread.upgrade().ok_or(Errno::ESRCH)?;
                let listed = process.threads.borrow().iter().any(|other| Rc::ptr_eq(other, &task));
                Some(task).filter(|_| listed)
            }
        };
        if task.is_none() && self.thread.is_some() {
            return Err(Errno::ESRCH);
        }
        Ok(Subject { kernel, process, task, single: self.thread.is_some() })
    }

    fn owner(&self) -> Owner {
        self.subject().map_or(ROOT, |subject| subject.owner())
    }

    fn place(&self, offset: u64) -> Place {
        let ino = match &self.thread {
            None => fold_ino(((self.pid as u64) << PID_SHIFT) + offset),
            Some((tid, _)) => thread_ino(*tid, offset),
        };
        Place { device: DEVICE, ino, time: self.time }
    }

    /// Whether the calling thread may look into it (ptrace(2), "Ptrace access mode checking").
    fn check_access(&self) -> Result<()> {
        let subject = self.subject()?;
        let (pid, tid) = subject.kernel.caller.get();
        let Some(caller) = subject.kernel.task(tid) else { return Ok(()) };
        let cred = caller.cred();
        if pid == self.pid || cred.privileged() {
            return Ok(());
        }
        let target = subject.living()?.cred();
        let same = [target.uid, target.euid, target.suid].iter().all(|uid| *uid == cred.fsuid);
        if same && subject.process.dumpable.get() == 1 { Ok(()) } else { Err(Errno::EACCES) }
    }

    /// Path text as the calling thread sees it.
    fn text_of(&self, path: &Path) -> Result<Vec<u8>> {
        let kernel = self.kernel.upgrade().ok_or(Errno::ESRCH)?;
        let root =
            kernel.task(kernel.caller.get().1).map_or_else(|| kernel.root.clone(), |task| task.fs().root);
        Ok(kernel.namespace.text_of(path, &root))
    }
}

type Text = fn(&Subject) -> Result<Vec<u8>>;

/// What one name in a process's directory is.
#[derive(Clone, Copy)]
enum Kind {
    Text(Text),
    /// A text that only who may trace the process sees.
    Private(Text),
    /// A text that can be changed.
    Setting(Text, fn(&Subject, &[u8]) -> Result<()>),
    /// A text that poll(2) can watch.
    Watched(Text),
    /// The argument strings, from guest memory.
    Arguments,
    /// The environment strings, from the guest memory that was there at the opening.
    Environment,
    /// A text about the guest memory that was there at the opening.
    Space(fn(&Mm) -> Vec<u8>),
    /// The whole of guest memory.
    Memory,
    /// A link to a file.
    Place(fn(&Subject) -> Result<Path>),
    Fd,
    FdInfo,
    Namespaces,
    Threads,
    Net,
}

struct Row {
    name: &'static str,
    permissions: u32,
    kind: Kind,
}

const fn row(name: &'static str, permissions: u32, kind: Kind) -> Row {
    Row { name, permissions, kind }
}

#[rustfmt::skip]
static ROWS: &[Row] = &[
    row("task", 0o555, Kind::Threads),
    row("fd", 0o500, Kind::Fd),
    row("fdinfo", 0o555, Kind::FdInfo),
    row("ns", 0o511, Kind::Namespaces),
    row("net", 0o555, Kind::Net),
    row("environ", 0o400, Kind::Environment),
    row("auxv", 0o400, Kind::Space(memory::auxv)),
    row("status", 0o444, Kind::Text(status::status)),
    row("personality", 0o400, Kind::Private(status::personality)),
    row("limits", 0o444, Kind::Text(status::limits)),
    row("comm", 0o644, Kind::Setting(status::comm, status::set_comm)),
    row("syscall", 0o400, Kind::Private(status::syscall)),
    row("cmdline", 0o444, Kind::Arguments),
    row("stat", 0o444, Kind::Text(status::stat)),
    row("statm", 0o444, Kind::Text(memory::statm)),
    row("maps", 0o444, Kind::Space(memory::maps)),
    row("smaps_rollup", 0o444, Kind::Space(memory::smaps_rollup)),
    row("mem", 0o600, Kind::Memory),
    row("cwd", 0o777, Kind::Place(|subject| Ok(subject.with_place()?.fs().cwd))),
    row("root", 0o777, Kind::Place(|subject| Ok(subject.with_place()?.fs().root))),
    row("exe", 0o777, Kind::Place(memory::exe)),
    row("mounts", 0o444, Kind::Watched(mounts::mounts)),
    row("mountinfo", 0o444, Kind::Watched(mounts::mountinfo)),
    row("mountstats", 0o400, Kind::Text(mounts::mountstats)),
    row("wchan", 0o444, Kind::Text(|_| Ok(b"0".to_vec()))),
    row("schedstat", 0o444, Kind::Text(status::schedstat)),
    row("cgroup", 0o444, Kind::Text(|_| Ok(b"0::/\n".to_vec()))),
    row("oom_score", 0o444, Kind::Text(|_| Ok(b"0\n".to_vec()))),
    row("oom_score_adj", 0o644, Kind::Setting(status::oom_score_adj, status::set_oom_score_adj)),
    row("loginuid", 0o644, Kind::Setting(|_| Ok(b"4294967295".to_vec()), status::ignore)),
    row("sessionid", 0o444, Kind::Text(|_| Ok(b"4294967295".to_vec()))),
    row("coredump_filter", 0o644, Kind::Setting(|_| Ok(b"00000033\n".to_vec()), status::ignore)),
    row("io", 0o400, Kind::Private(status::io)),
    row("uid_map", 0o644, Kind::Setting(status::id_map, status::refuse)),
    row("gid_map", 0o644, Kind::Setting(status::id_map, status::refuse)),
    row("setgroups", 0o644, Kind::Setting(|_| Ok(b"allow\n".to_vec()), status::refuse)),
    row("timerslack_ns", 0o666, Kind::Setting(|_| Ok(b"50000\n".to_vec()), status::ignore)),
];

/// Names that `task/TID` does not have.
const ONLY_OF_PROCESSES: &[&str] = &["task", "mountstats", "coredump_filter", "timerslack_ns"];

struct Directory(Who);

impl Directory {
    fn rows(&self) -> impl Iterator<Item = (usize, &'static Row)> {
        let single = self.0.thread.is_some();
        ROWS.iter().enumerate().filter(move |(_, row)| !single || !ONLY_OF_PROCESSES.contains(&row.name))
    }
}

/// `/proc/PID`.
pub(super) fn directory(
    kernel: &Rc<Kernel>,
    process: &Rc<Process>,
    net: &Rc<ListDirectory>,
) -> Rc<dyn Inode> {
    let who = Who {
        kernel: Rc::downgrade(kernel),
        process: Rc::downgrade(process),
        pid: process.pid,
        thread: None,
        net: net.clone(),
        time: kernel.clock.timestamp(),
    };
    ListDirectory::new(who.place(0), 0o555, Rc::new(Directory(who)))
}

impl Entries for Directory {
    fn get(&self, name: &[u8]) -> Result<Rc<dyn Inode>> {
        let who = self.0.clone();
        who.subject().map_err(|_| Errno::ENOENT)?;
        let found = self.rows().find(|(_, row)| row.name.as_bytes() == name);
        let (index, row) = found.ok_or(Errno::ENOENT)?;
        let place = who.place(1 + index as u64);
        let directory = |entries: Rc<dyn Entries>| ListDirectory::new(place, row.permissions, entries);
        Ok(match row.kind {
            Kind::Place(_) => Link::new(place, Rc::new(PlaceLink { who, row })),
            Kind::Fd => directory(Rc::new(Descriptors { who, links: true })),
            Kind::FdInfo => directory(Rc::new(Descriptors { who, links: false })),
            Kind::Namespaces => directory(Rc::new(Namespaces(who))),
            Kind::Threads => directory(Rc::new(Threads(who))),
            Kind::Net => who.net,
            _ => TextFile::new(place, row.permissions, Rc::new(RowContent { who, row })),
        })
    }

    fn list(&self) -> Result<Vec<Entry>> {
        self.0.subject().map_err(|_| Errno::ENOENT)?;
        let kind = |kind| match kind {
            Kind::Place(_) => FileType::Symlink,
            Kind::Fd | Kind::FdInfo | Kind::Namespaces | Kind::Threads | Kind::Net => FileType::Directory,
            _ => FileType::Regular,
        };
        let entry = |(index, row): (usize, &Row)| Entry {
            name: row.name.into(),
            ino: self.0.place(1 + index as u64).ino,
            file_type: kind(row.kind),
            position: index as u64,
        };
        Ok(self.rows().map(entry).collect())
    }

    fn owner(&self) -> Owner {
        self.0.owner()
    }
}

struct RowContent {
    who: Who,
    row: &'static Row,
}

#[async_trait(?Send)]
impl Content for RowContent {
    async fn text(&self) -> Result<Vec<u8>> {
        let subject = self.who.subject()?;
        match self.row.kind {
            Kind::Text(text) | Kind::Private(text) | Kind::Setting(text, _) | Kind::Watched(text) => {
                text(&subject)
            }
            Kind::Arguments => Ok(memory::cmdline(&subject).await),
            _ => match self.at_opening() {
                Some(opened) => opened.text().await,
                None => Err(Errno::EINVAL),
            },
        }
    }

    async fn store(&self, data: &[u8]) -> Result<()> {
        match self.row.kind {
            Kind::Setting(_, set) => set(&self.who.subject()?, data),
            _ => Err(Errno::EINVAL),
        }
    }

    fn owner(&self) -> Owner {
        self.who.owner()
    }

    fn check_open(&self, _task: &Rc<Task>) -> Result<()> {
        match self.row.kind {
            Kind::Private(_) | Kind::Space(_) | Kind::Environment | Kind::Memory => self.who.check_access(),
            _ => Ok(()),
        }
    }

    fn at_opening(&self) -> Option<Rc<dyn Content>> {
        let part = match self.row.kind {
            Kind::Environment => Part::Environment,
            Kind::Space(text) => Part::Space(text),
            _ => return None,
        };
        let mm = self.who.subject().ok()?.mm().as_ref().map(Rc::downgrade).unwrap_or_default();
        Some(Rc::new(OpenedMemory { mm, part }))
    }

    fn special(&self, _task: &Rc<Task>) -> Option<Rc<dyn FileOps>> {
        // The memory that is there at the opening, even past an execve (proc(5)).
        let mm = matches!(self.row.kind, Kind::Memory).then(|| self.who.subject().ok()?.mm())??;
        Some(Rc::new(MemoryFile(mm)))
    }

    fn pollable(&self) -> bool {
        matches!(self.row.kind, Kind::Watched(_))
    }
}

/// What a text is about.
enum Part {
    Environment,
    Space(fn(&Mm) -> Vec<u8>),
}

/// A text about one memory: empty once its process has another after execve, or none.
struct OpenedMemory {
    mm: Weak<Mm>,
    part: Part,
}

#[async_trait(?Send)]
impl Content for OpenedMemory {
    async fn text(&self) -> Result<Vec<u8>> {
        let Some(mm) = self.mm.upgrade() else { return Ok(Vec::new()) };
        Ok(match self.part {
            Part::Environment => memory::environ(&mm).await,
            Part::Space(text) => text(&mm),
        })
    }
}

/// `/proc/PID/mem`: positions are guest addresses.
struct MemoryFile(Rc<Mm>);

#[async_trait(?Send)]
impl FileOps for MemoryFile {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn seekable(&self) -> bool {
        true
    }

    /// As much as can be read up to the first bad page; `EIO` where nothing can.
    async fn read_at(&self, _io: Io<'_>, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let mut done = 0;
        while done < buf.len() {
            let at = offset.checked_add(done as u64).ok_or(Errno::EIO)?;
            let part = (4096 - (at & 4095)).min((buf.len() - done) as u64) as usize;
            if self.0.read(at, &mut buf[done..done + part]).await.is_err() {
                break;
            }
            done += part;
        }
        if done == 0 && !buf.is_empty() { Err(Errno::EIO) } else { Ok(done) }
    }

    async fn write_at(&self, _io: Io<'_>, offset: u64, data: &[u8]) -> Result<usize> {
        self.0.write(offset, data).await.map_err(|_| Errno::EIO)?;
        Ok(data.len())
    }
}

/// `exe`, `cwd`, `root`.
struct PlaceLink {
    who: Who,
    row: &'static Row,
}

impl PlaceLink {
    fn find(&self) -> Result<Path> {
        self.who.check_access()?;
        match self.row.kind {
            Kind::Place(find) => find(&self.who.subject()?),
            _ => Err(Errno::ENOENT),
        }
    }
}

impl Target for PlaceLink {
    fn text(&self) -> Result<Vec<u8>> {
        self.who.text_of(&self.find()?)
    }

    fn path(&self) -> Option<Path> {
        self.find().ok()
    }

    fn owner(&self) -> Owner {
        self.who.owner()
    }
}

/// `fd` and `fdinfo`.
struct Descriptors {
    who: Who,
    links: bool,
}

impl Descriptors {
    fn ino(&self, fd: i32) -> u64 {
        let first = if self.links { FD_INO } else { FDINFO_INO };
        self.who.place(first + fd as u64).ino
    }
}

impl Entries for Descriptors {
    fn get(&self, name: &[u8]) -> Result<Rc<dyn Inode>> {
        let fd = plain_number(name).and_then(|fd| i32::try_from(fd).ok()).ok_or(Errno::ENOENT)?;
        let subject = self.who.subject()?;
        subject.living().map_err(|_| Errno::ENOENT)?.files().get(fd).map_err(|_| Errno::ENOENT)?;
        let place = self.who.place(0).at(self.ino(fd));
        let descriptor = Descriptor { who: self.who.clone(), fd };
        Ok(if self.links {
            Link::new(place, Rc::new(descriptor))
        } else {
            TextFile::new(place, 0o400, Rc::new(descriptor))
        })
    }

    fn list(&self) -> Result<Vec<Entry>> {
        let subject = self.who.subject().map_err(|_| Errno::ENOENT)?;
        let numbers = subject.task.map(|task| task.files().numbers()).unwrap_or_default();
        let file_type = if self.links { FileType::Symlink } else { FileType::Regular };
        let entry = |fd: i32| Entry {
            name: fd.to_string().into_bytes(),
            ino: self.ino(fd),
            file_type,
            position: fd as u64,
        };
        Ok(numbers.into_iter().map(entry).collect())
    }

    fn owner(&self) -> Owner {
        self.who.owner()
    }
}

struct Descriptor {
    who: Who,
    fd: i32,
}

impl Descriptor {
    fn file(&self) -> Result<Rc<OpenFile>> {
        self.who.subject()?.living()?.files().get(self.fd).map_err(|_| Errno::ENOENT)
    }
}

impl Target for Descriptor {
    fn text(&self) -> Result<Vec<u8>> {
        self.who.check_access()?;
        self.who.text_of(&self.file()?.path)
    }

    fn path(&self) -> Option<Path> {
        self.who.check_access().ok()?;
        Some(self.file().ok()?.path.clone())
    }

    fn owner(&self) -> Owner {
        self.who.owner()
    }

    fn permissions(&self) -> u32 {
        let Ok(file) = self.file() else { return 0 };
        0o100 | if file.readable() { 0o400 } else { 0 } | if file.writable() { 0o200 } else { 0 }
    }
}

#[async_trait(?Send)]
impl Content for Descriptor {
    async fn text(&self) -> Result<Vec<u8>> {
        let file = self.file()?;
        let files = self.who.subject()?.living()?.files();
        let mut flags = file.flags.get();
        if files.close_on_exec(self.fd)? {
            flags |= OFlags::CLOEXEC.bits();
        }
        let position = if file.ops.seekable() { file.position.get() } else { 0 };
        let ino = file.path.inode().attributes().ino;
        let mut text =
            format!("pos:\t{position}\nflags:\t0{flags:o}\nmnt_id:\t{}\nino:\t{ino}\n", file.path.mount.id);
        let _ = write!(text, "{}", file.ops.fdinfo());
        Ok(text.into_bytes())
    }

    fn owner(&self) -> Owner {
        self.who.owner()
    }
}

/// Namespaces and their numbers: those of the first ones of a machine (linux/proc_ns.h).
const NAMESPACES: &[(&str, &str)] = &[
    ("cgroup", "cgroup:[4026531835]"),
    ("ipc", "ipc:[4026531839]"),
    ("mnt", "mnt:[4026531841]"),
    ("net", "net:[4026531840]"),
    ("pid", "pid:[4026531836]"),
    ("pid_for_children", "pid:[4026531836]"),
    ("time", "time:[4026531834]"),
    ("time_for_children", "time:[4026531834]"),
    ("user", "user:[4026531837]"),
    ("uts", "uts:[4026531838]"),
];

struct Namespaces(Who);

struct NamespaceLink {
    who: Who,
    /// Made at the first look, and then the same for as long as somebody has the inode.
    path: RefCell<Option<Path>>,
    text: &'static str,
}

impl Target for NamespaceLink {
    fn text(&self) -> Result<Vec<u8>> {
        self.who.check_access()?;
        Ok(self.text.into())
    }

    fn path(&self) -> Option<Path> {
        let kernel = self.who.kernel.upgrade()?;
        self.who.check_access().ok()?;
        let mut path = self.path.borrow_mut();
        Some(path.get_or_insert_with(|| kernel.anonymous_path(self.text, FileType::Regular)).clone())
    }

    fn owner(&self) -> Owner {
        self.who.owner()
    }
}

impl Entries for Namespaces {
    fn get(&self, name: &[u8]) -> Result<Rc<dyn Inode>> {
        let index = NAMESPACES.iter().position(|row| row.0.as_bytes() == name).ok_or(Errno::ENOENT)?;
        let text = NAMESPACES.get(index).ok_or(Errno::ENOENT)?.1;
        let place = self.0.place(NS_INO + index as u64);
        Ok(Link::new(place, Rc::new(NamespaceLink { who: self.0.clone(), path: RefCell::default(), text })))
    }

    fn list(&self) -> Result<Vec<Entry>> {
        let entry = |(index, row): (usize, &(&str, &str))| Entry {
            name: row.0.into(),
            ino: self.0.place(NS_INO + index as u64).ino,
            file_type: FileType::Symlink,
            position: index as u64,
        };
        Ok(NAMESPACES.iter().enumerate().map(entry).collect())
    }

    fn owner(&self) -> Owner {
        self.0.owner()
    }
}

/// `task`.
struct Threads(Who);

impl Entries for Threads {
    fn get(&self, name: &[u8]) -> Result<Rc<dyn Inode>> {
        let tid = plain_number(name).and_then(|tid| Pid::try_from(tid).ok()).ok_or(Errno::ENOENT)?;
        let subject = self.0.subject().map_err(|_| Errno::ENOENT)?;
        let threads = subject.process.threads.borrow();
        let task = threads.iter().find(|task| task.tid == tid).ok_or(Errno::ENOENT)?;
        let who = Who { thread: Some((tid, Rc::downgrade(task))), ..self.0.clone() };
        Ok(ListDirectory::new(who.place(0), 0o555, Rc::new(Directory(who))))
    }

    fn list(&self) -> Result<Vec<Entry>> {
        let subject = self.0.subject().map_err(|_| Errno::ENOENT)?;
        let mut ids: Vec<Pid> = subject.process.threads.borrow().iter().map(|task| task.tid).collect();
        ids.sort_unstable();
        let entry = |tid: Pid| Entry {
            name: tid.to_string().into_bytes(),
            ino: thread_ino(tid, 0),
            file_type: FileType::Directory,
            position: tid as u64,
        };
        Ok(ids.into_iter().map(entry).collect())
    }

    fn owner(&self) -> Owner {
        self.0.owner()
    }
}
