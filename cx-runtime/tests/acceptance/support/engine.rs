//! A program on the engine: `cx run`, or the web package's drivers, which take the same options.

use super::outcome::{self, Outcome};
use super::{ENVIRONMENT, Job};
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

/// What runs guests: `CX_HOST` is `native` (or absent), `node`, `chromium` or `firefox`. All but the first need the
/// web package built (`cargo xtask test` does it).
fn command() -> Command {
    let driver = |name: &str| {
        let mut command = Command::new("node");
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../cx-web/drivers").join(name));
        command
    };
    match std::env::var("CX_HOST").as_deref() {
        Err(_) | Ok("" | "native") => {
            let binary =
                std::env::var_os("CX_BINARY").unwrap_or_else(|| OsString::from(env!("CARGO_BIN_EXE_cx")));
            let mut command = Command::new(binary);
            command.arg("run");
            command
        }
        Ok("node") => driver("node.mjs"),
        Ok(browser @ ("chromium" | "firefox")) => {
            let mut command = driver("browser.mjs");
            command.args(["--browser", browser]);
            command
        }
        Ok(other) => panic!("CX_HOST={other}: native, node, chromium or firefox"),
    }
}

/// Web engines run guests slower than native ones, and a browser has to start first.
const WEB_PATIENCE: u32 = 4;

/// And where each instruction is translated at its first arrival, most are translated for one time.
const EAGER_PATIENCE: u32 = 10;

/// Runs the job on a fresh machine.
pub(crate) fn run(job: &Job) -> Outcome {
    let mut command = command();
    let web = std::env::var_os("CX_HOST").is_some_and(|host| host != "native");
    let engine = std::env::var("CX_ENGINE").ok();
    let eager = engine.as_deref() == Some("jit-eager");
    let limit = job.limit * if web { WEB_PATIENCE } else { 1 } * if eager { EAGER_PATIENCE } else { 1 };
    command.arg("--image").arg(&job.image.file);
    for (source, target) in &job.files {
        let mut mount = source.clone().into_os_string();
        mount.push(":");
        mount.push(target);
        command.arg("--mount").arg(mount);
    }
    let chosen = std::env::var("CX_CPU").ok();
    if let Some(cpu) = job.cpu.or(chosen.as_deref()) {
        command.args(["--cpu", cpu]);
    }
    if let Some(engine) = engine {
        command.args(["--engine", &engine]);
    }
    for (name, value) in ENVIRONMENT {
        command.arg("--env").arg(format!("{name}={value}"));
    }
    outcome::run(command.arg("--").args(&job.command), limit)
}
