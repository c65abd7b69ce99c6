//! Small whole programs in machine code: loops, calls, self-modifying code, page crossings, restarts.

use guest_mem::{Access, AddressSpace, FaultKind, FramePool, Prot, Vma};
use x86_cpu::{
    CodeMode, CpuState, Cpuid, Descriptor, Exception, ExecEngine, Exit, Level, SyscallGate, Vector, flags,
    gpr, xstate,
};
use x86_interp::Interp;

const CODE: u64 = 0x1_0000;
const DATA: u64 = 0x2_0000;
const STACK_TOP: u64 = 0x3_8000;

struct World {
    mem: AddressSpace,
    cpu: CpuState,
    interp: Interp,
}

fn area(start: u64, pages: u64, prot: Prot) -> Vma {
    Vma::anonymous(start, start + pages * 4096, prot)
}

const RWX: Prot = Prot::READ.union(Prot::WRITE).union(Prot::EXEC);
const RW: Prot = Prot::READ.union(Prot::WRITE);

fn world(mode: CodeMode, code: &[u8]) -> World {
    let pool = FramePool::new(1000);
    let mem = AddressSpace::new(&pool);
    for vma in [area(CODE, 2, RWX), area(DATA, 4, RW), area(0x3_0000, 8, RW)] {
        mem.map(vma).expect("maps");
    }
    mem.write_bytes(CODE, code).expect("writable");
    let mut cpu = CpuState::new(mode);
    cpu.rip = CODE;
    cpu.gpr[gpr::RSP] = STACK_TOP;
    World { mem, cpu, interp: Interp::new() }
}

impl World {
    fn run(&mut self) -> Exit {
        self.interp.run(&mut self.cpu, &self.mem, 1_000_000).exit
    }
}

const INT80: Exit = Exit::Syscall(SyscallGate::Int80);

#[test]
fn loop_sums_in_both_modes() {
    // mov eax,0; mov ecx,100; l: add eax,ecx; dec ecx (two-byte form); jnz l; int 0x80
    let code = [0xb8, 0, 0, 0, 0, 0xb9, 100, 0, 0, 0, 0x01, 0xc8, 0xff, 0xc9, 0x75, 0xfa, 0xcd, 0x80];
    for mode in [CodeMode::Bits32, CodeMode::Bits64] {
        let mut w = world(mode, &code);
        assert_eq!(w.run(), INT80);
        assert_eq!(w.cpu.gpr[gpr::RAX], 5050);
        assert_eq!(w.cpu.rip, CODE + code.len() as u64);
        assert_eq!(w.cpu.rflags & flags::OSZAPC, flags::ZF | flags::PF);
    }
}

#[test]
fn recursion_uses_the_stack() {
    // mov eax,10; call f; int 0x80; f: cmp eax,1; jbe r; push eax; dec eax; call f; pop ecx; add eax,ecx; r: ret
    let code = [
        0xb8, 10, 0, 0, 0, 0xe8, 2, 0, 0, 0, 0xcd, 0x80, // f at 12
        0x83, 0xf8, 1, 0x76, 11, 0x50, 0xff, 0xc8, 0xe8, 0xf3, 0xff, 0xff, 0xff, 0x59, 0x01, 0xc8, 0xc3,
    ];
    for mode in [CodeMode::Bits32, CodeMode::Bits64] {
        let mut w = world(mode, &code);
        assert_eq!(w.run(), INT80);
        assert_eq!(w.cpu.gpr[gpr::RAX], 55);
        assert_eq!(w.cpu.gpr[gpr::RSP], STACK_TOP);
    }
}

#[test]
fn a_store_into_the_running_block_is_seen() {
    // mov byte [CODE+8], 0x42 ; (at 7) mov al, 0x11 -> becomes mov al, 0x42 ; int 0x80
    let code = [0xc6, 0x05, 0x08, 0x00, 0x01, 0x00, 0x42, 0xb0, 0x11, 0xcd, 0x80];
    let mut w = world(CodeMode::Bits32, &code);
    assert_eq!(w.run(), INT80);
    assert_eq!(w.cpu.gpr[gpr::RAX], 0x42);
}

