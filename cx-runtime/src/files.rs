//! Files of the machine, as the host sees them: with root's rights, by absolute paths.

use crate::machine::Machine;
use crate::reply::Reply;
use linux_abi::Errno;
use linux_kernel::Kernel;
use std::rc::Rc;
use vfs::namespace::{LastSymlink, Path, Walked, Walker};
use vfs::{DirEntry, FileType, NewNode, SetAttributes, Timestamp};

type Result<T> = std::result::Result<T, Errno>;

/// What a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileInfo {
    /// Name within its directory.
    pub name: Vec<u8>,
    /// Type.
    pub file_type: FileType,
    /// Bytes.
    pub size: u64,
    /// Low 12 bits of the mode.
    pub permissions: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Last change of its content.
    pub modified: Timestamp,
}

/// A file to put into the machine.
#[derive(Clone, Debug)]
pub struct NewFile {
    /// Low 12 bits of the mode.
    pub permissions: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Time of its content; none for now.
    pub modified: Option<Timestamp>,
}

impl Default for NewFile {
    fn default() -> NewFile {
        NewFile { permissions: 0o644, uid: 0, gid: 0, modified: None }
    }
}

async fn walk(kernel: &Kernel, path: &[u8], last: LastSymlink) -> Result<Walked> {
    let walker = Walker { root: &kernel.root, start: &kernel.root, may_search: &|_| true };
    kernel.namespace.walk(&walker, path, last).await
}

async fn find(kernel: &Kernel, path: &[u8], last: LastSymlink) -> Result<Path> {
    walk(kernel, path, last).await?.existing()
}

fn node(kernel: &Kernel, file_type: FileType, file: &NewFile, target: &'static [u8]) -> NewNode<'static> {
    NewNode {
        file_type,
        permissions: file.permissions,
        uid: file.uid,
        gid: file.gid,
        rdev: 0,
        target,
        now: kernel.clock.timestamp(),
    }
}

/// Makes a directory and its parents where they are missing.
pub(crate) async fn make_directories(kernel: &Kernel, path: &[u8], permissions: u32) -> Result<()> {
    let mut so_far = Vec::new();
    for name in path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
        so_far.push(b'/');
        so_far.extend_from_slice(name);
        let walked = walk(kernel, &so_far, LastSymlink::Follow).await?;
        match &walked.target {
            Some(path) if path.inode().attributes().file_type == FileType::Directory => {}
            Some(_) => return Err(Errno::ENOTDIR),
            None => {
                let file = NewFile { permissions, ..NewFile::default() };
                let directory = node(kernel, FileType::Directory, &file, b"");
                kernel.namespace.create(&walked.parent, &walked.name, &directory).await?;
            }
        }
    }
    Ok(())
}

async fn read(kernel: &Kernel, path: &[u8]) -> Result<Vec<u8>> {
    let inode = find(kernel, path, LastSymlink::Follow).await?.inode();
    match inode.attributes().file_type {
        FileType::Regular => {}
        FileType::Directory => return Err(Errno::EISDIR),
        _ => return Err(Errno::EINVAL),
    }
    let mut content = Vec::new();
    // Synthetic files have no size; read on until nothing comes.
    let mut piece = vec![0; (inode.attributes().size as usize).clamp(4096, 1 << 20)];
    loop {
        let count = inode.read_at(content.len() as u64, &mut piece).await?;
        if count == 0 {
            return Ok(content);
        }
        content.extend_from_slice(piece.get(..count).ok_or(Errno::EIO)?);
    }
}

async fn write(kernel: &Kernel, path: &[u8], content: &[u8], file: &NewFile) -> Result<()> {
    let walked = walk(kernel, path, LastSymlink::Follow).await?;
    let now = kernel.clock.timestamp();
    let inode = match walked.target {
        Some(path) => {
            path.check_writable()?;
            let inode = path.inode();
            match inode.attributes().file_type {
                FileType::Regular => {}
                FileType::Directory => return Err(Errno::EISDIR),
                _ => return Err(Errno::EINVAL),
            }
            let change = SetAttributes { size: Some(0), now, ..SetAttributes::default() };
            inode.set_attributes(&change).await?;
            inode
        }
        None if walked.name.is_empty() || walked.trailing_slash => return Err(Errno::EISDIR),
        None => {
            let new = node(kernel, FileType::Regular, file, b"");
            kernel.namespace.create(&walked.parent, &walked.name, &new).await?.inode()
        }
    };
    let mut done = 0;
    while let Some(rest) = content.get(done..).filter(|rest| !rest.is_empty()) {
        let count = inode.write_at(done as u64, rest, now).await?;
        if count == 0 {
            return Err(Errno::EIO);
        }
        done += count;
    }
    let change = SetAttributes {
        permissions: Some(file.permissions),
        uid: Some(file.uid),
        gid: Some(file.gid),
        modified: file.modified,
        now,
        ..SetAttributes::default()
    };
    inode.set_attributes(&change).await
}

async fn info(path: &Path) -> FileInfo {
    let attributes = path.inode().attributes();
    FileInfo {
        name: path.name().to_vec(),
        file_type: attributes.file_type,
        size: attributes.size,
        permissions: attributes.permissions,
        uid: attributes.uid,
        gid: attributes.gid,
        modified: attributes.modified,
    }
}

