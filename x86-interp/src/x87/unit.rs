//! The register stack and the status word: what every x87 instruction goes through.

use super::value::{INDEFINITE, Operand};
use crate::cx::{Cx, Step};
use crate::soft::{Format, Rounding, flag};
use crate::uop::{Addr, Any, Uop};
use x86_cpu::{Exit, F80, Fpu, Vector};
use x86_decode::MAX_LEN;

/// Stack fault.
pub(crate) const SF: u16 = 1 << 6;
/// Exception summary: an unmasked exception is pending.
pub(crate) const ES: u16 = 1 << 7;
/// Busy; follows ES since the 387.
const BUSY: u16 = 1 << 15;
pub(crate) const C0: u16 = 1 << 8;
pub(crate) const C1: u16 = 1 << 9;
pub(crate) const C2: u16 = 1 << 10;
pub(crate) const C3: u16 = 1 << 14;

/// The exceptions that stop an instruction before it has a result.
const BEFORE: u8 = flag::INVALID | flag::DENORMAL | flag::ZERO_DIVIDE;

/// What rounding and masking an operation runs under.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Env {
    pub(crate) format: Format,
    pub(crate) rounding: Rounding,
    /// Exceptions that are not masked.
    pub(crate) unmasked: u8,
}

/// A result with the exceptions it raised.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Done {
    pub(crate) value: F80,
    pub(crate) flags: u8,
    /// Rounded up: C1.
    pub(crate) up: bool,
}

impl Done {
    pub(crate) fn exact(value: F80) -> Done {
        Done { value, flags: 0, up: false }
    }

    pub(crate) fn with(value: F80, flags: u8) -> Done {
        Done { value, flags, up: false }
    }

    pub(crate) fn invalid() -> Done {
        Done { value: INDEFINITE, flags: flag::INVALID, up: false }
    }
}

/// Rounding and masks as the control word sets them.
#[inline]
pub(crate) fn env(fpu: &Fpu) -> Env {
    let precision = match fpu.control >> 8 & 3 {
        0 => 24,
        2 => 53,
        _ => 64,
    };
    Env {
        format: Format { precision, ..Format::EXTENDED },
        rounding: Rounding::from_bits(u32::from(fpu.control >> 10)),
        unmasked: !(fpu.control as u8) & 0x3f,
    }
}

/// Sets ES and B to what flags and masks say.
pub(crate) fn summarise(fpu: &mut Fpu) {
    let pending = fpu.status & !fpu.control & 0x3f != 0;
    fpu.status = fpu.status & !(ES | BUSY) | if pending { ES | BUSY } else { 0 };
}

/// Physical number of ST(i).
#[inline(always)]
pub(crate) fn physical(fpu: &Fpu, i: u8) -> usize {
    fpu.top().wrapping_add(i.into()) & 7
}

/// ST(i), unless it is empty.
#[inline(always)]
pub(crate) fn st(fpu: &Fpu, i: u8) -> Option<F80> {
    let n = physical(fpu, i);
    if fpu.in_use >> n & 1 != 0 { Some(fpu.registers[n]) } else { None }
}

/// Writes ST(i) and marks it in use.
#[inline(always)]
pub(crate) fn set_st(fpu: &mut Fpu, i: u8, value: F80) {
    let n = physical(fpu, i);
    fpu.registers[n] = value;
    fpu.in_use |= 1 << n;
}

/// Drops ST(0).
#[inline(always)]
pub(crate) fn pop(fpu: &mut Fpu) {
    let top = fpu.top();
    fpu.in_use &= !(1 << top);
    fpu.set_top(top.wrapping_add(1));
}

/// Adds exceptions to the status word; C1 becomes `c1`.
#[inline(always)]
pub(crate) fn raise(fpu: &mut Fpu, flags: u8, c1: bool) {
    let status = fpu.status & !C1 | u16::from(flags) | if c1 { C1 } else { 0 };
    let pending = u16::from(flags) & !fpu.control & 0x3f != 0;
    fpu.status = status | if pending { ES | BUSY } else { 0 };
}

/// Whether the invalid-operation exception is masked.
#[inline(always)]
pub(crate) fn invalid_masked(fpu: &Fpu) -> bool {
    fpu.control & 1 != 0
}

/// An empty register was read. True if the instruction goes on with an indefinite value.
#[cold]
pub(crate) fn underflow(fpu: &mut Fpu) -> bool {
    raise(fpu, flag::INVALID, false);
    fpu.status |= SF;
    invalid_masked(fpu)
}

/// A push found the register in use. True if the push goes on, with an indefinite value.
#[cold]
pub(crate) fn overflow(fpu: &mut Fpu) -> bool {
    raise(fpu, flag::INVALID, true);
    fpu.status |= SF;
    invalid_masked(fpu)
}

/// Moves the top down and writes ST(0).
#[inline(always)]
fn push_unchecked(fpu: &mut Fpu, value: F80) {
    fpu.set_top(fpu.top().wrapping_sub(1));
    set_st(fpu, 0, value);
}

