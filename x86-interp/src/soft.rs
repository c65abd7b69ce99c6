//! Floating point in software: exact results, then one rounding (SDM vol. 1 §4.8 and §4.9).
//!
//! A finite number is `mantissa × 2^(exponent − 63)`, the mantissa's top bit set, whatever format it came from. Operations give
//! a [`Wide`], which holds the exact result (bits beyond it as a sticky bit), and [`Wide::round`] makes it fit a [`Format`].

/// Exception flags, at the places they have in MXCSR and in the x87 status word.
pub(crate) mod flag {
    pub(crate) const INVALID: u8 = 1;
    pub(crate) const DENORMAL: u8 = 2;
    pub(crate) const ZERO_DIVIDE: u8 = 4;
    pub(crate) const OVERFLOW: u8 = 8;
    pub(crate) const UNDERFLOW: u8 = 0x10;
    pub(crate) const PRECISION: u8 = 0x20;
}

/// Rounding control, as RC encodes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rounding {
    Nearest,
    Down,
    Up,
    Zero,
}

impl Rounding {
    /// From the two bits of an RC field.
    #[inline(always)]
    pub(crate) fn from_bits(bits: u32) -> Rounding {
        match bits & 3 {
            0 => Rounding::Nearest,
            1 => Rounding::Down,
            2 => Rounding::Up,
            _ => Rounding::Zero,
        }
    }

    /// Whether a magnitude goes up, by its last kept bit, the bit behind it, and whether anything follows.
    #[inline(always)]
    fn goes_up(self, negative: bool, odd: bool, half: bool, more: bool) -> bool {
        match self {
            Rounding::Nearest => half && (more || odd),
            Rounding::Down => negative && (half || more),
            Rounding::Up => !negative && (half || more),
            Rounding::Zero => false,
        }
    }
}

/// Precision and exponent range of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    /// Bits of significand, the integer bit included.
    pub(crate) precision: u32,
    pub(crate) min_exponent: i32,
    pub(crate) max_exponent: i32,
    /// What the exponent is moved by where overflow or underflow is unmasked and the result goes to a register.
    pub(crate) bias_adjust: i32,
}

impl Format {
    pub(crate) const HALF: Format =
        Format { precision: 11, min_exponent: -14, max_exponent: 15, bias_adjust: 24 };
    pub(crate) const SINGLE: Format =
        Format { precision: 24, min_exponent: -126, max_exponent: 127, bias_adjust: 192 };
    pub(crate) const DOUBLE: Format =
        Format { precision: 53, min_exponent: -1022, max_exponent: 1023, bias_adjust: 1536 };
    pub(crate) const EXTENDED: Format =
        Format { precision: 64, min_exponent: -16382, max_exponent: 16383, bias_adjust: 24576 };
}

/// A finite number that is not zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Finite {
    pub(crate) negative: bool,
    pub(crate) exponent: i32,
    pub(crate) mantissa: u64,
}

/// An exact result: `mantissa × 2^(exponent − 127)`, top bit set; the lowest bit also stands for anything below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wide {
    pub(crate) negative: bool,
    pub(crate) exponent: i32,
    pub(crate) mantissa: u128,
}

/// A rounded result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rounded {
    pub(crate) negative: bool,
    /// Exponent of the mantissa's bit 63, which is clear if the result is denormal or zero.
    pub(crate) exponent: i32,
    pub(crate) mantissa: u64,
    pub(crate) infinite: bool,
    /// OVERFLOW, UNDERFLOW, PRECISION.
    pub(crate) flags: u8,
    /// The magnitude was rounded up.
    pub(crate) up: bool,
}

/// Shifts right, keeping what falls off as a sticky bit.
#[inline(always)]
fn shift_sticky(value: u128, by: u32) -> u128 {
    match by {
        0 => value,
        1..=127 => value >> by | u128::from(value << (128 - by) != 0),
        _ => u128::from(value != 0),
    }
}

impl Wide {
    /// From a mantissa that need not be normalised and is not zero; `exponent` is that of its bit 127.
    #[inline(always)]
    pub(crate) fn normalised(negative: bool, exponent: i32, mantissa: u128) -> Wide {
        let shift = mantissa.leading_zeros();
        Wide { negative, exponent: exponent - shift as i32, mantissa: mantissa << (shift & 127) }
    }

    /// The sum of numbers whose mantissas have at most 106 significant bits; none if it is zero. What falls off the smaller
    /// one is kept as a sticky bit: it lies so far below that it cannot come up by cancellation.
    pub(crate) fn add(self, other: Wide) -> Option<Wide> {
        let less = (self.exponent, self.mantissa) < (other.exponent, other.mantissa);
        let (large, small) = if less { (other, self) } else { (self, other) };
        let distance = large.exponent.wrapping_sub(small.exponent).clamp(0, 128) as u32;
        let (a, b) = (large.mantissa >> 2, shift_sticky(small.mantissa >> 2, distance));
        let sum = if large.negative == small.negative { a + b } else { a - b };
        (sum != 0).then(|| Wide::normalised(large.negative, large.exponent + 2, sum))
    }

