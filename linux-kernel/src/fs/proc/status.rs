//! A process's state as text: `stat`, `status`, `limits` and the small files.

use super::process::Subject;
use super::ticks;
use crate::cred::Cred;
use crate::file::Result;
use crate::signal::{SigSet, Signal};
use crate::task::Usage;
use linux_abi::Errno;
use linux_abi::capability::CAP_FULL_SET;
use linux_abi::resource::{RLIM64_INFINITY, RLIMIT_RSS, RLIMIT_SIGPENDING};
use std::fmt::Write;
use std::rc::Rc;

/// Longest name of a thread, `TASK_COMM_LEN` without the NUL.
const COMM_MAX: usize = 15;
/// `PF_RANDOMIZE`, and `PF_FORKNOEXEC` for a fork that has not called execve (linux/sched.h).
const PF_RANDOMIZE: u32 = 0x0040_0000;
const PF_FORKNOEXEC: u32 = 0x40;

fn comm_of(subject: &Subject) -> Vec<u8> {
    if let Some(task) = &subject.task {
        return task.comm.borrow().clone();
    }
    subject.process.remains.borrow().as_ref().map(|(name, _)| name.clone()).unwrap_or_default()
}

/// Credentials, of a zombie too.
fn cred_of(subject: &Subject) -> Option<Rc<Cred>> {
    let remains = || subject.process.remains.borrow().as_ref().map(|(_, cred)| cred.clone());
    subject.task.as_ref().map(|task| task.cred()).or_else(remains)
}

/// State letter and its word.
fn state(subject: &Subject) -> (char, &'static str) {
    match &subject.task {
        None => ('Z', "zombie"),
        Some(_) if subject.process.stopped.get() => ('T', "stopped"),
        Some(task) if task.sleeping.get() => ('S', "sleeping"),
        Some(_) => ('R', "running"),
    }
}

fn usage(subject: &Subject) -> Usage {
    match &subject.task {
        Some(task) if subject.single => task.usage.get(),
        _ => subject.process.usage(),
    }
}

/// Pending for the thread, pending for the process, blocked, ignored, caught.
fn signals(subject: &Subject) -> [u64; 5] {
    let shared = subject.process.pending.set().0;
    let Some(task) = &subject.task else { return [0, shared, 0, 0, 0] };
    let actions = task.actions();
    let (mut ignored, mut caught) = (SigSet::default(), SigSet::default());
    for signal in (1..=64).filter_map(Signal::new) {
        let action = actions.get(signal);
        if action.is_ignore() {
            ignored = ignored.with(SigSet::of(signal));
        } else if !action.is_default() {
            caught = caught.with(SigSet::of(signal));
        }
    }
    [task.pending.set().0, shared, task.blocked.get().0, ignored.0, caught.0]
}

