//! From a decoded instruction to a [`Uop`]: each family is asked in turn.

use crate::exec::{alu, bits, bmi, branch, far, mov, muldiv, shift, string, system};
use crate::hot::Hot;
use crate::sse;
use crate::strict;
use crate::uop::{Handler, LowerMode, Uop};
use crate::x87;
use x86_decode::{Flow, Insn, Op};

/// A lowered instruction.
pub(crate) struct Lowered {
    pub(crate) uop: Uop,
    /// The block ends here.
    pub(crate) last: bool,
}

/// Lowers an instruction whose segments were looked at.
pub(crate) fn lower_plain(insn: &Insn, at: u16, mode: LowerMode) -> Uop {
    lower_as(insn, at, 0, mode).uop
}

/// Lowers the instruction that starts `at` bytes into its page, as number `position` of its block.
pub(crate) fn lower(insn: &Insn, at: u16, position: u64, mode: LowerMode) -> Lowered {
    let mut lowered = lower_as(insn, at, position, mode);
    if strict::needs_guard(insn, mode) {
        lowered.uop.run = strict::guarded;
        lowered.last = true;
    }
    lowered
}

fn lower_as(insn: &Insn, at: u16, position: u64, mode: LowerMode) -> Lowered {
    let (mut u, kind) = Uop::pack(insn, at, mode, system::undefined);
    // Segment registers first: `mov` and `push` of them are not those of the integer families.
    let privileged = insn.row.privileged.then(|| system::privileged(insn.op));
    let handler = privileged
        .or_else(|| far::lower(insn, &mut u))
        .or_else(|| alu::lower(insn, kind))
        .or_else(|| mov::lower(insn, &mut u, kind))
        .or_else(|| branch::lower(insn, &mut u, kind))
        .or_else(|| shift::lower(insn, &mut u, kind))
        .or_else(|| string::lower(insn, &mut u, mode))
        .or_else(|| muldiv::lower(insn, &mut u))
        .or_else(|| bits::lower(insn, &mut u))
        .or_else(|| bmi::lower(insn, &mut u))
        .or_else(|| system::lower(insn, &mut u, position))
        .or_else(|| sse::packed::lower(insn, &mut u))
        .or_else(|| sse::arith::lower(insn, &mut u))
        .or_else(|| sse::convert::lower(insn, &mut u))
        .or_else(|| sse::elements::lower(insn, &mut u))
        .or_else(|| sse::vex_moves::lower(insn, &mut u))
        .or_else(|| sse::moves::lower(insn, &mut u))
        .or_else(|| sse::packed4::lower(insn, &mut u))
        .or_else(|| sse::strings::lower(insn, &mut u))
        .or_else(|| sse::crypto::lower(insn, &mut u))
        .or_else(|| sse::permute::lower(insn, &mut u))
        .or_else(|| sse::fused::lower(insn, &mut u))
        .or_else(|| x87::lower(insn, &mut u));
    if let Some(handler) = handler {
        u.run = handler;
    }
    let conditional = insn.row.flow == Flow::CondBranch;
    let goes_on = insn.row.flow == Flow::Next || conditional;
    let alone = handler.is_none() || matches!(insn.op, Op::Popf);
    Lowered { uop: u, last: !goes_on || alone }
}

/// An instruction that always raises an exception.
pub(crate) fn exception(handler: Handler, at: u16) -> Uop {
    Uop {
        run: handler,
        imm: 0,
        disp: 0,
        dst: 0,
        src: 0,
        also: 0,
        base: 0,
        index: 0,
        scale: 0,
        seg: 0,
        cut: 0,
        aux: 0,
        len: 1,
        count: 1,
        before: 0,
        hot: Hot::Other,
        next: at + 1,
    }
}
