//! Random sequences of instructions: valid ones with random operands, changed and invalid bytes, jumps among them.
//!
//! A sequence is used only if nothing in it depends on what the manual leaves undefined or on the machine: [`Flow`] follows
//! every path through it and says which flags are undefined where.

mod system;

use crate::forms::{self, Case};
use crate::layout::{CODE, CODE_LEN, TARGET_GAP};
use crate::rng::Rng;
use crate::skips;
use crate::state::{State, random_address, random_data};
use std::collections::BTreeMap;
use x86_decode::{
    DecodeError, FeatureSet, FlagSet, Insn, Mode, NO_REG, Op, Operand, RIP, ROWS, Reg, Rep, Row, Seg, Width,
    decode_for,
};

/// Instructions of a sequence at most, without those that load registers for others.
const LONGEST: u64 = 20;
/// Bytes of a sequence at most.
const ROOM: usize = 400;

/// A sequence and what it starts from.
#[derive(Clone, Debug)]
pub struct Sequence {
    /// The code, to stand at [`CODE`].
    pub bytes: Vec<u8>,
    /// Registers before.
    pub state: State,
    /// The data page before.
    pub data: Vec<u8>,
    /// Its paths.
    pub flow: Flow,
}

/// What can be said of a sequence without running it.
#[derive(Clone, Debug)]
pub struct Flow {
    /// Flags that are undefined before the instruction at an offset.
    undefined: BTreeMap<usize, FlagSet>,
    /// Flags that are undefined behind any instruction.
    behind: FlagSet,
    /// Some jump goes where a register or the stack says.
    dynamic: bool,
}

impl Flow {
    /// Flags that are undefined anywhere.
    pub fn undefined(&self) -> FlagSet {
        self.undefined.values().fold(FlagSet::NONE, |all, set| all.or(*set)).or(self.behind)
    }

    /// Flags that are undefined at an address: before an instruction, or anywhere.
    pub fn undefined_at(&self, rip: u64) -> FlagSet {
        match self.undefined.get(&(rip.wrapping_sub(CODE) as usize)) {
            Some(undefined) if !self.dynamic => *undefined,
            _ => self.undefined(),
        }
    }

    /// Whether an instruction starts at an address, or code is left there.
    pub fn knows(&self, rip: u64) -> bool {
        self.undefined.contains_key(&(rip.wrapping_sub(CODE) as usize))
    }

    /// Follows every path; none if something on one depends on what is undefined, or is not compared.
    fn of(bytes: &[u8], mode: Mode, features: FeatureSet) -> Option<Flow> {
        let mut flow = Flow { undefined: BTreeMap::new(), behind: FlagSet::NONE, dynamic: false };
        let mut pending = vec![(0, FlagSet::NONE)];
        let mut reads = FlagSet::NONE;
        let mut targets = Vec::new();
        let mut images = Vec::new();
        let mut spans = Vec::new();
        while let Some((at, undefined)) = pending.pop() {
            let known = flow.undefined.get(&at).copied();
            let all = known.unwrap_or(FlagSet::NONE).or(undefined);
            if known == Some(all) {
                continue;
            }
            flow.undefined.insert(at, all);
            if at == bytes.len() || at == bytes.len() + TARGET_GAP as usize {
                continue;
            }
            let insn = match decode_for(bytes.get(at..)?, mode, features) {
                Ok(insn) => insn,
                Err(DecodeError::Invalid) if !is_newer(&bytes[at..], mode) => continue,
                // What goes on behind the end is not the same on both sides.
                Err(_) => return None,
            };
            spans.push((at, at + usize::from(insn.len)));
            let flags = insn.flags();
            if system::is_xsave(insn.op) {
                if !system::asks_for_known_components(bytes, at) {
                    return None;
                }
                images.push(at);
            }
            if insn.op == Op::Iret && !system::returns_without_alignment_check(bytes, at) {
                return None;
            }
            if left_out(&insn, mode)
                || sees_code(&insn, at)
                || !flags.read.and(all).and(FlagSet::STATUS).is_empty()
            {
                return None;
            }
            let next = at + usize::from(insn.len);
            let settled = flags.written.without(flags.kept);
            let after = all.without(settled).or(flags.undefined.and(FlagSet::STATUS));
            use x86_decode::Flow::{IndirectBranch, IndirectCall, Ret};
            let far = matches!(insn.op, Op::JmpFar | Op::CallFar | Op::Retf | Op::Iret);
            flow.dynamic |= far || matches!(insn.row.flow, IndirectBranch | IndirectCall | Ret);
            reads = reads.or(flags.read.and(FlagSet::STATUS));
            flow.behind = flow.behind.or(after);
            if let Operand::Rel(distance) = insn.operands[0] {
                let target = i64::try_from(next).ok()? + distance;
                if insn.width == Width::W16 {
                    return None;
                }
                match usize::try_from(target) {
                    Ok(target) if target <= bytes.len() + TARGET_GAP as usize => {
                        targets.push(target);
                        pending.push((target, after));
                    }
                    // Outside of the code page nothing is mapped.
                    _ if !(-64..0x1f00).contains(&target) => {}
                    _ => return None,
                }
            }
            // Far transfers lead to what follows them.
            if goes_on(&insn) || far {
                pending.push((next, after));
            }
        }
        // What is asked for must not depend on the way there.
        let settled = |at: &usize| {
            let own = at.saturating_sub(system::IMAGE_LEN)..=*at;
            !targets.iter().any(|target| own.contains(target)) && system::is_reached_through_both(&spans, *at)
        };
        if !images.is_empty() && (flow.dynamic || !images.iter().all(settled)) {
            return None;
        }
        // A return may lead from any instruction to any other.
        if flow.dynamic && !reads.and(flow.behind).is_empty() {
            return None;
        }
        Some(flow)
    }
}

