//! What is not compared, with reasons.

use crate::compare::Scope;
use crate::forms::Case;
use crate::outcome::{Outcome, Ran, Trap};
use crate::state::State;
use crate::trials::Trial;
use crate::vectors::Exact;
use core::ops::Range;
use x86_decode::{Insn, Mode, Op, Operand, Reg, Row, Width};

/// Instructions that are not run on the host at all.
const NOT_RUN: &[(&[Op], &str)] = &[
    (&[Op::Syscall, Op::Sysenter, Op::Int, Op::Sysret, Op::Sysexit], "enters the host's kernel"),
    (&[Op::JmpFar, Op::CallFar, Op::Retf, Op::Iret], "leaves the test's code segment"),
    (&[Op::Lds, Op::Les, Op::Lss, Op::Lfs, Op::Lgs], "would replace the host's segments"),
    (&[Op::Lar, Op::Lsl, Op::Verr, Op::Verw], "depends on the host's descriptor table"),
    (&[Op::Sgdt, Op::Sidt, Op::Sldt, Op::Str, Op::Smsw], "depends on UMIP and the host's tables"),
    (&[Op::Cpuid, Op::Rdtsc, Op::Rdtscp, Op::Rdpmc], "depends on the processor model"),
    (&[Op::Rdrand, Op::Rdseed], "a random number"),
    (&[Op::Rdpid, Op::Xgetbv], "depends on the host's system"),
    (
        &[Op::Rdfsbase, Op::Rdgsbase, Op::Wrfsbase, Op::Wrgsbase],
        "the bases of the host's threads; tested apart",
    ),
    (
        &[Op::Rcpps, Op::Rcpss, Op::Rsqrtps, Op::Rsqrtss, Op::Vrcpps, Op::Vrcpss, Op::Vrsqrtps, Op::Vrsqrtss],
        "an approximation of the processor's own; tested apart",
    ),
];

/// What AMD's processors do otherwise, those of Zen 4 at least: sums of dot products in another order, alignment of operands, the order of faults, `int1`, what
/// is in use of the extended state, W of VEX. The recorded vectors, which are of Intel's, hold these instructions to the others' results.
const OTHERWISE_OF: &[Op] = &[
    Op::Cmps,
    Op::Scas,
    Op::Dpps,
    Op::Fst,
    Op::Fist,
    Op::Fistp,
    Op::Fisttp,
    Op::Fxsave,
    Op::Fxrstor,
    Op::Int1,
    Op::Nop,
    Op::Pause,
    Op::Sha1msg1,
    Op::Sha1msg2,
    Op::Sha1nexte,
    Op::Sha1rnds4,
    Op::Sha256msg1,
    Op::Sha256msg2,
    Op::Sha256rnds2,
    Op::Vcvtps2ph,
    Op::Vdppd,
    Op::Vdpps,
    Op::Vldmxcsr,
    Op::Vpextrd,
    Op::Vpinsrd,
    Op::Xrstor,
    Op::Xsave,
    Op::Xsavec,
    Op::Xsaveopt,
];

/// Why those are not run elsewhere.
pub const OTHERWISE: &str =
    "this processor is not Intel's, and does otherwise what the engine does as those do";

/// Whether other processors than Intel's do otherwise.
pub fn is_otherwise(op: Op) -> bool {
    OTHERWISE_OF.contains(&op)
}

/// Why a row is not run, if it is not.
pub fn reason(row: &Row) -> Option<&'static str> {
    reason_of(row.op)
}

/// The same of an operation.
pub fn reason_of(op: Op) -> Option<&'static str> {
    NOT_RUN.iter().find(|(ops, _)| ops.contains(&op)).map(|(_, reason)| *reason)
}

/// Single cases that are not compared.
pub(crate) fn case(row: &Row, case: &Case, state: &State) -> bool {
    let segment = |operand: &Operand| matches!(operand, Operand::Reg(Reg::Seg(_)));
    let narrow = case.insn.width == Width::W16;
    match row.op {
        // Would replace the host's segments.
        Op::Mov | Op::Pop if segment(&case.insn.operands[0]) => true,
        // Selectors differ between the host's process and ours.
        Op::Mov | Op::Push if segment(&case.insn.operands[1]) || segment(&case.insn.operands[0]) => true,
        // The manual leaves result and flags undefined for counts above the operand's size.
        Op::Shld | Op::Shrd if narrow => {
            let count = match case.insn.operands[2] {
                Operand::Imm(count) => count as u64,
                _ => state.gpr[1],
            };
            count & 31 > 16
        }
        // Whether its sine is still normal depends on the last bit, and with unmasked underflow so does the result.
        Op::Fsin | Op::Fsincos if exponent(state.st(0)) == 1 => true,
        // The manual leaves results for larger arguments undefined.
        Op::F2xm1 => exponent(state.st(0)) >= 0x3fff,
        Op::Fyl2xp1 => exponent(state.st(0)) >= 0x3ffd,
        // An address in EAX or EDX would ask for components that only the host has.
        Op::Xsave | Op::Xsaveopt | Op::Xsavec | Op::Xrstor => {
            case.pins.iter().any(|(register, _)| matches!(register, 0 | 2))
        }
        // A 16-bit return or indirect jump goes to the lowest 64 KiB.
        Op::Ret | Op::Call | Op::Jmp => narrow,
        _ => false,
    }
}

fn exponent(bytes: [u8; 10]) -> u16 {
    u16::from_le_bytes([bytes[8], bytes[9]]) & 0x7fff
}

