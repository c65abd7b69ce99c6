//! What generated code finds where in the linear memory it runs in.
//!
//! Two places: the processor's state, whose address is a parameter of each function, and [`Shared`], whose address is a number
//! in the code.

use crate::pending::PendingFlags;
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::mem::offset_of;
use guest_mem::{HomeLayout, TlbLayout};

/// The processor's state, [`x86_cpu::CpuState`]. Offsets in bytes; numbers are little-endian.
pub mod context {
    use core::mem::{offset_of, size_of};
    use x86_cpu::CpuState;

    /// Sixteen general registers of 8 bytes.
    pub const GPR: u64 = offset_of!(CpuState, gpr) as u64;
    /// The address to go on at, 8 bytes.
    pub const RIP: u64 = offset_of!(CpuState, rip) as u64;
    /// EFLAGS, 4 bytes; of the arithmetic flags, [`Shared`](super::Shared) has what counts.
    pub const RFLAGS: u64 = offset_of!(CpuState, rflags) as u64;
    /// SSE control and status, 4 bytes.
    pub const MXCSR: u64 = offset_of!(CpuState, mxcsr) as u64;
    /// x87 control word, 2 bytes.
    pub const FPU_CONTROL: u64 = offset_of!(CpuState, fpu.control) as u64;
    /// XMM registers, 16 of 16 bytes.
    pub const XMM: u64 = offset_of!(CpuState, xmm) as u64;
    /// All of it.
    pub const SIZE: u64 = size_of::<CpuState>() as u64;

    /// Base of a segment, by its number in encodings, 8 bytes.
    pub const fn segment(number: u8) -> u64 {
        let offset = match number {
            0 => offset_of!(CpuState, segments.es.base),
            1 => offset_of!(CpuState, segments.cs.base),
            2 => offset_of!(CpuState, segments.ss.base),
            3 => offset_of!(CpuState, segments.ds.base),
            4 => offset_of!(CpuState, segments.fs.base),
            _ => offset_of!(CpuState, segments.gs.base),
        };
        offset as u64
    }
}

/// The x87 unit, and when generated code computes in it (SDM vol. 1 §8.1).
pub mod fpu {
    use core::mem::{offset_of, size_of};
    use x86_cpu::{CpuState, F80};

    /// log2 of the size of a physical register.
    pub const REGISTER_SHIFT: u32 = size_of::<F80>().trailing_zeros();
    /// Significand of the first register, 8 bytes.
    pub const MANTISSA: u64 = (offset_of!(CpuState, fpu.registers) + offset_of!(F80, mantissa)) as u64;
    /// Its sign and exponent, 2 bytes.
    pub const SIGN_EXPONENT: u64 =
        (offset_of!(CpuState, fpu.registers) + offset_of!(F80, sign_exponent)) as u64;
    /// Status word, 2 bytes.
    pub const STATUS: u64 = offset_of!(CpuState, fpu.status) as u64;
    /// Registers that are in use, one byte.
    pub const IN_USE: u64 = offset_of!(CpuState, fpu.in_use) as u64;
    /// Address of the last instruction, 8 bytes.
    pub const LAST_IP: u64 = offset_of!(CpuState, fpu.last_ip) as u64;
    /// The bits of the control word that matter: precision, rounding, masks.
    pub const CONTROL_MASK: u64 = 0x0f3f;
    /// What they have to be: extended, to nearest, everything masked.
    pub const CONTROL: u64 = 0x033f;
    /// The same but that results are cut off.
    pub const CUT_OFF: u64 = 0x0f3f;
    /// The bits that are kept of what is loaded.
    pub const CONTROL_KEPT: u64 = 0x1f3f;
    /// What is set, whatever is loaded.
    pub const CONTROL_FIXED: u64 = 0x0040;
    /// The bits of the status word that matter: PE, and whether an exception is pending.
    pub const STATUS_MASK: u64 = 0x00a0;
    /// What they have to be: an inexact result has been reported, so that it does not matter whether another one is.
    pub const PE: u64 = 0x0020;

