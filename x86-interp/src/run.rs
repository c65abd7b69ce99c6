//! The loop: find a block, run its operations, see why it ended.

use crate::cache::{BlockCache, place};
use crate::cx::{Cx, Stop};
use crate::entropy::Entropy;
use crate::features::features;
use crate::strict;
use crate::uop::{LowerMode, Uop};
use core::fmt;
use guest_mem::AddressSpace;
use x86_cpu::{CpuState, Cpuid, Exception, ExecEngine, Exit, RunOutcome, Vector, flags};

/// Instructions kept decoded by default: 16 MiB.
const DEFAULT_CAPACITY: usize = 1 << 19;

/// The interpreter: an engine over a cache of decoded blocks. One serves every process of a machine (one pool).
pub struct Interp {
    cache: BlockCache,
    cpuid: Cpuid,
    entropy: Entropy,
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
        Interp::with(Cpuid::default(), DEFAULT_CAPACITY)
    }

    /// With a processor model, which decides what is an instruction as well as what CPUID says, and a bound on the instructions kept decoded (32 bytes each).
    pub fn with(cpuid: Cpuid, capacity: usize) -> Interp {
        Interp { cache: BlockCache::new(capacity, features(&cpuid)), cpuid, entropy: Entropy::default() }
    }
}

impl BlockCache {
    /// Runs blocks until something happens; the exit is in `cx`.
    fn run_blocks(&mut self, cx: &mut Cx<'_>, budget: u64) {
        self.enter(cx, mode(cx));
        while cx.retired < budget {
            if cx.mem.code_writes() != cx.code_writes {
                self.enter(cx, mode(cx));
            }
            let Ok(ops) = self.find(cx) else { return };
            place(cx);
            let ops = self.ops(ops);
            for (i, op) in ops.iter().enumerate() {
                if let Err(stop) = (op.run)(cx, op) {
                    cx.retired += i as u64;
                    if stop == Stop::Branch && !cx.single_step {
                        cx.retired += 1;
                        break;
                    }
                    let op = *op;
                    if self.stop(cx, &op, stop) {
                        return;
                    }
                    break;
                }
                if i + 1 == ops.len() {
                    // Not ended by a branch: the next block follows.
                    cx.retired += ops.len() as u64;
                    cx.rip = cx.next_ip(op);
                    if stepped(cx) {
                        return;
                    }
                }
            }
        }
        cx.exit = Exit::Budget;
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
            Stop::Branch => cx.retired += 1,
            Stop::Mode | Stop::Resync => {
                cx.retired += 1;
                if stop == Stop::Resync {
                    cx.rip = cx.next_ip(op);
                }
                if stepped(cx) {
                    return true;
                }
                // TF or a segment may have changed.
                cx.single_step = cx.cpu.rflags & flags::TF != 0;
                if strict::applies(cx) {
                    cx.exit = Exit::Budget;
                    return true;
                }
                self.enter(cx, mode(cx));
                return false;
            }
            Stop::Again => {}
            Stop::Fault => {
                cx.settle_wild(op);
                cx.rip = cx.this_ip(op);
                cx.forget_x87_ip(cx.rip);
                return true;
            }
            Stop::Trap => {
                cx.retired += 1;
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
    if cx.single_step {
        cx.exit = Exit::Exception(Exception::new(Vector::Debug));
    }
    cx.single_step
}

impl ExecEngine for Interp {
    fn run(&mut self, cpu: &mut CpuState, mem: &AddressSpace, budget: u64) -> RunOutcome {
        let mut cx = Cx::enter(cpu, mem, &self.cpuid, &mut self.entropy);
        cx.features = self.cache.features();
        loop {
            if strict::applies(&cx) {
                self.cache.run_strictly(&mut cx, budget);
            } else {
                self.cache.run_blocks(&mut cx, budget);
            }
            // Either gives way to the other where a segment register changed.
            let changed = cx.exit == Exit::Budget && cx.retired < budget;
            if !changed {
                break;
            }
        }
        cx.leave();
        RunOutcome { exit: cx.exit, retired: cx.retired }
    }

    fn seed(&mut self, entropy: &[u8; 32]) {
        self.entropy.seed(entropy);
    }
}
