//! AES, carry-less multiplication, SHA and the Galois field instructions (SDM vol. 2; FIPS 197; FIPS 180-4).

use super::packed::{packed, shuffles};
use super::place;
use crate::cx::{Cx, Step};
use crate::uop::{Handler, Uop};
use bytemuck::cast;
use x86_decode::{Insn, Op};

/// Product in GF(2⁸) modulo x⁸ + x⁴ + x³ + x + 1.
const fn field_product(a: u8, b: u8) -> u8 {
    let (mut a, mut b, mut product) = (a, b, 0);
    while b != 0 {
        if b & 1 != 0 {
            product ^= a;
        }
        a = a << 1 ^ if a & 0x80 != 0 { 0x1b } else { 0 };
        b >>= 1;
    }
    product
}

/// Multiplicative inverses in the field; that of zero is zero.
static INVERSES: [u8; 256] = {
    let mut all = [0; 256];
    let mut a = 1;
    while a < 256 {
        // a²⁵⁴ = a⁻¹.
        let (mut power, mut result, mut exponent) = (a as u8, 1, 254);
        while exponent != 0 {
            if exponent & 1 != 0 {
                result = field_product(result, power);
            }
            power = field_product(power, power);
            exponent >>= 1;
        }
        all[a] = result;
        a += 1;
    }
    all
};

/// The substitution of FIPS 197 §5.1.1.
static SUBSTITUTES: [u8; 256] = {
    let mut all = [0; 256];
    let mut i = 0;
    while i < 256 {
        let x = INVERSES[i];
        all[i] = x ^ x.rotate_left(1) ^ x.rotate_left(2) ^ x.rotate_left(3) ^ x.rotate_left(4) ^ 0x63;
        i += 1;
    }
    all
};

static INVERSE_SUBSTITUTES: [u8; 256] = {
    let mut all = [0; 256];
    let mut i = 0;
    while i < 256 {
        all[SUBSTITUTES[i] as usize] = i as u8;
        i += 1;
    }
    all
};

/// Rows rotated and bytes substituted. `turn` is how far row 1 goes: the others go by multiples of it.
fn shift_and_substitute(state: u128, turn: usize, table: &[u8; 256]) -> u128 {
    let bytes = state.to_le_bytes();
    u128::from_le_bytes(core::array::from_fn(|i| {
        let from = (i + 4 * turn * (i % 4)) % 16;
        table[usize::from(bytes[from])]
    }))
}

/// Each column times the polynomial whose coefficients are given, for row 0 first.
fn mix_columns(state: u128, factors: [u8; 4]) -> u128 {
    let bytes = state.to_le_bytes();
    u128::from_le_bytes(core::array::from_fn(|i| {
        let (column, row) = (i & !3, i % 4);
        (0..4).fold(0, |sum, k| sum ^ field_product(bytes[column + (row + k) % 4], factors[k]))
    }))
}

const MIX: [u8; 4] = [2, 3, 1, 1];
const UNMIX: [u8; 4] = [14, 11, 13, 9];

fn encrypt(state: u128) -> u128 {
    shift_and_substitute(state, 1, &SUBSTITUTES)
}

fn decrypt(state: u128) -> u128 {
    shift_and_substitute(state, 3, &INVERSE_SUBSTITUTES)
}

fn substitute_word(word: u32) -> u32 {
    u32::from_le_bytes(word.to_le_bytes().map(|byte| SUBSTITUTES[usize::from(byte)]))
}

type Words = [u32; 4];

fn words(v: u128) -> Words {
    cast(v)
}

fn vector(words: Words) -> u128 {
    cast(words)
}

fn carryless_product(a: u64, b: u64) -> u128 {
    (0..64).filter(|n| b >> n & 1 != 0).fold(0, |sum, n| sum ^ u128::from(a) << n)
}

/// One bit of each byte by a row of a bit matrix, then `constant` added.
fn affine(x: u128, matrices: u128, constant: u8, table: Option<&[u8; 256]>) -> u128 {
    let (x, matrices) = (x.to_le_bytes(), matrices.to_le_bytes());
    u128::from_le_bytes(core::array::from_fn(|i| {
        let byte = table.map_or(x[i], |table| table[usize::from(x[i])]);
        let rows = &matrices[i & 8..][..8];
        (0..8).fold(constant, |all, n| all ^ ((rows[7 - n] & byte).count_ones() as u8 & 1) << n)
    }))
}

packed! { lower_two, false:
    Aesenc Vaesenc |a, b, _w| mix_columns(encrypt(a), MIX) ^ b;
    Aesenclast Vaesenclast |a, b, _w| encrypt(a) ^ b;
    Aesdec Vaesdec |a, b, _w| mix_columns(decrypt(a), UNMIX) ^ b;
    Aesdeclast Vaesdeclast |a, b, _w| decrypt(a) ^ b;
    Aesimc Vaesimc |_a, b, _w| mix_columns(b, UNMIX);
    Gf2p8mulb Vgf2p8mulb |a, b, _w| super::lanes::map_u8(a, b, field_product);
}

shuffles! { lower_shuffle:
    Aeskeygenassist Vaeskeygenassist 0 |_a, b, order, _w| {
        let [_, x1, _, x3] = words(b).map(substitute_word);
        let turned = |x: u32| x.rotate_right(8) ^ u32::from(order);
        vector([x1, turned(x1), x3, turned(x3)])
    };
    Pclmulqdq Vpclmulqdq 0 |a, b, order, _w| {
        carryless_product((a >> (64 * (order & 1))) as u64, (b >> (64 * (order >> 4 & 1))) as u64)
    };
    Gf2p8affineqb Vgf2p8affineqb 0 |a, b, order, _w| affine(a, b, order, None);
    Gf2p8affineinvqb Vgf2p8affineinvqb 0 |a, b, order, _w| affine(a, b, order, Some(&INVERSES));
}

