//! Loads and stores of real, integer and decimal values, and the constants.

use super::basic::from_integer;
use super::unit::{Done, env, overflow, pop, push, raise, set_st, st, stops, underflow};
use super::value::{Class, INDEFINITE, Operand, from_f32, from_f64, narrow, narrow_nan, quiet};
use crate::cx::{Cx, Step, Stop};
use crate::soft::{Finite, Format, Rounding, flag};
use crate::uop::{Addr, Any, Handler, Uop};
use guest_mem::Access;
use x86_cpu::{F80, Fpu};
use x86_decode::{Insn, Op, Operand as Arg};

fn fld_m32(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.begin_x87(u)?;
    let (value, flags) = from_f32(cx.load::<u32>(Any::linear(cx, u))?);
    push(&mut cx.cpu.fpu, Done::with(value, flags));
    Ok(())
}

fn fld_m64(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.begin_x87(u)?;
    let (value, flags) = from_f64(cx.load::<u64>(Any::linear(cx, u))?);
    push(&mut cx.cpu.fpu, Done::with(value, flags));
    Ok(())
}

/// Loads the ten bytes of an extended value.
fn load_m80(cx: &mut Cx<'_>, u: &Uop) -> Result<F80, Stop> {
    let addr = Any::linear(cx, u);
    let mantissa = cx.load::<u64>(addr)?;
    let sign_exponent = cx.load::<u16>(addr.wrapping_add(8) & cx.mask)?;
    Ok(F80 { mantissa, sign_exponent })
}

fn store_m80(cx: &mut Cx<'_>, u: &Uop, value: F80) -> Step {
    let addr = Any::linear(cx, u);
    cx.check_operand(addr, 10, Access::Write)?;
    cx.store::<u64>(addr, value.mantissa)?;
    cx.store::<u16>(addr.wrapping_add(8) & cx.mask, value.sign_exponent)
}

fn fld_m80(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.begin_x87(u)?;
    let value = load_m80(cx, u)?;
    push(&mut cx.cpu.fpu, Done::exact(value));
    Ok(())
}

fn fld_st(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.begin_x87(u)?;
    let fpu = &mut cx.cpu.fpu;
    match st(fpu, u.dst & 7) {
        Some(value) => push(fpu, Done::exact(value)),
        None => {
            if underflow(fpu) {
                let top = fpu.top();
                fpu.set_top(top.wrapping_sub(1));
                set_st(fpu, 0, INDEFINITE);
            }
        }
    }
    Ok(())
}

fn fild<const BYTES: usize>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.begin_x87(u)?;
    let addr = Any::linear(cx, u);
    let value = match BYTES {
        2 => i64::from(cx.load::<u16>(addr)? as i16),
        4 => i64::from(cx.load::<u32>(addr)? as i32),
        _ => cx.load::<u64>(addr)? as i64,
    };
    push(&mut cx.cpu.fpu, Done::exact(from_integer(value)));
    Ok(())
}

/// Ends a store: flags, then the pop.
fn stored(cx: &mut Cx<'_>, flags: u8, up: bool, pops: bool) -> Step {
    raise(&mut cx.cpu.fpu, flags, up);
    if pops {
        pop(&mut cx.cpu.fpu);
    }
    cx.stored()
}

/// ST(0) in a smaller format: bits, exceptions, rounded up.
fn narrowed(value: F80, fpu: &Fpu, format: Format, fraction_bits: u32) -> (u64, u8, bool) {
    let operand = Operand::of(value);
    let sign = u64::from(operand.negative) << if fraction_bits == 23 { 31 } else { 63 };
    let nan = |bits: F80| narrow_nan(bits, fraction_bits);
    match operand.class {
        Class::Unsupported => (nan(INDEFINITE), flag::INVALID, false),
        Class::SignalingNan => (nan(quiet(value)), flag::INVALID, false),
        Class::QuietNan => (nan(value), 0, false),
        Class::Zero => (sign, 0, false),
        Class::Infinity => {
            let top = if fraction_bits == 23 { 0xff << 23 } else { 0x7ff << 52 };
            (sign | top, 0, false)
        }
        Class::Finite(finite) => {
            // Unmasked overflow and underflow store nothing, so the scaled result is never seen.
            let env = env(fpu);
            let rounded = finite.wide().round(format, env.rounding, env.unmasked);
            (narrow(rounded, format, fraction_bits), rounded.flags, rounded.up)
        }
    }
}

