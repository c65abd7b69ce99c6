//! An interpreter for user-mode x86: 32- and 64-bit code, over a cache of decoded blocks.
//!
//! From the outside in: [`Interp`] implements [`x86_cpu::ExecEngine`]. Its loop finds the block at RIP in the cache
//! (`cache`), which decodes and lowers (`lower`) code it has not seen into operations (`uop`): a handler and packed
//! operands. Handlers (`exec`, `sse`, `x87`) work on the state of one run (`cx`), whose arithmetic flags are lazy
//! (`flags`). An instruction that cannot be done has changed nothing.
//!
//! What this crate deliberately does not know: Linux, wasm, the JIT.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod cache;
mod cx;
mod entropy;
mod exec;
mod features;
mod flags;
mod fuse;
mod hot;
mod int;
mod lower;
mod run;
mod soft;
mod sse;
mod strict;
mod uop;
mod x87;

pub use features::{FEATURES, features};
pub use run::Interp;
pub use x87::compute;
