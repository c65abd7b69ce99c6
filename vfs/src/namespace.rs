//! The name space: cached names ([`Dentry`]), mounts, and the walk from a path to a file.
//!
//! The walk follows path_resolution(7). Names once looked up are kept as dentries, absent ones too, so that a walk
//! over known names never touches a file system. Every change of a name goes through [`Namespace`], which keeps
//! the dentries true.

use crate::inode::{Attributes, FileSystem, FileType, Inode, NewNode, RenameMode, Result, Timestamp};
use hashbrown::HashMap;
use linux_abi::errno::Errno;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

/// Symlinks followed in one walk before `ELOOP` (linux/namei.h `MAXSYMLINKS`).
const MAX_SYMLINKS: u32 = 40;
/// Longest name of one component (linux/limits.h `NAME_MAX`).
const NAME_MAX: usize = 255;
/// Cached names above which unused ones are dropped.
const DENTRY_BUDGET: usize = 60_000;

/// A name in the tree, and what it leads to.
pub struct Dentry {
    name: RefCell<Rc<[u8]>>,
    parent: RefCell<Option<Rc<Dentry>>>,
    /// None: the name is known not to exist.
    inode: RefCell<Option<Rc<dyn Inode>>>,
    children: RefCell<HashMap<Rc<[u8]>, Rc<Dentry>>>,
    /// The name was removed while somebody still used the file.
    deleted: Cell<bool>,
    /// Number of mounts on top of it.
    mounted_on: Cell<u32>,
}

impl fmt::Debug for Dentry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dentry({})", String::from_utf8_lossy(&self.name.borrow()))
    }
}

impl Dentry {
    fn new(name: &[u8], parent: Option<Rc<Dentry>>, inode: Option<Rc<dyn Inode>>) -> Rc<Dentry> {
        Rc::new(Dentry {
            name: RefCell::new(name.into()),
            parent: RefCell::new(parent),
            inode: RefCell::new(inode),
            children: RefCell::default(),
            deleted: Cell::new(false),
            mounted_on: Cell::new(0),
        })
    }

    /// The name within its parent.
    pub fn name(&self) -> Rc<[u8]> {
        self.name.borrow().clone()
    }

    fn prune(&self) -> usize {
        let mut children = self.children.borrow_mut();
        children.retain(|_, child| {
            child.prune();
            Rc::strong_count(child) > 1 || !child.children.borrow().is_empty()
        });
        children.values().map(|child| 1 + child.count()).sum()
    }

    fn count(&self) -> usize {
        self.children.borrow().values().map(|child| 1 + child.count()).sum()
    }
}

/// A file system put somewhere in the tree.
pub struct Mount {
    /// Number shown as `mnt_id`.
    pub id: u64,
    /// What is mounted.
    pub fs: Rc<dyn FileSystem>,
    /// Device or source name shown in `/proc/mounts`.
    pub source: String,
    /// Changes are refused with `EROFS`.
    pub read_only: Cell<bool>,
    root: Rc<Dentry>,
    on: RefCell<Option<Path>>,
}

impl fmt::Debug for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mount({} {})", self.id, self.fs.type_name())
    }
}

impl Mount {
    /// The place it covers; none for the root mount.
    pub fn mount_point(&self) -> Option<Path> {
        self.on.borrow().clone()
    }

    /// Its root directory.
    pub fn root_path(self: &Rc<Self>) -> Path {
        Path { mount: self.clone(), dentry: self.root.clone() }
    }
}

/// A place in the tree that exists: the pair that names a file for a process.
#[derive(Clone, Debug)]
pub struct Path {
    /// Mount it lies in.
    pub mount: Rc<Mount>,
    dentry: Rc<Dentry>,
}

impl PartialEq for Path {
    fn eq(&self, other: &Path) -> bool {
        Rc::ptr_eq(&self.mount, &other.mount) && Rc::ptr_eq(&self.dentry, &other.dentry)
    }
}

impl Eq for Path {}

impl Path {
    /// A path that is nobody's child: what descriptors of pipes, sockets and memory files have.
    pub fn detached(mount: &Rc<Mount>, name: &[u8], inode: Rc<dyn Inode>) -> Path {
        Path { mount: mount.clone(), dentry: Dentry::new(name, None, Some(inode)) }
    }

    /// The file.
    ///
    /// # Panics
    /// Never: a `Path` is only made for names that exist, and keeps the file when the name goes.
    pub fn inode(&self) -> Rc<dyn Inode> {
        self.dentry.inode.borrow().clone().expect("a path leads to a file")
    }

