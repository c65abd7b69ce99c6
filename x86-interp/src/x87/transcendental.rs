//! Sine to logarithm (SDM vol. 1 §8.3.7, §8.3.8 and §8.3.10).
//!
//! Results are computed to over 100 bits and rounded once, so they are within one unit in the last place of
//! the exact value, as the manual promises. Arguments of the trigonometric functions are reduced with the 66-bit value of π
//! that the manual documents, because that is what programs see on processors.

use super::arith::{round, special1};
use super::transfer::pair_overflows;
use super::unit::{C2, Done, Env, env, finish, push, raise, set_st, st, stops, underflow};
use super::value::{Class, INDEFINITE, Operand, choose_nan, infinity, zero};
use super::wide::{
    ARC, ARC_TANGENTS, COSINE, EXPONENTIAL, HALF_PI, LN_2, ONE, PI, SINE, TWO_LOG2_E, multiply_high,
    polynomial,
};
use crate::cx::{Cx, Step};
use crate::soft::{Finite, Format, Wide, flag};
use crate::uop::{Handler, Uop};
use x86_cpu::F80;
use x86_decode::Op;

/// Precision control does not apply to these instructions.
fn extended(env: Env) -> Env {
    Env { format: Format::EXTENDED, ..env }
}

/// One, exactly.
const ONE_F80: F80 = F80 { mantissa: 1 << 63, sign_exponent: 0x3fff };

/// A factor that is 1 only because it was cut: just less, so that rounding sees that the result is not exact.
fn below_one(factor: u128) -> u128 {
    if factor == ONE { ONE - 1 } else { factor }
}

/// 2ˣ − 1.
fn exponential(a: Operand, env: Env) -> Done {
    if let Some(done) = special1(&a) {
        return done;
    }
    let Class::Finite(x) = a.class else {
        let minus_one = F80 { sign_exponent: 0xbfff, ..ONE_F80 };
        return Done::exact(if a.class == Class::Infinity && a.negative { minus_one } else { a.bits });
    };
    let flags = a.denormal_flag();
    if x.exponent >= 0 {
        // Defined for magnitudes up to 1 only; beyond, the argument comes back.
        let half = F80 { mantissa: 1 << 63, sign_exponent: 0xbffe };
        let exactly_one = x.exponent == 0 && x.mantissa == 1 << 63;
        return Done::with(if exactly_one && x.negative { half } else { a.bits }, flags);
    }
    let y = x.wide().times(LN_2);
    let series = polynomial(&EXPONENTIAL, y.fraction(), x.negative);
    round(y.times_fixed(series), extended(env), flags)
}

/// ln((1 + t)/(1 − t))/ln 2, of |t| < 0.2.
fn log2_of_ratio(t: Wide) -> Wide {
    let fraction = t.fraction();
    let series = polynomial(&ARC, multiply_high(fraction, fraction), false);
    t.times(TWO_LOG2_E).times_fixed(series)
}

/// log₂ of a positive number; none for 1.
fn log2(x: Wide) -> Option<Wide> {
    // The mantissa as a number from √½ to √2.
    const ROOT_2: u128 = 0xb504_f333_f9de_6484_597d_89b3_754a_be9f;
    let high = x.mantissa > ROOT_2;
    let power = x.exponent + i32::from(high);
    let m = Wide { negative: false, exponent: if high { -1 } else { 0 }, mantissa: x.mantissa };
    let whole = Finite::from_integer(power < 0, power.unsigned_abs().into()).map(Finite::wide);
    let minus_one = Wide::one().negated();
    let fractional = match (m.plus(minus_one), m.plus(Wide::one())) {
        (Some(above), Some(below)) => Some(log2_of_ratio(above.over(below))),
        _ => None,
    };
    match (whole, fractional) {
        (Some(a), Some(b)) => a.plus(b),
        (a, b) => a.or(b),
    }
}

/// `y · log`, where the logarithm may be zero. `exact`: the logarithm is an integer.
fn scaled(y: Finite, log: Option<Wide>, exact: Option<i32>, env: Env, flags: u8) -> Done {
    if let Some(power) = exact {
        return match Finite::from_integer(power < 0, power.unsigned_abs().into()) {
            // Processors report every finite result as inexact.
            Some(power) => round(y.multiply(power), extended(env), flags | flag::PRECISION),
            None => Done::with(zero(y.negative), flags),
        };
    }
    match log {
        Some(log) => round(y.wide().times(log), extended(env), flags),
        None => Done::with(zero(y.negative), flags),
    }
}

