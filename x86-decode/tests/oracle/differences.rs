//! Deliberate differences from iced, each with its reason.

use iced_x86::Mnemonic as M;
use iced_x86::{Code, CpuidFeature, Instruction, OpKind, Register};
use x86_decode::{Mode, Op, Seg, Width};

/// Features of the guest's CPU. Everything else must be refused, or be the `nop` it was before its feature came.
#[rustfmt::skip]
const FEATURES: &[CpuidFeature] = {
    use CpuidFeature::*;
    &[
        INTEL8086, INTEL186, INTEL286, INTEL386, INTEL486, FPU, FPU287, FPU387, CMOV, MMX, SSE, SSE2, SSE3, FXSR, CX8,
        CMPXCHG16B, TSC, RDTSCP, MSR, RDPMC, SEP, SYSCALL, X64, CPUID, CLFSH, MONITOR, PAUSE, MULTIBYTENOP, PREFETCHW,
        SMM, CET_IBT, SSSE3, SSE4_1, SSE4_2, POPCNT, LZCNT, BMI1, BMI2, ADX, MOVBE, AES, PCLMULQDQ, SHA, GFNI, RDRAND, RDSEED,
        RDPID, FSGSBASE, CLFLUSHOPT, CLWB, WAITPKG, XSAVE, XSAVEOPT, XSAVEC, XSAVES, AVX, AVX2, FMA, F16C, VAES, VPCLMULQDQ,
    ]
};

/// Whether we refuse what iced decodes.
pub(crate) fn we_refuse(theirs: &Instruction, mode: Mode) -> bool {
    let newer = theirs.cpuid_features().iter().any(|f| !FEATURES.contains(f));
    // SDM vol. 2: invalid in compatibility and legacy mode. (AMD's CPUs have them there.)
    let long_only = mode != Mode::Bits64 && matches!(theirs.mnemonic(), M::Syscall | M::Sysret);
    newer || long_only
}

/// Instructions iced names by width, which we name once.
pub(crate) const NAMES: &[(M, &str, Option<Width>)] = &[
    (M::Pushf, "pushf", Some(Width::W16)),
    (M::Pushfd, "pushf", Some(Width::W32)),
    (M::Pushfq, "pushf", Some(Width::W64)),
    (M::Popf, "popf", Some(Width::W16)),
    (M::Popfd, "popf", Some(Width::W32)),
    (M::Popfq, "popf", Some(Width::W64)),
    (M::Pusha, "pusha", Some(Width::W16)),
    (M::Pushad, "pusha", Some(Width::W32)),
    (M::Popa, "popa", Some(Width::W16)),
    (M::Popad, "popa", Some(Width::W32)),
    (M::Iret, "iret", Some(Width::W16)),
    (M::Iretd, "iret", Some(Width::W32)),
    (M::Iretq, "iret", Some(Width::W64)),
    (M::Sysexitq, "sysexit", Some(Width::W64)),
    (M::Sysretq, "sysret", Some(Width::W64)),
    (M::Jcxz, "jcxz", None),
    (M::Jecxz, "jcxz", None),
    (M::Jrcxz, "jcxz", None),
    (M::Fxsave64, "fxsave", None),
    (M::Fxrstor64, "fxrstor", None),
    (M::Xsave64, "xsave", Some(Width::W64)),
    (M::Xrstor64, "xrstor", Some(Width::W64)),
    (M::Xsaveopt64, "xsaveopt", Some(Width::W64)),
    (M::Xsavec64, "xsavec", Some(Width::W64)),
    (M::Xsaves64, "xsaves", Some(Width::W64)),
    (M::Xrstors64, "xrstors", Some(Width::W64)),
    (M::Pcmpestrm64, "pcmpestrm", Some(Width::W64)),
    (M::Pcmpestri64, "pcmpestri", Some(Width::W64)),
    (M::Vpcmpestrm64, "vpcmpestrm", Some(Width::W64)),
    (M::Vpcmpestri64, "vpcmpestri", Some(Width::W64)),
    (M::Xlatb, "xlat", None),
    (M::Wait, "fwait", None),
];

/// Instructions that are another one on our CPU.
const SAME: &[(&[M], Op, &str)] = &[
    (&[M::Sal], Op::Shl, "the SDM has one instruction with two names; /6 is an undocumented alias of /4"),
    (
        &[M::Fneni, M::Feni, M::Fndisi, M::Fdisi, M::Fnsetpm, M::Fsetpm],
        Op::Fnop,
        "8087 and 80287 only, later no operation",
    ),
    (&[M::Fstpnce], Op::Fstp, "undocumented alias (D9 /3)"),
    (&[M::Reservednop], Op::Nop, "the SDM's reserved nop"),
    (&[M::Cldemote, M::Prefetchit0, M::Prefetchit1, M::Prefetchwt1], Op::Nop, "hints newer than our CPU"),
    (&[M::Rdsspd, M::Rdsspq], Op::Nop, "shadow stacks are newer than our CPU"),
];

/// Reserved hints of 0F 0D: a `nop` to us, whatever prefetch iced takes them for.
const RESERVED_PREFETCH: &[Code] = &[
    Code::Prefetchreserved3_m8,
    Code::Prefetchreserved4_m8,
    Code::Prefetchreserved5_m8,
    Code::Prefetchreserved6_m8,
    Code::Prefetchreserved7_m8,
];

