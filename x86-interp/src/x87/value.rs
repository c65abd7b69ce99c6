//! The extended format taken apart and put together (SDM vol. 1 §4.2.2, table 4-3, and §8.2.2).

use crate::soft::{Finite, Format, Rounded, flag};
use x86_cpu::F80;

pub(crate) const SIGN: u16 = 0x8000;
const EXPONENT: u16 = 0x7fff;
const BIAS: i32 = 16383;
const INTEGER: u64 = 1 << 63;
const QUIET: u64 = 1 << 62;

/// The QNaN that masked invalid operations give: negative, with only the quiet bit.
pub(crate) const INDEFINITE: F80 = F80 { mantissa: INTEGER | QUIET, sign_exponent: 0xffff };

/// What an encoding means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Zero,
    Finite(Finite),
    Infinity,
    QuietNan,
    SignalingNan,
    /// Unnormals, pseudo-NaNs and pseudo-infinities: invalid operands since the 387.
    Unsupported,
}

/// An operand taken apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operand {
    pub(crate) bits: F80,
    pub(crate) negative: bool,
    pub(crate) class: Class,
    /// Denormal or pseudo-denormal.
    pub(crate) denormal: bool,
}

impl Operand {
    #[inline]
    pub(crate) fn of(bits: F80) -> Operand {
        let negative = bits.sign_exponent & SIGN != 0;
        let exponent = bits.sign_exponent & EXPONENT;
        let mantissa = bits.mantissa;
        let mut denormal = false;
        let class = match exponent {
            0 if mantissa == 0 => Class::Zero,
            0 => {
                denormal = true;
                let shift = mantissa.leading_zeros();
                let exponent = 1 - BIAS - shift as i32;
                Class::Finite(Finite { negative, exponent, mantissa: mantissa << (shift & 63) })
            }
            _ if mantissa & INTEGER == 0 => Class::Unsupported,
            EXPONENT if mantissa << 1 == 0 => Class::Infinity,
            EXPONENT if mantissa & QUIET != 0 => Class::QuietNan,
            EXPONENT => Class::SignalingNan,
            _ => Class::Finite(Finite { negative, exponent: i32::from(exponent) - BIAS, mantissa }),
        };
        Operand { bits, negative, class, denormal }
    }

    pub(crate) fn is_nan(&self) -> bool {
        matches!(self.class, Class::QuietNan | Class::SignalingNan)
    }

    pub(crate) fn denormal_flag(&self) -> u8 {
        if self.denormal { flag::DENORMAL } else { 0 }
    }
}

/// A NaN with its quiet bit set.
pub(crate) fn quiet(bits: F80) -> F80 {
    F80 { mantissa: bits.mantissa | QUIET, ..bits }
}

pub(crate) fn zero(negative: bool) -> F80 {
    F80 { mantissa: 0, sign_exponent: if negative { SIGN } else { 0 } }
}

pub(crate) fn infinity(negative: bool) -> F80 {
    F80 { mantissa: INTEGER, sign_exponent: EXPONENT | if negative { SIGN } else { 0 } }
}

/// Puts a rounded result together. Its exponent range is that of [`Format::EXTENDED`], its precision may be less.
#[inline]
pub(crate) fn pack(rounded: Rounded) -> F80 {
    if rounded.infinite {
        return infinity(rounded.negative);
    }
    let sign = if rounded.negative { SIGN } else { 0 };
    let exponent = if rounded.mantissa & INTEGER != 0 { rounded.exponent + BIAS } else { 0 };
    F80 { mantissa: rounded.mantissa, sign_exponent: sign | (exponent as u16 & EXPONENT) }
}

/// An exact finite value.
#[inline]
pub(crate) fn exact(value: Finite) -> F80 {
    let sign = if value.negative { SIGN } else { 0 };
    F80 { mantissa: value.mantissa, sign_exponent: sign | ((value.exponent + BIAS) as u16 & EXPONENT) }
}

