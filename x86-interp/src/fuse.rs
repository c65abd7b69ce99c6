//! Pairs of an arithmetic instruction and the conditional jump behind it, as one operation.
//!
//! The pair does what the two would do, flags included, with one dispatch, and most conditions are a comparison of the
//! operands. Blocks for single steps have no pairs.

use crate::cx::{Cx, Full, Path, Step, slot};
use crate::flags::Flags;
use crate::int::Int;
use crate::uop::{Addr, Any, Handler, Uop, by_condition};
use x86_decode::{Insn, Op, Operand, Width};

/// The arithmetic half.
pub(crate) trait First: 'static {
    const KEEPS: bool;
    fn eval<T: Int>(flags: &mut Flags, a: u64, b: u64) -> u64;
    /// Whether the condition holds, if that can be said from the operands.
    #[inline(always)]
    fn holds<T: Int, const CODE: u8>(_a: u64, _b: u64, _result: u64) -> Option<bool> {
        None
    }
}

pub(crate) struct Cmp;
pub(crate) struct Test;
pub(crate) struct Sub;
pub(crate) struct Add;
pub(crate) struct And;
pub(crate) struct Dec;
pub(crate) struct Inc;

#[inline(always)]
fn zero_or_sign<T: Int>(code: u8, result: u64) -> Option<bool> {
    match code {
        4 => Some(result == 0),
        5 => Some(result != 0),
        8 => Some(result & T::SIGN != 0),
        9 => Some(result & T::SIGN == 0),
        _ => None,
    }
}

#[inline(always)]
fn ordered<T: Int>(code: u8, a: u64, b: u64, result: u64) -> Option<bool> {
    let (x, y) = (T::sext(a) as i64, T::sext(b) as i64);
    match code {
        2 => Some(a < b),
        3 => Some(a >= b),
        4 => Some(a == b),
        5 => Some(a != b),
        6 => Some(a <= b),
        7 => Some(a > b),
        12 => Some(x < y),
        13 => Some(x >= y),
        14 => Some(x <= y),
        15 => Some(x > y),
        code => zero_or_sign::<T>(code, result),
    }
}

macro_rules! firsts {
    ($($name:ident $keeps:literal |$f:ident, $a:ident, $b:ident| $eval:expr, |$code:ident, $r:ident| $holds:expr;)*) => {$(
        impl First for $name {
            const KEEPS: bool = $keeps;
            #[inline(always)]
            fn eval<T: Int>($f: &mut Flags, $a: u64, $b: u64) -> u64 {
                $eval
            }
            #[inline(always)]
            fn holds<T: Int, const CODE: u8>($a: u64, $b: u64, $r: u64) -> Option<bool> {
                let $code = CODE;
                $holds
            }
        }
    )*};
}

firsts! {
    Cmp false |f, a, b| f.sub::<T>(a, b, 0), |code, r| ordered::<T>(code, a, b, r);
    Sub true |f, a, b| f.sub::<T>(a, b, 0), |code, r| ordered::<T>(code, a, b, r);
    Test false |f, a, b| { f.logic::<T>(a & b); a & b }, |code, r| { let _ = (a, b); zero_or_sign::<T>(code, r) };
    And true |f, a, b| { f.logic::<T>(a & b); a & b }, |code, r| { let _ = (a, b); zero_or_sign::<T>(code, r) };
    Add true |f, a, b| f.add::<T>(a, b, 0), |code, r| { let _ = (a, b); zero_or_sign::<T>(code, r) };
    Dec true |f, a, _b| f.dec::<T>(a), |code, r| { let _ = (a, _b); zero_or_sign::<T>(code, r) };
    Inc true |f, a, _b| f.inc::<T>(a), |code, r| { let _ = (a, _b); zero_or_sign::<T>(code, r) };
}

/// The immediate: the low half of `imm`.
#[inline(always)]
fn immediate(u: &Uop) -> u64 {
    u.imm as u32 as i32 as i64 as u64
}

/// The jump: the high half of `imm` is its target relative to the page.
#[inline(always)]
fn branch<const CODE: u8, T: Int, O: First>(cx: &mut Cx<'_>, u: &Uop, a: u64, b: u64, result: u64) -> Step {
    if O::holds::<T, CODE>(a, b, result).unwrap_or_else(|| cx.flags.condition(CODE)) {
        let target = (u.imm as i64 >> 32) as u64;
        cx.jump(cx.gpr[usize::from(slot::PAGE)].wrapping_add(target))
    } else {
        Ok(())
    }
}

#[inline(always)]
pub(crate) fn rr<const CODE: u8, T: Int, O: First>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let (a, b) = (T::get(cx, u.dst), T::get(cx, u.src));
    let result = O::eval::<T>(&mut cx.flags, a, b);
    if O::KEEPS {
        T::set(cx, u.dst, result);
    }
    branch::<CODE, T, O>(cx, u, a, b, result)
}

