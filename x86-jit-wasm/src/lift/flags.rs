//! The arithmetic flags of a block, known by the operation that made them until somebody asks.

use super::Lifter;
use crate::ir::{Binary, Compare, Expr, FlagPart, FlagValues, Type, Unary, Value};

/// What the flags come from. Operands and results are zero-extended; of a result of less than 32 bits, in 32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flags {
    /// What the block began with.
    Before,
    /// In the lazy form.
    Lazy(FlagValues),
    /// `r = a + b`, with carry (0 or 1) or without.
    Add { bits: u32, a: Value, b: Value, r: Value, carry: Option<Value> },
    /// `r = a - b`, with borrow (0 or 1) or without.
    Sub { bits: u32, a: Value, b: Value, r: Value, borrow: Option<Value> },
    /// CF and OF clear.
    Logic { bits: u32, r: Value },
    /// As an addition or subtraction of 1 that leaves CF.
    Step { bits: u32, a: Value, r: Value, down: bool, cf: Value },
    /// A result with CF and OF; AF clear.
    Given { bits: u32, r: Value, cf: Value, of: Value },
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

/// CF in the lazy form.
const CF: u32 = 63;

impl Lifter {
    /// A part of the lazy form, where the flags are in it.
    fn flag_part(&mut self, part: FlagPart) -> Value {
        if let Flags::Lazy(values) | Flags::Changed { old: values, .. } = self.flags {
            return match part {
                FlagPart::Result => values.result,
                FlagPart::Carries => values.carries,
                FlagPart::Shape => values.shape,
            };
        }
        let ty = if part == FlagPart::Shape { Type::I32 } else { Type::I64 };
        self.body.value(ty, Expr::Flags(part))
    }

