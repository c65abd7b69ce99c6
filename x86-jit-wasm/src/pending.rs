//! The arithmetic flags between blocks: what they come from, so that code which nobody asks for its flags computes none.

use x86_cpu::flags as bit;

/// Bits of [`PendingFlags::shape`]. Beside them, its lower six bits are 64 less the width of the operation.
pub mod shape {
    /// The width: 64 less it.
    pub const WIDTH: u32 = 63;
    /// `left - right`: the result is computed from them.
    pub const SUB: u32 = 1 << 8;
    /// `left`, also the result, is a sum of `right` and another number.
    pub const ADD: u32 = 1 << 9;
    /// With [`SUB`] or [`ADD`] of at most 32 bits: in `right`, this borrow or carry is included.
    pub const CARRY: u32 = 1 << CARRY_AT;
    /// Position of [`CARRY`].
    pub const CARRY_AT: u32 = 18;
    /// The result is that of an `inc`; CF is older.
    pub const UP: u32 = 1 << 10;
    /// The same of `dec`.
    pub const DOWN: u32 = 1 << 11;
    /// CF, OF and AF are clear.
    pub const LOGIC: u32 = 1 << 12;
    /// Any of those that say where OF and AF come from; without them, they are in [`OF`] and [`AF`].
    pub const OPERATION: u32 = SUB | ADD | UP | DOWN;
    /// OF.
    pub const OF: u32 = 1 << OF_AT;
    /// Position of [`OF`].
    pub const OF_AT: u32 = 16;
    /// AF.
    pub const AF: u32 = 1 << AF_AT;
    /// Position of [`AF`].
    pub const AF_AT: u32 = 17;
    /// PF is not that of the result.
    pub const PF_FLIP: u32 = 1 << PF_AT;
    /// Position of [`PF_FLIP`].
    pub const PF_AT: u32 = 30;
    /// SF is not that of the result.
    pub const SF_FLIP: u32 = 1 << 31;
}

/// OF, SF, ZF, AF, PF and CF as what they come from. All numbers are zero-extended from the width of the operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct PendingFlags {
    /// The result, but for a difference: ZF, SF, PF.
    pub result: u64,
    /// CF is set if, and only if, this is below `right`, which may take a bit more than the width.
    pub left: u64,
    /// See `left`.
    pub right: u64,
    /// See [`shape`].
    pub shape: u32,
}

impl PendingFlags {
    /// From RFLAGS.
    pub fn load(rflags: u32) -> PendingFlags {
        let on = |mask: u32, then: u32| if rflags & mask != 0 { then } else { 0 };
        // 1 has odd parity (PF clear) and 0 has even parity (PF set).
        let pf_flips = (rflags & bit::PF != 0) != (rflags & bit::ZF != 0);
        PendingFlags {
            result: u64::from(rflags & bit::ZF == 0),
            left: 0,
            right: u64::from(rflags & bit::CF != 0),
            shape: on(bit::OF, shape::OF)
                | on(bit::AF, shape::AF)
                | on(bit::SF, shape::SF_FLIP)
                | if pf_flips { shape::PF_FLIP } else { 0 },
        }
    }

    /// The six bits as they stand in RFLAGS.
    pub fn bits(&self) -> u32 {
        let PendingFlags { left, right, shape, .. } = *self;
        let to_top = shape & shape::WIDTH;
        let result = if shape & shape::SUB != 0 { left.wrapping_sub(right) } else { self.result };
        let (a, b) = match shape & (shape::UP | shape::DOWN) {
            shape::UP => (result, result.wrapping_sub(1)),
            shape::DOWN => (result.wrapping_add(1), 1),
            _ => (left, right),
        };
        let (of, af) = match shape & shape::OPERATION {
            0 => (shape & shape::OF != 0, shape & shape::AF != 0),
            _ => {
                // Of a sum and one of its operands, this is the other one: the same formulas hold.
                let c = a.wrapping_sub(b);
                let b = b.wrapping_sub((shape >> shape::CARRY_AT & 1).into());
                (((a ^ b) & (a ^ c)) << to_top >> 63 != 0, (a ^ b ^ c) & 16 != 0)
            }
        };
        let top = result << to_top;
        let sf = (top >> 63 != 0) ^ (shape & shape::SF_FLIP != 0);
        let pf = ((result as u8).count_ones() & 1 == 0) ^ (shape & shape::PF_FLIP != 0);
        let on = |set: bool, mask: u32| if set { mask } else { 0 };
        on(left < right, bit::CF)
            | on(pf, bit::PF)
            | on(af, bit::AF)
            | on(top == 0, bit::ZF)
            | on(sf, bit::SF)
            | on(of, bit::OF)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_survives_a_load() {
        for n in 0..64u32 {
            let masks = [bit::CF, bit::PF, bit::AF, bit::ZF, bit::SF, bit::OF];
            let rflags = (0..6).filter(|i| n >> i & 1 != 0).map(|i| masks[i]).sum::<u32>();
            assert_eq!(PendingFlags::load(rflags).bits(), rflags, "{n:#b}");
        }
    }

    #[test]
    fn operations_of_a_byte() {
        let width = 56;
        let rows: &[(u64, u64, u64, u32, u32)] = &[
            // 0x7f + 1, 0xff + 1, 0x10 - 1, 0 - 1; `inc` to 0x80, `dec` to 0x7f.
            (0x80, 0x80, 0x7f, shape::ADD, bit::OF | bit::SF | bit::AF),
            (0, 0, 0xff, shape::ADD, bit::ZF | bit::AF | bit::PF | bit::CF),
            (9, 0x10, 1, shape::SUB, bit::AF | bit::PF),
            (9, 0, 1, shape::SUB, bit::AF | bit::PF | bit::SF | bit::CF),
            (0x80, 0, 1, shape::UP, bit::OF | bit::SF | bit::AF | bit::CF),
            (0x7f, 0, 0, shape::DOWN, bit::OF | bit::AF),
            // 0x7f + 0 + 1, 0xff + 0xff + 1, 0 - 0xff - 1.
            (0x80, 0x80, 0x80, shape::ADD | shape::CARRY, bit::OF | bit::SF | bit::AF),
            (0xff, 0xff, 0x100, shape::ADD | shape::CARRY, bit::SF | bit::AF | bit::PF | bit::CF),
            (9, 0, 0x100, shape::SUB | shape::CARRY, bit::ZF | bit::AF | bit::PF | bit::CF),
        ];
        for &(result, left, right, operation, expected) in rows {
            let flags = PendingFlags { result, left, right, shape: width | operation };
            assert_eq!(flags.bits(), expected, "{flags:?}");
        }
    }
}
