//! linux/fcntl.h, asm-generic/fcntl.h, linux/openat2.h: open flags, fcntl commands, record locks.

flags! {
    /// Flags of open(2), openat(2) and fcntl(2) F_GETFL. Read-only is the absence of `WRONLY` and `RDWR`.
    pub struct OFlags: u32, "O_" {
        ACCMODE = 0o3,
        WRONLY = 0o1,
        RDWR = 0o2,
        CREAT = 0o100,
        EXCL = 0o200,
        NOCTTY = 0o400,
        TRUNC = 0o1000,
        APPEND = 0o2000,
        NONBLOCK = 0o4000,
        DSYNC = 0o10000,
        /// The kernel's FASYNC: SIGIO when input or output becomes possible.
        ASYNC = 0o20000,
        DIRECT = 0o40000,
        LARGEFILE = 0o100000,
        DIRECTORY = 0o200000,
        NOFOLLOW = 0o400000,
        NOATIME = 0o1000000,
        CLOEXEC = 0o2000000,
        SYNC = 0o4010000,
        PATH = 0o10000000,
        TMPFILE = 0o20200000,
    }

    /// Flags of the `*at` calls and of statx(2). Which call takes which is in its manual page.
    pub struct AtFlags: u32, "AT_" {
        SYMLINK_NOFOLLOW = 0x100,
        REMOVEDIR = 0x200,
        SYMLINK_FOLLOW = 0x400,
        NO_AUTOMOUNT = 0x800,
        EMPTY_PATH = 0x1000,
        STATX_SYNC_TYPE = 0x6000,
        STATX_FORCE_SYNC = 0x2000,
        STATX_DONT_SYNC = 0x4000,
        RECURSIVE = 0x8000,
        /// faccessat2(2); the same bit as `REMOVEDIR`.
        EACCESS = 0x200,
    }

    /// Flags of a descriptor, fcntl(2) F_GETFD.
    pub struct FdFlags: u32, "FD_" {
        CLOEXEC = 0x1,
    }

    /// Operation of flock(2).
    pub struct FlockOp: u32, "LOCK_" {
        SH = 0x1,
        EX = 0x2,
        NB = 0x4,
        UN = 0x8,
    }

    /// Seals of F_ADD_SEALS and memfd_create(2).
    pub struct Seals: u32, "F_SEAL_" {
        SEAL = 0x1,
        SHRINK = 0x2,
        GROW = 0x4,
        WRITE = 0x8,
        FUTURE_WRITE = 0x10,
    }

    /// `resolve` of openat2(2).
    pub struct Resolve: u64, "RESOLVE_" {
        NO_XDEV = 0x1,
        NO_MAGICLINKS = 0x2,
        NO_SYMLINKS = 0x4,
        BENEATH = 0x8,
        IN_ROOT = 0x10,
        CACHED = 0x20,
    }

    /// Flags of close_range(2).
    pub struct CloseRange: u32, "CLOSE_RANGE_" {
        UNSHARE = 0x2,
        CLOEXEC = 0x4,
    }

    /// Events of fcntl(2) F_NOTIFY.
    pub struct DirNotify: u32, "DN_" {
        ACCESS = 0x1,
        MODIFY = 0x2,
        CREATE = 0x4,
        DELETE = 0x8,
        RENAME = 0x10,
        ATTRIB = 0x20,
        MULTISHOT = 0x8000_0000,
    }
}

constants! {
    /// The directory descriptor that means the current directory.
    AT: i32 {
        AT_FDCWD = -100,
    }

    /// Commands of fcntl(2). F_GETLK64 and its two neighbours exist on i386 only.
    FCNTL_COMMANDS: u32 {
        F_DUPFD = 0,
        F_GETFD = 1,
        F_SETFD = 2,
        F_GETFL = 3,
        F_SETFL = 4,
        F_GETLK = 5,
        F_SETLK = 6,
        F_SETLKW = 7,
        F_SETOWN = 8,
        F_GETOWN = 9,
        F_SETSIG = 10,
        F_GETSIG = 11,
        F_GETLK64 = 12,
        F_SETLK64 = 13,
        F_SETLKW64 = 14,
        F_SETOWN_EX = 15,
        F_GETOWN_EX = 16,
        F_GETOWNER_UIDS = 17,
        F_OFD_GETLK = 36,
        F_OFD_SETLK = 37,
        F_OFD_SETLKW = 38,
        F_SETLEASE = 1024,
        F_GETLEASE = 1025,
        F_CANCELLK = 1029,
        F_DUPFD_CLOEXEC = 1030,
        F_NOTIFY = 1026,
        F_SETPIPE_SZ = 1031,
        F_GETPIPE_SZ = 1032,
        F_ADD_SEALS = 1033,
        F_GET_SEALS = 1034,
        F_GET_RW_HINT = 1035,
        F_SET_RW_HINT = 1036,
        F_GET_FILE_RW_HINT = 1037,
        F_SET_FILE_RW_HINT = 1038,
    }

    /// `l_type` of a record lock.
    LOCK_TYPES: i16 {
        F_RDLCK = 0,
        F_WRLCK = 1,
        F_UNLCK = 2,
    }

    /// `type` of [`FOwnerEx`].
    OWNER_TYPES: i32 {
        F_OWNER_TID = 0,
        F_OWNER_PID = 1,
        F_OWNER_PGRP = 2,
    }
}
constants! {
    /// `whence` of lseek(2).
    WHENCE: u32 {
        SEEK_SET = 0,
        SEEK_CUR = 1,
        SEEK_END = 2,
        SEEK_DATA = 3,
        SEEK_HOLE = 4,
    }
}
constants! {
    /// Modes of access(2).
    ACCESS: u32 {
        F_OK = 0,
        X_OK = 1,
        W_OK = 2,
        R_OK = 4,
    }
}
constants! {
    /// Advice of posix_fadvise(2).
    FADVICE: u32 {
        POSIX_FADV_NORMAL = 0,
        POSIX_FADV_RANDOM = 1,
        POSIX_FADV_SEQUENTIAL = 2,
        POSIX_FADV_WILLNEED = 3,
        POSIX_FADV_DONTNEED = 4,
        POSIX_FADV_NOREUSE = 5,
    }
}

layouts! {
    /// Record lock of F_GETLK, F_SETLK, F_SETLKW.
    i386 "struct flock" FlockI386 {
        l_type: i16,
        l_whence: i16,
        l_start: i32,
        l_len: i32,
        l_pid: i32,
    }

    /// Record lock of F_GETLK64, F_OFD_GETLK and their kin on i386.
    i386 "struct flock64" Flock64I386 {
        l_type: i16,
        l_whence: i16,
        l_start: i64,
        l_len: i64,
        l_pid: i32,
    }

    /// Record lock of every lock command on x86-64.
    x86_64 "struct flock" FlockX86_64 {
        l_type: i16,
        l_whence: i16,
        _pad0: u32,
        l_start: i64,
        l_len: i64,
        l_pid: i32,
        _pad1: u32,
    }

    /// F_GETOWN_EX, F_SETOWN_EX.
    any "struct f_owner_ex" FOwnerEx {
        type_: i32,
        pid: i32,
    }

    /// Argument of openat2(2).
    any "struct open_how" OpenHow {
        flags: u64,
        mode: u64,
        resolve: u64,
    }
}
