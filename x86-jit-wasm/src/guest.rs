//! The code of a program, as a translation sees it.

use crate::cache::{Key, Translations};
use crate::layout::Called;
use crate::learn::Jumps;
use crate::region::{Code, Setting, Targets, Tier};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use guest_mem::AddressSpace;
use x86_cpu::BaseEngine;
use x86_decode::MAX_LEN;

/// Of the samples of an indirect jump, how many go where it goes often.
const OFTEN: u32 = 2;

/// Code of an address space, and what has run of it.
pub(crate) struct Guest<'a, B> {
    pub(crate) mem: &'a AddressSpace,
    /// And how often it is to have run.
    pub(crate) base: Option<(&'a B, u32)>,
    pub(crate) setting: Setting,
    pub(crate) known: Option<(&'a Jumps, &'a Translations)>,
    /// Whether a region ends where there is a translation already, or is about to be one.
    pub(crate) apart: Option<&'a BTreeSet<u64>>,
    /// Where indirect calls and jumps went.
    pub(crate) called: Option<&'a Called>,
    pub(crate) reach: u64,
}

impl<B> Guest<'_, B> {
    fn tier(&self, pc: u64) -> Option<Tier> {
        let (_, translations) = self.known?;
        translations.tier(self.mem, Key { pc, setting: self.setting })
    }
}

impl<B: BaseEngine> Code for Guest<'_, B> {
    fn wanted(&self, pc: u64) -> bool {
        self.base.is_none_or(|(base, bar)| base.arrivals(self.mem, pc) >= bar) || self.tier(pc).is_some()
    }

    fn goes_on(&self, head: u64, taken: u64, next: u64) -> bool {
        let Some((base, _)) = self.base else { return true };
        // What is behind a conditional jump is a block for others only if control comes there otherwise, too. It has not run where all that came from
        // before went the other way; not where more have come there, as that is from elsewhere.
        let [before, other] = [head, taken].map(|pc| base.arrivals(self.mem, pc));
        before == u32::MAX || other.abs_diff(before) > 1 || self.wanted(next)
    }

    fn is_translated(&self, pc: u64) -> bool {
        self.apart.is_some_and(|others| others.contains(&pc) || self.tier(pc).is_some())
    }

    fn begins(&self, pc: u64) -> bool {
        self.tier(pc).is_some()
    }

    fn targets(&self, pc: u64, entry: u64) -> Targets {
        let Some((jumps, translations)) = self.known else { return Targets::default() };
        let jump = Key { pc, setting: self.setting };
        jumps.targets(jump, entry, self.reach, |key| translations.tier(self.mem, key) == Some(Tier::Best))
    }

    fn callees(&self, pc: u64) -> Vec<u64> {
        let noted = self.called.map(|called| called.of(pc)).unwrap_or_default();
        noted.into_iter().map(|(to, _)| to).collect()
    }

    fn goes_often(&self, pc: u64) -> Vec<u64> {
        let noted = self.called.map(|called| called.of(pc)).unwrap_or_default();
        noted.into_iter().filter(|(_, samples)| *samples >= OFTEN).map(|(to, _)| to).collect()
    }

    fn fetch(&self, pc: u64, out: &mut [u8; MAX_LEN]) -> usize {
        self.mem.fetch(pc, out).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::{Limits, Region};
    use guest_mem::{FramePool, Prot, Vma};
    use x86_cpu::{CodeMode, CpuState, Exit, Pause, Start};
    use x86_decode::FeatureSet;
    use x86_interp::Interp;

    const BASE: u64 = 0x1000;

    /// The addresses of the region at the beginning of some code, after the interpreter has run that with `eax`.
    fn region(code: &[u8], eax: u64) -> BTreeSet<u64> {
        let mem = AddressSpace::new(&FramePool::new(8));
        mem.map(Vma::anonymous(BASE, BASE + 0x1000, Prot::READ | Prot::WRITE | Prot::EXEC)).expect("maps");
        mem.write_bytes(BASE, code).expect("writable");
        let mut cpu = CpuState::new(CodeMode::Bits32);
        (cpu.rip, cpu.gpr[0], cpu.gpr[1]) = (BASE, eax, 1000);
        let mut interp = Interp::new();
        interp.set_threshold(1_000_000);
        let (pause, _) = interp.run_profiled(&mut cpu, &mem, 100_000, Start::Arrival);
        assert!(matches!(pause, Pause::Exit(Exit::Exception(_))), "it ends by hlt: {pause:?}");
        let setting = Setting { mode: CodeMode::Bits32, fs: false, gs: false };
        let code = Guest {
            mem: &mem,
            base: Some((&interp, 2)),
            setting,
            known: None,
            apart: None,
            called: None,
            reach: 1 << 16,
        };
        let region = Region::discover(&code, BASE, setting, FeatureSet::ALL, Limits::default());
        region.blocks.iter().flat_map(|block| &block.insns).map(|at| at.pc - BASE).collect()
    }

    #[test]
    fn code_behind_a_jump_is_there_as_it_has_run() {
        // 0: dec ecx; test eax, eax; jz 0xd; 5: inc edx; 6: test ecx, ecx; jnz 0; hlt; 0xd: inc ebx; jmp 6.
        let code =
            [0x49, 0x85, 0xc0, 0x74, 8, 0x42, 0x85, 0xc9, 0x75, 0xf6, 0xf4, 0x90, 0x90, 0x43, 0xeb, 0xf6];
        let never = region(&code, 1);
        assert!(never.contains(&5) && never.contains(&8) && !never.contains(&0xd), "{never:x?}");
        let always = region(&code, 0);
        assert!(!always.contains(&5) && always.contains(&8) && always.contains(&0xd), "{always:x?}");
    }
}
