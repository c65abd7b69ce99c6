//! The machine as a value.

use crate::meter::Traffic;
use crate::mounts::{MountSource, MountSpec, Mounter, Root};
use crate::reply::Reply;
use crate::stats::Stats;
use futures::channel::oneshot;
use guest_mem::FramePool;
use linux_abi::Errno;
use linux_kernel::{Config, Host, Kernel, Now, Turn};
use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::rc::Rc;
use vfs::FileSystem;
use vfs::ext2::MountError;
use vfs::page_cache::PageCache;
use x86_cpu::{ExecEngine, Level};
use x86_interp::Interp;

/// Bytes of a page.
const PAGE: u64 = 4096;

/// What runs guest instructions.
#[derive(Clone, Copy, Default)]
pub enum Engine {
    /// The interpreter.
    #[default]
    Interpreter,
    /// What the host makes of the interpreter: the translator, where the host runs WebAssembly.
    On(fn(Interp) -> Box<dyn ExecEngine>),
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Engine::Interpreter => "Interpreter",
            Engine::On(_) => "On",
        })
    }
}

/// What a machine is made of.
#[derive(Clone, Debug)]
pub struct MachineConfig {
    /// Memory of the machine in MiB. Cached file data takes up to a third of it.
    pub memory_mib: u64,
    /// `uname -n`.
    pub hostname: String,
    /// Log each system call.
    pub strace: bool,
    /// What runs guest instructions.
    pub engine: Engine,
    /// The processor model: what CPUID says and what is an instruction.
    pub cpu: Level,
    /// The root directory.
    pub root: Root,
    /// Mounts beside the root, in order. One of these at a path of [`MountSpec::standard`] takes its place.
    pub mounts: Vec<MountSpec>,
    /// Whether [`MountSpec::standard`] is mounted too.
    pub standard_mounts: bool,
    /// Nanoseconds between two writings of changed data to its devices; none leaves it to `sync` and [`Machine::sync`].
    pub write_back: Option<u64>,
    /// Frames made beforehand, for file systems of the host's ([`Root::Files`], [`MountSource::Files`]): their pages must
    /// come from the pool that programs run in. None makes a pool of `memory_mib` and half as much again.
    pub pool: Option<FramePool>,
}

impl Default for MachineConfig {
    fn default() -> MachineConfig {
        MachineConfig {
            memory_mib: 1024,
            hostname: "cx".into(),
            strace: false,
            engine: Engine::default(),
            cpu: Level::default(),
            root: Root::Tmpfs,
            mounts: Vec::new(),
            standard_mounts: true,
            write_back: Some(5_000_000_000),
            pool: None,
        }
    }
}

/// Why a machine cannot be made; says whose fault it is and what to do.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MachineError {
    /// An image cannot be mounted.
    Image {
        /// Where it was to be mounted.
        path: String,
        /// Why.
        error: MountError,
    },
    /// A mount failed. The path is no directory and cannot be made one.
    Mount {
        /// Where.
        path: String,
        /// Why.
        errno: Errno,
    },
    /// The first mount is not `/`, or a path is not absolute. Caller's fault.
    BadPath(String),
}

impl fmt::Display for MachineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MachineError::Image { path, error } => write!(f, "cannot mount the image on {path}: {error}"),
            MachineError::Mount { path, errno } => {
                write!(f, "cannot mount on {path} ({errno:?}); is there such a directory on the root?")
            }
            MachineError::BadPath(path) => write!(f, "`{path}` is not an absolute path"),
        }
    }
}

impl std::error::Error for MachineError {}

struct Inner {
    kernel: Rc<Kernel>,
    mounter: RefCell<Option<Mounter>>,
    cache: PageCache,
}

/// A machine. Clones share it.
#[derive(Clone)]
pub struct Machine(Rc<Inner>);

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Machine({:?})", self.0.kernel)
    }
}

