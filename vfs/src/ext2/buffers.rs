//! The buffer cache: metadata blocks in memory.
//!
//! Dirty blocks stay here until a commit writes them, so that the device goes from one consistent state to the next.

use super::errno_of;
use crate::inode::Result;
use blockdev::BlockDevice;
use hashbrown::HashMap;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fmt;
use std::rc::Rc;

/// Clean blocks kept, in bytes.
const KEPT_BYTES: usize = 16 << 20;
/// Blocks written at once where they are neighbours, in bytes.
const RUN_BYTES: usize = 128 << 10;

/// One metadata block. Its bytes are borrowed only between awaits.
#[derive(Debug)]
pub(super) struct Buffer {
    pub(super) block: u64,
    pub(super) data: RefCell<Box<[u8]>>,
    used: Cell<u64>,
}

pub(super) struct Buffers {
    device: Rc<dyn BlockDevice>,
    block_size: usize,
    held: RefCell<HashMap<u64, Rc<Buffer>>>,
    dirty: RefCell<BTreeSet<u64>>,
    clock: Cell<u64>,
}

impl Buffers {
    pub(super) fn new(device: Rc<dyn BlockDevice>, block_size: usize) -> Buffers {
        Buffers {
            device,
            block_size,
            held: RefCell::default(),
            dirty: RefCell::default(),
            clock: Cell::new(0),
        }
    }

    fn tick(&self) -> u64 {
        self.clock.set(self.clock.get() + 1);
        self.clock.get()
    }

    fn find(&self, block: u64) -> Option<Rc<Buffer>> {
        let buffer = self.held.borrow().get(&block).cloned()?;
        buffer.used.set(self.tick());
        Some(buffer)
    }

    /// The block, read from the device if need be.
    pub(super) async fn get(&self, block: u64) -> Result<Rc<Buffer>> {
        if let Some(buffer) = self.find(block) {
            return Ok(buffer);
        }
        let mut data = vec![0; self.block_size].into_boxed_slice();
        let offset = block.saturating_mul(self.block_size as u64);
        self.device.read(offset, &mut data).await.map_err(|error| errno_of(&error))?;
        // Somebody else may have been faster, and may have changed it since.
        match self.find(block) {
            Some(buffer) => Ok(buffer),
            None => Ok(self.insert(block, data)),
        }
    }

    /// A block of zeros in place of what the device holds.
    pub(super) fn fresh(&self, block: u64) -> Rc<Buffer> {
        let buffer = self.insert(block, vec![0; self.block_size].into());
        self.mark(&buffer);
        buffer
    }

    fn insert(&self, block: u64, data: Box<[u8]>) -> Rc<Buffer> {
        self.shrink();
        let buffer = Rc::new(Buffer { block, data: RefCell::new(data), used: Cell::new(self.tick()) });
        self.held.borrow_mut().insert(block, buffer.clone());
        buffer
    }

    /// The block differs from the device's from now on.
    pub(super) fn mark(&self, buffer: &Buffer) {
        self.dirty.borrow_mut().insert(buffer.block);
    }

    /// The block no longer holds metadata.
    pub(super) fn forget(&self, block: u64) {
        self.held.borrow_mut().remove(&block);
        self.dirty.borrow_mut().remove(&block);
    }

    pub(super) fn dirty_bytes(&self) -> usize {
        self.dirty.borrow().len() * self.block_size
    }

    /// Gives up the less recently used half of the clean blocks when there are too many.
    fn shrink(&self) {
        let mut held = self.held.borrow_mut();
        let dirty = self.dirty.borrow();
        let limit = KEPT_BYTES / self.block_size + dirty.len();
        if held.len() <= limit {
            return;
        }
        let mut ages: Vec<u64> = held.values().map(|buffer| buffer.used.get()).collect();
        let middle = ages.len() / 2;
        let (_, median, _) = ages.select_nth_unstable(middle);
        let median = *median;
        held.retain(|block, buffer| {
            buffer.used.get() > median || Rc::strong_count(buffer) > 1 || dirty.contains(block)
        });
    }

    /// Writes every dirty block, in the order of the device.
    pub(super) async fn write_dirty(&self) -> Result<()> {
        loop {
            let (first, run, data) = {
                let mut dirty = self.dirty.borrow_mut();
                let Some(first) = dirty.first().copied() else { return Ok(()) };
                let held = self.held.borrow();
                let mut data = Vec::new();
                let mut run = 0;
                while data.len() < RUN_BYTES && dirty.contains(&(first + run)) {
                    match held.get(&(first + run)) {
                        Some(buffer) => data.extend_from_slice(&buffer.data.borrow()),
                        None => data.resize(data.len() + self.block_size, 0),
                    }
                    dirty.remove(&(first + run));
                    run += 1;
                }
                (first, run, data)
            };
            if let Err(error) = self.device.write(first * self.block_size as u64, &data).await {
                self.dirty.borrow_mut().extend(first..first + run);
                return Err(errno_of(&error));
            }
        }
    }
}

impl fmt::Debug for Buffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffers({} held, {} dirty)", self.held.borrow().len(), self.dirty.borrow().len())
    }
}