/// Which of two operands, at least one a NaN, gives the result, quieted (SDM vol. 1 table 4-7, x87 column).
pub(crate) fn choose_nan(a: &Operand, b: &Operand) -> F80 {
    let chosen = match (a.class, b.class) {
        (Class::SignalingNan, Class::QuietNan) => b,
        (Class::QuietNan, Class::SignalingNan) => a,
        _ if a.is_nan() && b.is_nan() => {
            // The larger significand; of equal ones, the positive.
            let key = |operand: &Operand| (operand.bits.mantissa, !operand.negative);
            if key(a) >= key(b) { a } else { b }
        }
        _ if a.is_nan() => a,
        _ => b,
    };
    quiet(chosen.bits)
}

/// Takes apart a `f32` or `f64` given as bits.
#[inline]
fn widen(bits: u64, exponent_bits: u32, fraction_bits: u32) -> (F80, u8) {
    let top = (1_u64 << exponent_bits) - 1;
    let bias = (top >> 1) as i32;
    let sign = if bits >> (exponent_bits + fraction_bits) & 1 != 0 { SIGN } else { 0 };
    let exponent = bits >> fraction_bits & top;
    let fraction = bits << (64 - fraction_bits);
    let with =
        |exponent: i32, mantissa: u64| F80 { mantissa, sign_exponent: sign | exponent as u16 & EXPONENT };
    match exponent {
        0 if fraction == 0 => (with(0, 0), 0),
        0 => {
            let shift = fraction.leading_zeros();
            (with(BIAS - bias - shift as i32, fraction << (shift & 63)), flag::DENORMAL)
        }
        _ if exponent == top => {
            let signaling = fraction != 0 && fraction >> 63 == 0;
            let mantissa = INTEGER | fraction >> 1;
            let value = with(i32::from(EXPONENT), mantissa);
            if signaling { (quiet(value), flag::INVALID) } else { (value, 0) }
        }
        _ => (with(exponent as i32 - bias + BIAS, INTEGER | fraction >> 1), 0),
    }
}

/// Widens a `f32`. SNaNs are quieted (INVALID), denormals reported (DENORMAL).
#[inline]
pub(crate) fn from_f32(bits: u32) -> (F80, u8) {
    widen(bits.into(), 8, 23)
}

/// Widens a `f64`.
#[inline]
pub(crate) fn from_f64(bits: u64) -> (F80, u8) {
    widen(bits, 11, 52)
}

/// Widens without judging: arithmetic with a memory operand looks at SNaNs itself.
pub(crate) fn raw_from_f32(bits: u32) -> F80 {
    let (value, flags) = from_f32(bits);
    unquiet(value, flags)
}

/// As [`raw_from_f32`].
pub(crate) fn raw_from_f64(bits: u64) -> F80 {
    let (value, flags) = from_f64(bits);
    unquiet(value, flags)
}

fn unquiet(value: F80, flags: u8) -> F80 {
    if flags & flag::INVALID != 0 { F80 { mantissa: value.mantissa & !QUIET, ..value } } else { value }
}

/// Narrows a rounded result to the bits of a format of the sizes given.
#[inline]
pub(crate) fn narrow(rounded: Rounded, format: Format, fraction_bits: u32) -> u64 {
    let sign = u64::from(rounded.negative);
    let bias = format.max_exponent;
    let exponent_bits = if fraction_bits == 23 { 8 } else { 11 };
    let top = (1_u64 << exponent_bits) - 1;
    let (exponent, fraction) = if rounded.infinite {
        (top, 0)
    } else if rounded.mantissa & INTEGER != 0 {
        ((rounded.exponent + bias) as u64 & top, rounded.mantissa << 1 >> (64 - fraction_bits))
    } else {
        (0, rounded.mantissa << 1 >> (64 - fraction_bits))
    };
    sign << (exponent_bits + fraction_bits) | exponent << fraction_bits | fraction
}

/// Narrows a NaN, already quiet: its upper fraction bits.
pub(crate) fn narrow_nan(bits: F80, fraction_bits: u32) -> u64 {
    let exponent_bits = if fraction_bits == 23 { 8 } else { 11 };
    let top = (1_u64 << exponent_bits) - 1;
    let sign = u64::from(bits.sign_exponent >> 15);
    sign << (exponent_bits + fraction_bits)
        | top << fraction_bits
        | bits.mantissa << 1 >> (64 - fraction_bits)
}
