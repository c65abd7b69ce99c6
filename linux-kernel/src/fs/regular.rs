//! Open regular files, directories and `O_PATH` handles: thin over their inode.

use crate::file::{FileOps, Io, OpenFile, Result, open_flags};
use crate::fs::notify;
use crate::kernel::Kernel;
use async_trait::async_trait;
use guest_mem::Mappable;
use linux_abi::Errno;
use linux_abi::inotify::InotifyMask;
use std::any::Any;
use std::fmt;
use std::rc::{Rc, Weak};
use vfs::{FileType, Inode};

/// An open file that lives in a file system.
pub struct InodeFile {
    inode: Rc<dyn Inode>,
    kernel: Weak<Kernel>,
}

impl fmt::Debug for InodeFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inode.fmt(f)
    }
}

impl InodeFile {
    /// Opens an inode.
    pub fn new(inode: Rc<dyn Inode>, kernel: &Rc<Kernel>) -> InodeFile {
        InodeFile { inode, kernel: Rc::downgrade(kernel) }
    }

    fn data_allowed(&self) -> Result<()> {
        match self.inode.attributes().file_type {
            FileType::Directory => Err(Errno::EISDIR),
            FileType::Regular => Ok(()),
            _ => Err(Errno::EINVAL),
        }
    }
}

#[async_trait(?Send)]
impl FileOps for InodeFile {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn seekable(&self) -> bool {
        true
    }

    async fn read_at(&self, io: Io<'_>, offset: u64, buf: &mut [u8]) -> Result<usize> {
        self.data_allowed()?;
        let got = self.inode.read_at(offset, buf).await?;
        if got > 0 {
            notify::tell(&io.task.kernel, &io.file.path, InotifyMask::ACCESS);
        }
        Ok(got)
    }

    async fn write_at(&self, io: Io<'_>, offset: u64, data: &[u8]) -> Result<usize> {
        self.data_allowed()?;
        if data.is_empty() {
            return Ok(0);
        }
        crate::fs::memfd::check_write(&self.inode, offset.saturating_add(data.len() as u64))?;
        let limit = io.task.process.limit(linux_abi::resource::RLIMIT_FSIZE as usize);
        if offset >= limit {
            use crate::signal::{Signal, send};
            send::to_task(io.task, Signal::XFSZ, send::Origin::Kernel);
            return Err(Errno::EFBIG);
        }
        let len = data.len().min((limit - offset).min(usize::MAX as u64) as usize);
        crate::sys::attr::drop_set_id(io.task, &self.inode).await?;
        let now = io.task.kernel.clock.timestamp();
        let written = self.inode.write_at(offset, &data[..len], now).await?;
        notify::tell(&io.task.kernel, &io.file.path, InotifyMask::MODIFY);
        if io.file.flags.get() & open_flags::DSYNC != 0 {
            self.inode.fsync().await?;
        }
        Ok(written)
    }

    fn mappable(&self) -> Result<Rc<dyn Mappable>> {
        self.inode.mappable()
    }

    async fn fsync(&self) -> Result<()> {
        if let Some(kernel) = self.kernel.upgrade() {
            kernel.harvest_shared_pages();
        }
        self.inode.fsync().await
    }

    fn released(&self, file: &OpenFile) {
        if let Some(kernel) = self.kernel.upgrade() {
            kernel.locks.description_gone(file);
            if file.flags.get() & open_flags::PATH == 0 {
                notify::closed(&kernel, file);
            }
        }
    }
}
