//! The seam between the system-call layer and file systems.
//!
//! Permission checks, path walking, descriptors and open modes are the caller's. An inode is shared as
//! `Rc<dyn Inode>`; a file system gives the same `Rc` for the same file while anybody holds it, so that
//! `Rc::ptr_eq` is identity. Methods must not hold a `RefCell` borrow across an `.await`.

use async_trait::async_trait;
use blockdev::AsyncLock;
use guest_mem::Mappable;
use linux_abi::errno::Errno;
use std::any::Any;
use std::fmt;
use std::rc::Rc;

/// File-system results carry the errno that Linux gives.
pub type Result<T> = core::result::Result<T, Errno>;

/// Kind of a file (the `S_IFMT` part of its mode).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileType {
    Regular,
    Directory,
    Symlink,
    CharDevice,
    BlockDevice,
    Fifo,
    Socket,
}

impl FileType {
    /// The `S_IFMT` bits.
    pub const fn mode_bits(self) -> u32 {
        match self {
            FileType::Fifo => 0o010_000,
            FileType::CharDevice => 0o020_000,
            FileType::Directory => 0o040_000,
            FileType::BlockDevice => 0o060_000,
            FileType::Regular => 0o100_000,
            FileType::Symlink => 0o120_000,
            FileType::Socket => 0o140_000,
        }
    }

    /// From a mode; none where the bits name no type.
    pub const fn from_mode(mode: u32) -> Option<FileType> {
        Some(match mode & 0o170_000 {
            0o010_000 => FileType::Fifo,
            0o020_000 => FileType::CharDevice,
            0o040_000 => FileType::Directory,
            0o060_000 => FileType::BlockDevice,
            0o100_000 => FileType::Regular,
            0o120_000 => FileType::Symlink,
            0o140_000 => FileType::Socket,
            _ => return None,
        })
    }

    /// `d_type` of `getdents64` (dirent.h): the mode bits shifted down.
    pub const fn dirent_type(self) -> u8 {
        (self.mode_bits() >> 12) as u8
    }
}

/// Time since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Timestamp {
    /// Seconds; negative before 1970.
    pub seconds: i64,
    /// 0..1_000_000_000.
    pub nanoseconds: u32,
}

/// What `stat` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    pub ino: u64,
    pub file_type: FileType,
    /// The low 12 bits of the mode.
    pub permissions: u32,
    pub links: u32,
    pub uid: u32,
    pub gid: u32,
    /// Device number of a device node, in `makedev` encoding (major in bits 8–19, minor in 0–7 and 20–31).
    pub rdev: u32,
    /// Bytes.
    pub size: u64,
    /// Preferred I/O size in bytes.
    pub block_size: u32,
    /// 512-byte units in use.
    pub blocks: u64,
    pub accessed: Timestamp,
    pub modified: Timestamp,
    pub changed: Timestamp,
    /// Birth time where the file system keeps one.
    pub created: Option<Timestamp>,
}

impl Attributes {
    /// Type and permissions together.
    pub fn mode(&self) -> u32 {
        self.file_type.mode_bits() | self.permissions
    }
}

/// Attribute changes; `None` leaves a value alone. `changed` is set to `now` by every change.
#[derive(Clone, Copy, Debug, Default)]
pub struct SetAttributes {
    /// Low 12 bits of the mode.
    pub permissions: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    /// Truncates or extends (with zeros).
    pub size: Option<u64>,
    pub accessed: Option<Timestamp>,
    pub modified: Option<Timestamp>,
    /// The time of the change.
    pub now: Timestamp,
}

/// A node to create.
#[derive(Clone, Debug)]
pub struct NewNode<'a> {
    pub file_type: FileType,
    /// Low 12 bits of the mode, umask already applied.
    pub permissions: u32,
    pub uid: u32,
    pub gid: u32,
    /// Device number for device nodes.
    pub rdev: u32,
    /// Target of a symlink, empty otherwise.
    pub target: &'a [u8],
    pub now: Timestamp,
}

