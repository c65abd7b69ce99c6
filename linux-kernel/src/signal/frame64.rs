//! Signal frames of 64-bit programs (arch/x86/kernel/signal_64.c describes the layout).

use super::deliver::{frame_top, mask_to_save};
use super::fpstate;
use super::{Action, AltStack, SigSet, Signal};
use crate::file::Result;
use crate::task::{Arch, Task};
use linux_abi::Errno;
use linux_abi::sigframe::{RED_ZONE_X86_64, RtSigframeX86_64, SigcontextX86_64, UcFlags, UcontextX86_64};
use linux_abi::siginfo::SigInfo;
use linux_abi::signal::{SaFlags, SigaltstackX86_64};
use std::mem::offset_of;
use x86_cpu::{flags, gpr};

/// Register numbers in the order of `sigcontext`: R8–R15, RDI, RSI, RBP, RBX, RDX, RAX, RCX, RSP.
const ORDER: [usize; 16] = [8, 9, 10, 11, 12, 13, 14, 15, 7, 6, 5, 3, 2, 0, 1, 4];

/// Pushes the frame and points the thread at the handler.
pub(super) async fn push(task: &Task, signal: Signal, info: &SigInfo, action: &Action) -> Result<()> {
    if action.flags & SaFlags::RESTORER.bits() == 0 {
        // x86-64 has no other way back.
        return Err(Errno::EFAULT);
    }
    let cpu = task.cpu.borrow().clone();
    let sp = cpu.gpr[gpr::RSP];
    let top = frame_top(task, action, sp)?;
    let top = if top == sp { sp.wrapping_sub(RED_ZONE_X86_64) } else { top };
    let cpuid = &task.kernel.cpuid;
    let fp = fpstate::save(&cpu, cpuid, Arch::X86_64, top);
    let frame_addr = (fp.addr.wrapping_sub(size_of::<RtSigframeX86_64>() as u64) & !15).wrapping_sub(8);
    let alt = task.alt_stack.get();
    if alt.holds(sp) && !alt.holds(frame_addr) {
        return Err(Errno::EFAULT);
    }
    let mask = mask_to_save(task);
    let r: [u64; 16] = ORDER.map(|i| cpu.gpr[i]);
    let trap = task.trap.get();
    let with_xstate = if cpuid.xcr0() != 0 { UcFlags::FP_XSTATE } else { UcFlags::empty() };
    let sc = SigcontextX86_64 {
        r8: r[0],
        r9: r[1],
        r10: r[2],
        r11: r[3],
        r12: r[4],
        r13: r[5],
        r14: r[6],
        r15: r[7],
        rdi: r[8],
        rsi: r[9],
        rbp: r[10],
        rbx: r[11],
        rdx: r[12],
        rax: r[13],
        rcx: r[14],
        rsp: r[15],
        rip: cpu.rip,
        eflags: u64::from(cpu.rflags),
        cs: cpu.segments.cs.selector,
        ss: cpu.segments.ss.selector,
        err: trap.error.into(),
        trapno: trap.number.into(),
        oldmask: mask.0,
        cr2: trap.address,
        fpstate: fp.addr,
        ..SigcontextX86_64::default()
    };
    let frame = RtSigframeX86_64 {
        pretcode: action.restorer,
        uc: UcontextX86_64 {
            uc_flags: (with_xstate | UcFlags::SIGCONTEXT_SS | UcFlags::STRICT_RESTORE_SS).bits().into(),
            uc_link: 0,
            uc_stack: SigaltstackX86_64 {
                ss_sp: alt.base,
                ss_flags: if alt.size == 0 { AltStack::DISABLED.flags } else { alt.flags } as i32,
                _pad0: 0,
                ss_size: alt.size,
            },
            uc_mcontext: sc,
            uc_sigmask: mask.0,
        },
        info: info.to_x86_64(),
    };
    let mm = task.mm();
    mm.write(fp.addr, &fp.bytes).await?;
    mm.write(frame_addr, bytemuck::bytes_of(&frame)).await?;
    super::disarm_alt_stack(task);
    let mut cpu = task.cpu.borrow_mut();
    cpu.gpr[gpr::RSP] = frame_addr;
    cpu.rip = action.handler;
    cpu.gpr[gpr::RAX] = 0;
    cpu.gpr[gpr::RDI] = u64::from(signal.number());
    cpu.gpr[gpr::RSI] = frame_addr + offset_of!(RtSigframeX86_64, info) as u64;
    cpu.gpr[gpr::RDX] = frame_addr + offset_of!(RtSigframeX86_64, uc) as u64;
    cpu.rflags &= !(flags::DF | flags::RF | flags::TF);
    cpu.enter_code(x86_cpu::selector::USER_CS);
    cpu.segments.ss = x86_cpu::Segment { selector: x86_cpu::selector::USER_DS, base: 0 };
    fpstate::clear(&mut cpu);
    Ok(())
}

/// `rt_sigreturn`: RSP points just past `pretcode`.
pub async fn rt_sigreturn(task: &Task) -> Result<u64> {
    let frame_addr = task.cpu.borrow().gpr[gpr::RSP].wrapping_sub(8);
    let frame: RtSigframeX86_64 = task.get(frame_addr).await?;
    let sc = frame.uc.uc_mcontext;
    let fp = fpstate::read(task, Arch::X86_64, sc.fpstate).await?;
    task.blocked.set(SigSet(frame.uc.uc_sigmask).without(SigSet::UNBLOCKABLE));
    let stack = frame.uc.uc_stack;
    super::restore_alt_stack(task, stack.ss_sp, stack.ss_size, stack.ss_flags as u32);
    let mut cpu = task.cpu.borrow_mut();
    let values = [
        sc.r8, sc.r9, sc.r10, sc.r11, sc.r12, sc.r13, sc.r14, sc.r15, sc.rdi, sc.rsi, sc.rbp, sc.rbx, sc.rdx,
        sc.rax, sc.rcx, sc.rsp,
    ];
    ORDER.iter().zip(values).for_each(|(i, value)| cpu.gpr[*i] = value);
    cpu.rip = sc.rip;
    const KEEP: u32 = flags::OSZAPC | flags::TF | flags::DF | flags::AC | flags::RF;
    cpu.rflags = (cpu.rflags & !KEEP) | (sc.eflags as u32 & KEEP) | flags::FIXED;
    let (cs, ss) = (sc.cs, sc.ss);
    cpu.enter_code(cs);
    cpu.segments.ss = cpu.segment(ss | 3);
    fpstate::restore(&mut cpu, fp);
    Ok(cpu.gpr[gpr::RAX])
}
