//! Calls on paths: open, make, remove, rename, link, and where a process stands.

use crate::cred::Want;
use crate::file::{Fd, FileOps, OpenFile, Result, open_flags};
use crate::fs::notify;
use crate::fs::regular::InodeFile;
use crate::sys::Args;
use crate::task::Task;
use linux_abi::Errno;
use linux_abi::fcntl::{AT_FDCWD, AtFlags, OFlags};
use linux_abi::inotify::InotifyMask;
use std::rc::Rc;
use vfs::namespace::{LastSymlink, Path, Walked, Walker};
use vfs::{Attributes, FileType, Inode, NewNode, RenameMode, SetAttributes};

/// Where relative paths of an `*at` call start.
pub(crate) fn base(task: &Task, dirfd: Fd) -> Result<Path> {
    if dirfd == AT_FDCWD {
        return Ok(task.fs().cwd);
    }
    Ok(task.files().get(dirfd)?.path.clone())
}

/// Walks a path argument without deciding what must be there.
pub(crate) async fn walk(task: &Task, dirfd: Fd, path: &[u8], last: LastSymlink) -> Result<Walked> {
    let fs = task.fs();
    let start = if path.first() == Some(&b'/') { fs.root.clone() } else { base(task, dirfd)? };
    let cred = task.cred();
    let walker =
        Walker { root: &fs.root, start: &start, may_search: &|attributes| cred.may(attributes, Want::EXEC) };
    task.kernel.namespace.walk(&walker, path, last).await
}

/// Finds an existing file.
pub(crate) async fn find(task: &Task, dirfd: Fd, path: &[u8], last: LastSymlink) -> Result<Path> {
    walk(task, dirfd, path, last).await?.existing()
}

/// Finds what an `*at` call with flags names: `AT_EMPTY_PATH`, `AT_SYMLINK_NOFOLLOW`.
pub(crate) async fn find_at(task: &Task, dirfd: Fd, addr: u64, flags: AtFlags) -> Result<Path> {
    let empty_allowed = flags.contains(AtFlags::EMPTY_PATH);
    let path = if addr == 0 && empty_allowed { Vec::new() } else { task.get_path(addr).await? };
    if path.is_empty() && empty_allowed {
        return base(task, dirfd);
    }
    let keep = flags.contains(AtFlags::SYMLINK_NOFOLLOW);
    find(task, dirfd, &path, if keep { LastSymlink::Keep } else { LastSymlink::Follow }).await
}

fn may(task: &Task, path: &Path, want: Want) -> Result<()> {
    if task.cred().may(&path.inode().attributes(), want) { Ok(()) } else { Err(Errno::EACCES) }
}

/// The checks before a name is added to a directory.
fn may_add(task: &Task, walked: &Walked) -> Result<()> {
    may(task, &walked.parent, Want(3))
}

/// The checks before a name is removed: write permission, and the sticky bit's rule (unlink(2)).
fn may_remove(task: &Task, walked: &Walked, victim: &Path) -> Result<()> {
    may(task, &walked.parent, Want(3))?;
    let directory = walked.parent.inode().attributes();
    let cred = task.cred();
    let sticky = directory.permissions & 0o1000 != 0;
    if sticky && !cred.owns(&directory) && !cred.owns(&victim.inode().attributes()) {
        return Err(Errno::EPERM);
    }
    Ok(())
}

/// `fs.protected_hardlinks` (proc_sys_fs(5)), on as distributions have it: what one does not own, one may only give
/// another name where one may read and write it, and where it is a plain file without set-id powers.
fn may_link(task: &Task, file: &Attributes) -> Result<()> {
    let cred = task.cred();
    let mode = file.permissions;
    let harmless = file.file_type == FileType::Regular && mode & 0o4000 == 0 && mode & 0o2010 != 0o2010;
    if cred.owns(file) || harmless && cred.may(file, Want(6)) { Ok(()) } else { Err(Errno::EPERM) }
}

