//! `docs/syscalls.md` is what the table says. `UPDATE=1 cargo test -p linux-kernel --test syscall_table` writes it.

use linux_abi::{Arch, Sysno};
use linux_kernel::sys::{Support, support};
use std::fmt::Write;
use std::path::Path;

fn page() -> String {
    let mut full = Vec::new();
    let mut partial = String::new();
    let mut missing = Vec::new();
    for call in Sysno::ALL {
        let on = |arch: Arch| (0..512).any(|number| arch.sysno(number) == Some(*call));
        let mark = match (on(Arch::I386), on(Arch::X86_64)) {
            (true, true) => "",
            (true, false) => " (i386)",
            _ => " (x86-64)",
        };
        let name = format!("`{}`{mark}", call.name());
        match support(*call) {
            Support::Full => full.push(name),
            Support::Partial(what) => _ = writeln!(partial, "| {name} | {what} |"),
            Support::Missing => missing.push(name),
        }
    }
    format!(
        "# System calls\n\n\
         Generated from the table in `linux-kernel/src/sys/mod.rs` by the test `syscall_table`.\n\n\
         {} of {} calls of the two architectures are there, {} of them in part. The rest answers `ENOSYS`.\n\n\
         ## In part\n\n| call | what is missing |\n| --- | --- |\n{partial}\n\
         ## As Linux\n\n{}\n\n## Missing\n\n{}\n",
        full.len() + partial.lines().count(),
        Sysno::ALL.len(),
        partial.lines().count(),
        full.join(", "),
        missing.join(", "),
    )
}

#[test]
fn the_page_is_what_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/syscalls.md");
    let expected = page();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &expected).expect("docs/syscalls.md can be written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "docs/syscalls.md is stale: run with UPDATE=1");
}

#[test]
fn what_every_dynamic_program_needs_is_complete() {
    use Sysno::*;
    #[rustfmt::skip]
    let needed = [
        Execve, Brk, Access, Openat, Read, Write, Close, Statx, Llseek, Mmap2, Munmap, Mprotect, SetThreadArea,
        SetTidAddress, SetRobustList, Getrandom, Exit, ExitGroup, Prlimit64, Getrlimit, RtSigaction, RtSigprocmask,
        Sigreturn, RtSigreturn, Sigaltstack, Uname, Getuid, Geteuid, Getgid, Getegid, Getpid, Getppid, Gettid,
        Ioctl, Readlink,
    ];
    for call in needed {
        assert_eq!(support(call), Support::Full, "{}", call.name());
    }
}
