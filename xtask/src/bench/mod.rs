//! `xtask bench`: guest programs against the same programs run natively.
//!
//! Wall-clock on a shared machine says little; the ratio to a native run right beside it says more. Native and guest
//! runs alternate, and the median of each counts. Programs time themselves, so that neither the start of a browser nor that of
//! a process is in the figures of a kernel; the first run in a process, of code never seen before, is told apart.

mod mixed;
mod text;
mod work;

use crate::args::Args;
use crate::process::{Context, Result, find_program, is_root, show};
use crate::{image, project, setup};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use work::{Set, Work};

const HELP: &str = "usage: cargo xtask bench [OPTIONS]
Times programs in the guest and natively: a table, and JSON in target/bench.json.

  --host A,B        native (default), node, chromium, firefox, qemu (user-mode emulation, C programs only)
  --only A,B        rows whose name contains one of these
  --rounds N        rounds of each side, by turns (default 3)
  --bits 32|64      of the C programs (default 32)
  --engine NAME     interp (default) or jit
  --out FILE        where the JSON goes
  --mixed MINUTES   instead, on one host: a compiler, interpreters and shells by turns, and the memory of the host's process";

/// Milliseconds of one program on one side, of each round: the first run, and the later half of all.
#[derive(Clone, Debug, Default)]
struct Times {
    first: Vec<f64>,
    warm: Vec<f64>,
}

/// What a program reported.
struct Report {
    checksum: String,
    nanoseconds: Vec<f64>,
}

/// Times by side, then row.
type Results = BTreeMap<String, Vec<Times>>;

const NATIVE: &str = "";

pub(crate) fn main(mut args: Args) -> Result<ExitCode> {
    if args.help(HELP) {
        return Ok(ExitCode::SUCCESS);
    }
    let hosts = args.value("--host")?.unwrap_or_else(|| "native".into());
    let hosts: Vec<String> = hosts.split(',').map(str::to_string).collect();
    let only = args.value("--only")?;
    let only: Option<Vec<&str>> = only.as_ref().map(|names| names.split(',').collect());
    let is_wanted = |name: &str| only.as_ref().is_none_or(|only| only.iter().any(|part| name.contains(part)));
    let rounds = args.number("--rounds")?.unwrap_or(3).max(1);
    let bits = args.number("--bits")?.unwrap_or(32);
    let engine = args.value("--engine")?.unwrap_or_else(|| "interp".into());
    let out = args.value("--out")?.map_or_else(|| project::root().join("target/bench.json"), PathBuf::from);
    let mixed = args.number("--mixed")?;
    args.finish()?;
    if ![32, 64].contains(&bits) {
        return Err("--bits is 32 or 64".into());
    }
    setup::programs(&["gcc"])?;
    setup::gcc_for_i386()?;
    let image = image::build(&image::Recipe::preset("bench")?, false)?;
    let tree = image.with_extension("root");
    let tree = Some(tree.as_path()).filter(|tree| is_root() && tree.is_dir() && bits == 32);
    if tree.is_none() {
        eprintln!("no chroot to run the image's own programs in natively (that takes root): C programs only");
    }
    let folder = project::root().join(format!("target/bench/{bits}"));
    if let Some(minutes) = mixed {
        let tree = tree.ok_or("--mixed takes root, for the content of the image, and --bits 32")?;
        return mixed::main(minutes.max(1), (&hosts[0], &engine), &image, (&folder, tree));
    }
    let all = work::prepare(&folder, bits, tree, is_wanted)?;
    let mut results = Results::new();
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}");
        let expected = all.iter().map(|work| native(&work.native)).collect::<Result<Vec<_>>>()?;
        note(&mut results, NATIVE, &expected);
        for host in &hosts {
            let reports = match host.as_str() {
                "qemu" => qemu(&all, bits)?,
                _ => guest(&all, host, &engine, &image, &folder)?,
            };
            for ((work, report), expected) in all.iter().zip(&reports).zip(&expected) {
                if report.checksum != expected.checksum && !report.nanoseconds.is_empty() {
                    return Err(format!("{}: another result on {host} than natively", work.name).into());
                }
            }
            note(&mut results, host, &reports);
        }
    }
    print(&all, &hosts, &results);
    let report = json!({ "engine": engine, "bits": bits, "rounds": rounds, "rows": rows(&all, &hosts, &results),
        "integer_geometric_mean": hosts.iter().map(|host| (host.clone(), json!(mean(&all, host, &results)))).collect::<serde_json::Map<_, _>>() });
    std::fs::write(&out, format!("{report:#}\n")).context(|| out.display().to_string())?;
    eprintln!("{}", out.display());
    Ok(ExitCode::SUCCESS)
}

/// Runs a program that reports, natively.
fn native(words: &[String]) -> Result<Report> {
    let (program, arguments) = words.split_first().ok_or("no program")?;
    let text = captured(Command::new(program).args(arguments))?;
    parse(&text).ok_or_else(|| format!("{program} reported `{text}`").into())
}

fn qemu(all: &[Work], bits: u64) -> Result<Vec<Report>> {
    let name = if bits == 32 { "qemu-i386" } else { "qemu-x86_64" };
    let program = find_program(name).ok_or_else(|| format!("{name} is not installed"))?;
    let run = |work: &Work| {
        // Programs of the image change their root, where there is no emulator.
        if work.set == Set::Program {
            return Ok(Report { checksum: String::new(), nanoseconds: Vec::new() });
        }
        native(&[&[program.to_string_lossy().into_owned()], &*work.native].concat())
    };
    all.iter().map(run).collect()
}

