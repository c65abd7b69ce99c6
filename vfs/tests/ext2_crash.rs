//! Power cuts, failing devices, callers that go away, and images made to harm.

#[allow(unreachable_pub, reason = "shared by several test binaries")]
mod common;

use async_trait::async_trait;
use blockdev::testing::run;
use blockdev::{
    BlockDevice, DeviceError, FaultInjector, MemoryDevice, MemoryStore, Overlay, OverlayOptions, Recorder,
};
use common::*;
use linux_abi::errno::Errno;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::future::poll_fn;
use std::path::Path;
use std::rc::Rc;
use std::task::Poll;
use vfs::ext2::{Ext2, Ext2Options};
use vfs::{FileSystem, FileType, Inode, RenameMode, SetAttributes};

/// Makes and changes files, fsyncs some. Gives what must survive: path to content.
fn work(fs: &Ext2, random: &mut Random, steps: usize) -> BTreeMap<String, Vec<u8>> {
    let mut synced = BTreeMap::new();
    let root = fs.root();
    for step in 0..steps {
        let name = format!("f{}", random.below(12));
        match random.below(6) {
            0 => {
                if run(root.unlink(name.as_bytes(), at(step as i64))).is_ok() {
                    // What an unlinked file's fate in a crash is, nobody promises.
                    synced.remove(&name);
                }
            }
            1 => {
                let to = format!("f{}", random.below(12));
                if run(root.rename(
                    name.as_bytes(),
                    &root,
                    to.as_bytes(),
                    RenameMode::Replace,
                    at(step as i64),
                ))
                .is_ok()
                    && name != to
                {
                    synced.remove(&name);
                    synced.remove(&to);
                }
            }
            _ => {
                let file = match run(root.lookup(name.as_bytes())) {
                    Ok(file) => file,
                    Err(_) => run(root.create(name.as_bytes(), &node(FileType::Regular))).unwrap(),
                };
                let (offset, len) = (random.below(30_000), 1 + random.below(30_000));
                run(file.write_at(offset as u64, &random.bytes(len), at(step as i64))).unwrap();
                synced.remove(&name);
                if random.below(3) == 0 {
                    run(file.fsync()).unwrap();
                    synced.insert(name, read_all(&*file));
                }
            }
        }
    }
    synced
}

fn check_survivors(image: &Path, synced: &BTreeMap<String, Vec<u8>>, when: &str) {
    let fs = mount(image, &cache_of(2048));
    for (name, content) in synced {
        let found =
            run(fs.root().lookup(name.as_bytes())).unwrap_or_else(|_| panic!("{when}: {name} is lost"));
        assert!(read_all(&*found) == *content, "{when}: {name} differs");
    }
}

#[test]
fn what_was_fsynced_survives_a_power_cut_at_any_write() {
    let scratch = Scratch::new("crash");
    let image = scratch.path("image");
    for (seed, block_size) in [(1, "1024"), (2, "4096"), (3, "1024"), (4, "2048")] {
        mke2fs(&image, "4M", &["-t", "ext2", "-b", block_size]);
        let base = Rc::new(MemoryDevice::from_bytes(fs::read(&image).unwrap()));
        let device = Rc::new(FaultInjector::new(base.clone()));
        let fs = mount_device(device.clone(), &cache_of(2048));
        let mut random = Random(seed);
        let synced = work(&fs, &mut random, 120);
        // The cut comes in the middle of a sync that nobody saw end.
        device.fail_writes_after(Some(random.next() % 40));
        let _ = run(fs.sync());
        let keep = random.below(device.unflushed() + 1);
        run(device.crash(keep)).unwrap();
        fs::write(&image, base.contents()).unwrap();
        fsck_repair(&image, &[]);
        fsck_clean(&image, "repaired");
        check_survivors(&image, &synced, &format!("seed {seed}, {keep} writes kept"));
    }
}

