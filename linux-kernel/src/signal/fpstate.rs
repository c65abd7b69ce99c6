//! Floating-point and vector state as signal frames hold it (arch/x86/kernel/fpu/signal.c describes it).
//!
//! From `fpstate` of the machine context upwards: for 32-bit programs the old image of fnsave, then at a multiple of 64
//! that of fxsave, and on a processor with XSAVE its header, the upper halves of the YMM registers and a second magic
//! word. The software-reserved bytes of the fxsave image tell programs how much there is.

use crate::file::Result;
use crate::task::{Arch, Task};
use bytemuck::{bytes_of, pod_read_unaligned};
use linux_abi::Errno;
use linux_abi::sigframe::{
    FP_XSTATE_MAGIC1, FP_XSTATE_MAGIC2, FpstateI386, FpstateX86_64, FpxSwBytes, FxsaveI386, XstateHeader,
    YmmhState,
};
use std::mem::offset_of;
use x86_cpu::{CpuState, Cpuid, F80, Fpu, mxcsr, xstate};

/// Bytes of the image of fnsave before that of fxsave.
const FNSAVE: u64 = offset_of!(FpstateI386, fxsave) as u64;
/// Bytes of the second magic word.
const MAGIC2: u64 = 4;

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

/// Bytes from the fxsave image to the end of the last component.
fn image_bytes(cpuid: &Cpuid) -> u64 {
    match cpuid.xcr0() {
        0 => xstate::HEADER,
        features if features & xstate::AVX == 0 => xstate::EXTENDED,
        _ => xstate::BYTES,
    }
}

/// What goes into a frame, and where.
pub(super) struct Saved {
    /// What `fpstate` of the machine context is to point to; the frame goes below.
    pub(super) addr: u64,
    pub(super) bytes: Vec<u8>,
}

/// The state of a thread, to be put below `top`.
pub(super) fn save(cpu: &CpuState, cpuid: &Cpuid, arch: Arch, top: u64) -> Saved {
    let features = cpuid.xcr0();
    let (image, tail) = (image_bytes(cpuid), if features == 0 { 0 } else { MAGIC2 });
    let fx_addr = top.wrapping_sub(image + tail) & !63;
    let before = if arch == Arch::I386 { FNSAVE } else { 0 };
    let told = match features {
        0 => FpxSwBytes::default(),
        _ => FpxSwBytes {
            magic1: FP_XSTATE_MAGIC1,
            extended_size: (before + image + tail) as u32,
            xfeatures: features,
            xstate_size: image as u32,
            ..FpxSwBytes::default()
        },
    };
    let mut bytes = match arch {
        Arch::I386 => bytes_of(&legacy32(cpu, told)).to_vec(),
        Arch::X86_64 => bytes_of(&legacy64(cpu, told)).to_vec(),
    };
    if features != 0 {
        let upper = if features & xstate::AVX != 0 { cpu.ymm_high } else { [0; 16] };
        let in_use = if upper == [0; 16] { 0 } else { xstate::AVX };
        // x87 and SSE always, for the sake of programs that change the state and know nothing of the header.
        let xfeatures = xstate::X87 | xstate::SSE | in_use;
        bytes.extend(bytes_of(&XstateHeader { xfeatures, ..XstateHeader::default() }));
        if features & xstate::AVX != 0 {
            bytes.extend(upper.iter().flat_map(|half| half.to_le_bytes()));
        }
        bytes.extend(FP_XSTATE_MAGIC2.to_le_bytes());
    }
    Saved { addr: fx_addr.wrapping_sub(before), bytes }
}

/// What a handler starts with, and what a frame without a state restores.
pub(super) fn clear(cpu: &mut CpuState) {
    cpu.fpu = Fpu::default();
    cpu.xmm = [0; 16];
    cpu.ymm_high = [0; 16];
    cpu.mxcsr = mxcsr::DEFAULT;
}

/// A state read from a frame.
pub(super) struct Restored {
    legacy: Legacy,
    /// Components to take from the image; the others of XCR0 get their initial state.
    features: u64,
    upper: [u128; 16],
}

enum Legacy {
    Bits32(FpstateI386),
    Bits64(FpstateX86_64),
}

