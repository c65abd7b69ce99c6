//! Who lives in which [home](crate::home): there are fewer than address spaces, and those that run need them.

use crate::frame::Beside;
use crate::home::{Home, Width};
use crate::{Access, AddressSpace, FrameId, HomeLayout, PAGE_SHIFT, Sharing};
use alloc::rc::Rc;
use core::cell::Cell;

/// Turns of others after which an address space counts as one that sleeps.
const ASLEEP: u64 = 64;
/// Accesses to what is not at home for which an address space without one takes that of another, the first time: a millisecond or so.
const PATIENCE: u64 = 100_000;

/// What an address space knows of living somewhere.
#[derive(Default)]
pub(crate) struct Residence {
    /// Its last turn.
    turn: Cell<u64>,
    /// Accesses that would have been faster at home, since it last took one.
    missed: Cell<u64>,
    /// How often it has taken one from another address space.
    taken: Cell<u32>,
    /// What home it would have.
    width: Cell<Option<Width>>,
}

impl AddressSpace {
    /// Gives the address space a home, if there is one, or another one sleeps that has: for programs that generated code runs. `width` is of the addresses that
    /// they mostly have.
    pub fn settle(self: &Rc<Self>, width: Width) {
        self.residence.width.set(Some(width));
        if self.has_home() {
            return;
        }
        self.pool.note_settled(self);
        if !self.move_in() && self.evict_another(ASLEEP) {
            self.move_in();
        }
    }

    /// An engine has turned to this address space.
    pub fn note_turn(&self) {
        self.residence.turn.set(self.pool.turn());
    }

    /// So many accesses have been slower than they would have been at home. Whoever has none, and misses it enough, takes that of the one whose turn was
    /// longest ago; the next time, twice as much has to be missed. Not while generated code waits that has asked where the home is.
    pub fn miss_home(&self, accesses: u64) {
        if self.has_home() {
            return;
        }
        let missed = &self.residence.missed;
        missed.set(missed.get() + accesses);
        let taken = self.residence.taken.get();
        if missed.get() >= PATIENCE << taken.min(32) {
            missed.set(0);
            self.residence.taken.set(taken + 1);
            if !self.move_in() && self.evict_another(1) {
                self.move_in();
            }
        }
    }

    fn move_in(&self) -> bool {
        let Some(width) = self.residence.width.get() else { return false };
        let Some(first) = self.pool.take_home() else { return false };
        self.tlb.home.replace(Some(Home::new(&self.pool, first, width)));
        true
    }

    /// Has the one move out whose turn was longest ago, if that is at least so many turns.
    fn evict_another(&self, turns: u64) -> bool {
        let now = self.pool.turn();
        let others = self.pool.settled().into_iter();
        let others = others.filter(|other| other.id() != self.id() && other.has_home());
        let oldest = others.min_by_key(|other| other.residence.turn.get());
        let oldest = oldest.filter(|other| now - other.residence.turn.get() > turns);
        oldest.map(|other| other.move_out()).is_some()
    }

    /// Gives the home up. Pages move, if there is room for them; those that others have too may stay. Changes nothing that a guest could see.
    fn move_out(&self) {
        let present = self.table().present(0, u64::MAX >> PAGE_SHIFT);
        for (page, pte) in present {
            let Some(frame) = pte.frame().filter(|frame| self.place(page) == Some(*frame)) else { continue };
            let Some(new) = self.pool.alloc_raw(Beside::default()) else { continue };
            self.note_remapped(frame);
            self.move_page(page, frame, new);
        }
        self.tlb.flush();
        self.tlb.home.replace(None);
    }

    fn has_home(&self) -> bool {
        self.tlb.home.borrow().is_some()
    }

    /// Address in host memory of the home, which [`crate::HomeLayout`] describes, if it is for addresses of that width.
    pub fn home_address(&self, width: Width) -> Option<usize> {
        self.tlb.home.borrow().as_ref().filter(|home| home.width == width).map(Home::address)
    }

    /// The frame that would best be that of a page.
    pub(crate) fn place(&self, page: u64) -> Option<FrameId> {
        self.tlb.home.borrow().as_ref().and_then(|home| home.place(page))
    }

    /// Where generated code finds an area of at most a granule, if that is at home: its address in host memory.
    pub fn at_home(&self, addr: u64, access: Access) -> Option<usize> {
        let bit = match access {
            Access::Read => HomeLayout::READ,
            Access::Write => HomeLayout::WRITE,
            Access::Execute => return None,
        };
        self.tlb.home.borrow().as_ref()?.look(addr, bit)
    }

    /// Brings the page of an address home, if it is private and elsewhere, and its place is free. What others have of it too, this address space has apart
    /// then. Changes nothing that a guest could see.
    pub fn bring_home(&self, addr: u64) {
        let page = addr >> PAGE_SHIFT;
        let Some(place) = self.place(page) else { return };
        let Some(frame) = self.table().get(page).frame() else { return };
        let is_private = self.area(addr).is_some_and(|area| area.sharing == Sharing::Private);
        if frame == place || !is_private || self.pool.has_code(frame) {
            return;
        }
        if let Some(new) = self.pool.alloc_beside(Beside { home: Some(place), ..Beside::default() }) {
            self.move_page(page, frame, new);
            for access in [Access::Read, Access::Write] {
                let _ = self.admitted(page, access);
            }
        }
    }
}
