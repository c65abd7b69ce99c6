//! Threads and processes: what belongs to which, and how they find each other.

use crate::cred::Cred;
use crate::file::{FdTable, Result};
use crate::kernel::Kernel;
use crate::lifecycle::default_limits;
use crate::mm::Mm;
use crate::signal::{Actions, AltStack, Pending, SigSet, Signal};
use crate::sys::sched::Scheduling;
use crate::time::Monotonic;
use crate::tty::Tty;
use crate::wait::WaitQueue;
use linux_abi::Errno;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::rc::{Rc, Weak};
use std::task::Poll;
use vfs::namespace::Path;
use x86_cpu::{CodeMode, CpuState, gpr};

pub use linux_abi::Arch;

/// A thread or process id.
pub type Pid = i32;

/// Working directory, root and umask (shared with `CLONE_FS`).
#[derive(Clone, Debug)]
pub struct FsContext {
    /// Root directory.
    pub root: Path,
    /// Working directory.
    pub cwd: Path,
    /// File mode creation mask.
    pub umask: u32,
}

/// How a process ended or changed, as `wait` reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitStatus {
    /// `_exit(code)`.
    Exited(u8),
    /// By a signal; `core` says that a core would have been dumped.
    Killed {
        /// Number of the signal.
        signal: u8,
        /// `WCOREDUMP`.
        core: bool,
    },
    /// Stopped by a signal.
    Stopped(u8),
    /// Continued by SIGCONT.
    Continued,
}

impl WaitStatus {
    /// The `int` that wait4(2) stores.
    pub const fn encode(self) -> u32 {
        match self {
            WaitStatus::Exited(code) => (code as u32) << 8,
            WaitStatus::Killed { signal, core } => signal as u32 | if core { 0x80 } else { 0 },
            WaitStatus::Stopped(signal) => (signal as u32) << 8 | 0x7f,
            WaitStatus::Continued => 0xffff,
        }
    }
}

/// Consumption, for `getrusage`, `times`, `wait4` and `/proc`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Nanoseconds in user code.
    pub user: u64,
    /// Nanoseconds in the kernel.
    pub system: u64,
    /// Faults served without a device.
    pub minor_faults: u64,
    /// Faults that waited for a device.
    pub major_faults: u64,
    /// Guest instructions.
    pub instructions: u64,
    /// Waits.
    pub voluntary_switches: u64,
    /// Slices used up.
    pub involuntary_switches: u64,
    /// Largest resident set, in pages.
    pub max_resident: u64,
}

impl Usage {
    /// Adds another's consumption.
    pub fn add(&mut self, other: &Usage) {
        self.user += other.user;
        self.system += other.system;
        self.minor_faults += other.minor_faults;
        self.major_faults += other.major_faults;
        self.instructions += other.instructions;
        self.voluntary_switches += other.voluntary_switches;
        self.involuntary_switches += other.involuntary_switches;
        self.max_resident = self.max_resident.max(other.max_resident);
    }
}

/// A session (setsid(2)): its id and controlling terminal.
#[derive(Debug)]
pub struct Session {
    /// Pid of the leader.
    pub id: Pid,
    /// Controlling terminal.
    pub terminal: RefCell<Option<Rc<Tty>>>,
}

