//! Random sequences of instructions on the real processor and in the interpreter: both end alike.
//!
//! `SEQUENCES=10000000` sets how many, `SEQUENCES_SEED` which, `HARDWARE_MODE` the mode; `cargo xtask oracle --sequences N` sets
//! them. `SEQUENCES_FROM` is the number of the first, `SEQUENCES_TRACE=1` prints each before it runs.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::collections::BTreeMap;
use testkit::compare::{self, Scope};
use testkit::guest::Guest;
use testkit::host::{self, Host};
use testkit::layout::{CODE, CODE_LEN, TARGET_GAP};
use testkit::outcome::{INT80, Ran, SYSCALL, TIMEOUT};
use testkit::rng::Rng;
use testkit::sequence::{Generator, Sequence};
use testkit::skips;
use x86_cpu::{Cpuid, Level};
use x86_decode::{FlagSet, Mode, decode_for};
use x86_interp::{FEATURES, Interp, features};

const DEFAULT: u64 = 100_000;
/// Differences shown.
const SHOWN: usize = 12;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn sequences_agree_with_this_processor() {
    let count = number("SEQUENCES").unwrap_or(DEFAULT);
    let seed = number("SEQUENCES_SEED").unwrap_or(1);
    if !features(&host::model()).contains(FEATURES) {
        println!("skipped: this processor lacks instructions of the table");
        return;
    }
    if !host::is_intel() {
        println!("skipped: {}", skips::OTHERWISE);
        return;
    }
    let only = number("HARDWARE_MODE");
    let generators = [Mode::Bits64, Mode::Bits32].map(|mode| Generator::new(mode, FEATURES));
    let mut host = Host::new();
    host.guard();
    let mut guest = Guest::new(Interp::with(Cpuid::of(Level::Full), 1 << 16));
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    let (mut bad, mut trapped, mut bytes, mut endless, mut excused) = (0, 0_u64, 0, 0_u64, 0_u64);
    let first = number("SEQUENCES_FROM").unwrap_or(0);
    let trace = std::env::var_os("SEQUENCES_TRACE").is_some();
    for n in first..first + count {
        let mode = match only {
            Some(32) => Mode::Bits32,
            Some(64) => Mode::Bits64,
            _ if n % 2 == 0 => Mode::Bits64,
            _ => Mode::Bits32,
        };
        // A seed each, so that one can be looked at alone.
        let mut rng = Rng::new(seed.wrapping_mul(0x1_0000_0000).wrapping_add(n));
        let sequence = generators[usize::from(mode == Mode::Bits32)].draw(&mut rng);
        if trace {
            eprintln!("{n} {:02x?}", sequence.bytes);
        }
        let expected = host.ran(&sequence.bytes, mode, &sequence.state, &sequence.data);
        if expected.outcome.trap.is_some_and(|trap| trap.vector == TIMEOUT) {
            endless += 1;
            continue;
        }
        let got = guest.run(&sequence.bytes, mode, &sequence.state, &sequence.data);
        if got.outcome.trap.is_some_and(|trap| trap.vector == TIMEOUT) {
            // The processor is quicker; it says below whether these are many.
            endless += 1;
            continue;
        }
        trapped += u64::from(expected.outcome.trap.is_some());
        bytes += sequence.bytes.len();
        let differences = differences(&sequence, mode, &expected, &got);
        if differences.is_empty() {
            continue;
        }
        if strayed(&sequence, &expected) || strayed(&sequence, &got) || guest.changed_mode() {
            excused += 1;
            continue;
        }
        bad += 1;
        let last =
            expected.outcome.trap.or(got.outcome.trap).map(|trap| trap.rip.wrapping_sub(CODE) as usize);
        let at = last.and_then(|at| decode_for(sequence.bytes.get(at..)?, mode, FEATURES).ok());
        let what = differences
            .iter()
            .map(|line| line.split([':', '0']).next().unwrap_or_default())
            .collect::<Vec<_>>();
        let kind = format!("{} at {}", what.join(" "), at.map_or("the end", |insn| insn.op.name()));
        let shown = kinds.entry(kind).or_insert(0_usize);
        *shown += 1;
        if bad <= SHOWN || *shown == 1 && kinds.len() <= 3 * SHOWN {
            println!("sequence {n} {mode:?}:");
            for line in listing(&sequence, mode) {
                println!("    {line}");
            }
            println!("  {}\n  before: {}", differences.join("\n  "), compare::describe(&sequence.state));
        }
    }
    println!("differences by kind: {kinds:#?}");
    println!(
        "{count} sequences, {bytes} bytes; {trapped} ended in a fault, {endless} did not end; {bad} differences"
    );
    println!("not compared, since they reached what is not theirs: {excused}");
    assert_eq!(bad, 0);
}

