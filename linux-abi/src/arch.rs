//! The two architectures, and what follows from them alone.

use crate::{Errno, Sysno, sysno};

/// Which of the two system-call interfaces a program speaks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Arch {
    /// 32-bit programs: `int 0x80` with the number in EAX, arguments in EBX, ECX, EDX, ESI, EDI, EBP.
    #[default]
    I386,
    /// 64-bit programs: `syscall` with the number in RAX, arguments in RDI, RSI, RDX, R10, R8, R9.
    X86_64,
}

impl Arch {
    /// The system call with a number; `None` is ENOSYS.
    pub fn sysno(self, number: u64) -> Option<Sysno> {
        let table = match self {
            Self::I386 => sysno::I386,
            Self::X86_64 => sysno::X86_64,
        };
        table.get(usize::try_from(number).ok()?).copied().flatten()
    }

    /// The name that the architecture's header gives a number.
    pub fn sysno_name(self, number: u64) -> Option<&'static str> {
        let table = match self {
            Self::I386 => sysno::I386_NAMES,
            Self::X86_64 => sysno::X86_64_NAMES,
        };
        table.get(usize::try_from(number).ok()?).copied().flatten()
    }

    /// Bytes of `long`, `size_t` and pointers.
    pub const fn word_size(self) -> usize {
        match self {
            Self::I386 => 4,
            Self::X86_64 => 8,
        }
    }

    /// `machine` of uname(2).
    pub const fn machine(self) -> &'static str {
        match self {
            Self::I386 => "i686",
            Self::X86_64 => "x86_64",
        }
    }

    /// What a system call leaves in the register for its result.
    pub fn ret(self, result: Result<u64, Errno>) -> u64 {
        let value = match result {
            Ok(value) => value,
            Err(errno) => errno.to_ret() as u64,
        };
        match self {
            Self::I386 => value & 0xffff_ffff,
            Self::X86_64 => value,
        }
    }
}
