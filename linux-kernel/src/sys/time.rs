//! Calls on time: clocks, sleeps, interval and POSIX timers, futexes.

use crate::file::Result;
use crate::futex;
use crate::signal::Signal;
use crate::sys::{Args, NSEC, TimeWidth};
use crate::task::{Arch, Process, Restart, Task};
use crate::time::Monotonic;
use crate::timers::{Notify, Setting, Which};
use linux_abi::Errno;
use linux_abi::futex as f;
use linux_abi::signal::{SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD_ID, SigeventI386, SigeventX86_64};
use linux_abi::time::{
    CLOCK_BOOTTIME, CLOCK_BOOTTIME_ALARM, CLOCK_MONOTONIC, CLOCK_MONOTONIC_COARSE, CLOCK_MONOTONIC_RAW,
    CLOCK_PROCESS_CPUTIME_ID, CLOCK_REALTIME, CLOCK_REALTIME_ALARM, CLOCK_REALTIME_COARSE, CLOCK_TAI,
    CLOCK_THREAD_CPUTIME_ID,
};
use std::rc::Rc;

/// A clock id resolved.
enum Clock {
    Real,
    Mono,
    Process(Rc<Process>),
    Thread(Rc<Task>),
}

fn clock(task: &Rc<Task>, id: i32) -> Result<Clock> {
    if id < 0 {
        // ~pid << 3 | kind: the CPU clock of a process or thread (clock_getcpuclockid(3)).
        let pid = !(id >> 3);
        if id & 3 > 2 {
            return Err(Errno::EINVAL);
        }
        let of_thread = id & 4 != 0;
        let own = pid == 0;
        return if of_thread {
            let thread = if own { Some(task.clone()) } else { task.kernel.task(pid) };
            thread.map(Clock::Thread).ok_or(Errno::EINVAL)
        } else {
            let process = if own { Some(task.process.clone()) } else { task.kernel.process(pid) };
            process.map(Clock::Process).ok_or(Errno::EINVAL)
        };
    }
    match id {
        CLOCK_REALTIME | CLOCK_REALTIME_COARSE | CLOCK_TAI | CLOCK_REALTIME_ALARM => Ok(Clock::Real),
        CLOCK_MONOTONIC
        | CLOCK_MONOTONIC_RAW
        | CLOCK_MONOTONIC_COARSE
        | CLOCK_BOOTTIME
        | CLOCK_BOOTTIME_ALARM => Ok(Clock::Mono),
        CLOCK_PROCESS_CPUTIME_ID => Ok(Clock::Process(task.process.clone())),
        CLOCK_THREAD_CPUTIME_ID => Ok(Clock::Thread(task.clone())),
        _ => Err(Errno::EINVAL),
    }
}

fn read(task: &Task, clock: &Clock) -> i64 {
    match clock {
        Clock::Real => task.kernel.clock.realtime(),
        Clock::Mono => task.kernel.clock.monotonic().0 as i64,
        Clock::Process(process) => {
            let usage = process.usage();
            (usage.user + usage.system) as i64
        }
        Clock::Thread(thread) => {
            let usage = thread.usage.get();
            (usage.user + usage.system) as i64
        }
    }
}

pub async fn clock_gettime(task: &Rc<Task>, a: &Args, width: TimeWidth) -> Result<u64> {
    let now = read(task, &clock(task, a.int(0))?);
    task.put_timespec(a.word(1), now, width).await?;
    Ok(0)
}

pub async fn clock_settime(task: &Rc<Task>, a: &Args, width: TimeWidth) -> Result<u64> {
    if a.int(0) != CLOCK_REALTIME {
        return Err(Errno::EINVAL);
    }
    if !task.cred().privileged() {
        return Err(Errno::EPERM);
    }
    let new = task.get_timespec(a.word(1), width).await?;
    task.kernel.clock.set_realtime(new);
    Ok(0)
}

