//! Calls on processes and threads: clone, exec, exit, wait, groups and sessions.

use crate::file::Result;
use crate::lifecycle::{self, CloneRequest};
use crate::sys::Args;
use crate::task::{Arch, Pid, Process, Task, Usage, WaitStatus};
use linux_abi::Errno;
use linux_abi::fcntl::AtFlags;
use linux_abi::resource::{RusageI386, RusageX86_64};
use linux_abi::sched::{CSIGNAL, CloneArgs, CloneFlags};
use linux_abi::time::{Timeval32, Timeval64};
use linux_abi::wait::{P_ALL, P_PGID, P_PID, WaitOptions};
use std::cell::RefCell;
use std::rc::Rc;

/// `clone`: the argument order differs between the architectures (clone(2)).
pub async fn clone(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let (tls, child_tid) = match task.arch() {
        Arch::I386 => (a.word(3), a.word(4)),
        Arch::X86_64 => (a.word(4), a.word(3)),
    };
    let request = CloneRequest {
        flags: a.word(0) & 0xffff_ffff & !CSIGNAL,
        exit_signal: (a.word(0) & CSIGNAL) as u32,
        stack: a.word(1),
        parent_tid: a.word(2),
        child_tid,
        tls,
    };
    start(task, request).await
}

async fn start(task: &Rc<Task>, request: CloneRequest) -> Result<u64> {
    if request.flags & CloneFlags::PIDFD.bits() != 0 {
        return Err(Errno::EINVAL);
    }
    lifecycle::clone(task, request).await.map(|pid| pid as u64)
}

pub async fn clone3(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let size = a.word(1) as usize;
    if size < 64 {
        return Err(Errno::EINVAL);
    }
    if size > 4096 {
        return Err(Errno::E2BIG);
    }
    let bytes = task.read_bytes(a.word(0), size).await?;
    if bytes.iter().skip(size_of::<CloneArgs>()).any(|byte| *byte != 0) {
        return Err(Errno::E2BIG);
    }
    let args: CloneArgs = crate::mm::from_prefix(&bytes);
    let signal_in_flags = args.flags & CSIGNAL != 0;
    if signal_in_flags || args.exit_signal > CSIGNAL || args.set_tid_size != 0 {
        return Err(Errno::EINVAL);
    }
    if (args.stack == 0) != (args.stack_size == 0) {
        return Err(Errno::EINVAL);
    }
    let request = CloneRequest {
        flags: args.flags,
        exit_signal: args.exit_signal as u32,
        stack: args.stack.wrapping_add(args.stack_size),
        parent_tid: args.parent_tid,
        child_tid: args.child_tid,
        tls: args.tls,
    };
    start(task, request).await
}

pub async fn fork(task: &Rc<Task>, _a: &Args) -> Result<u64> {
    start(task, CloneRequest { exit_signal: 17, ..CloneRequest::default() }).await
}

pub async fn vfork(task: &Rc<Task>, _a: &Args) -> Result<u64> {
    let flags = (CloneFlags::VFORK | CloneFlags::VM).bits();
    start(task, CloneRequest { flags, exit_signal: 17, ..CloneRequest::default() }).await
}

/// `unshare` of what threads share; name spaces are not to be had.
pub fn unshare(task: &Task, a: &Args) -> Result<u64> {
    let flags = CloneFlags::from_bits_retain(a.word(0) & 0xffff_ffff);
    let alone = CloneFlags::THREAD | CloneFlags::SIGHAND | CloneFlags::VM;
    let shared = CloneFlags::FS | CloneFlags::FILES | CloneFlags::SYSVSEM;
    let spaces = CloneFlags::NEWTIME
        | CloneFlags::NEWNS
        | CloneFlags::NEWCGROUP
        | CloneFlags::NEWUTS
        | CloneFlags::NEWIPC
        | CloneFlags::NEWUSER
        | CloneFlags::NEWPID
        | CloneFlags::NEWNET;
    if !(alone | shared | spaces).contains(flags) {
        return Err(Errno::EINVAL);
    }
    if flags.intersects(alone) && task.process.threads.borrow().len() > 1 {
        return Err(Errno::EINVAL);
    }
    if flags.intersects(spaces) {
        return Err(Errno::EPERM);
    }
    if flags.contains(CloneFlags::FS) {
        let own = task.fs();
        *task.fs.borrow_mut() = Rc::new(RefCell::new(own));
    }
    if flags.contains(CloneFlags::FILES) {
        let own = task.files().duplicate();
        *task.files.borrow_mut() = Rc::new(own);
    }
    Ok(0)
}

