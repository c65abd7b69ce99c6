//! What the parts of a mounted file system share: inodes in memory, the queue of changes, the commit.

use super::alloc;
use super::buffers::Buffers;
use super::errno_of;
use super::group::Group;
use super::inode::RawInode;
use super::map;
use super::node::Ext2Inode;
use super::ranges::RangeSet;
use super::superblock::{Geometry, RO_COMPAT_HUGE_FILE, STATE_VALID, SUPER_OFFSET, Superblock};
use super::xattr;
use crate::inode::{Result, Timestamp};
use crate::page_cache::PageCache;
use blockdev::{BlockDevice, Flight};
use hashbrown::HashMap;
use linux_abi::errno::Errno;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::{Rc, Weak};
use std::task::Poll;

/// Inodes kept although nobody holds them.
const KEPT_INODES: usize = 4096;
/// Dirty metadata in bytes above which a change commits first.
const MAX_DIRTY_METADATA: usize = 32 << 20;

/// An inode without names that its last holder let go; its blocks are still to be freed.
pub(super) struct Dead {
    pub(super) ino: u32,
    pub(super) raw: RawInode,
}

pub(super) struct Core {
    pub(super) device: Rc<dyn BlockDevice>,
    pub(super) buffers: Buffers,
    pub(super) cache: PageCache,
    pub(super) geometry: Geometry,
    pub(super) sb: RefCell<Superblock>,
    pub(super) groups: RefCell<Vec<Group>>,
    pub(super) read_only: bool,
    pub(super) device_number: u64,
    /// Whether the file system was clean when it was mounted: otherwise it is not called clean later.
    pub(super) was_clean: bool,
    /// Blocks freed since the last commit. Until then the device still has them in their old place, so that using
    /// them for something else could damage what a crash brings back.
    pub(super) freed: RefCell<RangeSet>,
    /// Changes since the last commit to more than the content and times of existing files.
    pub(super) structure_dirty: Cell<bool>,
    pub(super) super_dirty: Cell<bool>,
    pub(super) now: Cell<Timestamp>,
    pub(super) next_generation: Cell<u32>,
    running: RefCell<Option<Rc<Flight<()>>>>,
    /// Every inode in memory.
    inodes: RefCell<HashMap<u32, Weak<Ext2Inode>>>,
    /// Inodes kept alive because somebody may want them again.
    kept: RefCell<HashMap<u32, Rc<Ext2Inode>>>,
    kept_order: RefCell<VecDeque<u32>>,
    /// Inodes whose data or record the device does not have yet.
    dirty: RefCell<BTreeMap<u32, Rc<Ext2Inode>>>,
    /// Inodes without names that somebody holds.
    orphans: RefCell<BTreeMap<u32, Weak<Ext2Inode>>>,
    dead: RefCell<Vec<Dead>>,
}

impl Core {
    #[expect(clippy::too_many_arguments, reason = "called once, by mount")]
    pub(super) fn new(
        device: Rc<dyn BlockDevice>,
        cache: PageCache,
        geometry: Geometry,
        sb: Superblock,
        groups: Vec<Group>,
        read_only: bool,
        device_number: u64,
        dead: Vec<Dead>,
    ) -> Core {
        Core {
            buffers: Buffers::new(device.clone(), geometry.block_size),
            device,
            cache,
            geometry,
            was_clean: sb.state() & STATE_VALID != 0,
            next_generation: Cell::new(sb.write_time() ^ sb.free_inodes().rotate_left(16)),
            sb: RefCell::new(sb),
            groups: RefCell::new(groups),
            read_only,
            device_number,
            freed: RefCell::default(),
            structure_dirty: Cell::new(false),
            super_dirty: Cell::new(false),
            now: Cell::default(),
            running: RefCell::default(),
            inodes: RefCell::default(),
            kept: RefCell::default(),
            kept_order: RefCell::default(),
            dirty: RefCell::default(),
            orphans: RefCell::default(),
            dead: RefCell::new(dead),
        }
    }

    pub(super) fn block_size(&self) -> u64 {
        self.geometry.block_size as u64
    }

