//! WebAssembly from lifted regions.

mod body;
mod bulk;
mod frame;
mod group;
mod memory;

use crate::ir::Body;
use crate::layout::{Places, reason};
use crate::lift::lift_all;
use crate::region::{End, Region, Target};
use crate::structure::Structure;
use alloc::vec::Vec;
use body::{Ended, Function, Locals};
use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, ElementSection, Elements, EntityType, ExportKind, ExportSection,
    FunctionSection, ImportSection, MemoryType, Module, RefType, TableType, TypeSection, ValType,
};

/// A module with a function for each region, which it puts into a table of functions, from `first` on. It imports the memory as
/// `e.m` and the table as `e.t`.
///
/// A function has the type `(cpu: i32, depth: i32) -> ()`. It takes the state from where [`layout`](crate::layout) says and leaves it
/// there with the address to go on at: behind an instruction, or before one that it does not do itself. `depth` is how many
/// calls may still be made within each other.
pub fn translate(regions: &[Region], places: &Places, first: u32) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32, ValType::I32], []);
    let mut imports = ImportSection::new();
    let memory =
        MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None };
    imports.import("e", "m", EntityType::Memory(memory));
    imports.import("e", "t", EntityType::Table(table()));
    let mut functions = FunctionSection::new();
    let mut elements = ElementSection::new();
    let mut code = CodeSection::new();
    for region in regions {
        functions.function(0);
        code.function(&function(region, places));
    }
    let all: Vec<u32> = (0..).take(regions.len()).collect();
    elements.active(None, &ConstExpr::i32_const(first as i32), Elements::Functions(all.into()));
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions).section(&elements).section(&code);
    module.finish()
}

/// A module for a host whose own functions are in another table: it exports `call`, of type `(slot: i32, cpu: i32, depth: i32) -> ()`,
/// which calls the function at a place of the table `e.t`.
pub fn trampoline() -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32, ValType::I32], []);
    types.ty().function([ValType::I32, ValType::I32, ValType::I32], []);
    let mut imports = ImportSection::new();
    imports.import("e", "t", EntityType::Table(table()));
    let mut functions = FunctionSection::new();
    functions.function(1);
    let mut exports = ExportSection::new();
    exports.export("call", ExportKind::Func, 0);
    let mut body = wasm_encoder::Function::new([]);
    body.instructions().local_get(1).local_get(2).local_get(0).call_indirect(0, 0).end();
    let mut code = CodeSection::new();
    code.function(&body);
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions).section(&exports).section(&code);
    module.finish()
}

fn table() -> TableType {
    TableType { element_type: RefType::FUNCREF, table64: false, minimum: 0, maximum: None, shared: false }
}

fn function(region: &Region, places: &Places) -> wasm_encoder::Function {
    let structure = Structure::of(region);
    let bodies = lift_all(region, &structure);
    let mut emitter = Emitter {
        region,
        structure,
        out: Function::new(Locals::of(region.setting.mode, &bodies), *places),
        bodies,
        labels: Vec::new(),
    };
    emitter.out.enter();
    emitter.out.sink().block(BlockType::Empty);
    emitter.labels.push(Label::Leave);
    emitter.tree(0);
    emitter.out.sink().end();
    emitter.out.leave();
    emitter.out.finish()
}

/// What the structure around the place of emission is, from the outside in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Label {
    /// Behind it, the function ends.
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
    out: Function,
    labels: Vec<Label>,
}

impl Emitter<'_> {
    /// A block and all that it dominates.
    fn tree(&mut self, block: usize) {
        if self.structure.loops[block] {
            self.out.settle();
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
        if self.structure.loops[number] {
            self.out.check_budget(self.region.blocks[number].pc, depth);
        }
        let end = self.out.body(body, depth);
        match (self.region.blocks[number].end, end) {
            (End::Either { taken, next }, Ended::Condition) => {
                self.out.sink().if_(BlockType::Empty);
                self.labels.push(Label::If);
                let pending = self.out.pending;
                self.go(number, taken);
                self.out.sink().else_();
                self.out.pending = pending;
                self.go(number, next);
                self.labels.pop();
                self.out.sink().end();
            }
            (End::Call { next }, Ended::Call(target)) => {
                let back = match next {
                    Target::Leave(pc) => pc,
                    Target::Block(block) => self.region.blocks[block].pc,
                };
                self.out.call(target, back, depth);
                self.go(number, next);
            }
            (End::To(to), _) => self.go(number, to),
            // Its address has been set.
            _ => self.out.sink_br(depth),
        }
    }

    fn go(&mut self, from: usize, to: Target) {
        match to {
            Target::Leave(pc) => self.leave_to(pc),
            Target::Block(block) if self.structure.is_back(from, block) => {
                if self.structure.dominates(block, from) {
                    self.out.settle();
                    let depth = self.depth(Label::Loop(block));
                    self.out.sink_br(depth);
                } else {
                    self.leave_to(self.region.blocks[block].pc);
                }
            }
            Target::Block(block) if self.structure.merges[block] => {
                self.out.settle();
                let depth = self.depth(Label::Before(block));
                self.out.sink_br(depth);
            }
            Target::Block(block) => self.tree(block),
        }
    }

    fn leave_to(&mut self, pc: u64) {
        let depth = self.depth(Label::Leave);
        let charge = self.out.pending;
        self.out.leave_to(pc, reason::JUMP, charge, depth);
    }

    /// How many labels out one is.
    fn depth(&self, label: Label) -> u32 {
        let out = self.labels.iter().rev().position(|other| *other == label);
        out.unwrap_or(self.labels.len()) as u32
    }
}
