//! Who tells a lane of each shard, and how far.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{Str, Timestamp};

use super::Partial;

/// By shard.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// The group judged by this policy before, and knows where every shard's queues stood then.
    pub is_known: bool,
    /// Shards that counted otherwise for a time.
    otherwise: BTreeSet<i32>,
    tellers: BTreeMap<i32, Teller>,
    frontiers: BTreeMap<i32, Timestamp>,
}

/// Who is heard of a shard.
#[derive(Debug)]
struct Teller {
    name: Str,
    /// Where the whole was told: the offset in the log, and the grid point that it is of.
    wholes: Vec<(i64, Option<Timestamp>)>,
    /// The grid point of the last whole, where it says nothing new.
    again: Option<Timestamp>,
}

/// Whether the whole that a shard told is ...
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum News {
    /// ... the first that was ever told of the shard by this policy.
    First,
    /// ... of a shard whose teller is another now.
    Anew,
    /// ... what is known.
    Again,
}

impl Heard {
    /// The whole is told by `name`, at `offset` of the log, of the grid point `at`.
    pub fn whole(&mut self, shard: i32, name: &Str, offset: i64, at: Option<Timestamp>) -> News {
        let Some(teller) = self.tellers.get_mut(&shard) else {
            self.tellers.insert(shard, Teller { name: name.clone(), wholes: vec![(offset, at)], again: None });
            return if self.otherwise.remove(&shard) || !self.is_known { News::First } else { News::Anew };
        };
        teller.wholes.push((offset, at));
        if teller.name == *name {
            teller.again = at;
            return News::Again;
        }
        (teller.name, teller.again) = (name.clone(), None);
        News::Anew
    }

    /// Whether what `name` says of a group counts, and is not known.
    pub fn is_news(&self, shard: i32, name: &Str, partial: &Partial) -> bool {
        let Some(teller) = self.tellers.get(&shard).filter(|teller| teller.name == *name) else { return false };
        teller.again != Some(partial.at) || partial.entered != 0 || partial.left != 0
    }

    /// Whether what `name` says of the shard counts.
    pub fn listens_to(&self, shard: i32, name: &Str) -> bool {
        self.tellers.get(&shard).is_some_and(|teller| teller.name == *name)
    }

    /// The shard has come to `frontier`.
    pub fn passed(&mut self, shard: i32, frontier: Timestamp) {
        self.frontiers.insert(shard, frontier);
    }

    /// The shard counts otherwise now: it is waited for.
    pub fn counts_otherwise(&mut self, shard: i32) {
        self.frontiers.remove(&shard);
        self.tellers.remove(&shard);
        self.otherwise.insert(shard);
    }

    /// What every one of so many shards has come to.
    pub fn by_all(&self, shards: usize) -> Option<Timestamp> {
        self.frontiers.values().copied().min().filter(|_| shards > 0 && self.frontiers.len() >= shards)
    }

    /// How far the shard has come.
    pub fn frontier(&self, shard: i32) -> Option<Timestamp> {
        self.frontiers.get(&shard).copied()
    }

    /// From which offset of the log on it must be read to know where every shard's queues stood at `judged`. Forgets
    /// what lies before.
    pub fn needed_from(&mut self, judged: Option<Timestamp>) -> Option<i64> {
        let base = |at: Option<Timestamp>| at.is_none_or(|at| judged.is_some_and(|judged| at <= judged));
        for teller in self.tellers.values_mut() {
            let last = teller.wholes.iter().rposition(|(_, at)| base(*at)).unwrap_or(0);
            teller.wholes.drain(..last);
        }
        self.tellers.values().filter_map(|teller| teller.wholes.first()).map(|(offset, _)| *offset).min()
    }
}
