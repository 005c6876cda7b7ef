//! Records that their topic does not take. Too large ones: an exception is cut, and what cannot be cut holds its shard
//! alone. Topics that we may not write to hold the shards that have something to say there, and are tried now and then.
//!
//! What topics take is asked at the start, and again when the broker refuses a record or something was cut: limits change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::codec::OutputRecord;
use crate::codec::bounds::{Bounds, cut, exception_of};
use crate::config::Config;
use crate::domain::Str;
use crate::kafka::topics;
use crate::kafka::topology::Cluster;
use crate::telemetry::events::{ExceptionCut, RecordTooLarge, TopicTakesLess, WriteDenied};
use crate::telemetry::{Health, emit};

use super::commit::Pending;

/// A shard with a record that no cut makes small enough is tried again after this long.
const HELD_FOR: Duration = Duration::from_secs(5);
/// Where something was cut, the topics are asked again after this long.
const CUT_FOR: Duration = Duration::from_secs(60);
/// What a topic takes by Kafka's default, where the broker does not say.
const BY_DEFAULT: usize = 1_048_588;
/// No topic is held to take less.
const LEAST: usize = 512;

/// What the topics take, and which shards wait for them to take more.
#[derive(Debug)]
pub struct Fit {
    config: Arc<Config>,
    runtime: Handle,
    bounds: Bounds,
    /// `None`: a record of the backlogs' sum.
    held: BTreeSet<Option<i32>>,
    /// Topics that we may not write to. Those that are tried again are so until something was written there.
    denied: BTreeMap<Str, Denied>,
    again_at: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Denied {
    Waits,
    IsTried,
}

impl Fit {
    /// Asks the broker.
    pub fn start(config: Arc<Config>, cluster: &Cluster, runtime: Handle) -> Self {
        let bounds = Bounds::new(runtime.block_on(topics::record_bytes(&config, cluster)));
        Fit { config, runtime, bounds, held: BTreeSet::new(), denied: BTreeMap::new(), again_at: None }
    }

    /// What it goes by.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What a topic takes.
    pub fn of(&self, topic: &str) -> Option<usize> {
        self.bounds.of(topic)
    }

    /// The largest batch that every topic takes: a topic's `max.message.bytes` bounds the batch, not the record.
    pub fn batch_max(&self, at_most: usize) -> usize {
        self.bounds.least().map_or(at_most, |least| least.saturating_sub(1_024).clamp(1, at_most))
    }

    /// Whether a shard's outputs wait. `None`: those of the backlogs' sum, which rests on every shard.
    pub fn holds(&self, shard: Option<i32>) -> bool {
        if shard.is_none() { !self.held.is_empty() } else { self.held.contains(&shard) }
    }

    /// Whether every record of the batch is small enough, or was cut to be.
    pub fn pass(&mut self, pending: &mut Pending, health: &Health, now: Instant) -> bool {
        let mut too_large = Vec::new();
        for (index, record) in pending.batch.records.iter_mut().enumerate() {
            let Some((bytes, _)) = self.bounds.exceeded(record) else { continue };
            if let Some(short) = cut(record).filter(|short| self.bounds.exceeded(short).is_none()) {
                *record = short;
                let exception = name(record);
                emit(ExceptionCut { topic: &record.topic, exception: &exception, bytes });
                self.again_at.get_or_insert(now + CUT_FOR);
            } else {
                too_large.push((index, bytes));
            }
        }
        for (index, bytes) in &too_large {
            let Some(record) = pending.batch.records.get(*index) else { continue };
            let (max_bytes, exception) = (self.bounds.of(&record.topic).unwrap_or(0), name(record));
            let shard = pending.shard_of(*index);
            emit(RecordTooLarge { topic: &record.topic, exception: &exception, shard, bytes: *bytes, max_bytes });
            let note = format!("{exception} is too large for {}: raise its max.message.bytes", record.topic);
            health.set_note("outputs", Some(note));
            self.held.insert(shard);
            self.again_at = Some(now + HELD_FOR);
        }
        let waits = |record: &OutputRecord| self.denied.get(&record.topic) == Some(&Denied::Waits);
        let of_denied: Vec<_> =
            (0..).zip(&pending.batch.records).filter(|(_, record)| waits(record)).map(|(index, _)| index).collect();
        self.held.extend(of_denied.iter().map(|index| pending.shard_of(*index)));
        too_large.is_empty() && of_denied.is_empty()
    }

    /// We may not write to a topic.
    pub fn deny(&mut self, topic: &str, health: &Health, now: Instant) {
        emit(WriteDenied { topic });
        self.denied.insert(Str::new(topic), Denied::Waits);
        self.again_at = Some(now + HELD_FOR);
        self.note_denied(health);
    }

    /// A batch was written.
    pub fn written(&mut self, records: &[OutputRecord], health: &Health) {
        let before = self.denied.len();
        self.denied.retain(|topic, _| !records.iter().any(|record| record.topic == *topic));
        if self.denied.len() < before {
            self.note_denied(health);
        }
    }

    fn note_denied(&self, health: &Health) {
        let topics: Vec<&str> = self.denied.keys().map(Str::as_str).collect();
        let note = format!("orderwatch may not write to {}: allow WRITE there; nothing is lost", topics.join(", "));
        health.set_note("permissions", (!topics.is_empty()).then_some(note));
    }

    /// The broker refused a record for its size: what it was thought to take is too much.
    pub fn refused(&mut self, topic: &str) {
        let before = self.bounds.of(topic).unwrap_or(BY_DEFAULT);
        self.ask();
        let told = self.bounds.of(topic).filter(|told| *told < before);
        // Where the broker does not say, half of what it refused is tried.
        let max_bytes = told.unwrap_or(before / 2).max(LEAST);
        self.bounds.set(Str::new(topic), max_bytes);
        emit(TopicTakesLess { topic, max_bytes });
        self.again_at = Some(Instant::now() + CUT_FOR);
    }

    /// Asks again where it is time, and lets what waited try again.
    pub fn turn(&mut self, health: &Health, now: Instant) {
        if self.again_at.is_some_and(|at| at <= now) {
            self.again_at = None;
            self.ask();
            self.denied.values_mut().for_each(|denied| *denied = Denied::IsTried);
            if !std::mem::take(&mut self.held).is_empty() {
                health.set_note("outputs", None);
            }
        }
    }

    fn ask(&mut self) {
        // A client that cannot be made is one that does not say.
        let told = Cluster::new(&self.config.kafka).map(|cluster| {
            let told = self.runtime.block_on(topics::record_bytes(&self.config, &cluster));
            cluster.let_go();
            told
        });
        self.bounds = Bounds::new(told.unwrap_or_default());
    }
}

/// What a record is told by: its exception, or its key.
fn name(record: &OutputRecord) -> String {
    match exception_of(record) {
        Some((exception, _)) => exception.exception_id.to_string(),
        None => String::from_utf8_lossy(record.key.as_deref().unwrap_or_default()).into_owned(),
    }
}
