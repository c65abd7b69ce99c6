//! File trees of the page: files in memory, files of a web server, files in a store.

use crate::blank::Blank;
use crate::block::BlockHandle;
use crate::clock;
use crate::error::{error, from_device, from_errno, from_mount};
use crate::fetch::{JsTree, Tree};
use crate::file_device::FileBlocks;
use crate::machine::{self, Driven};
use crate::store::{JsStore, Store};
use blockdev::{AsyncLock, Overlay, OverlayOptions};
use guest_mem::FramePool;
use js_sys::{Array, Uint8Array};
use linux_abi::Errno;
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use vfs::datafs::DataFs;
use vfs::ext2::{Ext2, Ext2Options, FormatOptions};
use vfs::page_cache::PageCache;
use vfs::webfs::WebFs;
use vfs::{FileSystem, FileType, Inode};
use wasm_bindgen::prelude::*;

/// Pages that the files of an unmounted tree may take: 256 MiB.
const UNMOUNTED_PAGES: usize = 65_536;
/// Pages of files from a server or a store kept in memory: 64 MiB.
const CACHE_PAGES: usize = 16_384;
/// Device number of trees: an anonymous major that nothing else has, as Linux gives file systems without a device.
const FIRST_DEVICE: u64 = 0x40;

/// What a file system in a store has room for, in bytes. It takes what it holds, and no more.
const STORE_BYTES: u64 = 2 << 30;

/// What is in a tree.
enum Origin {
    Data,
    Web(Tree),
    Store(Rc<Overlay>),
}

/// Where its files are now. Frames of one pool cannot be mapped beside those of another, so a tree that becomes part
/// of a machine moves into the machine's memory.
enum Place {
    /// In memory of its own, once somebody asked.
    Apart(Option<Rc<dyn FileSystem>>),
    /// Mounted; its files are reached through the machine, whose name cache must see the changes.
    Mounted { machine: Driven, path: String },
}

struct Inner {
    origin: Origin,
    place: RefCell<Place>,
    /// Held while a file system is made.
    making: AsyncLock,
}

/// A tree of files. Clones share it.
#[wasm_bindgen]
#[derive(Clone)]
pub struct TreeHandle(Rc<Inner>);

impl fmt::Debug for TreeHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0.origin {
            Origin::Data => "TreeHandle(data)",
            Origin::Web(_) => "TreeHandle(web)",
            Origin::Store(_) => "TreeHandle(store)",
        })
    }
}

enum Reached {
    Apart(Rc<dyn FileSystem>),
    Through(Driven, String),
}

impl TreeHandle {
    fn new(origin: Origin) -> TreeHandle {
        let place = RefCell::new(Place::Apart(None));
        TreeHandle(Rc::new(Inner { origin, place, making: AsyncLock::new() }))
    }

    async fn make(&self, pool: &FramePool, device_number: u64) -> Result<Rc<dyn FileSystem>, JsValue> {
        Ok(match &self.0.origin {
            Origin::Data => DataFs::new(pool, device_number, clock::today()),
            Origin::Web(tree) => {
                WebFs::new(Rc::new(tree.clone()), &PageCache::new(pool, CACHE_PAGES), device_number)
            }
            Origin::Store(overlay) => {
                let cache = PageCache::new(pool, CACHE_PAGES);
                let options = Ext2Options { device_number, ..Ext2Options::default() };
                let mounted = Ext2::mount(overlay.clone(), &cache, options).await;
                mounted.map_err(|failure| from_mount(&failure, "the store"))?
            }
        })
    }

    /// The tree as a file system in a machine's memory. What was put into it before goes along.
    pub(crate) async fn attach(&self, pool: &FramePool, number: u64) -> Result<Rc<dyn FileSystem>, JsValue> {
        let _making = self.0.making.lock().await;
        let old = match &mut *self.0.place.borrow_mut() {
            Place::Mounted { .. } => {
                return Err(error("EBUSY", "these files are mounted already", Some(Errno::EBUSY)));
            }
            Place::Apart(old) => old.take(),
        };
        let number = FIRST_DEVICE + number;
        let Some(old) = old else { return self.make(pool, number).await };
        if let Origin::Data = self.0.origin {
            let fs = DataFs::new(pool, number, clock::today());
            copy(&old.root(), "", &fs).await.map_err(|errno| from_errno(errno, "mounting files"))?;
            return Ok(fs);
        }
        old.sync().await.map_err(|errno| from_errno(errno, "mounting files"))?;
        drop(old);
        self.make(pool, number).await
    }

