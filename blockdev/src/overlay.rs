//! Copy-on-write over a base that is never written.

use crate::device::{BlockDevice, DeviceError, check_range};
use crate::lock::AsyncLock;
use crate::store::BlockStore;
use crate::{BLOCK_BYTES, block_len, pieces};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use async_trait::async_trait;
use core::cell::RefCell;
use core::fmt;

/// Names of the values an overlay keeps in its store.
const META_BASE: &str = "base";
const META_WRITTEN: &str = "written";

/// Choices of an [`Overlay`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverlayOptions {
    /// Also store blocks that were only read, so that they are fetched once ever.
    pub keep_reads: bool,
    /// Blocks gathered in memory before they go to the store without being asked to.
    pub max_pending: usize,
}

impl Default for OverlayOptions {
    fn default() -> OverlayOptions {
        OverlayOptions { keep_reads: true, max_pending: 64 }
    }
}

#[derive(Clone)]
struct Pending {
    bytes: Rc<Vec<u8>>,
    written: bool,
}

#[derive(Default)]
struct State {
    /// Blocks in the store.
    stored: BTreeSet<u64>,
    /// Newer than what the store has.
    pending: BTreeMap<u64, Pending>,
    /// On their way to the store; `pending` is newer.
    leaving: BTreeMap<u64, Pending>,
    /// The store knows that it holds writes.
    marked_written: bool,
}

/// A writable device over a base: blocks of [`BLOCK_BYTES`] that were written live in a [`BlockStore`].
///
/// Writes gather in memory and leave as one atomic batch at a flush, or when there are too many of them; so a crash
/// keeps a prefix of them, up to a flush at least.
pub struct Overlay {
    base: Rc<dyn BlockDevice>,
    store: Rc<dyn BlockStore>,
    options: OverlayOptions,
    state: RefCell<State>,
    /// Held by writes and by batches that leave.
    order: AsyncLock,
}

impl Overlay {
    /// Opens the overlay that a store holds, or starts one. [`DeviceError::Changed`] where the store holds writes
    /// made over another base; a store that holds only kept reads of another base is emptied.
    pub async fn open(
        base: Rc<dyn BlockDevice>,
        store: Rc<dyn BlockStore>,
        options: OverlayOptions,
    ) -> Result<Overlay, DeviceError> {
        let identity = format!("{}:{}", base.size(), base.validator().unwrap_or_default());
        let mut written = store.get_meta(META_WRITTEN).await?.is_some();
        match store.get_meta(META_BASE).await? {
            Some(known) if known == identity.as_bytes() => {}
            Some(known) if written => {
                let expected = String::from_utf8_lossy(&known).to_string();
                return Err(DeviceError::Changed { expected, found: identity });
            }
            _ => {
                store.clear().await?;
                store.put_meta(META_BASE, identity.as_bytes()).await?;
                written = false;
            }
        }
        let stored = store.indices().await?.into_iter().collect();
        let state = State { stored, marked_written: written, ..State::default() };
        let options = OverlayOptions { max_pending: options.max_pending.max(1), ..options };
        Ok(Overlay { base, store, options, state: RefCell::new(state), order: AsyncLock::new() })
    }

    /// Forgets all writes and kept reads. Nobody may rely on the old content (no file system may be mounted).
    pub async fn reset(&self) -> Result<(), DeviceError> {
        let _order = self.order.lock().await;
        self.store.clear().await?;
        *self.state.borrow_mut() = State::default();
        let identity = format!("{}:{}", self.base.size(), self.base.validator().unwrap_or_default());
        self.store.put_meta(META_BASE, identity.as_bytes()).await?;
        self.store.flush().await
    }

    /// Number of blocks in the store.
    pub fn stored_blocks(&self) -> usize {
        self.state.borrow().stored.len()
    }

    fn in_memory(&self, index: u64) -> Option<Rc<Vec<u8>>> {
        let state = self.state.borrow();
        state.pending.get(&index).or_else(|| state.leaving.get(&index)).map(|block| block.bytes.clone())
    }

