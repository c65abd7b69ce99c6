//! The loop: find a block, run its operations, see why it ended.

use crate::cache::{BLOCK_INSNS, BlockCache, Ops, place};
use crate::cx::{Cx, Stop};
use crate::entropy::Entropy;
use crate::features::features;
use crate::hot::{self, Hot};
use crate::strict;
use crate::uop::{LowerMode, Uop};
use core::fmt;
use guest_mem::{AddressSpace, NoFastPath};
use x86_cpu::{
    BaseEngine, CpuState, Cpuid, Exception, ExecEngine, Exit, Level, Pause, RunOutcome, Start, Vector,
};
use x86_decode::FeatureSet;

/// Instructions kept decoded by default: 16 MiB.
const DEFAULT_CAPACITY: usize = 1 << 19;

/// The interpreter: an engine over a cache of decoded blocks. One serves every process of a machine (one pool).
pub struct Interp {
    cache: BlockCache,
    cpuid: Cpuid,
    entropy: Entropy,
    /// What takes the place of the fast path while EFLAGS.AC is set.
    no_fast: Box<NoFastPath>,
}

impl fmt::Debug for Interp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (blocks, instructions) = self.cache.size();
        f.debug_struct("Interp").field("blocks", &blocks).field("instructions", &instructions).finish()
    }
}

impl Default for Interp {
    fn default() -> Interp {
        Interp::new()
    }
}

impl Interp {
    /// With the default processor model and cache size.
    pub fn new() -> Interp {
        Interp::of(Level::default())
    }

    /// With the processor model of a level and the default cache size.
    pub fn of(level: Level) -> Interp {
        Interp::with(Cpuid::of(level), DEFAULT_CAPACITY)
    }

    /// What it takes for instructions.
    pub fn features(&self) -> FeatureSet {
        self.cache.features()
    }

    /// With a processor model, which decides what is an instruction as well as what CPUID says, and a bound on the instructions kept decoded (32 bytes each).
    pub fn with(cpuid: Cpuid, capacity: usize) -> Interp {
        Interp {
            cache: BlockCache::new(capacity, features(&cpuid)),
            cpuid,
            entropy: Entropy::default(),
            no_fast: Box::default(),
        }
    }
}

/// Instructions after which the loop looks whether it runs the same block all the time, where that is to be known.
const SLICE: u64 = 1024;

/// Whether arrivals at blocks are reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Profile {
    Off,
    /// From the second block on.
    First,
    On,
}

/// Where the loop is: an operation of a block.
struct Place {
    block: Ops,
    index: usize,
}

impl BlockCache {
    /// Runs blocks until something happens; the exit is in `cx`. True if it is a block that is to be reported, where `profile` asks for that.
    fn run_blocks(&mut self, cx: &mut Cx<'_>, budget: u64, profile: &mut Profile) -> bool {
        self.enter(cx, mode(cx));
        while cx.retired < budget {
            cx.limit = match profile {
                _ if cx.single_step => 0,
                Profile::Off => budget,
                // A loop of one block is not counted but by how often it comes here.
                _ => budget.min(cx.retired + SLICE),
            };
            if cx.mem.code_writes() != cx.code_writes {
                self.enter(cx, mode(cx));
            }
            let Ok((block, report)) = self.find(cx) else { return false };
            match profile {
                Profile::Off => {}
                Profile::First => *profile = Profile::On,
                Profile::On if report => return true,
                Profile::On => {}
            }
            if self.run_from(cx, block) {
                return false;
            }
            if *profile == Profile::On && cx.retired >= cx.limit && cx.rip == cx.start {
                self.arrived(cx.rip, SLICE as u32 / BLOCK_INSNS as u32 * 4);
            }
        }
        cx.exit = Exit::Budget;
        false
    }

    /// Runs a block, and those behind it that are found at once; true if the run ends.
    fn run_from(&mut self, cx: &mut Cx<'_>, block: Ops) -> bool {
        place(cx);
        let mut at = Place { block, index: 0 };
        loop {
            let Some(mut stop) = self.run_ops(cx, &mut at) else { return stepped(cx) };
            // What the loop left alone, and whatever follows that it would leave alone too.
            while stop == Stop::Slow {
                let Some(op) = self.ops(at.block).get(at.index) else { break };
                match (op.run)(cx, op) {
                    Ok(()) => at.index += 1,
                    Err(stopped) => stop = stopped,
                }
                if self.ops(at.block).get(at.index).is_none_or(|op| op.hot != Hot::Other) {
                    break;
                }
            }
            if stop != Stop::Slow {
                let op = self.ops(at.block)[at.index];
                return self.stop(cx, &op, stop);
            }
        }
    }

    /// The hot loop: runs operations until one does more than go on or jump (`at` is that one), or until it is between
    /// blocks and the next must be looked for or the budget is spent (none). Nothing is called in here: what lives in
    /// the loop stays in registers (ADR 5).
    #[inline(never)]
    fn run_ops(&self, cx: &mut Cx<'_>, at: &mut Place) -> Option<Stop> {
        let mut block = self.ops(at.block).iter();
        let mut rest = self.ops(at.block)[at.index..].iter();
        loop {
            match hot::run(cx, &mut rest) {
                Some((op, Stop::Branch)) => cx.retired += op.done(),
                Some((_, stop)) => {
                    at.index = self.ops(at.block).len() - rest.len() - 1;
                    return Some(stop);
                }
                // Not ended by a branch: the next block follows.
                None => {
                    if let Some(last) = self.ops(at.block).last() {
                        cx.retired += last.done();
                        cx.rip = cx.next_ip(last);
                    }
                }
            }
            if cx.retired >= cx.limit {
                return None;
            }
            // A loop of one block needs no lookup: a store that made the block stale has stopped it.
            if cx.rip != cx.start {
                if !self.follow(cx, at) {
                    return None;
                }
                block = self.ops(at.block).iter();
            }
            rest = block.clone();
        }
    }

