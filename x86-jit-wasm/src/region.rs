//! Regions: the code that is translated as one function, everything reached from an entry by direct jumps.

use crate::layout::Entrance;
use crate::search::{Search, target};
use crate::unroll::unroll;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use x86_cpu::CodeMode;
use x86_decode::{FeatureSet, Insn, MAX_LEN};

/// Where the bytes of code come from.
pub trait Code {
    /// Whether control has come often enough to the code at `pc`, which a conditional jump may go to, for it to be worth having.
    fn wanted(&self, _pc: u64) -> bool {
        true
    }

    /// Whether control goes on to `next` often enough for that to be worth having, from a conditional jump to `taken` that it comes to from `head`.
    fn goes_on(&self, _head: u64, _taken: u64, next: u64) -> bool {
        self.wanted(next)
    }

    /// Whether control that comes to `pc` is to leave the region, as there is a translation to go on with.
    fn is_translated(&self, _pc: u64) -> bool {
        false
    }

    /// Whether there is a translation of the code at `pc`: where a region has no room for more, it ends before such code.
    fn begins(&self, _pc: u64) -> bool {
        false
    }

    /// Where the indirect jump at `pc` in a region goes; of the entry of a region, where the [switch](End::Switch) there cannot go.
    fn targets(&self, _pc: u64, _entry: u64) -> Targets {
        Targets::default()
    }

    /// Where the indirect call at `pc` goes, as far as is known, the most frequent first: small functions there become part of the region, too.
    fn callees(&self, _pc: u64) -> Vec<u64> {
        Vec::new()
    }

    /// Where the indirect jump at `pc` goes often, the most frequent first: what is short there follows it directly, beside being an arm of the [switch](End::Switch).
    fn goes_often(&self, _pc: u64) -> Vec<u64> {
        Vec::new()
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
    /// Instructions of a function that becomes part of those that call it.
    pub callee: usize,
    /// Such calls in a region.
    pub callees: usize,
    /// Instructions between two indirect jumps that follow the first one directly.
    pub follower: usize,
    /// Instructions of all that does.
    pub followers: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            instructions: 512,
            switched: 3000,
            reach: 1 << 16,
            callee: 24,
            callees: 40,
            follower: 24,
            followers: 800,
        }
    }
}

/// An instruction and where it stands.
#[derive(Clone, Copy, Debug)]
pub struct Located {
    /// Address.
    pub pc: u64,
    /// The instruction.
    pub insn: Insn,
    /// Of a call or return that control does not leave the region by, where it goes; of a jump that leaves a function which is part of
    /// the region, where that one comes back to.
    pub stays: Option<u64>,
}

impl Located {
    /// An instruction that is nothing special.
    pub fn at(pc: u64, insn: Insn) -> Located {
        Located { pc, insn, stays: None }
    }
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
    /// By the call that is the block's last instruction, or by a jump from a function that is part of the region to another one.
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

/// Straight-line code: each instruction is followed by the next, but not always by one that stands behind it.
#[derive(Clone, Debug)]
pub struct Block {
    /// Address of the first instruction.
    pub pc: u64,
    /// The instructions; none where the first one is left to another engine.
    pub insns: Vec<Located>,
    /// How it ends.
    pub end: End,
    /// Of an indirect call at its end, functions that are part of the region, or of an indirect jump, what follows it directly: where it goes to one of these addresses, control comes to the block.
    pub guesses: Vec<(u64, usize)>,
    /// Whether it begins in a function that the region calls.
    pub callee: bool,
    /// Whether DF is set where it begins.
    pub down: bool,
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
    /// How it is translated.
    pub tier: Tier,
    /// Of the addresses that it is left for or that it calls, those whose code overwrites all arithmetic flags before it asks for any.
    pub unasked: BTreeSet<u64>,
    /// Whether it ends for lack of room.
    pub is_full: bool,
}

/// How a region is translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Tier {
    /// In little time: state is in memory between blocks, and control may come from outside to each of them.
    Quick,
    /// As loops and conditions, with registers in locals. Control comes to the entry alone, or to [arms](Region::arms).
    #[default]
    Best,
}

impl Region {
    /// Address of the entry.
    pub fn entry(&self) -> u64 {
        self.blocks.first().map_or(0, |block| block.pc)
    }

    /// Addresses at which control may come to it, the entry first, and where that is if its first function is at a place of the table of functions.
    pub fn entrances(&self, first: u32) -> impl Iterator<Item = (u64, Entrance)> {
        let (arms, blocks) = match self.tier {
            Tier::Quick => ([].as_slice(), self.blocks.as_slice()),
            Tier::Best => (self.arms.as_slice(), [].as_slice()),
        };
        let arm = |(slot, (pc, _)): (u32, &(u64, usize))| (*pc, Entrance { slot, block: 0 });
        let block = move |(block, code): (u16, &Block)| (code.pc, Entrance { slot: first, block });
        let arms = (first..).zip(arms).skip(1).map(arm);
        let blocks = (0..).zip(blocks).skip(1).filter(|(_, block)| !block.down).map(block);
        [(self.entry(), Entrance { slot: first, block: 0 })].into_iter().chain(arms).chain(blocks)
    }

    /// The addresses of these.
    pub fn entries(&self) -> impl Iterator<Item = u64> {
        self.entrances(0).map(|(pc, _)| pc)
    }

    /// How many functions it is in a table of functions.
    pub fn functions(&self) -> u32 {
        self.arms.len().max(1) as u32
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
        (0..self.blocks.len()).filter_map(|block| self.callee(block))
    }

    /// Whether control comes from a block to another by a call that leaves the region in between.
    pub(crate) fn calls_between(&self, from: usize, to: usize) -> bool {
        let block = &self.blocks[from];
        matches!(block.end, End::Call { .. }) && block.guesses.iter().all(|(_, guess)| *guess != to)
    }

    /// What a block calls at its end, if that is known.
    pub(crate) fn callee(&self, block: usize) -> Option<u64> {
        let block = &self.blocks[block];
        let at = block.insns.last().filter(|_| matches!(block.end, End::Call { .. }))?;
        target(at.pc, &at.insn, self.setting)
    }

    /// Finds the region that begins at `entry`, where an instruction is not [taken](crate::takes()), the region is left.
    pub fn discover(
        code: &impl Code,
        entry: u64,
        setting: Setting,
        features: FeatureSet,
        limits: Limits,
    ) -> Region {
        let mut region = Search::new(code, entry, setting, features, limits).region();
        unroll(&mut region);
        region
    }

    /// The same for the [quick](Tier::Quick) tier. `instructions` bounds it.
    pub fn discover_quick(
        code: &impl Code,
        entry: u64,
        setting: Setting,
        features: FeatureSet,
        instructions: usize,
    ) -> Region {
        let limits = Limits { instructions, callees: 0, ..Limits::default() };
        let region = Search::new(code, entry, setting, features, limits).without_switch().region();
        Region { tier: Tier::Quick, ..region }
    }
}
