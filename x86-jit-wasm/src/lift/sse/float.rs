//! Floating-point arithmetic and comparison.
//!
//! What MXCSR has to be for code to compute itself is checked before the first operation of a block. From then on a result
//! tells whether anything has to be reported (SDM vol. 1 §4.9, §11.5): a sum that is finite is exact or its inexactness has
//! been reported before, as a denormal sum is exact; a product or quotient is besides neither denormal nor, but for an operand
//! that makes it so, zero. Every other operation is left to the interpreter, which makes NaNs too.
//!
//! One thing is missed: DE, where an operand is denormal and the result tells nothing.

use super::integer::{EVENS_32, ODDS_32};
use super::{Format, Lifter};
use crate::ir::{Binary, Expr, Step, Type, Value, Wasm};
use crate::layout::AT_AN_END;
use crate::lift::Done;
use crate::lift::batch::Count;
use crate::lift::flags::Flags;
use x86_decode::{Insn, Op, Operand};

/// Arithmetic on two operands, or on the second alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arithmetic {
    Add,
    Sub,
    Mul,
    Div,
    Sqrt,
    Min,
    Max,
}

fn arithmetic(op: Op) -> Option<(Arithmetic, Format, Count)> {
    use Arithmetic::*;
    use Count::*;
    use Format::*;
    Some(match op {
        Op::Addss => (Add, Single, Scalar),
        Op::Addsd => (Add, Double, Scalar),
        Op::Addps => (Add, Single, Packed),
        Op::Addpd => (Add, Double, Packed),
        Op::Subss => (Sub, Single, Scalar),
        Op::Subsd => (Sub, Double, Scalar),
        Op::Subps => (Sub, Single, Packed),
        Op::Subpd => (Sub, Double, Packed),
        Op::Mulss => (Mul, Single, Scalar),
        Op::Mulsd => (Mul, Double, Scalar),
        Op::Mulps => (Mul, Single, Packed),
        Op::Mulpd => (Mul, Double, Packed),
        Op::Divss => (Div, Single, Scalar),
        Op::Divsd => (Div, Double, Scalar),
        Op::Divps => (Div, Single, Packed),
        Op::Divpd => (Div, Double, Packed),
        Op::Sqrtss => (Sqrt, Single, Scalar),
        Op::Sqrtsd => (Sqrt, Double, Scalar),
        Op::Sqrtps => (Sqrt, Single, Packed),
        Op::Sqrtpd => (Sqrt, Double, Packed),
        Op::Minss => (Min, Single, Scalar),
        Op::Minsd => (Min, Double, Scalar),
        Op::Minps => (Min, Single, Packed),
        Op::Minpd => (Min, Double, Packed),
        Op::Maxss => (Max, Single, Scalar),
        Op::Maxsd => (Max, Double, Scalar),
        Op::Maxps => (Max, Single, Packed),
        Op::Maxpd => (Max, Double, Packed),
        _ => return None,
    })
}

/// The comparison of an immediate of `cmpps` and its like, and whether the result is its complement (SDM vol. 2, CMPPD,
/// table 3-1). None: of no numbers, which cannot be where neither operand is a NaN.
fn predicate(imm: u8, format: Format) -> (Option<Wasm>, bool) {
    let op = match imm & 3 {
        0 => format.of(Wasm::F32x4Eq, Wasm::F64x2Eq),
        1 => format.of(Wasm::F32x4Lt, Wasm::F64x2Lt),
        2 => format.of(Wasm::F32x4Le, Wasm::F64x2Le),
        _ => return (None, imm & 4 != 0),
    };
    match (imm & 7, op) {
        (4, _) => (Some(format.of(Wasm::F32x4Ne, Wasm::F64x2Ne)), false),
        (5, _) => (Some(format.of(Wasm::F32x4Ge, Wasm::F64x2Ge)), false),
        (6, _) => (Some(format.of(Wasm::F32x4Gt, Wasm::F64x2Gt)), false),
        (_, op) => (Some(op), false),
    }
}

