//! `xtask test`: every test, and one line that sums them.

use crate::args::Args;
use crate::process::{Context, Progress, Result, program, show};
use crate::{image, project, setup, web};
use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};

const HELP: &str = "usage: cargo xtask test
Runs the tests of every crate (the differential ones build a Debian image first), of the web package in Node, and end
to end in Chromium. The last line is `N passed, N failed`.";

/// The images that tests run on: suite, architecture and preset.
const IMAGES: [(&str, &str, &str); 5] = [
    ("bookworm", "i386", "tiny"),
    ("bookworm", "i386", "mini"),
    ("bookworm", "i386", "dev"),
    ("trixie", "i386", "dev"),
    ("bookworm", "amd64", "dev"),
];

/// Tests counted so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    passed: u64,
    failed: u64,
}

pub(crate) fn main(mut args: Args) -> Result<ExitCode> {
    if args.help(HELP) {
        return Ok(ExitCode::SUCCESS);
    }
    args.finish()?;
    setup::everything()?;
    everything()
}

/// Runs everything; set-up is the caller's.
pub(crate) fn everything() -> Result<ExitCode> {
    let clock = Progress::start();
    let mut total = Count::default();
    let mut times = Vec::new();
    let mut failures = Failures::default();
    let left_out = images()?;
    let mut phase = |name: &str, command: &mut Command, read: fn(&str) -> Count| -> Result {
        command.env("CX_LEFT_OUT", &left_out);
        clock.step(name);
        let before = clock.elapsed();
        let count = counted(command, read, &mut failures)?;
        total.passed += count.passed;
        total.failed += count.failed;
        times.push((name.to_string(), clock.elapsed() - before, count));
        Ok(())
    };
    // A crate that does not compile, or a test binary that dies, shows in the exit status: `counted` adds a failure.
    phase("crates", project::cargo().args(["test", "--workspace", "--no-fail-fast"]), cargo_line)?;
    if web::exists() {
        web::build_if_stale()?;
        let mut node = program("node");
        node.args(["--test", "--test-reporter=tap"]).current_dir(web::folder());
        node.args(node_tests()?);
        phase("web package, Node and Chromium", &mut node, tap_line)?;
        // Guests run natively above. There the disk answers at once: here every program waits for it, and others run.
        // Of the whole workspace, so that the crates are those that were built above.
        let mut acceptance = project::cargo();
        // So does the engine: natively it is the interpreter alone.
        acceptance
            .args(["test", "--workspace", "--test", "acceptance"])
            .env("CX_HOST", "node")
            .env("CX_ENGINE", "jit");
        phase("acceptance in Node, translated", &mut acceptance, cargo_line)?;
    }
    // Again, where somebody looks first: at the end.
    for line in &failures.lines {
        eprintln!("{line}");
    }
    for (name, time, count) in &times {
        eprintln!("{name}: {} s, {} passed, {} failed", time.as_secs(), count.passed, count.failed);
    }
    println!("{} passed, {} failed", total.passed, total.failed);
    Ok(if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Builds the images, one after the other and before any test wants them: tests run beside each other, and time things. Gives the names of those that
/// tests are to do without, separated by commas: of another Debian than the first, where its packages cannot be fetched.
fn images() -> Result<String> {
    let mut left_out = Vec::new();
    for (suite, arch, preset) in IMAGES {
        let mut recipe = image::Recipe::preset(preset)?;
        recipe.suite = suite.into();
        recipe.arch = arch.into();
        match image::build(&recipe, false) {
            // A mirror in the middle of an update, mostly.
            Err(failure) if suite != IMAGES[0].0 && failure.0.contains("Failed to fetch") => {
                eprintln!("{failure}\nits tests are left out: {}", recipe.name());
                left_out.push(recipe.name());
            }
            built => drop(built?),
        }
    }
    Ok(left_out.join(","))
}

fn node_tests() -> Result<Vec<String>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(web::folder().join("test"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".test.mjs") || name.ends_with(".test.js") {
            files.push(format!("test/{name}"));
        }
    }
    files.sort();
    Ok(files)
}

/// What failed tests printed: cargo shows it between `---- name stdout ----` and the list of names, node's TAP reporter
/// in an indented block after `not ok`.
#[derive(Debug, Default)]
struct Failures {
    lines: Vec<String>,
    inside: bool,
}

impl Failures {
    /// Lines kept in all: what a person would read.
    const ROOM: usize = 400;

    fn line(&mut self, line: &str) {
        let failed_here = line.starts_with("---- ") || line.trim_start().starts_with("not ok ");
        let past = line == "failures:" || line.trim_end() == "  ..." || line.starts_with("test result:");
        self.inside = failed_here || self.inside && !past;
        if self.inside && self.lines.len() < Failures::ROOM {
            self.lines.push(line.to_string());
        }
    }
}

/// Runs a test program, shows what it prints, and adds up what each line counts.
fn counted(command: &mut Command, read: fn(&str) -> Count, failures: &mut Failures) -> Result<Count> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context(|| show(command))?;
    let mut count = Count::default();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).split(b'\n') {
            let line = line?;
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            failures.line(&line);
            let more = read(&line);
            count.passed += more.passed;
            count.failed += more.failed;
        }
    }
    let status = child.wait()?;
    if !status.success() && count.failed == 0 {
        eprintln!("`{}` failed ({status}) without naming a test", show(command));
        count.failed = 1;
    }
    Ok(count)
}

/// `test result: ok. 3 passed; 0 failed; …`.
fn cargo_line(line: &str) -> Count {
    let Some(rest) = line.strip_prefix("test result:") else { return Count::default() };
    let number = |what: &str| {
        let at = rest.find(what)?;
        rest[..at].trim_end().rsplit(' ').next()?.parse().ok()
    };
    Count { passed: number("passed").unwrap_or(0), failed: number("failed;").unwrap_or(0) }
}

/// `# pass 3`, `# fail 0` at the end of node's TAP output.
fn tap_line(line: &str) -> Count {
    let number = |what: &str| line.strip_prefix(what).and_then(|rest| rest.trim().parse().ok()).unwrap_or(0);
    Count { passed: number("# pass "), failed: number("# fail ") + number("# cancelled ") }
}

#[cfg(test)]
mod tests {
    use super::{Count, Failures, cargo_line, tap_line};

    #[test]
    fn failures_are_kept() {
        let mut failures = Failures::default();
        let printed = "test a ... FAILED\n\nfailures:\n\n---- a stdout ----\nwhy\n\nfailures:\n    a\n\n\
                       ok 1 - b\nnot ok 2 - c\n  ---\n  error: why not\n  ...\nok 3 - d";
        printed.lines().for_each(|line| failures.line(line));
        assert_eq!(
            failures.lines,
            ["---- a stdout ----", "why", "", "not ok 2 - c", "  ---", "  error: why not"]
        );
    }

    #[test]
    fn results_are_read() {
        let line =
            "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s";
        assert_eq!(cargo_line(line), Count { passed: 12, failed: 3 });
        assert_eq!(cargo_line("test a ... ok"), Count::default());
        assert_eq!(tap_line("# pass 7"), Count { passed: 7, failed: 0 });
        assert_eq!(tap_line("# fail 2"), Count { passed: 0, failed: 2 });
        assert_eq!(tap_line("ok 1 - x"), Count::default());
    }
}
