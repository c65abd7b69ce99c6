//! The arithmetic flags of a block, known by the operation that made them until somebody asks.

use super::Lifter;
use crate::ir::{Binary, Compare, Expr, FlagPart, FlagValues, Type, Unary, Value};
use crate::pending::shape;

/// What the flags come from. Operands and results are zero-extended; of a result of less than 32 bits, in 32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flags {
    /// What the block began with.
    Before,
    /// By what they come from.
    Pending(FlagValues),
    /// `r = a + b`, with carry (0 or 1) or without.
    Add { bits: u32, a: Value, b: Value, r: Value, carry: Option<Value> },
    /// `r = a - b`, with borrow (0 or 1) or without.
    Sub { bits: u32, a: Value, b: Value, r: Value, borrow: Option<Value> },
    /// CF and OF clear.
    Logic { bits: u32, r: Value },
    /// As an addition or subtraction of 1 that leaves CF, which is whether the one number is below the other.
    Step { bits: u32, a: Value, r: Value, down: bool, cf: Value, below: (Value, Value) },
    /// A result with CF and OF; AF clear.
    Given { bits: u32, r: Value, cf: Value, of: Value },
    /// A result with CF, OF and AF.
    Full { bits: u32, r: Value, cf: Value, of: Value, af: Value },
    /// ZF and CF of a comparison, as 0 or 1, and what conditions ask of them; the others clear.
    Order { zf: Value, cf: Value, below_or_equal: Value, above: Value, not_below: Value },
    /// Those of before, but for CF and OF.
    Changed { old: FlagValues, cf: Value, of: Value },
}

/// Each flag as 0 or 1.
#[derive(Clone, Copy)]
pub(super) struct Status {
    pub(super) cf: Value,
    pub(super) pf: Value,
    pub(super) af: Value,
    pub(super) zf: Value,
    pub(super) sf: Value,
    pub(super) of: Value,
}

impl Lifter {
    /// Begins a block with flags of a shape.
    pub(super) fn begin_with(&mut self, shape: Option<u32>) {
        // What is not one of these has a shape that says more than what kind it is.
        let plain = shape::WIDTH | shape::OPERATION | shape::LOGIC;
        let Some(shape) = shape.filter(|shape| shape & !plain == 0) else { return };
        let bits = 64 - (shape & shape::WIDTH);
        let operand = |lifter: &mut Lifter, part| {
            let value = lifter.flag_part(part);
            lifter.body.bound(value, u64::MAX >> (64 - bits));
            if bits == 64 { value } else { lifter.body.unary(Unary::Wrap, value) }
        };
        let cut = |lifter: &mut Lifter, value| match bits {
            8 | 16 => lifter.body.with(Binary::And, value, (1 << bits) - 1),
            _ => value,
        };
        self.flags = match shape & (shape::OPERATION | shape::LOGIC) {
            shape::SUB => {
                let (a, b) = (operand(self, FlagPart::Left), operand(self, FlagPart::Right));
                let r = self.body.binary(Binary::Sub, a, b);
                Flags::Sub { bits, a, b, r: cut(self, r), borrow: None }
            }
            shape::ADD => {
                let (r, a) = (operand(self, FlagPart::Left), operand(self, FlagPart::Right));
                let b = self.body.binary(Binary::Sub, r, a);
                Flags::Add { bits, a, b: cut(self, b), r, carry: None }
            }
            shape::LOGIC => Flags::Logic { bits, r: operand(self, FlagPart::Result) },
            operation @ (shape::UP | shape::DOWN) => {
                let r = operand(self, FlagPart::Result);
                let down = operation == shape::DOWN;
                let a = self.body.with(if down { Binary::Add } else { Binary::Sub }, r, 1);
                let (cf, below) = (self.cf(), self.below_pair());
                Flags::Step { bits, a: cut(self, a), r, down, cf, below }
            }
            _ => return,
        };
        self.incoming = (Some(shape), self.flags);
    }

