//! Where two outcomes differ in what the manual defines.

use crate::host;
use crate::layout::DATA;
use crate::outcome::{Outcome, Ran};
use crate::skips;
use crate::state::{State, fx};
use crate::trials::Trial;
use crate::vectors::CONTROL_FIELDS;
use core::ops::Range;
use x86_decode::{FlagSet, Insn, Mode};

const NAMES: [&str; 16] =
    ["ax", "cx", "dx", "bx", "sp", "bp", "si", "di", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"];

/// CF, PF, AF, ZF, SF, OF, DF, NT, AC and ID.
pub(crate) const COMPARED_FLAGS: u64 = 0x24_4cd5;
const X87_CONDITIONS: u16 = 0x4700;
/// #PF, and the bit of its error code that says that it was a write.
const PAGE_FAULT: u64 = 14;
const WRITE: u64 = 2;

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

/// What of an outcome counts.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Width of the code: 32-bit code has eight registers of each kind.
    pub mode: Mode,
    /// Flags that the manual leaves undefined.
    pub undefined: FlagSet,
    /// Further bits of the x87 status word that do not count.
    pub status: u16,
    /// Bits of the address of a page fault that count.
    pub address: u64,
    /// Results within one unit in the last place are as good.
    pub near: bool,
    /// Parts of the data page that do not count.
    pub ignored: Vec<Range<usize>>,
}

impl Scope {
    /// Of one instruction.
    pub fn of(insn: &Insn, address: Option<u64>, mode: Mode, trapped: bool) -> Scope {
        let start = address.unwrap_or(0).wrapping_sub(DATA);
        let place = |range: &Range<usize>| {
            let at = |n: usize| start.wrapping_add(n as u64) as i64 as isize;
            at(range.start).max(0) as usize..at(range.end).max(0) as usize
        };
        Scope {
            mode,
            undefined: if trapped { FlagSet::NONE } else { insn.flags().undefined },
            status: skips::status_mask(insn),
            address: skips::address_mask(insn),
            near: skips::is_near(insn.op),
            ignored: skips::memory(insn).iter().map(place).collect(),
        }
    }

    /// The outcome without what does not count.
    pub fn canonical(&self, ran: &Ran) -> Ran {
        let before = &ran.outcome;
        let mut trap = before.trap;
        if let Some(trap) = &mut trap {
            // CR2 belongs to page faults, and Linux shows the error code of those and of #GP.
            let page = trap.vector == PAGE_FAULT;
            trap.address = if page { trap.address & self.address } else { 0 };
            trap.error &= if page { WRITE } else { u64::MAX };
        }
        let (registers, width) = self.registers();
        let old = &before.state;
        let mut state = State {
            gpr: old.gpr,
            rflags: old.rflags & COMPARED_FLAGS & !rflags_of(self.undefined),
            fx: [0; 512],
            ymm_high: old.ymm_high,
        };
        state.gpr.iter_mut().for_each(|reg| *reg &= width);
        state.gpr[registers..].fill(0);
        state.ymm_high[registers..].fill(0);
        for (at, len) in CONTROL_FIELDS {
            state.fx[at..at + len].copy_from_slice(&old.fx[at..at + len]);
        }
        let x87 = if self.undefined.contains(FlagSet::FPU) { X87_CONDITIONS } else { 0 };
        let status = old.fx16(fx::FSW) & !(x87 | self.status);
        state.fx[fx::FSW..][..2].copy_from_slice(&status.to_le_bytes());
        // Above, the sign: how far up it begins is the processor's width of addresses.
        state.fx[fx::FIP + 6..fx::FIP + 8].fill(0);
        for at in (0..8).map(|n| fx::ST + 16 * n) {
            state.fx[at..at + 10].copy_from_slice(&old.fx[at..at + 10]);
        }
        let vectors = fx::XMM..fx::XMM + 16 * registers;
        state.fx[vectors.clone()].copy_from_slice(&old.fx[vectors]);
        let mut data = ran.data.clone();
        for range in &self.ignored {
            let end = range.end.min(data.len());
            data[range.start.min(end)..end].fill(0);
        }
        Ran { outcome: Outcome { state, taken: before.taken, trap }, data }
    }