/// A shell of the guest, which sees `folder` as `/bench`; its script follows.
fn shell(host: &str, engine: &str, image: &Path, folder: &Path, options: &[&OsStr]) -> Result<Command> {
    let mut command = crate::run::command(host, Some(engine))?;
    command.arg("--image").arg(image).args(options);
    command.args(["--mount", &format!("{}:/bench", folder.display()), "--", "/bin/bash", "-c"]);
    Ok(command)
}

/// Runs everything in one boot of a machine.
fn guest(all: &[Work], host: &str, engine: &str, image: &Path, folder: &Path) -> Result<Vec<Report>> {
    let mut command = shell(host, engine, image, folder, &[])?;
    let quoted = |word: &String| format!("'{}'", word.replace('\'', "'\\''"));
    let line = |work: &Work| work.guest.iter().map(quoted).collect::<Vec<_>>().join(" ");
    let script: Vec<_> = all.iter().map(|work| format!("{}; echo .", line(work))).collect();
    let text = captured(command.arg(script.join("\n")))?;
    let reports: Vec<_> = text.split(".\n").filter_map(parse).collect();
    if reports.len() == all.len() {
        Ok(reports)
    } else {
        Err(format!("`{host}` gave {} of {} reports:\n{text}", reports.len(), all.len()).into())
    }
}

fn captured(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context(|| show(command))?;
    if !output.status.success() {
        return Err(format!("`{}` failed ({})", show(command), output.status).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A checksum, then nanoseconds, a line each.
fn parse(text: &str) -> Option<Report> {
    let mut lines = text.lines();
    let checksum = lines.next()?.to_string();
    let nanoseconds = lines.map(str::parse).collect::<std::result::Result<Vec<f64>, _>>().ok()?;
    (nanoseconds.len() > 1).then_some(Report { checksum, nanoseconds })
}

fn note(results: &mut Results, side: &str, reports: &[Report]) {
    let times = results.entry(side.to_string()).or_insert_with(|| vec![Times::default(); reports.len()]);
    for (times, report) in times.iter_mut().zip(reports) {
        let milliseconds = |ns: &f64| ns / 1e6;
        times.first.extend(report.nanoseconds.iter().take(1).map(milliseconds));
        let warm = (report.nanoseconds.len() / 2).max(1);
        times.warm.extend(report.nanoseconds.iter().skip(warm).map(milliseconds));
    }
}

fn median(times: &[f64]) -> Option<f64> {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied()
}

/// Medians of a row on a side: first and warm.
fn of(results: &Results, side: &str, row: usize) -> Option<(f64, f64)> {
    let times = results.get(side)?.get(row)?;
    Some((median(&times.first)?, median(&times.warm)?))
}

/// Geometric mean of the warm ratios of the integer set.
fn mean(all: &[Work], host: &str, results: &Results) -> Option<f64> {
    let ratio = |row: usize| Some(of(results, host, row)?.1 / of(results, NATIVE, row)?.1);
    let integer = all.iter().enumerate().filter(|(_, work)| work.set == Set::Integer);
    let logs: Vec<f64> = integer.filter_map(|(row, _)| ratio(row)).map(f64::ln).collect();
    (!logs.is_empty()).then(|| (logs.iter().sum::<f64>() / logs.len() as f64).exp())
}

fn print(all: &[Work], hosts: &[String], results: &Results) {
    print!("| {:<14} | {:<27} | {:>9} |", "kind", "work", "native ms");
    for host in hosts {
        print!(" {:>16} | {:>10} |", format!("{host} first ms"), format!("warm ×"));
    }
    println!("\n|---|---|---|{}", "---|---|".repeat(hosts.len()));
    for (row, work) in all.iter().enumerate() {
        let Some((_, native)) = of(results, NATIVE, row) else { continue };
        print!("| {:<14} | {:<27} | {native:>9.2} |", work.set.name(), work.name);
        for host in hosts {
            match of(results, host, row) {
                Some((first, warm)) => print!(" {first:>16.1} | {:>10.1} |", warm / native),
                None => print!(" {:>16} | {:>10} |", "–", "–"),
            }
        }
        println!();
    }
    print!("| {:<14} | {:<27} | {:>9} |", "integer", "geometric mean", "");
    for host in hosts {
        let text = mean(all, host, results).map_or("–".into(), |mean| format!("{mean:.1}"));
        print!(" {:>16} | {text:>10} |", "");
    }
    println!();
}

fn rows(all: &[Work], hosts: &[String], results: &Results) -> Vec<Value> {
    let row = |(row, work): (usize, &Work)| {
        let (native_first, native) = of(results, NATIVE, row)?;
        let side = |host: &String| {
            let (first, warm) = of(results, host, row)?;
            Some((host.clone(), json!({ "first_ms": first, "warm_ms": warm, "ratio": warm / native })))
        };
        let guests: serde_json::Map<_, _> = hosts.iter().filter_map(side).collect();
        Some(json!({ "set": work.set.name(), "work": work.name, "native_first_ms": native_first,
            "native_ms": native, "hosts": guests }))
    };
    all.iter().enumerate().filter_map(row).collect()
}
