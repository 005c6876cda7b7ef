//! A worker of a replay: reads, decodes and judges the records of its own shards, batch by batch, and tells what they say.
//!
//! A record is read, decoded and applied by one thread, so that what is made of it lies in that core's caches while it is needed.

use std::collections::BTreeMap;
use std::sync::mpsc::SyncSender;

use crate::codec::RawRecord;
use crate::domain::{EntityId, Event, Millis, Timestamp};
use crate::engine::LOOK_AHEAD;
use crate::policy::Settings;

use super::ReplayError;
use super::decode::{Content, Decoded, decode};
use super::dump::{Dump, StreamPartition};
use super::horizon::{Horizon, Reading};
use super::lane::{Lane, Place, Step, Word};
use super::merge::{Merge, Merged};
use super::run::Plan;
use super::summary::{OrderKey, Summary};

/// Records that go through the shards together: few, so that the memory of one batch serves the next while it is near. Tests
/// have small dumps.
const BATCH_RECORDS: usize = if cfg!(test) { 7 } else { 512 };

/// A batch reaches no further than this in record time, or than so great a part of a time without records of its own where that is
/// more: what falls due in it is held until the others have come as far.
const STRIDE: Millis = if cfg!(test) { Millis::new(100) } else { Millis::from_secs(3_600) };
const STRIDES: i64 = if cfg!(test) { 4 } else { 1_000 };

/// What a worker tells the thread that joins.
#[derive(Debug)]
pub struct Batch {
    /// What its shards say, in the order of their places.
    pub steps: Vec<Step>,
    /// Whatever it tells later stands behind this; `None` where this is its last word.
    pub bound: Option<Place>,
    /// How many records it read for it.
    pub records: u64,
}

/// It could not read on: the first record that it could not take has this place. All before it has been told.
#[derive(Debug)]
pub struct Broken(pub Place, pub ReplayError);

/// Where batches go.
pub type Teller = SyncSender<Result<Batch, Broken>>;

/// Why it stops before its end.
enum Ended {
    /// It cannot read on.
    Broken(Broken),
    /// Nobody listens: a write has failed.
    Unheard,
}

/// Some of a replay's shards, or its inventory, and what was counted of them. No other thread touches either.
#[derive(Debug)]
pub struct Worker<'r> {
    /// The shards.
    pub lanes: Vec<Lane>,
    /// What they took in.
    pub summary: Summary,
    dump: &'r Dump,
    plan: &'r Plan,
    is_of_inventory: bool,
    /// Which of its lanes has a partition.
    by_partition: BTreeMap<i32, usize>,
    /// The batch's events, by lane.
    waiting: Vec<Vec<(Place, Box<Event>)>>,
    /// What the inventory tells.
    stock: Vec<Step>,
    /// Records of the batch.
    records: usize,
    /// The last record's effective time, or where it was passed on to.
    frontier: Timestamp,
    /// The same as it was told last.
    told: Timestamp,
    /// Whatever its shards say later stands behind this.
    bound: Place,
    has_read: bool,
}

impl<'r> Worker<'r> {
    /// Has these shards, all empty.
    pub fn of_shards(dump: &'r Dump, plan: &'r Plan, lanes: Vec<Lane>) -> Self {
        let by_partition = lanes.iter().enumerate().map(|(place, lane)| (lane.shard().partition(), place)).collect();
        let waiting = lanes.iter().map(|_| Vec::new()).collect();
        Worker {
            lanes,
            summary: Summary::default(),
            dump,
            plan,
            is_of_inventory: false,
            by_partition,
            waiting,
            stock: Vec::new(),
            records: 0,
            frontier: Timestamp::MIN,
            told: Timestamp::MIN,
            bound: Place::FIRST,
            has_read: false,
        }
    }

    /// Has what is of no shard.
    pub fn of_inventory(dump: &'r Dump, plan: &'r Plan) -> Self {
        Worker { is_of_inventory: true, ..Worker::of_shards(dump, plan, Vec::new()) }
    }

    /// Works until there is no more to do, or nobody listens any more.
    pub fn run(mut self, horizon: &Horizon, reading: Reading<'_>, to: Teller) -> Self {
        let read = self.read(&reading, &to);
        drop(reading);
        if let Err(Ended::Broken(broken)) = read.and_then(|()| self.go_on(horizon, &to)) {
            // Where nobody listens, there is an error already.
            drop(to.send(Err(broken)));
        }
        self
    }

