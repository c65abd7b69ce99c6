//! Scheduling (sched(7)): policies and priorities are checked, kept, inherited and shown. They have no effect: one
//! processor runs who is ready, in turn. Permissions are those of a user without real-time and nice limits (getrlimit(2)).

use crate::file::Result;
use crate::sys::{Args, NSEC, TimeWidth};
use crate::task::{Pid, Task};
use linux_abi::Errno;
use linux_abi::sched::{
    SCHED_BATCH, SCHED_DEADLINE, SCHED_FIFO, SCHED_IDLE, SCHED_NORMAL, SCHED_RESET_ON_FORK, SCHED_RR,
    SchedAttr, SchedFlags, SchedParam,
};
use std::mem::{offset_of, size_of};
use std::rc::Rc;

/// How a thread is scheduled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scheduling {
    /// `SCHED_NORMAL` and so on.
    pub policy: u32,
    /// 1 to 99 of SCHED_FIFO and SCHED_RR, 0 of the others.
    pub priority: u32,
    /// Children start as SCHED_NORMAL (`SCHED_RESET_ON_FORK`).
    pub reset_on_fork: bool,
    /// Runtime, deadline and period of SCHED_DEADLINE, in nanoseconds.
    deadline: [u64; 3],
}

impl Scheduling {
    /// What a child starts with.
    pub(crate) fn inherited(self) -> Scheduling {
        let idle = self.policy == SCHED_IDLE || self.policy == SCHED_BATCH;
        match self.reset_on_fork {
            true if idle => Scheduling { reset_on_fork: false, ..self },
            true => Scheduling::default(),
            false => self,
        }
    }

    /// The nice value of a child of a process of `nice`.
    pub(crate) fn inherited_nice(self, nice: i32) -> i32 {
        if !self.reset_on_fork {
            return nice;
        }
        if self.fair() { nice.max(0) } else { 0 }
    }

    /// A thread of SCHED_DEADLINE has no children but those that start anew (sched(7)).
    pub(crate) fn may_fork(self) -> bool {
        self.policy != SCHED_DEADLINE || self.reset_on_fork
    }

    /// Field 18 of `/proc/PID/stat` for a nice value: below zero for the real-time policies (proc_pid_stat(5)).
    pub(crate) fn shown_priority(self, nice: i32) -> i32 {
        match self.policy {
            SCHED_FIFO | SCHED_RR => -1 - self.priority as i32,
            SCHED_DEADLINE => -101,
            _ => 20 + nice,
        }
    }

    fn fair(self) -> bool {
        !matches!(self.policy, SCHED_FIFO | SCHED_RR | SCHED_DEADLINE)
    }

    /// Whether the parameters go with the policy.
    fn check(self) -> Result<()> {
        let right = match self.policy {
            SCHED_FIFO | SCHED_RR => (1..=99).contains(&self.priority),
            SCHED_DEADLINE => self.priority == 0 && deadline_is_possible(self.deadline),
            SCHED_NORMAL | SCHED_BATCH | SCHED_IDLE => self.priority == 0,
            _ => false,
        };
        if right { Ok(()) } else { Err(Errno::EINVAL) }
    }
}

/// sched_setattr(2): runtime <= deadline <= period, a runtime of 1024 ns at least, nothing of 2^63 ns; and the kernel's
/// default bounds of a period (sched_deadline_period_min_us and _max_us of proc_sys_kernel(5)).
fn deadline_is_possible([runtime, deadline, period]: [u64; 3]) -> bool {
    const SHORTEST: u64 = 100_000;
    const LONGEST: u64 = (1 << 22) * 1000;
    let period = if period == 0 { deadline } else { period };
    (1024..=deadline).contains(&runtime) && deadline <= period && (SHORTEST..=LONGEST).contains(&period)
}