    fn bit64(&mut self, value: Value, bit: u32) -> Value {
        let shifted = self.body.with(Binary::ShrU, value, bit.into());
        let low = self.body.unary(Unary::Wrap, shifted);
        self.body.with(Binary::And, low, 1)
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

    /// The vector of carries out of each bit.
    fn carries(&mut self, flags: Flags) -> Option<(u32, Value)> {
        let (bits, a, b, r, difference) = match flags {
            Flags::Add { bits, a, b, r, .. } => (bits, a, b, r, false),
            Flags::Sub { bits, a, b, r, .. } => (bits, a, b, r, true),
            Flags::Step { bits, a, r, down, .. } => {
                let one = self.body.number(self.body.ty(a), 1);
                (bits, a, one, r, down)
            }
            _ => return None,
        };
        let all = u64::MAX;
        // a & b | (a | b) & !r, with !a for a and r for !r in a difference.
        let first = if difference { self.body.with(Binary::Xor, a, all) } else { a };
        let last = if difference { r } else { self.body.with(Binary::Xor, r, all) };
        let both = self.body.binary(Binary::And, first, b);
        let any = self.body.binary(Binary::Or, first, b);
        let any = self.body.binary(Binary::And, any, last);
        Some((bits, self.body.binary(Binary::Or, both, any)))
    }

    pub(super) fn cf(&mut self) -> Value {
        match self.flags {
            Flags::Before | Flags::Lazy(_) => {
                let carries = self.flag_part(FlagPart::Carries);
                self.bit64(carries, CF)
            }
            Flags::Add { a, r, carry, .. } => self.below(r, a, carry),
            Flags::Sub { a, b, borrow, .. } => self.below(a, b, borrow),
            Flags::Logic { .. } => self.body.number(Type::I32, 0),
            Flags::Step { cf, .. } | Flags::Given { cf, .. } | Flags::Changed { cf, .. } => cf,
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
            Flags::Before | Flags::Lazy(_) => {
                let carries = self.flag_part(FlagPart::Carries);
                let next = self.body.with(Binary::Shl, carries, 1);
                let differ = self.body.binary(Binary::Xor, carries, next);
                self.bit64(differ, CF)
            }
            Flags::Logic { .. } => self.body.number(Type::I32, 0),
            Flags::Given { of, .. } | Flags::Changed { of, .. } => of,
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
            Flags::Before | Flags::Lazy(_) | Flags::Changed { .. } => None,
            Flags::Add { bits, r, .. }
            | Flags::Sub { bits, r, .. }
            | Flags::Logic { bits, r }
            | Flags::Step { bits, r, .. }
            | Flags::Given { bits, r, .. } => Some((bits, r)),
        }
    }

    pub(super) fn zf(&mut self) -> Value {
        if let Flags::Sub { a, b, borrow: None, .. } = self.flags {
            return self.body.compare(Compare::Eq, a, b);
        }
        let result = match self.result() {
            Some((_, r)) => r,
            None => self.flag_part(FlagPart::Result),
        };
        self.body.is_zero(result)
    }

    pub(super) fn sf(&mut self) -> Value {
        match self.result() {
            Some((bits, r)) if bits >= 32 => {
                let zero = self.body.number(self.body.ty(r), 0);
                self.body.compare(Compare::LtS, r, zero)
            }
            Some((bits, r)) => self.sign(bits, r),
            None => {
                let result = self.flag_part(FlagPart::Result);
                let shape = self.flag_part(FlagPart::Shape);
                let shape = self.body.unary(Unary::ExtendU, shape);
                let flip = self.body.with(Binary::Shl, shape, 32);
                let sign = self.body.binary(Binary::Xor, result, flip);
                self.bit64(sign, 63)
            }
        }
    }

    pub(super) fn pf(&mut self) -> Value {
        let (low, flip) = match self.result() {
            Some((_, r)) if self.body.ty(r) == Type::I64 => (self.body.unary(Unary::Wrap, r), None),
            Some((_, r)) => (r, None),
            None => {
                let result = self.flag_part(FlagPart::Result);
                let shape = self.flag_part(FlagPart::Shape);
                (self.body.unary(Unary::Wrap, result), Some(self.body.with(Binary::ShrU, shape, 30)))
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
        let FlagValues { carries, shape, .. } = self.parts();
        let shape = self.body.unary(Unary::ExtendU, shape);
        let bit = self.body.binary(Binary::ShrU, carries, shape);
        let bit = self.body.unary(Unary::Wrap, bit);
        self.body.with(Binary::And, bit, 1)
    }

    /// A condition by its four-bit code (SDM vol. 1 appendix B): 0 or 1.
    pub(super) fn condition(&mut self, code: u8) -> Value {
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

    /// The flags in the lazy form; none where the block has not changed them.
    pub(super) fn lazy(&mut self) -> Option<FlagValues> {
        match self.flags {
            Flags::Lazy(values) => return Some(values),
            Flags::Changed { old, cf, of } => {
                let carries = self.carry_and_overflow(Some(old.carries), cf, of);
                return Some(FlagValues { carries, ..old });
            }
            _ => {}
        }
        let (bits, r) = self.result()?;
        let r = self.signed(bits, r);
        let result = self.wide(r, true);
        let shape = self.body.number(Type::I32, u64::from(67 - bits));
        let carries = match self.flags {
            Flags::Logic { .. } => self.body.number(Type::I64, 0),
            Flags::Given { cf, of, .. } => self.carry_and_overflow(None, cf, of),
            flags => {
                let carries = self.carries(flags).map_or(r, |(_, carries)| carries);
                let carries = self.wide(carries, false);
                let carries = self.body.with(Binary::Shl, carries, u64::from(64 - bits));
                match flags {
                    Flags::Step { cf, .. } => {
                        let of = self.of();
                        self.carry_and_overflow(Some(carries), cf, of)
                    }
                    _ => carries,
                }
            }
        };
        Some(FlagValues { result, carries, shape })
    }

    /// The flags in the lazy form, be they changed or not.
    pub(super) fn parts(&mut self) -> FlagValues {
        match self.lazy() {
            Some(values) => values,
            None => FlagValues {
                result: self.flag_part(FlagPart::Result),
                carries: self.flag_part(FlagPart::Carries),
                shape: self.flag_part(FlagPart::Shape),
            },
        }
    }

    /// `new` if the value is not 0, else what they are.
    pub(super) fn flags_if(&mut self, met: Value, new: Flags) -> Flags {
        let old = self.parts();
        let before = core::mem::replace(&mut self.flags, new);
        let new = self.parts();
        self.flags = before;
        Flags::Lazy(FlagValues {
            result: self.body.select(met, new.result, old.result),
            carries: self.body.select(met, new.carries, old.carries),
            shape: self.body.select(met, new.shape, old.shape),
        })
    }

    /// The flags with another CF and OF.
    pub(super) fn with_carry_and_overflow(&mut self, cf: Value, of: Value) -> Flags {
        Flags::Changed { old: self.parts(), cf, of }
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
        let carries = self.carry_and_overflow(None, set.cf, set.of);
        let af = self.wide(set.af, false);
        let af = self.body.with(Binary::Shl, af, 3);
        let carries = self.body.binary(Binary::Or, carries, af);
        let pf = self.body.binary(Binary::Xor, set.pf, set.zf);
        let pf = self.body.with(Binary::Shl, pf, 30);
        let sf = self.body.with(Binary::Shl, set.sf, 31);
        let flips = self.body.binary(Binary::Or, pf, sf);
        let shape = self.body.with(Binary::Or, flips, 3);
        FlagValues { result, carries, shape }
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

    /// Carries with the upper two bits such that CF and OF are these.
    fn carry_and_overflow(&mut self, carries: Option<Value>, cf: Value, of: Value) -> Value {
        let below = self.body.binary(Binary::Xor, cf, of);
        let (cf, below) = (self.wide(cf, false), self.wide(below, false));
        let cf = self.body.with(Binary::Shl, cf, 63);
        let below = self.body.with(Binary::Shl, below, 62);
        let top = self.body.binary(Binary::Or, cf, below);
        match carries {
            Some(carries) => {
                let rest = self.body.with(Binary::And, carries, u64::MAX >> 2);
                self.body.binary(Binary::Or, rest, top)
            }
            None => top,
        }
    }
}
