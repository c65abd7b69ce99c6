//! Birth and death: the first process, clone, exit, wait.

use crate::cred::Cred;
use crate::exec;
use crate::file::{FdTable, OpenFile, Result};
use crate::futex;
use crate::kernel::Kernel;
use crate::mm::Mm;
use crate::signal::deliver::{child_info, group_is_orphaned, kill_process};
use crate::signal::send::{self, Origin};
use crate::signal::{AltStack, Signal};
use crate::task::{Arch, FsContext, Pid, Process, Task, TaskParts, Usage, WaitStatus};
use linux_abi::Errno;
use linux_abi::signal::SaFlags;
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use vfs::namespace::{LastSymlink, Walker};
use x86_cpu::CpuState;

/// `RLIM_INFINITY`.
pub const UNLIMITED: u64 = u64::MAX;

/// What a host gives a program it starts.
#[derive(Debug)]
pub struct Spawn {
    /// Program path inside the machine.
    pub path: Vec<u8>,
    /// `argv`, `argv[0]` included.
    pub argv: Vec<Vec<u8>>,
    /// `KEY=VALUE`s.
    pub env: Vec<Vec<u8>>,
    /// Working directory.
    pub cwd: Vec<u8>,
    /// User and group.
    pub cred: Cred,
    /// Descriptors 0, 1, 2, ….
    pub files: Vec<Rc<OpenFile>>,
    /// Whether the program leads a session of its own and descriptor 0, if a terminal, controls it.
    pub new_session: bool,
}

/// Limits of the first process, as systemd and Linux set them.
pub(crate) fn default_limits() -> [(u64, u64); 16] {
    let mut limits = [(UNLIMITED, UNLIMITED); 16];
    limits[linux_abi::resource::RLIMIT_STACK as usize] = (8 << 20, UNLIMITED);
    limits[linux_abi::resource::RLIMIT_CORE as usize] = (0, UNLIMITED);
    limits[linux_abi::resource::RLIMIT_NPROC as usize] = (31_000, 31_000);
    limits[linux_abi::resource::RLIMIT_NOFILE as usize] = (1024, 1_048_576);
    limits[linux_abi::resource::RLIMIT_MEMLOCK as usize] = (8 << 20, 8 << 20);
    limits[linux_abi::resource::RLIMIT_SIGPENDING as usize] = (31_000, 31_000);
    limits[linux_abi::resource::RLIMIT_MSGQUEUE as usize] = (819_200, 819_200);
    limits[linux_abi::resource::RLIMIT_NICE as usize] = (0, 0);
    limits[linux_abi::resource::RLIMIT_RTPRIO as usize] = (0, 0);
    limits
}

/// Starts a program from outside. The process is a child of process 1 where there is one, else it is process 1.
/// Fails as execve(2) would.
pub async fn spawn(kernel: &Rc<Kernel>, what: Spawn) -> Result<Rc<Process>> {
    let walker = Walker { root: &kernel.root, start: &kernel.root, may_search: &|_| true };
    let cwd = kernel.namespace.find(&walker, &what.cwd, LastSymlink::Follow).await?;
    let pid = kernel.allocate_pid()?;
    let init = kernel.init_process();
    let session = match &init {
        Some(init) if !what.new_session => init.session.borrow().clone(),
        _ => kernel.new_session(pid),
    };
    let parent = init.as_ref().map_or_else(Weak::new, Rc::downgrade);
    let process = Process::new(kernel, pid, parent, session, pid);
    let files = FdTable::default();
    for (fd, file) in what.files.iter().enumerate() {
        files.replace(fd as i32, file.clone(), false, 1024)?;
    }
    let fs = FsContext { root: kernel.root.clone(), cwd, umask: 0o022 };
    let parts = TaskParts {
        cpu: CpuState::new(x86_cpu::CodeMode::Bits32),
        mm: Rc::new(Mm::new(&kernel.pool, Arch::I386)),
        files: Rc::new(files),
        fs: Rc::new(RefCell::new(fs)),
        cred: Rc::new(what.cred),
        actions: Rc::default(),
    };
    let task = Rc::new(Task::new(&process, pid, parts));
    exec::execve(&task, &what.path, what.argv, what.env).await?;
    if what.new_session
        && let Some(file) = what.files.first().and_then(|file| file.ops_as::<crate::tty::file::TtyFile>())
    {
        crate::tty::make_controlling(&process, file.tty());
    }
    process.threads.borrow_mut().push(task.clone());
    kernel.add_process(&process);
    kernel.add_task(&task);
    if let Some(init) = init {
        init.children.borrow_mut().push(process.clone());
    }
    kernel.spawn_thread(task);
    Ok(process)
}