#[test]
fn a_patched_loop_changes_its_step() {
    // xor eax,eax; mov ecx,4; l: add eax,1 (at 7, immediate at 9); inc byte [CODE+9]; loop l; int 0x80
    let code = [0x31, 0xc0, 0xb9, 4, 0, 0, 0, 0x83, 0xc0, 1, 0xfe, 0x05, 9, 0, 1, 0, 0xe2, 0xf5, 0xcd, 0x80];
    let mut w = world(CodeMode::Bits32, &code);
    assert_eq!(w.run(), INT80);
    assert_eq!(w.cpu.gpr[gpr::RAX], 1 + 2 + 3 + 4);
}

#[test]
fn an_instruction_across_pages_needs_both() {
    // mov eax, 0x12345678 with its last two bytes on the next page; int 0x80
    let start = CODE + 4096 - 3;
    let mut w = world(CodeMode::Bits32, &[]);
    w.mem.write_bytes(start, &[0xb8, 0x78, 0x56, 0x34, 0x12, 0xcd, 0x80]).expect("writable");
    w.cpu.rip = start;
    assert_eq!(w.run(), INT80);
    assert_eq!(w.cpu.gpr[gpr::RAX], 0x1234_5678);

    // Changing only the second page is noticed.
    w.mem.write::<u8>(CODE + 4097, 0x99).expect("writable");
    w.cpu.rip = start;
    assert_eq!(w.run(), INT80);
    assert_eq!(w.cpu.gpr[gpr::RAX], 0x9934_5678);

    w.mem.unmap(CODE + 4096, CODE + 8192).expect("unmaps");
    w.cpu.rip = start;
    let Exit::Fault(fault) = w.run() else { panic!("should fault") };
    assert_eq!((fault.addr, fault.access, fault.kind), (CODE + 4096, Access::Execute, FaultKind::NotMapped));
    assert_eq!(w.cpu.rip, start);
}

#[test]
fn rep_movs_stops_at_a_fault_and_goes_on() {
    // rep movsd; int 0x80
    let mut w = world(CodeMode::Bits32, &[0xf3, 0xa5, 0xcd, 0x80]);
    let hole = DATA + 4 * 4096;
    for i in 0..100_u32 {
        w.mem.write(DATA + u64::from(i) * 4, i * 3).expect("writable");
    }
    w.cpu.gpr[gpr::RSI] = DATA;
    w.cpu.gpr[gpr::RDI] = hole - 40;
    w.cpu.gpr[gpr::RCX] = 100;
    let Exit::Fault(fault) = w.run() else { panic!("should fault") };
    assert_eq!((fault.addr, fault.access), (hole, Access::Write));
    assert_eq!(w.cpu.gpr[gpr::RCX], 90);
    assert_eq!(w.cpu.gpr[gpr::RSI], DATA + 40);
    assert_eq!(w.cpu.gpr[gpr::RDI], hole);
    assert_eq!(w.cpu.rip, CODE);
    w.mem.map(area(hole, 1, RW)).expect("maps");
    assert_eq!(w.run(), INT80);
    assert_eq!(w.cpu.gpr[gpr::RCX], 0);
    assert_eq!(w.mem.read::<u32>(hole - 40 + 99 * 4), Ok(297));
}

#[test]
fn overlapping_rep_movs_repeats_a_pattern() {
    let mut w = world(CodeMode::Bits64, &[0xf3, 0xa4, 0xcd, 0x80]);
    w.mem.write_bytes(DATA, b"abc").expect("writable");
    w.cpu.gpr[gpr::RSI] = DATA;
    w.cpu.gpr[gpr::RDI] = DATA + 3;
    w.cpu.gpr[gpr::RCX] = 7;
    assert_eq!(w.run(), INT80);
    let mut out = [0; 10];
    w.mem.read_bytes(DATA, &mut out).expect("readable");
    assert_eq!(&out, b"abcabcabca");
}

