//! When code is translated, and how much of it.

use crate::region::Limits;

/// How much is translated, and when.
#[derive(Clone, Copy, Debug)]
pub struct Tuning {
    /// Arrivals at a block before it is translated in the [quick](crate::Tier::Quick) tier.
    pub threshold: u32,
    /// And how many more may pass until others are translated with it.
    pub wait: u32,
    /// Times that translated code has left for an address for that to be translated.
    pub leaves: u32,
    /// Arrivals at a block for it to be translated with a hot one.
    pub ran: u32,
    /// Instructions that translated code does between two looks at where it is.
    pub slice: u64,
    /// How often it is to be seen at an address for that to be translated in the [best](crate::Tier::Best) tier.
    pub seen: u32,
    /// Instructions that the other engine does in the time in which one is translated in the quick tier: not more time goes into translating than
    /// has gone into the other engine and changes between the two.
    pub price: u64,
    /// Instructions that translated code does for one that is translated in the best tier.
    pub price_of_best: u64,
    /// Instructions that are translated at once in each tier, before any have been paid for.
    pub credit: u64,
    /// Instructions to translate that are saved up, at most.
    pub saved: u64,
    /// Instructions that translated code has to do at a time for the other engine to give way to it.
    pub visit: u64,
    /// Arrivals at code that is not worth a change of engine until it is looked whether that is still so.
    pub again: u32,
    /// How often a region is translated anew, at most, because it was left for code that had not run before.
    pub renewals: u32,
    /// Functions in a module, at most: what a hot region calls is translated with it.
    pub batch: usize,
    /// Functions that are kept.
    pub capacity: usize,
    /// Modules that are kept: hosts run out of memory at some ten thousand.
    pub modules: usize,
    /// Bytes of modules that are kept. Chromium takes five to seven times as much memory for them.
    pub bytes: usize,
    /// Modules times functions that are kept where a host has [a table of all functions for each module](crate::CodeHost::copies_table).
    pub places: usize,
    /// Room for calls within each other, in units of some hundred bytes of the host's stack.
    pub depth: u32,
    /// Different code at one address of one page that is translated, at most: behind that, it is left to the other engine.
    pub versions: usize,
    /// What bounds a region.
    pub limits: Limits,
    /// Instructions of a region of the quick tier.
    pub quick: usize,
}

impl Default for Tuning {
    fn default() -> Tuning {
        Tuning {
            threshold: 400,
            wait: 200,
            leaves: 100,
            ran: 2,
            slice: 16_000,
            seen: 3,
            price: 2500,
            price_of_best: 20_000,
            credit: 6000,
            saved: 20_000,
            visit: 40,
            again: 4000,
            renewals: 5,
            batch: 32,
            capacity: 1 << 17,
            modules: 8192,
            bytes: 256 << 20,
            places: 24 << 20,
            depth: 1500,
            versions: 8,
            limits: Limits::default(),
            quick: 200,
        }
    }
}

impl Tuning {
    /// Translates whatever runs twice, at any price, and keeps little of it: for tests.
    pub fn eager() -> Tuning {
        Tuning {
            threshold: 1,
            wait: 1,
            leaves: 1,
            ran: 1,
            slice: 200,
            seen: 1,
            price: 1,
            price_of_best: 1,
            visit: 0,
            again: 1,
            versions: 64,
            modules: 300,
            ..Tuning::default()
        }
    }
}
