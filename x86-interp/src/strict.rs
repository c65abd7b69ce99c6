//! Segments that are not flat: limits, read-only and expand-down data, null selectors, code of 16 bits or with a base.
//!
//! What programs run in practice needs none of this, and pays nothing for it. Code in an unusual segment, and 32-bit code whose
//! stack or data are in one, runs here instruction by instruction, without the cache; in other 32-bit code only instructions
//! that name an unusual FS or GS, or store through CS, come here, by [`guarded`].

use crate::cx::{Cx, Step, Stop, slot};
use crate::exec::{far, system};
use crate::lower::lower_plain;
use crate::sse;
use crate::uop::{Addr, Any, LowerMode, Uop};
use guest_mem::PAGE_BYTES;
use x86_cpu::{CodeMode, Described, Descriptor, Exit, Segment, Vector, gpr, selector};
use x86_decode::{
    Access, DecodeError, Insn, MAX_LEN, Mem, Mode, NO_REG, Op, Operand, Reg, RegSet, Rep, Seg, Width,
    XMM_INDEX, YMM_INDEX, decode_for,
};

/// A page that no 32-bit program has: where an access goes that its segment forbids, so that it faults if and when the
/// instruction makes it.
const POISON: u64 = 0xffff_f000;

/// Which segments are unusual.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unusual {
    /// The code segment, the stack, DS or ES of 32-bit code: everything runs here.
    pub(crate) all: bool,
    /// FS of 32-bit code.
    pub(crate) fs: bool,
    /// GS of 32-bit code.
    pub(crate) gs: bool,
}

impl Unusual {
    /// What the segment registers hold.
    pub(crate) fn of(cx: &Cx<'_>) -> Unusual {
        let s = &cx.cpu.segments;
        if cx.is_64() {
            return Unusual::default();
        }
        let odd = |value: u16| !cx.cpu.descriptor(value).is_some_and(|segment| segment.is_plain_data());
        // Where a segment has a base, an access does not go round past the end of its limit. FS and GS, whose base is thread
        // data, are not looked at for that.
        let flat = |segment: Segment| {
            segment.selector == selector::USER_DS || segment.base == 0 && !odd(segment.selector)
        };
        Unusual {
            all: !cx.cpu.is_plain_code() || !flat(s.ss) || !flat(s.ds) || !flat(s.es),
            fs: odd(s.fs.selector),
            gs: odd(s.gs.selector),
        }
    }
}

/// Whether an instruction of flat 32-bit code needs a look at its segments.
pub(crate) fn needs_guard(insn: &Insn, mode: LowerMode) -> bool {
    if mode.long {
        return false;
    }
    let odd = |seg: Seg| match seg {
        Seg::Fs => mode.odd_fs,
        Seg::Gs => mode.odd_gs,
        _ => false,
    };
    let implicit = insn.row.memory != Access::None && odd(insn.seg);
    let explicit = insn.operands.iter().zip(&insn.row.args).any(|(operand, arg)| match operand {
        Operand::Mem(mem) => odd(mem.seg) || mem.seg == Seg::Cs && arg.access.writes(),
        _ => false,
    });
    implicit || explicit
}

/// The handler of such an instruction.
pub(crate) fn guarded(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let ip = cx.this_ip(u);
    let mut bytes = [0; MAX_LEN];
    let len = cx.mem.fetch(ip, &mut bytes).map_err(|fault| cx.mem_fault(fault))?;
    match decode_for(&bytes[..len], Mode::Bits32, cx.features) {
        Ok(insn) => execute(cx, &insn, u.next - u16::from(u.len)),
        Err(_) => system::undefined(cx, u),
    }
}

