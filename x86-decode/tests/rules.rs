//! Rules of SDM vol. 2 chapter 2 and single encodings worth naming, as data: mode, bytes, expected text or error.

use proptest::prelude::*;
use x86_decode::Mode::{Bits16, Bits32, Bits64};
use x86_decode::{DecodeError, MAX_LEN, Mode, decode};

fn bytes_of(hex: &str) -> Vec<u8> {
    hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

fn check(mode: Mode, hex: &str, expected: &str) {
    let bytes = bytes_of(hex);
    let text = match decode(&bytes, mode) {
        Ok(insn) => {
            assert_eq!(usize::from(insn.len), bytes.len(), "{hex}");
            insn.to_string()
        }
        Err(error) => format!("{error:?}"),
    };
    assert_eq!(text, expected, "{mode:?} {hex}");
}

#[rustfmt::skip]
const CASES: &[(Mode, &str, &str)] = &[
    // Prefixes.
    (Bits64, "01 d8",                      "add eax, ebx"),
    (Bits64, "66 01 d8",                   "add ax, bx"),
    (Bits64, "66 48 01 d8",                "add rax, rbx"),
    (Bits64, "48 66 01 d8",                "add ax, bx"), // REX not directly before the opcode
    (Bits64, "40 48 01 d8",                "add rax, rbx"), // the last REX counts
    (Bits64, "64 2e 8b 00",                "mov eax, dword ptr fs:[rax]"), // CS is ignored, FS stays
    (Bits32, "64 2e 8b 00",                "mov eax, dword ptr cs:[eax]"), // the last override counts
    (Bits64, "2e 8b 00",                   "mov eax, dword ptr [rax]"),
    (Bits32, "65 a1 14 00 00 00",          "mov eax, dword ptr gs:[0x14]"),
    (Bits32, "f0 0f b1 0a",                "lock cmpxchg dword ptr [edx], ecx"),
    (Bits32, "f0 0f b1 ca",                "Invalid"), // lock, destination a register
    (Bits32, "f0 39 0a",                   "Invalid"), // lock cmp
    (Bits32, "f0 8b 0a",                   "Invalid"), // lock mov
    (Bits32, "f0 02 0a",                   "Invalid"), // lock add to a register
    (Bits64, "f3 c3",                      "ret"),
    (Bits64, "f2 e8 00 00 00 00",          "call $+0x6"),
    (Bits32, "f3 a4",                      "rep movsb"),
    (Bits32, "f2 ae",                      "repne scasb"),
    (Bits64, "f3 48 a5",                   "rep movsq"),
    (Bits32, "64 a5",                      "movsd fs:"),
    // Mandatory prefixes: F2 and F3 before 66, the last of the two.
    (Bits64, "66 f2 0f 58 c1",             "addsd xmm0, xmm1"),
    (Bits64, "f2 f3 0f 58 c1",             "addss xmm0, xmm1"),
    (Bits64, "66 0f 58 c1",                "addpd xmm0, xmm1"),
    (Bits64, "f3 0f 54 c1",                "Invalid"),
    (Bits64, "f3 44 0f 7e 0f",             "movq xmm9, qword ptr [rdi]"),
    (Bits64, "66 48 0f 6e c7",             "movq xmm0, rdi"),
    (Bits32, "66 0f 6e c7",                "movd xmm0, edi"),
    // Registers.
    (Bits64, "88 e0",                      "mov al, ah"),
    (Bits64, "40 88 e0",                   "mov al, spl"),
    (Bits64, "45 88 e0",                   "mov r8b, r12b"),
    (Bits64, "41 90",                      "xchg r8d, eax"),
    (Bits64, "48 90",                      "nop"),
    (Bits64, "f3 90",                      "pause"),
    (Bits64, "f3 41 90",                   "pause"),
    (Bits32, "8e c8",                      "Invalid"), // mov cs, eax
    (Bits32, "8e f0",                      "Invalid"), // no seventh segment register
    // Addressing.
    (Bits16, "8b 02",                      "mov ax, word ptr [bp+si]"),
    (Bits16, "8b 46 fe",                   "mov ax, word ptr [bp-0x2]"),
    (Bits16, "8b 06 34 12",                "mov ax, word ptr [0x1234]"),
    (Bits16, "67 8b 04 24",                "mov ax, word ptr [esp]"),
    (Bits32, "67 8b 07",                   "mov eax, dword ptr [bx]"),
    (Bits32, "8b 04 8d 00 10 00 00",       "mov eax, dword ptr [ecx*4+0x1000]"),
    (Bits32, "8b 44 24 fc",                "mov eax, dword ptr [esp-0x4]"),
    (Bits64, "8b 05 10 00 00 00",          "mov eax, dword ptr [rip+0x10]"),
    (Bits64, "67 8b 05 10 00 00 00",       "mov eax, dword ptr [eip+0x10]"),
    (Bits64, "8b 04 25 00 00 00 80",       "mov eax, dword ptr [0xffffffff80000000]"),
    (Bits64, "43 8b 44 25 00",             "mov eax, dword ptr [r13+r12]"),
    (Bits64, "42 8b 04 20",                "mov eax, dword ptr [rax+r12]"),
    (Bits64, "48 a1 08 07 06 05 04 03 02 81", "mov rax, qword ptr [0x8102030405060708]"),
    (Bits64, "67 a1 04 03 02 81",          "mov eax, dword ptr [0x81020304]"),
    // Immediates.
    (Bits64, "48 81 c0 00 00 00 80",       "add rax, -0x80000000"),
    (Bits32, "81 c0 00 00 00 80",          "add eax, 0x80000000"),
    (Bits64, "48 b8 08 07 06 05 04 03 02 81", "mov rax, -0x7efdfcfbfaf9f8f8"),
    (Bits64, "48 c7 c0 ff ff ff ff",       "mov rax, -0x1"),
    (Bits32, "6a ff",                      "push -0x1"),
    (Bits64, "66 68 34 12",                "push 0x1234"),
    (Bits32, "c8 10 00 01",                "enter 0x10, 0x1"),
    (Bits32, "cd 80",                      "int 0x80"),
    // Branches.
    (Bits32, "eb fe",                      "jmp $+0x0"),
    (Bits32, "66 e9 fd ff",                "jmp $+0x1"),
    (Bits64, "66 e9 fb ff ff ff",          "jmp $+0x1"), // near branches ignore 66 in 64-bit mode
    (Bits32, "67 e3 00",                   "jcxz $+0x3"),
    (Bits32, "e3 00",                      "jecxz $+0x2"),
    (Bits64, "e3 00",                      "jrcxz $+0x2"),
    (Bits32, "9a 04 03 02 01 08 00",       "call far 0x8:0x1020304"),
    (Bits64, "9a 04 03 02 01 08 00",       "Invalid"),
    (Bits64, "48 ff 2c 24",                "jmp far [rsp]"),
    (Bits32, "ff e8",                      "Invalid"), // jmp far through a register
    // Prefixes that make another instruction, or none.
    (Bits64, "f3 0f bc c1",                "tzcnt eax, ecx"),
    (Bits64, "f2 0f bc c1",                "bsf eax, ecx"),
    (Bits64, "f3 0f bd c1",                "lzcnt eax, ecx"),
    (Bits64, "f3 48 0f b8 c1",             "popcnt rax, rcx"),
    (Bits64, "66 f3 0f b8 c1",             "popcnt ax, cx"),
    (Bits64, "0f b8 c1",                   "Invalid"),
    (Bits64, "0f 38 f0 07",                "movbe eax, dword ptr [rdi]"),
    (Bits64, "66 0f 38 f0 07",             "movbe ax, word ptr [rdi]"),
    (Bits64, "66 f2 0f 38 f1 c1",          "crc32 eax, cx"),
    (Bits64, "f2 48 0f 38 f0 c1",          "crc32 rax, cl"),
    (Bits64, "0f c7 f0",                   "rdrand eax"),
    (Bits64, "66 0f c7 f8",                "rdseed ax"),
    (Bits64, "f3 0f c7 f8",                "rdpid rax"),
    (Bits32, "f3 0f c7 f8",                "rdpid eax"),
    (Bits64, "f3 48 0f ae c0",             "rdfsbase rax"),
    (Bits32, "f3 0f ae c0",                "Invalid"), // 64-bit mode only
    (Bits64, "48 0f ae 21",                "xsave64 [rcx]"),
    (Bits64, "48 0f ae 01",                "fxsave64 [rcx]"),
    (Bits64, "0f ae 01",                   "fxsave [rcx]"),
    (Bits64, "66 0f 38 00 c1",             "pshufb xmm0, xmm1"),
    (Bits64, "0f 38 00 c1",                "pshufb mm0, mm1"),
    (Bits64, "66 48 0f 3a 61 c1 0c",       "pcmpestri xmm0, xmm1, 0xc"),
    (Bits64, "f3 0f 1e fa",                "endbr64"),
    (Bits32, "f3 0f 1e fb",                "endbr32"),
    (Bits32, "f3 0f 1e c8",                "nop eax"), // rdsspd
    (Bits64, "66 2e 0f 1f 84 00 00 00 00 00", "nop [rax+rax]"),
    // VEX.
    (Bits64, "c5 f8 77",                   "vzeroupper"),
    (Bits32, "c5 fc 77",                   "vzeroall"),
    (Bits16, "c5 f8 77",                   "vzeroupper"),
    (Bits32, "c5 78 77",                   "lds edi, fword ptr [eax+0x77]"),
    (Bits64, "c5 78 77",                   "vzeroupper"), // R counts for nothing where there is no register
    (Bits64, "c5 f0 58 c2",                "vaddps xmm0, xmm1, xmm2"),
    (Bits64, "c5 f4 58 c2",                "vaddps ymm0, ymm1, ymm2"),
    (Bits64, "c5 74 58 07",                "vaddps ymm8, ymm1, ymmword ptr [rdi]"),
    (Bits64, "c4 41 34 58 c2",             "vaddps ymm8, ymm9, ymm10"),
    (Bits32, "c4 c1 b4 58 c2",             "vaddps ymm0, ymm1, ymm2"), // B and the upper bit of vvvv are ignored
    (Bits64, "c5 f6 58 c2",                "vaddss xmm0, xmm1, xmm2"), // L is ignored
    (Bits64, "c5 f0 28 c2",                "Invalid"), // vvvv names no operand
    (Bits64, "c5 f8 28 c2",                "vmovaps xmm0, xmm2"),
    (Bits64, "c4 e2 fd 18 07",             "Invalid"), // vbroadcastss with W
    (Bits64, "c4 e2 7d 18 07",             "vbroadcastss ymm0, dword ptr [rdi]"),
    (Bits64, "c4 e2 79 19 07",             "Invalid"), // vbroadcastsd without L
    (Bits64, "c4 e0 78 77",                "Invalid"), // map 0
    (Bits64, "c4 e4 78 77",                "Invalid"), // map 4
    (Bits64, "f0 c5 f8 77",                "Invalid"),
    (Bits64, "66 c5 f8 77",                "Invalid"),
    (Bits64, "f3 c5 f8 77",                "Invalid"),
    (Bits64, "f2 c5 f8 77",                "Invalid"),
    (Bits64, "40 c5 f8 77",                "Invalid"),
    (Bits64, "67 2e c5 f8 77",             "vzeroupper"),
    (Bits64, "c4 e2 f8 f2 c1",             "andn rax, rax, rcx"),
    (Bits32, "c4 e2 f8 f2 c1",             "andn eax, eax, ecx"), // W is ignored
    (Bits64, "c4 e2 fc f2 c1",             "Invalid"), // andn with L
    (Bits64, "c4 e1 f9 6e c1",             "vmovq xmm0, rcx"),
    (Bits32, "c4 e1 f9 6e c1",             "vmovd xmm0, ecx"),
    (Bits64, "c4 e3 71 4a c2 30",          "vblendvps xmm0, xmm1, xmm2, xmm3"),
    (Bits32, "c4 e3 71 4a c2 b0",          "vblendvps xmm0, xmm1, xmm2, xmm3"), // its upper bit is ignored
    (Bits64, "c4 e2 f1 98 c2",             "vfmadd132pd xmm0, xmm1, xmm2"),
    (Bits64, "c4 e2 69 92 04 4f",          "vgatherdps xmm0, dword ptr [rdi+xmm1*2], xmm2"),
    (Bits64, "c4 e2 ed 93 04 67",          "vgatherqpd ymm0, qword ptr [rdi+ymm4*2], ymm2"),
    (Bits64, "c4 e2 69 92 04 57",          "Invalid"), // mask and index are one register
    (Bits64, "c4 e2 69 92 00",             "Invalid"), // no SIB
    (Bits32, "67 c4 e2 69 92 04",          "Invalid"), // no SIB in 16-bit addresses
    (Bits32, "c5 00",                      "lds eax, fword ptr [eax]"),
    (Bits32, "c4 00",                      "les eax, fword ptr [eax]"),
    (Bits32, "62 00",                      "bound eax, qword ptr [eax]"),
    (Bits64, "62 f1 7c 48 58 c0",          "Invalid"),
    (Bits32, "8f e9 78 81 c0",             "Invalid"), // XOP
    (Bits32, "0f 05",                      "Invalid"), // syscall
    (Bits64, "0f 05",                      "syscall"),
    (Bits32, "0f 0b",                      "ud2"),
    (Bits64, "37",                         "Invalid"), // aaa
    (Bits32, "82 c0 01",                   "add al, 0x1"),
    (Bits64, "82 c0 01",                   "Invalid"),
    (Bits32, "d6",                         "salc"),
    // x87.
    (Bits32, "dc e1",                      "fsubr st(1), st(0)"),
    (Bits32, "de e9",                      "fsubp st(1), st(0)"),
    (Bits32, "db 2c 24",                   "fld tbyte ptr [esp]"),
    (Bits32, "df e0",                      "fnstsw ax"),
    (Bits32, "9b",                         "fwait"),
    (Bits32, "d9 d1",                      "Invalid"),
    // Length.
    (Bits64, "66 66 66 66 66 66 66 66 66 66 66 66 66 66 90",    "nop"),
    (Bits64, "66 66 66 66 66 66 66 66 66 66 66 66 66 66 66 90", "TooLong"),
    (Bits32, "66 66 66 66 66 66 66 66 66 66 66 66 81 c0 01",    "TooLong"),
    (Bits32, "66 66 66 66 66 66 66 66 66 66 66 81 c0 01",       "Truncated"),
    (Bits32, "",                           "Truncated"),
];

#[test]
fn cases() {
    for (mode, hex, expected) in CASES {
        check(*mode, hex, expected);
    }
}

fn any_mode() -> impl Strategy<Value = Mode> {
    prop_oneof![Just(Bits16), Just(Bits32), Just(Bits64)]
}

/// Random bytes behind prefixes and escapes, so that all maps are met.
fn any_code() -> impl Strategy<Value = Vec<u8>> {
    let prefix = prop::sample::select(vec![0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x2e, 0x65, 0x48, 0x41]);
    (prop::collection::vec(prefix, 0..5), any::<bool>(), prop::collection::vec(any::<u8>(), 20)).prop_map(
        |(mut bytes, escape, rest)| {
            if escape {
                bytes.push(0x0f);
            }
            bytes.extend(rest);
            bytes
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(50_000))]

    /// Every proper beginning of an instruction is `Truncated`, and what follows an instruction does not matter.
    #[test]
    fn length_is_exact(mode in any_mode(), bytes in any_code()) {
        let whole = decode(&bytes, mode);
        match whole {
            Ok(insn) => {
                let len = usize::from(insn.len);
                prop_assert!(len <= MAX_LEN);
                for end in 0..len {
                    prop_assert_eq!(decode(&bytes[..end], mode).unwrap_err(), DecodeError::Truncated);
                }
                let exact = decode(&bytes[..len], mode).unwrap();
                prop_assert_eq!(exact.operands, insn.operands);
                prop_assert_eq!(usize::from(exact.len), len);
            }
            Err(error) => {
                prop_assert_ne!(error, DecodeError::Truncated);
                // A verdict once given stays, however many bytes follow.
                for end in 0..bytes.len() {
                    let early = decode(&bytes[..end], mode).unwrap_err();
                    prop_assert!(early == DecodeError::Truncated || early == error);
                }
            }
        }
    }

    /// No bytes make the text panic, and none is empty.
    #[test]
    fn text_of_anything(mode in any_mode(), bytes in prop::collection::vec(any::<u8>(), 0..20)) {
        if let Ok(insn) = decode(&bytes, mode) {
            prop_assert!(insn.to_string().starts_with(|c: char| c.is_ascii_lowercase()));
        }
    }
}
