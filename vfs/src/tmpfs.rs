//! A file system in memory. Every page is a frame of the guest's pool; nothing is ever written anywhere.
//!
//! It also gives memory that programs share without a name (`memfd_create`, shared anonymous mappings):
//! [`Tmpfs::anonymous_file`].

use crate::inode::{
    Attributes, DirEntry, FileSystem, FileType, FsStat, Inode, NewNode, RenameMode, Result, SeekTarget,
    SetAttributes, Timestamp, XattrMode,
};
use async_trait::async_trait;
use blockdev::AsyncLock;
use guest_mem::{Frame, FramePool, LoadError, Lookup, Mappable, MappableId, PAGE_BYTES, PAGE_SIZE};
use hashbrown::HashMap;
use linux_abi::errno::Errno;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};

/// `TMPFS_MAGIC` (linux/magic.h).
const MAGIC: u32 = 0x0102_1994;
/// `fallocate` modes (linux/falloc.h).
const KEEP_SIZE: u32 = 1;
const PUNCH_HOLE: u32 = 2;
const ZERO_RANGE: u32 = 0x10;
/// `F_SEAL_SEAL`: what files have whose maker did not ask for sealing.
const SEALED_AGAINST_SEALS: u32 = 1;
/// Largest file, as Linux has it on 64 bits.
const MAX_SIZE: u64 = i64::MAX as u64;

/// How a [`Tmpfs`] is made.
#[derive(Clone, Copy, Debug)]
pub struct TmpfsOptions {
    /// `st_dev` of the files.
    pub device_number: u64,
    /// Most pages in use (`size=`); none for as many as the pool has.
    pub max_pages: Option<usize>,
    /// Low 12 bits of the root's mode.
    pub root_permissions: u32,
    /// Time of the root's creation.
    pub now: Timestamp,
}

impl Default for TmpfsOptions {
    fn default() -> TmpfsOptions {
        TmpfsOptions {
            device_number: 0,
            max_pages: None,
            root_permissions: 0o1777,
            now: Timestamp::default(),
        }
    }
}

/// A file system in memory.
pub struct Tmpfs {
    shared: Rc<Shared>,
    root: Rc<TmpInode>,
}

struct Shared {
    pool: FramePool,
    options: TmpfsOptions,
    next_ino: Cell<u64>,
    pages: Cell<usize>,
    inodes: Cell<u64>,
}

impl Tmpfs {
    /// An empty file system over a pool of frames.
    pub fn new(pool: &FramePool, options: TmpfsOptions) -> Rc<Tmpfs> {
        let shared = Rc::new(Shared {
            pool: pool.clone(),
            options,
            next_ino: Cell::new(1),
            pages: Cell::new(0),
            inodes: Cell::new(0),
        });
        let node = NewNode {
            file_type: FileType::Directory,
            permissions: options.root_permissions,
            uid: 0,
            gid: 0,
            rdev: 0,
            target: &[],
            now: options.now,
        };
        let root = TmpInode::new(&shared, &node);
        *root.parent.borrow_mut() = Rc::downgrade(&root);
        Rc::new(Tmpfs { shared, root })
    }

    /// A file without a name, which lives as long as somebody holds it.
    pub fn anonymous_file(&self, permissions: u32, uid: u32, gid: u32, now: Timestamp) -> Rc<dyn Inode> {
        let node = NewNode { file_type: FileType::Regular, permissions, uid, gid, rdev: 0, target: &[], now };
        let file = TmpInode::new(&self.shared, &node);
        file.edit(|meta| meta.links = 0);
        file
    }
}

impl fmt::Debug for Tmpfs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tmpfs({} inodes, {} pages)", self.shared.inodes.get(), self.shared.pages.get())
    }
}

#[async_trait(?Send)]
impl FileSystem for Tmpfs {
    fn root(&self) -> Rc<dyn Inode> {
        self.root.clone()
    }

    fn device(&self) -> u64 {
        self.shared.options.device_number
    }

    fn type_name(&self) -> &'static str {
        "tmpfs"
    }

    fn stat(&self) -> FsStat {
        let pool = self.shared.pool.stats();
        let used = self.shared.pages.get();
        let blocks = self.shared.options.max_pages.unwrap_or(pool.limit / 2).max(used);
        let free = (blocks - used).min(pool.limit.saturating_sub(pool.in_use)) as u64;
        FsStat {
            magic: MAGIC,
            block_size: PAGE_SIZE as u32,
            blocks: blocks as u64,
            blocks_free: free,
            blocks_available: free,
            files: self.shared.inodes.get() + free,
            files_free: free,
            name_max: 255,
        }
    }

    async fn sync(&self) -> Result<()> {
        Ok(())
    }
}

