//! What is translated, when, and how: the quick tier for what is warm, the best one for what translated code is seen at (ADR 13).

use super::{CHANGE, Core, QUIET, Seat};
use crate::cache::{Key, Source};
use crate::guest::Guest;
use crate::host::{CodeError, CodeHost};
use crate::layout::{Jump, Places};
use crate::region::{Limits, Region, Tier};
use crate::translate;
use crate::tuning::Tuning;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use guest_mem::{AddressSpace, HomeLayout, TlbLayout};
use x86_cpu::BaseEngine;

/// How much oftener code is to be seen by the entry of its region than there to be translated from there on: the entry may be where nobody comes any more.
const ROOT: u32 = 2;

/// Hot code that waits for more to be translated together.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// The address space that it is in.
    space: u64,
    keys: Vec<Key>,
}

impl Queue {
    /// Whether it was not there before. What waits in another address space is given up.
    fn push(&mut self, mem: &AddressSpace, key: Key) -> bool {
        if self.space != mem.id() {
            *self = Queue { space: mem.id(), keys: Vec::new() };
        }
        let new = !self.keys.contains(&key);
        if new {
            self.keys.push(key);
        }
        new
    }
}

/// What the host keeps of modules.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Kept {
    pub(super) modules: usize,
    /// In the table, whether they are still called or not.
    functions: usize,
    /// Of the modules.
    pub(super) bytes: usize,
}

impl Kept {
    fn fits(self, tuning: &Tuning, copies_table: bool) -> bool {
        let Kept { modules, functions, bytes } = self;
        functions <= tuning.capacity
            && modules <= tuning.modules
            && bytes <= tuning.bytes
            && (!copies_table || modules * functions <= tuning.places)
    }
}

impl<B: BaseEngine> Core<B> {
    /// Deals with a block that is hot.
    pub(super) fn arrived<H: CodeHost>(&mut self, seat: &mut Seat<'_, H>, mem: &AddressSpace, key: Key) {
        if self.find(seat, mem, key).is_some() {
            return;
        }
        if self.is_closed || self.translations.versions(mem, key) >= self.tuning.versions {
            self.base.expect(key.pc, u32::MAX);
            return;
        }
        if !self.may_spend(Tier::Quick) {
            self.base.expect(key.pc, self.tuning.threshold);
            return;
        }
        // Modules are dear, however small: others that are about to be as hot go into the same one.
        let again = !self.queue.push(mem, key);
        if !again && self.queue.keys.len() < self.tuning.batch {
            self.base.expect(key.pc, self.tuning.wait);
            return;
        }
        let keys = core::mem::take(&mut self.queue.keys);
        let regions = self.find_quick(mem, &keys);
        let installed = self.install(seat, mem, &regions);
        if self.find(seat, mem, key).is_none() {
            let later = installed == Err(CodeError::Full);
            self.base.expect(key.pc, if later { self.tuning.threshold } else { u32::MAX });
        }
    }

    fn has_room(&self) -> bool {
        !self.full && !self.is_closed
    }

    /// Whether there is room, and translating has not taken more than its share of time yet. What a long run has left over does not pay for all
    /// that starts after it.
    fn may_spend(&mut self, tier: Tier) -> bool {
        if !self.has_room() {
            return false;
        }
        let Tuning { credit, price, price_of_best, saved, .. } = self.tuning;
        let share = credit
            + match tier {
                Tier::Quick => (self.stats.interpreted + self.left * CHANGE) / price,
                Tier::Best => self.stats.translated / price_of_best,
            };
        let charged = &mut self.charged[tier as usize];
        *charged = (*charged).max(share.saturating_sub(saved));
        *charged <= share
    }

    /// Takes note of where translated code is, now and then: what it is seen at again and again is worth translating well, with the regions that
    /// are left for it, and so is the entry of a region of the quick tier that it is seen in: loops stay in the function that control came in by.
    pub(super) fn look<H: CodeHost>(&mut self, seat: &mut Seat<'_, H>, mem: &AddressSpace, key: Key) {
        let count = self.see(key);
        let Some(root) = self.translations.quick_root(mem, key) else { return };
        let is_hot = count >= self.tuning.seen;
        let root = Some(root).filter(|root| {
            *root != key
                && self.see(*root) >= ROOT * self.tuning.seen
                && self.translations.tier(mem, *root) == Some(Tier::Quick)
        });
        if !is_hot && root.is_none() || !self.may_spend(Tier::Best) {
            return;
        }
        let mut again = false;
        for key in root.into_iter().chain(is_hot.then_some(key)) {
            self.seen[Jump::index(key.pc)].1 = 0;
            again |= !self.best.push(mem, key);
            for parent in self.translations.parents(key, self.tuning.renewals) {
                let is_there = self.translations.tier(mem, parent) == Some(Tier::Best);
                let due = self.translations.is_due(parent, self.stats.translated, self.tuning.price_of_best);
                if is_there && due {
                    self.best.push(mem, parent);
                }
            }
        }
        if again || self.best.keys.len() >= self.tuning.batch {
            let keys = core::mem::take(&mut self.best.keys);
            // Where there is no room, it stays as it is.
            let _ = self.compile(seat, mem, &keys);
        }
    }

