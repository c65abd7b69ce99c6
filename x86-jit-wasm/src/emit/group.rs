//! Accesses of a block at numbers from one address: they are checked together, at the first of them.
//!
//! To leave before an instruction is always right, so a check may come early. What is asked is that all bytes from the first
//! to the last lie in one page, or in two that are neighbours in host memory too.

use super::PRESENT;
use super::body::{Function, at};
use crate::ir::{Body, Step, Value};
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
        self.sink().local_tee(entry).i32_load(at(tlb.host.into(), 2));
        self.page_offset(start);
        self.sink().i32_add().local_set(host);
        self.tag(entry, tag);
        self.page(start, bytes - 1);
        self.differ();
    }

    /// Asks the host for an area that the TLB does not have, or that crosses pages: leaves through `arm` unless all of it is there. `bytes` is a
    /// number, or in a local.
    pub(super) fn ask(
        &mut self,
        (start, bytes): (u32, Result<u32, u32>),
        writes: bool,
        host: u32,
        arm: impl FnOnce(&mut Function, u32),
    ) {
        self.sink().if_(BlockType::Empty);
        self.wide(start);
        let mut sink = self.sink();
        match bytes {
            Ok(bytes) => sink.i32_const((bytes << 1 | u32::from(writes)) as i32),
            Err(local) => sink.local_get(local).i32_const(1).i32_shl().i32_const(writes.into()).i32_or(),
        };
        sink.call(PRESENT).local_tee(host).i32_eqz().if_(BlockType::Empty);
        arm(self, 2);
        self.sink().end().end();
    }

    /// Leaves through `arm` unless all of a group is there.
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
        self.ask((start, Ok(bytes)), group.writes, host, arm);
    }
}
