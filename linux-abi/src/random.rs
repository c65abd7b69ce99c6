//! linux/random.h: getrandom(2), random(4).

flags! {
    /// Flags of getrandom(2).
    pub struct GrndFlags: u32, "GRND_" {
        NONBLOCK = 0x1,
        RANDOM = 0x2,
        INSECURE = 0x4,
    }
}

constants! {
    /// Requests of ioctl(2) on /dev/random and /dev/urandom.
    RND_IOCTLS: u32 {
        RNDGETENTCNT = 0x8004_5200,
        RNDADDTOENTCNT = 0x4004_5201,
        RNDGETPOOL = 0x8008_5202,
        RNDADDENTROPY = 0x4008_5203,
        RNDZAPENTCNT = 0x5204,
        RNDCLEARPOOL = 0x5206,
        RNDRESEEDCRNG = 0x5207,
    }
}
