//! Who tells a lane of each shard, and how far.

use std::collections::BTreeMap;

use crate::domain::{Str, Timestamp};

use super::Partial;

/// By shard.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// From which offset on each shard is heard: what lies before is known, or of tellers that were silenced.
    pub from: BTreeMap<i32, i64>,
    tellers: BTreeMap<i32, Teller>,
    frontiers: BTreeMap<i32, Timestamp>,
}

/// Who is heard of a shard.
#[derive(Debug)]
struct Teller {
    name: Str,
    began: Option<i64>,
    /// The number of the last record that was heard of it.
    last: u64,
    /// Where the whole was told: the offset in the log, and the grid point that it is of.
    wholes: Vec<(i64, Option<Timestamp>)>,
    /// The grid point of the last whole, where it says nothing new.
    again: Option<Timestamp>,
}

/// Who tells, and where in the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word<'a> {
    pub shard: i32,
    pub name: &'a Str,
    /// When that teller began, by its clock; `None` where nobody can speak who has lost the shard.
    pub began: Option<i64>,
    pub number: u64,
    pub offset: i64,
}

/// Whether the whole that a shard told is ...
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum News {
    /// ... the first that is heard of the shard.
    First,
    /// ... of a shard whose teller is another now.
    Anew,
    /// ... what is known.
    Again,
}

impl Heard {
    /// Whether the record is to be looked at at all: it was not, and its teller is not one that has lost the shard.
    pub fn takes(&self, word: Word<'_>) -> bool {
        if self.from.get(&word.shard).is_some_and(|from| word.offset < *from) {
            return false;
        }
        let Some(teller) = self.tellers.get(&word.shard) else { return true };
        match teller.name == *word.name {
            true => word.number > teller.last,
            false => !matches!((word.began, teller.began), (Some(began), Some(held)) if began < held),
        }
    }

    /// The record was looked at.
    pub fn took(&mut self, word: Word<'_>) {
        let teller = self.tellers.get_mut(&word.shard).filter(|teller| teller.name == *word.name);
        teller.into_iter().for_each(|teller| teller.last = word.number);
    }

    /// The whole is told of the grid point `at`.
    pub fn whole(&mut self, word: Word<'_>, at: Option<Timestamp>) -> News {
        let Word { shard, name, began, offset, .. } = word;
        let Some(teller) = self.tellers.get_mut(&shard) else {
            let wholes = vec![(offset, at)];
            self.tellers.insert(shard, Teller { name: name.clone(), began, last: 0, wholes, again: None });
            return News::First;
        };
        teller.wholes.push((offset, at));
        if teller.name == *name {
            teller.again = at;
            return News::Again;
        }
        (teller.name, teller.began, teller.last, teller.again) = (name.clone(), began, 0, None);
        // Until it has told all of the whole.
        self.frontiers.remove(&shard);
        News::Anew
    }

    /// Whether what `name` says of the shard counts.
    pub fn listens_to(&self, shard: i32, name: &Str) -> bool {
        self.tellers.get(&shard).is_some_and(|teller| teller.name == *name)
    }

    /// Whether what `name` says of a group counts, and is not known.
    pub fn is_news(&self, shard: i32, name: &Str, partial: &Partial) -> bool {
        let Some(teller) = self.tellers.get(&shard).filter(|teller| teller.name == *name) else { return false };
        teller.again != Some(partial.at) || partial.entered != 0 || partial.left != 0
    }

    /// The shard has come to `frontier`.
    pub fn passed(&mut self, shard: i32, frontier: Timestamp) {
        self.frontiers.insert(shard, frontier);
    }

    /// The shard counts otherwise now: it is waited for.
    pub fn counts_otherwise(&mut self, shard: i32) {
        self.frontiers.remove(&shard);
        self.tellers.remove(&shard);
    }

    /// What every one of so many shards has come to.
    pub fn by_all(&self, shards: usize) -> Option<Timestamp> {
        self.frontiers.values().copied().min().filter(|_| shards > 0 && self.frontiers.len() >= shards)
    }

    /// The same, whatever the stock has come to.
    pub fn by_shards(&self, shards: usize) -> Option<Timestamp> {
        let all = 0..i32::try_from(shards).unwrap_or(i32::MAX);
        all.map(|shard| self.frontier(shard)).min().flatten()
    }

    /// How far the shard has come.
    pub fn frontier(&self, shard: i32) -> Option<Timestamp> {
        self.frontiers.get(&shard).copied()
    }

    /// From which offset of the log on each shard must be heard to know where its queues stood at `done`. Forgets what lies
    /// before.
    pub fn needed_from(&mut self, done: Option<Timestamp>) -> BTreeMap<i32, i64> {
        let base = |at: Option<Timestamp>| at.is_none_or(|at| done.is_some_and(|done| at <= done));
        for teller in self.tellers.values_mut() {
            let last = teller.wholes.iter().rposition(|(_, at)| base(*at)).unwrap_or(0);
            teller.wholes.drain(..last);
        }
        let first = |(shard, teller): (&i32, &Teller)| Some((*shard, teller.wholes.first()?.0));
        self.tellers.iter().filter_map(first).collect()
    }
}
