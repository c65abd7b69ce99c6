//! Which code has been translated, and whether it still is what was translated.

use crate::layout::Entrance;
use crate::region::{Region, Setting, Tier};
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use guest_mem::{AddressSpace, CodePage, PAGE_BYTES, page_floor};
use hashbrown::HashMap;

/// What a translation is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) pc: u64,
    pub(crate) setting: Setting,
}

/// A translation.
#[derive(Clone, Debug)]
struct Version {
    entrance: Entrance,
    tier: Tier,
    /// The entry of its region.
    root: u64,
    made: Rc<RefCell<Source>>,
}

/// What a region was made of.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// The pages its code is in.
    pages: Vec<(u64, CodePage)>,
    /// The runs of bytes that were translated, as address and length.
    runs: Vec<(u64, u32)>,
    /// Of those bytes.
    hash: u64,
}

/// Of a region that has been translated in the best tier.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    /// Instructions.
    size: u32,
    /// How often it has been translated.
    times: u32,
    /// Instructions that translated code had done by the last time.
    at: u64,
}

/// Of the regions that are left for the same code, so many are translated anew with it.
const PARENTS: usize = 4;
/// So often a region is translated before that has a price.
const FREE: u32 = 3;
/// How often the price of translating a region anew doubles.
const DOUBLED: u32 = 16;

/// Translations of different code at one address that are kept.
const VERSIONS: usize = 24;

/// All translations.
#[derive(Debug, Default)]
pub(crate) struct Translations {
    versions: HashMap<Key, Vec<Version>>,
    /// Where regions are left for code that had not run, and the entries of those regions.
    exits: HashMap<Key, Vec<Key>>,
    /// How often regions have been translated anew.
    renewals: HashMap<Key, u32>,
    /// What regions of the [best](Tier::Best) tier have cost.
    costs: HashMap<Key, Cost>,
}

impl Translations {
    /// The translation of the code at an address as it is now in an address space.
    pub(crate) fn find(&self, mem: &AddressSpace, key: Key) -> Option<Entrance> {
        let mut versions = self.versions.get(&key)?.iter();
        versions.find_map(|version| version.made.borrow_mut().holds(mem).then_some(version.entrance))
    }

    /// How it is translated.
    pub(crate) fn tier(&self, mem: &AddressSpace, key: Key) -> Option<Tier> {
        self.current(mem, key).map(|version| version.tier)
    }

    /// The entry of the region of the quick tier that the code at an address is in.
    pub(crate) fn quick_root(&self, mem: &AddressSpace, key: Key) -> Option<Key> {
        let version = self.current(mem, key).filter(|version| version.tier == Tier::Quick)?;
        Some(Key { pc: version.root, ..key })
    }

    fn current(&self, mem: &AddressSpace, key: Key) -> Option<&Version> {
        self.versions.get(&key)?.iter().find(|version| version.made.borrow().is_true(mem) == Some(true))
    }

    /// Takes note of a region that is translated in the best tier when translated code has done so many instructions.
    pub(crate) fn know(&mut self, mem: &AddressSpace, key: Key, region: &Region, now: u64) {
        // Another program may have had other code there.
        let again = self.tier(mem, key) == Some(Tier::Best);
        // What has no room for more gains nothing by another time.
        for pc in region.exits().filter(|pc| *pc != key.pc && !region.is_full) {
            let parents = self.exits.entry(Key { pc, ..key }).or_default();
            if !parents.contains(&key) && parents.len() < PARENTS {
                parents.push(key);
            }
        }
        let cost = self.costs.entry(key).or_default();
        *cost = Cost {
            size: region.instructions() as u32,
            times: if again { cost.times + 1 } else { 1 },
            at: now,
        };
    }

    /// Takes the translation of a region in, in place of older ones of the same code. `first` is the place of its first function.
    pub(crate) fn insert(&mut self, region: &Region, source: Source, first: u32) {
        let made = Rc::new(RefCell::new(source));
        for (pc, entrance) in region.entrances(first) {
            let key = Key { pc, setting: region.setting };
            // Mostly there is one, of many entrances.
            let versions = self.versions.entry(key).or_insert_with(|| Vec::with_capacity(1));
            versions.retain(|old| !old.made.borrow().is_older(&made.borrow(), pc));
            if versions.len() == VERSIONS {
                versions.remove(0);
            }
            versions.push(Version { entrance, tier: region.tier, root: region.entry(), made: made.clone() });
        }
    }

