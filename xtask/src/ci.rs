//! `xtask ci`: the whole truth about a commit.

use crate::args::Args;
use crate::process::{Progress, Result, run};
use crate::{project, setup, test, tidy, web};
use std::process::ExitCode;

const HELP: &str = "usage: cargo xtask ci
Formatting, lints, house rules, documentation, the wasm build, and every test.";

pub(crate) fn main(mut args: Args) -> Result<ExitCode> {
    if args.help(HELP) {
        return Ok(ExitCode::SUCCESS);
    }
    args.finish()?;
    let clock = Progress::start();
    let mut failed = Vec::new();
    let mut phase = |name: &'static str, work: &mut dyn FnMut() -> Result| {
        clock.step(name);
        if let Err(failure) = work() {
            eprintln!("xtask ci: {name}: {failure}");
            failed.push(name);
        }
    };
    phase("setup", &mut setup::everything);
    phase("formatting", &mut || run(project::cargo().args(["fmt", "--all", "--check"])));
    phase("lints", &mut || {
        let clippy = ["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"];
        run(project::cargo().args(clippy))
    });
    phase("tidy", &mut tidy::check);
    phase("documentation", &mut || {
        let doc = ["doc", "--workspace", "--no-deps", "--quiet"];
        run(project::cargo().env("RUSTDOCFLAGS", "-D warnings").args(doc))
    });
    // The crates that people take one at a time run in a page too.
    phase("examples for wasm", &mut || {
        let mut build = project::cargo();
        build.args(["build", "--quiet", "--target", "wasm32-unknown-unknown", "--examples"]);
        for name in ["x86-decode", "x86-cpu", "guest-mem", "x86-interp"] {
            build.args(["--package", name]);
        }
        run(&mut build)
    });
    if web::exists() {
        phase("web bundle", &mut web::build);
    }
    let mut tests = ExitCode::SUCCESS;
    phase("tests", &mut || {
        tests = test::everything()?;
        Ok(())
    });
    clock.step("end");
    if !failed.is_empty() {
        return Err(format!("failed: {}", failed.join(", ")).into());
    }
    Ok(tests)
}
