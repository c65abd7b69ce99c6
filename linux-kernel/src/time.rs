//! Time as the kernel knows it: what the host said last, and what waits for a later moment.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use vfs::Timestamp;

/// Nanoseconds since the machine was made (`CLOCK_MONOTONIC`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Monotonic(pub u64);

impl Monotonic {
    /// This moment plus a duration in nanoseconds; saturates at "never".
    pub fn after(self, nanoseconds: u64) -> Monotonic {
        Monotonic(self.0.saturating_add(nanoseconds))
    }
}

/// The two clocks, as the host gives them with every turn.
#[derive(Clone, Copy, Debug, Default)]
pub struct Now {
    /// Since the machine was made.
    pub monotonic: Monotonic,
    /// Nanoseconds since the Unix epoch.
    pub realtime: i64,
}

#[derive(Debug, Default)]
struct Sleeper {
    fired: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// Clock and timers of one kernel.
#[derive(Debug, Default)]
pub struct Clock {
    now: Cell<Now>,
    /// What real time is ahead of monotonic time, as the host last said it.
    ahead: Cell<i64>,
    /// What `clock_settime` added to the host's real time, in nanoseconds.
    offset: Cell<i64>,
    sleepers: RefCell<BTreeMap<(Monotonic, u64), Rc<Sleeper>>>,
    next: Cell<u64>,
}

impl Clock {
    /// Takes the host's time and fires what is due. Time never runs backwards.
    pub(crate) fn advance(&self, now: Now) {
        self.ahead.set(now.realtime.wrapping_sub(now.monotonic.0 as i64));
        let monotonic = now.monotonic.max(self.now.get().monotonic);
        self.set(monotonic);
        loop {
            let due = {
                let mut sleepers = self.sleepers.borrow_mut();
                match sleepers.first_key_value() {
                    Some((key, _)) if key.0 <= monotonic => sleepers.pop_first(),
                    _ => None,
                }
            };
            let Some((_, sleeper)) = due else { break };
            sleeper.fired.set(true);
            if let Some(waker) = sleeper.waker.take() {
                waker.wake();
            }
        }
    }

    fn set(&self, monotonic: Monotonic) {
        // Both clocks go together, so that neither runs backwards when the host's time is behind ours.
        self.now.set(Now { monotonic, realtime: self.ahead.get().wrapping_add(monotonic.0 as i64) });
    }

    /// Lets a little time pass between two times of the host, so that a program that measures itself sees its clock
    /// move. `instructions` were run since the last call; what that took is guessed low, lest our clock run ahead: each element of a string instruction
    /// is one, and hosts fill memory with more than a hundred bytes a nanosecond.
    pub(crate) fn creep(&self, instructions: u64) {
        const INSTRUCTIONS_PER_NANOSECOND: u64 = 256;
        const SYSTEM_CALL: u64 = 20;
        self.set(self.now.get().monotonic.after(instructions / INSTRUCTIONS_PER_NANOSECOND + SYSTEM_CALL));
    }

    /// `CLOCK_MONOTONIC`.
    pub fn monotonic(&self) -> Monotonic {
        self.now.get().monotonic
    }

    /// `CLOCK_REALTIME` in nanoseconds since the epoch.
    pub fn realtime(&self) -> i64 {
        self.now.get().realtime.wrapping_add(self.offset.get())
    }

    /// Sets `CLOCK_REALTIME`.
    pub fn set_realtime(&self, nanoseconds: i64) {
        self.offset.set(nanoseconds.wrapping_sub(self.now.get().realtime));
    }

    /// The moment on the monotonic clock at which the real-time clock will show this.
    pub fn when_realtime(&self, nanoseconds: i64) -> Monotonic {
        let ahead = nanoseconds.saturating_sub(self.realtime()).max(0);
        self.monotonic().after(ahead as u64)
    }

    /// `CLOCK_REALTIME` as file systems store it.
    pub fn timestamp(&self) -> Timestamp {
        let now = self.realtime();
        Timestamp {
            seconds: now.div_euclid(1_000_000_000),
            nanoseconds: now.rem_euclid(1_000_000_000) as u32,
        }
    }

    /// When the next sleeper is due.
    pub(crate) fn next_deadline(&self) -> Option<Monotonic> {
        self.sleepers.borrow().first_key_value().map(|(key, _)| key.0)
    }

    /// Waits for a moment.
    pub fn sleep_until(&self, deadline: Monotonic) -> Sleep<'_> {
        Sleep { clock: self, deadline, entry: None }
    }
}

/// Future of [`Clock::sleep_until`].
#[derive(Debug)]
pub struct Sleep<'a> {
    clock: &'a Clock,
    deadline: Monotonic,
    entry: Option<(u64, Rc<Sleeper>)>,
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.clock.monotonic() >= self.deadline {
            return Poll::Ready(());
        }
        if self.entry.is_none() && self.deadline.0 != u64::MAX {
            let number = self.clock.next.replace(self.clock.next.get() + 1);
            let sleeper = Rc::new(Sleeper::default());
            self.clock.sleepers.borrow_mut().insert((self.deadline, number), sleeper.clone());
            self.entry = Some((number, sleeper));
        }
        match &self.entry {
            Some((_, sleeper)) if sleeper.fired.get() => return Poll::Ready(()),
            Some((_, sleeper)) => *sleeper.waker.borrow_mut() = Some(cx.waker().clone()),
            None => {}
        }
        Poll::Pending
    }
}

impl Drop for Sleep<'_> {
    fn drop(&mut self) {
        if let Some((number, _)) = self.entry.take() {
            self.clock.sleepers.borrow_mut().remove(&(self.deadline, number));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Clock, Monotonic};

    #[test]
    fn the_clock_moves_but_is_not_ahead_of_what_fills_memory() {
        let clock = Clock::default();
        clock.creep(0);
        let before = clock.monotonic();
        assert!(before > Monotonic(0));
        // A megabyte by `rep stosb`, at 150 bytes a nanosecond.
        clock.creep(1 << 20);
        assert!(clock.monotonic() > before && clock.monotonic() < before.after((1 << 20) / 150));
    }
}
