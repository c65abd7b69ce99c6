//! Taking signals: what happens between a system call (or a fault, or a spent slice) and the next user instruction.

use super::send::{Origin, force, notify_parent_of_change};
use super::{Action, DefaultAction, Queued, SigSet, Signal, frame32, frame64};
use crate::file::Result;
use crate::task::{Arch, Process, Task, WaitStatus};
use linux_abi::Errno;
use linux_abi::siginfo::{SigFields, SigInfo};
use linux_abi::signal::{
    CLD_CONTINUED, CLD_DUMPED, CLD_EXITED, CLD_KILLED, CLD_STOPPED, SI_TIMER, SI_TKILL, SaFlags,
};
use std::rc::Rc;
use x86_cpu::gpr;

/// A system call that a signal interrupted, before it is decided whether it restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupted {
    /// One of the `ERESTART` family.
    pub errno: Errno,
    /// Table it was made from.
    pub arch: Arch,
    /// Number of the call.
    pub number: u32,
}

/// Bytes of `int 0x80`, `syscall` and `sysenter`: how far back a restart steps.
const SYSCALL_LEN: u64 = 2;

pub(crate) fn info_of(origin: Origin, signal: Signal) -> SigInfo {
    let signo = signal.number();
    match origin {
        Origin::Kernel => SigInfo::kernel(signo),
        Origin::User { pid, uid } => SigInfo::user(signo, pid, uid),
        Origin::Thread { pid, uid } => SigInfo { code: SI_TKILL, ..SigInfo::user(signo, pid, uid) },
        Origin::Timer { id, overrun, value } => SigInfo {
            signo: signo as i32,
            errno: 0,
            code: SI_TIMER,
            fields: SigFields::Timer { tid: id, overrun: overrun as i32, value },
        },
        Origin::Info(info) => info,
    }
}

/// The SIGCHLD that tells a parent about a child.
pub(crate) fn child_info(process: &Process, status: WaitStatus) -> SigInfo {
    let (code, status) = match status {
        WaitStatus::Exited(code) => (CLD_EXITED, i32::from(code)),
        WaitStatus::Killed { signal, core: false } => (CLD_KILLED, i32::from(signal)),
        WaitStatus::Killed { signal, core: true } => (CLD_DUMPED, i32::from(signal)),
        WaitStatus::Stopped(signal) => (CLD_STOPPED, i32::from(signal)),
        WaitStatus::Continued => (CLD_CONTINUED, Signal::CONT.number() as i32),
    };
    let usage = process.usage();
    let uid = process.any_thread().map_or(0, |task| task.cred().uid);
    let ticks = |nanoseconds: u64| (nanoseconds / 10_000_000) as i64;
    SigInfo {
        signo: Signal::CHLD.number() as i32,
        errno: 0,
        code,
        fields: SigFields::Child {
            pid: process.pid,
            uid,
            status,
            utime: ticks(usage.user),
            stime: ticks(usage.system),
        },
    }
}

/// Whether nobody outside the group could continue it: its members' parents are all in the group or another session
/// (setpgid(2)). Terminal stops do nothing there.
pub fn group_is_orphaned(process: &Process) -> bool {
    let session = process.session.borrow().id;
    !process.kernel.group(process.group.get()).iter().any(|member| {
        member.parent.borrow().upgrade().is_some_and(|parent| {
            // Process 1 adopts orphans but knows nothing of their jobs, even where it is a shell with jobs of its own.
            let adopted = member.adopted.get() && parent.pid == 1;
            let elsewhere =
                parent.group.get() != process.group.get() && parent.session.borrow().id == session;
            elsewhere && !adopted && !member.zombie.get()
        })
    })
}

fn next_signal(task: &Task) -> Option<Queued> {
    let unblocked = SigSet(!task.blocked.get().0);
    task.pending.take(unblocked).or_else(|| task.process.pending.take(unblocked))
}

async fn wait_while_stopped(task: &Task) {
    while task.process.stopped.get() && !task.must_end() {
        let kill = SigSet::of(Signal::KILL);
        if task.pending.set().0 & kill.0 != 0 || task.process.pending.set().0 & kill.0 != 0 {
            task.process.stopped.set(false);
            task.process.resumed.wake_all();
            return;
        }
        task.process.resumed.wait().await;
    }
}

/// Ends the whole process.
pub fn kill_process(process: &Process, status: WaitStatus) {
    if process.exit_status.get().is_none() {
        process.exit_status.set(Some(status));
    }
    process.stopped.set(false);
    process.resumed.wake_all();
    process.wake_threads();
}

fn restart_call(task: &Task, number: u32) {
    let mut cpu = task.cpu.borrow_mut();
    cpu.gpr[gpr::RAX] = u64::from(number);
    cpu.rip = cpu.rip.wrapping_sub(SYSCALL_LEN);
}

