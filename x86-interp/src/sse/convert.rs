//! Conversions between integers, singles and doubles.

use super::float::{self, Control, Double, Float, Single};
use super::{FROM_REG, source_kind};
use crate::cx::{Cx, Step, Stop};
use crate::int::Int;
use crate::soft::Rounding;
use crate::uop::{Addr, Any, Handler, Uop};
use x86_decode::{Insn, Op, Operand, Reg};

fn low<F: Float>(v: u128) -> u64 {
    v as u64 & F::MASK
}

/// `cvtsi2ss`, `cvtsi2sd` from a general register or memory.
fn from_int<F: Float, T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = if u.aux == FROM_REG { T::get(cx, u.src) } else { cx.load_int::<T>(Any::linear(cx, u))? };
    let (r, flags) = float::from_integer::<F>(T::sext(value) as i64, cx.control());
    cx.raise_simd(flags)?;
    cx.set_xmm_low(u.dst, r.into(), F::BITS);
    Ok(())
}

/// `cvtss2si` and its like into a general register.
fn to_int<F: Float, T: Int, const TRUNCATE: bool>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = cx.xmm_source(u)?;
    let control = cx.control();
    let rounding = if TRUNCATE { Rounding::Zero } else { control.rounding() };
    let (r, flags) = float::to_integer::<F>(low::<F>(value), T::BITS, rounding, control);
    cx.raise_simd(flags)?;
    T::set(cx, u.dst, r);
    Ok(())
}

fn scalar_convert<From: Float, To: Float>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = cx.xmm_source(u)?;
    let (r, flags) = float::convert::<From, To>(low::<From>(value), cx.control());
    cx.raise_simd(flags)?;
    cx.set_xmm_low(u.dst, r.into(), To::BITS);
    Ok(())
}

/// Converts `count` lanes of `from` bits into lanes of `to` bits.
#[inline(always)]
fn convert_lanes(
    source: u128,
    count: u32,
    from: u32,
    to: u32,
    f: impl Fn(u64) -> float::Result,
) -> (u128, u8) {
    let mask = u64::MAX >> (64 - from);
    (0..count).fold((0, 0), |(out, flags), n| {
        let (r, raised) = f((source >> (n * from)) as u64 & mask);
        (out | u128::from(r) << (n * to), flags | raised)
    })
}

/// What a packed conversion does with each lane.
trait Conversion: 'static {
    const COUNT: u32;
    const FROM: u32;
    const TO: u32;
    fn lane(value: u64, control: Control) -> float::Result;
}

macro_rules! conversions {
    ($($name:ident $count:literal x $from:literal to $to:literal |$v:ident, $c:ident| $body:expr;)*) => {$(
        struct $name;
        impl Conversion for $name {
            const COUNT: u32 = $count;
            const FROM: u32 = $from;
            const TO: u32 = $to;
            fn lane($v: u64, $c: Control) -> float::Result {
                $body
            }
        }
    )*};
}

const fn int32(value: u64) -> i64 {
    value as u32 as i32 as i64
}

conversions! {
    PsToPd 2 x 32 to 64 |v, c| float::convert::<Single, Double>(v, c);
    PdToPs 2 x 64 to 32 |v, c| float::convert::<Double, Single>(v, c);
    DqToPs 4 x 32 to 32 |v, c| float::from_integer::<Single>(int32(v), c);
    DqToPd 2 x 32 to 64 |v, c| float::from_integer::<Double>(int32(v), c);
    PsToDq 4 x 32 to 32 |v, c| float::to_integer::<Single>(v, 32, c.rounding(), c);
    PsToDqTruncated 4 x 32 to 32 |v, c| float::to_integer::<Single>(v, 32, Rounding::Zero, c);
    PdToDq 2 x 64 to 32 |v, c| float::to_integer::<Double>(v, 32, c.rounding(), c);
    PdToDqTruncated 2 x 64 to 32 |v, c| float::to_integer::<Double>(v, 32, Rounding::Zero, c);
    // Two lanes, for MMX registers.
    PiToPs 2 x 32 to 32 |v, c| float::from_integer::<Single>(int32(v), c);
    PsToPi 2 x 32 to 32 |v, c| float::to_integer::<Single>(v, 32, c.rounding(), c);
    PsToPiTruncated 2 x 32 to 32 |v, c| float::to_integer::<Single>(v, 32, Rounding::Zero, c);
}

