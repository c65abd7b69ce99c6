//! Moves between memory, general, MMX and SSE registers.

use super::lanes::byte_signs;
use super::packed::packed;
use super::{is_mmx, is_xmm, names_mmx, place, source_kind, store_masked};
use crate::cx::{Cx, Step};
use crate::int::Int;
use crate::uop::{Addr, Any, Handler, Uop};
use x86_decode::{Insn, Op, Operand, Reg};

const LOW: u128 = u64::MAX as u128;

fn copy(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = cx.xmm(u.src);
    cx.set_xmm(u.dst, value);
    Ok(())
}

fn load_aligned(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = cx.load_aligned(Any::linear(cx, u))?;
    cx.set_xmm(u.dst, value);
    Ok(())
}

fn store_aligned(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.store_aligned(Any::linear(cx, u), cx.xmm(u.src))?;
    cx.stored()
}

fn load_unaligned(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = cx.load::<u128>(Any::linear(cx, u))?;
    cx.set_xmm(u.dst, value);
    Ok(())
}

fn store_unaligned(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.store::<u128>(Any::linear(cx, u), cx.xmm(u.src))?;
    cx.stored()
}

/// Low `T` of one register into another, the rest kept (`movss`, `movsd`).
fn merge<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = cx.xmm(u.src);
    cx.set_xmm_low(u.dst, value, T::BITS);
    Ok(())
}

/// Memory into a cleared register.
fn load_scalar<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = cx.load_int::<T>(Any::linear(cx, u))?;
    cx.set_xmm(u.dst, value.into());
    Ok(())
}

pub(super) fn store_scalar<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.store_int::<T>(Any::linear(cx, u), cx.xmm(u.src) as u64)?;
    cx.stored()
}

/// `movq xmm, xmm`.
fn copy_low(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = cx.xmm(u.src) & LOW;
    cx.set_xmm(u.dst, value);
    Ok(())
}

fn from_gpr<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = T::get(cx, u.src);
    cx.set_xmm(u.dst, value.into());
    Ok(())
}

pub(super) fn to_gpr<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    T::set(cx, u.dst, cx.xmm(u.src) as u64);
    Ok(())
}

fn mmx_from_gpr<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.check_fpu()?;
    let value = T::get(cx, u.src);
    cx.set_mmx(u.dst, value);
    Ok(())
}

fn mmx_to_gpr<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.check_fpu()?;
    cx.enter_mmx();
    T::set(cx, u.dst, cx.mmx(u.src));
    Ok(())
}

fn mmx_load(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.check_fpu()?;
    let value = cx.mmx_source(u)?;
    cx.set_mmx(u.dst, value);
    Ok(())
}

fn mmx_store<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.check_fpu()?;
    cx.store_int::<T>(Any::linear(cx, u), cx.mmx(u.src))?;
    cx.enter_mmx();
    cx.stored()
}

/// `movq mm, mm` stores to its first operand; both encodings do the same.
fn mmx_copy(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.check_fpu()?;
    let value = cx.mmx(u.src);
    cx.set_mmx(u.dst, value);
    Ok(())
}

fn movq2dq(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.check_fpu()?;
    cx.enter_mmx();
    let value = cx.mmx(u.src);
    cx.set_xmm(u.dst, value.into());
    Ok(())
}

fn movdq2q(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.check_fpu()?;
    let value = cx.xmm(u.src) as u64;
    cx.set_mmx(u.dst, value);
    Ok(())
}

const EVEN: u128 = 0x0000_0000_ffff_ffff_0000_0000_ffff_ffff;

fn low_from_low(a: u128, b: u128) -> u128 {
    a & !LOW | b & LOW
}

fn high_from_low(a: u128, b: u128) -> u128 {
    a & LOW | b << 64
}

// Moves within and between halves of 128 bits.
packed! { lower_mix, false:
    Movlps Vmovlps |a, b, _w| low_from_low(a, b);
    Movlpd Vmovlpd |a, b, _w| low_from_low(a, b);
    Movhps Vmovhps |a, b, _w| high_from_low(a, b);
    Movhpd Vmovhpd |a, b, _w| high_from_low(a, b);
    Movlhps Vmovlhps |a, b, _w| high_from_low(a, b);
    Movhlps Vmovhlps |a, b, _w| a & !LOW | b >> 64;
    Movsldup Vmovsldup |_a, b, _w| b & EVEN | (b & EVEN) << 32;
    Movshdup Vmovshdup |_a, b, _w| b & !EVEN | (b & !EVEN) >> 32;
    Movddup Vmovddup |_a, b, _w| b & LOW | b << 64;
}

pub(super) fn store_high(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.store::<u64>(Any::linear(cx, u), (cx.xmm(u.src) >> 64) as u64)?;
    cx.stored()
}

fn movmskps(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let v = cx.xmm(u.src);
    cx.gpr[usize::from(u.dst & 15)] = (0..4).map(|i| (v >> (32 * i + 31) & 1) << i).sum::<u128>() as u64;
    Ok(())
}

fn movmskpd(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let v = cx.xmm(u.src);
    cx.gpr[usize::from(u.dst & 15)] = (v >> 63 & 1 | (v >> 127) << 1) as u64;
    Ok(())
}

fn pmovmskb(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.gpr[usize::from(u.dst & 15)] = byte_signs(cx.xmm(u.src), true);
    Ok(())
}

fn mmx_pmovmskb(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.check_fpu()?;
    cx.enter_mmx();
    cx.gpr[usize::from(u.dst & 15)] = byte_signs(cx.mmx(u.src).into(), false);
    Ok(())
}

