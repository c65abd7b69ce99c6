//! The stream of trials of a row: an instruction, a state and a data page that suit it, from the row's own seed.
//!
//! It depends on the row alone, not on the machine it is drawn on, so that outcomes recorded on one can be compared
//! anywhere (see [`crate::vectors`]).

use crate::forms::{self, Case};
use crate::layout::{CODE, TARGET_GAP};
use crate::rng::Rng;
use crate::skips;
use crate::state::{State, random_address, random_data};
use x86_cpu::xstate;
use x86_decode::{Flow, Mode, Op, Operand, Reg, Rep, Row, Width};

/// One instruction and what it runs on.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The instruction.
    pub case: Case,
    /// Registers before.
    pub state: State,
    /// The data page before.
    pub data: Vec<u8>,
}

/// Why there is no trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoTrial {
    /// The row cannot be encoded in the mode.
    Unencodable,
    /// This one is not compared; the next may be.
    Skipped,
}

/// A row's trials in one mode.
#[derive(Clone, Debug)]
pub struct Trials {
    rng: Rng,
    row: &'static Row,
    mode: Mode,
}

/// Identifies a row by what it says, so that rows added elsewhere in the table change nothing.
pub fn key(row: &Row) -> u32 {
    let text = format!(
        "{} {:?} {:x} {} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        row.op.name(),
        row.map,
        row.opcode,
        row.plus_reg,
        row.prefix,
        row.modrm,
        row.digit,
        row.modes,
        row.operand_size,
        row.vex_l,
        row.rex_w,
        row.rex_b,
        row.size,
        row.args,
    );
    crate::vectors::digest(text.as_bytes()) as u32
}

impl Trials {
    /// From the beginning.
    pub fn new(row: &'static Row, mode: Mode) -> Trials {
        Trials { rng: Rng::new(u64::from(key(row)) << 8 | mode as u64), row, mode }
    }

    /// The next one.
    pub fn draw(&mut self) -> Result<Trial, NoTrial> {
        let (row, mode, rng) = (self.row, self.mode, &mut self.rng);
        let case = forms::build(rng, row, mode).ok_or(NoTrial::Unencodable)?;
        let (state, data) = prepare(rng, row, &case, mode);
        if skips::case(row, &case, &state) {
            return Err(NoTrial::Skipped);
        }
        Ok(Trial { case, state, data })
    }
}

/// A random state and data that suit an instruction.
pub fn prepare(rng: &mut Rng, row: &Row, case: &Case, mode: Mode) -> (State, Vec<u8>) {
    let (state, mut data) = (State::random(rng), random_data(rng));
    let mut state = fit(rng, row, case, mode, state, &mut data);
    if mode == Mode::Bits32 {
        state.drop_long_registers();
    }
    (state, data)
}

/// Components of XCR0 that processors have beyond x87, SSE and AVX, above bit 3 (SDM vol. 1 §13.1).
const NEWER_COMPONENTS: u64 = 0x1_ffff;

