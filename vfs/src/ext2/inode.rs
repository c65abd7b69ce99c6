//! The on-disk inode (Linux Documentation/filesystems/ext4/inodes.rst; offsets as there).

use super::bytes::{get32, le_fields, put32};
use super::superblock::Geometry;
use crate::inode::{FileType, Timestamp};

/// `i_flags`: the directory has a hash index.
pub(super) const FLAG_INDEX: u32 = 0x1000;
/// `i_flags`: the block count is in file-system blocks.
const FLAG_HUGE_FILE: u32 = 0x4_0000;
/// `i_flags`: the block area holds an extent tree.
pub(super) const FLAG_EXTENTS: u32 = 0x8_0000;
/// Bytes of the record that every revision has.
pub(super) const GOOD_OLD_SIZE: usize = 128;
/// The block area: 12 direct pointers, then single, double and triple indirect ones.
pub(super) const BLOCK_AREA: usize = 0x28;
/// Its length; a symlink of fewer bytes lives in it.
pub(super) const BLOCK_AREA_BYTES: usize = 60;

/// The raw inode, kept whole so that what is not understood is preserved.
#[derive(Clone, Debug)]
pub(super) struct RawInode(pub(super) Box<[u8]>);

le_fields!(RawInode {
    mode, set_mode: u16 = 0x00, "Type and permissions.";
    uid_lo, set_uid_lo: u16 = 0x02, "Owner, low half.";
    size_lo, set_size_lo: u32 = 0x04, "Bytes, low half.";
    atime, set_atime: u32 = 0x08, "Last access.";
    ctime, set_ctime: u32 = 0x0c, "Last change of the inode.";
    mtime, set_mtime: u32 = 0x10, "Last change of the content.";
    dtime, set_dtime: u32 = 0x14, "Deletion; next orphan while on that list.";
    gid_lo, set_gid_lo: u16 = 0x18, "Group, low half.";
    links, set_links: u16 = 0x1a, "Names.";
    units_lo, set_units_lo: u32 = 0x1c, "512-byte units in use.";
    flags, set_flags: u32 = 0x20, "Flags.";
    generation, set_generation: u32 = 0x64, "Tells reuses of the number apart.";
    xattr_block_lo, set_xattr_block_lo: u32 = 0x68, "Block of extended attributes.";
    size_hi, set_size_hi: u32 = 0x6c, "Bytes, high half (regular files).";
    units_hi, set_units_hi: u16 = 0x74, "512-byte units, high half (huge_file).";
    xattr_block_hi, set_xattr_block_hi: u16 = 0x76, "Block of extended attributes, high half (64bit).";
    uid_hi, set_uid_hi: u16 = 0x78, "Owner, high half.";
    gid_hi, set_gid_hi: u16 = 0x7a, "Group, high half.";
    extra_isize, set_extra_isize: u16 = 0x80, "Bytes used after the first 128.";
});

/// One of the four times: offset of the seconds, and of the extra part.
#[derive(Clone, Copy)]
pub(super) struct TimeField(usize, usize);

pub(super) const ATIME: TimeField = TimeField(0x08, 0x8c);
pub(super) const CTIME: TimeField = TimeField(0x0c, 0x84);
pub(super) const MTIME: TimeField = TimeField(0x10, 0x88);
pub(super) const CRTIME: TimeField = TimeField(0x90, 0x94);

impl RawInode {
    /// An inode of zeros, with as much of the extra part in use as times and version need.
    pub(super) fn zeroed(geometry: &Geometry, want_extra: u16) -> RawInode {
        let mut raw = RawInode(vec![0; geometry.inode_size].into());
        let room = geometry.inode_size - GOOD_OLD_SIZE;
        if room > 0 {
            let extra = usize::from(want_extra).max(32).min(room) & !3;
            raw.set_extra_isize(extra as u16);
        }
        raw
    }

    /// Bytes of the extra part in use; 0 where there is none or it makes no sense.
    pub(super) fn extra(&self) -> usize {
        let extra = usize::from(if self.0.len() > GOOD_OLD_SIZE { self.extra_isize() } else { 0 });
        if extra.is_multiple_of(4) && GOOD_OLD_SIZE + extra <= self.0.len() { extra } else { 0 }
    }

    fn has_field(&self, at: usize) -> bool {
        at + 4 <= GOOD_OLD_SIZE + self.extra()
    }

    pub(super) fn file_type(&self) -> Option<FileType> {
        FileType::from_mode(u32::from(self.mode()))
    }

    pub(super) fn size(&self) -> u64 {
        let high = if self.file_type() == Some(FileType::Regular) { self.size_hi() } else { 0 };
        u64::from(self.size_lo()) | (u64::from(high) << 32)
    }

    pub(super) fn set_size(&mut self, size: u64) {
        self.set_size_lo(size as u32);
        if self.file_type() == Some(FileType::Regular) {
            self.set_size_hi((size >> 32) as u32);
        }
    }

