//! A device in memory.

use crate::device::{BlockDevice, DeviceError, check_range};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use async_trait::async_trait;
use core::cell::RefCell;
use core::fmt;

/// Bytes in memory as a device. Every operation finishes at once.
pub struct MemoryDevice {
    bytes: RefCell<Vec<u8>>,
    size: u64,
    read_only: bool,
    validator: Option<String>,
}

impl MemoryDevice {
    /// A device of zeros.
    pub fn zeroed(size: usize) -> MemoryDevice {
        MemoryDevice::from_bytes(vec![0; size])
    }

    /// A device with this content.
    pub fn from_bytes(bytes: Vec<u8>) -> MemoryDevice {
        MemoryDevice {
            size: bytes.len() as u64,
            bytes: RefCell::new(bytes),
            read_only: false,
            validator: None,
        }
    }

    /// The same device, which from now on refuses writes.
    #[must_use]
    pub fn into_read_only(mut self) -> MemoryDevice {
        self.read_only = true;
        self
    }

    /// The same device with a validator.
    #[must_use]
    pub fn with_validator(mut self, validator: &str) -> MemoryDevice {
        self.validator = Some(validator.into());
        self
    }

    /// A copy of the content.
    pub fn contents(&self) -> Vec<u8> {
        self.bytes.borrow().clone()
    }
}

impl fmt::Debug for MemoryDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryDevice({} bytes)", self.size)
    }
}

#[async_trait(?Send)]
impl BlockDevice for MemoryDevice {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_only(&self) -> bool {
        self.read_only
    }

    fn validator(&self) -> Option<String> {
        self.validator.clone()
    }

    async fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), DeviceError> {
        check_range(offset, buf.len(), self.size)?;
        let start = offset as usize;
        buf.copy_from_slice(&self.bytes.borrow()[start..start + buf.len()]);
        Ok(())
    }

    async fn write(&self, offset: u64, data: &[u8]) -> Result<(), DeviceError> {
        if self.read_only {
            return Err(DeviceError::ReadOnly);
        }
        check_range(offset, data.len(), self.size)?;
        let start = offset as usize;
        self.bytes.borrow_mut()[start..start + data.len()].copy_from_slice(data);
        Ok(())
    }

    async fn flush(&self) -> Result<(), DeviceError> {
        Ok(())
    }
}
