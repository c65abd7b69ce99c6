//! The processor as the oracle of what is an instruction: where the manual leaves doubt, it decides.
//!
//! Encodings of the VEX maps and of the three-byte maps run in 64- and 32-bit code; an invalid-opcode exception is what
//! [`DecodeError::Invalid`] says. Needs a processor with every feature of the table, and says so where it has not.

#![cfg(target_arch = "x86_64")]

use std::collections::BTreeMap;

use testkit::host::{self, Host};
use testkit::layout::CODE;
use testkit::rng::Rng;
use testkit::state::State;
use x86_decode::{DecodeError, Mode, Op, decode};

const INVALID_OPCODE: u64 = 6;

/// Instructions newer than the table, as map, first and last opcode.
const NEWER: &[(&[u8], u8, u8, &str)] = &[
    (&[1], 0x41, 0x4b, "mask registers of AVX-512"),
    (&[1], 0x90, 0x93, "mask registers of AVX-512"),
    (&[1], 0x98, 0x99, "mask registers of AVX-512"),
    (&[3], 0x30, 0x33, "mask registers of AVX-512"),
    (&[2], 0x49, 0x4b, "AMX"),
    (&[2], 0x5c, 0x5e, "AMX"),
    (&[2], 0x6c, 0x6c, "AMX"),
    (&[2], 0x50, 0x53, "AVX-VNNI"),
    (&[2], 0xb0, 0xb5, "AVX-NE-CONVERT and AVX-IFMA"),
    (&[2], 0xd2, 0xd3, "AVX-VNNI-INT16"),
    (&[2], 0xe0, 0xef, "CMPccXADD"),
];

/// The same of the maps 0F 38 and 0F 3A.
const NEWER_LEGACY: &[(&[u8], u8, u8, &str)] = &[
    (&[2], 0x80, 0x82, "virtual machine extensions"),
    (&[2], 0x8a, 0x8b, "MOVRS"),
    (&[2], 0xd8, 0xd8, "key locker"),
    (&[2], 0xdc, 0xdf, "key locker with F3; without, AES"),
    (&[2], 0xf5, 0xf6, "shadow stacks; ADX and its prefixes"),
    (&[2], 0xf8, 0xfc, "direct stores, ENQCMD, USER_MSR, RAO-INT"),
    (&[3], 0xf0, 0xf0, "HRESET"),
];

fn is_newer(list: &[(&[u8], u8, u8, &str)], map: u8, opcode: u8) -> bool {
    list.iter().any(|(maps, first, last, _)| maps.contains(&map) && (*first..=*last).contains(&opcode))
}

struct Processor {
    host: Host,
    state: State,
    run: u32,
    wrong: BTreeMap<String, (u32, String)>,
}

impl Processor {
    /// None, with a note, where a feature is missing.
    fn new() -> Option<Processor> {
        let has = |name: &str, has: bool| {
            if !has {
                println!("skipped: this processor has no {name}");
            }
            has
        };
        let all = has("AVX2", is_x86_feature_detected!("avx2"))
            && has("FMA", is_x86_feature_detected!("fma"))
            && has("F16C", is_x86_feature_detected!("f16c"))
            && has("BMI1", is_x86_feature_detected!("bmi1"))
            && has("BMI2", is_x86_feature_detected!("bmi2"))
            && has("ADX", is_x86_feature_detected!("adx"))
            && has("MOVBE", is_x86_feature_detected!("movbe"))
            && has("SHA", is_x86_feature_detected!("sha"))
            && has("GFNI", is_x86_feature_detected!("gfni"))
            && has("VAES", is_x86_feature_detected!("vaes"))
            && has("VPCLMULQDQ", is_x86_feature_detected!("vpclmulqdq"));
        let mut state = State::random(&mut Rng::new(1));
        // Every address is in the first page, where nothing is.
        state.gpr = [0; 16];
        all.then(|| Processor { host: Host::new(), state, run: 0, wrong: BTreeMap::new() })
    }

    fn check(&mut self, bytes: &[u8]) {
        for mode in [Mode::Bits64, Mode::Bits32] {
            let ours = decode(bytes, mode);
            // LDS and LES outside 64-bit mode would replace segments; ENDBR and the like are not here.
            if ours.is_ok_and(|insn| matches!(insn.op, Op::Lds | Op::Les)) {
                continue;
            }
            let outcome = self.host.run(bytes, mode, &self.state);
            self.run += 1;
            let invalid = outcome.trap.is_some_and(|trap| trap.vector == INVALID_OPCODE && trap.rip == CODE);
            if invalid != (ours.err() == Some(DecodeError::Invalid)) {
                let name = ours.map_or_else(|error| error.to_string(), |insn| insn.op.name().to_string());
                let key = format!(
                    "{mode:?} {name}, but the processor {} it",
                    if invalid { "refuses" } else { "takes" }
                );
                let first = format!("{bytes:02x?}: {:?}", outcome.trap);
                self.wrong.entry(key).or_insert((0, first)).0 += 1;
            }
        }
    }

