//! Terminals: the console and pseudo-terminals, their modes, job control and hang-up (termios(3), ioctl_tty(2),
//! pty(7), credentials(7)).
//!
//! A [`Tty`] is one terminal as programs see it. Bytes typed wait in `incoming` until the line discipline
//! ([`ldisc`]) has room; what programs print goes through the discipline to the console's sink or to the queue
//! that the master reads. Open files over it: [`file::TtyFile`] for the program's side, [`pty::PtyMaster`]
//! for the other. [`job`] says who may read and write and whose terminal it is.

pub mod console;
pub mod file;
mod ioctl;
pub mod job;
pub mod ldisc;
pub mod pty;
#[cfg(test)]
mod tests;

pub use job::{make_controlling, session_leader_exit, virtual_hang_up};
pub use pty::PtyTable;

use crate::kernel::Kernel;
use crate::signal::Signal;
use crate::signal::send::{self, Origin};
use crate::task::Pid;
use crate::wait::WaitQueue;
use console::ConsoleState;
use ldisc::{Effects, Flow, LineDiscipline, OUTPUT_EXPANSION};
use linux_abi::ioctl::{
    TIOCPKT_DOSTOP, TIOCPKT_FLUSHREAD, TIOCPKT_FLUSHWRITE, TIOCPKT_NOSTOP, TIOCPKT_START, TIOCPKT_STOP,
};
use linux_abi::termios::{ControlFlags, InputFlags, Termios2, VSTART, VSTOP, Winsize};
use pty::Pair;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use vfs::Timestamp;

/// Bytes typed at a master that wait for room in the line discipline; then the master's writes wait.
const INCOMING: usize = 8192;
/// Bytes printed that wait for the master to read them; then the program's writes wait.
const OUTPUT: usize = 12288;
/// Echo kept where that is full, or output is stopped.
const ECHO: usize = 4096;
/// Of the bytes printed, what a flush leaves: in Linux they have already reached the master's own buffer.
const OUTPUT_BEYOND_FLUSH: usize = 4096;
/// `poll` says writable with this much room (`WAKEUP_CHARS`).
const WRITABLE_ROOM: usize = 256;

/// What a terminal is connected to.
enum Kind {
    /// The host.
    Console(ConsoleState),
    /// A master.
    Pty(Pair),
}

/// One terminal.
pub struct Tty {
    /// Its device number (`makedev`).
    device: u32,
    /// Its name under `/dev`.
    name: String,
    kind: Kind,
    line: RefCell<LineDiscipline>,
    /// Typed, and not yet seen by the line discipline.
    incoming: RefCell<VecDeque<u8>>,
    /// Printed, and not yet read by the master; of a console without a sink, not yet shown.
    output: RefCell<VecDeque<u8>>,
    /// Echo that waits for stopped output to go on.
    held_echo: RefCell<Vec<u8>>,
    window: Cell<Winsize>,
    /// Foreground process group, 0 for none.
    foreground: Cell<Pid>,
    /// Session whose controlling terminal it is, 0 for none.
    session: Cell<Pid>,
    /// Something changed for those who read, write or poll the program's side.
    changed: WaitQueue,
    /// Files opened before the last hang-up carry an older number.
    generation: Cell<u64>,
    /// Open files of the program's side.
    opens: Cell<u32>,
    /// `TIOCEXCL`.
    exclusive: Cell<bool>,
    /// Last read and last write, which `w` shows as idle time.
    used: Cell<(Timestamp, Timestamp)>,
}

impl fmt::Debug for Tty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tty({} session {} foreground {})", self.name, self.session.get(), self.foreground.get())
    }
}

