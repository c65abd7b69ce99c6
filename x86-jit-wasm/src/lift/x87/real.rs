//! Arithmetic of extended precision on integers: round to nearest, ordinary operands, ordinary results.
//!
//! What is not ordinary, a denormal, an infinity, a NaN, or a result that may be tiny or too large, is told by a value that is not 0; the
//! instruction is left to the interpreter then.

use super::super::Lifter;
use crate::ir::{Binary, Compare, Type, Unary, Value};

/// Sign in the upper half of a register.
pub(super) const SIGN: u64 = 0x8000;
const EXPONENT: u64 = 0x7fff;
pub(super) const BIAS: u64 = 16383;
const LOW: u64 = 0xffff_ffff;

/// A number in a register: significand, [`Type::I64`], and sign and exponent, [`Type::I32`].
#[derive(Clone, Copy)]
pub(super) struct Real {
    pub(super) sig: Value,
    pub(super) se: Value,
    /// Whether it is known to be normal or zero.
    pub(super) ordinary: bool,
}

/// A rounded result.
#[derive(Clone, Copy)]
pub(super) struct Rounded {
    pub(super) real: Real,
    /// Whether it was rounded up, 0 or 1.
    pub(super) up: Value,
    /// Not 0: it is none.
    pub(super) bad: Value,
}

/// A significand of 128 bits, the upper half's top bit set unless all is zero, with what it is a significand of.
struct Wide {
    high: Value,
    low: Value,
    /// Biased, as of the top bit.
    exponent: Value,
    sign: Value,
    /// Whether it is zero.
    zero: Value,
}

impl Lifter {
    fn op(&mut self, op: Binary, a: Value, b: Value) -> Value {
        self.body.binary(op, a, b)
    }

    fn by(&mut self, op: Binary, a: Value, n: u64) -> Value {
        self.body.with(op, a, n)
    }

    pub(super) fn long_of(&mut self, bit: Value) -> Value {
        self.body.unary(Unary::ExtendU, bit)
    }

    fn is_set(&mut self, value: Value) -> Value {
        let zero = self.body.number(self.body.ty(value), 0);
        self.body.compare(Compare::Ne, value, zero)
    }

    pub(super) fn top_bit(&mut self, value: Value) -> Value {
        let top = self.by(Binary::ShrU, value, 63);
        self.body.unary(Unary::Wrap, top)
    }

    pub(super) fn exponent_of(&mut self, real: Real) -> Value {
        self.by(Binary::And, real.se, EXPONENT)
    }

    /// Not 0 unless a number is normal or zero.
    pub(super) fn odd(&mut self, real: Real) -> Value {
        let exponent = self.exponent_of(real);
        let top = self.top_bit(real.sig);
        let less = self.by(Binary::Sub, exponent, 1);
        let limit = self.body.number(Type::I32, EXPONENT - 1);
        let odd_normal = self.body.compare(Compare::LeU, limit, less);
        let wide = self.long_of(exponent);
        let any = self.op(Binary::Or, real.sig, wide);
        let odd_zero = self.is_set(any);
        self.body.select(top, odd_normal, odd_zero)
    }

    /// Whether what is cut off has a number rounded up.
    fn rounds_up(&mut self, high: Value, low: Value) -> Value {
        let half = self.top_bit(low);
        let rest = self.by(Binary::Shl, low, 1);
        let rest = self.is_set(rest);
        let odd = self.by(Binary::And, high, 1);
        let odd = self.body.unary(Unary::Wrap, odd);
        let more = self.op(Binary::Or, rest, odd);
        self.op(Binary::And, half, more)
    }

    fn rounded(&mut self, wide: Wide) -> Rounded {
        let Wide { high, low, exponent, sign, zero } = wide;
        let up = self.rounds_up(high, low);
        let more = self.long_of(up);
        let sum = self.op(Binary::Add, high, more);
        let carry = self.body.is_zero(sum);
        let top = self.long_of(carry);
        let top = self.by(Binary::Shl, top, 63);
        let sig = self.op(Binary::Or, sum, top);
        let exponent = self.op(Binary::Add, exponent, carry);
        // The lowest exponent may be of a number that was tiny before rounding.
        let distance = self.by(Binary::Sub, exponent, 2);
        let limit = self.body.number(Type::I32, EXPONENT - 2);
        let outside = self.body.compare(Compare::LeU, limit, distance);
        let something = self.body.not(zero);
        let bad = self.op(Binary::And, outside, something);
        let (none, nothing) = (self.body.number(Type::I64, 0), self.body.number(Type::I32, 0));
        let sig = self.body.select(zero, none, sig);
        let exponent = self.body.select(zero, nothing, exponent);
        let se = self.op(Binary::Or, sign, exponent);
        Rounded { real: Real { sig, se, ordinary: true }, up, bad }
    }

