//! `xtask oracle`: the interpreter and the decoder against the real processor.

use crate::args::Args;
use crate::process::{Result, run};
use crate::project;
use std::process::{Command, ExitCode};

const HELP: &str = "usage: cargo xtask oracle [--cases N] [--mode 32|64] [--only NAME,NAME] [--record]
       cargo xtask oracle --sequences N [--seed S] [--mode 32|64]
       cargo xtask oracle --decode N [--seed S]
       cargo xtask oracle --digests
Runs every row of the instruction table on this processor and in the interpreter, N generated states a row and mode
(1000 unless told), and prints how many states and differences there were and what was left out. x86-64 Linux only.
--record     writes down what the processor did, in testkit/vectors.bin, which the tests replay on any machine
--sequences  runs N random sequences of instructions instead, valid and not, and compares how they end
--decode     gives the decoder N random inputs instead: no panic, no endless loop, no length above 15
--digests    replays the digests of the recorded states in the interpreter; any machine";

pub(crate) fn main(mut args: Args) -> Result<ExitCode> {
    if args.help(HELP) {
        return Ok(ExitCode::SUCCESS);
    }
    let cases = args.number("--cases")?;
    let mode = args.value("--mode")?;
    let only = args.value("--only")?;
    let sequences = args.number("--sequences")?;
    let decode = args.number("--decode")?;
    let seed = args.number("--seed")?.unwrap_or(1).to_string();
    let (record, digests) = (args.flag("--record"), args.flag("--digests"));
    args.finish()?;
    if let Some(other) = mode.as_deref().filter(|mode| !["32", "64"].contains(mode)) {
        return Err(format!("--mode is 32 or 64, not `{other}`").into());
    }
    let mut command = if let Some(inputs) = decode {
        let mut command = test("x86-decode", "random", "any_bytes");
        command.env("DECODE_INPUTS", inputs.to_string()).env("DECODE_SEED", seed);
        command
    } else if let Some(sequences) = sequences {
        let mut command = test("x86-interp", "sequences", "sequences_agree");
        command.env("SEQUENCES", sequences.to_string()).env("SEQUENCES_SEED", seed);
        command
    } else if digests {
        let mut command = test("x86-interp", "vectors", "");
        command.env("VECTORS_DIGESTS", "1");
        command
    } else {
        let mut command = test("x86-interp", "hardware", "");
        command.env("HARDWARE_CASES", cases.unwrap_or(1000).to_string());
        command.env("HARDWARE_ONLY", only.unwrap_or_default());
        if record {
            command.env("HARDWARE_RECORD", "1");
        }
        command
    };
    command.env("HARDWARE_MODE", mode.unwrap_or_default());
    run(&mut command)?;
    Ok(ExitCode::SUCCESS)
}

/// An optimised test that prints what it counted.
fn test(package: &str, name: &str, filter: &str) -> Command {
    let mut command = project::cargo();
    command.args(["test", "--quiet", "--release", "-p", package, "--test", name, "--", "--nocapture"]);
    if !filter.is_empty() {
        command.arg(filter);
    }
    command
}
