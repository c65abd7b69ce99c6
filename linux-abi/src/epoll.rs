//! linux/eventpoll.h: epoll(7).

flags! {
    /// `events` of [`EpollEvent`].
    pub struct EpollEvents: u32, "EPOLL" {
        IN = 0x1,
        PRI = 0x2,
        OUT = 0x4,
        ERR = 0x8,
        HUP = 0x10,
        NVAL = 0x20,
        RDNORM = 0x40,
        RDBAND = 0x80,
        WRNORM = 0x100,
        WRBAND = 0x200,
        MSG = 0x400,
        RDHUP = 0x2000,
        EXCLUSIVE = 0x1000_0000,
        WAKEUP = 0x2000_0000,
        ONESHOT = 0x4000_0000,
        ET = 0x8000_0000,
    }

    /// Flags of epoll_create1(2).
    pub struct EpollCreate: u32, "EPOLL_" {
        CLOEXEC = 0x0008_0000,
    }
}

constants! {
    /// Operations of epoll_ctl(2).
    EPOLL_CTL: u32 {
        EPOLL_CTL_ADD = 1,
        EPOLL_CTL_DEL = 2,
        EPOLL_CTL_MOD = 3,
    }
}

layouts! {
    /// epoll_ctl(2), epoll_wait(2): 12 bytes on both architectures (packed on x86-64).
    any_packed "struct epoll_event" EpollEvent {
        events: u32,
        data: u64,
    }
}
