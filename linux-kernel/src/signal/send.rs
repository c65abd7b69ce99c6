//! Sending signals.

use super::{DefaultAction, Queued, SigSet, Signal};
use crate::kernel::Kernel;
use crate::task::{Pid, Process, Task, WaitStatus};
use linux_abi::siginfo::SigInfo;
use linux_abi::signal::SaFlags;
use std::rc::Rc;

/// Who sends a signal, and what the handler is told.
#[derive(Clone, Debug)]
pub enum Origin {
    /// The kernel itself (`SI_KERNEL`): terminals, alarms.
    Kernel,
    /// `kill` (`SI_USER`).
    User {
        /// Sender.
        pid: Pid,
        /// Its real uid.
        uid: u32,
    },
    /// `tkill`, `tgkill` (`SI_TKILL`).
    Thread {
        /// Sender.
        pid: Pid,
        /// Its real uid.
        uid: u32,
    },
    /// A POSIX timer (`SI_TIMER`).
    Timer {
        /// Timer id.
        id: i32,
        /// Missed expiries.
        overrun: u32,
        /// `sigev_value`.
        value: u64,
    },
    /// Given whole: `rt_sigqueueinfo`, faults, child status.
    Info(SigInfo),
}

impl Origin {
    /// The calling thread as sender of `kill`.
    pub fn of(task: &Task) -> Origin {
        Origin::User { pid: task.process.pid, uid: task.cred().uid }
    }

    fn info(self, signal: Signal) -> SigInfo {
        super::deliver::info_of(self, signal)
    }
}

/// Effects that sending has at once, whatever is blocked: stop signals and SIGCONT cancel each other.
fn prepare(process: &Rc<Process>, signal: Signal) {
    const STOPS: SigSet = SigSet(1 << 18 | 1 << 19 | 1 << 20 | 1 << 21);
    let discard = |which| {
        process.pending.discard(which);
        process.threads.borrow().iter().for_each(|task| task.pending.discard(which));
    };
    if signal == Signal::CONT {
        discard(STOPS);
        if process.stopped.replace(false) {
            process.change.set(Some(WaitStatus::Continued));
            notify_parent_of_change(process, WaitStatus::Continued);
        }
        process.resumed.wake_all();
    } else if STOPS.has(signal) {
        discard(SigSet::of(Signal::CONT));
    } else if signal == Signal::KILL {
        process.resumed.wake_all();
    }
}

/// Whether sending would have no effect: ignored, and no thread has it blocked (a blocked one stays pending, since
/// the disposition may change).
fn pointless(process: &Process, signal: Signal) -> bool {
    let threads = process.threads.borrow();
    let Some(first) = threads.first() else { return true };
    // Process 1 takes only signals that it handles: a stray kill does not end the machine.
    let protected = process.pid == 1
        && first.actions().get(signal).is_default()
        && matches!(signal.default_action(), DefaultAction::Stop);
    let blocked = threads.iter().any(|task| task.blocked.get().has(signal));
    (first.actions().ignores(signal) && !blocked) || protected
}

/// Sends to a process: any thread that does not block the signal takes it.
pub fn to_process(process: &Rc<Process>, signal: Signal, origin: Origin) {
    if process.zombie.get() {
        return;
    }
    prepare(process, signal);
    if pointless(process, signal) {
        return;
    }
    process.pending.push(Queued { signal, info: origin.info(signal) });
    process.wake_threads();
}

/// Sends to one thread.
pub fn to_task(task: &Rc<Task>, signal: Signal, origin: Origin) {
    prepare(&task.process, signal);
    if task.actions().ignores(signal) && !task.blocked.get().has(signal) {
        return;
    }
    task.pending.push(Queued { signal, info: origin.info(signal) });
    task.signaled.wake_all();
}

/// Sends to every process of a group. Gives the number reached.
pub fn to_group(kernel: &Kernel, group: Pid, signal: Signal, origin: Origin) -> usize {
    let members = kernel.group(group);
    members.iter().for_each(|process| to_process(process, signal, origin.clone()));
    members.len()
}

/// A fault of the running instruction: delivered even where blocked or ignored, which then means death.
pub fn force(task: &Rc<Task>, signal: Signal, info: SigInfo) {
    let actions = task.actions();
    let action = actions.get(signal);
    if task.blocked.get().has(signal) || action.is_ignore() {
        actions.set(signal, super::Action::default());
        task.blocked.set(task.blocked.get().without(SigSet::of(signal)));
    }
    task.pending.push(Queued { signal, info });
    task.signaled.wake_all();
}

/// Tells the parent that a child stopped or continued: SIGCHLD unless `SA_NOCLDSTOP`, and `wait` looks again.
pub(crate) fn notify_parent_of_change(process: &Rc<Process>, status: WaitStatus) {
    let Some(parent) = process.parent.borrow().upgrade() else { return };
    let flags = parent.any_thread().map_or(0, |task| task.actions().get(Signal::CHLD).flags);
    if flags & SaFlags::NOCLDSTOP.bits() == 0 {
        to_process(&parent, Signal::CHLD, Origin::Info(super::deliver::child_info(process, status)));
    }
    parent.child_changed.wake_all();
}