fn restart_number(arch: Arch) -> u32 {
    match arch {
        Arch::I386 => 0,
        Arch::X86_64 => 219,
    }
}

/// Decides about an interrupted call when a handler is about to run.
fn settle_for_handler(task: &Task, call: Interrupted, action: &Action) {
    let restarts = match call.errno {
        Errno::ERESTARTNOINTR => true,
        Errno::ERESTARTSYS => action.flags & SaFlags::RESTART.bits() != 0,
        _ => false,
    };
    if restarts {
        restart_call(task, call.number);
    } else {
        task.set_result(Err(Errno::EINTR));
    }
}

/// Takes every signal that can be taken, sets up handler frames, stops and ends the process as due.
/// The caller looks at [`Task::must_end`] afterwards.
pub async fn deliver(task: &Rc<Task>, mut call: Option<Interrupted>) {
    let mut handled = false;
    loop {
        wait_while_stopped(task).await;
        if task.must_end() {
            return;
        }
        let Some(Queued { signal, info }) = next_signal(task) else { break };
        let action = task.actions().get(signal);
        if action.is_ignore() {
            continue;
        }
        if action.is_default() {
            take_default_action(task, signal, &info);
            continue;
        }
        if let Some(call) = call.take() {
            settle_for_handler(task, call, &action);
        }
        let frame = match action.abi {
            Arch::I386 => frame32::push(task, signal, &info, &action).await,
            Arch::X86_64 => frame64::push(task, signal, &info, &action).await,
        };
        if frame.is_err() {
            // No room for the frame. SIGSEGV must not come back here with the same handler.
            if signal == Signal::SEGV {
                task.actions().set(Signal::SEGV, Action::default());
            }
            force(task, Signal::SEGV, SigInfo::kernel(Signal::SEGV.number()));
            continue;
        }
        handled = true;
        let mut blocked = task.blocked.get().with(action.mask);
        if action.flags & SaFlags::NODEFER.bits() == 0 {
            blocked = blocked.with(SigSet::of(signal));
        }
        task.blocked.set(blocked.without(SigSet::UNBLOCKABLE));
        if action.flags & SaFlags::RESETHAND.bits() != 0 {
            task.actions().set(signal, Action::default());
        }
    }
    if let Some(call) = call {
        let resumes = call.errno == Errno::ERESTART_RESTARTBLOCK;
        restart_call(task, if resumes { restart_number(call.arch) } else { call.number });
    }
    if !handled && let Some(mask) = task.saved_mask.take() {
        task.blocked.set(mask);
    }
}

fn take_default_action(task: &Rc<Task>, signal: Signal, info: &SigInfo) {
    let process = &task.process;
    let number = signal.number() as u8;
    match signal.default_action() {
        DefaultAction::Ignore | DefaultAction::Continue => {}
        DefaultAction::Stop => {
            if signal != Signal::STOP && group_is_orphaned(process) {
                return;
            }
            process.stopped.set(true);
            process.change.set(Some(WaitStatus::Stopped(number)));
            notify_parent_of_change(process, WaitStatus::Stopped(number));
            process.wake_threads();
        }
        DefaultAction::Terminate => kill_process(process, WaitStatus::Killed { signal: number, core: false }),
        DefaultAction::Core => {
            // A signal that a program sent tells nothing about the place it arrived at.
            if info.code > 0 {
                let cpu = task.cpu.borrow();
                let about = match info.fields {
                    SigFields::Fault { addr } => format!(", address {addr:#x}"),
                    _ => String::new(),
                };
                process.kernel.log(&format!(
                    "{}[{}]: {signal:?} at {:#x}{about}",
                    String::from_utf8_lossy(&task.comm.borrow()),
                    task.tid,
                    cpu.rip
                ));
            }
            // A core is reported as dumped only where RLIMIT_CORE would let one be written.
            let core = process.limit(linux_abi::resource::RLIMIT_CORE as usize) > 0;
            kill_process(process, WaitStatus::Killed { signal: number, core });
        }
    }
}

/// Where the frame goes: the alternate stack where the action asks for it and it is free, else the current stack.
pub(super) fn frame_top(task: &Task, action: &Action, sp: u64) -> Result<u64> {
    let alt = task.alt_stack.get();
    if action.flags & SaFlags::ONSTACK.bits() != 0 && alt.size != 0 && !alt.holds(sp) {
        return Ok(alt.base + alt.size);
    }
    Ok(sp)
}

/// The mask a frame restores: that of before `sigsuspend` and the like, where one is parked.
pub(super) fn mask_to_save(task: &Task) -> SigSet {
    task.saved_mask.take().unwrap_or(task.blocked.get())
}
