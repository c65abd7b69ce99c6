//! Regions: the code that is translated as one function, everything reached from an entry by direct jumps.

use crate::lift::Probe;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use hashbrown::HashMap;
use x86_cpu::CodeMode;
use x86_decode::{FeatureSet, Flow, Insn, MAX_LEN, Mode, Operand, decode_for};

/// Where the bytes of code come from.
pub trait Code {
    /// Whether the code at `pc`, which a conditional jump may go to, is worth having: that which has never run mostly is not.
    fn wanted(&self, _pc: u64) -> bool {
        true
    }

    /// Where the indirect jump at `pc` in a region goes; of the entry of a region, where the [switch](End::Switch) there cannot go.
    fn targets(&self, _pc: u64, _entry: u64) -> Targets {
        Targets::default()
    }

    /// Copies bytes from `pc` on into `out` and gives their number: less than asked for where the code ends or is not there.
    fn fetch(&self, pc: u64, out: &mut [u8; MAX_LEN]) -> usize;
}

/// What is known of an indirect jump.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Targets {
    /// Addresses that it has gone to, the most frequent first. What is near enough becomes part of the region.
    pub known: Vec<u64>,
    /// Whether the engine is to be told where else it goes.
    pub learn: bool,
}

/// What code is translated for. A change of it is a change of code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Setting {
    /// Width of the code. In 32-bit code, ES, CS, SS and DS are flat.
    pub mode: CodeMode,
    /// FS is flat but for its base. In 64-bit code it always is.
    pub fs: bool,
    /// The same of GS.
    pub gs: bool,
}

impl Setting {
    /// Mask of addresses.
    pub(crate) fn mask(self) -> u64 {
        match self.mode {
            CodeMode::Bits32 => u64::from(u32::MAX),
            CodeMode::Bits64 => u64::MAX,
        }
    }
}

/// What bounds a region.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Instructions.
    pub instructions: usize,
    /// Instructions of a region with indirect jumps that stay in it: the loop of an interpreter is worth having in one piece.
    pub switched: usize,
    /// Farthest distance of a block from the entry, in bytes.
    pub reach: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { instructions: 512, switched: 3000, reach: 1 << 16 }
    }
}

/// An instruction and where it stands.
#[derive(Clone, Copy, Debug)]
pub struct Located {
    /// Address.
    pub pc: u64,
    /// The instruction.
    pub insn: Insn,
}

/// Where control goes from the end of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// To a block of the region, by number.
    Block(usize),
    /// Out of the region, to this address.
    Leave(u64),
}

/// How a block ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Always there, by falling through or by a direct jump.
    To(Target),
    /// By the conditional jump that is the block's last instruction.
    Either {
        /// Where it jumps.
        taken: Target,
        /// The next instruction.
        next: Target,
    },
    /// By the call that is the block's last instruction.
    Call {
        /// The next instruction, where it comes back to.
        next: Target,
    },
    /// By the indirect jump that is the block's last instruction.
    Indirect {
        /// Whether it goes to the region's [switch](End::Switch), which is block 0.
        inside: bool,
        /// Whether the engine is to be told where it goes if that is not in the region.
        learn: bool,
    },
    /// To one of the region's [arms](Region::arms) or out of it, as the address says that control comes with. Such a block has no
    /// instructions.
    Switch {
        /// Whether the engine is to be told where else it goes.
        learn: bool,
    },
    /// The last instruction is a return, or not translated.
    Elsewhere,
}

/// Straight-line code.
#[derive(Clone, Debug)]
pub struct Block {
    /// Address of the first instruction.
    pub pc: u64,
    /// The instructions; none where the first one is left to another engine.
    pub insns: Vec<Located>,
    /// How it ends.
    pub end: End,
}

/// Code that is translated as one function. Block 0 is the entry, or a switch to all entries.
#[derive(Clone, Debug)]
pub struct Region {
    /// What it is translated for.
    pub setting: Setting,
    /// The blocks, in the order of their addresses but for the entry.
    pub blocks: Vec<Block>,
    /// Where indirect jumps go that stay in the region, as addresses and blocks. If there are any, block 0 is a [switch](End::Switch)
    /// and the first of them is the entry; control may come to each of them from outside.
    pub arms: Vec<(u64, usize)>,
}

