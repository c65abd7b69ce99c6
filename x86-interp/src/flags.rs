//! The arithmetic flags, kept as what they are computed from.
//!
//! An arithmetic instruction stores its result and the vector of carries out of each bit; every flag is then a
//! shift or a compare away, without a branch on which instruction it was (SDM vol. 1 §3.4.3.1).

use crate::int::Int;
use core::ops::Deref;
use x86_cpu::{LazyFlags, flags as bit};

const TOP: u64 = 1 << 63;

/// OF, SF, ZF, AF, PF and CF in lazy form, and what instructions do to them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flags(LazyFlags);

impl Deref for Flags {
    type Target = LazyFlags;

    #[inline(always)]
    fn deref(&self) -> &LazyFlags {
        &self.0
    }
}

impl Flags {
    /// From RFLAGS.
    pub(crate) fn load(rflags: u32) -> Flags {
        Flags(LazyFlags::load(rflags))
    }

    /// Replaces all six by those of an RFLAGS image.
    pub(crate) fn set_bits(&mut self, rflags: u32) {
        self.0 = LazyFlags::load(rflags);
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
        self.0.result = T::sext(result);
        self.0.carries = carries << (64 - T::BITS);
        self.0.shape = 67 - T::BITS;
    }

    /// Sets CF and OF, leaving AF.
    #[inline(always)]
    pub(crate) fn put_co(&mut self, cf: bool, of: bool) {
        self.0.carries = self.0.carries & ((TOP >> 1) - 1) | u64::from(cf) << 63 | u64::from(cf ^ of) << 62;
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
