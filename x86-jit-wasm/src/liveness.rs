//! Where somebody may still ask for the arithmetic flags.
//!
//! Flags that code overwrites before it reads them need not be right where that code is left for another engine in between: it does the
//! same instructions. What sees the difference is who looks at the flags of another program, or of an interrupted one, at
//! such a place (ADR 14).

use crate::region::{Block, End, Region, Target};
use crate::structure::successors;
use alloc::vec;
use alloc::vec::Vec;
use x86_decode::{FlagSet, Flow, Insn, Op};

/// Of a block, whether any of the flags is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// Before each of its instructions.
    pub(crate) before: Vec<bool>,
    /// Behind it.
    pub(crate) behind: bool,
}

impl Wanted {
    /// Of code of which nothing more is known.
    pub(crate) fn always(instructions: usize) -> Wanted {
        Wanted { before: vec![true; instructions], behind: true }
    }

    /// Where it begins.
    pub(crate) fn at_start(&self) -> bool {
        self.before.first().copied().unwrap_or(self.behind)
    }
}

/// By block.
pub(crate) fn wanted(region: &Region) -> Vec<Wanted> {
    let count = region.blocks.len();
    // What each block asks for itself, and what it hands on of what is wanted behind it: each flag by itself, so that two sets tell.
    let through = |set: FlagSet| -> Vec<FlagSet> {
        let start = |block: &Block| block.insns.iter().rev().fold(set, |set, at| before(&at.insn, set));
        region.blocks.iter().map(start).collect()
    };
    let (asked, handed_on) = (through(FlagSet::NONE), through(FlagSet::STATUS));
    let mut start = vec![FlagSet::NONE; count];
    let mut again = true;
    while again {
        again = false;
        for number in (0..count).rev() {
            let new = behind(region, number, &start).and(handed_on[number]).or(asked[number]);
            again |= new != start[number];
            start[number] = new;
        }
    }
    let of = |number: usize| {
        let mut set = behind(region, number, &start);
        let insns = &region.blocks[number].insns;
        let mut wanted = Wanted { before: vec![false; insns.len()], behind: !set.is_empty() };
        for (at, wanted) in insns.iter().zip(&mut wanted.before).rev() {
            set = before(&at.insn, set);
            *wanted = !set.is_empty();
        }
        wanted
    };
    (0..count).map(of).collect()
}

/// What is wanted behind a block. Whoever the region is left for may want all of them, but for places that are known not to.
fn behind(region: &Region, block: usize, start: &[FlagSet]) -> FlagSet {
    let asks = |pc: u64| !region.unasked.contains(&pc);
    let leaves = |target| matches!(target, Target::Leave(pc) if asks(pc));
    let leaves = match region.blocks[block].end {
        End::To(to) => leaves(to),
        End::Either { taken, next } => leaves(taken) || leaves(next),
        End::Call { .. } => {
            if region.callee(block).is_some_and(|pc| !asks(pc)) {
                return FlagSet::NONE;
            }
            true
        }
        End::Indirect { .. } | End::Switch { .. } | End::Elsewhere => true,
    };
    if leaves {
        return FlagSet::STATUS;
    }
    successors(region, block).fold(FlagSet::NONE, |set, next| set.or(start[next]))
}

/// Instructions that are looked at.
const AHEAD: usize = 12;

/// Whether the code at an address overwrites all flags before it asks for any, as far as it goes on without a choice. `decode` gives an instruction and where its
/// jump goes, if that is known.
pub(crate) fn is_unasked(pc: u64, mut decode: impl FnMut(u64) -> Option<(Insn, Option<u64>)>) -> bool {
    let (mut pc, mut old) = (pc, FlagSet::STATUS);
    for _ in 0..AHEAD {
        let Some((insn, target)) = decode(pc) else { return false };
        if !insn.flags().read.and(old).is_empty() {
            return false;
        }
        old = old.and(before(&insn, FlagSet::STATUS));
        if old.is_empty() {
            return true;
        }
        pc = match (insn.row.flow, target) {
            (Flow::Next, _) => pc.wrapping_add(u64::from(insn.len)),
            (Flow::Branch | Flow::Call, Some(target)) => target,
            _ => return false,
        };
    }
    false
}

