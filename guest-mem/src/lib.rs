//! Guest address spaces over a pool of page frames.
//!
//! From the outside in: an [`AddressSpace`] maps guest pages to frames with permissions and is what engines
//! load from and store to; its [`Vma`]s say what a page *should* hold, its page table what it holds now, and a
//! small TLB makes the common access one compare and one host load. Frames come from a [`FramePool`] shared by
//! every address space and by the page cache, so that a file page read, mapped and executed is one frame.
//!
//! Faults are values ([`MemFault`]) and precise: an access that fails has changed nothing. Zero-fill,
//! copy-on-write and pages that the backing object already holds are resolved inside the access; a page that
//! must be fetched first is reported as [`FaultKind::NotResident`], and the caller awaits [`Mappable::load`].
//!
//! What this crate deliberately does not know: x86, Linux, files, the browser.
#![no_std]
#![warn(missing_docs)]

extern crate alloc;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod access;
mod fault;
mod frame;
mod gather;
mod home;
mod mappable;
mod settle;
mod space;
mod table;
mod tlb;
mod vma;

pub use access::{FastPath, NoFastPath, Run, Scalar};
pub use fault::{Access, FaultKind, MemFault};
pub use frame::{Frame, FrameId, FramePool, PoolStats, Reserve};
pub use home::{HomeLayout, Width};
pub use mappable::{LoadError, Lookup, Mappable, MappableId};
pub use space::{AddressSpace, CodePage, MapError};
pub use tlb::TlbLayout;
pub use vma::{Backing, Prot, Sharing, Vma};

/// Bytes in a page, as on every x86 Linux.
pub const PAGE_SIZE: usize = 1 << PAGE_SHIFT;
/// log2 of [`PAGE_SIZE`].
pub const PAGE_SHIFT: u32 = 12;
/// [`PAGE_SIZE`] as a guest quantity.
pub const PAGE_BYTES: u64 = PAGE_SIZE as u64;

/// Rounds down to a page boundary.
pub const fn page_floor(addr: u64) -> u64 {
    addr & !(PAGE_BYTES - 1)
}

/// Rounds up to a page boundary; saturates at the last page boundary of the 64-bit space.
pub const fn page_ceil(addr: u64) -> u64 {
    match addr.checked_add(PAGE_BYTES - 1) {
        Some(sum) => page_floor(sum),
        None => page_floor(u64::MAX),
    }
}
