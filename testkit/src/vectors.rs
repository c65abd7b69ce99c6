//! Outcomes of the real processor, recorded, so that engines are compared with it where it is not.
//!
//! The inputs are [`crate::trials`], drawn again from the row's seed; recorded is what came of them, as the difference
//! from the input. For every row and mode the first [`RECORDED`] outcomes stand in full; of the first
//! [`DIGESTED`], blocks of [`BLOCK`] have a digest, which says that something differs and roughly where.

use crate::compare::COMPARED_FLAGS;
use crate::layout::CODE;
use crate::outcome::{Outcome, Ran, Trap};
use crate::state::fx;
use crate::trials::Trial;
use std::collections::BTreeMap;
use x86_decode::Mode;

/// Outcomes recorded in full of each row and mode.
pub const RECORDED: usize = 30;
/// Outcomes that the digests cover.
pub const DIGESTED: usize = 1000;
/// Outcomes of one digest.
pub const BLOCK: usize = 50;

/// The file's first bytes: its format.
const MAGIC: &[u8; 8] = b"x86vec 1";

/// The file in the repository.
pub fn committed() -> Result<File, &'static str> {
    File::parse(include_bytes!("../vectors.bin"))
}

/// Where it lies.
pub const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors.bin");

/// A 64-bit digest, of eight bytes at a time.
pub fn digest(bytes: &[u8]) -> u64 {
    bytes.chunks(8).fold(0xcbf2_9ce4_8422_2325 ^ bytes.len() as u64, |sum, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        let mixed = (sum ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ mixed >> 29
    })
}

/// A digest of several parts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Digest(u64);

impl Digest {
    /// Takes another part in.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0 = (self.0.rotate_left(5) ^ digest(bytes)).wrapping_mul(0x2545_f491_4f6c_dd1d);
    }

    /// Takes everything in that a trial starts from.
    pub fn add_trial(&mut self, trial: &Trial) {
        self.add(&trial.case.bytes);
        trial.state.gpr.iter().for_each(|reg| self.add(&reg.to_le_bytes()));
        self.add(&trial.state.rflags.to_le_bytes());
        self.add(&trial.state.fx);
        trial.state.ymm_high.iter().for_each(|reg| self.add(&reg.to_le_bytes()));
        self.add(&trial.data);
    }

    /// What it comes to.
    pub fn value(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// One row's outcomes in one mode.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Digest of the inputs of the outcomes in full. If it is another one, the generator has changed.
    pub inputs: u32,
    /// Outcomes in full, encoded one behind the other.
    pub outcomes: Vec<u8>,
    /// How many they are.
    pub count: u16,
    /// Digests of blocks of encoded outcomes. None where results may differ in the last place.
    pub digests: Vec<u32>,
}

/// Records by [`crate::trials::key`] and mode (32 or 64).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct File {
    /// The records.
    pub records: BTreeMap<(u32, u8), Record>,
}

/// The number that stands for a mode.
pub fn mode_bits(mode: Mode) -> u8 {
    match mode {
        Mode::Bits16 => 16,
        Mode::Bits32 => 32,
        Mode::Bits64 => 64,
    }
}

impl File {
    /// Reads a file.
    pub fn parse(bytes: &[u8]) -> Result<File, &'static str> {
        let body = bytes.strip_prefix(MAGIC).ok_or("not a file of vectors, or of another format")?;
        let body = miniz_oxide::inflate::decompress_to_vec(body).map_err(|_| "damaged vectors")?;
        let mut reader = Reader(&body);
        let mut file = File::default();
        let count = reader.number(4)?;
        for _ in 0..count {
            let at = (reader.number(4)? as u32, reader.number(1)? as u8);
            let mut record = Record {
                inputs: reader.number(4)? as u32,
                count: reader.number(2)? as u16,
                ..Record::default()
            };
            for _ in 0..reader.number(1)? {
                record.digests.push(reader.number(4)? as u32);
            }
            let len = reader.number(4)? as usize;
            record.outcomes = reader.take(len)?.to_vec();
            file.records.insert(at, record);
        }
        Ok(file)
    }

    /// Writes a file.
    pub fn format(&self) -> Vec<u8> {
        let mut body = (self.records.len() as u32).to_le_bytes().to_vec();
        for ((key, mode), record) in &self.records {
            body.extend(key.to_le_bytes());
            body.push(*mode);
            body.extend(record.inputs.to_le_bytes());
            body.extend(record.count.to_le_bytes());
            body.push(record.digests.len() as u8);
            record.digests.iter().for_each(|digest| body.extend(digest.to_le_bytes()));
            body.extend((record.outcomes.len() as u32).to_le_bytes());
            body.extend(&record.outcomes);
        }
        let mut out = MAGIC.to_vec();
        out.extend(miniz_oxide::deflate::compress_to_vec(&body, 10));
        out
    }
}

