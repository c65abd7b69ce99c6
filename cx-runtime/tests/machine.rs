//! The machine as a host sees it, with a virtual clock and programs made on the spot.

mod program;

use cx_runtime::{
    Errno, ExitStatus, Host, Machine, MachineConfig, MachineError, Monotonic, MountSource, MountSpec,
    NewFile, Now, Output, OutputSink, ProcessHandle, Reply, Root, SpawnRequest, Stdio, Turn, Wants,
};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

struct Quiet;

impl Host for Quiet {
    fn entropy(&self, out: &mut [u8]) {
        out.fill(7);
    }

    fn log(&self, line: &str) {
        eprintln!("{line}");
    }
}

/// A machine whose time is what the test says.
struct World {
    machine: Machine,
    time: Cell<u64>,
}

fn now(nanoseconds: u64) -> Now {
    Now { monotonic: Monotonic(nanoseconds), realtime: 1_700_000_000_000_000_000 + nanoseconds as i64 }
}

/// Runs a future that waits for nothing.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

impl World {
    fn new(config: MachineConfig) -> World {
        let machine = ready(Machine::new(config, Box::new(Quiet), now(0))).expect("a machine");
        World { machine, time: Cell::new(0) }
    }

    /// With nothing but memory.
    fn empty() -> World {
        World::new(MachineConfig { memory_mib: 64, write_back: None, ..MachineConfig::default() })
    }

    /// Turns while there is work, at one moment.
    fn settle(&self) -> Option<Monotonic> {
        for _ in 0..1_000_000 {
            if let Turn::Idle(deadline) = self.machine.turn(now(self.time.get())) {
                return deadline;
            }
        }
        panic!("it never settles");
    }

    fn finish<T>(&self, mut reply: Reply<T>) -> T {
        self.settle();
        reply.take().expect("running").expect("finished")
    }

    fn put(&self, path: &str, content: Vec<u8>) {
        let file = NewFile { permissions: 0o755, ..NewFile::default() };
        self.finish(self.machine.write_file(path, content, file)).expect("written");
    }

    fn start(&self, request: SpawnRequest) -> ProcessHandle {
        self.finish(self.machine.spawn(request)).expect("started")
    }
}

/// A sink that keeps everything, and whether the end was seen.
#[derive(Clone, Default)]
struct Kept(Rc<RefCell<(Vec<u8>, bool)>>);

impl Kept {
    fn sink(&self) -> OutputSink {
        let kept = self.0.clone();
        OutputSink::new(move |output| {
            match output {
                Output::Bytes(bytes) => kept.borrow_mut().0.extend_from_slice(bytes),
                Output::End => kept.borrow_mut().1 = true,
            }
            Wants::More
        })
    }

    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.borrow_mut().0)
    }

    fn ended(&self) -> bool {
        self.0.borrow().1
    }
}

fn streams(path: &str) -> (SpawnRequest, Kept, Kept) {
    let (out, err) = (Kept::default(), Kept::default());
    let stdio = Stdio::Streams { stdout: out.sink(), stderr: err.sink() };
    (SpawnRequest::new(path, stdio), out, err)
}

#[test]
fn a_program_prints_and_exits() {
    let world = World::empty();
    world.put("/hello", program::hello());
    let (request, out, err) = streams("/hello");
    let process = world.start(request);
    world.settle();
    assert_eq!((process.pid(), process.status()), (1, Some(ExitStatus::Exited(7))));
    assert_eq!((out.take(), err.take()), (b"hello\n".to_vec(), b"error\n".to_vec()));
    assert!(out.ended() && err.ended());
    assert_eq!(ready(process.wait()), ExitStatus::Exited(7));
    assert_eq!(process.kill(9), Err(Errno::ESRCH));
    let stats = world.machine.stats();
    assert!(stats.instructions > 0 && stats.syscalls >= 3, "{stats:?}");
}

#[test]
fn input_flows_through_and_ends() {
    let world = World::empty();
    world.put("/cat", program::cat());
    let (request, out, _) = streams("/cat");
    let process = world.start(request);
    let stdin = process.stdin().expect("streams");
    let bytes: Vec<u8> = (0..300_000u32).map(|i| ((i * 7) >> 3) as u8).collect();
    stdin.write(&bytes[..10]).unwrap();
    world.settle();
    assert_eq!(out.take(), &bytes[..10]);
    assert_eq!(process.status(), None);
    stdin.write(&bytes[10..]).unwrap();
    world.settle();
    assert_eq!((out.take().as_slice(), stdin.backlog()), (&bytes[10..], 0));
    stdin.close();
    world.settle();
    assert_eq!(process.status(), Some(ExitStatus::Exited(0)));
    assert_eq!(stdin.write(b"late"), Err(Errno::EPIPE));
}