/// The thread a call names: 0 is the caller.
fn subject(task: &Rc<Task>, tid: Pid) -> Result<Rc<Task>> {
    match tid {
        ..0 => Err(Errno::EINVAL),
        0 => Ok(task.clone()),
        _ => task.kernel.task(tid).ok_or(Errno::ESRCH),
    }
}

/// Gives the subject new scheduling, where the caller may (sched(7), "Privileges and resource limits").
fn set(task: &Task, subject: &Task, new: Scheduling) -> Result<()> {
    new.check()?;
    let old = subject.scheduling.get();
    if !task.cred().privileged() {
        let stranger = ![subject.cred().euid, subject.cred().uid].contains(&task.cred().euid);
        // A limit of real-time priorities of zero still lets a thread lower its own.
        let raises = !new.fair() && (new.policy != old.policy || new.priority > old.priority);
        let leaves_idle = old.policy == SCHED_IDLE && new.policy != SCHED_IDLE;
        if stranger || raises || leaves_idle || old.reset_on_fork && !new.reset_on_fork {
            return Err(Errno::EPERM);
        }
    }
    subject.scheduling.set(new);
    Ok(())
}

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

pub async fn sched_getscheduler(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let own = subject(task, a.int(0))?.scheduling.get();
    Ok(u64::from(own.policy | if own.reset_on_fork { SCHED_RESET_ON_FORK } else { 0 }))
}

/// A priority from user memory; SCHED_DEADLINE is for `sched_setattr` alone, and no priority suits it.
async fn priority(task: &Task, addr: u64) -> Result<u32> {
    if addr == 0 {
        return Err(Errno::EINVAL);
    }
    let param: SchedParam = task.get(addr).await?;
    Ok(param.sched_priority as u32)
}

pub async fn sched_setscheduler(task: &Rc<Task>, a: &Args) -> Result<u64> {
    if a.int(1) < 0 {
        return Err(Errno::EINVAL);
    }
    let (policy, priority) = (a.uint(1), priority(task, a.word(2)).await?);
    let subject = subject(task, a.int(0))?;
    let new = Scheduling {
        policy: policy & !SCHED_RESET_ON_FORK,
        priority,
        reset_on_fork: policy & SCHED_RESET_ON_FORK != 0,
        ..Scheduling::default()
    };
    set(task, &subject, new).map(|()| 0)
}

pub async fn sched_getparam(task: &Rc<Task>, a: &Args) -> Result<u64> {
    if a.word(1) == 0 {
        return Err(Errno::EINVAL);
    }
    let own = subject(task, a.int(0))?.scheduling.get();
    task.put(a.word(1), &SchedParam { sched_priority: own.priority as i32 }).await?;
    Ok(0)
}

pub async fn sched_setparam(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let priority = priority(task, a.word(1)).await?;
    let subject = subject(task, a.int(0))?;
    let own = subject.scheduling.get();
    set(task, &subject, Scheduling { priority, deadline: [0; 3], ..own }).map(|()| 0)
}

