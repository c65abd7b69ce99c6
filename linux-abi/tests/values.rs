//! The few functions of the crate: device numbers, wait statuses, ioctl numbers, signal sets.

mod cc;

use linux_abi::ioctl::{IoctlDir, ioc, ioc_dir, ioc_nr, ioc_size, ioc_type};
use linux_abi::wait::WaitStatus;
use linux_abi::{Arch, dirent, elf, fs, ioctl, layout, signal, stat, termios};

#[test]
fn device_numbers() {
    let pairs = [(0u32, 0u32), (1, 3), (8, 1), (136, 5), (226, 0), (4095, 0xf_ffff), (259, 0x1_2345)];
    let program: String = pairs
        .iter()
        .map(|(major, minor)| {
            format!("printf(\"{major}:{minor} %llu\\n\", (unsigned long long)makedev({major}, {minor}));\n")
        })
        .collect();
    let answers = cc::ask(Arch::X86_64, "sys/sysmacros.h", &program);
    for (major, minor) in pairs {
        let dev = stat::makedev(major, minor);
        assert_eq!(answers[&format!("{major}:{minor}")], dev.to_string());
        assert_eq!((stat::major(dev), stat::minor(dev)), (major, minor));
    }
}

#[test]
fn wait_statuses() {
    let rows = [
        WaitStatus::exited(0),
        WaitStatus::exited(3),
        WaitStatus::exited(0x1ff),
        WaitStatus::signaled(signal::SIGKILL, false),
        WaitStatus::signaled(signal::SIGSEGV, true),
        WaitStatus::stopped(signal::SIGTSTP),
        WaitStatus::stopped(signal::SIGTRAP | 0x80),
        WaitStatus::ptrace_event(signal::SIGTRAP, 4),
        WaitStatus::CONTINUED,
    ];
    let program: String = rows
        .iter()
        .map(|status| {
            let s = status.0;
            format!(
                "printf(\"{s} %d,%d,%d,%d,%d\\n\", WIFEXITED({s}) ? WEXITSTATUS({s}) : -1, WIFSIGNALED({s}) ? WTERMSIG({s}) : -1, \
                 WIFSTOPPED({s}) ? WSTOPSIG({s}) : -1, WIFSIGNALED({s}) && WCOREDUMP({s}), WIFCONTINUED({s}) != 0);\n"
            )
        })
        .collect();
    let answers = cc::ask(Arch::I386, "-D_GNU_SOURCE sys/wait.h", &program);
    for status in rows {
        let number = |value: Option<u32>| value.map_or(-1, |value| value as i32);
        let ours = format!(
            "{},{},{},{},{}",
            number(status.exit_code()),
            number(status.term_signal()),
            number(status.stop_signal()),
            i32::from(status.core_dumped()),
            i32::from(status == WaitStatus::CONTINUED)
        );
        assert_eq!(answers[&status.0.to_string()], ours, "{status:?}");
    }
}

#[test]
fn ioctl_numbers() {
    assert_eq!(ioc(IoctlDir::Read, b'T', 0x30, 4), ioctl::TIOCGPTN);
    assert_eq!(ioc(IoctlDir::Write, b'T', 0x31, 4), ioctl::TIOCSPTLCK);
    assert_eq!(ioc(IoctlDir::Write, 0x94, 9, 4), fs::FICLONE);
    assert_eq!(ioc(IoctlDir::ReadWrite, b'X', 121, 24), fs::FITRIM);
    assert_eq!(ioc_dir(fs::FITRIM), IoctlDir::ReadWrite);
    assert_eq!((ioc_type(fs::FITRIM), ioc_nr(fs::FITRIM), ioc_size(fs::FITRIM)), (b'X', 121, 24));
    // Numbers that hold the size of `long`.
    for (arch, rows) in [
        (
            Arch::I386,
            [
                fs::FS_IOC_GETFLAGS_I386,
                fs::FS_IOC_SETFLAGS_I386,
                fs::FS_IOC_GETVERSION_I386,
                fs::BLKGETSIZE64_I386,
                fs::BLKBSZGET_I386,
            ],
        ),
        (
            Arch::X86_64,
            [
                fs::FS_IOC_GETFLAGS_X86_64,
                fs::FS_IOC_SETFLAGS_X86_64,
                fs::FS_IOC_GETVERSION_X86_64,
                fs::BLKGETSIZE64_X86_64,
                fs::BLKBSZGET_X86_64,
            ],
        ),
    ] {
        let names = ["FS_IOC_GETFLAGS", "FS_IOC_SETFLAGS", "FS_IOC_GETVERSION", "BLKGETSIZE64", "BLKBSZGET"];
        let program: String =
            names.iter().map(|name| format!("printf(\"{name} %u\\n\", (unsigned){name});\n")).collect();
        let answers = cc::ask(arch, "stddef.h linux/fs.h", &program);
        for (name, value) in names.iter().zip(rows) {
            assert_eq!(answers[*name], value.to_string(), "{arch:?} {name}");
        }
    }
}

#[test]
fn signal_sets() {
    assert_eq!(signal::sigmask(1), 1);
    assert_eq!(signal::sigmask(64), 1 << 63);
    for none in [0, 65, u32::MAX] {
        assert_eq!(signal::sigmask(none), 0);
    }
    assert_eq!(signal::default_action(signal::SIGCHLD), signal::DefaultAction::Ign);
    assert_eq!(signal::default_action(40), signal::DefaultAction::Term);
}

#[test]
fn names_of_values() {
    assert_eq!(layout::name_of(signal::SIGNALS, 11), Some("SIGSEGV"));
    assert_eq!(layout::name_of(elf::PT, elf::PT_TLS), Some("PT_TLS"));
    assert_eq!(layout::name_of(signal::SIGNALS, 99), None);
    assert_eq!(dirent::d_type(stat::S_IFDIR | 0o755), dirent::DT_DIR);
    assert_eq!(dirent::d_type(stat::S_IFLNK), dirent::DT_LNK);
}

/// `stty -a` on a fresh terminal.
#[test]
fn standard_terminal() {
    let standard = termios::Termios::STANDARD;
    assert_eq!(standard.c_iflag, 0o2400);
    assert_eq!(standard.c_oflag, 5);
    assert_eq!(standard.c_cflag, 0o2277);
    assert_eq!(standard.c_lflag, 0o105073);
    assert_eq!(standard.c_cc[termios::VINTR], 3);
    assert_eq!(standard.c_cc[termios::VSUSP], 26);
    assert_eq!(standard.c_cc[termios::VMIN], 1);
    assert_eq!(standard.c_cc[termios::VLNEXT], 22);
}
