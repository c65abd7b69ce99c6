//! Calls on processes and threads: clone, exec, exit, wait, ids, groups, limits, scheduling.

use crate::cred::{Cred, KeepCaps};
use crate::file::Result;
use crate::lifecycle::{self, CloneRequest};
use crate::sys::{Args, NSEC, TimeWidth};
use crate::task::{Arch, Pid, Process, Task, Usage, WaitStatus};
use linux_abi::Errno;
use linux_abi::fcntl::AtFlags;
use linux_abi::resource::{RLIMIT_NOFILE, Rlimit64, RlimitI386, RusageI386, RusageX86_64};
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

fn process_or_self(task: &Task, pid: Pid) -> Result<Rc<Process>> {
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
    task.robust_list.set(a.word(0));
    Ok(0)
}

pub async fn get_robust_list(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let target = if a.int(0) == 0 { task.clone() } else { task.kernel.task(a.int(0)).ok_or(Errno::ESRCH)? };
    task.put_word(a.word(1), target.robust_list.get()).await?;
    task.put_word(a.word(2), 3 * task.arch().word_size() as u64).await?;
    Ok(0)
}

// Credentials. An all-ones id leaves a value alone; unprivileged processes may only shuffle what they have.

fn update(task: &Task, change: impl FnOnce(&mut Cred) -> Result<()>) -> Result<u64> {
    let old = task.cred();
    let mut cred = (*old).clone();
    change(&mut cred)?;
    cred.adjust_capabilities(&old, if task.keep_caps.get() { KeepCaps::Yes } else { KeepCaps::No });
    *task.cred.borrow_mut() = Rc::new(cred);
    Ok(0)
}

const KEEP: u32 = u32::MAX;

pub fn setuid(task: &Task, uid: u32) -> Result<u64> {
    update(task, |c| {
        if c.privileged() {
            (c.uid, c.suid) = (uid, uid);
        } else if uid != c.uid && uid != c.suid {
            return Err(Errno::EPERM);
        }
        (c.euid, c.fsuid) = (uid, uid);
        Ok(())
    })
}

pub fn setgid(task: &Task, gid: u32) -> Result<u64> {
    update(task, |c| {
        if c.privileged() {
            (c.gid, c.sgid) = (gid, gid);
        } else if gid != c.gid && gid != c.sgid {
            return Err(Errno::EPERM);
        }
        (c.egid, c.fsgid) = (gid, gid);
        Ok(())
    })
}

pub fn setresuid(task: &Task, real: u32, effective: u32, saved: u32) -> Result<u64> {
    update(task, |c| {
        let have = [c.uid, c.euid, c.suid, KEEP];
        if !c.privileged() && [real, effective, saved].iter().any(|id| !have.contains(id)) {
            return Err(Errno::EPERM);
        }
        let pick = |new, old| if new == KEEP { old } else { new };
        (c.uid, c.euid, c.suid) = (pick(real, c.uid), pick(effective, c.euid), pick(saved, c.suid));
        c.fsuid = c.euid;
        Ok(())
    })
}

pub fn setresgid(task: &Task, real: u32, effective: u32, saved: u32) -> Result<u64> {
    update(task, |c| {
        let have = [c.gid, c.egid, c.sgid, KEEP];
        if !c.privileged() && [real, effective, saved].iter().any(|id| !have.contains(id)) {
            return Err(Errno::EPERM);
        }
        let pick = |new, old| if new == KEEP { old } else { new };
        (c.gid, c.egid, c.sgid) = (pick(real, c.gid), pick(effective, c.egid), pick(saved, c.sgid));
        c.fsgid = c.egid;
        Ok(())
    })
}

