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

    /// Copies bytes from `pc` on into `out` and gives their number: less than asked for where the code ends or is not there.
    fn fetch(&self, pc: u64, out: &mut [u8; MAX_LEN]) -> usize;
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
    /// Farthest distance of a block from the entry, in bytes.
    pub reach: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { instructions: 512, reach: 1 << 16 }
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
    /// The last instruction goes wherever it likes: `ret`, an indirect jump.
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

/// Code that is translated as one function. Block 0 is the entry.
#[derive(Clone, Debug)]
pub struct Region {
    /// What it is translated for.
    pub setting: Setting,
    /// The blocks, in the order of their addresses but for the entry.
    pub blocks: Vec<Block>,
}

impl Region {
    /// Address of the entry.
    pub fn entry(&self) -> u64 {
        self.blocks.first().map_or(0, |block| block.pc)
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
                End::Elsewhere => (None, None),
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
}

impl<C: Code> Search<'_, C> {
    fn decode(&self, pc: u64) -> Option<Insn> {
        decode_at(self.code, pc, self.setting, self.features)
    }

    fn run(&mut self) {
        let setting = self.setting;
        let mut probe = Probe::new(setting);
        let mut open = Vec::from([self.entry]);
        while let Some(head) = open.pop() {
            if !self.heads.insert(head) {
                continue;
            }
            let mut pc = head;
            while !self.at.contains_key(&pc) && self.insns.len() < self.limits.instructions {
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
                    _ => break,
                }
                pc = next;
            }
        }
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
        let numbers: HashMap<u64, usize> =
            order.iter().enumerate().map(|(number, pc)| (*pc, number)).collect();
        let to = |pc: u64| numbers.get(&pc).map_or(Target::Leave(pc), |number| Target::Block(*number));
        let blocks = order.iter().map(|&head| self.block(head, &to)).collect();
        Region { setting: self.setting, blocks }
    }

    fn block(&self, head: u64, to: &impl Fn(u64) -> Target) -> Block {
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
