//! Directories: blocks of entries, and an index in memory so that large ones stay usable.
//!
//! Hash-indexed directories are read like any other (their index hides in entries that look unused); when one is
//! changed, its index flag is cleared, which every reader understands.
//! Entries: Linux Documentation/filesystems/ext4/directory.rst.

use super::bytes::{get16, get32, put16, put32};
use super::inode::FLAG_INDEX;
use super::map;
use super::node::Ext2Inode;
use super::superblock::INCOMPAT_FILETYPE;
use crate::inode::{DirEntry, FileType, Result};
use hashbrown::HashMap;
use linux_abi::errno::Errno;
use std::cell::RefCell;
use std::rc::Rc;

/// Bytes of an entry before its name.
const HEADER: usize = 8;

/// Entry types (`filetype` feature) by number.
const TYPES: [FileType; 7] = [
    FileType::Regular,
    FileType::Directory,
    FileType::CharDevice,
    FileType::BlockDevice,
    FileType::Fifo,
    FileType::Socket,
    FileType::Symlink,
];

fn type_number(file_type: FileType) -> u8 {
    TYPES.iter().position(|known| *known == file_type).map_or(0, |index| index as u8 + 1)
}

/// Bytes an entry with such a name needs.
fn needed(name_len: usize) -> usize {
    (HEADER + name_len).next_multiple_of(4)
}

/// One entry of a block, as it stands there.
#[derive(Clone, Copy, Debug)]
struct Entry<'a> {
    at: usize,
    len: usize,
    ino: u32,
    type_number: u8,
    name: &'a [u8],
}

impl Entry<'_> {
    /// Bytes that another entry could have.
    fn spare(&self) -> usize {
        if self.ino == 0 { self.len } else { self.len.saturating_sub(needed(self.name.len())) }
    }
}

/// The entries of a block; an error, then the end, where one makes no sense.
fn entries(block: &[u8], typed: bool) -> impl Iterator<Item = Result<Entry<'_>>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        if at >= block.len() {
            return None;
        }
        let len = usize::from(get16(block, at + 4));
        let name_len =
            if typed { usize::from(get16(block, at + 6) & 0xff) } else { usize::from(get16(block, at + 6)) };
        let sane = len >= needed(0).max(12) && len.is_multiple_of(4) && at + len <= block.len();
        let name =
            block.get(at + HEADER..at + HEADER + name_len).filter(|_| sane && HEADER + name_len <= len);
        let Some(name) = name else {
            at = block.len();
            return Some(Err(Errno::EUCLEAN));
        };
        let type_number = if typed { (get16(block, at + 6) >> 8) as u8 } else { 0 };
        let entry = Entry { at, len, ino: get32(block, at), type_number, name };
        at += len;
        Some(Ok(entry))
    })
}

/// The largest spare room in a block.
fn largest_spare(block: &[u8], typed: bool) -> u16 {
    entries(block, typed).map_while(Result::ok).map(|entry| entry.spare()).max().unwrap_or(0) as u16
}

/// Where a name's entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) ino: u32,
    /// Byte in the directory.
    at: u64,
}

/// The names of a directory, `.` and `..` left out.
#[derive(Debug, Default)]
pub(super) struct Index {
    names: RefCell<HashMap<Box<[u8]>, Slot>>,
    /// Largest spare room of each block.
    spare: RefCell<Vec<u16>>,
}

fn is_typed(dir: &Ext2Inode) -> bool {
    dir.core.sb.borrow().incompat() & INCOMPAT_FILETYPE != 0
}

fn block_count(dir: &Ext2Inode) -> u64 {
    dir.size().div_ceil(dir.core.block_size())
}