/// `setreuid`: the saved id follows where the real one is set or the effective one becomes another (setreuid(2)).
pub fn setreuid(task: &Task, real: u32, effective: u32) -> Result<u64> {
    let old = task.cred();
    let may_be_effective = [old.uid, old.euid, old.suid, KEEP].contains(&effective);
    let may_be_real = [old.uid, old.euid, KEEP].contains(&real);
    let allowed = old.privileged() || (may_be_effective && may_be_real);
    if !allowed {
        return Err(Errno::EPERM);
    }
    update(task, |c| {
        let pick = |new, old| if new == KEEP { old } else { new };
        (c.uid, c.euid) = (pick(real, old.uid), pick(effective, old.euid));
        if real != KEEP || (effective != KEEP && effective != old.uid) {
            c.suid = c.euid;
        }
        c.fsuid = c.euid;
        Ok(())
    })
}

/// `setregid`: as `setreuid`.
pub fn setregid(task: &Task, real: u32, effective: u32) -> Result<u64> {
    let old = task.cred();
    let may_be_effective = [old.gid, old.egid, old.sgid, KEEP].contains(&effective);
    let may_be_real = [old.gid, old.egid, KEEP].contains(&real);
    let allowed = old.privileged() || (may_be_effective && may_be_real);
    if !allowed {
        return Err(Errno::EPERM);
    }
    update(task, |c| {
        let pick = |new, old| if new == KEEP { old } else { new };
        (c.gid, c.egid) = (pick(real, old.gid), pick(effective, old.egid));
        if real != KEEP || (effective != KEEP && effective != old.gid) {
            c.sgid = c.egid;
        }
        c.fsgid = c.egid;
        Ok(())
    })
}

/// `setfsuid`: gives the old id, and changes nothing where that is not allowed.
pub fn setfsuid(task: &Task, uid: u32) -> Result<u64> {
    let old = task.cred();
    if old.privileged() || [old.uid, old.euid, old.suid, old.fsuid].contains(&uid) {
        update(task, |c| {
            c.fsuid = uid;
            Ok(())
        })?;
    }
    Ok(u64::from(old.fsuid))
}

/// `setfsgid`: as `setfsuid`.
pub fn setfsgid(task: &Task, gid: u32) -> Result<u64> {
    let old = task.cred();
    if old.privileged() || [old.gid, old.egid, old.sgid, old.fsgid].contains(&gid) {
        update(task, |c| {
            c.fsgid = gid;
            Ok(())
        })?;
    }
    Ok(u64::from(old.fsgid))
}

/// Writes three ids, 32 or 16 bits each.
pub async fn put_ids(task: &Task, a: &Args, ids: [u32; 3], narrow: bool) -> Result<u64> {
    for (i, id) in ids.into_iter().enumerate() {
        if narrow {
            task.put(a.word(i), &(id as u16)).await?;
        } else {
            task.put(a.word(i), &id).await?;
        }
    }
    Ok(0)
}

pub async fn getgroups(task: &Rc<Task>, a: &Args, narrow: bool) -> Result<u64> {
    let groups = task.cred().groups.clone();
    if a.int(0) < 0 || (a.int(0) != 0 && (a.int(0) as usize) < groups.len()) {
        return Err(Errno::EINVAL);
    }
    if a.int(0) != 0 {
        let bytes: Vec<u8> = if narrow {
            groups.iter().flat_map(|gid| (*gid as u16).to_le_bytes()).collect()
        } else {
            groups.iter().flat_map(|gid| gid.to_le_bytes()).collect()
        };
        task.write_bytes(a.word(1), &bytes).await?;
    }
    Ok(groups.len() as u64)
}

pub async fn setgroups(task: &Rc<Task>, a: &Args, narrow: bool) -> Result<u64> {
    if !task.cred().privileged() {
        return Err(Errno::EPERM);
    }
    let count = a.word(0) as usize;
    if count > 65536 {
        return Err(Errno::EINVAL);
    }
    let width = if narrow { 2 } else { 4 };
    let bytes = task.read_bytes(a.word(1), count * width).await?;
    let groups: Rc<[u32]> = bytes
        .chunks_exact(width)
        .map(|id| id.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte)))
        .collect();
    update(task, |c| {
        c.groups = groups;
        Ok(())
    })
}

