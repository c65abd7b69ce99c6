//! Handlers of arithmetic and comparison.

use super::arith;
use super::quick;
use super::unit::{
    C0, C1, C2, C3, Done, Env, binary, env, finish, pop, push, raise, set_st, st, stops, unary, underflow,
};
use super::value::{Class, INDEFINITE, Operand, SIGN, raw_from_f32, raw_from_f64, zero};
use crate::cx::{Cx, Step, Stop};
use crate::soft::Finite;
use crate::uop::{Addr, Any, Handler, Uop};
use core::cmp::Ordering;
use x86_cpu::{F80, Fpu, flags as bit};
use x86_decode::{Insn, Op, Operand as Arg};

/// A two-operand operation.
trait Arith: 'static {
    fn eval(a: &Operand, b: &Operand, env: Env) -> Done;
    fn quick(a: F80, b: F80) -> Option<Done>;
}

macro_rules! ops {
    ($($name:ident $f:ident |$a:ident, $b:ident| $quick:expr;)*) => {$(
        struct $name;
        impl Arith for $name {
            #[inline(always)]
            fn eval(a: &Operand, b: &Operand, env: Env) -> Done {
                arith::$f(a, b, env)
            }
            #[inline(always)]
            fn quick($a: F80, $b: F80) -> Option<Done> {
                $quick
            }
        }
    )*};
}

ops! {
    Add add |a, b| quick::add(a, b);
    Sub subtract |a, b| quick::subtract(a, b);
    SubR subtract_reversed |a, b| quick::subtract(b, a);
    Mul multiply |a, b| quick::multiply(a, b);
    Div divide |a, b| quick::divide(a, b);
    DivR divide_reversed |a, b| quick::divide(b, a);
}

/// The operation on two values, `b` a denormal of a smaller format or not.
#[inline(always)]
fn evaluate<O: Arith>(fpu: &Fpu, a: F80, (b, denormal): (F80, bool)) -> Done {
    if quick::applies(fpu.control)
        && !denormal
        && let Some(done) = O::quick(a, b)
    {
        return done;
    }
    evaluate_slow::<O>(fpu, a, b, denormal)
}

#[inline(never)]
fn evaluate_slow<O: Arith>(fpu: &Fpu, a: F80, b: F80, denormal: bool) -> Done {
    let b = Operand::of(b);
    O::eval(&Operand::of(a), &Operand { denormal: b.denormal || denormal, ..b }, env(fpu))
}

/// ST(dst) op ST(src), then a pop or not.
#[inline(always)]
fn on_registers<O: Arith>(cx: &mut Cx<'_>, u: &Uop, pops: u8) -> Step {
    cx.begin_x87(u)?;
    let fpu = &mut cx.cpu.fpu;
    match (st(fpu, u.dst & 7), st(fpu, u.src & 7)) {
        (Some(a), Some(b)) => {
            let done = evaluate::<O>(fpu, a, (b, false));
            finish(fpu, u.dst & 7, done, pops);
        }
        _ => missing(fpu, u.dst & 7, pops),
    }
    Ok(())
}

/// An operand register is empty: the result is indefinite, if that is masked.
#[cold]
fn missing(fpu: &mut Fpu, dst: u8, pops: u8) {
    if underflow(fpu) {
        set_st(fpu, dst, INDEFINITE);
        for _ in 0..pops {
            pop(fpu);
        }
    }
}

fn reg<O: Arith>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    on_registers::<O>(cx, u, 0)
}

fn reg_pop<O: Arith>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    on_registers::<O>(cx, u, 1)
}

/// Formats of a memory operand.
trait Source: 'static {
    /// The value, widened, and whether it was denormal before.
    fn load(cx: &mut Cx<'_>, addr: u64) -> Result<(F80, bool), Stop>;
}

struct M32;
struct M64;
struct I16;
struct I32;

impl Source for M32 {
    #[inline(always)]
    fn load(cx: &mut Cx<'_>, addr: u64) -> Result<(F80, bool), Stop> {
        let bits = cx.load::<u32>(addr)?;
        Ok((raw_from_f32(bits), bits & 0x7f80_0000 == 0 && bits << 1 != 0))
    }
}

impl Source for M64 {
    #[inline(always)]
    fn load(cx: &mut Cx<'_>, addr: u64) -> Result<(F80, bool), Stop> {
        let bits = cx.load::<u64>(addr)?;
        Ok((raw_from_f64(bits), bits & 0x7ff0_0000_0000_0000 == 0 && bits << 1 != 0))
    }
}

