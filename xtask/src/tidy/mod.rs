//! `xtask tidy`: the house rules that a program can check.
//!
//! [`layers`] compares the manifests with `layers.toml`; [`text`] reads every file that git would hold.

mod layers;
mod rules;
mod text;

use crate::args::Args;
use crate::process::Result;
use std::process::ExitCode;

const HELP: &str = "usage: cargo xtask tidy
Checks the layers of the architecture (xtask/layers.toml), file sizes, unsafe code, names that must not be committed.";

pub(crate) fn main(mut args: Args) -> Result<ExitCode> {
    if args.help(HELP) {
        return Ok(ExitCode::SUCCESS);
    }
    args.finish()?;
    check()?;
    println!("tidy");
    Ok(ExitCode::SUCCESS)
}

/// Reports everything found on standard error, and fails if there is anything.
pub(crate) fn check() -> Result {
    let rules = rules::Rules::read()?;
    let mut found = layers::check(&rules)?;
    found.extend(text::check(&rules)?);
    for line in &found {
        eprintln!("{line}");
    }
    match found.len() {
        0 => Ok(()),
        1 => Err("one finding".into()),
        count => Err(format!("{count} findings").into()),
    }
}
