//! Instructions that leave together: as before the first of them.
//!
//! Most floating-point results are operands of others, and tell there too whether they were finite. So from the first
//! arithmetic on, registers change together behind a number of instructions, ahead of the next store at the latest, once what
//! has not been told by then has been checked with one test. Loads and checks in between leave as before the first
//! instruction; what has been done since is done again by the interpreter.

use super::Lifter;
use super::sse::Format;
use crate::ir::{Step, Value, Wasm};
use alloc::vec::Vec;

/// Whether all lanes of a vector count, or the value is one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    Scalar,
    Packed,
}

/// What has not been checked, and has not been changed.
pub(super) struct Batch {
    /// The first instruction, a number in [`crate::ir::Body::origins`].
    pub(super) origin: usize,
    /// Results that have to be finite.
    results: Vec<(Value, Count, Format)>,
    /// Changes of registers.
    changes: Vec<Step>,
}

impl Lifter {
    /// The running instruction and those behind it, up to the next store, leave together.
    pub(super) fn begin_batch(&mut self) {
        if self.batch.is_none() {
            let origin = self.origin();
            self.batch = Some(Batch { origin, results: Vec::new(), changes: Vec::new() });
        }
    }

    /// A result has to be finite, and if it is, so were the operands named.
    pub(super) fn finite(&mut self, r: Value, told: &[Value], count: Count, format: Format) {
        self.told(told, format);
        if let Some(batch) = &mut self.batch {
            batch.results.push((r, count, format));
        }
    }

    /// Values are finite as numbers of a format, as another check tells.
    pub(super) fn told(&mut self, values: &[Value], format: Format) {
        self.begin_batch();
        if let Some(batch) = &mut self.batch {
            batch.results.retain(|(value, _, other)| *other != format || !values.contains(value));
        }
    }

    /// Changes a register, now or with the others.
    pub(super) fn change_register(&mut self, step: Step) {
        let Some(batch) = &mut self.batch else {
            self.body.steps.push(step);
            return;
        };
        let same = |other: &Step| match (*other, step) {
            (Step::SetReg(a, _), Step::SetReg(b, _)) | (Step::SetXmm(a, _), Step::SetXmm(b, _)) => a == b,
            _ => false,
        };
        batch.changes.retain(|other| !same(other));
        batch.changes.push(step);
    }

    /// Checks and changes what has been put off. What comes behind leaves by itself.
    pub(super) fn end_batch(&mut self) {
        let Some(Batch { origin, results, changes }) = self.batch.take() else { return };
        let kinds = [
            (Count::Scalar, Format::Single, Wasm::F32Add),
            (Count::Scalar, Format::Double, Wasm::F64Add),
            (Count::Packed, Format::Single, Wasm::F32x4Add),
            (Count::Packed, Format::Double, Wasm::F64x2Add),
        ];
        for (count, format, add) in kinds {
            // A sum is finite only if all terms are; that it may overflow of itself does no harm.
            let terms = results.iter().filter(|(_, c, f)| (*c, *f) == (count, format));
            let sum = terms.map(|(value, ..)| *value).reduce(|a, b| self.body.wasm2(add, a, b));
            if let Some(sum) = sum {
                let condition = match count {
                    Count::Scalar => self.not_finite(sum, format),
                    Count::Packed => self.lanes_not_finite(sum, format),
                };
                self.body.steps.push(Step::Guard { condition, origin });
            }
        }
        self.body.steps.extend(changes);
        self.write_unit();
        self.origin = None;
    }
}
