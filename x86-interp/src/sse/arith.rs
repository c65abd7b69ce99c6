//! Floating-point arithmetic and comparison of SSE to SSE4.1, and the VEX forms.

use super::float::{self, Control, Double, Float, Single};
use super::{by_vex, place};
use crate::cx::{Cx, Step};
use crate::soft::{Rounding, flag};
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
pub(super) fn lane<F: Float>(v: u128, n: u32) -> u64 {
    (v >> (n * F::BITS)) as u64 & F::MASK
}

fn scalar<F: Float, O: Arith, const VEX: bool>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let b = cx.second::<VEX>(u)?[0];
    let a = cx.first::<VEX>(u)[0];
    let (r, flags) = O::eval::<F>(lane::<F>(a, 0), lane::<F>(b, 0), cx.control());
    cx.raise_simd(flags)?;
    cx.put_low::<VEX>(u, r.into(), F::BITS);
    Ok(())
}

/// Computes each lane from the number of its half and its own within it.
#[inline(always)]
pub(super) fn lanes<F: Float, const VEX: bool>(
    cx: &mut Cx<'_>,
    u: &Uop,
    mut f: impl FnMut(usize, u32, Control) -> float::Result,
) -> Step {
    let control = cx.control();
    let (mut out, mut flags) = ([0; 2], 0);
    for (half, out) in out.iter_mut().enumerate().take(Cx::halves::<VEX>(u)) {
        for n in 0..128 / F::BITS {
            let (r, raised) = f(half, n, control);
            *out |= u128::from(r) << (n * F::BITS);
            flags |= raised;
        }
    }
    cx.raise_simd(flags)?;
    cx.put::<VEX>(u, out);
    Ok(())
}

fn packed<F: Float, O: Arith, const VEX: bool>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let b = cx.second::<VEX>(u)?;
    let a = cx.first::<VEX>(u);
    lanes::<F, VEX>(cx, u, |half, n, control| {
        O::eval::<F>(lane::<F>(a[half], n), lane::<F>(b[half], n), control)
    })
}

/// `haddps`, `hsubpd`: neighbours combined, those of the first operand first.
fn horizontal<F: Float, O: Arith, const VEX: bool>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let b = cx.second::<VEX>(u)?;
    let a = cx.first::<VEX>(u);
    let per_source = 64 / F::BITS;
    lanes::<F, VEX>(cx, u, |half, n, control| {
        let (v, pair) = if n < per_source { (a[half], n) } else { (b[half], n - per_source) };
        O::eval::<F>(lane::<F>(v, 2 * pair), lane::<F>(v, 2 * pair + 1), control)
    })
}

/// Even lanes subtracted, odd ones added.
fn addsub<F: Float, const VEX: bool>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let b = cx.second::<VEX>(u)?;
    let a = cx.first::<VEX>(u);
    lanes::<F, VEX>(cx, u, |half, n, control| {
        let (a, b) = (lane::<F>(a[half], n), lane::<F>(b[half], n));
        if n & 1 == 0 { float::subtract::<F>(a, b, control) } else { float::add::<F>(a, b, control) }
    })
}

/// Outcomes of a comparison, as bits of [`PREDICATES`].
const LESS: u8 = 1;
const EQUAL: u8 = 2;
const GREATER: u8 = 4;
const UNORDERED: u8 = 8;
/// A quiet NaN is invalid too.
const SIGNALS: u8 = 16;

/// When the predicate of an immediate holds (SDM vol. 2, CMPPD, table 3-1). The other half of the table, which VEX forms
/// reach, differs in whether quiet NaNs are invalid.
const PREDICATES: [u8; 16] = [
    EQUAL,
    LESS | SIGNALS,
    LESS | EQUAL | SIGNALS,
    UNORDERED,
    LESS | GREATER | UNORDERED,
    EQUAL | GREATER | UNORDERED | SIGNALS,
    GREATER | UNORDERED | SIGNALS,
    LESS | EQUAL | GREATER,
    EQUAL | UNORDERED,
    LESS | UNORDERED | SIGNALS,
    LESS | EQUAL | UNORDERED | SIGNALS,
    0,
    LESS | GREATER,
    EQUAL | GREATER | SIGNALS,
    GREATER | SIGNALS,
    LESS | EQUAL | GREATER | UNORDERED,
];

/// Lowers the immediate of a comparison to its entry of the table.
fn predicate_of(insn: &Insn, immediate: u64) -> u64 {
    let which = immediate & if insn.row.map.is_vex() { 0x1f } else { 7 };
    u64::from(PREDICATES[which as usize & 15] ^ if which & 0x10 != 0 { SIGNALS } else { 0 })
}

/// `cmpps` and its like: all ones where the predicate holds.
#[inline(always)]
fn predicate<F: Float>(a: u64, b: u64, which: u8, control: Control) -> float::Result {
    let compared = float::compare::<F>(a, b, control);
    let outcome = match compared.order {
        Some(Ordering::Less) => LESS,
        Some(Ordering::Equal) => EQUAL,
        Some(Ordering::Greater) => GREATER,
        None => UNORDERED,
    };
    let invalid = compared.order.is_none() && (which & SIGNALS != 0 || compared.signaling);
    let flags = compared.flags | if invalid { flag::INVALID } else { 0 };
    (if which & outcome != 0 { F::MASK } else { 0 }, flags)
}

