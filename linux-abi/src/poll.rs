//! asm-generic/poll.h, linux/posix_types.h: poll(2) and select(2).

flags! {
    /// Events of poll(2). epoll(7) uses the same numbers.
    pub struct PollEvents: u16, "POLL" {
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
        REMOVE = 0x1000,
        RDHUP = 0x2000,
    }
}

layouts! {
    /// poll(2).
    any "struct pollfd" Pollfd {
        fd: i32,
        events: i16,
        revents: i16,
    }
}
layouts! {
    /// The five arguments of select(2), i386 number 82 (`struct sel_arg_struct`, in no public header).
    i386 "" SelectArgsI386 {
        n: u32,
        inp: u32,
        outp: u32,
        exp: u32,
        tvp: u32,
    }
}

/// Bits of an `fd_set`. select(2) goes by its first argument; a set may be larger.
pub const FD_SETSIZE: u32 = 1024;

/// The events that set a bit of select(2)'s first set.
pub const SELECT_IN: PollEvents = PollEvents::IN
    .union(PollEvents::RDNORM)
    .union(PollEvents::RDBAND)
    .union(PollEvents::HUP)
    .union(PollEvents::ERR);
/// The events that set a bit of select(2)'s second set.
pub const SELECT_OUT: PollEvents =
    PollEvents::OUT.union(PollEvents::WRNORM).union(PollEvents::WRBAND).union(PollEvents::ERR);
/// The events that set a bit of select(2)'s third set.
pub const SELECT_EX: PollEvents = PollEvents::PRI;
