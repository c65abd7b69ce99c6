//! Packed integer instructions of MMX and SSE2, and the bitwise ones of SSE.

use super::lanes::*;
use super::{is_mmx, is_xmm, place};
use crate::cx::{Cx, Step};
use crate::uop::{Handler, Uop};
use x86_decode::{Insn, Op, Operand};

/// An operation on whole vectors of 128 bits; wider ones are done by halves. `WIDE` says 128 bits; else only the low 64 count.
pub(super) trait Packed: 'static {
    /// The second operand is one for both halves: a shift count.
    const COUNT: bool = false;
    fn eval<const WIDE: bool>(a: u128, b: u128) -> u128;
}

/// Operations, each with its mnemonics: the legacy one and that of VEX.
macro_rules! packed {
    ($lower:ident, $count:literal: $($op:ident $($vex:ident)? |$a:ident, $b:ident, $wide:ident| $body:expr;)*) => {
        $(
            struct $op;
            impl $crate::sse::packed::Packed for $op {
                const COUNT: bool = $count;
                #[inline(always)]
                fn eval<const WIDE: bool>($a: u128, $b: u128) -> u128 {
                    let $wide = WIDE;
                    $body
                }
            }
        )*

        fn $lower(insn: &Insn) -> Option<Handler> {
            match insn.op {
                $(Op::$op $(| Op::$vex)? => $crate::sse::packed::choose::<$op>(insn),)*
                _ => None,
            }
        }
    };
}
pub(super) use packed;

/// The floating-point mnemonics of bitwise and interleaving operations.
fn lower_alias(insn: &Insn) -> Option<Handler> {
    match insn.op {
        Op::Andps | Op::Andpd | Op::Vandps | Op::Vandpd => choose::<Pand>(insn),
        Op::Andnps | Op::Andnpd | Op::Vandnps | Op::Vandnpd => choose::<Pandn>(insn),
        Op::Orps | Op::Orpd | Op::Vorps | Op::Vorpd => choose::<Por>(insn),
        Op::Xorps | Op::Xorpd | Op::Vxorps | Op::Vxorpd => choose::<Pxor>(insn),
        Op::Unpcklps | Op::Vunpcklps => choose::<Punpckldq>(insn),
        Op::Unpckhps | Op::Vunpckhps => choose::<Punpckhdq>(insn),
        Op::Unpcklpd | Op::Vunpcklpd => choose::<Punpcklqdq>(insn),
        Op::Unpckhpd | Op::Vunpckhpd => choose::<Punpckhqdq>(insn),
        _ => None,
    }
}

/// A shift count from the low 64 bits of an operand, at most `limit`.
#[inline(always)]
fn count(b: u128, limit: u64) -> u32 {
    (b as u64).min(limit) as u32
}