/// A node made by this thread: ids, umask, and the group of a set-group-id directory (mkdir(2)).
fn node<'a>(
    task: &Task,
    parent: &Path,
    file_type: FileType,
    mode: u32,
    rdev: u32,
    target: &'a [u8],
) -> NewNode<'a> {
    let cred = task.cred();
    let directory = parent.inode().attributes();
    let inherits = directory.permissions & 0o2000 != 0;
    let umask = if file_type == FileType::Symlink { 0 } else { task.fs().umask };
    let mut permissions = mode & 0o7777 & !umask;
    if inherits && file_type == FileType::Directory {
        permissions |= 0o2000;
    }
    NewNode {
        file_type,
        permissions,
        uid: cred.fsuid,
        gid: if inherits { directory.gid } else { cred.fsgid },
        rdev,
        target,
        now: task.kernel.clock.timestamp(),
    }
}

/// Makes a node at a path that must not exist.
pub(crate) async fn make(
    task: &Task,
    dirfd: Fd,
    path: &[u8],
    file_type: FileType,
    mode: u32,
    rdev: u32,
    target: &[u8],
) -> Result<Path> {
    let walked = walk(task, dirfd, path, LastSymlink::Keep).await?;
    if walked.target.is_some() || walked.name.is_empty() {
        return Err(Errno::EEXIST);
    }
    if walked.trailing_slash && file_type != FileType::Directory {
        return Err(Errno::ENOENT);
    }
    walked.parent.check_writable()?;
    may_add(task, &walked)?;
    let node = node(task, &walked.parent, file_type, mode, rdev, target);
    let made = task.kernel.namespace.create(&walked.parent, &walked.name, &node).await?;
    notify_name(task, &walked.parent, &walked.name, InotifyMask::CREATE.bits(), file_type);
    Ok(made)
}

fn notify_name(task: &Task, parent: &Path, name: &[u8], mask: u32, file_type: FileType) {
    let is_dir = if file_type == FileType::Directory { InotifyMask::ISDIR.bits() } else { 0 };
    let inode = parent.inode();
    task.kernel.inotify.notify(inode.device(), inode.attributes().ino, mask | is_dir, name);
}

/// Both halves of a rename carry one cookie (inotify(7)).
fn notify_renamed(task: &Task, from: (&Path, &[u8]), to: (&Path, &[u8]), moved: &Path, kind: FileType) {
    let table = &task.kernel.inotify;
    if table.is_empty() {
        return;
    }
    let is_dir = if kind == FileType::Directory { InotifyMask::ISDIR.bits() } else { 0 };
    let cookie = table.next_cookie();
    for ((parent, name), mask) in [(from, InotifyMask::MOVED_FROM), (to, InotifyMask::MOVED_TO)] {
        let inode = parent.inode();
        table.notify_with_cookie(inode.device(), inode.attributes().ino, mask.bits() | is_dir, name, cookie);
    }
    let inode = moved.inode();
    table.notify(inode.device(), inode.attributes().ino, InotifyMask::MOVE_SELF.bits(), b"");
}

/// Behaviour of an opened inode.
async fn ops_of(task: &Rc<Task>, path: &Path, flags: u32) -> Result<Rc<dyn FileOps>> {
    let inode = path.inode();
    let attributes = inode.attributes();
    if flags & open_flags::PATH == 0 {
        match attributes.file_type {
            FileType::CharDevice => {
                return crate::fs::dev::open_device(task, path, attributes.rdev, flags).await;
            }
            FileType::BlockDevice => return Err(Errno::ENXIO),
            FileType::Fifo => return crate::fs::pipe::open_fifo(task, path, flags).await,
            FileType::Socket => return Err(Errno::ENXIO),
            _ => {}
        }
        if let Some(ops) = crate::fs::synthetic::open_synthetic(task, &inode)? {
            return Ok(ops);
        }
    }
    Ok(Rc::new(InodeFile::new(inode, &task.kernel)))
}

