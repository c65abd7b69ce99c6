//! Permutations, variable shifts and blends that came with AVX and AVX2.

use super::lanes::{blend, map_i32, map_u32, map_u64, shuffle32};
use super::packed::{packed, shuffles};
use super::{Halves, place};
use crate::cx::{Cx, Step};
use crate::uop::{Addr, Any, Handler, Uop};
use bytemuck::cast;
use x86_decode::{Insn, Op, Operand};

/// Lanes of `v` by the low two bits of those of `order`.
fn pick32(v: u128, order: u128) -> u128 {
    let (v, order) = (cast::<u128, [u32; 4]>(v), cast::<u128, [u32; 4]>(order));
    cast(order.map(|n| v[n as usize % 4]))
}

/// The same of 64 bits, by bit 1.
fn pick64(v: u128, order: u128) -> u128 {
    let (v, order) = (cast::<u128, [u64; 2]>(v), cast::<u128, [u64; 2]>(order));
    cast(order.map(|n| v[n as usize >> 1 & 1]))
}

fn count(n: u64) -> u32 {
    n.min(64) as u32
}

struct PermuteSingles;
struct PermuteDoubles;

packed! { lower_two, false:
    Vpsllvd |a, b, _w| map_u32(a, b, |a, n| a.checked_shl(n).unwrap_or(0));
    Vpsrlvd |a, b, _w| map_u32(a, b, |a, n| a.checked_shr(n).unwrap_or(0));
    Vpsravd |a, b, _w| map_i32(a, b, |a, n| a >> (n as u32).min(31));
    Vpsllvq |a, b, _w| map_u64(a, b, |a, n| a.checked_shl(count(n)).unwrap_or(0));
    Vpsrlvq |a, b, _w| map_u64(a, b, |a, n| a.checked_shr(count(n)).unwrap_or(0));
}

packed! { lower_permute, false:
    Vpermilps |a, b, _w| pick32(a, b);
    Vpermilpd |a, b, _w| pick64(a, b);
}

shuffles! { lower_shuffle:
    Vpblendd 4 |a, b, order, _w| blend(a, b, order, 32);
}

impl super::packed::Shuffle for PermuteSingles {
    fn eval<const WIDE: bool>(_: u128, b: u128, order: u8) -> u128 {
        shuffle32(b, b, order)
    }
}

impl super::packed::Shuffle for PermuteDoubles {
    const OWN_BITS: u32 = 2;
    fn eval<const WIDE: bool>(_: u128, b: u128, order: u8) -> u128 {
        pick64(b, u128::from(order & 1) << 1 | u128::from(order & 2) << 64)
    }
}

/// `vpermd`, `vpermps`: any of the eight lanes, by the first source.
fn permute8(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let v: [u32; 8] = cast(cx.second::<true>(u)?);
    let order: [u32; 8] = cast(cx.first::<true>(u));
    cx.put::<true>(u, cast(order.map(|n| v[n as usize % 8])));
    Ok(())
}

/// `vpermq`, `vpermpd`: any of the four lanes, by the immediate.
fn permute4(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let v: [u64; 4] = cast(cx.second::<true>(u)?);
    let order = u.imm as usize;
    cx.put::<true>(u, cast([0, 2, 4, 6].map(|shift| v[order >> shift & 3])));
    Ok(())
}

/// `vperm2f128`, `vperm2i128`: any of the halves of both sources, or zero.
fn permute_halves(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let b = cx.second::<true>(u)?;
    let a = cx.first::<true>(u);
    let all = [a[0], a[1], b[0], b[1]];
    let half = |order: u64| if order & 8 != 0 { 0 } else { all[order as usize & 3] };
    cx.put::<true>(u, [half(u.imm), half(u.imm >> 4)]);
    Ok(())
}

fn insert_half(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let b = cx.second::<true>(u)?[0];
    let mut value: Halves = cx.first::<true>(u);
    value[u.imm as usize & 1] = b;
    cx.put::<true>(u, value);
    Ok(())
}

fn extract_half(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = cx.ymm(u.src)[u.imm as usize & 1];
    cx.set_ymm(u.dst, [value, 0]);
    Ok(())
}

fn extract_half_m(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.store::<u128>(Any::linear(cx, u), cx.ymm(u.src)[u.imm as usize & 1])?;
    cx.stored()
}

pub(crate) fn lower(insn: &Insn, u: &mut Uop) -> Option<Handler> {
    let immediate = matches!(insn.operands[2], Operand::Imm(_));
    let handler: Handler = match insn.op {
        Op::Vpermilps if immediate => super::packed::choose_shuffle::<PermuteSingles>(insn),
        Op::Vpermilpd if immediate => super::packed::choose_shuffle::<PermuteDoubles>(insn),
        Op::Vpermd | Op::Vpermps => permute8,
        Op::Vpermq | Op::Vpermpd => permute4,
        Op::Vperm2f128 | Op::Vperm2i128 => permute_halves,
        Op::Vinsertf128 | Op::Vinserti128 => insert_half,
        Op::Vextractf128 | Op::Vextracti128 if matches!(insn.operands[0], Operand::Mem(_)) => extract_half_m,
        Op::Vextractf128 | Op::Vextracti128 => extract_half,
        _ => lower_two(insn).or_else(|| lower_permute(insn)).or_else(|| lower_shuffle(insn))?,
    };
    place(insn, u);
    Some(handler)
}
