//! Memory files: `memfd_create`, and the memory behind `MAP_SHARED | MAP_ANONYMOUS`.

use crate::file::{OpenFile, Result, open_flags};
use crate::fs::regular::InodeFile;
use crate::kernel::Kernel;
use crate::task::Task;
use guest_mem::Mappable;
use linux_abi::Errno;
use std::rc::Rc;
use vfs::SetAttributes;
use vfs::namespace::Path;

/// `MFD_CLOEXEC`.
const CLOEXEC: u32 = 1;
/// `MFD_ALLOW_SEALING`, and `MFD_NOEXEC_SEAL`, `MFD_EXEC`.
const ACCEPTED: u32 = CLOEXEC | 2 | 8 | 0x10;

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
    let inode = kernel.memory_files.anonymous_file(0o777, cred.fsuid, cred.fsgid, kernel.clock.timestamp());
    let label = [b"/memfd:", name, b" (deleted)"].concat();
    let path = Path::detached(kernel.anon.mount(), &label, inode.clone());
    let file =
        OpenFile::new(Rc::new(InodeFile::new(inode, kernel)), open_flags::RDWR | open_flags::LARGEFILE, path);
    task.install(file, flags & CLOEXEC != 0).map(|fd| fd as u64)
}

/// `F_ADD_SEALS` and `F_GET_SEALS`: we keep no seals, so a file reads as sealed against sealing (fcntl(2)).
pub(crate) fn seals(file: &OpenFile, command: u32, _arg: u32) -> Result<u64> {
    const SEAL_SEAL: u64 = 1;
    if !file.path.name().starts_with(b"/memfd:") {
        return Err(Errno::EINVAL);
    }
    if command == linux_abi::fcntl::F_GET_SEALS { Ok(SEAL_SEAL) } else { Err(Errno::EPERM) }
}
