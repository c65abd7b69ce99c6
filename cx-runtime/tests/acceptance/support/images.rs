//! Debian images and their unpacked trees.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// An ext2 image and the same tree as a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Image {
    pub(crate) file: PathBuf,
    pub(crate) tree: PathBuf,
}

static FOUND: Mutex<BTreeMap<String, Image>> = Mutex::new(BTreeMap::new());

/// The image of a name such as `tiny` (Debian 12, i386, or what `CX_DEBIAN` says: `bookworm-amd64`); built where it is
/// missing. A name may fix the suite (`trixie-dev`), the architecture (`amd64-dev`) or both (`trixie-i386-dev`).
pub(crate) fn named(name: &str) -> Image {
    let mut found = FOUND.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(image) = found.get(name) {
        return image.clone();
    }
    let full = full_name(name, &debian());
    let file = match std::env::var_os("CX_IMAGES") {
        Some(folder) => PathBuf::from(folder).join(format!("{full}.ext2")),
        None => build(&full),
    };
    let image = Image { tree: file.with_extension("root"), file };
    assert!(image.file.exists() && image.tree.exists(), "{} and its tree are missing", image.file.display());
    found.insert(name.to_string(), image.clone());
    image
}

/// The Debian that names leave open.
fn debian() -> String {
    std::env::var("CX_DEBIAN").unwrap_or_else(|_| "bookworm-i386".into())
}

/// Whether an image is one of those, separated by commas, that `CX_LEFT_OUT` names: `cargo xtask test` could not fetch its packages.
pub(crate) fn is_left_out(name: &str) -> bool {
    let left_out = std::env::var("CX_LEFT_OUT").unwrap_or_default();
    left_out.split(',').any(|full| full == full_name(name, &debian()))
}

/// `SUITE-ARCH-PRESET`, where what the name leaves open is that of `debian`, which is `SUITE-ARCH`.
fn full_name(name: &str, debian: &str) -> String {
    let (mut suite, mut arch) =
        debian.split_once('-').unwrap_or_else(|| panic!("CX_DEBIAN={debian} is not SUITE-ARCH"));
    let mut parts: Vec<&str> = name.split('-').collect();
    let preset = parts.pop().unwrap_or_default();
    for part in parts {
        *(if ["i386", "amd64"].contains(&part) { &mut arch } else { &mut suite }) = part;
    }
    format!("{suite}-{arch}-{preset}")
}

/// `xtask image`: says where the image is, and builds it where it is missing or its recipe has changed.
fn build(name: &str) -> PathBuf {
    let parts: Vec<&str> = name.splitn(3, '-').collect();
    let [suite, arch, preset] = parts[..] else { panic!("`{name}` is not SUITE-ARCH-PRESET") };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in the repository");
    let mut command = Command::new(cargo);
    command.current_dir(repository).stdin(Stdio::null()).stderr(Stdio::inherit());
    command.args(["run", "--quiet", "--package", "xtask", "--", "image", "--suite", suite, "--arch", arch]);
    command.args(["--preset", preset]);
    let output = command.output().expect("cargo runs");
    assert!(output.status.success(), "xtask image failed for {name}");
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim_end())
}

#[test]
fn a_name_leaves_open_what_the_environment_says() {
    assert_eq!(full_name("tiny", "trixie-amd64"), "trixie-amd64-tiny");
    assert_eq!(full_name("amd64-dev", "trixie-i386"), "trixie-amd64-dev");
    assert_eq!(full_name("trixie-dev", "bookworm-i386"), "trixie-i386-dev");
    assert_eq!(full_name("trixie-i386-dev", "bookworm-amd64"), "trixie-i386-dev");
}
