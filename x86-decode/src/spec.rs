//! What a [`Form`] tells the decoder, taken apart: where the operand stands, which registers, how many bytes of memory.
//!
//! Tables in place of decisions: an operand is found by a few loads, and most registers are a copy from [`REGISTERS`].

use crate::insn::{Operand, Reg, Seg, Width};
use crate::row::Form;

/// Where an operand stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Place {
    None,
    /// ModRM.rm, register or memory; the row says whether one of the two is meant.
    RegOrMem,
    /// ModRM.reg.
    Field,
    /// ModRM.rm, a register whatever `mod` is.
    Rm,
    /// The opcode.
    Opcode,
    /// VEX.vvvv.
    Vvvv,
    /// Nowhere: the register is fixed.
    Fixed,
    /// The upper half of an immediate byte.
    Is4,
    /// ModRM.rm, a vector of addresses.
    Vectors,
    /// An absolute offset.
    Absolute,
    ImmByte,
    ImmSignedByte,
    ImmWord,
    ImmWidth,
    ImmFull,
    RelByte,
    RelWidth,
    One,
    FarPointer,
    /// ModRM.reg, where not every number is a register.
    Segment,
    Control,
    Debug,
}

impl Place {
    /// A row of [`LITERALS`], where the operand is a number in the code.
    pub(crate) const fn literal(self) -> Option<usize> {
        if self as u8 >= Place::ImmByte as u8 && self as u8 <= Place::RelWidth as u8 {
            Some((self as u8 - Place::ImmByte as u8) as usize)
        } else {
            None
        }
    }

    /// Of a number in the code: whether it is a branch displacement.
    #[inline(always)]
    pub(crate) const fn is_relative(self) -> bool {
        self as u8 >= Place::RelByte as u8
    }
}

/// A number in the code: how many bytes, and whether it is sign-extended.
#[derive(Clone, Copy)]
pub(crate) struct Literal {
    pub(crate) length: u8,
    pub(crate) signed: bool,
}

/// Numbers in the code by their place and the operation's width.
pub(crate) static LITERALS: [[Literal; 4]; 8] = {
    const fn unsigned(length: u8) -> Literal {
        Literal { length, signed: false }
    }
    const fn signed(length: u8) -> Literal {
        Literal { length, signed: true }
    }
    let mut all = [[unsigned(1); 4]; 8];
    let first = Place::ImmByte as usize;
    all[Place::ImmSignedByte as usize - first] = [signed(1); 4];
    all[Place::ImmWord as usize - first] = [unsigned(2); 4];
    // Of 64-bit operations, 32 bits are in the code (SDM vol. 2 §2.2.1.5).
    all[Place::ImmWidth as usize - first] = [unsigned(1), unsigned(2), unsigned(4), signed(4)];
    all[Place::ImmFull as usize - first] = [unsigned(1), unsigned(2), unsigned(4), unsigned(8)];
    all[Place::RelByte as usize - first] = [signed(1); 4];
    all[Place::RelWidth as usize - first] = [signed(4), signed(2), signed(4), signed(4)];
    all
};

/// Which registers, and with [`Bytes::Own`] how many bytes: a bank, or what decides on one. Numbers are shifts in [`Banks`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Class {
    B = 0,
    W = 4,
    D = 8,
    Q = 12,
    /// By the operation's width.
    V = 16,
    /// By REX.W or VEX.W.
    Y = 20,
    /// By the address size.
    A = 24,
    /// By VEX.L.
    X = 28,
    Xmm = 32,
    Mm = 36,
    /// 64 bits in 64-bit mode, else 32.
    Mode = 40,
    St = 44,
}

/// A row of [`REGISTERS`].
pub(crate) mod bank {
    /// AH to BH as 4 to 7.
    pub(crate) const BYTE_LEGACY: u8 = 0;
    pub(crate) const WORD: u8 = 1;
    pub(crate) const DWORD: u8 = 2;
    pub(crate) const QWORD: u8 = 3;
    pub(crate) const XMM: u8 = 4;
    pub(crate) const YMM: u8 = 5;
    pub(crate) const MM: u8 = 6;
    pub(crate) const BYTE: u8 = 7;
    pub(crate) const ST: u8 = 8;
    pub(crate) const NONE: u8 = 15;
    /// As many as four bits tell apart, so that no index needs a check.
    pub(crate) const COUNT: usize = 16;

