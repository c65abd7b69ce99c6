//! What plain instructions are made of, worked out when the crate is compiled.
//!
//! Plain is what most code consists of: at most one of 66, F2 and F3, then at most one REX, an opcode of the one- or two-byte
//! map, 32- or 64-bit addresses, and operands by ModRM, in the opcode and of one number. Everything but registers, addresses
//! and that number follows from mode, prefix, REX.W, opcode, ModRM.reg, and whether ModRM.mod names a register: few enough
//! to have a record each. What is not plain has none, and is decoded the long way, from the same candidates.

use super::COUNT;
use super::index::{self, Candidate, KEY_REG};
use crate::decode::{Effect, Prefixes, WIDTHS};
use crate::insn::{Mode, Rep, Seg, Width};
use crate::operands::REX_W;
use crate::spec::{BYTES, COLUMNS, Class, LITERALS, Layout, Place, bank};
use crate::{ModRm, Op, Row};

/// A plain instruction, but for the numbers in its bytes.
///
/// The first fields stand as those of [`crate::Insn`] do, so that they are copied at once.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Record {
    pub(crate) row: &'static Row,
    pub(crate) op: Op,
    pub(crate) lock: bool,
    pub(crate) rep: Rep,
    pub(crate) width: Width,
    pub(crate) seg: Seg,
    /// Bytes of a memory operand.
    pub(crate) bytes: u16,
    /// First register of the bank, as [`crate::spec::numbered`] counts: by ModRM.rm or in the opcode, and by ModRM.reg or
    /// always the same. An operand that does not exist is in a bank of nothing.
    pub(crate) rm: u16,
    pub(crate) field: u16,
    /// Places of the operands, each of the first three once.
    pub(crate) rm_at: u8,
    pub(crate) field_at: u8,
    pub(crate) number_at: u8,
    pub(crate) number: Number,
    /// A [`crate::Feature`], or [`NO_CPU`].
    pub(crate) needs: u8,
}

#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Number {
    None,
    Unsigned,
    Signed,
    Relative,
}

/// In place of a feature: none has it.
const NO_CPU: u8 = 63;

/// Pages of 256 opcodes, by bits: the two-byte map, the prefix as it stands in the key, REX.W.
pub(crate) const ESCAPED: u32 = 1 << 8;
pub(crate) const PREFIX_SHIFT: u32 = 9;
pub(crate) const WIDE: u32 = 1 << 11;

/// What stands in an index: the number of a record, and with it what the length of the instruction hangs on, which the next
/// one waits for.
pub(crate) const RECORD: u16 = (1 << 11) - 1;
pub(crate) const HAS_MODRM: u16 = 1 << 11;
/// From here, 1 + log2 of the bytes of the number in the code, or 0.
pub(crate) const LENGTH_SHIFT: u32 = 12;
/// Not a record but the first of sixteen, by ModRM.reg and, in the upper eight, for registers.
pub(crate) const BY_MODRM: u16 = 1 << 15;

/// What a leading byte is; 0 for an opcode.
pub(crate) mod lead {
    /// In the lower two bits, the prefix as it stands in the key.
    pub(crate) const PREFIX: u8 = 4;
    pub(crate) const REX: u8 = 8;
    pub(crate) const ESCAPE: u8 = 16;
}

/// Outside and in 64-bit code.
pub(crate) static LEADS: [[u8; 256]; 2] = {
    let mut all = [[0; 256]; 2];
    let mut long = 0;
    while long < 2 {
        all[long][0x66] = lead::PREFIX | index::KEY_66 as u8;
        all[long][0xf3] = lead::PREFIX | index::KEY_F3 as u8;
        all[long][0xf2] = lead::PREFIX | index::KEY_F2 as u8;
        all[long][0x0f] = lead::ESCAPE;
        long += 1;
    }
    let mut byte = 0x40;
    while byte < 0x50 {
        all[1][byte] = lead::REX;
        byte += 1;
    }
    all
};

impl Record {
    /// Stands at 0, for what is not plain.
    const NONE: Record = Record {
        row: &super::FIRST,
        op: Op::Ud2,
        lock: false,
        rep: Rep::None,
        width: Width::W32,
        seg: Seg::Ds,
        bytes: 0,
        rm: first(bank::NONE),
        field: first(bank::NONE),
        rm_at: 0,
        field_at: 1,
        number_at: 2,
        number: Number::None,
        needs: NO_CPU,
    };