/// `open` in all its forms: gives the description, not yet installed.
pub(crate) async fn open_file(
    task: &Rc<Task>,
    dirfd: Fd,
    path: &[u8],
    flags: OFlags,
    mode: u32,
) -> Result<Rc<OpenFile>> {
    let kernel = &task.kernel;
    let path_only = flags.contains(OFlags::PATH);
    let create = flags.contains(OFlags::CREAT) && !path_only;
    let exclusive = create && flags.contains(OFlags::EXCL);
    let keep = flags.contains(OFlags::NOFOLLOW) || exclusive;
    let last = if keep { LastSymlink::Keep } else { LastSymlink::Follow };
    let raw = flags.bits();
    let (want_read, want_write) = (raw & 3 != 1, matches!(raw & 3, 1 | 2));
    let status =
        raw & !(OFlags::CREAT | OFlags::EXCL | OFlags::NOCTTY | OFlags::TRUNC | OFlags::CLOEXEC).bits();
    if flags.contains(OFlags::TMPFILE) && !path_only {
        return open_unnamed(task, dirfd, path, status, mode, want_write).await;
    }
    let (walked, file, created) = loop {
        let walked = walk(task, dirfd, path, last).await?;
        match walked.target.clone() {
            Some(_) if exclusive => return Err(Errno::EEXIST),
            Some(file) => break (walked, file, false),
            None if !create => return Err(Errno::ENOENT),
            None if walked.trailing_slash => return Err(Errno::EISDIR),
            None => {}
        }
        walked.parent.check_writable()?;
        may_add(task, &walked)?;
        let node = node(task, &walked.parent, FileType::Regular, mode, 0, b"");
        match kernel.namespace.create(&walked.parent, &walked.name, &node).await {
            // Somebody else made it while this waited for the disk.
            Err(Errno::EEXIST) if !exclusive => {}
            made => {
                let made = made?;
                notify_name(
                    task,
                    &walked.parent,
                    &walked.name,
                    InotifyMask::CREATE.bits(),
                    FileType::Regular,
                );
                break (walked, made, true);
            }
        }
    };
    let trailing_slash = walked.trailing_slash;
    let inode = file.inode();
    let attributes = inode.attributes();
    let is_directory = attributes.file_type == FileType::Directory;
    let mut truncated = false;
    if attributes.file_type == FileType::Symlink && !path_only {
        return Err(Errno::ELOOP);
    }
    if (flags.contains(OFlags::DIRECTORY) || trailing_slash) && !is_directory {
        return Err(Errno::ENOTDIR);
    }
    if is_directory && (want_write || create) && !path_only {
        return Err(Errno::EISDIR);
    }
    if !path_only && !created {
        let want = if want_read { 4 } else { 0 } | if want_write { 2 } else { 0 };
        may(task, &file, Want(want))?;
        let on_disk = matches!(attributes.file_type, FileType::Regular | FileType::Directory);
        if (want_write || flags.contains(OFlags::TRUNC)) && on_disk {
            file.check_writable()?;
        }
        let changes = want_write || flags.contains(OFlags::TRUNC);
        if changes && attributes.file_type == FileType::Regular && crate::exec::is_being_run(kernel, &inode) {
            return Err(Errno::ETXTBSY);
        }
        if flags.contains(OFlags::NOATIME) && !task.cred().owns(&attributes) {
            return Err(Errno::EPERM);
        }
        if flags.contains(OFlags::TRUNC) && attributes.file_type == FileType::Regular && attributes.size > 0 {
            may(task, &file, Want::WRITE)?;
            set_size(task, &inode, 0).await?;
            truncated = true;
        }
    }
    let ops = ops_of(task, &file, raw).await?;
    if !path_only {
        notify::opened(kernel, &file);
    }
    if truncated {
        notify::tell(kernel, &file, InotifyMask::MODIFY);
    }
    Ok(OpenFile::new(ops, status, file))
}

