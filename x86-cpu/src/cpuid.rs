//! What CPUID answers (SDM vol. 2, CPUID).

/// How much of the instruction set a processor model offers.
///
/// What CPUID announces and what an engine executes follow from it alike: an instruction beyond the level is #UD.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Level {
    /// The class of a Core Duo, plus 64-bit mode: SSE3 and nothing later.
    #[default]
    Sse3,
    /// `x86-64-v2` of the System V ABI (AMD64 supplement, table 3.1): SSSE3 to SSE4.2, POPCNT.
    V2,
    /// `x86-64-v3`: AVX, AVX2, BMI1, BMI2, F16C, FMA, LZCNT, MOVBE, OSXSAVE.
    V3,
    /// All that the engines execute: AES, SHA, ADX, RDRAND and their like too.
    Full,
}

impl Level {
    /// All levels, the lowest first.
    pub const ALL: [Level; 4] = [Level::Sse3, Level::V2, Level::V3, Level::Full];

    /// What users call it.
    pub const fn name(self) -> &'static str {
        match self {
            Level::Sse3 => "x86-64",
            Level::V2 => "x86-64-v2",
            Level::V3 => "x86-64-v3",
            Level::Full => "full",
        }
    }

    /// The level of a name.
    pub fn named(name: &str) -> Option<Level> {
        Level::ALL.into_iter().find(|level| level.name() == name)
    }
}

/// The answers of CPUID for one processor model. Programs choose their code paths by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpuid {
    /// Leaf 1 EAX: family, model, stepping.
    pub signature: u32,
    /// Leaf 1 ECX.
    pub features_ecx: u32,
    /// Leaf 1 EDX.
    pub features_edx: u32,
    /// Leaf 7 subleaf 0, EBX.
    pub structured_ebx: u32,
    /// Leaf 7 subleaf 0, ECX.
    pub structured_ecx: u32,
    /// Leaf 0DH subleaf 1, EAX: variants of XSAVE.
    pub xsave_eax: u32,
    /// Leaf 80000001H ECX.
    pub extended_ecx: u32,
    /// Leaf 80000001H EDX.
    pub extended_edx: u32,
    /// Leaves 80000002H to 80000004H, zero-terminated.
    pub brand: [u8; 48],
}

/// State components in XCR0 and in the headers of XSAVE images (SDM vol. 1 §13.1).
#[allow(missing_docs)]
pub mod xstate {
    pub const X87: u64 = 1 << 0;
    pub const SSE: u64 = 1 << 1;
    /// Upper halves of the YMM registers.
    pub const AVX: u64 = 1 << 2;
    /// Offset of the header in an image.
    pub const HEADER: u64 = 512;
    /// Offset of the first component behind the header: that of AVX, as it is the only one.
    pub const EXTENDED: u64 = 576;
    /// Bytes of the AVX component: 16 upper halves.
    pub const AVX_BYTES: u64 = 256;
    /// Bytes of an image with all components.
    pub const BYTES: u64 = EXTENDED + AVX_BYTES;
}

/// A bit set by the numbers of its bits.
const fn bits(numbers: &[u32]) -> u32 {
    let mut set = 0;
    let mut i = 0;
    while i < numbers.len() {
        set |= 1 << numbers[i];
        i += 1;
    }
    set
}

/// Leaf 1 EDX: FPU, TSC, CX8, CMOV, CLFSH, MMX, FXSR, SSE, SSE2.
const EDX: u32 = bits(&[0, 4, 8, 15, 19, 23, 24, 25, 26]);
/// Leaf 1 ECX: SSE3, CMPXCHG16B, and "hypervisor present".
const ECX: u32 = bits(&[0, 13, 31]);
/// Leaf 1 ECX: SSSE3, SSE4.1, SSE4.2, POPCNT.
const ECX_V2: u32 = ECX | bits(&[9, 19, 20, 23]);
/// Leaf 1 ECX: FMA, MOVBE, XSAVE, OSXSAVE, AVX, F16C.
const ECX_V3: u32 = ECX_V2 | bits(&[12, 22, 26, 27, 28, 29]);
/// Leaf 1 ECX: PCLMULQDQ, AES, RDRAND.
const ECX_FULL: u32 = ECX_V3 | bits(&[1, 25, 30]);
/// Leaf 7 EBX: BMI1, AVX2, BMI2; the x87 operand pointer follows exceptions only, and its selectors read as zero.
const STRUCTURED_V3: u32 = bits(&[3, 5, 6, 8, 13]);
/// Leaf 7 EBX: FSGSBASE, RDSEED, ADX, CLFLUSHOPT, CLWB, SHA.
const STRUCTURED_FULL: u32 = STRUCTURED_V3 | bits(&[0, 18, 19, 23, 24, 29]);
/// Leaf 7 ECX: GFNI, VAES, VPCLMULQDQ, RDPID.
const STRUCTURED_ECX_FULL: u32 = bits(&[8, 9, 10, 22]);
/// Leaf 0DH subleaf 1 EAX: XSAVEOPT, XSAVEC, XGETBV with ECX = 1.
const XSAVE_FULL: u32 = bits(&[0, 1, 2]);
/// Leaf 80000001H EDX: SYSCALL, NX, LM.
const EXTENDED_EDX: u32 = bits(&[11, 20, 29]);
/// Leaf 80000001H EDX: RDTSCP.
const EXTENDED_EDX_FULL: u32 = EXTENDED_EDX | bits(&[27]);
/// Leaf 80000001H ECX: LAHF in 64-bit mode.
const EXTENDED_ECX: u32 = bits(&[0]);
/// Leaf 80000001H ECX: LZCNT.
const EXTENDED_ECX_V3: u32 = EXTENDED_ECX | bits(&[5]);
/// Leaf 80000001H ECX: PREFETCHW.
const EXTENDED_ECX_FULL: u32 = EXTENDED_ECX_V3 | bits(&[8]);
const HIGHEST_EXTENDED: u32 = 0x8000_0008;