    pub(super) fn multiply_reals(&mut self, a: Real, b: Real) -> Rounded {
        let [al, bl] = [a.sig, b.sig].map(|sig| self.by(Binary::And, sig, LOW));
        let [ah, bh] = [a.sig, b.sig].map(|sig| self.by(Binary::ShrU, sig, 32));
        let ll = self.op(Binary::Mul, al, bl);
        let lh = self.op(Binary::Mul, al, bh);
        let hl = self.op(Binary::Mul, ah, bl);
        let hh = self.op(Binary::Mul, ah, bh);
        let carry = self.by(Binary::ShrU, ll, 32);
        let part = self.by(Binary::And, lh, LOW);
        let middle = self.op(Binary::Add, hl, part);
        let middle = self.op(Binary::Add, middle, carry);
        let part = self.by(Binary::ShrU, lh, 32);
        let high = self.op(Binary::Add, hh, part);
        let part = self.by(Binary::ShrU, middle, 32);
        let high = self.op(Binary::Add, high, part);
        let low = self.by(Binary::And, ll, LOW);
        let part = self.by(Binary::Shl, middle, 32);
        let low = self.op(Binary::Or, part, low);
        let top = self.top_bit(high);
        let twice = self.by(Binary::Shl, high, 1);
        let bit = self.by(Binary::ShrU, low, 63);
        let twice = self.op(Binary::Or, twice, bit);
        let twice_low = self.by(Binary::Shl, low, 1);
        let all = self.op(Binary::Or, high, low);
        let zero = self.body.is_zero(all);
        let high = self.body.select(top, high, twice);
        let low = self.body.select(top, low, twice_low);
        let (x, y) = (self.exponent_of(a), self.exponent_of(b));
        let exponent = self.op(Binary::Add, x, y);
        let exponent = self.op(Binary::Add, exponent, top);
        let exponent = self.by(Binary::Sub, exponent, BIAS);
        let sign = self.op(Binary::Xor, a.se, b.se);
        let sign = self.by(Binary::And, sign, SIGN);
        self.rounded(Wide { high, low, exponent, sign, zero })
    }

    pub(super) fn negated(&mut self, real: Real) -> Real {
        Real { se: self.by(Binary::Xor, real.se, SIGN), ..real }
    }