/// A process: a group of threads.
pub struct Process {
    /// The kernel it lives in.
    pub kernel: Rc<Kernel>,
    /// Its id, the leader's tid.
    pub pid: Pid,
    /// Parent; none for the first process.
    pub parent: RefCell<Weak<Process>>,
    /// Living and zombie children.
    pub children: RefCell<Vec<Rc<Process>>>,
    /// Living threads.
    pub threads: RefCell<Vec<Rc<Task>>>,
    /// Process group.
    pub group: Cell<Pid>,
    /// Session.
    pub session: RefCell<Rc<Session>>,
    /// Signals for any thread.
    pub pending: Pending,
    /// Set once the whole process must end this way.
    pub exit_status: Cell<Option<WaitStatus>>,
    /// All threads are gone; waits for its parent.
    pub zombie: Cell<bool>,
    /// Name and credentials of the last thread to end: what `/proc` shows of a zombie.
    pub remains: RefCell<Option<(Vec<u8>, Rc<Cred>)>>,
    /// A stop or continue that the parent has not yet been told.
    pub change: Cell<Option<WaitStatus>>,
    /// Stopped by job control.
    pub stopped: Cell<bool>,
    /// Woken when `stopped` ends, or the process is killed.
    pub resumed: WaitQueue,
    /// Woken when a child changes.
    pub child_changed: WaitQueue,
    /// Woken when threads end, an exec completes, or the memory is released (vfork).
    pub lifecycle: WaitQueue,
    /// Signal sent to the parent at the end; 0 for none.
    pub exit_signal: Cell<u32>,
    /// Own consumption of threads already gone.
    pub usage_gone: Cell<Usage>,
    /// Consumption of waited-for children.
    pub usage_children: Cell<Usage>,
    /// Resource limits, soft and hard, by `RLIMIT_*`.
    pub limits: RefCell<[(u64, u64); 16]>,
    /// Start, for `/proc/PID/stat`.
    pub started: Monotonic,
    /// `PR_SET_CHILD_SUBREAPER`.
    pub subreaper: Cell<bool>,
    /// Its parent is not the one that made it.
    pub adopted: Cell<bool>,
    /// `PR_SET_DUMPABLE`.
    pub dumpable: Cell<u32>,
    /// Has called execve since its fork (setpgid(2) `EACCES`).
    pub execed: Cell<bool>,
    /// Interval and POSIX timers.
    pub timers: crate::timers::ProcessTimers,
    /// Nice value.
    pub nice: Cell<i32>,
    /// `personality(2)`.
    pub personality: Cell<u32>,
    /// `oom_score_adj`, kept for programs that write it.
    pub oom_score_adj: Cell<i32>,
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Process({})", self.pid)
    }
}

impl Process {
    /// A process without threads, known to nobody yet.
    pub(crate) fn new(
        kernel: &Rc<Kernel>,
        pid: Pid,
        parent: Weak<Process>,
        session: Rc<Session>,
        group: Pid,
    ) -> Rc<Process> {
        Rc::new(Process {
            kernel: kernel.clone(),
            pid,
            parent: RefCell::new(parent),
            children: RefCell::default(),
            threads: RefCell::default(),
            group: Cell::new(group),
            session: RefCell::new(session),
            pending: Pending::default(),
            exit_status: Cell::new(None),
            zombie: Cell::new(false),
            remains: RefCell::new(None),
            change: Cell::new(None),
            stopped: Cell::new(false),
            resumed: WaitQueue::new(),
            child_changed: WaitQueue::new(),
            lifecycle: WaitQueue::new(),
            exit_signal: Cell::new(Signal::CHLD.number()),
            usage_gone: Cell::default(),
            usage_children: Cell::default(),
            limits: RefCell::new(default_limits()),
            started: kernel.clock.monotonic(),
            subreaper: Cell::new(false),
            adopted: Cell::new(false),
            dumpable: Cell::new(1),
            execed: Cell::new(false),
            timers: crate::timers::ProcessTimers::default(),
            nice: Cell::new(0),
            personality: Cell::new(0),
            oom_score_adj: Cell::new(0),
        })
    }

    /// The thread whose id is the process's; gone where it exited before others.
    pub fn leader(&self) -> Option<Rc<Task>> {
        self.threads.borrow().iter().find(|task| task.tid == self.pid).cloned()
    }

    /// Some living thread, the leader by choice.
    pub fn any_thread(&self) -> Option<Rc<Task>> {
        self.leader().or_else(|| self.threads.borrow().first().cloned())
    }

    /// Parent's id, 0 for none.
    pub fn parent_pid(&self) -> Pid {
        self.parent.borrow().upgrade().map_or(0, |parent| parent.pid)
    }

    /// Own consumption, all threads.
    pub fn usage(&self) -> Usage {
        let mut total = self.usage_gone.get();
        self.threads.borrow().iter().for_each(|task| total.add(&task.usage.get()));
        total
    }

    /// Soft limit of a resource.
    pub fn limit(&self, resource: usize) -> u64 {
        self.limits.borrow()[resource].0
    }

    /// Wakes every thread so that it looks at its signals and state.
    pub fn wake_threads(&self) {
        self.threads.borrow().iter().for_each(|task| task.signaled.wake_all());
    }
}

