//! Packed integer instructions of SSSE3, SSE4.1 and SSE4.2, and their VEX forms.

use super::lanes::*;
use super::packed::{packed, shuffles};
use super::{Halves, by_vex, place};
use crate::cx::{Cx, Step};
use crate::uop::{Handler, Uop};
use x86_cpu::flags as bit;
use x86_decode::{Insn, Op};

/// `b` times the sign of `a`, by 1, 0 or -1.
macro_rules! signed_by {
    ($a:expr, $b:expr) => {
        if $a == 0 { 0 } else { $b.wrapping_mul($a.signum()) }
    };
}

const fn high_product(a: i16, b: i16) -> i16 {
    ((((a as i32 * b as i32) >> 14) + 1) >> 1) as i16
}

packed! { lower_two, false:
    Pshufb Vpshufb |a, b, w| shuffle_bytes(a, b, w);
    Phaddw Vphaddw |a, b, w| neighbours16(a, b, w, i16::wrapping_add);
    Phaddd Vphaddd |a, b, w| neighbours32(a, b, w, i32::wrapping_add);
    Phaddsw Vphaddsw |a, b, w| neighbours16(a, b, w, i16::saturating_add);
    Phsubw Vphsubw |a, b, w| neighbours16(a, b, w, i16::wrapping_sub);
    Phsubd Vphsubd |a, b, w| neighbours32(a, b, w, i32::wrapping_sub);
    Phsubsw Vphsubsw |a, b, w| neighbours16(a, b, w, i16::saturating_sub);
    Pmaddubsw Vpmaddubsw |a, b, _w| multiply_add_bytes(a, b);
    Psignb Vpsignb |a, b, _w| map_i8(a, b, |a, b| signed_by!(b, a));
    Psignw Vpsignw |a, b, _w| map_i16(a, b, |a, b| signed_by!(b, a));
    Psignd Vpsignd |a, b, _w| map_i32(a, b, |a, b| signed_by!(b, a));
    Pmulhrsw Vpmulhrsw |a, b, _w| map_i16(a, b, high_product);
    Pabsb Vpabsb |_a, b, _w| map_i8(b, 0, |b, _| b.wrapping_abs());
    Pabsw Vpabsw |_a, b, _w| map_i16(b, 0, |b, _| b.wrapping_abs());
    Pabsd Vpabsd |_a, b, _w| map_i32(b, 0, |b, _| b.wrapping_abs());
    Pmuldq Vpmuldq |a, b, _w| map_i64(a, b, |a, b| i64::from(a as i32) * i64::from(b as i32));
    Pmulld Vpmulld |a, b, _w| map_i32(a, b, i32::wrapping_mul);
    Pcmpeqq Vpcmpeqq |a, b, _w| map_i64(a, b, |a, b| -i64::from(a == b));
    Pcmpgtq Vpcmpgtq |a, b, _w| map_i64(a, b, |a, b| -i64::from(a > b));
    Packusdw Vpackusdw |a, b, _w| pack32_unsigned(a, b);
    Pminsb Vpminsb |a, b, _w| map_i8(a, b, i8::min);
    Pminsd Vpminsd |a, b, _w| map_i32(a, b, i32::min);
    Pminuw Vpminuw |a, b, _w| map_u16(a, b, u16::min);
    Pminud Vpminud |a, b, _w| map_u32(a, b, u32::min);
    Pmaxsb Vpmaxsb |a, b, _w| map_i8(a, b, i8::max);
    Pmaxsd Vpmaxsd |a, b, _w| map_i32(a, b, i32::max);
    Pmaxuw Vpmaxuw |a, b, _w| map_u16(a, b, u16::max);
    Pmaxud Vpmaxud |a, b, _w| map_u32(a, b, u32::max);
    Phminposuw Vphminposuw |_a, b, _w| smallest_word(b);
}

shuffles! { lower_shuffle:
    Palignr Vpalignr 0 |a, b, order, w| {
        let count = u32::from(order) * 8;
        if w {
            let up = if count <= 128 { a.checked_shl(128 - count).unwrap_or(0) } else { 0 };
            let down = a.checked_shr(count.wrapping_sub(128)).unwrap_or(0);
            b.checked_shr(count).unwrap_or(0) | up | if count > 128 { down } else { 0 }
        } else {
            (a << 64 | b).checked_shr(count).unwrap_or(0)
        }
    };
    Pblendw Vpblendw 0 |a, b, order, _w| blend(a, b, order, 16);
    Blendps Vblendps 4 |a, b, order, _w| blend(a, b, order, 32);
    Blendpd Vblendpd 2 |a, b, order, _w| blend(a, b, order, 64);
    Mpsadbw Vmpsadbw 3 |a, b, order, _w| sliding_differences(a, b, order);
    Insertps Vinsertps 0 |a, b, order, _w| {
        // Of memory there is one lane, whatever the immediate says: lowering cleared the field.
        let at = 32 * u32::from(order >> 4 & 3);
        let mixed = a & !(0xffff_ffff << at) | lane32(b, order >> 6) << at;
        blend(mixed, 0, order & 15, 32)
    };
}