    pub(super) fn add_reals(&mut self, a: Real, b: Real) -> Rounded {
        let (x, y) = (self.exponent_of(a), self.exponent_of(b));
        let below = self.is_smaller(a, b);
        let large = self.body.select(below, b.sig, a.sig);
        let small = self.body.select(below, a.sig, b.sig);
        let exponent = self.body.select(below, y, x);
        let (up, down) = (self.op(Binary::Sub, y, x), self.op(Binary::Sub, x, y));
        let distance = self.body.select(below, up, down);
        let sign = self.body.select(below, b.se, a.se);
        let sign = self.by(Binary::And, sign, SIGN);
        let differ = self.op(Binary::Xor, a.se, b.se);
        let differ = self.by(Binary::And, differ, SIGN);
        // The small one, moved by the distance, as 128 bits. Shifts take their counts modulo 64.
        let count = self.long_of(distance);
        let moved = self.op(Binary::ShrU, small, count);
        let rest = self.body.number(Type::I64, 63);
        let rest = self.op(Binary::Sub, rest, count);
        let cut = self.op(Binary::Shl, small, rest);
        let cut = self.by(Binary::Shl, cut, 1);
        let sticky = self.is_set(cut);
        let sticky = self.long_of(sticky);
        let far_low = self.op(Binary::Or, moved, sticky);
        let any = self.is_set(small);
        let any = self.long_of(any);
        let limit = self.body.number(Type::I32, 127);
        let very_far = self.body.compare(Compare::LtU, limit, distance);
        let far_low = self.body.select(very_far, any, far_low);
        let limit = self.body.number(Type::I32, 63);
        let far = self.body.compare(Compare::LtU, limit, distance);
        let none = self.body.number(Type::I64, 0);
        let high = self.body.select(far, none, moved);
        let low = self.body.select(far, far_low, cut);
        // The sum, with a carry that goes back in.
        let sum = self.op(Binary::Add, large, high);
        let carry = self.body.compare(Compare::LtU, sum, large);
        let half = self.by(Binary::ShrU, sum, 1);
        let half = self.by(Binary::Or, half, 1 << 63);
        let half_low = self.by(Binary::ShrU, low, 1);
        let bit = self.by(Binary::And, low, 1);
        let half_low = self.op(Binary::Or, half_low, bit);
        let bit = self.by(Binary::Shl, sum, 63);
        let half_low = self.op(Binary::Or, half_low, bit);
        let sum_high = self.body.select(carry, half, sum);
        let sum_low = self.body.select(carry, half_low, low);
        let sum_exponent = self.op(Binary::Add, exponent, carry);
        // The difference, whose top bits may have gone.
        let borrow = self.is_set(low);
        let borrow = self.long_of(borrow);
        let left = self.op(Binary::Sub, large, high);
        let left = self.op(Binary::Sub, left, borrow);
        let left_low = self.op(Binary::Sub, none, low);
        let gone = self.body.is_zero(left);
        let left = self.body.select(gone, left_low, left);
        let left_low = self.body.select(gone, none, left_low);
        let zeros = self.body.unary(Unary::Clz, left);
        let rest = self.body.number(Type::I64, 63);
        let rest = self.op(Binary::Sub, rest, zeros);
        let in_high = self.op(Binary::Shl, left, zeros);
        let from_low = self.by(Binary::ShrU, left_low, 1);
        let from_low = self.op(Binary::ShrU, from_low, rest);
        let difference = self.op(Binary::Or, in_high, from_low);
        let difference_low = self.op(Binary::Shl, left_low, zeros);
        let zeros = self.body.unary(Unary::Wrap, zeros);
        let less = self.op(Binary::Sub, exponent, zeros);
        let word = self.by(Binary::Shl, gone, 6);
        let less = self.op(Binary::Sub, less, word);
        let high = self.body.select(differ, difference, sum_high);
        let low = self.body.select(differ, difference_low, sum_low);
        let exponent = self.body.select(differ, less, sum_exponent);
        let zero = self.body.is_zero(high);
        // x - x is +0.
        let nothing = self.body.number(Type::I32, 0);
        let cancelled = self.body.select(zero, differ, nothing);
        let sign = self.body.select(cancelled, nothing, sign);
        self.rounded(Wide { high, low, exponent, sign, zero })
    }

    /// Whether the magnitude of `a` is below that of `b`: 0 or 1.
    fn is_smaller(&mut self, a: Real, b: Real) -> Value {
        let (x, y) = (self.exponent_of(a), self.exponent_of(b));
        let below = self.body.compare(Compare::LtU, x, y);
        let equal = self.body.compare(Compare::Eq, x, y);
        let sig_below = self.body.compare(Compare::LtU, a.sig, b.sig);
        let both = self.op(Binary::And, equal, sig_below);
        self.op(Binary::Or, below, both)
    }

    /// A quotient; division by zero is bad.
    pub(super) fn divide_reals(&mut self, a: Real, b: Real) -> Rounded {
        let no_divisor = self.body.is_zero(b.sig);
        self.guard(no_divisor);
        let less = self.body.compare(Compare::LtU, a.sig, b.sig);
        let half = self.by(Binary::ShrU, a.sig, 1);
        let bit = self.by(Binary::Shl, a.sig, 63);
        let none = self.body.number(Type::I64, 0);
        let high = self.body.select(less, a.sig, half);
        let low = self.body.select(less, none, bit);
        let next = self.by(Binary::ShrU, low, 32);
        let (first, rest) = self.digit(high, next, b.sig);
        let (second, rest) = self.digit(rest, none, b.sig);
        let quotient = self.by(Binary::Shl, first, 32);
        let quotient = self.op(Binary::Or, quotient, second);
        // Twice the rest, against the divisor.
        let twice = self.by(Binary::Shl, rest, 1);
        let large = self.top_bit(rest);
        let above = self.body.compare(Compare::LtU, b.sig, twice);
        let above = self.op(Binary::Or, large, above);
        let same = self.body.compare(Compare::Eq, twice, b.sig);
        let any = self.is_set(rest);
        let any = self.long_of(any);
        let (half, more) = (self.body.number(Type::I64, 1 << 63), self.body.number(Type::I64, 1 << 63 | 1));
        let low = self.body.select(same, half, any);
        let low = self.body.select(above, more, low);
        let (x, y) = (self.exponent_of(a), self.exponent_of(b));
        let exponent = self.op(Binary::Sub, x, y);
        let exponent = self.by(Binary::Add, exponent, BIAS);
        let exponent = self.op(Binary::Sub, exponent, less);
        let sign = self.op(Binary::Xor, a.se, b.se);
        let sign = self.by(Binary::And, sign, SIGN);
        let zero = self.body.is_zero(a.sig);
        self.rounded(Wide { high: quotient, low, exponent, sign, zero })
    }