/// The index, built at first use. Whoever changes the directory has it built first, so building never overlaps with
/// changes.
pub(super) async fn index(dir: &Ext2Inode) -> Result<Rc<Index>> {
    if let Some(index) = &*dir.index.borrow() {
        return Ok(index.clone());
    }
    let _building = dir.index_lock.lock().await;
    if let Some(index) = &*dir.index.borrow() {
        return Ok(index.clone());
    }
    let index = Rc::new(Index::default());
    let (typed, block_size) = (is_typed(dir), dir.core.block_size());
    let mut logical = 0;
    while logical < block_count(dir) {
        let run = map::run(dir, logical, block_count(dir) - logical).await?;
        let Some(first) = run.block else {
            logical += run.len;
            continue;
        };
        for step in 0..run.len {
            let buffer = dir.core.buffers.get(first + step).await?;
            let data = buffer.data.borrow();
            let mut names = index.names.borrow_mut();
            for entry in entries(&data, typed) {
                let entry = entry?;
                if entry.ino != 0 && entry.name != b"." && entry.name != b".." && !entry.name.is_empty() {
                    let at = (logical + step) * block_size + entry.at as u64;
                    names.entry(entry.name.into()).or_insert(Slot { ino: entry.ino, at });
                }
            }
            let mut spare = index.spare.borrow_mut();
            spare.resize((logical + step) as usize + 1, 0);
            if let Some(last) = spare.last_mut() {
                *last = largest_spare(&data, typed);
            }
        }
        logical += run.len;
    }
    *dir.index.borrow_mut() = Some(index.clone());
    Ok(index)
}

/// Finds a name.
pub(super) async fn find(dir: &Ext2Inode, name: &[u8]) -> Result<Option<Slot>> {
    let index = index(dir).await?;
    let slot = index.names.borrow().get(name).copied();
    Ok(slot)
}

/// Whether a name still has this entry; asks the index only.
pub(super) fn still(dir: &Ext2Inode, name: &[u8], slot: Slot) -> bool {
    let index = dir.index.borrow();
    index.as_ref().is_some_and(|index| index.names.borrow().get(name) == Some(&slot))
}

pub(super) async fn is_empty(dir: &Ext2Inode) -> Result<bool> {
    let index = index(dir).await?;
    let empty = index.names.borrow().is_empty();
    Ok(empty)
}

fn write_entry(block: &mut [u8], at: usize, len: usize, ino: u32, name: &[u8], type_number: u8) {
    put32(block, at, ino);
    put16(block, at + 4, len as u16);
    put16(block, at + 6, name.len() as u16 | (u16::from(type_number) << 8));
    if let Some(place) = block.get_mut(at + HEADER..at + HEADER + name.len()) {
        place.copy_from_slice(name);
    }
}

fn changed(dir: &Ext2Inode) {
    let mut raw = dir.raw.borrow_mut();
    let flags = raw.flags();
    raw.set_flags(flags & !FLAG_INDEX);
    drop(raw);
    dir.core.structure_dirty.set(true);
    dir.core.touch(dir);
}

/// The block that holds a byte of the directory.
async fn block_of(dir: &Ext2Inode, at: u64) -> Result<u64> {
    map::run(dir, at / dir.core.block_size(), 1).await?.block.ok_or(Errno::EUCLEAN)
}

