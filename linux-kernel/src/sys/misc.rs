//! Calls on the machine: names, memory figures, random bytes, prctl, capabilities.

use crate::cred::ALL_CAPABILITIES;
use crate::file::Result;
use crate::fs::proc::{RELEASE, VERSION};
use crate::sys::Args;
use crate::task::{Arch, Task};
use linux_abi::Errno;
use linux_abi::prctl as p;
use linux_abi::sysinfo::{SysinfoI386, SysinfoX86_64};
use linux_abi::utsname::{NewUtsname, OldUtsname, OldoldUtsname};
use std::rc::Rc;

fn fill<const N: usize>(text: &[u8]) -> [u8; N] {
    let mut field = [0; N];
    let len = text.len().min(N - 1);
    field[..len].copy_from_slice(&text[..len]);
    field
}

/// `personality(2)`: PER_LINUX32 shows a 32-bit machine.
fn machine(task: &Task) -> &'static str {
    task.program_arch().machine()
}

pub async fn uname(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let host = task.kernel.hostname.borrow().clone();
    let out = NewUtsname {
        sysname: fill(b"Linux"),
        nodename: fill(&host),
        release: fill(RELEASE.as_bytes()),
        version: fill(VERSION.as_bytes()),
        machine: fill(machine(task).as_bytes()),
        domainname: fill(b"(none)"),
    };
    task.put(a.word(0), &out).await?;
    Ok(0)
}

pub async fn olduname(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let host = task.kernel.hostname.borrow().clone();
    let out = OldUtsname {
        sysname: fill(b"Linux"),
        nodename: fill(&host),
        release: fill(RELEASE.as_bytes()),
        version: fill(VERSION.as_bytes()),
        machine: fill(machine(task).as_bytes()),
    };
    task.put(a.word(0), &out).await?;
    Ok(0)
}

pub async fn oldolduname(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let host = task.kernel.hostname.borrow().clone();
    let out = OldoldUtsname {
        sysname: fill(b"Linux"),
        nodename: fill(&host),
        release: fill(RELEASE.as_bytes()),
        version: fill(VERSION.as_bytes()),
        machine: fill(machine(task).as_bytes()),
    };
    task.put(a.word(0), &out).await?;
    Ok(0)
}

pub async fn sethostname(task: &Rc<Task>, a: &Args) -> Result<u64> {
    if !task.cred().privileged() {
        return Err(Errno::EPERM);
    }
    if a.int(1) < 0 || a.int(1) > 64 {
        return Err(Errno::EINVAL);
    }
    let name = task.read_bytes(a.word(0), a.int(1) as usize).await?;
    *task.kernel.hostname.borrow_mut() = name;
    Ok(0)
}

pub async fn sysinfo(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let stats = task.kernel.pool.stats();
    let page = guest_mem::PAGE_BYTES;
    let total = stats.limit as u64 * page;
    let free = (stats.limit.saturating_sub(stats.in_use)) as u64 * page;
    let uptime = task.kernel.clock.monotonic().0 / 1_000_000_000;
    let procs = task.kernel.processes().len() as u16;
    match task.arch() {
        Arch::I386 => {
            // Counted in pages where bytes would not fit (sysinfo(2), mem_unit).
            let unit = if total > u64::from(u32::MAX) { page } else { 1 };
            let out = SysinfoI386 {
                uptime: uptime as i32,
                totalram: (total / unit) as u32,
                freeram: (free / unit) as u32,
                procs,
                mem_unit: unit as u32,
                ..SysinfoI386::default()
            };
            task.put(a.word(0), &out).await?;
        }
        Arch::X86_64 => {
            let out = SysinfoX86_64 {
                uptime: uptime as i64,
                totalram: total,
                freeram: free,
                procs,
                mem_unit: 1,
                ..SysinfoX86_64::default()
            };
            task.put(a.word(0), &out).await?;
        }
    }
    Ok(0)
}

pub async fn getrandom(task: &Rc<Task>, a: &Args) -> Result<u64> {
    const NONBLOCK: u32 = 1;
    const RANDOM: u32 = 2;
    const INSECURE: u32 = 4;
    let flags = a.uint(2);
    if flags & !(NONBLOCK | RANDOM | INSECURE) != 0 || flags & (RANDOM | INSECURE) == RANDOM | INSECURE {
        return Err(Errno::EINVAL);
    }
    let len = a.word(1).min(33_554_431) as usize;
    let mut bytes = vec![0; len];
    task.kernel.entropy(&mut bytes);
    task.write_bytes(a.word(0), &bytes).await?;
    Ok(len as u64)
}

