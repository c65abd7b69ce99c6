//! Maps of bits: of each granule of 4 GiB a byte.

use super::{GRANULE_SHIFT, GRANULES, Home, PLACES};
use crate::PAGE_SHIFT;
use core::cell::Cell;

/// Pages in 4 GiB.
pub(super) const PAGES: usize = 1 << (32 - PAGE_SHIFT);
/// Eight bytes of the map, with one bit set in each.
const ONES: u64 = u64::MAX / 0xff;
/// Of the last eight of a page, the last.
const LAST: u64 = 0xff << 56;

impl Home {
    /// The bytes of the map for a page below [`PAGES`].
    fn granules(&self, page: usize) -> &[Cell<u64>; 2] {
        const _: () = assert!(GRANULES == size_of::<[Cell<u64>; 2]>());
        self.words(page)
    }

    pub(super) fn has_bit(&self, addr: u64, bit: u8) -> bool {
        let Some(page) = usize::try_from(addr >> PAGE_SHIFT).ok().filter(|page| *page < PAGES) else {
            return false;
        };
        let granule = (addr >> GRANULE_SHIFT) as usize % GRANULES;
        let eight = self.granules(page)[granule / 8].get();
        eight >> (granule % 8 * 8) & u64::from(bit) != 0
    }

    pub(super) fn set_bits(&self, page: usize, bit: u8) {
        let before = page.saturating_sub(1);
        [before, page].iter().for_each(|page| self.fill(page * GRANULES));
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

    pub(super) fn clear_bits(&self, page: u64, bits: u8) {
        if page >= PAGES as u64 {
            return;
        }
        let page = page as usize;
        let bits = u64::from(bits) * ONES;
        if self.is_filled(page * GRANULES) {
            self.granules(page).iter().for_each(|part| part.set(part.get() & !bits));
        }
        if let Some(before) = page.checked_sub(1).filter(|before| self.is_filled(before * GRANULES)) {
            let [_, high] = self.granules(before);
            high.set(high.get() & !(bits & LAST));
        }
    }
}
