//! Homes: where in host memory each page of a 32-bit address space would best be, so that generated code finds it without a look at the TLB.
//!
//! A home is host memory with a place for every page, several pages to a place, and behind it a map of 4 GiB, a byte for
//! each [granule](GRANULE_SHIFT), which says what may be done with memory there, where it would best be. So an address is in host memory at the home plus
//! its lower bits, and whether that is true is a question beside the way: nothing waits for the answer. A page that is elsewhere (its place is taken, it is shared,
//! or it is that of a file) is found through the TLB.

use crate::frame::{FrameId, FramePool};
use crate::{PAGE_SHIFT, PAGE_SIZE};
use core::cell::Cell;
use core::num::NonZeroU32;

/// Places in a home, which are pages: 256 MiB.
pub(crate) const PLACES: usize = 1 << 16;
/// Size of a home with its map, in bytes.
pub(crate) const SIZE: usize = HomeLayout::OWN.size();
const _: () = assert!(SIZE == PLACES * PAGE_SIZE + PAGES * GRANULES);
/// Pages in 4 GiB.
const PAGES: usize = 1 << (32 - PAGE_SHIFT);
/// log2 of the bytes that a byte of the map is for. An access that begins in the last granule of a page may go on in the next page.
const GRANULE_SHIFT: u32 = 8;
/// Bytes of the map for a page.
const GRANULES: usize = PAGE_SIZE >> GRANULE_SHIFT;
/// Pages whose bytes of the map are cleared together.
const GROUP: usize = 1 << 8;
/// Eight bytes of the map, with one bit set in each.
const ONES: u64 = u64::MAX / 0xff;
/// Of the last eight of a page, the last.
const LAST: u64 = 0xff << 56;

/// Where generated code finds what in the home that [`crate::AddressSpace::home_address`] names. An area of at most a granule is there at its
/// address's [`HomeLayout::mask`] bits, if the byte of its first granule at [`HomeLayout::map`] has the bit for what is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HomeLayout {
    /// The bits of an address that are kept.
    pub mask: u32,
    /// Offset of the map, in bytes.
    pub map: u32,
    /// log2 of the size of a granule, in bytes.
    pub granule_shift: u32,
}

impl HomeLayout {
    /// That of this build.
    pub const OWN: HomeLayout = HomeLayout {
        mask: (PLACES * PAGE_SIZE - 1) as u32,
        map: (PLACES * PAGE_SIZE) as u32,
        granule_shift: GRANULE_SHIFT,
    };
    /// Size of a home with its map, in bytes.
    pub const fn size(&self) -> usize {
        (self.map as usize) + (1 << (u32::BITS - self.granule_shift))
    }

    /// Bit of the map: may be read.
    pub const READ: u8 = 1;
    /// May be written.
    pub const WRITE: u8 = 2;
}

/// That of an address space.
pub(crate) struct Home {
    pool: FramePool,
    /// The first of its frames, and where that is in host memory.
    first: FrameId,
    base: *mut u8,
    /// Groups of the map that have bits, one bit each.
    filled: [Cell<u64>; PAGES / GROUP / u64::BITS as usize],
}

impl Home {
    pub(crate) fn new(pool: &FramePool, first: FrameId) -> Home {
        Home { pool: pool.clone(), first, base: pool.host(first), filled: [const { Cell::new(0) }; _] }
    }

    pub(crate) fn address(&self) -> usize {
        self.base.expose_provenance()
    }

    /// The frame that would best be that of a page.
    pub(crate) fn place(&self, page: u64) -> Option<FrameId> {
        let at = (page < PAGES as u64).then_some(page as u32 % PLACES as u32)?;
        NonZeroU32::new(self.first.0.get() + at).map(FrameId)
    }

    /// Whether that is the frame at `host`.
    fn is_at(&self, page: u64, host: *mut u8) -> bool {
        page < PAGES as u64 && self.base.wrapping_add(page as usize % PLACES * PAGE_SIZE) == host
    }

    /// The bytes of the map for a page below [`PAGES`].
    fn granules(&self, page: usize) -> &[Cell<u64>; 2] {
        const _: () = assert!(GRANULES == size_of::<[Cell<u64>; 2]>());
        // SAFETY: a home has `SIZE` bytes and is aligned to pages. The map is bytes that only cells refer to.
        unsafe { &*self.base.add(PLACES * PAGE_SIZE + page * GRANULES).cast::<[Cell<u64>; 2]>() }
    }

    /// What generated code finds: where an area of at most a granule is, if it may be used so there.
    pub(crate) fn look(&self, addr: u64, bit: u8) -> Option<usize> {
        let page = usize::try_from(addr >> PAGE_SHIFT).ok().filter(|page| *page < PAGES)?;
        let granule = (addr >> GRANULE_SHIFT) as usize % GRANULES;
        let eight = self.granules(page)[granule / 8].get();
        let is_allowed = eight >> (granule % 8 * 8) & u64::from(bit) != 0;
        is_allowed.then(|| self.address() + (addr as usize & HomeLayout::OWN.mask as usize))
    }

    /// From now on a page may be used so, if the frame at `host` is where it would best be.
    pub(crate) fn allow(&self, page: u64, host: *mut u8, bit: u8) {
        if !self.is_at(page, host) {
            return;
        }
        let page = page as usize;
        let before = page.saturating_sub(1);
        for group in [before / GROUP, page / GROUP] {
            let filled = &self.filled[group / u64::BITS as usize];
            filled.set(filled.get() | 1 << (group % u64::BITS as usize));
        }
        let bits = u64::from(bit) * ONES;
        let [low, high] = self.granules(page);
        low.set(low.get() | bits);
        high.set(high.get() | bits & !LAST);
        let is_allowed = |page: usize| self.granules(page)[0].get() & bits != 0;
        for first in before..=page {
            let in_one_piece = first + 1 < PAGES && !(first + 1).is_multiple_of(PLACES);
            if in_one_piece && is_allowed(first) && is_allowed(first + 1) {
                let [_, high] = self.granules(first);
                high.set(high.get() | bits & LAST);
            }
        }
    }

    /// It may not be.
    pub(crate) fn forbid(&self, page: u64, bits: u8) {
        if page >= PAGES as u64 {
            return;
        }
        let page = page as usize;
        let bits = u64::from(bits) * ONES;
        self.granules(page).iter().for_each(|part| part.set(part.get() & !bits));
        if let Some(before) = page.checked_sub(1) {
            let [_, high] = self.granules(before);
            high.set(high.get() & !(bits & LAST));
        }
    }

    /// No page may be written whose frame is the one at `host`.
    pub(crate) fn forbid_writes_to(&self, host: *mut u8) {
        let at = host.addr().wrapping_sub(self.base.addr()) / PAGE_SIZE;
        if at < PLACES {
            (at..PAGES).step_by(PLACES).for_each(|page| self.forbid(page as u64, HomeLayout::WRITE));
        }
    }

    /// Nothing may be done anywhere.
    pub(crate) fn clear(&self) {
        for (number, filled) in self.filled.iter().enumerate() {
            let groups = filled.replace(0);
            for bit in (0..u64::BITS as usize).filter(|bit| groups >> bit & 1 != 0) {
                let first = (number * u64::BITS as usize + bit) * GROUP;
                (first..first + GROUP).flat_map(|page| self.granules(page)).for_each(|part| part.set(0));
            }
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.clear();
        self.pool.give_home_back(self.first);
    }
}