/// Room for arguments and environment (execve(2)); the exact check knows the stack limit.
const MAX_STRINGS: usize = 6 << 20;

pub async fn execve(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let path = task.get_path(a.word(0)).await?;
    let argv = task.get_strings(a.word(1), MAX_STRINGS).await?;
    let env = task.get_strings(a.word(2), MAX_STRINGS).await?;
    crate::exec::execve(task, &path, argv, env).await?;
    Ok(0)
}

pub async fn execveat(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let flags = AtFlags::from_bits_retain(a.uint(4));
    let path = task.get_path(a.word(1)).await?;
    let argv = task.get_strings(a.word(2), MAX_STRINGS).await?;
    let env = task.get_strings(a.word(3), MAX_STRINGS).await?;
    let file = super::path::find_at(task, a.int(0), a.word(1), flags).await?;
    let name = if path.starts_with(b"/") || a.int(0) == linux_abi::fcntl::AT_FDCWD {
        path
    } else {
        let dir = format!("/dev/fd/{}", a.int(0)).into_bytes();
        if path.is_empty() { dir } else { [dir, b"/".to_vec(), path].concat() }
    };
    crate::exec::execve_file(task, file, &name, argv, env).await?;
    Ok(0)
}

pub async fn exit(task: &Rc<Task>, a: &Args) -> Result<u64> {
    task.must_exit.set(Some(a.uint(0) as u8));
    Ok(0)
}

pub async fn exit_group(task: &Rc<Task>, a: &Args) -> Result<u64> {
    lifecycle::exit_group(task, a.uint(0) as u8);
    Ok(0)
}

/// Which children a wait is for.
#[derive(Clone, Copy, Debug)]
enum Which {
    Any,
    Pid(Pid),
    Group(Pid),
}

/// Something a wait found.
struct Found {
    child: Rc<Process>,
    status: WaitStatus,
}

fn find_change(task: &Task, which: Which, options: WaitOptions) -> Result<Option<Found>> {
    let children = task.process.children.borrow().clone();
    let wanted = |child: &Rc<Process>| match which {
        Which::Any => true,
        Which::Pid(pid) => child.pid == pid,
        Which::Group(group) => child.group.get() == group,
    };
    let mut any = false;
    for child in children.into_iter().filter(wanted) {
        let is_clone = child.exit_signal.get() != 17;
        if !options.contains(WaitOptions::ALL) && is_clone != options.contains(WaitOptions::CLONE) {
            continue;
        }
        any = true;
        if child.zombie.get() && options.contains(WaitOptions::EXITED) {
            let status = child.exit_status.get().unwrap_or(WaitStatus::Exited(0));
            return Ok(Some(Found { child, status }));
        }
        let reported = match child.change.get() {
            Some(status @ WaitStatus::Stopped(_)) if options.contains(WaitOptions::UNTRACED) => Some(status),
            Some(status @ WaitStatus::Continued) if options.contains(WaitOptions::CONTINUED) => Some(status),
            _ => None,
        };
        if let Some(status) = reported {
            return Ok(Some(Found { child, status }));
        }
    }
    if any { Ok(None) } else { Err(Errno::ECHILD) }
}

async fn wait_for(task: &Rc<Task>, which: Which, options: WaitOptions) -> Result<Option<Found>> {
    let queue = &task.process.child_changed;
    let found = if options.contains(WaitOptions::NOHANG) {
        find_change(task, which, options)?
    } else {
        let found = task.wait_until(queue, || match find_change(task, which, options) {
            Ok(None) => None,
            Ok(Some(found)) => Some(Ok(found)),
            Err(error) => Some(Err(error)),
        });
        Some(found.await??)
    };
    if let Some(found) = &found
        && !options.contains(WaitOptions::NOWAIT)
    {
        if found.child.zombie.get() {
            lifecycle::reap(&task.process, &found.child);
        } else {
            found.child.change.set(None);
        }
    }
    Ok(found)
}