#[derive(Clone, Copy, Debug)]
struct Meta {
    permissions: u32,
    uid: u32,
    gid: u32,
    links: u32,
    size: u64,
    accessed: Timestamp,
    modified: Timestamp,
    changed: Timestamp,
}

/// Entries of a directory: by name, and by the position under which `readdir` lists them.
#[derive(Default)]
struct Entries {
    by_name: HashMap<Box<[u8]>, (u64, Rc<TmpInode>)>,
    by_position: BTreeMap<u64, Box<[u8]>>,
    next: u64,
}

impl Entries {
    /// Positions of `.` and `..` come before all others.
    const FIRST: u64 = 2;

    fn insert(&mut self, name: &[u8], node: Rc<TmpInode>) {
        self.next = self.next.max(Entries::FIRST) + 1;
        let position = self.next - 1;
        self.by_position.insert(position, name.into());
        self.by_name.insert(name.into(), (position, node));
    }

    fn remove(&mut self, name: &[u8]) -> Option<Rc<TmpInode>> {
        let (position, node) = self.by_name.remove(name)?;
        self.by_position.remove(&position);
        Some(node)
    }
}

/// A file of a [`Tmpfs`].
pub struct TmpInode {
    shared: Rc<Shared>,
    me: Weak<TmpInode>,
    ino: u64,
    file_type: FileType,
    rdev: u32,
    target: Vec<u8>,
    created: Timestamp,
    meta: Cell<Meta>,
    pages: RefCell<BTreeMap<u64, Frame>>,
    entries: RefCell<Entries>,
    parent: RefCell<Weak<TmpInode>>,
    xattrs: RefCell<BTreeMap<Vec<u8>, Vec<u8>>>,
    seals: Cell<u32>,
    content_lock: AsyncLock,
}

impl TmpInode {
    fn new(shared: &Rc<Shared>, node: &NewNode<'_>) -> Rc<TmpInode> {
        let ino = shared.next_ino.get();
        shared.next_ino.set(ino + 1);
        shared.inodes.set(shared.inodes.get() + 1);
        let directory = node.file_type == FileType::Directory;
        let meta = Meta {
            permissions: node.permissions & 0o7777,
            uid: node.uid,
            gid: node.gid,
            links: if directory { 2 } else { 1 },
            size: if node.file_type == FileType::Symlink { node.target.len() as u64 } else { 0 },
            accessed: node.now,
            modified: node.now,
            changed: node.now,
        };
        Rc::new_cyclic(|me| TmpInode {
            shared: shared.clone(),
            me: me.clone(),
            ino,
            file_type: node.file_type,
            rdev: node.rdev,
            target: node.target.to_vec(),
            created: node.now,
            meta: Cell::new(meta),
            pages: RefCell::default(),
            entries: RefCell::default(),
            parent: RefCell::default(),
            xattrs: RefCell::default(),
            seals: Cell::new(SEALED_AGAINST_SEALS),
            content_lock: AsyncLock::new(),
        })
    }

    fn edit(&self, change: impl FnOnce(&mut Meta)) {
        let mut meta = self.meta.get();
        change(&mut meta);
        self.meta.set(meta);
    }

    fn rc(&self) -> Rc<TmpInode> {
        self.me.upgrade().expect("an inode lives in an Rc from its birth to its drop")
    }

    fn is_directory(&self) -> bool {
        self.file_type == FileType::Directory
    }

    fn require_directory(&self) -> Result<()> {
        if self.is_directory() { Ok(()) } else { Err(Errno::ENOTDIR) }
    }

    fn require_regular(&self) -> Result<()> {
        match self.file_type {
            FileType::Regular => Ok(()),
            FileType::Directory => Err(Errno::EISDIR),
            _ => Err(Errno::EINVAL),
        }
    }

    /// A directory that can take names.
    fn require_alive(&self) -> Result<()> {
        self.require_directory()?;
        if self.meta.get().links == 0 { Err(Errno::ENOENT) } else { Ok(()) }
    }

