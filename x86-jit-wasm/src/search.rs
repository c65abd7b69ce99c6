//! How regions are found.
//!
//! Small functions become part of the regions that call them, once for each call: a place in the code is an address and
//! the call that control came by. A call then is a store of its return address, and a return a comparison with it. Where such a
//! function ends by a jump to another one, that is a call that comes back to behind the first.

use crate::lift::Probe;
use crate::liveness::is_unasked;
use crate::region::{Block, Code, End, Limits, Located, Region, Setting, Target, Targets, Tier};
use crate::structure::successors;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec;
use alloc::vec::Vec;
use hashbrown::HashMap;
use x86_cpu::CodeMode;
use x86_decode::{FeatureSet, Flow, Insn, MAX_LEN, Mode, NO_REG, Op, Operand, decode_for};

/// The instruction at an address, if there is one.
pub(crate) fn decode_at(code: &impl Code, pc: u64, setting: Setting, features: FeatureSet) -> Option<Insn> {
    let mut bytes = [0; MAX_LEN];
    let got = code.fetch(pc, &mut bytes).min(MAX_LEN);
    let mode = match setting.mode {
        CodeMode::Bits32 => Mode::Bits32,
        CodeMode::Bits64 => Mode::Bits64,
    };
    decode_for(bytes.get(..got)?, mode, features).ok()
}

/// Target of a direct jump or call.
pub(crate) fn target(pc: u64, insn: &Insn, setting: Setting) -> Option<u64> {
    let next = pc.wrapping_add(u64::from(insn.len));
    insn.operands.iter().find_map(|operand| match *operand {
        Operand::Rel(by) => Some(next.wrapping_add(by as u64) & setting.mask()),
        _ => None,
    })
}

/// A call whose function is part of the region.
#[derive(Clone, Copy)]
struct Call {
    /// The call that the code around it is part of.
    outer: u32,
    /// Address of the function.
    entry: u64,
    /// Where it comes back to.
    back: u64,
    /// How many calls it is within.
    depth: u32,
}

/// Whether an address is in the small function at `entry`.
fn is_near(entry: u64, to: u64) -> bool {
    to.wrapping_sub(entry) < NEAR
}

/// Whether an indirect jump goes to another function, as those of tables of linkage do.
fn goes_elsewhere(insn: &Insn) -> bool {
    matches!(insn.operands[0], Operand::Mem(mem) if mem.index == NO_REG)
}

/// What is known of whoever comes to an address.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Way {
    /// Number of the call, the first being none.
    call: u32,
    /// Number of the copy of code that follows an indirect jump directly, 0 being none.
    copy: u32,
    /// Whether DF is set.
    down: bool,
}

type Place = (Way, u64);

impl Way {
    /// Behind an instruction.
    fn behind(self, insn: &Insn) -> Way {
        match insn.op {
            Op::Std => Way { down: true, ..self },
            Op::Cld => Way { down: false, ..self },
            _ => self,
        }
    }
}

/// Whether an instruction leaves a region where DF is set: all other code begins with DF clear.
fn leaves_down(insn: &Insn) -> bool {
    !matches!(insn.row.flow, Flow::Next | Flow::Branch | Flow::CondBranch)
}

/// Functions that an indirect call is compared with, at most.
const GUESSES: usize = 12;
/// Calls within each other, at most.
const DEPTH: u32 = 3;
/// What an indirect jump is compared with, at most, and how many such jumps follow each other.
const FOLLOWERS: usize = 3;
const FOLLOWING: u32 = 3;
/// Bytes from the entry of a small function that are still in it: what it jumps to behind them is another function.
const NEAR: u64 = 256;
/// Instructions of a block.
const LONGEST: usize = 200;

