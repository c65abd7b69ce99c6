//! Signal frames of 32-bit programs (arch/x86/kernel/signal_32.c describes the layout).

use super::deliver::{frame_top, mask_to_save};
use super::fpstate;
use super::{Action, AltStack, SigSet, Signal};
use crate::file::Result;
use crate::task::{Arch, Task, Trap};
use linux_abi::Errno;
use linux_abi::sigframe::{
    RETCODE_I386, RT_RETCODE_I386, RtSigframeI386, SigcontextI386, SigframeI386, UcFlags, UcontextI386,
};
use linux_abi::siginfo::SigInfo;
use linux_abi::signal::{SaFlags, SigaltstackI386};
use std::mem::offset_of;
use x86_cpu::{CpuState, Segment, flags, gpr, selector};

fn context(cpu: &CpuState, fpstate: u32, mask: SigSet, trap: Trap) -> SigcontextI386 {
    let r = |i: usize| cpu.gpr[i] as u32;
    SigcontextI386 {
        gs: cpu.segments.gs.selector,
        fs: cpu.segments.fs.selector,
        es: cpu.segments.es.selector,
        ds: cpu.segments.ds.selector,
        edi: r(gpr::RDI),
        esi: r(gpr::RSI),
        ebp: r(gpr::RBP),
        esp: r(gpr::RSP),
        ebx: r(gpr::RBX),
        edx: r(gpr::RDX),
        ecx: r(gpr::RCX),
        eax: r(gpr::RAX),
        trapno: trap.number.into(),
        err: trap.error,
        eip: cpu.rip as u32,
        cs: cpu.segments.cs.selector,
        eflags: cpu.rflags,
        esp_at_signal: r(gpr::RSP),
        ss: cpu.segments.ss.selector,
        fpstate,
        oldmask: mask.0 as u32,
        cr2: trap.address as u32,
        ..SigcontextI386::default()
    }
}

/// Pushes the frame and points the thread at the handler.
pub(super) async fn push(task: &Task, signal: Signal, info: &SigInfo, action: &Action) -> Result<()> {
    let cpu = task.cpu.borrow().clone();
    let sp = cpu.gpr[gpr::RSP];
    let top = frame_top(task, action, sp)?;
    let cpuid = &task.kernel.cpuid;
    let fp = fpstate::save(&cpu, cpuid, Arch::I386, top);
    let wants_info = action.flags & SaFlags::SIGINFO.bits() != 0;
    let size = if wants_info { size_of::<RtSigframeI386>() } else { size_of::<SigframeI386>() } as u64;
    // The stack is aligned to 16 before the return address is pushed, as after a call.
    let frame_addr = (fp.addr.wrapping_sub(size + 4) & !15).wrapping_sub(4) & 0xffff_ffff;
    let alt = task.alt_stack.get();
    if alt.holds(sp) && !alt.holds(frame_addr) {
        // The alternate stack overflowed.
        return Err(Errno::EFAULT);
    }
    let mask = mask_to_save(task);
    let sc = context(&cpu, fp.addr as u32, mask, task.trap.get());
    let retcode_at =
        if wants_info { offset_of!(RtSigframeI386, retcode) } else { offset_of!(SigframeI386, retcode) };
    let has_restorer = action.flags & SaFlags::RESTORER.bits() != 0;
    let vdso_return = crate::exec::vdso::sigreturn_address(&task.mm(), wants_info);
    let pretcode =
        if has_restorer { action.restorer } else { vdso_return.unwrap_or(frame_addr + retcode_at as u64) }
            as u32;
    let mm = task.mm();
    mm.write(fp.addr, &fp.bytes).await?;
    let (info_addr, uc_addr) = if wants_info {
        let info_addr = frame_addr + offset_of!(RtSigframeI386, info) as u64;
        let uc_addr = frame_addr + offset_of!(RtSigframeI386, uc) as u64;
        let frame = RtSigframeI386 {
            pretcode,
            sig: signal.number() as i32,
            pinfo: info_addr as u32,
            puc: uc_addr as u32,
            info: info.to_i386(),
            uc: UcontextI386 {
                uc_flags: if cpuid.xcr0() != 0 { UcFlags::FP_XSTATE.bits() } else { 0 },
                uc_link: 0,
                uc_stack: SigaltstackI386 {
                    ss_sp: alt.base as u32,
                    ss_flags: if alt.size == 0 { AltStack::DISABLED.flags } else { alt.flags } as i32,
                    ss_size: alt.size as u32,
                },
                uc_mcontext: sc,
                uc_sigmask: mask.0,
            },
            retcode: RT_RETCODE_I386,
        };
        mm.write(frame_addr, bytemuck::bytes_of(&frame)).await?;
        (info_addr, uc_addr)
    } else {
        let frame = SigframeI386 {
            pretcode,
            sig: signal.number() as i32,
            sc,
            extramask: (mask.0 >> 32) as u32,
            retcode: RETCODE_I386,
            ..SigframeI386::default()
        };
        mm.write(frame_addr, bytemuck::bytes_of(&frame)).await?;
        (0, 0)
    };
    super::disarm_alt_stack(task);
    let mut cpu = task.cpu.borrow_mut();
    cpu.gpr[gpr::RSP] = frame_addr;
    cpu.rip = action.handler;
    cpu.gpr[gpr::RAX] = u64::from(signal.number());
    cpu.gpr[gpr::RDX] = info_addr;
    cpu.gpr[gpr::RCX] = uc_addr;
    cpu.rflags &= !(flags::DF | flags::RF | flags::TF);
    let data = x86_cpu::Segment { selector: selector::USER_DS, base: 0 };
    cpu.segments.ds = data;
    cpu.segments.es = data;
    cpu.segments.ss = data;
    cpu.enter_code(selector::USER32_CS);
    fpstate::clear(&mut cpu);
    Ok(())
}