#[test]
fn exceptions_leave_rip_where_the_manual_says() {
    let exception = |vector| Exit::Exception(Exception::new(vector));
    let rows: &[(&[u8], Vector, u64)] = &[
        (&[0x0f, 0x0b], Vector::InvalidOpcode, 0),
        (&[0xf7, 0xf1], Vector::DivideError, 0),
        (&[0xf4], Vector::GeneralProtection, 0),
        (&[0xcc], Vector::Breakpoint, 1),
        (&[0xf1], Vector::Debug, 1),
        (&[0xfa], Vector::GeneralProtection, 0),
        (&[0xe4, 0x10], Vector::GeneralProtection, 0),
        (&[0x0f, 0x20, 0xc0], Vector::GeneralProtection, 0),
    ];
    for (code, vector, offset) in rows {
        for mode in [CodeMode::Bits32, CodeMode::Bits64] {
            let mut w = world(mode, code);
            assert_eq!(w.run(), exception(*vector), "{code:x?}");
            assert_eq!(w.cpu.rip, CODE + offset, "{code:x?}");
        }
    }
}

#[test]
fn single_step_traps_after_each_instruction() {
    let mut w = world(CodeMode::Bits32, &[0x40, 0x40, 0xcd, 0x80]);
    w.cpu.rflags |= flags::TF;
    for i in 1..=2 {
        assert_eq!(w.run(), Exit::Exception(Exception::new(Vector::Debug)));
        assert_eq!((w.cpu.gpr[gpr::RAX], w.cpu.rip), (i, CODE + i));
    }
}

#[test]
fn far_jump_changes_the_mode() {
    // jmp 0x33:CODE+16 ... (64-bit) mov rax, 1 << 32 by movabs; int 0x80
    let mut code = vec![0xea, 0x10, 0x00, 0x01, 0x00, 0x33, 0x00];
    code.resize(16, 0x90);
    code.extend([0x48, 0xb8, 0, 0, 0, 0, 1, 0, 0, 0, 0xcd, 0x80]);
    let mut w = world(CodeMode::Bits32, &code);
    assert_eq!(w.run(), INT80);
    assert_eq!(w.cpu.mode, CodeMode::Bits64);
    assert_eq!(w.cpu.gpr[gpr::RAX], 1 << 32);
}

#[test]
fn budget_is_kept_within_a_block() {
    let mut w = world(CodeMode::Bits32, &[0xeb, 0xfe]);
    let outcome = w.interp.run(&mut w.cpu, &w.mem, 1000);
    assert_eq!(outcome.exit, Exit::Budget);
    assert!((1000..1032).contains(&outcome.retired), "{}", outcome.retired);
    assert_eq!(w.cpu.tsc, outcome.retired);
}

#[test]
fn tls_segments_have_their_base() {
    // mov ax,0x63; mov gs,ax; mov eax,gs:[8]; mov gs:[12],eax; mov ds,cx (0x6b); mov edx,[16]; int 0x80
    let code = [
        0x66, 0xb8, 0x63, 0x00, 0x8e, 0xe8, 0x65, 0xa1, 8, 0, 0, 0, 0x65, 0xa3, 12, 0, 0, 0, 0x8e, 0xd9,
        0x8b, 0x15, 16, 0, 0, 0, 0xcd, 0x80,
    ];
    let mut w = world(CodeMode::Bits32, &code);
    for (slot, base) in [(0, DATA), (1, DATA + 0x100)] {
        w.cpu.tls[slot] = Descriptor { base: base as u32, limit: !0, present: true, user_desc_flags: 0 };
    }
    w.mem.write::<u32>(DATA + 8, 0x1234).expect("writable");
    w.mem.write::<u32>(DATA + 0x110, 0x5678).expect("writable");
    w.cpu.gpr[gpr::RCX] = 0x6b;
    assert_eq!(w.run(), INT80);
    assert_eq!((w.cpu.gpr[gpr::RAX], w.cpu.gpr[gpr::RDX]), (0x1234, 0x5678));
    assert_eq!(w.mem.read::<u32>(DATA + 12), Ok(0x1234));

    // A slot that is not filled, and a selector of nothing.
    for selector in [0x73, 0x80] {
        let mut w = world(CodeMode::Bits32, &code);
        w.mem.write::<u16>(CODE + 2, selector).expect("writable");
        let error_code = u32::from(selector & !3);
        assert_eq!(w.run(), Exit::Exception(Exception { vector: Vector::GeneralProtection, error_code }));
        assert_eq!(w.cpu.rip, CODE + 4);
    }
}

