//! A replay from its first record to its last: merge, decode, drive, count, write.

use std::sync::Arc;
use std::sync::mpsc::{self, SyncSender};
use std::thread;

use crate::domain::{EntityId, Exception, Timestamp};
use crate::engine::{StockApplied, TOO_MANY_SKUS, Transition};
use crate::policy::{Policies, Settings};

use super::decode::{Codecs, Content, decode};
use super::drive::Drive;
use super::dump::Dump;
use super::merge::{Merge, Merged};
use super::summary::Summary;
use super::{ReplayError, Step};

/// How many records between two reports of progress.
const REPORT_EVERY: u64 = 1024;
/// Records that go from the reading thread to the shards together …
const BATCH_RECORDS: usize = 512;
/// … and how many such batches may wait.
const BATCHES_AHEAD: usize = 8;

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
    progress: &mut dyn FnMut(Step),
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
    progress: &mut dyn FnMut(Step),
) -> Result<(Summary, Drive), ReplayError> {
    let mut summary = Summary::default();
    let of_orders = dump.partitions().keys().filter(|(stream, _)| !plan.codecs.is_inventory(*stream));
    let partitions = of_orders.map(|(_, partition)| *partition);
    let mut drive = Drive::new(partitions, &plan.policies, &plan.settings);
    let mut records = 0;
    thread::scope(|scope| {
        let (sender, batches) = mpsc::sync_channel(BATCHES_AHEAD);
        scope.spawn(move || read_ahead(dump, plan, &sender));
        for batch in batches {
            for record in batch? {
                let effective_time = record.effective_time;
                take(record, plan, &mut drive, &mut summary, write)?;
                records += 1;
                if records % REPORT_EVERY == 0 {
                    progress(Step::Replaying { records, total: dump.records, record_time: effective_time });
                }
            }
        }
        Ok::<_, ReplayError>(())
    })?;
    let end = plan.to.unwrap_or(drive.frontier());
    drive.advance(end, &mut |t| publish(t, &mut summary, write))?;
    drive.finish(&mut |t| publish(t, &mut summary, write))?;
    progress(Step::Replaying { records, total: dump.records, record_time: drive.frontier() });
    summary.counters = drive.counters();
    Ok((summary, drive))
}

/// Merges and decodes on a thread of its own, as far ahead of the shards as the channel lets it: a third to a half of the work,
/// in the same order as ever. An error comes after all that was read before it.
fn read_ahead(dump: &Dump, plan: &Plan, to: &SyncSender<Result<Vec<Merged>, ReplayError>>) {
    let mut batch = Vec::with_capacity(BATCH_RECORDS);
    let read = (|| {
        let mut merge = Merge::new(dump, plan.clock, |raw| decode(&plan.codecs, raw))?;
        while merge.peek().is_some_and(|next| plan.to.is_none_or(|to| next < to)) {
            let Some(record) = merge.next_record()? else { break };
            batch.push(record);
            // Nobody listens any more where a write has failed.
            if batch.len() == BATCH_RECORDS
                && to.send(Ok(std::mem::replace(&mut batch, Vec::with_capacity(BATCH_RECORDS)))).is_err()
            {
                break;
            }
        }
        Ok(())
    })();
    let rest = [Ok(batch)].into_iter().chain(read.err().map(Err));
    rest.for_each(|last| drop(to.send(last)));
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
            let entity = plan.settings.entities.of_stream(event.position.stream);
            let order_id = (entity == EntityId::ORDER).then(|| event.order_id.clone());
            match drive.apply(*event, &mut |t| publish(t, summary, write))? {
                Ok(()) => summary.event(order_id.as_deref()),
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
    match transition {
        Transition::Publish(exception) => {
            summary.published(&exception);
            write(&exception)
        }
        // It belongs to exceptions-current, which a replay does not keep.
        Transition::Tombstone(_) => Ok(()),
    }
}