    pub(super) fn huge_file(&self) -> bool {
        self.sb.borrow().ro_compat() & RO_COMPAT_HUGE_FILE != 0
    }

    /// Runs a change while no other change runs. Once started it runs to its end: if this caller goes away, the next
    /// one drives it there.
    pub(super) async fn exclusive<T: 'static>(
        self: &Rc<Self>,
        change: impl Future<Output = Result<T>> + 'static,
    ) -> Result<T> {
        if self.read_only {
            return Err(Errno::EROFS);
        }
        let result = Rc::new(Cell::new(None));
        let flight = {
            let (core, result) = (self.clone(), result.clone());
            Flight::new(async move {
                let outcome = match core.prepare().await {
                    Ok(()) => change.await,
                    Err(error) => Err(error),
                };
                result.set(Some(outcome));
            })
        };
        loop {
            let current = self.running.borrow().clone();
            match current {
                Some(current) if !current.is_done() => current.wait().await,
                _ => break,
            }
        }
        *self.running.borrow_mut() = Some(flight.clone());
        flight.wait().await;
        result.take().unwrap_or(Err(Errno::EIO))
    }

    /// Does work that changes nothing. Where it waits, it may be for a change whose caller went away (which holds a
    /// page, or a directory's index); so a waiting reader drives the change that runs.
    pub(super) async fn reading<T>(&self, work: impl Future<Output = T>) -> T {
        type Driven = (Rc<Flight<()>>, Pin<Box<dyn Future<Output = ()>>>);
        let mut work = pin!(work);
        let mut driven: Option<Driven> = None;
        poll_fn(|cx| {
            loop {
                if let Poll::Ready(value) = work.as_mut().poll(cx) {
                    return Poll::Ready(value);
                }
                let current = self.running.borrow().clone().filter(|current| !current.is_done());
                let Some(current) = current else { return Poll::Pending };
                if driven.as_ref().is_none_or(|(flight, _)| !Rc::ptr_eq(flight, &current)) {
                    driven = Some((current.clone(), Box::pin(current.wait())));
                }
                let Some((_, wait)) = &mut driven else { return Poll::Pending };
                if wait.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await
    }

    async fn prepare(self: &Rc<Self>) -> Result<()> {
        self.bury_dead().await?;
        if self.buffers.dirty_bytes() > MAX_DIRTY_METADATA {
            self.commit(false).await?;
        }
        Ok(())
    }

    /// An inode that is in memory.
    pub(super) fn cached(&self, ino: u32) -> Option<Rc<Ext2Inode>> {
        let node = self.inodes.borrow().get(&ino)?.upgrade()?;
        node.used.set(true);
        Some(node)
    }

    /// The inode of a number that some directory entry has. `valid` is asked after waiting whether it still has it.
    pub(super) async fn inode(self: &Rc<Self>, ino: u32, valid: impl Fn() -> bool) -> Result<Rc<Ext2Inode>> {
        if let Some(node) = self.cached(ino) {
            return Ok(node);
        }
        let (block, offset) = self.place(ino)?;
        let buffer = self.buffers.get(block).await?;
        if let Some(node) = self.cached(ino) {
            return Ok(node);
        }
        if !valid() {
            return Err(Errno::ENOENT);
        }
        let raw = {
            let data = buffer.data.borrow();
            let bytes = data.get(offset..offset + self.geometry.inode_size).ok_or(Errno::EUCLEAN)?;
            RawInode(bytes.into())
        };
        if raw.links() == 0 {
            return Err(Errno::EUCLEAN);
        }
        let node = Ext2Inode::new(self, ino, raw)?;
        self.remember(&node);
        Ok(node)
    }

    /// Enters a new inode into the tables.
    pub(super) fn remember(&self, node: &Rc<Ext2Inode>) {
        self.inodes.borrow_mut().insert(node.ino, Rc::downgrade(node));
        let mut released = Vec::new();
        {
            let (mut kept, mut order) = (self.kept.borrow_mut(), self.kept_order.borrow_mut());
            kept.insert(node.ino, node.clone());
            order.push_back(node.ino);
            let mut left = order.len();
            while order.len() > KEPT_INODES && left > 0 {
                left -= 1;
                let Some(ino) = order.pop_front() else { break };
                match kept.get(&ino) {
                    Some(node) if node.used.replace(false) => order.push_back(ino),
                    Some(_) => released.extend(kept.remove(&ino)),
                    None => {}
                }
            }
        }
        drop(released);
    }

    /// Block of the inode table that holds an inode, and the offset in it.
    fn place(&self, ino: u32) -> Result<(u64, usize)> {
        if ino == 0 || ino > self.geometry.inodes {
            return Err(Errno::EUCLEAN);
        }
        let (group, index) = self.geometry.group_of_inode(ino);
        let table = self.groups.borrow().get(group).map(|group| group.inode_table).ok_or(Errno::EUCLEAN)?;
        let byte = u64::from(index) * self.geometry.inode_size as u64;
        Ok((table + byte / self.block_size(), (byte % self.block_size()) as usize))
    }

    async fn put_raw(&self, ino: u32, raw: impl FnOnce() -> RawInode) -> Result<()> {
        let (block, offset) = self.place(ino)?;
        let buffer = self.buffers.get(block).await?;
        let raw = raw();
        if let Some(place) = buffer.data.borrow_mut().get_mut(offset..offset + raw.0.len()) {
            place.copy_from_slice(&raw.0);
        }
        self.buffers.mark(&buffer);
        Ok(())
    }

    /// The inode changed.
    pub(super) fn touch(&self, node: &Ext2Inode) {
        if !self.read_only && node.raw.borrow().links() > 0 {
            self.dirty.borrow_mut().entry(node.ino).or_insert_with(|| node.rc());
        }
    }

    /// The inode lost its last name: from now on only its holders keep it.
    pub(super) fn orphan(&self, node: &Ext2Inode) {
        self.structure_dirty.set(true);
        self.orphans.borrow_mut().insert(node.ino, Rc::downgrade(&node.rc()));
        let released = (self.kept.borrow_mut().remove(&node.ino), self.dirty.borrow_mut().remove(&node.ino));
        drop(released);
    }

    /// The inode got a name again.
    pub(super) fn adopt(&self, node: &Ext2Inode) {
        if self.orphans.borrow_mut().remove(&node.ino).is_some() {
            node.raw.borrow_mut().set_dtime(0);
        }
        self.touch(node);
    }

    /// The last holder of an inode went.
    pub(super) fn released(&self, ino: u32, raw: &RawInode) {
        self.inodes.borrow_mut().remove(&ino);
        if raw.links() == 0 && !self.read_only {
            self.orphans.borrow_mut().remove(&ino);
            self.dead.borrow_mut().push(Dead { ino, raw: raw.clone() });
        }
    }

    pub(super) fn drop_caches(&self) {
        let released = (self.kept.take(), self.dirty.take());
        self.kept_order.borrow_mut().clear();
        drop(released);
    }

    /// Frees what inodes without names and holders occupy.
    async fn bury_dead(self: &Rc<Self>) -> Result<()> {
        loop {
            let Some(Dead { ino, raw }) = self.dead.borrow_mut().pop() else { return Ok(()) };
            let directory = raw.file_type() == Some(crate::inode::FileType::Directory);
            // Where something below fails, dropping the node puts it back on the list.
            let Ok(node) = Ext2Inode::new(self, ino, raw) else { continue };
            if node.has_block_map() {
                match map::free_range(&node, 0, u64::MAX).await {
                    // The damage is the image's; what cannot be found cannot be freed.
                    Ok(()) | Err(Errno::EUCLEAN) => {}
                    Err(error) => return Err(error),
                }
            }
            xattr::drop_block(&node).await?;
            {
                let mut raw = node.raw.borrow_mut();
                raw.set_size(0);
                // Smaller numbers would look like links of the list of orphans.
                let earliest = self.sb.borrow().write_time().max(self.geometry.inodes.saturating_add(1));
                raw.set_dtime((self.now.get().seconds as u32).max(earliest));
            }
            self.put_raw(ino, || node.raw.borrow().clone()).await?;
            alloc::free_inode(self, ino, directory).await?;
            node.buried.set(true);
        }
    }

    /// Writes the data of every file.
    pub(super) async fn write_data(&self) -> Result<()> {
        let nodes: Vec<_> = self.dirty.borrow().values().cloned().collect();
        for node in nodes {
            node.write_pages().await?;
        }
        Ok(())
    }

    /// Writes the record of one inode, and its data. Enough where nothing else changed.
    pub(super) async fn write_inode(self: &Rc<Self>, node: &Rc<Ext2Inode>) -> Result<()> {
        node.write_pages().await?;
        if self.structure_dirty.get() {
            return self.commit(true).await;
        }
        if self.dirty.borrow_mut().remove(&node.ino).is_some() {
            if let Err(error) = self.put_raw(node.ino, || node.raw.borrow().clone()).await {
                self.touch(node);
                return Err(error);
            }
            self.buffers.write_dirty().await?;
        }
        self.device.flush().await.map_err(|error| errno_of(&error))
    }

    /// Takes the device to the state in memory: data, then metadata, consistent after each flush.
    pub(super) async fn commit(self: &Rc<Self>, flush: bool) -> Result<()> {
        self.bury_dead().await?;
        self.write_data().await?;
        let nodes: Vec<_> = self.dirty.borrow().values().cloned().collect();
        for node in nodes {
            self.dirty.borrow_mut().remove(&node.ino);
            let put = self.put_raw(node.ino, || node.raw.borrow().clone()).await;
            if put.is_err() || node.pages.is_dirty() {
                self.touch(&node);
            }
            put?;
        }
        self.chain_orphans().await?;
        self.put_groups().await?;
        if self.buffers.dirty_bytes() > 0 || self.super_dirty.get() {
            let structural = self.structure_dirty.get();
            if structural {
                self.write_super(false).await?;
            }
            self.buffers.write_dirty().await?;
            if structural || self.super_dirty.get() {
                self.write_super(self.was_clean).await?;
            }
        }
        if flush {
            self.device.flush().await.map_err(|error| errno_of(&error))?;
            self.freed.borrow_mut().clear();
        }
        self.structure_dirty.set(false);
        self.super_dirty.set(false);
        Ok(())
    }

    /// Links unlinked open inodes in the list of the superblock, through their deletion times, so that a check or the
    /// next mount frees them.
    async fn chain_orphans(&self) -> Result<()> {
        let nodes: Vec<_> = self.orphans.borrow().values().filter_map(Weak::upgrade).collect();
        let mut next = 0;
        for node in &nodes {
            node.raw.borrow_mut().set_dtime(next);
            next = node.ino;
            self.put_raw(node.ino, || node.raw.borrow().clone()).await?;
        }
        if self.sb.borrow().last_orphan() != next {
            self.sb.borrow_mut().set_last_orphan(next);
            self.super_dirty.set(true);
        }
        Ok(())
    }

    async fn put_groups(&self) -> Result<()> {
        let count = self.groups.borrow().len();
        for index in 0..count {
            let Some(group) = self.groups.borrow().get(index).copied().filter(|group| group.dirty) else {
                continue;
            };
            let byte = index as u64 * self.geometry.desc_size as u64;
            let block = self.geometry.first_data_block + 1 + byte / self.block_size();
            let buffer = self.buffers.get(block).await?;
            let at = (byte % self.block_size()) as usize;
            if let Some(raw) = buffer.data.borrow_mut().get_mut(at..at + self.geometry.desc_size) {
                group.encode_counters(raw);
            }
            self.buffers.mark(&buffer);
            if let Some(group) = self.groups.borrow_mut().get_mut(index) {
                group.dirty = false;
            }
        }
        Ok(())
    }

    async fn write_super(&self, clean: bool) -> Result<()> {
        let bytes = {
            let mut sb = self.sb.borrow_mut();
            let state = if clean { sb.state() | STATE_VALID } else { sb.state() & !STATE_VALID };
            sb.set_state(state);
            let written = sb.write_time().max(self.now.get().seconds as u32);
            sb.set_write_time(written);
            sb.0.clone()
        };
        self.device.write(SUPER_OFFSET, &bytes).await.map_err(|error| errno_of(&error))
    }
}