impl Region {
    /// Address of the entry.
    pub fn entry(&self) -> u64 {
        self.blocks.first().map_or(0, |block| block.pc)
    }

    /// Addresses at which control may come to it, the entry first.
    pub fn entries(&self) -> impl Iterator<Item = u64> {
        let others = self.arms.iter().skip(1).map(|(pc, _)| *pc);
        [self.entry()].into_iter().chain(others)
    }

    /// Whether the code at the entry is left to another engine.
    pub fn is_empty(&self) -> bool {
        self.arms.is_empty() && self.blocks.first().is_none_or(|block| block.insns.is_empty())
    }

    /// How many instructions it has.
    pub fn instructions(&self) -> usize {
        self.blocks.iter().map(|block| block.insns.len()).sum()
    }

    /// Where direct jumps leave it for.
    pub fn exits(&self) -> impl Iterator<Item = u64> {
        let leave = |target: Target| match target {
            Target::Leave(pc) => Some(pc),
            Target::Block(_) => None,
        };
        self.blocks.iter().flat_map(move |block| {
            let (a, b) = match block.end {
                End::To(to) | End::Call { next: to } => (leave(to), None),
                End::Either { taken, next } => (leave(taken), leave(next)),
                End::Indirect { .. } | End::Switch { .. } | End::Elsewhere => (None, None),
            };
            [a, b].into_iter().flatten()
        })
    }

    /// Targets of direct calls.
    pub fn calls(&self) -> impl Iterator<Item = u64> {
        let direct = |block: &Block| {
            let at = block.insns.last().filter(|at| at.insn.row.flow == Flow::Call)?;
            target(at.pc, &at.insn, self.setting)
        };
        self.blocks.iter().filter_map(direct)
    }

    /// Finds the region that begins at `entry`, where an instruction is not [taken](takes), the region is left.
    pub fn discover(
        code: &impl Code,
        entry: u64,
        setting: Setting,
        features: FeatureSet,
        limits: Limits,
    ) -> Region {
        let mut search = Search {
            code,
            setting,
            features,
            limits,
            entry,
            insns: Vec::new(),
            at: HashMap::new(),
            heads: BTreeSet::new(),
            targets: Vec::new(),
            learning: BTreeSet::new(),
            learn: false,
        };
        search.run();
        search.blocks()
    }
}

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
fn target(pc: u64, insn: &Insn, setting: Setting) -> Option<u64> {
    let next = pc.wrapping_add(u64::from(insn.len));
    insn.operands.iter().find_map(|operand| match *operand {
        Operand::Rel(by) => Some(next.wrapping_add(by as u64) & setting.mask()),
        _ => None,
    })
}

struct Search<'a, C> {
    code: &'a C,
    setting: Setting,
    features: FeatureSet,
    limits: Limits,
    entry: u64,
    /// In the order in which they were found.
    insns: Vec<Located>,
    /// Where in it the instruction at an address is.
    at: HashMap<u64, usize>,
    /// Where blocks begin.
    heads: BTreeSet<u64>,
    /// Where indirect jumps go.
    targets: Vec<u64>,
    /// Indirect jumps of which the engine wants to know more.
    learning: BTreeSet<u64>,
    /// And whether of the switch, too.
    learn: bool,
}

