//! Any bytes: the decoder ends, does not panic, and takes no more than fifteen of them.
//!
//! `DECODE_INPUTS=1000000000` sets how many, `DECODE_SEED` which; `cargo xtask oracle --decode N` sets both.

use x86_decode::{MAX_LEN, Mode, decode};

const DEFAULT_INPUTS: u64 = 5_000_000;
const MODES: [Mode; 3] = [Mode::Bits16, Mode::Bits32, Mode::Bits64];
/// Bytes that change what follows: without them few inputs get beyond one-byte opcodes.
const FRONTS: [&[u8]; 16] = [
    &[],
    &[],
    &[],
    &[0x0f],
    &[0x0f],
    &[0x0f, 0x38],
    &[0x0f, 0x3a],
    &[0x66],
    &[0x66, 0x0f],
    &[0xf3, 0x0f],
    &[0xf2, 0x0f, 0x38],
    &[0xc5],
    &[0xc4],
    &[0x48],
    &[0x66, 0x67, 0xf0],
    &[0x62],
];

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn any_bytes() {
    let inputs = number("DECODE_INPUTS").unwrap_or(DEFAULT_INPUTS);
    let mut state = number("DECODE_SEED").unwrap_or(1) | 1;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    };
    let (mut valid, mut total_len) = (0_u64, 0_u64);
    for n in 0..inputs {
        let (low, high) = (random(), random());
        let mut bytes = [0_u8; 18];
        bytes[..8].copy_from_slice(&low.to_le_bytes());
        bytes[8..16].copy_from_slice(&high.to_le_bytes());
        let front = FRONTS[(n ^ high >> 60) as usize % FRONTS.len()];
        bytes[..front.len()].copy_from_slice(front);
        // Mostly as much as may be needed, sometimes less.
        let len = if n % 7 == 0 { (low >> 32) as usize % 19 } else { 18 };
        let Ok(insn) = decode(&bytes[..len], MODES[(n % 3) as usize]) else { continue };
        let taken = usize::from(insn.len);
        assert!((1..=MAX_LEN.min(len)).contains(&taken), "{bytes:02x?}");
        valid += 1;
        total_len += u64::from(insn.len);
    }
    println!("{inputs} inputs decoded, {valid} of them instructions, of {total_len} bytes");
    assert!(valid > inputs / 4);
}
