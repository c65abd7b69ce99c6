//! Random operations on ext2 and on a model; e2fsck judges after every sync.

#[allow(unreachable_pub, reason = "shared by several test binaries")]
mod common;

use blockdev::testing::run;
use common::model::Model;
use common::{Scratch, cache_of, fsck_clean, fsck_clean_but_orphans, mke2fs, mount};
use std::path::Path;
use vfs::FileSystem;

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