impl Lifter {
    pub(super) fn sse_float(&mut self, insn: &Insn) -> Option<Done> {
        use Format::{Double, Single};
        if let Some((op, format, count)) = arithmetic(insn.op) {
            return Some(match count {
                Count::Scalar => self.scalar_arithmetic(insn, op, format),
                Count::Packed => self.packed_arithmetic(insn, op, format),
            });
        }
        Some(match insn.op {
            Op::Haddps => self.horizontal(insn, Single, Wasm::F32x4Add),
            Op::Hsubps => self.horizontal(insn, Single, Wasm::F32x4Sub),
            Op::Haddpd => self.horizontal(insn, Double, Wasm::F64x2Add),
            Op::Hsubpd => self.horizontal(insn, Double, Wasm::F64x2Sub),
            Op::Addsubps => self.add_subtract(insn, Single),
            Op::Addsubpd => self.add_subtract(insn, Double),
            Op::Cmpss => self.compare_scalar(insn, Single),
            Op::Cmpsd => self.compare_scalar(insn, Double),
            Op::Cmpps => self.compare_packed(insn, Single),
            Op::Cmppd => self.compare_packed(insn, Double),
            Op::Comiss | Op::Ucomiss => self.compare_to_flags(insn, Single),
            Op::Comisd | Op::Ucomisd => self.compare_to_flags(insn, Double),
            Op::Roundss => self.round_scalar(insn, Single),
            Op::Roundsd => self.round_scalar(insn, Double),
            Op::Roundps => self.round_packed(insn, Single),
            Op::Roundpd => self.round_packed(insn, Double),
            _ => return None,
        })
    }

    /// Leaves unless MXCSR is such that code computes itself.
    pub(super) fn precise(&mut self) {
        if !self.precise {
            let imprecise = self.body.value(Type::I32, Expr::Imprecise);
            self.guard(imprecise);
            self.precise = true;
        }
    }

    pub(super) fn guard_both(&mut self, first: Value, second: Value) {
        let origin = self.origin();
        self.body.steps.push(Step::GuardBoth { first, second, origin });
    }

    /// Whether a number is a NaN or infinite: 0 or 1.
    pub(in crate::lift) fn not_finite(&mut self, r: Value, format: Format) -> Value {
        let body = &mut self.body;
        // Its exponent is all ones.
        let (bits, mask) = match format {
            Format::Single => (body.wasm1(Wasm::I32ReinterpretF32, r), 0x7f80_0000),
            Format::Double => (body.wasm1(Wasm::I64ReinterpretF64, r), 0x7ff << 52),
        };
        let missing = body.with(Binary::Xor, bits, u64::MAX);
        let missing = body.with(Binary::And, missing, mask);
        body.is_zero(missing)
    }

    /// The same of each lane, as bits.
    pub(in crate::lift) fn lanes_not_finite(&mut self, r: Value, format: Format) -> Value {
        let gone = self.body.wasm2(format.of(Wasm::F32x4Sub, Wasm::F64x2Sub), r, r);
        self.no_numbers(gone, format)
    }

    /// Lanes that are NaNs, as bits.
    fn no_numbers(&mut self, v: Value, format: Format) -> Value {
        let bad = self.body.wasm2(format.of(Wasm::F32x4Ne, Wasm::F64x2Ne), v, v);
        self.body.wasm1(format.of(Wasm::I32x4Bitmask, Wasm::I64x2Bitmask), bad)
    }

    /// Leaves if one of two numbers is a NaN, or both are infinite with the same sign.
    fn ordered(&mut self, a: Value, b: Value, format: Format) {
        let body = &mut self.body;
        let gap = body.wasm2(format.of(Wasm::F32Sub, Wasm::F64Sub), a, b);
        let bad = body.wasm2(format.of(Wasm::F32Ne, Wasm::F64Ne), gap, gap);
        self.guard(bad);
    }

    /// 1 where the exponent of a number is at one of the two ends, else 0: it is zero, denormal, infinite, a NaN, or among the smallest normal numbers, as
    /// the smallest of all may be what a denormal result has been rounded up to, which is reported (SDM vol. 1 §4.9.1.5).
    pub(super) fn at_an_end(&mut self, r: Value, format: Format) -> Value {
        let body = &mut self.body;
        // The exponent plus 1 is 0 to 3, modulo its range.
        let (bits, one, mask) = match format {
            Format::Single => (body.wasm1(Wasm::I32ReinterpretF32, r), 1 << 23, 0x7e00_0000),
            Format::Double => (body.wasm1(Wasm::I64ReinterpretF64, r), 1 << 52, 0x7fc << 52),
        };
        let next = body.with(Binary::Add, bits, one);
        let next = body.with(Binary::And, next, mask);
        body.is_zero(next)
    }