    /// Forgets what there is at an address.
    pub(crate) fn remove(&mut self, key: Key) {
        self.versions.remove(&key);
    }

    /// Instructions of the region at an address.
    pub(crate) fn size(&self, key: Key) -> u32 {
        self.costs.get(&key).map_or(0, |cost| cost.size)
    }

    /// Whether a region may be translated anew for what has turned up since: a few times at once, then each time translated code has to do twice as much
    /// before, the first time `price` instructions for each of the region. The loop of an interpreter always finds something more, and until the engine of
    /// the host has compiled it well, its new function is slower than the old one.
    pub(crate) fn is_due(&self, key: Key, now: u64, price: u64) -> bool {
        self.costs.get(&key).is_none_or(|cost| {
            let doubled = cost.times.saturating_sub(FREE).min(DOUBLED);
            cost.times < FREE || now.saturating_sub(cost.at) >= (u64::from(cost.size) * price) << doubled
        })
    }

    /// The entries of regions that are left at an address, as far as they are to be translated anew; told once.
    pub(crate) fn parents(&mut self, exit: Key, most: u32) -> Vec<Key> {
        let mut parents = self.exits.remove(&exit).unwrap_or_default();
        parents.retain(|parent| {
            let renewals = self.renewals.entry(*parent).or_default();
            *renewals += 1;
            *renewals <= most
        });
        parents
    }

    /// How many translations there are of different code at an address, all in the frame that is there now: one that is written again and again. Other frames
    /// are those of other programs.
    pub(crate) fn versions(&self, mem: &AddressSpace, key: Key) -> usize {
        let Ok(now) = mem.code_page(key.pc) else { return 0 };
        let is_there = |version: &&Version| {
            version.made.borrow().page_of(key.pc).is_some_and(|page| page.frame == now.frame)
        };
        self.versions.get(&key).map_or(0, |versions| versions.iter().filter(is_there).count())
    }

    pub(crate) fn clear(&mut self) {
        self.versions.clear();
        self.exits.clear();
        self.renewals.clear();
        self.costs.clear();
    }
}

impl Source {
    /// What a region is made of. None where its code has gone meanwhile.
    pub(crate) fn of(mem: &AddressSpace, region: &Region) -> Option<Source> {
        let mut runs: Vec<(u64, u32)> = Vec::new();
        for block in &region.blocks {
            for at in &block.insns {
                let len = u32::from(at.insn.len);
                match runs.last_mut() {
                    Some((start, so_far)) if *start + u64::from(*so_far) == at.pc => *so_far += len,
                    _ => runs.push((at.pc, len)),
                }
            }
        }
        // Functions that are part of the region are there as often as they are called.
        runs.sort_unstable();
        runs.dedup();
        let mut addresses: Vec<u64> = Vec::new();
        for &(start, len) in &runs {
            let mut page = page_floor(start);
            while page < start + u64::from(len) {
                addresses.push(page);
                page += PAGE_BYTES;
            }
        }
        addresses.sort_unstable();
        addresses.dedup();
        let page = |addr: u64| Some((addr, mem.code_page(addr).ok()?));
        let pages = addresses.into_iter().map(page).collect::<Option<Vec<_>>>()?;
        let hash = hash(mem, &runs)?;
        Some(Source { pages, runs, hash })
    }

    /// Whether another one that was made later begins with the same code at an address.
    fn is_older(&self, newer: &Source, pc: u64) -> bool {
        self.page_of(pc) == newer.page_of(pc)
    }

    /// The page that an address is in.
    fn page_of(&self, pc: u64) -> Option<CodePage> {
        self.pages.iter().find(|(addr, _)| *addr == page_floor(pc)).map(|(_, page)| *page)
    }

    /// Whether it is a translation of what is in the address space now.
    fn holds(&mut self, mem: &AddressSpace) -> bool {
        if let Some(known) = self.is_true(mem) {
            return known;
        }
        if hash(mem, &self.runs) != Some(self.hash) {
            return false;
        }
        for (addr, page) in &mut self.pages {
            if let Ok(now) = mem.code_page(*addr) {
                *page = now;
            }
        }
        true
    }

