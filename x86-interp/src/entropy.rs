//! What RDRAND and RDSEED draw from: ChaCha20 (RFC 8439) over a seed that the host pushed.

/// A generator that has been seeded, or not yet. Each block of output gives the next key first, so that what was given out
/// cannot be computed from the state.
#[derive(Clone, Default)]
pub(crate) struct Entropy {
    key: Option<[u32; 8]>,
    block: [u32; 16],
    /// Words of `block` given out.
    used: usize,
}

fn quarter(s: &mut [u32; 16], [a, b, c, d]: [usize; 4]) {
    let mut step = |x: usize, y: usize, z: usize, turn: u32| {
        s[x] = s[x].wrapping_add(s[y]);
        s[z] = (s[z] ^ s[x]).rotate_left(turn);
    };
    step(a, b, d, 16);
    step(c, d, b, 12);
    step(a, b, d, 8);
    step(c, d, b, 7);
}

/// The block function of RFC 8439 §2.3.
fn block(key: &[u32; 8], counter: u32, nonce: [u32; 3]) -> [u32; 16] {
    let mut start = [0; 16];
    start[..4].copy_from_slice(&[0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574]);
    start[4..12].copy_from_slice(key);
    start[12] = counter;
    start[13..].copy_from_slice(&nonce);
    let mut s = start;
    for _ in 0..10 {
        (0..4).for_each(|i| quarter(&mut s, [i, i + 4, i + 8, i + 12]));
        (0..4).for_each(|i| quarter(&mut s, [i, (i + 1) % 4 + 4, (i + 2) % 4 + 8, (i + 3) % 4 + 12]));
    }
    core::array::from_fn(|i| s[i].wrapping_add(start[i]))
}

impl Entropy {
    /// Mixes a seed in.
    pub(crate) fn seed(&mut self, seed: &[u8; 32]) {
        let mut key = self.key.unwrap_or_default();
        for (word, bytes) in key.iter_mut().zip(seed.as_chunks::<4>().0) {
            *word ^= u32::from_le_bytes(*bytes);
        }
        self.key = Some(key);
        self.used = self.block.len();
    }

    /// 64 bits; none before the first seed.
    pub(crate) fn next(&mut self) -> Option<u64> {
        let key = self.key.as_mut()?;
        if self.used >= self.block.len() {
            self.block = block(key, 0, [0; 3]);
            key.copy_from_slice(&self.block[..8]);
            self.block[..8].fill(0);
            self.used = 8;
        }
        let pair = self.block.get_mut(self.used..self.used + 2)?;
        let value = u64::from(pair[0]) | u64::from(pair[1]) << 32;
        pair.fill(0);
        self.used += 2;
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8439 §2.3.2.
    #[test]
    fn block_function() {
        let key = core::array::from_fn(|i| u32::from_le_bytes([0, 1, 2, 3].map(|n| n + 4 * i as u8)));
        let out = block(&key, 1, [0x0900_0000, 0x4a00_0000, 0]);
        assert_eq!(out[..4], [0xe4e7_f110, 0x1559_3bd1, 0x1fdd_0f50, 0xc471_20a3]);
        assert_eq!(out[15], 0x4e3c_50a2);
    }

    #[test]
    fn nothing_before_a_seed_and_no_repeats_after() {
        let mut entropy = Entropy::default();
        assert_eq!(entropy.next(), None);
        entropy.seed(&[7; 32]);
        let mut all: Vec<_> = (0..1000).map(|_| entropy.next().expect("seeded")).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 1000);
    }
}
