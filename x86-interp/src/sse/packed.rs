//! Packed integer instructions of MMX and SSE2, and the bitwise ones of SSE.

use super::lanes::*;
use super::{is_mmx, is_xmm, source_kind};
use crate::cx::{Cx, Step};
use crate::uop::{Handler, Uop};
use x86_decode::{Insn, Op, Operand};

/// An operation on whole vectors. `WIDE` says 128 bits; else only the low 64 count.
trait Packed: 'static {
    fn eval<const WIDE: bool>(a: u128, b: u128) -> u128;
}

macro_rules! packed {
    ($($op:ident |$a:ident, $b:ident, $wide:ident| $body:expr;)*) => {
        $(
            struct $op;
            impl Packed for $op {
                #[inline(always)]
                fn eval<const WIDE: bool>($a: u128, $b: u128) -> u128 {
                    let $wide = WIDE;
                    $body
                }
            }
        )*

        /// Handler of a two-operand packed instruction.
        fn lower_two(insn: &Insn) -> Option<Handler> {
            match insn.op {
                $(Op::$op => choose::<$op>(insn),)*
                Op::Andps | Op::Andpd => choose::<Pand>(insn),
                Op::Andnps | Op::Andnpd => choose::<Pandn>(insn),
                Op::Orps | Op::Orpd => choose::<Por>(insn),
                Op::Xorps | Op::Xorpd => choose::<Pxor>(insn),
                Op::Unpcklps => choose::<Punpckldq>(insn),
                Op::Unpckhps => choose::<Punpckhdq>(insn),
                Op::Unpcklpd => choose::<Punpcklqdq>(insn),
                Op::Unpckhpd => choose::<Punpckhqdq>(insn),
                _ => None,
            }
        }
    };
}

/// A shift count from the low 64 bits of an operand, at most `limit`.
#[inline(always)]
fn count(b: u128, limit: u64) -> u32 {
    (b as u64).min(limit) as u32
}

