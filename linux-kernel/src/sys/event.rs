//! Calls that make and set descriptors for events: epoll, eventfd, timerfd, signalfd, inotify, pipes.

use super::args::{Args, TimeWidth};
use super::poll::{deadline_ms, get_mask, with_mask};
use crate::cred::Want;
use crate::file::{OpenFile, Result, open_flags};
use crate::fs::epoll::{Control, Epoll, register};
use crate::fs::eventfd::EventFd;
use crate::fs::inotify::Inotify;
use crate::fs::pipe;
use crate::fs::signalfd::SignalFd;
use crate::fs::timerfd::{Start, TimerClock, TimerFd};
use crate::signal::SigSet;
use crate::task::Task;
use crate::time::Monotonic;
use crate::timers::Setting;
use linux_abi::Errno;
use linux_abi::epoll::{EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EpollCreate, EpollEvent};
use linux_abi::eventfd::EventfdFlags;
use linux_abi::inotify::{InotifyInit, InotifyMask};
use linux_abi::signalfd::SignalfdFlags;
use linux_abi::time::{
    CLOCK_BOOTTIME, CLOCK_BOOTTIME_ALARM, CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_REALTIME_ALARM,
};
use linux_abi::timerfd::TimerfdFlags;
use std::rc::Rc;
use std::task::Poll;
use vfs::FileType;
use vfs::namespace::{LastSymlink, Walker};

/// `O_CLOEXEC`, by which every family calls it.
const CLOEXEC: u32 = EpollCreate::CLOEXEC.bits();

fn install(task: &Task, file: Rc<OpenFile>, flags: u32) -> Result<u64> {
    task.install(file, flags & CLOEXEC != 0).map(|fd| fd as u64)
}

/// `EINVAL` where there are other flags than these.
fn check_flags(flags: u32, known: u32) -> Result<u32> {
    if flags & !known == 0 { Ok(flags) } else { Err(Errno::EINVAL) }
}

/// epoll_create(2); the size is a hint that must be positive.
pub async fn epoll_create(task: &Rc<Task>, a: &Args) -> Result<u64> {
    if a.int(0) <= 0 {
        return Err(Errno::EINVAL);
    }
    install(task, Epoll::open(&task.kernel), 0)
}

/// epoll_create1(2).
pub async fn epoll_create1(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let flags = check_flags(a.uint(0), CLOEXEC)?;
    install(task, Epoll::open(&task.kernel), flags)
}

/// epoll_ctl(2).
pub async fn epoll_ctl(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let operation = a.uint(1);
    let event = if operation == EPOLL_CTL_DEL { EpollEvent::default() } else { task.get(a.word(3)).await? };
    let own = task.file(a.int(0))?;
    let fd = a.int(2);
    let file = task.file(fd)?;
    if file.ops.wait_queue().is_none() {
        return Err(Errno::EPERM);
    }
    let epoll = own.ops_as::<Epoll>().filter(|_| !Rc::ptr_eq(&own, &file)).ok_or(Errno::EINVAL)?;
    let control = match operation {
        EPOLL_CTL_ADD => Control::Add,
        EPOLL_CTL_DEL => Control::Delete,
        EPOLL_CTL_MOD => Control::Modify,
        _ => return Err(Errno::EINVAL),
    };
    epoll.control(&own, control, fd, &file, event).map(|()| 0)
}

async fn epoll_wait_until(task: &Rc<Task>, a: &Args, until: Option<Monotonic>) -> Result<u64> {
    const MOST: i32 = i32::MAX / size_of::<EpollEvent>() as i32;
    let max = a.int(2);
    if max <= 0 || max > MOST {
        return Err(Errno::EINVAL);
    }
    let file = task.file(a.int(0))?;
    let epoll = file.ops_as::<Epoll>().ok_or(Errno::EINVAL)?;
    let mut events = epoll.collect(task, max as usize);
    let no_wait = until.is_some_and(|until| until <= task.kernel.clock.monotonic());
    if events.is_empty() && !no_wait {
        let arrival = std::future::poll_fn(|cx| {
            let events = epoll.collect(task, max as usize);
            if events.is_empty() {
                register(&file, cx.waker());
                return Poll::Pending;
            }
            Poll::Ready(events)
        });
        // Never restarted after a signal (signal(7)).
        let arrived = task.until(until, arrival).await.map_err(|_| Errno::EINTR)?;
        events = arrived.unwrap_or_default();
    }
    task.write_bytes(a.word(1), bytemuck::cast_slice(&events)).await?;
    Ok(events.len() as u64)
}

/// epoll_wait(2).
pub async fn epoll_wait(task: &Rc<Task>, a: &Args) -> Result<u64> {
    epoll_wait_until(task, a, deadline_ms(task, a.int(3))).await
}

/// epoll_pwait(2).
pub async fn epoll_pwait(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let mask = get_mask(task, a.word(4), a.word(5)).await?;
    with_mask(task, mask, epoll_wait_until(task, a, deadline_ms(task, a.int(3)))).await
}

