//! When code is translated, and how much of it.

use crate::region::Limits;

/// How much is translated, and when.
#[derive(Clone, Copy, Debug)]
pub struct Tuning {
    /// Arrivals at a block before it is translated.
    pub threshold: u32,
    /// Times that translated code has left for an address for that to be translated by itself.
    pub leaves: u32,
    /// Of so many entries of such regions, one is counted.
    pub sample: u32,
    /// How often control has come there then, for each instruction of the regions that are left, for those to be translated anew with it.
    pub merge: u32,
    /// As many are enough for any.
    pub merged: u32,
    /// How many times less often than that control has come to a block at least that is translated with a hot one.
    pub colder: u32,
    /// Instructions that the other engine does in the time in which one is translated: not more time goes into translating than
    /// has gone into the other engine and changes between the two.
    pub price: u64,
    /// Instructions that are translated at once, before any have been paid for.
    pub credit: u64,
    /// Instructions to translate that are saved up, at most.
    pub saved: u64,
    /// Instructions that translated code has to do at a time for the other engine to give way to it.
    pub visit: u64,
    /// How many times as many arrivals it takes for a block that is part of a translation, but not its beginning: mostly, control
    /// comes to the beginning before long.
    pub interior: u32,
    /// Arrivals behind an exit, for each instruction of the regions that it leaves, after which those are translated anew with what is there.
    pub renewal: u32,
    /// How often a region is translated anew, at most, because it was left for code that had not run before.
    pub renewals: u32,
    /// Functions in a module, at most: what a hot region calls is translated with it.
    pub batch: usize,
    /// Functions that are kept.
    pub capacity: usize,
    /// Modules that are kept: hosts run out of memory at some ten thousand.
    pub modules: usize,
    /// Modules times functions that are kept: some hosts have a table of all functions for each module (Node.js 20: twenty bytes for each of them).
    pub places: usize,
    /// Room for calls within each other, in units of some hundred bytes of the host's stack.
    pub depth: u32,
    /// Different code at one address that is translated, at most: behind that, it is left to the other engine.
    pub versions: usize,
    /// What bounds a region.
    pub limits: Limits,
}

impl Default for Tuning {
    fn default() -> Tuning {
        Tuning {
            threshold: 700,
            leaves: 250,
            sample: 1021,
            merge: 100,
            merged: 20_000,
            colder: 64,
            price: 2500,
            credit: 6000,
            saved: 20_000,
            visit: 40,
            interior: 8,
            renewal: 14,
            renewals: 5,
            batch: 32,
            capacity: 1 << 15,
            modules: 4096,
            places: 24 << 20,
            depth: 1500,
            versions: 8,
            limits: Limits::default(),
        }
    }
}

impl Tuning {
    /// Translates whatever runs twice, at any price: for tests.
    pub fn eager() -> Tuning {
        Tuning {
            threshold: 1,
            leaves: 1,
            sample: 3,
            merge: 0,
            price: 1,
            visit: 0,
            interior: 1,
            renewal: 0,
            versions: 64,
            ..Tuning::default()
        }
    }
}
