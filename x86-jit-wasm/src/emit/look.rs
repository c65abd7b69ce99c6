//! The module that looks for all others at what is not at home, and through bytes.

use super::body::at;
use super::memory::PAGE_SHIFT;
use super::{PRESENT, linear_memory};
use crate::layout::shared;
use alloc::vec::Vec;
use guest_mem::TlbLayout;
use wasm_encoder::{
    BlockType, CodeSection, EntityType, ExportKind, ExportSection, FunctionSection, ImportSection,
    InstructionSink, Module, TypeSection, ValType,
};

/// Bytes of a vector, and of as many as are compared to a jump.
const VECTOR: i32 = 16;
const VECTORS: i32 = 4;

/// A module that exports two functions, which work in the memory `e.m`.
///
/// `l`, of type `(shared: i32, address: i64, what: i32) -> i64`: where in that memory an area is, by the TLB of the
/// [`Shared`](crate::layout::Shared) there, or 0 where that does not have it in one piece; 64 bits, so that hosts know that the
/// upper half of an address is zero. `what` is twice its length less one, plus 1 for a store. The address is noted in
/// [`Shared::stray`](crate::layout::Shared::stray): its page would be found faster at home.
///
/// `s`, of type `(address: i64, most: i32, what: i32) -> i64`: looks through at most so many bytes for the first that is the lower byte of `what`, or,
/// with the bit above that, for the first that is not. It gives how many it has looked at, and above 32 bits the last of them; or 0 where `e.f`, which tells where areas are (see
/// [`translate`](crate::translate())), does not know of one.
pub fn looks(tlb: TlbLayout) -> Vec<u8> {
    const I32: ValType = ValType::I32;
    const I64: ValType = ValType::I64;
    let mut types = TypeSection::new();
    types.ty().function([I32, I64, I32], [I64]);
    types.ty().function([I64, I32, I32], [I64]);
    types.ty().function([I64, I32], [I32]);
    let mut imports = ImportSection::new();
    imports.import("e", "m", EntityType::Memory(linear_memory()));
    imports.import("e", "f", EntityType::Function(2));
    let mut functions = FunctionSection::new();
    functions.function(0).function(1);
    let mut exports = ExportSection::new();
    exports.export("l", ExportKind::Func, PRESENT + 1).export("s", ExportKind::Func, PRESENT + 2);
    let mut code = CodeSection::new();
    let mut body = wasm_encoder::Function::new([(2, I64), (2, I32)]);
    look(&mut body.instructions(), &tlb);
    code.function(&body);
    let mut body = wasm_encoder::Function::new([(5, I32), (2, ValType::V128)]);
    scan(&mut body.instructions());
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

fn scan(sink: &mut InstructionSink<'_>) {
    let (addr, most, what, host, room, behind, done, mask, byte, passed) = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9);
    // A vector at so many bytes behind `behind`: all bits of those bytes that end the search.
    let ends = |sink: &mut InstructionSink<'_>, offset: i32| {
        sink.local_get(host).local_get(behind).i32_add().v128_load(at(offset as u64, 0));
        sink.local_get(byte).i8x16_eq().local_get(passed).v128_xor();
    };
    // Whether so many bytes more are not there, in which case control goes behind the loop.
    let unless = |sink: &mut InstructionSink<'_>, bytes: i32| {
        sink.local_get(behind).i32_const(bytes).i32_add().local_get(room).i32_gt_u().br_if(1);
    };
    let onward = |sink: &mut InstructionSink<'_>, bytes: i32| {
        sink.local_get(behind).i32_const(bytes).i32_add().local_set(behind).br(0).end().end();
    };
    // The answer, where the byte at `behind` is the last.
    let answer = |sink: &mut InstructionSink<'_>| {
        sink.local_get(done).local_get(behind).i32_add().i32_const(1).i32_add().i64_extend_i32_u();
        sink.local_get(host).local_get(behind).i32_add().i64_load8_u(at(0, 0)).i64_const(32).i64_shl();
        sink.i64_or().return_();
    };
    sink.local_get(what).i8x16_splat().local_set(byte);
    sink.i32_const(0).local_get(what).i32_const(8).i32_shr_u().i32_sub().i8x16_splat().local_set(passed);
    sink.loop_(BlockType::Empty);
    sink.i32_const(1 << PAGE_SHIFT).local_get(addr).i32_wrap_i64().i32_const((1 << PAGE_SHIFT) - 1).i32_and();
    sink.i32_sub().local_tee(room).local_get(most).local_get(room).local_get(most).i32_lt_u().select();
    sink.local_set(room).i32_const(0).local_set(behind);
    sink.local_get(addr).local_get(room).i32_const(1).i32_shl().call(PRESENT).local_tee(host).i32_eqz();
    sink.if_(BlockType::Empty).i64_const(0).return_().end();
    sink.block(BlockType::Empty).loop_(BlockType::Empty);
    unless(sink, VECTORS * VECTOR);
    ends(sink, 0);
    (1..VECTORS).for_each(|number| {
        ends(sink, number * VECTOR);
        sink.v128_or();
    });
    sink.v128_any_true().br_if(1);
    onward(sink, VECTORS * VECTOR);
    sink.block(BlockType::Empty).loop_(BlockType::Empty);
    unless(sink, VECTOR);
    ends(sink, 0);
    sink.i8x16_bitmask().local_tee(mask).if_(BlockType::Empty);
    sink.local_get(behind).local_get(mask).i32_ctz().i32_add().local_set(behind);
    answer(sink);
    sink.end();
    onward(sink, VECTOR);
    sink.block(BlockType::Empty).loop_(BlockType::Empty);
    unless(sink, 1);
    sink.local_get(host)
        .local_get(behind)
        .i32_add()
        .i32_load8_u(at(0, 0))
        .local_get(what)
        .i32_const(0xff)
        .i32_and();
    sink.i32_eq().local_get(what).i32_const(8).i32_shr_u().i32_xor().if_(BlockType::Empty);
    answer(sink);
    sink.end();
    onward(sink, 1);
    sink.local_get(most).local_get(room).i32_ne().if_(BlockType::Empty);
    sink.local_get(most).local_get(room).i32_sub().local_set(most);
    sink.local_get(done).local_get(room).i32_add().local_set(done);
    sink.local_get(addr).local_get(room).i64_extend_i32_u().i64_add().local_set(addr).br(1).end();
    sink.local_get(room).i32_const(1).i32_sub().local_set(behind);
    answer(sink);
    sink.end().unreachable().end();
}
