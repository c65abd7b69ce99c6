//! Every structure, flag and constant of the crate against the C headers, for both architectures.
//!
//! Needs gcc with its 32-bit half (package gcc-multilib) and the kernel's headers (linux-libc-dev).

mod cc;

use std::collections::BTreeMap;

use linux_abi::*;

/// What the headers need not have, and why. Where a header has it all the same, the value is compared.
#[rustfmt::skip]
const MAY_BE_MISSING: &[(&str, &[&str])] = &[
    ("newer than Linux 6.1, whose headers this was written with", &[
        "MFD_EXEC", "MFD_NOEXEC_SEAL", "PR_SET_MDWE", "PR_GET_MDWE", "PR_GET_AUXV", "AT_RSEQ_FEATURE_SIZE", "AT_RSEQ_ALIGN", "AT_HANDLE_FID",
        "SO_PASSPIDFD", "SO_PEERPIDFD", "SCM_PIDFD", "ARCH_CET_STATUS", "ARCH_SHSTK_STATUS", "IP_LOCAL_PORT_RANGE",
    ]),
    ("of one architecture only", &[
        "F_GETLK64", "F_SETLK64", "F_SETLKW64", "AT_SYSINFO", "PTRACE_ARCH_PRCTL", "PTRACE_GETFPXREGS", "PTRACE_SETFPXREGS",
        "UC_SIGCONTEXT_SS", "UC_STRICT_RESTORE_SS", "MAP_32BIT",
    ]),
    ("in a header of the kernel that is not public, or not in this one", &[
        "DT_GNU_HASH", "SHF_TLS", "DRM_MAJOR", "SHM_DEST", "SHM_LOCKED", "MSG_CMSG_COMPAT", "SCM_SECURITY", "SOL_VSOCK", "SOL_UDP",
        "MQUEUE_MAGIC", "ST_VALID", "ST_NOSYMFOLLOW",
        "SYSLOG_ACTION_CLOSE", "SYSLOG_ACTION_OPEN", "SYSLOG_ACTION_READ", "SYSLOG_ACTION_READ_ALL", "SYSLOG_ACTION_READ_CLEAR",
        "SYSLOG_ACTION_CLEAR", "SYSLOG_ACTION_CONSOLE_OFF", "SYSLOG_ACTION_CONSOLE_ON", "SYSLOG_ACTION_CONSOLE_LEVEL",
        "SYSLOG_ACTION_SIZE_UNREAD", "SYSLOG_ACTION_SIZE_BUFFER",
    ]),
];

/// Constants that could not keep their name.
#[rustfmt::skip]
const RENAMED_CONSTANTS: &[(&str, &str)] = &[
    ("MAP_LOW_2G", "MAP_32BIT"), ("O_ASYNC", "FASYNC"),
    ("WALL", "__WALL"), ("WCLONE", "__WCLONE"), ("WNOTHREAD", "__WNOTHREAD"),
];

/// Fields whose name in C is not a plain field name, and fields that C cannot tell the offset of (empty).
#[rustfmt::skip]
const RENAMED: &[(&str, &str, &str)] = &[
    ("struct _fpstate_32", "fxsave", "_fxsr_env"),
    ("struct elf_prstatus", "si_signo", "pr_info.si_signo"),
    ("struct elf_prstatus", "si_code", "pr_info.si_code"),
    ("struct elf_prstatus", "si_errno", "pr_info.si_errno"),
    ("struct elf_prstatus", "pr_times", "pr_utime"),
    ("struct ptrace_syscall_info", "data", "entry"),
    // Bit fields.
    ("struct tcp_info", "wscale", ""),
    ("struct tcp_info", "delivery_rate_app_limited", ""),
    ("struct user_desc", "bits", ""),
    // Unions without a name.
    ("struct sigevent", "sigev_notify_thread_id", "_sigev_un._tid"),
];

/// Fields that stand for more, or less, than the C field of their name.
const OTHER_SIZE: &[(&str, &str)] = &[
    ("struct _fpstate_32", "fxsave"),
    ("struct elf_prstatus", "pr_times"),
    ("struct ptrace_syscall_info", "data"),
    // The header has the C library's old mask of one `long`; the kernel writes 64 bits.
    ("struct ucontext", "uc_sigmask"),
];

/// Structures that public headers show too small, and why.
const OTHER_TOTAL: &[&str] = &[
    // uc_sigmask of i386, see above.
    "struct ucontext",
];

/// How a name exists in C: only a macro can be asked for with #ifdef.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Macro,
    Enum,
}
const MACRO: Form = Form::Macro;
const ENUM: Form = Form::Enum;

/// A number, as its bits and how many there are.
trait Number: Copy {
    fn bits(self) -> (u64, u32);
}

macro_rules! number {
    ($($ty:ty)*) => {
        $(impl Number for $ty {
            fn bits(self) -> (u64, u32) {
                (self as u64, <$ty>::BITS)
            }
        })*
    };
}
number!(u8 u16 u32 u64 usize i16 i32 i64);

fn truncate(value: u64, bits: u32) -> u64 {
    if bits >= 64 { value } else { value & ((1 << bits) - 1) }
}

struct Constant {
    name: String,
    value: (u64, u32),
    form: Form,
}

