//! Finding the row of an opcode.
//!
//! Everything a row demands of prefixes, mode and ModRM is folded into a mask and a value over one 32-bit key, so a row
//! matches by one AND and one compare. Rows are grouped into slots: one per opcode, or eight where ModRM.reg extends the
//! opcode, which leaves one to three candidates almost everywhere.

use super::{ALL, COUNT};
use crate::spec::Layout;
use crate::{FeatureSet, Form, ModRm, Modes, Op, Prefix, Row, Size, Width};

/// Key: bits 0–7 ModRM, then these.
pub(crate) const KEY_REG: u32 = 1 << 8;
pub(crate) const KEY_LONG: u32 = 1 << 9;
pub(crate) const KEY_OSZ_SHIFT: u32 = 10;
pub(crate) const KEY_PREFIX_SHIFT: u32 = 12;
pub(crate) const KEY_REX_W: u32 = 1 << 14;
pub(crate) const KEY_REX_B: u32 = 1 << 15;
pub(crate) const KEY_L: u32 = 1 << 16;
/// VEX.vvvv names a register: it is not 1111b.
pub(crate) const KEY_VVVV: u32 = 1 << 17;

/// Operand size as it stands in the key.
pub(crate) const fn key_width(width: Width) -> u32 {
    match width {
        Width::W8 | Width::W16 => 0,
        Width::W32 => 1,
        Width::W64 => 2,
    }
}

/// Mandatory prefix as it stands in the key.
pub(crate) const KEY_NP: u32 = 0;
pub(crate) const KEY_66: u32 = 1;
pub(crate) const KEY_F3: u32 = 2;
pub(crate) const KEY_F2: u32 = 3;

/// A row that shares a slot with others, and what of it the decoder needs: together, as they are read together,
/// from one line of the cache.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Candidate {
    mask: u32,
    value: u32,
    needs: FeatureSet,
    /// None ends the candidates of a slot.
    pub(super) row: Option<&'static Row>,
    pub(crate) layout: Layout,
    pub(crate) op: Op,
    pub(crate) size: Size,
    pub(crate) lockable: bool,
    pub(crate) repeatable: bool,
}

impl Candidate {
    /// Stands behind the candidates of a slot, and fits every key.
    const END: Candidate = Candidate {
        mask: 0,
        value: 0,
        needs: FeatureSet::of(&[]),
        row: None,
        layout: Layout::of(&[Form::None; 4]),
        op: Op::Ud2,
        size: Size::Osz,
        lockable: false,
        repeatable: false,
    };
}

const fn candidate(row: &'static Row) -> Candidate {
    let mut mask = 0;
    let mut value = 0;
    if let Some(digit) = row.digit {
        mask |= 7 << 3;
        value |= (digit as u32) << 3;
    }
    match row.modrm {
        ModRm::None | ModRm::Any | ModRm::AnyMod => {}
        ModRm::Mem => mask |= KEY_REG,
        ModRm::Reg => {
            mask |= KEY_REG;
            value |= KEY_REG;
        }
        ModRm::Rm(rm) => {
            mask |= KEY_REG | 7;
            value |= KEY_REG | rm as u32;
        }
    }
    match row.modes {
        Modes::All => {}
        Modes::Legacy => mask |= KEY_LONG,
        Modes::Long => {
            mask |= KEY_LONG;
            value |= KEY_LONG;
        }
    }
    if let Some(width) = row.operand_size {
        mask |= 3 << KEY_OSZ_SHIFT;
        value |= key_width(width) << KEY_OSZ_SHIFT;
    }
    let prefix = match row.prefix {
        Prefix::Any => None,
        Prefix::Np => Some(KEY_NP),
        Prefix::P66 => Some(KEY_66),
        Prefix::F3 => Some(KEY_F3),
        Prefix::F2 => Some(KEY_F2),
    };
    if let Some(prefix) = prefix {
        mask |= 3 << KEY_PREFIX_SHIFT;
        value |= prefix << KEY_PREFIX_SHIFT;
    }
    if let Some(set) = row.rex_w {
        mask |= KEY_REX_W;
        value |= if set { KEY_REX_W } else { 0 };
    }
    if let Some(set) = row.rex_b {
        mask |= KEY_REX_B;
        value |= if set { KEY_REX_B } else { 0 };
    }
    if let Some(set) = row.vex_l {
        mask |= KEY_L;
        value |= if set { KEY_L } else { 0 };
    }
    // VEX.vvvv must be 1111b where it names no operand (SDM vol. 2 §2.3.5.6).
    if row.map.is_vex() && !has_form(row, &[Form::Hx, Form::Hdq, Form::By]) {
        mask |= KEY_VVVV;
    }
    let [a, b, c, d] = row.args;
    Candidate {
        mask,
        value,
        needs: row.features(),
        row: Some(row),
        layout: Layout::of(&[a.form, b.form, c.form, d.form]),
        op: row.op,
        size: row.size,
        lockable: row.lockable,
        repeatable: row.repeatable,
    }
}

