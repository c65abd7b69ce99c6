//! CPUID features: what rows need, and what a CPU shows.

/// CPUID feature, or older generation, an encoding belongs to (SDM vol. 2, CPUID, tables 3-8 to 3-11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Feature {
    /// 8086 to i486: always there.
    Base,
    Fpu,
    Tsc,
    Msr,
    Cx8,
    Sep,
    Cmov,
    Clfsh,
    Mmx,
    Fxsr,
    Sse,
    Sse2,
    Sse3,
    Monitor,
    Cx16,
    /// 64-bit mode (`LM`), `syscall` included.
    Long,
    LahfLong,
    Rdtscp,
    PrefetchW,
    /// Indirect branch tracking; a `nop` where it is absent.
    CetIbt,
    Ssse3,
    Sse41,
    Sse42,
    Popcnt,
    /// `bsr` where it is absent.
    Lzcnt,
    /// `tzcnt` is `bsf` where it is absent.
    Bmi1,
    Bmi2,
    Adx,
    Movbe,
    Aes,
    Pclmulqdq,
    Sha,
    Gfni,
    Rdrand,
    Rdseed,
    Rdpid,
    FsGsBase,
    ClflushOpt,
    Clwb,
    WaitPkg,
    Xsave,
    XsaveOpt,
    Xsavec,
    Xsaves,
    Avx,
    Avx2,
    Fma,
    F16c,
    /// 256-bit AES.
    Vaes,
    /// 256-bit carry-less multiplication.
    Vpclmulqdq,
}

/// A set of features: what a CPU shows. [`Feature::Base`] is in every set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FeatureSet(u64);

impl FeatureSet {
    /// Every feature the table knows.
    pub const ALL: FeatureSet = FeatureSet((2 << Feature::Vpclmulqdq as u32) - 1);

    /// The features listed.
    pub const fn of(features: &[Feature]) -> FeatureSet {
        let mut set = 1 << Feature::Base as u32;
        let mut i = 0;
        while i < features.len() {
            set |= 1 << features[i] as u32;
            i += 1;
        }
        FeatureSet(set)
    }

    /// Features in either set.
    pub const fn or(self, other: FeatureSet) -> FeatureSet {
        FeatureSet(self.0 | other.0)
    }

    /// Whether the feature of this number is in the set.
    #[inline(always)]
    pub(crate) const fn has(self, number: u8) -> bool {
        self.0 >> (number & 63) & 1 != 0
    }

    /// Whether every feature of `other` is in this set.
    pub const fn contains(self, other: FeatureSet) -> bool {
        self.0 & other.0 == other.0
    }
}