    fn child(&self, name: &[u8]) -> Option<Rc<TmpInode>> {
        self.entries.borrow().by_name.get(name).map(|(_, node)| node.clone())
    }

    fn of(&self, other: &Rc<dyn Inode>) -> Result<Rc<TmpInode>> {
        match other.as_any().downcast_ref::<TmpInode>() {
            Some(other) if Rc::ptr_eq(&other.shared, &self.shared) => Ok(other.rc()),
            _ => Err(Errno::EXDEV),
        }
    }

    fn content_changed(&self, now: Timestamp) {
        self.edit(|meta| {
            meta.modified = now;
            meta.changed = now;
        });
    }

    fn drop_link(&self, now: Timestamp) {
        self.edit(|meta| {
            meta.links = meta.links.saturating_sub(if self.is_directory() { 2 } else { 1 });
            meta.changed = now;
        });
    }

    fn add_links(&self, by: i32) {
        self.edit(|meta| meta.links = meta.links.saturating_add_signed(by));
    }

    /// The frame of a page; made where it was a hole.
    fn page(&self, page: u64) -> Result<Frame> {
        if let Some(frame) = self.pages.borrow().get(&page) {
            return Ok(frame.clone());
        }
        let used = self.shared.pages.get();
        if self.shared.options.max_pages.is_some_and(|limit| used >= limit) {
            return Err(Errno::ENOSPC);
        }
        let frame = self.shared.pool.alloc().ok_or(Errno::ENOSPC)?;
        self.shared.pages.set(used + 1);
        self.pages.borrow_mut().insert(page, frame.clone());
        Ok(frame)
    }

    fn remove_pages(&self, first: u64, end: u64) {
        let mut pages = self.pages.borrow_mut();
        let mut gone = pages.split_off(&first);
        let mut kept = gone.split_off(&end);
        pages.append(&mut kept);
        self.shared.pages.set(self.shared.pages.get() - gone.len());
    }

    fn set_size(&self, size: u64) -> Result<()> {
        if size > MAX_SIZE {
            return Err(Errno::EFBIG);
        }
        let old = self.meta.get().size;
        // Programs can have written past the end through a mapping; that must not show when the file grows.
        self.zero(size.min(old), size.min(old).next_multiple_of(PAGE_BYTES));
        if size < old {
            self.remove_pages(size.div_ceil(PAGE_BYTES), u64::MAX);
        }
        self.edit(|meta| meta.size = size);
        Ok(())
    }

