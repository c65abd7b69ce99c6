//! Random code, translated and in the interpreter, instruction by instruction: wherever the translation leaves, registers,
//! flags and memory are those of as many single steps.

mod support;

use guest_mem::{AddressSpace, FramePool, Prot, Vma};
use std::collections::BTreeSet;
use support::{
    Bytes, FUNCTION, FUNCTIONS, Host, PAGES, REGIONS, Translated, Wasm, cpu_mode, discover, discover_any,
    discover_with, setting,
};
use testkit::layout::{CODE, CODE_LEN, DATA, DATA_LEN};
use testkit::rng::Rng;
use testkit::state::{State, random_data};
use testkit::{forms, guest};
use x86_cpu::{CpuState, Cpuid, ExecEngine, F80, Fpu, Level, flags};
use x86_decode::{FeatureSet, FlagSet, Flow, Insn, Mode, Op, Operand, ROWS, Reg, Row, decode};
use x86_interp::Interp;
use x86_jit_wasm::layout::{Entrance, mxcsr};
use x86_jit_wasm::{End, Region, Targets, takes};

/// More of them by the environment, for a soak.
const MODULES: u64 = 200;
const LINKED: u64 = 1000;

/// A denormal operand is not reported where the result tells nothing (see [`mxcsr::PRECISE`]).
const DE: u32 = 2;

/// Numbers of like size, and zeros, in most registers and most of memory, so that arithmetic goes on.
fn tame(rng: &mut Rng, cpu: &mut CpuState, data: &mut [u8]) {
    let double = rng.one_in(2);
    let mut vector = || -> u128 {
        (0..if double { 2 } else { 4 }).fold(0, |all, _| {
            let (bits, fraction, bias) = if double { (64, 52, 1023) } else { (32, 23, 127) };
            let exponent = bias - 8 + rng.below(17);
            let mantissa =
                rng.bits() >> (64 - fraction) & if rng.one_in(2) { u64::MAX } else { !0 << (fraction - 3) };
            let number = (exponent | rng.below(2) << (bits - 1 - fraction)) << fraction | mantissa;
            let number = if rng.one_in(8) { number >> (bits - 1) << (bits - 1) } else { number };
            all << bits | u128::from(number)
        })
    };
    cpu.xmm.iter_mut().for_each(|xmm| *xmm = vector());
    data.chunks_exact_mut(16).for_each(|chunk| chunk.copy_from_slice(&vector().to_le_bytes()));
}

/// Ordinary numbers in most registers of the x87 unit, some of which are free, and nothing that keeps code from computing.
fn tame_unit(rng: &mut Rng, unit: &mut Fpu) {
    for register in &mut unit.registers {
        let exponent = if rng.one_in(6) { rng.below(0x7fff) } else { 16383 - 40 + rng.below(80) };
        let mantissa = if rng.one_in(2) { rng.bits() } else { rng.bits() & !0 << 58 };
        *register = F80 { mantissa: mantissa | 1 << 63, sign_exponent: exponent as u16 };
        match rng.below(20) {
            0 => *register = F80::default(),
            1 => register.mantissa = rng.bits(),
            // About the largest and the smallest numbers of single and double precision.
            2 | 3 => {
                let bound = [0x43fe, 0x407e, 0x3c01, 0x3f81][rng.below(4) as usize];
                let kept = [24, 25, 53, 54, 64][rng.below(5) as usize];
                let exponent = bound + rng.below(3) as u16 - 1;
                *register = F80 { mantissa: u64::MAX << (64 - kept), sign_exponent: exponent };
            }
            _ => {}
        }
        register.sign_exponent |= (rng.below(2) as u16) << 15;
    }
    unit.control = 0x37f;
    unit.status = rng.bits() as u16 & 0x7f1f | 0x20;
    // A few from the top on are in use.
    let used = rng.below(9) as u32;
    unit.in_use = (((1_u32 << used) - 1) as u8).rotate_left(unit.top() as u32);
    if rng.one_in(8) {
        unit.in_use = rng.bits() as u8;
    }
}

fn vectors(before: &CpuState, ours: &CpuState, theirs: &CpuState) -> String {
    let changed = (0..16).filter(|n| ours.xmm[*n] != theirs.xmm[*n]);
    let lines = changed.map(|n| {
        format!("xmm{n}: {:032x}, ours {:032x}, theirs {:032x}\n", before.xmm[n], ours.xmm[n], theirs.xmm[n])
    });
    let units = format!("{:x?}\nours {:x?}\ntheirs {:x?}\n", before.fpu, ours.fpu, theirs.fpu);
    let control = format!("mxcsr {:x}, ours {:x}, theirs {:x}\n", before.mxcsr, ours.mxcsr, theirs.mxcsr);
    let all = (0..16).map(|n| format!("xmm{n} {:032x}\n", before.xmm[n]));
    lines.chain([units, control]).chain(all).collect()
}

