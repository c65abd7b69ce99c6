//! Extended attributes: in the inode after its fixed part, and in one block that inodes may share.
//!
//! Records: Linux Documentation/filesystems/ext4/attributes.rst. Attributes whose meaning is not known here (ACLs in
//! their on-disk form) are preserved.

use super::alloc::{alloc_block, free_block};
use super::bytes::{get16, get32, put16, put32};
use super::inode::GOOD_OLD_SIZE;
use super::node::Ext2Inode;
use super::superblock::COMPAT_EXT_ATTR;
use crate::inode::{Result, Timestamp, XattrMode};
use linux_abi::errno::Errno;

const MAGIC: u32 = 0xea02_0000;
/// Bytes before the entries of a block.
const BLOCK_HEADER: usize = 32;
/// Bytes of an entry before its name.
const ENTRY: usize = 16;
/// Most inodes that may share a block.
const MAX_SHARED: u32 = 1024;

/// Name prefixes by number, those that programs may use.
const PREFIXES: [(u8, &[u8]); 3] = [(1, b"user."), (4, b"trusted."), (6, b"security.")];

/// One attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Attribute {
    prefix: u8,
    name: Vec<u8>,
    value: Vec<u8>,
}

impl Attribute {
    /// Bytes of its entry and of its value.
    fn room(&self) -> (usize, usize) {
        ((ENTRY + self.name.len()).next_multiple_of(4), self.value.len().next_multiple_of(4))
    }

    fn hash(&self) -> u32 {
        let name = self.name.iter().fold(0u32, |hash, byte| hash.rotate_left(5) ^ u32::from(*byte));
        let mut padded = self.value.clone();
        padded.resize(padded.len().next_multiple_of(4), 0);
        padded.chunks(4).fold(name, |hash, word| hash.rotate_left(16) ^ get32(word, 0))
    }

    /// The order of entries in a block.
    fn rank(&self) -> (u8, usize, &[u8]) {
        (self.prefix, self.name.len(), &self.name)
    }

    fn full_name(&self) -> Option<Vec<u8>> {
        let (_, prefix) = PREFIXES.iter().find(|(number, _)| *number == self.prefix)?;
        Some([prefix, &self.name[..]].concat())
    }
}

fn split_name(name: &[u8]) -> Result<(u8, &[u8])> {
    let known = PREFIXES.iter().find_map(|(number, prefix)| Some((*number, name.strip_prefix(*prefix)?)));
    match known {
        Some((_, [])) => Err(Errno::EINVAL),
        Some((_, rest)) if rest.len() > 255 => Err(Errno::ERANGE),
        Some(found) => Ok(found),
        None => Err(Errno::EOPNOTSUPP),
    }
}

/// Decodes entries that start at `first`; value offsets count from `base`.
fn decode(area: &[u8], first: usize, base: usize) -> Result<Vec<Attribute>> {
    let mut found = Vec::new();
    let mut at = first;
    while at + 4 <= area.len() && get32(area, at) != 0 {
        let name_len = usize::from(area.get(at).copied().unwrap_or(0));
        let prefix = area.get(at + 1).copied().unwrap_or(0);
        let name = area.get(at + ENTRY..at + ENTRY + name_len).ok_or(Errno::EUCLEAN)?;
        let (offset, inode, size) =
            (usize::from(get16(area, at + 2)), get32(area, at + 4), get32(area, at + 8));
        // A value in an inode of its own (`ea_inode`) is shown as absent; such images are read only.
        if inode == 0 {
            let start = base + offset;
            let end = start.checked_add(size as usize).ok_or(Errno::EUCLEAN)?;
            let value = if size == 0 { &[] } else { area.get(start..end).ok_or(Errno::EUCLEAN)? };
            found.push(Attribute { prefix, name: name.to_vec(), value: value.to_vec() });
        }
        at += (ENTRY + name_len).next_multiple_of(4);
    }
    Ok(found)
}

/// Encodes entries from `first` on and their values at the end of the area; offsets count from `base`.
/// The caller checked that they fit.
fn encode(area: &mut [u8], first: usize, base: usize, attributes: &[&Attribute]) {
    area[first..].fill(0);
    let (mut at, mut end) = (first, area.len());
    for attribute in attributes {
        let (entry, value) = attribute.room();
        end -= value;
        area[at] = attribute.name.len() as u8;
        area[at + 1] = attribute.prefix;
        put16(area, at + 2, if value == 0 { 0 } else { (end - base) as u16 });
        put32(area, at + 8, attribute.value.len() as u32);
        put32(area, at + 12, attribute.hash());
        area[at + ENTRY..at + ENTRY + attribute.name.len()].copy_from_slice(&attribute.name);
        area[end..end + attribute.value.len()].copy_from_slice(&attribute.value);
        at += entry;
    }
}

