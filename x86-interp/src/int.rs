//! Operand widths as types: handlers are generic over them.

use crate::cx::Cx;
use guest_mem::Scalar;

/// Set in a register number for AH, CH, DH and BH.
pub(crate) const HIGH_BYTE: u8 = 0x20;

/// An operand width. Values travel as `u64`, zero-extended.
pub(crate) trait Int: Scalar + 'static {
    const BITS: u32;
    const BYTES: u64 = (Self::BITS / 8) as u64;
    const MASK: u64 = u64::MAX >> (64 - Self::BITS);
    const SIGN: u64 = 1 << (Self::BITS - 1);

    fn from_u64(value: u64) -> Self;
    fn to_u64(self) -> u64;

    #[inline(always)]
    fn trunc(value: u64) -> u64 {
        value & Self::MASK
    }

    #[inline(always)]
    fn sext(value: u64) -> u64 {
        ((value << (64 - Self::BITS)) as i64 >> (64 - Self::BITS)) as u64
    }

    /// Reads a general register.
    fn get(cx: &Cx<'_>, reg: u8) -> u64;
    /// Writes a general register: 32 bits clear the upper half, less leave the rest alone.
    fn set(cx: &mut Cx<'_>, reg: u8, value: u64);
}

impl Int for u8 {
    const BITS: u32 = 8;
    #[inline(always)]
    fn from_u64(value: u64) -> u8 {
        value as u8
    }
    #[inline(always)]
    fn to_u64(self) -> u64 {
        self.into()
    }
    #[inline(always)]
    fn get(cx: &Cx<'_>, reg: u8) -> u64 {
        cx.gpr[usize::from(reg & 15)] >> (reg >> 2 & 8) & 0xff
    }
    #[inline(always)]
    fn set(cx: &mut Cx<'_>, reg: u8, value: u64) {
        let shift = reg >> 2 & 8;
        let whole = &mut cx.gpr[usize::from(reg & 15)];
        *whole = *whole & !(0xff << shift) | (value & 0xff) << shift;
    }
}

impl Int for u16 {
    const BITS: u32 = 16;
    #[inline(always)]
    fn from_u64(value: u64) -> u16 {
        value as u16
    }
    #[inline(always)]
    fn to_u64(self) -> u64 {
        self.into()
    }
    #[inline(always)]
    fn get(cx: &Cx<'_>, reg: u8) -> u64 {
        cx.gpr[usize::from(reg & 15)] & 0xffff
    }
    #[inline(always)]
    fn set(cx: &mut Cx<'_>, reg: u8, value: u64) {
        let whole = &mut cx.gpr[usize::from(reg & 15)];
        *whole = *whole & !0xffff | value & 0xffff;
    }
}

impl Int for u32 {
    const BITS: u32 = 32;
    #[inline(always)]
    fn from_u64(value: u64) -> u32 {
        value as u32
    }
    #[inline(always)]
    fn to_u64(self) -> u64 {
        self.into()
    }
    #[inline(always)]
    fn get(cx: &Cx<'_>, reg: u8) -> u64 {
        u64::from(cx.gpr[usize::from(reg & 15)] as u32)
    }
    #[inline(always)]
    fn set(cx: &mut Cx<'_>, reg: u8, value: u64) {
        cx.gpr[usize::from(reg & 15)] = u64::from(value as u32);
    }
}

impl Int for u64 {
    const BITS: u32 = 64;
    #[inline(always)]
    fn from_u64(value: u64) -> u64 {
        value
    }
    #[inline(always)]
    fn to_u64(self) -> u64 {
        self
    }
    #[inline(always)]
    fn get(cx: &Cx<'_>, reg: u8) -> u64 {
        cx.gpr[usize::from(reg & 15)]
    }
    #[inline(always)]
    fn set(cx: &mut Cx<'_>, reg: u8, value: u64) {
        cx.gpr[usize::from(reg & 15)] = value;
    }
}
