//! Memory files: `memfd_create`, and the memory behind `MAP_SHARED | MAP_ANONYMOUS`.

use crate::file::{OpenFile, Result, open_flags};
use crate::fs::regular::InodeFile;
use crate::kernel::Kernel;
use crate::task::Task;
use guest_mem::{Backing, Mappable, Prot, Sharing};
use linux_abi::Errno;
use std::cmp::Ordering;
use std::rc::Rc;
use vfs::namespace::Path;
use vfs::{Inode, SetAttributes};

/// `MFD_CLOEXEC`.
const CLOEXEC: u32 = 1;
/// `MFD_ALLOW_SEALING`.
const ALLOW_SEALING: u32 = 2;
/// `MFD_NOEXEC_SEAL`.
const NOEXEC_SEAL: u32 = 8;
/// With `MFD_EXEC`.
const ACCEPTED: u32 = CLOEXEC | ALLOW_SEALING | NOEXEC_SEAL | 0x10;

/// Memory that forked processes share.
pub(crate) async fn anonymous_shared(kernel: &Kernel, len: u64) -> Result<Rc<dyn Mappable>> {
    let now = kernel.clock.timestamp();
    let inode = kernel.memory_files.anonymous_file(0o600, 0, 0, now);
    let size = SetAttributes { size: Some(len), now, ..SetAttributes::default() };
    inode.set_attributes(&size).await?;
    inode.mappable()
}

pub(crate) fn create(task: &Rc<Task>, name: &[u8], flags: u32) -> Result<u64> {
    if flags & !ACCEPTED != 0 {
        return Err(Errno::EINVAL);
    }
    let kernel = &task.kernel;
    let cred = task.cred();
    let mode = if flags & NOEXEC_SEAL != 0 { 0o666 } else { 0o777 };
    let inode = kernel.memory_files.anonymous_file(mode, cred.fsuid, cred.fsgid, kernel.clock.timestamp());
    // Files that nobody may seal are sealed against that.
    let seals = if flags & NOEXEC_SEAL != 0 { SEAL_EXEC } else { 0 };
    if let Some(cell) = inode.seals().filter(|_| flags & (ALLOW_SEALING | NOEXEC_SEAL) != 0) {
        cell.set(seals);
    }
    let label = [b"/memfd:", name, b" (deleted)"].concat();
    let path = Path::detached(kernel.anon.mount(), &label, inode.clone());
    let file =
        OpenFile::new(Rc::new(InodeFile::new(inode, kernel)), open_flags::RDWR | open_flags::LARGEFILE, path);
    task.install(file, flags & CLOEXEC != 0).map(|fd| fd as u64)
}

// F_SEAL_* (linux/fcntl.h).
const SEAL_SEAL: u32 = 0x01;
const SEAL_SHRINK: u32 = 0x02;
const SEAL_GROW: u32 = 0x04;
pub(crate) const SEAL_WRITE: u32 = 0x08;
pub(crate) const SEAL_FUTURE_WRITE: u32 = 0x10;
const SEAL_EXEC: u32 = 0x20;
const ALL_SEALS: u32 = SEAL_SEAL | SEAL_SHRINK | SEAL_GROW | SEAL_WRITE | SEAL_FUTURE_WRITE | SEAL_EXEC;

/// Whether a file has any of these seals.
pub(crate) fn is_sealed(inode: &Rc<dyn Inode>, seals: u32) -> bool {
    inode.seals().is_some_and(|cell| cell.get() & seals != 0)
}

/// `EPERM` where a seal forbids writing up to `end`.
pub(crate) fn check_write(inode: &Rc<dyn Inode>, end: u64) -> Result<()> {
    let grows = is_sealed(inode, SEAL_GROW) && end > inode.attributes().size;
    if grows || is_sealed(inode, SEAL_WRITE | SEAL_FUTURE_WRITE) { Err(Errno::EPERM) } else { Ok(()) }
}

/// `EPERM` where a seal forbids this size.
pub(crate) fn check_size(inode: &Rc<dyn Inode>, size: u64) -> Result<()> {
    let seal = match size.cmp(&inode.attributes().size) {
        Ordering::Less => SEAL_SHRINK,
        Ordering::Equal => 0,
        Ordering::Greater => SEAL_GROW,
    };
    if is_sealed(inode, seal) { Err(Errno::EPERM) } else { Ok(()) }
}

/// Whether somebody maps the file in a way that can write to it.
fn is_mapped_for_writing(kernel: &Kernel, inode: &Rc<dyn Inode>) -> bool {
    let Ok(object) = inode.mappable() else { return false };
    kernel.processes().iter().filter_map(|process| process.any_thread()).any(|task| {
        task.mm().space.areas().iter().any(|area| {
            let same =
                matches!(&area.backing, Backing::Object { object: known, .. } if known.id() == object.id());
            same && area.sharing == Sharing::Shared && area.max_prot.contains(Prot::WRITE)
        })
    })
}

/// `F_ADD_SEALS` and `F_GET_SEALS` (fcntl(2)).
pub(crate) fn seals(kernel: &Kernel, file: &OpenFile, command: u32, arg: u32) -> Result<u64> {
    let inode = file.path.inode();
    let cell = inode.seals().ok_or(Errno::EINVAL)?;
    if command == linux_abi::fcntl::F_GET_SEALS {
        return Ok(u64::from(cell.get()));
    }
    if !file.writable() {
        return Err(Errno::EPERM);
    }
    if arg & !ALL_SEALS != 0 {
        return Err(Errno::EINVAL);
    }
    if cell.get() & SEAL_SEAL != 0 {
        return Err(Errno::EPERM);
    }
    let stops_writes = arg & SEAL_WRITE != 0 && cell.get() & SEAL_WRITE == 0;
    if stops_writes && is_mapped_for_writing(kernel, &inode) {
        return Err(Errno::EBUSY);
    }
    cell.set(cell.get() | arg);
    Ok(0)
}
