//! Accesses through the translation lookaside buffer: the tag of the page that the last byte is in answers both whether the page
//! is there and whether the access stays in it, as a tag that selects an entry cannot be that of the page behind.

use super::body::{Function, at};
use crate::ir::Type;

const PAGE_SHIFT: u32 = 12;
const OFFSET: u32 = (1 << PAGE_SHIFT) - 1;

impl Function {
    /// Address of the entry of a guest address.
    fn entry(&mut self, addr: u32) {
        // The page number's lower bits, times the size of an entry: one shift and one mask.
        let stride = self.places.tlb.stride.trailing_zeros();
        let mask = ((1_u64 << self.places.tlb.bits) - 1) << stride;
        let shift = PAGE_SHIFT - stride;
        let (word, tlb) = (self.locals.word, self.locals.tlb);
        let mut sink = self.sink();
        sink.local_get(addr);
        match word {
            Type::I32 => sink.i32_const(shift as i32).i32_shr_u(),
            Type::I64 => sink.i64_const(shift.into()).i64_shr_u().i32_wrap_i64(),
        };
        sink.i32_const(mask as i32).i32_and().local_get(tlb).i32_add();
    }

    /// Whether the buffer does not allow an access: leaves a number that is then not 0 on the stack.
    pub(super) fn miss(&mut self, addr: u32, bytes: u8, tag: u32) {
        self.entry(addr);
        let entry = self.entry_local();
        self.sink().local_tee(entry);
        self.checked = Some(addr);
        let offset = u64::from(tag);
        let word = self.locals.word;
        let mut sink = self.sink();
        match word {
            // Of a tag, the lower half tells: there are 2^20 pages, and none has all bits set.
            Type::I32 => {
                sink.i32_load(at(offset, 2)).local_get(addr);
                if bytes > 1 {
                    sink.i32_const(i32::from(bytes) - 1).i32_add();
                }
                sink.i32_const(PAGE_SHIFT as i32).i32_shr_u().i32_ne();
            }
            Type::I64 => {
                sink.i64_load(at(offset, 3)).local_get(addr);
                if bytes > 1 {
                    sink.i64_const(i64::from(bytes) - 1).i64_add();
                }
                sink.i64_const(PAGE_SHIFT.into()).i64_shr_u().i64_ne();
            }
        }
    }

    /// Address in linear memory of a guest address that has been checked.
    pub(super) fn host(&mut self, addr: u32) {
        match self.checked.take() {
            Some(checked) if checked == addr => {
                let entry = self.entry_local();
                self.sink().local_get(entry);
            }
            _ => self.entry(addr),
        }
        let offset = u64::from(self.places.tlb.host);
        let word = self.locals.word;
        let mut sink = self.sink();
        sink.i32_load(at(offset, 2)).local_get(addr);
        if word == Type::I64 {
            sink.i32_wrap_i64();
        }
        sink.i32_const(OFFSET as i32).i32_and().i32_add();
    }

    /// Loads from a guest address that has been checked, zero-extended.
    pub(super) fn load(&mut self, addr: u32, bytes: u8) {
        self.host(addr);
        self.load_from_host(bytes);
    }

    /// Loads from the address in linear memory that is on the stack, zero-extended.
    pub(super) fn load_from_host(&mut self, bytes: u8) {
        let mut sink = self.sink();
        match bytes {
            1 => sink.i32_load8_u(at(0, 0)),
            2 => sink.i32_load16_u(at(0, 0)),
            4 => sink.i32_load(at(0, 0)),
            _ => sink.i64_load(at(0, 0)),
        };
    }

    /// Stores what is on the stack behind an address.
    pub(super) fn store(&mut self, ty: Type, bytes: u8) {
        let mut sink = self.sink();
        match (ty, bytes) {
            (Type::I32, 1) => sink.i32_store8(at(0, 0)),
            (Type::I32, 2) => sink.i32_store16(at(0, 0)),
            (Type::I32, _) => sink.i32_store(at(0, 0)),
            (Type::I64, 1) => sink.i64_store8(at(0, 0)),
            (Type::I64, 2) => sink.i64_store16(at(0, 0)),
            (Type::I64, 4) => sink.i64_store32(at(0, 0)),
            (Type::I64, _) => sink.i64_store(at(0, 0)),
        };
    }
}
