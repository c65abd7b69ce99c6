//! Calls on descriptors: read, write, seek, duplicate, control.

use crate::file::{Fd, Io, OpenFile, Result, open_flags};
use crate::fs::locks::{Family, Held, Kind, description_owner};
use crate::fs::notify::tell;
use crate::mm::Mm;
use crate::sys::Args;
use crate::task::{Arch, Task};
use guest_mem::PAGE_BYTES;
use linux_abi::Errno;
use linux_abi::fcntl;
use linux_abi::inotify::InotifyMask;
use std::rc::Rc;
use vfs::{AsyncLockGuard, FileType, Inode};

/// Bytes moved between a file and user memory at a time.
const CHUNK: usize = 256 << 10;
/// Most one call transfers (linux/fs.h `MAX_RW_COUNT`).
pub(super) const MAX_COUNT: u64 = 0x7fff_f000;

pub(super) fn io<'a>(task: &'a Rc<Task>, file: &'a OpenFile) -> Io<'a> {
    Io { task, file, blocking: file.blocking() }
}

/// Drops a descriptor's reference and what closing means besides.
pub(crate) fn close_file(task: &Task, file: Rc<OpenFile>) {
    task.kernel.locks.closed_by(&task.process, &file);
    drop(file);
}

/// A signal that interrupts after part of the work was done does not show: the part is the result.
pub(super) fn partial(done: u64, error: Errno) -> Result<u64> {
    if done > 0 { Ok(done) } else { Err(error) }
}

pub(super) async fn read_one(
    task: &Rc<Task>,
    file: &OpenFile,
    position: Option<u64>,
    buf: &mut [u8],
) -> Result<usize> {
    match position {
        Some(offset) => file.ops.read_at(io(task, file), offset, buf).await,
        None => file.ops.read(io(task, file), buf).await,
    }
}

/// Reads into a list of user buffers. `position` is given for seekable files.
async fn read_vectors(
    task: &Rc<Task>,
    file: &Rc<OpenFile>,
    vectors: &[(u64, u64)],
    mut position: Option<u64>,
) -> Result<u64> {
    if !file.readable() {
        return Err(Errno::EBADF);
    }
    if position.is_none() && vectors.len() > 1 {
        return scatter_stream(task, file, vectors).await;
    }
    let mm = task.mm();
    let mut done = 0;
    let mut buf = Vec::new();
    for (base, len) in vectors {
        let mut filled = 0;
        let len = (*len).min(MAX_COUNT - done.min(MAX_COUNT));
        while filled < len {
            let want = ((len - filled) as usize).min(CHUNK);
            buf.resize(want, 0);
            let got = match read_one(task, file, position, &mut buf).await {
                Ok(got) => got,
                Err(error) => return partial(done, error),
            };
            if let Err(error) = mm.write(base.wrapping_add(filled), &buf[..got]).await {
                return partial(done, error);
            }
            filled += got as u64;
            done += got as u64;
            position = position.map(|at| at + got as u64);
            if got < want || position.is_none() {
                return Ok(done);
            }
        }
    }
    if vectors.iter().all(|(_, len)| *len == 0) {
        // A read of nothing still tells of a bad kind of file.
        read_one(task, file, position, &mut []).await?;
    }
    Ok(done)
}

/// A stream is read once, so that a message is not cut at the end of the first buffer.
async fn scatter_stream(task: &Rc<Task>, file: &Rc<OpenFile>, vectors: &[(u64, u64)]) -> Result<u64> {
    let total: u64 = vectors.iter().fold(0, |sum, (_, len)| sum.saturating_add(*len));
    let mut buf = vec![0; total.min(CHUNK as u64) as usize];
    let got = read_one(task, file, None, &mut buf).await?;
    let mm = task.mm();
    let mut rest = &buf[..got];
    for (base, len) in vectors {
        let (part, after) = rest.split_at(rest.len().min(*len as usize));
        mm.write(*base, part).await?;
        rest = after;
    }
    Ok(got as u64)
}

