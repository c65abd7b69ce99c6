//! Arithmetic and logic.

use super::flags::Flags;
use super::{Done, Lifter, Unsupported, bits, mask, ty};
use crate::ir::{Binary, Type, Unary, Value};
use x86_decode::{Insn, Op, Operand, Reg, Width};

const RCX: u8 = 1;

impl Lifter {
    pub(super) fn two_operands(&mut self, insn: &Insn) -> Done {
        let width = insn.width;
        let [to, from, ..] = &insn.operands;
        let b = self.read(from, width)?;
        let a = self.read(to, width)?;
        let bits = bits(width);
        let (r, flags) = match insn.op {
            Op::Add => self.sum(a, b, width, false),
            Op::Adc => self.sum(a, b, width, true),
            Op::Sub | Op::Cmp => self.difference(a, b, width, false),
            Op::Sbb => self.difference(a, b, width, true),
            op => {
                let op = match op {
                    Op::And | Op::Test => Binary::And,
                    Op::Or => Binary::Or,
                    _ => Binary::Xor,
                };
                let r = self.body.binary(op, a, b);
                (r, Flags::Logic { bits, r })
            }
        };
        if !matches!(insn.op, Op::Cmp | Op::Test) {
            self.write(to, r, width)?;
        }
        self.flags = flags;
        Ok(())
    }

    fn sum(&mut self, a: Value, b: Value, width: Width, carry: bool) -> (Value, Flags) {
        let mut r = self.body.binary(Binary::Add, a, b);
        if carry {
            let cf = self.carry_in(width);
            r = self.body.binary(Binary::Add, r, cf);
        }
        let r = self.cut(r, width);
        (r, Flags::Add { bits: bits(width), a, b, r, carry })
    }

    fn difference(&mut self, a: Value, b: Value, width: Width, borrow: bool) -> (Value, Flags) {
        let mut r = self.body.binary(Binary::Sub, a, b);
        if borrow {
            let cf = self.carry_in(width);
            r = self.body.binary(Binary::Sub, r, cf);
        }
        let r = self.cut(r, width);
        (r, Flags::Sub { bits: bits(width), a, b, r, borrow })
    }

    fn carry_in(&mut self, width: Width) -> Value {
        let cf = self.cf();
        if width == Width::W64 { self.body.unary(Unary::ExtendU, cf) } else { cf }
    }

    pub(super) fn one_operand(&mut self, insn: &Insn) -> Done {
        let width = insn.width;
        let [to, ..] = &insn.operands;
        let a = self.read(to, width)?;
        let (r, flags) = match insn.op {
            Op::Not => {
                let r = self.body.with(Binary::Xor, a, mask(width));
                (r, self.flags)
            }
            Op::Neg => {
                let zero = self.body.number(ty(width), 0);
                self.difference(zero, a, width, false)
            }
            op => {
                let down = op == Op::Dec;
                let r = self.body.with(if down { Binary::Sub } else { Binary::Add }, a, 1);
                let r = self.cut(r, width);
                let cf = self.cf();
                (r, Flags::Step { bits: bits(width), a, r, down, cf })
            }
        };
        self.write(to, r, width)?;
        self.flags = flags;
        Ok(())
    }

    pub(super) fn shift(&mut self, insn: &Insn) -> Done {
        let width = insn.width;
        let [to, by, ..] = &insn.operands;
        let count_mask = if width == Width::W64 { 63 } else { 31 };
        let n = match by {
            Operand::Imm(n) => *n as u64 & count_mask,
            Operand::Reg(Reg::Gpr8(RCX)) => return self.shift_by_register(insn, count_mask),
            _ => return Err(Unsupported),
        };
        if n >= u64::from(bits(width)) {
            return Err(Unsupported);
        }
        let a = self.read(to, width)?;
        let (r, flags) = match n {
            0 => (a, self.flags),
            n => self.shifted(insn.op, a, n, width),
        };
        self.write(to, r, width)?;
        self.flags = flags;
        Ok(())
    }