/// One instruction of code that is unusual itself, or whose segments are.
pub(crate) fn step(cx: &mut Cx<'_>) -> (Step, Uop) {
    // Nothing is to be taken back where no x87 instruction begins.
    cx.x87_ip_before = cx.cpu.fpu.last_ip;
    let base = cx.cpu.segments.cs.base;
    let code = match cx.cpu.describe(cx.cpu.segments.cs.selector) {
        Some(Described::Segment(segment)) => segment,
        _ => Descriptor::FLAT_CODE,
    };
    // Nothing is relative to a page here: the slot is the instruction's own address.
    cx.gpr[usize::from(slot::PAGE)] = cx.rip;
    let here = |len: u8, run| Uop { len, next: len.into(), ..crate::lower::exception(run, 0) };
    let room = u64::from(code.limit).saturating_add(1).saturating_sub(cx.rip).min(MAX_LEN as u64) as usize;
    let mut bytes = [0; MAX_LEN];
    let mut got = 0;
    let mut failure = None;
    while got < room {
        let at = (cx.rip + got as u64).wrapping_add(base) & 0xffff_ffff;
        let chunk = room.min(got + (PAGE_BYTES - at % PAGE_BYTES) as usize);
        match cx.mem.fetch(at, &mut bytes[got..chunk]) {
            Ok(len) if len > 0 => got += len,
            Ok(_) => break,
            Err(fault) => {
                failure = Some(fault);
                break;
            }
        }
    }
    let mode = if code.is_32bit() { Mode::Bits32 } else { Mode::Bits16 };
    match decode_for(&bytes[..got], mode, cx.features) {
        Ok(insn) => {
            let done = execute(cx, &insn, 0);
            (done, here(insn.len, system::undefined))
        }
        Err(DecodeError::Invalid) => (Err(cx.fault(Vector::InvalidOpcode, 0)), here(0, system::undefined)),
        Err(error) => {
            let stop = match failure {
                Some(fault) if error == DecodeError::Truncated => cx.mem_fault(fault),
                _ => cx.fault(Vector::GeneralProtection, 0),
            };
            (Err(stop), here(0, system::undefined))
        }
    }
}

fn selector_of(cx: &Cx<'_>, seg: Seg) -> u16 {
    let s = &cx.cpu.segments;
    match seg {
        Seg::Es => s.es,
        Seg::Cs => s.cs,
        Seg::Ss => s.ss,
        Seg::Ds => s.ds,
        Seg::Fs => s.fs,
        Seg::Gs => s.gs,
    }
    .selector
}

/// Whether a segment register allows an access.
fn allows(cx: &Cx<'_>, seg: Seg, offset: u64, len: u64, access: Access) -> bool {
    let segment = match cx.cpu.describe(selector_of(cx, seg)) {
        Some(Described::Segment(segment)) => segment,
        // 64-bit code can be read as 32-bit code can.
        Some(Described::Code64) => Descriptor::FLAT_CODE,
        _ => return false,
    };
    let right = (!access.writes() || segment.is_writable()) && (!access.reads() || segment.is_readable());
    right && segment.contains(offset, len)
}

/// What a forbidden access through a segment raises.
fn forbidden(seg: Seg) -> Vector {
    if seg == Seg::Ss { Vector::StackFault } else { Vector::GeneralProtection }
}

/// Offset of the unit that a bit offset in a register leads to (SDM vol. 2 §3.1.1.9).
fn unit_of_bit(cx: &Cx<'_>, reg: Reg, operand_at: u64) -> u64 {
    match reg {
        Reg::Gpr16(n) => operand_at.wrapping_add_signed((i64::from(cx.reg(n) as i16) >> 4) * 2),
        Reg::Gpr32(n) => operand_at.wrapping_add_signed((i64::from(cx.reg(n) as i32) >> 5) * 4),
        _ => operand_at,
    }
}

/// Whether the segment allows the elements that the mask of a gather picks.
fn gather_allowed(cx: &Cx<'_>, insn: &Insn, mem: &Mem) -> bool {
    let Operand::Reg(Reg::Xmm(mask) | Reg::Ymm(mask)) = insn.operands[2] else { return true };
    let narrow = matches!(insn.op, Op::Vpgatherdd | Op::Vpgatherdq | Op::Vgatherdps | Op::Vgatherdpd);
    let index_bits = if narrow { 32 } else { 64 };
    let bits = u32::from(mem.size) * 8;
    let wide = mem.index >= YMM_INDEX || sse::is_wide(insn);
    let lanes = if wide { 256 } else { 128 } / index_bits.max(bits);
    let lane = |register: u8, n: u32, bits: u32| {
        (cx.ymm(register)[(n * bits / 128) as usize] >> (n * bits % 128)) as u64 & u64::MAX >> (64 - bits)
    };
    let base = if mem.base == NO_REG { 0 } else { cx.gpr[usize::from(mem.base & 15)] };
    (0..lanes).filter(|n| lane(mask, *n, bits) >> (bits - 1) != 0).all(|n| {
        let index = lane(mem.index & 15, n, index_bits).wrapping_mul(mem.scale.into());
        let offset = base.wrapping_add(index).wrapping_add(mem.disp as u64) & 0xffff_ffff;
        allows(cx, mem.seg, offset, mem.size.into(), Access::Read)
    })
}

