//! The page cache: the one place where file data lives in memory.
//!
//! A [`PageCache`] is a budget of frames shared by the files of one machine. Each file has a [`FilePages`], which
//! maps page numbers to frames; `read`, `write` and mmap all use those frames, so they see the same bytes. Pages
//! come from a [`PageIo`] in runs that grow while access is sequential. Clean pages that nobody maps are given up,
//! least recently used first (by a clock), when the budget or the pool runs out.
//!
//! This file does not know when to write back: a file system takes dirty runs out and writes them.

use crate::inode::Result;
use async_trait::async_trait;
use core::cell::{Cell, RefCell};
use guest_mem::{Frame, FramePool, MappableId, PAGE_BYTES, PAGE_SIZE};
use linux_abi::errno::Errno;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::task::{Poll, Waker};

/// Pages loaded around a random access, aligned to as many.
const CLUSTER_PAGES: u64 = 8;
/// Pages loaded at once at most, for sequential access.
const MAX_RUN_PAGES: u64 = 64;

/// Where the pages of a file come from.
#[async_trait(?Send)]
pub trait PageIo {
    /// Current length of the file in bytes.
    fn size(&self) -> u64;

    /// Fills zeroed frames with the file's pages from `first` on. Bytes past the end stay zero.
    async fn read_pages(&self, first: u64, frames: &[Frame]) -> Result<()>;
}

/// Counters of a [`PageCache`], in pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageCacheStats {
    /// Pages in memory.
    pub resident: usize,
    /// Pages newer than their file on the device.
    pub dirty: usize,
    /// Upper bound that is kept where enough pages are clean and unmapped.
    pub budget: usize,
    /// Pages given up so far.
    pub evicted: u64,
}

/// A budget of frames for file pages. Cheap to clone; clones share it.
#[derive(Clone)]
pub struct PageCache(Rc<Shared>);

struct Shared {
    pool: FramePool,
    stats: Cell<PageCacheStats>,
    /// Every page once, in the order in which the clock's hand meets them.
    clock: RefCell<VecDeque<(Weak<FilePages>, u64)>>,
}

impl PageCache {
    /// A cache that keeps about `budget` frames of a pool.
    pub fn new(pool: &FramePool, budget: usize) -> PageCache {
        let stats = PageCacheStats { budget: budget.max(1), ..PageCacheStats::default() };
        PageCache(Rc::new(Shared { pool: pool.clone(), stats: Cell::new(stats), clock: RefCell::default() }))
    }

    /// The pool that the frames come from.
    pub fn pool(&self) -> &FramePool {
        &self.0.pool
    }

    /// Counters.
    pub fn stats(&self) -> PageCacheStats {
        self.0.stats.get()
    }

    /// Changes the budget; pages above it are given up.
    pub fn set_budget(&self, budget: usize) {
        self.count(|stats| stats.budget = budget.max(1));
        self.trim();
    }

    /// Whether so much is dirty that writers should write back first.
    pub fn too_dirty(&self) -> bool {
        let stats = self.stats();
        stats.dirty > stats.budget / 4
    }

    /// A zeroed frame; gives up clean pages where the pool has none left.
    pub fn alloc(&self) -> Result<Frame> {
        if let Some(frame) = self.0.pool.alloc() {
            return Ok(frame);
        }
        self.shrink(64);
        self.0.pool.alloc().ok_or(Errno::ENOMEM)
    }

    /// Gives up to `count` clean unmapped pages back to the pool, and says how many. For the owner of the pool, when
    /// guests need frames.
    pub fn shrink(&self, count: usize) -> usize {
        let mut given = 0;
        let mut left = self.0.clock.borrow().len().saturating_mul(2);
        while given < count && left > 0 {
            left -= 1;
            let Some((weak, page)) = self.0.clock.borrow_mut().pop_front() else { break };
            let Some(file) = weak.upgrade() else { continue };
            match file.try_evict(page) {
                Some(true) => given += 1,
                Some(false) => self.0.clock.borrow_mut().push_back((weak, page)),
                None => {}
            }
        }
        self.count(|stats| stats.evicted += given as u64);
        given
    }

