//! Operands from ModRM, SIB, VEX and immediates (SDM vol. 2 chapter 2).

use crate::insn::{Mem, Mode, NO_REG, Operand, RIP, Reg, Seg, Width, XMM_INDEX, YMM_INDEX};
use crate::reader::Reader;
use crate::row::Form;

pub(crate) const REX_W: u8 = 8;
pub(crate) const REX_R: u8 = 4;
const REX_X: u8 = 2;
pub(crate) const REX_B: u8 = 1;

/// What operands are made from once the row is known.
pub(crate) struct Decoding<'a, 'b> {
    pub(crate) code: &'a mut Reader<'b>,
    pub(crate) mode: Mode,
    pub(crate) rex: u8,
    pub(crate) seg: Option<Seg>,
    pub(crate) opcode: u8,
    pub(crate) modrm: u8,
    pub(crate) width: Width,
    pub(crate) addr: Width,
    /// VEX.L.
    pub(crate) long_vector: bool,
    /// VEX.W, in every mode.
    pub(crate) vex_w: bool,
    pub(crate) vvvv: u8,
}

impl Decoding<'_, '_> {
    fn rex(&self, bit: u8) -> u8 {
        if self.rex & bit != 0 { 8 } else { 0 }
    }

    /// ModRM.reg with REX.R.
    fn reg(&self) -> u8 {
        self.modrm >> 3 & 7 | self.rex(REX_R)
    }

    /// ModRM.rm with REX.B.
    fn rm(&self) -> u8 {
        self.modrm & 7 | self.rex(REX_B)
    }

    /// 32-bit width, or 64 with REX.W.
    fn by_rex_w(&self) -> Width {
        if self.rex & REX_W != 0 { Width::W64 } else { Width::W32 }
    }

    /// General register `n`; without REX the byte registers 4–7 are AH, CH, DH, BH (SDM vol. 1 §3.7.2.1).
    fn gpr(&self, width: Width, n: u8) -> Operand {
        Operand::Reg(match width {
            Width::W8 if self.rex == 0 && n & 4 != 0 => Reg::Gpr8High(n & 3),
            Width::W8 => Reg::Gpr8(n),
            Width::W16 => Reg::Gpr16(n),
            Width::W32 => Reg::Gpr32(n),
            Width::W64 => Reg::Gpr64(n),
        })
    }

    /// Whether ModRM.rm is memory.
    fn is_memory(&self) -> bool {
        self.modrm < 0xc0
    }

    /// The memory operand of ModRM.
    fn memory(&mut self, size: u16) -> Operand {
        Operand::Mem(if self.addr == Width::W16 { self.mem16(size) } else { self.mem32(size, None) })
    }

    /// The vector of addresses of ModRM, whose indices are vector registers from `first`. None without SIB.
    fn memory_vector(&mut self, first: u8) -> Option<Operand> {
        if self.addr == Width::W16 || self.modrm & 7 != 4 {
            return None;
        }
        // VEX.W is the element size outside 64-bit mode too.
        Some(Operand::Mem(self.mem32(if self.vex_w { 8 } else { 4 }, Some(first))))
    }

    /// General register or memory of one width.
    fn e(&mut self, width: Width) -> Operand {
        self.e_or(width, u16::from(width.bytes()))
    }

    /// General register, or memory of another size.
    fn e_or(&mut self, reg: Width, mem: u16) -> Operand {
        if self.is_memory() { self.memory(mem) } else { self.gpr(reg, self.rm()) }
    }

    /// MMX register or memory; REX does not extend MMX registers.
    fn mm(&mut self, mem: u16) -> Operand {
        if self.is_memory() { self.memory(mem) } else { Operand::Reg(Reg::Mm(self.modrm & 7)) }
    }

    /// XMM register or memory.
    fn xmm(&mut self, mem: u16) -> Operand {
        if self.is_memory() { self.memory(mem) } else { Operand::Reg(Reg::Xmm(self.rm())) }
    }

    /// Bytes of the vector length.
    fn vector_bytes(&self) -> u16 {
        if self.long_vector { 32 } else { 16 }
    }

    /// XMM or YMM register by the vector length.
    fn vector(&self, n: u8) -> Operand {
        Operand::Reg(if self.long_vector { Reg::Ymm(n) } else { Reg::Xmm(n) })
    }

    /// 16-bit addressing forms (SDM vol. 2 table 2-1).
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

