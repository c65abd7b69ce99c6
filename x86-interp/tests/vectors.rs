//! What a real processor did, recorded: the interpreter must do the same wherever it runs, whatever runs it.
//!
//! `VECTORS_DIGESTS=1` compares the digests too, of fifty times as many states (a few minutes unoptimised).

use testkit::compare;
use testkit::guest::Guest;
use testkit::skips;
use testkit::trials::{self, NoTrial, Trials};
use testkit::vectors::{self, BLOCK, DIGESTED, Digest, Reader, Record};
use x86_cpu::{Cpuid, Level, Vector};
use x86_decode::{DecodeError, Mode, ROWS, Row, decode_for};
use x86_interp::{FEATURES, Interp, features};

const MODES: [Mode; 2] = [Mode::Bits32, Mode::Bits64];
const HOW_TO: &str = "`cargo xtask oracle --record` on an x86-64 machine records anew";

fn rows() -> impl Iterator<Item = &'static Row> {
    ROWS.iter().filter(|row| FEATURES.contains(row.features()) && skips::reason(row).is_none())
}

/// Trials that are run, at most so many.
fn trials_of(row: &'static Row, mode: Mode, count: usize) -> impl Iterator<Item = trials::Trial> {
    let mut trials = Trials::new(row, mode);
    // A row of which every trial is skipped ends as the recording did.
    (0..DIGESTED)
        .map(move |_| trials.draw())
        .take_while(|trial| !matches!(trial, Err(NoTrial::Unencodable)))
        .filter_map(Result::ok)
        .take(count)
}

struct Replay {
    guest: Guest<Interp>,
    failures: Vec<String>,
    run: usize,
}

impl Replay {
    fn new(level: Level) -> Replay {
        let interp = Interp::with(Cpuid::of(level), 1 << 16);
        Replay { guest: Guest::new(interp), failures: Vec::new(), run: 0 }
    }

    fn row(&mut self, row: &'static Row, mode: Mode, record: &Record, count: usize) {
        let mut reader = Reader(&record.outcomes);
        let mut inputs = Digest::default();
        for trial in trials_of(row, mode, count.min(record.count.into())) {
            inputs.add_trial(&trial);
            let expected = match reader.outcome(&trial) {
                Ok(expected) => expected,
                Err(why) => {
                    return self.failures.push(format!("{} {mode:?}: {why}; {HOW_TO}", row.op.name()));
                }
            };
            self.run += 1;
            let got = self.guest.run(&trial.case.bytes, mode, &trial.state, &trial.data);
            let differences = skips::differences(row, &trial, mode, &expected, &got);
            if !differences.is_empty() {
                self.failures.push(compare::report(&trial, mode, &differences));
            }
        }
        if count >= record.count.into() && inputs.value() != record.inputs {
            let name = row.op.name();
            self.failures.push(format!("{name} {mode:?}: the generator of trials has changed; {HOW_TO}"));
        }
    }

    fn finish(self, what: &str) {
        println!("{what}: {} states", self.run);
        for failure in self.failures.iter().take(20) {
            println!("{failure}");
        }
        assert!(self.failures.is_empty(), "{what}: {} failures", self.failures.len());
    }
}

#[test]
fn every_row_does_what_was_recorded() {
    let file = vectors::committed().expect("the vectors can be read");
    let mut replay = Replay::new(Level::Full);
    for row in rows() {
        for mode in MODES {
            match file.records.get(&(trials::key(row), vectors::mode_bits(mode))) {
                Some(record) => replay.row(row, mode, record, usize::MAX),
                None if trials_of(row, mode, 1).next().is_none() => {}
                None => replay.failures.push(format!("{} {mode:?} has no vectors; {HOW_TO}", row.op.name())),
            }
        }
    }
    assert!(replay.run > 50_000);
    replay.finish("vectors");
}

/// A processor model that lacks an instruction raises #UD, or runs what the bytes meant before; what it has, it does alike.
#[test]
fn every_level_does_its_part() {
    const EACH: usize = 3;
    let file = vectors::committed().expect("the vectors can be read");
    for level in Level::ALL {
        let mut replay = Replay::new(level);
        let here = features(&Cpuid::of(level));
        for (row, mode) in rows().flat_map(|row| MODES.map(|mode| (row, mode))) {
            let Some(record) = file.records.get(&(trials::key(row), vectors::mode_bits(mode))) else {
                continue;
            };
            if skips::depends_on_model(row.op) && level != Level::Full {
                continue;
            }
            if here.contains(row.features()) {
                replay.row(row, mode, record, EACH);
                continue;
            }
            for trial in trials_of(row, mode, EACH) {
                replay.run += 1;
                match decode_for(&trial.case.bytes, mode, here) {
                    Err(DecodeError::Truncated | DecodeError::Invalid) => {}
                    _ => continue,
                }
                let got = replay.guest.run(&trial.case.bytes, mode, &trial.state, &trial.data);
                if got.outcome.trap.is_none_or(|trap| trap.vector != Vector::InvalidOpcode as u64) {
                    replay.failures.push(format!("{level:?} runs {} {mode:?}", trial.case.insn));
                }
            }
        }
        replay.finish(&format!("{level:?}"));
    }
}

/// Every state that was digested, which takes its time.
#[test]
fn digests_agree() {
    if std::env::var_os("VECTORS_DIGESTS").is_none() {
        return;
    }
    let file = vectors::committed().expect("the vectors can be read");
    let mut replay = Replay::new(Level::Full);
    for (row, mode) in rows().flat_map(|row| MODES.map(|mode| (row, mode))) {
        let Some(record) = file.records.get(&(trials::key(row), vectors::mode_bits(mode))) else { continue };
        let mut block = Digest::default();
        let trials = trials_of(row, mode, record.digests.len() * BLOCK);
        for (n, trial) in trials.enumerate() {
            replay.run += 1;
            let got = replay.guest.run(&trial.case.bytes, mode, &trial.state, &trial.data);
            let got = skips::canonical(row, &trial, mode, &got);
            block.add(&vectors::encode(&trial, &got));
            if (n + 1) % BLOCK == 0 {
                if record.digests[n / BLOCK] != block.value() {
                    let name = row.op.name();
                    replay.failures.push(format!("{name} {mode:?}: states {}..={n} differ", n + 1 - BLOCK));
                }
                block = Digest::default();
            }
        }
    }
    replay.finish("digests");
}
