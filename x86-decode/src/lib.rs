//! x86 instruction tables and decoder for 16-, 32- and 64-bit code.
//!
//! From the outside in:
//!
//! * [`decode`] turns bytes into an [`Insn`]: mnemonic, length, sizes, prefixes with meaning, explicit operands, and the
//!   table [`Row`] that matched.
//! * [`Row`] is one line of the manual: encoding, operands with access, flags read, written and undefined, CPUID feature,
//!   control flow. [`ROWS`] holds all of them, so an interpreter, a translator or a test can walk the instruction set.
//! * [`Insn::flags`], [`Insn::implicit_reads`] and [`Insn::implicit_writes`] refine the row by what one instruction shows
//!   (immediate shift counts, repeat prefixes).
//!
//! The instruction set is the one of the CPU the engine shows to its guests: the i686 integer set and its 64-bit
//! extension, x87, MMX, SSE, SSE2 and SSE3. VEX, EVEX and XOP encodings are [`DecodeError::Invalid`].
//!
//! The crate knows nothing of execution, memory or operating systems, allocates nothing and needs no `std`.
#![no_std]
#![forbid(unsafe_code)]

mod decode;
mod effects;
mod format;
mod insn;
mod op;
mod row;
mod table;

pub use decode::{DecodeError, MAX_LEN, decode};
pub use insn::{Insn, Mem, Mode, NO_REG, Operand, RIP, Reg, Rep, Seg, Width};
pub use op::Op;
pub use row::{
    Access, Arg, Feature, FlagSet, Flags, Flow, Form, Map, ModRm, Modes, Prefix, RegSet, Row, Size,
};
pub use table::ROWS;
