//! The standard line discipline (N_TTY, termios(3)) as a pure state machine.
//!
//! Bytes from the keyboard go in through [`LineDiscipline::receive`], which says in [`Effects`] what to echo, whom
//! to signal and whether output stops; what programs may read comes out of [`LineDiscipline::read`]. Output passes
//! through [`LineDiscipline::process_output`], because echo and output share the cursor column. Nothing here
//! waits, and nothing knows of processes.

use crate::signal::Signal;
use linux_abi::termios::{
    InputFlags, LocalFlags, OutputFlags, Termios2, VDISABLE, VEOF, VEOL, VEOL2, VERASE, VINTR, VKILL, VLNEXT,
    VMIN, VQUIT, VREPRINT, VSTART, VSTOP, VSUSP, VTIME, VWERASE,
};
use std::collections::VecDeque;

/// Bytes the discipline holds for programs to read; also the longest line, its end included (termios(3)).
pub const BUFFER: usize = 4096;

/// Most bytes that one byte of output becomes: a tab turned into spaces.
pub const OUTPUT_EXPANSION: usize = 8;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mark {
    None,
    /// Last byte of a line, which is read with it.
    Line,
    /// An EOF character: ends a line but is not read.
    Eof,
}

/// Start or stop of output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flow {
    /// `VSTOP`.
    Stop,
    /// `VSTART`, or any key with `IXANY`.
    Start,
}

/// What a received byte does besides being stored.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// To be shown, output processing already done.
    pub echo: Vec<u8>,
    /// For the foreground process group.
    pub signal: Option<Signal>,
    /// Output not yet shown, echo included, is dropped; input was.
    pub flush: bool,
    /// Output stops or goes on.
    pub flow: Option<Flow>,
}

/// What [`Effects::flow`] and the `TCXONC` request did to the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stopped {
    by_key: bool,
    by_call: bool,
}

/// Which way an erase character erases.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Erase {
    Character,
    Word,
    Line,
}

/// How a newline to be stored came about: outside canonical mode, `ECHOCTL` shows a typed one as `^J`, but the one that
/// `ICRNL` makes as itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Newline {
    Typed,
    FromReturn,
}

/// State of one terminal's line discipline.
#[derive(Debug)]
pub struct LineDiscipline {
    termios: Termios2,
    queue: VecDeque<(u8, Mark)>,
    /// Marked items in the queue: lines that can be read.
    lines: usize,
    /// Items at the queue's end that belong to the line being edited.
    editing: usize,
    /// The next byte is taken as it is (`VLNEXT`).
    literal: bool,
    /// Between the slashes of `ECHOPRT`.
    erasing: bool,
    column: u32,
    /// Column at which the line being edited began.
    line_column: u32,
    stopped: Stopped,
}

/// Control characters of ASCII, as the kernel's `iscntrl`.
fn is_control(byte: u8) -> bool {
    byte < 0x20 || byte == 0x7f
}

/// Part of a word for `VWERASE`. Latin-1 letters count, and so do the first bytes of most UTF-8 sequences.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || (byte >= 0xc0 && byte != 0xd7 && byte != 0xf7)
}

/// Lower case as the kernel's `tolower`: Latin-1, whatever the encoding.
fn lower(byte: u8) -> u8 {
    if byte.is_ascii_uppercase() || ((0xc0..=0xde).contains(&byte) && byte != 0xd7) {
        byte.wrapping_add(0x20)
    } else {
        byte
    }
}

/// Upper case as the kernel's `toupper`.
fn upper(byte: u8) -> u8 {
    if byte.is_ascii_lowercase() || (byte >= 0xdf && byte != 0xf7) { byte.wrapping_sub(0x20) } else { byte }
}

impl LineDiscipline {
    /// A discipline with nothing read yet.
    pub fn new(termios: Termios2) -> LineDiscipline {
        LineDiscipline {
            termios,
            queue: VecDeque::new(),
            lines: 0,
            editing: 0,
            literal: false,
            erasing: false,
            column: 0,
            line_column: 0,
            stopped: Stopped::default(),
        }
    }

    /// Modes.
    pub fn termios(&self) -> &Termios2 {
        &self.termios
    }

    fn input_has(&self, flag: InputFlags) -> bool {
        self.termios.c_iflag & flag.bits() != 0
    }

    fn output_has(&self, flag: OutputFlags) -> bool {
        self.termios.c_oflag & flag.bits() != 0
    }

