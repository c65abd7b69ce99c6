//! Functions of the quick tier: a switch to all blocks, in a loop, and the blocks one behind the other.
//!
//! Between blocks, registers are in memory, and the flags in locals: so control may come from outside to each block, and where blocks come from needs not be
//! known to translate them. Registers are stored before an access rather than on each of the ways out.

use super::body::{DEPTH, Ended, Function, Locals, Written};
use super::frame::Callee;
use super::state::{BETWEEN, PARTS, Plan, State};
use super::{Own, address};
use crate::ir::{Body, Type};
use crate::layout::{BLOCK_AT, Places, reason};
use crate::lift::lift_apart;
use crate::liveness::wanted;
use crate::region::{Block, End, Region, Target};
use alloc::vec::Vec;
use wasm_encoder::BlockType;

pub(super) fn function(region: &Region, places: &Places, own: Own<'_>) -> Written {
    let wanted = wanted(region);
    let lift = |(block, wanted)| lift_apart(block, region.setting, wanted);
    let bodies: Vec<Body> = region.blocks.iter().zip(&wanted).map(lift).collect();
    let mut plan = Plan::quick(&bodies, wanted);
    let locals = Locals::of(region.setting.mode, &plan);
    let mut out = Function::new(locals, *places, region, &mut plan);
    let block = out.lasting(Type::I32);
    let mut sink = out.sink();
    sink.local_get(DEPTH).i32_const(BLOCK_AT as i32).i32_shr_u().local_set(block);
    sink.local_get(DEPTH).i32_const((1 << BLOCK_AT) - 1).i32_and().local_set(DEPTH);
    out.state = State::default();
    out.hold(BETWEEN & plan.all);
    out.open_ends();
    out.sink().loop_(BlockType::Empty);
    let count = region.blocks.len() as u32;
    for _ in 0..count {
        out.sink().block(BlockType::Empty);
    }
    out.sink().local_get(block).br_table(0..count, 0);
    let mut emitter = Emitter { region, out, plan, own, block };
    for (number, (block, body)) in region.blocks.iter().zip(&bodies).enumerate() {
        emitter.out.sink().end();
        emitter.block(number, block, body);
    }
    emitter.out.sink().end();
    emitter.out.close_ends();
    emitter.out.finish(false)
}

struct Emitter<'a> {
    region: &'a Region,
    out: Function,
    plan: Plan,
    own: Own<'a>,
    /// The local with the number of the block to go to, of those that are before.
    block: u32,
}

impl Emitter<'_> {
    fn block(&mut self, number: usize, block: &Block, body: &Body) {
        (self.out.state, self.out.pending) = (self.plan.at[number], 0);
        let depth = self.ends(number, 0);
        let end = self.out.body(body, &self.plan.areas.of[number], self.plan.touched[number].reads, depth);
        if !self.plan.wanted[number].behind {
            self.out.forget_flags();
        }
        match (block.end, end) {
            (_, Ended::Gone) => {}
            (End::To(to), _) => {
                self.out.store_registers();
                self.go(number, to, 0);
            }
            (End::Either { taken, next }, Ended::Condition) => {
                self.out.store_registers();
                self.out.settle();
                match taken {
                    Target::Block(to) if to > number => {
                        self.out.sink().br_if((to - number - 1) as u32);
                    }
                    _ => {
                        self.out.sink().if_(BlockType::Empty);
                        self.go(number, taken, 1);
                        self.out.sink().end();
                    }
                }
                self.go(number, next, 0);
            }
            (End::Call { next }, Ended::Call(target)) => {
                if let (None, Some(at)) = (target, block.insns.last()) {
                    self.out.note_target(at.pc);
                }
                let callee = Callee { pc: target, own: target.and_then(self.own) };
                self.out.call(callee, address(self.region, next), depth);
                let asks = |next: usize| self.plan.wanted[next].at_start();
                if matches!(next, Target::Block(next) if asks(next)) {
                    self.out.hold(PARTS);
                }
                self.go(number, next, 0);
            }
            (End::Indirect { .. }, Ended::Jump) => {
                if let Some(at) = block.insns.last() {
                    self.out.note_target(at.pc);
                }
                let (rip, charge) = (self.out.locals.rip, self.out.pending);
                self.out.leave_for(rip, reason::JUMP, charge, depth);
            }
            _ => {
                debug_assert!(false, "the end of a block is that of its last instruction");
                self.out.sink().unreachable();
            }
        }
    }

    /// Goes on, from within so many more labels.
    fn go(&mut self, from: usize, to: Target, inside: u32) {
        let down = self.region.blocks[from].down;
        match to {
            Target::Leave(pc) => {
                // Behind a jump is code that begins with DF clear.
                let why = if down { reason::STOP } else { reason::JUMP };
                let charge = self.out.pending;
                self.out.leave_to(pc, why, charge, self.ends(from, inside));
            }
            Target::Block(to) if to > from => {
                self.out.settle();
                if to > from + 1 || inside > 0 {
                    self.out.sink_br((to - from - 1) as u32 + inside);
                }
            }
            Target::Block(to) => {
                self.out.settle();
                let (pc, down) = (self.region.blocks[to].pc, self.region.blocks[to].down);
                if down {
                    // All other code begins with DF clear.
                    self.out.check_budget(pc, self.ends(from, inside));
                } else {
                    self.out.check_turn(pc, self.ends(from, inside));
                }
                let (block, depth) = (self.block, self.ends(from, inside) - 1);
                self.out.sink().i32_const(to as i32).local_set(block).br(depth);
            }
        }
    }

    /// How many labels out the ends of the function are from a block.
    fn ends(&self, block: usize, inside: u32) -> u32 {
        (self.region.blocks.len() - block) as u32 + inside
    }
}
