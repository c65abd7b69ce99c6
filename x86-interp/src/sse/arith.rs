//! SSE, SSE2 and SSE3 arithmetic and comparison.

use super::float::{self, Control, Double, Float, Single};
use super::source_kind;
use crate::cx::{Cx, Step};
use crate::soft::flag;
use crate::uop::{Handler, Uop};
use core::cmp::Ordering;
use x86_cpu::{Vector, flags as bit};
use x86_decode::{Insn, Op};

impl Cx<'_> {
    #[inline(always)]
    pub(crate) fn control(&self) -> Control {
        Control::new(self.cpu.mxcsr)
    }

    /// Adds exceptions to MXCSR. Unmasked ones are #XM, and nothing else of the instruction happens; if they come before
    /// a result exists, what a result would have raised is not reported (SDM vol. 1 §11.5.2).
    #[inline(always)]
    pub(crate) fn raise_simd(&mut self, flags: u8) -> Step {
        if flags == 0 {
            return Ok(());
        }
        self.raise_simd_slow(flags)
    }

    fn raise_simd_slow(&mut self, flags: u8) -> Step {
        const BEFORE: u8 = flag::INVALID | flag::DENORMAL | flag::ZERO_DIVIDE;
        let unmasked = !(self.cpu.mxcsr >> 7) as u8;
        if flags & BEFORE & unmasked != 0 {
            self.cpu.mxcsr |= u32::from(flags & BEFORE);
            return Err(self.fault(Vector::SimdFloatingPoint, 0));
        }
        self.cpu.mxcsr |= u32::from(flags);
        if flags & unmasked != 0 {
            return Err(self.fault(Vector::SimdFloatingPoint, 0));
        }
        Ok(())
    }
}

/// An operation on two numbers.
trait Arith: 'static {
    fn eval<F: Float>(a: u64, b: u64, control: Control) -> float::Result;
}

macro_rules! ops {
    ($($name:ident |$a:ident, $b:ident, $c:ident| $body:expr;)*) => {$(
        struct $name;
        impl Arith for $name {
            #[inline(always)]
            fn eval<F: Float>($a: u64, $b: u64, $c: Control) -> float::Result {
                $body
            }
        }
    )*};
}

ops! {
    Add |a, b, c| float::add::<F>(a, b, c);
    Sub |a, b, c| float::subtract::<F>(a, b, c);
    Mul |a, b, c| float::multiply::<F>(a, b, c);
    Div |a, b, c| float::divide::<F>(a, b, c);
    Min |a, b, c| float::minimum::<F>(a, b, c);
    Max |a, b, c| float::maximum::<F>(a, b, c);
    Sqrt |_a, b, c| float::square_root::<F>(b, c);
    Rcp |_a, b, _c| (float::reciprocal(b), 0);
    Rsqrt |_a, b, _c| (float::reciprocal_root(b), 0);
}

#[inline(always)]
fn lane<F: Float>(v: u128, n: u32) -> u64 {
    (v >> (n * F::BITS)) as u64 & F::MASK
}

fn scalar<F: Float, O: Arith>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let b = cx.xmm_source(u)?;
    let (r, flags) = O::eval::<F>(lane::<F>(cx.xmm(u.dst), 0), lane::<F>(b, 0), cx.control());
    cx.raise_simd(flags)?;
    cx.set_xmm_low(u.dst, r.into(), F::BITS);
    Ok(())
}

/// Computes each lane from its number.
#[inline(always)]
fn lanes<F: Float>(cx: &mut Cx<'_>, u: &Uop, mut f: impl FnMut(u32, Control) -> float::Result) -> Step {
    let control = cx.control();
    let (mut out, mut flags) = (0, 0);
    for n in 0..128 / F::BITS {
        let (r, raised) = f(n, control);
        out |= u128::from(r) << (n * F::BITS);
        flags |= raised;
    }
    cx.raise_simd(flags)?;
    cx.set_xmm(u.dst, out);
    Ok(())
}

fn packed<F: Float, O: Arith>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let b = cx.xmm_source(u)?;
    let a = cx.xmm(u.dst);
    lanes::<F>(cx, u, |n, control| O::eval::<F>(lane::<F>(a, n), lane::<F>(b, n), control))
}

/// `haddps`, `hsubpd`: neighbours combined, those of the first operand first.
fn horizontal<F: Float, O: Arith>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let b = cx.xmm_source(u)?;
    let a = cx.xmm(u.dst);
    let half = 64 / F::BITS;
    lanes::<F>(cx, u, |n, control| {
        let (v, pair) = if n < half { (a, n) } else { (b, n - half) };
        O::eval::<F>(lane::<F>(v, 2 * pair), lane::<F>(v, 2 * pair + 1), control)
    })
}

/// Even lanes subtracted, odd ones added.
fn addsub<F: Float>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let b = cx.xmm_source(u)?;
    let a = cx.xmm(u.dst);
    lanes::<F>(cx, u, |n, control| {
        let (a, b) = (lane::<F>(a, n), lane::<F>(b, n));
        if n & 1 == 0 { float::subtract::<F>(a, b, control) } else { float::add::<F>(a, b, control) }
    })
}

