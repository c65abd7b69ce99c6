//! Files made up when they are looked at: the kinds of inode that `/proc` and `/sys` are built from.
//!
//! A [`TextFile`] has [`Content`], which is produced at the first read of an open file and stays as it was until the
//! file is read from its start again; so a program that reads in pieces sees one moment. A [`ListDirectory`]
//! has [`Entries`], fixed ([`Fixed`]) or computed at each look. A [`Link`] has a [`Target`].

use crate::file::{FileOps, Io, Ready, Result};
use crate::task::Task;
use crate::wait::WaitQueue;
use async_trait::async_trait;
use linux_abi::Errno;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use vfs::namespace::Path;
use vfs::{Attributes, DirEntry, FileSystem, FileType, FsStat, Inode, NewNode, SetAttributes, Timestamp};

/// Where a synthetic inode lives.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// `st_dev` of its file system.
    pub device: u64,
    /// `st_ino`.
    pub ino: u64,
    /// All its times.
    pub time: Timestamp,
}

/// User and group that own an inode.
pub type Owner = (u32, u32);

/// Root's.
pub const ROOT: Owner = (0, 0);

impl Place {
    /// The same file system, another number.
    #[must_use]
    pub fn at(self, ino: u64) -> Place {
        Place { ino, ..self }
    }

    fn attributes(self, file_type: FileType, permissions: u32, owner: Owner, size: u64) -> Attributes {
        Attributes {
            ino: self.ino,
            file_type,
            permissions,
            links: if file_type == FileType::Directory { 2 } else { 1 },
            uid: owner.0,
            gid: owner.1,
            rdev: 0,
            size,
            block_size: 1024,
            blocks: 0,
            accessed: self.time,
            modified: self.time,
            changed: self.time,
            created: None,
        }
    }
}

/// Truncation and times are taken and change nothing; owners and modes are not ours to change.
fn set_attributes(change: &SetAttributes) -> Result<()> {
    let owned = change.permissions.is_some() || change.uid.is_some() || change.gid.is_some();
    if owned { Err(Errno::EPERM) } else { Ok(()) }
}

/// What a synthetic file holds.
#[async_trait(?Send)]
pub trait Content {
    /// The whole text, as it is now.
    async fn text(&self) -> Result<Vec<u8>>;

    /// Takes what one `write` brings.
    async fn store(&self, _data: &[u8]) -> Result<()> {
        Err(Errno::EINVAL)
    }

    /// Owner.
    fn owner(&self) -> Owner {
        ROOT
    }

    /// `st_size`; most synthetic files show 0.
    fn size(&self) -> u64 {
        0
    }

    /// Checks whether this thread may open it, beyond what the mode says.
    fn check_open(&self, _task: &Rc<Task>) -> Result<()> {
        Ok(())
    }

    /// What an open file shows, where that is settled when it is opened.
    fn at_opening(&self) -> Option<Rc<dyn Content>> {
        None
    }

    /// Behaviour of its own instead of a text.
    fn special(&self, _task: &Rc<Task>) -> Option<Rc<dyn FileOps>> {
        None
    }

    /// Whether poll(2) waits for changes of it. They are not told, but waiting for them works.
    fn pollable(&self) -> bool {
        false
    }
}

/// A synthetic regular file.
pub struct TextFile {
    place: Place,
    permissions: u32,
    content: Rc<dyn Content>,
}

impl fmt::Debug for TextFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TextFile({})", self.place.ino)
    }
}

impl TextFile {
    /// A file.
    pub fn new(place: Place, permissions: u32, content: Rc<dyn Content>) -> Rc<TextFile> {
        Rc::new(TextFile { place, permissions, content })
    }
}

fn copy_part(text: &[u8], offset: u64, buf: &mut [u8]) -> usize {
    let rest = usize::try_from(offset).ok().and_then(|offset| text.get(offset..)).unwrap_or_default();
    let count = rest.len().min(buf.len());
    buf.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    count
}