async fn write_vectors(
    task: &Rc<Task>,
    file: &Rc<OpenFile>,
    vectors: &[(u64, u64)],
    position: Option<u64>,
) -> Result<u64> {
    if !file.writable() {
        return Err(Errno::EBADF);
    }
    let Some(position) = position else { return write_chunks(task, file, vectors, None).await };
    let inode = file.path.inode();
    let _changing = content_guard(&inode).await;
    write_chunks(task, file, vectors, Some(write_place(file, position))).await
}

/// The right to change a file's content, for one whole change.
pub(crate) async fn content_guard(inode: &Rc<dyn Inode>) -> Option<AsyncLockGuard<'_>> {
    match inode.content_lock() {
        Some(lock) => Some(lock.lock().await),
        None => None,
    }
}

/// Where a write goes that was meant for `position`; to be asked while nobody else may write.
pub(super) fn write_place(file: &OpenFile, position: u64) -> u64 {
    let append = file.flags.get() & open_flags::APPEND != 0;
    if append { file.path.inode().attributes().size } else { position }
}

async fn write_chunks(
    task: &Rc<Task>,
    file: &Rc<OpenFile>,
    vectors: &[(u64, u64)],
    mut position: Option<u64>,
) -> Result<u64> {
    let mm = task.mm();
    let total: u64 = vectors.iter().map(|(_, len)| *len).sum();
    let mut done = 0;
    // A stream gets a small vector as one piece, so that it stays in one piece (PIPE_BUF, datagrams).
    if position.is_none() && total <= CHUNK as u64 {
        let mut data = vec![0; total as usize];
        let mut at = 0;
        for (base, len) in vectors {
            mm.read(*base, &mut data[at..at + *len as usize]).await?;
            at += *len as usize;
        }
        return file.ops.write(io(task, file), &data).await.map(|n| n as u64);
    }
    let mut data = Vec::new();
    for (base, len) in vectors {
        let mut used = 0;
        let len = (*len).min(MAX_COUNT - done.min(MAX_COUNT));
        while used < len {
            let want = ((len - used) as usize).min(CHUNK);
            data.resize(want, 0);
            if let Err(error) = mm.read(base.wrapping_add(used), &mut data).await {
                // A file takes what comes before the first page that is not there.
                if position.is_some() {
                    let there = read_prefix(&mm, base.wrapping_add(used), &mut data).await;
                    data.truncate(there);
                }
                if position.is_none() || data.is_empty() {
                    return partial(done, error);
                }
            }
            let written = match position {
                Some(offset) => file.ops.write_at(io(task, file), offset, &data).await,
                None => file.ops.write(io(task, file), &data).await,
            };
            let written = match written {
                Ok(written) => written as u64,
                Err(error) => return partial(done, error),
            };
            used += written;
            done += written;
            position = position.map(|at| at + written);
            if written < want as u64 {
                return Ok(done);
            }
        }
    }
    Ok(done)
}

/// Reads user memory up to the first page that is not there. Gives the number of bytes read.
async fn read_prefix(mm: &Mm, addr: u64, out: &mut [u8]) -> usize {
    let mut done = 0;
    while done < out.len() {
        let at = addr.wrapping_add(done as u64);
        let to_page_end = (PAGE_BYTES - at % PAGE_BYTES) as usize;
        let end = out.len().min(done + to_page_end);
        if mm.read(at, &mut out[done..end]).await.is_err() {
            break;
        }
        done = end;
    }
    done
}

async fn read_at_cursor(task: &Rc<Task>, fd: Fd, vectors: &[(u64, u64)]) -> Result<u64> {
    let file = task.file(fd)?;
    if !file.ops.seekable() {
        return read_vectors(task, &file, vectors, None).await;
    }
    let _moving = file.position_lock.lock().await;
    let start = file.position.get();
    let done = read_vectors(task, &file, vectors, Some(start)).await?;
    file.position.set(start + done);
    Ok(done)
}

async fn write_at_cursor(task: &Rc<Task>, fd: Fd, vectors: &[(u64, u64)]) -> Result<u64> {
    let file = task.file(fd)?;
    if !file.ops.seekable() {
        return write_vectors(task, &file, vectors, None).await;
    }
    if !file.writable() {
        return Err(Errno::EBADF);
    }
    let _moving = file.position_lock.lock().await;
    let inode = file.path.inode();
    let _changing = content_guard(&inode).await;
    let start = write_place(&file, file.position.get());
    let done = write_chunks(task, &file, vectors, Some(start)).await?;
    file.position.set(start + done);
    Ok(done)
}

