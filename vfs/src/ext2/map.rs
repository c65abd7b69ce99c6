//! Which block holds which part of a file: 12 direct pointers, then trees of one, two and three levels.

use super::alloc::{alloc_block, free_block};
use super::bytes::{get32, put32};
use super::extents;
use super::inode::FLAG_EXTENTS;
use super::node::Ext2Inode;
use crate::inode::Result;
use linux_abi::errno::Errno;
use std::future::Future;
use std::pin::Pin;

/// Pointers to data blocks in the inode itself.
const DIRECT: u64 = 12;

/// A part of a file that lies in one piece on the device, or nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// First block; none for a hole.
    pub(super) block: Option<u64>,
    /// Blocks; at least one.
    pub(super) len: u64,
}

/// The way from the inode to a pointer: a slot of the inode, then an index in each block of pointers.
struct Way {
    slot: usize,
    depth: usize,
    index: [u64; 3],
}

impl Way {
    fn to(logical: u64, pointers: u64) -> Option<Way> {
        if logical < DIRECT {
            return Some(Way { slot: logical as usize, depth: 0, index: [0; 3] });
        }
        let mut rest = logical - DIRECT;
        let (n, nn) = (pointers, pointers * pointers);
        if rest < n {
            return Some(Way { slot: 12, depth: 1, index: [rest, 0, 0] });
        }
        rest -= n;
        if rest < nn {
            return Some(Way { slot: 13, depth: 2, index: [rest / n, rest % n, 0] });
        }
        rest -= nn;
        let way = Way { slot: 14, depth: 3, index: [rest / nn, rest / n % n, rest % n] };
        (rest < nn * n).then_some(way)
    }

    /// From this place to the end of what one pointer at a level covers, in data blocks.
    fn left_under(&self, level: usize, pointers: u64) -> u64 {
        let (mut span, mut inside) = (1, 0);
        for deeper in (level..self.depth).rev() {
            inside += self.index[deeper] * span;
            span *= pointers;
        }
        span - inside
    }
}

/// What holds the file's blocks from `logical` on, `max` of them at most.
pub(super) async fn run(node: &Ext2Inode, logical: u64, max: u64) -> Result<Run> {
    if node.raw.borrow().flags() & FLAG_EXTENTS != 0 {
        return extents::run(node, logical, max).await;
    }
    let core = &node.core;
    let pointers = core.geometry.pointers();
    let max = max.max(1);
    let Some(way) = Way::to(logical, pointers) else { return Ok(Run { block: None, len: max }) };
    let mut pointer = node.raw.borrow().pointer(way.slot);
    if way.depth == 0 {
        let raw = node.raw.borrow();
        let following = (way.slot as u64 + 1..DIRECT).map(|slot| raw.pointer(slot as usize));
        return leaf_run(node, pointer, following, max);
    }
    for level in 0..way.depth {
        if pointer == 0 {
            return Ok(Run { block: None, len: way.left_under(level, pointers).min(max) });
        }
        let buffer = core.buffers.get(core.geometry.check_block(pointer)?).await?;
        let data = buffer.data.borrow();
        let index = way.index[level];
        pointer = u64::from(get32(&data, index as usize * 4));
        if level + 1 == way.depth {
            let following = (index + 1..pointers).map(|index| u64::from(get32(&data, index as usize * 4)));
            return leaf_run(node, pointer, following, max);
        }
    }
    Err(Errno::EUCLEAN)
}

/// Counts how far data pointers go on as they started: one after the other, or all zero.
fn leaf_run(node: &Ext2Inode, first: u64, following: impl Iterator<Item = u64>, max: u64) -> Result<Run> {
    let limit = usize::try_from(max - 1).unwrap_or(usize::MAX);
    if first == 0 {
        let len = 1 + following.take(limit).take_while(|next| *next == 0).count() as u64;
        return Ok(Run { block: None, len });
    }
    let geometry = &node.core.geometry;
    geometry.check_block(first)?;
    let goes_on = |(next, expected): &(u64, u64)| next == expected && geometry.check_block(*next).is_ok();
    let len = 1 + following.take(limit).zip(first + 1..).take_while(goes_on).count() as u64;
    Ok(Run { block: Some(first), len })
}