/// ST(1) · log₂ ST(0), into ST(1).
fn y_log2_x(y: &Operand, x: &Operand, env: Env) -> Done {
    if let Some(done) = special2(y, x) {
        return done;
    }
    let flags = y.denormal_flag() | x.denormal_flag();
    let log_negative = match x.class {
        Class::Finite(f) => f.exponent < 0,
        class => class == Class::Zero,
    };
    let negative = y.negative != log_negative;
    match (y.class, x.class) {
        (Class::Zero, Class::Zero) => Done::invalid(),
        (Class::Infinity, Class::Zero) => Done::exact(infinity(negative)),
        (_, Class::Zero) => Done::with(infinity(negative), flag::ZERO_DIVIDE),
        (_, _) if x.negative => Done::invalid(),
        (Class::Zero, Class::Infinity) => Done::invalid(),
        (_, Class::Infinity) => Done::with(infinity(y.negative), flags),
        (Class::Infinity, Class::Finite(f)) if f.exponent == 0 && f.mantissa == 1 << 63 => Done::invalid(),
        (Class::Infinity, _) => Done::with(infinity(negative), flags),
        (Class::Finite(y), Class::Finite(f)) => {
            let exact = (f.mantissa == 1 << 63).then_some(f.exponent);
            let log = if exact.is_none() { log2(f.wide()) } else { None };
            scaled(y, log, exact, env, flags)
        }
        _ => Done::with(zero(negative), flags),
    }
}

/// ST(1) · log₂(ST(0) + 1), into ST(1).
fn y_log2_x_plus_1(y: &Operand, x: &Operand, env: Env) -> Done {
    if let Some(done) = special2(y, x) {
        return done;
    }
    let flags = y.denormal_flag() | x.denormal_flag();
    let negative = y.negative != x.negative;
    match (y.class, x.class) {
        (Class::Infinity, Class::Zero) | (Class::Zero, Class::Infinity) => Done::invalid(),
        (_, Class::Infinity) if x.negative => Done::invalid(),
        (_, Class::Infinity) | (Class::Infinity, _) => Done::with(infinity(negative), flags),
        (Class::Finite(y), Class::Finite(f)) => {
            let x = f.wide();
            let log = if f.exponent < -1 {
                // x/(2 + x) loses nothing to cancellation.
                let two = Wide { exponent: 1, ..Wide::one() };
                two.plus(x).map(|below| log2_of_ratio(x.over(below)))
            } else {
                match x.plus(Wide::one()) {
                    Some(sum) if !sum.negative => log2(sum),
                    _ => return Done::invalid(),
                }
            };
            scaled(y, log, None, env, flags)
        }
        _ => Done::with(zero(negative), flags),
    }
}

/// What NaNs and unsupported operands force.
fn special2(a: &Operand, b: &Operand) -> Option<Done> {
    if a.class == Class::Unsupported || b.class == Class::Unsupported {
        return Some(Done::invalid());
    }
    if a.is_nan() || b.is_nan() {
        let signaling = a.class == Class::SignalingNan || b.class == Class::SignalingNan;
        return Some(Done::with(choose_nan(a, b), if signaling { flag::INVALID } else { 0 }));
    }
    None
}

/// atan of a positive number that is at most 1.
fn arc_tangent(z: Wide) -> Wide {
    let sixteenths = if z.exponent >= 0 { 16 } else { (z.fraction() >> 123).wrapping_add(1) >> 1 };
    let near = usize::try_from(sixteenths).unwrap_or(0).checked_sub(1).and_then(|n| ARC_TANGENTS.get(n));
    let series = |t: Wide| {
        let fraction = t.fraction();
        t.times_fixed(below_one(polynomial(&ARC[..14], multiply_high(fraction, fraction), true)))
    };
    let Some(base) = near else { return series(z) };
    // atan z = atan c + atan((z − c)/(1 + zc)).
    let Some(c) = Finite::from_integer(false, sixteenths as u64).map(Finite::wide) else { return series(z) };
    let c = Wide { exponent: c.exponent - 4, ..c };
    let below = z.times(c).plus(Wide::one()).unwrap_or(Wide::one());
    match z.plus(c.negated()) {
        Some(difference) => base.plus(series(difference.over(below))).unwrap_or(*base),
        None => *base,
    }
}

