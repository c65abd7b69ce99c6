//! Areas of memory that are checked once for all code that control comes to behind the check.
//!
//! What an access goes to is told as a number from a *base*: what a register was when the region was entered, when a block was that
//! several ways lead to, or what a block has computed. As long as no call comes between, what has been checked from a base stays
//! where it is in linear memory, for all blocks. Accesses near each other from one base are one area, so that the first check does for most.

use super::group::{Group, Grouped, SPAN, groups};
use crate::ir::{Binary, Body, Expr, Step, Value};
use crate::region::Region;
use crate::structure::Structure;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;
use hashbrown::HashMap;
use x86_cpu::CodeMode;

/// Bytes that are checked together for accesses in several blocks, but for the stack: not all of them may be done, and what is far apart
/// may be in two pages, one of which is not there.
const NEAR: i64 = 128;
/// General registers.
const REGS: usize = 16;
const RSP: usize = 4;
/// How often what a register is at a block may change before it gets a name of its own.
const CHANGES: u8 = 4;

/// An area.
#[derive(Clone, Copy, Debug)]
pub(super) struct Area {
    low: i64,
    high: i64,
    pub(super) writes: bool,
    /// How many accesses there are to it.
    pub(super) count: u32,
    /// Whether others rely on a check of it, in other blocks mostly.
    pub(super) lasts: bool,
}

impl Area {
    /// How long it is.
    pub(super) fn bytes(&self) -> u32 {
        (self.high - self.low) as u32
    }
}

/// A base by its number, and what is to be added to it. Numbers: what registers are at the entry, what they are at each block, what
/// they are behind each, what blocks compute, and last 0, for addresses that are known.
type Named = (usize, i64);

/// An area that is checked once before a loop, as all that the loop's first block does with it would be checked each time round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Early {
    pub(super) area: usize,
    /// The register that it is at, as before the loop, which does not change it; of none, it is at a number.
    pub(super) reg: Option<u8>,
    /// Where it begins from there.
    pub(super) at: i64,
}

/// The areas of a region, and the groups of each block's accesses.
pub(super) struct Areas {
    pub(super) all: Vec<Area>,
    pub(super) of: Vec<Grouped>,
    /// By block: of those that begin loops.
    pub(super) early: Vec<Vec<Early>>,
}

impl Areas {
    pub(super) fn of(region: &Region, structure: &Structure, bodies: &[Body]) -> Areas {
        let mut areas = Areas::new(bodies);
        let names = Names::of(region, structure, bodies);
        let clusters = areas.cluster(structure, &names);
        areas.decide(region, structure, &clusters, &names);
        areas
    }

    fn new(bodies: &[Body]) -> Areas {
        let of = bodies.iter().map(groups).collect();
        Areas { all: Vec::new(), of, early: vec![Vec::new(); bodies.len()] }
    }

    /// Each group of a block is an area.
    pub(super) fn apart(bodies: &[Body]) -> Areas {
        let mut areas = Areas::new(bodies);
        for group in areas.of.iter_mut().flat_map(|grouped| &mut grouped.groups) {
            let Group { low, high, writes, count, .. } = *group;
            (group.area, group.at) = (areas.all.len(), low);
            areas.all.push(Area { low, high, writes, count, lasts: false });
        }
        areas
    }

    /// Makes areas of the groups. Gives which of them go together: that of reads, and that of writes.
    fn cluster(&mut self, structure: &Structure, names: &Names<'_>) -> Vec<[Option<usize>; 2]> {
        let mut accesses: Vec<(Named, usize, usize)> = Vec::new();
        for &block in &structure.order {
            for (number, group) in self.of[block].groups.iter().enumerate() {
                let (base, by) = names.name(block, group.root);
                accesses.push(((base, names.cut(by.wrapping_add(group.low))), block, number));
            }
        }
        accesses.sort_unstable();
        let mut clusters: Vec<[Option<usize>; 2]> = Vec::new();
        let mut last: Option<(Named, i64)> = None;
        for ((base, low), block, number) in accesses {
            let group = &mut self.of[block].groups[number];
            let high = low.saturating_add(group.high - group.low);
            let limit = if names.is_stack(base) { SPAN } else { NEAR };
            match &mut last {
                Some((start, end)) if start.0 == base && high.max(*end).saturating_sub(start.1) <= limit => {
                    *end = high.max(*end);
                }
                _ => {
                    last = Some(((base, low), high));
                    clusters.push([None; 2]);
                }
            }
            group.cluster = clusters.len() - 1;
            let area = clusters.last_mut().map(|areas| &mut areas[usize::from(group.writes)]);
            let Some(area) = area else { continue };
            let number = *area.get_or_insert(self.all.len());
            if number == self.all.len() {
                self.all.push(Area { low, high, writes: group.writes, count: 0, lasts: false });
            }
            let area = &mut self.all[number];
            (area.low, area.high) = (area.low.min(low), area.high.max(high));
            area.count += group.count;
            // From the base, until it is known where the area begins.
            group.area = number;
            group.at = low;
        }
        clusters
    }

