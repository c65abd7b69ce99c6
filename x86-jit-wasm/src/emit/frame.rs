//! The ends of a function: where it takes the state from and leaves it, calls, and what follows behind a region.

use super::RESUME;
use super::body::{BUDGET, CPU, DEPTH, Function, Locals, at};
use super::state::{FLAGS, IMPRECISE, Leaving, PAGES, PARTS, Slots, State, slots};
use crate::ir::Type;
use crate::layout::{
    BLOCK_AT, Called, Entrance, JUMP_BITS, JUMP_FACTOR, Jump, context, mxcsr, reason, shared,
};
use wasm_encoder::{BlockType, ValType};

/// Type of all functions.
pub(super) const FUNCTION: u32 = 0;

/// Where a call goes.
#[derive(Clone, Copy)]
pub(super) struct Callee {
    /// The address, where it is known; else it has been put into a local.
    pub(super) pc: Option<u64>,
    /// The function at that address in the same module, and where in it that is.
    pub(super) own: Option<(u32, Entrance)>,
}

/// Where a slot is in linear memory, but for what its address is relative to.
fn offset(slot: usize) -> u64 {
    match slot {
        0..16 => context::GPR + 8 * slot as u64,
        16..FLAGS => context::XMM + 16 * (slot as u64 - 16),
        FLAGS => shared::RESULT,
        33 => shared::LEFT,
        34 => shared::RIGHT,
        35 => shared::SHAPE,
        PAGES => shared::HOME,
        _ => context::MXCSR,
    }
}

impl Function {
    pub(super) fn shared(&mut self) {
        let address = self.places.shared as i32;
        self.sink().i32_const(address);
    }

    /// What the offset of a slot is relative to.
    fn base(&mut self, slot: usize) {
        if (FLAGS..IMPRECISE).contains(&slot) || slot == PAGES {
            self.shared();
        } else {
            self.sink().local_get(CPU);
        }
    }

    fn load_slot(&mut self, slot: usize) {
        let local = self.locals.reg(slot);
        self.base(slot);
        let ty = self.locals.ty(slot);
        let offset = offset(slot);
        let mut sink = self.sink();
        match ty {
            Type::I32 => sink.i32_load(at(offset, 2)),
            Type::I64 => sink.i64_load(at(offset, 3)),
            _ => sink.v128_load(at(offset, 4)),
        };
        if slot == IMPRECISE {
            sink.i32_const(mxcsr::MASK as i32).i32_and();
            sink.i32_const(mxcsr::PRECISE as i32).i32_ne();
        }
        sink.local_set(local);
    }

    /// Stores to a slot's place what `value` puts on the stack.
    fn store_slot(&mut self, slot: usize, value: impl FnOnce(&mut Function)) {
        self.base(slot);
        value(self);
        let (ty, offset) = (self.locals.ty(slot), offset(slot));
        let mut sink = self.sink();
        match ty {
            // The upper half of a register stays 0.
            Type::I32 => sink.i32_store(at(offset, 2)),
            Type::I64 => sink.i64_store(at(offset, 3)),
            _ => sink.v128_store(at(offset, 4)),
        };
    }

    pub(super) fn store_all(&mut self, set: Slots) {
        for slot in slots(set) {
            let local = self.locals.reg(slot);
            self.store_slot(slot, |function| {
                function.sink().local_get(local);
            });
        }
    }

    /// Stores registers, but not the flags.
    pub(super) fn store_registers(&mut self) {
        self.store_all(self.state.dirty & !PARTS);
        self.state.dirty &= PARTS;
    }

    /// Loads what is not held yet.
    pub(super) fn hold(&mut self, set: Slots) {
        for slot in slots(set & !self.state.held) {
            self.load_slot(slot);
        }
        self.state.held |= set;
    }

    /// Nobody wants the flags any more.
    pub(super) fn forget_flags(&mut self) {
        self.state.held &= !PARTS;
        self.state.dirty &= !PARTS;
    }

    /// Brings about the state that a block begins with to which several ways lead.
    pub(super) fn become_state(&mut self, state: State) {
        self.store_all(self.state.dirty & !state.dirty);
        self.hold(state.held);
        self.state = state;
    }

    /// Begins the blocks behind which are the epilogues and the end of the function. Gives how many they are.
    pub(super) fn open_ends(&mut self) -> usize {
        let count = self.epilogues.len() + 1;
        for _ in 0..count {
            self.sink().block(BlockType::Result(ValType::I64));
        }
        count
    }