/// What `clone` shares and sets; the bits of sched.h.
#[derive(Clone, Copy, Debug, Default)]
pub struct CloneRequest {
    /// `CLONE_*` without the signal.
    pub flags: u64,
    /// Signal to the parent at the end.
    pub exit_signal: u32,
    /// New stack pointer, 0 to keep.
    pub stack: u64,
    /// Where the parent stores the child's tid.
    pub parent_tid: u64,
    /// Where the child stores or clears its tid.
    pub child_tid: u64,
    /// TLS argument.
    pub tls: u64,
}

#[allow(missing_docs)]
mod bits {
    pub(super) const VM: u64 = 0x100;
    pub(super) const FS: u64 = 0x200;
    pub(super) const FILES: u64 = 0x400;
    pub(super) const SIGHAND: u64 = 0x800;
    pub(super) const VFORK: u64 = 0x4000;
    pub(super) const PARENT: u64 = 0x8000;
    pub(super) const THREAD: u64 = 0x10000;
    pub(super) const NEWNS: u64 = 0x20000;
    pub(super) const SETTLS: u64 = 0x80000;
    pub(super) const PARENT_SETTID: u64 = 0x10_0000;
    pub(super) const CHILD_CLEARTID: u64 = 0x20_0000;
    pub(super) const CHILD_SETTID: u64 = 0x100_0000;
    pub(super) const CLEAR_SIGHAND: u64 = 0x1_0000_0000;
    /// Every namespace flag: we have one of each and make no more.
    pub(super) const NEW_NAMESPACES: u64 = NEWNS | 0x7e00_0000 | 0x80;
}

