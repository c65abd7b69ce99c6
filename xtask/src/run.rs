//! `xtask run`: one guest program, on a host of choice.

use crate::args::Args;
use crate::process::{Result, program, run, show};
use crate::{image, project, setup, web};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const HELP: &str = "usage: cargo xtask run [--host HOST] [OPTIONS] -- PROGRAM ARGUMENTS…
Runs a program of the guest. Its standard streams are ours and its exit status is ours (128 + N where signal N ended
it). Messages of our own go to standard error.

  --host HOST       native (default), node, chromium or firefox
  --image FILE|URL  ext2 image to run on; writes are dropped at the end. By default the demo image, built at first use
  --preset NAME     an image of `xtask image` instead (tiny, mini, dev, large)
  --root DIR        a copy of this directory as the root instead of an image
  --mount SRC:DST   a copy of a file or directory of ours at DST; may be repeated
  --env NAME=VALUE  added to the environment; may be repeated
  --cwd DIR         working directory (default /)
  --uid N --gid N   user and group (default 0)
  --tty             standard input and output are a terminal in the guest (native)
  --memory MIB      memory of the machine (default 1024)
  --overlay FILE    keep writes in this file (native)
  --write           write into the image itself (native)
  --strace          print system calls on standard error
  --stats FILE      write counters as JSON at the end
  --engine NAME     interp, or jit, which is the default but for native, where there is none
  --cpu LEVEL       what the processor offers: x86-64 (SSE3, default), x86-64-v2, x86-64-v3 (AVX2) or full";

pub(crate) fn main(mut args: Args) -> Result<ExitCode> {
    if args.help(HELP) {
        return Ok(ExitCode::SUCCESS);
    }
    let host = args.value("--host")?.unwrap_or_else(|| "native".into());
    let preset = args.value("--preset")?;
    let engine = args.value("--engine")?;
    let mut options = Vec::new();
    // Only the native host packs directories itself.
    if host != "native"
        && let Some(folder) = args.value("--root")?
    {
        options.extend(["--image".to_string(), image::scratch(Path::new(&folder))?]);
    } else if let Some(preset) = preset {
        options.extend(["--image".to_string(), preset_image(&preset)?]);
    } else if !args.has("--image") && !args.has("--root") {
        options.extend(["--image".to_string(), preset_image("mini")?]);
    }
    options.extend(args.into_rest());
    let mut command = command(&host, engine.as_deref())?;
    command.args(options);
    let shown = show(&command);
    // Returns only where it failed.
    let error = command.exec();
    Err(format!("{shown}: {error}").into())
}

/// The program that runs guests on a host, with the host's usual engine where none is named; options and the guest's command follow.
pub(crate) fn command(host: &str, engine: Option<&str>) -> Result<Command> {
    let mut command = match host {
        "native" => {
            let mut command = Command::new(native_host()?);
            command.arg("run");
            command
        }
        "node" => driver("node.mjs")?,
        "chromium" | "firefox" => {
            setup::programs(&[host])?;
            let mut command = driver("browser.mjs")?;
            command.args(["--browser", host]);
            command
        }
        other => {
            let message = format!("there is no host `{other}`; there are native, node, chromium, firefox");
            return Err(message.into());
        }
    };
    command.args(engine.into_iter().flat_map(|engine| ["--engine", engine]));
    Ok(command)
}

fn preset_image(name: &str) -> Result<String> {
    let file = image::build(&image::Recipe::preset(name)?, false)?;
    Ok(file.to_string_lossy().into_owned())
}

/// Builds `cx` where it is not current.
pub(crate) fn native_host() -> Result<PathBuf> {
    run(project::cargo().args(["build", "--release", "--quiet", "--package", "cx-runtime", "--bin", "cx"]))?;
    Ok(project::target_directory()?.join("release/cx"))
}

fn driver(script: &str) -> Result<Command> {
    web::build_if_stale()?;
    let mut command = program("node");
    command.arg(web::folder().join("drivers").join(script));
    Ok(command)
}
