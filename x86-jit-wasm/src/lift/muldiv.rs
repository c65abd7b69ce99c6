//! Multiplication and division.

use super::flags::Flags;
use super::mov::register;
use super::{Done, Lifter, bits, ty};
use crate::ir::{Binary, Compare, Type, Unary, Value};
use x86_decode::{Insn, Op, Operand, Reg, Width};

const RAX: u8 = 0;
const RDX: u8 = 2;
const AH: Reg = Reg::Gpr8High(0);

impl Lifter {
    /// Lower and upper half of the unsigned product.
    pub(super) fn product(&mut self, a: Value, b: Value, width: Width) -> (Value, Value) {
        match width {
            Width::W64 => (self.body.binary(Binary::Mul, a, b), self.upper_product(a, b)),
            Width::W32 => {
                let (a, b) = (self.wide(a, false), self.wide(b, false));
                let product = self.body.binary(Binary::Mul, a, b);
                let high = self.body.with(Binary::ShrU, product, 32);
                (self.low(product), self.low(high))
            }
            _ => {
                let product = self.body.binary(Binary::Mul, a, b);
                let high = self.body.with(Binary::ShrU, product, bits(width).into());
                (self.cut(product, width), high)
            }
        }
    }

    /// Upper half of a product of 128 bits, from four of 64.
    fn upper_product(&mut self, a: Value, b: Value) -> Value {
        const LOW: u64 = u32::MAX as u64;
        let (a_low, b_low) = (self.body.with(Binary::And, a, LOW), self.body.with(Binary::And, b, LOW));
        let (a_high, b_high) = (self.body.with(Binary::ShrU, a, 32), self.body.with(Binary::ShrU, b, 32));
        let lowest = self.body.binary(Binary::Mul, a_low, b_low);
        let carry = self.body.with(Binary::ShrU, lowest, 32);
        // Neither sum exceeds 64 bits: (2^32 - 1)^2 + 2 (2^32 - 1) is 2^64 - 1.
        let first = self.body.binary(Binary::Mul, a_high, b_low);
        let first = self.body.binary(Binary::Add, first, carry);
        let low = self.body.with(Binary::And, first, LOW);
        let second = self.body.binary(Binary::Mul, a_low, b_high);
        let second = self.body.binary(Binary::Add, second, low);
        let highest = self.body.binary(Binary::Mul, a_high, b_high);
        let first = self.body.with(Binary::ShrU, first, 32);
        let second = self.body.with(Binary::ShrU, second, 32);
        let sum = self.body.binary(Binary::Add, highest, first);
        self.body.binary(Binary::Add, sum, second)
    }

    /// Lower and upper half of the signed product, and whether the lower one is not all of it.
    fn signed_product(&mut self, a: Value, b: Value, width: Width) -> (Value, Value, Value) {
        if width == Width::W64 {
            let low = self.body.binary(Binary::Mul, a, b);
            // As unsigned, a negative factor adds the other one to the upper half.
            let mut high = self.upper_product(a, b);
            for (factor, other) in [(a, b), (b, a)] {
                let sign = self.body.with(Binary::ShrS, factor, 63);
                let more = self.body.binary(Binary::And, sign, other);
                high = self.body.binary(Binary::Sub, high, more);
            }
            let sign = self.body.with(Binary::ShrS, low, 63);
            return (low, high, self.body.compare(Compare::Ne, high, sign));
        }
        let bits = bits(width);
        let (a, b) = (self.signed(bits, a), self.signed(bits, b));
        if width != Width::W32 {
            let product = self.body.binary(Binary::Mul, a, b);
            let low = self.cut(product, width);
            let high = self.body.with(Binary::ShrU, product, bits.into());
            let high = self.cut(high, width);
            let again = self.signed(bits, low);
            return (low, high, self.body.compare(Compare::Ne, product, again));
        }
        // The lower half on its own, as the other is mostly not wanted.
        let low = self.body.binary(Binary::Mul, a, b);
        let (a, b) = (self.wide(a, true), self.wide(b, true));
        let product = self.body.binary(Binary::Mul, a, b);
        let high = self.body.with(Binary::ShrU, product, 32);
        let high = self.low(high);
        let again = self.body.unary(Unary::ExtendS, low);
        (low, high, self.body.compare(Compare::Ne, product, again))
    }

    /// `mul` and `imul` of one operand.
    pub(super) fn multiply(&mut self, insn: &Insn) -> Done {
        let width = insn.width;
        let [operand, ..] = &insn.operands;
        let a = self.read(operand, width)?;
        let b = self.read_reg(register(RAX, width))?;
        let (low, high, lost) = if insn.op == Op::Mul {
            let (low, high) = self.product(a, b, width);
            let zero = self.body.is_zero(high);
            (low, high, self.body.not(zero))
        } else {
            self.signed_product(a, b, width)
        };
        self.set_pair(width, low, high)?;
        self.flags = Flags::Given { bits: bits(width), r: low, cf: lost, of: lost };
        Ok(())
    }

