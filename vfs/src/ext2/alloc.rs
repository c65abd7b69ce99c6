//! Free blocks and inodes: bitmaps, counters, and where to put things.
//!
//! Called only from within a change ([`Core::exclusive`]).

use super::core::Core;
use super::superblock::ROOT_INO;
use crate::inode::Result;
use linux_abi::errno::Errno;

/// First clear bit in `from..limit` that is not refused.
fn find_clear(bits: &[u8], from: u64, limit: u64, refused: impl Fn(u64) -> bool) -> Option<u64> {
    let mut bit = from;
    while bit < limit {
        let byte = *bits.get((bit / 8) as usize)?;
        if byte == 0xff {
            bit = (bit / 8 + 1) * 8;
            continue;
        }
        if byte & (1 << (bit % 8)) == 0 && !refused(bit) {
            return Some(bit);
        }
        bit += 1;
    }
    None
}

/// Sets or clears a bit and gives its old value.
fn change_bit(bits: &mut [u8], bit: u64, value: bool) -> Option<bool> {
    let byte = bits.get_mut((bit / 8) as usize)?;
    let mask = 1 << (bit % 8);
    let old = *byte & mask != 0;
    *byte = if value { *byte | mask } else { *byte & !mask };
    Some(old)
}

/// Takes a free block, at `goal` or soon after it if possible. `ENOSPC` where there is none.
pub(super) async fn alloc_block(core: &Core, goal: u64) -> Result<u64> {
    if core.sb.borrow().free_blocks() == 0 {
        return Err(Errno::ENOSPC);
    }
    let geometry = &core.geometry;
    let goal = if geometry.check_block(goal).is_ok() { goal } else { geometry.first_data_block };
    let (first_group, first_bit) = geometry.group_of_block(goal);
    let groups = geometry.groups as usize;
    for spare_freed in [true, false] {
        if !spare_freed && core.freed.borrow().is_empty() {
            break;
        }
        // The goal's group is met again at the end, for the blocks before the goal.
        for step in 0..=groups {
            let group = (first_group + step) % groups;
            let Some(desc) = core.groups.borrow().get(group).copied().filter(|desc| desc.free_blocks > 0)
            else {
                continue;
            };
            let buffer = core.buffers.get(desc.block_bitmap).await?;
            let base = geometry.group_start(group);
            let from = if step == 0 { first_bit } else { 0 };
            let found = {
                let freed = core.freed.borrow();
                let refused = |bit| spare_freed && freed.contains(base + bit);
                find_clear(&buffer.data.borrow(), from, geometry.blocks_in_group(group), refused)
            };
            let Some(bit) = found else { continue };
            change_bit(&mut buffer.data.borrow_mut(), bit, true);
            core.buffers.mark(&buffer);
            if let Some(desc) = core.groups.borrow_mut().get_mut(group) {
                desc.free_blocks = desc.free_blocks.saturating_sub(1);
                desc.dirty = true;
            }
            core.sb.borrow_mut().adjust_free_blocks(-1);
            core.structure_dirty.set(true);
            return Ok(base + bit);
        }
    }
    Err(Errno::ENOSPC)
}

/// Gives a block back. `EUCLEAN` where it was not in use.
pub(super) async fn free_block(core: &Core, block: u64) -> Result<()> {
    core.geometry.check_block(block)?;
    core.buffers.forget(block);
    let (group, bit) = core.geometry.group_of_block(block);
    let bitmap = core.groups.borrow().get(group).map(|desc| desc.block_bitmap).ok_or(Errno::EUCLEAN)?;
    let buffer = core.buffers.get(bitmap).await?;
    if change_bit(&mut buffer.data.borrow_mut(), bit, false) != Some(true) {
        return Err(Errno::EUCLEAN);
    }
    core.buffers.mark(&buffer);
    if let Some(desc) = core.groups.borrow_mut().get_mut(group) {
        desc.free_blocks += 1;
        desc.dirty = true;
    }
    core.sb.borrow_mut().adjust_free_blocks(1);
    core.freed.borrow_mut().insert(block);
    core.structure_dirty.set(true);
    Ok(())
}

/// Groups in the order in which to look for an inode. A directory in the root goes where there is most room, so that
/// trees spread; everything else goes near its parent.
fn inode_groups(core: &Core, parent: u32, directory: bool) -> Vec<usize> {
    let groups = core.groups.borrow();
    let near = core.geometry.group_of_inode(parent).0;
    let start = if directory && parent == ROOT_INO {
        let room = |(_, group): &(usize, &super::group::Group)| {
            (group.free_inodes.min(group.free_blocks), std::cmp::Reverse(group.directories))
        };
        groups.iter().enumerate().max_by_key(room).map_or(near, |(index, _)| index)
    } else {
        near
    };
    let count = groups.len().max(1);
    let in_order = (0..count).map(|step| (start + step) % count);
    let has = |index: &usize, blocks: u32| {
        groups.get(*index).is_some_and(|group| group.free_inodes > 0 && group.free_blocks >= blocks)
    };
    // First those with blocks as well, then any.
    let (mut best, rest): (Vec<_>, Vec<_>) =
        in_order.filter(|index| has(index, 0)).partition(|index| has(index, 1));
    best.extend(rest);
    best
}

/// Takes a free inode number. `ENOSPC` where there is none.
pub(super) async fn alloc_inode(core: &Core, parent: u32, directory: bool) -> Result<u32> {
    for group in inode_groups(core, parent, directory) {
        let Some(desc) = core.groups.borrow().get(group).copied() else { continue };
        let buffer = core.buffers.get(desc.inode_bitmap).await?;
        let per_group = core.geometry.inodes_per_group;
        let base = group as u32 * per_group + 1;
        let reserved = |bit: u64| base + (bit as u32) < core.geometry.first_inode;
        let found = find_clear(&buffer.data.borrow(), 0, u64::from(per_group), reserved);
        let Some(bit) = found else { continue };
        change_bit(&mut buffer.data.borrow_mut(), bit, true);
        core.buffers.mark(&buffer);
        if let Some(desc) = core.groups.borrow_mut().get_mut(group) {
            desc.free_inodes = desc.free_inodes.saturating_sub(1);
            desc.directories += u32::from(directory);
            desc.dirty = true;
        }
        core.sb.borrow_mut().adjust_free_inodes(-1);
        core.structure_dirty.set(true);
        return Ok(base + bit as u32);
    }
    Err(Errno::ENOSPC)
}

/// Gives an inode number back.
pub(super) async fn free_inode(core: &Core, ino: u32, directory: bool) -> Result<()> {
    let (group, index) = core.geometry.group_of_inode(ino);
    let bitmap = core.groups.borrow().get(group).map(|desc| desc.inode_bitmap).ok_or(Errno::EUCLEAN)?;
    let buffer = core.buffers.get(bitmap).await?;
    if change_bit(&mut buffer.data.borrow_mut(), u64::from(index), false) != Some(true) {
        return Ok(());
    }
    core.buffers.mark(&buffer);
    if let Some(desc) = core.groups.borrow_mut().get_mut(group) {
        desc.free_inodes += 1;
        desc.directories = desc.directories.saturating_sub(u32::from(directory));
        desc.dirty = true;
    }
    core.sb.borrow_mut().adjust_free_inodes(1);
    core.structure_dirty.set(true);
    Ok(())
}
