//! Shifts and rotates (SDM vol. 2, SAL/SAR/SHL/SHR, RCL/RCR/ROL/ROR, SHLD, SHRD).
//!
//! A count in CL is a value as one in the instruction is; of the latter, everything below folds.

use super::flags::Flags;
use super::{Done, Lifter, Unsupported, bits, mask, ty};
use crate::ir::{Binary, Type, Unary, Value};
use x86_decode::{Insn, Op, Operand, Reg, Width};

const RCX: u8 = 1;

/// A count, masked to the operation's limit.
#[derive(Clone, Copy)]
struct Count {
    /// In the type of the operation.
    n: Value,
    /// What shifts of the operation's type take for it: those of WebAssembly look at as many bits as x86 does.
    by: Value,
}

impl Lifter {
    fn count(&mut self, operand: &Operand, width: Width) -> Result<Count, Unsupported> {
        let limit = if width == Width::W64 { 63 } else { 31 };
        let n = match operand {
            Operand::Imm(n) => self.body.number(ty(width), *n as u64 & limit),
            Operand::Reg(Reg::Gpr8(RCX)) => {
                let cl = self.read_reg(Reg::Gpr8(RCX))?;
                let n = self.body.with(Binary::And, cl, limit);
                if width == Width::W64 { self.body.unary(Unary::ExtendU, n) } else { n }
            }
            _ => return Err(Unsupported),
        };
        Ok(Count { n, by: self.body.on(n, limit) })
    }

    /// Writes the result of a shift, whose flags count unless the count is zero.
    fn shifted(
        &mut self,
        to: &Operand,
        place: Option<Value>,
        width: Width,
        n: Value,
        (r, flags): (Value, Flags),
    ) -> Done {
        let zero = self.body.constant(n) == Some(0);
        let flags = match self.body.constant(n) {
            Some(0) => self.flags,
            Some(_) => flags,
            None => {
                let any = self.low(n);
                self.flags_if(any, flags)
            }
        };
        if zero {
            // Written all the same: a 32-bit register loses its upper half.
            let a = match place {
                Some(a) => a,
                None => self.read(to, width)?,
            };
            self.change(to, place, a, width)?;
        } else {
            self.change(to, place, r, width)?;
        }
        self.flags = flags;
        Ok(())
    }

    pub(super) fn shift(&mut self, insn: &Insn) -> Done {
        let width = insn.width;
        let [to, by, ..] = &insn.operands;
        let count = self.count(by, width)?;
        let (a, place) = self.read_to_change(to, width)?;
        let made = match insn.op {
            Op::Rol | Op::Ror => self.rotated(insn.op, a, count, width),
            Op::Rcl | Op::Rcr => self.rotated_through_carry(insn.op, a, count.n, width),
            op => self.plainly_shifted(op, a, count, width),
        };
        self.shifted(to, place, width, count.n, made)
    }

    fn low_bit(&mut self, value: Value) -> Value {
        let low = self.low(value);
        self.body.with(Binary::And, low, 1)
    }

    /// Whether the upper two bits differ.
    fn upper_differ(&mut self, bits: u32, r: Value) -> Value {
        let next = self.body.with(Binary::Shl, r, 1);
        let differ = self.body.binary(Binary::Xor, r, next);
        self.sign(bits, differ)
    }

    /// The count is not zero. The last bit that is shifted out is that of a shift by one less.
    fn plainly_shifted(&mut self, op: Op, a: Value, count: Count, width: Width) -> (Value, Flags) {
        let bits = bits(width);
        let Count { n, by } = count;
        let narrow = bits < 32;
        let (r, cf, of) = match op {
            Op::Shl => {
                let wide = self.body.binary(Binary::Shl, a, by);
                let r = self.cut(wide, width);
                let cf = if narrow {
                    // Up to 31 bits to the left, the last bit out stays in 32 or leaves zeros.
                    let out = self.body.with(Binary::ShrU, wide, bits.into());
                    self.low_bit(out)
                } else {
                    let before = self.body.with(Binary::Sub, n, 1);
                    let out = self.body.binary(Binary::Shl, a, before);
                    self.sign(bits, out)
                };
                let sign = self.sign(bits, r);
                (r, cf, self.body.binary(Binary::Xor, cf, sign))
            }
            Op::Shr => {
                let r = self.body.binary(Binary::ShrU, a, by);
                let before = self.body.with(Binary::Sub, n, 1);
                let out = self.body.binary(Binary::ShrU, a, before);
                (r, self.low_bit(out), self.upper_differ(bits, r))
            }
            _ => {
                let signed = self.signed(bits, a);
                let wide = self.body.binary(Binary::ShrS, signed, by);
                let r = self.cut(wide, width);
                let before = self.body.with(Binary::Sub, n, 1);
                let out = self.body.binary(Binary::ShrS, signed, before);
                (r, self.low_bit(out), self.body.number(Type::I32, 0))
            }
        };
        (r, Flags::Given { bits, r, cf, of })
    }

    fn rotated(&mut self, op: Op, a: Value, count: Count, width: Width) -> (Value, Flags) {
        let bits = bits(width);
        // A narrow operand fills 32 bits, so that the rotation of them is its own.
        let filled = match width {
            Width::W8 => self.body.with(Binary::Mul, a, 0x0101_0101),
            Width::W16 => self.body.with(Binary::Mul, a, 0x0001_0001),
            _ => a,
        };
        let left = op == Op::Rol;
        let turned = self.body.binary(if left { Binary::Rotl } else { Binary::Rotr }, filled, count.by);
        let r = self.cut(turned, width);
        let (cf, of) = if left {
            let cf = self.low_bit(r);
            let sign = self.sign(bits, r);
            (cf, self.body.binary(Binary::Xor, cf, sign))
        } else {
            (self.sign(bits, r), self.upper_differ(bits, r))
        };
        (r, self.with_carry_and_overflow(cf, of))
    }