    /// The tree is part of a machine now.
    pub(crate) fn attached(&self, machine: &Driven, path: &str) {
        let path = path.trim_end_matches('/').to_string();
        *self.0.place.borrow_mut() = Place::Mounted { machine: machine.clone(), path };
    }

    /// How to get at `path` now.
    async fn reach(&self, path: &str) -> Result<Reached, JsValue> {
        let _making = self.0.making.lock().await;
        let made = match &*self.0.place.borrow() {
            Place::Mounted { machine, path: at } => {
                return Ok(Reached::Through(
                    machine.clone(),
                    format!("{at}/{}", path.trim_start_matches('/')),
                ));
            }
            Place::Apart(made) => made.clone(),
        };
        if let Some(fs) = made {
            return Ok(Reached::Apart(fs));
        }
        let fs = self.make(&FramePool::new(UNMOUNTED_PAGES), FIRST_DEVICE).await?;
        *self.0.place.borrow_mut() = Place::Apart(Some(fs.clone()));
        Ok(Reached::Apart(fs))
    }

    /// Brings what was changed from outside to the store, where there is one.
    async fn keep(&self, fs: &Rc<dyn FileSystem>) -> Result<(), Errno> {
        if let Origin::Store(_) = self.0.origin { fs.sync().await } else { Ok(()) }
    }
}

fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|name| !name.is_empty() && *name != ".")
}

async fn find(fs: &Rc<dyn FileSystem>, path: &str) -> Result<Rc<dyn Inode>, Errno> {
    let mut inode = fs.root();
    for name in names(path) {
        inode = inode.lookup(name.as_bytes()).await?;
    }
    Ok(inode)
}

async fn content(inode: &Rc<dyn Inode>) -> Result<Vec<u8>, Errno> {
    if inode.attributes().file_type == FileType::Directory {
        return Err(Errno::EISDIR);
    }
    let mut content = vec![0; usize::try_from(inode.attributes().size).map_err(|_| Errno::EFBIG)?];
    let mut done = 0;
    while let Some(rest) = content.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match inode.read_at(done as u64, rest).await? {
            0 => break,
            count => done += count,
        }
    }
    content.truncate(done);
    Ok(content)
}

async fn children(inode: &Rc<dyn Inode>) -> Result<Vec<String>, Errno> {
    let mut found = Vec::new();
    let mut sink = |entry: vfs::DirEntry| {
        found.push(String::from_utf8_lossy(&entry.name).into_owned());
        true
    };
    inode.readdir(0, &mut sink).await?;
    found.retain(|name| name != "." && name != "..");
    Ok(found)
}

/// Copies a tree of files into another.
async fn copy(from: &Rc<dyn Inode>, path: &str, to: &DataFs) -> Result<(), Errno> {
    for name in children(from).await? {
        let inode = from.lookup(name.as_bytes()).await?;
        let path = format!("{path}/{name}");
        if inode.attributes().file_type == FileType::Directory {
            Box::pin(copy(&inode, &path, to)).await?;
        } else {
            to.write_file(&path, &content(&inode).await?, inode.attributes().modified).await?;
        }
    }
    Ok(())
}

#[wasm_bindgen]
impl TreeHandle {
    /// No files yet; the page puts them in.
    pub fn data() -> TreeHandle {
        TreeHandle::new(Origin::Data)
    }

    /// Files of a web server.
    pub fn web(tree: JsTree) -> TreeHandle {
        TreeHandle::new(Origin::Web(Tree(tree)))
    }

    /// Files in a store: a file system that grows in it. A store that is new gets an empty one.
    pub async fn persistent(store: JsStore) -> Result<TreeHandle, JsValue> {
        let blank = Rc::new(Blank::new(STORE_BYTES));
        let options = OverlayOptions { keep_reads: false, ..OverlayOptions::default() };
        let overlay = Overlay::open(blank, Rc::new(Store(store)), options).await;
        let overlay = Rc::new(overlay.map_err(|failure| from_device(&failure))?);
        if overlay.stored_blocks() == 0 {
            let mut uuid = [0; 16];
            clock::entropy(&mut uuid);
            let options = FormatOptions {
                label: "files".into(),
                uuid,
                bytes_per_inode: 16_384,
                device_is_zero: true,
                now: clock::today(),
            };
            let made = Ext2::format(overlay.clone(), options).await;
            made.map_err(|failure| from_mount(&failure, "the store"))?;
        }
        Ok(TreeHandle::new(Origin::Store(overlay)))
    }

    /// Another handle on the same files: mounting takes one.
    pub fn share(&self) -> TreeHandle {
        self.clone()
    }