/// `cmpps` and its like: all ones where the predicate holds (SDM vol. 2, CMPPD, table 3-1).
#[inline(always)]
fn predicate<F: Float>(a: u64, b: u64, which: u8, control: Control) -> float::Result {
    let compared = float::compare::<F>(a, b, control);
    let holds = match which & 3 {
        0 => compared.order == Some(Ordering::Equal),
        1 => compared.order == Some(Ordering::Less),
        2 => matches!(compared.order, Some(Ordering::Less | Ordering::Equal)),
        _ => compared.order.is_none(),
    };
    // Less-than and its relatives do not take quiet NaNs quietly.
    let ordering = matches!(which & 3, 1 | 2);
    let invalid = compared.order.is_none() && (ordering || compared.signaling);
    let flags = compared.flags | if invalid { flag::INVALID } else { 0 };
    (if holds != (which & 4 != 0) { F::MASK } else { 0 }, flags)
}

fn compare_scalar<F: Float>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let b = cx.xmm_source(u)?;
    let a = lane::<F>(cx.xmm(u.dst), 0);
    let (r, flags) = predicate::<F>(a, lane::<F>(b, 0), u.imm as u8, cx.control());
    cx.raise_simd(flags)?;
    cx.set_xmm_low(u.dst, r.into(), F::BITS);
    Ok(())
}

fn compare_packed<F: Float>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let b = cx.xmm_source(u)?;
    let a = cx.xmm(u.dst);
    let which = u.imm as u8;
    lanes::<F>(cx, u, |n, control| predicate::<F>(lane::<F>(a, n), lane::<F>(b, n), which, control))
}

fn to_rflags<F: Float>(cx: &mut Cx<'_>, u: &Uop, quiet: bool) -> Step {
    let b = cx.xmm_source(u)?;
    let compared = float::compare::<F>(lane::<F>(cx.xmm(u.dst), 0), lane::<F>(b, 0), cx.control());
    let invalid = compared.order.is_none() && (!quiet || compared.signaling);
    cx.raise_simd(compared.flags | if invalid { flag::INVALID } else { 0 })?;
    cx.flags.set_bits(match compared.order {
        Some(Ordering::Greater) => 0,
        Some(Ordering::Less) => bit::CF,
        Some(Ordering::Equal) => bit::ZF,
        None => bit::ZF | bit::PF | bit::CF,
    });
    Ok(())
}

fn comis<F: Float>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    to_rflags::<F>(cx, u, false)
}

fn ucomis<F: Float>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    to_rflags::<F>(cx, u, true)
}

pub(crate) fn lower(insn: &Insn, u: &mut Uop) -> Option<Handler> {
    let handler: Handler = match insn.op {
        Op::Addss => scalar::<Single, Add>,
        Op::Addsd => scalar::<Double, Add>,
        Op::Addps => packed::<Single, Add>,
        Op::Addpd => packed::<Double, Add>,
        Op::Subss => scalar::<Single, Sub>,
        Op::Subsd => scalar::<Double, Sub>,
        Op::Subps => packed::<Single, Sub>,
        Op::Subpd => packed::<Double, Sub>,
        Op::Mulss => scalar::<Single, Mul>,
        Op::Mulsd => scalar::<Double, Mul>,
        Op::Mulps => packed::<Single, Mul>,
        Op::Mulpd => packed::<Double, Mul>,
        Op::Divss => scalar::<Single, Div>,
        Op::Divsd => scalar::<Double, Div>,
        Op::Divps => packed::<Single, Div>,
        Op::Divpd => packed::<Double, Div>,
        Op::Minss => scalar::<Single, Min>,
        Op::Minsd => scalar::<Double, Min>,
        Op::Minps => packed::<Single, Min>,
        Op::Minpd => packed::<Double, Min>,
        Op::Maxss => scalar::<Single, Max>,
        Op::Maxsd => scalar::<Double, Max>,
        Op::Maxps => packed::<Single, Max>,
        Op::Maxpd => packed::<Double, Max>,
        Op::Sqrtss => scalar::<Single, Sqrt>,
        Op::Sqrtsd => scalar::<Double, Sqrt>,
        Op::Sqrtps => packed::<Single, Sqrt>,
        Op::Sqrtpd => packed::<Double, Sqrt>,
        Op::Rcpss => scalar::<Single, Rcp>,
        Op::Rcpps => packed::<Single, Rcp>,
        Op::Rsqrtss => scalar::<Single, Rsqrt>,
        Op::Rsqrtps => packed::<Single, Rsqrt>,
        Op::Haddps => horizontal::<Single, Add>,
        Op::Haddpd => horizontal::<Double, Add>,
        Op::Hsubps => horizontal::<Single, Sub>,
        Op::Hsubpd => horizontal::<Double, Sub>,
        Op::Addsubps => addsub::<Single>,
        Op::Addsubpd => addsub::<Double>,
        Op::Cmpss => compare_scalar::<Single>,
        Op::Cmpsd => compare_scalar::<Double>,
        Op::Cmpps => compare_packed::<Single>,
        Op::Cmppd => compare_packed::<Double>,
        Op::Comiss => comis::<Single>,
        Op::Comisd => comis::<Double>,
        Op::Ucomiss => ucomis::<Single>,
        Op::Ucomisd => ucomis::<Double>,
        _ => return None,
    };
    u.aux = source_kind(&insn.operands[1]);
    Some(handler)
}