    /// The same of each lane, as bits.
    fn lanes_at_an_end(&mut self, r: Value, format: Format) -> Value {
        let body = &mut self.body;
        let [double, single] = AT_AN_END;
        let bits = if matches!(format, Format::Single) { single } else { double };
        let [one, mask] = bits.map(|bits| body.vector(bits));
        let zero = body.vector(0);
        match format {
            Format::Single => {
                let next = body.wasm2(Wasm::I32x4Add, r, one);
                let next = body.wasm2(Wasm::V128And, next, mask);
                let bad = body.wasm2(Wasm::I32x4Eq, next, zero);
                body.wasm1(Wasm::I32x4Bitmask, bad)
            }
            Format::Double => {
                let next = body.wasm2(Wasm::I64x2Add, r, one);
                let next = body.wasm2(Wasm::V128And, next, mask);
                let bad = body.wasm2(Wasm::I64x2Eq, next, zero);
                body.wasm1(Wasm::I64x2Bitmask, bad)
            }
        }
    }

    /// Leaves unless a result is normal, or is a zero that comes from a zero: of one of `sources`, which are finite then.
    pub(super) fn normal(&mut self, r: Value, sources: &[Value], format: Format) {
        self.told(sources, format);
        let first = self.at_an_end(r, format);
        let zero = self.body.number(format.ty(), 0);
        let equal = format.of(Wasm::F32Eq, Wasm::F64Eq);
        let none = self.body.number(Type::I32, 0);
        let from_zero = sources.iter().fold(none, |all, source| {
            let is = self.body.wasm2(equal, *source, zero);
            self.body.binary(Binary::Or, all, is)
        });
        let is = self.body.wasm2(equal, r, zero);
        let well = self.body.binary(Binary::And, is, from_zero);
        let second = self.body.is_zero(well);
        self.guard_both(first, second);
    }

    /// The same of the lanes of which `counts` has a bit.
    pub(super) fn normal_lanes(&mut self, r: Value, from_zero: Value, format: Format, counts: u64) {
        let first = self.lanes_at_an_end(r, format);
        let body = &mut self.body;
        let first = body.with(Binary::And, first, counts);
        let zero = body.vector(0);
        let equal = format.of(Wasm::F32x4Eq, Wasm::F64x2Eq);
        let mask = format.of(Wasm::I32x4Bitmask, Wasm::I64x2Bitmask);
        let is = body.wasm2(equal, r, zero);
        let well = body.wasm2(Wasm::V128And, is, from_zero);
        let well = body.wasm1(mask, well);
        // All of those at an end are such zeros.
        let well = body.with(Binary::Xor, well, u64::MAX);
        let second = body.binary(Binary::And, first, well);
        self.guard_both(first, second);
    }

    /// Lanes of which one of the two is zero.
    fn zero_lanes(&mut self, sources: &[Value], format: Format) -> Value {
        let zero = self.body.vector(0);
        let equal = format.of(Wasm::F32x4Eq, Wasm::F64x2Eq);
        sources.iter().fold(zero, |all, source| {
            let is = self.body.wasm2(equal, *source, zero);
            self.body.wasm2(Wasm::V128Or, all, is)
        })
    }

    fn scalar_arithmetic(&mut self, insn: &Insn, op: Arithmetic, format: Format) -> Done {
        let [to, from, ..] = &insn.operands;
        let number = Self::xmm_number(to)?;
        self.precise();
        if matches!(op, Arithmetic::Min | Arithmetic::Max) {
            return self.scalar_extreme(number, from, op, format);
        }
        let b = self.scalar_source(from, format)?;
        let whole = self.xmm(number);
        let a = self.body.extract(format.shape(), 0, whole);
        let mut two = |single, double| self.body.wasm2(format.of(single, double), a, b);
        let r = match op {
            Arithmetic::Add => two(Wasm::F32Add, Wasm::F64Add),
            Arithmetic::Sub => two(Wasm::F32Sub, Wasm::F64Sub),
            Arithmetic::Mul => two(Wasm::F32Mul, Wasm::F64Mul),
            Arithmetic::Div => two(Wasm::F32Div, Wasm::F64Div),
            _ => self.body.wasm1(format.of(Wasm::F32Sqrt, Wasm::F64Sqrt), b),
        };
        match op {
            Arithmetic::Mul => self.normal(r, &[a, b], format),
            Arithmetic::Div => self.normal(r, &[a], format),
            Arithmetic::Sqrt => self.finite(r, &[b], Count::Scalar, format),
            _ => self.finite(r, &[a, b], Count::Scalar, format),
        }
        self.set_scalar(number, format, r);
        Ok(())
    }

