//! Areas whose length is known when the code runs.

use super::PRESENT;
use super::body::Function;
use super::group::Start;
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
        let host = self.temporary(Type::I32);
        self.look_home(Start::In(start), writes, host);
        let granule = 1 << self.places.home.granule_shift;
        self.sink().local_get(bytes).i32_const(granule).i32_gt_u().i32_or();
        self.ask((start, bytes), writes, host, arm);
        host
    }
}