/// epoll_pwait2(2): the timeout is a `timespec`.
pub async fn epoll_pwait2(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let until = task.get_timeout(a.word(3), TimeWidth::W64).await?;
    let mask = get_mask(task, a.word(4), a.word(5)).await?;
    with_mask(task, mask, epoll_wait_until(task, a, until)).await
}

/// eventfd(2) without flags.
pub async fn eventfd(task: &Rc<Task>, a: &Args) -> Result<u64> {
    install(task, EventFd::open(&task.kernel, a.uint(0), EventfdFlags::empty()), 0)
}

/// eventfd2(2).
pub async fn eventfd2(task: &Rc<Task>, a: &Args) -> Result<u64> {
    const KNOWN: u32 =
        EventfdFlags::SEMAPHORE.bits() | EventfdFlags::CLOEXEC.bits() | EventfdFlags::NONBLOCK.bits();
    let flags = check_flags(a.uint(1), KNOWN)?;
    install(task, EventFd::open(&task.kernel, a.uint(0), EventfdFlags::from_bits_retain(flags)), flags)
}

/// timerfd_create(2).
pub async fn timerfd_create(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let flags = check_flags(a.uint(1), TimerfdFlags::CLOEXEC.bits() | TimerfdFlags::NONBLOCK.bits())?;
    let clock = match a.int(0) {
        CLOCK_REALTIME | CLOCK_REALTIME_ALARM => TimerClock::Real,
        CLOCK_MONOTONIC | CLOCK_BOOTTIME | CLOCK_BOOTTIME_ALARM => TimerClock::Monotonic,
        _ => return Err(Errno::EINVAL),
    };
    if matches!(a.int(0), CLOCK_REALTIME_ALARM | CLOCK_BOOTTIME_ALARM) && !task.cred().privileged() {
        return Err(Errno::EPERM);
    }
    install(task, TimerFd::open(&task.kernel, clock, flags), flags)
}

/// Bytes of a `timespec`, which follow each other in an `itimerspec`.
const fn timespec_size(width: TimeWidth) -> u64 {
    match width {
        TimeWidth::W32 => 8,
        TimeWidth::W64 => 16,
    }
}

async fn put_itimerspec(task: &Task, addr: u64, setting: Setting, width: TimeWidth) -> Result<()> {
    let clamp = |nanoseconds: u64| nanoseconds.min(i64::MAX as u64) as i64;
    task.put_timespec(addr, clamp(setting.interval), width).await?;
    task.put_timespec(addr.wrapping_add(timespec_size(width)), clamp(setting.value), width).await
}

async fn timerfd_settime_of(task: &Rc<Task>, a: &Args, width: TimeWidth) -> Result<u64> {
    let interval = task.get_timespec(a.word(2), width).await?;
    let value = task.get_timespec(a.word(2).wrapping_add(timespec_size(width)), width).await?;
    let flags = TimerfdFlags::from_bits_retain(a.uint(1));
    check_flags(flags.bits(), (TimerfdFlags::TIMER_ABSTIME | TimerfdFlags::TIMER_CANCEL_ON_SET).bits())?;
    let file = task.file(a.int(0))?;
    let timer = file.ops_as::<TimerFd>().ok_or(Errno::EINVAL)?;
    let start = match value {
        0 => Start::Disarm,
        at if flags.contains(TimerfdFlags::TIMER_ABSTIME) => Start::At(at),
        after => Start::After(after as u64),
    };
    let old = timer.set(&task.kernel, start, interval as u64);
    if a.word(3) != 0 {
        put_itimerspec(task, a.word(3), old, width).await?;
    }
    Ok(0)
}

async fn timerfd_gettime_of(task: &Rc<Task>, a: &Args, width: TimeWidth) -> Result<u64> {
    let file = task.file(a.int(0))?;
    let setting = file.ops_as::<TimerFd>().ok_or(Errno::EINVAL)?.setting(&task.kernel);
    put_itimerspec(task, a.word(1), setting, width).await.map(|()| 0)
}

/// timerfd_settime(2), with 64-bit time (x86-64's `timerfd_settime`, i386's `timerfd_settime64`).
pub async fn timerfd_settime(task: &Rc<Task>, a: &Args) -> Result<u64> {
    timerfd_settime_of(task, a, TimeWidth::W64).await
}

/// timerfd_settime(2) of i386 with 32-bit time.
pub async fn timerfd_settime32(task: &Rc<Task>, a: &Args) -> Result<u64> {
    timerfd_settime_of(task, a, TimeWidth::W32).await
}

/// timerfd_gettime(2), with 64-bit time (x86-64's `timerfd_gettime`, i386's `timerfd_gettime64`).
pub async fn timerfd_gettime(task: &Rc<Task>, a: &Args) -> Result<u64> {
    timerfd_gettime_of(task, a, TimeWidth::W64).await
}

/// timerfd_gettime(2) of i386 with 32-bit time.
pub async fn timerfd_gettime32(task: &Rc<Task>, a: &Args) -> Result<u64> {
    timerfd_gettime_of(task, a, TimeWidth::W32).await
}