pub async fn getcpu(task: &Rc<Task>, a: &Args) -> Result<u64> {
    task.put_if(a.word(0), &0u32).await?;
    task.put_if(a.word(1), &0u32).await?;
    Ok(0)
}

pub async fn prctl(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let (option, arg) = (a.uint(0), a.word(1));
    let process = &task.process;
    match option {
        p::PR_SET_PDEATHSIG if arg > 64 => Err(Errno::EINVAL),
        p::PR_SET_PDEATHSIG => {
            task.parent_death_signal.set(arg as u32);
            Ok(0)
        }
        p::PR_GET_PDEATHSIG => task.put(arg, &task.parent_death_signal.get()).await.map(|()| 0),
        p::PR_GET_DUMPABLE => Ok(process.dumpable.get().into()),
        p::PR_SET_DUMPABLE if arg > 1 => Err(Errno::EINVAL),
        p::PR_SET_DUMPABLE => {
            process.dumpable.set(arg as u32);
            Ok(0)
        }
        p::PR_GET_KEEPCAPS => Ok(task.keep_caps.get().into()),
        p::PR_SET_KEEPCAPS if arg > 1 => Err(Errno::EINVAL),
        p::PR_SET_KEEPCAPS => {
            task.keep_caps.set(arg != 0);
            Ok(0)
        }
        p::PR_SET_NAME => {
            let mut name = Vec::new();
            for i in 0..15 {
                match task.get::<u8>(arg.wrapping_add(i)).await? {
                    0 => break,
                    byte => name.push(byte),
                }
            }
            *task.comm.borrow_mut() = name;
            Ok(0)
        }
        p::PR_GET_NAME => {
            let name: [u8; 16] = fill(&task.comm.borrow());
            task.put(arg, &name).await.map(|()| 0)
        }
        p::PR_GET_SECCOMP | p::PR_GET_TIMING => Ok(0),
        p::PR_SET_TIMING if arg == 0 => Ok(0),
        // SECBIT_KEEP_CAPS is the only one that is kept.
        p::PR_GET_SECUREBITS => Ok(u64::from(task.keep_caps.get()) << 4),
        p::PR_CAPBSET_READ if arg > u64::from(LAST_CAP) => Err(Errno::EINVAL),
        p::PR_CAPBSET_READ => Ok(1),
        p::PR_CAPBSET_DROP | p::PR_SET_SECUREBITS => {
            if task.cred().privileged() {
                Ok(0)
            } else {
                Err(Errno::EPERM)
            }
        }
        p::PR_CAP_AMBIENT if arg == u64::from(p::PR_CAP_AMBIENT_IS_SET) => {
            if a.word(2) > u64::from(LAST_CAP) { Err(Errno::EINVAL) } else { Ok(0) }
        }
        p::PR_CAP_AMBIENT if arg == u64::from(p::PR_CAP_AMBIENT_CLEAR_ALL) => Ok(0),
        p::PR_SET_CHILD_SUBREAPER => {
            process.subreaper.set(arg != 0);
            Ok(0)
        }
        p::PR_GET_CHILD_SUBREAPER => task.put(arg, &u32::from(process.subreaper.get())).await.map(|()| 0),
        p::PR_SET_NO_NEW_PRIVS if arg != 1 || a.word(2) != 0 => Err(Errno::EINVAL),
        p::PR_SET_NO_NEW_PRIVS => {
            task.no_new_privs.set(true);
            Ok(0)
        }
        p::PR_GET_NO_NEW_PRIVS if (1..5).any(|i| a.word(i) != 0) => Err(Errno::EINVAL),
        p::PR_GET_NO_NEW_PRIVS => Ok(task.no_new_privs.get().into()),
        p::PR_SET_TIMERSLACK => {
            let default = arg as i64 <= 0;
            task.timer_slack.set(if default { crate::task::DEFAULT_TIMER_SLACK } else { arg });
            Ok(0)
        }
        p::PR_GET_TIMERSLACK => Ok(task.timer_slack.get()),
        p::PR_SET_THP_DISABLE => Ok(0),
        p::PR_GET_THP_DISABLE => Ok(0),
        p::PR_GET_TSC => task.put(arg, &1u32).await.map(|()| 0),
        // Names for anonymous memory are an option of the kernel's build; without it the answer is EINVAL.
        _ => Err(Errno::EINVAL),
    }
}

