//! A machine for tests: a kernel whose programs are futures that make system calls, and whose time is virtual.

use crate::cred::Cred;
use crate::file::Result;
use crate::kernel::{Config, Host, Kernel, Turn};
use crate::mm::Mm;
use crate::signal::Signal;
use crate::sys::Args;
use crate::task::{Arch, FsContext, Process, Task, TaskParts};
use crate::time::{Monotonic, Now};
use bytemuck::Pod;
use guest_mem::{AddressSpace, FramePool, Prot, Vma};
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::{Rc, Weak};
use vfs::tmpfs::{Tmpfs, TmpfsOptions};
use x86_cpu::{CodeMode, CpuState, Cpuid, ExecEngine, Exit, RunOutcome};

/// Where each program has memory.
const MEMORY: std::ops::Range<u64> = 0x10_0000..0x110_0000;
/// Real time when the machine starts.
pub(crate) const EPOCH: i64 = 1_700_000_000_000_000_000;

struct NoHost;

impl Host for NoHost {
    fn entropy(&self, out: &mut [u8]) {
        out.fill(4);
    }

    fn log(&self, _line: &str) {}
}

struct NoEngine;

impl ExecEngine for NoEngine {
    fn run(&mut self, _cpu: &mut CpuState, _mem: &AddressSpace, budget: u64) -> RunOutcome {
        RunOutcome { exit: Exit::Budget, retired: budget }
    }

    fn cpuid(&self) -> Cpuid {
        Cpuid::default()
    }
}

/// The machine.
pub(crate) struct World {
    pub(crate) kernel: Rc<Kernel>,
    now: Cell<u64>,
    next_pid: Cell<i32>,
}

impl World {
    pub(crate) fn new() -> World {
        let pool = FramePool::new(65536);
        let root = Tmpfs::new(&pool, TmpfsOptions { device_number: 1, ..TmpfsOptions::default() });
        let now = Now { monotonic: Monotonic(0), realtime: EPOCH };
        let config = Config::default();
        let kernel = Kernel::new(config, pool, Box::new(NoEngine), Box::new(NoHost), root, "root", now);
        World { kernel, now: Cell::new(0), next_pid: Cell::new(1) }
    }

    /// A process of one thread with memory of its own.
    pub(crate) fn program(&self, arch: Arch, uid: u32) -> Program {
        let kernel = &self.kernel;
        let pid = self.next_pid.replace(self.next_pid.get() + 1);
        let mut limits = [(u64::MAX, u64::MAX); 16];
        limits[linux_abi::resource::RLIMIT_NOFILE as usize] = (1024, 1024);
        let session = kernel.new_session(pid);
        let process = Process::new(kernel, pid, Weak::new(), session, pid);
        *process.limits.borrow_mut() = limits;
        let mm = Mm::new(&kernel.pool, arch);
        let area = Vma::anonymous(MEMORY.start, MEMORY.end, Prot::READ.union(Prot::WRITE));
        mm.space.map(area).expect("an empty address space has room");
        let fs = FsContext { root: kernel.root.clone(), cwd: kernel.root.clone(), umask: 0o022 };
        let parts = TaskParts {
            cpu: CpuState::new(CodeMode::Bits32),
            mm: Rc::new(mm),
            files: Rc::default(),
            fs: Rc::new(RefCell::new(fs)),
            cred: Rc::new(Cred::user(uid, uid)),
            actions: Rc::default(),
        };
        let task = Rc::new(Task::new(&process, pid, parts));
        process.threads.borrow_mut().push(task.clone());
        kernel.add_process(&process);
        kernel.add_task(&task);
        Program { task, next: Rc::new(Cell::new(MEMORY.start)) }
    }

