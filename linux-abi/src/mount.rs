//! linux/mount.h: mount(2), umount2(2).

flags! {
    /// Flags of mount(2).
    pub struct MountFlags: u32, "MS_" {
        RDONLY = 0x1,
        NOSUID = 0x2,
        NODEV = 0x4,
        NOEXEC = 0x8,
        SYNCHRONOUS = 0x10,
        REMOUNT = 0x20,
        MANDLOCK = 0x40,
        DIRSYNC = 0x80,
        NOSYMFOLLOW = 0x100,
        NOATIME = 0x400,
        NODIRATIME = 0x800,
        BIND = 0x1000,
        MOVE = 0x2000,
        REC = 0x4000,
        SILENT = 0x8000,
        POSIXACL = 0x0001_0000,
        UNBINDABLE = 0x0002_0000,
        PRIVATE = 0x0004_0000,
        SLAVE = 0x0008_0000,
        SHARED = 0x0010_0000,
        RELATIME = 0x0020_0000,
        KERNMOUNT = 0x0040_0000,
        I_VERSION = 0x0080_0000,
        STRICTATIME = 0x0100_0000,
        LAZYTIME = 0x0200_0000,
    }

    /// Flags of open_tree(2).
    pub struct OpenTreeFlags: u32, "OPEN_TREE_" {
        CLONE = 0x1,
        CLOEXEC = 0o2000000,
    }
}

constants! {
    /// What may stand in the upper half of mount(2)'s flags, for programs older than Linux 2.4.
    MS_MAGIC: u32 {
        MS_MGC_VAL = 0xc0ed_0000,
        MS_MGC_MSK = 0xffff_0000,
    }
}

flags! {
    /// Flags of umount2(2).
    pub struct UmountFlags: u32, "" {
        MNT_FORCE = 0x1,
        MNT_DETACH = 0x2,
        MNT_EXPIRE = 0x4,
        UMOUNT_NOFOLLOW = 0x8,
    }
}
