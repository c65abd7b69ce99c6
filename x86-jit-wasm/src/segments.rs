//! What code is translated for, from the segments of the processor.

use crate::region::Setting;
use x86_cpu::{CodeMode, CpuState, Descriptor, Segment, Segments, flags, selector};

/// What segments were last, and what code is translated for with them.
#[derive(Default)]
pub(crate) struct KnownSegments {
    segments: Segments,
    tls: [Descriptor; selector::TLS_ENTRIES],
    setting: Option<Setting>,
}

impl KnownSegments {
    /// What the running code is translated for; none where it is not.
    pub(crate) fn setting(&mut self, cpu: &CpuState) -> Option<Setting> {
        if cpu.rflags & (flags::TF | flags::AC | flags::DF) != 0 {
            return None;
        }
        if cpu.mode == CodeMode::Bits64 {
            return Some(Setting { mode: cpu.mode, fs: true, gs: true });
        }
        let known = self.setting.is_some() && self.segments == cpu.segments && self.tls == cpu.tls;
        if !known || cpu.ldt.is_some() {
            *self = KnownSegments { segments: cpu.segments, tls: cpu.tls, setting: setting(cpu) };
        }
        self.setting
    }
}

/// What 32-bit code is translated for with the segments as they are; none where it is not.
fn setting(cpu: &CpuState) -> Option<Setting> {
    let s = &cpu.segments;
    let open = |segment: Segment| {
        segment.selector == selector::USER_DS
            || segment.selector != 0
                && cpu.descriptor(segment.selector).is_some_and(|segment| segment.is_plain_data())
    };
    let flat = |segment: Segment| segment.base == 0 && open(segment);
    let all = cpu.is_plain_code() && flat(s.ss) && flat(s.ds) && flat(s.es);
    all.then(|| Setting { mode: cpu.mode, fs: open(s.fs), gs: open(s.gs) })
}
