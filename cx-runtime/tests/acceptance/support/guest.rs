//! C programs of `tests/guest`, compiled for the guest and run on both sides.

use super::native::{self, Sandbox};
use super::outcome::Outcome;
use super::tally::Tally;
use super::{Job, data, images, wanted};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
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

    fn other(self) -> Bits {
        match self {
            Bits::B32 => Bits::B64,
            Bits::B64 => Bits::B32,
        }
    }
}

/// Programs that run themselves in the other word size too, which is at `/case/other`.
const NEEDS_OTHER: [&str; 1] = ["processes"];

/// Programs about what the usual processor does not have.
const NEEDS_AVX: [&str; 1] = ["vectors"];

/// Cases in which AMD's processors do otherwise than Intel's, as which the engine does: what is checked for alignment, and whether the upper halves
/// of YMM registers are in use after `vzeroall`.
const OF_INTEL: [&str; 2] = ["traps alignment", "vectors signals"];

fn is_intel() -> bool {
    std::fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| text.contains("GenuineIntel"))
}

/// `tests/guest/NAME.c`, static, so that it needs nothing of an image.
fn compile(name: &str, bits: Bits) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    // Two tests may compile the same program at once.
    static COMPILED: AtomicUsize = AtomicUsize::new(0);
    let number = COMPILED.fetch_add(1, Ordering::Relaxed);
    let program = folder.join(format!("{name}{}-{}-{number}", bits.flag(), std::process::id()));
    let source = data("guest").join(format!("{name}.c"));
    let mut command = Command::new("gcc");
    command.args([
        bits.flag(),
        "-static",
        "-O1",
        "-pthread",
        "-fno-pie",
        "-no-pie",
        "-msse2",
        "-Wall",
        // Wrong arguments are what many cases are about.
        "-Wno-stringop-overflow",
        "-Wno-stringop-overread",
        "-D_GNU_SOURCE",
    ]);
    command.arg("-o").arg(&program).arg(&source).arg("-lm");
    let output = command.output().expect("gcc runs; `cargo xtask setup` installs it");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}:\n{told}", source.display());
    program
}

/// The names of a program's cases, which it prints itself.
fn cases(program: &Path) -> Vec<String> {
    let output =
        Command::new(program).output().unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_string).collect()
}

/// Runs `PROGRAM CASE` on both sides for each case of the program; fails with all that differ.
pub(crate) fn check(program: &str, bits: Bits) {
    if native::sandbox() == Sandbox::Copy {
        eprintln!("left out, mounts are refused here: {program}");
        return;
    }
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    if NEEDS_AVX.contains(&program) && !std::arch::is_x86_feature_detected!("avx2") {
        eprintln!("left out, this processor has no AVX2: {program}");
        return;
    }
    let file = compile(program, bits);
    let mut files = vec![(file.clone(), "/case/program".into())];
    if NEEDS_OTHER.contains(&program) {
        files.push((compile(program, bits.other()), "/case/other".into()));
    }
    let cases = cases(&file);
    assert!(!cases.is_empty(), "{program} names no cases");
    let mut tally = Tally::new(program);
    for case in &cases {
        let name = format!("{program} {case}");
        if !wanted(&name) {
            continue;
        }
        if OF_INTEL.contains(&name.as_str()) && !is_intel() {
            eprintln!("left out, this processor is not Intel's: {name}");
            continue;
        }
        let job = Job {
            image: images::named("tiny"),
            files: files.clone(),
            command: vec!["/case/program".into(), case.clone()],
            cpu: NEEDS_AVX.contains(&program).then_some("full"),
            limit: Duration::from_secs(60),
        };
        tally.case(&name, &job, |native, engine| {
            // A case that says nothing on the real machine tests nothing.
            if native.stdout.is_empty() {
                return Some(format!("  says nothing natively: {}", native.show()));
            }
            Outcome::difference(native, engine)
        });
    }
    for (file, _) in &files {
        let _ = std::fs::remove_file(file);
    }
    tally.finish();
}
