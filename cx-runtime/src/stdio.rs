//! Streams between a program and the host.
//!
//! They are pipes of the guest's kernel whose other end the host holds, so that programs see of them what they see of
//! any pipe: end of file, `EPIPE`, readiness, `/dev/stdin`. A job of the machine moves bytes between the pipe and the
//! host's side, and so the program waits when the host does not keep up.

use linux_abi::Errno;
use linux_kernel::Kernel;
use linux_kernel::file::OpenFile;
use linux_kernel::fs::pipe::{PipeEnd, new_pipe};
use linux_kernel::wait::{WaitQueue, wait_any};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;

/// Bytes moved to a sink at once.
const PIECE: usize = 65_536;

/// What standard input, output and error of a program are.
#[derive(Debug)]
pub enum Stdio {
    /// The machine's console, as a terminal of its own session.
    Console,
    /// Three streams.
    Streams {
        /// Takes standard output.
        stdout: OutputSink,
        /// Takes standard error.
        stderr: OutputSink,
    },
}

/// What a sink is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output<'a> {
    /// The program printed this.
    Bytes(&'a [u8]),
    /// Every program that could print has closed the stream. Nothing follows.
    End,
}

/// Whether a sink wants more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wants {
    /// Go on.
    More,
    /// The reader went away: programs that print more get `SIGPIPE` or `EPIPE`.
    Nothing,
}

/// Where output goes.
pub struct OutputSink(Box<dyn Fn(Output<'_>) -> Wants>);

impl OutputSink {
    /// Calls a function with each piece, in order.
    pub fn new(take: impl Fn(Output<'_>) -> Wants + 'static) -> OutputSink {
        OutputSink(Box::new(take))
    }

    /// Drops everything, as `/dev/null` does.
    pub fn discard() -> OutputSink {
        OutputSink::new(|_| Wants::More)
    }
}

impl fmt::Debug for OutputSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OutputSink")
    }
}

fn end_of(file: &OpenFile) -> Option<&PipeEnd> {
    file.ops_as::<PipeEnd>()
}

#[derive(Debug)]
struct Input {
    waiting: RefCell<VecDeque<u8>>,
    closed: Cell<bool>,
    /// Nobody reads any more.
    broken: Cell<bool>,
    changed: WaitQueue,
}

/// The host's side of a program's standard input. Dropping it closes the stream.
#[derive(Debug)]
pub struct StdinPort(Rc<Input>);

impl StdinPort {
    /// A stream and its pump. Gives what the program reads from.
    pub(crate) fn new(kernel: &Rc<Kernel>) -> (StdinPort, Rc<OpenFile>) {
        let (reader, writer) = new_pipe(kernel, 0);
        let input = Rc::new(Input {
            waiting: RefCell::default(),
            closed: Cell::new(false),
            broken: Cell::new(false),
            changed: WaitQueue::new(),
        });
        kernel.spawn(feed(input.clone(), writer));
        (StdinPort(input), reader)
    }

    /// Adds bytes. All are kept until they are read, so a host with much to give watches [`StdinPort::backlog`].
    /// `EPIPE` where nobody can read them any more.
    pub fn write(&self, bytes: &[u8]) -> Result<(), Errno> {
        if self.0.broken.get() || self.0.closed.get() {
            return Err(Errno::EPIPE);
        }
        self.0.waiting.borrow_mut().extend(bytes);
        self.0.changed.wake_all();
        Ok(())
    }

    /// Bytes that wait for room in the program's pipe.
    pub fn backlog(&self) -> usize {
        self.0.waiting.borrow().len()
    }

    /// The program reads the end of file once it has read the rest.
    pub fn close(&self) {
        self.0.closed.set(true);
        self.0.changed.wake_all();
    }
}

impl Drop for StdinPort {
    fn drop(&mut self) {
        self.close();
    }
}

/// Moves bytes to the pipe as there is room. Holding `writer` keeps the stream open.
async fn feed(input: Rc<Input>, writer: Rc<OpenFile>) {
    let Some(end) = end_of(&writer) else { return };
    loop {
        if !end.has_readers() {
            input.broken.set(true);
            input.waiting.borrow_mut().clear();
            return;
        }
        let moved = {
            let mut waiting = input.waiting.borrow_mut();
            let (front, _) = waiting.as_slices();
            let moved = end.push(front);
            waiting.drain(..moved);
            moved
        };
        if moved > 0 {
            continue;
        }
        if input.closed.get() && input.waiting.borrow().is_empty() {
            return;
        }
        wait_any(&[&input.changed, end.room_queue()]).await;
    }
}

struct Outlet {
    sink: OutputSink,
    /// Gone once the stream has ended or the sink wants no more.
    reader: RefCell<Option<Rc<OpenFile>>>,
    paused: Cell<bool>,
    changed: WaitQueue,
}

impl Outlet {
    /// Moves what is there now. False once the stream is over.
    fn pump(&self) -> bool {
        loop {
            let reader = self.reader.borrow().clone();
            let Some(reader) = reader else { return false };
            let Some(end) = end_of(&reader) else { return false };
            let piece = end.pull(PIECE);
            if piece.is_empty() {
                if end.has_writers() {
                    return true;
                }
                self.reader.borrow_mut().take();
                (self.sink.0)(Output::End);
                return false;
            }
            if (self.sink.0)(Output::Bytes(&piece)) == Wants::Nothing {
                self.reader.borrow_mut().take();
                return false;
            }
        }
    }
}

/// The host's side of a program's standard output or error.
#[derive(Clone)]
pub struct OutputPort(Rc<Outlet>);

impl fmt::Debug for OutputPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OutputPort(open: {})", self.0.reader.borrow().is_some())
    }
}

impl OutputPort {
    /// A stream and its pump. Gives what the program prints to.
    pub(crate) fn new(kernel: &Rc<Kernel>, sink: OutputSink) -> (OutputPort, Rc<OpenFile>) {
        let (reader, writer) = new_pipe(kernel, 0);
        let outlet = Rc::new(Outlet {
            sink,
            reader: RefCell::new(Some(reader.clone())),
            paused: Cell::new(false),
            changed: WaitQueue::new(),
        });
        kernel.spawn(carry(outlet.clone(), reader));
        (OutputPort(outlet), writer)
    }

    /// Gives the sink nothing for now; the program waits when its pipe is full.
    pub fn pause(&self) {
        self.0.paused.set(true);
    }

    /// Ends a pause.
    pub fn resume(&self) {
        self.0.paused.set(false);
        self.0.changed.wake_all();
    }

    /// Gives the sink at once what has been printed so far, paused or not.
    pub fn drain(&self) {
        self.0.pump();
    }

    /// Whether more may come.
    pub fn is_open(&self) -> bool {
        self.0.reader.borrow().is_some()
    }
}

/// Moves bytes from the pipe to the sink.
async fn carry(outlet: Rc<Outlet>, reader: Rc<OpenFile>) {
    // Only the outlet keeps the pipe's end, so that it is gone when the outlet lets go.
    let reader = Rc::downgrade(&reader);
    loop {
        if outlet.paused.get() {
            outlet.changed.wait().await;
            continue;
        }
        if !outlet.pump() {
            return;
        }
        let Some(file) = reader.upgrade() else { return };
        let Some(end) = end_of(&file) else { return };
        wait_any(&[&outlet.changed, end.data_queue()]).await;
    }
}
