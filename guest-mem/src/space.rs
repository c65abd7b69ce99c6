//! Address spaces: areas, page table and TLB together, and the mapping operations on them.

use crate::frame::Beside;
use crate::settle::Residence;
use crate::table::{PageTable, Pte};
use crate::tlb::Tlb;
use crate::{
    Access, Backing, FaultKind, FrameId, FramePool, Lookup, Mappable, MappableId, MemFault, PAGE_BYTES,
    PAGE_SHIFT, Prot, Sharing, Vma, page_floor,
};
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt;

/// A mapping operation that could not be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapError {
    /// Part of the range is not mapped (Linux: `ENOMEM`).
    Hole,
    /// The range is empty, unaligned or wraps (Linux: `EINVAL`).
    BadRange,
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MapError::Hole => "part of the range is not mapped",
            MapError::BadRange => "the range is empty, unaligned or wraps",
        })
    }
}

impl core::error::Error for MapError {}

/// Where instruction bytes come from: what a cache of decoded code is keyed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CodePage {
    /// Frame that holds the bytes.
    pub frame: FrameId,
    /// [`FramePool::code_generation`] of the frame.
    pub generation: u32,
}

/// One guest address space. Methods take `&self`: threads of a process share it, one at a time.
pub struct AddressSpace {
    pub(crate) pool: FramePool,
    pub(crate) tlb: Rc<Tlb>,
    id: u64,
    table: RefCell<PageTable>,
    areas: RefCell<BTreeMap<u64, Vma>>,
    generation: Cell<u64>,
    code_writes: Cell<u64>,
    pub(crate) residence: Residence,
}

impl fmt::Debug for AddressSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.areas.borrow().values()).finish()
    }
}

impl AddressSpace {
    /// An empty address space.
    pub fn new(pool: &FramePool) -> AddressSpace {
        let tlb = Tlb::new();
        pool.register_tlb(&tlb);
        AddressSpace {
            pool: pool.clone(),
            tlb,
            id: pool.number_space(),
            table: RefCell::default(),
            areas: RefCell::default(),
            generation: Cell::new(0),
            code_writes: Cell::new(0),
            residence: Residence::default(),
        }
    }

    /// A number that no other address space of the same pool ever has, for caches that outlive one.
    #[inline]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The pool that the frames come from.
    pub fn pool(&self) -> &FramePool {
        &self.pool
    }

    /// Changes whenever a page that holds decoded code (see [`AddressSpace::code_page`]) is unmapped, remapped or
    /// re-protected. What a cache keyed by guest address says of a code page is true while this number and
    /// the frame's [`FramePool::code_generation`] are what they were.
    #[inline]
    pub fn generation(&self) -> u64 {
        self.generation.get()
    }

    /// Counts the writes through this address space that made decoded code stale, and the changes of
    /// [`AddressSpace::generation`] (a store may remap a page by copying it). An engine compares it
    /// before and after a store to notice that the running block changed under it.
    #[inline]
    pub fn code_writes(&self) -> u64 {
        self.code_writes.get()
    }

    /// Address in host memory of the TLB, which [`crate::TlbLayout`] describes, for code generated at run time. The same as long as
    /// the address space lives.
    pub fn tlb_address(&self) -> usize {
        self.tlb.address()
    }

    /// Pages that have a frame.
    pub fn resident_pages(&self) -> usize {
        self.table.borrow().resident()
    }

    /// Bytes mapped.
    pub fn mapped_bytes(&self) -> u64 {
        self.areas.borrow().values().map(|area| area.end - area.start).sum()
    }

    /// Every area, in address order.
    pub fn areas(&self) -> Vec<Vma> {
        self.areas.borrow().values().cloned().collect()
    }

    /// The area that holds an address.
    pub fn area(&self, addr: u64) -> Option<Vma> {
        let areas = self.areas.borrow();
        areas.range(..=addr).next_back().map(|(_, area)| area).filter(|area| addr < area.end).cloned()
    }

    /// Whether any byte of the range is mapped.
    pub fn any_mapped(&self, start: u64, end: u64) -> bool {
        let areas = self.areas.borrow();
        areas.range(..end).next_back().is_some_and(|(_, area)| area.end > start)
    }

    /// Whether every byte of the range is mapped.
    pub fn all_mapped(&self, start: u64, end: u64) -> bool {
        let mut at = start;
        for area in self.overlapping(start, end) {
            if area.start > at {
                return false;
            }
            at = area.end;
        }
        at >= end
    }

