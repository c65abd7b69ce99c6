//! From a row of the decoder's table to concrete instructions of that row.

use crate::layout::{CODE, DATA, DATA_LEN, TARGET_GAP};
use crate::rng::Rng;
use crate::state::random_address;
use x86_decode::{Form, Insn, Map, ModRm, Mode, Op, Operand, Prefix, Row, Size, Width, decode};

/// One instruction, and what must be true of the state for it to touch memory in the data page.
#[derive(Clone, Debug)]
pub struct Case {
    /// The instruction's bytes.
    pub bytes: Vec<u8>,
    /// As the decoder sees it.
    pub insn: Insn,
    /// Registers that make up its address.
    pub pins: Vec<(u8, u64)>,
    /// Address of the memory operand.
    pub address: Option<u64>,
    /// Vector registers that hold the indices of a vector of addresses.
    pub vectors: Vec<(u8, [u128; 2])>,
}

/// Makes an instruction of a row that starts at [`CODE`]. None if the row cannot be encoded in this mode, or
/// another row took the encodings tried.
pub fn build(rng: &mut Rng, row: &Row, mode: Mode) -> Option<Case> {
    build_at(rng, row, mode, CODE)
}

/// As [`build`], for an instruction that starts at `at`.
pub fn build_at(rng: &mut Rng, row: &Row, mode: Mode, at: u64) -> Option<Case> {
    (0..40).find_map(|_| attempt(rng, row, mode, at))
}

struct Rex {
    w: bool,
    r: bool,
    x: bool,
    b: bool,
}

fn attempt(rng: &mut Rng, row: &Row, mode: Mode, start: u64) -> Option<Case> {
    let long = mode == Mode::Bits64;
    let mut bytes = Vec::new();
    let short_address = long && rng.one_in(12);
    let lock = row.lockable && rng.one_in(8);
    let rex = if row.map.is_vex() {
        if short_address {
            bytes.push(0x67);
        }
        vex_prefix(rng, row, long, &mut bytes)
    } else {
        legacy_prefixes(rng, row, long, short_address, lock, &mut bytes)?
    };
    bytes.push(row.opcode | if row.plus_reg { rng.below(8) as u8 } else { 0 });
    let mut pins = Vec::new();
    let mut address = None;
    let mut vectors = Vec::new();
    let mut patch_rip = None;
    if row.modrm != ModRm::None {
        let reg = row.digit.unwrap_or(rng.below(8) as u8) << 3;
        let memory = match row.modrm {
            ModRm::Mem => true,
            ModRm::Reg | ModRm::Rm(_) | ModRm::AnyMod => false,
            _ => lock || rng.one_in(2),
        };
        if memory {
            let target = random_address(rng, operand_size(row));
            address = Some(target);
            let rip_at = if is_vector_of_addresses(row) {
                vectors.push(vector_operand(rng, &mut bytes, row, reg, long, short_address, &rex, &mut pins));
                address = None;
                None
            } else {
                memory_operand(rng, &mut bytes, reg, long, short_address, &rex, target, &mut pins)
            };
            patch_rip = rip_at.map(|at| (at, target));
        } else if let ModRm::Rm(rm) = row.modrm {
            bytes.push(0xc0 | reg | rm);
        } else {
            bytes.push(0xc0 | reg | rng.below(8) as u8);
        }
    }
    let after = bytes.len();
    for arg in row.args {
        if matches!(arg.form, Form::Ob | Form::Ov) {
            let target = random_address(rng, 8);
            address = Some(target);
            let count = if long && !short_address { 8 } else { 4 };
            bytes.extend(&target.to_le_bytes()[..count]);
        }
    }
    let immediate = rng.integer().to_le_bytes();
    bytes.extend(immediate);
    let mut insn = decode(&bytes, mode).ok().filter(|insn| insn.row.id == row.id)?;
    bytes.truncate(insn.len.into());
    if let Operand::Rel(_) = insn.operands[0] {
        bytes[after..].fill(0);
        bytes[after] = TARGET_GAP as u8;
    }
    if let Some((at, target)) = patch_rip {
        let next = start + u64::from(insn.len);
        let disp = (target.wrapping_sub(next) as i64) as i32;
        bytes[at..at + 4].copy_from_slice(&disp.to_le_bytes());
    }
    if patch_rip.is_some() || matches!(insn.operands[0], Operand::Rel(_)) {
        insn = decode(&bytes, mode).ok()?;
    }
    Some(Case { bytes, insn, pins, address, vectors })
}

