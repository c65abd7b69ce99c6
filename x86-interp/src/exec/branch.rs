//! Near control transfers and the stack.

use super::mov::condition_of;
use crate::cx::{Cx, Full, Path, Step, Stop, slot};
use crate::int::Int;
use crate::uop::{Addr, AddrKind, Any, Handler, Uop, by_addr, by_condition, by_width_addr};
use guest_mem::Access;
use x86_cpu::{Vector, flags as bit, gpr};
use x86_decode::{Insn, Op, Operand, Reg, Width};

#[inline(always)]
fn target(cx: &Cx<'_>, u: &Uop) -> u64 {
    cx.gpr[usize::from(slot::PAGE)].wrapping_add(u.imm)
}

#[inline(always)]
pub(crate) fn jmp(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.jump(target(cx, u))
}

fn jmp16(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.jump(target(cx, u) & 0xffff)
}

#[inline(always)]
pub(crate) fn jcc<const CODE: u8>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    if cx.flags.condition(CODE) { cx.jump(target(cx, u)) } else { Ok(()) }
}

fn jcc16(cx: &mut Cx<'_>, u: &Uop) -> Step {
    if cx.flags.condition(u.aux) { cx.jump(target(cx, u) & 0xffff) } else { Ok(()) }
}

/// Whether no 64-bit code can be at a target.
#[inline(always)]
fn is_wild<T: Int>(to: u64) -> bool {
    T::BYTES == 8 && to.wrapping_add(1 << 47) >> 48 != 0
}

/// A target that is not canonical faults before the transfer (SDM vol. 2, CALL, JMP, RET).
#[inline(always)]
fn checked<T: Int, P: Path>(cx: &mut Cx<'_>, to: u64) -> Result<u64, Stop> {
    match is_wild::<T>(to) {
        false => Ok(to),
        true if P::FULL => Err(cx.fault(Vector::GeneralProtection, 0)),
        true => Err(Stop::Slow),
    }
}

#[inline(always)]
pub(crate) fn jmp_r<T: Int, P: Path>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let to = checked::<T, P>(cx, T::get(cx, u.dst))?;
    cx.jump(to)
}

#[inline(always)]
pub(crate) fn jmp_m<T: Int, A: Addr, P: Path>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let to = cx.load_by::<T, P>(A::linear(cx, u))?;
    let to = checked::<T, P>(cx, to)?;
    cx.jump(to)
}

#[inline(always)]
pub(crate) fn call<T: Int, P: Path>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.push_and_jump::<T, P>(cx.next_ip(u), T::trunc(target(cx, u)))
}

#[inline(always)]
fn call_to<T: Int, P: Path>(cx: &mut Cx<'_>, u: &Uop, to: u64) -> Step {
    if is_wild::<T>(to) {
        return if P::FULL { call_wild::<T>(cx, u) } else { Err(Stop::Slow) };
    }
    cx.push_and_jump::<T, P>(cx.next_ip(u), to)
}

/// Where the target faults, the return address stands below the stack pointer already.
#[cold]
fn call_wild<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let sp = cx.gpr[gpr::RSP];
    cx.push::<T>(cx.next_ip(u))?;
    cx.gpr[gpr::RSP] = sp;
    Err(cx.fault(Vector::GeneralProtection, 0))
}

#[inline(always)]
pub(crate) fn call_r<T: Int, P: Path>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let to = T::get(cx, u.dst);
    call_to::<T, P>(cx, u, to)
}

#[inline(always)]
pub(crate) fn call_m<T: Int, A: Addr, P: Path>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let to = cx.load_by::<T, P>(A::linear(cx, u))?;
    call_to::<T, P>(cx, u, to)
}

#[inline(always)]
pub(crate) fn ret<T: Int, P: Path>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let to = cx.load_by::<T, P>(cx.stack(0))?;
    let to = checked::<T, P>(cx, to)?;
    cx.drop_stack(T::BYTES.wrapping_add(u.imm & 0xffff));
    cx.jump(to)
}

/// `loop`, `loope`, `loopne`: `aux` says which; the address size says what counts.
fn loop_(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let count = set_counter(cx, u, counter(cx, u).wrapping_sub(1));
    let taken = count != 0
        && match u.aux & 3 {
            LOOPE => cx.flags.zf(),
            LOOPNE => !cx.flags.zf(),
            _ => true,
        };
    jump_if(cx, u, taken)
}

fn jcxz(cx: &mut Cx<'_>, u: &Uop) -> Step {
    jump_if(cx, u, counter(cx, u) == 0)
}

const LOOPE: u8 = 1;
const LOOPNE: u8 = 2;
/// In `aux`: operand size 16, the target is cut to 16 bits.
const NARROW: u8 = 4;

fn jump_if(cx: &mut Cx<'_>, u: &Uop, taken: bool) -> Step {
    if !taken {
        return Ok(());
    }
    let to = target(cx, u);
    cx.jump(if u.aux & NARROW != 0 { to & 0xffff } else { to })
}

