//! A program on the machine the tests run on: the oracle.
//!
//! Where the machine lets us, each run has name spaces of its own and an overlay over the image's tree, so it starts
//! from the same state as a fresh engine: /proc, /dev and a terminal file system are there and nothing it does stays.
//! Where mounts are refused, the runs share one copy of the tree and a plain chroot; what needs /proc or terminals is
//! then left out.

use super::images::Image;
use super::outcome::{self, Outcome};
use super::{ENVIRONMENT, Job};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sandbox {
    /// Own name spaces over an overlay.
    Spaces,
    /// chroot into a copy.
    Copy,
}

/// `$1` tree, `$2` empty scratch directory, `$3` whether a file is put in, then the program. The first process is
/// not the program: process 1 would not be killed by its own signals.
const ENTER: &str = r#"
set -e
tree=$1 scratch=$2
shift 2
mount --make-rprivate /
mkdir -p "$scratch/upper" "$scratch/work" "$scratch/root"
mount -t overlay overlay -o "lowerdir=$tree,upperdir=$scratch/upper,workdir=$scratch/work" "$scratch/root"
root=$scratch/root
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t tmpfs -o mode=755 dev "$root/dev"
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
for node in null:3 zero:5 full:7 random:8 urandom:9; do
    mknod -m 666 "$root/dev/${node%:*}" c 1 "${node#*:}"
done
mknod -m 666 "$root/dev/tty" c 5 0
chgrp 5 "$root/dev/tty"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for number in 0:stdin 1:stdout 2:stderr; do
    ln -s "/proc/self/fd/${number%:*}" "$root/dev/${number#*:}"
done
hostname cx
ip link set lo up 2>/dev/null || ifconfig lo up 2>/dev/null || true
umask 022
renice -n 0 -p $$ >/dev/null
# What the test runner has open is none of the program's business.
for number in /proc/self/fd/*; do
    number=${number##*/}
    if [ "$number" -gt 2 ]; then eval "exec $number>&-"; fi
done
set +e
setsid -w chroot "$root" "$@"
exit $?
"#;

/// What this machine allows.
pub(crate) fn sandbox() -> Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    *SANDBOX.get_or_init(|| {
        let scratch = Scratch::new();
        let probe = spaces(Path::new("/"), &scratch.path, &["/bin/true".to_string()]);
        let worked = outcome::run(&mut { probe }, Duration::from_secs(20));
        if worked.status == Some(0) {
            return Sandbox::Spaces;
        }
        eprintln!(
            "no name spaces here, plain chroot: {}",
            String::from_utf8_lossy(&worked.stderr).trim_end()
        );
        Sandbox::Copy
    })
}

/// Runs the job natively.
pub(crate) fn run(job: &Job) -> Outcome {
    let scratch = Scratch::new();
    // Whoever starts the tests may ignore signals, as shells do for what runs in the background.
    let mut inside = ["/usr/bin/env", "-i", "--default-signal"].map(str::to_string).to_vec();
    inside.extend(ENVIRONMENT.iter().map(|(name, value)| format!("{name}={value}")));
    inside.extend(job.command.iter().cloned());
    match sandbox() {
        Sandbox::Spaces => {
            put(&job.files, &scratch.path.join("upper"));
            outcome::run(&mut spaces(&job.image.tree, &scratch.path, &inside), job.limit)
        }
        Sandbox::Copy => {
            // One at a time: they share the tree's /tmp.
            let mut copies = COPIES.lock().unwrap_or_else(PoisonError::into_inner);
            let tree = copies.entry(job.image.clone()).or_insert_with(|| copy(&job.image));
            let _ = fs::remove_dir_all(tree.path.join("tmp"));
            fs::create_dir_all(tree.path.join("tmp")).expect("a fresh /tmp");
            put(&job.files, &tree.path);
            let mut command = Command::new("chroot");
            outcome::run(command.arg(&tree.path).args(inside), job.limit)
        }
    }
}

static COPIES: Mutex<BTreeMap<Image, Scratch>> = Mutex::new(BTreeMap::new());

fn copy(image: &Image) -> Scratch {
    let scratch = Scratch::new();
    let mut command = Command::new("cp");
    command.args(["-a", "--reflink=auto", "-T"]).arg(&image.tree).arg(&scratch.path);
    assert!(command.status().is_ok_and(|status| status.success()), "copying {} failed", image.tree.display());
    scratch
}

fn spaces(tree: &Path, scratch: &Path, inside: &[String]) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--pid", "--fork", "--kill-child", "--uts", "--ipc", "--net", "--"]);
    command.args(["/bin/bash", "-c", ENTER, "bash"]).arg(tree).arg(scratch).args(inside);
    command
}

fn put(files: &[(PathBuf, String)], root: &Path) {
    for (source, target) in files {
        let target = root.join(target.trim_start_matches('/'));
        fs::create_dir_all(target.parent().expect("a target is below the root"))
            .expect("directories of a target");
        fs::copy(source, &target).unwrap_or_else(|error| panic!("{}: {error}", source.display()));
    }
}

/// A directory of our own, removed at the end.
#[derive(Debug)]
pub(crate) struct Scratch {
    pub(crate) path: PathBuf,
}

impl Scratch {
    pub(crate) fn new() -> Scratch {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("run-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Scratch { path }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}
