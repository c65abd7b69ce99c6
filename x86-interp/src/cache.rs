//! The cache of decoded blocks.
//!
//! Blocks are kept by where their bytes are *physically*: frame, code generation, offset, mode. Processes that map
//! the same file page share them, whatever address it has. In front stands a direct-mapped table by guest address,
//! whose entries are true for one context: address space, its mapping generation, the pool's code epoch, mode.

use crate::cx::{Cx, Stop, slot};
use crate::exec::system;
use crate::fuse::fuse;
use crate::hot::HotTable;
use crate::lower::{exception, lower};
use crate::uop::{LowerMode, Uop};
use core::cell::Cell;
use guest_mem::{AddressSpace, CodePage, FrameId, PAGE_BYTES};
use hashbrown::HashMap;
use x86_decode::{DecodeError, FeatureSet, Insn, Mode, decode_for};

/// Longest instruction (SDM vol. 2 §2.3.11).
const MAX_INSN: usize = 15;
/// Instructions in a block.
pub(crate) const BLOCK_INSNS: usize = 32;
/// log2 of the entries of the table by guest address. A loop of a shell goes through hundreds of blocks: with 13, that of
/// bash looked up 150 of them in the map each time round, with 15 a few.
const FRONT_BITS: u32 = 15;
/// Entries of the table by guest address.
const FRONT_ENTRIES: usize = 1 << FRONT_BITS;
/// Contexts remembered, so that processes that alternate keep their entries.
const CONTEXTS: usize = 8;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    frame: FrameId,
    offset: u16,
    mode: LowerMode,
}

#[derive(Clone, Copy)]
struct Block {
    /// Code generation of the first page.
    generation: u32,
    /// The second page of an instruction that crosses into it.
    second: Option<CodePage>,
    ops: Ops,
    /// Where the block's bytes stand in [`BlockCache::bytes`]; none are kept of one that crosses pages.
    bytes: u32,
    bytes_len: u16,
}

/// A run of operations in the arena.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ops {
    pub(crate) start: u32,
    pub(crate) len: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Context {
    space: u64,
    generation: u64,
    epoch: u64,
    mode: LowerMode,
}

#[derive(Clone)]
struct Front {
    pc: u64,
    /// Number of the context the entry is true for; 0 is none.
    stamp: u32,
    /// Arrivals until the block is reported.
    left: Cell<u32>,
    ops: Ops,
}

impl Front {
    fn empty() -> Front {
        Front { pc: 0, stamp: 0, left: Cell::new(0), ops: Ops { start: 0, len: 0 } }
    }
}

/// Blocks are reported after so many arrivals where nobody wants to know: never in practice.
const NEVER: u32 = u32::MAX;

/// Decoded blocks of every process of a machine.
pub(crate) struct BlockCache {
    arena: Vec<Uop>,
    /// Arrivals until a block is reported, by where its operations begin, as of when it left the table in front.
    left: Vec<u32>,
    bytes: Vec<u8>,
    capacity: usize,
    blocks: HashMap<Key, Block>,
    front: Box<[Front; FRONT_ENTRIES]>,
    contexts: [Option<(Context, u32)>; CONTEXTS],
    /// The context of the last lookup.
    current: Option<(Context, u32)>,
    stamp: u32,
    mode: LowerMode,
    next_stamp: u32,
    next_context: usize,
    /// Of the processor that code is decoded for.
    features: FeatureSet,
    hot: HotTable,
    /// Arrivals after which a block is reported.
    threshold: u32,
    /// Blocks that are reported each time, and what was expected of them before, where the table in front had them.
    watched: Vec<(u64, Option<u32>)>,
}

impl BlockCache {
    /// A cache of at most `capacity` instructions, decoded as a processor with `features` does.
    pub(crate) fn new(capacity: usize, features: FeatureSet) -> BlockCache {
        // Through a vector, since it is larger than a stack likes.
        let front = vec![Front::empty(); FRONT_ENTRIES].into_boxed_slice().try_into();
        let Ok(front) = front else { unreachable!("a vector of as many entries") };
        BlockCache {
            arena: Vec::new(),
            left: Vec::new(),
            bytes: Vec::new(),
            capacity: capacity.clamp(BLOCK_INSNS, u32::MAX as usize / 2),
            blocks: HashMap::new(),
            front,
            contexts: [None; CONTEXTS],
            current: None,
            stamp: 0,
            mode: LowerMode::default(),
            next_stamp: 1,
            next_context: 0,
            features,
            hot: HotTable::new(),
            threshold: NEVER,
            watched: Vec::new(),
        }
    }

