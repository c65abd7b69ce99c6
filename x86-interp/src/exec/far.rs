//! Segment registers and far transfers, as far as the descriptor tables of Linux let user code use them.

use super::branch::set_user_flags;
use crate::cx::{Cx, Step, Stop, is_wild};
use crate::int::Int;
use crate::uop::{Addr, Any, Handler, Uop};
use x86_cpu::{CodeMode, Described, Segment, Vector, flags, gpr};
use x86_decode::{Insn, Op, Operand, Reg, Seg, Width};

const RPL: u16 = 3;
const SS: u8 = Seg::Ss as u8;

fn gp(cx: &mut Cx<'_>, value: u16) -> Stop {
    cx.fault(Vector::GeneralProtection, u32::from(value & !RPL))
}

/// The segment that a selector loads into a register, or the fault (SDM vol. 2, MOV).
fn load_segment(cx: &mut Cx<'_>, seg: u8, value: u16) -> Result<Segment, Stop> {
    let stack = seg == SS;
    let segment = match cx.cpu.describe(value) {
        // A null SS is for 64-bit code of privilege 0 to 2.
        Some(Described::Null) if !stack => return Ok(Segment { selector: value, base: 0 }),
        Some(Described::Segment(segment)) => segment,
        // 64-bit code can be read.
        Some(Described::Code64) if !stack => return Ok(Segment { selector: value, base: 0 }),
        _ => return Err(gp(cx, value)),
    };
    let fits = if stack { value & RPL == RPL && segment.is_writable() } else { segment.is_readable() };
    if !fits {
        return Err(gp(cx, value));
    }
    if !segment.present {
        let vector = if stack { Vector::StackFault } else { Vector::SegmentNotPresent };
        return Err(cx.fault(vector, u32::from(value & !RPL)));
    }
    Ok(Segment { selector: value, base: segment.base.into() })
}

fn set_segment(cx: &mut Cx<'_>, seg: u8, segment: Segment) {
    let s = &mut cx.cpu.segments;
    let register = match seg {
        0 => &mut s.es,
        1 => &mut s.cs,
        2 => &mut s.ss,
        3 => &mut s.ds,
        4 => &mut s.fs,
        _ => &mut s.gs,
    };
    *register = segment;
    cx.refresh_segments();
}

/// The end of `mov` and `pop` to a segment register. Behind one to SS, the next instruction is done before a single step traps
/// (SDM vol. 3 §7.8.3).
fn loaded(cx: &mut Cx<'_>, seg: u8, segment: Segment) -> Step {
    set_segment(cx, seg, segment);
    cx.step_later = seg == SS;
    Err(Stop::Resync)
}

fn selector_of(cx: &Cx<'_>, seg: u8) -> u64 {
    let s = &cx.cpu.segments;
    let register = match seg {
        0 => s.es,
        1 => s.cs,
        2 => s.ss,
        3 => s.ds,
        4 => s.fs,
        _ => s.gs,
    };
    register.selector.into()
}

fn mov_to_seg(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = u16::get(cx, u.src) as u16;
    let segment = load_segment(cx, u.dst, value)?;
    loaded(cx, u.dst, segment)
}

fn mov_to_seg_m(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = cx.load::<u16>(Any::linear(cx, u))?;
    let segment = load_segment(cx, u.dst, value)?;
    loaded(cx, u.dst, segment)
}

fn mov_from_seg<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    T::set(cx, u.dst, selector_of(cx, u.src));
    Ok(())
}

fn mov_from_seg_m(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.store::<u16>(Any::linear(cx, u), selector_of(cx, u.src) as u16)?;
    cx.stored()
}

/// `push sreg` writes 16 bits of a 32-bit slot, and all of a 64-bit one (SDM vol. 2, PUSH: "recent" processors).
fn push_seg<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let sp = cx.gpr[gpr::RSP].wrapping_sub(T::BYTES) & cx.mask;
    let (at, value) = (cx.stack_at(sp), selector_of(cx, u.dst));
    if T::BYTES == 8 {
        cx.store::<u64>(at, value)?
    } else {
        cx.store::<u16>(at, value as u16)?
    }
    cx.gpr[gpr::RSP] = sp;
    cx.stored()
}