    fn finish(self, least: u32) {
        println!("{} encodings run", self.run);
        assert!(self.run >= least);
        assert!(self.wrong.is_empty(), "{:#?}", self.wrong);
    }
}

/// ModRM of every digit as register and as memory without and with SIB, and what follows.
fn forms() -> impl Iterator<Item = [u8; 8]> {
    (0..8).flat_map(|reg| {
        [[0xc2 | reg << 3, 0x10], [reg << 3, 0x10], [4 | reg << 3, 0x08]]
            .map(|[modrm, next]| [modrm, next, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10])
    })
}

#[test]
fn vex_encodings() {
    let Some(mut processor) = Processor::new() else { return };
    if !host::is_intel() {
        println!("skipped: other processors than Intel's take other values of VEX.W");
        return;
    }
    for (map, opcode) in (1..=3).flat_map(|map| (0..=255).map(move |opcode| (map, opcode))) {
        if is_newer(NEWER, map, opcode) {
            continue;
        }
        for fields in 0..=255u8 {
            // Of the values of vvvv two: no register, and one that is not in the ModRM of `forms`.
            if matches!(fields >> 3 & 0xf, 0xf | 0xa) {
                for form in forms() {
                    processor.check(&[&[0xc4, 0xe0 | map, fields, opcode], &form[..]].concat());
                }
            }
        }
    }
    processor.finish(500_000);
}

#[test]
fn three_byte_encodings() {
    let Some(mut processor) = Processor::new() else { return };
    let prefixes: [&[u8]; 9] =
        [&[], &[0x66], &[0xf3], &[0xf2], &[0x66, 0xf3], &[0x66, 0xf2], &[0xf2, 0xf3], &[0xf3, 0xf2], &[0xf0]];
    for (map, opcode) in [2, 3].iter().flat_map(|map| (0..=255).map(move |opcode| (*map, opcode))) {
        if is_newer(NEWER_LEGACY, map, opcode) {
            continue;
        }
        for (prefix, form) in prefixes.iter().flat_map(|prefix| forms().map(move |form| (prefix, form))) {
            let escape = if map == 2 { 0x38 } else { 0x3a };
            processor.check(&[prefix, &[0x0f, escape, opcode][..], &form].concat());
            processor.check(&[prefix, &[0x48, 0x0f, escape, opcode][..], &form].concat());
        }
    }
    processor.finish(100_000);
}

/// Prefixes before VEX, REX at every place, and the fields that no operand needs.
#[test]
fn vex_prefixes_and_spare_bits() {
    let Some(mut processor) = Processor::new() else { return };
    let prefixes = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x40, 0x48, 0x4f];
    let codes: &[&[u8]] = &[
        &[0xc5, 0xf8, 0x77],
        &[0xc5, 0xf4, 0x58, 0xc2],
        &[0xc4, 0xe1, 0x74, 0x58, 0xc2],
        &[0xc4, 0xe2, 0x70, 0xf2, 0xc2],
    ];
    for code in codes {
        for (a, b) in prefixes.iter().flat_map(|a| prefixes.iter().map(move |b| (*a, *b))) {
            processor.check(&[&[a], *code].concat());
            processor.check(&[&[a, b], *code].concat());
        }
    }
    // Every second byte, some third ones: maps, R, X, B, and the upper bit of vvvv in 32-bit code. Gathers
    // with their registers alike and apart, immediates with spare bits.
    for second in 0..=255 {
        processor.check(&[0xc5, second, 0x77, 0x90, 0x90, 0x90, 0x90]);
        processor.check(&[0xc5, second, 0x28, 0xc2, 0x90, 0x90, 0x90]);
        for (third, opcode) in
            (0..=255).step_by(7).flat_map(|third| [0x58, 0x28, 0xf2, 0x4a, 0x92].map(|op| (third, op)))
        {
            if !is_newer(NEWER, second & 0x1f, opcode) {
                processor.check(&[0xc4, second, third, opcode, 0xc2, 0x90, 0x90, 0x90, 0x90]);
                processor.check(&[0xc4, second, third, opcode, 0x04, 0x08, 0x90, 0x90, 0x90]);
            }
        }
    }
    for (mask, index, register) in
        (0..4).flat_map(|m| (0..4).flat_map(move |i| (0..4).map(move |r| (m, i, r))))
    {
        processor.check(&[0xc4, 0xe2, 0x7d ^ mask << 3, 0x92, 0x04 | register << 3, index << 3]);
    }
    processor.finish(100_000);
}
