//! ext2, read and written; ext3 and ext4 images are read.
//!
//! From the outside in: [`Ext2`] is a mounted file system. Its inodes (`node`) hand data access to `file`, names to
//! `names` and attributes to `xattr`. Below them `dir` knows directory blocks, `map` which block holds which part of
//! a file (`extents` for ext4's way), `alloc` what is free. `core` holds what they share: the inode table, the one
//! queue of changes, and the commit, which takes the device from one consistent state to the next. The records of
//! the disk are in `superblock`, `group` and `inode`; `format` makes an empty one.
//!
//! Changes happen one at a time, and one that started is finished even if its caller goes away (whoever comes next
//! drives it). They stay in memory until a commit: file data first, then "not clean" in the superblock, metadata,
//! and "clean" again. So the device is always consistent up to its last flush, provided it keeps the order of
//! writes, as [`blockdev::BlockDevice`] promises.

mod alloc;
mod buffers;
mod bytes;
mod core;
mod dir;
mod extents;
mod file;
mod format;
mod group;
mod inode;
mod map;
mod mount;
mod names;
mod node;
mod ranges;
mod superblock;
mod xattr;

use crate::inode::{FileSystem, FsStat, Inode, Result};
use crate::page_cache::PageCache;
use async_trait::async_trait;
use blockdev::{BlockDevice, DeviceError};
use linux_abi::errno::Errno;
use std::fmt;
use std::rc::Rc;

use self::core::Core;
pub use self::format::FormatOptions;
pub use self::node::Ext2Inode;

/// How to mount.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ext2Options {
    /// Change nothing, even where the device would allow it.
    pub read_only: bool,
    /// `st_dev` of the files.
    pub device_number: u64,
}

/// Why an image cannot be mounted; says whose fault it is and what to do.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MountError {
    /// There is no ext2 superblock. The wrong image, or a partitioned disk.
    NotExt2,
    /// The image uses features this driver lacks. Make it without them (`mke2fs -t ext2`).
    Features(String),
    /// The superblock or a group descriptor makes no sense. Run e2fsck on the image.
    Damaged(String),
    /// The device is smaller than its file system. The image was cut short.
    CutShort {
        /// Bytes the file system has.
        needs: u64,
        /// Bytes the device has.
        has: u64,
    },
    /// The device failed.
    Device(DeviceError),
}

impl MountError {
    /// What `mount` returns for it.
    pub fn errno(&self) -> Errno {
        match self {
            MountError::NotExt2 | MountError::Features(_) | MountError::CutShort { .. } => Errno::EINVAL,
            MountError::Damaged(_) => Errno::EUCLEAN,
            MountError::Device(error) => errno_of(error),
        }
    }
}

impl fmt::Display for MountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MountError::NotExt2 => {
                f.write_str("no ext2 file system found (is this a partitioned disk image?)")
            }
            MountError::Features(names) => {
                write!(f, "the image uses unsupported features: {names}; make it with mke2fs -t ext2")
            }
            MountError::Damaged(what) => {
                write!(f, "the file system is damaged: {what}; run e2fsck on the image")
            }
            MountError::CutShort { needs, has } => {
                write!(
                    f,
                    "the file system has {needs} bytes but the device only {has}; the image was cut short"
                )
            }
            MountError::Device(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for MountError {}

impl From<DeviceError> for MountError {
    fn from(error: DeviceError) -> MountError {
        MountError::Device(error)
    }
}

/// The errno a program sees for a device failure.
pub(crate) fn errno_of(error: &DeviceError) -> Errno {
    match error {
        DeviceError::ReadOnly => Errno::EROFS,
        DeviceError::NoSpace(_) => Errno::ENOSPC,
        DeviceError::Locked(_) => Errno::EBUSY,
        _ => Errno::EIO,
    }
}

/// A mounted ext2 file system.
///
/// Dropping it does not write anything: call [`FileSystem::sync`] or [`Ext2::unmount`] first. Somebody should also
/// call `sync` from time to time, as the kernel's write-back would; there is no clock in here.
pub struct Ext2 {
    core: Rc<Core>,
    root: Rc<Ext2Inode>,
}

impl Ext2 {
    /// Mounts. The device must not change under the mount.
    pub async fn mount(
        device: Rc<dyn BlockDevice>,
        cache: &PageCache,
        options: Ext2Options,
    ) -> std::result::Result<Rc<Ext2>, MountError> {
        mount::mount(device, cache, options).await
    }

    /// Makes an empty file system on a device; what was there is lost.
    pub async fn format(
        device: Rc<dyn BlockDevice>,
        options: FormatOptions,
    ) -> std::result::Result<(), MountError> {
        format::format(device, options).await
    }

    /// Volume label.
    pub fn label(&self) -> String {
        self.core.sb.borrow().label()
    }

    /// Volume UUID.
    pub fn uuid(&self) -> [u8; 16] {
        self.core.sb.borrow().uuid()
    }

    /// Writes everything and lets go of cached inodes. Files that are still held keep working.
    pub async fn unmount(&self) -> Result<()> {
        self.sync().await?;
        self.core.drop_caches();
        self.sync().await
    }
}

impl Drop for Ext2 {
    fn drop(&mut self) {
        // Cached inodes hold the core, and the core holds them.
        self.core.drop_caches();
    }
}

impl fmt::Debug for Ext2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ext2({:?})", self.core.geometry)
    }
}

#[async_trait(?Send)]
impl FileSystem for Ext2 {
    fn root(&self) -> Rc<dyn Inode> {
        self.root.clone()
    }

    fn device(&self) -> u64 {
        self.core.device_number
    }

    fn type_name(&self) -> &'static str {
        "ext2"
    }

    fn stat(&self) -> FsStat {
        let (sb, geometry) = (self.core.sb.borrow(), &self.core.geometry);
        // As the kernel's default (`minixdf` off): blocks of the file system's own tables do not count.
        let per_group = 2
            + (u64::from(geometry.inodes_per_group) * geometry.inode_size as u64)
                .div_ceil(geometry.block_size as u64);
        let overhead = geometry.first_data_block + u64::from(geometry.groups) * per_group;
        FsStat {
            magic: u32::from(superblock::EXT2_MAGIC),
            block_size: geometry.block_size as u32,
            blocks: geometry.blocks.saturating_sub(overhead),
            blocks_free: sb.free_blocks(),
            blocks_available: sb.free_blocks().saturating_sub(sb.reserved_blocks()),
            files: u64::from(geometry.inodes),
            files_free: u64::from(sb.free_inodes()),
            name_max: 255,
        }
    }

    async fn sync(&self) -> Result<()> {
        if self.core.read_only {
            return Ok(());
        }
        let core = self.core.clone();
        self.core.exclusive(async move { core.commit(true).await }).await
    }

    fn read_only(&self) -> bool {
        self.core.read_only
    }
}
