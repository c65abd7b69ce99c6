//! Where things are.

use crate::process::{Result, output, search_path};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The repository.
pub(crate) fn root() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest)
}

/// Images, their trees and recipes: not in cargo's own target directory, so that they outlive `cargo clean`s of
/// another one.
pub(crate) fn images() -> PathBuf {
    root().join("target/images")
}

/// Development tools built from source.
pub(crate) fn tools() -> PathBuf {
    root().join("target/tools")
}

/// cargo, the one that runs us where there is one.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).env("PATH", search_path());
    command
}

/// `cargo metadata` of the workspace.
pub(crate) fn metadata() -> Result<Value> {
    let text = output(cargo().args(["metadata", "--format-version", "1", "--no-deps"]))?;
    serde_json::from_str(&text).map_err(|error| format!("cargo metadata: {error}").into())
}

/// Where cargo puts what it builds.
pub(crate) fn target_directory() -> Result<PathBuf> {
    let metadata = metadata()?;
    let path = metadata.get("target_directory").and_then(Value::as_str);
    path.map(PathBuf::from).ok_or_else(|| "cargo metadata names no target directory".into())
}

/// Files that git knows or would add: everything but what is ignored.
pub(crate) fn files() -> Result<Vec<PathBuf>> {
    let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let text = output(Command::new("git").args(list).current_dir(root()))?;
    let names = text.split('\0').filter(|name| !name.is_empty());
    Ok(names.map(PathBuf::from).filter(|name| root().join(name).is_file()).collect())
}
