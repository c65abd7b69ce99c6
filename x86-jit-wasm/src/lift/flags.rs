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
    /// `r = a + b`, with carry or without.
    Add { bits: u32, a: Value, b: Value, r: Value, carry: bool },
    /// `r = a - b`, with borrow or without.
    Sub { bits: u32, a: Value, b: Value, r: Value, borrow: bool },
    /// CF and OF clear.
    Logic { bits: u32, r: Value },
    /// As an addition or subtraction of 1 that leaves CF.
    Step { bits: u32, a: Value, r: Value, down: bool, cf: Value },
    /// A result with CF and OF; AF clear.
    Given { bits: u32, r: Value, cf: Value, of: Value },
}

/// CF in the lazy form.
const CF: u32 = 63;

impl Lifter {
    /// A part of the lazy form, where the flags are in it.
    fn flag_part(&mut self, part: FlagPart) -> Value {
        if let Flags::Lazy(FlagValues { result, carries, shape }) = self.flags {
            return match part {
                FlagPart::Result => result,
                FlagPart::Carries => carries,
                FlagPart::Shape => shape,
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

    fn not(&mut self, bit: Value) -> Value {
        self.body.with(Binary::Xor, bit, 1)
    }

    fn is_zero(&mut self, value: Value) -> Value {
        let zero = self.body.number(self.body.ty(value), 0);
        self.body.compare(Compare::Eq, value, zero)
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
            Flags::Add { a, r, carry: false, .. } => self.body.compare(Compare::LtU, r, a),
            Flags::Sub { a, b, borrow: false, .. } => self.body.compare(Compare::LtU, a, b),
            Flags::Logic { .. } => self.body.number(Type::I32, 0),
            Flags::Step { cf, .. } | Flags::Given { cf, .. } => cf,
            flags => match self.carries(flags) {
                Some((bits, carries)) => self.sign(bits, carries),
                None => self.body.number(Type::I32, 0),
            },
        }
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
            Flags::Given { of, .. } => of,
            flags => match self.carries(flags) {
                Some((bits, carries)) => {
                    let next = self.body.with(Binary::Shl, carries, 1);
                    let differ = self.body.binary(Binary::Xor, carries, next);
                    self.sign(bits, differ)
                }
                None => self.body.number(Type::I32, 0),
            },
        }
    }

    fn result(&self) -> Option<(u32, Value)> {
        match self.flags {
            Flags::Before | Flags::Lazy(_) => None,
            Flags::Add { bits, r, .. }
            | Flags::Sub { bits, r, .. }
            | Flags::Logic { bits, r }
            | Flags::Step { bits, r, .. }
            | Flags::Given { bits, r, .. } => Some((bits, r)),
        }
    }

    pub(super) fn zf(&mut self) -> Value {
        if let Flags::Sub { a, b, borrow: false, .. } = self.flags {
            return self.body.compare(Compare::Eq, a, b);
        }
        let result = match self.result() {
            Some((_, r)) => r,
            None => self.flag_part(FlagPart::Result),
        };
        self.is_zero(result)
    }

    pub(super) fn sf(&mut self) -> Value {
        match self.result() {
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
        self.not(odd)
    }

    /// A condition by its four-bit code (SDM vol. 1 appendix B): 0 or 1.
    pub(super) fn condition(&mut self, code: u8) -> Value {
        let met = match (code >> 1 & 7, self.flags) {
            (0, _) => self.of(),
            (1, _) => self.cf(),
            (2, _) => self.zf(),
            (3, Flags::Sub { a, b, borrow: false, .. }) => self.body.compare(Compare::LeU, a, b),
            (3, _) => {
                let (cf, zf) = (self.cf(), self.zf());
                self.body.binary(Binary::Or, cf, zf)
            }
            (4, _) => self.sf(),
            (5, _) => self.pf(),
            (6, Flags::Sub { bits, a, b, borrow: false, .. }) => {
                let (a, b) = (self.signed(bits, a), self.signed(bits, b));
                self.body.compare(Compare::LtS, a, b)
            }
            (_, Flags::Sub { bits, a, b, borrow: false, .. }) => {
                let (a, b) = (self.signed(bits, a), self.signed(bits, b));
                self.body.compare(Compare::LeS, a, b)
            }
            (low, _) => {
                let (sf, of) = (self.sf(), self.of());
                let less = self.body.binary(Binary::Xor, sf, of);
                if low == 6 {
                    less
                } else {
                    let zf = self.zf();
                    self.body.binary(Binary::Or, less, zf)
                }
            }
        };
        if code & 1 == 0 { met } else { self.not(met) }
    }

    /// The flags in the lazy form; none where the block has not changed them.
    pub(super) fn lazy(&mut self) -> Option<FlagValues> {
        if let Flags::Lazy(values) = self.flags {
            return Some(values);
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
    fn parts(&mut self) -> FlagValues {
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
        let mut select = |ty, new, old| self.body.value(ty, Expr::Select(met, new, old));
        Flags::Lazy(FlagValues {
            result: select(Type::I64, new.result, old.result),
            carries: select(Type::I64, new.carries, old.carries),
            shape: select(Type::I32, new.shape, old.shape),
        })
    }

    /// A value in 64 bits.
    fn wide(&mut self, value: Value, signed: bool) -> Value {
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
