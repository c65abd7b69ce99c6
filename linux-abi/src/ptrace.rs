//! linux/ptrace.h, asm/ptrace-abi.h, sys/user.h: ptrace(2).

constants! {
    /// Requests of both architectures.
    PTRACE_REQUESTS: u32 {
        PTRACE_TRACEME = 0,
        PTRACE_PEEKTEXT = 1,
        PTRACE_PEEKDATA = 2,
        PTRACE_PEEKUSR = 3,
        PTRACE_POKETEXT = 4,
        PTRACE_POKEDATA = 5,
        PTRACE_POKEUSR = 6,
        PTRACE_CONT = 7,
        PTRACE_KILL = 8,
        PTRACE_SINGLESTEP = 9,
        PTRACE_GETREGS = 12,
        PTRACE_SETREGS = 13,
        PTRACE_GETFPREGS = 14,
        PTRACE_SETFPREGS = 15,
        PTRACE_ATTACH = 16,
        PTRACE_DETACH = 17,
        PTRACE_GETFPXREGS = 18,
        PTRACE_SETFPXREGS = 19,
        PTRACE_OLDSETOPTIONS = 21,
        PTRACE_SYSCALL = 24,
        PTRACE_GET_THREAD_AREA = 25,
        PTRACE_SET_THREAD_AREA = 26,
        PTRACE_ARCH_PRCTL = 30,
        PTRACE_SYSEMU = 31,
        PTRACE_SYSEMU_SINGLESTEP = 32,
        PTRACE_SINGLEBLOCK = 33,
        PTRACE_SETOPTIONS = 0x4200,
        PTRACE_GETEVENTMSG = 0x4201,
        PTRACE_GETSIGINFO = 0x4202,
        PTRACE_SETSIGINFO = 0x4203,
        PTRACE_GETREGSET = 0x4204,
        PTRACE_SETREGSET = 0x4205,
        PTRACE_SEIZE = 0x4206,
        PTRACE_INTERRUPT = 0x4207,
        PTRACE_LISTEN = 0x4208,
        PTRACE_PEEKSIGINFO = 0x4209,
        PTRACE_GETSIGMASK = 0x420a,
        PTRACE_SETSIGMASK = 0x420b,
        PTRACE_SECCOMP_GET_FILTER = 0x420c,
        PTRACE_SECCOMP_GET_METADATA = 0x420d,
        PTRACE_GET_SYSCALL_INFO = 0x420e,
        PTRACE_GET_RSEQ_CONFIGURATION = 0x420f,
    }

    /// Events, in the wait status of a stop.
    PTRACE_EVENTS: u32 {
        PTRACE_EVENT_FORK = 1,
        PTRACE_EVENT_VFORK = 2,
        PTRACE_EVENT_CLONE = 3,
        PTRACE_EVENT_EXEC = 4,
        PTRACE_EVENT_VFORK_DONE = 5,
        PTRACE_EVENT_EXIT = 6,
        PTRACE_EVENT_SECCOMP = 7,
        PTRACE_EVENT_STOP = 128,
    }

    /// `op` of [`PtraceSyscallInfo`].
    PTRACE_SYSCALL_OPS: u8 {
        PTRACE_SYSCALL_INFO_NONE = 0,
        PTRACE_SYSCALL_INFO_ENTRY = 1,
        PTRACE_SYSCALL_INFO_EXIT = 2,
        PTRACE_SYSCALL_INFO_SECCOMP = 3,
    }
}

flags! {
    /// PTRACE_SETOPTIONS.
    pub struct PtraceOptions: u32, "PTRACE_O_" {
        TRACESYSGOOD = 0x1,
        TRACEFORK = 0x2,
        TRACEVFORK = 0x4,
        TRACECLONE = 0x8,
        TRACEEXEC = 0x10,
        TRACEVFORKDONE = 0x20,
        TRACEEXIT = 0x40,
        TRACESECCOMP = 0x80,
        EXITKILL = 0x0010_0000,
        SUSPEND_SECCOMP = 0x0020_0000,
    }
}

