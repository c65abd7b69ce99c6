//! linux/limits.h and limits the headers do not name.

constants! {
    /// Limits of paths, arguments and pipes.
    LIMITS: usize {
        NR_OPEN = 1024,
        NGROUPS_MAX = 65536,
        ARG_MAX = 131072,
        LINK_MAX = 127,
        MAX_CANON = 255,
        MAX_INPUT = 255,
        NAME_MAX = 255,
        PATH_MAX = 4096,
        PIPE_BUF = 4096,
        RTSIG_MAX = 32,
    }
}

/// Most elements of an array of iovecs, readv(2).
pub const IOV_MAX: usize = crate::uio::UIO_MAXIOV;

/// Page size of both architectures.
pub const PAGE_SIZE: u64 = 4096;

/// Bytes of one argument or environment string of execve(2), 32 pages.
pub const MAX_ARG_STRLEN: u64 = 32 * PAGE_SIZE;

/// Symbolic links that one path may pass through, path_resolution(7).
pub const MAXSYMLINKS: u32 = 40;

/// Usual capacity of a pipe, pipe(7).
pub const PIPE_DEFAULT_SIZE: usize = 65536;

/// /proc/sys/fs/pipe-max-size.
pub const PIPE_MAX_SIZE: usize = 1 << 20;

/// Mappings of one process, /proc/sys/vm/max_map_count.
pub const MAX_MAP_COUNT: usize = 65530;

/// Bytes at the beginning of a file that execve(2) looks at; a `#!` line is cut there.
pub const BINPRM_BUF_SIZE: usize = 256;

/// Highest process number + 1 of a machine with few processors, /proc/sys/kernel/pid_max.
pub const PID_MAX_DEFAULT: u32 = 32768;