    /// Runs until a program ends. Time passes only when nothing else happens.
    pub(crate) fn run<T: 'static>(&self, program: impl Future<Output = T> + 'static) -> T {
        let result = Rc::new(RefCell::new(None));
        let place = result.clone();
        self.kernel.spawn(async move {
            let value = program.await;
            *place.borrow_mut() = Some(value);
        });
        for _ in 0..1_000_000 {
            let now = Now { monotonic: Monotonic(self.now.get()), realtime: EPOCH + self.now.get() as i64 };
            let turn = self.kernel.turn(now);
            if let Some(value) = result.borrow_mut().take() {
                return value;
            }
            match turn {
                Turn::More => {}
                Turn::Idle(Some(until)) => self.now.set(self.now.get().max(until.0)),
                Turn::Idle(None) => panic!("everything waits, for ever"),
            }
        }
        panic!("it does not end");
    }
}

/// What a test's program is made of.
#[derive(Clone)]
pub(crate) struct Program {
    pub(crate) task: Rc<Task>,
    next: Rc<Cell<u64>>,
}

impl Program {
    /// Makes a system call by its handler.
    pub(crate) async fn call(
        &self,
        handler: impl AsyncFn(&Rc<Task>, &Args) -> Result<u64>,
        args: &[u64],
    ) -> Result<u64> {
        let mut all = [0; 6];
        all[..args.len()].copy_from_slice(args);
        if self.task.arch() == Arch::I386 {
            all = all.map(|value| value & 0xffff_ffff);
        }
        handler(&self.task, &Args(all)).await
    }

    /// Room in memory, aligned to 16.
    pub(crate) fn room(&self, len: usize) -> u64 {
        let at = self.next.get();
        self.next.set((at + len as u64).next_multiple_of(16));
        assert!(self.next.get() <= MEMORY.end, "a test's program has {MEMORY:x?}");
        at
    }

    /// Puts bytes in memory.
    pub(crate) async fn bytes(&self, bytes: &[u8]) -> u64 {
        let at = self.room(bytes.len());
        self.task.write_bytes(at, bytes).await.expect("own memory");
        at
    }

    /// Puts a structure in memory.
    pub(crate) async fn value<T: Pod>(&self, value: T) -> u64 {
        self.bytes(bytemuck::bytes_of(&value)).await
    }

    /// Reads a structure from memory.
    pub(crate) async fn get<T: Pod>(&self, addr: u64) -> T {
        self.task.get(addr).await.expect("own memory")
    }

    /// write(2).
    pub(crate) async fn write(&self, fd: u64, data: &[u8]) -> Result<u64> {
        let at = self.bytes(data).await;
        self.call(crate::sys::file::write, &[fd, at, data.len() as u64]).await
    }

    /// read(2).
    pub(crate) async fn read(&self, fd: u64, len: usize) -> Result<Vec<u8>> {
        let at = self.room(len);
        let got = self.call(crate::sys::file::read, &[fd, at, len as u64]).await?;
        Ok(self.task.read_bytes(at, got as usize).await.expect("own memory"))
    }

    /// close(2).
    pub(crate) async fn close(&self, fd: u64) {
        self.call(crate::sys::file::close, &[fd]).await.expect("an open descriptor");
    }

    /// poll(2) on one descriptor: what was found, 0 where the time came first.
    pub(crate) async fn poll(&self, fd: u64, events: u16, milliseconds: i32) -> u16 {
        let entry = linux_abi::poll::Pollfd { fd: fd as i32, events: events as i16, revents: 0 };
        let at = self.value(entry).await;
        self.call(crate::sys::poll::poll, &[at, 1, milliseconds as u32 as u64])
            .await
            .expect("one descriptor");
        self.get::<linux_abi::poll::Pollfd>(at).await.revents as u16
    }

    /// Whether a signal is pending; takes it.
    pub(crate) fn take_signal(&self, signal: Signal) -> bool {
        let set = crate::signal::SigSet::of(signal);
        self.task.pending.take(set).or_else(|| self.task.process.pending.take(set)).is_some()
    }
}

/// Waits for a while of virtual time.
pub(crate) async fn sleep(program: &Program, milliseconds: u64) {
    let clock = &program.task.kernel.clock;
    clock.sleep_until(clock.monotonic().after(milliseconds * 1_000_000)).await;
}
