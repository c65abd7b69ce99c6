//! Machine states in the neutral form that host and engines are loaded from.

use crate::layout::{DATA, DATA_LEN};
use crate::rng::Rng;

/// Everything an instruction under test can see, but memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct State {
    /// General registers by number.
    pub gpr: [u64; 16],
    /// RFLAGS.
    pub rflags: u64,
    /// FXSAVE image (SDM vol. 1 table 10-2), 64-bit format.
    pub fx: [u8; 512],
    /// Upper halves of the YMM registers; nothing where the host has none.
    pub ymm_high: [u128; 16],
}

/// Offsets in an FXSAVE image.
pub mod fx {
    /// Control word.
    pub const FCW: usize = 0;
    /// Status word.
    pub const FSW: usize = 2;
    /// Abridged tag word.
    pub const FTW: usize = 4;
    /// Opcode of the last x87 instruction that is not a control instruction.
    pub const FOP: usize = 6;
    /// Its address.
    pub const FIP: usize = 8;
    /// Address of its memory operand.
    pub const FDP: usize = 16;
    /// SSE control and status.
    pub const MXCSR: usize = 24;
    /// ST(0), 16 bytes each.
    pub const ST: usize = 32;
    /// XMM0, 16 bytes each.
    pub const XMM: usize = 160;
}

impl State {
    /// A 16-bit field of the FXSAVE image.
    pub fn fx16(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.fx[at], self.fx[at + 1]])
    }

    /// A 64-bit field of the FXSAVE image.
    pub fn fx64(&self, at: usize) -> u64 {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.fx[at..at + 8]);
        u64::from_le_bytes(bytes)
    }

    /// MXCSR.
    pub fn mxcsr(&self) -> u32 {
        u32::from(self.fx16(fx::MXCSR)) | u32::from(self.fx16(fx::MXCSR + 2)) << 16
    }

    /// A vector register.
    pub fn xmm(&self, n: usize) -> u128 {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&self.fx[fx::XMM + 16 * n..][..16]);
        u128::from_le_bytes(bytes)
    }

    /// Replaces a vector register.
    pub fn set_ymm(&mut self, n: usize, value: [u128; 2]) {
        self.fx[fx::XMM + 16 * n..][..16].copy_from_slice(&value[0].to_le_bytes());
        self.ymm_high[n] = value[1];
    }

    /// Takes away what 32-bit code does not have.
    pub fn drop_long_registers(&mut self) {
        self.gpr.iter_mut().for_each(|reg| *reg &= 0xffff_ffff);
        self.gpr[8..].fill(0);
        (8..16).for_each(|n| self.set_ymm(n, [0; 2]));
    }

    /// ST(n) as its ten bytes.
    pub fn st(&self, n: usize) -> [u8; 10] {
        let mut bytes = [0; 10];
        bytes.copy_from_slice(&self.fx[fx::ST + 16 * n..][..10]);
        bytes
    }

    /// A state without meaning: every register random, edges preferred.
    pub fn random(rng: &mut Rng) -> State {
        let mut state = State { gpr: [0; 16], rflags: 0x202, fx: [0; 512], ymm_high: [0; 16] };
        state.gpr.iter_mut().for_each(|reg| *reg = rng.integer());
        state.rflags |= rng.bits() & 0x8d5;
        if rng.one_in(4) {
            state.rflags |= 0x400;
        }
        state.random_x87(rng);
        // Rounding, FTZ and DAZ mostly off; exceptions mostly masked.
        let mut mxcsr = 0x1f80 | rng.bits() as u32 & 0x3f;
        if rng.one_in(2) {
            mxcsr |= (rng.below(4) as u32) << 13;
        }
        if rng.one_in(4) {
            mxcsr |= rng.bits() as u32 & 0x8040;
        }
        if rng.one_in(8) {
            mxcsr &= !(rng.bits() as u32 & 0x1f80);
        }
        state.fx[fx::MXCSR..][..4].copy_from_slice(&mxcsr.to_le_bytes());
        for n in 0..16 {
            let high = if rng.one_in(8) { 0 } else { rng.vector() };
            state.set_ymm(n, [rng.vector(), high]);
        }
        state
    }

    fn random_x87(&mut self, rng: &mut Rng) {
        let mut control = 0x037f_u16;
        if rng.one_in(2) {
            control = control & !0x0f00 | rng.pick(&[0, 2, 2, 3, 3, 3]) << 8 | (rng.below(4) as u16) << 10;
        }
        if rng.one_in(8) {
            control &= !(rng.bits() as u16 & 0x3f);
        }
        // Flags of masked exceptions only, so that nothing is pending; rarely something is.
        let mut status = rng.bits() as u16 & 0x7f40 | rng.bits() as u16 & control & 0x3f;
        if rng.one_in(2) {
            status &= !0x7f;
        }
        if rng.one_in(40) && control & 0x3f != 0x3f {
            status |= 0x8080 | !control & 0x3f;
        }
        let in_use = match rng.below(4) {
            0 => rng.bits() as u8,
            1 => !(1 << rng.below(8)),
            _ => 0xff,
        };
        self.fx[..2].copy_from_slice(&control.to_le_bytes());
        self.fx[2..4].copy_from_slice(&status.to_le_bytes());
        self.fx[4] = in_use;
        self.fx[fx::FOP..fx::FOP + 2].copy_from_slice(&(rng.bits() as u16 & 0x7ff).to_le_bytes());
        for at in [fx::FIP, fx::FDP] {
            self.fx[at..at + 8].copy_from_slice(&(rng.bits() >> 17).to_le_bytes());
        }
        for n in 0..8 {
            self.fx[fx::ST + 16 * n..][..10].copy_from_slice(&rng.f80_bytes());
        }
        if rng.one_in(3) {
            // Operands of like size, so that sums cancel and remainders end.
            let exponent = 0x3ff0 + rng.below(64) as u16;
            for n in 0..2 {
                let at = fx::ST + 16 * n;
                self.fx[at..at + 8].copy_from_slice(&(rng.bits() | 1 << 63).to_le_bytes());
                let sign = (rng.below(2) as u16) << 15;
                let own = exponent + rng.below(3) as u16;
                self.fx[at + 8..at + 10].copy_from_slice(&(own | sign).to_le_bytes());
            }
        }
    }
}

