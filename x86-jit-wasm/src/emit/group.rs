//! Accesses of a block at numbers from one address: they are checked together, at the first of them.
//!
//! To leave before an instruction is always right, so a check may come early. What is asked is that all bytes from the first
//! to the last lie in one page, or in two that are neighbours in host memory too.

use super::body::{Function, at};
use crate::ir::{Body, Step, Type, Value};
use alloc::vec;
use alloc::vec::Vec;
use wasm_encoder::BlockType;

/// Bytes that are checked together, at most: the more, the more often they cross a page.
const SPAN: i64 = 256;

/// Accesses that are checked together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    /// What their addresses are numbers from.
    pub(super) root: Value,
    /// Of those numbers, the first byte's.
    pub(super) low: i64,
    /// And the one behind the last byte's.
    pub(super) high: i64,
    /// Whether any is a store.
    pub(super) writes: bool,
    /// How many they are.
    pub(super) count: u32,
    /// Local with the address in linear memory of the first byte, once they have been checked.
    pub(super) host: Option<u32>,
}

/// The groups of a block's accesses, and which group each step is in.
pub(super) fn groups(body: &Body) -> (Vec<Group>, Vec<Option<usize>>) {
    let mut groups: Vec<Group> = Vec::new();
    let mut of = vec![None; body.steps.len()];
    for (number, step) in body.steps.iter().enumerate() {
        let (addr, bytes, writes) = match *step {
            Step::Load { addr, bytes, .. } => (addr, bytes, false),
            Step::Store { addr, bytes, .. } | Step::LoadToChange { addr, bytes, .. } => (addr, bytes, true),
            _ => continue,
        };
        let (root, low) = body.root(addr);
        let high = low.saturating_add(bytes.into());
        let open = groups.iter().rposition(|group| group.root == root);
        let fits = |group: &Group| group.high.max(high).saturating_sub(group.low.min(low)) <= SPAN;
        let number_of = match open.filter(|open| fits(&groups[*open])) {
            Some(open) => {
                let group = &mut groups[open];
                (group.low, group.high) = (group.low.min(low), group.high.max(high));
                group.writes |= writes;
                group.count += 1;
                open
            }
            None => {
                groups.push(Group { root, low, high, writes, count: 1, host: None });
                groups.len() - 1
            }
        };
        of[number] = Some(number_of);
    }
    (groups, of)
}

impl Function {
    /// Looks an area up whose first byte's address is in a local: leaves a number that is not 0 where it is not there as a whole, and
    /// the address in linear memory in `host`.
    pub(super) fn look_up(&mut self, start: u32, bytes: u32, tag: u32, host: u32) {
        let tlb = self.places.tlb;
        let entry = self.entry_local();
        self.entry(start);
        self.sink().local_tee(entry).i32_load(at(tlb.bias.into(), 2));
        self.truncated(start);
        self.sink().i32_add().local_set(host);
        self.tag(entry, tag);
        self.page(start, bytes - 1);
        self.differ();
    }

    /// Where the first look has not found an area in one page, looks whether it is in two that are neighbours.
    pub(super) fn look_up_two(&mut self, start: u32, bytes: u32, tag: u32) {
        let tlb = self.places.tlb;
        let entry = self.entry_local();
        let (second, last) = (self.temporary(Type::I32), self.temporary(self.locals.word));
        let word = self.locals.word;
        self.sink().local_get(start);
        self.constant(word, u64::from(bytes) - 1);
        match word {
            Type::I64 => self.sink().i64_add(),
            _ => self.sink().i32_add(),
        };
        self.sink().local_set(last);
        self.entry(last);
        self.sink().local_set(second);
        self.tag(entry, tag);
        self.page(start, 0);
        self.differ();
        self.tag(second, tag);
        self.page(last, 0);
        self.differ();
        let mut sink = self.sink();
        sink.i32_or();
        sink.local_get(second).i32_load(at(tlb.bias.into(), 2));
        sink.local_get(entry).i32_load(at(tlb.bias.into(), 2)).i32_ne().i32_or();
    }

    /// Leaves through `arm` unless all of a group is there. What is on the way of two pages is worth it for more than one access. To ask the host
    /// would take less code, but a call among the accesses of a loop, though it is hardly ever made, costs V8 a fifth of its speed.
    pub(super) fn check_group(
        &mut self,
        group: &Group,
        start: u32,
        host: u32,
        arm: impl FnOnce(&mut Function, u32),
    ) {
        let tlb = self.places.tlb;
        let tag = if group.writes { tlb.write } else { tlb.read };
        let bytes = (group.high - group.low) as u32;
        self.look_up(start, bytes, tag, host);
        self.sink().if_(BlockType::Empty);
        if group.count > 1 {
            self.look_up_two(start, bytes, tag);
            self.sink().if_(BlockType::Empty);
            arm(self, 2);
            self.sink().end();
        } else {
            arm(self, 1);
        }
        self.sink().end();
    }
}