packed! { lower_two, false:
    Pand Vpand |a, b, _w| a & b;
    Pandn Vpandn |a, b, _w| !a & b;
    Por Vpor |a, b, _w| a | b;
    Pxor Vpxor |a, b, _w| a ^ b;
    Paddb Vpaddb |a, b, _w| map_u8(a, b, u8::wrapping_add);
    Paddw Vpaddw |a, b, _w| map_u16(a, b, u16::wrapping_add);
    Paddd Vpaddd |a, b, _w| map_u32(a, b, u32::wrapping_add);
    Paddq Vpaddq |a, b, _w| map_u64(a, b, u64::wrapping_add);
    Paddsb Vpaddsb |a, b, _w| map_i8(a, b, i8::saturating_add);
    Paddsw Vpaddsw |a, b, _w| map_i16(a, b, i16::saturating_add);
    Paddusb Vpaddusb |a, b, _w| map_u8(a, b, u8::saturating_add);
    Paddusw Vpaddusw |a, b, _w| map_u16(a, b, u16::saturating_add);
    Psubb Vpsubb |a, b, _w| map_u8(a, b, u8::wrapping_sub);
    Psubw Vpsubw |a, b, _w| map_u16(a, b, u16::wrapping_sub);
    Psubd Vpsubd |a, b, _w| map_u32(a, b, u32::wrapping_sub);
    Psubq Vpsubq |a, b, _w| map_u64(a, b, u64::wrapping_sub);
    Psubsb Vpsubsb |a, b, _w| map_i8(a, b, i8::saturating_sub);
    Psubsw Vpsubsw |a, b, _w| map_i16(a, b, i16::saturating_sub);
    Psubusb Vpsubusb |a, b, _w| map_u8(a, b, u8::saturating_sub);
    Psubusw Vpsubusw |a, b, _w| map_u16(a, b, u16::saturating_sub);
    Pmulhw Vpmulhw |a, b, _w| map_i16(a, b, |a, b| ((i32::from(a) * i32::from(b)) >> 16) as i16);
    Pmulhuw Vpmulhuw |a, b, _w| map_u16(a, b, |a, b| ((u32::from(a) * u32::from(b)) >> 16) as u16);
    Pmullw Vpmullw |a, b, _w| map_u16(a, b, u16::wrapping_mul);
    Pmuludq Vpmuludq |a, b, _w| map_u64(a, b, |a, b| (a & 0xffff_ffff) * (b & 0xffff_ffff));
    Pmaddwd Vpmaddwd |a, b, _w| multiply_add(a, b);
    Pcmpeqb Vpcmpeqb |a, b, _w| map_u8(a, b, |a, b| if a == b { u8::MAX } else { 0 });
    Pcmpeqw Vpcmpeqw |a, b, _w| map_u16(a, b, |a, b| if a == b { u16::MAX } else { 0 });
    Pcmpeqd Vpcmpeqd |a, b, _w| map_u32(a, b, |a, b| if a == b { u32::MAX } else { 0 });
    Pcmpgtb Vpcmpgtb |a, b, _w| map_i8(a, b, |a, b| -i8::from(a > b));
    Pcmpgtw Vpcmpgtw |a, b, _w| map_i16(a, b, |a, b| -i16::from(a > b));
    Pcmpgtd Vpcmpgtd |a, b, _w| map_i32(a, b, |a, b| -i32::from(a > b));
    Pavgb Vpavgb |a, b, _w| map_u8(a, b, |a, b| ((u16::from(a) + u16::from(b) + 1) >> 1) as u8);
    Pavgw Vpavgw |a, b, _w| map_u16(a, b, |a, b| ((u32::from(a) + u32::from(b) + 1) >> 1) as u16);
    Pmaxub Vpmaxub |a, b, _w| map_u8(a, b, u8::max);
    Pminub Vpminub |a, b, _w| map_u8(a, b, u8::min);
    Pmaxsw Vpmaxsw |a, b, _w| map_i16(a, b, i16::max);
    Pminsw Vpminsw |a, b, _w| map_i16(a, b, i16::min);
    Psadbw Vpsadbw |a, b, _w| sum_differences(a, b);
    Packsswb Vpacksswb |a, b, w| pack16(a, b, w, |x| x.clamp(-128, 127) as u8);
    Packuswb Vpackuswb |a, b, w| pack16(a, b, w, |x| x.clamp(0, 255) as u8);
    Packssdw Vpackssdw |a, b, w| pack32(a, b, w);
    Punpcklbw Vpunpcklbw |a, b, w| unpack_low::<1>(a, b, w);
    Punpcklwd Vpunpcklwd |a, b, w| unpack_low::<2>(a, b, w);
    Punpckldq Vpunpckldq |a, b, w| unpack_low::<4>(a, b, w);
    Punpcklqdq Vpunpcklqdq |a, b, w| unpack_low::<8>(a, b, w);
    Punpckhbw Vpunpckhbw |a, b, w| unpack_high::<1>(a, b, w);
    Punpckhwd Vpunpckhwd |a, b, w| unpack_high::<2>(a, b, w);
    Punpckhdq Vpunpckhdq |a, b, w| unpack_high::<4>(a, b, w);
    Punpckhqdq Vpunpckhqdq |a, b, w| unpack_high::<8>(a, b, w);
}

