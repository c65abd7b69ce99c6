//! The code of a program, as a translation sees it.

use crate::cache::{Key, Translations};
use crate::learn::Jumps;
use crate::region::{Code, Setting, Targets, Tier};
use alloc::collections::BTreeSet;
use guest_mem::AddressSpace;
use x86_cpu::BaseEngine;
use x86_decode::MAX_LEN;

/// Code of an address space, and what has run of it.
pub(crate) struct Guest<'a, B> {
    pub(crate) mem: &'a AddressSpace,
    /// And how often it is to have run.
    pub(crate) base: Option<(&'a B, u32)>,
    pub(crate) setting: Setting,
    pub(crate) known: Option<(&'a Jumps, &'a Translations)>,
    /// Whether a region ends where there is a translation already, or is about to be one.
    pub(crate) apart: Option<&'a BTreeSet<u64>>,
    pub(crate) reach: u64,
}

impl<B> Guest<'_, B> {
    fn tier(&self, pc: u64) -> Option<Tier> {
        let (_, translations) = self.known?;
        translations.tier(self.mem, Key { pc, setting: self.setting })
    }
}

impl<B: BaseEngine> Code for Guest<'_, B> {
    fn wanted(&self, pc: u64) -> bool {
        self.base.is_none_or(|(base, bar)| base.arrivals(self.mem, pc) >= bar) || self.tier(pc).is_some()
    }

    fn goes_on(&self, head: u64, taken: u64, next: u64) -> bool {
        let Some((base, _)) = self.base else { return true };
        // What is behind a conditional jump is a block for others only if control comes there otherwise, too. It has not run where all that came from
        // before went the other way; not where more have come there, as that is from elsewhere.
        let [before, other] = [head, taken].map(|pc| base.arrivals(self.mem, pc));
        before == u32::MAX || other.abs_diff(before) > 1 || self.wanted(next)
    }

    fn is_translated(&self, pc: u64) -> bool {
        self.apart.is_some_and(|others| others.contains(&pc) || self.tier(pc).is_some())
    }

    fn targets(&self, pc: u64, entry: u64) -> Targets {
        let Some((jumps, translations)) = self.known else { return Targets::default() };
        let jump = Key { pc, setting: self.setting };
        jumps.targets(jump, entry, self.reach, |key| translations.tier(self.mem, key) == Some(Tier::Best))
    }

    fn fetch(&self, pc: u64, out: &mut [u8; MAX_LEN]) -> usize {
        self.mem.fetch(pc, out).unwrap_or(0)
    }
}