fn convert<C: Conversion>(source: u128, control: Control) -> (u128, u8) {
    convert_lanes(source, C::COUNT, C::FROM, C::TO, |v| C::lane(v, control))
}

fn packed<C: Conversion>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = cx.xmm_source(u)?;
    let (r, flags) = convert::<C>(value, cx.control());
    cx.raise_simd(flags)?;
    cx.set_xmm(u.dst, r);
    Ok(())
}

/// Into an MMX register.
fn to_mmx<C: Conversion>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.check_fpu()?;
    let value = cx.xmm_source(u)?;
    let (r, flags) = convert::<C>(value, cx.control());
    // The change of state stands even where an unmasked exception prevents the result.
    cx.enter_mmx();
    cx.raise_simd(flags)?;
    cx.set_mmx(u.dst, r as u64);
    Ok(())
}

/// The operand of `cvtpi2ps` and `cvtpi2pd`. Only a register operand touches the MMX state.
fn pi_source(cx: &mut Cx<'_>, u: &Uop) -> Result<u128, Stop> {
    if u.aux == FROM_REG {
        cx.check_fpu()?;
        cx.enter_mmx();
    }
    cx.mmx_source(u).map(u128::from)
}

/// `cvtpi2ps`: into the low half, the rest kept.
fn pi_to_ps(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = pi_source(cx, u)?;
    let (r, flags) = convert::<PiToPs>(value, cx.control());
    cx.raise_simd(flags)?;
    cx.set_xmm_low(u.dst, r, 64);
    Ok(())
}

fn pi_to_pd(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = pi_source(cx, u)?;
    let (r, _) = convert::<DqToPd>(value, cx.control());
    cx.set_xmm(u.dst, r);
    Ok(())
}

pub(crate) fn lower(insn: &Insn, u: &mut Uop) -> Option<Handler> {
    let wide_destination = matches!(insn.operands[0], Operand::Reg(Reg::Gpr64(_)));
    let wide_source = match insn.operands[1] {
        Operand::Reg(Reg::Gpr64(_)) => true,
        Operand::Mem(mem) => mem.size == 8,
        _ => false,
    };
    let handler: Handler = match insn.op {
        Op::Cvtsi2ss if wide_source => from_int::<Single, u64>,
        Op::Cvtsi2ss => from_int::<Single, u32>,
        Op::Cvtsi2sd if wide_source => from_int::<Double, u64>,
        Op::Cvtsi2sd => from_int::<Double, u32>,
        Op::Cvtss2si if wide_destination => to_int::<Single, u64, false>,
        Op::Cvtss2si => to_int::<Single, u32, false>,
        Op::Cvtsd2si if wide_destination => to_int::<Double, u64, false>,
        Op::Cvtsd2si => to_int::<Double, u32, false>,
        Op::Cvttss2si if wide_destination => to_int::<Single, u64, true>,
        Op::Cvttss2si => to_int::<Single, u32, true>,
        Op::Cvttsd2si if wide_destination => to_int::<Double, u64, true>,
        Op::Cvttsd2si => to_int::<Double, u32, true>,
        Op::Cvtss2sd => scalar_convert::<Single, Double>,
        Op::Cvtsd2ss => scalar_convert::<Double, Single>,
        Op::Cvtps2pd => packed::<PsToPd>,
        Op::Cvtpd2ps => packed::<PdToPs>,
        Op::Cvtdq2ps => packed::<DqToPs>,
        Op::Cvtdq2pd => packed::<DqToPd>,
        Op::Cvtps2dq => packed::<PsToDq>,
        Op::Cvttps2dq => packed::<PsToDqTruncated>,
        Op::Cvtpd2dq => packed::<PdToDq>,
        Op::Cvttpd2dq => packed::<PdToDqTruncated>,
        Op::Cvtps2pi => to_mmx::<PsToPi>,
        Op::Cvttps2pi => to_mmx::<PsToPiTruncated>,
        Op::Cvtpd2pi => to_mmx::<PdToDq>,
        Op::Cvttpd2pi => to_mmx::<PdToDqTruncated>,
        Op::Cvtpi2ps => pi_to_ps,
        Op::Cvtpi2pd => pi_to_pd,
        _ => return None,
    };
    u.aux = source_kind(&insn.operands[1]);
    Some(handler)
}
