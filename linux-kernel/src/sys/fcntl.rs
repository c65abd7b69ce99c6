//! `fcntl`: descriptor flags, status flags, record locks.

use crate::file::{Fd, OpenFile, Result, open_flags};
use crate::fs::locks::{Family, Held, Kind, Owner, description_owner};
use crate::sys::Args;
use crate::sys::file::nofile;
use crate::task::{Arch, Task};
use linux_abi::Errno;
use linux_abi::fcntl;
use std::rc::Rc;

/// `struct flock` of either width, decoded.
struct LockArgument {
    kind: i16,
    whence: i16,
    start: i64,
    len: i64,
    pid: i32,
}

async fn get_lock(task: &Task, addr: u64, wide: bool) -> Result<LockArgument> {
    if wide && task.arch() == Arch::I386 {
        // struct flock64 of i386: two shorts, two loff_t at 4, pid.
        let [head] = task.get::<[u32; 1]>(addr).await?;
        let [start, len] = task.get::<[i64; 2]>(addr + 4).await?;
        let pid = task.get(addr + 20).await?;
        return Ok(LockArgument { kind: head as i16, whence: (head >> 16) as i16, start, len, pid });
    }
    let [head] = task.get::<[u32; 1]>(addr).await?;
    let (start, len, pid) = if task.arch() == Arch::I386 {
        let [start, len, pid] = task.get::<[i32; 3]>(addr + 4).await?;
        (i64::from(start), i64::from(len), pid)
    } else {
        let [start, len] = task.get::<[i64; 2]>(addr + 8).await?;
        (start, len, task.get(addr + 24).await?)
    };
    Ok(LockArgument { kind: head as i16, whence: (head >> 16) as i16, start, len, pid })
}

async fn put_lock(task: &Task, addr: u64, wide: bool, found: Option<Held>) -> Result<()> {
    let Some(held) = found else {
        return task.put(addr, &fcntl::F_UNLCK).await;
    };
    let kind = if held.kind == Kind::Shared { fcntl::F_RDLCK } else { fcntl::F_WRLCK } as u32;
    let len = if held.end == u64::MAX { 0 } else { held.end - held.start };
    let pid = match held.owner {
        Owner::Process(pid) => pid,
        Owner::Description(_) => -1,
    };
    task.put(addr, &kind).await?;
    if task.arch() == Arch::I386 && !wide {
        task.put(addr + 4, &[held.start as i32, len as i32, pid]).await
    } else {
        let at = if task.arch() == Arch::I386 { addr + 4 } else { addr + 8 };
        task.put(at, &[held.start as i64, len as i64]).await?;
        task.put(at + 16, &pid).await
    }
}

async fn record_lock(
    task: &Rc<Task>,
    file: &Rc<OpenFile>,
    command: u32,
    addr: u64,
    wide: bool,
) -> Result<u64> {
    let lock = get_lock(task, addr, wide).await?;
    let base = match lock.whence {
        0 => 0,
        1 => file.position.get() as i64,
        2 => file.path.inode().attributes().size as i64,
        _ => return Err(Errno::EINVAL),
    };
    let start = base.checked_add(lock.start).ok_or(Errno::EOVERFLOW)?;
    let (start, end) = match lock.len {
        0 => (start, None),
        len if len > 0 => (start, Some(start.checked_add(len).ok_or(Errno::EOVERFLOW)?)),
        len => (start.checked_add(len).ok_or(Errno::EINVAL)?, Some(start)),
    };
    let start = u64::try_from(start).map_err(|_| Errno::EINVAL)?;
    let end = end.map_or(u64::MAX, |end| end as u64);
    let ofd = (fcntl::F_OFD_GETLK..=fcntl::F_OFD_SETLKW).contains(&command);
    if ofd && lock.pid != 0 {
        return Err(Errno::EINVAL);
    }
    let asks = matches!(command, fcntl::F_GETLK | fcntl::F_GETLK64 | fcntl::F_OFD_GETLK);
    let owner = if ofd { description_owner(file) } else { Owner::Process(task.process.pid) };
    let locks = &task.kernel.locks;
    let kind = match lock.kind {
        fcntl::F_RDLCK => Kind::Shared,
        fcntl::F_WRLCK => Kind::Exclusive,
        fcntl::F_UNLCK if !asks => {
            locks.release(file, Family::Range, owner, start, end);
            return Ok(0);
        }
        _ => return Err(Errno::EINVAL),
    };
    let wanted = Held { owner, kind, start, end };
    if asks {
        put_lock(task, addr, wide, locks.conflict(file, Family::Range, wanted)).await?;
        return Ok(0);
    }
    if (kind == Kind::Shared && !file.readable()) || (kind == Kind::Exclusive && !file.writable()) {
        return Err(Errno::EBADF);
    }
    match command {
        fcntl::F_SETLKW | fcntl::F_SETLKW64 | fcntl::F_OFD_SETLKW => {
            locks.acquire(task, file, Family::Range, wanted).await?;
        }
        _ => locks.try_acquire(file, Family::Range, wanted)?,
    }
    Ok(0)
}

