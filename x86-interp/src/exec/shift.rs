//! Shifts and rotates (SDM vol. 2, SAL/SAR/SHL/SHR, RCL/RCR/ROL/ROR, SHLD, SHRD).

use crate::cx::{Cx, Step};
use crate::flags::Flags;
use crate::int::Int;
use crate::uop::{Addr, AddrKind, Any, Handler, Uop, by_width, by_width_addr};
use x86_decode::{Insn, Op, Operand};

/// A shift by `count`, which is masked to the operation's limit and not zero.
pub(crate) trait Shift: 'static {
    fn eval<T: Int>(flags: &mut Flags, a: u64, count: u32) -> u64;
}

macro_rules! shifts {
    ($($name:ident |$f:ident, $a:ident, $n:ident| $body:expr;)*) => {$(
        pub(crate) struct $name;
        impl Shift for $name {
            #[inline(always)]
            fn eval<T: Int>($f: &mut Flags, $a: u64, $n: u32) -> u64 {
                $body
            }
        }
    )*};
}

fn bit(value: u64, n: u32) -> bool {
    value.checked_shr(n).unwrap_or(0) & 1 != 0
}

shifts! {
    Shl |f, a, n| {
        // A count of 17 to 31 of a narrow operand shifts everything out; CF is then 0.
        let r = T::trunc(a << (n & 63));
        let cf = if T::BITS == 64 { a >> (64 - n) & 1 != 0 } else { a << (n & 63) >> (T::BITS & 63) & 1 != 0 };
        f.result_co::<T>(r, cf, cf ^ (r & T::SIGN != 0));
        r
    };
    Shr |f, a, n| {
        let r = a.checked_shr(n).unwrap_or(0);
        f.result_co::<T>(r, bit(a, n - 1), (r ^ (r << 1)) & T::SIGN != 0);
        r
    };
    Sar |f, a, n| {
        let wide = T::sext(a) as i64;
        let r = T::trunc((wide >> n.min(63)) as u64);
        f.result_co::<T>(r, wide >> (n - 1).min(63) & 1 != 0, false);
        r
    };
    Rol |f, a, n| {
        let r = rotate_left::<T>(a, n % T::BITS);
        let cf = r & 1 != 0;
        f.put_co(cf, cf ^ (r & T::SIGN != 0));
        r
    };
    Ror |f, a, n| {
        let r = rotate_left::<T>(a, T::BITS - n % T::BITS);
        f.put_co(r & T::SIGN != 0, (r ^ (r << 1)) & T::SIGN != 0);
        r
    };
    Rcl |f, a, n| {
        let bits = T::BITS + 1;
        let (r, cf) = rotate_carry::<T>(a, f.cf(), n % bits);
        f.put_co(cf, cf ^ (r & T::SIGN != 0));
        r
    };
    Rcr |f, a, n| {
        let bits = T::BITS + 1;
        let (r, cf) = rotate_carry::<T>(a, f.cf(), (bits - n % bits) % bits);
        f.put_co(cf, (r ^ (r << 1)) & T::SIGN != 0);
        r
    };
}

#[inline(always)]
fn rotate_left<T: Int>(a: u64, n: u32) -> u64 {
    let n = n % T::BITS;
    if n == 0 { a } else { T::trunc(a << n | a >> (T::BITS - n)) }
}

/// Rotates CF:a, of BITS + 1 bits, left.
fn rotate_carry<T: Int>(a: u64, cf: bool, n: u32) -> (u64, bool) {
    if n == 0 {
        return (a, cf);
    }
    let all = u128::from(cf) << T::BITS | u128::from(a);
    let turned = all << n | all >> (T::BITS + 1 - n);
    (T::trunc(turned as u64), turned >> T::BITS & 1 != 0)
}

#[inline(always)]
fn limit<T: Int>(count: u64) -> u32 {
    count as u32 & if T::BITS == 64 { 63 } else { 31 }
}

#[inline(always)]
fn shift_reg<T: Int, O: Shift>(cx: &mut Cx<'_>, u: &Uop, count: u64) -> Step {
    let a = T::get(cx, u.dst);
    let n = limit::<T>(count);
    // A count of zero leaves the flags, but is a write for the upper half.
    let r = if n == 0 { a } else { O::eval::<T>(&mut cx.flags, a, n) };
    T::set(cx, u.dst, r);
    Ok(())
}

#[inline(always)]
fn shift_mem<T: Int, A: Addr, O: Shift>(cx: &mut Cx<'_>, u: &Uop, count: u64) -> Step {
    let addr = A::linear(cx, u);
    let a = cx.load_rw::<T>(addr)?;
    let n = limit::<T>(count);
    let mut flags = cx.flags;
    let r = if n == 0 { a } else { O::eval::<T>(&mut flags, a, n) };
    cx.store_int::<T>(addr, r)?;
    cx.flags = flags;
    cx.stored()
}

