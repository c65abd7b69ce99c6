//! Basic arithmetic, comparison and the remainders (SDM vol. 1 §8.3.5, §8.3.6).

use super::unit::{C0, C1, C2, C3, Done, Env};
use super::value::{Class, INDEFINITE, Operand, choose_nan, exact, infinity, pack, quiet, zero};
use crate::soft::{Finite, Format, Rounding, Wide, flag};
use core::cmp::Ordering;
use x86_cpu::F80;

/// Rounds and packs.
#[inline]
pub(crate) fn round(wide: Wide, env: Env, flags: u8) -> Done {
    let rounded = wide.round(env.format, env.rounding, env.unmasked);
    Done { value: pack(rounded), flags: flags | rounded.flags, up: rounded.up }
}

/// The result that NaNs and unsupported operands force, if any.
#[inline(always)]
fn special(a: &Operand, b: &Operand) -> Option<Done> {
    if a.class == Class::Unsupported || b.class == Class::Unsupported {
        return Some(Done::invalid());
    }
    if a.is_nan() || b.is_nan() {
        let signaling = a.class == Class::SignalingNan || b.class == Class::SignalingNan;
        return Some(Done::with(choose_nan(a, b), if signaling { flag::INVALID } else { 0 }));
    }
    None
}

/// As [`special`], for one operand.
pub(crate) fn special1(a: &Operand) -> Option<Done> {
    match a.class {
        Class::Unsupported => Some(Done::invalid()),
        Class::QuietNan => Some(Done::exact(a.bits)),
        Class::SignalingNan => Some(Done::with(quiet(a.bits), flag::INVALID)),
        _ => None,
    }
}

fn denormals(a: &Operand, b: &Operand) -> u8 {
    a.denormal_flag() | b.denormal_flag()
}

#[inline]
fn sum(a: &Operand, b: &Operand, negate: bool, env: Env) -> Done {
    if let Some(done) = special(a, b) {
        return done;
    }
    let flags = denormals(a, b);
    let b_negative = b.negative != negate;
    match (a.class, b.class) {
        (Class::Finite(x), Class::Finite(y)) => {
            let y = Finite { negative: b_negative, ..y };
            match x.add(y) {
                Some(wide) => round(wide, env, flags),
                None => Done::with(zero(env.rounding == Rounding::Down), flags),
            }
        }
        (Class::Infinity, Class::Infinity) if a.negative != b_negative => Done::invalid(),
        (Class::Infinity, _) => Done::with(a.bits, flags),
        (_, Class::Infinity) => Done::with(infinity(b_negative), flags),
        (Class::Finite(x), _) => round(x.wide(), env, flags),
        (_, Class::Finite(y)) => round(Finite { negative: b_negative, ..y }.wide(), env, flags),
        _ if a.negative == b_negative => Done::exact(zero(a.negative)),
        _ => Done::exact(zero(env.rounding == Rounding::Down)),
    }
}

pub(crate) fn add(a: &Operand, b: &Operand, env: Env) -> Done {
    sum(a, b, false, env)
}

pub(crate) fn subtract(a: &Operand, b: &Operand, env: Env) -> Done {
    sum(a, b, true, env)
}

pub(crate) fn subtract_reversed(a: &Operand, b: &Operand, env: Env) -> Done {
    sum(b, a, true, env)
}

pub(crate) fn multiply(a: &Operand, b: &Operand, env: Env) -> Done {
    if let Some(done) = special(a, b) {
        return done;
    }
    let negative = a.negative != b.negative;
    let flags = denormals(a, b);
    match (a.class, b.class) {
        (Class::Finite(x), Class::Finite(y)) => round(x.multiply(y), env, flags),
        (Class::Zero, Class::Infinity) | (Class::Infinity, Class::Zero) => Done::invalid(),
        (Class::Infinity, _) | (_, Class::Infinity) => Done::with(infinity(negative), flags),
        _ => Done::with(zero(negative), flags),
    }
}

