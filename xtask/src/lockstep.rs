//! `xtask lockstep`: one program on this processor and in the interpreter, instruction by instruction.

use crate::args::Args;
use crate::process::{Result, show};
use crate::project;
use std::os::unix::process::CommandExt;
use std::process::ExitCode;

const HELP: &str = "usage: cargo xtask lockstep [--cpu LEVEL] [--limit N] -- PROGRAM ARGUMENTS…
Runs a program of this machine natively and, each of its instructions, in the interpreter, and stops at the first
difference: what differs, and the instructions before it. Some 30,000 instructions a second. x86-64 Linux only.
  --root DIR   the program's root directory, as of chroot: target/images/NAME.root
  --cpu LEVEL  the processor that the program sees: x86-64 (default), x86-64-v2, x86-64-v3, full
  --limit N    stop after N instructions that agree";

pub(crate) fn main(mut args: Args) -> Result<ExitCode> {
    if args.help(HELP) {
        return Ok(ExitCode::SUCCESS);
    }
    let mut cargo = project::cargo();
    cargo.args(["run", "--release", "--quiet", "--package", "x86-interp", "--example", "lockstep", "--"]);
    for option in ["--root", "--cpu", "--limit"] {
        if let Some(value) = args.value(option)? {
            cargo.args([option, &value]);
        }
    }
    cargo.args(args.into_rest().into_iter().skip_while(|word| word == "--"));
    let shown = show(&cargo);
    // Returns only where it failed.
    let error = cargo.exec();
    Err(format!("{shown}: {error}").into())
}