#[async_trait(?Send)]
impl Inode for TextFile {
    fn attributes(&self) -> Attributes {
        self.place.attributes(FileType::Regular, self.permissions, self.content.owner(), self.content.size())
    }

    fn device(&self) -> u64 {
        self.place.device
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    async fn set_attributes(&self, change: &SetAttributes) -> Result<()> {
        set_attributes(change)
    }

    async fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        Ok(copy_part(&self.content.text().await?, offset, buf))
    }

    async fn write_at(&self, _offset: u64, data: &[u8], _now: Timestamp) -> Result<usize> {
        self.content.store(data).await.map(|()| data.len())
    }
}

/// An open synthetic file: its text at the moment of the first read.
struct Snapshot {
    content: Rc<dyn Content>,
    text: RefCell<Option<Rc<[u8]>>>,
    never: WaitQueue,
}

#[async_trait(?Send)]
impl FileOps for Snapshot {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn seekable(&self) -> bool {
        true
    }

    async fn read_at(&self, _io: Io<'_>, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let known = self.text.borrow().clone().filter(|_| offset != 0);
        let text = match known {
            Some(text) => text,
            None => {
                let text: Rc<[u8]> = self.content.text().await?.into();
                *self.text.borrow_mut() = Some(text.clone());
                text
            }
        };
        Ok(copy_part(&text, offset, buf))
    }

    async fn write_at(&self, _io: Io<'_>, _offset: u64, data: &[u8]) -> Result<usize> {
        self.content.store(data).await.map(|()| data.len())
    }

    fn ready(&self) -> Ready {
        Ready::ALWAYS
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        self.content.pollable().then_some(&self.never)
    }

    async fn fsync(&self) -> Result<()> {
        Err(Errno::EINVAL)
    }
}

/// The behaviour of an opened inode, if it is a synthetic file.
pub fn open_synthetic(task: &Rc<Task>, inode: &Rc<dyn Inode>) -> Result<Option<Rc<dyn FileOps>>> {
    let Some(file) = inode.as_any().downcast_ref::<TextFile>() else { return Ok(None) };
    file.content.check_open(task)?;
    let special = file.content.special(task);
    let content = || file.content.at_opening().unwrap_or_else(|| file.content.clone());
    let snapshot = || Snapshot { content: content(), text: RefCell::default(), never: WaitQueue::new() };
    Ok(Some(special.unwrap_or_else(|| Rc::new(snapshot()))))
}

/// One name of a synthetic directory.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Name.
    pub name: Vec<u8>,
    /// Inode number.
    pub ino: u64,
    /// Kind.
    pub file_type: FileType,
    /// Place in the listing; ascending, and the same at every look.
    pub position: u64,
}

/// What a synthetic directory holds.
pub trait Entries {
    /// A child by name, or `ENOENT`.
    fn get(&self, name: &[u8]) -> Result<Rc<dyn Inode>>;

    /// All of them, by ascending position.
    fn list(&self) -> Result<Vec<Entry>>;

    /// Owner.
    fn owner(&self) -> Owner {
        ROOT
    }

    /// Whether names never come or go.
    fn stable(&self) -> bool {
        false
    }
}

/// A synthetic directory.
pub struct ListDirectory {
    place: Place,
    permissions: u32,
    entries: Rc<dyn Entries>,
}

impl fmt::Debug for ListDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ListDirectory({})", self.place.ino)
    }
}

impl ListDirectory {
    /// A directory.
    pub fn new(place: Place, permissions: u32, entries: Rc<dyn Entries>) -> Rc<ListDirectory> {
        Rc::new(ListDirectory { place, permissions, entries })
    }
}

#[async_trait(?Send)]
impl Inode for ListDirectory {
    fn attributes(&self) -> Attributes {
        self.place.attributes(FileType::Directory, self.permissions, self.entries.owner(), 0)
    }