    // What does not depend on a number: banks of one operand.
    /// Register 0 of each bank above, in their order.
    pub(crate) const ACCUMULATORS: u8 = 16;
    pub(crate) const CL: u8 = 28;
    pub(crate) const DX: u8 = 29;
    /// The number 1, which some shifts have without having it in their bytes.
    pub(crate) const ONE: u8 = 30;
    /// All of them, a power of two.
    pub(crate) const ALL: usize = 32;
}

/// The banks of all classes in one decoding, four bits each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Banks(u64);

impl Banks {
    /// All but the bank of [`Class::V`], for vectors of 128 bits.
    pub(crate) const fn new(rex: bool, long: bool, wide: bool, addr: Width) -> Banks {
        let byte = if rex { bank::BYTE } else { bank::BYTE_LEGACY };
        let banks = [
            (Class::B, byte),
            (Class::W, bank::WORD),
            (Class::D, bank::DWORD),
            (Class::Q, bank::QWORD),
            (Class::Y, if wide { bank::QWORD } else { bank::DWORD }),
            (Class::A, addr as u8),
            (Class::X, bank::XMM),
            (Class::Xmm, bank::XMM),
            (Class::Mm, bank::MM),
            (Class::Mode, if long { bank::QWORD } else { bank::DWORD }),
            (Class::St, bank::ST),
        ];
        let mut all = 0;
        let mut i = 0;
        while i < banks.len() {
            all |= (banks[i].1 as u64) << banks[i].0 as u32;
            i += 1;
        }
        Banks(all)
    }

    /// With the operation's width, which no byte register goes by: they have their class.
    #[inline]
    pub(crate) const fn with_width(self, width: Width) -> Banks {
        Banks(self.0 | (width as u64) << Class::V as u32)
    }

    /// For vectors of VEX.L.
    #[inline]
    pub(crate) fn with_vector(self, long: bool) -> Banks {
        Banks(self.0 | (long as u64 * (bank::XMM ^ bank::YMM) as u64) << Class::X as u32)
    }

    #[inline]
    pub(crate) const fn of(self, class: Class) -> usize {
        let shift = class as u32 & 0x3f;
        (self.0 >> shift & 0xf) as usize
    }
}

/// Registers of a bank: a number of four bits, and above them whether there is a REX prefix, without which four bytes are
/// others. [`Class::B`] knows about REX by itself, and needs no fifth bit.
pub(crate) const COLUMNS: usize = 32;

/// Every register, bank by bank.
static REGISTERS: [Operand; COLUMNS * bank::ALL] = {
    let mut all = [Operand::None; COLUMNS * bank::ALL];
    let mut n = 0;
    while n < COLUMNS {
        let number = n as u8 & 15;
        // REX extends neither MMX nor x87 registers.
        let registers = [
            (
                bank::BYTE_LEGACY,
                if n >= 16 || number & 4 == 0 { Reg::Gpr8(number) } else { Reg::Gpr8High(number & 3) },
            ),
            (bank::BYTE, Reg::Gpr8(number)),
            (bank::WORD, Reg::Gpr16(number)),
            (bank::DWORD, Reg::Gpr32(number)),
            (bank::QWORD, Reg::Gpr64(number)),
            (bank::XMM, Reg::Xmm(number)),
            (bank::YMM, Reg::Ymm(number)),
            (bank::MM, Reg::Mm(number & 7)),
            (bank::ST, Reg::St(number & 7)),
        ];
        let mut i = 0;
        while i < registers.len() {
            let bank = registers[i].0 as usize;
            all[bank * COLUMNS + n] = Operand::Reg(registers[i].1);
            all[(bank::ACCUMULATORS as usize + bank) * COLUMNS + n] = all[bank * COLUMNS];
            i += 1;
        }
        all[bank::CL as usize * COLUMNS + n] = Operand::Reg(Reg::Gpr8(1));
        all[bank::DX as usize * COLUMNS + n] = Operand::Reg(Reg::Gpr16(2));
        all[bank::ONE as usize * COLUMNS + n] = Operand::Imm(1);
        n += 1;
    }
    all
};

