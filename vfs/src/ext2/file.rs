//! File data: pages in and out, writing, length, holes.
//!
//! Blocks are allocated when a write happens, so that "no space" is told to the writer; only a write through a
//! mapping into a hole finds out at write-back.

use super::errno_of;
use super::inode::{BLOCK_AREA_BYTES, CTIME, MTIME};
use super::map;
use super::node::{Ext2Inode, writable_map};
use super::superblock::RO_COMPAT_LARGE_FILE;
use crate::inode::{Result, SeekTarget, Timestamp};
use crate::page_cache::{Claim, PageIo};
use async_trait::async_trait;
use futures::FutureExt;
use guest_mem::{Frame, PAGE_BYTES, PAGE_SIZE};
use linux_abi::errno::Errno;

/// Pages written in one change at most.
const STEP_PAGES: u64 = 64;
/// Pages written back at once at most.
const WRITE_BACK_PAGES: usize = 32;
/// Largest file of revision 0, and of any without `large_file`.
const SMALL_FILE_MAX: u64 = i32::MAX as u64;

/// `fallocate` modes (linux/falloc.h).
const KEEP_SIZE: u32 = 1;
const PUNCH_HOLE: u32 = 2;
const ZERO_RANGE: u32 = 0x10;

#[async_trait(?Send)]
impl PageIo for Ext2Inode {
    fn size(&self) -> u64 {
        Ext2Inode::size(self)
    }

    async fn read_pages(&self, first: u64, frames: &[Frame]) -> Result<()> {
        let block_size = self.core.block_size();
        let start = first.saturating_mul(PAGE_BYTES);
        let end = start.saturating_add(frames.len() as u64 * PAGE_BYTES).min(self.size());
        let mut at = start;
        let mut bytes = Vec::new();
        while at < end {
            let run = map::run(self, at / block_size, (end - at).div_ceil(block_size)).await?;
            let len = (run.len * block_size).min(end - at);
            if let Some(block) = run.block {
                bytes.resize(len as usize, 0);
                self.core
                    .device
                    .read(block * block_size, &mut bytes)
                    .await
                    .map_err(|error| errno_of(&error))?;
                scatter(frames, (at - start) as usize, &bytes);
            }
            at += len;
        }
        Ok(())
    }
}

fn scatter(frames: &[Frame], offset: usize, bytes: &[u8]) {
    let mut done = 0;
    while done < bytes.len() {
        let at = offset + done;
        let len = (PAGE_SIZE - at % PAGE_SIZE).min(bytes.len() - done);
        if let Some(frame) = frames.get(at / PAGE_SIZE) {
            frame.write(at % PAGE_SIZE, &bytes[done..done + len]);
        }
        done += len;
    }
}

fn gather(frames: &[Frame], bytes: &mut [u8]) {
    for (frame, page) in frames.iter().zip(bytes.chunks_mut(PAGE_SIZE)) {
        frame.read(0, page);
    }
}

impl Ext2Inode {
    /// Writes dirty pages to the device. Within a change only.
    pub(super) async fn write_pages(&self) -> Result<()> {
        while let Some((first, frames)) = self.pages.take_dirty_run(WRITE_BACK_PAGES) {
            if let Err(error) = self.write_run(first, &frames).await {
                (first..).zip(&frames).for_each(|(page, _)| self.pages.mark_dirty(page));
                return Err(error);
            }
        }
        Ok(())
    }

