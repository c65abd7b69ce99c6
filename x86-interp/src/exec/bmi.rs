//! Bit counts, BMI1 and BMI2, ADX, MOVBE, CRC32: instructions on general registers that came after the i686.

use crate::cx::{Cx, Full, Step, Stop};
use crate::flags::Flags;
use crate::int::Int;
use crate::uop::{Addr, Any, Handler, Uop, by_width};
use x86_cpu::flags as bit;
use x86_decode::{Form, Insn, Op, Operand};

const FROM_MEMORY: u8 = 1;

/// The operand that may be memory; lowering puts its register into `src`.
#[inline(always)]
fn source<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Result<u64, Stop> {
    if u.aux & FROM_MEMORY != 0 { cx.load_int::<T>(Any::linear(cx, u)) } else { Ok(T::get(cx, u.src)) }
}

/// A value computed from `value`, the operand that may be memory, and `other`, the one that VEX.vvvv names or an immediate.
trait Operation: 'static {
    fn eval<T: Int>(flags: &mut Flags, value: u64, other: u64) -> u64;
}

/// The low `count` bits.
fn low_bits(count: u64) -> u64 {
    if count < 64 { (1 << count) - 1 } else { u64::MAX }
}

fn put_zc<T: Int>(flags: &mut Flags, result: u64, carry: bool) -> u64 {
    let result = T::trunc(result);
    flags.result_co::<T>(result, carry, false);
    result
}

macro_rules! operations {
    ($($name:ident<$t:ident> |$f:ident, $value:ident, $other:ident| $body:expr;)*) => {$(
        struct $name;
        impl Operation for $name {
            #[inline(always)]
            fn eval<$t: Int>($f: &mut Flags, $value: u64, $other: u64) -> u64 {
                $body
            }
        }
    )*};
}

operations! {
    Popcnt<T> |f, v, _o| {
        f.set_bits(if v == 0 { bit::ZF } else { 0 });
        v.count_ones().into()
    };
    Lzcnt<T> |f, v, _o| put_zc::<T>(f, u64::from(v.leading_zeros() + T::BITS - 64), v == 0);
    Tzcnt<T> |f, v, _o| put_zc::<T>(f, v.trailing_zeros().min(T::BITS).into(), v == 0);
    Andn<T> |f, v, o| put_zc::<T>(f, !o & v, false);
    Blsr<T> |f, v, _o| put_zc::<T>(f, v.wrapping_sub(1) & v, v == 0);
    Blsmsk<T> |f, v, _o| put_zc::<T>(f, v.wrapping_sub(1) ^ v, v == 0);
    Blsi<T> |f, v, _o| put_zc::<T>(f, v.wrapping_neg() & v, v != 0);
    Bextr<T> |f, v, o| {
        let shifted = v.checked_shr(o as u32 & 0xff).unwrap_or(0);
        put_zc::<T>(f, shifted & low_bits(o >> 8 & 0xff), false)
    };
    Bzhi<T> |f, v, o| {
        let count = o & 0xff;
        put_zc::<T>(f, v & low_bits(count), count >= u64::from(T::BITS))
    };
    Pext<T> |_f, v, o| gather(o, v);
    Pdep<T> |_f, v, o| scatter(o, v);
    Shlx<T> |_f, v, o| T::trunc(v << (o & u64::from(T::BITS - 1)));
    Shrx<T> |_f, v, o| v >> (o & u64::from(T::BITS - 1));
    Sarx<T> |_f, v, o| T::trunc((T::sext(v) as i64 >> (o & u64::from(T::BITS - 1))) as u64);
    Rorx<T> |_f, v, o| {
        let count = o as u32 & (T::BITS - 1);
        let turned = v.checked_shl(T::BITS - count).unwrap_or(0);
        T::trunc(v >> count | turned)
    };
}

/// The bits of `value` that `mask` picks, pushed together.
fn gather(value: u64, mut mask: u64) -> u64 {
    let (mut out, mut at) = (0, 0);
    while mask != 0 {
        out |= (value >> mask.trailing_zeros() & 1) << at;
        mask &= mask - 1;
        at += 1;
    }
    out
}

/// The low bits of `value`, spread to where `mask` has ones.
fn scatter(mut value: u64, mut mask: u64) -> u64 {
    let mut out = 0;
    while mask != 0 {
        out |= (value & 1) << mask.trailing_zeros();
        mask &= mask - 1;
        value >>= 1;
    }
    out
}

fn compute<T: Int, O: Operation>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = source::<T>(cx, u)?;
    let other = T::get(cx, u.also);
    let result = O::eval::<T>(&mut cx.flags, value, other);
    T::set(cx, u.dst, result);
    Ok(())
}

fn rorx<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = source::<T>(cx, u)?;
    let result = Rorx::eval::<T>(&mut cx.flags, value, u.imm);
    T::set(cx, u.dst, result);
    Ok(())
}

