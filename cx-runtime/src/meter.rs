//! A block device that counts what goes through it.

use async_trait::async_trait;
use blockdev::{BlockDevice, DeviceError};
use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

/// What went through a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Reads.
    pub reads: u64,
    /// Bytes read.
    pub read_bytes: u64,
    /// Writes.
    pub writes: u64,
    /// Bytes written.
    pub written_bytes: u64,
    /// Flushes.
    pub flushes: u64,
    /// Reads, writes and flushes under way now.
    pub busy: u64,
}

/// A device with counters.
pub struct Metered {
    inner: Rc<dyn BlockDevice>,
    traffic: Cell<Traffic>,
}

impl Metered {
    /// Counts what goes to a device.
    pub fn new(inner: Rc<dyn BlockDevice>) -> Rc<Metered> {
        Rc::new(Metered { inner, traffic: Cell::default() })
    }

    /// Counters.
    pub fn traffic(&self) -> Traffic {
        self.traffic.get()
    }

    fn change(&self, change: impl FnOnce(&mut Traffic)) {
        let mut traffic = self.traffic.get();
        change(&mut traffic);
        self.traffic.set(traffic);
    }

    fn enter(&self) -> Busy<'_> {
        self.change(|traffic| traffic.busy += 1);
        Busy(self)
    }
}

/// Counts one operation under way; an abandoned future ends it too.
struct Busy<'a>(&'a Metered);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.change(|traffic| traffic.busy -= 1);
    }
}

impl fmt::Debug for Metered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Metered({:?})", self.traffic.get())
    }
}

#[async_trait(?Send)]
impl BlockDevice for Metered {
    fn size(&self) -> u64 {
        self.inner.size()
    }

    fn block_size(&self) -> u32 {
        self.inner.block_size()
    }

    fn read_only(&self) -> bool {
        self.inner.read_only()
    }

    fn validator(&self) -> Option<String> {
        self.inner.validator()
    }

    async fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), DeviceError> {
        self.change(|traffic| {
            traffic.reads += 1;
            traffic.read_bytes += buf.len() as u64;
        });
        let _busy = self.enter();
        self.inner.read(offset, buf).await
    }

    async fn write(&self, offset: u64, data: &[u8]) -> Result<(), DeviceError> {
        self.change(|traffic| {
            traffic.writes += 1;
            traffic.written_bytes += data.len() as u64;
        });
        let _busy = self.enter();
        self.inner.write(offset, data).await
    }

    async fn flush(&self) -> Result<(), DeviceError> {
        self.change(|traffic| traffic.flushes += 1);
        let _busy = self.enter();
        self.inner.flush().await
    }

    fn prefetch(&self, offset: u64, len: u64) {
        self.inner.prefetch(offset, len);
    }
}