fn total_usage(process: &Process) -> Usage {
    let mut usage = process.usage_gone.get();
    usage.add(&process.usage_children.get());
    usage
}

pub async fn wait4(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let allowed = WaitOptions::NOHANG
        | WaitOptions::UNTRACED
        | WaitOptions::CONTINUED
        | WaitOptions::NOTHREAD
        | WaitOptions::CLONE
        | WaitOptions::ALL;
    let options = WaitOptions::from_bits_retain(a.uint(2));
    if !allowed.contains(options) {
        return Err(Errno::EINVAL);
    }
    let which = match a.int(0) {
        -1 => Which::Any,
        0 => Which::Group(task.process.group.get()),
        i32::MIN => return Err(Errno::ESRCH),
        pid if pid < 0 => Which::Group(-pid),
        pid => Which::Pid(pid),
    };
    let Some(found) = wait_for(task, which, options | WaitOptions::EXITED).await? else { return Ok(0) };
    task.put_if(a.word(1), &found.status.encode()).await?;
    if a.word(3) != 0 {
        put_rusage(task, a.word(3), &total_usage(&found.child)).await?;
    }
    Ok(found.child.pid as u64)
}

/// `waitpid` of i386.
pub async fn waitpid(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let mut args = *a;
    args.0[3] = 0;
    wait4(task, &args).await
}

pub async fn waitid(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let options = WaitOptions::from_bits_retain(a.uint(3));
    let kinds = WaitOptions::EXITED | WaitOptions::UNTRACED | WaitOptions::CONTINUED;
    if !options.intersects(kinds) {
        return Err(Errno::EINVAL);
    }
    let which = match a.uint(0) {
        P_ALL => Which::Any,
        P_PID if a.int(1) > 0 => Which::Pid(a.int(1)),
        P_PGID if a.int(1) >= 0 => {
            Which::Group(if a.int(1) == 0 { task.process.group.get() } else { a.int(1) })
        }
        _ => return Err(Errno::EINVAL),
    };
    let found = wait_for(task, which, options).await?;
    if a.word(2) != 0 {
        let bytes = match &found {
            None => [0; 128],
            Some(found) => {
                let info = crate::signal::deliver::child_info(&found.child, found.status);
                match task.arch() {
                    Arch::I386 => info.to_i386(),
                    Arch::X86_64 => info.to_x86_64(),
                }
            }
        };
        task.write_bytes(a.word(2), &bytes).await?;
    }
    if let Some(found) = &found
        && a.word(4) != 0
    {
        put_rusage(task, a.word(4), &total_usage(&found.child)).await?;
    }
    Ok(0)
}

/// Writes a `struct rusage`.
pub(crate) async fn put_rusage(task: &Task, addr: u64, usage: &Usage) -> Result<()> {
    let micros = |nanoseconds: u64| (nanoseconds / 1_000_000_000, nanoseconds / 1000 % 1_000_000);
    let ((us, uu), (ss, su)) = (micros(usage.user), micros(usage.system));
    let kib = usage.max_resident * 4;
    match task.arch() {
        Arch::I386 => {
            let out = RusageI386 {
                ru_utime: Timeval32 { tv_sec: us as i32, tv_usec: uu as i32 },
                ru_stime: Timeval32 { tv_sec: ss as i32, tv_usec: su as i32 },
                ru_maxrss: kib as i32,
                ru_minflt: usage.minor_faults as i32,
                ru_majflt: usage.major_faults as i32,
                ru_nvcsw: usage.voluntary_switches as i32,
                ru_nivcsw: usage.involuntary_switches as i32,
                ..RusageI386::default()
            };
            task.put(addr, &out).await
        }
        Arch::X86_64 => {
            let out = RusageX86_64 {
                ru_utime: Timeval64 { tv_sec: us as i64, tv_usec: uu as i64 },
                ru_stime: Timeval64 { tv_sec: ss as i64, tv_usec: su as i64 },
                ru_maxrss: kib as i64,
                ru_minflt: usage.minor_faults as i64,
                ru_majflt: usage.major_faults as i64,
                ru_nvcsw: usage.voluntary_switches as i64,
                ru_nivcsw: usage.involuntary_switches as i64,
                ..RusageX86_64::default()
            };
            task.put(addr, &out).await
        }
    }
}