/// Makes a random state fit an instruction: addresses in the data page, jump targets at the second exit.
fn fit(rng: &mut Rng, row: &Row, case: &Case, mode: Mode, mut state: State, data: &mut [u8]) -> State {
    let long = mode == Mode::Bits64;
    let target = CODE + case.bytes.len() as u64 + TARGET_GAP;
    // Implicit memory: the stack, strings, tables.
    state.gpr[4] = random_address(rng, 64) & !7;
    state.gpr[5] = random_address(rng, 64) & !7;
    state.gpr[6] = random_address(rng, 16);
    state.gpr[7] = random_address(rng, 16);
    if row.op == Op::Xlat {
        state.gpr[3] = random_address(rng, 256);
    }
    let counts = case.insn.rep != Rep::None || matches!(row.op, Op::Loop | Op::Loope | Op::Loopne | Op::Jcxz);
    if counts {
        state.gpr[1] =
            if rng.one_in(8) { state.gpr[1] & !0xffff_ff00 | rng.below(300) } else { rng.below(20) };
        if case.insn.rep != Rep::None {
            state.gpr[1] &= 0x1ff;
        }
    }
    if case.insn.rep != Rep::None && matches!(row.op, Op::Cmps) && rng.one_in(2) {
        // Equal runs, so that the repetition goes on.
        data.fill(0x5a);
    }
    if matches!(row.op, Op::Bt | Op::Bts | Op::Btr | Op::Btc) && case.address.is_some() {
        // A bit offset that stays near the operand.
        if let Operand::Reg(Reg::Gpr16(n) | Reg::Gpr32(n) | Reg::Gpr64(n)) = case.insn.operands[1] {
            state.gpr[usize::from(n)] = rng.below(600).wrapping_sub(300);
        }
    }
    if matches!(row.op, Op::Xsave | Op::Xsaveopt | Op::Xsavec | Op::Xrstor) {
        // The components that the interpreter has; the host may have more.
        state.gpr[0] = if rng.one_in(3) { 7 } else { rng.below(8) };
        state.gpr[2] = 0;
    }
    if row.op == Op::Xrstor {
        xsave_image(rng, data, case.address.unwrap_or(0));
    }
    // A divisor that does not overflow every time.
    if matches!(row.op, Op::Div | Op::Idiv) && !rng.one_in(3) {
        state.gpr[2] = if rng.one_in(2) { 0 } else { u64::MAX };
    }
    for &(reg, value) in &case.vectors {
        state.set_ymm(reg.into(), value);
    }
    for &(reg, value) in &case.pins {
        state.gpr[usize::from(reg)] = value;
    }
    if matches!(row.flow, Flow::IndirectBranch | Flow::IndirectCall) {
        match case.insn.operands[0] {
            Operand::Reg(Reg::Gpr64(n) | Reg::Gpr32(n) | Reg::Gpr16(n)) => state.gpr[usize::from(n)] = target,
            Operand::Mem(_) => poke(data, case.address.unwrap_or(0), target, if long { 8 } else { 4 }),
            _ => {}
        }
    }
    if matches!(row.op, Op::Ret) {
        poke(data, state.gpr[4], target, if long { 8 } else { 4 });
    }
    if matches!(row.op, Op::Popf) {
        // Without TF, NT and AC.
        let image = rng.bits() & 0x8d5 | 0x202 | rng.below(2) << 10;
        poke(data, state.gpr[4], image, if case.insn.width == Width::W16 { 2 } else { 8 });
    }
    state
}

/// Makes an image that XRSTOR accepts, mostly.
fn xsave_image(rng: &mut Rng, data: &mut [u8], address: u64) {
    let present = rng.below(8);
    let compacted = if rng.one_in(2) { 1 << 63 | present | rng.below(8) } else { 0 };
    poke(data, address + xstate::HEADER, present, 8);
    poke(data, address + xstate::HEADER + 8, compacted, 8);
    for offset in (16..64).step_by(8) {
        poke(data, address + xstate::HEADER + offset, 0, 8);
    }
    poke(data, address + 24, rng.below(0x1_0000) | 0x1f80, 4);
    match rng.below(16) {
        0 => {
            // Components that only the host has would be accepted there.
            let word = rng.integer() & !(NEWER_COMPONENTS << 3);
            poke(data, address + xstate::HEADER + 8 * rng.below(8), word, 8);
        }
        1 => poke(data, address + 24, rng.bits(), 4),
        _ => {}
    }
}

fn poke(data: &mut [u8], addr: u64, value: u64, len: usize) {
    let Some(at) = addr.checked_sub(crate::layout::DATA) else { return };
    if let Some(place) = data.get_mut(at as usize..at as usize + len) {
        place.copy_from_slice(&value.to_le_bytes()[..len]);
    }
}
