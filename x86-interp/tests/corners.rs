//! Corners that random sequences on the real processor found: what faults, where, and what it leaves behind.

use guest_mem::{AddressSpace, FramePool, Prot, Vma};
use x86_cpu::CodeMode::{Bits32, Bits64};
use x86_cpu::{CodeMode, CpuState, Exception, ExecEngine, Exit, SyscallGate, Vector, flags, gpr, selector};
use x86_interp::Interp;

const CODE: u64 = 0x1_0000;
const DATA: u64 = 0x2_0000;
const STACK: u64 = 0x3_0800;
/// Not canonical.
const WILD: u64 = 0x1234_5678_9abc_def0;
const INT80: Exit = Exit::Syscall(SyscallGate::Int80);

const fn raised(vector: Vector) -> Exit {
    Exit::Exception(Exception::new(vector))
}

/// Runs code with RAX = DATA and RBX wild; gives how it ended.
fn run(mode: CodeMode, code: &[u8], prepare: impl FnOnce(&mut CpuState)) -> (Exit, CpuState, AddressSpace) {
    let mem = AddressSpace::new(&FramePool::new(100));
    let prot = Prot::READ | Prot::WRITE | Prot::EXEC;
    for start in [CODE, DATA, STACK & !0xfff] {
        let vma = Vma::anonymous(start, start + 0x1000, prot);
        mem.map(vma).expect("maps");
    }
    mem.fill(STACK & !0xfff, 0x1000, 0xee).expect("writable");
    mem.write_bytes(CODE, &[code, &[0xcd, 0x80]].concat()).expect("writable");
    let mut cpu = CpuState::new(mode);
    (cpu.rip, cpu.gpr[gpr::RSP], cpu.gpr[gpr::RAX], cpu.gpr[gpr::RBX]) = (CODE, STACK, DATA, WILD);
    prepare(&mut cpu);
    let exit = Interp::new().run(&mut cpu, &mem, 1000).exit;
    (exit, cpu, mem)
}

#[test]
fn a_wild_target_faults_before_the_transfer() {
    let rows: [(&[u8], &str); 4] = [
        (&[0xff, 0xe3], "jmp rbx"),
        (&[0xff, 0xd3], "call rbx"),
        (&[0xff, 0x10], "call [rax]"),
        (&[0xc2, 8, 0], "ret 8"),
    ];
    for (code, what) in rows {
        let (exit, cpu, mem) = run(Bits64, code, |_| {});
        // Data is zero, the stack is not canonical.
        if what == "call [rax]" {
            assert_eq!((cpu.rip, cpu.gpr[gpr::RSP]), (0, STACK - 8), "{what}");
            continue;
        }
        assert_eq!(exit, raised(Vector::GeneralProtection), "{what}");
        assert_eq!((cpu.rip, cpu.gpr[gpr::RSP]), (CODE, STACK), "{what}");
        // A call has written its return address all the same.
        let written = mem.read::<u64>(STACK - 8) == Ok(CODE + 2);
        assert_eq!(written, what == "call rbx");
    }
}

#[test]
fn wild_stack_addresses_are_stack_faults() {
    let rows: [(&[u8], Vector, &str); 8] = [
        (&[0x48, 0x89, 0xdc, 0x50], Vector::StackFault, "push rax"),
        (&[0x48, 0x89, 0xdc, 0xff, 0x30], Vector::StackFault, "push [rax]"),
        (&[0x48, 0x89, 0xdd, 0xc9], Vector::StackFault, "leave"),
        (&[0x48, 0x89, 0xdd, 0x8b, 0x45, 0], Vector::StackFault, "mov eax, [rbp]"),
        (&[0x48, 0x89, 0xdc, 0x0f, 0xae, 0x4c, 0x24, 1], Vector::StackFault, "fxrstor [rsp+1]"),
        (&[0xff, 0x33], Vector::GeneralProtection, "push [rbx]"),
        (&[0x8b, 0x03], Vector::GeneralProtection, "mov eax, [rbx]"),
        (&[0x48, 0x89, 0xdf, 0xaa], Vector::GeneralProtection, "stosb"),
    ];
    for (code, vector, what) in rows {
        assert_eq!(run(Bits64, code, |_| {}).0, raised(vector), "{what}");
    }
}

#[test]
fn a_segment_register_fills_its_slot_in_64_bit_code() {
    // push fs
    let (exit, _, mem) = run(Bits64, &[0x0f, 0xa0], |_| {});
    assert_eq!((exit, mem.read::<u64>(STACK - 8)), (INT80, Ok(0)));
    let (exit, _, mem) = run(Bits32, &[0x0f, 0xa0], |_| {});
    assert_eq!((exit, mem.read::<u32>(STACK - 4)), (INT80, Ok(0xeeee_0000)));
}