/// atan(ST(1)/ST(0)) in the right quadrant, into ST(1).
fn arc_tangent2(y: &Operand, x: &Operand, env: Env) -> Done {
    if let Some(done) = special2(y, x) {
        return done;
    }
    let flags = y.denormal_flag() | x.denormal_flag();
    let constant = |value: Wide| round(Wide { negative: y.negative, ..value }, extended(env), flags);
    let three_quarters =
        Wide { exponent: 1, mantissa: 0x96cb_e3f9_990e_91a7_9394_c9e8_a0a5_159d, negative: false };
    let quarter = Wide { exponent: -1, ..HALF_PI };
    match (y.class, x.class) {
        (Class::Infinity, Class::Infinity) => constant(if x.negative { three_quarters } else { quarter }),
        (Class::Infinity, _) => constant(HALF_PI),
        (Class::Zero, _) if !x.negative => Done::with(zero(y.negative), flags),
        (_, Class::Infinity) if !x.negative => Done::with(zero(y.negative), flags),
        (Class::Zero, _) | (_, Class::Infinity) => constant(PI),
        (_, Class::Zero) => constant(HALF_PI),
        (Class::Finite(b), Class::Finite(a)) => {
            let (a, b) = (Finite { negative: false, ..a }.wide(), Finite { negative: false, ..b }.wide());
            let steep = (b.exponent, b.mantissa) > (a.exponent, a.mantissa);
            if !steep && !x.negative && b.mantissa == a.mantissa && b.exponent - a.exponent < -64 {
                // A power of two: the quotient is exact, the angle just below.
                let angle = b.over(a).times_fixed(ONE - 1);
                return round(Wide { negative: y.negative, ..angle }, extended(env), flags);
            }
            let angle = arc_tangent(if steep { a.over(b) } else { b.over(a) });
            let from = |whole: Wide, part: Wide| whole.plus(part).unwrap_or(whole);
            let angle = match (steep, x.negative) {
                (false, false) => angle,
                (false, true) => from(PI, angle.negated()),
                (true, false) => from(HALF_PI, angle.negated()),
                (true, true) => from(HALF_PI, angle),
            };
            round(Wide { negative: y.negative, ..angle }, extended(env), flags)
        }
        _ => Done::invalid(),
    }
}

/// An argument reduced to at most π/4, and the quadrant it came from.
struct Reduced {
    angle: Wide,
    quadrant: u8,
}

/// π/2 in units of 2⁻⁶⁷, from the 66 bits of SDM vol. 1 §8.3.8.
const HALF_PI_66: u128 = 0xc_90fd_aa22_168c_234c;
/// Arguments up to 2⁻¹ are below π/4.
const SMALL: i32 = -1;

/// Reduces a magnitude; none where it is 2⁶³ or more.
fn reduce(x: Finite) -> Option<Reduced> {
    if x.exponent >= 63 {
        return None;
    }
    let positive = Finite { negative: false, ..x };
    if x.exponent < SMALL {
        return Some(Reduced { angle: positive.wide(), quadrant: 0 });
    }
    let mut rest = u128::from(x.mantissa);
    let mut quadrant = 0_u8;
    for _ in 0..x.exponent + 4 {
        rest <<= 1;
        quadrant <<= 1;
        if rest >= HALF_PI_66 {
            rest -= HALF_PI_66;
            quadrant |= 1;
        }
    }
    let negative = rest > HALF_PI_66 / 2;
    if negative {
        rest = HALF_PI_66 - rest;
        quadrant = quadrant.wrapping_add(1);
    }
    Some(Reduced { angle: Wide::normalised(negative, 60, rest), quadrant: quadrant & 3 })
}

/// Sine and cosine of a reduced angle, in its quadrant.
fn sine_cosine(reduced: &Reduced) -> (Wide, Wide) {
    let fraction = reduced.angle.fraction();
    let square = multiply_high(fraction, fraction);
    let sine = reduced.angle.times_fixed(below_one(polynomial(&SINE, square, true)));
    let cosine = Wide::normalised(false, 0, below_one(polynomial(&COSINE, square, true)));
    match reduced.quadrant {
        0 => (sine, cosine),
        1 => (cosine, sine.negated()),
        2 => (sine.negated(), cosine.negated()),
        _ => (cosine.negated(), sine),
    }
}

/// Sine and cosine of an operand, rounded; none if it is out of range.
fn trigonometric(a: &Operand, env: Env) -> Option<(Done, Done)> {
    if let Some(done) = special1(a) {
        return Some((done, done));
    }
    let flags = a.denormal_flag();
    match a.class {
        Class::Zero => Some((Done::exact(a.bits), Done::exact(ONE_F80))),
        Class::Finite(x) => {
            let (sine, cosine) = sine_cosine(&reduce(x)?);
            let sine = if x.negative { sine.negated() } else { sine };
            let env = extended(env);
            Some((round(sine, env, flags), round(cosine, env, flags)))
        }
        _ => Some((Done::invalid(), Done::invalid())),
    }
}

