//! Floating-point state as signal frames hold it.

use linux_abi::sigframe::{FpstateI386, FpstateX86_64, FxsaveI386};
use x86_cpu::{CpuState, F80, Fpu};

/// MXCSR bits that exist on this processor.
pub(super) const MXCSR_MASK: u32 = 0xffff;

/// The two-bit tags of the 28-byte environment (SDM vol. 1 §8.1.7).
fn full_tags(fpu: &Fpu) -> u16 {
    (0..8).fold(0, |tags, i| {
        let register = fpu.registers[i];
        let exponent = register.sign_exponent & 0x7fff;
        let tag = if fpu.in_use >> i & 1 == 0 {
            3
        } else if exponent == 0 && register.mantissa == 0 {
            1
        } else if exponent == 0x7fff || exponent == 0 || register.mantissa >> 63 == 0 {
            2
        } else {
            0
        };
        tags | tag << (2 * i)
    })
}

fn words(value: F80) -> [u16; 5] {
    let b = value.to_bytes();
    std::array::from_fn(|i| u16::from_le_bytes([b[2 * i], b[2 * i + 1]]))
}

fn stack_space(fpu: &Fpu) -> [u32; 32] {
    let mut space = [0; 32];
    for i in 0..8 {
        let value = fpu.registers[(fpu.top() + i) % 8];
        space[4 * i] = value.mantissa as u32;
        space[4 * i + 1] = (value.mantissa >> 32) as u32;
        space[4 * i + 2] = u32::from(value.sign_exponent);
    }
    space
}

fn load_stack_space(fpu: &mut Fpu, space: &[u32; 32]) {
    for i in 0..8 {
        let mantissa = u64::from(space[4 * i]) | u64::from(space[4 * i + 1]) << 32;
        fpu.registers[(fpu.top() + i) % 8] = F80 { mantissa, sign_exponent: space[4 * i + 2] as u16 };
    }
}

fn xmm_words(cpu: &CpuState, i: usize) -> u32 {
    (cpu.xmm[i / 4] >> (32 * (i % 4))) as u32
}

fn set_xmm(cpu: &mut CpuState, registers: usize, space: &[u32]) {
    for (i, chunk) in space.chunks_exact(4).take(registers).enumerate() {
        cpu.xmm[i] = chunk.iter().rev().fold(0, |value, word| value << 32 | u128::from(*word));
    }
}

pub(super) fn save32(cpu: &CpuState) -> FpstateI386 {
    let fpu = &cpu.fpu;
    FpstateI386 {
        cw: 0xffff_0000 | u32::from(fpu.control),
        sw: 0xffff_0000 | u32::from(fpu.status),
        tag: 0xffff_0000 | u32::from(full_tags(fpu)),
        ipoff: fpu.last_ip as u32,
        // An x86-64 kernel puts the program's selectors here (arch/x86/kernel/fpu/regset.c).
        cssel: cpu.segments.cs.selector.into(),
        dataoff: fpu.last_dp as u32,
        datasel: 0xffff_0000 | u32::from(cpu.segments.ds.selector),
        _st: std::array::from_fn(|i| words(fpu.registers[(fpu.top() + i) % 8])),
        status: fpu.status,
        magic: 0,
        fxsave: FxsaveI386 {
            cwd: fpu.control,
            swd: fpu.status,
            twd: u16::from(fpu.in_use),
            fop: fpu.last_opcode,
            fip: fpu.last_ip as u32,
            fcs: u32::from(fpu.last_cs),
            foo: fpu.last_dp as u32,
            fos: u32::from(fpu.last_ds),
            mxcsr: cpu.mxcsr,
            mxcsr_mask: MXCSR_MASK,
            st_space: stack_space(fpu),
            xmm_space: std::array::from_fn(|i| xmm_words(cpu, i)),
            ..FxsaveI386::default()
        },
    }
}

/// Restores from a frame. The x87 part comes from the old-style fields, which is where programs edit it.
pub(super) fn restore32(cpu: &mut CpuState, saved: &FpstateI386) {
    let fpu = &mut cpu.fpu;
    fpu.control = saved.cw as u16;
    fpu.status = saved.sw as u16;
    let tags = saved.tag as u16;
    fpu.in_use = (0..8).fold(0, |used, i| used | u8::from(tags >> (2 * i) & 3 != 3) << i);
    fpu.last_ip = u64::from(saved.ipoff);
    fpu.last_opcode = (saved.cssel >> 16) as u16 & 0x7ff;
    fpu.last_dp = u64::from(saved.dataoff);
    let st = saved._st;
    for (i, words) in st.iter().enumerate() {
        let mut bytes = [0; 10];
        words.iter().enumerate().for_each(|(j, w)| bytes[2 * j..2 * j + 2].copy_from_slice(&w.to_le_bytes()));
        fpu.registers[(fpu.top() + i) % 8] = F80::from_bytes(bytes);
    }
    if saved.magic == 0 {
        let fxsave = saved.fxsave;
        cpu.mxcsr = fxsave.mxcsr & MXCSR_MASK;
        let space = fxsave.xmm_space;
        set_xmm(cpu, 8, &space);
    }
}

pub(super) fn save64(cpu: &CpuState) -> FpstateX86_64 {
    let fpu = &cpu.fpu;
    FpstateX86_64 {
        cwd: fpu.control,
        swd: fpu.status,
        twd: u16::from(fpu.in_use),
        fop: fpu.last_opcode,
        rip: fpu.last_ip,
        rdp: fpu.last_dp,
        mxcsr: cpu.mxcsr,
        mxcsr_mask: MXCSR_MASK,
        st_space: stack_space(fpu),
        xmm_space: std::array::from_fn(|i| xmm_words(cpu, i)),
        ..FpstateX86_64::default()
    }
}

pub(super) fn restore64(cpu: &mut CpuState, saved: &FpstateX86_64) {
    let fpu = &mut cpu.fpu;
    fpu.control = saved.cwd;
    fpu.status = saved.swd;
    fpu.in_use = saved.twd as u8;
    fpu.last_opcode = saved.fop;
    fpu.last_ip = saved.rip;
    fpu.last_dp = saved.rdp;
    load_stack_space(fpu, &saved.st_space);
    cpu.mxcsr = saved.mxcsr & MXCSR_MASK;
    set_xmm(cpu, 16, &saved.xmm_space);
}
