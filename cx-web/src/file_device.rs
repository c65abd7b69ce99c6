//! A block device that is a file of some tree.

use async_trait::async_trait;
use blockdev::{BlockDevice, DeviceError};
use linux_abi::Errno;
use std::rc::Rc;
use vfs::Inode;

pub(crate) struct FileBlocks {
    inode: Rc<dyn Inode>,
    size: u64,
    read_only: bool,
}

impl FileBlocks {
    pub(crate) fn new(inode: Rc<dyn Inode>, read_only: bool) -> FileBlocks {
        FileBlocks { size: inode.attributes().size, inode, read_only }
    }

    fn check(&self, offset: u64, len: usize) -> Result<(), DeviceError> {
        match offset.checked_add(len as u64) {
            Some(end) if end <= self.size => Ok(()),
            _ => Err(DeviceError::OutOfRange { offset, len: len as u64, size: self.size }),
        }
    }
}

fn failed(errno: Errno) -> DeviceError {
    match errno {
        Errno::EROFS => DeviceError::ReadOnly,
        Errno::ENOSPC => DeviceError::NoSpace("the device that holds the file".into()),
        other => DeviceError::Io(other.message().into()),
    }
}

#[async_trait(?Send)]
impl BlockDevice for FileBlocks {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_only(&self) -> bool {
        self.read_only
    }

    fn validator(&self) -> Option<String> {
        let modified = self.inode.attributes().modified;
        Some(format!("{}.{:09}", modified.seconds, modified.nanoseconds))
    }

    async fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), DeviceError> {
        self.check(offset, buf.len())?;
        let mut done = 0;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let count = self.inode.read_at(offset + done as u64, rest).await.map_err(failed)?;
            if count == 0 {
                return Err(DeviceError::Io("the file became shorter".into()));
            }
            done += count;
        }
        Ok(())
    }

    async fn write(&self, offset: u64, data: &[u8]) -> Result<(), DeviceError> {
        if self.read_only {
            return Err(DeviceError::ReadOnly);
        }
        self.check(offset, data.len())?;
        let mut done = 0;
        while let Some(rest) = data.get(done..).filter(|rest| !rest.is_empty()) {
            let now = crate::clock::today();
            let count = self.inode.write_at(offset + done as u64, rest, now).await.map_err(failed)?;
            if count == 0 {
                return Err(failed(Errno::ENOSPC));
            }
            done += count;
        }
        Ok(())
    }

    async fn flush(&self) -> Result<(), DeviceError> {
        self.inode.fsync().await.map_err(failed)
    }
}
