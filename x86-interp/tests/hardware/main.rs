//! The real processor as the oracle: every row of the decoder's table, with random operands and states, runs on the
//! host and in the interpreter, and everything that the manual defines must agree.
//!
//! `HARDWARE_ONLY=add,fsin` restricts it to some mnemonics, `HARDWARE_MODE=32` to a mode, `HARDWARE_CASES=n` sets the states
//! per row and mode, `HARDWARE_RECORD=1` writes down what the processor did. `cargo xtask oracle` sets them.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::collections::BTreeMap;
use testkit::compare;
use testkit::forms;
use testkit::guest::Guest;
use testkit::host::{self, Host};
use testkit::layout::TARGET_GAP;
use testkit::outcome::Ran;
use testkit::rng::Rng;
use testkit::skips;
use testkit::trials::{self, NoTrial, Trial, Trials};
use testkit::vectors::{self, DIGESTED, Recorder};
use x86_cpu::{Cpuid, Level};
use x86_decode::{Mode, Op, ROWS, Row};
use x86_interp::{FEATURES, Interp, features};

const DEFAULT_CASES: u64 = 150;
/// Mismatches shown per row.
const SHOWN: usize = 2;

/// What is asked for.
struct Options {
    only: String,
    modes: Vec<Mode>,
    cases: u64,
    record: bool,
}

impl Options {
    fn read() -> Options {
        let text = |name: &str| std::env::var(name).unwrap_or_default();
        let modes = match text("HARDWARE_MODE").as_str() {
            "32" => vec![Mode::Bits32],
            "64" => vec![Mode::Bits64],
            _ => vec![Mode::Bits64, Mode::Bits32],
        };
        let record = !text("HARDWARE_RECORD").is_empty();
        let cases = text("HARDWARE_CASES").parse().unwrap_or(DEFAULT_CASES);
        let cases = if record { DIGESTED as u64 } else { cases };
        Options { only: text("HARDWARE_ONLY"), modes, cases, record }
    }

    fn wants(&self, row: &Row) -> bool {
        self.only.is_empty() || self.only.split(',').any(|name| name == row.op.name())
    }
}

/// The two sides.
struct Bench {
    host: Host,
    guest: Guest<Interp>,
    run: u64,
}

impl Bench {
    fn new() -> Bench {
        let interp = Interp::with(Cpuid::of(Level::Full), 1 << 16);
        Bench { host: Host::new(), guest: Guest::new(interp), run: 0 }
    }

    /// Runs a trial on both; gives what counts of the host's outcome, and the differences.
    fn compare(&mut self, row: &Row, trial: &Trial, mode: Mode) -> (Ran, Vec<String>) {
        self.run += 1;
        let expected = self.host.ran(&trial.case.bytes, mode, &trial.state, &trial.data);
        let got = self.guest.run(&trial.case.bytes, mode, &trial.state, &trial.data);
        let differences = skips::differences(row, trial, mode, &expected, &got);
        (skips::canonical(row, trial, mode, &expected), differences)
    }
}

#[test]
fn every_row_agrees_with_this_processor() {
    let options = Options::read();
    assert!(!options.record || host::is_intel(), "vectors are those of Intel's processors");
    let mut bench = Bench::new();
    let host_features = features(&host::model());
    let mut file = vectors::committed().unwrap_or_default();
    let (mut covered, mut unencodable) = (0, 0);
    let mut left_out: BTreeMap<&str, usize> = BTreeMap::new();
    let mut failures: BTreeMap<String, usize> = BTreeMap::new();
    let known = || ROWS.iter().filter(|row| FEATURES.contains(row.features()));
    for row in known().filter(|row| options.wants(row)) {
        let lacks = !host_features.contains(row.features());
        let otherwise = !host::is_intel() && skips::is_otherwise(row.op);
        let reason = skips::reason(row).or(otherwise.then_some(skips::OTHERWISE));
        if let Some(reason) = reason.or(lacks.then_some("this processor lacks it")) {
            *left_out.entry(reason).or_insert(0) += 1;
            continue;
        }
        covered += 1;
        for mode in options.modes.iter().copied() {
            let mut trials = Trials::new(row, mode);
            let mut recorder = options.record.then(|| Recorder::new(skips::exactness(row)));
            let mut bad = 0;
            for _ in 0..options.cases {
                let trial = match trials.draw() {
                    Ok(trial) => trial,
                    Err(NoTrial::Skipped) => continue,
                    Err(NoTrial::Unencodable) => {
                        unencodable += 1;
                        break;
                    }
                };
                let (expected, differences) = bench.compare(row, &trial, mode);
                if let Some(recorder) = &mut recorder {
                    recorder.add(&trial, &expected);
                }
                if !differences.is_empty() {
                    bad += 1;
                    if bad <= SHOWN {
                        println!("{}", compare::report(&trial, mode, &differences));
                    }
                }
            }
            if bad > 0 {
                failures.insert(format!("{:?} {:02x} {mode:?} #{}", row.op, row.opcode, row.id), bad);
            }
            if let Some(recorder) = recorder {
                file.records.insert((trials::key(row), vectors::mode_bits(mode)), recorder.finish());
            }
        }
    }
    println!("{} states of {covered} rows, {} differences", bench.run, failures.values().sum::<usize>());
    println!("rows that cannot be encoded in a mode: {unencodable}");
    println!("rows left out: {left_out:#?}");
    if options.record {
        if options.only.is_empty() {
            // Rows that are no more, and those of before that now have a reason not to be run.
            let keys: Vec<u32> =
                known().filter(|row| skips::reason(row).is_none()).map(trials::key).collect();
            file.records.retain(|(key, _), record| record.count > 0 && keys.contains(key));
        }
        let bytes = file.format();
        std::fs::write(vectors::PATH, &bytes).expect("the file of vectors can be written");
        println!("{}: {} records, {} bytes", vectors::PATH, file.records.len(), bytes.len());
    }
    assert!(failures.is_empty(), "{} rows disagree: {failures:#?}", failures.len());
}