pub async fn read(task: &Rc<Task>, a: &Args) -> Result<u64> {
    read_at_cursor(task, a.int(0), &[(a.word(1), a.word(2))]).await
}

pub async fn write(task: &Rc<Task>, a: &Args) -> Result<u64> {
    write_at_cursor(task, a.int(0), &[(a.word(1), a.word(2))]).await
}

pub async fn readv(task: &Rc<Task>, a: &Args) -> Result<u64> {
    task.file(a.int(0))?;
    let vectors = task.get_iovecs(a.word(1), a.word(2)).await?;
    read_at_cursor(task, a.int(0), &vectors).await
}

pub async fn writev(task: &Rc<Task>, a: &Args) -> Result<u64> {
    task.file(a.int(0))?;
    let vectors = task.get_iovecs(a.word(1), a.word(2)).await?;
    write_at_cursor(task, a.int(0), &vectors).await
}

fn positioned(task: &Task, fd: Fd, offset: i64) -> Result<(Rc<OpenFile>, u64)> {
    let file = task.file(fd)?;
    let offset = u64::try_from(offset).map_err(|_| Errno::EINVAL)?;
    if !file.ops.seekable() {
        return Err(Errno::ESPIPE);
    }
    Ok((file, offset))
}

pub async fn pread64(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let (file, offset) = positioned(task, a.int(0), a.wide(3, task.arch()))?;
    read_vectors(task, &file, &[(a.word(1), a.word(2))], Some(offset)).await
}

pub async fn pwrite64(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let (file, offset) = positioned(task, a.int(0), a.wide(3, task.arch()))?;
    write_vectors(task, &file, &[(a.word(1), a.word(2))], Some(offset)).await
}

/// `preadv`/`pwritev` pass the offset as two longs on every architecture.
fn vector_offset(task: &Task, a: &Args) -> i64 {
    match task.arch() {
        Arch::I386 => a.wide(3, Arch::I386),
        Arch::X86_64 => a.word(3) as i64,
    }
}

pub async fn preadv(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let (file, offset) = positioned(task, a.int(0), vector_offset(task, a))?;
    let vectors = task.get_iovecs(a.word(1), a.word(2)).await?;
    read_vectors(task, &file, &vectors, Some(offset)).await
}

pub async fn pwritev(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let (file, offset) = positioned(task, a.int(0), vector_offset(task, a))?;
    let vectors = task.get_iovecs(a.word(1), a.word(2)).await?;
    write_vectors(task, &file, &vectors, Some(offset)).await
}

/// Refuses flags of `preadv2` and `pwritev2` that there are not.
fn known_rw_flags(raw: u32) -> Result<()> {
    use linux_abi::uio::RwFlags;
    let known = RwFlags::HIPRI
        .union(RwFlags::DSYNC)
        .union(RwFlags::SYNC)
        .union(RwFlags::NOWAIT)
        .union(RwFlags::APPEND);
    if raw & !known.bits() != 0 { Err(Errno::EOPNOTSUPP) } else { Ok(()) }
}

/// `preadv2`: flags that only advise are accepted.
pub async fn preadv2(task: &Rc<Task>, a: &Args) -> Result<u64> {
    known_rw_flags(a.uint(5))?;
    if vector_offset(task, a) == -1 { readv(task, a).await } else { preadv(task, a).await }
}

/// `pwritev2`: as `preadv2`.
pub async fn pwritev2(task: &Rc<Task>, a: &Args) -> Result<u64> {
    known_rw_flags(a.uint(5))?;
    if vector_offset(task, a) == -1 { writev(task, a).await } else { pwritev(task, a).await }
}