    /// Keeps `precision` bits. Gives the mantissa, whether it was carried out of bit 63, inexact, up.
    #[inline(always)]
    fn cut(mantissa: u128, precision: u32, rounding: Rounding, negative: bool) -> (u64, bool, bool, bool) {
        let drop = 128 - precision;
        let rest = mantissa << precision;
        let kept = (mantissa >> drop) as u64;
        let half = rest >> 127 != 0;
        let more = rest << 1 != 0;
        let up = rounding.goes_up(negative, kept & 1 != 0, half, more);
        let (sum, carry) =
            (kept << (64 - precision)).overflowing_add(if up { 1 << (64 - precision) } else { 0 });
        (if carry { 1 << 63 } else { sum }, carry, half || more, up)
    }

    /// Rounds to a format. `unmasked` are the exceptions that are not masked: they decide what an overflow or
    /// underflow gives (SDM vol. 1 §4.9.1.4, §4.9.1.5).
    #[inline]
    pub(crate) fn round(self, format: Format, rounding: Rounding, unmasked: u8) -> Rounded {
        let negative = self.negative;
        let (mantissa, carry, inexact, up) = Wide::cut(self.mantissa, format.precision, rounding, negative);
        let exponent = self.exponent + i32::from(carry);
        let precision = if inexact { flag::PRECISION } else { 0 };
        // What a result raises that is out of range even with its exponent adjusted: of `fscale`, always inexact.
        let beyond =
            if format.bias_adjust == Format::EXTENDED.bias_adjust { flag::PRECISION } else { precision };
        if exponent >= format.min_exponent && exponent <= format.max_exponent {
            return Rounded { negative, exponent, mantissa, infinite: false, flags: precision, up };
        }
        if exponent > format.max_exponent {
            if unmasked & flag::OVERFLOW != 0 {
                let exponent = exponent - format.bias_adjust;
                if exponent <= format.max_exponent {
                    let flags = precision | flag::OVERFLOW;
                    return Rounded { negative, exponent, mantissa, infinite: false, flags, up };
                }
                let flags = flag::OVERFLOW | beyond;
                let exponent = format.max_exponent;
                return Rounded { negative, exponent, mantissa: 1 << 63, infinite: true, flags, up: true };
            }
            let infinite = match rounding {
                Rounding::Nearest => true,
                Rounding::Down => negative,
                Rounding::Up => !negative,
                Rounding::Zero => false,
            };
            let flags = flag::OVERFLOW | flag::PRECISION;
            let mantissa = if infinite { 1 << 63 } else { u64::MAX << (64 - format.precision) };
            return Rounded {
                negative,
                exponent: format.max_exponent,
                mantissa,
                infinite,
                flags,
                up: infinite,
            };
        }
        // Tiny after rounding.
        if unmasked & flag::UNDERFLOW != 0 {
            let exponent = exponent + format.bias_adjust;
            if exponent >= format.min_exponent {
                let flags = precision | flag::UNDERFLOW;
                return Rounded { negative, exponent, mantissa, infinite: false, flags, up };
            }
            let (exponent, flags) = (format.min_exponent, flag::UNDERFLOW | beyond);
            return Rounded { negative, exponent, mantissa: 0, infinite: false, flags, up: false };
        }
        let shift = format.min_exponent - self.exponent;
        let denormal = shift_sticky(self.mantissa, shift.clamp(0, 128) as u32);
        let (mantissa, _, inexact, up) = Wide::cut(denormal, format.precision, rounding, negative);
        let loud = unmasked & flag::UNDERFLOW;
        let flags = if inexact { flag::PRECISION | flag::UNDERFLOW } else { loud };
        Rounded { negative, exponent: format.min_exponent, mantissa, infinite: false, flags, up }
    }
}

impl Finite {
    pub(crate) fn wide(self) -> Wide {
        Wide { negative: self.negative, exponent: self.exponent, mantissa: u128::from(self.mantissa) << 64 }
    }

    /// The exact sum; none if it is zero.
    #[inline]
    pub(crate) fn add(self, other: Finite) -> Option<Wide> {
        let less = (self.exponent, self.mantissa) < (other.exponent, other.mantissa);
        let (large, small) = if less { (other, self) } else { (self, other) };
        // Two bits of headroom on top: the sum carries into one.
        let a = u128::from(large.mantissa) << 62;
        let distance = large.exponent.wrapping_sub(small.exponent).clamp(0, 128) as u32;
        let b = shift_sticky(u128::from(small.mantissa) << 62, distance);
        let sum = if large.negative == small.negative { a + b } else { a - b };
        (sum != 0).then(|| Wide::normalised(large.negative, large.exponent + 2, sum))
    }

    /// The exact product.
    #[inline]
    pub(crate) fn multiply(self, other: Finite) -> Wide {
        let product = u128::from(self.mantissa) * u128::from(other.mantissa);
        Wide::normalised(self.negative != other.negative, self.exponent + other.exponent + 1, product)
    }

