//! The file behind `--overlay`: blocks that were written, in a log.
//!
//! The file is a sequence of records: kind (1 block, 2 named value, 3 end of a batch), two numbers, then bytes. A batch
//! counts once its end is there, so that a run that was killed leaves whole batches only. What is newer replaces what
//! is older; when half the log is old, it is written anew at the next opening.

use async_trait::async_trait;
use blockdev::{BlockStore, DeviceError};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::{BufReader, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

const MAGIC: &[u8; 16] = b"cx overlay log 1";
const BLOCK: u64 = 1;
const META: u64 = 2;
const COMMIT: u64 = 3;
/// Kind, number (or length of the key), length of the bytes.
const HEAD: u64 = 24;

#[derive(Debug, Default)]
struct Index {
    /// Block to place and length in the file.
    blocks: BTreeMap<u64, (u64, u64)>,
    meta: BTreeMap<String, Vec<u8>>,
    /// Where the next record goes.
    end: u64,
}

/// An overlay file.
#[derive(Debug)]
pub(crate) struct FileStore {
    file: File,
    index: RefCell<Index>,
    path: PathBuf,
}

fn failed(error: std::io::Error) -> DeviceError {
    match error.kind() {
        std::io::ErrorKind::StorageFull => DeviceError::NoSpace("the disk of the host".into()),
        _ => DeviceError::Io(error.to_string()),
    }
}

impl FileStore {
    /// Opens a file or makes one. [`DeviceError::Locked`] where another run has it open.
    pub(crate) fn open(path: &Path) -> Result<FileStore, DeviceError> {
        let file =
            File::options().read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(DeviceError::Locked(path.display().to_string())),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let size = file.metadata().map_err(failed)?.len();
        let mut index = Index { end: MAGIC.len() as u64, ..Index::default() };
        if size == 0 {
            file.write_all_at(MAGIC, 0).map_err(failed)?;
        } else {
            scan(&file, size, &mut index)?;
            // What follows the last whole batch never counted.
            file.set_len(index.end).map_err(failed)?;
        }
        let store = FileStore { file, index: RefCell::new(index), path: path.into() };
        let live: u64 = store.index.borrow().blocks.values().map(|(_, len)| len + HEAD).sum();
        if store.index.borrow().end > 2 * live + (1 << 20) { store.compacted() } else { Ok(store) }
    }

    /// Writes the live records to a new file that takes this one's place.
    fn compacted(self) -> Result<FileStore, DeviceError> {
        let partial = self.path.with_extension("compacting");
        let _ = std::fs::remove_file(&partial);
        let new = FileStore::open(&partial)?;
        let index = self.index.into_inner();
        for (key, value) in &index.meta {
            new.append(&[(META, key.len() as u64, [key.as_bytes(), value].concat())])?;
        }
        for (number, (at, len)) in &index.blocks {
            let mut bytes = vec![0; *len as usize];
            self.file.read_exact_at(&mut bytes, *at).map_err(failed)?;
            new.append(&[(BLOCK, *number, bytes)])?;
        }
        new.file.sync_data().map_err(failed)?;
        std::fs::rename(&partial, &self.path).map_err(failed)?;
        Ok(FileStore { path: self.path, ..new })
    }

    /// Appends records and the end of their batch.
    fn append(&self, records: &[(u64, u64, Vec<u8>)]) -> Result<(), DeviceError> {
        let mut log = Vec::new();
        let start = self.index.borrow().end;
        let mut places = Vec::new();
        for (kind, number, bytes) in records {
            for value in [*kind, *number, bytes.len() as u64] {
                log.extend_from_slice(&value.to_le_bytes());
            }
            places.push(start + log.len() as u64);
            log.extend_from_slice(bytes);
        }
        for value in [COMMIT, 0, 0] {
            log.extend_from_slice(&value.to_le_bytes());
        }
        self.file.write_all_at(&log, start).map_err(failed)?;
        let mut index = self.index.borrow_mut();
        index.end = start + log.len() as u64;
        for ((kind, number, bytes), at) in records.iter().zip(places) {
            index.take(*kind, *number, at, bytes.len() as u64, bytes);
        }
        Ok(())
    }
}

impl Index {
    fn take(&mut self, kind: u64, number: u64, at: u64, len: u64, bytes: &[u8]) {
        if kind == BLOCK {
            self.blocks.insert(number, (at, len));
        } else if let Some((key, value)) = bytes.split_at_checked(number as usize) {
            self.meta.insert(String::from_utf8_lossy(key).into_owned(), value.to_vec());
        }
    }
}

fn scan(file: &File, size: u64, index: &mut Index) -> Result<(), DeviceError> {
    let mut reader = BufReader::new(file);
    let mut magic = [0; 16];
    if reader.read_exact(&mut magic).is_err() || magic != *MAGIC {
        return Err(DeviceError::Corrupt("the overlay file was not made by cx".into()));
    }
    let mut at = MAGIC.len() as u64;
    let mut batch = Vec::new();
    loop {
        let mut head = [0; HEAD as usize];
        if at + HEAD > size || reader.read_exact(&mut head).is_err() {
            return Ok(());
        }
        let (words, _) = head.as_chunks::<8>();
        let [kind, number, len] = [words[0], words[1], words[2]].map(u64::from_le_bytes);
        at += HEAD;
        if at.checked_add(len).is_none_or(|end| end > size) {
            return Ok(());
        }
        match kind {
            COMMIT => {
                for (kind, number, place, len, bytes) in std::mem::take(&mut batch) {
                    let bytes: Vec<u8> = bytes;
                    index.take(kind, number, place, len, &bytes);
                }
                index.end = at;
            }
            BLOCK => {
                reader.seek_relative(len as i64).map_err(failed)?;
                batch.push((kind, number, at, len, Vec::new()));
            }
            META => {
                let mut bytes = vec![0; len as usize];
                reader.read_exact(&mut bytes).map_err(failed)?;
                batch.push((kind, number, at, len, bytes));
            }
            _ => return Ok(()),
        }
        at += len;
    }
}

#[async_trait(?Send)]
impl BlockStore for FileStore {
    async fn get(&self, index: u64) -> Result<Option<Vec<u8>>, DeviceError> {
        let Some((at, len)) = self.index.borrow().blocks.get(&index).copied() else { return Ok(None) };
        let mut bytes = vec![0; len as usize];
        self.file.read_exact_at(&mut bytes, at).map_err(failed)?;
        Ok(Some(bytes))
    }

    async fn indices(&self) -> Result<Vec<u64>, DeviceError> {
        Ok(self.index.borrow().blocks.keys().copied().collect())
    }

    async fn put_many(&self, blocks: &[(u64, Rc<Vec<u8>>)]) -> Result<(), DeviceError> {
        let records: Vec<_> = blocks.iter().map(|(number, bytes)| (BLOCK, *number, bytes.to_vec())).collect();
        self.append(&records)
    }

    async fn get_meta(&self, key: &str) -> Result<Option<Vec<u8>>, DeviceError> {
        Ok(self.index.borrow().meta.get(key).cloned())
    }

    async fn put_meta(&self, key: &str, value: &[u8]) -> Result<(), DeviceError> {
        self.append(&[(META, key.len() as u64, [key.as_bytes(), value].concat())])
    }

    async fn flush(&self) -> Result<(), DeviceError> {
        (&self.file).flush().and_then(|()| self.file.sync_data()).map_err(failed)
    }

    async fn clear(&self) -> Result<(), DeviceError> {
        self.file.set_len(MAGIC.len() as u64).map_err(failed)?;
        *self.index.borrow_mut() = Index { end: MAGIC.len() as u64, ..Index::default() };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::FileStore;
    use crate::host::block_on;
    use blockdev::{BlockStore, DeviceError};
    use std::rc::Rc;

    #[test]
    fn whole_batches_survive_and_torn_ones_do_not() {
        let path = std::env::temp_dir().join(format!("cx-store-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let block = |value: u8| Rc::new(vec![value; 1000]);
        {
            let store = FileStore::open(&path).unwrap();
            assert!(matches!(FileStore::open(&path), Err(DeviceError::Locked(_))));
            block_on(store.put_meta("base", b"x")).unwrap();
            block_on(store.put_many(&[(7, block(1)), (9, block(2))])).unwrap();
            block_on(store.put_many(&[(7, block(3)), (8, block(4))])).unwrap();
        }
        let size = std::fs::metadata(&path).unwrap().len();
        // The last batch loses its end.
        std::fs::File::options().write(true).open(&path).unwrap().set_len(size - 1).unwrap();
        let store = FileStore::open(&path).unwrap();
        assert_eq!(block_on(store.get_meta("base")).unwrap().as_deref(), Some(b"x".as_slice()));
        assert_eq!(block_on(store.indices()).unwrap(), [7, 9]);
        assert_eq!(block_on(store.get(7)).unwrap(), Some(vec![1; 1000]));
        assert_eq!(block_on(store.get(8)).unwrap(), None);
        // Much rewriting makes the log shrink at the next opening.
        for _ in 0..4000 {
            block_on(store.put_many(&[(1, block(5))])).unwrap();
        }
        drop(store);
        let before = std::fs::metadata(&path).unwrap().len();
        let store = FileStore::open(&path).unwrap();
        assert!(std::fs::metadata(&path).unwrap().len() < before / 100);
        assert_eq!(block_on(store.get(1)).unwrap(), Some(vec![5; 1000]));
        assert_eq!(block_on(store.get(9)).unwrap(), Some(vec![2; 1000]));
        drop(store);
        std::fs::remove_file(&path).unwrap();
    }
}
