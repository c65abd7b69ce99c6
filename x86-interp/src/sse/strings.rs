//! String comparisons of SSE4.2 (SDM vol. 2 §4.1).

use super::{FROM_REG, UNALIGNED, by_vex, place};
use crate::cx::{Cx, Step};
use crate::uop::{Handler, Uop};
use x86_cpu::{flags as bit, gpr};
use x86_decode::{Insn, Op, Width};

/// Bit of `imm` above the immediate byte: lengths have 64 bits.
const LONG_LENGTHS: u64 = 1 << 8;
/// Bit of `imm`: the result is an index in ECX, not a mask in XMM0.
const INDEX: u64 = 1 << 9;
/// Bit of `imm`: lengths stand in EAX and EDX, else at the first zero.
const EXPLICIT: u64 = 1 << 10;

/// The elements of an operand, and how many of them count.
struct Text {
    elements: [i32; 16],
    len: usize,
}

impl Text {
    /// `length` is that of a register; else the text ends at its first zero.
    fn new(v: u128, control: u8, length: Option<i64>) -> Text {
        let bytes = v.to_le_bytes();
        let signed = control & 2 != 0;
        let count = count(control);
        let mut elements = [0; 16];
        for (i, element) in elements.iter_mut().enumerate().take(count) {
            *element = if control & 1 == 0 {
                if signed { i32::from(bytes[i] as i8) } else { bytes[i].into() }
            } else {
                let word = u16::from_le_bytes([bytes[2 * i], bytes[2 * i + 1]]);
                if signed { i32::from(word as i16) } else { word.into() }
            };
        }
        let end = || elements.iter().take(count).position(|element| *element == 0).unwrap_or(count);
        let len = length.map_or_else(end, |length| length.unsigned_abs().min(count as u64) as usize);
        Text { elements, len }
    }
}

/// Elements of an operand.
const fn count(control: u8) -> usize {
    if control & 1 == 0 { 16 } else { 8 }
}

/// The aggregated comparison: bit `j` is about element `j` of `b`.
fn compare(a: &Text, b: &Text, control: u8) -> u32 {
    let count = count(control);
    let (x, y) = (&a.elements, &b.elements);
    let holds = |j: usize| match control >> 2 & 3 {
        // Equal to any.
        0 => j < b.len && x[..a.len].contains(&y[j]),
        // In one of the ranges.
        1 => j < b.len && x[..a.len].chunks_exact(2).any(|range| range[0] <= y[j] && y[j] <= range[1]),
        // Equal each: both beyond their ends are equal too.
        2 => match (j < a.len, j < b.len) {
            (true, true) => x[j] == y[j],
            (a, b) => a == b,
        },
        // Equal ordered: `a` begins at this place of `b`, as far as the operand shows.
        _ => (0..a.len.min(count - j)).all(|i| i + j < b.len && x[i] == y[i + j]),
    };
    (0..count).fold(0, |all, j| all | u32::from(holds(j)) << j)
}

fn string<const VEX: bool>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let control = u.imm as u8;
    let second = cx.second::<VEX>(u)?[0];
    let length = |cx: &Cx<'_>, register: usize| {
        let value = cx.gpr[register];
        let value = if u.imm & LONG_LENGTHS != 0 { value as i64 } else { (value as i32).into() };
        (u.imm & EXPLICIT != 0).then_some(value)
    };
    let a = Text::new(cx.xmm(u.dst), control, length(cx, gpr::RAX));
    let b = Text::new(second, control, length(cx, gpr::RDX));
    let count = count(control);
    let all = u32::MAX >> (32 - count);
    let found = compare(&a, &b, control);
    let found = match control >> 4 & 3 {
        1 => !found & all,
        3 => found ^ ((1 << b.len) - 1),
        _ => found,
    };
    if u.imm & INDEX != 0 {
        let index = match (found, control & 0x40) {
            (0, _) => count as u32,
            (_, 0) => found.trailing_zeros(),
            _ => 31 - found.leading_zeros(),
        };
        cx.gpr[gpr::RCX] = index.into();
    } else {
        let mask = if control & 0x40 == 0 {
            found.into()
        } else {
            let bits = 128 / count;
            (0..count)
                .filter(|n| found >> n & 1 != 0)
                .fold(0, |mask, n| mask | u128::MAX >> (128 - bits) << (bits * n))
        };
        if VEX { cx.set_ymm(0, [mask, 0]) } else { cx.set_xmm(0, mask) }
    }
    let on = |set: bool, mask: u32| if set { mask } else { 0 };
    cx.flags.set_bits(
        on(found != 0, bit::CF)
            | on(b.len < count, bit::ZF)
            | on(a.len < count, bit::SF)
            | on(found & 1 != 0, bit::OF),
    );
    Ok(())
}

pub(crate) fn lower(insn: &Insn, u: &mut Uop) -> Option<Handler> {
    let kind = match insn.op {
        Op::Pcmpestrm | Op::Vpcmpestrm => EXPLICIT,
        Op::Pcmpestri | Op::Vpcmpestri => EXPLICIT | INDEX,
        Op::Pcmpistrm | Op::Vpcmpistrm => 0,
        Op::Pcmpistri | Op::Vpcmpistri => INDEX,
        _ => return None,
    };
    place(insn, u);
    if u.aux != FROM_REG && !insn.row.map.is_vex() {
        // The only ones before VEX that take unaligned memory.
        u.aux = UNALIGNED;
    }
    u.imm = u.imm & 0xff | kind | if insn.width == Width::W64 { LONG_LENGTHS } else { 0 };
    Some(by_vex!(insn, string))
}