async fn open_unnamed(
    task: &Rc<Task>,
    dirfd: Fd,
    path: &[u8],
    status: u32,
    mode: u32,
    want_write: bool,
) -> Result<Rc<OpenFile>> {
    if !want_write {
        return Err(Errno::EINVAL);
    }
    let directory = find(task, dirfd, path, LastSymlink::Follow).await?;
    if directory.inode().attributes().file_type != FileType::Directory {
        return Err(Errno::ENOTDIR);
    }
    may(task, &directory, Want(3))?;
    directory.check_writable()?;
    let node = node(task, &directory, FileType::Regular, mode, 0, b"");
    let inode = directory.inode().create_unnamed(&node).await?;
    let ino = inode.attributes().ino;
    let file = Path::detached(&directory.mount, format!("/#{ino} (deleted)").as_bytes(), inode.clone());
    Ok(OpenFile::new(Rc::new(InodeFile::new(inode, &task.kernel)), status, file))
}

async fn open_at(task: &Rc<Task>, dirfd: Fd, addr: u64, flags: u32, mode: u32) -> Result<u64> {
    let path = task.get_path(addr).await?;
    let flags = OFlags::from_bits_retain(flags);
    let file = open_file(task, dirfd, &path, flags, mode).await?;
    task.install(file, flags.contains(OFlags::CLOEXEC)).map(|fd| fd as u64)
}

pub async fn open(task: &Rc<Task>, a: &Args) -> Result<u64> {
    open_at(task, AT_FDCWD, a.word(0), a.uint(1), a.uint(2)).await
}

pub async fn openat(task: &Rc<Task>, a: &Args) -> Result<u64> {
    open_at(task, a.int(0), a.word(1), a.uint(2), a.uint(3)).await
}

pub async fn creat(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let flags = OFlags::CREAT | OFlags::WRONLY | OFlags::TRUNC;
    open_at(task, AT_FDCWD, a.word(0), flags.bits(), a.uint(1)).await
}

/// Truncates or extends a file, and lets mappings of what went look anew.
pub(crate) async fn set_size(task: &Task, inode: &Rc<dyn Inode>, size: u64) -> Result<u64> {
    if size > i64::MAX as u64 {
        return Err(Errno::EFBIG);
    }
    if size > task.process.limit(linux_abi::resource::RLIMIT_FSIZE as usize) {
        return Err(Errno::EFBIG);
    }
    crate::fs::memfd::check_size(inode, size)?;
    let _changing = super::file::content_guard(inode).await;
    let now = task.kernel.clock.timestamp();
    let shrinks = size < inode.attributes().size;
    let permissions = super::attr::permissions_after_write(task, &inode.attributes());
    let change =
        SetAttributes { size: Some(size), modified: Some(now), permissions, now, ..SetAttributes::default() };
    inode.set_attributes(&change).await?;
    if shrinks {
        forget_mapped_pages(task, inode, size.div_ceil(guest_mem::PAGE_BYTES));
    }
    Ok(0)
}

/// Lets every mapping of a file look its pages up anew, from `first_page` on: what was there is gone.
pub(crate) fn forget_mapped_pages(task: &Task, inode: &Rc<dyn Inode>, first_page: u64) {
    let Ok(object) = inode.mappable() else { return };
    for process in task.kernel.processes() {
        if let Some(thread) = process.any_thread() {
            thread.mm().space.forget_object_pages(object.id(), first_page);
        }
    }
}

pub async fn truncate(task: &Rc<Task>, addr: u64, size: i64) -> Result<u64> {
    let path = task.get_path(addr).await?;
    let size = u64::try_from(size).map_err(|_| Errno::EINVAL)?;
    let file = find(task, AT_FDCWD, &path, LastSymlink::Follow).await?;
    match file.inode().attributes().file_type {
        FileType::Regular => {}
        FileType::Directory => return Err(Errno::EISDIR),
        _ => return Err(Errno::EINVAL),
    }
    file.check_writable()?;
    may(task, &file, Want::WRITE)?;
    if crate::exec::is_being_run(&task.kernel, &file.inode()) {
        return Err(Errno::ETXTBSY);
    }
    set_size(task, &file.inode(), size).await?;
    notify::tell(&task.kernel, &file, InotifyMask::MODIFY);
    Ok(0)
}