async fn list(kernel: &Kernel, path: &[u8]) -> Result<Vec<FileInfo>> {
    let directory = find(kernel, path, LastSymlink::Follow).await?;
    let mut entries: Vec<DirEntry> = Vec::new();
    let mut sink = |entry: DirEntry| {
        entries.push(entry);
        true
    };
    directory.inode().readdir(0, &mut sink).await?;
    let mut all = Vec::new();
    for entry in entries.into_iter().filter(|entry| entry.name != b"." && entry.name != b"..") {
        let full = [path, b"/", &entry.name].concat();
        // Gone meanwhile: not there.
        if let Ok(path) = find(kernel, &full, LastSymlink::Keep).await {
            all.push(FileInfo { name: entry.name, ..info(&path).await });
        }
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

async fn remove(kernel: &Kernel, path: &[u8]) -> Result<()> {
    let walked = walk(kernel, path, LastSymlink::Keep).await?;
    let target = walked.target.ok_or(Errno::ENOENT)?;
    if walked.name.is_empty() {
        return Err(Errno::EBUSY);
    }
    let now = kernel.clock.timestamp();
    if target.inode().attributes().file_type == FileType::Directory {
        kernel.namespace.rmdir(&walked.parent, &walked.name, now).await
    } else {
        kernel.namespace.unlink(&walked.parent, &walked.name, now).await
    }
}

async fn symlink(kernel: &Kernel, path: &[u8], target: &[u8]) -> Result<()> {
    let walked = walk(kernel, path, LastSymlink::Keep).await?;
    if walked.target.is_some() || walked.name.is_empty() {
        return Err(Errno::EEXIST);
    }
    let now = kernel.clock.timestamp();
    let link =
        NewNode { file_type: FileType::Symlink, permissions: 0o777, uid: 0, gid: 0, rdev: 0, target, now };
    kernel.namespace.create(&walked.parent, &walked.name, &link).await?;
    Ok(())
}

/// The file that a command names: as it stands where it has a slash, else the first program in `search`, a PATH.
async fn program(kernel: &Kernel, name: &[u8], search: &[u8], cwd: &[u8]) -> Result<Vec<u8>> {
    if name.contains(&b'/') {
        return Ok(name.to_vec());
    }
    let mut result = Err(Errno::ENOENT);
    for folder in search.split(|byte| *byte == b':') {
        // An empty entry is the working directory (environ(7)).
        let folder = if folder.is_empty() { cwd } else { folder };
        let file = [folder, b"/", name].concat();
        let Ok(path) = find(kernel, &file, LastSymlink::Follow).await else { continue };
        let attributes = path.inode().attributes();
        if attributes.file_type == FileType::Regular {
            if attributes.permissions & 0o111 != 0 {
                return Ok(file);
            }
            result = Err(Errno::EACCES);
        }
    }
    result
}

impl Machine {
    fn file_job<T: 'static, F: Future<Output = T> + 'static>(
        &self,
        work: impl FnOnce(Rc<Kernel>) -> F,
    ) -> Reply<T> {
        self.job(work(self.kernel().clone()))
    }

    /// The content of a file.
    pub fn read_file(&self, path: impl Into<Vec<u8>>) -> Reply<Result<Vec<u8>>> {
        let path = path.into();
        self.file_job(async move |kernel| read(&kernel, &path).await)
    }

    /// Makes a file, or replaces its content and attributes.
    pub fn write_file(&self, path: impl Into<Vec<u8>>, content: Vec<u8>, file: NewFile) -> Reply<Result<()>> {
        let path = path.into();
        self.file_job(async move |kernel| write(&kernel, &path, &content, &file).await)
    }

    /// What a directory holds, by name.
    pub fn list_directory(&self, path: impl Into<Vec<u8>>) -> Reply<Result<Vec<FileInfo>>> {
        let path = path.into();
        self.file_job(async move |kernel| list(&kernel, &path).await)
    }

    /// What a path leads to.
    pub fn file_info(&self, path: impl Into<Vec<u8>>) -> Reply<Result<FileInfo>> {
        let path = path.into();
        self.file_job(async move |kernel| Ok(info(&find(&kernel, &path, LastSymlink::Follow).await?).await))
    }

    /// Removes a file or an empty directory.
    pub fn remove(&self, path: impl Into<Vec<u8>>) -> Reply<Result<()>> {
        let path = path.into();
        self.file_job(async move |kernel| remove(&kernel, &path).await)
    }

    /// Makes a directory and its parents where they are missing.
    pub fn make_directories(&self, path: impl Into<Vec<u8>>, permissions: u32) -> Reply<Result<()>> {
        let path = path.into();
        self.file_job(async move |kernel| make_directories(&kernel, &path, permissions).await)
    }

    /// Makes a symbolic link.
    pub fn make_symlink(&self, path: impl Into<Vec<u8>>, target: impl Into<Vec<u8>>) -> Reply<Result<()>> {
        let (path, target) = (path.into(), target.into());
        self.file_job(async move |kernel| symlink(&kernel, &path, &target).await)
    }

    /// The file that a command name means, searched for in a PATH as shells do.
    pub fn find_program(
        &self,
        name: impl Into<Vec<u8>>,
        search: impl Into<Vec<u8>>,
        cwd: impl Into<Vec<u8>>,
    ) -> Reply<Result<Vec<u8>>> {
        let (name, search, cwd) = (name.into(), search.into(), cwd.into());
        self.file_job(async move |kernel| program(&kernel, &name, &search, &cwd).await)
    }
}
