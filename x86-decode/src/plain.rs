//! The short way through the decoder, for plain instructions ([`crate::table::plain`]): two look-ups in place of a search.
//!
//! Branches stand where they let the processor guess the length of the instruction, which the next one begins behind: on
//! REX, ModRM and whether there is a number. Loads in their place were slower, and branches on the length of a displacement too.

use crate::FeatureSet;
use crate::insn::{Insn, Mem, Operand, Width};
use crate::operands::{REX_B, REX_R, REX_W, address, segment_of};
use crate::reader::Reader;
use crate::spec::numbered;
use crate::table::plain::{
    BY_MODRM, BY_MODRM_INDICES, ESCAPED, HAS_MODRM, INDICES, LEADS, LENGTH_SHIFT, Number, PREFIX_SHIFT,
    RECORD, RECORDS, WIDE, lead,
};

/// Decodes a plain instruction of 32- or, if `LONG`, 64-bit code, as a CPU with `features` does. None: it is not plain, and
/// `insn` is any.
#[inline(always)]
pub(crate) fn decode<const LONG: bool>(
    window: &[u8; Reader::WINDOW],
    features: FeatureSet,
    insn: &mut Insn,
) -> Option<()> {
    let mut code = Reader::new(window);
    let leads = &LEADS[usize::from(LONG)];
    let mut opcode = u32::from(code.u8());
    let mut rex = 0;
    let mut page = 0;
    let mut kind = leads[opcode as usize];
    if kind != 0 {
        if kind & lead::PREFIX != 0 {
            page = u32::from(kind & 3) << PREFIX_SHIFT;
            opcode = u32::from(code.u8());
            kind = leads[opcode as usize];
        }
        if LONG && kind & lead::REX != 0 {
            rex = opcode;
            page |= (rex & u32::from(REX_W)) * (WIDE / u32::from(REX_W));
            opcode = u32::from(code.u8());
            kind = leads[opcode as usize];
        }
        if kind & lead::ESCAPE != 0 {
            page |= ESCAPED;
            opcode = u32::from(code.u8());
        }
    }

    let indices = &INDICES[usize::from(LONG)];
    let mut index = indices[(page | opcode) as usize % indices.len()];
    let modrm = u32::from(code.peek());
    if index & BY_MODRM != 0 {
        let by_modrm = modrm >> 3 & 7 | if modrm >= 0xc0 { 8 } else { 0 };
        index = *BY_MODRM_INDICES.get(usize::from(index & !BY_MODRM) + by_modrm as usize)?;
    }
    let record = &RECORDS[usize::from(index & RECORD) % RECORDS.len()];
    if !features.has(record.needs) {
        return None;
    }

    // Above the three bits of a register's number: the fourth, and whether there is REX.
    let r = (rex & u32::from(REX_R)) << 1 | rex >> 2 & 0x10;
    let b = (rex & u32::from(REX_B)) << 3 | rex >> 2 & 0x10;
    let out = &mut insn.operands;
    let (rm_at, field_at) = (usize::from(record.rm_at & 3), usize::from(record.field_at & 3));
    if index & HAS_MODRM == 0 {
        out[rm_at] = *numbered(record.rm, opcode & 7 | b);
        out[field_at] = *numbered(record.field, 0);
    } else {
        code.skip(1);
        out[field_at] = *numbered(record.field, modrm >> 3 & 7 | r);
        if modrm >= 0xc0 {
            out[rm_at] = *numbered(record.rm, modrm & 7 | b);
        } else {
            let (base, index, scale, disp) = address(&mut code, modrm as u8, rex as u8, LONG, None);
            let seg = segment_of(base);
            let addr = if LONG { Width::W64 } else { Width::W32 };
            out[rm_at] = Operand::Mem(Mem { seg, base, index, scale, disp, addr, size: record.bytes });
        }
    }
    let number_at = usize::from(record.number_at & 3);
    out[number_at] = Operand::None;
    if index >> LENGTH_SHIFT != 0 {
        let length = 1 << (index >> LENGTH_SHIFT) >> 1;
        let number = code.literal(length, record.number != Number::Unsigned);
        out[number_at] =
            if record.number == Number::Relative { Operand::Rel(number) } else { Operand::Imm(number) };
    }
    out[3] = Operand::None;

    insn.row = record.row;
    insn.op = record.op;
    insn.lock = record.lock;
    insn.rep = record.rep;
    insn.width = record.width;
    insn.seg = record.seg;
    insn.addr = if LONG { Width::W64 } else { Width::W32 };
    insn.len = code.position() as u8;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::decode;
    use crate::decode::instruction;
    use crate::{Feature, FeatureSet, Insn, Mode};

    /// Whatever is decoded the short way, the long way decodes equally.
    #[test]
    fn short_as_long() {
        let sets = [FeatureSet::ALL, FeatureSet::of(&[Feature::Sse2, Feature::Long, Feature::Fpu])];
        let mut plain = 0;
        // Any bytes behind ModRM will do, if they differ.
        let mut random = 0x9e37_79b9_u32;
        for prefix in [None, Some(0x66), Some(0xf3), Some(0xf2)] {
            for rex in [None, Some(0x40), Some(0x41), Some(0x44), Some(0x4a), Some(0x4f)] {
                for escape in [None, Some(0x0f)] {
                    for two in 0..=0xffff_u16 {
                        let mut window = [0; 32];
                        let mut at = 0;
                        for byte in [prefix, rex, escape].into_iter().flatten().chain(two.to_le_bytes()) {
                            window[at] = byte;
                            at += 1;
                        }
                        for byte in &mut window[at..] {
                            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                            *byte = (random >> 24) as u8;
                        }
                        plain += usize::from(agree(&window, Mode::Bits32, sets[at & 1]))
                            + usize::from(agree(&window, Mode::Bits64, sets[at & 1]));
                    }
                }
            }
        }
        assert!(plain > 3_000_000, "{plain} instructions were plain");
    }

    /// Whether it is plain; panics if the two ways differ.
    fn agree(window: &[u8; 32], mode: Mode, features: FeatureSet) -> bool {
        let (mut short, mut long) = (Insn::NONE, Insn::NONE);
        let plain = match mode {
            Mode::Bits64 => decode::<true>(window, features, &mut short),
            _ => decode::<false>(window, features, &mut short),
        };
        if plain.is_none() {
            return false;
        }
        let (read, found) = instruction(window, mode, features, &mut long);
        let parts = |insn: &Insn| {
            let Insn { operands, row, op, lock, rep, width, seg, addr, len } = *insn;
            (operands, row.id, op, lock, rep, width, seg, addr, len)
        };
        assert!(
            found.is_some() && read == usize::from(short.len) && parts(&short) == parts(&long),
            "{mode:?} {window:x?}: {short:?}, {long:?}"
        );
        true
    }
}
