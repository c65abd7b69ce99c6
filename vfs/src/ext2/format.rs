//! Making an empty file system.
//!
//! The layout is the plain one of `mke2fs -t ext2`: each group holds a copy of superblock and descriptors where
//! `sparse_super` wants one, then its bitmaps, its part of the inode table, and data.

use super::bytes::{put16, put32};
use super::inode::{ATIME, CRTIME, CTIME, MTIME, RawInode};
use super::superblock::{
    COMPAT_EXT_ATTR, EXT2_MAGIC, Geometry, INCOMPAT_FILETYPE, RO_COMPAT_LARGE_FILE, ROOT_INO, STATE_VALID,
    SUPER_BYTES, SUPER_OFFSET, Superblock,
};
use super::{Ext2, Ext2Options, MountError};
use crate::inode::{FileSystem, FileType, NewNode, Timestamp};
use crate::page_cache::PageCache;
use blockdev::BlockDevice;
use guest_mem::FramePool;
use std::rc::Rc;

const BLOCK: u64 = 4096;
const INODE: u64 = 256;
const BLOCKS_PER_GROUP: u64 = BLOCK * 8;
/// Inodes below the first that files can have.
const FIRST_INODE: u64 = 11;
const RO_COMPAT_SPARSE_SUPER: u32 = 1;

/// How to make a file system.
#[derive(Clone, Debug)]
pub struct FormatOptions {
    /// Volume label; what does not fit in 16 bytes is cut.
    pub label: String,
    /// Volume UUID. The caller has randomness; this crate has none.
    pub uuid: [u8; 16],
    /// Bytes of device per inode.
    pub bytes_per_inode: u64,
    /// The device reads as zeros everywhere, so that zeros need not be written.
    pub device_is_zero: bool,
    /// Time of creation.
    pub now: Timestamp,
}

/// Sizes and places of a file system to be made.
struct Layout {
    blocks: u64,
    groups: u64,
    inodes_per_group: u64,
    table_blocks: u64,
    desc_blocks: u64,
}

impl Layout {
    fn of(size: u64, bytes_per_inode: u64) -> Result<Layout, MountError> {
        let too_small = || MountError::Damaged("the device is too small for a file system".to_string());
        let mut blocks = (size / BLOCK).min(u64::from(u32::MAX));
        loop {
            let groups = blocks.div_ceil(BLOCKS_PER_GROUP);
            let wanted =
                (blocks * BLOCK / bytes_per_inode.max(1024)).max(2 * FIRST_INODE).div_ceil(groups.max(1));
            let inodes_per_group = wanted.next_multiple_of(BLOCK / INODE).min(BLOCK * 8);
            let layout = Layout {
                blocks,
                groups,
                inodes_per_group,
                table_blocks: inodes_per_group * INODE / BLOCK,
                desc_blocks: (groups * 32).div_ceil(BLOCK),
            };
            // A last group with hardly more than its own tables is left off.
            let last = blocks.saturating_sub((groups.max(1) - 1) * BLOCKS_PER_GROUP);
            if last >= layout.overhead(groups.max(1) - 1) + 50 {
                return Ok(layout);
            }
            if groups <= 1 {
                return Err(too_small());
            }
            blocks = (groups - 1) * BLOCKS_PER_GROUP;
        }
    }

    /// Whether a group has copies of superblock and descriptors: 0, 1, and powers of 3, 5 and 7.
    fn has_super(group: u64) -> bool {
        let power = |base: u64| {
            let mut value = base;
            while value < group {
                value *= base;
            }
            value == group
        };
        group <= 1 || power(3) || power(5) || power(7)
    }

    fn copies(&self, group: u64) -> u64 {
        if Layout::has_super(group) { 1 + self.desc_blocks } else { 0 }
    }

    fn overhead(&self, group: u64) -> u64 {
        self.copies(group) + 2 + self.table_blocks
    }

    fn start(&self, group: u64) -> u64 {
        group * BLOCKS_PER_GROUP
    }

    fn blocks_in(&self, group: u64) -> u64 {
        (self.blocks - self.start(group)).min(BLOCKS_PER_GROUP)
    }

    /// Blocks of a group that are in use; the first group also holds the root directory.
    fn used(&self, group: u64) -> u64 {
        self.overhead(group) + u64::from(group == 0)
    }

    fn superblock(&self, options: &FormatOptions) -> Superblock {
        let mut sb = Superblock(vec![0; SUPER_BYTES].into());
        let inodes = (self.groups * self.inodes_per_group) as u32;
        let free = (0..self.groups).map(|group| self.blocks_in(group) - self.used(group)).sum::<u64>();
        sb.set_inodes_count(inodes);
        sb.set_blocks_count_lo(self.blocks as u32);
        sb.set_free_blocks_lo(free as u32);
        sb.set_free_inodes(inodes - (FIRST_INODE as u32 - 1));
        sb.set_log_block_size(2);
        sb.set_blocks_per_group(BLOCKS_PER_GROUP as u32);
        sb.set_inodes_per_group(self.inodes_per_group as u32);
        sb.set_write_time(options.now.seconds as u32);
        sb.set_magic(EXT2_MAGIC);
        sb.set_state(STATE_VALID);
        sb.set_revision(1);
        sb.set_first_inode(FIRST_INODE as u32);
        sb.set_inode_size(INODE as u16);
        sb.set_compat(COMPAT_EXT_ATTR);
        sb.set_incompat(INCOMPAT_FILETYPE);
        sb.set_ro_compat(RO_COMPAT_SPARSE_SUPER | RO_COMPAT_LARGE_FILE);
        sb.set_want_extra_isize(32);
        let raw = &mut sb.0;
        // Fragments, as blocks; no limit on mounts; errors: go on; last check; owners of the reserve: root.
        put32(raw, 0x1c, 2);
        put32(raw, 0x24, BLOCKS_PER_GROUP as u32);
        put16(raw, 0x36, u16::MAX);
        put16(raw, 0x3c, 1);
        put32(raw, 0x40, options.now.seconds as u32);
        put32(raw, 0x108, options.now.seconds as u32);
        put16(raw, 0x15c, 32);
        raw[0x68..0x78].copy_from_slice(&options.uuid);
        let label = &options.label.as_bytes()[..options.label.len().min(16)];
        raw[0x78..0x78 + label.len()].copy_from_slice(label);
        sb
    }

