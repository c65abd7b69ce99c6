//! Integer arithmetic, comparison and shifts, and bitwise operations.

use super::Lifter;
use crate::ir::{Binary, Compare, Shape, Type, Unary, Value, Wasm};
use crate::lift::Done;
use crate::lift::flags::Flags;
use x86_decode::{Insn, Op, Operand};

/// What is one operation on the destination and the source.
fn plain(op: Op) -> Option<Wasm> {
    Some(match op {
        Op::Pand | Op::Andps | Op::Andpd => Wasm::V128And,
        Op::Por | Op::Orps | Op::Orpd => Wasm::V128Or,
        Op::Pxor | Op::Xorps | Op::Xorpd => Wasm::V128Xor,
        Op::Paddb => Wasm::I8x16Add,
        Op::Paddw => Wasm::I16x8Add,
        Op::Paddd => Wasm::I32x4Add,
        Op::Paddq => Wasm::I64x2Add,
        Op::Paddsb => Wasm::I8x16AddSatS,
        Op::Paddsw => Wasm::I16x8AddSatS,
        Op::Paddusb => Wasm::I8x16AddSatU,
        Op::Paddusw => Wasm::I16x8AddSatU,
        Op::Psubb => Wasm::I8x16Sub,
        Op::Psubw => Wasm::I16x8Sub,
        Op::Psubd => Wasm::I32x4Sub,
        Op::Psubq => Wasm::I64x2Sub,
        Op::Psubsb => Wasm::I8x16SubSatS,
        Op::Psubsw => Wasm::I16x8SubSatS,
        Op::Psubusb => Wasm::I8x16SubSatU,
        Op::Psubusw => Wasm::I16x8SubSatU,
        Op::Pmullw => Wasm::I16x8Mul,
        Op::Pmulld => Wasm::I32x4Mul,
        Op::Pmaddwd => Wasm::I32x4DotI16x8S,
        Op::Pcmpeqb => Wasm::I8x16Eq,
        Op::Pcmpeqw => Wasm::I16x8Eq,
        Op::Pcmpeqd => Wasm::I32x4Eq,
        Op::Pcmpeqq => Wasm::I64x2Eq,
        Op::Pcmpgtb => Wasm::I8x16GtS,
        Op::Pcmpgtw => Wasm::I16x8GtS,
        Op::Pcmpgtd => Wasm::I32x4GtS,
        Op::Pcmpgtq => Wasm::I64x2GtS,
        Op::Pavgb => Wasm::I8x16AvgrU,
        Op::Pavgw => Wasm::I16x8AvgrU,
        Op::Pminub => Wasm::I8x16MinU,
        Op::Pmaxub => Wasm::I8x16MaxU,
        Op::Pminsb => Wasm::I8x16MinS,
        Op::Pmaxsb => Wasm::I8x16MaxS,
        Op::Pminuw => Wasm::I16x8MinU,
        Op::Pmaxuw => Wasm::I16x8MaxU,
        Op::Pminsw => Wasm::I16x8MinS,
        Op::Pmaxsw => Wasm::I16x8MaxS,
        Op::Pminud => Wasm::I32x4MinU,
        Op::Pmaxud => Wasm::I32x4MaxU,
        Op::Pminsd => Wasm::I32x4MinS,
        Op::Pmaxsd => Wasm::I32x4MaxS,
        Op::Packsswb => Wasm::I8x16NarrowI16x8S,
        Op::Packuswb => Wasm::I8x16NarrowI16x8U,
        Op::Packssdw => Wasm::I16x8NarrowI32x4S,
        Op::Packusdw => Wasm::I16x8NarrowI32x4U,
        _ => return None,
    })
}

/// Shifts: the operation, the width of a lane, and whether the sign comes in.
fn shift(op: Op) -> Option<(Wasm, u32, bool)> {
    Some(match op {
        Op::Psllw => (Wasm::I16x8Shl, 16, false),
        Op::Pslld => (Wasm::I32x4Shl, 32, false),
        Op::Psllq => (Wasm::I64x2Shl, 64, false),
        Op::Psrlw => (Wasm::I16x8ShrU, 16, false),
        Op::Psrld => (Wasm::I32x4ShrU, 32, false),
        Op::Psrlq => (Wasm::I64x2ShrU, 64, false),
        Op::Psraw => (Wasm::I16x8ShrS, 16, true),
        Op::Psrad => (Wasm::I32x4ShrS, 32, true),
        _ => return None,
    })
}

