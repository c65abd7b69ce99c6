//! The CPU the interpreter is: what it executes, and what of that a processor model offers.

use x86_cpu::Cpuid;
use x86_decode::{Feature, FeatureSet};

/// Features of every processor model, announced or not.
const ALWAYS: FeatureSet = FeatureSet::of(&[
    Feature::Fpu,
    Feature::Tsc,
    Feature::Msr,
    Feature::Cx8,
    Feature::Sep,
    Feature::Cmov,
    Feature::Clfsh,
    Feature::Mmx,
    Feature::Fxsr,
    Feature::Sse,
    Feature::Sse2,
    Feature::Sse3,
    Feature::Monitor,
    Feature::Cx16,
    Feature::Long,
    Feature::LahfLong,
    Feature::Rdtscp,
    Feature::PrefetchW,
    Feature::CetIbt,
]);

/// Registers of an answer of CPUID.
const EAX: usize = 0;
const EBX: usize = 1;
const ECX: usize = 2;

/// Features that a processor model may lack: leaf and subleaf, register and bit of CPUID that announce them.
#[rustfmt::skip] // One feature a line.
const ANNOUNCED: &[(Feature, (u32, u32), usize, u32)] = &[
    (Feature::Pclmulqdq, (1, 0), ECX, 1),
    (Feature::Ssse3, (1, 0), ECX, 9),
    (Feature::Fma, (1, 0), ECX, 12),
    (Feature::Sse41, (1, 0), ECX, 19),
    (Feature::Sse42, (1, 0), ECX, 20),
    (Feature::Movbe, (1, 0), ECX, 22),
    (Feature::Popcnt, (1, 0), ECX, 23),
    (Feature::Aes, (1, 0), ECX, 25),
    (Feature::Xsave, (1, 0), ECX, 27),
    (Feature::Avx, (1, 0), ECX, 28),
    (Feature::F16c, (1, 0), ECX, 29),
    (Feature::Rdrand, (1, 0), ECX, 30),
    (Feature::FsGsBase, (7, 0), EBX, 0),
    (Feature::Bmi1, (7, 0), EBX, 3),
    (Feature::Avx2, (7, 0), EBX, 5),
    (Feature::Bmi2, (7, 0), EBX, 8),
    (Feature::Rdseed, (7, 0), EBX, 18),
    (Feature::Adx, (7, 0), EBX, 19),
    (Feature::ClflushOpt, (7, 0), EBX, 23),
    (Feature::Clwb, (7, 0), EBX, 24),
    (Feature::Sha, (7, 0), EBX, 29),
    (Feature::Gfni, (7, 0), ECX, 8),
    (Feature::Vaes, (7, 0), ECX, 9),
    (Feature::Vpclmulqdq, (7, 0), ECX, 10),
    (Feature::Rdpid, (7, 0), ECX, 22),
    (Feature::XsaveOpt, (0xd, 1), EAX, 0),
    (Feature::Xsavec, (0xd, 1), EAX, 1),
    (Feature::Lzcnt, (0x8000_0001, 0), ECX, 5),
];

/// Every feature of which all instructions are executed. What a processor model lacks of it raises #UD, or is the older
/// instruction that the encoding was before: see [`features`].
pub const FEATURES: FeatureSet = {
    let mut all = ALWAYS;
    let mut i = 0;
    while i < ANNOUNCED.len() {
        all = all.or(FeatureSet::of(&[ANNOUNCED[i].0]));
        i += 1;
    }
    all
};

/// The features that a processor model has.
pub fn features(cpuid: &Cpuid) -> FeatureSet {
    let has = |(leaf, subleaf): (u32, u32), register: usize, bit: u32| {
        cpuid.query(leaf, subleaf)[register] >> bit & 1 != 0
    };
    ANNOUNCED
        .iter()
        .filter(|(_, leaf, register, bit)| has(*leaf, *register, *bit))
        .fold(ALWAYS, |all, (feature, ..)| all.or(FeatureSet::of(&[*feature])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use x86_cpu::Level;

    #[test]
    fn levels_grow_up_to_everything() {
        let of = |level| features(&Cpuid::of(level));
        assert_eq!(of(Level::Sse3), ALWAYS);
        assert_eq!(of(Level::Full), FEATURES);
        for pair in Level::ALL.windows(2) {
            assert!(of(pair[1]).contains(of(pair[0])) && of(pair[1]) != of(pair[0]));
        }
    }
}