async fn seek(file: &OpenFile, offset: i64, whence: u32) -> Result<u64> {
    let is_directory = file.path.inode().attributes().file_type == FileType::Directory;
    if whence > 4 {
        return Err(Errno::EINVAL);
    }
    if file.ops.ignores_seek() {
        return Ok(0);
    }
    if !file.ops.seekable() {
        return Err(Errno::ESPIPE);
    }
    let _moving = file.position_lock.lock().await;
    let base = match whence {
        0 => 0,
        1 if is_directory => file.directory_position.get() as i64,
        1 => file.position.get() as i64,
        2 => file.path.inode().attributes().size as i64,
        3 | 4 => {
            let start = u64::try_from(offset).map_err(|_| Errno::ENXIO)?;
            let target =
                if whence == 3 { vfs::inode::SeekTarget::Data } else { vfs::inode::SeekTarget::Hole };
            let found = file.path.inode().seek_hole(start, target).await?;
            file.position.set(found);
            return Ok(found);
        }
        _ => return Err(Errno::EINVAL),
    };
    let target = base.checked_add(offset).ok_or(Errno::EOVERFLOW)?;
    let target = u64::try_from(target).map_err(|_| Errno::EINVAL)?;
    if is_directory {
        file.directory_position.set(target);
    } else {
        file.position.set(target);
    }
    Ok(target)
}

pub async fn lseek(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let arch = task.arch();
    let position = seek(&*task.file(a.int(0))?, a.long(1, arch), a.uint(2)).await?;
    if arch == Arch::I386 && position > i32::MAX as u64 { Err(Errno::EOVERFLOW) } else { Ok(position) }
}

pub async fn llseek(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let file = task.file(a.int(0))?;
    let offset = (u64::from(a.uint(1)) << 32 | u64::from(a.uint(2))) as i64;
    let position = seek(&file, offset, a.uint(4)).await?;
    task.put(a.word(3), &position).await?;
    Ok(0)
}

pub async fn close(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let file = task.files().take(a.int(0))?;
    close_file(task, file);
    Ok(0)
}

pub async fn close_range(task: &Rc<Task>, a: &Args) -> Result<u64> {
    const UNSHARE: u32 = 2;
    const CLOEXEC: u32 = 4;
    let (first, last, flags) = (a.uint(0), a.uint(1), a.uint(2));
    if first > last || flags & !(UNSHARE | CLOEXEC) != 0 {
        return Err(Errno::EINVAL);
    }
    if flags & UNSHARE != 0 {
        let own = Rc::new(task.files().duplicate());
        *task.files.borrow_mut() = own;
    }
    let files = task.files();
    for fd in files.numbers().into_iter().filter(|fd| (first..=last).contains(&(*fd as u32))) {
        if flags & CLOEXEC != 0 {
            files.set_close_on_exec(fd, true)?;
        } else {
            close_file(task, files.take(fd)?);
        }
    }
    Ok(0)
}

pub(super) fn nofile(task: &Task) -> u64 {
    task.process.limit(linux_abi::resource::RLIMIT_NOFILE as usize)
}

pub async fn dup(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let file = task.files().get(a.int(0))?;
    task.install(file, false).map(|fd| fd as u64)
}

fn dup_to(task: &Rc<Task>, old: Fd, new: Fd, close_on_exec: bool) -> Result<u64> {
    let files = task.files();
    let file = files.get(old)?;
    if let Some(replaced) = files.replace(new, file, close_on_exec, nofile(task))? {
        close_file(task, replaced);
    }
    Ok(new as u64)
}

pub async fn dup2(task: &Rc<Task>, a: &Args) -> Result<u64> {
    if a.int(0) == a.int(1) {
        task.files().get(a.int(0))?;
        return Ok(a.int(1) as u64);
    }
    dup_to(task, a.int(0), a.int(1), false)
}

pub async fn dup3(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let cloexec = fcntl::OFlags::CLOEXEC.bits();
    if a.int(0) == a.int(1) || a.uint(2) & !cloexec != 0 {
        return Err(Errno::EINVAL);
    }
    dup_to(task, a.int(0), a.int(1), a.uint(2) & cloexec != 0)
}

