//! String instructions (SDM vol. 2, MOVS, STOS, LODS, SCAS, CMPS and REP).
//!
//! A repeated instruction is restartable: whenever it stops, its counter and pointers say what is done.

use super::branch::{counter, set_addr_reg};
use crate::cx::{Cx, Step, Stop, slot};
use crate::int::Int;
use crate::uop::{Handler, Uop, by_width};
use guest_mem::{MemFault, PAGE_BYTES, Run};
use x86_cpu::{flags as bit, gpr};
use x86_decode::{Insn, Op, Rep, Seg};

const REP: u8 = 1;
const REPNE: u8 = 2;

/// Elements done at most before the budget is looked at again.
const BATCH: u64 = 0x1_0000;

fn backwards(cx: &Cx<'_>) -> bool {
    cx.cpu.rflags & bit::DF != 0
}

/// Signed distance of two elements.
fn stride<T: Int>(cx: &Cx<'_>) -> u64 {
    if backwards(cx) { T::BYTES.wrapping_neg() } else { T::BYTES }
}

fn source(cx: &Cx<'_>, u: &Uop) -> u64 {
    (cx.gpr[gpr::RSI] & u.addr_mask()).wrapping_add(cx.reg(u.seg)) & cx.mask
}

fn target(cx: &Cx<'_>, u: &Uop) -> u64 {
    let base = cx.gpr[usize::from(slot::SEGMENT) + Seg::Es as usize];
    (cx.gpr[gpr::RDI] & u.addr_mask()).wrapping_add(base) & cx.mask
}

#[inline(always)]
fn advance(cx: &mut Cx<'_>, u: &Uop, reg: usize, by: u64) {
    set_addr_reg(cx, u, reg, cx.gpr[reg & 31].wrapping_add(by));
}

/// Elements that fit between an address and the end of its page, and of the offset space.
fn room<T: Int>(cx: &Cx<'_>, u: &Uop, reg: usize, addr: u64) -> u64 {
    let in_page = PAGE_BYTES - addr % PAGE_BYTES;
    let in_space = (u.addr_mask() - (cx.gpr[reg & 31] & u.addr_mask())).saturating_add(1);
    in_page.min(in_space) / T::BYTES
}

/// Ends a part of a repeated instruction: done, or to go on at its own address.
fn repeat(cx: &mut Cx<'_>, u: &Uop, elements: u64, finished: bool) -> Step {
    if finished {
        // The instruction itself is counted as one.
        cx.retired += elements.saturating_sub(1);
        cx.stored()
    } else {
        cx.retired += elements;
        cx.rip = cx.this_ip(u);
        Err(Stop::Again)
    }
}

/// With 32-bit addresses in 64-bit code, even a repetition that does nothing clears the upper halves of the counter and of
/// these pointers, as processors of Intel do.
fn cut_registers(cx: &mut Cx<'_>, u: &Uop, pointers: &[usize]) {
    if u.cut == 32 && cx.is_64() {
        for reg in pointers.iter().chain(&[gpr::RCX]) {
            cx.gpr[*reg] &= 0xffff_ffff;
        }
    }
}

/// Runs `step` (some elements of at most the number given, at least one) until the count is spent.
#[inline(always)]
fn repeated(
    cx: &mut Cx<'_>,
    u: &Uop,
    mut step: impl FnMut(&mut Cx<'_>, &Uop, u64) -> Result<u64, Stop>,
) -> Step {
    let mut left = counter(cx, u);
    let batch = if cx.single_step { 1 } else { BATCH };
    let mut done = 0;
    while left > 0 && done < batch {
        match step(cx, u, left.min(batch - done)) {
            Ok(elements) => {
                left -= elements;
                done += elements;
                set_addr_reg(cx, u, gpr::RCX, left);
            }
            Err(stop) => {
                cx.retired += done;
                return Err(stop);
            }
        }
    }
    repeat(cx, u, done, left == 0)
}

fn caught<T>(cx: &mut Cx<'_>, result: Result<T, MemFault>) -> Result<T, Stop> {
    result.map_err(|fault| cx.mem_fault(fault))
}

fn movs_one<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = cx.load::<T>(source(cx, u))?;
    cx.store::<T>(target(cx, u), value)?;
    let by = stride::<T>(cx);
    advance(cx, u, gpr::RSI, by);
    advance(cx, u, gpr::RDI, by);
    Ok(())
}

fn movs<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    movs_one::<T>(cx, u)?;
    cx.stored()
}

