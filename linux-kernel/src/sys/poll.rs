//! `poll`, `select` and their kin (poll(2), select(2)): waiting for several files at once.

use super::args::{Args, NSEC, TimeWidth};
use crate::file::{OpenFile, Ready, Result};
use crate::fs::epoll::{readiness, register};
use crate::signal::SigSet;
use crate::task::{Arch, Restart, Task};
use crate::time::Monotonic;
use bytemuck::Zeroable;
use linux_abi::Errno;
use linux_abi::personality::PersonalityFlags;
use linux_abi::poll::{PollEvents, Pollfd, SELECT_EX, SELECT_IN, SELECT_OUT, SelectArgsI386};
use linux_abi::resource::RLIMIT_NOFILE;
use std::future::Future;
use std::rc::Rc;
use std::task::Poll;

/// Looks at files until `scan` counts something, the time comes (then 0), or a signal does (`ERESTARTSYS`).
/// `files` are those whose changes matter.
async fn wait_ready(
    task: &Task,
    files: &[Option<Rc<OpenFile>>],
    until: Option<Monotonic>,
    mut scan: impl FnMut() -> usize,
) -> Result<usize> {
    let first = scan();
    if first > 0 {
        return Ok(first);
    }
    if until.is_some_and(|until| until <= task.kernel.clock.monotonic()) {
        // A signal that the call's own mask lets in ends it even when it would not wait.
        return if task.has_signal() { Err(Errno::ERESTARTSYS) } else { Ok(0) };
    }
    let ready = std::future::poll_fn(|cx| match scan() {
        0 => {
            files.iter().flatten().for_each(|file| register(file, cx.waker()));
            Poll::Pending
        }
        count => Poll::Ready(count),
    });
    task.until(until, ready).await.map(|count| count.unwrap_or(0))
}

/// Runs a wait under another signal mask (ppoll(2), pselect(2), epoll_pwait(2)). Where a signal ends the wait the
/// old mask is put back only after its handler, which thus runs although the caller has it blocked.
pub(crate) async fn with_mask<T>(
    task: &Task,
    mask: Option<SigSet>,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let Some(mask) = mask else { return work.await };
    let old = task.blocked.replace(mask.without(SigSet::UNBLOCKABLE));
    let result = work.await;
    match result {
        Err(error) if error.is_restart() || error == Errno::EINTR => task.saved_mask.set(Some(old)),
        _ => task.blocked.set(old),
    }
    result
}

/// Reads a `sigset_t` argument: null is none, another size than the kernel's `EINVAL`.
pub(crate) async fn get_mask(task: &Task, addr: u64, size: u64) -> Result<Option<SigSet>> {
    if addr == 0 {
        return Ok(None);
    }
    if size != size_of::<SigSet>() as u64 {
        return Err(Errno::EINVAL);
    }
    Ok(Some(SigSet(task.get(addr).await?)))
}

/// A deadline from a relative timeout in milliseconds; negative is none.
pub(crate) fn deadline_ms(task: &Task, milliseconds: i32) -> Option<Monotonic> {
    let nanoseconds = u64::try_from(milliseconds).ok()? * 1_000_000;
    Some(task.kernel.clock.monotonic().after(nanoseconds))
}

/// `poll` until a deadline: the part that `restart_syscall` does again.
async fn poll_core(task: &Task, fds: u64, count: u64, until: Option<Monotonic>) -> Result<u64> {
    if count > task.process.limit(RLIMIT_NOFILE as usize) {
        return Err(Errno::EINVAL);
    }
    let mut entries = vec![Pollfd::zeroed(); count as usize];
    task.mm().read(fds, bytemuck::cast_slice_mut(&mut entries)).await?;
    let table = task.files();
    // A descriptor closed meanwhile stays watched, as in Linux.
    let open = |entry: &Pollfd| if entry.fd < 0 { None } else { table.get_io(entry.fd).ok() };
    let files: Vec<Option<Rc<OpenFile>>> = entries.iter().map(open).collect();
    let found = wait_ready(task, &files, until, || {
        let mut count = 0;
        for (entry, file) in entries.iter_mut().zip(&files) {
            let wanted = entry.events as u16 | (PollEvents::ERR | PollEvents::HUP).bits();
            let found = match file {
                Some(file) => readiness(task, file).0 as u16 & wanted,
                None if entry.fd < 0 => 0,
                None => PollEvents::NVAL.bits(),
            };
            entry.revents = found as i16;
            count += usize::from(found != 0);
        }
        count
    });
    let found = found.await?;
    // Only the results are written: another thread may own the rest.
    for (i, entry) in (0u64..).zip(&entries) {
        task.put(fds.wrapping_add(i * size_of::<Pollfd>() as u64 + 6), &entry.revents).await?;
    }
    Ok(found as u64)
}

