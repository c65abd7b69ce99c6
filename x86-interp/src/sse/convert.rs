//! Conversions between integers, halves, singles and doubles.

use super::float::{self, Control, Double, Float, Half, Single};
use super::{FROM_REG, Halves, by_vex, place};
use crate::cx::{Cx, Step, Stop};
use crate::int::Int;
use crate::soft::{Rounding, flag};
use crate::uop::{Addr, Any, Handler, Uop};
use x86_decode::{Insn, Op, Operand, Reg};

fn low<F: Float>(v: u128) -> u64 {
    v as u64 & F::MASK
}

/// `cvtsi2ss`, `cvtsi2sd` from a general register or memory.
fn from_int<F: Float, T: Int, const VEX: bool>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = if u.aux == FROM_REG { T::get(cx, u.src) } else { cx.load_int::<T>(Any::linear(cx, u))? };
    let (r, flags) = float::from_integer::<F>(T::sext(value) as i64, cx.control());
    cx.raise_simd(flags)?;
    cx.put_low::<VEX>(u, r.into(), F::BITS);
    Ok(())
}

/// `cvtss2si` and its like into a general register.
fn to_int<F: Float, T: Int, const TRUNCATE: bool, const VEX: bool>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = cx.second::<VEX>(u)?[0];
    let control = cx.control();
    let rounding = if TRUNCATE { Rounding::Zero } else { control.rounding() };
    let (r, flags) = float::to_integer::<F>(low::<F>(value), T::BITS, rounding, control);
    cx.raise_simd(flags)?;
    T::set(cx, u.dst, r);
    Ok(())
}

fn rounded<F: Float, T: Int, const VEX: bool>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    to_int::<F, T, false, VEX>(cx, u)
}

fn truncated<F: Float, T: Int, const VEX: bool>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    to_int::<F, T, true, VEX>(cx, u)
}

fn scalar_convert<From: Float, To: Float, const VEX: bool>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = cx.second::<VEX>(u)?[0];
    let (r, flags) = float::convert::<From, To>(low::<From>(value), cx.control());
    cx.raise_simd(flags)?;
    cx.put_low::<VEX>(u, r.into(), To::BITS);
    Ok(())
}

/// Converts `count` lanes of `from` bits into lanes of `to` bits.
#[inline(always)]
fn convert_lanes(
    source: Halves,
    count: u32,
    from: u32,
    to: u32,
    f: impl Fn(u64) -> float::Result,
) -> (Halves, u8) {
    let mask = u64::MAX >> (64 - from);
    let (mut out, mut flags) = ([0; 2], 0);
    for n in 0..count {
        let (read, write) = (n * from, n * to);
        let (r, raised) = f((source[read as usize / 128] >> (read % 128)) as u64 & mask);
        out[write as usize / 128] |= u128::from(r) << (write % 128);
        flags |= raised;
    }
    (out, flags)
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
    // Denormals of the 16-bit format are neither flushed nor reported.
    PhToPs 4 x 16 to 32 |v, c| {
        let (r, flags) = float::convert::<Half, Single>(v, c.without_daz());
        (r, flags & !flag::DENORMAL)
    };
    // Two lanes, for MMX registers.
    PiToPs 2 x 32 to 32 |v, c| float::from_integer::<Single>(int32(v), c);
    PsToPi 2 x 32 to 32 |v, c| float::to_integer::<Single>(v, 32, c.rounding(), c);
    PsToPiTruncated 2 x 32 to 32 |v, c| float::to_integer::<Single>(v, 32, Rounding::Zero, c);
}

fn convert<C: Conversion>(source: Halves, halves: usize, control: Control) -> (Halves, u8) {
    convert_lanes(source, C::COUNT * halves as u32, C::FROM, C::TO, |v| C::lane(v, control))
}

fn packed<C: Conversion, const VEX: bool>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = cx.second::<VEX>(u)?;
    let (r, flags) = convert::<C>(value, Cx::halves::<VEX>(u), cx.control());
    cx.raise_simd(flags)?;
    cx.put::<VEX>(u, r);
    Ok(())
}

/// `vcvtph2ps`: its half of a register is not checked for alignment, unlike that of `cvtps2pd`; nor is that of `vcvtps2ph`.
fn from_half(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.unaligned(|cx| packed::<PhToPs, true>(cx, u))
}

/// `vcvtps2ph`: the immediate gives the rounding or leaves it to MXCSR; the destination may be memory.
fn to_half(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let control = cx.control().without_ftz();
    let control = match u.imm & 4 {
        0 => control.with_rounding(Rounding::from_bits(u.imm as u32)),
        _ => control,
    };
    let lanes = 4 * Cx::halves::<true>(u) as u32;
    let narrow = |v| {
        let (r, flags) = float::convert::<Single, Half>(v, control);
        // A denormal single lies below every half: inexact, even where an unmasked underflow keeps it from being rounded.
        (r, flags | if flags & flag::DENORMAL != 0 { flag::PRECISION } else { 0 })
    };
    let ([r, _], flags) = convert_lanes(cx.ymm(u.src), lanes, 32, 16, narrow);
    // Before the store: a page fault leaves the flags in MXCSR.
    cx.raise_simd(flags)?;
    if u.imm & TO_MEMORY == 0 {
        cx.set_ymm(u.dst, [r, 0]);
        return Ok(());
    }
    let addr = Any::linear(cx, u);
    if lanes == 8 {
        cx.store::<u128>(addr, r)?
    } else {
        cx.unaligned(|cx| cx.store::<u64>(addr, r as u64))?
    }
    cx.stored()
}

