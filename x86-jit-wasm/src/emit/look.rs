//! The module that looks for all others at what is not at home.

use super::body::at;
use super::linear_memory;
use super::memory::PAGE_SHIFT;
use crate::layout::shared;
use alloc::vec::Vec;
use guest_mem::TlbLayout;
use wasm_encoder::{
    BlockType, CodeSection, EntityType, ExportKind, ExportSection, FunctionSection, ImportSection,
    InstructionSink, Module, TypeSection, ValType,
};

/// A module that exports `l`, of type `(shared: i32, address: i64, what: i32) -> i64`: where in the memory `e.m` an area is, by the TLB of the
/// [`Shared`](crate::layout::Shared) there, or 0 where that does not have it in one piece; 64 bits, so that hosts know that the
/// upper half of an address is zero. `what` is twice its length less one, plus 1 for a store.
///
/// The address is noted in [`Shared::stray`](crate::layout::Shared::stray): its page would be found faster at home.
pub fn looks(tlb: TlbLayout) -> Vec<u8> {
    const I32: ValType = ValType::I32;
    const I64: ValType = ValType::I64;
    let mut types = TypeSection::new();
    types.ty().function([I32, I64, I32], [I64]);
    let mut imports = ImportSection::new();
    imports.import("e", "m", EntityType::Memory(linear_memory()));
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut exports = ExportSection::new();
    exports.export("l", ExportKind::Func, 0);
    let mut body = wasm_encoder::Function::new([(2, I64), (2, I32)]);
    look(&mut body.instructions(), &tlb);
    let mut code = CodeSection::new();
    code.function(&body);
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions).section(&exports).section(&code);
    module.finish()
}

fn look(sink: &mut InstructionSink<'_>, tlb: &TlbLayout) {
    let (shared, addr, what, last, first_tag, entry, bias) = (0, 1, 2, 3, 4, 5, 6);
    let page = |sink: &mut InstructionSink<'_>, of: u32| {
        sink.local_get(of).i64_const(PAGE_SHIFT.into()).i64_shr_u();
    };
    let find = |sink: &mut InstructionSink<'_>, of: u32| {
        let stride = tlb.stride.trailing_zeros();
        let mask = ((1_u64 << tlb.bits) - 1) << stride;
        sink.local_get(of).i32_wrap_i64().i32_const((PAGE_SHIFT - stride) as i32).i32_shr_u();
        sink.i32_const(mask as i32).i32_and();
        sink.local_get(shared).i32_load(at(shared::TLB, 2)).i32_add().local_set(entry);
    };
    let tag = |sink: &mut InstructionSink<'_>| {
        sink.local_get(what).i32_const(1).i32_and();
        sink.if_(BlockType::Result(ValType::I64)).local_get(entry).i64_load(at(tlb.write.into(), 3));
        sink.else_().local_get(entry).i64_load(at(tlb.read.into(), 3)).end();
    };
    let bias_of = |sink: &mut InstructionSink<'_>| {
        sink.local_get(entry).i32_load(at(tlb.bias.into(), 2));
    };
    let host = |sink: &mut InstructionSink<'_>| {
        sink.local_get(bias).local_get(addr).i32_wrap_i64().i32_add().i64_extend_i32_u();
    };
    sink.local_get(shared).local_get(shared).i64_load(at(shared::STRAYS, 3)).i64_const(1).i64_add();
    sink.i64_store(at(shared::STRAYS, 3));
    sink.local_get(shared).local_get(addr).i64_store(at(shared::STRAY, 3));
    sink.local_get(what).i32_const(1).i32_shr_u().i64_extend_i32_u().local_get(addr).i64_add();
    sink.local_set(last);
    find(sink, addr);
    bias_of(sink);
    sink.local_set(bias);
    tag(sink);
    sink.local_tee(first_tag);
    page(sink, last);
    sink.i64_eq().if_(BlockType::Empty);
    host(sink);
    sink.return_().end();
    sink.local_get(first_tag);
    page(sink, addr);
    sink.i64_ne().if_(BlockType::Empty).i64_const(0).return_().end();
    find(sink, last);
    tag(sink);
    page(sink, last);
    sink.i64_eq();
    bias_of(sink);
    sink.local_get(bias).i32_eq().i32_and().if_(BlockType::Result(ValType::I64));
    host(sink);
    sink.else_().i64_const(0).end().end();
}
