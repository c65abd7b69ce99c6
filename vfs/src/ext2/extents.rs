//! ext4's extent trees, read only (Linux Documentation/filesystems/ext4/ifork.rst).

use super::bytes::{get16, get32};
use super::map::Run;
use super::node::Ext2Inode;
use crate::inode::Result;
use linux_abi::errno::Errno;

const MAGIC: u16 = 0xf30a;
/// Bytes of the header, and of every entry.
const ENTRY: usize = 12;
/// Lengths above this mean "allocated but never written".
const MAX_WRITTEN: u64 = 0x8000;
/// The tree is never deeper.
const MAX_DEPTH: u16 = 5;

/// What a node of the tree says about a file block.
enum Step {
    Found(Run),
    Down(u64),
}

/// Searches one node. `bound` is the first file block that the node does not cover.
fn search(node: &[u8], logical: u64, bound: &mut u64) -> Result<(u16, Step)> {
    let (magic, entries, depth) = (get16(node, 0), usize::from(get16(node, 2)), get16(node, 6));
    if magic != MAGIC || depth > MAX_DEPTH || (entries + 1) * ENTRY > node.len() {
        return Err(Errno::EUCLEAN);
    }
    let first_of = |entry: usize| u64::from(get32(node, entry * ENTRY));
    let after = (1..=entries).find(|entry| first_of(*entry) > logical);
    if let Some(after) = after {
        *bound = (*bound).min(first_of(after));
    }
    let hole = Run { block: None, len: bound.saturating_sub(logical).max(1) };
    let entry = after.unwrap_or(entries + 1) - 1;
    if entry == 0 {
        return Ok((depth, Step::Found(hole)));
    }
    let at = entry * ENTRY;
    if depth > 0 {
        let child = u64::from(get32(node, at + 4)) | (u64::from(get16(node, at + 8)) << 32);
        return Ok((depth, Step::Down(child)));
    }
    let (stored, start) = (
        u64::from(get16(node, at + 4)),
        u64::from(get32(node, at + 8)) | (u64::from(get16(node, at + 6)) << 32),
    );
    let (len, written) = if stored > MAX_WRITTEN { (stored - MAX_WRITTEN, false) } else { (stored, true) };
    let inside = logical - first_of(entry);
    if inside >= len {
        return Ok((depth, Step::Found(hole)));
    }
    Ok((depth, Step::Found(Run { block: written.then_some(start + inside), len: len - inside })))
}

/// What holds the file's blocks from `logical` on, `max` of them at most.
pub(super) async fn run(node: &Ext2Inode, logical: u64, max: u64) -> Result<Run> {
    let max = max.max(1);
    let mut bound = u64::from(u32::MAX) + 1;
    if logical >= bound {
        return Ok(Run { block: None, len: max });
    }
    let (mut depth, mut step) = search(node.raw.borrow().block_area(), logical, &mut bound)?;
    loop {
        match step {
            Step::Found(Run { block, len }) => {
                if let Some(first) = block {
                    node.core.geometry.check_block(first)?;
                    node.core.geometry.check_block(first.saturating_add(len - 1))?;
                }
                return Ok(Run { block, len: len.min(max) });
            }
            Step::Down(child) => {
                let buffer = node.core.buffers.get(node.core.geometry.check_block(child)?).await?;
                let (below, next) = search(&buffer.data.borrow(), logical, &mut bound)?;
                if below >= depth {
                    return Err(Errno::EUCLEAN);
                }
                (depth, step) = (below, next);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(extents: &[(u32, u16, u32)]) -> Vec<u8> {
        let mut bytes = vec![0u8; 60];
        bytes[0..2].copy_from_slice(&MAGIC.to_le_bytes());
        bytes[2..4].copy_from_slice(&(extents.len() as u16).to_le_bytes());
        for (index, (logical, len, start)) in extents.iter().enumerate() {
            let at = (index + 1) * ENTRY;
            bytes[at..at + 4].copy_from_slice(&logical.to_le_bytes());
            bytes[at + 4..at + 6].copy_from_slice(&len.to_le_bytes());
            bytes[at + 8..at + 12].copy_from_slice(&start.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn leaves_give_runs_and_holes() {
        let node = leaf(&[(2, 3, 100), (10, 0x8000 + 4, 200)]);
        for (logical, block, len) in [
            (0, None, 2),
            (2, Some(100), 3),
            (4, Some(102), 1),
            (5, None, 5),
            (10, None, 4),
            (13, None, 1),
            (14, None, 986),
        ] {
            let mut bound = 1000;
            match search(&node, logical, &mut bound) {
                Ok((0, Step::Found(run))) => assert_eq!(run, Run { block, len }, "{logical}"),
                _ => panic!("{logical}"),
            }
        }
        assert!(search(&[0; 60], 0, &mut 1000).is_err());
        assert!(search(&leaf(&[])[..20], 0, &mut 1000).is_ok());
        let mut overfull = leaf(&[]);
        overfull[2] = 9;
        assert!(search(&overfull, 0, &mut 1000).is_err());
    }
}
