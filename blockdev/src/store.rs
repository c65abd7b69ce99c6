//! Where an overlay keeps its blocks.

use crate::device::DeviceError;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use async_trait::async_trait;
use core::cell::{Cell, RefCell};
use core::fmt;

/// Durable blocks by number, and a few named values. IndexedDB, OPFS or a file stands behind it.
///
/// One owner at a time: opening a store that another tab holds fails with [`DeviceError::Locked`] (by whoever opens).
#[async_trait(?Send)]
pub trait BlockStore {
    /// A block, or none where it was never put.
    async fn get(&self, index: u64) -> Result<Option<Vec<u8>>, DeviceError>;

    /// Numbers of all blocks, in any order.
    async fn indices(&self) -> Result<Vec<u64>, DeviceError>;

    /// Puts blocks: after a crash all of them are there or none is, and none without every earlier batch.
    async fn put_many(&self, blocks: &[(u64, Rc<Vec<u8>>)]) -> Result<(), DeviceError>;

    /// A named value.
    async fn get_meta(&self, key: &str) -> Result<Option<Vec<u8>>, DeviceError>;

    /// Sets a named value, in order with [`BlockStore::put_many`].
    async fn put_meta(&self, key: &str, value: &[u8]) -> Result<(), DeviceError>;

    /// Returns when everything put before is durable.
    async fn flush(&self) -> Result<(), DeviceError>;

    /// Forgets all blocks and values.
    async fn clear(&self) -> Result<(), DeviceError>;
}

#[derive(Clone, Default)]
struct Content {
    blocks: BTreeMap<u64, Rc<Vec<u8>>>,
    meta: BTreeMap<String, Vec<u8>>,
}

/// A store in memory that can lose, as a crash would, what was not flushed. Clones share the content.
#[derive(Clone, Default)]
pub struct MemoryStore {
    live: Rc<RefCell<Content>>,
    durable: Rc<RefCell<Content>>,
    batches: Rc<Cell<u64>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> MemoryStore {
        MemoryStore::default()
    }

    /// Loses everything put since the last flush.
    pub fn crash(&self) {
        let kept = self.durable.borrow().clone();
        *self.live.borrow_mut() = kept;
    }

    /// Blocks held.
    pub fn len(&self) -> usize {
        self.live.borrow().blocks.len()
    }

    /// Whether there are no blocks.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Batches put so far.
    pub fn batches(&self) -> u64 {
        self.batches.get()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryStore({} blocks)", self.len())
    }
}

#[async_trait(?Send)]
impl BlockStore for MemoryStore {
    async fn get(&self, index: u64) -> Result<Option<Vec<u8>>, DeviceError> {
        Ok(self.live.borrow().blocks.get(&index).map(|block| block.to_vec()))
    }

    async fn indices(&self) -> Result<Vec<u64>, DeviceError> {
        Ok(self.live.borrow().blocks.keys().copied().collect())
    }

    async fn put_many(&self, blocks: &[(u64, Rc<Vec<u8>>)]) -> Result<(), DeviceError> {
        self.batches.set(self.batches.get() + 1);
        self.live.borrow_mut().blocks.extend(blocks.iter().cloned());
        Ok(())
    }

    async fn get_meta(&self, key: &str) -> Result<Option<Vec<u8>>, DeviceError> {
        Ok(self.live.borrow().meta.get(key).cloned())
    }

    async fn put_meta(&self, key: &str, value: &[u8]) -> Result<(), DeviceError> {
        self.live.borrow_mut().meta.insert(key.into(), value.to_vec());
        Ok(())
    }

    async fn flush(&self) -> Result<(), DeviceError> {
        let live = self.live.borrow().clone();
        *self.durable.borrow_mut() = live;
        Ok(())
    }

    async fn clear(&self) -> Result<(), DeviceError> {
        *self.live.borrow_mut() = Content::default();
        Ok(())
    }
}
