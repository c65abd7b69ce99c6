//! The ends of a function: where it takes the state from and leaves it, calls, and what follows behind a region.

use super::body::{CPU, DEPTH, Function, Locals, SLOTS, at};
use crate::ir::Type;
use crate::layout::{JUMP_BITS, JUMP_FACTOR, Jump, context, mxcsr, reason, shared};
use wasm_encoder::BlockType;

/// Type of all functions.
const FUNCTION: u32 = 0;

impl Function {
    fn shared(&mut self) {
        let address = self.places.shared as i32;
        self.sink().i32_const(address);
    }

    /// Takes the state from where it is kept.
    pub(super) fn enter(&mut self) {
        let tlb = self.locals.tlb;
        self.shared();
        self.sink().i32_load(at(shared::TLB, 2)).local_set(tlb);
        self.reload();
    }

    /// What a call may have changed.
    fn reload(&mut self) {
        for slot in 0..SLOTS {
            if let Some((local, _)) = self.locals.regs[slot] {
                let (ty, offset) = (self.locals.ty(slot), Locals::offset(slot));
                let mut sink = self.sink();
                sink.local_get(CPU);
                match ty {
                    Type::I32 => sink.i32_load(at(offset, 2)),
                    Type::I64 => sink.i64_load(at(offset, 3)),
                    _ => sink.v128_load(at(offset, 4)),
                };
                sink.local_set(local);
            }
        }
        if let Some(local) = self.locals.imprecise {
            let mut sink = self.sink();
            sink.local_get(CPU).i32_load(at(context::MXCSR, 2));
            sink.i32_const(mxcsr::MASK as i32).i32_and();
            sink.i32_const(mxcsr::PRECISE as i32).i32_ne().local_set(local);
        }
        let Locals { result, left, right, shape, budget, .. } = self.locals;
        // What leaves without having changed the flags keeps those of before.
        if self.locals.flags_read || self.locals.flags_changed {
            self.shared();
            self.sink().i64_load(at(shared::RESULT, 3)).local_set(result);
            self.shared();
            self.sink().i64_load(at(shared::LEFT, 3)).local_set(left);
            self.shared();
            self.sink().i64_load(at(shared::RIGHT, 3)).local_set(right);
            self.shared();
            self.sink().i32_load(at(shared::SHAPE, 2)).local_set(shape);
        }
        self.shared();
        self.sink().i64_load(at(shared::BUDGET, 3)).local_set(budget);
    }

    /// Leaves the state where it is kept, but for RIP.
    fn spill(&mut self) {
        for slot in 0..SLOTS {
            if let Some((local, true)) = self.locals.regs[slot] {
                let (ty, offset) = (self.locals.ty(slot), Locals::offset(slot));
                let mut sink = self.sink();
                sink.local_get(CPU).local_get(local);
                match ty {
                    // The upper half stays 0.
                    Type::I32 => sink.i32_store(at(offset, 2)),
                    Type::I64 => sink.i64_store(at(offset, 3)),
                    _ => sink.v128_store(at(offset, 4)),
                };
            }
        }
        let Locals { result, left, right, shape, budget, .. } = self.locals;
        if self.locals.flags_changed {
            self.shared();
            self.sink().local_get(result).i64_store(at(shared::RESULT, 3));
            self.shared();
            self.sink().local_get(left).i64_store(at(shared::LEFT, 3));
            self.shared();
            self.sink().local_get(right).i64_store(at(shared::RIGHT, 3));
            self.shared();
            self.sink().local_get(shape).i32_store(at(shared::SHAPE, 2));
        }
        self.shared();
        self.sink().local_get(budget).i64_store(at(shared::BUDGET, 3));
    }

    /// The end of the function: goes on behind the region, if that is translated, or returns.
    pub(super) fn leave(&mut self) {
        let Locals { rip, word, reason: why, budget, .. } = self.locals;
        let mut sink = self.sink();
        sink.local_get(budget).local_get(why).i32_const(reason::CHARGE_AT as i32).i32_shr_u();
        sink.i64_extend_i32_u().i64_sub().local_set(budget);
        sink.local_get(why).i32_const(reason::MASK as i32).i32_and().local_set(why);
        self.spill();
        self.sink().local_get(CPU).local_get(rip);
        if word == Type::I32 {
            self.sink().i64_extend_i32_u();
        }
        self.sink().i64_store(at(context::RIP, 3));
        self.sink().local_get(why).i32_const(reason::RETURN as i32).i32_ne().if_(BlockType::Empty);
        self.sink().local_get(why).i32_eqz().if_(BlockType::Empty);
        self.jump_entry(None);
        let entry = self.locals.tlb;
        self.sink().local_set(entry);
        self.usable(entry);
        self.sink().if_(BlockType::Empty).local_get(CPU).local_get(DEPTH);
        self.sink().local_get(entry).i32_load(at(shared::JUMP_SLOT, 2));
        self.sink().return_call_indirect(0, FUNCTION).end().end();
        self.shared();
        self.sink().local_get(why).i32_store(at(shared::REASON, 2)).end().end();
    }