pub async fn clock_getres(task: &Rc<Task>, a: &Args, width: TimeWidth) -> Result<u64> {
    clock(task, a.int(0))?;
    if a.word(1) != 0 {
        let coarse = [CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE].contains(&a.int(0));
        task.put_timespec(a.word(1), if coarse { 4_000_000 } else { 1 }, width).await?;
    }
    Ok(0)
}

pub async fn gettimeofday(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let now = task.kernel.clock.realtime();
    let (s, us) = (now.div_euclid(NSEC), now.rem_euclid(NSEC) / 1000);
    if a.word(0) != 0 {
        match task.arch() {
            Arch::I386 => task.put(a.word(0), &[s as i32, us as i32]).await?,
            Arch::X86_64 => task.put(a.word(0), &[s, us]).await?,
        }
    }
    task.put_if(a.word(1), &[0i32; 2]).await?;
    Ok(0)
}

pub async fn settimeofday(task: &Rc<Task>, a: &Args) -> Result<u64> {
    if !task.cred().privileged() {
        return Err(Errno::EPERM);
    }
    if a.word(0) != 0 {
        let (s, us) = get_timeval(task, a.word(0)).await?;
        task.kernel.clock.set_realtime(s.saturating_mul(NSEC).saturating_add(us * 1000));
    }
    Ok(0)
}

pub async fn time(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let seconds = task.kernel.clock.realtime().div_euclid(NSEC) as u64;
    if a.word(0) != 0 {
        task.put_word(a.word(0), seconds).await?;
    }
    Ok(seconds)
}

async fn sleep(task: &Rc<Task>, until: Monotonic, remainder: u64, wide: bool, absolute: bool) -> Result<u64> {
    let result = task.interruptible(task.kernel.clock.sleep_until(until)).await;
    if result.is_ok() {
        return Ok(0);
    }
    if absolute {
        return Err(Errno::ERESTARTNOHAND);
    }
    let width = if wide { TimeWidth::W64 } else { TimeWidth::W32 };
    if remainder != 0 {
        let left = until.0.saturating_sub(task.kernel.clock.monotonic().0);
        task.put_timespec(remainder, left as i64, width).await?;
    }
    task.restart.set(Some(Restart::Sleep { until, remainder, wide }));
    Err(Errno::ERESTART_RESTARTBLOCK)
}

pub async fn nanosleep(task: &Rc<Task>, a: &Args, width: TimeWidth) -> Result<u64> {
    let nanoseconds = task.get_timespec(a.word(0), width).await?;
    let until = task.kernel.clock.monotonic().after(nanoseconds as u64);
    sleep(task, until, a.word(1), width == TimeWidth::W64, false).await
}

pub async fn clock_nanosleep(task: &Rc<Task>, a: &Args, width: TimeWidth) -> Result<u64> {
    let id = a.int(0);
    let clock = clock(task, id)?;
    if id == CLOCK_THREAD_CPUTIME_ID {
        return Err(Errno::EINVAL);
    }
    let nanoseconds = task.get_timespec(a.word(2), width).await?;
    let absolute = a.uint(1) & 1 != 0;
    let kernel_clock = &task.kernel.clock;
    let until = match (absolute, clock) {
        (false, _) => kernel_clock.monotonic().after(nanoseconds as u64),
        (true, Clock::Real) => kernel_clock.when_realtime(nanoseconds),
        (true, _) => Monotonic(nanoseconds as u64),
    };
    sleep(task, until, a.word(3), width == TimeWidth::W64, absolute).await
}

/// `restart_syscall`: goes on with what a stop signal interrupted.
pub async fn restart_syscall(task: &Rc<Task>, _a: &Args) -> Result<u64> {
    match task.restart.take() {
        None => Err(Errno::EINTR),
        Some(Restart::Sleep { until, remainder, wide }) => sleep(task, until, remainder, wide, false).await,
        Some(Restart::Poll { fds, count, until }) => super::poll::poll_until(task, fds, count, until).await,
        Some(Restart::Futex { addr, value, mask, private, until }) => {
            futex::wait(task, addr, value, mask, private, Some(until), true).await
        }
    }
}