    /// The pages of a file, none of them in memory yet.
    pub fn file(&self, id: MappableId) -> Rc<FilePages> {
        Rc::new_cyclic(|me| FilePages {
            id,
            me: me.clone(),
            cache: self.clone(),
            pages: RefCell::default(),
            dirty: RefCell::default(),
            claimed: RefCell::default(),
            changed: Event::default(),
            epoch: Cell::new(0),
            ahead: Cell::new((0, CLUSTER_PAGES)),
        })
    }

    /// Gives up clean pages above the budget. For those who put pages in without loading them.
    pub fn trim(&self) {
        let stats = self.stats();
        if stats.resident > stats.budget {
            self.shrink(stats.resident - stats.budget);
        }
    }

    fn count(&self, change: impl FnOnce(&mut PageCacheStats)) {
        let mut stats = self.0.stats.get();
        change(&mut stats);
        self.0.stats.set(stats);
    }
}

impl fmt::Debug for PageCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stats().fmt(f)
    }
}

struct Page {
    frame: Frame,
    /// Used since the clock's hand passed.
    used: Cell<bool>,
}

/// The pages of one file.
pub struct FilePages {
    id: MappableId,
    me: Weak<FilePages>,
    cache: PageCache,
    pages: RefCell<BTreeMap<u64, Page>>,
    dirty: RefCell<BTreeSet<u64>>,
    /// Pages that somebody is about to bring in; others wait for `changed`.
    claimed: RefCell<BTreeSet<u64>>,
    changed: Event,
    /// Changes when pages become invalid, so that loads under way are not kept.
    epoch: Cell<u64>,
    /// Where sequential access would go on, and how much was loaded last.
    ahead: Cell<(u64, u64)>,
}

impl FilePages {
    /// Identity of the file, for mappings.
    pub fn id(&self) -> MappableId {
        self.id
    }

    /// The frame of a page that is in memory.
    pub fn lookup(&self, page: u64) -> Option<Frame> {
        let pages = self.pages.borrow();
        let found = pages.get(&page)?;
        found.used.set(true);
        Some(found.frame.clone())
    }

    /// The frame of a page, loaded if need be, with neighbours.
    pub async fn get(&self, page: u64, io: &dyn PageIo) -> Result<Frame> {
        loop {
            if let Some(frame) = self.lookup(page) {
                return Ok(frame);
            }
            if self.claimed.borrow().contains(&page) {
                self.changed.wait().await;
                continue;
            }
            if let Some(frame) = self.load_run(page, io).await? {
                return Ok(frame);
            }
        }
    }

    /// Waits while somebody else brings a page in.
    pub async fn settled(&self, page: u64) {
        while self.claimed.borrow().contains(&page) {
            self.changed.wait().await;
        }
    }