    /// The last name.
    pub fn name(&self) -> Rc<[u8]> {
        self.dentry.name()
    }

    /// The directory that holds the name, also where the name was removed; none at the root of a mount.
    pub fn parent_inode(&self) -> Option<Rc<dyn Inode>> {
        self.dentry.parent.borrow().as_ref().and_then(|parent| parent.inode.borrow().clone())
    }

    /// Whether the name was removed meanwhile.
    pub fn is_deleted(&self) -> bool {
        self.dentry.deleted.get()
    }

    /// Whether it is the root of its mount.
    pub fn is_mount_root(&self) -> bool {
        Rc::ptr_eq(&self.dentry, &self.mount.root)
    }

    fn read_only(&self) -> bool {
        self.mount.read_only.get() || self.mount.fs.read_only()
    }

    /// `EROFS` where the mount or its file system takes no changes.
    pub fn check_writable(&self) -> Result<()> {
        if self.read_only() { Err(Errno::EROFS) } else { Ok(()) }
    }
}

/// How the last component of a walk is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastSymlink {
    Follow,
    /// `O_NOFOLLOW`, `AT_SYMLINK_NOFOLLOW`, `lstat`, and every call that makes or removes a name.
    Keep,
}

/// What a walk needs to know of its process.
pub struct Walker<'a> {
    /// The process's root directory.
    pub root: &'a Path,
    /// Where relative paths start.
    pub start: &'a Path,
    /// Whether this directory may be searched (`x` permission).
    pub may_search: &'a dyn Fn(&Attributes) -> bool,
}

impl fmt::Debug for Walker<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Walker({:?})", self.start)
    }
}

/// Where a walk ended.
#[derive(Clone, Debug)]
pub struct Walked {
    /// Directory that holds (or would hold) the last name.
    pub parent: Path,
    /// The last name; empty where the path ended in `/`-only, `.` or `..`, and then `target` is set.
    pub name: Vec<u8>,
    /// What is there.
    pub target: Option<Path>,
    /// The path ended in a slash, so it can only mean a directory.
    pub trailing_slash: bool,
}

impl Walked {
    /// The file, or `ENOENT`.
    pub fn existing(self) -> Result<Path> {
        let path = self.target.ok_or(Errno::ENOENT)?;
        if self.trailing_slash && path.inode().attributes().file_type != FileType::Directory {
            return Err(Errno::ENOTDIR);
        }
        Ok(path)
    }
}

/// All mounts of one machine and the names under them.
pub struct Namespace {
    mounts: RefCell<Vec<Rc<Mount>>>,
    next_mount_id: Cell<u64>,
    lookups: Cell<usize>,
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.mounts.borrow().iter()).finish()
    }
}

impl Namespace {
    /// A name space whose root is `fs`.
    pub fn new(fs: Rc<dyn FileSystem>, source: &str) -> (Namespace, Path) {
        let namespace =
            Namespace { mounts: RefCell::default(), next_mount_id: Cell::new(1), lookups: Cell::new(0) };
        let mount = namespace.make_mount(fs, source, None);
        namespace.mounts.borrow_mut().push(mount.clone());
        (namespace, mount.root_path())
    }

    fn make_mount(&self, fs: Rc<dyn FileSystem>, source: &str, on: Option<Path>) -> Rc<Mount> {
        let id = self.next_mount_id.replace(self.next_mount_id.get() + 1);
        let root = Dentry::new(b"/", None, Some(fs.root()));
        let read_only = Cell::new(fs.read_only());
        Rc::new(Mount { id, fs, source: source.into(), read_only, root, on: RefCell::new(on) })
    }

    /// A mount that has no place in the tree: home of pipes, sockets and memory files.
    pub fn hidden_mount(&self, fs: Rc<dyn FileSystem>) -> Rc<Mount> {
        self.make_mount(fs, "none", None)
    }

    /// Puts a file system on a directory.
    pub fn mount(&self, on: &Path, fs: Rc<dyn FileSystem>, source: &str) -> Result<Rc<Mount>> {
        if on.inode().attributes().file_type != FileType::Directory {
            return Err(Errno::ENOTDIR);
        }
        on.dentry.mounted_on.set(on.dentry.mounted_on.get() + 1);
        let mount = self.make_mount(fs, source, Some(on.clone()));
        self.mounts.borrow_mut().push(mount.clone());
        Ok(mount)
    }

