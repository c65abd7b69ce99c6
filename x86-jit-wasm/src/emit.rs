//! WebAssembly from lifted regions.

mod body;
mod memory;

use crate::ir::Body;
use crate::layout::{Tlb, context};
use crate::lift::lift;
use crate::region::{End, Region, Target};
use crate::structure::Structure;
use alloc::vec::Vec;
use body::{Function, Locals};
use wasm_encoder::{
    BlockType, CodeSection, EntityType, ExportKind, ExportSection, FunctionSection, ImportSection,
    MemoryType, Module, TypeSection, ValType,
};

/// A module with a function for each region, exported as `0`, `1` and so on, of type `(context: i32) -> ()`. It imports the
/// memory as `e.m`.
///
/// A function takes the state from the context, whose address it is given, and leaves it there with the address to go on at:
/// behind an instruction, or before one that it does not do itself.
pub fn translate(regions: &[Region], tlb: &Tlb) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32], []);
    let mut imports = ImportSection::new();
    let memory =
        MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None };
    imports.import("e", "m", EntityType::Memory(memory));
    let mut functions = FunctionSection::new();
    let mut exports = ExportSection::new();
    let mut code = CodeSection::new();
    for (number, region) in (0..).zip(regions) {
        functions.function(0);
        exports.export(&alloc::format!("{number}"), ExportKind::Func, number);
        code.function(&function(region, tlb));
    }
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions).section(&exports).section(&code);
    module.finish()
}

fn function(region: &Region, tlb: &Tlb) -> wasm_encoder::Function {
    let bodies: Vec<Body> = region.blocks.iter().map(|block| lift(block, region.setting)).collect();
    let mut emitter = Emitter {
        region,
        structure: Structure::of(region),
        out: Function::new(Locals::of(region.setting.mode, &bodies), *tlb),
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
        let condition = self.out.body(body, depth);
        match self.region.blocks[number].end {
            End::To(to) => self.go(number, to),
            End::Elsewhere => self.out.sink_br(depth),
            End::Either { taken, next } => {
                if condition {
                    self.out.sink().if_(BlockType::Empty);
                    self.labels.push(Label::If);
                    self.go(number, taken);
                    self.out.sink().else_();
                    self.go(number, next);
                    self.labels.pop();
                    self.out.sink().end();
                }
            }
        }
    }

    fn go(&mut self, from: usize, to: Target) {
        match to {
            Target::Leave(pc) => self.leave_to(pc),
            Target::Block(block) if self.structure.is_back(from, block) => {
                if self.structure.dominates(block, from) {
                    let depth = self.depth(Label::Loop(block));
                    self.out.sink_br(depth);
                } else {
                    self.leave_to(self.region.blocks[block].pc);
                }
            }
            Target::Block(block) if self.structure.merges[block] => {
                let depth = self.depth(Label::Before(block));
                self.out.sink_br(depth);
            }
            Target::Block(block) => self.tree(block),
        }
    }

    fn leave_to(&mut self, pc: u64) {
        let depth = self.depth(Label::Leave);
        self.out.leave_to(pc, depth);
    }

    /// How many labels out one is.
    fn depth(&self, label: Label) -> u32 {
        let out = self.labels.iter().rev().position(|other| *other == label);
        out.unwrap_or(self.labels.len()) as u32
    }
}

const _: () = assert!(context::SIZE.is_multiple_of(8));
