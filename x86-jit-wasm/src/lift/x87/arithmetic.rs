//! Arithmetic of extended precision on integers: normal operands, rounding to nearest, normal results.
//!
//! Without a jump: what is chosen by data is chosen by `select`, since nobody predicts the bits of numbers.

use super::real::{BIAS, EXPONENT, Real, SIGN};
use crate::ir::{Binary, Body, Compare, Type, Unary, Value};
use crate::layout::fpu;
use x86_cpu::X87Op;

const LOW: u64 = 0xffff_ffff;
const TOP: u64 = 1 << 63;

/// What a function of two operands gives.
pub(crate) struct Computed {
    /// Significand.
    pub(crate) sig: Value,
    /// Sign and exponent, with [`fpu::UP`].
    pub(crate) rest: Value,
    /// Not 0: the other two are nothing, since an operand or the result is not normal.
    pub(crate) bad: Value,
}

/// A significand of 128 bits, the top bit set, and what it is one of.
struct Wide {
    high: Value,
    low: Value,
    /// Biased.
    exponent: Value,
    sign: Value,
    bad: Value,
}

/// The operation on two operands, of significand and of sign and exponent; none where there is no such code.
pub(crate) fn arithmetic(body: &mut Body, op: X87Op, operands: [(Value, Value); 2]) -> Option<Computed> {
    let [a, b] = operands.map(|(sig, se)| Real { sig, se, ordinary: true });
    let wide = match op {
        X87Op::Add => body.sum(a, b),
        X87Op::Subtract => {
            let se = body.with(Binary::Xor, b.se, SIGN);
            body.sum(a, Real { se, ..b })
        }
        X87Op::Multiply => body.product(a, b),
        X87Op::Divide => body.quotient(a, b),
        X87Op::SquareRoot | X87Op::RoundToInteger => return None,
    };
    Some(body.rounded(wide))
}

impl Body {
    fn rounded(&mut self, wide: Wide) -> Computed {
        let Wide { high, low, exponent, sign, bad } = wide;
        let up = self.rounds_up(high, low);
        let more = self.long_of(up);
        let sig = self.binary(Binary::Add, high, more);
        // To the next exponent.
        let carry = self.is_zero(sig);
        let bad = self.binary(Binary::Or, bad, carry);
        // The lowest exponent may be of a number that was tiny before rounding.
        let distance = self.with(Binary::Sub, exponent, 2);
        let limit = self.number(Type::I32, EXPONENT - 2);
        let outside = self.compare(Compare::LeU, limit, distance);
        let bad = self.binary(Binary::Or, bad, outside);
        let rest = self.binary(Binary::Or, sign, exponent);
        let up = self.with(Binary::Shl, up, fpu::UP.trailing_zeros().into());
        let rest = self.binary(Binary::Or, rest, up);
        Computed { sig, rest, bad }
    }

    /// Not 0 where an operand is not normal. An exponent of all ones gives a bit by the one above, one of 0 by the one below.
    fn not_normal(&mut self, a: Real, b: Real) -> Value {
        let mut any = None;
        for real in [a, b] {
            let exponent = self.exponent_of(real);
            for by in [1, u64::MAX] {
                let next = self.with(Binary::Add, exponent, by);
                any = Some(any.map_or(next, |any| self.binary(Binary::Or, any, next)));
            }
        }
        let exponents = any.unwrap_or(a.se);
        let odd = self.with(Binary::And, exponents, 1 << 31 | SIGN);
        let tops = self.binary(Binary::And, a.sig, b.sig);
        let none = self.number(Type::I64, 0);
        let top_less = self.compare(Compare::LeS, none, tops);
        self.binary(Binary::Or, odd, top_less)
    }