/// The data page: integers, floating-point values of every format, decimal digits.
pub fn random_data(rng: &mut Rng) -> Vec<u8> {
    let mut data = Vec::with_capacity(DATA_LEN);
    while data.len() < DATA_LEN {
        match rng.below(8) {
            0 | 1 => {
                data.extend(rng.f80_bytes());
                data.extend([0; 6]);
            }
            2 => {
                let digit = |rng: &mut Rng| (rng.below(10) | rng.below(10) << 4) as u8;
                let mut bytes: Vec<u8> = (0..9).map(|_| digit(rng)).collect();
                bytes.push(rng.pick(&[0, 0x80]));
                bytes.resize(16, 0);
                data.extend(bytes);
            }
            3 => {
                data.extend(rng.integer().to_le_bytes());
                data.extend(rng.integer().to_le_bytes());
            }
            _ => data.extend(rng.vector().to_le_bytes()),
        }
    }
    data
}

/// An address in the data page for an operand of `size` bytes: mostly aligned, sometimes across its end.
pub fn random_address(rng: &mut Rng, size: u64) -> u64 {
    let len = DATA_LEN as u64;
    if rng.one_in(24) {
        // Leaves the page at either end.
        return if rng.one_in(2) {
            DATA + len - rng.below(size.max(1) + 1)
        } else {
            DATA - rng.below(size.max(1) + 1)
        };
    }
    let room = len.saturating_sub(size.max(16)) - 64;
    let offset = 32 + rng.below(room);
    let align = if rng.one_in(4) { 1 } else { size.clamp(1, 64).next_power_of_two() };
    DATA + offset / align * align
}
