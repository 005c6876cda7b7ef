//! The backlogs' sum over the shards of all processes, where shard 0 is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::codec::OutputRecord;
use crate::domain::{Exception, Kind, Str, Timestamp};
use crate::engine::backlog::RecordError;
use crate::engine::{BacklogSum, PartialsRecord, Transition};
use crate::policy::{Policies, Settings};
use crate::telemetry::events::KeptBack;
use crate::telemetry::{BacklogStatus, Health, emit};

use super::report::open_counts;
use super::wire::Wire;

/// The shard whose partition of `exceptions-current` the backlogs share, and whose offsets go with what they say.
pub const OWNER: i32 = 0;
/// What the sum remembers is written with what it publishes, and else as often as this.
const REMEMBER_EVERY: Duration = Duration::from_secs(60);

/// What a restart finds of the backlogs.
#[derive(Debug, Default)]
pub struct Remembered {
    /// Values of the control topic's records, the newest of each key.
    pub memory: Vec<Vec<u8>>,
    /// What was published, the last state of each.
    pub published: Vec<Exception>,
}

/// The sum, while its owner is here.
#[derive(Debug)]
pub struct Backlogs {
    policies: Arc<Policies>,
    settings: Arc<Settings>,
    control: Str,
    shards: usize,
    state: State,
    epoch: u64,
    remembered_at: Instant,
    kept_back: u64,
}

#[derive(Debug)]
enum State {
    /// Another process sums, or will.
    Away,
    /// What is remembered is being read back.
    Asked,
    /// It judges.
    Summing(Box<BacklogSum>),
}

/// What was drained for the batch in hand.
#[derive(Debug, Default)]
pub struct Drained {
    /// States of backlogs.
    pub transitions: Vec<Transition>,
    /// Whether anything was drained.
    pub any: bool,
}

impl Backlogs {
    /// Nothing was read back yet; `shards` is how many the group has.
    pub fn new(policies: Arc<Policies>, settings: Arc<Settings>, control: Str, shards: usize) -> Self {
        let (state, remembered_at) = (State::Away, Instant::now());
        Backlogs { policies, settings, control, shards, state, epoch: 0, remembered_at, kept_back: 0 }
    }

    /// Follows whether the owner is live here: then nobody else judges, and what was remembered is read back; when it goes,
    /// another process may judge, and what is here is worth nothing. Gives the number under which it wants to be read back.
    pub fn follow(&mut self, owner_is_live: bool) -> Option<u64> {
        if !owner_is_live {
            self.state = State::Away;
        } else if matches!(self.state, State::Away) {
            self.epoch += 1;
            self.state = State::Asked;
            return Some(self.epoch);
        }
        None
    }

    /// What was remembered is here; `frontier` is the owner's. It goes on with what is in the partials' topic from then on.
    ///
    /// # Errors
    /// A record of the control topic is not ours; it is left out, and its clocks start anew.
    pub fn restore(&mut self, epoch: u64, remembered: Remembered, frontier: Option<Timestamp>) -> Result<(), String> {
        if epoch != self.epoch || !matches!(self.state, State::Asked) {
            return Ok(());
        }
        let mut sum = BacklogSum::new(Arc::clone(&self.policies), Arc::clone(&self.settings));
        sum.set_shards(self.shards);
        let refused = remembered.memory.iter().filter_map(|value| sum.restore_memory(value).err()).last();
        remembered.published.into_iter().for_each(|exception| sum.restore_published(exception));
        frontier.into_iter().for_each(|frontier| sum.cancel_orphans(frontier));
        self.state = State::Summing(Box::new(sum));
        refused.map_or(Ok(()), |error| Err(error.to_string()))
    }

    /// From which offset on the partials' topic is wanted; `None` where nobody sums here, or nothing.
    pub fn reads_from(&self) -> Option<i64> {
        self.sum().filter(|_| !self.policies.backlogs.is_empty()).map(BacklogSum::reads_from)
    }

    /// Takes in a record of the partials' topic.
    ///
    /// # Errors
    /// It is not one of ours, and is left out.
    pub fn hear(&mut self, offset: i64, value: &[u8]) -> Result<(), RecordError> {
        if let State::Summing(sum) = &mut self.state {
            sum.hear(PartialsRecord::parse(value)?, offset);
        }
        Ok(())
    }

    /// What holds now and was not published, with what must be remembered, into `records`.
    pub fn drain(&mut self, wire: &Wire, clock: Timestamp, records: &mut Vec<OutputRecord>) -> Drained {
        let State::Summing(sum) = &mut self.state else { return Drained::default() };
        let transitions = sum.drain_transitions(Some(clock));
        if transitions.is_empty() && self.remembered_at.elapsed() < REMEMBER_EVERY {
            return Drained::default();
        }
        self.remembered_at = Instant::now();
        let before = records.len();
        for transition in &transitions {
            records.extend(wire.outputs.transition(transition, OWNER));
        }
        records.extend(sum.drain_memory().into_iter().map(|memory| OutputRecord {
            topic: self.control.clone(),
            partition: Some(0),
            key: Some(Bytes::from(memory.key)),
            value: memory.value.map(Bytes::from),
            headers: Vec::new(),
        }));
        Drained { transitions, any: records.len() > before }
    }

    /// What was drained stands.
    pub fn committed(&mut self) {
        if let State::Summing(sum) = &mut self.state {
            sum.committed();
        }
    }

    /// It does not.
    pub fn aborted(&mut self) {
        if let State::Summing(sum) = &mut self.state {
            sum.aborted();
        }
    }

    /// Tells of every queue, beside what is told of the owner, which is here.
    pub fn report(&mut self, health: &Health) {
        let Some(sum) = self.sum() else {
            // Whoever has every shard has newer figures.
            return health.update_shard(OWNER, |status| {
                status.backlogs.clear();
                status.open.retain(|count| count.kind != Kind::Backlog);
            });
        };
        let queues = sum.standing().map(|queue| BacklogStatus {
            group: Str::new(queue.group.key("").to_string().trim_start_matches('?')),
            policy: queue.policy,
            depth: queue.figures.depth,
            oldest_since: queue.figures.oldest_age_ms.map(|age| queue.at - crate::domain::Millis::new(age)),
            at: queue.at,
        });
        let queues = queues.collect();
        let open = open_counts(|visit| sum.visit_standing(visit));
        health.update_shard(OWNER, |status| {
            status.backlogs = queues;
            status.open.retain(|count| count.kind != Kind::Backlog);
            status.open.extend(open);
        });
        let kept_back = sum.kept_back();
        if kept_back > self.kept_back {
            emit(KeptBack { shard: OWNER, count: kept_back - self.kept_back });
        }
        self.kept_back = kept_back;
    }

    fn sum(&self) -> Option<&BacklogSum> {
        match &self.state {
            State::Summing(sum) => Some(sum),
            State::Away | State::Asked => None,
        }
    }
}