    fn read(&mut self, reading: &Reading<'_>, to: &Teller) -> Result<(), Ended> {
        let (dump, plan) = (self.dump, self.plan);
        let (by_partition, is_of_inventory) = (self.by_partition.clone(), self.is_of_inventory);
        let is_ours = |(stream, partition): StreamPartition| match plan.codecs.is_inventory(stream) {
            true => is_of_inventory,
            false => by_partition.contains_key(&partition),
        };
        let decode = |raw: &RawRecord<'_>| -> Decoded { decode(&plan.codecs, raw) };
        let mut merge = Merge::of(dump, is_ours, plan.clock, decode);
        while let Some((effective_time, position)) =
            merge.peek().filter(|(next, _)| plan.to.is_none_or(|to| *next < to))
        {
            self.pass(effective_time, reading, to)?;
            match merge.next_record() {
                Ok(Some(record)) => self.take(record),
                Ok(None) => break,
                Err(error) => {
                    let place = Place::record(effective_time, position);
                    reading.reach(effective_time);
                    self.frontier = effective_time;
                    self.tell(to)?;
                    return Err(Ended::Broken(Broken(place, error)));
                }
            }
            if self.records == BATCH_RECORDS || self.frontier - self.told > STRIDE {
                reading.reach(self.frontier);
                self.tell(to)?;
            }
        }
        reading.reach(self.frontier);
        self.bound = Place::after_records(self.frontier);
        self.tell(to)
    }

    /// Past its last record: to where the replay ends.
    fn go_on(&mut self, horizon: &Horizon, to: &Teller) -> Result<(), Ended> {
        match self.plan.to {
            Some(end) => self.stride(end, to)?,
            None => {
                while let Some(reached) = horizon.beyond(self.frontier) {
                    self.stride(reached, to)?;
                }
            }
        }
        let mut steps = Vec::new();
        self.lanes.iter_mut().for_each(|lane| lane.finish(self.frontier, &mut steps));
        self.send(steps, None, to)
    }

    fn take(&mut self, record: Merged) {
        self.has_read = true;
        self.records += 1;
        self.frontier = record.effective_time;
        let place = Place::record(record.effective_time, record.position);
        self.bound = place;
        match record.content {
            Content::Tombstone => self.summary.tombstones += 1,
            Content::DeadLetter(reason) => self.summary.dead_letter(reason),
            Content::Stock(event) => self.stock.push((place, Word::Stock(event))),
            Content::Event(event) => {
                let lane = self.by_partition.get(&event.position.partition);
                if let Some(waiting) = lane.and_then(|lane| self.waiting.get_mut(*lane)) {
                    waiting.push((place, event));
                }
            }
        }
    }

    /// Passes all but the last millisecond of a long time between two records.
    fn pass(&mut self, next: Timestamp, reading: &Reading<'_>, to: &Teller) -> Result<(), Ended> {
        if next - self.frontier <= STRIDE || !self.has_read {
            return Ok(());
        }
        reading.reach(next);
        self.stride(next - Millis::new(1), to)
    }

    /// Goes on to `until` without a record.
    fn stride(&mut self, until: Timestamp, to: &Teller) -> Result<(), Ended> {
        // Before its first record nothing falls due.
        let stride = if self.has_read { (until - self.frontier).get() / STRIDES } else { i64::MAX };
        let stride = STRIDE.max(Millis::new(stride));
        while self.frontier < until {
            self.frontier = until.min(self.frontier + stride);
            self.bound = Place::after_records(self.frontier);
            self.tell(to)?;
        }
        Ok(())
    }

    /// Applies what was read since the last time, and tells what follows up to its frontier.
    ///
    /// One shard after the other, for its memory is near then.
    fn tell(&mut self, to: &Teller) -> Result<(), Ended> {
        let mut steps = std::mem::take(&mut self.stock);
        for (lane, waiting) in self.lanes.iter_mut().zip(&mut self.waiting) {
            let mut events = waiting.drain(..);
            while !events.as_slice().is_empty() {
                lane.look_ahead(events.as_slice().iter().take(LOOK_AHEAD).map(|(_, event)| &**event));
                for (place, event) in events.by_ref().take(LOOK_AHEAD) {
                    lane.advance(place.frontier, &mut steps);
                    let order = order_of(&self.plan.settings, &event);
                    match lane.apply(*event, place, &mut steps) {
                        Ok(()) => self.summary.event(order),
                        Err(rejected) => self.summary.dead_letter(rejected.code()),
                    }
                }
            }
            lane.advance(self.frontier, &mut steps);
        }
        self.told = self.frontier;
        self.send(steps, Some(self.bound), to)
    }

    fn send(&mut self, mut steps: Vec<Step>, bound: Option<Place>, to: &Teller) -> Result<(), Ended> {
        // Stable: what a shard does at one place stays in its order.
        steps.sort_by_key(|(place, _)| *place);
        let records = std::mem::take(&mut self.records) as u64;
        to.send(Ok(Batch { steps, bound, records })).map_err(|_| Ended::Unheard)
    }
}

fn order_of(settings: &Settings, event: &Event) -> Option<OrderKey> {
    let entity = settings.entities.of_stream(event.position.stream);
    (entity == EntityId::ORDER).then(|| OrderKey::of(&event.order_id))
}
