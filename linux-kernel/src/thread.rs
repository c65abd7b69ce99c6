//! The life of a guest thread: run, handle the exit, take signals, repeat.

use crate::executor::yield_now;
use crate::lifecycle;
use crate::signal::Signal;
use crate::signal::deliver::{Interrupted, deliver};
use crate::signal::send::force;
use crate::sys;
use crate::task::{Arch, Task, Trap};
use guest_mem::{Access, FaultKind, MemFault};
use linux_abi::siginfo::SigInfo;
use linux_abi::signal::{
    BUS_ADRERR, FPE_FLTDIV, FPE_FLTINV, FPE_FLTOVF, FPE_FLTRES, FPE_FLTUND, FPE_INTDIV, FPE_INTOVF,
    ILL_ILLOPN, SEGV_ACCERR, SEGV_MAPERR, TRAP_BRKPT, TRAP_TRACE,
};
use std::rc::Rc;
use x86_cpu::{Exception, Exit, SyscallGate, Vector, flags, gpr};

/// The vector of page faults (SDM vol. 3 table 6-1).
const PAGE_FAULT: u8 = 14;

/// What a system call costs of a slice, in instructions: a thread that only makes calls must yield too.
const SYSCALL_COST: u64 = 500;

/// Runs a thread from its first instruction to its end.
pub(crate) async fn run(task: Rc<Task>) {
    let slice = task.kernel.config.slice;
    let mut left = slice;
    loop {
        if task.has_signal() || task.saved_mask.get().is_some() {
            deliver(&task, None).await;
        }
        if task.must_end() {
            break;
        }
        let outcome = task.kernel.run_cpu(&task, left.max(1));
        left = left.saturating_sub(outcome.retired);
        match outcome.exit {
            Exit::Budget => left = 0,
            Exit::Syscall(gate) => {
                left = left.saturating_sub(SYSCALL_COST);
                system_call(&task, gate).await;
            }
            Exit::Fault(fault) => page_fault(&task, fault).await,
            Exit::Exception(exception) => raise(&task, exception),
        }
        if left == 0 {
            left = slice;
            yield_now().await;
        }
    }
    lifecycle::exit_thread(&task).await;
}

async fn system_call(task: &Rc<Task>, gate: SyscallGate) {
    let (arch, number, args) = {
        let cpu = task.cpu.borrow();
        let r = &cpu.gpr;
        match gate {
            SyscallGate::Syscall => {
                let args = [r[gpr::RDI], r[gpr::RSI], r[gpr::RDX], r[gpr::R10], r[gpr::R8], r[gpr::R9]];
                (Arch::X86_64, r[gpr::RAX] as u32, args)
            }
            SyscallGate::Int80 | SyscallGate::Sysenter => {
                let registers = [gpr::RBX, gpr::RCX, gpr::RDX, gpr::RSI, gpr::RDI, gpr::RBP];
                (Arch::I386, r[gpr::RAX] as u32, registers.map(|i| r[i] & 0xffff_ffff))
            }
        }
    };
    let kernel = &task.kernel;
    kernel.syscalls.set(kernel.syscalls.get() + 1);
    task.in_syscall.set(Some((arch, number)));
    let args = sys::Args(args);
    if kernel.tracer.enabled() {
        kernel.tracer.enter(task, arch, number, &args).await;
    }
    let result = sys::dispatch(task, arch, number, &args).await;
    if kernel.tracer.enabled() {
        kernel.tracer.exit(task, arch, number, &args, &result).await;
    }
    task.in_syscall.set(None);
    match result {
        Err(errno) if errno.is_restart() => deliver(task, Some(Interrupted { errno, arch, number })).await,
        // `sigreturn` and a successful `execve` have set every register themselves.
        Ok(value) if sys::sets_registers(arch, number) => _ = value,
        result => task.set_result(result),
    }
}

async fn page_fault(task: &Rc<Task>, fault: MemFault) {
    let major = fault.kind == FaultKind::NotResident;
    let mut usage = task.usage.get();
    if major {
        usage.major_faults += 1;
        task.kernel.faults.update(|(minor, major)| (minor, major + 1));
    } else {
        usage.minor_faults += 1;
        task.kernel.faults.update(|(minor, major)| (minor + 1, major));
    }
    task.usage.set(usage);
    // Not interruptible: the instruction starts again whatever comes, as on real hardware.
    let Err(fault) = task.mm().load_missing(fault).await else { return };
    let (signal, code) = match fault.kind {
        FaultKind::NotMapped | FaultKind::NotResident => (Signal::SEGV, SEGV_MAPERR),
        FaultKind::Permission => (Signal::SEGV, SEGV_ACCERR),
        FaultKind::BeyondEnd => (Signal::BUS, BUS_ADRERR),
        FaultKind::OutOfMemory => {
            task.kernel.log(&format!(
                "out of memory: killed {} [{}]; give the machine more memory pages",
                String::from_utf8_lossy(&task.comm.borrow()),
                task.tid
            ));
            (Signal::KILL, 0)
        }
    };
    if signal == Signal::KILL {
        crate::signal::send::to_process(&task.process, signal, crate::signal::send::Origin::Kernel);
        return;
    }
    task.trap.set(Trap { number: PAGE_FAULT, error: error_code(task, &fault), address: fault.addr });
    force(task, signal, SigInfo::fault(signal.number(), code, fault.addr));
}

