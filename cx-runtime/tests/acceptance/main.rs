//! Acceptance tests: real programs, run by the engine and by the machine the tests run on, must agree.
//!
//! [`programs`] runs shell scripts (`tests/cases`) on Debian images, natively under chroot and on `cx`; [`syscalls`]
//! does the same with small C programs (`tests/guest`). The oracle is always the real kernel and the real CPU: nothing
//! here says what the right output is, only that both are the same.
//!
//! `CX_CASE=text` runs only the cases whose name holds that text and prints what they print; `CX_IMAGES=directory`
//! takes images from there, and `CX_BINARY=file` runs that `cx`. `CX_DEBIAN=trixie-amd64` runs the
//! cases on another suite and architecture of Debian. `CX_HOST=node` and `CX_HOST=chromium` run the guests in
//! the web package instead.
#![forbid(unsafe_code)]

mod programs;
mod support;
mod syscalls;
