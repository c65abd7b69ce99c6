//! System-call numbers and error numbers against the headers, and what the tables must fulfil.

mod cc;

use std::collections::BTreeSet;

use linux_abi::{Arch, Errno, Sysno, sysno};

fn system_calls(arch: Arch) -> Vec<(String, usize)> {
    let header = match arch {
        Arch::I386 => "asm/unistd_32.h",
        Arch::X86_64 => "asm/unistd_64.h",
    };
    let calls: Vec<_> = cc::macros(arch, header)
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix("__NR_")?.to_owned(), value.parse().ok()?)))
        .collect();
    assert!(calls.len() > 300, "{header} has only {}", calls.len());
    calls
}

fn check_table(arch: Arch, table: &[Option<Sysno>], names: &[Option<&str>]) {
    assert_eq!(table.len(), names.len());
    for (name, number) in system_calls(arch) {
        assert_eq!(names.get(number).copied().flatten(), Some(name.as_str()), "{arch:?} {number}");
        assert_eq!(arch.sysno_name(number as u64), Some(name.as_str()));
        assert!(arch.sysno(number as u64).is_some());
    }
    let mut seen = BTreeSet::new();
    for call in table.iter().flatten() {
        assert!(seen.insert(call), "{arch:?}: two numbers do {call}");
    }
}

#[test]
fn tables_are_the_headers() {
    check_table(Arch::I386, sysno::I386, sysno::I386_NAMES);
    check_table(Arch::X86_64, sysno::X86_64, sysno::X86_64_NAMES);
}

#[test]
fn every_call_has_a_number_and_its_own_name() {
    let used: BTreeSet<_> = sysno::I386.iter().chain(sysno::X86_64).flatten().copied().collect();
    let names: BTreeSet<_> = Sysno::ALL.iter().map(|call| call.name()).collect();
    assert_eq!(used.len(), Sysno::ALL.len());
    assert_eq!(names.len(), Sysno::ALL.len());
    for (index, call) in Sysno::ALL.iter().enumerate() {
        assert_eq!(*call as usize, index);
    }
}

#[test]
fn numbers_out_of_range_are_nothing() {
    for arch in [Arch::I386, Arch::X86_64] {
        for number in [9999, u64::from(u32::MAX), u64::MAX] {
            assert_eq!(arch.sysno(number), None);
            assert_eq!(arch.sysno_name(number), None);
        }
    }
}

/// The naming scheme, in cases that are easy to get wrong.
#[test]
fn generations() {
    #[rustfmt::skip]
    let rows = [
        (Arch::I386, "getuid", Sysno::Getuid16), (Arch::I386, "getuid32", Sysno::Getuid), (Arch::X86_64, "getuid", Sysno::Getuid),
        (Arch::I386, "mmap", Sysno::OldMmap), (Arch::I386, "mmap2", Sysno::Mmap2), (Arch::X86_64, "mmap", Sysno::Mmap),
        (Arch::I386, "select", Sysno::OldSelect), (Arch::I386, "_newselect", Sysno::Select), (Arch::X86_64, "select", Sysno::Select),
        (Arch::I386, "futex", Sysno::Futex32), (Arch::I386, "futex_time64", Sysno::Futex), (Arch::X86_64, "futex", Sysno::Futex),
        (Arch::I386, "clock_gettime", Sysno::ClockGettime32), (Arch::I386, "clock_gettime64", Sysno::ClockGettime),
        (Arch::X86_64, "clock_gettime", Sysno::ClockGettime), (Arch::I386, "pselect6", Sysno::Pselect632),
        (Arch::I386, "stat", Sysno::Newstat), (Arch::I386, "oldstat", Sysno::Oldstat), (Arch::I386, "stat64", Sysno::Stat64),
        (Arch::X86_64, "stat", Sysno::Newstat), (Arch::X86_64, "newfstatat", Sysno::Newfstatat), (Arch::I386, "fstatat64", Sysno::Fstatat64),
        (Arch::I386, "getrlimit", Sysno::OldGetrlimit), (Arch::I386, "ugetrlimit", Sysno::Getrlimit), (Arch::X86_64, "getrlimit", Sysno::Getrlimit),
        (Arch::I386, "semtimedop_time64", Sysno::Semtimedop), (Arch::X86_64, "semtimedop", Sysno::Semtimedop),
        (Arch::I386, "utimensat", Sysno::Utimensat32), (Arch::I386, "utimensat_time64", Sysno::Utimensat),
        (Arch::I386, "socketcall", Sysno::Socketcall), (Arch::I386, "_llseek", Sysno::Llseek),
        (Arch::I386, "nanosleep", Sysno::Nanosleep32), (Arch::X86_64, "nanosleep", Sysno::Nanosleep),
    ];
    for (arch, name, call) in rows {
        let found = (0..600)
            .find(|&number| arch.sysno_name(number) == Some(name))
            .unwrap_or_else(|| panic!("{name}"));
        assert_eq!(arch.sysno(found), Some(call), "{arch:?} {name}");
    }
}

#[test]
fn errors_are_the_headers() {
    let mut seen = BTreeSet::new();
    for (name, value) in cc::macros(Arch::X86_64, "linux/errno.h") {
        let Ok(number) = value.parse() else { continue };
        if name.starts_with('E') {
            assert_eq!(Errno(number).name(), name);
            seen.insert(number);
        }
    }
    assert_eq!(seen.len(), Errno::ALL.len());
    assert!(Errno::ALL.iter().all(|errno| seen.contains(&errno.0)));
}

/// strerror(3) of the standard library this test is linked with.
#[test]
fn messages_are_those_of_strerror() {
    for errno in Errno::ALL {
        let text = std::io::Error::from_raw_os_error(errno.0.into()).to_string();
        assert_eq!(text, format!("{} (os error {})", errno.message(), errno.0));
    }
}

#[test]
fn errors_as_return_values() {
    assert_eq!(Errno::from_ret(-2), Some(Errno::ENOENT));
    for success in [0, 1, i64::MAX, -4096, i64::MIN] {
        assert_eq!(Errno::from_ret(success), None);
    }
    for errno in Errno::ALL {
        assert_eq!(Errno::from_ret(errno.to_ret()), Some(*errno));
    }
    assert_eq!(Arch::I386.ret(Err(Errno::EPERM)), 0xffff_ffff);
    assert_eq!(Arch::X86_64.ret(Err(Errno::EPERM)), u64::MAX);
    assert_eq!(Arch::I386.ret(Ok(0x1_0000_0001)), 1);
    assert!(Errno::ERESTARTSYS.is_restart() && Errno::ERESTART_RESTARTBLOCK.is_restart());
    assert!(!Errno(515).is_restart() && !Errno::EINTR.is_restart());
    assert_eq!(format!("{:?} {:?}", Errno::ENOENT, Errno(999)), "ENOENT Errno(999)");
    assert_eq!(Errno::ENOENT.to_string(), "No such file or directory (ENOENT)");
}