    /// A part of the pending flags, where they are known by it.
    fn flag_part(&mut self, part: FlagPart) -> Value {
        if let Flags::Pending(values) | Flags::Changed { old: values, .. } = self.flags {
            return match part {
                FlagPart::Result => values.result,
                FlagPart::Left => values.left,
                FlagPart::Right => values.right,
                FlagPart::Shape => values.shape,
            };
        }
        let ty = if part == FlagPart::Shape { Type::I32 } else { Type::I64 };
        self.body.value(ty, Expr::Flags(part))
    }

    fn before(&mut self, part: FlagPart) -> Value {
        let ty = if part == FlagPart::Shape { Type::I32 } else { Type::I64 };
        self.body.value(ty, Expr::Flags(part))
    }

    /// A bit of the shape.
    fn shape_bit(&mut self, mask: u32) -> Value {
        let shape = self.flag_part(FlagPart::Shape);
        let down = self.body.with(Binary::ShrU, shape, mask.trailing_zeros().into());
        self.body.with(Binary::And, down, 1)
    }

    /// The result, of what is known by its parts alone, and shifted so that its sign is at the top.
    fn any_result(&mut self) -> (Value, Value) {
        let [result, left, right, shape] =
            [FlagPart::Result, FlagPart::Left, FlagPart::Right, FlagPart::Shape]
                .map(|part| self.flag_part(part));
        let difference = self.body.binary(Binary::Sub, left, right);
        let is_difference = self.body.with(Binary::And, shape, shape::SUB.into());
        let result = self.body.select(is_difference, difference, result);
        let to_top = self.body.unary(Unary::ExtendU, shape);
        let to_top = self.body.on(to_top, shape::WIDTH.into());
        (result, self.body.binary(Binary::Shl, result, to_top))
    }

    /// OF and AF of the same; the formulas are those of [`PendingFlags::bits`](crate::pending::PendingFlags::bits).
    fn any_overflow(&mut self) -> (Value, Value) {
        let (result, _) = self.any_result();
        let (left, right) = (self.flag_part(FlagPart::Left), self.flag_part(FlagPart::Right));
        let shape = self.flag_part(FlagPart::Shape);
        let one = self.body.number(Type::I64, 1);
        let (up, down) = (self.shape_bit(shape::UP), self.shape_bit(shape::DOWN));
        let (above, below) = (self.body.with(Binary::Add, result, 1), self.body.with(Binary::Sub, result, 1));
        let a = self.body.select(up, result, left);
        let a = self.body.select(down, above, a);
        let b = self.body.select(up, below, right);
        let b = self.body.select(down, one, b);
        let c = self.body.binary(Binary::Sub, a, b);
        let carry = self.shape_bit(shape::CARRY);
        let carry = self.body.unary(Unary::ExtendU, carry);
        let b = self.body.binary(Binary::Sub, b, carry);
        let (ab, ac) = (self.body.binary(Binary::Xor, a, b), self.body.binary(Binary::Xor, a, c));
        let to_top = self.body.unary(Unary::ExtendU, shape);
        let of = self.body.binary(Binary::And, ab, ac);
        let of = self.body.binary(Binary::Shl, of, to_top);
        let of = self.body.with(Binary::ShrU, of, 63);
        let of = self.body.unary(Unary::Wrap, of);
        let af = self.body.binary(Binary::Xor, ab, c);
        let af = self.body.with(Binary::ShrU, af, 4);
        let af = self.body.unary(Unary::Wrap, af);
        let af = self.body.with(Binary::And, af, 1);
        let operation = self.body.with(Binary::And, shape, shape::OPERATION.into());
        let (given_of, given_af) = (self.shape_bit(shape::OF), self.shape_bit(shape::AF));
        (self.body.select(operation, of, given_of), self.body.select(operation, af, given_af))
    }

    /// The sign bit as 0 or 1.
    pub(super) fn sign(&mut self, bits: u32, value: Value) -> Value {
        let bit = self.body.with(Binary::ShrU, value, u64::from(bits) - 1);
        let bit = if self.body.ty(bit) == Type::I64 { self.body.unary(Unary::Wrap, bit) } else { bit };
        // Above the sign there is something only where an intermediate value was not cut off.
        self.body.with(Binary::And, bit, 1)
    }

