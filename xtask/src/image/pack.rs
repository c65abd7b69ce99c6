//! A directory as an ext2 image, by `mke2fs -d`.

use crate::process::{Context, Result, program, run};
use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const BLOCK: u64 = 4096;

/// What a tree needs: blocks of data and directories, and inodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Extent {
    blocks: u64,
    inodes: u64,
}

/// Packs `tree` into `image`, of the given size or of its content and `room_mib` more. The image appears whole or not
/// at all.
pub(super) fn directory(
    tree: &Path,
    image: &Path,
    size_mib: Option<u64>,
    room_mib: u64,
    label: &str,
) -> Result {
    let partial = partial_name(image);
    let result = run(&mut mke2fs(tree, &partial, size_mib, room_mib, label)?);
    finish(result, &partial, image)
}

/// Unpacks a tar and packs it again in one fakeroot session, which remembers the owners that we may not set.
pub(super) fn tar_as_somebody(tar: &Path, tree: &Path, image: &Path, size_mib: Option<u64>) -> Result {
    let partial = partial_name(image);
    // Content can only be measured when unpacked, and owners live as long as the session: unpack twice.
    run(program("tar").arg("-C").arg(tree).args(["--exclude=./dev/*", "-xf"]).arg(tar))?;
    let pack = mke2fs(tree, &partial, size_mib, 64, "root")?;
    let mut session = program("fakeroot");
    session.args([
        "--",
        "sh",
        "-ec",
        "tar -C \"$1\" --numeric-owner -xpf \"$2\"; shift 2; exec \"$@\"",
        "sh",
    ]);
    session.arg(tree).arg(tar).arg(pack.get_program()).args(pack.get_args());
    let result = run(&mut session);
    finish(result, &partial, image)
}

fn partial_name(image: &Path) -> PathBuf {
    let mut name = image.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

fn finish(result: Result, partial: &Path, image: &Path) -> Result {
    if let Err(failure) = result {
        let _ = fs::remove_file(partial);
        return Err(failure);
    }
    fs::rename(partial, image).context(|| format!("moving the image to {}", image.display()))
}

fn mke2fs(tree: &Path, image: &Path, size_mib: Option<u64>, room_mib: u64, label: &str) -> Result<Command> {
    let _ = fs::remove_file(image);
    let mut extent = Extent::default();
    measure(tree, &mut extent, &mut HashSet::new()).context(|| format!("reading {}", tree.display()))?;
    let inodes = extent.inodes * 5 / 4 + 16 * 1024;
    // Inodes of 256 bytes, bitmaps and indirect blocks on top of the data.
    let content = extent.blocks * BLOCK * 101 / 100 + inodes * 256 + (4 << 20);
    let mib = size_mib.unwrap_or_else(|| content.div_ceil(1 << 20) + room_mib);
    let mut command = program("mke2fs");
    command.args(["-q", "-F", "-t", "ext2", "-b", "4096", "-I", "256", "-m", "0", "-O", "^resize_inode"]);
    command.arg("-N").arg(inodes.to_string()).arg("-L").arg(label).arg("-d").arg(tree);
    command.arg(image).arg(format!("{mib}M"));
    Ok(command)
}

fn measure(folder: &Path, extent: &mut Extent, seen: &mut HashSet<(u64, u64)>) -> std::io::Result<()> {
    // A directory's size in the source says little of its size in ext2; count the names instead.
    let mut names = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let meta = entry.path().symlink_metadata()?;
        names += entry.file_name().len() as u64 + 12;
        if meta.nlink() > 1 && !meta.is_dir() && !seen.insert((meta.dev(), meta.ino())) {
            continue;
        }
        extent.inodes += 1;
        if meta.is_dir() {
            measure(&entry.path(), extent, seen)?;
        } else if meta.is_file() || (meta.is_symlink() && meta.len() >= 60) {
            extent.blocks += meta.len().div_ceil(BLOCK);
        }
    }
    extent.blocks += 1 + names / BLOCK;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Extent, measure};
    use std::collections::HashSet;

    #[test]
    fn a_tree_is_measured_with_hard_links_once() {
        let folder = std::env::temp_dir().join(format!("xtask-measure-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("d")).unwrap();
        std::fs::write(folder.join("d/a"), vec![1; 5000]).unwrap();
        std::fs::hard_link(folder.join("d/a"), folder.join("b")).unwrap();
        let mut extent = Extent::default();
        measure(&folder, &mut extent, &mut HashSet::new()).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(extent, Extent { blocks: 4, inodes: 2 });
    }
}
