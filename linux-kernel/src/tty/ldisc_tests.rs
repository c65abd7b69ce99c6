//! The line discipline against what a real Linux terminal did: every line of the table was recorded on one.

use super::*;
use linux_abi::termios::Termios;

/// One thing that happens to a terminal, and what came of it.
enum Step {
    /// Typed at the keyboard: what is shown.
    Type(&'static [u8], &'static [u8]),
    /// Printed by a program: what is shown.
    Print(&'static [u8], &'static [u8]),
    /// A read with a buffer of so many bytes: what it gives.
    Read(usize, &'static [u8]),
    /// A read that would wait.
    Block,
    /// `FIONREAD`.
    Pending(usize),
    /// Modes change: what is shown.
    Set(&'static str, &'static [u8]),
}

use Step::{Block, Pending, Print, Read, Set, Type};

/// Name, modes that differ from a fresh terminal's, control characters that do, steps.
type Case = (&'static str, &'static str, &'static [(usize, u8)], &'static [Step]);

#[rustfmt::skip]
const CASES: &[Case] = &[
    ("a line", "", &[], &[Type(b"ls\r", b"ls\r\n"), Read(100, b"ls\n")]),
    ("no line yet", "", &[], &[Type(b"ls", b"ls"), Block, Pending(0), Type(b"\n", b"\r\n"), Pending(3), Read(100, b"ls\n")]),
    ("a line read in pieces", "", &[], &[Type(b"hello\ry\r", b"hello\r\ny\r\n"), Read(3, b"hel"), Read(3, b"lo\n"), Read(100, b"y\n")]),
    ("end of file", "", &[], &[Type(b"\x04", b""), Read(100, b""), Type(b"ab\x04", b"ab"), Read(100, b"ab"), Type(b"ab\x04", b"ab"), Read(2, b"ab"), Block]),
    ("erase", "", &[], &[Type(b"ax\x7f\x7f\x7fb\r", b"ax\x08 \x08\x08 \x08b\r\n"), Read(100, b"b\n")]),
    ("erase in UTF-8", "+IUTF8", &[], &[Type(b"a\xc3\xa4\xe2\x82\xac\x7f\x7fb\r", b"a\xc3\xa4\xe2\x82\xac\x08 \x08\x08 \x08b\r\n"), Read(100, b"ab\n")]),
    ("erase of half a character", "", &[], &[Type(b"\xc3\xa4\x7f\r", b"\xc3\xa4\x08 \x08\r\n"), Read(100, b"\xc3\n")]),
    ("erase of a control character", "", &[], &[Type(b"\x01\x7f\r", b"^A\x08 \x08\x08 \x08\r\n"), Read(100, b"\n")]),
    ("erase of tabs", "", &[], &[Print(b"prompt> ", b"prompt> "), Type(b"a\tb\t\x7f\x7f\x7f\r", b"a\tb\t\x08\x08\x08\x08\x08\x08\x08\x08 \x08\x08\x08\x08\x08\x08\x08\x08\r\n")]),
    ("erase without ECHOE", "-ECHOE", &[], &[Type(b"ab\x7f\r", b"ab^?\r\n"), Read(100, b"a\n")]),
    ("erase for paper", "+ECHOPRT", &[], &[Type(b"abc\x7f\x7fd\r", b"abc\\cb/d\r\n"), Read(100, b"ad\n")]),
    ("word erase", "", &[], &[Type(b"one two_3  \x17x -\x17\x17\r", b"one two_3  \x08 \x08\x08 \x08\x08 \x08\x08 \x08\x08 \x08\x08 \x08\x08 \x08x -\x08 \x08\x08 \x08\x08 \x08\x08 \x08\x08 \x08\x08 \x08\x08 \x08\r\n"), Read(100, b"\n")]),
    ("kill", "", &[], &[Type(b"abc\x15d\r", b"abc\x08 \x08\x08 \x08\x08 \x08d\r\n"), Read(100, b"d\n")]),
    ("kill without ECHOKE", "-ECHOKE", &[], &[Type(b"abc\x15d\r", b"abc^U\r\nd\r\n"), Read(100, b"d\n")]),
    ("kill without ECHOK", "-ECHOK -ECHOKE", &[], &[Type(b"abc\x15d\r", b"abc^Ud\r\n"), Read(100, b"d\n")]),
    ("kill unseen", "-ECHO", &[], &[Type(b"abc\x15d\r", b""), Read(100, b"d\n")]),
    ("literal next", "", &[], &[Type(b"\x16\x03\x16\x7f\x16\rx\r", b"^\x08^C^\x08^?^\x08^Mx\r\n"), Read(100, b"\x03\x7f\rx\n")]),
    ("reprint", "", &[], &[Type(b"ab\x12c\r", b"ab^R\r\nabc\r\n"), Read(100, b"abc\n")]),
    ("without IEXTEN", "-IEXTEN", &[], &[Type(b"a b\x17\x16\x12\r", b"a b^W^V^R\r\n"), Read(100, b"a b\x17\x16\x12\n")]),
    ("other line ends", "", &[(VEOL, b';'), (VEOL2, b'!')], &[Type(b"a;b!c\r", b"a;b!c\r\n"), Read(100, b"a;"), Read(100, b"b!"), Read(100, b"c\n")]),
    ("newline echo alone", "-ECHO +ECHONL", &[], &[Type(b"secret\r", b"\r\n"), Read(100, b"secret\n")]),
    ("carriage return kept", "-ICRNL", &[], &[Type(b"a\rb\n", b"a^Mb\r\n"), Read(100, b"a\rb\n")]),
    ("carriage return ignored", "+IGNCR", &[], &[Type(b"a\rb\n", b"ab\r\n"), Read(100, b"ab\n")]),
    ("newline to carriage return", "-ICRNL +INLCR -ICANON", &[], &[Type(b"a\n", b"a^M"), Read(100, b"a\r")]),
    ("strip and lower case", "+ISTRIP +IUCLC", &[], &[Type(b"AB\xc1\r", b"aba\r\n"), Read(100, b"aba\n")]),
    ("marked 0xff", "+PARMRK", &[], &[Type(b"\xffa\r", b"\xffa\r\n"), Read(100, b"\xff\xffa\n")]),
    ("raw", "-ICANON -ECHO -ISIG -ICRNL -IXON -IEXTEN", &[], &[Type(b"a\x03\r\x04\x13", b""), Read(2, b"a\x03"), Read(100, b"\r\x04\x13"), Block]),
    ("raw echo", "-ICANON", &[], &[Type(b"a\r\n\x7f\x04", b"a\r\n^J^?^D"), Read(100, b"a\n\n\x7f\x04")]),
    ("interrupt drops the line", "", &[], &[Type(b"abc\x03d\r", b"abc^Cd\r\n"), Read(100, b"d\n")]),
    ("interrupt keeps the line", "+NOFLSH", &[], &[Type(b"abc\x03d\r", b"abc^Cd\r\n"), Read(100, b"abcd\n")]),
    ("suspend and quit unechoed", "-ECHO", &[], &[Type(b"a\x1a\x1cb\r", b""), Read(100, b"b\n")]),
    ("stop and start", "", &[], &[Type(b"a\x13bc", b"a"), Type(b"\x11", b"bc"), Type(b"\r", b"\r\n"), Read(100, b"abc\n")]),
    ("any key starts", "+IXANY", &[], &[Type(b"\x13", b""), Type(b"b\r", b"b\r\n"), Read(100, b"b\n")]),
    ("interrupt starts", "", &[], &[Type(b"\x13b", b""), Type(b"\x03", b"^C")]),
    ("from raw to lines", "-ICANON", &[], &[Type(b"ab", b"ab"), Set("+ICANON", b""), Read(100, b"ab"), Type(b"c\r", b"c\r\n"), Read(100, b"c\n")]),
    ("from lines to raw", "", &[], &[Type(b"ab", b"ab"), Block, Set("-ICANON", b""), Read(100, b"ab")]),
    ("IXON off starts", "", &[], &[Type(b"\x13ab", b""), Set("-IXON", b"ab"), Type(b"\r", b"\r\n"), Read(100, b"ab\n")]),
    ("newline output", "", &[], &[Print(b"a\nb\rc\n", b"a\r\nb\rc\r\n")]),
    ("output untouched", "-OPOST", &[], &[Print(b"a\nb\rc\t\n", b"a\nb\rc\t\n")]),
    ("tabs to spaces", "+XTABS", &[], &[Print(b"a\tbc\x08\t\r\td", b"a       bc\x08       \r        d")]),
    ("tabs after UTF-8", "+XTABS +IUTF8", &[], &[Print(b"\xc3\xa4\tx\n", b"\xc3\xa4       x\r\n")]),
    ("return to newline", "-ONLCR +OCRNL", &[], &[Print(b"a\rb\n", b"a\nb\n")]),
    ("no return in column 0", "+ONOCR", &[], &[Print(b"\ra\r\rb", b"a\rb")]),
    ("upper case", "+OLCUC", &[], &[Print(b"abc1\n", b"ABC1\r\n")]),
];

fn change(mut termios: Termios2, modes: &str) -> Termios2 {
    for word in modes.split_whitespace() {
        let (sign, name) = word.split_at(1);
        let (field, bit) = if let Some(flag) = InputFlags::from_name(name) {
            (&mut termios.c_iflag, flag.bits())
        } else if let Some(flag) = OutputFlags::from_name(name) {
            (&mut termios.c_oflag, flag.bits())
        } else {
            (&mut termios.c_lflag, LocalFlags::from_name(name).expect("a mode").bits())
        };
        *field = if sign == "+" { *field | bit } else { *field & !bit };
    }
    termios
}

fn fresh() -> Termios2 {
    super::super::ioctl::with_speeds(&Termios::STANDARD)
}

/// A discipline and the echo that waits for stopped output.
struct Terminal {
    line: LineDiscipline,
    held: Vec<u8>,
    signals: Vec<Signal>,
}

impl Terminal {
    fn new(termios: Termios2) -> Terminal {
        Terminal { line: LineDiscipline::new(termios), held: Vec::new(), signals: Vec::new() }
    }