/// Adds an entry for a name that is not there.
pub(super) async fn insert(dir: &Ext2Inode, name: &[u8], ino: u32, file_type: FileType) -> Result<()> {
    let index = index(dir).await?;
    let (typed, block_size) = (is_typed(dir), dir.core.block_size());
    let type_number = if typed { type_number(file_type) } else { 0 };
    let need = needed(name.len());
    let with_room = index.spare.borrow().iter().position(|spare| usize::from(*spare) >= need);
    let (logical, buffer) = match with_room {
        Some(logical) => {
            let block = block_of(dir, logical as u64 * block_size).await?;
            (logical as u64, dir.core.buffers.get(block).await?)
        }
        None => {
            let logical = block_count(dir);
            if (logical + 1) * block_size > u64::from(i32::MAX as u32) {
                return Err(Errno::ENOSPC);
            }
            let block = map::allocate(dir, logical).await?.block;
            let buffer = dir.core.buffers.fresh(block);
            put16(&mut buffer.data.borrow_mut(), 4, block_size as u16);
            dir.raw.borrow_mut().set_size((logical + 1) * block_size);
            (logical, buffer)
        }
    };
    let mut data = buffer.data.borrow_mut();
    let place = entries(&data, typed)
        .map_while(Result::ok)
        .find(|entry| entry.spare() >= need)
        .map(|entry| (entry.at, entry.len, entry.ino, needed(entry.name.len())));
    let Some((at, len, old_ino, used)) = place else { return Err(Errno::EUCLEAN) };
    let at = if old_ino == 0 {
        write_entry(&mut data, at, len, ino, name, type_number);
        at
    } else {
        put16(&mut data, at + 4, used as u16);
        write_entry(&mut data, at + used, len - used, ino, name, type_number);
        at + used
    };
    let mut spare = index.spare.borrow_mut();
    if spare.len() <= logical as usize {
        spare.resize(logical as usize + 1, 0);
    }
    spare[logical as usize] = largest_spare(&data, typed);
    let slot = Slot { ino, at: logical * block_size + at as u64 };
    index.names.borrow_mut().insert(name.into(), slot);
    dir.core.buffers.mark(&buffer);
    drop((data, spare));
    changed(dir);
    Ok(())
}

/// Removes the entry of a name.
pub(super) async fn remove(dir: &Ext2Inode, name: &[u8]) -> Result<()> {
    let index = index(dir).await?;
    let slot = index.names.borrow().get(name).copied().ok_or(Errno::ENOENT)?;
    let (typed, block_size) = (is_typed(dir), dir.core.block_size());
    let buffer = dir.core.buffers.get(block_of(dir, slot.at).await?).await?;
    let mut data = buffer.data.borrow_mut();
    let at = (slot.at % block_size) as usize;
    let (mut before, mut found) = (None, None);
    for entry in entries(&data, typed).map_while(Result::ok) {
        if entry.at == at {
            found = Some(entry.len);
            break;
        }
        before = Some((entry.at, entry.len));
    }
    let len = found.ok_or(Errno::EUCLEAN)?;
    match before {
        Some((before_at, before_len)) => put16(&mut data, before_at + 4, (before_len + len) as u16),
        None => put32(&mut data, at, 0),
    }
    if let Some(spare) = index.spare.borrow_mut().get_mut((slot.at / block_size) as usize) {
        *spare = largest_spare(&data, typed);
    }
    index.names.borrow_mut().remove(name);
    dir.core.buffers.mark(&buffer);
    drop(data);
    changed(dir);
    Ok(())
}

/// Points the entry of a name at another inode.
pub(super) async fn replace(dir: &Ext2Inode, name: &[u8], ino: u32, file_type: FileType) -> Result<()> {
    let index = index(dir).await?;
    let slot = index.names.borrow().get(name).copied().ok_or(Errno::ENOENT)?;
    let buffer = dir.core.buffers.get(block_of(dir, slot.at).await?).await?;
    let at = (slot.at % dir.core.block_size()) as usize;
    point(&mut buffer.data.borrow_mut(), at, ino, is_typed(dir).then_some(file_type));
    if let Some(slot) = index.names.borrow_mut().get_mut(name) {
        slot.ino = ino;
    }
    dir.core.buffers.mark(&buffer);
    changed(dir);
    Ok(())
}

fn point(block: &mut [u8], at: usize, ino: u32, file_type: Option<FileType>) {
    put32(block, at, ino);
    if let Some(file_type) = file_type {
        let name_len = get16(block, at + 6) & 0xff;
        put16(block, at + 6, name_len | (u16::from(type_number(file_type)) << 8));
    }
}