struct Struct {
    c_name: &'static str,
    arches: &'static [Arch],
    whole: bool,
    size: usize,
    fields: &'static [Field],
}

/// What one set of headers is asked about.
struct Unit {
    headers: &'static str,
    constants: Vec<Constant>,
    structs: Vec<Struct>,
}

fn unit(headers: &'static str) -> Unit {
    Unit { headers, constants: Vec::new(), structs: Vec::new() }
}

impl Unit {
    fn constants<T: Number>(mut self, table: &[(&str, T)], form: Form) -> Self {
        for &(name, value) in table {
            self.constants.push(Constant { name: name.into(), value: value.bits(), form });
        }
        self
    }

    fn flags<T: bitflags::Flags<Bits: Number>>(mut self, prefix: &str, form: Form) -> Self {
        for flag in T::FLAGS.iter().filter(|flag| flag.is_named()) {
            let name = format!("{prefix}{}", flag.name());
            self.constants.push(Constant { name, value: Number::bits(flag.value().bits()), form });
        }
        self
    }

    fn layout<T: Layout>(mut self) -> Self {
        self.structs.push(Struct {
            c_name: T::C_NAME,
            arches: T::ARCHES,
            whole: T::WHOLE,
            size: size_of::<T>(),
            fields: T::FIELDS,
        });
        self
    }

    fn check(&self, arch: Arch, errors: &mut Vec<String>) -> usize {
        let mut program = String::new();
        // Key in the program's output, what it must be, and how many bits of it count.
        let mut expected: BTreeMap<String, (u64, u32)> = BTreeMap::new();
        for Constant { name, value, form } in &self.constants {
            let renamed = RENAMED_CONSTANTS.iter().find(|row| row.0 == name);
            let name = renamed.map_or(name.as_str(), |row| row.1);
            let print = format!("printf(\"{name} %lld\\n\", (long long)({name}));\n");
            match form {
                Form::Enum => program += &print,
                Form::Macro => program += &format!("#ifdef {name}\n{print}#endif\n"),
            }
            expected.insert(name.to_owned(), *value);
        }
        let sized = |ty: &Struct| ty.whole && !(arch == Arch::I386 && OTHER_TOTAL.contains(&ty.c_name));
        for ty in self.structs.iter().filter(|ty| ty.arches.contains(&arch) && !ty.c_name.is_empty()) {
            let c = ty.c_name;
            let mut row = |key: String, c_expression: String, value: usize| {
                let key = key.replace(' ', "_");
                program += &format!("printf(\"{key} %lld\\n\", (long long)({c_expression}));\n");
                expected.insert(key, (value as u64, 64));
            };
            if sized(ty) {
                row(format!("sizeof:{c}"), format!("sizeof({c})"), ty.size);
            }
            for field in ty.fields.iter().filter(|field| !field.name.starts_with("_pad")) {
                let renamed = RENAMED.iter().find(|row| row.0 == c && row.1 == field.name);
                let name = renamed.map_or(field.name.trim_end_matches('_'), |row| row.2);
                if name.is_empty() {
                    continue;
                }
                row(format!("{c}:{name}"), format!("__builtin_offsetof({c}, {name})"), field.offset);
                if !OTHER_SIZE.contains(&(c, field.name)) {
                    row(format!("sizeof:{c}:{name}"), format!("sizeof((({c} *)0)->{name})"), field.size);
                }
            }
        }
        let answers = match cc::try_ask(arch, self.headers, &program) {
            Ok(answers) => answers,
            Err(error) => {
                errors.push(error);
                return 0;
            }
        };
        let mut compared = 0;
        for (key, &(value, bits)) in &expected {
            let Some(answer) = answers.get(key) else {
                if !MAY_BE_MISSING.iter().any(|row| row.1.contains(&key.as_str())) {
                    errors.push(format!("{arch:?} {key}: not in <{}>", self.headers));
                }
                continue;
            };
            compared += 1;
            let answer = answer.parse::<i64>().unwrap() as u64;
            if truncate(answer, bits) != truncate(value, bits) {
                errors.push(format!("{arch:?} {key}: here {value:#x}, in <{}> {answer:#x}", self.headers));
            }
        }
        compared
    }
}

fn check(arch: Arch) {
    let mut errors = Vec::new();
    let compared: usize = units().iter().map(|unit| unit.check(arch, &mut errors)).sum();
    assert!(errors.is_empty(), "{} of {compared} wrong:\n{}", errors.len(), errors.join("\n"));
    assert!(compared > 2500, "only {compared} numbers compared");
}

#[test]
fn i386_headers_agree() {
    check(Arch::I386);
}

#[test]
fn x86_64_headers_agree() {
    check(Arch::X86_64);
}

