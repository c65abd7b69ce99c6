//! The stack.

use super::mov::register;
use super::{Done, Lifter, Unsupported};
use crate::ir::{Binary, Value};
use x86_decode::{Insn, Operand, Width};

const RSP: u8 = 4;
const RBP: u8 = 5;

impl Lifter {
    /// The stack pointer moved by a number of bytes.
    pub(super) fn stack(&mut self, by: i64) -> Value {
        let sp = self.whole(RSP);
        self.body.with(Binary::Add, sp, by as u64)
    }

    pub(super) fn set_stack(&mut self, sp: Value) {
        self.set_whole(RSP, sp);
    }

    pub(super) fn push_value(&mut self, value: Value, width: Width) {
        let sp = self.stack(-i64::from(width.bytes()));
        self.store(sp, value, width);
        self.set_stack(sp);
    }

    pub(super) fn push(&mut self, insn: &Insn) -> Done {
        let [from, ..] = &insn.operands;
        let value = self.read(from, insn.width)?;
        self.push_value(value, insn.width);
        Ok(())
    }

    pub(super) fn pop(&mut self, insn: &Insn) -> Done {
        let width = insn.width;
        let old = self.whole(RSP);
        let value = self.load(old, width);
        let sp = self.stack(width.bytes().into());
        match &insn.operands[0] {
            Operand::Reg(to) => {
                self.set_stack(sp);
                self.write_reg(*to, value)
            }
            Operand::Mem(mem) => {
                // Addressed with the pointer already moved (SDM vol. 2, POP), which does not move if the store faults.
                self.regs[usize::from(RSP)] = Some(sp);
                let addr = self.address(mem)?;
                self.regs[usize::from(RSP)] = Some(old);
                self.store(addr, value, width);
                self.set_stack(sp);
                Ok(())
            }
            _ => Err(Unsupported),
        }
    }

    pub(super) fn leave(&mut self, insn: &Insn) -> Done {
        let frame = self.whole(RBP);
        let value = self.load(frame, insn.width);
        let sp = self.body.with(Binary::Add, frame, insn.width.bytes().into());
        self.set_stack(sp);
        self.write_reg(register(RBP, insn.width), value)
    }

    /// `enter` without outer levels.
    pub(super) fn enter(&mut self, insn: &Insn) -> Done {
        let [Operand::Imm(size), Operand::Imm(level), ..] = insn.operands else { return Err(Unsupported) };
        if level & 31 != 0 {
            return Err(Unsupported);
        }
        let width = insn.width;
        let frame = self.stack(-i64::from(width.bytes()));
        let sp = self.body.with(Binary::Sub, frame, size as u64 & 0xffff);
        // The new top of the stack has to be writable.
        self.load_to_change(sp, Width::W8);
        let value = self.read_reg(register(RBP, width))?;
        self.store(frame, value, width);
        self.set_stack(sp);
        let frame = if width == Width::W64 { frame } else { self.low(frame) };
        let frame = self.cut(frame, width);
        self.write_reg(register(RBP, width), frame)
    }

    pub(super) fn push_all(&mut self, insn: &Insn) -> Done {
        let width = insn.width;
        let step = i64::from(width.bytes());
        // Of the two pages that the stores may be in, this asks for the lower one, and the first store for the other.
        let low = self.stack(-8 * step);
        self.load_to_change(low, width);
        for number in 0..8 {
            let addr = self.stack((7 - i64::from(number) - 8) * step);
            let value = self.read_reg(register(number, width))?;
            self.store(addr, value, width);
        }
        let sp = self.stack(-8 * step);
        self.set_stack(sp);
        Ok(())
    }

    pub(super) fn pop_all(&mut self, insn: &Insn) -> Done {
        let width = insn.width;
        let mut values = [None; 8];
        for (at, value) in (0..).zip(&mut values) {
            let addr = self.stack(at * i64::from(width.bytes()));
            *value = Some(self.load(addr, width));
        }
        let sp = self.stack(8 * i64::from(width.bytes()));
        for (number, value) in (0..8).rev().zip(values) {
            if let Some(value) = value.filter(|_| number != RSP) {
                self.write_reg(register(number, width), value)?;
            }
        }
        self.set_stack(sp);
        Ok(())
    }
}
