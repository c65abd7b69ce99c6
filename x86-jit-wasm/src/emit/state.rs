//! What of the guest's state is in locals where: each register, and each part of the pending flags, is in memory alone, held in its
//! local too, or changed in its local (dirty), which memory then has yet to get.
//!
//! A call finds everything in memory and leaves everything there. What is read is loaded before the block that reads it, or
//! on the way to where ways meet if it is held on another of them; what is dirty is stored before a call, where the
//! region is left, and before a loop that has calls and does not change it.

use super::areas::Areas;
use super::group::Grouped;
use crate::ir::{Body, Exit, Expr, FlagPart, FlagValues, Step, Value};
use crate::liveness::Wanted;
use crate::pending::shape;
use crate::region::{End, Region, Target};
use crate::structure::{Structure, successors};
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

/// A set of slots.
pub(super) type Slots = u64;

/// General registers, XMM registers, the parts of the flags, [`IMPRECISE`] and [`PAGES`].
pub(super) const SLOTS: usize = 38;
/// Where XMM registers begin.
pub(super) const XMM: usize = 16;
/// Where the parts of the flags begin.
pub(super) const FLAGS: usize = 32;
/// Whether MXCSR leaves arithmetic to the interpreter.
pub(super) const IMPRECISE: usize = 36;
/// Address of the [home](guest_mem::HomeLayout) of the address space.
pub(super) const PAGES: usize = 37;

/// The parts of the flags.
pub(super) const PARTS: Slots = 15 << FLAGS;
/// What is in locals between the blocks of the [quick](crate::Tier::Quick) tier.
pub(super) const BETWEEN: Slots = PARTS | 1 << PAGES;

/// Slot of a general register.
pub(super) fn gpr(reg: u8) -> usize {
    usize::from(reg & 15)
}

/// Slot of an XMM register.
pub(super) fn xmm(reg: u8) -> usize {
    XMM + usize::from(reg & 15)
}

/// Slot of a part of the flags.
pub(super) fn flag(part: FlagPart) -> usize {
    match part {
        FlagPart::Result => FLAGS,
        FlagPart::Left => FLAGS + 1,
        FlagPart::Right => FLAGS + 2,
        FlagPart::Shape => FLAGS + 3,
    }
}

/// Each slot of a set.
pub(super) fn slots(set: Slots) -> impl Iterator<Item = usize> {
    (0..SLOTS).filter(move |slot| set >> slot & 1 != 0)
}

/// The parts that change: those that matter and are not what they were.
pub(super) fn changed(body: &Body, flags: FlagValues) -> impl Iterator<Item = (FlagPart, Value)> {
    let matters = !unimportant(body, flags);
    let stays = |part, value| body.expr(value) == Expr::Flags(part);
    let parts = flags.parts().into_iter();
    parts.filter(move |(part, value)| matters >> flag(*part) & 1 != 0 && !stays(*part, *value))
}

fn changed_slots(body: &Body, flags: FlagValues) -> Slots {
    changed(body, flags).fold(0, |set, (part, _)| set | 1 << flag(part))
}

/// The parts that do not matter behind a change: the result of a difference, and what is below 0 or not where it is nothing else.
fn unimportant(body: &Body, flags: FlagValues) -> Slots {
    let Some(bits) = body.constant(flags.shape) else { return 0 };
    let no_carry = body.constant(flags.right) == Some(0);
    match (bits as u32 & (shape::SUB | shape::ADD), no_carry) {
        (shape::SUB, _) => 1 << flag(FlagPart::Result),
        (0, true) => 1 << flag(FlagPart::Left),
        _ => 0,
    }
}

/// At some point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// In their locals.
    pub(super) held: Slots,
    /// Of those, what memory has not.
    pub(super) dirty: Slots,
}

impl State {
    /// Changes a slot.
    pub(super) fn set(&mut self, slot: usize) {
        self.held |= 1 << slot;
        self.dirty |= 1 << slot;
    }

    /// As behind a step.
    pub(super) fn step(&mut self, body: &Body, step: &Step) {
        match *step {
            Step::SetReg(reg, _) => self.set(gpr(reg)),
            Step::SetXmm(reg, _) => self.set(xmm(reg)),
            Step::SetFlags(flags) => {
                let parts = changed_slots(body, flags);
                self.held |= parts;
                self.dirty = (self.dirty | parts) & !unimportant(body, flags);
            }
            _ => {}
        }
    }
}

