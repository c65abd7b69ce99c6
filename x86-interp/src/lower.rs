//! From a decoded instruction to a [`Uop`]: each family is asked in turn.

use crate::exec::{alu, bits, bmi, branch, far, mov, muldiv, shift, string, system};
use crate::hot::Hot;
use crate::sse;
use crate::uop::{Handler, LowerMode, Uop};
use crate::x87;
use x86_decode::{Arg, Flow, Insn, Op, Operand, Seg};

/// A lowered instruction.
pub(crate) struct Lowered {
    pub(crate) uop: Uop,
    /// The block ends here.
    pub(crate) last: bool,
}

/// Lowers the instruction that starts `at` bytes into its page, as number `position` of its block.
pub(crate) fn lower(insn: &Insn, at: u16, position: u64, mode: LowerMode) -> Lowered {
    let (mut u, kind) = Uop::pack(insn, at, mode, system::undefined);
    // Segment registers first: `mov` and `push` of them are not those of the integer families.
    let privileged = insn.row.privileged.then(|| system::privileged(insn.op));
    let read_only = !mode.long && writes_code_segment(insn);
    let handler = privileged
        .or_else(|| read_only.then_some(system::general_protection as Handler))
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

/// Whether it stores through CS, which outside of 64-bit mode no code may (SDM vol. 3 §5.5).
fn writes_code_segment(insn: &Insn) -> bool {
    // Whether these store shows when they run.
    if matches!(insn.op, Op::Arpl | Op::Pop) || insn.row.map.is_vex() || insn.op.name().starts_with('f') {
        return false;
    }
    let stores = |(operand, arg): (&Operand, &Arg)| {
        matches!(operand, Operand::Mem(mem) if mem.seg == Seg::Cs) && arg.access.writes()
    };
    insn.operands.iter().zip(&insn.row.args).any(stores)
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
