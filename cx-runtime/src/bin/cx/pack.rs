//! `--root DIR`: the directory as a temporary ext2 image.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Free space beside the content.
const ROOM: u64 = 256 << 20;

/// An image that is removed when it is no longer needed.
#[derive(Debug)]
pub(crate) struct TemporaryImage(PathBuf);

impl TemporaryImage {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryImage {
    fn drop(&mut self) {
        // A left-over temporary file harms nobody.
        let _ = fs::remove_file(&self.0);
    }
}

/// Packs a copy of a directory with `mke2fs -d`.
pub(crate) fn pack(folder: &Path) -> Result<TemporaryImage, String> {
    if !folder.is_dir() {
        return Err(format!("{} is not a directory", folder.display()));
    }
    let (mut bytes, mut files) = (0, 0);
    measure(folder, &mut bytes, &mut files)
        .map_err(|error| format!("reading {}: {error}", folder.display()))?;
    let inodes = files + files / 4 + 16_384;
    let mib = (bytes + bytes / 50 + inodes * 256 + ROOM) >> 20;
    let image = TemporaryImage(std::env::temp_dir().join(format!("cx-root-{}.ext2", std::process::id())));
    let standard = ["/usr/sbin/mke2fs", "/sbin/mke2fs"];
    let program = standard.into_iter().find(|program| Path::new(program).exists()).unwrap_or("mke2fs");
    let mut command = Command::new(program);
    command.args(["-q", "-F", "-t", "ext2", "-b", "4096", "-I", "256", "-m", "0", "-O", "^resize_inode"]);
    command.arg("-N").arg(inodes.to_string()).arg("-d").arg(folder).arg(image.path()).arg(format!("{mib}M"));
    let output = command.stdin(Stdio::null()).output();
    let output =
        output.map_err(|error| format!("--root needs mke2fs of e2fsprogs ({error}); or use --image"))?;
    if output.status.success() {
        Ok(image)
    } else {
        Err(format!("mke2fs failed: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }
}

fn measure(folder: &Path, bytes: &mut u64, files: &mut u64) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let meta = entry.path().symlink_metadata()?;
        *files += 1;
        *bytes += 64;
        if meta.is_dir() {
            *bytes += 4096;
            measure(&entry.path(), bytes, files)?;
        } else if meta.is_file() {
            *bytes += meta.size().next_multiple_of(4096);
        }
    }
    Ok(())
}
