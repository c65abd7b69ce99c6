//! Page frames: the host memory behind guest pages, reference-counted.

use crate::tlb::Tlb;
use crate::{AddressSpace, PAGE_SIZE, home};
use alloc::alloc::{Layout, alloc_zeroed, dealloc};
use alloc::rc::{Rc, Weak};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::num::NonZeroU32;
use core::ops::Range;
use core::ptr::NonNull;

/// Frames beside each other in host memory. Guest runs are contiguous in host memory at most within one.
const CHUNK_FRAMES: usize = 1024;
/// A fresh run starts on such a boundary, so that runs have room to grow.
const RUN_FRAMES: usize = 16;
/// Runs that are looked at for one that is free.
const RUNS_LOOKED_AT: usize = 64;

/// Number of a frame in its pool.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct FrameId(pub(crate) NonZeroU32);

impl FrameId {
    /// Dense index, for tables that run parallel to the pool.
    pub fn index(self) -> usize {
        self.0.get() as usize
    }
}

/// Counters of a pool, in frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct PoolStats {
    /// Frames that somebody holds.
    pub in_use: usize,
    /// Frames that have been used, and that the host keeps memory for.
    pub allocated: usize,
    /// Upper bound.
    pub limit: usize,
}

#[derive(Clone, Copy, Default)]
struct Info {
    refs: u32,
    has_code: bool,
    /// Stands on a free list (perhaps although it was taken since: then it is skipped when it comes up).
    listed: bool,
    /// Of a home, and has been used: the host has memory for it.
    touched: bool,
    /// Bumped whenever code decoded from the frame stops being valid.
    code_generation: u32,
}

/// [`CHUNK_FRAMES`] of them.
#[derive(Clone, Copy)]
struct Chunk {
    host: NonNull<u8>,
    of_home: bool,
}

#[derive(Default)]
struct Inner {
    chunks: Vec<Chunk>,
    info: Vec<Info>,
    free: Vec<u32>,
    /// Chunks that are not of homes: any page may be there.
    general: Vec<usize>,
    /// Never-used frames.
    fresh: Range<usize>,
    /// Frames of homes that have been used and are free.
    spare: Vec<u32>,
    /// Frames of homes that have been used.
    touched: usize,
    /// Frames of homes that somebody holds.
    in_homes: usize,
    /// First frames of homes that nobody has.
    homes: Vec<FrameId>,
    /// Where homes come from, if not from the allocator, and those that do.
    reserve: Option<Reserve>,
    own_homes: Vec<NonNull<u8>>,
    /// Where to look for a free run.
    cursor: usize,
    in_use: usize,
}

/// The frames of one machine. Cheap to clone; clones share the frames.
#[derive(Clone)]
pub struct FramePool(Rc<Pool>);

struct Pool {
    inner: RefCell<Inner>,
    limit: Cell<usize>,
    /// How many more homes there may be.
    homes: Cell<usize>,
    /// One where nothing is.
    nowhere: Cell<Option<FrameId>>,
    /// Address spaces that would live in one.
    settled: RefCell<Vec<Weak<AddressSpace>>>,
    /// How often engines have turned to another address space.
    turns: Cell<u64>,
    tlbs: RefCell<Vec<Weak<Tlb>>>,
    /// Bumped with every code generation.
    code_epoch: Cell<u64>,
    spaces: Cell<u64>,
}

impl fmt::Debug for FramePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stats().fmt(f)
    }
}

fn chunk_layout() -> Layout {
    Layout::from_size_align(CHUNK_FRAMES * PAGE_SIZE, PAGE_SIZE).expect("constant layout")
}

/// Where host memory for homes comes from: so many bytes of zeros, or none.
pub type Reserve = fn(usize) -> Option<NonNull<u8>>;

fn home_layout() -> Layout {
    Layout::from_size_align(home::SIZE, PAGE_SIZE).expect("constant layout")
}

impl Drop for Pool {
    fn drop(&mut self) {
        let inner = self.inner.get_mut();
        for &chunk in &inner.general {
            // SAFETY: allocated in `Inner::reserve_chunk` with the same layout and freed only here.
            unsafe { dealloc(inner.chunks[chunk].host.as_ptr(), chunk_layout()) }
        }
        for &home in &inner.own_homes {
            // SAFETY: allocated in `Inner::make_home` with the same layout and freed only here.
            unsafe { dealloc(home.as_ptr(), home_layout()) }
        }
    }
}

