//! From bytes to [`Insn`]: prefixes, opcode, row, ModRM, operands (SDM vol. 2 chapter 2).

use crate::insn::{Insn, Mem, Mode, NO_REG, Operand, RIP, Reg, Rep, Seg, Width};
use crate::row::{Arg, Form, ModRm, Size};
use crate::table::index;

/// Why bytes are not an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DecodeError {
    /// The instruction goes on behind the bytes given: call again with more of them; 15 always suffice.
    Truncated,
    /// No instruction of this CPU: #UD.
    Invalid,
    /// Longer than 15 bytes: #GP (SDM vol. 2 §2.3.11).
    TooLong,
}

impl core::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            DecodeError::Truncated => "the instruction continues behind the bytes given",
            DecodeError::Invalid => "no instruction",
            DecodeError::TooLong => "the instruction is longer than 15 bytes",
        })
    }
}

impl core::error::Error for DecodeError {}

/// Longest instruction (SDM vol. 2 §2.3.11).
pub const MAX_LEN: usize = 15;

/// Decodes the instruction that `bytes` start with, as code of `mode`.
///
/// Bytes behind the instruction are not looked at.
///
/// ```
/// use x86_decode::{Mode, Op, Operand, Reg, decode};
///
/// let insn = decode(&[0x48, 0x01, 0xd8], Mode::Bits64).unwrap();
/// assert_eq!((insn.op, insn.len), (Op::Add, 3));
/// assert_eq!(insn.operands[0], Operand::Reg(Reg::Gpr64(0)));
/// ```
pub fn decode(bytes: &[u8], mode: Mode) -> Result<Insn, DecodeError> {
    let mut code = Reader { bytes: bytes.get(..MAX_LEN).unwrap_or(bytes), pos: 0 };
    let long = mode == Mode::Bits64;
    let mut p = Prefixes { rex: 0, p66: false, p67: false, lock: false, mandatory: index::KEY_NP, seg: None };

    let mut opcode = loop {
        let byte = code.u8()?;
        match byte {
            0x66 => p.p66 = true,
            0x67 => p.p67 = true,
            0xf0 => p.lock = true,
            0xf2 => p.mandatory = index::KEY_F2,
            0xf3 => p.mandatory = index::KEY_F3,
            0x64 => p.seg = Some(Seg::Fs),
            0x65 => p.seg = Some(Seg::Gs),
            // 64-bit mode ignores these four; an earlier FS or GS override stays (SDM vol. 2 §2.1.1).
            0x26 | 0x2e | 0x36 | 0x3e if long => {}
            0x26 => p.seg = Some(Seg::Es),
            0x2e => p.seg = Some(Seg::Cs),
            0x36 => p.seg = Some(Seg::Ss),
            0x3e => p.seg = Some(Seg::Ds),
            0x40..=0x4f if long => {
                p.rex = byte;
                continue;
            }
            _ => break byte,
        }
        // A REX prefix that is not the last one counts for nothing (SDM vol. 2 §2.2.1).
        p.rex = 0;
    };
    let mut map = 0;
    if opcode == 0x0f {
        map = 1;
        opcode = code.u8()?;
        if opcode == 0x38 || opcode == 0x3a {
            map = if opcode == 0x38 { 2 } else { 3 };
            opcode = code.u8()?;
        }
    }

    let entry = index::entry(map, opcode);
    if entry.is_empty() {
        return Err(DecodeError::Invalid);
    }
    let modrm = if entry.has_modrm() { code.u8()? } else { 0 };

    let operand_size = match (mode, p.p66) {
        (Mode::Bits64, _) if p.rex & REX_W != 0 => Width::W64,
        (Mode::Bits16, false) | (Mode::Bits32 | Mode::Bits64, true) => Width::W16,
        (Mode::Bits16, true) | (Mode::Bits32 | Mode::Bits64, false) => Width::W32,
    };
    let addr = match (mode, p.p67) {
        (Mode::Bits64, false) => Width::W64,
        (Mode::Bits16, true) | (Mode::Bits32, false) | (Mode::Bits64, true) => Width::W32,
        (Mode::Bits16, false) | (Mode::Bits32, true) => Width::W16,
    };
    let mandatory = if p.mandatory == index::KEY_NP && p.p66 { index::KEY_66 } else { p.mandatory };
    let mut key = u32::from(modrm) | mandatory << index::KEY_PREFIX_SHIFT;
    key |= index::key_width(operand_size) << index::KEY_OSZ_SHIFT;
    key |= if modrm >= 0xc0 { index::KEY_REG } else { 0 };
    key |= if long { index::KEY_LONG } else { 0 };
    key |= if p.rex & REX_W != 0 { index::KEY_REX_W } else { 0 };
    key |= if p.rex & REX_B != 0 { index::KEY_REX_B } else { 0 };
    let row = index::find(entry, key).ok_or(DecodeError::Invalid)?;

    let width = match row.size {
        Size::Byte => Width::W8,
        Size::Osz => operand_size,
        Size::OszNoW if operand_size == Width::W64 => Width::W32,
        Size::OszNoW => operand_size,
        Size::D64 if long && operand_size == Width::W32 => Width::W64,
        Size::D64 => operand_size,
        Size::F64 if long => Width::W64,
        Size::F64 => operand_size,
        Size::Native if long => Width::W64,
        Size::Native => Width::W32,
    };

    let mut d = Operands { code, mode, rex: p.rex, seg: p.seg, opcode, modrm, width, addr, mem: None };
    if entry.has_modrm() && modrm < 0xc0 && row.modrm != ModRm::AnyMod {
        d.mem = Some(if addr == Width::W16 { d.mem16()? } else { d.mem32()? });
    }
    let mut operands = [Operand::None; 4];
    for (operand, arg) in operands.iter_mut().zip(&row.args) {
        if arg.form == Form::None {
            break;
        }
        *operand = d.operand(arg)?;
    }
    if p.lock && !(row.lockable && matches!(operands[0], Operand::Mem(_))) {
        return Err(DecodeError::Invalid);
    }
    let rep = match p.mandatory {
        index::KEY_F3 if row.repeatable => Rep::Rep,
        index::KEY_F2 if row.repeatable => Rep::Repne,
        _ => Rep::None,
    };
    Ok(Insn {
        op: row.op,
        len: d.code.pos as u8,
        width,
        addr,
        lock: p.lock,
        rep,
        seg: p.seg.unwrap_or(Seg::Ds),
        operands,
        row,
    })
}

