//! Images of the whole floating-point and vector state: FXSAVE and the XSAVE family (SDM vol. 1 §10.5, chapter 13).

use super::control::set_control;
use crate::cx::{Cx, Step, Stop};
use crate::uop::{Addr, Any, Handler, Uop};
use guest_mem::Access;
use x86_cpu::{F80, Fpu, Vector, gpr, mxcsr, xstate};
use x86_decode::{Insn, Op, Width};

/// Bit of `aux`: REX.W, 64-bit pointers.
const POINTERS64: u8 = 1;

/// Offsets in the legacy region.
const MXCSR: u64 = 24;
const ST: u64 = 32;
const XMM: u64 = 160;
const LEGACY_BYTES: u64 = 512;
/// XCOMP_BV stands behind XSTATE_BV; its top bit says that the image is compacted.
const XCOMP_BV: u64 = xstate::HEADER + 8;
const COMPACTED: u64 = 1 << 63;

/// An image at an address.
#[derive(Clone, Copy)]
struct Image {
    addr: u64,
    mask: u64,
    /// 64-bit pointers to instruction and operand, without selectors.
    wide: bool,
    /// XMM and YMM registers that the mode shows.
    registers: usize,
}

impl Image {
    fn new(cx: &mut Cx<'_>, u: &Uop, align: u64) -> Result<Image, Stop> {
        let addr = Any::linear(cx, u);
        cx.check_alignment(addr, 4)?;
        if addr & (align - 1) != 0 {
            return Err(cx.misaligned(addr));
        }
        let registers = if cx.is_64() { 16 } else { 8 };
        Ok(Image { addr, mask: cx.mask, wide: u.aux & POINTERS64 != 0, registers })
    }

    fn at(&self, offset: u64) -> u64 {
        self.addr.wrapping_add(offset) & self.mask
    }

    fn store_x87(&self, cx: &mut Cx<'_>) -> Step {
        cx.settle_x87();
        let fpu = cx.cpu.fpu;
        let pointer = |value: u64, selector: u16| {
            if self.wide { value } else { value & 0xffff_ffff | u64::from(selector) << 32 }
        };
        let words = u64::from(fpu.control)
            | u64::from(fpu.status) << 16
            | u64::from(fpu.in_use) << 32
            | u64::from(fpu.last_opcode & 0x7ff) << 48;
        cx.store::<u64>(self.at(0), words)?;
        cx.store::<u64>(self.at(8), pointer(fpu.last_ip, fpu.last_cs))?;
        cx.store::<u64>(self.at(16), pointer(fpu.last_dp, fpu.last_ds))?;
        for i in 0..8 {
            let value = fpu.registers[super::unit::physical(&fpu, i)];
            let image = u128::from(value.mantissa) | u128::from(value.sign_exponent) << 64;
            cx.store::<u128>(self.at(ST + 16 * u64::from(i)), image)?;
        }
        Ok(())
    }

    fn load_x87(&self, cx: &mut Cx<'_>) -> Result<Fpu, Stop> {
        let words = cx.load::<u64>(self.at(0))?;
        let (ip, dp) = (cx.load::<u64>(self.at(8))?, cx.load::<u64>(self.at(16))?);
        let mut fpu = cx.cpu.fpu;
        fpu.status = (words >> 16) as u16;
        fpu.in_use = (words >> 32) as u8;
        fpu.last_opcode = (words >> 48) as u16 & 0x7ff;
        // Canonical, whatever the image says.
        fpu.last_ip = if self.wide { ((ip << 16) as i64 >> 16) as u64 } else { ip & 0xffff_ffff };
        fpu.last_dp = if self.wide { dp } else { dp & 0xffff_ffff };
        // Selectors are not kept: CPUID says so (leaf 7, EBX bit 13).
        set_control(&mut fpu, words as u16);
        for i in 0..8 {
            let image = cx.load::<u128>(self.at(ST + 16 * u64::from(i)))?;
            let n = super::unit::physical(&fpu, i);
            fpu.registers[n] = F80 { mantissa: image as u64, sign_exponent: (image >> 64) as u16 };
        }
        Ok(fpu)
    }

    /// MXCSR and the mask of its bits.
    fn store_mxcsr(&self, cx: &mut Cx<'_>) -> Step {
        let value = u64::from(cx.cpu.mxcsr) | u64::from(mxcsr::MASK) << 32;
        cx.store::<u64>(self.at(MXCSR), value)
    }

    fn load_mxcsr(&self, cx: &mut Cx<'_>) -> Result<u32, Stop> {
        let value = cx.load::<u32>(self.at(MXCSR))?;
        if value & !mxcsr::MASK != 0 {
            return Err(cx.fault(Vector::GeneralProtection, 0));
        }
        Ok(value)
    }