impl Inner {
    /// Makes frame numbers up to `fresh + 1` valid. False if the host has no memory.
    fn reserve_chunk(&mut self) -> bool {
        // SAFETY: the layout has a non-zero size.
        let Some(chunk) = NonNull::new(unsafe { alloc_zeroed(chunk_layout()) }) else { return false };
        self.general.push(self.chunks.len());
        // Frame 0 is never handed out: `FrameId` is non-zero so that page-table entries pack.
        let first = self.add(chunk, false).max(1);
        if self.fresh.end == first {
            self.fresh.end += CHUNK_FRAMES;
        } else {
            self.list(self.fresh.clone());
            self.fresh = first..self.info.len();
        }
        true
    }

    /// Frame numbers for a chunk. Gives the first.
    fn add(&mut self, host: NonNull<u8>, of_home: bool) -> usize {
        let first = self.chunks.len() * CHUNK_FRAMES;
        self.chunks.push(Chunk { host, of_home });
        self.info.resize(first + CHUNK_FRAMES, Info::default());
        first
    }

    fn is_of_home(&self, frame: usize) -> bool {
        self.chunks[frame / CHUNK_FRAMES].of_home
    }

    /// A home that nobody has. Gives its first frame.
    fn make_home(&mut self) -> Option<FrameId> {
        if self.chunks.is_empty() {
            self.reserve_chunk();
        }
        let host = match self.reserve {
            Some(reserve) => reserve(home::SIZE)?,
            None => {
                // SAFETY: the layout has a non-zero size.
                let host = NonNull::new(unsafe { alloc_zeroed(home_layout()) })?;
                self.own_homes.push(host);
                host
            }
        };
        let first = self.chunks.len() * CHUNK_FRAMES;
        for chunk in 0..home::PLACES / CHUNK_FRAMES {
            // SAFETY: a home begins with `PLACES` pages.
            self.add(unsafe { host.add(chunk * CHUNK_FRAMES * PAGE_SIZE) }, true);
        }
        NonZeroU32::new(first as u32).map(FrameId)
    }

    /// The first of frames that have never been used, with which a run begins. They are on the free list then.
    fn fresh_run(&mut self) -> Option<usize> {
        let start = self.fresh.start.next_multiple_of(RUN_FRAMES);
        if self.fresh.len() < RUN_FRAMES * 2 {
            return None;
        }
        self.list(self.fresh.start..start + RUN_FRAMES);
        self.fresh.start = start + RUN_FRAMES;
        Some(start)
    }

    /// A run of frames that have all been given back.
    fn free_run(&mut self) -> Option<usize> {
        const RUNS: usize = CHUNK_FRAMES / RUN_FRAMES;
        let runs = self.general.len() * RUNS;
        let frame = |run: usize| self.general[run / RUNS] * CHUNK_FRAMES + run % RUNS * RUN_FRAMES;
        let is_free = |run: usize| {
            self.info[frame(run)..][..RUN_FRAMES].iter().all(|info| info.refs == 0 && info.listed)
        };
        let found = (0..runs.min(RUNS_LOOKED_AT)).map(|n| (self.cursor + n) % runs).find(|run| is_free(*run));
        self.cursor = found.map_or(self.cursor + RUNS_LOOKED_AT, |run| run + 1);
        found.map(frame)
    }

    /// Puts never-used frames on the free list, the first of them on top.
    fn list(&mut self, frames: core::ops::Range<usize>) {
        for index in frames.rev() {
            self.info[index].listed = true;
            self.free.push(index as u32);
        }
    }

    fn take(&mut self, index: usize) {
        self.info[index].refs = 1;
        self.in_use += 1;
        if self.is_of_home(index) {
            self.in_homes += 1;
            self.touched += usize::from(!core::mem::replace(&mut self.info[index].touched, true));
        }
    }

    /// Frames that have been used, or are about to be.
    fn backed(&self) -> usize {
        self.general.len() * CHUNK_FRAMES - self.fresh.len() + self.touched
    }

    /// One that is free, of a list.
    fn pop_free(&mut self, of_homes: bool) -> Option<usize> {
        while let Some(index) = if of_homes { self.spare.pop() } else { self.free.pop() } {
            let info = &mut self.info[index as usize];
            info.listed = false;
            if info.refs == 0 {
                return Some(index as usize);
            }
        }
        None
    }
}

