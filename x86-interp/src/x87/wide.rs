//! Numbers of 128 bits of significand, for the transcendental functions: twice what the result needs.

use crate::soft::Wide;

/// The upper half of a product.
#[inline]
pub(crate) fn multiply_high(a: u128, b: u128) -> u128 {
    const LOW: u128 = u64::MAX as u128;
    let (a1, a0, b1, b0) = (a >> 64, a & LOW, b >> 64, b & LOW);
    let middle = (a0 * b0) >> 64;
    let middle = middle + ((a1 * b0) & LOW) + ((a0 * b1) & LOW);
    a1 * b1 + ((a1 * b0) >> 64) + ((a0 * b1) >> 64) + (middle >> 64)
}

/// 1 in the fixed-point format of polynomials: one bit before the point, 127 behind it.
pub(crate) const ONE: u128 = 1 << 127;

/// `c₀ ± c₁x + c₂x² ± …`: coefficients and result have one bit before the point, `x` none.
pub(crate) fn polynomial(coefficients: &[u128], x: u128, alternating: bool) -> u128 {
    coefficients.iter().rev().fold(0, |sum, c| {
        let product = multiply_high(x, sum);
        if alternating { c.wrapping_sub(product) } else { c.wrapping_add(product) }
    })
}

/// `1/(an + b)!` for each n.
const fn factorials<const N: usize>(a: u128, b: u128) -> [u128; N] {
    let mut out = [ONE; N];
    let mut n = 1;
    while n < N {
        let last = a * n as u128 + b;
        out[n] = out[n - 1] / if a == 2 { last * (last - 1) } else { last };
        n += 1;
    }
    out
}

const fn odd_reciprocals<const N: usize>() -> [u128; N] {
    let mut out = [ONE; N];
    let mut n = 1;
    while n < N {
        out[n] = ONE / (2 * n as u128 + 1);
        n += 1;
    }
    out
}

/// `1/(n+1)!`: (eˣ − 1)/x.
pub(crate) const EXPONENTIAL: [u128; 30] = factorials(1, 1);
/// `1/(2n+1)!`: sin x / x in x².
pub(crate) const SINE: [u128; 14] = factorials(2, 1);
/// `1/(2n)!`: cos x in x².
pub(crate) const COSINE: [u128; 15] = factorials(2, 0);
/// `1/(2n+1)`: atan x / x and atanh x / x in x².
pub(crate) const ARC: [u128; 22] = odd_reciprocals();

const fn positive(exponent: i32, mantissa: u128) -> Wide {
    Wide { negative: false, exponent, mantissa }
}

pub(crate) const LN_2: Wide = positive(-1, 0xb172_17f7_d1cf_79ab_c9e3_b398_03f2_f6af);
/// 2 / ln 2.
pub(crate) const TWO_LOG2_E: Wide = positive(1, 0xb8aa_3b29_5c17_f0bb_be87_fed0_691d_3e89);
pub(crate) const HALF_PI: Wide = positive(0, 0xc90f_daa2_2168_c234_c4c6_628b_80dc_1cd1);
pub(crate) const PI: Wide = positive(1, 0xc90f_daa2_2168_c234_c4c6_628b_80dc_1cd1);

