//! Files that the page puts into the machine: a [`Tmpfs`] with a second door.

use crate::inode::{FileSystem, FileType, FsStat, Inode, NewNode, Result, SetAttributes, Timestamp};
use crate::tmpfs::{Tmpfs, TmpfsOptions};
use async_trait::async_trait;
use guest_mem::FramePool;
use linux_abi::errno::Errno;
use std::rc::Rc;

/// A file system in memory whose files are also read and written from outside, by path.
#[derive(Debug)]
pub struct DataFs(Rc<Tmpfs>);

impl DataFs {
    /// An empty one. Its root belongs to root, with mode 0755.
    pub fn new(pool: &FramePool, device_number: u64, now: Timestamp) -> Rc<DataFs> {
        let options = TmpfsOptions { device_number, root_permissions: 0o755, now, ..TmpfsOptions::default() };
        Rc::new(DataFs(Tmpfs::new(pool, options)))
    }

    /// Makes a file with this content, or replaces the content of one. Directories on the way are made.
    pub async fn write_file(&self, path: &str, content: &[u8], now: Timestamp) -> Result<()> {
        let (parents, name) = split(path)?;
        let mut dir = self.0.root();
        for parent in parents {
            dir = match dir.lookup(parent.as_bytes()).await {
                Err(Errno::ENOENT) => {
                    dir.create(parent.as_bytes(), &node(FileType::Directory, 0o755, now)).await?
                }
                found => found?,
            };
        }
        let file = match dir.lookup(name.as_bytes()).await {
            Err(Errno::ENOENT) => dir.create(name.as_bytes(), &node(FileType::Regular, 0o755, now)).await?,
            found => found?,
        };
        let cut = SetAttributes { size: Some(0), now, ..SetAttributes::default() };
        file.set_attributes(&cut).await?;
        match file.write_at(0, content, now).await? {
            count if count == content.len() => Ok(()),
            _ => Err(Errno::ENOSPC),
        }
    }

    /// Content of a file.
    pub async fn read_file(&self, path: &str) -> Result<Vec<u8>> {
        let file = self.find(path).await?;
        let mut content = vec![0; usize::try_from(file.attributes().size).map_err(|_| Errno::EFBIG)?];
        let count = file.read_at(0, &mut content).await?;
        content.truncate(count);
        Ok(content)
    }

    /// Names in a directory, without `.` and `..`.
    pub async fn list(&self, path: &str) -> Result<Vec<String>> {
        let mut names = Vec::new();
        let mut sink = |entry: crate::inode::DirEntry| {
            names.push(String::from_utf8_lossy(&entry.name).into_owned());
            true
        };
        self.find(path).await?.readdir(0, &mut sink).await?;
        names.retain(|name| name != "." && name != "..");
        Ok(names)
    }

    /// Removes a file or an empty directory.
    pub async fn remove(&self, path: &str, now: Timestamp) -> Result<()> {
        let (parents, name) = split(path)?;
        let dir = self.find(&parents.join("/")).await?;
        match dir.unlink(name.as_bytes(), now).await {
            Err(Errno::EISDIR) => dir.rmdir(name.as_bytes(), now).await,
            other => other,
        }
    }

    async fn find(&self, path: &str) -> Result<Rc<dyn Inode>> {
        let mut at = self.0.root();
        for name in path.split('/').filter(|name| !name.is_empty()) {
            at = at.lookup(name.as_bytes()).await?;
        }
        Ok(at)
    }
}

/// Directories on the way, and the last name.
fn split(path: &str) -> Result<(Vec<&str>, &str)> {
    let mut names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
    if names.iter().any(|name| matches!(*name, "." | "..")) {
        return Err(Errno::EINVAL);
    }
    let last = names.pop().ok_or(Errno::EISDIR)?;
    Ok((names, last))
}

fn node(file_type: FileType, permissions: u32, now: Timestamp) -> NewNode<'static> {
    NewNode { file_type, permissions, uid: 0, gid: 0, rdev: 0, target: &[], now }
}

#[async_trait(?Send)]
impl FileSystem for DataFs {
    fn root(&self) -> Rc<dyn Inode> {
        self.0.root()
    }

    fn device(&self) -> u64 {
        self.0.device()
    }

    fn type_name(&self) -> &'static str {
        "dir"
    }

    fn stat(&self) -> FsStat {
        self.0.stat()
    }

    async fn sync(&self) -> Result<()> {
        Ok(())
    }
}
