//! What the tests share: images made by mke2fs, e2fsck and debugfs as judges, a device over a host file.
#![allow(dead_code, reason = "each test binary uses a part")]

pub mod model;

use async_trait::async_trait;
use blockdev::testing::run;
use blockdev::{BlockDevice, DeviceError};
use guest_mem::FramePool;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use vfs::ext2::{Ext2, Ext2Options};
use vfs::page_cache::PageCache;
use vfs::{FileSystem, FileType, Inode, NewNode, Timestamp};

/// A directory that goes with the value.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Scratch {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("vfs-{name}-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A file of the host as a device. Writes go to the file at once.
pub struct HostFile {
    file: File,
    size: u64,
}

impl HostFile {
    pub fn open(path: &Path) -> Rc<HostFile> {
        let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
        let size = file.metadata().unwrap().len();
        Rc::new(HostFile { file, size })
    }
}

#[async_trait(?Send)]
impl BlockDevice for HostFile {
    fn size(&self) -> u64 {
        self.size
    }

    async fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), DeviceError> {
        if offset.checked_add(buf.len() as u64).is_none_or(|end| end > self.size) {
            return Err(DeviceError::OutOfRange { offset, len: buf.len() as u64, size: self.size });
        }
        self.file.read_exact_at(buf, offset).map_err(|error| DeviceError::Io(error.to_string()))
    }

    async fn write(&self, offset: u64, data: &[u8]) -> Result<(), DeviceError> {
        if offset.checked_add(data.len() as u64).is_none_or(|end| end > self.size) {
            return Err(DeviceError::OutOfRange { offset, len: data.len() as u64, size: self.size });
        }
        self.file.write_all_at(data, offset).map_err(|error| DeviceError::Io(error.to_string()))
    }

    async fn flush(&self) -> Result<(), DeviceError> {
        Ok(())
    }
}

fn command(program: &str, arguments: &[&str]) -> Output {
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    Command::new(program)
        .args(arguments)
        .env("PATH", path)
        .env("MKE2FS_SYNC", "0")
        .output()
        .unwrap_or_else(|error| panic!("{program} is needed (package e2fsprogs): {error}"))
}

/// Makes an image with mke2fs.
pub fn mke2fs(image: &Path, size: &str, arguments: &[&str]) {
    let image = image.to_str().unwrap();
    let mut all = vec!["-q", "-F"];
    all.extend(arguments);
    all.extend([image, size]);
    let output = command("mke2fs", &all);
    assert!(output.status.success(), "mke2fs {all:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Runs e2fsck without changing anything; the image must be perfect.
pub fn fsck_clean(image: &Path, when: &str) {
    let output = command("e2fsck", &["-f", "-n", image.to_str().unwrap()]);
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(0), "{when}: e2fsck says {}\n{text}", output.status);
}

/// Checks an image on which unlinked files are still open: e2fsck must need to do no more than free them, which the
/// check at boot does by itself.
pub fn fsck_clean_but_orphans(image: &Path, when: &str) {
    let copy = image.with_extension("copy");
    fs::copy(image, &copy).unwrap();
    let output = command("e2fsck", &["-f", "-p", copy.to_str().unwrap()]);
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code().is_some_and(|code| code < 2),
        "{when}: e2fsck says {}\n{text}",
        output.status
    );
    for line in text.lines() {
        let expected = ["Clearing orphaned inode", "non-contiguous"].iter().any(|part| line.contains(part));
        assert!(expected, "{when}: e2fsck says\n{text}");
    }
    fsck_clean(&copy, when);
}

/// Repairs the image as a boot after a crash would, with more options of e2fsck. Gives what it said.
pub fn fsck_repair(image: &Path, options: &[&str]) -> String {
    let output = command("e2fsck", &[&["-f", "-y"], options, &[image.to_str().unwrap()]].concat());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.code().is_some_and(|code| code < 4), "e2fsck cannot repair: {text}");
    text
}

/// Asks debugfs, an ext2 implementation that nobody here wrote.
pub fn debugfs(image: &Path, request: &str) -> Vec<u8> {
    command("debugfs", &["-R", request, image.to_str().unwrap()]).stdout
}

pub fn debugfs_text(image: &Path, request: &str) -> String {
    String::from_utf8_lossy(&debugfs(image, request)).into_owned()
}

/// Lets debugfs change an image, by a script.
pub fn debugfs_script(image: &Path, script: &str) {
    let file = image.with_extension("script");
    fs::write(&file, script).unwrap();
    let output = command("debugfs", &["-w", "-f", file.to_str().unwrap(), image.to_str().unwrap()]);
    assert!(output.status.success(), "debugfs: {}", String::from_utf8_lossy(&output.stderr));
}

pub fn cache_of(pages: usize) -> PageCache {
    PageCache::new(&FramePool::new(pages * 2 + 512), pages)
}

pub fn mount(image: &Path, cache: &PageCache) -> Rc<Ext2> {
    mount_device(HostFile::open(image), cache)
}

pub fn mount_device(device: Rc<dyn BlockDevice>, cache: &PageCache) -> Rc<Ext2> {
    run(Ext2::mount(device, cache, Ext2Options { device_number: 7, ..Ext2Options::default() })).unwrap()
}

/// A time that only goes forward, the same in every run.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp { seconds: 1_700_000_000 + seconds, nanoseconds: 123_456_789 }
}

pub fn node(file_type: FileType) -> NewNode<'static> {
    let permissions = if file_type == FileType::Directory { 0o755 } else { 0o644 };
    NewNode { file_type, permissions, uid: 1000, gid: 100, rdev: 0, target: &[], now: at(0) }
}

/// Walks a path of plain names.
pub fn lookup(fs: &dyn FileSystem, path: &str) -> Rc<dyn Inode> {
    let mut at = fs.root();
    for name in path.split('/').filter(|name| !name.is_empty()) {
        at = run(at.lookup(name.as_bytes())).unwrap_or_else(|error| panic!("{path}: {name}: {error:?}"));
    }
    at
}

pub fn read_all(file: &dyn Inode) -> Vec<u8> {
    let mut content = vec![0; file.attributes().size as usize + 10];
    let count = run(file.read_at(0, &mut content)).unwrap();
    assert_eq!(count as u64, file.attributes().size);
    content.truncate(count);
    content
}

pub fn names_of(dir: &dyn Inode) -> Vec<String> {
    let mut names = Vec::new();
    let mut sink = |entry: vfs::DirEntry| {
        names.push(String::from_utf8_lossy(&entry.name).into_owned());
        true
    };
    run(dir.readdir(0, &mut sink)).unwrap();
    names
}

/// Random numbers, the same in every run.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let x = self.0 ^ (self.0 >> 29);
        x.wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 16
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut seed = self.next() | 1;
        (0..len)
            .map(|_| {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                seed as u8
            })
            .collect()
    }
}
