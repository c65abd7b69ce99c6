//! linux/dirent.h (kernel), dirent.h: directory entries of getdents(2).

constants! {
    /// `d_type`: the file type bits of `st_mode`, shifted right by 12.
    D_TYPES: u8 {
        DT_UNKNOWN = 0,
        DT_FIFO = 1,
        DT_CHR = 2,
        DT_DIR = 4,
        DT_BLK = 6,
        DT_REG = 8,
        DT_LNK = 10,
        DT_SOCK = 12,
        DT_WHT = 14,
    }
}

/// The `d_type` of a file's `st_mode`.
pub const fn d_type(mode: u32) -> u8 {
    ((mode >> 12) & 15) as u8
}

layouts! {
    /// What stands before the name in an entry of getdents64(2). The name ends with a NUL, `d_reclen` is a multiple of 8.
    head "struct dirent64" LinuxDirent64 {
        d_ino: u64,
        d_off: i64,
        d_reclen: u16,
        d_type: u8,
    }

    /// What stands before the name in an entry of getdents(2). `d_reclen` is a multiple of 4; the type is the entry's last byte.
    head "" LinuxDirentI386 {
        d_ino: u32,
        d_off: u32,
        d_reclen: u16,
    }

    /// What stands before the name in an entry of getdents(2). `d_reclen` is a multiple of 8; the type is the entry's last byte.
    head "" LinuxDirentX86_64 {
        d_ino: u64,
        d_off: u64,
        d_reclen: u16,
    }

    /// What stands before the name of the one entry that readdir(2), i386 number 89, returns.
    head "" OldLinuxDirentI386 {
        d_ino: u32,
        d_offset: u32,
        d_namlen: u16,
    }
}