/// An integer, which is always exact.
pub(crate) fn from_integer(value: i64) -> F80 {
    match Finite::from_integer(value < 0, value.unsigned_abs()) {
        Some(finite) => super::value::exact(finite),
        None => zero(false),
    }
}

impl Source for I16 {
    fn load(cx: &mut Cx<'_>, addr: u64) -> Result<(F80, bool), Stop> {
        let value = cx.load::<u16>(addr)? as i16;
        Ok((from_integer(value.into()), false))
    }
}

impl Source for I32 {
    fn load(cx: &mut Cx<'_>, addr: u64) -> Result<(F80, bool), Stop> {
        let value = cx.load::<u32>(addr)? as i32;
        Ok((from_integer(value.into()), false))
    }
}

fn mem<O: Arith, S: Source>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.begin_x87(u)?;
    let b = S::load(cx, Any::linear(cx, u))?;
    let fpu = &mut cx.cpu.fpu;
    match st(fpu, 0) {
        Some(a) => {
            let done = evaluate::<O>(fpu, a, b);
            finish(fpu, 0, done, 0);
        }
        None => missing(fpu, 0, 0),
    }
    Ok(())
}

fn lower_arith<O: Arith>(insn: &Insn) -> Option<Handler> {
    Some(match (insn.op, insn.operands[0]) {
        (Op::Fiadd | Op::Fisub | Op::Fisubr | Op::Fimul | Op::Fidiv | Op::Fidivr, Arg::Mem(m))
            if m.size == 2 =>
        {
            mem::<O, I16>
        }
        (Op::Fiadd | Op::Fisub | Op::Fisubr | Op::Fimul | Op::Fidiv | Op::Fidivr, Arg::Mem(_)) => {
            mem::<O, I32>
        }
        (_, Arg::Mem(m)) if m.size == 4 => mem::<O, M32>,
        (_, Arg::Mem(_)) => mem::<O, M64>,
        (Op::Faddp | Op::Fsubp | Op::Fsubrp | Op::Fmulp | Op::Fdivp | Op::Fdivrp, _) => reg_pop::<O>,
        _ => reg::<O>,
    })
}

// Comparisons. `aux`: bits 0–1 pops, then these.
const QUIET: u8 = 4;
const TO_RFLAGS: u8 = 8;

/// Delivers a comparison: to C3, C2 and C0, or to ZF, PF and CF.
fn compared(cx: &mut Cx<'_>, u: &Uop, operands: Option<(Operand, Operand)>) -> Step {
    let fpu = &mut cx.cpu.fpu;
    let (order, stopped) = match operands {
        Some((a, b)) => {
            let (order, flags) = arith::compare(&a, &b, u.aux & QUIET != 0);
            // Those that set RFLAGS leave C1.
            let c1 = u.aux & TO_RFLAGS != 0 && fpu.status & C1 != 0;
            raise(fpu, flags, c1);
            (order, stops(fpu, flags))
        }
        None => (None, !underflow(fpu)),
    };
    // An unmasked exception keeps the operands, but the result is delivered all the same.
    for _ in 0..if stopped { 0 } else { u.aux & 3 } {
        pop(fpu);
    }
    if u.aux & TO_RFLAGS != 0 {
        cx.flags.set_bits(match order {
            Some(Ordering::Greater) => 0,
            Some(Ordering::Less) => bit::CF,
            Some(Ordering::Equal) => bit::ZF,
            None => bit::ZF | bit::PF | bit::CF,
        });
    } else {
        let codes = match order {
            Some(Ordering::Greater) => 0,
            Some(Ordering::Less) => C0,
            Some(Ordering::Equal) => C3,
            None => C0 | C2 | C3,
        };
        fpu.status = fpu.status & !(C0 | C2 | C3) | codes;
    }
    Ok(())
}

fn compare_reg(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.begin_x87(u)?;
    let fpu = &cx.cpu.fpu;
    let operands = match (st(fpu, 0), st(fpu, u.src & 7)) {
        (Some(a), Some(b)) => Some((Operand::of(a), Operand::of(b))),
        _ => None,
    };
    compared(cx, u, operands)
}