#[test]
fn after_every_flush_the_device_is_consistent() {
    let scratch = Scratch::new("flushes");
    let image = scratch.path("image");
    mke2fs(&image, "4M", &["-t", "ext2", "-b", "1024"]);
    let bytes = fs::read(&image).unwrap();
    let recorder = Rc::new(Recorder::new(Rc::new(MemoryDevice::from_bytes(bytes.clone()))));
    let fs = mount_device(recorder.clone(), &cache_of(2048));
    work(&fs, &mut Random(8), 60);
    run(fs.sync()).unwrap();
    let log = recorder.log();
    let mut flushes = 0;
    for (count, change) in log.iter().enumerate() {
        if *change == blockdev::Recorded::Flush {
            flushes += 1;
            let copy = MemoryDevice::from_bytes(bytes.clone());
            run(recorder.replay(&copy, count)).unwrap();
            fs::write(&image, copy.contents()).unwrap();
            fsck_clean(&image, &format!("flush {flushes}"));
        }
    }
    assert!(flushes > 10);
}

#[test]
fn an_overlay_that_loses_its_tab_is_consistent_without_any_repair() {
    let scratch = Scratch::new("overlay");
    let image = scratch.path("image");
    mke2fs(&image, "4M", &["-t", "ext2", "-b", "1024"]);
    let bytes = fs::read(&image).unwrap();
    let store = MemoryStore::new();
    let open = || {
        let base = Rc::new(MemoryDevice::from_bytes(bytes.clone()).into_read_only());
        Rc::new(run(Overlay::open(base, Rc::new(store.clone()), OverlayOptions::default())).unwrap())
    };
    let mut random = Random(12);
    for round in 0..4 {
        let fs = mount_device(open(), &cache_of(2048));
        let synced = work(&fs, &mut random, 40);
        std::mem::forget(fs);
        store.crash();
        let device = open();
        let mut content = vec![0; bytes.len()];
        run(device.read(0, &mut content)).unwrap();
        fs::write(&image, content).unwrap();
        fsck_clean(&image, &format!("round {round}"));
        check_survivors(&image, &synced, "overlay");
    }
}

#[test]
fn files_open_and_unlinked_at_a_power_cut_are_freed_by_the_next_mount() {
    let scratch = Scratch::new("orphans");
    let image = scratch.path("image");
    mke2fs(&image, "4M", &["-t", "ext2", "-b", "1024"]);
    let fs = mount(&image, &cache_of(512));
    let before = fs.stat();
    for name in [b"a", b"b", b"c"] {
        let file = run(fs.root().create(name, &node(FileType::Regular))).unwrap();
        run(file.write_at(0, &[7; 300_000], at(1))).unwrap();
        run(fs.root().unlink(name, at(2))).unwrap();
        std::mem::forget(file);
    }
    run(fs.sync()).unwrap();
    assert!(fs.stat().blocks_free < before.blocks_free - 850);
    fsck_clean_but_orphans(&image, "open");
    let fs = mount(&image, &cache_of(512));
    run(fs.sync()).unwrap();
    assert_eq!(fs.stat(), before);
    fsck_clean(&image, "mounted again");
}

#[test]
fn a_failing_device_is_an_error_not_a_loss_of_what_it_had() {
    let scratch = Scratch::new("failing");
    let image = scratch.path("image");
    mke2fs(&image, "4M", &["-t", "ext2", "-b", "1024"]);
    let base = Rc::new(MemoryDevice::from_bytes(fs::read(&image).unwrap()));
    for reads in 0..25 {
        let device = Rc::new(FaultInjector::new(base.clone()));
        let fs = mount_device(device.clone(), &cache_of(512));
        device.fail_reads_after(Some(reads));
        let name = format!("d{reads}");
        let tried = run(async {
            let dir = fs.root().create(name.as_bytes(), &node(FileType::Directory)).await?;
            let file = dir.create(b"file", &node(FileType::Regular)).await?;
            file.write_at(100_000, b"x", at(1)).await?;
            fs.sync().await
        });
        if let Err(error) = tried {
            assert_eq!(error, Errno::EIO);
        }
        device.fail_reads_after(None);
        run(fs.sync()).unwrap();
        drop(fs);
        fs::write(&image, base.contents()).unwrap();
        fsck_clean(&image, &format!("{reads} reads"));
    }
    let device = Rc::new(FaultInjector::new(base.clone()));
    let fs = mount_device(device.clone(), &cache_of(512));
    let file = run(fs.root().create(b"file", &node(FileType::Regular))).unwrap();
    run(file.write_at(0, b"kept in memory", at(1))).unwrap();
    for writes in 0..6 {
        device.fail_writes_after(Some(writes));
        let result = run(file.fsync());
        // What was written at one try need not be at the next.
        assert!(result == Err(Errno::EIO) || writes > 2, "{writes}: {result:?}");
    }
    device.fail_writes_after(None);
    run(file.fsync()).unwrap();
    fs::write(&image, base.contents()).unwrap();
    fsck_clean(&image, "writes");
    assert_eq!(debugfs(&image, "cat file"), b"kept in memory");
}