packed! { lower_shift, true:
    Psllw Vpsllw |a, b, _w| { let n = count(b, 16); map_u16(a, 0, |a, _| a.checked_shl(n).unwrap_or(0)) };
    Pslld Vpslld |a, b, _w| { let n = count(b, 32); map_u32(a, 0, |a, _| a.checked_shl(n).unwrap_or(0)) };
    Psllq Vpsllq |a, b, _w| { let n = count(b, 64); map_u64(a, 0, |a, _| a.checked_shl(n).unwrap_or(0)) };
    Psrlw Vpsrlw |a, b, _w| { let n = count(b, 16); map_u16(a, 0, |a, _| a.checked_shr(n).unwrap_or(0)) };
    Psrld Vpsrld |a, b, _w| { let n = count(b, 32); map_u32(a, 0, |a, _| a.checked_shr(n).unwrap_or(0)) };
    Psrlq Vpsrlq |a, b, _w| { let n = count(b, 64); map_u64(a, 0, |a, _| a.checked_shr(n).unwrap_or(0)) };
    Psraw Vpsraw |a, b, _w| { let n = count(b, 15); map_i16(a, 0, |a, _| a >> n) };
    Psrad Vpsrad |a, b, _w| { let n = count(b, 31); map_i32(a, 0, |a, _| a >> n) };
    // Counts in bytes, immediate only.
    Pslldq Vpslldq |a, b, _w| a.checked_shl(count(b, 16) * 8).unwrap_or(0);
    Psrldq Vpsrldq |a, b, _w| a.checked_shr(count(b, 16) * 8).unwrap_or(0);
}

fn xmm_reg<O: Packed>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = O::eval::<true>(cx.xmm(u.dst), cx.xmm(u.src));
    cx.set_xmm(u.dst, value);
    Ok(())
}

fn xmm_any<O: Packed>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let b = cx.xmm_source(u)?;
    let value = O::eval::<true>(cx.xmm(u.dst), b);
    cx.set_xmm(u.dst, value);
    Ok(())
}

fn xmm_imm<O: Packed>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = O::eval::<true>(cx.xmm(u.dst), u.imm.into());
    cx.set_xmm(u.dst, value);
    Ok(())
}

fn mmx_any<O: Packed>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.check_fpu()?;
    let b = cx.mmx_source(u)?;
    let value = O::eval::<false>(cx.mmx(u.dst).into(), b.into());
    cx.set_mmx(u.dst, value as u64);
    Ok(())
}

fn mmx_imm<O: Packed>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.check_fpu()?;
    let value = O::eval::<false>(cx.mmx(u.dst).into(), u.imm.into());
    cx.set_mmx(u.dst, value as u64);
    Ok(())
}

fn vex_any<O: Packed>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let b = cx.second::<true>(u)?;
    let a = cx.first::<true>(u);
    let high = if O::COUNT { b[0] } else { b[1] };
    cx.put_halves(
        u,
        |half| if half == 0 { O::eval::<true>(a[0], b[0]) } else { O::eval::<true>(a[1], high) },
    );
    Ok(())
}

fn vex_imm<O: Packed>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let a = cx.ymm(u.src);
    cx.put_halves(u, |half| O::eval::<true>(a[half], u.imm.into()));
    Ok(())
}

/// Handler of an operation by the kinds of its operands.
pub(super) fn choose<O: Packed>(insn: &Insn) -> Option<Handler> {
    if insn.row.map.is_vex() {
        return Some(if O::COUNT && matches!(insn.operands[2], Operand::Imm(_)) {
            vex_imm::<O>
        } else {
            vex_any::<O>
        });
    }
    let [first, second, ..] = &insn.operands;
    Some(match (first, second) {
        (first, Operand::Imm(_)) if is_xmm(first) => xmm_imm::<O>,
        (first, Operand::Imm(_)) if is_mmx(first) => mmx_imm::<O>,
        (first, second) if is_xmm(first) && is_xmm(second) => xmm_reg::<O>,
        (first, _) if is_xmm(first) => xmm_any::<O>,
        (first, _) if is_mmx(first) => mmx_any::<O>,
        _ => return None,
    })
}

