//! The host: time, entropy, standard streams, and the loop that turns the machine.

use crate::image::{self, RootDevice};
use crate::options::Options;
use crate::terminal::{self, RawTerminal};
use crate::{Failure, copy};
use cx_runtime::{
    Engine, Errno, ExitStatus, Host, Machine, MachineConfig, Monotonic, Now, Output, OutputSink,
    ProcessHandle, Reply, SpawnRequest, Stdio, Turn, Wants,
};
use std::fs::File;
use std::io::{Read, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Bytes of standard input read at once.
const PIECE: usize = 65_536;
/// Standard input that waits in memory; then it stays with whoever writes it.
const BACKLOG: usize = 4 * PIECE;
/// How often the size of our terminal is looked at.
const RESIZE_PERIOD: Duration = Duration::from_millis(200);
/// Turns between two looks at standard input while the guest is busy.
const TURNS: usize = 16;

/// Runs a future that never waits for anybody but us.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        std::thread::yield_now();
    }
}

struct NativeHost {
    random: File,
}

impl Host for NativeHost {
    fn entropy(&self, out: &mut [u8]) {
        // It was opened, and never ends.
        if (&self.random).read_exact(out).is_err() {
            eprintln!("cx: no entropy");
        }
    }

    fn log(&self, line: &str) {
        // Not eprintln: standard error may be closed, and that is no reason to die.
        let _ = writeln!(std::io::stderr(), "cx: {line}");
    }
}

/// The clock: monotonic from the start of the run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    fn now(self) -> Now {
        let realtime = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now {
            monotonic: Monotonic(u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)),
            realtime: i64::try_from(realtime.as_nanos()).unwrap_or(i64::MAX),
        }
    }

    /// Time until a moment.
    fn until(self, moment: Monotonic) -> Duration {
        Duration::from_nanos(moment.0).saturating_sub(self.0.elapsed())
    }
}

/// A machine and the clock that turns it.
#[derive(Debug)]
pub(crate) struct Driver {
    pub(crate) machine: Machine,
    clock: Clock,
}

impl Driver {
    /// Turns the machine until a job of it ends.
    pub(crate) fn finish<T>(&self, mut reply: Reply<T>) -> Result<T, String> {
        loop {
            let turn = self.machine.turn(self.clock.now());
            if let Some(value) = reply.take().map_err(|error| error.to_string())? {
                return Ok(value);
            }
            // Every device here is synchronous, so what is idle waits for a timer.
            match turn {
                Turn::More => {}
                Turn::Idle(Some(moment)) => std::thread::sleep(self.clock.until(moment)),
                Turn::Idle(None) => return Err("the machine is stuck".into()),
            }
        }
    }
}

pub(crate) fn run(options: Options) -> Result<u8, Failure> {
    let clock = Clock(Instant::now());
    let RootDevice { root, durable, .. } = &image::open(&options)?;
    let random = File::open("/dev/urandom").map_err(|error| format!("/dev/urandom: {error}"))?;
    let config = MachineConfig {
        memory_mib: options.memory_mib,
        strace: options.strace,
        engine: Engine::Interpreter,
        cpu: options.cpu,
        root: root.clone(),
        write_back: durable.then_some(5_000_000_000),
        ..MachineConfig::default()
    };
    let machine = block_on(Machine::new(config, Box::new(NativeHost { random }), clock.now()));
    let machine = machine.map_err(|error| error.to_string())?;
    let driver = Driver { machine, clock };
    for mount in &options.mounts {
        copy::mount(&driver, mount)?;
    }
    let process = start(&driver, &options)?;
    let status = serve(&driver, &process, &options);
    process.drain();
    if *durable && let Err(errno) = driver.finish(driver.machine.sync())? {
        return Err(format!("writing back failed: {errno:?}").into());
    }
    if let Some(file) = &options.stats {
        let seconds = [("seconds", clock.0.elapsed().as_secs_f64())];
        let text = driver.machine.stats().to_json(&seconds);
        std::fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    driver.machine.shut_down();
    Ok(status.shell_code())
}

fn start(driver: &Driver, options: &Options) -> Result<ProcessHandle, Failure> {
    let name = String::from_utf8_lossy(&options.program).into_owned();
    let not_run = |errno: Errno| {
        let (why, code) = match errno {
            Errno::ENOENT => ("not found in the guest".to_string(), 127),
            Errno::EACCES => ("permission denied in the guest".to_string(), 126),
            Errno::ENOEXEC => ("not a program that can run here".to_string(), 126),
            other => (format!("cannot be started: {other:?}"), 126),
        };
        Failure::with_code(format!("{name}: {why}"), code)
    };
    let search = options.env.iter().find_map(|entry| entry.strip_prefix(b"PATH=")).unwrap_or_default();
    let found = driver.machine.find_program(options.program.clone(), search, options.cwd.clone());
    let path = driver.finish(found)?.map_err(not_run)?;
    let stdio = if options.tty {
        driver.machine.set_console(|bytes| {
            // The guest goes on when nobody looks at its terminal.
            let mut out = std::io::stdout().lock();
            let _ = out.write_all(bytes).and_then(|()| out.flush());
        });
        if let Some((columns, rows)) = terminal::size() {
            driver.machine.console_resize(columns, rows);
        }
        Stdio::Console
    } else {
        Stdio::Streams { stdout: sink(std::io::stdout), stderr: sink(std::io::stderr) }
    };
    let request = SpawnRequest {
        path,
        arg0: Some(options.program.clone()),
        args: options.arguments.clone(),
        env: options.env.clone(),
        cwd: options.cwd.clone(),
        uid: options.uid,
        gid: options.gid,
        stdio,
    };
    driver.finish(driver.machine.spawn(request))?.map_err(not_run)
}

/// A sink over one of our streams. Where that breaks, the guest's stream breaks too.
fn sink<W: Write + 'static>(open: fn() -> W) -> OutputSink {
    OutputSink::new(move |output| {
        let Output::Bytes(bytes) = output else { return Wants::More };
        let mut stream = open();
        match stream.write_all(bytes).and_then(|()| stream.flush()) {
            Ok(()) => Wants::More,
            Err(_) => Wants::Nothing,
        }
    })
}

