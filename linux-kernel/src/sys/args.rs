//! Raw system-call arguments, and small decoders that every handler needs.

use crate::file::{Fd, OpenFile, Result};
use crate::task::{Arch, Task};
use crate::time::Monotonic;
use linux_abi::Errno;
use std::rc::Rc;

/// The six argument registers. On i386 each holds 32 bits, zero-extended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Args(pub [u64; 6]);

impl Args {
    /// An `int`.
    pub const fn int(&self, i: usize) -> i32 {
        self.0[i] as i32
    }

    /// An `unsigned int` or flags.
    pub const fn uint(&self, i: usize) -> u32 {
        self.0[i] as u32
    }

    /// A pointer, `size_t` or `unsigned long`.
    pub const fn word(&self, i: usize) -> u64 {
        self.0[i]
    }

    /// A `long`, sign-extended from the program's width.
    pub const fn long(&self, i: usize, arch: Arch) -> i64 {
        match arch {
            Arch::I386 => self.0[i] as i32 as i64,
            Arch::X86_64 => self.0[i] as i64,
        }
    }

    /// A `loff_t`: two registers from `i` on in i386, low half first; one on x86-64.
    pub const fn wide(&self, i: usize, arch: Arch) -> i64 {
        match arch {
            Arch::I386 => (self.0[i] as u32 as u64 | self.0[i + 1] << 32) as i64,
            Arch::X86_64 => self.0[i] as i64,
        }
    }
}

/// Width of the seconds in a time structure: the `_time32` calls of i386 against everything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeWidth {
    /// 32-bit seconds and nanoseconds.
    W32,
    /// 64-bit seconds and nanoseconds.
    W64,
}

/// Nanoseconds in a second.
pub const NSEC: i64 = 1_000_000_000;

impl Task {
    /// The open file behind a descriptor argument (`EBADF`, also for `O_PATH`).
    pub fn file(&self, fd: Fd) -> Result<Rc<OpenFile>> {
        self.files().get_io(fd)
    }

    /// Reads a `timespec` as nanoseconds; `EINVAL` where it is negative or its nanoseconds are out of range.
    pub async fn get_timespec(&self, addr: u64, width: TimeWidth) -> Result<i64> {
        let (seconds, nanoseconds) = match width {
            TimeWidth::W32 => {
                let [s, n] = self.get::<[i32; 2]>(addr).await?;
                (i64::from(s), i64::from(n))
            }
            TimeWidth::W64 => {
                let [s, n] = self.get::<[i64; 2]>(addr).await?;
                // The upper half of tv_nsec is padding for 32-bit programs.
                (s, if self.arch() == Arch::I386 { i64::from(n as i32) } else { n })
            }
        };
        if seconds < 0 || !(0..NSEC).contains(&nanoseconds) {
            return Err(Errno::EINVAL);
        }
        Ok(seconds.saturating_mul(NSEC).saturating_add(nanoseconds))
    }

    /// Reads a relative timeout as a deadline; a null pointer is "never".
    pub async fn get_timeout(&self, addr: u64, width: TimeWidth) -> Result<Option<Monotonic>> {
        if addr == 0 {
            return Ok(None);
        }
        let nanoseconds = self.get_timespec(addr, width).await?;
        Ok(Some(self.kernel.clock.monotonic().after(nanoseconds as u64)))
    }

    /// Writes nanoseconds as a `timespec`.
    pub async fn put_timespec(&self, addr: u64, nanoseconds: i64, width: TimeWidth) -> Result<()> {
        let (s, n) = (nanoseconds.div_euclid(NSEC), nanoseconds.rem_euclid(NSEC));
        match width {
            TimeWidth::W32 => self.put(addr, &[s as i32, n as i32]).await,
            TimeWidth::W64 => self.put(addr, &[s, n]).await,
        }
    }

    /// Runs a wait with a deadline: `None` where the time came first, `ERESTARTSYS` where a signal did.
    pub async fn until<T>(
        &self,
        deadline: Option<Monotonic>,
        work: impl std::future::Future<Output = T>,
    ) -> Result<Option<T>> {
        let Some(deadline) = deadline else {
            return self.interruptible(work).await.map(Some);
        };
        let mut work = std::pin::pin!(work);
        let mut sleep = std::pin::pin!(self.kernel.clock.sleep_until(deadline));
        let either = std::future::poll_fn(|cx| {
            use std::task::Poll;
            if let Poll::Ready(value) = work.as_mut().poll(cx) {
                return Poll::Ready(Some(value));
            }
            sleep.as_mut().poll(cx).map(|()| None)
        });
        self.interruptible(either).await
    }
}

use std::future::Future;