/// Pushes a result: a full stack and unmasked exceptions are looked at.
#[inline(always)]
pub(crate) fn push(fpu: &mut Fpu, done: Done) {
    let n = physical(fpu, 7);
    if fpu.in_use >> n & 1 != 0 {
        if overflow(fpu) {
            push_unchecked(fpu, INDEFINITE);
        }
        return;
    }
    // Processors push a denormal operand even where its exception is unmasked.
    if stops(fpu, done.flags & !flag::DENORMAL) {
        raise(fpu, done.flags & BEFORE, false);
    } else {
        raise(fpu, done.flags, done.up);
        push_unchecked(fpu, done.value);
    }
}

/// Writes a result to ST(i) and drops `pops` registers, unless an unmasked exception came before the result.
#[inline(always)]
pub(crate) fn finish(fpu: &mut Fpu, i: u8, done: Done, pops: u8) {
    if stops(fpu, done.flags) {
        raise(fpu, done.flags & BEFORE, false);
        return;
    }
    raise(fpu, done.flags, done.up);
    set_st(fpu, i, done.value);
    for _ in 0..pops {
        pop(fpu);
    }
}

/// Whether exceptions that come before the result are unmasked: then there is none.
#[inline(always)]
pub(crate) fn stops(fpu: &Fpu, flags: u8) -> bool {
    flags & BEFORE & !(fpu.control as u8) != 0
}

impl Cx<'_> {
    /// The beginning of a waiting instruction: a pending exception strikes, and the instruction pointer is noted.
    #[inline(always)]
    pub(crate) fn begin_x87(&mut self, u: &Uop) -> Step {
        self.check_fpu()?;
        self.x87_ip_before = self.cpu.fpu.last_ip;
        self.cpu.fpu.last_ip = self.next_ip(u).wrapping_sub(u64::from(u.len));
        if self.cpu.fpu.control & 0x3f != 0x3f {
            self.note_operand(u);
        }
        Ok(())
    }

    /// Keeps opcode and operand address, for the case that the instruction leaves an exception pending: only then does a
    /// processor show them (SDM vol. 1 §8.1.8, "FDP_EXCPTN_ONLY", and §8.1.9.1).
    #[cold]
    #[inline(never)]
    fn note_operand(&mut self, u: &Uop) {
        let mut bytes = [0; MAX_LEN];
        let len = self.mem.fetch(self.this_ip(u), &mut bytes).unwrap_or(0);
        let bytes = &bytes[..len.min(u.len.into())];
        let opcode = bytes.iter().position(|byte| byte & 0xf8 == 0xd8);
        let pair = opcode.and_then(|at| bytes.get(at..at + 2));
        self.x87_operand = pair.map(|pair| {
            let memory = pair[1] < 0xc0;
            (u16::from(pair[0] & 7) << 8 | u16::from(pair[1]), memory.then(|| Any::offset(self, u)))
        });
    }

    /// Makes the x87 pointers what they are while an exception is pending.
    pub(crate) fn settle_x87(&mut self) {
        if let Some((opcode, address)) = self.x87_operand.take()
            && self.cpu.fpu.status & ES != 0
        {
            self.cpu.fpu.last_opcode = opcode;
            if let Some(address) = address {
                self.cpu.fpu.last_dp = address;
            }
        }
    }

    /// An instruction whose memory access faulted was not the last one.
    pub(crate) fn forget_x87_ip(&mut self, ip: u64) {
        // A pending exception struck before the instruction began.
        let pending = matches!(self.exit, Exit::Exception(e) if e.vector == Vector::X87FloatingPoint);
        if self.cpu.fpu.last_ip == ip && !pending {
            self.cpu.fpu.last_ip = self.x87_ip_before;
            self.x87_operand = None;
        }
    }
}

/// An operation on ST(0) alone, in place.
#[inline(always)]
pub(crate) fn unary(cx: &mut Cx<'_>, u: &Uop, f: fn(Operand, Env) -> Done) -> Step {
    cx.begin_x87(u)?;
    let fpu = &mut cx.cpu.fpu;
    match st(fpu, 0) {
        Some(value) => {
            let done = f(Operand::of(value), env(fpu));
            finish(fpu, 0, done, 0);
        }
        None => {
            if underflow(fpu) {
                set_st(fpu, 0, INDEFINITE);
            }
        }
    }
    Ok(())
}

/// An operation on two registers: ST(dst) becomes f(ST(dst), ST(src)), then `pops` are dropped.
#[inline(always)]
pub(crate) fn binary(
    cx: &mut Cx<'_>,
    u: &Uop,
    (dst, src): (u8, u8),
    pops: u8,
    f: impl Fn(&Operand, &Operand, Env) -> Done,
) -> Step {
    cx.begin_x87(u)?;
    let fpu = &mut cx.cpu.fpu;
    match (st(fpu, dst), st(fpu, src)) {
        (Some(a), Some(b)) => {
            let done = f(&Operand::of(a), &Operand::of(b), env(fpu));
            finish(fpu, dst, done, pops);
        }
        _ => {
            if underflow(fpu) {
                set_st(fpu, dst, INDEFINITE);
                for _ in 0..pops {
                    pop(fpu);
                }
            }
        }
    }
    Ok(())
}
