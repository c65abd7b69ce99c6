//! Images that others made, read; images that we changed, read by others (debugfs).

#[allow(unreachable_pub, reason = "shared by several test binaries")]
mod common;

use blockdev::testing::run;
use blockdev::{BlockDevice, MemoryDevice};
use common::*;
use guest_mem::{AddressSpace, Backing, FramePool, Lookup, Prot, Sharing, Vma};
use linux_abi::errno::Errno;
use std::fs;
use std::os::unix::fs::{FileExt, symlink};
use std::rc::Rc;
use vfs::ext2::{Ext2, Ext2Options, MountError};
use vfs::inode::SeekTarget;
use vfs::page_cache::PageCache;
use vfs::{FileSystem, FileType, NewNode, RenameMode, SetAttributes, Timestamp, XattrMode};

/// A tree of the host with one of everything. Gives the content of the sparse file.
fn populate(scratch: &Scratch) -> Vec<u8> {
    let tree = scratch.path("tree");
    fs::create_dir_all(tree.join("dir/deeper")).unwrap();
    fs::create_dir(tree.join("many")).unwrap();
    for number in 0..800 {
        fs::write(tree.join(format!("many/entry-number-{number}")), format!("{number}")).unwrap();
    }
    fs::write(tree.join("empty"), b"").unwrap();
    fs::write(tree.join("dir/small"), b"hello\n").unwrap();
    fs::write(tree.join("dir/deeper/big"), Random(5).bytes(3_000_000)).unwrap();
    fs::hard_link(tree.join("dir/small"), tree.join("dir/same")).unwrap();
    symlink("dir/small", tree.join("fast")).unwrap();
    symlink("x".repeat(200), tree.join("slow")).unwrap();
    let sparse = fs::File::create(tree.join("sparse")).unwrap();
    let mut content = vec![0; 5_000_000];
    for at in [0usize, 60_000, 1_000_000, 4_999_990] {
        let data = Random(at as u64).bytes(10);
        sparse.write_all_at(&data, at as u64).unwrap();
        content[at..at + 10].copy_from_slice(&data);
    }
    content
}

fn check_tree(fs: &Ext2, sparse: &[u8]) {
    assert_eq!(read_all(&*lookup(fs, "dir/small")), b"hello\n");
    assert!(Rc::ptr_eq(&lookup(fs, "dir/small"), &lookup(fs, "dir/same")), "one file, one inode");
    assert_eq!(lookup(fs, "dir/same").attributes().links, 2);
    assert!(read_all(&*lookup(fs, "dir/deeper/big")) == Random(5).bytes(3_000_000));
    assert!(read_all(&*lookup(fs, "sparse")) == sparse);
    assert_eq!(run(lookup(fs, "fast").read_link()).unwrap(), b"dir/small");
    assert_eq!(run(lookup(fs, "slow").read_link()).unwrap(), "x".repeat(200).as_bytes());
    assert_eq!(lookup(fs, "empty").attributes().size, 0);
    let many = lookup(fs, "many");
    assert_eq!(names_of(&*many).len(), 802);
    assert_eq!(read_all(&*lookup(fs, "many/entry-number-799")), b"799");
    assert_eq!(run(many.lookup(b"entry-number-800")).err(), Some(Errno::ENOENT));
    assert_eq!(run(many.lookup(&[b'x'; 256])).err(), Some(Errno::ENAMETOOLONG));
    assert_eq!(run(lookup(fs, "empty").lookup(b"x")).err(), Some(Errno::ENOTDIR));
}

