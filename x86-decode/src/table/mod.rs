//! The instruction table: one file per stretch of the opcode maps, the builders rows are written with, the index that
//! finds a row by its opcode, and the rules every row obeys.

mod avx_float;
mod avx_integer;
mod bits;
mod build;
mod check;
mod fma;
pub(crate) mod index;

mod map_0f_integer;
mod map_0f_system;
mod mmx;
mod one_byte_00;
mod one_byte_40;
mod one_byte_80;
mod one_byte_c0;
pub(crate) mod plain;
mod sse4;
mod sse_float;
mod sse_integer;
mod x87;

use crate::Row;

/// Of several rows that match, the first one here counts.
const PARTS: &[&[Row]] = &[
    one_byte_00::ROWS,
    one_byte_40::ROWS,
    one_byte_80::ROWS,
    one_byte_c0::ROWS,
    x87::ROWS,
    map_0f_system::ROWS,
    map_0f_integer::ROWS,
    mmx::ROWS,
    sse_integer::ROWS,
    sse_float::ROWS,
    sse4::ROWS,
    bits::ROWS,
    avx_float::ROWS,
    fma::ROWS,
    avx_integer::ROWS,
];

const COUNT: usize = {
    let mut count = 0;
    let mut part = 0;
    while part < PARTS.len() {
        count += PARTS[part].len();
        part += 1;
    }
    count
};

/// Every encoding the decoder knows; [`Row::id`] is the position here.
pub static ROWS: &[Row] = &ALL;

static ALL: [Row; COUNT] = {
    let mut all = [PARTS[0][0]; COUNT];
    let mut id = 0;
    let mut part = 0;
    while part < PARTS.len() {
        let mut i = 0;
        while i < PARTS[part].len() {
            all[id] = PARTS[part][i];
            all[id].id = id as u16;
            check::row(&all[id]);
            id += 1;
            i += 1;
        }
        part += 1;
    }
    all
};

/// A row where there is none yet.
pub(crate) static FIRST: Row = PARTS[0][0];
