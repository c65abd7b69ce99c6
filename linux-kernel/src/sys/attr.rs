//! Calls on attributes: stat in its many forms, modes, owners, times, extended attributes, statfs.

use crate::cred::capability;
use crate::file::{Fd, Result};
use crate::fs::notify;
use crate::sys::path::{base, find, find_at};
use crate::sys::{Args, NSEC, TimeWidth};
use crate::task::{Arch, Task};
use linux_abi::Errno;
use linux_abi::fcntl::{AT_FDCWD, AtFlags};
use linux_abi::inotify::InotifyMask;
use linux_abi::stat::{Stat64I386, StatI386, StatX86_64, Statx, StatxAttributes, StatxMask, StatxTimestamp};
use linux_abi::statfs::{Statfs64I386, StatfsI386, StatfsX86_64};
use std::rc::Rc;
use vfs::namespace::{LastSymlink, Path};
use vfs::{Attributes, FileType, Inode, SetAttributes, Timestamp, XattrMode};

/// `st_dev` in the encoding of the old and the 64-bit structures alike.
fn attributes_of(path: &Path) -> (Attributes, u64) {
    let inode = path.inode();
    (inode.attributes(), inode.device())
}

async fn put_stat64(task: &Task, addr: u64, path: &Path) -> Result<u64> {
    let (at, dev) = attributes_of(path);
    let stat = Stat64I386 {
        st_dev: dev,
        __st_ino: at.ino as u32,
        st_mode: at.mode(),
        st_nlink: at.links,
        st_uid: at.uid,
        st_gid: at.gid,
        st_rdev: at.rdev.into(),
        st_size: at.size as i64,
        st_blksize: at.block_size,
        st_blocks: at.blocks,
        st_atime: at.accessed.seconds as u32,
        st_atime_nsec: at.accessed.nanoseconds,
        st_mtime: at.modified.seconds as u32,
        st_mtime_nsec: at.modified.nanoseconds,
        st_ctime: at.changed.seconds as u32,
        st_ctime_nsec: at.changed.nanoseconds,
        st_ino: at.ino,
        ..Stat64I386::default()
    };
    task.put(addr, &stat).await?;
    Ok(0)
}

async fn put_newstat(task: &Task, addr: u64, path: &Path) -> Result<u64> {
    let (at, dev) = attributes_of(path);
    if task.arch() == Arch::X86_64 {
        let stat = StatX86_64 {
            st_dev: dev,
            st_ino: at.ino,
            st_nlink: at.links.into(),
            st_mode: at.mode(),
            st_uid: at.uid,
            st_gid: at.gid,
            st_rdev: at.rdev.into(),
            st_size: at.size as i64,
            st_blksize: at.block_size.into(),
            st_blocks: at.blocks as i64,
            st_atime: at.accessed.seconds,
            st_atime_nsec: at.accessed.nanoseconds.into(),
            st_mtime: at.modified.seconds,
            st_mtime_nsec: at.modified.nanoseconds.into(),
            st_ctime: at.changed.seconds,
            st_ctime_nsec: at.changed.nanoseconds.into(),
            ..StatX86_64::default()
        };
        task.put(addr, &stat).await?;
        return Ok(0);
    }
    let size = u32::try_from(at.size).ok().filter(|size| *size <= i32::MAX as u32).ok_or(Errno::EOVERFLOW)?;
    let stat = StatI386 {
        st_dev: dev as u32,
        st_ino: u32::try_from(at.ino).map_err(|_| Errno::EOVERFLOW)?,
        st_mode: at.mode() as u16,
        st_nlink: at.links as u16,
        st_uid: at.uid as u16,
        st_gid: at.gid as u16,
        st_rdev: at.rdev,
        st_size: size,
        st_blksize: at.block_size,
        st_blocks: at.blocks as u32,
        st_atime: at.accessed.seconds as u32,
        st_atime_nsec: at.accessed.nanoseconds,
        st_mtime: at.modified.seconds as u32,
        st_mtime_nsec: at.modified.nanoseconds,
        st_ctime: at.changed.seconds as u32,
        st_ctime_nsec: at.changed.nanoseconds,
        ..StatI386::default()
    };
    task.put(addr, &stat).await?;
    Ok(0)
}

async fn by_path(task: &Task, addr: u64, last: LastSymlink) -> Result<Path> {
    let path = task.get_path(addr).await?;
    find(task, AT_FDCWD, &path, last).await
}