    fn store_vectors(&self, cx: &mut Cx<'_>, offset: u64, vectors: [u128; 16]) -> Step {
        for (i, value) in vectors.into_iter().enumerate().take(self.registers) {
            cx.store::<u128>(self.at(offset + 16 * i as u64), value)?;
        }
        Ok(())
    }

    /// The registers of the image; of those the mode does not show, as they are.
    fn load_vectors(&self, cx: &mut Cx<'_>, offset: u64, old: [u128; 16]) -> Result<[u128; 16], Stop> {
        let mut vectors = old;
        for (i, value) in vectors.iter_mut().enumerate().take(self.registers) {
            *value = cx.load::<u128>(self.at(offset + 16 * i as u64))?;
        }
        Ok(vectors)
    }

    fn cleared(&self, old: [u128; 16]) -> [u128; 16] {
        let mut vectors = old;
        vectors[..self.registers].fill(0);
        vectors
    }
}

fn fxsave(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let image = Image::new(cx, u, 16)?;
    cx.check(image.addr, LEGACY_BYTES, Access::Write)?;
    image.store_x87(cx)?;
    image.store_mxcsr(cx)?;
    image.store_vectors(cx, XMM, cx.cpu.xmm)?;
    cx.stored()
}

fn fxrstor(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let image = Image::new(cx, u, 16)?;
    cx.check(image.addr, LEGACY_BYTES, Access::Read)?;
    let mxcsr = image.load_mxcsr(cx)?;
    let fpu = image.load_x87(cx)?;
    let xmm = image.load_vectors(cx, XMM, cx.cpu.xmm)?;
    cx.x87_operand = None;
    cx.cpu.fpu = fpu;
    cx.cpu.xmm = xmm;
    cx.cpu.mxcsr = mxcsr;
    Ok(())
}

/// The components that an instruction is asked for: EDX:EAX and XCR0.
fn requested(cx: &Cx<'_>) -> u64 {
    let mask = cx.gpr[gpr::RAX] & 0xffff_ffff | cx.gpr[gpr::RDX] << 32;
    mask & cx.cpuid.xcr0()
}

/// The components that are not in their initial state (XINUSE).
fn in_use(cx: &Cx<'_>) -> u64 {
    let on = |set: bool, bit: u64| if set { bit } else { 0 };
    on(cx.cpu.fpu != Fpu::default(), xstate::X87)
        | on(cx.cpu.xmm != [0; 16], xstate::SSE)
        | on(cx.cpu.ymm_high != [0; 16], xstate::AVX)
}

/// What a variant of XSAVE does beyond the plain one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Variant {
    Plain,
    /// Leaves out components in their initial state.
    Optimised,
    /// Does that too, and writes the compacted form.
    Compacted,
}

fn save(cx: &mut Cx<'_>, u: &Uop, variant: Variant) -> Step {
    let image = Image::new(cx, u, 64)?;
    let wanted = requested(cx);
    cx.settle_x87();
    let mut present = wanted & in_use(cx);
    if variant == Variant::Compacted && cx.cpu.mxcsr != mxcsr::DEFAULT {
        present |= wanted & xstate::SSE;
    }
    let written = if variant == Variant::Plain { wanted } else { present };
    let with_mxcsr = match variant {
        Variant::Compacted => written & xstate::SSE,
        _ => wanted & (xstate::SSE | xstate::AVX),
    };
    let vector_bytes = 16 * image.registers as u64;
    let parts = [
        (true, xstate::HEADER, 16),
        (written & xstate::X87 != 0, 0, XMM),
        (with_mxcsr != 0, MXCSR, 8),
        (written & xstate::SSE != 0, XMM, vector_bytes),
        (written & xstate::AVX != 0, xstate::EXTENDED, vector_bytes),
    ];
    for (_, offset, len) in parts.into_iter().filter(|(stored, ..)| *stored) {
        cx.check(image.at(offset), len, Access::Write)?;
    }
    let old = cx.load::<u64>(image.at(xstate::HEADER))?;
    if written & xstate::X87 != 0 {
        image.store_x87(cx)?;
    }
    if with_mxcsr != 0 {
        image.store_mxcsr(cx)?;
    }
    if written & xstate::SSE != 0 {
        image.store_vectors(cx, XMM, cx.cpu.xmm)?;
    }
    if written & xstate::AVX != 0 {
        image.store_vectors(cx, xstate::EXTENDED, cx.cpu.ymm_high)?;
    }
    if variant == Variant::Compacted {
        cx.store::<u64>(image.at(xstate::HEADER), present)?;
        cx.store::<u64>(image.at(XCOMP_BV), wanted | COMPACTED)?;
    } else {
        cx.store::<u64>(image.at(xstate::HEADER), old & !wanted | present)?;
    }
    cx.stored()
}