/// Makes the first block of a new directory, with `.` and `..`.
pub(super) async fn initialise(dir: &Ext2Inode, parent: u32) -> Result<()> {
    let block_size = dir.core.geometry.block_size;
    let block = map::allocate(dir, 0).await?.block;
    let buffer = dir.core.buffers.fresh(block);
    let kind = if is_typed(dir) { type_number(FileType::Directory) } else { 0 };
    {
        let mut data = buffer.data.borrow_mut();
        write_entry(&mut data, 0, 12, dir.ino, b".", kind);
        write_entry(&mut data, 12, block_size - 12, parent, b"..", kind);
    }
    dir.raw.borrow_mut().set_size(block_size as u64);
    let spare = RefCell::new(vec![(block_size - 24) as u16]);
    *dir.index.borrow_mut() = Some(Rc::new(Index { names: RefCell::default(), spare }));
    Ok(())
}

/// Points `..` at another parent.
pub(super) async fn set_parent(dir: &Ext2Inode, parent: u32) -> Result<()> {
    let buffer = dir.core.buffers.get(block_of(dir, 0).await?).await?;
    let typed = is_typed(dir);
    let mut data = buffer.data.borrow_mut();
    let at =
        entries(&data, typed).map_while(Result::ok).find(|entry| entry.name == b"..").map(|entry| entry.at);
    point(&mut data, at.ok_or(Errno::EUCLEAN)?, parent, typed.then_some(FileType::Directory));
    dir.core.buffers.mark(&buffer);
    dir.core.structure_dirty.set(true);
    Ok(())
}

/// Lists entries; positions are bytes in the directory, which stay valid while others come and go.
pub(super) async fn list(dir: &Ext2Inode, from: u64, sink: &mut dyn FnMut(DirEntry) -> bool) -> Result<()> {
    let (typed, block_size) = (is_typed(dir), dir.core.block_size());
    let mut logical = from / block_size;
    while logical < block_count(dir) {
        let run = map::run(dir, logical, block_count(dir) - logical).await?;
        let Some(first) = run.block else {
            logical += run.len;
            continue;
        };
        for step in 0..run.len {
            let buffer = dir.core.buffers.get(first + step).await?;
            let start = (logical + step) * block_size;
            // The sink runs without a borrow: it is the caller's code.
            let found: Vec<DirEntry> = {
                let data = buffer.data.borrow();
                let listed = |entry: &Result<Entry<'_>>| match entry {
                    Ok(entry) => entry.ino != 0 && !entry.name.is_empty() && start + entry.at as u64 >= from,
                    Err(_) => true,
                };
                entries(&data, typed)
                    .filter(listed)
                    .map(|entry| {
                        let entry = entry?;
                        let known = TYPES.get(usize::from(entry.type_number).wrapping_sub(1)).copied();
                        Ok(DirEntry {
                            name: entry.name.to_vec(),
                            ino: u64::from(entry.ino),
                            file_type: known.unwrap_or(FileType::Regular),
                            next: start + (entry.at + entry.len) as u64,
                        })
                    })
                    .collect::<Result<_>>()?
            };
            for mut entry in found {
                if !typed {
                    let ino = entry.ino as u32;
                    entry.file_type =
                        dir.core.inode(ino, || true).await.map_or(FileType::Regular, |n| n.file_type);
                }
                if !sink(entry) {
                    return Ok(());
                }
            }
        }
        logical += run.len;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_blocks_end_in_an_error() {
        let mut block = vec![0u8; 64];
        write_entry(&mut block, 0, 12, 2, b".", 2);
        write_entry(&mut block, 12, 52, 2, b"..", 2);
        assert_eq!(entries(&block, true).filter(Result::is_ok).count(), 2);
        for (at, value) in [(4, 0u16), (4, 8), (4, 13), (4, 68), (16, 56), (18, 0x02ff)] {
            let mut damaged = block.clone();
            put16(&mut damaged, at, value);
            let found: Vec<_> = entries(&damaged, true).collect();
            assert!(found.last().is_some_and(Result::is_err), "{at} {value}");
            assert!(found.len() <= 2);
        }
        assert!(entries(&block[..60], true).last().is_some_and(|entry| entry.is_err()));
    }
}
