//! A program on the engine: `cx run`.

use super::outcome::{self, Outcome};
use super::{ENVIRONMENT, Job};
use std::ffi::OsString;
use std::process::Command;

/// Runs the job on a fresh machine.
pub(crate) fn run(job: &Job) -> Outcome {
    let binary = std::env::var_os("CX_BINARY").unwrap_or_else(|| OsString::from(env!("CARGO_BIN_EXE_cx")));
    let mut command = Command::new(binary);
    command.arg("run").arg("--image").arg(&job.image.file);
    for (source, target) in &job.files {
        let mut mount = source.clone().into_os_string();
        mount.push(":");
        mount.push(target);
        command.arg("--mount").arg(mount);
    }
    for (name, value) in ENVIRONMENT {
        command.arg("--env").arg(format!("{name}={value}"));
    }
    outcome::run(command.arg("--").args(&job.command), job.limit)
}