    /// The quotient, to more than 64 bits and a sticky bit.
    #[inline]
    pub(crate) fn divide(self, other: Finite) -> Wide {
        let negative = self.negative != other.negative;
        let exponent = self.exponent - other.exponent;
        let divisor = u128::from(other.mantissa);
        let one = self.mantissa >= other.mantissa;
        let rest = if one { self.mantissa - other.mantissa } else { self.mantissa };
        let numerator = u128::from(rest) << 64;
        let (quotient, rest) = (numerator / divisor, numerator % divisor);
        if one {
            let mantissa = 1 << 127 | quotient << 63 | u128::from(rest != 0);
            return Wide { negative, exponent, mantissa };
        }
        // The quotient's top bit is set. One more bit, and whether anything follows.
        let twice = rest << 1;
        let half = twice >= divisor;
        let more = if half { twice != divisor } else { twice != 0 };
        let mantissa = quotient << 64 | u128::from(half) << 63 | u128::from(more);
        Wide { negative, exponent: exponent - 1, mantissa }
    }

    /// The square root of a positive number, to 65 bits and a sticky bit.
    pub(crate) fn square_root(self) -> Wide {
        // The radicand as mantissa × 2^(2n − 126) with 127 or 128 bits.
        let odd = self.exponent & 1 != 0;
        let radicand = u128::from(self.mantissa) << if odd { 64 } else { 63 };
        let root = radicand.isqrt();
        let rest = radicand - root * root;
        // (root + ½)² = root² + root + ¼.
        let half = rest > root;
        let mantissa = root << 64 | u128::from(half) << 63 | u128::from(rest != 0);
        Wide { negative: false, exponent: self.exponent >> 1, mantissa }
    }

    /// Rounds to an integer. Gives the magnitude (none if it has more than 64 bits), inexact, up.
    #[inline]
    pub(crate) fn to_integer(self, rounding: Rounding) -> (Option<u64>, bool, bool) {
        if self.exponent > 63 {
            return (None, false, false);
        }
        // The integer part is the top half of the shifted mantissa.
        let shift = 63_i32.wrapping_sub(self.exponent).clamp(0, 128) as u32;
        let fixed = shift_sticky(u128::from(self.mantissa) << 64, shift);
        let (integer, fraction) = ((fixed >> 64) as u64, fixed as u64);
        let half = fraction >> 63 != 0;
        let more = fraction << 1 != 0;
        let up = rounding.goes_up(self.negative, integer & 1 != 0, half, more);
        (integer.checked_add(up.into()), half || more, up)
    }

    /// From an integer's magnitude; none for zero.
    pub(crate) fn from_integer(negative: bool, magnitude: u64) -> Option<Finite> {
        let shift = magnitude.leading_zeros();
        (magnitude != 0).then(|| Finite {
            negative,
            exponent: 63 - shift as i32,
            mantissa: magnitude << (shift & 63),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finite(value: f64) -> Finite {
        let bits = value.to_bits();
        let exponent = (bits >> 52 & 0x7ff) as i32 - 1023;
        Finite { negative: value < 0.0, exponent, mantissa: 1 << 63 | bits << 11 }
    }

    fn to_f64(wide: Wide) -> f64 {
        let r = wide.round(Format::DOUBLE, Rounding::Nearest, 0);
        let magnitude =
            f64::from_bits((r.exponent + 1023) as u64 * (1 << 52) + (r.mantissa >> 11 & !(1 << 52)));
        if r.negative { -magnitude } else { magnitude }
    }

    #[test]
    fn fused_sums_are_rounded_once() {
        let values = [1.0_f64, -3.0, 7.25, 1e10, 0.1, -123_456.789, 1e-5, 1.0000000000000002, 1e-300];
        for a in values {
            for b in values {
                for c in values.into_iter().chain([-a * b, (a * b).next_up(), -(a * b).next_down()]) {
                    let product = finite(a).multiply(finite(b));
                    let got = product.add(finite(c).wide()).map_or(0.0, to_f64);
                    // Where the product lies far below the smallest normal number, the helpers here give up.
                    if a.mul_add(b, c).is_normal() && c != 0.0 {
                        assert_eq!(got, a.mul_add(b, c), "{a} × {b} + {c}");
                    }
                }
            }
        }
    }

    #[test]
    fn agrees_with_host_doubles() {
        let values = [1.0, 3.0, -7.25, 1e10, 0.1, 123_456.789, -1e-5, 1.0000000000000002];
        for a in values {
            for b in values {
                assert_eq!(to_f64(finite(a).multiply(finite(b))), a * b);
                assert_eq!(to_f64(finite(a).divide(finite(b))), a / b);
                assert_eq!(finite(a).add(finite(b)).map_or(0.0, to_f64), a + b);
            }
            if a > 0.0 {
                assert_eq!(to_f64(finite(a).square_root()), a.sqrt());
            }
        }
    }
}