    /// How often translated code has been seen there, this time included.
    fn see(&mut self, key: Key) -> u32 {
        let known = &mut self.seen[Jump::index(key.pc)];
        *known = (key.pc, if known.0 == key.pc { known.1.saturating_add(1) } else { 1 });
        known.1
    }

    /// The regions of the quick tier with the code at addresses, and what they call.
    fn find_quick(&self, mem: &AddressSpace, keys: &[Key]) -> Vec<Region> {
        let Tuning { threshold, ran, quick, batch, ref limits, .. } = self.tuning;
        let mut open: Vec<Key> = keys.iter().rev().copied().collect();
        let mut entries: BTreeSet<u64> = BTreeSet::new();
        let mut regions: Vec<Region> = Vec::new();
        while let Some(key) = open.pop() {
            if entries.contains(&key.pc) || self.translations.tier(mem, key).is_some() {
                continue;
            }
            let code = Guest {
                mem,
                base: Some((&self.base, ran)),
                setting: key.setting,
                known: Some((&self.jumps, &self.translations)),
                apart: Some(&entries),
                called: None,
                reach: limits.reach,
            };
            let region = Region::discover_quick(&code, key.pc, key.setting, self.features, quick);
            if region.is_empty() {
                continue;
            }
            entries.extend(region.entries());
            if regions.len() + open.len() < 2 * batch {
                let calls = region.calls().filter(|pc| self.base.arrivals(mem, *pc) > threshold / 4);
                open.extend(calls.map(|pc| Key { pc, ..key }));
            }
            regions.push(region);
        }
        regions
    }

    /// Deals with an indirect jump that translated code has reported.
    pub(super) fn learn<H: CodeHost>(&mut self, seat: &mut Seat<'_, H>, mem: &AddressSpace, target: Key) {
        let (jump, root) =
            (Key { pc: seat.shared.origin, ..target }, Key { pc: seat.shared.region, ..target });
        let Some(reports) = self.jumps.report(root, jump, target.pc) else { return };
        // What it has cost so far may pay for it alone.
        let paid = u64::from(reports) * CHANGE >= u64::from(self.translations.size(root)) * self.tuning.price;
        let due = self.translations.is_due(root, self.stats.translated, self.tuning.price_of_best);
        let may = if paid { self.has_room() } else { due && self.may_spend(Tier::Best) };
        if !may || self.find(seat, mem, root).is_none() {
            seat.shared.quiet = QUIET;
            return;
        }
        // Others that are about to be known as well go into the same module.
        let now = !self.best.push(mem, root);
        self.jumps.use_reports(jump, now);
        if !now {
            return;
        }
        let keys = core::mem::take(&mut self.best.keys);
        // Where there is no room, it stays as it is.
        let _ = self.compile(seat, mem, &keys);
    }

