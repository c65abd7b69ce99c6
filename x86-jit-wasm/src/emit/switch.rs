//! Indirect jumps that stay in a region: one switch to all that they are known to go to, at its beginning.
//!
//! A table of branches by a hash of the address, and a comparison behind each branch. A function with a switch has the address to
//! begin at as its last parameter, so that every arm is an entry: small functions of the usual type stand before it.

use super::body::{BUDGET, CPU, DEPTH, Function, at};
use crate::ir::Type;
use crate::layout::{reason, shared};
use alloc::vec;
use alloc::vec::Vec;
use wasm_encoder::BlockType;

/// Where addresses go in a table of a power of two of places.
pub(super) struct Table {
    factor: u32,
    bits: u32,
    /// Numbers of the addresses at each place.
    pub(super) places: Vec<Vec<usize>>,
}

/// Factors that are tried.
const TRIES: u32 = 64;

impl Table {
    /// The best of some tables.
    pub(super) fn of(addresses: &[u64]) -> Table {
        let bits = (2 * addresses.len()).next_power_of_two().trailing_zeros().max(2);
        let tables = (0..TRIES).map(|n| {
            // Odd numbers all over the range.
            let factor = 0x9e37_79b1_u32.wrapping_mul(2 * n + 1);
            let mut places = vec![Vec::new(); 1 << bits];
            for (number, address) in addresses.iter().enumerate() {
                places[((*address as u32).wrapping_mul(factor) >> (32 - bits)) as usize].push(number);
            }
            Table { factor, bits, places }
        });
        let best =
            tables.min_by_key(|table| table.places.iter().map(|place| place.len().pow(2)).sum::<usize>());
        best.unwrap_or(Table { factor: 1, bits, places: vec![Vec::new(); 1 << bits] })
    }

    /// How many places have more than one address.
    pub(super) fn shared(&self) -> usize {
        self.places.iter().filter(|place| place.len() > 1).count()
    }
}

impl Function {
    /// Leaves for the address in a local, and tells the engine so, if it is time for that: takes note of the jump and of the entry of its region.
    pub(super) fn report(&mut self, (jump, entry): (u64, u64), target: u32, charge: u32, depth: u32) {
        let rest = self.temporary(Type::I32);
        self.shared();
        self.shared();
        let mut sink = self.sink();
        sink.i32_load(at(shared::QUIET, 2)).i32_const(1).i32_sub().local_tee(rest);
        sink.i32_store(at(shared::QUIET, 2)).local_get(rest).i32_const(0).i32_lt_s();
        self.hardly();
        self.shared();
        self.sink().i64_const(jump as i64).i64_store(at(shared::ORIGIN, 3));
        self.shared();
        self.sink().i64_const(entry as i64).i64_store(at(shared::REGION, 3));
        self.leave_for(target, reason::LEARN, charge, depth + 1);
        self.sink().end();
    }

    /// Leaves before a switch if the budget is spent.
    pub(super) fn check_budget_of_switch(&mut self, depth: u32) {
        let rip = self.locals.rip;
        self.sink().local_get(BUDGET).i64_const(0).i64_le_s();
        self.hardly();
        self.leave_for(rip, reason::JUMP, 0, depth + 1);
        self.sink().end();
    }

    /// Begins the blocks of a switch, and branches. Outermost is that of addresses that are in no place, then those of arms, the first
    /// innermost.
    pub(super) fn open_switch(&mut self, addresses: &[u64], table: &Table) {
        let arms = addresses.len() as u32;
        let chains = table.shared() as u32;
        for _ in 0..=arms + chains {
            self.sink().block(BlockType::Empty);
        }
        let (rip, word) = (self.locals.rip, self.locals.word);
        let mut sink = self.sink();
        sink.local_get(rip);
        if word == Type::I64 {
            sink.i32_wrap_i64();
        }
        sink.i32_const(table.factor as i32).i32_mul().i32_const(32 - table.bits as i32).i32_shr_u();
        let mut chain = 0;
        let mut label = |place: &Vec<usize>| match place.as_slice() {
            [] => chains + arms,
            [arm] => chains + *arm as u32,
            _ => {
                chain += 1;
                chain - 1
            }
        };
        let labels: Vec<u32> = table.places.iter().map(&mut label).collect();
        sink.br_table(labels, chains + arms);
        // Of several addresses in one place, each is compared here; the arm compares once more.
        for (number, place) in (1..).zip(table.places.iter().filter(|place| place.len() > 1)) {
            self.sink().end();
            let out = chains - number;
            for arm in place {
                self.is_address(addresses[*arm]);
                self.sink().br_if(out + *arm as u32);
            }
            self.sink().br(out + arms);
        }
    }

    /// Ends the block of an arm, behind which it begins; where the address is another, control goes where the `rest` of the arms
    /// end.
    pub(super) fn begin_arm(&mut self, address: u64, rest: u32) {
        self.sink().end();
        self.is_address(address);
        self.sink().i32_eqz().br_if(rest);
    }

    fn is_address(&mut self, address: u64) {
        let (rip, word) = (self.locals.rip, self.locals.word);
        let mut sink = self.sink();
        sink.local_get(rip);
        match word {
            Type::I64 => sink.i64_const(address as i64).i64_eq(),
            _ => sink.i32_const(address as i32).i32_eq(),
        };
    }
}

/// An entry of the usual type of a function with a switch.
pub(super) fn entry(function: u32, word: Type, address: u64) -> wasm_encoder::Function {
    let mut entry = wasm_encoder::Function::new([]);
    let mut sink = entry.instructions();
    sink.local_get(CPU).local_get(DEPTH).local_get(BUDGET);
    match word {
        Type::I64 => sink.i64_const(address as i64),
        _ => sink.i32_const(address as i32),
    };
    sink.return_call(function).end();
    entry
}