#[test]
fn syscall_leaves_return_address_and_flags() {
    let mut w = world(CodeMode::Bits64, &[0x48, 0x31, 0xc0, 0x0f, 0x05]);
    assert_eq!(w.run(), Exit::Syscall(SyscallGate::Syscall));
    assert_eq!(w.cpu.gpr[gpr::RCX], CODE + 5);
    assert_eq!(w.cpu.gpr[gpr::R11], u64::from(w.cpu.rflags));
    assert_eq!(w.cpu.rflags & flags::ZF, flags::ZF);
    let mut w = world(CodeMode::Bits32, &[0x0f, 0x05]);
    assert_eq!(w.run(), Exit::Exception(Exception::new(Vector::InvalidOpcode)));
}

#[test]
fn popf_arms_the_trap_for_the_next_instruction() {
    // push 0x302; popf; nop; nop
    let mut w = world(CodeMode::Bits32, &[0x68, 0x02, 0x03, 0, 0, 0x9d, 0x90, 0x90]);
    assert_eq!(w.run(), Exit::Exception(Exception::new(Vector::Debug)));
    assert_eq!(w.cpu.rip, CODE + 7);
}

#[test]
fn the_time_stamp_counts_instructions() {
    // rdtsc; mov ecx,eax; nop; rdtsc; int 0x80
    let mut w = world(CodeMode::Bits32, &[0x0f, 0x31, 0x89, 0xc1, 0x90, 0x0f, 0x31, 0xcd, 0x80]);
    w.cpu.tsc = 1 << 32;
    assert_eq!(w.run(), INT80);
    assert_eq!((w.cpu.gpr[gpr::RDX], w.cpu.gpr[gpr::RAX] - w.cpu.gpr[gpr::RCX]), (1, 3));
    assert_eq!(w.cpu.tsc, (1 << 32) + 5);
}

#[test]
fn far_return_comes_back_to_32_bits() {
    // 64-bit: push 0x23; push CODE+16; retfq.  At 16, 32-bit: dec eax (would be REX.W); int 0x80
    let mut code = vec![0x6a, 0x23, 0x68, 0x10, 0x00, 0x01, 0x00, 0x48, 0xcb];
    code.resize(16, 0x90);
    code.extend([0x48, 0xcd, 0x80]);
    let mut w = world(CodeMode::Bits64, &code);
    w.cpu.gpr[gpr::RAX] = 0;
    assert_eq!(w.run(), INT80);
    assert_eq!((w.cpu.mode, w.cpu.gpr[gpr::RAX]), (CodeMode::Bits32, 0xffff_ffff));
    assert_eq!(w.cpu.gpr[gpr::RSP], STACK_TOP);
}

#[test]
fn processes_share_blocks_of_a_page_and_see_its_changes() {
    // The same pages at the same address in a forked space: one copies on a write, the other keeps its code.
    let code = [0xb8, 1, 0, 0, 0, 0xcd, 0x80];
    let mut parent = world(CodeMode::Bits32, &code);
    assert_eq!(parent.run(), INT80);
    let child = parent.mem.fork();
    let mut cpu = parent.cpu.clone();
    for (value, space) in [(1, &child), (1, &parent.mem)] {
        cpu.rip = CODE;
        assert_eq!(parent.interp.run(&mut cpu, space, 100).exit, INT80);
        assert_eq!(cpu.gpr[gpr::RAX], value);
    }
    child.write::<u8>(CODE + 1, 2).expect("writable");
    for (value, space) in [(2, &child), (1, &parent.mem)] {
        cpu.rip = CODE;
        assert_eq!(parent.interp.run(&mut cpu, space, 100).exit, INT80);
        assert_eq!(cpu.gpr[gpr::RAX], value);
    }
}

#[test]
fn data_beside_code_does_not_unmake_it() {
    // mov ecx,1000; l: inc dword [CODE+0x800]; loop l; int 0x80: every store goes to the page of the loop.
    let code = [0xb9, 0xe8, 3, 0, 0, 0xff, 0x05, 0x00, 0x08, 0x01, 0x00, 0xe2, 0xf8, 0xcd, 0x80];
    let mut w = world(CodeMode::Bits32, &code);
    assert_eq!(w.run(), INT80);
    assert_eq!(w.mem.read::<u32>(CODE + 0x800), Ok(1000));
    let text = format!("{:?}", w.interp);
    assert!(text.contains("instructions: ") && text.len() < 80, "{text}");
}

