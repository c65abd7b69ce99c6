//! What CPUID answers.

/// The answers of CPUID for one processor model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpuid;
