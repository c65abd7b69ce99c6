//! The code of a block: values where they are wanted, steps in their order.

use super::areas::Area;
use super::group::{Grouped, Start};
use super::operations::{binary, compare, unary};
use super::progress::Progress;
use super::state::{FLAGS, IMPRECISE, PAGES, Plan, SLOTS, Slots, State, XMM, changed, flag, gpr, slots, xmm};
use super::{COMPUTE, SCAN};
use crate::ir::{Body, Compare, Exit, Expr, FlagPart, FlagValues, Step, Type, Value, ones};
use crate::layout::{Places, VECTORS, context, reason, shared};
use crate::region::{Region, Tier};
use alloc::vec;
use alloc::vec::Vec;
use wasm_encoder::{BlockType, BranchHint, InstructionSink, MemArg, ValType};
use x86_cpu::CodeMode;

/// The first parameter: address of the processor's state.
pub(super) const CPU: u32 = 0;
/// The second: how much room there is for calls within each other.
pub(super) const DEPTH: u32 = 1;
/// The third, and the result: instructions that may still be done.
pub(super) const BUDGET: u32 = 2;
/// Operations that are rather done again on an arm than kept.
const LARGE: u32 = 24;
/// How many there are.
const PARAMETERS: u32 = 3;

/// Type of general registers and addresses.
pub(super) fn word(mode: CodeMode) -> Type {
    if mode == CodeMode::Bits64 { Type::I64 } else { Type::I32 }
}

/// The locals that last.
pub(super) struct Locals {
    pub(super) word: Type,
    /// Local of each slot that is used.
    regs: [Option<u32>; SLOTS],
    /// Where to go on behind the region or at its switch, where that is not known before; the last parameter where there is a switch.
    pub(super) rip: u32,
    /// And why: one of [`reason`].
    pub(super) reason: u32,
    /// Address of an entry of the table of jumps.
    pub(super) jump: u32,
    types: Vec<Type>,
}

impl Locals {
    pub(super) fn of(mode: CodeMode, plan: &Plan) -> Locals {
        let word = word(mode);
        let mut locals = Locals {
            word,
            regs: [None; SLOTS],
            rip: PARAMETERS,
            reason: PARAMETERS + 1,
            jump: PARAMETERS + 2,
            types: vec![word, Type::I32, Type::I32],
        };
        for slot in slots(plan.all) {
            locals.regs[slot] = Some(locals.types.len() as u32 + PARAMETERS);
            locals.types.push(locals.ty(slot));
        }
        locals
    }

    pub(super) fn ty(&self, slot: usize) -> Type {
        match slot {
            0..XMM => self.word,
            XMM..FLAGS => Type::V128,
            IMPRECISE | PAGES => Type::I32,
            _ if slot == flag(FlagPart::Shape) => Type::I32,
            _ => Type::I64,
        }
    }

    pub(super) fn reg(&self, slot: usize) -> u32 {
        self.regs[slot].unwrap_or(0)
    }
}

/// What stands at the end of a block.
pub(super) enum Ended {
    /// Nothing.
    Plain,
    /// A return.
    Gone,
    /// The address to jump to has been put into a local.
    Jump,
    /// A condition on the stack.
    Condition,
    /// The address to call: a number where it is known, else it has been put into a local.
    Call(Option<u64>),
}

/// A function in the making.
pub(super) struct Function {
    code: Vec<u8>,
    pub(super) locals: Locals,
    /// Of the [`VECTORS`], those that are in locals.
    vectors: Vec<(u128, u32)>,
    pub(super) places: Places,
    /// Address of the region's entry.
    pub(super) first: u64,
    /// The room that the function takes, in units of [`DEPTH`].
    pub(super) frame: u32,
    /// What is where, at the place of emission.
    pub(super) state: State,
    /// See [`Plan`].
    pub(super) epilogues: Vec<Slots>,
    /// Temporaries that no value is in, by type.
    free: [Vec<u32>; 5],
    taken: Vec<(Type, u32)>,
    /// Instructions done on the way here that are still to be charged.
    pub(super) pending: u32,
    /// The entry of the TLB that was looked at last.
    entry: Option<u32>,
    /// The areas of the region's accesses.
    pub(super) areas: Vec<Area>,
    /// Of those that last beyond a block, the locals.
    area_locals: Vec<Option<u32>>,
    pub(super) tier: Tier,
    /// Where in the code conditions are that are hardly ever met (0), or nearly always (1).
    hints: Vec<(u32, u32)>,
}