#[test]
fn a_paused_sink_holds_the_program() {
    let world = World::empty();
    world.put("/cat", program::cat());
    let (request, out, _) = streams("/cat");
    let process = world.start(request);
    let stdout = process.stdout().expect("streams").clone();
    world.settle();
    stdout.pause();
    process.stdin().expect("streams").write(&vec![b'x'; 1_000_000]).unwrap();
    world.settle();
    let seen = out.take().len();
    assert!(seen < 200_000, "{seen} bytes came through a pause");
    assert!(process.stdin().is_some_and(|stdin| stdin.backlog() > 700_000));
    stdout.resume();
    world.settle();
    assert_eq!(seen + out.take().len(), 1_000_000);
}

#[test]
fn a_sink_that_goes_away_is_a_broken_pipe() {
    let world = World::empty();
    world.put("/cat", program::cat());
    let stdout = OutputSink::new(|_| Wants::Nothing);
    let request = SpawnRequest::new("/cat", Stdio::Streams { stdout, stderr: OutputSink::discard() });
    let process = world.start(request);
    let stdin = process.stdin().expect("streams");
    stdin.write(b"one").unwrap();
    world.settle();
    stdin.write(b"two").unwrap();
    world.settle();
    // SIGPIPE
    assert_eq!(process.status(), Some(ExitStatus::Killed { signal: 13 }));
    assert_eq!(process.status().map(ExitStatus::shell_code), Some(141));
}

#[test]
fn signals_end_programs() {
    let world = World::empty();
    world.put("/cat", program::cat());
    let (request, _, _) = streams("/cat");
    let process = world.start(request);
    world.settle();
    assert_eq!(process.kill(65), Err(Errno::EINVAL));
    process.kill(15).unwrap();
    world.settle();
    assert_eq!(process.status(), Some(ExitStatus::Killed { signal: 15 }));
    // Another one can be started when the first is gone.
    let (request, _, _) = streams("/cat");
    let next = world.start(request);
    next.stdin().expect("streams").close();
    world.settle();
    assert_eq!(next.status(), Some(ExitStatus::Exited(0)));
}

#[test]
fn dropping_the_handle_closes_standard_input() {
    let world = World::empty();
    world.put("/cat", program::cat());
    let (request, out, _) = streams("/cat");
    let process = world.start(request);
    let wait = process.wait();
    drop(process);
    world.settle();
    assert_eq!(ready(wait), ExitStatus::Exited(0));
    assert!(out.ended());
}

#[test]
fn programs_that_cannot_start_say_why() {
    let world = World::empty();
    world.put("/text", b"no program".to_vec());
    world.finish(world.machine.write_file("/plain", program::hello(), NewFile::default())).unwrap();
    for (path, errno) in [
        ("/none", Errno::ENOENT),
        ("/text", Errno::ENOEXEC),
        ("/plain", Errno::EACCES),
        ("/dev", Errno::EACCES),
    ] {
        let (request, _, _) = streams(path);
        assert_eq!(world.finish(world.machine.spawn(request)).err(), Some(errno), "{path}");
    }
    let (mut request, _, _) = streams("/plain");
    request.cwd = b"/nowhere".to_vec();
    assert_eq!(world.finish(world.machine.spawn(request)).err(), Some(Errno::ENOENT));
}

#[test]
fn the_console_is_a_terminal() {
    let world = World::empty();
    world.put("/cat", program::cat());
    let shown = Rc::new(RefCell::new(Vec::new()));
    let sink = shown.clone();
    world.machine.set_console(move |bytes| sink.borrow_mut().extend_from_slice(bytes));
    let process = world.start(SpawnRequest::new("/cat", Stdio::Console));
    world.settle();
    world.machine.console_input(b"ab\x7fc\r");
    world.settle();
    // Echo with the erasure, then what cat prints.
    assert_eq!(String::from_utf8_lossy(&shown.take()), "ab\x08 \x08c\r\nac\r\n");
    world.machine.console_resize(120, 40);
    // ^C ends it: it is in the terminal's foreground group.
    world.machine.console_input(b"\x03");
    world.settle();
    assert_eq!(process.status(), Some(ExitStatus::Killed { signal: 2 }));
    let second = world.start(SpawnRequest::new("/cat", Stdio::Console));
    world.settle();
    world.machine.console_input(b"\x04");
    world.settle();
    assert_eq!(second.status(), Some(ExitStatus::Exited(0)));
}

