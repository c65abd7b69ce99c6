//! The kernel as a value: everything that is not of one process.

use crate::executor::Executor;
use crate::file::Result;
use crate::fs::anon::AnonFs;
use crate::fs::locks::LockTable;
use crate::futex::FutexTable;
use crate::net::UnixNames;
use crate::strace::Tracer;
use crate::task::{Pid, Process, Session, Task};
use crate::time::{Clock, Monotonic, Now};
use crate::tty::{PtyTable, Tty};
use guest_mem::FramePool;
use linux_abi::Errno;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::rc::{Rc, Weak};
use vfs::namespace::{Mount, Namespace, Path};
use vfs::{FileSystem, FileType};
use x86_cpu::{Cpuid, ExecEngine, RunOutcome};

/// Nanoseconds that an instruction takes at most, by and large: bounds what is charged to a thread after which the
/// machine slept.
const SLOWEST_INSTRUCTION: u64 = 50;

/// Told of every new process.
type Observer = Box<dyn Fn(&Process)>;

/// What a kernel asks of the outside.
pub trait Host {
    /// Fills a buffer with random bytes fit for keys.
    fn entropy(&self, out: &mut [u8]);
    /// A line for whoever runs the machine: unknown calls, traces, kills.
    fn log(&self, line: &str);
}

/// Settings of a machine.
#[derive(Clone, Debug)]
pub struct Config {
    /// Guest memory in pages.
    pub memory_pages: usize,
    /// `uname -n`.
    pub hostname: String,
    /// Guest instructions a thread may run before others get a turn.
    pub slice: u64,
    /// Print each system call.
    pub strace: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config { memory_pages: 262_144, hostname: "cx".into(), slice: 200_000, strace: false }
    }
}

/// What [`Kernel::turn`] left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Something is ready: call again soon.
    More,
    /// Nothing is, until this moment, or until input comes if there is none.
    Idle(Option<Monotonic>),
}

/// A machine's kernel.
pub struct Kernel {
    /// Settings.
    pub config: Config,
    /// The processor model.
    pub cpuid: Cpuid,
    /// Time.
    pub clock: Clock,
    /// Memory frames.
    pub pool: FramePool,
    /// Names and mounts.
    pub namespace: Namespace,
    /// The root directory of the first process.
    pub root: Path,
    /// Home of pipes, sockets and memory files.
    pub anon: AnonFs,
    /// Files of `memfd_create`, and shared anonymous memory.
    pub memory_files: Rc<vfs::tmpfs::Tmpfs>,
    /// Who waits on futexes.
    pub futexes: FutexTable,
    /// `flock` and `fcntl` locks.
    pub locks: LockTable,
    /// Named pipes in use.
    pub fifos: crate::fs::pipe::FifoTable,
    /// File watches.
    pub inotify: crate::fs::inotify::InotifyTable,
    /// Pseudo-terminals.
    pub ptys: PtyTable,
    /// The console, `/dev/tty1` and `/dev/console`.
    pub console: Rc<Tty>,
    /// Ports of the loopback interface in use.
    pub ports: crate::net::Ports,
    /// Bound AF_UNIX addresses.
    pub unix_names: UnixNames,
    /// `--strace`.
    pub tracer: Tracer,
    /// `uname -n`, changed by sethostname.
    pub hostname: RefCell<Vec<u8>>,
    /// Instructions run so far.
    pub retired: Cell<u64>,
    /// System calls made so far.
    pub syscalls: Cell<u64>,
    /// Page faults so far: served from memory, and after waiting for a device.
    pub faults: Cell<(u64, u64)>,
    host: Box<dyn Host>,
    executor: Executor,
    engine: RefCell<Box<dyn ExecEngine>>,
    processes: RefCell<BTreeMap<Pid, Rc<Process>>>,
    tasks: RefCell<BTreeMap<Pid, Weak<Task>>>,
    next_pid: Cell<Pid>,
    next_device: Cell<u64>,
    /// Process and thread whose future is being polled: what `/proc/self` leads to. Set around every poll of a
    /// thread ([`Kernel::spawn_thread`]); file systems have no other way to know who asks.
    pub(crate) caller: Cell<(Pid, Pid)>,
    /// Whose slice ran last, to charge the time that passed to.
    running: RefCell<Weak<Task>>,
    /// Instructions of the slice that `running` had.
    slice_retired: Cell<u64>,
    /// The last turn said that there was nothing to do.
    idled: Cell<bool>,
    boot_realtime: Cell<i64>,
    observers: RefCell<Vec<Observer>>,
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kernel({} processes)", self.processes.borrow().len())
    }
}

/// `RLIMIT_CPU` (setrlimit(2)): SIGXCPU at the soft limit and each second after it, SIGKILL at the hard one.
fn enforce_cpu_limit(process: &Rc<Process>, just_used: u64) {
    use crate::signal::{Signal, send};
    const SECOND: u64 = 1_000_000_000;
    let (soft, hard) = process.limits.borrow()[linux_abi::resource::RLIMIT_CPU as usize];
    if soft == u64::MAX && hard == u64::MAX {
        return;
    }
    let used = process.usage().user;
    if used / SECOND >= hard {
        send::to_process(process, Signal::KILL, send::Origin::Kernel);
    } else if used / SECOND >= soft && used / SECOND > used.saturating_sub(just_used) / SECOND {
        send::to_process(process, Signal::XCPU, send::Origin::Kernel);
    }
}

