//! Flags, system calls, traps, and the rest that has no family.

use crate::cx::{Cx, Step, Stop};
use crate::int::{HIGH_BYTE, Int};
use crate::uop::{Addr, Any, Handler, Uop, by_width};
use x86_cpu::{Exception, Exit, SyscallGate, Vector, flags as bit, gpr};
use x86_decode::{Insn, Op, Operand, Seg, Width};

fn stc(cx: &mut Cx<'_>, _: &Uop) -> Step {
    cx.flags.put_cf(true);
    Ok(())
}

fn clc(cx: &mut Cx<'_>, _: &Uop) -> Step {
    cx.flags.put_cf(false);
    Ok(())
}

fn cmc(cx: &mut Cx<'_>, _: &Uop) -> Step {
    cx.flags.put_cf(!cx.flags.cf());
    Ok(())
}

fn std(cx: &mut Cx<'_>, _: &Uop) -> Step {
    cx.cpu.rflags |= bit::DF;
    Ok(())
}

fn cld(cx: &mut Cx<'_>, _: &Uop) -> Step {
    cx.cpu.rflags &= !bit::DF;
    Ok(())
}

fn lahf(cx: &mut Cx<'_>, _: &Uop) -> Step {
    u8::set(cx, HIGH_BYTE, (cx.flags.bits() & 0xff | bit::FIXED).into());
    Ok(())
}

fn sahf(cx: &mut Cx<'_>, _: &Uop) -> Step {
    let low = u8::get(cx, HIGH_BYTE) as u32;
    let of = cx.flags.bits() & bit::OF;
    cx.flags.set_bits(low & 0xff | of);
    Ok(())
}

/// The undocumented `salc`: AL = CF ? FF : 0.
fn salc(cx: &mut Cx<'_>, _: &Uop) -> Step {
    u8::set(cx, 0, if cx.flags.cf() { 0xff } else { 0 });
    Ok(())
}

fn trap(cx: &mut Cx<'_>, exit: Exit) -> Step {
    cx.exit = exit;
    Err(Stop::Trap)
}

fn exception_after(cx: &mut Cx<'_>, vector: Vector) -> Step {
    trap(cx, Exit::Exception(Exception::new(vector)))
}

fn int(cx: &mut Cx<'_>, u: &Uop) -> Step {
    match u.imm as u8 {
        0x80 => trap(cx, Exit::Syscall(SyscallGate::Int80)),
        // Vectors 3 and 4 have DPL 3 on Linux.
        3 => exception_after(cx, Vector::Breakpoint),
        4 => exception_after(cx, Vector::Overflow),
        // The other gates have DPL 0: #GP with the IDT bit and the vector.
        vector => Err(cx.fault(Vector::GeneralProtection, u32::from(vector) << 3 | 2)),
    }
}

fn int1(cx: &mut Cx<'_>, _: &Uop) -> Step {
    exception_after(cx, Vector::Debug)
}

fn int3(cx: &mut Cx<'_>, _: &Uop) -> Step {
    exception_after(cx, Vector::Breakpoint)
}

fn into(cx: &mut Cx<'_>, _: &Uop) -> Step {
    if cx.flags.of() { exception_after(cx, Vector::Overflow) } else { Ok(()) }
}

fn syscall(cx: &mut Cx<'_>, u: &Uop) -> Step {
    if !cx.is_64() {
        return Err(cx.fault(Vector::InvalidOpcode, 0));
    }
    cx.gpr[gpr::RCX] = cx.next_ip(u);
    cx.gpr[gpr::R11] = cx.rflags().into();
    trap(cx, Exit::Syscall(SyscallGate::Syscall))
}

fn sysenter(cx: &mut Cx<'_>, _: &Uop) -> Step {
    if cx.is_64() {
        return Err(cx.fault(Vector::InvalidOpcode, 0));
    }
    trap(cx, Exit::Syscall(SyscallGate::Sysenter))
}

/// Not an instruction of this processor.
pub(crate) fn undefined(cx: &mut Cx<'_>, _: &Uop) -> Step {
    Err(cx.fault(Vector::InvalidOpcode, 0))
}

