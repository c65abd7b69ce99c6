//! Single and double precision with the rules of SSE: MXCSR, NaNs, denormals (SDM vol. 1 §4.8.3, §10.2.3, §11.5).
//!
//! Values travel as bits in a `u64`. Where operands and result are ordinary and nothing new can be reported, the host's
//! arithmetic gives the same bits and is used; everything else goes through [`crate::soft`].

use crate::soft::{Finite, Format, Rounded, Rounding, Wide, flag};
use core::cmp::Ordering;

/// MXCSR, taken apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Control {
    mxcsr: u32,
}

const DAZ: u32 = 1 << 6;
const FTZ: u32 = 1 << 15;
const UNDERFLOW_MASK: u32 = 1 << 11;
/// RC and PM.
const QUICK_MASK: u32 = 0x7000;
/// Round to nearest, precision masked.
const QUICK: u32 = 0x1000;
/// PE: an inexact result has been reported already.
const INEXACT: u32 = 0x20;

impl Control {
    #[inline(always)]
    pub(crate) fn new(mxcsr: u32) -> Control {
        Control { mxcsr }
    }

    /// Whether the host's arithmetic rounds as the guest's does.
    #[inline(always)]
    fn quick(self) -> bool {
        self.mxcsr & QUICK_MASK == QUICK
    }

    /// Whether it does not matter if a result is exact.
    #[inline(always)]
    fn inexact(self) -> bool {
        self.mxcsr & INEXACT != 0
    }

    /// With denormals read or written as they are: F16C ignores DAZ or FTZ.
    pub(crate) fn without_daz(self) -> Control {
        Control { mxcsr: self.mxcsr & !DAZ }
    }

    pub(crate) fn without_ftz(self) -> Control {
        Control { mxcsr: self.mxcsr & !FTZ }
    }

    pub(crate) fn with_rounding(self, rounding: Rounding) -> Control {
        Control { mxcsr: self.mxcsr & !(3 << 13) | (rounding as u32) << 13 }
    }

    pub(crate) fn rounding(self) -> Rounding {
        Rounding::from_bits(self.mxcsr >> 13)
    }

    fn daz(self) -> bool {
        self.mxcsr & DAZ != 0
    }

    fn unmasked(self) -> u8 {
        !(self.mxcsr >> 7) as u8 & 0x3f
    }
}

/// A value and the exceptions it raised.
pub(crate) type Result = (u64, u8);

/// How a format lays out its numbers.
pub(crate) trait Layout: 'static {
    const FRACTION: u32;
    const BITS: u32;
    const FORMAT: Format;
    const EXPONENT_TOP: u64 = (1 << (Self::BITS - 1 - Self::FRACTION)) - 1;
    const SIGN: u64 = 1 << (Self::BITS - 1);
    const INFINITY: u64 = Self::EXPONENT_TOP << Self::FRACTION;
    const QUIET: u64 = 1 << (Self::FRACTION - 1);
    /// The negative QNaN of masked invalid operations.
    const DEFAULT_NAN: u64 = Self::SIGN | Self::INFINITY | Self::QUIET;
    const MASK: u64 = u64::MAX >> (64 - Self::BITS);
}

/// One of the two formats with arithmetic.
pub(crate) trait Float: Layout {
    fn host_add(a: u64, b: u64) -> u64;
    fn host_sub(a: u64, b: u64) -> u64;
    fn host_mul(a: u64, b: u64) -> u64;
    fn host_div(a: u64, b: u64) -> u64;
    fn host_sqrt(a: u64) -> u64;
    fn host_fused(a: u64, b: u64, c: u64) -> u64;

    /// Bits from the first to the last one of a normal number's significand.
    #[inline(always)]
    fn length(a: u64) -> u32 {
        Self::FRACTION + 1 - (a | 1 << Self::FRACTION).trailing_zeros()
    }