impl Kernel {
    /// A kernel whose root directory is `root_fs`. Mount the rest with [`Kernel::mount`].
    pub fn new(
        config: Config,
        pool: FramePool,
        mut engine: Box<dyn ExecEngine>,
        host: Box<dyn Host>,
        root_fs: Rc<dyn FileSystem>,
        root_source: &str,
        now: Now,
    ) -> Rc<Kernel> {
        let (namespace, root) = Namespace::new(root_fs, root_source);
        let anon = AnonFs::new(&namespace);
        let memory_files = vfs::tmpfs::Tmpfs::new(
            &pool,
            vfs::tmpfs::TmpfsOptions { device_number: 1, ..Default::default() },
        );
        let clock = Clock::default();
        clock.advance(now);
        let mut seed = [0; 32];
        host.entropy(&mut seed);
        engine.seed(&seed);
        Rc::new(Kernel {
            hostname: RefCell::new(config.hostname.clone().into_bytes()),
            tracer: Tracer::new(config.strace),
            config,
            cpuid: engine.cpuid(),
            clock,
            pool,
            namespace,
            memory_files,
            root,
            anon,
            futexes: FutexTable::default(),
            locks: LockTable::default(),
            fifos: crate::fs::pipe::FifoTable::default(),
            inotify: crate::fs::inotify::InotifyTable::default(),
            ptys: PtyTable::default(),
            console: Tty::console(),
            ports: crate::net::Ports::default(),
            unix_names: UnixNames::default(),
            retired: Cell::new(0),
            syscalls: Cell::new(0),
            faults: Cell::default(),
            host,
            executor: Executor::default(),
            engine: RefCell::new(engine),
            processes: RefCell::default(),
            tasks: RefCell::default(),
            next_pid: Cell::new(1),
            next_device: Cell::new(0x20),
            caller: Cell::new((0, 0)),
            running: RefCell::default(),
            slice_retired: Cell::new(0),
            idled: Cell::new(false),
            boot_realtime: Cell::new(now.realtime - now.monotonic.0 as i64),
            observers: RefCell::default(),
        })
    }

    /// Runs one ready job: a guest thread's slice, or a kernel service. Call it with the current time while it
    /// answers [`Turn::More`].
    pub fn turn(&self, now: Now) -> Turn {
        let mut passed = now.monotonic.0.saturating_sub(self.clock.monotonic().0);
        if self.idled.replace(false) {
            // Some of the time was the host's sleep: no more is charged than the slice can have taken.
            passed = passed.min(self.slice_retired.get() * SLOWEST_INSTRUCTION);
        }
        if let Some(task) = std::mem::take(&mut *self.running.borrow_mut()).upgrade() {
            let mut usage = task.usage.get();
            usage.user += passed;
            task.usage.set(usage);
            task.process.timers.charge(&task.process, passed);
            enforce_cpu_limit(&task.process, passed);
        }
        self.clock.advance(now);
        self.executor.run_one();
        if self.executor.has_ready() {
            return Turn::More;
        }
        self.idled.set(true);
        Turn::Idle(self.clock.next_deadline())
    }

    /// Adds a job that is not a guest thread: input pumps, write-back.
    pub fn spawn(&self, job: impl Future<Output = ()> + 'static) {
        self.executor.spawn(job);
    }

    /// Adds a guest thread.
    pub(crate) fn spawn_thread(self: &Rc<Self>, task: Rc<Task>) {
        let ids = (task.process.pid, task.tid);
        let kernel = self.clone();
        let mut life = Box::pin(crate::thread::run(task));
        self.executor.spawn(std::future::poll_fn(move |cx| {
            kernel.caller.set(ids);
            life.as_mut().poll(cx)
        }));
    }

    /// Stops everything: every job is dropped where it stands.
    pub fn shut_down(&self) {
        self.executor.clear();
        self.tasks.borrow_mut().clear();
        let processes = std::mem::take(&mut *self.processes.borrow_mut());
        for process in processes.values() {
            process.threads.borrow_mut().clear();
            process.children.borrow_mut().clear();
        }
    }

