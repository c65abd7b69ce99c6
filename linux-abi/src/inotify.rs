//! linux/inotify.h: inotify(7).

flags! {
    /// `mask` of inotify_add_watch(2) and of an event.
    pub struct InotifyMask: u32, "IN_" {
        ACCESS = 0x1,
        MODIFY = 0x2,
        ATTRIB = 0x4,
        CLOSE_WRITE = 0x8,
        CLOSE_NOWRITE = 0x10,
        OPEN = 0x20,
        MOVED_FROM = 0x40,
        MOVED_TO = 0x80,
        CREATE = 0x100,
        DELETE = 0x200,
        DELETE_SELF = 0x400,
        MOVE_SELF = 0x800,
        UNMOUNT = 0x2000,
        Q_OVERFLOW = 0x4000,
        IGNORED = 0x8000,
        ONLYDIR = 0x0100_0000,
        DONT_FOLLOW = 0x0200_0000,
        EXCL_UNLINK = 0x0400_0000,
        MASK_CREATE = 0x1000_0000,
        MASK_ADD = 0x2000_0000,
        ISDIR = 0x4000_0000,
        ONESHOT = 0x8000_0000,
        CLOSE = 0x18,
        MOVE = 0xc0,
        ALL_EVENTS = 0xfff,
    }

    /// Flags of inotify_init1(2).
    pub struct InotifyInit: u32, "IN_" {
        CLOEXEC = 0o2000000,
        NONBLOCK = 0o4000,
    }
}

layouts! {
    /// What stands before the name in an event; `len` bytes of name follow, filled up with NULs.
    any "struct inotify_event" InotifyEvent {
        wd: i32,
        mask: u32,
        cookie: u32,
        len: u32,
    }
}