#[inline(always)]
pub(crate) fn ri<const CODE: u8, T: Int, O: First>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let (a, b) = (T::get(cx, u.dst), T::trunc(immediate(u)));
    let result = O::eval::<T>(&mut cx.flags, a, b);
    if O::KEEPS {
        T::set(cx, u.dst, result);
    }
    branch::<CODE, T, O>(cx, u, a, b, result)
}

#[inline(always)]
pub(crate) fn rm<const CODE: u8, T: Int, O: First, P: Path>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let b = cx.load_by::<T, P>(Any::linear(cx, u))?;
    let a = T::get(cx, u.dst);
    let result = O::eval::<T>(&mut cx.flags, a, b);
    branch::<CODE, T, O>(cx, u, a, b, result)
}

#[inline(always)]
pub(crate) fn mr<const CODE: u8, T: Int, O: First, P: Path>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let a = cx.load_by::<T, P>(Any::linear(cx, u))?;
    let b = T::get(cx, u.src);
    let result = O::eval::<T>(&mut cx.flags, a, b);
    branch::<CODE, T, O>(cx, u, a, b, result)
}

#[inline(always)]
pub(crate) fn mi<const CODE: u8, T: Int, O: First, P: Path>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let a = cx.load_by::<T, P>(Any::linear(cx, u))?;
    let b = T::trunc(immediate(u));
    let result = O::eval::<T>(&mut cx.flags, a, b);
    branch::<CODE, T, O>(cx, u, a, b, result)
}

/// Chooses by width; 16-bit arithmetic before a jump is rare.
macro_rules! by_wide {
    ($width:expr, $code:expr, $f:ident $(, $g:ty)*) => {
        match $width {
            Width::W8 => Some(by_condition!($code, $f, u8 $(, $g)*)),
            Width::W32 => Some(by_condition!($code, $f, u32 $(, $g)*)),
            Width::W64 => Some(by_condition!($code, $f, u64 $(, $g)*)),
            Width::W16 => None,
        }
    };
}

fn choose(first: &Insn, code: u8) -> Option<Handler> {
    let w = first.width;
    let wide = matches!(w, Width::W32 | Width::W64);
    match (first.op, first.operands[0], first.operands[1]) {
        (Op::Cmp, Operand::Reg(_), Operand::Reg(_)) => by_wide!(w, code, rr, Cmp),
        (Op::Cmp, Operand::Reg(_), Operand::Imm(_)) => by_wide!(w, code, ri, Cmp),
        (Op::Cmp, Operand::Reg(_), Operand::Mem(_)) => by_wide!(w, code, rm, Cmp, Full),
        (Op::Cmp, Operand::Mem(_), Operand::Reg(_)) => by_wide!(w, code, mr, Cmp, Full),
        (Op::Cmp, Operand::Mem(_), Operand::Imm(_)) => by_wide!(w, code, mi, Cmp, Full),
        (Op::Test, Operand::Reg(_), Operand::Reg(_)) => by_wide!(w, code, rr, Test),
        (Op::Test, Operand::Reg(_), Operand::Imm(_)) => by_wide!(w, code, ri, Test),
        (Op::Test, Operand::Mem(_), Operand::Imm(_)) => by_wide!(w, code, mi, Test, Full),
        (Op::Sub, Operand::Reg(_), Operand::Imm(_)) if wide => by_wide!(w, code, ri, Sub),
        (Op::Add, Operand::Reg(_), Operand::Imm(_)) if wide => by_wide!(w, code, ri, Add),
        (Op::And, Operand::Reg(_), Operand::Imm(_)) if wide => by_wide!(w, code, ri, And),
        (Op::Dec, Operand::Reg(_), _) if wide => by_wide!(w, code, ri, Dec),
        (Op::Inc, Operand::Reg(_), _) if wide => by_wide!(w, code, ri, Inc),
        _ => None,
    }
}

/// One operation for `first` and the conditional jump `second`, whose operations stand behind them.
pub(crate) fn fuse(first: (&Insn, &Uop), second: (&Insn, &Uop)) -> Option<Uop> {
    let code = crate::exec::mov::condition_of(second.0.op, Op::Jo)?;
    if second.0.width == Width::W16 {
        return None;
    }
    let handler = choose(first.0, code)?;
    let (a, b) = (first.1, second.1);
    let target = i32::try_from(b.imm as i64).ok()?;
    let immediate = i32::try_from(a.imm as i64).ok()?;
    Some(Uop {
        run: handler,
        imm: u64::from(target as u32) << 32 | u64::from(immediate as u32),
        len: a.len + b.len,
        count: a.count + b.count,
        next: b.next,
        ..*a
    })
}