pub async fn newstat(task: &Rc<Task>, a: &Args) -> Result<u64> {
    put_newstat(task, a.word(1), &by_path(task, a.word(0), LastSymlink::Follow).await?).await
}

pub async fn newlstat(task: &Rc<Task>, a: &Args) -> Result<u64> {
    put_newstat(task, a.word(1), &by_path(task, a.word(0), LastSymlink::Keep).await?).await
}

pub async fn newfstat(task: &Rc<Task>, a: &Args) -> Result<u64> {
    put_newstat(task, a.word(1), &task.files().get(a.int(0))?.path.clone()).await
}

pub async fn stat64(task: &Rc<Task>, a: &Args) -> Result<u64> {
    put_stat64(task, a.word(1), &by_path(task, a.word(0), LastSymlink::Follow).await?).await
}

pub async fn lstat64(task: &Rc<Task>, a: &Args) -> Result<u64> {
    put_stat64(task, a.word(1), &by_path(task, a.word(0), LastSymlink::Keep).await?).await
}

pub async fn fstat64(task: &Rc<Task>, a: &Args) -> Result<u64> {
    put_stat64(task, a.word(1), &task.files().get(a.int(0))?.path.clone()).await
}

/// `fstatat64` of i386 and `newfstatat` of x86-64.
pub async fn fstatat(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let path = find_at(task, a.int(0), a.word(1), at_flags(a.uint(3), STAT_FLAGS)?).await?;
    match task.arch() {
        Arch::I386 => put_stat64(task, a.word(2), &path).await,
        Arch::X86_64 => put_newstat(task, a.word(2), &path).await,
    }
}

/// Major and minor of a device number.
fn split_device(dev: u64) -> (u32, u32) {
    (((dev >> 8) & 0xfff) as u32, ((dev & 0xff) | ((dev >> 12) & 0xf_ff00)) as u32)
}

/// The flags of an `*at` call; `EINVAL` for any it does not know.
fn at_flags(raw: u32, known: AtFlags) -> Result<AtFlags> {
    let flags = AtFlags::from_bits_retain(raw);
    if known.contains(flags) { Ok(flags) } else { Err(Errno::EINVAL) }
}

/// Those of calls that change what they name.
const CHANGE_FLAGS: AtFlags = AtFlags::SYMLINK_NOFOLLOW.union(AtFlags::EMPTY_PATH);
/// `AT_STATX_SYNC_TYPE`: there is nothing to synchronize with.
const SYNC_TYPE: AtFlags = AtFlags::from_bits_retain(0x6000);
/// Those of calls that look.
const STAT_FLAGS: AtFlags = CHANGE_FLAGS.union(AtFlags::NO_AUTOMOUNT).union(SYNC_TYPE);

pub async fn statx(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let flags = at_flags(a.uint(2), STAT_FLAGS)?;
    if flags.contains(SYNC_TYPE) {
        return Err(Errno::EINVAL);
    }
    let mask = StatxMask::from_bits_retain(a.uint(3));
    if mask.bits() >> 31 != 0 {
        return Err(Errno::EINVAL);
    }
    let path = find_at(task, a.int(0), a.word(1), flags).await?;
    let (at, dev) = attributes_of(&path);
    let time = |t: Timestamp| StatxTimestamp { tv_sec: t.seconds, tv_nsec: t.nanoseconds, __reserved: 0 };
    let mut got = StatxMask::BASIC_STATS | StatxMask::MNT_ID;
    if at.created.is_some() {
        got |= StatxMask::BTIME;
    }
    let (dev_major, dev_minor) = split_device(dev);
    let (rdev_major, rdev_minor) = split_device(at.rdev.into());
    let root = if path.is_mount_root() { StatxAttributes::MOUNT_ROOT.bits() } else { 0 };
    let statx = Statx {
        stx_mask: got.bits(),
        stx_blksize: at.block_size,
        stx_attributes: root,
        stx_nlink: at.links,
        stx_uid: at.uid,
        stx_gid: at.gid,
        stx_mode: at.mode() as u16,
        stx_ino: at.ino,
        stx_size: at.size,
        stx_blocks: at.blocks,
        stx_attributes_mask: StatxAttributes::MOUNT_ROOT.bits(),
        stx_atime: time(at.accessed),
        stx_btime: time(at.created.unwrap_or_default()),
        stx_ctime: time(at.changed),
        stx_mtime: time(at.modified),
        stx_rdev_major: rdev_major,
        stx_rdev_minor: rdev_minor,
        stx_dev_major: dev_major,
        stx_dev_minor: dev_minor,
        stx_mnt_id: path.mount.id,
        ..Statx::default()
    };
    task.put(a.word(4), &statx).await?;
    Ok(0)
}

