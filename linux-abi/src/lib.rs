//! The system-call ABI of Linux on i386 and x86-64, as data.
#![no_std]
#![forbid(unsafe_code)]

pub mod errno;
pub mod sysno;

pub use errno::Errno;
pub use sysno::Sysno;
