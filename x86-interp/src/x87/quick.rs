//! The common case of x87 arithmetic: extended precision, round to nearest, everything masked, ordinary operands and an
//! ordinary result. Gives exactly what [`super::arith`] gives, or nothing.

use super::unit::Done;
use crate::soft::flag;
use x86_cpu::F80;

const SIGN: u16 = 0x8000;
const BIAS: i32 = 16383;
/// PC, RC and the masks of the control word.
const CONTROL_MASK: u16 = 0x0f3f;
/// Extended precision, to nearest, all masked: what FNINIT sets.
const CONTROL: u16 = 0x033f;

/// Whether the control word is the usual one.
#[inline(always)]
pub(crate) fn applies(control: u16) -> bool {
    control & CONTROL_MASK == CONTROL
}

/// Biased exponent of a normal number.
#[inline(always)]
fn exponent(value: F80) -> Option<i32> {
    let exponent = value.sign_exponent & 0x7fff;
    let normal = exponent.wrapping_sub(1) < 0x7ffe && value.mantissa >> 63 != 0;
    normal.then_some(i32::from(exponent))
}

/// Rounds a mantissa with its top bit set, of which `rest` is the lower half.
#[inline(always)]
fn finish(sign: u16, exponent: i32, mantissa: u64, rest: u64) -> Option<Done> {
    let inexact = rest != 0;
    let up = rest > 1 << 63 || rest == 1 << 63 && mantissa & 1 != 0;
    let (sum, carry) = mantissa.overflowing_add(up.into());
    let (mantissa, exponent) = if carry { (1 << 63, exponent + 1) } else { (sum, exponent) };
    // The lowest exponent may be of a number that was tiny before rounding.
    if !(2..0x7fff).contains(&exponent) {
        return None;
    }
    let value = F80 { mantissa, sign_exponent: sign | exponent as u16 };
    Some(Done { value, flags: if inexact { flag::PRECISION } else { 0 }, up })
}

#[inline(always)]
pub(crate) fn multiply(a: F80, b: F80) -> Option<Done> {
    let (x, y) = (exponent(a)?, exponent(b)?);
    let product = u128::from(a.mantissa) * u128::from(b.mantissa);
    let shift = (product >> 127 == 0) as u32;
    let product = product << shift;
    let sign = (a.sign_exponent ^ b.sign_exponent) & SIGN;
    finish(sign, x + y - BIAS + 1 - shift as i32, (product >> 64) as u64, product as u64)
}

#[inline(always)]
pub(crate) fn add(a: F80, b: F80) -> Option<Done> {
    let (x, y) = (exponent(a)?, exponent(b)?);
    let swap = (x, a.mantissa) < (y, b.mantissa);
    let (large, small, exponent, distance) = if swap { (b, a, y, y - x) } else { (a, b, x, x - y) };
    let high = u128::from(large.mantissa) << 63;
    let low = u128::from(small.mantissa) << 63;
    let low = match distance {
        0 => low,
        1..=63 => low >> distance,
        64..=127 => low >> distance | u128::from(low << (128 - distance) != 0),
        _ => 1,
    };
    let sum = if (a.sign_exponent ^ b.sign_exponent) & SIGN == 0 { high + low } else { high - low };
    if sum == 0 {
        return Some(Done::exact(F80::default()));
    }
    let shift = sum.leading_zeros();
    let sum = sum << (shift & 127);
    finish(large.sign_exponent & SIGN, exponent + 1 - shift as i32, (sum >> 64) as u64, sum as u64)
}

#[inline(always)]
pub(crate) fn subtract(a: F80, b: F80) -> Option<Done> {
    add(a, F80 { sign_exponent: b.sign_exponent ^ SIGN, ..b })
}