    /// `min` and `max`, done on all lanes: that is one machine instruction.
    fn scalar_extreme(&mut self, number: u8, from: &Operand, op: Arithmetic, format: Format) -> Done {
        let b = self.xmm_source(from)?;
        let a = self.xmm(number);
        let lane = |lifter: &mut Lifter, v| lifter.body.extract(format.shape(), 0, v);
        let (low_a, low_b) = (lane(self, a), lane(self, b));
        self.ordered(low_a, low_b, format);
        let r = self.extreme(op, a, b, format);
        let low = lane(self, r);
        self.set_scalar(number, format, low);
        Ok(())
    }

    /// The second where the two are equal. `pmin(x, y)` is y if y < x, else x.
    fn extreme(&mut self, op: Arithmetic, a: Value, b: Value, format: Format) -> Value {
        let op = match op {
            Arithmetic::Min => format.of(Wasm::F32x4Pmin, Wasm::F64x2Pmin),
            _ => format.of(Wasm::F32x4Pmax, Wasm::F64x2Pmax),
        };
        self.body.wasm2(op, b, a)
    }

    fn packed_arithmetic(&mut self, insn: &Insn, op: Arithmetic, format: Format) -> Done {
        let [to, from, ..] = &insn.operands;
        let number = Self::xmm_number(to)?;
        self.precise();
        let b = self.xmm_source(from)?;
        let a = self.xmm(number);
        let mut two = |single, double| self.body.wasm2(format.of(single, double), a, b);
        let r = match op {
            Arithmetic::Add => two(Wasm::F32x4Add, Wasm::F64x2Add),
            Arithmetic::Sub => two(Wasm::F32x4Sub, Wasm::F64x2Sub),
            Arithmetic::Mul => two(Wasm::F32x4Mul, Wasm::F64x2Mul),
            Arithmetic::Div => two(Wasm::F32x4Div, Wasm::F64x2Div),
            Arithmetic::Sqrt => self.body.wasm1(format.of(Wasm::F32x4Sqrt, Wasm::F64x2Sqrt), b),
            Arithmetic::Min | Arithmetic::Max => self.extreme(op, a, b, format),
        };
        match op {
            Arithmetic::Add | Arithmetic::Sub => self.finite(r, &[a, b], Count::Packed, format),
            Arithmetic::Sqrt => self.finite(r, &[b], Count::Packed, format),
            Arithmetic::Mul => {
                let from_zero = self.zero_lanes(&[a, b], format);
                self.told(&[a, b], format);
                self.normal_lanes(r, from_zero, format, 15);
            }
            Arithmetic::Div => {
                let from_zero = self.zero_lanes(&[a], format);
                self.told(&[a], format);
                self.normal_lanes(r, from_zero, format, 15);
            }
            Arithmetic::Min | Arithmetic::Max => self.ordered_lanes(a, b, format),
        }
        self.set_xmm(number, r);
        Ok(())
    }

    fn ordered_lanes(&mut self, a: Value, b: Value, format: Format) {
        let gap = self.body.wasm2(format.of(Wasm::F32x4Sub, Wasm::F64x2Sub), a, b);
        let bad = self.no_numbers(gap, format);
        self.guard(bad);
    }

    fn horizontal(&mut self, insn: &Insn, format: Format, op: Wasm) -> Done {
        let [to, from, ..] = &insn.operands;
        let number = Self::xmm_number(to)?;
        self.precise();
        let b = self.xmm_source(from)?;
        let a = self.xmm(number);
        let (even, odd) = match format {
            Format::Single => (EVENS_32, ODDS_32),
            Format::Double => (
                core::array::from_fn(|n| n as u8 + if n < 8 { 0 } else { 8 }),
                core::array::from_fn(|n| n as u8 + if n < 8 { 8 } else { 16 }),
            ),
        };
        let r = super::integer::neighbours(self, a, b, even, odd, op);
        self.finite(r, &[], Count::Packed, format);
        self.set_xmm(number, r);
        Ok(())
    }

    /// Even lanes are subtracted: added with the other sign.
    fn add_subtract(&mut self, insn: &Insn, format: Format) -> Done {
        let [to, from, ..] = &insn.operands;
        let number = Self::xmm_number(to)?;
        self.precise();
        let b = self.xmm_source(from)?;
        let a = self.xmm(number);
        let signs = match format {
            Format::Single => 0x8000_0000_0000_0000_8000_0000,
            Format::Double => 1 << 63,
        };
        let signs = self.body.vector(signs);
        let b = self.body.wasm2(Wasm::V128Xor, b, signs);
        let r = self.body.wasm2(format.of(Wasm::F32x4Add, Wasm::F64x2Add), a, b);
        self.finite(r, &[], Count::Packed, format);
        self.set_xmm(number, r);
        Ok(())
    }

