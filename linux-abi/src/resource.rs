//! linux/resource.h, asm-generic/resource.h: limits and usage.

use crate::time::{Timeval32, Timeval64};

constants! {
    /// Resources of getrlimit(2) and prlimit64(2).
    RLIMITS: u32 {
        RLIMIT_CPU = 0,
        RLIMIT_FSIZE = 1,
        RLIMIT_DATA = 2,
        RLIMIT_STACK = 3,
        RLIMIT_CORE = 4,
        RLIMIT_RSS = 5,
        RLIMIT_NPROC = 6,
        RLIMIT_NOFILE = 7,
        RLIMIT_MEMLOCK = 8,
        RLIMIT_AS = 9,
        RLIMIT_LOCKS = 10,
        RLIMIT_SIGPENDING = 11,
        RLIMIT_MSGQUEUE = 12,
        RLIMIT_NICE = 13,
        RLIMIT_RTPRIO = 14,
        RLIMIT_RTTIME = 15,
    }

    /// `who` of getrusage(2). RUSAGE_BOTH is wait4(2)'s, inside the kernel.
    RUSAGE_WHO: i32 {
        RUSAGE_SELF = 0,
        RUSAGE_CHILDREN = -1,
        RUSAGE_BOTH = -2,
        RUSAGE_THREAD = 1,
    }

    /// `which` of getpriority(2).
    PRIO: u32 {
        PRIO_PROCESS = 0,
        PRIO_PGRP = 1,
        PRIO_USER = 2,
    }
}

/// Number of resources.
pub const RLIM_NLIMITS: u32 = 16;

/// No limit, in [`Rlimit64`]. prlimit64(2) takes this value on both architectures.
pub const RLIM64_INFINITY: u64 = !0;

/// No limit, in [`RlimitI386`]; old getrlimit(2) (number 76) shows it as 0x7fff_ffff.
pub const RLIM_INFINITY_I386: u32 = !0;

layouts! {
    /// getrlimit(2), setrlimit(2) of i386.
    i386 "struct rlimit" RlimitI386 {
        rlim_cur: u32,
        rlim_max: u32,
    }

    /// prlimit64(2); getrlimit(2) of x86-64.
    any "struct rlimit64" Rlimit64 {
        rlim_cur: u64,
        rlim_max: u64,
    }

    /// getrusage(2), wait4(2), waitid(2) of i386.
    i386 "struct rusage" RusageI386 {
        ru_utime: Timeval32,
        ru_stime: Timeval32,
        ru_maxrss: i32,
        ru_ixrss: i32,
        ru_idrss: i32,
        ru_isrss: i32,
        ru_minflt: i32,
        ru_majflt: i32,
        ru_nswap: i32,
        ru_inblock: i32,
        ru_oublock: i32,
        ru_msgsnd: i32,
        ru_msgrcv: i32,
        ru_nsignals: i32,
        ru_nvcsw: i32,
        ru_nivcsw: i32,
    }

    /// getrusage(2), wait4(2), waitid(2) of x86-64.
    x86_64 "struct rusage" RusageX86_64 {
        ru_utime: Timeval64,
        ru_stime: Timeval64,
        ru_maxrss: i64,
        ru_ixrss: i64,
        ru_idrss: i64,
        ru_isrss: i64,
        ru_minflt: i64,
        ru_majflt: i64,
        ru_nswap: i64,
        ru_inblock: i64,
        ru_oublock: i64,
        ru_msgsnd: i64,
        ru_msgrcv: i64,
        ru_nsignals: i64,
        ru_nvcsw: i64,
        ru_nivcsw: i64,
    }
}