/// Register `number` of a class.
#[inline(always)]
pub(crate) fn register(banks: Banks, class: Class, number: u8) -> &'static Operand {
    numbered((banks.of(class) * COLUMNS) as u16, u32::from(number))
}

/// Register `number` counted from `first`, which is a bank times [`COLUMNS`], or a register in it.
#[inline(always)]
pub(crate) fn numbered(first: u16, number: u32) -> &'static Operand {
    &REGISTERS[(usize::from(first) + number as usize) % REGISTERS.len()]
}

/// Segment registers by number.
pub(crate) const SEGMENTS: [Seg; 6] = [Seg::Es, Seg::Cs, Seg::Ss, Seg::Ds, Seg::Fs, Seg::Gs];

/// Size of a memory operand: a row of [`BYTES`], which the bank of a class picks from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Bytes {
    /// As the register.
    Own,
    None,
    B1,
    B2,
    B4,
    B8,
    B10,
    B16,
    B512,
    /// Parts of a vector.
    Half,
    Quarter,
    Eighth,
    Pair,
    /// Two bytes more: a selector.
    Far,
    Table,
    Environment,
    State,
}

const BYTES_COUNT: usize = Bytes::State as usize + 1;
const OWN: [u16; bank::COUNT] = [1, 2, 4, 8, 16, 32, 8, 1, 10, 0, 0, 0, 0, 0, 0, 0];

pub(crate) static BYTES: [[u16; bank::COUNT]; BYTES_COUNT] = {
    let mut all = [OWN; BYTES_COUNT];
    let fixed = [
        (Bytes::None, 0),
        (Bytes::B1, 1),
        (Bytes::B2, 2),
        (Bytes::B4, 4),
        (Bytes::B8, 8),
        (Bytes::B10, 10),
        (Bytes::B16, 16),
        (Bytes::B512, 512),
    ];
    let mut i = 0;
    while i < fixed.len() {
        all[fixed[i].0 as usize] = [fixed[i].1; bank::COUNT];
        i += 1;
    }
    let mut b = 0;
    while b < bank::COUNT {
        all[Bytes::Half as usize][b] = OWN[b] / 2;
        all[Bytes::Quarter as usize][b] = OWN[b] / 4;
        all[Bytes::Eighth as usize][b] = OWN[b] / 8;
        all[Bytes::Pair as usize][b] = OWN[b] * 2;
        all[Bytes::Far as usize][b] = OWN[b] + 2;
        all[Bytes::Table as usize][b] = OWN[b] + 2;
        all[Bytes::Environment as usize][b] = if b == bank::WORD as usize { 14 } else { 28 };
        all[Bytes::State as usize][b] = if b == bank::WORD as usize { 94 } else { 108 };
        b += 1;
    }
    all
};

/// An operand, taken apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spec {
    pub(crate) place: Place,
    /// Of the register.
    pub(crate) class: Class,
    /// Of the memory, by `bytes_class`.
    pub(crate) bytes: Bytes,
    pub(crate) bytes_class: Class,
    /// The number of a fixed register.
    pub(crate) number: u8,
}

const fn spec(place: Place, class: Class) -> Spec {
    Spec { place, class, bytes: Bytes::Own, bytes_class: class, number: 0 }
}

/// Register or memory, memory of a fixed size.
const fn sized(place: Place, class: Class, bytes: Bytes) -> Spec {
    Spec { bytes, ..spec(place, class) }
}

/// XMM register, or memory of a part of the vector length.
const fn part(bytes: Bytes) -> Spec {
    Spec { bytes, bytes_class: Class::X, ..spec(Place::RegOrMem, Class::Xmm) }
}