/// `/proc/PID/stat`: the 52 fields of proc_pid_stat(5), by their numbers there.
pub(super) fn stat(subject: &Subject) -> Result<Vec<u8>> {
    let process = &subject.process;
    let session = process.session.borrow().clone();
    let terminal = session.terminal.borrow().clone();
    let (tty_nr, tpgid) = terminal.map_or((0, -1), |tty| {
        let group = tty.foreground();
        (tty.device() as i32, if group == 0 { -1 } else { group })
    });
    let own = usage(subject);
    let children = process.usage_children.get();
    let nice = process.nice.get();
    let scheduling = subject.task.as_ref().map(|task| task.scheduling.get()).unwrap_or_default();
    let [pending, _, blocked, ignored, caught] = signals(subject);
    // Only the first 31 signals fit: the field is from before real-time signals.
    let low = |set: u64| set & 0x7fff_ffff;
    let mm = subject.mm();
    let mm = mm.as_deref();
    let field = |get: &dyn Fn(&crate::mm::Mm) -> u64| mm.map_or(0, get);
    let flags = PF_RANDOMIZE | if process.execed.get() { 0 } else { PF_FORKNOEXEC };
    let exit_code = process.exit_status.get().map_or(0, |status| status.encode());
    let exit_signal =
        if subject.single && subject.id() != process.pid { -1 } else { process.exit_signal.get() as i32 };

    let session_id = session.id;
    let threads = process.threads.borrow().len().max(1) as u64;
    let n = |value: u64| i128::from(value);
    let i = |value: i32| i128::from(value);
    #[rustfmt::skip]
    let fields: [i128; 49] = [
        // 4 to 9.
        i(process.parent_pid()), i(process.group.get()), i(session_id), i(tty_nr), i(tpgid), i128::from(flags),
        // 10 to 17: faults and times.
        n(own.minor_faults), n(children.minor_faults), n(own.major_faults), n(children.major_faults),
        n(ticks(own.user)), n(ticks(own.system)), n(ticks(children.user)), n(ticks(children.system)),
        // 18 to 22.
        i(scheduling.shown_priority(nice)), i(nice), n(threads), 0, n(ticks(process.started.0)),
        // 23 to 30: memory.
        n(field(&|mm| mm.space.mapped_bytes())), n(field(&|mm| mm.space.resident_pages() as u64)),
        n(process.limit(RLIMIT_RSS as usize)), n(field(&|mm| mm.code.get().0)), n(field(&|mm| mm.code.get().1)),
        n(field(&|mm| mm.stack_start.get())), 0, 0,
        // 31 to 37: signals, wchan, two unused.
        n(low(pending)), n(low(blocked)), n(low(ignored)), n(low(caught)), 0, 0, 0,
        // 38 to 44: how it ends, processor, real-time priority, policy, delays, guest times.
        i(exit_signal), 0, i128::from(scheduling.priority), i128::from(scheduling.policy), 0, 0, 0,
        // 45 to 52: data, heap, arguments, environment, exit status.
        0, 0, n(field(&|mm| mm.brk_start.get())), n(field(&|mm| mm.args.get().0)), n(field(&|mm| mm.args.get().1)),
        n(field(&|mm| mm.env.get().0)), n(field(&|mm| mm.env.get().1)), i128::from(exit_code),
    ];
    let mut text = format!("{} (", subject.id()).into_bytes();
    text.extend_from_slice(&comm_of(subject));
    let mut rest = format!(") {}", state(subject).0);
    fields.iter().for_each(|value| _ = write!(rest, " {value}"));
    rest.push('\n');
    text.extend_from_slice(rest.as_bytes());
    Ok(text)
}