/// A block of a file that is there now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allocated {
    pub(super) block: u64,
    /// It was not there before, and its content on the device means nothing.
    pub(super) fresh: bool,
}

/// Makes sure that a block of the file exists. Either all that it takes is allocated, or nothing.
pub(super) async fn allocate(node: &Ext2Inode, logical: u64) -> Result<Allocated> {
    let core = &node.core;
    let way = Way::to(logical, core.geometry.pointers()).ok_or(Errno::EFBIG)?;
    let mut pointer = node.raw.borrow().pointer(way.slot);
    let mut parent = None;
    let mut level = 0;
    while pointer != 0 && level < way.depth {
        let buffer = core.buffers.get(core.geometry.check_block(pointer)?).await?;
        pointer = u64::from(get32(&buffer.data.borrow(), way.index[level] as usize * 4));
        parent = Some(buffer);
        level += 1;
    }
    if pointer != 0 {
        node.hint.set((logical, pointer));
        return Ok(Allocated { block: core.geometry.check_block(pointer)?, fresh: false });
    }
    let mut goal = match &parent {
        Some(parent) => goal(node, logical, Some((&parent.data.borrow(), way.index[level - 1]))),
        None => goal(node, logical, None),
    };
    let mut got = Vec::with_capacity(4);
    for _ in level..=way.depth {
        match alloc_block(core, goal).await {
            Ok(block) => {
                goal = block + 1;
                got.push(block);
            }
            Err(error) => {
                for block in got {
                    free_block(core, block).await?;
                }
                return Err(error);
            }
        }
    }
    // Hang each new block of pointers before the next, then the whole chain where it belongs.
    for (step, pair) in got.windows(2).enumerate() {
        let buffer = core.buffers.fresh(pair[0]);
        put32(&mut buffer.data.borrow_mut(), way.index[level + step] as usize * 4, pair[1] as u32);
    }
    let (Some(&top), Some(&block)) = (got.first(), got.last()) else { return Err(Errno::EUCLEAN) };
    match parent {
        Some(parent) => {
            put32(&mut parent.data.borrow_mut(), way.index[level - 1] as usize * 4, top as u32);
            core.buffers.mark(&parent);
        }
        None => node.raw.borrow_mut().set_pointer(way.slot, top),
    }
    node.raw.borrow_mut().adjust_blocks(got.len() as i64, core.geometry.block_size);
    core.touch(node);
    node.hint.set((logical, block));
    Ok(Allocated { block, fresh: true })
}

/// Where a new block should go: after the one before it in the file, else in the inode's group.
fn goal(node: &Ext2Inode, logical: u64, siblings: Option<(&[u8], u64)>) -> u64 {
    let (last_logical, last_block) = node.hint.get();
    if last_block != 0 && last_logical.checked_add(1) == Some(logical) {
        return last_block + 1;
    }
    let before = match siblings {
        Some((data, index)) => (0..index)
            .rev()
            .take(64)
            .map(|index| u64::from(get32(data, index as usize * 4)))
            .find(|block| *block != 0),
        None => {
            let raw = node.raw.borrow();
            (0..logical.min(DIRECT)).rev().map(|slot| raw.pointer(slot as usize)).find(|block| *block != 0)
        }
    };
    match before {
        Some(before) => before + 1,
        None => {
            let geometry = &node.core.geometry;
            let group = geometry.group_of_inode(node.ino).0;
            // Inodes of one group start in different parts of it, so that files growing together do not interleave.
            let share = geometry.blocks_in_group(group) / 16;
            geometry.group_start(group) + share * u64::from(node.ino % 16)
        }
    }
}