/// `poll` until a deadline; a signal parks it for `restart_syscall`.
pub async fn poll_until(task: &Rc<Task>, fds: u64, count: u64, until: Option<Monotonic>) -> Result<u64> {
    match poll_core(task, fds, count, until).await {
        Err(Errno::ERESTARTSYS) => {
            task.restart.set(Some(Restart::Poll { fds, count, until }));
            Err(Errno::ERESTART_RESTARTBLOCK)
        }
        result => result,
    }
}

/// poll(2).
pub async fn poll(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let until = deadline_ms(task, a.int(2));
    poll_until(task, a.word(0), u64::from(a.uint(1)), until).await
}

/// Where the time that is left goes.
#[derive(Clone, Copy, Debug)]
enum TimeOut {
    Timespec(TimeWidth),
    /// `struct timeval` of the program's width.
    Timeval,
}

/// Writes the time that is left (select(2), "Timeout"), and turns an interruption into the right restart.
async fn finish(
    task: &Task,
    result: Result<u64>,
    addr: u64,
    until: Option<Monotonic>,
    form: TimeOut,
) -> Result<u64> {
    let result =
        result.map_err(|error| if error == Errno::ERESTARTSYS { Errno::ERESTARTNOHAND } else { error });
    let Some(until) = until.filter(|_| addr != 0) else { return result };
    let sticky = task.process.personality.get() & PersonalityFlags::STICKY_TIMEOUTS.bits() != 0;
    let written = if sticky {
        Err(Errno::EFAULT)
    } else {
        let left = until.0.saturating_sub(task.kernel.clock.monotonic().0).min(i64::MAX as u64) as i64;
        match form {
            TimeOut::Timespec(width) => task.put_timespec(addr, left, width).await,
            TimeOut::Timeval => put_timeval(task, addr, left).await,
        }
    };
    match (written, result) {
        // Doing it again with the old timeout would wait too long.
        (Err(_), Err(Errno::ERESTARTNOHAND)) => Err(Errno::EINTR),
        (_, result) => result,
    }
}

async fn get_timeval(task: &Task, addr: u64) -> Result<Option<Monotonic>> {
    if addr == 0 {
        return Ok(None);
    }
    let (seconds, microseconds) = match task.arch() {
        Arch::I386 => {
            let [s, u] = task.get::<[i32; 2]>(addr).await?;
            (i64::from(s), i64::from(u))
        }
        Arch::X86_64 => {
            let [s, u] = task.get::<[i64; 2]>(addr).await?;
            (s, u)
        }
    };
    if seconds < 0 || microseconds < 0 {
        return Err(Errno::EINVAL);
    }
    let nanoseconds = (seconds as u64)
        .saturating_mul(NSEC as u64)
        .saturating_add((microseconds as u64).saturating_mul(1000));
    Ok(Some(task.kernel.clock.monotonic().after(nanoseconds)))
}

async fn put_timeval(task: &Task, addr: u64, nanoseconds: i64) -> Result<()> {
    let (s, u) = (nanoseconds / NSEC, nanoseconds % NSEC / 1000);
    match task.arch() {
        Arch::I386 => task.put(addr, &[s as i32, u as i32]).await,
        Arch::X86_64 => task.put(addr, &[s, u]).await,
    }
}

async fn ppoll_of(task: &Rc<Task>, a: &Args, width: TimeWidth) -> Result<u64> {
    let until = task.get_timeout(a.word(2), width).await?;
    let mask = get_mask(task, a.word(3), a.word(4)).await?;
    let result = with_mask(task, mask, async {
        let result = poll_core(task, a.word(0), u64::from(a.uint(1)), until).await;
        finish(task, result, a.word(2), until, TimeOut::Timespec(width)).await
    });
    result.await
}

/// ppoll(2), with 64-bit time (x86-64's `ppoll`, i386's `ppoll_time64`).
pub async fn ppoll(task: &Rc<Task>, a: &Args) -> Result<u64> {
    ppoll_of(task, a, TimeWidth::W64).await
}

/// ppoll(2) of i386 with 32-bit time.
pub async fn ppoll_time32(task: &Rc<Task>, a: &Args) -> Result<u64> {
    ppoll_of(task, a, TimeWidth::W32).await
}

