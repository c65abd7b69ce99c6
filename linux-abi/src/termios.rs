//! asm-generic/termbits.h, asm-generic/termios.h: terminal modes, termios(3).

flags! {
    /// `c_iflag`.
    pub struct InputFlags: u32, "" {
        IGNBRK = 0o1,
        BRKINT = 0o2,
        IGNPAR = 0o4,
        PARMRK = 0o10,
        INPCK = 0o20,
        ISTRIP = 0o40,
        INLCR = 0o100,
        IGNCR = 0o200,
        ICRNL = 0o400,
        IUCLC = 0o1000,
        IXON = 0o2000,
        IXANY = 0o4000,
        IXOFF = 0o10000,
        IMAXBEL = 0o20000,
        IUTF8 = 0o40000,
    }

    /// `c_oflag`. The delays are fields: `NLDLY` to `FFDLY` are masks.
    pub struct OutputFlags: u32, "" {
        OPOST = 0o1,
        OLCUC = 0o2,
        ONLCR = 0o4,
        OCRNL = 0o10,
        ONOCR = 0o20,
        ONLRET = 0o40,
        OFILL = 0o100,
        OFDEL = 0o200,
        NLDLY = 0o400,
        CRDLY = 0o3000,
        TABDLY = 0o14000,
        XTABS = 0o14000,
        BSDLY = 0o20000,
        VTDLY = 0o40000,
        FFDLY = 0o100000,
    }

    /// `c_cflag`. `CBAUD` and `CSIZE` are masks.
    pub struct ControlFlags: u32, "" {
        CBAUD = 0o10017,
        CSIZE = 0o60,
        CS6 = 0o20,
        CS7 = 0o40,
        CS8 = 0o60,
        CSTOPB = 0o100,
        CREAD = 0o200,
        PARENB = 0o400,
        PARODD = 0o1000,
        HUPCL = 0o2000,
        CLOCAL = 0o4000,
        CBAUDEX = 0o10000,
        CIBAUD = 0o2003600000,
        CMSPAR = 0o10000000000,
        CRTSCTS = 0o20000000000,
        ADDRB = 0o4000000000,
    }

    /// `c_lflag`.
    pub struct LocalFlags: u32, "" {
        ISIG = 0o1,
        ICANON = 0o2,
        XCASE = 0o4,
        ECHO = 0o10,
        ECHOE = 0o20,
        ECHOK = 0o40,
        ECHONL = 0o100,
        NOFLSH = 0o200,
        TOSTOP = 0o400,
        ECHOCTL = 0o1000,
        ECHOPRT = 0o2000,
        ECHOKE = 0o4000,
        FLUSHO = 0o10000,
        PENDIN = 0o40000,
        IEXTEN = 0o100000,
        EXTPROC = 0o200000,
    }
}

constants! {
    /// Indexes of `c_cc`.
    CONTROL_CHARS: usize {
        VINTR = 0,
        VQUIT = 1,
        VERASE = 2,
        VKILL = 3,
        VEOF = 4,
        VTIME = 5,
        VMIN = 6,
        VSWTC = 7,
        VSTART = 8,
        VSTOP = 9,
        VSUSP = 10,
        VEOL = 11,
        VREPRINT = 12,
        VDISCARD = 13,
        VWERASE = 14,
        VLNEXT = 15,
        VEOL2 = 16,
    }

    /// Speeds, in `c_cflag` under CBAUD.
    BAUD: u32 {
        B0 = 0,
        B50 = 0o1,
        B75 = 0o2,
        B110 = 0o3,
        B134 = 0o4,
        B150 = 0o5,
        B200 = 0o6,
        B300 = 0o7,
        B600 = 0o10,
        B1200 = 0o11,
        B1800 = 0o12,
        B2400 = 0o13,
        B4800 = 0o14,
        B9600 = 0o15,
        B19200 = 0o16,
        B38400 = 0o17,
        BOTHER = 0o10000,
        B57600 = 0o10001,
        B115200 = 0o10002,
        B230400 = 0o10003,
        B460800 = 0o10004,
        B500000 = 0o10005,
        B576000 = 0o10006,
        B921600 = 0o10007,
        B1000000 = 0o10010,
        B1152000 = 0o10011,
        B1500000 = 0o10012,
        B2000000 = 0o10013,
        B2500000 = 0o10014,
        B3000000 = 0o10015,
        B3500000 = 0o10016,
        B4000000 = 0o10017,
    }

    /// Where the input speed stands in `c_cflag`.
    BAUD_SHIFT: u32 {
        IBSHIFT = 16,
    }

    /// Argument of TCXONC.
    TCXONC_ARGS: u32 {
        TCOOFF = 0,
        TCOON = 1,
        TCIOFF = 2,
        TCION = 3,
    }

    /// Argument of TCFLSH.
    TCFLSH_ARGS: u32 {
        TCIFLUSH = 0,
        TCOFLUSH = 1,
        TCIOFLUSH = 2,
    }

}

constants! {
    /// Line disciplines, TIOCSETD.
    LINE_DISCIPLINES: u32 {
        N_TTY = 0,
    }
}

/// Length of `c_cc` in the kernel's structures (the C library's has 32).
pub const NCCS: usize = 19;

/// `c_cc` value that switches a control character off.
pub const VDISABLE: u8 = 0;

layouts! {
    /// TCGETS, TCSETS: 36 bytes, not the C library's 60.
    any "struct termios" Termios {
        c_iflag: u32,
        c_oflag: u32,
        c_cflag: u32,
        c_lflag: u32,
        c_line: u8,
        c_cc: [u8; 19],
    }

    /// TCGETS2, TCSETS2.
    any "struct termios2" Termios2 {
        c_iflag: u32,
        c_oflag: u32,
        c_cflag: u32,
        c_lflag: u32,
        c_line: u8,
        c_cc: [u8; 19],
        c_ispeed: u32,
        c_ospeed: u32,
    }

    /// TCGETA, TCSETA.
    any "struct termio" Termio {
        c_iflag: u16,
        c_oflag: u16,
        c_cflag: u16,
        c_lflag: u16,
        c_line: u8,
        c_cc: [u8; 8],
        _pad0: u8,
    }

    /// TIOCGWINSZ, TIOCSWINSZ.
    any "struct winsize" Winsize {
        ws_row: u16,
        ws_col: u16,
        ws_xpixel: u16,
        ws_ypixel: u16,
    }
}

impl Termios {
    /// What a fresh Linux terminal has (`tty_std_termios`): cooked, echoing, 38400 baud, 8 bits.
    pub const STANDARD: Self = Self {
        c_iflag: InputFlags::ICRNL.union(InputFlags::IXON).bits(),
        c_oflag: OutputFlags::OPOST.union(OutputFlags::ONLCR).bits(),
        c_cflag: B38400 | ControlFlags::CS8.union(ControlFlags::CREAD).union(ControlFlags::HUPCL).bits(),
        c_lflag: LocalFlags::ISIG
            .union(LocalFlags::ICANON)
            .union(LocalFlags::ECHO)
            .union(LocalFlags::ECHOE)
            .union(LocalFlags::ECHOK)
            .union(LocalFlags::ECHOCTL)
            .union(LocalFlags::ECHOKE)
            .union(LocalFlags::IEXTEN)
            .bits(),
        c_line: 0,
        // ^C ^\ ^? ^U ^D, time 0, min 1, no switch, ^Q ^S ^Z, no EOL, ^R ^O ^W ^V, no second EOL.
        c_cc: [3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0, 0, 0],
    };
}