/// A vector computed from two and an immediate byte.
pub(super) trait Shuffle: 'static {
    /// Bits of the immediate that belong to one half alone: the upper half has its own behind them.
    const OWN_BITS: u32 = 0;
    fn eval<const WIDE: bool>(a: u128, b: u128, order: u8) -> u128;
}

macro_rules! shuffles {
    ($lower:ident: $($op:ident $($vex:ident)? $own:literal |$a:ident, $b:ident, $order:ident, $wide:ident| $body:expr;)*) => {
        $(
            struct $op;
            impl $crate::sse::packed::Shuffle for $op {
                const OWN_BITS: u32 = $own;
                #[inline(always)]
                fn eval<const WIDE: bool>($a: u128, $b: u128, $order: u8) -> u128 {
                    let $wide = WIDE;
                    $body
                }
            }
        )*

        fn $lower(insn: &Insn) -> Option<Handler> {
            match insn.op {
                $(Op::$op $(| Op::$vex)? => Some($crate::sse::packed::choose_shuffle::<$op>(insn)),)*
                _ => None,
            }
        }
    };
}
pub(super) use shuffles;

fn xmm_shuffle<O: Shuffle>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let b = cx.xmm_source(u)?;
    let value = O::eval::<true>(cx.xmm(u.dst), b, u.imm as u8);
    cx.set_xmm(u.dst, value);
    Ok(())
}

fn mmx_shuffle<O: Shuffle>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.check_fpu()?;
    let b = cx.mmx_source(u)?;
    let value = O::eval::<false>(cx.mmx(u.dst).into(), b.into(), u.imm as u8);
    cx.set_mmx(u.dst, value as u64);
    Ok(())
}

fn vex_shuffle<O: Shuffle>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let b = cx.second::<true>(u)?;
    let a = cx.first::<true>(u);
    cx.put_halves(u, |half| O::eval::<true>(a[half], b[half], (u.imm as u8) >> (O::OWN_BITS * half as u32)));
    Ok(())
}

pub(super) fn choose_shuffle<O: Shuffle>(insn: &Insn) -> Handler {
    match (insn.row.map.is_vex(), is_mmx(&insn.operands[0])) {
        (true, _) => vex_shuffle::<O>,
        (false, true) => mmx_shuffle::<O>,
        (false, false) => xmm_shuffle::<O>,
    }
}

const LOW: u128 = u64::MAX as u128;

shuffles! { lower_shuffle:
    Pshufd Vpshufd 0 |_a, b, order, _w| shuffle32(b, b, order);
    Pshuflw Vpshuflw 0 |_a, b, order, _w| b & !LOW | u128::from(shuffle_words(b as u64, order));
    Pshufhw Vpshufhw 0 |_a, b, order, _w| b & LOW | u128::from(shuffle_words((b >> 64) as u64, order)) << 64;
    Shufps Vshufps 0 |a, b, order, _w| shuffle32(a, b, order);
    Shufpd Vshufpd 2 |a, b, order, _w| a >> (64 * (order & 1)) & LOW | (b >> (32 * (order & 2))) << 64;
}

fn pshufw(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.check_fpu()?;
    let b = cx.mmx_source(u)?;
    cx.set_mmx(u.dst, shuffle_words(b, u.imm as u8));
    Ok(())
}

pub(crate) fn lower(insn: &Insn, u: &mut Uop) -> Option<Handler> {
    let handler = match insn.op {
        Op::Pshufw => pshufw,
        _ => lower_two(insn)
            .or_else(|| lower_shift(insn))
            .or_else(|| lower_alias(insn))
            .or_else(|| lower_shuffle(insn))?,
    };
    place(insn, u);
    Some(handler)
}