    /// Rotates CF and the operand, one bit more than its width.
    fn rotated_through_carry(&mut self, op: Op, a: Value, n: Value, width: Width) -> (Value, Flags) {
        let bits = bits(width);
        let carry = self.cf();
        let left = op == Op::Rcl;
        let (r, cf) = if bits < 32 {
            let size = self.body.number(Type::I32, u64::from(bits) + 1);
            let n = self.body.binary(Binary::RemU, n, size);
            let rest = self.body.binary(Binary::Sub, size, n);
            let top = self.body.with(Binary::Shl, carry, bits.into());
            let all = self.body.binary(Binary::Or, a, top);
            let (to_left, to_right) = if left { (n, rest) } else { (rest, n) };
            let up = self.body.binary(Binary::Shl, all, to_left);
            let down = self.body.binary(Binary::ShrU, all, to_right);
            let turned = self.body.binary(Binary::Or, up, down);
            let out = self.body.with(Binary::ShrU, turned, bits.into());
            (self.cut(turned, width), self.low_bit(out))
        } else {
            // From 1 on. The bits behind the carry: by one less than the width, less the count, and by one more.
            let last = self.body.number(ty(width), u64::from(bits) - 1);
            let before = self.body.with(Binary::Sub, n, 1);
            let rest = self.body.binary(Binary::Sub, last, before);
            let carry = if width == Width::W64 { self.body.unary(Unary::ExtendU, carry) } else { carry };
            let (there, back) = if left { (Binary::Shl, Binary::ShrU) } else { (Binary::ShrU, Binary::Shl) };
            let main = self.body.binary(there, a, n);
            let half = self.body.with(back, a, 1);
            let round = self.body.binary(back, half, rest);
            let at = if left { before } else { rest };
            let bit = self.body.binary(Binary::Shl, carry, at);
            let r = self.body.binary(Binary::Or, main, round);
            let r = self.body.binary(Binary::Or, r, bit);
            let r = if self.body.constant(n).is_none() {
                let any = self.low(n);
                self.body.select(any, r, a)
            } else {
                r
            };
            let out = self.body.binary(Binary::ShrU, a, if left { rest } else { before });
            (r, self.low_bit(out))
        };
        let of = if left {
            let sign = self.sign(bits, r);
            self.body.binary(Binary::Xor, cf, sign)
        } else {
            self.upper_differ(bits, r)
        };
        (r, self.with_carry_and_overflow(cf, of))
    }

    /// `shld` and `shrd`.
    pub(super) fn double_shift(&mut self, insn: &Insn) -> Done {
        let width = insn.width;
        let [to, from, by, ..] = &insn.operands;
        let Count { n, by } = self.count(by, width)?;
        let b = self.read(from, width)?;
        let (a, place) = self.read_to_change(to, width)?;
        let left = insn.op == Op::Shld;
        let bits = bits(width);
        let (r, cf) = if width == Width::W16 {
            self.double_shift16(a, b, n, left)
        } else {
            let (there, back) = if left { (Binary::Shl, Binary::ShrU) } else { (Binary::ShrU, Binary::Shl) };
            let main = self.body.binary(there, a, by);
            let filling = match self.body.constant(n) {
                Some(n) => self.body.with(back, b, (u64::from(bits) - n) % u64::from(bits)),
                // One, and the width less one less the count: nothing is left where the count is zero.
                None => {
                    let half = self.body.with(back, b, 1);
                    let rest = self.body.with(Binary::Xor, n, u64::from(bits) - 1);
                    self.body.binary(back, half, rest)
                }
            };
            let r = self.body.binary(Binary::Or, main, filling);
            let before = self.body.with(Binary::Sub, n, 1);
            let cf = if left {
                let out = self.body.binary(Binary::Shl, a, before);
                self.sign(bits, out)
            } else {
                let out = self.body.binary(Binary::ShrU, a, before);
                self.low_bit(out)
            };
            (r, cf)
        };
        let changed = self.body.binary(Binary::Xor, r, a);
        let of = self.sign(bits, changed);
        self.shifted(to, place, width, n, (r, Flags::Given { bits, r, cf, of }))
    }

    /// Counts above 16 are undefined: the bits of the destination follow those of the source, as processors do it.
    fn double_shift16(&mut self, a: Value, b: Value, n: Value, left: bool) -> (Value, Value) {
        let [a, b, n] = [a, b, n].map(|value| self.body.unary(Unary::ExtendU, value));
        let top = self.body.with(Binary::Shl, a, 32);
        let middle = self.body.with(Binary::Shl, b, 16);
        let all = self.body.binary(Binary::Or, top, middle);
        let all = self.body.binary(Binary::Or, all, a);
        let (r, out) = if left {
            let by = self.body.number(Type::I64, 32);
            let by = self.body.binary(Binary::Sub, by, n);
            let out = self.body.with(Binary::Add, by, 16);
            (by, out)
        } else {
            (n, self.body.with(Binary::Sub, n, 1))
        };
        let r = self.body.binary(Binary::ShrU, all, r);
        let r = self.body.unary(Unary::Wrap, r);
        let r = self.body.with(Binary::And, r, mask(Width::W16));
        let out = self.body.binary(Binary::ShrU, all, out);
        (r, self.low_bit(out))
    }
}
