//! linux/timerfd.h: timerfd_create(2).

flags! {
    /// Flags of timerfd_create(2) (`TFD_CLOEXEC`, `TFD_NONBLOCK`) and of timerfd_settime(2) (the timer ones).
    pub struct TimerfdFlags: u32, "TFD_" {
        TIMER_ABSTIME = 0o1,
        TIMER_CANCEL_ON_SET = 0o2,
        CLOEXEC = 0o2000000,
        NONBLOCK = 0o4000,
    }
}

constants! {
    /// Makes read(2) count this many expirations.
    TIMERFD_IOCTLS: u32 {
        TFD_IOC_SET_TICKS = 0x4008_5400,
    }
}
