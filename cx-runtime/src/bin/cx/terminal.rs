//! The terminal we run in, where there is one.

use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr};
use std::io::{stdin, stdout};

/// Our terminal in raw mode: what is typed goes to the guest as it is. Leaving restores it.
#[derive(Debug)]
pub(crate) struct RawTerminal(Option<Termios>);

impl RawTerminal {
    /// Switches standard input, if it is a terminal and that is wanted.
    pub(crate) fn enter(wanted: bool) -> RawTerminal {
        let input = stdin();
        if !wanted || !isatty(&input) {
            return RawTerminal(None);
        }
        let Ok(before) = tcgetattr(&input) else { return RawTerminal(None) };
        let mut raw = before.clone();
        raw.make_raw();
        match tcsetattr(&input, OptionalActions::Flush, &raw) {
            Ok(()) => RawTerminal(Some(before)),
            Err(_) => RawTerminal(None),
        }
    }

    pub(crate) fn is_raw(&self) -> bool {
        self.0.is_some()
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // Nothing can be done about a terminal that went away.
            let _ = tcsetattr(stdin(), OptionalActions::Flush, before);
        }
    }
}

/// Columns and rows of the terminal that standard output is, if it is one.
pub(crate) fn size() -> Option<(u16, u16)> {
    let size = tcgetwinsize(stdout()).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then_some((size.ws_col, size.ws_row))
}
