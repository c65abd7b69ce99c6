//! Exchanges with memory. One thread runs at a time, so that a load and a store are as good as an atomic operation.

use super::flags::{Flags, Status};
use super::mov::register;
use super::{Done, Lifter, Unsupported, bits};
use crate::ir::{Binary, Compare, Step, Value};
use x86_decode::{Insn, Op, Operand, Reg, Width};

const RAX: u8 = 0;
const RCX: u8 = 1;
const RDX: u8 = 2;
const RBX: u8 = 3;

impl Lifter {
    pub(super) fn xchg(&mut self, insn: &Insn) -> Done {
        let width = insn.width;
        let (to, from) = match &insn.operands {
            [memory @ Operand::Mem(_), Operand::Reg(reg), ..] => (memory, *reg),
            [Operand::Reg(reg), other, ..] => (other, *reg),
            _ => return Err(Unsupported),
        };
        let (old, place) = self.read_to_change(to, width)?;
        let new = self.read_reg(from)?;
        if insn.operands[0] == *to {
            self.change(to, place, new, width)?;
            return self.write_reg(from, old);
        }
        match place {
            Some(_) => self.change(to, place, new, width)?,
            None => {
                self.write_reg(from, old)?;
                return self.write(to, new, width);
            }
        }
        self.write_reg(from, old)
    }

    pub(super) fn xadd(&mut self, insn: &Insn) -> Done {
        let width = insn.width;
        let [to, Operand::Reg(from), ..] = &insn.operands else { return Err(Unsupported) };
        let (a, place) = self.read_to_change(to, width)?;
        let b = self.read_reg(*from)?;
        let (r, flags) = self.sum(a, b, width, false);
        if place.is_some() {
            self.change(to, place, r, width)?;
            self.write_reg(*from, a)?;
        } else {
            self.write_reg(*from, a)?;
            self.write(to, r, width)?;
        }
        self.flags = flags;
        Ok(())
    }

    pub(super) fn cmpxchg(&mut self, insn: &Insn) -> Done {
        let width = insn.width;
        let [to, Operand::Reg(from), ..] = &insn.operands else { return Err(Unsupported) };
        let (old, place) = self.read_to_change(to, width)?;
        let accumulator = register(RAX, width);
        let expected = self.read_reg(accumulator)?;
        let new = self.read_reg(*from)?;
        let (_, flags) = self.difference(expected, old, width, false);
        debug_assert!(matches!(flags, Flags::Sub { bits: n, .. } if n == bits(width)));
        let equal = self.body.compare(Compare::Eq, expected, old);
        let differs = self.body.not(equal);
        match to {
            Operand::Reg(to) => self.write_reg_if(equal, *to, new)?,
            // Written in both cases (SDM vol. 2, CMPXCHG).
            _ => {
                let value = self.body.select(equal, new, old);
                self.change(to, place, value, width)?;
            }
        }
        self.write_reg_if(differs, accumulator, old)?;
        self.flags = flags;
        Ok(())
    }

    /// Two words at an address that is aligned to both of them, or in one as the instruction checks it.
    fn two_words(&mut self, operand: &Operand) -> Result<[Value; 2], Unsupported> {
        let Operand::Mem(mem) = operand else { return Err(Unsupported) };
        let addr = self.address(mem)?;
        let mask = self.body.with(Binary::And, addr, 15);
        let zero = self.body.is_zero(mask);
        let unaligned = self.body.not(zero);
        self.guard(unaligned);
        let low = self.load_to_change(addr, Width::W64);
        let next = self.body.with(Binary::Add, addr, 8);
        Ok([low, self.load_to_change(next, Width::W64)])
    }

    /// `cmpxchg8b` and `cmpxchg16b`.
    pub(super) fn cmpxchg_pair(&mut self, insn: &Insn) -> Done {
        let [to, ..] = &insn.operands;
        let wide = insn.op == Op::Cmpxchg16b;
        let reg = |number| if wide { Reg::Gpr64(number) } else { Reg::Gpr32(number) };
        let equal;
        if wide {
            let [low, high] = self.two_words(to)?;
            let (a, b) = (self.whole(RAX), self.whole(RDX));
            let a = self.body.binary(Binary::Xor, a, low);
            let b = self.body.binary(Binary::Xor, b, high);
            let both = self.body.binary(Binary::Or, a, b);
            equal = self.body.is_zero(both);
            for (place, new) in [(low, RBX), (high, RCX)] {
                let new = self.whole(new);
                let value = self.body.select(equal, new, place);
                self.body.steps.push(Step::Back { of: place, value, bytes: 8 });
            }
            self.set_if_differs(equal, [reg(RAX), reg(RDX)], [low, high])?;
        } else {
            let (old, place) = self.read_to_change(to, Width::W64)?;
            let mut pair = |high, low| -> Result<Value, Unsupported> {
                let (high, low) = (self.read_reg(reg(high))?, self.read_reg(reg(low))?);
                let (high, low) = (self.wide(high, false), self.wide(low, false));
                let high = self.body.with(Binary::Shl, high, 32);
                Ok(self.body.binary(Binary::Or, high, low))
            };
            let (expected, new) = (pair(RDX, RAX)?, pair(RCX, RBX)?);
            equal = self.body.compare(Compare::Eq, expected, old);
            let value = self.body.select(equal, new, old);
            self.change(to, place, value, Width::W64)?;
            let high = self.body.with(Binary::ShrU, old, 32);
            let halves = [self.low(old), self.low(high)];
            self.set_if_differs(equal, [reg(RAX), reg(RDX)], halves)?;
        }
        let set = Status { zf: equal, ..self.status() };
        // AF, SF and PF stay as well: the form of flags that belong to no result.
        self.flags = Flags::Pending(self.flags_from(set));
        Ok(())
    }

    fn set_if_differs(&mut self, equal: Value, to: [Reg; 2], values: [Value; 2]) -> Done {
        let differs = self.body.not(equal);
        for (to, value) in to.into_iter().zip(values) {
            self.write_reg_if(differs, to, value)?;
        }
        Ok(())
    }

    /// `xlat`.
    pub(super) fn translate_byte(&mut self, insn: &Insn) -> Done {
        if insn.addr == Width::W16 {
            return Err(Unsupported);
        }
        let table = self.whole(RBX);
        let byte = self.read_reg(Reg::Gpr8(RAX))?;
        let byte = if self.long() { self.wide(byte, false) } else { byte };
        let offset = self.body.binary(Binary::Add, table, byte);
        let offset = self.wrapped(insn.addr, offset);
        let addr = self.in_segment(insn.seg, offset)?;
        let value = self.load(addr, Width::W8);
        self.write_reg(Reg::Gpr8(RAX), value)
    }
}
