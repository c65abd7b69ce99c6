//! String instructions (SDM vol. 2, MOVS, STOS, LODS, SCAS, CMPS, REP).

use super::mov::register;
use super::{Done, Lifter, Unsupported, mask};
use crate::ir::{Binary, Compare, Expr, Step, Type, Unary, Value};
use crate::layout::context;
use x86_cpu::flags;
use x86_decode::{Insn, Op, Reg, Rep, Seg, Width};

const RAX: u8 = 0;
const RCX: u8 = 1;
const RSI: u8 = 6;
const RDI: u8 = 7;

/// Bytes that a repeated instruction goes through at most before somebody looks at the budget again.
const MOST: u64 = 1 << 20;

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

    /// Only offsets of the code's own width are repeated.
    fn usual_offsets(&self, insn: &Insn) -> Done {
        let own = if self.long() { Width::W64 } else { Width::W32 };
        if insn.addr == own { Ok(()) } else { Err(Unsupported) }
    }

    /// `rep movs` and `rep stos` of memory that is in one piece for the host as well. What is very long, or overlaps such that it is a pattern that is
    /// copied, is left.
    pub(super) fn repeated(&mut self, insn: &Insn) -> Done {
        let width = insn.width;
        self.usual_offsets(insn)?;
        let count = self.whole(RCX);
        let most = self.body.number(self.word(), MOST / u64::from(width.bytes()));
        let long = self.body.compare(Compare::LtU, most, count);
        self.guard(long);
        let elements = self.low(count);
        let bytes = self.body.with(Binary::Shl, elements, width.bytes().trailing_zeros().into());
        let by = self.wide_word(bytes);
        let (source, target) = (self.whole(RSI), self.whole(RDI));
        let to = self.pointed(insn, RDI, Seg::Es)?;
        if insn.op == Op::Movs {
            let from = self.pointed(insn, RSI, insn.seg)?;
            let (ahead, behind) = if self.down { (from, to) } else { (to, from) };
            let distance = self.body.binary(Binary::Sub, ahead, behind);
            let pattern = self.body.compare(Compare::LtU, distance, by);
            self.guard(pattern);
            let [to, from] = [to, from].map(|last| self.lowest(last, by, width));
            self.end_batch();
            let origin = self.origin();
            self.body.steps.push(Step::Copy { to, from, bytes, origin });
        } else {
            let value = self.read_reg(register(RAX, width))?;
            let byte = self.body.with(Binary::And, value, 0xff);
            let all = self.body.with(Binary::Mul, byte, 0x0101_0101_0101_0101 & mask(width));
            let differs = self.body.compare(Compare::Ne, all, value);
            self.guard(differs);
            let byte = self.low(byte);
            let to = self.lowest(to, by, width);
            self.end_batch();
            let origin = self.origin();
            self.body.steps.push(Step::Fill { to, byte, bytes, origin });
        }
        // Each element is an instruction, and none is one as well.
        let some = self.body.is_zero(elements);
        let some = self.body.not(some);
        let more = self.body.binary(Binary::Sub, elements, some);
        self.spend(more);
        let zero = self.body.number(self.word(), 0);
        self.set_whole(RCX, zero);
        let onward = if self.down { Binary::Sub } else { Binary::Add };
        let target = self.body.binary(onward, target, by);
        self.set_whole(RDI, target);
        if insn.op == Op::Movs {
            let source = self.body.binary(onward, source, by);
            self.set_whole(RSI, source);
        }
        Ok(())
    }

    /// So many more instructions have been done.
    fn spend(&mut self, more: Value) {
        let more = self.wide(more, false);
        self.body.steps.push(Step::Spend(more));
    }

    /// `rep scas` of bytes, towards higher addresses. What is not at its end after very many is left.
    pub(super) fn scanned(&mut self, insn: &Insn) -> Done {
        if insn.width != Width::W8 {
            return Err(Unsupported);
        }
        self.usual_offsets(insn)?;
        let count = self.whole(RCX);
        let none = if self.down { self.body.number(Type::I32, 1) } else { self.body.is_zero(count) };
        self.guard(none);
        let (word, start) = (self.word(), self.whole(RDI));
        let addr = self.pointed(insn, RDI, Seg::Es)?;
        let limit = self.body.number(word, MOST);
        let long = self.body.compare(Compare::LtU, limit, count);
        let most = self.body.select(long, limit, count);
        let most = self.low(most);
        let byte = self.read_reg(register(RAX, Width::W8))?;
        let passed = insn.rep != Rep::Repne;
        let what = self.body.with(Binary::Or, byte, u64::from(passed) << 8);
        let found = self.body.value(Type::I64, Expr::Loaded);
        self.body.bound(found, 0xff_ffff_ffff);
        self.body.steps.push(Step::Scan { addr, most, what, found });
        let done = self.body.unary(Unary::Wrap, found);
        let not_there = self.body.is_zero(done);
        self.guard(not_there);
        let last = self.body.with(Binary::ShrU, found, 32);
        let last = self.body.unary(Unary::Wrap, last);
        let elements = self.wide_word(done);
        let rest = self.body.binary(Binary::Sub, count, elements);
        let same = self.body.compare(Compare::Eq, last, byte);
        let goes_on = if passed { same } else { self.body.not(same) };
        let spent = self.body.is_zero(rest);
        let more = self.body.not(spent);
        let unfinished = self.body.binary(Binary::And, goes_on, more);
        self.guard(unfinished);
        self.end_batch();
        let others = self.body.with(Binary::Sub, done, 1);
        self.spend(others);
        self.set_whole(RCX, rest);
        let behind = self.body.binary(Binary::Add, start, elements);
        self.set_whole(RDI, behind);
        self.flags = self.difference(byte, last, Width::W8, false).1;
        Ok(())
    }

    /// A number of 32 bits as a word of the code.
    fn wide_word(&mut self, value: Value) -> Value {
        if self.long() { self.wide(value, false) } else { value }
    }

    /// The lowest address of an area that is gone through from `first` on.
    fn lowest(&mut self, first: Value, bytes: Value, element: Width) -> Value {
        if !self.down {
            return first;
        }
        let others = self.body.with(Binary::Sub, bytes, element.bytes().into());
        self.body.binary(Binary::Sub, first, others)
    }

    /// `std` and `cld`: the flag is where it is kept from then on, so that whoever leaves needs not know.
    pub(super) fn direction(&mut self, down: bool) -> Done {
        // Translated code begins with DF clear.
        if self.down != down {
            self.end_batch();
            let cpu = self.body.value(Type::I32, Expr::Cpu);
            let to = self.body.value(Type::I32, Expr::Loaded);
            let offset = context::RFLAGS as u32;
            self.body.steps.push(Step::LoadState { to, addr: cpu, offset, bytes: 4 });
            let value = if down {
                self.body.with(Binary::Or, to, flags::DF.into())
            } else {
                self.body.with(Binary::And, to, (!flags::DF).into())
            };
            self.body.steps.push(Step::StoreState { addr: cpu, offset, value, bytes: 4 });
            self.down = down;
        }
        Ok(())
    }

    fn pointed(&mut self, insn: &Insn, pointer: u8, seg: Seg) -> Result<Value, Unsupported> {
        let offset = self.whole(pointer);
        let offset = self.wrapped(insn.addr, offset);
        self.in_segment(seg, offset)
    }

    fn advance(&mut self, insn: &Insn, pointer: u8) -> Done {
        let reg = register(pointer, insn.addr);
        let at = self.read_reg(reg)?;
        let by = i64::from(insn.width.bytes()) * if self.down { -1 } else { 1 };
        let next = self.body.with(Binary::Add, at, by as u64);
        self.write_reg(reg, next)
    }
}
