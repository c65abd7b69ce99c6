//! Signals: numbers, sets, dispositions, what is pending and for whom (signal(7)).

pub mod deliver;
mod fpstate;
pub mod frame32;
pub mod frame64;
pub mod send;

use crate::task::{Arch, Task};
use linux_abi::siginfo::{SigFields, SigInfo};
use linux_abi::signal::SsFlags;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;

/// A signal number, 1 to 64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(u8);

#[allow(missing_docs)]
impl Signal {
    pub const HUP: Signal = Signal(1);
    pub const INT: Signal = Signal(2);
    pub const QUIT: Signal = Signal(3);
    pub const ILL: Signal = Signal(4);
    pub const TRAP: Signal = Signal(5);
    pub const ABRT: Signal = Signal(6);
    pub const BUS: Signal = Signal(7);
    pub const FPE: Signal = Signal(8);
    pub const KILL: Signal = Signal(9);
    pub const SEGV: Signal = Signal(11);
    pub const PIPE: Signal = Signal(13);
    pub const ALRM: Signal = Signal(14);
    pub const CHLD: Signal = Signal(17);
    pub const CONT: Signal = Signal(18);
    pub const STOP: Signal = Signal(19);
    pub const TSTP: Signal = Signal(20);
    pub const TTIN: Signal = Signal(21);
    pub const TTOU: Signal = Signal(22);
    pub const URG: Signal = Signal(23);
    pub const XCPU: Signal = Signal(24);
    pub const XFSZ: Signal = Signal(25);
    pub const VTALRM: Signal = Signal(26);
    pub const PROF: Signal = Signal(27);
    pub const WINCH: Signal = Signal(28);
    pub const IO: Signal = Signal(29);
    pub const SYS: Signal = Signal(31);
    /// First real-time signal of the kernel.
    pub const RTMIN: Signal = Signal(32);

    /// From a number; 0 and numbers above 64 are none.
    pub const fn new(number: u32) -> Option<Signal> {
        if number >= 1 && number <= 64 { Some(Signal(number as u8)) } else { None }
    }

    pub const fn number(self) -> u32 {
        self.0 as u32
    }

    /// Queued one by one instead of merged.
    pub const fn is_realtime(self) -> bool {
        self.0 >= Signal::RTMIN.0
    }

    const fn index(self) -> usize {
        self.0 as usize - 1
    }

    /// What happens where no handler is set.
    pub fn default_action(self) -> DefaultAction {
        match self {
            Signal::CHLD | Signal::URG | Signal::WINCH => DefaultAction::Ignore,
            Signal::CONT => DefaultAction::Continue,
            Signal::STOP | Signal::TSTP | Signal::TTIN | Signal::TTOU => DefaultAction::Stop,
            Signal::QUIT
            | Signal::ILL
            | Signal::TRAP
            | Signal::ABRT
            | Signal::BUS
            | Signal::FPE
            | Signal::SEGV
            | Signal::XCPU
            | Signal::XFSZ
            | Signal::SYS => DefaultAction::Core,
            _ => DefaultAction::Terminate,
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 31] = [
            "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
            "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU",
            "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
        ];
        match NAMES.get(self.index()) {
            Some(name) => write!(f, "SIG{name}"),
            None => write!(f, "SIGRT_{}", self.0 - Signal::RTMIN.0),
        }
    }
}

/// Default actions of signal(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultAction {
    /// End the process.
    Terminate,
    /// End it, and say that a core would have been dumped.
    Core,
    /// Nothing.
    Ignore,
    /// Stop it.
    Stop,
    /// Continue it if stopped.
    Continue,
}

/// A set of signals; bit 0 is signal 1, as in `sigset_t`.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct SigSet(pub u64);

impl SigSet {
    /// SIGKILL and SIGSTOP, which nobody blocks.
    pub const UNBLOCKABLE: SigSet = SigSet(1 << 8 | 1 << 18);

    /// Just one signal.
    pub const fn of(signal: Signal) -> SigSet {
        SigSet(1 << signal.index())
    }

    /// Whether a signal is in it.
    pub const fn has(self, signal: Signal) -> bool {
        self.0 >> signal.index() & 1 != 0
    }

    /// Both together.
    #[must_use]
    pub const fn with(self, other: SigSet) -> SigSet {
        SigSet(self.0 | other.0)
    }

    /// This without the other.
    #[must_use]
    pub const fn without(self, other: SigSet) -> SigSet {
        SigSet(self.0 & !other.0)
    }
}

/// A disposition, as `rt_sigaction` sets it. `handler` 0 is the default action, 1 ignores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Action {
    /// Guest address of the handler, `SIG_DFL` (0) or `SIG_IGN` (1).
    pub handler: u64,
    /// `SA_*`.
    pub flags: u32,
    /// Guest address of the return trampoline where `SA_RESTORER` is set.
    pub restorer: u64,
    /// Blocked while the handler runs.
    pub mask: SigSet,
    /// Table of the call that set it, which decides on the handler's frame and width (`SA_IA32_ABI` of
    /// asm/sighandling.h).
    pub abi: Arch,
}

impl Action {
    /// `SIG_DFL`.
    pub const fn is_default(&self) -> bool {
        self.handler == 0
    }

    /// `SIG_IGN`.
    pub const fn is_ignore(&self) -> bool {
        self.handler == 1
    }
}