/// EFLAGS.AC.
const ALIGNMENT_CHECK: u64 = 1 << 18;

/// The same states with alignment checks on: what is checked to which size, and in which order with other faults.
#[test]
fn alignment_checks_agree_with_this_processor() {
    let options = Options::read();
    let mut bench = Bench::new();
    if !host::is_intel() {
        println!("skipped: {}", skips::OTHERWISE);
        return;
    }
    let host_features = features(&host::model());
    let mut failures: BTreeMap<String, usize> = BTreeMap::new();
    let usable = |row: &&Row| {
        host_features.contains(row.features())
            && FEATURES.contains(row.features())
            && skips::reason(row).is_none()
    };
    for row in ROWS.iter().filter(usable).filter(|row| options.wants(row)) {
        for mode in options.modes.iter().copied() {
            let mut trials = Trials::new(row, mode);
            for _ in 0..options.cases {
                let mut trial = match trials.draw() {
                    Ok(trial) => trial,
                    Err(NoTrial::Skipped) => continue,
                    Err(NoTrial::Unencodable) => break,
                };
                trial.state.rflags |= ALIGNMENT_CHECK;
                let (_, differences) = bench.compare(row, &trial, mode);
                if !differences.is_empty() {
                    let bad = failures.entry(format!("{:?} {:02x} {mode:?} #{}", row.op, row.opcode, row.id));
                    let bad = bad.or_insert(0);
                    *bad += 1;
                    if *bad <= SHOWN {
                        println!("{}", compare::report(&trial, mode, &differences));
                    }
                }
            }
        }
    }
    println!("{} states with AC, {} differences", bench.run, failures.values().sum::<usize>());
    assert!(failures.is_empty(), "{} rows disagree: {failures:#?}", failures.len());
}

/// An arithmetic instruction and a conditional jump behind it: the interpreter runs the common ones as one operation.
#[test]
fn pairs_with_jumps_agree_with_this_processor() {
    const FIRST: [Op; 11] =
        [Op::Cmp, Op::Test, Op::Sub, Op::Add, Op::And, Op::Or, Op::Xor, Op::Inc, Op::Dec, Op::Neg, Op::Adc];
    let mut bench = Bench::new();
    let mut rng = Rng::new(7);
    let mut bad = 0;
    for row in ROWS.iter().filter(|row| FIRST.contains(&row.op)) {
        for mode in [Mode::Bits64, Mode::Bits32] {
            for n in 0..16 * 20 {
                let Some(mut case) = forms::build(&mut rng, row, mode) else { break };
                let (state, data) = trials::prepare(&mut rng, row, &case, mode);
                case.bytes.extend([0x70 | n as u8 & 15, TARGET_GAP as u8]);
                let trial = Trial { case, state, data };
                let (_, differences) = bench.compare(row, &trial, mode);
                if !differences.is_empty() {
                    bad += 1;
                    println!("and jcc {}: {}", n & 15, compare::report(&trial, mode, &differences));
                }
            }
        }
    }
    println!("{} pairs", bench.run);
    assert_eq!(bad, 0);
}