/// Privileged, or too long.
pub(crate) fn general_protection(cx: &mut Cx<'_>, _: &Uop) -> Step {
    Err(cx.fault(Vector::GeneralProtection, 0))
}

/// What a privileged instruction raises outside ring 0.
pub(crate) fn privileged(op: Op) -> Handler {
    match op {
        Op::Monitor | Op::Mwait | Op::Rsm => undefined,
        _ => general_protection,
    }
}

fn cpuid(cx: &mut Cx<'_>, _: &Uop) -> Step {
    let answer = cx.cpuid.query(u32::get(cx, 0) as u32, u32::get(cx, 1) as u32);
    for (reg, value) in [gpr::RAX, gpr::RBX, gpr::RCX, gpr::RDX].into_iter().zip(answer) {
        cx.gpr[reg] = value.into();
    }
    Ok(())
}

/// `imm` is the position in the block: the counter ticks with every instruction.
fn rdtsc(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let now = cx.cpu.tsc.wrapping_add(cx.retired).wrapping_add(u.imm);
    cx.gpr[gpr::RAX] = now & 0xffff_ffff;
    cx.gpr[gpr::RDX] = now >> 32;
    Ok(())
}

fn rdtscp(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.gpr[gpr::RCX] = 0;
    rdtsc(cx, u)
}

/// `rdpid`: processor 0 of node 0, as `rdtscp` says too.
fn rdpid(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.gpr[usize::from(u.dst & 15)] = 0;
    Ok(())
}

/// `rdrand`, `rdseed`: CF says whether there was something to give.
fn random<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = cx.entropy.next();
    T::set(cx, u.dst, T::trunc(value.unwrap_or(0)));
    cx.flags.set_bits(if value.is_some() { bit::CF } else { 0 });
    Ok(())
}

fn read_base<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let s = &cx.cpu.segments;
    let base = if u.aux == Seg::Fs as u8 { s.fs.base } else { s.gs.base };
    T::set(cx, u.dst, T::trunc(base));
    Ok(())
}

fn write_base<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let base = T::get(cx, u.dst);
    if base.wrapping_add(1 << 47) >> 48 != 0 {
        return Err(cx.fault(Vector::GeneralProtection, 0));
    }
    let s = &mut cx.cpu.segments;
    let segment = if u.aux == Seg::Fs as u8 { &mut s.fs } else { &mut s.gs };
    segment.base = base;
    cx.refresh_segments();
    Ok(())
}

fn cmpxchg8b(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let addr = Any::linear(cx, u);
    let old = cx.load_rw::<u64>(addr)?;
    let pair = |cx: &Cx<'_>, high: u8, low: u8| u32::get(cx, high) << 32 | u32::get(cx, low);
    let equal = pair(cx, 2, 0) == old;
    cx.store::<u64>(addr, if equal { pair(cx, 1, 3) } else { old })?;
    if !equal {
        cx.gpr[gpr::RAX] = old & 0xffff_ffff;
        cx.gpr[gpr::RDX] = old >> 32;
    }
    cx.flags.put_zf(equal);
    cx.stored()
}

fn cmpxchg16b(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let addr = Any::linear(cx, u);
    if addr & 15 != 0 {
        return Err(cx.fault(Vector::GeneralProtection, 0));
    }
    let old = match cx.mem.read::<u128>(addr) {
        Ok(old) => old,
        Err(fault) => {
            return Err(cx.mem_fault(guest_mem::MemFault { access: guest_mem::Access::Write, ..fault }));
        }
    };
    let pair = |high: u64, low: u64| u128::from(high) << 64 | u128::from(low);
    let equal = pair(cx.gpr[gpr::RDX], cx.gpr[gpr::RAX]) == old;
    let new = if equal { pair(cx.gpr[gpr::RCX], cx.gpr[gpr::RBX]) } else { old };
    cx.store::<u128>(addr, new)?;
    if !equal {
        cx.gpr[gpr::RAX] = old as u64;
        cx.gpr[gpr::RDX] = (old >> 64) as u64;
    }
    cx.flags.put_zf(equal);
    cx.stored()
}

