//! The superblock: geometry, features, counters (Linux Documentation/filesystems/ext4/super.rst; offsets as there).

use super::MountError;
use super::bytes::le_fields;
use linux_abi::errno::Errno;

/// Where the superblock stands on the device.
pub(super) const SUPER_OFFSET: u64 = 1024;
/// Its length.
pub(super) const SUPER_BYTES: usize = 1024;
/// Magic number of ext2, ext3 and ext4.
pub(super) const EXT2_MAGIC: u16 = 0xef53;
/// Inode number of the root directory.
pub(super) const ROOT_INO: u32 = 2;
/// `s_state`: unmounted cleanly.
pub(super) const STATE_VALID: u16 = 1;

pub(super) const COMPAT_HAS_JOURNAL: u32 = 0x4;
pub(super) const COMPAT_EXT_ATTR: u32 = 0x8;
pub(super) const INCOMPAT_FILETYPE: u32 = 0x2;
pub(super) const INCOMPAT_RECOVER: u32 = 0x4;
pub(super) const INCOMPAT_64BIT: u32 = 0x80;
pub(super) const RO_COMPAT_LARGE_FILE: u32 = 0x2;
pub(super) const RO_COMPAT_HUGE_FILE: u32 = 0x8;

/// Features that change how an image is read, with what this driver can do about each.
#[rustfmt::skip]
const INCOMPAT: &[(u32, &str, Support)] = &[
    (0x1,      "compression",  Support::None),
    (0x2,      "filetype",     Support::Write),
    (0x4,      "needs_recovery", Support::Read),
    (0x8,      "journal_dev",  Support::None),
    (0x10,     "meta_bg",      Support::None),
    (0x40,     "extents",      Support::Read),
    (0x80,     "64bit",        Support::Read),
    (0x100,    "mmp",          Support::Read),
    (0x200,    "flex_bg",      Support::Read),
    (0x400,    "ea_inode",     Support::Read),
    (0x1000,   "dirdata",      Support::None),
    (0x2000,   "metadata_csum_seed", Support::Read),
    (0x4000,   "large_dir",    Support::Read),
    (0x8000,   "inline_data",  Support::None),
    (0x10000,  "encrypt",      Support::None),
    (0x20000,  "casefold",     Support::None),
];
/// Features that only a writer must know: sparse_super, large_file, dir_nlink (never used by a writer that keeps to
/// fewer links), extra_isize. Any other makes the mount read-only.
const RO_COMPAT_WRITABLE: u32 = 0x1 | RO_COMPAT_LARGE_FILE | 0x40;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Support {
    None,
    Read,
    Write,
}

/// The raw superblock.
#[derive(Clone, Debug)]
pub(super) struct Superblock(pub(super) Box<[u8]>);

le_fields!(Superblock {
    inodes_count, set_inodes_count: u32 = 0x00, "Inodes in all groups.";
    blocks_count_lo, set_blocks_count_lo: u32 = 0x04, "Blocks, low half.";
    reserved_blocks_lo, set_reserved_blocks_lo: u32 = 0x08, "Blocks kept for root, low half.";
    free_blocks_lo, set_free_blocks_lo: u32 = 0x0c, "Free blocks, low half.";
    free_inodes, set_free_inodes: u32 = 0x10, "Free inodes.";
    first_data_block, set_first_data_block: u32 = 0x14, "Block that holds the superblock.";
    log_block_size, set_log_block_size: u32 = 0x18, "Block size is 1024 shifted by this.";
    blocks_per_group, set_blocks_per_group: u32 = 0x20, "Blocks per group.";
    inodes_per_group, set_inodes_per_group: u32 = 0x28, "Inodes per group.";
    mount_time, set_mount_time: u32 = 0x2c, "Last mount.";
    write_time, set_write_time: u32 = 0x30, "Last write.";
    mount_count, set_mount_count: u16 = 0x34, "Mounts since the last check.";
    magic, set_magic: u16 = 0x38, "Magic number.";
    state, set_state: u16 = 0x3a, "Clean or not.";
    revision, set_revision: u32 = 0x4c, "0: fixed inode size, no features.";
    first_inode, set_first_inode: u32 = 0x54, "First inode for files (revision 1).";
    inode_size, set_inode_size: u16 = 0x58, "Bytes in an inode (revision 1).";
    compat, set_compat: u32 = 0x5c, "Features that others may ignore.";
    incompat, set_incompat: u32 = 0x60, "Features that every reader must know.";
    ro_compat, set_ro_compat: u32 = 0x64, "Features that every writer must know.";
    last_orphan, set_last_orphan: u32 = 0xe8, "First of the unlinked inodes that are still open.";
    desc_size, set_desc_size: u16 = 0xfe, "Bytes in a group descriptor (64bit).";
    blocks_count_hi, set_blocks_count_hi: u32 = 0x150, "Blocks, high half (64bit).";
    reserved_blocks_hi, set_reserved_blocks_hi: u32 = 0x154, "Blocks kept for root, high half (64bit).";
    free_blocks_hi, set_free_blocks_hi: u32 = 0x158, "Free blocks, high half (64bit).";
    want_extra_isize, set_want_extra_isize: u16 = 0x15e, "Extra inode bytes that new inodes should use.";
});

