//! Closed orders after they have left memory: remembered for `remember_closed`, then forgotten (DESIGN section 3).
//!
//! What a record of such an order comes to follows from when that closed, the record's effective time and the frontier. When a
//! tombstone is dropped is nobody's business, but for two times in which all stay: while muted, for what was published of an
//! order that was forgotten meanwhile is done with; and while a copy is taken, for what reads the copy back begins where that began.

use crate::domain::{EntityId, Millis, Str, Timestamp};

use super::lifecycle::{self, Lateness};
use super::restore::RestoredOrder;
use super::shard::Shard;
use super::tombstones::{Mark, Tombstone};

/// All tombstones are swept so many times in `remember_closed`.
const ROUNDS: i64 = 16;

/// What is remembered of an order that has left memory, as a record of it finds it.
pub(super) enum Remembered {
    /// No such order was closed.
    Nothing,
    /// It was closed, and the record comes after that.
    Closed,
    /// It was closed so long before the record that this begins another one.
    Forgotten(Tombstone),
}

impl Shard {
    /// What closed before this is forgotten.
    pub(super) fn forgotten_before(&self) -> Timestamp {
        lifecycle::forgotten_before(self.frontier, &self.settings)
    }

    /// What closed before this may be dropped.
    fn past(&self) -> Timestamp {
        let all_stay = self.muted || self.is_being_copied();
        if all_stay { Timestamp::MIN } else { self.forgotten_before() }
    }

    fn mark(&self, entity: EntityId, id: &str) -> Mark {
        Mark::of(self.index.entity(entity).name(), id)
    }

    /// An order that was closed leaves memory, and is remembered; false where the time for that is over already.
    pub(super) fn remember(&mut self, entity: EntityId, id: &str, closed_at: Timestamp) -> bool {
        if closed_at < self.forgotten_before() {
            return false;
        }
        self.add_tombstone(self.mark(entity, id).closed_at(closed_at));
        true
    }

    /// Takes a tombstone in.
    pub(super) fn add_tombstone(&mut self, tombstone: Tombstone) {
        self.tombstones.insert(tombstone, self.past());
    }

    /// What is remembered of an order that is not in memory, for a record of it.
    pub(super) fn remembered(&self, entity: EntityId, id: &str, effective_time: Timestamp) -> Remembered {
        if self.tombstones.is_empty() {
            return Remembered::Nothing;
        }
        let mark = self.mark(entity, id);
        let Some(closed_at) = self.tombstones.get(mark) else { return Remembered::Nothing };
        let is_remembered = closed_at >= self.forgotten_before();
        match is_remembered && lifecycle::lateness(closed_at, effective_time, &self.settings) != Lateness::Forgotten {
            true => Remembered::Closed,
            false => Remembered::Forgotten(mark.closed_at(closed_at)),
        }
    }

    /// A record begins the order anew: what was remembered of the one before goes.
    pub(super) fn drop_tombstone(&mut self, entity: EntityId, id: &Str, tombstone: Tombstone) {
        self.tombstones.remove(tombstone.mark());
        if self.copies(tombstone.closed_at()) {
            self.keep_for_copy(entity, id, || RestoredOrder::Tombstone(tombstone));
        }
        if self.muted {
            self.forgotten.insert((entity, id.clone()));
        }
    }

    /// Whether an order that is not in memory was closed and is remembered; or was, when the muted time began.
    pub(super) fn was_closed(&self, entity: EntityId, id: &str) -> bool {
        if self.tombstones.is_empty() {
            return false;
        }
        let closed_at = self.tombstones.get(self.mark(entity, id));
        closed_at.is_some_and(|closed_at| self.muted || closed_at >= self.forgotten_before())
    }

    /// Drops some of what is forgotten.
    pub(super) fn sweep_tombstones(&mut self) {
        let past = self.past();
        if past > Timestamp::MIN {
            let round = Millis::new(self.settings.remember_closed.get() / ROUNDS);
            self.tombstones.sweep(self.frontier, past, round);
        }
    }
}