#[test]
fn populated_images_are_read_and_changed() {
    let scratch = Scratch::new("images");
    let sparse = populate(&scratch);
    let tree = scratch.path("tree");
    for block_size in ["1024", "2048", "4096"] {
        for inode_size in ["128", "256"] {
            for index in ["dir_index", "^dir_index"] {
                let when = format!("{block_size} {inode_size} {index}");
                let image = scratch.path("image");
                let arguments = [
                    "-t",
                    "ext2",
                    "-b",
                    block_size,
                    "-I",
                    inode_size,
                    "-O",
                    index,
                    "-d",
                    tree.to_str().unwrap(),
                ];
                mke2fs(&image, "24M", &arguments);
                if index == "dir_index" {
                    // Only a check makes the hash index; mke2fs makes plain directories.
                    fsck_repair_indexes(&image);
                }
                let fs = mount(&image, &cache_of(4096));
                check_tree(&fs, &sparse);
                // The large directory is changed, which takes its index away.
                let many = lookup(&*fs, "many");
                for number in 0..100 {
                    run(many.unlink(format!("entry-number-{}", number * 8).as_bytes(), at(1))).unwrap();
                    run(many.create(format!("new-{number}").as_bytes(), &node(FileType::Regular))).unwrap();
                }
                run(lookup(&*fs, "dir/small").write_at(6, b"again\n", at(2))).unwrap();
                run(fs.sync()).unwrap();
                fsck_clean(&image, &when);
                assert_eq!(debugfs(&image, "cat /dir/same"), b"hello\nagain\n", "{when}");
                assert!(debugfs(&image, "cat /dir/deeper/big") == Random(5).bytes(3_000_000));
                let listed = debugfs_text(&image, "ls /many");
                // Names end where the line does, too.
                let has = |name: &str| listed.split_whitespace().any(|word| word == name);
                assert!(has("new-99") && has("entry-number-1") && !has("entry-number-792"), "{listed}");
            }
        }
    }
}

/// Lets e2fsck build hash indexes (`-D`).
fn fsck_repair_indexes(image: &std::path::Path) {
    fsck_repair(image, &["-D"]);
    let flags = debugfs_text(image, "stat /many");
    assert!(flags.contains("Flags: 0x1000"), "the directory has an index: {flags}");
}

#[test]
fn ext4_images_are_read_but_not_written() {
    let scratch = Scratch::new("ext4");
    let sparse = populate(&scratch);
    let tree = scratch.path("tree");
    for features in
        ["64bit", "^64bit", "^metadata_csum", "^flex_bg", "^extents,^64bit", "large_dir", "ea_inode"]
    {
        let image = scratch.path("image");
        mke2fs(&image, "64M", &["-t", "ext4", "-O", features, "-d", tree.to_str().unwrap()]);
        let fs = mount(&image, &cache_of(4096));
        assert!(fs.read_only());
        check_tree(&fs, &sparse);
        assert_eq!(run(fs.root().create(b"x", &node(FileType::Regular))).err(), Some(Errno::EROFS));
        assert_eq!(run(lookup(&*fs, "empty").write_at(0, b"x", at(0))).err(), Some(Errno::EROFS));
        run(fs.sync()).unwrap();
    }
    // A fragmented file has a tree of extents.
    let image = scratch.path("image");
    mke2fs(&image, "64M", &["-t", "ext4", "-b", "1024"]);
    let mut script = String::new();
    let holes = scratch.path("holes");
    let file = fs::File::create(&holes).unwrap();
    let mut content = vec![0; 4096 * 3000 + 5];
    for part in 0..3000u64 {
        file.write_all_at(b"block", part * 4096).unwrap();
        content[part as usize * 4096..][..5].copy_from_slice(b"block");
    }
    script += &format!("write {} holes\n", holes.display());
    debugfs_script(&image, &script);
    content.truncate(fs::metadata(&holes).unwrap().len() as usize);
    let fs = mount(&image, &cache_of(4096));
    assert!(read_all(&*lookup(&*fs, "holes")) == content);
}

#[test]
fn ext3_images_are_written() {
    let scratch = Scratch::new("ext3");
    let image = scratch.path("image");
    mke2fs(&image, "24M", &["-t", "ext3"]);
    let fs = mount(&image, &cache_of(512));
    assert!(!fs.read_only());
    let file = run(fs.root().create(b"file", &node(FileType::Regular))).unwrap();
    run(file.write_at(0, b"content", at(1))).unwrap();
    run(fs.sync()).unwrap();
    fsck_clean(&image, "ext3");
    assert_eq!(debugfs(&image, "cat file"), b"content");
}

