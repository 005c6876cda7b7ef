//! The process-wide sum of every shard's partials: judges each grid point once every shard has passed it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::{BacklogFigures, Exception, ExceptionId, StockEvent, Str, Subject, Timestamp};
use crate::engine::Transition;
use crate::policy::{Backlog, Policies, Settings};

use super::group::QueueId;
use super::heard::Word;
use super::lane::{Context, Lane};
use super::memory::{MemoryError, MemoryRecord, Remembered};
use super::publish::Publisher;
use super::stock::StockApplied;
use super::{PartialsRecord, Told};

/// Sums the shards' partials and judges the backlogs.
///
/// The surface is the shard's: [`BacklogSum::observe`] brings what is new, [`BacklogSum::next_deadline`] says when it
/// wants to be woken, [`BacklogSum::drain_transitions`] and [`BacklogSum::drain_memory`] give what one transaction is to
/// carry, and nothing of it counts until [`BacklogSum::committed`].
#[derive(Debug)]
pub struct BacklogSum {
    policies: Arc<Policies>,
    settings: Arc<Settings>,
    shards: usize,
    /// How far each shard has come, by whatever policies it counts.
    frontiers: BTreeMap<i32, Timestamp>,
    /// One a policy, in the document's order.
    lanes: Vec<Lane>,
    /// The next offset of the partials' topic.
    next: i64,
    publisher: Publisher,
    /// What stands open of policies that are gone, or that group otherwise now: it is no longer wanted.
    orphans: Vec<ExceptionId>,
    /// The next offset of each inventory partition, as whoever summed before has left it, and as it is.
    inventory_told: BTreeMap<(Str, i32), i64>,
    inventory_next: BTreeMap<(Str, i32), i64>,
    /// Queues whose records were taken and not committed, by policy.
    memory_in_flight: BTreeSet<(usize, QueueId)>,
}

/// A queue as it stands, for the API and the metrics.
#[derive(Clone, PartialEq, Debug)]
pub struct BacklogStanding {
    /// The policy's id.
    pub policy: Str,
    /// Which of its queues.
    pub group: Subject,
    /// At the last grid point that every shard has passed.
    pub figures: BacklogFigures,
    /// The grid point that the figures are of.
    pub at: Timestamp,
    /// Since when it is backed up, where it is.
    pub open_since: Option<Timestamp>,
}

impl BacklogSum {
    /// No shard yet, nothing remembered.
    pub fn new(policies: Arc<Policies>, settings: Arc<Settings>) -> Self {
        let lanes = policies.queues().map(|policy| Lane::new(policy, &settings)).collect();
        BacklogSum {
            policies,
            settings,
            shards: 0,
            frontiers: BTreeMap::new(),
            lanes,
            next: 0,
            publisher: Publisher::default(),
            orphans: Vec::new(),
            inventory_told: BTreeMap::new(),
            inventory_next: BTreeMap::new(),
            memory_in_flight: BTreeSet::new(),
        }
    }

    /// How many shards there are in all: the input topics' partition count. Nothing is judged until each has spoken.
    pub fn set_shards(&mut self, expected: usize) {
        self.shards = expected;
    }

    /// Whether there is anything to sum.
    pub fn has_policies(&self) -> bool {
        !self.lanes.is_empty()
    }

    /// The shards whose word is missing, so that nothing is judged: they are on their way somewhere.
    pub fn waiting_for(&self) -> Vec<i32> {
        let all = i32::try_from(self.shards).unwrap_or(i32::MAX);
        (0..all).filter(|shard| self.lanes.iter().any(|lane| lane.heard.frontier(*shard).is_none())).collect()
    }

    /// What the slowest shard has come to; `None` while one of them was not heard.
    pub fn frontier(&self) -> Option<Timestamp> {
        self.lanes.iter().map(|lane| lane.heard.by_shards(self.shards)).min().flatten()
    }

    /// From where on the partials' topic is to be read.
    pub fn reads_from(&self) -> i64 {
        self.next
    }

    /// Takes in a record of the partials' topic, and judges what every shard has passed.
    pub fn hear(&mut self, record: PartialsRecord, offset: i64) {
        let PartialsRecord { shard, teller, began, number, frontier, backlogs } = record;
        self.next = offset.saturating_add(1);
        let word = Word { shard, name: &teller, began, number, offset };
        let frontier = frontier.map(Timestamp::from_millis);
        let policies = Arc::clone(&self.policies);
        let mut said: BTreeMap<(Str, Str), Vec<_>> =
            backlogs.into_iter().map(|saying| ((saying.policy, saying.meaning), saying.told)).collect();
        for (index, (lane, policy)) in self.lanes.iter_mut().zip(policies.queues()).enumerate() {
            if !lane.heard.takes(word) {
                continue;
            }
            match said.remove(&(policy.id.clone(), lane.meaning.clone())) {
                Some(entries) => {
                    let told = entries.into_iter().map(|entry| entry.told(index));
                    lane.hear(word, told, frontier, policy);
                }
                // The last record of a batch names every policy by which the shard counts.
                None if frontier.is_some() => lane.heard.counts_otherwise(shard),
                None => {}
            }
            lane.heard.took(word);
        }
        self.judge();
    }