pub async fn getrusage(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let mut usage = match a.int(0) {
        0 => task.process.usage(),
        1 => task.usage.get(),
        -1 => task.process.usage_children.get(),
        _ => return Err(Errno::EINVAL),
    };
    usage.max_resident = usage.max_resident.max(task.mm().space.resident_pages() as u64);
    put_rusage(task, a.word(1), &usage).await?;
    Ok(0)
}

pub async fn times(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let ticks = |nanoseconds: u64| nanoseconds / 10_000_000;
    let (own, children) = (task.process.usage(), task.process.usage_children.get());
    let values = [own.user, own.system, children.user, children.system].map(ticks);
    if a.word(0) != 0 {
        match task.arch() {
            Arch::I386 => task.put(a.word(0), &values.map(|v| v as u32)).await?,
            Arch::X86_64 => task.put(a.word(0), &values).await?,
        }
    }
    Ok(ticks(task.kernel.clock.monotonic().0))
}

// Ids.

pub async fn getppid(task: &Rc<Task>, _a: &Args) -> Result<u64> {
    Ok(task.process.parent_pid() as u64)
}

pub(super) fn process_or_self(task: &Task, pid: Pid) -> Result<Rc<Process>> {
    match pid {
        0 => Ok(task.process.clone()),
        pid => task.kernel.process(pid).ok_or(Errno::ESRCH),
    }
}

pub async fn getpgid(task: &Rc<Task>, a: &Args) -> Result<u64> {
    process_or_self(task, a.int(0)).map(|process| process.group.get() as u64)
}

pub async fn getsid(task: &Rc<Task>, a: &Args) -> Result<u64> {
    process_or_self(task, a.int(0)).map(|process| process.session.borrow().id as u64)
}

pub async fn setpgid(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let (pid, group) = (a.int(0), a.int(1));
    if group < 0 {
        return Err(Errno::EINVAL);
    }
    let process = process_or_self(task, pid)?;
    let own = &task.process;
    let is_child = process.parent.borrow().upgrade().is_some_and(|parent| Rc::ptr_eq(&parent, own));
    if !Rc::ptr_eq(&process, own) && !is_child {
        return Err(Errno::ESRCH);
    }
    let session = process.session.borrow().id;
    if session == process.pid || (is_child && session != own.session.borrow().id) {
        return Err(Errno::EPERM);
    }
    if is_child && process.execed.get() {
        return Err(Errno::EACCES);
    }
    let group = if group == 0 { process.pid } else { group };
    if group != process.pid {
        let exists = task.kernel.group(group).iter().any(|member| member.session.borrow().id == session);
        if !exists {
            return Err(Errno::EPERM);
        }
    }
    process.group.set(group);
    Ok(0)
}

pub async fn setsid(task: &Rc<Task>, _a: &Args) -> Result<u64> {
    let process = &task.process;
    if !task.kernel.group(process.pid).is_empty() {
        return Err(Errno::EPERM);
    }
    *process.session.borrow_mut() = task.kernel.new_session(process.pid);
    process.group.set(process.pid);
    Ok(process.pid as u64)
}

pub async fn set_tid_address(task: &Rc<Task>, a: &Args) -> Result<u64> {
    task.clear_child_tid.set(a.word(0));
    Ok(task.tid as u64)
}

pub async fn set_robust_list(task: &Rc<Task>, a: &Args) -> Result<u64> {
    if a.word(1) != 3 * task.arch().word_size() as u64 {
        return Err(Errno::EINVAL);
    }
    task.robust_lists.update(|mut lists| {
        lists[task.arch() as usize] = a.word(0);
        lists
    });
    Ok(0)
}

pub async fn get_robust_list(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let target = if a.int(0) == 0 { task.clone() } else { task.kernel.task(a.int(0)).ok_or(Errno::ESRCH)? };
    task.put_word(a.word(1), target.robust_lists.get()[task.arch() as usize]).await?;
    task.put_word(a.word(2), 3 * task.arch().word_size() as u64).await?;
    Ok(0)
}
