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
    let front = link_boot_files(tree)?;
    let result = mke2fs(tree, &partial, size_mib, room_mib, label).and_then(|mut command| run(&mut command));
    let result = result.and_then(|()| unlink_boot_files(&partial, &front));
    let _ = fs::remove_dir_all(tree.join(FRONT));
    finish(result, &partial, image)
}

/// What a login shell reads before its first prompt. Packed side by side, they are a few blocks to fetch instead of a
/// block each.
const BOOT_FILES: &[&str] = &[
    "usr/bin/bash",
    "usr/lib/*/ld-linux*.so.2",
    "usr/lib/ld-linux.so.2",
    "usr/lib/*/libc.so.6",
    "usr/lib/*/libtinfo.so.6*",
    "etc/ld.so.cache",
    "etc/nsswitch.conf",
    "etc/passwd",
    "etc/group",
    "etc/hosts",
    "etc/profile",
    "etc/bash.bashrc",
    "etc/inputrc",
    "root/.profile",
    "root/.bashrc",
    "usr/share/readline/inputrc",
    "usr/lib/terminfo/x/xterm-256color",
    "usr/share/terminfo/x/xterm-256color",
    "usr/lib/locale/C.utf8/*",
    "usr/lib/locale/C.utf8/LC_MESSAGES/*",
    "usr/lib/*/gconv/gconv-modules.cache",
    "usr/share/locale/locale.alias",
];
/// mke2fs fills the image in the order of names, and this directory comes first.
const FRONT: &str = ".0";

/// Gives [`BOOT_FILES`] second names in [`FRONT`]; how many.
fn link_boot_files(tree: &Path) -> Result<Vec<String>> {
    let front = tree.join(FRONT);
    let _ = fs::remove_dir_all(&front);
    fs::create_dir(&front).context(|| format!("making {}", front.display()))?;
    let mut names = Vec::new();
    for pattern in BOOT_FILES {
        for file in expand(tree, pattern) {
            let name = format!("{:03}", names.len());
            if file.symlink_metadata().is_ok_and(|meta| meta.is_file())
                && fs::hard_link(&file, front.join(&name)).is_ok()
            {
                names.push(name);
            }
        }
    }
    Ok(names)
}

/// The paths that a pattern names, where `*` stands for a whole name or the end of one.
fn expand(tree: &Path, pattern: &str) -> Vec<PathBuf> {
    let mut found = vec![tree.to_path_buf()];
    for part in pattern.split('/') {
        let step = |folder: PathBuf| -> Vec<PathBuf> {
            let Some((before, after)) = part.split_once('*') else { return vec![folder.join(part)] };
            let names = fs::read_dir(&folder).into_iter().flatten().flatten();
            let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
            let mut names: Vec<String> =
                names.filter(|name| name.starts_with(before) && name.ends_with(after)).collect();
            names.sort();
            names.into_iter().map(|name| folder.join(name)).collect()
        };
        found = found.into_iter().flat_map(step).collect();
    }
    found
}

/// Takes the second names out of the image again.
fn unlink_boot_files(image: &Path, names: &[String]) -> Result {
    let mut commands: String = names.iter().map(|name| format!("rm /{FRONT}/{name}\n")).collect();
    commands.push_str(&format!("rmdir /{FRONT}\n"));
    let script = image.with_extension("debugfs");
    fs::write(&script, commands).context(|| format!("writing {}", script.display()))?;
    let mut debugfs = program("debugfs");
    debugfs.arg("-w").arg("-f").arg(&script).arg(image);
    debugfs.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let result = run(&mut debugfs);
    let _ = fs::remove_file(&script);
    result?;
    // debugfs changes counters one by one; the check says whether all of them agree.
    run(program("e2fsck").args(["-fn"]).arg(image).stdout(std::process::Stdio::null()))
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
    let inodes = extent.inodes * 5 / 4 + 4 * 1024;
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