    /// Takes a mount away. `EBUSY` where another mount stands on it; `EINVAL` for the root.
    pub fn unmount(&self, mount: &Rc<Mount>) -> Result<()> {
        let on = mount.mount_point().ok_or(Errno::EINVAL)?;
        let mut mounts = self.mounts.borrow_mut();
        if mounts.iter().any(|m| m.mount_point().is_some_and(|p| Rc::ptr_eq(&p.mount, mount))) {
            return Err(Errno::EBUSY);
        }
        mounts.retain(|m| !Rc::ptr_eq(m, mount));
        on.dentry.mounted_on.set(on.dentry.mounted_on.get() - 1);
        Ok(())
    }

    /// Every mount, oldest first.
    pub fn mounts(&self) -> Vec<Rc<Mount>> {
        self.mounts.borrow().clone()
    }

    fn topmost(&self, mut path: Path) -> Path {
        while path.dentry.mounted_on.get() > 0 {
            let mounts = self.mounts.borrow();
            let Some(over) = mounts.iter().rev().find(|m| m.on.borrow().as_ref() == Some(&path)) else {
                break;
            };
            path = over.root_path();
        }
        path
    }

    /// The parent directory as `..` shows it to a process whose root is `root`.
    pub fn parent_of(&self, path: &Path, root: &Path) -> Path {
        let mut at = path.clone();
        loop {
            if at == *root {
                return at;
            }
            if at.is_mount_root() {
                match at.mount.mount_point() {
                    Some(below) => at = below,
                    None => return at,
                }
                continue;
            }
            let parent = at.dentry.parent.borrow().clone();
            return match parent {
                Some(dentry) => self.topmost(Path { mount: at.mount.clone(), dentry }),
                None => at,
            };
        }
    }

    /// The absolute path text as a process with this root sees it; a removed name ends in ` (deleted)`.
    pub fn text_of(&self, path: &Path, root: &Path) -> Vec<u8> {
        let mut names: Vec<Rc<[u8]>> = Vec::new();
        let mut at = path.clone();
        while at != *root {
            if at.is_mount_root() {
                match at.mount.mount_point() {
                    Some(below) => at = below,
                    None => break,
                }
                continue;
            }
            names.push(at.name());
            let parent = at.dentry.parent.borrow().clone();
            match parent {
                Some(dentry) => at = Path { mount: at.mount.clone(), dentry },
                // Nobody's child: `pipe:[7]`, `/memfd:x`.
                None => return names.concat(),
            }
        }
        let mut text = Vec::new();
        for name in names.iter().rev() {
            text.push(b'/');
            text.extend_from_slice(name);
        }
        if text.is_empty() {
            text.push(b'/');
        }
        if path.is_deleted() {
            text.extend_from_slice(b" (deleted)");
        }
        text
    }

    async fn child(&self, parent: &Path, name: &[u8]) -> Result<Option<Path>> {
        let known = parent.dentry.children.borrow().get(name).cloned();
        if let Some(dentry) = known {
            let exists = dentry.inode.borrow().is_some();
            return Ok(exists.then(|| self.topmost(Path { mount: parent.mount.clone(), dentry })));
        }
        if name.len() > NAME_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        let directory = parent.inode();
        let found = match directory.lookup(name).await {
            Ok(inode) => Some(inode),
            Err(Errno::ENOENT) => None,
            Err(error) => return Err(error),
        };
        if !directory.names_are_stable() {
            let dentry = Dentry::new(name, Some(parent.dentry.clone()), found);
            let exists = dentry.inode.borrow().is_some();
            return Ok(exists.then(|| Path { mount: parent.mount.clone(), dentry }));
        }
        self.shrink_if_large();
        // Somebody else may have looked the same name up, or made it, during the wait: theirs is the truth.
        let dentry = {
            let mut children = parent.dentry.children.borrow_mut();
            let fresh = || Dentry::new(name, Some(parent.dentry.clone()), found);
            children.entry(name.into()).or_insert_with(fresh).clone()
        };
        let exists = dentry.inode.borrow().is_some();
        Ok(exists.then(|| self.topmost(Path { mount: parent.mount.clone(), dentry })))
    }

    fn shrink_if_large(&self) {
        self.lookups.set(self.lookups.get() + 1);
        if self.lookups.get() > DENTRY_BUDGET {
            let left: usize = self.mounts.borrow().iter().map(|mount| mount.root.prune()).sum();
            // Names in use stay; wait for half a budget more before trying again.
            self.lookups.set(left.min(DENTRY_BUDGET / 2));
        }
    }