impl Tty {
    fn new(device: u32, name: String, kind: Kind, termios: Termios2, window: Winsize) -> Tty {
        Tty {
            device,
            name,
            kind,
            line: RefCell::new(LineDiscipline::new(termios)),
            incoming: RefCell::default(),
            output: RefCell::default(),
            held_echo: RefCell::default(),
            window: Cell::new(window),
            foreground: Cell::new(0),
            session: Cell::new(0),
            changed: WaitQueue::new(),
            generation: Cell::new(0),
            opens: Cell::new(0),
            exclusive: Cell::new(false),
            used: Cell::default(),
        }
    }

    /// Device number in `makedev` encoding (`tty_nr` of `/proc/PID/stat`).
    pub fn device(&self) -> u32 {
        self.device
    }

    /// Name under `/dev`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Foreground process group, 0 for none.
    pub fn foreground(&self) -> Pid {
        self.foreground.get()
    }

    /// Id of the session whose controlling terminal it is, 0 for none.
    pub fn session_id(&self) -> Pid {
        self.session.get()
    }

    /// Size in characters.
    pub fn window(&self) -> Winsize {
        self.window.get()
    }

    /// Modes.
    pub fn termios(&self) -> Termios2 {
        *self.line.borrow().termios()
    }

    /// When it was last read and last written.
    pub fn used(&self) -> (Timestamp, Timestamp) {
        self.used.get()
    }

    fn pair(&self) -> Option<&Pair> {
        match &self.kind {
            Kind::Pty(pair) => Some(pair),
            Kind::Console(_) => None,
        }
    }

    fn note_packet(&self, clear: u8, set: u8) {
        if let Some(pair) = self.pair() {
            pair.note_packet(clear, set);
        }
    }

    /// Takes typed bytes and works on them as far as there is room.
    fn receive(&self, kernel: &Kernel, bytes: &[u8]) {
        self.incoming.borrow_mut().extend(bytes);
        self.pump(kernel);
    }

    /// Gives waiting input to the line discipline while that has room.
    fn pump(&self, kernel: &Kernel) {
        let mut effects = Effects::default();
        let mut any = false;
        while self.line.borrow().accepts() {
            let Some(byte) = self.incoming.borrow_mut().pop_front() else { break };
            effects.echo.clear();
            self.line.borrow_mut().receive(byte, &mut effects);
            any = true;
            self.apply(kernel, &mut effects);
        }
        if any {
            self.changed.wake_all();
            if let Some(pair) = self.pair() {
                pair.master_changed.wake_all();
            }
        }
    }

    fn apply(&self, kernel: &Kernel, effects: &mut Effects) {
        if std::mem::take(&mut effects.flush) {
            self.flush_output();
            self.note_packet(0, TIOCPKT_FLUSHREAD);
        }
        match effects.flow.take() {
            Some(Flow::Stop) => self.note_packet(TIOCPKT_START, TIOCPKT_STOP),
            Some(Flow::Start) => self.output_goes_on(),
            None => {}
        }
        if !effects.echo.is_empty() {
            if self.line.borrow().output_stopped() {
                let mut held = self.held_echo.borrow_mut();
                let room = ECHO.saturating_sub(held.len());
                held.extend(effects.echo.iter().take(room));
            } else {
                self.emit(&effects.echo);
            }
        }
        if let Some(signal) = effects.signal.take() {
            self.signal_foreground(kernel, signal);
        }
    }

    /// Stopped output goes on: what was held back is shown, and writers try again.
    fn output_goes_on(&self) {
        self.note_packet(TIOCPKT_STOP, TIOCPKT_START);
        let held = std::mem::take(&mut *self.held_echo.borrow_mut());
        if !held.is_empty() {
            self.emit(&held);
        }
        self.changed.wake_all();
    }

    fn signal_foreground(&self, kernel: &Kernel, signal: Signal) {
        let group = self.foreground.get();
        if group != 0 {
            send::to_group(kernel, group, signal, Origin::Kernel);
        }
    }