    fn descriptors(&self) -> Vec<u8> {
        let mut raw = vec![0; (self.desc_blocks * BLOCK) as usize];
        for (group, desc) in (0..self.groups).zip(raw.chunks_mut(32)) {
            let first = self.start(group) + self.copies(group);
            put32(desc, 0, first as u32);
            put32(desc, 4, first as u32 + 1);
            put32(desc, 8, first as u32 + 2);
            put16(desc, 12, (self.blocks_in(group) - self.used(group)) as u16);
            let reserved = if group == 0 { FIRST_INODE - 1 } else { 0 };
            put16(desc, 14, (self.inodes_per_group - reserved) as u16);
            put16(desc, 16, u16::from(group == 0));
        }
        raw
    }
}

/// A bitmap block with the first `used` bits set, and those from `limit` on.
fn bitmap(used: u64, limit: u64) -> Vec<u8> {
    let mut bits = vec![0u8; BLOCK as usize];
    for bit in (0..used).chain(limit..BLOCK * 8) {
        bits[(bit / 8) as usize] |= 1 << (bit % 8);
    }
    bits
}

pub(super) async fn format(device: Rc<dyn BlockDevice>, options: FormatOptions) -> Result<(), MountError> {
    let layout = Layout::of(device.size(), options.bytes_per_inode)?;
    let (sb, descriptors) = (layout.superblock(&options), layout.descriptors());
    let geometry = Geometry::of(&sb, device.size())?;
    for group in 0..layout.groups {
        let first = layout.start(group) + layout.copies(group);
        let blocks = bitmap(layout.used(group), layout.blocks_in(group));
        device.write(first * BLOCK, &blocks).await?;
        let reserved = if group == 0 { FIRST_INODE - 1 } else { 0 };
        device.write((first + 1) * BLOCK, &bitmap(reserved, layout.inodes_per_group)).await?;
        if !options.device_is_zero {
            let zeros = vec![0; BLOCK as usize];
            for block in 0..layout.table_blocks {
                device.write((first + 2 + block) * BLOCK, &zeros).await?;
            }
        }
        if group > 0 && Layout::has_super(group) {
            let mut copy = sb.clone();
            put16(&mut copy.0, 0x5a, group as u16);
            device.write(layout.start(group) * BLOCK, &copy.0).await?;
            device.write((layout.start(group) + 1) * BLOCK, &descriptors).await?;
        }
    }
    device.write(BLOCK, &descriptors).await?;
    write_root(&*device, &layout, &geometry, options.now).await?;
    device.write(0, &[0; SUPER_OFFSET as usize]).await?;
    device.write(SUPER_OFFSET, &sb.0).await?;
    // A check wants a place for what it finds.
    let cache = PageCache::new(&FramePool::new(64), 32);
    let fs = Ext2::mount(device, &cache, Ext2Options::default()).await?;
    let node = NewNode {
        file_type: FileType::Directory,
        permissions: 0o700,
        uid: 0,
        gid: 0,
        rdev: 0,
        target: &[],
        now: options.now,
    };
    let failed = |_| MountError::Damaged("the new file system cannot be written".to_string());
    fs.root().create(b"lost+found", &node).await.map_err(failed)?;
    fs.unmount().await.map_err(failed)
}

async fn write_root(
    device: &dyn BlockDevice,
    layout: &Layout,
    geometry: &Geometry,
    now: Timestamp,
) -> Result<(), MountError> {
    let mut raw = RawInode::zeroed(geometry, 32);
    let block = layout.overhead(0);
    raw.set_mode((FileType::Directory.mode_bits() | 0o755) as u16);
    raw.set_links(2);
    raw.set_size(BLOCK);
    raw.set_pointer(0, block);
    raw.adjust_blocks(1, BLOCK as usize);
    for field in [ATIME, CTIME, MTIME, CRTIME] {
        raw.set_time(field, now);
    }
    let table = (layout.copies(0) + 2) * BLOCK;
    device.write(table + u64::from(ROOT_INO - 1) * INODE, &raw.0).await?;
    let mut entries = vec![0; BLOCK as usize];
    for (at, len, name) in [(0, 12, &b"."[..]), (12, BLOCK as usize - 12, b"..")] {
        put32(&mut entries, at, ROOT_INO);
        put16(&mut entries, at + 4, len as u16);
        put16(&mut entries, at + 6, name.len() as u16 | 0x200);
        entries[at + 8..at + 8 + name.len()].copy_from_slice(name);
    }
    device.write(block * BLOCK, &entries).await?;
    Ok(())
}
