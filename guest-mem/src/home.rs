//! Homes: where in host memory each page of an address space would best be, so that generated code finds it without a look at the TLB.
//!
//! A home is host memory with a place for every page, many pages to a place, and behind it a map, which says of each [granule](GRANULE_SHIFT) what may be done with
//! memory there, where it would best be. So an address is in host memory at the home plus
//! its lower bits, and whether that is true is a question beside the way: nothing waits for the answer. A page that is elsewhere (its place is taken, it is shared,
//! or it is that of a file) is found through the TLB.

use crate::PAGE_SIZE;
use crate::frame::{FrameId, FramePool};
use core::cell::Cell;
use core::num::NonZeroU32;

mod bits;
mod tags;

/// Places in a home, which are pages: 256 MiB.
pub(crate) const PLACES: usize = 1 << 16;
/// Size of a home with its map, in bytes.
pub(crate) const SIZE: usize = HomeLayout::OWN.size();
const _: () = assert!(SIZE == PLACES * PAGE_SIZE + MAP);
/// Size of a map, of either kind, in bytes.
const MAP: usize = 1 << 24;
/// log2 of the bytes that the map tells one thing of. An access that begins in the last granule of a page may go on in the next page.
const GRANULE_SHIFT: u32 = 8;
/// Granules of a page.
const GRANULES: usize = PAGE_SIZE >> GRANULE_SHIFT;
/// Parts of the map that are cleared apart from each other, of a page of host memory each.
const PARTS: usize = MAP / PAGE_SIZE;

/// What maps are made of: numbers, for which any bytes are a value.
trait Word: Copy {}
impl Word for u32 {}
impl Word for u64 {}

/// Which addresses a home is for, and so what its map looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// Those below 4 GiB: a byte of bits for each granule.
    Bits32,
    /// All: a tag of 4 bytes for each granule of the home and each kind of access.
    Bits64,
}

/// Where generated code finds what in the home that [`crate::AddressSpace::home_address`] names. An area of at most a granule is there at its
/// address's [`HomeLayout::mask`] bits, if the map says of its first granule that it may be used so. In a map of bits, the byte of the granule, by all bits of its address, has the bit for what is
/// to be done. In one of tags, the tag of the granule, by the bits that are kept, is [`HomeLayout::tag`] of the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HomeLayout {
    /// The bits of an address that are kept.
    pub mask: u32,
    /// Offset of a map of bits, in bytes.
    pub map: u32,
    /// Offset of the tags for loads, in bytes.
    pub read_tags: u32,
    /// Offset of those for stores, in bytes.
    pub write_tags: u32,
    /// log2 of the size of a granule, in bytes.
    pub granule_shift: u32,
}

impl HomeLayout {
    /// That of this build.
    pub const OWN: HomeLayout = HomeLayout {
        mask: (PLACES * PAGE_SIZE - 1) as u32,
        map: (PLACES * PAGE_SIZE) as u32,
        read_tags: (PLACES * PAGE_SIZE) as u32,
        write_tags: (PLACES * PAGE_SIZE + MAP / 2) as u32,
        granule_shift: GRANULE_SHIFT,
    };
    /// Size of a home with its map, in bytes.
    pub const fn size(&self) -> usize {
        (self.map as usize) + (1 << (u32::BITS - self.granule_shift))
    }

    /// What a map of tags has for a granule of an address that may be used: never 0, nor that of any other address with the same bits kept. Tags in
    /// maps have 32 bits, as programs have addresses below 2^47.
    pub const fn tag(&self, addr: u64) -> u64 {
        (addr >> self.mask.count_ones()) + 1
    }

    /// Bit of the map: may be read.
    pub const READ: u8 = 1;
    /// May be written.
    pub const WRITE: u8 = 2;
}

/// That of an address space.
pub(crate) struct Home {
    pool: FramePool,
    pub(crate) width: Width,
    /// The first of its frames, and where that is in host memory.
    first: FrameId,
    base: *mut u8,
    /// Parts of the map that are not empty, one bit each.
    filled: [Cell<u64>; PARTS / u64::BITS as usize],
}

