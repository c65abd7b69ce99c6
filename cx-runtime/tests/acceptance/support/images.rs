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

/// The image of a name such as `tiny` (Debian 12, i386) or `trixie-i386-mini`; built where it is missing.
pub(crate) fn named(name: &str) -> Image {
    let mut found = FOUND.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(image) = found.get(name) {
        return image.clone();
    }
    let full = if name.contains('-') { name.to_string() } else { format!("bookworm-i386-{name}") };
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in the repository");
    let folder = std::env::var_os("CX_IMAGES").map_or_else(|| repository.join("target/images"), PathBuf::from);
    let image = Image { file: folder.join(format!("{full}.ext2")), tree: folder.join(format!("{full}.root")) };
    if !image.file.exists() || !image.tree.exists() {
        build(repository, &full);
    }
    assert!(image.file.exists() && image.tree.exists(), "{} and its tree are missing", image.file.display());
    found.insert(name.to_string(), image.clone());
    image
}

fn build(repository: &Path, name: &str) {
    let parts: Vec<&str> = name.splitn(3, '-').collect();
    let [suite, arch, preset] = parts[..] else { panic!("`{name}` is not SUITE-ARCH-PRESET") };
    eprintln!("{name} is missing: building it");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(repository).stdin(Stdio::null()).stdout(Stdio::null());
    // `xtask image` keeps an image with its recipe, so a second caller waits and then finds it.
    command.args(["run", "--quiet", "--package", "xtask", "--", "image", "--suite", suite, "--arch", arch]);
    command.args(["--preset", preset]);
    let status = command.status().expect("cargo runs");
    assert!(status.success(), "xtask image failed for {name}");
}
