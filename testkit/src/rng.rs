//! A small deterministic generator: the same seed gives the same cases everywhere.

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// A sequence by its seed.
    pub fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    /// 64 uniform bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.bits() % n.max(1)
    }

    /// True once in `n`.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// One of the values.
    pub fn pick<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len() as u64) as usize]
    }

    /// An integer where carries, signs and sizes change more often than chance would have it.
    pub fn integer(&mut self) -> u64 {
        let edges =
            [0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
        let high = [0x7fff_ffff_ffff_ffff, 0x8000_0000_0000_0000, u64::MAX];
        match self.below(8) {
            0 => self.pick(&edges),
            1 => self.pick(&high),
            2 => self.pick(&edges).wrapping_neg(),
            3 => self.below(64),
            4 => 1 << self.below(64),
            5 => self.bits() >> self.below(64),
            _ => self.bits(),
        }
    }

    /// The bits of a floating-point number with `exponent` and `fraction` bits below the sign.
    fn float(&mut self, exponent_bits: u32, fraction_bits: u32) -> u64 {
        let top = (1 << exponent_bits) - 1;
        let bias = top >> 1;
        let fraction_mask = (1_u64 << fraction_bits) - 1;
        let exponent = match self.below(10) {
            0 => 0,
            1 => top,
            2 => 1,
            3 => top - 1,
            4 | 5 => self.below(top + 1),
            6 => bias + self.below(70),
            _ => bias.wrapping_add(self.below(9)).wrapping_sub(4),
        };
        let fraction = match self.below(6) {
            0 => 0,
            1 => fraction_mask,
            2 => 1 << self.below(u64::from(fraction_bits)),
            3 => fraction_mask << self.below(u64::from(fraction_bits)) & fraction_mask,
            _ => self.bits() & fraction_mask,
        };
        self.below(2) << (exponent_bits + fraction_bits) | exponent << fraction_bits | fraction
    }

    /// Bits of an `f32`, special values often.
    pub fn f32_bits(&mut self) -> u32 {
        self.float(8, 23) as u32
    }

    /// Bits of an `f64`, special values often.
    pub fn f64_bits(&mut self) -> u64 {
        self.float(11, 52)
    }

    /// Ten bytes of an extended value: special and invalid encodings often.
    pub fn f80_bytes(&mut self) -> [u8; 10] {
        let mut mantissa = match self.below(8) {
            0 => 0,
            1 => 1 << 63,
            2 => u64::MAX,
            3 => self.bits() << self.below(64),
            4 => (self.bits() >> self.below(63)) | 1 << 63,
            _ => self.bits() | 1 << 63,
        };
        let mut exponent = match self.below(16) {
            0 => 0,
            1 => 0x7fff,
            2 => 1,
            3 => 0x7ffe,
            4 | 5 => self.below(0x8000),
            6 => 0x3fff + self.below(70),
            7 => 0x3fff - self.below(70),
            8 => 0x3fff + self.below(1100) - 550,
            _ => 0x3fff + self.below(9) - 4,
        };
        if self.one_in(12) {
            // Pseudo-denormal, unnormal and pseudo-special encodings.
            mantissa = self.bits();
        } else if mantissa >> 63 == 0 && exponent != 0 {
            if mantissa == 0 {
                exponent = 0;
            } else {
                mantissa |= 1 << 63;
            }
        } else if exponent == 0 && !self.one_in(4) {
            mantissa &= u64::MAX >> 1;
        }
        let mut bytes = [0; 10];
        bytes[..8].copy_from_slice(&mantissa.to_le_bytes());
        bytes[8..].copy_from_slice(&((exponent | self.below(2) << 15) as u16).to_le_bytes());
        bytes
    }

    /// Sixteen bytes that mean something in some format.
    pub fn vector(&mut self) -> u128 {
        let mut from64 = |f: fn(&mut Rng) -> u64| u128::from(f(self)) | u128::from(f(self)) << 64;
        let kind = from64(Rng::bits);
        match kind % 8 {
            0..=2 => from64(|rng| u64::from(rng.f32_bits()) | u64::from(rng.f32_bits()) << 32),
            3..=5 => from64(Rng::f64_bits),
            6 => from64(Rng::integer),
            _ => kind,
        }
    }
}
