//! asm/signal.h, asm-generic/signal-defs.h, asm-generic/siginfo.h: signal numbers, actions, `si_code`.

constants! {
    /// Signal numbers, signal(7). The real-time signals go on to [`SIGRTMAX`].
    SIGNALS: u32 {
        SIGHUP = 1,
        SIGINT = 2,
        SIGQUIT = 3,
        SIGILL = 4,
        SIGTRAP = 5,
        SIGABRT = 6,
        SIGBUS = 7,
        SIGFPE = 8,
        SIGKILL = 9,
        SIGUSR1 = 10,
        SIGSEGV = 11,
        SIGUSR2 = 12,
        SIGPIPE = 13,
        SIGALRM = 14,
        SIGTERM = 15,
        SIGSTKFLT = 16,
        SIGCHLD = 17,
        SIGCONT = 18,
        SIGSTOP = 19,
        SIGTSTP = 20,
        SIGTTIN = 21,
        SIGTTOU = 22,
        SIGURG = 23,
        SIGXCPU = 24,
        SIGXFSZ = 25,
        SIGVTALRM = 26,
        SIGPROF = 27,
        SIGWINCH = 28,
        SIGIO = 29,
        SIGPWR = 30,
        SIGSYS = 31,
        SIGRTMIN = 32,
    }

    /// Second names.
    SIGNAL_ALIASES: u32 {
        SIGIOT = 6,
        SIGPOLL = 29,
        SIGUNUSED = 31,
    }

    /// `how` of rt_sigprocmask(2).
    MASK_HOW: u32 {
        SIG_BLOCK = 0,
        SIG_UNBLOCK = 1,
        SIG_SETMASK = 2,
    }

    /// Handlers that are not addresses.
    HANDLERS: u64 {
        SIG_DFL = 0,
        SIG_IGN = 1,
    }

    /// `si_code` of any signal. Zero and below: a process sent it; rt_sigqueueinfo(2) allows only below zero but not SI_TKILL.
    SI_CODES: i32 {
        SI_USER = 0,
        SI_KERNEL = 128,
        SI_QUEUE = -1,
        SI_TIMER = -2,
        SI_MESGQ = -3,
        SI_ASYNCIO = -4,
        SI_SIGIO = -5,
        SI_TKILL = -6,
        SI_DETHREAD = -7,
        SI_ASYNCNL = -60,
    }

    /// `si_code` of SIGILL.
    ILL_CODES: i32 {
        ILL_ILLOPC = 1,
        ILL_ILLOPN = 2,
        ILL_ILLADR = 3,
        ILL_ILLTRP = 4,
        ILL_PRVOPC = 5,
        ILL_PRVREG = 6,
        ILL_COPROC = 7,
        ILL_BADSTK = 8,
        ILL_BADIADDR = 9,
    }

    /// `si_code` of SIGFPE.
    FPE_CODES: i32 {
        FPE_INTDIV = 1,
        FPE_INTOVF = 2,
        FPE_FLTDIV = 3,
        FPE_FLTOVF = 4,
        FPE_FLTUND = 5,
        FPE_FLTRES = 6,
        FPE_FLTINV = 7,
        FPE_FLTSUB = 8,
        FPE_FLTUNK = 14,
        FPE_CONDTRAP = 15,
    }

    /// `si_code` of SIGSEGV.
    SEGV_CODES: i32 {
        SEGV_MAPERR = 1,
        SEGV_ACCERR = 2,
        SEGV_BNDERR = 3,
        SEGV_PKUERR = 4,
        SEGV_ACCADI = 5,
        SEGV_ADIDERR = 6,
        SEGV_ADIPERR = 7,
        SEGV_MTEAERR = 8,
        SEGV_MTESERR = 9,
    }

    /// `si_code` of SIGBUS.
    BUS_CODES: i32 {
        BUS_ADRALN = 1,
        BUS_ADRERR = 2,
        BUS_OBJERR = 3,
        BUS_MCEERR_AR = 4,
        BUS_MCEERR_AO = 5,
    }

    /// `si_code` of SIGTRAP.
    TRAP_CODES: i32 {
        TRAP_BRKPT = 1,
        TRAP_TRACE = 2,
        TRAP_BRANCH = 3,
        TRAP_HWBKPT = 4,
        TRAP_UNK = 5,
        TRAP_PERF = 6,
    }

    /// `si_code` of SIGCHLD.
    CLD_CODES: i32 {
        CLD_EXITED = 1,
        CLD_KILLED = 2,
        CLD_DUMPED = 3,
        CLD_TRAPPED = 4,
        CLD_STOPPED = 5,
        CLD_CONTINUED = 6,
    }

    /// `si_code` of SIGIO and of a signal chosen by F_SETSIG.
    POLL_CODES: i32 {
        POLL_IN = 1,
        POLL_OUT = 2,
        POLL_MSG = 3,
        POLL_ERR = 4,
        POLL_PRI = 5,
        POLL_HUP = 6,
    }

    /// `si_code` of SIGSYS.
    SYS_CODES: i32 {
        SYS_SECCOMP = 1,
        SYS_USER_DISPATCH = 2,
    }

    /// `sigev_notify` of [`SigeventI386`] and [`SigeventX86_64`].
    SIGEV: i32 {
        SIGEV_SIGNAL = 0,
        SIGEV_NONE = 1,
        SIGEV_THREAD = 2,
        SIGEV_THREAD_ID = 4,
    }

    /// Smallest and usual size of an alternative stack.
    STACK_SIZES: u32 {
        MINSIGSTKSZ = 2048,
        SIGSTKSZ = 8192,
    }
}