/// Whether what follows an instruction may be next; behind a call, by a return.
fn goes_on(insn: &Insn) -> bool {
    use x86_decode::Flow::{Call, CondBranch, IndirectCall, Next};
    matches!(insn.row.flow, Next | CondBranch | Call | IndirectCall) || insn.op == Op::Into
}

/// Whether bytes that we do not know are an instruction elsewhere, or would be without their prefixes: what a processor makes
/// of `vmcall` with 66 is its hypervisor's affair too.
fn is_newer(bytes: &[u8], mode: Mode) -> bool {
    let prefix = |byte: &u8| {
        matches!(byte, 0x26 | 0x2e | 0x36 | 0x3e | 0x64..=0x67 | 0xf0 | 0xf2 | 0xf3)
            || mode == Mode::Bits64 && byte & 0xf0 == 0x40
    };
    let opcode = bytes.iter().position(|byte| !prefix(byte)).unwrap_or(bytes.len());
    is_known_elsewhere(bytes, mode) || is_known_elsewhere(&bytes[opcode..], mode)
}

fn is_known_elsewhere(bytes: &[u8], mode: Mode) -> bool {
    let bits = if mode == Mode::Bits64 { 64 } else { 32 };
    let mut padded = bytes.to_vec();
    padded.resize(bytes.len().max(16), 0);
    let options = iced_x86::DecoderOptions::NONE;
    !iced_x86::Decoder::with_ip(bits, &padded, 0, options).decode().is_invalid()
}

/// Operations that rows leave out, since with random operands they do nothing but fault or enter the host's kernel.
const OF_SYSTEM: &[Op] = &[
    Op::Syscall,
    Op::Int,
    Op::JmpFar,
    Op::CallFar,
    Op::Retf,
    Op::Iret,
    Op::Lds,
    Op::Les,
    Op::Lss,
    Op::Lfs,
    Op::Lgs,
    Op::Lar,
    Op::Lsl,
    Op::Verr,
    Op::Verw,
];

/// What is not in sequences.
fn left_out(insn: &Insn, mode: Mode) -> bool {
    let seg = |operand: &Operand| match operand {
        Operand::Reg(Reg::Seg(_)) => true,
        // Where the host's threads keep theirs.
        Operand::Mem(mem) => matches!(mem.seg, Seg::Fs | Seg::Gs),
        _ => false,
    };
    let through_host = matches!(insn.seg, Seg::Fs | Seg::Gs) && insn.row.memory != x86_decode::Access::None
        || insn.operands.iter().any(|operand| !matches!(operand, Operand::Reg(_)) && seg(operand));
    let narrow = insn.width == Width::W16;
    if through_host {
        return true;
    }
    match insn.op {
        op if OF_SYSTEM.contains(&op) => false,
        Op::Shld | Op::Shrd => narrow,
        // A fault may leave part of the work behind.
        Op::F2xm1 | Op::Fyl2xp1 => true,
        Op::Ret | Op::Call | Op::Jmp => narrow && mode != Mode::Bits64,
        op => skips::reason_of(op).is_some() || skips::is_near(op) || skips::faults_freely(op),
    }
}

