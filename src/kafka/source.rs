//! The group's consumer: what is polled becomes a [`Polled`], a closed list.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, ConsumerGroupMetadata, Rebalance};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use crate::config::KafkaConfig;
use crate::domain::{Str, StreamId};

use super::error::KafkaFailure;
use super::offsets::ShardOffsets;
use super::{Fetched, InputPartition, client};

/// What happened to the assignment, in the order in which it happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GroupChange {
    /// These came; they are paused until [`Source::start`].
    Assigned(Vec<InputPartition>),
    /// These went.
    Revoked {
        /// Which.
        inputs: Vec<InputPartition>,
        /// The group gave them away before we let go: nothing of theirs can be committed.
        lost: bool,
    },
}

/// What one poll brought.
#[derive(Debug)]
pub enum Polled {
    /// A record.
    Record(Fetched),
    /// Something else was served, or nothing came in time.
    Nothing,
}

/// Joins the group, keeps new partitions paused, and notes what changed.
struct Context {
    streams: Vec<Str>,
    changes: Mutex<VecDeque<GroupChange>>,
}

impl Context {
    fn inputs(&self, list: &TopicPartitionList) -> Vec<InputPartition> {
        let of = |topic: &str| stream_of(&self.streams, topic);
        let elements = list.elements();
        let each = elements.iter().filter_map(|element| {
            Some(InputPartition { stream: of(element.topic())?, partition: element.partition() })
        });
        each.collect()
    }

    fn note(&self, change: GroupChange) {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).push_back(change);
    }
}

fn stream_of(streams: &[Str], topic: &str) -> Option<StreamId> {
    let index = streams.iter().position(|held| held == topic)?;
    u16::try_from(index).ok().map(StreamId)
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        client::log_error(&error, reason);
    }
}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(list) = rebalance {
            let inputs = self.inputs(list);
            self.note(GroupChange::Revoked { inputs, lost: consumer.assignment_lost() });
        }
    }

    // Quick: nothing is read or written here. The loop restores the shard and then lets its partitions go.
    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(list) => {
                if let Err(error) = consumer.pause(list) {
                    client::log_error(&error, "new partitions could not be paused");
                }
                self.note(GroupChange::Assigned(self.inputs(list)));
            }
            Rebalance::Revoke(_) => {}
            Rebalance::Error(error) => client::log_error(error, "rebalance"),
        }
    }
}

/// The consumer of all declared inputs.
pub struct Source {
    consumer: BaseConsumer<Context>,
    streams: Vec<Str>,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Source({:?})", self.streams)
    }
}

impl Source {
    /// Subscribes to every stream's topic.
    ///
    /// # Errors
    /// The client cannot be made.
    pub fn subscribe(kafka: &KafkaConfig, streams: &[Str]) -> Result<Self, KafkaFailure> {
        let context = Context { streams: streams.to_vec(), changes: Mutex::default() };
        let failed = |source| KafkaFailure::Client { purpose: "consuming", source };
        let consumer: BaseConsumer<Context> = client::consumer(kafka).create_with_context(context).map_err(failed)?;
        let topics: Vec<&str> = streams.iter().map(Str::as_str).collect();
        consumer.subscribe(&topics).map_err(failed)?;
        Ok(Source { consumer, streams: streams.to_vec() })
    }

    /// Waits for a record or a change. Changes of the assignment are in [`Source::changes`] afterwards.
    ///
    /// # Errors
    /// The consumer cannot go on.
    pub fn poll(&self, timeout: Duration) -> Result<Polled, KafkaFailure> {
        match self.consumer.poll(timeout) {
            None => Ok(Polled::Nothing),
            Some(Ok(message)) => Ok(match stream_of(&self.streams, message.topic()) {
                Some(stream) => Polled::Record(Fetched::copy(&message, stream)),
                None => Polled::Nothing,
            }),
            Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => Err(KafkaFailure::Consumer(error)),
            Some(Err(error)) => {
                // The broker is away, a topic is gone: librdkafka goes on trying, and the frontier shows it.
                client::log_error(&error, "while consuming");
                Ok(Polled::Nothing)
            }
        }
    }

    /// What happened to the assignment since the last call.
    pub fn changes(&self) -> VecDeque<GroupChange> {
        std::mem::take(&mut *self.consumer.context().changes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lets assigned partitions go, each from an offset. Tells whether it is done: right after an assignment librdkafka
    /// is not ready for it, and it is asked again.
    ///
    /// # Errors
    /// librdkafka refuses.
    pub fn start(&self, from: &[(InputPartition, i64)]) -> Result<bool, KafkaFailure> {
        let mut list = TopicPartitionList::with_capacity(from.len());
        for (input, offset) in from {
            let topic = self.topic(*input);
            list.add_partition_offset(topic, input.partition, Offset::Offset(*offset))
                .map_err(KafkaFailure::Consumer)?;
        }
        let Ok(sought) = self.consumer.seek_partitions(list, Duration::from_secs(1)) else { return Ok(false) };
        if sought.elements().iter().any(|element| element.error().is_err()) {
            return Ok(false);
        }
        self.consumer.resume(&sought).map_err(KafkaFailure::Consumer)?;
        Ok(true)
    }

    /// Stops fetching these; what was fetched and not polled is thrown away and fetched again later.
    pub fn pause(&self, inputs: &[InputPartition]) {
        if let Err(error) = self.consumer.pause(&self.list(inputs)) {
            client::log_error(&error, "partitions could not be paused");
        }
    }

    /// Fetches these again.
    pub fn resume(&self, inputs: &[InputPartition]) {
        if let Err(error) = self.consumer.resume(&self.list(inputs)) {
            client::log_error(&error, "partitions could not be resumed");
        }
    }

    /// The next offset after what was polled, transaction markers passed; inputs of which nothing was seen are left out.
    pub fn positions(&self) -> Vec<(InputPartition, i64)> {
        let Ok(list) = self.consumer.position() else { return Vec::new() };
        let elements = list.elements();
        let each = elements.iter().filter_map(|element| match element.offset() {
            Offset::Offset(position) => {
                let stream = stream_of(&self.streams, element.topic())?;
                Some((InputPartition { stream, partition: element.partition() }, position))
            }
            _ => None,
        });
        each.collect()
    }

    /// Who we are in the group: a commit in another's time is refused by it.
    pub(super) fn group(&self) -> Option<ConsumerGroupMetadata> {
        self.consumer.group_metadata()
    }

    /// Commits offsets without a transaction.
    pub(super) fn commit(&self, shards: &[ShardOffsets], current_next: &dyn Fn(i32) -> i64) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::new();
        for shard in shards {
            shard.add_to(&mut list, &self.streams, current_next(shard.partition))?;
        }
        self.consumer.commit(&list, CommitMode::Sync)
    }

    /// The topics, by stream.
    pub fn streams(&self) -> &[Str] {
        &self.streams
    }

    fn topic(&self, input: InputPartition) -> &str {
        self.streams.get(usize::from(input.stream.0)).map_or("", Str::as_str)
    }

    fn list(&self, inputs: &[InputPartition]) -> TopicPartitionList {
        let mut list = TopicPartitionList::with_capacity(inputs.len());
        for input in inputs {
            list.add_partition(self.topic(*input), input.partition);
        }
        list
    }
}
