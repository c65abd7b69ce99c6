//! Operands from ModRM, SIB, VEX and immediates (SDM vol. 2 chapter 2).

use crate::insn::{Mem, Mode, NO_REG, Operand, RIP, Reg, Seg, Width, XMM_INDEX, YMM_INDEX};
use crate::reader::Reader;
use crate::spec::{BYTES, Banks, LITERALS, Layout, Literal, Place, SEGMENTS, Spec, bank, register};

pub(crate) const REX_W: u8 = 8;
pub(crate) const REX_R: u8 = 4;
const REX_X: u8 = 2;
pub(crate) const REX_B: u8 = 1;

/// Bytes of displacement by ModRM.mod, in 32- and 64-bit addressing.
static DISPLACEMENTS: [u8; 4] = [0, 1, 4, 0];

/// What operands are made from once the row is known.
#[derive(Clone, Copy)]
pub(crate) struct Decoding<'a> {
    pub(crate) code: Reader<'a>,
    pub(crate) mode: Mode,
    pub(crate) rex: u8,
    pub(crate) seg: Option<Seg>,
    pub(crate) opcode: u8,
    pub(crate) modrm: u8,
    pub(crate) width: Width,
    pub(crate) addr: Width,
    pub(crate) banks: Banks,
    /// VEX.W, in every mode.
    pub(crate) vex_w: bool,
    pub(crate) vvvv: u8,
}

impl Decoding<'_> {
    /// ModRM.reg with REX.R.
    #[inline]
    fn reg(&self) -> u8 {
        self.modrm >> 3 & 7 | (self.rex & REX_R) << 1
    }

    /// ModRM.rm with REX.B.
    #[inline]
    fn rm(&self) -> u8 {
        self.modrm & 7 | (self.rex & REX_B) << 3
    }

    #[inline(always)]
    fn register(&self, spec: Spec, number: u8) -> Operand {
        *register(self.banks, spec.class, number)
    }

    /// Reads the operands into their places. None: there is no such operand.
    ///
    /// Operands are written where they stay: a copy of something just written in parts waits for all of them.
    #[inline(always)]
    pub(crate) fn operands(&mut self, layout: &Layout, out: &mut [Operand; 4]) -> Option<()> {
        for operand in out.iter_mut() {
            *operand = Operand::None;
        }
        if let Some((at, spec)) = layout.rm {
            let out = &mut out[usize::from(at & 3)];
            if self.modrm >= 0xc0 {
                *out = self.register(spec, self.rm());
            } else {
                self.memory(spec, out);
            }
        }
        if let Some((at, spec)) = layout.field {
            out[usize::from(at & 3)] = self.register(spec, self.reg());
        }
        if let Some((at, spec)) = layout.literal {
            let row = (spec.place as u8).wrapping_sub(Place::ImmByte as u8);
            let Literal { length, signed } = LITERALS[usize::from(row & 7)][self.width as usize];
            let value = self.code.literal(length, signed);
            out[usize::from(at & 3)] =
                if spec.place.is_relative() { Operand::Rel(value) } else { Operand::Imm(value) };
        }
        if let Some((at, spec)) = layout.other {
            let first = &mut out[usize::from(at & 3)];
            match spec.place {
                Place::Opcode => *first = self.register(spec, self.opcode & 7 | (self.rex & REX_B) << 3),
                Place::Fixed => *first = self.register(spec, spec.number),
                _ => self.rarely(spec, first)?,
            }
            if let Some((at, spec)) = layout.more {
                self.rarely(spec, &mut out[usize::from(at & 3)])?;
            }
        }
        Some(())
    }

    /// A rare operand, on a copy of all this: what no call sees can stay in registers.
    #[inline(always)]
    fn rarely(&mut self, spec: Spec, out: &mut Operand) -> Option<()> {
        let mut copy = *self;
        *out = copy.rare(spec)?;
        self.code = copy.code;
        Some(())
    }

    #[inline(never)]
    fn rare(&mut self, spec: Spec) -> Option<Operand> {
        Some(match spec.place {
            Place::Rm => self.register(spec, self.rm()),
            Place::Vvvv => self.register(spec, self.vvvv),
            Place::Fixed => self.register(spec, spec.number),
            // Of `enter`, the second number.
            Place::ImmByte => Operand::Imm(i64::from(self.code.u8())),
            Place::One => Operand::Imm(1),
            Place::FarPointer => {
                let narrow = self.width == Width::W16;
                let offset = if narrow { u32::from(self.code.u16()) } else { self.code.u32() };
                Operand::Far { selector: self.code.u16(), offset }
            }
            Place::Absolute => self.absolute(spec),
            // The upper bit counts in 64-bit mode only.
            Place::Is4 => {
                let number = self.code.u8() >> 4;
                self.register(spec, if self.mode == Mode::Bits64 { number } else { number & 7 })
            }
            Place::Vectors => self.vectors(spec)?,
            Place::Segment => self.segment(spec)?,
            Place::Control => match self.reg() {
                cr @ (0 | 2 | 3 | 4 | 8) => Operand::Reg(Reg::Cr(cr)),
                _ => return None,
            },
            Place::Debug => match self.reg() {
                dr @ 0..8 => Operand::Reg(Reg::Dr(dr)),
                _ => return None,
            },
            _ => Operand::None,
        })
    }

    #[inline(always)]
    fn bytes(&self, spec: Spec) -> u16 {
        BYTES[spec.bytes as usize][self.banks.of(spec.bytes_class)]
    }

    /// The memory operand of ModRM.
    #[inline(always)]
    fn memory(&mut self, spec: Spec, out: &mut Operand) {
        let size = self.bytes(spec);
        *out = Operand::Mem(if self.addr == Width::W16 {
            let mut copy = *self;
            let mem = copy.mem16(size);
            self.code = copy.code;
            mem
        } else {
            self.mem32(size, None)
        });
    }

    /// A vector of addresses; there is none without SIB.
    fn vectors(&mut self, spec: Spec) -> Option<Operand> {
        if self.addr == Width::W16 || self.modrm & 7 != 4 {
            return None;
        }
        let long = self.banks.of(spec.class) == usize::from(bank::YMM);
        let first = if long { YMM_INDEX } else { XMM_INDEX };
        // VEX.W is the element size outside 64-bit mode too.
        Some(Operand::Mem(self.mem32(if self.vex_w { 8 } else { 4 }, Some(first))))
    }

    /// 16-bit addressing forms (SDM vol. 2 table 2-1).
    #[cold]
    #[inline(never)]
    fn mem16(&mut self, size: u16) -> Mem {
        const BX: u8 = 3;
        const BP: u8 = 5;
        const SI: u8 = 6;
        const DI: u8 = 7;
        let (mut base, index) = match self.modrm & 7 {
            0 => (BX, SI),
            1 => (BX, DI),
            2 => (BP, SI),
            3 => (BP, DI),
            4 => (SI, NO_REG),
            5 => (DI, NO_REG),
            6 => (BP, NO_REG),
            _ => (BX, NO_REG),
        };
        let disp = match self.modrm >> 6 {
            0 if self.modrm & 7 == 6 => {
                base = NO_REG;
                self.code.i16()
            }
            0 => 0,
            1 => self.code.i8(),
            _ => self.code.i16(),
        };
        let seg = self.seg.unwrap_or(if base == BP { Seg::Ss } else { Seg::Ds });
        Mem { seg, base, index, scale: 1, disp, addr: self.addr, size }
    }

    /// 32- and 64-bit addressing forms.
    #[inline(always)]
    fn mem32(&mut self, size: u16, vsib: Option<u8>) -> Mem {
        let long = self.mode == Mode::Bits64;
        let (base, index, scale, disp) = address(&mut self.code, self.modrm, self.rex, long, vsib);
        let seg = self.seg.unwrap_or(segment_of(base));
        Mem { seg, base, index, scale, disp, addr: self.addr, size }
    }

    /// Memory at an absolute offset of the address size.
    fn absolute(&mut self, spec: Spec) -> Operand {
        let disp = match self.addr {
            Width::W64 => self.code.u64() as i64,
            Width::W32 => i64::from(self.code.u32()),
            Width::W16 | Width::W8 => i64::from(self.code.u16()),
        };
        let (seg, size) = (self.seg.unwrap_or(Seg::Ds), self.bytes(spec));
        Operand::Mem(Mem { seg, base: NO_REG, index: NO_REG, scale: 1, disp, addr: self.addr, size })
    }

    fn segment(&self, spec: Spec) -> Option<Operand> {
        let number = match spec.number {
            Spec::BY_FIELD => self.modrm >> 3 & 7,
            number => number,
        };
        // `mov` (8E) does not write CS.
        if number == 1 && self.opcode == 0x8e {
            return None;
        }
        SEGMENTS.get(usize::from(number)).map(|seg| Operand::Reg(Reg::Seg(*seg)))
    }
}