async fn mkdir_at(task: &Rc<Task>, dirfd: Fd, addr: u64, mode: u32) -> Result<u64> {
    let path = task.get_path(addr).await?;
    make(task, dirfd, &path, FileType::Directory, mode & 0o1777, 0, b"").await?;
    Ok(0)
}

pub async fn mkdir(task: &Rc<Task>, a: &Args) -> Result<u64> {
    mkdir_at(task, AT_FDCWD, a.word(0), a.uint(1)).await
}

pub async fn mkdirat(task: &Rc<Task>, a: &Args) -> Result<u64> {
    mkdir_at(task, a.int(0), a.word(1), a.uint(2)).await
}

async fn mknod_at(task: &Rc<Task>, dirfd: Fd, addr: u64, mode: u32, rdev: u32) -> Result<u64> {
    let path = task.get_path(addr).await?;
    let file_type = if mode & 0o170_000 == 0 { Some(FileType::Regular) } else { FileType::from_mode(mode) };
    match file_type {
        Some(FileType::CharDevice | FileType::BlockDevice) if !task.cred().privileged() => Err(Errno::EPERM),
        Some(FileType::Directory) => Err(Errno::EPERM),
        Some(FileType::Symlink) | None => Err(Errno::EINVAL),
        Some(file_type) => make(task, dirfd, &path, file_type, mode, rdev, b"").await.map(|_| 0),
    }
}

pub async fn mknod(task: &Rc<Task>, a: &Args) -> Result<u64> {
    mknod_at(task, AT_FDCWD, a.word(0), a.uint(1), a.uint(2)).await
}

pub async fn mknodat(task: &Rc<Task>, a: &Args) -> Result<u64> {
    mknod_at(task, a.int(0), a.word(1), a.uint(2), a.uint(3)).await
}

async fn symlink_at(task: &Rc<Task>, target: u64, dirfd: Fd, addr: u64) -> Result<u64> {
    let target = task.get_path(target).await?;
    let path = task.get_path(addr).await?;
    if target.is_empty() {
        return Err(Errno::ENOENT);
    }
    make(task, dirfd, &path, FileType::Symlink, 0o777, 0, &target).await?;
    Ok(0)
}

pub async fn symlink(task: &Rc<Task>, a: &Args) -> Result<u64> {
    symlink_at(task, a.word(0), AT_FDCWD, a.word(1)).await
}

pub async fn symlinkat(task: &Rc<Task>, a: &Args) -> Result<u64> {
    symlink_at(task, a.word(0), a.int(1), a.word(2)).await
}

async fn link_at(task: &Rc<Task>, from: (Fd, u64), to: (Fd, u64), flags: AtFlags) -> Result<u64> {
    let follow = flags.contains(AtFlags::SYMLINK_FOLLOW);
    let flags = if follow { flags } else { flags | AtFlags::SYMLINK_NOFOLLOW };
    let file = find_at(task, from.0, from.1, flags).await?;
    let path = task.get_path(to.1).await?;
    let walked = walk(task, to.0, &path, LastSymlink::Keep).await?;
    if walked.target.is_some() || walked.name.is_empty() {
        return Err(Errno::EEXIST);
    }
    if walked.trailing_slash {
        return Err(Errno::ENOENT);
    }
    if file.inode().attributes().file_type == FileType::Directory {
        return Err(Errno::EPERM);
    }
    may_link(task, &file.inode().attributes())?;
    may_add(task, &walked)?;
    let now = task.kernel.clock.timestamp();
    task.kernel.namespace.link(&file, &walked.parent, &walked.name, now).await?;
    notify::links_changed(&task.kernel, &file.inode());
    notify_name(task, &walked.parent, &walked.name, InotifyMask::CREATE.bits(), FileType::Regular);
    Ok(0)
}

