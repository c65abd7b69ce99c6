//! What tests of execution engines share: a generator of instructions that walks the decoder's table ([`forms`]),
//! random machine states weighted towards edges ([`state`], [`rng`]), both together as a row's [`trials`], the real
//! processor as the oracle (`host`, on x86-64 Linux) or what it did as a record ([`vectors`]), an engine run likewise
//! ([`guest`]) or beside a whole program (`lockstep`), and what of the outcomes must agree ([`compare`], [`skips`]).
//!
//! What this crate deliberately does not know: any engine. It is for tests only, so it may use `unsafe`, which is all
//! in `host`.
#![warn(missing_docs)]

pub mod compare;
pub mod forms;
pub mod guest;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod host;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod lockstep;
pub mod outcome;
pub mod rng;
pub mod skips;
pub mod state;
pub mod trials;
pub mod vectors;

/// Where test cases live, in the host process and in the guest alike. All below 2 GiB, so that 32-bit code and
/// absolute addresses reach it.
pub mod layout {
    /// Two pages of code.
    pub const CODE: u64 = 0x2000_0000;
    /// Bytes of code.
    pub const CODE_LEN: usize = 0x2000;
    /// One page of data, with nothing mapped on either side.
    pub const DATA: u64 = 0x2100_0000;
    /// Bytes of data.
    pub const DATA_LEN: usize = 0x1000;
    /// Distance from the end of the instruction under test to the target of its jumps.
    pub const TARGET_GAP: u64 = 0x20;
}