/// Checks an instruction's accesses and runs it.
fn execute(cx: &mut Cx<'_>, insn: &Insn, at: u16) -> Step {
    let mode = LowerMode { flat: cx.is_flat(), ..LowerMode::default() };
    let mut plain = lower_plain(insn, at, mode);
    let mut poisoned = None;
    let mut operand_at = 0;
    for (i, operand) in insn.operands.iter().enumerate() {
        let Operand::Mem(mem) = operand else { continue };
        let access = insn.row.args[i].access;
        if mem.index != NO_REG && mem.index >= XMM_INDEX {
            if !gather_allowed(cx, insn, mem) {
                return Err(cx.fault(forbidden(mem.seg), 0));
            }
            continue;
        }
        if access == Access::None {
            continue;
        }
        operand_at = Any::offset(cx, &plain);
        if let (Op::Bt | Op::Bts | Op::Btr | Op::Btc, Operand::Reg(reg)) = (insn.op, insn.operands[1]) {
            operand_at = unit_of_bit(cx, reg, operand_at) & (u64::MAX >> (64 - mem.addr.bits()));
        }
        // It writes only if it raises the privilege.
        let raises = |cx: &mut Cx<'_>, plain: &Uop| {
            let value = cx.load::<u16>(Any::linear(cx, plain))?;
            Ok((value & 3) < (cx.reg(plain.src) & 3) as u16)
        };
        let access = match insn.op {
            Op::Arpl if allows(cx, mem.seg, operand_at, 2, Access::Read) && !raises(cx, &plain)? => {
                Access::Read
            }
            _ => access,
        };
        if !allows(cx, mem.seg, operand_at, mem.size.into(), access) {
            if matches!(insn.op, Op::Bt | Op::Bts | Op::Btr | Op::Btc) {
                // The operand is where the bit is.
                return Err(cx.fault(forbidden(mem.seg), 0));
            }
            if matches!(insn.op, Op::Fldenv | Op::Frstor) && allows(cx, mem.seg, operand_at, 4, Access::Read)
            {
                // It is read piece by piece: the first may not be there.
                cx.check(Any::linear(cx, &plain), 4, guest_mem::Access::Read)?;
            }
            let nowhere = Mem {
                seg: Seg::Ds,
                base: NO_REG,
                index: NO_REG,
                scale: 1,
                // As far from alignment as the operand: a vector that must be aligned faults for that first.
                disp: (POISON | operand_at & 63) as i64,
                addr: Width::W32,
                size: mem.size,
            };
            let mut insn = *insn;
            insn.operands[i] = Operand::Mem(nowhere);
            plain = lower_plain(&insn, at, LowerMode { flat: true, ..mode });
            poisoned = Some(forbidden(mem.seg));
        }
    }
    let stack = cx.cpu.descriptor(cx.cpu.segments.ss.selector).unwrap_or(Descriptor::FLAT_DATA);
    let narrow = !stack.is_32bit() && uses_stack(insn);
    let before = (cx.gpr[gpr::RSP], cx.gpr[gpr::RBP]);
    if narrow {
        cx.gpr[gpr::RSP] &= 0xffff;
        if insn.op == Op::Leave {
            cx.gpr[gpr::RBP] &= 0xffff;
        }
    }
    let done = match implicit(cx, insn, &plain) {
        Err(stop) => Err(stop),
        Ok(()) => {
            // One element of a repetition at a time.
            let single_step = core::mem::replace(&mut cx.single_step, true);
            // What the segment forbids comes before #AC.
            let done = match poisoned {
                Some(_) => cx.unaligned(|cx| (plain.run)(cx, &plain)),
                None => (plain.run)(cx, &plain),
            };
            cx.single_step = single_step;
            done
        }
    };
    if narrow {
        cx.gpr[gpr::RSP] = before.0 & !0xffff | cx.gpr[gpr::RSP] & 0xffff;
        if insn.op == Op::Leave {
            cx.gpr[gpr::RBP] = before.1 & !0xffff | cx.gpr[gpr::RBP] & 0xffff;
        }
    }
    if let Some((_, Some(address))) = &mut cx.x87_operand
        && *address >= POISON
    {
        *address = operand_at;
    }
    match (done, cx.exit, poisoned) {
        (Err(Stop::Fault), Exit::Fault(fault), Some(vector)) if fault.addr >= POISON => {
            Err(cx.fault(vector, 0))
        }
        _ => done,
    }
}