    /// With what stands beside its number in an index. None: not plain.
    const fn of(found: &Candidate, mode: Mode, effect: Effect, prefix: u32) -> Option<(Record, u16)> {
        let Some(row) = found.row else { return None };
        let long = matches!(mode, Mode::Bits64);
        let width = WIDTHS[found.size as usize][long as usize][effect.operand_size as usize];
        let banks = effect.banks.with_width(width);
        let mut record = Record { row, op: row.op, width, needs: row.feature as u8, ..Record::NONE };
        let has_modrm = !matches!(row.modrm, ModRm::None);
        let mut index = if has_modrm { HAS_MODRM } else { 0 };
        if found.repeatable {
            record.rep = match prefix {
                index::KEY_F3 => Rep::Rep,
                index::KEY_F2 => Rep::Repne,
                _ => Rep::None,
            };
        }
        let Layout { rm, field, literal, other, more, vsib } = found.layout;
        if vsib || has_modrm != rm.is_some() {
            return None;
        }
        // By ModRM.rm, by ModRM.reg, and the number.
        let mut at = [None; 3];
        if let Some((place, spec)) = rm {
            record.rm = first(banks.of(spec.class) as u8);
            record.bytes = BYTES[spec.bytes as usize][banks.of(spec.bytes_class)];
            at[0] = Some(place);
        }
        if let Some((place, spec)) = field {
            record.field = first(banks.of(spec.class) as u8);
            at[1] = Some(place);
        }
        let rest = [other, more];
        let mut i = 0;
        while i < rest.len() {
            if let Some((place, spec)) = rest[i] {
                let (constant, to) = match (spec.place, spec.class, spec.number) {
                    (Place::Opcode, class, _) => (banks.of(class) as u8, 0),
                    (Place::Fixed, class, 0) => (bank::ACCUMULATORS + banks.of(class) as u8, 1),
                    (Place::Fixed, Class::B, 1) => (bank::CL, 1),
                    (Place::Fixed, Class::W, 2) => (bank::DX, 1),
                    (Place::One, _, _) => (bank::ONE, 1),
                    _ => return None,
                };
                if at[to].is_some() {
                    return None;
                }
                at[to] = Some(place);
                if to == 0 {
                    record.rm = first(constant);
                } else {
                    record.field = first(constant);
                }
            }
            i += 1;
        }
        if let Some((place, spec)) = literal {
            let Some(row) = spec.place.literal() else { return None };
            let literal = LITERALS[row][width as usize];
            index |= (1 + literal.length.ilog2() as u16) << LENGTH_SHIFT;
            record.number = match (spec.place.is_relative(), literal.signed) {
                (true, _) => Number::Relative,
                (false, true) => Number::Signed,
                (false, false) => Number::Unsigned,
            };
            at[2] = Some(place);
        }
        // Operands that do not exist get the places that are left.
        let mut i = 0;
        while i < at.len() {
            let mut free = 0;
            while at[i].is_none() {
                if !taken(&at, free) {
                    at[i] = Some(free);
                }
                free += 1;
            }
            i += 1;
        }
        let [Some(rm_at), Some(field_at), Some(number_at)] = at else { return None };
        if rm_at > 2 || field_at > 2 || number_at > 2 {
            return None;
        }
        (record.rm_at, record.field_at, record.number_at) = (rm_at, field_at, number_at);
        Some((record, index))
    }

    /// Whether both are of one row and equal.
    const fn same(&self, other: &Record) -> bool {
        self.row.id == other.row.id
            && self.bytes == other.bytes
            && self.rm == other.rm
            && self.field == other.field
            && self.number as u8 == other.number as u8
            && self.width as u8 == other.width as u8
            && self.rep as u8 == other.rep as u8
    }
}

const fn taken(at: &[Option<u8>; 3], place: u8) -> bool {
    let mut i = 0;
    while i < at.len() {
        if let Some(other) = at[i]
            && other == place
        {
            return true;
        }
        i += 1;
    }
    false
}

const fn first(bank: u8) -> u16 {
    bank as u16 * COLUMNS as u16
}

const PAGES: usize = 16;
/// More than there are.
const ROOM: usize = 4096;