flags! {
    /// `sa_flags` of rt_sigaction(2).
    pub struct SaFlags: u32, "SA_" {
        NOCLDSTOP = 0x1,
        NOCLDWAIT = 0x2,
        SIGINFO = 0x4,
        UNSUPPORTED = 0x400,
        EXPOSE_TAGBITS = 0x800,
        RESTORER = 0x0400_0000,
        ONSTACK = 0x0800_0000,
        RESTART = 0x1000_0000,
        NODEFER = 0x4000_0000,
        RESETHAND = 0x8000_0000,
    }

    /// `ss_flags` of sigaltstack(2).
    pub struct SsFlags: u32, "SS_" {
        ONSTACK = 0x1,
        DISABLE = 0x2,
        AUTODISARM = 0x8000_0000,
    }
}

layouts! {
    /// rt_sigaction(2) of i386 (`compat_sigaction`, in no public header); `sigsetsize` must be 8.
    i386 "" SigactionI386 {
        sa_handler: u32,
        sa_flags: u32,
        sa_restorer: u32,
        sa_mask: u64,
    }

    /// sigaction(2), i386 number 67.
    i386 "struct sigaction" OldSigactionI386 {
        sa_handler: u32,
        sa_mask: u32,
        sa_flags: u32,
        sa_restorer: u32,
    }

    /// rt_sigaction(2) of x86-64.
    x86_64 "struct sigaction" SigactionX86_64 {
        sa_handler: u64,
        sa_flags: u64,
        sa_restorer: u64,
        sa_mask: u64,
    }

    /// sigaltstack(2) of i386.
    i386 "stack_t" SigaltstackI386 {
        ss_sp: u32,
        ss_flags: i32,
        ss_size: u32,
    }

    /// sigaltstack(2) of x86-64.
    x86_64 "stack_t" SigaltstackX86_64 {
        ss_sp: u64,
        ss_flags: i32,
        _pad0: u32,
        ss_size: u64,
    }

    /// timer_create(2), mq_notify(2) of i386. `sigev_notify_thread_id` counts with SIGEV_THREAD_ID.
    i386 "struct sigevent" SigeventI386 {
        sigev_value: u32,
        sigev_signo: i32,
        sigev_notify: i32,
        sigev_notify_thread_id: i32,
        _pad0: [u32; 12],
    }

    /// timer_create(2), mq_notify(2) of x86-64.
    x86_64 "struct sigevent" SigeventX86_64 {
        sigev_value: u64,
        sigev_signo: i32,
        sigev_notify: i32,
        sigev_notify_thread_id: i32,
        _pad0: [u32; 11],
    }

    /// The last argument of pselect6(2) of i386: where the mask is, and its size.
    i386 "" SigsetArgI386 {
        p: u32,
        size: u32,
    }

    /// The last argument of pselect6(2) of x86-64.
    x86_64 "" SigsetArgX86_64 {
        p: u64,
        size: u64,
    }
}

/// The last real-time signal. (The kernel's SIGRTMIN is 32; the C library keeps the first two or three for itself.)
pub const SIGRTMAX: u32 = NSIG;

/// Number of signals; they are numbered from 1, and signal `n` is bit `n - 1` of a set.
pub const NSIG: u32 = 64;

/// The bit of a signal in a signal set; none for a number out of range.
pub const fn sigmask(signal: u32) -> u64 {
    if signal >= 1 && signal <= NSIG { 1 << (signal - 1) } else { 0 }
}

/// What a signal does when its action is SIG_DFL, signal(7).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DefaultAction {
    /// The process ends.
    Term,
    /// Nothing.
    Ign,
    /// The process ends, with a core dump if its limit allows one.
    Core,
    /// The process stops.
    Stop,
    /// The process goes on if it is stopped.
    Cont,
}

/// The default action of a signal (signal(7), "Standard signals").
pub const fn default_action(signal: u32) -> DefaultAction {
    match signal {
        SIGCHLD | SIGURG | SIGWINCH => DefaultAction::Ign,
        SIGCONT => DefaultAction::Cont,
        SIGSTOP | SIGTSTP | SIGTTIN | SIGTTOU => DefaultAction::Stop,
        SIGQUIT | SIGILL | SIGTRAP | SIGABRT | SIGBUS | SIGFPE | SIGSEGV | SIGXCPU | SIGXFSZ | SIGSYS => {
            DefaultAction::Core
        }
        _ => DefaultAction::Term,
    }
}