/// Segment that a base addresses by itself: SP and BP the stack (SDM vol. 1 table 3-5); R12 and R13 do not.
#[inline(always)]
pub(crate) fn segment_of(base: u8) -> Seg {
    if base == 4 || base == 5 { Seg::Ss } else { Seg::Ds }
}

/// Base, index, scale and displacement in 32- and 64-bit addressing (SDM vol. 2 tables 2-2 and 2-3, §2.2.1.6 for RIP). With
/// `vsib`, the index is a vector register, counted from that number.
#[inline(always)]
pub(crate) fn address(
    code: &mut Reader<'_>,
    modrm: u8,
    rex: u8,
    long: bool,
    vsib: Option<u8>,
) -> (u8, u8, u8, i64) {
    let (mode, rm) = (modrm >> 6, modrm & 7);
    let mut base = rm | (rex & REX_B) << 3;
    let (mut index, mut scale) = (NO_REG, 1);
    let mut no_base = rm == 5 && mode == 0;
    let mut absent = if long { RIP } else { NO_REG };
    if rm == 4 {
        let sib = code.u8();
        base = sib & 7 | (rex & REX_B) << 3;
        let i = sib >> 3 & 7 | (rex & REX_X) << 2;
        if let Some(first) = vsib {
            index = first + i;
            scale = 1 << (sib >> 6);
        } else if i != 4 {
            index = i;
            scale = 1 << (sib >> 6);
        }
        no_base = sib & 7 == 5 && mode == 0;
        absent = NO_REG;
    }
    // Which of the lengths it is, no processor can predict.
    let length = if no_base { 4 } else { DISPLACEMENTS[usize::from(mode & 3)] };
    let disp = code.signed32(length);
    if no_base {
        base = absent;
    }
    (base, index, scale, disp)
}
