//! asm-generic/siginfo.h: `siginfo_t`, built for and read from either architecture.
//!
//! The structure is a union of nine layouts, and the layouts differ by the width of `long` and of
//! pointers. So a signal's origin is kept as a [`SigInfo`], and turned into 128 bytes when it is delivered.

use crate::signal::*;

/// Size of `siginfo_t` on both architectures.
pub const SI_SIZE: usize = 128;

/// Where a signal came from: sigaction(2), "The siginfo_t argument".
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SigInfo {
    /// `si_signo`.
    pub signo: i32,
    /// `si_errno`.
    pub errno: i32,
    /// `si_code`.
    pub code: i32,
    /// The member of the union that counts.
    pub fields: SigFields,
}

/// The union in `siginfo_t`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SigFields {
    /// kill(2), tgkill(2).
    Kill {
        /// Sender.
        pid: i32,
        /// The sender's real user.
        uid: u32,
    },
    /// A timer of timer_create(2).
    Timer {
        /// The timer.
        tid: i32,
        /// timer_getoverrun(2).
        overrun: i32,
        /// The value given at creation.
        value: u64,
    },
    /// sigqueue(3), and whatever another process composed.
    Rt {
        /// Sender.
        pid: i32,
        /// The sender's real user.
        uid: u32,
        /// The value sent along.
        value: u64,
    },
    /// SIGCHLD.
    Child {
        /// The child.
        pid: i32,
        /// The child's real user.
        uid: u32,
        /// Exit status or signal.
        status: i32,
        /// User time in clock ticks.
        utime: i64,
        /// System time in clock ticks.
        stime: i64,
    },
    /// SIGILL, SIGFPE, SIGSEGV, SIGBUS, SIGTRAP.
    Fault {
        /// The faulting address.
        addr: u64,
    },
    /// SIGBUS with BUS_MCEERR_AR or BUS_MCEERR_AO.
    FaultLsb {
        /// The faulting address.
        addr: u64,
        /// Log2 of how much memory is lost.
        lsb: i16,
    },
    /// SIGSEGV with SEGV_BNDERR.
    FaultBounds {
        /// The faulting address.
        addr: u64,
        /// Lower bound.
        lower: u64,
        /// Upper bound.
        upper: u64,
    },
    /// SIGSEGV with SEGV_PKUERR.
    FaultKey {
        /// The faulting address.
        addr: u64,
        /// The protection key of the page.
        pkey: u32,
    },
    /// SIGIO.
    Poll {
        /// The poll(2) events.
        band: i64,
        /// The descriptor.
        fd: i32,
    },
    /// SIGSYS of seccomp(2).
    Sys {
        /// Address of the system-call instruction.
        call_addr: u64,
        /// The number asked for.
        syscall: i32,
        /// AUDIT_ARCH_* of the caller.
        arch: u32,
    },
}

impl SigInfo {
    /// A signal the kernel sends without an origin (SI_KERNEL).
    pub const fn kernel(signo: u32) -> Self {
        Self { signo: signo as i32, errno: 0, code: SI_KERNEL, fields: SigFields::Kill { pid: 0, uid: 0 } }
    }

    /// A signal of kill(2).
    pub const fn user(signo: u32, pid: i32, uid: u32) -> Self {
        Self { signo: signo as i32, errno: 0, code: SI_USER, fields: SigFields::Kill { pid, uid } }
    }

    /// A fault at an address.
    pub const fn fault(signo: u32, code: i32, addr: u64) -> Self {
        Self { signo: signo as i32, errno: 0, code, fields: SigFields::Fault { addr } }
    }

    /// The bytes an i386 program sees; what does not fit in a 32-bit `long` is cut off.
    pub fn to_i386(&self) -> [u8; SI_SIZE] {
        let mut w = Writer { out: [0; SI_SIZE], at: 0, word: 4 };
        self.write(&mut w);
        w.out
    }

    /// The bytes an x86-64 program sees.
    pub fn to_x86_64(&self) -> [u8; SI_SIZE] {
        let mut w = Writer { out: [0; SI_SIZE], at: 0, word: 8 };
        self.write(&mut w);
        w.out
    }

    /// Reads what an i386 program composed (rt_sigqueueinfo(2), PTRACE_SETSIGINFO).
    pub fn from_i386(bytes: &[u8; SI_SIZE]) -> Self {
        Self::read(Reader { bytes, at: 0, word: 4 })
    }

    /// Reads what an x86-64 program composed.
    pub fn from_x86_64(bytes: &[u8; SI_SIZE]) -> Self {
        Self::read(Reader { bytes, at: 0, word: 8 })
    }