    fn overlapping(&self, start: u64, end: u64) -> Vec<Vma> {
        let areas = self.areas.borrow();
        let first = areas.range(..=start).next_back().filter(|(_, area)| area.end > start).map(|(k, _)| *k);
        areas.range(first.unwrap_or(start)..end).map(|(_, area)| area.clone()).collect()
    }

    fn check_range(start: u64, end: u64) -> Result<(), MapError> {
        let aligned = start.is_multiple_of(PAGE_BYTES) && end.is_multiple_of(PAGE_BYTES);
        if aligned && start < end { Ok(()) } else { Err(MapError::BadRange) }
    }

    /// Highest free range of `len` bytes inside `low..high`.
    pub fn find_free_below(&self, len: u64, low: u64, high: u64) -> Option<u64> {
        let areas = self.areas.borrow();
        let mut ceiling = high;
        for area in areas.range(..high).next_back().into_iter().chain(areas.range(..high).rev().skip(1)) {
            let area = area.1;
            if area.end <= ceiling && ceiling - area.end >= len {
                break;
            }
            ceiling = ceiling.min(area.start);
        }
        let start = ceiling.checked_sub(len)?;
        (start >= low).then_some(start)
    }

    /// Maps an area, replacing what was there.
    pub fn map(&self, area: Vma) -> Result<(), MapError> {
        Self::check_range(area.start, area.end)?;
        if self.any_mapped(area.start, area.end) {
            self.unmap(area.start, area.end)?;
        }
        self.insert_merging(area);
        Ok(())
    }

    fn insert_merging(&self, mut area: Vma) {
        let mut areas = self.areas.borrow_mut();
        let before = areas.range(..area.start).next_back().map(|(_, before)| before.clone());
        if let Some(before) = before.filter(|before| before.continues_into(&area)) {
            let end = area.end;
            area = before;
            area.end = end;
        }
        if let Some(after) = areas.get(&area.end).filter(|after| area.continues_into(after)).cloned() {
            areas.remove(&after.start);
            area.end = after.end;
        }
        areas.insert(area.start, area);
    }

    /// Unmaps every page in the range. Written pages of shared mappings are reported to their objects.
    pub fn unmap(&self, start: u64, end: u64) -> Result<(), MapError> {
        Self::check_range(start, end)?;
        self.harvest_dirty(start, end);
        self.carve(start, end);
        self.drop_frames(start, end);
        Ok(())
    }

    /// Takes the range out of the areas and gives back the parts that covered it.
    fn carve(&self, start: u64, end: u64) -> Vec<Vma> {
        let parts = self.overlapping(start, end);
        let mut areas = self.areas.borrow_mut();
        let mut inside = Vec::with_capacity(parts.len());
        for area in parts {
            areas.remove(&area.start);
            if area.start < start {
                areas.insert(area.start, area.slice(area.start, start));
            }
            if area.end > end {
                areas.insert(end, area.slice(end, area.end));
            }
            inside.push(area.slice(area.start.max(start), area.end.min(end)));
        }
        inside
    }

    fn drop_frames(&self, start: u64, end: u64) {
        let (first, last) = (start >> PAGE_SHIFT, end >> PAGE_SHIFT);
        let mut table = self.table.borrow_mut();
        for (page, pte) in table.present(first, last) {
            table.set(page, Pte::default());
            if let Some(frame) = pte.frame() {
                self.note_remapped(frame);
                self.pool.release(frame);
            }
        }
        self.tlb.flush_range(first, last - first);
    }

    /// A page stops showing `frame`, or shows it with other permissions.
    pub(crate) fn note_remapped(&self, frame: FrameId) {
        if self.pool.has_code(frame) {
            self.generation.set(self.generation.get() + 1);
            self.note_code_write();
        }
    }

    /// Changes the permissions of a range.
    ///
    /// # Errors
    /// [`MapError::Hole`] where part of it is not mapped; what lies before the hole has changed then, as on Linux.
    pub fn protect(&self, start: u64, end: u64, prot: Prot) -> Result<(), MapError> {
        Self::check_range(start, end)?;
        let covered = self.overlapping(start, end);
        let mut mapped_to = start;
        for area in &covered {
            if area.start > mapped_to {
                break;
            }
            mapped_to = area.end.min(end);
        }
        if mapped_to > start {
            self.harvest_dirty(start, mapped_to);
            for mut area in self.carve(start, mapped_to) {
                area.prot = prot;
                self.insert_merging(area);
            }
            self.rewrite(start, mapped_to, |pte_prot| {
                // A writable page becomes writable again by a fault, which knows about sharing.
                let keep_write = pte_prot.contains(Prot::WRITE) && prot.contains(Prot::WRITE);
                if keep_write { prot } else { without_write(prot) }
            });
        }
        if mapped_to < end { Err(MapError::Hole) } else { Ok(()) }
    }