/// Sizes of what no public header has, with where the number comes from.
#[test]
fn private_structures() {
    // sigaction(2) of i386: three words and 64 bits.
    assert_eq!(size_of::<signal::SigactionI386>(), 20);
    // SDM volume 1, 10.5.1: the fxsave area.
    assert_eq!(size_of::<sigframe::FxsaveI386>(), 512);
    // 116: five words, 88 of sigcontext, 8 of mask.
    assert_eq!(size_of::<sigframe::UcontextI386>(), 116);
    // What gdb's unwinder expects of i386: registers at 8 of the one frame, ucontext at 144 of the other.
    let offset = |fields: &[Field], name| fields.iter().find(|field| field.name == name).unwrap().offset;
    assert_eq!(offset(sigframe::SigframeI386::FIELDS, "sc"), 8);
    assert_eq!(offset(sigframe::RtSigframeI386::FIELDS, "info"), 16);
    assert_eq!(offset(sigframe::RtSigframeI386::FIELDS, "uc"), 144);
    assert_eq!(offset(sigframe::RtSigframeX86_64::FIELDS, "info"), 312);
    assert_eq!(size_of::<sigframe::RtSigframeX86_64>(), 440);
    // mmap(2), select(2): six and five words.
    assert_eq!(size_of::<mman::MmapArgsI386>(), 24);
    assert_eq!(size_of::<poll::SelectArgsI386>(), 20);
    // getdents(2): "char d_name[]" follows at these offsets.
    assert_eq!(size_of::<dirent::LinuxDirent64>(), 19);
    assert_eq!(size_of::<dirent::LinuxDirentI386>(), 10);
    assert_eq!(size_of::<dirent::LinuxDirentX86_64>(), 18);
}