/// `fst` and `fstp` to memory: `aux` is 1 to pop.
fn fst_mem<const SINGLE: bool>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.begin_x87(u)?;
    let (format, fraction_bits) = if SINGLE { (Format::SINGLE, 23) } else { (Format::DOUBLE, 52) };
    let addr = Any::linear(cx, u);
    let put = |cx: &mut Cx<'_>, bits: u64| {
        if SINGLE { cx.store::<u32>(addr, bits as u32) } else { cx.store::<u64>(addr, bits) }
    };
    let fpu = &mut cx.cpu.fpu;
    let Some(value) = st(fpu, 0) else {
        return store_empty(cx, u, addr, if SINGLE { 4 } else { 8 }, |cx| {
            put(cx, narrow_nan(INDEFINITE, fraction_bits))
        });
    };
    let quick = match (super::quick::applies(fpu.control), SINGLE) {
        (false, _) => None,
        (_, true) => super::quick::to_f32(value),
        (_, false) => super::quick::to_f64(value),
    };
    let (bits, flags, up) = quick.unwrap_or_else(|| narrowed(value, fpu, format, fraction_bits));
    let unmasked = flags & !(fpu.control as u8);
    if unmasked & (flag::INVALID | flag::OVERFLOW | flag::UNDERFLOW) != 0 {
        // Nothing is stored, so nothing was rounded.
        raise(&mut cx.cpu.fpu, flags & !flag::PRECISION, false);
        return Ok(());
    }
    put(cx, bits)?;
    stored(cx, flags, up, u.aux & 1 != 0)
}

/// The store of an empty register: an indefinite value if that is masked.
fn store_empty(cx: &mut Cx<'_>, u: &Uop, addr: u64, len: u64, put: impl Fn(&mut Cx<'_>) -> Step) -> Step {
    if super::unit::invalid_masked(&cx.cpu.fpu) {
        cx.check_operand(addr, len, Access::Write)?;
    }
    if underflow(&mut cx.cpu.fpu) {
        put(cx)?;
        if u.aux & 1 != 0 {
            pop(&mut cx.cpu.fpu);
        }
    }
    cx.stored()
}

fn fstp_m80(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.begin_x87(u)?;
    let addr = Any::linear(cx, u);
    match st(&cx.cpu.fpu, 0) {
        Some(value) => {
            store_m80(cx, u, value)?;
            stored(cx, 0, false, true)
        }
        None => store_empty(cx, u, addr, 10, |cx| store_m80(cx, u, INDEFINITE)),
    }
}

/// `aux`: the encoding D9 /3 of `fstp st(i)`.
const ALIAS: u8 = 4;

fn fst_st(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.begin_x87(u)?;
    let fpu = &mut cx.cpu.fpu;
    let value = match st(fpu, 0) {
        Some(value) => {
            raise(fpu, 0, false);
            value
        }
        // The alias D9 /3 pops an empty register in silence.
        None if u.aux & ALIAS != 0 => {
            raise(fpu, 0, false);
            pop(fpu);
            return Ok(());
        }
        None if underflow(fpu) => INDEFINITE,
        None => return Ok(()),
    };
    set_st(fpu, u.dst & 7, value);
    if u.aux & 1 != 0 {
        pop(fpu);
    }
    Ok(())
}

/// Rounds to a signed integer of some bytes; out of range and not a number is INVALID.
fn to_signed(value: F80, rounding: Rounding, bytes: usize) -> Option<(i64, bool, bool)> {
    let limit = 1_u64 << (bytes * 8 - 1);
    let operand = Operand::of(value);
    match operand.class {
        Class::Zero => Some((0, false, false)),
        Class::Finite(finite) => {
            let (magnitude, inexact, up) = finite.to_integer(rounding);
            let magnitude = magnitude.filter(|m| *m < limit || *m == limit && operand.negative)?;
            let signed = if operand.negative { magnitude.wrapping_neg() } else { magnitude };
            Some((signed as i64, inexact, up))
        }
        _ => None,
    }
}

