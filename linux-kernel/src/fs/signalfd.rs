//! Signals that are read (signalfd(2)).
//!
//! Which signals are there depends on who asks: a descriptor shows those of the thread that reads or polls it.
//! So it has no state but a mask, and its readiness is asked with [`SignalFd::ready_for`].

use crate::file::{Blocking, FileOps, Io, OpenFile, Ready, Result, open_flags};
use crate::kernel::Kernel;
use crate::signal::{Queued, SigSet};
use crate::task::Task;
use crate::wait::WaitQueue;
use async_trait::async_trait;
use linux_abi::Errno;
use linux_abi::siginfo::{SigFields, SigInfo};
use linux_abi::signalfd::SignalfdSiginfo;
use std::any::Any;
use std::cell::Cell;
use std::rc::Rc;
use std::task::Poll;
use vfs::FileType;

/// A descriptor that takes pending signals.
#[derive(Debug)]
pub struct SignalFd {
    mask: Cell<SigSet>,
    /// Changes with the mask. New signals wake the thread itself ([`Task::signaled`]).
    changed: WaitQueue,
}

impl SignalFd {
    /// An open signalfd for these signals.
    pub fn open(kernel: &Kernel, mask: SigSet, nonblock: u32) -> Rc<OpenFile> {
        let signals = SignalFd { mask: Cell::default(), changed: WaitQueue::new() };
        signals.set_mask(mask);
        let path = kernel.anonymous_path("anon_inode:[signalfd]", FileType::Regular);
        OpenFile::new(Rc::new(signals), open_flags::RDWR | nonblock & open_flags::NONBLOCK, path)
    }

    /// Changes the signals; SIGKILL and SIGSTOP are never among them.
    pub fn set_mask(&self, mask: SigSet) {
        self.mask.set(mask.without(SigSet::UNBLOCKABLE));
        self.changed.wake_all();
    }

    /// Readiness for a thread.
    pub fn ready_for(&self, task: &Task) -> Ready {
        let pending = task.pending.set().with(task.process.pending.set());
        Ready::when(pending.0 & self.mask.get().0 != 0, false)
    }

    fn take(&self, task: &Task) -> Option<Queued> {
        let mask = self.mask.get();
        task.pending.take(mask).or_else(|| task.process.pending.take(mask))
    }
}

/// The `struct signalfd_siginfo` of a signal.
fn encode(info: &SigInfo) -> SignalfdSiginfo {
    let mut out = SignalfdSiginfo {
        ssi_signo: info.signo as u32,
        ssi_errno: info.errno,
        ssi_code: info.code,
        ..SignalfdSiginfo::default()
    };
    match info.fields {
        SigFields::Kill { pid, uid } => {
            out.ssi_pid = pid as u32;
            out.ssi_uid = uid;
        }
        SigFields::Timer { tid, overrun, value } => {
            out.ssi_tid = tid as u32;
            out.ssi_overrun = overrun as u32;
            out.ssi_ptr = value;
            out.ssi_int = value as i32;
        }
        SigFields::Rt { pid, uid, value } => {
            out.ssi_pid = pid as u32;
            out.ssi_uid = uid;
            out.ssi_ptr = value;
            out.ssi_int = value as i32;
        }
        SigFields::Child { pid, uid, status, utime, stime } => {
            out.ssi_pid = pid as u32;
            out.ssi_uid = uid;
            out.ssi_status = status;
            out.ssi_utime = utime as u64;
            out.ssi_stime = stime as u64;
        }
        SigFields::Fault { addr }
        | SigFields::FaultBounds { addr, .. }
        | SigFields::FaultKey { addr, .. } => {
            out.ssi_addr = addr;
        }
        SigFields::FaultLsb { addr, lsb } => {
            out.ssi_addr = addr;
            out.ssi_addr_lsb = lsb as u16;
        }
        SigFields::Poll { band, fd } => {
            out.ssi_band = band as u32;
            out.ssi_fd = fd;
        }
        SigFields::Sys { call_addr, syscall, arch } => {
            out.ssi_call_addr = call_addr;
            out.ssi_syscall = syscall;
            out.ssi_arch = arch;
        }
    }
    out
}

#[async_trait(?Send)]
impl FileOps for SignalFd {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn ignores_seek(&self) -> bool {
        true
    }

    async fn read(&self, io: Io<'_>, buf: &mut [u8]) -> Result<usize> {
        const SIZE: usize = size_of::<SignalfdSiginfo>();
        if buf.len() < SIZE {
            return Err(Errno::EINVAL);
        }
        let mut next = match (self.take(io.task), io.blocking) {
            (Some(queued), _) => Some(queued),
            (None, Blocking::Never) => return Err(Errno::EAGAIN),
            (None, Blocking::Wait) => {
                // A new signal wakes the thread, which polls this again before it looks whether the signal ends the wait.
                let arrival = std::future::poll_fn(|cx| {
                    self.changed.register(cx.waker());
                    self.take(io.task).map_or(Poll::Pending, Poll::Ready)
                });
                Some(io.task.interruptible(arrival).await?)
            }
        };
        let mut done = 0;
        for place in buf.chunks_exact_mut(SIZE) {
            let Some(queued) = next.take().or_else(|| self.take(io.task)) else { break };
            place.copy_from_slice(bytemuck::bytes_of(&encode(&queued.info)));
            done += SIZE;
        }
        Ok(done)
    }

    fn ready(&self) -> Ready {
        Ready::NONE
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.changed)
    }

    fn fdinfo(&self) -> String {
        format!("sigmask:\t{:016x}\n", self.mask.get().0)
    }
}