    /// Ends them, with what stands behind each.
    pub(super) fn close_ends(&mut self) {
        self.sink().unreachable().end();
        let epilogues = core::mem::take(&mut self.epilogues);
        for (number, set) in epilogues.iter().enumerate() {
            self.store_all(*set);
            let rest = epilogues.len() - 1 - number;
            if rest > 0 {
                self.sink().br(rest as u32);
            }
            self.sink().end();
        }
        self.leave();
    }

    /// The word that says how the function is left, with a known address.
    fn way_out(&self, pc: u64, why: u32, charge: u32) -> i64 {
        debug_assert!(charge < reason::CHARGES, "it is settled before");
        let distance = pc.wrapping_sub(self.first) << reason::PC_AT;
        (distance | u64::from(charge << reason::CHARGE_AT | why)) as i64
    }

    /// Leaves with what changes only here: `part` puts one on the stack.
    pub(super) fn leave_with(
        &mut self,
        parts: Slots,
        mut part: impl FnMut(&mut Function, usize),
        (pc, why, charge): (u64, u32, u32),
        depth: u32,
    ) {
        let leaving = Leaving::new(self.state, parts);
        let (number, set) = self.epilogue(leaving);
        for slot in slots(parts & !set) {
            self.store_slot(slot, |function| part(function, slot));
        }
        // All of them first: old ones may be among what the new ones come from.
        slots(parts & set).for_each(|slot| part(self, slot));
        let mut back: [usize; 4] = [0; 4];
        let count = slots(parts & set).zip(&mut back).map(|(slot, to)| *to = slot).count();
        for slot in back[..count].iter().rev() {
            let local = self.locals.reg(*slot);
            self.sink().local_set(local);
        }
        self.store_all(self.state.dirty & !parts & !set);
        for slot in slots(set & !self.state.held & !parts) {
            self.load_slot(slot);
        }
        let word = self.way_out(pc, why, charge);
        self.sink().i64_const(word).br(depth + number);
    }

    /// The best epilogue, and what it stores.
    fn epilogue(&self, leaving: Leaving) -> (u32, Slots) {
        let none = (self.epilogues.len() as u32, 0);
        let all = (0..).zip(self.epilogues.iter().copied());
        let best = all.chain([none]).min_by_key(|(_, set)| leaving.cost(*set));
        best.unwrap_or(none)
    }

    /// Leaves the region for an address.
    pub(super) fn leave_to(&mut self, pc: u64, why: u32, charge: u32, depth: u32) {
        self.leave_with(0, |_, _| {}, (pc, why, charge), depth);
    }

    /// Leaves for the address in a local.
    pub(super) fn leave_for(&mut self, target: u32, why: u32, charge: u32, depth: u32) {
        let (number, set) = self.epilogue(Leaving::new(self.state, 0));
        self.store_all(self.state.dirty & !set);
        for slot in slots(set & !self.state.held) {
            self.load_slot(slot);
        }
        self.wide(target);
        let rest = self.way_out(0, why, charge);
        let mut sink = self.sink();
        sink.i64_const(reason::PC_AT.into()).i64_shl().i64_const(rest).i64_add().br(depth + number);
    }

    /// Ends the function by a return to the address in a local.
    pub(super) fn return_to(&mut self, target: u32, charge: u32) {
        self.store_all(self.state.dirty);
        self.set_rip(target);
        let mut sink = self.sink();
        sink.local_get(BUDGET);
        if charge > 0 {
            sink.i64_const(charge.into()).i64_sub();
        }
        sink.return_();
    }

    /// The address in a local as 64 bits.
    pub(super) fn wide(&mut self, local: u32) {
        self.sink().local_get(local);
        if self.locals.word == Type::I32 {
            self.sink().i64_extend_i32_u();
        }
    }

    /// Puts the lower half of a word on the stack.
    pub(super) fn narrow(&mut self, local: u32) {
        self.sink().local_get(local);
        if self.locals.word == Type::I64 {
            self.sink().i32_wrap_i64();
        }
    }

    /// Adds the two words on the stack.
    pub(super) fn add(&mut self) {
        match self.locals.word {
            Type::I64 => self.sink().i64_add(),
            _ => self.sink().i32_add(),
        };
    }

    fn set_rip(&mut self, local: u32) {
        let word = self.locals.word;
        let mut sink = self.sink();
        sink.local_get(CPU).local_get(local);
        match word {
            Type::I32 => sink.i32_store(at(context::RIP, 2)),
            _ => sink.i64_store(at(context::RIP, 3)),
        };
    }

