//! Maps of tags: of each granule of the home the upper bits of the address that may be used there, once for loads and once for stores.

use super::{GRANULE_SHIFT, GRANULES, Home, HomeLayout, MAP, PLACES};
use crate::PAGE_SHIFT;
use core::cell::Cell;

/// Pages that may be at home: all that a program may have.
pub(super) const PAGES: u64 = 1 << (47 - PAGE_SHIFT);
/// Size of the tags of a page, in bytes.
const ROW: usize = size_of::<[Cell<u32>; GRANULES]>();
const _: () = assert!(2 * PLACES * ROW <= MAP);

/// Of them, room in each half.
const ROWS: usize = MAP / 2 / ROW;

/// Which half of the map is for what.
fn halves(bits: u8) -> impl Iterator<Item = usize> {
    [HomeLayout::READ, HomeLayout::WRITE]
        .into_iter()
        .enumerate()
        .filter(move |(_, bit)| bits & bit != 0)
        .map(|(half, _)| half)
}

/// That of all granules of a page, and of all pages whose places follow each other in their order.
fn tag(page: u64) -> u32 {
    HomeLayout::OWN.tag(page << PAGE_SHIFT) as u32
}

impl Home {
    /// The tags of a place, if it has any.
    fn tags(&self, half: usize, place: usize) -> Option<&[Cell<u32>; GRANULES]> {
        let row = half * ROWS + place;
        self.is_filled(row * ROW).then(|| self.words(row))
    }

    /// The tags that let somebody into a page in a place: its own, and that of the page before, which reaches into it.
    fn tags_into(&self, half: usize, place: usize) -> impl Iterator<Item = &Cell<u32>> {
        let before = place.checked_sub(1).and_then(|before| self.tags(half, before));
        self.tags(half, place).into_iter().flatten().chain(before.map(|[.., last]| last))
    }

    pub(super) fn has_tag(&self, addr: u64, bit: u8) -> bool {
        let place = (addr >> PAGE_SHIFT) as usize % PLACES;
        let granule = (addr >> GRANULE_SHIFT) as usize % GRANULES;
        let has = |half| {
            self.tags(half, place)
                .is_some_and(|tags| u64::from(tags[granule].get()) == HomeLayout::OWN.tag(addr))
        };
        halves(bit).all(has)
    }

    pub(super) fn set_tags(&self, page: u64, bits: u8) {
        let (place, tag) = (page as usize % PLACES, tag(page));
        for half in halves(bits) {
            self.fill((half * ROWS + place) * ROW);
            let Some([most @ .., last]) = self.tags(half, place) else { continue };
            most.iter().for_each(|granule| granule.set(tag));
            // Pages in neighbouring places have the same tag only if they are neighbours themselves.
            let neighbour = |place: usize| {
                self.tags(half, place).filter(|[first, ..]| place < PLACES && first.get() == tag)
            };
            if place + 1 < PLACES && neighbour(place + 1).is_some() {
                last.set(tag);
            }
            if let Some([.., last]) = place.checked_sub(1).and_then(neighbour) {
                last.set(tag);
            }
        }
    }

    pub(super) fn clear_tags(&self, page: u64, bits: u8) {
        if page >= PAGES {
            return;
        }
        let (place, tag) = (page as usize % PLACES, tag(page));
        for half in halves(bits) {
            self.tags_into(half, place)
                .filter(|granule| granule.get() == tag)
                .for_each(|granule| granule.set(0));
        }
    }

    /// Whatever page is in a place, it may not be written.
    pub(super) fn clear_write_tags_at(&self, place: usize) {
        for half in halves(HomeLayout::WRITE) {
            self.tags_into(half, place).for_each(|granule| granule.set(0));
        }
    }
}
