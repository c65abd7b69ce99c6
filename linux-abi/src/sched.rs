//! linux/sched.h, linux/sched/types.h: clone flags and scheduling.

flags! {
    /// Flags of clone(2) and clone3(2). For clone(2) the low byte ([`CSIGNAL`]) is the signal to the parent.
    pub struct CloneFlags: u64, "CLONE_" {
        NEWTIME = 0x80,
        VM = 0x100,
        FS = 0x200,
        FILES = 0x400,
        SIGHAND = 0x800,
        PIDFD = 0x1000,
        PTRACE = 0x2000,
        VFORK = 0x4000,
        PARENT = 0x8000,
        THREAD = 0x0001_0000,
        NEWNS = 0x0002_0000,
        SYSVSEM = 0x0004_0000,
        SETTLS = 0x0008_0000,
        PARENT_SETTID = 0x0010_0000,
        CHILD_CLEARTID = 0x0020_0000,
        DETACHED = 0x0040_0000,
        UNTRACED = 0x0080_0000,
        CHILD_SETTID = 0x0100_0000,
        NEWCGROUP = 0x0200_0000,
        NEWUTS = 0x0400_0000,
        NEWIPC = 0x0800_0000,
        NEWUSER = 0x1000_0000,
        NEWPID = 0x2000_0000,
        NEWNET = 0x4000_0000,
        IO = 0x8000_0000,
        CLEAR_SIGHAND = 0x0001_0000_0000,
        INTO_CGROUP = 0x0002_0000_0000,
    }

    /// Flags of sched_setattr(2).
    pub struct SchedFlags: u64, "SCHED_FLAG_" {
        RESET_ON_FORK = 0x1,
        RECLAIM = 0x2,
        DL_OVERRUN = 0x4,
        KEEP_POLICY = 0x8,
        KEEP_PARAMS = 0x10,
        UTIL_CLAMP_MIN = 0x20,
        UTIL_CLAMP_MAX = 0x40,
    }
}

constants! {
    /// The part of clone(2)'s flags that is a signal number.
    CLONE_MASKS: u64 {
        CSIGNAL = 0xff,
    }

    /// Policies of sched_setscheduler(2), and the bit that goes with them.
    SCHED_POLICIES: u32 {
        SCHED_NORMAL = 0x0,
        SCHED_FIFO = 0x1,
        SCHED_RR = 0x2,
        SCHED_BATCH = 0x3,
        SCHED_IDLE = 0x5,
        SCHED_DEADLINE = 0x6,
        SCHED_RESET_ON_FORK = 0x4000_0000,
    }

    /// Sizes of [`CloneArgs`] over time; the first is the least that clone3(2) takes.
    CLONE_ARGS_SIZES: u32 {
        CLONE_ARGS_SIZE_VER0 = 64,
        CLONE_ARGS_SIZE_VER1 = 80,
        CLONE_ARGS_SIZE_VER2 = 88,
    }
}

layouts! {
    /// clone3(2).
    any "struct clone_args" CloneArgs {
        flags: u64,
        pidfd: u64,
        child_tid: u64,
        parent_tid: u64,
        exit_signal: u64,
        stack: u64,
        stack_size: u64,
        tls: u64,
        set_tid: u64,
        set_tid_size: u64,
        cgroup: u64,
    }

    /// sched_setscheduler(2), sched_setparam(2).
    any "struct sched_param" SchedParam {
        sched_priority: i32,
    }

    /// sched_setattr(2).
    any "struct sched_attr" SchedAttr {
        size: u32,
        sched_policy: u32,
        sched_flags: u64,
        sched_nice: i32,
        sched_priority: u32,
        sched_runtime: u64,
        sched_deadline: u64,
        sched_period: u64,
        sched_util_min: u32,
        sched_util_max: u32,
    }
}