    /// The end of the function, with the word that says how it is left on the stack: goes on behind the region, if that is
    /// translated, or returns.
    fn leave(&mut self) {
        let Locals { rip, word, reason: why, jump: entry, .. } = self.locals;
        let (way, first) = (self.temporary(Type::I64), self.first as i64);
        let mut sink = self.sink();
        sink.local_tee(way).i64_const(reason::PC_AT.into()).i64_shr_s();
        match word {
            Type::I32 => sink.i32_wrap_i64().i32_const(first as i32).i32_add(),
            _ => sink.i64_const(first).i64_add(),
        };
        sink.local_set(rip);
        self.set_rip(rip);
        let mut sink = self.sink();
        sink.local_get(BUDGET).local_get(way).i64_const(reason::CHARGE_AT.into()).i64_shr_u();
        sink.i64_const(i64::from(reason::CHARGES) - 1).i64_and().i64_sub().local_set(BUDGET);
        sink.local_get(way).i32_wrap_i64().i32_const(reason::MASK).i32_and().local_tee(why);
        sink.i32_eqz().if_(BlockType::Empty);
        self.jump_entry(rip);
        self.sink().local_set(entry);
        self.usable(entry, None);
        self.sink().local_get(BUDGET).i64_const(0).i64_gt_s().i32_and();
        self.sink().if_(BlockType::Empty).local_get(CPU).local_get(DEPTH);
        self.with_block(entry);
        self.sink().local_get(BUDGET);
        self.sink().local_get(entry).i32_load(at(shared::JUMP_TARGET, 2));
        self.sink().return_call_indirect(0, FUNCTION).end().end();
        self.shared();
        self.sink().local_get(why).i32_store(at(shared::REASON, 2));
        self.sink().local_get(BUDGET).end();
    }

    /// Puts the address of the entry of an address in the table of jumps on the stack.
    fn jump_entry(&mut self, pc: u32) {
        let jumps = self.places.jumps as i32;
        self.narrow(pc);
        let mut sink = self.sink();
        sink.i32_const(JUMP_FACTOR as i32).i32_mul().i32_const(32 - JUMP_BITS as i32).i32_shr_u();
        sink.i32_const(shared::JUMP_SHIFT as i32).i32_shl().i32_const(jumps).i32_add();
    }

    /// Whether an entry is that of where to go: a number that is known, or in a local.
    fn usable(&mut self, entry: u32, known: Option<u64>) {
        let rip = self.locals.rip;
        self.sink().local_get(entry).i64_load(at(shared::JUMP_KEY, 3));
        self.shared();
        self.sink().i64_load(at(shared::STAMP, 3));
        match known {
            Some(pc) => {
                self.sink().i64_const(pc as i64);
            }
            None => self.wide(rip),
        }
        self.sink().i64_add().i64_eq();
    }

    /// Calls where to go, which is to come back to `back`. Where there is no time or room for that, the region is left; what is not translated, and
    /// what comes back elsewhere, the engine takes care of until it comes back to `back`.
    pub(super) fn call(&mut self, callee: Callee, back: u64, depth: u32) {
        let Locals { rip, jump: entry, .. } = self.locals;
        self.store_all(self.state.dirty);
        self.state.dirty = 0;
        match callee.pc {
            Some(pc) => {
                let place = self.places.jumps + ((Jump::index(pc) as u32) << shared::JUMP_SHIFT);
                self.sink().i32_const(place as i32);
            }
            None => self.jump_entry(rip),
        }
        self.sink().local_set(entry);
        if let Some((function, entrance)) = callee.own {
            // Where the entry is that of this very function, it is that of the address.
            self.sink().local_get(entry).i64_load(at(shared::JUMP_TARGET, 3));
            self.shared();
            self.sink().i64_load(at(shared::STAMP, 3)).i64_const(entrance.word() as i64).i64_add().i64_eq();
            self.may_call();
            self.sink().i32_and();
            self.mostly();
            let frame = self.frame as i32;
            let mut sink = self.sink();
            sink.local_get(CPU).local_get(DEPTH).i32_const(entrance.in_depth() as i32 - frame).i32_add();
            sink.local_get(BUDGET);
            self.sink().call(function).local_set(BUDGET).else_();
        }
        self.usable(entry, callee.pc);
        self.may_call();
        self.sink().i32_and();
        self.mostly();
        let frame = self.frame as i32;
        self.sink().local_get(CPU).local_get(DEPTH).i32_const(frame).i32_sub();
        self.with_block(entry);
        let mut sink = self.sink();
        sink.local_get(BUDGET);
        sink.local_get(entry).i32_load(at(shared::JUMP_TARGET, 2)).call_indirect(0, FUNCTION);
        sink.local_set(BUDGET).else_();
        self.may_call();
        self.sink().i32_eqz().if_(BlockType::Empty);
        let inside = 2 + u32::from(callee.own.is_some());
        match callee.pc {
            Some(pc) => self.leave_to(pc, reason::JUMP, 0, depth + inside),
            None => self.leave_for(rip, reason::JUMP, 0, depth + inside),
        }
        self.sink().end();
        if let Some(pc) = callee.pc {
            let word = self.locals.word;
            self.constant(word, pc);
            self.sink().local_set(rip);
        }
        self.set_rip(rip);
        self.sink().end();
        if callee.own.is_some() {
            self.sink().end();
        }
        self.state = State::default();
        self.come_back(back);
    }

