//! Translates x86 code to WebAssembly.
//!
//! From the outside in: [`Jit`] is an engine that runs translated code where there is some, and another engine where there is none.
//! [`Region::discover`] finds the code that belongs together, [`translate`] makes a module of regions, a
//! function each. The module is bytes: compiling it, and calling it, is the host's. In between, [`lift`](lift()) says what each block
//! does in terms of [`ir`], and the blocks become the structured control flow of WebAssembly.
//!
//! What this crate deliberately does not know: JavaScript, the WebAssembly API, Linux.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![no_std]

extern crate alloc;

mod cache;
mod emit;
mod engine;
mod guest;
mod host;
pub mod ir;
pub mod layout;
mod learn;
mod lift;
mod liveness;
pub mod pending;
mod region;
mod search;
mod segments;
mod structure;
mod tuning;
mod unroll;

pub use emit::{arithmetic, looks, trampoline, translate};
pub use engine::{Jit, JitStats};
pub use host::{CodeError, CodeHost, Resume};
pub use lift::{lift, takes};
pub use region::{Block, Code, End, Limits, Located, Region, Setting, Target, Targets, Tier};
pub use tuning::Tuning;
