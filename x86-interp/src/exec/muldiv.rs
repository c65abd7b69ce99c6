//! Multiplication, division and decimal adjustment.

use crate::cx::{Cx, Step, Stop};
use crate::int::{HIGH_BYTE, Int};
use crate::uop::{Addr, Any, Handler, Uop, by_width};
use x86_cpu::{Vector, flags as bit};
use x86_decode::{Insn, Op, Operand};

const AH: u8 = HIGH_BYTE;
const AL: u8 = 0;
const FROM_MEMORY: u8 = 1;

/// The operand of a one-operand form.
#[inline(always)]
fn operand<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Result<u64, Stop> {
    if u.aux & FROM_MEMORY != 0 { cx.load_int::<T>(Any::linear(cx, u)) } else { Ok(T::get(cx, u.dst)) }
}

/// Stores a double-width value to AX or to DX:AX of the width.
fn set_pair<T: Int>(cx: &mut Cx<'_>, low: u64, high: u64) {
    T::set(cx, 0, low);
    T::set(cx, if T::BITS == 8 { AH } else { 2 }, high);
}

fn mul<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let (a, b) = (operand::<T>(cx, u)?, T::get(cx, 0));
    let (low, high) = if T::BITS <= 32 {
        (T::trunc(a * b), (a * b) >> (T::BITS & 63))
    } else {
        let product = u128::from(a) * u128::from(b);
        (product as u64, (product >> 64) as u64)
    };
    set_pair::<T>(cx, low, high);
    cx.flags.result_co::<T>(low, high != 0, high != 0);
    Ok(())
}

#[inline(always)]
fn signed_product<T: Int>(a: u64, b: u64) -> (u64, u64, bool) {
    let (a, b) = (T::sext(a) as i64, T::sext(b) as i64);
    if T::BITS <= 32 {
        let product = a * b;
        let low = T::trunc(product as u64);
        return (low, T::trunc((product >> (T::BITS & 63)) as u64), product != T::sext(low) as i64);
    }
    let product = i128::from(a) * i128::from(b);
    let low = T::trunc(product as u64);
    (low, T::trunc((product >> T::BITS) as u64), product != i128::from(T::sext(low) as i64))
}

fn imul1<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let (low, high, overflow) = signed_product::<T>(operand::<T>(cx, u)?, T::get(cx, 0));
    set_pair::<T>(cx, low, high);
    cx.flags.result_co::<T>(low, overflow, overflow);
    Ok(())
}

#[inline(always)]
fn imul_to<T: Int>(cx: &mut Cx<'_>, u: &Uop, a: u64, b: u64) -> Step {
    let (low, _, overflow) = signed_product::<T>(a, b);
    T::set(cx, u.dst, low);
    cx.flags.result_co::<T>(low, overflow, overflow);
    Ok(())
}

fn imul_rr<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    imul_to::<T>(cx, u, T::get(cx, u.dst), T::get(cx, u.src))
}

fn imul_rm<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let b = cx.load_int::<T>(Any::linear(cx, u))?;
    imul_to::<T>(cx, u, T::get(cx, u.dst), b)
}

fn imul_rri<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    imul_to::<T>(cx, u, T::get(cx, u.src), T::trunc(u.imm))
}

fn imul_rmi<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let a = cx.load_int::<T>(Any::linear(cx, u))?;
    imul_to::<T>(cx, u, a, T::trunc(u.imm))
}

fn dividend<T: Int>(cx: &Cx<'_>) -> u128 {
    let high = T::get(cx, if T::BITS == 8 { AH } else { 2 });
    u128::from(high) << T::BITS | u128::from(T::get(cx, 0))
}

fn div<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let divisor = u128::from(operand::<T>(cx, u)?);
    let dividend = dividend::<T>(cx);
    let narrow = |value: u128| (value as u64, value >> 64 == 0);
    let quotient = match (narrow(dividend), divisor) {
        (_, 0) => return Err(cx.fault(Vector::DivideError, 0)),
        ((low, true), divisor) => u128::from(low / divisor as u64),
        _ => dividend / divisor,
    };
    if quotient > u128::from(T::MASK) {
        return Err(cx.fault(Vector::DivideError, 0));
    }
    let remainder = dividend - quotient * divisor;
    set_pair::<T>(cx, quotient as u64, remainder as u64);
    Ok(())
}

