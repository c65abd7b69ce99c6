//! Arithmetic for others than the interpreter's own handlers: with the usual control word, and without anything to report but that a result
//! is not exact.

use super::unit::{Done, Env};
use super::value::Operand;
use super::{arith, quick};
use crate::soft::{Format, Rounding, flag};
use x86_cpu::{F80, X87Op};

/// What FNINIT sets.
const USUAL: Env = Env { format: Format::EXTENDED, rounding: Rounding::Nearest, unmasked: 0 };

/// The result of an operation in extended precision, rounded to nearest, and whether it was rounded up (C1). None where there is more to report
/// than PE, or where the result is neither normal nor zero. Operations of one operand take the first.
#[must_use]
#[inline(always)]
pub fn compute(op: X87Op, a: F80, b: F80) -> Option<(F80, bool)> {
    let quick = match op {
        X87Op::Add => quick::add(a, b),
        X87Op::Subtract => quick::subtract(a, b),
        X87Op::Multiply => quick::multiply(a, b),
        X87Op::Divide => quick::divide(a, b),
        X87Op::SquareRoot => quick::square_root(a),
        X87Op::RoundToInteger => None,
    };
    let done = quick.or_else(|| general(op, a, b))?;
    Some((done.value, done.up))
}

#[cold]
#[inline(never)]
fn general(op: X87Op, a: F80, b: F80) -> Option<Done> {
    let (x, y) = (Operand::of(a), Operand::of(b));
    let done = match op {
        X87Op::Add => arith::add(&x, &y, USUAL),
        X87Op::Subtract => arith::subtract(&x, &y, USUAL),
        X87Op::Multiply => arith::multiply(&x, &y, USUAL),
        X87Op::Divide => arith::divide(&x, &y, USUAL),
        X87Op::SquareRoot => arith::square_root(x, USUAL),
        X87Op::RoundToInteger => arith::round_to_integer(x, USUAL),
    };
    let exponent = done.value.sign_exponent & 0x7fff;
    let normal = done.value.mantissa >> 63 != 0 && (1..0x7fff).contains(&exponent);
    let zero = done.value.mantissa == 0 && exponent == 0;
    (done.flags & !flag::PRECISION == 0 && (normal || zero)).then_some(done)
}