    /// The mask of a comparison.
    fn compared(&mut self, imm: u8, a: Value, b: Value, format: Format) -> Value {
        match predicate(imm, format) {
            (Some(op), _) => self.body.wasm2(op, a, b),
            (None, holds) => self.body.vector(if holds { u128::MAX } else { 0 }),
        }
    }

    fn compare_scalar(&mut self, insn: &Insn, format: Format) -> Done {
        let [to, from, imm, ..] = &insn.operands;
        let (number, imm) = (Self::xmm_number(to)?, Self::immediate(imm)?);
        self.precise();
        let b = self.xmm_source(from)?;
        let a = self.xmm(number);
        let (low_a, low_b) =
            (self.body.extract(format.shape(), 0, a), self.body.extract(format.shape(), 0, b));
        self.ordered(low_a, low_b, format);
        let mask = self.compared(imm, a, b, format);
        let low = self.body.extract(format.shape(), 0, mask);
        self.set_scalar(number, format, low);
        Ok(())
    }

    fn compare_packed(&mut self, insn: &Insn, format: Format) -> Done {
        let [to, from, imm, ..] = &insn.operands;
        let (number, imm) = (Self::xmm_number(to)?, Self::immediate(imm)?);
        self.precise();
        let b = self.xmm_source(from)?;
        let a = self.xmm(number);
        self.ordered_lanes(a, b, format);
        let mask = self.compared(imm, a, b, format);
        self.set_xmm(number, mask);
        Ok(())
    }

    fn compare_to_flags(&mut self, insn: &Insn, format: Format) -> Done {
        let [first, from, ..] = &insn.operands;
        self.precise();
        let b = self.scalar_source(from, format)?;
        let a = self.scalar_source(first, format)?;
        self.ordered(a, b, format);
        let mut compare = |single, double| self.body.wasm2(format.of(single, double), a, b);
        self.flags = Flags::Order {
            zf: compare(Wasm::F32Eq, Wasm::F64Eq),
            cf: compare(Wasm::F32Lt, Wasm::F64Lt),
            below_or_equal: compare(Wasm::F32Le, Wasm::F64Le),
            above: compare(Wasm::F32Gt, Wasm::F64Gt),
            not_below: compare(Wasm::F32Ge, Wasm::F64Ge),
        };
        Ok(())
    }

    fn round_scalar(&mut self, insn: &Insn, format: Format) -> Done {
        let [to, from, imm, ..] = &insn.operands;
        let (number, imm) = (Self::xmm_number(to)?, Self::immediate(imm)?);
        self.precise();
        let b = self.scalar_source(from, format)?;
        let op = match (imm & 7, format) {
            (0 | 4.., Format::Single) => Wasm::F32Nearest,
            (1, Format::Single) => Wasm::F32Floor,
            (2, Format::Single) => Wasm::F32Ceil,
            (_, Format::Single) => Wasm::F32Trunc,
            (0 | 4.., Format::Double) => Wasm::F64Nearest,
            (1, Format::Double) => Wasm::F64Floor,
            (2, Format::Double) => Wasm::F64Ceil,
            (_, Format::Double) => Wasm::F64Trunc,
        };
        let r = self.body.wasm1(op, b);
        self.finite(r, &[b], Count::Scalar, format);
        self.set_scalar(number, format, r);
        Ok(())
    }

    fn round_packed(&mut self, insn: &Insn, format: Format) -> Done {
        let [to, from, imm, ..] = &insn.operands;
        let (number, imm) = (Self::xmm_number(to)?, Self::immediate(imm)?);
        self.precise();
        let b = self.xmm_source(from)?;
        let op = match (imm & 7, format) {
            (0 | 4.., Format::Single) => Wasm::F32x4Nearest,
            (1, Format::Single) => Wasm::F32x4Floor,
            (2, Format::Single) => Wasm::F32x4Ceil,
            (_, Format::Single) => Wasm::F32x4Trunc,
            (0 | 4.., Format::Double) => Wasm::F64x2Nearest,
            (1, Format::Double) => Wasm::F64x2Floor,
            (2, Format::Double) => Wasm::F64x2Ceil,
            (_, Format::Double) => Wasm::F64x2Trunc,
        };
        let r = self.body.wasm1(op, b);
        self.finite(r, &[], Count::Packed, format);
        self.set_xmm(number, r);
        Ok(())
    }
}
