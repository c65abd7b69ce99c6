//! A read cache in memory: recent blocks, one fetch for equal wishes, reading ahead.

use crate::device::{BlockDevice, DeviceError, check_range};
use crate::flight::Flight;
use crate::{BLOCK_BYTES, block_len, pieces};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use async_trait::async_trait;
use core::cell::RefCell;
use core::fmt;

/// Steps from block to block in order before a reader counts as sequential. Programs that start touch a few
/// neighbours of many files, and what is fetched ahead of those is mostly not wanted.
const PATIENCE: u32 = 3;

type Block = Rc<RefCell<Vec<u8>>>;
type Fetch = Rc<Flight<Result<Block, DeviceError>>>;

/// How much a [`Cached`] keeps and reads ahead, in blocks of [`BLOCK_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheOptions {
    /// Blocks kept.
    pub capacity: usize,
    /// Most blocks fetched ahead of a sequential reader; 0 for none.
    pub read_ahead: usize,
}

impl Default for CacheOptions {
    fn default() -> CacheOptions {
        CacheOptions { capacity: 256, read_ahead: 8 }
    }
}

/// Counters of a [`Cached`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Block accesses answered from memory.
    pub hits: u64,
    /// Block accesses that started a fetch.
    pub misses: u64,
    /// Block accesses that joined a fetch already under way.
    pub joined: u64,
    /// Fetches started ahead of their reader.
    pub prefetched: u64,
}

struct Entry {
    block: Block,
    used: u64,
}

#[derive(Default)]
struct State {
    blocks: BTreeMap<u64, Entry>,
    /// Age to block number, oldest first: the order of eviction.
    ages: BTreeMap<u64, u64>,
    fetches: BTreeMap<u64, (u64, Fetch)>,
    clock: u64,
    next_fetch: u64,
    last_block: u64,
    in_order: u32,
    ahead: usize,
    stats: CacheStats,
}

struct Inner {
    base: Rc<dyn BlockDevice>,
    options: CacheOptions,
    state: RefCell<State>,
}

/// A device with its recently used blocks in memory. Writes go through at once.
pub struct Cached(Rc<Inner>);

impl Cached {
    /// A cache over a device.
    pub fn new(base: Rc<dyn BlockDevice>, options: CacheOptions) -> Cached {
        let options = CacheOptions { capacity: options.capacity.max(1), ..options };
        Cached(Rc::new(Inner { base, options, state: RefCell::default() }))
    }

    /// Counters.
    pub fn stats(&self) -> CacheStats {
        self.0.state.borrow().stats
    }

    /// Drops every kept block.
    pub fn clear(&self) {
        let mut state = self.0.state.borrow_mut();
        state.blocks.clear();
        state.ages.clear();
    }

    async fn block(&self, index: u64) -> Result<Block, DeviceError> {
        let fetch = {
            let mut state = self.0.state.borrow_mut();
            if let Some(block) = state.touch(index) {
                state.stats.hits += 1;
                return Ok(block);
            }
            match state.fetches.get(&index) {
                Some((_, fetch)) => {
                    let fetch = fetch.clone();
                    state.stats.joined += 1;
                    fetch
                }
                None => {
                    state.stats.misses += 1;
                    self.start(&mut state, index)
                }
            }
        };
        fetch.wait().await
    }

    fn start(&self, state: &mut State, index: u64) -> Fetch {
        let number = state.next_fetch;
        state.next_fetch += 1;
        let base = self.0.base.clone();
        let weak = Rc::downgrade(&self.0);
        let fetch = Flight::new(async move {
            let mut bytes = vec![0; block_len(index, base.size())];
            let result = base.read(index * BLOCK_BYTES as u64, &mut bytes).await;
            let block = Rc::new(RefCell::new(bytes));
            if let Some(inner) = weak.upgrade() {
                let mut state = inner.state.borrow_mut();
                // A write in the meantime unlists the fetch: its bytes may be from before.
                if state.fetches.get(&index).is_some_and(|(listed, _)| *listed == number) {
                    state.fetches.remove(&index);
                    if result.is_ok() {
                        state.insert(index, block.clone(), inner.options.capacity);
                    }
                }
            }
            result.map(|()| block)
        });
        state.fetches.insert(index, (number, fetch.clone()));
        fetch
    }

    /// Notices sequential access, and starts fetches ahead of it.
    fn read_ahead(&self, first: u64, last: u64) {
        let ahead = {
            let mut state = self.0.state.borrow_mut();
            let sequential = first == state.last_block || first == state.last_block + 1;
            if last != state.last_block {
                state.in_order = if sequential { state.in_order.saturating_add(1) } else { 0 };
                let patient = state.in_order < PATIENCE;
                state.ahead =
                    if patient { 0 } else { (state.ahead * 2).clamp(1, self.0.options.read_ahead.max(1)) };
            }
            state.last_block = last;
            state.ahead.min(self.0.options.read_ahead).min(self.0.options.capacity / 2)
        };
        self.prefetch_blocks(last + 1, ahead as u64);
    }

