//! Backlogs, judged in two phases: a shard makes [`Partials`] of its own orders, [`BacklogSum`] adds the shards up and
//! judges (DESIGN section 6).
//!
//! Both look at record time through a grid. The value of a group at grid point `t` counts the orders that stand in the
//! queue at `t` by event_time, from every record read when the frontier passes `t + grace`. A shard speaks of a grid
//! point only where something changed there; the sum judges a grid point only once every shard has passed it, with each
//! shard's value at that very point. So a shard that lags raises and clears nothing, and a year is caught up with in as
//! many steps as there were changes, whatever the grid.
//!
//! Between the two lies a topic, since the shards are spread over processes ([`PartialsRecord`]). A shard's [`Teller`]
//! writes there in the transaction that commits the shard's frontier; the process that holds shard 0 reads it and sums.
//!
//! What survives a restart:
//! - A shard keeps nothing: where its orders stand follows from facts. It tells the whole from the first grid point after
//!   the committed frontier on, and with that whoever told of it before is not heard any more.
//! - The sum keeps its clocks and rates, and the offset from which the topic says where the queues stood then
//!   ([`BacklogSum::drain_memory`]), written in the transaction that publishes what follows from them. Shards tell the
//!   whole again now and then, so that this offset is never far back.

mod group;
mod heard;
mod lane;
mod memory;
mod partials;
mod publish;
mod queue;
mod record;
mod stock;
mod sum;
mod teller;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::domain::{Millis, Str, Timestamp};
use crate::policy::backlog::GroupKey;

pub use memory::{MemoryError, MemoryRecord};
pub use partials::Partials;
pub use record::{PartialsRecord, RecordError};
pub use stock::{StockApplied, TOO_MANY_SKUS};
pub use sum::{BacklogStanding, BacklogSum};
pub use teller::Teller;

/// What one shard says of one group at one grid point.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Partial {
    /// Index in `Policies::backlogs`.
    pub policy: usize,
    /// Which of the policy's queues.
    pub group: GroupKey,
    /// The grid point from which this holds, until the shard's next partial of the group.
    pub at: Timestamp,
    /// The shard's orders in the queue, or the pieces that they want; 0 where the group has vanished.
    pub depth: i64,
    /// Since when the oldest of them has stood there, so that its age grows without traffic.
    pub oldest_since: Option<Timestamp>,
    /// Orders that came in since the shard's last partial of the group.
    pub entered: i64,
    /// Orders that left since then.
    pub left: i64,
    /// For a check `oversold`, whose depth is in pieces: the shard's newest orders that want the sku, at most
    /// [`WANTED_MAX`], in the order of [`Wanting`].
    pub wanting: Vec<Wanting>,
}

/// An order that wants pieces of a sku.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Wanting {
    /// When it was placed.
    pub since: Timestamp,
    /// Its id.
    pub order_id: Str,
    /// How many pieces.
    pub quantity: i64,
}

/// So many of the newest orders are named.
pub const WANTED_MAX: usize = 20;

/// What a shard tells of its queues, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Told {
    /// From this grid point on (`None`: the beginning of time), what follows is all that counts of the policy: groups
    /// that are not told of at it are empty.
    Whole {
        /// Index in `Policies::backlogs`.
        policy: usize,
        /// The grid point.
        at: Option<Timestamp>,
    },
    /// One group's figures.
    Partial(Partial),
}

impl Told {
    fn policy(&self) -> usize {
        match self {
            Told::Whole { policy, .. } => *policy,
            Told::Partial(partial) => partial.policy,
        }
    }

    fn group(&self) -> Option<&GroupKey> {
        match self {
            Told::Whole { .. } => None,
            Told::Partial(partial) => Some(&partial.group),
        }
    }
}

/// The grid of record time on which backlogs are judged: the multiples of `Settings::backlog_grid`.
#[derive(Clone, Copy, Debug)]
struct Grid {
    step: i64,
}

impl Grid {
    fn new(step: Millis) -> Self {
        Grid { step: step.get().max(1) }
    }

    /// The first grid point at or after `t`.
    fn at_or_after(self, t: Timestamp) -> Timestamp {
        let floor = self.at_or_before(t);
        if floor == t { t } else { self.after(floor) }
    }

    /// The last grid point at or before `t`.
    fn at_or_before(self, t: Timestamp) -> Timestamp {
        Timestamp::from_millis(t.as_millis().div_euclid(self.step).saturating_mul(self.step))
    }

    /// The grid point after the grid point `t`.
    fn after(self, t: Timestamp) -> Timestamp {
        t + Millis::new(self.step)
    }

    /// Rates are taken over so much frontier: 5 minutes, or one grid step where that is longer.
    fn rate_window(self) -> Millis {
        Millis::new(self.step.max(300_000))
    }

    /// The last grid point that a frontier has passed: the greatest `t` with `t + grace < frontier`.
    fn passed(self, frontier: Timestamp, grace: Millis) -> Timestamp {
        self.at_or_before(frontier - grace - Millis::new(1))
    }
}

/// A multiset of the instants since which orders stand in a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Ages(BTreeMap<Timestamp, i64>);

impl Ages {
    fn add(&mut self, since: Timestamp, count: i64) {
        let held = self.0.entry(since).or_insert(0);
        *held += count;
        debug_assert!(*held >= 0, "more left the queue than stood in it");
        if *held <= 0 {
            self.0.remove(&since);
        }
    }

    fn oldest(&self) -> Option<Timestamp> {
        self.0.first_key_value().map(|(since, _)| *since)
    }
}