// Limits.

fn clamp32(value: u64) -> u32 {
    // RLIM_INFINITY of the 32-bit interface is all ones (getrlimit(2)).
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// `getrlimit` and `ugetrlimit`; the old i386 `getrlimit` shows at most `0x7fffffff`.
pub async fn getrlimit(task: &Rc<Task>, a: &Args, ceiling: u32) -> Result<u64> {
    let (soft, hard) = *task.process.limits.borrow().get(a.word(0) as usize).ok_or(Errno::EINVAL)?;
    match task.arch() {
        Arch::I386 => {
            let out =
                RlimitI386 { rlim_cur: clamp32(soft).min(ceiling), rlim_max: clamp32(hard).min(ceiling) };
            task.put(a.word(1), &out).await?;
        }
        Arch::X86_64 => task.put(a.word(1), &Rlimit64 { rlim_cur: soft, rlim_max: hard }).await?,
    }
    Ok(0)
}

fn set_limit(task: &Task, process: &Process, resource: usize, soft: u64, hard: u64) -> Result<()> {
    let mut limits = process.limits.borrow_mut();
    let entry = limits.get_mut(resource).ok_or(Errno::EINVAL)?;
    if soft > hard {
        return Err(Errno::EINVAL);
    }
    if hard > entry.1 && !task.cred().privileged() {
        return Err(Errno::EPERM);
    }
    if resource == RLIMIT_NOFILE as usize && hard > 1_048_576 {
        return Err(Errno::EPERM);
    }
    *entry = (soft, hard);
    Ok(())
}

pub async fn setrlimit(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let widen = |value: u32| if value == u32::MAX { u64::MAX } else { u64::from(value) };
    let (soft, hard) = match task.arch() {
        Arch::I386 => {
            let new: RlimitI386 = task.get(a.word(1)).await?;
            (widen(new.rlim_cur), widen(new.rlim_max))
        }
        Arch::X86_64 => {
            let new: Rlimit64 = task.get(a.word(1)).await?;
            (new.rlim_cur, new.rlim_max)
        }
    };
    set_limit(task, &task.process, a.word(0) as usize, soft, hard)?;
    Ok(0)
}

pub async fn prlimit64(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let process = process_or_self(task, a.int(0))?;
    let resource = a.uint(1) as usize;
    let old = *process.limits.borrow().get(resource).ok_or(Errno::EINVAL)?;
    if a.word(2) != 0 {
        let new: Rlimit64 = task.get(a.word(2)).await?;
        set_limit(task, &process, resource, new.rlim_cur, new.rlim_max)?;
    }
    task.put_if(a.word(3), &Rlimit64 { rlim_cur: old.0, rlim_max: old.1 }).await?;
    Ok(0)
}

// Scheduling: one processor, one policy; what programs set is checked and answered as an idle machine would.

pub async fn sched_getaffinity(task: &Rc<Task>, a: &Args) -> Result<u64> {
    if a.int(0) != 0 && task.kernel.task(a.int(0)).is_none() {
        return Err(Errno::ESRCH);
    }
    let word = task.arch().word_size() as u64;
    if a.word(1) < word || !a.word(1).is_multiple_of(word) {
        return Err(Errno::EINVAL);
    }
    task.put_word(a.word(2), 1).await?;
    Ok(word)
}

pub async fn sched_setaffinity(task: &Rc<Task>, a: &Args) -> Result<u64> {
    if a.int(0) != 0 && task.kernel.task(a.int(0)).is_none() {
        return Err(Errno::ESRCH);
    }
    let mask = task.read_bytes(a.word(2), (a.word(1) as usize).min(128)).await?;
    if mask.first().is_some_and(|byte| byte & 1 != 0) { Ok(0) } else { Err(Errno::EINVAL) }
}

pub async fn getpriority(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let nice = match a.uint(0) {
        0 => process_or_self(task, a.int(1))?.nice.get(),
        1 | 2 => task.process.nice.get(),
        _ => return Err(Errno::EINVAL),
    };
    // The call gives 20 - nice, so that it is never negative (getpriority(2)).
    Ok((20 - nice) as u64)
}

pub async fn setpriority(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let process = match a.uint(0) {
        0 => process_or_self(task, a.int(1))?,
        1 | 2 => task.process.clone(),
        _ => return Err(Errno::EINVAL),
    };
    let nice = a.int(2).clamp(-20, 19);
    if nice < process.nice.get() && !task.cred().privileged() {
        return Err(Errno::EACCES);
    }
    process.nice.set(nice);
    Ok(0)
}

pub async fn nice(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let nice = (task.process.nice.get() + a.int(0).clamp(-40, 40)).clamp(-20, 19);
    if nice < task.process.nice.get() && !task.cred().privileged() {
        return Err(Errno::EPERM);
    }
    task.process.nice.set(nice);
    Ok(0)
}

fn known_task(task: &Rc<Task>, tid: Pid) -> Result<()> {
    if tid == 0 || task.kernel.task(tid).is_some() { Ok(()) } else { Err(Errno::ESRCH) }
}

pub async fn sched_getscheduler(task: &Rc<Task>, a: &Args) -> Result<u64> {
    known_task(task, a.int(0)).map(|()| 0)
}

pub async fn sched_setscheduler(task: &Rc<Task>, a: &Args) -> Result<u64> {
    known_task(task, a.int(0))?;
    let priority: i32 = task.get(a.word(2)).await?;
    match a.uint(1) & 0x3fff_ffff {
        0 | 3 | 5 if priority == 0 => Ok(0),
        1 | 2 if (1..=99).contains(&priority) => {
            if task.cred().privileged() {
                Ok(0)
            } else {
                Err(Errno::EPERM)
            }
        }
        _ => Err(Errno::EINVAL),
    }
}

pub async fn sched_getparam(task: &Rc<Task>, a: &Args) -> Result<u64> {
    known_task(task, a.int(0))?;
    task.put(a.word(1), &0i32).await?;
    Ok(0)
}

pub async fn sched_setparam(task: &Rc<Task>, a: &Args) -> Result<u64> {
    known_task(task, a.int(0))?;
    let priority: i32 = task.get(a.word(1)).await?;
    if priority == 0 { Ok(0) } else { Err(Errno::EINVAL) }
}

pub fn sched_priority_range(policy: u32, highest: bool) -> Result<u64> {
    match policy {
        1 | 2 => Ok(if highest { 99 } else { 1 }),
        0 | 3 | 5 | 6 => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}

pub async fn sched_rr_get_interval(task: &Rc<Task>, a: &Args, width: TimeWidth) -> Result<u64> {
    known_task(task, a.int(0))?;
    task.put_timespec(a.word(1), NSEC / 10, width).await?;
    Ok(0)
}

/// `struct sched_attr`, version 0.
pub async fn sched_getattr(task: &Rc<Task>, a: &Args) -> Result<u64> {
    known_task(task, a.int(0))?;
    if a.uint(2) < 48 || a.uint(3) != 0 {
        return Err(Errno::EINVAL);
    }
    let mut out = [0u32; 12];
    out[0] = 48;
    out[4] = task.process.nice.get() as u32;
    task.put(a.word(1), &out).await?;
    Ok(0)
}

pub async fn sched_setattr(task: &Rc<Task>, a: &Args) -> Result<u64> {
    known_task(task, a.int(0))?;
    let attr: [u32; 12] = task.get(a.word(1)).await?;
    match attr[1] {
        0 | 3 | 5 => Ok(0),
        1 | 2 | 6 if task.cred().privileged() => Ok(0),
        1 | 2 | 6 => Err(Errno::EPERM),
        _ => Err(Errno::EINVAL),
    }
}