/// What `restart_syscall` resumes (restart_syscall(2)).
#[derive(Clone, Copy, Debug)]
pub enum Restart {
    /// `nanosleep`, `clock_nanosleep` relative: deadline and where the remainder goes.
    Sleep {
        /// When it ends.
        until: Monotonic,
        /// Guest address of the remainder, or 0.
        remainder: u64,
        /// Whether the remainder has 64-bit seconds.
        wide: bool,
    },
    /// `poll`.
    Poll {
        /// Guest array.
        fds: u64,
        /// Its length.
        count: u64,
        /// When it ends; none for never.
        until: Option<Monotonic>,
    },
    /// `futex` wait with a timeout.
    Futex {
        /// Guest address.
        addr: u64,
        /// Expected value.
        value: u32,
        /// Wake mask.
        mask: u32,
        /// Process-private futex.
        private: bool,
        /// When it ends.
        until: Monotonic,
    },
}

/// A thread.
pub struct Task {
    /// The kernel it lives in.
    pub kernel: Rc<Kernel>,
    /// Its process.
    pub process: Rc<Process>,
    /// Its id.
    pub tid: Pid,
    /// Registers, while it does not run.
    pub cpu: RefCell<CpuState>,
    /// Memory.
    pub mm: RefCell<Rc<Mm>>,
    /// Descriptors.
    pub files: RefCell<Rc<FdTable>>,
    /// Directories and umask.
    pub fs: RefCell<Rc<RefCell<FsContext>>>,
    /// Credentials.
    pub cred: RefCell<Rc<Cred>>,
    /// Dispositions.
    pub actions: RefCell<Rc<Actions>>,
    /// Signals for this thread alone.
    pub pending: Pending,
    /// Blocked signals.
    pub blocked: Cell<SigSet>,
    /// Mask to put back after the handler that ends a `sigsuspend`, `ppoll` or the like.
    pub saved_mask: Cell<Option<SigSet>>,
    /// Alternate signal stack.
    pub alt_stack: Cell<AltStack>,
    /// Woken when a signal may have arrived, or the thread must end.
    pub signaled: WaitQueue,
    /// This thread alone must end (`exit`, or another thread's execve).
    pub must_exit: Cell<Option<u8>>,
    /// Name, at most 15 bytes.
    pub comm: RefCell<Vec<u8>>,
    /// `set_tid_address`: cleared and futex-woken at exit.
    pub clear_child_tid: Cell<u64>,
    /// Heads of the robust futex lists, one an architecture.
    pub robust_lists: Cell<[u64; 2]>,
    /// Parked `restart_syscall`.
    pub restart: Cell<Option<Restart>>,
    /// System-call number in progress, for restarts and `/proc`; none in user code.
    pub in_syscall: Cell<Option<(Arch, u32)>>,
    /// The last exception, which signal frames tell of whether they are its or not.
    pub trap: Cell<Trap>,
    /// Consumption.
    pub usage: Cell<Usage>,
    /// Waits inside the kernel (state S of `/proc/PID/stat`).
    pub sleeping: Cell<bool>,
    /// Signal at the parent's end (`PR_SET_PDEATHSIG`).
    pub parent_death_signal: Cell<u32>,
    /// `PR_SET_NO_NEW_PRIVS`.
    pub no_new_privs: Cell<bool>,
    /// `PR_SET_KEEPCAPS`.
    pub keep_caps: Cell<bool>,
    /// `PR_SET_TIMERSLACK`, in nanoseconds: kept and shown, for timers here expire when they are due.
    pub timer_slack: Cell<u64>,
    /// Policy and priority.
    pub scheduling: Cell<Scheduling>,
}

/// An exception as `trapno`, `err` and `cr2` of a signal frame name it (SDM vol. 3 table 6-1, §6.13, §4.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trap {
    /// Vector.
    pub number: u8,
    /// Error code.
    pub error: u32,
    /// The address of the last page fault: other exceptions leave it.
    pub address: u64,
}

/// Slack of a thread's timers where nobody set another, in nanoseconds (prctl(2)).
pub const DEFAULT_TIMER_SLACK: u64 = 50_000;

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Task({}/{} {})", self.process.pid, self.tid, String::from_utf8_lossy(&self.comm.borrow()))
    }
}

/// What a new thread has of its own or shares.
pub(crate) struct TaskParts {
    pub(crate) cpu: CpuState,
    pub(crate) mm: Rc<Mm>,
    pub(crate) files: Rc<FdTable>,
    pub(crate) fs: Rc<RefCell<FsContext>>,
    pub(crate) cred: Rc<Cred>,
    pub(crate) actions: Rc<Actions>,
}