    /// Signed, in its type.
    pub(super) fn signed(&mut self, bits: u32, value: Value) -> Value {
        match bits {
            8 => self.body.unary(Unary::Sext8, value),
            16 => self.body.unary(Unary::Sext16, value),
            _ => value,
        }
    }

    pub(super) fn cf(&mut self) -> Value {
        match self.flags {
            Flags::Before | Flags::Pending(_) => {
                let (left, right) = (self.flag_part(FlagPart::Left), self.flag_part(FlagPart::Right));
                self.body.compare(Compare::LtU, left, right)
            }
            Flags::Add { a, r, carry, .. } => self.below(r, a, carry),
            Flags::Sub { a, b, borrow, .. } => self.below(a, b, borrow),
            Flags::Logic { .. } => self.body.number(Type::I32, 0),
            Flags::Step { cf, .. }
            | Flags::Given { cf, .. }
            | Flags::Full { cf, .. }
            | Flags::Changed { cf, .. }
            | Flags::Order { cf, .. } => cf,
        }
    }

    /// CF as two numbers, the one of which is below the other.
    pub(super) fn below_pair(&mut self) -> (Value, Value) {
        match self.flags {
            Flags::Before | Flags::Pending(_) => {
                (self.flag_part(FlagPart::Left), self.flag_part(FlagPart::Right))
            }
            Flags::Add { a, r, carry: None, .. } => (self.wide(r, false), self.wide(a, false)),
            Flags::Sub { a, b, borrow: None, .. } => (self.wide(a, false), self.wide(b, false)),
            // Nothing is below 0.
            Flags::Logic { .. } => (self.before(FlagPart::Left), self.body.number(Type::I64, 0)),
            Flags::Step { below, .. } => below,
            _ => {
                let cf = self.cf();
                (self.body.number(Type::I64, 0), self.wide(cf, false))
            }
        }
    }

    /// `a < b`, or `a <= b` where the last is not 0.
    fn below(&mut self, a: Value, b: Value, or_equal: Option<Value>) -> Value {
        let less = self.body.compare(Compare::LtU, a, b);
        let Some(or_equal) = or_equal else { return less };
        let equal = self.body.compare(Compare::Eq, a, b);
        let equal = self.body.binary(Binary::And, equal, or_equal);
        self.body.binary(Binary::Or, less, equal)
    }

    pub(super) fn of(&mut self) -> Value {
        match self.flags {
            Flags::Before | Flags::Pending(_) => self.any_overflow().0,
            Flags::Logic { .. } | Flags::Order { .. } => self.body.number(Type::I32, 0),
            Flags::Given { of, .. } | Flags::Full { of, .. } | Flags::Changed { of, .. } => of,
            // The sign of both operands is not that of the result.
            Flags::Add { bits, a, b, r, .. } => {
                let (a, b) = (self.body.binary(Binary::Xor, a, r), self.body.binary(Binary::Xor, b, r));
                let both = self.body.binary(Binary::And, a, b);
                self.sign(bits, both)
            }
            Flags::Sub { bits, a, b, r, .. } => {
                let (b, r) = (self.body.binary(Binary::Xor, a, b), self.body.binary(Binary::Xor, a, r));
                let both = self.body.binary(Binary::And, b, r);
                self.sign(bits, both)
            }
            // From, or to, the number that has the sign alone.
            Flags::Step { bits, a, r, down, .. } => {
                let edge = if down { a } else { r };
                let least = self.body.number(self.body.ty(edge), 1 << (bits - 1));
                self.body.compare(Compare::Eq, edge, least)
            }
        }
    }

    fn result(&self) -> Option<(u32, Value)> {
        match self.flags {
            Flags::Before | Flags::Pending(_) | Flags::Changed { .. } | Flags::Order { .. } => None,
            Flags::Add { bits, r, .. }
            | Flags::Sub { bits, r, .. }
            | Flags::Logic { bits, r }
            | Flags::Step { bits, r, .. }
            | Flags::Given { bits, r, .. }
            | Flags::Full { bits, r, .. } => Some((bits, r)),
        }
    }

