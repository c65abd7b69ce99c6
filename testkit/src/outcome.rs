//! What running something did: registers, memory, the fault.

use crate::state::State;

/// [`Trap::vector`] of `int 0x80`; RIP is behind it.
pub const INT80: u64 = 0x100;
/// [`Trap::vector`] of `syscall`; RIP is behind it.
pub const SYSCALL: u64 = 0x101;
/// [`Trap::vector`] of code that did not end.
pub const TIMEOUT: u64 = 0x102;

/// A fault or trap, as Linux reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trap {
    /// Exception vector, or one of the constants above.
    pub vector: u64,
    /// Error code.
    pub error: u64,
    /// CR2, for page faults.
    pub address: u64,
    /// Instruction pointer.
    pub rip: u64,
}

/// What running one instruction did.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Registers afterwards.
    pub state: State,
    /// The jump target was reached rather than the next instruction.
    pub taken: bool,
    /// It did not come through.
    pub trap: Option<Trap>,
}

/// An outcome and the data page it left.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Registers, fault.
    pub outcome: Outcome,
    /// The page.
    pub data: Vec<u8>,
}
