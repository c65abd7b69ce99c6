//! Virtual memory areas: what a range of guest pages is meant to hold.

use crate::{Mappable, PAGE_SHIFT};
use alloc::rc::Rc;
use core::fmt;

/// Page permissions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Prot(u8);

impl Prot {
    /// No access.
    pub const NONE: Prot = Prot(0);
    /// Data reads.
    pub const READ: Prot = Prot(1);
    /// Data writes.
    pub const WRITE: Prot = Prot(2);
    /// Instruction fetches.
    pub const EXEC: Prot = Prot(4);

    /// Everything.
    pub const ALL: Prot = Prot(7);

    /// Both sets together.
    #[must_use]
    pub const fn union(self, other: Prot) -> Prot {
        Prot(self.0 | other.0)
    }

    /// Whether every permission of `other` is here.
    pub const fn contains(self, other: Prot) -> bool {
        self.0 & other.0 == other.0
    }
}

impl core::ops::BitOr for Prot {
    type Output = Prot;
    fn bitor(self, other: Prot) -> Prot {
        self.union(other)
    }
}

impl fmt::Debug for Prot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bit = |prot, letter| if self.contains(prot) { letter } else { '-' };
        write!(f, "{}{}{}", bit(Prot::READ, 'r'), bit(Prot::WRITE, 'w'), bit(Prot::EXEC, 'x'))
    }
}

/// Whether writes are seen by other mappings of the same object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Copy-on-write.
    Private,
    /// Writes reach the object. Meaningful only over an object.
    Shared,
}

/// Where the pages of an area come from.
#[derive(Clone)]
pub enum Backing {
    /// Zero-filled memory.
    Anonymous,
    /// Pages of an object, starting `first_page` pages into it at the area's start.
    Object {
        /// The object.
        object: Rc<dyn Mappable>,
        /// Object page mapped at the area's first page.
        first_page: u64,
    },
}

impl fmt::Debug for Backing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Backing::Anonymous => f.write_str("Anonymous"),
            Backing::Object { object, first_page } => write!(f, "{:?}+{first_page}", object.id()),
        }
    }
}

/// One area: a maximal run of pages mapped alike.
#[derive(Clone, Debug)]
pub struct Vma {
    /// First byte; page-aligned.
    pub start: u64,
    /// One past the last byte; page-aligned.
    pub end: u64,
    /// Permissions.
    pub prot: Prot,
    /// What `prot` may become: a shared mapping of a file that was opened for reading never gets writable.
    pub max_prot: Prot,
    /// Private or shared.
    pub sharing: Sharing,
    /// Source of the pages.
    pub backing: Backing,
    /// Extends downwards on a fault just below it (a stack, `MAP_GROWSDOWN`), but not past this address.
    pub grows_down_to: Option<u64>,
    /// Not copied into a forked address space (`MADV_DONTFORK`).
    pub skip_fork: bool,
    /// Free-form label shown to people (the path in `/proc/PID/maps`).
    pub name: Option<Rc<[u8]>>,
}

impl Vma {
    /// Private memory of zeros from `start` up to `end`, copied at a fork, without a name.
    pub const fn anonymous(start: u64, end: u64, prot: Prot) -> Vma {
        Vma {
            start,
            end,
            prot,
            max_prot: Prot::ALL,
            sharing: Sharing::Private,
            backing: Backing::Anonymous,
            grows_down_to: None,
            skip_fork: false,
            name: None,
        }
    }

    /// The part of this area that covers `start..end` (which must lie inside it).
    pub(crate) fn slice(&self, start: u64, end: u64) -> Vma {
        let mut part = self.clone();
        if let Backing::Object { first_page, .. } = &mut part.backing {
            *first_page += (start - self.start) >> PAGE_SHIFT;
        }
        part.start = start;
        part.end = end;
        if start != self.start {
            part.grows_down_to = None;
        }
        part
    }

    /// Whether `next`, which starts where this ends, continues it.
    pub(crate) fn continues_into(&self, next: &Vma) -> bool {
        let backing = match (&self.backing, &next.backing) {
            (Backing::Anonymous, Backing::Anonymous) => true,
            (Backing::Object { object: a, first_page: i }, Backing::Object { object: b, first_page: j }) => {
                Rc::ptr_eq(a, b) && i + ((self.end - self.start) >> PAGE_SHIFT) == *j
            }
            _ => false,
        };
        backing
            && self.end == next.start
            && self.prot == next.prot
            && self.max_prot == next.max_prot
            && self.sharing == next.sharing
            && self.skip_fork == next.skip_fork
            && next.grows_down_to.is_none()
            && self.name == next.name
    }

    /// Object and page of the object behind a guest address inside this area.
    pub fn object_page(&self, addr: u64) -> Option<(&Rc<dyn Mappable>, u64)> {
        match &self.backing {
            Backing::Anonymous => None,
            Backing::Object { object, first_page } => {
                Some((object, first_page + ((addr - self.start) >> PAGE_SHIFT)))
            }
        }
    }
}