pub(crate) struct Search<'a, C> {
    code: &'a C,
    setting: Setting,
    features: FeatureSet,
    limits: Limits,
    entry: u64,
    probe: Probe,
    /// In the order in which they were found.
    insns: Vec<Located>,
    /// Where in it the instruction at a place is.
    at: HashMap<Place, usize>,
    /// Where blocks begin.
    heads: BTreeSet<Place>,
    /// What is still to be looked at.
    open: Vec<Place>,
    /// The first is that of the region itself.
    calls: Vec<Call>,
    /// The numbers of those that begin at a place.
    callees: HashMap<Place, u32>,
    /// Of indirect calls and jumps, addresses that they may go to, and the way that control comes there by.
    guesses: HashMap<Place, Vec<(u64, Way)>>,
    /// Whether a function is small.
    small: HashMap<u64, bool>,
    /// How many indirect jumps each copy has followed.
    copies: Vec<u32>,
    /// Indirect jumps whose followers are still to be looked at, in the order in which they were found.
    jumps: VecDeque<Place>,
    /// Instructions of the short code at an address, if it is that.
    short: HashMap<u64, Option<usize>>,
    /// Instructions of all copies.
    copied: usize,
    /// Where indirect jumps go.
    targets: Vec<u64>,
    /// Indirect jumps of which the engine wants to know more.
    learning: BTreeSet<u64>,
    /// And whether of the switch, too.
    learn: bool,
    /// Whether indirect jumps may stay in the region.
    switches: bool,
    /// Whether there was no room for all.
    is_full: bool,
}

