//! Group descriptors (Linux Documentation/filesystems/ext4/group_descr.rst).

use super::MountError;
use super::bytes::{get16, get32, put16};
use super::superblock::Geometry;

/// A group descriptor as it is used in memory.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Group {
    pub(super) block_bitmap: u64,
    pub(super) inode_bitmap: u64,
    pub(super) inode_table: u64,
    pub(super) free_blocks: u32,
    pub(super) free_inodes: u32,
    pub(super) directories: u32,
    /// Counters differ from the device's.
    pub(super) dirty: bool,
}

impl Group {
    /// Offsets of the low halves, and of the high halves in 64-byte descriptors.
    const BLOCK_BITMAP: (usize, usize) = (0x00, 0x20);
    const INODE_BITMAP: (usize, usize) = (0x04, 0x24);
    const INODE_TABLE: (usize, usize) = (0x08, 0x28);
    const FREE_BLOCKS: (usize, usize) = (0x0c, 0x2c);
    const FREE_INODES: (usize, usize) = (0x0e, 0x2e);
    const DIRECTORIES: (usize, usize) = (0x10, 0x30);

    /// Decodes one descriptor and checks that it points into the file system.
    pub(super) fn decode(raw: &[u8], geometry: &Geometry) -> Result<Group, MountError> {
        let wide = geometry.desc_size >= 64;
        let block = |(lo, hi): (usize, usize)| {
            u64::from(get32(raw, lo)) | if wide { u64::from(get32(raw, hi)) << 32 } else { 0 }
        };
        let count = |(lo, hi): (usize, usize)| {
            u32::from(get16(raw, lo)) | if wide { u32::from(get16(raw, hi)) << 16 } else { 0 }
        };
        let group = Group {
            block_bitmap: block(Group::BLOCK_BITMAP),
            inode_bitmap: block(Group::INODE_BITMAP),
            inode_table: block(Group::INODE_TABLE),
            free_blocks: count(Group::FREE_BLOCKS),
            free_inodes: count(Group::FREE_INODES),
            directories: count(Group::DIRECTORIES),
            dirty: false,
        };
        let table = u64::from(geometry.inodes_per_group) * geometry.inode_size as u64;
        let table_end = group.inode_table.checked_add(table.div_ceil(geometry.block_size as u64));
        let inside = geometry.check_block(group.block_bitmap).is_ok()
            && geometry.check_block(group.inode_bitmap).is_ok()
            && geometry.check_block(group.inode_table).is_ok()
            && table_end.is_some_and(|end| end <= geometry.blocks);
        if inside {
            Ok(group)
        } else {
            Err(MountError::Damaged("a group descriptor points outside the file system".to_string()))
        }
    }

    /// Writes the counters into a 32-byte descriptor.
    pub(super) fn encode_counters(&self, raw: &mut [u8]) {
        put16(raw, Group::FREE_BLOCKS.0, self.free_blocks as u16);
        put16(raw, Group::FREE_INODES.0, self.free_inodes as u16);
        put16(raw, Group::DIRECTORIES.0, self.directories as u16);
    }
}