#[test]
fn what_cannot_be_mounted_says_why() {
    let scratch = Scratch::new("refused");
    let attempt = |device: Rc<dyn BlockDevice>| {
        run(Ext2::mount(device, &cache_of(64), Ext2Options::default())).map(|_| ())
    };
    assert_eq!(attempt(Rc::new(MemoryDevice::zeroed(100))), Err(MountError::NotExt2));
    assert_eq!(attempt(Rc::new(MemoryDevice::zeroed(1 << 20))), Err(MountError::NotExt2));
    for (arguments, named) in [
        (&["-t", "ext4", "-O", "inline_data"][..], "inline_data"),
        (&["-t", "ext4", "-O", "encrypt"], "encrypt"),
        (&["-t", "ext2", "-O", "meta_bg,^resize_inode"], "meta_bg"),
        (&["-t", "ext4", "-b", "16384"], "blocks of 16384 bytes"),
    ] {
        let image = scratch.path("image");
        mke2fs(&image, "24M", arguments);
        match attempt(HostFile::open(&image)) {
            Err(MountError::Features(names)) => assert!(names.contains(named), "{names}"),
            other => panic!("{arguments:?}: {other:?}"),
        }
    }
    let image = scratch.path("image");
    mke2fs(&image, "24M", &["-t", "ext2"]);
    let mut bytes = fs::read(&image).unwrap();
    bytes.truncate(20 << 20);
    match attempt(Rc::new(MemoryDevice::from_bytes(bytes.clone()))) {
        Err(MountError::CutShort { needs, has }) => assert_eq!((needs, has), (24 << 20, 20 << 20)),
        other => panic!("{other:?}"),
    }
    bytes.resize(24 << 20, 0);
    bytes[1024 + 0x60 + 3] = 0x80;
    assert_eq!(
        attempt(Rc::new(MemoryDevice::from_bytes(bytes))),
        Err(MountError::Features("incompat bit 0x80000000".into()))
    );
}

#[test]
fn read_only_mounts_change_no_byte() {
    let scratch = Scratch::new("read-only");
    let image = scratch.path("image");
    mke2fs(&image, "4M", &["-t", "ext2"]);
    debugfs_script(
        &image,
        &format!("write {} file\n", image.display()).replace("image file", "image.script file"),
    );
    let before = fs::read(&image).unwrap();
    for device in [
        Rc::new(MemoryDevice::from_bytes(before.clone()).into_read_only()),
        Rc::new(MemoryDevice::from_bytes(before.clone())),
    ] {
        let options = Ext2Options { read_only: true, device_number: 1 };
        let fs = run(Ext2::mount(device.clone(), &cache_of(64), options)).unwrap();
        let (root, file) = (fs.root(), lookup(&*fs, "file"));
        let errors = [
            run(root.create(b"x", &node(FileType::Regular))).err(),
            run(root.unlink(b"file", at(0))).err(),
            run(root.link(b"y", &file, at(0))).err(),
            run(root.rename(b"file", &root, b"z", RenameMode::Replace, at(0))).err(),
            run(root.rmdir(b"lost+found", at(0))).err(),
            run(file.write_at(0, b"x", at(0))).err(),
            run(file.set_attributes(&SetAttributes { size: Some(0), ..SetAttributes::default() })).err(),
            run(file.set_xattr(b"user.x", b"y", XattrMode::Set, at(0))).err(),
            run(file.fallocate(0, 0, 10, at(0))).err(),
        ];
        assert_eq!(errors, [Some(Errno::EROFS); 9]);
        run(file.fsync()).unwrap();
        run(fs.unmount()).unwrap();
        assert!(device.contents() == before);
    }
}

