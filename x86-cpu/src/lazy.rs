//! The arithmetic flags, kept as what they are computed from: the form that engines share.

use crate::flags as bit;

const TOP: u64 = 1 << 63;
const SF_FLIP: u32 = 1 << 31;
const PF_FLIP: u32 = 1 << 30;

/// OF, SF, ZF, AF, PF and CF in lazy form: a result and the vector of carries out of each bit, from which every flag is a shift
/// or a compare away (SDM vol. 1 §3.4.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LazyFlags {
    /// Sign-extended result: ZF, SF and PF.
    pub result: u64,
    /// Carries out of each bit, shifted left so that the carry out of the operation is bit 63: CF is bit 63, OF is bit 63
    /// xor bit 62.
    pub carries: u64,
    /// Position of the carry out of bit 3 in `carries` (AF), and in bits 31 and 30 corrections of SF and PF for flags that
    /// were loaded and belong to no result.
    pub shape: u32,
}

impl LazyFlags {
    /// From RFLAGS.
    pub fn load(rflags: u32) -> LazyFlags {
        let set = |mask: u32| rflags & mask != 0;
        // 1 has odd parity (PF clear) and 0 has even parity (PF set).
        let pf_flip = if set(bit::PF) == set(bit::ZF) { 0 } else { PF_FLIP };
        let (cf, of) = (set(bit::CF), set(bit::OF));
        LazyFlags {
            result: u64::from(!set(bit::ZF)),
            carries: u64::from(set(bit::AF)) << 3 | u64::from(cf) << 63 | u64::from(cf ^ of) << 62,
            shape: 3 | pf_flip | if set(bit::SF) { SF_FLIP } else { 0 },
        }
    }

    /// The six bits as they stand in RFLAGS.
    pub fn bits(&self) -> u32 {
        let on = |set: bool, mask: u32| if set { mask } else { 0 };
        on(self.cf(), bit::CF)
            | on(self.pf(), bit::PF)
            | on(self.af(), bit::AF)
            | on(self.zf(), bit::ZF)
            | on(self.sf(), bit::SF)
            | on(self.of(), bit::OF)
    }

    /// CF.
    #[inline(always)]
    pub fn cf(&self) -> bool {
        self.carries & TOP != 0
    }

    /// OF.
    #[inline(always)]
    pub fn of(&self) -> bool {
        (self.carries ^ (self.carries << 1)) & TOP != 0
    }

    /// ZF.
    #[inline(always)]
    pub fn zf(&self) -> bool {
        self.result == 0
    }

    /// SF.
    #[inline(always)]
    pub fn sf(&self) -> bool {
        (self.result ^ (u64::from(self.shape) << 32)) & TOP != 0
    }

    /// SF is not OF: less, of signed numbers.
    #[inline(always)]
    pub fn sf_ne_of(&self) -> bool {
        (self.result ^ (u64::from(self.shape) << 32) ^ self.carries ^ (self.carries << 1)) & TOP != 0
    }

    /// PF.
    #[inline(always)]
    pub fn pf(&self) -> bool {
        ((self.result as u8).count_ones() & 1 == 0) ^ (self.shape & PF_FLIP != 0)
    }

    /// AF.
    #[inline(always)]
    pub fn af(&self) -> bool {
        self.carries >> (self.shape & 63) & 1 != 0
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
            assert_eq!(LazyFlags::load(rflags).bits(), rflags, "{n:#b}");
        }
    }
}
