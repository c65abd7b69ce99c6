//! How far a block has been emitted, and what of it is still wanted.

use super::group::Grouped;
use super::state::SLOTS;
use crate::ir::{Body, Exit, Step, Value};
use alloc::vec;
use alloc::vec::Vec;

/// What of a body has been emitted.
pub(super) struct Progress<'a> {
    pub(super) body: &'a Body,
    /// Where a value is, if it has been computed.
    pub(super) place: Vec<Option<u32>>,
    /// How often steps and other values want it.
    pub(super) uses: Vec<u32>,
    /// The last step that may want it.
    pub(super) last: Vec<usize>,
    /// Operations it takes to compute it from what is there before the block.
    pub(super) size: Vec<u32>,
    /// What has been computed on the arm in the making, and has a place there alone.
    pub(super) on_arm: Vec<Value>,
    /// The value in each register.
    pub(super) in_reg: [Option<Value>; SLOTS],
    /// Address in linear memory of what has been loaded and will be stored back.
    pub(super) hosts: Vec<(Value, u32, u64)>,
    /// Accesses that are checked together, and which of them each step is in.
    pub(super) grouped: &'a Grouped,
    /// Of each of them, a local with the address in linear memory of its area, once that has been checked in this block.
    pub(super) checked: Vec<Option<u32>>,
}

/// The size of each value, as if nothing were computed once for all who want it. Values come behind what they come from.
fn sizes(body: &Body) -> Vec<u32> {
    let mut sizes: Vec<u32> = Vec::with_capacity(body.values.len());
    for number in 0..body.values.len() {
        let operands = body.operands(Value::at(number));
        let size = operands.fold(1_u32, |size, operand| size.saturating_add(sizes[operand.index()]));
        sizes.push(size);
    }
    sizes
}

impl<'a> Progress<'a> {
    pub(super) fn of(body: &'a Body, grouped: &'a Grouped) -> Progress<'a> {
        let count = body.values.len();
        let mut progress = Progress {
            body,
            place: vec![None; count],
            uses: vec![0; count],
            last: vec![0; count],
            size: sizes(body),
            on_arm: Vec::new(),
            in_reg: [None; SLOTS],
            hosts: Vec::new(),
            grouped,
            checked: vec![None; grouped.groups.len()],
        };
        for (number, step) in body.steps.iter().enumerate() {
            match *step {
                Step::Load { addr, origin, .. } | Step::LoadToChange { addr, origin, .. } => {
                    progress.want_address(addr, number);
                    progress.want_flags(origin, number);
                }
                Step::Store { addr, value, origin, .. } => {
                    progress.want_address(addr, number);
                    progress.want(value, number);
                    progress.want_flags(origin, number);
                }
                Step::GuardBoth { first, second, origin } => {
                    progress.want(first, number);
                    progress.need(second, number);
                    progress.want_flags(origin, number);
                }
                Step::Back { value, .. } | Step::Spend(value) => progress.want(value, number),
                Step::LoadState { addr, .. } => progress.want(addr, number),
                Step::Compute { operands, .. } => {
                    for (sig, se) in operands {
                        progress.want(sig, number);
                        progress.want(se, number);
                    }
                }
                Step::Scan { addr, most, what, .. } => {
                    [addr, most, what].into_iter().for_each(|value| progress.want(value, number));
                }
                Step::StoreState { addr, value, .. } => {
                    progress.want(addr, number);
                    progress.want(value, number);
                }
                Step::Copy { to, from: other, bytes, origin }
                | Step::Fill { to, byte: other, bytes, origin } => {
                    for value in [to, other, bytes] {
                        progress.want(value, number);
                    }
                    progress.want_flags(origin, number);
                }
                Step::Canonical { addr, origin }
                | Step::Aligned { addr, origin }
                | Step::Guard { condition: addr, origin } => {
                    progress.want(addr, number);
                    progress.want_flags(origin, number);
                }
                Step::SetReg(_, value) | Step::SetXmm(_, value) => progress.want(value, number),
                Step::SetFlags(values) => {
                    for (_, value) in values.parts() {
                        progress.want(value, number);
                    }
                }
            }
        }
        match body.exit {
            Exit::If(value) | Exit::Indirect(value) | Exit::Call(value) | Exit::Return(value) => {
                progress.want(value, usize::MAX);
            }
            Exit::Plain => {}
        }
        progress
    }

    /// Counts a use on the way on, and those of what it comes from.
    fn want(&mut self, value: Value, step: usize) {
        self.uses[value.index()] += 1;
        self.need(value, step);
        if self.uses[value.index()] == 1 {
            for operand in self.body.operands(value) {
                self.want(operand, step);
            }
        }
    }

    /// Of a group, only the first access wants an address: where the area begins, if that is not known.
    fn want_address(&mut self, addr: Value, step: usize) {
        let Grouped { groups, of } = self.grouped;
        let Some(number) =
            of[step].filter(|number| of.iter().position(|of| *of == Some(*number)) == Some(step))
        else {
            return;
        };
        let group = &groups[number];
        if !group.known {
            let begins = self.body.root(addr) == (group.root, group.at);
            self.want(if begins { addr } else { group.root }, step);
        }
    }

    fn want_flags(&mut self, origin: usize, step: usize) {
        if let Some(flags) = self.body.origins.get(origin).and_then(|origin| origin.flags) {
            for (_, value) in flags.parts() {
                self.need(value, step);
            }
        }
    }

    /// The value, and all it comes from, may be computed as late as at that step.
    fn need(&mut self, value: Value, step: usize) {
        let last = &mut self.last[value.index()];
        if *last < step {
            *last = step;
            for operand in self.body.operands(value) {
                self.need(operand, step);
            }
        }
    }
}
