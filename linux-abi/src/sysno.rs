//! asm/unistd.h: one [`Sysno`] per distinct system call, and the number tables of both architectures.
//!
//! A variant is named by what the entry does, so that both tables share as much as possible:
//!
//! * `16` at the end: 16-bit user ids (i386 `getuid` is [`Sysno::Getuid16`]; i386 `getuid32` and
//!   x86-64 `getuid` are both [`Sysno::Getuid`]).
//! * `32` at the end: the time structures have 32-bit seconds, where the kernel's i386 entry point is
//!   a `_time32` one (i386 `clock_gettime` is [`Sysno::ClockGettime32`]; `clock_gettime64` and x86-64
//!   `clock_gettime` are [`Sysno::ClockGettime`]).
//! * `New` at the front, as the kernel calls them: the stat calls filling `struct stat` of the
//!   architecture; `Old` at the front: i386 forms that pass their arguments in memory or use structures
//!   of the nineties.
//! * Everything else that differs only by the width of `long` (times, getrusage, readv, select, ...) shares
//!   a variant. So do calls whose 64-bit arguments take two registers on i386: see [`SPLIT_ARGS`].

macro_rules! sysnos {
    ($($variant:ident $name:tt;)*) => {
        /// A system call of Linux, whichever architecture's number asked for it.
        ///
        /// The list is that of the two number tables; there is no variant without a number.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u16)]
        pub enum Sysno {
            $(
                #[doc = stringify!($name)]
                $variant,
            )*
        }

        impl Sysno {
            /// Every system call, in the order of declaration: `ALL[call as usize] == call`.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name of section 2 of the manual. Where i386 has several generations of one call, the
            /// older ones have the name of their kernel entry point, so that names are unique.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($name),)*
                }
            }
        }
    };
}