fn choose(b: u32, c: u32, d: u32) -> u32 {
    b & c ^ !b & d
}

fn parity(b: u32, c: u32, d: u32) -> u32 {
    b ^ c ^ d
}

fn majority(b: u32, c: u32, d: u32) -> u32 {
    b & c ^ b & d ^ c & d
}

/// Four rounds of SHA-1. The first round's E is already in its word.
fn sha1_rounds(a: u128, b: u128, order: u8) -> u128 {
    let (f, k): (fn(u32, u32, u32) -> u32, u32) = match order & 3 {
        0 => (choose, 0x5a82_7999),
        1 => (parity, 0x6ed9_eba1),
        2 => (majority, 0x8f1b_bcdc),
        _ => (parity, 0xca62_c1d6),
    };
    let [d, c, b_, a] = words(a);
    let mut s = [a, b_, c, d, 0];
    for word in words(b).into_iter().rev() {
        let [a, b, c, d, e] = s;
        let sum =
            f(b, c, d).wrapping_add(a.rotate_left(5)).wrapping_add(word).wrapping_add(e).wrapping_add(k);
        s = [sum, a, b.rotate_left(30), c, d];
    }
    vector([s[3], s[2], s[1], s[0]])
}

fn small0(x: u32) -> u32 {
    x.rotate_right(7) ^ x.rotate_right(18) ^ x >> 3
}

fn small1(x: u32) -> u32 {
    x.rotate_right(17) ^ x.rotate_right(19) ^ x >> 10
}

/// Two rounds of SHA-256, with the sums of words and constants in the low half of `keys`.
fn sha256_rounds(a: u128, b: u128, keys: u128) -> u128 {
    let ([h, g, d, c], [f, e, b_, a]) = (words(a), words(b));
    let mut s = [a, b_, c, d, e, f, g, h];
    for key in words(keys).into_iter().take(2) {
        let [a, b, c, d, e, f, g, h] = s;
        let big0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let big1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let one = h.wrapping_add(big1).wrapping_add(choose(e, f, g)).wrapping_add(key);
        let two = big0.wrapping_add(majority(a, b, c));
        s = [one.wrapping_add(two), a, b, c, d.wrapping_add(one), e, f, g];
    }
    vector([s[5], s[4], s[1], s[0]])
}

/// What SHA instructions compute from their operands and XMM0.
trait Hash: 'static {
    fn eval(a: u128, b: u128, implied: u128, order: u8) -> u128;
}

macro_rules! hashes {
    ($($op:ident |$a:ident, $b:ident, $implied:ident, $order:ident| $body:expr;)*) => {
        $(
            struct $op;
            impl Hash for $op {
                fn eval($a: u128, $b: u128, $implied: u128, $order: u8) -> u128 {
                    $body
                }
            }
        )*

        fn lower_hash(insn: &Insn) -> Option<Handler> {
            match insn.op {
                $(Op::$op => Some(hash::<$op>),)*
                _ => None,
            }
        }
    };
}

hashes! {
    Sha1rnds4 |a, b, _k, order| sha1_rounds(a, b, order);
    Sha1nexte |a, b, _k, _o| {
        let e = words(a)[3].rotate_left(30);
        let [b0, b1, b2, b3] = words(b);
        vector([b0, b1, b2, b3.wrapping_add(e)])
    };
    Sha1msg1 |a, b, _k, _o| a ^ (a << 64 | b >> 64);
    Sha1msg2 |a, b, _k, _o| {
        let ([a0, a1, a2, a3], [b0, b1, b2, _]) = (words(a), words(b));
        let w16 = (a3 ^ b2).rotate_left(1);
        vector([(a0 ^ w16).rotate_left(1), (a1 ^ b0).rotate_left(1), (a2 ^ b1).rotate_left(1), w16])
    };
    Sha256rnds2 |a, b, keys, _o| sha256_rounds(a, b, keys);
    Sha256msg1 |a, b, _k, _o| {
        let ([w0, w1, w2, w3], w4) = (words(a), words(b)[0]);
        let next = |w: u32, behind: u32| w.wrapping_add(small0(behind));
        vector([next(w0, w1), next(w1, w2), next(w2, w3), next(w3, w4)])
    };
    Sha256msg2 |a, b, _k, _o| {
        let ([a0, a1, a2, a3], [_, _, w14, w15]) = (words(a), words(b));
        let (w16, w17) = (a0.wrapping_add(small1(w14)), a1.wrapping_add(small1(w15)));
        vector([w16, w17, a2.wrapping_add(small1(w16)), a3.wrapping_add(small1(w17))])
    };
}

fn hash<O: Hash>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let b = cx.xmm_source(u)?;
    let value = O::eval(cx.xmm(u.dst), b, cx.xmm(0), u.imm as u8);
    cx.set_xmm(u.dst, value);
    Ok(())
}

pub(crate) fn lower(insn: &Insn, u: &mut Uop) -> Option<Handler> {
    let handler = lower_two(insn).or_else(|| lower_shuffle(insn)).or_else(|| lower_hash(insn))?;
    place(insn, u);
    Some(handler)
}
