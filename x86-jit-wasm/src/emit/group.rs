//! Accesses of a block at numbers from one address: they are checked together, at the first of them.
//!
//! To leave before an instruction is always right, so a check may come early. What is asked is that all bytes from the first
//! to the last lie in one page, or in two that are neighbours in host memory too. The [home](HomeLayout) of the address space is asked first, of
//! which an area is one granule at most, and then its TLB.

use super::LOOK;
use super::areas::{Area, Early};
use super::body::{Function, at};
use super::state::{PAGES, gpr};
use crate::ir::{Body, Type, Value};
use crate::layout::{reason, shared};
use crate::region::Tier;
use alloc::vec;
use alloc::vec::Vec;
use guest_mem::HomeLayout;

/// Bytes that are checked together, at most: the more, the more often they cross a page.
pub(super) const SPAN: i64 = 256;
/// log2 of the size of a tag, in bytes.
const TAG_SHIFT: u32 = 2;
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

/// Where an area begins.
#[derive(Clone, Copy, Debug)]
pub(super) enum Start {
    /// At the address in a local.
    In(u32),
    /// At an address that is known.
    At(u64),
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
    /// Looks whether an area is at home: leaves a number that is not 0 where it is not, and the address in
    /// linear memory in `host`.
    pub(super) fn look_home(&mut self, start: Start, writes: bool, host: u32) {
        match start {
            Start::In(start) => self.look_home_in(start, writes, host),
            Start::At(addr) => self.look_home_at(addr, writes, host),
        }
    }

    fn look_home_in(&mut self, start: u32, writes: bool, host: u32) {
        let (layout, home, word) = (self.places.home, self.locals.reg(PAGES), self.locals.word);
        self.narrow(start);
        let mut sink = self.sink();
        sink.i32_const(layout.mask as i32).i32_and().local_get(home).i32_add().local_set(host);
        if word == Type::I32 {
            let bit = if writes { HomeLayout::WRITE } else { HomeLayout::READ };
            sink.local_get(start).i32_const(layout.granule_shift as i32).i32_shr_u();
            sink.local_get(home).i32_add().i32_load8_u(at(layout.map.into(), 0));
            sink.i32_const(bit.into()).i32_and().i32_eqz();
            return;
        }
        // The granule's number, times the size of a tag: one shift and one mask.
        let tags = if writes { layout.write_tags } else { layout.read_tags };
        let in_map = layout.mask >> layout.granule_shift << TAG_SHIFT;
        sink.local_get(start).i64_const(layout.mask.count_ones().into()).i64_shr_u().i64_const(1).i64_add();
        self.narrow(start);
        let mut sink = self.sink();
        sink.i32_const((layout.granule_shift - TAG_SHIFT) as i32)
            .i32_shr_u()
            .i32_const(in_map as i32)
            .i32_and();
        sink.local_get(home).i32_add().i64_load32_u(at(tags.into(), 2)).i64_ne();
    }

    /// The same, with as much as is known beforehand in the instructions.
    fn look_home_at(&mut self, addr: u64, writes: bool, host: u32) {
        let (layout, home, word) = (self.places.home, self.locals.reg(PAGES), self.locals.word);
        let mut sink = self.sink();
        sink.local_get(home).i32_const((addr as u32 & layout.mask) as i32).i32_add().local_set(host);
        sink.local_get(home);
        if word == Type::I32 {
            let bit = if writes { HomeLayout::WRITE } else { HomeLayout::READ };
            let of = u64::from(layout.map) + (addr >> layout.granule_shift);
            sink.i32_load8_u(at(of, 0)).i32_const(bit.into()).i32_and().i32_eqz();
        } else {
            let tags = if writes { layout.write_tags } else { layout.read_tags };
            let granule = (addr as u32 & layout.mask) >> layout.granule_shift;
            let of = u64::from(tags) + u64::from(granule << TAG_SHIFT);
            sink.i64_load32_u(at(of, 2)).i64_const(layout.tag(addr) as i64).i64_ne();
        }
    }