    /// A result was rounded up.
    pub const UP: u32 = 1 << 16;
    /// There is none, as there is more to report than that it is not exact.
    pub const BAD: u32 = 1 << 17;

    /// A result as two words.
    pub fn result(computed: Option<(F80, bool)>) -> (u64, u32) {
        match computed {
            Some((value, up)) => (value.mantissa, u32::from(value.sign_exponent) | if up { UP } else { 0 }),
            None => (0, BAD),
        }
    }

    const _: () = assert!(size_of::<F80>().is_power_of_two());
}

/// When generated code does SSE arithmetic itself (SDM vol. 1 §10.2.3).
pub mod mxcsr {
    /// The bits that matter: all but the exceptions that have been reported, PE among those that matter.
    pub const MASK: u32 = 0xffe0;
    /// What they have to be: every exception masked, round to nearest, no FTZ, no DAZ, PE set.
    ///
    /// With PE set it does not matter whether a result is exact. What else an operation may report, it reports with a result
    /// that is a NaN, infinite or denormal, but for DE, which is not reported where a result is normal.
    pub const PRECISE: u32 = 0x1fa0;
    /// A result was not exact.
    pub const PE: u32 = 1 << 5;
}

/// Of a vector, all lanes of so many bits.
const fn lanes(lane: u128, width: u32) -> u128 {
    let (mut all, mut at) = (0, 0);
    while at < u128::BITS {
        all |= lane << at;
        at += width;
    }
    all
}

/// What tells results of arithmetic at an end of their range from others, of doubles and of singles: what is added to them, and what of the sum is 0 then.
pub(crate) const AT_AN_END: [[u128; 2]; 2] =
    [[lanes(1 << 52, 64), lanes(0x7fc << 52, 64)], [lanes(1 << 23, 32), lanes(0x7e00_0000, 32)]];

/// Vectors that functions with loops keep in locals. They come from memory, since hosts would make a constant anew each time round.
pub const VECTORS: [u128; 4] = {
    let [[a, b], [c, d]] = AT_AN_END;
    [a, b, c, d]
};

/// log2 of the number of entries of [`Shared::jumps`].
pub const JUMP_BITS: u32 = 16;
/// Entries of [`Shared::jumps`].
pub const JUMPS: usize = 1 << JUMP_BITS;
/// What an address is multiplied by for its place in the table: 2^32 / φ.
pub(crate) const JUMP_FACTOR: u32 = 0x9e37_79b1;

/// Where the stamp begins in a [key](Jump::key): addresses of code are below.
pub const STAMP_AT: u32 = 48;
/// Stamps are below.
pub const STAMPS: u32 = 1 << (64 - STAMP_AT);

/// The translated code at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Jump {
    /// The [key](Jump::key) of the address and the context that the entry is true for; 0: none.
    pub key: u64,
    /// Its [entrance](Entrance::word), and above it the stamp.
    pub target: u64,
}

/// Where control comes to translated code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entrance {
    /// The function's place in the table of functions.
    pub slot: u32,
    /// Where in a function of the [quick](crate::Tier::Quick) tier it begins: the number of a block. 0 of others.
    pub block: u16,
}

impl Entrance {
    /// One word, below 1 << [`STAMP_AT`].
    pub fn word(self) -> u64 {
        u64::from(self.block) << 32 | u64::from(self.slot)
    }

    /// What is added to how much room there is for calls, where the function is called.
    pub fn in_depth(self) -> u32 {
        u32::from(self.block) << BLOCK_AT
    }
}

/// Where the number of a block begins in the parameter for how much room there is for calls.
pub const BLOCK_AT: u32 = 16;

impl Jump {
    /// A table without any.
    pub fn table() -> Box<[Jump; JUMPS]> {
        table(Jump::EMPTY)
    }

    /// None.
    pub const EMPTY: Jump = Jump { key: 0, target: 0 };

    /// Of a [`Shared::stamp`], an address and where it is translated.
    pub fn new(stamp: u64, pc: u64, entrance: Entrance) -> Jump {
        Jump { key: Jump::key(stamp, pc), target: stamp | entrance.word() }
    }

    /// One word of an address and a [`Shared::stamp`].
    pub fn key(stamp: u64, pc: u64) -> u64 {
        stamp.wrapping_add(pc)
    }

