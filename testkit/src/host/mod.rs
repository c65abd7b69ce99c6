//! The processor this runs on, as an oracle: loads a state, runs code, reads the state back.
//!
//! Code and data lie at the fixed addresses of [`layout`]. The instruction under test is followed by a
//! jump out; 32-bit code is entered by a far jump to the compatibility-mode segment of Linux. A fault is caught by a signal
//! handler on a stack of its own, which takes the state from the signal frame.

mod guard;
pub mod process;

use crate::layout::{self, CODE, CODE_LEN, CONTROL, CONTROL_LEN, DATA, DATA_LEN, STUB};
use crate::outcome::{self, Outcome, Ran, Trap};
use crate::state::State;
use core::arch::asm;
use core::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use x86_cpu::Cpuid;
use x86_decode::Mode;

// Offsets in the control page.
const GPR: u64 = 0;
const FLAGS: u64 = 128;
const HOST_RSP: u64 = 136;
const EXIT: u64 = layout::EXIT - CONTROL;
const FAULT_EXIT: u64 = 152;
const TARGET: u64 = 160;
const DEFAULT_MXCSR: u64 = 176;
const TAKEN: u64 = layout::TAKEN - CONTROL;
const RUNNING: u64 = 224;
const VECTOR: u64 = 192;
const ERROR: u64 = 200;
const FAULT_ADDRESS: u64 = 208;
const FAULT_RIP: u64 = 216;
/// Base of the thread's FS.
const FS_BASE: u64 = 168;
/// Counts runs, and which of them was on when the timer last looked.
const RUNS: u64 = 240;
const SEEN_RUN: u64 = 248;
const FX: u64 = 256;
/// Not zero where the host has AVX.
const AVX: u64 = 232;
/// YMM registers, 32 bytes each.
const YMM: u64 = 1024;
/// Offsets in the image that Linux puts into a signal frame (asm/sigcontext.h): a magic number that says the image is
/// longer than FXSAVE's, and it is the same in a header behind it.
const EXTENDED_MAGIC: (usize, u32) = (464, 0x4650_5853);
/// XSTATE_BV, whose bit 2 says that the upper halves were stored, and where.
const XSTATE_BV: usize = 512;
const XSTATE_AVX: usize = 576;

/// What CPUID says of the host: EAX, EBX, ECX, EDX.
pub fn cpuid(leaf: u32, subleaf: u32) -> [u32; 4] {
    let answer = core::arch::x86_64::__cpuid_count(leaf, subleaf);
    [answer.eax, answer.ebx, answer.ecx, answer.edx]
}

/// Whether the host is one of Intel's, as the interpreter is: others do otherwise what the manual leaves open, and more than that.
pub fn is_intel() -> bool {
    let [_, b, c, d] = cpuid(0, 0);
    [b, d, c].map(u32::to_le_bytes).concat() == b"GenuineIntel"
}

/// The host as a processor model.
pub fn model() -> Cpuid {
    let [_, _, features_ecx, features_edx] = cpuid(1, 0);
    let [_, structured_ebx, structured_ecx, _] = cpuid(7, 0);
    let [_, _, extended_ecx, extended_edx] = cpuid(0x8000_0001, 0);
    Cpuid {
        features_ecx,
        features_edx,
        structured_ebx,
        structured_ecx,
        xsave_eax: cpuid(0xd, 1)[0],
        extended_ecx,
        extended_edx,
        ..Cpuid::default()
    }
}

/// Whether the host has something at an address that guests do not have there.
pub fn is_mapped(address: u64) -> bool {
    (CONTROL..CONTROL + CONTROL_LEN as u64).contains(&address)
}

/// Exclusive use of the fixed addresses.
#[derive(Debug)]
pub struct Host {
    timer: Option<guard::Timer>,
    /// Bytes of code written by the last run.
    dirty: usize,
    _alone: MutexGuard<'static, ()>,
}

static LOCK: Mutex<()> = Mutex::new(());

fn map(addr: u64, len: usize, prot: i32) {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
    // SAFETY: a fresh anonymous mapping that replaces nothing.
    let got = unsafe { libc::mmap(addr as *mut libc::c_void, len, prot, flags, -1, 0) };
    assert_eq!(got as u64, addr, "the test addresses must be free");
}

/// Writes a value to the control page.
fn put(offset: u64, value: u64) {
    // SAFETY: `Host::new` mapped the control page, and offsets are constants inside it.
    unsafe { ptr::write_volatile((CONTROL + offset) as *mut u64, value) }
}

