//! Moves of AVX and AVX2: whole registers, broadcasts, masked moves, gathers, and the clearing of upper halves.

use super::moves::{maskmovdqu, store_high, store_scalar, to_gpr};
use super::{FROM_REG, Halves, WIDE, is_wide, place};
use crate::cx::{Cx, Step};
use crate::int::Int;
use crate::uop::{Addr, Any, Handler, Uop};
use guest_mem::{Access, Scalar};
use x86_cpu::Vector;
use x86_decode::{Insn, Op, Operand, Reg, YMM_INDEX};

/// Bytes of the vector length.
fn bytes(u: &Uop) -> u64 {
    if u.aux & WIDE != 0 { 32 } else { 16 }
}

/// #GP where the memory operand is not aligned to the vector length.
fn check_alignment(cx: &mut Cx<'_>, u: &Uop) -> Step {
    if Any::linear(cx, u) & (bytes(u) - 1) != 0 {
        return Err(cx.fault(Vector::GeneralProtection, 0));
    }
    Ok(())
}

/// A register or memory into a register; what is above is cleared.
fn copy(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = cx.second::<true>(u)?;
    cx.put::<true>(u, value);
    Ok(())
}

fn load_aligned(cx: &mut Cx<'_>, u: &Uop) -> Step {
    check_alignment(cx, u)?;
    copy(cx, u)
}

fn store(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let addr = Any::linear(cx, u);
    let value = cx.ymm(u.src);
    cx.check(addr, bytes(u), Access::Write)?;
    cx.store::<u128>(addr, value[0])?;
    if u.aux & WIDE != 0 {
        cx.store::<u128>(addr.wrapping_add(16) & cx.mask, value[1])?;
    }
    cx.stored()
}

fn store_aligned(cx: &mut Cx<'_>, u: &Uop) -> Step {
    check_alignment(cx, u)?;
    store(cx, u)
}

/// `vmovss`, `vmovsd` between registers: the low lane of one, the rest of another.
fn merge<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.put_low::<true>(u, cx.xmm(u.src), T::BITS);
    Ok(())
}

/// `vmovq` and `vmovd` into a vector register.
fn low<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = cx.second::<true>(u)?[0];
    cx.set_ymm(u.dst, [value & u128::from(T::MASK), 0]);
    Ok(())
}

fn from_gpr<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = T::get(cx, u.src);
    cx.set_ymm(u.dst, [value.into(), 0]);
    Ok(())
}

/// The signs of all lanes of `T`, into a general register.
fn signs<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let v = cx.ymm(u.src);
    let per_half = 128 / T::BITS;
    let bit = |n: u32| (v[(n / per_half) as usize] >> (T::BITS * (n % per_half) + T::BITS - 1)) as u64 & 1;
    let count = per_half * Cx::halves::<true>(u) as u32;
    cx.gpr[usize::from(u.dst & 15)] = (0..count).map(|n| bit(n) << n).sum();
    Ok(())
}

/// The low lane of `T` to every lane.
fn broadcast<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = cx.second::<true>(u)?[0] & u128::from(T::MASK);
    // Ones at the bottom of each lane.
    let all = value * (u128::MAX / u128::from(T::MASK));
    cx.put::<true>(u, [all; 2]);
    Ok(())
}

fn broadcast128(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = cx.second::<true>(u)?[0];
    cx.put::<true>(u, [value; 2]);
    Ok(())
}

/// Lane `n`.
fn lane<T: Int>(v: &Halves, n: u32) -> u64 {
    let at = n * T::BITS;
    T::trunc((v[at as usize / 128] >> (at % 128)) as u64)
}

fn set_lane<T: Int>(v: &mut Halves, n: u32, value: u64) {
    let at = n * T::BITS;
    let half = &mut v[at as usize / 128];
    *half = *half & !(u128::from(T::MASK) << (at % 128)) | u128::from(value) << (at % 128);
}

/// Lanes that a mask picks by their signs.
fn chosen<T: Int>(mask: &Halves, u: &Uop) -> impl Iterator<Item = u32> {
    let mask = *mask;
    (0..bytes(u) as u32 * 8 / T::BITS).filter(move |n| lane::<T>(&mask, *n) & T::SIGN != 0)
}

/// Only the lanes that the mask picks are read: the others fault not and are zero.
fn load_masked<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let addr = Any::linear(cx, u);
    let mut out = [0; 2];
    for n in chosen::<T>(&cx.first::<true>(u), u) {
        let at = addr.wrapping_add(u64::from(n) * T::BYTES) & cx.mask;
        let value = cx.unaligned(|cx| cx.load_int::<T>(at))?;
        set_lane::<T>(&mut out, n, value);
    }
    cx.put::<true>(u, out);
    Ok(())
}

fn store_masked<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let addr = Any::linear(cx, u);
    let (mask, value) = (cx.first::<true>(u), cx.ymm(u.src));
    let at = |cx: &Cx<'_>, n: u32| addr.wrapping_add(u64::from(n) * T::BYTES) & cx.mask;
    for n in chosen::<T>(&mask, u) {
        cx.check(at(cx, n), T::BYTES, Access::Write)?;
    }
    for n in chosen::<T>(&mask, u) {
        let (at, value) = (at(cx, n), lane::<T>(&value, n));
        cx.unaligned(|cx| cx.store_int::<T>(at, value))?;
    }
    cx.stored()
}