    /// A digit of 32 bits of a quotient, and the rest (Knuth, The Art of Computer Programming, vol. 2, algorithm D): the number so far is
    /// below the divisor, whose top bit is set.
    fn digit(&mut self, number: Value, next: Value, divisor: Value) -> (Value, Value) {
        let high = self.by(Binary::ShrU, divisor, 32);
        let low = self.by(Binary::And, divisor, LOW);
        let mut digit = self.op(Binary::DivU, number, high);
        let product = self.op(Binary::Mul, digit, high);
        let mut rest = self.op(Binary::Sub, number, product);
        for _ in 0..2 {
            let limit = self.body.number(Type::I64, LOW);
            let too_long = self.body.compare(Compare::LtU, limit, digit);
            let room = self.body.compare(Compare::LeU, rest, limit);
            let product = self.op(Binary::Mul, digit, low);
            let shifted = self.by(Binary::Shl, rest, 32);
            let all = self.op(Binary::Or, shifted, next);
            let above = self.body.compare(Compare::LtU, all, product);
            let above = self.op(Binary::Or, too_long, above);
            let above = self.op(Binary::And, above, room);
            let by = self.long_of(above);
            digit = self.op(Binary::Sub, digit, by);
            let none = self.body.number(Type::I64, 0);
            let more = self.body.select(above, high, none);
            rest = self.op(Binary::Add, rest, more);
        }
        let shifted = self.by(Binary::Shl, number, 32);
        let all = self.op(Binary::Or, shifted, next);
        let product = self.op(Binary::Mul, digit, divisor);
        (digit, self.op(Binary::Sub, all, product))
    }

    /// Whether `a` is less than `b`, and whether they are equal: 0 or 1.
    pub(super) fn order_reals(&mut self, a: Real, b: Real) -> (Value, Value) {
        let any = self.op(Binary::Or, a.sig, b.sig);
        let zeros = self.body.is_zero(any);
        let same_sig = self.body.compare(Compare::Eq, a.sig, b.sig);
        let same_se = self.body.compare(Compare::Eq, a.se, b.se);
        let same = self.op(Binary::And, same_sig, same_se);
        let equal = self.op(Binary::Or, zeros, same);
        let smaller = self.is_smaller(a, b);
        let negative = self.by(Binary::ShrU, a.se, 15);
        let other_way = self.body.not(smaller);
        let below = self.body.select(negative, other_way, smaller);
        let differ = self.op(Binary::Xor, a.se, b.se);
        let differ = self.by(Binary::ShrU, differ, 15);
        let less = self.body.select(differ, negative, below);
        let unequal = self.body.not(equal);
        (self.op(Binary::And, less, unequal), equal)
    }

    /// From the bits of a number of 32 or 64 bits; what is not ordinary is bad.
    pub(super) fn widened(&mut self, bits: Value, double: bool) -> (Real, Value) {
        let (fraction, bias, ones) = if double { (52, 1023, 0x7ff) } else { (23, 127, 0xff) };
        let bits = if double { bits } else { self.long_of(bits) };
        let width = if double { 63 } else { 31 };
        let exponent = self.by(Binary::ShrU, bits, fraction);
        let exponent = self.body.unary(Unary::Wrap, exponent);
        let exponent = self.by(Binary::And, exponent, ones);
        let sign = self.by(Binary::ShrU, bits, width - 15);
        let sign = self.body.unary(Unary::Wrap, sign);
        let sign = self.by(Binary::And, sign, SIGN);
        let sig = self.by(Binary::Shl, bits, 63 - fraction);
        let sig = self.by(Binary::Or, sig, 1 << 63);
        let magnitude = self.by(Binary::Shl, bits, 64 - width);
        let zero = self.body.is_zero(magnitude);
        let less = self.by(Binary::Sub, exponent, 1);
        let limit = self.body.number(Type::I32, ones - 1);
        let outside = self.body.compare(Compare::LeU, limit, less);
        let something = self.body.not(zero);
        let bad = self.op(Binary::And, outside, something);
        let exponent = self.by(Binary::Add, exponent, BIAS - bias);
        let (none, nothing) = (self.body.number(Type::I64, 0), self.body.number(Type::I32, 0));
        let sig = self.body.select(zero, none, sig);
        let exponent = self.body.select(zero, nothing, exponent);
        let se = self.op(Binary::Or, sign, exponent);
        (Real { sig, se, ordinary: true }, bad)
    }

