//! WebAssembly from lifted regions.

mod areas;
mod arithmetic;
mod body;
mod bulk;
mod frame;
mod group;
mod look;
mod memory;
mod operations;
mod progress;
mod quick;
mod state;
mod switch;

use crate::ir::{Body, Type};
use crate::layout::{Entrance, Places, reason};
use crate::lift::lift_all;
use crate::liveness::wanted;
use crate::region::{End, Region, Setting, Target, Tier};
use crate::structure::Structure;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
pub use arithmetic::arithmetic;
use body::{Ended, Function, Locals, Written, word};
use frame::Callee;
pub use look::looks;
use state::{Plan, State};
use switch::Table;
use wasm_encoder::{
    BlockType, BranchHints, CodeSection, ConstExpr, ElementSection, Elements, EntityType, ExportKind,
    ExportSection, FunctionSection, ImportSection, MemoryType, Module, NameMap, NameSection, RefType,
    TableType, TypeSection, ValType,
};
use x86_cpu::X87Op;

/// A module with a function for each [entry](Region::entries) of each region, which it puts into a table of functions, from `first` on.
/// It imports the memory as `e.m`, the table as `e.t`, and as `e.f` a function for areas that are not found otherwise, of type
/// `(address: i64, what: i32) -> i32`: `what` is twice the length, plus 1 for a store, and the result the address in the memory, or 0 where the
/// area is not there as a whole ([`present`](guest_mem::AddressSpace::present)). As `e.n` one of type `(address: i64, depth: i32) -> i32` for a
/// call that was to come back to an address and has not: it goes on until that is so, with the budget in
/// [`Shared::budget`](crate::layout::Shared::budget), or says by a number that is not 0 that the function is to be left. And by their [names](X87Op::name) those of [`arithmetic`], and that of [`looks`].
///
/// A function has the type `(cpu: i32, depth: i32, budget: i64) -> i64`. It takes the state from where [`layout`](crate::layout) says and
/// leaves it there with the address to go on at: behind an instruction, or before one that it does not do itself. `depth` is how
/// much room there is for calls within each other, in units of some hundred bytes, with the [block](Entrance::in_depth) to begin at, `budget` how many instructions may still be done: once it is not
/// positive, the function leaves at the next loop or call. It gives what is left of the budget.
pub fn translate(regions: &[Region], places: &Places, first: u32) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32, ValType::I32, ValType::I64], [ValType::I64]);
    // Of functions with a switch, by the type of the address.
    types.ty().function([ValType::I32, ValType::I32, ValType::I64, ValType::I32], [ValType::I64]);
    types.ty().function([ValType::I32, ValType::I32, ValType::I64, ValType::I64], [ValType::I64]);
    let mut imports = ImportSection::new();
    imports.import("e", "m", EntityType::Memory(linear_memory()));
    imports.import("e", "t", EntityType::Table(table()));
    types.ty().function([ValType::I64, ValType::I32], [ValType::I32]);
    imports.import("e", "f", EntityType::Function(3));
    imports.import("e", "n", EntityType::Function(3));
    types
        .ty()
        .function([ValType::I64, ValType::I32, ValType::I64, ValType::I32], [ValType::I64, ValType::I32]);
    for op in X87Op::ALL {
        imports.import("e", op.name(), EntityType::Function(4));
    }
    types.ty().function([ValType::I32, ValType::I64, ValType::I32], [ValType::I64]);
    imports.import("e", "l", EntityType::Function(5));
    types.ty().function([ValType::I64, ValType::I32, ValType::I32], [ValType::I64]);
    imports.import("e", "s", EntityType::Function(6));
    let mut functions = FunctionSection::new();
    let mut elements = ElementSection::new();
    let mut code = CodeSection::new();
    let mut own: BTreeMap<(u64, Setting), Option<Entrance>> = BTreeMap::new();
    for region in regions {
        for (pc, entrance) in region.entrances(first + functions.len()) {
            // Of several regions at one address, the table of jumps knows which one holds.
            let known = own.entry((pc, region.setting));
            known.and_modify(|known| *known = None).or_insert(Some(entrance));
        }
        for _ in 0..region.functions() {
            functions.function(0);
        }
    }
    let in_table = functions.len();
    let mut names = NameMap::new();
    let mut hints = BranchHints::new();
    let mut switched = Vec::new();
    for region in regions {
        let calls = |pc: u64| {
            let entrance = own.get(&(pc, region.setting)).copied().flatten()?;
            Some((IMPORTED + entrance.slot - first, entrance))
        };
        let function = match region.tier {
            Tier::Quick => quick::function(region, places, &calls),
            Tier::Best => function(region, places, &calls),
        };
        if region.arms.is_empty() {
            names.append(IMPORTED + code.len(), &name(region));
            hints.function_hints(IMPORTED + code.len(), function.hints);
            code.function(&function.code);
            continue;
        }
        let word = word(region.setting.mode);
        region.entries().for_each(|pc| {
            code.function(&switch::entry(IMPORTED + functions.len(), word, pc));
        });
        functions.function(if word == Type::I64 { 2 } else { 1 });
        switched.push((name(region), function));
    }
    for (name, function) in switched {
        names.append(IMPORTED + code.len(), &name);
        hints.function_hints(IMPORTED + code.len(), function.hints);
        code.function(&function.code);
    }
    let all: Vec<u32> = (IMPORTED..IMPORTED + in_table).collect();
    elements.active(None, &ConstExpr::i32_const(first as i32), Elements::Functions(all.into()));
    let mut module = Module::new();
    module
        .section(&types)
        .section(&imports)
        .section(&functions)
        .section(&elements)
        .section(&hints)
        .section(&code);
    let mut section = NameSection::new();
    section.functions(&names);
    module.section(&section);
    module.finish()
}