    /// Puts the address of the entry of where to go in the table of jumps on the stack.
    fn jump_entry(&mut self, known: Option<u64>) {
        let jumps = self.places.jumps;
        match known {
            Some(pc) => {
                let offset = (Jump::index(pc) as u32) << shared::JUMP_SHIFT;
                self.sink().i32_const((jumps + offset) as i32);
            }
            None => {
                let Locals { rip, word, .. } = self.locals;
                self.sink().local_get(rip);
                if word == Type::I64 {
                    self.sink().i32_wrap_i64();
                }
                let mut sink = self.sink();
                sink.i32_const(JUMP_FACTOR as i32).i32_mul().i32_const(32 - JUMP_BITS as i32).i32_shr_u();
                sink.i32_const(shared::JUMP_SHIFT as i32).i32_shl().i32_const(jumps as i32).i32_add();
            }
        }
    }

    /// Whether an entry is that of where to go and may be called.
    fn usable(&mut self, entry: u32) {
        let Locals { rip, word, budget, .. } = self.locals;
        self.sink().local_get(entry);
        match word {
            Type::I32 => self.sink().i32_load(at(shared::JUMP_PC, 2)).local_get(rip).i32_eq(),
            _ => self.sink().i64_load(at(shared::JUMP_PC, 3)).local_get(rip).i64_eq(),
        };
        self.sink().local_get(entry).i32_load(at(shared::JUMP_STAMP, 2));
        self.shared();
        self.sink().i32_load(at(shared::STAMP, 2)).i32_eq().i32_and();
        self.sink().local_get(budget).i64_const(0).i64_gt_s().i32_and();
    }

    /// Calls where to go, which is to come back to `back`. Where it cannot be called, or comes back elsewhere, the
    /// function ends.
    pub(super) fn call(&mut self, known: Option<u64>, back: u64, depth: u32) {
        let word = self.locals.word;
        let entry = self.temporary(Type::I32);
        self.jump_entry(known);
        self.sink().local_set(entry);
        self.usable(entry);
        self.sink().local_get(DEPTH).i32_const(0).i32_gt_s().i32_and().i32_eqz().br_if(depth);
        self.spill();
        self.sink().local_get(CPU).local_get(DEPTH).i32_const(1).i32_sub();
        self.sink().local_get(entry).i32_load(at(shared::JUMP_SLOT, 2)).call_indirect(0, FUNCTION);
        // All of the state is where it is kept: whoever comes after finds it there.
        self.sink().local_get(CPU);
        match word {
            Type::I32 => {
                self.sink().i32_load(at(context::RIP, 2)).i32_const(back as i32).i32_ne();
            }
            _ => {
                self.sink().i64_load(at(context::RIP, 3)).i64_const(back as i64).i64_ne();
            }
        }
        self.sink().if_(BlockType::Empty).return_().end();
        self.reload();
    }

    /// Sets where to go on from what is on the stack, behind so many instructions that have not been charged.
    pub(super) fn set_rip(&mut self, why: u32, charge: u32) {
        let Locals { rip, reason, .. } = self.locals;
        let why = why | charge << reason::CHARGE_AT;
        self.sink().local_set(rip).i32_const(why as i32).local_set(reason);
    }

    /// Leaves the region for an address.
    pub(super) fn leave_to(&mut self, pc: u64, why: u32, charge: u32, depth: u32) {
        self.constant(self.locals.word, pc);
        self.set_rip(why, charge);
        self.sink().br(depth);
    }

    /// Charges the instructions done on the way here.
    pub(super) fn settle(&mut self) {
        let instructions = core::mem::take(&mut self.pending);
        if instructions > 0 {
            let budget = self.locals.budget;
            let mut sink = self.sink();
            sink.local_get(budget).i64_const(-i64::from(instructions)).i64_add().local_set(budget);
        }
    }

    /// Leaves before a block at `pc` if the budget is spent.
    pub(super) fn check_budget(&mut self, pc: u64, depth: u32) {
        let budget = self.locals.budget;
        self.sink().local_get(budget).i64_const(0).i64_le_s().if_(BlockType::Empty);
        self.leave_to(pc, reason::JUMP, 0, depth + 1);
        self.sink().end();
    }
}