async fn change(task: &Task, path: &Path, change: SetAttributes) -> Result<u64> {
    path.check_writable()?;
    let change = SetAttributes { now: task.kernel.clock.timestamp(), ..change };
    path.inode().set_attributes(&change).await?;
    notify::attributes_changed(&task.kernel, path, &change);
    Ok(0)
}

/// The permissions without the set-id bits, where there are any to take. A set-group-id bit without the group's right to
/// execute means something else (chmod(2), mandatory locking), and stays.
fn without_set_ids(attributes: &Attributes) -> Option<u32> {
    let old = attributes.permissions;
    let group = if old & 0o010 != 0 { 0o2000 } else { 0 };
    Some(old & !(0o4000 | group)).filter(|new| *new != old)
}

/// The permissions that a file has after its data changed: a change by somebody without `CAP_FSETID` takes the
/// set-id bits away (chmod(2), write(2)). None where they stay.
pub(crate) fn permissions_after_write(task: &Task, attributes: &Attributes) -> Option<u32> {
    let lost = attributes.file_type == FileType::Regular && !task.cred().has(capability::FSETID);
    without_set_ids(attributes).filter(|_| lost)
}

/// Takes the set-id bits from a file that is written to.
pub(crate) async fn drop_set_id(task: &Task, inode: &Rc<dyn Inode>) -> Result<()> {
    if let Some(permissions) = permissions_after_write(task, &inode.attributes()) {
        let now = task.kernel.clock.timestamp();
        let change = SetAttributes { permissions: Some(permissions), now, ..SetAttributes::default() };
        inode.set_attributes(&change).await?;
    }
    Ok(())
}

async fn set_mode(task: &Task, path: &Path, mode: u32) -> Result<u64> {
    let attributes = path.inode().attributes();
    let cred = task.cred();
    if !cred.owns(&attributes) {
        return Err(Errno::EPERM);
    }
    if attributes.file_type == FileType::Symlink {
        return Err(Errno::EOPNOTSUPP);
    }
    let mut permissions = mode & 0o7777;
    if !cred.has(capability::FSETID) && !cred.in_group(attributes.gid) {
        permissions &= !0o2000;
    }
    change(task, path, SetAttributes { permissions: Some(permissions), ..SetAttributes::default() }).await
}

pub async fn chmod(task: &Rc<Task>, a: &Args) -> Result<u64> {
    set_mode(task, &by_path(task, a.word(0), LastSymlink::Follow).await?, a.uint(1)).await
}

pub async fn fchmod(task: &Rc<Task>, a: &Args) -> Result<u64> {
    set_mode(task, &task.file(a.int(0))?.path.clone(), a.uint(1)).await
}

pub async fn fchmodat(task: &Rc<Task>, a: &Args) -> Result<u64> {
    set_mode(task, &find_at(task, a.int(0), a.word(1), AtFlags::empty()).await?, a.uint(2)).await
}

pub async fn fchmodat2(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let flags = at_flags(a.uint(3), CHANGE_FLAGS)?;
    set_mode(task, &find_at(task, a.int(0), a.word(1), flags).await?, a.uint(2)).await
}

/// `chown`: only root changes owners; an owner may change to one of its groups. Set-id bits are cleared (chown(2)).
async fn set_owner(task: &Task, path: &Path, uid: u32, gid: u32) -> Result<u64> {
    let attributes = path.inode().attributes();
    let cred = task.cred();
    let (uid, gid) = ((uid != u32::MAX).then_some(uid), (gid != u32::MAX).then_some(gid));
    if !cred.has(capability::CHOWN) {
        let uid_ok = uid.is_none_or(|uid| uid == attributes.uid);
        let gid_ok = gid.is_none_or(|gid| gid == attributes.gid || cred.in_group(gid));
        if cred.fsuid != attributes.uid || !uid_ok || !gid_ok {
            return Err(Errno::EPERM);
        }
    }
    let permissions = without_set_ids(&attributes).filter(|_| attributes.file_type != FileType::Directory);
    change(task, path, SetAttributes { uid, gid, permissions, ..SetAttributes::default() }).await
}

/// A 16-bit id: all ones means "leave alone" at either width.
fn wide_id(id: u32) -> u32 {
    if id as u16 == u16::MAX { u32::MAX } else { u32::from(id as u16) }
}