/// What comes from standard input.
enum Input {
    Bytes(Vec<u8>),
    End,
}

fn read_input(sender: &SyncSender<Input>) {
    let mut piece = vec![0; PIECE];
    let mut input = std::io::stdin().lock();
    loop {
        let count = match input.read(&mut piece) {
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            // A stream that cannot be read has ended for the guest.
            Err(_) => 0,
        };
        let message = if count == 0 { Input::End } else { Input::Bytes(piece[..count].to_vec()) };
        // An error says that nobody listens any more.
        if sender.send(message).is_err() || count == 0 {
            return;
        }
    }
}

/// Turns the machine until the program ends.
fn serve(driver: &Driver, process: &ProcessHandle, options: &Options) -> ExitStatus {
    let raw = RawTerminal::enter(options.tty);
    let (sender, receiver) = sync_channel(2);
    std::thread::spawn(move || read_input(&sender));
    let mut input = Some(receiver);
    let mut size = terminal::size();
    let mut size_seen = Instant::now();
    loop {
        if let Some(status) = process.status() {
            return status;
        }
        take_input(driver, process, &mut input);
        if raw.is_raw() && size_seen.elapsed() >= RESIZE_PERIOD {
            size_seen = Instant::now();
            let new = terminal::size();
            if let Some((columns, rows)) = new.filter(|_| new != size) {
                driver.machine.console_resize(columns, rows);
            }
            size = new;
        }
        let mut turn = Turn::More;
        for _ in 0..TURNS {
            turn = driver.machine.turn(driver.clock.now());
            if turn != Turn::More || process.status().is_some() {
                break;
            }
        }
        if let Turn::Idle(deadline) = turn
            && process.status().is_none()
        {
            let mut wait = deadline.map_or(Duration::from_secs(3600), |moment| driver.clock.until(moment));
            if raw.is_raw() {
                wait = wait.min(RESIZE_PERIOD);
            }
            wait_for_input(driver, process, &mut input, wait);
        }
    }
}

fn wants_input(driver: &Driver, process: &ProcessHandle) -> bool {
    let waiting = process.stdin().map_or_else(|| driver.machine.console_backlog(), |stdin| stdin.backlog());
    waiting < BACKLOG
}

fn take_input(driver: &Driver, process: &ProcessHandle, input: &mut Option<Receiver<Input>>) {
    while let Some(receiver) = input.as_ref().filter(|_| wants_input(driver, process)) {
        match receiver.try_recv() {
            Ok(piece) => give(driver, process, input, piece),
            Err(TryRecvError::Empty) => return,
            Err(TryRecvError::Disconnected) => *input = None,
        }
    }
}

fn wait_for_input(
    driver: &Driver,
    process: &ProcessHandle,
    input: &mut Option<Receiver<Input>>,
    wait: Duration,
) {
    let Some(receiver) = input.as_ref().filter(|_| wants_input(driver, process)) else {
        return std::thread::sleep(wait);
    };
    match receiver.recv_timeout(wait) {
        Ok(piece) => give(driver, process, input, piece),
        Err(RecvTimeoutError::Timeout) => {}
        Err(RecvTimeoutError::Disconnected) => *input = None,
    }
}

fn give(driver: &Driver, process: &ProcessHandle, input: &mut Option<Receiver<Input>>, piece: Input) {
    match (piece, process.stdin()) {
        // Nobody reads any more: what remains stays where it is.
        (Input::Bytes(bytes), Some(stdin)) if stdin.write(&bytes).is_err() => *input = None,
        (Input::Bytes(bytes), None) => driver.machine.console_input(&bytes),
        (Input::Bytes(_), Some(_)) => {}
        (Input::End, stdin) => {
            *input = None;
            match stdin {
                Some(stdin) => stdin.close(),
                // ^D: what the user at a terminal would type. Raw programs read it as a byte.
                None => driver.machine.console_input(&[4]),
            }
        }
    }
}