    /// Translates the code at addresses in the best tier, and what of that which it calls has been seen to be hot.
    fn compile<H: CodeHost>(
        &mut self,
        seat: &mut Seat<'_, H>,
        mem: &AddressSpace,
        keys: &[Key],
    ) -> Result<(), CodeError> {
        let mut regions: Vec<Region> = Vec::new();
        let mut seen: BTreeSet<Key> = keys.iter().copied().collect();
        let mut open: Vec<Key> = keys.to_vec();
        let (mut arms, mut owners) = (BTreeSet::new(), BTreeSet::new());
        let mut joined: Vec<Key> = Vec::new();
        loop {
            let Some(key) = open.pop() else {
                joined.retain(|root| !arms.contains(root));
                let Some(root) = joined.pop() else { break };
                self.jumps.part(root);
                open.push(root);
                continue;
            };
            // What is an arm of a switch in one program is none in another.
            let is_arm = || self.jumps.is_arm(key) && self.translations.tier(mem, key) == Some(Tier::Best);
            if arms.contains(&key) || is_arm() {
                continue;
            }
            let (translations, done) = (&self.translations, self.stats.translated);
            let Tuning { limits: Limits { switched, .. }, price_of_best, .. } = self.tuning;
            let may_grow = |other: Key| {
                (translations.size(other) as usize) < switched
                    && translations.is_due(other, done, price_of_best)
            };
            let is_there = |other: Key| {
                translations.tier(mem, other) == Some(Tier::Best) && may_grow(other)
                    || regions.iter().any(|region| region.entry() == other.pc)
            };
            let may_join = !owners.contains(&key);
            let reach = self.tuning.limits.reach;
            if let Some(owner) = may_join.then(|| self.jumps.join(key, reach, is_there)).flatten() {
                // Both become one.
                joined.push(key);
                owners.insert(owner);
                regions.retain(|region| region.entry() != owner.pc);
                if !open.contains(&owner) {
                    open.push(owner);
                }
                continue;
            }
            let known = Some((&self.jumps, &self.translations));
            let base = Some((&self.base, self.tuning.ran));
            let called = Some(&seat.shared.called);
            let code = Guest { mem, base, setting: key.setting, known, apart: None, called, reach };
            let region = Region::discover(&code, key.pc, key.setting, self.features, self.tuning.limits);
            if region.is_empty() {
                continue;
            }
            if region.arms.is_empty() {
                self.jumps.alone(key);
            } else {
                for arm in self.jumps.own(key, region.entries()) {
                    self.forget(seat, arm);
                }
            }
            arms.extend(region.entries().skip(1).map(|pc| Key { pc, ..key }));
            for pc in region.calls() {
                let key = Key { pc, ..key };
                let new = seen.len() < 2 * self.tuning.batch
                    && self.seen[Jump::index(pc)].0 == pc
                    && seen.insert(key);
                if new && self.translations.tier(mem, key) == Some(Tier::Quick) {
                    open.push(key);
                }
            }
            regions.push(region);
        }
        regions.retain(|region| !arms.contains(&Key { pc: region.entry(), setting: region.setting }));
        self.install(seat, mem, &regions)
    }

    /// Makes a module of regions.
    fn install<H: CodeHost>(
        &mut self,
        seat: &mut Seat<'_, H>,
        mem: &AddressSpace,
        regions: &[Region],
    ) -> Result<(), CodeError> {
        if regions.is_empty() {
            return Ok(());
        }
        let count: usize = regions.iter().map(|region| region.functions() as usize).sum();
        let after = Kept {
            modules: self.kept.modules + 1,
            functions: self.kept.functions + count,
            bytes: self.kept.bytes,
        };
        if !after.fits(&self.tuning, seat.host.copies_table()) {
            self.full = true;
            return Err(CodeError::Full);
        }
        let count = count as u32;
        // With nothing to give up, it would be no better next time.
        let some = self.kept.modules > 0;
        let is_full = |error: &CodeError| some && *error == CodeError::Full;
        let first = seat.host.reserve(count).inspect_err(|error| self.full = is_full(error))?;
        let places = Places {
            shared: seat.host.address((&raw const *seat.shared).expose_provenance()),
            jumps: seat.host.address(seat.shared.jumps.as_ptr().expose_provenance()),
            calls: seat.host.address(seat.shared.called.address()),
            better: seat.host.address(seat.shared.better.as_ptr().expose_provenance()),
            tlb: TlbLayout::OWN,
            home: HomeLayout::OWN,
            hints: seat.host.heeds_hints(),
        };
        let module = translate(regions, &places, first);
        seat.host.install(&module).inspect_err(|error| self.full = is_full(error))?;
        self.kept = Kept { bytes: after.bytes + module.len(), ..after };
        self.stats.modules += 1;
        for region in regions {
            let instructions = region.instructions() as u64;
            self.spent[region.tier as usize] += instructions;
            self.charged[region.tier as usize] += instructions;
            self.stats.quick += u64::from(region.tier == Tier::Quick);
            self.stats.arms += region.arms.len() as u64;
        }
        self.stats.regions += regions.len() as u64;
        self.stats.bytes += module.len() as u64;
        let mut next = first;
        for region in regions {
            let first = next;
            next += region.functions();
            if region.tier == Tier::Best {
                let key = Key { pc: region.entry(), setting: region.setting };
                self.translations.know(mem, key, region, self.stats.translated);
            }
            let Some(source) = Source::of(mem, region) else { continue };
            self.translations.insert(region, source, first);
            for (pc, entrance) in region.entrances(first) {
                self.announce(seat, mem, Key { pc, setting: region.setting }, entrance);
                if region.tier == Tier::Best {
                    seat.shared.better[Jump::index(pc)] = 1;
                }
            }
        }
        Ok(())
    }
}