impl Task {
    /// A thread that blocks no signal and waits for nothing, known to nobody yet.
    pub(crate) fn new(process: &Rc<Process>, tid: Pid, parts: TaskParts) -> Task {
        Task {
            kernel: process.kernel.clone(),
            process: process.clone(),
            tid,
            cpu: RefCell::new(parts.cpu),
            mm: RefCell::new(parts.mm),
            files: RefCell::new(parts.files),
            fs: RefCell::new(parts.fs),
            cred: RefCell::new(parts.cred),
            actions: RefCell::new(parts.actions),
            pending: Pending::default(),
            blocked: Cell::default(),
            saved_mask: Cell::default(),
            alt_stack: Cell::new(AltStack::DISABLED),
            signaled: WaitQueue::new(),
            must_exit: Cell::default(),
            comm: RefCell::default(),
            clear_child_tid: Cell::default(),
            robust_lists: Cell::default(),
            restart: Cell::default(),
            in_syscall: Cell::default(),
            trap: Cell::default(),
            usage: Cell::default(),
            sleeping: Cell::default(),
            parent_death_signal: Cell::default(),
            no_new_privs: Cell::default(),
            keep_caps: Cell::default(),
            timer_slack: Cell::new(DEFAULT_TIMER_SLACK),
            scheduling: Cell::default(),
        }
    }

    /// Memory.
    pub fn mm(&self) -> Rc<Mm> {
        self.mm.borrow().clone()
    }

    /// Descriptors.
    pub fn files(&self) -> Rc<FdTable> {
        self.files.borrow().clone()
    }

    /// Credentials.
    pub fn cred(&self) -> Rc<Cred> {
        self.cred.borrow().clone()
    }

    /// Dispositions.
    pub fn actions(&self) -> Rc<Actions> {
        self.actions.borrow().clone()
    }

    /// A copy of root, working directory and umask.
    pub fn fs(&self) -> FsContext {
        self.fs.borrow().borrow().clone()
    }

    /// Whose tables and structures count: those of the gate that the system call in progress came through, as
    /// 64-bit programs may make i386 calls (`int 0x80`). Between calls, the program's own.
    pub fn arch(&self) -> Arch {
        match self.in_syscall.get() {
            Some((arch, _)) => arch,
            None => self.program_arch(),
        }
    }

    /// What the program is.
    pub fn program_arch(&self) -> Arch {
        self.mm.borrow().arch
    }

    /// Leaves the result of a system call where the running code looks for it: to 64-bit code, i386 calls too give 64 bits.
    pub(crate) fn set_result(&self, result: Result<u64>) {
        let mut cpu = self.cpu.borrow_mut();
        let arch = if cpu.mode == CodeMode::Bits64 { Arch::X86_64 } else { Arch::I386 };
        cpu.gpr[gpr::RAX] = arch.ret(result);
    }

    /// Whether something waits that ends an interruptible wait.
    pub fn has_signal(&self) -> bool {
        let unblocked = SigSet(!self.blocked.get().0);
        let pending = SigSet(self.pending.set().0 | self.process.pending.set().0);
        pending.0 & unblocked.0 != 0 || self.must_end() || self.process.stopped.get()
    }

    /// Whether the thread must end now.
    pub fn must_end(&self) -> bool {
        self.process.exit_status.get().is_some() || self.must_exit.get().is_some()
    }

    /// Waits for something, or for a signal: then the wait is dropped and `ERESTARTSYS` given.
    pub async fn interruptible<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        let mut work = std::pin::pin!(work);
        let result = std::future::poll_fn(|cx| {
            if let Poll::Ready(value) = work.as_mut().poll(cx) {
                return Poll::Ready(Ok(value));
            }
            if self.has_signal() {
                return Poll::Ready(Err(Errno::ERESTARTSYS));
            }
            self.sleeping.set(true);
            self.signaled.register(cx.waker());
            Poll::Pending
        })
        .await;
        self.sleeping.set(false);
        result
    }

    /// Waits until a condition holds, looking again whenever the queue changes; a signal ends it with `ERESTARTSYS`.
    pub async fn wait_until<T>(&self, queue: &WaitQueue, mut test: impl FnMut() -> Option<T>) -> Result<T> {
        loop {
            if let Some(value) = test() {
                return Ok(value);
            }
            self.interruptible(queue.wait()).await?;
        }
    }

    /// Installs an open file at the lowest free descriptor.
    pub fn install(&self, file: Rc<crate::file::OpenFile>, close_on_exec: bool) -> Result<crate::file::Fd> {
        let limit = self.process.limit(linux_abi::resource::RLIMIT_NOFILE as usize);
        self.files().install(file, close_on_exec, 0, limit)
    }
}