#[inline(always)]
pub(crate) fn shift_ri<T: Int, O: Shift>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    shift_reg::<T, O>(cx, u, u.imm)
}

#[inline(always)]
pub(crate) fn shift_rc<T: Int, O: Shift>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    shift_reg::<T, O>(cx, u, cx.gpr[1])
}

fn shift_mi<T: Int, A: Addr, O: Shift>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    shift_mem::<T, A, O>(cx, u, u.imm)
}

fn shift_mc<T: Int, O: Shift>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    shift_mem::<T, Any, O>(cx, u, cx.gpr[1])
}

fn lower_shift<O: Shift>(insn: &Insn, kind: AddrKind) -> Option<Handler> {
    let w = insn.width;
    Some(match (insn.operands[0], insn.operands[1]) {
        (Operand::Reg(_), Operand::Imm(_)) => by_width!(w, shift_ri, O),
        (Operand::Reg(_), Operand::Reg(_)) => by_width!(w, shift_rc, O),
        (Operand::Mem(_), Operand::Imm(_)) => by_width_addr!(w, kind, shift_mi, O),
        (Operand::Mem(_), Operand::Reg(_)) => by_width!(w, shift_mc, O),
        _ => return None,
    })
}

/// `shld` and `shrd`: `a` shifted, filled from `b`. A 16-bit count above 16 is undefined; here the bits of
/// the destination follow those of `b`, as processors do it.
fn double<T: Int>(flags: &mut Flags, a: u64, b: u64, n: u32, left: bool) -> u64 {
    let bits = T::BITS;
    let (r, cf) = if left {
        let all = u128::from(a) << bits | u128::from(b);
        let all = if bits == 16 { all << 16 | u128::from(a) } else { all };
        let width = if bits == 16 { 48 } else { 2 * bits };
        // Bit n - 1 from the top goes to CF last.
        (T::trunc((all >> (width - bits - n)) as u64), all >> (width - n) & 1 != 0)
    } else {
        let all = u128::from(b) << bits | u128::from(a);
        let all = if bits == 16 { all | u128::from(a) << 32 } else { all };
        (T::trunc((all >> n) as u64), all >> (n - 1) & 1 != 0)
    };
    flags.result_co::<T>(r, cf, (r ^ a) & T::SIGN != 0);
    r
}

const LEFT: u8 = 1;
const BY_CL: u8 = 2;

fn double_count<T: Int>(cx: &Cx<'_>, u: &Uop) -> u32 {
    limit::<T>(if u.aux & BY_CL != 0 { cx.gpr[1] } else { u.imm })
}

fn double_r<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let n = double_count::<T>(cx, u);
    let (a, b) = (T::get(cx, u.dst), T::get(cx, u.src));
    let r = if n == 0 { a } else { double::<T>(&mut cx.flags, a, b, n, u.aux & LEFT != 0) };
    T::set(cx, u.dst, r);
    Ok(())
}

fn double_m<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let n = double_count::<T>(cx, u);
    let addr = Any::linear(cx, u);
    let a = cx.load_rw::<T>(addr)?;
    let mut flags = cx.flags;
    let b = T::get(cx, u.src);
    let r = if n == 0 { a } else { double::<T>(&mut flags, a, b, n, u.aux & LEFT != 0) };
    cx.store_int::<T>(addr, r)?;
    cx.flags = flags;
    cx.stored()
}

pub(crate) fn lower(insn: &Insn, u: &mut Uop, kind: AddrKind) -> Option<Handler> {
    match insn.op {
        Op::Shl => lower_shift::<Shl>(insn, kind),
        Op::Shr => lower_shift::<Shr>(insn, kind),
        Op::Sar => lower_shift::<Sar>(insn, kind),
        Op::Rol => lower_shift::<Rol>(insn, kind),
        Op::Ror => lower_shift::<Ror>(insn, kind),
        Op::Rcl => lower_shift::<Rcl>(insn, kind),
        Op::Rcr => lower_shift::<Rcr>(insn, kind),
        Op::Shld | Op::Shrd => {
            let by_cl = if matches!(insn.operands[2], Operand::Reg(_)) { BY_CL } else { 0 };
            u.aux = by_cl | if insn.op == Op::Shld { LEFT } else { 0 };
            Some(match insn.operands[0] {
                Operand::Mem(_) => by_width!(insn.width, double_m),
                _ => by_width!(insn.width, double_r),
            })
        }
        _ => None,
    }
}
