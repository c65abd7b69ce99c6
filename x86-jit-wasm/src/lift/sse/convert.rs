//! Conversions between integers, singles and doubles.

use super::{Format, Lifter};
use crate::ir::{Binary, Type, Value, Wasm};
use crate::lift::batch::Count;
use crate::lift::{Done, Unsupported, width_of};
use x86_decode::{Insn, Op, Operand, Reg, Width};

/// How a number becomes an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rounding {
    Nearest,
    Truncate,
}

/// 2³¹ and 2⁶³: the least magnitudes that do not fit 32 and 64 bits.
const TWO_31: f32 = 2_147_483_648.0;
const TWO_63: f32 = TWO_31 * TWO_31 * 2.0;

impl Lifter {
    pub(super) fn sse_convert(&mut self, insn: &Insn) -> Option<Done> {
        use Format::{Double, Single};
        use Rounding::{Nearest, Truncate};
        Some(match insn.op {
            Op::Cvtsi2ss => self.integer_to_number(insn, Single),
            Op::Cvtsi2sd => self.integer_to_number(insn, Double),
            Op::Cvtss2si => self.number_to_integer(insn, Single, Nearest),
            Op::Cvtsd2si => self.number_to_integer(insn, Double, Nearest),
            Op::Cvttss2si => self.number_to_integer(insn, Single, Truncate),
            Op::Cvttsd2si => self.number_to_integer(insn, Double, Truncate),
            Op::Cvtss2sd => self.promote(insn),
            Op::Cvtsd2ss => self.demote(insn),
            Op::Cvtps2pd => self.promote_lanes(insn),
            Op::Cvtpd2ps => self.demote_lanes(insn),
            Op::Cvtdq2ps => {
                self.precise();
                self.integers_to_numbers(insn, Wasm::F32x4ConvertI32x4S)
            }
            // Exact.
            Op::Cvtdq2pd => self.integers_to_numbers(insn, Wasm::F64x2ConvertLowI32x4S),
            Op::Cvtps2dq => self.numbers_to_integers(insn, Single, Nearest),
            Op::Cvtpd2dq => self.numbers_to_integers(insn, Double, Nearest),
            Op::Cvttps2dq => self.numbers_to_integers(insn, Single, Truncate),
            Op::Cvttpd2dq => self.numbers_to_integers(insn, Double, Truncate),
            _ => return None,
        })
    }

    fn integer_to_number(&mut self, insn: &Insn, format: Format) -> Done {
        let [to, from, ..] = &insn.operands;
        let number = Self::xmm_number(to)?;
        let width = width_of(from, Width::W32);
        let exact = format == Format::Double && width == Width::W32;
        if !exact {
            self.precise();
        }
        let value = self.read(from, width)?;
        let op = match (width, format) {
            (Width::W64, Format::Single) => Wasm::F32ConvertI64S,
            (Width::W64, Format::Double) => Wasm::F64ConvertI64S,
            (_, Format::Single) => Wasm::F32ConvertI32S,
            (_, Format::Double) => Wasm::F64ConvertI32S,
        };
        let value = self.body.wasm1(op, value);
        self.set_scalar(number, format, value);
        Ok(())
    }

    fn integers_to_numbers(&mut self, insn: &Insn, op: Wasm) -> Done {
        self.combine(&insn.operands[0], &insn.operands[1], |lifter, _, b| lifter.body.wasm1(op, b))
    }

    /// Leaves where the integer does not fit, or is the least one.
    fn number_to_integer(&mut self, insn: &Insn, format: Format, rounding: Rounding) -> Done {
        let [Operand::Reg(to), from, ..] = &insn.operands else { return Err(Unsupported) };
        self.precise();
        let value = self.scalar_source(from, format)?;
        let body = &mut self.body;
        let value = match rounding {
            Rounding::Nearest => body.wasm1(format.of(Wasm::F32Nearest, Wasm::F64Nearest), value),
            Rounding::Truncate => value,
        };
        let wide = matches!(to, Reg::Gpr64(_));
        let limit = match (format, wide) {
            (Format::Single, false) => u64::from(TWO_31.to_bits()),
            (Format::Single, true) => u64::from(TWO_63.to_bits()),
            (Format::Double, false) => f64::from(TWO_31).to_bits(),
            (Format::Double, true) => f64::from(TWO_63).to_bits(),
        };
        let limit = body.number(format.ty(), limit);
        let magnitude = body.wasm1(format.of(Wasm::F32Abs, Wasm::F64Abs), value);
        let fits = body.wasm2(format.of(Wasm::F32Lt, Wasm::F64Lt), magnitude, limit);
        let bad = body.is_zero(fits);
        self.guard(bad);
        let op = match (format, wide) {
            (Format::Single, false) => Wasm::I32TruncSatF32S,
            (Format::Single, true) => Wasm::I64TruncSatF32S,
            (Format::Double, false) => Wasm::I32TruncSatF64S,
            (Format::Double, true) => Wasm::I64TruncSatF64S,
        };
        let value = self.body.wasm1(op, value);
        self.write_reg(*to, value)
    }

