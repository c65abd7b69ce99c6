//! Intel-syntax text of an instruction, for logs and the disassembler example.

use core::fmt::{Display, Formatter, Result};

use crate::Op;
use crate::insn::{Insn, Mem, NO_REG, Operand, RIP, Reg, Rep, Seg, Width, XMM_INDEX, YMM_INDEX};

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
            32 => "ymmword ptr ",
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
            match self.index {
                YMM_INDEX.. => write!(f, "{plus}{}", Reg::Ymm(self.index - YMM_INDEX))?,
                XMM_INDEX.. => write!(f, "{plus}{}", Reg::Xmm(self.index - XMM_INDEX))?,
                index => write!(f, "{plus}{}", reg(index))?,
            }
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

impl Insn {
    /// The text of the instruction at `address`: branch targets are absolute, and RIP-relative operands show where they
    /// point.
    pub fn at(&self, address: u64) -> impl Display + '_ {
        At { insn: self, address: Some(address) }
    }
}

impl Display for Insn {
    /// Branch targets are written relative to the start of the instruction, `$+0x10`: the decoder knows no addresses.
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        At { insn: self, address: None }.fmt(f)
    }
}

/// An instruction, and where it stands if that is known.
struct At<'a> {
    insn: &'a Insn,
    address: Option<u64>,
}

impl Display for At<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let insn = self.insn;
        mnemonic(insn, f)?;
        // The size of a far pointer says less than the mnemonic.
        let far = matches!(insn.op, Op::CallFar | Op::JmpFar);
        for (i, operand) in insn.operands.iter().enumerate() {
            let separator = if i == 0 { " " } else { ", " };
            match operand {
                Operand::None => break,
                Operand::Reg(reg) => write!(f, "{separator}{reg}")?,
                Operand::Mem(mem) if far => write!(f, "{separator}{}", Mem { size: 0, ..*mem })?,
                Operand::Mem(mem) => write!(f, "{separator}{mem}")?,
                Operand::Imm(imm) => {
                    f.write_str(separator)?;
                    write_signed(f, *imm, "")?;
                }
                Operand::Rel(rel) => match self.target(*rel, insn.width) {
                    Some(target) => write!(f, "{separator}{target:#x}")?,
                    None => {
                        write!(f, "{separator}$")?;
                        write_signed(f, rel.wrapping_add(i64::from(insn.len)), "+")?;
                    }
                },
                Operand::Far { selector, offset } => write!(f, "{separator}{selector:#x}:{offset:#x}")?,
            }
        }
        for operand in &insn.operands {
            if let Operand::Mem(Mem { base: RIP, disp, addr, .. }) = operand
                && let Some(target) = self.target(*disp, *addr)
            {
                write!(f, "  # {target:#x}")?;
            }
        }
        Ok(())
    }
}

impl At<'_> {
    /// What is `rel` bytes behind the instruction, in an address space of `width`.
    fn target(&self, rel: i64, width: Width) -> Option<u64> {
        let next = self.address?.wrapping_add(u64::from(self.insn.len));
        Some(next.wrapping_add_signed(rel) & (u64::MAX >> (64 - width.bits())))
    }
}

/// Prefixes and mnemonic.
fn mnemonic(insn: &Insn, f: &mut Formatter<'_>) -> Result {
    use Op::{Fxrstor, Fxsave, Xrstor, Xrstors, Xsave, Xsavec, Xsaveopt, Xsaves};
    if insn.lock {
        f.write_str("lock ")?;
    }
    let compares = matches!(insn.op, Op::Cmps | Op::Scas);
    f.write_str(match insn.rep {
        Rep::None => "",
        Rep::Rep if compares => "repe ",
        Rep::Rep => "rep ",
        Rep::Repne => "repne ",
    })?;
    f.write_str(match (insn.op, insn.addr) {
        (Op::Jcxz, Width::W32) => "jecxz",
        (Op::Jcxz, Width::W64) => "jrcxz",
        _ => insn.op.name(),
    })?;
    let suffix = match insn.op {
        Fxsave | Fxrstor | Xsave | Xsaveopt | Xsavec | Xsaves | Xrstor | Xrstors
            if insn.width == Width::W64 =>
        {
            "64"
        }
        _ if !insn.row.repeatable => "",
        _ => match insn.width {
            Width::W8 => "b",
            Width::W16 => "w",
            Width::W32 => "d",
            Width::W64 => "q",
        },
    };
    f.write_str(suffix)?;
    // No operand of a string instruction shows an override of its source's segment.
    let source = insn.row.repeatable && !matches!(insn.op, Op::Stos | Op::Scas | Op::Ins);
    if source && insn.seg != Seg::Ds { write!(f, " {}:", insn.seg) } else { Ok(()) }
}
