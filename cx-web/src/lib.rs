//! Binds the machine to JavaScript.
//!
//! Three kinds of handles: [`BlockHandle`] (devices over fetch, overlays over a store of the browser), [`TreeHandle`]
//! (files from the page, from a web server, or in a store), [`MachineHandle`] and [`ProcessHandle`]. The worker in
//! `js/worker` owns them, calls [`MachineHandle::run`], and wakes it after every promise that the engine may wait for.
//!
//! What this crate deliberately does not know: how Linux, disks or processors work. It only binds.
#![deny(unsafe_code)]
#![warn(missing_docs)]

mod blank;
mod block;
mod clock;
#[allow(unsafe_code)] // The one place: calls of translated code.
mod code_host;
mod error;
mod fetch;
mod file_device;
mod machine;
mod process;
mod store;
mod tree;

pub use block::BlockHandle;
pub use fetch::{JsParts, JsRanges, JsTree};
pub use machine::{JsHost, MachineHandle};
pub use process::ProcessHandle;
pub use store::JsStore;
pub use tree::TreeHandle;

use wasm_bindgen::prelude::*;

/// To be called once, before anything else: bugs in the engine become exceptions with their message.
#[wasm_bindgen]
pub fn start() {
    std::panic::set_hook(Box::new(|info| wasm_bindgen::throw_str(&info.to_string())));
}