impl Home {
    pub(crate) fn new(pool: &FramePool, first: FrameId, width: Width) -> Home {
        let filled = [const { Cell::new(0) }; _];
        Home { pool: pool.clone(), width, first, base: pool.host(first), filled }
    }

    pub(crate) fn address(&self) -> usize {
        self.base.expose_provenance()
    }

    /// Whether the home is for a page.
    fn covers(&self, page: u64) -> bool {
        match self.width {
            Width::Bits32 => page < bits::PAGES as u64,
            Width::Bits64 => page < tags::PAGES,
        }
    }

    /// The frame that would best be that of a page.
    pub(crate) fn place(&self, page: u64) -> Option<FrameId> {
        let at = self.covers(page).then_some(page as u32 % PLACES as u32)?;
        NonZeroU32::new(self.first.0.get() + at).map(FrameId)
    }

    /// Whether that is the frame at `host`.
    fn is_at(&self, page: u64, host: *mut u8) -> bool {
        self.covers(page) && self.base.wrapping_add(page as usize % PLACES * PAGE_SIZE) == host
    }

    /// So many words of the map, the first of them at a multiple of their size.
    fn words<T: Word, const N: usize>(&self, number: usize) -> &[Cell<T>; N] {
        let at = number * size_of::<[Cell<T>; N]>();
        assert!(at < MAP, "in the map");
        // SAFETY: a home has `SIZE` bytes and is aligned to pages. The map is words that only cells refer to.
        unsafe { &*self.base.add(PLACES * PAGE_SIZE + at).cast::<[Cell<T>; N]>() }
    }

    /// Whether there is something in a part of the map, by the offset of a byte in it.
    fn is_filled(&self, at: usize) -> bool {
        let part = at / PAGE_SIZE;
        self.filled[part / u64::BITS as usize].get() >> (part % u64::BITS as usize) & 1 != 0
    }

    fn fill(&self, at: usize) {
        let part = at / PAGE_SIZE;
        let filled = &self.filled[part / u64::BITS as usize];
        filled.set(filled.get() | 1 << (part % u64::BITS as usize));
    }

    /// What generated code finds: where an area of at most a granule is, if it may be used so there.
    pub(crate) fn look(&self, addr: u64, bit: u8) -> Option<usize> {
        let is_allowed = match self.width {
            Width::Bits32 => self.has_bit(addr, bit),
            Width::Bits64 => self.has_tag(addr, bit),
        };
        is_allowed.then(|| self.address() + (addr as usize & HomeLayout::OWN.mask as usize))
    }

    /// From now on a page may be used so, if the frame at `host` is where it would best be.
    pub(crate) fn allow(&self, page: u64, host: *mut u8, bit: u8) {
        if !self.is_at(page, host) {
            return;
        }
        match self.width {
            Width::Bits32 => self.set_bits(page as usize, bit),
            Width::Bits64 => self.set_tags(page, bit),
        }
    }

    /// It may not be.
    pub(crate) fn forbid(&self, page: u64, bits: u8) {
        match self.width {
            Width::Bits32 => self.clear_bits(page, bits),
            Width::Bits64 => self.clear_tags(page, bits),
        }
    }

    /// No page may be written whose frame is the one at `host`.
    pub(crate) fn forbid_writes_to(&self, host: *mut u8) {
        let at = host.addr().wrapping_sub(self.base.addr()) / PAGE_SIZE;
        if at < PLACES {
            match self.width {
                Width::Bits32 => {
                    (at..bits::PAGES)
                        .step_by(PLACES)
                        .for_each(|page| self.forbid(page as u64, HomeLayout::WRITE));
                }
                Width::Bits64 => self.clear_write_tags_at(at),
            }
        }
    }

    /// Nothing may be done anywhere.
    pub(crate) fn clear(&self) {
        for (number, filled) in self.filled.iter().enumerate() {
            let parts = filled.replace(0);
            for bit in (0..u64::BITS as usize).filter(|bit| parts >> bit & 1 != 0) {
                let words =
                    self.words::<u64, { PAGE_SIZE / size_of::<u64>() }>(number * u64::BITS as usize + bit);
                words.iter().for_each(|word| word.set(0));
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
