//! Two-operand arithmetic and logic, `inc`/`dec`/`neg`/`not`, and `mov`-like moves with them in spirit: the shapes
//! (register, memory, immediate) are written once and instantiated for each operation and width.

use crate::cx::{Cx, Full, Path, Step};
use crate::flags::Flags;
use crate::int::Int;
use crate::uop::{Addr, AddrKind, Any, Handler, Uop, by_width, by_width_addr};
use x86_decode::{Insn, Op, Operand};

/// An operation of two operands; the result goes to the first.
pub(crate) trait Binary: 'static {
    /// `cmp` and `test` keep only the flags.
    const KEEPS: bool = true;
    fn eval<T: Int>(flags: &mut Flags, a: u64, b: u64) -> u64;
}

macro_rules! binary {
    ($($name:ident $keeps:literal |$f:ident, $a:ident, $b:ident| $body:expr;)*) => {$(
        pub(crate) struct $name;
        impl Binary for $name {
            const KEEPS: bool = $keeps;
            #[inline(always)]
            fn eval<T: Int>($f: &mut Flags, $a: u64, $b: u64) -> u64 {
                $body
            }
        }
    )*};
}

#[inline(always)]
fn logic<T: Int>(flags: &mut Flags, result: u64) -> u64 {
    flags.logic::<T>(result);
    result
}

binary! {
    Add true |f, a, b| f.add::<T>(a, b, 0);
    Adc true |f, a, b| { let carry = f.cf().into(); f.add::<T>(a, b, carry) };
    Sub true |f, a, b| f.sub::<T>(a, b, 0);
    Sbb true |f, a, b| { let borrow = f.cf().into(); f.sub::<T>(a, b, borrow) };
    Cmp false |f, a, b| f.sub::<T>(a, b, 0);
    And true |f, a, b| logic::<T>(f, a & b);
    Or true |f, a, b| logic::<T>(f, a | b);
    Xor true |f, a, b| logic::<T>(f, a ^ b);
    Test false |f, a, b| logic::<T>(f, a & b);
}

#[inline(always)]
pub(crate) fn rr<T: Int, O: Binary>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let (a, b) = (T::get(cx, u.dst), T::get(cx, u.src));
    let r = O::eval::<T>(&mut cx.flags, a, b);
    if O::KEEPS {
        T::set(cx, u.dst, r);
    }
    Ok(())
}

#[inline(always)]
pub(crate) fn ri<T: Int, O: Binary>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let a = T::get(cx, u.dst);
    let r = O::eval::<T>(&mut cx.flags, a, T::trunc(u.imm));
    if O::KEEPS {
        T::set(cx, u.dst, r);
    }
    Ok(())
}

#[inline(always)]
pub(crate) fn rm<T: Int, A: Addr, O: Binary, P: Path>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let b = cx.load_by::<T, P>(A::linear(cx, u))?;
    let a = T::get(cx, u.dst);
    let r = O::eval::<T>(&mut cx.flags, a, b);
    if O::KEEPS {
        T::set(cx, u.dst, r);
    }
    Ok(())
}

#[inline(always)]
fn to_memory<T: Int, O: Binary, P: Path>(cx: &mut Cx<'_>, addr: u64, b: u64) -> Step {
    if O::KEEPS {
        let a = cx.load_rw_by::<T, P>(addr)?;
        let before = cx.flags;
        let r = O::eval::<T>(&mut cx.flags, a, b);
        cx.store_flagged::<T, P>(addr, r, before)
    } else {
        let a = cx.load_by::<T, P>(addr)?;
        O::eval::<T>(&mut cx.flags, a, b);
        Ok(())
    }
}

#[inline(always)]
pub(crate) fn mr<T: Int, A: Addr, O: Binary, P: Path>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    to_memory::<T, O, P>(cx, A::linear(cx, u), T::get(cx, u.src))
}

#[inline(always)]
pub(crate) fn mi<T: Int, A: Addr, O: Binary, P: Path>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    to_memory::<T, O, P>(cx, A::linear(cx, u), T::trunc(u.imm))
}

fn lower_binary<O: Binary>(insn: &Insn, kind: AddrKind) -> Option<Handler> {
    let w = insn.width;
    Some(match (insn.operands[0], insn.operands[1]) {
        (Operand::Reg(_), Operand::Reg(_)) => by_width!(w, rr, O),
        (Operand::Reg(_), Operand::Imm(_)) => by_width!(w, ri, O),
        (Operand::Reg(_), Operand::Mem(_)) => by_width_addr!(w, kind, rm, O, Full),
        (Operand::Mem(_), Operand::Reg(_)) => by_width_addr!(w, kind, mr, O, Full),
        (Operand::Mem(_), Operand::Imm(_)) => by_width_addr!(w, kind, mi, O, Full),
        _ => return None,
    })
}

/// An operation of one operand.
pub(crate) trait Unary: 'static {
    fn eval<T: Int>(flags: &mut Flags, a: u64) -> u64;
}

macro_rules! unary {
    ($($name:ident |$f:ident, $a:ident| $body:expr;)*) => {$(
        pub(crate) struct $name;
        impl Unary for $name {
            #[inline(always)]
            fn eval<T: Int>($f: &mut Flags, $a: u64) -> u64 {
                $body
            }
        }
    )*};
}

