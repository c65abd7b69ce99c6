//! A read-only device over range requests.

use crate::device::{BlockDevice, DeviceError, check_range};
use crate::{BLOCK_BYTES, block_len};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use async_trait::async_trait;
use core::cell::Cell;
use core::fmt;
use futures::stream::{self, StreamExt, TryStreamExt};

/// What a server says about a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteInfo {
    /// Bytes.
    pub size: u64,
    /// ETag or Last-Modified.
    pub validator: Option<String>,
}

/// A part of a file, with the validator the answer carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The bytes asked for.
    pub bytes: Vec<u8>,
    /// ETag or Last-Modified of this answer, where it had one.
    pub validator: Option<String>,
}

/// Range requests for one file, as the host can make them. Errors that another try may cure are
/// [`DeviceError::Io`]; others are final.
#[async_trait(?Send)]
pub trait RangeFetcher {
    /// Size and validator. [`DeviceError::Unsupported`] where the server has no ranges.
    async fn head(&self) -> Result<RemoteInfo, DeviceError>;

    /// A byte range that lies inside the file.
    async fn fetch(&self, offset: u64, len: usize) -> Result<Fetched, DeviceError>;
}

/// Waiting, as the host can do it.
#[async_trait(?Send)]
pub trait Sleep {
    /// Returns after about so many milliseconds.
    async fn sleep(&self, milliseconds: u32);
}

/// How an [`HttpBlocks`] fetches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpOptions {
    /// Requests under way at once for one read.
    pub concurrent: usize,
    /// Tries per block.
    pub tries: u32,
    /// Wait before the second try, in milliseconds; it doubles with each further one.
    pub first_wait: u32,
}

impl Default for HttpOptions {
    fn default() -> HttpOptions {
        HttpOptions { concurrent: 6, tries: 5, first_wait: 250 }
    }
}

/// Counters of an [`HttpBlocks`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HttpStats {
    /// Requests made.
    pub requests: u64,
    /// Requests that failed and were made again.
    pub retries: u64,
    /// Bytes received.
    pub bytes: u64,
}

/// A file on a server as a read-only device. Every request is for one whole aligned block of [`BLOCK_BYTES`], so that
/// caches on the way see few distinct ranges; put a [`crate::Cached`] on top.
pub struct HttpBlocks<F, S> {
    fetcher: F,
    sleep: S,
    options: HttpOptions,
    size: u64,
    validator: String,
    stats: Cell<HttpStats>,
}

impl<F: RangeFetcher, S: Sleep> HttpBlocks<F, S> {
    /// Asks the server for size and validator. [`DeviceError::Unsupported`] where it gives no validator: nothing
    /// could then tell whether the file changes under us.
    pub async fn open(fetcher: F, sleep: S, options: HttpOptions) -> Result<HttpBlocks<F, S>, DeviceError> {
        let mut wait = options.first_wait;
        let mut tries = 1;
        let info = loop {
            match fetcher.head().await {
                Err(DeviceError::Io(_)) if tries < options.tries => {
                    sleep.sleep(wait).await;
                    wait = wait.saturating_mul(2);
                    tries += 1;
                }
                other => break other?,
            }
        };
        let Some(validator) = info.validator else {
            let what =
                "the server sends neither ETag nor Last-Modified, so a changed image could not be noticed";
            return Err(DeviceError::Unsupported(what.to_string()));
        };
        Ok(HttpBlocks { fetcher, sleep, options, size: info.size, validator, stats: Cell::default() })
    }

    /// Counters.
    pub fn stats(&self) -> HttpStats {
        self.stats.get()
    }

    fn count(&self, change: impl FnOnce(&mut HttpStats)) {
        let mut stats = self.stats.get();
        change(&mut stats);
        self.stats.set(stats);
    }

    async fn try_block(&self, index: u64) -> Result<Vec<u8>, DeviceError> {
        let len = block_len(index, self.size);
        self.count(|stats| stats.requests += 1);
        let answer = self.fetcher.fetch(index * BLOCK_BYTES as u64, len).await?;
        self.count(|stats| stats.bytes += answer.bytes.len() as u64);
        if let Some(found) = answer.validator.filter(|found| *found != self.validator) {
            return Err(DeviceError::Changed { expected: self.validator.clone(), found });
        }
        if answer.bytes.len() != len {
            return Err(DeviceError::Io(format!("{} bytes came instead of {len}", answer.bytes.len())));
        }
        Ok(answer.bytes)
    }

    async fn block(&self, index: u64) -> Result<Vec<u8>, DeviceError> {
        let mut wait = self.options.first_wait;
        for _ in 1..self.options.tries {
            match self.try_block(index).await {
                Err(DeviceError::Io(_)) => {}
                other => return other,
            }
            self.count(|stats| stats.retries += 1);
            self.sleep.sleep(wait).await;
            wait = wait.saturating_mul(2);
        }
        self.try_block(index).await
    }
}

impl<F, S> fmt::Debug for HttpBlocks<F, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpBlocks({} bytes, {}, {:?})", self.size, self.validator, self.stats.get())
    }
}

#[async_trait(?Send)]
impl<F: RangeFetcher, S: Sleep> BlockDevice for HttpBlocks<F, S> {
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
        Some(self.validator.clone())
    }

    async fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), DeviceError> {
        check_range(offset, buf.len(), self.size)?;
        read_blocks(offset, buf, self.options.concurrent, |index| self.block(index)).await
    }

    async fn write(&self, _offset: u64, _data: &[u8]) -> Result<(), DeviceError> {
        Err(DeviceError::ReadOnly)
    }

    async fn flush(&self) -> Result<(), DeviceError> {
        Ok(())
    }
}

/// Fills a buffer from whole blocks, several of which are fetched at once.
pub(crate) async fn read_blocks<T: Future<Output = Result<Vec<u8>, DeviceError>>>(
    offset: u64,
    buf: &mut [u8],
    concurrent: usize,
    fetch: impl Fn(u64) -> T,
) -> Result<(), DeviceError> {
    let pieces: Vec<_> = crate::pieces(offset, buf.len()).collect();
    let mut blocks = stream::iter(pieces)
        .map(|(index, within, len)| {
            let block = fetch(index);
            async move { block.await.map(|bytes| (bytes, within, len)) }
        })
        .buffered(concurrent.max(1));
    let mut done = 0;
    while let Some((bytes, within, len)) = blocks.try_next().await? {
        let part = bytes.get(within..within + len);
        let part = part.ok_or_else(|| DeviceError::Io("a block came short".to_string()))?;
        buf[done..done + len].copy_from_slice(part);
        done += len;
    }
    Ok(())
}