/// Bytes that attributes take in an area, its end mark included.
fn total_room<'a>(attributes: impl Iterator<Item = &'a Attribute>) -> usize {
    4 + attributes.map(|attribute| attribute.room().0 + attribute.room().1).sum::<usize>()
}

/// Where the area in the inode starts, if the inode has one.
fn inode_area(node: &Ext2Inode) -> Option<usize> {
    let raw = node.raw.borrow();
    let start = GOOD_OLD_SIZE + raw.extra();
    (raw.extra() > 0 && start + 4 + ENTRY < raw.0.len()).then_some(start)
}

fn read_inode_area(node: &Ext2Inode) -> Result<Vec<Attribute>> {
    let Some(start) = inode_area(node) else { return Ok(Vec::new()) };
    let raw = node.raw.borrow();
    if get32(&raw.0, start) == MAGIC { decode(&raw.0, start + 4, start + 4) } else { Ok(Vec::new()) }
}

async fn read_block(node: &Ext2Inode) -> Result<Vec<Attribute>> {
    let block = node.raw.borrow().xattr_block();
    if block == 0 {
        return Ok(Vec::new());
    }
    let buffer = node.core.buffers.get(node.core.geometry.check_block(block)?).await?;
    let data = buffer.data.borrow();
    if get32(&data, 0) == MAGIC { decode(&data, BLOCK_HEADER, 0) } else { Err(Errno::EUCLEAN) }
}

pub(super) async fn get(node: &Ext2Inode, name: &[u8]) -> Result<Vec<u8>> {
    let (prefix, rest) = split_name(name)?;
    let wanted = |attribute: &Attribute| attribute.prefix == prefix && attribute.name == rest;
    if let Some(found) = read_inode_area(node)?.into_iter().find(wanted) {
        return Ok(found.value);
    }
    let found = read_block(node).await?.into_iter().find(wanted);
    found.map(|attribute| attribute.value).ok_or(Errno::ENODATA)
}

pub(super) async fn list(node: &Ext2Inode) -> Result<Vec<Vec<u8>>> {
    let mut all = read_inode_area(node)?;
    all.extend(read_block(node).await?);
    Ok(all.iter().filter_map(Attribute::full_name).collect())
}

/// Sets an attribute, or removes it where there is no value. Within a change only.
pub(super) async fn set(
    node: &Ext2Inode,
    name: &[u8],
    value: Option<Vec<u8>>,
    mode: XattrMode,
    now: Timestamp,
) -> Result<()> {
    let (prefix, rest) = split_name(name)?;
    let mut inside = read_inode_area(node)?;
    let mut outside = read_block(node).await?;
    let wanted = |attribute: &Attribute| attribute.prefix == prefix && attribute.name == rest;
    let existed = inside.iter().chain(&outside).any(wanted);
    match mode {
        XattrMode::Create if existed => return Err(Errno::EEXIST),
        XattrMode::Replace if !existed => return Err(Errno::ENODATA),
        _ => {}
    }
    let block_before = outside.clone();
    inside.retain(|attribute| !wanted(attribute));
    outside.retain(|attribute| !wanted(attribute));
    if let Some(value) = value {
        let block_room = node.core.geometry.block_size - BLOCK_HEADER;
        if value.len() > block_room {
            return Err(Errno::ENOSPC);
        }
        let new = Attribute { prefix, name: rest.to_vec(), value };
        let inode_room = inode_area(node).map_or(0, |start| node.raw.borrow().0.len() - start - 4);
        if total_room(inside.iter().chain([&new])) <= inode_room {
            inside.push(new);
        } else if total_room(outside.iter().chain([&new])) <= block_room {
            outside.push(new);
        } else {
            return Err(Errno::ENOSPC);
        }
    }
    // The block first: only that can fail.
    if outside != block_before {
        write_block(node, &mut outside).await?;
    }
    if let Some(start) = inode_area(node) {
        let mut raw = node.raw.borrow_mut();
        put32(&mut raw.0, start, if inside.is_empty() { 0 } else { MAGIC });
        encode(&mut raw.0, start + 4, start + 4, &inside.iter().collect::<Vec<_>>());
    }
    let mut sb = node.core.sb.borrow_mut();
    if sb.compat() & COMPAT_EXT_ATTR == 0 {
        let features = sb.compat() | COMPAT_EXT_ATTR;
        sb.set_compat(features);
        node.core.super_dirty.set(true);
    }
    drop(sb);
    node.raw.borrow_mut().set_time(super::inode::CTIME, now);
    node.core.now.set(now);
    node.core.structure_dirty.set(true);
    node.core.touch(node);
    Ok(())
}

