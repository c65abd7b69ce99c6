//! linux/stat.h, asm/stat.h: file types, permission bits and the stat structures.

constants! {
    /// File types: the bits of `st_mode` under [`S_IFMT`].
    FILE_TYPES: u32 {
        S_IFMT = 0o170000,
        S_IFSOCK = 0o140000,
        S_IFLNK = 0o120000,
        S_IFREG = 0o100000,
        S_IFBLK = 0o60000,
        S_IFDIR = 0o40000,
        S_IFCHR = 0o20000,
        S_IFIFO = 0o10000,
    }

    /// Permission bits of `st_mode`.
    PERMISSIONS: u32 {
        S_ISUID = 0o4000,
        S_ISGID = 0o2000,
        S_ISVTX = 0o1000,
        S_IRWXU = 0o700,
        S_IRUSR = 0o400,
        S_IWUSR = 0o200,
        S_IXUSR = 0o100,
        S_IRWXG = 0o70,
        S_IRGRP = 0o40,
        S_IWGRP = 0o20,
        S_IXGRP = 0o10,
        S_IRWXO = 0o7,
        S_IROTH = 0o4,
        S_IWOTH = 0o2,
        S_IXOTH = 0o1,
    }
}

/// All bits that chmod(2) can change.
pub const S_IALLUGO: u32 = 0o7777;

flags! {
    /// `stx_mask`: which fields of [`Statx`] are wanted, or were filled.
    pub struct StatxMask: u32, "STATX_" {
        TYPE = 0x1,
        MODE = 0x2,
        NLINK = 0x4,
        UID = 0x8,
        GID = 0x10,
        ATIME = 0x20,
        MTIME = 0x40,
        CTIME = 0x80,
        INO = 0x100,
        SIZE = 0x200,
        BLOCKS = 0x400,
        BASIC_STATS = 0x7ff,
        BTIME = 0x800,
        ALL = 0xfff,
        MNT_ID = 0x1000,
        DIOALIGN = 0x2000,
    }

    /// `stx_attributes`.
    pub struct StatxAttributes: u64, "STATX_ATTR_" {
        COMPRESSED = 0x4,
        IMMUTABLE = 0x10,
        APPEND = 0x20,
        NODUMP = 0x40,
        ENCRYPTED = 0x800,
        AUTOMOUNT = 0x1000,
        MOUNT_ROOT = 0x2000,
        VERITY = 0x0010_0000,
        DAX = 0x0020_0000,
    }
}

layouts! {
    /// stat64(2), lstat64(2), fstat64(2), fstatat64(2) of i386. The inode number stands twice: `__st_ino` is its low half.
    i386 "struct stat64" Stat64I386 {
        st_dev: u64,
        __pad0: [u8; 4],
        __st_ino: u32,
        st_mode: u32,
        st_nlink: u32,
        st_uid: u32,
        st_gid: u32,
        st_rdev: u64,
        __pad3: [u8; 4],
        st_size: i64,
        st_blksize: u32,
        st_blocks: u64,
        st_atime: u32,
        st_atime_nsec: u32,
        st_mtime: u32,
        st_mtime_nsec: u32,
        st_ctime: u32,
        st_ctime_nsec: u32,
        st_ino: u64,
    }

    /// stat(2), lstat(2), fstat(2) of i386 (numbers 106 to 108).
    i386 "struct stat" StatI386 {
        st_dev: u32,
        st_ino: u32,
        st_mode: u16,
        st_nlink: u16,
        st_uid: u16,
        st_gid: u16,
        st_rdev: u32,
        st_size: u32,
        st_blksize: u32,
        st_blocks: u32,
        st_atime: u32,
        st_atime_nsec: u32,
        st_mtime: u32,
        st_mtime_nsec: u32,
        st_ctime: u32,
        st_ctime_nsec: u32,
        __unused4: u32,
        __unused5: u32,
    }

    /// oldstat(2) of i386 (numbers 18, 28, 84).
    i386 "struct __old_kernel_stat" OldStatI386 {
        st_dev: u16,
        st_ino: u16,
        st_mode: u16,
        st_nlink: u16,
        st_uid: u16,
        st_gid: u16,
        st_rdev: u16,
        _pad0: u16,
        st_size: u32,
        st_atime: u32,
        st_mtime: u32,
        st_ctime: u32,
    }

    /// stat(2) of x86-64.
    x86_64 "struct stat" StatX86_64 {
        st_dev: u64,
        st_ino: u64,
        st_nlink: u64,
        st_mode: u32,
        st_uid: u32,
        st_gid: u32,
        __pad0: u32,
        st_rdev: u64,
        st_size: i64,
        st_blksize: i64,
        st_blocks: i64,
        st_atime: i64,
        st_atime_nsec: u64,
        st_mtime: i64,
        st_mtime_nsec: u64,
        st_ctime: i64,
        st_ctime_nsec: u64,
        __unused: [i64; 3],
    }

    /// One time of [`Statx`].
    any "struct statx_timestamp" StatxTimestamp {
        tv_sec: i64,
        tv_nsec: u32,
        __reserved: i32,
    }

    /// statx(2), the same on both architectures.
    any "struct statx" Statx {
        stx_mask: u32,
        stx_blksize: u32,
        stx_attributes: u64,
        stx_nlink: u32,
        stx_uid: u32,
        stx_gid: u32,
        stx_mode: u16,
        __spare0: u16,
        stx_ino: u64,
        stx_size: u64,
        stx_blocks: u64,
        stx_attributes_mask: u64,
        stx_atime: StatxTimestamp,
        stx_btime: StatxTimestamp,
        stx_ctime: StatxTimestamp,
        stx_mtime: StatxTimestamp,
        stx_rdev_major: u32,
        stx_rdev_minor: u32,
        stx_dev_major: u32,
        stx_dev_minor: u32,
        stx_mnt_id: u64,
        stx_dio_mem_align: u32,
        stx_dio_offset_align: u32,
        __spare3: [u64; 12],
    }
}

/// The device number of stat64(2), stat(2) of x86-64 and mknod(2): 12 bits of major number, 20 of minor.
///
/// (linux/kdev_t.h, `new_encode_dev`; programs take it apart with major(3) and minor(3).)
pub const fn makedev(major: u32, minor: u32) -> u32 {
    (minor & 0xff) | ((major & 0xfff) << 8) | ((minor & 0xf_ff00) << 12)
}

/// The major number in [`makedev`]'s encoding.
pub const fn major(dev: u32) -> u32 {
    (dev >> 8) & 0xfff
}

/// The minor number in [`makedev`]'s encoding.
pub const fn minor(dev: u32) -> u32 {
    (dev & 0xff) | ((dev >> 12) & 0xf_ff00)
}