fn rep_movs<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cut_registers(cx, u, &[gpr::RSI, gpr::RDI]);
    repeated(cx, u, |cx, u, left| {
        let (from, to) = (source(cx, u), target(cx, u));
        if !backwards(cx) && left > 1 && !cx.aligned {
            let elements = left.min(room::<T>(cx, u, gpr::RSI, from)).min(room::<T>(cx, u, gpr::RDI, to));
            let bytes = elements * T::BYTES;
            // Where the target starts inside the source, each element read was written before: not a block copy.
            if elements > 0 && to.wrapping_sub(from) >= bytes {
                let copied = cx.mem.copy_in_pages(from, to, bytes as usize);
                caught(cx, copied)?;
                advance(cx, u, gpr::RSI, bytes);
                advance(cx, u, gpr::RDI, bytes);
                return Ok(elements);
            }
        }
        movs_one::<T>(cx, u).map(|()| 1)
    })
}

fn stos_one<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cx.store_int::<T>(target(cx, u), T::get(cx, 0))?;
    let by = stride::<T>(cx);
    advance(cx, u, gpr::RDI, by);
    Ok(())
}

fn stos<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    stos_one::<T>(cx, u)?;
    cx.stored()
}

fn rep_stos<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cut_registers(cx, u, &[gpr::RDI]);
    let value = T::get(cx, 0);
    let byte = value as u8;
    let uniform = T::trunc(u64::from(byte).wrapping_mul(0x0101_0101_0101_0101)) == value;
    repeated(cx, u, |cx, u, left| {
        let to = target(cx, u);
        let elements = if backwards(cx) { 0 } else { left.min(room::<T>(cx, u, gpr::RDI, to)) };
        if elements == 0 {
            return stos_one::<T>(cx, u).map(|()| 1);
        }
        if uniform && !cx.aligned {
            let filled = cx.mem.fill(to, (elements * T::BYTES) as usize, byte);
            caught(cx, filled)?;
        } else {
            for i in 0..elements {
                // Within one page: only the first can fault.
                cx.store_int::<T>(to + i * T::BYTES, value)?;
            }
        }
        advance(cx, u, gpr::RDI, elements * T::BYTES);
        Ok(elements)
    })
}

fn lods<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = cx.load_int::<T>(source(cx, u))?;
    T::set(cx, 0, value);
    let by = stride::<T>(cx);
    advance(cx, u, gpr::RSI, by);
    Ok(())
}

fn rep_lods<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    cut_registers(cx, u, &[]);
    repeated(cx, u, |cx, u, _| lods::<T>(cx, u).map(|()| 1))
}

