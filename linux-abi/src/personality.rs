//! linux/personality.h: personality(2).

flags! {
    /// The flags above the low byte of a personality.
    pub struct PersonalityFlags: u32, "" {
        UNAME26 = 0x0002_0000,
        ADDR_NO_RANDOMIZE = 0x0004_0000,
        FDPIC_FUNCPTRS = 0x0008_0000,
        MMAP_PAGE_ZERO = 0x0010_0000,
        ADDR_COMPAT_LAYOUT = 0x0020_0000,
        READ_IMPLIES_EXEC = 0x0040_0000,
        ADDR_LIMIT_32BIT = 0x0080_0000,
        SHORT_INODE = 0x0100_0000,
        WHOLE_SECONDS = 0x0200_0000,
        STICKY_TIMEOUTS = 0x0400_0000,
        ADDR_LIMIT_3GB = 0x0800_0000,
    }
}

constants! {
    /// Personalities, the low byte of personality(2)'s argument. `PER_LINUX32` makes uname(2) say i686.
    PERSONALITIES: u32 {
        PER_LINUX = 0,
        PER_LINUX32 = 8,
        PER_MASK = 255,
    }
}

/// The argument of personality(2) that only asks.
pub const PERSONALITY_QUERY: u32 = !0;