layouts! {
    /// PTRACE_GETREGS of i386, and the beginning of its `struct user`.
    i386 "struct user_regs_struct" UserRegsI386 {
        ebx: u32,
        ecx: u32,
        edx: u32,
        esi: u32,
        edi: u32,
        ebp: u32,
        eax: u32,
        xds: u32,
        xes: u32,
        xfs: u32,
        xgs: u32,
        orig_eax: u32,
        eip: u32,
        xcs: u32,
        eflags: u32,
        esp: u32,
        xss: u32,
    }

    /// PTRACE_GETREGS of x86-64, and the beginning of its `struct user`.
    x86_64 "struct user_regs_struct" UserRegsX86_64 {
        r15: u64,
        r14: u64,
        r13: u64,
        r12: u64,
        rbp: u64,
        rbx: u64,
        r11: u64,
        r10: u64,
        r9: u64,
        r8: u64,
        rax: u64,
        rcx: u64,
        rdx: u64,
        rsi: u64,
        rdi: u64,
        orig_rax: u64,
        rip: u64,
        cs: u64,
        eflags: u64,
        rsp: u64,
        ss: u64,
        fs_base: u64,
        gs_base: u64,
        ds: u64,
        es: u64,
        fs: u64,
        gs: u64,
    }

    /// PTRACE_GETFPREGS of i386: the image of fnsave.
    i386 "struct user_fpregs_struct" UserFpregsI386 {
        cwd: u32,
        swd: u32,
        twd: u32,
        fip: u32,
        fcs: u32,
        foo: u32,
        fos: u32,
        st_space: [u32; 20],
    }

    /// PTRACE_GETFPXREGS of i386: the image of fxsave.
    i386 "struct user_fpxregs_struct" UserFpxregsI386 {
        cwd: u16,
        swd: u16,
        twd: u16,
        fop: u16,
        fip: u32,
        fcs: u32,
        foo: u32,
        fos: u32,
        mxcsr: u32,
        reserved: u32,
        st_space: [u32; 32],
        xmm_space: [u32; 32],
        padding: [u32; 56],
    }

    /// PTRACE_GETFPREGS of x86-64: the image of fxsave64.
    x86_64 "struct user_fpregs_struct" UserFpregsX86_64 {
        cwd: u16,
        swd: u16,
        ftw: u16,
        fop: u16,
        rip: u64,
        rdp: u64,
        mxcsr: u32,
        mxcr_mask: u32,
        st_space: [u32; 32],
        xmm_space: [u32; 64],
        padding: [u32; 24],
    }

    /// What PTRACE_PEEKUSR of i386 reads from.
    i386 "struct user" UserI386 {
        regs: UserRegsI386,
        u_fpvalid: i32,
        i387: UserFpregsI386,
        u_tsize: u32,
        u_dsize: u32,
        u_ssize: u32,
        start_code: u32,
        start_stack: u32,
        signal: i32,
        reserved: i32,
        u_ar0: u32,
        u_fpstate: u32,
        magic: u32,
        u_comm: [u8; 32],
        u_debugreg: [u32; 8],
    }

    /// What PTRACE_PEEKUSR of x86-64 reads from.
    x86_64 "struct user" UserX86_64 {
        regs: UserRegsX86_64,
        u_fpvalid: i32,
        _pad0: u32,
        i387: UserFpregsX86_64,
        u_tsize: u64,
        u_dsize: u64,
        u_ssize: u64,
        start_code: u64,
        start_stack: u64,
        signal: i64,
        reserved: i32,
        _pad1: u32,
        u_ar0: u64,
        u_fpstate: u64,
        magic: u64,
        u_comm: [u8; 32],
        u_debugreg: [u64; 8],
    }
}

layouts! {
    /// PTRACE_GET_SYSCALL_INFO. `data` is a union: number and six arguments, or result and whether it is an error.
    any_prefix "struct ptrace_syscall_info" PtraceSyscallInfo {
        op: u8,
        pad: [u8; 3],
        arch: u32,
        instruction_pointer: u64,
        stack_pointer: u64,
        data: [u64; 8],
    }

    /// PTRACE_PEEKSIGINFO.
    any "struct ptrace_peeksiginfo_args" PtracePeeksiginfoArgs {
        off: u64,
        flags: u32,
        nr: i32,
    }
}
layouts! {
    /// NT_PRSTATUS of i386, in a core dump.
    i386 "struct elf_prstatus" ElfPrstatusI386 {
        si_signo: i32,
        si_code: i32,
        si_errno: i32,
        pr_cursig: i16,
        _pad0: u16,
        pr_sigpend: u32,
        pr_sighold: u32,
        pr_pid: i32,
        pr_ppid: i32,
        pr_pgrp: i32,
        pr_sid: i32,
        pr_times: [[i32; 2]; 4],
        pr_reg: UserRegsI386,
        pr_fpvalid: i32,
    }

    /// NT_PRSTATUS of x86-64, in a core dump.
    x86_64 "struct elf_prstatus" ElfPrstatusX86_64 {
        si_signo: i32,
        si_code: i32,
        si_errno: i32,
        pr_cursig: i16,
        _pad0: u16,
        pr_sigpend: u64,
        pr_sighold: u64,
        pr_pid: i32,
        pr_ppid: i32,
        pr_pgrp: i32,
        pr_sid: i32,
        pr_times: [[i64; 2]; 4],
        pr_reg: UserRegsX86_64,
        pr_fpvalid: i32,
        _pad1: u32,
    }
}
