//! Where indirect jumps go, as translated code reports.
//!
//! Code that is translated for the first time comes back to the engine at each of its indirect jumps, for a while; then it is translated
//! anew, with the targets that are near as part of the region. That is done a few times, as what is behind the targets jumps
//! elsewhere; then the jump is known.

use crate::cache::Key;
use crate::region::Targets;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use hashbrown::{HashMap, HashSet};

/// Reports after which a region is translated anew.
const REPORTS: u32 = 200;
/// How often that is done for a jump.
const ROUNDS: u32 = 4;
/// And how often more because code that is older still reports.
const LATE: u32 = 2;
/// Targets of a jump that are remembered.
const MOST: usize = 256;

/// Of one jump.
#[derive(Debug, Default)]
struct Learned {
    /// Addresses, and how often it went there.
    targets: Vec<(u64, u32)>,
    /// Reports that are not made use of yet.
    reports: u32,
    rounds: u32,
}

impl Learned {
    fn add(&mut self, target: u64, times: u32) {
        if let Some((_, count)) = self.targets.iter_mut().find(|(known, _)| *known == target) {
            *count = count.saturating_add(times);
        } else if self.targets.len() < MOST {
            self.targets.push((target, times));
        }
    }
}

/// Of all jumps.
#[derive(Debug, Default)]
pub(crate) struct Jumps {
    by_jump: HashMap<Key, Learned>,
    /// Jumps of regions that have reported, by the address of the region.
    by_region: HashMap<Key, BTreeSet<u64>>,
    /// The region that an arm of a switch is in, by the address of the region.
    owner: HashMap<Key, Key>,
    /// Regions that have not found room in the one that they were to become part of.
    apart: HashSet<Key>,
}

impl Jumps {
    /// Takes note of where a jump of the region of `root` went. Tells how many reports there are, where that is enough
    /// for its region to be translated anew.
    pub(crate) fn report(&mut self, root: Key, jump: Key, target: u64) -> Option<u32> {
        self.by_region.entry(root).or_default().insert(jump.pc);
        let learned = self.by_jump.entry(jump).or_default();
        learned.add(target, 1);
        learned.reports += 1;
        (learned.reports >= REPORTS && learned.rounds < ROUNDS + LATE).then_some(learned.reports)
    }

    /// The region of a jump is translated anew; or will be, with others, after half as many reports.
    pub(crate) fn use_reports(&mut self, jump: Key, now: bool) {
        if let Some(learned) = self.by_jump.get_mut(&jump) {
            learned.rounds += u32::from(now);
            learned.reports = if now { 0 } else { REPORTS / 2 };
        }
    }

    /// The region with a switch that the region of `root` is to become part of: one that its jumps go to. Where there is one, that
    /// knows now what is known of those jumps. `is_there` tells whether a region is.
    pub(crate) fn join(
        &mut self,
        root: Key,
        reach: u64,
        mut is_there: impl FnMut(Key) -> bool,
    ) -> Option<Key> {
        let jumps = self.by_region.get(&root).filter(|_| !self.apart.contains(&root))?;
        let jumps = jumps.iter().filter_map(|pc| self.by_jump.get(&Key { pc: *pc, ..root }));
        let mut targets: Vec<(u64, u32)> = jumps.flat_map(|jump| &jump.targets).copied().collect();
        targets.sort_by_key(|(_, count)| core::cmp::Reverse(*count));
        let mut owners =
            targets.iter().filter_map(|(pc, _)| self.owner.get(&Key { pc: *pc, ..root }).copied());
        let owner =
            owners.find(|owner| *owner != root && owner.pc.abs_diff(root.pc) <= reach && is_there(*owner))?;
        let learned = self.by_jump.entry(owner).or_default();
        learned.add(root.pc, 1);
        targets.iter().for_each(|(pc, count)| learned.add(*pc, *count));
        self.owner.values_mut().filter(|known| **known == root).for_each(|known| *known = owner);
        self.owner.insert(root, owner);
        Some(owner)
    }

    /// What is known of a jump in the region of `root`. `holds` tells whether there is a translation of the code at an address.
    pub(crate) fn targets(
        &self,
        jump: Key,
        root: u64,
        reach: u64,
        mut holds: impl FnMut(Key) -> bool,
    ) -> Targets {
        let Some(learned) = self.by_jump.get(&jump) else {
            return Targets { known: Vec::new(), learn: true };
        };
        // What is in another switch already stays there: each of them would hold all of an interpreter's loop.
        let mut free = |pc: u64| {
            let key = Key { pc, ..jump };
            self.owner.get(&key).is_none_or(|owner| owner.pc == root || !holds(key))
        };
        let mut known: Vec<(u64, u32)> =
            learned.targets.iter().copied().filter(|(pc, _)| free(*pc)).collect();
        known.retain(|(pc, _)| pc.abs_diff(root) <= reach);
        known.sort_by_key(|(_, count)| core::cmp::Reverse(*count));
        // What goes nowhere near, as a call through a table of linkage does, is known at once.
        let learn = learned.rounds < if known.is_empty() { 1 } else { ROUNDS };
        Targets { known: known.into_iter().map(|(pc, _)| pc).collect(), learn }
    }

    /// Takes note of the arms of a region's switch. Gives those that it had and has no more.
    pub(crate) fn own(&mut self, root: Key, arms: impl Iterator<Item = u64>) -> Vec<Key> {
        let arms: BTreeSet<u64> = arms.collect();
        let gone = |(arm, owner): (&Key, &Key)| *owner == root && !arms.contains(&arm.pc);
        let gone: Vec<Key> =
            self.owner.iter().filter(|(arm, owner)| gone((arm, owner))).map(|(arm, _)| *arm).collect();
        gone.iter().for_each(|arm| {
            self.owner.remove(arm);
        });
        self.owner.extend(arms.into_iter().map(|pc| (Key { pc, ..root }, root)));
        gone
    }

    /// The region of `root` stays one of its own, as another has no room for it.
    pub(crate) fn part(&mut self, root: Key) {
        self.owner.remove(&root);
        self.apart.insert(root);
    }

    /// An address has a region of its own now, and is no arm.
    pub(crate) fn alone(&mut self, key: Key) {
        self.owner.remove(&key);
    }

    /// Whether an address is an arm of the switch of another region.
    pub(crate) fn is_arm(&self, key: Key) -> bool {
        self.owner.get(&key).is_some_and(|owner| *owner != key)
    }

    /// Forgets which regions there are, but not where jumps go.
    pub(crate) fn clear(&mut self) {
        self.owner.clear();
        self.apart.clear();
    }
}
