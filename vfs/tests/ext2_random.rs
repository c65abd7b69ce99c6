//! Random operations on ext2 and on a model; e2fsck judges after every sync.

#[allow(unreachable_pub, reason = "shared by several test binaries")]
mod common;

use blockdev::testing::run;
use common::model::Model;
use common::{HostFile, Scratch, cache_of, fsck_clean, fsck_clean_but_orphans, mke2fs, mount};
use linux_abi::errno::Errno;
use std::path::Path;
use std::rc::Rc;
use vfs::ext2::{Ext2, FormatOptions};
use vfs::{FileSystem, FileType};

fn judge(image: &Path, model: &Model, when: &str) {
    if model.holds_unlinked() {
        fsck_clean_but_orphans(image, when);
    } else {
        fsck_clean(image, when);
    }
}

fn storm(image: &Path, model: &mut Model, rounds: usize, steps: usize, cache_pages: usize) {
    for round in 0..rounds {
        let cache = cache_of(cache_pages);
        let fs = mount(image, &cache);
        for part in 0..2 {
            let root = fs.root();
            for _ in 0..steps {
                model.step(&root);
            }
            model.check(&root);
            run(fs.sync()).unwrap();
            judge(image, model, &format!("round {round}, part {part}"));
            model.check(&root);
        }
        // The second half of the rounds leaves unlinked files open over the last sync.
        if round % 2 == 0 {
            model.close_all();
        }
        run(fs.unmount()).unwrap();
        judge(image, model, &format!("unmount {round}"));
        model.close_all();
        drop(fs);
        assert_eq!(cache.stats().resident, 0, "all pages are given back");
    }
    let fs = mount(image, &cache_of(4096));
    model.check(&fs.root());
}

#[test]
fn every_block_and_inode_size() {
    let scratch = Scratch::new("random");
    let mut seed = 0;
    for block_size in ["1024", "2048", "4096"] {
        for inode_size in ["128", "256"] {
            for index in ["dir_index", "^dir_index"] {
                seed += 1;
                let image = scratch.path(&format!("{block_size}-{inode_size}-{index}"));
                mke2fs(&image, "24M", &["-t", "ext2", "-b", block_size, "-I", inode_size, "-O", index]);
                storm(&image, &mut Model::new(seed), 2, 150, if seed % 2 == 0 { 100 } else { 4096 });
            }
        }
    }
}

#[test]
fn without_file_types_in_entries() {
    let scratch = Scratch::new("untyped");
    let image = scratch.path("image");
    mke2fs(&image, "24M", &["-t", "ext2", "-b", "1024", "-O", "^filetype"]);
    storm(&image, &mut Model::new(90), 2, 150, 4096);
}

#[test]
fn many_small_groups() {
    let scratch = Scratch::new("groups");
    let image = scratch.path("image");
    mke2fs(&image, "24M", &["-t", "ext2", "-b", "1024", "-g", "512", "-N", "3000"]);
    storm(&image, &mut Model::new(91), 3, 200, 200);
}

#[test]
fn full_devices_stay_consistent() {
    let scratch = Scratch::new("full");
    for (seed, block_size) in [(100, "1024"), (101, "2048"), (102, "4096")] {
        let image = scratch.path(block_size);
        mke2fs(&image, "900k", &["-t", "ext2", "-b", block_size, "-N", "64", "-m", "0"]);
        let mut model = Model::new(seed);
        model.may_fill = true;
        storm(&image, &mut model, 3, 250, 4096);
        assert!(model.filled > 5, "the device was never full");
    }
}

#[test]
fn the_original_revision() {
    let scratch = Scratch::new("rev0");
    let image = scratch.path("image");
    mke2fs(&image, "24M", &["-t", "ext2", "-r", "0", "-b", "1024"]);
    let mut model = Model::new(92);
    model.has_xattrs = false;
    storm(&image, &mut model, 2, 150, 4096);
}

#[test]
fn file_systems_of_our_own_making() {
    let scratch = Scratch::new("format");
    // The last two sizes leave a last group too small to use, and more than one block of descriptors' worth of zeros.
    for (seed, size) in [(300, 1 << 20), (301, 24 << 20), (302, (128 << 20) + 81_920), (303, 500 << 20)] {
        let image = scratch.path("image");
        std::fs::File::create(&image).unwrap().set_len(size).unwrap();
        let options = FormatOptions {
            label: "made here".to_string(),
            uuid: [7; 16],
            bytes_per_inode: 16384,
            device_is_zero: seed != 301,
            now: common::at(0),
        };
        run(Ext2::format(HostFile::open(&image), options)).unwrap();
        fsck_clean(&image, "made");
        let mut model = Model::new(seed);
        model.may_fill = size == 1 << 20;
        storm(&image, &mut model, 1, 150, 4096);
        assert_eq!(mount(&image, &cache_of(64)).label(), "made here");
    }
    let tiny = Rc::new(blockdev::MemoryDevice::zeroed(100_000));
    let options = FormatOptions {
        label: String::new(),
        uuid: [0; 16],
        bytes_per_inode: 4096,
        device_is_zero: true,
        now: common::at(0),
    };
    assert!(run(Ext2::format(tiny, options)).is_err());
}

#[test]
fn space_is_used_to_the_last_block_and_given_back() {
    let scratch = Scratch::new("space");
    for block_size in [1024u64, 4096] {
        let image = scratch.path("image");
        mke2fs(&image, "2M", &["-t", "ext2", "-b", &block_size.to_string(), "-N", "32"]);
        let fs = mount(&image, &cache_of(2048));
        let (root, before) = (fs.root(), fs.stat());
        let file = run(root.create(b"file", &common::node(FileType::Regular))).unwrap();
        let mut written = 0;
        loop {
            match run(file.write_at(written, &[9; 10_000], common::at(1))) {
                Ok(count) => written += count as u64,
                Err(error) => {
                    assert_eq!(error, Errno::ENOSPC);
                    break;
                }
            }
        }
        assert_eq!(fs.stat().blocks_free, 0);
        let data = written.div_ceil(block_size);
        let pointers = file.attributes().blocks * 512 / block_size - data;
        assert_eq!(before.blocks_free, data + pointers);
        assert_eq!(written % block_size, 0, "the last block is full");
        // Inodes run out, too, though they need no blocks.
        let mut made = 0;
        while run(root.create(format!("n{made}").as_bytes(), &common::node(FileType::Regular))).is_ok() {
            made += 1;
        }
        assert_eq!(fs.stat().files_free, 0);
        run(fs.sync()).unwrap();
        fsck_clean(&image, "full");
        drop(file);
        run(root.unlink(b"file", common::at(2))).unwrap();
        for number in 0..made {
            run(root.unlink(format!("n{number}").as_bytes(), common::at(2))).unwrap();
        }
        run(fs.sync()).unwrap();
        assert_eq!(fs.stat(), before);
        fsck_clean(&image, "empty again");
    }
}
