//! linux/fs.h, linux/falloc.h, linux/fiemap.h, linux/blkpg.h, linux/loop.h: files, file systems, block devices.

flags! {
    /// Flags of renameat2(2).
    pub struct RenameFlags: u32, "RENAME_" {
        NOREPLACE = 0x1,
        EXCHANGE = 0x2,
        WHITEOUT = 0x4,
    }

    /// Attributes of FS_IOC_GETFLAGS, chattr(1).
    pub struct FsFlags: u32, "FS_" {
        SECRM_FL = 0x1,
        UNRM_FL = 0x2,
        COMPR_FL = 0x4,
        SYNC_FL = 0x8,
        IMMUTABLE_FL = 0x10,
        APPEND_FL = 0x20,
        NODUMP_FL = 0x40,
        NOATIME_FL = 0x80,
        DIRTY_FL = 0x100,
        COMPRBLK_FL = 0x200,
        NOCOMP_FL = 0x400,
        ENCRYPT_FL = 0x800,
        INDEX_FL = 0x1000,
        IMAGIC_FL = 0x2000,
        JOURNAL_DATA_FL = 0x4000,
        NOTAIL_FL = 0x8000,
        DIRSYNC_FL = 0x0001_0000,
        TOPDIR_FL = 0x0002_0000,
        HUGE_FILE_FL = 0x0004_0000,
        EXTENT_FL = 0x0008_0000,
        VERITY_FL = 0x0010_0000,
        EA_INODE_FL = 0x0020_0000,
        EOFBLOCKS_FL = 0x0040_0000,
        NOCOW_FL = 0x0080_0000,
        DAX_FL = 0x0200_0000,
        INLINE_DATA_FL = 0x1000_0000,
        PROJINHERIT_FL = 0x2000_0000,
        CASEFOLD_FL = 0x4000_0000,
        RESERVED_FL = 0x8000_0000,
    }
}

constants! {
    /// Requests of ioctl(2) on files and directories whose numbers are the same on both architectures.
    FS_IOCTLS: u32 {
        FICLONE = 0x4004_9409,
        FICLONERANGE = 0x4020_940d,
        FIDEDUPERANGE = 0xc018_9436,
        FIBMAP = 0x1,
        FIGETBSZ = 0x2,
        FIFREEZE = 0xc004_5877,
        FITHAW = 0xc004_5878,
        FITRIM = 0xc018_5879,
        FS_IOC_FSGETXATTR = 0x801c_581f,
        FS_IOC_FSSETXATTR = 0x401c_5820,
        FS_IOC_FIEMAP = 0xc020_660b,
    }

    /// Requests of ioctl(2) on block devices whose numbers are the same on both architectures.
    BLOCK_IOCTLS: u32 {
        BLKROSET = 0x125d,
        BLKROGET = 0x125e,
        BLKRRPART = 0x125f,
        BLKGETSIZE = 0x1260,
        BLKFLSBUF = 0x1261,
        BLKRASET = 0x1262,
        BLKRAGET = 0x1263,
        BLKFRASET = 0x1264,
        BLKFRAGET = 0x1265,
        BLKSECTSET = 0x1266,
        BLKSECTGET = 0x1267,
        BLKSSZGET = 0x1268,
        BLKDISCARD = 0x1277,
        BLKIOMIN = 0x1278,
        BLKIOOPT = 0x1279,
        BLKALIGNOFF = 0x127a,
        BLKPBSZGET = 0x127b,
        BLKDISCARDZEROES = 0x127c,
        BLKSECDISCARD = 0x127d,
        BLKROTATIONAL = 0x127e,
        BLKZEROOUT = 0x127f,
    }
}

