//! Whether it is worth to go from translated code to the other engine and back: code that is left again and again after a few instructions, for
//! one that is not translated or code that is written anew each time, is better off in the other engine altogether.

use super::CHANGE;

/// Changes that are looked at together.
const CHANGES: u32 = 64;
/// Instructions that the other engine then does by itself, at first and at most.
const SHORT: u64 = 1 << 12;
const LONG: u64 = 1 << 18;

/// What changes were worth.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Changes {
    count: u32,
    /// Instructions that translated code had done when counting began.
    since: u64,
    /// So many the other engine did by itself the last time.
    last: u64,
    /// Instructions that it is to do by itself now.
    pub(super) alone: u64,
}

impl Changes {
    /// Takes note of a change to the other engine when translated code has done so many instructions.
    pub(super) fn note(&mut self, translated: u64) {
        self.count += 1;
        if self.count < CHANGES {
            return;
        }
        let done = translated.saturating_sub(self.since);
        let pays = done >= u64::from(CHANGES) * CHANGE;
        let alone = if pays { 0 } else { (2 * self.last).clamp(SHORT, LONG) };
        *self = Changes { count: 0, since: translated, last: alone, alone };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_after_a_few_instructions_is_left_alone_for_longer_and_longer() {
        let mut changes = Changes::default();
        let mut done = 0;
        let mut after = |each: u64| {
            for _ in 0..CHANGES {
                done += each;
                changes.note(done);
            }
            core::mem::take(&mut changes.alone)
        };
        let times = [CHANGE, CHANGE - 1, 5, 5, 2 * CHANGE, 0].map(&mut after);
        assert_eq!(times, [0, SHORT, 2 * SHORT, 4 * SHORT, 0, SHORT]);
        assert_eq!((0..20).map(|_| after(1)).max(), Some(LONG));
    }
}
