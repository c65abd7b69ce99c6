//! What handlers work on: the state of one call of [`crate::Interp`]'s `run`.

use crate::entropy::Entropy;
use crate::flags::Flags;
use crate::int::Int;
use crate::strict::Unusual;
use crate::uop::Uop;
use guest_mem::{Access, AddressSpace, FastPath, MemFault, NoFastPath, Scalar};
use x86_cpu::{CodeMode, CpuState, Cpuid, Exception, Exit, Segment, Vector, flags, gpr};
use x86_decode::{Access as RowAccess, FeatureSet, MAX_LEN, Mode, Operand, RegSet, Seg, decode};

/// Slots of [`Cx::gpr`] behind the sixteen registers, so that an address is always the same sum.
pub(crate) mod slot {
    /// Always zero: an absent base, index or segment base.
    pub(crate) const ZERO: u8 = 16;
    /// Address of the page that the running block starts in.
    pub(crate) const PAGE: u8 = 17;
    /// Segment bases, in encoding order; the first four are zero in 64-bit mode.
    pub(crate) const SEGMENT: u8 = 18;
    /// Always [`BIAS_VALUE`](super::BIAS_VALUE).
    pub(crate) const BIAS: u8 = 24;
}

/// See [`crate::uop::MemParts`]: a RIP-relative displacement that would overflow when made page-relative.
pub(crate) const BIAS_VALUE: u64 = 0x2000;

/// Why the running block is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Instruction done; `rip` is the next one.
    Branch,
    /// Instruction done; the next one follows it, but must be looked up again (code, flags or segments changed).
    Resync,
    /// Instruction done; `rip` is the next one, perhaps in another mode.
    Mode,
    /// Nothing done: a handler of [`Quick`] leaves the instruction to that of [`Full`].
    Slow,
    /// Instruction partly done (a repeated one); it goes on at its own address.
    Again,
    /// `exit` holds a fault: the instruction is not done.
    Fault,
    /// `exit` holds a trap: the instruction is done, RIP is the next one.
    Trap,
}

/// What a handler does where the TLB has no answer.
pub(crate) trait Path: 'static {
    const FULL: bool;
}

/// The slow way, in the handler.
pub(crate) struct Full;
/// Nothing, and [`Stop::Slow`]: a call that may come back would cost the loop its registers.
pub(crate) struct Quick;

impl Path for Full {
    const FULL: bool = true;
}

impl Path for Quick {
    const FULL: bool = false;
}

/// Whether an address of 64-bit code is not canonical.
pub(crate) fn is_wild(addr: u64) -> bool {
    addr.wrapping_add(1 << 47) >> 48 != 0
}

/// What a handler gives back.
pub(crate) type Step = Result<(), Stop>;

/// State of one run. What the loop touches most stands first: its addresses are this one and a constant.
#[repr(C)]
pub(crate) struct Cx<'a> {
    /// General registers and the [`slot`]s.
    pub(crate) gpr: [u64; 32],
    pub(crate) flags: Flags,
    /// Next instruction; valid between blocks only.
    pub(crate) rip: u64,
    /// Mask of linear addresses and of RIP: 32 or 64 bits.
    pub(crate) mask: u64,
    /// [`AddressSpace::code_writes`] at the last look at the context.
    pub(crate) code_writes: u64,
    /// Instructions done before the running block, iterations of repeated ones included.
    pub(crate) retired: u64,
    /// Where the running block starts.
    pub(crate) start: u64,
    /// [`Cx::retired`] at which the loop stops between blocks: the budget, or zero in single steps.
    pub(crate) limit: u64,
    /// A trap follows every instruction (TF).
    pub(crate) single_step: bool,
    /// The instruction that ends now puts the trap of a single step off until the next one.
    pub(crate) step_later: bool,
    pub(crate) exit: Exit,
    /// Opcode and operand address of the last x87 instruction, if it could leave an exception pending.
    pub(crate) x87_operand: Option<(u16, Option<u64>)>,
    /// The x87 instruction pointer before the last x87 instruction.
    pub(crate) x87_ip_before: u64,
    /// The address of the last access, if it was not canonical.
    pub(crate) wild: Option<u64>,
    pub(crate) unusual: Unusual,
    /// Of the processor that code is decoded for.
    pub(crate) features: FeatureSet,
    pub(crate) mem: &'a AddressSpace,
    /// The fast paths of `mem`; while `aligned` is set, one that never answers.
    pub(crate) fast: FastPath<'a>,
    /// Alignment is checked (EFLAGS.AC): on the slow paths, which then all accesses take.
    pub(crate) aligned: bool,
    pub(crate) no_fast: &'a NoFastPath,
    pub(crate) cpu: &'a mut CpuState,
    pub(crate) cpuid: &'a Cpuid,
    pub(crate) entropy: &'a mut Entropy,
}