    pub(super) fn zf(&mut self) -> Value {
        match self.flags {
            Flags::Sub { a, b, borrow: None, .. } => return self.body.compare(Compare::Eq, a, b),
            Flags::Order { zf, .. } => return zf,
            _ => {}
        }
        let result = match self.result() {
            Some((_, r)) => r,
            None => self.any_result().1,
        };
        self.body.is_zero(result)
    }

    pub(super) fn sf(&mut self) -> Value {
        if let Flags::Order { .. } = self.flags {
            return self.body.number(Type::I32, 0);
        }
        match self.result() {
            Some((bits, r)) if bits >= 32 => {
                let zero = self.body.number(self.body.ty(r), 0);
                self.body.compare(Compare::LtS, r, zero)
            }
            Some((bits, r)) => self.sign(bits, r),
            None => {
                let (_, top) = self.any_result();
                let zero = self.body.number(Type::I64, 0);
                let sign = self.body.compare(Compare::LtS, top, zero);
                let flip = self.shape_bit(shape::SF_FLIP);
                self.body.binary(Binary::Xor, sign, flip)
            }
        }
    }

    pub(super) fn pf(&mut self) -> Value {
        if let Flags::Order { .. } = self.flags {
            return self.body.number(Type::I32, 0);
        }
        let (low, flip) = match self.result() {
            Some((_, r)) if self.body.ty(r) == Type::I64 => (self.body.unary(Unary::Wrap, r), None),
            Some((_, r)) => (r, None),
            None => {
                let (result, _) = self.any_result();
                (self.body.unary(Unary::Wrap, result), Some(self.shape_bit(shape::PF_FLIP)))
            }
        };
        let byte = self.body.with(Binary::And, low, 0xff);
        let ones = self.body.unary(Unary::Popcnt, byte);
        let odd = match flip {
            Some(flip) => self.body.binary(Binary::Xor, ones, flip),
            None => ones,
        };
        let odd = self.body.with(Binary::And, odd, 1);
        self.body.not(odd)
    }

    pub(super) fn af(&mut self) -> Value {
        let (a, b, r) = match self.flags {
            Flags::Add { a, b, r, .. } | Flags::Sub { a, b, r, .. } => (a, b, r),
            Flags::Step { a, r, .. } => (a, self.body.number(self.body.ty(r), 1), r),
            Flags::Logic { .. } | Flags::Given { .. } | Flags::Order { .. } => {
                return self.body.number(Type::I32, 0);
            }
            Flags::Full { af, .. } => return af,
            Flags::Before | Flags::Pending(_) | Flags::Changed { .. } => return self.any_overflow().1,
        };
        let differ = self.body.binary(Binary::Xor, a, b);
        let carries = self.body.binary(Binary::Xor, differ, r);
        let bit = self.body.with(Binary::ShrU, carries, 4);
        let bit = self.low(bit);
        self.body.with(Binary::And, bit, 1)
    }

    /// A condition by its four-bit code (SDM vol. 1 appendix B): 0 or 1.
    pub(super) fn condition(&mut self, code: u8) -> Value {
        match (code, self.flags) {
            (3, Flags::Order { not_below, .. }) => return not_below,
            (7, Flags::Order { above, .. }) => return above,
            _ => {}
        }
        let met = match code >> 1 & 7 {
            0 => self.of(),
            1 => self.cf(),
            2 => self.zf(),
            3 => self.below_or_equal(),
            4 => self.sf(),
            5 => self.pf(),
            6 => self.less(Compare::LtS),
            _ => self.less(Compare::LeS),
        };
        if code & 1 == 0 { met } else { self.body.not(met) }
    }

    fn below_or_equal(&mut self) -> Value {
        if let Flags::Sub { a, b, borrow: None, .. } = self.flags {
            return self.body.compare(Compare::LeU, a, b);
        }
        if let Flags::Order { below_or_equal, .. } = self.flags {
            return below_or_equal;
        }
        let (cf, zf) = (self.cf(), self.zf());
        self.body.binary(Binary::Or, cf, zf)
    }