fn compare_mem<S: Source>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.begin_x87(u)?;
    let (b, denormal) = S::load(cx, Any::linear(cx, u))?;
    let a = st(&cx.cpu.fpu, 0);
    let b = Operand::of(b);
    let b = Operand { denormal: b.denormal || denormal, ..b };
    compared(cx, u, a.map(|a| (Operand::of(a), b)))
}

fn ftst(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.begin_x87(u)?;
    let a = st(&cx.cpu.fpu, 0);
    compared(cx, u, a.map(|a| (Operand::of(a), Operand::of(zero(false)))))
}

fn lower_compare(insn: &Insn, u: &mut Uop) -> Option<Handler> {
    let pops = match insn.op {
        Op::Fcom | Op::Fucom | Op::Ficom | Op::Fcomi | Op::Fucomi | Op::Ftst => 0,
        Op::Fcompp | Op::Fucompp => 2,
        _ => 1,
    };
    let quiet = matches!(insn.op, Op::Fucom | Op::Fucomp | Op::Fucompp | Op::Fucomi | Op::Fucomip);
    let to_rflags = matches!(insn.op, Op::Fcomi | Op::Fcomip | Op::Fucomi | Op::Fucomip);
    u.aux = pops | if quiet { QUIET } else { 0 } | if to_rflags { TO_RFLAGS } else { 0 };
    if pops == 2 {
        u.src = 1;
    }
    let integer = matches!(insn.op, Op::Ficom | Op::Ficomp);
    Some(match insn.operands[0] {
        Arg::Mem(m) if integer && m.size == 2 => compare_mem::<I16>,
        Arg::Mem(_) if integer => compare_mem::<I32>,
        Arg::Mem(m) if m.size == 4 => compare_mem::<M32>,
        Arg::Mem(_) => compare_mem::<M64>,
        _ if insn.op == Op::Ftst => ftst,
        _ => compare_reg,
    })
}

fn fchs(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let flip = |v: F80| F80 { sign_exponent: v.sign_exponent ^ SIGN, ..v };
    in_place(cx, u, flip)
}

fn fabs(cx: &mut Cx<'_>, u: &Uop) -> Step {
    in_place(cx, u, |v| F80 { sign_exponent: v.sign_exponent & !SIGN, ..v })
}

/// A change of bits that raises nothing.
fn in_place(cx: &mut Cx<'_>, u: &Uop, f: impl Fn(F80) -> F80) -> Step {
    cx.begin_x87(u)?;
    let fpu = &mut cx.cpu.fpu;
    match st(fpu, 0) {
        Some(value) => finish(fpu, 0, Done::exact(f(value)), 0),
        None => {
            if underflow(fpu) {
                set_st(fpu, 0, INDEFINITE);
            }
        }
    }
    Ok(())
}

fn fxam(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.begin_x87(u)?;
    let fpu = &mut cx.cpu.fpu;
    let top = fpu.top();
    let value = fpu.registers[top & 7];
    let codes = match (fpu.in_use >> top & 1 != 0, Operand::of(value)) {
        (false, _) => C3 | C0,
        (_, operand) => match operand.class {
            Class::Unsupported => 0,
            Class::QuietNan | Class::SignalingNan => C0,
            Class::Infinity => C2 | C0,
            Class::Zero => C3,
            Class::Finite(_) if operand.denormal => C3 | C2,
            Class::Finite(_) => C2,
        },
    };
    let sign = if value.sign_exponent & SIGN != 0 { C1 } else { 0 };
    fpu.status = fpu.status & !(C0 | C1 | C2 | C3) | codes | sign;
    Ok(())
}

fn fsqrt(cx: &mut Cx<'_>, u: &Uop) -> Step {
    unary(cx, u, arith::square_root)
}

fn frndint(cx: &mut Cx<'_>, u: &Uop) -> Step {
    unary(cx, u, arith::round_to_integer)
}

fn fscale(cx: &mut Cx<'_>, u: &Uop) -> Step {
    binary(cx, u, (0, 1), 0, arith::scale)
}

fn fxtract(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.begin_x87(u)?;
    let fpu = &mut cx.cpu.fpu;
    let Some(value) = st(fpu, 0) else {
        if underflow(fpu) {
            set_st(fpu, 0, INDEFINITE);
            // The push finds whatever it finds: both halves are indefinite.
            let top = fpu.top();
            fpu.set_top(top.wrapping_sub(1));
            set_st(fpu, 0, INDEFINITE);
        }
        return Ok(());
    };
    let (done, significand) = arith::extract(Operand::of(value));
    if super::transfer::pair_overflows(fpu) {
        return Ok(());
    }
    if stops(fpu, done.flags) {
        raise(fpu, done.flags, false);
        return Ok(());
    }
    set_st(fpu, 0, done.value);
    push(fpu, Done { value: significand, ..done });
    Ok(())
}