/// A device on which everything takes a few polls.
struct Slow(MemoryDevice, Cell<u32>);

impl Slow {
    async fn wait(&self) {
        let mut left = self.1.get();
        poll_fn(|cx| {
            if left == 0 {
                return Poll::Ready(());
            }
            left -= 1;
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

#[async_trait(?Send)]
impl BlockDevice for Slow {
    fn size(&self) -> u64 {
        self.0.size()
    }

    async fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), DeviceError> {
        self.wait().await;
        self.0.read(offset, buf).await
    }

    async fn write(&self, offset: u64, data: &[u8]) -> Result<(), DeviceError> {
        self.wait().await;
        self.0.write(offset, data).await
    }

    async fn flush(&self) -> Result<(), DeviceError> {
        self.wait().await;
        Ok(())
    }
}

#[test]
fn a_change_whose_caller_goes_away_is_finished() {
    let scratch = Scratch::new("dropped");
    let image = scratch.path("image");
    mke2fs(&image, "4M", &["-t", "ext2", "-b", "1024", "-g", "512", "-N", "512"]);
    for polls in 1..40 {
        let device = Rc::new(Slow(MemoryDevice::from_bytes(fs::read(&image).unwrap()), Cell::new(2)));
        let fs = mount_device(device.clone(), &cache_of(512));
        let root = fs.root();
        run(async {
            // Each is polled a few times, then dropped.
            let dir = node(FileType::Directory);
            let mut first = Box::pin(root.create(b"dir", &dir));
            for _ in 0..polls {
                if futures::poll!(first.as_mut()).is_ready() {
                    break;
                }
            }
            drop(first);
            let Ok(dir) = root.lookup(b"dir").await else { return };
            let file = dir.create(b"file", &node(FileType::Regular)).await.unwrap();
            let data = Random(1).bytes(50_000);
            let mut write = Box::pin(file.write_at(0, &data, at(1)));
            for _ in 0..polls {
                if futures::poll!(write.as_mut()).is_ready() {
                    break;
                }
            }
            drop(write);
            let mut moved = Box::pin(dir.rename(b"file", &root, b"moved", RenameMode::Replace, at(2)));
            for _ in 0..polls {
                if futures::poll!(moved.as_mut()).is_ready() {
                    break;
                }
            }
            drop(moved);
        });
        run(fs.sync()).unwrap();
        let result = scratch.path("result");
        fs::write(&result, device.0.contents()).unwrap();
        fsck_clean(&result, &format!("{polls} polls"));
    }
}

#[test]
fn changes_and_reads_at_the_same_time() {
    let scratch = Scratch::new("parallel");
    let image = scratch.path("image");
    mke2fs(&image, "8M", &["-t", "ext2", "-b", "1024"]);
    let device = Rc::new(Slow(MemoryDevice::from_bytes(fs::read(&image).unwrap()), Cell::new(1)));
    let fs = mount_device(device.clone(), &cache_of(128));
    let root = fs.root();
    let task = |number: usize| {
        let root = root.clone();
        async move {
            let mut random = Random(number as u64 * 31 + 5);
            let name = format!("file{number}");
            let file = root.create(name.as_bytes(), &node(FileType::Regular)).await.unwrap();
            let mut content = Vec::new();
            for step in 0..40 {
                let (offset, len) = (random.below(60_000), 1 + random.below(20_000));
                match random.below(4) {
                    0 => {
                        let size = random.below(60_000);
                        let change = SetAttributes {
                            size: Some(size as u64),
                            now: at(step),
                            ..SetAttributes::default()
                        };
                        file.set_attributes(&change).await.unwrap();
                        content.resize(size, 0);
                    }
                    1 => {
                        let mut found = vec![0; len];
                        let count = file.read_at(offset as u64, &mut found).await.unwrap();
                        let end = (offset + len).min(content.len());
                        assert!(found[..count] == content[offset.min(end)..end]);
                        root.lookup(name.as_bytes()).await.unwrap();
                    }
                    _ => {
                        let data = random.bytes(len);
                        assert_eq!(file.write_at(offset as u64, &data, at(step)).await, Ok(len));
                        content.resize(content.len().max(offset + len), 0);
                        content[offset..offset + len].copy_from_slice(&data);
                    }
                }
                if step % 13 == 7 {
                    file.fsync().await.unwrap();
                }
            }
            let mut found = vec![0; content.len()];
            file.read_at(0, &mut found).await.unwrap();
            assert!(found == content, "file {number}");
            (name, content)
        }
    };
    let written = run(futures::future::join_all((0..8).map(task)));
    run(fs.sync()).unwrap();
    let result = scratch.path("result");
    fs::write(&result, device.0.contents()).unwrap();
    fsck_clean(&result, "parallel");
    for (name, content) in written {
        assert!(debugfs(&result, &format!("cat {name}")) == content);
    }
}

/// Visits everything; errors are fine, panics and endless loops are not.
fn explore(fs: &Ext2) {
    let mut left = 300;
    let mut stack: Vec<Rc<dyn Inode>> = vec![fs.root()];
    while let Some(at_node) = stack.pop() {
        let mut names = Vec::new();
        let mut sink = |entry: vfs::DirEntry| {
            names.push(entry.name);
            names.len() < 50
        };
        let _ = run(at_node.readdir(0, &mut sink));
        let _ = run(at_node.read_link());
        let _ = run(at_node.list_xattr());
        let _ = run(at_node.get_xattr(b"user.a"));
        let mut buf = vec![0; 20_000];
        let _ = run(at_node.read_at(0, &mut buf));
        let _ = run(at_node.read_at(at_node.attributes().size.saturating_sub(100), &mut buf));
        let _ = run(at_node.seek_hole(0, vfs::inode::SeekTarget::Hole));
        for name in names {
            left -= 1;
            if left > 0 && name != b"." && name != b".." {
                stack.extend(run(at_node.lookup(&name)).ok());
            }
        }
    }
    let root = fs.root();
    for number in 0..6 {
        let name = format!("n{number}").into_bytes();
        if let Ok(file) = run(root.create(&name, &node([FileType::Regular, FileType::Directory][number % 2])))
        {
            let _ = run(file.write_at(20_000 * number as u64, &[1; 5000], at(1)));
            let _ = run(file.set_xattr(b"user.b", b"c", vfs::XattrMode::Set, at(1)));
        }
    }
    for name in [&b"small"[..], b"big", b"dir", b"n0", b"link"] {
        let _ = run(root.unlink(name, at(2)));
        let _ = run(root.rmdir(name, at(2)));
    }
    let _ = run(fs.sync());
    let _ = run(fs.unmount());
}

#[test]
fn damaged_images_give_errors_and_nothing_worse() {
    let scratch = Scratch::new("damaged");
    let image = scratch.path("image");
    let tree = scratch.path("tree");
    fs::create_dir_all(tree.join("dir/below")).unwrap();
    fs::write(tree.join("small"), b"x").unwrap();
    fs::write(tree.join("big"), Random(1).bytes(400_000)).unwrap();
    fs::write(tree.join("dir/file"), b"content").unwrap();
    std::os::unix::fs::symlink("y".repeat(100), tree.join("link")).unwrap();
    for (kind, rounds) in [("ext2", 500), ("ext4", 250)] {
        mke2fs(&image, "2M", &["-t", kind, "-b", "1024", "-N", "64", "-d", tree.to_str().unwrap()]);
        debugfs_script(&image, "ea_set small user.a value\n");
        let good = fs::read(&image).unwrap();
        // Only what is not zero is worth damaging: tables, maps, directories.
        let used: Vec<usize> =
            (1024..good.len()).filter(|at| good[*at] != 0).filter(|at| *at < 200_000).collect();
        let mut random = Random(77);
        for _ in 0..rounds {
            let mut bytes = good.clone();
            for _ in 0..1 + random.below(6) {
                let at = used[random.below(used.len())];
                bytes[at] = [0, 1, 0x7f, 0x80, 0xff, random.next() as u8][random.below(6)];
            }
            let device = Rc::new(MemoryDevice::from_bytes(bytes));
            if let Ok(fs) = run(Ext2::mount(device, &cache_of(256), Ext2Options::default())) {
                explore(&fs);
            }
        }
    }
}
