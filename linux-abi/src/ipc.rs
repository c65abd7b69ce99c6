//! linux/ipc.h, linux/shm.h, linux/sem.h, linux/msg.h, asm-generic/ipcbuf.h: System V IPC, sysvipc(7).

constants! {
    /// Calls of ipc(2), i386 number 117. The upper half of the number is a version, 0 or 1.
    IPC_CALLS: u32 {
        SEMOP = 1,
        SEMGET = 2,
        SEMCTL = 3,
        SEMTIMEDOP = 4,
        MSGSND = 11,
        MSGRCV = 12,
        MSGGET = 13,
        MSGCTL = 14,
        SHMAT = 21,
        SHMDT = 22,
        SHMGET = 23,
        SHMCTL = 24,
    }

    /// Commands of shmctl(2), semctl(2), msgctl(2). On i386, `IPC_64` is added for the structures below.
    IPC_COMMANDS: u32 {
        IPC_RMID = 0,
        IPC_SET = 1,
        IPC_STAT = 2,
        IPC_INFO = 3,
        IPC_64 = 256,
    }

    /// The key that makes a fresh object.
    IPC_KEYS: i32 {
        IPC_PRIVATE = 0,
    }
}

flags! {
    /// Flags of shmget(2), semget(2), msgget(2), msgsnd(2), semop(2).
    pub struct IpcFlags: u32, "IPC_" {
        CREAT = 0o1000,
        EXCL = 0o2000,
        NOWAIT = 0o4000,
    }
}

flags! {
    /// Flags of shmat(2) and shmget(2).
    pub struct ShmFlags: u32, "SHM_" {
        R = 0o400,
        W = 0o200,
        HUGETLB = 0o4000,
        NORESERVE = 0o10000,
        RDONLY = 0o10000,
        RND = 0o20000,
        REMAP = 0o40000,
        EXEC = 0o100000,
    }
}

constants! {
    /// Commands of shmctl(2).
    SHM_COMMANDS: u32 {
        SHM_LOCK = 11,
        SHM_UNLOCK = 12,
        SHM_STAT = 13,
        SHM_INFO = 14,
        SHM_STAT_ANY = 15,
    }

    /// Bits of `shm_perm.mode` that shmctl(2) shows.
    SHM_MODES: u32 {
        SHM_DEST = 0o1000,
        SHM_LOCKED = 0o2000,
    }

    /// Usual limits.
    SHM_LIMITS: u32 {
        SHMMIN = 1,
        SHMMNI = 4096,
        SHMSEG = 4096,
    }
}

/// Alignment of addresses under SHM_RND.
pub const SHMLBA: u64 = 4096;

flags! {
    /// `sem_flg` of [`Sembuf`].
    pub struct SemFlags: u16, "SEM_" {
        UNDO = 0x1000,
    }
}

constants! {
    /// Commands of semctl(2).
    SEM_COMMANDS: u32 {
        GETPID = 11,
        GETVAL = 12,
        GETALL = 13,
        GETNCNT = 14,
        GETZCNT = 15,
        SETVAL = 16,
        SETALL = 17,
        SEM_STAT = 18,
        SEM_INFO = 19,
        SEM_STAT_ANY = 20,
    }

    /// Usual limits.
    SEM_LIMITS: u32 {
        SEMMNI = 32000,
        SEMMSL = 32000,
        SEMMNS = 1024000000,
        SEMOPM = 500,
        SEMVMX = 32767,
        SEMAEM = 32767,
    }
}

flags! {
    /// Flags of msgrcv(2).
    pub struct MsgrcvFlags: u32, "MSG_" {
        NOERROR = 0o10000,
        EXCEPT = 0o20000,
        COPY = 0o40000,
    }
}

constants! {
    /// Commands of msgctl(2).
    MSG_COMMANDS: u32 {
        MSG_STAT = 11,
        MSG_INFO = 12,
        MSG_STAT_ANY = 13,
    }

    /// Usual limits.
    MSG_LIMITS: u32 {
        MSGMNI = 32000,
        MSGMAX = 8192,
        MSGMNB = 16384,
    }
}

