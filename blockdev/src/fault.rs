//! Failures on demand: the n-th read or write, and the loss of what was not flushed.

use crate::device::{BlockDevice, DeviceError, check_range};
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use async_trait::async_trait;
use core::cell::{Cell, RefCell};
use core::fmt;

/// A device that holds writes back until a flush, and fails when told to.
///
/// [`FaultInjector::crash`] is a power cut: of the writes since the last flush only the first few survive, and every
/// operation fails until [`FaultInjector::recover`].
pub struct FaultInjector {
    base: Rc<dyn BlockDevice>,
    unflushed: RefCell<Vec<(u64, Vec<u8>)>>,
    /// Operations until one fails; none for never.
    reads_left: Cell<Option<u64>>,
    writes_left: Cell<Option<u64>>,
    down: Cell<bool>,
}

impl FaultInjector {
    /// A fault injector over a device; nothing fails yet.
    pub fn new(base: Rc<dyn BlockDevice>) -> FaultInjector {
        FaultInjector {
            base,
            unflushed: RefCell::default(),
            reads_left: Cell::new(None),
            writes_left: Cell::new(None),
            down: Cell::new(false),
        }
    }

    /// Lets `count` reads pass; the one after them and all further ones fail. None ends it.
    pub fn fail_reads_after(&self, count: Option<u64>) {
        self.reads_left.set(count);
    }

    /// Lets `count` writes and flushes pass; the one after them and all further ones fail. None ends it.
    pub fn fail_writes_after(&self, count: Option<u64>) {
        self.writes_left.set(count);
    }

    /// Writes since the last flush.
    pub fn unflushed(&self) -> usize {
        self.unflushed.borrow().len()
    }

    /// Cuts the power: the first `keep` unflushed writes reach the base, the others are lost.
    pub async fn crash(&self, keep: usize) -> Result<(), DeviceError> {
        self.down.set(true);
        let lost = self.unflushed.take();
        for (offset, data) in lost.into_iter().take(keep) {
            self.base.write(offset, &data).await?;
        }
        self.base.flush().await
    }

    /// Power is back.
    pub fn recover(&self) {
        self.down.set(false);
        self.reads_left.set(None);
        self.writes_left.set(None);
    }

    fn pass(&self, left: &Cell<Option<u64>>) -> Result<(), DeviceError> {
        match left.get() {
            _ if self.down.get() => Err(DeviceError::Injected),
            Some(0) => Err(DeviceError::Injected),
            Some(count) => {
                left.set(Some(count - 1));
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl fmt::Debug for FaultInjector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultInjector({} unflushed)", self.unflushed())
    }
}

#[async_trait(?Send)]
impl BlockDevice for FaultInjector {
    fn size(&self) -> u64 {
        self.base.size()
    }

    fn block_size(&self) -> u32 {
        self.base.block_size()
    }

    fn read_only(&self) -> bool {
        self.base.read_only()
    }

    fn validator(&self) -> Option<String> {
        self.base.validator()
    }

    async fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), DeviceError> {
        self.pass(&self.reads_left)?;
        self.base.read(offset, buf).await?;
        let end = offset.saturating_add(buf.len() as u64);
        for (start, data) in self.unflushed.borrow().iter() {
            let from = offset.max(*start);
            let to = end.min(start + data.len() as u64);
            if from < to {
                let source = &data[(from - start) as usize..(to - start) as usize];
                buf[(from - offset) as usize..(to - offset) as usize].copy_from_slice(source);
            }
        }
        Ok(())
    }

    async fn write(&self, offset: u64, data: &[u8]) -> Result<(), DeviceError> {
        self.pass(&self.writes_left)?;
        if self.read_only() {
            return Err(DeviceError::ReadOnly);
        }
        check_range(offset, data.len(), self.size())?;
        self.unflushed.borrow_mut().push((offset, data.to_vec()));
        Ok(())
    }

    async fn flush(&self) -> Result<(), DeviceError> {
        self.pass(&self.writes_left)?;
        let writes = self.unflushed.take();
        for (offset, data) in &writes {
            self.base.write(*offset, data).await?;
        }
        self.base.flush().await
    }

    fn prefetch(&self, offset: u64, len: u64) {
        self.base.prefetch(offset, len);
    }
}
