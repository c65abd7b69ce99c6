//! No guest input may panic: random bytes, valid instructions with random operands, random states, in both modes.

use guest_mem::{AddressSpace, FramePool, Prot, Vma};
use testkit::layout::{CODE, CODE_LEN, DATA, DATA_LEN};
use testkit::rng::Rng;
use testkit::state::State;
use testkit::{forms, guest};
use x86_cpu::{CodeMode, CpuState, Cpuid, ExecEngine, Exit, Level};
use x86_decode::{Insn, Mode, Op, ROWS, Rep, decode_for};
use x86_interp::{FEATURES, Interp};

const PROGRAMS: u64 = 30_000;
/// Exits of one program before the next one.
const EXITS: usize = 8;

fn area(start: u64, len: usize, prot: Prot) -> Vma {
    Vma::anonymous(start, start + len as u64, prot)
}

fn load(cpu: &mut CpuState, state: &State, rng: &mut Rng) {
    guest::load_registers(cpu, state);
    for reg in &mut cpu.gpr {
        match rng.below(4) {
            0 => *reg = DATA + rng.below(DATA_LEN as u64),
            1 => *reg = CODE + rng.below(CODE_LEN as u64),
            _ => {}
        }
    }
    cpu.rflags |= rng.bits() as u32 & 0x100 & rng.bits() as u32;
}

fn code(rng: &mut Rng, mode: Mode) -> Vec<u8> {
    let mut code = Vec::new();
    while code.len() < 200 {
        if rng.one_in(6) {
            code.extend(rng.bits().to_le_bytes());
        } else {
            let row = &ROWS[rng.below(ROWS.len() as u64) as usize];
            if !FEATURES.contains(row.features()) {
                continue;
            }
            code.extend(forms::build(rng, row, mode).into_iter().flat_map(|case| case.bytes));
        }
    }
    code
}

#[test]
fn nothing_panics_and_everything_ends() {
    let pool = FramePool::new(200);
    let mem = AddressSpace::new(&pool);
    let rw = Prot::READ | Prot::WRITE;
    mem.map(area(CODE, CODE_LEN, rw | Prot::EXEC)).expect("maps");
    mem.map(area(DATA, DATA_LEN, rw)).expect("maps");
    mem.map(area(DATA + 0x10_0000, DATA_LEN, Prot::READ)).expect("maps");
    let mut interp = Interp::with(Cpuid::of(Level::Full), 5_000);
    let mut rng = Rng::new(42);
    let mut retired = 0;
    for n in 0..PROGRAMS {
        let (mode, cpu_mode) =
            if n & 1 == 0 { (Mode::Bits32, CodeMode::Bits32) } else { (Mode::Bits64, CodeMode::Bits64) };
        let state = State::random(&mut rng);
        let mut cpu = CpuState::new(cpu_mode);
        load(&mut cpu, &state, &mut rng);
        if mode == Mode::Bits32 {
            cpu.gpr.iter_mut().for_each(|reg| *reg &= 0xffff_ffff);
        }
        let start = CODE + rng.below(CODE_LEN as u64 - 300);
        mem.write_bytes(start, &code(&mut rng, mode)).expect("writable");
        cpu.rip = start;
        for _ in 0..EXITS {
            let outcome = interp.run(&mut cpu, &mem, 200);
            retired += outcome.retired;
            if outcome.exit == Exit::Budget {
                break;
            }
            // Step over whatever it was.
            cpu.rip = cpu.rip.wrapping_add(1);
        }
    }
    println!("{retired} instructions");
    assert!(retired > PROGRAMS);
}

/// A sequence run in one go and the same sequence run in single steps end alike.
#[test]
fn single_steps_do_the_same() {
    let pool = FramePool::new(200);
    let mem = AddressSpace::new(&pool);
    let rw = Prot::READ | Prot::WRITE;
    mem.map(area(CODE, CODE_LEN, rw | Prot::EXEC)).expect("maps");
    mem.map(area(DATA, DATA_LEN, rw)).expect("maps");
    let mut interp = Interp::with(Cpuid::of(Level::Full), 1 << 16);
    let mut rng = Rng::new(4711);
    let mut compared = 0;
    for n in 0..4_000_u64 {
        let (mode, cpu_mode) =
            if n & 1 == 0 { (Mode::Bits32, CodeMode::Bits32) } else { (Mode::Bits64, CodeMode::Bits64) };
        let state = State::random(&mut rng);
        let mut cpu = CpuState::new(cpu_mode);
        load(&mut cpu, &state, &mut rng);
        if mode == Mode::Bits32 {
            cpu.gpr.iter_mut().for_each(|reg| *reg &= 0xffff_ffff);
        }
        cpu.rflags &= !0x100;
        let bytes = code(&mut rng, mode);
        let data: Vec<u8> = (0..DATA_LEN).map(|_| rng.bits() as u8).collect();
        let mut comparable = true;
        let mut run = |step: bool| {
            mem.fill(CODE, CODE_LEN, 0x90).expect("writable");
            mem.write_bytes(CODE, &bytes).expect("writable");
            mem.write_bytes(DATA, &data).expect("writable");
            let mut cpu = cpu.clone();
            cpu.rip = CODE;
            let (mut exit, mut retired) = (Exit::Budget, 0);
            // Both stop at the first event; runs without one are not compared.
            while retired < if step { 100_000 } else { 60 } {
                cpu.rflags |= if step { 0x100 } else { 0 };
                comparable &= !(step && shows_stepping(&mem, &cpu, mode));
                let outcome = interp.run(&mut cpu, &mem, if step { 1 } else { 60 });
                retired += outcome.retired;
                exit = outcome.exit;
                let stepped =
                    step && matches!(exit, Exit::Exception(e) if e.vector == x86_cpu::Vector::Debug);
                if exit != Exit::Budget && !stepped {
                    break;
                }
            }
            let mut out = vec![0; DATA_LEN];
            mem.read_bytes(DATA, &mut out).expect("readable");
            cpu.rflags &= !0x100;
            (exit, cpu, out)
        };
        let (exit, whole, whole_data) = run(false);
        if exit == Exit::Budget {
            continue;
        }
        let (step_exit, stepped, stepped_data) = run(true);
        if !comparable {
            continue;
        }
        compared += 1;
        assert_eq!(
            (exit, &whole, whole_data == stepped_data),
            (step_exit, &stepped, true),
            "{mode:?} {bytes:02x?}"
        );
    }
    println!("{compared} sequences");
    assert!(compared > 1_000);
}

/// Whether the instruction at an address reads or writes TF, reads the time, or leaves the mode.
fn shows_stepping(mem: &AddressSpace, cpu: &CpuState, mode: Mode) -> bool {
    let mut bytes = [0; 15];
    let Ok(got) = mem.fetch(cpu.rip, &mut bytes) else { return false };
    let ops = [Op::Pushf, Op::Popf, Op::Iret, Op::Rdtsc, Op::Rdtscp, Op::Int1, Op::Syscall, Op::Retf];
    // The flags of a repeated comparison that faults are those from before its last interruption, and one that stores
    // over itself sees that when interrupted.
    let code = |addr: u64| addr.wrapping_sub(CODE - 0x1000) < CODE_LEN as u64 + 0x2000;
    let repeats = |insn: &Insn| {
        insn.rep != Rep::None && (matches!(insn.op, Op::Scas | Op::Cmps) || code(cpu.gpr[7] & 0xffff_ffff))
    };
    decode_for(&bytes[..got], mode, FEATURES).is_ok_and(|insn| ops.contains(&insn.op) || repeats(&insn))
}