    pub(super) fn uid(&self) -> u32 {
        u32::from(self.uid_lo()) | (u32::from(self.uid_hi()) << 16)
    }

    pub(super) fn set_uid(&mut self, uid: u32) {
        self.set_uid_lo(uid as u16);
        self.set_uid_hi((uid >> 16) as u16);
    }

    pub(super) fn gid(&self) -> u32 {
        u32::from(self.gid_lo()) | (u32::from(self.gid_hi()) << 16)
    }

    pub(super) fn set_gid(&mut self, gid: u32) {
        self.set_gid_lo(gid as u16);
        self.set_gid_hi((gid >> 16) as u16);
    }

    pub(super) fn xattr_block(&self) -> u64 {
        u64::from(self.xattr_block_lo()) | (u64::from(self.xattr_block_hi()) << 32)
    }

    /// 512-byte units in use.
    pub(super) fn units(&self, huge_file: bool, block_size: usize) -> u64 {
        if !huge_file {
            return u64::from(self.units_lo());
        }
        let count = u64::from(self.units_lo()) | (u64::from(self.units_hi()) << 32);
        if self.flags() & FLAG_HUGE_FILE != 0 { count.saturating_mul(block_size as u64 / 512) } else { count }
    }

    /// Counts blocks in or out of the units in use.
    pub(super) fn adjust_blocks(&mut self, blocks: i64, block_size: usize) {
        let units = i64::from(self.units_lo()).saturating_add(blocks.saturating_mul(block_size as i64 / 512));
        self.set_units_lo(units.clamp(0, i64::from(u32::MAX)) as u32);
    }

    /// One of the 15 pointers.
    pub(super) fn pointer(&self, slot: usize) -> u64 {
        u64::from(get32(&self.0, BLOCK_AREA + slot * 4))
    }

    pub(super) fn set_pointer(&mut self, slot: usize, block: u64) {
        put32(&mut self.0, BLOCK_AREA + slot * 4, block as u32);
    }

    pub(super) fn block_area(&self) -> &[u8] {
        self.0.get(BLOCK_AREA..BLOCK_AREA + BLOCK_AREA_BYTES).unwrap_or_default()
    }

    pub(super) fn block_area_mut(&mut self) -> &mut [u8] {
        self.0.get_mut(BLOCK_AREA..BLOCK_AREA + BLOCK_AREA_BYTES).unwrap_or_default()
    }

    /// Device number of a device node: the old form in the first pointer, else the new form in the second.
    pub(super) fn rdev(&self) -> u32 {
        match self.pointer(0) as u32 {
            0 => self.pointer(1) as u32,
            old => old & 0xffff,
        }
    }

    pub(super) fn set_rdev(&mut self, rdev: u32) {
        let (major, minor) = ((rdev >> 8) & 0xfff, (rdev & 0xff) | ((rdev >> 12) & 0xf_ff00));
        if major < 256 && minor < 256 {
            self.set_pointer(0, u64::from((major << 8) | minor));
            self.set_pointer(1, 0);
        } else {
            self.set_pointer(0, 0);
            self.set_pointer(1, u64::from(rdev));
        }
    }

    /// The extra part adds two bits of epoch to the seconds, and nanoseconds.
    pub(super) fn time(&self, field: TimeField) -> Option<Timestamp> {
        let TimeField(seconds_at, extra_at) = field;
        if seconds_at >= GOOD_OLD_SIZE && !self.has_field(seconds_at) {
            return None;
        }
        let low = i64::from(get32(&self.0, seconds_at) as i32);
        let extra = if self.has_field(extra_at) { get32(&self.0, extra_at) } else { 0 };
        let nanoseconds = (extra >> 2).min(999_999_999);
        Some(Timestamp { seconds: low + (i64::from(extra & 3) << 32), nanoseconds })
    }

    pub(super) fn set_time(&mut self, field: TimeField, time: Timestamp) {
        let TimeField(seconds_at, extra_at) = field;
        if self.has_field(extra_at) {
            let seconds = time.seconds.clamp(i64::from(i32::MIN), (1 << 34) - (1 << 31) - 1);
            let low = seconds as i32;
            let epoch = ((seconds - i64::from(low)) >> 32) as u32 & 3;
            put32(&mut self.0, seconds_at, low as u32);
            put32(&mut self.0, extra_at, (time.nanoseconds.min(999_999_999) << 2) | epoch);
        } else if seconds_at < GOOD_OLD_SIZE {
            let seconds = time.seconds.clamp(i64::from(i32::MIN), i64::from(i32::MAX));
            put32(&mut self.0, seconds_at, seconds as i32 as u32);
        }
    }

    /// Whether a symlink's target stands in the block area: it owns no blocks besides one of attributes.
    pub(super) fn is_fast_symlink(&self, block_size: usize) -> bool {
        let attribute_units = if self.xattr_block() != 0 { block_size as u32 / 512 } else { 0 };
        self.units_lo() == attribute_units && self.size() < BLOCK_AREA_BYTES as u64
    }
}
