//! `xtask bench`: guest programs against the same programs run natively.
//!
//! Wall-clock on a shared machine says little; the ratio to a native run right beside it says more. Native and guest
//! runs alternate, and the median of each counts.

use crate::args::Args;
use crate::process::{Context, Result, is_root, program, run, show};
use crate::{image, project, setup};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

const HELP: &str = "usage: cargo xtask bench [--only NAME] [--rounds N] [--engine interp|jit] [--out FILE]
Times programs in the guest (native host) and natively; a table, and JSON in target/bench.json.";

/// Programs of the image.
const PROGRAMS: &[(&str, &[&str])] = &[
    ("bash start", &["/bin/bash", "-c", "true"]),
    ("bash loop", &["/bin/bash", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo $i"]),
    ("bash forks", &["/bin/bash", "-c", "for i in {1..50}; do /bin/true; done"]),
    ("python start", &["/usr/bin/python3", "-c", "pass"]),
    ("python loop", &["/usr/bin/python3", "-c", "print(sum(i * i % 7 for i in range(300000)))"]),
    ("sort", &["/bin/bash", "-c", "seq 100000 | sort -r | md5sum"]),
];

/// C programs of `xtask/bench`.
const KERNELS: &[&str] = &["sieve", "calls", "matrix", "sort", "hash", "syscalls"];

/// One program and how to run it here and there.
struct Case {
    name: String,
    native: Command,
    guest: Command,
}

pub(crate) fn main(mut args: Args) -> Result<ExitCode> {
    if args.help(HELP) {
        return Ok(ExitCode::SUCCESS);
    }
    let only = args.value("--only")?;
    let rounds = args.number("--rounds")?.unwrap_or(3).max(1);
    let engine = args.value("--engine")?.unwrap_or_else(|| "interp".into());
    let out = args.value("--out")?.map_or_else(|| project::root().join("target/bench.json"), PathBuf::from);
    args.finish()?;
    let cases = cases(&engine)?;
    let mut results = Vec::new();
    println!("{:<16} {:>12} {:>12} {:>8}", "program", "native ms", "guest ms", "ratio");
    for mut case in cases {
        if only.as_ref().is_some_and(|only| !case.name.contains(only.as_str())) {
            continue;
        }
        let (mut native, mut guest) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let expected = time(&mut case.native, &mut native)?;
            let got = time(&mut case.guest, &mut guest)?;
            if got != expected {
                return Err(
                    format!("{}: the guest printed something else than the native run", case.name).into()
                );
            }
        }
        let (native, guest) = (median(native), median(guest));
        let ratio = guest / native;
        println!("{:<16} {native:>12.1} {guest:>12.1} {ratio:>8.1}", case.name);
        results.push(json!({ "program": case.name, "native_ms": native, "guest_ms": guest, "ratio": ratio }));
    }
    let report = json!({ "engine": engine, "rounds": rounds, "results": Value::Array(results) });
    std::fs::write(&out, format!("{report:#}\n")).context(|| out.display().to_string())?;
    eprintln!("{}", out.display());
    Ok(ExitCode::SUCCESS)
}

fn cases(engine: &str) -> Result<Vec<Case>> {
    setup::programs(&["gcc"])?;
    setup::gcc_for_i386()?;
    let cx = crate::run::native_host()?;
    let image = image::build(&image::Recipe::preset("mini")?, false)?;
    let tree = image.with_extension("root");
    let guest = |arguments: &[&str]| {
        let mut command = Command::new(&cx);
        command.args(["run", "--engine", engine]).args(arguments);
        command
    };
    let image_name = image.to_string_lossy();
    let mut all = Vec::new();
    if is_root() && tree.is_dir() {
        for (name, words) in PROGRAMS {
            let mut native = program("chroot");
            native.arg(&tree).args(*words).env_clear().env("PATH", "/usr/bin:/bin");
            let arguments = [&["--image", &*image_name, "--"], *words].concat();
            all.push(Case { name: (*name).into(), native, guest: guest(&arguments) });
        }
    } else {
        eprintln!(
            "without root there is no chroot to run the image's own programs natively: C programs only"
        );
    }
    let folder = project::root().join("target/bench");
    std::fs::create_dir_all(&folder)?;
    for kernel in KERNELS {
        let binary = compile(kernel, &folder)?;
        let mount = format!("{}:/{kernel}", binary.display());
        let arguments = ["--image", &*image_name, "--mount", &mount, "--", &format!("/{kernel}")];
        all.push(Case {
            name: format!("C {kernel}"),
            native: Command::new(&binary),
            guest: guest(&arguments),
        });
    }
    Ok(all)
}

fn compile(kernel: &str, folder: &Path) -> Result<PathBuf> {
    let source = project::root().join(format!("xtask/bench/{kernel}.c"));
    let binary = folder.join(kernel);
    run(program("gcc").args(["-m32", "-O2", "-static", "-o"]).arg(&binary).arg(source))?;
    Ok(binary)
}

fn time(command: &mut Command, times: &mut Vec<Duration>) -> Result<Vec<u8>> {
    let started = Instant::now();
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context(|| show(command))?;
    times.push(started.elapsed());
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(format!("`{}` failed ({})", show(command), output.status).into())
    }
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times.get(times.len() / 2).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
}
