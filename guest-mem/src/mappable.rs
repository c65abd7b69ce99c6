//! The seam to whatever backs a mapping: a file's page cache, shared memory, a frame buffer.

use crate::Frame;
use alloc::boxed::Box;
use core::future::Future;
use core::pin::Pin;

/// Identity of a mapped object, stable while it lives: device and inode number for a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MappableId {
    /// Device number, or another number that tells the object's family apart.
    pub device: u64,
    /// Number within the device.
    pub object: u64,
}

/// Answer of [`Mappable::lookup`].
#[derive(Debug)]
pub enum Lookup {
    /// The page is in memory.
    Resident(Frame),
    /// The page exists but must be loaded.
    Absent,
    /// The page lies wholly beyond the object's end.
    BeyondEnd,
}

/// Loading a page failed: the device below gave an error (Linux: `SIGBUS`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadError;

/// An object whose pages can be mapped. Pages are counted in units of [`crate::PAGE_SIZE`] from its start.
///
/// The frame of a page stays the same while anybody holds it, so that all mappings and `read` see the same bytes.
pub trait Mappable {
    /// Names the object.
    fn id(&self) -> MappableId;

    /// The frame of a page if it is in memory. Never blocks. Bytes past the end within the last page are zero.
    fn lookup(&self, page: u64) -> Lookup;

    /// Brings a page into memory; afterwards [`Mappable::lookup`] finds it, unless it was evicted meanwhile.
    fn load<'a>(&'a self, page: u64) -> Pin<Box<dyn Future<Output = Result<(), LoadError>> + 'a>>;

    /// The page was written through a shared mapping.
    fn mark_dirty(&self, page: u64);
}
