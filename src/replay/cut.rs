//! The reading thread of a replay: merges and decodes, cuts the merge into batches, and deals each to the workers.

use std::collections::BTreeMap;
use std::sync::mpsc::SyncSender;

use crate::domain::{Event, Millis, Timestamp};

use super::ReplayError;
use super::decode::{Content, decode};
use super::dump::Dump;
use super::lane::{Place, Step, Word};
use super::merge::{Merge, Merged};
use super::run::Plan;
use super::summary::Summary;

/// Records that go through the shards together: few, so that the memory of one batch serves the next while it is near. Tests
/// have small dumps.
const BATCH_RECORDS: usize = if cfg!(test) { 7 } else { 512 };

/// A time without records is passed in steps of this, or of so great a part of it where that is more: what falls due in a step is
/// held until every shard has come to its end.
const STRIDE: Millis = if cfg!(test) { Millis::new(100) } else { Millis::from_secs(3_600) };
const STRIDES: i64 = if cfg!(test) { 4 } else { 1_000 };

/// How far a batch reaches: whatever stands before this in the replay's order is in it, or in one before it.
#[derive(Clone, Copy, Debug)]
pub struct Reach {
    /// What every shard comes to.
    pub frontier: Timestamp,
    /// Whether the replay ends there.
    pub is_end: bool,
}

/// One worker's part of a batch.
#[derive(Debug)]
pub struct Share {
    /// The events of each of its shards, in order.
    pub lanes: Vec<Vec<(Place, Box<Event>)>>,
    /// The batch's.
    pub reach: Reach,
}

/// What of a batch is no worker's.
#[derive(Debug)]
pub struct Cut {
    /// How many records have been read, this batch's among them.
    pub records: u64,
    /// What the inventory tells.
    pub stock: Vec<Step>,
    /// How far it reaches.
    pub reach: Reach,
}

/// Where batches go. Nobody listens any more where a write has failed.
#[derive(Debug)]
pub struct Deal {
    /// Each worker; there is one at least. The `i`th shard is with the worker `i % workers`.
    pub workers: Vec<SyncSender<Share>>,
    /// The thread that joins what the workers make of their shares.
    pub joiner: SyncSender<Result<Cut, ReplayError>>,
    /// The place of each partition's shard.
    pub by_partition: BTreeMap<i32, usize>,
}

/// Reads the whole dump, and counts what is no event. An error comes after all that was read before it.
pub fn read(dump: &Dump, plan: &Plan, deal: Deal) -> Summary {
    let mut cutter = Cutter {
        plan,
        lanes: deal.by_partition.iter().map(|_| Vec::new()).collect(),
        stock: Vec::new(),
        waiting: 0,
        records: 0,
        frontier: Timestamp::MIN,
        summary: Summary::default(),
        deal,
    };
    let read = cutter.read(dump);
    if let Some(to) = plan.to.filter(|_| read.is_ok()) {
        cutter.pass(to);
    }
    cutter.cut(read.is_ok());
    if let Err(error) = read {
        // Where nobody listens, there is an error already.
        drop(cutter.deal.joiner.send(Err(error)));
    }
    cutter.summary
}

struct Cutter<'p> {
    plan: &'p Plan,
    deal: Deal,
    /// The batch's events by shard.
    lanes: Vec<Vec<(Place, Box<Event>)>>,
    stock: Vec<Step>,
    /// Records of the batch.
    waiting: usize,
    /// Records in all.
    records: u64,
    /// The last record's effective time.
    frontier: Timestamp,
    summary: Summary,
}

impl Cutter<'_> {
    fn read(&mut self, dump: &Dump) -> Result<(), ReplayError> {
        let mut merge = Merge::new(dump, self.plan.clock, |raw| decode(&self.plan.codecs, raw))?;
        while merge.peek().is_some_and(|next| self.plan.to.is_none_or(|to| next < to)) {
            let Some(record) = merge.next_record()? else { break };
            let heard = self.pass(record.effective_time);
            self.take(record);
            if !heard || self.waiting == BATCH_RECORDS && !self.cut(false) {
                break;
            }
        }
        Ok(())
    }

    fn take(&mut self, record: Merged) {
        self.records += 1;
        self.waiting += 1;
        self.frontier = record.effective_time;
        let place = Place::record(record.effective_time, self.records);
        match record.content {
            Content::Tombstone => self.summary.tombstones += 1,
            Content::DeadLetter(reason) => self.summary.dead_letter(reason),
            Content::Stock(event) => self.stock.push((place, Word::Stock(event))),
            Content::Event(event) => {
                let i = self.deal.by_partition.get(&event.position.partition);
                if let Some(lane) = i.and_then(|i| self.lanes.get_mut(*i)) {
                    lane.push((place, event));
                }
            }
        }
    }

    /// Passes most of the time from the last record to `until`. False where nobody listens any more.
    fn pass(&mut self, until: Timestamp) -> bool {
        let gap = until - self.frontier;
        // Before the first record nothing falls due.
        if gap <= STRIDE || self.records == 0 {
            return true;
        }
        let stride = STRIDE.max(Millis::new(gap.get() / STRIDES));
        while until - self.frontier > stride {
            self.frontier = self.frontier + stride;
            if !self.cut(false) {
                return false;
            }
        }
        true
    }

    /// Deals what was read since the last cut. False where nobody listens any more.
    fn cut(&mut self, is_end: bool) -> bool {
        let end = self.plan.to.filter(|_| is_end).unwrap_or(self.frontier);
        let reach = Reach { frontier: end.max(self.frontier), is_end };
        self.waiting = 0;
        let workers = self.deal.workers.len();
        let mut shares: Vec<Share> = (0..workers).map(|_| Share { lanes: Vec::new(), reach }).collect();
        for (i, events) in self.lanes.iter_mut().map(std::mem::take).enumerate() {
            if let Some(share) = shares.get_mut(i % workers) {
                share.lanes.push(events);
            }
        }
        let mut heard = true;
        for (worker, share) in self.deal.workers.iter().zip(shares) {
            heard &= worker.send(share).is_ok();
        }
        let cut = Cut { records: self.records, stock: std::mem::take(&mut self.stock), reach };
        heard & self.deal.joiner.send(Ok(cut)).is_ok()
    }
}