    /// Keeps others from bringing a page in until the claim is dropped. None where it is here or claimed.
    pub fn claim(&self, page: u64) -> Option<Claim<'_>> {
        let absent = !self.pages.borrow().contains_key(&page) && !self.claimed.borrow().contains(&page);
        absent.then(|| Claim::new(self, page, 1))
    }

    /// The maximal run to load for an access to `page`: absent, unclaimed, not past the file's end.
    fn plan(&self, page: u64, file_pages: u64) -> (u64, u64) {
        let (next, last_window) = self.ahead.get();
        let (from, window) = if page == next {
            (page, (last_window * 2).min(MAX_RUN_PAGES))
        } else {
            (page - page % CLUSTER_PAGES, CLUSTER_PAGES)
        };
        let to = from.saturating_add(window).min(file_pages).max(page.saturating_add(1));
        let (pages, claimed) = (self.pages.borrow(), self.claimed.borrow());
        let free = |page: &u64| !pages.contains_key(page) && !claimed.contains(page);
        let first = (from..page).rev().take_while(free).last().unwrap_or(page);
        let end = (page..to).take_while(free).last().map_or(page, |last| last + 1);
        self.ahead.set((end, window));
        (first, end - first)
    }

    /// Loads a run that contains `page`. None where the pages became invalid meanwhile.
    async fn load_run(&self, page: u64, io: &dyn PageIo) -> Result<Option<Frame>> {
        let (mut first, count) = self.plan(page, io.size().div_ceil(PAGE_BYTES));
        let _claim = Claim::new(self, first, count);
        let epoch = self.epoch.get();
        let mut frames = Vec::with_capacity(count as usize);
        while (frames.len() as u64) < count {
            match self.cache.alloc() {
                Ok(frame) => frames.push(frame),
                Err(error) if frames.is_empty() => return Err(error),
                Err(_) if first + frames.len() as u64 > page => break,
                Err(_) => {
                    // Too few for the page itself: neighbours before it can wait.
                    frames.truncate(1);
                    first = page;
                    break;
                }
            }
        }
        io.read_pages(first, &frames).await?;
        if self.epoch.get() != epoch {
            return Ok(None);
        }
        let wanted = frames.get((page - first) as usize).cloned();
        for (at, frame) in (first..).zip(frames) {
            self.insert(at, frame);
        }
        self.cache.trim();
        Ok(wanted)
    }

    /// Puts a frame in as a clean page, unless the page is here already.
    pub fn insert(&self, page: u64, frame: Frame) {
        let mut pages = self.pages.borrow_mut();
        if pages.contains_key(&page) {
            return;
        }
        pages.insert(page, Page { frame, used: Cell::new(true) });
        self.cache.count(|stats| stats.resident += 1);
        self.cache.0.clock.borrow_mut().push_back((self.me.clone(), page));
    }

    /// Reads through the cache; short only at the end of the file.
    pub async fn read(&self, offset: u64, buf: &mut [u8], io: &dyn PageIo) -> Result<usize> {
        let mut done = 0;
        while done < buf.len() {
            let at = offset.saturating_add(done as u64);
            let left = io.size().saturating_sub(at);
            let within = (at % PAGE_BYTES) as usize;
            let len =
                (buf.len() - done).min(PAGE_SIZE - within).min(usize::try_from(left).unwrap_or(usize::MAX));
            if len == 0 {
                break;
            }
            let frame = match self.get(at / PAGE_BYTES, io).await {
                Ok(frame) => frame,
                Err(_) if done > 0 => break,
                Err(error) => return Err(error),
            };
            frame.read(within, &mut buf[done..done + len]);
            done += len;
        }
        Ok(done)
    }

    /// Copies into pages that are in memory and marks them dirty; bytes for other pages are dropped.
    pub fn write(&self, offset: u64, data: &[u8]) {
        let mut done = 0;
        while done < data.len() {
            let at = offset.saturating_add(done as u64);
            let within = (at % PAGE_BYTES) as usize;
            let len = (data.len() - done).min(PAGE_SIZE - within);
            let page = at / PAGE_BYTES;
            if let Some(frame) = self.lookup(page) {
                frame.write(within, &data[done..done + len]);
                self.mark_dirty(page);
            }
            done += len;
        }
    }

    /// Whether every page of a byte range is in memory.
    pub fn all_resident(&self, offset: u64, len: usize) -> bool {
        let end = offset.saturating_add(len as u64).div_ceil(PAGE_BYTES);
        let pages = self.pages.borrow();
        (offset / PAGE_BYTES..end).all(|page| pages.contains_key(&page))
    }

    /// Marks a page that is in memory as newer than the device.
    pub fn mark_dirty(&self, page: u64) {
        if self.pages.borrow().contains_key(&page) && self.dirty.borrow_mut().insert(page) {
            self.cache.count(|stats| stats.dirty += 1);
        }
    }

    /// Whether anything is newer than the device.
    pub fn is_dirty(&self) -> bool {
        !self.dirty.borrow().is_empty()
    }

    /// First dirty page from `page` on.
    pub fn next_dirty(&self, page: u64) -> Option<u64> {
        self.dirty.borrow().range(page..).next().copied()
    }

    /// Takes the first run of up to `max` dirty pages; they count as clean from now on. Whoever fails to write them
    /// marks them again.
    pub fn take_dirty_run(&self, max: usize) -> Option<(u64, Vec<Frame>)> {
        let pages = self.pages.borrow();
        let mut dirty = self.dirty.borrow_mut();
        let first = *dirty.first()?;
        let mut frames = Vec::new();
        let mut page = first;
        while frames.len() < max.max(1) && dirty.contains(&page) {
            dirty.remove(&page);
            self.cache.count(|stats| stats.dirty -= 1);
            frames.extend(pages.get(&page).map(|page| page.frame.clone()));
            page += 1;
        }
        Some((first, frames))
    }

    /// The file ends at `size` now: later pages go, and the rest of the last one becomes zero.
    pub fn truncate(&self, size: u64) {
        self.remove(size.div_ceil(PAGE_BYTES), u64::MAX);
        self.zero_tail(size);
    }

    /// Zeroes the part of the page around `size` that lies past it, if that page is in memory. Programs can have
    /// written there through a mapping.
    pub fn zero_tail(&self, size: u64) {
        let within = (size % PAGE_BYTES) as usize;
        if within != 0
            && let Some(page) = self.pages.borrow().get(&(size / PAGE_BYTES))
        {
            page.frame.zero(within, PAGE_SIZE - within);
        }
    }

    /// Drops pages, dirty or not; loads of them under way are not kept.
    pub fn remove(&self, first: u64, end: u64) {
        self.epoch.set(self.epoch.get().wrapping_add(1));
        let mut pages = self.pages.borrow_mut();
        let mut gone = pages.split_off(&first);
        let mut kept = gone.split_off(&end);
        pages.append(&mut kept);
        let mut dirty = self.dirty.borrow_mut();
        let mut were_dirty = 0;
        for page in gone.keys() {
            were_dirty += usize::from(dirty.remove(page));
        }
        self.cache.count(|stats| {
            stats.resident -= gone.len();
            stats.dirty -= were_dirty;
        });
        // Their frames are released only here, with no borrow held.
        drop((pages, dirty));
        drop(gone);
    }

    /// True: given up. False: still needed. None: not here.
    fn try_evict(&self, number: u64) -> Option<bool> {
        let mut pages = self.pages.borrow_mut();
        let page = pages.get(&number)?;
        if page.frame.holders() > 1 || page.used.replace(false) || self.dirty.borrow().contains(&number) {
            return Some(false);
        }
        pages.remove(&number);
        self.cache.count(|stats| stats.resident -= 1);
        Some(true)
    }
}