/// Everything before the opcode byte of an instruction without VEX.
fn legacy_prefixes(
    rng: &mut Rng,
    row: &Row,
    long: bool,
    short_address: bool,
    lock: bool,
    bytes: &mut Vec<u8>,
) -> Option<Rex> {
    let near_branch = row.size == Size::F64;
    let free = row.operand_size.is_none() && !near_branch && row.size == Size::Osz;
    match row.prefix {
        Prefix::P66 => bytes.push(0x66),
        Prefix::F3 | Prefix::F2 => {
            if free && rng.one_in(4) {
                bytes.push(0x66);
            }
            bytes.push(if row.prefix == Prefix::F3 { 0xf3 } else { 0xf2 });
        }
        Prefix::Np => {}
        Prefix::Any => {
            let wants16 = row.operand_size == Some(Width::W16);
            let free = row.operand_size.is_none() && !near_branch;
            if wants16 || free && row.size != Size::Byte && rng.one_in(4) {
                bytes.push(0x66);
            }
            if row.repeatable && rng.one_in(2) {
                bytes.push(rng.pick(&[0xf2, 0xf3]));
            }
        }
    }
    if short_address {
        bytes.push(0x67);
    }
    if lock {
        bytes.insert(0, 0xf0);
    }
    let mut rex = Rex { w: false, r: false, x: false, b: false };
    if long {
        rex = Rex {
            w: match (row.rex_w, row.operand_size) {
                (Some(w), _) => w,
                (_, Some(Width::W64)) => true,
                (_, Some(_)) => false,
                _ => rng.one_in(3),
            },
            r: rng.one_in(2),
            x: rng.one_in(2),
            b: row.rex_b.unwrap_or(rng.one_in(2)),
        };
        let bits = u8::from(rex.w) << 3 | u8::from(rex.r) << 2 | u8::from(rex.x) << 1 | u8::from(rex.b);
        if bits != 0 || rng.one_in(8) {
            bytes.push(0x40 | bits);
        }
    } else if row.rex_w == Some(true) || row.operand_size == Some(Width::W64) {
        return None;
    }
    match row.map {
        Map::OneByte => {}
        Map::Of => bytes.push(0x0f),
        Map::Of38 => bytes.extend([0x0f, 0x38]),
        Map::Of3a => bytes.extend([0x0f, 0x3a]),
        Map::Vex0f | Map::Vex0f38 | Map::Vex0f3a => return None,
    }
    Some(rex)
}

/// The two- or three-byte VEX prefix (SDM vol. 2 §2.3.5).
fn vex_prefix(rng: &mut Rng, row: &Row, long: bool, bytes: &mut Vec<u8>) -> Rex {
    let w = row.rex_w.unwrap_or(rng.one_in(3));
    let mut extended = || long && rng.one_in(2);
    let rex = Rex { w, r: extended(), x: extended(), b: extended() };
    let named = row.args.iter().any(|arg| matches!(arg.form, Form::By | Form::Hx | Form::Hdq));
    let register = if named { rng.below(if long { 16 } else { 8 }) as u8 } else { 0 };
    let l = row.vex_l.unwrap_or(rng.one_in(2));
    let pp = match row.prefix {
        Prefix::Any | Prefix::Np => 0,
        Prefix::P66 => 1,
        Prefix::F3 => 2,
        Prefix::F2 => 3,
    };
    let last = (!register & 15) << 3 | u8::from(l) << 2 | pp;
    let bit = |set: bool, at: u8| u8::from(!set) << at;
    if row.map == Map::Vex0f && !rex.w && !rex.x && !rex.b && rng.one_in(2) {
        bytes.extend([0xc5, bit(rex.r, 7) | last]);
    } else {
        let map = match row.map {
            Map::Vex0f38 => 2,
            Map::Vex0f3a => 3,
            _ => 1,
        };
        bytes.extend([
            0xc4,
            bit(rex.r, 7) | bit(rex.x, 6) | bit(rex.b, 5) | map,
            u8::from(rex.w) << 7 | last,
        ]);
    }
    rex
}

fn is_vector_of_addresses(row: &Row) -> bool {
    row.args.iter().any(|arg| matches!(arg.form, Form::Vmdq | Form::Vmx))
}

