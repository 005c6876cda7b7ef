//! A replay on one thread, a record at a time: every shard and the sum in one queue of deadlines. What a replay on many threads
//! must say is what this says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::{EntityId, Event, Exception, StockEvent, Timestamp};
use crate::engine::{BacklogSum, Rejected, Shard, ShardCounters, StockApplied, TOO_MANY_SKUS, Transition};
use crate::policy::{Policies, Settings};
use crate::replay::decode::{Content, decode};
use crate::replay::merge::{Merge, Merged};
use crate::replay::summary::{OrderKey, Summary};
use crate::replay::{Dump, Plan, ReplayError};

/// What [`crate::replay::replay`] does.
pub fn replay(
    dump: &Dump,
    plan: &Plan,
    write: &mut dyn FnMut(&Exception) -> Result<(), ReplayError>,
) -> Result<Summary, ReplayError> {
    let of_orders = dump.partitions().keys().filter(|(stream, _)| !plan.codecs.is_inventory(*stream));
    let mut drive = Drive::new(of_orders.map(|(_, partition)| *partition), &plan.policies, &plan.settings);
    let mut summary = Summary::default();
    let mut merge = Merge::of(dump, |_| true, plan.clock, |raw| decode(&plan.codecs, raw));
    while merge.peek().is_some_and(|(next, _)| plan.to.is_none_or(|to| next < to)) {
        let Some(record) = merge.next_record()? else { break };
        take(record, plan, &mut drive, &mut summary, write)?;
    }
    let end = plan.to.unwrap_or(drive.frontier);
    drive.advance(end, &mut |t| publish(t, &mut summary, write))?;
    drive.finish(&mut |t| publish(t, &mut summary, write))?;
    summary.counters = drive.counters();
    Ok(summary)
}

fn take(
    record: Merged,
    plan: &Plan,
    drive: &mut Drive,
    summary: &mut Summary,
    write: &mut dyn FnMut(&Exception) -> Result<(), ReplayError>,
) -> Result<(), ReplayError> {
    drive.advance(record.effective_time, &mut |t| publish(t, summary, write))?;
    match record.content {
        Content::Tombstone => summary.tombstones += 1,
        Content::DeadLetter(reason) => summary.dead_letter(reason),
        Content::Stock(event) => match drive.apply_stock(&event) {
            StockApplied::Full => summary.dead_letter(TOO_MANY_SKUS),
            StockApplied::New | StockApplied::Repeat | StockApplied::Superseded => summary.stock_event(),
        },
        Content::Event(event) => {
            let is_order = plan.settings.entities.of_stream(event.position.stream) == EntityId::ORDER;
            let order = is_order.then(|| OrderKey::of(&event.order_id));
            match drive.apply(*event, &mut |t| publish(t, summary, write))? {
                Ok(()) => summary.event(order),
                Err(rejected) => summary.dead_letter(rejected.code()),
            }
        }
    }
    Ok(())
}

fn publish(
    transition: Transition,
    summary: &mut Summary,
    write: &mut dyn FnMut(&Exception) -> Result<(), ReplayError>,
) -> Result<(), ReplayError> {
    let Transition::Publish(exception) = transition else { return Ok(()) };
    summary.published(&exception);
    write(&exception)
}

#[derive(Debug)]
struct Drive {
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
    fn new(partitions: impl IntoIterator<Item = i32>, policies: &Arc<Policies>, settings: &Arc<Settings>) -> Self {
        let numbers: BTreeSet<i32> = partitions.into_iter().collect();
        let by_partition = numbers.iter().enumerate().map(|(i, partition)| (*partition, i)).collect();
        let shards = numbers.iter().map(|p| Shard::new(*p, Arc::clone(policies), Arc::clone(settings)));
        let shards: Vec<Shard> = shards.collect();
        let deadlines = vec![None; shards.len() + 1];
        let mut backlogs = BacklogSum::new(Arc::clone(policies), Arc::clone(settings));
        backlogs.set_shards(shards.len());
        Drive { shards, backlogs, by_partition, deadlines, due: BTreeSet::new(), frontier: Timestamp::MIN }
    }

    /// Moves the frontier of every shard to `to` and hands what follows to `publish`. An earlier time does nothing.
    fn advance<E>(&mut self, to: Timestamp, publish: &mut impl FnMut(Transition) -> Result<(), E>) -> Result<(), E> {
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
    fn apply<E>(
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

    /// Takes in a stock event, whose effective time is the frontier.
    fn apply_stock(&mut self, event: &StockEvent) -> StockApplied {
        // What it changes counts from a grid point on that is not passed yet.
        self.backlogs.stock_passed(self.frontier);
        let applied = self.backlogs.take_stock(event);
        self.note(self.shards.len(), self.backlogs.next_deadline());
        applied
    }

    /// Takes every shard to the frontier itself, which fires nothing more: the end of a replay.
    fn finish<E>(&mut self, publish: &mut impl FnMut(Transition) -> Result<(), E>) -> Result<(), E> {
        (0..=self.shards.len()).try_for_each(|i| self.advance_shard(i, self.frontier, publish))
    }

    /// What all shards counted.
    fn counters(&self) -> ShardCounters {
        self.shards.iter().map(Shard::counters).fold(ShardCounters::default(), ShardCounters::and)
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
