//! What the tasks need on the machine, and how to get it.

use crate::args::Args;
use crate::process::{Context, Result, find_program, is_root, program, run};
use crate::project;
use std::process::{Command, ExitCode};

/// A program from the system's packages.
struct Tool {
    /// What is looked for in PATH.
    program: &'static str,
    /// Debian package that holds it.
    package: &'static str,
}

#[rustfmt::skip] // One tool a line.
const TOOLS: &[Tool] = &[
    Tool { program: "mmdebstrap", package: "mmdebstrap" },
    Tool { program: "arch-test",  package: "arch-test" },
    Tool { program: "mke2fs",     package: "e2fsprogs" },
    Tool { program: "e2fsck",     package: "e2fsprogs" },
    Tool { program: "debugfs",    package: "e2fsprogs" },
    Tool { program: "fakeroot",   package: "fakeroot" },
    Tool { program: "node",       package: "nodejs" },
    Tool { program: "npm",        package: "npm" },
    Tool { program: "chromium",   package: "chromium" },
    Tool { program: "firefox",    package: "firefox-esr" },
    Tool { program: "gcc",        package: "gcc" },
    Tool { program: "nasm",       package: "nasm" },
    Tool { program: "git",        package: "git" },
];

/// Packages without a program of their own: a file that shows that they are there.
const FILES: &[(&str, &str)] = &[
    ("/usr/lib/gcc/x86_64-linux-gnu", "gcc"),
    ("/usr/share/keyrings/debian-archive-keyring.gpg", "debian-archive-keyring"),
];

const HELP: &str = "usage: cargo xtask setup
Installs everything that any task needs: Debian packages (as root), Rust targets, npm packages, wasm-bindgen.";

pub(crate) fn main(mut args: Args) -> Result<ExitCode> {
    if args.help(HELP) {
        return Ok(ExitCode::SUCCESS);
    }
    args.finish()?;
    everything()?;
    Ok(ExitCode::SUCCESS)
}

/// What `test` and `ci` need, which is everything.
pub(crate) fn everything() -> Result {
    image_tools()?;
    programs(&["gcc", "nasm", "git", "e2fsck", "debugfs"])?;
    gcc_for_i386()?;
    rust_targets()?;
    if crate::web::exists() {
        programs(&["node", "npm", "chromium", "firefox"])?;
        npm_packages()?;
        wasm_bindgen()?;
    }
    Ok(())
}

/// What `image` needs.
pub(crate) fn image_tools() -> Result {
    programs(&["mmdebstrap", "arch-test", "mke2fs"])?;
    if !is_root() {
        programs(&["fakeroot"])?;
    }
    let missing: Vec<&str> = FILES
        .iter()
        .skip(1)
        .filter(|(file, _)| !std::path::Path::new(file).exists())
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() { Ok(()) } else { install(&missing) }
}

/// Makes sure of programs.
pub(crate) fn programs(names: &[&str]) -> Result {
    let mut missing: Vec<&str> = Vec::new();
    for name in names.iter().filter(|name| find_program(name).is_none()) {
        let package = TOOLS.iter().find(|tool| tool.program == *name).map_or(*name, |tool| tool.package);
        // Node's own packages bring npm along, and conflict with Debian's.
        if !(*name == "npm" && missing.contains(&"nodejs")) {
            missing.push(package);
        }
    }
    if missing.is_empty() { Ok(()) } else { install(&missing) }
}

/// A compiler that makes and links 32-bit programs.
pub(crate) fn gcc_for_i386() -> Result {
    let probe = ["-m32", "-E", "-x", "c", "-include", "stdio.h", "/dev/null", "-o", "/dev/null"];
    let works = || {
        let mut gcc = program("gcc");
        gcc.args(probe).stderr(std::process::Stdio::null());
        gcc.status().is_ok_and(|status| status.success())
    };
    if works() { Ok(()) } else { install(&["gcc", "gcc-multilib"]) }
}

fn install(packages: &[&str]) -> Result {
    let list = packages.join(" ");
    if find_program("apt-get").is_none() {
        return Err(format!("missing programs; install what these Debian packages hold: {list}").into());
    }
    if !is_root() {
        return Err(format!("missing programs; install them with: sudo apt-get install {list}").into());
    }
    eprintln!("installing {list}");
    let attempt = || {
        let mut command = program("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        run(command.args(["install", "-y", "-q", "--no-install-recommends"]).args(packages))
    };
    if attempt().is_ok() {
        return Ok(());
    }
    // Package lists may be old or absent.
    run(program("apt-get").args(["update", "-q"]))?;
    attempt()
}

/// The targets that `rust-toolchain.toml` names; rustup adds them where it manages the toolchain.
pub(crate) fn rust_targets() -> Result {
    let wanted = ["wasm32-unknown-unknown", "i686-unknown-linux-musl"];
    let mut missing = Vec::new();
    for target in wanted {
        let mut rustc = Command::new("rustc");
        rustc.current_dir(project::root()).args(["--print", "target-libdir", "--target", target]);
        let folder =
            crate::process::output(&mut rustc).context(|| "looking for Rust's targets".to_string())?;
        let present = std::fs::read_dir(folder.trim()).is_ok_and(|mut entries| entries.next().is_some());
        if !present {
            missing.push(target);
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    if find_program("rustup").is_none() {
        return Err(
            format!("the Rust toolchain lacks the targets {}; install them", missing.join(" ")).into()
        );
    }
    run(Command::new("rustup").current_dir(project::root()).args(["target", "add"]).args(missing))
}

/// `npm ci`, where what is there is not what the lock file says.
pub(crate) fn npm_packages() -> Result {
    let folder = project::root().join("cx-web");
    let lock = folder.join("package-lock.json");
    let stamp = folder.join("node_modules/.lock-of-this");
    let wanted = std::fs::read(&lock).context(|| lock.display().to_string())?;
    if std::fs::read(&stamp).is_ok_and(|have| have == wanted) {
        return Ok(());
    }
    eprintln!("npm ci");
    run(program("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&folder))?;
    std::fs::write(&stamp, wanted).context(|| stamp.display().to_string())
}

/// The version of wasm-bindgen that Cargo.lock settles; its program must be the same.
fn wasm_bindgen_version() -> Result<String> {
    let lock = std::fs::read_to_string(project::root().join("Cargo.lock"))?;
    let mut lines = lock.lines();
    lines
        .find(|line| *line == "name = \"wasm-bindgen\"")
        .and_then(|_| lines.next()?.strip_prefix("version = \"")?.strip_suffix('"').map(str::to_string))
        .ok_or_else(|| "Cargo.lock has no wasm-bindgen".into())
}

/// The wasm-bindgen program of the right version, in [`project::tools`].
pub(crate) fn wasm_bindgen() -> Result {
    let version = wasm_bindgen_version()?;
    let file = project::tools().join("bin/wasm-bindgen");
    if file.exists() {
        let have = crate::process::output(Command::new(&file).arg("--version"))?;
        if have.split_whitespace().nth(1) == Some(version.as_str()) {
            return Ok(());
        }
    }
    eprintln!("building wasm-bindgen {version} (once)");
    let mut cargo = project::cargo();
    // Built for this machine with the workspace's toolchain, apart from its target directory and its lock. Not with
    // `--locked`: its lock file names versions that a registry mirror may not have yet.
    cargo.env_remove("CARGO_TARGET_DIR").args(["install", "wasm-bindgen-cli", "--version", &version]);
    run(cargo.args(["--quiet", "--force", "--root"]).arg(project::tools()))
}
