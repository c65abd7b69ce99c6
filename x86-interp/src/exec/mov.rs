//! Moves: `mov`, extensions, `lea`, conditional moves and sets, byte swaps.

use crate::cx::{Cx, Full, Path, Step};
use crate::int::Int;
use crate::uop::{Addr, AddrKind, Any, Handler, Uop, by_addr, by_condition, by_width, by_width_addr};
use x86_decode::{Insn, NO_REG, Op, Operand, Width};

#[inline(always)]
pub(crate) fn mov_rr<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    T::set(cx, u.dst, T::get(cx, u.src));
    Ok(())
}

#[inline(always)]
pub(crate) fn mov_ri<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    T::set(cx, u.dst, u.imm);
    Ok(())
}

#[inline(always)]
pub(crate) fn mov_rm<T: Int, A: Addr, P: Path>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = cx.load_by::<T, P>(A::linear(cx, u))?;
    T::set(cx, u.dst, value);
    Ok(())
}

#[inline(always)]
pub(crate) fn mov_mr<T: Int, A: Addr, P: Path>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.store_last::<T, P>(A::linear(cx, u), T::get(cx, u.src))
}

#[inline(always)]
pub(crate) fn mov_mi<T: Int, A: Addr, P: Path>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.store_last::<T, P>(A::linear(cx, u), u.imm)
}

/// An offset of 64 bits in the instruction (`mov rax, moffs64`).
struct Absolute;

impl Addr for Absolute {
    fn linear(cx: &Cx<'_>, u: &Uop) -> u64 {
        Absolute::offset(cx, u).wrapping_add(cx.reg(u.seg))
    }
    fn offset(_: &Cx<'_>, u: &Uop) -> u64 {
        u.imm
    }
}

fn is_absolute(operand: &Operand) -> bool {
    match operand {
        Operand::Mem(mem) => {
            mem.base == NO_REG
                && mem.index == NO_REG
                && mem.addr == Width::W64
                && i32::try_from(mem.disp).is_err()
        }
        _ => false,
    }
}

fn lower_mov(insn: &Insn, kind: AddrKind) -> Option<Handler> {
    let w = insn.width;
    let [to, from, ..] = &insn.operands;
    Some(match (to, from) {
        (Operand::Reg(_), Operand::Reg(_)) => by_width!(w, mov_rr),
        (Operand::Reg(_), Operand::Imm(_)) => by_width!(w, mov_ri),
        (Operand::Reg(_), Operand::Mem(_)) if is_absolute(from) => by_width!(w, mov_rm, Absolute, Full),
        (Operand::Mem(_), Operand::Reg(_)) if is_absolute(to) => by_width!(w, mov_mr, Absolute, Full),
        (Operand::Reg(_), Operand::Mem(_)) => by_width_addr!(w, kind, mov_rm, Full),
        (Operand::Mem(_), Operand::Reg(_)) => by_width_addr!(w, kind, mov_mr, Full),
        (Operand::Mem(_), Operand::Imm(_)) => by_width_addr!(w, kind, mov_mi, Full),
        _ => return None,
    })
}

#[inline(always)]
pub(crate) fn extend_r<T: Int, S: Int, const SIGNED: bool>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = S::get(cx, u.src);
    T::set(cx, u.dst, if SIGNED { S::sext(value) } else { value });
    Ok(())
}

#[inline(always)]
fn extend_m<A: Addr, T: Int, S: Int, P: Path, const SIGNED: bool>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = cx.load_by::<S, P>(A::linear(cx, u))?;
    T::set(cx, u.dst, if SIGNED { S::sext(value) } else { value });
    Ok(())
}

#[inline(always)]
pub(crate) fn zero_m<A: Addr, T: Int, S: Int, P: Path>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    extend_m::<A, T, S, P, false>(cx, u)
}

#[inline(always)]
pub(crate) fn sign_m<A: Addr, T: Int, S: Int, P: Path>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    extend_m::<A, T, S, P, true>(cx, u)
}

/// Width of an operand in bits.
fn operand_bits(operand: &Operand) -> u32 {
    use x86_decode::Reg;
    match operand {
        Operand::Reg(Reg::Gpr8(_) | Reg::Gpr8High(_)) => 8,
        Operand::Reg(Reg::Gpr16(_) | Reg::Seg(_)) => 16,
        Operand::Reg(Reg::Gpr32(_)) => 32,
        Operand::Mem(mem) => u32::from(mem.size) * 8,
        _ => 64,
    }
}