struct Built {
    /// By mode (0 is 32-bit code), then by page and opcode.
    indices: [[u16; PAGES * 256]; 2],
    by_modrm: [u16; ROOM],
    by_modrm_count: usize,
    records: [Record; ROOM],
    count: usize,
    /// The last record of a row, and the one before each: where to look for an equal one.
    last: [u16; COUNT],
    before: [u16; ROOM],
}

impl Built {
    /// The number of a record equal to `new`; of a new one if there is none.
    const fn number(&mut self, new: Record) -> u16 {
        let row = new.row.id as usize;
        let mut at = self.last[row];
        while at != 0 {
            if self.records[at as usize].same(&new) {
                return at;
            }
            at = self.before[at as usize];
        }
        let number = self.count as u16;
        assert!(number <= RECORD);
        self.records[self.count] = new;
        self.before[self.count] = self.last[row];
        self.last[row] = number;
        self.count += 1;
        number
    }

    /// What stands in an index at a page and opcode.
    const fn opcode(&mut self, long: bool, at: u32) -> u16 {
        let wide = at & WIDE != 0;
        if wide && !long {
            return 0;
        }
        let prefix = at >> PREFIX_SHIFT & 3;
        let state = match prefix {
            index::KEY_66 => Prefixes::P66,
            other => other << Prefixes::MANDATORY,
        };
        let mode = if long { Mode::Bits64 } else { Mode::Bits32 };
        let effect = Prefixes::of(state | if wide { REX_W as u32 } else { 0 }).effect_in(mode);
        let entry = index::entry((at & ESCAPED != 0) as usize, at as u8);
        if entry.is_empty() {
            return 0;
        }
        let mut sixteen = [0; 16];
        let mut equal = true;
        let mut i = 0;
        while i < sixteen.len() {
            let key = effect.key | (i as u32 & 7) << 3 | (KEY_REG * (i as u32 >> 3));
            sixteen[i] = match index::settled(entry, key) {
                Some(found) => match Record::of(found, mode, effect, prefix) {
                    Some((record, index)) => self.number(record) | index,
                    None => 0,
                },
                None => 0,
            };
            equal &= sixteen[i] == sixteen[0];
            i += 1;
            if !entry.has_modrm() {
                return sixteen[0];
            }
        }
        if equal {
            return sixteen[0];
        }
        let mut first = 0;
        let mut i = 0;
        while i < sixteen.len() {
            if self.by_modrm[first + i] == sixteen[i] && first < self.by_modrm_count {
                i += 1;
            } else if first < self.by_modrm_count {
                first += sixteen.len();
                i = 0;
            } else {
                self.by_modrm[first + i] = sixteen[i];
                i += 1;
            }
        }
        if first == self.by_modrm_count {
            self.by_modrm_count += sixteen.len();
        }
        BY_MODRM | first as u16
    }
}

#[allow(long_running_const_eval)] // It ends.
static BUILT: Built = {
    let mut built = Built {
        indices: [[0; PAGES * 256]; 2],
        by_modrm: [0; ROOM],
        by_modrm_count: 0,
        records: [Record::NONE; ROOM],
        count: 1,
        last: [0; COUNT],
        before: [0; ROOM],
    };
    let mut i = 0;
    while i < 2 * PAGES * 256 {
        let (mode, at) = (i / (PAGES * 256), i % (PAGES * 256));
        built.indices[mode][at] = built.opcode(mode == 1, at as u32);
        i += 1;
    }
    built
};

/// Of 32- and of 64-bit code, by page and opcode: a record, or [`BY_MODRM`].
pub(crate) static INDICES: [[u16; PAGES * 256]; 2] = BUILT.indices;

pub(crate) static BY_MODRM_INDICES: [u16; BUILT.by_modrm_count] = {
    let mut all = [0; BUILT.by_modrm_count];
    let mut i = 0;
    while i < all.len() {
        all[i] = BUILT.by_modrm[i];
        i += 1;
    }
    all
};

pub(crate) static RECORDS: [Record; BUILT.count.next_power_of_two()] = {
    let mut all = [Record::NONE; BUILT.count.next_power_of_two()];
    let mut i = 0;
    while i < BUILT.count {
        all[i] = BUILT.records[i];
        i += 1;
    }
    all
};
