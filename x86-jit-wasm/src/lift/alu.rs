//! Arithmetic and logic.

use super::flags::Flags;
use super::{Done, Lifter, bits, mask, ty};
use crate::ir::{Binary, Type, Unary, Value};
use x86_decode::{Insn, Op, Width};

impl Lifter {
    pub(super) fn two_operands(&mut self, insn: &Insn) -> Done {
        let width = insn.width;
        let [to, from, ..] = &insn.operands;
        let b = self.read(from, width)?;
        let keeps = !matches!(insn.op, Op::Cmp | Op::Test);
        let (a, place) = if keeps { self.read_to_change(to, width)? } else { (self.read(to, width)?, None) };
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
        if keeps {
            self.change(to, place, r, width)?;
        }
        self.flags = flags;
        Ok(())
    }

    pub(super) fn sum(&mut self, a: Value, b: Value, width: Width, carry: bool) -> (Value, Flags) {
        let mut r = self.body.binary(Binary::Add, a, b);
        let carry = carry.then(|| self.cf());
        if let Some(carry) = carry {
            let carry = self.carry_in(carry, width);
            r = self.body.binary(Binary::Add, r, carry);
        }
        let r = self.cut(r, width);
        (r, Flags::Add { bits: bits(width), a, b, r, carry })
    }

    pub(super) fn difference(&mut self, a: Value, b: Value, width: Width, borrow: bool) -> (Value, Flags) {
        let mut r = self.body.binary(Binary::Sub, a, b);
        let borrow = borrow.then(|| self.cf());
        if let Some(borrow) = borrow {
            let borrow = self.carry_in(borrow, width);
            r = self.body.binary(Binary::Sub, r, borrow);
        }
        let r = self.cut(r, width);
        (r, Flags::Sub { bits: bits(width), a, b, r, borrow })
    }

    fn carry_in(&mut self, cf: Value, width: Width) -> Value {
        if ty(width) == Type::I64 { self.body.unary(Unary::ExtendU, cf) } else { cf }
    }

    pub(super) fn one_operand(&mut self, insn: &Insn) -> Done {
        let width = insn.width;
        let [to, ..] = &insn.operands;
        let (a, place) = self.read_to_change(to, width)?;
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
                let (cf, below) = (self.cf(), self.below_pair());
                (r, Flags::Step { bits: bits(width), a, r, down, cf, below })
            }
        };
        self.change(to, place, r, width)?;
        self.flags = flags;
        Ok(())
    }
}
