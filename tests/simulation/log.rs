//! What a run left in the topics, and what its processes tried to commit.

use std::collections::BTreeMap;

use crate::codec::{Format, decode_exception};
use crate::domain::{Exception, Str};
use crate::kafka::offsets::ShardOffsets;

use super::broker::{Broker, Member};
use super::eras::Eras;
use super::oracle::Record;
use super::shop::{Content, TOPICS};
use super::truth::Aftermath;
use super::words::{order_of, words};

/// What processes tried to commit.
#[derive(Debug, Default)]
pub struct Batches {
    pub begun: Vec<Batch>,
    /// Their numbers, in the order in which the log took them.
    pub committed: Vec<usize>,
}

/// One of them.
#[derive(Debug)]
pub struct Batch {
    pub member: Member,
    pub offsets: Vec<ShardOffsets>,
    /// By what each of its shards was judged.
    pub eras: BTreeMap<i32, Eras>,
}

impl Batches {
    /// `eras`: those of all shards of the process.
    pub fn begin(&mut self, member: Member, offsets: Vec<ShardOffsets>, eras: &BTreeMap<i32, Eras>) -> usize {
        let of = |of: &ShardOffsets| Some((of.partition, eras.get(&of.partition)?.clone()));
        let eras = offsets.iter().filter_map(of).collect();
        self.begun.push(Batch { member, offsets, eras });
        self.begun.len() - 1
    }

    pub fn commit(&mut self, number: usize) {
        self.committed.push(number);
    }

    pub fn len(&self) -> usize {
        self.committed.len()
    }
}

/// A record of an input that a reader may see, with what the oracle needs.
#[derive(Debug)]
pub struct Seen {
    pub record: Record,
    pub effective: i64,
    pub appended: i64,
}

/// A published state.
#[derive(Debug)]
pub struct Told {
    pub exception: Exception,
    pub batch: usize,
}

impl Aftermath<'_> {
    /// For those who look into a run: what was told of an order, and every batch.
    pub fn tell_of(&self, broker: &Broker, order: &str) {
        for Told { exception, batch } in self.told(broker).iter().filter(|told| order_of(&told.exception) == order) {
            println!("batch {batch}: {}", words(exception));
        }
        let batches = self.around.batches.borrow();
        for (number, Batch { member, offsets, .. }) in batches.begun.iter().enumerate() {
            let stands = batches.committed.contains(&number);
            println!("batch {number} by {member}, committed: {stands}: {offsets:?}");
        }
    }

    pub fn seen(&self, broker: &Broker, partition: i32) -> Vec<Seen> {
        let mut seen = Vec::new();
        for (stream, topic) in (0u16..).zip(TOPICS) {
            let mut maximum = i64::MIN;
            for entry in broker.log(topic, partition).entries.iter().filter(|entry| broker.is_visible(entry)) {
                let Some(told) = &entry.record else { continue };
                let event = match &self.shop.contents[told.tag] {
                    Content::Event(event) => Some((**event).clone()),
                    Content::Nothing => None,
                    Content::Skewed => continue,
                };
                maximum = maximum.max(told.time);
                let record = Record { stream, partition, offset: entry.offset, record_time: told.time, event };
                seen.push(Seen { record, effective: maximum, appended: entry.appended });
            }
        }
        seen
    }

    /// The histories: what subscribers read, in the order of the log.
    pub fn told(&self, broker: &Broker) -> Vec<Told> {
        let outputs = &self.around.config.outputs;
        let mut told = Vec::new();
        for topic in [&outputs.sla, &outputs.reconciliation] {
            for entry in broker.log(topic, 0).entries.iter().filter(|entry| broker.is_visible(entry)) {
                let Some(record) = &entry.record else { continue };
                let value = record.value.as_deref().expect("histories have no tombstones");
                let exception = decode_exception(value, Format::Json).expect("ours");
                told.push(Told { exception, batch: record.tag });
            }
        }
        told
    }

    pub fn current(&self, broker: &Broker, partition: i32) -> BTreeMap<Str, Exception> {
        let mut current = BTreeMap::new();
        let topic = &self.around.config.outputs.current;
        for entry in broker.log(topic, partition).entries.iter().filter(|entry| broker.is_visible(entry)) {
            let Some(record) = &entry.record else { continue };
            let key = Str::new(String::from_utf8_lossy(&record.key));
            match &record.value {
                Some(value) => {
                    let exception = decode_exception(value, Format::Json).expect("ours");
                    // As subscribers are told to do.
                    if current.get(&key).is_none_or(|held: &Exception| held.frontier <= exception.frontier) {
                        current.insert(key, exception);
                    }
                }
                None => drop(current.remove(&key)),
            }
        }
        current
    }
}
