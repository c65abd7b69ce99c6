//! What a real processor did, recorded: instructions that are translated must do the same, each as a region of its own.

mod support;

use guest_mem::AddressSpace;
use std::cell::RefCell;
use std::rc::Rc;
use support::{Bytes, Host, REGIONS, Translated, Wasm, setting};
use testkit::compare;
use testkit::guest::Guest;
use testkit::layout::{CODE, CODE_LEN, DATA, DATA_LEN};
use testkit::skips;
use testkit::state::fx;
use testkit::trials::{self, NoTrial, Trial, Trials};
use testkit::vectors::{self, DIGESTED, Reader};
use x86_cpu::{CpuState, Cpuid, ExecEngine, Level, RunOutcome, flags};
use x86_decode::{FeatureSet, Mode, ROWS, Row};
use x86_interp::{FEATURES, Interp};
use x86_jit_wasm::{Limits, Region, Targets};

/// A denormal operand is not reported where the result tells nothing (`mxcsr::PRECISE`).
const DE: u8 = 2;

/// What begins the next run, and instructions done by it in all runs.
#[derive(Default)]
struct Translations {
    wasm: Option<Wasm>,
    next: Option<Translated>,
    done: i64,
}

/// The translated instruction, then the interpreter for the rest: what the region has left, and the way out.
struct Both {
    translations: Rc<RefCell<Translations>>,
    interp: Interp,
}

impl ExecEngine for Both {
    fn run(&mut self, cpu: &mut CpuState, mem: &AddressSpace, budget: u64) -> RunOutcome {
        let translations = &mut *self.translations.borrow_mut();
        // Of other states, the engine lets no translation begin.
        let plain = cpu.rflags & (flags::TF | flags::AC | flags::DF) == 0;
        if let (Some(wasm), Some(function), true) = (&mut translations.wasm, translations.next.take(), plain)
        {
            let (mut code, mut data) = (vec![0; CODE_LEN], vec![0; DATA_LEN]);
            mem.read_bytes(CODE, &mut code).expect("readable");
            mem.read_bytes(DATA, &mut data).expect("readable");
            translations.done += wasm.run(&function, 0, cpu, &code, &mut data);
            mem.write_bytes(DATA, &data).expect("writable");
        }
        self.interp.run(cpu, mem, budget)
    }

    fn cpuid(&self) -> Cpuid {
        self.interp.cpuid()
    }

    fn seed(&mut self, entropy: &[u8; 32]) {
        self.interp.seed(entropy);
    }
}

/// The recorded trials of a row, and what came of them.
fn trials_of(row: &'static Row, mode: Mode, count: usize) -> Vec<Trial> {
    let mut trials = Trials::new(row, mode);
    (0..DIGESTED)
        .map(move |_| trials.draw())
        .take_while(|trial| !matches!(trial, Err(NoTrial::Unencodable)))
        .filter_map(Result::ok)
        .take(count)
        .collect()
}

/// The instruction of a trial alone.
fn region(trial: &Trial, mode: Mode) -> Region {
    let mut bytes = trial.case.bytes.clone();
    // An instruction that is not translated.
    bytes.resize(CODE_LEN, 0xcc);
    Region::discover(
        &Bytes(&bytes, Targets::default()),
        CODE,
        setting(mode),
        FeatureSet::ALL,
        Limits::default(),
    )
}

#[test]
fn translated_rows_do_what_was_recorded() {
    let file = vectors::committed().expect("the vectors can be read");
    let host = Host::new();
    let translations = Rc::new(RefCell::new(Translations::default()));
    let interp = Interp::with(Cpuid::of(Level::Full), 1 << 16);
    let mut guest = Guest::new(Both { translations: translations.clone(), interp });
    let (mut run, mut rows, mut failures) = (0, 0, Vec::new());
    let wanted = |row: &&Row| FEATURES.contains(row.features()) && skips::reason(row).is_none();
    for (row, mode) in
        ROWS.iter().filter(wanted).flat_map(|row| [Mode::Bits32, Mode::Bits64].map(|mode| (row, mode)))
    {
        let Some(record) = file.records.get(&(trials::key(row), vectors::mode_bits(mode))) else { continue };
        let trials = trials_of(row, mode, usize::from(record.count).min(REGIONS));
        let regions: Vec<Region> = trials.iter().map(|trial| region(trial, mode)).collect();
        if regions.iter().all(Region::is_empty) {
            continue;
        }
        rows += 1;
        translations.borrow_mut().wasm = Some(Wasm::with(&host, &regions));
        let mut reader = Reader(&record.outcomes);
        for (number, trial) in (0..).zip(&trials) {
            let expected = reader.outcome(trial).expect("as `cargo xtask oracle --record` wrote it");
            if regions[number as usize].is_empty() {
                continue;
            }
            run += 1;
            {
                let mut translations = translations.borrow_mut();
                let function = translations.wasm.as_mut().map(|wasm| wasm.function(number));
                translations.next = function;
            }
            let mut got = guest.run(&trial.case.bytes, mode, &trial.state, &trial.data);
            got.outcome.state.fx[fx::MXCSR] |= expected.outcome.state.fx[fx::MXCSR] & DE;
            let differences = skips::differences(row, trial, mode, &expected, &got);
            if !differences.is_empty() {
                failures.push(compare::report(trial, mode, &differences));
            }
        }
    }
    let done = translations.borrow().done;
    println!("{run} states of {rows} rows, {done} translated instructions done");
    failures.iter().take(20).for_each(|failure| println!("{failure}"));
    assert!(failures.is_empty(), "{} failures", failures.len());
    assert!(rows > 500 && done > 10_000, "{rows} rows, {done} done");
}
