//! Timers: at most one for each slot, ordered by the instant that the frontier must pass, and then by slot.
//!
//! Instants are gathered in buckets of about a minute. Only a bucket that has come first is sorted; in the others an entry
//! is a slot's number, and one whose timer has moved away is found out when its bucket comes first, or in a sweep.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::domain::Timestamp;

use super::chunks::Chunks;

/// Binary digits of the milliseconds in a bucket.
const BUCKET_BITS: u32 = 16;
/// So many stale entries are borne in any case.
const STALE: usize = 1 << 12;
/// No timer. No instant that is asked for: [`Timers::set`] takes the next one instead.
const NONE: Timestamp = Timestamp::MIN;

/// What is due when.
#[derive(Debug, Default)]
pub struct Timers {
    /// By slot.
    due: Chunks<Timestamp>,
    buckets: BTreeMap<i64, Bucket>,
    /// How many slots have a timer.
    set: usize,
    /// How many entries of loose buckets are of no timer, or of one that has another entry there.
    stale: usize,
}

/// The timers of one minute. Never empty.
#[derive(Debug)]
enum Bucket {
    /// With entries that do not count any more.
    Loose(Vec<u32>),
    /// Exact.
    Sorted(BTreeSet<(Timestamp, u32)>),
}

const fn bucket_of(due: Timestamp) -> i64 {
    due.as_millis() >> BUCKET_BITS
}

impl Timers {
    /// Sets, moves or takes away a slot's timer.
    pub fn set(&mut self, slot: u32, new: Option<Timestamp>) {
        let new = new.map_or(NONE, |new| new.max(NONE.next()));
        while self.due.len() <= slot as usize {
            self.due.push(NONE);
        }
        let Some(due) = self.due.get_mut(slot) else { return };
        let old = std::mem::replace(due, new);
        if old == new {
            return;
        }
        let stays = new != NONE && old != NONE && bucket_of(old) == bucket_of(new);
        if old != NONE {
            self.set -= 1;
            self.remove(slot, old, stays);
        }
        if new != NONE {
            self.set += 1;
            self.insert(slot, new, stays);
        }
        if self.stale > self.set / 2 + STALE {
            self.sweep();
        }
        self.sort_first();
    }

    /// Whether a slot has one.
    pub fn has(&self, slot: u32) -> bool {
        self.due.get(slot).is_some_and(|due| *due != NONE)
    }

    /// The earliest.
    pub fn next(&self) -> Option<Timestamp> {
        match self.buckets.first_key_value()?.1 {
            Bucket::Sorted(entries) => entries.first().map(|&(due, _)| due),
            Bucket::Loose(_) => None,
        }
    }

    /// Takes the earliest, where the frontier is past it.
    pub fn pop_due(&mut self, frontier: Timestamp) -> Option<u32> {
        let mut first = self.buckets.first_entry()?;
        let Bucket::Sorted(entries) = first.get_mut() else { return None };
        let &(_, slot) = entries.first().filter(|(due, _)| *due < frontier)?;
        entries.pop_first();
        if entries.is_empty() {
            first.remove();
        }
        if let Some(due) = self.due.get_mut(slot) {
            *due = NONE;
        }
        self.set -= 1;
        self.sort_first();
        Some(slot)
    }

    /// `stays`: it moves within its bucket.
    fn remove(&mut self, slot: u32, old: Timestamp, stays: bool) {
        match self.buckets.get_mut(&bucket_of(old)) {
            Some(Bucket::Sorted(entries)) => {
                entries.remove(&(old, slot));
                if entries.is_empty() {
                    self.buckets.remove(&bucket_of(old));
                }
            }
            Some(Bucket::Loose(_)) => self.stale += usize::from(!stays),
            None => {}
        }
    }

    fn insert(&mut self, slot: u32, new: Timestamp, stays: bool) {
        let bucket = self.buckets.entry(bucket_of(new)).or_insert_with(|| Bucket::Loose(Vec::new()));
        match bucket {
            Bucket::Sorted(entries) => {
                entries.insert((new, slot));
            }
            Bucket::Loose(entries) if entries.is_empty() || !stays => entries.push(slot),
            Bucket::Loose(_) => {}
        }
    }