/// Reads the state at `fpstate` of a machine context; none where that is null.
///
/// # Errors
/// EFAULT where it cannot be read or a processor would refuse it: the frame is a bad one.
pub(super) async fn read(task: &Task, arch: Arch, addr: u64) -> Result<Option<Restored>> {
    if addr == 0 {
        return Ok(None);
    }
    let (legacy, told, mxcsr, fx_addr) = match arch {
        Arch::I386 => {
            let saved: FpstateI386 = task.get(addr).await?;
            let fxsave = saved.fxsave;
            // MXCSR's unknown bits are cleared rather than refused.
            (Legacy::Bits32(saved), fxsave.sw_reserved, 0, addr.wrapping_add(FNSAVE))
        }
        Arch::X86_64 => {
            let saved: FpstateX86_64 = task.get(addr).await?;
            (Legacy::Bits64(saved), saved.sw_reserved, saved.mxcsr, addr)
        }
    };
    if mxcsr & !mxcsr::MASK != 0 {
        return Err(Errno::EFAULT);
    }
    let both = xstate::X87 | xstate::SSE;
    let mut restored = Restored { legacy, features: both, upper: [0; 16] };
    let cpuid = &task.kernel.cpuid;
    let Some(size) = extended_size(task, cpuid, &told, fx_addr).await? else { return Ok(Some(restored)) };
    let header: XstateHeader = task.get(fx_addr.wrapping_add(xstate::HEADER)).await?;
    let allowed = cpuid.xcr0();
    // XRSTOR looks no further than this (SDM vol. 1 §13.8.2); the kernel's copy for 32-bit frames does.
    let reserved = header.reserved1 != [0; 2] || arch == Arch::I386 && header.reserved2 != [0; 5];
    if header.xfeatures & !allowed != 0 || reserved {
        return Err(Errno::EFAULT);
    }
    restored.features = header.xfeatures & told.xfeatures;
    if restored.features & xstate::AVX != 0 && size >= xstate::BYTES {
        let upper: YmmhState = task.get(fx_addr.wrapping_add(xstate::EXTENDED)).await?;
        restored.upper = std::array::from_fn(|i| pod_read_unaligned(&bytes_of(&upper)[16 * i..16 * i + 16]));
    }
    Ok(Some(restored))
}

/// The size that a frame says its image has, where both magic words are there and it can be; none for one of fxsave.
async fn extended_size(task: &Task, cpuid: &Cpuid, told: &FpxSwBytes, fx_addr: u64) -> Result<Option<u64>> {
    let size = u64::from(told.xstate_size);
    let possible = cpuid.xcr0() != 0
        && told.magic1 == FP_XSTATE_MAGIC1
        && (xstate::EXTENDED..=image_bytes(cpuid)).contains(&size)
        && told.xstate_size <= told.extended_size;
    if !possible {
        return Ok(None);
    }
    let magic2: u32 = task.get(fx_addr.wrapping_add(size)).await?;
    Ok((magic2 == FP_XSTATE_MAGIC2).then_some(size))
}

/// Gives the thread a state read by [`read`].
pub(super) fn restore(cpu: &mut CpuState, restored: Option<Restored>) {
    let Some(Restored { legacy, features, upper }) = restored else { return clear(cpu) };
    match &legacy {
        Legacy::Bits32(saved) => restore32(cpu, saved),
        Legacy::Bits64(saved) => restore64(cpu, saved),
    }
    // The x87 part of a 32-bit frame comes from the image of fnsave, whatever the header says.
    if features & xstate::X87 == 0 && matches!(legacy, Legacy::Bits64(_)) {
        cpu.fpu = Fpu::default();
    }
    if features & xstate::SSE == 0 {
        cpu.xmm = [0; 16];
    }
    cpu.ymm_high = upper;
}

fn legacy32(cpu: &CpuState, told: FpxSwBytes) -> FpstateI386 {
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
            mxcsr_mask: mxcsr::MASK,
            st_space: stack_space(fpu),
            xmm_space: std::array::from_fn(|i| xmm_words(cpu, i)),
            sw_reserved: told,
            ..FxsaveI386::default()
        },
    }
}

/// Restores from a frame. The x87 part comes from the old-style fields, which is where programs edit it.
fn restore32(cpu: &mut CpuState, saved: &FpstateI386) {
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
        cpu.mxcsr = fxsave.mxcsr & mxcsr::MASK;
        let space = fxsave.xmm_space;
        set_xmm(cpu, 8, &space);
    }
}

fn legacy64(cpu: &CpuState, told: FpxSwBytes) -> FpstateX86_64 {
    let fpu = &cpu.fpu;
    FpstateX86_64 {
        cwd: fpu.control,
        swd: fpu.status,
        twd: u16::from(fpu.in_use),
        fop: fpu.last_opcode,
        rip: fpu.last_ip,
        rdp: fpu.last_dp,
        mxcsr: cpu.mxcsr,
        mxcsr_mask: mxcsr::MASK,
        st_space: stack_space(fpu),
        xmm_space: std::array::from_fn(|i| xmm_words(cpu, i)),
        sw_reserved: told,
        ..FpstateX86_64::default()
    }
}

fn restore64(cpu: &mut CpuState, saved: &FpstateX86_64) {
    let fpu = &mut cpu.fpu;
    fpu.control = saved.cwd;
    fpu.status = saved.swd;
    fpu.in_use = saved.twd as u8;
    fpu.last_opcode = saved.fop;
    fpu.last_ip = saved.rip;
    fpu.last_dp = saved.rdp;
    load_stack_space(fpu, &saved.st_space);
    cpu.mxcsr = saved.mxcsr & mxcsr::MASK;
    set_xmm(cpu, 16, &saved.xmm_space);
}
