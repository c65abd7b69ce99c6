//! The system-call table and its handlers, one file per family.
//!
//! A handler is short: decode raw arguments into types, one call into a subsystem, encode. The table says for each
//! call how much of it there is; what is not in the table answers `ENOSYS` and is logged once.

mod args;
pub mod attr;
pub mod cred;
pub mod event;
pub mod fcntl;
pub mod file;
pub mod limits;
pub mod misc;
pub mod mm;
pub mod path;
pub mod poll;
pub mod process;
pub mod sched;
pub mod signal;
pub mod socket;
pub mod thread_area;
pub mod time;
pub mod transfer;

pub use args::{Args, NSEC, TimeWidth};

use crate::file::Result;
use crate::task::{Arch, Task};
use attr::XattrOn;
use linux_abi::{Errno, Sysno};
use std::rc::Rc;

/// How much of a call there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// Behaves as Linux for everything programs were seen to do.
    Full,
    /// Something is missing; the text says what.
    Partial(&'static str),
    /// `ENOSYS`.
    Missing,
}

/// Writes the dispatcher and the support table from one list.
macro_rules! calls {
    (
        ($task:ident, $a:ident)
        full { $($full:pat => $full_call:expr;)* }
        partial { $($partial:pat, $what:literal => $partial_call:expr;)* }
    ) => {
        async fn call($task: &Rc<Task>, number: Sysno, $a: &Args) -> Option<Result<u64>> {
            use Sysno::*;
            Some(match number {
                $($full => $full_call,)*
                $($partial => $partial_call,)*
                _ => return None,
            })
        }

        /// How much of a call there is.
        pub fn support(number: Sysno) -> Support {
            use Sysno::*;
            match number {
                $($full => Support::Full,)*
                $($partial => Support::Partial($what),)*
                _ => Support::Missing,
            }
        }
    };
}

use TimeWidth::{W32, W64};

/// The sign-extended low 16 bits of an id argument, where all ones mean "leave alone".
fn id16(a: &Args, i: usize) -> u32 {
    match a.uint(i) as u16 {
        u16::MAX => u32::MAX,
        id => u32::from(id),
    }
}

/// An id as the 16-bit calls show it: what does not fit reads as `overflowuid`.
fn show16(id: u32) -> u64 {
    u64::from(u16::try_from(id).unwrap_or(65534))
}