/// atan(n/16) for n from 1 to 16.
pub(crate) const ARC_TANGENTS: [Wide; 16] = [
    positive(-5, 0xffaa_ddb9_67ef_4e36_cb27_92dc_0e2e_0d51),
    positive(-4, 0xfead_d4d5_617b_6e32_c897_989f_3e88_8ef8),
    positive(-3, 0xbdcb_da5e_72d8_1134_7b0b_4f88_1c9c_7488),
    positive(-3, 0xfadb_afc9_6406_eb15_6dc7_9ef5_f7a2_17e6),
    positive(-2, 0x9b13_b9b8_3f5e_5e69_c5ab_b498_d27a_f328),
    positive(-2, 0xb7b0_ca0f_26f7_8473_8aa3_2122_dcfe_4483),
    positive(-2, 0xd327_761e_611f_e5b6_427c_95e9_001e_7136),
    positive(-2, 0xed63_382b_0dda_7b45_6fe4_45ec_bc3a_8d03),
    positive(-1, 0x832b_f4a6_d986_7e2a_4b6a_09cb_61a5_15c1),
    positive(-1, 0x8f00_5d5e_f7f5_9f9b_5c83_5e16_65c4_3748),
    positive(-1, 0x9a2f_80e6_71bd_da20_4226_f8e2_204f_f3bd),
    positive(-1, 0xa4bc_7d19_34f7_0924_19a8_7f2a_457d_ac9f),
    positive(-1, 0xaeac_4c38_b4d8_c080_1472_5e2f_3e52_070a),
    positive(-1, 0xb805_3e2b_c231_9e73_cb2d_a552_10a4_443d),
    positive(-1, 0xc0ce_85b8_ac52_6640_89dd_62c4_6e92_fa25),
    positive(-1, 0xc90f_daa2_2168_c234_c4c6_628b_80dc_1cd1),
];

impl Wide {
    pub(crate) fn one() -> Wide {
        positive(0, ONE)
    }

    pub(crate) fn negated(self) -> Wide {
        Wide { negative: !self.negative, ..self }
    }

    pub(crate) fn times(self, other: Wide) -> Wide {
        let high = multiply_high(self.mantissa, other.mantissa);
        Wide::normalised(self.negative != other.negative, self.exponent + other.exponent + 1, high | 1)
    }

    /// Times a fixed-point factor with one bit before the point.
    pub(crate) fn times_fixed(self, factor: u128) -> Wide {
        self.times(Wide::normalised(false, 0, factor))
    }

    /// The sum; none if it is zero.
    pub(crate) fn plus(self, other: Wide) -> Option<Wide> {
        let less = (self.exponent, self.mantissa) < (other.exponent, other.mantissa);
        let (large, small) = if less { (other, self) } else { (self, other) };
        let distance = large.exponent.wrapping_sub(small.exponent).clamp(0, 127) as u32;
        let a = large.mantissa >> 1;
        let b = small.mantissa >> 1 >> distance;
        let sum = if large.negative == small.negative { a + b } else { a - b };
        (sum != 0).then(|| Wide::normalised(large.negative, large.exponent + 1, sum))
    }

    pub(crate) fn over(self, other: Wide) -> Wide {
        let mut rest = self.mantissa;
        let mut quotient = 0_u128;
        // One bit a turn. `rest` stays below twice the divisor, so the carry of the shift is kept apart.
        let mut carry = false;
        for _ in 0..128 {
            let fits = carry || rest >= other.mantissa;
            quotient = quotient << 1 | u128::from(fits);
            if fits {
                rest = rest.wrapping_sub(other.mantissa);
            }
            carry = rest >> 127 != 0;
            rest <<= 1;
        }
        Wide::normalised(self.negative != other.negative, self.exponent - other.exponent, quotient)
    }

    /// The magnitude as a fraction of 128 bits; it must be below 1.
    pub(crate) fn fraction(self) -> u128 {
        self.mantissa.checked_shr((-1_i32).wrapping_sub(self.exponent).clamp(0, 128) as u32).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soft::{Finite, Format, Rounding};

    #[test]
    fn products_have_their_upper_half() {
        assert_eq!(multiply_high(u128::MAX, u128::MAX), u128::MAX - 1);
        assert_eq!(multiply_high(1 << 127, 6), 3);
    }

    #[test]
    fn division_undoes_multiplication() {
        let third = Wide::one().over(Finite::from_integer(false, 3).expect("not zero").wide());
        assert_eq!((third.exponent, third.mantissa >> 120), (-2, 0xaa));
        let one = third.times_fixed(3 << 126).round(Format::EXTENDED, Rounding::Nearest, 0);
        assert_eq!((one.exponent, one.mantissa), (-1, 1 << 63));
    }

    #[test]
    fn coefficients() {
        assert_eq!(EXPONENTIAL[2], ONE / 6);
        assert_eq!(SINE[1], ONE / 6);
        assert_eq!(COSINE[1], ONE / 2);
        assert_eq!(COSINE[2], ONE / 24);
    }
}