    /// Walks a path. An empty path is `ENOENT`.
    pub async fn walk(&self, walker: &Walker<'_>, path: &[u8], last: LastSymlink) -> Result<Walked> {
        if path.is_empty() {
            return Err(Errno::ENOENT);
        }
        let mut at = if path[0] == b'/' { walker.root.clone() } else { walker.start.clone() };
        // Components still to do, in reverse pieces: symlink targets are pushed on top.
        let mut rest: Vec<u8> = path.to_vec();
        let mut links = 0;
        loop {
            let from = rest.iter().position(|b| *b != b'/').unwrap_or(rest.len());
            let len = rest[from..].iter().position(|b| *b == b'/').unwrap_or(rest.len() - from);
            let name = &rest[from..from + len];
            let after = from + len;
            let is_last = rest[after..].iter().all(|b| *b == b'/');
            let trailing_slash = is_last && after < rest.len();
            let inode = at.inode();
            let attributes = inode.attributes();
            if name.is_empty() {
                return Ok(Walked {
                    parent: at.clone(),
                    name: Vec::new(),
                    target: Some(at),
                    trailing_slash: false,
                });
            }
            if attributes.file_type != FileType::Directory {
                return Err(Errno::ENOTDIR);
            }
            if !(walker.may_search)(&attributes) {
                return Err(Errno::EACCES);
            }
            let next = match name {
                b"." => Some(at.clone()),
                b".." => Some(self.parent_of(&at, walker.root)),
                _ => self.child(&at, name).await?,
            };
            let special = matches!(name, b"." | b"..");
            let link = next.as_ref().map(Path::inode).filter(|_| !special);
            let link = link.filter(|inode| inode.attributes().file_type == FileType::Symlink);
            if let Some(link) = link.filter(|_| !is_last || trailing_slash || last == LastSymlink::Follow) {
                links += 1;
                if links > MAX_SYMLINKS {
                    return Err(Errno::ELOOP);
                }
                if let Some(target) = link.magic_link() {
                    at = target;
                    rest.drain(..after);
                    if is_last && !trailing_slash {
                        return Ok(Walked {
                            parent: at.clone(),
                            name: Vec::new(),
                            target: Some(at),
                            trailing_slash: false,
                        });
                    }
                    continue;
                }
                let mut target = link.read_link().await?;
                if target.is_empty() {
                    return Err(Errno::ENOENT);
                }
                if target[0] == b'/' {
                    at = walker.root.clone();
                }
                target.extend_from_slice(&rest[after..]);
                rest = target;
                continue;
            }
            if is_last {
                let name = if special { Vec::new() } else { name.to_vec() };
                return Ok(Walked { parent: at, name, target: next, trailing_slash });
            }
            at = next.ok_or(Errno::ENOENT)?;
            rest.drain(..after);
        }
    }

    /// Walks to a file that must exist.
    pub async fn find(&self, walker: &Walker<'_>, path: &[u8], last: LastSymlink) -> Result<Path> {
        self.walk(walker, path, last).await?.existing()
    }

    fn remember(&self, parent: &Path, name: &[u8], inode: Rc<dyn Inode>) -> Path {
        if !parent.inode().names_are_stable() {
            let dentry = Dentry::new(name, Some(parent.dentry.clone()), Some(inode));
            return Path { mount: parent.mount.clone(), dentry };
        }
        let mut children = parent.dentry.children.borrow_mut();
        let known = children.get(name).filter(|dentry| dentry.inode.borrow().is_none()).cloned();
        let dentry = match known {
            Some(negative) => {
                *negative.inode.borrow_mut() = Some(inode);
                negative
            }
            None => {
                let dentry = Dentry::new(name, Some(parent.dentry.clone()), Some(inode));
                children.insert(name.into(), dentry.clone());
                dentry
            }
        };
        Path { mount: parent.mount.clone(), dentry }
    }

    fn forget(&self, parent: &Path, name: &[u8]) {
        if let Some(dentry) = parent.dentry.children.borrow_mut().remove(name) {
            dentry.deleted.set(true);
        }
    }

    fn check_change(parent: &Path, name: &[u8]) -> Result<()> {
        if name.len() > NAME_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        parent.check_writable()?;
        // A directory that was removed takes no new names.
        if parent.is_deleted() { Err(Errno::ENOENT) } else { Ok(()) }
    }

    /// Makes a file, directory, symlink or node.
    pub async fn create(&self, parent: &Path, name: &[u8], node: &NewNode<'_>) -> Result<Path> {
        Self::check_change(parent, name)?;
        let inode = parent.inode().create(name, node).await?;
        Ok(self.remember(parent, name, inode))
    }