/// CX, ECX or RCX by the address size.
pub(crate) fn counter(cx: &Cx<'_>, u: &Uop) -> u64 {
    cx.gpr[gpr::RCX] & u.addr_mask()
}

/// Writes a register of the address size: 32 bits clear the upper half, 16 leave the rest.
pub(crate) fn set_addr_reg(cx: &mut Cx<'_>, u: &Uop, reg: usize, value: u64) {
    let old = cx.gpr[reg & 31];
    cx.gpr[reg & 31] = match u.cut {
        48 => old & !0xffff | value & 0xffff,
        _ => value & u.addr_mask(),
    };
}

fn set_counter(cx: &mut Cx<'_>, u: &Uop, value: u64) -> u64 {
    set_addr_reg(cx, u, gpr::RCX, value);
    value & u.addr_mask()
}

#[inline(always)]
pub(crate) fn push_r<T: Int, P: Path>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.push_last::<T, P>(T::get(cx, u.dst))
}

#[inline(always)]
pub(crate) fn push_i<T: Int, P: Path>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.push_last::<T, P>(u.imm)
}

#[inline(always)]
pub(crate) fn push_m<T: Int, A: Addr, P: Path>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = cx.load_by::<T, P>(A::linear(cx, u))?;
    cx.push_last::<T, P>(value)
}

#[inline(always)]
pub(crate) fn pop_r<T: Int, P: Path>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = cx.pop::<T, P>()?;
    // After the pointer moved: `pop esp` gets the value.
    T::set(cx, u.dst, value);
    Ok(())
}

fn pop_m<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = cx.load_int::<T>(cx.stack(0))?;
    // The address is computed with the pointer already moved (SDM vol. 2, POP).
    let old = cx.gpr[gpr::RSP];
    cx.drop_stack(T::BYTES);
    if let Err(stop) = cx.store_int::<T>(Any::linear(cx, u), value) {
        cx.gpr[gpr::RSP] = old;
        return Err(stop);
    }
    cx.stored()
}

/// A fault leaves what was pushed before it below the stack pointer.
fn pusha<T: Int>(cx: &mut Cx<'_>, _: &Uop) -> Step {
    let low = cx.gpr[gpr::RSP].wrapping_sub(8 * T::BYTES) & cx.mask;
    for reg in 0..8 {
        let addr = cx.stack_at(low.wrapping_add(u64::from(7 - reg) * T::BYTES));
        cx.store_int::<T>(addr, T::get(cx, reg))?;
    }
    cx.gpr[gpr::RSP] = low;
    cx.stored()
}

fn popa<T: Int>(cx: &mut Cx<'_>, _: &Uop) -> Step {
    let mut values = [0; 8];
    for (i, value) in values.iter_mut().enumerate() {
        *value = cx.load_int::<T>(cx.stack(i as u64 * T::BYTES))?;
    }
    for (i, value) in values.into_iter().rev().enumerate().filter(|(i, _)| *i != gpr::RSP) {
        T::set(cx, i as u8, value);
    }
    cx.drop_stack(8 * T::BYTES);
    Ok(())
}

#[inline(always)]
pub(crate) fn leave<T: Int, P: Path>(cx: &mut Cx<'_>, _: &Uop) -> Step {
    let frame = cx.gpr[gpr::RBP] & cx.mask;
    let value = cx.load_by::<T, P>(cx.stack_at(frame))?;
    cx.gpr[gpr::RSP] = frame.wrapping_add(T::BYTES) & cx.mask;
    T::set(cx, gpr::RBP as u8, value);
    Ok(())
}

/// `enter` (SDM vol. 2): the frame pointers of outer levels are copied.
fn enter<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let (size, level) = (u.imm & 0xffff, u.imm >> 32 & 31);
    let mut sp = cx.gpr[gpr::RSP].wrapping_sub(T::BYTES) & cx.mask;
    let frame = sp;
    let mut outer = cx.gpr[gpr::RBP];
    // A fault anywhere, the new top of stack included, leaves the registers as they were.
    cx.store_int::<T>(cx.stack_at(sp), T::get(cx, gpr::RBP as u8))?;
    for _ in 1..level {
        outer = outer.wrapping_sub(T::BYTES) & cx.mask;
        let value = cx.load_int::<T>(cx.stack_at(outer))?;
        sp = sp.wrapping_sub(T::BYTES) & cx.mask;
        cx.store_int::<T>(cx.stack_at(sp), value)?;
    }
    if level > 0 {
        sp = sp.wrapping_sub(T::BYTES) & cx.mask;
        cx.store_int::<T>(cx.stack_at(sp), frame)?;
    }
    sp = sp.wrapping_sub(size) & cx.mask;
    cx.check_alignment(cx.stack_at(sp), T::BYTES)?;
    cx.check(cx.stack_at(sp), 1, Access::Write)?;
    cx.gpr[gpr::RSP] = sp;
    T::set(cx, gpr::RBP as u8, frame);
    cx.stored()
}