/// Expands the rows `number name Variant` of one architecture to a table of variants and one of names.
macro_rules! table {
    (
        $(#[$table_doc:meta])* $table:ident,
        $(#[$names_doc:meta])* $names:ident;
        $($number:literal $name:tt $variant:ident;)*
    ) => {
        /// One past the highest number.
        const LEN: usize = {
            let mut len = 0;
            $(
                // Rows stand in ascending order: one typed twice does not compile.
                assert!($number >= len);
                len = $number + 1;
            )*
            len
        };

        $(#[$table_doc])*
        pub const $table: &[Option<Sysno>] = &{
            let mut table = [None; LEN];
            $(table[$number] = Some(Sysno::$variant);)*
            table
        };

        $(#[$names_doc])*
        pub const $names: &[Option<&str>] = &{
            let mut names = [None; LEN];
            $(names[$number] = Some(stringify!($name));)*
            names
        };
    };
}

pub mod i386;
pub mod x86_64;

pub use i386::{NAMES as I386_NAMES, TABLE as I386};
pub use x86_64::{NAMES as X86_64_NAMES, TABLE as X86_64};

/// Calls with a 64-bit argument that i386 passes in two registers, low half first (syscall(2),
/// "Architecture-specific requirements"; i386 does not align the pair).
///
/// Each row: the call, and the positions (from 0) at which i386 has the low halves. preadv(2) and its
/// kin are not here: they take two registers on both architectures.
pub const SPLIT_ARGS: &[(Sysno, &[usize])] = &[
    (Sysno::Pread64, &[3]),
    (Sysno::Pwrite64, &[3]),
    (Sysno::Truncate64, &[1]),
    (Sysno::Ftruncate64, &[1]),
    (Sysno::Readahead, &[1]),
    (Sysno::Fadvise64, &[1]),
    (Sysno::Fadvise6464, &[1, 3]),
    (Sysno::SyncFileRange, &[1, 3]),
    (Sysno::Fallocate, &[2, 4]),
    (Sysno::FanotifyMark, &[2]),
    (Sysno::LookupDcookie, &[0]),
];

impl core::fmt::Display for Sysno {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

#[rustfmt::skip] // One call a line.
sysnos! {
    Read read;
    Write write;
    Open open;
    Close close;
    Newstat stat;
    Newfstat fstat;
    Newlstat lstat;
    Poll poll;
    Lseek lseek;
    Mmap mmap;
    Mprotect mprotect;
    Munmap munmap;
    Brk brk;
    RtSigaction rt_sigaction;
    RtSigprocmask rt_sigprocmask;
    RtSigreturn rt_sigreturn;
    Ioctl ioctl;
    Pread64 pread64;
    Pwrite64 pwrite64;
    Readv readv;
    Writev writev;
    Access access;
    Pipe pipe;
    Select select;
    SchedYield sched_yield;
    Mremap mremap;
    Msync msync;
    Mincore mincore;
    Madvise madvise;
    Shmget shmget;
    Shmat shmat;
    Shmctl shmctl;
    Dup dup;
    Dup2 dup2;
    Pause pause;
    Nanosleep nanosleep;
    Getitimer getitimer;
    Alarm alarm;
    Setitimer setitimer;
    Getpid getpid;
    Sendfile sendfile;
    Socket socket;
    Connect connect;
    Accept accept;
    Sendto sendto;
    Recvfrom recvfrom;
    Sendmsg sendmsg;
    Recvmsg recvmsg;
    Shutdown shutdown;
    Bind bind;
    Listen listen;
    Getsockname getsockname;
    Getpeername getpeername;
    Socketpair socketpair;
    Setsockopt setsockopt;
    Getsockopt getsockopt;
    Clone clone;
    Fork fork;
    Vfork vfork;
    Execve execve;
    Exit exit;
    Wait4 wait4;
    Kill kill;
    Uname uname;
    Semget semget;
    Semop semop;
    Semctl semctl;
    Shmdt shmdt;
    Msgget msgget;
    Msgsnd msgsnd;
    Msgrcv msgrcv;
    Msgctl msgctl;
    Fcntl fcntl;
    Flock flock;
    Fsync fsync;
    Fdatasync fdatasync;
    Truncate truncate;
    Ftruncate ftruncate;
    Getdents getdents;
    Getcwd getcwd;
    Chdir chdir;
    Fchdir fchdir;
    Rename rename;
    Mkdir mkdir;
    Rmdir rmdir;
    Creat creat;
    Link link;
    Unlink unlink;
    Symlink symlink;
    Readlink readlink;
    Chmod chmod;
    Fchmod fchmod;
    Chown chown;
    Fchown fchown;
    Lchown lchown;
    Umask umask;
    Gettimeofday gettimeofday;
    Getrlimit getrlimit;
    Getrusage getrusage;
    Sysinfo sysinfo;
    Times times;
    Ptrace ptrace;
    Getuid getuid;
    Syslog syslog;
    Getgid getgid;
    Setuid setuid;
    Setgid setgid;
    Geteuid geteuid;
    Getegid getegid;
    Setpgid setpgid;
    Getppid getppid;
    Getpgrp getpgrp;
    Setsid setsid;
    Setreuid setreuid;
    Setregid setregid;
    Getgroups getgroups;
    Setgroups setgroups;
    Setresuid setresuid;
    Getresuid getresuid;
    Setresgid setresgid;
    Getresgid getresgid;
    Getpgid getpgid;
    Setfsuid setfsuid;
    Setfsgid setfsgid;
    Getsid getsid;
    Capget capget;
    Capset capset;
    RtSigpending rt_sigpending;
    RtSigtimedwait rt_sigtimedwait;
    RtSigqueueinfo rt_sigqueueinfo;
    RtSigsuspend rt_sigsuspend;
    Sigaltstack sigaltstack;
    Utime utime;
    Mknod mknod;
    Uselib uselib;
    Personality personality;
    Ustat ustat;
    Statfs statfs;
    Fstatfs fstatfs;
    Sysfs sysfs;
    Getpriority getpriority;
    Setpriority setpriority;
    SchedSetparam sched_setparam;
    SchedGetparam sched_getparam;
    SchedSetscheduler sched_setscheduler;
    SchedGetscheduler sched_getscheduler;
    SchedGetPriorityMax sched_get_priority_max;
    SchedGetPriorityMin sched_get_priority_min;
    SchedRrGetInterval sched_rr_get_interval;
    Mlock mlock;
    Munlock munlock;
    Mlockall mlockall;
    Munlockall munlockall;
    Vhangup vhangup;
    ModifyLdt modify_ldt;
    PivotRoot pivot_root;
    Sysctl _sysctl;
    Prctl prctl;
    ArchPrctl arch_prctl;
    Adjtimex adjtimex;
    Setrlimit setrlimit;
    Chroot chroot;
    Sync sync;
    Acct acct;
    Settimeofday settimeofday;
    Mount mount;
    Umount2 umount2;
    Swapon swapon;
    Swapoff swapoff;
    Reboot reboot;
    Sethostname sethostname;
    Setdomainname setdomainname;
    Iopl iopl;
    Ioperm ioperm;
    CreateModule create_module;
    InitModule init_module;
    DeleteModule delete_module;
    GetKernelSyms get_kernel_syms;
    QueryModule query_module;
    Quotactl quotactl;
    Nfsservctl nfsservctl;
    Getpmsg getpmsg;
    Putpmsg putpmsg;
    AfsSyscall afs_syscall;
    Tuxcall tuxcall;
    Security security;
    Gettid gettid;
    Readahead readahead;
    Setxattr setxattr;
    Lsetxattr lsetxattr;
    Fsetxattr fsetxattr;
    Getxattr getxattr;
    Lgetxattr lgetxattr;
    Fgetxattr fgetxattr;
    Listxattr listxattr;
    Llistxattr llistxattr;
    Flistxattr flistxattr;
    Removexattr removexattr;
    Lremovexattr lremovexattr;
    Fremovexattr fremovexattr;
    Tkill tkill;
    Time time;
    Futex futex;
    SchedSetaffinity sched_setaffinity;
    SchedGetaffinity sched_getaffinity;
    SetThreadArea set_thread_area;
    IoSetup io_setup;
    IoDestroy io_destroy;
    IoGetevents io_getevents;
    IoSubmit io_submit;
    IoCancel io_cancel;
    GetThreadArea get_thread_area;
    LookupDcookie lookup_dcookie;
    EpollCreate epoll_create;
    EpollCtlOld epoll_ctl_old;
    EpollWaitOld epoll_wait_old;
    RemapFilePages remap_file_pages;
    Getdents64 getdents64;
    SetTidAddress set_tid_address;
    RestartSyscall restart_syscall;
    Semtimedop semtimedop;
    Fadvise64 fadvise64;
    TimerCreate timer_create;
    TimerSettime timer_settime;
    TimerGettime timer_gettime;
    TimerGetoverrun timer_getoverrun;
    TimerDelete timer_delete;
    ClockSettime clock_settime;
    ClockGettime clock_gettime;
    ClockGetres clock_getres;
    ClockNanosleep clock_nanosleep;
    ExitGroup exit_group;
    EpollWait epoll_wait;
    EpollCtl epoll_ctl;
    Tgkill tgkill;
    Utimes utimes;
    Vserver vserver;
    Mbind mbind;
    SetMempolicy set_mempolicy;
    GetMempolicy get_mempolicy;
    MqOpen mq_open;
    MqUnlink mq_unlink;
    MqTimedsend mq_timedsend;
    MqTimedreceive mq_timedreceive;
    MqNotify mq_notify;
    MqGetsetattr mq_getsetattr;
    KexecLoad kexec_load;
    Waitid waitid;
    AddKey add_key;
    RequestKey request_key;
    Keyctl keyctl;
    IoprioSet ioprio_set;
    IoprioGet ioprio_get;
    InotifyInit inotify_init;
    InotifyAddWatch inotify_add_watch;
    InotifyRmWatch inotify_rm_watch;
    MigratePages migrate_pages;
    Openat openat;
    Mkdirat mkdirat;
    Mknodat mknodat;
    Fchownat fchownat;
    Futimesat futimesat;
    Newfstatat newfstatat;
    Unlinkat unlinkat;
    Renameat renameat;
    Linkat linkat;
    Symlinkat symlinkat;
    Readlinkat readlinkat;
    Fchmodat fchmodat;
    Faccessat faccessat;
    Pselect6 pselect6;
    Ppoll ppoll;
    Unshare unshare;
    SetRobustList set_robust_list;
    GetRobustList get_robust_list;
    Splice splice;
    Tee tee;
    SyncFileRange sync_file_range;
    Vmsplice vmsplice;
    MovePages move_pages;
    Utimensat utimensat;
    EpollPwait epoll_pwait;
    Signalfd signalfd;
    TimerfdCreate timerfd_create;
    Eventfd eventfd;
    Fallocate fallocate;
    TimerfdSettime timerfd_settime;
    TimerfdGettime timerfd_gettime;
    Accept4 accept4;
    Signalfd4 signalfd4;
    Eventfd2 eventfd2;
    EpollCreate1 epoll_create1;
    Dup3 dup3;
    Pipe2 pipe2;
    InotifyInit1 inotify_init1;
    Preadv preadv;
    Pwritev pwritev;
    RtTgsigqueueinfo rt_tgsigqueueinfo;
    PerfEventOpen perf_event_open;
    Recvmmsg recvmmsg;
    FanotifyInit fanotify_init;
    FanotifyMark fanotify_mark;
    Prlimit64 prlimit64;
    NameToHandleAt name_to_handle_at;
    OpenByHandleAt open_by_handle_at;
    ClockAdjtime clock_adjtime;
    Syncfs syncfs;
    Sendmmsg sendmmsg;
    Setns setns;
    Getcpu getcpu;
    ProcessVmReadv process_vm_readv;
    ProcessVmWritev process_vm_writev;
    Kcmp kcmp;
    FinitModule finit_module;
    SchedSetattr sched_setattr;
    SchedGetattr sched_getattr;
    Renameat2 renameat2;
    Seccomp seccomp;
    Getrandom getrandom;
    MemfdCreate memfd_create;
    KexecFileLoad kexec_file_load;
    Bpf bpf;
    Execveat execveat;
    Userfaultfd userfaultfd;
    Membarrier membarrier;
    Mlock2 mlock2;
    CopyFileRange copy_file_range;
    Preadv2 preadv2;
    Pwritev2 pwritev2;
    PkeyMprotect pkey_mprotect;
    PkeyAlloc pkey_alloc;
    PkeyFree pkey_free;
    Statx statx;
    IoPgetevents io_pgetevents;
    Rseq rseq;
    Uretprobe uretprobe;
    Uprobe uprobe;
    PidfdSendSignal pidfd_send_signal;
    IoUringSetup io_uring_setup;
    IoUringEnter io_uring_enter;
    IoUringRegister io_uring_register;
    OpenTree open_tree;
    MoveMount move_mount;
    Fsopen fsopen;
    Fsconfig fsconfig;
    Fsmount fsmount;
    Fspick fspick;
    PidfdOpen pidfd_open;
    Clone3 clone3;
    CloseRange close_range;
    Openat2 openat2;
    PidfdGetfd pidfd_getfd;
    Faccessat2 faccessat2;
    ProcessMadvise process_madvise;
    EpollPwait2 epoll_pwait2;
    MountSetattr mount_setattr;
    QuotactlFd quotactl_fd;
    LandlockCreateRuleset landlock_create_ruleset;
    LandlockAddRule landlock_add_rule;
    LandlockRestrictSelf landlock_restrict_self;
    MemfdSecret memfd_secret;
    ProcessMrelease process_mrelease;
    FutexWaitv futex_waitv;
    SetMempolicyHomeNode set_mempolicy_home_node;
    Cachestat cachestat;
    Fchmodat2 fchmodat2;
    MapShadowStack map_shadow_stack;
    FutexWake futex_wake;
    FutexWait futex_wait;
    FutexRequeue futex_requeue;
    Statmount statmount;
    Listmount listmount;
    LsmGetSelfAttr lsm_get_self_attr;
    LsmSetSelfAttr lsm_set_self_attr;
    LsmListModules lsm_list_modules;
    Mseal mseal;
    Setxattrat setxattrat;
    Getxattrat getxattrat;
    Listxattrat listxattrat;
    Removexattrat removexattrat;
    OpenTreeAttr open_tree_attr;
    FileGetattr file_getattr;
    FileSetattr file_setattr;
    Waitpid waitpid;
    Time32 time32;
    Lchown16 lchown16;
    Break break;
    Oldstat oldstat;
    Umount umount;
    Setuid16 setuid16;
    Getuid16 getuid16;
    Stime32 stime32;
    Oldfstat oldfstat;
    Utime32 utime32;
    Stty stty;
    Gtty gtty;
    Nice nice;
    Ftime ftime;
    Prof prof;
    Setgid16 setgid16;
    Getgid16 getgid16;
    Signal signal;
    Geteuid16 geteuid16;
    Getegid16 getegid16;
    Lock lock;
    Mpx mpx;
    Ulimit ulimit;
    Oldolduname oldolduname;
    Sigaction sigaction;
    Sgetmask sgetmask;
    Ssetmask ssetmask;
    Setreuid16 setreuid16;
    Setregid16 setregid16;
    Sigsuspend sigsuspend;
    Sigpending sigpending;
    OldGetrlimit old_getrlimit;
    Getgroups16 getgroups16;
    Setgroups16 setgroups16;
    OldSelect old_select;
    Oldlstat oldlstat;
    OldReaddir old_readdir;
    OldMmap old_mmap;
    Fchown16 fchown16;
    Profil profil;
    Socketcall socketcall;
    Olduname olduname;
    Idle idle;
    Vm86old vm86old;
    Ipc ipc;
    Sigreturn sigreturn;
    Adjtimex32 adjtimex_time32;
    Sigprocmask sigprocmask;
    Bdflush bdflush;
    Setfsuid16 setfsuid16;
    Setfsgid16 setfsgid16;
    Llseek _llseek;
    SchedRrGetInterval32 sched_rr_get_interval_time32;
    Nanosleep32 nanosleep_time32;
    Setresuid16 setresuid16;
    Getresuid16 getresuid16;
    Vm86 vm86;
    Setresgid16 setresgid16;
    Getresgid16 getresgid16;
    RtSigtimedwait32 rt_sigtimedwait_time32;
    Chown16 chown16;
    Mmap2 mmap2;
    Truncate64 truncate64;
    Ftruncate64 ftruncate64;
    Stat64 stat64;
    Lstat64 lstat64;
    Fstat64 fstat64;
    Fcntl64 fcntl64;
    Sendfile64 sendfile64;
    Futex32 futex_time32;
    IoGetevents32 io_getevents_time32;
    TimerSettime32 timer_settime_time32;
    TimerGettime32 timer_gettime_time32;
    ClockSettime32 clock_settime_time32;
    ClockGettime32 clock_gettime_time32;
    ClockGetres32 clock_getres_time32;
    ClockNanosleep32 clock_nanosleep_time32;
    Statfs64 statfs64;
    Fstatfs64 fstatfs64;
    Utimes32 utimes_time32;
    Fadvise6464 fadvise64_64;
    MqTimedsend32 mq_timedsend_time32;
    MqTimedreceive32 mq_timedreceive_time32;
    Futimesat32 futimesat_time32;
    Fstatat64 fstatat64;
    Pselect632 pselect6_time32;
    Ppoll32 ppoll_time32;
    Utimensat32 utimensat_time32;
    TimerfdSettime32 timerfd_settime_time32;
    TimerfdGettime32 timerfd_gettime_time32;
    Recvmmsg32 recvmmsg_time32;
    ClockAdjtime32 clock_adjtime_time32;
    IoPgetevents32 io_pgetevents_time32;
}