    /// Zeroes bytes of pages that are there.
    fn zero(&self, start: u64, end: u64) {
        if start >= end {
            return;
        }
        for (page, frame) in self.pages.borrow().range(start / PAGE_BYTES..end.div_ceil(PAGE_BYTES)) {
            let from = start.max(page * PAGE_BYTES);
            let to = end.min((page + 1) * PAGE_BYTES);
            frame.zero((from % PAGE_BYTES) as usize, (to - from) as usize);
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<usize> {
        let end = offset.checked_add(data.len() as u64).filter(|end| *end <= MAX_SIZE).ok_or(Errno::EFBIG)?;
        if end > self.meta.get().size {
            let old = self.meta.get().size;
            self.zero(old, old.next_multiple_of(PAGE_BYTES));
        }
        let mut done = 0;
        while done < data.len() {
            let at = offset + done as u64;
            let within = (at % PAGE_BYTES) as usize;
            let len = (PAGE_SIZE - within).min(data.len() - done);
            match self.page(at / PAGE_BYTES) {
                Ok(frame) => frame.write(within, &data[done..done + len]),
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
            done += len;
        }
        self.edit(|meta| meta.size = meta.size.max(offset + done as u64));
        Ok(done)
    }

    fn read(&self, offset: u64, buf: &mut [u8]) -> usize {
        let left = self.meta.get().size.saturating_sub(offset);
        let len = buf.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let mut done = 0;
        while done < len {
            let at = offset + done as u64;
            let within = (at % PAGE_BYTES) as usize;
            let step = (PAGE_SIZE - within).min(len - done);
            let part = &mut buf[done..done + step];
            match self.pages.borrow().get(&(at / PAGE_BYTES)) {
                Some(frame) => frame.read(within, part),
                None => part.fill(0),
            }
            done += step;
        }
        done
    }

    fn add(&self, name: &[u8], node: Rc<TmpInode>, now: Timestamp) {
        if node.is_directory() {
            *node.parent.borrow_mut() = self.me.clone();
            self.add_links(1);
        }
        self.entries.borrow_mut().insert(name, node);
        self.content_changed(now);
    }

    /// Takes an entry out; the links of the node are the caller's.
    fn take(&self, name: &[u8], now: Timestamp) -> Option<Rc<TmpInode>> {
        let node = self.entries.borrow_mut().remove(name)?;
        if node.is_directory() {
            self.add_links(-1);
        }
        self.content_changed(now);
        Some(node)
    }

    fn check_new(&self, name: &[u8]) -> Result<()> {
        self.require_alive()?;
        match name.len() {
            256.. => Err(Errno::ENAMETOOLONG),
            _ if self.child(name).is_some() => Err(Errno::EEXIST),
            _ => Ok(()),
        }
    }

    fn check_xattr(&self, name: &[u8]) -> Result<()> {
        let known: [&[u8]; 3] = [b"user.", b"trusted.", b"security."];
        if known.iter().any(|prefix| name.starts_with(prefix)) { Ok(()) } else { Err(Errno::EOPNOTSUPP) }
    }
}

impl Drop for TmpInode {
    fn drop(&mut self) {
        self.shared.inodes.set(self.shared.inodes.get() - 1);
        self.shared.pages.set(self.shared.pages.get() - self.pages.borrow().len());
        // A deep tree must not be dropped by deep recursion.
        let mut below: Vec<Rc<TmpInode>> = Vec::new();
        let take = |entries: &mut Entries, below: &mut Vec<_>| {
            entries.by_position.clear();
            below.extend(entries.by_name.drain().map(|(_, (_, node))| node));
        };
        take(&mut self.entries.borrow_mut(), &mut below);
        while let Some(node) = below.pop() {
            if Rc::strong_count(&node) == 1 {
                take(&mut node.entries.borrow_mut(), &mut below);
            }
        }
    }
}

impl fmt::Debug for TmpInode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TmpInode({}, {:?}, {} bytes)", self.ino, self.file_type, self.meta.get().size)
    }
}

#[async_trait(?Send)]
impl Inode for TmpInode {
    fn attributes(&self) -> Attributes {
        let meta = self.meta.get();
        Attributes {
            ino: self.ino,
            file_type: self.file_type,
            permissions: meta.permissions,
            links: meta.links,
            uid: meta.uid,
            gid: meta.gid,
            rdev: self.rdev,
            size: if self.is_directory() {
                20 * (self.entries.borrow().by_name.len() as u64 + 2)
            } else {
                meta.size
            },
            block_size: PAGE_SIZE as u32,
            blocks: self.pages.borrow().len() as u64 * (PAGE_BYTES / 512),
            accessed: meta.accessed,
            modified: meta.modified,
            changed: meta.changed,
            created: Some(self.created),
        }
    }

    fn device(&self) -> u64 {
        self.shared.options.device_number
    }

