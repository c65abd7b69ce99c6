//! linux/uio.h, linux/fs.h: scattered input and output, splice(2).

layouts! {
    /// readv(2) of i386.
    i386 "struct iovec" IovecI386 {
        iov_base: u32,
        iov_len: u32,
    }

    /// readv(2) of x86-64.
    x86_64 "struct iovec" IovecX86_64 {
        iov_base: u64,
        iov_len: u64,
    }
}

constants! {
    /// Most elements of an array of iovecs.
    UIO_LIMITS: usize {
        UIO_MAXIOV = 1024,
        UIO_FASTIOV = 8,
    }
}

flags! {
    /// Flags of preadv2(2) and pwritev2(2).
    pub struct RwFlags: u32, "RWF_" {
        HIPRI = 0x1,
        DSYNC = 0x2,
        SYNC = 0x4,
        NOWAIT = 0x8,
        APPEND = 0x10,
    }

    /// Flags of sync_file_range(2).
    pub struct SyncFileRange: u32, "SYNC_FILE_RANGE_" {
        WAIT_BEFORE = 0x1,
        WRITE = 0x2,
        WAIT_AFTER = 0x4,
    }
}
flags! {
    /// Flags of splice(2), tee(2), vmsplice(2).
    pub struct SpliceFlags: u32, "SPLICE_F_" {
        MOVE = 0x1,
        NONBLOCK = 0x2,
        MORE = 0x4,
        GIFT = 0x8,
    }
}

/// Most bytes that one read(2), write(2) or sendfile(2) moves: the rest of INT_MAX after whole pages.
pub const MAX_RW_COUNT: u64 = 0x7fff_f000;
