//! Asynchronous block devices and the middleware that stacks on them.
//!
//! [`BlockDevice`] is the seam: a range of bytes that is read, written and flushed. Everything else here either is
//! one or wraps one. From the network up: [`HttpBlocks`] and [`SplitDevice`] read an image through a fetch trait
//! of the host; [`Overlay`] keeps writes (and, by choice, what was read) in a [`BlockStore`] of the host, block by
//! block; [`Cached`] keeps recent blocks in memory, joins equal fetches and reads ahead. [`MemoryDevice`] and
//! [`MemoryStore`] stand in for all of that in tests, and [`Traced`], [`Recorder`] and [`FaultInjector`] go
//! anywhere in the stack. [`testing`] holds the conformance suite that every device runs.
//!
//! The usual stack of a writable image: `Cached` over `Overlay` over `HttpBlocks`.
//!
//! What this crate deliberately does not know: file systems, HTTP headers, IndexedDB, clocks, executors.
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;

mod cached;
mod device;
mod fault;
mod flight;
mod http;
mod lock;
mod memory;
mod overlay;
mod split;
mod store;
pub mod testing;
mod trace;

pub use cached::{CacheOptions, CacheStats, Cached};
pub use device::{BlockDevice, DeviceError};
pub use fault::FaultInjector;
pub use flight::Flight;
pub use http::{Fetched, HttpBlocks, HttpOptions, HttpStats, RangeFetcher, RemoteInfo, Sleep};
pub use lock::{AsyncLock, AsyncLockGuard};
pub use memory::MemoryDevice;
pub use overlay::{Overlay, OverlayOptions};
pub use split::{FileFetcher, SplitDevice};
pub use store::{BlockStore, MemoryStore};
pub use trace::{Operation, OperationKind, Recorded, Recorder, Traced};

/// Bytes in a block of the caches, overlays and network devices of this crate.
pub const BLOCK_BYTES: usize = 128 * 1024;

/// The parts of a byte range that lie in one block each: block number, offset in the block, length.
pub(crate) fn pieces(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, usize)> {
    let mut at = offset;
    let mut left = len;
    core::iter::from_fn(move || {
        if left == 0 {
            return None;
        }
        let within = (at % BLOCK_BYTES as u64) as usize;
        let step = left.min(BLOCK_BYTES - within);
        let piece = (at / BLOCK_BYTES as u64, within, step);
        at = at.wrapping_add(step as u64);
        left -= step;
        Some(piece)
    })
}

/// Length of a block: the last one of a device may be shorter.
pub(crate) fn block_len(index: u64, size: u64) -> usize {
    let start = index.saturating_mul(BLOCK_BYTES as u64);
    size.saturating_sub(start).min(BLOCK_BYTES as u64) as usize
}
