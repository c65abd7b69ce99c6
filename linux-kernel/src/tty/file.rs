//! The program's side of a terminal as an open file: the console, and the slaves of pseudo-terminals.

use super::{Kind, Tty, ioctl};
use crate::file::{Blocking, FileOps, Io, Ready, Result, open_flags};
use crate::kernel::Kernel;
use crate::signal::Signal;
use crate::task::Task;
use crate::time::Monotonic;
use crate::wait::WaitQueue;
use async_trait::async_trait;
use linux_abi::Errno;
use linux_abi::termios::LocalFlags;
use std::any::Any;
use std::fmt;
use std::rc::{Rc, Weak};

/// `VTIME` counts tenths of a second.
const TENTH: u64 = 100_000_000;

/// Whether a hang-up reaches a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HangUp {
    /// It reads 0 and writes `EIO` from then on.
    Obeys,
    /// It stays usable: `/dev/console`.
    Survives,
}

/// An open terminal.
pub struct TtyFile {
    tty: Rc<Tty>,
    kernel: Weak<Kernel>,
    generation: u64,
    hang_up: HangUp,
}

impl fmt::Debug for TtyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TtyFile({:?})", self.tty)
    }
}

/// Opens a terminal with the flags of open(2): `EBUSY` where somebody has it for himself (`TIOCEXCL`).
pub(crate) fn open(task: &Rc<Task>, tty: &Rc<Tty>, hang_up: HangUp, flags: u32) -> Result<Rc<dyn FileOps>> {
    if tty.exclusive.get() && tty.opens.get() > 0 && !task.cred().privileged() {
        return Err(Errno::EBUSY);
    }
    // The current virtual terminal and `/dev/console` do not become controlling terminals by being opened.
    if hang_up == HangUp::Obeys {
        tty.acquire_at_open(task, flags);
    }
    Ok(TtyFile::new(&task.kernel, tty, hang_up))
}

impl TtyFile {
    /// An open file over a terminal.
    pub fn new(kernel: &Rc<Kernel>, tty: &Rc<Tty>, hang_up: HangUp) -> Rc<TtyFile> {
        tty.opens.set(tty.opens.get() + 1);
        if let Kind::Pty(pair) = &tty.kind {
            pair.slave_closed.set(false);
        }
        let generation = tty.generation.get();
        Rc::new(TtyFile { tty: tty.clone(), kernel: Rc::downgrade(kernel), generation, hang_up })
    }

    /// The terminal.
    pub fn tty(&self) -> &Rc<Tty> {
        &self.tty
    }

    fn is_hung_up(&self) -> bool {
        self.hang_up == HangUp::Obeys && self.generation != self.tty.generation.get()
    }

    /// Reads what is there now; none where nothing is.
    fn take(&self, kernel: &Kernel, buf: &mut [u8]) -> Option<usize> {
        if !self.tty.line.borrow().readable() {
            return None;
        }
        let count = self.tty.line.borrow_mut().read(buf);
        self.tty.pump(kernel);
        Some(count)
    }
}

impl Drop for TtyFile {
    fn drop(&mut self) {
        let tty = &self.tty;
        tty.opens.set(tty.opens.get().saturating_sub(1));
        if tty.opens.get() > 0 {
            return;
        }
        tty.exclusive.set(false);
        if let Kind::Pty(pair) = &tty.kind {
            pair.slave_closed.set(true);
            pair.master_changed.wake_all();
        }
        if let (Some(kernel), true) = (self.kernel.upgrade(), tty.line.borrow().output_stopped()) {
            // Nobody is left to start it again.
            tty.line.borrow_mut().set_stopped_by_call(super::ldisc::Flow::Start);
            tty.output_goes_on();
            tty.pump(&kernel);
        }
    }
}

#[async_trait(?Send)]
impl FileOps for TtyFile {
    fn as_any(&self) -> &dyn Any {
        self
    }

    /// The four cases of `VMIN` and `VTIME` (termios(3)), and lines in canonical mode.
    async fn read(&self, io: Io<'_>, buf: &mut [u8]) -> Result<usize> {
        if self.is_hung_up() || buf.is_empty() {
            return Ok(0);
        }
        let (task, tty) = (io.task, &self.tty);
        let clock = &task.kernel.clock;
        tty.check_foreground(task, Signal::TTIN)?;
        let in_tenths = |tenths: u64| clock.monotonic().after(tenths.saturating_mul(TENTH));
        let settings = tty.line.borrow().min_and_time();
        let (minimum, mut deadline, between_bytes): (usize, Option<Monotonic>, u64) = match settings {
            None => (0, None, 0),
            Some((0, time)) => (1, Some(in_tenths(time)), 0),
            Some((minimum, time)) => (minimum, None, time),
        };
        let mut count = 0;
        let mut outcome = Ok(());
        while count < buf.len() {
            if let Some(taken) = self.take(&task.kernel, &mut buf[count..]) {
                count += taken;
                if count >= minimum {
                    break;
                }
                if between_bytes > 0 {
                    deadline = Some(in_tenths(between_bytes));
                }
                continue;
            }
            if self.is_hung_up() && tty.other_side_closed() {
                // Who waits is told that the master went, who comes later of the end (n_tty_read).
                outcome = Err(Errno::EIO);
                break;
            }
            if self.is_hung_up() || deadline.is_some_and(|deadline| clock.monotonic() >= deadline) {
                break;
            }
            if io.blocking == Blocking::Never {
                outcome = Err(Errno::EAGAIN);
                break;
            }
            match task.until(deadline, tty.changed.wait()).await {
                Ok(Some(())) => {}
                Ok(None) => break,
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
        }
        tty.used.set((clock.timestamp(), tty.used.get().1));
        if count > 0 { Ok(count) } else { outcome.map(|()| 0) }
    }

    async fn write(&self, io: Io<'_>, data: &[u8]) -> Result<usize> {
        let (task, tty) = (io.task, &self.tty);
        if self.is_hung_up() {
            return Err(Errno::EIO);
        }
        let stops = tty.line.borrow().local_has(LocalFlags::TOSTOP);
        if stops {
            tty.check_foreground(task, Signal::TTOU)?;
        }
        tty.used.set((tty.used.get().0, task.kernel.clock.timestamp()));
        let mut count = 0;
        loop {
            if self.is_hung_up() {
                return if count > 0 { Ok(count) } else { Err(Errno::EIO) };
            }
            count += tty.print(data.get(count..).unwrap_or_default());
            if count >= data.len() {
                return Ok(count);
            }
            let waited = match io.blocking {
                Blocking::Never => Err(Errno::EAGAIN),
                Blocking::Wait => task.interruptible(tty.changed.wait()).await,
            };
            if let Err(error) = waited {
                return if count > 0 { Ok(count) } else { Err(error) };
            }
        }
    }

    fn ready(&self) -> Ready {
        if self.is_hung_up() {
            return Ready::ALWAYS.union(Ready::ERR).union(Ready::HUP);
        }
        Ready::when(self.tty.line.borrow().poll_readable(), self.tty.writable())
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.tty.changed)
    }

    async fn ioctl(&self, io: Io<'_>, request: u32, arg: u64) -> Result<u64> {
        if self.is_hung_up() {
            let own = request == linux_abi::ioctl::TIOCSPGRP;
            return Err(if own { Errno::ENOTTY } else { Errno::EIO });
        }
        let readable = io.file.flags.get() & open_flags::ACCMODE != open_flags::WRONLY;
        ioctl::program_side(&self.tty, io, readable, request, arg).await
    }
}