    /// 32- and 64-bit addressing forms (SDM vol. 2 tables 2-2 and 2-3, §2.2.1.6 for RIP).
    fn mem32(&mut self, size: u16, vsib: Option<u8>) -> Mem {
        let (mode, rm) = (self.modrm >> 6, self.modrm & 7);
        let mut base = self.rm();
        let (mut index, mut scale) = (NO_REG, 1);
        let mut no_base = rm == 5 && mode == 0;
        let mut absent = if self.mode == Mode::Bits64 { RIP } else { NO_REG };
        if rm == 4 {
            let sib = self.code.u8();
            base = sib & 7 | self.rex(REX_B);
            let i = sib >> 3 & 7 | self.rex(REX_X);
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
        let disp = match mode {
            0 if no_base => self.code.i32(),
            0 => 0,
            1 => self.code.i8(),
            _ => self.code.i32(),
        };
        if no_base {
            base = absent;
        }
        // SP and BP address the stack (SDM vol. 1 table 3-5); R12 and R13 do not.
        let seg = self.seg.unwrap_or(if base == 4 || base == 5 { Seg::Ss } else { Seg::Ds });
        Mem { seg, base, index, scale, disp, addr: self.addr, size }
    }

    /// Memory at an absolute offset of the address size.
    fn absolute(&mut self, size: u8) -> Operand {
        let disp = match self.addr {
            Width::W64 => self.code.u64() as i64,
            Width::W32 => i64::from(self.code.u32()),
            Width::W16 | Width::W8 => i64::from(self.code.u16()),
        };
        let seg = self.seg.unwrap_or(Seg::Ds);
        let mem =
            Mem { seg, base: NO_REG, index: NO_REG, scale: 1, disp, addr: self.addr, size: u16::from(size) };
        Operand::Mem(mem)
    }

    fn segment(&self) -> Option<Operand> {
        let seg = match self.modrm >> 3 & 7 {
            0 => Seg::Es,
            // Not to be written by `mov` (8E).
            1 if self.opcode == 0x8c => Seg::Cs,
            2 => Seg::Ss,
            3 => Seg::Ds,
            4 => Seg::Fs,
            5 => Seg::Gs,
            _ => return None,
        };
        Some(Operand::Reg(Reg::Seg(seg)))
    }

    /// Reads one operand into its place. None: there is no such operand.
    ///
    /// Operands are written where they stay: a copy of something just written in parts waits for all of them.
    #[inline(always)]
    pub(crate) fn operand(&mut self, form: Form, out: &mut Operand) -> Option<()> {
        let width = self.width;
        let bytes = u16::from(width.bytes());
        let long = self.mode == Mode::Bits64;
        let legacy_size = |small, large| if width == Width::W16 { small } else { large };
        *out = match form {
            Form::None => Operand::None,
            Form::Eb => self.e(Width::W8),
            Form::Ew => self.e(Width::W16),
            Form::Ed => self.e(Width::W32),
            Form::Eq => self.e(Width::W64),
            Form::Ev => self.e(width),
            Form::Ey => self.e(self.by_rex_w()),
            Form::Ev0 => self.e_or(width, 0),
            Form::RvMw => self.e_or(width, 2),
            Form::RyMb => self.e_or(self.by_rex_w(), 1),
            Form::RyMw => self.e_or(self.by_rex_w(), 2),
            Form::RyMd => self.e_or(self.by_rex_w(), 4),
            Form::Gb => self.gpr(Width::W8, self.reg()),
            Form::Gw => self.gpr(Width::W16, self.reg()),
            Form::Gd => self.gpr(Width::W32, self.reg()),
            Form::Gv => self.gpr(width, self.reg()),
            Form::Gy => self.gpr(self.by_rex_w(), self.reg()),
            Form::By => self.gpr(self.by_rex_w(), self.vvvv),
            Form::Rnative | Form::Rv => self.gpr(width, self.rm()),
            Form::Rd => self.gpr(Width::W32, self.rm()),
            Form::Ry => self.gpr(self.by_rex_w(), self.rm()),
            Form::Ra => self.gpr(self.addr, self.rm()),
            Form::M => self.memory(0),
            Form::Mb => self.memory(1),
            Form::Mw => self.memory(2),
            Form::Md => self.memory(4),
            Form::Mq => self.memory(8),
            Form::Mdq => self.memory(16),
            Form::Mx => self.memory(self.vector_bytes()),
            Form::Mt => self.memory(10),
            Form::Mv => self.memory(bytes),
            Form::My => self.memory(u16::from(self.by_rex_w().bytes())),
            Form::Ma => self.memory(bytes * 2),
            Form::Mp => self.memory(bytes + 2),
            Form::Ms => self.memory(if long { 10 } else { 6 }),
            Form::Menv => self.memory(legacy_size(14, 28)),
            Form::Mstate => self.memory(legacy_size(94, 108)),
            Form::Mfx => self.memory(512),
            Form::Pq => Operand::Reg(Reg::Mm(self.modrm >> 3 & 7)),
            Form::Qq | Form::Nq => self.mm(8),
            Form::Qd => self.mm(4),
            Form::Vx => self.vector(self.reg()),
            Form::Wx if self.is_memory() => self.memory(self.vector_bytes()),
            Form::Wx | Form::Ux => self.vector(self.rm()),
            Form::Hx => self.vector(self.vvvv),
            // The upper bit counts in 64-bit mode only.
            Form::Lx => {
                let n = self.code.u8() >> 4;
                self.vector(if long { n } else { n & 7 })
            }
            Form::Vdq => Operand::Reg(Reg::Xmm(self.reg())),
            Form::Wdq | Form::Udq => self.xmm(16),
            Form::Hdq => Operand::Reg(Reg::Xmm(self.vvvv)),
            Form::Wh => self.xmm(self.vector_bytes() / 2),
            Form::Wf => self.xmm(self.vector_bytes() / 4),
            Form::We => self.xmm(self.vector_bytes() / 8),
            Form::Vmdq => self.memory_vector(XMM_INDEX)?,
            Form::Vmx => self.memory_vector(if self.long_vector { YMM_INDEX } else { XMM_INDEX })?,
            Form::Wq => self.xmm(8),
            Form::Wd => self.xmm(4),
            Form::Ww => self.xmm(2),
            Form::Wb => self.xmm(1),
            Form::Sw => self.segment()?,
            Form::Cr => match self.reg() {
                cr @ (0 | 2 | 3 | 4 | 8) => Operand::Reg(Reg::Cr(cr)),
                _ => return None,
            },
            Form::Dr => match self.reg() {
                dr @ 0..8 => Operand::Reg(Reg::Dr(dr)),
                _ => return None,
            },
            Form::Zb => self.gpr(Width::W8, self.opcode & 7 | self.rex(REX_B)),
            Form::Zv => self.gpr(width, self.opcode & 7 | self.rex(REX_B)),
            Form::Ob => self.absolute(1),
            Form::Ov => self.absolute(width.bytes()),
            Form::Al => Operand::Reg(Reg::Gpr8(0)),
            Form::Cl => Operand::Reg(Reg::Gpr8(1)),
            Form::Ax => Operand::Reg(Reg::Gpr16(0)),
            Form::Dx => Operand::Reg(Reg::Gpr16(2)),
            Form::Rax => self.gpr(width, 0),
            Form::Es => Operand::Reg(Reg::Seg(Seg::Es)),
            Form::Cs => Operand::Reg(Reg::Seg(Seg::Cs)),
            Form::Ss => Operand::Reg(Reg::Seg(Seg::Ss)),
            Form::Ds => Operand::Reg(Reg::Seg(Seg::Ds)),
            Form::Fs => Operand::Reg(Reg::Seg(Seg::Fs)),
            Form::Gs => Operand::Reg(Reg::Seg(Seg::Gs)),
            Form::St0 => Operand::Reg(Reg::St(0)),
            Form::StI => Operand::Reg(Reg::St(self.modrm & 7)),
            Form::Ib => Operand::Imm(i64::from(self.code.u8())),
            Form::Ibs => Operand::Imm(self.code.i8()),
            Form::Iw => Operand::Imm(i64::from(self.code.u16())),
            Form::Iz | Form::Iv => Operand::Imm(match width {
                Width::W8 => i64::from(self.code.u8()),
                Width::W16 => i64::from(self.code.u16()),
                Width::W32 => i64::from(self.code.u32()),
                Width::W64 if form == Form::Iv => self.code.u64() as i64,
                Width::W64 => self.code.i32(),
            }),
            Form::One => Operand::Imm(1),
            Form::Rel8 => Operand::Rel(self.code.i8()),
            Form::Relv if width == Width::W16 => Operand::Rel(self.code.i16()),
            Form::Relv => Operand::Rel(self.code.i32()),
            Form::Ap => {
                let offset = if width == Width::W16 { u32::from(self.code.u16()) } else { self.code.u32() };
                Operand::Far { selector: self.code.u16(), offset }
            }
        };
        Some(())
    }
}
