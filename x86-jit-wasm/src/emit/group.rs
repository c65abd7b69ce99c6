//! Accesses of a block at numbers from one address: they are checked together, at the first of them.
//!
//! To leave before an instruction is always right, so a check may come early. What is asked is that all bytes from the first
//! to the last lie in one page, or in two that are neighbours in host memory too. 32-bit code asks that of the [home](HomeLayout) of the address space, of
//! which an area is one granule at most, and 64-bit code of the TLB.

use super::LOOK;
use super::areas::Area;
use super::body::{Function, at};
use super::state::PAGES;
use crate::ir::{Body, Type, Value};
use alloc::vec;
use alloc::vec::Vec;
use guest_mem::HomeLayout;

/// Bytes that are checked together, at most: the more, the more often they cross a page.
pub(super) const SPAN: i64 = 256;
const _: () = assert!(SPAN <= 1 << HomeLayout::OWN.granule_shift);

/// Accesses that are checked together, in an [area](super::areas::Area).
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
    /// Areas near each other, by number.
    pub(super) cluster: usize,
    /// Their area, by number.
    pub(super) area: usize,
    /// Where that begins, as a number from the root.
    pub(super) at: i64,
    /// Whether it has been checked when control comes here.
    pub(super) known: bool,
}

/// The groups of a block.
#[derive(Clone, Debug)]
pub(super) struct Grouped {
    /// In the order of their first accesses.
    pub(super) groups: Vec<Group>,
    /// Which of them each step is in.
    pub(super) of: Vec<Option<usize>>,
}

/// The groups of a block's accesses; their areas are to be found.
pub(super) fn groups(body: &Body) -> Grouped {
    let mut groups: Vec<Group> = Vec::new();
    let mut of = vec![None; body.steps.len()];
    for (number, step) in body.steps.iter().enumerate() {
        let Some((addr, bytes, writes)) = step.access() else { continue };
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
                let new =
                    Group { root, low, high, writes, count: 1, cluster: 0, area: 0, at: 0, known: false };
                groups.push(new);
                groups.len() - 1
            }
        };
        of[number] = Some(number_of);
    }
    Grouped { groups, of }
}

impl Function {
    /// Looks whether an area whose first byte's address is in a local is at home: leaves a number that is 0 where it is not, and the address in
    /// linear memory in `host`.
    pub(super) fn look_home(&mut self, start: u32, writes: bool, host: u32) {
        let (layout, home) = (self.places.home, self.locals.reg(PAGES));
        let bit = if writes { HomeLayout::WRITE } else { HomeLayout::READ };
        let mut sink = self.sink();
        sink.local_get(start)
            .i32_const(layout.mask as i32)
            .i32_and()
            .local_get(home)
            .i32_add()
            .local_set(host);
        sink.local_get(start).i32_const(layout.granule_shift as i32).i32_shr_u().local_get(home).i32_add();
        sink.i32_load8_u(at(layout.map.into(), 0)).i32_const(bit.into()).i32_and();
    }

    /// Leaves through `arm` unless all of an area is there, at home or in one piece elsewhere.
    fn check_home(&mut self, area: &Area, start: u32, host: u32, arm: impl FnOnce(&mut Function, u32)) {
        self.look_home(start, area.writes, host);
        self.sink().i32_eqz();
        self.hardly();
        self.shared();
        let what = (area.bytes() - 1) << 1 | u32::from(area.writes);
        self.sink()
            .local_get(start)
            .i32_const(what as i32)
            .call(LOOK)
            .i32_wrap_i64()
            .local_tee(host)
            .i32_eqz();
        self.hardly();
        arm(self, 2);
        self.sink().end().end();
    }

    /// Looks an area up in the TLB whose first byte's address is in a local: leaves a number that is not 0 where it is not there as a whole, and
    /// the address in linear memory in `host`.
    pub(super) fn look_up(&mut self, start: u32, bytes: u32, tag: u32, host: u32) {
        let tlb = self.places.tlb;
        let entry = self.entry_local();
        self.entry(start);
        self.sink().local_tee(entry).i32_load(at(tlb.bias.into(), 2));
        self.sink().local_get(start).i32_wrap_i64().i32_add().local_set(host);
        self.tag(entry, tag);
        self.page(start, bytes - 1);
        self.sink().i64_ne();
    }

    /// Where the first look has not found an area in one page, looks whether it is in two that are neighbours.
    pub(super) fn look_up_two(&mut self, start: u32, bytes: u32, tag: u32) {
        let tlb = self.places.tlb;
        let entry = self.entry_local();
        let (second, last) = (self.temporary(Type::I32), self.temporary(Type::I64));
        let behind = i64::from(bytes) - 1;
        self.sink().local_get(start).i64_const(behind).i64_add().local_set(last);
        self.entry(last);
        self.sink().local_set(second);
        self.tag(entry, tag);
        self.page(start, 0);
        self.sink().i64_ne();
        self.tag(second, tag);
        self.page(last, 0);
        let mut sink = self.sink();
        sink.i64_ne().i32_or();
        sink.local_get(second).i32_load(at(tlb.bias.into(), 2));
        sink.local_get(entry).i32_load(at(tlb.bias.into(), 2)).i32_ne().i32_or();
    }

    /// Leaves through `arm` unless all of an area is there. In 64-bit code, what is on the way of two pages is worth it for more than one access; 32-bit code
    /// calls a function, which costs loops nothing where the host heeds hints (ADR 18).
    pub(super) fn check_area(
        &mut self,
        area: &Area,
        start: u32,
        host: u32,
        arm: impl FnOnce(&mut Function, u32),
    ) {
        if self.locals.word == Type::I32 {
            return self.check_home(area, start, host, arm);
        }
        let tlb = self.places.tlb;
        let tag = if area.writes { tlb.write } else { tlb.read };
        let bytes = area.bytes();
        self.look_up(start, bytes, tag, host);
        self.hardly();
        if area.count > 1 {
            self.look_up_two(start, bytes, tag);
            self.hardly();
            arm(self, 2);
            self.sink().end();
        } else {
            arm(self, 1);
        }
        self.sink().end();
    }
}