pub async fn chown(task: &Rc<Task>, a: &Args) -> Result<u64> {
    set_owner(task, &by_path(task, a.word(0), LastSymlink::Follow).await?, a.uint(1), a.uint(2)).await
}

pub async fn lchown(task: &Rc<Task>, a: &Args) -> Result<u64> {
    set_owner(task, &by_path(task, a.word(0), LastSymlink::Keep).await?, a.uint(1), a.uint(2)).await
}

pub async fn fchown(task: &Rc<Task>, a: &Args) -> Result<u64> {
    set_owner(task, &task.file(a.int(0))?.path.clone(), a.uint(1), a.uint(2)).await
}

/// The 16-bit forms of `chown`, `lchown`, `fchown`.
pub fn widen_ids(a: &Args) -> Args {
    let mut wide = *a;
    wide.0[1] = u64::from(wide_id(a.uint(1)));
    wide.0[2] = u64::from(wide_id(a.uint(2)));
    wide
}

pub async fn fchownat(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let path = find_at(task, a.int(0), a.word(1), at_flags(a.uint(4), CHANGE_FLAGS)?).await?;
    set_owner(task, &path, a.uint(2), a.uint(3)).await
}

/// A time argument of `utimensat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NewTime {
    Now,
    Omit,
    At(Timestamp),
}

async fn set_times(task: &Task, path: &Path, times: [NewTime; 2]) -> Result<u64> {
    let attributes = path.inode().attributes();
    let cred = task.cred();
    if times == [NewTime::Omit; 2] {
        return Ok(0);
    }
    let both_now = times == [NewTime::Now; 2];
    let allowed = cred.owns(&attributes) || (both_now && cred.may(&attributes, crate::cred::Want::WRITE));
    if !allowed {
        return Err(if both_now { Errno::EACCES } else { Errno::EPERM });
    }
    let now = task.kernel.clock.timestamp();
    let pick = |time| match time {
        NewTime::Now => Some(now),
        NewTime::Omit => None,
        NewTime::At(time) => Some(time),
    };
    let (accessed, modified) = (pick(times[0]), pick(times[1]));
    change(task, path, SetAttributes { accessed, modified, ..SetAttributes::default() }).await
}

async fn get_new_times(task: &Task, addr: u64, width: TimeWidth) -> Result<[NewTime; 2]> {
    const UTIME_NOW: i64 = 0x3fff_ffff;
    const UTIME_OMIT: i64 = 0x3fff_fffe;
    if addr == 0 {
        return Ok([NewTime::Now; 2]);
    }
    let raw: [i64; 4] = match width {
        TimeWidth::W32 => task.get::<[i32; 4]>(addr).await?.map(i64::from),
        TimeWidth::W64 => task.get::<[i64; 4]>(addr).await?,
    };
    let decode = |seconds: i64, nanoseconds: i64| match nanoseconds {
        UTIME_NOW => Ok(NewTime::Now),
        UTIME_OMIT => Ok(NewTime::Omit),
        0..NSEC => Ok(NewTime::At(Timestamp { seconds, nanoseconds: nanoseconds as u32 })),
        _ => Err(Errno::EINVAL),
    };
    Ok([decode(raw[0], raw[1])?, decode(raw[2], raw[3])?])
}

pub async fn utimensat(task: &Rc<Task>, a: &Args, width: TimeWidth) -> Result<u64> {
    let times = get_new_times(task, a.word(2), width).await?;
    let path = if a.word(1) == 0 {
        task.files().get(a.int(0))?.path.clone()
    } else {
        find_at(task, a.int(0), a.word(1), at_flags(a.uint(3), CHANGE_FLAGS)?).await?
    };
    set_times(task, &path, times).await
}

/// `utimes` and `futimesat`: microseconds.
async fn micro_times(task: &Rc<Task>, dirfd: Fd, path: u64, times: u64) -> Result<u64> {
    let new = if times == 0 {
        [NewTime::Now; 2]
    } else {
        let raw: [i64; 4] = match task.arch() {
            Arch::I386 => task.get::<[i32; 4]>(times).await?.map(i64::from),
            Arch::X86_64 => task.get::<[i64; 4]>(times).await?,
        };
        let decode = |seconds, micros: i64| match micros {
            0..1_000_000 => Ok(NewTime::At(Timestamp { seconds, nanoseconds: micros as u32 * 1000 })),
            _ => Err(Errno::EINVAL),
        };
        [decode(raw[0], raw[1])?, decode(raw[2], raw[3])?]
    };
    let path =
        if path == 0 { base(task, dirfd)? } else { find_at(task, dirfd, path, AtFlags::empty()).await? };
    set_times(task, &path, new).await
}