fn remainder(cx: &mut Cx<'_>, u: &Uop, nearest: bool) -> Step {
    cx.begin_x87(u)?;
    let fpu = &mut cx.cpu.fpu;
    let (Some(a), Some(b)) = (st(fpu, 0), st(fpu, 1)) else {
        if underflow(fpu) {
            set_st(fpu, 0, INDEFINITE);
        }
        fpu.status &= !C2;
        return Ok(());
    };
    let (done, codes) = arith::remainder(&Operand::of(a), &Operand::of(b), nearest, env(fpu));
    finish(fpu, 0, done, 0);
    match codes {
        Some(codes) if !stops(fpu, done.flags) => {
            fpu.status = fpu.status & !(C0 | C1 | C2 | C3) | codes;
        }
        _ => fpu.status &= !C2,
    }
    Ok(())
}

fn fprem(cx: &mut Cx<'_>, u: &Uop) -> Step {
    remainder(cx, u, false)
}

fn fprem1(cx: &mut Cx<'_>, u: &Uop) -> Step {
    remainder(cx, u, true)
}

fn fcmov(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.begin_x87(u)?;
    let taken = cx.flags.condition(u.aux);
    let fpu = &mut cx.cpu.fpu;
    match (st(fpu, 0), st(fpu, u.src & 7)) {
        // C1 stays.
        (Some(old), Some(value)) => set_st(fpu, 0, if taken { value } else { old }),
        _ => {
            if underflow(fpu) {
                set_st(fpu, 0, INDEFINITE);
            }
        }
    }
    Ok(())
}

fn fxch(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.begin_x87(u)?;
    let fpu = &mut cx.cpu.fpu;
    let i = u.src & 7;
    let (a, b) = (st(fpu, 0), st(fpu, i));
    raise(fpu, 0, false);
    if (a.is_none() || b.is_none()) && !underflow(fpu) {
        return Ok(());
    }
    set_st(fpu, 0, b.unwrap_or(INDEFINITE));
    set_st(fpu, i, a.unwrap_or(INDEFINITE));
    Ok(())
}

pub(crate) fn lower(insn: &Insn, u: &mut Uop) -> Option<Handler> {
    let mut condition = |code| {
        u.aux = code;
        fcmov as Handler
    };
    Some(match insn.op {
        Op::Fadd | Op::Faddp | Op::Fiadd => return lower_arith::<Add>(insn),
        Op::Fsub | Op::Fsubp | Op::Fisub => return lower_arith::<Sub>(insn),
        Op::Fsubr | Op::Fsubrp | Op::Fisubr => return lower_arith::<SubR>(insn),
        Op::Fmul | Op::Fmulp | Op::Fimul => return lower_arith::<Mul>(insn),
        Op::Fdiv | Op::Fdivp | Op::Fidiv => return lower_arith::<Div>(insn),
        Op::Fdivr | Op::Fdivrp | Op::Fidivr => return lower_arith::<DivR>(insn),
        Op::Fcom | Op::Fcomp | Op::Fcompp | Op::Ficom | Op::Ficomp => return lower_compare(insn, u),
        Op::Fucom | Op::Fucomp | Op::Fucompp | Op::Ftst => return lower_compare(insn, u),
        Op::Fcomi | Op::Fcomip | Op::Fucomi | Op::Fucomip => return lower_compare(insn, u),
        Op::Fcmovb => condition(2),
        Op::Fcmovnb => condition(3),
        Op::Fcmove => condition(4),
        Op::Fcmovne => condition(5),
        Op::Fcmovbe => condition(6),
        Op::Fcmovnbe => condition(7),
        Op::Fcmovu => condition(10),
        Op::Fcmovnu => condition(11),
        Op::Fchs => fchs,
        Op::Fabs => fabs,
        Op::Fxam => fxam,
        Op::Fsqrt => fsqrt,
        Op::Frndint => frndint,
        Op::Fscale => fscale,
        Op::Fxtract => fxtract,
        Op::Fprem => fprem,
        Op::Fprem1 => fprem1,
        Op::Fxch => fxch,
        _ => return None,
    })
}