    /// Finds out which groups need no check.
    fn decide(
        &mut self,
        region: &Region,
        structure: &Structure,
        clusters: &[[Option<usize>; 2]],
        names: &Names<'_>,
    ) {
        let words = self.all.len().div_ceil(64);
        let ways = structure.ways(region);
        let fixed: Vec<Vec<u64>> = (0..region.blocks.len())
            .map(|block| if structure.loops[block] { self.fixed(block, clusters, names) } else { Vec::new() })
            .collect();
        let mut known: Vec<Vec<u64>> = vec![vec![!0; words]; region.blocks.len()];
        known[0] = if structure.loops[0] { fixed[0].clone() } else { vec![0; words] };
        let mut behind = vec![0; words];
        let mut again = true;
        while again {
            again = false;
            for &block in &structure.order {
                for &from in &ways[block] {
                    self.known_behind((from, block), region, clusters, &known[from], &mut behind);
                    if structure.loops[block] && !structure.is_back(from, block) {
                        // Those that do not stay known until the end of the loop are left out by the ways back.
                        behind.iter_mut().zip(&fixed[block]).for_each(|(behind, fixed)| *behind |= fixed);
                    }
                    for (known, behind) in known[block].iter_mut().zip(&behind) {
                        again |= *known & !behind != 0;
                        *known &= behind;
                    }
                }
            }
        }
        for &block in structure.order.iter().filter(|block| structure.loops[**block]) {
            // Unless they are known before the loop anyway.
            let mut before: Vec<u64> = vec![if block == 0 { 0 } else { !0 }; words];
            for &from in ways[block].iter().filter(|from| !structure.is_back(**from, block)) {
                self.known_behind((from, block), region, clusters, &known[from], &mut behind);
                before.iter_mut().zip(&behind).for_each(|(before, behind)| *before &= behind);
            }
            let bits = fixed[block].iter().zip(&known[block]).zip(&before);
            let early: Vec<u64> = bits.map(|((fixed, known), before)| fixed & known & !before).collect();
            self.early[block] = self.early(block, &early, names);
        }
        for &block in &structure.order {
            let found: Vec<(usize, bool)> = self.checks(block, clusters, &mut known[block]).collect();
            for (group, (area, is_known)) in self.of[block].groups.iter_mut().zip(found) {
                (group.area, group.known) = (area, is_known);
                // From here on, where the area begins from the group's root.
                group.at = group.low - (group.at - self.all[area].low);
                self.all[area].lasts |= is_known;
            }
        }
    }

    /// What is known behind a block on the way to another one, of what is known before it.
    fn known_behind(
        &self,
        (block, to): (usize, usize),
        region: &Region,
        clusters: &[[Option<usize>; 2]],
        known: &[u64],
        behind: &mut [u64],
    ) {
        behind.copy_from_slice(known);
        if region.calls_between(block, to) {
            behind.fill(0);
        } else {
            self.checks(block, clusters, behind).for_each(drop);
        }
    }

    /// The areas of a loop's first block that begin at something the loop does not change.
    fn fixed(&self, block: usize, clusters: &[[Option<usize>; 2]], names: &Names<'_>) -> Vec<u64> {
        let mut fixed = vec![0; self.all.len().div_ceil(64)];
        let groups = self.of[block].groups.iter().filter(|group| names.fixed(block, group.root).is_some());
        let (writes, reads): (Vec<&Group>, Vec<&Group>) = groups.partition(|group| group.writes);
        for group in writes.into_iter().chain(reads) {
            let covers = |area: &usize| fixed[area / 64] >> (area % 64) & 1 != 0 && self.covers(*area, group);
            let [read, written] = clusters[group.cluster];
            if written.filter(covers).is_none()
                && let Some(own) = if group.writes { written } else { read }
            {
                fixed[own / 64] |= 1 << (own % 64);
            }
        }
        fixed
    }