fn lower_extend(insn: &Insn, kind: AddrKind, signed: bool) -> Option<Handler> {
    let from = operand_bits(&insn.operands[1]);
    macro_rules! pick {
        ($t:ty, $s:ty) => {
            match (matches!(insn.operands[1], Operand::Mem(_)), signed) {
                (true, false) => by_addr!(kind, zero_m, $t, $s, Full),
                (true, true) => by_addr!(kind, sign_m, $t, $s, Full),
                (false, false) => extend_r::<$t, $s, false>,
                (false, true) => extend_r::<$t, $s, true>,
            }
        };
    }
    Some(match (insn.width, from) {
        (Width::W16, 8) => pick!(u16, u8),
        (Width::W16, 16) => pick!(u16, u16),
        (Width::W16, 32) => pick!(u16, u32),
        (Width::W32, 8) => pick!(u32, u8),
        (Width::W32, 16) => pick!(u32, u16),
        (Width::W32, 32) => pick!(u32, u32),
        (Width::W64, 8) => pick!(u64, u8),
        (Width::W64, 16) => pick!(u64, u16),
        (Width::W64, 32) => pick!(u64, u32),
        _ => return None,
    })
}

#[inline(always)]
pub(crate) fn lea<T: Int, A: Addr>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    T::set(cx, u.dst, A::offset(cx, u));
    Ok(())
}

#[inline(always)]
pub(crate) fn cmov_r<const CODE: u8, T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let from = if cx.flags.condition(CODE) { u.src } else { u.dst };
    // Written either way: a 32-bit one clears the upper half even if the condition is false.
    T::set(cx, u.dst, T::get(cx, from));
    Ok(())
}

fn cmov_m<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = cx.load_int::<T>(Any::linear(cx, u))?;
    let value = if cx.flags.condition(u.aux) { value } else { T::get(cx, u.dst) };
    T::set(cx, u.dst, value);
    Ok(())
}

#[inline(always)]
pub(crate) fn setcc_r<const CODE: u8>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    u8::set(cx, u.dst, cx.flags.condition(CODE).into());
    Ok(())
}

fn setcc_m(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.store::<u8>(Any::linear(cx, u), cx.flags.condition(u.aux).into())?;
    cx.stored()
}

fn bswap<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = T::get(cx, u.dst).swap_bytes() >> (64 - T::BITS);
    // The 16-bit form is undefined by the manual; processors give zero.
    T::set(cx, u.dst, if T::BITS == 16 { 0 } else { value });
    Ok(())
}

/// `cbw`, `cwde`, `cdqe`: the lower half of the accumulator extended into all of it.
fn extend_accumulator<S: Int, T: Int>(cx: &mut Cx<'_>, _: &Uop) -> Step {
    let value = S::sext(S::get(cx, 0));
    T::set(cx, 0, value);
    Ok(())
}

/// `cwd`, `cdq`, `cqo`: the accumulator's sign into (E/R)DX.
fn spread_sign<T: Int>(cx: &mut Cx<'_>, _: &Uop) -> Step {
    let sign = T::sext(T::get(cx, 0)) as i64 >> 63;
    T::set(cx, 2, sign as u64);
    Ok(())
}

fn xlat(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let offset = cx.gpr[3].wrapping_add(u8::get(cx, 0)) & u.addr_mask();
    let addr = offset.wrapping_add(cx.reg(u.seg)) & cx.mask;
    let value = cx.load::<u8>(addr)?;
    u8::set(cx, 0, value.into());
    Ok(())
}

/// Condition code of `cmovcc`, `setcc` or `jcc` by the position in its family.
pub(crate) fn condition_of(op: Op, first: Op) -> Option<u8> {
    let code = (op as u16).wrapping_sub(first as u16);
    (code < 16).then_some(code as u8)
}

pub(crate) fn lower(insn: &Insn, u: &mut Uop, kind: AddrKind) -> Option<Handler> {
    let w = insn.width;
    let from_memory = matches!(insn.operands[1], Operand::Mem(_));
    if let Some(code) = condition_of(insn.op, Op::Cmovo) {
        u.aux = code;
        return Some(match (from_memory, w) {
            (true, w) => by_width!(w, cmov_m),
            (false, Width::W16) => by_condition!(code, cmov_r, u16),
            (false, Width::W64) => by_condition!(code, cmov_r, u64),
            (false, _) => by_condition!(code, cmov_r, u32),
        });
    }
    if let Some(code) = condition_of(insn.op, Op::Seto) {
        u.aux = code;
        return Some(if matches!(insn.operands[0], Operand::Mem(_)) {
            setcc_m
        } else {
            by_condition!(code, setcc_r)
        });
    }
    match insn.op {
        Op::Mov => lower_mov(insn, kind),
        Op::Movzx => lower_extend(insn, kind, false),
        Op::Movsx | Op::Movsxd => lower_extend(insn, kind, true),
        Op::Lea => Some(by_width_addr!(w, kind, lea)),
        Op::Bswap => Some(by_width!(w, bswap)),
        Op::Cbw => Some(extend_accumulator::<u8, u16>),
        Op::Cwde => Some(extend_accumulator::<u16, u32>),
        Op::Cdqe => Some(extend_accumulator::<u32, u64>),
        Op::Cwd => Some(spread_sign::<u16>),
        Op::Cdq => Some(spread_sign::<u32>),
        Op::Cqo => Some(spread_sign::<u64>),
        Op::Xlat => Some(xlat),
        _ => None,
    }
}
