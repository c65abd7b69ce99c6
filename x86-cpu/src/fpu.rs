//! x87 and MMX state (SDM vol. 1 ch. 8).

/// An 80-bit extended value as its bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct F80 {
    /// Significand with its explicit integer bit. An MMX register is this field.
    pub mantissa: u64,
    /// Sign (bit 15) and biased exponent.
    pub sign_exponent: u16,
}

impl F80 {
    /// From the 10 bytes of memory format.
    pub fn from_bytes(bytes: [u8; 10]) -> F80 {
        let mut mantissa = [0; 8];
        mantissa.copy_from_slice(&bytes[..8]);
        F80 {
            mantissa: u64::from_le_bytes(mantissa),
            sign_exponent: u16::from_le_bytes([bytes[8], bytes[9]]),
        }
    }

    /// To the 10 bytes of memory format.
    pub fn to_bytes(self) -> [u8; 10] {
        let mut bytes = [0; 10];
        bytes[..8].copy_from_slice(&self.mantissa.to_le_bytes());
        bytes[8..].copy_from_slice(&self.sign_exponent.to_le_bytes());
        bytes
    }
}

/// Arithmetic that translated code asks its host for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
#[allow(missing_docs)]
pub enum X87Op {
    Add,
    Subtract,
    Multiply,
    Divide,
    SquareRoot,
    RoundToInteger,
}

impl X87Op {
    /// All of them, in the order of their numbers.
    pub const ALL: [X87Op; 6] = [
        X87Op::Add,
        X87Op::Subtract,
        X87Op::Multiply,
        X87Op::Divide,
        X87Op::SquareRoot,
        X87Op::RoundToInteger,
    ];

    /// Its name, of a letter or two.
    pub fn name(self) -> &'static str {
        match self {
            X87Op::Add => "xa",
            X87Op::Subtract => "xs",
            X87Op::Multiply => "xm",
            X87Op::Divide => "xd",
            X87Op::SquareRoot => "xq",
            X87Op::RoundToInteger => "xi",
        }
    }
}

/// The x87 unit. `registers` are physical (R0–R7); ST(i) is `registers[(top + i) % 8]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fpu {
    /// Physical registers.
    pub registers: [F80; 8],
    /// Control word.
    pub control: u16,
    /// Status word, TOP (bits 11–13) included.
    pub status: u16,
    /// Abridged tag word as FXSAVE stores it: bit i set means physical register i is in use.
    pub in_use: u8,
    /// Opcode of the last non-control instruction (11 bits).
    pub last_opcode: u16,
    /// Its address.
    pub last_ip: u64,
    /// Its code selector.
    pub last_cs: u16,
    /// Address of its memory operand.
    pub last_dp: u64,
    /// Selector of its memory operand.
    pub last_ds: u16,
}

impl Default for Fpu {
    /// The state after FNINIT.
    fn default() -> Fpu {
        Fpu {
            registers: [F80::default(); 8],
            control: 0x037f,
            status: 0,
            in_use: 0,
            last_opcode: 0,
            last_ip: 0,
            last_cs: 0,
            last_dp: 0,
            last_ds: 0,
        }
    }
}

impl Fpu {
    /// Physical number of ST(0).
    pub fn top(&self) -> usize {
        usize::from(self.status >> 11 & 7)
    }

    /// Makes physical register `top % 8` ST(0).
    pub fn set_top(&mut self, top: usize) {
        self.status = (self.status & !0x3800) | (((top & 7) as u16) << 11);
    }
}