/// Code that jumped to bytes not its own, which are whatever was there before, or met what only the host has mapped.
fn strayed(sequence: &Sequence, ran: &Ran) -> bool {
    // A repeated store over itself: when the processor notices is its own affair.
    if (CODE..CODE + CODE_LEN as u64).contains(&ran.outcome.state.gpr[7]) {
        return true;
    }
    let Some(trap) = ran.outcome.trap else { return false };
    // `uretprobe` and `uprobe`, which Linux lets past every filter.
    if trap.vector == SYSCALL && matches!(ran.outcome.state.gpr[0], 335 | 336) {
        return true;
    }
    let own = |rip: u64| sequence.flow.knows(rip);
    let inside = |address: u64| (CODE..CODE + CODE_LEN as u64).contains(&address);
    inside(trap.rip) && !own(trap.rip) && trap.vector < 0x100 && ![1, 3, 4].contains(&trap.vector)
        || trap.vector == 14 && host::is_mapped(trap.address)
}

fn differences(sequence: &Sequence, mode: Mode, expected: &Ran, got: &Ran) -> Vec<String> {
    let end = CODE + sequence.bytes.len() as u64;
    let at = match expected.outcome.trap {
        Some(trap) => trap.rip,
        None if expected.outcome.taken => end + TARGET_GAP,
        None => end,
    };
    // Behind a trap stands what may be reached in other ways too.
    let behind = |vector: u64| matches!(vector, 1 | 3 | 4) || vector >= 0x100;
    let undefined = match expected.outcome.trap {
        Some(trap) if behind(trap.vector) => sequence.flow.undefined(),
        _ => sequence.flow.undefined_at(at),
    };
    let mut scope = Scope { mode, undefined, status: 0, address: u64::MAX, near: false, ignored: Vec::new() };
    let offset = at.wrapping_sub(CODE) as usize;
    let insn = sequence.bytes.get(offset..).and_then(|bytes| decode_for(bytes, mode, FEATURES).ok());
    if let (Some(insn), Some(trap)) = (insn, expected.outcome.trap) {
        scope.address = skips::address_mask(&insn);
        if skips::faults_differ(insn.row) {
            // What they leave behind differs; that they fault does not.
            let same = got.outcome.trap.is_some_and(|t| (t.vector, t.rip) == (trap.vector, trap.rip));
            return if same { Vec::new() } else { vec!["one faults, the other does not".into()] };
        }
    }
    if expected.outcome.trap.is_some_and(|trap| trap.vector == 14 && trap.rip == trap.address) {
        scope.undefined = FlagSet::STATUS;
    }
    let (mut expected, mut got) = (expected.clone(), got.clone());
    if expected.outcome.trap.is_some_and(|trap| trap.vector == INT80) {
        // Linux gives back the half that is the number.
        expected.outcome.state.gpr[0] &= 0xffff_ffff;
        got.outcome.state.gpr[0] &= 0xffff_ffff;
    }
    if let (Some(a), Some(b)) = (&mut expected.outcome.trap, got.outcome.trap)
        && a.vector >= 0x100
        && a.rip + 2 == b.rip
    {
        // With the number of an interrupted call in RAX, Linux goes back to make it again.
        a.rip = b.rip;
    }
    scope.differences(&expected, &got)
}

/// The code, decoded from the front.
fn listing(sequence: &Sequence, mode: Mode) -> Vec<String> {
    let mut lines = Vec::new();
    let mut at = 0;
    while at < sequence.bytes.len() {
        let rest = &sequence.bytes[at..];
        let (text, len) = match decode_for(rest, mode, FEATURES) {
            Ok(insn) => (insn.to_string(), usize::from(insn.len)),
            Err(error) => (error.to_string(), 1),
        };
        lines.push(format!("{:#x}: {text} {:02x?}", CODE + at as u64, &rest[..len]));
        at += len;
    }
    lines
}
