//! A program under ptrace(2), one instruction at a time.

use crate::state::State;
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use x86_cpu::{Descriptor, selector, xstate};
use x86_decode::Mode;

/// `NT_X86_XSTATE` (linux/elf.h).
const NT_X86_XSTATE: usize = 0x202;
/// asm/ptrace-abi.h.
const PTRACE_GET_THREAD_AREA: libc::c_uint = 25;
/// Room for an image with AVX-512 and AMX.
const XSTATE_ROOM: usize = 12288;
/// The selector of 64-bit code.
const USER_CS: u64 = 0x33;
/// `NT_PRSTATUS` numbers the registers so: ours by the places in `user_regs_struct`.
const SYSTEM_CALL_NONE: u64 = u64::MAX;

/// Why a program stands still, or that it no longer does anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// One instruction was done, or a signal frame was built.
    Stepped,
    /// A signal is about to be delivered. Nothing was executed.
    Signal {
        /// Number.
        number: i32,
        /// An instruction raised it: `si_code` is above zero, and the number one of a fault.
        fault: bool,
    },
    /// Ended by itself.
    Exited(i32),
    /// Ended by a signal.
    Killed(i32),
}

/// Registers, beyond those of a [`State`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registers {
    /// Integer, floating-point and vector registers.
    pub state: State,
    /// The next instruction.
    pub rip: u64,
    /// Width of the code, by CS.
    pub mode: Mode,
    /// Selector and base of CS, SS, DS, ES, FS and GS.
    pub segments: [(u16, u64); 6],
}

/// A stopped program.
#[derive(Debug)]
pub struct Traced {
    pid: i32,
    memory: File,
}

/// A mapping of a program's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Area {
    /// First byte.
    pub start: u64,
    /// The byte behind the last one.
    pub end: u64,
    /// Readable, writable, executable.
    pub access: [bool; 3],
    /// `[stack]`, a file's name, or nothing.
    pub name: String,
}

fn checked(result: i64, what: &str) -> io::Result<i64> {
    if result == -1 {
        let error = io::Error::last_os_error();
        return Err(io::Error::new(error.kind(), format!("{what}: {error}")));
    }
    Ok(result)
}