/// A world whose processor offers everything.
fn full(mode: CodeMode, code: &[u8]) -> World {
    World { interp: Interp::with(Cpuid::of(Level::Full), 1000), ..world(mode, code) }
}

#[test]
fn segment_bases_of_64_bit_code() {
    // wrfsbase rax; wrgsbase rcx; rdfsbase rbx; rdgsbase edx; mov esi, fs:[0]; int 0x80
    let code = [
        0xf3, 0x48, 0x0f, 0xae, 0xd0, 0xf3, 0x48, 0x0f, 0xae, 0xd9, 0xf3, 0x48, 0x0f, 0xae, 0xc3, 0xf3, 0x0f,
        0xae, 0xca, 0x64, 0x8b, 0x34, 0x25, 0, 0, 0, 0, 0xcd, 0x80,
    ];
    let mut w = full(CodeMode::Bits64, &code);
    w.mem.write_bytes(DATA, &0x1234_5678_u32.to_le_bytes()).expect("writable");
    w.cpu.gpr[gpr::RAX] = DATA;
    w.cpu.gpr[gpr::RCX] = 0x1234_8765_4321;
    assert_eq!(w.run(), INT80);
    assert_eq!((w.cpu.segments.fs.base, w.cpu.gpr[gpr::RBX]), (DATA, DATA));
    assert_eq!((w.cpu.segments.gs.base, w.cpu.gpr[gpr::RDX]), (0x1234_8765_4321, 0x8765_4321));
    assert_eq!(w.cpu.gpr[gpr::RSI], 0x1234_5678);
    // A base that is not canonical.
    let mut w = full(CodeMode::Bits64, &code);
    w.cpu.gpr[gpr::RAX] = 1 << 47;
    assert_eq!(w.run(), Exit::Exception(Exception::new(Vector::GeneralProtection)));
    // Not there in 32-bit code, nor at the default level.
    for mut w in [full(CodeMode::Bits32, &[0xf3, 0x0f, 0xae, 0xd0]), world(CodeMode::Bits64, &code)] {
        assert_eq!(w.run(), Exit::Exception(Exception::new(Vector::InvalidOpcode)));
    }
}

#[test]
fn random_numbers_come_from_a_seed() {
    // rdrand rax; rdseed cx; int 0x80
    let code = [0x48, 0x0f, 0xc7, 0xf0, 0x66, 0x0f, 0xc7, 0xf9, 0xcd, 0x80];
    let mut w = full(CodeMode::Bits64, &code);
    w.cpu.gpr[gpr::RAX] = 1;
    w.cpu.rflags |= flags::OSZAPC;
    assert_eq!(w.run(), INT80);
    assert_eq!((w.cpu.gpr[gpr::RAX], w.cpu.rflags & flags::OSZAPC), (0, 0));
    let mut values = Vec::new();
    for seed in [1, 1, 2] {
        let mut w = full(CodeMode::Bits64, &code);
        w.interp.seed(&[seed; 32]);
        w.cpu.gpr[gpr::RCX] = 0x1234_0000;
        assert_eq!(w.run(), INT80);
        assert_eq!(w.cpu.rflags & flags::OSZAPC, flags::CF);
        assert_eq!(w.cpu.gpr[gpr::RCX] >> 16, 0x1234);
        values.push(w.cpu.gpr[gpr::RAX]);
    }
    assert!(values[0] == values[1] && values[1] != values[2]);
}