/// One directory entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    pub name: Vec<u8>,
    pub ino: u64,
    pub file_type: FileType,
    /// Where a read that goes on after this entry starts.
    pub next: u64,
}

/// `rename` flags (man 2 rename).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenameMode {
    Replace,
    /// `RENAME_NOREPLACE`.
    NoReplace,
    /// `RENAME_EXCHANGE`.
    Exchange,
}

/// `setxattr` flags (man 2 setxattr).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XattrMode {
    Set,
    Create,
    Replace,
}

/// What `statfs` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct FsStat {
    /// `f_type` magic (linux/magic.h).
    pub magic: u32,
    pub block_size: u32,
    pub blocks: u64,
    pub blocks_free: u64,
    /// Free to unprivileged users.
    pub blocks_available: u64,
    pub files: u64,
    pub files_free: u64,
    pub name_max: u32,
}

/// A mounted file system.
#[async_trait(?Send)]
pub trait FileSystem {
    /// The root directory.
    fn root(&self) -> Rc<dyn Inode>;
    /// `st_dev` of every file in it.
    fn device(&self) -> u64;
    /// Type name as `/proc/mounts` shows it.
    fn type_name(&self) -> &'static str;
    /// Sizes.
    fn stat(&self) -> FsStat;
    /// Writes everything that is dirty down to stable storage.
    async fn sync(&self) -> Result<()>;
    /// Whether nothing can be changed (`EROFS`).
    fn read_only(&self) -> bool {
        false
    }
}

/// A file, of any type.
///
/// Directory methods are called on directories only, data methods on regular files only; defaults give the errno
/// that Linux gives elsewhere. Names are non-empty, without `/`, never `.` or `..` (but `readdir` lists those two).
#[async_trait(?Send)]
pub trait Inode: Any {
    /// Current attributes. Cheap: the inode is in memory.
    fn attributes(&self) -> Attributes;

    /// `st_dev`.
    fn device(&self) -> u64;

    /// For downcasts by code that knows the file system.
    fn as_any(&self) -> &dyn Any;

    /// Changes attributes.
    async fn set_attributes(&self, change: &SetAttributes) -> Result<()>;

    /// Finds a child. `ENOENT` where there is none.
    async fn lookup(&self, _name: &[u8]) -> Result<Rc<dyn Inode>> {
        Err(Errno::ENOTDIR)
    }

    /// Whether names found or missing here may be remembered by the caller. False for synthetic directories whose
    /// content changes by itself (`/proc`).
    fn names_are_stable(&self) -> bool {
        true
    }

    /// Makes a child of any type. `EEXIST` where the name is taken.
    async fn create(&self, _name: &[u8], _node: &NewNode<'_>) -> Result<Rc<dyn Inode>> {
        Err(Errno::EPERM)
    }

    /// Makes an unnamed file in this directory's file system (`O_TMPFILE`), which [`Inode::link`] can name later.
    async fn create_unnamed(&self, _node: &NewNode<'_>) -> Result<Rc<dyn Inode>> {
        Err(Errno::EOPNOTSUPP)
    }

    /// Adds a name for an existing file of the same file system.
    async fn link(&self, _name: &[u8], _target: &Rc<dyn Inode>, _now: Timestamp) -> Result<()> {
        Err(Errno::EPERM)
    }

    /// Removes a name that is not a directory (`EISDIR`). The file goes when its last name and holder go.
    async fn unlink(&self, _name: &[u8], _now: Timestamp) -> Result<()> {
        Err(Errno::EPERM)
    }

    /// Removes an empty directory.
    async fn rmdir(&self, _name: &[u8], _now: Timestamp) -> Result<()> {
        Err(Errno::EPERM)
    }

    /// Moves `name` of this directory to `new_name` of `new_parent` (same file system). All the type and
    /// emptiness rules of rename(2) are checked here; that a directory does not move into its own subtree is the caller's.
    async fn rename(
        &self,
        _name: &[u8],
        _new_parent: &Rc<dyn Inode>,
        _new_name: &[u8],
        _mode: RenameMode,
        _now: Timestamp,
    ) -> Result<()> {
        Err(Errno::EPERM)
    }

