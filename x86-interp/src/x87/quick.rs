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

/// The product as upper and lower half. Numbers of 128 bits are slow where words have 32.
#[inline(always)]
fn product(a: u64, b: u64) -> (u64, u64) {
    if cfg!(target_pointer_width = "64") {
        let product = u128::from(a) * u128::from(b);
        return ((product >> 64) as u64, product as u64);
    }
    product_of_halves(a, b)
}

#[inline(always)]
fn product_of_halves(a: u64, b: u64) -> (u64, u64) {
    const LOW: u64 = u32::MAX as u64;
    let (ll, lh) = ((a & LOW) * (b & LOW), (a & LOW) * (b >> 32));
    let (hl, hh) = ((a >> 32) * (b & LOW), (a >> 32) * (b >> 32));
    // Compilers know this for a product of 128 bits, and call a function for that, unless they cannot see through.
    let middle = core::hint::black_box(hl + (lh & LOW)) + (ll >> 32);
    (hh + (lh >> 32) + (middle >> 32), a.wrapping_mul(b))
}

fn is_zero(value: F80) -> bool {
    value.mantissa == 0 && value.sign_exponent & !SIGN == 0
}

#[inline(always)]
pub(crate) fn multiply(a: F80, b: F80) -> Option<Done> {
    let sign = (a.sign_exponent ^ b.sign_exponent) & SIGN;
    let (Some(x), Some(y)) = (exponent(a), exponent(b)) else {
        let fits = |value| is_zero(value) || exponent(value).is_some();
        let zero = F80 { mantissa: 0, sign_exponent: sign };
        return (fits(a) && fits(b)).then_some(Done::exact(zero));
    };
    let (high, low) = product(a.mantissa, b.mantissa);
    if high >> 63 == 0 {
        finish(sign, x + y - BIAS, high << 1 | low >> 63, low << 1)
    } else {
        finish(sign, x + y - BIAS + 1, high, low)
    }
}

#[inline(always)]
pub(crate) fn add(a: F80, b: F80) -> Option<Done> {
    let (Some(x), Some(y)) = (exponent(a), exponent(b)) else { return add_zero(a, b) };
    let swap = (x, a.mantissa) < (y, b.mantissa);
    let (large, small, exponent, distance) = if swap { (b, a, y, y - x) } else { (a, b, x, x - y) };
    let sign = large.sign_exponent & SIGN;
    let (large, small) = (large.mantissa, small.mantissa);
    // The small one behind the point of the large one, as two halves.
    let (high, low) = match distance {
        0 => (small, 0),
        1..=63 => (small >> distance, small << (64 - distance)),
        64 => (0, small),
        65 => (0, small >> 1 | small & 1),
        // Less than a quarter of a unit: no more than that it is there.
        _ => (0, 1),
    };
    if (a.sign_exponent ^ b.sign_exponent) & SIGN == 0 {
        let (sum, carry) = large.overflowing_add(high);
        return if carry {
            finish(sign, exponent + 1, 1 << 63 | sum >> 1, sum << 63 | low >> 1 | low & 1)
        } else {
            finish(sign, exponent, sum, low)
        };
    }
    let (high, low) = (large - high - u64::from(low != 0), low.wrapping_neg());
    if high >> 63 != 0 {
        return finish(sign, exponent, high, low);
    }
    if high == 0 {
        if low == 0 {
            return Some(Done::exact(F80::default()));
        }
        let shift = low.leading_zeros();
        return finish(sign, exponent - 64 - shift as i32, low << shift, 0);
    }
    let shift = high.leading_zeros();
    finish(sign, exponent - shift as i32, high << shift | low >> 1 >> (63 - shift), low << shift)
}

/// A sum with a zero.
#[inline(never)]
fn add_zero(a: F80, b: F80) -> Option<Done> {
    if is_zero(a) && is_zero(b) {
        let sign_exponent = a.sign_exponent & b.sign_exponent;
        return Some(Done::exact(F80 { mantissa: 0, sign_exponent }));
    }
    let other = if is_zero(a) { b } else { a };
    let fits = (is_zero(a) || is_zero(b)) && exponent(other).is_some();
    fits.then_some(Done::exact(other))
}

#[inline(always)]
pub(crate) fn subtract(a: F80, b: F80) -> Option<Done> {
    add(a, F80 { sign_exponent: b.sign_exponent ^ SIGN, ..b })
}

/// A digit of 32 bits of a quotient and the rest (Knuth, The Art of Computer Programming, vol. 2, algorithm D): the number so far is
/// below the divisor, whose top bit is set.
#[inline(always)]
fn digit(number: u64, next: u64, divisor: u64) -> (u64, u64) {
    const LOW: u64 = u32::MAX as u64;
    let (high, low) = (divisor >> 32, divisor & LOW);
    let mut digit = number / high;
    let mut rest = number - digit * high;
    while rest <= LOW && (digit > LOW || digit * low > (rest << 32 | next)) {
        digit -= 1;
        rest += high;
    }
    (digit, (number << 32 | next).wrapping_sub(digit.wrapping_mul(divisor)))
}