const fn fixed(class: Class, number: u8) -> Spec {
    Spec { number, ..spec(Place::Fixed, class) }
}

/// A fixed segment register.
const fn segment(number: u8) -> Spec {
    Spec { number, ..spec(Place::Segment, Class::Mode) }
}

impl Spec {
    pub(crate) const NONE: Spec = spec(Place::None, Class::V);
    /// [`Spec::number`] of a segment register that ModRM.reg names.
    pub(crate) const BY_FIELD: u8 = 8;

    pub(crate) const fn of(form: Form) -> Spec {
        use Place::*;
        match form {
            Form::None => Spec::NONE,
            Form::Eb => spec(RegOrMem, Class::B),
            Form::Ew => spec(RegOrMem, Class::W),
            Form::Ed => spec(RegOrMem, Class::D),
            Form::Eq => spec(RegOrMem, Class::Q),
            Form::Ev => spec(RegOrMem, Class::V),
            Form::Ey => spec(RegOrMem, Class::Y),
            Form::Ev0 => sized(RegOrMem, Class::V, Bytes::None),
            Form::RvMw => sized(RegOrMem, Class::V, Bytes::B2),
            Form::RyMb => sized(RegOrMem, Class::Y, Bytes::B1),
            Form::RyMw => sized(RegOrMem, Class::Y, Bytes::B2),
            Form::RyMd => sized(RegOrMem, Class::Y, Bytes::B4),
            Form::Gb => spec(Field, Class::B),
            Form::Gw => spec(Field, Class::W),
            Form::Gd => spec(Field, Class::D),
            Form::Gv => spec(Field, Class::V),
            Form::Gy => spec(Field, Class::Y),
            Form::By => spec(Vvvv, Class::Y),
            Form::Rnative => spec(Rm, Class::V),
            Form::Rv => spec(RegOrMem, Class::V),
            Form::Rd => spec(RegOrMem, Class::D),
            Form::Ry => spec(RegOrMem, Class::Y),
            Form::Ra => spec(RegOrMem, Class::A),
            Form::M => sized(RegOrMem, Class::V, Bytes::None),
            Form::Mb => sized(RegOrMem, Class::V, Bytes::B1),
            Form::Mw => sized(RegOrMem, Class::V, Bytes::B2),
            Form::Md => sized(RegOrMem, Class::V, Bytes::B4),
            Form::Mq => sized(RegOrMem, Class::V, Bytes::B8),
            Form::Mdq => sized(RegOrMem, Class::V, Bytes::B16),
            Form::Mx => spec(RegOrMem, Class::X),
            Form::Mt => sized(RegOrMem, Class::V, Bytes::B10),
            Form::Mv => spec(RegOrMem, Class::V),
            Form::My => spec(RegOrMem, Class::Y),
            Form::Ma => sized(RegOrMem, Class::V, Bytes::Pair),
            Form::Mp => sized(RegOrMem, Class::V, Bytes::Far),
            Form::Ms => sized(RegOrMem, Class::Mode, Bytes::Table),
            Form::Menv => sized(RegOrMem, Class::V, Bytes::Environment),
            Form::Mstate => sized(RegOrMem, Class::V, Bytes::State),
            Form::Mfx => sized(RegOrMem, Class::V, Bytes::B512),
            Form::Pq => spec(Field, Class::Mm),
            Form::Qq => spec(RegOrMem, Class::Mm),
            Form::Qd => sized(RegOrMem, Class::Mm, Bytes::B4),
            Form::Nq => spec(RegOrMem, Class::Mm),
            Form::Vx => spec(Field, Class::X),
            Form::Wx => spec(RegOrMem, Class::X),
            Form::Ux => spec(RegOrMem, Class::X),
            Form::Hx => spec(Vvvv, Class::X),
            Form::Lx => spec(Is4, Class::X),
            Form::Vdq => spec(Field, Class::Xmm),
            Form::Wdq => spec(RegOrMem, Class::Xmm),
            Form::Udq => spec(RegOrMem, Class::Xmm),
            Form::Hdq => spec(Vvvv, Class::Xmm),
            Form::Wq => sized(RegOrMem, Class::Xmm, Bytes::B8),
            Form::Wd => sized(RegOrMem, Class::Xmm, Bytes::B4),
            Form::Ww => sized(RegOrMem, Class::Xmm, Bytes::B2),
            Form::Wb => sized(RegOrMem, Class::Xmm, Bytes::B1),
            Form::Wh => part(Bytes::Half),
            Form::Wf => part(Bytes::Quarter),
            Form::We => part(Bytes::Eighth),
            Form::Vmdq => spec(Vectors, Class::Xmm),
            Form::Vmx => spec(Vectors, Class::X),
            Form::Sw => segment(Spec::BY_FIELD),
            Form::Cr => spec(Control, Class::Mode),
            Form::Dr => spec(Debug, Class::Mode),
            Form::Zb => spec(Opcode, Class::B),
            Form::Zv => spec(Opcode, Class::V),
            Form::Ob => sized(Absolute, Class::B, Bytes::B1),
            Form::Ov => spec(Absolute, Class::V),
            Form::Al => fixed(Class::B, 0),
            Form::Cl => fixed(Class::B, 1),
            Form::Ax => fixed(Class::W, 0),
            Form::Dx => fixed(Class::W, 2),
            Form::Rax => fixed(Class::V, 0),
            Form::Es => segment(0),
            Form::Cs => segment(1),
            Form::Ss => segment(2),
            Form::Ds => segment(3),
            Form::Fs => segment(4),
            Form::Gs => segment(5),
            Form::St0 => fixed(Class::St, 0),
            Form::StI => spec(RegOrMem, Class::St),
            Form::Ib => spec(ImmByte, Class::B),
            Form::Ibs => spec(ImmSignedByte, Class::B),
            Form::Iw => spec(ImmWord, Class::W),
            Form::Iz => spec(ImmWidth, Class::V),
            Form::Iv => spec(ImmFull, Class::V),
            Form::One => spec(One, Class::B),
            Form::Rel8 => spec(RelByte, Class::V),
            Form::Relv => spec(RelWidth, Class::V),
            Form::Ap => spec(FarPointer, Class::V),
        }
    }
}