#[test]
fn repetitions_with_short_addresses_clear_upper_halves() {
    const JUNK: u64 = 0x55 << 32;
    let rows: [(&[u8], [u64; 3]); 4] = [
        (&[0xf3, 0x67, 0xa4], [0, 0, 0]),
        (&[0xf3, 0x67, 0xaa], [0, JUNK, 0]),
        (&[0xf3, 0x67, 0xac], [0, JUNK, JUNK]),
        (&[0xf3, 0x67, 0xa6], [0, JUNK, JUNK]),
    ];
    for (code, [rcx, rsi, rdi]) in rows {
        let (exit, cpu, _) = run(Bits64, code, |cpu| {
            (cpu.gpr[gpr::RCX], cpu.gpr[gpr::RSI], cpu.gpr[gpr::RDI]) = (JUNK, JUNK, JUNK);
        });
        assert_eq!(exit, INT80);
        assert_eq!((cpu.gpr[gpr::RCX], cpu.gpr[gpr::RSI], cpu.gpr[gpr::RDI]), (rcx, rsi, rdi), "{code:02x?}");
    }
}

#[test]
fn nobody_writes_through_cs_outside_of_64_bit_code() {
    // mov cs:[eax], ecx
    let code = [0x2e, 0x89, 0x08];
    assert_eq!(run(Bits32, &code, |_| {}).0, raised(Vector::GeneralProtection));
    assert_eq!(run(Bits64, &code, |_| {}).0, INT80);
    assert_eq!(run(Bits32, &[0x2e, 0x8b, 0x08], |_| {}).0, INT80);
}

#[test]
fn what_pusha_wrote_before_it_faulted_is_there() {
    let (exit, cpu, mem) = run(Bits32, &[0x60], |cpu| cpu.gpr[gpr::RSP] = (STACK & !0xfff) + 8);
    assert!(matches!(exit, Exit::Fault(_)));
    assert_eq!((cpu.rip, cpu.gpr[gpr::RSP]), (CODE, (STACK & !0xfff) + 8));
    assert_eq!(mem.read::<u32>((STACK & !0xfff) + 4), Ok(DATA as u32));
}

#[test]
fn freeing_a_register_clears_c1() {
    for code in [[0xdd, 0xc0], [0xdf, 0xc0]] {
        let (exit, cpu, _) = run(Bits32, &code, |cpu| cpu.fpu.status = 0x0200);
        assert_eq!((exit, cpu.fpu.status & 0x0200), (INT80, 0));
    }
}

#[test]
fn a_load_of_ss_puts_a_single_step_off() {
    // mov ss, ecx; nop; nop
    let (exit, cpu, _) = run(Bits32, &[0x8e, 0xd1, 0x90, 0x90], |cpu| {
        cpu.rflags |= flags::TF;
        cpu.gpr[gpr::RCX] = selector::USER_DS.into();
    });
    assert_eq!((exit, cpu.rip), (raised(Vector::Debug), CODE + 3));
}

#[test]
fn a_far_call_has_written_its_return_address_before_a_wild_target() {
    // rex.w call far [rax]
    let (exit, cpu, mem) = run(Bits64, &[0x48, 0xff, 0x18], |_| {});
    assert_eq!((exit, cpu.rip), (raised(Vector::GeneralProtection), CODE), "a null selector");
    assert_eq!(mem.read::<u64>(STACK - 16), Ok(0xeeee_eeee_eeee_eeee));
    // mov dword ptr [rax+8], 0x33; mov [rax], rbx; rex.w call far [rax]
    let code = [0xc7, 0x40, 8, 0x33, 0, 0, 0, 0x48, 0x89, 0x18, 0x48, 0xff, 0x18];
    let (exit, cpu, mem) = run(Bits64, &code, |_| {});
    assert_eq!((exit, cpu.rip), (raised(Vector::GeneralProtection), CODE + 10));
    assert_eq!((mem.read::<u64>(STACK - 16), mem.read::<u64>(STACK - 8)), (Ok(CODE + 13), Ok(0x33)));
    assert_eq!(cpu.gpr[gpr::RSP], STACK);

    // Where the slot of the address is not there, that of the selector is written.
    let (exit, _, mem) = run(Bits64, &code, |cpu| cpu.gpr[gpr::RSP] = (STACK & !0xfff) + 8);
    assert!(matches!(exit, Exit::Fault(fault) if fault.addr == (STACK & !0xfff) - 8), "{exit:?}");
    assert_eq!(mem.read::<u64>(STACK & !0xfff), Ok(0x33));
}