unary! {
    Inc |f, a| f.inc::<T>(a);
    Dec |f, a| f.dec::<T>(a);
    Neg |f, a| f.sub::<T>(0, a, 0);
    Not |_f, a| T::trunc(!a);
}

#[inline(always)]
pub(crate) fn unary_r<T: Int, O: Unary>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let a = T::get(cx, u.dst);
    let r = O::eval::<T>(&mut cx.flags, a);
    T::set(cx, u.dst, r);
    Ok(())
}

fn unary_m<T: Int, A: Addr, O: Unary>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let addr = A::linear(cx, u);
    let a = cx.load_rw::<T>(addr)?;
    let before = cx.flags;
    let r = O::eval::<T>(&mut cx.flags, a);
    cx.store_flagged::<T, Full>(addr, r, before)
}

fn lower_unary<O: Unary>(insn: &Insn, kind: AddrKind) -> Option<Handler> {
    Some(match insn.operands[0] {
        Operand::Reg(_) => by_width!(insn.width, unary_r, O),
        Operand::Mem(_) => by_width_addr!(insn.width, kind, unary_m, O),
        _ => return None,
    })
}

fn xadd_r<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let (a, b) = (T::get(cx, u.dst), T::get(cx, u.src));
    let sum = cx.flags.add::<T>(a, b, 0);
    T::set(cx, u.src, a);
    T::set(cx, u.dst, sum);
    Ok(())
}

fn xadd_m<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let addr = Any::linear(cx, u);
    let a = cx.load_rw::<T>(addr)?;
    let mut flags = cx.flags;
    let sum = flags.add::<T>(a, T::get(cx, u.src), 0);
    cx.store_int::<T>(addr, sum)?;
    cx.flags = flags;
    T::set(cx, u.src, a);
    cx.stored()
}

fn cmpxchg_r<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let (accumulator, old) = (T::get(cx, 0), T::get(cx, u.dst));
    let new = T::get(cx, u.src);
    if cx.flags.sub::<T>(accumulator, old, 0) == 0 {
        T::set(cx, u.dst, new);
    } else {
        T::set(cx, 0, old);
    }
    Ok(())
}

fn cmpxchg_m<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let addr = Any::linear(cx, u);
    let old = cx.load_rw::<T>(addr)?;
    let mut flags = cx.flags;
    let equal = flags.sub::<T>(T::get(cx, 0), old, 0) == 0;
    // The destination is written in both cases (SDM vol. 2, CMPXCHG), so it must be writable in both.
    cx.store_int::<T>(addr, if equal { T::get(cx, u.src) } else { old })?;
    cx.flags = flags;
    if !equal {
        T::set(cx, 0, old);
    }
    cx.stored()
}

fn xchg_rr<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let (a, b) = (T::get(cx, u.dst), T::get(cx, u.src));
    T::set(cx, u.dst, b);
    T::set(cx, u.src, a);
    Ok(())
}

fn xchg_mem<T: Int>(cx: &mut Cx<'_>, u: &Uop, reg: u8) -> Step {
    let addr = Any::linear(cx, u);
    let old = cx.load_rw::<T>(addr)?;
    cx.store_int::<T>(addr, T::get(cx, reg))?;
    T::set(cx, reg, old);
    cx.stored()
}

fn xchg_mr<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    xchg_mem::<T>(cx, u, u.src)
}

fn xchg_rm<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    xchg_mem::<T>(cx, u, u.dst)
}

pub(crate) fn lower(insn: &Insn, kind: AddrKind) -> Option<Handler> {
    let w = insn.width;
    let first_is_memory = matches!(insn.operands[0], Operand::Mem(_));
    match insn.op {
        Op::Add => lower_binary::<Add>(insn, kind),
        Op::Adc => lower_binary::<Adc>(insn, kind),
        Op::Sub => lower_binary::<Sub>(insn, kind),
        Op::Sbb => lower_binary::<Sbb>(insn, kind),
        Op::Cmp => lower_binary::<Cmp>(insn, kind),
        Op::And => lower_binary::<And>(insn, kind),
        Op::Or => lower_binary::<Or>(insn, kind),
        Op::Xor => lower_binary::<Xor>(insn, kind),
        Op::Test => lower_binary::<Test>(insn, kind),
        Op::Inc => lower_unary::<Inc>(insn, kind),
        Op::Dec => lower_unary::<Dec>(insn, kind),
        Op::Neg => lower_unary::<Neg>(insn, kind),
        Op::Not => lower_unary::<Not>(insn, kind),
        Op::Xadd if first_is_memory => Some(by_width!(w, xadd_m)),
        Op::Xadd => Some(by_width!(w, xadd_r)),
        Op::Cmpxchg if first_is_memory => Some(by_width!(w, cmpxchg_m)),
        Op::Cmpxchg => Some(by_width!(w, cmpxchg_r)),
        Op::Xchg if first_is_memory => Some(by_width!(w, xchg_mr)),
        Op::Xchg if matches!(insn.operands[1], Operand::Mem(_)) => Some(by_width!(w, xchg_rm)),
        Op::Xchg => Some(by_width!(w, xchg_rr)),
        _ => None,
    }
}