/// `pop sreg` reads 16 bits of a slot.
fn pop_seg<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = cx.load::<u16>(cx.stack(0))?;
    let segment = load_segment(cx, u.dst, value)?;
    cx.drop_stack(T::BYTES);
    loaded(cx, u.dst, segment)
}

/// `lds` and its like: `aux` is the segment register.
fn load_far_pointer<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let addr = Any::linear(cx, u);
    let offset = cx.load_int::<T>(addr)?;
    let value = cx.load::<u16>(addr.wrapping_add(T::BYTES) & cx.mask)?;
    let segment = load_segment(cx, u.aux, value)?;
    T::set(cx, u.dst, offset);
    set_segment(cx, u.aux, segment);
    Err(Stop::Resync)
}

/// Where a far transfer leads.
struct Code {
    selector: u16,
    base: u64,
    mode: CodeMode,
}

/// Checks the code selector of a far transfer: of a jump or call, or of a return, which takes no lower RPL.
fn code_target(cx: &mut Cx<'_>, value: u16, returns: Returns) -> Result<Code, Stop> {
    let selector = value | RPL;
    if returns == Returns::Yes && value & RPL != RPL {
        return Err(gp(cx, value));
    }
    match cx.cpu.describe(value) {
        Some(Described::Code64) => Ok(Code { selector, base: 0, mode: CodeMode::Bits64 }),
        Some(Described::Segment(segment)) if segment.is_code() && segment.present => {
            Ok(Code { selector, base: segment.base.into(), mode: CodeMode::Bits32 })
        }
        Some(Described::Segment(segment)) if segment.is_code() => {
            Err(cx.fault(Vector::SegmentNotPresent, u32::from(value & !RPL)))
        }
        _ => Err(gp(cx, value)),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Returns {
    No,
    Yes,
}

/// Enters code of another segment. The upper halves of registers do not exist in 32-bit code; R8 to R15 are kept for
/// 64-bit code to come back to (SDM vol. 1 §3.4.1.1).
fn enter_code(cx: &mut Cx<'_>, code: Code, offset: u64) -> Step {
    cx.cpu.segments.cs = Segment { selector: code.selector, base: code.base };
    cx.cpu.mode = code.mode;
    cx.refresh_segments();
    if code.mode == CodeMode::Bits32 {
        cx.gpr[..8].iter_mut().for_each(|reg| *reg &= 0xffff_ffff);
    }
    cx.rip = offset & cx.mask;
    Err(Stop::Mode)
}

/// 64-bit code can only be at a canonical address.
fn check_offset(cx: &mut Cx<'_>, code: &Code, offset: u64) -> Step {
    if code.mode == CodeMode::Bits64 && is_wild(offset) {
        return Err(cx.fault(Vector::GeneralProtection, 0));
    }
    Ok(())
}

fn jmp_far(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let (offset, value) = far_target(cx, u)?;
    let code = code_target(cx, value, Returns::No)?;
    check_offset(cx, &code, offset)?;
    enter_code(cx, code, offset)
}

const DIRECT: u8 = 0x80;

/// Offset and selector, from the instruction or from memory; `aux` holds the operand size in bytes.
fn far_target(cx: &mut Cx<'_>, u: &Uop) -> Result<(u64, u16), Stop> {
    if u.aux & DIRECT != 0 {
        return Ok((u.imm & 0xffff_ffff, (u.imm >> 32) as u16));
    }
    let addr = Any::linear(cx, u);
    let offset = match u.aux {
        2 => cx.load_int::<u16>(addr)?,
        8 => cx.load_int::<u64>(addr)?,
        _ => cx.load_int::<u32>(addr)?,
    };
    let value = cx.load::<u16>(addr.wrapping_add(u64::from(u.aux)) & cx.mask)?;
    Ok((offset, value))
}

/// What a far call looks at before the stack: pointer and selector.
pub(crate) fn check_far_call(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let (_, value) = far_target(cx, u)?;
    code_target(cx, value, Returns::No).map(|_| ())
}

fn call_far<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let (offset, value) = far_target(cx, u)?;
    let code = code_target(cx, value, Returns::No)?;
    let sp = cx.gpr[gpr::RSP].wrapping_sub(2 * T::BYTES) & cx.mask;
    // Pushed one by one: where the second slot is not there, the first is written all the same.
    cx.store_int::<T>(cx.stack_at(sp.wrapping_add(T::BYTES)), cx.cpu.segments.cs.selector.into())?;
    cx.store_int::<T>(cx.stack_at(sp), cx.next_ip(u))?;
    // The return address is written by then.
    check_offset(cx, &code, offset)?;
    cx.gpr[gpr::RSP] = sp;
    enter_code(cx, code, offset)
}

/// The selector is read first, and 16 bits of it: a fault reports its slot.
fn retf<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = cx.load::<u16>(cx.stack(T::BYTES))?;
    let offset = cx.load_int::<T>(cx.stack(0))?;
    let code = code_target(cx, value, Returns::Yes)?;
    check_offset(cx, &code, offset)?;
    cx.drop_stack((2 * T::BYTES).wrapping_add(u.imm & 0xffff));
    enter_code(cx, code, offset)
}

