//! The CPU the interpreter is: what it executes, and so what the decoder is asked for.

use x86_decode::{Feature, FeatureSet};

/// Features of which every instruction is executed. Instructions of others raise #UD, or are the older instruction their
/// encoding was before.
pub const FEATURES: FeatureSet = FeatureSet::of(&[
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