/// What is wanted before an instruction, by what is behind it.
fn before(insn: &Insn, behind: FlagSet) -> FlagSet {
    if insn.row.flow == Flow::Ret {
        // Of a function that is part of the region, too: it may go elsewhere after all.
        return FlagSet::STATUS;
    }
    let flags = insn.flags();
    // All engines clear the one that these leave undefined.
    let logic = matches!(insn.op, Op::And | Op::Or | Op::Xor | Op::Test);
    let changed = if logic { flags.written.or(flags.undefined) } else { flags.written };
    behind.without(changed.without(flags.kept)).or(flags.read).and(FlagSet::STATUS)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::region::{Code, Limits, Setting};
    use crate::search::{decode_at, target};
    use x86_cpu::CodeMode;
    use x86_decode::{FeatureSet, MAX_LEN};

    /// Where it begins, and what it is translated for.
    pub(crate) const BASE: u64 = 0x1000;
    pub(crate) const SETTING: Setting = Setting { mode: CodeMode::Bits32, fs: false, gs: false };

    /// Code of which nothing else is known.
    pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

    impl Code for Bytes<'_> {
        fn fetch(&self, pc: u64, out: &mut [u8; MAX_LEN]) -> usize {
            let rest = self.0.get(pc.wrapping_sub(BASE) as usize..).unwrap_or_default();
            let got = rest.len().min(MAX_LEN);
            out[..got].copy_from_slice(&rest[..got]);
            got
        }
    }

    /// Where the flags are wanted before an instruction, by its distance from the beginning; the same in each turn of a loop.
    fn places(code: &[u8]) -> Vec<(u64, bool)> {
        let region = Region::discover(&Bytes(code), BASE, SETTING, FeatureSet::ALL, Limits::default());
        let of = |(block, wanted): (&Block, Wanted)| -> Vec<(u64, bool)> {
            block.insns.iter().map(|at| at.pc - BASE).zip(wanted.before).collect()
        };
        let mut places: Vec<_> = region.blocks.iter().zip(wanted(&region)).flat_map(of).collect();
        places.sort_unstable();
        places.dedup();
        places
    }

    #[test]
    fn a_loop_that_compares_wants_none_where_it_begins() {
        // 0: mov [ebx], al; 2: inc ebx; 3: cmp ebx, ecx; 5: jne 0; 7: ret.
        let code = [0x88, 0x03, 0x43, 0x39, 0xcb, 0x75, 0xf9, 0xc3];
        let wanted = [(0, false), (2, false), (3, false), (5, true), (7, true)];
        assert_eq!(places(&code), wanted);
    }

    #[test]
    fn what_is_kept_or_read_is_wanted() {
        // 0: mov [ebx], al; 2: inc ebx, which keeps CF; 3: adc eax, 0, which reads it; 6: ret.
        assert_eq!(places(&[0x88, 0x03, 0x43, 0x83, 0xd0, 0, 0xc3])[..3], [(0, true), (2, true), (3, true)]);
        // 0: shl eax, cl, which keeps all of them if cl is 0; 2: jne 4; 4: ret.
        assert_eq!(places(&[0xd3, 0xe0, 0x75, 0, 0xc3])[0], (0, true));
        // 0: test eax, eax, which leaves AF undefined; 2: jne 4; 4: ret.
        assert_eq!(places(&[0x85, 0xc0, 0x75, 0, 0xc3])[0], (0, false));
    }

    #[test]
    fn code_elsewhere_is_looked_at_as_far_as_it_goes_on() {
        let unasked = |code: &[u8]| {
            let decode = |pc: u64| {
                let insn = decode_at(&Bytes(code), pc, SETTING, FeatureSet::ALL)?;
                Some((insn, target(pc, &insn, SETTING)))
            };
            is_unasked(BASE, decode)
        };
        // push ebp; mov ebp, esp; sub esp, 8.
        assert!(unasked(&[0x55, 0x89, 0xe5, 0x83, 0xec, 8]));
        // jmp over an int3; xor eax, eax.
        assert!(unasked(&[0xeb, 1, 0xcc, 0x31, 0xc0]));
        // setc al; xor eax, eax.
        assert!(!unasked(&[0x0f, 0x92, 0xc0, 0x31, 0xc0]));
        // ret; and what cannot be decoded.
        assert!(!unasked(&[0xc3]));
        assert!(!unasked(&[0x90]));
    }
}