#[test]
fn files_go_in_and_out() {
    let world = World::empty();
    let machine = &world.machine;
    world.finish(machine.make_directories("/a/b", 0o750)).unwrap();
    let content: Vec<u8> = (0..100_000u32).map(|i| i as u8).collect();
    world
        .finish(machine.write_file("/a/b/f", content.clone(), NewFile { uid: 5, ..NewFile::default() }))
        .unwrap();
    assert_eq!(world.finish(machine.read_file("/a/b/f")).unwrap(), content);
    world.finish(machine.write_file("/a/b/f", b"short".to_vec(), NewFile::default())).unwrap();
    assert_eq!(world.finish(machine.read_file("/a/b/f")).unwrap(), b"short");
    world.finish(machine.make_symlink("/a/l", "b/f")).unwrap();
    assert_eq!(world.finish(machine.read_file("/a/l")).unwrap(), b"short");
    let list = world.finish(machine.list_directory("/a")).unwrap();
    assert_eq!(list.iter().map(|info| info.name.as_slice()).collect::<Vec<_>>(), [b"b".as_slice(), b"l"]);
    let info = world.finish(machine.file_info("/a/b/f")).unwrap();
    assert_eq!((info.size, info.permissions, info.uid), (5, 0o644, 0));
    assert_eq!(world.finish(machine.remove("/a")), Err(Errno::ENOTEMPTY));
    world.finish(machine.remove("/a/l")).unwrap();
    world.finish(machine.remove("/a/b/f")).unwrap();
    world.finish(machine.remove("/a/b")).unwrap();
    assert_eq!(world.finish(machine.read_file("/a/b/f")), Err(Errno::ENOENT));
    assert_eq!(world.finish(machine.read_file("/a")), Err(Errno::EISDIR));
    assert!(world.finish(machine.write_file("/proc/nothing", Vec::new(), NewFile::default())).is_err());
    assert!(!world.finish(machine.read_file("/proc/version")).unwrap().is_empty());
    world.put("/a/prog", program::hello());
    let search = |name: &str| world.finish(machine.find_program(name, "/none:/a:/dev", "/"));
    assert_eq!(search("prog").unwrap(), b"/a/prog");
    assert_eq!(search("./x").unwrap(), b"./x");
    assert_eq!(search("null"), Err(Errno::ENOENT));
}

#[test]
fn mounts_are_made_and_refused() {
    let world = World::empty();
    let tmpfs = |path: &str| MountSpec::new(path, MountSource::Tmpfs);
    world.finish(world.machine.mount(tmpfs("/mnt/deep"))).unwrap();
    world.put("/mnt/deep/f", vec![1]);
    let kernel = world.machine.kernel();
    let points = kernel.namespace.mounts().into_iter().map(|mount| mount.root_path());
    let names: Vec<_> =
        points.map(|path| String::from_utf8(kernel.namespace.text_of(&path, &kernel.root))).collect();
    let names: Vec<_> = names.iter().flatten().map(String::as_str).collect();
    assert_eq!(names, ["/", "/proc", "/sys", "/dev", "/dev/pts", "/dev/shm", "/mnt/deep"]);
    let on_a_file = world.finish(world.machine.mount(tmpfs("/mnt/deep/f")));
    assert!(matches!(on_a_file, Err(MachineError::Mount { errno: Errno::ENOTDIR, .. })), "{on_a_file:?}");
    let config = MachineConfig { mounts: vec![tmpfs("relative")], ..MachineConfig::default() };
    assert!(matches!(ready(Machine::new(config, Box::new(Quiet), now(0))), Err(MachineError::BadPath(_))));
    let junk: Rc<dyn blockdev::BlockDevice> = Rc::new(blockdev::MemoryDevice::zeroed(1 << 20));
    let config =
        MachineConfig { root: Root::Ext2 { device: junk, read_only: false }, ..MachineConfig::default() };
    let refused = ready(Machine::new(config, Box::new(Quiet), now(0)));
    assert!(matches!(refused, Err(MachineError::Image { .. })), "{refused:?}");
}

#[test]
fn a_shut_down_machine_answers() {
    let world = World::empty();
    world.put("/cat", program::cat());
    let (request, out, _) = streams("/cat");
    let process = world.start(request);
    let mut pending = world.machine.read_file("/cat");
    world.machine.shut_down();
    assert!(pending.take().is_err());
    drop(process);
    drop(out);
}