packed! {
    Pand |a, b, _w| a & b;
    Pandn |a, b, _w| !a & b;
    Por |a, b, _w| a | b;
    Pxor |a, b, _w| a ^ b;
    Paddb |a, b, _w| map_u8(a, b, u8::wrapping_add);
    Paddw |a, b, _w| map_u16(a, b, u16::wrapping_add);
    Paddd |a, b, _w| map_u32(a, b, u32::wrapping_add);
    Paddq |a, b, _w| map_u64(a, b, u64::wrapping_add);
    Paddsb |a, b, _w| map_i8(a, b, i8::saturating_add);
    Paddsw |a, b, _w| map_i16(a, b, i16::saturating_add);
    Paddusb |a, b, _w| map_u8(a, b, u8::saturating_add);
    Paddusw |a, b, _w| map_u16(a, b, u16::saturating_add);
    Psubb |a, b, _w| map_u8(a, b, u8::wrapping_sub);
    Psubw |a, b, _w| map_u16(a, b, u16::wrapping_sub);
    Psubd |a, b, _w| map_u32(a, b, u32::wrapping_sub);
    Psubq |a, b, _w| map_u64(a, b, u64::wrapping_sub);
    Psubsb |a, b, _w| map_i8(a, b, i8::saturating_sub);
    Psubsw |a, b, _w| map_i16(a, b, i16::saturating_sub);
    Psubusb |a, b, _w| map_u8(a, b, u8::saturating_sub);
    Psubusw |a, b, _w| map_u16(a, b, u16::saturating_sub);
    Pmulhw |a, b, _w| map_i16(a, b, |a, b| ((i32::from(a) * i32::from(b)) >> 16) as i16);
    Pmulhuw |a, b, _w| map_u16(a, b, |a, b| ((u32::from(a) * u32::from(b)) >> 16) as u16);
    Pmullw |a, b, _w| map_u16(a, b, u16::wrapping_mul);
    Pmuludq |a, b, _w| map_u64(a, b, |a, b| (a & 0xffff_ffff) * (b & 0xffff_ffff));
    Pmaddwd |a, b, _w| multiply_add(a, b);
    Pcmpeqb |a, b, _w| map_u8(a, b, |a, b| if a == b { u8::MAX } else { 0 });
    Pcmpeqw |a, b, _w| map_u16(a, b, |a, b| if a == b { u16::MAX } else { 0 });
    Pcmpeqd |a, b, _w| map_u32(a, b, |a, b| if a == b { u32::MAX } else { 0 });
    Pcmpgtb |a, b, _w| map_i8(a, b, |a, b| -i8::from(a > b));
    Pcmpgtw |a, b, _w| map_i16(a, b, |a, b| -i16::from(a > b));
    Pcmpgtd |a, b, _w| map_i32(a, b, |a, b| -i32::from(a > b));
    Pavgb |a, b, _w| map_u8(a, b, |a, b| ((u16::from(a) + u16::from(b) + 1) >> 1) as u8);
    Pavgw |a, b, _w| map_u16(a, b, |a, b| ((u32::from(a) + u32::from(b) + 1) >> 1) as u16);
    Pmaxub |a, b, _w| map_u8(a, b, u8::max);
    Pminub |a, b, _w| map_u8(a, b, u8::min);
    Pmaxsw |a, b, _w| map_i16(a, b, i16::max);
    Pminsw |a, b, _w| map_i16(a, b, i16::min);
    Psadbw |a, b, _w| sum_differences(a, b);
    Packsswb |a, b, w| pack16(a, b, w, |x| x.clamp(-128, 127) as u8);
    Packuswb |a, b, w| pack16(a, b, w, |x| x.clamp(0, 255) as u8);
    Packssdw |a, b, w| pack32(a, b, w);
    Punpcklbw |a, b, w| unpack_low::<1>(a, b, w);
    Punpcklwd |a, b, w| unpack_low::<2>(a, b, w);
    Punpckldq |a, b, w| unpack_low::<4>(a, b, w);
    Punpcklqdq |a, b, w| unpack_low::<8>(a, b, w);
    Punpckhbw |a, b, w| unpack_high::<1>(a, b, w);
    Punpckhwd |a, b, w| unpack_high::<2>(a, b, w);
    Punpckhdq |a, b, w| unpack_high::<4>(a, b, w);
    Punpckhqdq |a, b, w| unpack_high::<8>(a, b, w);
    Psllw |a, b, _w| { let n = count(b, 16); map_u16(a, 0, |a, _| a.checked_shl(n).unwrap_or(0)) };
    Pslld |a, b, _w| { let n = count(b, 32); map_u32(a, 0, |a, _| a.checked_shl(n).unwrap_or(0)) };
    Psllq |a, b, _w| { let n = count(b, 64); map_u64(a, 0, |a, _| a.checked_shl(n).unwrap_or(0)) };
    Psrlw |a, b, _w| { let n = count(b, 16); map_u16(a, 0, |a, _| a.checked_shr(n).unwrap_or(0)) };
    Psrld |a, b, _w| { let n = count(b, 32); map_u32(a, 0, |a, _| a.checked_shr(n).unwrap_or(0)) };
    Psrlq |a, b, _w| { let n = count(b, 64); map_u64(a, 0, |a, _| a.checked_shr(n).unwrap_or(0)) };
    Psraw |a, b, _w| { let n = count(b, 15); map_i16(a, 0, |a, _| a >> n) };
    Psrad |a, b, _w| { let n = count(b, 31); map_i32(a, 0, |a, _| a >> n) };
    // Counts in bytes, immediate only.
    Pslldq |a, b, _w| a.checked_shl(count(b, 16) * 8).unwrap_or(0);
    Psrldq |a, b, _w| a.checked_shr(count(b, 16) * 8).unwrap_or(0);
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

fn choose<O: Packed>(insn: &Insn) -> Option<Handler> {
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

/// A shuffle by an immediate byte.
macro_rules! shuffles {
    ($($name:ident |$a:ident, $b:ident, $order:ident| $body:expr;)*) => {$(
        fn $name(cx: &mut Cx<'_>, u: &Uop) -> Step {
            let $b = cx.xmm_source(u)?;
            let ($a, $order) = (cx.xmm(u.dst), u.imm as u8);
            cx.set_xmm(u.dst, $body);
            Ok(())
        }
    )*};
}

const LOW: u128 = u64::MAX as u128;

shuffles! {
    pshufd |_a, b, order| shuffle32(b, b, order);
    pshuflw |_a, b, order| b & !LOW | u128::from(shuffle_words(b as u64, order));
    pshufhw |_a, b, order| b & LOW | u128::from(shuffle_words((b >> 64) as u64, order)) << 64;
    shufps |a, b, order| shuffle32(a, b, order);
    shufpd |a, b, order| a >> (64 * (order & 1)) & LOW | (b >> (32 * (order & 2))) << 64;
}

fn pshufw(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.check_fpu()?;
    let b = cx.mmx_source(u)?;
    cx.set_mmx(u.dst, shuffle_words(b, u.imm as u8));
    Ok(())
}

pub(crate) fn lower(insn: &Insn, u: &mut Uop) -> Option<Handler> {
    let handler = match insn.op {
        Op::Pshufd => pshufd,
        Op::Pshuflw => pshuflw,
        Op::Pshufhw => pshufhw,
        Op::Shufps => shufps,
        Op::Shufpd => shufpd,
        Op::Pshufw => pshufw,
        _ => lower_two(insn)?,
    };
    u.aux = source_kind(&insn.operands[1]);
    Some(handler)
}