pub async fn link(task: &Rc<Task>, a: &Args) -> Result<u64> {
    link_at(task, (AT_FDCWD, a.word(0)), (AT_FDCWD, a.word(1)), AtFlags::empty()).await
}

pub async fn linkat(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let flags = AtFlags::from_bits_retain(a.uint(4));
    link_at(task, (a.int(0), a.word(1)), (a.int(2), a.word(3)), flags).await
}

async fn unlink_at(task: &Rc<Task>, dirfd: Fd, addr: u64, directory: bool) -> Result<u64> {
    let path = task.get_path(addr).await?;
    let walked = walk(task, dirfd, &path, LastSymlink::Keep).await?;
    if walked.name.is_empty() {
        // `.`, `..` and `/` have no name to remove.
        let dots =
            path.iter().rev().skip_while(|byte| **byte == b'/').take_while(|byte| **byte != b'/').count();
        return Err(match (directory, dots) {
            (true, 1) => Errno::EINVAL,
            (true, 2) => Errno::ENOTEMPTY,
            (true, _) => Errno::EBUSY,
            (false, _) => Errno::EISDIR,
        });
    }
    let victim = walked.target.clone().ok_or(Errno::ENOENT)?;
    let is_directory = victim.inode().attributes().file_type == FileType::Directory;
    walked.parent.check_writable()?;
    may_remove(task, &walked, &victim)?;
    let now = task.kernel.clock.timestamp();
    let namespace = &task.kernel.namespace;
    if directory {
        if !is_directory {
            return Err(Errno::ENOTDIR);
        }
        if victim.is_mount_root() {
            return Err(Errno::EBUSY);
        }
        namespace.rmdir(&walked.parent, &walked.name, now).await?;
    } else {
        if is_directory {
            return Err(Errno::EISDIR);
        }
        if walked.trailing_slash {
            return Err(Errno::ENOTDIR);
        }
        namespace.unlink(&walked.parent, &walked.name, now).await?;
    }
    let kind = victim.inode().attributes().file_type;
    notify::links_changed(&task.kernel, &victim.inode());
    notify_name(task, &walked.parent, &walked.name, InotifyMask::DELETE.bits(), kind);
    Ok(0)
}

pub async fn unlink(task: &Rc<Task>, a: &Args) -> Result<u64> {
    unlink_at(task, AT_FDCWD, a.word(0), false).await
}

pub async fn rmdir(task: &Rc<Task>, a: &Args) -> Result<u64> {
    unlink_at(task, AT_FDCWD, a.word(0), true).await
}

pub async fn unlinkat(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let flags = AtFlags::from_bits_retain(a.uint(2));
    if !AtFlags::REMOVEDIR.contains(flags) {
        return Err(Errno::EINVAL);
    }
    unlink_at(task, a.int(0), a.word(1), flags.contains(AtFlags::REMOVEDIR)).await
}