    /// Where it is translated.
    pub fn entrance(&self) -> Entrance {
        Entrance { slot: self.target as u32, block: (self.target >> 32) as u16 }
    }

    /// Where in the table the entry of an address is.
    pub fn index(pc: u64) -> usize {
        ((pc as u32).wrapping_mul(JUMP_FACTOR) >> (32 - JUMP_BITS)) as usize
    }
}

/// A table of the same entries: through a vector, since it is larger than a stack likes.
fn table<T: Clone, const N: usize>(entry: T) -> Box<[T; N]> {
    match vec![entry; N].into_boxed_slice().try_into() {
        Ok(table) => table,
        Err(_) => unreachable!("a vector of as many entries"),
    }
}

/// Where indirect calls and jumps went, as code of the quick tier notes.
#[derive(Clone, Debug)]
pub struct Called(Box<[[u64; Called::SAMPLES]; Called::SITES]>);

impl Called {
    /// Addresses kept for a call.
    pub const SAMPLES: usize = 16;
    const BITS: u32 = 10;
    const SITES: usize = 1 << Called::BITS;

    fn index(pc: u64) -> usize {
        ((pc as u32).wrapping_mul(JUMP_FACTOR) >> (32 - Called::BITS)) as usize
    }

    /// Where in the table those of the call at an address are, in bytes.
    pub(crate) fn offset(pc: u64) -> u32 {
        (Called::index(pc) * size_of::<[u64; Called::SAMPLES]>()) as u32
    }

    /// Address of the table.
    pub(crate) fn address(&self) -> usize {
        self.0.as_ptr().expose_provenance()
    }

    /// Where the call or jump at an address went, and how many of the samples that is, the most frequent first; another one may share its place.
    pub(crate) fn of(&self, pc: u64) -> Vec<(u64, u32)> {
        let mut known: Vec<(u64, u32)> = Vec::new();
        for &to in self.0[Called::index(pc)].iter().filter(|to| **to != 0) {
            match known.iter_mut().find(|(known, _)| *known == to) {
                Some((_, count)) => *count += 1,
                None => known.push((to, 1)),
            }
        }
        known.sort_by_key(|(_, count)| core::cmp::Reverse(*count));
        known
    }
}

impl Default for Called {
    fn default() -> Called {
        Called(table([0; Called::SAMPLES]))
    }
}

/// Why generated code came back.
pub mod reason {
    /// It goes on at RIP, wherever that is.
    pub const JUMP: u32 = 0;
    /// The same, by a return.
    pub const RETURN: u32 = 1;
    /// What is at RIP is left to another engine.
    pub const STOP: u32 = 2;
    /// As JUMP, by the indirect jump that [`Shared::origin`](super::Shared::origin) names, of which the engine wants to know more.
    pub const LEARN: u32 = 3;
    /// Which of them. Inside a function, they are the lower bits of a word that says how it is left.
    pub(crate) const MASK: i32 = 3;
    /// Where in it the number begins of instructions that are still to be charged.
    pub(crate) const CHARGE_AT: u32 = 2;
    /// Those are below.
    pub(crate) const CHARGES: u32 = 1 << (PC_AT - CHARGE_AT);
    /// Where in it the distance begins, from the entry of the region to where to go on.
    pub(crate) const PC_AT: u32 = 14;
}