    /// Whether the sum `r` of `a` and `b` is exact, by the error of a two-sum (Knuth, TAOCP vol. 2 §4.2.2, theorem B).
    #[inline(always)]
    fn exact_sum(a: u64, b: u64, r: u64) -> bool {
        let part = Self::host_sub(r, a);
        let error = Self::host_add(Self::host_sub(a, Self::host_sub(r, part)), Self::host_sub(b, part));
        error << (65 - Self::BITS) == 0
    }

    /// Whether a product is exact for sure: few enough bits.
    #[inline(always)]
    fn exact_product(a: u64, b: u64) -> bool {
        Self::length(a) + Self::length(b) <= Self::FRACTION + 1
    }
}

pub(crate) struct Single;
pub(crate) struct Double;
/// The 16-bit format of F16C, for conversions only.
pub(crate) struct Half;

impl Layout for Half {
    const FRACTION: u32 = 10;
    const BITS: u32 = 16;
    const FORMAT: Format = Format::HALF;
}

macro_rules! float {
    ($name:ident $ty:ty, $bits:ty, $fraction:literal, $format:expr) => {
        impl Layout for $name {
            const FRACTION: u32 = $fraction;
            const BITS: u32 = <$bits>::BITS;
            const FORMAT: Format = $format;
        }

        impl Float for $name {
            #[inline(always)]
            fn host_add(a: u64, b: u64) -> u64 {
                (<$ty>::from_bits(a as $bits) + <$ty>::from_bits(b as $bits)).to_bits().into()
            }
            #[inline(always)]
            fn host_sub(a: u64, b: u64) -> u64 {
                (<$ty>::from_bits(a as $bits) - <$ty>::from_bits(b as $bits)).to_bits().into()
            }
            #[inline(always)]
            fn host_mul(a: u64, b: u64) -> u64 {
                (<$ty>::from_bits(a as $bits) * <$ty>::from_bits(b as $bits)).to_bits().into()
            }
            #[inline(always)]
            fn host_div(a: u64, b: u64) -> u64 {
                (<$ty>::from_bits(a as $bits) / <$ty>::from_bits(b as $bits)).to_bits().into()
            }
            #[inline(always)]
            fn host_fused(a: u64, b: u64, c: u64) -> u64 {
                let [a, b, c] = [a, b, c].map(|bits| <$ty>::from_bits(bits as $bits));
                a.mul_add(b, c).to_bits().into()
            }
            #[inline(always)]
            fn host_sqrt(a: u64) -> u64 {
                <$ty>::from_bits(a as $bits).sqrt().to_bits().into()
            }
        }
    };
}

float!(Single f32, u32, 23, Format::SINGLE);
float!(Double f64, u64, 52, Format::DOUBLE);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Zero,
    Finite(Finite),
    Infinity,
    QuietNan,
    SignalingNan,
}

/// An operand taken apart; DAZ is applied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number {
    pub(crate) bits: u64,
    pub(crate) negative: bool,
    pub(crate) class: Class,
    pub(crate) flags: u8,
}

impl Number {
    pub(crate) fn of<F: Layout>(bits: u64, control: Control) -> Number {
        let negative = bits & F::SIGN != 0;
        let exponent = bits >> F::FRACTION & F::EXPONENT_TOP;
        let fraction = bits << (64 - F::FRACTION);
        let bias = F::FORMAT.max_exponent;
        let plain = |class| Number { bits, negative, class, flags: 0 };
        match exponent {
            0 if fraction == 0 => plain(Class::Zero),
            0 if control.daz() => Number { bits: bits & F::SIGN, ..plain(Class::Zero) },
            0 => {
                let shift = fraction.leading_zeros();
                let finite =
                    Finite { negative, exponent: -bias - shift as i32, mantissa: fraction << (shift & 63) };
                Number { flags: flag::DENORMAL, ..plain(Class::Finite(finite)) }
            }
            top if top == F::EXPONENT_TOP => plain(match (fraction == 0, bits & F::QUIET != 0) {
                (true, _) => Class::Infinity,
                (_, true) => Class::QuietNan,
                _ => Class::SignalingNan,
            }),
            _ => {
                let mantissa = 1 << 63 | fraction >> 1;
                plain(Class::Finite(Finite { negative, exponent: exponent as i32 - bias, mantissa }))
            }
        }
    }

