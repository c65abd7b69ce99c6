//! linux/prctl.h, asm/prctl.h, linux/seccomp.h, linux/securebits.h: prctl(2), arch_prctl(2), seccomp(2).

constants! {
    /// Operations of prctl(2).
    PRCTL: u32 {
        PR_SET_PDEATHSIG = 1,
        PR_GET_PDEATHSIG = 2,
        PR_GET_DUMPABLE = 3,
        PR_SET_DUMPABLE = 4,
        PR_GET_UNALIGN = 5,
        PR_SET_UNALIGN = 6,
        PR_GET_KEEPCAPS = 7,
        PR_SET_KEEPCAPS = 8,
        PR_GET_FPEMU = 9,
        PR_SET_FPEMU = 10,
        PR_GET_FPEXC = 11,
        PR_SET_FPEXC = 12,
        PR_GET_TIMING = 13,
        PR_SET_TIMING = 14,
        PR_SET_NAME = 15,
        PR_GET_NAME = 16,
        PR_GET_ENDIAN = 19,
        PR_SET_ENDIAN = 20,
        PR_GET_SECCOMP = 21,
        PR_SET_SECCOMP = 22,
        PR_CAPBSET_READ = 23,
        PR_CAPBSET_DROP = 24,
        PR_GET_TSC = 25,
        PR_SET_TSC = 26,
        PR_GET_SECUREBITS = 27,
        PR_SET_SECUREBITS = 28,
        PR_SET_TIMERSLACK = 29,
        PR_GET_TIMERSLACK = 30,
        PR_TASK_PERF_EVENTS_DISABLE = 31,
        PR_TASK_PERF_EVENTS_ENABLE = 32,
        PR_MCE_KILL = 33,
        PR_MCE_KILL_GET = 34,
        PR_SET_MM = 35,
        PR_SET_PTRACER = 1499557217,
        PR_SET_CHILD_SUBREAPER = 36,
        PR_GET_CHILD_SUBREAPER = 37,
        PR_SET_NO_NEW_PRIVS = 38,
        PR_GET_NO_NEW_PRIVS = 39,
        PR_GET_TID_ADDRESS = 40,
        PR_SET_THP_DISABLE = 41,
        PR_GET_THP_DISABLE = 42,
        PR_CAP_AMBIENT = 47,
        PR_GET_SPECULATION_CTRL = 52,
        PR_SET_SPECULATION_CTRL = 53,
        PR_SET_IO_FLUSHER = 57,
        PR_GET_IO_FLUSHER = 58,
        PR_SET_SYSCALL_USER_DISPATCH = 59,
        PR_SCHED_CORE = 62,
        PR_SET_VMA = 1398164801,
        PR_SET_MDWE = 65,
        PR_GET_MDWE = 66,
        PR_GET_AUXV = 0x4155_5856,
    }

    /// Arguments of PR_CAP_AMBIENT.
    PR_CAP_AMBIENT_OPS: u32 {
        PR_CAP_AMBIENT_IS_SET = 1,
        PR_CAP_AMBIENT_RAISE = 2,
        PR_CAP_AMBIENT_LOWER = 3,
        PR_CAP_AMBIENT_CLEAR_ALL = 4,
    }

    /// Arguments of PR_SET_TSC.
    PR_TSC: u32 {
        PR_TSC_ENABLE = 1,
        PR_TSC_SIGSEGV = 2,
    }

    /// Argument of PR_SET_VMA.
    PR_SET_VMA_OPS: u32 {
        PR_SET_VMA_ANON_NAME = 0,
    }

    /// Arguments of PR_SET_MM.
    PR_SET_MM_OPS: u32 {
        PR_SET_MM_START_CODE = 1,
        PR_SET_MM_END_CODE = 2,
        PR_SET_MM_START_DATA = 3,
        PR_SET_MM_END_DATA = 4,
        PR_SET_MM_START_STACK = 5,
        PR_SET_MM_START_BRK = 6,
        PR_SET_MM_BRK = 7,
        PR_SET_MM_ARG_START = 8,
        PR_SET_MM_ARG_END = 9,
        PR_SET_MM_ENV_START = 10,
        PR_SET_MM_ENV_END = 11,
        PR_SET_MM_AUXV = 12,
        PR_SET_MM_EXE_FILE = 13,
        PR_SET_MM_MAP = 14,
        PR_SET_MM_MAP_SIZE = 15,
    }

    /// Operations of arch_prctl(2).
    ARCH_PRCTL: u32 {
        ARCH_SET_GS = 0x1001,
        ARCH_SET_FS = 0x1002,
        ARCH_GET_FS = 0x1003,
        ARCH_GET_GS = 0x1004,
        ARCH_GET_CPUID = 0x1011,
        ARCH_SET_CPUID = 0x1012,
        ARCH_GET_XCOMP_SUPP = 0x1021,
        ARCH_GET_XCOMP_PERM = 0x1022,
        ARCH_REQ_XCOMP_PERM = 0x1023,
        ARCH_CET_STATUS = 0x3001,
        ARCH_SHSTK_STATUS = 0x5005,
    }
}