fn tangent(a: &Operand, env: Env) -> Option<Done> {
    match a.class {
        Class::Finite(x) => {
            let (sine, cosine) = sine_cosine(&reduce(x)?);
            let tangent = sine.over(cosine);
            // An angle so small that its cosine is 1 has a tangent just above it.
            let tangent = Wide { mantissa: tangent.mantissa | 1, ..tangent };
            let tangent = if x.negative { tangent.negated() } else { tangent };
            Some(round(tangent, extended(env), a.denormal_flag()))
        }
        Class::Zero => Some(Done::exact(a.bits)),
        _ => special1(a).or(Some(Done::invalid())),
    }
}

/// Marks an argument out of range: C2, and nothing else happens.
fn out_of_range(cx: &mut Cx<'_>, a: &Operand) -> Step {
    raise(&mut cx.cpu.fpu, a.denormal_flag(), false);
    cx.cpu.fpu.status |= C2;
    Ok(())
}

/// The operand in ST(0), if there is one, and room for a result that `pushes`. Else the stack fault has been dealt
/// with.
fn operand(cx: &mut Cx<'_>, pushes: bool) -> Option<Operand> {
    let fpu = &mut cx.cpu.fpu;
    fpu.status &= !C2;
    if let Some(value) = st(fpu, 0) {
        let full = pushes && pair_overflows(fpu);
        return (!full).then(|| Operand::of(value));
    }
    if underflow(fpu) {
        set_st(fpu, 0, INDEFINITE);
        if pushes {
            let top = fpu.top();
            fpu.set_top(top.wrapping_sub(1));
            set_st(fpu, 0, INDEFINITE);
        }
    }
    None
}

fn sine_or_cosine(cx: &mut Cx<'_>, u: &Uop, pick: fn((Done, Done)) -> Done) -> Step {
    cx.begin_x87(u)?;
    let Some(a) = operand(cx, false) else { return Ok(()) };
    match trigonometric(&a, env(&cx.cpu.fpu)) {
        Some(pair) => {
            finish(&mut cx.cpu.fpu, 0, pick(pair), 0);
            Ok(())
        }
        None => out_of_range(cx, &a),
    }
}

fn fsin(cx: &mut Cx<'_>, u: &Uop) -> Step {
    sine_or_cosine(cx, u, |(sine, _)| sine)
}

fn fcos(cx: &mut Cx<'_>, u: &Uop) -> Step {
    sine_or_cosine(cx, u, |(_, cosine)| cosine)
}

/// Replaces ST(0) by one result and pushes another.
fn deliver_pair(cx: &mut Cx<'_>, first: Done, second: Done) -> Step {
    let fpu = &mut cx.cpu.fpu;
    let flags = first.flags | second.flags;
    if stops(fpu, flags) {
        raise(fpu, flags & (flag::INVALID | flag::DENORMAL), false);
        return Ok(());
    }
    set_st(fpu, 0, first.value);
    push(fpu, Done { flags, ..second });
    Ok(())
}

fn fsincos(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.begin_x87(u)?;
    let Some(a) = operand(cx, true) else { return Ok(()) };
    match trigonometric(&a, env(&cx.cpu.fpu)) {
        Some((sine, cosine)) => deliver_pair(cx, sine, cosine),
        None => out_of_range(cx, &a),
    }
}

fn fptan(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.begin_x87(u)?;
    let Some(a) = operand(cx, true) else { return Ok(()) };
    let Some(tangent) = tangent(&a, env(&cx.cpu.fpu)) else { return out_of_range(cx, &a) };
    let number = matches!(a.class, Class::Finite(_) | Class::Zero);
    let second = Done { value: if number { ONE_F80 } else { tangent.value }, ..tangent };
    deliver_pair(cx, tangent, second)
}

fn f2xm1(cx: &mut Cx<'_>, u: &Uop) -> Step {
    super::unit::unary(cx, u, exponential)
}

fn fyl2x(cx: &mut Cx<'_>, u: &Uop) -> Step {
    super::unit::binary(cx, u, (1, 0), 1, y_log2_x)
}

fn fyl2xp1(cx: &mut Cx<'_>, u: &Uop) -> Step {
    super::unit::binary(cx, u, (1, 0), 1, y_log2_x_plus_1)
}

fn fpatan(cx: &mut Cx<'_>, u: &Uop) -> Step {
    super::unit::binary(cx, u, (1, 0), 1, arc_tangent2)
}

pub(crate) fn lower(op: Op) -> Option<Handler> {
    Some(match op {
        Op::Fsin => fsin,
        Op::Fcos => fcos,
        Op::Fsincos => fsincos,
        Op::Fptan => fptan,
        Op::Fpatan => fpatan,
        Op::F2xm1 => f2xm1,
        Op::Fyl2x => fyl2x,
        Op::Fyl2xp1 => fyl2xp1,
        _ => return None,
    })
}
