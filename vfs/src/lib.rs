//! Linux file systems over block devices: the inode seam, ext2, tmpfs, the page cache, and the name space that
//! joins them.
//!
//! What this crate deliberately does not know: tasks, descriptors, credentials, HTTP, browsers.
#![forbid(unsafe_code)]

pub mod datafs;
pub mod ext2;
pub mod file_device;
pub mod inode;
pub mod namespace;
pub mod page_cache;
pub mod tmpfs;
pub mod webfs;

pub use blockdev::{AsyncLock, AsyncLockGuard};
pub use inode::{
    Attributes, DirEntry, FileSystem, FileType, FsStat, Inode, NewNode, RenameMode, SetAttributes, Timestamp,
    XattrMode,
};
