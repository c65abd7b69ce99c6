//! The code of a program, as a translation sees it.

use crate::cache::{Key, Translations};
use crate::learn::Jumps;
use crate::region::{Code, Setting, Targets};
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
    pub(crate) reach: u64,
}

impl<B: BaseEngine> Code for Guest<'_, B> {
    fn wanted(&self, pc: u64) -> bool {
        self.base.is_none_or(|(base, bar)| base.arrivals(self.mem, pc) >= bar)
    }

    fn targets(&self, pc: u64, entry: u64) -> Targets {
        let Some((jumps, translations)) = self.known else { return Targets::default() };
        let jump = Key { pc, setting: self.setting };
        jumps.targets(jump, entry, self.reach, |key| translations.has(self.mem, key))
    }

    fn fetch(&self, pc: u64, out: &mut [u8; MAX_LEN]) -> usize {
        self.mem.fetch(pc, out).unwrap_or(0)
    }
}