    async fn write_run(&self, first: u64, frames: &[Frame]) -> Result<()> {
        let block_size = self.core.block_size();
        let start = first * PAGE_BYTES;
        let end = start.saturating_add(frames.len() as u64 * PAGE_BYTES).min(self.size());
        if start >= end {
            return Ok(());
        }
        // What lies past the end in the last page is nobody's; on the device it is zero.
        let mut bytes = vec![0; (end - start) as usize];
        gather(frames, &mut bytes);
        bytes.resize(bytes.len().next_multiple_of(block_size as usize), 0);
        let blocks = bytes.len() as u64 / block_size;
        let logical = start / block_size;
        let mut done = 0;
        while done < blocks {
            let run = map::run(self, logical + done, blocks - done).await?;
            let part = &bytes[(done * block_size) as usize..((done + run.len) * block_size) as usize];
            match run.block {
                Some(block) => {
                    let written = self.core.device.write(block * block_size, part).await;
                    written.map_err(|error| errno_of(&error))?;
                    done += run.len;
                }
                None => {
                    // A hole was written through a mapping. Zeros may stay a hole.
                    if part[..block_size as usize].iter().all(|byte| *byte == 0) {
                        done += 1;
                        continue;
                    }
                    match map::allocate(self, logical + done).await {
                        Ok(_) => {}
                        Err(error @ Errno::ENOSPC) => {
                            self.write_error.set(Some(error));
                            done += 1;
                        }
                        Err(error) => return Err(error),
                    }
                }
            }
        }
        Ok(())
    }

    fn changed(&self, now: Timestamp) {
        {
            let mut raw = self.raw.borrow_mut();
            raw.set_time(MTIME, now);
            raw.set_time(CTIME, now);
        }
        self.core.now.set(now);
        self.core.touch(self);
    }

    /// Largest length this file may have.
    fn max_size(&self) -> u64 {
        let sb = self.core.sb.borrow();
        if sb.revision() == 0 { SMALL_FILE_MAX } else { self.core.geometry.max_file_size() }
    }

    fn set_length(&self, size: u64) {
        self.raw.borrow_mut().set_size(size);
        if size > SMALL_FILE_MAX {
            let mut sb = self.core.sb.borrow_mut();
            let features = sb.ro_compat();
            if features & RO_COMPAT_LARGE_FILE == 0 {
                sb.set_ro_compat(features | RO_COMPAT_LARGE_FILE);
                self.core.super_dirty.set(true);
            }
        }
        self.core.structure_dirty.set(true);
    }

    /// Makes bytes past the old end zero before the file grows over them.
    async fn clean_tail(&self, old_size: u64) -> Result<()> {
        if !old_size.is_multiple_of(PAGE_BYTES) {
            let page = old_size / PAGE_BYTES;
            let _pin = self.pages.get(page, self).await?;
            self.pages.zero_tail(old_size);
            self.pages.mark_dirty(page);
        }
        Ok(())
    }
}

/// Writes at an offset; short only where space ends.
pub(super) async fn write(node: &Ext2Inode, offset: u64, data: &[u8], now: Timestamp) -> Result<usize> {
    if node.core.read_only {
        return Err(Errno::EROFS);
    }
    if data.is_empty() {
        return Ok(0);
    }
    let room = node.max_size().saturating_sub(offset);
    if room == 0 {
        return Err(Errno::EFBIG);
    }
    let data = &data[..data.len().min(usize::try_from(room).unwrap_or(usize::MAX))];
    let mut done = 0;
    while done < data.len() {
        let at = offset + done as u64;
        let step = (data.len() - done).min((STEP_PAGES * PAGE_BYTES - at % PAGE_BYTES) as usize);
        let part = &data[done..done + step];
        if at + step as u64 <= node.size()
            && node.pages.all_resident(at, step)
            && is_backed(node, at, step as u64)
        {
            node.pages.write(at, part);
            node.changed(now);
            done += step;
            continue;
        }
        let pins = node.core.reading(load_edges(node, at, step as u64)).await?;
        let (own, bytes) = (node.rc(), part.to_vec());
        let written = node
            .core
            .exclusive(async move {
                let _pins = pins;
                write_step(&own, at, &bytes, now).await
            })
            .await;
        match written {
            Ok(count) => done += count,
            Err(error) if done == 0 => return Err(error),
            Err(_) => break,
        }
        if !written.is_ok_and(|count| count == step) {
            break;
        }
    }
    if node.core.cache.too_dirty() {
        let own = node.rc();
        let _ = node
            .core
            .exclusive(async move { own.core.write_data().await.and(own.write_pages().await) })
            .await;
    }
    node.core.cache.trim();
    Ok(done)
}