/// Requests that every descriptor answers; the rest goes to the file.
pub async fn ioctl(task: &Rc<Task>, a: &Args) -> Result<u64> {
    use linux_abi::ioctl::{FIOASYNC, FIOCLEX, FIONBIO, FIONCLEX, FIONREAD};
    let (fd, request, arg) = (a.int(0), a.uint(1), a.word(2));
    let file = task.file(fd)?;
    let toggle = async |flag: u32| -> Result<u64> {
        let on = task.get::<i32>(arg).await? != 0;
        let flags = file.flags.get();
        file.flags.set(if on { flags | flag } else { flags & !flag });
        Ok(0)
    };
    match request {
        FIOCLEX => task.files().set_close_on_exec(fd, true).map(|()| 0),
        FIONCLEX => task.files().set_close_on_exec(fd, false).map(|()| 0),
        FIONBIO => toggle(open_flags::NONBLOCK).await,
        FIOASYNC => toggle(open_flags::ASYNC).await,
        FIONREAD if file.path.inode().attributes().file_type == FileType::Regular && file.ops.seekable() => {
            let left = file.path.inode().attributes().size.saturating_sub(file.position.get());
            task.put(arg, &(left.min(i32::MAX as u64) as i32)).await?;
            Ok(0)
        }
        _ => file.ops.ioctl(io(task, &file), request, arg).await,
    }
}

pub async fn fsync(task: &Rc<Task>, a: &Args) -> Result<u64> {
    task.file(a.int(0))?.ops.fsync().await?;
    Ok(0)
}

pub async fn sync(task: &Rc<Task>, _a: &Args) -> Result<u64> {
    // sync(2) has no way to tell of an error; each file's own fsync does.
    let _ = task.kernel.sync_all().await;
    Ok(0)
}

pub async fn syncfs(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let file = task.file(a.int(0))?;
    task.kernel.harvest_shared_pages();
    file.path.mount.fs.sync().await?;
    Ok(0)
}

/// `sync_file_range`: the stronger `fsync` satisfies it.
pub async fn sync_file_range(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let file = task.file(a.int(0))?;
    if !file.ops.seekable() {
        return Err(Errno::ESPIPE);
    }
    fsync(task, a).await
}

pub async fn ftruncate(task: &Rc<Task>, fd: Fd, size: i64) -> Result<u64> {
    let file = task.file(fd)?;
    let size = u64::try_from(size).map_err(|_| Errno::EINVAL)?;
    if !file.writable() || file.path.inode().attributes().file_type != FileType::Regular {
        return Err(Errno::EINVAL);
    }
    super::path::set_size(task, &file.path.inode(), size).await?;
    tell(&task.kernel, &file.path, InotifyMask::MODIFY);
    Ok(0)
}

pub async fn fallocate(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let arch = task.arch();
    let file = task.file(a.int(0))?;
    let (mode, offset) = (a.uint(1), a.wide(2, arch));
    let len = a.wide(if arch == Arch::I386 { 4 } else { 3 }, arch);
    if !file.writable() {
        return Err(Errno::EBADF);
    }
    if offset < 0 || len <= 0 {
        return Err(Errno::EINVAL);
    }
    match file.path.inode().attributes().file_type {
        FileType::Regular if file.ops.seekable() => {}
        FileType::Fifo => return Err(Errno::ESPIPE),
        _ => return Err(Errno::ENODEV),
    }
    let now = task.kernel.clock.timestamp();
    let inode = file.path.inode();
    const KEEP_SIZE: u32 = 1;
    const PUNCH_OR_ZERO: u32 = 0x02 | 0x10;
    let end = if mode & KEEP_SIZE != 0 { 0 } else { (offset as u64).saturating_add(len as u64) };
    if mode & PUNCH_OR_ZERO != 0 {
        crate::fs::memfd::check_write(&inode, end)?;
    }
    crate::fs::memfd::check_size(&inode, end.max(inode.attributes().size))?;
    task.kernel.harvest_shared_pages();
    let _changing = content_guard(&inode).await;
    super::attr::drop_set_id(task, &inode).await?;
    inode.fallocate(mode, offset as u64, len as u64, now).await?;
    if mode & PUNCH_OR_ZERO != 0 {
        super::path::forget_mapped_pages(task, &inode, offset as u64 / guest_mem::PAGE_BYTES);
    }
    Ok(0)
}

/// `posix_fadvise`: advice is taken note of, no more.
pub async fn fadvise(task: &Rc<Task>, fd: Fd, advice: u32) -> Result<u64> {
    let file = task.file(fd)?;
    if !file.ops.seekable() {
        return Err(Errno::ESPIPE);
    }
    if advice > 5 { Err(Errno::EINVAL) } else { Ok(0) }
}

