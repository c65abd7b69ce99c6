//! The loop: find a block, run its operations, see why it ended.

use crate::cache::{BlockCache, place};
use crate::cx::{Cx, Stop};
use crate::uop::LowerMode;
use core::fmt;
use guest_mem::AddressSpace;
use x86_cpu::{Cpuid, CpuState, Exception, ExecEngine, Exit, RunOutcome, Vector, flags};

/// Instructions kept decoded by default: 16 MiB.
const DEFAULT_CAPACITY: usize = 1 << 19;

/// The interpreter: an engine over a cache of decoded blocks. One serves every process of a machine (one pool).
pub struct Interp {
    cache: BlockCache,
    cpuid: Cpuid,
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

    /// With a processor model, and a bound on the instructions kept decoded (32 bytes each).
    pub fn with(cpuid: Cpuid, capacity: usize) -> Interp {
        Interp { cache: BlockCache::new(capacity), cpuid }
    }

    /// Runs blocks until something happens; the exit is in `cx`.
    fn run_blocks(&mut self, cx: &mut Cx<'_>, budget: u64) {
        let mut mode = LowerMode { long: cx.is_64(), flat: cx.is_flat() };
        while cx.retired < budget {
            let ops = match self.cache.find(cx, mode) {
                Ok(ops) => ops,
                Err(_) => return,
            };
            cx.code_writes = cx.mem.code_writes();
            place(cx);
            let mut ops = self.cache.ops(ops);
            if cx.single_step {
                ops = &ops[..ops.len().min(1)];
            }
            let mut stopped = None;
            for (i, op) in ops.iter().enumerate() {
                if let Err(stop) = (op.run)(cx, op) {
                    stopped = Some((stop, i as u64, op));
                    break;
                }
            }
            let Some((stop, before, op)) = stopped else {
                // Not ended by a branch: the next block follows.
                let Some(last) = ops.last() else { return };
                cx.retired += ops.len() as u64;
                cx.rip = cx.next_ip(last);
                if self.stepped(cx) {
                    return;
                }
                continue;
            };
            cx.retired += before;
            match stop {
                Stop::Branch => cx.retired += 1,
                Stop::Resync => {
                    cx.retired += 1;
                    cx.rip = cx.next_ip(op);
                    mode = LowerMode { long: cx.is_64(), flat: cx.is_flat() };
                }
                Stop::Again => {}
                Stop::Fault => {
                    cx.settle_wild(op);
                    cx.rip = cx.this_ip(op);
                    return;
                }
                Stop::Trap => {
                    cx.retired += 1;
                    cx.rip = cx.next_ip(op);
                    return;
                }
            }
            if self.stepped(cx) {
                return;
            }
            if stop == Stop::Branch {
                mode.long = cx.is_64();
            }
            cx.single_step = cx.cpu.rflags & flags::TF != 0;
        }
        cx.exit = Exit::Budget;
    }

    /// Raises the trap of a single step, if one is due.
    fn stepped(&self, cx: &mut Cx<'_>) -> bool {
        if cx.single_step {
            cx.exit = Exit::Exception(Exception::new(Vector::Debug));
        }
        cx.single_step
    }
}

impl ExecEngine for Interp {
    fn run(&mut self, cpu: &mut CpuState, mem: &AddressSpace, budget: u64) -> RunOutcome {
        let mut cx = Cx::enter(cpu, mem, self.cpuid);
        self.run_blocks(&mut cx, budget);
        cx.leave();
        RunOutcome { exit: cx.exit, retired: cx.retired }
    }
}
