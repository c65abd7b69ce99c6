//! Job control: whose terminal it is, who may use it, and what happens when the session ends.
//!
//! The rules are those of credentials(7), setsid(2), tcsetpgrp(3) and POSIX "General Terminal Interface".

use super::{Kind, Tty};
use crate::file::{Result, open_flags};
use crate::kernel::Kernel;
use crate::signal::Signal;
use crate::signal::deliver::group_is_orphaned;
use crate::signal::send::{self, Origin};
use crate::task::{Pid, Process, Task};
use linux_abi::Errno;
use linux_abi::fcntl::OFlags;
use std::rc::Rc;

/// Makes a terminal the controlling one of a process's session, with its group in the foreground. It stays with the
/// session that has it already, if there is one.
pub fn make_controlling(process: &Rc<Process>, tty: &Rc<Tty>) {
    let session = process.session.borrow().clone();
    if tty.session.get() != 0 && tty.session.get() != session.id {
        return;
    }
    tty.session.set(session.id);
    tty.foreground.set(process.group.get());
    *session.terminal.borrow_mut() = Some(tty.clone());
}

/// The controlling terminal of a process.
pub fn controlling(process: &Process) -> Option<Rc<Tty>> {
    process.session.borrow().terminal.borrow().clone()
}

fn is_leader(process: &Process) -> bool {
    process.session.borrow().id == process.pid
}

fn clear_session(kernel: &Kernel, id: Pid) {
    for process in kernel.processes() {
        let session = process.session.borrow().clone();
        if session.id == id {
            session.terminal.borrow_mut().take();
        }
    }
}

/// The session's terminal hung up: its leader is told. What was in the foreground is told when the leader ends.
pub(super) fn session_loses_terminal(tty: &Tty, kernel: &Kernel) {
    let (id, group) = (tty.session.replace(0), tty.foreground.replace(0));
    if id == 0 {
        return;
    }
    if group != 0 {
        kernel.ptys.remember_foreground(id, group);
    }
    clear_session(kernel, id);
    if let Some(leader) = kernel.process(id) {
        send::to_process(&leader, Signal::HUP, Origin::Kernel);
        send::to_process(&leader, Signal::CONT, Origin::Kernel);
    }
}

/// To be called when a process ends, with its session still in place: the session of a leader loses its terminal, and
/// the foreground group gets SIGHUP (setsid(2), _exit(2)).
pub fn session_leader_exit(process: &Rc<Process>) {
    if !is_leader(process) {
        return;
    }
    let kernel = &process.kernel;
    match controlling(process) {
        Some(tty) => {
            let group = tty.foreground.get();
            match &tty.kind {
                Kind::Console(_) => tty.hang_up(kernel),
                Kind::Pty(_) => {
                    tty.session.set(0);
                    tty.foreground.set(0);
                    clear_session(kernel, process.pid);
                }
            }
            kernel.ptys.take_foreground(process.pid);
            process.session.borrow().terminal.borrow_mut().take();
            if group != 0 {
                send::to_group(kernel, group, Signal::HUP, Origin::Kernel);
            }
        }
        None => {
            if let Some(group) = kernel.ptys.take_foreground(process.pid) {
                send::to_group(kernel, group, Signal::HUP, Origin::Kernel);
                send::to_group(kernel, group, Signal::CONT, Origin::Kernel);
            }
        }
    }
}

impl Tty {
    /// Whether it is the controlling terminal of a process.
    pub(super) fn controls(self: &Rc<Self>, process: &Process) -> bool {
        controlling(process).is_some_and(|tty| Rc::ptr_eq(&tty, self))
    }