    fn seals(&self) -> Option<&Cell<u32>> {
        (self.file_type == FileType::Regular).then_some(&self.seals)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    async fn set_attributes(&self, change: &SetAttributes) -> Result<()> {
        if let Some(size) = change.size {
            self.require_regular()?;
            self.set_size(size)?;
            self.content_changed(change.now);
        }
        self.edit(|meta| {
            meta.permissions = change.permissions.map_or(meta.permissions, |bits| bits & 0o7777);
            meta.uid = change.uid.unwrap_or(meta.uid);
            meta.gid = change.gid.unwrap_or(meta.gid);
            meta.accessed = change.accessed.unwrap_or(meta.accessed);
            meta.modified = change.modified.unwrap_or(meta.modified);
            meta.changed = change.now;
        });
        Ok(())
    }

    async fn lookup(&self, name: &[u8]) -> Result<Rc<dyn Inode>> {
        self.require_directory()?;
        if name.len() > 255 {
            return Err(Errno::ENAMETOOLONG);
        }
        Ok(self.child(name).ok_or(Errno::ENOENT)?)
    }

    async fn create(&self, name: &[u8], node: &NewNode<'_>) -> Result<Rc<dyn Inode>> {
        self.check_new(name)?;
        let made = TmpInode::new(&self.shared, node);
        self.add(name, made.clone(), node.now);
        Ok(made)
    }

    async fn create_unnamed(&self, node: &NewNode<'_>) -> Result<Rc<dyn Inode>> {
        self.require_alive()?;
        let made = TmpInode::new(&self.shared, node);
        made.edit(|meta| meta.links = 0);
        Ok(made)
    }

    async fn link(&self, name: &[u8], target: &Rc<dyn Inode>, now: Timestamp) -> Result<()> {
        let target = self.of(target)?;
        if target.is_directory() {
            return Err(Errno::EPERM);
        }
        self.check_new(name)?;
        target.add_links(1);
        target.edit(|meta| meta.changed = now);
        self.add(name, target, now);
        Ok(())
    }

    async fn unlink(&self, name: &[u8], now: Timestamp) -> Result<()> {
        self.require_directory()?;
        if self.child(name).ok_or(Errno::ENOENT)?.is_directory() {
            return Err(Errno::EISDIR);
        }
        if let Some(node) = self.take(name, now) {
            node.drop_link(now);
        }
        Ok(())
    }

    async fn rmdir(&self, name: &[u8], now: Timestamp) -> Result<()> {
        self.require_directory()?;
        let node = self.child(name).ok_or(Errno::ENOENT)?;
        node.require_directory()?;
        if !node.entries.borrow().by_name.is_empty() {
            return Err(Errno::ENOTEMPTY);
        }
        self.take(name, now);
        node.drop_link(now);
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
        let to = self.of(new_parent)?;
        self.require_alive()?;
        to.require_alive()?;
        if new_name.len() > 255 {
            return Err(Errno::ENAMETOOLONG);
        }
        let node = self.child(name).ok_or(Errno::ENOENT)?;
        match (mode, to.child(new_name)) {
            (RenameMode::NoReplace, Some(_)) => return Err(Errno::EEXIST),
            (RenameMode::Exchange, None) => return Err(Errno::ENOENT),
            (RenameMode::Exchange, Some(other)) => {
                self.take(name, now);
                to.take(new_name, now);
                other.edit(|meta| meta.changed = now);
                self.add(name, other, now);
            }
            (RenameMode::Replace, Some(existing)) if Rc::ptr_eq(&existing, &node) => return Ok(()),
            (_, Some(existing)) => {
                match (node.is_directory(), existing.is_directory()) {
                    (true, false) => return Err(Errno::ENOTDIR),
                    (false, true) => return Err(Errno::EISDIR),
                    (true, true) if !existing.entries.borrow().by_name.is_empty() => {
                        return Err(Errno::ENOTEMPTY);
                    }
                    _ => {}
                }
                to.take(new_name, now);
                existing.drop_link(now);
                self.take(name, now);
            }
            (_, None) => {
                self.take(name, now);
            }
        }
        node.edit(|meta| meta.changed = now);
        to.add(new_name, node, now);
        Ok(())
    }

    async fn readdir(&self, from: u64, sink: &mut dyn FnMut(DirEntry) -> bool) -> Result<()> {
        self.require_directory()?;
        let parent = self.parent.borrow().upgrade().map_or(self.ino, |parent| parent.ino);
        for (position, name, ino) in [(0, b".".as_slice(), self.ino), (1, b"..".as_slice(), parent)] {
            let entry =
                DirEntry { name: name.to_vec(), ino, file_type: FileType::Directory, next: position + 1 };
            if from <= position && !sink(entry) {
                return Ok(());
            }
        }
        let mut at = from.max(Entries::FIRST);
        loop {
            let entry = {
                let entries = self.entries.borrow();
                let Some((position, name)) = entries.by_position.range(at..).next() else { return Ok(()) };
                let Some((_, node)) = entries.by_name.get(name) else { return Ok(()) };
                DirEntry { name: name.to_vec(), ino: node.ino, file_type: node.file_type, next: position + 1 }
            };
            at = entry.next;
            if !sink(entry) {
                return Ok(());
            }
        }
    }

    async fn read_link(&self) -> Result<Vec<u8>> {
        if self.file_type == FileType::Symlink { Ok(self.target.clone()) } else { Err(Errno::EINVAL) }
    }

    async fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        self.require_regular()?;
        Ok(self.read(offset, buf))
    }

    fn content_lock(&self) -> Option<&AsyncLock> {
        Some(&self.content_lock)
    }