/// Instructions whose faults leave more or less behind on some processors than the manual asks for, so that only the
/// absence of a fault is compared.
pub fn faults_differ(row: &Row) -> bool {
    row.op == Op::Fstp && row.opcode == 0xdb
        || matches!(
            row.op,
            // Registers popped before the fault are already changed; it can be restarted all the same.
            Op::Popa
        // The switch to MMX state is visible although the store faults.
        | Op::Movd | Op::Movq | Op::Movntq
        // The elements before the one that faults may be there already, and their mask cleared.
        | Op::Vpgatherdd | Op::Vpgatherdq | Op::Vpgatherqd | Op::Vpgatherqq
        | Op::Vgatherdps | Op::Vgatherdpd | Op::Vgatherqps | Op::Vgatherqpd
        // Components before the one that faults are already loaded.
        | Op::Xrstor
        // The first eight bytes are already stored; so it is with `fstp m80`.
        | Op::Fbstp
        )
}

/// Instructions that may fault for bytes that their mask leaves out (SDM vol. 2, MASKMOVDQU): where the processor faults,
/// nothing is compared.
pub fn faults_freely(op: Op) -> bool {
    matches!(op, Op::Maskmovq | Op::Maskmovdqu | Op::Vmaskmovdqu)
}

/// Instructions whose results depend on what else the processor has: compared with its full model only.
pub fn depends_on_model(op: Op) -> bool {
    matches!(op, Op::Xsave | Op::Xsaveopt | Op::Xsavec | Op::Xrstor)
}

/// Whether a row's results are the same bits on every processor.
pub fn exactness(row: &Row) -> Exact {
    if is_near(row.op) || faults_freely(row.op) { Exact::Nearly } else { Exact::Yes }
}

/// Bits of the address of a page fault that are compared: large operands report any byte in the failing page.
pub fn address_mask(insn: &Insn) -> u64 {
    match insn.operands[0] {
        // An image of the whole state spans pages, and either may be met first.
        Operand::Mem(mem) if mem.size >= 512 => 0,
        // An XSAVE area has no size in the instruction.
        Operand::Mem(mem) if mem.size >= 10 || mem.size == 0 => !0xfff,
        _ => u64::MAX,
    }
}

/// Instructions whose last bit is the processor's own: the manual promises less than one unit in the last place.
const TRANSCENDENTAL: [Op; 8] =
    [Op::Fsin, Op::Fcos, Op::Fsincos, Op::Fptan, Op::Fpatan, Op::F2xm1, Op::Fyl2x, Op::Fyl2xp1];

/// Bits of the x87 status word that are not compared.
pub(crate) fn status_mask(insn: &Insn) -> u16 {
    // C1 says which way the last bit was rounded; at the smallest normal number it decides on underflow too.
    if is_near(insn.op) { 0x210 } else { 0 }
}

/// Whether results within one unit in the last place are right.
pub fn is_near(op: Op) -> bool {
    TRANSCENDENTAL.contains(&op)
}

/// x87 results at most one unit in the last place apart.
pub(crate) fn close_enough(a: [u8; 10], b: [u8; 10]) -> bool {
    let ordered = |bytes: [u8; 10]| {
        let mut wide = [0; 16];
        wide[..10].copy_from_slice(&bytes);
        let value = u128::from_le_bytes(wide);
        // The exponent directly above the fraction, so that neighbours differ by one across binades too.
        (value >> 64 << 63) | value & (u128::MAX >> 65)
    };
    ordered(a).abs_diff(ordered(b)) <= 1
}

/// Parts of the memory operand that are not compared: reserved parts of the FXSAVE image, and the mask of MXCSR.
#[allow(clippy::single_range_in_vec_init)] // A list of ranges, some of one.
pub(crate) fn memory(insn: &Insn) -> &'static [Range<usize>] {
    match insn.op {
        Op::Xsave | Op::Xsaveopt | Op::Xsavec => &[5..6, 28..32],
        Op::Fxsave => &[5..6, 28..32, 416..512],
        _ => &[],
    }
}

/// What counts of a fault of [`faults_differ`]: that there was one.
fn faulted(trial: &Trial, trap: Option<Trap>) -> Ran {
    let trap = trap.map(|trap| Trap { error: 0, address: 0, ..trap });
    let outcome = Outcome { state: trial.state.clone(), taken: false, trap };
    Ran { outcome, data: trial.data.clone() }
}

/// What counts of an outcome.
pub fn canonical(row: &Row, trial: &Trial, mode: Mode, ran: &Ran) -> Ran {
    let trapped = ran.outcome.trap.is_some();
    if trapped && faults_differ(row) {
        return faulted(trial, ran.outcome.trap);
    }
    Scope::of(&trial.case.insn, trial.case.address, mode, trapped).canonical(ran)
}

/// What differs between the processor's outcome and an engine's.
pub fn differences(row: &Row, trial: &Trial, mode: Mode, expected: &Ran, got: &Ran) -> Vec<String> {
    let trapped = expected.outcome.trap.is_some();
    if trapped && faults_freely(row.op) {
        return Vec::new();
    }
    let scope = Scope::of(&trial.case.insn, trial.case.address, mode, trapped);
    if trapped && faults_differ(row) {
        let [expected, got] = [expected, got].map(|ran| faulted(trial, ran.outcome.trap));
        return scope.differences(&expected, &got);
    }
    scope.differences(expected, got)
}