#[rustfmt::skip] // One header set a paragraph.
fn units() -> Vec<Unit> {
    vec![
        unit("linux/aio_abi.h")
            .constants(aio::IOCB_CMDS, ENUM)
            .layout::<aio::Iocb>()
            .layout::<aio::IoEvent>(),
        unit("linux/kcmp.h")
            .constants(aio::KCMP, ENUM),
        unit("linux/ioprio.h")
            .constants(aio::IOPRIO_CLASSES, ENUM)
            .constants(aio::IOPRIO_WHO, ENUM)
            .constants(aio::IOPRIO_SHIFTS, MACRO),
        unit("linux/capability.h")
            .constants(capability::CAPS, MACRO)
            .constants(capability::CAP_LIMITS, MACRO)
            .constants(capability::CAP_VERSIONS, MACRO)
            .layout::<capability::CapHeader>()
            .layout::<capability::CapData>(),
        unit("dirent.h")
            .constants(dirent::D_TYPES, MACRO),
        unit("-D_GNU_SOURCE dirent.h")
            .layout::<dirent::LinuxDirent64>()
            .layout::<dirent::LinuxDirentI386>()
            .layout::<dirent::LinuxDirentX86_64>()
            .layout::<dirent::OldLinuxDirentI386>(),
        unit("linux/elf.h")
            .constants(elf::E_IDENT, MACRO)
            .constants(elf::ELF_CLASSES, MACRO)
            .constants(elf::ELF_DATA, MACRO)
            .constants(elf::ELF_OSABI, MACRO)
            .constants(elf::EV, MACRO)
            .constants(elf::ET, MACRO)
            .constants(elf::EM, MACRO)
            .constants(elf::PT, MACRO)
            .constants(elf::PN, MACRO)
            .constants(elf::SHT, MACRO)
            .constants(elf::DT, MACRO)
            .constants(elf::ST_INFO, MACRO)
            .constants(elf::SHN, MACRO)
            .constants(elf::NT, MACRO)
            .flags::<elf::PhdrFlags>(elf::PhdrFlags::PREFIX, MACRO)
            .flags::<elf::ShdrFlags>(elf::ShdrFlags::PREFIX, MACRO)
            .layout::<elf::Elf32Ehdr>()
            .layout::<elf::Elf64Ehdr>()
            .layout::<elf::Elf32Phdr>()
            .layout::<elf::Elf64Phdr>()
            .layout::<elf::Elf32Shdr>()
            .layout::<elf::Elf64Shdr>()
            .layout::<elf::Elf32Sym>()
            .layout::<elf::Elf64Sym>()
            .layout::<elf::Elf32Dyn>()
            .layout::<elf::Elf64Dyn>()
            .layout::<elf::ElfNhdr>(),
        unit("linux/auxvec.h asm/auxvec.h")
            .constants(elf::AUXV, MACRO),
        unit("linux/fcntl.h linux/eventpoll.h")
            .flags::<epoll::EpollEvents>(epoll::EpollEvents::PREFIX, MACRO)
            .flags::<epoll::EpollCreate>(epoll::EpollCreate::PREFIX, MACRO)
            .constants(epoll::EPOLL_CTL, MACRO)
            .layout::<epoll::EpollEvent>(),
        unit("sys/eventfd.h")
            .flags::<eventfd::EventfdFlags>(eventfd::EventfdFlags::PREFIX, MACRO),
        unit("linux/fcntl.h linux/openat2.h linux/close_range.h")
            .flags::<fcntl::OFlags>(fcntl::OFlags::PREFIX, MACRO)
            .flags::<fcntl::AtFlags>(fcntl::AtFlags::PREFIX, MACRO)
            .flags::<fcntl::FdFlags>(fcntl::FdFlags::PREFIX, MACRO)
            .flags::<fcntl::FlockOp>(fcntl::FlockOp::PREFIX, MACRO)
            .flags::<fcntl::Seals>(fcntl::Seals::PREFIX, MACRO)
            .flags::<fcntl::Resolve>(fcntl::Resolve::PREFIX, MACRO)
            .flags::<fcntl::CloseRange>(fcntl::CloseRange::PREFIX, MACRO)
            .flags::<fcntl::DirNotify>(fcntl::DirNotify::PREFIX, MACRO)
            .constants(fcntl::AT, MACRO)
            .constants(fcntl::FCNTL_COMMANDS, MACRO)
            .constants(fcntl::LOCK_TYPES, MACRO)
            .constants(fcntl::OWNER_TYPES, MACRO),
        unit("linux/fs.h linux/fiemap.h")
            .constants(fcntl::WHENCE, MACRO)
            .flags::<fs::RenameFlags>(fs::RenameFlags::PREFIX, MACRO)
            .flags::<fs::FsFlags>(fs::FsFlags::PREFIX, MACRO)
            .constants(fs::FS_IOCTLS, MACRO)
            .constants(fs::BLOCK_IOCTLS, MACRO)
            .layout::<fs::Fsxattr>()
            .layout::<fs::FileCloneRange>()
            .layout::<fs::FstrimRange>()
            .layout::<fs::Fiemap>()
            .layout::<fs::FiemapExtent>()
            .flags::<uio::RwFlags>(uio::RwFlags::PREFIX, MACRO)
            .flags::<uio::SyncFileRange>(uio::SyncFileRange::PREFIX, MACRO),
        unit("unistd.h")
            .constants(fcntl::ACCESS, MACRO),
        unit("linux/fadvise.h")
            .constants(fcntl::FADVICE, MACRO),
        unit("linux/fcntl.h linux/openat2.h")
            .layout::<fcntl::FlockI386>()
            .layout::<fcntl::Flock64I386>()
            .layout::<fcntl::FlockX86_64>()
            .layout::<fcntl::FOwnerEx>()
            .layout::<fcntl::OpenHow>(),
        unit("linux/falloc.h")
            .flags::<fs::FallocFlags>(fs::FallocFlags::PREFIX, MACRO),
        unit("linux/loop.h")
            .constants(fs::LOOP_IOCTLS, MACRO),
        unit("linux/major.h")
            .constants(fs::MAJORS, MACRO),
        unit("linux/futex.h")
            .constants(futex::FUTEX_COMMANDS, MACRO)
            .constants(futex::FUTEX_OPTIONS, MACRO)
            .constants(futex::FUTEX_WORD, MACRO)
            .constants(futex::FUTEX_OPS, MACRO)
            .constants(futex::FUTEX_OP_COMPARISONS, MACRO)
            .constants(futex::FUTEX_LIMITS, MACRO)
            .constants(futex::FUTEX2, MACRO)
            .layout::<futex::RobustListHeadI386>()
            .layout::<futex::RobustListHeadX86_64>()
            .layout::<futex::FutexWaitv>(),
        unit("linux/rseq.h")
            .constants(futex::RSEQ, ENUM)
            .layout::<futex::Rseq>()
            .layout::<futex::RseqCs>(),
        unit("linux/in.h linux/in6.h")
            .constants(inet::IPPROTO, ENUM)
            .constants(inet::INADDR, MACRO)
            .constants(inet::IP_SOCKOPTS, MACRO)
            .constants(inet::IP_PMTUDISC, MACRO)
            .constants(inet::IPV6_SOCKOPTS, MACRO)
            .layout::<inet::SockaddrIn>()
            .layout::<inet::SockaddrIn6>()
            .layout::<inet::IpMreq>()
            .layout::<inet::IpMreqn>()
            .layout::<inet::InPktinfo>()
            .layout::<inet::Ipv6Mreq>(),
        unit("linux/tcp.h linux/udp.h")
            .constants(inet::TCP_SOCKOPTS, MACRO)
            .constants(inet::UDP_SOCKOPTS, MACRO)
            .constants(inet::TCPI_OPTIONS, MACRO),
        unit("netinet/tcp.h")
            .constants(inet::TCP_STATES, ENUM),
        unit("linux/icmp.h linux/icmpv6.h")
            .constants(inet::ICMP_TYPES, MACRO)
            .constants(inet::ICMP_SOCKOPTS, MACRO),
        unit("linux/ipv6.h")
            .layout::<inet::In6Pktinfo>(),
        unit("linux/time.h linux/time_types.h linux/errqueue.h")
            .layout::<inet::SockExtendedErr>(),
        unit("linux/tcp.h")
            .layout::<inet::TcpInfo>(),
        unit("linux/fcntl.h linux/inotify.h")
            .flags::<inotify::InotifyMask>(inotify::InotifyMask::PREFIX, MACRO)
            .flags::<inotify::InotifyInit>(inotify::InotifyInit::PREFIX, MACRO)
            .layout::<inotify::InotifyEvent>(),
        unit("linux/termios.h linux/types.h linux/serial.h")
            .constants(ioctl::FILE_IOCTLS, MACRO)
            .constants(ioctl::TTY_IOCTLS, MACRO)
            .constants(ioctl::TTY_IOCTL_ALIASES, MACRO)
            .constants(ioctl::TIOCPKT_BITS, MACRO)
            .constants(ioctl::TIOCM, MACRO),
        unit("linux/ipc.h")
            .constants(ipc::IPC_CALLS, MACRO)
            .constants(ipc::IPC_COMMANDS, MACRO)
            .constants(ipc::IPC_KEYS, MACRO)
            .flags::<ipc::IpcFlags>(ipc::IpcFlags::PREFIX, MACRO),
        unit("linux/shm.h")
            .flags::<ipc::ShmFlags>(ipc::ShmFlags::PREFIX, MACRO)
            .constants(ipc::SHM_COMMANDS, MACRO)
            .constants(ipc::SHM_MODES, MACRO)
            .constants(ipc::SHM_LIMITS, MACRO),
        unit("linux/sem.h")
            .flags::<ipc::SemFlags>(ipc::SemFlags::PREFIX, MACRO)
            .constants(ipc::SEM_COMMANDS, MACRO)
            .constants(ipc::SEM_LIMITS, MACRO),
        unit("linux/msg.h")
            .flags::<ipc::MsgrcvFlags>(ipc::MsgrcvFlags::PREFIX, MACRO)
            .constants(ipc::MSG_COMMANDS, MACRO)
            .constants(ipc::MSG_LIMITS, MACRO),
        unit("linux/ipc.h linux/sem.h linux/msg.h linux/shm.h asm/ipcbuf.h")
            .layout::<ipc::Ipc64PermI386>()
            .layout::<ipc::Ipc64PermX86_64>()
            .layout::<ipc::IpcPermI386>()
            .layout::<ipc::Shmid64DsI386>()
            .layout::<ipc::Shmid64DsX86_64>()
            .layout::<ipc::Shminfo64I386>()
            .layout::<ipc::Shminfo64X86_64>()
            .layout::<ipc::ShmInfoI386>()
            .layout::<ipc::ShmInfoX86_64>()
            .layout::<ipc::Semid64DsI386>()
            .layout::<ipc::Semid64DsX86_64>()
            .layout::<ipc::Sembuf>()
            .layout::<ipc::Seminfo>()
            .layout::<ipc::Msqid64DsI386>()
            .layout::<ipc::Msqid64DsX86_64>()
            .layout::<ipc::Msginfo>()
            .layout::<ipc::IpcKludgeI386>(),
        unit("linux/mqueue.h")
            .layout::<ipc::MqAttrI386>()
            .layout::<ipc::MqAttrX86_64>(),
        unit("linux/limits.h")
            .constants(limits::LIMITS, MACRO)
            .constants(xattr::XATTR_LIMITS, MACRO),
        unit("linux/mman.h asm/mman.h")
            .flags::<mman::Prot>(mman::Prot::PREFIX, MACRO)
            .flags::<mman::MapFlags>(mman::MapFlags::PREFIX, MACRO)
            .flags::<mman::MremapFlags>(mman::MremapFlags::PREFIX, MACRO)
            .flags::<mman::MsyncFlags>(mman::MsyncFlags::PREFIX, MACRO)
            .flags::<mman::MclFlags>(mman::MclFlags::PREFIX, MACRO)
            .flags::<mman::MlockFlags>(mman::MlockFlags::PREFIX, MACRO)
            .constants(mman::MADVICE, MACRO)
            .constants(mman::MAP_HUGE, MACRO)
            .constants(mman::OVERCOMMIT, MACRO)
            .constants(mman::PKEY_RIGHTS, MACRO),
        unit("linux/memfd.h")
            .flags::<mman::MemfdFlags>(mman::MemfdFlags::PREFIX, MACRO),
        unit("linux/mempolicy.h")
            .constants(mman::MEMPOLICIES, ENUM),
        unit("linux/membarrier.h")
            .flags::<mman::Membarrier>(mman::Membarrier::PREFIX, ENUM),
        unit("linux/mman.h")
            .layout::<mman::MmapArgsI386>(),
        unit("linux/fcntl.h linux/mount.h")
            .flags::<mount::MountFlags>(mount::MountFlags::PREFIX, MACRO)
            .flags::<mount::OpenTreeFlags>(mount::OpenTreeFlags::PREFIX, MACRO)
            .constants(mount::MS_MAGIC, MACRO),
        unit("sys/mount.h")
            .flags::<mount::UmountFlags>(mount::UmountFlags::PREFIX, ENUM),
        unit("sys/socket.h linux/if.h linux/if_arp.h asm/ioctls.h linux/sockios.h")
            .flags::<netdevice::IffFlags>(netdevice::IffFlags::PREFIX, MACRO)
            .constants(netdevice::ARPHRD, MACRO)
            .constants(netdevice::SOCKIOS, MACRO)
            .constants(netdevice::IF_NAME, MACRO)
            .constants(netdevice::IF_OPER, ENUM)
            .layout::<netdevice::IfreqI386>()
            .layout::<netdevice::IfreqX86_64>()
            .layout::<netdevice::IfconfI386>()
            .layout::<netdevice::IfconfX86_64>(),
        unit("linux/if_packet.h")
            .layout::<netdevice::SockaddrLl>(),
        unit("sys/socket.h linux/ioctl.h linux/if.h linux/if_tun.h")
            .constants(netdevice::TUN_IOCTLS, MACRO)
            .constants(netdevice::TUN_FLAGS, MACRO),
        unit("linux/netlink.h")
            .constants(netlink::NETLINK, MACRO)
            .constants(netlink::NLMSG, MACRO)
            .constants(netlink::NETLINK_OPTIONS, MACRO)
            .flags::<netlink::NlmFlags>(netlink::NlmFlags::PREFIX, MACRO)
            .flags::<netlink::NlmNewFlags>(netlink::NlmNewFlags::PREFIX, MACRO),
        unit("linux/socket.h linux/rtnetlink.h linux/if_link.h linux/if_addr.h")
            .constants(netlink::RTM, ENUM)
            .constants(netlink::IFLA, ENUM)
            .constants(netlink::IFA, ENUM)
            .constants(netlink::IFA_FLAG_BITS, MACRO)
            .constants(netlink::RTA, ENUM)
            .constants(netlink::RT_TABLES, ENUM)
            .constants(netlink::RTPROT, MACRO)
            .constants(netlink::RT_SCOPES, ENUM)
            .constants(netlink::RTN, ENUM)
            .constants(netlink::RTMGRP, MACRO)
            .layout::<netlink::SockaddrNl>()
            .layout::<netlink::Nlmsghdr>()
            .layout::<netlink::Nlmsgerr>()
            .layout::<netlink::Rtattr>()
            .layout::<netlink::Rtgenmsg>()
            .layout::<netlink::Ifinfomsg>()
            .layout::<netlink::Ifaddrmsg>()
            .layout::<netlink::IfaCacheinfo>()
            .layout::<netlink::Rtmsg>(),
        unit("linux/personality.h")
            .flags::<personality::PersonalityFlags>(personality::PersonalityFlags::PREFIX, ENUM)
            .constants(personality::PERSONALITIES, ENUM),
        unit("asm/poll.h")
            .flags::<poll::PollEvents>(poll::PollEvents::PREFIX, MACRO)
            .layout::<poll::Pollfd>(),
        unit("linux/posix_types.h")
            .layout::<poll::SelectArgsI386>(),
        unit("linux/prctl.h asm/prctl.h")
            .constants(prctl::PRCTL, MACRO)
            .constants(prctl::PR_CAP_AMBIENT_OPS, MACRO)
            .constants(prctl::PR_TSC, MACRO)
            .constants(prctl::PR_SET_VMA_OPS, MACRO)
            .constants(prctl::PR_SET_MM_OPS, MACRO)
            .constants(prctl::ARCH_PRCTL, MACRO),
        unit("linux/seccomp.h linux/audit.h")
            .constants(prctl::SECCOMP_MODES, MACRO)
            .constants(prctl::SECCOMP_OPS, MACRO)
            .constants(prctl::SECCOMP_RET, MACRO)
            .constants(prctl::AUDIT_ARCH, MACRO)
            .layout::<prctl::SeccompData>(),
        unit("linux/securebits.h")
            .flags::<prctl::SecureBits>(prctl::SecureBits::PREFIX, MACRO),
        unit("linux/ptrace.h asm/ptrace.h")
            .constants(ptrace::PTRACE_REQUESTS, MACRO)
            .constants(ptrace::PTRACE_EVENTS, MACRO)
            .constants(ptrace::PTRACE_SYSCALL_OPS, MACRO)
            .flags::<ptrace::PtraceOptions>(ptrace::PtraceOptions::PREFIX, MACRO),
        unit("sys/user.h")
            .layout::<ptrace::UserRegsI386>()
            .layout::<ptrace::UserRegsX86_64>()
            .layout::<ptrace::UserFpregsI386>()
            .layout::<ptrace::UserFpxregsI386>()
            .layout::<ptrace::UserFpregsX86_64>()
            .layout::<ptrace::UserI386>()
            .layout::<ptrace::UserX86_64>(),
        unit("linux/ptrace.h")
            .layout::<ptrace::PtraceSyscallInfo>()
            .layout::<ptrace::PtracePeeksiginfoArgs>(),
        unit("sys/procfs.h")
            .layout::<ptrace::ElfPrstatusI386>()
            .layout::<ptrace::ElfPrstatusX86_64>(),
        unit("linux/random.h")
            .flags::<random::GrndFlags>(random::GrndFlags::PREFIX, MACRO)
            .constants(random::RND_IOCTLS, MACRO),
        unit("linux/time.h linux/resource.h")
            .constants(resource::RLIMITS, MACRO)
            .constants(resource::RUSAGE_WHO, MACRO)
            .constants(resource::PRIO, MACRO)
            .layout::<resource::RlimitI386>()
            .layout::<resource::Rlimit64>()
            .layout::<resource::RusageI386>()
            .layout::<resource::RusageX86_64>(),
        unit("linux/sched.h")
            .flags::<sched::CloneFlags>(sched::CloneFlags::PREFIX, MACRO)
            .flags::<sched::SchedFlags>(sched::SchedFlags::PREFIX, MACRO)
            .constants(sched::CLONE_MASKS, MACRO)
            .constants(sched::SCHED_POLICIES, MACRO)
            .constants(sched::CLONE_ARGS_SIZES, MACRO),
        unit("linux/sched.h linux/sched/types.h")
            .layout::<sched::CloneArgs>()
            .layout::<sched::SchedParam>()
            .layout::<sched::SchedAttr>(),
        unit("asm/sigcontext.h")
            .constants(sigframe::FP_MAGIC, MACRO)
            .constants(sigframe::FPSTATE_MAGIC, MACRO)
            .layout::<sigframe::FpxSwBytes>()
            .layout::<sigframe::FpstateI386>()
            .layout::<sigframe::FxsaveI386>()
            .layout::<sigframe::FpstateX86_64>()
            .layout::<sigframe::XstateHeader>()
            .layout::<sigframe::YmmhState>()
            .layout::<sigframe::SigcontextI386>()
            .layout::<sigframe::SigcontextX86_64>(),
        unit("linux/signal.h asm/sigcontext.h asm/ucontext.h")
            .flags::<sigframe::UcFlags>(sigframe::UcFlags::PREFIX, MACRO)
            .layout::<sigframe::UcontextI386>()
            .layout::<sigframe::UcontextX86_64>()
            .layout::<sigframe::SigframeI386>()
            .layout::<sigframe::RtSigframeI386>()
            .layout::<sigframe::RtSigframeX86_64>(),
        unit("linux/signal.h asm-generic/siginfo.h")
            .constants(signal::SIGNALS, MACRO)
            .constants(signal::SIGNAL_ALIASES, MACRO)
            .constants(signal::MASK_HOW, MACRO)
            .constants(signal::HANDLERS, MACRO)
            .constants(signal::SI_CODES, MACRO)
            .constants(signal::ILL_CODES, MACRO)
            .constants(signal::FPE_CODES, MACRO)
            .constants(signal::SEGV_CODES, MACRO)
            .constants(signal::BUS_CODES, MACRO)
            .constants(signal::TRAP_CODES, MACRO)
            .constants(signal::CLD_CODES, MACRO)
            .constants(signal::POLL_CODES, MACRO)
            .constants(signal::SYS_CODES, MACRO)
            .constants(signal::SIGEV, MACRO)
            .constants(signal::STACK_SIZES, MACRO)
            .flags::<signal::SaFlags>(signal::SaFlags::PREFIX, MACRO)
            .flags::<signal::SsFlags>(signal::SsFlags::PREFIX, MACRO)
            .layout::<signal::SigactionI386>()
            .layout::<signal::OldSigactionI386>()
            .layout::<signal::SigactionX86_64>()
            .layout::<signal::SigaltstackI386>()
            .layout::<signal::SigaltstackX86_64>()
            .layout::<signal::SigeventI386>()
            .layout::<signal::SigeventX86_64>()
            .layout::<signal::SigsetArgI386>()
            .layout::<signal::SigsetArgX86_64>(),
        unit("linux/fcntl.h linux/signalfd.h")
            .flags::<signalfd::SignalfdFlags>(signalfd::SignalfdFlags::PREFIX, MACRO)
            .layout::<signalfd::SignalfdSiginfo>(),
        unit("-D_GNU_SOURCE sys/socket.h")
            .constants(socket::FAMILIES, MACRO)
            .constants(socket::FAMILY_ALIASES, MACRO)
            .constants(socket::SOCKET_TYPES, MACRO)
            .constants(socket::SHUTDOWN, MACRO)
            .constants(socket::BACKLOG, MACRO)
            .constants(socket::SCM, MACRO)
            .flags::<socket::SockFlags>(socket::SockFlags::PREFIX, MACRO)
            .flags::<socket::MsgFlags>(socket::MsgFlags::PREFIX, MACRO)
            .layout::<socket::MsghdrI386>()
            .layout::<socket::MsghdrX86_64>()
            .layout::<socket::MmsghdrI386>()
            .layout::<socket::MmsghdrX86_64>()
            .layout::<socket::CmsghdrI386>()
            .layout::<socket::CmsghdrX86_64>()
            .layout::<socket::Ucred>()
            .layout::<socket::Linger>()
            .layout::<socket::SockaddrStorage>(),
        unit("-D_GNU_SOURCE sys/socket.h netinet/in.h netinet/tcp.h netinet/udp.h")
            .constants(socket::SOL, MACRO),
        unit("linux/net.h")
            .constants(socket::SOCKETCALLS, MACRO),
        unit("linux/un.h")
            .layout::<socket::SockaddrUn>(),
        unit("linux/vm_sockets.h")
            .layout::<socket::SockaddrVm>(),
        unit("linux/posix_types.h asm/socket.h")
            .constants(sockopt::SO, MACRO),
        unit("linux/stat.h")
            .constants(stat::FILE_TYPES, MACRO)
            .constants(stat::PERMISSIONS, MACRO)
            .flags::<stat::StatxMask>(stat::StatxMask::PREFIX, MACRO)
            .flags::<stat::StatxAttributes>(stat::StatxAttributes::PREFIX, MACRO),
        unit("linux/stat.h asm/stat.h")
            .layout::<stat::Stat64I386>()
            .layout::<stat::StatI386>()
            .layout::<stat::OldStatI386>()
            .layout::<stat::StatX86_64>()
            .layout::<stat::StatxTimestamp>()
            .layout::<stat::Statx>(),
        unit("linux/magic.h")
            .constants(statfs::MAGICS, MACRO),
        unit("-D_GNU_SOURCE sys/statvfs.h")
            .flags::<statfs::StFlags>(statfs::StFlags::PREFIX, MACRO),
        unit("asm/statfs.h")
            .layout::<statfs::StatfsI386>()
            .layout::<statfs::Statfs64I386>()
            .layout::<statfs::StatfsX86_64>(),
        unit("sys/types.h")
            .layout::<statfs::UstatI386>(),
        unit("linux/sysinfo.h")
            .layout::<sysinfo::SysinfoI386>()
            .layout::<sysinfo::SysinfoX86_64>()
            .constants(sysinfo::SI_LOAD, MACRO),
        unit("linux/reboot.h")
            .constants(sysinfo::REBOOT_MAGICS, MACRO)
            .constants(sysinfo::REBOOT_COMMANDS, MACRO),
        unit("linux/types.h")
            .constants(sysinfo::SYSLOG_ACTIONS, MACRO),
        unit("linux/termios.h")
            .flags::<termios::InputFlags>(termios::InputFlags::PREFIX, MACRO)
            .flags::<termios::OutputFlags>(termios::OutputFlags::PREFIX, MACRO)
            .flags::<termios::ControlFlags>(termios::ControlFlags::PREFIX, MACRO)
            .flags::<termios::LocalFlags>(termios::LocalFlags::PREFIX, MACRO)
            .constants(termios::CONTROL_CHARS, MACRO)
            .constants(termios::BAUD, MACRO)
            .constants(termios::BAUD_SHIFT, MACRO)
            .constants(termios::TCXONC_ARGS, MACRO)
            .constants(termios::TCFLSH_ARGS, MACRO)
            .layout::<termios::Termios>()
            .layout::<termios::Termios2>()
            .layout::<termios::Termio>()
            .layout::<termios::Winsize>(),
        unit("linux/tty.h")
            .constants(termios::LINE_DISCIPLINES, MACRO),
        unit("linux/time.h")
            .constants(time::CLOCKS, MACRO)
            .constants(time::ITIMERS, MACRO)
            .flags::<time::TimerFlags>(time::TimerFlags::PREFIX, MACRO),
        unit("-D_GNU_SOURCE sys/stat.h")
            .constants(time::UTIME, MACRO),
        unit("linux/timex.h")
            .flags::<time::AdjMode>(time::AdjMode::PREFIX, MACRO)
            .flags::<time::ClockStatus>(time::ClockStatus::PREFIX, MACRO)
            .constants(time::CLOCK_STATES, MACRO),
        unit("linux/time.h linux/times.h linux/utime.h linux/timex.h")
            .layout::<time::Timespec32>()
            .layout::<time::Timespec64>()
            .layout::<time::Timeval32>()
            .layout::<time::Timeval64>()
            .layout::<time::Itimerval32>()
            .layout::<time::Itimerval64>()
            .layout::<time::Itimerspec32>()
            .layout::<time::Itimerspec64>()
            .layout::<time::Timezone>()
            .layout::<time::TmsI386>()
            .layout::<time::TmsX86_64>()
            .layout::<time::Utimbuf32>()
            .layout::<time::Utimbuf64>()
            .layout::<time::Timex32>()
            .layout::<time::Timex64>(),
        unit("linux/fcntl.h linux/timerfd.h")
            .flags::<timerfd::TimerfdFlags>(timerfd::TimerfdFlags::PREFIX, MACRO)
            .constants(timerfd::TIMERFD_IOCTLS, MACRO),
        unit("linux/uio.h")
            .layout::<uio::IovecI386>()
            .layout::<uio::IovecX86_64>()
            .constants(uio::UIO_LIMITS, MACRO),
        unit("-D_GNU_SOURCE fcntl.h")
            .flags::<uio::SpliceFlags>(uio::SpliceFlags::PREFIX, MACRO),
        unit("asm/ldt.h")
            .layout::<user_desc::UserDesc>()
            .constants(user_desc::LDT, MACRO)
            .constants(user_desc::MODIFY_LDT_CONTENTS, MACRO),
        unit("linux/utsname.h")
            .layout::<utsname::NewUtsname>()
            .layout::<utsname::OldUtsname>()
            .layout::<utsname::OldoldUtsname>()
            .constants(utsname::UTS_LEN, MACRO),
        unit("linux/kd.h linux/vt.h")
            .constants(vt::KD_IOCTLS, MACRO)
            .constants(vt::KD_MODES, MACRO)
            .constants(vt::KB_TYPES, MACRO)
            .constants(vt::KB_MODES, MACRO)
            .constants(vt::KB_META, MACRO)
            .constants(vt::KB_LEDS, MACRO)
            .constants(vt::VT_IOCTLS, MACRO)
            .constants(vt::VT_MODES, MACRO)
            .constants(vt::VT_LIMITS, MACRO)
            .layout::<vt::VtMode>()
            .layout::<vt::VtStat>()
            .layout::<vt::VtSizes>()
            .layout::<vt::Kbentry>()
            .layout::<vt::KbdRepeat>(),
        unit("linux/wait.h")
            .flags::<wait::WaitOptions>(wait::WaitOptions::PREFIX, MACRO)
            .constants(wait::WAIT_ALIASES, MACRO)
            .constants(wait::ID_TYPES, MACRO),
        unit("linux/xattr.h")
            .flags::<xattr::XattrFlags>(xattr::XattrFlags::PREFIX, MACRO),
        unit("linux/xattr.h linux/posix_acl.h linux/posix_acl_xattr.h")
            .constants(xattr::ACL_XATTR, MACRO)
            .constants(xattr::ACL_TAGS, MACRO),
    ]
}
