//! Control and status words, and saving and restoring the whole state (SDM vol. 1 §8.1.10, §10.5; figures 8-9 to 8-12).

use super::unit::{pop, summarise};
use super::value::{Class, Operand};
use crate::cx::{Cx, Step, Stop};
use crate::int::Int;
use crate::uop::{Addr, Any, Handler, Uop};
use guest_mem::Access;
use x86_cpu::{F80, Fpu, Vector, mxcsr};
use x86_decode::{Insn, Op, Operand as Arg, Width};

fn fninit(cx: &mut Cx<'_>, _: &Uop) -> Step {
    initialise(&mut cx.cpu.fpu);
    Ok(())
}

/// FNINIT leaves the registers' contents.
pub(super) fn initialise(fpu: &mut Fpu) {
    *fpu = Fpu { registers: fpu.registers, ..Fpu::default() };
}

fn fnclex(cx: &mut Cx<'_>, _: &Uop) -> Step {
    cx.settle_x87();
    cx.cpu.fpu.status &= 0x7f00;
    Ok(())
}

fn fnstcw(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.store::<u16>(Any::linear(cx, u), cx.cpu.fpu.control)?;
    cx.stored()
}

/// Reserved bits of the control word: bit 6 reads as 1.
pub(super) fn set_control(fpu: &mut Fpu, value: u16) {
    fpu.control = value & 0x1f3f | 0x40;
    summarise(fpu);
}

fn fldcw(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.check_fpu()?;
    let value = cx.load::<u16>(Any::linear(cx, u))?;
    cx.x87_operand = None;
    set_control(&mut cx.cpu.fpu, value);
    Ok(())
}

fn fnstsw_ax(cx: &mut Cx<'_>, _: &Uop) -> Step {
    u16::set(cx, 0, cx.cpu.fpu.status.into());
    Ok(())
}

fn fnstsw_mem(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.store::<u16>(Any::linear(cx, u), cx.cpu.fpu.status)?;
    cx.stored()
}

fn wait(cx: &mut Cx<'_>, _: &Uop) -> Step {
    cx.check_fpu()
}

fn fnop(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.begin_x87(u)
}

fn nothing(_: &mut Cx<'_>, _: &Uop) -> Step {
    Ok(())
}

fn ffree(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.begin_x87(u)?;
    let n = super::unit::physical(&cx.cpu.fpu, u.dst & 7);
    cx.cpu.fpu.in_use &= !(1 << n);
    cx.cpu.fpu.status &= !super::unit::C1;
    Ok(())
}

fn ffreep(cx: &mut Cx<'_>, u: &Uop) -> Step {
    ffree(cx, u)?;
    pop(&mut cx.cpu.fpu);
    Ok(())
}

fn turn(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.begin_x87(u)?;
    let fpu = &mut cx.cpu.fpu;
    let top = fpu.top();
    fpu.set_top(top.wrapping_add(u.imm as usize));
    fpu.status &= !super::unit::C1;
    Ok(())
}

/// The tag word with two bits a register.
fn full_tags(fpu: &Fpu) -> u16 {
    let tag = |n: usize| {
        if fpu.in_use >> n & 1 == 0 {
            return 3;
        }
        let operand = Operand::of(fpu.registers[n]);
        match operand.class {
            Class::Zero => 1,
            Class::Finite(_) if !operand.denormal => 0,
            _ => 2,
        }
    };
    (0..8).map(|n| tag(n) << (2 * n)).sum()
}

fn set_tags(fpu: &mut Fpu, tags: u16) {
    fpu.in_use = (0..8).filter(|n| tags >> (2 * n) & 3 != 3).map(|n| 1 << n).sum();
}

/// Bytes of the environment in the format of the operand size.
fn environment_size(u: &Uop) -> u64 {
    if u.aux & WORD != 0 { 14 } else { 28 }
}

const WORD: u8 = 1;

fn environment_fields(fpu: &Fpu) -> [u32; 7] {
    let opcode = u32::from(fpu.last_opcode & 0x7ff);
    [
        fpu.control.into(),
        fpu.status.into(),
        full_tags(fpu).into(),
        fpu.last_ip as u32,
        u32::from(fpu.last_cs) | opcode << 16,
        fpu.last_dp as u32,
        fpu.last_ds.into(),
    ]
}

/// Only the environment of an image is checked for alignment, to the size of its fields.
fn check_environment(cx: &mut Cx<'_>, u: &Uop, addr: u64) -> Step {
    cx.check_alignment(addr, if u.aux & WORD != 0 { 2 } else { 4 })
}

fn store_environment(cx: &mut Cx<'_>, u: &Uop, addr: u64) -> Step {
    cx.settle_x87();
    let fields = environment_fields(&cx.cpu.fpu);
    for (i, field) in fields.into_iter().enumerate() {
        if u.aux & WORD != 0 {
            cx.store::<u16>(addr.wrapping_add(2 * i as u64) & cx.mask, field as u16)?;
        } else {
            // Upper halves of the word-sized fields read as ones; that of CS holds the opcode.
            let ones = if matches!(i, 0 | 1 | 2 | 6) { 0xffff_0000 } else { 0 };
            cx.store::<u32>(addr.wrapping_add(4 * i as u64) & cx.mask, field | ones)?;
        }
    }
    Ok(())
}