/// `pblendvb` and its like: lanes of the second source where the mask is negative, which is XMM0 or, with VEX, the fourth
/// operand.
fn blend_variable<B: Lane, const VEX: bool>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let b = cx.second::<VEX>(u)?;
    let a = cx.first::<VEX>(u);
    let mask = if VEX { cx.ymm(u.imm as u8) } else { [cx.xmm(0), 0] };
    let half = |i: usize| {
        let mask = spread_signs(mask[i], B::BITS);
        a[i] & !mask | b[i] & mask
    };
    cx.put::<VEX>(u, [half(0), half(1)]);
    Ok(())
}

/// A lane's width.
trait Lane: 'static {
    const BITS: u32;
}

macro_rules! lanes {
    ($($name:ident $bits:literal;)*) => {$(
        struct $name;
        impl Lane for $name {
            const BITS: u32 = $bits;
        }
    )*};
}

lanes! {
    B 8;
    W 16;
    D 32;
    Q 64;
}

/// `pmovzx` and `pmovsx`: the low lanes of the source, extended.
fn widen<From: Lane, To: Lane, const SIGNED: bool, const VEX: bool>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let source = cx.second::<VEX>(u)?[0];
    let per_half = 128 / To::BITS;
    let lane = |n: u32| {
        let value = (source >> (From::BITS * n) << (128 - From::BITS)) as i128;
        let extended =
            if SIGNED { (value >> (128 - From::BITS)) as u128 } else { value as u128 >> (128 - From::BITS) };
        extended & (u128::MAX >> (128 - To::BITS))
    };
    let half = |i: u32| (0..per_half).fold(0, |all, n| all | lane(i * per_half + n) << (To::BITS * n));
    cx.put::<VEX>(u, [half(0), if Cx::halves::<VEX>(u) == 2 { half(1) } else { 0 }]);
    Ok(())
}

fn zero<F: Lane, T: Lane, const VEX: bool>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    widen::<F, T, false, VEX>(cx, u)
}

fn sign<F: Lane, T: Lane, const VEX: bool>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    widen::<F, T, true, VEX>(cx, u)
}

/// ZF and CF by the bits that both operands have, and that the second alone has; of the `mask` in each half.
fn test(cx: &mut Cx<'_>, a: Halves, b: Halves, halves: usize, mask: u128) {
    let none = |f: fn(u128, u128) -> u128| (0..halves).all(|i| f(a[i], b[i]) & mask == 0);
    let zf = if none(|a, b| a & b) { bit::ZF } else { 0 };
    let cf = if none(|a, b| !a & b) { bit::CF } else { 0 };
    cx.flags.set_bits(zf | cf);
}

/// `ptest`, and `vtestps` and `vtestpd`, which look at signs only.
fn ptest<L: Lane, const VEX: bool>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let b = cx.second::<VEX>(u)?;
    let a = cx.first::<VEX>(u);
    let mask = match L::BITS {
        32 => 0x8000_0000_8000_0000_8000_0000_8000_0000,
        64 => 0x8000_0000_0000_0000_8000_0000_0000_0000,
        _ => u128::MAX,
    };
    test(cx, a, b, Cx::halves::<VEX>(u), mask);
    Ok(())
}

pub(crate) fn lower(insn: &Insn, u: &mut Uop) -> Option<Handler> {
    let handler = match insn.op {
        Op::Pblendvb | Op::Vpblendvb => by_vex!(insn, blend_variable, B),
        Op::Blendvps | Op::Vblendvps => by_vex!(insn, blend_variable, D),
        Op::Blendvpd | Op::Vblendvpd => by_vex!(insn, blend_variable, Q),
        Op::Ptest | Op::Vptest => by_vex!(insn, ptest, B),
        Op::Vtestps => by_vex!(insn, ptest, D),
        Op::Vtestpd => by_vex!(insn, ptest, Q),
        Op::Pmovsxbw | Op::Vpmovsxbw => by_vex!(insn, sign, B, W),
        Op::Pmovsxbd | Op::Vpmovsxbd => by_vex!(insn, sign, B, D),
        Op::Pmovsxbq | Op::Vpmovsxbq => by_vex!(insn, sign, B, Q),
        Op::Pmovsxwd | Op::Vpmovsxwd => by_vex!(insn, sign, W, D),
        Op::Pmovsxwq | Op::Vpmovsxwq => by_vex!(insn, sign, W, Q),
        Op::Pmovsxdq | Op::Vpmovsxdq => by_vex!(insn, sign, D, Q),
        Op::Pmovzxbw | Op::Vpmovzxbw => by_vex!(insn, zero, B, W),
        Op::Pmovzxbd | Op::Vpmovzxbd => by_vex!(insn, zero, B, D),
        Op::Pmovzxbq | Op::Vpmovzxbq => by_vex!(insn, zero, B, Q),
        Op::Pmovzxwd | Op::Vpmovzxwd => by_vex!(insn, zero, W, D),
        Op::Pmovzxwq | Op::Vpmovzxwq => by_vex!(insn, zero, W, Q),
        Op::Pmovzxdq | Op::Vpmovzxdq => by_vex!(insn, zero, D, Q),
        _ => lower_two(insn).or_else(|| lower_shuffle(insn))?,
    };
    place(insn, u);
    if matches!(insn.op, Op::Insertps | Op::Vinsertps) && u.aux != super::FROM_REG {
        u.imm &= 0x3f;
    }
    Some(handler)
}
