//! linux/eventfd.h (kernel), sys/eventfd.h: eventfd(2).

flags! {
    /// Flags of eventfd2(2).
    pub struct EventfdFlags: u32, "EFD_" {
        SEMAPHORE = 0o1,
        CLOEXEC = 0o2000000,
        NONBLOCK = 0o4000,
    }
}
