//! linux/wait.h, bits/waitstatus.h: wait4(2), waitid(2).

flags! {
    /// Options of wait4(2) and waitid(2). (`__WNOTHREAD`, `__WALL` and `__WCLONE` in C.)
    pub struct WaitOptions: u32, "W" {
        NOHANG = 0x1,
        UNTRACED = 0x2,
        EXITED = 0x4,
        CONTINUED = 0x8,
        NOWAIT = 0x0100_0000,
        NOTHREAD = 0x2000_0000,
        ALL = 0x4000_0000,
        CLONE = 0x8000_0000,
    }
}

constants! {
    /// The second meaning of WUNTRACED, for waitid(2).
    WAIT_ALIASES: u32 {
        WSTOPPED = 0x2,
    }

    /// `idtype` of waitid(2).
    ID_TYPES: u32 {
        P_ALL = 0,
        P_PID = 1,
        P_PGID = 2,
        P_PIDFD = 3,
    }
}

/// A wait status, as wait4(2) stores it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct WaitStatus(pub u32);

impl WaitStatus {
    /// A stopped child went on.
    pub const CONTINUED: Self = Self(0xffff);

    /// The process ended by exit(2); the low 8 bits of `code` count.
    pub const fn exited(code: u32) -> Self {
        Self((code & 0xff) << 8)
    }

    /// A signal ended the process.
    pub const fn signaled(signal: u32, core_dumped: bool) -> Self {
        Self((signal & 0x7f) | if core_dumped { 0x80 } else { 0 })
    }

    /// A signal stopped the process.
    pub const fn stopped(signal: u32) -> Self {
        Self(((signal & 0xff) << 8) | 0x7f)
    }

    /// A ptrace(2) event stopped the process: `signal` is SIGTRAP for most, `event` one of PTRACE_EVENT_*.
    pub const fn ptrace_event(signal: u32, event: u32) -> Self {
        Self(((signal & 0xff) << 8) | (event << 16) | 0x7f)
    }

    /// The exit code, of a process that ended by exit(2).
    pub const fn exit_code(self) -> Option<u32> {
        if self.0 & 0x7f == 0 { Some((self.0 >> 8) & 0xff) } else { None }
    }

    /// The signal that ended the process.
    pub const fn term_signal(self) -> Option<u32> {
        match self.0 & 0x7f {
            0 | 0x7f => None,
            signal => Some(signal),
        }
    }

    /// The signal that stopped the process.
    pub const fn stop_signal(self) -> Option<u32> {
        if self.0 & 0xff == 0x7f { Some((self.0 >> 8) & 0xff) } else { None }
    }

    /// Whether a core dump was written.
    pub const fn core_dumped(self) -> bool {
        self.term_signal().is_some() && self.0 & 0x80 != 0
    }
}