/// What profilers call the function of a region: its tier and its entry.
fn name(region: &Region) -> String {
    let tier = match region.tier {
        Tier::Quick => "quick",
        Tier::Best => "best",
    };
    format!("{tier}_{:x}", region.entry())
}

/// A module for a host whose own functions are in another table: it exports `call`, of type
/// `(slot: i32, cpu: i32, depth: i32, budget: i64) -> i64`, which calls the function at a place of the table `e.t`.
pub fn trampoline() -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32, ValType::I32, ValType::I64], [ValType::I64]);
    types.ty().function([ValType::I32, ValType::I32, ValType::I32, ValType::I64], [ValType::I64]);
    let mut imports = ImportSection::new();
    imports.import("e", "t", EntityType::Table(table()));
    let mut functions = FunctionSection::new();
    functions.function(1);
    let mut exports = ExportSection::new();
    exports.export("call", ExportKind::Func, 0);
    let mut body = wasm_encoder::Function::new([]);
    body.instructions().local_get(1).local_get(2).local_get(3).local_get(0).call_indirect(0, 0).end();
    let mut code = CodeSection::new();
    code.function(&body);
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions).section(&exports).section(&code);
    module.finish()
}

fn linear_memory() -> MemoryType {
    MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None }
}

fn table() -> TableType {
    TableType { element_type: RefType::FUNCREF, table64: false, minimum: 0, maximum: None, shared: false }
}

/// The functions that are imported, of those of [`X87Op`] the first, and how many they are.
const PRESENT: u32 = 0;
const RESUME: u32 = 1;
const COMPUTE: u32 = 2;
const LOOK: u32 = COMPUTE + X87Op::ALL.len() as u32;
const SCAN: u32 = LOOK + 1;
const IMPORTED: u32 = SCAN + 1;

/// Functions of the module by address: their number, and where in the table of functions they are.
type Own<'a> = &'a dyn Fn(u64) -> Option<(u32, Entrance)>;

fn function(region: &Region, places: &Places, own: Own<'_>) -> Written {
    let structure = Structure::of(region);
    let wanted = wanted(region);
    let bodies = lift_all(region, &structure, &wanted);
    let mut plan = Plan::of(region, &structure, &bodies, wanted);
    let locals = Locals::of(region.setting.mode, &plan);
    let mut out = Function::new(locals, *places, region, &mut plan);
    if structure.loops.contains(&true) {
        out.keep_vectors(&bodies);
    }
    let mut emitter = Emitter { region, structure, out, bodies, plan, own, labels: Vec::new() };
    let ends = emitter.out.open_ends();
    emitter.labels.extend((0..ends).map(|_| Label::Leave));
    if emitter.joint(0) {
        emitter.out.become_state(emitter.plan.at[0]);
    }
    emitter.tree(0);
    emitter.out.close_ends();
    emitter.out.finish(!region.arms.is_empty())
}

/// Where a target is in the code.
fn address(region: &Region, target: Target) -> u64 {
    match target {
        Target::Leave(pc) => pc,
        Target::Block(block) => region.blocks[block].pc,
    }
}

