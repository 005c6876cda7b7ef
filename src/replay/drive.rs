//! One shard for each partition number, and one frontier through all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::{Event, Timestamp};
use crate::engine::explain::Explained;
use crate::engine::{BacklogSum, Rejected, Shard, ShardCounters, Transition};
use crate::policy::{Policies, Settings};

/// The shards of a replay, driven along record time.
///
/// Transitions come out in the order of the frontiers that they state: before the records of an instant, every timer
/// that falls due up to it fires, one by one, each at its own time; at one instant by shard, the backlogs after all
/// shards; within a shard as it drains them.
#[derive(Debug)]
pub struct Drive {
    shards: Vec<Shard>,
    backlogs: BacklogSum,
    by_partition: BTreeMap<i32, usize>,
    /// What each shard's `next_deadline` said last, and after them the backlogs'; and the same by time.
    deadlines: Vec<Option<Timestamp>>,
    due: BTreeSet<(Timestamp, usize)>,
    frontier: Timestamp,
}

impl Drive {
    /// An empty shard for each of `partitions`.
    pub fn new(partitions: impl IntoIterator<Item = i32>, policies: &Arc<Policies>, settings: &Arc<Settings>) -> Self {
        let numbers: BTreeSet<i32> = partitions.into_iter().collect();
        let by_partition = numbers.iter().enumerate().map(|(i, partition)| (*partition, i)).collect();
        let shards = numbers.iter().map(|p| Shard::new(*p, Arc::clone(policies), Arc::clone(settings)));
        let shards: Vec<Shard> = shards.collect();
        let deadlines = vec![None; shards.len() + 1];
        let mut backlogs = BacklogSum::new(Arc::clone(policies), Arc::clone(settings));
        backlogs.set_shards(shards.len());
        Drive { shards, backlogs, by_partition, deadlines, due: BTreeSet::new(), frontier: Timestamp::MIN }
    }

    /// The frontier: every record with an earlier effective time has been applied.
    pub fn frontier(&self) -> Timestamp {
        self.frontier
    }

    /// Moves the frontier of every shard to `to` and hands what follows to `publish`. An earlier time does nothing.
    ///
    /// # Errors
    /// Those of `publish`.
    pub fn advance<E>(
        &mut self,
        to: Timestamp,
        publish: &mut impl FnMut(Transition) -> Result<(), E>,
    ) -> Result<(), E> {
        // A deadline must be passed strictly: the first frontier that fires it is one millisecond on.
        while let Some((deadline, i)) = self.due.first().copied().filter(|(deadline, _)| *deadline < to) {
            self.advance_shard(i, deadline.next(), publish)?;
            if self.deadlines.get(i).copied().flatten() == Some(deadline) {
                debug_assert!(false, "a shard's deadline was passed and is still due");
                self.advance_shard(i, to, publish)?;
                self.due.remove(&(deadline, i));
            }
        }
        self.frontier = self.frontier.max(to);
        Ok(())
    }

    /// Applies an event of partition `partition`, whose effective time is the frontier.
    ///
    /// # Errors
    /// Those of `publish`.
    pub fn apply<E>(
        &mut self,
        event: Event,
        publish: &mut impl FnMut(Transition) -> Result<(), E>,
    ) -> Result<Result<(), Rejected>, E> {
        let Some(i) = self.by_partition.get(&event.position.partition).copied() else { return Ok(Ok(())) };
        let frontier = self.frontier;
        let Some(shard) = self.shards.get_mut(i) else { return Ok(Ok(())) };
        shard.advance(frontier);
        let outcome = shard.apply(event, frontier).map(|_| ());
        self.settle(i, publish)?;
        Ok(outcome)
    }

    /// Takes every shard to the frontier itself, which fires nothing more: the end of a replay.
    ///
    /// # Errors
    /// Those of `publish`.
    pub fn finish<E>(&mut self, publish: &mut impl FnMut(Transition) -> Result<(), E>) -> Result<(), E> {
        (0..=self.shards.len()).try_for_each(|i| self.advance_shard(i, self.frontier, publish))
    }

    /// What is known of the `entity` with this id, and what the policies make of it.
    pub fn explain(&self, entity: &str, id: &str) -> Option<Explained> {
        self.shards.iter().find_map(|shard| shard.explain(entity, id))
    }

    /// What all shards counted.
    pub fn counters(&self) -> ShardCounters {
        self.shards.iter().map(Shard::counters).fold(ShardCounters::default(), |a, b| ShardCounters {
            duplicates: a.duplicates + b.duplicates,
            conflicts: a.conflicts + b.conflicts,
            late: a.late + b.late,
            after_close: a.after_close + b.after_close,
            evicted: a.evicted + b.evicted,
            kept_back: a.kept_back + b.kept_back,
            unproven: a.unproven + b.unproven,
        })
    }

    fn advance_shard<E>(
        &mut self,
        i: usize,
        to: Timestamp,
        publish: &mut impl FnMut(Transition) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(shard) = self.shards.get_mut(i) else { return self.advance_backlogs(to, publish) };
        shard.advance(to);
        self.settle(i, publish)
    }

    /// Every shard that had something due before `to` has told it by now.
    fn advance_backlogs<E>(
        &mut self,
        to: Timestamp,
        publish: &mut impl FnMut(Transition) -> Result<(), E>,
    ) -> Result<(), E> {
        self.backlogs.advance(to);
        let transitions = self.backlogs.drain_transitions(None);
        self.backlogs.discard_memory();
        self.backlogs.committed();
        self.note(self.shards.len(), self.backlogs.next_deadline());
        transitions.into_iter().try_for_each(publish)
    }

    /// Drains shard `i` and notes when it is due next.
    fn settle<E>(&mut self, i: usize, publish: &mut impl FnMut(Transition) -> Result<(), E>) -> Result<(), E> {
        let Some(shard) = self.shards.get_mut(i) else { return Ok(()) };
        let transitions = shard.drain_transitions(None);
        // They feed a histogram of the live run.
        drop(shard.drain_cycles_ended());
        if !transitions.is_empty() {
            shard.committed();
        }
        let (deadline, partials) = (shard.next_deadline(), shard.drain_partials());
        if !partials.is_empty() {
            self.backlogs.observe(i as i32, shard.frontier(), partials);
            self.note(self.shards.len(), self.backlogs.next_deadline());
        }
        self.note(i, deadline);
        transitions.into_iter().try_for_each(publish)
    }

    /// Notes when shard `i`, or what comes after the last of them, is due next.
    fn note(&mut self, i: usize, deadline: Option<Timestamp>) {
        let Some(noted) = self.deadlines.get_mut(i).filter(|noted| **noted != deadline) else { return };
        noted.take().map(|old| self.due.remove(&(old, i)));
        deadline.map(|new| self.due.insert((new, i)));
        *noted = deadline;
    }
}