/// `fist`, `fistp`, `fisttp`: `aux` bit 0 pops, bit 1 truncates.
fn fist<const BYTES: usize>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.begin_x87(u)?;
    let addr = Any::linear(cx, u);
    let put = |cx: &mut Cx<'_>, value: u64| match BYTES {
        2 => cx.store::<u16>(addr, value as u16),
        4 => cx.store::<u32>(addr, value as u32),
        _ => cx.store::<u64>(addr, value),
    };
    let indefinite = 1_u64 << (BYTES * 8 - 1);
    let Some(value) = st(&cx.cpu.fpu, 0) else {
        return store_empty(cx, u, addr, BYTES as u64, |cx| put(cx, indefinite));
    };
    let rounding = if u.aux & 2 != 0 { Rounding::Zero } else { env(&cx.cpu.fpu).rounding };
    match to_signed(value, rounding, BYTES) {
        Some((value, inexact, up)) => {
            put(cx, value as u64)?;
            stored(cx, if inexact { flag::PRECISION } else { 0 }, up, u.aux & 1 != 0)
        }
        None => invalid_store(cx, u, addr, BYTES as u64, |cx| put(cx, indefinite)),
    }
}

/// A store whose value does not fit: an indefinite one if that is masked.
fn invalid_store(cx: &mut Cx<'_>, u: &Uop, addr: u64, len: u64, put: impl Fn(&mut Cx<'_>) -> Step) -> Step {
    if stops(&cx.cpu.fpu, flag::INVALID) {
        raise(&mut cx.cpu.fpu, flag::INVALID, false);
        return Ok(());
    }
    cx.check_operand(addr, len, Access::Write)?;
    put(cx)?;
    stored(cx, flag::INVALID, false, u.aux & 1 != 0)
}

const DECIMAL_LIMIT: u64 = 1_000_000_000_000_000_000;

fn fbld(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.begin_x87(u)?;
    let image = load_m80(cx, u)?;
    let bytes = image.to_bytes();
    let digits = bytes[..9].iter().rev();
    let magnitude = digits.fold(0_u64, |n, byte| {
        n.wrapping_mul(100).wrapping_add(u64::from(byte >> 4) * 10 + u64::from(byte & 15))
    });
    let negative = bytes[9] & 0x80 != 0;
    let value = match Finite::from_integer(negative, magnitude) {
        Some(finite) => super::value::exact(finite),
        None => super::value::zero(negative),
    };
    push(&mut cx.cpu.fpu, Done::exact(value));
    Ok(())
}

/// What `fbstp` stores for a value out of range (SDM vol. 1 table 4-4).
const DECIMAL_INDEFINITE: F80 = F80 { mantissa: 0xc000_0000_0000_0000, sign_exponent: 0xffff };

fn fbstp(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.begin_x87(u)?;
    let addr = Any::linear(cx, u);
    let Some(value) = st(&cx.cpu.fpu, 0) else {
        return store_empty(cx, u, addr, 10, |cx| store_m80(cx, u, DECIMAL_INDEFINITE));
    };
    let rounded = to_signed(value, env(&cx.cpu.fpu).rounding, 8);
    let fits = rounded.filter(|(integer, ..)| integer.unsigned_abs() < DECIMAL_LIMIT);
    let Some((integer, inexact, up)) = fits else {
        return invalid_store(cx, u, addr, 10, |cx| store_m80(cx, u, DECIMAL_INDEFINITE));
    };
    let mut bytes = [0; 10];
    let mut left = integer.unsigned_abs();
    for byte in bytes.iter_mut().take(9) {
        let pair = (left % 100) as u8;
        *byte = ((pair / 10) << 4) | (pair % 10);
        left /= 100;
    }
    bytes[9] = (value.sign_exponent >> 8) as u8 & 0x80;
    store_m80(cx, u, F80::from_bytes(bytes))?;
    stored(cx, if inexact { flag::PRECISION } else { 0 }, up, true)
}

