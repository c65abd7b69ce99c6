//! An inode in memory, and the seam traits on it.

use super::core::Core;
use super::dir;
use super::file;
use super::inode::{ATIME, CRTIME, CTIME, FLAG_EXTENTS, MTIME, RawInode};
use super::names::{self, Wanted};
use super::xattr;
use crate::inode::{
    Attributes, DirEntry, FileType, Inode, NewNode, RenameMode, Result, SeekTarget, SetAttributes, Timestamp,
    XattrMode,
};
use crate::page_cache::FilePages;
use async_trait::async_trait;
use blockdev::AsyncLock;
use guest_mem::{LoadError, Lookup, Mappable, MappableId, PAGE_BYTES};
use linux_abi::errno::Errno;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};

/// A file of a mounted ext2.
pub struct Ext2Inode {
    pub(super) core: Rc<Core>,
    pub(super) ino: u32,
    pub(super) file_type: FileType,
    me: Weak<Ext2Inode>,
    pub(super) raw: RefCell<RawInode>,
    pub(super) pages: Rc<FilePages>,
    /// Names of a directory, once they were needed.
    pub(super) index: RefCell<Option<Rc<dir::Index>>>,
    pub(super) index_lock: AsyncLock,
    content_lock: AsyncLock,
    /// Last block that was allocated or found for writing: file block, device block.
    pub(super) hint: Cell<(u64, u64)>,
    /// Used since the inode cache's hand passed.
    pub(super) used: Cell<bool>,
    /// Everything of it is freed; nothing is left to do when it goes.
    pub(super) buried: Cell<bool>,
    /// A write-back that found no space; the next fsync tells.
    pub(super) write_error: Cell<Option<Errno>>,
}

impl Ext2Inode {
    pub(super) fn new(core: &Rc<Core>, ino: u32, raw: RawInode) -> Result<Rc<Ext2Inode>> {
        let file_type = raw.file_type().ok_or(Errno::EUCLEAN)?;
        let id = MappableId { device: core.device_number, object: u64::from(ino) };
        Ok(Rc::new_cyclic(|me| Ext2Inode {
            core: core.clone(),
            ino,
            file_type,
            me: me.clone(),
            raw: RefCell::new(raw),
            pages: core.cache.file(id),
            index: RefCell::default(),
            index_lock: AsyncLock::new(),
            content_lock: AsyncLock::new(),
            hint: Cell::new((0, 0)),
            used: Cell::new(true),
            buried: Cell::new(false),
            write_error: Cell::new(None),
        }))
    }

    pub(super) fn rc(&self) -> Rc<Ext2Inode> {
        self.me.upgrade().expect("an inode lives in an Rc from its birth to its drop")
    }

    pub(super) fn size(&self) -> u64 {
        self.raw.borrow().size()
    }

    /// Whether the block area holds pointers (and not a device number or a symlink's target).
    pub(super) fn has_block_map(&self) -> bool {
        match self.file_type {
            FileType::Regular | FileType::Directory => true,
            FileType::Symlink => !self.raw.borrow().is_fast_symlink(self.core.geometry.block_size),
            _ => false,
        }
    }

    /// The inode behind a seam reference, if it is of this file system.
    pub(super) fn of(&self, other: &Rc<dyn Inode>) -> Result<Rc<Ext2Inode>> {
        match other.as_any().downcast_ref::<Ext2Inode>() {
            Some(other) if Rc::ptr_eq(&other.core, &self.core) => Ok(other.rc()),
            _ => Err(Errno::EXDEV),
        }
    }

    fn directory(&self) -> Result<Rc<Ext2Inode>> {
        if self.file_type == FileType::Directory { Ok(self.rc()) } else { Err(Errno::ENOTDIR) }
    }

    fn regular(&self) -> Result<()> {
        match self.file_type {
            FileType::Regular => Ok(()),
            FileType::Directory => Err(Errno::EISDIR),
            _ => Err(Errno::EINVAL),
        }
    }
}

impl Drop for Ext2Inode {
    fn drop(&mut self) {
        if !self.buried.get() {
            self.core.released(self.ino, &self.raw.borrow());
        }
    }
}

impl fmt::Debug for Ext2Inode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ext2Inode({}, {:?}, {} bytes)", self.ino, self.file_type, self.size())
    }
}

fn check_name(name: &[u8]) -> Result<()> {
    match name.len() {
        0 => Err(Errno::ENOENT),
        256.. => Err(Errno::ENAMETOOLONG),
        _ => Ok(()),
    }
}

