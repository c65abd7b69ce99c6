//! Timers that are read (timerfd_create(2)).
//!
//! One job per descriptor sleeps until the timer is due and wakes whoever waits; setting the timer wakes the job.

use crate::file::{Blocking, FileOps, Io, OpenFile, Ready, Result, open_flags};
use crate::kernel::Kernel;
use crate::time::Monotonic;
use crate::timers::Setting;
use crate::wait::WaitQueue;
use async_trait::async_trait;
use linux_abi::Errno;
use std::any::Any;
use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use vfs::FileType;

/// What timer and job share.
#[derive(Debug, Default)]
struct Core {
    due: Cell<Option<Monotonic>>,
    /// Nanoseconds; 0 fires once.
    interval: Cell<u64>,
    /// Expirations not yet read.
    ticks: Cell<u64>,
    /// The job runs (it starts with the first setting).
    running: Cell<bool>,
    closed: Cell<bool>,
    /// Tells the job that the setting changed.
    rearmed: WaitQueue,
    /// Tells readers that the timer expired.
    expired: WaitQueue,
}

impl Core {
    /// Sets the timer to expire so many nanoseconds from now. A moment that is past, perhaps from before the machine
    /// was made, counts the periods since.
    fn start(&self, now: Monotonic, ahead: Option<i128>, interval: u64) {
        self.ticks.set(0);
        self.interval.set(interval);
        self.due.set(None);
        let Some(ahead) = ahead else { return };
        if ahead > 0 {
            self.due.set(Some(now.after(u64::try_from(ahead).unwrap_or(u64::MAX))));
            return;
        }
        let late = u64::try_from(-ahead).unwrap_or(u64::MAX);
        self.due.set((interval > 0).then(|| now.after(interval - late % interval)));
        self.ticks.set(late.checked_div(interval).unwrap_or(0).saturating_add(1));
        self.expired.wake_all();
    }

    /// Counts the expirations until now and steps to the next.
    fn expire(&self, now: Monotonic) {
        let Some(due) = self.due.get().filter(|due| *due <= now) else { return };
        let interval = self.interval.get();
        let periods = match (now.0 - due.0).checked_div(interval) {
            Some(missed) => {
                let periods = missed.saturating_add(1);
                self.due.set(Some(due.after(periods.saturating_mul(interval))));
                periods
            }
            None => {
                self.due.set(None);
                1
            }
        };
        self.ticks.set(self.ticks.get().saturating_add(periods));
        self.expired.wake_all();
    }
}

/// The clock a timer counts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerClock {
    /// `CLOCK_REALTIME` and its alarm.
    Real,
    /// `CLOCK_MONOTONIC`, `CLOCK_BOOTTIME` and its alarm: the machine never sleeps.
    Monotonic,
}

/// When a timer is to expire first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Never: the timer is disarmed.
    Disarm,
    /// After nanoseconds.
    After(u64),
    /// When its clock shows this many nanoseconds (`TFD_TIMER_ABSTIME`).
    At(i64),
}

/// A timer behind a descriptor.
#[derive(Debug)]
pub struct TimerFd {
    clock: TimerClock,
    core: Rc<Core>,
}

impl TimerFd {
    /// An open, disarmed timer.
    pub fn open(kernel: &Kernel, clock: TimerClock, nonblock: u32) -> Rc<OpenFile> {
        let timer = TimerFd { clock, core: Rc::default() };
        let path = kernel.anonymous_path("anon_inode:[timerfd]", FileType::Regular);
        OpenFile::new(Rc::new(timer), open_flags::RDWR | nonblock & open_flags::NONBLOCK, path)
    }

    /// Time left and period.
    pub fn setting(&self, kernel: &Kernel) -> Setting {
        let now = kernel.clock.monotonic();
        self.core.expire(now);
        let value = self.core.due.get().map_or(0, |due| due.0.saturating_sub(now.0).max(1));
        Setting { value, interval: self.core.interval.get() }
    }