    /// Shows bytes that went through output processing.
    fn emit(&self, bytes: &[u8]) {
        match &self.kind {
            Kind::Console(console) => console.show(&self.output, bytes),
            Kind::Pty(pair) => {
                // Programs wait for room; echo does not, and is lost where the master reads nothing for long.
                let mut output = self.output.borrow_mut();
                let room = (OUTPUT + ECHO).saturating_sub(output.len());
                output.extend(bytes.iter().take(room));
                pair.master_changed.wake_all();
            }
        }
    }

    /// Room for output.
    fn room(&self) -> usize {
        match &self.kind {
            Kind::Console(_) => usize::MAX,
            Kind::Pty(_) => OUTPUT.saturating_sub(self.output.borrow().len()),
        }
    }

    /// Prints as much as fits now. Gives the number of bytes taken.
    fn print(&self, data: &[u8]) -> usize {
        if self.line.borrow().output_stopped() {
            return 0;
        }
        let mut out = Vec::with_capacity(data.len().min(OUTPUT) + OUTPUT_EXPANSION);
        let taken = self.line.borrow_mut().process_output(data, self.room(), &mut out);
        if !out.is_empty() {
            self.emit(&out);
        }
        taken
    }

    fn writable(&self) -> bool {
        !self.line.borrow().output_stopped() && self.room() > WRITABLE_ROOM
    }

    fn flush_input(&self) {
        self.incoming.borrow_mut().clear();
        self.line.borrow_mut().flush_input();
        self.note_packet(0, TIOCPKT_FLUSHREAD);
        if let Some(pair) = self.pair() {
            pair.master_changed.wake_all();
        }
    }

    fn flush_output(&self) {
        if self.pair().is_some() {
            self.output.borrow_mut().truncate(OUTPUT_BEYOND_FLUSH);
        }
        self.held_echo.borrow_mut().clear();
        self.note_packet(0, TIOCPKT_FLUSHWRITE);
        self.changed.wake_all();
    }

    /// Sets modes, now.
    fn set_termios(&self, kernel: &Kernel, mut new: Termios2) {
        if self.pair().is_some() {
            // A pseudo-terminal has no wire: always eight bits, no parity.
            new.c_cflag &= !(ControlFlags::CSIZE | ControlFlags::PARENB).bits();
            new.c_cflag |= (ControlFlags::CS8 | ControlFlags::CREAD).bits();
        }
        let old = self.termios();
        let goes_on = self.line.borrow_mut().set_termios(new);
        let (before, after) = (has_usual_flow_keys(&old), has_usual_flow_keys(&new));
        if before != after {
            let set = if after { TIOCPKT_DOSTOP } else { TIOCPKT_NOSTOP };
            self.note_packet(TIOCPKT_DOSTOP | TIOCPKT_NOSTOP, set);
        }
        if goes_on {
            self.output_goes_on();
        }
        self.pump(kernel);
        self.changed.wake_all();
    }

    /// Changes the size, and tells the foreground group if it is another.
    fn set_window(&self, kernel: &Kernel, window: Winsize) {
        if self.window.replace(window) != window {
            self.signal_foreground(kernel, Signal::WINCH);
        }
    }

    /// Whether the master of a pseudo-terminal is gone.
    fn other_side_closed(&self) -> bool {
        matches!(&self.kind, Kind::Pty(pair) if pair.closed.get())
    }

    /// The line went dead: files open now read 0 and write `EIO`, the session leader gets SIGHUP and SIGCONT.
    fn hang_up(&self, kernel: &Kernel) {
        job::session_loses_terminal(self, kernel);
        self.generation.set(self.generation.get() + 1);
        self.incoming.borrow_mut().clear();
        self.held_echo.borrow_mut().clear();
        self.line.borrow_mut().flush_input();
        self.changed.wake_all();
    }
}

/// Whether ^S and ^Q work: what a master in packet mode is told of.
fn has_usual_flow_keys(termios: &Termios2) -> bool {
    termios.c_iflag & InputFlags::IXON.bits() != 0
        && termios.c_cc[VSTOP] == 0x13
        && termios.c_cc[VSTART] == 0x11
}