const fn brand(text: &str) -> [u8; 48] {
    let mut out = [0; 48];
    let bytes = text.as_bytes();
    let mut i = 0;
    while i < bytes.len() && i < 47 {
        out[i] = bytes[i];
        i += 1;
    }
    out
}

impl Default for Cpuid {
    fn default() -> Cpuid {
        Cpuid::of(Level::default())
    }
}

impl Cpuid {
    /// The processor model of a level.
    pub const fn of(level: Level) -> Cpuid {
        let base = Cpuid {
            // Family 6, model 14, stepping 8.
            signature: 0x0000_06e8,
            features_ecx: ECX,
            features_edx: EDX,
            structured_ebx: 0,
            structured_ecx: 0,
            xsave_eax: 0,
            extended_ecx: EXTENDED_ECX,
            extended_edx: EXTENDED_EDX,
            brand: brand("cx virtual CPU"),
        };
        match level {
            Level::Sse3 => base,
            // Family 6, model 26, stepping 5: the first with SSE4.2.
            Level::V2 => Cpuid { signature: 0x0001_06a5, features_ecx: ECX_V2, ..base },
            // Family 6, model 60, stepping 3: the first with AVX2.
            Level::V3 => Cpuid {
                signature: 0x0003_06c3,
                features_ecx: ECX_V3,
                structured_ebx: STRUCTURED_V3,
                extended_ecx: EXTENDED_ECX_V3,
                ..base
            },
            Level::Full => Cpuid {
                signature: 0x0003_06c3,
                features_ecx: ECX_FULL,
                structured_ebx: STRUCTURED_FULL,
                structured_ecx: STRUCTURED_ECX_FULL,
                xsave_eax: XSAVE_FULL,
                extended_ecx: EXTENDED_ECX_FULL,
                extended_edx: EXTENDED_EDX_FULL,
                ..base
            },
        }
    }

    /// XCR0 as the system has set it: the state components that XSAVE stores, none where there is no XSAVE.
    pub const fn xcr0(&self) -> u64 {
        // OSXSAVE and AVX.
        match (self.features_ecx >> 27 & 1, self.features_ecx >> 28 & 1) {
            (0, _) => 0,
            (_, 0) => xstate::X87 | xstate::SSE,
            _ => xstate::X87 | xstate::SSE | xstate::AVX,
        }
    }

    /// Highest basic leaf.
    const fn highest(&self) -> u32 {
        match (self.xcr0(), self.structured_ebx | self.structured_ecx) {
            (0, 0) => 4,
            (0, _) => 7,
            _ => 0xd,
        }
    }

