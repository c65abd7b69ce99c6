//! One program that a page started.

use crate::error::{error, from_errno};
use cx_runtime::{Output, OutputPort, OutputSink, Stdio, Wants};
use js_sys::Uint8Array;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use wasm_bindgen::prelude::*;

/// What a program printed to one stream, until the worker takes it.
#[derive(Default)]
pub(crate) struct Printed {
    bytes: RefCell<Vec<u8>>,
    closed: Cell<bool>,
}

impl Printed {
    pub(crate) fn push(&self, bytes: &[u8]) {
        self.bytes.borrow_mut().extend_from_slice(bytes);
    }

    /// Everything since the last call, or none.
    pub(crate) fn take(&self) -> Option<Uint8Array> {
        let bytes = std::mem::take(&mut *self.bytes.borrow_mut());
        if bytes.is_empty() { None } else { Some(Uint8Array::from(bytes.as_slice())) }
    }

    fn sink(self: &Rc<Self>) -> OutputSink {
        let printed = self.clone();
        OutputSink::new(move |output| {
            if printed.closed.get() {
                return Wants::Nothing;
            }
            if let Output::Bytes(bytes) = output {
                printed.push(bytes);
            }
            Wants::More
        })
    }
}

/// Standard output and error.
#[derive(Clone, Default)]
pub(crate) struct Streams {
    out: Rc<Printed>,
    err: Rc<Printed>,
}

impl Streams {
    pub(crate) fn stdio(&self) -> Stdio {
        Stdio::Streams { stdout: self.out.sink(), stderr: self.err.sink() }
    }

    fn of(&self, fd: u32) -> &Printed {
        if fd == 2 { &self.err } else { &self.out }
    }
}

/// A program that was started.
#[wasm_bindgen]
pub struct ProcessHandle {
    process: cx_runtime::ProcessHandle,
    streams: Streams,
}

impl fmt::Debug for ProcessHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.process.fmt(f)
    }
}

impl ProcessHandle {
    pub(crate) fn new(process: cx_runtime::ProcessHandle, streams: Streams) -> ProcessHandle {
        ProcessHandle { process, streams }
    }

    fn port(&self, fd: u32) -> Option<&OutputPort> {
        if fd == 2 { self.process.stderr() } else { self.process.stdout() }
    }
}

#[wasm_bindgen]
impl ProcessHandle {
    /// Process id inside the machine.
    pub fn pid(&self) -> i32 {
        self.process.pid()
    }

    /// Waits for the end; the exit status, or 128 and the signal.
    pub async fn wait(&self) -> u32 {
        let status = self.process.wait().await;
        self.process.drain();
        u32::from(status.shell_code())
    }

    /// Sends a signal.
    pub fn kill(&self, signal: u32) -> Result<(), JsValue> {
        self.process.kill(signal).map_err(|errno| from_errno(errno, "kill"))
    }

    /// What was printed to descriptor 1 or 2 since the last call.
    pub fn take(&self, fd: u32) -> Option<Uint8Array> {
        self.streams.of(fd).take()
    }

    /// Takes nothing from descriptor 1 or 2 for now, or goes on: the program waits when its pipe is full.
    pub fn hold(&self, fd: u32, held: bool) {
        match self.port(fd) {
            Some(port) if held => port.pause(),
            Some(port) => port.resume(),
            None => {}
        }
    }

    /// Nobody reads from descriptor 1 or 2 any more: what still prints to it gets `SIGPIPE`.
    pub fn close_output(&self, fd: u32) {
        let printed = self.streams.of(fd);
        printed.closed.set(true);
        printed.take();
        self.hold(fd, false);
    }

    /// Adds to standard input.
    pub fn write_stdin(&self, bytes: &[u8]) -> Result<(), JsValue> {
        let Some(stdin) = self.process.stdin() else {
            return Err(error("EARGUMENT", "the program's standard input is the console", None));
        };
        stdin.write(bytes).map_err(|errno| from_errno(errno, "standard input"))
    }

    /// Bytes of standard input that the program has no room for yet.
    pub fn stdin_backlog(&self) -> usize {
        self.process.stdin().map_or(0, |stdin| stdin.backlog())
    }

    /// Standard input ends after what was written.
    pub fn close_stdin(&self) {
        if let Some(stdin) = self.process.stdin() {
            stdin.close();
        }
    }
}
