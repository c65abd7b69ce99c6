//! `--strace`: a line per system call, in strace's manner.

use crate::file::Result;
use crate::sys::Args;
use crate::task::{Arch, Pid, Task};
use linux_abi::Sysno;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::fmt::Write;

/// Traces calls, and remembers which unknown ones were reported.
#[derive(Debug, Default)]
pub struct Tracer {
    enabled: Cell<bool>,
    reported: RefCell<HashSet<(Arch, u32)>>,
    /// What `enter` wrote of a call that has not returned yet.
    open: RefCell<HashMap<Pid, String>>,
}

/// What an argument is, as far as printing goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Int,
    Hex,
    Octal,
    Path,
    /// Bytes whose length is the next argument (on the way in).
    Data,
    /// Strings.
    Strings,
}

/// Arguments of the calls worth reading; the others are printed in hexadecimal.
fn shapes(sysno: Sysno) -> &'static [Shape] {
    use Shape::{Data, Hex, Int, Octal, Path, Strings};
    match sysno {
        Sysno::Read | Sysno::Getdents64 | Sysno::Getdents => &[Int, Hex, Int],
        Sysno::Write => &[Int, Data, Int],
        Sysno::Open => &[Path, Hex, Octal],
        Sysno::Openat => &[Int, Path, Hex, Octal],
        Sysno::Close | Sysno::Fsync | Sysno::Fchdir | Sysno::Dup | Sysno::ExitGroup | Sysno::Exit => &[Int],
        Sysno::Execve => &[Path, Strings],
        Sysno::Access | Sysno::Chmod | Sysno::Mkdir => &[Path, Octal],
        Sysno::Statx => &[Int, Path, Hex, Hex, Hex],
        Sysno::Newstat | Sysno::Newlstat | Sysno::Stat64 | Sysno::Lstat64 => &[Path, Hex],
        Sysno::Fstatat64 | Sysno::Newfstatat | Sysno::Unlinkat => &[Int, Path, Hex, Hex],
        Sysno::Faccessat | Sysno::Faccessat2 | Sysno::Mkdirat => &[Int, Path, Octal],
        Sysno::Readlink => &[Path, Hex, Int],
        Sysno::Readlinkat => &[Int, Path, Hex, Int],
        Sysno::Chdir | Sysno::Unlink | Sysno::Rmdir | Sysno::Chroot => &[Path],
        Sysno::Rename | Sysno::Link | Sysno::Symlink => &[Path, Path],
        Sysno::Renameat | Sysno::Renameat2 | Sysno::Linkat => &[Int, Path, Int, Path, Hex],
        Sysno::Mmap | Sysno::Mmap2 => &[Hex, Hex, Hex, Hex, Int, Hex],
        Sysno::Munmap | Sysno::Brk => &[Hex, Hex],
        Sysno::Mprotect | Sysno::Madvise => &[Hex, Hex, Hex],
        Sysno::Dup2 | Sysno::Kill | Sysno::Setpgid | Sysno::Tkill | Sysno::Flock => &[Int, Int],
        Sysno::Tgkill => &[Int, Int, Int],
        Sysno::Fcntl | Sysno::Fcntl64 => &[Int, Int, Hex],
        Sysno::Ioctl => &[Int, Hex, Hex],
        Sysno::Wait4 | Sysno::Waitpid => &[Int, Hex, Hex],
        Sysno::Llseek => &[Int, Int, Int, Hex, Int],
        Sysno::Lseek => &[Int, Int, Int],
        Sysno::RtSigaction => &[Int, Hex, Hex, Int],
        Sysno::RtSigprocmask => &[Int, Hex, Hex, Int],
        Sysno::Futex | Sysno::Futex32 => &[Hex, Hex, Int, Hex, Hex, Hex],
        Sysno::Poll => &[Hex, Int, Int],
        Sysno::Getpid | Sysno::Gettid | Sysno::Getuid | Sysno::Geteuid | Sysno::Getgid | Sysno::Getegid => {
            &[]
        }
        Sysno::Getppid | Sysno::Fork | Sysno::Vfork | Sysno::Getpgrp | Sysno::Setsid | Sysno::Sync => &[],
        _ => &[Hex; 6],
    }
}