    fn shown(&mut self, more: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(more);
        if self.line.output_stopped() { Vec::new() } else { std::mem::take(&mut self.held) }
    }

    fn type_keys(&mut self, keys: &[u8]) -> Vec<u8> {
        let mut shown = Vec::new();
        for key in keys {
            let mut effects = Effects::default();
            if self.line.accepts() {
                self.line.receive(*key, &mut effects);
            }
            if effects.flush {
                self.held.clear();
            }
            self.signals.extend(effects.signal);
            shown.extend(self.shown(&effects.echo));
        }
        shown
    }

    fn read(&mut self, size: usize) -> Option<Vec<u8>> {
        let mut buffer = vec![0; size];
        let count = self.line.readable().then(|| self.line.read(&mut buffer))?;
        buffer.truncate(count);
        Some(buffer)
    }
}

fn check((name, modes, characters, steps): &Case) {
    let mut termios = change(fresh(), modes);
    characters.iter().for_each(|(index, byte)| termios.c_cc[*index] = *byte);
    let mut terminal = Terminal::new(termios);
    for (number, step) in steps.iter().enumerate() {
        let place = format!("{name}, step {number}");
        let same = |got: &[u8], wanted: &[u8]| {
            assert_eq!(String::from_utf8_lossy(got), String::from_utf8_lossy(wanted), "{place}");
        };
        match step {
            Type(keys, shown) => same(&terminal.type_keys(keys), shown),
            Print(text, shown) => {
                let mut out = Vec::new();
                assert_eq!(terminal.line.process_output(text, usize::MAX, &mut out), text.len(), "{place}");
                same(&out, shown);
            }
            Read(size, bytes) => {
                same(&terminal.read(*size).unwrap_or_else(|| panic!("{place}: waits")), bytes)
            }
            Block => assert_eq!(terminal.read(100), None, "{place}"),
            Pending(count) => assert_eq!(terminal.line.pending(), *count, "{place}"),
            Set(modes, shown) => {
                let new = change(*terminal.line.termios(), modes);
                terminal.line.set_termios(new);
                same(&terminal.shown(b""), shown);
            }
        }
    }
}

#[test]
fn does_what_linux_does() {
    CASES.iter().for_each(check);
}

#[test]
fn keys_send_their_signals() {
    let mut terminal = Terminal::new(fresh());
    terminal.type_keys(b"a\x03b\x1c\x1a");
    assert_eq!(terminal.signals, [Signal::INT, Signal::QUIT, Signal::TSTP]);
    let mut terminal = Terminal::new(change(fresh(), "-ISIG"));
    terminal.type_keys(b"a\x03b\x1c\x1a");
    assert_eq!(terminal.signals, []);
}

#[test]
fn too_long_a_line_keeps_its_start_and_its_end() {
    let mut terminal = Terminal::new(fresh());
    terminal.type_keys(&[b'x'; 5000]);
    assert_eq!(terminal.read(10_000), None);
    terminal.type_keys(b"\r");
    let line = terminal.read(10_000).expect("a line");
    assert_eq!((line.len(), line.last()), (BUFFER, Some(&b'\n')));
}

#[test]
fn a_full_buffer_waits_for_a_reader() {
    let mut terminal = Terminal::new(fresh());
    terminal.type_keys(b"first\r");
    terminal.type_keys(&[b'x'; 5000]);
    assert!(!terminal.line.accepts(), "a line can be read: nothing may be lost");
    assert_eq!(terminal.read(100).as_deref(), Some(&b"first\n"[..]));
    assert!(terminal.line.accepts());
    let mut raw = Terminal::new(change(fresh(), "-ICANON"));
    raw.type_keys(&[b'x'; 5000]);
    assert_eq!(raw.line.pending(), BUFFER - 1);
}

#[test]
fn poll_waits_for_vmin() {
    let mut termios = change(fresh(), "-ICANON");
    termios.c_cc[VMIN] = 3;
    let mut terminal = Terminal::new(termios);
    terminal.type_keys(b"ab");
    assert!(terminal.line.readable() && !terminal.line.poll_readable());
    terminal.type_keys(b"c");
    assert!(terminal.line.poll_readable());
}

#[test]
fn output_stops_at_the_room_there_is() {
    let mut line = LineDiscipline::new(fresh());
    let mut out = Vec::new();
    let taken = line.process_output(&[b'\n'; 100], 20, &mut out);
    assert!(taken > 0 && taken * 2 == out.len() && out.len() <= 20, "{taken} {}", out.len());
}