/// Makes a thread or process. Gives its id as the caller sees it.
pub async fn clone(task: &Rc<Task>, request: CloneRequest) -> Result<Pid> {
    let kernel = &task.kernel;
    let has = |bit: u64| request.flags & bit != 0;
    if has(bits::NEW_NAMESPACES) {
        return Err(if task.cred().privileged() { Errno::EINVAL } else { Errno::EPERM });
    }
    let contradictory = (has(bits::SIGHAND) && !has(bits::VM))
        || (has(bits::THREAD) && !has(bits::SIGHAND))
        || (has(bits::CLEAR_SIGHAND) && has(bits::SIGHAND));
    if contradictory {
        return Err(Errno::EINVAL);
    }
    let user_processes = kernel.processes().len() as u64;
    if user_processes >= task.process.limit(linux_abi::resource::RLIMIT_NPROC as usize)
        && !task.cred().privileged()
    {
        return Err(Errno::EAGAIN);
    }
    if !task.scheduling.get().may_fork() {
        return Err(Errno::EAGAIN);
    }
    let tid = kernel.allocate_pid()?;
    let process = if has(bits::THREAD) { task.process.clone() } else { child_process(task, tid, &request) };
    let mm = if has(bits::VM) { task.mm() } else { Rc::new(task.mm().fork()) };
    let mut cpu = task.cpu.borrow().clone();
    cpu.gpr[x86_cpu::gpr::RAX] = 0;
    if request.stack != 0 {
        cpu.gpr[x86_cpu::gpr::RSP] = request.stack;
    }
    if has(bits::SETTLS) {
        match task.arch() {
            Arch::X86_64 => cpu.segments.fs = x86_cpu::Segment { selector: 0, base: request.tls },
            Arch::I386 => {
                let desc = task.get(request.tls).await?;
                crate::sys::thread_area::set(&mut cpu, &desc)?;
                crate::sys::thread_area::reload_segments(&mut cpu);
            }
        }
    }
    let files = if has(bits::FILES) { task.files() } else { Rc::new(task.files().duplicate()) };
    let fs = if has(bits::FS) { task.fs.borrow().clone() } else { Rc::new(RefCell::new(task.fs())) };
    let actions = if has(bits::SIGHAND) {
        task.actions()
    } else if has(bits::CLEAR_SIGHAND) {
        Rc::new(task.actions().after_exec())
    } else {
        Rc::new(task.actions().duplicate())
    };
    // With the memory shared and no vfork, an alternate stack would be run on by two (sigaltstack(2)).
    let drop_alt_stack = has(bits::VM) && !has(bits::VFORK);
    let parts = TaskParts { cpu, mm, files, fs, cred: task.cred(), actions };
    let child = Rc::new(Task {
        blocked: Cell::new(task.blocked.get()),
        alt_stack: Cell::new(if drop_alt_stack { AltStack::DISABLED } else { task.alt_stack.get() }),
        comm: task.comm.clone(),
        clear_child_tid: Cell::new(if has(bits::CHILD_CLEARTID) { request.child_tid } else { 0 }),
        no_new_privs: task.no_new_privs.clone(),
        keep_caps: task.keep_caps.clone(),
        timer_slack: task.timer_slack.clone(),
        scheduling: Cell::new(task.scheduling.get().inherited()),
        ..Task::new(&process, tid, parts)
    });
    if has(bits::PARENT_SETTID) {
        task.put(request.parent_tid, &tid).await?;
    }
    if has(bits::CHILD_SETTID) {
        // A child that cannot take its tid runs all the same (kernel/sched/core.c, schedule_tail).
        let _ = child.put(request.child_tid, &tid).await;
    }
    process.threads.borrow_mut().push(child.clone());
    kernel.add_task(&child);
    if !has(bits::THREAD) {
        kernel.add_process(&process);
        if let Some(parent) = process.parent.borrow().upgrade() {
            parent.children.borrow_mut().push(process.clone());
        }
    }
    let shared_mm = has(bits::VFORK).then(|| child.mm());
    kernel.spawn_thread(child.clone());
    if let Some(mm) = shared_mm {
        wait_for_vfork(task, &child, &mm).await;
    }
    Ok(tid)
}

/// Waits until a vforked child has other memory, or is gone. Only death ends the wait early.
async fn wait_for_vfork(task: &Rc<Task>, child: &Rc<Task>, mm: &Rc<Mm>) {
    task.sleeping.set(true);
    loop {
        let done = child.process.zombie.get()
            || !Rc::ptr_eq(&child.mm(), mm)
            || child.kernel.task(child.tid).is_none();
        if done || task.must_end() {
            break;
        }
        crate::wait::wait_any(&[&child.process.lifecycle, &task.signaled]).await;
    }
    task.sleeping.set(false);
}

fn child_process(task: &Rc<Task>, pid: Pid, request: &CloneRequest) -> Rc<Process> {
    let own = &task.process;
    let parent =
        if request.flags & bits::PARENT != 0 { own.parent.borrow().clone() } else { Rc::downgrade(own) };
    let process = Process::new(&task.kernel, pid, parent, own.session.borrow().clone(), own.group.get());
    process.exit_signal.set(request.exit_signal);
    *process.limits.borrow_mut() = *own.limits.borrow();
    process.dumpable.set(own.dumpable.get());
    process.nice.set(task.scheduling.get().inherited_nice(own.nice.get()));
    process.personality.set(own.personality.get());
    process.oom_score_adj.set(own.oom_score_adj.get());
    process
}

