//! Calls on signals.

use crate::file::Result;
use crate::signal::send::{self, Origin};
use crate::signal::{Action, AltStack, SigSet, Signal, frame32, frame64};
use crate::sys::{Args, TimeWidth};
use crate::task::{Arch, Pid, Process, Task};
use linux_abi::Errno;
use linux_abi::siginfo::SigInfo;
use linux_abi::signal::{
    OldSigactionI386, SI_TKILL, SaFlags, SigactionI386, SigactionX86_64, SigaltstackI386, SigaltstackX86_64,
    SsFlags,
};
use std::rc::Rc;

fn checked(number: u32) -> Result<Signal> {
    Signal::new(number).ok_or(Errno::EINVAL)
}

/// Signal argument of `kill`: 0 only checks.
fn checked_or_none(number: i32) -> Result<Option<Signal>> {
    match number {
        0 => Ok(None),
        n => u32::try_from(n).ok().and_then(Signal::new).map(Some).ok_or(Errno::EINVAL),
    }
}

fn install(task: &Task, signal: Signal, mut action: Action) -> Result<Action> {
    if matches!(signal, Signal::KILL | Signal::STOP) {
        return Err(Errno::EINVAL);
    }
    action.mask = action.mask.without(SigSet::UNBLOCKABLE);
    let actions = task.actions();
    let old = actions.set(signal, action);
    if actions.ignores(signal) {
        // What is ignored from now on is dropped where it already waits (sigaction(2)).
        let set = SigSet::of(signal);
        task.process.pending.discard(set);
        task.process.threads.borrow().iter().for_each(|thread| thread.pending.discard(set));
    }
    Ok(old)
}

pub async fn rt_sigaction(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let signal = checked(a.uint(0))?;
    if a.word(3) != 8 {
        return Err(Errno::EINVAL);
    }
    let (new_at, old_at) = (a.word(1), a.word(2));
    let known = !SaFlags::UNSUPPORTED.bits();
    let new = if new_at == 0 {
        None
    } else {
        Some(match task.arch() {
            Arch::I386 => {
                let n: SigactionI386 = task.get(new_at).await?;
                Action {
                    handler: n.sa_handler.into(),
                    flags: n.sa_flags & known,
                    restorer: n.sa_restorer.into(),
                    mask: SigSet(n.sa_mask),
                    abi: task.arch(),
                }
            }
            Arch::X86_64 => {
                let n: SigactionX86_64 = task.get(new_at).await?;
                Action {
                    handler: n.sa_handler,
                    flags: n.sa_flags as u32 & known,
                    restorer: n.sa_restorer,
                    mask: SigSet(n.sa_mask),
                    abi: task.arch(),
                }
            }
        })
    };
    let old = match new {
        Some(action) => install(task, signal, action)?,
        None => task.actions().get(signal),
    };
    if old_at != 0 {
        match task.arch() {
            Arch::I386 => {
                let out = SigactionI386 {
                    sa_handler: old.handler as u32,
                    sa_flags: old.flags,
                    sa_restorer: old.restorer as u32,
                    sa_mask: old.mask.0,
                };
                task.put(old_at, &out).await?;
            }
            Arch::X86_64 => {
                let out = SigactionX86_64 {
                    sa_handler: old.handler,
                    sa_flags: old.flags.into(),
                    sa_restorer: old.restorer,
                    sa_mask: old.mask.0,
                };
                task.put(old_at, &out).await?;
            }
        }
    }
    Ok(0)
}

/// `sigaction` of i386 number 67.
pub async fn sigaction(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let signal = checked(a.uint(0))?;
    let new = match a.word(1) {
        0 => None,
        addr => Some(task.get::<OldSigactionI386>(addr).await?),
    };
    let old = match new {
        None => task.actions().get(signal),
        Some(n) => install(
            task,
            signal,
            Action {
                handler: n.sa_handler.into(),
                flags: n.sa_flags,
                restorer: n.sa_restorer.into(),
                mask: SigSet(n.sa_mask.into()),
                abi: task.arch(),
            },
        )?,
    };
    let out = OldSigactionI386 {
        sa_handler: old.handler as u32,
        sa_mask: old.mask.0 as u32,
        sa_flags: old.flags,
        sa_restorer: old.restorer as u32,
    };
    task.put_if(a.word(2), &out).await?;
    Ok(0)
}