#[async_trait(?Send)]
impl Inode for Ext2Inode {
    fn attributes(&self) -> Attributes {
        let raw = self.raw.borrow();
        let device = matches!(self.file_type, FileType::CharDevice | FileType::BlockDevice);
        Attributes {
            ino: u64::from(self.ino),
            file_type: self.file_type,
            permissions: u32::from(raw.mode()) & 0o7777,
            links: u32::from(raw.links()),
            uid: raw.uid(),
            gid: raw.gid(),
            rdev: if device { raw.rdev() } else { 0 },
            size: raw.size(),
            block_size: self.core.geometry.block_size as u32,
            blocks: raw.units(self.core.huge_file(), self.core.geometry.block_size),
            accessed: raw.time(ATIME).unwrap_or_default(),
            modified: raw.time(MTIME).unwrap_or_default(),
            changed: raw.time(CTIME).unwrap_or_default(),
            created: raw.time(CRTIME).filter(|time| *time != Timestamp::default()),
        }
    }

    fn device(&self) -> u64 {
        self.core.device_number
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    async fn set_attributes(&self, change: &SetAttributes) -> Result<()> {
        let (node, change) = (self.rc(), *change);
        if change.size.is_some() {
            self.regular()?;
        }
        self.core
            .exclusive(async move {
                if let Some(size) = change.size {
                    file::set_size(&node, size, change.now).await?;
                }
                {
                    let mut raw = node.raw.borrow_mut();
                    if let Some(permissions) = change.permissions {
                        let mode = raw.mode();
                        raw.set_mode((mode & 0o170_000) | (permissions & 0o7777) as u16);
                    }
                    change.uid.into_iter().for_each(|uid| raw.set_uid(uid));
                    change.gid.into_iter().for_each(|gid| raw.set_gid(gid));
                    change.accessed.into_iter().for_each(|time| raw.set_time(ATIME, time));
                    change.modified.into_iter().for_each(|time| raw.set_time(MTIME, time));
                    raw.set_time(CTIME, change.now);
                }
                node.core.now.set(change.now);
                node.core.touch(&node);
                Ok(())
            })
            .await
    }

    async fn lookup(&self, name: &[u8]) -> Result<Rc<dyn Inode>> {
        let dir = self.directory()?;
        check_name(name)?;
        let search = async {
            loop {
                let slot = dir::find(&dir, name).await?.ok_or(Errno::ENOENT)?;
                match self.core.inode(slot.ino, || dir::still(&dir, name, slot)).await {
                    // The entry changed while the inode was read: look again.
                    Err(Errno::ENOENT) => {}
                    found => return found,
                }
            }
        };
        Ok(self.core.reading(search).await?)
    }

    async fn create(&self, name: &[u8], node: &NewNode<'_>) -> Result<Rc<dyn Inode>> {
        let dir = self.directory()?;
        check_name(name)?;
        let (name, wanted) = (name.to_vec(), Wanted::from(node));
        let made =
            self.core.exclusive(async move { names::create(&dir, Some(&name), &wanted).await }).await?;
        Ok(made)
    }

    async fn create_unnamed(&self, node: &NewNode<'_>) -> Result<Rc<dyn Inode>> {
        let dir = self.directory()?;
        let wanted = Wanted::from(node);
        let made = self.core.exclusive(async move { names::create(&dir, None, &wanted).await }).await?;
        Ok(made)
    }

    async fn link(&self, name: &[u8], target: &Rc<dyn Inode>, now: Timestamp) -> Result<()> {
        let (dir, target) = (self.directory()?, self.of(target)?);
        check_name(name)?;
        let name = name.to_vec();
        self.core.exclusive(async move { names::link(&dir, &name, &target, now).await }).await
    }

    async fn unlink(&self, name: &[u8], now: Timestamp) -> Result<()> {
        let dir = self.directory()?;
        check_name(name)?;
        let name = name.to_vec();
        self.core.exclusive(async move { names::unlink(&dir, &name, now).await }).await
    }

    async fn rmdir(&self, name: &[u8], now: Timestamp) -> Result<()> {
        let dir = self.directory()?;
        check_name(name)?;
        let name = name.to_vec();
        self.core.exclusive(async move { names::rmdir(&dir, &name, now).await }).await
    }

    async fn rename(
        &self,
        name: &[u8],
        new_parent: &Rc<dyn Inode>,
        new_name: &[u8],
        mode: RenameMode,
        now: Timestamp,
    ) -> Result<()> {
        let (from, to) = (self.directory()?, self.of(new_parent)?);
        if to.file_type != FileType::Directory {
            return Err(Errno::ENOTDIR);
        }
        check_name(name)?;
        check_name(new_name)?;
        let (name, new_name) = (name.to_vec(), new_name.to_vec());
        self.core
            .exclusive(async move { names::rename((&from, &name), (&to, &new_name), mode, now).await })
            .await
    }

    async fn readdir(&self, from: u64, sink: &mut dyn FnMut(DirEntry) -> bool) -> Result<()> {
        let dir = self.directory()?;
        self.core.reading(dir::list(&dir, from, sink)).await
    }

    async fn read_link(&self) -> Result<Vec<u8>> {
        if self.file_type != FileType::Symlink {
            return Err(Errno::EINVAL);
        }
        self.core.reading(file::read_link(self)).await
    }

    async fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        self.regular()?;
        self.core.reading(self.pages.read(offset, buf, self)).await
    }

