//! linux/mman.h, asm/mman.h, linux/memfd.h: memory mappings.

flags! {
    /// Protection of mmap(2), mprotect(2). None of the bits is PROT_NONE.
    pub struct Prot: u32, "PROT_" {
        READ = 0x1,
        WRITE = 0x2,
        EXEC = 0x4,
        SEM = 0x8,
        GROWSDOWN = 0x0100_0000,
        GROWSUP = 0x0200_0000,
    }

    /// Flags of mmap(2). The low four bits are the type, one of `SHARED`, `PRIVATE`, `SHARED_VALIDATE`.
    pub struct MapFlags: u32, "MAP_" {
        SHARED = 0x1,
        PRIVATE = 0x2,
        SHARED_VALIDATE = 0x3,
        TYPE = 0xf,
        FIXED = 0x10,
        ANONYMOUS = 0x20,
        /// MAP_32BIT: an address below 2 GiB; x86-64 only.
        LOW_2G = 0x40,
        GROWSDOWN = 0x100,
        DENYWRITE = 0x800,
        EXECUTABLE = 0x1000,
        LOCKED = 0x2000,
        NORESERVE = 0x4000,
        POPULATE = 0x8000,
        NONBLOCK = 0x0001_0000,
        STACK = 0x0002_0000,
        HUGETLB = 0x0004_0000,
        SYNC = 0x0008_0000,
        FIXED_NOREPLACE = 0x0010_0000,
        UNINITIALIZED = 0x0400_0000,
    }

    /// Flags of mremap(2).
    pub struct MremapFlags: u32, "MREMAP_" {
        MAYMOVE = 0x1,
        FIXED = 0x2,
        DONTUNMAP = 0x4,
    }

    /// Flags of msync(2).
    pub struct MsyncFlags: u32, "MS_" {
        ASYNC = 0x1,
        INVALIDATE = 0x2,
        SYNC = 0x4,
    }

    /// Flags of mlockall(2).
    pub struct MclFlags: u32, "MCL_" {
        CURRENT = 0x1,
        FUTURE = 0x2,
        ONFAULT = 0x4,
    }

    /// Flags of mlock2(2).
    pub struct MlockFlags: u32, "MLOCK_" {
        ONFAULT = 0x1,
    }
}

constants! {
    /// Advice of madvise(2).
    MADVICE: u32 {
        MADV_NORMAL = 0,
        MADV_RANDOM = 1,
        MADV_SEQUENTIAL = 2,
        MADV_WILLNEED = 3,
        MADV_DONTNEED = 4,
        MADV_FREE = 8,
        MADV_REMOVE = 9,
        MADV_DONTFORK = 10,
        MADV_DOFORK = 11,
        MADV_MERGEABLE = 12,
        MADV_UNMERGEABLE = 13,
        MADV_HUGEPAGE = 14,
        MADV_NOHUGEPAGE = 15,
        MADV_DONTDUMP = 16,
        MADV_DODUMP = 17,
        MADV_WIPEONFORK = 18,
        MADV_KEEPONFORK = 19,
        MADV_COLD = 20,
        MADV_PAGEOUT = 21,
        MADV_POPULATE_READ = 22,
        MADV_POPULATE_WRITE = 23,
        MADV_DONTNEED_LOCKED = 24,
        MADV_COLLAPSE = 25,
        MADV_HWPOISON = 100,
        MADV_SOFT_OFFLINE = 101,
    }

    /// Where the log2 of the page size stands in the flags of a MAP_HUGETLB mapping.
    MAP_HUGE: u32 {
        MAP_HUGE_SHIFT = 26,
        MAP_HUGE_MASK = 63,
    }

    /// Policies of /proc/sys/vm/overcommit_memory.
    OVERCOMMIT: u32 {
        OVERCOMMIT_GUESS = 0,
        OVERCOMMIT_ALWAYS = 1,
        OVERCOMMIT_NEVER = 2,
    }

    /// Access rights of pkey_alloc(2).
    PKEY_RIGHTS: u32 {
        PKEY_DISABLE_ACCESS = 1,
        PKEY_DISABLE_WRITE = 2,
    }
}

flags! {
    /// Flags of memfd_create(2).
    pub struct MemfdFlags: u32, "MFD_" {
        CLOEXEC = 0x1,
        ALLOW_SEALING = 0x2,
        HUGETLB = 0x4,
        NOEXEC_SEAL = 0x8,
        EXEC = 0x10,
    }
}

constants! {
    /// Modes of set_mempolicy(2).
    MEMPOLICIES: u32 {
        MPOL_DEFAULT = 0,
        MPOL_PREFERRED = 1,
        MPOL_BIND = 2,
        MPOL_INTERLEAVE = 3,
        MPOL_LOCAL = 4,
    }
}

flags! {
    /// Commands of membarrier(2), which are bits because MEMBARRIER_CMD_QUERY (0) returns a set of them.
    pub struct Membarrier: u32, "MEMBARRIER_CMD_" {
        GLOBAL = 0x1,
        GLOBAL_EXPEDITED = 0x2,
        REGISTER_GLOBAL_EXPEDITED = 0x4,
        PRIVATE_EXPEDITED = 0x8,
        REGISTER_PRIVATE_EXPEDITED = 0x10,
        PRIVATE_EXPEDITED_SYNC_CORE = 0x20,
        REGISTER_PRIVATE_EXPEDITED_SYNC_CORE = 0x40,
        PRIVATE_EXPEDITED_RSEQ = 0x80,
        REGISTER_PRIVATE_EXPEDITED_RSEQ = 0x100,
    }
}

layouts! {
    /// The argument block of mmap(2), i386 number 90 (`struct mmap_arg_struct`, in no public header). `offset` is in bytes.
    i386 "" MmapArgsI386 {
        addr: u32,
        len: u32,
        prot: u32,
        flags: u32,
        fd: u32,
        offset: u32,
    }
}