fn uses_stack(insn: &Insn) -> bool {
    insn.row.memory != Access::None && insn.implicit_writes().contains(RegSet::SP)
}

/// Checks the accesses that the instruction does not name against their segments.
fn implicit(cx: &mut Cx<'_>, insn: &Insn, plain: &Uop) -> Step {
    let Some(vector) = implicit_fault(cx, insn) else { return Ok(()) };
    if insn.op == Op::CallFar {
        far::check_far_call(cx, plain)?;
    }
    // Strings: the other operand, which is read first, may fault before.
    let width = u64::from(insn.width.bytes());
    let addr = u64::MAX >> (64 - insn.addr.bits());
    let first = match insn.op {
        Op::Movs => Some((insn.seg, cx.gpr[gpr::RSI] & addr)),
        Op::Cmps => Some((Seg::Es, cx.gpr[gpr::RDI] & addr)),
        _ => None,
    };
    if let Some((seg, offset)) = first
        && allows(cx, seg, offset, width, Access::Read)
    {
        let base = cx.gpr[usize::from(slot::SEGMENT) + seg as usize];
        cx.check_operand(offset.wrapping_add(base) & cx.mask, width, guest_mem::Access::Read)?;
    }
    Err(cx.fault(vector, 0))
}

/// What the first of them raises that its segment forbids.
fn implicit_fault(cx: &Cx<'_>, insn: &Insn) -> Option<Vector> {
    let width = u64::from(insn.width.bytes());
    let check = |seg: Seg, offset: u64, len: u64, access: Access| {
        (!allows(cx, seg, offset, len, access)).then(|| forbidden(seg))
    };
    if uses_stack(insn) {
        let stack = cx.cpu.descriptor(cx.cpu.segments.ss.selector)?;
        let mask = if stack.is_32bit() { 0xffff_ffff } else { 0xffff };
        let (sp, bp) = (cx.gpr[gpr::RSP] & mask, cx.gpr[gpr::RBP] & mask);
        let slots = match insn.op {
            Op::Pusha | Op::Popa => 8,
            Op::Retf | Op::CallFar => 2,
            Op::Iret => 3,
            _ => 1,
        };
        return match insn.op {
            Op::Leave => check(Seg::Ss, bp, width, Access::Read),
            _ if insn.row.memory.writes() => {
                let low = sp.wrapping_sub(slots * width) & mask;
                check(Seg::Ss, low, slots * width, Access::Write)
            }
            _ => check(Seg::Ss, sp, slots * width, Access::Read),
        };
    }
    let addr = u64::MAX >> (64 - insn.addr.bits());
    let (si, di) = (cx.gpr[gpr::RSI] & addr, cx.gpr[gpr::RDI] & addr);
    if insn.rep != Rep::None && cx.gpr[gpr::RCX] & addr == 0 {
        return None;
    }
    let source = |cx: &Cx<'_>| (!allows(cx, insn.seg, si, width, Access::Read)).then(|| forbidden(insn.seg));
    match insn.op {
        Op::Movs => source(cx).or_else(|| check(Seg::Es, di, width, Access::Write)),
        Op::Cmps => check(Seg::Es, di, width, Access::Read).or_else(|| source(cx)),
        Op::Lods => source(cx),
        Op::Stos => check(Seg::Es, di, width, Access::Write),
        Op::Scas => check(Seg::Es, di, width, Access::Read),
        Op::Xlat => {
            let offset = cx.gpr[gpr::RBX].wrapping_add(cx.gpr[gpr::RAX] & 0xff) & addr;
            check(insn.seg, offset, 1, Access::Read)
        }
        Op::Maskmovq | Op::Maskmovdqu | Op::Vmaskmovdqu => check(insn.seg, di, 1, Access::Write),
        _ => None,
    }
}

/// Whether the running code must go through [`step`].
pub(crate) fn applies(cx: &Cx<'_>) -> bool {
    cx.unusual.all && cx.cpu.mode == CodeMode::Bits32
}
