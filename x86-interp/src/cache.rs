//! The cache of decoded blocks.
//!
//! Blocks are kept by where their bytes are *physically*: frame, code generation, offset, mode. Processes that map
//! the same file page share them, whatever address it has. In front stands a direct-mapped table by guest address,
//! whose entries are true for one context: address space, its mapping generation, the pool's code epoch, mode.

use crate::cx::{Cx, Stop, slot};
use crate::exec::system;
use crate::lower::{exception, lower};
use crate::uop::{LowerMode, Uop};
use guest_mem::{AddressSpace, CodePage, FrameId, PAGE_BYTES};
use hashbrown::HashMap;
use x86_decode::{DecodeError, Mode, decode};

/// Longest instruction (SDM vol. 2 §2.3.11).
const MAX_INSN: usize = 15;
/// Instructions in a block.
const BLOCK_INSNS: usize = 32;
/// Entries of the table by guest address.
const FRONT_ENTRIES: usize = 1 << 13;
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

#[derive(Clone, Copy)]
struct Front {
    pc: u64,
    /// Number of the context the entry is true for; 0 is none.
    stamp: u32,
    ops: Ops,
}

const EMPTY: Front = Front { pc: 0, stamp: 0, ops: Ops { start: 0, len: 0 } };

/// Decoded blocks of every process of a machine.
pub(crate) struct BlockCache {
    arena: Vec<Uop>,
    capacity: usize,
    blocks: HashMap<Key, Block>,
    front: Box<[Front]>,
    contexts: [Option<(Context, u32)>; CONTEXTS],
    /// The context of the last lookup.
    current: Option<(Context, u32)>,
    next_stamp: u32,
    next_context: usize,
}

impl BlockCache {
    /// A cache of at most `capacity` instructions.
    pub(crate) fn new(capacity: usize) -> BlockCache {
        BlockCache {
            arena: Vec::new(),
            capacity: capacity.clamp(BLOCK_INSNS, u32::MAX as usize / 2),
            blocks: HashMap::new(),
            front: vec![EMPTY; FRONT_ENTRIES].into_boxed_slice(),
            contexts: [None; CONTEXTS],
            current: None,
            next_stamp: 1,
            next_context: 0,
        }
    }

    /// The operations of a block.
    #[inline(always)]
    pub(crate) fn ops(&self, ops: Ops) -> &[Uop] {
        let start = ops.start as usize;
        self.arena.get(start..start + ops.len as usize).unwrap_or(&[])
    }

    /// Blocks and instructions held.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.blocks.len(), self.arena.len())
    }

    /// The block at `cx.rip`, decoded if need be. A fetch that faults is an exit.
    #[inline(always)]
    pub(crate) fn find(&mut self, cx: &mut Cx<'_>, mode: LowerMode) -> Result<Ops, Stop> {
        let mem = cx.mem;
        let context =
            Context { space: mem.id(), generation: mem.generation(), epoch: mem.pool().code_epoch(), mode };
        let stamp = match self.current {
            Some((current, stamp)) if current == context => stamp,
            _ => self.switch_context(context),
        };
        let index = front_index(cx.rip);
        match self.front.get(index) {
            Some(entry) if entry.pc == cx.rip && entry.stamp == stamp => Ok(entry.ops),
            _ => self.find_slow(cx, mode),
        }
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
        self.front.fill(EMPTY);
        self.contexts = [None; CONTEXTS];
        self.current = None;
    }

    #[cold]
    #[inline(never)]
    fn find_slow(&mut self, cx: &mut Cx<'_>, mode: LowerMode) -> Result<Ops, Stop> {
        let pc = cx.rip;
        let page = cx.mem.code_page(pc).map_err(|fault| cx.mem_fault(fault))?;
        let key = Key { frame: page.frame, offset: (pc % PAGE_BYTES) as u16, mode };
        let known = self.blocks.get(&key).filter(|block| block.generation == page.generation);
        let ops = match known.map(|block| (block.ops, block.second)) {
            Some((ops, None)) => ops,
            Some((ops, Some(second))) if second_page(cx.mem, pc) == Some(second) => ops,
            _ => {
                let built = self.build(cx, pc, mode)?;
                self.blocks.insert(key, Block { generation: page.generation, ..built });
                built.ops
            }
        };
        // Watching the page may have bumped nothing, but building may have emptied the cache: take the stamp anew.
        let mem = cx.mem;
        let context =
            Context { space: mem.id(), generation: mem.generation(), epoch: mem.pool().code_epoch(), mode };
        let stamp = self.switch_context(context);
        if let Some(entry) = self.front.get_mut(front_index(pc)) {
            *entry = Front { pc, stamp, ops };
        }
        Ok(ops)
    }

    /// Decodes a block at `pc`, whose page is known to be executable.
    fn build(&mut self, cx: &mut Cx<'_>, pc: u64, mode: LowerMode) -> Result<Block, Stop> {
        if self.arena.len() + BLOCK_INSNS > self.capacity {
            self.arena.clear();
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
        while self.arena.len() - (start as usize) < BLOCK_INSNS {
            let position = (self.arena.len() - start as usize) as u64;
            let at = (first + done) as u16;
            let rest = bytes.get(done..).unwrap_or(&[]);
            if rest.is_empty() {
                break;
            }
            let insn = match decode(rest, decode_mode) {
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
                    break;
                }
            };
            let lowered = lower(&insn, at, position, mode);
            self.arena.push(lowered.uop);
            done += usize::from(insn.len);
            if lowered.last {
                break;
            }
        }
        let len = self.arena.len() as u32 - start;
        Ok(Block { generation: 0, second, ops: Ops { start, len } })
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
        let uop = match decode(&bytes, decode_mode) {
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

fn second_page(mem: &AddressSpace, pc: u64) -> Option<CodePage> {
    mem.code_page((pc | (PAGE_BYTES - 1)).wrapping_add(1)).ok()
}

#[inline(always)]
fn front_index(pc: u64) -> usize {
    (pc ^ pc >> 13) as usize % FRONT_ENTRIES
}

/// Points the page slot at the page that a block runs in.
#[inline(always)]
pub(crate) fn place(cx: &mut Cx<'_>) {
    cx.gpr[usize::from(slot::PAGE)] = cx.rip & !(PAGE_BYTES - 1);
}