/// Highest capability number (CAP_CHECKPOINT_RESTORE).
const LAST_CAP: u32 = 40;
const CAP_VERSION_1: u32 = 0x1998_0330;
const CAP_VERSION_2: u32 = 0x2007_1026;
const CAP_VERSION_3: u32 = 0x2008_0522;

/// Words of data for a version; an unknown one is answered with the one we prefer (capget(2)).
async fn cap_words(task: &Task, header: u64) -> Result<usize> {
    match task.get::<u32>(header).await? {
        CAP_VERSION_1 => Ok(1),
        CAP_VERSION_2 | CAP_VERSION_3 => Ok(2),
        _ => {
            task.put(header, &CAP_VERSION_3).await?;
            Err(Errno::EINVAL)
        }
    }
}

pub async fn capget(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let words = match cap_words(task, a.word(0)).await {
        Err(Errno::EINVAL) if a.word(1) == 0 => return Ok(0),
        other => other?,
    };
    let pid: i32 = task.get(a.word(0) + 4).await?;
    let target = if pid == 0 { task.clone() } else { task.kernel.task(pid).ok_or(Errno::ESRCH)? };
    if a.word(1) == 0 {
        return Ok(0);
    }
    let cred = target.cred();
    for i in 0..words {
        let word = |set: u64| (set >> (32 * i)) as u32;
        let sets = [word(cred.effective), word(cred.permitted), word(cred.inheritable)];
        task.put(a.word(1) + 12 * i as u64, &sets).await?;
    }
    Ok(0)
}

pub async fn capset(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let words = cap_words(task, a.word(0)).await?;
    let pid: i32 = task.get(a.word(0) + 4).await?;
    if pid != 0 && pid != task.tid {
        return Err(Errno::EPERM);
    }
    let mut sets = [0u64; 3];
    for i in 0..words {
        let part = task.get::<[u32; 3]>(a.word(1) + 12 * i as u64).await?;
        sets.iter_mut().zip(part).for_each(|(set, word)| *set |= u64::from(word) << (32 * i));
    }
    let [effective, permitted, inheritable] = sets.map(|set| set & ALL_CAPABILITIES);
    let mut cred = (*task.cred()).clone();
    // Nobody gains a permitted capability, nor uses one that is not permitted (capset(2)).
    let gains = permitted & !cred.permitted != 0 || effective & !permitted != 0;
    if gains || inheritable & !(cred.inheritable | cred.permitted) != 0 {
        return Err(Errno::EPERM);
    }
    (cred.effective, cred.permitted, cred.inheritable) = (effective, permitted, inheritable);
    *task.cred.borrow_mut() = Rc::new(cred);
    Ok(0)
}

pub async fn personality(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let old = task.process.personality.get();
    if a.uint(0) != u32::MAX {
        task.process.personality.set(a.uint(0));
    }
    Ok(old.into())
}

/// `syslog`: an empty kernel log.
pub async fn syslog(task: &Rc<Task>, a: &Args) -> Result<u64> {
    match a.int(0) {
        0 | 1 | 6 | 7 | 8 => Ok(0),
        2..=5 if !task.cred().privileged() => Err(Errno::EPERM),
        2..=5 | 9 => Ok(0),
        10 => Ok(16384),
        _ => Err(Errno::EINVAL),
    }
}

pub async fn memfd_create(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let name = task.get_string(a.word(0), 249).await.map_err(|error| match error {
        Errno::ENAMETOOLONG => Errno::EINVAL,
        other => other,
    })?;
    crate::fs::memfd::create(task, &name, a.uint(1))
}

pub async fn membarrier(_task: &Rc<Task>, a: &Args) -> Result<u64> {
    // One processor: every barrier is already in place. 0 asks which commands there are.
    const ALL: u64 = 0x1ff;
    match a.uint(0) {
        0 => Ok(ALL),
        command if command.is_power_of_two() && u64::from(command) & ALL != 0 => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}

pub async fn reboot(task: &Rc<Task>, _a: &Args) -> Result<u64> {
    // Ending the machine is its owner's to do.
    if task.cred().privileged() { Err(Errno::EINVAL) } else { Err(Errno::EPERM) }
}