/// Makes a record, outcome by outcome.
#[derive(Clone, Debug)]
pub struct Recorder {
    record: Record,
    inputs: Digest,
    block: Digest,
    seen: usize,
    digests: bool,
}

impl Recorder {
    /// Of a row whose results are exact, or not.
    pub fn new(exact: Exact) -> Recorder {
        Recorder {
            record: Record::default(),
            inputs: Digest::default(),
            block: Digest::default(),
            seen: 0,
            digests: exact == Exact::Yes,
        }
    }

    /// The next outcome, without what does not count.
    pub fn add(&mut self, trial: &Trial, outcome: &Ran) {
        let bytes = encode(trial, outcome);
        if self.seen < RECORDED {
            self.inputs.add_trial(trial);
            self.record.inputs = self.inputs.value();
            self.record.outcomes.extend(&bytes);
            self.record.count += 1;
        }
        self.seen += 1;
        if self.digests && self.seen <= DIGESTED {
            self.block.add(&bytes);
            if self.seen.is_multiple_of(BLOCK) {
                self.record.digests.push(self.block.value());
                self.block = Digest::default();
            }
        }
    }

    /// The record.
    pub fn finish(self) -> Record {
        self.record
    }
}

/// Whether a row's results are the same bits on every processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exact {
    /// They are.
    Yes,
    /// Up to one unit in the last place.
    Nearly,
}

// What an encoded outcome holds.
const TAKEN: u8 = 1;
const TRAP: u8 = 2;
const GPR: u8 = 4;
const CONTROL: u8 = 8;
const X87: u8 = 16;
const VECTORS: u8 = 32;
const MEMORY: u8 = 64;
const FLAGS: u8 = 128;

/// Parts of the FXSAVE image that are compared, besides registers.
pub(crate) const CONTROL_FIELDS: [(usize, usize); 7] =
    [(fx::FCW, 2), (fx::FSW, 2), (fx::FTW, 1), (fx::FOP, 2), (fx::FIP, 8), (fx::FDP, 8), (fx::MXCSR, 4)];

/// An outcome as its difference from the input.
pub fn encode(trial: &Trial, ran: &Ran) -> Vec<u8> {
    let (before, after) = (&trial.state, &ran.outcome.state);
    let mut out = vec![0];
    let mut kinds = 0;
    if ran.outcome.taken {
        kinds |= TAKEN;
    }
    if let Some(trap) = ran.outcome.trap {
        kinds |= TRAP;
        out.push(trap.vector as u8);
        out.extend((trap.error as u16).to_le_bytes());
        out.extend(trap.address.to_le_bytes());
        out.extend(trap.rip.wrapping_sub(CODE).to_le_bytes());
    }
    if before.rflags & COMPARED_FLAGS != after.rflags {
        kinds |= FLAGS;
        out.extend((after.rflags as u16).to_le_bytes());
    }
    if before.gpr != after.gpr {
        kinds |= GPR;
        out.extend(mask(16, |n| before.gpr[n] != after.gpr[n]).to_le_bytes());
        for (old, new) in before.gpr.iter().zip(after.gpr).filter(|(old, new)| *old != new) {
            out.extend((old ^ new).to_le_bytes());
        }
    }
    if CONTROL_FIELDS.iter().any(|(at, len)| before.fx[*at..at + len] != after.fx[*at..at + len]) {
        kinds |= CONTROL;
        CONTROL_FIELDS.iter().for_each(|(at, len)| out.extend(&after.fx[*at..at + len]));
    }
    let x87 = mask(8, |n| before.st(n) != after.st(n));
    if x87 != 0 {
        kinds |= X87;
        out.push(x87 as u8);
        (0..8).filter(|n| x87 >> n & 1 != 0).for_each(|n| out.extend(after.st(n)));
    }
    let low = mask(16, |n| before.xmm(n) != after.xmm(n));
    let high = mask(16, |n| before.ymm_high[n] != after.ymm_high[n]);
    if low | high != 0 {
        kinds |= VECTORS;
        out.extend(low.to_le_bytes());
        out.extend(high.to_le_bytes());
        (0..16).filter(|n| low >> n & 1 != 0).for_each(|n| out.extend(after.xmm(n).to_le_bytes()));
        (0..16).filter(|n| high >> n & 1 != 0).for_each(|n| out.extend(after.ymm_high[n].to_le_bytes()));
    }
    let ranges = changes(&trial.data, &ran.data);
    if !ranges.is_empty() {
        kinds |= MEMORY;
        out.push(ranges.len() as u8);
        for range in ranges {
            out.extend((range.start as u16).to_le_bytes());
            out.extend((range.len() as u16).to_le_bytes());
            out.extend(&ran.data[range]);
        }
    }
    out[0] = kinds;
    out
}

