//! Vectors as lanes. A vector travels as `u128`; an MMX register is its low half.

use bytemuck::cast;

/// A lane type of a 128-bit vector.
macro_rules! maps {
    ($($map:ident $ty:ty, $n:literal;)*) => {$(
        /// Combines two vectors lane by lane.
        #[inline(always)]
        pub(crate) fn $map(a: u128, b: u128, f: impl Fn($ty, $ty) -> $ty) -> u128 {
            let (a, b) = (cast::<u128, [$ty; $n]>(a), cast::<u128, [$ty; $n]>(b));
            let mut out = [<$ty>::default(); $n];
            for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
                *out = f(a, b);
            }
            cast(out)
        }
    )*};
}

maps! {
    map_u8 u8, 16;
    map_i8 i8, 16;
    map_u16 u16, 8;
    map_i16 i16, 8;
    map_u32 u32, 4;
    map_i32 i32, 4;
    map_u64 u64, 2;
    map_i64 i64, 2;
}

/// Interleaves lanes of `BYTES` bytes from the low halves of two vectors of `size` bytes.
#[inline(always)]
fn interleave<const BYTES: usize>(a: u128, b: u128, size: usize) -> u128 {
    let (a, b) = (a.to_le_bytes(), b.to_le_bytes());
    let mut out = [0; 16];
    for (i, byte) in out.iter_mut().enumerate().take(size) {
        let lane = i / (2 * BYTES);
        let from = if (i / BYTES).is_multiple_of(2) { &a } else { &b };
        *byte = from[(lane * BYTES + i % BYTES) % 16];
    }
    u128::from_le_bytes(out)
}

#[inline(always)]
pub(crate) fn unpack_low<const BYTES: usize>(a: u128, b: u128, wide: bool) -> u128 {
    interleave::<BYTES>(a, b, if wide { 16 } else { 8 })
}

#[inline(always)]
pub(crate) fn unpack_high<const BYTES: usize>(a: u128, b: u128, wide: bool) -> u128 {
    if wide { interleave::<BYTES>(a >> 64, b >> 64, 16) } else { interleave::<BYTES>(a >> 32, b >> 32, 8) }
}

/// Narrows the words of `a`, then of `b`, to bytes.
#[inline(always)]
pub(crate) fn pack16(a: u128, b: u128, wide: bool, narrow: impl Fn(i16) -> u8) -> u128 {
    let lanes = if wide { 8 } else { 4 };
    let (a, b) = (cast::<u128, [i16; 8]>(a), cast::<u128, [i16; 8]>(b));
    let mut out = [0; 16];
    let words = a.iter().take(lanes).chain(b.iter().take(lanes));
    for (out, word) in out.iter_mut().zip(words) {
        *out = narrow(*word);
    }
    u128::from_le_bytes(out)
}

/// Narrows the doublewords of `a`, then of `b`, to words with signed saturation.
#[inline(always)]
pub(crate) fn pack32(a: u128, b: u128, wide: bool) -> u128 {
    let lanes = if wide { 4 } else { 2 };
    let (a, b) = (cast::<u128, [i32; 4]>(a), cast::<u128, [i32; 4]>(b));
    let mut out = [0_i16; 8];
    let all = a.iter().take(lanes).chain(b.iter().take(lanes));
    for (out, value) in out.iter_mut().zip(all) {
        *out = (*value).clamp(i16::MIN.into(), i16::MAX.into()) as i16;
    }
    cast(out)
}

/// Sums of products of neighbouring words.
#[inline(always)]
pub(crate) fn multiply_add(a: u128, b: u128) -> u128 {
    let (a, b) = (cast::<u128, [i16; 8]>(a), cast::<u128, [i16; 8]>(b));
    let mut out = [0_i32; 4];
    for (i, out) in out.iter_mut().enumerate() {
        let product = |i: usize| i32::from(a[i]) * i32::from(b[i]);
        *out = product(2 * i).wrapping_add(product(2 * i + 1));
    }
    cast(out)
}

/// Sum of absolute differences of the bytes of each half.
#[inline(always)]
pub(crate) fn sum_differences(a: u128, b: u128) -> u128 {
    let (a, b) = (a.to_le_bytes(), b.to_le_bytes());
    let half = |from: usize| -> u128 { (from..from + 8).map(|i| u128::from(a[i].abs_diff(b[i]))).sum() };
    half(0) | half(8) << 64
}

/// Picks four words by the fields of `order`.
#[inline(always)]
pub(crate) fn shuffle_words(words: u64, order: u8) -> u64 {
    (0..4)
        .map(|i| (words >> (16 * (order >> (2 * i) & 3)) & 0xffff) << (16 * i))
        .fold(0, |all, word| all | word)
}

/// Lane `i` of 32 bits.
#[inline(always)]
pub(crate) fn lane32(v: u128, i: u8) -> u128 {
    v >> (32 * (i & 3)) & 0xffff_ffff
}