/// Whether one of the row's operands has one of these forms.
const fn has_form(row: &Row, forms: &[Form]) -> bool {
    let mut i = 0;
    while i < row.args.len() * forms.len() {
        if row.args[i / forms.len()].form as u8 == forms[i % forms.len()] as u8 {
            return true;
        }
        i += 1;
    }
    false
}

/// Maps times opcodes; of eight maps one is unused.
const OPCODES: usize = 8 * 256;

/// An opcode: whether it has ModRM, whether ModRM.reg selects among eight slots, and its first slot or candidate.
/// [`NO_SLOT`] for opcodes without rows.
#[derive(Clone, Copy)]
pub(crate) struct Entry(u16);

const HAS_MODRM: u16 = 1 << 15;
const BY_DIGIT: u16 = 1 << 14;
const NO_SLOT: u16 = BY_DIGIT - 1;

impl Entry {
    pub(crate) const fn is_empty(self) -> bool {
        self.0 == NO_SLOT
    }

    pub(crate) const fn has_modrm(self) -> bool {
        self.0 & HAS_MODRM != 0
    }
}

/// First opcode of a row as an index, and how many opcodes share the row.
const fn span(row: &Row) -> (usize, usize) {
    let first = row.map as usize * 256 + row.opcode as usize;
    (first, if row.plus_reg { 8 } else { 1 })
}

static ENTRIES: [Entry; OPCODES] = {
    let mut entries = [Entry(NO_SLOT); OPCODES];
    // Which opcodes have rows, ModRM and digits.
    let mut i = 0;
    while i < COUNT {
        let row = &ALL[i];
        let bits = if matches!(row.modrm, ModRm::None) { 0 } else { HAS_MODRM };
        let digit = if row.digit.is_some() { BY_DIGIT } else { 0 };
        let (first, count) = span(row);
        let mut op = first;
        while op < first + count {
            let old = entries[op];
            assert!(
                old.is_empty() || old.0 & HAS_MODRM == bits,
                "the rows of an opcode agree on having ModRM"
            );
            let seen = if old.is_empty() { 0 } else { old.0 };
            entries[op] = Entry(seen | bits | digit);
            op += 1;
        }
        i += 1;
    }
    let mut slot = 0;
    let mut op = 0;
    while op < OPCODES {
        if !entries[op].is_empty() {
            let by_digit = entries[op].0 & BY_DIGIT != 0;
            entries[op].0 |= slot;
            slot += if by_digit { 8 } else { 1 };
        }
        op += 1;
    }
    assert!(slot < NO_SLOT);
    entries
};

/// The slots a row stands in, as a range; `op` is one of its opcodes.
const fn slots_of(row: &Row, op: usize) -> (usize, usize) {
    let entry = ENTRIES[op].0;
    let base = (entry & NO_SLOT) as usize;
    match row.digit {
        Some(digit) => (base + digit as usize, base + digit as usize + 1),
        None => (base, base + if entry & BY_DIGIT != 0 { 8 } else { 1 }),
    }
}

const SLOTS: usize = {
    let mut slots = 0;
    let mut op = 0;
    while op < OPCODES {
        if !ENTRIES[op].is_empty() {
            slots += if ENTRIES[op].0 & BY_DIGIT != 0 { 8 } else { 1 };
        }
        op += 1;
    }
    slots
};

