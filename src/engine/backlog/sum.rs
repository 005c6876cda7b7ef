//! The process-wide sum of every shard's partials: judges each grid point once every shard has passed it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::{BacklogFigures, Exception, ExceptionId, Kind, Str, Subject, Timestamp};
use crate::engine::Transition;
use crate::policy::{Policies, Settings};

use super::Partial;
use super::lane::{Context, Lane, QueueId};
use super::memory::{self, MemoryError, MemoryKey, MemoryRecord, Remembered};
use super::publish::Publisher;

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
    frontiers: BTreeMap<i32, Timestamp>,
    /// One a policy, in the document's order.
    lanes: Vec<Lane>,
    publisher: Publisher,
    /// What stands open of policies that are gone, or that group otherwise now: it is no longer wanted.
    orphans: Vec<ExceptionId>,
    /// Records taken and not committed: (policy, what).
    memory_in_flight: BTreeSet<(usize, MemoryKey)>,
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
        let lanes = policies.backlogs.iter().map(|policy| Lane::new(policy, &settings)).collect();
        BacklogSum {
            policies,
            settings,
            shards: 0,
            frontiers: BTreeMap::new(),
            lanes,
            publisher: Publisher::default(),
            orphans: Vec::new(),
            memory_in_flight: BTreeSet::new(),
        }
    }

    /// How many shards there are in all: the input topics' partition count. Nothing is judged until each has spoken.
    pub fn set_shards(&mut self, expected: usize) {
        self.shards = expected;
    }

    /// The shards whose word is missing, so that nothing is judged: another process has them, or they are restoring.
    pub fn waiting_for(&self) -> Vec<i32> {
        let all = i32::try_from(self.shards).unwrap_or(i32::MAX);
        (0..all).filter(|shard| !self.frontiers.contains_key(shard)).collect()
    }

    /// A shard is no longer here: what it said is taken out, and nothing is judged until it speaks again, from
    /// [`BacklogSum::base`] on.
    pub fn forget_shard(&mut self, shard: i32) {
        self.frontiers.remove(&shard);
        for (lane, policy) in self.lanes.iter_mut().zip(&self.policies.backlogs) {
            lane.forget_shard(shard, policy);
        }
    }

    /// Takes in what a shard says (`Partials::drain`) and how far it has come, and judges what every shard has passed.
    pub fn observe(&mut self, shard: i32, frontier: Timestamp, partials: Vec<Partial>) {
        for partial in partials {
            if let Some(lane) = self.lanes.get_mut(partial.policy) {
                lane.observe(shard, partial);
            }
        }
        let held = self.frontiers.entry(shard).or_insert(frontier);
        *held = frontier.max(*held);
        self.judge();
    }

    /// Every shard has come to `frontier` and has nothing new to say: what a replay knows, whose shards share one frontier.
    pub fn advance(&mut self, frontier: Timestamp) {
        for shard in 0..i32::try_from(self.shards).unwrap_or(i32::MAX) {
            let held = self.frontiers.entry(shard).or_insert(frontier);
            *held = frontier.max(*held);
        }
        self.judge();
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

    /// What changed of that which must be remembered over a restart: records for the control topic, to be written in the
    /// transaction that carries the transitions drained just before.
    pub fn drain_memory(&mut self) -> Vec<MemoryRecord> {
        let mut records = Vec::new();
        for (index, (lane, policy)) in self.lanes.iter_mut().zip(&self.policies.backlogs).enumerate() {
            let mut keys: Vec<_> = std::mem::take(&mut lane.dirty).into_iter().map(MemoryKey::Queue).collect();
            keys.extend(std::mem::take(&mut lane.judged_is_dirty).then_some(MemoryKey::Judged));
            records.extend(keys.iter().map(|key| memory::record(lane, policy, key)));
            self.memory_in_flight.extend(keys.into_iter().map(|key| (index, key)));
        }
        records
    }

    /// Lets go of what is to be remembered: a replay is not restarted.
    pub fn discard_memory(&mut self) {
        for lane in &mut self.lanes {
            lane.dirty.clear();
            lane.judged_is_dirty = false;
        }
    }

    /// What was drained since the last call is in the log for good.
    pub fn committed(&mut self) {
        self.publisher.committed();
        self.memory_in_flight.clear();
    }

    /// It is not: the next drains give it again.
    pub fn aborted(&mut self) {
        self.publisher.aborted();
        for (index, key) in std::mem::take(&mut self.memory_in_flight) {
            let Some(lane) = self.lanes.get_mut(index) else { continue };
            match key {
                MemoryKey::Queue(id) => drop(lane.dirty.insert(id)),
                MemoryKey::Judged => lane.judged_is_dirty = true,
            }
        }
    }

    /// Takes back the value of a record whose key begins with [`MemoryRecord::PREFIX`]. Of several with one key only the
    /// newest counts; the caller keeps that, and drops tombstones.
    ///
    /// # Errors
    /// The record is not one of ours. Nothing was changed.
    pub fn restore_memory(&mut self, value: &[u8]) -> Result<(), MemoryError> {
        let remembered = Remembered::parse(value)?;
        let known = self.lanes.iter_mut().zip(&self.policies.backlogs).find(|(_, p)| p.id == remembered.policy());
        if let Some((lane, policy)) = known {
            remembered.restore(lane, policy);
        }
        Ok(())
    }

    /// Takes back one entry of `exceptions-current`; those of other kinds are left alone.
    pub fn restore_published(&mut self, exception: Exception) {
        if exception.kind != Kind::Backlog {
            return;
        }
        let known = self.lanes.iter_mut().zip(&self.policies.backlogs).find(|(_, p)| p.id == exception.policy.id);
        let queue = known.and_then(|(lane, policy)| Some((lane, policy, QueueId::of(policy, &exception.subject)?)));
        if exception.status.is_open() {
            match queue {
                Some((lane, policy, id)) => lane.expect(policy, id),
                None => self.orphans.push(exception.exception_id.clone()),
            }
        }
        self.publisher.restore(exception);
    }

    /// From where a shard tells its partials anew (`Shard::retell_backlogs`): the last grid point judged of each policy, by
    /// index. `None` is the beginning of time: nothing was judged yet.
    ///
    /// `in_force_from` is the frontier at which the document came into force in a group that ran before; a policy that is
    /// new to the group begins there, and does not judge the past. `None` at a group's first start and in a replay.
    pub fn base(&mut self, in_force_from: Option<Timestamp>) -> Vec<Option<Timestamp>> {
        for lane in self.lanes.iter_mut().filter(|lane| !lane.is_known) {
            lane.is_known = true;
            lane.judged_is_dirty = true;
            let begins = in_force_from.map(|frontier| lane.grid.passed(frontier, lane.grace));
            lane.judged = lane.judged.or(begins);
        }
        self.lanes.iter().map(|lane| lane.judged).collect()
    }

    /// Every queue as it stands. No exception need be open for it.
    pub fn standing(&self) -> impl Iterator<Item = BacklogStanding> {
        self.lanes.iter().zip(&self.policies.backlogs).flat_map(|(lane, policy)| {
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

    /// What shards have told of grid points that not all have passed yet.
    pub fn pending(&self) -> usize {
        self.lanes.iter().map(Lane::pending).sum()
    }

    /// Backlogs that opened and cleared before `publish_after`.
    pub fn kept_back(&self) -> u64 {
        self.publisher.kept_back
    }

    fn judge(&mut self) {
        if self.shards == 0 || self.frontiers.len() < self.shards {
            return;
        }
        let Some(frontier) = self.frontiers.values().copied().min() else { return };
        let policies = Arc::clone(&self.policies);
        for (lane, policy) in self.lanes.iter_mut().zip(&policies.backlogs) {
            let publisher = &mut self.publisher;
            let mut context = Context { policy, version: &policies.version, settings: &self.settings, publisher };
            lane.advance(frontier, &mut context);
        }
        for id in std::mem::take(&mut self.orphans) {
            self.publisher.cancel(&id, frontier);
        }
    }
}