pub async fn utimes(task: &Rc<Task>, a: &Args) -> Result<u64> {
    micro_times(task, AT_FDCWD, a.word(0), a.word(1)).await
}

pub async fn futimesat(task: &Rc<Task>, a: &Args) -> Result<u64> {
    micro_times(task, a.int(0), a.word(1), a.word(2)).await
}

pub async fn utime(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let path = by_path(task, a.word(0), LastSymlink::Follow).await?;
    let times = if a.word(1) == 0 {
        [NewTime::Now; 2]
    } else {
        let word = task.arch().word_size() as u64;
        let at = |seconds: u64| NewTime::At(Timestamp { seconds: seconds as i64, nanoseconds: 0 });
        [at(task.get_word(a.word(1)).await?), at(task.get_word(a.word(1) + word).await?)]
    };
    set_times(task, &path, times).await
}

fn fs_numbers(path: &Path) -> (vfs::FsStat, u64, [i32; 2]) {
    const ST_RDONLY: u64 = 1;
    const ST_VALID: u64 = 0x20;
    const ST_NOATIME: u64 = 0x400;
    let read_only = path.mount.read_only.get() || path.mount.fs.read_only();
    let flags = ST_VALID | ST_NOATIME | if read_only { ST_RDONLY } else { 0 };
    let device = path.mount.fs.device();
    (path.mount.fs.stat(), flags, [device as i32, (device >> 32) as i32])
}

async fn put_statfs(task: &Task, addr: u64, path: &Path) -> Result<u64> {
    let (s, flags, fsid) = fs_numbers(path);
    if task.arch() == Arch::X86_64 {
        let out = StatfsX86_64 {
            f_type: s.magic.into(),
            f_bsize: s.block_size.into(),
            f_blocks: s.blocks,
            f_bfree: s.blocks_free,
            f_bavail: s.blocks_available,
            f_files: s.files,
            f_ffree: s.files_free,
            f_fsid: fsid,
            f_namelen: s.name_max.into(),
            f_frsize: s.block_size.into(),
            f_flags: flags as i64,
            ..StatfsX86_64::default()
        };
        task.put(addr, &out).await?;
        return Ok(0);
    }
    let small = |n: u64| u32::try_from(n).map_err(|_| Errno::EOVERFLOW);
    let out = StatfsI386 {
        f_type: s.magic,
        f_bsize: s.block_size,
        f_blocks: small(s.blocks)?,
        f_bfree: small(s.blocks_free)?,
        f_bavail: small(s.blocks_available)?,
        f_files: small(s.files)?,
        f_ffree: small(s.files_free)?,
        f_fsid: fsid,
        f_namelen: s.name_max,
        f_frsize: s.block_size,
        f_flags: flags as u32,
        ..StatfsI386::default()
    };
    task.put(addr, &out).await?;
    Ok(0)
}

async fn put_statfs64(task: &Task, size: u64, addr: u64, path: &Path) -> Result<u64> {
    if size != size_of::<Statfs64I386>() as u64 {
        return Err(Errno::EINVAL);
    }
    let (s, flags, fsid) = fs_numbers(path);
    let out = Statfs64I386 {
        f_type: s.magic,
        f_bsize: s.block_size,
        f_blocks: s.blocks,
        f_bfree: s.blocks_free,
        f_bavail: s.blocks_available,
        f_files: s.files,
        f_ffree: s.files_free,
        f_fsid: fsid,
        f_namelen: s.name_max,
        f_frsize: s.block_size,
        f_flags: flags as u32,
        ..Statfs64I386::default()
    };
    task.put(addr, &out).await?;
    Ok(0)
}

pub async fn statfs(task: &Rc<Task>, a: &Args) -> Result<u64> {
    put_statfs(task, a.word(1), &by_path(task, a.word(0), LastSymlink::Follow).await?).await
}

pub async fn fstatfs(task: &Rc<Task>, a: &Args) -> Result<u64> {
    put_statfs(task, a.word(1), &task.files().get(a.int(0))?.path.clone()).await
}

pub async fn statfs64(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let path = by_path(task, a.word(0), LastSymlink::Follow).await?;
    put_statfs64(task, a.word(1), a.word(2), &path).await
}

pub async fn fstatfs64(task: &Rc<Task>, a: &Args) -> Result<u64> {
    put_statfs64(task, a.word(1), a.word(2), &task.files().get(a.int(0))?.path.clone()).await
}