    async fn write_at(&self, offset: u64, data: &[u8], now: Timestamp) -> Result<usize> {
        self.require_regular()?;
        if data.is_empty() {
            return Ok(0);
        }
        let count = self.write(offset, data)?;
        self.content_changed(now);
        Ok(count)
    }

    async fn fallocate(&self, mode: u32, offset: u64, len: u64, now: Timestamp) -> Result<()> {
        self.require_regular()?;
        let end = offset.checked_add(len).filter(|end| *end <= MAX_SIZE).ok_or(Errno::EFBIG)?;
        let size = self.meta.get().size;
        match mode & !KEEP_SIZE {
            0 => {
                for page in offset / PAGE_BYTES..end.div_ceil(PAGE_BYTES) {
                    self.page(page)?;
                }
            }
            PUNCH_HOLE if mode & KEEP_SIZE != 0 => {
                self.zero(offset, end);
                let (first, last) = (offset.div_ceil(PAGE_BYTES), end / PAGE_BYTES);
                if first < last {
                    self.remove_pages(first, last);
                }
            }
            ZERO_RANGE => self.zero(offset, end),
            _ => return Err(Errno::EOPNOTSUPP),
        }
        if mode & KEEP_SIZE == 0 && end > size {
            self.zero(size, size.next_multiple_of(PAGE_BYTES));
            self.edit(|meta| meta.size = end);
        }
        self.content_changed(now);
        Ok(())
    }

    async fn seek_hole(&self, offset: u64, target: SeekTarget) -> Result<u64> {
        let size = self.meta.get().size;
        if offset >= size {
            return Err(Errno::ENXIO);
        }
        let pages = self.pages.borrow();
        let page = offset / PAGE_BYTES;
        let found = match target {
            SeekTarget::Data => pages.range(page..).next().map(|(page, _)| *page).ok_or(Errno::ENXIO)?,
            SeekTarget::Hole => (page..).find(|page| !pages.contains_key(page)).unwrap_or(page),
        };
        let at = (found * PAGE_BYTES).max(offset);
        match target {
            SeekTarget::Data if at >= size => Err(Errno::ENXIO),
            _ => Ok(at.min(size)),
        }
    }

    fn mappable(&self) -> Result<Rc<dyn Mappable>> {
        if self.file_type == FileType::Regular { Ok(self.rc()) } else { Err(Errno::ENODEV) }
    }

    async fn get_xattr(&self, name: &[u8]) -> Result<Vec<u8>> {
        self.check_xattr(name)?;
        self.xattrs.borrow().get(name).cloned().ok_or(Errno::ENODATA)
    }

    async fn set_xattr(&self, name: &[u8], value: &[u8], mode: XattrMode, now: Timestamp) -> Result<()> {
        self.check_xattr(name)?;
        let mut xattrs = self.xattrs.borrow_mut();
        match (mode, xattrs.contains_key(name)) {
            (XattrMode::Create, true) => return Err(Errno::EEXIST),
            (XattrMode::Replace, false) => return Err(Errno::ENODATA),
            _ => {}
        }
        xattrs.insert(name.to_vec(), value.to_vec());
        self.edit(|meta| meta.changed = now);
        Ok(())
    }

    async fn list_xattr(&self) -> Result<Vec<Vec<u8>>> {
        Ok(self.xattrs.borrow().keys().cloned().collect())
    }

    async fn remove_xattr(&self, name: &[u8], now: Timestamp) -> Result<()> {
        self.check_xattr(name)?;
        self.xattrs.borrow_mut().remove(name).ok_or(Errno::ENODATA)?;
        self.edit(|meta| meta.changed = now);
        Ok(())
    }
}

impl Mappable for TmpInode {
    fn id(&self) -> MappableId {
        MappableId { device: self.shared.options.device_number, object: self.ino }
    }

    fn lookup(&self, page: u64) -> Lookup {
        if page >= self.meta.get().size.div_ceil(PAGE_BYTES) {
            return Lookup::BeyondEnd;
        }
        self.page(page).map_or(Lookup::Absent, Lookup::Resident)
    }

    fn load<'a>(
        &'a self,
        page: u64,
    ) -> Pin<Box<dyn Future<Output = std::result::Result<(), LoadError>> + 'a>> {
        // Only a full file system gets here.
        Box::pin(async move { self.page(page).map(|_| ()).map_err(|_| LoadError) })
    }

    fn mark_dirty(&self, _page: u64) {}
}