    /// Whether a local mode is on.
    pub fn local_has(&self, flag: LocalFlags) -> bool {
        self.termios.c_lflag & flag.bits() != 0
    }

    fn canonical(&self) -> bool {
        self.local_has(LocalFlags::ICANON)
    }

    fn character(&self, index: usize) -> u8 {
        self.termios.c_cc.get(index).copied().unwrap_or(VDISABLE)
    }

    fn is(&self, byte: u8, index: usize) -> bool {
        byte != VDISABLE && self.character(index) == byte
    }

    /// Sets modes. True where that lets stopped output go on.
    pub fn set_termios(&mut self, new: Termios2) -> bool {
        let old = std::mem::replace(&mut self.termios, new);
        if (old.c_lflag ^ new.c_lflag) & LocalFlags::ICANON.bits() != 0 {
            // What was typed so far becomes readable as it stands, in either direction.
            self.queue.iter_mut().for_each(|item| item.1 = Mark::None);
            self.lines = 0;
            if let Some(last) = self.queue.back_mut() {
                // The kernel stores an EOF as a marked NUL, and so takes a NUL that it marks for one.
                last.1 = if last.0 == 0 { Mark::Eof } else { Mark::Line };
                self.lines = 1;
            }
            self.editing = 0;
            self.literal = false;
            self.erasing = false;
        }
        let ixon = InputFlags::IXON.bits();
        old.c_iflag & ixon != 0 && new.c_iflag & ixon == 0 && self.start()
    }

    /// Whether output is held back.
    pub fn output_stopped(&self) -> bool {
        self.stopped.by_key || self.stopped.by_call
    }

    fn start(&mut self) -> bool {
        std::mem::take(&mut self.stopped.by_key) && !self.stopped.by_call
    }

    /// `TCXONC` with `TCOOFF` (stop) or `TCOON`.
    pub fn set_stopped_by_call(&mut self, stop: Flow) {
        self.stopped = Stopped { by_key: false, by_call: stop == Flow::Stop };
    }

    /// Drops what was received and not read.
    pub fn flush_input(&mut self) {
        self.queue.clear();
        self.lines = 0;
        self.editing = 0;
        self.literal = false;
        self.erasing = false;
    }

    /// Whether [`LineDiscipline::receive`] may be called: there is room, or the line being typed is too long anyhow.
    pub fn accepts(&self) -> bool {
        self.queue.len() < BUFFER - 1 || (self.canonical() && self.lines == 0)
    }

    /// Whether a `read` finds something now.
    pub fn readable(&self) -> bool {
        self.readable_at_least(1)
    }

    fn readable_at_least(&self, bytes: usize) -> bool {
        if self.canonical() { self.lines > 0 } else { self.queue.len() >= bytes }
    }

    /// Whether `poll` says that there is something: with `VMIN` and no `VTIME`, only that many bytes count.
    pub fn poll_readable(&self) -> bool {
        let minimum = if self.character(VTIME) == 0 { self.character(VMIN).max(1) } else { 1 };
        self.readable_at_least(usize::from(minimum))
    }

    /// `FIONREAD`.
    pub fn pending(&self) -> usize {
        if !self.canonical() {
            return self.queue.len();
        }
        let committed = self.queue.len() - self.editing.min(self.queue.len());
        self.queue.iter().take(committed).filter(|item| item.1 != Mark::Eof).count()
    }

    /// `VMIN` and `VTIME` (in tenths of a second) for a read; none in canonical mode.
    pub fn min_and_time(&self) -> Option<(usize, u64)> {
        let values = (usize::from(self.character(VMIN)), u64::from(self.character(VTIME)));
        (!self.canonical()).then_some(values)
    }

    fn pop(&mut self) -> Option<(u8, Mark)> {
        let item = self.queue.pop_front()?;
        if item.1 != Mark::None {
            self.lines = self.lines.saturating_sub(1);
        }
        Some(item)
    }

    /// Reads: the rest of one line in canonical mode (0 bytes for an EOF character), else what is there.
    pub fn read(&mut self, out: &mut [u8]) -> usize {
        let mut count = 0;
        if !self.canonical() {
            while count < out.len() {
                let Some((byte, _)) = self.pop() else { break };
                out[count] = byte;
                count += 1;
            }
            return count;
        }
        while self.queue.len() > self.editing {
            // An EOF right behind a full buffer belongs to this read: the next one must not see an empty line.
            if count == out.len() && self.queue.front().is_none_or(|item| item.1 != Mark::Eof) {
                break;
            }
            let Some((byte, mark)) = self.pop() else { break };
            if mark != Mark::Eof {
                out[count] = byte;
                count += 1;
            }
            if mark != Mark::None {
                break;
            }
        }
        count
    }