impl<C: Code> Search<'_, C> {
    fn decode(&self, pc: u64) -> Option<Insn> {
        decode_at(self.code, pc, self.setting, self.features)
    }

    fn run(&mut self) {
        let setting = self.setting;
        let mut probe = Probe::new(setting);
        let mut open = Vec::from([self.entry]);
        let mut asked = false;
        loop {
            let Some(head) = open.pop() else {
                if asked || self.targets.is_empty() {
                    break;
                }
                // What the switch has missed so far.
                asked = true;
                let Targets { known, learn } = self.code.targets(self.entry, self.entry);
                open.extend(known.iter().rev());
                self.targets.extend(known);
                self.learn = learn;
                continue;
            };
            if !self.heads.insert(head) {
                continue;
            }
            let mut pc = head;
            while !self.at.contains_key(&pc) && self.insns.len() < self.room() {
                let Some(insn) = self.decode(pc).filter(|insn| probe.takes(insn)) else { break };
                self.at.insert(pc, self.insns.len());
                self.insns.push(Located { pc, insn });
                let next = self.after(pc, &insn);
                let mut reach = |to: u64| {
                    if to.abs_diff(self.entry) <= self.limits.reach {
                        open.push(to);
                    }
                };
                match insn.row.flow {
                    Flow::Next => {}
                    Flow::Branch => {
                        if let Some(to) = self.target(pc, &insn) {
                            reach(to);
                        }
                        break;
                    }
                    Flow::CondBranch => {
                        let to = self.target(pc, &insn).unwrap_or(next);
                        let wanted = [to, next].map(|pc| self.code.wanted(pc));
                        // Where neither has run, nothing is known.
                        let none = wanted == [false, false];
                        if wanted[0] || none {
                            reach(to);
                        }
                        if wanted[1] || none {
                            reach(next);
                        }
                        break;
                    }
                    Flow::Call | Flow::IndirectCall => {
                        reach(next);
                        break;
                    }
                    Flow::IndirectBranch => {
                        let Targets { known, learn } = self.code.targets(pc, self.entry);
                        // The last one is looked at first.
                        known.iter().rev().copied().for_each(reach);
                        self.targets.extend(known);
                        if learn {
                            self.learning.insert(pc);
                        }
                        break;
                    }
                    _ => break,
                }
                pc = next;
            }
        }
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
        let mut order = Vec::from([self.entry]);
        order.extend(self.heads.iter().filter(|head| **head != self.entry && self.at.contains_key(*head)));
        let targets: BTreeSet<u64> =
            self.targets.iter().copied().filter(|pc| self.at.contains_key(pc)).collect();
        // What cannot be done at the entry is left to another engine, with all that is behind.
        let switch = !targets.is_empty() && self.at.contains_key(&self.entry);
        let first = usize::from(switch);
        let numbers: HashMap<u64, usize> = (first..).zip(&order).map(|(number, pc)| (*pc, number)).collect();
        let to = |pc: u64| numbers.get(&pc).map_or(Target::Leave(pc), |number| Target::Block(*number));
        let mut blocks = Vec::new();
        let mut arms = Vec::new();
        if switch {
            blocks.push(Block { pc: self.entry, insns: Vec::new(), end: End::Switch { learn: self.learn } });
            arms.push((self.entry, first));
            let others = targets.iter().filter(|pc| **pc != self.entry);
            arms.extend(others.filter_map(|pc| Some((*pc, *numbers.get(pc)?))));
        }
        blocks.extend(order.iter().map(|&head| self.block(head, switch, &to)));
        Region { setting: self.setting, blocks, arms }
    }

    fn block(&self, head: u64, switch: bool, to: &impl Fn(u64) -> Target) -> Block {
        let mut insns = Vec::new();
        let mut pc = head;
        let end = loop {
            let Some(at) = self.at.get(&pc) else { break End::To(Target::Leave(pc)) };
            let Located { insn, .. } = &self.insns[*at];
            insns.push(self.insns[*at]);
            let next = self.after(pc, insn);
            match (insn.row.flow, self.target(pc, insn)) {
                (Flow::Next, _) => {}
                (Flow::Branch, Some(target)) => break End::To(to(target)),
                (Flow::CondBranch, Some(target)) => break End::Either { taken: to(target), next: to(next) },
                (Flow::Call | Flow::IndirectCall, _) => break End::Call { next: to(next) },
                (Flow::IndirectBranch, _) => {
                    break End::Indirect { inside: switch, learn: self.learning.contains(&pc) };
                }
                _ => break End::Elsewhere,
            }
            pc = next;
            if let Target::Block(_) = to(pc) {
                break End::To(to(pc));
            }
        };
        Block { pc: head, insns, end }
    }
}
