//! A program natively and in the interpreter, instruction by instruction, up to the first difference.
//!
//! `cargo run --release -p x86-interp --example lockstep -- [--root DIR] [--cpu LEVEL] [--limit N] PROGRAM ARGUMENTS…`

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn main() -> std::process::ExitCode {
    use std::process::{Command, ExitCode};
    use testkit::lockstep::{Lockstep, Verdict};
    use x86_cpu::Level;
    use x86_interp::Interp;

    let mut words = std::env::args().skip(1).peekable();
    let mut level = Level::default();
    let mut limit = u64::MAX;
    let mut root = None;
    while let Some(option) = words.next_if(|word| word.starts_with("--")) {
        let value = words.next().unwrap_or_default();
        match option.as_str() {
            "--cpu" => level = Level::named(&value).unwrap_or_else(|| panic!("there is no level `{value}`")),
            "--root" => root = Some(std::path::PathBuf::from(value)),
            "--limit" => limit = value.parse().expect("--limit takes a number"),
            other => panic!("unknown option {other}"),
        }
    }
    let program = words.next().expect("a program is missing");
    let mut command = Command::new(&program);
    command.args(words);
    let mut both = match Lockstep::start(&mut command, root.as_deref(), Interp::of(level)) {
        Ok(both) => both,
        Err(error) => {
            eprintln!("lockstep: {program}: {error}");
            return ExitCode::from(125);
        }
    };
    let verdict = both.run(limit);
    let counts = both.counts();
    eprintln!(
        "lockstep: {} instructions, {} system calls, {} signals, {} results taken from the processor",
        counts.instructions, counts.calls, counts.signals, counts.adopted
    );
    match verdict {
        Ok(Verdict::Differs(difference)) => {
            eprintln!("lockstep: they differ\n{difference}");
            ExitCode::FAILURE
        }
        Ok(verdict) => {
            eprintln!("lockstep: no difference ({verdict:?})");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("lockstep: {error}");
            ExitCode::from(125)
        }
    }
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
fn main() {
    eprintln!("lockstep: this needs the processor: x86-64 Linux");
}
