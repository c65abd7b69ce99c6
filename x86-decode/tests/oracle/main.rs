//! The decoder against iced-x86, over every opcode, prefix set and ModRM byte, and over random bytes.
//!
//! `view` translates iced's instruction into our terms, `differences` holds every deliberate difference with its reason.

mod differences;
mod view;

use std::collections::BTreeMap;

use iced_x86::{Decoder, DecoderOptions, InstructionInfoFactory};
use x86_decode::{DecodeError, Mode, decode};

const MODES: [(Mode, u32); 3] = [(Mode::Bits16, 16), (Mode::Bits32, 32), (Mode::Bits64, 64)];

/// Collects mismatches by kind, so that one wrong row gives one line.
struct Oracle {
    factory: InstructionInfoFactory,
    mismatches: BTreeMap<String, (u64, String)>,
    compared: u64,
}

impl Oracle {
    fn new() -> Self {
        Oracle { factory: InstructionInfoFactory::new(), mismatches: BTreeMap::new(), compared: 0 }
    }

    fn check(&mut self, bytes: &[u8], mode: Mode, bits: u32) {
        let options = DecoderOptions::NO_WBNOINVD;
        let theirs = Decoder::with_ip(bits, bytes, 0, options).decode();
        self.compared += 1;
        let ours = decode(bytes, mode);
        let expected = if theirs.is_invalid() { None } else { Some(&theirs) };
        let problems = match (&ours, expected) {
            (Err(DecodeError::Truncated), _) => vec!["truncated with enough bytes".into()],
            (Err(_), None) => vec![],
            (Err(_), Some(theirs)) if differences::we_refuse(theirs, mode) => vec![],
            (Err(_), Some(theirs)) => vec![format!("{:?}: we refuse it", theirs.code())],
            (Ok(ours), None) => vec![format!("{:?} {:?}: iced refuses it", ours.op, ours.row.opcode)],
            (Ok(ours), Some(theirs)) => view::compare(ours, theirs, bits, &mut self.factory),
        };
        for problem in problems {
            let entry = self.mismatches.entry(problem).or_insert_with(|| {
                let ours = ours.map_or_else(|e| e.to_string(), |insn| insn.to_string());
                (0, format!("{bits}-bit {bytes:02x?}: ours {ours:?}, iced {theirs:?}"))
            });
            entry.0 += 1;
        }
    }

    fn finish(self, least: u64) {
        println!("{} instructions compared", self.compared);
        assert!(self.compared >= least, "only {} instructions compared", self.compared);
        if !self.mismatches.is_empty() {
            let lines: Vec<_> = self
                .mismatches
                .iter()
                .map(|(kind, (count, first))| format!("{kind} ({count}x) {first}"))
                .collect();
            panic!("{} kinds of mismatch:\n{}", lines.len(), lines.join("\n"));
        }
    }
}

/// A small generator of test bytes; SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let value = self.next().to_le_bytes();
            chunk.copy_from_slice(&value[..chunk.len()]);
        }
    }
}

/// Prefixes of every mode. In 16- and 32-bit code the REX bytes are `inc` and `dec`; they are used in 64-bit code only.
const PREFIXES: &[&[u8]] = &[
    &[],
    &[0x66],
    &[0xf2],
    &[0xf3],
    &[0xf0],
    &[0x67],
    &[0x66, 0x67],
    &[0x66, 0xf2],
    &[0xf3, 0x66],
    &[0xf2, 0xf3],
    &[0xf3, 0xf2],
    &[0x66, 0xf0],
    &[0xf0, 0xf3],
    &[0x2e, 0x65],
    &[0x64, 0x36],
    &[0x26],
    &[0x36, 0xf3],
    &[0x66, 0xf3, 0x67],
    &[0xf0, 0xf2],
    &[0x66, 0x66],
];
const REX_PREFIXES: &[&[u8]] = &[
    &[0x40],
    &[0x41],
    &[0x42],
    &[0x44],
    &[0x48],
    &[0x4f],
    &[0x66, 0x48],
    &[0x66, 0x41],
    &[0xf2, 0x48],
    &[0xf3, 0x48],
    &[0xf3, 0x4d],
    &[0xf3, 0x41],
    &[0xf0, 0x49],
    &[0x48, 0x66],
    &[0x67, 0x47],
    &[0xf2, 0x4c],
    &[0x66, 0x4c],
    &[0x65, 0x49],
    &[0x66, 0xf2, 0x48],
    &[0xf2, 0x45],
];
const MAPS: &[&[u8]] = &[&[], &[0x0f], &[0x0f, 0x38], &[0x0f, 0x3a]];

fn exhaustive(mode: Mode, bits: u32, seed: u64) {
    let mut oracle = Oracle::new();
    let mut random = Random(seed);
    let rex = if mode == Mode::Bits64 { REX_PREFIXES } else { &[] };
    for prefix in PREFIXES.iter().chain(rex) {
        for map in MAPS {
            for opcode in 0..=255 {
                // Prefix bytes in the place of an opcode are for the random test.
                let head: Vec<u8> = [*prefix, *map, &[opcode]].concat();
                for modrm in 0..=255 {
                    let mut bytes = [0; 24];
                    random.fill(&mut bytes);
                    bytes[..head.len()].copy_from_slice(&head);
                    bytes[head.len()] = modrm;
                    oracle.check(&bytes, mode, bits);
                }
            }
        }
    }
    oracle.finish(1_900_000);
}

#[test]
fn every_opcode_16() {
    exhaustive(Mode::Bits16, 16, 16);
}