    /// Gives a file another name.
    pub async fn link(&self, file: &Path, parent: &Path, name: &[u8], now: Timestamp) -> Result<()> {
        Self::check_change(parent, name)?;
        if !Rc::ptr_eq(&file.mount, &parent.mount) {
            return Err(Errno::EXDEV);
        }
        let inode = file.inode();
        parent.inode().link(name, &inode, now).await?;
        self.remember(parent, name, inode);
        Ok(())
    }

    fn check_not_mount_point(&self, parent: &Path, name: &[u8]) -> Result<()> {
        let children = parent.dentry.children.borrow();
        match children.get(name) {
            Some(child) if child.mounted_on.get() > 0 => Err(Errno::EBUSY),
            _ => Ok(()),
        }
    }

    /// Removes a name that is not a directory.
    pub async fn unlink(&self, parent: &Path, name: &[u8], now: Timestamp) -> Result<()> {
        Self::check_change(parent, name)?;
        self.check_not_mount_point(parent, name)?;
        parent.inode().unlink(name, now).await?;
        self.forget(parent, name);
        Ok(())
    }

    /// Removes an empty directory.
    pub async fn rmdir(&self, parent: &Path, name: &[u8], now: Timestamp) -> Result<()> {
        Self::check_change(parent, name)?;
        self.check_not_mount_point(parent, name)?;
        parent.inode().rmdir(name, now).await?;
        self.forget(parent, name);
        Ok(())
    }

    /// Moves a name.
    pub async fn rename(
        &self,
        from: (&Path, &[u8]),
        to: (&Path, &[u8]),
        mode: RenameMode,
        now: Timestamp,
    ) -> Result<()> {
        let ((old_parent, old_name), (new_parent, new_name)) = (from, to);
        Self::check_change(old_parent, old_name)?;
        Self::check_change(new_parent, new_name)?;
        if !Rc::ptr_eq(&old_parent.mount, &new_parent.mount) {
            return Err(Errno::EXDEV);
        }
        let moved = self.child(old_parent, old_name).await?.ok_or(Errno::ENOENT)?;
        let replaced = self.child(new_parent, new_name).await?;
        self.check_not_mount_point(old_parent, old_name)?;
        self.check_not_mount_point(new_parent, new_name)?;
        if let Some(replaced) = &replaced {
            if mode == RenameMode::NoReplace {
                return Err(Errno::EEXIST);
            }
            // Two names of one file: nothing to do (rename(2)).
            if Rc::ptr_eq(&replaced.inode(), &moved.inode()) {
                return Ok(());
            }
            if mode == RenameMode::Exchange && is_ancestor(&replaced.dentry, &old_parent.dentry) {
                return Err(Errno::EINVAL);
            }
            if mode == RenameMode::Replace && is_ancestor(&replaced.dentry, &old_parent.dentry) {
                return Err(Errno::ENOTEMPTY);
            }
        } else if mode == RenameMode::Exchange {
            return Err(Errno::ENOENT);
        }
        if is_ancestor(&moved.dentry, &new_parent.dentry) {
            return Err(Errno::EINVAL);
        }
        let target = new_parent.inode();
        old_parent.inode().rename(old_name, &target, new_name, mode, now).await?;
        let moved = old_parent.dentry.children.borrow_mut().remove(old_name);
        if mode == RenameMode::Exchange {
            let other = new_parent.dentry.children.borrow_mut().remove(new_name);
            place(other, old_parent, old_name);
        } else {
            self.forget(new_parent, new_name);
        }
        place(moved, new_parent, new_name);
        Ok(())
    }
}

fn place(dentry: Option<Rc<Dentry>>, parent: &Path, name: &[u8]) {
    let Some(dentry) = dentry else { return };
    let name: Rc<[u8]> = name.into();
    *dentry.name.borrow_mut() = name.clone();
    *dentry.parent.borrow_mut() = Some(parent.dentry.clone());
    parent.dentry.children.borrow_mut().insert(name, dentry);
}

/// Whether `dentry` is `below` or one of its ancestors.
fn is_ancestor(dentry: &Rc<Dentry>, below: &Rc<Dentry>) -> bool {
    let mut at = Some(below.clone());
    while let Some(here) = at {
        if Rc::ptr_eq(&here, dentry) {
            return true;
        }
        at = here.parent.borrow().clone();
    }
    false
}