/// Extensions, as steps from the narrow lanes to the wide ones.
fn extension(op: Op) -> Option<&'static [Wasm]> {
    use Wasm::{
        I16x8ExtendLowI8x16S as BwS, I16x8ExtendLowI8x16U as BwU, I32x4ExtendLowI16x8S as WdS,
        I32x4ExtendLowI16x8U as WdU, I64x2ExtendLowI32x4S as DqS, I64x2ExtendLowI32x4U as DqU,
    };
    Some(match op {
        Op::Pmovsxbw => &[BwS],
        Op::Pmovsxbd => &[BwS, WdS],
        Op::Pmovsxbq => &[BwS, WdS, DqS],
        Op::Pmovsxwd => &[WdS],
        Op::Pmovsxwq => &[WdS, DqS],
        Op::Pmovsxdq => &[DqS],
        Op::Pmovzxbw => &[BwU],
        Op::Pmovzxbd => &[BwU, WdU],
        Op::Pmovzxbq => &[BwU, WdU, DqU],
        Op::Pmovzxwd => &[WdU],
        Op::Pmovzxwq => &[WdU, DqU],
        Op::Pmovzxdq => &[DqU],
        _ => return None,
    })
}

/// The even lanes of 32 bits, in the lower half.
const EVEN_32: [u8; 16] = [0, 1, 2, 3, 8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11];
/// The odd lanes of 16 bits of two vectors.
const ODD_16: [u8; 16] = [2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31];
/// The even ones.
const EVEN_16: [u8; 16] = [0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29];
/// The even lanes of 32 bits of two vectors.
pub(super) const EVENS_32: [u8; 16] = [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27];
/// The odd ones.
pub(super) const ODDS_32: [u8; 16] = [4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31];

impl Lifter {
    pub(super) fn sse_integer(&mut self, insn: &Insn) -> Option<Done> {
        let [to, from, by, ..] = &insn.operands;
        Some(if let Some(op) = plain(insn.op) {
            self.combine(to, from, |lifter, a, b| lifter.body.wasm2(op, a, b))
        } else if let Some((op, bits, signed)) = shift(insn.op) {
            self.shift_lanes(insn, op, bits, signed)
        } else if let Some(steps) = extension(insn.op) {
            self.combine(to, from, |lifter, _, b| {
                steps.iter().fold(b, |value, step| lifter.body.wasm1(*step, value))
            })
        } else {
            match insn.op {
                Op::Ptest => self.test(insn),
                Op::Palignr => self.align_bytes(insn, by),
                op => self.combine(to, from, other(op)?),
            }
        })
    }

    /// The destination from its old value and the source.
    pub(super) fn combine(
        &mut self,
        to: &Operand,
        from: &Operand,
        f: impl FnOnce(&mut Lifter, Value, Value) -> Value,
    ) -> Done {
        let number = Self::xmm_number(to)?;
        let b = self.xmm_source(from)?;
        let a = self.xmm(number);
        let value = f(self, a, b);
        self.set_xmm(number, value);
        Ok(())
    }

    fn shift_lanes(&mut self, insn: &Insn, op: Wasm, bits: u32, signed: bool) -> Done {
        let [to, by, ..] = &insn.operands;
        let last = u64::from(bits) - 1;
        if let Operand::Imm(n) = by {
            let n = *n as u64 & 0xff;
            let number = Self::xmm_number(to)?;
            let value = if n > last && !signed {
                self.body.vector(0)
            } else {
                let a = self.xmm(number);
                let n = self.body.number(Type::I32, n.min(last));
                self.body.wasm2(op, a, n)
            };
            self.set_xmm(number, value);
            return Ok(());
        }
        self.combine(to, by, |lifter, a, b| {
            let body = &mut lifter.body;
            let count = body.extract(Shape::I64x2, 0, b);
            let last = body.number(Type::I64, last);
            let fits = body.compare(Compare::LeU, count, last);
            if signed {
                let count = body.select(fits, count, last);
                let count = body.unary(Unary::Wrap, count);
                return body.wasm2(op, a, count);
            }
            let count = body.unary(Unary::Wrap, count);
            let shifted = body.wasm2(op, a, count);
            let zero = body.vector(0);
            body.select(fits, shifted, zero)
        })
    }

