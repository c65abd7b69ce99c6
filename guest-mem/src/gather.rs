//! Pages that are beside each other, made so in host memory too: for engines whose accesses across pages are slow otherwise.

use crate::frame::{Beside, FrameId};
use crate::table::Pte;
use crate::{Access, AddressSpace, PAGE_BYTES, PAGE_SHIFT};

impl AddressSpace {
    /// Makes the page of an address and the one that is closer to it of those beside it ready for accesses that are in both: what may be read and
    /// written there is in the TLB, and the pages are in one piece in host memory, if they can be moved. Changes nothing that a guest
    /// could see.
    pub fn gather(&self, addr: u64) {
        let page = addr >> PAGE_SHIFT;
        let first = if addr % PAGE_BYTES < PAGE_BYTES / 2 { page.saturating_sub(1) } else { page };
        let (Some(below), Some(above)) = (self.movable(first), self.movable(first + 1)) else { return };
        if self.pool.host(above) != self.pool.host(below).wrapping_add(PAGE_BYTES as usize) {
            self.bring_together(first, below, above);
        }
        for page in [first, first + 1] {
            for access in [Access::Read, Access::Write] {
                let _ = self.admitted(page, access);
            }
        }
    }

    /// The frame of a page, if it holds no code and is in this page table alone.
    fn movable(&self, page: u64) -> Option<FrameId> {
        let frame = self.table().get(page).frame()?;
        (self.pool.refs(frame) == 1 && !self.pool.has_code(frame)).then_some(frame)
    }

    fn bring_together(&self, first: u64, below: FrameId, above: FrameId) {
        let after = Beside { after: Some(below), ..Beside::default() };
        if let Some(frame) = self.pool.alloc_beside(after) {
            return self.move_page(first + 1, above, frame);
        }
        let before = Beside { before: Some(above), ..Beside::default() };
        if let Some(frame) = self.pool.alloc_beside(before) {
            return self.move_page(first, below, frame);
        }
        let Some(new_below) = self.pool.alloc_raw(Beside::default()) else { return };
        match self.pool.alloc_beside(Beside { after: Some(new_below), ..Beside::default() }) {
            Some(new_above) => {
                self.move_page(first, below, new_below);
                self.move_page(first + 1, above, new_above);
            }
            None => self.pool.release(new_below),
        }
    }

    pub(crate) fn move_page(&self, page: u64, from: FrameId, to: FrameId) {
        self.pool.copy_frame(from, to);
        let old = self.table().get(page);
        let new = Pte::new(to, old.prot());
        self.table_mut().set(page, if old.dirty() { new.with_dirty() } else { new });
        self.pool.release(from);
        self.tlb.flush_page(page);
    }
}
