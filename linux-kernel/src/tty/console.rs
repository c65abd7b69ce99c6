//! The console: a terminal whose other end is the host (console(4), ioctl_console(2)).
//!
//! The host gives a sink for what programs print, and pushes what the user types and the window's size.

use super::{Kind, Tty};
use crate::file::{Io, Result};
use crate::kernel::Kernel;
use linux_abi::Errno;
use linux_abi::fs::TTY_MAJOR;
use linux_abi::stat::makedev;
use linux_abi::termios::{InputFlags, Termios, Winsize};
use linux_abi::vt::{
    K_ESCPREFIX, K_UNICODE, KB_101, KD_TEXT, KDGETLED, KDGETMODE, KDGKBLED, KDGKBMETA, KDGKBMODE, KDGKBTYPE,
    KDMKTONE, KDSETLED, KDSETMODE, KDSIGACCEPT, KDSKBLED, KDSKBMETA, KDSKBMODE, KIOCSOUND, VT_ACTIVATE,
    VT_GETMODE, VT_GETSTATE, VT_LOCKSWITCH, VT_OPENQRY, VT_RELDISP, VT_SETMODE, VT_UNLOCKSWITCH,
    VT_WAITACTIVE, VtMode, VtStat,
};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

/// Output kept while no sink is set: the last part of it.
const KEPT: usize = 65536;

/// The number of the one virtual terminal there is.
pub const VIRTUAL_TERMINAL: u32 = 1;

/// Takes what programs print.
pub type ConsoleSink = Box<dyn Fn(&[u8])>;

type Sink = Rc<dyn Fn(&[u8])>;

/// What only a console has.
pub(super) struct ConsoleState {
    sink: RefCell<Option<Sink>>,
    /// `KDSETMODE`: text or graphics.
    display: Cell<u32>,
    /// `KDSKBMODE`.
    keyboard: Cell<u32>,
    /// `VT_SETMODE`.
    switching: Cell<VtMode>,
}

impl ConsoleState {
    pub(super) fn show(&self, kept: &RefCell<VecDeque<u8>>, bytes: &[u8]) {
        let sink = self.sink.borrow().clone();
        match sink {
            Some(sink) => sink(bytes),
            None => {
                let mut kept = kept.borrow_mut();
                kept.extend(bytes);
                let excess = kept.len().saturating_sub(KEPT);
                kept.drain(..excess);
            }
        }
    }
}

impl Tty {
    /// The console of a new machine: 80 by 25, nobody's, without a sink.
    pub fn console() -> Rc<Tty> {
        let state = ConsoleState {
            sink: RefCell::default(),
            display: Cell::new(KD_TEXT),
            keyboard: Cell::new(K_UNICODE),
            switching: Cell::default(),
        };
        let mut termios = super::ioctl::with_speeds(&Termios::STANDARD);
        termios.c_iflag |= InputFlags::IUTF8.bits();
        let window = Winsize { ws_row: 25, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let device = makedev(TTY_MAJOR, VIRTUAL_TERMINAL);
        Rc::new(Tty::new(device, format!("tty{VIRTUAL_TERMINAL}"), Kind::Console(state), termios, window))
    }

    /// Where the console's output goes. What was printed before comes first. Does nothing on a pseudo-terminal.
    pub fn set_sink(&self, sink: ConsoleSink) {
        let Kind::Console(console) = &self.kind else { return };
        let early: Vec<u8> = std::mem::take(&mut *self.output.borrow_mut()).into();
        if !early.is_empty() {
            sink(&early);
        }
        *console.sink.borrow_mut() = Some(Rc::from(sink));
    }

    /// What the user types. All of it is kept until programs read it.
    pub fn input(&self, kernel: &Kernel, bytes: &[u8]) {
        self.receive(kernel, bytes);
    }

    /// Typed bytes that found no room in the line discipline yet: a host that pastes much may wait for them to go.
    pub fn input_backlog(&self) -> usize {
        self.incoming.borrow().len()
    }

    /// The window has another size.
    pub fn resize(&self, kernel: &Kernel, cols: u16, rows: u16) {
        self.set_window(kernel, Winsize { ws_row: rows, ws_col: cols, ws_xpixel: 0, ws_ypixel: 0 });
    }

    /// Requests of ioctl_console(2). `ENOTTY` on a pseudo-terminal.
    pub(super) async fn console_ioctl(&self, io: Io<'_>, request: u32, arg: u64) -> Result<u64> {
        let Kind::Console(console) = &self.kind else { return Err(Errno::ENOTTY) };
        let task = io.task;
        match request {
            KDGKBTYPE => task.put(arg, &KB_101).await?,
            KDGETMODE => task.put(arg, &console.display.get()).await?,
            KDSETMODE if arg <= 3 => console.display.set(arg as u32),
            KDGKBMODE => task.put(arg, &console.keyboard.get()).await?,
            KDSKBMODE if arg <= 4 => console.keyboard.set(arg as u32),
            KDGKBMETA => task.put(arg, &K_ESCPREFIX).await?,
            KDGETLED | KDGKBLED => task.put(arg, &0u8).await?,
            KDSKBMETA | KDSETLED | KDSKBLED | KDSIGACCEPT | KIOCSOUND | KDMKTONE => {}
            VT_GETSTATE => {
                let active = VIRTUAL_TERMINAL as u16;
                let state = VtStat { v_active: active, v_signal: 0, v_state: 1 | 1 << active };
                task.put(arg, &state).await?;
            }
            VT_GETMODE => task.put(arg, &console.switching.get()).await?,
            VT_SETMODE => console.switching.set(task.get(arg).await?),
            // No other terminal is free: there is none.
            VT_OPENQRY => task.put(arg, &-1i32).await?,
            VT_ACTIVATE | VT_WAITACTIVE if arg != u64::from(VIRTUAL_TERMINAL) => return Err(Errno::ENXIO),
            VT_ACTIVATE | VT_WAITACTIVE | VT_RELDISP | VT_LOCKSWITCH | VT_UNLOCKSWITCH => {}
            KDSETMODE | KDSKBMODE => return Err(Errno::EINVAL),
            _ => return Err(Errno::ENOTTY),
        }
        Ok(0)
    }
}
