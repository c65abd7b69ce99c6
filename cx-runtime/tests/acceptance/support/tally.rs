//! Runs cases on both sides, counts what differs, and tells it at the end.
//!
//! Scripts that start several processes race with themselves, natively too: on a loaded machine `sleep 0.1` and what it
//! was to wait for come in either order. So a case that differs runs once more on both sides and counts when it differs
//! again. A file may have [`SECOND_RUNS`] of those; more are a fault of ours and fail it.

use super::native;
use super::outcome::Outcome;
use super::{Job, engine, verbose};

/// How many cases of one file may need their second run.
const SECOND_RUNS: usize = 2;

#[derive(Debug)]
pub(crate) struct Tally {
    file: String,
    cases: usize,
    again: usize,
    failed: usize,
    failures: String,
}

impl Tally {
    pub(crate) fn new(file: &str) -> Tally {
        Tally { file: file.to_string(), cases: 0, again: 0, failed: 0, failures: String::new() }
    }

    /// One case; `judge` gets the native outcome and ours and says what is wrong, if anything.
    pub(crate) fn case(
        &mut self,
        name: &str,
        job: &Job,
        judge: impl Fn(&Outcome, &Outcome) -> Option<String>,
    ) {
        self.cases += 1;
        let run = || {
            let native = native::run(job);
            let engine = engine::run(job);
            if verbose() {
                eprintln!("### {name}\nnative: {}engine: {}", native.show(), engine.show());
            }
            judge(&native, &engine)
        };
        let Some(first) = run() else { return };
        if self.again < SECOND_RUNS {
            self.again += 1;
            eprintln!("### {name} differs and runs once more:\n{first}");
            if run().is_none() {
                return;
            }
        }
        self.failed += 1;
        self.failures.push_str(&format!("### {name}\n{first}"));
    }

    /// Fails with all that differ.
    pub(crate) fn finish(self) {
        let Tally { file, cases, failed, failures, .. } = self;
        assert!(failed == 0, "{failed} of {cases} cases of {file} differ:\n{failures}");
    }
}