/// One of select(2)'s three sets.
struct FdSet {
    addr: u64,
    wanted: Ready,
    asked: Vec<u8>,
    found: Vec<u8>,
}

impl FdSet {
    async fn read(task: &Task, addr: u64, bytes: usize, wanted: PollEvents) -> Result<FdSet> {
        let asked = if addr == 0 { Vec::new() } else { task.read_bytes(addr, bytes).await? };
        Ok(FdSet { addr, wanted: Ready(u32::from(wanted.bits())), found: vec![0; asked.len()], asked })
    }

    fn has(&self, fd: usize) -> bool {
        self.asked.get(fd / 8).is_some_and(|byte| byte >> (fd % 8) & 1 != 0)
    }

    fn check(&mut self, fd: usize, ready: Ready) -> usize {
        if !self.has(fd) || ready.0 & self.wanted.0 == 0 {
            return 0;
        }
        if let Some(byte) = self.found.get_mut(fd / 8) {
            *byte |= 1 << (fd % 8);
        }
        1
    }
}

/// select(2) on sets at three addresses.
async fn select_core(task: &Task, n: i32, sets: [u64; 3], until: Option<Monotonic>) -> Result<u64> {
    let n = usize::try_from(n).map_err(|_| Errno::EINVAL)?;
    let table = task.files();
    // Bits beyond the descriptor table are ignored (select(2), "BUGS"), but the sets are copied in whole words.
    let highest = table.numbers().last().map_or(0, |fd| *fd as usize + 1);
    let n = n.min(highest.max(64).next_multiple_of(64));
    let bytes = n.div_ceil(8).next_multiple_of(task.arch().word_size());
    let mut sets = [
        FdSet::read(task, sets[0], bytes, SELECT_IN).await?,
        FdSet::read(task, sets[1], bytes, SELECT_OUT).await?,
        FdSet::read(task, sets[2], bytes, SELECT_EX).await?,
    ];
    let mut files = Vec::new();
    let mut numbers = Vec::new();
    for fd in 0..n {
        if sets.iter().any(|set| set.has(fd)) {
            files.push(Some(table.get_io(fd as i32)?));
            numbers.push(fd);
        }
    }
    let found = wait_ready(task, &files, until, || {
        let mut count = 0;
        for (fd, file) in numbers.iter().zip(&files) {
            let ready = file.as_ref().map_or(Ready::NONE, |file| readiness(task, file));
            count += sets.iter_mut().map(|set| set.check(*fd, ready)).sum::<usize>();
        }
        count
    });
    let found = found.await?;
    for set in sets.iter().filter(|set| set.addr != 0) {
        task.write_bytes(set.addr, &set.found).await?;
    }
    Ok(found as u64)
}

/// select(2) with five arguments (i386 `_newselect`).
pub async fn select(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let until = get_timeval(task, a.word(4)).await?;
    let result = select_core(task, a.int(0), [a.word(1), a.word(2), a.word(3)], until).await;
    finish(task, result, a.word(4), until, TimeOut::Timeval).await
}

/// select(2) of i386 number 82, whose arguments are in memory.
pub async fn old_select(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let SelectArgsI386 { n, inp, outp, exp, tvp } = task.get(a.word(0)).await?;
    select(task, &Args([n, inp, outp, exp, tvp, 0].map(u64::from))).await
}

async fn pselect6_of(task: &Rc<Task>, a: &Args, width: TimeWidth) -> Result<u64> {
    // The sixth argument points at the mask's address and size: there are only six registers.
    let (mask, size) = match a.word(5) {
        0 => (0, 0),
        addr => {
            let word = task.arch().word_size() as u64;
            (task.get_word(addr).await?, task.get_word(addr.wrapping_add(word)).await?)
        }
    };
    let until = task.get_timeout(a.word(4), width).await?;
    let mask = get_mask(task, mask, size).await?;
    let result = with_mask(task, mask, async {
        let result = select_core(task, a.int(0), [a.word(1), a.word(2), a.word(3)], until).await;
        finish(task, result, a.word(4), until, TimeOut::Timespec(width)).await
    });
    result.await
}

/// pselect6(2), with 64-bit time (x86-64's `pselect6`, i386's `pselect6_time64`).
pub async fn pselect6(task: &Rc<Task>, a: &Args) -> Result<u64> {
    pselect6_of(task, a, TimeWidth::W64).await
}

/// pselect6(2) of i386 with 32-bit time.
pub async fn pselect6_time32(task: &Rc<Task>, a: &Args) -> Result<u64> {
    pselect6_of(task, a, TimeWidth::W32).await
}
