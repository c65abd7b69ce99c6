//! The page table: guest page number to frame and permissions, sparse over the whole 64-bit space.

use crate::{FrameId, Prot};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::num::NonZeroU32;
use hashbrown::HashMap;

/// Pages in one leaf (2 MiB of guest space).
const LEAF_PAGES: usize = 512;

/// A page-table entry; zero means "no frame yet".
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Pte(u64);

impl Pte {
    const FRAME_SHIFT: u32 = 8;
    const DIRTY: u64 = 0x80;

    pub(crate) fn new(frame: FrameId, prot: Prot) -> Pte {
        let bits = [(Prot::READ, 1), (Prot::WRITE, 2), (Prot::EXEC, 4)];
        let prot = bits.iter().filter(|(p, _)| prot.contains(*p)).map(|(_, b)| b).sum::<u64>();
        Pte((u64::from(frame.0.get()) << Pte::FRAME_SHIFT) | prot)
    }

    pub(crate) fn frame(self) -> Option<FrameId> {
        NonZeroU32::new((self.0 >> Pte::FRAME_SHIFT) as u32).map(FrameId)
    }

    pub(crate) fn prot(self) -> Prot {
        [(Prot::READ, 1), (Prot::WRITE, 2), (Prot::EXEC, 4)]
            .iter()
            .filter(|(_, bit)| self.0 & bit != 0)
            .fold(Prot::NONE, |all, (prot, _)| all | *prot)
    }

    /// Written through a shared mapping since the last harvest.
    pub(crate) fn dirty(self) -> bool {
        self.0 & Pte::DIRTY != 0
    }

    pub(crate) fn with_dirty(self) -> Pte {
        Pte(self.0 | Pte::DIRTY)
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }
}

#[derive(Default)]
pub(crate) struct PageTable {
    leaves: HashMap<u64, Box<[Pte; LEAF_PAGES]>>,
    resident: usize,
}

impl PageTable {
    pub(crate) fn get(&self, page: u64) -> Pte {
        match self.leaves.get(&(page / LEAF_PAGES as u64)) {
            Some(leaf) => leaf[page as usize % LEAF_PAGES],
            None => Pte::default(),
        }
    }

    /// Replaces an entry and gives the old one back; the caller settles frame references.
    pub(crate) fn set(&mut self, page: u64, pte: Pte) -> Pte {
        if pte.is_empty() && !self.leaves.contains_key(&(page / LEAF_PAGES as u64)) {
            return pte;
        }
        let leaf = self
            .leaves
            .entry(page / LEAF_PAGES as u64)
            .or_insert_with(|| Box::new([Pte::default(); LEAF_PAGES]));
        let old = core::mem::replace(&mut leaf[page as usize % LEAF_PAGES], pte);
        self.resident = self.resident + usize::from(!pte.is_empty()) - usize::from(!old.is_empty());
        old
    }

    /// Entries with a frame in `first..end`, in no particular order between leaves.
    pub(crate) fn present(&self, first: u64, end: u64) -> Vec<(u64, Pte)> {
        let per_leaf = LEAF_PAGES as u64;
        let mut found = Vec::new();
        let mut visit = |leaf_number: u64, leaf: &[Pte; LEAF_PAGES]| {
            let base = leaf_number * per_leaf;
            let from = first.max(base) - base;
            let to = end.min(base + per_leaf) - base;
            let entries = leaf[from as usize..to as usize].iter().enumerate();
            found.extend(
                entries.filter(|(_, pte)| !pte.is_empty()).map(|(i, pte)| (base + from + i as u64, *pte)),
            );
        };
        let leaves = first / per_leaf..end.div_ceil(per_leaf);
        if leaves.end.saturating_sub(leaves.start) > self.leaves.len() as u64 {
            // A huge sparse range: walk what exists instead.
            self.leaves.iter().filter(|(n, _)| leaves.contains(n)).for_each(|(n, leaf)| visit(*n, leaf));
        } else {
            leaves.filter_map(|n| Some((n, self.leaves.get(&n)?))).for_each(|(n, leaf)| visit(n, leaf));
        }
        found
    }

    pub(crate) fn resident(&self) -> usize {
        self.resident
    }
}