fn compare_scalar<F: Float, const VEX: bool>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let b = cx.second::<VEX>(u)?[0];
    let a = cx.first::<VEX>(u)[0];
    let (r, flags) = predicate::<F>(lane::<F>(a, 0), lane::<F>(b, 0), u.imm as u8, cx.control());
    cx.raise_simd(flags)?;
    cx.put_low::<VEX>(u, r.into(), F::BITS);
    Ok(())
}

fn compare_packed<F: Float, const VEX: bool>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let b = cx.second::<VEX>(u)?;
    let a = cx.first::<VEX>(u);
    let which = u.imm as u8;
    lanes::<F, VEX>(cx, u, |half, n, control| {
        predicate::<F>(lane::<F>(a[half], n), lane::<F>(b[half], n), which, control)
    })
}

fn to_rflags<F: Float, const VEX: bool>(cx: &mut Cx<'_>, u: &Uop, quiet: bool) -> Step {
    let b = cx.second::<VEX>(u)?[0];
    let a = cx.first::<VEX>(u)[0];
    let compared = float::compare::<F>(lane::<F>(a, 0), lane::<F>(b, 0), cx.control());
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

fn comis<F: Float, const VEX: bool>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    to_rflags::<F, VEX>(cx, u, false)
}

fn ucomis<F: Float, const VEX: bool>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    to_rflags::<F, VEX>(cx, u, true)
}

/// `roundps` and its like: the immediate gives the rounding or leaves it to MXCSR, and may keep PRECISION unreported.
fn integral<F: Float>(a: u64, order: u8, control: Control) -> float::Result {
    let rounding = if order & 4 != 0 { control.rounding() } else { Rounding::from_bits(order.into()) };
    let (r, flags) = float::to_integral::<F>(a, rounding, control);
    (r, if order & 8 != 0 { flags & !flag::PRECISION } else { flags })
}

fn round_scalar<F: Float, const VEX: bool>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let b = cx.second::<VEX>(u)?[0];
    let (r, flags) = integral::<F>(lane::<F>(b, 0), u.imm as u8, cx.control());
    cx.raise_simd(flags)?;
    cx.put_low::<VEX>(u, r.into(), F::BITS);
    Ok(())
}

fn round_packed<F: Float, const VEX: bool>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let b = cx.second::<VEX>(u)?;
    lanes::<F, VEX>(cx, u, |half, n, control| integral::<F>(lane::<F>(b[half], n), u.imm as u8, control))
}

/// `dpps`, `dppd`: products of the lanes that the upper half of the immediate picks, their sum to those of the lower half.
/// The products, then each row of sums, raise their exceptions in turn.
fn dot<F: Float, const VEX: bool>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let b = cx.second::<VEX>(u)?;
    let a = cx.first::<VEX>(u);
    let (control, order) = (cx.control(), u.imm as u8);
    let count = 128 / F::BITS;
    let halves = Cx::halves::<VEX>(u);
    let mut terms = [[0; 4]; 2];
    let mut flags = 0;
    for half in 0..halves {
        for n in (0..count).filter(|n| order >> (4 + n) & 1 != 0) {
            let (r, raised) = float::multiply::<F>(lane::<F>(a[half], n), lane::<F>(b[half], n), control);
            terms[half][n as usize] = r;
            flags |= raised;
        }
    }
    cx.raise_simd(flags)?;
    // The order of terms shows where several are NaNs: of four, the neighbour's is first, then each lane's own.
    for step in [1, 2].into_iter().filter(|step| *step < count as usize) {
        flags = 0;
        for terms in terms.iter_mut().take(halves) {
            let before = *terms;
            for (n, term) in terms.iter_mut().enumerate().take(count as usize) {
                let swap = if step == 1 && count == 4 { step } else { 0 };
                let (r, raised) = float::add::<F>(before[n ^ swap], before[n ^ swap ^ step], control);
                *term = r;
                flags |= raised;
            }
        }
        cx.raise_simd(flags)?;
    }
    let spread = |half: usize| {
        (0..count)
            .filter(|n| order >> n & 1 != 0)
            .fold(0, |all, n| all | u128::from(terms[half][n as usize]) << (n * F::BITS))
    };
    cx.put::<VEX>(u, [spread(0), spread(1)]);
    Ok(())
}

