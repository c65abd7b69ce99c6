//! Requests of ioctl_tty(2) and tcsetattr(3) on both sides of a terminal.
//!
//! A request about modes, size, groups and sessions through a master means its slave. Requests that change
//! something stop callers in the background with SIGTTOU first.

use super::Tty;
use super::ldisc::Flow;
use super::pty::Pair;
use crate::file::{FileOps, Io, OpenFile, Result};
use crate::signal::Signal;
use crate::signal::send::{self, Origin};
use linux_abi::Errno;
use linux_abi::fcntl::OFlags;
use linux_abi::ioctl::*;
use linux_abi::termios::*;
use std::rc::Rc;
use vfs::namespace::{LastSymlink, Walker};

/// Speeds in bits per second by their code in `c_cflag` (asm-generic/termbits.h).
#[rustfmt::skip]
const SPEEDS: &[(u32, u32)] = &[
    (B0, 0), (B50, 50), (B75, 75), (B110, 110), (B134, 134), (B150, 150), (B200, 200), (B300, 300), (B600, 600),
    (B1200, 1200), (B1800, 1800), (B2400, 2400), (B4800, 4800), (B9600, 9600), (B19200, 19200), (B38400, 38400),
    (B57600, 57600), (B115200, 115_200), (B230400, 230_400), (B460800, 460_800), (B500000, 500_000),
    (B576000, 576_000), (B921600, 921_600), (B1000000, 1_000_000), (B1152000, 1_152_000), (B1500000, 1_500_000),
    (B2000000, 2_000_000), (B2500000, 2_500_000), (B3000000, 3_000_000), (B3500000, 3_500_000),
    (B4000000, 4_000_000),
];

fn speed(code: u32, otherwise: u32) -> u32 {
    SPEEDS.iter().find(|row| row.0 == code & ControlFlags::CBAUD.bits()).map_or(otherwise, |row| row.1)
}

/// Modes with the speeds spelled out, as `TCGETS2` shows them.
pub(super) fn with_speeds(modes: &Termios) -> Termios2 {
    let mut full = Termios2 {
        c_iflag: modes.c_iflag,
        c_oflag: modes.c_oflag,
        c_cflag: modes.c_cflag,
        c_lflag: modes.c_lflag,
        c_line: modes.c_line,
        c_cc: modes.c_cc,
        c_ispeed: 0,
        c_ospeed: 0,
    };
    set_speeds(&mut full);
    full
}

/// `BOTHER` takes the numbers as they are; other codes say the speed themselves. Input speed code 0 is "as output".
fn set_speeds(modes: &mut Termios2) {
    modes.c_ospeed = speed(modes.c_cflag, modes.c_ospeed);
    let input = modes.c_cflag >> IBSHIFT & ControlFlags::CBAUD.bits();
    modes.c_ispeed = if input == B0 { modes.c_ospeed } else { speed(input, modes.c_ispeed) };
}

fn without_speeds(modes: &Termios2) -> Termios {
    Termios {
        c_iflag: modes.c_iflag,
        c_oflag: modes.c_oflag,
        c_cflag: modes.c_cflag,
        c_lflag: modes.c_lflag,
        c_line: modes.c_line,
        c_cc: modes.c_cc,
    }
}

/// The short form of System V: the low halves of the flags, eight control characters.
fn short_form(modes: &Termios2) -> Termio {
    let mut short = Termio {
        c_iflag: modes.c_iflag as u16,
        c_oflag: modes.c_oflag as u16,
        c_cflag: modes.c_cflag as u16,
        c_lflag: modes.c_lflag as u16,
        c_line: modes.c_line,
        ..Termio::default()
    };
    short.c_cc.iter_mut().zip(modes.c_cc).for_each(|(to, from)| *to = from);
    short
}

fn from_short_form(short: &Termio, old: &Termios2) -> Termios2 {
    let low = |old: u32, new: u16| old & 0xffff_0000 | u32::from(new);
    let mut modes = Termios2 {
        c_iflag: low(old.c_iflag, short.c_iflag),
        c_oflag: low(old.c_oflag, short.c_oflag),
        c_cflag: low(old.c_cflag, short.c_cflag),
        c_lflag: low(old.c_lflag, short.c_lflag),
        c_line: short.c_line,
        ..*old
    };
    modes.c_cc.iter_mut().zip(short.c_cc).for_each(|(to, from)| *to = from);
    set_speeds(&mut modes);
    modes
}

/// Reads the modes that a set request brings, drops input where it asks for that, and sets them. Output never waits
/// longer than for room, so "when it has been sent" is now.
async fn set_modes(tty: &Rc<Tty>, io: Io<'_>, request: u32, arg: u64) -> Result<u64> {
    let task = io.task;
    let old = tty.termios();
    let new = match request {
        TCSETS | TCSETSW | TCSETSF => {
            let modes: Termios = task.get(arg).await?;
            let mut full = with_speeds(&modes);
            if modes.c_cflag & ControlFlags::CBAUD.bits() == BOTHER {
                (full.c_ispeed, full.c_ospeed) = (old.c_ispeed, old.c_ospeed);
            }
            full
        }
        TCSETS2 | TCSETSW2 | TCSETSF2 => {
            let mut modes: Termios2 = task.get(arg).await?;
            set_speeds(&mut modes);
            modes
        }
        _ => from_short_form(&task.get(arg).await?, &old),
    };
    if matches!(request, TCSETSF | TCSETSF2 | TCSETAF) {
        tty.flush_input();
    }
    tty.set_termios(&task.kernel, new);
    Ok(0)
}

