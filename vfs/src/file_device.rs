//! A file of one file system as the block device of another (a disk image in a directory).

use crate::inode::{FileType, Inode, Timestamp};
use async_trait::async_trait;
use blockdev::{BlockDevice, DeviceError};
use linux_abi::errno::Errno;
use std::fmt;
use std::rc::Rc;

/// A regular file as a block device. Its size stays as it was when this was made; nobody else should write the file.
pub struct FileDevice {
    file: Rc<dyn Inode>,
    size: u64,
    read_only: bool,
    now: Box<dyn Fn() -> Timestamp>,
}

impl FileDevice {
    /// A device over a file. `now` gives the modification time of writes.
    pub fn new(
        file: Rc<dyn Inode>,
        read_only: bool,
        now: impl Fn() -> Timestamp + 'static,
    ) -> Result<FileDevice, DeviceError> {
        let attributes = file.attributes();
        if attributes.file_type != FileType::Regular {
            return Err(DeviceError::Unsupported("only a regular file can be a block device".to_string()));
        }
        Ok(FileDevice { file, size: attributes.size, read_only, now: Box::new(now) })
    }

    fn check(&self, offset: u64, len: usize) -> Result<(), DeviceError> {
        match offset.checked_add(len as u64) {
            Some(end) if end <= self.size => Ok(()),
            _ => Err(DeviceError::OutOfRange { offset, len: len as u64, size: self.size }),
        }
    }
}

fn device_error(error: Errno) -> DeviceError {
    match error {
        Errno::EROFS => DeviceError::ReadOnly,
        Errno::ENOSPC => DeviceError::NoSpace("the file system below".to_string()),
        other => DeviceError::Io(format!("{other:?} from the file system below")),
    }
}

impl fmt::Debug for FileDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileDevice({:?}, {} bytes)", self.file, self.size)
    }
}

#[async_trait(?Send)]
impl BlockDevice for FileDevice {
    fn size(&self) -> u64 {
        self.size
    }

    fn block_size(&self) -> u32 {
        4096
    }

    fn read_only(&self) -> bool {
        self.read_only
    }

    async fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), DeviceError> {
        self.check(offset, buf.len())?;
        let count = self.file.read_at(offset, buf).await.map_err(device_error)?;
        if count == buf.len() { Ok(()) } else { Err(DeviceError::Io("the file became shorter".to_string())) }
    }

    async fn write(&self, offset: u64, data: &[u8]) -> Result<(), DeviceError> {
        if self.read_only {
            return Err(DeviceError::ReadOnly);
        }
        self.check(offset, data.len())?;
        let mut done = 0;
        while done < data.len() {
            let at = offset + done as u64;
            match self.file.write_at(at, &data[done..], (self.now)()).await.map_err(device_error)? {
                0 => return Err(DeviceError::Io("the file takes no more bytes".to_string())),
                count => done += count,
            }
        }
        Ok(())
    }

    async fn flush(&self) -> Result<(), DeviceError> {
        self.file.fsync().await.map_err(device_error)
    }
}