    /// SF is not OF, or also ZF: what the operation was made of compares like that.
    fn less(&mut self, op: Compare) -> Value {
        let (bits, a, b) = match self.flags {
            Flags::Sub { bits, a, b, borrow: None, .. } => (bits, a, b),
            Flags::Logic { bits, r } => (bits, r, self.body.number(self.body.ty(r), 0)),
            Flags::Step { bits, a, down, .. } => {
                let by = if down { 1 } else { u64::MAX };
                (bits, a, self.body.number(self.body.ty(a), by))
            }
            _ => {
                let (sf, of) = (self.sf(), self.of());
                let less = self.body.binary(Binary::Xor, sf, of);
                if op == Compare::LtS {
                    return less;
                }
                let zf = self.zf();
                return self.body.binary(Binary::Or, less, zf);
            }
        };
        let (a, b) = (self.signed(bits, a), self.signed(bits, b));
        self.body.compare(op, a, b)
    }

    /// The flags by what they come from; none where the block has not changed them.
    pub(super) fn pending(&mut self) -> Option<FlagValues> {
        if self.flags == self.incoming.1 {
            return None;
        }
        let any = self.before(FlagPart::Result);
        let (bits, result, operation) = match self.flags {
            Flags::Before => return None,
            Flags::Pending(values) => return Some(values),
            Flags::Changed { old, cf, of } => {
                let af = self.af();
                let (result, _) = self.any_result();
                let keep = shape::WIDTH | shape::SF_FLIP | shape::PF_FLIP;
                let shape = self.body.with(Binary::And, old.shape, keep.into());
                return Some(self.explicit(result, shape, cf, of, af));
            }
            Flags::Add { bits, a, r, carry: Some(carry), .. } if bits <= 32 => {
                let left = self.wide(r, false);
                return Some(self.with_carry_in(bits, shape::ADD, left, left, a, carry));
            }
            Flags::Sub { bits, a, b, borrow: Some(borrow), .. } if bits <= 32 => {
                let left = self.wide(a, false);
                return Some(self.with_carry_in(bits, shape::SUB, any, left, b, borrow));
            }
            Flags::Add { bits, carry: Some(_), r, .. } | Flags::Sub { bits, borrow: Some(_), r, .. } => {
                let (cf, of, af) = (self.cf(), self.of(), self.af());
                return Some(self.given_explicitly(bits, r, cf, of, af));
            }
            Flags::Given { bits, r, cf, of } => {
                let af = self.body.number(Type::I32, 0);
                return Some(self.given_explicitly(bits, r, cf, of, af));
            }
            Flags::Full { bits, r, cf, of, af } => return Some(self.given_explicitly(bits, r, cf, of, af)),
            Flags::Order { zf, cf, .. } => return Some(self.order(zf, cf)),
            Flags::Add { bits, r, .. } => (bits, r, shape::ADD),
            Flags::Sub { bits, .. } => (bits, any, shape::SUB),
            Flags::Logic { bits, r } => (bits, r, shape::LOGIC),
            Flags::Step { bits, r, down: false, .. } => (bits, r, shape::UP),
            Flags::Step { bits, r, .. } => (bits, r, shape::DOWN),
        };
        let (left, right) = self.below_pair();
        let result = self.wide(result, false);
        let shape = self.body.number(Type::I32, u64::from(operation | (64 - bits)));
        Some(FlagValues { result, left, right, shape })
    }

    /// ZF and CF alone: a result of 0 or 3, whose parity is even, and the correction of that.
    fn order(&mut self, zf: Value, cf: Value) -> FlagValues {
        let differ = self.body.with(Binary::Xor, zf, 1);
        let result = self.body.with(Binary::Mul, differ, 3);
        let result = self.wide(result, false);
        let none = self.body.number(Type::I32, 0);
        let shape = self.body.number(Type::I32, u64::from(shape::PF_FLIP | 32));
        self.explicit(result, shape, cf, none, none)
    }

