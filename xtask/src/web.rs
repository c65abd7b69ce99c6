//! The web bundle.

use crate::process::{Result, program, run};
use crate::{project, setup};
use std::path::PathBuf;

/// Whether the workspace has the web crate with its build script.
pub(crate) fn exists() -> bool {
    folder().join("build.mjs").exists()
}

/// The npm package and crate.
pub(crate) fn folder() -> PathBuf {
    project::root().join("cx-web")
}

/// What the build leaves.
pub(crate) fn dist() -> PathBuf {
    folder().join("dist")
}

/// Builds the bundle into [`dist`]: `build.mjs` runs cargo, wasm-bindgen and the bundler.
pub(crate) fn build() -> Result {
    if !exists() {
        return Err("there is no cx-web/build.mjs to build the bundle with".into());
    }
    setup::programs(&["node", "npm"])?;
    setup::rust_targets()?;
    setup::npm_packages()?;
    setup::wasm_bindgen()?;
    run(program("node").arg("build.mjs").current_dir(folder()))
}

/// Builds the bundle unless it is newer than everything it may be made from.
pub(crate) fn build_if_stale() -> Result {
    let modified = |file: &std::path::Path| file.metadata().and_then(|meta| meta.modified()).ok();
    let built = modified(&dist().join(".built"));
    let mut newest = None;
    for file in project::files()? {
        let source = file.extension().is_some_and(|extension| {
            ["rs", "toml", "lock", "js", "mjs", "ts", "css", "html", "json", "svg"]
                .iter()
                .any(|kind| extension == *kind)
        });
        if source && !file.starts_with("xtask") && !file.starts_with("docs") {
            newest = newest.max(modified(&project::root().join(file)));
        }
    }
    if built.is_some() && built >= newest {
        return Ok(());
    }
    build()?;
    std::fs::write(dist().join(".built"), "")?;
    Ok(())
}
