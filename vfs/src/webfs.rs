//! A read-only file tree over a web server.
//!
//! A name is a file if the server has it, and a directory if the server says so or has an `index.list` in it: names,
//! one on a line, directories with a slash at the end. `readdir` lists `index.list`; without one a directory looks
//! empty, but its files are found by name. What was found, or found missing, is remembered for ever.

use crate::ext2::errno_of;
use crate::inode::{
    Attributes, DirEntry, FileSystem, FileType, FsStat, Inode, Result, SetAttributes, Timestamp,
};
use crate::page_cache::{FilePages, PageCache, PageIo};
use async_trait::async_trait;
use blockdev::{AsyncLock, DeviceError};
use guest_mem::{Frame, LoadError, Lookup, Mappable, MappableId, PAGE_BYTES, PAGE_SIZE};
use linux_abi::errno::Errno;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};

/// Files up to this many bytes are fetched whole, at the first access.
const WHOLE_FILE_BYTES: u64 = 4 << 20;
/// Name of the listing in a directory.
const LISTING: &str = "index.list";

/// What a server says about a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebInfo {
    /// Bytes of the file; none where the server does not say.
    pub size: Option<u64>,
    /// The server redirected to the same path with a slash.
    pub directory: bool,
    /// Last-Modified.
    pub modified: Option<Timestamp>,
}

/// Requests below one address, as the host can make them. Paths are relative, without a slash in front, and not yet
/// percent-encoded. A missing file (404, 403, 410) is `None`.
#[async_trait(?Send)]
pub trait HttpTree {
    /// A HEAD request.
    async fn head(&self, path: &str) -> std::result::Result<Option<WebInfo>, DeviceError>;

    /// The whole content.
    async fn get(&self, path: &str) -> std::result::Result<Option<Vec<u8>>, DeviceError>;

    /// A part of the content. [`DeviceError::Unsupported`] where the server has no ranges.
    async fn get_range(
        &self,
        path: &str,
        offset: u64,
        len: usize,
    ) -> std::result::Result<Vec<u8>, DeviceError>;
}

/// The tree as a file system.
pub struct WebFs {
    root: Rc<WebInode>,
    shared: Rc<Shared>,
}

struct Shared {
    tree: Rc<dyn HttpTree>,
    cache: PageCache,
    device_number: u64,
    next_ino: Cell<u64>,
}

impl WebFs {
    /// A tree; asks nothing of the server yet.
    pub fn new(tree: Rc<dyn HttpTree>, cache: &PageCache, device_number: u64) -> Rc<WebFs> {
        let shared = Rc::new(Shared { tree, cache: cache.clone(), device_number, next_ino: Cell::new(1) });
        let root = WebInode::new(&shared, String::new(), FileType::Directory, 0, None, 1);
        Rc::new(WebFs { root, shared })
    }
}

impl fmt::Debug for WebFs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebFs({} inodes)", self.shared.next_ino.get() - 1)
    }
}

#[async_trait(?Send)]
impl FileSystem for WebFs {
    fn root(&self) -> Rc<dyn Inode> {
        self.root.clone()
    }

    fn device(&self) -> u64 {
        self.shared.device_number
    }

    fn type_name(&self) -> &'static str {
        "dir"
    }

    fn stat(&self) -> FsStat {
        FsStat { block_size: PAGE_SIZE as u32, name_max: 255, ..FsStat::default() }
    }

    async fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn read_only(&self) -> bool {
        true
    }
}

/// Names in a directory, with their types.
type Listing = Rc<Vec<(String, FileType)>>;

/// A file or directory of a [`WebFs`].
pub struct WebInode {
    shared: Rc<Shared>,
    me: Weak<WebInode>,
    path: String,
    ino: u64,
    parent_ino: u64,
    file_type: FileType,
    size: Cell<u64>,
    modified: Timestamp,
    pages: Rc<FilePages>,
    children: RefCell<BTreeMap<String, Option<Rc<WebInode>>>>,
    listing: RefCell<Option<Listing>>,
    /// Held by whoever asks the server about this file or directory, so that nothing is asked twice.
    asking: AsyncLock,
}

impl WebInode {
    fn new(
        shared: &Rc<Shared>,
        path: String,
        file_type: FileType,
        size: u64,
        modified: Option<Timestamp>,
        parent_ino: u64,
    ) -> Rc<WebInode> {
        let ino = shared.next_ino.get();
        shared.next_ino.set(ino + 1);
        let id = MappableId { device: shared.device_number, object: ino };
        Rc::new_cyclic(|me| WebInode {
            shared: shared.clone(),
            me: me.clone(),
            path,
            ino,
            parent_ino,
            file_type,
            size: Cell::new(size),
            modified: modified.unwrap_or_default(),
            pages: shared.cache.file(id),
            children: RefCell::default(),
            listing: RefCell::default(),
            asking: AsyncLock::new(),
        })
    }

