//! Development tasks: `cargo xtask help` lists them.
//!
//! Each task is a module with a `main` that takes its arguments. They share [`args`] (options), [`process`] (running
//! other programs), [`project`] (where things are) and [`setup`] (what must be installed, and how).
#![forbid(unsafe_code)]

mod args;
mod bench;
mod ci;
mod demo;
mod image;
mod lockstep;
mod oracle;
mod process;
mod project;
mod run;
mod serve;
mod setup;
mod test;
mod tidy;
mod web;

use args::Args;
use process::Result;
use std::process::ExitCode;

/// A task: name, one line of help, entry point.
type Task = (&'static str, &'static str, fn(Args) -> Result<ExitCode>);

const TASKS: &[Task] = &[
    (
        "demo",
        "build a small Debian image and the page, and serve them  [--port N] [--preset P] [--image FILE]",
        demo::main,
    ),
    (
        "run",
        "run a guest program  [--host native|node|chromium|firefox] [--image F] … -- PROG ARGS",
        run::main,
    ),
    (
        "image",
        "build an ext2 image from Debian packages, a directory or a tar  [--preset P] [--suite S] …",
        image::main,
    ),
    ("serve", "serve a directory over HTTP with ranges  [--port N] DIR [NAME=FILE]…", serve::main),
    ("test", "every test: cargo, node, end to end in a browser", test::main),
    (
        "bench",
        "time guest programs against native runs  [--host A,B] [--only NAME] [--rounds N]",
        bench::main,
    ),
    (
        "oracle",
        "every instruction against this processor  [--cases N] [--record] [--sequences N] [--decode N] …",
        oracle::main,
    ),
    (
        "lockstep",
        "a program natively and in the interpreter, instruction by instruction  [--root DIR] [--limit N] -- PROG …",
        lockstep::main,
    ),
    ("tidy", "check layers, sizes and house rules", tidy::main),
    ("ci", "what CI runs: fmt, clippy, tidy, wasm build, tests", ci::main),
    ("setup", "install everything the other tasks need", setup::main),
];

fn help() {
    println!("usage: cargo xtask TASK [OPTIONS]\n");
    for (name, what, _) in TASKS {
        println!("  {name:<8} {what}");
    }
    println!("\n`cargo xtask TASK --help` tells more. Each task installs what it lacks where it can.");
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "help".to_string());
    if matches!(name.as_str(), "help" | "--help" | "-h") {
        help();
        return ExitCode::SUCCESS;
    }
    let Some((_, _, task)) = TASKS.iter().find(|(known, _, _)| *known == name) else {
        eprintln!("xtask: there is no task `{name}`");
        help();
        return ExitCode::from(2);
    };
    match task(Args::new(arguments.collect())) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("xtask {name}: {failure}");
            ExitCode::FAILURE
        }
    }
}
