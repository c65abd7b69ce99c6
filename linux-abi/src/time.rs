//! linux/time.h, linux/time_types.h, linux/timex.h, linux/times.h, linux/utime.h: clocks and time structures.
//!
//! The structures ending in `32` are those of i386's calls with 32-bit time; the ones ending in `64` are
//! those of x86-64 and of i386's `time64` calls.

constants! {
    /// Clocks of clock_gettime(2).
    CLOCKS: i32 {
        CLOCK_REALTIME = 0,
        CLOCK_MONOTONIC = 1,
        CLOCK_PROCESS_CPUTIME_ID = 2,
        CLOCK_THREAD_CPUTIME_ID = 3,
        CLOCK_MONOTONIC_RAW = 4,
        CLOCK_REALTIME_COARSE = 5,
        CLOCK_MONOTONIC_COARSE = 6,
        CLOCK_BOOTTIME = 7,
        CLOCK_REALTIME_ALARM = 8,
        CLOCK_BOOTTIME_ALARM = 9,
        CLOCK_TAI = 11,
    }

    /// Timers of setitimer(2).
    ITIMERS: u32 {
        ITIMER_REAL = 0,
        ITIMER_VIRTUAL = 1,
        ITIMER_PROF = 2,
    }
}

flags! {
    /// Flags of clock_nanosleep(2) and timer_settime(2).
    pub struct TimerFlags: u32, "TIMER_" {
        ABSTIME = 0x1,
    }
}
constants! {
    /// `tv_nsec` of utimensat(2): the current time, or no change.
    UTIME: i64 {
        UTIME_NOW = 0x3fff_ffff,
        UTIME_OMIT = 0x3fff_fffe,
    }
}
flags! {
    /// `modes` of adjtimex(2), and the low bits of its `status`.
    pub struct AdjMode: u32, "ADJ_" {
        OFFSET = 0x1,
        FREQUENCY = 0x2,
        MAXERROR = 0x4,
        ESTERROR = 0x8,
        STATUS = 0x10,
        TIMECONST = 0x20,
        TAI = 0x80,
        SETOFFSET = 0x100,
        MICRO = 0x1000,
        NANO = 0x2000,
        TICK = 0x4000,
        OFFSET_SINGLESHOT = 0x8001,
        OFFSET_SS_READ = 0xa001,
    }

    /// `status` of adjtimex(2).
    pub struct ClockStatus: u32, "STA_" {
        PLL = 0x1,
        PPSFREQ = 0x2,
        PPSTIME = 0x4,
        FLL = 0x8,
        INS = 0x10,
        DEL = 0x20,
        UNSYNC = 0x40,
        FREQHOLD = 0x80,
        PPSSIGNAL = 0x100,
        PPSJITTER = 0x200,
        PPSWANDER = 0x400,
        PPSERROR = 0x800,
        CLOCKERR = 0x1000,
        NANO = 0x2000,
        MODE = 0x4000,
        CLK = 0x8000,
    }
}

constants! {
    /// What adjtimex(2) returns.
    CLOCK_STATES: u32 {
        TIME_OK = 0,
        TIME_INS = 1,
        TIME_DEL = 2,
        TIME_OOP = 3,
        TIME_WAIT = 4,
        TIME_ERROR = 5,
    }
}

layouts! {
    /// `struct timespec` of i386.
    i386 "struct timespec" Timespec32 {
        tv_sec: i32,
        tv_nsec: i32,
    }

    /// `struct timespec` of x86-64, `struct timespec64` of i386 (whose callers may leave rubbish in the upper half of `tv_nsec`).
    any "struct __kernel_timespec" Timespec64 {
        tv_sec: i64,
        tv_nsec: i64,
    }

    /// `struct timeval` of i386.
    i386 "struct timeval" Timeval32 {
        tv_sec: i32,
        tv_usec: i32,
    }

    /// `struct timeval` of x86-64.
    x86_64 "struct timeval" Timeval64 {
        tv_sec: i64,
        tv_usec: i64,
    }

    /// `struct itimerval` of i386.
    i386 "struct itimerval" Itimerval32 {
        it_interval: Timeval32,
        it_value: Timeval32,
    }

    /// `struct itimerval` of x86-64.
    x86_64 "struct itimerval" Itimerval64 {
        it_interval: Timeval64,
        it_value: Timeval64,
    }

    /// `struct itimerspec` of i386.
    i386 "struct itimerspec" Itimerspec32 {
        it_interval: Timespec32,
        it_value: Timespec32,
    }

    /// `struct itimerspec` of x86-64 and of the `time64` calls.
    any "struct __kernel_itimerspec" Itimerspec64 {
        it_interval: Timespec64,
        it_value: Timespec64,
    }

    /// `struct timezone`.
    any "struct timezone" Timezone {
        tz_minuteswest: i32,
        tz_dsttime: i32,
    }

    /// times(2) of i386.
    i386 "struct tms" TmsI386 {
        tms_utime: i32,
        tms_stime: i32,
        tms_cutime: i32,
        tms_cstime: i32,
    }

    /// times(2) of x86-64.
    x86_64 "struct tms" TmsX86_64 {
        tms_utime: i64,
        tms_stime: i64,
        tms_cutime: i64,
        tms_cstime: i64,
    }

    /// utime(2) of i386.
    i386 "struct utimbuf" Utimbuf32 {
        actime: i32,
        modtime: i32,
    }

    /// utime(2) of x86-64.
    x86_64 "struct utimbuf" Utimbuf64 {
        actime: i64,
        modtime: i64,
    }

    /// adjtimex(2), clock_adjtime(2) of i386.
    i386 "struct timex" Timex32 {
        modes: u32,
        offset: i32,
        freq: i32,
        maxerror: i32,
        esterror: i32,
        status: i32,
        constant: i32,
        precision: i32,
        tolerance: i32,
        time: Timeval32,
        tick: i32,
        ppsfreq: i32,
        jitter: i32,
        shift: i32,
        stabil: i32,
        jitcnt: i32,
        calcnt: i32,
        errcnt: i32,
        stbcnt: i32,
        tai: i32,
        _pad0: [i32; 11],
    }

    /// adjtimex(2) of x86-64, clock_adjtime64(2) of i386.
    any "struct __kernel_timex" Timex64 {
        modes: u32,
        _pad0: u32,
        offset: i64,
        freq: i64,
        maxerror: i64,
        esterror: i64,
        status: i32,
        _pad1: u32,
        constant: i64,
        precision: i64,
        tolerance: i64,
        time: Timespec64,
        tick: i64,
        ppsfreq: i64,
        jitter: i64,
        shift: i32,
        _pad2: u32,
        stabil: i64,
        jitcnt: i64,
        calcnt: i64,
        errcnt: i64,
        stbcnt: i64,
        tai: i32,
        _pad3: [i32; 11],
    }
}

/// Ticks per second of times(2) and of AT_CLKTCK.
pub const USER_HZ: u64 = 100;
