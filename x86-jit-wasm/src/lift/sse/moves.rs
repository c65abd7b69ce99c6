//! Moves between memory, general and XMM registers.

use super::{Format, Lifter};
use crate::ir::{Expr, Shape, Type, Unary, Value, Wasm};
use crate::lift::{Done, Unsupported};
use x86_decode::{Insn, Op, Operand, Reg, Width};

impl Lifter {
    pub(super) fn sse_move(&mut self, insn: &Insn) -> Option<Done> {
        Some(match insn.op {
            Op::Movaps | Op::Movapd | Op::Movdqa | Op::Movntps | Op::Movntpd | Op::Movntdq | Op::Movntdqa => {
                self.move_whole(insn, true)
            }
            Op::Movups | Op::Movupd | Op::Movdqu | Op::Lddqu => self.move_whole(insn, false),
            Op::Movss => self.move_scalar(insn, Format::Single),
            Op::Movsd => self.move_scalar(insn, Format::Double),
            Op::Movlps | Op::Movlpd => self.move_half(insn, 0),
            Op::Movhps | Op::Movhpd => self.move_half(insn, 1),
            Op::Movd => self.move_element(insn, Shape::I32x4),
            Op::Movq => self.move_element(insn, Shape::I64x2),
            Op::Movmskps => self.signs(insn, Wasm::I32x4Bitmask),
            Op::Movmskpd => self.signs(insn, Wasm::I64x2Bitmask),
            Op::Pmovmskb => self.signs(insn, Wasm::I8x16Bitmask),
            Op::Pextrb => self.extract_element(insn, Shape::I8x16),
            Op::Pextrw => self.extract_element(insn, Shape::I16x8),
            Op::Pextrd | Op::Extractps => self.extract_element(insn, Shape::I32x4),
            Op::Pextrq => self.extract_element(insn, Shape::I64x2),
            Op::Pinsrb => self.insert_element(insn, Shape::I8x16),
            Op::Pinsrw => self.insert_element(insn, Shape::I16x8),
            Op::Pinsrd => self.insert_element(insn, Shape::I32x4),
            Op::Pinsrq => self.insert_element(insn, Shape::I64x2),
            Op::Movnti => self.move_general(insn),
            Op::Stmxcsr => self.store_control(insn),
            // Of x87 it is the one that programs without x87 execute: it tells `printf` the rounding.
            _ => return None,
        })
    }

    /// All 16 bytes; in memory they must be aligned if the instruction says so.
    fn move_whole(&mut self, insn: &Insn, aligned: bool) -> Done {
        let [to, from, ..] = &insn.operands;
        match (to, from) {
            (Operand::Mem(mem), Operand::Reg(Reg::Xmm(number))) => {
                let addr = self.address(mem)?;
                if aligned {
                    self.aligned(addr);
                }
                let value = self.xmm(*number);
                self.store_as(addr, value, 16);
            }
            (Operand::Reg(Reg::Xmm(number)), Operand::Mem(mem)) => {
                let addr = self.address(mem)?;
                if aligned {
                    self.aligned(addr);
                }
                let value = self.load_as(Type::V128, addr, 16);
                self.set_xmm(*number, value);
            }
            _ => {
                let number = Self::xmm_number(to)?;
                let value = self.xmm(Self::xmm_number(from)?);
                self.set_xmm(number, value);
            }
        }
        Ok(())
    }

    /// Between registers the rest stays; from memory it is cleared.
    fn move_scalar(&mut self, insn: &Insn, format: Format) -> Done {
        let [to, from, ..] = &insn.operands;
        match (to, from) {
            (Operand::Mem(mem), _) => {
                let addr = self.address(mem)?;
                let value = self.scalar_source(from, format)?;
                self.store_as(addr, value, format.bytes());
            }
            (_, Operand::Mem(mem)) => {
                let number = Self::xmm_number(to)?;
                let value = self.xmm_load(mem)?;
                self.set_xmm(number, value);
            }
            _ => {
                let number = Self::xmm_number(to)?;
                let value = self.scalar_source(from, format)?;
                self.set_scalar(number, format, value);
            }
        }
        Ok(())
    }

    /// Half a register from or to memory.
    fn move_half(&mut self, insn: &Insn, lane: u8) -> Done {
        match &insn.operands {
            [Operand::Mem(mem), from, ..] => {
                let addr = self.address(mem)?;
                let vector = self.xmm_source(from)?;
                let value = self.body.extract(Shape::F64x2, lane, vector);
                self.store_as(addr, value, 8);
            }
            [to, Operand::Mem(mem), ..] => {
                let number = Self::xmm_number(to)?;
                let addr = self.address(mem)?;
                let value = self.load_as(Type::F64, addr, 8);
                let vector = self.xmm(number);
                let vector = self.body.replace(Shape::F64x2, lane, vector, value);
                self.set_xmm(number, vector);
            }
            _ => return Err(Unsupported),
        }
        Ok(())
    }