/// Appends ModRM, SIB and displacement of a vector of addresses, most of them in the data page. Gives the index register and
/// what it must hold.
#[allow(clippy::too_many_arguments)]
fn vector_operand(
    rng: &mut Rng,
    bytes: &mut Vec<u8>,
    row: &Row,
    reg: u8,
    long: bool,
    short_address: bool,
    rex: &Rex,
    pins: &mut Vec<(u8, u64)>,
) -> (u8, [u128; 2]) {
    let narrow = matches!(row.op, Op::Vpgatherdd | Op::Vpgatherdq | Op::Vgatherdps | Op::Vgatherdpd);
    let (base, index, scale) = (rng.below(8) as u8, rng.below(8) as u8, rng.below(4) as u8);
    bytes.extend([0x80 | reg | 4, scale << 6 | index << 3 | base]);
    let disp = i64::from(rng.bits() as i32 >> 4);
    bytes.extend((disp as u32).to_le_bytes());
    let base_value = (DATA + DATA_LEN as u64 / 2).wrapping_sub(disp as u64);
    let cut = if short_address || !long { 0xffff_ffff } else { u64::MAX };
    let junk = if short_address { rng.bits() << 32 } else { 0 };
    pins.push((base | u8::from(rex.b) << 3, base_value & cut | junk));
    let reach = if rng.one_in(8) { DATA_LEN as u64 + 64 } else { DATA_LEN as u64 - 64 };
    let mut lane = || (rng.below(reach) as i64 - reach as i64 / 2) >> scale;
    let mut half = || {
        let lanes = if narrow { 4 } else { 2 };
        (0..lanes).fold(0, |all, n| {
            let bits = 128 / lanes;
            all | (lane() as u128 & (u128::MAX >> (128 - bits))) << (bits * n)
        })
    };
    (index | u8::from(rex.x) << 3, [half(), half()])
}

/// Bytes a row's memory operand has at most, for placing it.
fn operand_size(row: &Row) -> u64 {
    match row.op {
        Op::Fxsave | Op::Fxrstor => 512,
        Op::Xsave | Op::Xsaveopt | Op::Xsavec | Op::Xrstor => 832,
        Op::Fnsave | Op::Frstor => 108,
        Op::Fnstenv | Op::Fldenv => 28,
        Op::Enter => 64,
        _ => {
            let size = row.args.iter().map(|arg| form_size(arg.form)).max().unwrap_or(8);
            if size == 16 && row.map.is_vex() && row.vex_l != Some(false) { 32 } else { size }
        }
    }
}

fn form_size(form: Form) -> u64 {
    match form {
        Form::Mx | Form::Wx | Form::Mdq | Form::Wdq | Form::Wh => 16,
        Form::Mt | Form::Mp | Form::Ms => 10,
        Form::Eb | Form::Mb => 1,
        Form::Ew | Form::Mw => 2,
        Form::Ed | Form::Md | Form::Wd | Form::Qd => 4,
        _ => 8,
    }
}

/// Appends ModRM, SIB and displacement of an operand at `target`. Gives the place of a RIP-relative displacement.
#[allow(clippy::too_many_arguments)]
fn memory_operand(
    rng: &mut Rng,
    bytes: &mut Vec<u8>,
    reg: u8,
    long: bool,
    short_address: bool,
    rex: &Rex,
    target: u64,
    pins: &mut Vec<(u8, u64)>,
) -> Option<usize> {
    // Upper halves do not count where addresses have 32 bits.
    let junk = if short_address { rng.bits() << 32 } else { 0 };
    let cut = |value: u64| if short_address || !long { value & 0xffff_ffff } else { value };
    let b = u8::from(rex.b) << 3;
    let x = u8::from(rex.x) << 3;
    match rng.below(8) {
        // Displacement only; RIP-relative in 64-bit code.
        0 => {
            bytes.push(reg | 5);
            bytes.extend((target as u32).to_le_bytes());
            return long.then(|| bytes.len() - 4);
        }
        // Base and index.
        1..=3 => {
            let base = rng.below(8) as u8;
            let index = rng.below(8) as u8;
            let scale = rng.below(4) as u8;
            let no_index = index == 4 && !rex.x;
            let index_value = rng.below(0x1000);
            let without_base = base == 5 && rng.one_in(2);
            bytes.push(if without_base { reg | 4 } else { 0x80 | reg | 4 });
            bytes.push(scale << 6 | index << 3 | base);
            let base_value = if index | x == base | b { index_value } else { rng.bits() & 0x3fff_ffff };
            let mut disp = target;
            if !no_index {
                pins.push((index | x, cut(index_value) | junk));
                disp = disp.wrapping_sub(index_value << scale);
            }
            if !without_base {
                pins.push((base | b, cut(base_value) | junk));
                disp = disp.wrapping_sub(base_value);
            }
            bytes.extend((disp as u32).to_le_bytes());
        }
        // Base and displacement.
        kind => {
            let rm = rng.pick(&[0, 1, 2, 3, 5, 6, 7_u8]);
            let (mode, disp_len) = match kind {
                4 if rm != 5 => (0, 0),
                4..=6 => (0x40, 1),
                _ => (0x80, 4),
            };
            let disp = match disp_len {
                0 => 0,
                1 => i64::from(rng.bits() as i8),
                _ => i64::from(rng.bits() as i32 >> 4),
            };
            bytes.push(mode | reg | rm);
            bytes.extend(&disp.to_le_bytes()[..disp_len]);
            pins.push((rm | b, cut(target.wrapping_sub(disp as u64)) | junk));
        }
    }
    None
}