const REX_W: u8 = 8;
const REX_R: u8 = 4;
const REX_X: u8 = 2;
const REX_B: u8 = 1;

struct Prefixes {
    /// The REX byte, 0 if there is none.
    rex: u8,
    p66: bool,
    p67: bool,
    lock: bool,
    /// Last of F2 and F3.
    mandatory: u32,
    /// Last segment override.
    seg: Option<Seg>,
}

/// The bytes of one instruction, 15 at most.
struct Reader<'a> {
    bytes: &'a [u8],
    pos: usize,
}

impl Reader<'_> {
    #[cold]
    fn end(&self) -> DecodeError {
        if self.bytes.len() >= MAX_LEN { DecodeError::TooLong } else { DecodeError::Truncated }
    }

    #[inline]
    fn u8(&mut self) -> Result<u8, DecodeError> {
        let byte = *self.bytes.get(self.pos).ok_or_else(|| self.end())?;
        self.pos += 1;
        Ok(byte)
    }

    #[inline]
    fn chunk<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let rest = self.bytes.get(self.pos..).unwrap_or_default();
        let chunk = *rest.first_chunk().ok_or_else(|| self.end())?;
        self.pos += N;
        Ok(chunk)
    }

    #[inline]
    fn u16(&mut self) -> Result<u16, DecodeError> {
        self.chunk().map(u16::from_le_bytes)
    }

    #[inline]
    fn u32(&mut self) -> Result<u32, DecodeError> {
        self.chunk().map(u32::from_le_bytes)
    }

    #[inline]
    fn u64(&mut self) -> Result<u64, DecodeError> {
        self.chunk().map(u64::from_le_bytes)
    }

    #[inline]
    fn i8(&mut self) -> Result<i64, DecodeError> {
        self.u8().map(|v| i64::from(v as i8))
    }

    #[inline]
    fn i16(&mut self) -> Result<i64, DecodeError> {
        self.u16().map(|v| i64::from(v as i16))
    }

    #[inline]
    fn i32(&mut self) -> Result<i64, DecodeError> {
        self.u32().map(|v| i64::from(v as i32))
    }
}