    /// Sets the timer and forgets expirations not read; gives the old setting.
    pub fn set(&self, kernel: &Rc<Kernel>, start: Start, interval: u64) -> Setting {
        let old = self.setting(kernel);
        let now = kernel.clock.monotonic();
        let ahead = match (start, self.clock) {
            (Start::Disarm, _) => None,
            (Start::After(nanoseconds), _) => Some(i128::from(nanoseconds)),
            (Start::At(at), TimerClock::Monotonic) => Some(i128::from(at) - i128::from(now.0)),
            (Start::At(at), TimerClock::Real) => Some(i128::from(at) - i128::from(kernel.clock.realtime())),
        };
        self.core.start(now, ahead, interval);
        if self.core.due.get().is_some() && !self.core.running.replace(true) {
            kernel.spawn(run(Rc::downgrade(kernel), self.core.clone()));
        }
        self.core.rearmed.wake_all();
        old
    }

    fn take(&self) -> Option<u64> {
        match self.core.ticks.take() {
            0 => None,
            ticks => Some(ticks),
        }
    }
}

impl Drop for TimerFd {
    fn drop(&mut self) {
        self.core.closed.set(true);
        self.core.rearmed.wake_all();
    }
}

async fn run(kernel: std::rc::Weak<Kernel>, core: Rc<Core>) {
    while !core.closed.get() {
        let Some(kernel) = kernel.upgrade() else { return };
        core.expire(kernel.clock.monotonic());
        let mut rearmed = pin!(core.rearmed.wait());
        let Some(due) = core.due.get() else {
            drop(kernel);
            rearmed.await;
            continue;
        };
        let mut sleep = pin!(kernel.clock.sleep_until(due));
        std::future::poll_fn(|cx| match rearmed.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => sleep.as_mut().poll(cx),
        })
        .await;
    }
}

#[async_trait(?Send)]
impl FileOps for TimerFd {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn ignores_seek(&self) -> bool {
        true
    }

    async fn read(&self, io: Io<'_>, buf: &mut [u8]) -> Result<usize> {
        let out = buf.first_chunk_mut::<8>().ok_or(Errno::EINVAL)?;
        self.core.expire(io.task.kernel.clock.monotonic());
        let ticks = match (self.take(), io.blocking) {
            (Some(ticks), _) => ticks,
            (None, Blocking::Never) => return Err(Errno::EAGAIN),
            (None, Blocking::Wait) => io.task.wait_until(&self.core.expired, || self.take()).await?,
        };
        *out = ticks.to_le_bytes();
        Ok(8)
    }

    fn ready(&self) -> Ready {
        Ready::when(self.core.ticks.get() > 0, false)
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.core.expired)
    }

    fn fdinfo(&self) -> String {
        let clock = match self.clock {
            TimerClock::Real => linux_abi::time::CLOCK_REALTIME,
            TimerClock::Monotonic => linux_abi::time::CLOCK_MONOTONIC,
        };
        format!("clockid: {clock}\nticks: {}\n", self.core.ticks.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expirations_are_counted() {
        // due, interval, now -> ticks, next due
        const CASES: &[(u64, u64, u64, u64, Option<u64>)] = &[
            (100, 0, 99, 0, Some(100)),
            (100, 0, 100, 1, None),
            (100, 10, 100, 1, Some(110)),
            (100, 10, 109, 1, Some(110)),
            (100, 10, 110, 2, Some(120)),
            (0, 1, u64::MAX, u64::MAX, Some(u64::MAX)),
        ];
        for (due, interval, now, ticks, next) in CASES {
            let core = Core::default();
            core.due.set(Some(Monotonic(*due)));
            core.interval.set(*interval);
            core.expire(Monotonic(*now));
            assert_eq!(
                (core.ticks.get(), core.due.get().map(|d| d.0)),
                (*ticks, *next),
                "{due} {interval} {now}"
            );
        }
    }
}