fn idiv<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let divisor = i128::from(T::sext(operand::<T>(cx, u)?) as i64);
    let shift = 128 - 2 * T::BITS;
    let dividend = (dividend::<T>(cx) << shift) as i128 >> shift;
    let quotient = match (i64::try_from(dividend), divisor) {
        (Ok(small), -1) => Some(-i128::from(small)),
        (Ok(small), divisor) if divisor != 0 => Some(i128::from(small / divisor as i64)),
        _ => dividend.checked_div(divisor),
    };
    let fits = |q: &i128| i128::from(T::sext(T::trunc(*q as u64)) as i64) == *q;
    let Some(quotient) = quotient.filter(fits) else {
        return Err(cx.fault(Vector::DivideError, 0));
    };
    let remainder = dividend - quotient * divisor;
    set_pair::<T>(cx, T::trunc(quotient as u64), T::trunc(remainder as u64));
    Ok(())
}

/// `daa` and `das` (SDM vol. 2).
fn decimal_adjust(cx: &mut Cx<'_>, subtract: bool) -> Step {
    let (old, old_cf) = (u8::get(cx, AL) as u8, cx.flags.cf());
    let low = old & 15 > 9 || cx.flags.af();
    let high = old > 0x99 || old_cf;
    let step = |value: u8, by: u8| if subtract { value.wrapping_sub(by) } else { value.wrapping_add(by) };
    let mut al = old;
    let mut cf = high;
    if low {
        // `das` sets CF for the borrow of this step too, even where `high` is false.
        cf |= subtract && old < 6;
        al = step(al, 6);
    }
    if high {
        al = step(al, 0x60);
    }
    u8::set(cx, AL, al.into());
    cx.flags.logic::<u8>(al.into());
    let af = if low { bit::AF } else { 0 };
    let bits = cx.flags.bits() | af | if cf { bit::CF } else { 0 };
    cx.flags.set_bits(bits);
    Ok(())
}

fn daa(cx: &mut Cx<'_>, _: &Uop) -> Step {
    decimal_adjust(cx, false)
}

fn das(cx: &mut Cx<'_>, _: &Uop) -> Step {
    decimal_adjust(cx, true)
}

/// `aaa` and `aas`.
fn ascii_adjust(cx: &mut Cx<'_>, subtract: bool) -> Step {
    let adjust = u8::get(cx, AL) & 15 > 9 || cx.flags.af();
    let mut ax = u16::get(cx, 0);
    if adjust {
        ax = if subtract { ax.wrapping_sub(0x106) } else { ax.wrapping_add(0x106) };
    }
    ax &= 0xff0f;
    u16::set(cx, 0, ax);
    cx.flags.logic::<u8>(ax & 0xff);
    let bits = cx.flags.bits();
    cx.flags.set_bits(if adjust { bits | bit::AF | bit::CF } else { bits });
    Ok(())
}

fn aaa(cx: &mut Cx<'_>, _: &Uop) -> Step {
    ascii_adjust(cx, false)
}

fn aas(cx: &mut Cx<'_>, _: &Uop) -> Step {
    ascii_adjust(cx, true)
}

fn aam(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let base = u.imm as u8;
    let al = u8::get(cx, AL) as u8;
    let (Some(tens), Some(ones)) = (al.checked_div(base), al.checked_rem(base)) else {
        return Err(cx.fault(Vector::DivideError, 0));
    };
    u8::set(cx, AH, tens.into());
    u8::set(cx, AL, ones.into());
    cx.flags.logic::<u8>(ones.into());
    Ok(())
}

fn aad(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let sum = u8::get(cx, AH).wrapping_mul(u.imm & 0xff).wrapping_add(u8::get(cx, AL)) & 0xff;
    u16::set(cx, 0, sum);
    cx.flags.logic::<u8>(sum);
    Ok(())
}

pub(crate) fn lower(insn: &Insn, u: &mut Uop) -> Option<Handler> {
    let w = insn.width;
    if matches!(insn.operands[0], Operand::Mem(_)) {
        u.aux = FROM_MEMORY;
    }
    Some(match (insn.op, insn.operands[1], insn.operands[2]) {
        (Op::Mul, ..) => by_width!(w, mul),
        (Op::Div, ..) => by_width!(w, div),
        (Op::Idiv, ..) => by_width!(w, idiv),
        (Op::Imul, Operand::None, _) => by_width!(w, imul1),
        (Op::Imul, Operand::Reg(_), Operand::None) => by_width!(w, imul_rr),
        (Op::Imul, Operand::Mem(_), Operand::None) => by_width!(w, imul_rm),
        (Op::Imul, Operand::Mem(_), _) => by_width!(w, imul_rmi),
        (Op::Imul, Operand::Imm(_), Operand::None) => {
            u.src = u.dst;
            by_width!(w, imul_rri)
        }
        (Op::Imul, ..) => by_width!(w, imul_rri),
        (Op::Daa, ..) => daa,
        (Op::Das, ..) => das,
        (Op::Aaa, ..) => aaa,
        (Op::Aas, ..) => aas,
        (Op::Aam, ..) => aam,
        (Op::Aad, ..) => aad,
        _ => return None,
    })
}