    /// To the bits of a number of 32 or 64 bits: those, whether it was rounded up, and what is not 0 where there are none.
    pub(super) fn narrowed(&mut self, real: Real, double: bool) -> (Value, Value, Value) {
        let (fraction, bias, ones) = if double { (52, 1023, 0x7ff) } else { (23, 127, 0xff) };
        let exponent = self.exponent_of(real);
        let exponent = self.by(Binary::Sub, exponent, BIAS - bias);
        let distance = self.by(Binary::Sub, exponent, 2);
        let limit = self.body.number(Type::I32, ones - 3);
        let outside = self.body.compare(Compare::LeU, limit, distance);
        let zero = self.body.is_zero(real.sig);
        let something = self.body.not(zero);
        let bad = self.op(Binary::And, outside, something);
        let kept = self.by(Binary::ShrU, real.sig, 63 - fraction);
        let cut = self.by(Binary::Shl, real.sig, fraction + 1);
        let up = self.rounds_up(kept, cut);
        let kept = self.by(Binary::And, kept, (1 << fraction) - 1);
        let high = self.long_of(exponent);
        let high = self.by(Binary::Shl, high, fraction);
        let more = self.long_of(up);
        let magnitude = self.op(Binary::Add, high, kept);
        let magnitude = self.op(Binary::Add, magnitude, more);
        let none = self.body.number(Type::I64, 0);
        let magnitude = self.body.select(zero, none, magnitude);
        let sign = self.by(Binary::And, real.se, SIGN);
        let sign = self.long_of(sign);
        let sign = self.by(Binary::Shl, sign, if double { 48 } else { 16 });
        let bits = self.op(Binary::Or, sign, magnitude);
        (if double { bits } else { self.body.unary(Unary::Wrap, bits) }, up, bad)
    }

    /// From a signed integer of 64 bits.
    pub(super) fn from_integer(&mut self, value: Value) -> Real {
        let negative = self.top_bit(value);
        let none = self.body.number(Type::I64, 0);
        let other = self.op(Binary::Sub, none, value);
        let magnitude = self.body.select(negative, other, value);
        let zeros = self.body.unary(Unary::Clz, magnitude);
        let sig = self.op(Binary::Shl, magnitude, zeros);
        let zeros = self.body.unary(Unary::Wrap, zeros);
        let top = self.body.number(Type::I32, BIAS + 63);
        let exponent = self.op(Binary::Sub, top, zeros);
        let zero = self.body.is_zero(value);
        let nothing = self.body.number(Type::I32, 0);
        let exponent = self.body.select(zero, nothing, exponent);
        let sign = self.by(Binary::Shl, negative, 15);
        Real { sig, se: self.op(Binary::Or, sign, exponent), ordinary: true }
    }

    /// To a signed integer of so many bits, to nearest or cut off: as 64 bits, whether it was rounded up, and what is not 0 where it does not fit.
    pub(super) fn to_integer(&mut self, real: Real, bits: u32, cut_off: bool) -> (Value, Value, Value) {
        let exponent = self.exponent_of(real);
        let top = self.body.number(Type::I32, BIAS + 63);
        let shift = self.op(Binary::Sub, top, exponent);
        // From 65 on nothing is left but that there was something.
        let limit = self.body.number(Type::I32, 64);
        let far = self.body.compare(Compare::LtU, limit, shift);
        let large = self.by(Binary::Sub, shift, 1);
        let all = self.body.number(Type::I32, 1 << 20);
        let bad = self.body.compare(Compare::LtU, all, large);
        let count = self.long_of(shift);
        let none = self.body.number(Type::I64, 0);
        let moved = self.op(Binary::ShrU, real.sig, count);
        let whole = self.body.compare(Compare::LeU, limit, shift);
        let kept = self.body.select(whole, none, moved);
        let up = if cut_off {
            self.body.number(Type::I32, 0)
        } else {
            let left = self.op(Binary::Sub, none, count);
            let cut = self.op(Binary::Shl, real.sig, left);
            let up = self.rounds_up(kept, cut);
            let near = self.body.not(far);
            self.op(Binary::And, up, near)
        };
        let more = self.long_of(up);
        let magnitude = self.op(Binary::Add, kept, more);
        let negative = self.by(Binary::ShrU, real.se, 15);
        let wide = self.long_of(negative);
        let most = self.by(Binary::Add, wide, (1 << (bits - 1)) - 1);
        let too_large = self.body.compare(Compare::LtU, most, magnitude);
        let bad = self.op(Binary::Or, bad, too_large);
        let other = self.op(Binary::Sub, none, magnitude);
        (self.body.select(negative, other, magnitude), up, bad)
    }
}