    /// Where those of these areas begin that a loop's first block has.
    fn early(&self, block: usize, these: &[u64], names: &Names<'_>) -> Vec<Early> {
        let mut early: Vec<Early> = Vec::new();
        for group in &self.of[block].groups {
            let (area, is_there) = (group.area, these[group.area / 64] >> (group.area % 64) & 1 != 0);
            if let Some(reg) = names.fixed(block, group.root)
                && is_there
                && early.iter().all(|early| early.area != area)
            {
                let from = names.bodies[block].constant(group.root).unwrap_or(0) as i64;
                let at = group.low - (group.at - self.all[area].low);
                early.push(Early { area, reg, at: from.wrapping_add(at) });
            }
        }
        early
    }

    /// Whether an area has all of what a group accesses, of which it is not known yet where it begins from the group's root.
    fn covers(&self, area: usize, group: &Group) -> bool {
        let end = group.at + (group.high - group.low);
        self.all[area].low <= group.at && end <= self.all[area].high
    }

    /// By group of a block, the area that it relies on and whether that is known there; `known` before the block becomes that behind it.
    fn checks<'a>(
        &'a self,
        block: usize,
        clusters: &'a [[Option<usize>; 2]],
        known: &'a mut [u64],
    ) -> impl Iterator<Item = (usize, bool)> + 'a {
        self.of[block].groups.iter().map(move |group| {
            let is_known = |area: usize| known[area / 64] >> (area % 64) & 1 != 0;
            let own = clusters[group.cluster][usize::from(group.writes)].unwrap_or(0);
            let written = clusters[group.cluster][1].filter(|area| self.covers(*area, group));
            let found = [Some(own), written].into_iter().flatten().find(|area| is_known(*area));
            known[own / 64] |= u64::from(found.is_none()) << (own % 64);
            (found.unwrap_or(own), found.is_some())
        })
    }
}

/// What each register is at the beginning of each block.
struct Names<'a> {
    bodies: &'a [Body],
    /// What registers each block changes last, and to what.
    sets: Vec<Vec<(usize, Value)>>,
    at: Vec<[Named; REGS]>,
    /// The number of the first value of each block.
    values: Vec<usize>,
    /// That of no base at all.
    none: usize,
    /// Those of sums of two bases, and of multiples of one.
    sums: RefCell<HashMap<Sum, usize>>,
    is_long: bool,
}

/// What is computed of bases: the same of the same ones, wherever that is.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Sum {
    /// The first is not above the second.
    Of(usize, usize),
    /// Shifted by so much.
    Scaled(usize, u64),
}

/// How far the parts of an address are followed.
const PARTS: u32 = 4;