// Interval timers.

fn which(number: u32) -> Result<Which> {
    match number {
        0 => Ok(Which::Real),
        1 => Ok(Which::Virtual),
        2 => Ok(Which::Prof),
        _ => Err(Errno::EINVAL),
    }
}

async fn get_timeval(task: &Task, addr: u64) -> Result<(i64, i64)> {
    let [s, us] = match task.arch() {
        Arch::I386 => task.get::<[i32; 2]>(addr).await?.map(i64::from),
        Arch::X86_64 => task.get::<[i64; 2]>(addr).await?,
    };
    if s < 0 || !(0..1_000_000).contains(&us) { Err(Errno::EINVAL) } else { Ok((s, us)) }
}

async fn get_itimer(task: &Task, addr: u64) -> Result<Setting> {
    let step = 2 * task.arch().word_size() as u64;
    let nanoseconds =
        |(s, us): (i64, i64)| (s as u64).saturating_mul(NSEC as u64).saturating_add(us as u64 * 1000);
    let interval = nanoseconds(get_timeval(task, addr).await?);
    let value = nanoseconds(get_timeval(task, addr + step).await?);
    Ok(Setting { value, interval })
}

async fn put_itimer(task: &Task, addr: u64, setting: Setting) -> Result<()> {
    let parts = |nanoseconds: u64| {
        // Rounded up: a running timer never reads as zero.
        let us = nanoseconds.div_ceil(1000);
        [(us / 1_000_000) as i64, (us % 1_000_000) as i64]
    };
    let ([a, b], [c, d]) = (parts(setting.interval), parts(setting.value));
    match task.arch() {
        Arch::I386 => task.put(addr, &[a, b, c, d].map(|v| v as i32)).await,
        Arch::X86_64 => task.put(addr, &[a, b, c, d]).await,
    }
}

pub async fn getitimer(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let setting = task.process.timers.get(which(a.uint(0))?, task.kernel.clock.monotonic());
    put_itimer(task, a.word(1), setting).await?;
    Ok(0)
}

pub async fn setitimer(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let which = which(a.uint(0))?;
    let new = if a.word(1) == 0 { Setting::default() } else { get_itimer(task, a.word(1)).await? };
    let old = task.process.timers.set(&task.process, which, new);
    if a.word(2) != 0 {
        put_itimer(task, a.word(2), old).await?;
    }
    Ok(0)
}

pub async fn alarm(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let new = Setting { value: u64::from(a.uint(0)) * NSEC as u64, interval: 0 };
    let old = task.process.timers.set(&task.process, Which::Real, new);
    let second = NSEC as u64;
    // Rounded to the nearest second, but never down to "none" (alarm(2)).
    let rounded = (old.value + second / 2) / second;
    Ok(if old.value > 0 { rounded.max(1) } else { 0 })
}

// POSIX timers.

pub async fn timer_create(task: &Rc<Task>, a: &Args) -> Result<u64> {
    clock(task, a.int(0))?;
    let decode = |notify: i32, signo: i32, value: u64, thread: i32| match notify {
        SIGEV_NONE => Ok(Notify::None),
        SIGEV_SIGNAL | SIGEV_THREAD_ID => {
            let signal = u32::try_from(signo).ok().and_then(Signal::new).ok_or(Errno::EINVAL)?;
            let thread = (notify == SIGEV_THREAD_ID).then_some(thread);
            if let Some(tid) = thread
                && task.kernel.task(tid).is_none_or(|t| !Rc::ptr_eq(&t.process, &task.process))
            {
                return Err(Errno::EINVAL);
            }
            Ok(Notify::Signal { signal, value, thread })
        }
        _ => Err(Errno::EINVAL),
    };
    let asked = match (a.word(1), task.arch()) {
        (0, _) => None,
        (addr, Arch::I386) => {
            let e: SigeventI386 = task.get(addr).await?;
            Some(decode(e.sigev_notify, e.sigev_signo, e.sigev_value.into(), e.sigev_notify_thread_id)?)
        }
        (addr, Arch::X86_64) => {
            let e: SigeventX86_64 = task.get(addr).await?;
            Some(decode(e.sigev_notify, e.sigev_signo, e.sigev_value, e.sigev_notify_thread_id)?)
        }
    };
    let default = |id: i32| Notify::Signal { signal: Signal::ALRM, value: id as u64, thread: None };
    let id = task.process.timers.create(a.int(0) as u32, |id| asked.unwrap_or_else(|| default(id)));
    task.put(a.word(2), &id).await?;
    Ok(0)
}

