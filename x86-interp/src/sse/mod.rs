//! MMX and SSE registers and their instructions.

pub(crate) mod arith;
pub(crate) mod convert;
pub(crate) mod float;
pub(crate) mod lanes;
pub(crate) mod moves;
pub(crate) mod packed;

use crate::cx::{Cx, Step, Stop};
use crate::uop::{Addr, Any, Uop};
use guest_mem::{Access, Scalar};
use x86_cpu::Vector;
use x86_decode::{Insn, Operand, Reg};

/// `aux` of an operation whose source is a register; else the source is memory, see the other values.
pub(crate) const FROM_REG: u8 = 0;

/// `aux` for an operand.
pub(crate) fn source_kind(operand: &Operand) -> u8 {
    match operand {
        Operand::Mem(mem) => mem.size as u8,
        _ => FROM_REG,
    }
}

pub(crate) fn is_xmm(operand: &Operand) -> bool {
    matches!(operand, Operand::Reg(Reg::Xmm(_)))
}

pub(crate) fn is_mmx(operand: &Operand) -> bool {
    matches!(operand, Operand::Reg(Reg::Mm(_)))
}

/// Whether the instruction names an MMX register.
pub(crate) fn names_mmx(insn: &Insn) -> bool {
    insn.operands.iter().any(is_mmx)
}

impl Cx<'_> {
    #[inline(always)]
    pub(crate) fn xmm(&self, reg: u8) -> u128 {
        self.cpu.xmm[usize::from(reg & 15)]
    }

    #[inline(always)]
    pub(crate) fn set_xmm(&mut self, reg: u8, value: u128) {
        self.cpu.xmm[usize::from(reg & 15)] = value;
    }

    /// Replaces the low `bits` of a register.
    #[inline(always)]
    pub(crate) fn set_xmm_low(&mut self, reg: u8, value: u128, bits: u32) {
        let mask = u128::MAX >> (128 - bits);
        let whole = &mut self.cpu.xmm[usize::from(reg & 15)];
        *whole = *whole & !mask | value & mask;
    }

    /// Loads 16 bytes that must be aligned (SDM vol. 1 §4.1.1).
    #[inline(always)]
    pub(crate) fn load_aligned(&mut self, addr: u64) -> Result<u128, Stop> {
        if addr & 15 != 0 {
            return Err(self.fault(Vector::GeneralProtection, 0));
        }
        self.load::<u128>(addr)
    }

    /// Stores 16 bytes that must be aligned.
    #[inline(always)]
    pub(crate) fn store_aligned(&mut self, addr: u64, value: u128) -> Step {
        if addr & 15 != 0 {
            return Err(self.fault(Vector::GeneralProtection, 0));
        }
        self.store::<u128>(addr, value)
    }

    fn load_small<T: Scalar + Into<u128>>(&mut self, u: &Uop) -> Result<u128, Stop> {
        let addr = Any::linear(self, u);
        self.load::<T>(addr).map(T::into)
    }

    /// The second operand of an SSE instruction: a register, or memory of the size in `aux`, zero-extended.
    #[inline(always)]
    pub(crate) fn xmm_source(&mut self, u: &Uop) -> Result<u128, Stop> {
        match u.aux {
            FROM_REG => Ok(self.xmm(u.src)),
            16 => self.load_aligned(Any::linear(self, u)),
            8 => self.load_small::<u64>(u),
            4 => self.load_small::<u32>(u),
            2 => self.load_small::<u16>(u),
            _ => self.load::<u128>(Any::linear(self, u)),
        }
    }

    /// The second operand of an MMX instruction.
    #[inline(always)]
    pub(crate) fn mmx_source(&mut self, u: &Uop) -> Result<u64, Stop> {
        match u.aux {
            FROM_REG => Ok(self.mmx(u.src)),
            4 => self.load_small::<u32>(u).map(|value| value as u64),
            _ => self.load_small::<u64>(u).map(|value| value as u64),
        }
    }

    #[inline(always)]
    pub(crate) fn mmx(&self, reg: u8) -> u64 {
        self.cpu.fpu.registers[usize::from(reg & 7)].mantissa
    }

    /// Raises a pending x87 exception: every MMX and most x87 instructions begin with this (SDM vol. 1 §8.7).
    #[inline(always)]
    pub(crate) fn check_fpu(&mut self) -> Step {
        if self.cpu.fpu.status & crate::x87::ES != 0 {
            return Err(self.fault(Vector::X87FloatingPoint, 0));
        }
        Ok(())
    }

    /// What every MMX instruction but EMMS does to the x87 state (SDM vol. 1 §9.5.1).
    #[inline(always)]
    pub(crate) fn enter_mmx(&mut self) {
        self.cpu.fpu.set_top(0);
        self.cpu.fpu.in_use = 0xff;
    }

    /// Writes an MMX register, and through it the x87 register's exponent.
    #[inline(always)]
    pub(crate) fn set_mmx(&mut self, reg: u8, value: u64) {
        self.enter_mmx();
        let register = &mut self.cpu.fpu.registers[usize::from(reg & 7)];
        register.mantissa = value;
        register.sign_exponent = 0xffff;
    }
}

/// `maskmovq`, `maskmovdqu`: stores the bytes whose mask byte is negative, at DS:DI.
pub(crate) fn store_masked(cx: &mut Cx<'_>, u: &Uop, value: u128, mask: u128, bytes: u64) -> Step {
    let offset = cx.gpr[x86_cpu::gpr::RDI] & u.addr_mask();
    let addr = offset.wrapping_add(cx.reg(u.seg)) & cx.mask;
    let chosen = |i: u64| mask >> (8 * i + 7) & 1 != 0;
    for i in (0..bytes).filter(|i| chosen(*i)) {
        cx.check(addr.wrapping_add(i) & cx.mask, 1, Access::Write)?;
    }
    for i in (0..bytes).filter(|i| chosen(*i)) {
        cx.store::<u8>(addr.wrapping_add(i) & cx.mask, (value >> (8 * i)) as u8)?;
    }
    Ok(())
}