fn get(offset: u64) -> u64 {
    // SAFETY: as in `put`.
    unsafe { ptr::read_volatile((CONTROL + offset) as *const u64) }
}

fn copy_in(addr: u64, bytes: &[u8]) {
    // SAFETY: callers give ranges of the mappings that `Host::new` made.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), addr as *mut u8, bytes.len()) }
}

impl Host {
    /// Maps the fixed addresses and installs the handlers, for this thread, until dropped.
    pub fn new() -> Host {
        let alone = LOCK.lock().unwrap_or_else(PoisonError::into_inner);
        let rw = libc::PROT_READ | libc::PROT_WRITE;
        map(CODE, CODE_LEN, rw | libc::PROT_EXEC);
        map(DATA, DATA_LEN, rw);
        map(CONTROL, CONTROL_LEN, rw | libc::PROT_EXEC);
        // jmp qword ptr [EXIT]
        let mut stub = vec![0xff, 0x24, 0x25];
        stub.extend(((CONTROL + EXIT) as u32).to_le_bytes());
        copy_in(STUB, &stub);
        copy_in(layout::STUB_TAKEN, &[&layout::TAKE[..], &stub].concat());
        put(DEFAULT_MXCSR, 0x1f80);
        put(FS_BASE, guard::fs_base());
        put(AVX, std::is_x86_feature_detected!("avx").into());
        install_handlers();
        Host { timer: None, dirty: CODE_LEN, _alone: alone }
    }

    /// From now on code may be anything: system calls and endless loops end as traps of [`outcome`]. The
    /// `Host` must stay in this thread.
    pub fn guard(&mut self) {
        if self.timer.is_none() {
            guard::stay_on_the_first_processor();
            guard::make_thread_areas();
            guard::catch_system_calls();
            self.timer = Some(guard::Timer::start());
        }
    }

    /// Replaces the data page.
    pub fn set_data(&mut self, data: &[u8]) {
        copy_in(DATA, &data[..DATA_LEN.min(data.len())]);
    }

    /// The data page.
    pub fn data(&self) -> Vec<u8> {
        let mut out = vec![0; DATA_LEN];
        // SAFETY: the data page is mapped; `out` is as long.
        unsafe { ptr::copy_nonoverlapping(DATA as *const u8, out.as_mut_ptr(), DATA_LEN) };
        out
    }

    /// Runs one instruction, or several, on registers and data, and gives both.
    pub fn ran(&mut self, bytes: &[u8], mode: Mode, state: &State, data: &[u8]) -> Ran {
        self.set_data(data);
        let outcome = self.run(bytes, mode, state);
        Ran { outcome, data: self.data() }
    }

    /// Runs one instruction at the start of [`CODE`]. It may also jump to [`layout::TARGET_GAP`]
    /// behind its end.
    pub fn run(&mut self, bytes: &[u8], mode: Mode, state: &State) -> Outcome {
        // What earlier code left behind is not to be met.
        let mut code = layout::code(bytes, mode);
        code.resize(code.len().max(self.dirty), 0xcc);
        self.dirty = code.len();
        copy_in(CODE, &code);

        for (n, value) in state.gpr.iter().enumerate() {
            put(GPR + 8 * n as u64, *value);
        }
        put(FLAGS, state.rflags);
        copy_in(CONTROL + FX, &state.fx);
        for n in 0..16 {
            let at = CONTROL + YMM + 32 * n as u64;
            copy_in(at, &state.xmm(n).to_le_bytes());
            copy_in(at + 16, &state.ymm_high[n].to_le_bytes());
        }
        put(TAKEN, 0);
        put(VECTOR, u64::MAX);
        put(TARGET, CODE);
        put(RUNS, get(RUNS) + 1);
        // SAFETY: code, control page and handlers are in place.
        unsafe { if mode == Mode::Bits64 { enter64() } else { enter32() } };
        self.outcome()
    }

    fn outcome(&self) -> Outcome {
        let mut state = State { gpr: [0; 16], rflags: get(FLAGS), fx: [0; 512], ymm_high: [0; 16] };
        for (n, value) in state.gpr.iter_mut().enumerate() {
            *value = get(GPR + 8 * n as u64);
        }
        // SAFETY: the control page is mapped, the image is 512 bytes of it.
        unsafe { ptr::copy_nonoverlapping((CONTROL + FX) as *const u8, state.fx.as_mut_ptr(), 512) };
        for (n, high) in state.ymm_high.iter_mut().enumerate() {
            let word = |at: u64| u128::from(get(YMM + 32 * n as u64 + at));
            *high = word(16) | word(24) << 64;
        }
        let trap = (get(VECTOR) != u64::MAX).then(|| Trap {
            vector: get(VECTOR),
            error: get(ERROR),
            address: get(FAULT_ADDRESS),
            rip: get(FAULT_RIP),
        });
        Outcome { state, taken: get(TAKEN) & 0xff != 0, trap }
    }
}