/// Frees the file's blocks in `first..end`, and blocks of pointers that become empty.
pub(super) async fn free_range(node: &Ext2Inode, first: u64, end: u64) -> Result<()> {
    node.hint.set((0, 0));
    for slot in first.min(DIRECT)..end.min(DIRECT) {
        let block = node.raw.borrow().pointer(slot as usize);
        if block != 0 {
            node.raw.borrow_mut().set_pointer(slot as usize, 0);
            release(node, block).await?;
        }
    }
    let pointers = node.core.geometry.pointers();
    let (mut base, mut span) = (DIRECT, 1);
    for levels in 1..=3u32 {
        span *= pointers;
        let slot = 11 + levels as usize;
        let block = node.raw.borrow().pointer(slot);
        if block != 0 && first < base + span && end > base {
            let tree = Tree { block, levels, base, span: span / pointers };
            if free_tree(node, tree, first, end).await? {
                node.raw.borrow_mut().set_pointer(slot, 0);
                release(node, block).await?;
            }
        }
        base += span;
    }
    node.core.touch(node);
    Ok(())
}

async fn release(node: &Ext2Inode, block: u64) -> Result<()> {
    free_block(&node.core, block).await?;
    node.raw.borrow_mut().adjust_blocks(-1, node.core.geometry.block_size);
    Ok(())
}

/// A block of pointers, the first file block it leads to, and how many each pointer covers.
#[derive(Clone, Copy)]
struct Tree {
    block: u64,
    levels: u32,
    base: u64,
    span: u64,
}

/// Frees a range within a tree. True where nothing is left in its block of pointers.
fn free_tree<'a>(
    node: &'a Ext2Inode,
    tree: Tree,
    first: u64,
    end: u64,
) -> Pin<Box<dyn Future<Output = Result<bool>> + 'a>> {
    Box::pin(async move {
        let core = &node.core;
        let pointers = core.geometry.pointers();
        let buffer = core.buffers.get(core.geometry.check_block(tree.block)?).await?;
        let from = first.saturating_sub(tree.base) / tree.span;
        let to = end.saturating_sub(tree.base).div_ceil(tree.span).min(pointers);
        for index in from..to {
            let at = index as usize * 4;
            let block = u64::from(get32(&buffer.data.borrow(), at));
            if block == 0 {
                continue;
            }
            if tree.levels > 1 {
                let base = tree.base + index * tree.span;
                let child = Tree { block, levels: tree.levels - 1, base, span: tree.span / pointers };
                if !free_tree(node, child, first, end).await? {
                    continue;
                }
            }
            put32(&mut buffer.data.borrow_mut(), at, 0);
            core.buffers.mark(&buffer);
            release(node, block).await?;
        }
        let empty = buffer.data.borrow().iter().all(|byte| *byte == 0);
        Ok(empty)
    })
}

#[cfg(test)]
mod tests {
    use super::Way;

    #[test]
    fn ways_cover_the_file_without_gaps() {
        let n = 256;
        for (logical, slot, index) in [
            (0, 0, [0, 0, 0]),
            (11, 11, [0, 0, 0]),
            (12, 12, [0, 0, 0]),
            (12 + n - 1, 12, [n - 1, 0, 0]),
            (12 + n, 13, [0, 0, 0]),
            (12 + n + n * n - 1, 13, [n - 1, n - 1, 0]),
            (12 + n + n * n, 14, [0, 0, 0]),
            (12 + n + n * n + n * n * n - 1, 14, [n - 1, n - 1, n - 1]),
        ] {
            let way = Way::to(logical, n).unwrap();
            assert_eq!((way.slot, way.index), (slot, index), "{logical}");
        }
        assert!(Way::to(12 + n + n * n + n * n * n, n).is_none());
        assert!(Way::to(u64::MAX, n).is_none());
    }

    #[test]
    fn holes_reach_to_the_end_of_what_a_pointer_covers() {
        let n = 256;
        let way = Way::to(12 + n + 5 * n + 7, n).unwrap();
        assert_eq!(way.left_under(0, n), n * n - 5 * n - 7);
        assert_eq!(way.left_under(1, n), n - 7);
    }
}
