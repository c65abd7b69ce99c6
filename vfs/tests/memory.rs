//! The file systems without a device: tmpfs against the same model as ext2, files from the page, files from the web.

#[allow(unreachable_pub, reason = "shared by several test binaries")]
mod common;

use async_trait::async_trait;
use blockdev::testing::{check_device, run};
use blockdev::{BlockDevice, DeviceError};
use common::model::Model;
use common::*;
use guest_mem::{FramePool, Lookup};
use linux_abi::errno::Errno;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use vfs::datafs::DataFs;
use vfs::file_device::FileDevice;
use vfs::page_cache::PageCache;
use vfs::tmpfs::{Tmpfs, TmpfsOptions};
use vfs::webfs::{HttpTree, WebFs, WebInfo};
use vfs::{FileSystem, FileType, NewNode, RenameMode, SetAttributes};

#[test]
fn tmpfs_behaves_like_the_model() {
    for seed in 0..10 {
        let pool = FramePool::new(8192);
        let fs = Tmpfs::new(&pool, TmpfsOptions { device_number: 3, ..TmpfsOptions::default() });
        let root = fs.root();
        let mut model = Model::new(seed + 200);
        for _ in 0..5 {
            for _ in 0..300 {
                model.step(&root);
            }
            model.check(&root);
        }
        drop((model, root, fs));
        assert_eq!(pool.stats().in_use, 0, "every frame is given back");
    }
}

#[test]
fn a_full_tmpfs_says_so() {
    let pool = FramePool::new(8192);
    let fs = Tmpfs::new(&pool, TmpfsOptions { max_pages: Some(10), ..TmpfsOptions::default() });
    let file = run(fs.root().create(b"file", &node(FileType::Regular))).unwrap();
    assert_eq!(run(file.write_at(0, &[1; 100_000], at(0))), Ok(40_960));
    assert_eq!(run(file.write_at(40_960, &[1], at(0))), Err(Errno::ENOSPC));
    assert_eq!(fs.stat().blocks_free, 0);
    assert_eq!((fs.stat().blocks, pool.stats().in_use), (10, 10));
    run(fs.root().unlink(b"file", at(1))).unwrap();
    assert_eq!(fs.stat().blocks_free, 0, "it is still open");
    drop(file);
    assert_eq!(fs.stat().blocks_free, 10);
}

#[test]
fn anonymous_files_are_shared_memory() {
    let pool = FramePool::new(64);
    let fs = Tmpfs::new(&pool, TmpfsOptions::default());
    let file = fs.anonymous_file(0o777, 0, 0, at(0));
    assert_eq!(file.attributes().links, 0);
    let grow = SetAttributes { size: Some(5000), now: at(1), ..SetAttributes::default() };
    run(file.set_attributes(&grow)).unwrap();
    let pages = file.mappable().unwrap();
    let Lookup::Resident(frame) = pages.lookup(1) else { panic!("pages of memory are always there") };
    frame.write(0, b"shared");
    let mut found = [0; 6];
    run(file.read_at(4096, &mut found)).unwrap();
    assert_eq!(&found, b"shared");
    assert!(matches!(pages.lookup(2), Lookup::BeyondEnd));
    drop((frame, pages, file));
    assert_eq!(pool.stats().in_use, 0);
}

#[test]
fn a_deep_tree_is_dropped_without_deep_recursion() {
    let pool = FramePool::new(64);
    let fs = Tmpfs::new(&pool, TmpfsOptions::default());
    let mut dir = fs.root();
    for _ in 0..100_000 {
        dir = run(dir.create(b"d", &node(FileType::Directory))).unwrap();
    }
    drop(dir);
    drop(fs);
}

#[test]
fn files_do_not_move_between_file_systems() {
    let pool = FramePool::new(64);
    let (a, b) = (Tmpfs::new(&pool, TmpfsOptions::default()), Tmpfs::new(&pool, TmpfsOptions::default()));
    let file = run(a.root().create(b"file", &node(FileType::Regular))).unwrap();
    assert_eq!(run(b.root().link(b"file", &file, at(0))), Err(Errno::EXDEV));
    assert_eq!(
        run(a.root().rename(b"file", &b.root(), b"file", RenameMode::Replace, at(0))),
        Err(Errno::EXDEV)
    );
}