impl Pool {
    fn pick_beside(&self, inner: &mut Inner, beside: Beside) -> Option<usize> {
        if let Some(home) = beside.home.map(FrameId::index)
            && inner.info[home].refs == 0
            && (inner.info[home].touched || inner.backed() < self.limit.get())
        {
            inner.take(home);
            return Some(home);
        }
        let after = beside.after.map(|frame| frame.index() + 1);
        let after = after.filter(|next| !next.is_multiple_of(CHUNK_FRAMES));
        let before = beside.before.map(FrameId::index).filter(|next| !next.is_multiple_of(CHUNK_FRAMES));
        // Frame 0 begins a chunk, so that none is before the first.
        for next in [after, before.map(|next| next - 1)].into_iter().flatten() {
            // A frame below `fresh` with no references is on the free list as well; it is skipped there later.
            if next != 0 && next < inner.info.len() && inner.info[next].refs == 0 && !inner.is_of_home(next) {
                if inner.fresh.contains(&next) {
                    inner.list(inner.fresh.start..next);
                    inner.fresh.start = next + 1;
                }
                inner.take(next);
                return Some(next);
            }
        }
        None
    }

    fn pick(&self, inner: &mut Inner, beside: Beside) -> Option<usize> {
        if let Some(index) = self.pick_beside(inner, beside) {
            return Some(index);
        }
        // More memory rather than pieces, as long as half of it is in use.
        let limit = self.limit.get();
        let more = |inner: &mut Inner| {
            2 * (inner.in_use - inner.in_homes) >= inner.general.len() * CHUNK_FRAMES && inner.reserve_chunk()
        };
        let may_grow = inner.backed() < limit;
        let run = may_grow.then(|| inner.fresh_run()).flatten().or_else(|| inner.free_run());
        if let Some(run) = run.or_else(|| (may_grow && more(inner)).then(|| inner.fresh_run()).flatten()) {
            let first = if beside.below { run + RUN_FRAMES - 1 } else { run };
            inner.take(first);
            return Some(first);
        }
        let free = inner.pop_free(false).or_else(|| {
            // What homes had is used rather than more than there may be.
            if may_grow { None } else { inner.pop_free(true) }
        });
        if let Some(index) = free {
            inner.take(index);
            return Some(index);
        }
        if inner.fresh.is_empty() && !inner.reserve_chunk() {
            let index = inner.pop_free(true)?;
            inner.take(index);
            return Some(index);
        }
        let index = inner.fresh.start;
        inner.fresh.start += 1;
        inner.take(index);
        Some(index)
    }
}

impl FramePool {
    /// A pool of at most `limit` frames; host memory is taken as it is needed.
    pub fn new(limit: usize) -> FramePool {
        let inner = Inner::default();
        FramePool(Rc::new(Pool {
            inner: RefCell::new(inner),
            limit: Cell::new(limit),
            homes: Cell::new(0),
            nowhere: Cell::new(None),
            settled: RefCell::new(Vec::new()),
            turns: Cell::new(0),
            tlbs: RefCell::new(Vec::new()),
            code_epoch: Cell::new(0),
            spaces: Cell::new(0),
        }))
    }

    /// Counters.
    pub fn stats(&self) -> PoolStats {
        let inner = self.0.inner.borrow();
        PoolStats { in_use: inner.in_use, allocated: inner.backed(), limit: self.0.limit.get() }
    }

    /// A zeroed frame, or none where the limit is reached.
    pub fn alloc(&self) -> Option<Frame> {
        self.alloc_raw(Beside::default()).map(|id| Frame { pool: self.clone(), id })
    }

    /// A zeroed frame, by choice at that place in host memory. The caller owns one reference.
    pub(crate) fn alloc_raw(&self, beside: Beside) -> Option<FrameId> {
        let index = {
            let mut inner = self.0.inner.borrow_mut();
            if inner.in_use >= self.0.limit.get() {
                return None;
            }
            self.0.pick(&mut inner, beside)?
        };
        let id = FrameId(NonZeroU32::new(index as u32)?);
        // SAFETY: the frame was free, so nothing else refers to its bytes; it is PAGE_SIZE long.
        unsafe { core::ptr::write_bytes(self.host(id), 0, PAGE_SIZE) };
        Some(id)
    }

    /// A frame at just that place in host memory, with whatever it held. The caller owns one reference.
    pub(crate) fn alloc_beside(&self, beside: Beside) -> Option<FrameId> {
        let mut inner = self.0.inner.borrow_mut();
        if inner.in_use >= self.0.limit.get() {
            return None;
        }
        let index = self.0.pick_beside(&mut inner, beside)?;
        NonZeroU32::new(index as u32).map(FrameId)
    }

