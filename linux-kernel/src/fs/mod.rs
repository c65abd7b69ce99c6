//! Kinds of open files that are not terminals or sockets, and the synthetic file systems.

pub mod anon;
pub mod locks;
pub mod regular;