/// Whether a range has all its blocks, as far as that can be told without waiting.
fn is_backed(node: &Ext2Inode, at: u64, len: u64) -> bool {
    let block_size = node.core.block_size();
    let first = at / block_size;
    let count = (at + len).div_ceil(block_size) - first;
    let run = map::run(node, first, count).now_or_never();
    writable_map(node).is_ok() && matches!(run, Some(Ok(run)) if run.block.is_some() && run.len == count)
}

/// Whether a page, which is not in memory, can be written without loading it: it is written whole, or what is not
/// written lies past the end.
fn needs_no_load(page: u64, at: u64, end: u64, size: u64) -> bool {
    let start = page * PAGE_BYTES;
    start >= size || (at <= start && end >= (start + PAGE_BYTES).min(size))
}

/// Loads the pages that a write covers in part, before it is the writer's turn: that may take long.
async fn load_edges(node: &Ext2Inode, at: u64, len: u64) -> Result<Vec<Frame>> {
    let end = at + len;
    let mut pins = Vec::new();
    for page in [at / PAGE_BYTES, (end - 1) / PAGE_BYTES] {
        if !needs_no_load(page, at, end, node.size()) {
            pins.push(node.pages.get(page, node).await?);
        }
    }
    Ok(pins)
}

async fn write_step(node: &Ext2Inode, at: u64, data: &[u8], now: Timestamp) -> Result<usize> {
    writable_map(node)?;
    let block_size = node.core.block_size();
    let old_size = node.size();
    let end = at + data.len() as u64;
    if at > old_size {
        node.clean_tail(old_size).await?;
    } else if end > old_size {
        node.pages.zero_tail(old_size);
    }
    // Pages stay where they are from here to the end: held, or claimed so that no reader loads what the device has.
    let (mut pins, mut claims): (Vec<Frame>, Vec<(Claim<'_>, u64, Frame)>) = (Vec::new(), Vec::new());
    for page in at / PAGE_BYTES..end.div_ceil(PAGE_BYTES) {
        loop {
            if let Some(frame) = node.pages.lookup(page) {
                pins.push(frame);
                break;
            }
            if !needs_no_load(page, at, end, old_size) {
                pins.push(node.pages.get(page, node).await?);
                break;
            }
            if let Some(claim) = node.pages.claim(page) {
                claims.push((claim, page, node.core.cache.alloc()?));
                break;
            }
            node.pages.settled(page).await;
        }
    }
    let (mut backed, mut fresh, mut failure) = (at, Vec::new(), None);
    for logical in at / block_size..end.div_ceil(block_size) {
        match map::allocate(node, logical).await {
            Ok(allocated) => {
                if allocated.fresh {
                    fresh.push(logical);
                }
                backed = ((logical + 1) * block_size).min(end);
            }
            Err(error) => {
                failure = Some(error);
                break;
            }
        }
    }
    if let Some(error) = failure {
        // A page whose old content was not loaded must be written whole or not at all.
        let last = backed / PAGE_BYTES;
        if claims.iter().any(|(_, page, _)| *page == last) && last * PAGE_BYTES < old_size {
            backed = (last * PAGE_BYTES).max(at);
        }
        for logical in fresh.into_iter().filter(|logical| *logical >= backed.div_ceil(block_size)) {
            map::free_range(node, logical, logical + 1).await?;
        }
        if backed <= at {
            return Err(error);
        }
    }
    for (claim, page, frame) in claims {
        if page * PAGE_BYTES < backed {
            node.pages.insert(page, frame);
        }
        drop(claim);
    }
    let count = (backed - at) as usize;
    node.pages.write(at, &data[..count]);
    if backed > old_size {
        node.set_length(backed);
    }
    node.changed(now);
    Ok(count)
}

/// Cuts or extends the file. Within a change only.
pub(super) async fn set_size(node: &Ext2Inode, size: u64, now: Timestamp) -> Result<()> {
    writable_map(node)?;
    let old_size = node.size();
    let block_size = node.core.block_size();
    if size > node.max_size() {
        return Err(Errno::EFBIG);
    }
    if size < old_size {
        let page = size / PAGE_BYTES;
        let pin =
            if size.is_multiple_of(PAGE_BYTES) { None } else { Some(node.pages.get(page, node).await?) };
        node.set_length(size);
        node.pages.truncate(size);
        if pin.is_some() {
            // The rest of the last block becomes zero on the device too.
            node.pages.mark_dirty(page);
        }
        map::free_range(node, size.div_ceil(block_size), u64::MAX).await?;
    } else if size > old_size {
        node.clean_tail(old_size).await?;
        node.set_length(size);
    }
    node.changed(now);
    Ok(())
}

/// `fallocate`. Within a change only.
pub(super) async fn fallocate(
    node: &Ext2Inode,
    mode: u32,
    offset: u64,
    len: u64,
    now: Timestamp,
) -> Result<()> {
    writable_map(node)?;
    let end = offset.checked_add(len).ok_or(Errno::EFBIG)?;
    if len == 0 {
        return Err(Errno::EINVAL);
    }
    if end > node.max_size() {
        return Err(Errno::EFBIG);
    }
    let keep_size = mode & KEEP_SIZE != 0;
    match mode & !KEEP_SIZE {
        0 => preallocate(node, offset, if keep_size { end.min(node.size()) } else { end }).await?,
        PUNCH_HOLE if keep_size => punch(node, offset, end.min(node.size())).await?,
        ZERO_RANGE => {
            punch(node, offset, end.min(node.size())).await?;
            if !keep_size && end > node.size() {
                node.clean_tail(node.size()).await?;
                node.set_length(end);
            }
        }
        _ => return Err(Errno::EOPNOTSUPP),
    }
    node.changed(now);
    Ok(())
}

/// Makes every block of a range exist, with zeros where there was none. ext2 cannot mark blocks as unwritten, so the
/// zeros are real.
async fn preallocate(node: &Ext2Inode, offset: u64, end: u64) -> Result<()> {
    let block_size = node.core.block_size();
    let old_size = node.size();
    if end > old_size {
        node.clean_tail(old_size).await?;
    }
    for page in offset / PAGE_BYTES..end.div_ceil(PAGE_BYTES) {
        let start = (page * PAGE_BYTES).max(offset - offset % block_size);
        let stop = ((page + 1) * PAGE_BYTES).min(end);
        let pin = node.pages.get(page, node).await?;
        for logical in start / block_size..stop.div_ceil(block_size) {
            let allocated = match map::allocate(node, logical).await {
                Ok(allocated) => allocated,
                Err(error) => {
                    // Nothing may be left past the end.
                    map::free_range(node, node.size().div_ceil(block_size), u64::MAX).await?;
                    return Err(error);
                }
            };
            if allocated.fresh {
                node.pages.mark_dirty(page);
            }
        }
        drop(pin);
        if stop > node.size() {
            node.set_length(stop);
        }
        if node.core.cache.too_dirty() {
            node.write_pages().await?;
        }
    }
    Ok(())
}

/// Makes a range read as zeros, and frees the blocks that lie in it whole.
async fn punch(node: &Ext2Inode, offset: u64, end: u64) -> Result<()> {
    if offset >= end {
        return Ok(());
    }
    let block_size = node.core.block_size();
    let whole_pages = offset.div_ceil(PAGE_BYTES)..end / PAGE_BYTES;
    let mut pins = Vec::new();
    for page in [offset / PAGE_BYTES, (end - 1) / PAGE_BYTES] {
        if !whole_pages.contains(&page) {
            let start = offset.max(page * PAGE_BYTES);
            let stop = end.min((page + 1) * PAGE_BYTES);
            let frame = node.pages.get(page, node).await?;
            frame.zero((start % PAGE_BYTES) as usize, (stop - start) as usize);
            node.pages.mark_dirty(page);
            pins.push(frame);
        }
    }
    // The file's last block goes as a whole: what follows in it is past the end.
    let last = if end == node.size() { end.div_ceil(block_size) } else { end / block_size };
    let first = offset.div_ceil(block_size);
    // Before, so that nobody uses the old pages; after, so that nobody keeps what was loaded in between.
    if !whole_pages.is_empty() {
        node.pages.remove(whole_pages.start, whole_pages.end);
    }
    if first < last {
        map::free_range(node, first, last).await?;
    }
    if !whole_pages.is_empty() {
        node.pages.remove(whole_pages.start, whole_pages.end);
    }
    Ok(())
}

/// `SEEK_DATA` and `SEEK_HOLE`, by blocks. Pages written through a mapping are data, even where they have no block yet.
pub(super) async fn seek_hole(node: &Ext2Inode, offset: u64, target: SeekTarget) -> Result<u64> {
    let block_size = node.core.block_size();
    let mut at = offset;
    while at < node.size() {
        let blocks = (node.size() - at).div_ceil(block_size);
        let run = map::run(node, at / block_size, blocks).await?;
        let run_end = (at / block_size + run.len) * block_size;
        let dirty = node.pages.next_dirty(at / PAGE_BYTES).map_or(u64::MAX, |page| page * PAGE_BYTES);
        let is_data = run.block.is_some() || dirty <= at;
        match target {
            SeekTarget::Data if is_data => return Ok(at),
            SeekTarget::Hole if !is_data => return Ok(at),
            _ if run.block.is_some() => at = run_end,
            _ if is_data => at = run_end.min(dirty.saturating_add(PAGE_BYTES)),
            _ => at = run_end.min(dirty),
        }
    }
    match target {
        SeekTarget::Hole if offset < node.size() => Ok(node.size()),
        _ => Err(Errno::ENXIO),
    }
}

/// The target of a symlink: in the inode where it is short, else in a block.
pub(super) async fn read_link(node: &Ext2Inode) -> Result<Vec<u8>> {
    let size = usize::try_from(node.size()).map_err(|_| Errno::EUCLEAN)?;
    if node.raw.borrow().is_fast_symlink(node.core.geometry.block_size) {
        let raw = node.raw.borrow();
        return raw.block_area().get(..size).map(<[u8]>::to_vec).ok_or(Errno::EUCLEAN);
    }
    let block = map::run(node, 0, 1).await?.block.ok_or(Errno::EUCLEAN)?;
    let buffer = node.core.buffers.get(block).await?;
    let target = buffer.data.borrow().get(..size).map(<[u8]>::to_vec);
    target.ok_or(Errno::EUCLEAN)
}

/// Stores the target of a new symlink. Within a change only.
pub(super) async fn write_link(node: &Ext2Inode, target: &[u8]) -> Result<()> {
    if target.len() < BLOCK_AREA_BYTES {
        let mut raw = node.raw.borrow_mut();
        if let Some(place) = raw.block_area_mut().get_mut(..target.len()) {
            place.copy_from_slice(target);
        }
        raw.set_size(target.len() as u64);
        return Ok(());
    }
    if target.len() >= node.core.geometry.block_size {
        return Err(Errno::ENAMETOOLONG);
    }
    let block = map::allocate(node, 0).await?.block;
    let buffer = node.core.buffers.fresh(block);
    if let Some(place) = buffer.data.borrow_mut().get_mut(..target.len()) {
        place.copy_from_slice(target);
    }
    node.raw.borrow_mut().set_size(target.len() as u64);
    Ok(())
}