#[test]
fn the_page_puts_files_in_and_takes_them_out() {
    let pool = FramePool::new(512);
    let fs = DataFs::new(&pool, 9, at(0));
    run(async {
        fs.write_file("/in/by/page.txt", b"from the page", at(1)).await.unwrap();
        assert_eq!(read_all(&*lookup(&*fs, "in/by/page.txt")), b"from the page");
        fs.write_file("in/by/page.txt", b"shorter", at(2)).await.unwrap();
        assert_eq!(fs.read_file("in/by/page.txt").await.unwrap(), b"shorter");
        let root = fs.root();
        root.create(b"by-guest", &NewNode { uid: 5, ..node(FileType::Regular) }).await.unwrap();
        assert_eq!(fs.list("/").await.unwrap(), ["in", "by-guest"]);
        assert_eq!(fs.read_file("nothing").await, Err(Errno::ENOENT));
        assert_eq!(fs.write_file("by-guest/below", b"", at(3)).await, Err(Errno::ENOTDIR));
        assert_eq!(fs.write_file("in", b"", at(3)).await, Err(Errno::EISDIR));
        assert_eq!(fs.write_file("in/../x", b"", at(3)).await, Err(Errno::EINVAL));
        assert_eq!(fs.remove("in", at(4)).await, Err(Errno::ENOTEMPTY));
        fs.remove("by-guest", at(4)).await.unwrap();
        fs.remove("in/by/page.txt", at(4)).await.unwrap();
        fs.remove("in/by", at(4)).await.unwrap();
        assert_eq!(fs.list("in").await.unwrap(), [""; 0]);
    });
}

/// A web site in memory.
#[derive(Default)]
struct Site {
    files: BTreeMap<&'static str, Vec<u8>>,
    /// Paths that the server redirects to a slash.
    directories: Vec<&'static str>,
    asked: RefCell<Vec<String>>,
    ranges: bool,
    tells_size: bool,
}

#[async_trait(?Send)]
impl HttpTree for Site {
    async fn head(&self, path: &str) -> Result<Option<WebInfo>, DeviceError> {
        self.asked.borrow_mut().push(format!("HEAD {path}"));
        if self.directories.contains(&path) {
            return Ok(Some(WebInfo { size: None, directory: true, modified: None }));
        }
        let info = |file: &Vec<u8>| WebInfo {
            size: self.tells_size.then_some(file.len() as u64),
            directory: false,
            modified: Some(at(77)),
        };
        Ok(self.files.get(path).map(info))
    }

    async fn get(&self, path: &str) -> Result<Option<Vec<u8>>, DeviceError> {
        self.asked.borrow_mut().push(format!("GET {path}"));
        Ok(self.files.get(path).cloned())
    }

    async fn get_range(&self, path: &str, offset: u64, len: usize) -> Result<Vec<u8>, DeviceError> {
        self.asked.borrow_mut().push(format!("RANGE {path} {offset} {len}"));
        match (self.ranges, self.files.get(path)) {
            (false, _) => Err(DeviceError::Unsupported("ranges".into())),
            (true, Some(file)) => Ok(file[offset as usize..offset as usize + len].to_vec()),
            (true, None) => Err(DeviceError::NotFound(path.into())),
        }
    }
}

