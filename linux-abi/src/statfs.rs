//! asm/statfs.h, linux/magic.h: statfs(2).

constants! {
    /// `f_type`: which file system it is.
    MAGICS: u32 {
        ADFS_SUPER_MAGIC = 0xadf5,
        ANON_INODE_FS_MAGIC = 0x0904_1934,
        AUTOFS_SUPER_MAGIC = 0x187,
        BPF_FS_MAGIC = 0xcafe_4a11,
        BTRFS_SUPER_MAGIC = 0x9123_683e,
        CGROUP_SUPER_MAGIC = 0x0027_e0eb,
        CGROUP2_SUPER_MAGIC = 0x6367_7270,
        CRAMFS_MAGIC = 0x28cd_3d45,
        DEBUGFS_MAGIC = 0x6462_6720,
        DEVPTS_SUPER_MAGIC = 0x1cd1,
        EXT2_SUPER_MAGIC = 0xef53,
        EXT4_SUPER_MAGIC = 0xef53,
        EXFAT_SUPER_MAGIC = 0x2011_bab0,
        F2FS_SUPER_MAGIC = 0xf2f5_2010,
        FUSE_SUPER_MAGIC = 0x6573_5546,
        HUGETLBFS_MAGIC = 0x9584_58f6,
        ISOFS_SUPER_MAGIC = 0x9660,
        MSDOS_SUPER_MAGIC = 0x4d44,
        NFS_SUPER_MAGIC = 0x6969,
        NSFS_MAGIC = 0x6e73_6673,
        OVERLAYFS_SUPER_MAGIC = 0x794c_7630,
        PIPEFS_MAGIC = 0x5049_5045,
        PROC_SUPER_MAGIC = 0x9fa0,
        RAMFS_MAGIC = 0x8584_58f6,
        SECURITYFS_MAGIC = 0x7363_6673,
        SELINUX_MAGIC = 0xf97c_ff8c,
        SOCKFS_MAGIC = 0x534f_434b,
        SQUASHFS_MAGIC = 0x7371_7368,
        SYSFS_MAGIC = 0x6265_6572,
        TMPFS_MAGIC = 0x0102_1994,
        TRACEFS_MAGIC = 0x7472_6163,
        V9FS_MAGIC = 0x0102_1997,
        XFS_SUPER_MAGIC = 0x5846_5342,
        /// POSIX message queues (ipc/mqueue.c, in no public header).
        MQUEUE_MAGIC = 0x1980_0202,
    }
}

flags! {
    /// `f_flags`. `VALID` is the kernel's own mark that the others are filled; statvfs(3) removes it.
    pub struct StFlags: u32, "ST_" {
        RDONLY = 0x1,
        NOSUID = 0x2,
        NODEV = 0x4,
        NOEXEC = 0x8,
        SYNCHRONOUS = 0x10,
        VALID = 0x20,
        MANDLOCK = 0x40,
        NOATIME = 0x400,
        NODIRATIME = 0x800,
        RELATIME = 0x1000,
        NOSYMFOLLOW = 0x2000,
    }
}

layouts! {
    /// statfs(2) of i386; numbers that do not fit are EOVERFLOW.
    i386 "struct statfs" StatfsI386 {
        f_type: u32,
        f_bsize: u32,
        f_blocks: u32,
        f_bfree: u32,
        f_bavail: u32,
        f_files: u32,
        f_ffree: u32,
        f_fsid: [i32; 2],
        f_namelen: u32,
        f_frsize: u32,
        f_flags: u32,
        f_spare: [u32; 4],
    }

    /// statfs64(2) of i386, whose second argument must be the size of this structure, 84.
    i386 "struct statfs64" Statfs64I386 {
        f_type: u32,
        f_bsize: u32,
        f_blocks: u64,
        f_bfree: u64,
        f_bavail: u64,
        f_files: u64,
        f_ffree: u64,
        f_fsid: [i32; 2],
        f_namelen: u32,
        f_frsize: u32,
        f_flags: u32,
        f_spare: [u32; 4],
    }

    /// statfs(2) of x86-64.
    x86_64 "struct statfs" StatfsX86_64 {
        f_type: i64,
        f_bsize: i64,
        f_blocks: u64,
        f_bfree: u64,
        f_bavail: u64,
        f_files: u64,
        f_ffree: u64,
        f_fsid: [i32; 2],
        f_namelen: i64,
        f_frsize: i64,
        f_flags: i64,
        f_spare: [i64; 4],
    }
}

layouts! {
    /// ustat(2).
    i386 "" UstatI386 {
        f_tfree: i32,
        f_tinode: u32,
        f_fname: [u8; 6],
        f_fpack: [u8; 6],
    }
}