/// Picks four doublewords: the low two from `a`, the high two from `b`.
#[inline(always)]
pub(crate) fn shuffle32(a: u128, b: u128, order: u8) -> u128 {
    lane32(a, order) | lane32(a, order >> 2) << 32 | lane32(b, order >> 4) << 64 | lane32(b, order >> 6) << 96
}

/// The sign bits of the bytes, of the low half only where not `wide`.
#[inline(always)]
pub(crate) fn byte_signs(v: u128, wide: bool) -> u64 {
    let bytes = v.to_le_bytes();
    let count = if wide { 16 } else { 8 };
    bytes.iter().take(count).enumerate().map(|(i, byte)| u64::from(byte >> 7) << i).sum()
}

/// Combines neighbours: those of `a` into the lower half of the result, those of `b` into the upper.
macro_rules! neighbours {
    ($($name:ident $ty:ty, $n:literal;)*) => {$(
        #[inline(always)]
        pub(crate) fn $name(a: u128, b: u128, wide: bool, f: impl Fn($ty, $ty) -> $ty) -> u128 {
            let (a, b) = (cast::<u128, [$ty; $n]>(a), cast::<u128, [$ty; $n]>(b));
            let half = if wide { $n / 2 } else { $n / 4 };
            let mut out = [<$ty>::default(); $n];
            for (i, out) in out.iter_mut().enumerate().take(2 * half) {
                let (from, i) = if i < half { (&a, i) } else { (&b, i - half) };
                *out = f(from[2 * i], from[2 * i + 1]);
            }
            cast(out)
        }
    )*};
}

neighbours! {
    neighbours16 i16, 8;
    neighbours32 i32, 4;
}

/// Picks bytes of `a` by the bytes of `b`; zero where they are negative.
#[inline(always)]
pub(crate) fn shuffle_bytes(a: u128, b: u128, wide: bool) -> u128 {
    let (a, b) = (a.to_le_bytes(), b.to_le_bytes());
    let mask = if wide { 15 } else { 7 };
    u128::from_le_bytes(b.map(|index| if index & 0x80 != 0 { 0 } else { a[usize::from(index & mask)] }))
}

/// Sums of products of neighbouring bytes, unsigned by signed, saturated.
#[inline(always)]
pub(crate) fn multiply_add_bytes(a: u128, b: u128) -> u128 {
    let (a, b) = (a.to_le_bytes(), cast::<u128, [i8; 16]>(b));
    let mut out = [0_i16; 8];
    for (i, out) in out.iter_mut().enumerate() {
        let product = |i: usize| i16::from(a[i]) * i16::from(b[i]);
        *out = product(2 * i).saturating_add(product(2 * i + 1));
    }
    cast(out)
}

/// Narrows the doublewords of `a`, then of `b`, to words with unsigned saturation.
#[inline(always)]
pub(crate) fn pack32_unsigned(a: u128, b: u128) -> u128 {
    let (a, b) = (cast::<u128, [i32; 4]>(a), cast::<u128, [i32; 4]>(b));
    let mut out = [0_u16; 8];
    for (out, value) in out.iter_mut().zip(a.iter().chain(&b)) {
        *out = (*value).clamp(0, u16::MAX.into()) as u16;
    }
    cast(out)
}

/// The smallest word and where it is first.
#[inline(always)]
pub(crate) fn smallest_word(v: u128) -> u128 {
    let words = cast::<u128, [u16; 8]>(v);
    let (at, least) = words.iter().enumerate().min_by_key(|(_, word)| **word).unwrap_or((0, &0));
    u128::from(*least) | (at as u128) << 16
}

/// Eight sums of absolute differences of four bytes of `b` and those of `a` that begin at each byte.
#[inline(always)]
pub(crate) fn sliding_differences(a: u128, b: u128, order: u8) -> u128 {
    let (a, b) = (a.to_le_bytes(), b.to_le_bytes());
    let (from_a, from_b) = (usize::from(order & 4), 4 * usize::from(order & 3));
    let mut out = [0_u16; 8];
    for (i, out) in out.iter_mut().enumerate() {
        *out = (0..4).map(|k| u16::from(a[from_a + i + k].abs_diff(b[from_b + k]))).sum();
    }
    cast(out)
}

/// Lanes of `a`, or of `b` where the bit of `order` is set.
#[inline(always)]
pub(crate) fn blend(a: u128, b: u128, order: u8, bits: u32) -> u128 {
    let lane = u128::MAX >> (128 - bits);
    let mask = (0..128 / bits).filter(|n| order >> n & 1 != 0).fold(0, |all, n| all | lane << (n * bits));
    a & !mask | b & mask
}

/// All ones in each lane of `bits` whose sign is set.
#[inline(always)]
pub(crate) fn spread_signs(v: u128, bits: u32) -> u128 {
    match bits {
        8 => map_i8(v, 0, |v, _| v >> 7),
        32 => map_i32(v, 0, |v, _| v >> 31),
        _ => map_i64(v, 0, |v, _| v >> 63),
    }
}
