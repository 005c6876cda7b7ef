//! All shards of a replay and the backlogs' sum, with one frontier through all of them, a record at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::{Event, StockEvent, Timestamp};
use crate::engine::explain::Explained;
use crate::engine::{Rejected, ShardCounters, StockApplied, Transition};
use crate::policy::{Policies, Settings};

use super::lane::{Lane, Place, Step};
use super::sum::Sum;

/// One shard for each partition number, driven along record time.
///
/// Transitions come out in the order of the frontiers that they state: before the records of an instant, every timer
/// that falls due up to it fires, one by one, each at its own time; at one instant by shard, the backlogs after all
/// shards; within a shard as it drains them. [`super::run`] drives the same shards side by side, in the same order.
#[derive(Debug)]
pub struct Drive {
    pub(super) lanes: Vec<Lane>,
    pub(super) sum: Sum,
    by_partition: BTreeMap<i32, usize>,
    pub(super) frontier: Timestamp,
    steps: Vec<Step>,
}

impl Drive {
    /// An empty shard for each of `partitions`.
    pub fn new(partitions: impl IntoIterator<Item = i32>, policies: &Arc<Policies>, settings: &Arc<Settings>) -> Self {
        let numbers: BTreeSet<i32> = partitions.into_iter().collect();
        Drive {
            lanes: numbers.iter().enumerate().map(|(i, p)| Lane::new(i, *p, policies, settings)).collect(),
            sum: Sum::new(numbers.len(), policies, settings),
            by_partition: numbers.iter().enumerate().map(|(i, partition)| (*partition, i)).collect(),
            frontier: Timestamp::MIN,
            steps: Vec::new(),
        }
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
        self.lanes.iter_mut().for_each(|lane| lane.advance(to, &mut self.steps));
        self.steps.sort_by_key(|(place, _)| *place);
        self.frontier = self.frontier.max(to);
        self.join(publish)?;
        self.sum.advance(Place::after_timers(to), publish)
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
        let lane = self.by_partition.get(&event.position.partition).and_then(|i| self.lanes.get_mut(*i));
        let Some(lane) = lane else { return Ok(Ok(())) };
        let place = Place::record(self.frontier, event.position);
        let outcome = lane.apply(event, place, &mut self.steps);
        self.join(publish)?;
        Ok(outcome)
    }

    /// Takes in a stock event, whose effective time is the frontier.
    pub fn apply_stock(&mut self, event: &StockEvent) -> StockApplied {
        self.sum.apply_stock(event, self.frontier)
    }

    /// Takes every shard to the frontier itself, which fires nothing more: the end of a replay.
    ///
    /// # Errors
    /// Those of `publish`.
    pub fn finish<E>(&mut self, publish: &mut impl FnMut(Transition) -> Result<(), E>) -> Result<(), E> {
        let frontier = self.frontier;
        self.lanes.iter_mut().for_each(|lane| lane.finish(frontier, &mut self.steps));
        self.join(publish)?;
        self.sum.move_to(frontier, publish)
    }

    /// What is known of the `entity` with this id, and what the policies make of it.
    pub fn explain(&self, entity: &str, id: &str) -> Option<Explained> {
        self.lanes.iter().find_map(|lane| lane.shard().explain(entity, id))
    }

    /// What all shards counted.
    pub fn counters(&self) -> ShardCounters {
        let each = self.lanes.iter().map(|lane| lane.shard().counters());
        each.fold(ShardCounters::default(), ShardCounters::and)
    }

    /// Lets the sum hear the steps, which are in order, and hands out what is said in between.
    fn join<E>(&mut self, publish: &mut impl FnMut(Transition) -> Result<(), E>) -> Result<(), E> {
        self.steps.drain(..).try_for_each(|step| self.sum.join(step, publish).map(|_| ()))
    }
}
