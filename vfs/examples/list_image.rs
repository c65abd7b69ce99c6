//! Lists everything in an ext2 image: `cargo run -p vfs --example list_image -- IMAGE`.

use async_trait::async_trait;
use blockdev::testing::run;
use blockdev::{BlockDevice, CacheOptions, Cached, DeviceError};
use guest_mem::FramePool;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::rc::Rc;
use vfs::ext2::{Ext2, Ext2Options};
use vfs::page_cache::PageCache;
use vfs::{FileSystem, FileType, Inode};

/// A file as a read-only device.
struct Image {
    file: File,
    size: u64,
}

#[async_trait(?Send)]
impl BlockDevice for Image {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_only(&self) -> bool {
        true
    }

    async fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), DeviceError> {
        self.file.read_exact_at(buf, offset).map_err(|error| DeviceError::Io(error.to_string()))
    }

    async fn write(&self, _offset: u64, _data: &[u8]) -> Result<(), DeviceError> {
        Err(DeviceError::ReadOnly)
    }

    async fn flush(&self) -> Result<(), DeviceError> {
        Ok(())
    }
}

fn list(dir: &dyn Inode, path: &str) -> vfs::inode::Result<()> {
    let mut names = Vec::new();
    let mut sink = |entry: vfs::DirEntry| {
        names.push(entry.name);
        true
    };
    run(dir.readdir(0, &mut sink))?;
    for name in names.into_iter().filter(|name| name != b"." && name != b"..") {
        let node = run(dir.lookup(&name))?;
        let attributes = node.attributes();
        let path = format!("{path}/{}", String::from_utf8_lossy(&name));
        println!(
            "{:06o} {:4} {:4} {:10} {path}",
            attributes.mode(),
            attributes.uid,
            attributes.gid,
            attributes.size
        );
        if attributes.file_type == FileType::Directory {
            list(&*node, &path)?;
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::args().nth(1).ok_or("give the path of an ext2 image")?;
    let file = File::open(name)?;
    let size = file.metadata()?.len();
    let device = Rc::new(Cached::new(Rc::new(Image { file, size }), CacheOptions::default()));
    let cache = PageCache::new(&FramePool::new(4096), 2048);
    let fs = run(Ext2::mount(device, &cache, Ext2Options::default()))?;
    println!("label {:?}, {:?}", fs.label(), fs.stat());
    list(&*fs.root(), "").map_err(|error| format!("{error:?}"))?;
    Ok(())
}