impl Machine {
    /// Makes a machine with everything mounted. Its devices may wait, so this may too; it needs no turns.
    pub async fn new(config: MachineConfig, host: Box<dyn Host>, now: Now) -> Result<Machine, MachineError> {
        for spec in &config.mounts {
            if !spec.path.starts_with('/') || spec.path == "/" {
                return Err(MachineError::BadPath(spec.path.clone()));
            }
        }
        let memory_pages = (config.memory_mib << 20) / PAGE;
        let memory_pages = usize::try_from(memory_pages).unwrap_or(usize::MAX / 2).max(1024);
        // Programs may use all of `memory_pages` whatever is cached.
        let pool = config.pool.clone().unwrap_or_else(|| FramePool::new(memory_pages + memory_pages / 2));
        let cache = PageCache::new(&pool, memory_pages / 2);
        let mut mounter = Mounter::new(cache.clone());
        let (root, source): (Rc<dyn FileSystem>, &str) = match &config.root {
            Root::Ext2 { device, read_only } => (mounter.ext2(device, *read_only, "/").await?, "/dev/vda"),
            Root::Tmpfs => (mounter.tmpfs(0o755, None), "tmpfs"),
            Root::Files(fs) => (fs.clone(), "host"),
        };
        let engine: Box<dyn ExecEngine> = match config.engine {
            Engine::Interpreter => Box::new(Interp::of(config.cpu)),
            Engine::On(make) => make(Interp::of(config.cpu)),
        };
        let settings = Config {
            memory_pages,
            hostname: config.hostname.clone(),
            strace: config.strace,
            ..Config::default()
        };
        let kernel = Kernel::new(settings, pool, engine, host, root, source, now);
        let mut mounts = if config.standard_mounts { MountSpec::standard() } else { Vec::new() };
        for spec in &config.mounts {
            match mounts.iter_mut().find(|known| known.path == spec.path.trim_end_matches('/')) {
                Some(known) => *known = spec.clone(),
                None => mounts.push(spec.clone()),
            }
        }
        for spec in &mounts {
            mounter.mount(&kernel, spec).await?;
        }
        let machine = Machine(Rc::new(Inner { kernel, mounter: RefCell::new(Some(mounter)), cache }));
        if let Some(period) = config.write_back {
            machine.write_back_every(period);
        }
        Ok(machine)
    }

    /// Linux's write-back: changed data does not stay in memory for long.
    fn write_back_every(&self, period: u64) {
        let kernel = Rc::downgrade(&self.0.kernel);
        let cache = self.0.cache.clone();
        self.0.kernel.spawn(async move {
            loop {
                let Some(kernel) = kernel.upgrade() else { return };
                let next = kernel.clock.monotonic().after(period);
                kernel.clock.sleep_until(next).await;
                kernel.harvest_shared_pages();
                if cache.stats().dirty > 0
                    && let Err(errno) = kernel.sync_all().await
                {
                    kernel.log(&format!("write-back failed: {errno:?}"));
                }
            }
        });
    }

    /// The kernel, for hosts that need more than this crate offers.
    pub fn kernel(&self) -> &Rc<Kernel> {
        &self.0.kernel
    }

    /// Runs one ready job: a slice of a guest thread, or some work of the kernel's. Call it with the current time
    /// while it answers [`Turn::More`].
    pub fn turn(&self, now: Now) -> Turn {
        self.0.kernel.turn(now)
    }