    /// Sees to it that the first bucket is exact.
    fn sort_first(&mut self) {
        while let Some(mut first) = self.buckets.first_entry() {
            let key = *first.key();
            let Bucket::Loose(entries) = first.get_mut() else { return };
            let due = &self.due;
            let is_here = |slot: &u32| due.get(*slot).copied().filter(|due| *due != NONE && bucket_of(*due) == key);
            let exact: BTreeSet<_> = entries.iter().filter_map(|slot| Some((is_here(slot)?, *slot))).collect();
            self.stale -= entries.len() - exact.len();
            if exact.is_empty() {
                first.remove();
            } else {
                *first.get_mut() = Bucket::Sorted(exact);
            }
        }
    }

    /// Removes every stale entry.
    fn sweep(&mut self) {
        let due = &self.due;
        self.buckets.retain(|key, bucket| {
            let Bucket::Loose(entries) = bucket else { return true };
            entries.sort_unstable();
            entries.dedup();
            entries.retain(|slot| due.get(*slot).is_some_and(|due| *due != NONE && bucket_of(*due) == *key));
            entries.shrink_to_fit();
            !entries.is_empty()
        });
        self.stale = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Act {
        Set(u32, Option<i64>),
        Pop(i64),
    }

    fn act() -> impl Strategy<Value = Act> {
        let instant = prop_oneof![0..400_000_i64, Just(i64::MIN), Just(i64::MAX)];
        prop_oneof![
            (0..40_u32, proptest::option::of(instant.clone())).prop_map(|(slot, at)| Act::Set(slot, at)),
            instant.prop_map(Act::Pop),
        ]
    }

    proptest! {
        /// As a sorted set of all timers would.
        #[test]
        fn the_earliest_fires_first_whatever_was_moved(acts in proptest::collection::vec(act(), 0..400), sweep in 1..50usize) {
            let (mut timers, mut plain) = (Timers::default(), BTreeMap::<u32, Timestamp>::new());
            let first = |plain: &BTreeMap<u32, Timestamp>| plain.iter().map(|(slot, due)| (*due, *slot)).min();
            for (i, act) in acts.into_iter().enumerate() {
                match act {
                    Act::Set(slot, at) => {
                        let at = at.map(|at| Timestamp::from_millis(at).max(NONE.next()));
                        timers.set(slot, at);
                        plain.remove(&slot);
                        plain.extend(at.map(|at| (slot, at)));
                    }
                    Act::Pop(frontier) => {
                        let frontier = Timestamp::from_millis(frontier);
                        let due = first(&plain).filter(|(due, _)| *due < frontier).map(|(_, slot)| slot);
                        prop_assert_eq!(timers.pop_due(frontier), due);
                        due.map(|slot| plain.remove(&slot));
                    }
                }
                if i % sweep == 0 {
                    timers.sweep();
                    timers.sort_first();
                }
                prop_assert_eq!(timers.next(), first(&plain).map(|(due, _)| due));
            }
        }
    }

    #[test]
    fn what_moves_on_and_on_leaves_little_behind() {
        let mut timers = Timers::default();
        for round in 0..1_000 {
            for slot in 0..100 {
                timers.set(slot, Some(Timestamp::from_millis((1_000_000 - round) << BUCKET_BITS)));
            }
        }
        for round in 0..1_000 {
            for slot in 0..100 {
                timers.set(slot, Some(Timestamp::from_millis((2_000_000 + round) << BUCKET_BITS)));
            }
        }
        let loose = timers.buckets.values().map(|bucket| match bucket {
            Bucket::Loose(entries) => entries.len(),
            Bucket::Sorted(entries) => entries.len(),
        });
        let kept: usize = loose.sum();
        assert!(kept <= 100 + 100 / 2 + STALE + 1, "{kept} entries for 100 timers");
        assert_eq!(timers.next(), Some(Timestamp::from_millis(2_000_999 << BUCKET_BITS)));
    }
}
