//! String instructions without a repeat prefix (SDM vol. 2, MOVS, STOS, LODS, SCAS, CMPS). Translated code runs with DF clear.

use super::mov::register;
use super::{Done, Lifter, Unsupported};
use crate::ir::{Binary, Value};
use x86_decode::{Insn, Op, Reg, Seg, Width};

const RAX: u8 = 0;
const RSI: u8 = 6;
const RDI: u8 = 7;

impl Lifter {
    pub(super) fn string(&mut self, insn: &Insn) -> Done {
        if insn.addr == Width::W16 {
            return Err(Unsupported);
        }
        let width = insn.width;
        let accumulator: Reg = register(RAX, width);
        match insn.op {
            Op::Movs => {
                let (from, to) = (self.pointed(insn, RSI, insn.seg)?, self.pointed(insn, RDI, Seg::Es)?);
                let value = self.load(from, width);
                self.store(to, value, width);
                self.advance(insn, RSI)?;
                self.advance(insn, RDI)
            }
            Op::Stos => {
                let to = self.pointed(insn, RDI, Seg::Es)?;
                let value = self.read_reg(accumulator)?;
                self.store(to, value, width);
                self.advance(insn, RDI)
            }
            Op::Lods => {
                let from = self.pointed(insn, RSI, insn.seg)?;
                let value = self.load(from, width);
                self.write_reg(accumulator, value)?;
                self.advance(insn, RSI)
            }
            Op::Scas => {
                let to = self.pointed(insn, RDI, Seg::Es)?;
                let b = self.load(to, width);
                let a = self.read_reg(accumulator)?;
                self.advance(insn, RDI)?;
                self.flags = self.difference(a, b, width, false).1;
                Ok(())
            }
            _ => {
                let (from, to) = (self.pointed(insn, RSI, insn.seg)?, self.pointed(insn, RDI, Seg::Es)?);
                let b = self.load(to, width);
                let a = self.load(from, width);
                self.advance(insn, RSI)?;
                self.advance(insn, RDI)?;
                self.flags = self.difference(a, b, width, false).1;
                Ok(())
            }
        }
    }

    fn pointed(&mut self, insn: &Insn, pointer: u8, seg: Seg) -> Result<Value, Unsupported> {
        let offset = self.whole(pointer);
        let offset = self.wrapped(insn.addr, offset);
        self.in_segment(seg, offset)
    }

    fn advance(&mut self, insn: &Insn, pointer: u8) -> Done {
        let reg = register(pointer, insn.addr);
        let at = self.read_reg(reg)?;
        let next = self.body.with(Binary::Add, at, insn.width.bytes().into());
        self.write_reg(reg, next)
    }
}
