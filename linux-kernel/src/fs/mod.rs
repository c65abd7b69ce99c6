//! Kinds of open files that are not terminals or sockets, and the synthetic file systems.

pub mod anon;
pub mod dev;
pub mod devpts;
pub mod epoll;
pub mod eventfd;
pub mod inotify;
pub mod locks;
pub(crate) mod memfd;
pub(crate) mod notify;
pub mod pipe;
pub mod proc;
pub mod regular;
pub mod signalfd;
pub mod synthetic;
pub mod sys;
pub mod timerfd;

use crate::kernel::Kernel;
use std::rc::Rc;
use vfs::FileSystem;
use vfs::tmpfs::{Tmpfs, TmpfsOptions};

/// File systems that `mount(2)` can make out of nothing.
pub(crate) fn make_by_type(kernel: &Rc<Kernel>, name: &[u8]) -> Option<Rc<dyn FileSystem>> {
    match name {
        b"tmpfs" | b"ramfs" => {
            let (device_number, now) = (kernel.next_device_number(), kernel.clock.timestamp());
            Some(Tmpfs::new(&kernel.pool, TmpfsOptions { device_number, now, ..TmpfsOptions::default() }))
        }
        b"proc" => Some(proc::new(kernel)),
        b"sysfs" => Some(sys::new(kernel)),
        b"devpts" => Some(devpts::DevPts::new(kernel)),
        b"devtmpfs" => Some(dev::DevFs::new(kernel.clock.timestamp())),
        _ => None,
    }
}
