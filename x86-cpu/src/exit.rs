//! How execution ends: exits, exceptions, and the engine seam.

use crate::{CpuState, Cpuid};
use guest_mem::{AddressSpace, MemFault};

/// How a program asked for a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SyscallGate {
    /// `int 0x80`: i386 numbers and registers, from code of either width.
    Int80,
    /// `syscall` in 64-bit mode. RCX and R11 are already set as the instruction sets them.
    Syscall,
    /// `sysenter` in 32-bit mode.
    Sysenter,
}

/// An exception vector (SDM vol. 3 table 6-1); those that user code can cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Vector {
    /// #DE.
    DivideError = 0,
    /// #DB: a trap after the instruction (single step, `int1`).
    Debug = 1,
    /// #BP: a trap after `int3`.
    Breakpoint = 3,
    /// #OF: a trap after `into`.
    Overflow = 4,
    /// #BR.
    BoundRange = 5,
    /// #UD.
    InvalidOpcode = 6,
    /// #NM.
    DeviceNotAvailable = 7,
    /// #NP.
    SegmentNotPresent = 11,
    /// #SS.
    StackFault = 12,
    /// #GP.
    GeneralProtection = 13,
    /// #MF.
    X87FloatingPoint = 16,
    /// #AC.
    AlignmentCheck = 17,
    /// #XM.
    SimdFloatingPoint = 19,
}

/// An exception other than a page fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exception {
    /// Which.
    pub vector: Vector,
    /// Error code, 0 where the vector has none.
    pub error_code: u32,
}

impl Exception {
    /// An exception without an error code.
    pub const fn new(vector: Vector) -> Exception {
        Exception { vector, error_code: 0 }
    }
}

/// Why an engine returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The budget is spent; RIP is the next instruction.
    Budget,
    /// A system call; RIP is after the instruction.
    Syscall(SyscallGate),
    /// A memory access failed. RIP is the faulting instruction, and apart from what a repeated string
    /// instruction had already completed (its counters say so) the instruction changed nothing.
    Fault(MemFault),
    /// An exception. RIP is the faulting instruction for a fault, the next for a trap.
    Exception(Exception),
}

/// What one call of [`ExecEngine::run`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunOutcome {
    /// Why it returned.
    pub exit: Exit,
    /// Instructions completed, each iteration of a repeated string instruction counted as one.
    pub retired: u64,
}

/// Something that executes guest code.
///
/// An engine returns, it never calls the kernel. Before: `cpu` and `mem` belong to the caller's thread.
/// After: `cpu` is architecturally exact for the exit given. An engine keeps no state about a guest except
/// caches, which it checks against [`AddressSpace::generation`] and code generations.
pub trait ExecEngine {
    /// Runs until something happens, or about `budget` instructions are done (within one block of it).
    fn run(&mut self, cpu: &mut CpuState, mem: &AddressSpace, budget: u64) -> RunOutcome;

    /// The processor model: what CPUID says, and so what a kernel tells programs of the machine. Never changes.
    fn cpuid(&self) -> Cpuid;

    /// Gives the engine 32 unpredictable bytes, from which RDRAND and RDSEED draw from now on. Before the first call
    /// both say that they have nothing (CF clear), as a processor may.
    fn seed(&mut self, _entropy: &[u8; 32]) {}

    /// Counts of what the engine has done, by name, for people who look into its speed.
    fn counters(&self, _each: &mut dyn FnMut(&'static str, u64)) {}
}

/// What ended one call of [`BaseEngine::run_profiled`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// As a run ends.
    Exit(Exit),
    /// RIP is the beginning of a block at which the engine has arrived as often as it was asked to.
    Arrived,
}

/// What the beginning of a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Control has arrived there: the block counts, and may be reported at once.
    Arrival,
    /// Something in the middle: whatever is known of the block, it is executed.
    Middle,
}

/// An engine that another can stand on: it runs code that is new or rare, and tells where code is not rare any more.
///
/// It counts arrivals at blocks, which are what it itself takes for one: straight-line code behind a jump. Counts are a
/// matter of speed, never of what the guest sees, and may be forgotten.
pub trait BaseEngine: ExecEngine {
    /// As [`ExecEngine::run`], but returns also before a block at which it has arrived often enough. Whether it has arrived at
    /// the first one, or just goes on there, is for the caller to say.
    fn run_profiled(
        &mut self,
        cpu: &mut CpuState,
        mem: &AddressSpace,
        budget: u64,
        start: Start,
    ) -> (Pause, u64);

    /// About how often control has come to a block at an address, of the code that ran last; [`u32::MAX`] where it has been
    /// [expected](BaseEngine::expect).
    fn arrivals(&self, mem: &AddressSpace, pc: u64) -> u32;

    /// After how many arrivals a block is reported that nothing is known of.
    fn set_threshold(&mut self, arrivals: u32);

    /// The block at an address of the code that ran last is to be reported after so many arrivals; 0: always; [`u32::MAX`]: never.
    fn expect(&mut self, pc: u64, arrivals: u32);

    /// From now on, runs that count return before the block at an address, whatever is expected of it, as if it had been arrived at often
    /// enough; until it is unwatched as often as it was watched, the last one first.
    fn watch(&mut self, pc: u64);

    /// Ends what [`BaseEngine::watch`] began last.
    fn unwatch(&mut self);
}