/// What generated code and the engine hand each other beside the processor's state.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct Shared {
    /// The arithmetic flags.
    pub flags: PendingFlags,
    /// Instructions that may still be done: code leaves at the next loop or call once it is not positive.
    pub budget: i64,
    /// What the keys of those entries of `jumps` that are true are made with: a number from 1 on, shifted by [`STAMP_AT`].
    pub stamp: u64,
    /// Address of the TLB of the running address space.
    pub tlb: u32,
    /// Of its [home](HomeLayout) for addresses of the width that the code has, or of one where nothing is.
    pub home: u32,
    /// Looks at what is not at home, so far.
    pub strays: u64,
    /// The address of the last one.
    pub stray: u64,
    /// One of [`reason`].
    pub reason: u32,
    /// Of what left by [`reason::LEARN`]: the address of the indirect jump, or that of the entry of its region for the switch there.
    pub origin: u64,
    /// And the entry of the region.
    pub region: u64,
    /// Indirect jumps that leave by [`reason::JUMP`] until the next one leaves by [`reason::LEARN`].
    pub quiet: i32,
    /// [`VECTORS`].
    pub vectors: [u128; VECTORS.len()],
    /// Where indirect calls and jumps went.
    pub called: Called,
    /// Whether there may be code of the best tier at an address, by [`Jump::index`]: that of the quick tier, where it comes there again, goes on with it.
    pub better: Box<[u8; JUMPS]>,
    /// Translated code by address: see [`Jump::index`].
    pub jumps: Box<[Jump; JUMPS]>,
}

impl Shared {
    /// A [table](Shared::better) without any.
    pub(crate) fn nothing_better() -> Box<[u8; JUMPS]> {
        table(0)
    }
}

/// Offsets of [`Shared`].
pub mod shared {
    use super::{Jump, Shared, offset_of};

    /// Of [`Shared::flags`]: [`crate::pending::PendingFlags::result`].
    pub const RESULT: u64 = offset_of!(Shared, flags.result) as u64;
    /// And so on.
    pub const LEFT: u64 = offset_of!(Shared, flags.left) as u64;
    /// And so on.
    pub const RIGHT: u64 = offset_of!(Shared, flags.right) as u64;
    /// And so on.
    pub const SHAPE: u64 = offset_of!(Shared, flags.shape) as u64;
    /// Of [`Shared::budget`].
    pub const BUDGET: u64 = offset_of!(Shared, budget) as u64;
    /// Of [`Shared::stamp`].
    pub const STAMP: u64 = offset_of!(Shared, stamp) as u64;
    /// Of [`Shared::tlb`].
    pub const TLB: u64 = offset_of!(Shared, tlb) as u64;
    /// Of [`Shared::home`].
    pub const HOME: u64 = offset_of!(Shared, home) as u64;
    /// Of [`Shared::strays`].
    pub const STRAYS: u64 = offset_of!(Shared, strays) as u64;
    /// Of [`Shared::stray`].
    pub const STRAY: u64 = offset_of!(Shared, stray) as u64;
    /// Of [`Shared::reason`].
    pub const REASON: u64 = offset_of!(Shared, reason) as u64;
    /// Of [`Shared::origin`].
    pub const ORIGIN: u64 = offset_of!(Shared, origin) as u64;
    /// Of [`Shared::region`].
    pub const REGION: u64 = offset_of!(Shared, region) as u64;
    /// Of [`Shared::quiet`].
    pub const QUIET: u64 = offset_of!(Shared, quiet) as u64;
    /// Of [`Shared::vectors`].
    pub const VECTORS: u64 = offset_of!(Shared, vectors) as u64;
    /// In an entry of [`Shared::jumps`].
    pub const JUMP_KEY: u64 = offset_of!(Jump, key) as u64;
    /// In an entry of it; the lower half is the function's place.
    pub const JUMP_TARGET: u64 = offset_of!(Jump, target) as u64;
    /// And the upper half, whose lower half is the number of a block.
    pub const JUMP_BLOCK: u64 = JUMP_TARGET + 4;
    /// log2 of the size of an entry.
    pub const JUMP_SHIFT: u32 = size_of::<Jump>().trailing_zeros();
}

const _: () = assert!(size_of::<Jump>().is_power_of_two());

/// What code is generated for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// Address of the [`Shared`] of the engine, a multiple of 8.
    pub shared: u32,
    /// That of the table of jumps in it, a multiple of 8.
    pub jumps: u32,
    /// That of the table of calls in it, a multiple of 8.
    pub calls: u32,
    /// That of the table of [what is better](Shared::better).
    pub better: u32,
    /// What a TLB looks like.
    pub tlb: TlbLayout,
    /// What a home looks like.
    pub home: HomeLayout,
    /// Whether the host [heeds hints](crate::CodeHost::heeds_hints).
    pub hints: bool,
}