async fn put_setting(task: &Task, addr: u64, setting: Setting, width: TimeWidth) -> Result<()> {
    let step = if width == TimeWidth::W32 { 8 } else { 16 };
    task.put_timespec(addr, setting.interval as i64, width).await?;
    task.put_timespec(addr + step, setting.value as i64, width).await
}

pub async fn timer_settime(task: &Rc<Task>, a: &Args, width: TimeWidth) -> Result<u64> {
    let timer = task.process.timers.posix(a.int(0)).ok_or(Errno::EINVAL)?;
    let step = if width == TimeWidth::W32 { 8 } else { 16 };
    let interval = task.get_timespec(a.word(2), width).await?;
    let value = task.get_timespec(a.word(2) + step, width).await?;
    let kernel_clock = &task.kernel.clock;
    let old = timer.setting(kernel_clock.monotonic());
    let due = match (value, a.uint(1) & 1 != 0) {
        (0, _) => None,
        (value, true) if timer.clock as i32 == CLOCK_REALTIME => Some(kernel_clock.when_realtime(value)),
        (value, true) => Some(Monotonic(value as u64)),
        (value, false) => Some(kernel_clock.monotonic().after(value as u64)),
    };
    timer.arm(&task.process, a.int(0), due, interval as u64);
    if a.word(3) != 0 {
        put_setting(task, a.word(3), old, width).await?;
    }
    Ok(0)
}

pub async fn timer_gettime(task: &Rc<Task>, a: &Args, width: TimeWidth) -> Result<u64> {
    let timer = task.process.timers.posix(a.int(0)).ok_or(Errno::EINVAL)?;
    put_setting(task, a.word(1), timer.setting(task.kernel.clock.monotonic()), width).await?;
    Ok(0)
}

pub async fn timer_getoverrun(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let timer = task.process.timers.posix(a.int(0)).ok_or(Errno::EINVAL)?;
    Ok(u64::from(timer.overrun.get()))
}

pub async fn timer_delete(task: &Rc<Task>, a: &Args) -> Result<u64> {
    if task.process.timers.delete(a.int(0)) { Ok(0) } else { Err(Errno::EINVAL) }
}

// Futexes.