/// Code of instructions that are translated, with jumps among them.
fn code(rng: &mut Rng, rows: &[&Row], mode: Mode) -> Vec<u8> {
    let mut code = Vec::new();
    let mut starts = Vec::new();
    while starts.len() < 16 {
        starts.push(code.len());
        if rng.one_in(5) {
            let back = rng.one_in(3);
            let distance =
                if back { -(rng.below(1 + code.len().min(40) as u64) as i8) } else { rng.below(30) as i8 };
            code.extend([0x70 | rng.below(16) as u8, distance as u8]);
            continue;
        }
        let row = rows[rng.below(rows.len() as u64) as usize];
        let Some(case) = forms::build(rng, row, mode) else { continue };
        let Ok(insn) = decode(&case.bytes, mode) else { continue };
        let taken = takes(&insn, setting(mode));
        // Few of those that end the region.
        let ends = !matches!(row.flow, x86_decode::Flow::Next);
        if taken && (!ends || rng.one_in(8)) {
            code.extend(case.bytes);
        }
    }
    code
}

/// Whether an instruction works on vectors of floating-point numbers.
fn is_float(row: &Row) -> bool {
    let name = format!("{:?}", row.op);
    let starts = [
        "Add", "Sub", "Mul", "Div", "Sqrt", "Min", "Max", "Cvt", "Cmp", "Com", "Ucom", "Round", "Movap",
        "Movs",
    ];
    let ends = ["ss", "sd", "ps", "pd", "dq"];
    starts.iter().any(|start| name.starts_with(start)) && ends.iter().any(|end| name.ends_with(end))
}

/// Rows that are translated, of each mode.
fn rows(mode: Mode) -> Vec<&'static Row> {
    let mut rng = Rng::new(1);
    let fits = |row: &&Row| {
        let case = forms::build(&mut rng, row, mode);
        case.and_then(|case| decode(&case.bytes, mode).ok()).is_some_and(|insn| takes(&insn, setting(mode)))
    };
    ROWS.iter().filter(fits).collect()
}

/// From the environment, so that a soak can set it.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

fn insns(regions: &[Region]) -> impl Iterator<Item = &Insn> {
    regions.iter().flat_map(|region| &region.blocks).flat_map(|block| block.insns.iter().map(|at| &at.insn))
}

/// The interpreter, and what it runs in.
struct Theirs {
    interp: Interp,
    mem: AddressSpace,
}

impl Theirs {
    fn new() -> Theirs {
        let mem = AddressSpace::new(&FramePool::new(200));
        let rw = Prot::READ | Prot::WRITE;
        mem.map(Vma::anonymous(CODE, CODE + CODE_LEN as u64, rw | Prot::EXEC)).expect("maps");
        mem.map(Vma::anonymous(DATA, DATA + DATA_LEN as u64, rw)).expect("maps");
        Theirs { interp: Interp::with(Cpuid::of(Level::Full), 1 << 16), mem }
    }

    /// Compares a region that is alone in its module on so many states. Gives instructions done.
    fn compare_times(
        &mut self,
        times: usize,
        rng: &mut Rng,
        wasm: &mut Wasm,
        (mode, bytes, region): (Mode, &[u8], &Region),
    ) -> i64 {
        let function = wasm.function(0);
        let regions = core::slice::from_ref(region);
        (0..times).map(|_| self.compare(rng, (&mut *wasm, &function, 0), (mode, bytes, regions))).sum()
    }