    /// `movd` and `movq`: into a cleared register, or the lowest element out of one.
    fn move_element(&mut self, insn: &Insn, shape: Shape) -> Done {
        let [to, from, ..] = &insn.operands;
        let bytes = (shape.bits() / 8) as u8;
        match (to, from) {
            (Operand::Reg(Reg::Xmm(number)), Operand::Mem(mem)) => {
                let addr = self.address(mem)?;
                let value = self.load_as(Type::V128, addr, bytes);
                self.set_xmm(*number, value);
            }
            (Operand::Reg(Reg::Xmm(to)), Operand::Reg(Reg::Xmm(from))) => {
                let vector = self.xmm(*from);
                let low = self.body.extract(Shape::F64x2, 0, vector);
                let zero = self.body.vector(0);
                let value = self.body.replace(Shape::F64x2, 0, zero, low);
                self.set_xmm(*to, value);
            }
            (Operand::Reg(Reg::Xmm(number)), Operand::Reg(from)) => {
                let value = self.read_reg(*from)?;
                let zero = self.body.vector(0);
                let value = self.body.replace(shape, 0, zero, value);
                self.set_xmm(*number, value);
            }
            (Operand::Mem(mem), _) => {
                let addr = self.address(mem)?;
                let format = if shape == Shape::I64x2 { Format::Double } else { Format::Single };
                let value = self.scalar_source(from, format)?;
                self.store_as(addr, value, bytes);
            }
            (Operand::Reg(to), _) => {
                let vector = self.xmm_source(from)?;
                let value = self.body.extract(shape, 0, vector);
                self.write_reg(*to, value)?;
            }
            _ => return Err(Unsupported),
        }
        Ok(())
    }

    /// A general register of the width named, from 32 bits.
    fn write_extended(&mut self, operand: &Operand, value: Value) -> Done {
        match operand {
            Operand::Reg(reg @ Reg::Gpr64(_)) => {
                let value = self.body.unary(Unary::ExtendU, value);
                self.write_reg(*reg, value)
            }
            Operand::Reg(reg @ Reg::Gpr32(_)) => self.write_reg(*reg, value),
            _ => Err(Unsupported),
        }
    }

    fn signs(&mut self, insn: &Insn, op: Wasm) -> Done {
        let vector = self.xmm_source(&insn.operands[1])?;
        let value = self.body.wasm1(op, vector);
        self.body.bound(value, 0xffff);
        self.write_extended(&insn.operands[0], value)
    }

    fn extract_element(&mut self, insn: &Insn, shape: Shape) -> Done {
        let [to, from, order, ..] = &insn.operands;
        let lane = Self::immediate(order)? % (128 / shape.bits()) as u8;
        let vector = self.xmm_source(from)?;
        let value = self.body.extract(shape, lane, vector);
        match to {
            Operand::Mem(mem) => {
                let addr = self.address(mem)?;
                self.store_as(addr, value, (shape.bits() / 8) as u8);
                Ok(())
            }
            Operand::Reg(reg) if shape == Shape::I64x2 => self.write_reg(*reg, value),
            _ => self.write_extended(to, value),
        }
    }

    fn insert_element(&mut self, insn: &Insn, shape: Shape) -> Done {
        let [to, from, order, ..] = &insn.operands;
        let number = Self::xmm_number(to)?;
        let lane = Self::immediate(order)? % (128 / shape.bits()) as u8;
        let value = match from {
            Operand::Mem(mem) => {
                let addr = self.address(mem)?;
                self.load_as(shape.ty(), addr, (shape.bits() / 8) as u8)
            }
            Operand::Reg(reg) => {
                let value = self.read_reg(*reg)?;
                if shape == Shape::I64x2 { value } else { self.low(value) }
            }
            _ => return Err(Unsupported),
        };
        let vector = self.xmm(number);
        let vector = self.body.replace(shape, lane, vector, value);
        self.set_xmm(number, vector);
        Ok(())
    }

    /// `movnti`.
    fn move_general(&mut self, insn: &Insn) -> Done {
        let [to, Operand::Reg(from), ..] = &insn.operands else { return Err(Unsupported) };
        let width = if matches!(from, Reg::Gpr64(_)) { Width::W64 } else { Width::W32 };
        let value = self.read_reg(*from)?;
        self.write(to, value, width)
    }

    fn store_control(&mut self, insn: &Insn) -> Done {
        let value = self.body.value(Type::I32, Expr::Mxcsr);
        self.write(&insn.operands[0], value, Width::W32)
    }
}
