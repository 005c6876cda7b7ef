//! The inventory's topics, read whole on a thread and a client of its own. They are no part of the shards: whoever sums
//! reads all their partitions, each from its first record.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use crate::config::KafkaConfig;
use crate::domain::{Str, StreamId};

use super::bell::Bell;
use super::client::{self, Logged};
use super::error::KafkaFailure;
use super::topology::ANSWER_WITHIN;
use super::{Fetched, InputPartition, access};

/// Records that wait for the loop; beyond, the reader waits.
const WAITING_MAX: usize = 4_000;
/// The thread looks so often whether it is still wanted, and where it stands.
const LOOKS_EVERY: Duration = Duration::from_millis(50);
/// Before a broker that did not answer is asked again.
const ASKS_AGAIN: Duration = Duration::from_millis(500);

/// What the reader found.
#[derive(Debug)]
pub enum Found {
    /// A record.
    Record(Box<Fetched>),
    /// Nothing before this offset is left to read: the log begins there, or transactions' markers lie between.
    At(InputPartition, i64),
}

/// Reads the partitions from their beginnings, committed records alone.
#[derive(Debug)]
pub struct InventoryReader {
    found: Receiver<Found>,
    wanted: Arc<AtomicBool>,
}

impl InventoryReader {
    /// Starts the thread; it ends when this is dropped. `inputs`: each partition, with its topic. `bell` is rung when
    /// something came.
    ///
    /// # Errors
    /// The client cannot be made.
    pub fn start(
        kafka: &KafkaConfig,
        inputs: Vec<(InputPartition, Str)>,
        bell: Arc<Bell>,
    ) -> Result<Self, KafkaFailure> {
        let failed = |source| KafkaFailure::Client { purpose: "reading the inventory", source };
        let client: BaseConsumer<Logged> = client::follower(kafka).create_with_context(Logged).map_err(failed)?;
        let (send, found) = sync_channel(WAITING_MAX);
        let wanted = Arc::new(AtomicBool::new(true));
        let reading = Reading { client, kafka: kafka.clone(), inputs, send, bell, wanted: Arc::clone(&wanted) };
        let spawned = std::thread::Builder::new().name("inventory".to_owned()).spawn(move || reading.run());
        spawned.map_err(|e| failed(KafkaError::ClientCreation(e.to_string())))?;
        Ok(InventoryReader { found, wanted })
    }

    /// What has come, in the order of each partition's log; `None` where nothing has.
    pub fn take(&self) -> Option<Found> {
        self.found.try_recv().ok()
    }
}

impl Drop for InventoryReader {
    fn drop(&mut self) {
        self.wanted.store(false, Ordering::Relaxed);
    }
}

struct Reading {
    client: BaseConsumer<Logged>,
    kafka: KafkaConfig,
    inputs: Vec<(InputPartition, Str)>,
    send: SyncSender<Found>,
    bell: Arc<Bell>,
    wanted: Arc<AtomicBool>,
}

impl Reading {
    fn run(self) {
        while let Err(error) = self.begin() {
            self.say(&error);
            std::thread::sleep(ASKS_AGAIN);
            if !self.is_wanted() {
                return;
            }
        }
        let mut stands: BTreeMap<InputPartition, i64> = BTreeMap::new();
        while self.is_wanted() {
            match self.client.poll(LOOKS_EVERY) {
                Some(Ok(message)) => {
                    let Some(input) = self.input(message.topic(), message.partition()) else { continue };
                    stands.insert(input, message.offset().saturating_add(1));
                    if !self.pass(Found::Record(Box::new(Fetched::copy(&message, input.stream)))) {
                        return;
                    }
                }
                Some(Err(error)) => self.say(&error),
                None => {
                    for (input, at) in self.positions() {
                        let is_news = stands.insert(input, at).is_none_or(|before| before < at);
                        if is_news && !self.pass(Found::At(input, at)) {
                            return;
                        }
                    }
                }
            }
        }
    }

    /// Assigns every partition from its first record on, and says where that is.
    fn begin(&self) -> Result<(), KafkaError> {
        let mut assigned = TopicPartitionList::with_capacity(self.inputs.len());
        for (input, topic) in &self.inputs {
            let (first, _) = self.client.fetch_watermarks(topic, input.partition, ANSWER_WITHIN)?;
            assigned.add_partition_offset(topic, input.partition, Offset::Offset(first))?;
            self.pass(Found::At(*input, first));
        }
        self.client.assign(&assigned)
    }

    fn positions(&self) -> Vec<(InputPartition, i64)> {
        let Ok(list) = self.client.position() else { return Vec::new() };
        let elements = list.elements();
        let each = elements.iter().filter_map(|element| match element.offset() {
            Offset::Offset(at) => Some((self.input(element.topic(), element.partition())?, at)),
            _ => None,
        });
        each.collect()
    }

    fn input(&self, topic: &str, partition: i32) -> Option<InputPartition> {
        let is_it = |(input, name): &&(InputPartition, Str)| input.partition == partition && name == topic;
        self.inputs.iter().find(is_it).map(|(input, _)| *input)
    }

    fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    /// False where nobody wants it any more.
    fn pass(&self, found: Found) -> bool {
        let sent = self.send.send(found).is_ok();
        self.bell.ring();
        sent
    }

    fn say(&self, error: &KafkaError) {
        if access::is_denied(error) {
            let failure = access::unread(&self.kafka, error, "the inventory");
            return client::log_error(error, &failure.to_string());
        }
        client::log_error(error, "while reading the inventory");
    }
}

/// The streams' numbers go on after those of the orders.
pub fn stream_of(orders: usize, topic: usize) -> StreamId {
    StreamId(u16::try_from(orders + topic).unwrap_or(u16::MAX))
}