    /// Takes in what a shard of this process says (`Partials::drain`) and how far it has come, and judges what every shard
    /// has passed: what a replay does, which has them all.
    pub fn observe(&mut self, shard: i32, frontier: Timestamp, told: Vec<Told>) {
        let policies = Arc::clone(&self.policies);
        for told in told {
            let index = told.policy();
            let known = self.lanes.get_mut(index).zip(policies.queue(index));
            match (told, known) {
                (Told::Whole { at, .. }, Some((lane, policy))) => lane.begin_anew(shard, at, policy),
                (Told::Partial(partial), Some((lane, policy))) => lane.take(shard, partial, policy),
                (_, None) => {}
            }
        }
        self.passed(shard, frontier);
        self.judge();
    }

    /// Whether a check asks for the stock.
    pub fn wants_stock(&self) -> bool {
        self.policies.queues().any(Backlog::is_oversold)
    }

    /// The ids of the checks `oversold`.
    pub fn oversold_policies(&self) -> Vec<Str> {
        self.policies.oversold.iter().map(|check| check.id.clone()).collect()
    }

    /// Whether the inventory is ahead of the shards by more than should wait here: it is to be read on later.
    pub fn is_full_of_stock(&self) -> bool {
        self.lanes.iter().any(|lane| lane.is_full_of_stock(self.shards))
    }

    /// A record of the inventory was read. True where it is new: every reading begins at the beginning, and what came before
    /// was counted, and told where it is no event, by whoever summed then.
    pub fn inventory_read(&mut self, topic: &Str, partition: i32, offset: i64) -> bool {
        let place = (topic.clone(), partition);
        let is_new = self.inventory_told.get(&place).is_none_or(|told| offset >= *told);
        let next = self.inventory_next.entry(place).or_default();
        *next = offset.saturating_add(1).max(*next);
        is_new
    }

    /// Takes in a stock event; it counts from where [`BacklogSum::stock_passed`] says.
    pub fn take_stock(&mut self, event: &StockEvent) -> StockApplied {
        let applied = self.lanes.iter_mut().filter_map(|lane| lane.take_stock(event));
        applied.last().unwrap_or(StockApplied::Superseded)
    }

    /// Every inventory partition has been read up to `frontier`; judges what the shards have passed too.
    pub fn stock_passed(&mut self, frontier: Timestamp) {
        let policies = Arc::clone(&self.policies);
        for (lane, policy) in self.lanes.iter_mut().zip(policies.queues()) {
            lane.stock_passed(frontier, policy);
        }
        self.judge();
    }

    /// Skus beyond the bound, of which nothing is said.
    pub fn skus_left_out(&self) -> usize {
        let oversold = self.lanes.iter().zip(self.policies.queues()).filter(|(_, policy)| policy.is_oversold());
        oversold.map(|(lane, _)| lane.overflowing()).sum()
    }

    /// Every shard has come to `frontier` and has nothing new to say, and so has the inventory: what a replay knows, whose
    /// shards share one frontier.
    pub fn advance(&mut self, frontier: Timestamp) {
        for shard in 0..i32::try_from(self.shards).unwrap_or(i32::MAX) {
            self.passed(shard, frontier);
        }
        self.stock_passed(frontier);
    }

    fn passed(&mut self, shard: i32, frontier: Timestamp) {
        let held = self.frontiers.entry(shard).or_insert(frontier);
        *held = frontier.max(*held);
        self.lanes.iter_mut().for_each(|lane| lane.heard.passed(shard, *held));
    }

