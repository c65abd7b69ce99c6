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
//! The instruction set is that of x86-64-v3 with its 16- and 32-bit forebears: integer, x87, MMX, SSE to SSE4.2, AVX, AVX2,
//! FMA, F16C, BMI, ADX, AES, SHA, GFNI, the XSAVE family. EVEX, XOP and 3DNow! encodings are [`DecodeError::Invalid`].
//! [`decode_for`] takes the [`FeatureSet`] of a CPU and sees the bytes as that CPU does.
//!
//! The crate knows nothing of execution, memory or operating systems, allocates nothing and needs no `std`.
#![no_std]
#![forbid(unsafe_code)]

mod decode;
mod effects;
mod feature;
mod format;
mod insn;
mod op;
mod operands;
mod plain;
mod reader;
mod row;
mod spec;
mod table;

pub use decode::{DecodeError, MAX_LEN, decode, decode_for, decode_into};
pub use feature::{Feature, FeatureSet};
pub use insn::{Insn, Mem, Mode, NO_REG, Operand, RIP, Reg, Rep, Seg, Width, XMM_INDEX, YMM_INDEX};
pub use op::Op;
pub use row::{Access, Arg, FlagSet, Flags, Flow, Form, Map, ModRm, Modes, Prefix, RegSet, Row, Size};
pub use table::ROWS;