    fn rewrite(&self, start: u64, end: u64, prot_of: impl Fn(Prot) -> Prot) {
        let (first, last) = (start >> PAGE_SHIFT, end >> PAGE_SHIFT);
        let mut table = self.table.borrow_mut();
        for (page, pte) in table.present(first, last) {
            if let Some(frame) = pte.frame() {
                self.note_remapped(frame);
                table.set(page, Pte::new(frame, prot_of(pte.prot())));
            }
        }
        self.tlb.flush_range(first, last - first);
    }

    /// Changes the areas of a range in place (labels, fork behaviour); permissions stay.
    pub fn edit(&self, start: u64, end: u64, change: impl Fn(&mut Vma)) -> Result<(), MapError> {
        Self::check_range(start, end)?;
        for mut area in self.carve(start, end) {
            change(&mut area);
            self.insert_merging(area);
        }
        Ok(())
    }

    /// Drops the pages of a range, so that private memory reads as zeros (or as its file) again (`MADV_DONTNEED`).
    pub fn discard(&self, start: u64, end: u64) -> Result<(), MapError> {
        Self::check_range(start, end)?;
        self.harvest_dirty(start, end);
        self.drop_frames(start, end);
        Ok(())
    }

    /// Moves `old_len` bytes of mapping to `new_start`, giving it `new_len` bytes there (`mremap`).
    /// What was mapped at the destination is replaced. The source must lie in one area.
    pub fn relocate(
        &self,
        old_start: u64,
        old_len: u64,
        new_start: u64,
        new_len: u64,
    ) -> Result<(), MapError> {
        Self::check_range(old_start, old_start.wrapping_add(old_len))?;
        Self::check_range(new_start, new_start.wrapping_add(new_len))?;
        let area = self.area(old_start).filter(|a| a.end >= old_start + old_len).ok_or(MapError::Hole)?;
        if self.any_mapped(new_start, new_start + new_len) {
            self.unmap(new_start, new_start + new_len)?;
        }
        self.carve(old_start, old_start + old_len);
        let mut moved = area.slice(old_start, old_start + old_len);
        (moved.start, moved.end) = (new_start, new_start + new_len);
        let (from, to) = (old_start >> PAGE_SHIFT, new_start >> PAGE_SHIFT);
        {
            let mut table = self.table.borrow_mut();
            for (page, pte) in table.present(from, (old_start + old_len) >> PAGE_SHIFT) {
                table.set(page, Pte::default());
                if page - from < new_len >> PAGE_SHIFT {
                    table.set(page - from + to, pte);
                } else if let Some(frame) = pte.frame() {
                    self.pool.release(frame);
                }
            }
        }
        self.insert_merging(moved);
        self.tlb.flush();
        self.generation.set(self.generation.get() + 1);
        Ok(())
    }

    /// A copy that shares every private page copy-on-write (`fork`).
    pub fn fork(&self) -> AddressSpace {
        let child = AddressSpace::new(&self.pool);
        for area in self.areas.borrow().values().filter(|area| !area.skip_fork) {
            child.areas.borrow_mut().insert(area.start, area.clone());
            let (first, last) = (area.start >> PAGE_SHIFT, area.end >> PAGE_SHIFT);
            let mut table = self.table.borrow_mut();
            for (page, pte) in table.present(first, last) {
                let Some(frame) = pte.frame() else { continue };
                self.pool.retain(frame);
                let shared = if area.sharing == Sharing::Shared {
                    pte
                } else {
                    let read_only = Pte::new(frame, without_write(pte.prot()));
                    table.set(page, read_only);
                    read_only
                };
                child.table.borrow_mut().set(page, shared);
            }
        }
        self.tlb.flush();
        child
    }

    /// Reports pages written through shared mappings in the range to their objects, and watches for the next write.
    pub fn harvest_dirty(&self, start: u64, end: u64) {
        for area in self.overlapping(start, end) {
            if area.sharing != Sharing::Shared || !area.prot.contains(Prot::WRITE) {
                continue;
            }
            let (first, last) = (area.start.max(start) >> PAGE_SHIFT, area.end.min(end) >> PAGE_SHIFT);
            let present = self.table.borrow().present(first, last);
            for (page, pte) in present.into_iter().filter(|(_, pte)| pte.dirty()) {
                let Some(frame) = pte.frame() else { continue };
                self.table.borrow_mut().set(page, Pte::new(frame, without_write(pte.prot())));
                self.tlb.flush_page(page);
                if let Some((object, index)) = area.object_page(page << PAGE_SHIFT) {
                    object.mark_dirty(index);
                }
            }
        }
    }