impl<'a> Names<'a> {
    fn of(region: &Region, structure: &Structure, bodies: &'a [Body]) -> Names<'a> {
        let count = bodies.len();
        let mut next = REGS * (1 + 2 * count);
        let mut values = Vec::with_capacity(count);
        for body in bodies {
            values.push(next);
            next += body.values.len();
        }
        let at = (0..count).map(|_| core::array::from_fn(|reg| (reg, 0))).collect();
        let is_long = region.setting.mode == CodeMode::Bits64;
        let sets = bodies.iter().map(last_sets).collect();
        let sums = RefCell::default();
        let mut names = Names { bodies, sets, at, values, none: next, sums, is_long };
        names.settle(region, structure);
        names
    }

    /// Brings about that each block begins with what all ways to it come with.
    fn settle(&mut self, region: &Region, structure: &Structure) {
        let count = self.bodies.len();
        let ways = structure.ways(region);
        let mut seen = vec![false; count];
        let mut changes = vec![[0_u8; REGS]; count];
        let mut again = true;
        while again {
            again = false;
            for &block in &structure.order {
                let mut names: Option<[Named; REGS]> = (block == 0).then(|| core::array::from_fn(|r| (r, 0)));
                for &from in ways[block].iter().filter(|from| seen[**from]) {
                    let behind = self.behind((from, block), region);
                    match &mut names {
                        None => names = Some(behind),
                        Some(names) => {
                            for (reg, (name, behind)) in names.iter_mut().zip(behind).enumerate() {
                                if *name != behind {
                                    *name = (own_name(block, reg), 0);
                                }
                            }
                        }
                    }
                }
                let Some(names) = names else { continue };
                for (reg, name) in names.into_iter().enumerate() {
                    let old = self.at[block][reg];
                    if seen[block] && old != name && changes[block][reg] <= CHANGES {
                        changes[block][reg] += 1;
                        let own = changes[block][reg] > CHANGES;
                        self.at[block][reg] = if own { (own_name(block, reg), 0) } else { name };
                        again = true;
                    } else if !seen[block] {
                        self.at[block][reg] = name;
                        again = true;
                    }
                }
                seen[block] = true;
            }
        }
    }

    /// What registers are behind a block on the way to another one.
    fn behind(&self, (block, to): (usize, usize), region: &Region) -> [Named; REGS] {
        if region.calls_between(block, to) {
            return core::array::from_fn(|reg| (REGS * (1 + self.bodies.len() + block) + reg, 0));
        }
        let mut names = self.at[block];
        for &(reg, value) in &self.sets[block] {
            names[reg] = self.name(block, value);
        }
        names
    }

    /// What a value of a block is.
    fn name(&self, block: usize, value: Value) -> Named {
        self.part(block, value, PARTS)
    }

    /// The same, of a part of an address.
    fn part(&self, block: usize, value: Value, parts: u32) -> Named {
        let body = &self.bodies[block];
        let (root, by) = body.root(value);
        if let Some(n) = body.constant(root) {
            return (self.none, self.cut((n as i64).wrapping_add(by)));
        }
        match body.expr(root) {
            Expr::Reg(reg) => {
                let (base, more) = self.at[block][usize::from(reg & 15)];
                (base, self.cut(by.wrapping_add(more)))
            }
            Expr::Binary(Binary::Add, a, b) if parts > 0 => {
                let [(a, more), (b, rest)] = [a, b].map(|part| self.part(block, part, parts - 1));
                let by = self.cut(by.wrapping_add(more).wrapping_add(rest));
                match (a == self.none, b == self.none) {
                    (true, _) => (b, by),
                    (_, true) => (a, by),
                    _ => (self.sum(Sum::Of(a.min(b), a.max(b))), by),
                }
            }
            Expr::Binary(Binary::Shl, a, n) if parts > 0 && body.constant(n).is_some_and(|n| n < 32) => {
                let n = body.constant(n).unwrap_or(0);
                let (base, more) = self.part(block, a, parts - 1);
                let by = self.cut(by.wrapping_add(more << n));
                (if base == self.none { base } else { self.sum(Sum::Scaled(base, n)) }, by)
            }
            _ => (self.values[block] + root.index(), by),
        }
    }

    /// The number of what is computed of bases.
    fn sum(&self, sum: Sum) -> usize {
        let mut sums = self.sums.borrow_mut();
        let next = self.none + 1 + sums.len();
        *sums.entry(sum).or_insert(next)
    }

    /// Whether the root of accesses in a loop's first block is the same each time round: a number, or what a register is, which is told.
    fn fixed(&self, block: usize, root: Value) -> Option<Option<u8>> {
        match self.bodies[block].expr(root) {
            Expr::Const(_) => Some(None),
            Expr::Reg(reg) => {
                let own = own_name(block, usize::from(reg & 15));
                (self.at[block][usize::from(reg & 15)].0 != own).then_some(Some(reg))
            }
            _ => None,
        }
    }

    /// A difference of addresses.
    fn cut(&self, by: i64) -> i64 {
        if self.is_long { by } else { i64::from(by as i32) }
    }

    /// Whether a base is what the stack pointer was somewhere.
    fn is_stack(&self, base: usize) -> bool {
        base < self.values.first().copied().unwrap_or(0) && base % REGS == RSP
    }
}

/// The registers that a block changes, and what they are behind it.
fn last_sets(body: &Body) -> Vec<(usize, Value)> {
    let mut last = [None; REGS];
    for step in &body.steps {
        if let Step::SetReg(reg, value) = *step {
            last[usize::from(reg & 15)] = Some(value);
        }
    }
    last.into_iter().enumerate().filter_map(|(reg, value)| Some((reg, value?))).collect()
}

/// The number of what a register is at the beginning of a block.
fn own_name(block: usize, reg: usize) -> usize {
    REGS * (1 + block) + reg
}
