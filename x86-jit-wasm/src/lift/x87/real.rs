//! Numbers of extended precision as integers: to and from other formats, and their order.
//!
//! What is not ordinary, a denormal, an infinity, a NaN, or a result that may be tiny or too large, is told by a value that is not 0; the
//! instruction is left to the interpreter then.

use crate::ir::{Binary, Body, Compare, Type, Unary, Value};

/// Sign in the upper half of a register.
pub(super) const SIGN: u64 = 0x8000;
pub(super) const EXPONENT: u64 = 0x7fff;
pub(super) const BIAS: u64 = 16383;

/// A number in a register: significand, [`Type::I64`], and sign and exponent, [`Type::I32`].
#[derive(Clone, Copy)]
pub(super) struct Real {
    pub(super) sig: Value,
    pub(super) se: Value,
    /// Whether it is known to be normal or zero.
    pub(super) ordinary: bool,
}

impl Body {
    pub(super) fn long_of(&mut self, bit: Value) -> Value {
        self.unary(Unary::ExtendU, bit)
    }

    pub(super) fn is_set(&mut self, value: Value) -> Value {
        let zero = self.number(self.ty(value), 0);
        self.compare(Compare::Ne, value, zero)
    }

    pub(super) fn top_bit(&mut self, value: Value) -> Value {
        let top = self.with(Binary::ShrU, value, 63);
        self.unary(Unary::Wrap, top)
    }

    pub(super) fn exponent_of(&mut self, real: Real) -> Value {
        self.with(Binary::And, real.se, EXPONENT)
    }

    /// Not 0 unless a number is normal or zero.
    pub(super) fn odd(&mut self, real: Real) -> Value {
        let exponent = self.exponent_of(real);
        let top = self.top_bit(real.sig);
        let less = self.with(Binary::Sub, exponent, 1);
        let limit = self.number(Type::I32, EXPONENT - 1);
        let odd_normal = self.compare(Compare::LeU, limit, less);
        let wide = self.long_of(exponent);
        let any = self.binary(Binary::Or, real.sig, wide);
        let odd_zero = self.is_set(any);
        self.select(top, odd_normal, odd_zero)
    }

    /// Whether what is cut off has a number rounded up.
    pub(super) fn rounds_up(&mut self, high: Value, low: Value) -> Value {
        let half = self.top_bit(low);
        let rest = self.with(Binary::Shl, low, 1);
        let rest = self.is_set(rest);
        let odd = self.with(Binary::And, high, 1);
        let odd = self.unary(Unary::Wrap, odd);
        let more = self.binary(Binary::Or, rest, odd);
        self.binary(Binary::And, half, more)
    }

    /// Whether the magnitude of `a` is below that of `b`: 0 or 1.
    pub(super) fn is_smaller(&mut self, a: Real, b: Real) -> Value {
        let (x, y) = (self.exponent_of(a), self.exponent_of(b));
        let below = self.compare(Compare::LtU, x, y);
        let equal = self.compare(Compare::Eq, x, y);
        let sig_below = self.compare(Compare::LtU, a.sig, b.sig);
        let both = self.binary(Binary::And, equal, sig_below);
        self.binary(Binary::Or, below, both)
    }

    /// Whether `a` is less than `b`, and whether they are equal: 0 or 1.
    pub(super) fn order_reals(&mut self, a: Real, b: Real) -> (Value, Value) {
        let any = self.binary(Binary::Or, a.sig, b.sig);
        let zeros = self.is_zero(any);
        let same_sig = self.compare(Compare::Eq, a.sig, b.sig);
        let same_se = self.compare(Compare::Eq, a.se, b.se);
        let same = self.binary(Binary::And, same_sig, same_se);
        let equal = self.binary(Binary::Or, zeros, same);
        let smaller = self.is_smaller(a, b);
        let negative = self.with(Binary::ShrU, a.se, 15);
        let other_way = self.not(smaller);
        let below = self.select(negative, other_way, smaller);
        let differ = self.binary(Binary::Xor, a.se, b.se);
        let differ = self.with(Binary::ShrU, differ, 15);
        let less = self.select(differ, negative, below);
        let unequal = self.not(equal);
        (self.binary(Binary::And, less, unequal), equal)
    }

    /// From the bits of a number of 32 or 64 bits; what is not ordinary is bad.
    pub(super) fn widened(&mut self, bits: Value, double: bool) -> (Real, Value) {
        let (fraction, bias, ones) = if double { (52, 1023, 0x7ff) } else { (23, 127, 0xff) };
        let bits = if double { bits } else { self.long_of(bits) };
        let width = if double { 63 } else { 31 };
        let exponent = self.with(Binary::ShrU, bits, fraction);
        let exponent = self.unary(Unary::Wrap, exponent);
        let exponent = self.with(Binary::And, exponent, ones);
        let sign = self.with(Binary::ShrU, bits, width - 15);
        let sign = self.unary(Unary::Wrap, sign);
        let sign = self.with(Binary::And, sign, SIGN);
        let sig = self.with(Binary::Shl, bits, 63 - fraction);
        let sig = self.with(Binary::Or, sig, 1 << 63);
        let magnitude = self.with(Binary::Shl, bits, 64 - width);
        let zero = self.is_zero(magnitude);
        let less = self.with(Binary::Sub, exponent, 1);
        let limit = self.number(Type::I32, ones - 1);
        let outside = self.compare(Compare::LeU, limit, less);
        let something = self.not(zero);
        let bad = self.binary(Binary::And, outside, something);
        let exponent = self.with(Binary::Add, exponent, BIAS - bias);
        let (none, nothing) = (self.number(Type::I64, 0), self.number(Type::I32, 0));
        let sig = self.select(zero, none, sig);
        let exponent = self.select(zero, nothing, exponent);
        let se = self.binary(Binary::Or, sign, exponent);
        (Real { sig, se, ordinary: true }, bad)
    }

