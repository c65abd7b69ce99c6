//! The real processor as the oracle: every row of the decoder's table, with random operands and states, runs on the
//! host and in the interpreter, and everything that the manual defines must agree.
//!
//! `HARDWARE_ONLY=add,fsin` restricts it to some mnemonics, `HARDWARE_CASES=n` sets the cases per row.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod compare;
mod guest;
mod skips;

use guest::Guest;
use std::collections::BTreeMap;
use testkit::forms::{self, Case};
use testkit::host::{self, Host};
use testkit::layout::{CODE, TARGET_GAP};
use testkit::rng::Rng;
use testkit::state::{State, random_address, random_data};
use x86_cpu::{Cpuid, xstate};
use x86_decode::{Flow, Mode, Op, Operand, ROWS, Reg, Rep, Row, Width};
use x86_interp::{FEATURES, features};

const DEFAULT_CASES: u64 = 150;
/// Mismatches shown per row.
const SHOWN: usize = 2;

#[test]
fn every_row_agrees_with_this_processor() {
    let only = std::env::var("HARDWARE_ONLY").unwrap_or_default();
    let cases: u64 =
        std::env::var("HARDWARE_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(DEFAULT_CASES);
    let mut host = Host::new();
    let mut guest = Guest::new();
    let host_features = features(&host_cpuid());
    let mut run = 0_u64;
    let (mut unencodable, mut lacking, mut covered) = (0, 0, 0);
    let mut skipped = BTreeMap::new();
    let mut failures: BTreeMap<String, usize> = BTreeMap::new();
    for row in ROWS {
        if !FEATURES.contains(row.features()) {
            continue;
        }
        if !host_features.contains(row.features()) {
            lacking += 1;
            continue;
        }
        if !only.is_empty() && !only.split(',').any(|name| name == row.op.name()) {
            continue;
        }
        if let Some(reason) = skips::reason(row) {
            *skipped.entry(reason).or_insert(0) += 1;
            continue;
        }
        covered += 1;
        for mode in [Mode::Bits64, Mode::Bits32] {
            let mut rng = Rng::new(u64::from(row.id) << 8 | mode as u64);
            let mut bad = 0;
            for _ in 0..cases {
                let Some(case) = forms::build(&mut rng, row, mode) else {
                    unencodable += 1;
                    break;
                };
                let (state, mut data) = (State::random(&mut rng), random_data(&mut rng));
                let mut state = fit(&mut rng, row, &case, mode, state, &mut data);
                if skips::case(row, &case, &state) {
                    continue;
                }
                if mode == Mode::Bits32 {
                    state.gpr.iter_mut().for_each(|reg| *reg &= 0xffff_ffff);
                }
                run += 1;
                host.set_data(&data);
                let expected = host.run(&case.bytes, mode == Mode::Bits32, &state);
                let expected_data = host.data();
                if expected.trap.is_some() && skips::faults_differ(row) {
                    continue;
                }
                let code = host::guest_code(&case.bytes, &[0xcd, 0x80]);
                let got = guest.run(&code, case.bytes.len(), mode, &state, &data);
                let differences = compare::differences(&case, mode, &expected, &expected_data, &got);
                if !differences.is_empty() {
                    bad += 1;
                    if bad <= SHOWN {
                        println!("{} {mode:?} {:02x?}", case.insn, case.bytes);
                        println!("  {}", differences.join("\n  "));
                        println!("  before: {}", compare::describe(&case, &state));
                    }
                }
            }
            if bad > 0 {
                failures.insert(format!("{:?} {:02x} {mode:?} #{}", row.op, row.opcode, row.id), bad);
            }
        }
    }
    println!("{run} cases of {covered} rows; rows that cannot be encoded in a mode: {unencodable}");
    println!("rows this processor lacks: {lacking}");
    println!("rows skipped: {skipped:#?}");
    assert!(failures.is_empty(), "{} rows disagree: {failures:#?}", failures.len());
}

/// The host as a processor model.
fn host_cpuid() -> Cpuid {
    let [_, _, features_ecx, features_edx] = host::cpuid(1, 0);
    let [_, structured_ebx, structured_ecx, _] = host::cpuid(7, 0);
    let [_, _, extended_ecx, extended_edx] = host::cpuid(0x8000_0001, 0);
    Cpuid {
        features_ecx,
        features_edx,
        structured_ebx,
        structured_ecx,
        xsave_eax: host::cpuid(0xd, 1)[0],
        extended_ecx,
        extended_edx,
        ..Cpuid::default()
    }
}

/// An arithmetic instruction and a conditional jump behind it: the interpreter runs the common ones as one operation.
#[test]
fn pairs_with_jumps_agree_with_this_processor() {
    const FIRST: [Op; 11] =
        [Op::Cmp, Op::Test, Op::Sub, Op::Add, Op::And, Op::Or, Op::Xor, Op::Inc, Op::Dec, Op::Neg, Op::Adc];
    let mut host = Host::new();
    let mut guest = Guest::new();
    let mut rng = Rng::new(7);
    let (mut run, mut bad) = (0, 0);
    for row in ROWS.iter().filter(|row| FIRST.contains(&row.op)) {
        for mode in [Mode::Bits64, Mode::Bits32] {
            for n in 0..16 * 20 {
                let Some(case) = forms::build(&mut rng, row, mode) else { break };
                let (state, mut data) = (State::random(&mut rng), random_data(&mut rng));
                let mut state = fit(&mut rng, row, &case, mode, state, &mut data);
                if mode == Mode::Bits32 {
                    state.gpr.iter_mut().for_each(|reg| *reg &= 0xffff_ffff);
                }
                let mut bytes = case.bytes.clone();
                bytes.extend([0x70 | n as u8 & 15, TARGET_GAP as u8]);
                host.set_data(&data);
                let expected = host.run(&bytes, mode == Mode::Bits32, &state);
                let got =
                    guest.run(&host::guest_code(&bytes, &[0xcd, 0x80]), bytes.len(), mode, &state, &data);
                let differences = compare::differences(&case, mode, &expected, &host.data(), &got);
                run += 1;
                if !differences.is_empty() {
                    bad += 1;
                    println!("{} and jcc {} {mode:?} {bytes:02x?}", case.insn, n & 15);
                    println!(
                        "  {}\n  before: {}",
                        differences.join("\n  "),
                        compare::describe(&case, &state)
                    );
                }
            }
        }
    }
    println!("{run} pairs");
    assert_eq!(bad, 0);
}

/// Makes a random state fit an instruction: addresses in the data page, jump targets at the second exit.
fn fit(rng: &mut Rng, row: &Row, case: &Case, mode: Mode, mut state: State, data: &mut [u8]) -> State {
    let long = mode == Mode::Bits64;
    let target = CODE + case.bytes.len() as u64 + TARGET_GAP;
    // Implicit memory: the stack, strings, tables.
    state.gpr[4] = random_address(rng, 64) & !7;
    state.gpr[5] = random_address(rng, 64) & !7;
    state.gpr[6] = random_address(rng, 16);
    state.gpr[7] = random_address(rng, 16);
    if row.op == Op::Xlat {
        state.gpr[3] = random_address(rng, 256);
    }
    let counts = case.insn.rep != Rep::None || matches!(row.op, Op::Loop | Op::Loope | Op::Loopne | Op::Jcxz);
    if counts {
        state.gpr[1] =
            if rng.one_in(8) { state.gpr[1] & !0xffff_ff00 | rng.below(300) } else { rng.below(20) };
        if case.insn.rep != Rep::None {
            state.gpr[1] &= 0x1ff;
        }
    }
    if case.insn.rep != Rep::None && matches!(row.op, Op::Cmps) && rng.one_in(2) {
        // Equal runs, so that the repetition goes on.
        data.fill(0x5a);
    }
    if matches!(row.op, Op::Bt | Op::Bts | Op::Btr | Op::Btc) && case.address.is_some() {
        // A bit offset that stays near the operand.
        if let Operand::Reg(Reg::Gpr16(n) | Reg::Gpr32(n) | Reg::Gpr64(n)) = case.insn.operands[1] {
            state.gpr[usize::from(n)] = rng.below(600).wrapping_sub(300);
        }
    }
    if matches!(row.op, Op::Xsave | Op::Xsaveopt | Op::Xsavec | Op::Xrstor) {
        // The components that the interpreter has; the host may have more.
        state.gpr[0] = if rng.one_in(3) { 7 } else { rng.below(8) };
        state.gpr[2] = 0;
    }
    if row.op == Op::Xrstor {
        xsave_image(rng, data, case.address.unwrap_or(0));
    }
    // A divisor that does not overflow every time.
    if matches!(row.op, Op::Div | Op::Idiv) && !rng.one_in(3) {
        state.gpr[2] = if rng.one_in(2) { 0 } else { u64::MAX };
    }
    for &(reg, value) in &case.vectors {
        state.set_ymm(reg.into(), value);
    }
    for &(reg, value) in &case.pins {
        state.gpr[usize::from(reg)] = value;
    }
    if matches!(row.flow, Flow::IndirectBranch | Flow::IndirectCall) {
        match case.insn.operands[0] {
            Operand::Reg(Reg::Gpr64(n) | Reg::Gpr32(n) | Reg::Gpr16(n)) => state.gpr[usize::from(n)] = target,
            Operand::Mem(_) => poke(data, case.address.unwrap_or(0), target, if long { 8 } else { 4 }),
            _ => {}
        }
    }
    if matches!(row.op, Op::Ret) {
        poke(data, state.gpr[4], target, if long { 8 } else { 4 });
    }
    if matches!(row.op, Op::Popf) {
        // Without TF, NT and AC.
        let image = rng.bits() & 0x8d5 | 0x202 | rng.below(2) << 10;
        poke(data, state.gpr[4], image, if case.insn.width == Width::W16 { 2 } else { 8 });
    }
    state
}

/// Makes an image that XRSTOR accepts, mostly.
fn xsave_image(rng: &mut Rng, data: &mut [u8], address: u64) {
    let present = rng.below(8);
    let compacted = if rng.one_in(2) { 1 << 63 | present | rng.below(8) } else { 0 };
    poke(data, address + xstate::HEADER, present, 8);
    poke(data, address + xstate::HEADER + 8, compacted, 8);
    for offset in (16..64).step_by(8) {
        poke(data, address + xstate::HEADER + offset, 0, 8);
    }
    poke(data, address + 24, rng.below(0x1_0000) | 0x1f80, 4);
    match rng.below(16) {
        0 => {
            // Components that only the host has would be accepted there.
            let [more, ..] = host::cpuid(0xd, 0);
            let word = rng.integer() & !(u64::from(more) & !7);
            poke(data, address + xstate::HEADER + 8 * rng.below(8), word, 8);
        }
        1 => poke(data, address + 24, rng.bits(), 4),
        _ => {}
    }
}

fn poke(data: &mut [u8], addr: u64, value: u64, len: usize) {
    let Some(at) = addr.checked_sub(testkit::layout::DATA) else { return };
    if let Some(place) = data.get_mut(at as usize..at as usize + len) {
        place.copy_from_slice(&value.to_le_bytes()[..len]);
    }
}
