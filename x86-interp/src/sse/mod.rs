//! MMX and SSE registers and their instructions.

pub(crate) mod arith;
pub(crate) mod convert;
pub(crate) mod crypto;
pub(crate) mod elements;
pub(crate) mod float;
pub(crate) mod fused;
pub(crate) mod lanes;
pub(crate) mod moves;
pub(crate) mod packed;
pub(crate) mod packed4;
pub(crate) mod permute;
pub(crate) mod strings;
pub(crate) mod vex_moves;

use crate::cx::{Cx, Step, Stop};
use crate::uop::{Addr, Any, Uop};
use guest_mem::{Access, Scalar};
use x86_cpu::Vector;
use x86_decode::{Insn, Operand, Reg};

/// `aux` of an operation whose source is a register; else the source is memory, see the other values.
pub(crate) const FROM_REG: u8 = 0;

/// Bit of `aux`: the instruction works on 256 bits.
pub(crate) const WIDE: u8 = 0x80;
/// `aux` of 16 bytes that need not be aligned, in an instruction without VEX.
pub(crate) const UNALIGNED: u8 = 3;

/// A YMM register by halves, the lower first.
pub(crate) type Halves = [u128; 2];

/// Puts the operands of an instruction where its handler looks for them: the last source, which may be memory, is `src` and
/// `aux`; the first of two sources is `also`, which without VEX is the destination.
pub(crate) fn place(insn: &Insn, u: &mut Uop) {
    if !insn.row.map.is_vex() {
        u.also = u.dst;
        u.aux = source_kind(&insn.operands[1]);
        return;
    }
    let mut last = 1;
    if matches!(insn.operands[2], Operand::Reg(_) | Operand::Mem(_)) {
        (u.src, u.also) = (u.also, u.src);
        last = 2;
    } else {
        u.also = u.dst;
    }
    u.aux = source_kind(&insn.operands[last]) | if is_wide(insn) { WIDE } else { 0 };
}

/// Whether an instruction works on 256 bits.
pub(crate) fn is_wide(insn: &Insn) -> bool {
    insn.operands.iter().any(|operand| match operand {
        Operand::Reg(Reg::Ymm(_)) => true,
        Operand::Mem(mem) => mem.size == 32,
        _ => false,
    })
}

/// Chooses the handler with or without VEX: `f::<types…, VEX>`.
macro_rules! by_vex {
    ($insn:expr, $f:ident $(, $g:ty)*) => {
        if $insn.row.map.is_vex() { $f::<$($g,)* true> as $crate::uop::Handler } else { $f::<$($g,)* false> }
    };
}
pub(crate) use by_vex;

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

    #[inline(always)]
    pub(crate) fn ymm(&self, reg: u8) -> Halves {
        let n = usize::from(reg & 15);
        [self.cpu.xmm[n], self.cpu.ymm_high[n]]
    }

    #[inline(always)]
    pub(crate) fn set_ymm(&mut self, reg: u8, value: Halves) {
        let n = usize::from(reg & 15);
        [self.cpu.xmm[n], self.cpu.ymm_high[n]] = value;
    }

    /// Number of halves an instruction works on.
    #[inline(always)]
    pub(crate) fn halves<const VEX: bool>(u: &Uop) -> usize {
        if VEX && u.aux & WIDE != 0 { 2 } else { 1 }
    }

    /// The first source.
    #[inline(always)]
    pub(crate) fn first<const VEX: bool>(&self, u: &Uop) -> Halves {
        if VEX { self.ymm(u.also) } else { [self.xmm(u.dst), 0] }
    }

    /// The last source: a register, or memory of the size in `aux`, zero-extended.
    #[inline(always)]
    pub(crate) fn second<const VEX: bool>(&mut self, u: &Uop) -> Result<Halves, Stop> {
        if VEX { self.vex_source(u) } else { Ok([self.xmm_source(u)?, 0]) }
    }

    /// Memory operands of VEX instructions need not be aligned.
    fn vex_source(&mut self, u: &Uop) -> Result<Halves, Stop> {
        match u.aux & !WIDE {
            FROM_REG => Ok(self.ymm(u.src)),
            32 => self.load_halves(Any::linear(self, u)),
            16 => Ok([self.load::<u128>(Any::linear(self, u))?, 0]),
            8 => Ok([self.load_small::<u64>(u)?, 0]),
            4 => Ok([self.load_small::<u32>(u)?, 0]),
            2 => Ok([self.load_small::<u16>(u)?, 0]),
            _ => Ok([self.load_small::<u8>(u)?, 0]),
        }
    }

    pub(crate) fn load_halves(&mut self, addr: u64) -> Result<Halves, Stop> {
        Ok([self.load::<u128>(addr)?, self.load::<u128>(addr.wrapping_add(16) & self.mask)?])
    }

    /// Writes the destination: with VEX all of it, what is beyond the vector length zero; else the lower half alone.
    #[inline(always)]
    pub(crate) fn put<const VEX: bool>(&mut self, u: &Uop, value: Halves) {
        if VEX {
            let high = if u.aux & WIDE != 0 { value[1] } else { 0 };
            self.set_ymm(u.dst, [value[0], high]);
        } else {
            self.set_xmm(u.dst, value[0]);
        }
    }

    /// Writes the destination of a VEX instruction half by half.
    #[inline(always)]
    pub(crate) fn put_halves(&mut self, u: &Uop, f: impl Fn(usize) -> u128) {
        let high = if u.aux & WIDE != 0 { f(1) } else { 0 };
        self.set_ymm(u.dst, [f(0), high]);
    }

    /// Writes the low `bits` of the destination: the rest of the lower half is that of the first source, with VEX the upper
    /// half is zero.
    #[inline(always)]
    pub(crate) fn put_low<const VEX: bool>(&mut self, u: &Uop, value: u128, bits: u32) {
        if VEX {
            let mask = u128::MAX >> (128 - bits);
            self.set_ymm(u.dst, [self.xmm(u.also) & !mask | value & mask, 0]);
        } else {
            self.set_xmm_low(u.dst, value, bits);
        }
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
            self.settle_x87();
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