/// FS_IOC_GETFLAGS and its kin: the numbers hold the size of `long`, so each architecture has its own.
pub const FS_IOC_GETFLAGS_I386: u32 = 0x8004_6601;
/// Of x86-64.
pub const FS_IOC_GETFLAGS_X86_64: u32 = 0x8008_6601;
/// Of i386.
pub const FS_IOC_SETFLAGS_I386: u32 = 0x4004_6602;
/// Of x86-64.
pub const FS_IOC_SETFLAGS_X86_64: u32 = 0x4008_6602;
/// Of i386.
pub const FS_IOC_GETVERSION_I386: u32 = 0x8004_7601;
/// Of x86-64.
pub const FS_IOC_GETVERSION_X86_64: u32 = 0x8008_7601;
/// Size of the device in bytes, as 64 bits; of i386.
pub const BLKGETSIZE64_I386: u32 = 0x8004_1272;
/// Of x86-64.
pub const BLKGETSIZE64_X86_64: u32 = 0x8008_1272;
/// Block size of i386.
pub const BLKBSZGET_I386: u32 = 0x8004_1270;
/// Of x86-64.
pub const BLKBSZGET_X86_64: u32 = 0x8008_1270;

flags! {
    /// `mode` of fallocate(2).
    pub struct FallocFlags: u32, "FALLOC_FL_" {
        KEEP_SIZE = 0x1,
        PUNCH_HOLE = 0x2,
        NO_HIDE_STALE = 0x4,
        COLLAPSE_RANGE = 0x8,
        ZERO_RANGE = 0x10,
        INSERT_RANGE = 0x20,
        UNSHARE_RANGE = 0x40,
    }
}

layouts! {
    /// FS_IOC_FSGETXATTR.
    any "struct fsxattr" Fsxattr {
        fsx_xflags: u32,
        fsx_extsize: u32,
        fsx_nextents: u32,
        fsx_projid: u32,
        fsx_cowextsize: u32,
        fsx_pad: [u8; 8],
    }

    /// FICLONERANGE.
    any "struct file_clone_range" FileCloneRange {
        src_fd: i64,
        src_offset: u64,
        src_length: u64,
        dest_offset: u64,
    }

    /// FITRIM.
    any "struct fstrim_range" FstrimRange {
        start: u64,
        len: u64,
        minlen: u64,
    }

    /// FS_IOC_FIEMAP, before the extents.
    any "struct fiemap" Fiemap {
        fm_start: u64,
        fm_length: u64,
        fm_flags: u32,
        fm_mapped_extents: u32,
        fm_extent_count: u32,
        fm_reserved: u32,
    }

    /// An extent of FS_IOC_FIEMAP.
    any "struct fiemap_extent" FiemapExtent {
        fe_logical: u64,
        fe_physical: u64,
        fe_length: u64,
        fe_reserved64: [u64; 2],
        fe_flags: u32,
        fe_reserved: [u32; 3],
    }
}

constants! {
    /// Requests of ioctl(2) on loop devices, loop(4).
    LOOP_IOCTLS: u32 {
        LOOP_SET_FD = 0x4c00,
        LOOP_CLR_FD = 0x4c01,
        LOOP_SET_STATUS = 0x4c02,
        LOOP_GET_STATUS = 0x4c03,
        LOOP_SET_STATUS64 = 0x4c04,
        LOOP_GET_STATUS64 = 0x4c05,
        LOOP_CHANGE_FD = 0x4c06,
        LOOP_SET_CAPACITY = 0x4c07,
        LOOP_SET_DIRECT_IO = 0x4c08,
        LOOP_SET_BLOCK_SIZE = 0x4c09,
        LOOP_CONFIGURE = 0x4c0a,
        LOOP_CTL_ADD = 0x4c80,
        LOOP_CTL_REMOVE = 0x4c81,
        LOOP_CTL_GET_FREE = 0x4c82,
    }
}

constants! {
    /// Major device numbers.
    MAJORS: u32 {
        UNNAMED_MAJOR = 0,
        MEM_MAJOR = 1,
        RAMDISK_MAJOR = 1,
        TTY_MAJOR = 4,
        TTYAUX_MAJOR = 5,
        LOOP_MAJOR = 7,
        VCS_MAJOR = 7,
        MISC_MAJOR = 10,
        SOUND_MAJOR = 14,
        INPUT_MAJOR = 13,
        FB_MAJOR = 29,
        UNIX98_PTY_MASTER_MAJOR = 128,
        UNIX98_PTY_SLAVE_MAJOR = 136,
        DRM_MAJOR = 226,
    }
}