/// What operands are made from once the row is known.
struct Operands<'a> {
    code: Reader<'a>,
    mode: Mode,
    rex: u8,
    seg: Option<Seg>,
    opcode: u8,
    modrm: u8,
    width: Width,
    addr: Width,
    /// Memory operand of ModRM, its size still 0.
    mem: Option<Mem>,
}

impl Operands<'_> {
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

    fn memory(&self, size: u16) -> Operand {
        match self.mem {
            Some(mem) => Operand::Mem(Mem { size, ..mem }),
            // The table's checks give memory forms to rows that demand memory only.
            None => Operand::None,
        }
    }

    /// General register or memory of one width.
    fn e(&self, width: Width) -> Operand {
        self.e_or(width, u16::from(width.bytes()))
    }

    /// General register, or memory of another size.
    fn e_or(&self, reg: Width, mem: u16) -> Operand {
        if self.mem.is_some() { self.memory(mem) } else { self.gpr(reg, self.rm()) }
    }

    /// MMX register or memory; REX does not extend MMX registers.
    fn mm(&self, mem: u16) -> Operand {
        if self.mem.is_some() { self.memory(mem) } else { Operand::Reg(Reg::Mm(self.modrm & 7)) }
    }

    fn xmm(&self, mem: u16) -> Operand {
        if self.mem.is_some() { self.memory(mem) } else { Operand::Reg(Reg::Xmm(self.rm())) }
    }

    /// 16-bit addressing forms (SDM vol. 2 table 2-1).
    fn mem16(&mut self) -> Result<Mem, DecodeError> {
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
                self.code.i16()?
            }
            0 => 0,
            1 => self.code.i8()?,
            _ => self.code.i16()?,
        };
        let seg = self.seg.unwrap_or(if base == BP { Seg::Ss } else { Seg::Ds });
        Ok(Mem { seg, base, index, scale: 1, disp, addr: self.addr, size: 0 })
    }

    /// 32- and 64-bit addressing forms (SDM vol. 2 tables 2-2 and 2-3, §2.2.1.6 for RIP).
    fn mem32(&mut self) -> Result<Mem, DecodeError> {
        let (mode, rm) = (self.modrm >> 6, self.modrm & 7);
        let mut base = self.rm();
        let (mut index, mut scale) = (NO_REG, 1);
        let mut no_base = rm == 5 && mode == 0;
        let mut absent = if self.mode == Mode::Bits64 { RIP } else { NO_REG };
        if rm == 4 {
            let sib = self.code.u8()?;
            base = sib & 7 | self.rex(REX_B);
            let i = sib >> 3 & 7 | self.rex(REX_X);
            if i != 4 {
                index = i;
                scale = 1 << (sib >> 6);
            }
            no_base = sib & 7 == 5 && mode == 0;
            absent = NO_REG;
        }
        let disp = match mode {
            0 if no_base => self.code.i32()?,
            0 => 0,
            1 => self.code.i8()?,
            _ => self.code.i32()?,
        };
        if no_base {
            base = absent;
        }
        // SP and BP address the stack (SDM vol. 1 table 3-5); R12 and R13 do not.
        let seg = self.seg.unwrap_or(if base == 4 || base == 5 { Seg::Ss } else { Seg::Ds });
        Ok(Mem { seg, base, index, scale, disp, addr: self.addr, size: 0 })
    }

    /// Memory at an absolute offset of the address size.
    fn absolute(&mut self, size: u8) -> Result<Operand, DecodeError> {
        let disp = match self.addr {
            Width::W64 => self.code.u64()? as i64,
            Width::W32 => i64::from(self.code.u32()?),
            Width::W16 | Width::W8 => i64::from(self.code.u16()?),
        };
        let seg = self.seg.unwrap_or(Seg::Ds);
        let mem =
            Mem { seg, base: NO_REG, index: NO_REG, scale: 1, disp, addr: self.addr, size: u16::from(size) };
        Ok(Operand::Mem(mem))
    }

    fn segment(&self, written: bool) -> Result<Operand, DecodeError> {
        let seg = match self.modrm >> 3 & 7 {
            0 => Seg::Es,
            1 if !written => Seg::Cs,
            2 => Seg::Ss,
            3 => Seg::Ds,
            4 => Seg::Fs,
            5 => Seg::Gs,
            _ => return Err(DecodeError::Invalid),
        };
        Ok(Operand::Reg(Reg::Seg(seg)))
    }

    fn operand(&mut self, arg: &Arg) -> Result<Operand, DecodeError> {
        let width = self.width;
        let bytes = u16::from(width.bytes());
        let long = self.mode == Mode::Bits64;
        let legacy_size = |small, large| if width == Width::W16 { small } else { large };
        Ok(match arg.form {
            Form::None => Operand::None,
            Form::Eb => self.e(Width::W8),
            Form::Ew => self.e(Width::W16),
            Form::Ed => self.e(Width::W32),
            Form::Eq => self.e(Width::W64),
            Form::Ev => self.e(width),
            Form::Ey => self.e(self.by_rex_w()),
            Form::Ev0 => self.e_or(width, 0),
            Form::RvMw => self.e_or(width, 2),
            Form::RyMw => self.e_or(self.by_rex_w(), 2),
            Form::Gb => self.gpr(Width::W8, self.reg()),
            Form::Gw => self.gpr(Width::W16, self.reg()),
            Form::Gd => self.gpr(Width::W32, self.reg()),
            Form::Gv => self.gpr(width, self.reg()),
            Form::Gy => self.gpr(self.by_rex_w(), self.reg()),
            Form::Rnative => self.gpr(width, self.rm()),
            Form::M => self.memory(0),
            Form::Mb => self.memory(1),
            Form::Mw => self.memory(2),
            Form::Md => self.memory(4),
            Form::Mq => self.memory(8),
            Form::Mx => self.memory(16),
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
            Form::Vx => Operand::Reg(Reg::Xmm(self.reg())),
            Form::Wx | Form::Ux => self.xmm(16),
            Form::Wq => self.xmm(8),
            Form::Wd => self.xmm(4),
            Form::Sw => self.segment(arg.access.writes())?,
            Form::Cr => match self.reg() {
                cr @ (0 | 2 | 3 | 4 | 8) => Operand::Reg(Reg::Cr(cr)),
                _ => return Err(DecodeError::Invalid),
            },
            Form::Dr => match self.reg() {
                dr @ 0..8 => Operand::Reg(Reg::Dr(dr)),
                _ => return Err(DecodeError::Invalid),
            },
            Form::Zb => self.gpr(Width::W8, self.opcode & 7 | self.rex(REX_B)),
            Form::Zv => self.gpr(width, self.opcode & 7 | self.rex(REX_B)),
            Form::Ob => self.absolute(1)?,
            Form::Ov => self.absolute(width.bytes())?,
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
            Form::Ib => Operand::Imm(i64::from(self.code.u8()?)),
            Form::Ibs => Operand::Imm(self.code.i8()?),
            Form::Iw => Operand::Imm(i64::from(self.code.u16()?)),
            Form::Iz | Form::Iv => Operand::Imm(match width {
                Width::W8 => i64::from(self.code.u8()?),
                Width::W16 => i64::from(self.code.u16()?),
                Width::W32 => i64::from(self.code.u32()?),
                Width::W64 if arg.form == Form::Iv => self.code.u64()? as i64,
                Width::W64 => self.code.i32()?,
            }),
            Form::One => Operand::Imm(1),
            Form::Rel8 => Operand::Rel(self.code.i8()?),
            Form::Relv if width == Width::W16 => Operand::Rel(self.code.i16()?),
            Form::Relv => Operand::Rel(self.code.i32()?),
            Form::Ap => {
                let offset =
                    if width == Width::W16 { u32::from(self.code.u16()?) } else { self.code.u32()? };
                Operand::Far { selector: self.code.u16()?, offset }
            }
        })
    }
}
