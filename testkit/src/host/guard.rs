//! What keeps code nobody has read within bounds: system calls from it are caught, and it runs for a while only.

use crate::layout::{self, CODE, CODE_LEN};
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

/// Base of this thread's FS, where its own data lies.
pub(super) fn fs_base() -> u64 {
    /// arch_prctl(2).
    const ARCH_GET_FS: libc::c_int = 0x1003;
    let mut base = 0_u64;
    // SAFETY: the call writes one word to `base`.
    let result = unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_GET_FS, &raw mut base) };
    assert_eq!(result, 0, "every x86-64 Linux tells the base of FS");
    base
}

/// Gives this thread the segments of [`layout::THREAD_AREAS`]: set_thread_area(2), which only i386 calls reach.
pub(super) fn make_thread_areas() {
    const SET_THREAD_AREA: i64 = 243;
    /// 32 bits, limit in pages, useable (asm/ldt.h).
    const BITS: u32 = 0x51;
    for (i, (base, limit)) in layout::THREAD_AREAS.into_iter().enumerate() {
        let entry = (x86_cpu::selector::TLS_ENTRY_MIN + i) as u32;
        let place = layout::DATA as *mut [u32; 4];
        let mut result = SET_THREAD_AREA;
        // SAFETY: the data page is mapped; the call reads sixteen bytes of it and changes a descriptor that nobody here uses.
        // The register that the compiler keeps for itself is put back.
        unsafe {
            place.write_volatile([entry, base, limit, BITS]);
            core::arch::asm!(
                "xchg rbx, {place}",
                "int 0x80",
                "xchg rbx, {place}",
                place = inout(reg) place => _,
                inout("rax") result,
                out("r8") _, out("r9") _, out("r10") _, out("r11") _,
            );
        }
        assert_eq!(result, 0, "a Linux that runs 32-bit code sets thread areas");
    }
}

/// Selector 0x7b has the number of the processor as its limit: guests have number 0. Where it may not be chosen, LSL of that
/// one differs.
pub(super) fn stay_on_the_first_processor() {
    // SAFETY: the set is ours, and the call changes this thread only.
    unsafe {
        let mut set: libc::cpu_set_t = core::mem::zeroed();
        libc::CPU_SET(0, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set);
    }
}