    /// Runs work as a job of the machine.
    pub fn job<T: 'static>(&self, work: impl Future<Output = T> + 'static) -> Reply<T> {
        let (sender, receiver) = oneshot::channel();
        self.0.kernel.spawn(async move {
            // A host that dropped the reply does not want the result.
            let _ = sender.send(work.await);
        });
        Reply::new(receiver)
    }

    /// Mounts something while the machine runs.
    pub fn mount(&self, spec: MountSpec) -> Reply<Result<(), MachineError>> {
        let machine = self.clone();
        self.job(async move {
            // Out of its cell during the wait. Mounts are rare: a second one at the same time is refused.
            let taken = machine.0.mounter.borrow_mut().take();
            let busy = || MachineError::Mount { path: spec.path.clone(), errno: Errno::EBUSY };
            let mut mounter = taken.ok_or_else(busy)?;
            let result = mounter.mount(&machine.0.kernel, &spec).await;
            *machine.0.mounter.borrow_mut() = Some(mounter);
            result
        })
    }

    /// Writes everything changed to its devices and makes it durable.
    pub fn sync(&self) -> Reply<Result<(), Errno>> {
        let kernel = self.0.kernel.clone();
        self.job(async move { kernel.sync_all().await })
    }

    /// Where console output goes. What was printed before comes first.
    pub fn set_console(&self, sink: impl Fn(&[u8]) + 'static) {
        self.0.kernel.console.set_sink(Box::new(sink));
    }

    /// What the user types.
    pub fn console_input(&self, bytes: &[u8]) {
        self.0.kernel.console.input(&self.0.kernel, bytes);
    }

    /// Typed bytes that no program has taken yet; a host that pastes much may wait for them to go.
    pub fn console_backlog(&self) -> usize {
        self.0.kernel.console.input_backlog()
    }

    /// The console has another size, in characters.
    pub fn console_resize(&self, columns: u16, rows: u16) {
        self.0.kernel.console.resize(&self.0.kernel, columns, rows);
    }

    /// Calls an observer with the id of every process made from now on.
    pub fn on_process_created(&self, observer: impl Fn(i32) + 'static) {
        self.0.kernel.on_process_created(move |process| observer(process.pid));
    }

    /// Number of processes, zombies included.
    pub fn process_count(&self) -> usize {
        self.0.kernel.processes().len()
    }

    /// What went through the block devices so far.
    pub fn traffic(&self) -> Traffic {
        let mounter = self.0.mounter.borrow();
        let mut total = Traffic::default();
        for meter in mounter.iter().flat_map(|mounter| &mounter.meters) {
            let one = meter.traffic();
            total.reads += one.reads;
            total.read_bytes += one.read_bytes;
            total.writes += one.writes;
            total.written_bytes += one.written_bytes;
            total.flushes += one.flushes;
            total.busy += one.busy;
        }
        total
    }

    /// Counters.
    pub fn stats(&self) -> Stats {
        let kernel = &self.0.kernel;
        let pool = kernel.pool.stats();
        let cached = self.0.cache.stats();
        let faults = kernel.faults.get();
        Stats {
            instructions: kernel.retired.get(),
            syscalls: kernel.syscalls.get(),
            minor_faults: faults.0,
            major_faults: faults.1,
            processes: kernel.processes().len() as u64,
            memory_limit: kernel.config.memory_pages as u64 * PAGE,
            memory_in_use: pool.in_use as u64 * PAGE,
            memory_taken: pool.allocated as u64 * PAGE,
            cached_bytes: cached.resident as u64 * PAGE,
            disk: self.traffic(),
        }
    }

    /// Stops every process where it stands, without writing anything back.
    pub fn shut_down(&self) {
        self.0.kernel.shut_down();
    }
}

/// A mount list as pages give it: the first is the root.
pub fn split_mounts(mut mounts: Vec<MountSpec>) -> Result<(Root, Vec<MountSpec>), MachineError> {
    if mounts.is_empty() {
        return Ok((Root::Tmpfs, mounts));
    }
    let first = mounts.remove(0);
    if first.path != "/" {
        return Err(MachineError::BadPath(format!("{} (the first mount must be /)", first.path)));
    }
    let root = match first.source {
        MountSource::Ext2 { device, read_only } => Root::Ext2 { device, read_only },
        MountSource::Files(fs) => Root::Files(fs),
        MountSource::Tmpfs => Root::Tmpfs,
        _ => return Err(MachineError::BadPath("/ (it cannot hold programs)".into())),
    };
    Ok((root, mounts))
}