    /// The same, as far as the pages tell: none where one has been written to, or is another one.
    fn is_true(&self, mem: &AddressSpace) -> Option<bool> {
        let mut written = false;
        for (addr, page) in &self.pages {
            match mem.code_page(*addr) {
                Ok(now) if now == *page => {}
                // Data beside code, perhaps; or the same bytes in another process.
                Ok(_) => written = true,
                Err(_) => return Some(false),
            }
        }
        (!written).then_some(true)
    }
}

/// FNV-1a with words of 8 bytes over runs of bytes; none where they are not there.
fn hash(mem: &AddressSpace, runs: &[(u64, u32)]) -> Option<u64> {
    const PRIME: u64 = 0x0100_0000_01b3;
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut buffer = [0; 256];
    for &(start, len) in runs {
        let (mut at, end) = (start, start + u64::from(len));
        while at < end {
            let wanted = buffer.len().min((end - at) as usize);
            let got = mem.fetch(at, &mut buffer[..wanted]).ok()?;
            for word in buffer[..got].chunks(8) {
                let mut bytes = [0; 8];
                bytes[..word.len()].copy_from_slice(word);
                hash = (hash ^ u64::from_le_bytes(bytes)).wrapping_mul(PRIME);
                hash ^= hash >> 29;
            }
            at += got as u64;
        }
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::Code;
    use guest_mem::{FramePool, Prot, Vma};
    use x86_cpu::CodeMode;
    use x86_decode::{FeatureSet, MAX_LEN};

    const KEY: Key = Key { pc: 0x1000, setting: Setting { mode: CodeMode::Bits32, fs: false, gs: false } };

    struct In<'a>(&'a AddressSpace);

    impl Code for In<'_> {
        fn fetch(&self, pc: u64, out: &mut [u8; MAX_LEN]) -> usize {
            self.0.fetch(pc, out).unwrap_or(0)
        }
    }

    /// Writes a function that returns a number, and translates it.
    fn translate(translations: &mut Translations, mem: &AddressSpace, number: u8) {
        mem.write_bytes(KEY.pc, &[0xb8, number, 0, 0, 0, 0xc3]).expect("writable");
        let region = Region::discover_quick(&In(mem), KEY.pc, KEY.setting, FeatureSet::ALL, 10);
        let source = Source::of(mem, &region).expect("there is code");
        translations.insert(&region, source, number.into());
    }

    fn program(pool: &FramePool) -> AddressSpace {
        let mem = AddressSpace::new(pool);
        let area = Vma::anonymous(KEY.pc, KEY.pc + PAGE_BYTES, Prot::ALL);
        mem.map(area).expect("maps");
        mem
    }

    /// Programs have different code at the same addresses, and are many; one that writes code again and again is not like them.
    #[test]
    fn programs_do_not_wear_addresses_out() {
        let pool = FramePool::new(100);
        let mut translations = Translations::default();
        let programs: Vec<AddressSpace> = (0..30).map(|_| program(&pool)).collect();
        for (number, mem) in (0..).zip(&programs) {
            assert_eq!(translations.versions(mem, KEY), 0);
            translate(&mut translations, mem, number);
            assert_eq!(translations.versions(mem, KEY), 1);
        }
        let slot = |mem: &AddressSpace| translations.find(mem, KEY).map(|entrance| entrance.slot);
        let found: Vec<Option<u32>> = programs.iter().map(slot).collect();
        let kept = |number: u32| Some(number).filter(|number| *number as usize >= 30 - VERSIONS);
        assert_eq!(found, (0..30).map(kept).collect::<Vec<_>>());
        for number in 100..110 {
            translate(&mut translations, &programs[0], number);
        }
        assert_eq!(translations.versions(&programs[0], KEY), 10);
    }

    #[test]
    fn a_region_that_has_been_renewed_often_is_due_later_and_later() {
        let key = KEY;
        let mut translations = Translations::default();
        assert!(translations.is_due(key, 0, 50), "nothing is known of it");
        let mut from = |times: u32| {
            translations.costs.insert(key, Cost { size: 10, times, at: 1000 });
            let due = |done: &u64| translations.is_due(key, 1000 + done, 50);
            [0, 500, 1000, 2000].into_iter().find(due)
        };
        assert_eq!([FREE - 1, FREE, FREE + 1, FREE + 2].map(&mut from), [0, 500, 1000, 2000].map(Some));
    }
}