pub async fn futex(task: &Rc<Task>, a: &Args, width: TimeWidth) -> Result<u64> {
    let (addr, op, value) = (a.word(0), a.uint(1), a.uint(2));
    let private = op & f::FUTEX_PRIVATE_FLAG != 0;
    let realtime = op & f::FUTEX_CLOCK_REALTIME != 0;
    let command = op & !(f::FUTEX_PRIVATE_FLAG | f::FUTEX_CLOCK_REALTIME);
    if addr % 4 != 0 {
        return Err(Errno::EINVAL);
    }
    let (addr2, value3) = (a.word(4), a.uint(5));
    let key = || futex::key_of(task, addr, private);
    match command {
        f::FUTEX_WAIT | f::FUTEX_WAIT_BITSET => {
            let bitset = command == f::FUTEX_WAIT_BITSET;
            let deadline = if a.word(3) == 0 {
                None
            } else {
                let given = task.get_timespec(a.word(3), width).await?;
                let clock = &task.kernel.clock;
                // FUTEX_WAIT counts from now, FUTEX_WAIT_BITSET names a moment (futex(2)).
                Some(match (bitset, realtime) {
                    (false, _) => clock.monotonic().after(given as u64),
                    (true, true) => clock.when_realtime(given),
                    (true, false) => Monotonic(given as u64),
                })
            };
            let mask = if bitset { value3 } else { f::FUTEX_BITSET_MATCH_ANY };
            futex::wait(task, addr, value, mask, private, deadline, !bitset).await
        }
        f::FUTEX_WAKE => {
            task.get::<u32>(addr).await?;
            Ok(u64::from(futex::wake(task, addr, value.max(1), u32::MAX, private)))
        }
        f::FUTEX_WAKE_BITSET if value3 == 0 => Err(Errno::EINVAL),
        f::FUTEX_WAKE_BITSET => Ok(u64::from(futex::wake(task, addr, value, value3, private))),
        f::FUTEX_REQUEUE | f::FUTEX_CMP_REQUEUE => {
            if value as i32 | a.int(3) < 0 {
                return Err(Errno::EINVAL);
            }
            if command == f::FUTEX_CMP_REQUEUE && task.get::<u32>(addr).await? != value3 {
                return Err(Errno::EAGAIN);
            }
            let to = futex::key_of(task, addr2, private);
            let (woken, moved) = task.kernel.futexes.requeue(key(), to, value, a.uint(3));
            // futex(2) tells of the woken alone for FUTEX_REQUEUE; Linux counts both for both.
            Ok(u64::from(woken + moved))
        }
        f::FUTEX_WAKE_OP => wake_op(task, a, private).await,
        f::FUTEX_LOCK_PI | f::FUTEX_LOCK_PI2 => {
            let deadline = if a.word(3) == 0 {
                None
            } else {
                let given = task.get_timespec(a.word(3), width).await?;
                // A moment: of the real-time clock for the older of the two (futex(2)).
                let real = command == f::FUTEX_LOCK_PI || realtime;
                Some(if real { task.kernel.clock.when_realtime(given) } else { Monotonic(given as u64) })
            };
            futex::lock_pi(task, addr, private, futex::Held::Wait(deadline)).await
        }
        f::FUTEX_TRYLOCK_PI => futex::lock_pi(task, addr, private, futex::Held::Refuse).await,
        f::FUTEX_UNLOCK_PI => futex::unlock_pi(task, addr, private).await,
        // Condition variables do without FUTEX_WAIT_REQUEUE_PI since glibc 2.25.
        _ => Err(Errno::ENOSYS),
    }
}

/// `FUTEX_WAKE_OP`: changes a second word and wakes its waiters depending on what it held.
async fn wake_op(task: &Rc<Task>, a: &Args, private: bool) -> Result<u64> {
    let (addr2, encoded) = (a.word(4), a.uint(5));
    let sign_extend = |v: u32| ((v << 20) as i32 >> 20) as u32;
    let (op, compare) = (encoded >> 28 & 7, encoded >> 24 & 15);
    let (mut argument, reference) = (sign_extend(encoded >> 12 & 0xfff), sign_extend(encoded & 0xfff));
    if encoded >> 31 != 0 {
        argument = 1u32.wrapping_shl(argument);
    }
    let old: u32 = task.get(addr2).await?;
    let new = match op {
        f::FUTEX_OP_SET => argument,
        f::FUTEX_OP_ADD => old.wrapping_add(argument),
        f::FUTEX_OP_OR => old | argument,
        f::FUTEX_OP_ANDN => old & !argument,
        4 => old ^ argument,
        _ => return Err(Errno::ENOSYS),
    };
    task.put(addr2, &new).await?;
    let mut woken = futex::wake(task, a.word(0), a.uint(2), u32::MAX, private);
    let (old, reference) = (old as i32, reference as i32);
    let holds = match compare {
        0 => old == reference,
        1 => old != reference,
        2 => old < reference,
        3 => old <= reference,
        4 => old > reference,
        5 => old >= reference,
        _ => return Err(Errno::ENOSYS),
    };
    if holds {
        woken += futex::wake(task, addr2, a.uint(3), u32::MAX, private);
    }
    Ok(u64::from(woken))
}
