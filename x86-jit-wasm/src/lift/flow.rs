//! Control flow, and what depends on a condition.

use super::mov::register;
use super::{Done, Lifter, Unsupported};
use crate::ir::{Binary, Compare, Exit, Step, Type, Value};
use x86_decode::{Insn, Op, Operand, Width};

const RCX: u8 = 1;

impl Lifter {
    pub(super) fn jump_if(&mut self, insn: &Insn) -> Done {
        self.direct(insn)?;
        let met = self.condition(insn.row.opcode & 15);
        self.exit(Exit::If(met));
        Ok(())
    }

    /// `jecxz` and `loop`, `loope`, `loopne`; the address size says what counts.
    pub(super) fn jump_by_count(&mut self, insn: &Insn) -> Done {
        self.direct(insn)?;
        if insn.addr == Width::W16 {
            return Err(Unsupported);
        }
        let counter = register(RCX, insn.addr);
        let mut count = self.read_reg(counter)?;
        if insn.op == Op::Jcxz {
            let zero = self.body.is_zero(count);
            self.exit(Exit::If(zero));
            return Ok(());
        }
        count = self.body.with(Binary::Sub, count, 1);
        self.write_reg(counter, count)?;
        let zero = self.body.is_zero(count);
        let mut met = self.body.not(zero);
        if insn.op != Op::Loop {
            let mut zf = self.zf();
            if insn.op == Op::Loopne {
                zf = self.body.not(zf);
            }
            met = self.body.binary(Binary::And, met, zf);
        }
        self.exit(Exit::If(met));
        Ok(())
    }

    /// A jump to an address that is not canonical faults before it is done.
    fn canonical(&mut self, addr: Value) {
        if self.long() {
            let origin = self.origin();
            self.body.steps.push(Step::Canonical { addr, origin });
        }
    }

    /// 16-bit branches cut the instruction pointer off.
    fn direct(&self, insn: &Insn) -> Done {
        if insn.width == Width::W16 { Err(Unsupported) } else { Ok(()) }
    }

    pub(super) fn set_if(&mut self, insn: &Insn) -> Done {
        let met = self.condition(insn.row.opcode & 15);
        self.write(&insn.operands[0], met, Width::W8)
    }

    pub(super) fn move_if(&mut self, insn: &Insn) -> Done {
        let [to, from, ..] = &insn.operands;
        let new = self.read(from, insn.width)?;
        let old = self.read(to, insn.width)?;
        let met = self.condition(insn.row.opcode & 15);
        let value = self.body.select(met, new, old);
        self.write(to, value, insn.width)
    }

    /// `jmp`, near `call` and `ret`.
    pub(super) fn control(&mut self, insn: &Insn) -> Done {
        self.direct(insn)?;
        let word = if self.long() { Width::W64 } else { Width::W32 };
        let word_type = self.word();
        let [operand, ..] = &insn.operands;
        let target = match (insn.op, operand) {
            (x86_decode::Op::Jmp, Operand::Rel(_)) if self.stays.is_none() => return Ok(()),
            (x86_decode::Op::Ret, _) => {
                let sp = self.stack(0);
                let target = self.load(sp, word);
                if let Some(back) = self.stays {
                    let back = self.body.number(word_type, back);
                    let elsewhere = self.body.compare(Compare::Ne, target, back);
                    if self.body.constant(elsewhere) != Some(0) {
                        let origin = self.origin();
                        self.body.steps.push(Step::Guard { condition: elsewhere, origin });
                    }
                } else {
                    self.canonical(target);
                }
                let drop = if let Operand::Imm(n) = operand { *n } else { 0 };
                let sp = self.stack(i64::from(word.bytes()) + drop);
                self.set_stack(sp);
                if self.stays.is_none() {
                    self.exit(Exit::Return(target));
                }
                return Ok(());
            }
            (_, Operand::Rel(by)) => {
                let to = self.at.1.wrapping_add(*by as u64) & self.setting.mask();
                self.body.number(self.word(), to)
            }
            (_, Operand::Reg(_) | Operand::Mem(_)) => self.read(operand, word)?,
            _ => return Err(Unsupported),
        };
        if !matches!(operand, Operand::Rel(_)) {
            self.canonical(target);
        }
        if insn.op == x86_decode::Op::Call {
            let next = self.body.number(self.word(), self.at.1);
            self.push_value(next, word);
            if self.stays.is_none() {
                self.exit(Exit::Call(target));
            }
        } else if self.stays.is_some() {
            // Behind it is what the function comes back to that it stands in; the return address is there already.
            self.exit(Exit::Call(target));
        } else {
            self.exit(Exit::Indirect(target));
        }
        debug_assert_eq!(self.body.ty(target), if self.long() { Type::I64 } else { Type::I32 });
        Ok(())
    }
}
