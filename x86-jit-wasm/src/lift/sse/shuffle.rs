//! Shuffles, and moves within and between halves.

use super::Lifter;
use crate::ir::Wasm;
use crate::lift::{Done, Unsupported};
use x86_decode::{Insn, Op, Operand};

type Order = [u8; 16];

/// Lanes of so many bytes, each by its number in the two vectors.
fn lanes(bytes: u8, lane: impl Fn(u8) -> u8) -> Order {
    core::array::from_fn(|n| {
        let n = n as u8;
        lane(n / bytes) * bytes + n % bytes
    })
}

/// Lanes of both vectors in turn, from a lane on.
fn interleaved(bytes: u8, from: u8) -> Order {
    lanes(bytes, |n| from + n / 2 + n % 2 * (16 / bytes))
}

/// Lanes of the first, or of the second where a bit of `order` is set.
fn blended(bytes: u8, order: u8) -> Order {
    lanes(bytes, |n| if order >> n & 1 != 0 { n + 16 / bytes } else { n })
}

/// The two-bit field of an immediate.
fn field(order: u8, n: u8) -> u8 {
    order >> (2 * n) & 3
}

/// What becomes of destination and source.
fn order_of(op: Op, imm: u8) -> Option<Order> {
    Some(match op {
        Op::Punpcklbw => interleaved(1, 0),
        Op::Punpcklwd => interleaved(2, 0),
        Op::Punpckldq | Op::Unpcklps => interleaved(4, 0),
        Op::Punpcklqdq | Op::Unpcklpd | Op::Movlhps => interleaved(8, 0),
        Op::Punpckhbw => interleaved(1, 8),
        Op::Punpckhwd => interleaved(2, 4),
        Op::Punpckhdq | Op::Unpckhps => interleaved(4, 2),
        Op::Punpckhqdq | Op::Unpckhpd => interleaved(8, 1),
        Op::Movhlps => lanes(8, |n| if n == 0 { 3 } else { 1 }),
        Op::Movsldup => lanes(4, |n| 4 + n / 2 * 2),
        Op::Movshdup => lanes(4, |n| 5 + n / 2 * 2),
        Op::Movddup => lanes(8, |_| 2),
        Op::Pshufd => lanes(4, |n| 4 + field(imm, n)),
        Op::Pshuflw => lanes(2, |n| if n < 4 { 8 + field(imm, n) } else { 8 + n }),
        Op::Pshufhw => lanes(2, |n| if n < 4 { 8 + n } else { 12 + field(imm, n - 4) }),
        Op::Shufps => lanes(4, |n| if n < 2 { field(imm, n) } else { 4 + field(imm, n) }),
        Op::Shufpd => lanes(8, |n| if n == 0 { imm & 1 } else { 2 + (imm >> 1 & 1) }),
        Op::Blendps => blended(4, imm),
        Op::Blendpd => blended(8, imm),
        Op::Pblendw => blended(2, imm),
        _ => return None,
    })
}

/// Whether the source alone counts.
fn from_second(order: Order) -> Option<Order> {
    order.iter().all(|byte| *byte >= 16).then(|| order.map(|byte| byte - 16))
}

impl Lifter {
    pub(super) fn sse_shuffle(&mut self, insn: &Insn) -> Option<Done> {
        let [to, from, imm, ..] = &insn.operands;
        let imm = if let Operand::Imm(n) = imm { *n as u8 } else { 0 };
        Some(match (insn.op, order_of(insn.op, imm)) {
            (_, Some(order)) => match from_second(order) {
                Some(order) => self.combine(to, from, |lifter, _, b| lifter.body.shuffle(order, b, b)),
                None => self.combine(to, from, |lifter, a, b| lifter.body.shuffle(order, a, b)),
            },
            (Op::Pslldq | Op::Psrldq, _) => self.shift_bytes(insn),
            (Op::Pshufb, _) => self.combine(to, from, |lifter, a, b| {
                // Indices from 16 on give zero; bits 4 to 6 do not count.
                let mask = lifter.body.vector(0x8f8f_8f8f_8f8f_8f8f_8f8f_8f8f_8f8f_8f8f);
                let index = lifter.body.wasm2(Wasm::V128And, b, mask);
                lifter.body.wasm2(Wasm::I8x16Swizzle, a, index)
            }),
            _ => return None,
        })
    }

    fn shift_bytes(&mut self, insn: &Insn) -> Done {
        let [to, Operand::Imm(by), ..] = &insn.operands else { return Err(Unsupported) };
        let by = (*by as u64 & 0xff).min(16) as u8;
        let number = Self::xmm_number(to)?;
        let zero = self.body.vector(0);
        let value = self.xmm(number);
        let value = match insn.op {
            Op::Pslldq => self.bytes_from(16 - by, value, zero),
            _ => self.bytes_from(by, zero, value),
        };
        self.set_xmm(number, value);
        Ok(())
    }
}
