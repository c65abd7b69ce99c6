//! `siginfo_t` of both architectures: the C compiler says where each field is.

mod cc;

use linux_abi::Arch;
use linux_abi::siginfo::{SI_SIZE, SigFields, SigInfo};
use linux_abi::signal::*;

const HEADERS: &str = "linux/types.h asm-generic/siginfo.h";

/// A signal, and what its fields must read as; values that need more than a 32-bit `long` are cut off.
#[rustfmt::skip]
fn rows() -> Vec<(SigInfo, Vec<(&'static str, u64)>)> {
    let info = |signo, code, fields| SigInfo { signo: signo as i32, errno: 11, code, fields };
    vec![
        (info(SIGTERM, SI_USER, SigFields::Kill { pid: 77, uid: 1000 }),
            vec![("si_pid", 77), ("si_uid", 1000)]),
        (info(SIGALRM, SI_TIMER, SigFields::Timer { tid: 5, overrun: 6, value: 0x1122_3344_5566_7788 }),
            vec![("si_tid", 5), ("si_overrun", 6), ("si_ptr", 0x1122_3344_5566_7788)]),
        (info(SIGUSR1, SI_QUEUE, SigFields::Rt { pid: 77, uid: 1000, value: 0x1122_3344_5566_7788 }),
            vec![("si_pid", 77), ("si_uid", 1000), ("si_ptr", 0x1122_3344_5566_7788), ("si_int", 0x5566_7788)]),
        (info(SIGCHLD, CLD_KILLED, SigFields::Child { pid: 77, uid: 1000, status: 9, utime: 0x12_3456, stime: 0x65_4321 }),
            vec![("si_pid", 77), ("si_uid", 1000), ("si_status", 9), ("si_utime", 0x12_3456), ("si_stime", 0x65_4321)]),
        (info(SIGSEGV, SEGV_MAPERR, SigFields::Fault { addr: 0x7fff_1234_5678_9abc }),
            vec![("si_addr", 0x7fff_1234_5678_9abc)]),
        (info(SIGBUS, BUS_MCEERR_AR, SigFields::FaultLsb { addr: 0x1234_5678, lsb: 12 }),
            vec![("si_addr", 0x1234_5678), ("si_addr_lsb", 12)]),
        (info(SIGSEGV, SEGV_BNDERR, SigFields::FaultBounds { addr: 1, lower: 2, upper: 3 }),
            vec![("si_addr", 1), ("si_lower", 2), ("si_upper", 3)]),
        (info(SIGSEGV, SEGV_PKUERR, SigFields::FaultKey { addr: 1, pkey: 15 }),
            vec![("si_addr", 1), ("si_pkey", 15)]),
        (info(SIGIO, POLL_IN, SigFields::Poll { band: 0x41, fd: 3 }),
            vec![("si_band", 0x41), ("si_fd", 3)]),
        (info(SIGSYS, SYS_SECCOMP, SigFields::Sys { call_addr: 0x8000_0000, syscall: 321, arch: 0xc000_003e }),
            vec![("si_call_addr", 0x8000_0000), ("si_syscall", 321), ("si_arch", 0xc000_003e)]),
    ]
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

fn check(arch: Arch, bytes: fn(&SigInfo) -> [u8; SI_SIZE]) {
    let mut program = String::from("printf(\"size %d\\n\", (int)sizeof(siginfo_t));\n");
    let common = ["si_signo", "si_errno", "si_code"];
    let rows = rows();
    for name in rows.iter().flat_map(|row| row.1.iter().map(|field| field.0)).chain(common) {
        program += &format!(
            "printf(\"{name} %d,%d\\n\", (int)__builtin_offsetof(siginfo_t, {name}), (int)sizeof(((siginfo_t *)0)->{name}));\n"
        );
    }
    let layout = cc::ask(arch, HEADERS, &program);
    assert_eq!(layout["size"], SI_SIZE.to_string());
    for (info, fields) in rows {
        let image = bytes(&info);
        let head = [
            ("si_signo", info.signo as u64),
            ("si_errno", info.errno as u64),
            ("si_code", info.code as u32 as u64),
        ];
        let mut covered = vec![false; SI_SIZE];
        for (name, value) in fields.into_iter().chain(head) {
            let (offset, size) = layout[name].split_once(',').unwrap();
            let (offset, size): (usize, usize) = (offset.parse().unwrap(), size.parse().unwrap());
            let mask = if size == 8 { u64::MAX } else { (1 << (8 * size)) - 1 };
            assert_eq!(
                little_endian(&image[offset..offset + size]),
                value & mask,
                "{arch:?} {name} of {info:?}"
            );
            covered[offset..offset + size].fill(true);
        }
        // Nothing of ours leaks into the filler.
        assert!(image.iter().zip(covered).all(|(byte, covered)| covered || *byte == 0), "{arch:?} {info:?}");
    }
}

#[test]
fn i386() {
    check(Arch::I386, SigInfo::to_i386);
}

#[test]
fn x86_64() {
    check(Arch::X86_64, SigInfo::to_x86_64);
}

#[test]
fn read_back() {
    for (info, _) in rows() {
        assert_eq!(SigInfo::from_x86_64(&info.to_x86_64()), info);
        // 32 bits keep what fits; after one pass nothing changes any more.
        let narrow = SigInfo::from_i386(&info.to_i386());
        assert_eq!(SigInfo::from_i386(&narrow.to_i386()), narrow);
    }
    let child = SigFields::Poll { band: -1, fd: -2 };
    let info = SigInfo { signo: SIGIO as i32, errno: 0, code: POLL_HUP, fields: child };
    assert_eq!(SigInfo::from_i386(&info.to_i386()), info);
}

/// Programs compose these bytes: nothing in them may disturb us.
#[test]
fn any_bytes_are_read() {
    for seed in 0..=255u8 {
        for code in -70..140i32 {
            let mut bytes = [seed; SI_SIZE];
            bytes[..4].copy_from_slice(&i32::from(seed % 70).to_le_bytes());
            bytes[8..12].copy_from_slice(&code.to_le_bytes());
            let (narrow, wide) = (SigInfo::from_i386(&bytes), SigInfo::from_x86_64(&bytes));
            assert_eq!(SigInfo::from_i386(&narrow.to_i386()), narrow);
            assert_eq!(SigInfo::from_x86_64(&wide.to_x86_64()), wide);
        }
    }
}
