//! Fused multiply and add.

use super::arith::{lane, lanes};
use super::float::{self, Control, Double, Float, Signs, Single};
use super::{Halves, place};
use crate::cx::{Cx, Step};
use crate::uop::{Handler, Uop};
use x86_decode::{Feature, Insn};

/// Bits of `imm`: what is negated in even lanes; in odd lanes two bits further.
const NEGATE_PRODUCT: u64 = 1;
const NEGATE_ADDEND: u64 = 2;
const ODD_SHIFT: u32 = 2;
/// Place of the order of operands, as a row of [`ORDERS`].
const ORDER_SHIFT: u32 = 4;

/// Which operands, counted from 0, are multiplied, and which is added.
const ORDERS: [(&str, [usize; 3]); 3] = [("132", [0, 2, 1]), ("213", [1, 0, 2]), ("231", [1, 2, 0])];

#[rustfmt::skip] // One kind a line.
const KINDS: [(&str, u64, u64); 6] = [
    ("madd", 0, 0),
    ("msub", NEGATE_ADDEND, NEGATE_ADDEND),
    ("nmadd", NEGATE_PRODUCT, NEGATE_PRODUCT),
    ("nmsub", NEGATE_PRODUCT | NEGATE_ADDEND, NEGATE_PRODUCT | NEGATE_ADDEND),
    ("maddsub", NEGATE_ADDEND, 0),
    ("msubadd", 0, NEGATE_ADDEND),
];

/// Factors and addend.
fn operands(cx: &mut Cx<'_>, u: &Uop) -> Result<[Halves; 3], crate::cx::Stop> {
    let third = cx.second::<true>(u)?;
    let all = [cx.ymm(u.dst), cx.first::<true>(u), third];
    let (_, order) = ORDERS[(u.imm >> ORDER_SHIFT) as usize % 3];
    Ok(order.map(|n| all[n]))
}

fn one<F: Float>([x, y, z]: [u128; 3], n: u32, kind: u64, control: Control) -> float::Result {
    let kind = if n & 1 == 0 { kind } else { kind >> ODD_SHIFT };
    let signs =
        Signs { negate_product: kind & NEGATE_PRODUCT != 0, negate_addend: kind & NEGATE_ADDEND != 0 };
    float::fused::<F>(lane::<F>(x, n), lane::<F>(y, n), lane::<F>(z, n), signs, control)
}

fn packed<F: Float>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let all = operands(cx, u)?;
    lanes::<F, true>(cx, u, |half, n, control| one::<F>(all.map(|v| v[half]), n, u.imm, control))
}

fn scalar<F: Float>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let all = operands(cx, u)?;
    let (r, flags) = one::<F>(all.map(|v| v[0]), 0, u.imm, cx.control());
    cx.raise_simd(flags)?;
    cx.set_xmm_low(u.dst, r.into(), F::BITS);
    cx.set_ymm(u.dst, [cx.xmm(u.dst), 0]);
    Ok(())
}

/// The mnemonics are regular: `vf`, kind, order, format.
pub(crate) fn lower(insn: &Insn, u: &mut Uop) -> Option<Handler> {
    if insn.row.feature != Feature::Fma {
        return None;
    }
    let name = insn.op.name().strip_prefix("vf")?;
    let (kind, rest) = name.split_at_checked(name.find(|c: char| c.is_ascii_digit())?)?;
    let (order, format) = rest.split_at_checked(3)?;
    let (_, even, odd) = KINDS.into_iter().find(|(name, ..)| *name == kind)?;
    let order = ORDERS.iter().position(|(name, _)| *name == order)?;
    let handler: Handler = match format {
        "ps" => packed::<Single>,
        "pd" => packed::<Double>,
        "ss" => scalar::<Single>,
        "sd" => scalar::<Double>,
        _ => return None,
    };
    place(insn, u);
    u.imm = even | odd << ODD_SHIFT | (order as u64) << ORDER_SHIFT;
    Some(handler)
}