    /// Runs the first of some regions on a random state, and compares. With calls, the stack is where there is room. Gives
    /// instructions done.
    fn compare(
        &mut self,
        rng: &mut Rng,
        (wasm, function, depth): (&mut Wasm, &Translated, i32),
        (mode, bytes, regions): (Mode, &[u8], &[Region]),
    ) -> i64 {
        let mut before = CpuState::new(cpu_mode(mode));
        guest::load_registers(&mut before, &State::random(rng));
        for reg in &mut before.gpr {
            if rng.one_in(2) {
                let align = if rng.one_in(2) { 16 } else { 1 };
                *reg = DATA + 0x200 + rng.below(DATA_LEN as u64 - 0x400) / align * align;
            } else if rng.one_in(2) {
                *reg = rng.below(64);
            }
            if mode == Mode::Bits32 {
                *reg &= 0xffff_ffff;
            }
        }
        if depth > 0 {
            before.gpr[4] = DATA + 0x800;
        }
        before.rip = CODE;
        // Translated code begins with DF clear.
        before.rflags &= !(flags::TF | flags::DF);
        let mut data = random_data(rng);
        if !rng.one_in(4) {
            before.mxcsr = mxcsr::PRECISE | rng.bits() as u32 & 0x1f;
        }
        if insns(regions).any(|insn| insn.op == Op::Stmxcsr) {
            before.mxcsr |= DE;
        }
        if !rng.one_in(3) {
            tame(rng, &mut before, &mut data);
        }
        if !rng.one_in(8) {
            tame_unit(rng, &mut before.fpu);
        }
        wasm.map(DATA >> 12, PAGES + CODE_LEN, true);
        if rng.one_in(3) {
            wasm.evict(DATA >> 12);
        }
        let (mut ours, mut our_data) = (before.clone(), data.clone());
        let count = wasm.run(function, depth, &mut ours, bytes, &mut our_data);
        self.mem.write_bytes(CODE, bytes).expect("writable");
        self.mem.write_bytes(DATA, &data).expect("writable");
        let mut theirs = before.clone();
        for _ in 0..count {
            theirs.rflags |= flags::TF;
            self.interp.run(&mut theirs, &self.mem, 1);
        }
        theirs.rflags &= !flags::TF;
        let mut their_data = vec![0; DATA_LEN];
        self.mem.read_bytes(DATA, &mut their_data).expect("readable");
        let differs = ours.gpr != theirs.gpr
            || ours.rip != theirs.rip
            || !self.flags_agree(&ours, &theirs, &their_data, (mode, bytes))
            || ours.xmm != theirs.xmm
            || ours.mxcsr & !DE != theirs.mxcsr & !DE
            || ours.mxcsr & DE > theirs.mxcsr & DE
            || ours.fpu != theirs.fpu
            || our_data != their_data;
        if differs {
            let listing: Vec<String> = regions
                .iter()
                .flat_map(|region| &region.blocks)
                .flat_map(|block| block.insns.iter().map(|at| format!("{:x}: {}", at.pc, at.insn)))
                .collect();
            panic!(
                "{mode:?}, {count} done\n{}\nbefore {:x?} {:x}\nours {:x} {:x?} {:x}\ntheirs {:x} {:x?} {:x}\n{}",
                listing.join("\n"),
                before.gpr,
                before.rflags,
                ours.rip,
                ours.gpr,
                ours.rflags,
                theirs.rip,
                theirs.gpr,
                theirs.rflags,
                vectors(&before, &ours, &theirs)
            );
        }
        count
    }

    /// Whether the flags are the same, or nobody sees the difference: going on from either, the interpreter does the same until they are. Where it cannot
    /// go on, as an access has failed, it is what the code there says.
    fn flags_agree(
        &mut self,
        ours: &CpuState,
        theirs: &CpuState,
        data: &[u8],
        (mode, bytes): (Mode, &[u8]),
    ) -> bool {
        if ours.rflags == theirs.rflags {
            return true;
        }
        if (ours.rflags ^ theirs.rflags) & !flags::OSZAPC != 0 {
            return false;
        }
        let mut code = vec![0; CODE_LEN];
        self.mem.read_bytes(CODE, &mut code).expect("readable");
        let [ours, theirs] = [ours, theirs].map(|state| {
            self.mem.write_bytes(CODE, &code).expect("writable");
            self.goes_on(state, data)
        });
        for ((at, ours, data), (other, theirs, their_data)) in ours.iter().zip(&theirs) {
            if at != other || data != their_data {
                return false;
            }
            if ours == theirs {
                return true;
            }
        }
        let Some(((at, ours, _), (_, theirs, _))) = ours.last().zip(theirs.last()) else { return false };
        (ours ^ theirs) & flags::OSZAPC & wanted_flags(bytes, at.0, mode) == 0
    }

    /// What follows in the interpreter, instruction by instruction: where it is with which registers, its flags, and memory.
    fn goes_on(&mut self, state: &CpuState, data: &[u8]) -> Vec<Moment> {
        self.mem.write_bytes(DATA, data).expect("writable");
        let mut cpu = state.clone();
        let mut all = vec![((cpu.rip, cpu.gpr), cpu.rflags, data.to_vec())];
        for _ in 0..STEPS_AFTER {
            cpu.rflags |= flags::TF;
            let done = self.interp.run(&mut cpu, &self.mem, 1).retired;
            cpu.rflags &= !flags::TF;
            if done == 0 {
                break;
            }
            let mut data = vec![0; DATA_LEN];
            self.mem.read_bytes(DATA, &mut data).expect("readable");
            all.push(((cpu.rip, cpu.gpr), cpu.rflags, data));
        }
        all
    }
}

