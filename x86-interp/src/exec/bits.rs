//! Bit tests and scans (SDM vol. 2, BT/BTS/BTR/BTC, BSF, BSR).

use crate::cx::{Cx, Step};
use crate::int::Int;
use crate::uop::{Addr, Any, Handler, Uop, by_width};
use x86_decode::{Insn, Op, Operand};

/// What happens to the bit after it went to CF.
trait Change: 'static {
    const STORES: bool = true;
    fn apply(value: u64, bit: u64) -> u64;
}

macro_rules! changes {
    ($($name:ident $stores:literal |$v:ident, $b:ident| $body:expr;)*) => {$(
        struct $name;
        impl Change for $name {
            const STORES: bool = $stores;
            fn apply($v: u64, $b: u64) -> u64 {
                $body
            }
        }
    )*};
}

changes! {
    Keep false |v, _b| v;
    Set true |v, b| v | b;
    Reset true |v, b| v & !b;
    Flip true |v, b| v ^ b;
}

fn on_register<T: Int, C: Change>(cx: &mut Cx<'_>, u: &Uop, position: u64) -> Step {
    let value = T::get(cx, u.dst);
    let mask = 1 << (position % u64::from(T::BITS));
    cx.flags.put_cf(value & mask != 0);
    if C::STORES {
        T::set(cx, u.dst, C::apply(value, mask));
    }
    Ok(())
}

fn on_memory<T: Int, C: Change>(cx: &mut Cx<'_>, addr: u64, position: u64) -> Step {
    let mask = 1 << (position % u64::from(T::BITS));
    if C::STORES {
        let value = cx.load_rw::<T>(addr)?;
        cx.store_int::<T>(addr, C::apply(value, mask))?;
        cx.flags.put_cf(value & mask != 0);
        cx.stored()
    } else {
        let value = cx.load_int::<T>(addr)?;
        cx.flags.put_cf(value & mask != 0);
        Ok(())
    }
}

fn bt_rr<T: Int, C: Change>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    on_register::<T, C>(cx, u, T::get(cx, u.src))
}

fn bt_ri<T: Int, C: Change>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    on_register::<T, C>(cx, u, u.imm)
}

fn bt_mi<T: Int, C: Change>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    on_memory::<T, C>(cx, Any::linear(cx, u), u.imm)
}

/// A bit offset in a register reaches beyond the operand, to either side (SDM vol. 2 §3.1.1.9).
fn bt_mr<T: Int, C: Change>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let position = T::sext(T::get(cx, u.src));
    let units = (position as i64) >> T::BITS.trailing_zeros();
    let offset = Any::offset(cx, u).wrapping_add((units as u64).wrapping_mul(T::BYTES)) & u.addr_mask();
    on_memory::<T, C>(cx, offset.wrapping_add(cx.reg(u.seg)) & cx.mask, position)
}

fn lower_bt<C: Change>(insn: &Insn) -> Option<Handler> {
    let w = insn.width;
    Some(match (insn.operands[0], insn.operands[1]) {
        (Operand::Reg(_), Operand::Reg(_)) => by_width!(w, bt_rr, C),
        (Operand::Reg(_), _) => by_width!(w, bt_ri, C),
        (Operand::Mem(_), Operand::Reg(_)) => by_width!(w, bt_mr, C),
        (Operand::Mem(_), _) => by_width!(w, bt_mi, C),
        _ => return None,
    })
}

const REVERSE: u8 = 1;
const FROM_MEMORY: u8 = 2;

fn scan<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = match u.aux & FROM_MEMORY {
        0 => T::get(cx, u.src),
        _ => cx.load_int::<T>(Any::linear(cx, u))?,
    };
    cx.flags.logic::<T>(value);
    // With no bit set the destination keeps its value on every processor (the manual: undefined).
    if value != 0 {
        let found = if u.aux & REVERSE != 0 { 63 - value.leading_zeros() } else { value.trailing_zeros() };
        T::set(cx, u.dst, found.into());
    }
    Ok(())
}

pub(crate) fn lower(insn: &Insn, u: &mut Uop) -> Option<Handler> {
    match insn.op {
        Op::Bt => lower_bt::<Keep>(insn),
        Op::Bts => lower_bt::<Set>(insn),
        Op::Btr => lower_bt::<Reset>(insn),
        Op::Btc => lower_bt::<Flip>(insn),
        Op::Bsf | Op::Bsr => {
            let memory = if matches!(insn.operands[1], Operand::Mem(_)) { FROM_MEMORY } else { 0 };
            u.aux = memory | if insn.op == Op::Bsr { REVERSE } else { 0 };
            Some(by_width!(insn.width, scan))
        }
        _ => None,
    }
}