/// Ends the calling thread's whole process with a status (`exit_group`, fatal signals).
pub fn exit_group(task: &Task, code: u8) {
    kill_process(&task.process, WaitStatus::Exited(code));
}

async fn walk_robust_list(task: &Rc<Task>, arch: Arch) {
    const LIMIT: usize = 2048;
    const OWNER_DIED: u32 = 0x4000_0000;
    const TID_MASK: u32 = 0x3fff_ffff;
    let head = task.robust_lists.get()[arch as usize];
    if head == 0 {
        return;
    }
    let word = arch.word_size() as u64;
    let Ok(mut entry) = task.get_word_as(arch, head).await else { return };
    let Ok(offset) = task.get_word_as(arch, head + word).await else { return };
    let Ok(pending) = task.get_word_as(arch, head + 2 * word).await else { return };
    let mut locks = Vec::new();
    while entry != head && entry != 0 && locks.len() < LIMIT {
        locks.push(entry & !1);
        match task.get_word_as(arch, entry & !1).await {
            Ok(next) => entry = next,
            Err(_) => break,
        }
    }
    if pending != 0 {
        locks.push(pending & !1);
    }
    for lock in locks {
        let mut addr = lock.wrapping_add(offset);
        if word == 4 {
            addr &= 0xffff_ffff;
        }
        let Ok(value) = task.get::<u32>(addr).await else { continue };
        if value & TID_MASK == task.tid as u32 {
            let heir = futex::pass_on_after_death(task, addr);
            let died = heir.unwrap_or((value & 0x8000_0000) | OWNER_DIED);
            if task.put(addr, &died).await.is_ok() && heir.is_none() && value & 0x8000_0000 != 0 {
                futex::wake_any(task, addr, 1);
            }
        }
    }
}

/// The end of a thread; with the last one the process becomes a zombie.
pub(crate) async fn exit_thread(task: &Rc<Task>) {
    for arch in [Arch::X86_64, Arch::I386] {
        walk_robust_list(task, arch).await;
    }
    let clear = task.clear_child_tid.replace(0);
    if clear != 0 && Rc::strong_count(&task.mm()) > 2 && task.put(clear, &0u32).await.is_ok() {
        futex::wake_any(task, clear, 1);
    }
    let process = task.process.clone();
    process.threads.borrow_mut().retain(|other| !Rc::ptr_eq(other, task));
    let last = process.threads.borrow().is_empty();
    if last {
        *process.remains.borrow_mut() = Some((task.comm.borrow().clone(), task.cred()));
    }
    let mut usage = process.usage_gone.get();
    usage.add(&task.usage.get());
    usage.max_resident = usage.max_resident.max(task.mm().space.resident_pages() as u64);
    process.usage_gone.set(usage);
    task.kernel.remove_task(task.tid);
    let files = task.files.replace(Rc::default());
    if let Ok(files) = Rc::try_unwrap(files) {
        for file in files.take_all() {
            crate::sys::file::close_file(task, file);
        }
    }
    let arch = task.program_arch();
    *task.mm.borrow_mut() = Rc::new(Mm::new(&task.kernel.pool, arch));
    if last {
        let status = process.exit_status.get().or(task.must_exit.get().map(WaitStatus::Exited));
        process.exit_status.set(Some(status.unwrap_or(WaitStatus::Exited(0))));
        exit_process(task, &process);
    }
    process.lifecycle.wake_all();
}