pub(crate) fn divide(a: &Operand, b: &Operand, env: Env) -> Done {
    if let Some(done) = special(a, b) {
        return done;
    }
    let negative = a.negative != b.negative;
    let flags = denormals(a, b);
    match (a.class, b.class) {
        (Class::Finite(x), Class::Finite(y)) => round(x.divide(y), env, flags),
        (Class::Zero, Class::Zero) | (Class::Infinity, Class::Infinity) => Done::invalid(),
        (Class::Infinity, _) => Done::with(infinity(negative), flags),
        (Class::Finite(_), Class::Zero) => Done::with(infinity(negative), flag::ZERO_DIVIDE),
        _ => Done::with(zero(negative), flags),
    }
}

pub(crate) fn divide_reversed(a: &Operand, b: &Operand, env: Env) -> Done {
    divide(b, a, env)
}

pub(crate) fn square_root(a: Operand, env: Env) -> Done {
    if let Some(done) = special1(&a) {
        return done;
    }
    match a.class {
        Class::Zero => Done::exact(a.bits),
        _ if a.negative => Done::invalid(),
        Class::Finite(x) => round(x.square_root(), env, a.denormal_flag()),
        _ => Done::exact(a.bits),
    }
}

pub(crate) fn round_to_integer(a: Operand, env: Env) -> Done {
    if let Some(done) = special1(&a) {
        return done;
    }
    let Class::Finite(x) = a.class else { return Done::exact(a.bits) };
    let flags = a.denormal_flag();
    if x.exponent >= 63 {
        return Done::with(a.bits, flags);
    }
    let (magnitude, inexact, up) = x.to_integer(env.rounding);
    let flags = flags | if inexact { flag::PRECISION } else { 0 };
    let value = match Finite::from_integer(a.negative, magnitude.unwrap_or(0)) {
        Some(value) => exact(value),
        None => zero(a.negative),
    };
    Done { value, flags, up }
}

/// `fscale`: ST(0) × 2^trunc(ST(1)).
pub(crate) fn scale(a: &Operand, b: &Operand, env: Env) -> Done {
    if let Some(done) = special(a, b) {
        return done;
    }
    let flags = denormals(a, b);
    // Precision control does not apply.
    let env = Env { format: Format::EXTENDED, ..env };
    match (a.class, b.class) {
        (Class::Zero, Class::Infinity) if !b.negative => Done::invalid(),
        (Class::Infinity, Class::Infinity) if b.negative => Done::invalid(),
        (_, Class::Infinity) => {
            Done::with(if b.negative { zero(a.negative) } else { infinity(a.negative) }, flags)
        }
        (Class::Finite(x), Class::Finite(by)) => {
            let by = by.to_integer(Rounding::Zero).0.unwrap_or(u64::MAX).min(0x1_0000) as i32;
            let exponent = x.exponent + if b.negative { -by } else { by };
            round(Finite { exponent, ..x }.wide(), env, flags)
        }
        (Class::Finite(x), _) => round(x.wide(), unscaled(env), flags),
        _ => Done::with(a.bits, flags),
    }
}

/// A denormal value that is scaled by nothing comes back as it is, even where underflow is unmasked.
fn unscaled(env: Env) -> Env {
    Env { unmasked: env.unmasked & !flag::UNDERFLOW, ..env }
}

/// `fxtract`: exponent, then significand.
pub(crate) fn extract(a: Operand) -> (Done, F80) {
    if let Some(done) = special1(&a) {
        return (done, done.value);
    }
    match a.class {
        Class::Zero => (Done::with(infinity(true), flag::ZERO_DIVIDE), a.bits),
        Class::Infinity => (Done::exact(infinity(false)), a.bits),
        Class::Finite(x) => {
            let exponent = match Finite::from_integer(x.exponent < 0, x.exponent.unsigned_abs().into()) {
                Some(value) => exact(value),
                None => zero(false),
            };
            (Done::with(exponent, a.denormal_flag()), exact(Finite { exponent: 0, ..x }))
        }
        _ => (Done::invalid(), INDEFINITE),
    }
}

