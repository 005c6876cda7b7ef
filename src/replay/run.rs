//! A replay from its first record to its last: several threads read and judge, this one joins, counts and writes.

use std::num::NonZero;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::{self, ScopedJoinHandle, available_parallelism};

use crate::domain::{Exception, Timestamp};
use crate::policy::{Policies, Settings};

use super::decode::Codecs;
use super::drive::Drive;
use super::dump::Dump;
use super::horizon::Horizon;
use super::join::Join;
use super::lane::Lane;
use super::summary::Summary;
use super::worker::Worker;
use super::{ReplayError, Step as Progress};

/// How many batches of each worker may wait.
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
    // Joining takes part of a core. It shares those of the workers, so that none is idle.
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
    let is_of_inventory = |stream| plan.codecs.is_inventory(stream);
    let of_orders = dump.partitions().keys().filter(|(stream, _)| !is_of_inventory(*stream));
    let mut drive = Drive::new(of_orders.map(|(_, partition)| *partition), &plan.policies, &plan.settings);
    let dealt = deal(std::mem::take(&mut drive.lanes), workers);
    let mut workers: Vec<Worker<'_>> = dealt.into_iter().map(|lanes| Worker::of_shards(dump, plan, lanes)).collect();
    if dump.partitions().keys().any(|(stream, _)| is_of_inventory(*stream)) {
        workers.push(Worker::of_inventory(dump, plan));
    }
    let horizon = Horizon::default();
    let readings: Vec<_> = workers.iter().map(|_| horizon.reading()).collect();
    let mut join = Join { sum: &mut drive.sum, summary: Summary::default(), write };
    let parts = thread::scope(|scope| {
        let (mut crew, mut heard) = (Vec::new(), Vec::new());
        for (worker, reading) in workers.into_iter().zip(readings) {
            let (to, from) = sync_channel(BATCHES_AHEAD);
            let horizon = &horizon;
            crew.push(scope.spawn(move || worker.run(horizon, reading, to)));
            heard.push(from);
        }
        // It lets go of the channels when it leaves, so that nobody waits for somebody who takes what they have.
        join.all(heard, dump.records, progress)?;
        Ok(crew.into_iter().map(ended).collect::<Vec<_>>())
    })?;
    drive.frontier = plan.to.unwrap_or(horizon.reached());
    join.finish(drive.frontier)?;
    let mut summary = join.summary;
    for Worker { lanes, summary: part, .. } in parts {
        summary.add(part);
        drive.lanes.extend(lanes);
    }
    drive.lanes.sort_by_key(Lane::place);
    summary.counters = drive.counters();
    Ok((summary, drive))
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