/// `signal` of i386 number 48: System V semantics.
pub async fn signal(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let flags = (SaFlags::RESETHAND | SaFlags::NODEFER).bits();
    let action = Action { handler: a.word(1), flags, abi: task.arch(), ..Action::default() };
    install(task, checked(a.uint(0))?, action).map(|old| old.handler)
}

fn change_mask(task: &Task, how: u32, set: SigSet) -> Result<()> {
    let old = task.blocked.get();
    let new = match how {
        0 => old.with(set),
        1 => old.without(set),
        2 => set,
        _ => return Err(Errno::EINVAL),
    };
    task.blocked.set(new.without(SigSet::UNBLOCKABLE));
    Ok(())
}

pub async fn rt_sigprocmask(task: &Rc<Task>, a: &Args) -> Result<u64> {
    if a.word(3) != 8 {
        return Err(Errno::EINVAL);
    }
    let old = task.blocked.get();
    if a.word(1) != 0 {
        change_mask(task, a.uint(0), SigSet(task.get(a.word(1)).await?))?;
    }
    task.put_if(a.word(2), &old.0).await?;
    Ok(0)
}

/// `sigprocmask` of i386 number 126: the low 32 signals.
pub async fn sigprocmask(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let old = task.blocked.get();
    if a.word(1) != 0 {
        let low: u32 = task.get(a.word(1)).await?;
        let set = SigSet(u64::from(low) | if a.uint(0) == 2 { old.0 & !0xffff_ffff } else { 0 });
        change_mask(task, a.uint(0), set)?;
    }
    task.put_if(a.word(2), &(old.0 as u32)).await?;
    Ok(0)
}

fn pending_set(task: &Task) -> SigSet {
    let waiting = task.pending.set().with(task.process.pending.set());
    SigSet(waiting.0 & task.blocked.get().0)
}

pub async fn rt_sigpending(task: &Rc<Task>, a: &Args) -> Result<u64> {
    if a.word(1) > 8 {
        return Err(Errno::EINVAL);
    }
    let set = pending_set(task).0.to_le_bytes();
    task.write_bytes(a.word(0), &set[..a.word(1) as usize]).await?;
    Ok(0)
}

pub async fn sigpending(task: &Rc<Task>, a: &Args) -> Result<u64> {
    task.put(a.word(0), &(pending_set(task).0 as u32)).await?;
    Ok(0)
}

async fn suspend(task: &Rc<Task>, mask: SigSet) -> Result<u64> {
    task.saved_mask.set(Some(task.blocked.get()));
    task.blocked.set(mask.without(SigSet::UNBLOCKABLE));
    // Ends only by a signal; the mask is put back once that is dealt with.
    let _ = task.interruptible(std::future::pending::<()>()).await;
    Err(Errno::ERESTARTNOHAND)
}

pub async fn rt_sigsuspend(task: &Rc<Task>, a: &Args) -> Result<u64> {
    if a.word(1) != 8 {
        return Err(Errno::EINVAL);
    }
    let mask = SigSet(task.get(a.word(0)).await?);
    suspend(task, mask).await
}

/// `sigsuspend` of i386: the mask is the third argument.
pub async fn sigsuspend(task: &Rc<Task>, a: &Args) -> Result<u64> {
    suspend(task, SigSet(a.word(2))).await
}

pub async fn pause(task: &Rc<Task>, _a: &Args) -> Result<u64> {
    let _ = task.interruptible(std::future::pending::<()>()).await;
    Err(Errno::ERESTARTNOHAND)
}

pub async fn rt_sigtimedwait(task: &Rc<Task>, a: &Args, width: TimeWidth) -> Result<u64> {
    if a.word(3) != 8 {
        return Err(Errno::EINVAL);
    }
    let wanted = SigSet(task.get(a.word(0)).await?).without(SigSet::UNBLOCKABLE);
    let deadline = task.get_timeout(a.word(2), width).await?;
    let take = || task.pending.take(wanted).or_else(|| task.process.pending.take(wanted));
    let found = match take() {
        Some(found) => found,
        None => {
            // While we wait the signals count as unblocked, so that senders wake us.
            let blocked = task.blocked.get();
            task.blocked.set(blocked.without(wanted));
            let waited = task.until(deadline, std::future::pending::<()>()).await;
            task.blocked.set(blocked);
            match (take(), waited) {
                (Some(found), _) => found,
                (None, Ok(_)) => return Err(Errno::EAGAIN),
                (None, Err(_)) => return Err(Errno::EINTR),
            }
        }
    };
    if a.word(1) != 0 {
        put_info(task, a.word(1), &found.info).await?;
    }
    Ok(u64::from(found.signal.number()))
}