pub(crate) fn lower(insn: &Insn, u: &mut Uop) -> Option<Handler> {
    let handler: Handler = match insn.op {
        Op::Addss | Op::Vaddss => by_vex!(insn, scalar, Single, Add),
        Op::Addsd | Op::Vaddsd => by_vex!(insn, scalar, Double, Add),
        Op::Addps | Op::Vaddps => by_vex!(insn, packed, Single, Add),
        Op::Addpd | Op::Vaddpd => by_vex!(insn, packed, Double, Add),
        Op::Subss | Op::Vsubss => by_vex!(insn, scalar, Single, Sub),
        Op::Subsd | Op::Vsubsd => by_vex!(insn, scalar, Double, Sub),
        Op::Subps | Op::Vsubps => by_vex!(insn, packed, Single, Sub),
        Op::Subpd | Op::Vsubpd => by_vex!(insn, packed, Double, Sub),
        Op::Mulss | Op::Vmulss => by_vex!(insn, scalar, Single, Mul),
        Op::Mulsd | Op::Vmulsd => by_vex!(insn, scalar, Double, Mul),
        Op::Mulps | Op::Vmulps => by_vex!(insn, packed, Single, Mul),
        Op::Mulpd | Op::Vmulpd => by_vex!(insn, packed, Double, Mul),
        Op::Divss | Op::Vdivss => by_vex!(insn, scalar, Single, Div),
        Op::Divsd | Op::Vdivsd => by_vex!(insn, scalar, Double, Div),
        Op::Divps | Op::Vdivps => by_vex!(insn, packed, Single, Div),
        Op::Divpd | Op::Vdivpd => by_vex!(insn, packed, Double, Div),
        Op::Minss | Op::Vminss => by_vex!(insn, scalar, Single, Min),
        Op::Minsd | Op::Vminsd => by_vex!(insn, scalar, Double, Min),
        Op::Minps | Op::Vminps => by_vex!(insn, packed, Single, Min),
        Op::Minpd | Op::Vminpd => by_vex!(insn, packed, Double, Min),
        Op::Maxss | Op::Vmaxss => by_vex!(insn, scalar, Single, Max),
        Op::Maxsd | Op::Vmaxsd => by_vex!(insn, scalar, Double, Max),
        Op::Maxps | Op::Vmaxps => by_vex!(insn, packed, Single, Max),
        Op::Maxpd | Op::Vmaxpd => by_vex!(insn, packed, Double, Max),
        Op::Sqrtss | Op::Vsqrtss => by_vex!(insn, scalar, Single, Sqrt),
        Op::Sqrtsd | Op::Vsqrtsd => by_vex!(insn, scalar, Double, Sqrt),
        Op::Sqrtps | Op::Vsqrtps => by_vex!(insn, packed, Single, Sqrt),
        Op::Sqrtpd | Op::Vsqrtpd => by_vex!(insn, packed, Double, Sqrt),
        Op::Rcpss | Op::Vrcpss => by_vex!(insn, scalar, Single, Rcp),
        Op::Rcpps | Op::Vrcpps => by_vex!(insn, packed, Single, Rcp),
        Op::Rsqrtss | Op::Vrsqrtss => by_vex!(insn, scalar, Single, Rsqrt),
        Op::Rsqrtps | Op::Vrsqrtps => by_vex!(insn, packed, Single, Rsqrt),
        Op::Haddps | Op::Vhaddps => by_vex!(insn, horizontal, Single, Add),
        Op::Haddpd | Op::Vhaddpd => by_vex!(insn, horizontal, Double, Add),
        Op::Hsubps | Op::Vhsubps => by_vex!(insn, horizontal, Single, Sub),
        Op::Hsubpd | Op::Vhsubpd => by_vex!(insn, horizontal, Double, Sub),
        Op::Addsubps | Op::Vaddsubps => by_vex!(insn, addsub, Single),
        Op::Addsubpd | Op::Vaddsubpd => by_vex!(insn, addsub, Double),
        Op::Cmpss | Op::Vcmpss => by_vex!(insn, compare_scalar, Single),
        Op::Cmpsd | Op::Vcmpsd => by_vex!(insn, compare_scalar, Double),
        Op::Cmpps | Op::Vcmpps => by_vex!(insn, compare_packed, Single),
        Op::Cmppd | Op::Vcmppd => by_vex!(insn, compare_packed, Double),
        Op::Comiss | Op::Vcomiss => by_vex!(insn, comis, Single),
        Op::Comisd | Op::Vcomisd => by_vex!(insn, comis, Double),
        Op::Ucomiss | Op::Vucomiss => by_vex!(insn, ucomis, Single),
        Op::Ucomisd | Op::Vucomisd => by_vex!(insn, ucomis, Double),
        Op::Roundss | Op::Vroundss => by_vex!(insn, round_scalar, Single),
        Op::Roundsd | Op::Vroundsd => by_vex!(insn, round_scalar, Double),
        Op::Roundps | Op::Vroundps => by_vex!(insn, round_packed, Single),
        Op::Roundpd | Op::Vroundpd => by_vex!(insn, round_packed, Double),
        Op::Dpps | Op::Vdpps => by_vex!(insn, dot, Single),
        Op::Dppd | Op::Vdppd => by_vex!(insn, dot, Double),
        _ => return None,
    };
    place(insn, u);
    if matches!(
        insn.op,
        Op::Cmpss | Op::Cmpsd | Op::Cmpps | Op::Cmppd | Op::Vcmpss | Op::Vcmpsd | Op::Vcmpps | Op::Vcmppd
    ) {
        u.imm = predicate_of(insn, u.imm);
    }
    Some(handler)
}
