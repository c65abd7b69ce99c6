//! A set of block numbers, kept as ranges.

use std::collections::BTreeMap;

/// Numbers, as disjoint ranges that do not touch (start to end).
#[derive(Debug, Default)]
pub(super) struct RangeSet(BTreeMap<u64, u64>);

impl RangeSet {
    pub(super) fn contains(&self, number: u64) -> bool {
        self.0.range(..=number).next_back().is_some_and(|(_, end)| number < *end)
    }

    pub(super) fn insert(&mut self, number: u64) {
        if self.contains(number) {
            return;
        }
        let mut end = number + 1;
        if let Some(next_end) = self.0.remove(&end) {
            end = next_end;
        }
        match self.0.range_mut(..number).next_back() {
            Some((_, before_end)) if *before_end == number => *before_end = end,
            _ => {
                self.0.insert(number, end);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::RangeSet;

    #[test]
    fn behaves_like_a_set() {
        let (mut set, mut model) = (RangeSet::default(), std::collections::BTreeSet::new());
        let mut seed = 7u64;
        for _ in 0..300 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let number = (seed >> 33) % 60;
            set.insert(number);
            model.insert(number);
            if seed >> 59 == 0 {
                set.clear();
                model.clear();
            }
            assert!((0..61).all(|n| set.contains(n) == model.contains(&n)));
            let ranges: Vec<_> = set.0.iter().collect();
            assert!(ranges.windows(2).all(|pair| pair[0].1 < pair[1].0), "ranges neither touch nor overlap");
        }
    }
}