/// signalfd(2) without flags.
pub async fn signalfd(task: &Rc<Task>, a: &Args) -> Result<u64> {
    signalfd4(task, &Args([a.0[0], a.0[1], a.0[2], 0, 0, 0])).await
}

/// signalfd4(2): a new descriptor, or another mask for the one given.
pub async fn signalfd4(task: &Rc<Task>, a: &Args) -> Result<u64> {
    if a.word(2) != size_of::<SigSet>() as u64 {
        return Err(Errno::EINVAL);
    }
    let mask = SigSet(task.get(a.word(1)).await?);
    let flags = check_flags(a.uint(3), SignalfdFlags::CLOEXEC.bits() | SignalfdFlags::NONBLOCK.bits())?;
    match a.int(0) {
        -1 => install(task, SignalFd::open(&task.kernel, mask, flags), flags),
        fd => {
            let file = task.file(fd)?;
            file.ops_as::<SignalFd>().ok_or(Errno::EINVAL)?.set_mask(mask);
            Ok(fd as u64)
        }
    }
}

/// inotify_init(2).
pub async fn inotify_init(task: &Rc<Task>, _a: &Args) -> Result<u64> {
    install(task, Inotify::open(&task.kernel, 0), 0)
}

/// inotify_init1(2).
pub async fn inotify_init1(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let flags = check_flags(a.uint(0), InotifyInit::CLOEXEC.bits() | InotifyInit::NONBLOCK.bits())?;
    install(task, Inotify::open(&task.kernel, flags), flags)
}

/// inotify_add_watch(2).
pub async fn inotify_add_watch(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let mask = InotifyMask::from_bits_retain(a.uint(2));
    let both = InotifyMask::MASK_ADD | InotifyMask::MASK_CREATE;
    let known = InotifyMask::ALL_EVENTS
        | InotifyMask::UNMOUNT
        | InotifyMask::Q_OVERFLOW
        | InotifyMask::IGNORED
        | InotifyMask::ONLYDIR
        | InotifyMask::DONT_FOLLOW
        | InotifyMask::EXCL_UNLINK
        | InotifyMask::ISDIR
        | InotifyMask::ONESHOT
        | both;
    if !mask.intersects(known) {
        return Err(Errno::EINVAL);
    }
    let file = task.file(a.int(0))?;
    if mask.contains(both) {
        return Err(Errno::EINVAL);
    }
    let inotify = file.ops_as::<Inotify>().ok_or(Errno::EINVAL)?;
    let name = task.get_path(a.word(1)).await?;
    let last = if mask.contains(InotifyMask::DONT_FOLLOW) { LastSymlink::Keep } else { LastSymlink::Follow };
    let (fs, cred) = (task.fs(), task.cred());
    let may_search = |attributes: &vfs::Attributes| cred.may(attributes, Want::EXEC);
    let walker = Walker { root: &fs.root, start: &fs.cwd, may_search: &may_search };
    let inode = task.kernel.namespace.find(&walker, &name, last).await?.inode();
    let attributes = inode.attributes();
    if mask.contains(InotifyMask::ONLYDIR) && attributes.file_type != FileType::Directory {
        return Err(Errno::ENOTDIR);
    }
    if !cred.may(&attributes, Want::READ) {
        return Err(Errno::EACCES);
    }
    inotify.add(&task.kernel.inotify, inode.device(), attributes.ino, mask).map(|wd| wd as u64)
}

/// inotify_rm_watch(2).
pub async fn inotify_rm_watch(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let file = task.file(a.int(0))?;
    let inotify = file.ops_as::<Inotify>().ok_or(Errno::EINVAL)?;
    inotify.remove(&task.kernel.inotify, a.int(1)).map(|()| 0)
}

/// pipe(2).
pub async fn pipe(task: &Rc<Task>, a: &Args) -> Result<u64> {
    pipe2(task, &Args([a.0[0], 0, 0, 0, 0, 0])).await
}

/// pipe2(2). Nothing stays open where the numbers cannot be stored.
pub async fn pipe2(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let flags = check_flags(a.uint(1), CLOEXEC | open_flags::NONBLOCK | open_flags::DIRECT)?;
    let (reader, writer) = pipe::new_pipe(&task.kernel, flags);
    put_pair(task, a.word(0), reader, writer, flags & CLOEXEC != 0).await
}

/// Installs two files and stores their numbers; takes them out again where that fails.
pub(crate) async fn put_pair(
    task: &Task,
    addr: u64,
    first: Rc<OpenFile>,
    second: Rc<OpenFile>,
    close_on_exec: bool,
) -> Result<u64> {
    let files = task.files();
    let first = task.install(first, close_on_exec)?;
    let second = match task.install(second, close_on_exec) {
        Ok(second) => second,
        Err(error) => {
            drop(files.take(first));
            return Err(error);
        }
    };
    if let Err(error) = task.put(addr, &[first, second]).await {
        drop((files.take(first), files.take(second)));
        return Err(error);
    }
    Ok(0)
}

#[cfg(test)]
mod tests;