    fn write(&self, w: &mut Writer) {
        w.int(self.signo);
        w.int(self.errno);
        w.int(self.code);
        // The union holds pointers, so on x86-64 it begins at a multiple of 8.
        w.align();
        match self.fields {
            SigFields::Kill { pid, uid } => {
                w.int(pid);
                w.int(uid as i32);
            }
            SigFields::Timer { tid, overrun, value } => {
                w.int(tid);
                w.int(overrun);
                w.long(value);
            }
            SigFields::Rt { pid, uid, value } => {
                w.int(pid);
                w.int(uid as i32);
                w.long(value);
            }
            SigFields::Child { pid, uid, status, utime, stime } => {
                w.int(pid);
                w.int(uid as i32);
                w.int(status);
                w.align();
                w.long(utime as u64);
                w.long(stime as u64);
            }
            SigFields::Fault { addr } => w.long(addr),
            SigFields::FaultLsb { addr, lsb } => {
                w.long(addr);
                w.put(&lsb.to_le_bytes());
            }
            SigFields::FaultBounds { addr, lower, upper } => {
                w.long(addr);
                // One word of filler stands before the bounds and before the key.
                w.long(0);
                w.long(lower);
                w.long(upper);
            }
            SigFields::FaultKey { addr, pkey } => {
                w.long(addr);
                w.long(0);
                w.int(pkey as i32);
            }
            SigFields::Poll { band, fd } => {
                w.long(band as u64);
                w.int(fd);
            }
            SigFields::Sys { call_addr, syscall, arch } => {
                w.long(call_addr);
                w.int(syscall);
                w.int(arch as i32);
            }
        }
    }

    fn read(mut r: Reader<'_>) -> Self {
        let (signo, errno, code) = (r.int(), r.int(), r.int());
        r.align();
        let fields = match Shape::of(signo, code) {
            Shape::Kill => SigFields::Kill { pid: r.int(), uid: r.int() as u32 },
            Shape::Timer => SigFields::Timer { tid: r.int(), overrun: r.int(), value: r.long() },
            Shape::Rt => SigFields::Rt { pid: r.int(), uid: r.int() as u32, value: r.long() },
            Shape::Child => {
                let (pid, uid, status) = (r.int(), r.int() as u32, r.int());
                r.align();
                SigFields::Child { pid, uid, status, utime: r.signed_long(), stime: r.signed_long() }
            }
            Shape::Fault => {
                let addr = r.long();
                match (signo as u32, code) {
                    (SIGBUS, BUS_MCEERR_AR | BUS_MCEERR_AO) => {
                        SigFields::FaultLsb { addr, lsb: r.int() as i16 }
                    }
                    (SIGSEGV, SEGV_BNDERR) => {
                        r.long();
                        SigFields::FaultBounds { addr, lower: r.long(), upper: r.long() }
                    }
                    (SIGSEGV, SEGV_PKUERR) => {
                        r.long();
                        SigFields::FaultKey { addr, pkey: r.int() as u32 }
                    }
                    _ => SigFields::Fault { addr },
                }
            }
            Shape::Poll => SigFields::Poll { band: r.signed_long(), fd: r.int() },
            Shape::Sys => SigFields::Sys { call_addr: r.long(), syscall: r.int(), arch: r.int() as u32 },
        };
        Self { signo, errno, code, fields }
    }
}

/// The member of the union that a signal number and code select.
enum Shape {
    Kill,
    Timer,
    Rt,
    Child,
    Fault,
    Poll,
    Sys,
}

impl Shape {
    /// sigaction(2): codes above zero belong to the signal, except SI_KERNEL; the others to the sender.
    fn of(signo: i32, code: i32) -> Self {
        match (code, signo as u32) {
            (SI_USER | SI_KERNEL, _) => Self::Kill,
            (SI_TIMER, _) => Self::Timer,
            (SI_SIGIO, _) => Self::Poll,
            (..=-1, _) => Self::Rt,
            (_, SIGILL | SIGFPE | SIGSEGV | SIGBUS | SIGTRAP) => Self::Fault,
            (_, SIGCHLD) => Self::Child,
            (_, SIGSYS) => Self::Sys,
            // F_SETSIG delivers POLL_* codes by any signal.
            (POLL_IN..=POLL_HUP, _) => Self::Poll,
            _ => Self::Kill,
        }
    }
}

struct Writer {
    out: [u8; SI_SIZE],
    at: usize,
    word: usize,
}

impl Writer {
    fn put(&mut self, bytes: &[u8]) {
        if let Some(to) = self.out.get_mut(self.at..self.at + bytes.len()) {
            to.copy_from_slice(bytes);
        }
        self.at += bytes.len();
    }

    fn int(&mut self, value: i32) {
        self.put(&value.to_le_bytes());
    }

    /// A `long` or a pointer.
    fn long(&mut self, value: u64) {
        let word = self.word;
        self.put(value.to_le_bytes().get(..word).unwrap_or_default());
    }

    fn align(&mut self) {
        self.at = self.at.next_multiple_of(self.word);
    }
}

struct Reader<'a> {
    bytes: &'a [u8; SI_SIZE],
    at: usize,
    word: usize,
}

impl Reader<'_> {
    fn take(&mut self, len: usize) -> u64 {
        let mut raw = [0; 8];
        if let (Some(from), Some(to)) = (self.bytes.get(self.at..self.at + len), raw.get_mut(..len)) {
            to.copy_from_slice(from);
        }
        self.at += len;
        u64::from_le_bytes(raw)
    }

    fn int(&mut self) -> i32 {
        self.take(4) as u32 as i32
    }

    fn long(&mut self) -> u64 {
        self.take(self.word)
    }

    fn signed_long(&mut self) -> i64 {
        let value = self.long();
        if self.word == 4 { i64::from(value as u32 as i32) } else { value as i64 }
    }

    fn align(&mut self) {
        self.at = self.at.next_multiple_of(self.word);
    }
}