#[test]
fn every_opcode_32() {
    exhaustive(Mode::Bits32, 32, 32);
}

#[test]
fn every_opcode_64() {
    exhaustive(Mode::Bits64, 64, 64);
}

/// Every VEX encoding of an opcode: R, X, B, map, W, vvvv, L and pp, some values of ModRM each.
fn vex(mode: Mode, bits: u32, seed: u64) {
    let mut oracle = Oracle::new();
    let mut random = Random(seed);
    // Memory without SIB, with SIB, register; digits are in the random bits.
    let forms = [0x00, 0x04, 0x40, 0xc0];
    // The reserved maps behind 3 are one more case: 0, 4 and 31.
    for map in [0, 1, 2, 3, 4, 31] {
        for opcode in 0..=255 {
            for w_l_pp in 0..16u8 {
                for vvvv in 0..16u8 {
                    for form in forms {
                        let random_bits = random.next() as u8;
                        let rxb = if vvvv & 1 == 0 { 0xe0 } else { random.next() as u8 & 0xe0 };
                        let rest = (w_l_pp & 8) << 4 | vvvv << 3 | w_l_pp & 7;
                        let mut bytes = [0; 24];
                        random.fill(&mut bytes);
                        let head = if map == 1 && w_l_pp & 8 == 0 && random_bits & 0x40 != 0 {
                            [0xc5, rest | rxb & 0x80, opcode, form | random_bits & 0x3f, 0]
                        } else {
                            [0xc4, rxb | map, rest, opcode, form | random_bits & 0x3f]
                        };
                        bytes[..5].copy_from_slice(&head);
                        oracle.check(&bytes, mode, bits);
                    }
                }
            }
        }
    }
    // Prefixes before VEX, and every byte that decides between VEX and LES or LDS.
    for prefix in PREFIXES.iter().chain(REX_PREFIXES) {
        for (first, second) in
            [0xc4, 0xc5].iter().flat_map(|first| (0..=255).map(move |second| (*first, second)))
        {
            for third in [0x78, 0x7c, 0xfa, 0x30] {
                let head = [*prefix, &[first, second, third, 0x58]].concat();
                let mut bytes = [0; 24];
                random.fill(&mut bytes);
                bytes[..head.len()].copy_from_slice(&head);
                oracle.check(&bytes, mode, bits);
            }
        }
    }
    oracle.finish(1_500_000);
}

#[test]
fn every_vex_16() {
    vex(Mode::Bits16, 16, 6);
}

#[test]
fn every_vex_32() {
    vex(Mode::Bits32, 32, 7);
}

#[test]
fn every_vex_64() {
    vex(Mode::Bits64, 64, 8);
}

#[test]
fn every_sib_and_immediate_edge() {
    let mut oracle = Oracle::new();
    let mut random = Random(5);
    // `add`, `imul` with immediate, a shift by immediate, `movaps`, `test` with immediate, a gather, `vblendvps`.
    let opcodes: &[&[u8]] = &[
        &[0x01],
        &[0x69],
        &[0x6b],
        &[0xc1],
        &[0xc0],
        &[0x0f, 0x28],
        &[0xf7],
        &[0x0f, 0xa4],
        &[0xc4, 0xe2, 0x6d, 0x92],
        &[0xc4, 0x82, 0xe9, 0x91],
        &[0xc4, 0xe3, 0x79, 0x4a],
    ];
    let prefixes: &[&[u8]] = &[&[], &[0x66], &[0x67], &[0x41], &[0x42], &[0x48], &[0x4f]];
    for (mode, bits) in MODES {
        for (prefix, opcode) in prefixes.iter().flat_map(|p| opcodes.iter().map(move |o| (p, o))) {
            for modrm in [0x00, 0x04, 0x05, 0x06, 0x44, 0x45, 0x46, 0x84, 0x85, 0x86, 0xc0, 0xc4] {
                for byte in 0..=255 {
                    let head: Vec<u8> = [*prefix, *opcode, &[modrm, byte]].concat();
                    let mut bytes = [0; 24];
                    random.fill(&mut bytes);
                    bytes[..head.len()].copy_from_slice(&head);
                    oracle.check(&bytes, mode, bits);
                }
            }
        }
    }
    oracle.finish(500_000);
}

/// Random bytes behind random prefixes and escapes. `ORACLE_ROUNDS` gives another number of them.
#[test]
fn random_bytes() {
    let rounds = std::env::var("ORACLE_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(1_200_000);
    let mut oracle = Oracle::new();
    let mut random = Random(1);
    let prefixes = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x40, 0x48, 0x4d];
    for round in 0..rounds {
        let mut bytes = [0; 24];
        random.fill(&mut bytes);
        // Half of them begin with up to fifteen prefixes.
        if round & 1 == 0 {
            let many = random.next() as usize % if round & 0x3e == 0 { 16 } else { 5 };
            for byte in &mut bytes[..many] {
                *byte = prefixes[random.next() as usize % prefixes.len()];
            }
            match round >> 1 & 3 {
                0 => bytes[many] = 0x0f,
                1 => bytes[many..many + 2].copy_from_slice(&[0x0f, if round & 8 == 0 { 0x38 } else { 0x3a }]),
                2 => bytes[many] = 0xc4 | (round >> 3) as u8 & 1,
                _ => {}
            }
        }
        let (mode, bits) = MODES[round as usize % 3];
        oracle.check(&bytes, mode, bits);
    }
    oracle.finish(rounds);
}