#[test]
fn attributes_of_both_inode_sizes() {
    let scratch = Scratch::new("attributes");
    for (inode_size, wide) in [("128", false), ("256", true)] {
        let image = scratch.path("image");
        mke2fs(&image, "4M", &["-t", "ext2", "-b", "1024", "-I", inode_size]);
        let fs = mount(&image, &cache_of(64));
        let early = Timestamp { seconds: -1_000_000, nanoseconds: 999_999_999 };
        let late = Timestamp { seconds: 5_000_000_000, nanoseconds: 1 };
        let file = run(fs
            .root()
            .create(b"file", &NewNode { uid: 100_000, gid: 200_000, ..node(FileType::Regular) }));
        let file = file.unwrap();
        let change = SetAttributes {
            permissions: Some(0o6755),
            accessed: Some(early),
            modified: Some(late),
            now: at(3),
            ..SetAttributes::default()
        };
        run(file.set_attributes(&change)).unwrap();
        run(fs.root().create(b"device", &NewNode { rdev: 0x1234_5678, ..node(FileType::BlockDevice) }))
            .unwrap();
        drop(file);
        run(fs.unmount()).unwrap();
        fsck_clean(&image, inode_size);
        let fs = mount(&image, &cache_of(64));
        let found = lookup(&*fs, "file").attributes();
        assert_eq!((found.uid, found.gid, found.mode()), (100_000, 200_000, 0o106_755));
        if wide {
            assert_eq!((found.accessed, found.modified, found.changed), (early, late, at(3)));
            assert_eq!(found.created, Some(at(0)));
        } else {
            assert_eq!((found.accessed.seconds, found.modified.seconds), (-1_000_000, i64::from(i32::MAX)));
            assert_eq!(found.created, None);
        }
        assert_eq!(lookup(&*fs, "device").attributes().rdev, 0x1234_5678);
        let stat = debugfs_text(&image, "stat file");
        assert!(stat.contains("User: 100000") && stat.contains("Mode:  06755"), "{stat}");
        let stat = debugfs_text(&image, "stat device");
        assert!(stat.contains("(hex 456:12378)"), "{stat}");
    }
}

#[test]
fn attributes_of_others_are_preserved_and_ours_are_read_by_them() {
    let scratch = Scratch::new("xattr");
    for (inode_size, block_size) in [("128", "1024"), ("256", "1024"), ("256", "4096")] {
        let image = scratch.path("image");
        mke2fs(&image, "4M", &["-t", "ext2", "-b", block_size, "-I", inode_size]);
        let long = "v".repeat(700);
        let mut script =
            format!("write {} file\n", image.display()).replace("image file", "image.script file");
        script += &format!("ea_set file user.theirs value\nea_set file user.long {long}\n");
        script += "ea_set file system.posix_acl_access \"\\001\\000\\000\\000\\001\\000\\006\\000\\004\\000\\004\\000\\040\\000\\004\\000\"\n";
        script += "ea_set file security.selinux label\n";
        debugfs_script(&image, &script);
        let acl_before = debugfs_text(&image, "ea_list file");
        let fs = mount(&image, &cache_of(64));
        let file = lookup(&*fs, "file");
        assert_eq!(run(file.get_xattr(b"user.theirs")).unwrap(), b"value");
        assert_eq!(run(file.get_xattr(b"user.long")).unwrap(), long.as_bytes());
        assert_eq!(run(file.get_xattr(b"security.selinux")).unwrap(), b"label");
        assert_eq!(run(file.get_xattr(b"user.none")), Err(Errno::ENODATA));
        run(file.set_xattr(b"user.ours", b"set here", XattrMode::Create, at(1))).unwrap();
        run(file.set_xattr(b"user.theirs", b"longer than before", XattrMode::Replace, at(1))).unwrap();
        run(file.remove_xattr(b"security.selinux", at(1))).unwrap();
        let huge = vec![b'x'; 5000];
        assert_eq!(run(file.set_xattr(b"user.huge", &huge, XattrMode::Set, at(1))), Err(Errno::ENOSPC));
        run(file.write_at(0, b"new content", at(1))).unwrap();
        run(fs.sync()).unwrap();
        fsck_clean(&image, inode_size);
        let listed = debugfs_text(&image, "ea_list file");
        let acl = |text: &str| text.lines().find(|line| line.contains("posix_acl")).map(str::to_string);
        assert_eq!(acl(&listed), acl(&acl_before), "the ACL is untouched");
        assert!(listed.contains("user.ours (8) = \"set here\""), "{listed}");
        assert!(listed.contains("longer than before") && !listed.contains("selinux"), "{listed}");
        // With the file, its block of attributes goes.
        let free = fs.stat().blocks_free;
        run(fs.root().unlink(b"file", at(2))).unwrap();
        drop(file);
        run(fs.sync()).unwrap();
        assert!(fs.stat().blocks_free > free);
        fsck_clean(&image, "unlinked");
    }
}