/// What a block does with slots.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Touched {
    /// Read as they were before the block.
    pub(super) reads: Slots,
    writes: Slots,
    /// Changed, or of no importance any more: what is dirty before is not dirty behind.
    clears: Slots,
    /// Changed where it leaves.
    arms: Slots,
}

impl Touched {
    fn of(body: &Body) -> Touched {
        let mut touched = Touched::default();
        let mut wanted = vec![false; body.values.len()];
        let mut open = Vec::new();
        let mut end = State::default();
        let mut from_all = State { held: 0, dirty: !0 };
        for step in &body.steps {
            end.step(body, step);
            from_all.step(body, step);
            open.extend(step.values().into_iter().flatten());
            if let Some(flags) = step.origin().and_then(|origin| body.origins[origin].flags) {
                touched.arms |= changed_slots(body, flags);
                open.extend(changed(body, flags).map(|(_, value)| value));
            }
            if let Step::SetFlags(flags) = *step {
                open.extend(changed(body, flags).map(|(_, value)| value));
            }
            touched.reads |= u64::from(step.accesses()) << PAGES;
        }
        touched.writes = end.dirty;
        touched.clears = !from_all.dirty;
        match body.exit {
            Exit::If(value) | Exit::Indirect(value) | Exit::Call(value) | Exit::Return(value) => {
                open.push(value);
            }
            Exit::Plain => {}
        }
        while let Some(value) = open.pop() {
            if core::mem::replace(&mut wanted[value.index()], true) {
                continue;
            }
            touched.reads |= match body.expr(value) {
                Expr::Reg(reg) => 1 << gpr(reg),
                Expr::Xmm(reg) => 1 << xmm(reg),
                Expr::Flags(part) => 1 << flag(part),
                Expr::Imprecise => 1 << IMPRECISE,
                _ => 0,
            };
            open.extend(body.operands(value));
        }
        touched
    }

    fn all(&self) -> Slots {
        self.reads | self.writes | self.arms
    }

    /// What is held behind the block.
    fn behind(&self, way: &Way, held: Slots) -> Slots {
        if way.calls { 0 } else { held | self.reads | self.writes }
    }

    /// What is dirty behind the block.
    fn dirty_behind(&self, way: &Way, dirty: Slots) -> Slots {
        if way.calls { 0 } else { dirty & !self.clears | self.writes }
    }
}

/// The state that each block of a region begins with, and the ends of the region.
pub(super) struct Plan {
    /// By block. Where ways meet, each of them has to bring it about.
    pub(super) at: Vec<State>,
    pub(super) touched: Vec<Touched>,
    /// What the region touches at all.
    pub(super) all: Slots,
    /// Sets that are stored behind the body; to each, exits jump that have all or much of it dirty.
    pub(super) epilogues: Vec<Slots>,
    /// By block, whether the flags are wanted.
    pub(super) wanted: Vec<Wanted>,
    /// Of accesses.
    pub(super) areas: Areas,
}

/// Instructions of a region whose state is in memory at its switch.
const LARGE: usize = 1200;

/// A way from a block to another.
#[derive(Clone, Copy)]
struct Way {
    from: usize,
    back: bool,
    /// Whether a call is between, before which all is stored.
    calls: bool,
}

impl Plan {
    pub(super) fn of(region: &Region, structure: &Structure, bodies: &[Body], wanted: Vec<Wanted>) -> Plan {
        let mut touched: Vec<Touched> = bodies.iter().map(Touched::of).collect();
        for (touched, wanted) in touched.iter_mut().zip(&wanted) {
            touched.clears |= if wanted.behind { 0 } else { PARTS };
        }
        let all = touched.iter().fold(0, |all, touched| all | touched.all());
        let at = states(region, structure, &touched, &wanted);
        let areas = Areas::of(region, structure, bodies);
        let epilogues = epilogues(region, structure, bodies, &touched, &at, &areas);
        Plan { at, touched, all, epilogues, wanted, areas }
    }