fn quote(bytes: &[u8], cut: bool) -> String {
    let text: String =
        bytes.iter().flat_map(|byte| std::ascii::escape_default(*byte)).map(char::from).collect();
    format!("\"{text}\"{}", if cut { "..." } else { "" })
}

impl Tracer {
    pub(crate) fn new(enabled: bool) -> Tracer {
        Tracer { enabled: Cell::new(enabled), ..Tracer::default() }
    }

    /// Whether calls are traced.
    pub fn enabled(&self) -> bool {
        self.enabled.get()
    }

    /// Switches tracing.
    pub fn set_enabled(&self, on: bool) {
        self.enabled.set(on);
    }

    /// True the first time a call is asked about.
    pub(crate) fn first_unknown(&self, arch: Arch, number: u32) -> bool {
        self.reported.borrow_mut().insert((arch, number))
    }

    /// Before the call: arguments are read now, since the call may change them.
    pub(crate) async fn enter(&self, task: &Task, arch: Arch, number: u32, args: &Args) {
        const SHOWN: usize = 64;
        let Some(sysno) = arch.sysno(u64::from(number)) else {
            self.open.borrow_mut().insert(task.tid, format!("syscall_{number}({:x?}", args.0));
            return;
        };
        let mut line = format!("{}(", arch.sysno_name(u64::from(number)).unwrap_or(sysno.name()));
        for (i, shape) in shapes(sysno).iter().enumerate() {
            if i > 0 {
                line.push_str(", ");
            }
            let value = args.word(i);
            let _ = match shape {
                Shape::Int => write!(line, "{}", args.int(i)),
                Shape::Hex => write!(line, "{value:#x}"),
                Shape::Octal => write!(line, "{value:#o}"),
                Shape::Path => match task.get_path(value).await {
                    Ok(path) => write!(line, "{}", quote(&path, false)),
                    Err(_) => write!(line, "{value:#x}"),
                },
                Shape::Data => {
                    let len = (args.word(i + 1) as usize).min(SHOWN);
                    match task.read_bytes(value, len).await {
                        Ok(data) => write!(line, "{}", quote(&data, args.word(i + 1) as usize > SHOWN)),
                        Err(_) => write!(line, "{value:#x}"),
                    }
                }
                Shape::Strings => match task.get_strings(value, 1 << 20).await {
                    Ok(list) => {
                        let list: Vec<String> = list.iter().map(|text| quote(text, false)).collect();
                        write!(line, "[{}]", list.join(", "))
                    }
                    Err(_) => write!(line, "{value:#x}"),
                },
            };
        }
        if matches!(sysno, Sysno::Exit | Sysno::ExitGroup | Sysno::Execve) {
            task.kernel.log(&format!("[{}] {line})", task.tid));
        }
        self.open.borrow_mut().insert(task.tid, line);
    }

    /// After the call.
    pub(crate) async fn exit(&self, task: &Task, arch: Arch, number: u32, args: &Args, result: &Result<u64>) {
        let Some(mut line) = self.open.borrow_mut().remove(&task.tid) else { return };
        let sysno = arch.sysno(u64::from(number));
        if matches!(sysno, Some(Sysno::Exit | Sysno::ExitGroup)) {
            return;
        }
        line.push_str(") = ");
        let _ = match result {
            Ok(value) if *value > 0xffff => write!(line, "{value:#x}"),
            Ok(value) => write!(line, "{value}"),
            Err(errno) => write!(line, "-1 {} ({})", errno.name(), errno.message()),
        };
        if let (Some(Sysno::Read), Ok(got)) = (sysno, result)
            && let Ok(data) = task.read_bytes(args.word(1), (*got as usize).min(64)).await
        {
            let _ = write!(line, " {}", quote(&data, *got > 64));
        }
        task.kernel.log(&format!("[{}] {line}", task.tid));
    }
}