    /// Forgets the pages of an object from `first_page` on, so that they are looked up anew (truncation).
    pub fn forget_object_pages(&self, id: MappableId, first_page: u64) {
        for area in self.areas() {
            let Backing::Object { object, first_page: area_first } = &area.backing else { continue };
            if object.id() == id {
                let skip = first_page.saturating_sub(*area_first) << PAGE_SHIFT;
                let from = area.start.saturating_add(skip);
                if from < area.end {
                    self.drop_frames(from, area.end);
                }
            }
        }
    }

    /// What to load to make a [`FaultKind::NotResident`] access succeed.
    pub fn missing_page(&self, addr: u64) -> Option<(Rc<dyn Mappable>, u64)> {
        let area = self.area(addr)?;
        area.object_page(page_floor(addr)).map(|(object, page)| (object.clone(), page))
    }

    /// Identity of the memory at an address for `futex`: the object and offset of a shared mapping, or nothing
    /// for private memory (whose identity is this address space and the address).
    pub fn shared_identity(&self, addr: u64) -> Option<(MappableId, u64)> {
        let area = self.area(addr)?;
        if area.sharing != Sharing::Shared {
            return None;
        }
        let (object, page) = area.object_page(addr)?;
        Some((object.id(), (page << PAGE_SHIFT) | (addr & (PAGE_BYTES - 1))))
    }

    /// The frame and code generation behind an instruction address; from now on writes to it are noticed.
    pub fn code_page(&self, addr: u64) -> Result<CodePage, MemFault> {
        let of = || self.table.borrow().get(addr >> PAGE_SHIFT);
        let frame = match of() {
            pte if pte.prot().contains(Prot::EXEC) => pte.frame(),
            _ => {
                self.resolve(addr, Access::Execute)?;
                of().frame()
            }
        };
        let missing = MemFault { addr, access: Access::Execute, kind: FaultKind::NotMapped };
        let frame = frame.ok_or(missing)?;
        self.pool.watch_code(frame, (&self.tlb, addr >> PAGE_SHIFT));
        Ok(CodePage { frame, generation: self.pool.code_generation(frame) })
    }

    pub(crate) fn note_code_write(&self) {
        self.code_writes.set(self.code_writes.get() + 1);
    }

    /// Makes one page accessible: the slow path behind every TLB miss. Returns the page's host address.
    pub(crate) fn resolve(&self, addr: u64, access: Access) -> Result<*mut u8, MemFault> {
        let page = addr >> PAGE_SHIFT;
        let wanted = match access {
            Access::Read => Prot::READ,
            Access::Write => Prot::WRITE,
            Access::Execute => Prot::EXEC,
        };
        let pte = self.table.borrow().get(page);
        if let Some(frame) = pte.frame().filter(|_| pte.prot().contains(wanted)) {
            return Ok(self.admit(page, frame, access));
        }
        let fault = |kind| MemFault { addr, access, kind };
        let area = match self.area(addr) {
            Some(area) => area,
            None => self.grow_down(addr).ok_or(fault(FaultKind::NotMapped))?,
        };
        // x86 cannot express write-only pages: writable implies readable.
        let readable = wanted == Prot::READ && area.prot.contains(Prot::WRITE);
        if !area.prot.contains(wanted) && !readable {
            return Err(fault(FaultKind::Permission));
        }
        let prot = if area.prot.contains(Prot::WRITE) { area.prot | Prot::READ } else { area.prot };
        let write = access == Access::Write;
        let (frame, prot, dirty) = match (pte.frame(), &area.backing) {
            (Some(frame), _) if write && area.sharing == Sharing::Private => (
                self.unshare(frame, self.beside(page, &area)).ok_or(fault(FaultKind::OutOfMemory))?,
                prot,
                false,
            ),
            (Some(frame), _) if write => {
                self.pool.retain(frame);
                (frame, prot, true)
            }
            (Some(frame), _) => {
                self.pool.retain(frame);
                let keep = pte.prot().contains(Prot::WRITE);
                (frame, if keep { prot } else { without_write(prot) }, pte.dirty())
            }
            (None, Backing::Anonymous) => (
                self.pool.alloc_raw(self.beside(page, &area)).ok_or(fault(FaultKind::OutOfMemory))?,
                prot,
                false,
            ),
            (None, Backing::Object { object, first_page }) => {
                let index = first_page + ((page_floor(addr) - area.start) >> PAGE_SHIFT);
                let resident = match object.lookup(index) {
                    Lookup::Resident(frame) => frame,
                    Lookup::Absent => return Err(fault(FaultKind::NotResident)),
                    Lookup::BeyondEnd => return Err(fault(FaultKind::BeyondEnd)),
                };
                let id = resident.id();
                if write && area.sharing == Sharing::Private {
                    let copy =
                        self.pool.alloc_raw(self.beside(page, &area)).ok_or(fault(FaultKind::OutOfMemory))?;
                    self.pool.copy_frame(id, copy);
                    (copy, prot, false)
                } else {
                    self.pool.retain(id);
                    (id, if write { prot } else { without_write(prot) }, write)
                }
            }
        };
        let new = Pte::new(frame, prot);
        let new = if dirty { new.with_dirty() } else { new };
        let old = self.table.borrow_mut().set(page, new);
        if let Some(old) = old.frame() {
            if old != frame {
                self.note_remapped(old);
            }
            self.pool.release(old);
        }
        self.tlb.flush_page(page);
        Ok(self.admit(page, frame, access))
    }

