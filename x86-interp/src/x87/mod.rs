//! The x87 unit: 80-bit arithmetic in software, the register stack, its control (SDM vol. 1 ch. 8).

mod arith;
mod basic;
mod compute;
mod control;
mod images;
mod quick;
mod transcendental;
mod transfer;
mod unit;
mod value;
mod wide;

pub use compute::compute;
pub(crate) use unit::ES;

use crate::uop::{Handler, Uop};
use x86_decode::Insn;

pub(crate) fn lower(insn: &Insn, u: &mut Uop) -> Option<Handler> {
    basic::lower(insn, u)
        .or_else(|| transfer::lower(insn, u))
        .or_else(|| control::lower(insn, u))
        .or_else(|| images::lower(insn, u))
        .or_else(|| transcendental::lower(insn.op))
}