/// What the structure around the place of emission is, from the outside in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Label {
    /// Behind it are what is stored at the end, and the end.
    Leave,
    /// Behind it, a block begins.
    Before(usize),
    /// A loop, with its first block.
    Loop(usize),
    /// One side of a condition.
    If,
}

struct Emitter<'a> {
    region: &'a Region,
    structure: Structure,
    bodies: Vec<Body>,
    plan: Plan,
    own: Own<'a>,
    out: Function,
    labels: Vec<Label>,
}

impl Emitter<'_> {
    /// Whether several ways lead to a block.
    fn joint(&self, block: usize) -> bool {
        self.structure.merges[block] || self.structure.loops[block]
    }

    /// A block and all that it dominates.
    fn tree(&mut self, block: usize) {
        if self.structure.loops[block] {
            self.out.settle();
            // All ways here have brought that about.
            self.out.state = self.plan.at[block];
            let depth = self.depth(Label::Leave);
            for early in &self.plan.areas.early[block] {
                self.out.check_early(*early, self.region.blocks[block].pc, depth);
            }
        }
        let merges: Vec<usize> =
            self.structure.children(block).filter(|child| self.structure.merges[*child]).collect();
        let is_loop = self.structure.loops[block];
        if is_loop {
            self.out.sink().loop_(BlockType::Empty);
            self.labels.push(Label::Loop(block));
        }
        for &merge in &merges {
            self.out.sink().block(BlockType::Empty);
            self.labels.push(Label::Before(merge));
        }
        if self.joint(block) {
            self.out.state = self.plan.at[block];
        } else if !self.plan.wanted[block].at_start() {
            self.out.forget_flags();
        }
        self.block(block);
        for &merge in merges.iter().rev() {
            self.out.sink().end();
            self.labels.pop();
            // Whoever jumps to a place with several ways to it has settled before.
            self.out.pending = 0;
            self.tree(merge);
        }
        if is_loop {
            self.out.sink().end();
            self.labels.pop();
        }
    }

    fn block(&mut self, number: usize) {
        let depth = self.depth(Label::Leave);
        let body = &self.bodies[number];
        if let End::Switch { learn } = self.region.blocks[number].end {
            self.switch(learn, depth);
            return;
        }
        if self.structure.loops[number] {
            self.out.check_budget(self.region.blocks[number].pc, depth);
        }
        let end = self.out.body(body, &self.plan.areas.of[number], self.plan.touched[number].reads, depth);
        if !self.plan.wanted[number].behind {
            self.out.forget_flags();
        }
        match (self.region.blocks[number].end, end) {
            (End::Either { taken, next }, Ended::Condition) => {
                match (taken, next) {
                    // Code that has not run.
                    (Target::Leave(_), Target::Block(_)) => self.out.hardly(),
                    (Target::Block(_), Target::Leave(_)) => self.out.mostly(),
                    _ => {
                        self.out.sink().if_(BlockType::Empty);
                    }
                }
                self.labels.push(Label::If);
                let (pending, state): (u32, State) = (self.out.pending, self.out.state);
                self.go(number, taken);
                self.out.sink().else_();
                (self.out.pending, self.out.state) = (pending, state);
                self.go(number, next);
                self.labels.pop();
                self.out.sink().end();
            }
            (End::Call { next }, Ended::Call(None)) if !self.region.blocks[number].guesses.is_empty() => {
                self.guessed_call(number, next);
            }
            (End::Call { next }, Ended::Call(target)) => {
                let back = address(self.region, next);
                let own = target.and_then(self.own);
                self.out.call(Callee { pc: target, own }, back, depth);
                self.go(number, next);
            }
            (End::Indirect { inside, learn }, Ended::Jump) => self.jump(number, inside, learn),
            (_, Ended::Gone) => {}
            (End::To(to), _) => self.go(number, to),
            _ => {
                debug_assert!(false, "the end of a block is that of its last instruction");
                self.out.sink().unreachable();
            }
        }
    }

    /// Calls what is at an address in a local: a part of the region, or by a call.
    fn guessed_call(&mut self, number: usize, next: Target) {
        let guesses = self.guesses(number);
        let depth = self.depth(Label::Leave);
        self.out.call(Callee { pc: None, own: None }, address(self.region, next), depth);
        self.go(number, next);
        self.close_guesses(guesses);
    }

    /// Where an address in a local is one of the guesses of a block, control goes there; what follows is done where it is none. Gives how many they are.
    fn guesses(&mut self, number: usize) -> usize {
        let (pending, state): (u32, State) = (self.out.pending, self.out.state);
        let region = self.region;
        let guesses = &region.blocks[number].guesses;
        for &(pc, block) in guesses {
            self.out.compare_rip(pc);
            self.out.sink().if_(BlockType::Empty);
            self.labels.push(Label::If);
            self.go(number, Target::Block(block));
            self.out.sink().else_();
            (self.out.pending, self.out.state) = (pending, state);
        }
        guesses.len()
    }

    fn close_guesses(&mut self, guesses: usize) {
        for _ in 0..guesses {
            self.labels.pop();
            self.out.sink().end();
        }
    }

    /// Jumps to an address in a local.
    fn jump(&mut self, from: usize, inside: bool, learn: bool) {
        let guesses = self.guesses(from);
        self.jump_elsewhere(from, inside, learn);
        self.close_guesses(guesses);
    }

    fn jump_elsewhere(&mut self, from: usize, inside: bool, learn: bool) {
        if !inside {
            let at = self.region.blocks[from].insns.last().filter(|_| learn);
            self.leave_for(at.map(|at| at.pc));
            return;
        }
        self.out.settle();
        self.out.become_state(self.plan.at[0]);
        let depth = self.depth(Label::Loop(0));
        self.out.sink_br(depth);
    }

    /// The switch of the region, and all that it dominates.
    fn switch(&mut self, learn: bool, depth: u32) {
        self.out.check_budget_of_switch(depth);
        let (addresses, blocks): (Vec<u64>, Vec<usize>) = self.region.arms.iter().copied().unzip();
        let table = Table::of(&addresses);
        self.out.open_switch(&addresses, &table);
        let labels = self.labels.len();
        self.labels.resize(labels + addresses.len() + 1, Label::If);
        for (rest, (pc, block)) in (0..addresses.len()).rev().zip(addresses.iter().zip(blocks)) {
            self.labels.pop();
            self.out.begin_arm(*pc, rest as u32);
            (self.out.pending, self.out.state) = (0, self.plan.at[0]);
            self.go(0, Target::Block(block));
        }
        self.labels.pop();
        self.out.sink().end();
        (self.out.pending, self.out.state) = (0, self.plan.at[0]);
        self.leave_for(learn.then(|| self.region.entry()));
    }

    /// Leaves for the address in a local. `origin` is told to the engine, which wants to know, now and then, where it goes from there.
    fn leave_for(&mut self, origin: Option<u64>) {
        let (rip, charge, depth) = (self.out.locals.rip, self.out.pending, self.depth(Label::Leave));
        if let Some(origin) = origin {
            self.out.report((origin, self.region.entry()), rip, charge, depth);
        }
        self.out.leave_for(rip, reason::JUMP, charge, depth);
    }

    fn go(&mut self, from: usize, to: Target) {
        match to {
            Target::Leave(pc) => self.leave_to(from, pc),
            Target::Block(block) if self.structure.is_back(from, block) => {
                if self.structure.dominates(block, from) {
                    self.out.settle();
                    self.become_that_of(block);
                    let depth = self.depth(Label::Loop(block));
                    self.out.sink_br(depth);
                } else {
                    self.leave_to(from, self.region.blocks[block].pc);
                }
            }
            Target::Block(block) if self.structure.merges[block] => {
                self.out.settle();
                self.become_that_of(block);
                let depth = self.depth(Label::Before(block));
                self.out.sink_br(depth);
            }
            Target::Block(block) if self.structure.loops[block] => {
                self.become_that_of(block);
                self.tree(block);
            }
            Target::Block(block) => self.tree(block),
        }
    }

    /// Brings about the state that a block begins with.
    fn become_that_of(&mut self, block: usize) {
        if !self.plan.wanted[block].at_start() {
            self.out.forget_flags();
        }
        self.out.become_state(self.plan.at[block]);
    }

    fn leave_to(&mut self, from: usize, pc: u64) {
        let depth = self.depth(Label::Leave);
        let charge = self.out.pending;
        // Behind a jump is code that begins with DF clear.
        let why = if self.bodies[from].down { reason::STOP } else { reason::JUMP };
        self.out.leave_to(pc, why, charge, depth);
    }

    /// How many labels out one is.
    fn depth(&self, label: Label) -> u32 {
        let out = self.labels.iter().rev().position(|other| *other == label);
        out.unwrap_or(self.labels.len()) as u32
    }
}