pub async fn readahead(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let file = task.file(a.int(0))?;
    if !file.readable() { Err(Errno::EBADF) } else { Ok(0) }
}

pub async fn flock(task: &Rc<Task>, a: &Args) -> Result<u64> {
    const SHARED: u32 = 1;
    const EXCLUSIVE: u32 = 2;
    const NONBLOCK: u32 = 4;
    const UNLOCK: u32 = 8;
    let file = task.file(a.int(0))?;
    let operation = a.uint(1);
    let owner = description_owner(&file);
    let kind = match operation & !NONBLOCK {
        UNLOCK => {
            task.kernel.locks.release(&file, Family::Flock, owner, 0, u64::MAX);
            return Ok(0);
        }
        SHARED => Kind::Shared,
        EXCLUSIVE => Kind::Exclusive,
        _ => return Err(Errno::EINVAL),
    };
    let wanted = Held { owner, kind, start: 0, end: u64::MAX };
    if operation & NONBLOCK != 0 {
        task.kernel.locks.try_acquire(&file, Family::Flock, wanted)?;
    } else {
        task.kernel.locks.acquire(task, &file, Family::Flock, wanted).await?;
    }
    Ok(0)
}

async fn list_directory(
    task: &Rc<Task>,
    fd: Fd,
    room: usize,
    encode: impl Fn(&vfs::DirEntry) -> Vec<u8>,
) -> Result<(Vec<u8>, Rc<OpenFile>, u64)> {
    let file = task.file(fd)?;
    let inode = file.path.inode();
    if inode.attributes().file_type != FileType::Directory {
        return Err(Errno::ENOTDIR);
    }
    // Removed while it was open: not even "." is there any more.
    if inode.attributes().links == 0 {
        return Err(Errno::ENOENT);
    }
    let mut out = Vec::new();
    let mut next = file.directory_position.get();
    let mut refused = false;
    inode
        .readdir(next, &mut |entry| {
            let record = encode(&entry);
            if out.len() + record.len() > room {
                refused = true;
                return false;
            }
            next = entry.next;
            out.extend_from_slice(&record);
            true
        })
        .await?;
    tell(&task.kernel, &file.path, InotifyMask::ACCESS);
    // The buffer takes not even one entry.
    if out.is_empty() && refused { Err(Errno::EINVAL) } else { Ok((out, file, next)) }
}

pub async fn getdents64(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let encode = |entry: &vfs::DirEntry| {
        let len = (19 + entry.name.len() + 1).next_multiple_of(8);
        let mut record = Vec::with_capacity(len);
        record.extend_from_slice(&entry.ino.to_le_bytes());
        record.extend_from_slice(&entry.next.to_le_bytes());
        record.extend_from_slice(&(len as u16).to_le_bytes());
        record.push(entry.file_type.dirent_type());
        record.extend_from_slice(&entry.name);
        record.resize(len, 0);
        record
    };
    let (bytes, file, next) = list_directory(task, a.int(0), a.uint(2) as usize, encode).await?;
    task.write_bytes(a.word(1), &bytes).await?;
    file.directory_position.set(next);
    Ok(bytes.len() as u64)
}

/// The older `getdents`, with the type in the record's last byte.
pub async fn getdents(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let word = task.arch().word_size();
    let encode = |entry: &vfs::DirEntry| {
        let len = (2 * word + 2 + entry.name.len() + 2).next_multiple_of(word);
        let mut record = Vec::with_capacity(len);
        record.extend_from_slice(&entry.ino.to_le_bytes()[..word]);
        record.extend_from_slice(&entry.next.to_le_bytes()[..word]);
        record.extend_from_slice(&(len as u16).to_le_bytes());
        record.extend_from_slice(&entry.name);
        record.resize(len, 0);
        if let Some(last) = record.last_mut() {
            *last = entry.file_type.dirent_type();
        }
        record
    };
    let (bytes, file, next) = list_directory(task, a.int(0), a.uint(2) as usize, encode).await?;
    task.write_bytes(a.word(1), &bytes).await?;
    file.directory_position.set(next);
    Ok(bytes.len() as u64)
}