/// Quotient of 64 bits and rest of a number whose upper half is below the divisor.
#[inline(always)]
fn quotient(high: u64, low: u64, divisor: u64) -> (u64, u64) {
    if cfg!(target_pointer_width = "64") {
        let (number, divisor) = (u128::from(high) << 64 | u128::from(low), u128::from(divisor));
        return ((number / divisor) as u64, (number % divisor) as u64);
    }
    quotient_of_halves(high, low, divisor)
}

#[inline(always)]
fn quotient_of_halves(high: u64, low: u64, divisor: u64) -> (u64, u64) {
    let (first, rest) = digit(high, low >> 32, divisor);
    let (second, rest) = digit(rest, low & u64::from(u32::MAX), divisor);
    (first << 32 | second, rest)
}

#[inline(always)]
pub(crate) fn divide(a: F80, b: F80) -> Option<Done> {
    let (x, y) = (exponent(a)?, exponent(b)?);
    let sign = (a.sign_exponent ^ b.sign_exponent) & SIGN;
    let less = a.mantissa < b.mantissa;
    // The quotient of 64 bits, its top bit set.
    let (high, low) = if less { (a.mantissa, 0) } else { (a.mantissa >> 1, a.mantissa << 63) };
    let (quotient, rest) = quotient(high, low, b.mantissa);
    let half = match rest.cmp(&(b.mantissa - rest)) {
        _ if rest == 0 => 0,
        core::cmp::Ordering::Less => 1,
        core::cmp::Ordering::Equal => 1 << 63,
        core::cmp::Ordering::Greater => 1 << 63 | 1,
    };
    finish(sign, x - y + BIAS - i32::from(less), quotient, half)
}

/// Of a number that is not negative.
#[inline(always)]
pub(crate) fn square_root(a: F80) -> Option<Done> {
    let x = exponent(a).filter(|_| a.sign_exponent & SIGN == 0)?;
    // The mantissa times 2^63 or 2^64, so that half of the exponent is one; the root of that has 64 bits.
    let odd = x & 1 != 0;
    let (high, low) = if odd { (a.mantissa >> 1, a.mantissa << 63) } else { (a.mantissa, 0) };
    const TWO_64: f64 = 18_446_744_073_709_551_616.0;
    // 53 bits of it; from the rest come the others, but for a unit or two.
    let estimate = (high as f64).sqrt() * 4_294_967_296.0;
    let mut root = if estimate >= TWO_64 { u64::MAX } else { estimate as u64 };
    for _ in 0..2 {
        let (sign, up, down) = difference((high, low), product(root, root));
        let by = (up as f64 * TWO_64 + down as f64) / (2.0 * root as f64);
        root = if sign { root.wrapping_sub(by as u64) } else { root.saturating_add(by as u64) };
    }
    while difference((high, low), product(root, root)).0 {
        root -= 1;
    }
    let (_, mut up, mut down) = difference((high, low), product(root, root));
    // The rest is at most twice the root.
    while (up, down) > (root >> 63, root << 1) {
        root += 1;
        (_, up, down) = difference((high, low), product(root, root));
    }
    let half = if up != 0 || down > root { 1 << 63 | 1 } else { u64::from(down != 0) };
    finish(0, (x + BIAS) >> 1, root, half)
}

/// The difference of two numbers of two halves: whether it is negative, and its magnitude.
#[inline(always)]
fn difference(a: (u64, u64), b: (u64, u64)) -> (bool, u64, u64) {
    let negative = a < b;
    let (a, b) = if negative { (b, a) } else { (a, b) };
    let (low, borrow) = a.1.overflowing_sub(b.1);
    (negative, a.0 - b.0 - u64::from(borrow), low)
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
        let mut bits = 1_u64;
        let more = (0..60_000).map(|n| {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            F80 { mantissa: bits | 1 << 63, sign_exponent: 0x3ff0 + n % 32 }
        });
        for a in values.iter().copied().chain(more) {
            let Some(done) = square_root(a) else { continue };
            let want = arith::square_root(Operand::of(a), env);
            assert_eq!((done.value, done.flags, done.up), (want.value, want.flags, want.up), "{a:x?}");
        }
    }

    /// The ways for words of 32 bits, against those for 64.
    #[test]
    fn halves_agree_with_wholes() {
        let mut bits = 1_u64;
        let mut next = || {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            match bits >> 61 {
                0 => !0 << (bits & 63),
                1 => !0 >> (bits & 63),
                _ => bits,
            }
        };
        for _ in 0..100_000 {
            let (a, b) = (next(), next());
            let whole = u128::from(a) * u128::from(b);
            assert_eq!(product_of_halves(a, b), ((whole >> 64) as u64, whole as u64), "{a:x} {b:x}");
            let divisor = b | 1 << 63;
            let (high, low) = (a % divisor, next());
            let number = u128::from(high) << 64 | u128::from(low);
            let want = ((number / u128::from(divisor)) as u64, (number % u128::from(divisor)) as u64);
            assert_eq!(quotient_of_halves(high, low, divisor), want, "{high:x} {low:x} {divisor:x}");
        }
    }
}
