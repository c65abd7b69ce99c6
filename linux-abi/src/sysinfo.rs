//! linux/sysinfo.h, linux/reboot.h, sys/klog.h: the state of the machine.

layouts! {
    /// sysinfo(2) of i386. Sizes are in units of `mem_unit`, loads in 1/65536.
    i386 "struct sysinfo" SysinfoI386 {
        uptime: i32,
        loads: [u32; 3],
        totalram: u32,
        freeram: u32,
        sharedram: u32,
        bufferram: u32,
        totalswap: u32,
        freeswap: u32,
        procs: u16,
        pad: u16,
        totalhigh: u32,
        freehigh: u32,
        mem_unit: u32,
        _f: [u8; 8],
    }

    /// sysinfo(2) of x86-64.
    x86_64 "struct sysinfo" SysinfoX86_64 {
        uptime: i64,
        loads: [u64; 3],
        totalram: u64,
        freeram: u64,
        sharedram: u64,
        bufferram: u64,
        totalswap: u64,
        freeswap: u64,
        procs: u16,
        pad: u16,
        _pad0: u32,
        totalhigh: u64,
        freehigh: u64,
        mem_unit: u32,
        _pad1: u32,
    }
}

constants! {
    /// Bits behind the point of a load average.
    SI_LOAD: u32 {
        SI_LOAD_SHIFT = 16,
    }
}

constants! {
    /// First and second argument of reboot(2).
    REBOOT_MAGICS: u32 {
        LINUX_REBOOT_MAGIC1 = 0xfee1_dead,
        LINUX_REBOOT_MAGIC2 = 0x2812_1969,
        LINUX_REBOOT_MAGIC2A = 0x0512_1996,
        LINUX_REBOOT_MAGIC2B = 0x1604_1998,
        LINUX_REBOOT_MAGIC2C = 0x2011_2000,
    }

    /// Third argument of reboot(2).
    REBOOT_COMMANDS: u32 {
        LINUX_REBOOT_CMD_RESTART = 0x0123_4567,
        LINUX_REBOOT_CMD_HALT = 0xcdef_0123,
        LINUX_REBOOT_CMD_CAD_ON = 0x89ab_cdef,
        LINUX_REBOOT_CMD_CAD_OFF = 0x0,
        LINUX_REBOOT_CMD_POWER_OFF = 0x4321_fedc,
        LINUX_REBOOT_CMD_RESTART2 = 0xa1b2_c3d4,
        LINUX_REBOOT_CMD_SW_SUSPEND = 0xd000_fce2,
        LINUX_REBOOT_CMD_KEXEC = 0x4558_4543,
    }
}

constants! {
    /// First argument of syslog(2) (linux/syslog.h, not a public header).
    SYSLOG_ACTIONS: u32 {
        SYSLOG_ACTION_CLOSE = 0,
        SYSLOG_ACTION_OPEN = 1,
        SYSLOG_ACTION_READ = 2,
        SYSLOG_ACTION_READ_ALL = 3,
        SYSLOG_ACTION_READ_CLEAR = 4,
        SYSLOG_ACTION_CLEAR = 5,
        SYSLOG_ACTION_CONSOLE_OFF = 6,
        SYSLOG_ACTION_CONSOLE_ON = 7,
        SYSLOG_ACTION_CONSOLE_LEVEL = 8,
        SYSLOG_ACTION_SIZE_UNREAD = 9,
        SYSLOG_ACTION_SIZE_BUFFER = 10,
    }
}