/// Whether it reads or writes the code page at an address that it names itself: what follows the sequence differs.
fn sees_code(insn: &Insn, at: usize) -> bool {
    let next = CODE + at as u64 + u64::from(insn.len);
    let address = |operand: &Operand| match operand {
        Operand::Mem(mem) if mem.base == RIP => Some(next.wrapping_add(mem.disp as u64)),
        Operand::Mem(mem) if mem.base == NO_REG && mem.index == NO_REG => Some(mem.disp as u64),
        _ => None,
    };
    let page = CODE - 64..CODE + CODE_LEN as u64;
    insn.operands.iter().filter_map(address).any(|address| page.contains(&address))
}

/// Makes sequences for one mode.
#[derive(Clone, Debug)]
pub struct Generator {
    mode: Mode,
    features: FeatureSet,
    integer: Vec<&'static Row>,
    all: Vec<&'static Row>,
}

impl Generator {
    /// Of instructions that a processor with these features has.
    pub fn new(mode: Mode, features: FeatureSet) -> Generator {
        let usable = |row: &&Row| {
            let stays = skips::reason(row).is_none() || OF_SYSTEM.contains(&row.op);
            features.contains(row.features()) && stays && !row.privileged && !skips::is_near(row.op)
        };
        let all: Vec<_> = ROWS.iter().filter(usable).collect();
        let integer = |row: &&&Row| !row.map.is_vex() && row.prefix == x86_decode::Prefix::Any;
        Generator { mode, features, integer: all.iter().filter(integer).copied().collect(), all }
    }

    /// The next one.
    pub fn draw(&self, rng: &mut Rng) -> Sequence {
        loop {
            if let Some(sequence) = self.attempt(rng) {
                return sequence;
            }
        }
    }

    fn attempt(&self, rng: &mut Rng) -> Option<Sequence> {
        let mut state = State::random(rng);
        state.gpr[4] = random_address(rng, 64) & !7;
        state.gpr[5] = random_address(rng, 64) & !7;
        state.gpr[6] = random_address(rng, 16);
        state.gpr[7] = random_address(rng, 16);
        if rng.one_in(8) {
            // AC.
            state.rflags |= 1 << 18;
        }
        let mut making = Making {
            generator: self,
            state,
            bytes: Vec::new(),
            starts: Vec::new(),
            jumps: Vec::new(),
            used: 0xf0,
            undefined: FlagSet::NONE,
        };
        let count = 2 + rng.below(LONGEST - 1);
        for _ in 0..count {
            making.starts.push(making.bytes.len());
            match rng.below(20) {
                0 => {
                    let len = 1 + rng.below(6) as usize;
                    making.bytes.extend(&rng.bits().to_le_bytes()[..len]);
                }
                1 | 2 => making.changed(rng),
                3 | 4 => making.jump(rng),
                5 => making.system(rng),
                _ => making.instruction(rng),
            }
            if making.bytes.len() > ROOM {
                break;
            }
        }
        making.aim(rng);
        let Making { mut state, bytes, .. } = making;
        let flow = Flow::of(&bytes, self.mode, self.features)?;
        if self.mode == Mode::Bits32 {
            state.drop_long_registers();
        }
        Some(Sequence { bytes, state, data: random_data(rng), flow })
    }
}

/// A sequence in the making.
struct Making<'a> {
    generator: &'a Generator,
    state: State,
    bytes: Vec<u8>,
    /// Where groups of instructions start that belong together.
    starts: Vec<usize>,
    /// Displacements of jumps: where they stand and how long they are.
    jumps: Vec<(usize, usize)>,
    /// Registers whose value at the start is settled.
    used: u32,
    /// Flags that are undefined here, seen without jumps.
    undefined: FlagSet,
}