#[inline(always)]
pub(crate) fn divide(a: F80, b: F80) -> Option<Done> {
    let (x, y) = (exponent(a)?, exponent(b)?);
    let sign = (a.sign_exponent ^ b.sign_exponent) & SIGN;
    let less = a.mantissa < b.mantissa;
    let divisor = u128::from(b.mantissa);
    // The quotient of 64 bits, its top bit set.
    let numerator = u128::from(a.mantissa) << if less { 64 } else { 63 };
    let (quotient, rest) = (numerator / divisor, numerator % divisor);
    let twice = rest << 1;
    let half = match twice.cmp(&divisor) {
        core::cmp::Ordering::Less => u64::from(twice != 0),
        core::cmp::Ordering::Equal => 1 << 63,
        core::cmp::Ordering::Greater => 1 << 63 | 1,
    };
    finish(sign, x - y + BIAS - i32::from(less), quotient as u64, half)
}

/// To the bits of a `f64`, with PRECISION and C1.
#[inline(always)]
pub(crate) fn to_f64(value: F80) -> Option<(u64, u8, bool)> {
    let exponent = exponent(value)? - BIAS + 1023;
    if !(2..0x7fe).contains(&exponent) {
        return None;
    }
    let rest = value.mantissa << 53;
    let kept = value.mantissa >> 11;
    let up = rest > 1 << 63 || rest == 1 << 63 && kept & 1 != 0;
    // A carry out of the fraction goes into the exponent, as it should.
    let magnitude = (kept & ((1 << 52) - 1)) + ((exponent as u64) << 52) + u64::from(up);
    let sign = u64::from(value.sign_exponent & SIGN) << 48;
    Some((sign | magnitude, if rest != 0 { flag::PRECISION } else { 0 }, up))
}

/// To the bits of a `f32`.
#[inline(always)]
pub(crate) fn to_f32(value: F80) -> Option<(u64, u8, bool)> {
    let exponent = exponent(value)? - BIAS + 127;
    if !(2..0xfe).contains(&exponent) {
        return None;
    }
    let rest = value.mantissa << 24;
    let kept = value.mantissa >> 40;
    let up = rest > 1 << 63 || rest == 1 << 63 && kept & 1 != 0;
    let magnitude = (kept & ((1 << 23) - 1)) + ((exponent as u64) << 23) + u64::from(up);
    let sign = u64::from(value.sign_exponent & SIGN) << 16;
    Some((sign | magnitude, if rest != 0 { flag::PRECISION } else { 0 }, up))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soft::{Format, Rounding};
    use crate::x87::arith;
    use crate::x87::unit::Env;
    use crate::x87::value::Operand;

    /// Mantissas and exponents around every boundary, against the general way.
    #[test]
    fn agrees_with_the_general_way() {
        let env = Env { format: Format::EXTENDED, rounding: Rounding::Nearest, unmasked: 0 };
        let mantissas = [
            1 << 63,
            1 << 63 | 1,
            u64::MAX,
            u64::MAX - 1,
            3 << 62,
            0xaaaa_aaaa_aaaa_aaaa,
            0x8000_0000_0000_0400,
            0,
        ];
        let exponents =
            [0, 1, 2, 3, 0x3fbd, 0x3fbe, 0x3fbf, 0x3ffe, 0x3fff, 0x4000, 0x403f, 0x7ffd, 0x7ffe, 0x7fff];
        let values: Vec<F80> = exponents
            .iter()
            .flat_map(|e| mantissas.iter().map(move |m| (*e, *m)))
            .flat_map(|(e, mantissa)| [e, e | SIGN].map(|sign_exponent| F80 { mantissa, sign_exponent }))
            .collect();
        type Quick = fn(F80, F80) -> Option<Done>;
        type General = fn(&Operand, &Operand, Env) -> Done;
        let pairs: [(Quick, General); 4] = [
            (add, arith::add),
            (subtract, arith::subtract),
            (multiply, arith::multiply),
            (divide, arith::divide),
        ];
        for (n, (quick, general)) in pairs.into_iter().enumerate() {
            let mut taken = 0;
            for a in &values {
                for b in &values {
                    let Some(done) = quick(*a, *b) else { continue };
                    taken += 1;
                    let want = general(&Operand::of(*a), &Operand::of(*b), env);
                    assert_eq!(
                        (done.value, done.flags, done.up),
                        (want.value, want.flags, want.up),
                        "{n} {a:x?} {b:x?}"
                    );
                }
            }
            assert!(taken > 10_000, "{taken}");
        }
    }
}