/// The address to go on at with the registers, the flags, and memory.
type Moment = ((u64, [u64; 16]), u32, Vec<u8>);

/// Instructions that are looked at behind where flags differ.
const STEPS_AFTER: usize = 60;

/// The flags that code may ask for, of those that it does not overwrite before.
fn wanted_flags(bytes: &[u8], pc: u64, mode: Mode) -> u32 {
    let bits = [flags::CF, flags::PF, flags::AF, flags::ZF, flags::SF, flags::OF];
    let mut wanted = FlagSet::NONE;
    let mut seen = BTreeSet::new();
    let mut open = vec![(pc, FlagSet::STATUS)];
    while let Some((pc, old)) = open.pop() {
        if old.is_empty() || !seen.insert((pc, old.0)) {
            continue;
        }
        let code = bytes.get(pc.wrapping_sub(CODE) as usize..).unwrap_or_default();
        let Ok(insn) = decode(code, mode) else {
            wanted = wanted.or(old);
            continue;
        };
        let next = pc + u64::from(insn.len);
        let to = insn.operands.iter().find_map(|operand| match *operand {
            Operand::Rel(by) => Some(next.wrapping_add(by as u64)),
            _ => None,
        });
        let used = insn.flags();
        wanted = wanted.or(used.read.and(old));
        let logic = matches!(insn.op, Op::And | Op::Or | Op::Xor | Op::Test);
        let changed = if logic { used.written.or(used.undefined) } else { used.written };
        let old = old.without(changed.without(used.kept));
        match insn.row.flow {
            Flow::Next => open.push((next, old)),
            Flow::Branch | Flow::Call => open.extend(to.map(|to| (to, old))),
            Flow::CondBranch => open.extend([Some(next), to].into_iter().flatten().map(|pc| (pc, old))),
            _ => wanted = wanted.or(old),
        }
    }
    (0..).zip(bits).filter(|(n, _)| wanted.0 >> n & 1 != 0).map(|(_, bit)| bit).sum()
}

