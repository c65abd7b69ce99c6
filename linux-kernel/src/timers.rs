//! Interval timers and POSIX timers of a process: `setitimer`, `alarm`, `timer_create`.

use crate::signal::Signal;
use crate::signal::send::{self, Origin};
use crate::task::{Pid, Process};
use crate::time::Monotonic;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

/// Which interval timer (sys/time.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// `ITIMER_REAL`, SIGALRM.
    Real,
    /// `ITIMER_VIRTUAL`, SIGVTALRM.
    Virtual,
    /// `ITIMER_PROF`, SIGPROF.
    Prof,
}

/// State of a timer: nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    /// Until the next expiry; 0 is disarmed.
    pub value: u64,
    /// Period; 0 fires once.
    pub interval: u64,
}

/// What a POSIX timer does when it expires.
#[derive(Clone, Copy, Debug)]
pub enum Notify {
    /// `SIGEV_NONE`.
    None,
    /// A signal with a value, to the process or one thread (`SIGEV_THREAD_ID`).
    Signal {
        /// Which.
        signal: Signal,
        /// `sigev_value`.
        value: u64,
        /// Thread, if to one.
        thread: Option<Pid>,
    },
}

/// A timer made by `timer_create`.
#[derive(Debug)]
pub struct PosixTimer {
    /// Clock it counts on.
    pub clock: u32,
    /// What it does.
    pub notify: Notify,
    /// Expiries since the last signal that were not delivered.
    pub overrun: Cell<u32>,
    armed: Armed,
}

#[derive(Debug, Default)]
struct Armed {
    /// Stale sleepers see another generation and end.
    generation: Cell<u64>,
    due: Cell<Option<Monotonic>>,
    interval: Cell<u64>,
}

impl Armed {
    fn setting(&self, now: Monotonic) -> Setting {
        match self.due.get() {
            // A timer due this instant has not fired yet: it must not read as disarmed.
            Some(due) => Setting { value: due.0.saturating_sub(now.0).max(1), interval: self.interval.get() },
            None => Setting { value: 0, interval: self.interval.get() },
        }
    }

    fn arm(&self, due: Option<Monotonic>, interval: u64) -> u64 {
        self.due.set(due);
        self.interval.set(interval);
        self.generation.set(self.generation.get() + 1);
        self.generation.get()
    }

    /// Steps to the next period; gives the number of periods that passed (at least one).
    fn advance(&self, now: Monotonic) -> u64 {
        let (Some(due), interval) = (self.due.get(), self.interval.get()) else { return 0 };
        if interval == 0 {
            self.due.set(None);
            return 1;
        }
        let periods = now.0.saturating_sub(due.0) / interval + 1;
        self.due.set(Some(due.after(periods.saturating_mul(interval))));
        periods
    }
}

/// All timers of one process.
#[derive(Debug, Default)]
pub struct ProcessTimers {
    real: Armed,
    cpu: [Cell<Setting>; 2],
    posix: RefCell<BTreeMap<i32, Rc<PosixTimer>>>,
}

impl ProcessTimers {
    /// Reads an interval timer.
    pub fn get(&self, which: Which, now: Monotonic) -> Setting {
        match which {
            Which::Real => self.real.setting(now),
            Which::Virtual => self.cpu[0].get(),
            Which::Prof => self.cpu[1].get(),
        }
    }

    /// Sets an interval timer and gives the old setting.
    pub fn set(&self, process: &Rc<Process>, which: Which, setting: Setting) -> Setting {
        let now = process.kernel.clock.monotonic();
        let old = self.get(which, now);
        match which {
            Which::Virtual => self.cpu[0].set(setting),
            Which::Prof => self.cpu[1].set(setting),
            Which::Real => {
                let due = (setting.value > 0).then(|| now.after(setting.value));
                let generation = self.real.arm(due, setting.interval);
                if due.is_some() {
                    process.kernel.spawn(run_real(Rc::downgrade(process), generation));
                }
            }
        }
        old
    }

