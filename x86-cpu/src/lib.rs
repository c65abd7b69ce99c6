//! The state of an x86 processor as a user program sees it, the ways execution comes back to the kernel, and
//! the seam that engines implement.
//!
//! What this crate deliberately does not know: instruction encodings, Linux, wasm.
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;

mod cpuid;
mod descriptor;
mod exit;
mod fpu;
mod lazy;
mod state;

pub use cpuid::{Cpuid, Level, xstate};
pub use descriptor::{Described, Descriptor};
pub use exit::{BaseEngine, Exception, ExecEngine, Exit, Pause, RunOutcome, Start, SyscallGate, Vector};
pub use fpu::{F80, Fpu, X87Op};
pub use lazy::LazyFlags;
pub use state::{CodeMode, CpuState, Segment, Segments, flags, gpr, mxcsr, selector};