    pub(crate) fn is_nan(&self) -> bool {
        matches!(self.class, Class::QuietNan | Class::SignalingNan)
    }
}

fn signed<F: Layout>(negative: bool, magnitude: u64) -> u64 {
    magnitude | if negative { F::SIGN } else { 0 }
}

/// Puts a rounded result together.
pub(crate) fn pack<F: Layout>(rounded: Rounded) -> u64 {
    let fraction = rounded.mantissa << 1 >> (64 - F::FRACTION);
    let exponent =
        if rounded.mantissa >> 63 != 0 { (rounded.exponent + F::FORMAT.max_exponent) as u64 } else { 0 };
    let magnitude = if rounded.infinite { F::INFINITY } else { exponent << F::FRACTION | fraction };
    signed::<F>(rounded.negative, magnitude)
}

/// Rounds an exact result, with FTZ.
pub(crate) fn round<F: Layout>(wide: Wide, control: Control, flags: u8) -> Result {
    let flush = control.mxcsr & FTZ != 0 && control.mxcsr & UNDERFLOW_MASK != 0;
    if flush {
        let tiny = wide.round(F::FORMAT, control.rounding(), flag::UNDERFLOW).flags & flag::UNDERFLOW != 0;
        if tiny {
            return (signed::<F>(wide.negative, 0), flags | flag::UNDERFLOW | flag::PRECISION);
        }
    }
    let rounded = wide.round(F::FORMAT, control.rounding(), control.unmasked());
    // A result scaled because of an unmasked exception is never written.
    (pack::<F>(rounded), flags | rounded.flags)
}

/// The result that NaNs force: the first operand's if it is one, else the second's.
fn nan<F: Float>(a: &Number, b: &Number) -> Option<Result> {
    if !a.is_nan() && !b.is_nan() {
        return None;
    }
    let invalid = a.class == Class::SignalingNan || b.class == Class::SignalingNan;
    let chosen = if a.is_nan() { a } else { b };
    Some((chosen.bits | F::QUIET, if invalid { flag::INVALID } else { 0 }))
}

/// Whether a value is zero or has an exponent away from the ends.
#[inline(always)]
fn ordinary<F: Float>(bits: u64) -> bool {
    normal::<F>(bits) || bits & !F::SIGN & F::MASK == 0
}

/// Whether a value has an exponent away from the ends.
#[inline(always)]
fn normal<F: Float>(bits: u64) -> bool {
    (bits >> F::FRACTION & F::EXPONENT_TOP).wrapping_sub(2) < F::EXPONENT_TOP - 2
}

#[inline(always)]
fn quick_sum<F: Float>(a: u64, b: u64, r: u64, control: Control) -> Option<Result> {
    let sum = ordinary::<F>(a) && ordinary::<F>(b) && ordinary::<F>(r);
    let flags = || if F::exact_sum(a, b, r) { 0 } else { flag::PRECISION };
    sum.then(|| (r, if control.inexact() { 0 } else { flags() }))
}

#[inline(always)]
pub(crate) fn add<F: Float>(a: u64, b: u64, control: Control) -> Result {
    if control.quick()
        && let Some(result) = quick_sum::<F>(a, b, F::host_add(a, b), control)
    {
        return result;
    }
    slow_add::<F>(a, b, false, control)
}

#[inline(always)]
pub(crate) fn subtract<F: Float>(a: u64, b: u64, control: Control) -> Result {
    if control.quick()
        && let Some(result) = quick_sum::<F>(a, b ^ F::SIGN, F::host_sub(a, b), control)
    {
        return result;
    }
    slow_add::<F>(a, b, true, control)
}