/// What PUSHF shows: RF and VM read as 0.
const PUSHF_MASK: u32 = 0x00fc_ffff & !bit::RF;

fn pushf<T: Int>(cx: &mut Cx<'_>, _: &Uop) -> Step {
    cx.push::<T>((cx.rflags() & PUSHF_MASK).into())?;
    cx.stored()
}

/// What POPF and IRET may change in user mode.
pub(crate) fn set_user_flags(cx: &mut Cx<'_>, value: u32, mask: u32) {
    let mask = bit::USER_WRITABLE & mask;
    cx.cpu.rflags = cx.rflags() & !mask | value & mask;
    cx.flags.set_bits(cx.cpu.rflags);
}

fn popf<T: Int>(cx: &mut Cx<'_>, _: &Uop) -> Step {
    let value = cx.pop::<T, Full>()? as u32;
    set_user_flags(cx, value, T::MASK as u32);
    // TF may have changed.
    Err(Stop::Resync)
}

/// The byte form does not exist for stack instructions and branches: no fourth instance.
macro_rules! by_word {
    ($width:expr, $f:ident $(, $g:ty)*) => {
        match $width {
            Width::W16 => $f::<u16 $(, $g)*> as Handler,
            Width::W64 => $f::<u64 $(, $g)*>,
            _ => $f::<u32 $(, $g)*>,
        }
    };
}

pub(crate) fn lower(insn: &Insn, u: &mut Uop, kind: AddrKind) -> Option<Handler> {
    let w = insn.width;
    let narrow = w == Width::W16;
    if let Some(code) = condition_of(insn.op, Op::Jo) {
        u.aux = code;
        return Some(if narrow { jcc16 } else { by_condition!(code, jcc) });
    }
    if matches!(insn.op, Op::Loop | Op::Loope | Op::Loopne | Op::Jcxz) {
        u.cut = 64 - insn.addr.bits();
        u.aux = if narrow { NARROW } else { 0 };
    }
    Some(match (insn.op, insn.operands[0]) {
        (Op::Jmp, Operand::Rel(_)) if narrow => jmp16,
        (Op::Jmp, Operand::Rel(_)) => jmp,
        (Op::Jmp, Operand::Reg(_)) => by_word!(w, jmp_r, Full),
        (Op::Jmp, Operand::Mem(_)) => by_width_addr!(w, kind, jmp_m, Full),
        (Op::Call, Operand::Rel(_)) => by_word!(w, call, Full),
        (Op::Call, Operand::Reg(_)) => by_word!(w, call_r, Full),
        (Op::Call, Operand::Mem(_)) => by_width_addr!(w, kind, call_m, Full),
        (Op::Ret, _) => by_word!(w, ret, Full),
        (Op::Loop, _) => loop_,
        (Op::Loope, _) => {
            u.aux |= LOOPE;
            loop_
        }
        (Op::Loopne, _) => {
            u.aux |= LOOPNE;
            loop_
        }
        (Op::Jcxz, _) => jcxz,
        (Op::Push, Operand::Reg(Reg::Seg(_))) | (Op::Pop, Operand::Reg(Reg::Seg(_))) => return None,
        (Op::Push, Operand::Reg(_)) => by_word!(w, push_r, Full),
        (Op::Push, Operand::Imm(_)) => by_word!(w, push_i, Full),
        (Op::Push, Operand::Mem(_)) => by_width_addr!(w, kind, push_m, Full),
        (Op::Pop, Operand::Reg(_)) => by_word!(w, pop_r, Full),
        (Op::Pop, Operand::Mem(_)) => by_word!(w, pop_m),
        (Op::Pusha, _) => by_word!(w, pusha),
        (Op::Popa, _) => by_word!(w, popa),
        (Op::Leave, _) => by_word!(w, leave, Full),
        (Op::Enter, _) => by_word!(w, enter),
        (Op::Pushf, _) => by_word!(w, pushf),
        (Op::Popf, _) => by_word!(w, popf),
        (Op::Nop | Op::Pause | Op::Endbr32 | Op::Endbr64, _) => nop,
        (Op::Prefetch | Op::Prefetchw | Op::Prefetchnta | Op::Prefetcht0, _) => nop,
        (Op::Prefetcht1 | Op::Prefetcht2 | Op::Lfence | Op::Mfence | Op::Sfence, _) => nop,
        (Op::Clflush | Op::Clflushopt | Op::Clwb, _) => by_addr!(kind, touch),
        _ => return None,
    })
}

fn nop(_: &mut Cx<'_>, _: &Uop) -> Step {
    Ok(())
}

/// `clflush`, `clflushopt` and `clwb` fault as a load does, and do nothing else here.
fn touch<A: Addr>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.load::<u8>(A::linear(cx, u)).map(|_| ())
}