/// Elements of `T` at a vector of addresses, whose indices are `I`, for the lanes that the mask picks. A fault leaves
/// everything as it was, so that the instruction starts over.
fn gather<T: Int, I: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let (indices, mask) = (cx.ymm(u.imm as u8), cx.ymm(u.also));
    let count = bytes(u) as u32 * 8 / if T::BITS > I::BITS { T::BITS } else { I::BITS };
    let old = cx.ymm(u.dst);
    let mut out = [0; 2];
    for n in 0..count {
        let value = if lane::<T>(&mask, n) & T::SIGN != 0 {
            let index = I::sext(lane::<I>(&indices, n)) << (u.scale & 3);
            let offset =
                cx.reg(u.base).wrapping_add(index).wrapping_add(i64::from(u.disp) as u64) & u.addr_mask();
            let at = offset.wrapping_add(cx.reg(u.seg)) & cx.mask;
            cx.unaligned(|cx| cx.load_int::<T>(at))?
        } else {
            lane::<T>(&old, n)
        };
        set_lane::<T>(&mut out, n, value);
    }
    cx.set_ymm(u.dst, out);
    cx.set_ymm(u.also, [0; 2]);
    Ok(())
}

fn lower_gather(insn: &Insn, u: &mut Uop) -> Option<Handler> {
    let Operand::Mem(mem) = insn.operands[1] else { return None };
    let handler: Handler = match insn.op {
        Op::Vpgatherdd | Op::Vgatherdps => gather::<u32, u32>,
        Op::Vpgatherdq | Op::Vgatherdpd => gather::<u64, u32>,
        Op::Vpgatherqd | Op::Vgatherqps => gather::<u32, u64>,
        Op::Vpgatherqq | Op::Vgatherqpd => gather::<u64, u64>,
        _ => return None,
    };
    u.imm = u64::from(mem.index & 15);
    u.aux = if mem.index >= YMM_INDEX || is_wide(insn) { WIDE } else { 0 };
    Some(handler)
}

fn registers(cx: &Cx<'_>) -> usize {
    if cx.is_64() { 16 } else { 8 }
}

fn vzeroupper(cx: &mut Cx<'_>, _: &Uop) -> Step {
    let count = registers(cx);
    cx.cpu.ymm_high[..count].fill(0);
    Ok(())
}

fn vzeroall(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let count = registers(cx);
    cx.cpu.xmm[..count].fill(0);
    vzeroupper(cx, u)
}

/// `vmovd`, `vmovq`.
fn lower_movdq<T: Int + Scalar>(insn: &Insn) -> Handler {
    let vector = |operand: &Operand| matches!(operand, Operand::Reg(Reg::Xmm(_)));
    match (&insn.operands[0], &insn.operands[1]) {
        (to, Operand::Reg(Reg::Gpr32(_) | Reg::Gpr64(_))) if vector(to) => from_gpr::<T>,
        (to, _) if vector(to) => low::<T>,
        (Operand::Mem(_), _) => store_scalar::<T>,
        _ => to_gpr::<T>,
    }
}

pub(crate) fn lower(insn: &Insn, u: &mut Uop) -> Option<Handler> {
    let stores = matches!(insn.operands[0], Operand::Mem(_));
    let handler: Handler = match insn.op {
        Op::Vmovups | Op::Vmovupd | Op::Vmovdqu if stores => store,
        Op::Vmovups | Op::Vmovupd | Op::Vmovdqu | Op::Vlddqu => copy,
        Op::Vmovaps | Op::Vmovapd | Op::Vmovdqa | Op::Vmovntps | Op::Vmovntpd | Op::Vmovntdq if stores => {
            store_aligned
        }
        Op::Vmovaps | Op::Vmovapd | Op::Vmovdqa | Op::Vmovntdqa => {
            if matches!(insn.operands[1], Operand::Mem(_)) { load_aligned } else { copy }
        }
        Op::Vmovss | Op::Vmovsd if !stores => match (insn.operands[2], insn.op) {
            (Operand::None, _) => copy,
            (_, Op::Vmovss) => merge::<u32>,
            _ => merge::<u64>,
        },
        Op::Vmovss => store_scalar::<u32>,
        Op::Vmovsd => store_scalar::<u64>,
        Op::Vmovlps | Op::Vmovlpd if stores => store_scalar::<u64>,
        Op::Vmovhps | Op::Vmovhpd if stores => store_high,
        Op::Vmovd => lower_movdq::<u32>(insn),
        Op::Vmovq => lower_movdq::<u64>(insn),
        Op::Vmovmskps => signs::<u32>,
        Op::Vmovmskpd => signs::<u64>,
        Op::Vpmovmskb => signs::<u8>,
        Op::Vmaskmovdqu => maskmovdqu,
        Op::Vpbroadcastb => broadcast::<u8>,
        Op::Vpbroadcastw => broadcast::<u16>,
        Op::Vpbroadcastd | Op::Vbroadcastss => broadcast::<u32>,
        Op::Vpbroadcastq | Op::Vbroadcastsd => broadcast::<u64>,
        Op::Vbroadcastf128 | Op::Vbroadcasti128 => broadcast128,
        Op::Vmaskmovps | Op::Vpmaskmovd if stores => store_masked::<u32>,
        Op::Vmaskmovpd | Op::Vpmaskmovq if stores => store_masked::<u64>,
        Op::Vmaskmovps | Op::Vpmaskmovd => load_masked::<u32>,
        Op::Vmaskmovpd | Op::Vpmaskmovq => load_masked::<u64>,
        Op::Vzeroupper => vzeroupper,
        Op::Vzeroall => vzeroall,
        _ => return lower_gather(insn, u),
    };
    place(insn, u);
    debug_assert!(!stores || u.aux & !WIDE == FROM_REG, "what is stored is a register");
    Some(handler)
}
