//! Intel-syntax text of an instruction, for logs and the disassembler example.

use core::fmt::{Display, Formatter, Result};

use crate::insn::{Insn, Mem, NO_REG, Operand, RIP, Reg, Rep, Seg, Width};
use crate::{Flow, Op};

const GPR8: [&str; 8] = ["al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil"];
const GPR8_HIGH: [&str; 4] = ["ah", "ch", "dh", "bh"];
const GPR16: [&str; 8] = ["ax", "cx", "dx", "bx", "sp", "bp", "si", "di"];

impl Display for Seg {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Seg::Es => "es",
            Seg::Cs => "cs",
            Seg::Ss => "ss",
            Seg::Ds => "ds",
            Seg::Fs => "fs",
            Seg::Gs => "gs",
        })
    }
}

impl Display for Reg {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let named = |names: &[&'static str], n: u8| names.get(usize::from(n)).copied();
        let (prefix, number, name) = match *self {
            Reg::Gpr8(n) => ("r", n, named(&GPR8, n)),
            Reg::Gpr8High(n) => ("?", n, named(&GPR8_HIGH, n)),
            Reg::Gpr16(n) => ("r", n, named(&GPR16, n)),
            Reg::Gpr32(n) => (if n < 8 { "e" } else { "r" }, n, named(&GPR16, n)),
            Reg::Gpr64(n) => ("r", n, named(&GPR16, n)),
            Reg::Seg(seg) => return seg.fmt(f),
            Reg::St(n) => return write!(f, "st({n})"),
            Reg::Mm(n) => ("mm", n, None),
            Reg::Xmm(n) => ("xmm", n, None),
            Reg::Ymm(n) => ("ymm", n, None),
            Reg::Cr(n) => ("cr", n, None),
            Reg::Dr(n) => ("dr", n, None),
        };
        match (self, name) {
            (Reg::Gpr32(_) | Reg::Gpr64(_), Some(name)) => write!(f, "{prefix}{name}"),
            (_, Some(name)) => f.write_str(name),
            (Reg::Gpr8(_), None) => write!(f, "r{number}b"),
            (Reg::Gpr16(_), None) => write!(f, "r{number}w"),
            (Reg::Gpr32(_), None) => write!(f, "r{number}d"),
            (_, None) => write!(f, "{prefix}{number}"),
        }
    }
}

/// `+0x10` or `-0x10`; without its plus sign where nothing stands before it.
fn write_signed(f: &mut Formatter<'_>, value: i64, plus: &str) -> Result {
    let sign = if value < 0 { "-" } else { plus };
    write!(f, "{sign}{:#x}", value.unsigned_abs())
}

impl Display for Mem {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let size = match self.size {
            1 => "byte ptr ",
            2 => "word ptr ",
            4 => "dword ptr ",
            6 => "fword ptr ",
            8 => "qword ptr ",
            10 => "tbyte ptr ",
            16 => "xmmword ptr ",
            _ => "",
        };
        let reg = |n| match self.addr {
            Width::W64 => Reg::Gpr64(n),
            Width::W32 => Reg::Gpr32(n),
            Width::W16 | Width::W8 => Reg::Gpr16(n),
        };
        f.write_str(size)?;
        let default = if self.base == 4 || self.base == 5 { Seg::Ss } else { Seg::Ds };
        if self.seg != default {
            write!(f, "{}:", self.seg)?;
        }
        f.write_str("[")?;
        let mut plus = "";
        match self.base {
            NO_REG => {}
            RIP => f.write_str(if self.addr == Width::W64 { "rip" } else { "eip" })?,
            base => write!(f, "{}", reg(base))?,
        }
        if self.base != NO_REG {
            plus = "+";
        }
        if self.index != NO_REG {
            write!(f, "{plus}{}", reg(self.index))?;
            if self.scale != 1 {
                write!(f, "*{}", self.scale)?;
            }
            plus = "+";
        }
        if plus.is_empty() {
            let bits = match self.addr {
                Width::W64 => self.disp as u64,
                Width::W32 => u64::from(self.disp as u32),
                Width::W16 | Width::W8 => u64::from(self.disp as u16),
            };
            write!(f, "{bits:#x}")?;
        } else if self.disp != 0 {
            write_signed(f, self.disp, plus)?;
        }
        f.write_str("]")
    }
}

impl Display for Insn {
    /// Branch targets are written relative to the start of the instruction, `$+0x10`: the decoder knows no addresses.
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        if self.lock {
            f.write_str("lock ")?;
        }
        let compares = matches!(self.op, Op::Cmps | Op::Scas);
        f.write_str(match self.rep {
            Rep::None => "",
            Rep::Rep if compares => "repe ",
            Rep::Rep => "rep ",
            Rep::Repne => "repne ",
        })?;
        let name = match (self.op, self.addr) {
            (Op::Jcxz, Width::W32) => "jecxz",
            (Op::Jcxz, Width::W64) => "jrcxz",
            _ => self.op.name(),
        };
        f.write_str(name)?;
        if self.row.repeatable {
            f.write_str(match self.width {
                Width::W8 => "b",
                Width::W16 => "w",
                Width::W32 => "d",
                Width::W64 => "q",
            })?;
            // No operand shows an override of the source's segment.
            if self.seg != Seg::Ds && !matches!(self.op, Op::Stos | Op::Scas | Op::Ins) {
                write!(f, " {}:", self.seg)?;
            }
        }
        let far = self.row.flow == Flow::IndirectCall || self.row.flow == Flow::IndirectBranch;
        for (i, operand) in self.operands.iter().enumerate() {
            let separator = if i == 0 { " " } else { ", " };
            match operand {
                Operand::None => break,
                Operand::Reg(reg) => write!(f, "{separator}{reg}")?,
                // The size of a far pointer says less than the mnemonic.
                Operand::Mem(mem) if far && matches!(self.op, Op::CallFar | Op::JmpFar) => {
                    write!(f, "{separator}{}", Mem { size: 0, ..*mem })?;
                }
                Operand::Mem(mem) => write!(f, "{separator}{mem}")?,
                Operand::Imm(imm) => {
                    f.write_str(separator)?;
                    write_signed(f, *imm, "")?;
                }
                Operand::Rel(rel) => {
                    write!(f, "{separator}$")?;
                    write_signed(f, rel.wrapping_add(i64::from(self.len)), "+")?;
                }
                Operand::Far { selector, offset } => write!(f, "{separator}{selector:#x}:{offset:#x}")?,
            }
        }
        Ok(())
    }
}