async fn rename_at(task: &Rc<Task>, from: (Fd, u64), to: (Fd, u64), flags: u32) -> Result<u64> {
    let mode = match flags {
        0 => RenameMode::Replace,
        1 => RenameMode::NoReplace,
        2 => RenameMode::Exchange,
        _ => return Err(Errno::EINVAL),
    };
    let (old, new) = (task.get_path(from.1).await?, task.get_path(to.1).await?);
    let source = walk(task, from.0, &old, LastSymlink::Keep).await?;
    let target = walk(task, to.0, &new, LastSymlink::Keep).await?;
    if source.name.is_empty() || target.name.is_empty() {
        return Err(Errno::EBUSY);
    }
    let moved = source.target.clone().ok_or(Errno::ENOENT)?;
    let is_directory = moved.inode().attributes().file_type == FileType::Directory;
    if (source.trailing_slash || target.trailing_slash) && !is_directory {
        return Err(Errno::ENOTDIR);
    }
    if !Rc::ptr_eq(&source.parent.mount, &target.parent.mount) {
        return Err(Errno::EXDEV);
    }
    source.parent.check_writable()?;
    may_remove(task, &source, &moved)?;
    match &target.target {
        Some(victim) => may_remove(task, &target, victim)?,
        None => may_add(task, &target)?,
    }
    let now = task.kernel.clock.timestamp();
    let (a, b) = ((&source.parent, &source.name[..]), (&target.parent, &target.name[..]));
    task.kernel.namespace.rename(a, b, mode, now).await?;
    let kind = moved.inode().attributes().file_type;
    notify_renamed(task, a, b, &moved, kind);
    if let Some(victim) = target.target.filter(|_| mode == RenameMode::Replace) {
        notify::links_changed(&task.kernel, &victim.inode());
    }
    Ok(0)
}

pub async fn rename(task: &Rc<Task>, a: &Args) -> Result<u64> {
    rename_at(task, (AT_FDCWD, a.word(0)), (AT_FDCWD, a.word(1)), 0).await
}

pub async fn renameat(task: &Rc<Task>, a: &Args) -> Result<u64> {
    rename_at(task, (a.int(0), a.word(1)), (a.int(2), a.word(3)), 0).await
}

pub async fn renameat2(task: &Rc<Task>, a: &Args) -> Result<u64> {
    rename_at(task, (a.int(0), a.word(1)), (a.int(2), a.word(3)), a.uint(4)).await
}

async fn read_link_at(task: &Rc<Task>, dirfd: Fd, addr: u64, buf: u64, size: i32) -> Result<u64> {
    if size <= 0 {
        return Err(Errno::EINVAL);
    }
    let path = task.get_path(addr).await?;
    // An empty path reads the link that an O_PATH descriptor is of.
    let file = if path.is_empty() && dirfd != AT_FDCWD {
        base(task, dirfd)?
    } else {
        find(task, dirfd, &path, LastSymlink::Keep).await?
    };
    let inode = file.inode();
    if inode.attributes().file_type != FileType::Symlink {
        return Err(Errno::EINVAL);
    }
    let target = match inode.magic_link() {
        Some(path) => task.kernel.namespace.text_of(&path, &task.fs().root),
        None => inode.read_link().await?,
    };
    let len = target.len().min(size as usize);
    task.write_bytes(buf, &target[..len]).await?;
    Ok(len as u64)
}

pub async fn readlink(task: &Rc<Task>, a: &Args) -> Result<u64> {
    read_link_at(task, AT_FDCWD, a.word(0), a.word(1), a.int(2)).await
}

pub async fn readlinkat(task: &Rc<Task>, a: &Args) -> Result<u64> {
    read_link_at(task, a.int(0), a.word(1), a.word(2), a.int(3)).await
}

async fn access_at(task: &Rc<Task>, dirfd: Fd, addr: u64, mode: u32, flags: AtFlags) -> Result<u64> {
    if mode & !7 != 0 {
        return Err(Errno::EINVAL);
    }
    let file = find_at(task, dirfd, addr, flags).await?;
    let attributes = file.inode().attributes();
    let cred = task.cred();
    let real;
    let cred = if flags.contains(AtFlags::EACCESS) {
        &*cred
    } else {
        real = cred.with_real_ids();
        &real
    };
    let on_disk = matches!(attributes.file_type, FileType::Regular | FileType::Directory | FileType::Symlink);
    if mode & 2 != 0 && on_disk {
        file.check_writable()?;
    }
    if cred.may(&attributes, Want(mode)) { Ok(0) } else { Err(Errno::EACCES) }
}