/// Where the candidates of a slot start; [`Candidate::END`] stands behind the last one.
static STARTS: [u16; SLOTS + 1] = {
    let mut starts = [0u16; SLOTS + 1];
    let mut i = 0;
    while i < COUNT {
        let (first, count) = span(&ALL[i]);
        let mut op = first;
        while op < first + count {
            let (mut slot, end) = slots_of(&ALL[i], op);
            while slot < end {
                starts[slot + 1] += 1;
                slot += 1;
            }
            op += 1;
        }
        i += 1;
    }
    let mut slot = 0;
    while slot < SLOTS {
        starts[slot + 1] += starts[slot] + 1;
        slot += 1;
    }
    starts
};

/// [`ENTRIES`], but where ModRM.reg does not select the first candidate stands in place of the slot: one look-up less.
static DIRECT: [Entry; OPCODES] = {
    assert!(TOTAL < NO_SLOT as usize);
    let mut direct = ENTRIES;
    let mut op = 0;
    while op < OPCODES {
        let entry = direct[op].0;
        if !direct[op].is_empty() && entry & BY_DIGIT == 0 {
            direct[op].0 = entry & !NO_SLOT | STARTS[(entry & NO_SLOT) as usize];
        }
        op += 1;
    }
    direct
};

const TOTAL: usize = STARTS[SLOTS] as usize;

static CANDIDATES: [Candidate; TOTAL] = {
    let mut all = [Candidate::END; TOTAL];
    let mut fill = STARTS;
    let mut i = 0;
    while i < COUNT {
        let (first, count) = span(&ALL[i]);
        let mut op = first;
        while op < first + count {
            let (mut slot, end) = slots_of(&ALL[i], op);
            while slot < end {
                let new = candidate(&ALL[i]);
                // A row that an earlier one of its slot hides would never be found.
                let mut at = STARTS[slot] as usize;
                while at < fill[slot] as usize {
                    let old = all[at];
                    let hides = old.mask & new.mask == old.mask && new.value & old.mask == old.value;
                    assert!(!hides || ALL[i].plus_reg, "a row is hidden by an earlier one");
                    at += 1;
                }
                all[at] = new;
                fill[slot] += 1;
                slot += 1;
            }
            op += 1;
        }
        i += 1;
    }
    all
};

/// What [`find`] gives on a CPU with every feature, where neither REX.B nor ModRM.rm decides on it.
pub(super) const fn settled(entry: Entry, key: u32) -> Option<&'static Candidate> {
    const OPEN: u32 = KEY_REX_B | 7;
    let mut at = (entry.0 & NO_SLOT) as usize;
    if entry.0 & BY_DIGIT != 0 {
        at = STARTS[at + (key as usize >> 3 & 7)] as usize;
    }
    loop {
        let candidate = &CANDIDATES[at];
        if (key ^ candidate.value) & candidate.mask & !OPEN == 0 {
            return if candidate.mask & OPEN == 0 && candidate.row.is_some() {
                Some(candidate)
            } else {
                None
            };
        }
        at += 1;
    }
}

/// The entry of an opcode; `map` is the number of a [`crate::Map`].
#[inline]
pub(crate) const fn entry(map: usize, opcode: u8) -> Entry {
    DIRECT[(map & 7) * 256 + opcode as usize]
}

/// The first row of the opcode that the key satisfies and the CPU has.
#[inline(always)]
pub(crate) fn find(
    entry: Entry,
    key: u32,
    features: FeatureSet,
) -> Option<(&'static Candidate, &'static Row)> {
    let mut at = usize::from(entry.0 & NO_SLOT);
    if entry.0 & BY_DIGIT != 0 {
        at = usize::from(*STARTS.get(at + (key as usize >> 3 & 7))?);
    }
    loop {
        let candidate = CANDIDATES.get(at)?;
        if key & candidate.mask == candidate.value && features.contains(candidate.needs) {
            return candidate.row.map(|row| (candidate, row));
        }
        at += 1;
    }
}