#[inline(never)]
fn slow_add<F: Float>(a: u64, b: u64, negate: bool, control: Control) -> Result {
    let (a, b) = (Number::of::<F>(a, control), Number::of::<F>(b, control));
    if let Some(result) = nan::<F>(&a, &b) {
        return result;
    }
    let flags = a.flags | b.flags;
    let b_negative = b.negative != negate;
    let cancelled = || signed::<F>(control.rounding() == Rounding::Down, 0);
    match (a.class, b.class) {
        (Class::Finite(x), Class::Finite(y)) => match x.add(Finite { negative: b_negative, ..y }) {
            Some(wide) => round::<F>(wide, control, flags),
            None => (cancelled(), flags),
        },
        (Class::Infinity, Class::Infinity) if a.negative != b_negative => (F::DEFAULT_NAN, flag::INVALID),
        (Class::Infinity, _) => (a.bits, flags),
        (_, Class::Infinity) => (signed::<F>(b_negative, F::INFINITY), flags),
        (Class::Finite(x), _) => round::<F>(x.wide(), control, flags),
        (_, Class::Finite(y)) => round::<F>(Finite { negative: b_negative, ..y }.wide(), control, flags),
        _ if a.negative == b_negative => (a.bits, 0),
        _ => (cancelled(), 0),
    }
}

#[inline(always)]
pub(crate) fn multiply<F: Float>(a: u64, b: u64, control: Control) -> Result {
    if control.quick() && normal::<F>(a) && normal::<F>(b) {
        let r = F::host_mul(a, b);
        if normal::<F>(r) && (control.inexact() || F::exact_product(a, b)) {
            return (r, 0);
        }
    }
    slow_multiply::<F>(a, b, control)
}

#[inline(never)]
fn slow_multiply<F: Float>(a: u64, b: u64, control: Control) -> Result {
    let (a, b) = (Number::of::<F>(a, control), Number::of::<F>(b, control));
    if let Some(result) = nan::<F>(&a, &b) {
        return result;
    }
    let negative = a.negative != b.negative;
    let flags = a.flags | b.flags;
    match (a.class, b.class) {
        (Class::Finite(x), Class::Finite(y)) => round::<F>(x.multiply(y), control, flags),
        (Class::Zero, Class::Infinity) | (Class::Infinity, Class::Zero) => (F::DEFAULT_NAN, flag::INVALID),
        (Class::Infinity, _) | (_, Class::Infinity) => (signed::<F>(negative, F::INFINITY), flags),
        _ => (signed::<F>(negative, 0), flags),
    }
}

#[inline(always)]
pub(crate) fn divide<F: Float>(a: u64, b: u64, control: Control) -> Result {
    if control.quick() && normal::<F>(a) && normal::<F>(b) {
        let r = F::host_div(a, b);
        let exact = || F::exact_product(r, b) && F::host_mul(r, b) == a;
        if normal::<F>(r) && (control.inexact() || exact()) {
            return (r, 0);
        }
    }
    slow_divide::<F>(a, b, control)
}

#[inline(never)]
fn slow_divide<F: Float>(a: u64, b: u64, control: Control) -> Result {
    let (a, b) = (Number::of::<F>(a, control), Number::of::<F>(b, control));
    if let Some(result) = nan::<F>(&a, &b) {
        return result;
    }
    let negative = a.negative != b.negative;
    let flags = a.flags | b.flags;
    match (a.class, b.class) {
        (Class::Finite(x), Class::Finite(y)) => round::<F>(x.divide(y), control, flags),
        (Class::Zero, Class::Zero) | (Class::Infinity, Class::Infinity) => (F::DEFAULT_NAN, flag::INVALID),
        (Class::Infinity, _) => (signed::<F>(negative, F::INFINITY), flags),
        (Class::Finite(_), Class::Zero) => (signed::<F>(negative, F::INFINITY), flag::ZERO_DIVIDE),
        _ => (signed::<F>(negative, 0), flags),
    }
}