async fn restore(task: &Task, sc: &SigcontextI386, mask: SigSet) -> Result<u64> {
    let fp = fpstate::read(task, Arch::I386, sc.fpstate.into()).await?;
    task.blocked.set(mask.without(SigSet::UNBLOCKABLE));
    let mut cpu = task.cpu.borrow_mut();
    let cpu = &mut *cpu;
    let values = [sc.eax, sc.ecx, sc.edx, sc.ebx, sc.esp, sc.ebp, sc.esi, sc.edi];
    cpu.gpr[..8].iter_mut().zip(values).for_each(|(register, value)| *register = u64::from(value));
    cpu.rip = u64::from(sc.eip);
    const KEEP: u32 = flags::OSZAPC | flags::TF | flags::DF | flags::AC | flags::RF;
    cpu.rflags = (cpu.rflags & !KEEP) | (sc.eflags & KEEP) | flags::FIXED;
    // A register that holds the selector already is left alone, and so is a base that no descriptor has (`reload_segments`
    // of arch/x86/kernel/signal_32.c).
    let reloaded = |cpu: &CpuState, now: Segment, value: u16| {
        let value = if value > 3 { value | 3 } else { value };
        if value == now.selector { now } else { cpu.segment(value) }
    };
    let now = cpu.segments;
    cpu.segments.gs = reloaded(cpu, now.gs, sc.gs);
    cpu.segments.fs = reloaded(cpu, now.fs, sc.fs);
    cpu.segments.es = reloaded(cpu, now.es, sc.es);
    cpu.segments.ds = reloaded(cpu, now.ds, sc.ds);
    cpu.segments.ss = cpu.segment(sc.ss | 3);
    cpu.enter_code(sc.cs);
    fpstate::restore(cpu, fp);
    Ok(cpu.gpr[gpr::RAX])
}

/// `sigreturn`: ESP points just past `pretcode` and `sig`, as `__kernel_sigreturn` leaves it.
pub async fn sigreturn(task: &Task) -> Result<u64> {
    let frame_addr = task.cpu.borrow().gpr[gpr::RSP].wrapping_sub(8) & 0xffff_ffff;
    let frame: SigframeI386 = task.get(frame_addr).await?;
    let sc = frame.sc;
    let mask = SigSet(u64::from(sc.oldmask) | u64::from(frame.extramask) << 32);
    restore(task, &sc, mask).await
}

/// `rt_sigreturn`: ESP points just past `pretcode`.
pub async fn rt_sigreturn(task: &Task) -> Result<u64> {
    let frame_addr = task.cpu.borrow().gpr[gpr::RSP].wrapping_sub(4) & 0xffff_ffff;
    let frame: RtSigframeI386 = task.get(frame_addr).await?;
    let uc = frame.uc;
    let stack = uc.uc_stack;
    let result = restore(task, &uc.uc_mcontext, SigSet(uc.uc_sigmask)).await?;
    super::restore_alt_stack(task, u64::from(stack.ss_sp), u64::from(stack.ss_size), stack.ss_flags as u32);
    Ok(result)
}