/// Gives the inode a block with these attributes: its own if nobody shares it, else a new one.
async fn write_block(node: &Ext2Inode, attributes: &mut [Attribute]) -> Result<()> {
    let core = &node.core;
    if attributes.is_empty() {
        return drop_block(node).await;
    }
    attributes.sort_by(|a, b| a.rank().cmp(&b.rank()));
    let old = node.raw.borrow().xattr_block();
    let own = match old {
        0 => None,
        block => {
            let buffer = core.buffers.get(core.geometry.check_block(block)?).await?;
            let sharers = get32(&buffer.data.borrow(), 4);
            (sharers <= 1).then_some(buffer)
        }
    };
    let buffer = match own {
        Some(buffer) => buffer,
        None => {
            let group = core.geometry.group_of_inode(node.ino).0;
            let block = alloc_block(core, core.geometry.group_start(group)).await?;
            let buffer = core.buffers.fresh(block);
            drop_block(node).await?;
            let mut raw = node.raw.borrow_mut();
            raw.set_xattr_block_lo(block as u32);
            raw.adjust_blocks(1, core.geometry.block_size);
            buffer
        }
    };
    let mut data = buffer.data.borrow_mut();
    encode(&mut data, BLOCK_HEADER, 0, &attributes.iter().collect::<Vec<_>>());
    let hash = attributes.iter().fold(0u32, |hash, attribute| hash.rotate_left(16) ^ attribute.hash());
    data[..BLOCK_HEADER].fill(0);
    put32(&mut data, 0, MAGIC);
    put32(&mut data, 4, 1);
    put32(&mut data, 8, 1);
    put32(&mut data, 12, hash);
    core.buffers.mark(&buffer);
    Ok(())
}

/// Takes the attribute block from the inode; it is freed with the last of those who share it.
pub(super) async fn drop_block(node: &Ext2Inode) -> Result<()> {
    let core = &node.core;
    let block = node.raw.borrow().xattr_block();
    if block == 0 {
        return Ok(());
    }
    {
        let mut raw = node.raw.borrow_mut();
        raw.set_xattr_block_lo(0);
        raw.set_xattr_block_hi(0);
        raw.adjust_blocks(-1, core.geometry.block_size);
    }
    if core.geometry.check_block(block).is_err() {
        return Ok(());
    }
    let buffer = core.buffers.get(block).await?;
    let sharers = get32(&buffer.data.borrow(), 4);
    if (2..=MAX_SHARED).contains(&sharers) {
        put32(&mut buffer.data.borrow_mut(), 4, sharers - 1);
        core.buffers.mark(&buffer);
        return Ok(());
    }
    match free_block(core, block).await {
        Ok(()) | Err(Errno::EUCLEAN) => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(prefix: u8, name: &str, value: &str) -> Attribute {
        Attribute { prefix, name: name.into(), value: value.into() }
    }

    #[test]
    fn areas_round_trip() {
        let all =
            [attribute(1, "a", "value"), attribute(1, "empty", ""), attribute(6, "selinux", "u:r:t:s0\0")];
        let mut area = vec![0xffu8; 200];
        encode(&mut area, 32, 0, &all.iter().collect::<Vec<_>>());
        assert_eq!(decode(&area, 32, 0).unwrap(), all);
        assert!(total_room(all.iter()) <= 168);
    }

    #[test]
    fn damaged_areas_are_errors_not_panics() {
        let all = [attribute(1, "name", "value")];
        let mut area = vec![0u8; 64];
        encode(&mut area, 0, 0, &all.iter().collect::<Vec<_>>());
        for at in 0..64 {
            for value in [0, 1, 0x7f, 0xff] {
                let mut damaged = area.clone();
                damaged[at] = value;
                let _ = decode(&damaged, 0, 0);
            }
        }
        assert!(decode(&[0xff; 20], 0, 0).is_err());
    }

    #[test]
    fn names_need_a_known_prefix() {
        assert_eq!(split_name(b"user.x"), Ok((1, &b"x"[..])));
        assert_eq!(split_name(b"user."), Err(Errno::EINVAL));
        assert_eq!(split_name(b"system.posix_acl_access"), Err(Errno::EOPNOTSUPP));
    }
}