    /// Goes to the block at `cx.rip` if the table by address has it.
    #[inline(always)]
    fn follow(&self, cx: &mut Cx<'_>, at: &mut Place) -> bool {
        let found = if cx.mem.code_writes() == cx.code_writes { self.known(cx.rip) } else { None };
        let Some(block) = found else { return false };
        at.block = block;
        place(cx);
        true
    }

    /// Runs instruction by instruction while a segment is unusual; the exit is in `cx`.
    fn run_strictly(&mut self, cx: &mut Cx<'_>, budget: u64) {
        while cx.retired < budget && strict::applies(cx) {
            let (done, op) = strict::step(cx);
            let stop = done.err().unwrap_or(Stop::Resync);
            if self.stop(cx, &op, stop) && !(cx.exit == Exit::Budget && strict::applies(cx)) {
                return;
            }
        }
        cx.exit = Exit::Budget;
    }

    /// Deals with the end of a block; true if the run ends too.
    #[inline(never)]
    fn stop(&mut self, cx: &mut Cx<'_>, op: &Uop, stop: Stop) -> bool {
        match stop {
            Stop::Branch => cx.retired += op.done(),
            Stop::Mode | Stop::Resync => {
                cx.retired += op.done();
                if stop == Stop::Resync {
                    cx.rip = cx.next_ip(op);
                }
                if stepped(cx) {
                    return true;
                }
                // TF, AC or a segment may have changed.
                cx.refresh_flags();
                if strict::applies(cx) {
                    cx.exit = Exit::Budget;
                    return true;
                }
                self.enter(cx, mode(cx));
                return false;
            }
            Stop::Slow | Stop::Again => cx.retired += u64::from(op.before),
            Stop::Fault => {
                cx.retired += u64::from(op.before);
                cx.settle_wild(op);
                cx.rip = cx.this_ip(op);
                cx.forget_x87_ip(cx.rip);
                return true;
            }
            Stop::Trap => {
                cx.retired += op.done();
                cx.rip = cx.next_ip(op);
                return true;
            }
        }
        stepped(cx)
    }
}

fn mode(cx: &Cx<'_>) -> LowerMode {
    LowerMode {
        long: cx.is_64(),
        flat: cx.is_flat(),
        single: cx.single_step,
        odd_fs: cx.unusual.fs,
        odd_gs: cx.unusual.gs,
    }
}

/// Raises the trap of a single step, if one is due.
fn stepped(cx: &mut Cx<'_>) -> bool {
    let later = core::mem::take(&mut cx.step_later);
    let due = cx.single_step && !later;
    if due {
        cx.exit = Exit::Exception(Exception::new(Vector::Debug));
    }
    due
}

impl Interp {
    fn run_as(
        &mut self,
        cpu: &mut CpuState,
        mem: &AddressSpace,
        budget: u64,
        mut profile: Profile,
    ) -> (Pause, u64) {
        let mut cx = Cx::enter(cpu, mem, &self.cpuid, &mut self.entropy, &self.no_fast);
        cx.features = self.cache.features();
        let mut arrived = false;
        loop {
            if strict::applies(&cx) {
                self.cache.run_strictly(&mut cx, budget);
            } else {
                arrived = self.cache.run_blocks(&mut cx, budget, &mut profile);
            }
            // Either gives way to the other where a segment register changed.
            let changed = cx.exit == Exit::Budget && cx.retired < budget;
            if arrived || !changed {
                break;
            }
        }
        cx.leave();
        (if arrived { Pause::Arrived } else { Pause::Exit(cx.exit) }, cx.retired)
    }
}

impl ExecEngine for Interp {
    fn run(&mut self, cpu: &mut CpuState, mem: &AddressSpace, budget: u64) -> RunOutcome {
        match self.run_as(cpu, mem, budget, Profile::Off) {
            (Pause::Exit(exit), retired) => RunOutcome { exit, retired },
            (Pause::Arrived, retired) => RunOutcome { exit: Exit::Budget, retired },
        }
    }

    fn cpuid(&self) -> Cpuid {
        self.cpuid
    }

    fn seed(&mut self, entropy: &[u8; 32]) {
        self.entropy.seed(entropy);
    }
}

impl BaseEngine for Interp {
    fn run_profiled(
        &mut self,
        cpu: &mut CpuState,
        mem: &AddressSpace,
        budget: u64,
        start: Start,
    ) -> (Pause, u64) {
        let profile = if start == Start::Arrival { Profile::On } else { Profile::First };
        self.run_as(cpu, mem, budget, profile)
    }

    fn arrivals(&self, mem: &AddressSpace, pc: u64) -> u32 {
        self.cache.arrivals(mem, pc)
    }

    fn set_threshold(&mut self, arrivals: u32) {
        self.cache.set_threshold(arrivals);
    }

    fn expect(&mut self, pc: u64, arrivals: u32) {
        self.cache.expect(pc, arrivals);
    }

    fn watch(&mut self, pc: u64) {
        self.cache.watch(pc);
    }

    fn unwatch(&mut self) {
        self.cache.unwatch();
    }
}