    /// So many address spaces at a time may have a [home](crate::HomeLayout), whose host memory comes from the allocator.
    pub fn set_homes(&self, homes: usize) {
        self.0.homes.set(homes);
    }

    /// The same, where the host gives memory away that it does not touch.
    ///
    /// # Safety
    /// What `reserve` gives is as long as asked for, zero, aligned to pages, and belongs to the pool alone, for good.
    pub unsafe fn set_homes_in(&self, homes: usize, reserve: Reserve) {
        self.0.homes.set(homes);
        self.0.inner.borrow_mut().reserve = Some(reserve);
    }

    /// The first frame of a home for an address space, if there is one left.
    pub(crate) fn take_home(&self) -> Option<FrameId> {
        let mut inner = self.0.inner.borrow_mut();
        if let Some(home) = inner.homes.pop() {
            return Some(home);
        }
        let left = self.0.homes.get().checked_sub(1)?;
        self.0.homes.set(left);
        inner.make_home()
    }

    /// Address spaces that may have homes.
    pub(crate) fn settled(&self) -> Vec<Rc<AddressSpace>> {
        let mut settled = self.0.settled.borrow_mut();
        settled.retain(|space| space.strong_count() > 0);
        settled.iter().filter_map(Weak::upgrade).collect()
    }

    pub(crate) fn note_settled(&self, space: &Rc<AddressSpace>) {
        self.0.settled.borrow_mut().push(Rc::downgrade(space));
    }

    /// One more turn.
    pub(crate) fn turn(&self) -> u64 {
        self.0.turns.set(self.0.turns.get() + 1);
        self.0.turns.get()
    }

    /// A home is free again. Frames in it may still be in use.
    pub(crate) fn give_home_back(&self, first: FrameId) {
        self.0.inner.borrow_mut().homes.push(first);
    }

    /// Address in host memory of a home where nothing is, for code that looks at one.
    pub fn nowhere(&self) -> Option<usize> {
        if self.0.nowhere.get().is_none() {
            self.0.nowhere.set(self.0.inner.borrow_mut().make_home());
        }
        self.0.nowhere.get().map(|first| self.host(first).expose_provenance())
    }

    /// Host address of a frame's first byte. Valid while the pool lives.
    pub(crate) fn host(&self, id: FrameId) -> *mut u8 {
        let inner = self.0.inner.borrow();
        let chunk = inner.chunks[id.index() / CHUNK_FRAMES].host;
        // SAFETY: the offset is inside the chunk, whose size is CHUNK_FRAMES pages.
        unsafe { chunk.as_ptr().add(id.index() % CHUNK_FRAMES * PAGE_SIZE) }
    }

    pub(crate) fn retain(&self, id: FrameId) {
        self.0.inner.borrow_mut().info[id.index()].refs += 1;
    }

    pub(crate) fn release(&self, id: FrameId) {
        let mut inner = self.0.inner.borrow_mut();
        let info = &mut inner.info[id.index()];
        info.refs -= 1;
        if info.refs == 0 {
            if core::mem::take(&mut info.has_code) {
                info.code_generation = info.code_generation.wrapping_add(1);
                self.0.code_epoch.set(self.0.code_epoch.get() + 1);
            }
            let of_home = inner.is_of_home(id.index());
            inner.in_use -= 1;
            inner.in_homes -= usize::from(of_home);
            if !core::mem::replace(&mut inner.info[id.index()].listed, true) {
                if of_home { &mut inner.spare } else { &mut inner.free }.push(id.0.get());
            }
        }
    }

    pub(crate) fn refs(&self, id: FrameId) -> u32 {
        self.0.inner.borrow().info[id.index()].refs
    }

    /// Generation of the code in a frame: code decoded at another generation is stale.
    #[inline]
    pub fn code_generation(&self, id: FrameId) -> u32 {
        self.0.inner.borrow().info[id.index()].code_generation
    }

    /// Changes whenever the code generation of any frame does: while it stays, all of them do.
    #[inline]
    pub fn code_epoch(&self) -> u64 {
        self.0.code_epoch.get()
    }

    /// A number for a new address space, never used before in this pool.
    pub(crate) fn number_space(&self) -> u64 {
        self.0.spaces.set(self.0.spaces.get() + 1);
        self.0.spaces.get()
    }