    async fn block(&self, index: u64) -> Result<Rc<Vec<u8>>, DeviceError> {
        if let Some(bytes) = self.in_memory(index) {
            return Ok(bytes);
        }
        let len = block_len(index, self.base.size());
        let stored = self.state.borrow().stored.contains(&index);
        if stored {
            return match self.store.get(index).await? {
                Some(bytes) if bytes.len() == len => Ok(Rc::new(bytes)),
                _ => Err(DeviceError::Corrupt(format!("block {index} of the store"))),
            };
        }
        let mut bytes = vec![0; len];
        self.base.read(index * BLOCK_BYTES as u64, &mut bytes).await?;
        let bytes = Rc::new(bytes);
        if self.options.keep_reads {
            let mut state = self.state.borrow_mut();
            let newer = state.stored.contains(&index) || state.leaving.contains_key(&index);
            if !newer && state.pending.len() < self.options.max_pending {
                let kept = Pending { bytes: bytes.clone(), written: false };
                state.pending.entry(index).or_insert(kept);
            }
        }
        Ok(bytes)
    }

    /// Hands everything pending to the store as one batch. The caller holds `order`.
    async fn send(&self) -> Result<(), DeviceError> {
        let (batch, mark) = {
            let mut state = self.state.borrow_mut();
            // What an abandoned batch left behind goes again, under what is newer.
            let newer = core::mem::take(&mut state.pending);
            state.leaving.extend(newer);
            let batch: Vec<_> =
                state.leaving.iter().map(|(index, block)| (*index, block.bytes.clone())).collect();
            let writes = state.leaving.values().any(|block| block.written);
            (batch, writes && !state.marked_written)
        };
        if batch.is_empty() {
            return Ok(());
        }
        if mark {
            self.store.put_meta(META_WRITTEN, b"1").await?;
            self.state.borrow_mut().marked_written = true;
        }
        self.store.put_many(&batch).await?;
        let mut state = self.state.borrow_mut();
        state.stored.extend(batch.iter().map(|(index, _)| *index));
        state.leaving.clear();
        Ok(())
    }
}

impl fmt::Debug for Overlay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.borrow();
        write!(f, "Overlay({} stored, {} pending)", state.stored.len(), state.pending.len())
    }
}

#[async_trait(?Send)]
impl BlockDevice for Overlay {
    fn size(&self) -> u64 {
        self.base.size()
    }

    fn validator(&self) -> Option<String> {
        self.base.validator()
    }

    async fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), DeviceError> {
        check_range(offset, buf.len(), self.size())?;
        let mut done = 0;
        for (index, within, len) in pieces(offset, buf.len()) {
            let part = &mut buf[done..done + len];
            let from_base = {
                let state = self.state.borrow();
                !self.options.keep_reads
                    && !state.stored.contains(&index)
                    && !state.pending.contains_key(&index)
                    && !state.leaving.contains_key(&index)
            };
            if from_base {
                self.base.read(index * BLOCK_BYTES as u64 + within as u64, part).await?;
            } else {
                let block = self.block(index).await?;
                part.copy_from_slice(&block[within..within + len]);
            }
            done += len;
        }
        if self.state.borrow().pending.len() >= self.options.max_pending {
            let _order = self.order.lock().await;
            self.send().await?;
        }
        Ok(())
    }

    async fn write(&self, offset: u64, data: &[u8]) -> Result<(), DeviceError> {
        check_range(offset, data.len(), self.size())?;
        let _order = self.order.lock().await;
        let mut done = 0;
        for (index, within, len) in pieces(offset, data.len()) {
            let part = &data[done..done + len];
            let whole = len == block_len(index, self.size());
            let mut block = if whole { Rc::new(part.to_vec()) } else { self.block(index).await? };
            let mut state = self.state.borrow_mut();
            if !whole {
                // Without this the block in `pending` would count as shared, and be copied for every write.
                state.pending.remove(&index);
                Rc::make_mut(&mut block)[within..within + len].copy_from_slice(part);
            }
            state.pending.insert(index, Pending { bytes: block, written: true });
            done += len;
        }
        if self.state.borrow().pending.len() >= self.options.max_pending {
            self.send().await?;
        }
        Ok(())
    }

    async fn flush(&self) -> Result<(), DeviceError> {
        let _order = self.order.lock().await;
        self.send().await?;
        self.store.flush().await
    }

    fn prefetch(&self, offset: u64, len: u64) {
        for (index, within, part) in pieces(offset, len.min(4 << 20) as usize) {
            let here = {
                let state = self.state.borrow();
                state.stored.contains(&index) || state.pending.contains_key(&index)
            };
            if !here {
                self.base.prefetch(index * BLOCK_BYTES as u64 + within as u64, part as u64);
            }
        }
    }
}
