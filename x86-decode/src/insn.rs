//! The decoded form of an instruction: what every consumer of the decoder reads.

use crate::{Op, Row};

/// Code-segment mode the bytes are decoded in (SDM vol. 1 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// 16-bit code segment (`CS.D = 0`).
    Bits16,
    /// 32-bit code segment (`CS.D = 1`), legacy or compatibility mode.
    Bits32,
    /// 64-bit mode (`CS.L = 1`).
    Bits64,
}

/// A width in bits of an operand, operation or address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Width {
    W8,
    W16,
    W32,
    W64,
}

impl Width {
    /// Width in bytes.
    pub const fn bytes(self) -> u8 {
        match self {
            Width::W8 => 1,
            Width::W16 => 2,
            Width::W32 => 4,
            Width::W64 => 8,
        }
    }

    /// Width in bits.
    pub const fn bits(self) -> u8 {
        self.bytes() * 8
    }
}

/// A segment register, in the encoding order of the SDM (`ES`=0 … `GS`=5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Seg {
    Es,
    Cs,
    Ss,
    Ds,
    Fs,
    Gs,
}

/// A register operand. Numbers are the hardware's, REX bits included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reg {
    /// Low byte of general register 0–15 (AL, CL, DL, BL, SPL …).
    Gpr8(u8),
    /// AH, CH, DH, BH as 0–3.
    Gpr8High(u8),
    Gpr16(u8),
    Gpr32(u8),
    Gpr64(u8),
    Seg(Seg),
    /// x87 stack register `ST(i)`, relative to the top.
    St(u8),
    /// MMX register.
    Mm(u8),
    /// SSE register (128 bits).
    Xmm(u8),
    /// AVX register (256 bits).
    Ymm(u8),
    /// Control register (only in privileged instructions).
    Cr(u8),
    /// Debug register (only in privileged instructions).
    Dr(u8),
}

/// `base` or `index` of a memory operand that is absent.
pub const NO_REG: u8 = 0xff;
/// `base` of a RIP-relative memory operand. `disp` is then relative to the next instruction.
pub const RIP: u8 = 0x10;

/// XMM register `n` as the `index` of a memory operand is `XMM_INDEX + n` (VSIB: a vector of addresses).
pub const XMM_INDEX: u8 = 0x20;
/// YMM register `n` as the `index` of a memory operand is `YMM_INDEX + n`.
pub const YMM_INDEX: u8 = 0x40;

/// A memory operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mem {
    /// Effective segment: the override, or the default of the base register (SDM vol. 1 table 3-5).
    pub seg: Seg,
    /// General register number, [`RIP`] or [`NO_REG`].
    pub base: u8,
    /// General register number, [`NO_REG`], or a vector register counted from [`XMM_INDEX`] or [`YMM_INDEX`].
    pub index: u8,
    /// 1, 2, 4 or 8.
    pub scale: u8,
    /// Sign-extended displacement; the sum wraps at `addr`.
    pub disp: i64,
    /// Effective address size.
    pub addr: Width,
    /// Bytes accessed; 0 where the instruction accesses none (`lea`, `nop`, `prefetch`, `invlpg`) or CPUID tells how many
    /// (`xsave`). Of a vector of addresses, bytes at each.
    /// FXSAVE 512, FNSAVE 108 or 94, FNSTENV 28 or 14, far pointers 4, 6 or 10, m80 10.
    pub size: u16,
}

/// An explicit operand, in Intel order. Implicit registers (`AX` of `mul`, `CX` of a shift by `CL` is explicit)
/// stand in [`Row`] only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operand {
    None,
    Reg(Reg),
    Mem(Mem),
    /// Immediate, already sign-extended where the instruction sign-extends it, else zero-extended.
    Imm(i64),
    /// Branch target as a displacement from the end of the instruction.
    Rel(i64),
    /// `ptr16:16` and `ptr16:32`.
    Far {
        selector: u16,
        offset: u32,
    },
}

/// Repeat prefix in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rep {
    None,
    /// F3: `rep`, `repe`.
    Rep,
    /// F2: `repne`.
    Repne,
}

/// One decoded instruction.
#[derive(Clone, Copy, Debug)]
#[repr(C)] // In the order of the decoder's records.
pub struct Insn {
    /// Explicit operands, Intel order; unused ones are [`Operand::None`].
    pub operands: [Operand; 4],
    /// The table row that matched: encoding, access, flags, CPUID feature, control flow.
    pub row: &'static Row,
    /// SDM mnemonic.
    pub op: Op,
    /// A LOCK prefix is present and legal here (an illegal one fails to decode).
    pub lock: bool,
    /// Repeat prefix, only where it has that meaning (string instructions); never the mandatory F2/F3 of SSE.
    pub rep: Rep,
    /// Effective operand size of the operation (8 for byte forms). For instructions without an
    /// operand size (SSE, x87) it is the mode's effective operand size and mostly of no interest.
    pub width: Width,
    /// Effective segment of the implicit memory source of string instructions, `xlat`, `maskmovq` (DS unless overridden).
    pub seg: Seg,
    /// Effective address size: what string instructions, `loop` and `jrcxz` count and index with.
    pub addr: Width,
    /// Length in bytes, 1 to 15.
    pub len: u8,
}

impl Insn {
    /// What [`crate::decode_into`] may write into: no instruction yet, whatever its fields say.
    pub const NONE: Insn = Insn {
        op: Op::Ud2,
        len: 1,
        width: Width::W32,
        addr: Width::W32,
        lock: false,
        rep: Rep::None,
        seg: Seg::Ds,
        operands: [Operand::None; 4],
        row: &crate::table::FIRST,
    };
}