    /// The earliest instant that every shard's frontier must pass, strictly, before anything here is judged.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.lanes.iter().filter_map(|lane| Some(lane.next_point()? + lane.grace)).min()
    }

    /// What holds now and was not published. `detected_at` is our clock; `None` (a replay) takes the frontier.
    /// Nothing counts as published until [`BacklogSum::committed`].
    pub fn drain_transitions(&mut self, detected_at: Option<Timestamp>) -> Vec<Transition> {
        self.publisher.drain(detected_at)
    }

    /// What must be remembered over a restart: records for the control topic, to be written in the transaction that
    /// carries the transitions drained just before.
    pub fn drain_memory(&mut self) -> Vec<MemoryRecord> {
        let mut records = Vec::new();
        let mut needed = self.next;
        for (index, (lane, policy)) in self.lanes.iter_mut().zip(self.policies.queues()).enumerate() {
            let queues = std::mem::take(&mut lane.dirty);
            records.extend(queues.iter().map(|id| MemoryRecord::queue(lane, policy, id)));
            let from = lane.heard.needed_from(lane.done());
            needed = from.values().copied().min().unwrap_or(needed).min(needed);
            records.push(MemoryRecord::judged(lane, policy, from));
            self.memory_in_flight.extend(queues.into_iter().map(|id| (index, id)));
        }
        if !self.inventory_next.is_empty() {
            records.push(MemoryRecord::inventory(&self.inventory_next));
        }
        records.push(MemoryRecord::read(needed));
        records
    }

    /// Lets go of what is to be remembered: a replay is not restarted.
    pub fn discard_memory(&mut self) {
        self.lanes.iter_mut().for_each(|lane| lane.dirty.clear());
    }

    /// What was drained since the last call is in the log for good.
    pub fn committed(&mut self) {
        self.publisher.committed();
        self.memory_in_flight.clear();
    }

    /// It is not: the next drains give it again.
    pub fn aborted(&mut self) {
        self.publisher.aborted();
        for (index, id) in std::mem::take(&mut self.memory_in_flight) {
            self.lanes.get_mut(index).into_iter().for_each(|lane| lane.dirty.extend([id.clone()]));
        }
    }

    /// Takes back the value of a record whose key begins with [`MemoryRecord::PREFIX`]. Of several with one key only the
    /// newest counts; the caller keeps that, and drops tombstones.
    ///
    /// # Errors
    /// The record is not one of ours. Nothing was changed.
    pub fn restore_memory(&mut self, value: &[u8]) -> Result<(), MemoryError> {
        let remembered = Remembered::parse(value)?;
        match &remembered {
            Remembered::Read { offset } => self.next = *offset,
            Remembered::Inventory { next } => {
                let next = next.iter().map(|(topic, partition, next)| ((topic.clone(), *partition), *next));
                self.inventory_told = next.collect();
                self.inventory_next = self.inventory_told.clone();
            }
            Remembered::Judged { .. } | Remembered::Queue { .. } => {}
        }
        let mut lanes = self.lanes.iter_mut().zip(self.policies.queues());
        let known = lanes.find(|(_, policy)| remembered.policy() == Some(&policy.id));
        if let Some((lane, policy)) = known {
            remembered.restore(lane, policy);
        }
        Ok(())
    }

    /// Takes back one entry of `exceptions-current`; those of orders are left alone.
    pub fn restore_published(&mut self, exception: Exception) {
        if !exception.is_summed() {
            return;
        }
        let known = self.lanes.iter_mut().zip(self.policies.queues()).find(|(_, p)| p.id == exception.policy.id);
        let queue = known.and_then(|(lane, policy)| Some((lane, policy, QueueId::of(policy, &exception.subject)?)));
        if exception.status.is_open() {
            match queue {
                Some((lane, policy, id)) => lane.expect(policy, id),
                None => self.orphans.push(exception.exception_id.clone()),
            }
        }
        self.publisher.restore(exception);
    }

    /// Every backlog's queue as it stands. No exception need be open for it.
    pub fn standing(&self) -> impl Iterator<Item = BacklogStanding> {
        let backlogs = self.lanes.iter().zip(self.policies.queues()).filter(|(_, policy)| !policy.is_oversold());
        backlogs.flat_map(|(lane, policy)| {
            let at = lane.judged.map_or(lane.through, |judged| judged.max(lane.through));
            lane.queues.iter().map(move |(id, queue)| BacklogStanding {
                policy: policy.id.clone(),
                group: id.subject(policy),
                figures: queue.figures(lane.grid, at),
                at,
                open_since: queue.clocks.open.map(|open| open.opened_at),
            })
        })
    }

    /// Visits what is open or escalated in the published set, in no order.
    pub fn visit_standing(&self, visit: &mut dyn FnMut(&Exception)) {
        self.publisher.standing().for_each(visit);
    }

    /// How often grid points were left out, for a shard was silent for too long.
    pub fn skipped(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.skipped).sum()
    }

    /// Takes in a state that another process published (`at_least_once`): a subscriber holds it now. True where it was news,
    /// and only while nothing of ours is on its way.
    pub fn overhear(&mut self, exception: Exception) -> bool {
        let is_news = exception.is_summed() && self.publisher.is_older_than(&exception);
        if is_news {
            self.restore_published(exception);
        }
        is_news
    }

    /// What shards have told of grid points that not all have passed yet.
    pub fn pending(&self) -> usize {
        self.lanes.iter().map(Lane::pending).sum()
    }

    /// Backlogs that opened and cleared before `publish_after`.
    pub fn kept_back(&self) -> u64 {
        self.publisher.kept_back
    }

    fn judge(&mut self) {
        let policies = Arc::clone(&self.policies);
        for (lane, policy) in self.lanes.iter_mut().zip(policies.queues()) {
            let publisher = &mut self.publisher;
            let mut context = Context { policy, version: &policies.version, settings: &self.settings, publisher };
            lane.advance(self.shards, &mut context);
        }
    }

    /// Ends what stands open of policies that are gone, or that group otherwise now.
    pub fn cancel_orphans(&mut self, frontier: Timestamp) {
        for id in std::mem::take(&mut self.orphans) {
            self.publisher.cancel(&id, frontier);
        }
    }
}
