//! A replay from its first record to its last: one thread reads, several judge, this one joins, counts and writes.

use std::num::NonZero;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, ScopedJoinHandle, available_parallelism};

use crate::domain::{Exception, Timestamp};
use crate::engine::{StockApplied, TOO_MANY_SKUS, Transition};
use crate::policy::{Policies, Settings};

use super::cut::{self, Cut, Deal};
use super::decode::Codecs;
use super::drive::Drive;
use super::dump::Dump;
use super::lane::{Lane, Place, Step};
use super::sum::Sum;
use super::summary::Summary;
use super::worker::Worker;
use super::{ReplayError, Step as Progress};

/// How many batches may wait for each thread.
const BATCHES_AHEAD: usize = 4;

/// What a replay is run with.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How each stream is read.
    pub codecs: Codecs,
    /// The policies in force from the first record on.
    pub policies: Arc<Policies>,
    /// The settings, with `publish_after` at `Timestamp::MIN` and `replay` set.
    pub settings: Arc<Settings>,
    /// The wall clock at the start: a record time past it counts for nothing.
    pub clock: Timestamp,
    /// No record with an effective time at or past this is read, and the frontier ends here. `None`: it ends at the
    /// last record's effective time.
    pub to: Option<Timestamp>,
}

/// Replays a dump: every published state of an exception goes to `write`, in an order that depends on the records
/// alone.
///
/// # Errors
/// The dump cannot be read, or those of `write`.
pub fn replay(
    dump: &Dump,
    plan: &Plan,
    write: &mut dyn FnMut(&Exception) -> Result<(), ReplayError>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Summary, ReplayError> {
    replay_into(dump, plan, write, progress).map(|(summary, _)| summary)
}

/// The same, with the shards as they stand at its end.
///
/// # Errors
/// Those of [`replay`].
pub fn replay_into(
    dump: &Dump,
    plan: &Plan,
    write: &mut dyn FnMut(&Exception) -> Result<(), ReplayError>,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Summary, Drive), ReplayError> {
    // Reading and joining take part of a core each. They share those of the workers, so that none is idle.
    let cores = available_parallelism().map_or(1, NonZero::get);
    replay_by(cores, dump, plan, write, progress)
}

/// The same with so many workers, but no more than there are shards. What comes out does not depend on it.
///
/// # Errors
/// Those of [`replay`].
pub fn replay_by(
    workers: usize,
    dump: &Dump,
    plan: &Plan,
    write: &mut dyn FnMut(&Exception) -> Result<(), ReplayError>,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Summary, Drive), ReplayError> {
    let of_orders = dump.partitions().keys().filter(|(stream, _)| !plan.codecs.is_inventory(*stream));
    let partitions = of_orders.map(|(_, partition)| *partition);
    let mut drive = Drive::new(partitions, &plan.policies, &plan.settings);
    let by_partition = drive.by_partition.clone();
    let dealt = deal(std::mem::take(&mut drive.lanes), workers);
    thread::scope(|scope| {
        let (joiner, cuts) = sync_channel(BATCHES_AHEAD);
        let mut deal = Deal { workers: Vec::new(), joiner, by_partition };
        let (mut crew, mut done) = (Vec::new(), Vec::new());
        for lanes in dealt {
            let (share, shares) = sync_channel(BATCHES_AHEAD);
            let (steps, joined) = sync_channel(BATCHES_AHEAD);
            deal.workers.push(share);
            done.push(joined);
            crew.push(scope.spawn(move || Worker::new(lanes, &plan.settings).run(shares, steps)));
        }
        let reader = scope.spawn(move || cut::read(dump, plan, deal));
        let mut join = Join { sum: &mut drive.sum, summary: Summary::default(), write };
        for cut in cuts {
            let Cut { records, stock, reach } = cut?;
            let parts: Result<Vec<_>, _> = done.iter().map(Receiver::recv).collect();
            let Ok(parts) = parts else { break };
            join.batch(stock, parts)?;
            join.advance(reach.frontier, reach.is_end)?;
            drive.frontier = reach.frontier;
            progress(Progress::Replaying { records, total: dump.records, record_time: reach.frontier });
        }
        // Where a worker has panicked, the others are not to wait for someone who takes what they have.
        drop(done);
        let mut summary = join.summary;
        summary.add(ended(reader));
        for worker in crew {
            let Worker { lanes, summary: part, .. } = ended(worker);
            summary.add(part);
            drive.lanes.extend(lanes);
        }
        drive.lanes.sort_by_key(Lane::place);
        summary.counters = drive.counters();
        Ok((summary, drive))
    })
}

/// The `i`th shard goes to the worker `i % workers`.
fn deal(lanes: Vec<Lane>, workers: usize) -> Vec<Vec<Lane>> {
    let workers = workers.min(lanes.len()).max(1);
    let mut dealt: Vec<Vec<Lane>> = (0..workers).map(|_| Vec::new()).collect();
    for (i, lane) in lanes.into_iter().enumerate() {
        if let Some(of) = dealt.get_mut(i % workers) {
            of.push(lane);
        }
    }
    dealt
}

/// What a thread leaves. A panic there is one here.
fn ended<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Where the shards' steps become one sequence again.
struct Join<'r> {
    sum: &'r mut Sum,
    summary: Summary,
    write: &'r mut dyn FnMut(&Exception) -> Result<(), ReplayError>,
}

impl Join<'_> {
    /// Every step of one batch.
    fn batch(&mut self, mut steps: Vec<Step>, parts: Vec<Vec<Step>>) -> Result<(), ReplayError> {
        steps.extend(parts.into_iter().flatten());
        // Stable: what a shard does at one place stays in its order.
        steps.sort_by_key(|(place, _)| *place);
        let Join { sum, summary, write } = self;
        for step in steps {
            match sum.join(step, &mut |t| publish(t, summary, *write))? {
                Some(StockApplied::Full) => summary.dead_letter(TOO_MANY_SKUS),
                Some(StockApplied::New | StockApplied::Repeat | StockApplied::Superseded) => summary.stock_event(),
                None => {}
            }
        }
        Ok(())
    }

    /// Nothing more stands before this frontier.
    fn advance(&mut self, frontier: Timestamp, is_end: bool) -> Result<(), ReplayError> {
        let Join { sum, summary, write } = self;
        let mut publish = |t| publish(t, summary, *write);
        sum.advance(Place::record(frontier, 0), &mut publish)?;
        if is_end { sum.move_to(frontier, &mut publish) } else { Ok(()) }
    }
}

fn publish(
    transition: Transition,
    summary: &mut Summary,
    write: &mut dyn FnMut(&Exception) -> Result<(), ReplayError>,
) -> Result<(), ReplayError> {
    match transition {
        Transition::Publish(exception) => {
            summary.published(&exception);
            write(&exception)
        }
        // It belongs to exceptions-current, which a replay does not keep.
        Transition::Tombstone(_) => Ok(()),
    }
}