/// Requests that mean the same through either side; none where it is not one of those.
async fn shared(tty: &Rc<Tty>, io: Io<'_>, request: u32, arg: u64) -> Result<Option<u64>> {
    let task = io.task;
    match request {
        TCGETS => task.put(arg, &without_speeds(&tty.termios())).await?,
        TCGETS2 => task.put(arg, &tty.termios()).await?,
        TCGETA => task.put(arg, &short_form(&tty.termios())).await?,
        TCSETS | TCSETSW | TCSETSF | TCSETS2 | TCSETSW2 | TCSETSF2 | TCSETA | TCSETAW | TCSETAF => {
            tty.check_foreground(task, Signal::TTOU)?;
            return set_modes(tty, io, request, arg).await.map(Some);
        }
        TIOCGLCKTRMIOS => task.put(arg, &Termios::default()).await?,
        TIOCGSOFTCAR => {
            let local = tty.termios().c_cflag & ControlFlags::CLOCAL.bits() != 0;
            task.put(arg, &i32::from(local)).await?;
        }
        TIOCSSOFTCAR => {
            let on: i32 = task.get(arg).await?;
            let mut modes = tty.termios();
            modes.c_cflag &= !ControlFlags::CLOCAL.bits();
            modes.c_cflag |= if on != 0 { ControlFlags::CLOCAL.bits() } else { 0 };
            tty.set_termios(&task.kernel, modes);
        }
        TIOCGWINSZ => task.put(arg, &tty.window()).await?,
        TIOCSWINSZ => {
            let window: Winsize = task.get(arg).await?;
            tty.set_window(&task.kernel, window);
        }
        TIOCSPGRP => {
            // A background caller of an orphaned group has no terminal to speak of.
            tty.check_foreground(task, Signal::TTOU).map_err(|error| match error {
                Errno::EIO => Errno::ENOTTY,
                other => other,
            })?;
            if !tty.controls(&task.process) {
                return Err(Errno::ENOTTY);
            }
            return tty.set_foreground(task, task.get(arg).await?).map(Some);
        }
        TIOCEXCL => tty.exclusive.set(true),
        TIOCNXCL => tty.exclusive.set(false),
        TIOCGEXCL => task.put(arg, &i32::from(tty.exclusive.get())).await?,
        TIOCGETD => task.put(arg, &N_TTY).await?,
        TIOCSETD => {
            tty.check_foreground(task, Signal::TTOU)?;
            if task.get::<u32>(arg).await? != N_TTY {
                return Err(Errno::EINVAL);
            }
        }
        // There is no wire on which a break could be sent.
        TCSBRK | TCSBRKP | TIOCSBRK | TIOCCBRK => tty.check_foreground(task, Signal::TTOU)?,
        TIOCVHANGUP => {
            if !task.cred().privileged() {
                return Err(Errno::EPERM);
            }
            tty.hang_up(&task.kernel);
        }
        _ => return Ok(None),
    }
    Ok(Some(0))
}

/// A request on a console or slave.
pub(super) async fn program_side(
    tty: &Rc<Tty>,
    io: Io<'_>,
    readable: bool,
    request: u32,
    arg: u64,
) -> Result<u64> {
    if let Some(value) = shared(tty, io, request, arg).await? {
        return Ok(value);
    }
    let task = io.task;
    match request {
        TIOCGPGRP | TIOCGSID if !tty.controls(&task.process) => return Err(Errno::ENOTTY),
        TIOCGPGRP => task.put(arg, &tty.foreground.get()).await?,
        TIOCGSID => task.put(arg, &tty.session.get()).await?,
        TIOCSCTTY => return tty.become_controlling(task, readable, arg == 1),
        TIOCNOTTY => return tty.give_up(task),
        FIONREAD => {
            let pending = tty.line.borrow().pending() as i32;
            task.put(arg, &pending).await?;
        }
        // Nothing waits between a write that returned and the other side.
        TIOCOUTQ => task.put(arg, &0i32).await?,
        TCFLSH => {
            tty.check_foreground(task, Signal::TTOU)?;
            let which = u32::try_from(arg).map_err(|_| Errno::EINVAL)?;
            if which > TCIOFLUSH {
                return Err(Errno::EINVAL);
            }
            if which != TCOFLUSH {
                tty.flush_input();
            }
            if which != TCIFLUSH {
                tty.flush_output();
            }
        }
        TCXONC => {
            tty.check_foreground(task, Signal::TTOU)?;
            return flow_control(tty, arg);
        }
        TIOCSTI => {
            let privileged = task.cred().privileged();
            if !privileged && !tty.controls(&task.process) {
                return Err(Errno::EPERM);
            }
            let byte: u8 = task.get(arg).await?;
            if tty.incoming.borrow().len() < super::INCOMING {
                tty.receive(&task.kernel, &[byte]);
            }
        }
        TIOCGDEV => task.put(arg, &tty.device).await?,
        TIOCLINUX if tty.pair().is_none() => return Err(Errno::EINVAL),
        _ => return tty.console_ioctl(io, request, arg).await,
    }
    Ok(0)
}