#[test]
fn default_processor_has_no_later_instructions() {
    // popcnt eax, ecx; vmovaps xmm0, xmm0 (bits 6 and 7 set: no LDS); pshufb xmm0, xmm1; xgetbv
    let later: [&[u8]; 4] = [
        &[0xf3, 0x0f, 0xb8, 0xc1],
        &[0xc5, 0xf8, 0x28, 0xc0],
        &[0x66, 0x0f, 0x38, 0, 0xc1],
        &[0x0f, 1, 0xd0],
    ];
    for code in later {
        let mut w = world(CodeMode::Bits32, code);
        assert_eq!(w.run(), Exit::Exception(Exception::new(Vector::InvalidOpcode)), "{code:02x?}");
    }
    // tzcnt eax, ecx is bsf there.
    let code = [0xf3, 0x0f, 0xbc, 0xc1, 0xcd, 0x80];
    for (mut w, expected) in [(world(CodeMode::Bits32, &code), 7), (full(CodeMode::Bits32, &code), 32)] {
        w.cpu.gpr[gpr::RAX] = 7;
        assert_eq!(w.run(), INT80);
        assert_eq!(w.cpu.gpr[gpr::RAX], expected);
    }
}

#[test]
fn levels_decide_what_is_an_instruction() {
    const UD: Exit = Exit::Exception(Exception::new(Vector::InvalidOpcode));
    // pshufb, pcmpistri, vmovaps, vpaddd, vfmadd231ps, xsave, aesenc, sha1nexte, and the first level that has them.
    let rows: [(&[u8], Level); 8] = [
        (&[0x66, 0x0f, 0x38, 0x00, 0xc1], Level::V2),
        (&[0x66, 0x0f, 0x3a, 0x63, 0xc1, 0], Level::V2),
        (&[0xc5, 0xf8, 0x28, 0xc1], Level::V3),
        (&[0xc5, 0xfd, 0xfe, 0xc1], Level::V3),
        (&[0xc4, 0xe2, 0x75, 0xb8, 0xc2], Level::V3),
        (&[0x0f, 0xae, 0x23], Level::V3),
        (&[0x66, 0x0f, 0x38, 0xdc, 0xc1], Level::Full),
        (&[0x0f, 0x38, 0xc8, 0xc1], Level::Full),
    ];
    for (code, first) in rows {
        let code = [code, &[0xcd, 0x80]].concat();
        for level in Level::ALL {
            let mut w =
                World { interp: Interp::with(Cpuid::of(level), 1000), ..world(CodeMode::Bits64, &code) };
            w.cpu.gpr[gpr::RBX] = DATA;
            assert_eq!(w.run(), if level < first { UD } else { INT80 }, "{level:?} {code:02x?}");
        }
    }
}

#[test]
fn images_leave_out_what_is_in_its_initial_state() {
    // xgetbv; xsavec [rbx]; mov ecx, 1; xgetbv; int 0x80
    let code = [0x0f, 0x01, 0xd0, 0x0f, 0xc7, 0x23, 0xb9, 1, 0, 0, 0, 0x0f, 0x01, 0xd0, 0xcd, 0x80];
    let mut w = full(CodeMode::Bits64, &code);
    w.cpu.gpr[gpr::RBX] = DATA;
    w.cpu.xmm[3] = 1;
    w.cpu.ymm_high[3] = 0;
    w.mem.fill(DATA, 4096, 0xff).expect("writable");
    assert_eq!(w.run(), INT80);
    // XCR0 was the mask; only SSE is in use.
    assert_eq!((w.cpu.gpr[gpr::RAX], w.cpu.gpr[gpr::RDX]), (2, 0));
    let mut header = [0; 24];
    w.mem.read_bytes(DATA + xstate::HEADER, &mut header).expect("readable");
    assert_eq!(header[..8], 2_u64.to_le_bytes());
    assert_eq!(header[8..16], (1_u64 << 63 | 7).to_le_bytes());
    assert_eq!(header[16..], [0xff; 8], "left alone");
    // What the image does not hold comes back as initial.
    let back = [0x0f, 0xc7, 0x23, 0x0f, 0xae, 0x2b, 0xcd, 0x80];
    let mut w = full(CodeMode::Bits64, &back);
    w.cpu.gpr[gpr::RAX] = 6;
    w.cpu.gpr[gpr::RBX] = DATA;
    w.cpu.ymm_high = [5; 16];
    w.cpu.xmm = [6; 16];
    let before = w.cpu.clone();
    assert_eq!(w.run(), INT80);
    assert_eq!((w.cpu.ymm_high, w.cpu.xmm), (before.ymm_high, before.xmm));
}