/// What the processor says of a page fault (SDM vol. 3 §4.7).
fn error_code(task: &Task, fault: &MemFault) -> u32 {
    const PRESENT: u32 = 1;
    const WRITE: u32 = 2;
    const USER: u32 = 4;
    const FETCH: u32 = 16;
    let readable = task.mm().space.read::<u8>(fault.addr).is_ok();
    let present = fault.kind == FaultKind::Permission && readable;
    let access = match fault.access {
        Access::Read => 0,
        Access::Write => WRITE,
        Access::Execute => FETCH,
    };
    USER | access | if present { PRESENT } else { 0 }
}

/// Turns an exception into the signal that Linux gives (arch/x86/kernel/traps.c).
fn raise(task: &Rc<Task>, exception: Exception) {
    let (rip, fpu_status, fpu_control, mxcsr, stepping) = {
        let cpu = task.cpu.borrow();
        (cpu.rip, cpu.fpu.status, cpu.fpu.control, cpu.mxcsr, cpu.rflags & flags::TF != 0)
    };
    let (signal, info) = match exception.vector {
        Vector::DivideError => (Signal::FPE, SigInfo::fault(8, FPE_INTDIV, rip)),
        // `int1` leaves nothing in DR6.
        Vector::Debug if !stepping => (Signal::TRAP, SigInfo::fault(5, TRAP_BRKPT, rip)),
        Vector::Debug => (Signal::TRAP, SigInfo::fault(5, TRAP_TRACE, rip)),
        Vector::Breakpoint => (Signal::TRAP, SigInfo::kernel(5)),
        Vector::InvalidOpcode => {
            log_invalid_opcode(task, rip);
            (Signal::ILL, SigInfo::fault(4, ILL_ILLOPN, rip))
        }
        Vector::X87FloatingPoint => {
            let raised = u32::from(fpu_status & !fpu_control & 0x3f);
            (Signal::FPE, SigInfo::fault(8, float_code(raised), rip))
        }
        Vector::SimdFloatingPoint => {
            let raised = mxcsr & !(mxcsr >> 7) & 0x3f;
            (Signal::FPE, SigInfo::fault(8, float_code(raised), rip))
        }
        Vector::AlignmentCheck => (Signal::BUS, SigInfo::fault(7, linux_abi::signal::BUS_ADRALN, 0)),
        Vector::Overflow => (Signal::SEGV, SigInfo::kernel(11)),
        Vector::StackFault | Vector::SegmentNotPresent => (Signal::BUS, SigInfo::kernel(7)),
        Vector::BoundRange | Vector::DeviceNotAvailable | Vector::GeneralProtection => {
            (Signal::SEGV, SigInfo::kernel(11))
        }
    };
    let Exception { vector, error_code } = exception;
    task.trap.set(Trap { number: vector as u8, error: error_code, ..task.trap.get() });
    force(task, signal, info);
}

/// `si_code` for the unmasked exception bits, in the kernel's order of preference (`fpu__exception_code`).
fn float_code(raised: u32) -> i32 {
    match raised {
        r if r & 0x01 != 0 => FPE_FLTINV,
        r if r & 0x04 != 0 => FPE_FLTDIV,
        r if r & 0x08 != 0 => FPE_FLTOVF,
        r if r & 0x12 != 0 => FPE_FLTUND,
        r if r & 0x20 != 0 => FPE_FLTRES,
        _ => FPE_INTOVF,
    }
}

fn log_invalid_opcode(task: &Task, rip: u64) {
    let mut bytes = [0; 15];
    let got = task.mm().space.fetch(rip, &mut bytes).unwrap_or(0);
    let hex: Vec<String> = bytes[..got].iter().map(|byte| format!("{byte:02x}")).collect();
    let name = task.comm.borrow();
    task.kernel.log(&format!(
        "{}[{}]: invalid or unknown instruction at {rip:#x}: {}",
        String::from_utf8_lossy(&name),
        task.tid,
        hex.join(" ")
    ));
}