    /// Content of a file.
    pub async fn read_file(&self, path: String) -> Result<Uint8Array, JsValue> {
        match self.reach(&path).await? {
            Reached::Through(machine, path) => machine.read_file(&path).await,
            Reached::Apart(fs) => {
                let read = async { content(&find(&fs, &path).await?).await };
                let content = read.await.map_err(|errno| from_errno(errno, &path))?;
                Ok(Uint8Array::from(content.as_slice()))
            }
        }
    }

    /// Makes or replaces a file, and the directories on the way to it.
    pub async fn write_file(&self, path: String, bytes: Vec<u8>) -> Result<(), JsValue> {
        match (self.reach(&path).await?, &self.0.origin) {
            (_, Origin::Web(_)) => Err(from_errno(Errno::EROFS, &path)),
            // Programs put there by a page should run: all its files may be executed.
            (Reached::Through(machine, path), _) => machine.write_file(&path, bytes, 0o755).await,
            (Reached::Apart(fs), _) => {
                let written = async {
                    write(&fs, &path, &bytes).await?;
                    self.keep(&fs).await
                };
                written.await.map_err(|errno| from_errno(errno, &path))
            }
        }
    }

    /// What a directory holds.
    pub async fn list(&self, path: String) -> Result<Array, JsValue> {
        match self.reach(&path).await? {
            Reached::Through(machine, path) => machine.list(&path).await,
            Reached::Apart(fs) => {
                let listed = async {
                    let directory = find(&fs, &path).await?;
                    let entries = Array::new();
                    for name in children(&directory).await? {
                        let attributes = directory.lookup(name.as_bytes()).await?.attributes();
                        entries.push(&machine::directory_entry(&name, &attributes));
                    }
                    Ok(entries)
                };
                listed.await.map_err(|errno| from_errno(errno, &path))
            }
        }
    }

    /// Removes a file or an empty directory.
    pub async fn remove(&self, path: String) -> Result<(), JsValue> {
        match self.reach(&path).await? {
            Reached::Through(machine, path) => machine.remove(&path).await,
            Reached::Apart(fs) => {
                let removed = async {
                    let (parent, name) = path.trim_end_matches('/').rsplit_once('/').unwrap_or(("", &path));
                    let parent = find(&fs, parent).await?;
                    match parent.lookup(name.as_bytes()).await?.attributes().file_type {
                        FileType::Directory => parent.rmdir(name.as_bytes(), clock::today()).await?,
                        _ => parent.unlink(name.as_bytes(), clock::today()).await?,
                    }
                    self.keep(&fs).await
                };
                removed.await.map_err(|errno| from_errno(errno, &path))
            }
        }
    }

    /// A file as a block device. The tree must not be mounted.
    pub async fn block_device(&self, path: String) -> Result<BlockHandle, JsValue> {
        match self.reach(&path).await? {
            Reached::Through(..) => {
                Err(error("EBUSY", "these files are mounted already", Some(Errno::EBUSY)))
            }
            Reached::Apart(fs) => {
                let inode = find(&fs, &path).await.map_err(|errno| from_errno(errno, &path))?;
                if inode.attributes().file_type != FileType::Regular {
                    return Err(from_errno(Errno::EINVAL, &path));
                }
                Ok(BlockHandle::new(Rc::new(FileBlocks::new(inode, fs.read_only()))))
            }
        }
    }
}

async fn write(fs: &Rc<dyn FileSystem>, path: &str, bytes: &[u8]) -> Result<(), Errno> {
    let now = clock::today();
    let node =
        |file_type| vfs::NewNode { file_type, permissions: 0o755, uid: 0, gid: 0, rdev: 0, target: b"", now };
    let mut names: Vec<&str> = names(path).collect();
    let name = names.pop().ok_or(Errno::EISDIR)?;
    let mut directory = fs.root();
    for parent in names {
        directory = match directory.lookup(parent.as_bytes()).await {
            Err(Errno::ENOENT) => directory.create(parent.as_bytes(), &node(FileType::Directory)).await?,
            found => found?,
        };
    }
    let file = match directory.lookup(name.as_bytes()).await {
        Err(Errno::ENOENT) => directory.create(name.as_bytes(), &node(FileType::Regular)).await?,
        found => found?,
    };
    let cut = vfs::SetAttributes { size: Some(0), now, ..vfs::SetAttributes::default() };
    file.set_attributes(&cut).await?;
    match file.write_at(0, bytes, now).await? {
        count if count == bytes.len() => Ok(()),
        _ => Err(Errno::ENOSPC),
    }
}
