//! Single elements of vectors to and from general registers and memory.

use super::{FROM_REG, WIDE, by_vex, names_mmx, place};
use crate::cx::{Cx, Full, Step};
use crate::int::Int;
use crate::uop::{Addr, Any, Handler, Uop};
use x86_decode::{Insn, Op, Operand, Reg};

/// The element that the immediate names.
fn element<T: Int>(cx: &Cx<'_>, u: &Uop) -> u64 {
    T::trunc((cx.xmm(u.src) >> shift::<T>(u)) as u64)
}

/// How far up the element stands.
fn shift<T: Int>(u: &Uop) -> u32 {
    u.imm as u32 % (128 / T::BITS) * T::BITS
}

fn extract<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.gpr[usize::from(u.dst & 15)] = element::<T>(cx, u);
    Ok(())
}

fn extract_m<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.store_last::<T, Full>(Any::linear(cx, u), element::<T>(cx, u))
}

fn insert<T: Int, const VEX: bool>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = match u.aux & !WIDE {
        FROM_REG => T::get(cx, u.src),
        _ => cx.load_int::<T>(Any::linear(cx, u))?,
    };
    let at = shift::<T>(u);
    let whole = cx.first::<VEX>(u)[0] & !(u128::from(T::MASK) << at) | u128::from(value) << at;
    cx.put::<VEX>(u, [whole, 0]);
    Ok(())
}

pub(crate) fn lower(insn: &Insn, u: &mut Uop) -> Option<Handler> {
    if names_mmx(insn) {
        return None;
    }
    let wide = insn.operands.iter().any(|operand| match operand {
        Operand::Reg(Reg::Gpr64(_)) => true,
        Operand::Mem(mem) => mem.size == 8,
        _ => false,
    });
    macro_rules! extracts {
        ($t:ty) => {
            if matches!(insn.operands[0], Operand::Mem(_)) { extract_m::<$t> } else { extract::<$t> }
        };
    }
    let handler: Handler = match insn.op {
        Op::Pextrb | Op::Vpextrb => extracts!(u8),
        Op::Pextrw | Op::Vpextrw => extracts!(u16),
        Op::Pextrd | Op::Pextrq | Op::Vpextrd | Op::Vpextrq if wide => extracts!(u64),
        Op::Pextrd | Op::Pextrq | Op::Vpextrd | Op::Vpextrq => extracts!(u32),
        Op::Extractps | Op::Vextractps => extracts!(u32),
        Op::Pinsrb | Op::Vpinsrb => by_vex!(insn, insert, u8),
        Op::Pinsrw | Op::Vpinsrw => by_vex!(insn, insert, u16),
        Op::Pinsrd | Op::Pinsrq | Op::Vpinsrd | Op::Vpinsrq if wide => by_vex!(insn, insert, u64),
        Op::Pinsrd | Op::Pinsrq | Op::Vpinsrd | Op::Vpinsrq => by_vex!(insn, insert, u32),
        _ => return None,
    };
    place(insn, u);
    Some(handler)
}