    /// Lists entries from a position (0, or some entry's `next`) until `sink` says false, which means that the
    /// entry was not taken. `.` and `..` come first.
    async fn readdir(&self, _from: u64, _sink: &mut dyn FnMut(DirEntry) -> bool) -> Result<()> {
        Err(Errno::ENOTDIR)
    }

    /// Target of a symlink.
    async fn read_link(&self) -> Result<Vec<u8>> {
        Err(Errno::EINVAL)
    }

    /// A symlink that leads straight to an object instead of by its text (`/proc/PID/fd/N`, `exe`, `cwd`).
    fn magic_link(&self) -> Option<namespace::Path> {
        None
    }

    /// Held by whoever changes the content, so that a write is one change and an append goes to the end (write(2),
    /// open(2) on `O_APPEND`): a change may wait for the device, and others run meanwhile. None where nothing is
    /// written.
    fn content_lock(&self) -> Option<&AsyncLock> {
        None
    }

    /// The seals of a memory file (fcntl(2), "File Sealing"): kept here, held by whoever changes it. None elsewhere.
    fn seals(&self) -> Option<&std::cell::Cell<u32>> {
        None
    }

    /// Reads file data at an offset; 0 at or past the end. Short only at the end.
    async fn read_at(&self, _offset: u64, _buf: &mut [u8]) -> Result<usize> {
        Err(Errno::EINVAL)
    }

    /// Writes file data, extending the file; `now` becomes its modification time.
    async fn write_at(&self, _offset: u64, _data: &[u8], _now: Timestamp) -> Result<usize> {
        Err(Errno::EINVAL)
    }

    /// `fallocate` with its raw mode (0, `FALLOC_FL_KEEP_SIZE`, `PUNCH_HOLE`, `ZERO_RANGE`).
    async fn fallocate(&self, _mode: u32, _offset: u64, _len: u64, _now: Timestamp) -> Result<()> {
        Err(Errno::EOPNOTSUPP)
    }

    /// `SEEK_DATA`/`SEEK_HOLE`: start of the next data (or hole) at or after an offset; `ENXIO` past the end.
    async fn seek_hole(&self, offset: u64, want_hole: SeekTarget) -> Result<u64> {
        let size = self.attributes().size;
        match want_hole {
            _ if offset >= size => Err(Errno::ENXIO),
            SeekTarget::Data => Ok(offset),
            SeekTarget::Hole => Ok(size),
        }
    }

    /// Writes data and metadata of this file to stable storage.
    async fn fsync(&self) -> Result<()> {
        Ok(())
    }

    /// The file's pages, for mmap. `ENODEV` where it has none.
    fn mappable(&self) -> Result<Rc<dyn Mappable>> {
        Err(Errno::ENODEV)
    }

    /// Value of an extended attribute (full name, `user.x`). `ENODATA` where there is none.
    async fn get_xattr(&self, _name: &[u8]) -> Result<Vec<u8>> {
        Err(Errno::EOPNOTSUPP)
    }

    /// Sets an extended attribute.
    async fn set_xattr(&self, _name: &[u8], _value: &[u8], _mode: XattrMode, _now: Timestamp) -> Result<()> {
        Err(Errno::EOPNOTSUPP)
    }

    /// Full names of all extended attributes.
    async fn list_xattr(&self) -> Result<Vec<Vec<u8>>> {
        Ok(Vec::new())
    }

    /// Removes an extended attribute.
    async fn remove_xattr(&self, _name: &[u8], _now: Timestamp) -> Result<()> {
        Err(Errno::EOPNOTSUPP)
    }
}

/// What [`Inode::seek_hole`] looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeekTarget {
    Data,
    Hole,
}

impl fmt::Debug for dyn Inode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inode({}:{})", self.device(), self.attributes().ino)
    }
}

use crate::namespace;