impl<'a, C: Code> Search<'a, C> {
    pub(crate) fn new(
        code: &'a C,
        entry: u64,
        setting: Setting,
        features: FeatureSet,
        limits: Limits,
    ) -> Search<'a, C> {
        Search {
            code,
            setting,
            features,
            limits,
            entry,
            probe: Probe::new(setting),
            insns: Vec::new(),
            at: HashMap::new(),
            heads: BTreeSet::new(),
            open: vec![(Way::default(), entry)],
            calls: vec![Call { outer: 0, entry, back: 0, depth: 0 }],
            callees: HashMap::new(),
            guesses: HashMap::new(),
            small: HashMap::new(),
            copies: vec![0],
            jumps: VecDeque::new(),
            short: HashMap::new(),
            copied: 0,
            targets: Vec::new(),
            learning: BTreeSet::new(),
            learn: false,
            switches: true,
            is_full: false,
        }
    }

    /// Has indirect jumps leave the region.
    pub(crate) fn without_switch(self) -> Self {
        Search { switches: false, ..self }
    }

    pub(crate) fn region(mut self) -> Region {
        let mut asked = false;
        loop {
            let Some(head) = self.open.pop() else {
                if self.targets.is_empty() {
                    break;
                }
                if !asked {
                    // What the switch has missed so far.
                    asked = true;
                    self.learn = self.jump_from(self.entry);
                    continue;
                }
                let Some(jump) = self.jumps.pop_front() else { break };
                self.follow_up(jump);
                continue;
            };
            if self.heads.insert(head) {
                self.follow(head);
            }
        }
        let mut region = self.blocks();
        merge(&mut region);
        let places: BTreeSet<u64> = region.exits().chain(region.calls()).collect();
        let decode = |pc: u64| {
            let insn = decode_at(self.code, pc, self.setting, self.features)?;
            Some((insn, self.target(pc, &insn)))
        };
        region.unasked = places.into_iter().filter(|pc| is_unasked(*pc, decode)).collect();
        region
    }

    fn decode(&mut self, pc: u64) -> Option<Insn> {
        let insn = decode_at(self.code, pc, self.setting, self.features)?;
        self.probe.takes(&insn).then_some(insn)
    }

    /// Looks at code until it branches.
    fn follow(&mut self, (way, mut pc): Place) {
        let (head, first) = (pc, self.insns.len());
        while !self.at.contains_key(&(way, pc)) {
            if self.insns.len() >= self.room() {
                self.cut(way, first);
                break;
            }
            if pc != head && self.code.is_translated(pc) {
                break;
            }
            let Some(insn) = self.decode(pc) else { break };
            if way.down && leaves_down(&insn) {
                break;
            }
            self.at.insert((way, pc), self.insns.len());
            self.insns.push(Located::at(pc, insn));
            let next = self.after(pc, &insn);
            match insn.row.flow {
                Flow::Next if way.behind(&insn) != way => {
                    self.reach(way.behind(&insn), next);
                    break;
                }
                Flow::Next => {}
                Flow::Branch => {
                    if let Some(to) = self.target(pc, &insn).filter(|to| !self.leaves_part(way, *to)) {
                        self.reach(way, to);
                    }
                    break;
                }
                Flow::CondBranch => {
                    let to = self.target(pc, &insn).unwrap_or(next);
                    self.sides(head, to, next).into_iter().flatten().for_each(|pc| self.reach(way, pc));
                    break;
                }
                Flow::Call => {
                    self.reach(way, next);
                    // A call of what is behind it asks for its address.
                    if let Some(to) = self.target(pc, &insn).filter(|to| *to != next && way.copy == 0) {
                        self.call((way, pc), to, next);
                    }
                    break;
                }
                Flow::IndirectCall => {
                    self.reach(way, next);
                    if way.copy == 0 && self.limits.callees > 0 {
                        self.guess((way, pc), next);
                    }
                    break;
                }
                Flow::IndirectBranch if way.call == 0 && self.switches => {
                    if way.copy == 0 && self.jump_from(pc) {
                        self.learning.insert(pc);
                    }
                    self.jumps.push_back((way, pc));
                    break;
                }
                _ => break,
            }
            pc = next;
        }
    }

    /// There is no room for more of the code whose first instruction has a number: goes back to where other code begins. Were it to end anywhere, what
    /// comes behind would be translated from there on, and end somewhere else, and so on until there is code for each place.
    fn cut(&mut self, way: Way, first: usize) {
        self.is_full = true;
        let last = (first + 1..self.insns.len()).rev().find(|at| self.code.begins(self.insns[*at].pc));
        let Some(last) = last else { return };
        for at in self.insns.drain(last..) {
            self.at.remove(&(way, at.pc));
        }
    }

    /// The sides of a conditional jump that are worth having.
    fn sides(&self, head: u64, taken: u64, next: u64) -> [Option<u64>; 2] {
        let taken_side = self.code.wanted(taken).then_some(taken);
        [taken_side, self.code.goes_on(head, taken, next).then_some(next)]
    }

    /// Takes code in if it is near.
    fn reach(&mut self, way: Way, to: u64) {
        let near = to.abs_diff(self.calls[way.call as usize].entry) <= self.limits.reach;
        if near && (to == self.entry || !self.code.is_translated(to)) {
            self.open.push((way, to));
        }
    }

    /// Whether a jump leaves the function that is part of the region: it is a call then, whose return is the function's.
    fn leaves_part(&self, way: Way, to: u64) -> bool {
        way.call != 0 && !is_near(self.calls[way.call as usize].entry, to)
    }

    /// Takes the targets of an indirect jump in. Tells whether the engine wants to know more of it.
    fn jump_from(&mut self, pc: u64) -> bool {
        let Targets { known, learn } = self.code.targets(pc, self.entry);
        // The last one is looked at first.
        known.iter().rev().for_each(|pc| self.reach(Way::default(), *pc));
        self.targets.extend(known);
        learn
    }

    /// Has what an indirect jump goes to often follow it, if that is short and an arm of the switch.
    fn follow_up(&mut self, jump: Place) {
        let depth = self.copies[jump.0.copy as usize];
        if depth >= FOLLOWING {
            return;
        }
        let mut often = self.code.goes_often(jump.1);
        often.retain(|pc| self.targets.contains(pc));
        let mut followers = Vec::new();
        for pc in often.into_iter().take(FOLLOWERS) {
            let Some(length) = self.is_short(pc) else { continue };
            if self.copied + length > self.limits.followers || self.insns.len() + length > self.room() {
                continue;
            }
            self.copied += length;
            let way = Way { copy: self.copies.len() as u32, ..jump.0 };
            self.copies.push(depth + 1);
            self.open.push((way, pc));
            followers.push((pc, way));
        }
        self.compare(jump, followers);
    }

    /// How many instructions there are from an address to the next indirect jumps, if they are few.
    fn is_short(&mut self, entry: u64) -> Option<usize> {
        if let Some(known) = self.short.get(&entry) {
            return *known;
        }
        let length = self.length(entry);
        self.short.insert(entry, length);
        length
    }

    fn length(&mut self, entry: u64) -> Option<usize> {
        let (mut seen, mut open) = (BTreeSet::new(), vec![entry]);
        while let Some(pc) = open.pop() {
            if seen.contains(&pc) {
                continue;
            }
            // Code that is left to another engine.
            let Some(insn) = self.decode(pc) else { continue };
            seen.insert(pc);
            if seen.len() > self.limits.follower {
                return None;
            }
            let next = self.after(pc, &insn);
            match insn.row.flow {
                Flow::Next | Flow::Call | Flow::IndirectCall => open.push(next),
                Flow::Branch => open.push(self.target(pc, &insn)?),
                Flow::CondBranch => {
                    let to = self.target(pc, &insn)?;
                    open.extend(self.sides(entry, to, next).into_iter().flatten());
                }
                _ => {}
            }
        }
        Some(seen.len())
    }

    /// Takes in the function that a call goes to, if it is small.
    fn call(&mut self, from: Place, entry: u64, back: u64) {
        if let Some(number) = self.take_in(from, entry, back) {
            self.callees.insert(from, number);
        }
    }

    /// The same of those that an indirect call goes to.
    fn guess(&mut self, from: Place, back: u64) {
        let known = self.code.callees(from.1);
        let taken = known.into_iter().filter_map(|entry| {
            let call = self.take_in(from, entry, back)?;
            Some((entry, Way { call, ..Way::default() }))
        });
        let taken = taken.take(GUESSES).collect();
        self.compare(from, taken);
    }

    /// Has where the indirect call or jump at a place goes compared with these addresses.
    fn compare(&mut self, from: Place, guesses: Vec<(u64, Way)>) {
        if !guesses.is_empty() {
            self.guesses.insert(from, guesses);
        }
    }

    /// Takes a function in that is called, if it is small. Gives the number of the call.
    fn take_in(&mut self, from: Place, entry: u64, back: u64) -> Option<u32> {
        let Call { depth, .. } = self.calls[from.0.call as usize];
        let room = self.insns.len() + self.limits.callee < self.room();
        if depth >= DEPTH || self.calls.len() > self.limits.callees || !room || !self.is_small(entry) {
            return None;
        }
        let number = self.calls.len() as u32;
        self.open.push((Way { call: number, ..Way::default() }, entry));
        self.calls.push(Call { outer: from.0.call, entry, back, depth: depth + 1 });
        Some(number)
    }

    /// Whether a function has few instructions, all of which are translated.
    fn is_small(&mut self, entry: u64) -> bool {
        if let Some(known) = self.small.get(&entry) {
            return *known;
        }
        let small = self.code.wanted(entry) && self.measure(entry).is_some();
        self.small.insert(entry, small);
        small
    }

    fn measure(&mut self, entry: u64) -> Option<()> {
        let (mut seen, mut open, mut returns) = (BTreeSet::new(), vec![entry], false);
        while let Some(pc) = open.pop() {
            if !seen.insert(pc) {
                continue;
            }
            if seen.len() > self.limits.callee {
                return None;
            }
            let insn = self.decode(pc)?;
            let next = self.after(pc, &insn);
            match insn.row.flow {
                Flow::Next => open.push(next),
                Flow::Branch => match self.target(pc, &insn)? {
                    to if is_near(entry, to) => open.push(to),
                    _ => returns = true,
                },
                Flow::CondBranch => {
                    let to = self.target(pc, &insn)?;
                    open.extend(self.sides(entry, to, next).into_iter().flatten());
                }
                Flow::Call if self.target(pc, &insn) == Some(next) => return None,
                Flow::Call | Flow::IndirectCall => open.push(next),
                // What has an index goes to a part of the same function.
                Flow::IndirectBranch if goes_elsewhere(&insn) => returns = true,
                Flow::Ret if insn.op == Op::Ret => returns = true,
                _ => return None,
            }
        }
        returns.then_some(())
    }

    fn room(&self) -> usize {
        if self.targets.is_empty() { self.limits.instructions } else { self.limits.switched }
    }

    fn after(&self, pc: u64, insn: &Insn) -> u64 {
        pc.wrapping_add(u64::from(insn.len)) & self.setting.mask()
    }

    fn target(&self, pc: u64, insn: &Insn) -> Option<u64> {
        target(pc, insn, self.setting)
    }

    fn blocks(&self) -> Region {
        // Only heads that code was found at are blocks; the entry always is one.
        let entry = (Way::default(), self.entry);
        let mut order = vec![entry];
        order.extend(self.heads.iter().filter(|head| **head != entry && self.at.contains_key(*head)));
        let is_there = |pc: &u64| self.at.contains_key(&(Way::default(), *pc));
        let targets: BTreeSet<u64> = self.targets.iter().copied().filter(is_there).collect();
        // What cannot be done at the entry is left to another engine, with all that is behind.
        let switch = !targets.is_empty() && is_there(&self.entry);
        let first = usize::from(switch);
        let numbers: HashMap<Place, usize> =
            (first..).zip(&order).map(|(number, place)| (*place, number)).collect();
        let to = |place: Place| {
            numbers.get(&place).map_or(Target::Leave(place.1), |number| Target::Block(*number))
        };
        let mut blocks = Vec::new();
        let mut arms = Vec::new();
        if switch {
            let end = End::Switch { learn: self.learn };
            let (insns, guesses) = (Vec::new(), Vec::new());
            blocks.push(Block { pc: self.entry, insns, end, guesses, callee: false, down: false });
            arms.push((self.entry, first));
            let others = targets.iter().filter(|pc| **pc != self.entry);
            arms.extend(others.filter_map(|pc| Some((*pc, *numbers.get(&(Way::default(), *pc))?))));
        }
        blocks.extend(order.iter().map(|&head| self.block(head, switch, &to)));
        Region {
            setting: self.setting,
            blocks,
            arms,
            tier: Tier::Best,
            unasked: BTreeSet::new(),
            is_full: self.is_full,
        }
    }

    /// Addresses and blocks that the indirect call or jump at a place is compared with.
    fn guesses_of(&self, from: Place, to: &impl Fn(Place) -> Target) -> Vec<(u64, usize)> {
        let known = self.guesses.get(&from).into_iter().flatten();
        let block = |&(pc, way): &(u64, Way)| match to((way, pc)) {
            Target::Block(block) => Some((pc, block)),
            Target::Leave(_) => None,
        };
        known.filter_map(block).collect()
    }

    fn block(&self, head: Place, switch: bool, to: &impl Fn(Place) -> Target) -> Block {
        let mut insns: Vec<Located> = Vec::new();
        let mut guesses = Vec::new();
        let (way, mut pc) = head;
        let end = loop {
            let Some(at) = self.at.get(&(way, pc)) else { break End::To(Target::Leave(pc)) };
            let mut at = self.insns[*at];
            let next = self.after(pc, &at.insn);
            let mut stays = None;
            let end = match (at.insn.row.flow, self.target(pc, &at.insn)) {
                (Flow::Next, _) if way.behind(&at.insn) != way => {
                    Some(End::To(to((way.behind(&at.insn), next))))
                }
                (Flow::Next, _) => None,
                (Flow::Branch, Some(target)) if !self.leaves_part(way, target) => {
                    Some(End::To(to((way, target))))
                }
                (Flow::Branch, Some(target)) if way.down => Some(End::To(Target::Leave(target))),
                (Flow::Branch | Flow::IndirectBranch, _) if way.call != 0 => {
                    let Call { outer, back, .. } = self.calls[way.call as usize];
                    stays = Some(back);
                    Some(End::Call { next: to((Way { call: outer, ..Way::default() }, back)) })
                }
                (Flow::CondBranch, Some(target)) => {
                    Some(End::Either { taken: to((way, target)), next: to((way, next)) })
                }
                (Flow::Call | Flow::IndirectCall, target) => match (self.callees.get(&(way, pc)), target) {
                    (Some(callee), Some(target)) => {
                        stays = Some(target);
                        Some(End::To(to((Way { call: *callee, ..Way::default() }, target))))
                    }
                    _ => {
                        guesses = self.guesses_of((way, pc), to);
                        Some(End::Call { next: to((way, next)) })
                    }
                },
                (Flow::IndirectBranch, _) => {
                    guesses = self.guesses_of((way, pc), to);
                    Some(End::Indirect { inside: switch, learn: self.learning.contains(&pc) })
                }
                (Flow::Ret, _) if way.call != 0 => {
                    let Call { outer, back, .. } = self.calls[way.call as usize];
                    stays = Some(back);
                    Some(End::To(to((Way { call: outer, ..Way::default() }, back))))
                }
                _ => Some(End::Elsewhere),
            };
            at.stays = stays;
            insns.push(at);
            if let Some(end) = end {
                break end;
            }
            pc = next;
            if let Target::Block(_) = to((way, pc)) {
                break End::To(to((way, pc)));
            }
        };
        Block { pc: head.1, insns, end, guesses, callee: way.call != 0, down: way.down }
    }
}