/// A function that is done.
pub(super) struct Written {
    pub(super) code: wasm_encoder::Function,
    pub(super) hints: Vec<BranchHint>,
}

pub(super) fn at(offset: u64, align: u32) -> MemArg {
    MemArg { offset, align, memory_index: 0 }
}

impl Function {
    pub(super) fn new(locals: Locals, places: Places, region: &Region, plan: &mut Plan) -> Function {
        let areas = core::mem::take(&mut plan.areas.all);
        Function {
            code: Vec::new(),
            locals,
            places,
            first: region.entry(),
            // Hosts spill locals; large functions have many.
            frame: 2 + region.instructions() as u32 / 64,
            state: State::default(),
            epilogues: core::mem::take(&mut plan.epilogues),
            free: Default::default(),
            taken: Vec::new(),
            pending: 0,
            entry: None,
            area_locals: vec![None; areas.len()],
            areas,
            tier: region.tier,
            hints: Vec::new(),
            vectors: Vec::new(),
        }
    }

    pub(super) fn sink(&mut self) -> InstructionSink<'_> {
        InstructionSink::new(&mut self.code)
    }

    /// Begins what is hardly ever done: engines keep it out of the way, and keep in registers what it does not need.
    pub(super) fn hardly(&mut self) {
        self.hints.push((self.code.len() as u32, 0));
        self.sink().if_(BlockType::Empty);
    }

    /// Begins what is nearly always done.
    pub(super) fn mostly(&mut self) {
        self.hints.push((self.code.len() as u32, 1));
        self.sink().if_(BlockType::Empty);
    }

    pub(super) fn sink_br(&mut self, depth: u32) {
        self.sink().br(depth);
    }

    /// Keeps those [`VECTORS`] in locals that blocks have.
    pub(super) fn keep_vectors(&mut self, bodies: &[Body]) {
        for (number, bits) in (0_u64..).zip(VECTORS) {
            let has = |body: &Body| body.values.iter().any(|(_, expr)| *expr == Expr::Vector(bits));
            if bodies.iter().any(has) {
                let local = self.lasting(Type::V128);
                self.shared();
                self.sink().v128_load(at(shared::VECTORS + 16 * number, 3)).local_set(local);
                self.vectors.push((bits, local));
            }
        }
    }

    /// A local for as long as the function lasts.
    pub(super) fn lasting(&mut self, ty: Type) -> u32 {
        self.locals.types.push(ty);
        self.locals.types.len() as u32 + PARAMETERS - 1
    }

    /// Where the entry of the TLB is that was looked at last.
    pub(super) fn entry_local(&mut self) -> u32 {
        if let Some(local) = self.entry {
            return local;
        }
        let local = self.lasting(Type::I32);
        self.entry = Some(local);
        local
    }

    /// A temporary for as long as the block lasts.
    pub(super) fn temporary(&mut self, ty: Type) -> u32 {
        let local = self.free[ty as usize].pop().unwrap_or_else(|| self.lasting(ty));
        self.taken.push((ty, local));
        local
    }

    /// With `switched`, the first of the locals is a parameter: the address to begin at.
    pub(super) fn finish(self, switched: bool) -> Written {
        let types = self.locals.types.iter().skip(usize::from(switched)).map(|ty| match ty {
            Type::I32 => ValType::I32,
            Type::I64 => ValType::I64,
            Type::F32 => ValType::F32,
            Type::F64 => ValType::F64,
            Type::V128 => ValType::V128,
        });
        let mut function = wasm_encoder::Function::new_with_locals_types(types);
        let before = function.byte_len() as u32;
        let hint = |(at, value)| BranchHint { branch_func_offset: before + at, branch_hint_value: value };
        function.raw(self.code);
        Written { code: function, hints: self.hints.into_iter().map(hint).collect() }
    }

    pub(super) fn constant(&mut self, ty: Type, n: u64) {
        match ty {
            Type::I32 => self.sink().i32_const(n as i32),
            Type::F32 => self.sink().f32_const(f32::from_bits(n as u32).into()),
            Type::F64 => self.sink().f64_const(f64::from_bits(n).into()),
            Type::V128 => self.sink().v128_const(n.into()),
            Type::I64 => self.sink().i64_const(n as i64),
        };
    }

    /// A block, but for its end. `reads` is what it wants of before.
    pub(super) fn body(&mut self, body: &Body, grouped: &Grouped, reads: Slots, depth: u32) -> Ended {
        for (ty, local) in core::mem::take(&mut self.taken) {
            self.free[ty as usize].push(local);
        }
        if self.pending + body.count >= reason::CHARGES {
            self.settle();
        }
        self.hold(reads);
        let mut progress = Progress::of(body, grouped);
        // Registers that the block reads stand where they are until they change.
        for (number, (_, expr)) in body.values.iter().enumerate() {
            let slot = match expr {
                Expr::Reg(reg) => gpr(*reg),
                Expr::Xmm(reg) => xmm(*reg),
                _ => continue,
            };
            progress.place[number] = Some(self.locals.reg(slot));
            progress.in_reg[slot] = Some(Value::at(number));
        }
        for (number, step) in body.steps.iter().enumerate() {
            let known = grouped.of[number].is_some_and(|group| progress.checked[group].is_some());
            if self.tier == Tier::Quick && step.origin().is_some() && !known {
                // Once on the way on, rather than on each arm.
                self.store_registers();
            }
            self.step(&mut progress, number, step, depth);
            self.state.step(body, step);
        }
        self.pending += body.count;
        let charge = self.pending;
        match body.exit {
            Exit::Plain => Ended::Plain,
            Exit::If(condition) => {
                self.condition(&mut progress, condition);
                Ended::Condition
            }
            Exit::Indirect(target) => {
                self.get(&mut progress, target, false);
                let rip = self.locals.rip;
                self.sink().local_set(rip);
                Ended::Jump
            }
            Exit::Return(target) => {
                let target = self.local(&mut progress, target);
                self.return_to(target, charge);
                Ended::Gone
            }
            Exit::Call(target) => {
                let known = body.constant(target);
                if known.is_none() {
                    self.get(&mut progress, target, false);
                    let rip = self.locals.rip;
                    self.sink().local_set(rip);
                }
                self.settle();
                Ended::Call(known)
            }
        }
    }

    fn step(&mut self, progress: &mut Progress<'_>, number: usize, step: &Step, depth: u32) {
        match *step {
            Step::Load { to, addr, bytes, origin } => {
                let (host, behind) = self.reach(progress, number, addr, origin, depth);
                let ty = progress.body.ty(to);
                let local = self.temporary(ty);
                self.sink().local_get(host);
                self.load(ty, behind, bytes);
                self.sink().local_set(local);
                progress.place[to.index()] = Some(local);
            }
            Step::Store { addr, value, bytes, origin } => {
                let (host, behind) = self.reach(progress, number, addr, origin, depth);
                self.sink().local_get(host);
                self.get(progress, value, false);
                self.store(progress.body.ty(value), behind, bytes);
            }
            Step::LoadToChange { to, addr, bytes, origin } => {
                let (host, behind) = self.reach(progress, number, addr, origin, depth);
                let ty = progress.body.ty(to);
                let local = self.temporary(ty);
                self.sink().local_get(host);
                self.load(ty, behind, bytes);
                self.sink().local_set(local);
                progress.place[to.index()] = Some(local);
                progress.hosts.push((to, host, behind));
            }
            Step::Back { of, value, bytes } => {
                let host = progress.hosts.iter().rev().find(|(to, ..)| *to == of);
                debug_assert!(host.is_some(), "the load comes first");
                let (host, behind) = host.map_or((CPU, 0), |(_, host, behind)| (*host, *behind));
                self.sink().local_get(host);
                self.get(progress, value, false);
                self.store(progress.body.ty(value), behind, bytes);
            }
            Step::Copy { to, from, bytes, origin } => {
                let [to, from, bytes] = [to, from, bytes].map(|value| self.local(progress, value));
                let from = self.look_up_area((from, bytes), false, |function, out| {
                    function.arm(progress, origin, depth + out);
                });
                let to = self.look_up_area((to, bytes), true, |function, out| {
                    function.arm(progress, origin, depth + out);
                });
                self.sink().local_get(to).local_get(from).local_get(bytes).memory_copy(0, 0);
            }
            Step::Fill { to, byte, bytes, origin } => {
                let [to, bytes] = [to, bytes].map(|value| self.local(progress, value));
                let to = self.look_up_area((to, bytes), true, |function, out| {
                    function.arm(progress, origin, depth + out);
                });
                self.sink().local_get(to);
                self.get(progress, byte, false);
                self.sink().local_get(bytes).memory_fill(0);
            }
            Step::LoadState { to, addr, offset, bytes } => {
                self.get(progress, addr, false);
                let ty = progress.body.ty(to);
                let local = self.temporary(ty);
                self.load(ty, offset.into(), bytes);
                self.sink().local_set(local);
                progress.place[to.index()] = Some(local);
            }
            Step::StoreState { addr, offset, value, bytes } => {
                self.get(progress, addr, false);
                self.get(progress, value, false);
                self.store(progress.body.ty(value), offset.into(), bytes);
            }
            Step::Compute { op, operands, sig, rest } => {
                for (sig, se) in operands {
                    self.get(progress, sig, false);
                    self.get(progress, se, false);
                }
                let (to, more) = (self.temporary(Type::I64), self.temporary(Type::I32));
                self.sink().call(COMPUTE + op as u32).local_set(more).local_set(to);
                progress.place[sig.index()] = Some(to);
                progress.place[rest.index()] = Some(more);
            }
            Step::Scan { addr, most, what, found } => {
                let addr = self.local(progress, addr);
                self.wide(addr);
                self.get(progress, most, false);
                self.get(progress, what, false);
                let to = self.temporary(Type::I64);
                self.sink().call(SCAN).local_set(to);
                progress.place[found.index()] = Some(to);
            }
            Step::Spend(more) => {
                self.sink().local_get(BUDGET);
                self.get(progress, more, false);
                self.sink().i64_sub().local_set(BUDGET);
            }
            Step::Guard { condition, origin } => {
                self.condition(progress, condition);
                self.leave_arm(progress, origin, depth);
            }
            Step::GuardBoth { first, second, origin } => {
                self.condition(progress, first);
                self.hardly();
                self.get(progress, second, true);
                self.leave_arm(progress, origin, depth + 1);
                self.sink().end();
            }
            Step::Aligned { addr, origin } => {
                self.get(progress, addr, false);
                if self.locals.word == Type::I64 {
                    self.sink().i32_wrap_i64();
                }
                self.sink().i32_const(15).i32_and();
                self.leave_arm(progress, origin, depth);
            }
            Step::Canonical { addr, origin } => {
                let addr = self.local(progress, addr);
                let mut sink = self.sink();
                sink.local_get(addr)
                    .i64_const(16)
                    .i64_shl()
                    .i64_const(16)
                    .i64_shr_s()
                    .local_get(addr)
                    .i64_ne();
                self.leave_arm(progress, origin, depth);
            }
            Step::SetReg(reg, value) => self.set_slot(progress, gpr(reg), value, number),
            Step::SetXmm(reg, value) => self.set_slot(progress, xmm(reg), value, number),
            Step::SetFlags(values) => {
                self.keep_flags(progress, number);
                self.set_flags(progress, values);
            }
        }
    }

    fn set_slot(&mut self, progress: &mut Progress<'_>, slot: usize, value: Value, number: usize) {
        let local = self.locals.reg(slot);
        self.get(progress, value, false);
        self.keep(progress, slot, number);
        self.sink().local_set(local);
        let constant = progress.body.constant(value).is_some();
        if progress.place[value.index()].is_none() && !constant {
            progress.place[value.index()] = Some(local);
        }
        progress.in_reg[slot] = (progress.place[value.index()] == Some(local)).then_some(value);
    }

    /// Saves what is wanted of the old flags behind the step that changes them.
    fn keep_flags(&mut self, progress: &mut Progress<'_>, step: usize) {
        for (number, (ty, expr)) in progress.body.values.iter().enumerate() {
            if let Expr::Flags(_) = expr
                && progress.last[number] > step
            {
                self.get(progress, Value::at(number), false);
                let saved = self.temporary(*ty);
                self.sink().local_set(saved);
                progress.place[number] = Some(saved);
            }
        }
    }

    /// Puts a number on the stack that is 0 where the value is.
    fn condition(&mut self, progress: &mut Progress<'_>, value: Value) {
        let body = progress.body;
        match body.expr(value) {
            Expr::Compare(Compare::Ne, a, b)
                if progress.place[value.index()].is_none()
                    && body.constant(b) == Some(0)
                    && body.ty(a) == Type::I32 =>
            {
                self.get(progress, a, false);
            }
            _ => self.get(progress, value, false),
        }
    }

    fn set_flags(&mut self, progress: &mut Progress<'_>, values: FlagValues) {
        // All of them first: the old ones may be among what the new ones come from. What stays needs no change.
        let parts: Vec<_> = changed(progress.body, values).collect();
        for (_, value) in &parts {
            self.get(progress, *value, false);
        }
        for (part, _) in parts.iter().rev() {
            let local = self.locals.reg(flag(*part));
            self.sink().local_set(local);
        }
    }

    /// Saves the value that stands in a register and is wanted behind a step, before the register changes.
    fn keep(&mut self, progress: &mut Progress<'_>, slot: usize, step: usize) {
        let local = self.locals.reg(slot);
        if let Some(value) = progress.in_reg[slot]
            && progress.place[value.index()] == Some(local)
        {
            progress.place[value.index()] = None;
            if progress.last[value.index()] > step {
                let saved = self.temporary(self.locals.ty(slot));
                self.sink().local_get(local).local_set(saved);
                progress.place[value.index()] = Some(saved);
            }
        }
    }

    /// Where in linear memory an access goes: a local, and so many bytes behind. Leaves as before the instruction if it is not allowed.
    fn reach(
        &mut self,
        progress: &mut Progress<'_>,
        step: usize,
        addr: Value,
        origin: usize,
        depth: u32,
    ) -> (u32, u64) {
        let Some(number) = progress.grouped.of[step] else {
            debug_assert!(false, "every access is in a group");
            return (CPU, 0);
        };
        let group = progress.grouped.groups[number];
        let (_, offset) = progress.body.root(addr);
        let behind = (offset - group.at) as u64;
        if let Some(host) = progress.checked[number] {
            return (host, behind);
        }
        let host = self.area_local(group.area);
        if !group.known {
            let start = match progress.body.constant(group.root) {
                Some(n) => Start::At(n.wrapping_add(group.at as u64) & self.addresses()),
                None => Start::In(self.start_of(progress, addr, (group.root, group.at))),
            };
            let area = self.areas[group.area];
            self.check_area(&area, start, host, |function, out| {
                function.arm(progress, origin, depth + out);
            });
        }
        progress.checked[number] = Some(host);
        (host, behind)
    }

    /// Mask of addresses.
    pub(super) fn addresses(&self) -> u64 {
        ones(self.locals.word)
    }

    /// A local with an address that is a number from a value; it may be that of an access.
    fn start_of(&mut self, progress: &mut Progress<'_>, addr: Value, (root, by): (Value, i64)) -> u32 {
        if progress.body.root(addr) == (root, by) {
            return self.local(progress, addr);
        }
        let word = self.locals.word;
        self.get(progress, root, false);
        let start = self.temporary(word);
        self.constant(word, by as u64);
        self.add();
        self.sink().local_set(start);
        start
    }

    /// Where the address in linear memory of an area is: a local of its own, if other blocks rely on it.
    pub(super) fn area_local(&mut self, number: usize) -> u32 {
        if let Some(local) = self.area_locals[number] {
            return local;
        }
        let local = self.temporary(Type::I32);
        if self.areas[number].lasts {
            self.taken.retain(|(_, other)| *other != local);
            self.area_locals[number] = Some(local);
        }
        local
    }

    /// Leaves as before the instruction if what is on the stack is not 0.
    fn leave_arm(&mut self, progress: &mut Progress<'_>, origin: usize, depth: u32) {
        self.hardly();
        self.arm(progress, origin, depth + 1);
        self.sink().end();
    }

    /// Leaves as before an instruction.
    fn arm(&mut self, progress: &mut Progress<'_>, origin: usize, depth: u32) {
        let body = progress.body;
        let Some(from) = body.origins.get(origin) else { return };
        let way = (from.pc, reason::STOP, self.pending + from.done);
        let mut values = [None; SLOTS];
        for (part, value) in from.flags.into_iter().flat_map(|flags| changed(body, flags)) {
            values[flag(part)] = Some(value);
        }
        let parts = (0..SLOTS).fold(0, |set, slot| set | u64::from(values[slot].is_some()) << slot);
        let part = |function: &mut Function, slot: usize| {
            if let Some(value) = values[slot] {
                function.get(progress, value, true);
            }
        };
        self.leave_with(parts, part, way, depth);
        for value in core::mem::take(&mut progress.on_arm) {
            progress.place[value.index()] = None;
        }
    }

    /// A value in a local.
    fn local(&mut self, progress: &mut Progress<'_>, value: Value) -> u32 {
        if let Some(local) = progress.place[value.index()] {
            return local;
        }
        self.get(progress, value, false);
        let local = self.temporary(progress.body.ty(value));
        self.sink().local_set(local);
        progress.place[value.index()] = Some(local);
        local
    }

    /// Puts a value on the stack. On an arm nothing is kept for the way on; what is large is kept as long as the arm, as others may want it
    /// again and again.
    fn get(&mut self, progress: &mut Progress<'_>, value: Value, arm: bool) {
        let (ty, expr) = progress.body.values[value.index()];
        if let Some(local) = progress.place[value.index()] {
            self.sink().local_get(local);
            return;
        }
        match expr {
            Expr::Const(n) => return self.constant(ty, n),
            Expr::Vector(bits) => {
                let kept = self.vectors.iter().find(|(kept, _)| *kept == bits).map(|(_, local)| *local);
                match kept {
                    Some(local) => self.sink().local_get(local),
                    None => self.sink().v128_const(bits as i128),
                };
                return;
            }
            Expr::Reg(_) | Expr::Xmm(_) => debug_assert!(false, "it is in its register or has been saved"),
            Expr::Segment(number) => {
                let offset = context::segment(number);
                self.sink().local_get(CPU);
                match ty {
                    Type::I32 => self.sink().i32_load(at(offset, 2)),
                    _ => self.sink().i64_load(at(offset, 3)),
                };
            }
            Expr::Mxcsr => {
                self.sink().local_get(CPU).i32_load(at(context::MXCSR, 2));
            }
            Expr::Cpu => {
                self.sink().local_get(CPU);
            }
            Expr::Imprecise => {
                let local = self.locals.reg(IMPRECISE);
                self.sink().local_get(local);
                return;
            }
            Expr::Wasm(op, operands) => {
                for operand in operands.into_iter().flatten() {
                    self.get(progress, operand, arm);
                }
                op.write(&mut self.sink());
            }
            Expr::Extract(shape, lane, vector) => {
                self.get(progress, vector, arm);
                shape.write_extract(&mut self.sink(), lane);
            }
            Expr::Replace(shape, lane, vector, value) => {
                self.get(progress, vector, arm);
                self.get(progress, value, arm);
                shape.write_replace(&mut self.sink(), lane);
            }
            Expr::Shuffle(bytes, a, b) => {
                self.get(progress, a, arm);
                self.get(progress, b, arm);
                self.sink().i8x16_shuffle(bytes);
            }
            Expr::Flags(part) => {
                let local = self.locals.reg(flag(part));
                self.sink().local_get(local);
                return;
            }
            Expr::Loaded => debug_assert!(false, "a load comes before what it gives"),
            Expr::Binary(op, a, b) => {
                self.get(progress, a, arm);
                self.get(progress, b, arm);
                binary(&mut self.sink(), ty, op);
            }
            Expr::Compare(Compare::Eq, a, b) if progress.body.constant(b) == Some(0) => {
                self.get(progress, a, arm);
                match progress.body.ty(a) {
                    Type::I32 => self.sink().i32_eqz(),
                    _ => self.sink().i64_eqz(),
                };
            }
            Expr::Compare(op, a, b) => {
                self.get(progress, a, arm);
                self.get(progress, b, arm);
                compare(&mut self.sink(), progress.body.ty(a), op);
            }
            Expr::Unary(op, a) => {
                self.get(progress, a, arm);
                unary(&mut self.sink(), ty, op);
            }
            Expr::Select(condition, a, b) => {
                self.get(progress, a, arm);
                self.get(progress, b, arm);
                self.get(progress, condition, arm);
                self.sink().select();
            }
        }
        let once = if arm { progress.size[value.index()] > LARGE } else { progress.uses[value.index()] > 1 };
        if once {
            let local = self.temporary(ty);
            self.sink().local_tee(local);
            progress.place[value.index()] = Some(local);
            progress.on_arm.extend(arm.then_some(value));
        }
    }
}