    /// Of a sum or difference with carry, which the right number takes in.
    fn with_carry_in(
        &mut self,
        bits: u32,
        operation: u32,
        result: Value,
        left: Value,
        right: Value,
        carry: Value,
    ) -> FlagValues {
        let (right, wide) = (self.wide(right, false), self.wide(carry, false));
        let right = self.body.binary(Binary::Add, right, wide);
        let shape = self.body.with(Binary::Shl, carry, shape::CARRY_AT.into());
        let shape = self.body.with(Binary::Or, shape, u64::from(operation | (64 - bits)));
        FlagValues { result, left, right, shape }
    }

    fn given_explicitly(&mut self, bits: u32, r: Value, cf: Value, of: Value, af: Value) -> FlagValues {
        let result = self.wide(r, false);
        let shape = self.body.number(Type::I32, u64::from(64 - bits));
        self.explicit(result, shape, cf, of, af)
    }

    /// With flags of 0 or 1.
    fn explicit(&mut self, result: Value, shape: Value, cf: Value, of: Value, af: Value) -> FlagValues {
        let of = self.body.with(Binary::Shl, of, shape::OF_AT.into());
        let af = self.body.with(Binary::Shl, af, shape::AF_AT.into());
        let both = self.body.binary(Binary::Or, of, af);
        let shape = self.body.binary(Binary::Or, both, shape);
        let left = self.body.number(Type::I64, 0);
        FlagValues { result, left, right: self.wide(cf, false), shape }
    }

    /// The flags by what they come from, be they changed or not.
    pub(super) fn parts(&mut self) -> FlagValues {
        if let Some(values) = self.pending() {
            return values;
        }
        let [result, left, right, shape] =
            [FlagPart::Result, FlagPart::Left, FlagPart::Right, FlagPart::Shape]
                .map(|part| self.before(part));
        FlagValues { result, left, right, shape }
    }

    /// `new` if the value is not 0, else what they are.
    pub(super) fn flags_if(&mut self, met: Value, new: Flags) -> Flags {
        let old = self.parts();
        let before = core::mem::replace(&mut self.flags, new);
        let new = self.parts();
        self.flags = before;
        Flags::Pending(FlagValues {
            result: self.body.select(met, new.result, old.result),
            left: self.body.select(met, new.left, old.left),
            right: self.body.select(met, new.right, old.right),
            shape: self.body.select(met, new.shape, old.shape),
        })
    }

    /// The flags with another CF and OF.
    pub(super) fn with_carry_and_overflow(&mut self, cf: Value, of: Value) -> Flags {
        match self.result() {
            Some((bits, r)) => {
                let af = self.af();
                Flags::Full { bits, r, cf, of, af }
            }
            None => Flags::Changed { old: self.parts(), cf, of },
        }
    }

    /// The flags with another CF.
    pub(super) fn with_carry(&mut self, cf: Value) -> Flags {
        let of = self.of();
        self.with_carry_and_overflow(cf, of)
    }

    /// The flags from a 0 or 1 each.
    pub(super) fn flags_from(&mut self, set: Status) -> FlagValues {
        // 1 has odd parity (PF clear) and 0 has even parity (PF set).
        let result = self.body.not(set.zf);
        let result = self.wide(result, false);
        let pf = self.body.binary(Binary::Xor, set.pf, set.zf);
        let pf = self.body.with(Binary::Shl, pf, shape::PF_AT.into());
        let sf = self.body.with(Binary::Shl, set.sf, 31);
        let shape = self.body.binary(Binary::Or, pf, sf);
        self.explicit(result, shape, set.cf, set.of, set.af)
    }

    /// The flags, a 0 or 1 each.
    pub(super) fn status(&mut self) -> Status {
        Status { cf: self.cf(), pf: self.pf(), af: self.af(), zf: self.zf(), sf: self.sf(), of: self.of() }
    }

    /// A value in 64 bits.
    pub(super) fn wide(&mut self, value: Value, signed: bool) -> Value {
        match (self.body.ty(value), signed) {
            (Type::I64, _) => value,
            (_, true) => self.body.unary(Unary::ExtendS, value),
            _ => self.body.unary(Unary::ExtendU, value),
        }
    }
}
