//! Calls on resource limits and nice values (getrlimit(2), getpriority(2)).

use crate::file::Result;
use crate::sys::Args;
use crate::sys::process::process_or_self;
use crate::task::{Arch, Process, Task};
use linux_abi::Errno;
use linux_abi::resource::{RLIMIT_NOFILE, Rlimit64, RlimitI386};
use std::rc::Rc;

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