async fn put_info(task: &Task, addr: u64, info: &SigInfo) -> Result<()> {
    let bytes = match task.arch() {
        Arch::I386 => info.to_i386(),
        Arch::X86_64 => info.to_x86_64(),
    };
    task.write_bytes(addr, &bytes).await
}

pub async fn sigaltstack(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let sp = task.cpu.borrow().gpr[x86_cpu::gpr::RSP];
    let old = task.alt_stack.get();
    let on_it = old.holds(sp) && old.flags & SsFlags::AUTODISARM.bits() == 0;
    let new = if a.word(0) == 0 {
        None
    } else {
        Some(match task.arch() {
            Arch::I386 => {
                let n: SigaltstackI386 = task.get(a.word(0)).await?;
                (u64::from(n.ss_sp), n.ss_flags as u32, u64::from(n.ss_size))
            }
            Arch::X86_64 => {
                let n: SigaltstackX86_64 = task.get(a.word(0)).await?;
                (n.ss_sp, n.ss_flags as u32, n.ss_size)
            }
        })
    };
    if let Some((base, flags, size)) = new {
        if on_it {
            return Err(Errno::EPERM);
        }
        let auto = flags & SsFlags::AUTODISARM.bits();
        let mode = flags & !SsFlags::AUTODISARM.bits();
        if mode == SsFlags::DISABLE.bits() {
            task.alt_stack.set(AltStack::DISABLED);
        } else if mode == 0 || mode == SsFlags::ONSTACK.bits() {
            if size < 2048 {
                return Err(Errno::ENOMEM);
            }
            task.alt_stack.set(AltStack { base, size, flags: auto });
        } else {
            return Err(Errno::EINVAL);
        }
    }
    if a.word(1) != 0 {
        let state = match (old.size, on_it) {
            (0, _) => SsFlags::DISABLE.bits(),
            (_, true) => SsFlags::ONSTACK.bits(),
            (_, false) => old.flags,
        } as i32;
        match task.arch() {
            Arch::I386 => {
                let out =
                    SigaltstackI386 { ss_sp: old.base as u32, ss_flags: state, ss_size: old.size as u32 };
                task.put(a.word(1), &out).await?;
            }
            Arch::X86_64 => {
                let out = SigaltstackX86_64 { ss_sp: old.base, ss_flags: state, _pad0: 0, ss_size: old.size };
                task.put(a.word(1), &out).await?;
            }
        }
    }
    Ok(0)
}

pub async fn sigreturn(task: &Rc<Task>, _a: &Args) -> Result<u64> {
    or_die(task, frame32::sigreturn(task).await)
}

pub async fn rt_sigreturn(task: &Rc<Task>, _a: &Args) -> Result<u64> {
    let restored = match task.arch() {
        Arch::I386 => frame32::rt_sigreturn(task).await,
        Arch::X86_64 => frame64::rt_sigreturn(task).await,
    };
    or_die(task, restored)
}

/// A frame that cannot be read ends in SIGSEGV (sigreturn(2)).
fn or_die(task: &Rc<Task>, restored: Result<u64>) -> Result<u64> {
    if restored.is_err() {
        send::force(task, Signal::SEGV, SigInfo::kernel(Signal::SEGV.number()));
    }
    Ok(restored.unwrap_or(0))
}

/// kill(2): root, or a sender whose real or effective id is the target's real or saved one; SIGCONT in the session.
fn may_signal(task: &Task, target: &Process, signal: Option<Signal>) -> bool {
    let own = task.cred();
    if own.privileged()
        || Rc::ptr_eq(&task.process.session.borrow(), &target.session.borrow())
            && signal == Some(Signal::CONT)
    {
        return true;
    }
    let Some(thread) = target.any_thread() else { return true };
    let other = thread.cred();
    [own.uid, own.euid].iter().any(|id| *id == other.uid || *id == other.suid)
}