    fn device(&self) -> u64 {
        self.place.device
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn names_are_stable(&self) -> bool {
        self.entries.stable()
    }

    async fn set_attributes(&self, change: &SetAttributes) -> Result<()> {
        set_attributes(change)
    }

    async fn lookup(&self, name: &[u8]) -> Result<Rc<dyn Inode>> {
        self.entries.get(name)
    }

    /// Nothing can be made here. procfs does not even have the name; sysfs has it, and refuses (open(2), mkdir(2)).
    async fn create(&self, _name: &[u8], node: &NewNode<'_>) -> Result<Rc<dyn Inode>> {
        Err(match node.file_type {
            _ if self.place.device == super::proc::DEVICE => Errno::ENOENT,
            FileType::Regular => Errno::EACCES,
            _ => Errno::EPERM,
        })
    }

    async fn readdir(&self, from: u64, sink: &mut dyn FnMut(DirEntry) -> bool) -> Result<()> {
        let ino = self.place.ino;
        let own =
            |name: &[u8], next| DirEntry { name: name.into(), ino, file_type: FileType::Directory, next };
        if from == 0 && !sink(own(b".", 1)) || from <= 1 && !sink(own(b"..", 2)) {
            return Ok(());
        }
        for entry in self.entries.list()? {
            // Positions 0 and 1 are the two above.
            let next = entry.position.saturating_add(3);
            if next > from.max(2)
                && !sink(DirEntry { name: entry.name, ino: entry.ino, file_type: entry.file_type, next })
            {
                break;
            }
        }
        Ok(())
    }
}

/// Where a synthetic symlink leads.
pub trait Target {
    /// Its text.
    fn text(&self) -> Result<Vec<u8>>;

    /// What it leads to without regard to the text.
    fn path(&self) -> Option<Path> {
        None
    }

    /// Owner.
    fn owner(&self) -> Owner {
        ROOT
    }

    /// Its mode: `/proc/PID/fd/N` shows the access mode there.
    fn permissions(&self) -> u32 {
        0o777
    }
}

/// A target that never changes.
impl Target for &'static str {
    fn text(&self) -> Result<Vec<u8>> {
        Ok(self.as_bytes().to_vec())
    }
}

/// A synthetic symlink.
pub struct Link {
    place: Place,
    target: Rc<dyn Target>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({})", self.place.ino)
    }
}

impl Link {
    /// A symlink.
    pub fn new(place: Place, target: Rc<dyn Target>) -> Rc<Link> {
        Rc::new(Link { place, target })
    }
}

#[async_trait(?Send)]
impl Inode for Link {
    fn attributes(&self) -> Attributes {
        self.place.attributes(FileType::Symlink, self.target.permissions(), self.target.owner(), 0)
    }

    fn device(&self) -> u64 {
        self.place.device
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    async fn set_attributes(&self, change: &SetAttributes) -> Result<()> {
        set_attributes(change)
    }

    async fn read_link(&self) -> Result<Vec<u8>> {
        self.target.text()
    }

    fn magic_link(&self) -> Option<Path> {
        self.target.path()
    }
}

/// Text that never changes.
#[derive(Debug)]
pub struct Constant(pub Vec<u8>);

#[async_trait(?Send)]
impl Content for Constant {
    async fn text(&self) -> Result<Vec<u8>> {
        Ok(self.0.clone())
    }
}

/// A name and what it leads to.
type Named = (Vec<u8>, Rc<dyn Inode>);

/// A directory whose names are laid down once.
#[derive(Default)]
pub struct Fixed {
    names: RefCell<Vec<Named>>,
    index: RefCell<HashMap<Vec<u8>, usize>>,
}

impl fmt::Debug for Fixed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fixed({} names)", self.names.borrow().len())
    }
}

impl Fixed {
    fn find(&self, name: &[u8]) -> Option<Rc<dyn Inode>> {
        let at = self.index.borrow().get(name).copied()?;
        self.names.borrow().get(at).map(|row| row.1.clone())
    }

    fn add(&self, name: &[u8], inode: Rc<dyn Inode>) {
        let mut names = self.names.borrow_mut();
        self.index.borrow_mut().insert(name.to_vec(), names.len());
        names.push((name.to_vec(), inode));
    }
}