#[test]
fn mappings_and_reads_see_the_same_bytes() {
    let scratch = Scratch::new("mapped");
    let image = scratch.path("image");
    mke2fs(&image, "8M", &["-t", "ext2", "-b", "1024"]);
    let pool = FramePool::new(4096);
    let fs = mount(&image, &PageCache::new(&pool, 1024));
    let file = run(fs.root().create(b"file", &node(FileType::Regular))).unwrap();
    let content = Random(1).bytes(10_000);
    run(file.write_at(0, &content, at(1))).unwrap();
    let object = file.mappable().unwrap();
    let map = |sharing| {
        let space = AddressSpace::new(&pool);
        let area = Vma {
            start: 0x10000,
            end: 0x14000,
            prot: Prot::READ | Prot::WRITE,
            sharing,
            backing: Backing::Object { object: object.clone(), first_page: 0 },
            grows_down_to: None,
            max_prot: Prot::ALL,
            skip_fork: false,
            name: None,
        };
        space.map(area).unwrap();
        space
    };
    let (shared, private) = (map(Sharing::Shared), map(Sharing::Private));
    let mut seen = vec![0; 10_000];
    shared.read_bytes(0x10000, &mut seen).unwrap();
    assert!(seen == content);
    run(file.write_at(5000, b"by write", at(2))).unwrap();
    shared.read_bytes(0x10000 + 5000, &mut seen[..8]).unwrap();
    assert_eq!(&seen[..8], b"by write");
    shared.write_bytes(0x10000 + 20, b"by mapping").unwrap();
    private.write_bytes(0x10000 + 40, b"private").unwrap();
    let mut read = [0; 60];
    run(file.read_at(0, &mut read)).unwrap();
    assert_eq!(&read[20..30], b"by mapping");
    assert_eq!(read[40..47], content[40..47], "private writes stay private");
    // Bytes past the end of the last page never reach the file.
    shared.write_bytes(0x10000 + 10_000, b"ghost").unwrap();
    shared.harvest_dirty(0, !0xfff);
    run(file.fsync()).unwrap();
    run(file.set_attributes(&SetAttributes { size: Some(12_000), now: at(3), ..SetAttributes::default() }))
        .unwrap();
    run(file.read_at(10_000, &mut read[..10])).unwrap();
    assert_eq!(read[..10], [0; 10]);
    run(fs.sync()).unwrap();
    let on_disk = debugfs(&image, "cat file");
    assert_eq!(on_disk.len(), 12_000);
    assert_eq!(&on_disk[20..30], b"by mapping");
    assert_eq!(&on_disk[5000..5008], b"by write");
    assert!(on_disk[10_000..].iter().all(|byte| *byte == 0));
    // A page that is mapped is not given up, whatever the budget.
    let before = match object.lookup(0) {
        Lookup::Resident(frame) => frame.id(),
        other => panic!("{other:?}"),
    };
    let cache = PageCache::new(&pool, 1);
    drop(cache);
    run(file.read_at(0, &mut read)).unwrap();
    assert!(matches!(object.lookup(0), Lookup::Resident(frame) if frame.id() == before));
    drop((shared, private));
    fsck_clean(&image, "mapped");
}

#[test]
fn small_caches_evict_and_reload() {
    let scratch = Scratch::new("evict");
    let image = scratch.path("image");
    mke2fs(&image, "24M", &["-t", "ext2"]);
    let cache = cache_of(64);
    let fs = mount(&image, &cache);
    let content = Random(9).bytes(2_000_000);
    let file = run(fs.root().create(b"file", &node(FileType::Regular))).unwrap();
    for (number, part) in content.chunks(10_000).enumerate() {
        run(file.write_at(number as u64 * 10_000, part, at(1))).unwrap();
        let stats = cache.stats();
        assert!(stats.resident <= 64 + 64 && stats.dirty <= 64, "{stats:?}");
    }
    assert!(read_all(&*file) == content);
    assert!(cache.stats().evicted > 400);
    assert_eq!(cache.pool().stats().in_use, cache.stats().resident);
    let mut random = Random(3);
    for _ in 0..300 {
        let (offset, mut buf) = (random.below(1_990_000), vec![0; 1 + random.below(9000)]);
        run(file.read_at(offset as u64, &mut buf)).unwrap();
        assert!(buf == content[offset..offset + buf.len()]);
    }
    assert_eq!(run(file.seek_hole(0, SeekTarget::Hole)), Ok(2_000_000));
    run(fs.sync()).unwrap();
    fsck_clean(&image, "evicted");
}