    /// The operations of a block.
    ///
    /// # Panics
    /// If the block is none of this cache: a branch that predicts, where a value for "none" would be a conditional move
    /// that everything waits for.
    #[inline(always)]
    pub(crate) fn ops(&self, ops: Ops) -> &[Uop] {
        let start = ops.start as usize;
        &self.arena[start..start + ops.len as usize]
    }

    /// What code is decoded as.
    pub(crate) fn features(&self) -> FeatureSet {
        self.features
    }

    /// Blocks and instructions held.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.blocks.len(), self.arena.len())
    }

    /// Takes note of the context that the following lookups are for: to be called when a run begins and whenever
    /// [`AddressSpace::code_writes`] or the mode changed.
    pub(crate) fn enter(&mut self, cx: &mut Cx<'_>, mode: LowerMode) {
        let mem = cx.mem;
        cx.code_writes = mem.code_writes();
        let context =
            Context { space: mem.id(), generation: mem.generation(), epoch: mem.pool().code_epoch(), mode };
        self.mode = mode;
        self.stamp = match self.current {
            Some((current, stamp)) if current == context => stamp,
            _ => self.switch_context(context),
        };
    }

    /// The block at an address, if the table in front has it and it is not to be reported.
    #[inline(always)]
    pub(crate) fn known(&self, pc: u64) -> Option<Ops> {
        let entry = &self.front[front_index(pc)];
        let left = entry.left.get();
        if entry.pc == pc && entry.stamp == self.stamp && left != 0 {
            entry.left.set(left - 1);
            Some(entry.ops)
        } else {
            None
        }
    }

    /// The block at `cx.rip`, decoded if need be, and whether it is to be reported. A fetch that faults is an exit.
    pub(crate) fn find(&mut self, cx: &mut Cx<'_>) -> Result<(Ops, bool), Stop> {
        let entry = &self.front[front_index(cx.rip)];
        if entry.pc == cx.rip && entry.stamp == self.stamp {
            let left = entry.left.get();
            // Where nobody wants to know, it begins anew.
            entry.left.set(left.checked_sub(1).unwrap_or(if self.threshold == NEVER { NEVER } else { 0 }));
            return Ok((entry.ops, left == 0));
        }
        let pc = cx.rip;
        Ok((self.find_slow(cx)?, self.is_watched(pc)))
    }

    fn is_watched(&self, pc: u64) -> bool {
        self.watched.iter().any(|(watched, _)| *watched == pc)
    }

    /// See [`x86_cpu::BaseEngine::watch`].
    pub(crate) fn watch(&mut self, pc: u64) {
        let entry = &self.front[front_index(pc)];
        let known = entry.pc == pc && entry.stamp != 0 && !self.is_watched(pc);
        self.watched.push((pc, known.then(|| entry.left.replace(0))));
    }

    /// See [`x86_cpu::BaseEngine::unwatch`].
    pub(crate) fn unwatch(&mut self) {
        let Some((pc, before)) = self.watched.pop() else { return };
        let entry = &self.front[front_index(pc)];
        if entry.pc == pc && entry.stamp != 0 && !self.is_watched(pc) {
            entry.left.set(before.unwrap_or_else(|| self.left_of(entry.ops)));
        }
    }

    /// Counts arrivals at a block that the loop does not count.
    pub(crate) fn arrived(&self, pc: u64, times: u32) {
        let entry = &self.front[front_index(pc)];
        if entry.pc == pc && entry.stamp == self.stamp && entry.left.get() < NEVER / 2 {
            entry.left.set(entry.left.get().saturating_sub(times));
        }
    }

    /// See [`x86_cpu::BaseEngine::arrivals`].
    pub(crate) fn arrivals(&self, mem: &AddressSpace, pc: u64) -> u32 {
        let entry = &self.front[front_index(pc)];
        let left = if entry.pc == pc && entry.stamp != 0 {
            entry.left.get()
        } else {
            let Ok(page) = mem.code_page(pc) else { return 0 };
            let key = Key { frame: page.frame, offset: (pc % PAGE_BYTES) as u16, mode: self.mode };
            let Some(block) = self.blocks.get(&key) else { return 0 };
            self.left_of(block.ops)
        };
        if (1..=self.threshold).contains(&left) { self.threshold - left + 1 } else { u32::MAX }
    }

    /// Arrivals until a block is reported that the table in front does not have.
    fn left_of(&self, ops: Ops) -> u32 {
        self.left.get(ops.start as usize).copied().unwrap_or(self.threshold)
    }

    /// A block is to be reported after so many arrivals.
    pub(crate) fn expect(&mut self, pc: u64, arrivals: u32) {
        if let Some((_, later)) = self.watched.iter_mut().find(|(watched, _)| *watched == pc) {
            *later = Some(arrivals);
            return;
        }
        let entry = &self.front[front_index(pc)];
        if entry.pc == pc && entry.stamp == self.stamp {
            entry.left.set(arrivals);
        }
    }

    pub(crate) fn set_threshold(&mut self, arrivals: u32) {
        self.threshold = arrivals;
    }

    #[cold]
    fn switch_context(&mut self, context: Context) -> u32 {
        let known = self.contexts.iter().flatten().find(|(known, _)| *known == context);
        let stamp = match known {
            Some((_, stamp)) => *stamp,
            None => {
                let stamp = self.fresh_stamp();
                // An older state of the same address space can never come back.
                let place = self
                    .contexts
                    .iter()
                    .position(|c| c.is_some_and(|(c, _)| c.space == context.space && c.mode == context.mode));
                let place = place.unwrap_or_else(|| {
                    self.next_context = (self.next_context + 1) % CONTEXTS;
                    self.next_context
                });
                if let Some(entry) = self.contexts.get_mut(place) {
                    *entry = Some((context, stamp));
                }
                stamp
            }
        };
        self.current = Some((context, stamp));
        stamp
    }

    fn fresh_stamp(&mut self) -> u32 {
        if self.next_stamp == u32::MAX {
            self.forget_contexts();
            self.next_stamp = 1;
        }
        let stamp = self.next_stamp;
        self.next_stamp += 1;
        stamp
    }

    fn forget_contexts(&mut self) {
        self.front.fill(Front::empty());
        self.contexts = [None; CONTEXTS];
        self.current = None;
    }

    #[cold]
    #[inline(never)]
    fn find_slow(&mut self, cx: &mut Cx<'_>) -> Result<Ops, Stop> {
        let (pc, mode) = (cx.rip, self.mode);
        let page = cx.mem.code_page(pc).map_err(|fault| cx.mem_fault(fault))?;
        let key = Key { frame: page.frame, offset: (pc % PAGE_BYTES) as u16, mode };
        let ops = match self.blocks.get(&key) {
            Some(block)
                if block.generation == page.generation && block.second == second_page(cx.mem, pc, block) =>
            {
                block.ops
            }
            Some(block) if block.second.is_none() && self.unchanged(cx.mem, pc, block) => {
                let ops = block.ops;
                self.blocks.entry(key).and_modify(|block| block.generation = page.generation);
                ops
            }
            _ => {
                let built = self.build(cx, pc, mode)?;
                self.blocks.insert(key, Block { generation: page.generation, ..built });
                built.ops
            }
        };
        // Looking at the page may have changed the context, and building may have emptied the cache.
        self.enter(cx, mode);
        // Blocks go on being counted in other processes, behind changes of mappings, and when they come back to the table in front.
        let old = &self.front[front_index(pc)];
        if old.stamp != 0 && !self.is_watched(old.pc) {
            let (start, left) = (old.ops.start as usize, old.left.get());
            if self.left.len() <= start {
                self.left.resize(self.arena.len(), self.threshold);
            }
            if let Some(known) = self.left.get_mut(start) {
                *known = left;
            }
        }
        let left = Cell::new(if self.is_watched(pc) { 0 } else { self.left_of(ops) });
        self.front[front_index(pc)] = Front { pc, stamp: self.stamp, left, ops };
        Ok(ops)
    }

    /// Whether the bytes of a block are what they were, although its page was written: data beside code.
    fn unchanged(&self, mem: &AddressSpace, pc: u64, block: &Block) -> bool {
        let start = block.bytes as usize;
        let Some(old) = self.bytes.get(start..start + usize::from(block.bytes_len)) else { return false };
        let mut new = [0; MAX_INSN * BLOCK_INSNS];
        let Some(new) = new.get_mut(..old.len()) else { return false };
        !old.is_empty() && mem.fetch(pc, new) == Ok(old.len()) && new == old
    }

    /// Decodes a block at `pc`, whose page is known to be executable.
    fn build(&mut self, cx: &mut Cx<'_>, pc: u64, mode: LowerMode) -> Result<Block, Stop> {
        if self.arena.len() + BLOCK_INSNS > self.capacity {
            self.arena.clear();
            self.left.clear();
            self.bytes.clear();
            self.blocks.clear();
            self.forget_contexts();
        }
        let decode_mode = if mode.long { Mode::Bits64 } else { Mode::Bits32 };
        let first = (pc % PAGE_BYTES) as usize;
        let in_page = PAGE_BYTES as usize - first;
        let mut bytes = [0; MAX_INSN * BLOCK_INSNS];
        let wanted = in_page.min(bytes.len());
        let got = cx.mem.fetch(pc, &mut bytes[..wanted]).map_err(|fault| cx.mem_fault(fault))?;
        let bytes = &bytes[..got];

        let start = self.arena.len() as u32;
        let mut second = None;
        let mut done = 0;
        let mut previous: Option<Insn> = None;
        let mut position = 0;
        let limit = if mode.single { 1 } else { BLOCK_INSNS as u64 };
        while position < limit {
            let at = (first + done) as u16;
            let rest = bytes.get(done..).unwrap_or(&[]);
            if rest.is_empty() {
                break;
            }
            let insn = match decode_for(rest, decode_mode, self.features) {
                Ok(insn) => insn,
                Err(DecodeError::Truncated) if position > 0 => break,
                Err(DecodeError::Truncated) => {
                    // The only instruction of its block, so that the block depends on no other second page.
                    let (uop, page) = self.lower_crossing(cx, pc, at, mode, decode_mode)?;
                    self.arena.push(uop);
                    second = page;
                    break;
                }
                Err(error) => {
                    self.arena.push(refused(error, at));
                    // All that may have been looked at.
                    done += rest.len().min(MAX_INSN);
                    break;
                }
            };
            let lowered = lower(&insn, at, position, mode);
            let pair = match (&previous, self.arena.last_mut()) {
                (Some(first), Some(uop)) => fuse((first, uop), (&insn, &lowered.uop)).map(|pair| *uop = pair),
                _ => None,
            };
            if pair.is_none() {
                self.arena.push(lowered.uop);
            }
            previous = Some(insn);
            position += 1;
            done += usize::from(insn.len);
            if lowered.last {
                break;
            }
        }
        let ops = self.arena.get_mut(start as usize..).unwrap_or_default();
        let mut before = 0;
        for op in ops.iter_mut() {
            op.before = before;
            before += op.count;
        }
        self.hot.name(ops);
        let len = self.arena.len() as u32 - start;
        let at = self.bytes.len() as u32;
        let kept = bytes.get(..done).filter(|_| second.is_none()).unwrap_or(&[]);
        self.bytes.extend_from_slice(kept);
        Ok(Block { generation: 0, second, ops: Ops { start, len }, bytes: at, bytes_len: kept.len() as u16 })
    }

    /// Lowers an instruction that crosses into the next page.
    fn lower_crossing(
        &mut self,
        cx: &mut Cx<'_>,
        pc: u64,
        at: u16,
        mode: LowerMode,
        decode_mode: Mode,
    ) -> Result<(Uop, Option<CodePage>), Stop> {
        let next_page = (pc | (PAGE_BYTES - 1)).wrapping_add(1) & cx.mask;
        let mut bytes = [0; MAX_INSN];
        let in_page = (PAGE_BYTES - pc % PAGE_BYTES) as usize;
        let head_len = in_page.min(MAX_INSN);
        let (head, tail) = bytes.split_at_mut(head_len);
        cx.mem.fetch(pc, head).map_err(|fault| cx.mem_fault(fault))?;
        if tail.is_empty() {
            return Ok((refused(DecodeError::TooLong, at), None));
        }
        let page = cx.mem.code_page(next_page).map_err(|fault| cx.mem_fault(fault))?;
        cx.mem.fetch(next_page, tail).map_err(|fault| cx.mem_fault(fault))?;
        let uop = match decode_for(&bytes, decode_mode, self.features) {
            Ok(insn) => lower(&insn, at, 0, mode).uop,
            Err(error) => refused(error, at),
        };
        Ok((uop, Some(page)))
    }
}

/// An instruction that does not decode, as an operation that raises what it deserves.
fn refused(error: DecodeError, at: u16) -> Uop {
    match error {
        DecodeError::Truncated | DecodeError::TooLong => exception(system::general_protection, at),
        _ => exception(system::undefined, at),
    }
}

/// The second page of a block that has one, as it is now.
fn second_page(mem: &AddressSpace, pc: u64, block: &Block) -> Option<CodePage> {
    block.second?;
    mem.code_page((pc | (PAGE_BYTES - 1)).wrapping_add(1)).ok()
}

#[inline(always)]
fn front_index(pc: u64) -> usize {
    // Fibonacci hashing: the high bits of a product with 2^32 / φ.
    ((pc as u32).wrapping_mul(0x9e37_79b1) >> (32 - FRONT_BITS)) as usize
}

/// Points the page slot at the page that a block runs in.
#[inline(always)]
pub(crate) fn place(cx: &mut Cx<'_>) {
    cx.start = cx.rip;
    cx.gpr[usize::from(slot::PAGE)] = cx.rip & !(PAGE_BYTES - 1);
}