fn xsave(cx: &mut Cx<'_>, u: &Uop) -> Step {
    save(cx, u, Variant::Plain)
}

fn xsaveopt(cx: &mut Cx<'_>, u: &Uop) -> Step {
    save(cx, u, Variant::Optimised)
}

fn xsavec(cx: &mut Cx<'_>, u: &Uop) -> Step {
    save(cx, u, Variant::Compacted)
}

/// Whether a processor accepts the header of an image (SDM vol. 1 §13.8).
fn header_is_valid(cx: &mut Cx<'_>, image: &Image, present: u64, form: u64) -> Result<bool, Stop> {
    let xcr0 = cx.cpuid.xcr0();
    let compacts = cx.cpuid.xsave_eax & 2 != 0;
    let mut rest = 0;
    let reserved = if form & COMPACTED != 0 { 16..64 } else { 16..24 };
    for offset in reserved.step_by(8) {
        rest |= cx.load::<u64>(image.at(xstate::HEADER + offset))?;
    }
    Ok(rest == 0
        && if form & COMPACTED != 0 {
            compacts && form & !COMPACTED & !xcr0 == 0 && present & !(form & !COMPACTED) == 0
        } else {
            form == 0 && present & !xcr0 == 0
        })
}

/// `xrstor`: components of the image, and the initial state of those that were asked for and are not in it.
fn xrstor(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let image = Image::new(cx, u, 64)?;
    let wanted = requested(cx);
    let present = cx.load::<u64>(image.at(xstate::HEADER))?;
    let form = cx.load::<u64>(image.at(XCOMP_BV))?;
    if !header_is_valid(cx, &image, present, form)? {
        return Err(cx.fault(Vector::GeneralProtection, 0));
    }
    let load = wanted & present;
    let mxcsr = match form & COMPACTED {
        0 if wanted & (xstate::SSE | xstate::AVX) != 0 => image.load_mxcsr(cx)?,
        0 => cx.cpu.mxcsr,
        _ if load & xstate::SSE != 0 => image.load_mxcsr(cx)?,
        _ if wanted & xstate::SSE != 0 => mxcsr::DEFAULT,
        _ => cx.cpu.mxcsr,
    };
    let fpu = match (wanted & xstate::X87, load & xstate::X87) {
        (0, _) => cx.cpu.fpu,
        (_, 0) => Fpu::default(),
        _ => image.load_x87(cx)?,
    };
    let vectors = |cx: &mut Cx<'_>, bit: u64, offset: u64, old: [u128; 16]| match (wanted & bit, load & bit) {
        (0, _) => Ok(old),
        (_, 0) => Ok(image.cleared(old)),
        _ => image.load_vectors(cx, offset, old),
    };
    let xmm = vectors(cx, xstate::SSE, XMM, cx.cpu.xmm)?;
    let ymm_high = vectors(cx, xstate::AVX, xstate::EXTENDED, cx.cpu.ymm_high)?;
    if wanted & xstate::X87 != 0 {
        cx.x87_operand = None;
    }
    cx.cpu.fpu = fpu;
    cx.cpu.mxcsr = mxcsr;
    cx.cpu.xmm = xmm;
    cx.cpu.ymm_high = ymm_high;
    Ok(())
}

/// `xgetbv`: XCR0, and with ECX = 1, where CPUID offers that, what of it is in use.
fn xgetbv(cx: &mut Cx<'_>, _: &Uop) -> Step {
    let xcr0 = cx.cpuid.xcr0();
    let value = match cx.gpr[gpr::RCX] as u32 {
        0 => xcr0,
        1 if cx.cpuid.xsave_eax & 4 != 0 => xcr0 & in_use(cx),
        _ => return Err(cx.fault(Vector::GeneralProtection, 0)),
    };
    cx.gpr[gpr::RAX] = value & 0xffff_ffff;
    cx.gpr[gpr::RDX] = value >> 32;
    Ok(())
}

pub(crate) fn lower(insn: &Insn, u: &mut Uop) -> Option<Handler> {
    let handler: Handler = match insn.op {
        Op::Fxsave => fxsave,
        Op::Fxrstor => fxrstor,
        Op::Xsave => xsave,
        Op::Xsaveopt => xsaveopt,
        Op::Xsavec => xsavec,
        Op::Xrstor => xrstor,
        Op::Xgetbv => xgetbv,
        _ => return None,
    };
    u.aux = if insn.width == Width::W64 { POINTERS64 } else { 0 };
    Some(handler)
}