fn mask(count: usize, differs: impl Fn(usize) -> bool) -> u16 {
    (0..count).filter(|n| differs(*n)).map(|n| 1 << n).sum()
}

/// Ranges that differ, those close to each other as one.
fn changes(before: &[u8], after: &[u8]) -> Vec<core::ops::Range<usize>> {
    let mut out: Vec<core::ops::Range<usize>> = Vec::new();
    if before == after {
        return out;
    }
    for at in (0..before.len()).filter(|at| before[*at] != after[*at]) {
        let full = out.len() == 255;
        match out.last_mut() {
            Some(last) if at - last.end < 8 || full => last.end = at + 1,
            _ => out.push(at..at + 1),
        }
    }
    out
}

/// Bytes that are read from the front.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], &'static str> {
        let (front, rest) = self.0.split_at_checked(len).ok_or("the vectors end early")?;
        self.0 = rest;
        Ok(front)
    }

    fn number(&mut self, len: usize) -> Result<u64, &'static str> {
        let mut bytes = [0; 8];
        bytes[..len].copy_from_slice(self.take(len)?);
        Ok(u64::from_le_bytes(bytes))
    }

    fn wide(&mut self) -> Result<u128, &'static str> {
        Ok(u128::from(self.number(8)?) | u128::from(self.number(8)?) << 64)
    }

    /// The next outcome, of this trial.
    pub fn outcome(&mut self, trial: &Trial) -> Result<Ran, &'static str> {
        let mut state = trial.state.clone();
        let mut data = trial.data.clone();
        let kinds = self.number(1)? as u8;
        let mut trap = None;
        if kinds & TRAP != 0 {
            let vector = self.number(1)?;
            let error = self.number(2)?;
            let address = self.number(8)?;
            let rip = CODE.wrapping_add(self.number(8)?);
            trap = Some(Trap { vector, error, address, rip });
        }
        if kinds & FLAGS != 0 {
            state.rflags = self.number(2)?;
        }
        if kinds & GPR != 0 {
            let mask = self.number(2)?;
            for n in (0..16).filter(|n| mask >> n & 1 != 0) {
                state.gpr[n] ^= self.number(8)?;
            }
        }
        if kinds & CONTROL != 0 {
            for (at, len) in CONTROL_FIELDS {
                state.fx[at..at + len].copy_from_slice(self.take(len)?);
            }
        }
        if kinds & X87 != 0 {
            let mask = self.number(1)?;
            for at in (0..8).filter(|n| mask >> n & 1 != 0).map(|n| fx::ST + 16 * n) {
                state.fx[at..at + 10].copy_from_slice(self.take(10)?);
            }
        }
        if kinds & VECTORS != 0 {
            let (low, high) = (self.number(2)?, self.number(2)?);
            for n in (0..16).filter(|n| low >> n & 1 != 0) {
                let value = self.wide()?;
                state.set_ymm(n, [value, state.ymm_high[n]]);
            }
            for n in (0..16).filter(|n| high >> n & 1 != 0) {
                state.ymm_high[n] = self.wide()?;
            }
        }
        if kinds & MEMORY != 0 {
            for _ in 0..self.number(1)? {
                let (at, len) = (self.number(2)? as usize, self.number(2)? as usize);
                let bytes = self.take(len)?;
                data.get_mut(at..at + len).ok_or("memory outside of the page")?.copy_from_slice(bytes);
            }
        }
        Ok(Ran { outcome: Outcome { state, taken: kinds & TAKEN != 0, trap }, data })
    }
}