#[rustfmt::skip] // One call a line, in families.
calls! {
    (t, a)
    full {
        // Descriptors.
        Read => file::read(t, a).await;
        Write => file::write(t, a).await;
        Readv => file::readv(t, a).await;
        Writev => file::writev(t, a).await;
        Pread64 => file::pread64(t, a).await;
        Pwrite64 => file::pwrite64(t, a).await;
        Preadv => file::preadv(t, a).await;
        Pwritev => file::pwritev(t, a).await;
        Lseek => file::lseek(t, a).await;
        Llseek => file::llseek(t, a).await;
        Close => file::close(t, a).await;
        CloseRange => file::close_range(t, a).await;
        Dup => file::dup(t, a).await;
        Dup2 => file::dup2(t, a).await;
        Dup3 => file::dup3(t, a).await;
        Ioctl => file::ioctl(t, a).await;
        Fsync | Fdatasync => file::fsync(t, a).await;
        Sync => file::sync(t, a).await;
        Syncfs => file::syncfs(t, a).await;
        SyncFileRange => file::sync_file_range(t, a).await;
        Ftruncate => file::ftruncate(t, a.int(0), a.long(1, t.arch())).await;
        Ftruncate64 => file::ftruncate(t, a.int(0), a.wide(1, t.arch())).await;
        Fallocate => file::fallocate(t, a).await;
        Fadvise64 => file::fadvise(t, a.int(0), a.uint(if t.arch() == Arch::I386 { 4 } else { 3 })).await;
        Fadvise6464 => file::fadvise(t, a.int(0), a.uint(5)).await;
        Readahead => file::readahead(t, a).await;
        Flock => file::flock(t, a).await;
        Sendfile => transfer::sendfile(t, a).await;
        Sendfile64 => transfer::sendfile64(t, a).await;
        Splice => transfer::splice(t, a).await;
        Tee => transfer::tee(t, a).await;
        Vmsplice => transfer::vmsplice(t, a).await;
        CopyFileRange => transfer::copy_file_range(t, a).await;
        Getdents => file::getdents(t, a).await;
        Getdents64 => file::getdents64(t, a).await;
        Pipe => event::pipe(t, a).await;
        Pipe2 => event::pipe2(t, a).await;
        // Paths.
        Open => Box::pin(path::open(t, a)).await;
        Openat => Box::pin(path::openat(t, a)).await;
        Creat => Box::pin(path::creat(t, a)).await;
        Truncate => path::truncate(t, a.word(0), a.long(1, t.arch())).await;
        Truncate64 => path::truncate(t, a.word(0), a.wide(1, t.arch())).await;
        Mkdir => path::mkdir(t, a).await;
        Mkdirat => path::mkdirat(t, a).await;
        Mknod => path::mknod(t, a).await;
        Mknodat => path::mknodat(t, a).await;
        Symlink => path::symlink(t, a).await;
        Symlinkat => path::symlinkat(t, a).await;
        Link => path::link(t, a).await;
        Linkat => path::linkat(t, a).await;
        Unlink => path::unlink(t, a).await;
        Rmdir => path::rmdir(t, a).await;
        Unlinkat => path::unlinkat(t, a).await;
        Rename => Box::pin(path::rename(t, a)).await;
        Renameat => Box::pin(path::renameat(t, a)).await;
        Renameat2 => Box::pin(path::renameat2(t, a)).await;
        Readlink => path::readlink(t, a).await;
        Readlinkat => path::readlinkat(t, a).await;
        Access => path::access(t, a).await;
        Faccessat => path::faccessat(t, a).await;
        Faccessat2 => path::faccessat2(t, a).await;
        Chdir => path::chdir(t, a).await;
        Fchdir => path::fchdir(t, a).await;
        Chroot => path::chroot(t, a).await;
        Getcwd => path::getcwd(t, a).await;
        Umask => path::umask(t, a).await;
        // Attributes.
        Newstat => attr::newstat(t, a).await;
        Newlstat => attr::newlstat(t, a).await;
        Newfstat => attr::newfstat(t, a).await;
        Stat64 => attr::stat64(t, a).await;
        Lstat64 => attr::lstat64(t, a).await;
        Fstat64 => attr::fstat64(t, a).await;
        Fstatat64 | Newfstatat => attr::fstatat(t, a).await;
        Statx => attr::statx(t, a).await;
        Chmod => attr::chmod(t, a).await;
        Fchmod => attr::fchmod(t, a).await;
        Fchmodat => attr::fchmodat(t, a).await;
        Fchmodat2 => attr::fchmodat2(t, a).await;
        Chown => attr::chown(t, a).await;
        Lchown => attr::lchown(t, a).await;
        Fchown => attr::fchown(t, a).await;
        Chown16 => attr::chown(t, &attr::widen_ids(a)).await;
        Lchown16 => attr::lchown(t, &attr::widen_ids(a)).await;
        Fchown16 => attr::fchown(t, &attr::widen_ids(a)).await;
        Fchownat => attr::fchownat(t, a).await;
        Utimensat => attr::utimensat(t, a, W64).await;
        Utimensat32 => attr::utimensat(t, a, W32).await;
        Utimes | Utimes32 => attr::utimes(t, a).await;
        Futimesat | Futimesat32 => attr::futimesat(t, a).await;
        Utime | Utime32 => attr::utime(t, a).await;
        Statfs => attr::statfs(t, a).await;
        Fstatfs => attr::fstatfs(t, a).await;
        Statfs64 => attr::statfs64(t, a).await;
        Fstatfs64 => attr::fstatfs64(t, a).await;
        Getxattr => attr::getxattr(t, a, XattrOn::Path).await;
        Lgetxattr => attr::getxattr(t, a, XattrOn::Link).await;
        Fgetxattr => attr::getxattr(t, a, XattrOn::Descriptor).await;
        Setxattr => attr::setxattr(t, a, XattrOn::Path).await;
        Lsetxattr => attr::setxattr(t, a, XattrOn::Link).await;
        Fsetxattr => attr::setxattr(t, a, XattrOn::Descriptor).await;
        Listxattr => attr::listxattr(t, a, XattrOn::Path).await;
        Llistxattr => attr::listxattr(t, a, XattrOn::Link).await;
        Flistxattr => attr::listxattr(t, a, XattrOn::Descriptor).await;
        Removexattr => attr::removexattr(t, a, XattrOn::Path).await;
        Lremovexattr => attr::removexattr(t, a, XattrOn::Link).await;
        Fremovexattr => attr::removexattr(t, a, XattrOn::Descriptor).await;
        // Memory.
        Mmap => mm::mmap(t, a).await;
        Mmap2 => mm::mmap2(t, a).await;
        OldMmap => mm::old_mmap(t, a).await;
        Munmap => mm::munmap(t, a).await;
        Mprotect => mm::mprotect(t, a).await;
        Brk => mm::brk(t, a).await;
        Msync => mm::msync(t, a).await;
        Mlock | Mlock2 | Munlock => mm::mlock(t, a).await;
        Mlockall => mm::mlockall(a);
        Munlockall => Ok(0);
        ProcessVmReadv => mm::process_vm(t, a, false).await;
        ProcessVmWritev => mm::process_vm(t, a, true).await;
        // Processes and threads.
        Fork => Box::pin(process::fork(t, a)).await;
        Vfork => Box::pin(process::vfork(t, a)).await;
        Execve => Box::pin(process::execve(t, a)).await;
        Execveat => Box::pin(process::execveat(t, a)).await;
        Exit => process::exit(t, a).await;
        ExitGroup => process::exit_group(t, a).await;
        Wait4 => process::wait4(t, a).await;
        Waitpid => process::waitpid(t, a).await;
        Waitid => process::waitid(t, a).await;
        Getrusage => process::getrusage(t, a).await;
        Times => process::times(t, a).await;
        Getpid => Ok(t.process.pid as u64);
        Gettid => Ok(t.tid as u64);
        Getppid => process::getppid(t, a).await;
        Getpgrp => Ok(t.process.group.get() as u64);
        Getpgid => process::getpgid(t, a).await;
        Getsid => process::getsid(t, a).await;
        Setpgid => process::setpgid(t, a).await;
        Setsid => process::setsid(t, a).await;
        SetTidAddress => process::set_tid_address(t, a).await;
        SetRobustList => process::set_robust_list(t, a).await;
        GetRobustList => process::get_robust_list(t, a).await;
        SetThreadArea => thread_area::set_thread_area(t, a).await;
        GetThreadArea => thread_area::get_thread_area(t, a).await;
        ArchPrctl => thread_area::arch_prctl(t, a).await;
        ModifyLdt => thread_area::modify_ldt(t, a).await;
        Getuid => Ok(t.cred().uid.into());
        Geteuid => Ok(t.cred().euid.into());
        Getgid => Ok(t.cred().gid.into());
        Getegid => Ok(t.cred().egid.into());
        Getuid16 => Ok(show16(t.cred().uid));
        Geteuid16 => Ok(show16(t.cred().euid));
        Getgid16 => Ok(show16(t.cred().gid));
        Getegid16 => Ok(show16(t.cred().egid));
        Setuid => cred::setuid(t, a.uint(0));
        Setgid => cred::setgid(t, a.uint(0));
        Setreuid => cred::setreuid(t, a.uint(0), a.uint(1));
        Setregid => cred::setregid(t, a.uint(0), a.uint(1));
        Setresuid => cred::setresuid(t, a.uint(0), a.uint(1), a.uint(2));
        Setresgid => cred::setresgid(t, a.uint(0), a.uint(1), a.uint(2));
        Setfsuid => cred::setfsuid(t, a.uint(0));
        Setfsgid => cred::setfsgid(t, a.uint(0));
        Setuid16 => cred::setuid(t, id16(a, 0));
        Setgid16 => cred::setgid(t, id16(a, 0));
        Setreuid16 => cred::setreuid(t, id16(a, 0), id16(a, 1));
        Setregid16 => cred::setregid(t, id16(a, 0), id16(a, 1));
        Setresuid16 => cred::setresuid(t, id16(a, 0), id16(a, 1), id16(a, 2));
        Setresgid16 => cred::setresgid(t, id16(a, 0), id16(a, 1), id16(a, 2));
        Setfsuid16 => cred::setfsuid(t, id16(a, 0));
        Setfsgid16 => cred::setfsgid(t, id16(a, 0));
        Getresuid => { let c = t.cred(); cred::put_ids(t, a, [c.uid, c.euid, c.suid], false).await };
        Getresgid => { let c = t.cred(); cred::put_ids(t, a, [c.gid, c.egid, c.sgid], false).await };
        Getresuid16 => { let c = t.cred(); cred::put_ids(t, a, [c.uid, c.euid, c.suid], true).await };
        Getresgid16 => { let c = t.cred(); cred::put_ids(t, a, [c.gid, c.egid, c.sgid], true).await };
        Getgroups => cred::getgroups(t, a, false).await;
        Setgroups => cred::setgroups(t, a, false).await;
        Getgroups16 => cred::getgroups(t, a, true).await;
        Setgroups16 => cred::setgroups(t, a, true).await;
        Getrlimit => limits::getrlimit(t, a, u32::MAX).await;
        OldGetrlimit => limits::getrlimit(t, a, i32::MAX as u32).await;
        Setrlimit => limits::setrlimit(t, a).await;
        Prlimit64 => limits::prlimit64(t, a).await;
        SchedYield => { crate::executor::yield_now().await; Ok(0) };
        SchedGetPriorityMax => sched::sched_priority_range(a.uint(0), true);
        SchedGetPriorityMin => sched::sched_priority_range(a.uint(0), false);
        SchedRrGetInterval => sched::sched_rr_get_interval(t, a, W64).await;
        SchedRrGetInterval32 => sched::sched_rr_get_interval(t, a, W32).await;
        Getpriority => limits::getpriority(t, a).await;
        // Signals.
        RtSigaction => signal::rt_sigaction(t, a).await;
        Sigaction => signal::sigaction(t, a).await;
        Signal => signal::signal(t, a).await;
        RtSigprocmask => signal::rt_sigprocmask(t, a).await;
        Sigprocmask => signal::sigprocmask(t, a).await;
        RtSigpending => signal::rt_sigpending(t, a).await;
        Sigpending => signal::sigpending(t, a).await;
        RtSigsuspend => signal::rt_sigsuspend(t, a).await;
        Sigsuspend => signal::sigsuspend(t, a).await;
        Pause => signal::pause(t, a).await;
        RtSigtimedwait => signal::rt_sigtimedwait(t, a, W64).await;
        RtSigtimedwait32 => signal::rt_sigtimedwait(t, a, W32).await;
        Sigaltstack => signal::sigaltstack(t, a).await;
        Sigreturn => signal::sigreturn(t, a).await;
        RtSigreturn => signal::rt_sigreturn(t, a).await;
        Kill => signal::kill(t, a).await;
        Tkill => signal::tkill(t, a).await;
        Tgkill => signal::tgkill(t, a).await;
        RtSigqueueinfo => signal::rt_sigqueueinfo(t, a).await;
        RtTgsigqueueinfo => signal::rt_tgsigqueueinfo(t, a).await;
        // Time.
        ClockGettime => time::clock_gettime(t, a, W64).await;
        ClockGettime32 => time::clock_gettime(t, a, W32).await;
        ClockSettime => time::clock_settime(t, a, W64).await;
        ClockSettime32 => time::clock_settime(t, a, W32).await;
        ClockGetres => time::clock_getres(t, a, W64).await;
        ClockGetres32 => time::clock_getres(t, a, W32).await;
        ClockNanosleep => time::clock_nanosleep(t, a, W64).await;
        ClockNanosleep32 => time::clock_nanosleep(t, a, W32).await;
        Nanosleep => time::nanosleep(t, a, W64).await;
        Nanosleep32 => time::nanosleep(t, a, W32).await;
        Gettimeofday => time::gettimeofday(t, a).await;
        Settimeofday => time::settimeofday(t, a).await;
        Time | Time32 => time::time(t, a).await;
        RestartSyscall => time::restart_syscall(t, a).await;
        Getitimer => time::getitimer(t, a).await;
        Setitimer => time::setitimer(t, a).await;
        Alarm => time::alarm(t, a).await;
        TimerSettime => time::timer_settime(t, a, W64).await;
        TimerSettime32 => time::timer_settime(t, a, W32).await;
        TimerGettime => time::timer_gettime(t, a, W64).await;
        TimerGettime32 => time::timer_gettime(t, a, W32).await;
        TimerGetoverrun => time::timer_getoverrun(t, a).await;
        TimerDelete => time::timer_delete(t, a).await;
        // Waiting for many.
        Poll => poll::poll(t, a).await;
        Ppoll => poll::ppoll(t, a).await;
        Ppoll32 => poll::ppoll_time32(t, a).await;
        Select => poll::select(t, a).await;
        OldSelect => poll::old_select(t, a).await;
        Pselect6 => poll::pselect6(t, a).await;
        Pselect632 => poll::pselect6_time32(t, a).await;
        EpollCreate => event::epoll_create(t, a).await;
        EpollCreate1 => event::epoll_create1(t, a).await;
        EpollCtl => event::epoll_ctl(t, a).await;
        EpollWait => event::epoll_wait(t, a).await;
        EpollPwait => event::epoll_pwait(t, a).await;
        EpollPwait2 => event::epoll_pwait2(t, a).await;
        Eventfd => event::eventfd(t, a).await;
        Eventfd2 => event::eventfd2(t, a).await;
        InotifyInit => event::inotify_init(t, a).await;
        InotifyInit1 => event::inotify_init1(t, a).await;
        InotifyAddWatch => event::inotify_add_watch(t, a).await;
        InotifyRmWatch => event::inotify_rm_watch(t, a).await;
        TimerfdCreate => event::timerfd_create(t, a).await;
        TimerfdSettime => event::timerfd_settime(t, a).await;
        TimerfdSettime32 => event::timerfd_settime32(t, a).await;
        TimerfdGettime => event::timerfd_gettime(t, a).await;
        TimerfdGettime32 => event::timerfd_gettime32(t, a).await;
        Signalfd => event::signalfd(t, a).await;
        Signalfd4 => event::signalfd4(t, a).await;
        // Sockets.
        Socketcall => Box::pin(socket::socketcall(t, a)).await;
        Socket => socket::socket(t, a).await;
        Socketpair => socket::socketpair(t, a).await;
        Bind => Box::pin(socket::bind(t, a)).await;
        Connect => Box::pin(socket::connect(t, a)).await;
        Listen => socket::listen(t, a).await;
        Accept => socket::accept(t, a).await;
        Accept4 => socket::accept4(t, a).await;
        Getsockname => socket::getsockname(t, a).await;
        Getpeername => socket::getpeername(t, a).await;
        Sendto => Box::pin(socket::sendto(t, a)).await;
        Recvfrom => Box::pin(socket::recvfrom(t, a)).await;
        Sendmsg => Box::pin(socket::sendmsg(t, a)).await;
        Recvmsg => Box::pin(socket::recvmsg(t, a)).await;
        Sendmmsg => Box::pin(socket::sendmmsg(t, a)).await;
        Recvmmsg => Box::pin(socket::recvmmsg(t, a)).await;
        Recvmmsg32 => Box::pin(socket::recvmmsg_time32(t, a)).await;
        Shutdown => socket::shutdown(t, a).await;
        // The machine.
        Uname => misc::uname(t, a).await;
        Olduname => misc::olduname(t, a).await;
        Oldolduname => misc::oldolduname(t, a).await;
        Sethostname => misc::sethostname(t, a).await;
        Sysinfo => misc::sysinfo(t, a).await;
        Getrandom => misc::getrandom(t, a).await;
        Getcpu => misc::getcpu(t, a).await;
        Personality => misc::personality(t, a).await;
        Membarrier => misc::membarrier(t, a).await;
    }
    partial {
        Fcntl | Fcntl64, "no leases, no directory notification" => fcntl::fcntl(t, a).await;
        Preadv2, "flags are taken as advice" => file::preadv2(t, a).await;
        Pwritev2, "flags are taken as advice" => file::pwritev2(t, a).await;
        Mremap, "no MREMAP_DONTUNMAP, no duplication of shared mappings" => mm::mremap(t, a).await;
        Madvise, "advice without a visible effect is only checked; no MADV_REMOVE, MADV_WIPEONFORK" => mm::madvise(t, a).await;
        Mincore, "every mapped page counts as resident" => mm::mincore(t, a).await;
        Clone, "no namespaces, no CLONE_PIDFD" => Box::pin(process::clone(t, a)).await;
        Clone3, "no namespaces, no CLONE_PIDFD, no set_tid, no cgroups" => Box::pin(process::clone3(t, a)).await;
        SchedGetaffinity, "one processor" => sched::sched_getaffinity(t, a).await;
        SchedSetaffinity, "one processor" => sched::sched_setaffinity(t, a).await;
        SchedGetscheduler, "kept and shown, without effect on scheduling" => sched::sched_getscheduler(t, a).await;
        SchedSetscheduler, "kept and shown, without effect on scheduling" => sched::sched_setscheduler(t, a).await;
        SchedGetparam, "kept and shown, without effect on scheduling" => sched::sched_getparam(t, a).await;
        SchedSetparam, "kept and shown, without effect on scheduling" => sched::sched_setparam(t, a).await;
        SchedGetattr, "kept and shown, without effect on scheduling" => sched::sched_getattr(t, a).await;
        SchedSetattr, "kept and shown, without effect on scheduling" => sched::sched_setattr(t, a).await;
        Setpriority, "kept and shown, without effect on scheduling" => limits::setpriority(t, a).await;
        Nice, "kept and shown, without effect on scheduling" => limits::nice(t, a).await;
        TimerCreate, "timers on CPU clocks count real time" => time::timer_create(t, a).await;
        Futex, "locks with priority inheritance are first come, first served" => time::futex(t, a, W64).await;
        Futex32, "locks with priority inheritance are first come, first served" => time::futex(t, a, W32).await;
        Setsockopt, "see docs/syscalls.md" => socket::setsockopt(t, a).await;
        Getsockopt, "see docs/syscalls.md" => socket::getsockopt(t, a).await;
        Mount, "tmpfs, proc, sysfs, devpts, devtmpfs; no bind mounts" => path::mount(t, a).await;
        Umount | Umount2, "no lazy or forced unmount" => path::umount(t, a).await;
        Prctl, "no seccomp, no speculation control, no memory map edits" => misc::prctl(t, a).await;
        Capget, "no capabilities of files" => misc::capget(t, a).await;
        Capset, "any capability in effect allows what any of them would" => misc::capset(t, a).await;
        Syslog, "an empty log" => misc::syslog(t, a).await;
        MemfdCreate, "no sealing, no huge pages" => misc::memfd_create(t, a).await;
        Rseq, "refused: programs do without" => Err(Errno::ENOSYS);
        Reboot, "refused" => misc::reboot(t, a).await;
        Ptrace, "refused" => Err(Errno::EPERM);
        Seccomp, "refused" => Err(Errno::EINVAL);
        Unshare, "no name spaces" => process::unshare(t, a);
        Setns, "refused" => Err(Errno::EPERM);
        IoprioGet | IoprioSet, "without effect" => Ok(0);
        Vhangup, "hangs up the caller's terminal" => crate::tty::virtual_hang_up(t);
    }
}

/// Runs a system call.
pub(crate) async fn dispatch(task: &Rc<Task>, arch: Arch, number: u32, args: &Args) -> Result<u64> {
    let sysno = arch.sysno(u64::from(number));
    let answer = match sysno {
        Some(sysno) => call(task, sysno, args).await,
        None => None,
    };
    answer.unwrap_or_else(|| {
        if task.kernel.tracer.first_unknown(arch, number) {
            let name = arch.sysno_name(u64::from(number)).unwrap_or("unknown");
            let comm = String::from_utf8_lossy(&task.comm.borrow()).into_owned();
            task.kernel
                .log(&format!("{comm}[{}]: system call {number} ({name}) is not implemented", task.tid));
        }
        Err(Errno::ENOSYS)
    })
}

/// Calls that leave their result in the registers themselves.
pub(crate) fn sets_registers(arch: Arch, number: u32) -> bool {
    use Sysno::{Execve, Execveat, RtSigreturn, Sigreturn};
    matches!(arch.sysno(u64::from(number)), Some(Execve | Execveat | Sigreturn | RtSigreturn))
}