/// Length of a task name (PR_SET_NAME, /proc/PID/comm) with its NUL.
pub const TASK_COMM_LEN: usize = 16;

constants! {
    /// Modes of PR_SET_SECCOMP.
    SECCOMP_MODES: u32 {
        SECCOMP_MODE_DISABLED = 0,
        SECCOMP_MODE_STRICT = 1,
        SECCOMP_MODE_FILTER = 2,
    }

    /// Operations of seccomp(2).
    SECCOMP_OPS: u32 {
        SECCOMP_SET_MODE_STRICT = 0,
        SECCOMP_SET_MODE_FILTER = 1,
        SECCOMP_GET_ACTION_AVAIL = 2,
        SECCOMP_GET_NOTIF_SIZES = 3,
    }

    /// What a filter returns, and its masks.
    SECCOMP_RET: u32 {
        SECCOMP_RET_KILL_PROCESS = 0x8000_0000,
        SECCOMP_RET_KILL_THREAD = 0x0,
        SECCOMP_RET_TRAP = 0x0003_0000,
        SECCOMP_RET_ERRNO = 0x0005_0000,
        SECCOMP_RET_USER_NOTIF = 0x7fc0_0000,
        SECCOMP_RET_TRACE = 0x7ff0_0000,
        SECCOMP_RET_LOG = 0x7ffc_0000,
        SECCOMP_RET_ALLOW = 0x7fff_0000,
        SECCOMP_RET_ACTION_FULL = 0xffff_0000,
        SECCOMP_RET_DATA = 0xffff,
    }

    /// `arch` of [`SeccompData`] and of PTRACE_GET_SYSCALL_INFO.
    AUDIT_ARCH: u32 {
        AUDIT_ARCH_I386 = 0x4000_0003,
        AUDIT_ARCH_X86_64 = 0xc000_003e,
    }
}

layouts! {
    /// What a seccomp filter sees.
    any "struct seccomp_data" SeccompData {
        nr: i32,
        arch: u32,
        instruction_pointer: u64,
        args: [u64; 6],
    }
}

flags! {
    /// PR_SET_SECUREBITS.
    pub struct SecureBits: u32, "SECBIT_" {
        NOROOT = 0x1,
        NOROOT_LOCKED = 0x2,
        NO_SETUID_FIXUP = 0x4,
        NO_SETUID_FIXUP_LOCKED = 0x8,
        KEEP_CAPS = 0x10,
        KEEP_CAPS_LOCKED = 0x20,
        NO_CAP_AMBIENT_RAISE = 0x40,
        NO_CAP_AMBIENT_RAISE_LOCKED = 0x80,
    }
}