/// Bit of `imm` above the immediate byte of [`to_half`].
const TO_MEMORY: u64 = 1 << 8;

/// Into an MMX register.
fn to_mmx<C: Conversion>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.check_fpu()?;
    let value = cx.xmm_source(u)?;
    let (r, flags) = convert::<C>([value, 0], 1, cx.control());
    // The change of state stands even where an unmasked exception prevents the result.
    cx.enter_mmx();
    cx.raise_simd(flags)?;
    cx.set_mmx(u.dst, r[0] as u64);
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
    let (r, flags) = convert::<PiToPs>([value, 0], 1, cx.control());
    cx.raise_simd(flags)?;
    cx.set_xmm_low(u.dst, r[0], 64);
    Ok(())
}

fn pi_to_pd(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = pi_source(cx, u)?;
    let (r, _) = convert::<DqToPd>([value, 0], 1, cx.control());
    cx.set_xmm(u.dst, r[0]);
    Ok(())
}

pub(crate) fn lower(insn: &Insn, u: &mut Uop) -> Option<Handler> {
    let wide_destination = matches!(insn.operands[0], Operand::Reg(Reg::Gpr64(_)));
    let source = if insn.row.map.is_vex() { insn.operands[2] } else { insn.operands[1] };
    let wide_source = match source {
        Operand::Reg(Reg::Gpr64(_)) => true,
        Operand::Mem(mem) => mem.size == 8,
        _ => false,
    };
    let handler: Handler = match insn.op {
        Op::Cvtsi2ss | Op::Vcvtsi2ss if wide_source => by_vex!(insn, from_int, Single, u64),
        Op::Cvtsi2ss | Op::Vcvtsi2ss => by_vex!(insn, from_int, Single, u32),
        Op::Cvtsi2sd | Op::Vcvtsi2sd if wide_source => by_vex!(insn, from_int, Double, u64),
        Op::Cvtsi2sd | Op::Vcvtsi2sd => by_vex!(insn, from_int, Double, u32),
        Op::Cvtss2si | Op::Vcvtss2si if wide_destination => by_vex!(insn, rounded, Single, u64),
        Op::Cvtss2si | Op::Vcvtss2si => by_vex!(insn, rounded, Single, u32),
        Op::Cvtsd2si | Op::Vcvtsd2si if wide_destination => by_vex!(insn, rounded, Double, u64),
        Op::Cvtsd2si | Op::Vcvtsd2si => by_vex!(insn, rounded, Double, u32),
        Op::Cvttss2si | Op::Vcvttss2si if wide_destination => by_vex!(insn, truncated, Single, u64),
        Op::Cvttss2si | Op::Vcvttss2si => by_vex!(insn, truncated, Single, u32),
        Op::Cvttsd2si | Op::Vcvttsd2si if wide_destination => by_vex!(insn, truncated, Double, u64),
        Op::Cvttsd2si | Op::Vcvttsd2si => by_vex!(insn, truncated, Double, u32),
        Op::Cvtss2sd | Op::Vcvtss2sd => by_vex!(insn, scalar_convert, Single, Double),
        Op::Cvtsd2ss | Op::Vcvtsd2ss => by_vex!(insn, scalar_convert, Double, Single),
        Op::Cvtps2pd | Op::Vcvtps2pd => by_vex!(insn, packed, PsToPd),
        Op::Cvtpd2ps | Op::Vcvtpd2ps => by_vex!(insn, packed, PdToPs),
        Op::Cvtdq2ps | Op::Vcvtdq2ps => by_vex!(insn, packed, DqToPs),
        Op::Cvtdq2pd | Op::Vcvtdq2pd => by_vex!(insn, packed, DqToPd),
        Op::Cvtps2dq | Op::Vcvtps2dq => by_vex!(insn, packed, PsToDq),
        Op::Cvttps2dq | Op::Vcvttps2dq => by_vex!(insn, packed, PsToDqTruncated),
        Op::Cvtpd2dq | Op::Vcvtpd2dq => by_vex!(insn, packed, PdToDq),
        Op::Cvttpd2dq | Op::Vcvttpd2dq => by_vex!(insn, packed, PdToDqTruncated),
        Op::Vcvtph2ps => from_half,
        Op::Vcvtps2ph => {
            let memory = matches!(insn.operands[0], Operand::Mem(_));
            u.imm = u.imm & 0xff | if memory { TO_MEMORY } else { 0 };
            to_half
        }
        Op::Cvtps2pi => to_mmx::<PsToPi>,
        Op::Cvttps2pi => to_mmx::<PsToPiTruncated>,
        Op::Cvtpd2pi => to_mmx::<PdToDq>,
        Op::Cvttpd2pi => to_mmx::<PdToDqTruncated>,
        Op::Cvtpi2ps => pi_to_ps,
        Op::Cvtpi2pd => pi_to_pd,
        _ => return None,
    };
    place(insn, u);
    Some(handler)
}