/// The operands of a row: one by ModRM.rm, one by ModRM.reg, a number in the code and one more, each with its place in
/// [`crate::Insn::operands`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// Of `RegOrMem`.
    pub(crate) rm: Option<(u8, Spec)>,
    /// Of `Field`.
    pub(crate) field: Option<(u8, Spec)>,
    /// The first number in the code.
    pub(crate) literal: Option<(u8, Spec)>,
    /// Of another place.
    pub(crate) other: Option<(u8, Spec)>,
    /// Of a second other place: far fewer.
    pub(crate) more: Option<(u8, Spec)>,
    /// An operand is a vector of addresses.
    pub(crate) vsib: bool,
}

impl Layout {
    pub(crate) const fn of(forms: &[Form; 4]) -> Layout {
        let mut layout =
            Layout { rm: None, field: None, literal: None, other: None, more: None, vsib: false };
        let mut i = 0;
        while i < forms.len() {
            let spec = Spec::of(forms[i]);
            let operand = Some((i as u8, spec));
            match spec.place {
                Place::None => {}
                Place::RegOrMem => {
                    assert!(layout.rm.is_none(), "one operand by ModRM.rm");
                    layout.rm = operand;
                }
                Place::Field => {
                    assert!(layout.field.is_none(), "one operand by ModRM.reg");
                    layout.field = operand;
                }
                place if place.literal().is_some() && layout.literal.is_none() => layout.literal = operand,
                _ if layout.other.is_none() => layout.other = operand,
                _ => {
                    assert!(layout.more.is_none(), "two operands elsewhere");
                    layout.more = operand;
                }
            }
            layout.vsib |= matches!(spec.place, Place::Vectors);
            i += 1;
        }
        layout
    }
}