#[inline(always)]
pub(crate) fn square_root<F: Float>(a: u64, control: Control) -> Result {
    if control.quick() && normal::<F>(a) && a & F::SIGN == 0 {
        let r = F::host_sqrt(a);
        if control.inexact() || F::exact_product(r, r) && F::host_mul(r, r) == a {
            return (r, 0);
        }
    }
    slow_square_root::<F>(a, control)
}

#[inline(never)]
fn slow_square_root<F: Float>(a: u64, control: Control) -> Result {
    let a = Number::of::<F>(a, control);
    match a.class {
        Class::QuietNan => (a.bits, 0),
        Class::SignalingNan => (a.bits | F::QUIET, flag::INVALID),
        Class::Zero => (a.bits, 0),
        _ if a.negative => (F::DEFAULT_NAN, flag::INVALID),
        Class::Finite(x) => round::<F>(x.square_root(), control, a.flags),
        Class::Infinity => (a.bits, 0),
    }
}

/// Order of two numbers, none if a NaN is among them, with DENORMAL; and whether an SNaN, any NaN is.
pub(crate) struct Compared {
    pub(crate) order: Option<Ordering>,
    pub(crate) flags: u8,
    pub(crate) signaling: bool,
}

#[inline]
pub(crate) fn compare<F: Float>(a: u64, b: u64, control: Control) -> Compared {
    if ordinary::<F>(a) && ordinary::<F>(b) {
        let key = |bits: u64| {
            let magnitude = (bits & !F::SIGN & F::MASK) as i64;
            if bits & F::SIGN != 0 { magnitude.wrapping_neg() } else { magnitude }
        };
        return Compared { order: Some(key(a).cmp(&key(b))), flags: 0, signaling: false };
    }
    slow_compare::<F>(a, b, control)
}

#[inline(never)]
fn slow_compare<F: Float>(a: u64, b: u64, control: Control) -> Compared {
    let (a, b) = (Number::of::<F>(a, control), Number::of::<F>(b, control));
    if a.is_nan() || b.is_nan() {
        let signaling = a.class == Class::SignalingNan || b.class == Class::SignalingNan;
        return Compared { order: None, flags: 0, signaling };
    }
    // Sign and magnitude as an integer that is ordered as the numbers are.
    let key = |n: &Number| {
        let magnitude = (n.bits & !F::SIGN & F::MASK) as i64;
        if n.negative { magnitude.wrapping_neg() } else { magnitude }
    };
    Compared { order: Some(key(&a).cmp(&key(&b))), flags: a.flags | b.flags, signaling: false }
}

/// `min` and `max`: the second operand where the two are equal or one is a NaN.
#[inline]
fn select<F: Float>(a: u64, b: u64, control: Control, wanted: Ordering) -> Result {
    let compared = compare::<F>(a, b, control);
    let flush = |bits| Number::of::<F>(bits, control).bits;
    match compared.order {
        None => (flush(b), flag::INVALID),
        Some(order) if order == wanted => (flush(a), compared.flags),
        Some(_) => (flush(b), compared.flags),
    }
}

pub(crate) fn minimum<F: Float>(a: u64, b: u64, control: Control) -> Result {
    select::<F>(a, b, control, Ordering::Less)
}

pub(crate) fn maximum<F: Float>(a: u64, b: u64, control: Control) -> Result {
    select::<F>(a, b, control, Ordering::Greater)
}

