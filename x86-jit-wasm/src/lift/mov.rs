//! Moves: registers, memory, sign extensions.

use super::{Done, Lifter, Unsupported, bits, ty, width_of};
use crate::ir::{Binary, Type, Unary, Value};
use x86_decode::{Insn, Op, Operand, Reg, Width};

const RAX: u8 = 0;
const RDX: u8 = 2;

/// A general register of that width.
pub(super) fn register(number: u8, width: Width) -> Reg {
    match width {
        Width::W8 => Reg::Gpr8(number),
        Width::W16 => Reg::Gpr16(number),
        Width::W32 => Reg::Gpr32(number),
        Width::W64 => Reg::Gpr64(number),
    }
}

impl Lifter {
    pub(super) fn mov(&mut self, insn: &Insn) -> Done {
        let [to, from, ..] = &insn.operands;
        let width = width_of(to, insn.width);
        let source = match insn.op {
            Op::Mov => width,
            _ => width_of(from, Width::W32),
        };
        let value = self.read(from, source)?;
        let value = self.resize(value, source, width, matches!(insn.op, Op::Movsx | Op::Movsxd));
        self.write(to, value, width)
    }

    /// From one width to one at least as large.
    fn resize(&mut self, value: Value, from: Width, to: Width, signed: bool) -> Value {
        if from == to {
            return value;
        }
        let value = if signed { self.signed(bits(from), value) } else { value };
        match (ty(from), ty(to), signed) {
            (Type::I32, Type::I64, true) => self.body.unary(Unary::ExtendS, value),
            (Type::I32, Type::I64, false) => self.body.unary(Unary::ExtendU, value),
            _ => self.cut(value, to),
        }
    }

    pub(super) fn lea(&mut self, insn: &Insn) -> Done {
        let [to, Operand::Mem(mem), ..] = &insn.operands else { return Err(Unsupported) };
        let offset = self.offset(mem)?;
        let value = if insn.width == Width::W64 { offset } else { self.low(offset) };
        let value = self.cut(value, insn.width);
        self.write(to, value, insn.width)
    }

    pub(super) fn extend_accumulator(&mut self, insn: &Insn) -> Done {
        let (from, to) = match insn.op {
            Op::Cbw => (Width::W8, Width::W16),
            Op::Cwde => (Width::W16, Width::W32),
            _ => (Width::W32, Width::W64),
        };
        let value = self.read_reg(register(RAX, from))?;
        let value = self.resize(value, from, to, true);
        self.write_reg(register(RAX, to), value)
    }

    pub(super) fn sign_to_data(&mut self, insn: &Insn) -> Done {
        let width = match insn.op {
            Op::Cwd => Width::W16,
            Op::Cdq => Width::W32,
            _ => Width::W64,
        };
        let value = self.read_reg(register(RAX, width))?;
        let value = self.signed(bits(width), value);
        let last = if width == Width::W64 { 63 } else { 31 };
        let sign = self.body.with(Binary::ShrS, value, last);
        let sign = self.cut(sign, width);
        self.write_reg(register(RDX, width), sign)
    }
}