    pub(crate) fn table(&self) -> core::cell::Ref<'_, PageTable> {
        self.table.borrow()
    }

    pub(crate) fn table_mut(&self) -> core::cell::RefMut<'_, PageTable> {
        self.table.borrow_mut()
    }

    /// Host address of a page that may be accessed as it is.
    pub(crate) fn admitted(&self, page: u64, access: Access) -> Option<usize> {
        let wanted = match access {
            Access::Read => Prot::READ,
            Access::Write => Prot::WRITE,
            Access::Execute => Prot::EXEC,
        };
        let pte = self.table.borrow().get(page);
        let frame = pte.frame().filter(|_| pte.prot().contains(wanted))?;
        let watched = access == Access::Write && self.pool.has_code(frame);
        (!watched).then(|| self.admit(page, frame, access).expose_provenance())
    }

    /// Puts a page into the TLB, unless writes to it must be seen.
    fn admit(&self, page: u64, frame: FrameId, access: Access) -> *mut u8 {
        let host = self.pool.host(frame);
        if access == Access::Write && self.pool.has_code(frame) {
            return host;
        }
        self.tlb.insert(page, access, host);
        host
    }

    /// The slow path of a store: like `resolve`, and stale code is noticed.
    pub(crate) fn resolve_for_store(&self, addr: u64) -> Result<*mut u8, MemFault> {
        let host = self.resolve(addr, Access::Write)?;
        let frame = self.table.borrow().get(addr >> PAGE_SHIFT).frame();
        if frame.is_some_and(|frame| self.pool.note_write(frame)) {
            self.note_code_write();
        }
        Ok(host)
    }

    /// A frame that only this page holds, with the same bytes. The result carries a reference of its own.
    fn unshare(&self, frame: FrameId, beside: Beside) -> Option<FrameId> {
        if self.pool.refs(frame) == 1 {
            self.pool.retain(frame);
            return Some(frame);
        }
        let copy = self.pool.alloc_raw(beside)?;
        self.pool.copy_frame(frame, copy);
        Some(copy)
    }

    /// Where a frame for a page of an area would best be.
    fn beside(&self, page: u64, area: &Vma) -> Beside {
        let table = self.table.borrow();
        Beside {
            home: self.place(page),
            after: page.checked_sub(1).and_then(|before| table.get(before).frame()),
            before: table.get(page + 1).frame(),
            // Who begins with the last page of an area mostly goes on with the one before.
            below: area.grows_down_to.is_some() || area.end >> PAGE_SHIFT == page + 1,
        }
    }

    fn grow_down(&self, addr: u64) -> Option<Vma> {
        let start = page_floor(addr);
        let mut areas = self.areas.borrow_mut();
        let (key, area) = areas.range(start..).next().map(|(key, area)| (*key, area.clone()))?;
        if area.grows_down_to.is_none_or(|limit| start < limit) {
            return None;
        }
        areas.remove(&key);
        let grown = Vma { start, ..area };
        areas.insert(start, grown.clone());
        Some(grown)
    }
}

impl Drop for AddressSpace {
    fn drop(&mut self) {
        self.harvest_dirty(0, page_floor(u64::MAX));
        self.drop_frames(0, page_floor(u64::MAX));
    }
}

fn without_write(prot: Prot) -> Prot {
    [Prot::READ, Prot::EXEC].into_iter().filter(|p| prot.contains(*p)).fold(Prot::NONE, Prot::union)
}
