//! What keeps code nobody has read within bounds: system calls from it are caught, and it runs for a while only.

use crate::layout::{CODE, CODE_LEN};
use core::ptr;

/// How often the timer looks, in processor time of the thread; code that is running at two looks in a row is stopped.
const TICK_NS: i64 = 10_000_000;

/// Offsets in `struct seccomp_data` (linux/seccomp.h).
const INSTRUCTION_POINTER: u32 = 8;

/// Sends SIGSYS for system calls that this thread makes from the code under test, from now on.
pub(super) fn catch_system_calls() {
    let load = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    let at_least = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
    let equal = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    let give = (libc::BPF_RET | libc::BPF_K) as u16;
    let line = |code, k, jt, jf| libc::sock_filter { code, jt, jf, k };
    let mut program = [
        line(load, INSTRUCTION_POINTER + 4, 0, 0),
        line(equal, 0, 0, 4),
        line(load, INSTRUCTION_POINTER, 0, 0),
        line(at_least, CODE as u32, 0, 2),
        line(at_least, (CODE + CODE_LEN as u64) as u32 + 16, 1, 0),
        line(give, libc::SECCOMP_RET_TRAP, 0, 0),
        line(give, libc::SECCOMP_RET_ALLOW, 0, 0),
    ];
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the program is valid for the time of the call, which copies it.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let mode = libc::SECCOMP_MODE_FILTER as libc::c_ulong;
        assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program), 0);
    }
}

/// A timer that sends this thread SIGALRM.
#[derive(Debug)]
pub(super) struct Timer(libc::timer_t);

impl Timer {
    pub(super) fn start() -> Timer {
        let mut timer: libc::timer_t = ptr::null_mut();
        let interval = libc::timespec { tv_sec: 0, tv_nsec: TICK_NS };
        let every = libc::itimerspec { it_interval: interval, it_value: interval };
        // SAFETY: every structure is valid for its call; the thread lives as long as the timer, which `Host` owns.
        unsafe {
            let mut event: libc::sigevent = core::mem::zeroed();
            event.sigev_notify = libc::SIGEV_THREAD_ID;
            event.sigev_signo = libc::SIGALRM;
            event.sigev_notify_thread_id = libc::gettid();
            assert_eq!(libc::timer_create(libc::CLOCK_THREAD_CPUTIME_ID, &mut event, &mut timer), 0);
            assert_eq!(libc::timer_settime(timer, 0, &every, ptr::null_mut()), 0);
        }
        Timer(timer)
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        // SAFETY: a timer of ours.
        unsafe { libc::timer_delete(self.0) };
    }
}