    fn product(&mut self, a: Real, b: Real) -> Wide {
        let bad = self.not_normal(a, b);
        let [al, bl] = [a.sig, b.sig].map(|sig| self.with(Binary::And, sig, LOW));
        let [ah, bh] = [a.sig, b.sig].map(|sig| self.with(Binary::ShrU, sig, 32));
        let [ll, lh, hl, hh] =
            [(al, bl), (al, bh), (ah, bl), (ah, bh)].map(|(a, b)| self.binary(Binary::Mul, a, b));
        let carry = self.with(Binary::ShrU, ll, 32);
        let part = self.with(Binary::And, lh, LOW);
        let middle = self.binary(Binary::Add, hl, part);
        let middle = self.binary(Binary::Add, middle, carry);
        let part = self.with(Binary::ShrU, lh, 32);
        let high = self.binary(Binary::Add, hh, part);
        let part = self.with(Binary::ShrU, middle, 32);
        let high = self.binary(Binary::Add, high, part);
        let low = self.binary(Binary::Mul, a.sig, b.sig);
        // The top bit, or the one below it, is set.
        let top = self.with(Binary::ShrU, high, 63);
        let up = self.with(Binary::Xor, top, 1);
        let moved = self.binary(Binary::Shl, high, up);
        let bit = self.with(Binary::ShrU, low, 63);
        let bit = self.binary(Binary::And, bit, up);
        let high = self.binary(Binary::Or, moved, bit);
        let low = self.binary(Binary::Shl, low, up);
        let (x, y) = (self.exponent_of(a), self.exponent_of(b));
        let exponent = self.binary(Binary::Add, x, y);
        let exponent = self.with(Binary::Sub, exponent, BIAS);
        let top = self.unary(Unary::Wrap, top);
        let exponent = self.binary(Binary::Add, exponent, top);
        let sign = self.other_sign(a, b);
        Wide { high, low, exponent, sign, bad }
    }

    fn other_sign(&mut self, a: Real, b: Real) -> Value {
        let sign = self.binary(Binary::Xor, a.se, b.se);
        self.with(Binary::And, sign, SIGN)
    }

    fn sum(&mut self, a: Real, b: Real) -> Wide {
        let bad = self.not_normal(a, b);
        let below = self.is_smaller(a, b);
        let large = self.select(below, b.sig, a.sig);
        let small = self.select(below, a.sig, b.sig);
        let (x, y) = (self.exponent_of(a), self.exponent_of(b));
        let exponent = self.select(below, y, x);
        let (up, down) = (self.binary(Binary::Sub, y, x), self.binary(Binary::Sub, x, y));
        let distance = self.select(below, up, down);
        let sign = self.select(below, b.se, a.se);
        let sign = self.with(Binary::And, sign, SIGN);
        let limit = self.number(Type::I32, 64);
        let far = self.compare(Compare::LeU, limit, distance);
        let bad = self.binary(Binary::Or, bad, far);
        // The small one, moved by the distance, as 128 bits; negative where the signs differ. Shifts take their counts modulo 64.
        let count = self.long_of(distance);
        let high = self.binary(Binary::ShrU, small, count);
        let sixty_three = self.number(Type::I64, 63);
        let rest = self.binary(Binary::Xor, count, sixty_three);
        let cut = self.binary(Binary::Shl, small, rest);
        let cut = self.with(Binary::Shl, cut, 1);
        let differ = self.other_sign(a, b);
        let differ = self.with(Binary::ShrU, differ, 15);
        let minus = self.long_of(differ);
        let none = self.number(Type::I64, 0);
        let ones = self.binary(Binary::Sub, none, minus);
        let high = self.binary(Binary::Xor, high, ones);
        let low = self.binary(Binary::Xor, cut, ones);
        let low = self.binary(Binary::Add, low, minus);
        let nothing = self.is_zero(cut);
        let carry = self.binary(Binary::And, nothing, differ);
        let carry = self.long_of(carry);
        let high = self.binary(Binary::Add, large, high);
        let high = self.binary(Binary::Add, high, carry);
        // Of a sum, a carry goes back in; of a difference, bits may have gone from the top.
        let less = self.compare(Compare::LtU, high, large);
        let same_sign = self.not(differ);
        let carry = self.binary(Binary::And, less, same_sign);
        let half = self.with(Binary::ShrU, high, 1);
        let half = self.with(Binary::Or, half, TOP);
        let half_low = self.with(Binary::ShrU, low, 1);
        let bit = self.with(Binary::And, low, 1);
        let half_low = self.binary(Binary::Or, half_low, bit);
        let bit = self.with(Binary::Shl, high, 63);
        let half_low = self.binary(Binary::Or, half_low, bit);
        let gone = self.is_zero(high);
        let gone = self.binary(Binary::And, gone, differ);
        let bad = self.binary(Binary::Or, bad, gone);
        let zeros = self.unary(Unary::Clz, high);
        let rest = self.binary(Binary::Xor, zeros, sixty_three);
        let moved = self.binary(Binary::Shl, high, zeros);
        let from_low = self.with(Binary::ShrU, low, 1);
        let from_low = self.binary(Binary::ShrU, from_low, rest);
        let moved = self.binary(Binary::Or, moved, from_low);
        let moved_low = self.binary(Binary::Shl, low, zeros);
        let zeros = self.unary(Unary::Wrap, zeros);
        let less = self.binary(Binary::Sub, exponent, zeros);
        let more = self.with(Binary::Add, exponent, 1);
        let high = self.select(carry, half, moved);
        let low = self.select(carry, half_low, moved_low);
        let exponent = self.select(carry, more, less);
        Wide { high, low, exponent, sign, bad }
    }