    /// Of the [quick](crate::Tier::Quick) tier: each block begins with [`BETWEEN`] in locals, and all else in memory.
    pub(super) fn quick(bodies: &[Body], wanted: Vec<Wanted>) -> Plan {
        let touched: Vec<Touched> = bodies.iter().map(Touched::of).collect();
        let all = touched.iter().fold(PARTS, |all, touched| all | touched.all());
        let state = State { held: BETWEEN & all, dirty: PARTS };
        Plan {
            at: vec![state; bodies.len()],
            touched,
            all,
            epilogues: vec![PARTS],
            wanted,
            areas: Areas::apart(bodies),
        }
    }
}

fn states(region: &Region, structure: &Structure, touched: &[Touched], wanted: &[Wanted]) -> Vec<State> {
    let count = region.blocks.len();
    let order = &structure.order;
    let mut ways: Vec<Vec<Way>> = vec![Vec::new(); count];
    let mut behind: Vec<Vec<usize>> = vec![Vec::new(); count];
    for &from in order {
        for to in successors(region, from) {
            let back = structure.is_back(from, to);
            if !back || structure.dominates(to, from) {
                let calls = region.calls_between(from, to);
                ways[to].push(Way { from, back, calls });
                if !calls {
                    behind[from].push(to);
                }
            }
        }
    }
    let joint = |block: usize| structure.merges[block] || structure.loops[block];
    let apart = !region.arms.is_empty() && region.instructions() > LARGE;

    let mut live: Vec<Slots> = vec![0; count];
    fixed_point(order.iter().rev(), &mut live, |block, live| {
        let touched = touched[block];
        let later = behind[block].iter().fold(0, |all, to| all | live[*to]);
        touched.reads | later & !touched.writes
    });
    // Held on some way: worth holding where it will be read.
    let mut some: Vec<Slots> = vec![0; count];
    fixed_point(order.iter(), &mut some, |block, some| {
        ways[block].iter().fold(0, |all, way| all | touched[way.from].behind(way, some[way.from]))
    });
    // What a loop changes stays in locals, though nobody reads it but who leaves.
    let mut changes: Vec<Slots> = vec![0; count];
    fixed_point(order.iter(), &mut changes, |block, changes| {
        ways[block].iter().fold(0, |all, way| all | touched[way.from].dirty_behind(way, changes[way.from]))
    });
    let kept = |block: usize| {
        let back = ways[block].iter().filter(|way| way.back);
        back.fold(0, |all, way| all | touched[way.from].dirty_behind(way, changes[way.from]))
    };
    let kept: Vec<Slots> = (0..count).map(kept).collect();
    let mut held: Vec<Slots> = vec![!0; count];
    fixed_point(order.iter(), &mut held, |block, held| {
        let entry = if block == 0 { 0 } else { !0 };
        if block == 0 && apart {
            // Of some twenty locals that all arms hand on, hosts keep most on their stacks, with moves at each end.
            return 0;
        }
        let every =
            ways[block].iter().fold(entry, |all, way| all & touched[way.from].behind(way, held[way.from]));
        let all = every | if joint(block) { live[block] & some[block] | kept[block] } else { 0 };
        if wanted[block].at_start() { all } else { all & !PARTS }
    });
    let calls: Vec<bool> = (0..count).map(|block| calls_in_loop(block, &ways)).collect();
    let mut dirty: Vec<Slots> = vec![0; count];
    fixed_point(order.iter(), &mut dirty, |block, dirty| {
        // Before a loop with calls, what it does not change is stored.
        let counts = |way: &&Way| way.back || !structure.loops[block] || !calls[block];
        let of = |way: &Way| touched[way.from].dirty_behind(way, dirty[way.from]);
        ways[block].iter().filter(counts).fold(0, |all, way| all | of(way)) & held[block]
    });
    held.into_iter().zip(dirty).map(|(held, dirty)| State { held, dirty }).collect()
}

/// Computes what each block has from what others have, until nothing changes.
fn fixed_point<'a>(
    order: impl Iterator<Item = &'a usize> + Clone,
    of: &mut [Slots],
    next: impl Fn(usize, &[Slots]) -> Slots,
) {
    let mut again = true;
    while again {
        again = false;
        for &block in order.clone() {
            let new = next(block, of);
            again |= of[block] != new;
            of[block] = new;
        }
    }
}

