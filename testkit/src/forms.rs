//! From a row of the decoder's table to concrete instructions of that row.

use crate::layout::{CODE, TARGET_GAP};
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
}

/// Makes an instruction of a row that starts at [`CODE`]. None if the row cannot be encoded in this mode, or
/// another row took the encodings tried. VEX encodings are not made.
pub fn build(rng: &mut Rng, row: &Row, mode: Mode) -> Option<Case> {
    if row.map.is_vex() {
        return None;
    }
    (0..40).find_map(|_| attempt(rng, row, mode))
}

struct Rex {
    w: bool,
    r: bool,
    x: bool,
    b: bool,
}

fn attempt(rng: &mut Rng, row: &Row, mode: Mode) -> Option<Case> {
    let long = mode == Mode::Bits64;
    let mut bytes = Vec::new();
    let near_branch = row.size == Size::F64;
    match row.prefix {
        Prefix::P66 => bytes.push(0x66),
        Prefix::F3 => bytes.push(0xf3),
        Prefix::F2 => bytes.push(0xf2),
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
    let short_address = long && rng.one_in(12);
    if short_address {
        bytes.push(0x67);
    }
    let lock = row.lockable && rng.one_in(8);
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
    bytes.push(row.opcode | if row.plus_reg { rng.below(8) as u8 } else { 0 });
    let mut pins = Vec::new();
    let mut address = None;
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
            let rip_at = memory_operand(rng, &mut bytes, reg, long, short_address, &rex, target, &mut pins);
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
        let next = CODE + u64::from(insn.len);
        let disp = (target.wrapping_sub(next) as i64) as i32;
        bytes[at..at + 4].copy_from_slice(&disp.to_le_bytes());
    }
    if patch_rip.is_some() || matches!(insn.operands[0], Operand::Rel(_)) {
        insn = decode(&bytes, mode).ok()?;
    }
    Some(Case { bytes, insn, pins, address })
}

/// Bytes a row's memory operand has at most, for placing it.
fn operand_size(row: &Row) -> u64 {
    match row.op {
        Op::Fxsave | Op::Fxrstor => 512,
        Op::Fnsave | Op::Frstor => 108,
        Op::Fnstenv | Op::Fldenv => 28,
        Op::Enter => 64,
        _ => row.args.iter().map(|arg| form_size(arg.form)).max().unwrap_or(8),
    }
}

fn form_size(form: Form) -> u64 {
    match form {
        Form::Mx | Form::Wx => 16,
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