impl<'a> Cx<'a> {
    pub(crate) fn enter(
        cpu: &'a mut CpuState,
        mem: &'a AddressSpace,
        cpuid: &'a Cpuid,
        entropy: &'a mut Entropy,
        no_fast: &'a NoFastPath,
    ) -> Cx<'a> {
        // One by one: engines of WebAssembly call a function for a copy of so many bytes.
        let [a, c, d, b, sp, bp, si, di, r8, r9, r10, r11, r12, r13, r14, r15] = cpu.gpr;
        let mut cx = Cx {
            gpr: [
                a, c, d, b, sp, bp, si, di, r8, r9, r10, r11, r12, r13, r14, r15, //
                0, 0, 0, 0, 0, 0, 0, 0, BIAS_VALUE, 0, 0, 0, 0, 0, 0, 0,
            ],
            flags: Flags::load(cpu.rflags),
            rip: cpu.rip,
            mask: 0,
            code_writes: mem.code_writes(),
            retired: 0,
            start: 0,
            limit: 0,
            single_step: false,
            step_later: false,
            exit: Exit::Budget,
            x87_operand: None,
            x87_ip_before: cpu.fpu.last_ip,
            wild: None,
            unusual: Unusual::default(),
            features: FeatureSet::of(&[]),
            mem,
            fast: mem.fast_path(),
            aligned: false,
            no_fast,
            cpu,
            cpuid,
            entropy,
        };
        cx.refresh_flags();
        cx.refresh_segments();
        cx
    }

    /// Follows a change of TF or AC.
    pub(crate) fn refresh_flags(&mut self) {
        self.single_step = self.cpu.rflags & flags::TF != 0;
        self.aligned = self.cpu.rflags & flags::AC != 0;
        self.fast = if self.aligned { self.no_fast.path() } else { self.mem.fast_path() };
    }

    /// Makes `cpu` architecturally exact.
    pub(crate) fn leave(&mut self) {
        self.settle_x87();
        let [a, c, d, b, sp, bp, si, di, r8, r9, r10, r11, r12, r13, r14, r15, ..] = self.gpr;
        self.cpu.gpr = [a, c, d, b, sp, bp, si, di, r8, r9, r10, r11, r12, r13, r14, r15];
        self.cpu.rip = self.rip;
        self.cpu.rflags = self.rflags();
        self.cpu.tsc = self.cpu.tsc.wrapping_add(self.retired);
    }

    /// RFLAGS with the lazy ones filled in.
    pub(crate) fn rflags(&self) -> u32 {
        self.cpu.rflags & !flags::OSZAPC | self.flags.bits() | flags::FIXED
    }

    pub(crate) fn is_64(&self) -> bool {
        self.cpu.mode == CodeMode::Bits64
    }

    /// Follows a change of mode or of a segment register.
    pub(crate) fn refresh_segments(&mut self) {
        let s = self.cpu.segments;
        let long = self.is_64();
        self.mask = if long { u64::MAX } else { 0xffff_ffff };
        let flat = |segment: Segment| if long { 0 } else { segment.base };
        let bases = [flat(s.es), flat(s.cs), flat(s.ss), flat(s.ds), s.fs.base, s.gs.base];
        for (i, base) in bases.into_iter().enumerate() {
            self.gpr[usize::from(slot::SEGMENT) + i] = base;
        }
        self.unusual = Unusual::of(self);
    }

    /// Whether ES, SS and DS start at 0, as they practically always do.
    pub(crate) fn is_flat(&self) -> bool {
        let base = |seg: Seg| self.gpr[usize::from(slot::SEGMENT) + seg as usize];
        base(Seg::Es) | base(Seg::Cs) | base(Seg::Ss) | base(Seg::Ds) == 0
    }

    #[inline(always)]
    pub(crate) fn reg(&self, reg: u8) -> u64 {
        self.gpr[usize::from(reg & 31)]
    }

    /// Address of the instruction behind `u`.
    #[inline(always)]
    pub(crate) fn next_ip(&self, u: &Uop) -> u64 {
        self.gpr[usize::from(slot::PAGE)].wrapping_add(u64::from(u.next)) & self.mask
    }

    /// Address of the instruction `u`.
    pub(crate) fn this_ip(&self, u: &Uop) -> u64 {
        self.next_ip(u).wrapping_sub(u64::from(u.len)) & self.mask
    }

    /// Records a failed access. An address that is not canonical is no page fault but #GP (SDM vol. 1 §3.3.7.1).
    #[cold]
    pub(crate) fn mem_fault(&mut self, fault: MemFault) -> Stop {
        if self.is_64() && is_wild(fault.addr) {
            self.wild = Some(fault.addr);
            return self.fault(Vector::GeneralProtection, 0);
        }
        self.exit = Exit::Fault(fault);
        Stop::Fault
    }

    /// Records an image that is not aligned as it must be; that its address is wild comes first, unlike with vectors.
    #[cold]
    pub(crate) fn misaligned(&mut self, addr: u64) -> Stop {
        if self.is_64() && is_wild(addr) {
            self.wild = Some(addr);
        }
        self.fault(Vector::GeneralProtection, 0)
    }

    /// Makes the #GP of a wild address #SS if `u` reached it through the stack segment, which its bytes tell.
    #[cold]
    pub(crate) fn settle_wild(&mut self, u: &Uop) {
        let end = 1 << 47;
        let addr = match (self.wild.take(), self.exit) {
            (Some(addr), _) => addr,
            // The last bytes below the gap: whether the operand reaches into it, the instruction tells.
            (None, Exit::Fault(fault)) if self.is_64() && (end - 32..end).contains(&fault.addr) => fault.addr,
            _ => return,
        };
        let mut bytes = [0; MAX_LEN];
        let Ok(len) = self.mem.fetch(self.this_ip(u), &mut bytes) else { return };
        let Ok(insn) = decode(&bytes[..len], Mode::Bits64) else { return };
        let size = insn.operands.iter().map(|operand| match operand {
            Operand::Mem(mem) => u64::from(mem.size),
            _ => 0,
        });
        if addr < end && addr + size.max().unwrap_or(0) <= end {
            return;
        }
        let explicit = insn.operands.iter().find_map(|operand| match operand {
            Operand::Mem(mem) => Some(mem.seg),
            _ => None,
        });
        let uses_stack = insn.row.memory != RowAccess::None && insn.implicit_writes().contains(RegSet::SP);
        // Of `push [rax]`, either may be meant.
        let near = addr.wrapping_sub(self.gpr[gpr::RSP]).wrapping_add(16) < 32;
        let stack = explicit == Some(Seg::Ss) || uses_stack && (explicit.is_none() || near);
        self.fault(if stack { Vector::StackFault } else { Vector::GeneralProtection }, 0);
    }

    /// Records an exception that leaves RIP at the instruction.
    #[cold]
    pub(crate) fn fault(&mut self, vector: Vector, error_code: u32) -> Stop {
        self.exit = Exit::Exception(Exception { vector, error_code });
        Stop::Fault
    }

    /// #AC where alignment is checked and an address is no multiple of `to`, a power of two. It comes before a page fault
    /// of the same access, and behind the fault of an address that is not canonical (SDM vol. 3 §7.15, interrupt 17; the order is that of processors of Intel).
    #[inline]
    pub(crate) fn check_alignment(&mut self, addr: u64, to: u64) -> Step {
        if self.aligned && addr & (to - 1) != 0 && !(self.is_64() && is_wild(addr)) {
            return Err(self.fault(Vector::AlignmentCheck, 0));
        }
        Ok(())
    }

    /// The check of an operand of a type: vectors of 16 bytes may be anywhere, unless the instruction says otherwise.
    #[inline]
    fn check_scalar<T: Scalar>(&mut self, addr: u64) -> Step {
        if T::SIZE < 16 { self.check_alignment(addr, T::SIZE as u64) } else { Ok(()) }
    }

    /// Does part of an instruction whose accesses are not checked for alignment.
    pub(crate) fn unaligned<R>(&mut self, part: impl FnOnce(&mut Self) -> R) -> R {
        let aligned = core::mem::replace(&mut self.aligned, false);
        let result = part(self);
        self.aligned = aligned;
        result
    }

    #[inline(always)]
    pub(crate) fn load<T: Scalar>(&mut self, addr: u64) -> Result<T, Stop> {
        match self.fast.try_read::<T>(addr) {
            Some(value) => Ok(value),
            None => self.load_slow::<T>(addr),
        }
    }

    // The slow ways are out of line and end in one call, so that handlers keep everything in registers.
    #[cold]
    #[inline(never)]
    fn load_slow<T: Scalar>(&mut self, addr: u64) -> Result<T, Stop> {
        self.check_scalar::<T>(addr)?;
        match self.mem.read::<T>(addr) {
            Ok(value) => Ok(value),
            Err(fault) => Err(self.mem_fault(fault)),
        }
    }

    #[inline(always)]
    pub(crate) fn load_by<T: Int, P: Path>(&mut self, addr: u64) -> Result<u64, Stop> {
        match self.fast.try_read::<T>(addr) {
            Some(value) => Ok(value.to_u64()),
            None if P::FULL => self.load_slow::<T>(addr).map(T::to_u64),
            None => Err(Stop::Slow),
        }
    }

    #[inline(always)]
    pub(crate) fn load_int<T: Int>(&mut self, addr: u64) -> Result<u64, Stop> {
        self.load::<T>(addr).map(T::to_u64)
    }

    /// The load of a read-modify-write: a fault is that of a write.
    #[inline(always)]
    pub(crate) fn load_rw<T: Int>(&mut self, addr: u64) -> Result<u64, Stop> {
        self.load_rw_by::<T, Full>(addr)
    }

    #[inline(always)]
    pub(crate) fn load_rw_by<T: Int, P: Path>(&mut self, addr: u64) -> Result<u64, Stop> {
        match self.fast.try_read::<T>(addr) {
            Some(value) => Ok(value.to_u64()),
            None if P::FULL => self.load_rw_slow::<T>(addr).map(T::to_u64),
            None => Err(Stop::Slow),
        }
    }

    #[cold]
    #[inline(never)]
    fn load_rw_slow<T: Scalar>(&mut self, addr: u64) -> Result<T, Stop> {
        self.check_scalar::<T>(addr)?;
        match self.mem.read::<T>(addr) {
            Ok(value) => Ok(value),
            Err(fault) => Err(self.mem_fault(MemFault { access: Access::Write, ..fault })),
        }
    }

    /// Stores; the handler ends with [`Cx::stored`] when all else is done.
    #[inline(always)]
    pub(crate) fn store<T: Scalar>(&mut self, addr: u64, value: T) -> Step {
        if self.fast.try_write::<T>(addr, value) { Ok(()) } else { self.store_slow::<T>(addr, value) }
    }

    #[cold]
    #[inline(never)]
    fn store_slow<T: Scalar>(&mut self, addr: u64, value: T) -> Step {
        self.check_scalar::<T>(addr)?;
        match self.mem.write::<T>(addr, value) {
            Ok(()) => Ok(()),
            Err(fault) => Err(self.mem_fault(fault)),
        }
    }

    /// Stores as the last act of an instruction, and says whether the block goes on.
    #[inline(always)]
    pub(crate) fn store_last<T: Int, P: Path>(&mut self, addr: u64, value: u64) -> Step {
        let value = T::from_u64(value);
        // Only a slow store changes code.
        if self.fast.try_write::<T>(addr, value) {
            Ok(())
        } else if P::FULL {
            self.store_last_slow::<T>(addr, value)
        } else {
            Err(Stop::Slow)
        }
    }

    /// As [`Cx::store_last`] where the flags are already set: a fault puts them back.
    #[inline(always)]
    pub(crate) fn store_flagged<T: Int, P: Path>(&mut self, addr: u64, value: u64, before: Flags) -> Step {
        let value = T::from_u64(value);
        if self.fast.try_write::<T>(addr, value) {
            Ok(())
        } else if !P::FULL {
            self.flags = before;
            Err(Stop::Slow)
        } else {
            self.store_flagged_slow::<T>(addr, value, before)
        }
    }

    #[cold]
    #[inline(never)]
    fn store_flagged_slow<T: Scalar>(&mut self, addr: u64, value: T, before: Flags) -> Step {
        if let Err(stop) = self.store_slow::<T>(addr, value) {
            self.flags = before;
            return Err(stop);
        }
        self.stored()
    }

    #[cold]
    #[inline(never)]
    fn store_last_slow<T: Scalar>(&mut self, addr: u64, value: T) -> Step {
        self.store_slow::<T>(addr, value)?;
        self.stored()
    }

    #[inline(always)]
    pub(crate) fn store_int<T: Int>(&mut self, addr: u64, value: u64) -> Step {
        self.store::<T>(addr, T::from_u64(value))
    }

    /// The end of an instruction that stored: if that changed code, the block may be stale.
    #[inline(always)]
    pub(crate) fn stored(&self) -> Step {
        if self.mem.code_writes() == self.code_writes { Ok(()) } else { Err(Stop::Resync) }
    }

    /// Checks an operand of 2 to 10 bytes, its alignment too, before an instruction does what cannot be undone.
    pub(crate) fn check_operand(&mut self, addr: u64, len: u64, access: Access) -> Step {
        // The alignment of ten bytes is that of eight.
        self.check_alignment(addr, len.min(8))?;
        self.check(addr, len, access)
    }

    /// Checks a range before an instruction that touches memory more than once.
    pub(crate) fn check(&mut self, addr: u64, len: u64, access: Access) -> Step {
        match self.mem.check(addr, len as usize, access) {
            Ok(()) => Ok(()),
            Err(fault) => Err(self.mem_fault(fault)),
        }
    }

    /// Linear address of a stack slot `offset` bytes above the stack pointer.
    #[inline(always)]
    pub(crate) fn stack(&self, offset: u64) -> u64 {
        self.stack_at(self.gpr[gpr::RSP].wrapping_add(offset))
    }

    /// Linear address of a stack offset.
    #[inline(always)]
    pub(crate) fn stack_at(&self, offset: u64) -> u64 {
        (offset & self.mask).wrapping_add(self.gpr[usize::from(slot::SEGMENT) + Seg::Ss as usize]) & self.mask
    }

    /// Pushes one value of the width.
    #[inline(always)]
    pub(crate) fn push<T: Int>(&mut self, value: u64) -> Step {
        let sp = self.gpr[gpr::RSP].wrapping_sub(T::BYTES) & self.mask;
        self.store_int::<T>(self.stack_at(sp), value)?;
        self.gpr[gpr::RSP] = sp;
        Ok(())
    }

    /// Pushes as the last act of an instruction.
    #[inline(always)]
    pub(crate) fn push_last<T: Int, P: Path>(&mut self, value: u64) -> Step {
        let sp = self.gpr[gpr::RSP].wrapping_sub(T::BYTES) & self.mask;
        if self.fast.try_write::<T>(self.stack_at(sp), T::from_u64(value)) {
            self.gpr[gpr::RSP] = sp;
            return Ok(());
        }
        if !P::FULL {
            return Err(Stop::Slow);
        }
        self.push_last_slow::<T>(value)
    }

    #[cold]
    #[inline(never)]
    fn push_last_slow<T: Int>(&mut self, value: u64) -> Step {
        self.push::<T>(value)?;
        self.stored()
    }

    /// Pushes a return address and continues elsewhere.
    #[inline(always)]
    pub(crate) fn push_and_jump<T: Int, P: Path>(&mut self, value: u64, target: u64) -> Step {
        let sp = self.gpr[gpr::RSP].wrapping_sub(T::BYTES) & self.mask;
        if self.fast.try_write::<T>(self.stack_at(sp), T::from_u64(value)) {
            self.gpr[gpr::RSP] = sp;
            return self.jump(target);
        }
        if !P::FULL {
            return Err(Stop::Slow);
        }
        self.push_and_jump_slow::<T>(value, target)
    }

    #[cold]
    #[inline(never)]
    fn push_and_jump_slow<T: Int>(&mut self, value: u64, target: u64) -> Step {
        self.push::<T>(value)?;
        self.rip = target & self.mask;
        // The push may have changed code.
        Err(if self.stored().is_ok() { Stop::Branch } else { Stop::Mode })
    }

    /// Pops one value of the width.
    #[inline(always)]
    pub(crate) fn pop<T: Int, P: Path>(&mut self) -> Result<u64, Stop> {
        let value = self.load_by::<T, P>(self.stack(0))?;
        self.drop_stack(T::BYTES);
        Ok(value)
    }

    #[inline(always)]
    pub(crate) fn drop_stack(&mut self, bytes: u64) {
        self.gpr[gpr::RSP] = self.gpr[gpr::RSP].wrapping_add(bytes) & self.mask;
    }

    /// Continues elsewhere.
    #[inline(always)]
    pub(crate) fn jump(&mut self, target: u64) -> Step {
        self.rip = target & self.mask;
        Err(Stop::Branch)
    }
}
