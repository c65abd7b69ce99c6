//! The module that computes for all others: arithmetic of extended precision.

use super::operations::{binary, compare, unary};
use crate::ir::{Body, Expr, Type, Value};
use crate::lift::{self, Computed};
use alloc::vec;
use alloc::vec::Vec;
use wasm_encoder::{
    BlockType, CodeSection, EntityType, ExportKind, ExportSection, FunctionSection, ImportSection,
    InstructionSink, Module, TypeSection, ValType,
};
use x86_cpu::X87Op;

/// A module that exports a function for each [`X87Op`], by its [name](X87Op::name), of type
/// `(significand: i64, sign and exponent: i32, and those of the other operand) -> (i64, i32)`. It gives the significand of the result, and its
/// sign and exponent with [`UP`](crate::layout::fpu::UP) and [`BAD`](crate::layout::fpu::BAD).
///
/// Where not all is normal, that comes from a function of the host, `e.` and the same name, which gives the significand, and from `e.r`, of
/// type `() -> i32`, which gives the rest of what was computed last.
pub fn arithmetic() -> Vec<u8> {
    const OPERANDS: [ValType; 4] = [ValType::I64, ValType::I32, ValType::I64, ValType::I32];
    let operations = X87Op::ALL.len() as u32;
    let mut types = TypeSection::new();
    types.ty().function(OPERANDS, [ValType::I64]);
    types.ty().function([], [ValType::I32]);
    types.ty().function(OPERANDS, [ValType::I64, ValType::I32]);
    let mut imports = ImportSection::new();
    let mut functions = FunctionSection::new();
    let mut exports = ExportSection::new();
    let mut code = CodeSection::new();
    for (number, op) in (0..).zip(X87Op::ALL) {
        imports.import("e", op.name(), EntityType::Function(0));
        functions.function(2);
        exports.export(op.name(), ExportKind::Func, operations + 1 + number);
        code.function(&function(op, number, operations));
    }
    imports.import("e", "r", EntityType::Function(1));
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions).section(&exports).section(&code);
    module.finish()
}

fn function(op: X87Op, general: u32, rest: u32) -> wasm_encoder::Function {
    let mut body = Body::default();
    let [a, x, b, y] = [Type::I64, Type::I32, Type::I64, Type::I32].map(|ty| body.value(ty, Expr::Loaded));
    body.bound(x, 0xffff);
    body.bound(y, 0xffff);
    let fast = lift::arithmetic(&mut body, op, [(a, x), (b, y)]);
    let mut values = Values::of(&body, &[a, x, b, y]);
    let ask = |values: &mut Values<'_>| {
        let mut sink = values.sink();
        sink.local_get(0).local_get(1).local_get(2).local_get(3).call(general).call(rest);
    };
    match fast {
        None => ask(&mut values),
        Some(Computed { sig, rest, bad }) => {
            [sig, rest, bad].into_iter().for_each(|value| values.want(value));
            values.get(bad);
            values.sink().if_(BlockType::Empty);
            ask(&mut values);
            values.sink().return_().end();
            values.get(sig);
            values.get(rest);
        }
    }
    values.sink().end();
    values.finish()
}

/// Code that only computes.
struct Values<'a> {
    body: &'a Body,
    code: Vec<u8>,
    /// Types of the locals that are not parameters.
    locals: Vec<ValType>,
    parameters: u32,
    /// Where a value is, if it is in a local.
    place: Vec<Option<u32>>,
    uses: Vec<u32>,
}

impl<'a> Values<'a> {
    fn of(body: &'a Body, parameters: &[Value]) -> Values<'a> {
        let mut place = vec![None; body.values.len()];
        for (local, parameter) in (0..).zip(parameters) {
            place[parameter.index()] = Some(local);
        }
        let uses = vec![0; body.values.len()];
        Values {
            body,
            code: Vec::new(),
            locals: Vec::new(),
            parameters: parameters.len() as u32,
            place,
            uses,
        }
    }

    fn sink(&mut self) -> InstructionSink<'_> {
        InstructionSink::new(&mut self.code)
    }

    /// Counts a use, and those of what the value comes from.
    fn want(&mut self, value: Value) {
        self.uses[value.index()] += 1;
        if self.uses[value.index()] == 1 {
            self.body.operands(value).for_each(|operand| self.want(operand));
        }
    }

    /// Puts a value on the stack.
    fn get(&mut self, value: Value) {
        if let Some(local) = self.place[value.index()] {
            self.sink().local_get(local);
            return;
        }
        let (ty, expr) = self.body.values[value.index()];
        if let Expr::Const(n) = expr {
            match ty {
                Type::I32 => self.sink().i32_const(n as i32),
                _ => self.sink().i64_const(n as i64),
            };
            return;
        }
        match expr {
            Expr::Select(condition, a, b) => [a, b, condition].into_iter().for_each(|value| self.get(value)),
            _ => self.body.operands(value).for_each(|operand| self.get(operand)),
        }
        let mut sink = InstructionSink::new(&mut self.code);
        match expr {
            Expr::Binary(op, ..) => binary(&mut sink, ty, op),
            Expr::Compare(op, a, _) => compare(&mut sink, self.body.ty(a), op),
            Expr::Unary(op, _) => unary(&mut sink, ty, op),
            Expr::Select(..) => {
                sink.select();
            }
            _ => debug_assert!(false, "there is nothing to load"),
        }
        if self.uses[value.index()] > 1 {
            let local = self.parameters + self.locals.len() as u32;
            self.locals.push(if ty == Type::I32 { ValType::I32 } else { ValType::I64 });
            self.sink().local_tee(local);
            self.place[value.index()] = Some(local);
        }
    }

    fn finish(self) -> wasm_encoder::Function {
        let mut function = wasm_encoder::Function::new_with_locals_types(self.locals);
        function.raw(self.code);
        function
    }
}
