//! Where two outcomes differ in what the manual defines.

use crate::guest::Got;
use crate::skips;
use testkit::forms::Case;
use testkit::host::Outcome;
use testkit::layout::DATA;
use testkit::state::{State, fx};
use x86_decode::{FlagSet, Mode};

const NAMES: [&str; 16] =
    ["ax", "cx", "dx", "bx", "sp", "bp", "si", "di", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"];

/// RFLAGS bits of a set.
fn rflags_of(set: FlagSet) -> u64 {
    let bits = [
        (FlagSet::CF, 1),
        (FlagSet::PF, 4),
        (FlagSet::AF, 0x10),
        (FlagSet::ZF, 0x40),
        (FlagSet::SF, 0x80),
        (FlagSet::OF, 0x800),
        (FlagSet::DF, 0x400),
    ];
    bits.iter().filter(|(flag, _)| set.contains(*flag)).map(|(_, bit)| bit).sum()
}

const X87_CONDITIONS: u16 = 0x4700;

pub(crate) fn differences(
    case: &Case,
    mode: Mode,
    host: &Outcome,
    host_data: &[u8],
    got: &Got,
) -> Vec<String> {
    let mut out = Vec::new();
    let guest = &got.outcome;
    let mut differ = |what: &str, host: String, guest: String| {
        if host != guest {
            out.push(format!("{what}: host {host}, interpreter {guest}"));
        }
    };
    let trap = |outcome: &Outcome| {
        outcome.trap.map(|t| {
            // CR2 belongs to page faults, and Linux shows the error code of those and of #GP.
            let address = if t.vector == 14 { t.address & skips::address_mask(case) } else { 0 };
            let error = if t.vector == 14 { t.error & 2 } else { t.error };
            format!("#{} error {error:#x} address {address:#x} rip {:#x}", t.vector, t.rip)
        })
    };
    differ("trap", format!("{:?}", trap(host)), format!("{:?}", trap(guest)));
    differ("taken", host.taken.to_string(), guest.taken.to_string());
    let (registers, width) = if mode == Mode::Bits64 { (16, u64::MAX) } else { (8, 0xffff_ffff) };
    for (n, name) in NAMES.iter().enumerate().take(registers) {
        differ(name, hex(host.state.gpr[n] & width), hex(guest.state.gpr[n] & width));
    }
    let undefined = if host.trap.is_some() { FlagSet::NONE } else { case.insn.flags().undefined };
    let mask = 0xcd5 & !rflags_of(undefined);
    differ("flags", hex(host.state.rflags & mask), hex(guest.state.rflags & mask));

    let x87_undefined = if undefined.contains(FlagSet::FPU) { X87_CONDITIONS } else { 0 };
    let fpu_mask = !(x87_undefined | skips::status_mask(case));
    let (a, b) = (&host.state, &guest.state);
    differ("fcw", hex(a.fx16(fx::FCW)), hex(b.fx16(fx::FCW)));
    differ("fsw", hex(a.fx16(fx::FSW) & fpu_mask), hex(b.fx16(fx::FSW) & fpu_mask));
    differ("ftw", hex(a.fx[fx::FTW]), hex(b.fx[fx::FTW]));
    for n in 0..8 {
        if !skips::close_enough(case, a.st(n), b.st(n)) {
            differ(&format!("st{n}"), hex80(a.st(n)), hex80(b.st(n)));
        }
    }
    for n in 0..registers {
        if !skips::close_vectors(case, a.xmm(n), b.xmm(n)) {
            differ(&format!("xmm{n}"), hex(a.xmm(n)), hex(b.xmm(n)));
        }
    }
    for n in 0..registers {
        differ(&format!("ymm{n} high"), hex(a.ymm_high[n]), hex(b.ymm_high[n]));
    }
    differ("mxcsr", hex(a.mxcsr()), hex(b.mxcsr()));
    let skip = skips::memory(case);
    let place = |i: usize| case.address.map(|address| (DATA + i as u64).wrapping_sub(address) as usize);
    let ignored = |i: usize| place(i).is_some_and(|i| skip.iter().any(|range| range.contains(&i)));
    let different: Vec<usize> =
        (0..host_data.len()).filter(|i| host_data[*i] != got.data[*i] && !ignored(*i)).collect();
    if let (Some(first), Some(last)) = (different.first(), different.last()) {
        let end = (first + 32).min(*last + 1);
        let at = hex(DATA + *first as u64);
        differ(
            &format!("memory at {at} ({:?})", place(*first)),
            format!("{:02x?}", &host_data[*first..end]),
            format!("{:02x?}", &got.data[*first..end]),
        );
    }
    out
}

fn hex<T: core::fmt::LowerHex>(value: T) -> String {
    format!("{value:#x}")
}

fn hex80(bytes: [u8; 10]) -> String {
    let mut text = String::from("0x");
    for (i, byte) in bytes.iter().rev().enumerate() {
        text += &format!("{byte:02x}");
        if i == 1 {
            text += "_";
        }
    }
    text
}

/// The state before, in short.
pub(crate) fn describe(case: &Case, state: &State) -> String {
    let mut text = String::new();
    for (name, value) in NAMES.iter().zip(state.gpr) {
        text += &format!("{name}={value:x} ");
    }
    text += &format!("flags={:x} ", state.rflags);
    if let Some(address) = case.address {
        text += &format!("memory operand at {address:#x} ");
    }
    let fcw = state.fx16(fx::FCW);
    text += &format!("fcw={fcw:x} fsw={:x} ftw={:x} ", state.fx16(fx::FSW), state.fx[fx::FTW]);
    for n in 0..8 {
        text += &format!("st{n}={} ", hex80(state.st(n)));
    }
    text += &format!("mxcsr={:x} ", state.mxcsr());
    for n in 0..16 {
        text += &format!("ymm{n}={:x}_{:x} ", state.ymm_high[n], state.xmm(n));
    }
    text
}