    fn numbers_to_integers(&mut self, insn: &Insn, format: Format, rounding: Rounding) -> Done {
        let [to, from, ..] = &insn.operands;
        let number = Self::xmm_number(to)?;
        self.precise();
        let value = self.xmm_source(from)?;
        let body = &mut self.body;
        let value = match rounding {
            Rounding::Nearest => body.wasm1(format.of(Wasm::F32x4Nearest, Wasm::F64x2Nearest), value),
            Rounding::Truncate => value,
        };
        let (limit, all) = match format {
            Format::Single => (u128::from(TWO_31.to_bits()) * 0x1_0000_0001_0000_0001_0000_0001, 15),
            Format::Double => (u128::from(f64::from(TWO_31).to_bits()) * 0x1_0000_0000_0000_0001, 3),
        };
        let limit = body.vector(limit);
        let magnitude = body.wasm1(format.of(Wasm::F32x4Abs, Wasm::F64x2Abs), value);
        let fits = body.wasm2(format.of(Wasm::F32x4Lt, Wasm::F64x2Lt), magnitude, limit);
        let fits = body.wasm1(format.of(Wasm::I32x4Bitmask, Wasm::I64x2Bitmask), fits);
        let bad = body.with(Binary::Xor, fits, all);
        self.guard(bad);
        let op = format.of(Wasm::I32x4TruncSatF32x4S, Wasm::I32x4TruncSatF64x2SZero);
        let value = self.body.wasm1(op, value);
        self.set_xmm(number, value);
        Ok(())
    }

    /// Exact, but for what is reported of NaNs.
    fn promote(&mut self, insn: &Insn) -> Done {
        let [to, from, ..] = &insn.operands;
        let number = Self::xmm_number(to)?;
        self.precise();
        let value = self.scalar_source(from, Format::Single)?;
        let r = self.body.wasm1(Wasm::F64PromoteF32, value);
        self.told(&[value], Format::Single);
        self.finite(r, &[], Count::Scalar, Format::Double);
        self.set_scalar(number, Format::Double, r);
        Ok(())
    }

    fn demote(&mut self, insn: &Insn) -> Done {
        let [to, from, ..] = &insn.operands;
        let number = Self::xmm_number(to)?;
        self.precise();
        let value = self.scalar_source(from, Format::Double)?;
        let r = self.body.wasm1(Wasm::F32DemoteF64, value);
        self.told(&[value], Format::Double);
        let first = self.at_an_end(r, Format::Single);
        let second = self.not_zero(value);
        self.guard_both(first, second);
        self.set_scalar(number, Format::Single, r);
        Ok(())
    }

    fn not_zero(&mut self, value: Value) -> Value {
        let zero = self.body.number(Type::F64, 0);
        self.body.wasm2(Wasm::F64Ne, value, zero)
    }

    fn promote_lanes(&mut self, insn: &Insn) -> Done {
        let [to, from, ..] = &insn.operands;
        let number = Self::xmm_number(to)?;
        self.precise();
        let value = self.xmm_source(from)?;
        let r = self.body.wasm1(Wasm::F64x2PromoteLowF32x4, value);
        self.finite(r, &[], Count::Packed, Format::Double);
        self.set_xmm(number, r);
        Ok(())
    }

    fn demote_lanes(&mut self, insn: &Insn) -> Done {
        let [to, from, ..] = &insn.operands;
        let number = Self::xmm_number(to)?;
        self.precise();
        let value = self.xmm_source(from)?;
        let r = self.body.wasm1(Wasm::F32x4DemoteF64x2Zero, value);
        // The masks of two lanes of 64 bits, as those of two of 32.
        let zero = self.body.vector(0);
        let none = self.body.wasm2(Wasm::F64x2Eq, value, zero);
        let from_zero = self.body.shuffle(super::integer::EVENS_32, none, zero);
        self.normal_lanes(r, from_zero, Format::Single, 3);
        self.set_xmm(number, r);
        Ok(())
    }
}
