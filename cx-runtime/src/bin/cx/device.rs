//! Block devices of the native host: a file, and a layer in memory that takes the writes.

use async_trait::async_trait;
use blockdev::{BlockDevice, DeviceError};
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::rc::Rc;
use std::time::UNIX_EPOCH;

/// An image file.
#[derive(Debug)]
pub(crate) struct FileDevice {
    file: File,
    size: u64,
    read_only: bool,
    validator: String,
}

impl FileDevice {
    pub(crate) fn open(path: &Path, write: bool) -> std::io::Result<FileDevice> {
        let file = File::options().read(true).write(write).open(path)?;
        let meta = file.metadata()?;
        // A block device has no length as a file; seeking finds it.
        let size = if meta.is_file() {
            meta.len()
        } else {
            std::io::Seek::seek(&mut &file, std::io::SeekFrom::End(0))?
        };
        let modified =
            meta.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        let validator = format!("{size:x}-{:x}", modified.as_nanos());
        Ok(FileDevice { file, size, read_only: !write, validator })
    }

    fn check(&self, offset: u64, len: usize) -> Result<(), DeviceError> {
        match offset.checked_add(len as u64) {
            Some(end) if end <= self.size => Ok(()),
            _ => Err(DeviceError::OutOfRange { offset, len: len as u64, size: self.size }),
        }
    }
}

fn failed(error: std::io::Error) -> DeviceError {
    match error.kind() {
        std::io::ErrorKind::StorageFull => DeviceError::NoSpace("the disk of the host".into()),
        _ => DeviceError::Io(error.to_string()),
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

    fn validator(&self) -> Option<String> {
        Some(self.validator.clone())
    }

    async fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), DeviceError> {
        self.check(offset, buf.len())?;
        self.file.read_exact_at(buf, offset).map_err(failed)
    }

    async fn write(&self, offset: u64, data: &[u8]) -> Result<(), DeviceError> {
        if self.read_only {
            return Err(DeviceError::ReadOnly);
        }
        self.check(offset, data.len())?;
        self.file.write_all_at(data, offset).map_err(failed)
    }

    async fn flush(&self) -> Result<(), DeviceError> {
        self.file.sync_data().map_err(failed)
    }
}

/// Bytes of a block of a [`Scratch`].
const BLOCK: usize = 4096;

/// A device whose writes stay in memory, and go with it. Blocks are small, so that a page costs a page.
pub(crate) struct Scratch {
    base: Rc<dyn BlockDevice>,
    written: RefCell<HashMap<u64, Box<[u8; BLOCK]>>>,
}

impl Scratch {
    pub(crate) fn new(base: Rc<dyn BlockDevice>) -> Scratch {
        Scratch { base, written: RefCell::default() }
    }

    fn check(&self, offset: u64, len: usize) -> Result<(), DeviceError> {
        match offset.checked_add(len as u64) {
            Some(end) if end <= self.base.size() => Ok(()),
            _ => Err(DeviceError::OutOfRange { offset, len: len as u64, size: self.base.size() }),
        }
    }
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scratch({} blocks)", self.written.borrow().len())
    }
}

/// The parts of a range in one block each: block, offset in it, range of the buffer.
fn parts(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done >= len {
            return None;
        }
        let at = offset + done as u64;
        let within = (at % BLOCK as u64) as usize;
        let count = (BLOCK - within).min(len - done);
        let part = (at / BLOCK as u64, within, done..done + count);
        done += count;
        Some(part)
    })
}

#[async_trait(?Send)]
impl BlockDevice for Scratch {
    fn size(&self) -> u64 {
        self.base.size()
    }

    fn block_size(&self) -> u32 {
        BLOCK as u32
    }

    fn validator(&self) -> Option<String> {
        self.base.validator()
    }

    async fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), DeviceError> {
        self.check(offset, buf.len())?;
        let all_written =
            parts(offset, buf.len()).all(|(block, _, _)| self.written.borrow().contains_key(&block));
        if !all_written {
            self.base.read(offset, buf).await?;
        }
        let written = self.written.borrow();
        for (block, within, range) in parts(offset, buf.len()) {
            if let Some(bytes) = written.get(&block) {
                let count = range.len();
                buf[range].copy_from_slice(&bytes[within..within + count]);
            }
        }
        Ok(())
    }

    async fn write(&self, offset: u64, data: &[u8]) -> Result<(), DeviceError> {
        self.check(offset, data.len())?;
        for (block, within, range) in parts(offset, data.len()) {
            let known = self.written.borrow().contains_key(&block);
            if !known {
                let mut bytes = Box::new([0; BLOCK]);
                if range.len() < BLOCK {
                    let start = block * BLOCK as u64;
                    let count = (self.base.size() - start).min(BLOCK as u64) as usize;
                    self.base.read(start, &mut bytes[..count]).await?;
                }
                // Another write to the block may have come first while this one read.
                self.written.borrow_mut().entry(block).or_insert(bytes);
            }
            if let Some(bytes) = self.written.borrow_mut().get_mut(&block) {
                bytes[within..within + range.len()].copy_from_slice(&data[range]);
            }
        }
        Ok(())
    }

    async fn flush(&self) -> Result<(), DeviceError> {
        Ok(())
    }

    fn prefetch(&self, offset: u64, len: u64) {
        self.base.prefetch(offset, len);
    }
}

#[cfg(test)]
mod tests {
    use super::Scratch;
    use blockdev::{BlockDevice, MemoryDevice};
    use std::rc::Rc;

    #[test]
    fn writes_stay_above_the_base() {
        let base = Rc::new(MemoryDevice::from_bytes((0..10_000).map(|i| i as u8).collect()).into_read_only());
        let before = base.contents();
        let scratch = Scratch::new(base.clone());
        let mut expected = before.clone();
        for (offset, len, value) in [(0, 1, 1), (4095, 2, 2), (100, 9000, 3), (9990, 10, 4), (4096, 4096, 5)]
        {
            crate::host::block_on(scratch.write(offset, &vec![value; len])).unwrap();
            expected[offset as usize..offset as usize + len].fill(value);
            let mut all = vec![0; 10_000];
            crate::host::block_on(scratch.read(0, &mut all)).unwrap();
            assert_eq!(all, expected);
        }
        assert_eq!(base.contents(), before);
        assert!(crate::host::block_on(scratch.write(9999, &[1, 2])).is_err());
    }
}