/// `fcntl` and `fcntl64`.
pub async fn fcntl(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let (fd, command, arg) = (a.int(0), a.uint(1), a.word(2));
    let files = task.files();
    let file = files.get(fd)?;
    let path_only = file.flags.get() & open_flags::PATH != 0;
    let for_path = [fcntl::F_DUPFD, fcntl::F_DUPFD_CLOEXEC, fcntl::F_GETFD, fcntl::F_SETFD, fcntl::F_GETFL]
        .contains(&command);
    if path_only && !for_path {
        return Err(Errno::EBADF);
    }
    match command {
        fcntl::F_DUPFD | fcntl::F_DUPFD_CLOEXEC => {
            let limit = nofile(task);
            if arg >= limit {
                return Err(Errno::EINVAL);
            }
            let cloexec = command == fcntl::F_DUPFD_CLOEXEC;
            files.install(file, cloexec, arg as Fd, limit).map(|fd| fd as u64)
        }
        fcntl::F_GETFD => files.close_on_exec(fd).map(u64::from),
        fcntl::F_SETFD => files.set_close_on_exec(fd, arg & 1 != 0).map(|()| 0),
        fcntl::F_GETFL => Ok(u64::from(file.flags.get())),
        fcntl::F_SETFL => {
            let kept = file.flags.get() & !open_flags::SETTABLE;
            file.flags.set(kept | (arg as u32 & open_flags::SETTABLE));
            Ok(0)
        }
        fcntl::F_GETLK | fcntl::F_SETLK | fcntl::F_SETLKW => {
            let wide = task.arch() == Arch::X86_64;
            record_lock(task, &file, command, arg, wide).await
        }
        fcntl::F_GETLK64
        | fcntl::F_SETLK64
        | fcntl::F_SETLKW64
        | fcntl::F_OFD_GETLK
        | fcntl::F_OFD_SETLK
        | fcntl::F_OFD_SETLKW => record_lock(task, &file, command, arg, true).await,
        fcntl::F_SETOWN => {
            file.owner.set(arg as i32);
            Ok(0)
        }
        fcntl::F_GETOWN => Ok(file.owner.get() as u64),
        fcntl::F_SETSIG => {
            file.owner_signal.set(arg as u32);
            Ok(0)
        }
        fcntl::F_GETSIG => Ok(u64::from(file.owner_signal.get())),
        fcntl::F_SETPIPE_SZ | fcntl::F_GETPIPE_SZ => crate::fs::pipe::fcntl_size(&file, command, arg),
        fcntl::F_ADD_SEALS | fcntl::F_GET_SEALS => {
            crate::fs::memfd::seals(&task.kernel, &file, command, arg as u32)
        }
        _ => Err(Errno::EINVAL),
    }
}