/// `iret` to the same privilege. 64-bit code also pops SS and RSP (SDM vol. 2, IRET).
fn iret<T: Int>(cx: &mut Cx<'_>, _: &Uop) -> Step {
    if cx.cpu.rflags & flags::NT != 0 {
        // There are no nested tasks in IA-32e mode.
        return Err(cx.fault(Vector::GeneralProtection, 0));
    }
    let image = cx.load_int::<T>(cx.stack(2 * T::BYTES))? as u32;
    let value = cx.load_int::<T>(cx.stack(T::BYTES))? as u16;
    let offset = cx.load_int::<T>(cx.stack(0))?;
    let code = code_target(cx, value, Returns::Yes)?;
    check_offset(cx, &code, offset)?;
    if cx.is_64() {
        let sp = cx.load_int::<T>(cx.stack(3 * T::BYTES))?;
        let stack = cx.load_int::<T>(cx.stack(4 * T::BYTES))? as u16;
        let segment = load_segment(cx, SS, stack)?;
        cx.gpr[gpr::RSP] = sp;
        set_segment(cx, SS, segment);
    } else {
        cx.drop_stack(3 * T::BYTES);
    }
    set_user_flags(cx, image, T::MASK as u32);
    enter_code(cx, code, offset)
}

macro_rules! by_word {
    ($width:expr, $f:ident) => {
        match $width {
            Width::W16 => $f::<u16> as Handler,
            Width::W64 => $f::<u64>,
            _ => $f::<u32>,
        }
    };
}

