//! Linux behaviour in user space: processes, signals, descriptors, terminals and the system calls over them.
//!
//! A [`Kernel`] is a value. The host makes one, mounts file systems, starts programs, and then calls
//! [`Kernel::turn`] with the time for as long as it answers that there is more to do. Each guest thread is a future
//! on the kernel's executor: it runs the CPU until an exit, handles that, and loops (`thread.rs`). A call that
//! must wait is an `await`; a signal drops the wait. Nothing blocks the host.
//!
//! From the outside in: [`kernel`] and [`thread`], [`task`] (who is who), [`file`] (the descriptor seam) with its
//! kinds in `fs`, `tty`, `net`, then [`sys`], one file per family of calls.
//!
//! What this crate deliberately does not know: instruction encodings, which engine runs, browsers, HTTP.
#![forbid(unsafe_code)]

pub mod cred;
pub mod exec;
mod executor;
pub mod file;
pub mod fs;
pub mod futex;
pub mod kernel;
pub mod lifecycle;
pub mod mm;
pub mod net;
pub mod signal;
pub mod strace;
pub mod sys;
pub mod task;
mod thread;
pub mod time;
pub mod timers;
pub mod tty;
pub mod wait;

pub use kernel::{Config, Host, Kernel, Turn};
pub use time::{Monotonic, Now};