    pub(crate) fn has_code(&self, id: FrameId) -> bool {
        self.0.inner.borrow().info[id.index()].has_code
    }

    /// From now on a write to the frame changes its code generation. `own` is a TLB, and the page in it that shows the frame.
    pub(crate) fn watch_code(&self, id: FrameId, own: (&Tlb, u64)) {
        let alone = {
            let info = &mut self.0.inner.borrow_mut().info[id.index()];
            if core::mem::replace(&mut info.has_code, true) {
                return;
            }
            info.refs == 1
        };
        if alone {
            // No other page shows it. Code that is written again and again comes here each time.
            own.0.forbid_writes(own.1);
            return;
        }
        let host = self.host(id);
        self.0.tlbs.borrow_mut().retain(|tlb| match tlb.upgrade() {
            Some(tlb) => {
                tlb.forbid_writes_to(host);
                true
            }
            None => false,
        });
    }

    /// A frame that holds code was written: what was decoded from it is stale. True if it held any.
    pub(crate) fn note_write(&self, id: FrameId) -> bool {
        let mut inner = self.0.inner.borrow_mut();
        let info = &mut inner.info[id.index()];
        let had = core::mem::take(&mut info.has_code);
        if had {
            info.code_generation = info.code_generation.wrapping_add(1);
            self.0.code_epoch.set(self.0.code_epoch.get() + 1);
        }
        had
    }

    pub(crate) fn register_tlb(&self, tlb: &Rc<Tlb>) {
        let mut tlbs = self.0.tlbs.borrow_mut();
        tlbs.retain(|weak| weak.strong_count() > 0);
        tlbs.push(Rc::downgrade(tlb));
    }

    pub(crate) fn copy_frame(&self, from: FrameId, to: FrameId) {
        // SAFETY: both are whole frames of this pool; `copy` allows them to be the same.
        unsafe { core::ptr::copy(self.host(from), self.host(to), PAGE_SIZE) }
    }
}

/// Where a frame would best be in host memory: what is beside each other in an address space is beside each other there, too, if possible, since
/// an access that crosses pages is fast then.
#[derive(Clone, Copy, Default)]
pub(crate) struct Beside {
    /// In its home.
    pub(crate) home: Option<FrameId>,
    /// Else behind this one.
    pub(crate) after: Option<FrameId>,
    /// Else before this one.
    pub(crate) before: Option<FrameId>,
    /// Else with room before it: a stack grows downwards.
    pub(crate) below: bool,
}

/// A counted reference to one frame; the frame is freed with the last.
pub struct Frame {
    pool: FramePool,
    id: FrameId,
}

impl Frame {
    /// The frame's number.
    pub fn id(&self) -> FrameId {
        self.id
    }

    /// How many holders there are, page tables included.
    pub fn holders(&self) -> u32 {
        self.pool.refs(self.id)
    }

    /// Copies bytes out. The part of the range past the frame's end is left alone.
    pub fn read(&self, offset: usize, out: &mut [u8]) {
        let offset = offset.min(PAGE_SIZE);
        let len = out.len().min(PAGE_SIZE - offset);
        // SAFETY: `offset + len <= PAGE_SIZE`; `out` is host memory that cannot overlap a frame.
        unsafe { core::ptr::copy_nonoverlapping(self.pool.host(self.id).add(offset), out.as_mut_ptr(), len) }
    }

    /// Copies bytes in. The part of the range past the frame's end is dropped.
    pub fn write(&self, offset: usize, data: &[u8]) {
        let offset = offset.min(PAGE_SIZE);
        let len = data.len().min(PAGE_SIZE - offset);
        self.pool.note_write(self.id);
        // SAFETY: as in `read`.
        unsafe { core::ptr::copy_nonoverlapping(data.as_ptr(), self.pool.host(self.id).add(offset), len) }
    }

    /// Zeroes bytes from `offset` on, `len` of them or up to the frame's end.
    pub fn zero(&self, offset: usize, len: usize) {
        let offset = offset.min(PAGE_SIZE);
        let len = len.min(PAGE_SIZE - offset);
        self.pool.note_write(self.id);
        // SAFETY: `offset + len <= PAGE_SIZE`.
        unsafe { core::ptr::write_bytes(self.pool.host(self.id).add(offset), 0, len) }
    }
}

impl Clone for Frame {
    fn clone(&self) -> Frame {
        self.pool.retain(self.id);
        Frame { pool: self.pool.clone(), id: self.id }
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        self.pool.release(self.id);
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({})", self.id.0)
    }
}