/// `/proc/PID/status`.
pub(super) fn status(subject: &Subject) -> Result<Vec<u8>> {
    let process = &subject.process;
    let (letter, word) = state(subject);
    let mut text = b"Name:\t".to_vec();
    // Names with a newline in them must not look like another line.
    for byte in comm_of(subject) {
        match byte {
            b'\n' => text.extend_from_slice(b"\\n"),
            b'\\' => text.extend_from_slice(b"\\\\"),
            _ => text.push(byte),
        }
    }
    let mut s = String::from("\n");
    if let Some(task) = &subject.task {
        let _ = writeln!(s, "Umask:\t{:04o}", task.fs().umask);
    }
    let _ = writeln!(s, "State:\t{letter} ({word})");
    let _ = writeln!(s, "Tgid:\t{}\nNgid:\t0\nPid:\t{}", process.pid, subject.id());
    let _ = writeln!(s, "PPid:\t{}\nTracerPid:\t0", process.parent_pid());
    let cred = cred_of(subject);
    if let Some(cred) = &cred {
        identity(&mut s, subject, cred);
    }
    let _ = writeln!(s, "NStgid:\t{}\nNSpid:\t{}", process.pid, subject.id());
    let _ = writeln!(s, "NSpgid:\t{}\nNSsid:\t{}", process.group.get(), process.session.borrow().id);
    if let Some(mm) = subject.mm() {
        super::memory::status_lines(&mut s, &mm);
    }
    let _ = writeln!(s, "Threads:\t{}", process.threads.borrow().len().max(1));
    let sets = signals(subject);
    let queued = sets[0].count_ones() + sets[1].count_ones();
    let _ = writeln!(s, "SigQ:\t{queued}/{}", process.limit(RLIMIT_SIGPENDING as usize));
    for (name, set) in ["SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt"].iter().zip(sets) {
        let _ = writeln!(s, "{name}:\t{set:016x}");
    }
    let effective = if cred.as_ref().is_some_and(|cred| cred.privileged()) { CAP_FULL_SET } else { 0 };
    let permitted = match &cred {
        Some(cred) if cred.uid == 0 || cred.euid == 0 || cred.suid == 0 => CAP_FULL_SET,
        _ => 0,
    };
    for (name, set) in
        [("CapInh", 0), ("CapPrm", permitted), ("CapEff", effective), ("CapBnd", CAP_FULL_SET), ("CapAmb", 0)]
    {
        let _ = writeln!(s, "{name}:\t{set:016x}");
    }
    let no_new_privs = subject.task.as_ref().is_some_and(|task| task.no_new_privs.get());
    let _ = writeln!(s, "NoNewPrivs:\t{}\nSeccomp:\t0\nSeccomp_filters:\t0", u8::from(no_new_privs));
    s.push_str("Speculation_Store_Bypass:\tnot vulnerable\nSpeculationIndirectBranch:\tnot affected\n");
    s.push_str("Cpus_allowed:\t1\nCpus_allowed_list:\t0\nMems_allowed:\t1\nMems_allowed_list:\t0\n");
    let usage = usage(subject);
    let _ = writeln!(s, "voluntary_ctxt_switches:\t{}", usage.voluntary_switches);
    let _ = writeln!(s, "nonvoluntary_ctxt_switches:\t{}", usage.involuntary_switches);
    text.extend_from_slice(s.as_bytes());
    Ok(text)
}

fn identity(s: &mut String, subject: &Subject, cred: &Cred) {
    let _ = writeln!(s, "Uid:\t{}\t{}\t{}\t{}", cred.uid, cred.euid, cred.suid, cred.fsuid);
    let _ = writeln!(s, "Gid:\t{}\t{}\t{}\t{}", cred.gid, cred.egid, cred.sgid, cred.fsgid);
    // The table grows in steps of 64 at least; a zombie has none.
    let size = subject.task.as_ref().map_or(0, |task| {
        let highest = task.files().numbers().last().map_or(0, |fd| *fd as usize + 1);
        highest.next_multiple_of(64).max(64)
    });
    let _ = write!(s, "FDSize:\t{size}\nGroups:\t");
    cred.groups.iter().for_each(|group| _ = write!(s, "{group} "));
    s.push_str(if cred.groups.is_empty() { " \n" } else { "\n" });
}

/// Rows of `/proc/PID/limits`, by resource number: name and unit.
#[rustfmt::skip]
const LIMITS: [(&str, &str); 16] = [
    ("Max cpu time", "seconds"), ("Max file size", "bytes"), ("Max data size", "bytes"), ("Max stack size", "bytes"),
    ("Max core file size", "bytes"), ("Max resident set", "bytes"), ("Max processes", "processes"),
    ("Max open files", "files"), ("Max locked memory", "bytes"), ("Max address space", "bytes"),
    ("Max file locks", "locks"), ("Max pending signals", "signals"), ("Max msgqueue size", "bytes"),
    ("Max nice priority", ""), ("Max realtime priority", ""), ("Max realtime timeout", "us"),
];

/// `/proc/PID/limits`.
pub(super) fn limits(subject: &Subject) -> Result<Vec<u8>> {
    let mut s = format!("{:<25} {:<20} {:<20} {:<10}\n", "Limit", "Soft Limit", "Hard Limit", "Units");
    let show = |value: u64| if value == RLIM64_INFINITY { "unlimited".into() } else { value.to_string() };
    for ((name, unit), (soft, hard)) in LIMITS.iter().zip(*subject.process.limits.borrow()) {
        let _ = writeln!(s, "{name:<25} {:<20} {:<20} {unit:<10}", show(soft), show(hard));
    }
    Ok(s.into_bytes())
}

