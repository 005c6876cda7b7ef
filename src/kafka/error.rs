//! What can go wrong with Kafka, with where and what to do.

use rdkafka::error::KafkaError;

use crate::domain::Str;

/// Why orderwatch cannot start, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum KafkaFailure {
    /// A client could not be made: a property is wrong.
    #[error("no Kafka client can be made for {purpose}: look at kafka.properties")]
    Client {
        /// What it is for.
        purpose: &'static str,
        /// librdkafka's word.
        #[source]
        source: KafkaError,
    },
    /// A question to the broker was not answered.
    #[error("the broker does not answer ({question}); is kafka.brokers ({brokers}) right and reachable?")]
    Unanswered {
        /// What was asked.
        question: String,
        /// `kafka.brokers`
        brokers: String,
        /// librdkafka's word.
        #[source]
        source: KafkaError,
    },
    /// A record is not in the log.
    #[error("{reason}")]
    NotWritten {
        /// Which, and why.
        reason: String,
    },
    /// The broker's authorizer refuses it.
    #[error("the broker does not let orderwatch use {resource}: allow {operation} on it (kafka-acls.sh)")]
    NotAllowed {
        /// What is missing, such as `READ`.
        operation: &'static str,
        /// `the topic orders`
        resource: String,
    },
    /// An input topic is missing.
    #[error(
        "the input topic {topic} does not exist: create it, with as many partitions as the other inputs, or correct `streams`"
    )]
    MissingInput {
        /// The topic.
        topic: Str,
    },
    /// The inputs have unlike partition counts.
    #[error(
        "the input topics are not co-partitioned ({counts}): all of them need the same number of partitions, the same \
         key (the id, such as order_id) and the same partitioner"
    )]
    NotCoPartitioned {
        /// `orders 4, payments 3`
        counts: String,
    },
    /// Partitions were added while this process ran.
    #[error(
        "the input topics had {before} partitions each when this process started and now have others ({counts}): keys have \
         moved, so that an order's events no longer meet; nothing is judged until the topics are made anew as \
         deploy/RUNBOOK.md says under \"Partitions were added\""
    )]
    Split {
        /// How many each had.
        before: usize,
        /// `orders 6, payments 4`
        counts: String,
    },
    /// An input ends below what was read of it.
    #[error(
        "the input {topic}/{partition} was deleted and made anew: it ends at offset {end}, below what was read of it; start \
         orderwatch again and it is read from its beginning"
    )]
    MadeAnew {
        /// The topic.
        topic: Str,
        /// Its partition.
        partition: i32,
        /// Where it ends.
        end: i64,
    },
    /// An output topic is missing and may not be made.
    #[error("the output topic {topic} does not exist: create it{needs}, or set outputs.create_topics: true")]
    MissingOutput {
        /// The topic.
        topic: Str,
        /// What it must be like, such as ` with 4 partitions and cleanup.policy=compact`.
        needs: String,
    },
    /// An output topic went while this process ran.
    #[error(
        "the output topic {topic} is gone: start orderwatch again, which makes it with outputs.create_topics: true and says \
         what it must be like without"
    )]
    OutputGone {
        /// The topic.
        topic: Str,
    },
    /// An output topic could not be made.
    #[error("the output topic {topic} could not be created: {reason}")]
    CannotCreate {
        /// The topic.
        topic: Str,
        /// The broker's word.
        reason: String,
    },
    /// An output topic has the wrong number of partitions.
    #[error(
        "{topic} has {found} partitions and needs {expected}, as many as the inputs: shard n writes to its partition n"
    )]
    WrongPartitions {
        /// The topic.
        topic: Str,
        /// How many it has.
        found: usize,
        /// How many it needs.
        expected: usize,
    },
    /// A record of our own topic cannot be read.
    #[error("{topic}/{partition} offset {offset}: {reason}")]
    Unreadable {
        /// The topic.
        topic: Str,
        /// Its partition.
        partition: i32,
        /// The record's offset.
        offset: i64,
        /// What is wrong with it.
        reason: String,
    },
    /// A topic was not read to where it must be read to.
    #[error(
        "{topic}/{partition} was read to offset {position} and must be read to {target}, which did not come in {waited_s} s"
    )]
    NotReached {
        /// The topic.
        topic: Str,
        /// Its partition.
        partition: i32,
        /// How far it was read.
        position: i64,
        /// How far it must be read.
        target: i64,
        /// How long was waited, in seconds.
        waited_s: u64,
    },
    /// The consumer cannot go on.
    #[error("the consumer cannot go on")]
    Consumer(#[source] KafkaError),
    /// A static member's successor is here before it has gone.
    #[error("another process has the same group.instance.id and took this one's place: each needs one of its own")]
    Fenced(#[source] KafkaError),
    /// The producer cannot go on: nobody knows whether the last transaction stands. A restart reads it.
    #[error("the producer cannot go on while it was to {step}; a restart goes on from what was committed")]
    Producer {
        /// What was being done.
        step: &'static str,
        /// librdkafka's word.
        #[source]
        source: KafkaError,
    },
}