/// To a signed integer of `bits` bits; the indefinite one where it does not fit.
pub(crate) fn to_integer<F: Float>(a: u64, bits: u32, rounding: Rounding, control: Control) -> Result {
    let limit = 1_u64 << (bits - 1);
    let number = Number::of::<F>(a, control);
    let (magnitude, inexact) = match number.class {
        Class::Zero => (Some(0), false),
        Class::Finite(x) => {
            let (magnitude, inexact, _) = x.to_integer(rounding);
            (magnitude, inexact)
        }
        _ => (None, false),
    };
    match magnitude.filter(|m| *m < limit || *m == limit && number.negative) {
        Some(m) => {
            let value = if number.negative { m.wrapping_neg() } else { m };
            (value & (u64::MAX >> (64 - bits)), if inexact { flag::PRECISION } else { 0 })
        }
        None => (limit, flag::INVALID),
    }
}

/// From a signed integer.
pub(crate) fn from_integer<F: Float>(value: i64, control: Control) -> Result {
    match Finite::from_integer(value < 0, value.unsigned_abs()) {
        Some(finite) => round::<F>(finite.wide(), control, 0),
        None => (0, 0),
    }
}

/// From one format to the other.
pub(crate) fn convert<From: Layout, To: Layout>(a: u64, control: Control) -> Result {
    let number = Number::of::<From>(a, control);
    match number.class {
        Class::Zero => (signed::<To>(number.negative, 0), 0),
        Class::Infinity => (signed::<To>(number.negative, To::INFINITY), 0),
        Class::Finite(x) => round::<To>(x.wide(), control, number.flags),
        Class::QuietNan | Class::SignalingNan => {
            let fraction = a << (64 - From::FRACTION) >> (64 - To::FRACTION);
            let invalid = number.class == Class::SignalingNan;
            let bits = signed::<To>(number.negative, To::INFINITY | To::QUIET | fraction);
            (bits, if invalid { flag::INVALID } else { 0 })
        }
    }
}

/// Rounds to an integer of the same format. Denormals are not reported.
pub(crate) fn to_integral<F: Float>(a: u64, rounding: Rounding, control: Control) -> Result {
    let number = Number::of::<F>(a, control);
    match number.class {
        Class::QuietNan => (a, 0),
        Class::SignalingNan => (a | F::QUIET, flag::INVALID),
        Class::Finite(x) if x.exponent < F::FRACTION as i32 => {
            let (magnitude, inexact, _) = x.to_integer(rounding);
            let flags = if inexact { flag::PRECISION } else { 0 };
            match Finite::from_integer(x.negative, magnitude.unwrap_or(0)) {
                Some(integer) => (round::<F>(integer.wide(), control, 0).0, flags),
                None => (signed::<F>(x.negative, 0), flags),
            }
        }
        _ => (number.bits, 0),
    }
}

/// Signs of [`fused`]: what the product and the addend are multiplied by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Signs {
    pub(crate) negate_product: bool,
    pub(crate) negate_addend: bool,
}

/// `x × y + z`, rounded once (SDM vol. 1 §14.5).
#[inline]
pub(crate) fn fused<F: Float>(x: u64, y: u64, z: u64, signs: Signs, control: Control) -> Result {
    if control.quick() && control.inexact() && normal::<F>(x) && normal::<F>(y) && ordinary::<F>(z) {
        let flip = |bits: u64, negate: bool| if negate { bits ^ F::SIGN } else { bits };
        let r = F::host_fused(flip(x, signs.negate_product), y, flip(z, signs.negate_addend));
        if normal::<F>(r) {
            return (r, 0);
        }
    }
    slow_fused::<F>(x, y, z, signs, control)
}