/// `/proc/PID/comm`.
pub(super) fn comm(subject: &Subject) -> Result<Vec<u8>> {
    let mut name = comm_of(subject);
    name.push(b'\n');
    Ok(name)
}

/// A thread may name any thread of its process. A newline at the end, as `echo` writes it, becomes part of the name.
pub(super) fn set_comm(subject: &Subject, data: &[u8]) -> Result<()> {
    if subject.kernel.caller.get().0 != subject.process.pid {
        return Err(Errno::EINVAL);
    }
    let end = data.iter().position(|byte| *byte == 0).unwrap_or(data.len()).min(COMM_MAX);
    *subject.living()?.comm.borrow_mut() = data.get(..end).unwrap_or_default().to_vec();
    Ok(())
}

/// `/proc/PID/personality`.
pub(super) fn personality(subject: &Subject) -> Result<Vec<u8>> {
    Ok(format!("{:08x}\n", subject.process.personality.get()).into_bytes())
}

/// `/proc/PID/syscall`, without arguments: the number of the call in progress.
pub(super) fn syscall(subject: &Subject) -> Result<Vec<u8>> {
    let call = subject.task.as_ref().and_then(|task| task.in_syscall.get());
    Ok(call
        .map_or_else(|| "running\n".into(), |(_, number)| format!("{number} 0 0 0 0 0 0 0 0\n"))
        .into_bytes())
}

/// `/proc/PID/schedstat`: time on the processor, time waiting for it (not kept), slices.
pub(super) fn schedstat(subject: &Subject) -> Result<Vec<u8>> {
    let usage = usage(subject);
    let slices = usage.voluntary_switches + usage.involuntary_switches;
    Ok(format!("{} 0 {slices}\n", usage.user + usage.system).into_bytes())
}

/// `/proc/PID/io`. Nobody counts.
pub(super) fn io(_subject: &Subject) -> Result<Vec<u8>> {
    const NAMES: [&str; 7] =
        ["rchar", "wchar", "syscr", "syscw", "read_bytes", "write_bytes", "cancelled_write_bytes"];
    Ok(NAMES.map(|name| format!("{name}: 0\n")).concat().into_bytes())
}

/// `/proc/PID/uid_map` and `gid_map` of the first user namespace: all ids are themselves.
pub(super) fn id_map(_subject: &Subject) -> Result<Vec<u8>> {
    Ok(b"         0          0 4294967295\n".to_vec())
}

/// `/proc/PID/oom_score_adj`.
pub(super) fn oom_score_adj(subject: &Subject) -> Result<Vec<u8>> {
    Ok(format!("{}\n", subject.process.oom_score_adj.get()).into_bytes())
}

/// Raising it is for everybody, lowering it for root.
pub(super) fn set_oom_score_adj(subject: &Subject, data: &[u8]) -> Result<()> {
    let text = std::str::from_utf8(data).map_err(|_| Errno::EINVAL)?;
    let value: i32 = text.trim().parse().map_err(|_| Errno::EINVAL)?;
    if !(-1000..=1000).contains(&value) {
        return Err(Errno::EINVAL);
    }
    let caller = subject.kernel.task(subject.kernel.caller.get().1);
    let privileged = caller.is_none_or(|task| task.cred().privileged());
    if value < subject.process.oom_score_adj.get() && !privileged {
        return Err(Errno::EACCES);
    }
    subject.process.oom_score_adj.set(value);
    Ok(())
}

/// Settings that change nothing we do.
pub(super) fn ignore(_subject: &Subject, _data: &[u8]) -> Result<()> {
    Ok(())
}

/// Settings of the first user namespace, which cannot be changed.
pub(super) fn refuse(_subject: &Subject, _data: &[u8]) -> Result<()> {
    Err(Errno::EPERM)
}
