//! linux/aio_abi.h, linux/kcmp.h, linux/ioprio.h: rarely used calls.

constants! {
    /// `aio_lio_opcode` of [`Iocb`].
    IOCB_CMDS: u16 {
        IOCB_CMD_PREAD = 0,
        IOCB_CMD_PWRITE = 1,
        IOCB_CMD_FSYNC = 2,
        IOCB_CMD_FDSYNC = 3,
        IOCB_CMD_POLL = 5,
        IOCB_CMD_NOOP = 6,
        IOCB_CMD_PREADV = 7,
        IOCB_CMD_PWRITEV = 8,
    }
}

layouts! {
    /// io_submit(2).
    any "struct iocb" Iocb {
        aio_data: u64,
        aio_key: u32,
        aio_rw_flags: u32,
        aio_lio_opcode: u16,
        aio_reqprio: i16,
        aio_fildes: u32,
        aio_buf: u64,
        aio_nbytes: u64,
        aio_offset: i64,
        aio_reserved2: u64,
        aio_flags: u32,
        aio_resfd: u32,
    }

    /// io_getevents(2).
    any "struct io_event" IoEvent {
        data: u64,
        obj: u64,
        res: i64,
        res2: i64,
    }
}

constants! {
    /// `type` of kcmp(2).
    KCMP: u32 {
        KCMP_FILE = 0,
        KCMP_VM = 1,
        KCMP_FILES = 2,
        KCMP_FS = 3,
        KCMP_SIGHAND = 4,
        KCMP_IO = 5,
        KCMP_SYSVSEM = 6,
        KCMP_EPOLL_TFD = 7,
    }
}

constants! {
    /// Classes of ioprio_set(2).
    IOPRIO_CLASSES: u32 {
        IOPRIO_CLASS_NONE = 0,
        IOPRIO_CLASS_RT = 1,
        IOPRIO_CLASS_BE = 2,
        IOPRIO_CLASS_IDLE = 3,
    }

    /// `which` of ioprio_set(2).
    IOPRIO_WHO: u32 {
        IOPRIO_WHO_PROCESS = 1,
        IOPRIO_WHO_PGRP = 2,
        IOPRIO_WHO_USER = 3,
    }

    /// Where the class stands in an I/O priority.
    IOPRIO_SHIFTS: u32 {
        IOPRIO_CLASS_SHIFT = 13,
    }
}