    /// Counts CPU time against the CPU timers.
    pub(crate) fn charge(&self, process: &Rc<Process>, nanoseconds: u64) {
        for (timer, signal) in self.cpu.iter().zip([Signal::VTALRM, Signal::PROF]) {
            let setting = timer.get();
            if setting.value == 0 {
                continue;
            }
            if setting.value > nanoseconds {
                timer.set(Setting { value: setting.value - nanoseconds, ..setting });
            } else {
                timer.set(Setting { value: setting.interval, ..setting });
                send::to_process(process, signal, Origin::Kernel);
            }
        }
    }

    /// Makes a POSIX timer; gives its id.
    pub fn create(&self, clock: u32, notify: impl FnOnce(i32) -> Notify) -> i32 {
        let mut posix = self.posix.borrow_mut();
        let id = (0..).find(|id| !posix.contains_key(id)).unwrap_or(0);
        let timer = PosixTimer { clock, notify: notify(id), overrun: Cell::new(0), armed: Armed::default() };
        posix.insert(id, Rc::new(timer));
        id
    }

    /// A POSIX timer by id.
    pub fn posix(&self, id: i32) -> Option<Rc<PosixTimer>> {
        self.posix.borrow().get(&id).cloned()
    }

    /// Deletes one; false where there is none.
    pub fn delete(&self, id: i32) -> bool {
        let timer = self.posix.borrow_mut().remove(&id);
        timer.inspect(|timer| _ = timer.armed.arm(None, 0)).is_some()
    }

    /// Deletes all (`execve`, exit).
    pub fn clear_posix(&self) {
        let timers = std::mem::take(&mut *self.posix.borrow_mut());
        timers.values().for_each(|timer| _ = timer.armed.arm(None, 0));
    }

    /// Disarms everything (exit).
    pub fn clear(&self) {
        self.real.arm(None, 0);
        self.cpu.iter().for_each(|timer| timer.set(Setting::default()));
        self.clear_posix();
    }
}

impl PosixTimer {
    /// Time left and period.
    pub fn setting(&self, now: Monotonic) -> Setting {
        self.armed.setting(now)
    }

    /// Arms (or with none disarms) the timer.
    pub fn arm(self: &Rc<Self>, process: &Rc<Process>, id: i32, due: Option<Monotonic>, interval: u64) {
        let generation = self.armed.arm(due, interval);
        self.overrun.set(0);
        if due.is_some() {
            process.kernel.spawn(run_posix(Rc::downgrade(process), Rc::downgrade(self), id, generation));
        }
    }
}

async fn run_real(process: Weak<Process>, generation: u64) {
    loop {
        let Some(strong) = process.upgrade() else { return };
        let Some(due) = strong.timers.real.due.get() else { return };
        let kernel = strong.kernel.clone();
        drop(strong);
        kernel.clock.sleep_until(due).await;
        let Some(strong) = process.upgrade() else { return };
        if strong.timers.real.generation.get() != generation || strong.zombie.get() {
            return;
        }
        strong.timers.real.advance(kernel.clock.monotonic());
        send::to_process(&strong, Signal::ALRM, Origin::Kernel);
    }
}

async fn run_posix(process: Weak<Process>, timer: Weak<PosixTimer>, id: i32, generation: u64) {
    loop {
        let (Some(strong), Some(armed)) = (process.upgrade(), timer.upgrade()) else { return };
        let Some(due) = armed.armed.due.get() else { return };
        let kernel = strong.kernel.clone();
        drop((strong, armed));
        kernel.clock.sleep_until(due).await;
        let (Some(strong), Some(timer)) = (process.upgrade(), timer.upgrade()) else { return };
        if timer.armed.generation.get() != generation || strong.zombie.get() {
            return;
        }
        let periods = timer.armed.advance(kernel.clock.monotonic());
        let periods = periods.min(i32::MAX as u64) as i32;
        if let Notify::Signal { signal, value, thread } = timer.notify {
            let task = thread.and_then(|tid| kernel.task(tid));
            let pending = task.as_ref().map_or(&strong.pending, |task| &task.pending);
            if let Some(overrun) = pending.add_overrun(id, periods) {
                timer.overrun.set(overrun as u32);
                continue;
            }
            timer.overrun.set(periods.saturating_sub(1) as u32);
            let origin = Origin::Timer { id, overrun: timer.overrun.get(), value };
            match task {
                Some(task) => send::to_task(&task, signal, origin),
                None => send::to_process(&strong, signal, origin),
            }
        }
    }
}
