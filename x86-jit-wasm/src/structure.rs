//! Structured control flow from blocks and jumps, by dominators (Ramsey, "Beyond Relooper", ICFP 2022).
//!
//! A jump to a block that dominates the jump is the end of a loop. One backwards to any other block enters a loop at its side:
//! such a jump leaves the region, and comes back through the entry of another.

use crate::region::{End, Region, Target};
use alloc::vec;
use alloc::vec::Vec;

/// What is known of the blocks.
pub(crate) struct Structure {
    /// Blocks in reverse postorder.
    pub(crate) order: Vec<usize>,
    /// Position of each block in it; none of one that is not reached.
    position: Vec<Option<usize>>,
    /// Immediate dominator of each block.
    parent: Vec<usize>,
    /// Blocks that a jump from behind goes to, and which dominate it.
    pub(crate) loops: Vec<bool>,
    /// Blocks that more than one jump from before goes to.
    pub(crate) merges: Vec<bool>,
}

/// The blocks that control may go to from the end of one.
pub(crate) fn successors(region: &Region, block: usize) -> impl Iterator<Item = usize> {
    let (a, b, arms) = match region.blocks[block].end {
        End::To(to) | End::Call { next: to } => (Some(to), None, [].as_slice()),
        End::Either { taken, next } => (Some(taken), Some(next), [].as_slice()),
        End::Indirect { inside: true, .. } => (Some(Target::Block(0)), None, [].as_slice()),
        End::Switch { .. } => (None, None, region.arms.as_slice()),
        End::Indirect { inside: false, .. } | End::Elsewhere => (None, None, [].as_slice()),
    };
    let blocks = [a, b].into_iter().flatten().filter_map(|target| match target {
        Target::Block(block) => Some(block),
        Target::Leave(_) => None,
    });
    let guesses = &region.blocks[block].guesses;
    blocks.chain(arms.iter().chain(guesses).map(|(_, block)| *block))
}

impl Structure {
    pub(crate) fn of(region: &Region) -> Structure {
        let count = region.blocks.len();
        let order = reverse_postorder(region);
        let mut position = vec![None; count];
        for (at, block) in order.iter().enumerate() {
            position[*block] = Some(at);
        }
        let mut structure = Structure {
            order,
            position,
            parent: vec![0; count],
            loops: vec![false; count],
            merges: vec![false; count],
        };
        structure.dominate(region);
        let mut forward = vec![0; count];
        for from in structure.order.clone() {
            for to in successors(region, from) {
                if structure.is_back(from, to) {
                    structure.loops[to] |= structure.dominates(to, from);
                } else {
                    forward[to] += 1;
                }
            }
        }
        for (merge, count) in structure.merges.iter_mut().zip(forward) {
            *merge = count > 1;
        }
        structure
    }

    /// Whether a jump goes backwards, in the order of the blocks.
    pub(crate) fn is_back(&self, from: usize, to: usize) -> bool {
        self.position[to] <= self.position[from]
    }

    /// From where control comes to each block without leaving the region.
    pub(crate) fn ways(&self, region: &Region) -> Vec<Vec<usize>> {
        let mut ways = vec![Vec::new(); region.blocks.len()];
        for &from in &self.order {
            for to in successors(region, from) {
                if !self.is_back(from, to) || self.dominates(to, from) {
                    ways[to].push(from);
                }
            }
        }
        ways
    }

    pub(crate) fn dominates(&self, above: usize, mut below: usize) -> bool {
        while self.position[below] > self.position[above] {
            below = self.parent[below];
        }
        below == above
    }

    /// The blocks that a block dominates immediately, the last in the order first.
    pub(crate) fn children(&self, block: usize) -> impl Iterator<Item = usize> {
        self.order.iter().rev().copied().filter(move |child| *child != block && self.parent[*child] == block)
    }

    /// Cooper, Harvey and Kennedy, "A Simple, Fast Dominance Algorithm".
    fn dominate(&mut self, region: &Region) {
        let count = region.blocks.len();
        let mut before = vec![Vec::new(); count];
        for &from in &self.order {
            successors(region, from).for_each(|to| before[to].push(from));
        }
        let mut known = vec![false; count];
        known[0] = true;
        let mut changed = true;
        while changed {
            changed = false;
            for at in 1..self.order.len() {
                let block = self.order[at];
                let mut parents = before[block].iter().copied().filter(|from| known[*from]);
                let Some(first) = parents.next() else { continue };
                let parent = parents.fold(first, |a, b| self.common(a, b));
                changed |= !known[block] || self.parent[block] != parent;
                (known[block], self.parent[block]) = (true, parent);
            }
        }
    }

    fn common(&self, mut a: usize, mut b: usize) -> usize {
        while a != b {
            if self.position[a] > self.position[b] {
                a = self.parent[a];
            } else {
                b = self.parent[b];
            }
        }
        a
    }
}

fn reverse_postorder(region: &Region) -> Vec<usize> {
    let mut seen = vec![false; region.blocks.len()];
    let mut order = Vec::new();
    let mut open = vec![(0, false)];
    while let Some((block, done)) = open.pop() {
        if done {
            order.push(block);
        } else if !core::mem::replace(&mut seen[block], true) {
            open.push((block, true));
            open.extend(successors(region, block).map(|next| (next, false)));
        }
    }
    order.reverse();
    order
}