    /// To the bits of a number of 32 or 64 bits: those, whether it was rounded up, and what is not 0 where there are none.
    pub(super) fn narrowed(&mut self, real: Real, double: bool) -> (Value, Value, Value) {
        let (fraction, bias, ones) = if double { (52, 1023, 0x7ff) } else { (23, 127, 0xff) };
        let exponent = self.exponent_of(real);
        let exponent = self.with(Binary::Sub, exponent, BIAS - bias);
        let distance = self.with(Binary::Sub, exponent, 2);
        let limit = self.number(Type::I32, ones - 2);
        let outside = self.compare(Compare::LeU, limit, distance);
        let zero = self.is_zero(real.sig);
        let kept = self.with(Binary::ShrU, real.sig, 63 - fraction);
        let cut = self.with(Binary::Shl, real.sig, fraction + 1);
        let up = self.rounds_up(kept, cut);
        let kept = self.with(Binary::And, kept, (1 << fraction) - 1);
        let high = self.long_of(exponent);
        let high = self.with(Binary::Shl, high, fraction);
        let more = self.long_of(up);
        let magnitude = self.binary(Binary::Add, high, kept);
        let magnitude = self.binary(Binary::Add, magnitude, more);
        // The largest may be rounded up to what is none any more.
        let infinite = self.number(Type::I64, ones << fraction);
        let overflow = self.compare(Compare::LeU, infinite, magnitude);
        let outside = self.binary(Binary::Or, outside, overflow);
        let something = self.not(zero);
        let bad = self.binary(Binary::And, outside, something);
        let none = self.number(Type::I64, 0);
        let magnitude = self.select(zero, none, magnitude);
        let sign = self.with(Binary::And, real.se, SIGN);
        let sign = self.long_of(sign);
        let sign = self.with(Binary::Shl, sign, if double { 48 } else { 16 });
        let bits = self.binary(Binary::Or, sign, magnitude);
        (if double { bits } else { self.unary(Unary::Wrap, bits) }, up, bad)
    }

    /// From a signed integer of 64 bits.
    pub(super) fn of_integer(&mut self, value: Value) -> Real {
        let negative = self.top_bit(value);
        let none = self.number(Type::I64, 0);
        let other = self.binary(Binary::Sub, none, value);
        let magnitude = self.select(negative, other, value);
        let zeros = self.unary(Unary::Clz, magnitude);
        let sig = self.binary(Binary::Shl, magnitude, zeros);
        let zeros = self.unary(Unary::Wrap, zeros);
        let top = self.number(Type::I32, BIAS + 63);
        let exponent = self.binary(Binary::Sub, top, zeros);
        let zero = self.is_zero(value);
        let nothing = self.number(Type::I32, 0);
        let exponent = self.select(zero, nothing, exponent);
        let sign = self.with(Binary::Shl, negative, 15);
        Real { sig, se: self.binary(Binary::Or, sign, exponent), ordinary: true }
    }

    /// To a signed integer of so many bits, to nearest or cut off: as 64 bits, whether it was rounded up, and what is not 0 where it does not fit.
    pub(super) fn rounded_to_integer(
        &mut self,
        real: Real,
        bits: u32,
        cut_off: bool,
    ) -> (Value, Value, Value) {
        let exponent = self.exponent_of(real);
        let top = self.number(Type::I32, BIAS + 63);
        let shift = self.binary(Binary::Sub, top, exponent);
        // From 65 on nothing is left but that there was something.
        let limit = self.number(Type::I32, 64);
        let far = self.compare(Compare::LtU, limit, shift);
        let large = self.with(Binary::Sub, shift, 1);
        let all = self.number(Type::I32, 1 << 20);
        let bad = self.compare(Compare::LtU, all, large);
        let count = self.long_of(shift);
        let none = self.number(Type::I64, 0);
        let moved = self.binary(Binary::ShrU, real.sig, count);
        let whole = self.compare(Compare::LeU, limit, shift);
        let kept = self.select(whole, none, moved);
        let up = if cut_off {
            self.number(Type::I32, 0)
        } else {
            let left = self.binary(Binary::Sub, none, count);
            let cut = self.binary(Binary::Shl, real.sig, left);
            let up = self.rounds_up(kept, cut);
            let near = self.not(far);
            self.binary(Binary::And, up, near)
        };
        let more = self.long_of(up);
        let magnitude = self.binary(Binary::Add, kept, more);
        let negative = self.with(Binary::ShrU, real.se, 15);
        let wide = self.long_of(negative);
        let most = self.with(Binary::Add, wide, (1 << (bits - 1)) - 1);
        let too_large = self.compare(Compare::LtU, most, magnitude);
        let bad = self.binary(Binary::Or, bad, too_large);
        let other = self.binary(Binary::Sub, none, magnitude);
        (self.select(negative, other, magnitude), up, bad)
    }
}