    fn test(&mut self, insn: &Insn) -> Done {
        let [first, second, ..] = &insn.operands;
        let b = self.xmm_source(second)?;
        let a = self.xmm(Self::xmm_number(first)?);
        let mut none = |op, x, y| {
            let bits = self.body.wasm2(op, x, y);
            let any = self.body.wasm1(Wasm::V128AnyTrue, bits);
            self.body.is_zero(any)
        };
        let (zf, cf) = (none(Wasm::V128And, a, b), none(Wasm::V128AndNot, b, a));
        let below_or_equal = self.body.binary(Binary::Or, cf, zf);
        let above = self.body.not(below_or_equal);
        let not_below = self.body.not(cf);
        self.flags = Flags::Order { zf, cf, below_or_equal, above, not_below };
        Ok(())
    }

    fn align_bytes(&mut self, insn: &Insn, by: &Operand) -> Done {
        let by = Self::immediate(by)?;
        self.combine(&insn.operands[0], &insn.operands[1], |lifter, a, b| lifter.bytes_from(by, a, b))
    }

    /// 16 bytes from a place in `low` and, behind it, `high`; what is behind both is zero.
    pub(super) fn bytes_from(&mut self, from: u8, high: Value, low: Value) -> Value {
        let zero = self.body.vector(0);
        let order = |from: u8| core::array::from_fn(|n| from + n as u8);
        match from {
            0..=16 => self.body.shuffle(order(from), low, high),
            17..=31 => self.body.shuffle(order(from - 16), high, zero),
            _ => zero,
        }
    }
}

type Combination = fn(&mut Lifter, Value, Value) -> Value;

/// What takes several operations.
fn other(op: Op) -> Option<Combination> {
    Some(match op {
        Op::Pandn | Op::Andnps | Op::Andnpd => |l, a, b| l.body.wasm2(Wasm::V128AndNot, b, a),
        Op::Pabsb => |l, _, b| l.body.wasm1(Wasm::I8x16Abs, b),
        Op::Pabsw => |l, _, b| l.body.wasm1(Wasm::I16x8Abs, b),
        Op::Pabsd => |l, _, b| l.body.wasm1(Wasm::I32x4Abs, b),
        Op::Pmulhw => {
            |l, a, b| upper_products(l, a, b, Wasm::I32x4ExtMulLowI16x8S, Wasm::I32x4ExtMulHighI16x8S)
        }
        Op::Pmulhuw => {
            |l, a, b| upper_products(l, a, b, Wasm::I32x4ExtMulLowI16x8U, Wasm::I32x4ExtMulHighI16x8U)
        }
        Op::Pmuludq => |l, a, b| even_products(l, a, b, Wasm::I64x2ExtMulLowI32x4U),
        Op::Pmuldq => |l, a, b| even_products(l, a, b, Wasm::I64x2ExtMulLowI32x4S),
        Op::Psadbw => sum_differences,
        Op::Pmaddubsw => multiply_add_bytes,
        Op::Phaddw => |l, a, b| neighbours(l, a, b, EVEN_16, ODD_16, Wasm::I16x8Add),
        Op::Phaddd => |l, a, b| neighbours(l, a, b, EVENS_32, ODDS_32, Wasm::I32x4Add),
        Op::Phaddsw => |l, a, b| neighbours(l, a, b, EVEN_16, ODD_16, Wasm::I16x8AddSatS),
        Op::Phsubw => |l, a, b| neighbours(l, a, b, EVEN_16, ODD_16, Wasm::I16x8Sub),
        Op::Phsubd => |l, a, b| neighbours(l, a, b, EVENS_32, ODDS_32, Wasm::I32x4Sub),
        Op::Phsubsw => |l, a, b| neighbours(l, a, b, EVEN_16, ODD_16, Wasm::I16x8SubSatS),
        Op::Psignb => |l, a, b| with_sign(l, a, b, Wasm::I8x16GtS, Wasm::I8x16Sub, Wasm::I8x16Eq),
        Op::Psignw => |l, a, b| with_sign(l, a, b, Wasm::I16x8GtS, Wasm::I16x8Sub, Wasm::I16x8Eq),
        Op::Psignd => |l, a, b| with_sign(l, a, b, Wasm::I32x4GtS, Wasm::I32x4Sub, Wasm::I32x4Eq),
        Op::Pblendvb => |l, a, b| blend_by_sign(l, a, b, Wasm::I8x16ShrS, 7),
        Op::Blendvps => |l, a, b| blend_by_sign(l, a, b, Wasm::I32x4ShrS, 31),
        Op::Blendvpd => |l, a, b| blend_by_sign(l, a, b, Wasm::I64x2ShrS, 63),
        _ => return None,
    })
}