/// `mulx`: the high half goes to the first operand, also where both are one register.
fn mulx<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let product = u128::from(source::<T>(cx, u)?) * u128::from(T::get(cx, 2));
    T::set(cx, u.also, product as u64);
    T::set(cx, u.dst, (product >> T::BITS) as u64);
    Ok(())
}

/// `adcx`: a sum whose carry comes from CF and goes there, and touches no other flag.
fn adcx<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let (sum, carry) = sum::<T>(T::get(cx, u.dst), source::<T>(cx, u)?, cx.flags.cf());
    T::set(cx, u.dst, sum);
    cx.flags.put_co(carry, cx.flags.of());
    Ok(())
}

/// `adox`: the same with OF.
fn adox<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let (sum, carry) = sum::<T>(T::get(cx, u.dst), source::<T>(cx, u)?, cx.flags.of());
    T::set(cx, u.dst, sum);
    cx.flags.put_co(cx.flags.cf(), carry);
    Ok(())
}

fn sum<T: Int>(a: u64, b: u64, carry: bool) -> (u64, bool) {
    let sum = u128::from(a) + u128::from(b) + u128::from(carry);
    (T::trunc(sum as u64), sum >> T::BITS != 0)
}

/// Reverses the bytes of the width.
fn swap<T: Int>(value: u64) -> u64 {
    value.swap_bytes() >> (64 - T::BITS)
}

fn movbe_load<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = cx.load_int::<T>(Any::linear(cx, u))?;
    T::set(cx, u.dst, swap::<T>(value));
    Ok(())
}

fn movbe_store<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.store_last::<T, Full>(Any::linear(cx, u), swap::<T>(T::get(cx, u.src)))
}

/// The Castagnoli polynomial, lowest power first.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// Remainders of every byte.
static REMAINDERS: [u32; 256] = {
    let mut all = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut rest = byte as u32;
        let mut step = 0;
        while step < 8 {
            rest = rest >> 1 ^ if rest & 1 != 0 { POLYNOMIAL } else { 0 };
            step += 1;
        }
        all[byte] = rest;
        byte += 1;
    }
    all
};

fn crc32<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = source::<T>(cx, u)?;
    let before = u32::get(cx, u.dst) as u32;
    let after = value.to_le_bytes()[..T::BYTES as usize]
        .iter()
        .fold(before, |rest, byte| rest >> 8 ^ REMAINDERS[usize::from(rest as u8 ^ byte)]);
    u32::set(cx, u.dst, after.into());
    Ok(())
}

/// Puts the operands where [`compute`] looks for them: the one that may be memory into `src`, that of VEX.vvvv into `also`.
fn place(insn: &Insn, u: &mut Uop) {
    let registers = [u.dst, u.src, u.also];
    let mut memory = false;
    for (i, register) in registers.into_iter().enumerate() {
        match insn.row.args[i].form {
            Form::Ey | Form::Ev | Form::Eb | Form::Mv => {
                u.src = register;
                memory = matches!(insn.operands[i], Operand::Mem(_));
            }
            _ => {}
        }
    }
    for (i, register) in registers.into_iter().enumerate() {
        if insn.row.args[i].form == Form::By {
            u.also = register;
        }
    }
    u.aux = if memory { FROM_MEMORY } else { 0 };
}

pub(crate) fn lower(insn: &Insn, u: &mut Uop) -> Option<Handler> {
    let w = insn.width;
    let handler = match insn.op {
        Op::Popcnt => by_width!(w, compute, Popcnt),
        Op::Lzcnt => by_width!(w, compute, Lzcnt),
        Op::Tzcnt => by_width!(w, compute, Tzcnt),
        Op::Andn => by_width!(w, compute, Andn),
        Op::Blsr => by_width!(w, compute, Blsr),
        Op::Blsmsk => by_width!(w, compute, Blsmsk),
        Op::Blsi => by_width!(w, compute, Blsi),
        Op::Bextr => by_width!(w, compute, Bextr),
        Op::Bzhi => by_width!(w, compute, Bzhi),
        Op::Pext => by_width!(w, compute, Pext),
        Op::Pdep => by_width!(w, compute, Pdep),
        Op::Shlx => by_width!(w, compute, Shlx),
        Op::Shrx => by_width!(w, compute, Shrx),
        Op::Sarx => by_width!(w, compute, Sarx),
        Op::Rorx => by_width!(w, rorx),
        Op::Mulx => by_width!(w, mulx),
        Op::Adcx => by_width!(w, adcx),
        Op::Adox => by_width!(w, adox),
        Op::Movbe if matches!(insn.operands[0], Operand::Mem(_)) => return Some(by_width!(w, movbe_store)),
        Op::Movbe => return Some(by_width!(w, movbe_load)),
        Op::Crc32 => by_width!(w, crc32),
        _ => return None,
    };
    place(insn, u);
    Some(handler)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pext_undoes_pdep() {
        let mask = 0xf0f0_1234_8001_00ff;
        for value in [0, 1, 0x1234, u64::MAX, 0x5555] {
            assert_eq!(gather(scatter(value, mask), mask), value & low_bits(mask.count_ones().into()));
        }
    }
}