fn load_environment(cx: &mut Cx<'_>, u: &Uop, addr: u64) -> Result<[u32; 7], Stop> {
    let mut fields = [0; 7];
    for (i, field) in fields.iter_mut().enumerate() {
        *field = if u.aux & WORD != 0 {
            cx.load::<u16>(addr.wrapping_add(2 * i as u64) & cx.mask)?.into()
        } else {
            cx.load::<u32>(addr.wrapping_add(4 * i as u64) & cx.mask)?
        };
    }
    Ok(fields)
}

/// Selectors are not kept: CPUID says so (leaf 7, EBX bit 13).
fn set_environment(fpu: &mut Fpu, fields: [u32; 7]) {
    fpu.status = fields[1] as u16;
    set_tags(fpu, fields[2] as u16);
    fpu.last_ip = fields[3].into();
    fpu.last_opcode = (fields[4] >> 16) as u16 & 0x7ff;
    fpu.last_dp = fields[5].into();
    set_control(fpu, fields[0] as u16);
}

fn fnstenv(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let addr = Any::linear(cx, u);
    check_environment(cx, u, addr)?;
    cx.check(addr, environment_size(u), Access::Write)?;
    store_environment(cx, u, addr)?;
    cx.cpu.fpu.control |= 0x3f;
    summarise(&mut cx.cpu.fpu);
    cx.stored()
}

fn fldenv(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.check_fpu()?;
    let addr = Any::linear(cx, u);
    let fields = load_environment(cx, u, addr)?;
    cx.x87_operand = None;
    set_environment(&mut cx.cpu.fpu, fields);
    Ok(())
}

fn fnsave(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let addr = Any::linear(cx, u);
    let size = environment_size(u);
    check_environment(cx, u, addr)?;
    cx.check(addr, size + 80, Access::Write)?;
    store_environment(cx, u, addr)?;
    cx.unaligned(|cx| store_registers(cx, addr.wrapping_add(size)))?;
    initialise(&mut cx.cpu.fpu);
    cx.stored()
}

/// ST(0) to ST(7), ten bytes each.
fn store_registers(cx: &mut Cx<'_>, addr: u64) -> Step {
    for i in 0..8 {
        let value = cx.cpu.fpu.registers[super::unit::physical(&cx.cpu.fpu, i)];
        let at = addr.wrapping_add(10 * u64::from(i));
        cx.store::<u64>(at & cx.mask, value.mantissa)?;
        cx.store::<u16>(at.wrapping_add(8) & cx.mask, value.sign_exponent)?;
    }
    Ok(())
}

fn load_registers(cx: &mut Cx<'_>, addr: u64) -> Result<[F80; 8], Stop> {
    let mut values = [F80::default(); 8];
    for (i, value) in values.iter_mut().enumerate() {
        let at = addr.wrapping_add(10 * i as u64);
        let mantissa = cx.load::<u64>(at & cx.mask)?;
        *value = F80 { mantissa, sign_exponent: cx.load::<u16>(at.wrapping_add(8) & cx.mask)? };
    }
    Ok(values)
}

fn frstor(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.check_fpu()?;
    let addr = Any::linear(cx, u);
    let fields = load_environment(cx, u, addr)?;
    cx.x87_operand = None;
    let values = cx.unaligned(|cx| load_registers(cx, addr.wrapping_add(environment_size(u))))?;
    let fpu = &mut cx.cpu.fpu;
    set_environment(fpu, fields);
    for (i, value) in values.into_iter().enumerate() {
        let n = super::unit::physical(fpu, i as u8);
        fpu.registers[n] = value;
    }
    Ok(())
}

fn ldmxcsr(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = cx.load::<u32>(Any::linear(cx, u))?;
    if value & !mxcsr::MASK != 0 {
        return Err(cx.fault(Vector::GeneralProtection, 0));
    }
    cx.cpu.mxcsr = value;
    Ok(())
}

fn stmxcsr(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.store::<u32>(Any::linear(cx, u), cx.cpu.mxcsr)?;
    cx.stored()
}

pub(crate) fn lower(insn: &Insn, u: &mut Uop) -> Option<Handler> {
    let handler: Handler = match insn.op {
        Op::Fninit => fninit,
        Op::Fnclex => fnclex,
        Op::Fnstcw => fnstcw,
        Op::Fldcw => fldcw,
        Op::Fnstsw if matches!(insn.operands[0], Arg::Mem(_)) => fnstsw_mem,
        Op::Fnstsw => fnstsw_ax,
        // The 8087's and 287's FENI, FDISI and FSETPM do nothing and wait for nothing.
        Op::Fnop if insn.row.opcode == 0xdb => nothing,
        Op::Fwait => wait,
        Op::Fnop => fnop,
        Op::Ffree => ffree,
        Op::Ffreep => ffreep,
        Op::Fincstp => {
            u.imm = 1;
            turn
        }
        Op::Fdecstp => {
            u.imm = 7;
            turn
        }
        Op::Fnstenv => fnstenv,
        Op::Fldenv => fldenv,
        Op::Fnsave => fnsave,
        Op::Frstor => frstor,
        Op::Ldmxcsr | Op::Vldmxcsr => ldmxcsr,
        Op::Stmxcsr | Op::Vstmxcsr => stmxcsr,
        _ => return None,
    };
    let word = insn.width == Width::W16;
    u.aux = if word { WORD } else { 0 };
    Some(handler)
}