/// The dispositions of a process (shared with `CLONE_SIGHAND`).
#[derive(Debug)]
pub struct Actions(RefCell<[Action; 64]>);

impl Default for Actions {
    fn default() -> Actions {
        Actions(RefCell::new([Action::default(); 64]))
    }
}

impl Actions {
    /// The disposition of a signal.
    pub fn get(&self, signal: Signal) -> Action {
        self.0.borrow()[signal.index()]
    }

    /// Changes a disposition and gives back the old one.
    pub fn set(&self, signal: Signal, action: Action) -> Action {
        std::mem::replace(&mut self.0.borrow_mut()[signal.index()], action)
    }

    /// A copy of its own (`fork`).
    pub fn duplicate(&self) -> Actions {
        Actions(RefCell::new(*self.0.borrow()))
    }

    /// What `execve` leaves: handlers become default, ignored stay ignored.
    pub fn after_exec(&self) -> Actions {
        let keep = |action: Action| {
            if action.is_ignore() { Action { handler: 1, ..Action::default() } } else { Action::default() }
        };
        Actions(RefCell::new(self.0.borrow().map(keep)))
    }

    /// Whether sending the signal would do nothing.
    pub fn ignores(&self, signal: Signal) -> bool {
        let action = self.get(signal);
        action.is_ignore() || (action.is_default() && signal.default_action() == DefaultAction::Ignore)
    }
}

/// A signal on its way, with what its handler will be told.
#[derive(Clone, Debug)]
pub struct Queued {
    /// Which.
    pub signal: Signal,
    /// Its `siginfo_t`.
    pub info: SigInfo,
}

/// Signals sent and not yet taken, of one thread or of a whole process.
#[derive(Debug, Default)]
pub struct Pending {
    set: Cell<SigSet>,
    queue: RefCell<VecDeque<Queued>>,
}

impl Pending {
    /// Which are pending.
    pub fn set(&self) -> SigSet {
        self.set.get()
    }

    /// Adds a signal. A standard signal already pending is merged into the first.
    pub fn push(&self, queued: Queued) {
        let signal = queued.signal;
        if self.set.get().has(signal) && !signal.is_realtime() {
            return;
        }
        self.set.set(self.set.get().with(SigSet::of(signal)));
        self.queue.borrow_mut().push_back(queued);
    }

    /// Takes the next signal among `wanted`: the lowest number first, which puts faults and KILL before the rest.
    pub fn take(&self, wanted: SigSet) -> Option<Queued> {
        let candidates = self.set.get().0 & wanted.0;
        if candidates == 0 {
            return None;
        }
        // Synchronous faults first, as the kernel does, so that their frame shows the faulting instruction.
        const SYNCHRONOUS: u64 = 1 << 10 | 1 << 6 | 1 << 3 | 1 << 4 | 1 << 7 | 1 << 30;
        let first = if candidates & SYNCHRONOUS != 0 { candidates & SYNCHRONOUS } else { candidates };
        let signal = Signal::new(first.trailing_zeros() + 1)?;
        let mut queue = self.queue.borrow_mut();
        let at = queue.iter().position(|queued| queued.signal == signal)?;
        let taken = queue.remove(at);
        if !queue.iter().any(|queued| queued.signal == signal) {
            self.set.set(self.set.get().without(SigSet::of(signal)));
        }
        taken
    }

    /// Counts more expirations of a timer whose signal waits still: there is one for all of them
    /// (timer_getoverrun(2)). Gives the new count; none where no signal of it waits.
    pub fn add_overrun(&self, timer: i32, expirations: i32) -> Option<i32> {
        self.queue.borrow_mut().iter_mut().find_map(|queued| match &mut queued.info.fields {
            SigFields::Timer { tid, overrun, .. } if *tid == timer => {
                *overrun = overrun.saturating_add(expirations);
                Some(*overrun)
            }
            _ => None,
        })
    }

    /// Drops pending signals.
    pub fn discard(&self, which: SigSet) {
        self.queue.borrow_mut().retain(|queued| !which.has(queued.signal));
        self.set.set(self.set.get().without(which));
    }
}

/// `sigaltstack` of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AltStack {
    /// Lowest address.
    pub base: u64,
    /// Bytes; 0 where disabled.
    pub size: u64,
    /// `SS_*` flags as given (`SS_AUTODISARM`).
    pub flags: u32,
}

impl AltStack {
    /// `SS_DISABLE`.
    pub const DISABLED: AltStack = AltStack { base: 0, size: 0, flags: 2 };

    /// Whether a stack pointer lies on it.
    pub fn holds(&self, sp: u64) -> bool {
        self.size != 0 && sp > self.base && sp - self.base <= self.size
    }
}

/// `SS_AUTODISARM`: the stack is off while a handler runs.
fn disarm_alt_stack(task: &Task) {
    if task.alt_stack.get().flags & SsFlags::AUTODISARM.bits() != 0 {
        task.alt_stack.set(AltStack::DISABLED);
    }
}

/// Puts back the alternate stack that a frame remembers, as sigreturn does; a nonsensical one is ignored.
fn restore_alt_stack(task: &Task, base: u64, size: u64, flags: u32) {
    let kept = flags & SsFlags::AUTODISARM.bits();
    if flags & SsFlags::DISABLE.bits() != 0 || size == 0 {
        task.alt_stack.set(AltStack::DISABLED);
    } else {
        task.alt_stack.set(AltStack { base, size, flags: kept });
    }
}
