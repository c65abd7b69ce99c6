//! What CPUID answers (SDM vol. 2, CPUID).

/// The answers of CPUID for one processor model.
///
/// The default is of the class of a Core Duo, plus 64-bit mode: what the interpreter and the JIT execute, and no
/// more. Programs choose their code paths by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpuid {
    /// Leaf 1 EAX: family, model, stepping.
    pub signature: u32,
    /// Leaf 1 ECX.
    pub features_ecx: u32,
    /// Leaf 1 EDX.
    pub features_edx: u32,
    /// Leaf 80000001H ECX.
    pub extended_ecx: u32,
    /// Leaf 80000001H EDX.
    pub extended_edx: u32,
    /// Leaves 80000002H to 80000004H, zero-terminated.
    pub brand: [u8; 48],
}

/// Leaf 1 EDX: FPU, TSC, CX8, CMOV, CLFSH, MMX, FXSR, SSE, SSE2.
const EDX: u32 = 1 << 0 | 1 << 4 | 1 << 8 | 1 << 15 | 1 << 19 | 1 << 23 | 1 << 24 | 1 << 25 | 1 << 26;
/// Leaf 1 ECX: SSE3, CMPXCHG16B, and "hypervisor present".
const ECX: u32 = 1 << 0 | 1 << 13 | 1 << 31;
/// Leaf 80000001H EDX: SYSCALL, NX, LM.
const EXTENDED_EDX: u32 = 1 << 11 | 1 << 20 | 1 << 29;
/// Leaf 80000001H ECX: LAHF in 64-bit mode.
const EXTENDED_ECX: u32 = 1 << 0;
const HIGHEST: u32 = 4;
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
        Cpuid {
            // Family 6, model 14, stepping 8.
            signature: 0x0000_06e8,
            features_ecx: ECX,
            features_edx: EDX,
            extended_ecx: EXTENDED_ECX,
            extended_edx: EXTENDED_EDX,
            brand: brand("cx virtual CPU"),
        }
    }
}

impl Cpuid {
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
                [HIGHEST, word(vendor, 0), word(vendor, 8), word(vendor, 4)]
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
}
