//! The arithmetic flags, kept as what they are computed from.
//!
//! An arithmetic instruction stores its result and the vector of carries out of each bit; every flag is then a
//! shift or a compare away, without a branch on which instruction it was (SDM vol. 1 §3.4.3.1).

use crate::int::Int;
use x86_cpu::flags as bit;

const TOP: u64 = 1 << 63;
const SF_FLIP: u32 = 1 << 31;
const PF_FLIP: u32 = 1 << 30;

/// OF, SF, ZF, AF, PF and CF in lazy form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flags {
    /// Sign-extended result: ZF, SF and PF.
    result: u64,
    /// Carries out of each bit, shifted left so that the carry out of the operation is bit 63:
    /// CF is bit 63, OF is bit 63 xor bit 62.
    carries: u64,
    /// Position of the carry out of bit 3 in `carries` (AF), and corrections of SF and PF for flags that
    /// were loaded and belong to no result.
    shape: u32,
}

impl Flags {
    /// From RFLAGS.
    pub(crate) fn load(rflags: u32) -> Flags {
        let mut flags = Flags { result: 0, carries: 0, shape: 0 };
        flags.set_bits(rflags);
        flags
    }

    /// Replaces all six by those of an RFLAGS image.
    pub(crate) fn set_bits(&mut self, rflags: u32) {
        let set = |mask: u32| rflags & mask != 0;
        // 1 has odd parity (PF clear) and 0 has even parity (PF set).
        self.result = u64::from(!set(bit::ZF));
        let pf_flip = if set(bit::PF) == set(bit::ZF) { 0 } else { PF_FLIP };
        self.shape = 3 | pf_flip | if set(bit::SF) { SF_FLIP } else { 0 };
        self.carries = u64::from(set(bit::AF)) << 3;
        self.put_co(set(bit::CF), set(bit::OF));
    }

    /// The six bits as they stand in RFLAGS.
    pub(crate) fn bits(&self) -> u32 {
        let on = |set: bool, mask: u32| if set { mask } else { 0 };
        on(self.cf(), bit::CF)
            | on(self.pf(), bit::PF)
            | on(self.af(), bit::AF)
            | on(self.zf(), bit::ZF)
            | on(self.sf(), bit::SF)
            | on(self.of(), bit::OF)
    }

    #[inline(always)]
    pub(crate) fn cf(&self) -> bool {
        self.carries & TOP != 0
    }

    #[inline(always)]
    pub(crate) fn of(&self) -> bool {
        (self.carries ^ (self.carries << 1)) & TOP != 0
    }

    #[inline(always)]
    pub(crate) fn zf(&self) -> bool {
        self.result == 0
    }

    #[inline(always)]
    pub(crate) fn sf(&self) -> bool {
        (self.result ^ (u64::from(self.shape) << 32)) & TOP != 0
    }

    #[inline(always)]
    fn sf_ne_of(&self) -> bool {
        (self.result ^ (u64::from(self.shape) << 32) ^ self.carries ^ (self.carries << 1)) & TOP != 0
    }

    #[inline(always)]
    pub(crate) fn pf(&self) -> bool {
        ((self.result as u8).count_ones() & 1 == 0) ^ (self.shape & PF_FLIP != 0)
    }

    #[inline(always)]
    pub(crate) fn af(&self) -> bool {
        self.carries >> (self.shape & 63) & 1 != 0
    }

    /// A condition by its four-bit code (SDM vol. 1 appendix B).
    #[inline(always)]
    pub(crate) fn condition(&self, code: u8) -> bool {
        let met = match code >> 1 & 7 {
            0 => self.of(),
            1 => self.cf(),
            2 => self.zf(),
            3 => self.cf() | self.zf(),
            4 => self.sf(),
            5 => self.pf(),
            6 => self.sf_ne_of(),
            _ => self.zf() | self.sf_ne_of(),
        };
        met ^ (code & 1 != 0)
    }

    #[inline(always)]
    fn put<T: Int>(&mut self, result: u64, carries: u64) {
        self.result = T::sext(result);
        self.carries = carries << (64 - T::BITS);
        self.shape = 67 - T::BITS;
    }

    /// Sets CF and OF, leaving AF.
    #[inline(always)]
    pub(crate) fn put_co(&mut self, cf: bool, of: bool) {
        self.carries = self.carries & ((TOP >> 1) - 1) | u64::from(cf) << 63 | u64::from(cf ^ of) << 62;
    }

    pub(crate) fn put_cf(&mut self, cf: bool) {
        self.put_co(cf, self.of());
    }

    pub(crate) fn put_zf(&mut self, zf: bool) {
        self.set_bits(if zf { self.bits() | bit::ZF } else { self.bits() & !bit::ZF });
    }

    /// After a sum; `a`, `b` and `sum` are zero-extended.
    #[inline(always)]
    pub(crate) fn add<T: Int>(&mut self, a: u64, b: u64, carry: u64) -> u64 {
        let sum = T::trunc(a.wrapping_add(b).wrapping_add(carry));
        self.put::<T>(sum, a & b | (a | b) & !sum);
        sum
    }

    /// After a difference.
    #[inline(always)]
    pub(crate) fn sub<T: Int>(&mut self, a: u64, b: u64, borrow: u64) -> u64 {
        let difference = T::trunc(a.wrapping_sub(b).wrapping_sub(borrow));
        self.put::<T>(difference, !a & b | (!a | b) & difference);
        difference
    }

    /// After `and`, `or`, `xor`, `test`: CF and OF clear (AF is undefined and clear here).
    #[inline(always)]
    pub(crate) fn logic<T: Int>(&mut self, result: u64) {
        self.put::<T>(result, 0);
    }

    /// A result with CF and OF given; AF clear.
    #[inline(always)]
    pub(crate) fn result_co<T: Int>(&mut self, result: u64, cf: bool, of: bool) {
        self.put::<T>(result, 0);
        self.put_co(cf, of);
    }

    /// `inc`: as an addition of 1 that leaves CF.
    #[inline(always)]
    pub(crate) fn inc<T: Int>(&mut self, a: u64) -> u64 {
        let cf = self.cf();
        let sum = self.add::<T>(a, 1, 0);
        self.put_co(cf, self.of());
        sum
    }

    /// `dec`: as a subtraction of 1 that leaves CF.
    #[inline(always)]
    pub(crate) fn dec<T: Int>(&mut self, a: u64) -> u64 {
        let cf = self.cf();
        let difference = self.sub::<T>(a, 1, 0);
        self.put_co(cf, self.of());
        difference
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
            assert_eq!(Flags::load(rflags).bits(), rflags, "{n:#b}");
        }
    }

    #[test]
    fn sums_by_width() {
        let rows: &[(u64, u64, u32)] = &[
            (0x7f, 1, bit::OF | bit::SF | bit::AF),
            (0xff, 1, bit::ZF | bit::AF | bit::PF | bit::CF),
            (0x80, 0x80, bit::OF | bit::ZF | bit::PF | bit::CF),
        ];
        for &(a, b, expected) in rows {
            let mut flags = Flags::load(0);
            flags.add::<u8>(a, b, 0);
            assert_eq!(flags.bits(), expected, "{a:#x} + {b:#x}");
        }
        let mut flags = Flags::load(0);
        flags.sub::<u64>(0, 1, 0);
        assert_eq!(flags.bits(), bit::SF | bit::AF | bit::PF | bit::CF);
    }
}