/// `bound`: #BR where the index is outside the signed bounds in memory.
fn bound<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let addr = Any::linear(cx, u);
    let index = T::sext(T::get(cx, u.dst)) as i64;
    let low = T::sext(cx.load_int::<T>(addr)?) as i64;
    // The upper bound is not read where the lower one decides.
    if index < low || index > T::sext(cx.load_int::<T>(addr.wrapping_add(T::BYTES) & cx.mask)?) as i64 {
        return Err(cx.fault(Vector::BoundRange, 0));
    }
    Ok(())
}

/// `sldt`, `str`, `smsw`: what Linux shows where the processor has UMIP (arch/x86/kernel/umip.c).
fn store_system_word<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    T::set(cx, u.dst, u.imm);
    Ok(())
}

fn store_system_word_m(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.store::<u16>(Any::linear(cx, u), u.imm as u16)?;
    cx.stored()
}

/// `sgdt`, `sidt`: a limit of 0 and an address in the upper half, as Linux emulates them under UMIP.
fn store_table(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let addr = Any::linear(cx, u);
    let base = if u.aux == 0 { 0xffff_ffff_fffe_0000_u64 } else { 0xffff_ffff_ffff_0000 };
    let image = u128::from(base) << 16;
    cx.check(addr, if cx.is_64() { 10 } else { 6 }, guest_mem::Access::Write)?;
    cx.store::<u16>(addr, image as u16)?;
    if cx.is_64() {
        cx.store::<u64>(addr.wrapping_add(2), base)?;
    } else {
        cx.store::<u32>(addr.wrapping_add(2) & cx.mask, base as u32)?;
    }
    cx.stored()
}

pub(crate) fn lower(insn: &Insn, u: &mut Uop, position: u64) -> Option<Handler> {
    let first_is_memory = matches!(insn.operands[0], Operand::Mem(_));
    Some(match insn.op {
        Op::Stc => stc,
        Op::Clc => clc,
        Op::Cmc => cmc,
        Op::Std => std,
        Op::Cld => cld,
        Op::Lahf => lahf,
        Op::Sahf => sahf,
        Op::Salc => salc,
        Op::Int => int,
        Op::Int1 => int1,
        Op::Int3 => int3,
        Op::Into => into,
        Op::Syscall => syscall,
        Op::Sysenter => sysenter,
        Op::Cpuid => cpuid,
        Op::Rdtsc | Op::Rdtscp => {
            u.imm = position;
            if insn.op == Op::Rdtsc { rdtsc } else { rdtscp }
        }
        Op::Rdpid => rdpid,
        Op::Rdrand | Op::Rdseed => by_width!(insn.width, random),
        Op::Rdfsbase | Op::Rdgsbase | Op::Wrfsbase | Op::Wrgsbase => {
            u.aux = if matches!(insn.op, Op::Rdfsbase | Op::Wrfsbase) { Seg::Fs } else { Seg::Gs } as u8;
            if matches!(insn.op, Op::Rdfsbase | Op::Rdgsbase) {
                by_width!(insn.width, read_base)
            } else {
                by_width!(insn.width, write_base)
            }
        }
        Op::Cmpxchg8b => cmpxchg8b,
        Op::Cmpxchg16b => cmpxchg16b,
        Op::Bound if insn.width == Width::W16 => bound::<u16>,
        Op::Bound => bound::<u32>,
        Op::Sldt | Op::Str | Op::Smsw => {
            u.imm = match insn.op {
                Op::Smsw => 0x8005_0033,
                Op::Str => 0x40,
                _ => 0,
            };
            if first_is_memory { store_system_word_m } else { by_width!(insn.width, store_system_word) }
        }
        Op::Sgdt | Op::Sidt => {
            u.aux = u8::from(insn.op == Op::Sidt);
            store_table
        }
        Op::Ud0 | Op::Ud1 | Op::Ud2 => undefined,
        _ => return None,
    })
}