    /// Leaves through `arm` unless all of an area is there, at home or in one piece elsewhere.
    pub(super) fn check_area(
        &mut self,
        area: &Area,
        start: Start,
        host: u32,
        arm: impl FnOnce(&mut Function, u32),
    ) {
        self.look_home(start, area.writes, host);
        self.hardly();
        let start = self.start_local(start);
        if self.places.hints || self.tier == Tier::Quick {
            let what = (area.bytes() - 1) << 1 | u32::from(area.writes);
            self.shared();
            self.wide(start);
            self.sink().i32_const(what as i32).call(LOOK).i32_wrap_i64().local_tee(host).i32_eqz();
            self.hardly();
            arm(self, 2);
        } else {
            self.note_stray(start);
            self.look_up(area, start, host);
            self.hardly();
            if area.count > 1 {
                self.look_up_two(area, start);
                self.hardly();
                arm(self, 3);
                self.sink().end();
            } else {
                arm(self, 2);
            }
        }
        self.sink().end().end();
    }

    /// A local with the address that an area begins at.
    fn start_local(&mut self, start: Start) -> u32 {
        match start {
            Start::In(local) => local,
            Start::At(addr) => {
                let word = self.locals.word;
                let local = self.temporary(word);
                self.constant(word, addr);
                self.sink().local_set(local);
                local
            }
        }
    }

    /// Checks an area before a loop. Leaves for the beginning of that unless all of it is there.
    pub(super) fn check_early(&mut self, early: Early, pc: u64, depth: u32) {
        let (area, host) = (self.areas[early.area], self.area_local(early.area));
        self.hold(early.reg.map_or(0, |reg| 1 << gpr(reg)) | 1 << PAGES);
        let start = match early.reg {
            None => Start::At(early.at as u64 & self.addresses()),
            Some(reg) => {
                let (word, local) = (self.locals.word, self.locals.reg(gpr(reg)));
                let start = self.temporary(word);
                self.constant(word, early.at as u64);
                self.sink().local_get(local);
                self.add();
                self.sink().local_set(start);
                Start::In(start)
            }
        };
        self.check_area(&area, start, host, |function, out| {
            function.leave_to(pc, reason::STOP, 0, depth + out);
        });
    }

    /// As the function that looks does (`look.rs`), for hosts whose registers a call would take from what is around it.
    fn note_stray(&mut self, start: u32) {
        self.shared();
        self.shared();
        self.sink().i64_load(at(shared::STRAYS, 3)).i64_const(1).i64_add().i64_store(at(shared::STRAYS, 3));
        self.shared();
        self.wide(start);
        self.sink().i64_store(at(shared::STRAY, 3));
    }

    /// Looks an area up in the TLB whose first byte's address is in a local: leaves a number that is not 0 where it is not in one page, and
    /// the address in linear memory in `host`.
    fn look_up(&mut self, area: &Area, start: u32, host: u32) {
        let tlb = self.places.tlb;
        let entry = self.entry_local();
        self.entry(start);
        self.sink().local_tee(entry).i32_load(at(tlb.bias.into(), 2));
        self.narrow(start);
        self.sink().i32_add().local_set(host);
        self.is_not_of(entry, area, start, area.bytes() - 1);
    }

    /// Where the first look has not found an area in one page, looks whether it is in two that are neighbours.
    fn look_up_two(&mut self, area: &Area, start: u32) {
        let bias = at(self.places.tlb.bias.into(), 2);
        let entry = self.entry_local();
        let (second, last) = (self.temporary(Type::I32), self.temporary(self.locals.word));
        self.sink().local_get(start);
        self.plus(area.bytes() - 1);
        self.sink().local_set(last);
        self.entry(last);
        self.sink().local_set(second);
        self.is_not_of(entry, area, start, 0);
        self.is_not_of(second, area, last, 0);
        let mut sink = self.sink();
        sink.i32_or().local_get(second).i32_load(bias).local_get(entry).i32_load(bias).i32_ne().i32_or();
    }
}