#[inline(never)]
fn slow_fused<F: Float>(x: u64, y: u64, z: u64, signs: Signs, control: Control) -> Result {
    let [x, y, z] = [x, y, z].map(|bits| Number::of::<F>(bits, control));
    let nans = [&x, &y, &z];
    if let Some(chosen) = nans.into_iter().find(|n| n.is_nan()) {
        let invalid = nans.into_iter().any(|n| n.class == Class::SignalingNan);
        return (chosen.bits | F::QUIET, if invalid { flag::INVALID } else { 0 });
    }
    let flags = x.flags | y.flags | z.flags;
    let negative = (x.negative != y.negative) != signs.negate_product;
    let z_negative = z.negative != signs.negate_addend;
    let addend = match z.class {
        Class::Finite(z) => Some(Finite { negative: z_negative, ..z }.wide()),
        _ => None,
    };
    let product = match (x.class, y.class) {
        (Class::Finite(x), Class::Finite(y)) => Some(Wide { negative, ..x.multiply(y) }),
        (Class::Infinity, Class::Zero) | (Class::Zero, Class::Infinity) => {
            return (F::DEFAULT_NAN, flag::INVALID);
        }
        (Class::Infinity, _) | (_, Class::Infinity)
            if z.class == Class::Infinity && z_negative != negative =>
        {
            return (F::DEFAULT_NAN, flag::INVALID);
        }
        (Class::Infinity, _) | (_, Class::Infinity) => return (signed::<F>(negative, F::INFINITY), flags),
        _ => None,
    };
    if z.class == Class::Infinity {
        return (signed::<F>(z_negative, F::INFINITY), flags);
    }
    let zero = || {
        let agree = product.is_none() && addend.is_none() && negative == z_negative;
        signed::<F>(if agree { negative } else { control.rounding() == Rounding::Down }, 0)
    };
    let sum = match (product, addend) {
        (Some(product), Some(addend)) => product.add(addend),
        (one, other) => one.or(other),
    };
    match sum {
        Some(wide) => round::<F>(wide, control, flags),
        None => (zero(), flags),
    }
}

/// Bits of significand in the approximations: the error is below 1.5 × 2⁻¹² of the manual.
const APPROXIMATE_BITS: u32 = 13;

fn shorten(bits: u32) -> u64 {
    let drop = 24 - APPROXIMATE_BITS;
    u64::from(bits.wrapping_add(1 << (drop - 1)) & !((1 << drop) - 1))
}

/// `rcpss`: denormals count as zero, tiny results are flushed, nothing is reported.
pub(crate) fn reciprocal(a: u64) -> u64 {
    let value = f32::from_bits(a as u32);
    let sign = a & Single::SIGN;
    if value.is_nan() {
        return a | Single::QUIET;
    }
    if value.abs() < f32::MIN_POSITIVE {
        return sign | Single::INFINITY;
    }
    let result = 1.0 / value;
    if result.abs() < f32::MIN_POSITIVE { sign } else { shorten(result.to_bits()) }
}

/// `rsqrtss`.
pub(crate) fn reciprocal_root(a: u64) -> u64 {
    let value = f32::from_bits(a as u32);
    if value.is_nan() {
        return a | Single::QUIET;
    }
    if value.abs() < f32::MIN_POSITIVE {
        return a & Single::SIGN | Single::INFINITY;
    }
    if value < 0.0 {
        return Single::DEFAULT_NAN;
    }
    let result = (1.0 / f64::from(value).sqrt()) as f32;
    if result == 0.0 { 0 } else { shorten(result.to_bits()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn approximations_are_as_good_as_promised() {
        let limit = 1.5 / 4096.0;
        for n in 1..20_000_u32 {
            let x = f32::from_bits(0x3f80_0000 + n * 419);
            for scale in [1.0, 1e-30, 1e30] {
                let x = x * scale;
                let of = |bits: u64| f64::from(f32::from_bits(bits as u32));
                let exact = 1.0 / f64::from(x);
                assert!((of(reciprocal(x.to_bits().into())) / exact - 1.0).abs() < limit, "1/{x}");
                let exact = 1.0 / f64::from(x).sqrt();
                assert!((of(reciprocal_root(x.to_bits().into())) / exact - 1.0).abs() < limit, "1/sqrt {x}");
            }
        }
        assert_eq!(reciprocal(Single::SIGN), Single::SIGN | Single::INFINITY);
        assert_eq!(reciprocal_root(0xbf80_0000), Single::DEFAULT_NAN);
    }
}
