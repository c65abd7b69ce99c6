//! Small loops are written several times, one behind the other.
//!
//! What is done at the beginning of each turn is then done at that of several: asking for the budget, the host's own asking for interrupts, moves of what changes
//! to where it was. And what an address is looked up for in one turn does for others, where a loop goes through memory.

use crate::region::{Block, End, Region, Target};
use crate::structure::Structure;
use alloc::vec;
use alloc::vec::Vec;

/// Instructions of all turns of a loop that are written, at most.
const TIGHT: usize = 48;
/// Turns that are written, at most.
const TURNS: usize = 4;
/// Instructions of a loop that is written twice, if it goes round in one way only.
const LONG: usize = 64;

/// Does so with all loops within which there is no other, and no call.
pub(crate) fn unroll(region: &mut Region) {
    let structure = Structure::of(region);
    let ways = structure.ways(region);
    for head in 0..region.blocks.len() {
        if structure.loops[head]
            && let Some(body) = body_of(region, &structure, &ways, head)
        {
            let insns: usize = body.iter().map(|block| region.blocks[*block].insns.len()).sum();
            write(region, &body, (TIGHT / insns.max(1)).clamp(2, TURNS));
        }
    }
}

/// The blocks of the turns of a loop that are written several times, its first one first. What goes round in other ways, as the loop around does of one that
/// control comes to first, goes on to the first turn.
fn body_of(region: &Region, structure: &Structure, ways: &[Vec<usize>], head: usize) -> Option<Vec<usize>> {
    let mut body = vec![head];
    let back: Vec<usize> = ways[head].iter().copied().filter(|from| structure.is_back(*from, head)).collect();
    let most = if back.len() == 1 { LONG } else { TIGHT / 2 };
    let mut turns = false;
    let is_plain =
        |block: usize| matches!(region.blocks[block].end, End::To(_) | End::Either { .. } | End::Elsewhere);
    for from in back {
        if let Some(with) = with_turn(region, ways, body.clone(), from, most)
            && with.iter().all(|block| is_plain(*block))
            && with.iter().all(|block| *block == head || !structure.loops[*block])
        {
            (body, turns) = (with, true);
        }
    }
    turns.then_some(body)
}

/// The blocks of a loop, of which some are known, with those that a turn ending at one may go through; none if they have too many instructions.
fn with_turn(
    region: &Region,
    ways: &[Vec<usize>],
    mut body: Vec<usize>,
    from: usize,
    most: usize,
) -> Option<Vec<usize>> {
    let length = |block: usize| region.blocks[block].insns.len();
    let mut insns: usize = body.iter().map(|block| length(*block)).sum();
    let mut open = vec![from];
    while let Some(block) = open.pop() {
        if insns > most {
            return None;
        }
        // All ways there come through the first block, as that dominates them.
        if !body.contains(&block) {
            insns += length(block);
            body.push(block);
            open.extend(&ways[block]);
        }
    }
    (insns <= most).then_some(body)
}

/// Writes a loop so many times.
fn write(region: &mut Region, body: &[usize], turns: usize) {
    let first = region.blocks.len();
    let place = |block: usize| body.iter().position(|other| *other == block);
    // Of a turn, where control goes on from it to: its own blocks, or the first of the next turn.
    let onward = |turn: usize, to: Target| match to {
        Target::Block(block) => match place(block) {
            Some(0) if turn + 1 < turns => Target::Block(first + turn * body.len()),
            Some(at) if at > 0 && turn > 0 => Target::Block(first + (turn - 1) * body.len() + at),
            _ => to,
        },
        Target::Leave(_) => to,
    };
    let end_in = |turn: usize, end: End| match end {
        End::To(to) => End::To(onward(turn, to)),
        End::Either { taken, next } => End::Either { taken: onward(turn, taken), next: onward(turn, next) },
        _ => end,
    };
    for turn in 1..turns {
        for block in body {
            let block = region.blocks[*block].clone();
            region.blocks.push(Block { end: end_in(turn, block.end), ..block });
        }
    }
    for block in body {
        region.blocks[*block].end = end_in(0, region.blocks[*block].end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::liveness::tests::{BASE, Bytes, SETTING};
    use crate::region::Limits;
    use x86_decode::FeatureSet;

    fn region(bytes: &[u8]) -> Region {
        Region::discover(&Bytes(bytes), BASE, SETTING, FeatureSet::ALL, Limits::default())
    }

    #[test]
    fn a_loop_is_written_four_times() {
        // inc eax; dec ecx; jne; ret: the last turn goes on to the first.
        let region = region(&[0x40, 0x49, 0x75, 0xfc, 0xc3]);
        let structure = Structure::of(&region);
        assert_eq!(region.blocks.iter().filter(|block| block.pc == BASE).count(), TURNS);
        assert_eq!(structure.loops.iter().filter(|head| **head).count(), 1);
    }

    #[test]
    fn a_loop_with_a_condition_too() {
        // test al, 1; jne over inc edx; dec ecx; jne; ret.
        let region = region(&[0xa8, 1, 0x75, 1, 0x42, 0x49, 0x75, 0xf8, 0xc3]);
        let structure = Structure::of(&region);
        assert_eq!(region.blocks.len(), 3 * TURNS + 1);
        assert_eq!(structure.loops.iter().filter(|head| **head).count(), 1);
    }
}