    fn below(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_string() } else { format!("{}/{name}", self.path) }
    }

    fn known(&self, name: &str) -> Option<Result<Rc<WebInode>>> {
        let children = self.children.borrow();
        children.get(name).map(|child| child.clone().ok_or(Errno::ENOENT))
    }

    async fn find(&self, name: &str) -> Result<Rc<WebInode>> {
        if let Some(known) = self.known(name) {
            return known;
        }
        let _asking = self.asking.lock().await;
        if let Some(known) = self.known(name) {
            return known;
        }
        let found = self.ask(name).await?;
        self.children.borrow_mut().insert(name.to_string(), found.clone());
        found.ok_or(Errno::ENOENT)
    }

    async fn ask(&self, name: &str) -> Result<Option<Rc<WebInode>>> {
        let (tree, path) = (&self.shared.tree, self.below(name));
        let listed = self.listing.borrow().as_ref().and_then(|listing| {
            listing.iter().find(|(listed, _)| listed == name).map(|(_, file_type)| *file_type)
        });
        let make = |file_type, size, modified| {
            Some(WebInode::new(&self.shared, path.clone(), file_type, size, modified, self.ino))
        };
        if listed == Some(FileType::Directory) {
            return Ok(make(FileType::Directory, 0, None));
        }
        match tree.head(&path).await.map_err(|error| errno_of(&error))? {
            Some(info) if info.directory => Ok(make(FileType::Directory, 0, info.modified)),
            Some(WebInfo { size: Some(size), modified, .. }) => Ok(make(FileType::Regular, size, modified)),
            Some(WebInfo { size: None, modified, .. }) => {
                // The length is not told: only the content has it.
                let content =
                    tree.get(&path).await.map_err(|error| errno_of(&error))?.ok_or(Errno::ENOENT)?;
                let file = make(FileType::Regular, content.len() as u64, modified);
                if let Some(file) = &file {
                    file.keep(&content);
                }
                Ok(file)
            }
            None => {
                let listing =
                    tree.get(&format!("{path}/{LISTING}")).await.map_err(|error| errno_of(&error))?;
                Ok(listing.and_then(|listing| {
                    let dir = make(FileType::Directory, 0, None)?;
                    *dir.listing.borrow_mut() = Some(Rc::new(parse_listing(&listing)));
                    Some(dir)
                }))
            }
        }
    }

    async fn list(&self) -> Result<Listing> {
        if let Some(listing) = &*self.listing.borrow() {
            return Ok(listing.clone());
        }
        let _asking = self.asking.lock().await;
        if let Some(listing) = &*self.listing.borrow() {
            return Ok(listing.clone());
        }
        let text = self.shared.tree.get(&self.below(LISTING)).await.map_err(|error| errno_of(&error))?;
        let listing = Rc::new(parse_listing(&text.unwrap_or_default()));
        *self.listing.borrow_mut() = Some(listing.clone());
        Ok(listing)
    }

    /// Fetches the whole content and puts all of it into the page cache.
    async fn fetch_whole(&self) -> Result<Vec<u8>> {
        let _asking = self.asking.lock().await;
        let content = self.shared.tree.get(&self.path).await.map_err(|error| errno_of(&error))?;
        let content = content.ok_or(Errno::EIO)?;
        // The length that HEAD told may have been that of a compressed form.
        self.size.set(content.len() as u64);
        self.keep(&content);
        Ok(content)
    }

    /// Puts content into the page cache, as far as there is room.
    fn keep(&self, content: &[u8]) {
        for (page, bytes) in content.chunks(PAGE_SIZE).enumerate() {
            let Ok(frame) = self.shared.cache.alloc() else { return };
            frame.write(0, bytes);
            self.pages.insert(page as u64, frame);
        }
    }
}

fn parse_listing(text: &[u8]) -> Vec<(String, FileType)> {
    let text = String::from_utf8_lossy(text);
    let mut listing = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (name, file_type) = match line.strip_suffix('/') {
            Some(name) => (name, FileType::Directory),
            None => (line, FileType::Regular),
        };
        if !name.is_empty() && !name.contains('/') && name != "." && name != ".." && name != LISTING {
            listing.push((name.to_string(), file_type));
        }
    }
    listing
}

impl fmt::Debug for WebInode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebInode({:?}, {:?})", self.path, self.file_type)
    }
}

#[async_trait(?Send)]
impl PageIo for WebInode {
    fn size(&self) -> u64 {
        self.size.get()
    }