impl Making<'_> {
    fn case(&self, rng: &mut Rng) -> Option<Case> {
        let rows = if rng.one_in(2) { &self.generator.integer } else { &self.generator.all };
        let row = rng.pick(rows);
        // Far enough for what loads its registers; a displacement is corrected later.
        forms::build_at(rng, row, self.generator.mode, CODE + self.bytes.len() as u64)
    }

    fn instruction(&mut self, rng: &mut Rng) {
        let Some(case) = self.case(rng) else { return };
        let flags = case.insn.flags();
        if !flags.read.and(self.undefined).is_empty() {
            // cmp eax, ecx
            self.bytes.extend([0x39, 0xc8]);
            self.undefined = FlagSet::NONE;
        }
        let mut pins = case.pins.clone();
        if case.insn.rep != Rep::None || matches!(case.insn.op, Op::Loop | Op::Loope | Op::Loopne) {
            pins.push((1, rng.below(20)));
        }
        for (register, value) in pins {
            self.pin(rng, register, value);
        }
        for &(register, value) in &case.vectors {
            self.state.set_ymm(register.into(), value);
        }
        self.undefined = self
            .undefined
            .without(flags.written.without(flags.kept))
            .or(flags.undefined.and(FlagSet::STATUS));
        self.append(&case);
    }

    /// Appends an instruction that was made for some place before.
    fn append(&mut self, case: &Case) {
        let mut bytes = case.bytes.clone();
        let here = CODE + self.bytes.len() as u64;
        let len = bytes.len();
        match case.insn.operands.iter().find(|operand| matches!(operand, Operand::Rel(_) | Operand::Mem(_))) {
            Some(Operand::Rel(distance)) => {
                let size = if bytes.ends_with(&(*distance as i32).to_le_bytes()) { 4 } else { 1 };
                self.jumps.push((self.bytes.len() + len - size, size));
            }
            Some(Operand::Mem(mem)) if mem.base == RIP => {
                let old = (mem.disp as i32).to_le_bytes();
                let target = case.address.unwrap_or(0);
                let new = (target.wrapping_sub(here + len as u64) as i32).to_le_bytes();
                if let Some(at) = bytes.windows(4).rposition(|window| window == old) {
                    bytes[at..at + 4].copy_from_slice(&new);
                }
            }
            _ => {}
        }
        for operand in &case.insn.operands {
            if let Operand::Reg(Reg::Gpr16(n) | Reg::Gpr32(n) | Reg::Gpr64(n) | Reg::Gpr8(n)) = operand {
                self.used |= 1 << n;
            }
        }
        self.bytes.extend(bytes);
    }

    /// Sees to it that a register holds a value, mostly.
    fn pin(&mut self, rng: &mut Rng, register: u8, value: u64) {
        if self.used >> register & 1 == 0 && !rng.one_in(4) {
            self.used |= 1 << register;
            self.state.gpr[usize::from(register)] = value;
            return;
        }
        if rng.one_in(12) {
            return;
        }
        // mov r, imm
        if self.generator.mode == Mode::Bits64 {
            self.bytes.extend([0x48 | register >> 3, 0xb8 | register & 7]);
            self.bytes.extend(value.to_le_bytes());
        } else {
            self.bytes.push(0xb8 | register & 7);
            self.bytes.extend((value as u32).to_le_bytes());
        }
        self.used |= 1 << register;
    }

    /// An instruction with another prefix, or with some bits changed.
    fn changed(&mut self, rng: &mut Rng) {
        let Some(case) = self.case(rng) else { return };
        for &(register, value) in &case.pins {
            self.pin(rng, register, value);
        }
        let mut bytes = case.bytes;
        if rng.one_in(2) {
            let prefixes =
                [0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x2e, 0x36, 0x3e, 0x26, 0x40, 0x41, 0x48, 0x4f, 0x0f];
            bytes.insert(0, rng.pick(&prefixes));
        } else {
            let at = rng.below(bytes.len() as u64) as usize;
            bytes[at] ^= 1 << rng.below(8);
        }
        self.bytes.extend(bytes);
        self.undefined = FlagSet::STATUS;
    }

    fn jump(&mut self, rng: &mut Rng) {
        let condition = rng.below(17) as u8;
        if condition < 16 && !self.undefined.is_empty() {
            // cmp eax, ecx
            self.bytes.extend([0x39, 0xc8]);
            self.undefined = FlagSet::NONE;
        }
        self.bytes.push(if condition < 16 { 0x70 | condition } else { 0xeb });
        self.jumps.push((self.bytes.len(), 1));
        self.bytes.push(0);
    }

    /// Gives the jumps their targets: the start of something later, or the way out.
    fn aim(&mut self, rng: &mut Rng) {
        let end = self.bytes.len();
        for (at, size) in core::mem::take(&mut self.jumps) {
            let next = at + size;
            let later: Vec<usize> = self.starts.iter().copied().filter(|start| *start >= next).collect();
            let target = match rng.below(6) {
                0 => end + TARGET_GAP as usize,
                1 => end,
                _ if later.is_empty() => end,
                _ => rng.pick(&later),
            };
            let distance = (target - next) as i32;
            let distance = if size == 1 { distance.min(127) } else { distance };
            self.bytes[at..next].copy_from_slice(&distance.to_le_bytes()[..size]);
        }
    }
}
