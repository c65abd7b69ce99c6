//! Watching and recording what goes to a device.

use crate::device::{BlockDevice, DeviceError};
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use async_trait::async_trait;
use core::cell::RefCell;
use core::fmt;

/// Kind of a device operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationKind {
    /// [`BlockDevice::read`].
    Read,
    /// [`BlockDevice::write`].
    Write,
    /// [`BlockDevice::flush`].
    Flush,
}

/// One operation that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// What was done.
    pub kind: OperationKind,
    /// First byte; 0 for a flush.
    pub offset: u64,
    /// Bytes; 0 for a flush.
    pub len: usize,
    /// How it went.
    pub result: Result<(), DeviceError>,
}

/// Tells a function about every operation when it ends.
pub struct Traced {
    base: Rc<dyn BlockDevice>,
    sink: Box<dyn Fn(&Operation)>,
}

impl Traced {
    /// A tracer over a device.
    pub fn new(base: Rc<dyn BlockDevice>, sink: impl Fn(&Operation) + 'static) -> Traced {
        Traced { base, sink: Box::new(sink) }
    }

    fn tell(
        &self,
        kind: OperationKind,
        offset: u64,
        len: usize,
        result: Result<(), DeviceError>,
    ) -> Result<(), DeviceError> {
        (self.sink)(&Operation { kind, offset, len, result: result.clone() });
        result
    }
}

impl fmt::Debug for Traced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Traced")
    }
}

#[async_trait(?Send)]
impl BlockDevice for Traced {
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
        let result = self.base.read(offset, buf).await;
        self.tell(OperationKind::Read, offset, buf.len(), result)
    }

    async fn write(&self, offset: u64, data: &[u8]) -> Result<(), DeviceError> {
        let result = self.base.write(offset, data).await;
        self.tell(OperationKind::Write, offset, data.len(), result)
    }

    async fn flush(&self) -> Result<(), DeviceError> {
        let result = self.base.flush().await;
        self.tell(OperationKind::Flush, 0, 0, result)
    }

    fn prefetch(&self, offset: u64, len: u64) {
        self.base.prefetch(offset, len);
    }
}

/// A change that was made to a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// Bytes written at an offset.
    Write(u64, Vec<u8>),
    /// A flush.
    Flush,
}

/// Remembers every change, so that the device can be rebuilt as it was after any of them.
pub struct Recorder {
    base: Rc<dyn BlockDevice>,
    log: RefCell<Vec<Recorded>>,
}

impl Recorder {
    /// A recorder over a device.
    pub fn new(base: Rc<dyn BlockDevice>) -> Recorder {
        Recorder { base, log: RefCell::default() }
    }

    /// The changes so far, oldest first.
    pub fn log(&self) -> Vec<Recorded> {
        self.log.borrow().clone()
    }

    /// Makes the first `count` changes again, on another device.
    pub async fn replay(&self, onto: &dyn BlockDevice, count: usize) -> Result<(), DeviceError> {
        let log: Vec<_> = self.log.borrow().iter().take(count).cloned().collect();
        for change in log {
            match change {
                Recorded::Write(offset, data) => onto.write(offset, &data).await?,
                Recorded::Flush => onto.flush().await?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recorder({} changes)", self.log.borrow().len())
    }
}

#[async_trait(?Send)]
impl BlockDevice for Recorder {
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
        self.base.read(offset, buf).await
    }

    async fn write(&self, offset: u64, data: &[u8]) -> Result<(), DeviceError> {
        self.base.write(offset, data).await?;
        self.log.borrow_mut().push(Recorded::Write(offset, data.to_vec()));
        Ok(())
    }

    async fn flush(&self) -> Result<(), DeviceError> {
        self.base.flush().await?;
        self.log.borrow_mut().push(Recorded::Flush);
        Ok(())
    }

    fn prefetch(&self, offset: u64, len: u64) {
        self.base.prefetch(offset, len);
    }
}