    async fn read_pages(&self, first: u64, frames: &[Frame]) -> Result<()> {
        let start = first.saturating_mul(PAGE_BYTES);
        let end = start.saturating_add(frames.len() as u64 * PAGE_BYTES).min(self.size.get());
        if start >= end {
            return Ok(());
        }
        let mut range = None;
        if self.size.get() > WHOLE_FILE_BYTES {
            match self.shared.tree.get_range(&self.path, start, (end - start) as usize).await {
                Ok(bytes) if bytes.len() as u64 == end - start => range = Some(bytes),
                Ok(_) => return Err(Errno::EIO),
                Err(DeviceError::Unsupported(_)) => {}
                Err(error) => return Err(errno_of(&error)),
            }
        }
        let bytes = match range {
            Some(bytes) => bytes,
            None => {
                let whole = self.fetch_whole().await?;
                let end = (end as usize).min(whole.len());
                whole.get(start as usize..end).unwrap_or_default().to_vec()
            }
        };
        for (frame, page) in frames.iter().zip(bytes.chunks(PAGE_SIZE)) {
            frame.write(0, page);
        }
        Ok(())
    }
}

#[async_trait(?Send)]
impl Inode for WebInode {
    fn attributes(&self) -> Attributes {
        let size = if self.file_type == FileType::Directory { PAGE_BYTES } else { self.size.get() };
        Attributes {
            ino: self.ino,
            file_type: self.file_type,
            permissions: 0o555,
            links: if self.file_type == FileType::Directory { 2 } else { 1 },
            uid: 0,
            gid: 0,
            rdev: 0,
            size,
            block_size: PAGE_SIZE as u32,
            blocks: size.div_ceil(512),
            accessed: self.modified,
            modified: self.modified,
            changed: self.modified,
            created: None,
        }
    }

    fn device(&self) -> u64 {
        self.shared.device_number
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    async fn set_attributes(&self, _change: &SetAttributes) -> Result<()> {
        Err(Errno::EROFS)
    }

    async fn lookup(&self, name: &[u8]) -> Result<Rc<dyn Inode>> {
        if self.file_type != FileType::Directory {
            return Err(Errno::ENOTDIR);
        }
        if name.len() > 255 {
            return Err(Errno::ENAMETOOLONG);
        }
        // An address is text; nothing else can be there.
        let name = std::str::from_utf8(name).map_err(|_| Errno::ENOENT)?;
        Ok(self.find(name).await?)
    }

    async fn create(&self, _name: &[u8], _node: &crate::inode::NewNode<'_>) -> Result<Rc<dyn Inode>> {
        Err(Errno::EROFS)
    }

    async fn readdir(&self, from: u64, sink: &mut dyn FnMut(DirEntry) -> bool) -> Result<()> {
        if self.file_type != FileType::Directory {
            return Err(Errno::ENOTDIR);
        }
        let listing = self.list().await?;
        let dots = [(".", FileType::Directory, self.ino), ("..", FileType::Directory, self.parent_ino)];
        // Files nobody has looked up have no number yet; any that is not zero will do for a listing.
        let listed = listing.iter().enumerate().map(|(index, (name, file_type))| {
            let known = self.children.borrow().get(name).cloned().flatten().map(|child| child.ino);
            (name.as_str(), *file_type, known.unwrap_or((1 << 32) + index as u64))
        });
        let all = dots.into_iter().chain(listed).enumerate();
        for (position, (name, file_type, ino)) in all.skip(usize::try_from(from).unwrap_or(usize::MAX)) {
            let entry = DirEntry { name: name.into(), ino, file_type, next: position as u64 + 1 };
            if !sink(entry) {
                break;
            }
        }
        Ok(())
    }

    async fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        match self.file_type {
            FileType::Regular => self.pages.read(offset, buf, self).await,
            _ => Err(Errno::EISDIR),
        }
    }

    async fn write_at(&self, _offset: u64, _data: &[u8], _now: Timestamp) -> Result<usize> {
        Err(Errno::EROFS)
    }

    fn mappable(&self) -> Result<Rc<dyn Mappable>> {
        match (self.file_type, self.me.upgrade()) {
            (FileType::Regular, Some(me)) => Ok(me),
            _ => Err(Errno::ENODEV),
        }
    }
}

impl Mappable for WebInode {
    fn id(&self) -> MappableId {
        self.pages.id()
    }

    fn lookup(&self, page: u64) -> Lookup {
        if page >= self.size.get().div_ceil(PAGE_BYTES) {
            return Lookup::BeyondEnd;
        }
        self.pages.lookup(page).map_or(Lookup::Absent, Lookup::Resident)
    }

    fn load<'a>(
        &'a self,
        page: u64,
    ) -> Pin<Box<dyn Future<Output = std::result::Result<(), LoadError>> + 'a>> {
        Box::pin(async move { self.pages.get(page, self).await.map(|_| ()).map_err(|_| LoadError) })
    }

    fn mark_dirty(&self, _page: u64) {}
}