layouts! {
    /// Owner and mode, of i386.
    i386 "struct ipc64_perm" Ipc64PermI386 {
        key: i32,
        uid: u32,
        gid: u32,
        cuid: u32,
        cgid: u32,
        mode: u16,
        __pad1: [u8; 2],
        seq: u16,
        __pad2: u16,
        __unused1: u32,
        __unused2: u32,
    }

    /// Owner and mode, of x86-64.
    x86_64 "struct ipc64_perm" Ipc64PermX86_64 {
        key: i32,
        uid: u32,
        gid: u32,
        cuid: u32,
        cgid: u32,
        mode: u32,
        seq: u16,
        __pad2: u16,
        _pad0: u32,
        __unused1: u64,
        __unused2: u64,
    }

    /// Owner and mode, of i386 calls without IPC_64.
    i386 "struct ipc_perm" IpcPermI386 {
        key: i32,
        uid: u16,
        gid: u16,
        cuid: u16,
        cgid: u16,
        mode: u16,
        seq: u16,
    }

    /// shmctl(2) IPC_STAT of i386.
    i386 "struct shmid64_ds" Shmid64DsI386 {
        shm_perm: Ipc64PermI386,
        shm_segsz: u32,
        shm_atime: u32,
        shm_atime_high: u32,
        shm_dtime: u32,
        shm_dtime_high: u32,
        shm_ctime: u32,
        shm_ctime_high: u32,
        shm_cpid: i32,
        shm_lpid: i32,
        shm_nattch: u32,
        __unused4: u32,
        __unused5: u32,
    }

    /// shmctl(2) IPC_STAT of x86-64.
    x86_64 "struct shmid64_ds" Shmid64DsX86_64 {
        shm_perm: Ipc64PermX86_64,
        shm_segsz: u64,
        shm_atime: i64,
        shm_dtime: i64,
        shm_ctime: i64,
        shm_cpid: i32,
        shm_lpid: i32,
        shm_nattch: u64,
        __unused4: u64,
        __unused5: u64,
    }

    /// shmctl(2) IPC_INFO of i386.
    i386 "struct shminfo64" Shminfo64I386 {
        shmmax: u32,
        shmmin: u32,
        shmmni: u32,
        shmseg: u32,
        shmall: u32,
        __unused1: u32,
        __unused2: u32,
        __unused3: u32,
        __unused4: u32,
    }

    /// shmctl(2) IPC_INFO of x86-64.
    x86_64 "struct shminfo64" Shminfo64X86_64 {
        shmmax: u64,
        shmmin: u64,
        shmmni: u64,
        shmseg: u64,
        shmall: u64,
        __unused1: u64,
        __unused2: u64,
        __unused3: u64,
        __unused4: u64,
    }

    /// shmctl(2) SHM_INFO of i386.
    i386 "struct shm_info" ShmInfoI386 {
        used_ids: i32,
        shm_tot: u32,
        shm_rss: u32,
        shm_swp: u32,
        swap_attempts: u32,
        swap_successes: u32,
    }

    /// shmctl(2) SHM_INFO of x86-64.
    x86_64 "struct shm_info" ShmInfoX86_64 {
        used_ids: i32,
        _pad0: u32,
        shm_tot: u64,
        shm_rss: u64,
        shm_swp: u64,
        swap_attempts: u64,
        swap_successes: u64,
    }

    /// semctl(2) IPC_STAT of i386.
    i386 "struct semid64_ds" Semid64DsI386 {
        sem_perm: Ipc64PermI386,
        sem_otime: u32,
        sem_otime_high: u32,
        sem_ctime: u32,
        sem_ctime_high: u32,
        sem_nsems: u32,
        __unused3: u32,
        __unused4: u32,
    }

    /// semctl(2) IPC_STAT of x86-64.
    x86_64 "struct semid64_ds" Semid64DsX86_64 {
        sem_perm: Ipc64PermX86_64,
        sem_otime: i64,
        __unused1: u64,
        sem_ctime: i64,
        __unused2: u64,
        sem_nsems: u64,
        __unused3: u64,
        __unused4: u64,
    }

    /// semop(2).
    any "struct sembuf" Sembuf {
        sem_num: u16,
        sem_op: i16,
        sem_flg: i16,
    }

    /// semctl(2) IPC_INFO.
    any "struct seminfo" Seminfo {
        semmap: i32,
        semmni: i32,
        semmns: i32,
        semmnu: i32,
        semmsl: i32,
        semopm: i32,
        semume: i32,
        semusz: i32,
        semvmx: i32,
        semaem: i32,
    }

    /// msgctl(2) IPC_STAT of i386.
    i386 "struct msqid64_ds" Msqid64DsI386 {
        msg_perm: Ipc64PermI386,
        msg_stime: u32,
        msg_stime_high: u32,
        msg_rtime: u32,
        msg_rtime_high: u32,
        msg_ctime: u32,
        msg_ctime_high: u32,
        msg_cbytes: u32,
        msg_qnum: u32,
        msg_qbytes: u32,
        msg_lspid: i32,
        msg_lrpid: i32,
        __unused4: u32,
        __unused5: u32,
    }

    /// msgctl(2) IPC_STAT of x86-64.
    x86_64 "struct msqid64_ds" Msqid64DsX86_64 {
        msg_perm: Ipc64PermX86_64,
        msg_stime: i64,
        msg_rtime: i64,
        msg_ctime: i64,
        msg_cbytes: u64,
        msg_qnum: u64,
        msg_qbytes: u64,
        msg_lspid: i32,
        msg_lrpid: i32,
        __unused4: u64,
        __unused5: u64,
    }

    /// msgctl(2) IPC_INFO.
    any "struct msginfo" Msginfo {
        msgpool: i32,
        msgmap: i32,
        msgmax: i32,
        msgmnb: i32,
        msgmni: i32,
        msgssz: i32,
        msgtql: i32,
        msgseg: u16,
        _pad0: u16,
    }

    /// The argument block of ipc(2) MSGRCV with version 0.
    i386 "struct ipc_kludge" IpcKludgeI386 {
        msgp: u32,
        msgtyp: i32,
    }
}

layouts! {
    /// mq_getsetattr(2) of i386.
    i386 "struct mq_attr" MqAttrI386 {
        mq_flags: i32,
        mq_maxmsg: i32,
        mq_msgsize: i32,
        mq_curmsgs: i32,
        __reserved: [i32; 4],
    }

    /// mq_getsetattr(2) of x86-64.
    x86_64 "struct mq_attr" MqAttrX86_64 {
        mq_flags: i64,
        mq_maxmsg: i64,
        mq_msgsize: i64,
        mq_curmsgs: i64,
        __reserved: [i64; 4],
    }
}