/// Whether a loop that begins with a block has a call in it.
fn calls_in_loop(first: usize, ways: &[Vec<Way>]) -> bool {
    let mut seen = vec![false; ways.len()];
    let back = ways[first].iter().filter(|way| way.back);
    let mut calls = back.clone().any(|way| way.calls);
    let mut open: Vec<usize> = back.map(|way| way.from).collect();
    seen[first] = true;
    while let Some(block) = open.pop() {
        if !core::mem::replace(&mut seen[block], true) {
            calls |= ways[block].iter().any(|way| way.calls);
            open.extend(ways[block].iter().map(|way| way.from));
        }
    }
    calls
}

/// What is to be done where a region is left.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Leaving {
    held: Slots,
    dirty: Slots,
    /// Parts of the flags that get their values only there.
    parts: Slots,
}

impl Leaving {
    pub(super) fn new(state: State, parts: Slots) -> Leaving {
        Leaving { held: state.held & !parts, dirty: state.dirty & !parts, parts }
    }

    /// Operations on the way to where a set is stored: stores of the rest, and loads of what is not held.
    pub(super) fn cost(self, set: Slots) -> u32 {
        let Leaving { held, dirty, parts } = self;
        3 * (dirty & !set).count_ones()
            + (parts & !set).count_ones()
            + 3 * (set & !held & !parts).count_ones()
    }
}

/// Sets at most, and those looked at.
const EPILOGUES: usize = 10;
const CANDIDATES: usize = 24;

/// Chooses the sets that make the code of all exits small.
fn epilogues(
    region: &Region,
    structure: &Structure,
    bodies: &[Body],
    touched: &[Touched],
    at: &[State],
    areas: &Areas,
) -> Vec<Slots> {
    let mut exits: BTreeMap<Leaving, u32> = BTreeMap::new();
    for &block in &structure.order {
        let body = &bodies[block];
        let mut state = at[block];
        if structure.loops[block] {
            *exits.entry(Leaving::new(state, 0)).or_default() += 1;
        }
        state.held |= touched[block].reads;
        let Grouped { groups, of } = &areas.of[block];
        let mut checked: Vec<bool> = groups.iter().map(|group| group.known).collect();
        for (number, step) in body.steps.iter().enumerate() {
            state.step(body, step);
            let first = of[number].is_none_or(|group| !core::mem::replace(&mut checked[group], true));
            if let Some(origin) = step.origin().filter(|_| first) {
                let parts = body.origins[origin].flags.map_or(0, |flags| changed_slots(body, flags));
                *exits.entry(Leaving::new(state, parts)).or_default() += 1;
            }
        }
        let leaves = match region.blocks[block].end {
            End::To(to) => u32::from(matches!(to, Target::Leave(_))),
            End::Either { taken, next } => {
                [taken, next].into_iter().map(|to| u32::from(matches!(to, Target::Leave(_)))).sum()
            }
            End::Call { .. } => 1,
            End::Indirect { inside, .. } => u32::from(!inside),
            End::Switch { .. } => 1,
            End::Elsewhere => 0,
        };
        if leaves > 0 {
            *exits.entry(Leaving::new(state, 0)).or_default() += leaves;
        }
    }
    let mut candidates: BTreeMap<Slots, u32> = BTreeMap::new();
    for (exit, count) in &exits {
        let set = exit.dirty | exit.parts;
        *candidates.entry(set).or_default() += count * set.count_ones();
    }
    let mut candidates: Vec<(Slots, u32)> = candidates.into_iter().collect();
    candidates.sort_by_key(|(_, weight)| core::cmp::Reverse(*weight));
    candidates.truncate(CANDIDATES);
    let mut exits: Vec<(Leaving, u32, u32)> =
        exits.into_iter().map(|(exit, count)| (exit, count, exit.cost(0))).collect();
    let mut chosen = Vec::new();
    while chosen.len() < EPILOGUES {
        let gain = |set: Slots| {
            let saved = exits.iter().map(|(exit, count, cost)| count * cost.saturating_sub(exit.cost(set)));
            i64::from(saved.sum::<u32>()) - i64::from(3 * set.count_ones() + 3)
        };
        let best = candidates.iter().map(|(set, _)| (gain(*set), *set)).max();
        let Some((_, set)) = best.filter(|(gain, _)| *gain > 0) else { break };
        for (exit, _, cost) in &mut exits {
            *cost = exit.cost(set).min(*cost);
        }
        chosen.push(set);
    }
    chosen
}