    fn put(&mut self, byte: u8, mark: Mark) {
        if self.queue.len() >= BUFFER && self.canonical() {
            // Too long a line keeps its first 4095 bytes, and takes its end.
            self.queue.pop_back();
            self.editing = self.editing.saturating_sub(1);
        }
        self.queue.push_back((byte, mark));
        if mark != Mark::None {
            self.lines += 1;
            self.editing = 0;
        } else if self.canonical() {
            self.editing += 1;
        }
    }

    /// Takes a byte from the keyboard (or the master).
    pub fn receive(&mut self, mut byte: u8, effects: &mut Effects) {
        if self.input_has(InputFlags::ISTRIP) {
            byte &= 0x7f;
        }
        let extended = self.local_has(LocalFlags::IEXTEN);
        if self.input_has(InputFlags::IUCLC) && extended {
            byte = lower(byte);
        }
        if std::mem::take(&mut self.literal) {
            self.store(byte, Newline::Typed, effects);
            return;
        }
        if self.input_has(InputFlags::IXON) {
            if self.is(byte, VSTART) {
                if self.start() {
                    effects.flow = Some(Flow::Start);
                }
                return;
            }
            if self.is(byte, VSTOP) {
                self.stopped.by_key = true;
                effects.flow = Some(Flow::Stop);
                return;
            }
        }
        if self.local_has(LocalFlags::ISIG) {
            const KEYS: [(usize, Signal); 3] =
                [(VINTR, Signal::INT), (VQUIT, Signal::QUIT), (VSUSP, Signal::TSTP)];
            if let Some((_, signal)) = KEYS.iter().find(|(index, _)| self.is(byte, *index)) {
                self.signal_key(byte, *signal, effects);
                return;
            }
        }
        if self.stopped.by_key
            && self.input_has(InputFlags::IXON)
            && self.input_has(InputFlags::IXANY)
            && self.start()
        {
            effects.flow = Some(Flow::Start);
        }
        let mut newline = Newline::Typed;
        match byte {
            b'\r' if self.input_has(InputFlags::IGNCR) => return,
            b'\r' if self.input_has(InputFlags::ICRNL) => {
                byte = b'\n';
                newline = Newline::FromReturn;
            }
            b'\n' if self.input_has(InputFlags::INLCR) => byte = b'\r',
            _ => {}
        }
        if self.canonical() && self.edit(byte, effects) {
            return;
        }
        self.store(byte, newline, effects);
    }

    fn signal_key(&mut self, byte: u8, signal: Signal, effects: &mut Effects) {
        effects.signal = Some(signal);
        if !self.local_has(LocalFlags::NOFLSH) {
            effects.flush = true;
            effects.echo.clear();
            self.flush_input();
        }
        if self.input_has(InputFlags::IXON) && self.start() {
            effects.flow = Some(Flow::Start);
        }
        if self.local_has(LocalFlags::ECHO) {
            self.echo(byte, effects);
        }
    }

    /// An ordinary byte: echoed and stored.
    fn store(&mut self, byte: u8, newline: Newline, effects: &mut Effects) {
        if self.local_has(LocalFlags::ECHO) {
            self.finish_erasing(effects);
            if byte == b'\n' && newline == Newline::FromReturn {
                self.echo_raw(byte, effects);
            } else {
                self.note_line_column();
                self.echo(byte, effects);
            }
        }
        if self.input_has(InputFlags::PARMRK) && byte == 0xff {
            self.put(byte, Mark::None);
        }
        self.put(byte, Mark::None);
    }

