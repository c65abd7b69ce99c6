//! asm-generic/ioctl.h, asm-generic/ioctls.h: how ioctl(2) numbers are made, and those of every file and terminal.

/// Which way the argument goes, seen from the program.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum IoctlDir {
    /// `_IO`: no argument in memory.
    None,
    /// `_IOW`: the kernel reads it.
    Write,
    /// `_IOR`: the kernel writes it.
    Read,
    /// `_IOWR`: both.
    ReadWrite,
}

/// Composes an ioctl(2) number, as `_IOC` does. `size` is at most 16383.
pub const fn ioc(dir: IoctlDir, kind: u8, number: u8, size: u32) -> u32 {
    let dir = match dir {
        IoctlDir::None => 0,
        IoctlDir::Write => 1,
        IoctlDir::Read => 2,
        IoctlDir::ReadWrite => 3,
    };
    (dir << 30) | ((size & 0x3fff) << 16) | ((kind as u32) << 8) | number as u32
}

/// The direction in an ioctl(2) number.
pub const fn ioc_dir(request: u32) -> IoctlDir {
    match request >> 30 {
        0 => IoctlDir::None,
        1 => IoctlDir::Write,
        2 => IoctlDir::Read,
        _ => IoctlDir::ReadWrite,
    }
}

/// The size of the argument in an ioctl(2) number.
pub const fn ioc_size(request: u32) -> u32 {
    (request >> 16) & 0x3fff
}

/// The driver's letter in an ioctl(2) number.
pub const fn ioc_type(request: u32) -> u8 {
    (request >> 8) as u8
}

/// The driver's number in an ioctl(2) number.
pub const fn ioc_nr(request: u32) -> u8 {
    request as u8
}

constants! {
    /// Requests for any file.
    FILE_IOCTLS: u32 {
        FIONREAD = 0x541b,
        FIONBIO = 0x5421,
        FIONCLEX = 0x5450,
        FIOCLEX = 0x5451,
        FIOASYNC = 0x5452,
        FIOQSIZE = 0x5460,
    }

    /// Requests for terminals, ioctl_tty(2).
    TTY_IOCTLS: u32 {
        TCGETS = 0x5401,
        TCSETS = 0x5402,
        TCSETSW = 0x5403,
        TCSETSF = 0x5404,
        TCGETA = 0x5405,
        TCSETA = 0x5406,
        TCSETAW = 0x5407,
        TCSETAF = 0x5408,
        TCSBRK = 0x5409,
        TCXONC = 0x540a,
        TCFLSH = 0x540b,
        TIOCEXCL = 0x540c,
        TIOCNXCL = 0x540d,
        TIOCSCTTY = 0x540e,
        TIOCGPGRP = 0x540f,
        TIOCSPGRP = 0x5410,
        TIOCOUTQ = 0x5411,
        TIOCSTI = 0x5412,
        TIOCGWINSZ = 0x5413,
        TIOCSWINSZ = 0x5414,
        TIOCMGET = 0x5415,
        TIOCMBIS = 0x5416,
        TIOCMBIC = 0x5417,
        TIOCMSET = 0x5418,
        TIOCGSOFTCAR = 0x5419,
        TIOCSSOFTCAR = 0x541a,
        TIOCLINUX = 0x541c,
        TIOCCONS = 0x541d,
        TIOCGSERIAL = 0x541e,
        TIOCSSERIAL = 0x541f,
        TIOCPKT = 0x5420,
        TIOCNOTTY = 0x5422,
        TIOCSETD = 0x5423,
        TIOCGETD = 0x5424,
        TCSBRKP = 0x5425,
        TIOCSBRK = 0x5427,
        TIOCCBRK = 0x5428,
        TIOCGSID = 0x5429,
        TCGETS2 = 0x802c_542a,
        TCSETS2 = 0x402c_542b,
        TCSETSW2 = 0x402c_542c,
        TCSETSF2 = 0x402c_542d,
        TIOCGRS485 = 0x542e,
        TIOCSRS485 = 0x542f,
        TIOCGPTN = 0x8004_5430,
        TIOCSPTLCK = 0x4004_5431,
        TIOCGDEV = 0x8004_5432,
        TCGETX = 0x5432,
        TCSETX = 0x5433,
        TCSETXF = 0x5434,
        TCSETXW = 0x5435,
        TIOCSIG = 0x4004_5436,
        TIOCVHANGUP = 0x5437,
        TIOCGPKT = 0x8004_5438,
        TIOCGPTLCK = 0x8004_5439,
        TIOCGEXCL = 0x8004_5440,
        TIOCGPTPEER = 0x5441,
        TIOCSERCONFIG = 0x5453,
        TIOCSERGWILD = 0x5454,
        TIOCSERSWILD = 0x5455,
        TIOCGLCKTRMIOS = 0x5456,
        TIOCSLCKTRMIOS = 0x5457,
        TIOCSERGSTRUCT = 0x5458,
        TIOCSERGETLSR = 0x5459,
        TIOCMIWAIT = 0x545c,
        TIOCGICOUNT = 0x545d,
    }

    /// Second name of FIONREAD.
    TTY_IOCTL_ALIASES: u32 {
        TIOCINQ = 0x541b,
    }

    /// First byte that a terminal master in packet mode reads, ioctl_tty(2) TIOCPKT.
    TIOCPKT_BITS: u8 {
        TIOCPKT_DATA = 0x0,
        TIOCPKT_FLUSHREAD = 0x1,
        TIOCPKT_FLUSHWRITE = 0x2,
        TIOCPKT_STOP = 0x4,
        TIOCPKT_START = 0x8,
        TIOCPKT_NOSTOP = 0x10,
        TIOCPKT_DOSTOP = 0x20,
        TIOCPKT_IOCTL = 0x40,
    }

    /// Modem lines of TIOCMGET.
    TIOCM: u32 {
        TIOCM_LE = 0x1,
        TIOCM_DTR = 0x2,
        TIOCM_RTS = 0x4,
        TIOCM_ST = 0x8,
        TIOCM_SR = 0x10,
        TIOCM_CTS = 0x20,
        TIOCM_CAR = 0x40,
        TIOCM_RNG = 0x80,
        TIOCM_DSR = 0x100,
        TIOCM_OUT1 = 0x2000,
        TIOCM_OUT2 = 0x4000,
        TIOCM_LOOP = 0x8000,
    }
}