pub fn sched_priority_range(policy: u32, highest: bool) -> Result<u64> {
    match policy {
        SCHED_FIFO | SCHED_RR => Ok(if highest { 99 } else { 1 }),
        SCHED_NORMAL | SCHED_BATCH | SCHED_IDLE | SCHED_DEADLINE => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}

/// The slice of SCHED_RR is 100 ms; that of the fair policies depends on the machine's load, and is a tick here.
pub async fn sched_rr_get_interval(task: &Rc<Task>, a: &Args, width: TimeWidth) -> Result<u64> {
    let slice = match subject(task, a.int(0))?.scheduling.get().policy {
        SCHED_FIFO | SCHED_DEADLINE => 0,
        SCHED_RR => NSEC / 10,
        _ => NSEC / 250,
    };
    task.put_timespec(a.word(1), slice, width).await?;
    Ok(0)
}

/// Bytes of `struct sched_attr` before `sched_util_min`: its first version, and the least a caller may give.
const FIRST_SIZE: usize = offset_of!(SchedAttr, sched_util_min);

/// Bytes of the largest `struct sched_attr` that a caller may give: a page.
const LARGEST_SIZE: usize = 4096;

pub async fn sched_getattr(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let size = a.uint(2) as usize;
    if a.word(1) == 0 || !(FIRST_SIZE..=LARGEST_SIZE).contains(&size) || a.uint(3) != 0 {
        return Err(Errno::EINVAL);
    }
    let subject = subject(task, a.int(0))?;
    let own = subject.scheduling.get();
    let [sched_runtime, sched_deadline, sched_period] = own.deadline;
    let size = size.min(size_of::<SchedAttr>());
    let attr = SchedAttr {
        size: size as u32,
        sched_policy: own.policy,
        sched_flags: if own.reset_on_fork { SchedFlags::RESET_ON_FORK.bits() } else { 0 },
        sched_nice: if own.fair() { subject.process.nice.get() } else { 0 },
        sched_priority: own.priority,
        sched_runtime,
        sched_deadline,
        sched_period,
        ..SchedAttr::default()
    };
    task.write_bytes(a.word(1), &bytemuck::bytes_of(&attr)[..size]).await?;
    Ok(0)
}

pub async fn sched_setattr(task: &Rc<Task>, a: &Args) -> Result<u64> {
    if a.word(1) == 0 || a.int(0) < 0 || a.uint(2) != 0 {
        return Err(Errno::EINVAL);
    }
    let attr = read_attr(task, a.word(1)).await?;
    let flags = SchedFlags::from_bits_retain(attr.sched_flags);
    let known = flags.iter_names().fold(0, |bits, (_, flag)| bits | flag.bits());
    if attr.sched_flags != known || (attr.sched_policy as i32) < 0 {
        return Err(Errno::EINVAL);
    }
    let subject = subject(task, a.int(0))?;
    let old = subject.scheduling.get();
    let mut new = Scheduling {
        policy: attr.sched_policy,
        priority: attr.sched_priority,
        reset_on_fork: flags.contains(SchedFlags::RESET_ON_FORK),
        deadline: [0; 3],
    };
    if flags.contains(SchedFlags::KEEP_POLICY) {
        (new.policy, new.reset_on_fork) = (old.policy, old.reset_on_fork);
    }
    if new.policy == SCHED_DEADLINE {
        let period = if attr.sched_period == 0 { attr.sched_deadline } else { attr.sched_period };
        new.deadline = [attr.sched_runtime, attr.sched_deadline, period];
    }
    let keeps_parameters = flags.contains(SchedFlags::KEEP_PARAMS);
    if keeps_parameters {
        (new.priority, new.deadline) = (old.priority, old.deadline);
    }
    let nice = attr.sched_nice.clamp(-20, 19);
    let sets_nice = new.fair() && new.policy != SCHED_IDLE && !keeps_parameters;
    if sets_nice && nice < subject.process.nice.get() && !task.cred().privileged() {
        return Err(Errno::EPERM);
    }
    set(task, &subject, new)?;
    if sets_nice {
        subject.process.nice.set(nice);
    }
    Ok(0)
}

/// A structure of the caller's size: shorter ones lack what came later, longer ones may only have zeros there
/// (sched_setattr(2), `E2BIG`, which tells our size).
async fn read_attr(task: &Task, addr: u64) -> Result<SchedAttr> {
    let told: u32 = task.get(addr).await?;
    let size = if told == 0 { FIRST_SIZE } else { told as usize };
    let ours = size_of::<SchedAttr>();
    let given = if (FIRST_SIZE..=LARGEST_SIZE).contains(&size) {
        Some(task.read_bytes(addr, size).await?)
    } else {
        None
    };
    match given {
        Some(mut given) if given.iter().skip(ours).all(|byte| *byte == 0) => {
            given.resize(ours, 0);
            Ok(bytemuck::pod_read_unaligned(&given))
        }
        _ => {
            task.put(addr, &(ours as u32)).await?;
            Err(Errno::E2BIG)
        }
    }
}
