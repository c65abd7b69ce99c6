//! Large things: an image of 8 GiB, a file past 2 GiB, a directory of 100,000 entries.

#[allow(unreachable_pub, reason = "shared by several test binaries")]
mod common;

use blockdev::testing::run;
use common::*;
use linux_abi::errno::Errno;
use std::collections::BTreeSet;
use vfs::inode::SeekTarget;
use vfs::{FileSystem, FileType, SetAttributes};

#[test]
fn files_past_two_and_four_gigabytes() {
    let scratch = Scratch::new("large");
    let image = scratch.path("image");
    mke2fs(&image, "8G", &["-t", "ext2", "-b", "4096", "-i", "1048576", "-O", "^large_file"]);
    let fs = mount(&image, &cache_of(2048));
    let file = run(fs.root().create(b"large", &node(FileType::Regular))).unwrap();
    let places = [0u64, 12 * 4096 - 3, (1 << 31) - 5, (1 << 32) - 5, 5_000_000_000, 7 << 30];
    for place in places {
        run(file.write_at(place, b"0123456789", at(1))).unwrap();
    }
    assert_eq!(file.attributes().size, (7 << 30) + 10);
    assert!(file.attributes().blocks < 400, "it is sparse");
    run(fs.sync()).unwrap();
    fsck_clean(&image, "sparse");
    assert!(debugfs_text(&image, "stats").contains("large_file"));
    let check = |file: &dyn vfs::Inode| {
        for place in places {
            let mut found = [0; 10];
            assert_eq!(run(file.read_at(place, &mut found)), Ok(10));
            assert_eq!(&found, b"0123456789");
        }
    };
    check(&*file);
    assert_eq!(run(file.seek_hole(100_000, SeekTarget::Data)), Ok((1 << 31) - 4096));
    assert_eq!(run(file.seek_hole(4096, SeekTarget::Hole)), Ok(4096));
    drop(file);
    run(fs.unmount()).unwrap();
    let fs = mount(&image, &cache_of(2048));
    let file = lookup(&*fs, "large");
    check(&*file);
    // The last group is in use, too.
    let blocks = fs.stat().blocks_free;
    run(file.set_attributes(&SetAttributes { size: Some(1), now: at(2), ..SetAttributes::default() }))
        .unwrap();
    assert_eq!(file.attributes().blocks, 8);
    assert!(fs.stat().blocks_free > blocks);
    run(fs.sync()).unwrap();
    fsck_clean(&image, "truncated");
    let end = 1u64 << 42;
    assert_eq!(run(file.write_at(end, b"x", at(3))), Err(Errno::EFBIG));
    let grow = SetAttributes { size: Some(end), now: at(3), ..SetAttributes::default() };
    assert_eq!(run(file.set_attributes(&grow)), Err(Errno::EFBIG));
}

#[test]
fn a_directory_of_a_hundred_thousand_entries() {
    const COUNT: usize = 100_000;
    let scratch = Scratch::new("entries");
    let image = scratch.path("image");
    mke2fs(&image, "64M", &["-t", "ext2", "-b", "1024", "-N", "110000", "-I", "128"]);
    let fs = mount(&image, &cache_of(256));
    let dir = run(fs.root().create(b"dir", &node(FileType::Directory))).unwrap();
    let name = |number: usize| format!("entry-{number:06}").into_bytes();
    for number in 0..COUNT {
        run(dir.create(&name(number), &node(FileType::Regular))).unwrap();
    }
    run(fs.sync()).unwrap();
    fsck_clean(&image, "filled");
    // Listed in parts, while entries go.
    let (mut seen, mut from) = (BTreeSet::new(), 0);
    loop {
        let mut part = Vec::new();
        let mut sink = |entry: vfs::DirEntry| {
            let room = part.len() < 1000;
            if room {
                part.push(entry);
            }
            room
        };
        run(dir.readdir(from, &mut sink)).unwrap();
        let Some(last) = part.last() else { break };
        from = last.next;
        for entry in part {
            if entry.name.starts_with(b"entry") {
                assert!(seen.insert(entry.name.clone()), "listed twice");
                if seen.len() % 2 == 0 {
                    run(dir.unlink(&entry.name, at(1))).unwrap();
                }
            }
        }
    }
    assert_eq!(seen.len(), COUNT);
    drop(dir);
    run(fs.unmount()).unwrap();
    // Ten reserved ones, lost+found, and the directory itself are in use as well.
    assert_eq!(fs.stat().files - fs.stat().files_free, COUNT as u64 / 2 + 12);
    fsck_clean(&image, "half empty");
    let fs = mount(&image, &cache_of(256));
    let dir = lookup(&*fs, "dir");
    assert_eq!(names_of(&*dir).len(), COUNT / 2 + 2);
    let size = dir.attributes().size;
    for number in 0..COUNT / 4 {
        run(dir.create(format!("again-{number:06}").as_bytes(), &node(FileType::Fifo))).unwrap();
    }
    assert_eq!(dir.attributes().size, size, "the room of removed entries is used again");
    run(fs.sync()).unwrap();
    fsck_clean(&image, "refilled");
}
