//! `/proc` (proc(5)): processes and the machine as text, made up at each look.
//!
//! [`system`] and [`sysctl`] make the files about the machine, laid down once as a tree; [`process`] the directory
//! of each process, with its texts in [`status`], [`memory`] and [`mounts`]. Numbers that we do not keep are
//! shown as 0, never made up.

mod memory;
mod mounts;
mod process;
mod status;
mod sysctl;
mod system;

use crate::file::Result;
use crate::fs::devpts::plain_number;
use crate::fs::synthetic::{Entries, Entry, Fixed, Link, ListDirectory, Place, SyntheticFs, Target, Tree};
use crate::kernel::Kernel;
use crate::task::{Pid, Process};
use linux_abi::Errno;
use linux_abi::statfs::PROC_SUPER_MAGIC;
use std::rc::{Rc, Weak};
use vfs::{FileType, Inode};

/// `uname -r`.
pub const RELEASE: &str = "6.1.0-cx";
/// `kernel.pid_max`, as a 64-bit kernel has it.
pub const PID_MAX: crate::task::Pid = 4_194_304;
/// `uname -v`.
pub const VERSION: &str = "#1 SMP PREEMPT_DYNAMIC cx 0.1";

/// `st_dev` of `/proc`.
pub(super) const DEVICE: u64 = 0x15;
/// Bits for what there is in one process, beside its id, before they are folded into an inode number.
const PID_SHIFT: u32 = 24;
/// Processes are listed after the fixed names.
const FIRST_PID_POSITION: u64 = 1000;
/// `USER_HZ`: ticks of 10 ms.
const TICK: u64 = 10_000_000;

/// The file system of `/proc` for a kernel.
pub fn new(kernel: &Rc<Kernel>) -> Rc<SyntheticFs> {
    let tree = Tree::new(Place { device: DEVICE, ino: 1, time: kernel.clock.timestamp() });
    let weak = Rc::downgrade(kernel);
    tree.add(
        "self",
        Link::new(tree.place(), Rc::new(Oneself { kernel: weak.clone(), thread: Which::Process })),
    );
    tree.add(
        "thread-self",
        Link::new(tree.place(), Rc::new(Oneself { kernel: weak.clone(), thread: Which::Thread })),
    );
    tree.link("mounts", "self/mounts");
    tree.link("net", "self/net");
    system::add(&tree, kernel);
    sysctl::add(&tree, kernel);
    let net_tree = Tree::new(Place { device: DEVICE, ino: 10_000, time: kernel.clock.timestamp() });
    system::add_net(&net_tree);
    let root = Root { kernel: weak, fixed: tree.entries(), net: net_tree.root() };
    let place = Place { device: DEVICE, ino: 1, time: kernel.clock.timestamp() };
    Rc::new(SyntheticFs {
        root: ListDirectory::new(place, 0o555, Rc::new(root)),
        device: DEVICE,
        type_name: "proc",
        magic: PROC_SUPER_MAGIC,
    })
}

/// Ticks of a time in nanoseconds.
fn ticks(nanoseconds: u64) -> u64 {
    nanoseconds / TICK
}

struct Root {
    kernel: Weak<Kernel>,
    fixed: Rc<Fixed>,
    net: Rc<ListDirectory>,
}

/// The process that a number names: its id, or the id of one of its threads.
fn process_of(kernel: &Kernel, id: Pid) -> Option<Rc<Process>> {
    kernel.process(id).or_else(|| kernel.task(id).map(|task| task.process.clone()))
}

impl Entries for Root {
    fn get(&self, name: &[u8]) -> Result<Rc<dyn Inode>> {
        let Some(id) = plain_number(name) else { return self.fixed.get(name) };
        let kernel = self.kernel.upgrade().ok_or(Errno::ENOENT)?;
        let id = Pid::try_from(id).map_err(|_| Errno::ENOENT)?;
        let process = process_of(&kernel, id).ok_or(Errno::ENOENT)?;
        Ok(process::directory(&kernel, &process, &self.net))
    }

    fn list(&self) -> Result<Vec<Entry>> {
        let mut all = self.fixed.list()?;
        let processes = self.kernel.upgrade().map(|kernel| kernel.processes()).unwrap_or_default();
        all.extend(processes.iter().map(|process| Entry {
            name: process.pid.to_string().into_bytes(),
            ino: process::process_ino(process.pid),
            file_type: FileType::Directory,
            position: FIRST_PID_POSITION + process.pid as u64,
        }));
        Ok(all)
    }
}

enum Which {
    Process,
    Thread,
}

/// `/proc/self` and `/proc/thread-self`.
struct Oneself {
    kernel: Weak<Kernel>,
    thread: Which,
}

impl Target for Oneself {
    fn text(&self) -> Result<Vec<u8>> {
        let (pid, tid) = self.kernel.upgrade().ok_or(Errno::ENOENT)?.caller.get();
        if pid == 0 {
            return Err(Errno::ENOENT);
        }
        Ok(match self.thread {
            Which::Process => pid.to_string(),
            Which::Thread => format!("{pid}/task/{tid}"),
        }
        .into_bytes())
    }
}

#[cfg(test)]
mod tests;