    fn quotient(&mut self, a: Real, b: Real) -> Wide {
        let bad = self.not_normal(a, b);
        // What is bad has no divisor of 0 either.
        let divisor = self.with(Binary::Or, b.sig, TOP);
        let less = self.compare(Compare::LtU, a.sig, divisor);
        let half = self.with(Binary::ShrU, a.sig, 1);
        let bit = self.with(Binary::Shl, a.sig, 63);
        let none = self.number(Type::I64, 0);
        let high = self.select(less, a.sig, half);
        let low = self.select(less, none, bit);
        let next = self.with(Binary::ShrU, low, 32);
        let (first, rest) = self.digit(high, next, divisor);
        let (second, rest) = self.digit(rest, none, divisor);
        let quotient = self.with(Binary::Shl, first, 32);
        let quotient = self.binary(Binary::Or, quotient, second);
        // Twice the rest, against the divisor; it is never the same, as that would be a quotient of 65 bits.
        let twice = self.with(Binary::Shl, rest, 1);
        let large = self.top_bit(rest);
        let above = self.compare(Compare::LtU, divisor, twice);
        let above = self.binary(Binary::Or, large, above);
        let above = self.long_of(above);
        let above = self.with(Binary::Shl, above, 63);
        let any = self.is_set(rest);
        let any = self.long_of(any);
        let low = self.binary(Binary::Or, above, any);
        let (x, y) = (self.exponent_of(a), self.exponent_of(b));
        let exponent = self.binary(Binary::Sub, x, y);
        let exponent = self.with(Binary::Add, exponent, BIAS);
        let exponent = self.binary(Binary::Sub, exponent, less);
        let sign = self.other_sign(a, b);
        Wide { high: quotient, low, exponent, sign, bad }
    }

    /// A digit of 32 bits of a quotient, and the rest (Knuth, The Art of Computer Programming, vol. 2, algorithm D): the number so far is
    /// below the divisor, whose top bit is set.
    fn digit(&mut self, number: Value, next: Value, divisor: Value) -> (Value, Value) {
        let high = self.with(Binary::ShrU, divisor, 32);
        let low = self.with(Binary::And, divisor, LOW);
        let mut digit = self.binary(Binary::DivU, number, high);
        let product = self.binary(Binary::Mul, digit, high);
        let mut rest = self.binary(Binary::Sub, number, product);
        let limit = self.number(Type::I64, LOW);
        for _ in 0..2 {
            let too_long = self.compare(Compare::LtU, limit, digit);
            let room = self.compare(Compare::LeU, rest, limit);
            let product = self.binary(Binary::Mul, digit, low);
            let shifted = self.with(Binary::Shl, rest, 32);
            let all = self.binary(Binary::Or, shifted, next);
            let above = self.compare(Compare::LtU, all, product);
            let above = self.binary(Binary::Or, too_long, above);
            let above = self.binary(Binary::And, above, room);
            let by = self.long_of(above);
            digit = self.binary(Binary::Sub, digit, by);
            let none = self.number(Type::I64, 0);
            let more = self.select(above, high, none);
            rest = self.binary(Binary::Add, rest, more);
        }
        let shifted = self.with(Binary::Shl, number, 32);
        let all = self.binary(Binary::Or, shifted, next);
        let product = self.binary(Binary::Mul, digit, divisor);
        (digit, self.binary(Binary::Sub, all, product))
    }
}
