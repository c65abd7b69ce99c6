//! Areas whose length is known when the code runs.

use super::PRESENT;
use super::body::{Function, at};
use crate::ir::Type;

impl Function {
    /// Asks the host for an area that is elsewhere, or that crosses pages: leaves through `arm` unless all of it is there.
    fn ask(
        &mut self,
        (start, bytes): (u32, u32),
        writes: bool,
        host: u32,
        arm: impl FnOnce(&mut Function, u32),
    ) {
        self.hardly();
        self.wide(start);
        let mut sink = self.sink();
        sink.local_get(bytes).i32_const(1).i32_shl().i32_const(writes.into()).i32_or();
        sink.call(PRESENT).local_tee(host).i32_eqz();
        self.hardly();
        arm(self, 2);
        self.sink().end().end();
    }

    /// Looks an area up, address and length of which are in locals: leaves through `arm` where it is not there as a whole. Gives a new local
    /// with the address in linear memory. Of no bytes, any answer will do.
    pub(super) fn look_up_area(
        &mut self,
        (start, bytes): (u32, u32),
        writes: bool,
        arm: impl FnOnce(&mut Function, u32),
    ) -> u32 {
        if self.locals.word == Type::I32 {
            let host = self.temporary(Type::I32);
            self.look_home(start, writes, host);
            let granule = 1 << self.places.home.granule_shift;
            self.sink().i32_eqz().local_get(bytes).i32_const(granule).i32_gt_u().i32_or();
            self.ask((start, bytes), writes, host, arm);
            return host;
        }
        let tlb = self.places.tlb;
        let tag = if writes { tlb.write } else { tlb.read };
        let (entry, host) = (self.entry_local(), self.temporary(Type::I32));
        let offset = self.places.tlb.bias.into();
        self.entry(start);
        self.sink().local_tee(entry).i32_load(at(offset, 2));
        self.sink().local_get(start).i32_wrap_i64().i32_add().local_set(host);
        self.tag(entry, tag);
        let mut sink = self.sink();
        sink.local_get(start).local_get(bytes).i64_extend_i32_u().i64_add().i64_const(-1).i64_add();
        sink.i64_const(super::memory::PAGE_SHIFT.into()).i64_shr_u().i64_ne();
        self.ask((start, bytes), writes, host, arm);
        host
    }
}
