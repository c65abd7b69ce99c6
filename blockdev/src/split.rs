//! An image cut into chunk files, for hosts that serve small files only.

use crate::device::{BlockDevice, DeviceError, check_range};
use crate::http::read_blocks;
use crate::{BLOCK_BYTES, block_len};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use async_trait::async_trait;
use core::cell::Cell;
use core::fmt;

/// Fetches whole small files whose names start alike.
#[async_trait(?Send)]
pub trait FileFetcher {
    /// The file at the common address plus `suffix`. [`DeviceError::NotFound`] where there is none.
    async fn fetch(&self, suffix: &str) -> Result<Vec<u8>, DeviceError>;
}

/// A read-only device over `<url>.meta` (the size in decimal) and chunks `<url>.c000000.txt` and on, numbered in six
/// hexadecimal digits, of [`BLOCK_BYTES`] each (the last may be shorter or padded).
pub struct SplitDevice<F> {
    fetcher: F,
    size: u64,
    concurrent: usize,
    bytes_fetched: Cell<u64>,
}

impl<F: FileFetcher> SplitDevice<F> {
    /// Reads the size file.
    pub async fn open(fetcher: F, concurrent: usize) -> Result<SplitDevice<F>, DeviceError> {
        let meta = fetcher.fetch(".meta").await?;
        let size = core::str::from_utf8(&meta).ok().and_then(|text| text.trim().parse().ok());
        let size =
            size.ok_or_else(|| DeviceError::Corrupt("the .meta file holds no decimal size".to_string()))?;
        Ok(SplitDevice { fetcher, size, concurrent, bytes_fetched: Cell::new(0) })
    }

    /// Bytes received in chunks.
    pub fn bytes_fetched(&self) -> u64 {
        self.bytes_fetched.get()
    }

    async fn chunk(&self, index: u64) -> Result<Vec<u8>, DeviceError> {
        let bytes = self.fetcher.fetch(&format!(".c{index:06x}.txt")).await?;
        self.bytes_fetched.set(self.bytes_fetched.get() + bytes.len() as u64);
        if bytes.len() < block_len(index, self.size) {
            return Err(DeviceError::Corrupt(format!("chunk {index:06x} holds only {} bytes", bytes.len())));
        }
        Ok(bytes)
    }
}

impl<F> fmt::Debug for SplitDevice<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SplitDevice({} bytes)", self.size)
    }
}

#[async_trait(?Send)]
impl<F: FileFetcher> BlockDevice for SplitDevice<F> {
    fn size(&self) -> u64 {
        self.size
    }

    fn block_size(&self) -> u32 {
        BLOCK_BYTES as u32
    }

    fn read_only(&self) -> bool {
        true
    }

    fn validator(&self) -> Option<String> {
        Some(format!("split:{}", self.size))
    }

    async fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), DeviceError> {
        check_range(offset, buf.len(), self.size)?;
        read_blocks(offset, buf, self.concurrent, |index| self.chunk(index)).await
    }

    async fn write(&self, _offset: u64, _data: &[u8]) -> Result<(), DeviceError> {
        Err(DeviceError::ReadOnly)
    }

    async fn flush(&self) -> Result<(), DeviceError> {
        Ok(())
    }
}
