//! What a partition of `exceptions-current` says was told of a shard. Pure.
//!
//! Of several states of one exception the later one counts, as for every subscriber, and not the last in the log: nothing
//! fences a process that stood still (`at_least_once`), so what it says may come behind what its heir has said.

use std::collections::BTreeMap;

use crate::domain::{Exception, ExceptionId};

/// Takes the records in, in the order of the log.
#[derive(Debug)]
pub struct Told {
    /// Up to which offset the commits say that the shard has published.
    named: i64,
    newest: BTreeMap<Vec<u8>, Newest>,
    ahead: Vec<Exception>,
}

#[derive(Debug)]
struct Newest {
    exception: Exception,
    /// An older state lies behind it, and compaction would keep that one.
    is_overtaken: bool,
    /// Nobody knows whether who said it had the shard.
    is_doubted: bool,
}

/// What was told.
#[derive(Debug)]
pub struct Published {
    /// The latest state of each exception.
    pub last: Vec<Exception>,
    /// Those of them that an older state lies behind: they are to be written again.
    pub overtaken: Vec<Exception>,
    /// What may have been said by somebody who had lost the shard: it is beyond the commits, or two said the same exception
    /// differently.
    pub doubted: Vec<ExceptionId>,
    /// What was published and not committed (`at_least_once`), in the order of the log.
    pub ahead: Vec<Exception>,
    /// Where the next record goes.
    pub next: i64,
}

impl Told {
    /// Nothing was read yet; the commits name the offset `named`.
    pub fn new(named: i64) -> Self {
        Told { named, newest: BTreeMap::new(), ahead: Vec::new() }
    }

    /// The next record; `None` is a tombstone.
    pub fn take(&mut self, key: &[u8], offset: i64, exception: Option<Exception>) {
        let Some(exception) = exception else {
            self.newest.remove(key);
            return;
        };
        if offset >= self.named {
            self.ahead.push(exception.clone());
        }
        let held = self.newest.get_mut(key);
        let differs = |held: &&mut Newest| held.exception.age() >= exception.age() && !held.exception.says(&exception);
        let was_doubted = held.as_ref().is_some_and(|held| held.is_doubted || differs(held));
        let is_doubted = was_doubted || offset >= self.named;
        match held {
            Some(held) if held.exception.age() > exception.age() => {
                (held.is_overtaken, held.is_doubted) = (true, is_doubted)
            }
            _ => {
                let newest = Newest { exception, is_overtaken: false, is_doubted };
                self.newest.insert(key.to_vec(), newest);
            }
        }
    }

    /// All of it is read; the next record goes to `next`.
    pub fn end(self, next: i64) -> Published {
        let overtaken = self.newest.values().filter(|newest| newest.is_overtaken);
        let doubted = self.newest.values().filter(|newest| newest.is_doubted);
        Published {
            overtaken: overtaken.map(|newest| newest.exception.clone()).collect(),
            doubted: doubted.map(|newest| newest.exception.exception_id.clone()).collect(),
            last: self.newest.into_values().map(|newest| newest.exception).collect(),
            ahead: self.ahead,
            next,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::samples::sla;
    use crate::domain::{Status, Timestamp};

    const NAMED: i64 = 2;

    fn state(status: Status, frontier: i64, sequence: u32) -> Exception {
        Exception { status, frontier: Timestamp::from_millis(frontier), sequence, ..sla() }
    }

    fn told(states: &[Option<Exception>]) -> Published {
        let mut told = Told::new(NAMED);
        for (offset, state) in (0..).zip(states) {
            told.take(b"e", offset, state.clone());
        }
        told.end(states.len() as i64)
    }

    #[test]
    fn the_later_state_counts_and_is_written_again_where_an_older_one_lies_behind_it() {
        let (opened, resolved) = (state(Status::Opened, 5, 2), state(Status::Resolved, 5, 3));
        let in_order = told(&[Some(opened.clone()), Some(resolved.clone())]);
        assert_eq!((in_order.last.as_slice(), in_order.overtaken.len()), (&[resolved.clone()][..], 0));

        let late = told(&[Some(opened.clone()), Some(resolved.clone()), Some(opened.clone())]);
        assert_eq!((&late.last[..], &late.overtaken[..]), (&[resolved.clone()][..], &[resolved.clone()][..]));
        assert_eq!(late.ahead, std::slice::from_ref(&opened), "it is ahead of what the commits name all the same");

        assert_eq!(late.doubted.len(), 1);

        let told_again = told(&[Some(resolved.clone()), Some(opened), Some(resolved.clone())]);
        assert_eq!((&told_again.last[..], told_again.overtaken.len()), (&[resolved][..], 0));
    }

    /// A process that stood still and its heir, each from where the commits were.
    #[test]
    fn of_two_that_are_as_late_the_last_one_counts_and_is_doubted() {
        let (opened, resolved) = (state(Status::Opened, 5, 2), state(Status::Resolved, 7, 3));
        let cancelled = state(Status::Cancelled, 7, 3);
        let sure = told(&[Some(opened.clone()), Some(resolved.clone())]);
        assert_eq!((sure.last.len(), sure.doubted.len()), (1, 0));
        let differs = told(&[Some(resolved.clone()), Some(cancelled.clone())]);
        assert_eq!((&differs.last[..], differs.doubted.len()), (&[cancelled][..], 1));
        let again = told(&[Some(resolved.clone()), Some(resolved)]);
        assert_eq!(again.doubted.len(), 0, "the same told twice");
        let beyond = told(&[None, None, Some(opened)]);
        assert_eq!(beyond.doubted.len(), 1, "beyond the commits");
    }

    #[test]
    fn a_tombstone_ends_all_that_was_before_it() {
        let (old, new) = (state(Status::Resolved, 9, 7), state(Status::AtRisk, 3, 1));
        let begun_anew = told(&[Some(old), None, Some(new.clone())]);
        assert_eq!((&begun_anew.last[..], begun_anew.overtaken.len()), (&[new][..], 0));
    }
}
