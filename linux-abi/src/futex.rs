//! linux/futex.h, linux/rseq.h: futexes and restartable sequences.

constants! {
    /// Commands of futex(2), under [`FUTEX_CMD_MASK`].
    FUTEX_COMMANDS: u32 {
        FUTEX_WAIT = 0,
        FUTEX_WAKE = 1,
        FUTEX_FD = 2,
        FUTEX_REQUEUE = 3,
        FUTEX_CMP_REQUEUE = 4,
        FUTEX_WAKE_OP = 5,
        FUTEX_LOCK_PI = 6,
        FUTEX_UNLOCK_PI = 7,
        FUTEX_TRYLOCK_PI = 8,
        FUTEX_WAIT_BITSET = 9,
        FUTEX_WAKE_BITSET = 10,
        FUTEX_WAIT_REQUEUE_PI = 11,
        FUTEX_CMP_REQUEUE_PI = 12,
        FUTEX_LOCK_PI2 = 13,
    }

    /// Bits beside the command.
    FUTEX_OPTIONS: u32 {
        FUTEX_PRIVATE_FLAG = 128,
        FUTEX_CLOCK_REALTIME = 256,
    }

    /// Bits of a futex word that the kernel knows (robust and priority-inheriting futexes).
    FUTEX_WORD: u32 {
        FUTEX_WAITERS = 0x8000_0000,
        FUTEX_OWNER_DIED = 0x4000_0000,
        FUTEX_TID_MASK = 0x3fff_ffff,
        FUTEX_BITSET_MATCH_ANY = 0xffff_ffff,
    }

    /// Operations of FUTEX_WAKE_OP (bits 28 to 30 of `val3`; bit 31 is FUTEX_OP_OPARG_SHIFT).
    FUTEX_OPS: u32 {
        FUTEX_OP_SET = 0,
        FUTEX_OP_ADD = 1,
        FUTEX_OP_OR = 2,
        FUTEX_OP_ANDN = 3,
        FUTEX_OP_XOR = 4,
        FUTEX_OP_OPARG_SHIFT = 8,
    }

    /// Comparisons of FUTEX_WAKE_OP (bits 24 to 27).
    FUTEX_OP_COMPARISONS: u32 {
        FUTEX_OP_CMP_EQ = 0,
        FUTEX_OP_CMP_NE = 1,
        FUTEX_OP_CMP_LT = 2,
        FUTEX_OP_CMP_LE = 3,
        FUTEX_OP_CMP_GT = 4,
        FUTEX_OP_CMP_GE = 5,
    }

    /// How many entries of a robust list the kernel follows before it calls the list circular.
    FUTEX_LIMITS: u32 {
        ROBUST_LIST_LIMIT = 2048,
        FUTEX_WAITV_MAX = 128,
    }

    /// Size flags of futex_waitv(2).
    FUTEX2: u32 {
        FUTEX_32 = 2,
    }
}

/// The part of futex(2)'s `op` that is the command.
pub const FUTEX_CMD_MASK: u32 = !(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME);

layouts! {
    /// set_robust_list(2) of i386.
    i386 "struct robust_list_head" RobustListHeadI386 {
        list: u32,
        futex_offset: i32,
        list_op_pending: u32,
    }

    /// set_robust_list(2) of x86-64.
    x86_64 "struct robust_list_head" RobustListHeadX86_64 {
        list: u64,
        futex_offset: i64,
        list_op_pending: u64,
    }

    /// futex_waitv(2).
    any "struct futex_waitv" FutexWaitv {
        val: u64,
        uaddr: u64,
        flags: u32,
        __reserved: u32,
    }
}

constants! {
    /// `cpu_id` of [`Rseq`] when there is no processor number in it, and the flag of rseq(2).
    RSEQ: i32 {
        RSEQ_CPU_ID_UNINITIALIZED = -1,
        RSEQ_CPU_ID_REGISTRATION_FAILED = -2,
        RSEQ_FLAG_UNREGISTER = 1,
    }
}

layouts! {
    /// The area that rseq(2) registers.
    any "struct rseq" Rseq {
        cpu_id_start: u32,
        cpu_id: u32,
        rseq_cs: u64,
        flags: u32,
        _pad0: [u32; 3],
    }

    /// A critical section, to which `rseq_cs` of [`Rseq`] points.
    any "struct rseq_cs" RseqCs {
        version: u32,
        flags: u32,
        start_ip: u64,
        post_commit_offset: u64,
        abort_ip: u64,
    }
}