/// `fprem` and `fprem1`. The condition codes come back as status bits: C2 says that the reduction is not complete, C0, C3
/// and C1 are the low bits of the quotient; none where there is no quotient.
pub(crate) fn remainder(a: &Operand, b: &Operand, nearest: bool, env: Env) -> (Done, Option<u16>) {
    if let Some(done) = special(a, b) {
        return (done, None);
    }
    let flags = denormals(a, b);
    let (x, y) = match (a.class, b.class) {
        (Class::Infinity, _) | (_, Class::Zero) => return (Done::invalid(), None),
        (Class::Zero, _) => return (Done::with(a.bits, flags), Some(0)),
        (Class::Finite(x), Class::Finite(y)) => (x, y),
        (Class::Finite(x), _) => {
            return (round(x.wide(), Env { format: Format::EXTENDED, ..env }, flags), Some(0));
        }
        _ => return (Done::invalid(), None),
    };
    let env = Env { format: Format::EXTENDED, ..env };
    let distance = x.exponent - y.exponent;
    if distance < -1 || distance < 0 && !nearest {
        return (round(x.wide(), env, flags), Some(0));
    }
    let complete = distance < 64;
    // A partial reduction takes as many bits of quotient as processors do: 32 to 63.
    let bits = if complete { distance } else { 32 + distance % 32 };
    // Long division, one bit of quotient at a time; at distance −1 only the comparison with one half remains.
    let mut quotient = 0_u64;
    let mut rest = u128::from(x.mantissa);
    let divisor = u128::from(y.mantissa);
    let mut exponent = x.exponent;
    if bits >= 0 {
        for step in 0..=bits {
            if step > 0 {
                rest <<= 1;
                exponent -= 1;
            }
            quotient = quotient << 1 | u64::from(rest >= divisor);
            if rest >= divisor {
                rest -= divisor;
            }
        }
    }
    let mut negative = a.negative;
    if complete && nearest {
        // `rest` × 2^exponent against half the divisor.
        let (twice, whole) = if distance == -1 { (rest, divisor) } else { (rest << 1, divisor) };
        let up = twice > whole || twice == whole && quotient & 1 != 0;
        if up {
            let all = if distance == -1 { divisor << 1 } else { divisor };
            rest = all - rest;
            negative = !negative;
            quotient = quotient.wrapping_add(1);
        }
    }
    let codes = if complete {
        let bit = |n: u32, code: u16| if quotient >> n & 1 != 0 { code } else { 0 };
        bit(2, C0) | bit(1, C3) | bit(0, C1)
    } else {
        C2
    };
    if rest == 0 {
        return (Done::with(zero(a.negative), flags), Some(codes));
    }
    let wide = Wide::normalised(negative, exponent + 64, rest);
    (Done { up: codes & C1 != 0, ..round(wide, env, flags) }, Some(codes))
}

/// Outcome of a comparison; none if unordered.
pub(crate) fn compare(a: &Operand, b: &Operand, quiet_nans: bool) -> (Option<Ordering>, u8) {
    if a.class == Class::Unsupported || b.class == Class::Unsupported {
        return (None, flag::INVALID);
    }
    if a.is_nan() || b.is_nan() {
        let signaling = a.class == Class::SignalingNan || b.class == Class::SignalingNan;
        return (None, if signaling || !quiet_nans { flag::INVALID } else { 0 });
    }
    // −∞ … −0 = +0 … +∞ as a sign and a magnitude.
    let magnitude = |operand: &Operand| match operand.class {
        Class::Finite(x) => (x.exponent, x.mantissa),
        Class::Infinity => (i32::MAX, 0),
        _ => (i32::MIN, 0),
    };
    let key = |operand: &Operand| match operand.class {
        Class::Zero => 0,
        _ if operand.negative => -1,
        _ => 1,
    };
    let order = key(a).cmp(&key(b)).then_with(|| {
        let by_magnitude = magnitude(a).cmp(&magnitude(b));
        if a.negative { by_magnitude.reverse() } else { by_magnitude }
    });
    let order = if key(a) == 0 && key(b) == 0 { Ordering::Equal } else { order };
    (Some(order), denormals(a, b))
}
