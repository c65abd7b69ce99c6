//! What is mounted where: `mounts`, `mountinfo`, `mountstats` (proc_pid_mountinfo(5), fstab(5)).

use super::process::Subject;
use crate::file::Result;
use linux_abi::stat::{major, minor};
use std::rc::Rc;
use vfs::namespace::{Mount, Path};

/// Bytes that would end a field, in octal.
fn escape(text: &[u8]) -> String {
    let mut out = String::new();
    let mut plain = Vec::new();
    for byte in text {
        if matches!(byte, b' ' | b'\t' | b'\n' | b'\\' | b'#') {
            out.push_str(&String::from_utf8_lossy(&std::mem::take(&mut plain)));
            out.push_str(&format!("\\{byte:03o}"));
        } else {
            plain.push(*byte);
        }
    }
    out.push_str(&String::from_utf8_lossy(&plain));
    out
}

/// Every mount with its place as the process sees it.
fn visible(subject: &Subject) -> Vec<(Rc<Mount>, String)> {
    let kernel = &subject.kernel;
    let root = subject.task.as_ref().map_or_else(|| kernel.root.clone(), |task| task.fs().root);
    let place = |mount: &Rc<Mount>| -> String {
        let path: Path = mount.mount_point().unwrap_or_else(|| mount.root_path());
        escape(&kernel.namespace.text_of(&path, &root))
    };
    kernel.namespace.mounts().into_iter().map(|mount| (mount.clone(), place(&mount))).collect()
}

fn access(mount: &Mount) -> &'static str {
    if mount.read_only.get() || mount.fs.read_only() { "ro" } else { "rw" }
}

/// Options of the file system itself, after a comma.
fn own_options(mount: &Mount) -> &'static str {
    match mount.fs.type_name() {
        "devpts" => ",gid=5,mode=620,ptmxmode=666",
        "devtmpfs" => ",mode=755",
        _ => "",
    }
}

/// `/proc/PID/mounts`.
pub(super) fn mounts(subject: &Subject) -> Result<Vec<u8>> {
    let line = |(mount, place): (Rc<Mount>, String)| {
        let (source, kind) = (escape(mount.source.as_bytes()), mount.fs.type_name());
        format!("{source} {place} {kind} {},noatime{} 0 0\n", access(&mount), own_options(&mount))
    };
    Ok(visible(subject).into_iter().map(line).collect::<String>().into_bytes())
}

/// `/proc/PID/mountinfo`.
pub(super) fn mountinfo(subject: &Subject) -> Result<Vec<u8>> {
    let line = |(mount, place): (Rc<Mount>, String)| {
        let parent = mount.mount_point().map_or(mount.id, |path| path.mount.id);
        let device = mount.fs.device() as u32;
        format!(
            "{} {parent} {}:{} / {place} {access},noatime - {} {} {access}{}\n",
            mount.id,
            major(device),
            minor(device),
            mount.fs.type_name(),
            escape(mount.source.as_bytes()),
            own_options(&mount),
            access = access(&mount),
        )
    };
    Ok(visible(subject).into_iter().map(line).collect::<String>().into_bytes())
}

/// `/proc/PID/mountstats`.
pub(super) fn mountstats(subject: &Subject) -> Result<Vec<u8>> {
    let line = |(mount, place): (Rc<Mount>, String)| {
        let source = escape(mount.source.as_bytes());
        format!("device {source} mounted on {place} with fstype {}\n", mount.fs.type_name())
    };
    Ok(visible(subject).into_iter().map(line).collect::<String>().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn separators_are_escaped() {
        assert_eq!(escape(b"/a b\\c\t\xc3\xa4"), "/a\\040b\\134c\\011\u{e4}");
    }
}