pub(crate) fn lower(insn: &Insn, u: &mut Uop) -> Option<Handler> {
    let w = insn.width;
    let load_far = |u: &mut Uop, seg: Seg| {
        u.aux = seg as u8;
        Some(by_word!(w, load_far_pointer))
    };
    Some(match (insn.op, insn.operands[0], insn.operands[1]) {
        (Op::Mov, Operand::Reg(Reg::Seg(_)), Operand::Mem(_)) => mov_to_seg_m,
        (Op::Mov, Operand::Reg(Reg::Seg(_)), _) => mov_to_seg,
        (Op::Mov, Operand::Mem(_), Operand::Reg(Reg::Seg(_))) => mov_from_seg_m,
        (Op::Mov, _, Operand::Reg(Reg::Seg(_))) => by_word!(w, mov_from_seg),
        (Op::Push, Operand::Reg(Reg::Seg(_)), _) => by_word!(w, push_seg),
        (Op::Pop, Operand::Reg(Reg::Seg(_)), _) => by_word!(w, pop_seg),
        (Op::Lds, ..) => return load_far(u, Seg::Ds),
        (Op::Les, ..) => return load_far(u, Seg::Es),
        (Op::Lss, ..) => return load_far(u, Seg::Ss),
        (Op::Lfs, ..) => return load_far(u, Seg::Fs),
        (Op::Lgs, ..) => return load_far(u, Seg::Gs),
        (Op::JmpFar | Op::CallFar, first, _) => {
            u.aux = if matches!(first, Operand::Far { .. }) { DIRECT } else { w.bytes() };
            if insn.op == Op::JmpFar { jmp_far } else { by_word!(w, call_far) }
        }
        (Op::Retf, ..) => by_word!(w, retf),
        (Op::Iret, ..) => by_word!(w, iret),
        (Op::Lar, ..) => {
            u.aux = u8::from(matches!(insn.operands[1], Operand::Mem(_)));
            by_word!(w, lar)
        }
        (Op::Lsl, ..) => {
            u.aux = u8::from(matches!(insn.operands[1], Operand::Mem(_)));
            by_word!(w, lsl)
        }
        (Op::Verr | Op::Verw, first, _) => {
            u.aux = u8::from(matches!(first, Operand::Mem(_))) | if insn.op == Op::Verw { 2 } else { 0 };
            verify
        }
        (Op::Arpl, Operand::Mem(_), _) => arpl_m,
        (Op::Arpl, ..) => arpl_r,
        _ => return None,
    })
}

fn selector_operand(cx: &mut Cx<'_>, u: &Uop, reg: u8) -> Result<u16, Stop> {
    if u.aux & 1 != 0 { cx.load::<u16>(Any::linear(cx, u)) } else { Ok(u16::get(cx, reg) as u16) }
}

/// Access rights and limit of a selector that user code can see.
fn attributes(cx: &Cx<'_>, value: u16) -> Option<(u64, u64)> {
    match cx.cpu.describe(value)? {
        Described::Null => None,
        Described::Code64 => Some((0x00af_fb00, 0xffff_ffff)),
        Described::Segment(segment) => Some((segment.rights(), segment.limit.into())),
    }
}

fn lar<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = selector_operand(cx, u, u.src)?;
    let found = attributes(cx, value);
    if let Some((rights, _)) = found {
        T::set(cx, u.dst, rights);
    }
    cx.flags.put_zf(found.is_some());
    Ok(())
}

fn lsl<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = selector_operand(cx, u, u.src)?;
    let found = attributes(cx, value);
    if let Some((_, limit)) = found {
        T::set(cx, u.dst, limit);
    }
    cx.flags.put_zf(found.is_some());
    Ok(())
}

fn verify(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = selector_operand(cx, u, u.dst)?;
    let write = u.aux & 2 != 0;
    let ok = match cx.cpu.describe(value) {
        Some(Described::Segment(segment)) => {
            if write {
                segment.is_writable()
            } else {
                segment.is_readable()
            }
        }
        Some(Described::Code64) => !write,
        _ => false,
    };
    cx.flags.put_zf(ok);
    Ok(())
}

fn adjusted(destination: u64, source: u64) -> (u64, bool) {
    let raise = destination & 3 < source & 3;
    (if raise { destination & !3 | source & 3 } else { destination }, raise)
}

fn arpl_r(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let (value, raised) = adjusted(u16::get(cx, u.dst), u16::get(cx, u.src));
    u16::set(cx, u.dst, value);
    cx.flags.put_zf(raised);
    Ok(())
}

fn arpl_m(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let addr = Any::linear(cx, u);
    let (value, raised) = adjusted(cx.load_int::<u16>(addr)?, u16::get(cx, u.src));
    if raised {
        cx.store_int::<u16>(addr, value)?;
    }
    cx.flags.put_zf(raised);
    cx.stored()
}
