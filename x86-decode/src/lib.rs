//! x86 instruction tables and decoder.
#![no_std]
#![forbid(unsafe_code)]

mod insn;
mod op;
mod row;

pub use insn::{Insn, Mem, Mode, NO_REG, Operand, RIP, Reg, Rep, Seg, Width};
pub use op::Op;
pub use row::{Access, Arg, Feature, FlagSet, Flags, Flow, Form, Map, ModRm, Modes, Prefix, RegSet, Row, Size};

/// Why bytes are not an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DecodeError {
    /// The instruction goes on behind the bytes given; give more of them, 15 at most.
    Truncated,
    /// No instruction of this CPU: #UD.
    Invalid,
    /// Longer than 15 bytes: #GP (SDM vol. 2 §2.3.11).
    TooLong,
}

/// Decodes the instruction that `bytes` start with.
pub fn decode(_bytes: &[u8], _mode: Mode) -> Result<Insn, DecodeError> {
    Err(DecodeError::Invalid)
}
