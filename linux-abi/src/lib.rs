//! The system-call interface of Linux on i386 and x86-64, as data: numbers, flags, structures, errors.
//!
//! There is no behaviour here, and nothing knows who uses it: a kernel, a tracer, a test. Each module is named
//! after the header it mirrors and says so in its first line. Names are those of the headers:
//!
//! * structures have Rust names ending in the architecture where there are two of them
//!   ([`stat::Stat64I386`], [`stat::StatX86_64`]), and fields with the headers' names;
//! * constants keep their C names ([`mman::MADV_DONTNEED`]) and stand in a table per group
//!   ([`mman::MADVICE`]), by which [`layout::name_of`] finds the name of a value;
//! * flags are `bitflags` types without the prefix ([`fcntl::OFlags::CREAT`]) that keep unknown bits.
//!
//! Structures are plain bytes ([`bytemuck::Pod`]): a guest's memory is copied into one, never pointed at.
//! `tests/layout.rs` compares every size, offset and number with the C headers, by compiling a program.
//!
//! Start with [`Arch`], [`Sysno`] and [`Errno`].
#![no_std]
#![forbid(unsafe_code)]

#[macro_use]
pub mod layout;

pub mod aio;
pub mod arch;
pub mod capability;
pub mod dirent;
pub mod elf;
pub mod epoll;
pub mod errno;
pub mod eventfd;
pub mod fcntl;
pub mod fs;
pub mod futex;
pub mod inet;
pub mod inotify;
pub mod ioctl;
pub mod ipc;
pub mod limits;
pub mod mman;
pub mod mount;
pub mod netdevice;
pub mod netlink;
pub mod personality;
pub mod poll;
pub mod prctl;
pub mod ptrace;
pub mod random;
pub mod resource;
pub mod sched;
pub mod sigframe;
pub mod siginfo;
pub mod signal;
pub mod signalfd;
pub mod socket;
pub mod sockopt;
pub mod stat;
pub mod statfs;
pub mod sysinfo;
pub mod sysno;
pub mod termios;
pub mod time;
pub mod timerfd;
pub mod uio;
pub mod user_desc;
pub mod utsname;
pub mod vt;
pub mod wait;
pub mod xattr;

pub use arch::Arch;
pub use errno::Errno;
pub use layout::{Field, Layout};
pub use sysno::Sysno;

/// The example in the README, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