/// Runs a comparing string instruction while its condition holds. `compare` does one element and leaves the flags;
/// `compare_some` does as many as it likes of at most the number given, and says so, or 0 to leave them to the other.
#[inline(always)]
fn repeated_compare(
    cx: &mut Cx<'_>,
    u: &Uop,
    compare: fn(&mut Cx<'_>, &Uop) -> Step,
    compare_some: fn(&mut Cx<'_>, &Uop, u64) -> Result<u64, Stop>,
) -> Step {
    cut_registers(cx, u, &[]);
    let wanted_zf = u.aux == REP;
    let mut left = counter(cx, u);
    let batch = if cx.single_step { 1 } else { BATCH };
    let mut done = 0;
    let mut differs = false;
    let flags = cx.flags;
    while left > 0 && done < batch && !differs {
        let some = match compare_some(cx, u, left.min(batch - done)) {
            Ok(0) => compare(cx, u).map(|()| 1),
            some => some,
        };
        let some = match some {
            Ok(some) => some,
            Err(stop) => {
                // Unlike counter and pointers, the flags are those from before (SDM vol. 2, REP).
                cx.flags = flags;
                cx.retired += done;
                return Err(stop);
            }
        };
        left -= some;
        done += some;
        set_addr_reg(cx, u, gpr::RCX, left);
        differs = cx.flags.zf() != wanted_zf;
    }
    let finished = left == 0 || differs;
    if !finished {
        // Nor do flags show between two elements.
        cx.flags = flags;
    }
    repeat(cx, u, done, finished)
}

/// Bytes compared at a time.
const CHUNK: usize = 128;

fn element(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(word)
}

/// Elements of the page of an address that are compared at a time; fewer than two are not worth it.
fn some<T: Int>(cx: &Cx<'_>, left: u64, room: u64) -> Option<usize> {
    let elements = left.min(room).min(CHUNK as u64 / T::BYTES) as usize;
    (elements > 1 && !backwards(cx) && !cx.aligned).then_some(elements)
}

fn scas_some<T: Int>(cx: &mut Cx<'_>, u: &Uop, left: u64) -> Result<u64, Stop> {
    let to = target(cx, u);
    let room = room::<T>(cx, u, gpr::RDI, to);
    let Some(elements) = some::<T>(cx, left, room) else { return Ok(0) };
    if T::BYTES == 1 {
        let (byte, most) = (T::get(cx, 0) as u8, left.min(room));
        let run = if u.aux == REP { Run::Of } else { Run::Without };
        let run = cx.mem.run_of(to, most as usize, byte, run);
        let done = most.min(caught(cx, run)? as u64 + 1);
        let last = cx.load_int::<T>(to + done - 1)?;
        cx.flags.sub::<T>(T::get(cx, 0), last, 0);
        advance(cx, u, gpr::RDI, done);
        return Ok(done);
    }
    let mut bytes = [0; CHUNK];
    let bytes = &mut bytes[..elements * T::BYTES as usize];
    let read = cx.mem.read_bytes(to, bytes);
    caught(cx, read)?;
    let value = T::get(cx, 0);
    let ends = |found: &[u8]| (element(found) == value) != (u.aux == REP);
    let chunks = bytes.chunks_exact(T::BYTES as usize);
    let done = chunks.clone().position(ends).map_or(elements, |at| at + 1);
    let last = chunks.clone().nth(done - 1).map_or(value, element);
    cx.flags.sub::<T>(value, last, 0);
    advance(cx, u, gpr::RDI, done as u64 * T::BYTES);
    Ok(done as u64)
}

fn cmps_some<T: Int>(cx: &mut Cx<'_>, u: &Uop, left: u64) -> Result<u64, Stop> {
    let (from, to) = (source(cx, u), target(cx, u));
    let room = room::<T>(cx, u, gpr::RSI, from).min(room::<T>(cx, u, gpr::RDI, to));
    let Some(elements) = some::<T>(cx, left, room) else { return Ok(0) };
    let (mut a, mut b) = ([0; CHUNK], [0; CHUNK]);
    let len = elements * T::BYTES as usize;
    // The order matters only where both fault.
    let read = cx.mem.read_bytes(to, &mut b[..len]);
    caught(cx, read)?;
    let read = cx.mem.read_bytes(from, &mut a[..len]);
    caught(cx, read)?;
    let size = T::BYTES as usize;
    let pairs = a[..len].chunks_exact(size).zip(b[..len].chunks_exact(size));
    let done = pairs.clone().position(|(a, b)| (a == b) != (u.aux == REP)).map_or(elements, |at| at + 1);
    let last = pairs.clone().nth(done - 1);
    let (a, b) = last.map_or((0, 0), |(a, b)| (element(a), element(b)));
    cx.flags.sub::<T>(a, b, 0);
    advance(cx, u, gpr::RSI, done as u64 * T::BYTES);
    advance(cx, u, gpr::RDI, done as u64 * T::BYTES);
    Ok(done as u64)
}

#[inline(always)]
fn scas<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    let value = cx.load_int::<T>(target(cx, u))?;
    cx.flags.sub::<T>(T::get(cx, 0), value, 0);
    let by = stride::<T>(cx);
    advance(cx, u, gpr::RDI, by);
    Ok(())
}

#[inline(always)]
fn cmps<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    // The order matters only where both fault.
    let b = cx.load_int::<T>(target(cx, u))?;
    let a = cx.load_int::<T>(source(cx, u))?;
    cx.flags.sub::<T>(a, b, 0);
    let by = stride::<T>(cx);
    advance(cx, u, gpr::RSI, by);
    advance(cx, u, gpr::RDI, by);
    Ok(())
}

fn rep_scas<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    repeated_compare(cx, u, scas::<T>, scas_some::<T>)
}

fn rep_cmps<T: Int>(cx: &mut Cx<'_>, u: &Uop) -> Step {
    repeated_compare(cx, u, cmps::<T>, cmps_some::<T>)
}

pub(crate) fn lower(insn: &Insn, u: &mut Uop, mode: crate::uop::LowerMode) -> Option<Handler> {
    let w = insn.width;
    let repeated = insn.rep != Rep::None;
    let handler = match (insn.op, repeated) {
        (Op::Movs, false) => by_width!(w, movs),
        (Op::Movs, true) => by_width!(w, rep_movs),
        (Op::Stos, false) => by_width!(w, stos),
        (Op::Stos, true) => by_width!(w, rep_stos),
        (Op::Lods, false) => by_width!(w, lods),
        (Op::Lods, true) => by_width!(w, rep_lods),
        (Op::Scas, false) => by_width!(w, scas),
        (Op::Scas, true) => by_width!(w, rep_scas),
        (Op::Cmps, false) => by_width!(w, cmps),
        (Op::Cmps, true) => by_width!(w, rep_cmps),
        _ => return None,
    };
    u.cut = 64 - insn.addr.bits();
    u.seg = mode.seg_slot(insn.seg);
    u.aux = match insn.rep {
        Rep::Repne => REPNE,
        _ => REP,
    };
    Some(handler)
}