fn exit_process(task: &Rc<Task>, process: &Rc<Process>) {
    let kernel = &task.kernel;
    let group_was_orphaned = group_is_orphaned(process);
    process.timers.clear();
    kernel.locks.process_gone(process.pid);
    // Children go to the nearest subreaper, or to process 1.
    let children = std::mem::take(&mut *process.children.borrow_mut());
    if !children.is_empty() {
        let mut heir = process.parent.borrow().upgrade();
        while let Some(candidate) = heir.clone().filter(|p| !p.subreaper.get() && p.pid != 1) {
            heir = candidate.parent.borrow().upgrade();
        }
        let heir = heir.or_else(|| kernel.init_process()).filter(|heir| !Rc::ptr_eq(heir, process));
        for child in children {
            let orphaned_before = group_is_orphaned(&child);
            *child.parent.borrow_mut() = heir.as_ref().map_or_else(Weak::new, Rc::downgrade);
            child.adopted.set(true);
            child.exit_signal.set(Signal::CHLD.number());
            for thread in child.threads.borrow().iter() {
                if let Some(signal) = Signal::new(thread.parent_death_signal.get()) {
                    send::to_task(thread, signal, Origin::Kernel);
                }
            }
            if !orphaned_before && group_is_orphaned(&child) {
                hang_up_stopped_group(kernel, child.group.get());
            }
            match &heir {
                Some(heir) => {
                    heir.children.borrow_mut().push(child.clone());
                    if child.zombie.get() {
                        heir.child_changed.wake_all();
                    }
                }
                None if child.zombie.get() => kernel.remove_process(child.pid),
                None => {}
            }
        }
    }
    if process.session.borrow().id == process.pid {
        crate::tty::session_leader_exit(process);
    }
    process.zombie.set(true);
    // It may have been the group's last tie to the rest of the session.
    if !group_was_orphaned && group_is_orphaned(process) {
        hang_up_stopped_group(kernel, process.group.get());
    }
    let status = process.exit_status.get().unwrap_or(WaitStatus::Exited(0));
    let parent = process.parent.borrow().upgrade();
    let Some(parent) = parent else {
        kernel.remove_process(process.pid);
        return;
    };
    if let Some(signal) = Signal::new(process.exit_signal.get()) {
        let action = parent.any_thread().map(|task| task.actions().get(signal));
        let unwanted = action.is_some_and(|a| {
            signal == Signal::CHLD && (a.is_ignore() || a.flags & SaFlags::NOCLDWAIT.bits() != 0)
        });
        let mut info = child_info(process, status);
        info.signo = signal.number() as i32;
        send::to_process(&parent, signal, Origin::Info(info));
        if unwanted {
            reap(&parent, process);
        }
    }
    parent.child_changed.wake_all();
}

/// A process group that became orphaned with stopped members gets SIGHUP and SIGCONT (setpgid(2)).
fn hang_up_stopped_group(kernel: &Rc<Kernel>, group: Pid) {
    if kernel.group(group).iter().any(|process| process.stopped.get()) {
        send::to_group(kernel, group, Signal::HUP, Origin::Kernel);
        send::to_group(kernel, group, Signal::CONT, Origin::Kernel);
    }
}

/// Forgets a zombie and charges its consumption to the parent.
pub(crate) fn reap(parent: &Rc<Process>, child: &Rc<Process>) {
    parent.children.borrow_mut().retain(|other| !Rc::ptr_eq(other, child));
    let mut total: Usage = parent.usage_children.get();
    total.add(&child.usage_gone.get());
    total.add(&child.usage_children.get());
    parent.usage_children.set(total);
    parent.kernel.remove_process(child.pid);
}

/// Ends every other thread of the process and waits until they are gone (`execve`).
pub(crate) async fn end_other_threads(task: &Rc<Task>) -> Result<()> {
    loop {
        let others: Vec<Rc<Task>> =
            task.process.threads.borrow().iter().filter(|other| !Rc::ptr_eq(other, task)).cloned().collect();
        if others.is_empty() {
            return Ok(());
        }
        for other in &others {
            other.must_exit.set(Some(0));
            other.signaled.wake_all();
        }
        if task.must_end() {
            return Err(Errno::EINTR);
        }
        task.process.lifecycle.wait().await;
    }
}