    fn prefetch_blocks(&self, first: u64, count: u64) {
        let end = self.0.base.size().div_ceil(BLOCK_BYTES as u64).min(first.saturating_add(count));
        for index in first..end {
            let fetch = {
                let mut state = self.0.state.borrow_mut();
                if state.blocks.contains_key(&index) || state.fetches.contains_key(&index) {
                    continue;
                }
                if state.fetches.len() >= self.0.options.capacity.min(32) {
                    return;
                }
                state.stats.prefetched += 1;
                self.start(&mut state, index)
            };
            fetch.poke();
        }
    }

    /// Lets fetches that nobody waits for make progress.
    fn poke_fetches(&self) {
        let fetches: Vec<Fetch> =
            self.0.state.borrow().fetches.values().map(|(_, fetch)| fetch.clone()).collect();
        fetches.iter().for_each(|fetch| fetch.poke());
    }
}

impl State {
    fn touch(&mut self, index: u64) -> Option<Block> {
        let entry = self.blocks.get_mut(&index)?;
        self.clock += 1;
        self.ages.remove(&entry.used);
        entry.used = self.clock;
        self.ages.insert(self.clock, index);
        Some(entry.block.clone())
    }

    fn insert(&mut self, index: u64, block: Block, capacity: usize) {
        while self.blocks.len() >= capacity {
            let Some((_, oldest)) = self.ages.pop_first() else { break };
            self.blocks.remove(&oldest);
        }
        self.clock += 1;
        self.ages.insert(self.clock, index);
        if let Some(old) = self.blocks.insert(index, Entry { block, used: self.clock }) {
            self.ages.remove(&old.used);
        }
    }
}

impl fmt::Debug for Cached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cached({:?})", self.stats())
    }
}

#[async_trait(?Send)]
impl BlockDevice for Cached {
    fn size(&self) -> u64 {
        self.0.base.size()
    }

    fn block_size(&self) -> u32 {
        self.0.base.block_size()
    }

    fn read_only(&self) -> bool {
        self.0.base.read_only()
    }

    fn validator(&self) -> Option<String> {
        self.0.base.validator()
    }

    async fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), DeviceError> {
        check_range(offset, buf.len(), self.size())?;
        if buf.is_empty() {
            return Ok(());
        }
        let first = offset / BLOCK_BYTES as u64;
        let last = (offset + buf.len() as u64 - 1) / BLOCK_BYTES as u64;
        self.poke_fetches();
        if last > first {
            // Start them all, so that they travel together.
            self.prefetch_blocks(first, last - first + 1);
        }
        self.read_ahead(first, last);
        let mut done = 0;
        for (index, within, len) in pieces(offset, buf.len()) {
            let block = self.block(index).await?;
            buf[done..done + len].copy_from_slice(&block.borrow()[within..within + len]);
            done += len;
        }
        Ok(())
    }

    async fn write(&self, offset: u64, data: &[u8]) -> Result<(), DeviceError> {
        check_range(offset, data.len(), self.size())?;
        let forget = || {
            let mut state = self.0.state.borrow_mut();
            for (index, _, _) in pieces(offset, data.len()) {
                state.fetches.remove(&index);
            }
        };
        forget();
        self.0.base.write(offset, data).await.inspect_err(|_| {
            // What reached the device is unknown.
            let mut state = self.0.state.borrow_mut();
            for (index, _, _) in pieces(offset, data.len()) {
                if let Some(old) = state.blocks.remove(&index) {
                    state.ages.remove(&old.used);
                }
            }
        })?;
        // Fetches that started while the write was under way may or may not have seen it.
        forget();
        let state = self.0.state.borrow();
        let mut done = 0;
        for (index, within, len) in pieces(offset, data.len()) {
            if let Some(entry) = state.blocks.get(&index) {
                entry.block.borrow_mut()[within..within + len].copy_from_slice(&data[done..done + len]);
            }
            done += len;
        }
        Ok(())
    }

    async fn flush(&self) -> Result<(), DeviceError> {
        self.0.base.flush().await
    }

    fn prefetch(&self, offset: u64, len: u64) {
        if len > 0 && offset < self.size() {
            let first = offset / BLOCK_BYTES as u64;
            let last = (offset.saturating_add(len) - 1) / BLOCK_BYTES as u64;
            self.prefetch_blocks(first, (last - first + 1).min(64));
        }
    }
}
