//! How far a block has been emitted, and what of it is still wanted.

use super::group::{Group, groups};
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
    /// The value in each register.
    pub(super) in_reg: [Option<Value>; SLOTS],
    /// Address in linear memory of what has been loaded and will be stored back.
    pub(super) hosts: Vec<(Value, u32, u64)>,
    /// Accesses that are checked together, and which of them each step is in.
    pub(super) groups: Vec<Group>,
    pub(super) group_of: Vec<Option<usize>>,
}

impl<'a> Progress<'a> {
    pub(super) fn of(body: &'a Body) -> Progress<'a> {
        let count = body.values.len();
        let (groups, group_of) = groups(body);
        let mut progress = Progress {
            body,
            place: vec![None; count],
            uses: vec![0; count],
            last: vec![0; count],
            in_reg: [None; SLOTS],
            hosts: Vec::new(),
            groups,
            group_of,
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

    /// Of addresses in a group, what they are numbers from is wanted, and only once.
    fn want_address(&mut self, addr: Value, step: usize) {
        match self.group_of[step].map(|number| self.groups[number]) {
            Some(group) if group.count > 1 => {
                let first = self.group_of.iter().position(|other| *other == self.group_of[step]);
                if first == Some(step) {
                    self.want(group.root, step);
                }
            }
            _ => self.want(addr, step),
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
