//! The software TLB: guest page number to host page, one tag per kind of access. With it, the [home](crate::home) of the address space.

use crate::home::Home;
use crate::{Access, HomeLayout, PAGE_SHIFT};
use alloc::rc::Rc;
use core::cell::{Cell, RefCell};
use core::mem::offset_of;
use core::ptr;

/// Entries; direct-mapped by page number, so that 64 MiB in one piece never share one. With 1024 or 4096, a page of python's stack and one of
/// its heap often did: each access to one then evicts the other.
const ENTRIES: usize = 1 << 14;
/// What is looked at together when entries are cleared: most processes use few.
const GROUP: usize = 64;
/// A tag that no page number equals (page numbers have 52 bits).
const EMPTY: u64 = u64::MAX;

pub(crate) struct Entry {
    pub(crate) read: Cell<u64>,
    pub(crate) write: Cell<u64>,
    pub(crate) execute: Cell<u64>,
    /// Where address 0 would be in host memory, were all pages in one piece with this one.
    pub(crate) bias: Cell<*mut u8>,
}

/// Where generated code finds what in the TLB that [`crate::AddressSpace::tlb_address`] names: an array, direct-mapped by page
/// number. Offsets and sizes in bytes. A tag is the number of the page that an entry is for, 8 bytes; one that equals no page number
/// allows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlbLayout {
    /// log2 of the number of entries.
    pub bits: u32,
    /// Size of an entry, a power of two.
    pub stride: u32,
    /// Offset of the tag for loads.
    pub read: u32,
    /// Offset of the tag for stores.
    pub write: u32,
    /// Offset of what an address is to be added to for where it is in host memory, a pointer.
    pub bias: u32,
}

impl TlbLayout {
    /// That of this build.
    pub const OWN: TlbLayout = TlbLayout {
        bits: ENTRIES.trailing_zeros(),
        stride: size_of::<Entry>() as u32,
        read: offset_of!(Entry, read) as u32,
        write: offset_of!(Entry, write) as u32,
        bias: offset_of!(Entry, bias) as u32,
    };
}

const _: () = assert!(ENTRIES.is_power_of_two() && size_of::<Entry>().is_power_of_two());

pub(crate) struct Tlb {
    /// In place, not behind a pointer: every load and store of a guest comes through here.
    entries: [Entry; ENTRIES],
    /// Groups that have entries, one bit each.
    filled: [Cell<u64>; ENTRIES / GROUP / u64::BITS as usize],
    /// What generated code looks at first; it allows no more than the entries have ever been allowed, but keeps it longer.
    pub(crate) home: RefCell<Option<Home>>,
}

impl Tlb {
    pub(crate) fn address(&self) -> usize {
        self.entries.as_ptr().expose_provenance()
    }

    pub(crate) fn new() -> Rc<Tlb> {
        // SAFETY: but for the home, which is written, all of it is cells of integers and of pointers, for which zero is a value. Hosts give
        // large areas of zeros away without touching them.
        let tlb = unsafe {
            let mut tlb = Rc::<Tlb>::new_zeroed();
            if let Some(tlb) = Rc::get_mut(&mut tlb) {
                (&raw mut (*tlb.as_mut_ptr()).home).write(RefCell::new(None));
            }
            tlb.assume_init()
        };
        // Zero is the number of a page, too: one that only the first entry can be for, and the last where an access
        // goes around the end of the address space.
        tlb.entries.first().into_iter().chain(tlb.entries.last()).for_each(Entry::clear);
        tlb
    }

    #[inline(always)]
    pub(crate) fn entry(&self, page: u64) -> &Entry {
        &self.entries[page as usize % ENTRIES]
    }

    /// Where a page is in host memory, if it may be accessed so.
    #[inline(always)]
    pub(crate) fn host(&self, page: u64, access: Access) -> Option<*mut u8> {
        let entry = self.entry(page);
        (entry.tag(access).get() == page).then(|| entry.host(page << PAGE_SHIFT))
    }

    /// Allows the access through the fast path. `host` is the page's first byte.
    pub(crate) fn insert(&self, page: u64, access: Access, host: *mut u8) {
        let entry = self.entry(page);
        let group = page as usize % ENTRIES / GROUP;
        let filled = &self.filled[group / u64::BITS as usize];
        filled.set(filled.get() | 1 << (group % u64::BITS as usize));
        let bias = host.wrapping_sub((page as usize) << PAGE_SHIFT);
        if entry.bias.replace(bias) != bias
            || (entry.read.get() != page && entry.write.get() != page && entry.execute.get() != page)
        {
            entry.clear();
            entry.bias.set(bias);
        }
        entry.tag(access).set(page);
        match (&*self.home.borrow(), access) {
            (Some(home), Access::Read) => home.allow(page, host, HomeLayout::READ),
            (Some(home), Access::Write) => home.allow(page, host, HomeLayout::WRITE),
            _ => {}
        }
    }

    pub(crate) fn flush(&self) {
        self.filled().for_each(Entry::clear);
        self.filled.iter().for_each(|groups| groups.set(0));
        if let Some(home) = &*self.home.borrow() {
            home.clear();
        }
    }

    /// All entries that may be in use.
    fn filled(&self) -> impl Iterator<Item = &Entry> {
        let word = |group: usize| self.filled[group / u64::BITS as usize].get();
        let is_filled = move |group: usize| word(group) >> (group % u64::BITS as usize) & 1 != 0;
        let groups = self.entries.chunks_exact(GROUP).enumerate();
        groups.filter(move |(group, _)| is_filled(*group)).flat_map(|(_, entries)| entries)
    }

    pub(crate) fn flush_page(&self, page: u64) {
        if let Some(home) = &*self.home.borrow() {
            home.forbid(page, HomeLayout::READ | HomeLayout::WRITE);
        }
        let entry = self.entry(page);
        if entry.read.get() == page || entry.write.get() == page || entry.execute.get() == page {
            entry.clear();
        }
    }

    pub(crate) fn flush_range(&self, first: u64, pages: u64) {
        if pages >= ENTRIES as u64 {
            self.flush();
        } else {
            (first..first + pages).for_each(|page| self.flush_page(page));
        }
    }

    /// Sends every write to a page through the slow path.
    pub(crate) fn forbid_writes(&self, page: u64) {
        if let Some(home) = &*self.home.borrow() {
            home.forbid(page, HomeLayout::WRITE);
        }
        let entry = self.entry(page);
        if entry.write.get() == page {
            entry.write.set(EMPTY);
        }
    }

    /// Sends every write to the frame at `host` through the slow path.
    pub(crate) fn forbid_writes_to(&self, host: *mut u8) {
        if let Some(home) = &*self.home.borrow() {
            home.forbid_writes_to(host);
        }
        for entry in self.filled() {
            if entry.host(entry.write.get() << PAGE_SHIFT) == host {
                entry.write.set(EMPTY);
            }
        }
    }
}

impl Entry {
    /// The page that may be accessed so.
    #[inline(always)]
    fn tag(&self, access: Access) -> &Cell<u64> {
        match access {
            Access::Read => &self.read,
            Access::Write => &self.write,
            Access::Execute => &self.execute,
        }
    }

    /// Where an address of the page is in host memory.
    #[inline(always)]
    pub(crate) fn host(&self, addr: u64) -> *mut u8 {
        self.bias.get().wrapping_add(addr as usize)
    }

    fn clear(&self) {
        self.read.set(EMPTY);
        self.write.set(EMPTY);
        self.execute.set(EMPTY);
        self.bias.set(ptr::null_mut());
    }
}