impl Default for Host {
    fn default() -> Host {
        Host::new()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        for (addr, len) in [(CODE, CODE_LEN), (DATA, DATA_LEN), (CONTROL, CONTROL_LEN)] {
            // SAFETY: our own mappings, no longer used.
            unsafe { libc::munmap(addr as *mut libc::c_void, len) };
        }
    }
}

/// Loads everything, jumps to the code under test, and saves everything when it comes back.
macro_rules! enter {
    ($(#[$doc:meta])* $name:ident, $jump:literal) => {
        $(#[$doc])*
        unsafe fn $name() {
            // SAFETY: the caller vouches for the code; every register it may change is saved here or declared.
            unsafe {
                asm!(
                    "push rbx",
                    "push rbp",
                    "lea rax, [rip + 2f]",
                    "mov qword ptr [{exit}], rax",
                    "lea rax, [rip + 3f]",
                    "mov qword ptr [{fault_exit}], rax",
                    "mov qword ptr [{host_rsp}], rsp",
                    "mov dword ptr [{running}], 1",
                    // 32-bit code needs data segments.
                    "mov eax, 0x2b",
                    "mov ds, eax",
                    "mov es, eax",
                    "fxrstor64 [{fx}]",
                    "cmp dword ptr [{avx}], 0",
                    "je 4f",
                    "vmovups ymm0, ymmword ptr [{ymm} + 0]",
                    "vmovups ymm1, ymmword ptr [{ymm} + 32]",
                    "vmovups ymm2, ymmword ptr [{ymm} + 64]",
                    "vmovups ymm3, ymmword ptr [{ymm} + 96]",
                    "vmovups ymm4, ymmword ptr [{ymm} + 128]",
                    "vmovups ymm5, ymmword ptr [{ymm} + 160]",
                    "vmovups ymm6, ymmword ptr [{ymm} + 192]",
                    "vmovups ymm7, ymmword ptr [{ymm} + 224]",
                    "vmovups ymm8, ymmword ptr [{ymm} + 256]",
                    "vmovups ymm9, ymmword ptr [{ymm} + 288]",
                    "vmovups ymm10, ymmword ptr [{ymm} + 320]",
                    "vmovups ymm11, ymmword ptr [{ymm} + 352]",
                    "vmovups ymm12, ymmword ptr [{ymm} + 384]",
                    "vmovups ymm13, ymmword ptr [{ymm} + 416]",
                    "vmovups ymm14, ymmword ptr [{ymm} + 448]",
                    "vmovups ymm15, ymmword ptr [{ymm} + 480]",
                    "4:",
                    "push qword ptr [{flags}]",
                    "popfq",
                    "mov rax, qword ptr [{gpr}]",
                    "mov rcx, qword ptr [{gpr} + 8]",
                    "mov rdx, qword ptr [{gpr} + 16]",
                    "mov rbx, qword ptr [{gpr} + 24]",
                    "mov rsp, qword ptr [{gpr} + 32]",
                    "mov rbp, qword ptr [{gpr} + 40]",
                    "mov rsi, qword ptr [{gpr} + 48]",
                    "mov rdi, qword ptr [{gpr} + 56]",
                    "mov r8, qword ptr [{gpr} + 64]",
                    "mov r9, qword ptr [{gpr} + 72]",
                    "mov r10, qword ptr [{gpr} + 80]",
                    "mov r11, qword ptr [{gpr} + 88]",
                    "mov r12, qword ptr [{gpr} + 96]",
                    "mov r13, qword ptr [{gpr} + 104]",
                    "mov r14, qword ptr [{gpr} + 112]",
                    "mov r15, qword ptr [{gpr} + 120]",
                    $jump,
                    "2:",
                    "mov qword ptr [{gpr}], rax",
                    "mov qword ptr [{gpr} + 8], rcx",
                    "mov qword ptr [{gpr} + 16], rdx",
                    "mov qword ptr [{gpr} + 24], rbx",
                    "mov qword ptr [{gpr} + 32], rsp",
                    "mov qword ptr [{gpr} + 40], rbp",
                    "mov qword ptr [{gpr} + 48], rsi",
                    "mov qword ptr [{gpr} + 56], rdi",
                    "mov qword ptr [{gpr} + 64], r8",
                    "mov qword ptr [{gpr} + 72], r9",
                    "mov qword ptr [{gpr} + 80], r10",
                    "mov qword ptr [{gpr} + 88], r11",
                    "mov qword ptr [{gpr} + 96], r12",
                    "mov qword ptr [{gpr} + 104], r13",
                    "mov qword ptr [{gpr} + 112], r14",
                    "mov qword ptr [{gpr} + 120], r15",
                    "mov rsp, qword ptr [{host_rsp}]",
                    "pushfq",
                    "pop qword ptr [{flags}]",
                    // TF and AC are not for us.
                    "push 0x202",
                    "popfq",
                    "fxsave64 [{fx}]",
                    "cmp dword ptr [{avx}], 0",
                    "je 3f",
                    "vmovups ymmword ptr [{ymm} + 0], ymm0",
                    "vmovups ymmword ptr [{ymm} + 32], ymm1",
                    "vmovups ymmword ptr [{ymm} + 64], ymm2",
                    "vmovups ymmword ptr [{ymm} + 96], ymm3",
                    "vmovups ymmword ptr [{ymm} + 128], ymm4",
                    "vmovups ymmword ptr [{ymm} + 160], ymm5",
                    "vmovups ymmword ptr [{ymm} + 192], ymm6",
                    "vmovups ymmword ptr [{ymm} + 224], ymm7",
                    "vmovups ymmword ptr [{ymm} + 256], ymm8",
                    "vmovups ymmword ptr [{ymm} + 288], ymm9",
                    "vmovups ymmword ptr [{ymm} + 320], ymm10",
                    "vmovups ymmword ptr [{ymm} + 352], ymm11",
                    "vmovups ymmword ptr [{ymm} + 384], ymm12",
                    "vmovups ymmword ptr [{ymm} + 416], ymm13",
                    "vmovups ymmword ptr [{ymm} + 448], ymm14",
                    "vmovups ymmword ptr [{ymm} + 480], ymm15",
                    "3:",
                    "mov rsp, qword ptr [{host_rsp}]",
                    "cmp dword ptr [{avx}], 0",
                    "je 5f",
                    "vzeroupper",
                    "5:",
                    // FS and GS, which the code may have loaded: arch_prctl(ARCH_SET_FS).
                    "xor eax, eax",
                    "mov gs, eax",
                    "mov eax, 158",
                    "mov edi, 0x1002",
                    "mov rsi, qword ptr [{fs_base}]",
                    "syscall",
                    "mov dword ptr [{running}], 0",
                    "cld",
                    "fninit",
                    "ldmxcsr dword ptr [{mxcsr}]",
                    "pop rbp",
                    "pop rbx",
                    exit = const CONTROL + EXIT,
                    fault_exit = const CONTROL + FAULT_EXIT,
                    host_rsp = const CONTROL + HOST_RSP,
                    running = const CONTROL + RUNNING,
                    fs_base = const CONTROL + FS_BASE,
                    fx = const CONTROL + FX,
                    avx = const CONTROL + AVX,
                    ymm = const CONTROL + YMM,
                    flags = const CONTROL + FLAGS,
                    gpr = const CONTROL + GPR,
                    target = const CONTROL + TARGET,
                    mxcsr = const CONTROL + DEFAULT_MXCSR,
                    out("r12") _,
                    out("r13") _,
                    out("r14") _,
                    out("r15") _,
                    clobber_abi("sysv64"),
                );
            }
        }
    };
}

enter!(
    /// # Safety
    /// Code must stand at [`CODE`] that jumps back through the exit slot or faults.
    enter64,
    "jmp qword ptr [{target}]"
);
enter!(
    /// # Safety
    /// As [`enter64`], with 32-bit code.
    enter32,
    // The selector stands behind the 32-bit offset.
    "mov dword ptr [{target} + 4], 0x23
     jmp fword ptr [{target}]"
);

const SIGNALS: [i32; 7] =
    [libc::SIGSEGV, libc::SIGILL, libc::SIGFPE, libc::SIGBUS, libc::SIGTRAP, libc::SIGSYS, libc::SIGALRM];

fn install_handlers() {
    const STACK: usize = 64 << 10;
    let stack = Box::leak(vec![0_u8; STACK].into_boxed_slice());
    let stack = libc::stack_t { ss_sp: stack.as_mut_ptr().cast(), ss_flags: 0, ss_size: STACK };
    // SAFETY: the stack lives for ever; the handler has the signature that SA_SIGINFO asks for.
    unsafe {
        assert_eq!(libc::sigaltstack(&stack, ptr::null_mut()), 0);
        let mut action: libc::sigaction = core::mem::zeroed();
        action.sa_sigaction = on_signal as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
        // One at a time: the way out of a handler leads past whatever it interrupted.
        libc::sigfillset(&mut action.sa_mask);
        for signal in SIGNALS {
            assert_eq!(libc::sigaction(signal, &action, ptr::null_mut()), 0);
        }
    }
}

/// `si_arch` of a system call in the i386 way (linux/audit.h).
const AUDIT_ARCH_I386: u32 = 0x4000_0003;
/// Its offset in `siginfo_t`.
const SI_ARCH: usize = 28;

extern "C" fn on_signal(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    const ORDER: [i32; 16] = [
        libc::REG_RAX,
        libc::REG_RCX,
        libc::REG_RDX,
        libc::REG_RBX,
        libc::REG_RSP,
        libc::REG_RBP,
        libc::REG_RSI,
        libc::REG_RDI,
        libc::REG_R8,
        libc::REG_R9,
        libc::REG_R10,
        libc::REG_R11,
        libc::REG_R12,
        libc::REG_R13,
        libc::REG_R14,
        libc::REG_R15,
    ];
    // SAFETY: the kernel gives a valid context; the control page is mapped while a `Host` lives. Nothing here
    // allocates or locks.
    unsafe {
        // Linux leaves AC as it was, and library code reads where it likes.
        asm!("pushfq", "and dword ptr [rsp], {mask}", "popfq", mask = const !0x4_0000_i32);
        let running = get(RUNNING) & 0xff != 0;
        if signal == libc::SIGALRM {
            let again = get(SEEN_RUN) == get(RUNS);
            put(SEEN_RUN, get(RUNS));
            if !running || !again {
                return;
            }
        }
        if !running {
            // Not ours: let it strike again with the default action.
            libc::signal(signal, libc::SIG_DFL);
            return;
        }
        let context = &mut *context.cast::<libc::ucontext_t>();
        let regs = &mut context.uc_mcontext.gregs;
        for (n, reg) in ORDER.iter().enumerate() {
            put(GPR + 8 * n as u64, regs[*reg as usize] as u64);
        }
        put(FLAGS, regs[libc::REG_EFL as usize] as u64);
        put(VECTOR, regs[libc::REG_TRAPNO as usize] as u64);
        put(ERROR, regs[libc::REG_ERR as usize] as u64);
        put(FAULT_ADDRESS, regs[libc::REG_CR2 as usize] as u64);
        let rip = regs[libc::REG_RIP as usize] as u64;
        put(FAULT_RIP, rip);
        let special = match signal {
            libc::SIGSYS => {
                let arch = info.cast::<u8>().add(SI_ARCH).cast::<u32>().read_unaligned();
                Some(if arch == AUDIT_ARCH_I386 { outcome::INT80 } else { outcome::SYSCALL })
            }
            libc::SIGALRM => Some(outcome::TIMEOUT),
            // A single step into the way out: the code has come through.
            libc::SIGTRAP if !(CODE..CODE + CODE_LEN as u64).contains(&rip) || get(TAKEN) & 1 != 0 => {
                Some(u64::MAX)
            }
            _ => None,
        };
        if let Some(vector) = special {
            put(VECTOR, vector);
            put(ERROR, 0);
        }
        let image = context.uc_mcontext.fpregs.cast::<u8>();
        ptr::copy_nonoverlapping(image, (CONTROL + FX) as *mut u8, 512);
        // A component in its initial state is not stored.
        let stored = image.add(EXTENDED_MAGIC.0).cast::<u32>().read_unaligned() == EXTENDED_MAGIC.1
            && image.add(XSTATE_BV).read() & 4 != 0;
        for n in 0..16 {
            let high = (CONTROL + YMM + 32 * n + 16) as *mut u8;
            if stored {
                ptr::copy_nonoverlapping(image.add(XSTATE_AVX + 16 * n as usize), high, 16);
            } else {
                ptr::write_bytes(high, 0, 16);
            }
        }
        regs[libc::REG_RIP as usize] = get(FAULT_EXIT) as i64;
        regs[libc::REG_EFL as usize] = 0x202;
        // Back to 64-bit code, whatever the fault came from.
        let segments = &mut regs[libc::REG_CSGSFS as usize];
        *segments = *segments & !0xffff | 0x33;
    }
}