    /// Writes AX, or DX:AX of the width.
    fn set_pair(&mut self, width: Width, low: Value, high: Value) -> Done {
        self.write_reg(register(RAX, width), low)?;
        self.write_reg(if width == Width::W8 { AH } else { register(RDX, width) }, high)
    }

    /// `imul` of two and three operands, and of one.
    pub(super) fn imul(&mut self, insn: &Insn) -> Done {
        let width = insn.width;
        let (to, a, b) = match &insn.operands {
            [_, Operand::None, ..] => return self.multiply(insn),
            [to, b, Operand::None, _] => (to, to, b),
            [to, a, b, _] => (to, a, b),
        };
        let (a, b) = (self.read(a, width)?, self.read(b, width)?);
        let (r, _, lost) = self.signed_product(a, b, width);
        self.write(to, r, width)?;
        self.flags = Flags::Given { bits: bits(width), r, cf: lost, of: lost };
        Ok(())
    }

    /// `div` and `idiv`: what does not divide leaves, as does what takes more than 64 bits. The flags stay.
    pub(super) fn divide(&mut self, insn: &Insn) -> Done {
        let width = insn.width;
        let [operand, ..] = &insn.operands;
        let divisor = self.read(operand, width)?;
        let low = self.read_reg(register(RAX, width))?;
        let high = self.read_reg(if width == Width::W8 { AH } else { register(RDX, width) })?;
        let (quotient, remainder) = if insn.op == Op::Div {
            self.divided(low, high, divisor, width)
        } else {
            self.divided_signed(low, high, divisor, width)
        };
        let (quotient, remainder) = (self.cut(quotient, width), self.cut(remainder, width));
        self.set_pair(width, quotient, remainder)
    }

    /// Two halves as one number, of the type twice as wide or, of 8 and 16 bits, in 32.
    fn pair(&mut self, low: Value, high: Value, width: Width) -> Value {
        let (low, high) = match width {
            Width::W32 => (self.wide(low, false), self.wide(high, false)),
            _ => (low, high),
        };
        let high = self.body.with(Binary::Shl, high, bits(width).into());
        self.body.binary(Binary::Or, high, low)
    }

    /// By one division: the other number follows.
    fn quotient(&mut self, op: Binary, dividend: Value, divisor: Value) -> (Value, Value) {
        let quotient = self.body.binary(op, dividend, divisor);
        let whole = self.body.binary(Binary::Mul, quotient, divisor);
        (quotient, self.body.binary(Binary::Sub, dividend, whole))
    }

    fn divided(&mut self, low: Value, high: Value, divisor: Value, width: Width) -> (Value, Value) {
        if self.body.constant(high) == Some(0) {
            let zero = self.body.is_zero(divisor);
            self.guard(zero);
            return self.quotient(Binary::DivU, low, divisor);
        }
        if width == Width::W64 {
            let zero = self.body.is_zero(divisor);
            let upper = self.body.is_zero(high);
            let upper = self.body.not(upper);
            let unusual = self.body.binary(Binary::Or, zero, upper);
            self.guard(unusual);
            return self.quotient(Binary::DivU, low, divisor);
        }
        // The quotient fits if, and only if, the divisor is above the upper half.
        let unfit = self.body.compare(Compare::LeU, divisor, high);
        self.guard(unfit);
        let dividend = self.pair(low, high, width);
        let divisor = if width == Width::W32 { self.wide(divisor, false) } else { divisor };
        let (quotient, remainder) = self.quotient(Binary::DivU, dividend, divisor);
        (self.narrow(quotient, width), self.narrow(remainder, width))
    }

    fn narrow(&mut self, value: Value, width: Width) -> Value {
        if ty(width) == Type::I32 { self.low(value) } else { value }
    }

    fn divided_signed(&mut self, low: Value, high: Value, divisor: Value, width: Width) -> (Value, Value) {
        let bits = bits(width);
        let divisor = self.signed(bits, divisor);
        // Neither 0 nor -1, by which the least number cannot be divided: a divisor that programs take for a negation.
        let next = self.body.with(Binary::Add, divisor, 1);
        let one = self.body.number(self.body.ty(next), 1);
        let unfit = self.body.compare(Compare::LeU, next, one);
        self.guard(unfit);
        if bits >= 32 {
            let sign = self.body.with(Binary::ShrS, low, u64::from(bits) - 1);
            if sign != high && width == Width::W64 {
                let unusual = self.body.compare(Compare::Ne, high, sign);
                self.guard(unusual);
            }
            if sign == high || width == Width::W64 {
                return self.quotient(Binary::DivS, low, divisor);
            }
        }
        let dividend = self.pair(low, high, width);
        let dividend = if width == Width::W8 { self.signed(16, dividend) } else { dividend };
        let divisor = if width == Width::W32 { self.wide(divisor, true) } else { divisor };
        let (quotient, remainder) = self.quotient(Binary::DivS, dividend, divisor);
        let narrow = self.narrow(quotient, width);
        let again = self.signed(bits, narrow);
        let again = if width == Width::W32 { self.wide(again, true) } else { again };
        let lost = self.body.compare(Compare::Ne, quotient, again);
        self.guard(lost);
        (narrow, self.narrow(remainder, width))
    }
}