    /// Canonical mode: whether the byte had a meaning there.
    fn edit(&mut self, byte: u8, effects: &mut Effects) -> bool {
        let extended = self.local_has(LocalFlags::IEXTEN);
        let echo = self.local_has(LocalFlags::ECHO);
        if self.is(byte, VERASE) {
            self.erase(Erase::Character, effects);
        } else if self.is(byte, VKILL) {
            self.erase(Erase::Line, effects);
        } else if extended && self.is(byte, VWERASE) {
            self.erase(Erase::Word, effects);
        } else if extended && self.is(byte, VLNEXT) {
            self.literal = true;
            if echo {
                self.finish_erasing(effects);
                if self.local_has(LocalFlags::ECHOCTL) {
                    self.echo_raw(b'^', effects);
                    self.echo_raw(b'\x08', effects);
                }
            }
        } else if extended && echo && self.is(byte, VREPRINT) {
            self.finish_erasing(effects);
            self.echo(byte, effects);
            self.echo_raw(b'\n', effects);
            let start = self.queue.len() - self.editing.min(self.queue.len());
            let line: Vec<u8> = self.queue.iter().skip(start).map(|item| item.0).collect();
            line.into_iter().for_each(|byte| self.echo(byte, effects));
        } else if byte == b'\n' {
            if echo || self.local_has(LocalFlags::ECHONL) {
                self.echo_raw(byte, effects);
            }
            self.put(byte, Mark::Line);
        } else if self.is(byte, VEOF) {
            self.put(0, Mark::Eof);
        } else if self.is(byte, VEOL) || (extended && self.is(byte, VEOL2)) {
            if echo {
                self.note_line_column();
                self.echo(byte, effects);
            }
            self.put(byte, Mark::Line);
        } else {
            return false;
        }
        true
    }

    fn note_line_column(&mut self) {
        if self.editing == 0 {
            self.line_column = self.column;
        }
    }

    fn is_continuation(&self, byte: u8) -> bool {
        self.input_has(InputFlags::IUTF8) && byte & 0xc0 == 0x80
    }

    fn last(&self, back: usize) -> Option<u8> {
        if back >= self.editing {
            return None;
        }
        let at = self.queue.len().checked_sub(back + 1)?;
        self.queue.get(at).map(|item| item.0)
    }

    fn drop_last(&mut self, count: usize) {
        self.queue.truncate(self.queue.len().saturating_sub(count));
        self.editing = self.editing.saturating_sub(count);
    }

    fn erase(&mut self, what: Erase, effects: &mut Effects) {
        if self.editing == 0 {
            return;
        }
        let echo = self.local_has(LocalFlags::ECHO);
        let visual = LocalFlags::ECHOK | LocalFlags::ECHOKE | LocalFlags::ECHOE;
        if what == Erase::Line && (!echo || self.termios.c_lflag & visual.bits() != visual.bits()) {
            self.drop_last(self.editing);
            if echo {
                self.finish_erasing(effects);
                self.echo(self.character(VKILL), effects);
                if self.local_has(LocalFlags::ECHOK) {
                    self.echo_raw(b'\n', effects);
                }
            }
            return;
        }
        let mut seen_word = false;
        while self.editing > 0 {
            // One character: in UTF-8, back over its continuation bytes to the first.
            let mut count = 1;
            while self.last(count - 1).is_some_and(|byte| self.is_continuation(byte)) && count < self.editing
            {
                count += 1;
            }
            let Some(byte) = self.last(count - 1) else { break };
            if self.is_continuation(byte) {
                // No first byte: it was read already, and half a character is not erased.
                break;
            }
            if what == Erase::Word {
                if is_word(byte) {
                    seen_word = true;
                } else if seen_word {
                    break;
                }
            }
            let tail: Vec<u8> = (0..count - 1).rev().filter_map(|back| self.last(back)).collect();
            self.drop_last(count);
            if echo {
                self.show_erased(byte, &tail, what, effects);
            }
            if what == Erase::Character {
                break;
            }
        }
        if self.editing == 0 && echo {
            self.finish_erasing(effects);
        }
    }

    fn show_erased(&mut self, byte: u8, tail: &[u8], what: Erase, effects: &mut Effects) {
        let carets = self.local_has(LocalFlags::ECHOCTL);
        if self.local_has(LocalFlags::ECHOPRT) {
            if !self.erasing {
                self.echo_raw(b'\\', effects);
                self.erasing = true;
            }
            self.echo(byte, effects);
            tail.iter().for_each(|byte| self.echo_raw(*byte, effects));
        } else if what == Erase::Character && !self.local_has(LocalFlags::ECHOE) {
            self.echo(self.character(VERASE), effects);
        } else if byte == b'\t' {
            self.erase_tab(effects);
        } else {
            if is_control(byte) && carets {
                effects.echo_erase(self);
            }
            if !is_control(byte) || carets {
                effects.echo_erase(self);
            }
        }
    }

