//! `--mount`: copies of our files in the guest.

use crate::host::Driver;
use crate::options::MountOption;
use cx_runtime::{Errno, MountSource, MountSpec, NewFile};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use vfs::Timestamp;

/// Copies a file to its place on the root, or a directory into a file system in memory mounted there.
pub(crate) fn mount(driver: &Driver, what: &MountOption) -> Result<(), String> {
    let shown = format!("--mount {}:{}", what.source.display(), String::from_utf8_lossy(&what.target));
    let meta = fs::metadata(&what.source).map_err(|error| format!("{shown}: {error}"))?;
    let told = |errno: Errno| format!("{shown}: {errno:?} in the guest");
    if meta.is_dir() {
        let path = String::from_utf8(what.target.clone()).map_err(|_| format!("{shown}: not UTF-8"))?;
        let spec = MountSpec::new(&path, MountSource::Tmpfs);
        driver.finish(driver.machine.mount(spec))?.map_err(|error| format!("{shown}: {error}"))?;
        return copy_directory(driver, &what.source, &what.target);
    }
    if let Some(at) = what.target.iter().rposition(|byte| *byte == b'/').filter(|at| *at > 0) {
        let folder = what.target[..at].to_vec();
        driver.finish(driver.machine.make_directories(folder, 0o755))?.map_err(told)?;
    }
    copy_file(driver, &what.source, &what.target, &meta)
}

fn copy_directory(driver: &Driver, source: &Path, target: &[u8]) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", source.display());
    for entry in fs::read_dir(source).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        let inside = [target, b"/", entry.file_name().as_bytes()].concat();
        let meta = path.symlink_metadata().map_err(failed)?;
        let told = |errno: Errno| format!("copying {}: {errno:?} in the guest", path.display());
        if meta.is_dir() {
            let made = driver.machine.make_directories(inside.clone(), meta.mode() & 0o7777);
            driver.finish(made)?.map_err(told)?;
            copy_directory(driver, &path, &inside)?;
        } else if meta.is_symlink() {
            let to = fs::read_link(&path).map_err(failed)?;
            let made = driver.machine.make_symlink(inside, to.as_os_str().as_bytes());
            driver.finish(made)?.map_err(told)?;
        } else if meta.is_file() {
            copy_file(driver, &path, &inside, &meta)?;
        }
    }
    Ok(())
}

fn copy_file(driver: &Driver, source: &Path, target: &[u8], meta: &fs::Metadata) -> Result<(), String> {
    let content = fs::read(source).map_err(|error| format!("{}: {error}", source.display()))?;
    let modified = Timestamp { seconds: meta.mtime(), nanoseconds: meta.mtime_nsec() as u32 };
    let file = NewFile { permissions: meta.mode() & 0o7777, modified: Some(modified), ..NewFile::default() };
    let written = driver.finish(driver.machine.write_file(target, content, file))?;
    written.map_err(|errno| format!("copying {}: {errno:?} in the guest", source.display()))
}