#[test]
fn a_web_site_as_files() {
    for (ranges, tells_size) in [(true, true), (false, true), (true, false)] {
        let big = Random(4).bytes(6_000_000);
        let site = Rc::new(Site {
            files: BTreeMap::from([
                ("index.list", b"hello.txt\nsub/\nnot/a/name\n".to_vec()),
                ("hello.txt", b"hello".to_vec()),
                ("hidden.txt", b"not listed".to_vec()),
                ("sub/inner", b"inner".to_vec()),
                ("listed/index.list", b"a\nb\n".to_vec()),
                ("listed/a", b"a".to_vec()),
                ("big", big.clone()),
            ]),
            directories: vec!["redirected"],
            ranges,
            tells_size,
            ..Site::default()
        });
        let fs = WebFs::new(site.clone(), &cache_of(4096), 11);
        assert!(fs.read_only());
        let hello = lookup(&*fs, "hello.txt");
        assert_eq!(read_all(&*hello), b"hello");
        assert_eq!((hello.attributes().mode(), hello.attributes().modified), (0o100_555, at(77)));
        assert_eq!(names_of(&*fs.root()), [".", "..", "hello.txt", "sub"]);
        assert_eq!(read_all(&*lookup(&*fs, "hidden.txt")), b"not listed");
        assert_eq!(read_all(&*lookup(&*fs, "sub/inner")), b"inner");
        assert_eq!(names_of(&*lookup(&*fs, "listed")), [".", "..", "a", "b"]);
        assert_eq!(lookup(&*fs, "redirected").attributes().file_type, FileType::Directory);
        assert_eq!(run(fs.root().lookup(b"missing")).err(), Some(Errno::ENOENT));
        assert_eq!(run(fs.root().lookup(&[0xff, 0xfe])).err(), Some(Errno::ENOENT));
        assert_eq!(run(fs.root().create(b"x", &node(FileType::Regular))).err(), Some(Errno::EROFS));
        assert!(read_all(&*lookup(&*fs, "big")) == big);
        let asked = site.asked.borrow().len();
        assert_eq!(run(fs.root().lookup(b"missing")).err(), Some(Errno::ENOENT));
        assert!(Rc::ptr_eq(&hello, &lookup(&*fs, "hello.txt")));
        assert_eq!(read_all(&*lookup(&*fs, "sub/inner")), b"inner");
        assert_eq!(site.asked.borrow().len(), asked, "nothing is asked twice");
        let whole = site.asked.borrow().iter().filter(|line| *line == "GET big").count();
        assert_eq!(whole, usize::from(!(ranges && tells_size)));
        let pages = hello.mappable().unwrap();
        run(pages.load(0)).unwrap();
        assert!(matches!(pages.lookup(0), Lookup::Resident(_)));
    }
}

#[test]
fn a_file_is_a_block_device() {
    let pool = FramePool::new(1024);
    let fs = DataFs::new(&pool, 9, at(0));
    let content = Random(6).bytes(700_001);
    run(fs.write_file("image", &content, at(0))).unwrap();
    let file = lookup(&*fs, "image");
    let device = FileDevice::new(file.clone(), false, || at(5)).unwrap();
    run(check_device(&device, &content)).unwrap();
    assert_eq!(file.attributes().modified, at(5));
    let content = read_all(&*file);
    let device = FileDevice::new(file, true, || at(6)).unwrap();
    run(check_device(&device, &content)).unwrap();
    assert!(FileDevice::new(fs.root(), true, || at(0)).is_err());
}

#[test]
fn an_image_inside_an_image() {
    let scratch = Scratch::new("nested");
    let (outer, inner) = (scratch.path("outer"), scratch.path("inner"));
    mke2fs(&outer, "16M", &["-t", "ext2"]);
    mke2fs(&inner, "4M", &["-t", "ext2", "-b", "1024"]);
    let pool = FramePool::new(8192);
    let cache = PageCache::new(&pool, 4096);
    let outer_fs = mount(&outer, &cache);
    let file = run(outer_fs.root().create(b"inner", &node(FileType::Regular))).unwrap();
    run(file.write_at(0, &std::fs::read(&inner).unwrap(), at(0))).unwrap();
    let device = Rc::new(FileDevice::new(file.clone(), false, || at(1)).unwrap());
    assert_eq!(device.size(), 4 << 20);
    let inner_fs = mount_device(device, &cache);
    let nested = run(inner_fs.root().create(b"nested", &node(FileType::Regular))).unwrap();
    run(nested.write_at(0, b"two levels", at(2))).unwrap();
    run(inner_fs.sync()).unwrap();
    run(outer_fs.sync()).unwrap();
    fsck_clean(&outer, "outer");
    std::fs::write(&inner, debugfs(&outer, "cat inner")).unwrap();
    fsck_clean(&inner, "inner");
    assert_eq!(debugfs(&inner, "cat nested"), b"two levels");
}