    /// Moves the cursor back over a tab: how far depends on what stands before it.
    fn erase_tab(&mut self, effects: &mut Effects) {
        let mut before: u32 = 0;
        let mut after_tab = false;
        for back in 0..self.editing {
            match self.last(back) {
                Some(b'\t') => {
                    after_tab = true;
                    break;
                }
                Some(byte) if is_control(byte) => {
                    before += if self.local_has(LocalFlags::ECHOCTL) { 2 } else { 0 };
                }
                Some(byte) if !self.is_continuation(byte) => before += 1,
                _ => {}
            }
        }
        if !after_tab {
            before = before.wrapping_add(self.line_column);
        }
        for _ in 0..8 - (before & 7) {
            effects.echo.push(b'\x08');
            self.column = self.column.saturating_sub(1);
        }
    }

    fn finish_erasing(&mut self, effects: &mut Effects) {
        if std::mem::take(&mut self.erasing) {
            self.echo_raw(b'/', effects);
        }
    }

    /// Shows a byte, a control character as `^X` with `ECHOCTL`.
    fn echo(&mut self, byte: u8, effects: &mut Effects) {
        if is_control(byte) && byte != b'\t' && self.local_has(LocalFlags::ECHOCTL) {
            effects.echo.extend_from_slice(&[b'^', byte ^ 0x40]);
            self.column = self.column.wrapping_add(2);
        } else {
            self.echo_raw(byte, effects);
        }
    }

    fn echo_raw(&mut self, byte: u8, effects: &mut Effects) {
        // 0xff marks commands in the kernel's echo buffer, and is shown without output processing.
        if byte == 0xff {
            effects.echo.push(byte);
            self.column = self.column.wrapping_add(1);
            return;
        }
        self.output_byte(byte, &mut effects.echo);
    }

    /// Output processing (`c_oflag`) of one byte.
    fn output_byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        if !self.output_has(OutputFlags::OPOST) {
            out.push(byte);
            return;
        }
        match byte {
            b'\n' => {
                if self.output_has(OutputFlags::ONLRET) {
                    self.column = 0;
                }
                if self.output_has(OutputFlags::ONLCR) {
                    self.column = 0;
                    out.push(b'\r');
                }
                self.line_column = self.column;
                out.push(b'\n');
            }
            b'\r' => {
                if self.output_has(OutputFlags::ONOCR) && self.column == 0 {
                    return;
                }
                if self.output_has(OutputFlags::OCRNL) {
                    if self.output_has(OutputFlags::ONLRET) {
                        self.column = 0;
                        self.line_column = 0;
                    }
                    out.push(b'\n');
                    return;
                }
                self.column = 0;
                self.line_column = 0;
                out.push(b'\r');
            }
            b'\t' => {
                let spaces = 8 - (self.column & 7);
                self.column = self.column.wrapping_add(spaces);
                if self.termios.c_oflag & OutputFlags::TABDLY.bits() == OutputFlags::XTABS.bits() {
                    out.extend(std::iter::repeat_n(b' ', spaces as usize));
                } else {
                    out.push(b'\t');
                }
            }
            b'\x08' => {
                self.column = self.column.saturating_sub(1);
                out.push(byte);
            }
            _ if is_control(byte) => out.push(byte),
            _ => {
                if !self.is_continuation(byte) {
                    self.column = self.column.wrapping_add(1);
                }
                out.push(if self.output_has(OutputFlags::OLCUC) { upper(byte) } else { byte });
            }
        }
    }

    /// Processes output into `out` while it has fewer than `room` bytes to spare. Gives the number of bytes taken.
    pub fn process_output(&mut self, data: &[u8], room: usize, out: &mut Vec<u8>) -> usize {
        if !self.output_has(OutputFlags::OPOST) {
            let count = data.len().min(room);
            out.extend_from_slice(data.get(..count).unwrap_or(data));
            return count;
        }
        let start = out.len();
        for (count, byte) in data.iter().enumerate() {
            if room.saturating_sub(out.len() - start) < OUTPUT_EXPANSION {
                return count;
            }
            self.output_byte(*byte, out);
        }
        data.len()
    }
}

impl Effects {
    fn echo_erase(&mut self, line: &mut LineDiscipline) {
        for byte in *b"\x08 \x08" {
            line.echo_raw(byte, self);
        }
    }
}

#[cfg(test)]
#[path = "ldisc_tests.rs"]
mod tests;