/// `TCXONC`: stop or start our output, or have the other side stop or start its own by the character for it.
fn flow_control(tty: &Rc<Tty>, arg: u64) -> Result<u64> {
    let send_character = |index: usize| {
        let byte = tty.termios().c_cc.get(index).copied().unwrap_or(VDISABLE);
        if byte != VDISABLE {
            tty.emit(&[byte]);
        }
    };
    match u32::try_from(arg) {
        Ok(TCOOFF) => {
            tty.line.borrow_mut().set_stopped_by_call(Flow::Stop);
            tty.note_packet(TIOCPKT_START, TIOCPKT_STOP);
        }
        Ok(TCOON) => {
            tty.line.borrow_mut().set_stopped_by_call(Flow::Start);
            tty.output_goes_on();
        }
        Ok(TCIOFF) => send_character(VSTOP),
        Ok(TCION) => send_character(VSTART),
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}

/// A request on a master.
pub(super) async fn master_side(
    tty: &Rc<Tty>,
    pair: &Pair,
    io: Io<'_>,
    request: u32,
    arg: u64,
) -> Result<u64> {
    if let Some(value) = shared(tty, io, request, arg).await? {
        return Ok(value);
    }
    let task = io.task;
    match request {
        TIOCGPGRP => task.put(arg, &tty.foreground.get()).await?,
        TIOCGSID if tty.session.get() == 0 => return Err(Errno::ENOTTY),
        TIOCGSID => task.put(arg, &tty.session.get()).await?,
        TIOCSCTTY => return tty.become_controlling(task, true, arg == 1),
        TIOCNOTTY => return Err(Errno::ENOTTY),
        TIOCGPTN => task.put(arg, &pair.index).await?,
        TIOCSPTLCK => pair.locked.set(task.get::<i32>(arg).await? != 0),
        TIOCGPTLCK => task.put(arg, &i32::from(pair.locked.get())).await?,
        TIOCGPTPEER => return open_peer(pair, io, arg as u32).await,
        TIOCPKT => {
            let on = task.get::<i32>(arg).await? != 0;
            if on && !pair.packet.get() {
                pair.packet_status.set(0);
            }
            pair.packet.set(on);
        }
        TIOCGPKT => task.put(arg, &i32::from(pair.packet.get())).await?,
        TIOCSIG => {
            let signal = u32::try_from(arg).ok().and_then(Signal::new).ok_or(Errno::EINVAL)?;
            let group = tty.foreground.get();
            if group != 0 {
                send::to_group(&task.kernel, group, signal, Origin::Kernel);
            }
        }
        FIONREAD => {
            let waiting = tty.output.borrow().len() as i32;
            task.put(arg, &waiting).await?;
        }
        TIOCOUTQ => task.put(arg, &0i32).await?,
        TCFLSH => {
            // Its input is the slave's output, and the other way round.
            let which = u32::try_from(arg).map_err(|_| Errno::EINVAL)?;
            if which > TCIOFLUSH {
                return Err(Errno::EINVAL);
            }
            if which != TCOFLUSH {
                tty.output.borrow_mut().clear();
                tty.changed.wake_all();
            }
            if which != TCIFLUSH {
                tty.incoming.borrow_mut().clear();
            }
        }
        TIOCGDEV => {
            let device = linux_abi::stat::makedev(linux_abi::fs::UNIX98_PTY_MASTER_MAJOR, pair.index);
            task.put(arg, &device).await?;
        }
        _ => return Err(Errno::ENOTTY),
    }
    Ok(0)
}

/// `TIOCGPTPEER`: opens the slave without going through its name, and gives a descriptor.
async fn open_peer(pair: &Pair, io: Io<'_>, flags: u32) -> Result<u64> {
    let (task, kernel) = (io.task, &io.task.kernel);
    let ops: Rc<dyn FileOps> = kernel.ptys.open_slave(task, pair.index, flags)?;
    // ttyname(3) compares what the descriptor shows with the node of that name: so it must be that node where there is one.
    let walker = Walker { root: &kernel.root, start: &kernel.root, may_search: &|_| true };
    let name = format!("/dev/pts/{}", pair.index);
    let path = match kernel.namespace.find(&walker, name.as_bytes(), LastSymlink::Follow).await {
        Ok(path) => path,
        Err(_) => kernel.anonymous_path(&name, vfs::FileType::CharDevice),
    };
    let creation = OFlags::CREAT | OFlags::EXCL | OFlags::NOCTTY | OFlags::TRUNC | OFlags::CLOEXEC;
    let file = OpenFile::new(ops, flags & !creation.bits(), path);
    task.install(file, flags & OFlags::CLOEXEC.bits() != 0).map(|fd| fd as u64)
}