/// Makes one block of two where control comes to the second from the first alone.
fn merge(region: &mut Region) {
    let count = region.blocks.len();
    let mut ways = vec![0; count];
    ways[0] = 2;
    for block in 0..count {
        successors(region, block).for_each(|to| ways[to] += 1);
    }
    let mut gone = vec![false; count];
    for first in 0..count {
        while let End::To(Target::Block(second)) = region.blocks[first].end
            && !gone[first]
            && second != first
            && ways[second] == 1
            && region.blocks[first].insns.len() + region.blocks[second].insns.len() <= LONGEST
        {
            let insns = core::mem::take(&mut region.blocks[second].insns);
            region.blocks[first].insns.extend(insns);
            region.blocks[first].end = region.blocks[second].end;
            region.blocks[first].guesses = core::mem::take(&mut region.blocks[second].guesses);
            gone[second] = true;
        }
    }
    // The others get their numbers anew.
    let mut numbers = vec![0; count];
    let mut left = 0;
    for block in 0..count {
        numbers[block] = left;
        left += usize::from(!gone[block]);
    }
    let mut at = 0;
    region.blocks.retain(|_| {
        at += 1;
        !gone[at - 1]
    });
    for block in &mut region.blocks {
        block.guesses.iter_mut().for_each(|(_, guess)| *guess = numbers[*guess]);
        let renumber = |to: &mut Target| {
            if let Target::Block(block) = to {
                *block = numbers[*block];
            }
        };
        match &mut block.end {
            End::To(to) | End::Call { next: to } => renumber(to),
            End::Either { taken, next } => {
                renumber(taken);
                renumber(next);
            }
            End::Indirect { .. } | End::Switch { .. } | End::Elsewhere => {}
        }
    }
    region.arms.iter_mut().for_each(|(_, block)| *block = numbers[*block]);
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: u64 = 0x1000;

    /// Instructions of a byte each, and where other code begins.
    struct Nops(Vec<u64>);

    impl Code for Nops {
        fn begins(&self, pc: u64) -> bool {
            self.0.contains(&pc)
        }

        fn fetch(&self, _pc: u64, out: &mut [u8; MAX_LEN]) -> usize {
            out.fill(0x90);
            MAX_LEN
        }
    }

    #[test]
    fn a_region_that_has_no_room_for_more_ends_where_other_code_begins() {
        let setting = Setting { mode: CodeMode::Bits32, fs: false, gs: false };
        let limits = Limits { instructions: 10, ..Limits::default() };
        for (others, end) in [(vec![], 10), (vec![0, 7, 12], 7), (vec![3, 5], 5)] {
            let code = Nops(others.iter().map(|at| BASE + at).collect());
            let region = Search::new(&code, BASE, setting, FeatureSet::ALL, limits).region();
            assert_eq!((region.instructions() as u64, region.is_full), (end, true), "{others:?}");
            assert_eq!(region.exits().collect::<Vec<_>>(), [BASE + end], "{others:?}");
        }
    }
}