impl Superblock {
    pub(super) fn is_64bit(&self) -> bool {
        self.incompat() & INCOMPAT_64BIT != 0
    }

    fn wide(&self, lo: u32, hi: u32) -> u64 {
        u64::from(lo) | if self.is_64bit() { u64::from(hi) << 32 } else { 0 }
    }

    pub(super) fn free_blocks(&self) -> u64 {
        self.wide(self.free_blocks_lo(), self.free_blocks_hi())
    }

    pub(super) fn reserved_blocks(&self) -> u64 {
        self.wide(self.reserved_blocks_lo(), self.reserved_blocks_hi())
    }

    /// Counts free blocks up or down. Only writable images get here: theirs is a 32-bit count.
    pub(super) fn adjust_free_blocks(&mut self, by: i32) {
        self.set_free_blocks_lo(self.free_blocks_lo().saturating_add_signed(by));
    }

    pub(super) fn adjust_free_inodes(&mut self, by: i32) {
        self.set_free_inodes(self.free_inodes().saturating_add_signed(by));
    }

    pub(super) fn uuid(&self) -> [u8; 16] {
        let mut uuid = [0; 16];
        if let Some(bytes) = self.0.get(0x68..0x78) {
            uuid.copy_from_slice(bytes);
        }
        uuid
    }

    pub(super) fn label(&self) -> String {
        let bytes = self.0.get(0x78..0x88).unwrap_or_default();
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        String::from_utf8_lossy(&bytes[..end]).into_owned()
    }

    /// Whether the features allow writing; an error where they do not even allow reading.
    pub(super) fn check_features(&self) -> Result<bool, MountError> {
        let mut writable = self.ro_compat() & !RO_COMPAT_WRITABLE == 0;
        let mut unknown = Vec::new();
        for bit in (0..32).map(|shift| 1u32 << shift).filter(|bit| self.incompat() & bit != 0) {
            match INCOMPAT.iter().find(|(known, ..)| *known == bit) {
                Some((_, _, Support::Write)) => {}
                Some((_, _, Support::Read)) => writable = false,
                Some((_, name, Support::None)) => unknown.push((*name).to_string()),
                None => unknown.push(format!("incompat bit {bit:#x}")),
            }
        }
        if unknown.is_empty() { Ok(writable) } else { Err(MountError::Features(unknown.join(", "))) }
    }
}

/// Sizes and counts of a file system, checked to make sense together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Geometry {
    pub(super) block_size: usize,
    pub(super) blocks: u64,
    pub(super) first_data_block: u64,
    pub(super) blocks_per_group: u64,
    pub(super) inodes_per_group: u32,
    pub(super) inodes: u32,
    pub(super) groups: u32,
    pub(super) inode_size: usize,
    pub(super) first_inode: u32,
    pub(super) desc_size: usize,
}