/// The constants: mantissa, sign and exponent, and whether truncating drops one unit (their exact values lie below
/// or above the rounded ones; SDM vol. 1 §8.3.8 and vol. 2, FLD1).
const CONSTANTS: [(F80, Option<bool>); 7] = [
    (F80 { mantissa: 0x8000_0000_0000_0000, sign_exponent: 0x3fff }, None),
    // log2(10), rounded down to nearest.
    (F80 { mantissa: 0xd49a_784b_cd1b_8afe, sign_exponent: 0x4000 }, Some(false)),
    // log2(e), rounded up.
    (F80 { mantissa: 0xb8aa_3b29_5c17_f0bc, sign_exponent: 0x3fff }, Some(true)),
    // pi, rounded up.
    (F80 { mantissa: 0xc90f_daa2_2168_c235, sign_exponent: 0x4000 }, Some(true)),
    // log10(2), rounded up.
    (F80 { mantissa: 0x9a20_9a84_fbcf_f799, sign_exponent: 0x3ffd }, Some(true)),
    // ln(2), rounded up.
    (F80 { mantissa: 0xb172_17f7_d1cf_79ac, sign_exponent: 0x3ffe }, Some(true)),
    (F80 { mantissa: 0, sign_exponent: 0 }, None),
];

/// `fld1` and its like: `aux` is the constant.
fn fld_constant(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.begin_x87(u)?;
    let (mut value, rounded_up) = CONSTANTS[usize::from(u.aux) % CONSTANTS.len()];
    let rounding = env(&cx.cpu.fpu).rounding;
    match (rounding, rounded_up) {
        (Rounding::Down | Rounding::Zero, Some(true)) => value.mantissa -= 1,
        (Rounding::Up, Some(false)) => value.mantissa += 1,
        _ => {}
    }
    push(&mut cx.cpu.fpu, Done::exact(value));
    Ok(())
}

pub(crate) fn lower(insn: &Insn, u: &mut Uop) -> Option<Handler> {
    let size = match insn.operands[0] {
        Arg::Mem(mem) => mem.size,
        _ => 0,
    };
    let constants = [Op::Fld1, Op::Fldl2t, Op::Fldl2e, Op::Fldpi, Op::Fldlg2, Op::Fldln2, Op::Fldz];
    if let Some(n) = constants.iter().position(|op| *op == insn.op) {
        u.aux = n as u8;
        return Some(fld_constant);
    }
    let pops = matches!(insn.op, Op::Fstp | Op::Fistp | Op::Fisttp | Op::Fbstp);
    let truncates = insn.op == Op::Fisttp;
    let handler: Handler = match (insn.op, size) {
        (Op::Fld, 0) => fld_st,
        (Op::Fld, 4) => fld_m32,
        (Op::Fld, 8) => fld_m64,
        (Op::Fld, _) => fld_m80,
        (Op::Fst | Op::Fstp, 0) => fst_st,
        (Op::Fst | Op::Fstp, 4) => fst_mem::<true>,
        (Op::Fst | Op::Fstp, 8) => fst_mem::<false>,
        (Op::Fstp, _) => fstp_m80,
        (Op::Fild, 2) => fild::<2>,
        (Op::Fild, 4) => fild::<4>,
        (Op::Fild, _) => fild::<8>,
        (Op::Fist | Op::Fistp | Op::Fisttp, 2) => fist::<2>,
        (Op::Fist | Op::Fistp | Op::Fisttp, 4) => fist::<4>,
        (Op::Fist | Op::Fistp | Op::Fisttp, _) => fist::<8>,
        (Op::Fbld, _) => fbld,
        (Op::Fbstp, _) => fbstp,
        _ => return None,
    };
    u.aux = u8::from(pops) | u8::from(truncates) << 1;
    if insn.op == Op::Fstp && size == 0 && insn.row.opcode == 0xd9 {
        u.aux |= ALIAS;
    }
    Some(handler)
}

/// A full stack on a push of a computed pair (`fptan`, `fsincos`).
pub(crate) fn pair_overflows(fpu: &mut Fpu) -> bool {
    let full = fpu.in_use >> (fpu.top().wrapping_sub(1) & 7) & 1 != 0;
    if full && overflow(fpu) {
        set_st(fpu, 0, INDEFINITE);
        let top = fpu.top();
        fpu.set_top(top.wrapping_sub(1));
        set_st(fpu, 0, INDEFINITE);
    }
    full
}
