//! Which code has been translated, and whether it still is what was translated.

use crate::region::{Region, Setting};
use alloc::vec::Vec;
use guest_mem::{AddressSpace, CodePage, PAGE_BYTES, page_floor};
use hashbrown::{HashMap, HashSet};

/// What a translation is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) pc: u64,
    pub(crate) setting: Setting,
}

/// A translation, and what it was made of.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) slot: u32,
    /// The pages its code is in.
    pages: Vec<(u64, CodePage)>,
    /// The runs of bytes that were translated, as address and length.
    runs: Vec<(u64, u32)>,
    /// Of those bytes.
    hash: u64,
}

/// Of the regions that are left for the same code, so many are translated anew with it.
const PARENTS: usize = 4;

/// All translations.
#[derive(Debug, Default)]
pub(crate) struct Translations {
    versions: HashMap<Key, Vec<Version>>,
    /// Where regions are left for code that had not run, and the entries of those regions.
    exits: HashMap<Key, Vec<Key>>,
    /// Blocks of regions, but for the first.
    interior: HashSet<Key>,
    /// How often regions have been translated anew.
    renewals: HashMap<Key, u32>,
    /// Instructions of regions.
    sizes: HashMap<Key, u32>,
    /// Exits that are to prove more often that their regions are worth translating anew.
    waiting: HashSet<Key>,
    /// Exits that have regions of their own, and how often those have been found to be entered.
    alone: HashMap<Key, u32>,
    count: usize,
}

impl Translations {
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// The function of the code at an address as it is now in an address space.
    pub(crate) fn find(&mut self, mem: &AddressSpace, key: Key) -> Option<u32> {
        let versions = self.versions.get_mut(&key)?;
        versions.iter_mut().find_map(|version| version.holds(mem).then_some(version.slot))
    }

    /// Whether there is one.
    pub(crate) fn has(&self, mem: &AddressSpace, key: Key) -> bool {
        self.versions
            .get(&key)
            .is_some_and(|versions| versions.iter().any(|version| version.is_true(mem) == Some(true)))
    }

    /// Takes note of the inner parts and the surroundings of a region.
    pub(crate) fn know(&mut self, key: Key, region: &Region) {
        for pc in region.exits().filter(|pc| *pc != key.pc) {
            let parents = self.exits.entry(Key { pc, ..key }).or_default();
            if !parents.contains(&key) && parents.len() < PARENTS {
                parents.push(key);
            }
        }
        self.sizes.insert(key, region.instructions() as u32);
        let own = region.blocks.iter().filter(|block| !block.callee).map(|block| block.pc);
        let blocks = own.filter(|pc| region.entries().all(|entry| entry != *pc));
        self.interior.extend(blocks.map(|pc| Key { pc, ..key }));
    }

    /// Takes a translation in, in place of an older one of the same code.
    pub(crate) fn insert(&mut self, key: Key, version: Version) {
        let versions = self.versions.entry(key).or_default();
        let before = versions.len();
        versions.retain(|old| !old.is_older(&version, key.pc));
        self.count -= before - versions.len();
        versions.push(version);
        self.count += 1;
    }

    /// Forgets what there is at an address.
    pub(crate) fn remove(&mut self, key: Key) {
        self.count -= self.versions.remove(&key).map_or(0, |versions| versions.len());
    }

    /// Whether a region is left at an address for code that had not run, and has not been translated anew since.
    pub(crate) fn is_exit(&self, key: Key) -> bool {
        self.exits.contains_key(&key)
    }

    /// Instructions of the region at an address.
    pub(crate) fn size(&self, key: Key) -> u32 {
        self.sizes.get(&key).copied().unwrap_or(0)
    }

    /// Instructions of the regions that are left at an address, where that is to be weighed; told once.
    pub(crate) fn weigh_renewal(&mut self, exit: Key) -> Option<u32> {
        self.is_exit(exit).then(|| self.around(exit)).filter(|_| self.waiting.insert(exit))
    }

    /// Instructions of the regions that are left at an address.
    pub(crate) fn around(&self, exit: Key) -> u32 {
        self.left_at(exit).iter().map(|parent| self.size(*parent)).sum()
    }

    /// The entries of regions that are left at an address.
    pub(crate) fn left_at(&self, exit: Key) -> &[Key] {
        self.exits.get(&exit).map_or(&[], Vec::as_slice)
    }

    /// What is behind an exit becomes a region of its own; false where there are no others that it could be part of.
    pub(crate) fn part(&mut self, exit: Key) -> bool {
        let is_exit = self.is_exit(exit);
        if is_exit {
            self.alone.insert(exit, 0);
        }
        is_exit
    }

    /// Whether that is so.
    pub(crate) fn is_alone(&self, exit: Key) -> bool {
        self.alone.contains_key(&exit)
    }

    /// Counts an entry of such a region, and says how many there have been.
    pub(crate) fn entered(&mut self, exit: Key) -> u32 {
        self.alone.get_mut(&exit).map_or(0, |count| {
            *count = count.saturating_add(1);
            *count
        })
    }

    /// What is behind an exit becomes part of others; false where it was already.
    pub(crate) fn unite(&mut self, exit: Key) -> bool {
        self.alone.remove(&exit).is_some()
    }

    /// The entries of regions that are left at an address, as far as they are to be translated anew; told once.
    pub(crate) fn parents(&mut self, exit: Key, most: u32) -> Vec<Key> {
        let mut parents = self.exits.remove(&exit).unwrap_or_default();
        self.waiting.remove(&exit);
        parents.retain(|parent| {
            let renewals = self.renewals.entry(*parent).or_default();
            *renewals += 1;
            *renewals <= most
        });
        parents
    }

    /// Whether an address is in a translated region; told once.
    pub(crate) fn was_interior(&mut self, key: Key) -> bool {
        self.interior.remove(&key)
    }

    /// How many translations there are of different code at an address.
    pub(crate) fn versions(&self, key: Key) -> usize {
        self.versions.get(&key).map_or(0, Vec::len)
    }

    pub(crate) fn clear(&mut self) {
        self.versions.clear();
        self.exits.clear();
        self.interior.clear();
        self.renewals.clear();
        self.sizes.clear();
        self.waiting.clear();
        self.alone.clear();
        self.count = 0;
    }
}

impl Version {
    /// The same with another function.
    pub(crate) fn at(&self, slot: u32) -> Version {
        Version { slot, ..self.clone() }
    }

    /// What a region is made of, still without a function. None where its code has gone meanwhile.
    pub(crate) fn of(mem: &AddressSpace, region: &Region) -> Option<Version> {
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
        Some(Version { slot: 0, pages, runs, hash })
    }

    /// Whether another one that was made later begins with the same code at an address.
    fn is_older(&self, newer: &Version, pc: u64) -> bool {
        let page =
            |version: &Version| version.pages.iter().copied().find(|(addr, _)| *addr == page_floor(pc));
        page(self) == page(newer)
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