impl Geometry {
    pub(super) fn of(sb: &Superblock, device_size: u64) -> Result<Geometry, MountError> {
        let damaged = |what: &str| Err(MountError::Damaged(what.to_string()));
        if sb.magic() != EXT2_MAGIC {
            return Err(MountError::NotExt2);
        }
        if sb.log_block_size() > 2 {
            return match sb.log_block_size() {
                3..=6 => {
                    Err(MountError::Features(format!("blocks of {} bytes", 1024u64 << sb.log_block_size())))
                }
                _ => damaged("the block size makes no sense"),
            };
        }
        let block_size = 1024usize << sb.log_block_size();
        let (inode_size, first_inode) = match sb.revision() {
            0 => (128, 11),
            _ => (usize::from(sb.inode_size()), sb.first_inode()),
        };
        if !inode_size.is_power_of_two() || !(128..=block_size).contains(&inode_size) {
            return damaged("the inode size makes no sense");
        }
        let desc_size = match sb.desc_size() {
            size if sb.is_64bit() && (64..=1024).contains(&size) && size.is_power_of_two() => {
                usize::from(size)
            }
            _ if sb.is_64bit() => return damaged("the descriptor size makes no sense"),
            _ => 32,
        };
        let blocks = sb.wide(sb.blocks_count_lo(), sb.blocks_count_hi());
        let first_data_block = u64::from(sb.first_data_block());
        let (blocks_per_group, inodes_per_group) = (u64::from(sb.blocks_per_group()), sb.inodes_per_group());
        let bits = block_size as u64 * 8;
        if blocks_per_group == 0 || blocks_per_group > bits {
            return damaged("the group size makes no sense");
        }
        if inodes_per_group == 0 || u64::from(inodes_per_group) > bits {
            return damaged("the number of inodes per group makes no sense");
        }
        if first_data_block != u64::from(block_size == 1024) || blocks <= first_data_block {
            return damaged("the number of blocks makes no sense");
        }
        let groups = u32::try_from((blocks - first_data_block).div_ceil(blocks_per_group));
        let Ok(groups) = groups else { return damaged("there are too many groups") };
        if u64::from(sb.inodes_count()) != u64::from(groups) * u64::from(inodes_per_group) {
            return damaged("the number of inodes does not fit the groups");
        }
        match blocks.checked_mul(block_size as u64) {
            Some(bytes) if bytes <= device_size => {}
            Some(bytes) => return Err(MountError::CutShort { needs: bytes, has: device_size }),
            None => return damaged("the number of blocks makes no sense"),
        }
        Ok(Geometry {
            block_size,
            blocks,
            first_data_block,
            blocks_per_group,
            inodes_per_group,
            inodes: sb.inodes_count(),
            groups,
            inode_size,
            first_inode,
            desc_size,
        })
    }

    /// Block numbers in one indirect block.
    pub(super) fn pointers(&self) -> u64 {
        self.block_size as u64 / 4
    }

    /// Group of a block, and the block's bit in the group's bitmap.
    pub(super) fn group_of_block(&self, block: u64) -> (usize, u64) {
        let from_first = block.saturating_sub(self.first_data_block);
        ((from_first / self.blocks_per_group) as usize, from_first % self.blocks_per_group)
    }

    /// First block of a group.
    pub(super) fn group_start(&self, group: usize) -> u64 {
        self.first_data_block + group as u64 * self.blocks_per_group
    }

    /// Blocks in a group; the last one may have fewer.
    pub(super) fn blocks_in_group(&self, group: usize) -> u64 {
        self.blocks.saturating_sub(self.group_start(group)).min(self.blocks_per_group)
    }

    /// Group of an inode (counted from 1), and its position in the group.
    pub(super) fn group_of_inode(&self, ino: u32) -> (usize, u32) {
        let from_first = ino.saturating_sub(1);
        ((from_first / self.inodes_per_group) as usize, from_first % self.inodes_per_group)
    }

    /// A block number that a pointer may hold.
    pub(super) fn check_block(&self, block: u64) -> Result<u64, Errno> {
        if block > self.first_data_block && block < self.blocks { Ok(block) } else { Err(Errno::EUCLEAN) }
    }

    /// Largest file in bytes: what three levels of pointers reach, and what the 32-bit count of 512-byte units holds.
    pub(super) fn max_file_size(&self) -> u64 {
        let n = self.pointers();
        let reach = (12 + n + n * n + n * n * n) * self.block_size as u64;
        reach.min((1 << 41) - (1 << 33))
    }
}