    /// General registers, as many vector registers, and the bits of the former.
    fn registers(&self) -> (usize, u64) {
        if self.mode == Mode::Bits64 { (16, u64::MAX) } else { (8, 0xffff_ffff) }
    }

    /// What differs, a line each.
    pub fn differences(&self, expected: &Ran, got: &Ran) -> Vec<String> {
        let (expected, got) = (self.canonical(expected), self.canonical(got));
        let mut out = Vec::new();
        let mut differ = |what: &str, expected: String, got: String| {
            if expected != got {
                out.push(format!("{what}: processor {expected}, engine {got}"));
            }
        };
        let trap = |outcome: &Outcome| {
            outcome.trap.map(|t| {
                format!("#{} error {:#x} address {:#x} rip {:#x}", t.vector, t.error, t.address, t.rip)
            })
        };
        let (x, y) = (&expected.outcome, &got.outcome);
        differ("trap", format!("{:?}", trap(x)), format!("{:?}", trap(y)));
        differ("taken", x.taken.to_string(), y.taken.to_string());
        let (a, b) = (&x.state, &y.state);
        if a != b {
            for (n, name) in NAMES.iter().enumerate() {
                differ(name, hex(a.gpr[n]), hex(b.gpr[n]));
            }
            differ("flags", hex(a.rflags), hex(b.rflags));
            differ("fcw", hex(a.fx16(fx::FCW)), hex(b.fx16(fx::FCW)));
            differ("fsw", hex(a.fx16(fx::FSW)), hex(b.fx16(fx::FSW)));
            // AMD's processors store and load them only where an exception is pending (AMD64 manual vol. 5, FXSAVE).
            let is_none = a.fx16(fx::FOP) == 0 && a.fx64(fx::FIP) == 0 && a.fx64(fx::FDP) == 0;
            if !is_none || host::is_intel() {
                differ("fop", hex(a.fx16(fx::FOP)), hex(b.fx16(fx::FOP)));
                differ("fip", hex(a.fx64(fx::FIP)), hex(b.fx64(fx::FIP)));
                differ("fdp", hex(a.fx64(fx::FDP)), hex(b.fx64(fx::FDP)));
            }
            differ("ftw", hex(a.fx[fx::FTW]), hex(b.fx[fx::FTW]));
            for n in 0..8 {
                if !self.near || !skips::close_enough(a.st(n), b.st(n)) {
                    differ(&format!("st{n}"), hex80(a.st(n)), hex80(b.st(n)));
                }
            }
            for n in 0..16 {
                differ(&format!("xmm{n}"), hex(a.xmm(n)), hex(b.xmm(n)));
                differ(&format!("ymm{n} high"), hex(a.ymm_high[n]), hex(b.ymm_high[n]));
            }
            differ("mxcsr", hex(a.mxcsr()), hex(b.mxcsr()));
        }
        let places = 0..expected.data.len().max(got.data.len());
        let mut different = places.filter(|i| expected.data.get(*i) != got.data.get(*i));
        if let Some(first) = different.next() {
            let end = (first + 32).min(different.next_back().unwrap_or(first) + 1);
            differ(
                &format!("memory at {:#x}", DATA + first as u64),
                format!("{:02x?}", expected.data.get(first..end)),
                format!("{:02x?}", got.data.get(first..end)),
            );
        }
        out
    }
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
pub fn describe(state: &State) -> String {
    let mut text = String::new();
    for (name, value) in NAMES.iter().zip(state.gpr) {
        text += &format!("{name}={value:x} ");
    }
    text += &format!("flags={:x} ", state.rflags);
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

/// A difference, the instruction and the state it started from, as a person wants to read them.
pub fn report(trial: &Trial, mode: Mode, differences: &[String]) -> String {
    let address = trial.case.address.map(|a| format!("memory operand at {a:#x} ")).unwrap_or_default();
    format!(
        "{} {mode:?} {:02x?}\n  {}\n  before: {address}{}",
        trial.case.insn,
        trial.case.bytes,
        differences.join("\n  "),
        describe(&trial.state)
    )
}