/// What we call iced's instruction where the mnemonics differ.
pub(crate) fn same_op(theirs: &Instruction) -> Option<Op> {
    if RESERVED_PREFETCH.contains(&theirs.code()) {
        return Some(Op::Nop);
    }
    SAME.iter().find(|(mnemonics, ..)| mnemonics.contains(&theirs.mnemonic())).map(|(_, op, _)| *op)
}

/// Instructions whose operands count for nothing: we keep the first one, without access and size.
pub(crate) fn is_hint(theirs: &Instruction) -> bool {
    same_op(theirs) == Some(Op::Nop)
}

/// Privilege depends on control registers; without them set, as here, ring 3 gets an exception.
pub(crate) const PRIVILEGED: &[(M, &str)] = &[
    (M::Monitor, "#UD outside ring 0 (SDM vol. 2, MONITOR)"),
    (M::Mwait, "#UD outside ring 0 (SDM vol. 2, MWAIT)"),
    (M::Rdpmc, "#GP with CR4.PCE = 0"),
];

/// Memory operands iced gives a size to, though the instruction accesses nothing.
pub(crate) const UNSIZED: &[M] = &[
    M::Nop,
    M::Ud0,
    M::Ud1,
    M::Prefetch,
    M::Prefetchw,
    M::Prefetchnta,
    M::Prefetcht0,
    M::Prefetcht1,
    M::Prefetcht2,
];

/// Instructions that store or load an image of x87 and vector registers: iced counts none of them.
pub(crate) const IMAGES: &[Code] = &[
    Code::Fxsave_m512byte,
    Code::Fxsave64_m512byte,
    Code::Fxrstor_m512byte,
    Code::Fxrstor64_m512byte,
    Code::Xsave_mem,
    Code::Xsave64_mem,
    Code::Xsaveopt_mem,
    Code::Xsaveopt64_mem,
    Code::Xsavec_mem,
    Code::Xsavec64_mem,
    Code::Xsaves_mem,
    Code::Xsaves64_mem,
    Code::Xrstor_mem,
    Code::Xrstor64_mem,
    Code::Xrstors_mem,
    Code::Xrstors64_mem,
];

/// Flag use that differs.
pub(crate) const FLAGS: &[(&[Code], &str)] = &[
    (
        &[Code::Rcl_rm8_imm8, Code::Rcr_rm8_imm8, Code::Rcl_rm16_imm8, Code::Rcr_rm16_imm8],
        "iced takes the count modulo 9 or 17 before it looks for 0 and 1; the SDM defines OF by the count masked to five bits",
    ),
    (IMAGES, "the status word with C0 to C3 is part of the image"),
];

/// `sub`, `xor` and their like of a register with itself: iced says the register is not read. Rows know no values.
pub(crate) fn is_idiom(theirs: &Instruction) -> bool {
    let idioms = [
        (M::Sub, M::Xor),
        (M::Xorps, M::Xorpd),
        (M::Pxor, M::Psubb),
        (M::Psubw, M::Psubd),
        (M::Psubq, M::Psubsb),
        (M::Psubsw, M::Psubusb),
        (M::Psubusw, M::Psubusw),
        (M::Vxorps, M::Vxorpd),
        (M::Vpxor, M::Vpsubb),
        (M::Vpsubw, M::Vpsubd),
        (M::Vpsubq, M::Vpsubsb),
        (M::Vpsubsw, M::Vpsubusb),
        (M::Vpsubusw, M::Vpsubusw),
    ];
    if theirs.op_count() < 2 {
        return false;
    }
    // Of three operands the first is the destination.
    let first = theirs.op_count() - 2;
    let registers =
        theirs.op_kind(first) == OpKind::Register && theirs.op_kind(first + 1) == OpKind::Register;
    idioms.iter().any(|(a, b)| *a == theirs.mnemonic() || *b == theirs.mnemonic())
        && registers
        && theirs.op_register(first) == theirs.op_register(first + 1)
}

/// Operands iced names and the SDM leaves implicit: the registers of string instructions.
pub(crate) fn is_implicit_operand(theirs: &Instruction) -> bool {
    theirs.is_string_instruction()
}

/// The SDM knows `arpl` with 16-bit registers only, `tpause` and `umwait` with 32-bit ones; iced names larger ones with a
/// larger operand size.
pub(crate) fn register(theirs: &Instruction, n: u32) -> Register {
    let reg = theirs.op_register(n);
    match theirs.code() {
        Code::Arpl_r32m16_r32 => Register::AX + reg.number() as u32,
        Code::Tpause_r64 | Code::Umwait_r64 => Register::EAX + reg.number() as u32,
        _ => reg,
    }
}

/// 64-bit mode ignores ES, CS, SS and DS overrides (SDM vol. 2 §2.1.1); iced shows them.
pub(crate) fn segment(theirs: Seg, default: Seg, bits: u32) -> Seg {
    if bits == 64 && !matches!(theirs, Seg::Fs | Seg::Gs) { default } else { theirs }
}