impl Traced {
    /// Starts a program, stopped before its first instruction, at addresses that are the same each time; in a root
    /// directory of its own where one is given.
    ///
    /// # Errors
    /// It cannot be run, or tracing is not allowed here.
    pub fn start(command: &mut Command, root: Option<&Path>) -> io::Result<Traced> {
        let root = root.map(|root| CString::new(root.as_os_str().as_bytes())).transpose()?;
        // SAFETY: the calls only change the calling process, and none allocates.
        unsafe {
            command.pre_exec(move || {
                if let Some(root) = &root {
                    checked(libc::chroot(root.as_ptr()).into(), "chroot")?;
                    checked(libc::chdir(c"/".as_ptr()).into(), "chdir")?;
                }
                checked(libc::personality(libc::ADDR_NO_RANDOMIZE as libc::c_ulong).into(), "personality")?;
                checked(libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0), "PTRACE_TRACEME").map(|_| ())
            });
        }
        stay_on_one_processor();
        let pid = command.spawn()?.id() as i32;
        let open = || File::options().read(true).write(true).open(format!("/proc/{pid}/mem"));
        let mut traced = Traced { pid, memory: open()? };
        match traced.wait()? {
            Stop::Stepped => {}
            other => return Err(io::Error::other(format!("the program did not start: {other:?}"))),
        }
        traced.ptrace(libc::PTRACE_SETOPTIONS, 0, libc::PTRACE_O_EXITKILL as usize)?;
        // execve has replaced the memory that was opened.
        traced.memory = open()?;
        Ok(traced)
    }

    fn ptrace(&self, request: libc::c_uint, addr: usize, data: usize) -> io::Result<i64> {
        // SAFETY: requests whose `data` is an address are made by callers that own what is there for the time.
        let result = unsafe { libc::ptrace(request, self.pid, addr, data) };
        checked(result, "ptrace")
    }

    fn wait(&self) -> io::Result<Stop> {
        let mut status = 0;
        // SAFETY: `status` is ours.
        checked(unsafe { libc::waitpid(self.pid, &raw mut status, libc::__WALL) }.into(), "waitpid")?;
        if libc::WIFEXITED(status) {
            return Ok(Stop::Exited(libc::WEXITSTATUS(status)));
        }
        if libc::WIFSIGNALED(status) {
            return Ok(Stop::Killed(libc::WTERMSIG(status)));
        }
        let number = libc::WSTOPSIG(status);
        let info = self.signal_information()?;
        // TRAP_TRACE and TRAP_BRKPT of the tracer's own doing, and the stop of execve.
        if number == libc::SIGTRAP && matches!(info.si_code, 0..=2) {
            return Ok(Stop::Stepped);
        }
        let faults = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP];
        Ok(Stop::Signal { number, fault: info.si_code > 0 && faults.contains(&number) })
    }

    fn signal_information(&self) -> io::Result<libc::siginfo_t> {
        // SAFETY: all bytes zero are a siginfo_t.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        self.ptrace(libc::PTRACE_GETSIGINFO, 0, &raw mut info as usize)?;
        Ok(info)
    }

    /// Executes one instruction, or delivers a signal to the program.
    ///
    /// # Errors
    /// The program is gone.
    pub fn step(&self, signal: i32) -> io::Result<Stop> {
        self.ptrace(libc::PTRACE_SINGLESTEP, 0, signal as usize)?;
        self.wait()
    }

    fn user_registers(&self) -> io::Result<libc::user_regs_struct> {
        // SAFETY: all bytes zero are a user_regs_struct.
        let mut registers: libc::user_regs_struct = unsafe { std::mem::zeroed() };
        self.ptrace(libc::PTRACE_GETREGS, 0, &raw mut registers as usize)?;
        Ok(registers)
    }

    /// Its registers.
    ///
    /// # Errors
    /// The program is gone.
    pub fn registers(&self) -> io::Result<Registers> {
        let r = self.user_registers()?;
        let mut image = [0_u8; XSTATE_ROOM];
        let mut vector = libc::iovec { iov_base: image.as_mut_ptr().cast(), iov_len: image.len() };
        self.ptrace(libc::PTRACE_GETREGSET, NT_X86_XSTATE, &raw mut vector as usize)?;
        let length = vector.iov_len;
        let mut state = State { gpr: gpr_of(&r), rflags: r.eflags, fx: [0; 512], ymm_high: [0; 16] };
        state.fx.copy_from_slice(&image[..512]);
        let header = xstate::HEADER as usize;
        if length > xstate::EXTENDED as usize && u64::from(image[header]) & xstate::AVX != 0 {
            for (n, half) in state.ymm_high.iter_mut().enumerate() {
                let at = xstate::EXTENDED as usize + 16 * n;
                *half = u128::from_le_bytes(image[at..at + 16].try_into().unwrap_or_default());
            }
        }
        let segment = |selector: u64, base: u64| (selector as u16, base);
        Ok(Registers {
            state,
            rip: r.rip,
            mode: if r.cs == USER_CS { Mode::Bits64 } else { Mode::Bits32 },
            segments: [
                segment(r.cs, 0),
                segment(r.ss, 0),
                segment(r.ds, 0),
                segment(r.es, 0),
                segment(r.fs, r.fs_base),
                segment(r.gs, r.gs_base),
            ],
        })
    }

    /// Its `set_thread_area` slots; empty ones where it has none.
    pub fn thread_areas(&self) -> [Descriptor; selector::TLS_ENTRIES] {
        std::array::from_fn(|i| {
            // Entry, base, limit and flags: `struct user_desc` (asm/ldt.h).
            let mut words = [0_u32; 4];
            let got =
                self.ptrace(PTRACE_GET_THREAD_AREA, selector::TLS_ENTRY_MIN + i, words.as_mut_ptr() as usize);
            let [_, base, limit, flags] = words;
            if got.is_err() || flags & Descriptor::SEG_NOT_PRESENT != 0 {
                return Descriptor::default();
            }
            let pages = flags & Descriptor::LIMIT_IN_PAGES != 0;
            let limit = if pages { limit << 12 | 0xfff } else { limit };
            Descriptor { base, limit, present: true, user_desc_flags: flags }
        })
    }

    /// Gives it general registers and an instruction pointer, as if it had just executed something.
    ///
    /// # Errors
    /// The program is gone.
    pub fn set_registers(&self, gpr: &[u64; 16], rip: u64) -> io::Result<()> {
        let mut r = self.user_registers()?;
        (r.rax, r.rcx, r.rdx, r.rbx) = (gpr[0], gpr[1], gpr[2], gpr[3]);
        (r.rsp, r.rbp, r.rsi, r.rdi) = (gpr[4], gpr[5], gpr[6], gpr[7]);
        (r.r8, r.r9, r.r10, r.r11) = (gpr[8], gpr[9], gpr[10], gpr[11]);
        (r.r12, r.r13, r.r14, r.r15) = (gpr[12], gpr[13], gpr[14], gpr[15]);
        (r.rip, r.orig_rax) = (rip, SYSTEM_CALL_NONE);
        self.ptrace(libc::PTRACE_SETREGS, 0, &raw const r as usize).map(|_| ())
    }

    /// Reads its memory, whatever the protection; how much could be read.
    pub fn read(&self, addr: u64, out: &mut [u8]) -> usize {
        self.memory.read_at(out, addr).unwrap_or(0)
    }

    /// Writes its memory, whatever the protection.
    ///
    /// # Errors
    /// Nothing is mapped there.
    pub fn write(&self, addr: u64, data: &[u8]) -> io::Result<()> {
        self.memory.write_all_at(data, addr)
    }

    /// Its mappings, in order.
    ///
    /// # Errors
    /// The program is gone.
    pub fn areas(&self) -> io::Result<Vec<Area>> {
        let text = std::fs::read_to_string(format!("/proc/{}/maps", self.pid))?;
        Ok(text.lines().filter_map(area).collect())
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        // SAFETY: a signal to a child of ours, which is waited for, so the number is still its own.
        unsafe {
            libc::kill(self.pid, libc::SIGKILL);
            libc::waitpid(self.pid, std::ptr::null_mut(), libc::__WALL);
        }
    }
}

/// Tracer and program take turns: they are faster on one processor, which children inherit. Where it does not work, it
/// is only slower.
fn stay_on_one_processor() {
    // SAFETY: the set is ours, and the call changes this thread only.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        let here = usize::try_from(libc::sched_getcpu()).unwrap_or(0);
        libc::CPU_SET(here, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set);
    }
}

fn gpr_of(r: &libc::user_regs_struct) -> [u64; 16] {
    [
        r.rax, r.rcx, r.rdx, r.rbx, r.rsp, r.rbp, r.rsi, r.rdi, r.r8, r.r9, r.r10, r.r11, r.r12, r.r13,
        r.r14, r.r15,
    ]
}

/// A line of /proc/PID/maps (proc(5)).
fn area(line: &str) -> Option<Area> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let access = words.next()?.as_bytes();
    let allowed = |i: usize, letter: u8| access.get(i) == Some(&letter);
    Some(Area {
        start: u64::from_str_radix(start, 16).ok()?,
        end: u64::from_str_radix(end, 16).ok()?,
        access: [allowed(0, b'r'), allowed(1, b'w'), allowed(2, b'x')],
        name: words.nth(3).unwrap_or_default().to_string(),
    })
}
