//! SSE to SSE4.2 on XMM registers.
//!
//! Instructions that few programs use, or that WebAssembly has nothing like, are left to the interpreter.

mod convert;
mod float;
mod integer;
mod moves;
mod shuffle;

use super::{Done, Lifter, Unsupported};
use crate::ir::{Expr, Shape, Step, Type, Value, Wasm};
use x86_decode::{Insn, Mem, Operand, Reg};

/// One of the two formats of floating-point numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Single,
    Double,
}

impl Format {
    fn bytes(self) -> u8 {
        match self {
            Format::Single => 4,
            Format::Double => 8,
        }
    }

    fn ty(self) -> Type {
        self.shape().ty()
    }

    fn shape(self) -> Shape {
        match self {
            Format::Single => Shape::F32x4,
            Format::Double => Shape::F64x2,
        }
    }

    /// The operation of this format.
    fn of(self, single: Wasm, double: Wasm) -> Wasm {
        match self {
            Format::Single => single,
            Format::Double => double,
        }
    }
}

impl Lifter {
    /// All that works on XMM registers.
    pub(super) fn sse(&mut self, insn: &Insn) -> Done {
        if insn.operands.iter().any(|operand| matches!(operand, Operand::Reg(Reg::Mm(_) | Reg::Ymm(_))))
            || insn.row.map.is_vex()
        {
            return Err(Unsupported);
        }
        for lift in [
            Lifter::sse_move,
            Lifter::sse_integer,
            Lifter::sse_shuffle,
            Lifter::sse_float,
            Lifter::sse_convert,
        ] {
            if let Some(done) = lift(self, insn) {
                return done;
            }
        }
        Err(Unsupported)
    }

    fn xmm(&mut self, number: u8) -> Value {
        let slot = usize::from(number & 15);
        match self.xmms[slot] {
            Some(value) => value,
            None => {
                let value = self.body.value(Type::V128, Expr::Xmm(number & 15));
                self.xmms[slot] = Some(value);
                value
            }
        }
    }

    fn set_xmm(&mut self, number: u8, value: Value) {
        self.xmms[usize::from(number & 15)] = Some(value);
        self.change_register(Step::SetXmm(number & 15, value));
    }

    /// Number of the register that an operand is.
    fn xmm_number(operand: &Operand) -> Result<u8, Unsupported> {
        match operand {
            Operand::Reg(Reg::Xmm(number)) => Ok(*number),
            _ => Err(Unsupported),
        }
    }

    /// Loads bytes as a value of a type.
    fn load_as(&mut self, ty: Type, addr: Value, bytes: u8) -> Value {
        let to = self.body.value(ty, Expr::Loaded);
        if bytes < 8 && matches!(ty, Type::I32 | Type::I64) {
            self.body.bound(to, u64::MAX >> (64 - 8 * u32::from(bytes)));
        }
        let origin = self.origin();
        self.body.steps.push(Step::Load { to, addr, bytes, origin });
        to
    }

    fn store_as(&mut self, addr: Value, value: Value, bytes: u8) {
        self.end_batch();
        let origin = self.origin();
        self.body.steps.push(Step::Store { addr, value, bytes, origin });
    }

    /// Leaves if an address is not that of 16 aligned bytes (SDM vol. 1 §4.1.1).
    fn aligned(&mut self, addr: Value) {
        let known =
            |step: &Step| matches!(step, Step::Aligned { addr: other, .. } if self.body.near(*other, addr));
        if self.body.steps.iter().any(known) {
            return;
        }
        let origin = self.origin();
        self.body.steps.push(Step::Aligned { addr, origin });
    }

    /// A source: a register, 16 aligned bytes, or fewer, zero-extended.
    fn xmm_source(&mut self, operand: &Operand) -> Result<Value, Unsupported> {
        match operand {
            Operand::Reg(Reg::Xmm(number)) => Ok(self.xmm(*number)),
            Operand::Mem(mem) => self.xmm_load(mem),
            _ => Err(Unsupported),
        }
    }

    fn xmm_load(&mut self, mem: &Mem) -> Result<Value, Unsupported> {
        let addr = self.address(mem)?;
        match mem.size {
            16 => self.aligned(addr),
            4 | 8 => {}
            2 => {
                let word = self.load_as(Type::I32, addr, 2);
                let zero = self.body.vector(0);
                return Ok(self.body.replace(Shape::I32x4, 0, zero, word));
            }
            _ => return Err(Unsupported),
        }
        Ok(self.load_as(Type::V128, addr, mem.size as u8))
    }

    /// The lower lane of a source as a number.
    fn scalar_source(&mut self, operand: &Operand, format: Format) -> Result<Value, Unsupported> {
        match operand {
            Operand::Reg(Reg::Xmm(number)) => {
                let vector = self.xmm(*number);
                Ok(self.body.extract(format.shape(), 0, vector))
            }
            Operand::Mem(mem) => {
                let addr = self.address(mem)?;
                Ok(self.load_as(format.ty(), addr, format.bytes()))
            }
            _ => Err(Unsupported),
        }
    }

    /// Changes the lower lane of a register.
    fn set_scalar(&mut self, number: u8, format: Format, value: Value) {
        let vector = self.xmm(number);
        let vector = self.body.replace(format.shape(), 0, vector, value);
        self.set_xmm(number, vector);
    }

    fn immediate(operand: &Operand) -> Result<u8, Unsupported> {
        match operand {
            Operand::Imm(n) => Ok(*n as u8),
            _ => Err(Unsupported),
        }
    }
}