    fn content_lock(&self) -> Option<&AsyncLock> {
        Some(&self.content_lock)
    }

    async fn write_at(&self, offset: u64, data: &[u8], now: Timestamp) -> Result<usize> {
        self.regular()?;
        file::write(self, offset, data, now).await
    }

    async fn fallocate(&self, mode: u32, offset: u64, len: u64, now: Timestamp) -> Result<()> {
        self.regular()?;
        let node = self.rc();
        self.core.exclusive(async move { file::fallocate(&node, mode, offset, len, now).await }).await
    }

    async fn seek_hole(&self, offset: u64, target: SeekTarget) -> Result<u64> {
        self.core.reading(file::seek_hole(self, offset, target)).await
    }

    async fn fsync(&self) -> Result<()> {
        if self.core.read_only {
            return Ok(());
        }
        let node = self.rc();
        let written = self.core.exclusive(async move { node.core.write_inode(&node).await }).await;
        match self.write_error.take() {
            Some(error) => Err(error),
            None => written,
        }
    }

    fn mappable(&self) -> Result<Rc<dyn Mappable>> {
        match self.file_type {
            FileType::Regular => Ok(self.rc()),
            _ => Err(Errno::ENODEV),
        }
    }

    async fn get_xattr(&self, name: &[u8]) -> Result<Vec<u8>> {
        self.core.reading(xattr::get(self, name)).await
    }

    async fn set_xattr(&self, name: &[u8], value: &[u8], mode: XattrMode, now: Timestamp) -> Result<()> {
        let (node, name, value) = (self.rc(), name.to_vec(), value.to_vec());
        self.core.exclusive(async move { xattr::set(&node, &name, Some(value), mode, now).await }).await
    }

    async fn list_xattr(&self) -> Result<Vec<Vec<u8>>> {
        self.core.reading(xattr::list(self)).await
    }

    async fn remove_xattr(&self, name: &[u8], now: Timestamp) -> Result<()> {
        let (node, name) = (self.rc(), name.to_vec());
        self.core
            .exclusive(async move { xattr::set(&node, &name, None, XattrMode::Replace, now).await })
            .await
    }
}

impl Mappable for Ext2Inode {
    fn id(&self) -> MappableId {
        self.pages.id()
    }

    fn lookup(&self, page: u64) -> Lookup {
        if page >= self.size().div_ceil(PAGE_BYTES) {
            return Lookup::BeyondEnd;
        }
        self.pages.lookup(page).map_or(Lookup::Absent, Lookup::Resident)
    }

    fn load<'a>(
        &'a self,
        page: u64,
    ) -> Pin<Box<dyn Future<Output = std::result::Result<(), LoadError>> + 'a>> {
        Box::pin(async move {
            if page < self.size().div_ceil(PAGE_BYTES) {
                self.core.reading(self.pages.get(page, self)).await.map_err(|_| LoadError)?;
            }
            Ok(())
        })
    }

    fn mark_dirty(&self, page: u64) {
        if !self.core.read_only {
            self.pages.mark_dirty(page);
            self.core.touch(self);
        }
    }
}

/// Whether an image's inode needs a block map of pointers for changes, which ext4's extents are not.
pub(super) fn writable_map(node: &Ext2Inode) -> Result<()> {
    if node.raw.borrow().flags() & FLAG_EXTENTS != 0 { Err(Errno::EOPNOTSUPP) } else { Ok(()) }
}