    /// EAX, EBX, ECX and EDX for a leaf and subleaf. A leaf above the highest gives what the highest basic one does,
    /// as Intel processors do; here that is nothing.
    pub fn query(&self, leaf: u32, subleaf: u32) -> [u32; 4] {
        let word = |text: &[u8], at: usize| {
            let byte = |i: usize| u32::from(text.get(at + i).copied().unwrap_or(0));
            byte(0) | byte(1) << 8 | byte(2) << 16 | byte(3) << 24
        };
        match leaf {
            0 => {
                let vendor = b"GenuineIntel";
                [self.highest(), word(vendor, 0), word(vendor, 8), word(vendor, 4)]
            }
            // EBX: one logical processor, CLFLUSH line of 8 × 8 bytes.
            1 => [self.signature, 1 << 16 | 8 << 8, self.features_ecx, self.features_edx],
            // Descriptors (SDM vol. 2 table 3-12): B0 and B3 TLBs, 2C 32 KiB L1 data, 30 32 KiB L1 code, 7D 2 MiB L2.
            2 => [0x02b3_b001, 0x0000_00f0, 0, 0x2c04_307d],
            4 => match subleaf {
                // Type, level, self-initialising; line, partitions, ways; sets.
                0 => [0x0000_0121, ways(8), 63, 0],
                1 => [0x0000_0122, ways(8), 63, 0],
                2 => [0x0000_0143, ways(8), 4095, 0],
                _ => [0; 4],
            },
            7 if subleaf == 0 => [0, self.structured_ebx, self.structured_ecx, 0],
            0xd if self.xcr0() != 0 => self.xsave_leaf(subleaf),
            0x8000_0000 => [HIGHEST_EXTENDED, 0, 0, 0],
            0x8000_0001 => [0, 0, self.extended_ecx, self.extended_edx],
            0x8000_0002..=0x8000_0004 => {
                let at = (leaf - 0x8000_0002) as usize * 16;
                [0, 4, 8, 12].map(|i| word(&self.brand, at + i))
            }
            // L2: 64-byte lines, 8 ways, 2048 KiB.
            0x8000_0006 => [0, 0, 2048 << 16 | 6 << 12 | 64, 0],
            // 36 physical and 48 linear address bits.
            0x8000_0008 => [0x0000_3024, 0, 0, 0],
            _ => [0; 4],
        }
    }

    /// Leaf 0DH: sizes and places of the state components (SDM vol. 1 §13.2).
    fn xsave_leaf(&self, subleaf: u32) -> [u32; 4] {
        let avx = self.xcr0() & xstate::AVX != 0;
        let bytes = if avx { xstate::BYTES } else { xstate::EXTENDED } as u32;
        match subleaf {
            0 => [self.xcr0() as u32, bytes, bytes, 0],
            1 => {
                let compacts = self.xsave_eax & 2 != 0;
                [self.xsave_eax, if compacts { bytes } else { 0 }, 0, 0]
            }
            2 if avx => [xstate::AVX_BYTES as u32, xstate::EXTENDED as u32, 0, 0],
            _ => [0; 4],
        }
    }
}

/// Leaf 4 EBX: 64-byte lines, one partition.
const fn ways(count: u32) -> u32 {
    (count - 1) << 22 | 63
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifies_itself() {
        let cpuid = Cpuid::default();
        let [highest, b, c, d] = cpuid.query(0, 0);
        let vendor: [[u8; 4]; 3] = [b.to_le_bytes(), d.to_le_bytes(), c.to_le_bytes()];
        assert_eq!((highest, vendor.concat().as_slice()), (4, b"GenuineIntel".as_slice()));
        assert_eq!(cpuid.query(0x8000_0002, 0)[0].to_le_bytes(), *b"cx v");
    }

    #[test]
    fn offers_no_more_than_sse3() {
        let [_, _, ecx, edx] = Cpuid::default().query(1, 0);
        let later = [1, 3, 9, 12, 19, 20, 23, 25, 26, 28];
        assert!(later.iter().all(|bit| ecx >> bit & 1 == 0));
        assert_eq!(edx >> 11 & 1, 0, "no SEP");
    }

    #[test]
    fn levels_hold_what_the_abi_lists() {
        let lacks = |level: Level, leaf: u32, register: usize, wanted: &[u32]| {
            let answer = Cpuid::of(level).query(leaf, 0)[register];
            wanted.iter().any(|bit| answer >> bit & 1 == 0)
        };
        for level in [Level::V2, Level::V3, Level::Full] {
            assert!(!lacks(level, 1, 2, &[0, 9, 13, 19, 20, 23]), "{level:?}");
            assert!(!lacks(level, 0x8000_0001, 2, &[0]), "{level:?}");
        }
        for level in [Level::V3, Level::Full] {
            assert!(!lacks(level, 1, 2, &[12, 22, 27, 28, 29]), "{level:?}");
            assert!(!lacks(level, 7, 1, &[3, 5, 8]), "{level:?}");
            assert!(!lacks(level, 0x8000_0001, 2, &[5]), "{level:?}");
            assert_eq!(Cpuid::of(level).query(0xd, 0), [7, 832, 832, 0], "{level:?}");
            assert_eq!(Cpuid::of(level).query(0xd, 2), [256, 576, 0, 0], "{level:?}");
        }
        assert!(lacks(Level::V2, 1, 2, &[28]) && lacks(Level::V2, 1, 2, &[27]));
        assert_eq!(Level::named("x86-64-v3"), Some(Level::V3));
        assert_eq!(Level::named("x86-64-v4"), None);
    }
}