    /// Counts of what the engine has done: see [`ExecEngine::counters`].
    pub fn engine_counters(&self, each: &mut dyn FnMut(&'static str, u64)) {
        self.engine.borrow().counters(each);
    }

    /// Runs guest code on behalf of a thread.
    pub(crate) fn run_cpu(&self, task: &Rc<Task>, budget: u64) -> RunOutcome {
        let same = self.running.borrow().upgrade().is_some_and(|running| Rc::ptr_eq(&running, task));
        if !same {
            *self.running.borrow_mut() = Rc::downgrade(task);
            self.slice_retired.set(0);
        }
        let mm = task.mm();
        let mut cpu = task.cpu.borrow_mut();
        // A nominal 1 GHz time-stamp counter; the engine adds what it runs.
        cpu.tsc = cpu.tsc.max(self.clock.monotonic().0);
        let outcome = self.engine.borrow_mut().run(&mut cpu, &mm.space, budget);
        self.retired.set(self.retired.get() + outcome.retired);
        self.clock.creep(outcome.retired);
        self.slice_retired.set(self.slice_retired.get() + outcome.retired);
        let mut usage = task.usage.get();
        usage.instructions += outcome.retired;
        task.usage.set(usage);
        outcome
    }

    /// Mounts a file system on an existing directory of the root name space.
    pub async fn mount(&self, on: &[u8], fs: Rc<dyn FileSystem>, source: &str) -> Result<Rc<Mount>> {
        let walker = vfs::namespace::Walker { root: &self.root, start: &self.root, may_search: &|_| true };
        let path = self.namespace.find(&walker, on, vfs::namespace::LastSymlink::Follow).await?;
        self.namespace.mount(&path, fs, source)
    }

    /// Random bytes.
    pub fn entropy(&self, out: &mut [u8]) {
        self.host.entropy(out);
    }

    /// A line for whoever runs the machine.
    pub fn log(&self, line: &str) {
        self.host.log(line);
    }

    /// Real time at boot, in seconds (`btime` of `/proc/stat`).
    pub fn boot_time(&self) -> i64 {
        self.boot_realtime.get().div_euclid(1_000_000_000)
    }

    /// A fresh thread or process id.
    pub(crate) fn allocate_pid(&self) -> Result<Pid> {
        const PID_MAX: Pid = crate::fs::proc::PID_MAX;
        for _ in 0..PID_MAX {
            let pid = self.next_pid.get();
            self.next_pid.set(if pid + 1 >= PID_MAX { 300 } else { pid + 1 });
            let group_in_use = || {
                self.processes.borrow().values().any(|p| p.group.get() == pid || p.session.borrow().id == pid)
            };
            if !self.tasks.borrow().contains_key(&pid)
                && !self.processes.borrow().contains_key(&pid)
                && !group_in_use()
            {
                return Ok(pid);
            }
        }
        Err(Errno::EAGAIN)
    }

    pub(crate) fn add_process(&self, process: &Rc<Process>) {
        self.processes.borrow_mut().insert(process.pid, process.clone());
        self.observers.borrow().iter().for_each(|observer| observer(process));
    }

    pub(crate) fn remove_process(&self, pid: Pid) {
        self.processes.borrow_mut().remove(&pid);
    }

    pub(crate) fn add_task(&self, task: &Rc<Task>) {
        self.tasks.borrow_mut().insert(task.tid, Rc::downgrade(task));
    }

    pub(crate) fn remove_task(&self, tid: Pid) {
        self.tasks.borrow_mut().remove(&tid);
    }

    /// Calls `observer` with every process made from now on.
    pub fn on_process_created(&self, observer: impl Fn(&Process) + 'static) {
        self.observers.borrow_mut().push(Box::new(observer));
    }

    /// A process by id, zombies included.
    pub fn process(&self, pid: Pid) -> Option<Rc<Process>> {
        self.processes.borrow().get(&pid).cloned()
    }

    /// A living thread by id.
    pub fn task(&self, tid: Pid) -> Option<Rc<Task>> {
        self.tasks.borrow().get(&tid).and_then(Weak::upgrade)
    }

    /// Every process, by ascending id, zombies included.
    pub fn processes(&self) -> Vec<Rc<Process>> {
        self.processes.borrow().values().cloned().collect()
    }

    /// The members of a process group.
    pub fn group(&self, group: Pid) -> Vec<Rc<Process>> {
        self.processes.borrow().values().filter(|process| process.group.get() == group).cloned().collect()
    }

    /// The process that adopts orphans.
    pub fn init_process(&self) -> Option<Rc<Process>> {
        self.process(1)
    }

    /// Reports pages written through shared mappings, of every process, to their files.
    pub fn harvest_shared_pages(&self) {
        let tasks: Vec<Rc<Task>> = self.tasks.borrow().values().filter_map(Weak::upgrade).collect();
        for task in tasks {
            task.mm().space.harvest_dirty(0, guest_mem::page_floor(u64::MAX));
        }
    }

    /// Writes everything dirty on every mount to stable storage (`sync`).
    pub async fn sync_all(&self) -> Result<()> {
        self.harvest_shared_pages();
        let mut result = Ok(());
        for mount in self.namespace.mounts() {
            result = result.and(mount.fs.sync().await);
        }
        result
    }

    /// A device number for a file system without a device (major 0).
    pub fn next_device_number(&self) -> u64 {
        self.next_device.replace(self.next_device.get() + 1)
    }

    /// A path for an object without a name.
    pub fn anonymous_path(&self, name: &str, file_type: FileType) -> Path {
        self.anon.path(self, name, file_type)
    }

    /// A session of its own for a new leader.
    pub(crate) fn new_session(&self, id: Pid) -> Rc<Session> {
        Rc::new(Session { id, terminal: RefCell::new(None) })
    }
}