impl Entries for Fixed {
    fn get(&self, name: &[u8]) -> Result<Rc<dyn Inode>> {
        self.find(name).ok_or(Errno::ENOENT)
    }

    fn list(&self) -> Result<Vec<Entry>> {
        let names = self.names.borrow();
        let row = |(i, (name, inode)): (usize, &Named)| {
            let attributes = inode.attributes();
            Entry {
                name: name.clone(),
                ino: attributes.ino,
                file_type: attributes.file_type,
                position: i as u64,
            }
        };
        Ok(names.iter().enumerate().map(row).collect())
    }

    fn stable(&self) -> bool {
        true
    }
}

/// Builds a fixed tree by paths.
#[derive(Debug)]
pub struct Tree {
    place: Place,
    next: Cell<u64>,
    root: Rc<Fixed>,
    directories: RefCell<HashMap<Vec<u8>, Rc<Fixed>>>,
}

impl Tree {
    /// An empty tree. Its inodes are numbered from that of `place`, which is its root's.
    pub fn new(place: Place) -> Tree {
        Tree { place, next: Cell::new(place.ino + 1), root: Rc::default(), directories: RefCell::default() }
    }

    /// A fresh inode number.
    pub fn place(&self) -> Place {
        self.place.at(self.next.replace(self.next.get() + 1))
    }

    /// The root's entries.
    pub fn entries(&self) -> Rc<Fixed> {
        self.root.clone()
    }

    /// The root directory.
    pub fn root(&self) -> Rc<ListDirectory> {
        ListDirectory::new(self.place, 0o555, self.root.clone())
    }

    /// Makes a directory, and those above it, where they do not exist.
    pub fn directory(&self, path: &str) -> Rc<Fixed> {
        if path.is_empty() {
            return self.root.clone();
        }
        if let Some(known) = self.directories.borrow().get(path.as_bytes()) {
            return known.clone();
        }
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let made: Rc<Fixed> = Rc::default();
        self.directory(parent).add(name.as_bytes(), ListDirectory::new(self.place(), 0o555, made.clone()));
        self.directories.borrow_mut().insert(path.into(), made.clone());
        made
    }

    /// Puts an inode at a path.
    pub fn add(&self, path: &str, inode: Rc<dyn Inode>) {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        self.directory(parent).add(name.as_bytes(), inode);
    }

    /// Puts a file at a path.
    pub fn file(&self, path: &str, permissions: u32, content: Rc<dyn Content>) {
        self.add(path, TextFile::new(self.place(), permissions, content));
    }

    /// Puts a file that never changes at a path.
    pub fn constant(&self, path: &str, text: &str) {
        self.file(path, 0o444, Rc::new(Constant(text.into())));
    }

    /// Puts a symlink at a path.
    pub fn link(&self, path: &str, target: &'static str) {
        self.add(path, Link::new(self.place(), Rc::new(target)));
    }
}

/// A file system over a synthetic tree.
pub struct SyntheticFs {
    /// Root directory.
    pub root: Rc<dyn Inode>,
    /// `st_dev`.
    pub device: u64,
    /// Name in `/proc/mounts`.
    pub type_name: &'static str,
    /// Number in `statfs` (linux/magic.h).
    pub magic: u32,
}

impl fmt::Debug for SyntheticFs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SyntheticFs({})", self.type_name)
    }
}

#[async_trait(?Send)]
impl FileSystem for SyntheticFs {
    fn root(&self) -> Rc<dyn Inode> {
        self.root.clone()
    }

    fn device(&self) -> u64 {
        self.device
    }

    fn type_name(&self) -> &'static str {
        self.type_name
    }

    fn stat(&self) -> FsStat {
        FsStat { magic: self.magic, block_size: 4096, name_max: 255, ..FsStat::default() }
    }

    async fn sync(&self) -> Result<()> {
        Ok(())
    }
}