    /// By a number from 1 to one less than the width.
    fn shifted(&mut self, op: Op, a: Value, n: u64, width: Width) -> (Value, Flags) {
        let bits = bits(width);
        let (r, cf, of) = match op {
            Op::Shl => {
                let wide = self.body.with(Binary::Shl, a, n);
                let r = self.cut(wide, width);
                let out = self.body.with(Binary::ShrU, a, u64::from(bits) - n);
                let cf = self.low_bit(out);
                let sign = self.sign(bits, r);
                (r, cf, self.body.binary(Binary::Xor, cf, sign))
            }
            Op::Shr => {
                let r = self.body.with(Binary::ShrU, a, n);
                let out = self.body.with(Binary::ShrU, a, n - 1);
                let cf = self.low_bit(out);
                let next = self.body.with(Binary::Shl, r, 1);
                let differ = self.body.binary(Binary::Xor, r, next);
                (r, cf, self.sign(bits, differ))
            }
            _ => {
                let signed = self.signed(bits, a);
                let wide = self.body.with(Binary::ShrS, signed, n);
                let r = self.cut(wide, width);
                let out = self.body.with(Binary::ShrS, signed, n - 1);
                (r, self.low_bit(out), self.body.number(Type::I32, 0))
            }
        };
        (r, Flags::Given { bits, r, cf, of })
    }

    fn low_bit(&mut self, value: Value) -> Value {
        let low = self.low(value);
        self.body.with(Binary::And, low, 1)
    }

    /// By CL: a count of zero leaves the flags.
    fn shift_by_register(&mut self, insn: &Insn, count_mask: u64) -> Done {
        let width = insn.width;
        if !matches!(width, Width::W32 | Width::W64) {
            return Err(Unsupported);
        }
        let [to, ..] = &insn.operands;
        let count = self.read_reg(Reg::Gpr8(RCX))?;
        let count = self.body.with(Binary::And, count, count_mask);
        let count = if width == Width::W64 { self.body.unary(Unary::ExtendU, count) } else { count };
        let a = self.read(to, width)?;
        let bits = bits(width);
        let op = match insn.op {
            Op::Shl => Binary::Shl,
            Op::Shr => Binary::ShrU,
            _ => Binary::ShrS,
        };
        let r = self.body.binary(op, a, count);
        // The last bit shifted out: that of a shift by one less. Of a count of zero it is not wanted.
        let before = self.body.with(Binary::Sub, count, 1);
        let (cf, of) = match insn.op {
            Op::Shl => {
                let out = self.body.binary(Binary::Shl, a, before);
                let cf = self.sign(bits, out);
                let sign = self.sign(bits, r);
                (cf, self.body.binary(Binary::Xor, cf, sign))
            }
            Op::Shr => {
                let out = self.body.binary(Binary::ShrU, a, before);
                let next = self.body.with(Binary::Shl, r, 1);
                let differ = self.body.binary(Binary::Xor, r, next);
                (self.low_bit(out), self.sign(bits, differ))
            }
            _ => {
                let out = self.body.binary(Binary::ShrS, a, before);
                (self.low_bit(out), self.body.number(Type::I32, 0))
            }
        };
        let any = self.low(count);
        let flags = self.flags_if(any, Flags::Given { bits, r, cf, of });
        self.write(to, r, width)?;
        self.flags = flags;
        Ok(())
    }

    /// The forms of two and three operands.
    pub(super) fn imul(&mut self, insn: &Insn) -> Done {
        let width = insn.width;
        let (to, a, b) = match &insn.operands {
            [to, a, Operand::None, _] if *a != Operand::None => (to, to, a),
            [to, a, b, _] if *b != Operand::None => (to, a, b),
            _ => return Err(Unsupported),
        };
        if width == Width::W64 {
            // The upper half of 128 bits decides on the flags.
            return Err(Unsupported);
        }
        let (a, b) = (self.read(a, width)?, self.read(b, width)?);
        let (a, b) = (self.signed(bits(width), a), self.signed(bits(width), b));
        let (a, b) = (self.body.unary(Unary::ExtendS, a), self.body.unary(Unary::ExtendS, b));
        let product = self.body.binary(Binary::Mul, a, b);
        let low = self.low(product);
        let r = self.cut(low, width);
        let again = self.signed(bits(width), r);
        let again = self.body.unary(Unary::ExtendS, again);
        let lost = self.body.compare(crate::ir::Compare::Ne, product, again);
        self.write(to, r, width)?;
        self.flags = Flags::Given { bits: bits(width), r, cf: lost, of: lost };
        Ok(())
    }
}