fn kill_many(task: &Task, targets: &[Rc<Process>], signal: Option<Signal>) -> Result<u64> {
    if targets.is_empty() {
        return Err(Errno::ESRCH);
    }
    let allowed: Vec<_> = targets.iter().filter(|target| may_signal(task, target, signal)).collect();
    if allowed.is_empty() {
        return Err(Errno::EPERM);
    }
    if let Some(signal) = signal {
        allowed.iter().for_each(|target| send::to_process(target, signal, Origin::of(task)));
    }
    Ok(0)
}

pub async fn kill(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let signal = checked_or_none(a.int(1))?;
    match a.int(0) {
        -1 => {
            let all = task.kernel.processes();
            let others: Vec<_> = all
                .into_iter()
                .filter(|p| p.pid != 1 && p.pid != task.process.pid && !p.zombie.get())
                .collect();
            kill_many(task, &others, signal)
        }
        0 => kill_many(task, &task.kernel.group(task.process.group.get()), signal),
        i32::MIN => Err(Errno::ESRCH),
        pid if pid < 0 => kill_many(task, &task.kernel.group(-pid), signal),
        // Any thread's id names its process here.
        pid => {
            let process = task.kernel.process(pid).or_else(|| Some(task.kernel.task(pid)?.process.clone()));
            kill_many(task, &[process.ok_or(Errno::ESRCH)?], signal)
        }
    }
}

fn signal_thread(task: &Task, group: Option<Pid>, tid: Pid, number: i32) -> Result<u64> {
    if tid <= 0 || group.is_some_and(|group| group <= 0) {
        return Err(Errno::EINVAL);
    }
    let signal = checked_or_none(number)?;
    let target = task.kernel.task(tid).ok_or(Errno::ESRCH)?;
    if group.is_some_and(|group| target.process.pid != group) {
        return Err(Errno::ESRCH);
    }
    if !may_signal(task, &target.process, signal) {
        return Err(Errno::EPERM);
    }
    if let Some(signal) = signal {
        let origin = Origin::Thread { pid: task.process.pid, uid: task.cred().uid };
        send::to_task(&target, signal, origin);
    }
    Ok(0)
}

pub async fn tkill(task: &Rc<Task>, a: &Args) -> Result<u64> {
    signal_thread(task, None, a.int(0), a.int(1))
}

pub async fn tgkill(task: &Rc<Task>, a: &Args) -> Result<u64> {
    signal_thread(task, Some(a.int(0)), a.int(1), a.int(2))
}

async fn get_info(task: &Task, addr: u64, signal: Signal) -> Result<SigInfo> {
    let mut bytes = [0; 128];
    bytes.copy_from_slice(&task.read_bytes(addr, 128).await?);
    let mut info = match task.arch() {
        Arch::I386 => SigInfo::from_i386(&bytes),
        Arch::X86_64 => SigInfo::from_x86_64(&bytes),
    };
    info.signo = signal.number() as i32;
    Ok(info)
}

pub async fn rt_sigqueueinfo(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let signal = checked(a.uint(1))?;
    let info = get_info(task, a.word(2), signal).await?;
    let target = task.kernel.process(a.int(0)).ok_or(Errno::ESRCH)?;
    // Nobody may pretend to be the kernel towards somebody else.
    if (info.code >= 0 || info.code == SI_TKILL) && !Rc::ptr_eq(&target, &task.process) {
        return Err(Errno::EPERM);
    }
    if !may_signal(task, &target, Some(signal)) {
        return Err(Errno::EPERM);
    }
    send::to_process(&target, signal, Origin::Info(info));
    Ok(0)
}

pub async fn rt_tgsigqueueinfo(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let signal = checked(a.uint(2))?;
    let info = get_info(task, a.word(3), signal).await?;
    let target = task.kernel.task(a.int(1)).filter(|t| t.process.pid == a.int(0)).ok_or(Errno::ESRCH)?;
    if !may_signal(task, &target.process, Some(signal)) {
        return Err(Errno::EPERM);
    }
    send::to_task(&target, signal, Origin::Info(info));
    Ok(0)
}