    /// Whether the address to go to is that one.
    pub(super) fn compare_rip(&mut self, pc: u64) {
        let Locals { rip, word, .. } = self.locals;
        self.sink().local_get(rip);
        self.constant(word, pc);
        match word {
            Type::I64 => self.sink().i64_eq(),
            _ => self.sink().i32_eq(),
        };
    }

    /// Notes where the indirect call or jump at `pc` goes, in one of some places, whichever it happens to be.
    pub(super) fn note_target(&mut self, pc: u64) {
        let (site, rip) = (self.places.calls + Called::offset(pc), self.locals.rip);
        let mut sink = self.sink();
        sink.local_get(BUDGET).i32_wrap_i64().i32_const(3).i32_shl();
        sink.i32_const((Called::SAMPLES as i32 - 1) << 3).i32_and();
        self.wide(rip);
        self.sink().i64_store(at(site.into(), 3));
    }

    /// Whether there is time and room for a call.
    fn may_call(&mut self) {
        let frame = self.frame as i32;
        let mut sink = self.sink();
        sink.local_get(BUDGET).i64_const(0).i64_gt_s();
        sink.local_get(DEPTH).i32_const(frame).i32_gt_s().i32_and();
    }

    /// Adds the number of the block to begin at, which an entry of the table of jumps names, to the room on the stack.
    fn with_block(&mut self, entry: u32) {
        let mut sink = self.sink();
        sink.local_get(entry)
            .i32_load(at(shared::JUMP_BLOCK, 2))
            .i32_const(BLOCK_AT as i32)
            .i32_shl()
            .i32_or();
    }

    /// Behind a call, has the engine go on until `back` is reached. All of the state is where it is kept: whoever comes after finds it there.
    fn come_back(&mut self, back: u64) {
        self.sink().local_get(CPU);
        match self.locals.word {
            Type::I32 => {
                self.sink().i32_load(at(context::RIP, 2)).i32_const(back as i32).i32_ne();
            }
            _ => {
                self.sink().i64_load(at(context::RIP, 3)).i64_const(back as i64).i64_ne();
            }
        }
        self.hardly();
        self.shared();
        let frame = self.frame as i32;
        let mut sink = self.sink();
        sink.local_get(BUDGET).i64_store(at(shared::BUDGET, 3));
        sink.i64_const(back as i64).local_get(DEPTH).i32_const(frame).i32_sub().call(RESUME);
        self.shared();
        self.sink().i64_load(at(shared::BUDGET, 3)).local_set(BUDGET);
        self.hardly();
        self.sink().local_get(BUDGET).return_().end().end();
    }

    /// Charges the instructions done on the way here.
    pub(super) fn settle(&mut self) {
        let instructions = core::mem::take(&mut self.pending);
        if instructions > 0 {
            let mut sink = self.sink();
            sink.local_get(BUDGET).i64_const(-i64::from(instructions)).i64_add().local_set(BUDGET);
        }
    }

    /// Of the quick tier, leaves before a block at `pc` to which control comes again, if the budget is spent or there is better code.
    pub(super) fn check_turn(&mut self, pc: u64, depth: u32) {
        let better = self.places.better + Jump::index(pc) as u32;
        let mut sink = self.sink();
        sink.local_get(BUDGET).i64_const(0).i64_le_s();
        sink.i32_const(better as i32).i32_load8_u(at(0, 0)).i32_or();
        self.hardly();
        self.leave_to(pc, reason::JUMP, 0, depth + 1);
        self.sink().end();
    }

    /// Leaves before a block at `pc` if the budget is spent.
    pub(super) fn check_budget(&mut self, pc: u64, depth: u32) {
        self.sink().local_get(BUDGET).i64_const(0).i64_le_s();
        self.hardly();
        self.leave_to(pc, reason::JUMP, 0, depth + 1);
        self.sink().end();
    }
}
