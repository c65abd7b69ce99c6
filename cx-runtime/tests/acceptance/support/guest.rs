//! C programs of `tests/guest`, compiled for the guest and run on both sides.

use super::native::{self, Sandbox};
use super::outcome::Outcome;
use super::{Job, data, engine, images, verbose, wanted};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Which machine code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Bits {
    B32,
    B64,
}

impl Bits {
    fn flag(self) -> &'static str {
        match self {
            Bits::B32 => "-m32",
            Bits::B64 => "-m64",
        }
    }
}

type Built = BTreeMap<(String, Bits), PathBuf>;

static BUILT: Mutex<Built> = Mutex::new(Built::new());

/// `tests/guest/NAME.c`, static, so that it needs nothing of an image.
fn compile(name: &str, bits: Bits) -> PathBuf {
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(program) = built.get(&(name.to_string(), bits)) {
        return program.clone();
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let program = folder.join(format!("{name}{}-{}", bits.flag(), std::process::id()));
    let source = data("guest").join(format!("{name}.c"));
    let mut command = Command::new("gcc");
    command.args([
        bits.flag(),
        "-static",
        "-O1",
        "-pthread",
        "-fno-pie",
        "-no-pie",
        "-Wall",
        "-D_GNU_SOURCE",
    ]);
    command.arg("-o").arg(&program).arg(&source);
    let output = command.output().expect("gcc runs; `cargo xtask setup` installs it");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}:\n{told}", source.display());
    built.insert((name.to_string(), bits), program.clone());
    program
}

/// Runs `PROGRAM CASE` on both sides for each case; fails with all that differ.
pub(crate) fn check(program: &str, bits: Bits, cases: &[&str]) {
    if native::sandbox() == Sandbox::Copy {
        eprintln!("left out, mounts are refused here: {program}");
        return;
    }
    let file = compile(program, bits);
    let mut failures = String::new();
    let mut failed = 0;
    for case in cases.iter().filter(|case| wanted(case)) {
        let job = Job {
            image: images::named("tiny"),
            files: vec![(file.clone(), "/case/program".into())],
            command: vec!["/case/program".into(), (*case).into()],
            limit: Duration::from_secs(60),
        };
        let native = native::run(&job);
        let engine = engine::run(&job);
        if verbose() {
            eprintln!("### {program} {case}\nnative: {}engine: {}", native.show(), engine.show());
        }
        let mut difference = Outcome::difference(&native, &engine);
        // A case that the program does not know, or that fails on the real machine, tests nothing.
        if native.stdout.is_empty() {
            difference = Some(format!("  says nothing natively: {}", native.show()));
        }
        if let Some(difference) = difference {
            failed += 1;
            failures.push_str(&format!("### {program} {case}\n{difference}"));
        }
    }
    let _ = std::fs::remove_file(&file);
    BUILT.lock().unwrap_or_else(PoisonError::into_inner).remove(&(program.to_string(), bits));
    assert!(failed == 0, "{failed} of {} cases of {program} differ:\n{failures}", cases.len());
}