/// What an extended-attribute call works on.
#[derive(Clone, Copy, Debug)]
pub enum XattrOn {
    /// `getxattr`.
    Path,
    /// `lgetxattr`.
    Link,
    /// `fgetxattr`.
    Descriptor,
}

async fn xattr_file(task: &Task, a: &Args, on: XattrOn) -> Result<Path> {
    match on {
        XattrOn::Path => by_path(task, a.word(0), LastSymlink::Follow).await,
        XattrOn::Link => by_path(task, a.word(0), LastSymlink::Keep).await,
        XattrOn::Descriptor => Ok(task.file(a.int(0))?.path.clone()),
    }
}

const XATTR_NAME_MAX: usize = 255;
const XATTR_SIZE_MAX: u64 = 65536;

async fn xattr_name(task: &Task, addr: u64) -> Result<Vec<u8>> {
    let name = task.get_string(addr, XATTR_NAME_MAX).await.map_err(|error| match error {
        Errno::ENAMETOOLONG => Errno::ERANGE,
        other => other,
    })?;
    if name.is_empty() { Err(Errno::ERANGE) } else { Ok(name) }
}

async fn put_sized(task: &Task, addr: u64, room: u64, bytes: &[u8]) -> Result<u64> {
    if room != 0 {
        if (bytes.len() as u64) > room {
            return Err(Errno::ERANGE);
        }
        task.write_bytes(addr, bytes).await?;
    }
    Ok(bytes.len() as u64)
}

pub async fn getxattr(task: &Rc<Task>, a: &Args, on: XattrOn) -> Result<u64> {
    let file = xattr_file(task, a, on).await?;
    let name = xattr_name(task, a.word(1)).await?;
    // Those are not even seen without privilege (xattr(7)).
    if name.starts_with(b"trusted.") && !task.cred().privileged() {
        return Err(Errno::ENODATA);
    }
    let value = file.inode().get_xattr(&name).await?;
    put_sized(task, a.word(2), a.word(3), &value).await
}

pub async fn listxattr(task: &Rc<Task>, a: &Args, on: XattrOn) -> Result<u64> {
    let file = xattr_file(task, a, on).await?;
    let mut names = Vec::new();
    for name in file.inode().list_xattr().await? {
        if name.starts_with(b"trusted.") && !task.cred().privileged() {
            continue;
        }
        names.extend_from_slice(&name);
        names.push(0);
    }
    put_sized(task, a.word(1), a.word(2), &names).await
}

fn may_change_xattr(task: &Task, inode: &Rc<dyn Inode>, name: &[u8]) -> Result<()> {
    let attributes = inode.attributes();
    let cred = task.cred();
    if name.starts_with(b"user.") {
        // Only files and directories have user attributes (xattr(7)).
        if !matches!(attributes.file_type, FileType::Regular | FileType::Directory) {
            return Err(Errno::EPERM);
        }
        return if cred.may(&attributes, crate::cred::Want::WRITE) { Ok(()) } else { Err(Errno::EACCES) };
    }
    if cred.privileged() { Ok(()) } else { Err(Errno::EPERM) }
}

pub async fn setxattr(task: &Rc<Task>, a: &Args, on: XattrOn) -> Result<u64> {
    let file = xattr_file(task, a, on).await?;
    let name = xattr_name(task, a.word(1)).await?;
    if a.word(3) > XATTR_SIZE_MAX {
        return Err(Errno::E2BIG);
    }
    let mode = match a.uint(4) {
        0 => XattrMode::Set,
        1 => XattrMode::Create,
        2 => XattrMode::Replace,
        _ => return Err(Errno::EINVAL),
    };
    file.check_writable()?;
    may_change_xattr(task, &file.inode(), &name)?;
    let value = task.read_bytes(a.word(2), a.word(3) as usize).await?;
    file.inode().set_xattr(&name, &value, mode, task.kernel.clock.timestamp()).await?;
    notify::tell(&task.kernel, &file, InotifyMask::ATTRIB);
    Ok(0)
}

pub async fn removexattr(task: &Rc<Task>, a: &Args, on: XattrOn) -> Result<u64> {
    let file = xattr_file(task, a, on).await?;
    let name = xattr_name(task, a.word(1)).await?;
    file.check_writable()?;
    may_change_xattr(task, &file.inode(), &name)?;
    file.inode().remove_xattr(&name, task.kernel.clock.timestamp()).await?;
    notify::tell(&task.kernel, &file, InotifyMask::ATTRIB);
    Ok(0)
}