pub async fn access(task: &Rc<Task>, a: &Args) -> Result<u64> {
    access_at(task, AT_FDCWD, a.word(0), a.uint(1), AtFlags::empty()).await
}

pub async fn faccessat(task: &Rc<Task>, a: &Args) -> Result<u64> {
    access_at(task, a.int(0), a.word(1), a.uint(2), AtFlags::empty()).await
}

pub async fn faccessat2(task: &Rc<Task>, a: &Args) -> Result<u64> {
    access_at(task, a.int(0), a.word(1), a.uint(2), AtFlags::from_bits_retain(a.uint(3))).await
}

fn enter(task: &Task, path: Path) -> Result<u64> {
    if path.inode().attributes().file_type != FileType::Directory {
        return Err(Errno::ENOTDIR);
    }
    may(task, &path, Want::EXEC)?;
    task.fs.borrow().borrow_mut().cwd = path;
    Ok(0)
}

pub async fn chdir(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let path = task.get_path(a.word(0)).await?;
    enter(task, find(task, AT_FDCWD, &path, LastSymlink::Follow).await?)
}

pub async fn fchdir(task: &Rc<Task>, a: &Args) -> Result<u64> {
    enter(task, task.files().get(a.int(0))?.path.clone())
}

pub async fn chroot(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let path = task.get_path(a.word(0)).await?;
    let root = find(task, AT_FDCWD, &path, LastSymlink::Follow).await?;
    if root.inode().attributes().file_type != FileType::Directory {
        return Err(Errno::ENOTDIR);
    }
    if !task.cred().privileged() {
        return Err(Errno::EPERM);
    }
    task.fs.borrow().borrow_mut().root = root;
    Ok(0)
}

pub async fn getcwd(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let fs = task.fs();
    if fs.cwd.is_deleted() {
        return Err(Errno::ENOENT);
    }
    let mut text = task.kernel.namespace.text_of(&fs.cwd, &fs.root);
    text.push(0);
    if text.len() as u64 > a.word(1) {
        return Err(Errno::ERANGE);
    }
    task.write_bytes(a.word(0), &text).await?;
    Ok(text.len() as u64)
}

pub async fn umask(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let fs = task.fs.borrow().clone();
    let old = std::mem::replace(&mut fs.borrow_mut().umask, a.uint(0) & 0o777);
    Ok(u64::from(old))
}

/// `mount`: file systems that need no device of the host can be put anywhere; the rest is the page's to mount.
pub async fn mount(task: &Rc<Task>, a: &Args) -> Result<u64> {
    const REMOUNT: u64 = 0x20;
    const READ_ONLY: u64 = 1;
    let target = task.get_path(a.word(1)).await?;
    if !task.cred().privileged() {
        return Err(Errno::EPERM);
    }
    let on = find(task, AT_FDCWD, &target, LastSymlink::Follow).await?;
    if a.word(3) & REMOUNT != 0 {
        on.mount.read_only.set(a.word(3) & READ_ONLY != 0);
        return Ok(0);
    }
    let kind = if a.word(2) == 0 { Vec::new() } else { task.get_string(a.word(2), 4095).await? };
    let source = if a.word(0) == 0 { Vec::new() } else { task.get_path(a.word(0)).await? };
    let fs = crate::fs::make_by_type(&task.kernel, &kind).ok_or(Errno::ENODEV)?;
    let mount = task.kernel.namespace.mount(&on, fs, &String::from_utf8_lossy(&source))?;
    mount.read_only.set(a.word(3) & READ_ONLY != 0);
    Ok(0)
}

pub async fn umount(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let target = task.get_path(a.word(0)).await?;
    if !task.cred().privileged() {
        return Err(Errno::EPERM);
    }
    let root = find(task, AT_FDCWD, &target, LastSymlink::Follow).await?;
    if !root.is_mount_root() {
        return Err(Errno::EINVAL);
    }
    root.mount.fs.sync().await?;
    task.kernel.namespace.unmount(&root.mount)?;
    Ok(0)
}
