//! The assembled machine: an engine, a kernel, file systems, and the streams that connect them to a host.
//!
//! A host makes a [`Machine`] from a [`MachineConfig`], starts programs with [`Machine::spawn`], and calls
//! [`Machine::turn`] with the time while there is work. What a program prints comes to the host's sinks; what it
//! reads is pushed through a [`StdinPort`] or the console. [`files`] moves files in and out, [`stats`] counts.
//!
//! Everything that may wait is a [`Reply`]: a job on the machine's own executor, which ends as the host turns it.
//!
//! What this crate deliberately does not know: clocks, threads, files of the host, browsers. The native host that
//! comes with it is a binary of its own, `cx`.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod files;
pub mod machine;
pub mod meter;
pub mod mounts;
pub mod process;
pub mod reply;
pub mod stats;
pub mod stdio;

pub use files::{FileInfo, NewFile};
pub use linux_abi::Errno;
pub use linux_kernel::{Host, Monotonic, Now, Turn};
pub use machine::{Engine, Machine, MachineConfig, MachineError};
pub use meter::{Metered, Traffic};
pub use mounts::{MountSource, MountSpec, Root};
pub use process::{ExitStatus, ProcessHandle, SpawnRequest};
pub use reply::Reply;
pub use stats::Stats;
pub use stdio::{Output, OutputPort, OutputSink, StdinPort, Stdio, Wants};
pub use x86_cpu::{ExecEngine, Level};
pub use x86_interp::{Interp, compute};
pub use x86_jit_wasm as jit;
