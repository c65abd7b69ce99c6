//! The base of a store that is a file system of its own: nothing but zeros.

use async_trait::async_trait;
use blockdev::{BlockDevice, DeviceError};

pub(crate) struct Blank {
    size: u64,
}

impl Blank {
    pub(crate) fn new(size: u64) -> Blank {
        Blank { size }
    }
}

#[async_trait(?Send)]
impl BlockDevice for Blank {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_only(&self) -> bool {
        true
    }

    fn validator(&self) -> Option<String> {
        Some("blank".into())
    }

    async fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), DeviceError> {
        let len = buf.len() as u64;
        match offset.checked_add(len) {
            Some(end) if end <= self.size => {
                buf.fill(0);
                Ok(())
            }
            _ => Err(DeviceError::OutOfRange { offset, len, size: self.size }),
        }
    }

    async fn write(&self, _offset: u64, _data: &[u8]) -> Result<(), DeviceError> {
        Err(DeviceError::ReadOnly)
    }

    async fn flush(&self) -> Result<(), DeviceError> {
        Ok(())
    }
}