fn mmx_pextrw(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.check_fpu()?;
    cx.enter_mmx();
    cx.gpr[usize::from(u.dst & 15)] = cx.mmx(u.src) >> (16 * (u.imm & 3)) & 0xffff;
    Ok(())
}

fn word_source(cx: &mut Cx<'_>, u: &Uop) -> Result<u64, crate::cx::Stop> {
    if u.aux == 0 { Ok(u16::get(cx, u.src)) } else { cx.load_int::<u16>(Any::linear(cx, u)) }
}

fn mmx_pinsrw(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.check_fpu()?;
    let (word, shift) = (word_source(cx, u)?, 16 * (u.imm & 3));
    let value = cx.mmx(u.dst) & !(0xffff << shift) | word << shift;
    cx.set_mmx(u.dst, value);
    Ok(())
}

fn movnti<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.store_int::<T>(Any::linear(cx, u), T::get(cx, u.src))?;
    cx.stored()
}

pub(super) fn maskmovdqu(cx: &mut Cx<'_>, u: &Uop) -> Step {
    store_masked(cx, u, cx.xmm(u.dst), cx.xmm(u.src), 16)?;
    cx.stored()
}

fn maskmovq(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.check_fpu()?;
    store_masked(cx, u, cx.mmx(u.dst).into(), cx.mmx(u.src).into(), 8)?;
    cx.enter_mmx();
    cx.stored()
}

fn emms(cx: &mut Cx<'_>, _: &Uop) -> Step {
    cx.check_fpu()?;
    cx.cpu.fpu.in_use = 0;
    cx.cpu.fpu.set_top(0);
    Ok(())
}

/// `movd` and `movq`, by the kinds of their operands.
fn lower_movdq<T: Int>(to: &Operand, from: &Operand) -> Option<Handler> {
    let memory = |operand: &Operand| matches!(operand, Operand::Mem(_));
    let general = |operand: &Operand| matches!(operand, Operand::Reg(Reg::Gpr32(_) | Reg::Gpr64(_)));
    Some(match (to, from) {
        (to, from) if is_xmm(to) && is_xmm(from) => copy_low,
        (to, from) if is_xmm(to) && memory(from) => load_scalar::<T>,
        (to, from) if is_xmm(to) && general(from) => from_gpr::<T>,
        (to, from) if memory(to) && is_xmm(from) => store_scalar::<T>,
        (to, from) if general(to) && is_xmm(from) => to_gpr::<T>,
        (to, from) if is_mmx(to) && is_mmx(from) => mmx_copy,
        (to, from) if is_mmx(to) && memory(from) => mmx_load,
        (to, from) if is_mmx(to) && general(from) => mmx_from_gpr::<T>,
        (to, from) if memory(to) && is_mmx(from) => mmx_store::<T>,
        (to, from) if general(to) && is_mmx(from) => mmx_to_gpr::<T>,
        _ => return None,
    })
}

pub(crate) fn lower(insn: &Insn, u: &mut Uop) -> Option<Handler> {
    let [to, from, ..] = &insn.operands;
    let stores = matches!(to, Operand::Mem(_));
    let loads = matches!(from, Operand::Mem(_));
    let mmx = names_mmx(insn);
    u.aux = source_kind(from);
    Some(match insn.op {
        Op::Movaps | Op::Movapd | Op::Movdqa if stores => store_aligned,
        Op::Movaps | Op::Movapd | Op::Movdqa if loads => load_aligned,
        Op::Movups | Op::Movupd | Op::Movdqu if stores => store_unaligned,
        Op::Movups | Op::Movupd | Op::Movdqu | Op::Lddqu if loads => load_unaligned,
        Op::Movaps | Op::Movapd | Op::Movdqa | Op::Movups | Op::Movupd | Op::Movdqu => copy,
        Op::Movntps | Op::Movntpd | Op::Movntdq => store_aligned,
        Op::Movss if stores => store_scalar::<u32>,
        Op::Movss if loads => load_scalar::<u32>,
        Op::Movss => merge::<u32>,
        Op::Movsd if stores => store_scalar::<u64>,
        Op::Movsd if loads => load_scalar::<u64>,
        Op::Movsd => merge::<u64>,
        Op::Movlps | Op::Movlpd if stores => store_scalar::<u64>,
        Op::Movhps | Op::Movhpd if stores => store_high,
        Op::Movntdqa => load_aligned,
        Op::Movmskps => movmskps,
        Op::Movmskpd => movmskpd,
        Op::Movd => lower_movdq::<u32>(to, from)?,
        Op::Movq => lower_movdq::<u64>(to, from)?,
        Op::Movntq => mmx_store::<u64>,
        Op::Movq2dq => movq2dq,
        Op::Movdq2q => movdq2q,
        Op::Pmovmskb if mmx => mmx_pmovmskb,
        Op::Pmovmskb => pmovmskb,
        Op::Pextrw if mmx => mmx_pextrw,
        Op::Pinsrw if mmx => mmx_pinsrw,
        Op::Movnti if insn.operands[1] != Operand::None => match from {
            Operand::Reg(Reg::Gpr64(_)) => movnti::<u64>,
            _ => movnti::<u32>,
        },
        Op::Maskmovdqu => maskmovdqu,
        Op::Maskmovq => maskmovq,
        Op::Emms => emms,
        _ => {
            let handler = lower_mix(insn)?;
            place(insn, u);
            handler
        }
    })
}