#[test]
fn as_the_interpreter_does() {
    let (rows32, rows64) = (rows(Mode::Bits32), rows(Mode::Bits64));
    let floats = |rows: &[&'static Row]| -> Vec<&'static Row> {
        rows.iter().filter(|row| is_float(row)).copied().collect()
    };
    let (floats32, floats64) = (floats(&rows32), floats(&rows64));
    let units = |rows: &[&'static Row]| -> Vec<&'static Row> {
        let is_unit = |row: &&Row| row.map == x86_decode::Map::OneByte && row.opcode & 0xf8 == 0xd8;
        rows.iter().copied().filter(is_unit).collect()
    };
    let (units32, units64) = (units(&rows32), units(&rows64));
    assert!(units32.len() > 50, "{} rows", units32.len());
    assert!(floats32.len() > 50, "{} rows", floats32.len());
    println!("{} and {} rows", rows32.len(), rows64.len());
    assert!(rows32.len() > 100 && rows64.len() > 100, "{} and {} rows", rows32.len(), rows64.len());
    let mut host = Host::new();
    let mut rng = Rng::new(number("SEED", 7));
    let mut theirs = Theirs::new();
    let (mut done, mut left_at_once, mut blocks) = (0, 0, 0);
    for n in 0..number("MODULES", MODULES) {
        host.renew(n);
        let mut cases = Vec::new();
        for n in 0..REGIONS {
            // Every other pair is of floating-point instructions: chance alone gives few results that are operands of others.
            let (mode, rows) = match n % 6 {
                4 => (Mode::Bits32, &units32),
                5 => (Mode::Bits64, &units64),
                0 => (Mode::Bits32, &rows32),
                1 => (Mode::Bits64, &rows64),
                2 => (Mode::Bits32, &floats32),
                _ => (Mode::Bits64, &floats64),
            };
            let mut bytes = code(&mut rng, rows, mode);
            bytes.resize(CODE_LEN, 0xcc);
            let region = discover_any(&mut rng, &bytes, CODE, mode, Targets::default());
            cases.push((mode, region, bytes));
        }
        let regions: Vec<Region> = cases.iter().map(|(_, region, _)| region.clone()).collect();
        blocks += regions.iter().map(|region| region.blocks.len()).sum::<usize>();
        let mut wasm = Wasm::with(&host, &regions);
        for (number, (mode, region, bytes)) in cases.iter().enumerate() {
            let function = wasm.function(number as u64);
            for _ in 0..4 {
                let ours = (&mut wasm, &function, 0);
                let count = theirs.compare(&mut rng, ours, (*mode, bytes, core::slice::from_ref(region)));
                done += count;
                left_at_once += i64::from(count == 0);
            }
        }
    }
    println!("{blocks} blocks, {done} instructions, {left_at_once} runs left at once");
    assert!(done > 20_000, "{done}");
}

/// Whether an instruction mostly goes well, and leaves the stack pointer about where it is.
fn is_tame(insn: &Insn, rng: &mut Rng) -> bool {
    let wild = |operand: &Operand| match operand {
        Operand::Mem(_) => true,
        Operand::Reg(Reg::Gpr8(n) | Reg::Gpr16(n) | Reg::Gpr32(n) | Reg::Gpr64(n)) => *n == 4,
        _ => false,
    };
    let next = matches!(insn.row.flow, x86_decode::Flow::Next);
    let moves_stack = matches!(insn.op, Op::Leave | Op::Enter | Op::Popa | Op::Pusha);
    next && !moves_stack && (rng.one_in(30) || !insn.operands.iter().any(wild))
}

/// Functions that call each other, directly or by a register, jump to each other, and return.
fn functions(rng: &mut Rng, rows: &[&Row], mode: Mode) -> Vec<u8> {
    let mut all = Vec::new();
    for number in 0..FUNCTIONS {
        let start = all.len();
        // The last one is small and calls none.
        let leaf = number == FUNCTIONS - 1;
        for _ in 0..if leaf { 1 } else { 2 + rng.below(4) } {
            let most = all.len() + rng.below(30) as usize;
            while all.len() < most {
                let row = rows[rng.below(rows.len() as u64) as usize];
                let Some(case) = forms::build(rng, row, mode) else { continue };
                let Ok(insn) = decode(&case.bytes, mode) else { continue };
                if takes(&insn, setting(mode)) && is_tame(&insn, rng) {
                    all.extend(case.bytes);
                }
            }
            if leaf {
                break;
            }
            let to = if rng.one_in(3) {
                FUNCTIONS - 1
            } else if rng.one_in(4) {
                rng.below(FUNCTIONS)
            } else {
                (number + 1) % FUNCTIONS
            };
            let to = CODE + to * FUNCTION;
            let here = CODE + all.len() as u64;
            match rng.below(10) {
                8 | 9 => {
                    // To one of four: `and eax, 3; shl eax, 8; add eax, CODE; jmp eax`, or `call`.
                    all.extend([0x83, 0xe0, 3, 0xc1, 0xe0, 8, 0x05]);
                    all.extend((CODE as u32).to_le_bytes());
                    all.extend([0xff, if rng.one_in(2) { 0xe0 } else { 0xd0 }]);
                }
                0 => {
                    all.push(0xb8);
                    all.extend((to as u32).to_le_bytes());
                    // To wherever EAX says: `call`, `jmp`.
                    all.extend([0xff, if rng.one_in(3) { 0xe0 } else { 0xd0 }]);
                }
                1 => all.push(0xc3),
                2 => all.extend([0x39, 0xc8, 0x70 | rng.below(16) as u8, 5]),
                _ => {
                    all.push(0xe8);
                    all.extend((to.wrapping_sub(here + 5) as u32).to_le_bytes());
                }
            }
        }
        all.push(0xc3);
        all.resize(start + FUNCTION as usize, 0xc3);
    }
    all.resize(CODE_LEN, 0xcc);
    all
}

#[test]
fn calls_and_jumps_between_regions() {
    let mut host = Host::new();
    let mut rng = Rng::new(number("SEED", 11));
    let mut theirs = Theirs::new();
    let (rows32, rows64) = (rows(Mode::Bits32), rows(Mode::Bits64));
    let (mut done, mut switches, mut inline, mut guesses, mut followers) = (0, 0, 0, 0, 0);
    for n in 0..number("LINKED", LINKED) {
        host.renew(n);
        let mode = if n & 1 == 0 { Mode::Bits32 } else { Mode::Bits64 };
        let bytes = functions(&mut rng, if n & 1 == 0 { &rows32 } else { &rows64 }, mode);
        let mut regions: Vec<Region> = (0..FUNCTIONS)
            .map(|n| {
                let known = (0..FUNCTIONS).filter(|_| rng.one_in(3)).map(|n| CODE + n * FUNCTION).collect();
                let targets = Targets { known, learn: rng.one_in(2) };
                discover_any(&mut rng, &bytes, CODE + n * FUNCTION, mode, targets)
            })
            .collect();
        let insns = regions.iter().flat_map(|region| &region.blocks).flat_map(|block| &block.insns);
        inline += insns.filter(|at| at.stays.is_some()).count();
        for block in regions.iter().flat_map(|region| &region.blocks) {
            match block.end {
                End::Indirect { .. } => followers += block.guesses.len(),
                _ => guesses += block.guesses.len(),
            }
        }
        switches += regions.iter().filter(|region| !region.arms.is_empty()).count();
        // Some have others at their address in the same module.
        if rng.one_in(3) {
            regions.push(regions[1].clone());
        }
        let mut wasm = Wasm::with(&host, &regions);
        let mut first = 0;
        for region in &regions {
            for (pc, entrance) in region.entrances(first) {
                // Nobody lets code be found that does nothing.
                if region.is_empty() || rng.one_in(8) {
                    continue;
                }
                wasm.announce(pc, entrance);
            }
            first += region.functions();
        }
        let function = wasm.function(0);
        for depth in [1, 3, 12, 12] {
            done += theirs.compare(&mut rng, (&mut wasm, &function, depth), (mode, &bytes, &regions));
        }
    }
    println!(
        "{done} instructions, {switches} switches, {inline} calls and returns within, {guesses} guesses, {followers} followers"
    );
    assert!(done > 10_000 && switches > 100 && inline > 1000, "{done}, {switches}, {inline}");
    assert!(guesses > 100 && followers > 100, "{guesses}, {followers}");
}

/// And where an indirect jump goes; in the best one, a short handler of an interpreter follows the jump directly, and the jump behind it, three times in all.
#[test]
fn indirect_jumps_are_followed() {
    for mode in [Mode::Bits32, Mode::Bits64] {
        // jmp eax; at a function: inc ecx; jmp eax.
        let mut bytes = vec![0xcc; CODE_LEN];
        bytes[..2].copy_from_slice(&[0xff, 0xe0]);
        let handler = CODE + FUNCTION;
        bytes[FUNCTION as usize..][..4].copy_from_slice(&[0xff, 0xc1, 0xff, 0xe0]);
        let code = Bytes(&bytes, Targets { known: vec![handler], learn: false });
        let quick = Region::discover_quick(&code, CODE, setting(mode), FeatureSet::ALL, 9);
        let best = discover_with(&bytes, CODE, mode, code.1.clone());
        let followers = best.blocks.iter().flat_map(|block| &block.guesses);
        let copies: BTreeSet<usize> = followers.map(|(_, block)| *block).collect();
        // Those of the entry's jump, and those of the arm's.
        assert_eq!((copies.len(), best.arms.len()), (6, 2));
        let host = Host::new();
        let mut wasm = Wasm::with(&host, core::slice::from_ref(&quick));
        let translated = wasm.function(0);
        let mut cpu = CpuState::new(cpu_mode(mode));
        (cpu.rip, cpu.gpr[0]) = (CODE, handler);
        wasm.run(&translated, 12, &mut cpu, &bytes, &mut [0; DATA_LEN]);
        assert_eq!((cpu.rip, wasm.called()), (handler, vec![handler]));
    }
}

/// Code of the quick tier notes where an indirect call goes; of the best one, the function there is part of the region.
#[test]
fn indirect_calls_are_noted() {
    let host = Host::new();
    let mut rng = Rng::new(number("SEED", 23));
    let mut theirs = Theirs::new();
    for mode in [Mode::Bits32, Mode::Bits64] {
        // mov eax, [ebx]; call eax; hlt; at the last of the functions: inc ecx; ret.
        let mut bytes = vec![0xcc; CODE_LEN];
        bytes[..5].copy_from_slice(&[0x8b, 0x03, 0xff, 0xd0, 0xf4]);
        let function = ((FUNCTIONS - 1) * FUNCTION) as usize;
        bytes[function..function + 3].copy_from_slice(&[0xff, 0xc1, 0xc3]);
        let quick = Region::discover_quick(
            &Bytes(&bytes, Targets::default()),
            CODE,
            setting(mode),
            FeatureSet::ALL,
            9,
        );
        let best = discover(&bytes, CODE, mode);
        assert_eq!(quick.instructions(), 2);
        let entry = CODE + function as u64;
        let guesses: Vec<u64> =
            best.blocks.iter().flat_map(|block| &block.guesses).map(|guess| guess.0).collect();
        assert_eq!(guesses, [entry]);
        for (region, noted) in [(quick, true), (best, false)] {
            let mut wasm = Wasm::with(&host, core::slice::from_ref(&region));
            let translated = wasm.function(0);
            let mut cpu = CpuState::new(cpu_mode(mode));
            (cpu.rip, cpu.gpr[3], cpu.gpr[4]) = (CODE, DATA, DATA + 0x800);
            let mut data = vec![0; DATA_LEN];
            data[..4].copy_from_slice(&(entry as u32).to_le_bytes());
            wasm.run(&translated, 12, &mut cpu, &bytes, &mut data);
            assert_eq!(wasm.called(), if noted { vec![entry] } else { vec![] });
            // The function has run where it is part of the region, and control is behind the call.
            let done = if noted { (0, entry) } else { (1, CODE + 4) };
            assert_eq!((cpu.gpr[1], cpu.rip), done);
            for _ in 0..50 {
                let ours = (&mut wasm, &translated, 12);
                theirs.compare(&mut rng, ours, (mode, &bytes, core::slice::from_ref(&region)));
            }
        }
    }
}

/// `memmove` towards higher addresses: DF is set for a while, and jumps are made meanwhile.
#[test]
fn copies_backwards() {
    let host = Host::new();
    let mut rng = Rng::new(number("SEED", 13));
    let mut theirs = Theirs::new();
    let mut done = 0;
    for mode in [Mode::Bits32, Mode::Bits64] {
        // and ecx, 31; std; [rep movs; rep stos; single ones; jc over one, lods, scas; movs, dec ecx, jg back]; movs; cld; inc eax; movs.
        let strings: [&[u8]; 7] = [
            &[0xf3, 0xa5],
            &[0xf3, 0xa4],
            &[0xf3, 0xaa],
            &[0xa4],
            &[0x66, 0xab],
            &[0x72, 1, 0xac, 0xaf],
            &[0xa4, 0xff, 0xc9, 0x7f, 0xfb],
        ];
        for string in strings {
            let mut bytes = [&[0x83, 0xe1, 31, 0xfd], string, &[0xa5, 0xfc, 0xff, 0xc0, 0xa4]].concat();
            bytes.resize(CODE_LEN, 0xcc);
            let code = Bytes(&bytes, Targets::default());
            let quick = Region::discover_quick(&code, CODE, setting(mode), FeatureSet::ALL, 99);
            for region in [quick, discover(&bytes, CODE, mode)] {
                assert_eq!(region.blocks.iter().filter(|block| block.pc == CODE).count(), 1);
                let mut wasm = Wasm::with(&host, core::slice::from_ref(&region));
                // Where DF is set, no other code will do, not even what there is.
                wasm.improve();
                for block in region.blocks.iter().filter(|block| block.down) {
                    wasm.announce(block.pc, Entrance { slot: 0, block: 0 });
                }
                done += theirs.compare_times(60, &mut rng, &mut wasm, (mode, &bytes, &region));
            }
        }
    }
    // At the least, half of the runs that are not without the page get to the end.
    assert!(done > 7 * 2 * 2 * 60 * 3, "{done}");
}

/// `rep scas` over what `rep stos` has written, and a bit of what is behind it or not.
#[test]
fn scans_bytes() {
    let host = Host::new();
    let mut rng = Rng::new(number("SEED", 23));
    let mut theirs = Theirs::new();
    let mut done = 0;
    for mode in [Mode::Bits32, Mode::Bits64] {
        // repne; rep; a word at a time, which is left; backwards, which is left.
        let scans: [&[u8]; 4] =
            [&[0xf2, 0xae], &[0xf3, 0xae], &[0x66, 0xf2, 0xaf], &[0xfd, 0xf3, 0xae, 0xfc]];
        for scan in scans {
            // movzx ecx, dl; mov ebx, edi; and ebp, 127; rep stosb; [rep scas]; lea ecx, [ebp + edx]; mov edi, ebx; inc al or not; [rep scas].
            let fill = [0x0f, 0xb6, 0xca, 0x89, 0xfb, 0x83, 0xe5, 0x7f, 0xf3, 0xaa];
            for other in [&[0xfe, 0xc0][..], &[]] {
                let again: [&[u8]; 4] =
                    [&[0x8d, 0x4c, 0x15, 0, 0x89, 0xdf], other, scan, &[0x0f, 0x92, 0xc4]];
                let mut bytes = [&fill[..], scan, &again.concat()].concat();
                bytes.resize(CODE_LEN, 0xcc);
                let region = discover_any(&mut rng, &bytes, CODE, mode, Targets::default());
                let mut wasm = Wasm::with(&host, core::slice::from_ref(&region));
                done += theirs.compare_times(100, &mut rng, &mut wasm, (mode, &bytes, &region));
            }
        }
    }
    assert!(done > 2 * 4 * 2 * 100 * 40, "{done}");
}

/// The largest numbers of each precision are stored as all others are, and what is rounded up beyond them is not.
#[test]
fn stores_the_largest_numbers() {
    let host = Host::new();
    let mut rng = Rng::new(number("SEED", 19));
    // fst dword [ebx]; fst qword [ebx].
    for (store, exponent, kept) in [([0xd9, 0x13], 0x407e_u16, 24), ([0xdd, 0x13], 0x43fe, 53)] {
        let bytes = [&store[..], &[0xcc; CODE_LEN - 2]].concat();
        let region = discover(&bytes, CODE, Mode::Bits32);
        let mut wasm = Wasm::with(&host, core::slice::from_ref(&region));
        let function = wasm.function(0);
        let mut stored = |kept: u32, exponent: u16| {
            let mut cpu = CpuState::new(cpu_mode(Mode::Bits32));
            (cpu.rip, cpu.gpr[3]) = (CODE, DATA);
            tame_unit(&mut rng, &mut cpu.fpu);
            cpu.fpu.in_use = 0xff;
            let top = cpu.fpu.top();
            cpu.fpu.registers[top] = F80 { mantissa: u64::MAX << (64 - kept), sign_exponent: exponent };
            wasm.map(DATA >> 12, PAGES + CODE_LEN, true);
            wasm.run(&function, 0, &mut cpu, &bytes, &mut vec![0; DATA_LEN])
        };
        let done = [
            (kept, exponent),
            (kept - 1, exponent),
            (kept + 1, exponent),
            (kept + 1, exponent - 1),
            (1, exponent + 1),
        ];
        assert_eq!(done.map(|(kept, exponent)| stored(kept, exponent)), [1, 1, 0, 1, 0]);
    }
}

/// A denormal result that is rounded up to the smallest normal number is reported, so it is left to the interpreter.
#[test]
fn tiny_results_are_left() {
    let host = Host::new();
    // divsd xmm0, xmm1; divss xmm0, xmm1.
    for (prefix, largest, two, three) in [
        (0xf2, (1_u128 << 53) - 1, 2_f64.to_bits(), 3_f64.to_bits()),
        (0xf3, (1 << 24) - 1, 2_f32.to_bits().into(), 3_f32.to_bits().into()),
    ] {
        let bytes = [&[prefix, 0x0f, 0x5e, 0xc1][..], &[0xcc; CODE_LEN - 4]].concat();
        let region = discover(&bytes, CODE, Mode::Bits32);
        let mut wasm = Wasm::with(&host, core::slice::from_ref(&region));
        let function = wasm.function(0);
        let done = [largest, three.into()].map(|dividend| {
            let mut cpu = CpuState::new(cpu_mode(Mode::Bits32));
            (cpu.rip, cpu.mxcsr) = (CODE, mxcsr::PRECISE);
            (cpu.xmm[0], cpu.xmm[1]) = (dividend, two.into());
            wasm.run(&function, 0, &mut cpu, &bytes, &mut vec![0; DATA_LEN])
        });
        assert_eq!(done, [0, 1]);
    }
}

/// Conversions to integers as compilers make them: the control word is changed and changed back.
#[test]
fn converts_as_c_does() {
    let host = Host::new();
    let mut rng = Rng::new(number("SEED", 17));
    let mut theirs = Theirs::new();
    let mut done = 0;
    // fnstcw [ebx]; movzx eax, word [ebx]; or ah, 12; mov [ebx+2], ax; fldcw [ebx+2]; …; fldcw [ebx]; fnstcw [ebx+12].
    let before = [0xd9, 0x3b, 0x0f, 0xb7, 0x03, 0x80, 0xcc, 12, 0x66, 0x89, 0x43, 2, 0xd9, 0x6b, 2];
    let behind = [0xd9, 0x2b, 0xd9, 0x7b, 12];
    // fistp of three sizes; fist and fstp of a double, which is rounded; fldpi and fldlg2, which are.
    let stores: [&[u8]; 6] = [
        &[0xdb, 0x5b, 4],
        &[0xdf, 0x5b, 4],
        &[0xdf, 0x7b, 4],
        &[0xdb, 0x53, 4, 0xdd, 0x5b, 4],
        &[0xdd, 0xd8, 0xd9, 0xeb],
        &[0xdd, 0xd8, 0xd9, 0xec],
    ];
    for (mode, store) in
        [Mode::Bits32, Mode::Bits64].into_iter().flat_map(|mode| stores.map(|store| (mode, store)))
    {
        let mut bytes = [&before[..], store, &behind, &[0xd8, 0xc1]].concat();
        bytes.resize(CODE_LEN, 0xcc);
        let region = discover(&bytes, CODE, mode);
        let mut wasm = Wasm::with(&host, core::slice::from_ref(&region));
        done += theirs.compare_times(100, &mut rng, &mut wasm, (mode, &bytes, &region));
    }
    assert!(done > 8 * 100 * 2, "{done}");
}