impl Drop for FilePages {
    fn drop(&mut self) {
        let (pages, dirty) = (self.pages.borrow().len(), self.dirty.borrow().len());
        self.cache.count(|stats| {
            stats.resident -= pages;
            stats.dirty -= dirty;
        });
    }
}

impl fmt::Debug for FilePages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FilePages({:?}, {} pages)", self.id, self.pages.borrow().len())
    }
}

/// Keeps others from bringing pages in. See [`FilePages::claim`].
#[derive(Debug)]
pub struct Claim<'a> {
    file: &'a FilePages,
    first: u64,
    count: u64,
}

impl<'a> Claim<'a> {
    fn new(file: &'a FilePages, first: u64, count: u64) -> Claim<'a> {
        file.claimed.borrow_mut().extend(first..first + count);
        Claim { file, first, count }
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut claimed = self.file.claimed.borrow_mut();
        for page in self.first..self.first + self.count {
            claimed.remove(&page);
        }
        drop(claimed);
        self.file.changed.notify();
    }
}

/// Wakes everybody who waits.
#[derive(Default)]
struct Event {
    generation: Cell<u64>,
    waiters: RefCell<Vec<Waker>>,
}

impl Event {
    fn notify(&self) {
        self.generation.set(self.generation.get().wrapping_add(1));
        let waiters = self.waiters.take();
        waiters.into_iter().for_each(Waker::wake);
    }

    async fn wait(&self) {
        let seen = self.generation.get();
        poll_fn(|cx| {
            if self.generation.get() != seen {
                return Poll::Ready(());
            }
            self.waiters.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}