fn upper_products(l: &mut Lifter, a: Value, b: Value, low: Wasm, high: Wasm) -> Value {
    let (low, high) = (l.body.wasm2(low, a, b), l.body.wasm2(high, a, b));
    l.body.shuffle(ODD_16, low, high)
}

fn even_products(l: &mut Lifter, a: Value, b: Value, op: Wasm) -> Value {
    let (a, b) = (l.body.shuffle(EVEN_32, a, a), l.body.shuffle(EVEN_32, b, b));
    l.body.wasm2(op, a, b)
}

fn sum_differences(l: &mut Lifter, a: Value, b: Value) -> Value {
    let body = &mut l.body;
    let (over, under) = (body.wasm2(Wasm::I8x16SubSatU, a, b), body.wasm2(Wasm::I8x16SubSatU, b, a));
    let differences = body.wasm2(Wasm::V128Or, over, under);
    let sums = body.wasm1(Wasm::I16x8ExtAddPairwiseI8x16U, differences);
    let sums = body.wasm1(Wasm::I32x4ExtAddPairwiseI16x8U, sums);
    let by = body.number(Type::I32, 32);
    let upper = body.wasm2(Wasm::I64x2ShrU, sums, by);
    let sums = body.wasm2(Wasm::I32x4Add, sums, upper);
    let low = body.vector(0x0000_0000_ffff_ffff_0000_0000_ffff_ffff);
    body.wasm2(Wasm::V128And, sums, low)
}

/// Unsigned by signed; no product is too large for 16 bits, but a sum may be.
fn multiply_add_bytes(l: &mut Lifter, a: Value, b: Value) -> Value {
    let body = &mut l.body;
    let eight = body.number(Type::I32, 8);
    let low_bytes = body.vector(0x00ff_00ff_00ff_00ff_00ff_00ff_00ff_00ff);
    let even = body.wasm2(Wasm::V128And, a, low_bytes);
    let up = body.wasm2(Wasm::I16x8Shl, b, eight);
    let signed = body.wasm2(Wasm::I16x8ShrS, up, eight);
    let even = body.wasm2(Wasm::I16x8Mul, even, signed);
    let odd = body.wasm2(Wasm::I16x8ShrU, a, eight);
    let signed = body.wasm2(Wasm::I16x8ShrS, b, eight);
    let odd = body.wasm2(Wasm::I16x8Mul, odd, signed);
    body.wasm2(Wasm::I16x8AddSatS, even, odd)
}

pub(super) fn neighbours(
    l: &mut Lifter,
    a: Value,
    b: Value,
    even: [u8; 16],
    odd: [u8; 16],
    op: Wasm,
) -> Value {
    let (even, odd) = (l.body.shuffle(even, a, b), l.body.shuffle(odd, a, b));
    l.body.wasm2(op, even, odd)
}

/// Negated where the second is negative, zero where it is zero.
fn with_sign(l: &mut Lifter, a: Value, b: Value, greater: Wasm, sub: Wasm, equal: Wasm) -> Value {
    let body = &mut l.body;
    let zero = body.vector(0);
    let negative = body.wasm2(greater, zero, b);
    let flipped = body.wasm2(Wasm::V128Xor, a, negative);
    let value = body.wasm2(sub, flipped, negative);
    let none = body.wasm2(equal, b, zero);
    body.wasm2(Wasm::V128AndNot, value, none)
}

/// The second where the sign of XMM0's lane is set.
fn blend_by_sign(l: &mut Lifter, a: Value, b: Value, op: Wasm, by: u64) -> Value {
    let chooser = l.xmm(0);
    let by = l.body.number(Type::I32, by);
    let mask = l.body.wasm2(op, chooser, by);
    l.body.wasm3(Wasm::V128BitSelect, b, a, mask)
}