    /// A member of a background group that wants to read (SIGTTIN) or change (SIGTTOU) its controlling terminal is
    /// stopped by that signal; where it ignores or blocks it, it may not read, but may write.
    pub(super) fn check_foreground(self: &Rc<Self>, task: &Rc<Task>, signal: Signal) -> Result<()> {
        let group = task.process.group.get();
        let foreground = self.foreground.get();
        if foreground == 0 || foreground == group || !self.controls(&task.process) {
            return Ok(());
        }
        if task.blocked.get().has(signal) || task.actions().get(signal).is_ignore() {
            return if signal == Signal::TTIN { Err(Errno::EIO) } else { Ok(()) };
        }
        if group_is_orphaned(&task.process) {
            return Err(Errno::EIO);
        }
        send::to_group(&task.kernel, group, signal, Origin::Kernel);
        // Process 1 does not take signals it has no handler for: it must not restart the call for ever.
        if task.has_signal() { Err(Errno::ERESTARTSYS) } else { Err(Errno::EIO) }
    }

    /// A session leader without a terminal that opens one for reading makes it its own, unless `O_NOCTTY`.
    pub(super) fn acquire_at_open(self: &Rc<Self>, task: &Rc<Task>, flags: u32) {
        let process = &task.process;
        let wanted = flags & OFlags::NOCTTY.bits() == 0 && flags & open_flags::ACCMODE != open_flags::WRONLY;
        if wanted && self.session.get() == 0 && is_leader(process) && controlling(process).is_none() {
            make_controlling(process, self);
        }
    }

    /// `TIOCSCTTY`. `steal` is its argument 1, by which root takes the terminal from another session.
    pub(super) fn become_controlling(
        self: &Rc<Self>,
        task: &Rc<Task>,
        readable: bool,
        steal: bool,
    ) -> Result<u64> {
        let process = &task.process;
        if is_leader(process) && self.controls(process) {
            return Ok(0);
        }
        if !is_leader(process) || controlling(process).is_some() {
            return Err(Errno::EPERM);
        }
        let privileged = task.cred().privileged();
        let owner = self.session.get();
        if owner != 0 {
            if !(steal && privileged) {
                return Err(Errno::EPERM);
            }
            clear_session(&task.kernel, owner);
            self.session.set(0);
        }
        if !readable && !privileged {
            return Err(Errno::EPERM);
        }
        make_controlling(process, self);
        Ok(0)
    }

    /// `TIOCNOTTY`. A leader gives the terminal up for the whole session. Others would lose it alone, which we, who keep
    /// the terminal with the session, do not do: such programs call setsid(2) next.
    pub(super) fn give_up(self: &Rc<Self>, task: &Rc<Task>) -> Result<u64> {
        let process = &task.process;
        if !self.controls(process) {
            return Err(Errno::ENOTTY);
        }
        if is_leader(process) {
            let group = self.foreground.replace(0);
            self.session.set(0);
            clear_session(&task.kernel, process.pid);
            if group != 0 {
                send::to_group(&task.kernel, group, Signal::HUP, Origin::Kernel);
                send::to_group(&task.kernel, group, Signal::CONT, Origin::Kernel);
            }
        }
        Ok(0)
    }

    /// `TIOCSPGRP`, after the check for background callers.
    pub(super) fn set_foreground(self: &Rc<Self>, task: &Rc<Task>, group: Pid) -> Result<u64> {
        if group < 0 {
            return Err(Errno::EINVAL);
        }
        let members = task.kernel.group(group);
        // A process that leads no group may be named too (session_of_pgrp).
        let member = members.first().cloned().or_else(|| task.kernel.process(group)).ok_or(Errno::ESRCH)?;
        if member.session.borrow().id != task.process.session.borrow().id {
            return Err(Errno::EPERM);
        }
        self.foreground.set(group);
        Ok(0)
    }
}

/// `vhangup`: the caller's terminal hangs up. For root.
pub fn virtual_hang_up(task: &Rc<Task>) -> Result<u64> {
    if !task.cred().privileged() {
        return Err(Errno::EPERM);
    }
    if let Some(tty) = controlling(&task.process) {
        tty.hang_up(&task.kernel);
    }
    Ok(0)
}
