//! The consumer group, the shards' coming and going, and the Kafka client's own words.

use std::time::Duration;

use metrics::counter;
use tracing::{debug, error, info, warn};

use crate::domain::Timestamp;
use crate::telemetry::{InternalEvent, names};

/// This member is in its group.
#[derive(Debug)]
pub struct GroupJoined<'a> {
    /// The group.
    pub group_id: &'a str,
}

impl InternalEvent for GroupJoined<'_> {
    fn emit(self) {
        info!(group_id = self.group_id, "joined the consumer group");
    }
}

/// Shards came.
#[derive(Debug)]
pub struct ShardsAssigned<'a> {
    /// Which.
    pub shards: &'a [i32],
}

impl InternalEvent for ShardsAssigned<'_> {
    fn emit(self) {
        counter!(names::REBALANCES).increment(1);
        info!(shards = ?self.shards, "shards assigned");
    }
}

/// This member was given nothing: there are more members than partitions. Emit it once, when that sets in.
#[derive(Debug)]
pub struct SpareMember {
    /// What it means.
    pub note: &'static str,
}

impl InternalEvent for SpareMember {
    fn emit(self) {
        info!("spare: {}", self.note);
    }
}

/// Shards went. The rebalance is counted when the new assignment comes.
#[derive(Debug)]
pub struct ShardsRevoked<'a> {
    /// Which.
    pub shards: &'a [i32],
    /// True where the group had given them away already: nothing could be committed.
    pub lost: bool,
}

impl InternalEvent for ShardsRevoked<'_> {
    fn emit(self) {
        info!(shards = ?self.shards, lost = self.lost, "shards revoked");
    }
}

/// A shard is being read back.
#[derive(Debug)]
pub struct RestoreStarted {
    /// The shard.
    pub shard: i32,
    /// When its snapshot was taken; `None` without one.
    pub snapshot: Option<Timestamp>,
}

impl InternalEvent for RestoreStarted {
    fn emit(self) {
        info!(shard = self.shard, snapshot = self.snapshot.map(tracing::field::display), "restoring shard");
    }
}

/// A shard is back.
#[derive(Debug)]
pub struct ShardRestored {
    /// The shard.
    pub shard: i32,
    /// How long it took.
    pub took: Duration,
    /// Orders taken from the snapshot.
    pub orders: u64,
    /// Input records read again.
    pub records: u64,
    /// Entries of `exceptions-current` read back.
    pub published: u64,
    /// Where its frontier stands.
    pub frontier: Timestamp,
}

impl InternalEvent for ShardRestored {
    fn emit(self) {
        let ShardRestored { shard, took, orders, records, published, frontier } = self;
        info!(shard, took_ms = took.as_millis(), orders, records, published, %frontier, "shard restored");
    }
}

/// What the backlogs remembered over the restart cannot be read.
#[derive(Debug)]
pub struct BacklogMemoryLost<'a> {
    /// What is wrong with it.
    pub detail: &'a str,
}

impl InternalEvent for BacklogMemoryLost<'_> {
    fn emit(self) {
        warn!(detail = self.detail, "a record of the backlogs cannot be read: its clocks start anew");
    }
}

/// A record of the partials' topic is none of ours.
#[derive(Debug)]
pub struct PartialsRefused<'a> {
    /// Where it is.
    pub offset: i64,
    /// What is wrong with it.
    pub detail: &'a str,
}

impl InternalEvent for PartialsRefused<'_> {
    fn emit(self) {
        warn!(offset = self.offset, detail = self.detail, "a record of the partials' topic is left out");
    }
}

/// The backlogs' sum waits for shards.
#[derive(Debug)]
pub struct BacklogsWait<'a> {
    /// Those that have not told.
    pub shards: &'a [i32],
}

impl InternalEvent for BacklogsWait<'_> {
    fn emit(self) {
        warn!(shards = ?self.shards, "backlogs are not judged: these shards have not told their figures");
    }
}

/// Demand is held against no stock: it is not known.
#[derive(Debug)]
pub struct StockUnknown<'a> {
    /// Why.
    pub why: &'a str,
}

impl InternalEvent for StockUnknown<'_> {
    fn emit(self) {
        warn!(why = self.why, "oversold is not judged: the stock is not known");
    }
}

/// The backlogs' sum waited for too long.
#[derive(Debug)]
pub struct BacklogsSkipped<'a> {
    /// Those that have not told.
    pub shards: &'a [i32],
}

impl InternalEvent for BacklogsSkipped<'_> {
    fn emit(self) {
        warn!(shards = ?self.shards, "BACKLOGS NOT JUDGED for a time: too many figures waited for these shards");
    }
}

/// Somebody else published of a shard that is here: a process that stood still and was not fenced.
#[derive(Debug)]
pub struct OthersPublish {
    /// The shard.
    pub shard: i32,
}

impl InternalEvent for OthersPublish {
    fn emit(self) {
        warn!(shard = self.shard, "another process published of this shard: what it said is read back");
    }
}

/// A topic that was absent was made.
#[derive(Debug)]
pub struct TopicCreated<'a> {
    /// Its name.
    pub topic: &'a str,
    /// Its partitions.
    pub partitions: i32,
}

impl InternalEvent for TopicCreated<'_> {
    fn emit(self) {
        info!(topic = self.topic, partitions = self.partitions, "topic created");
    }
}

/// The Kafka client reported an error that it mends itself.
#[derive(Debug)]
pub struct KafkaError<'a> {
    /// librdkafka's name of it, such as `BrokerTransportFailure`: a closed set, it is a label.
    pub code: String,
    /// Its words.
    pub detail: &'a str,
}

impl InternalEvent for KafkaError<'_> {
    fn emit(self) {
        counter!(names::KAFKA_ERRORS, "code" => self.code.clone()).increment(1);
        warn!(code = self.code, detail = self.detail, "Kafka client error");
    }
}

/// A log line of librdkafka, handed on at its own level (syslog's numbers).
#[derive(Debug)]
pub struct KafkaLog<'a> {
    /// 0 (emergency) to 7 (debug).
    pub level: u8,
    /// Such as `FAIL` or `REQTMOUT`.
    pub facility: &'a str,
    /// Its words.
    pub message: &'a str,
}

impl InternalEvent for KafkaLog<'_> {
    fn emit(self) {
        let (facility, message) = (self.facility, self.message);
        match self.level {
            0..=3 => error!(target: "librdkafka", facility, "{message}"),
            4 => warn!(target: "librdkafka", facility, "{message}"),
            5 | 6 => info!(target: "librdkafka", facility, "{message}"),
            _ => debug!(target: "librdkafka", facility, "{message}"),
        }
    }
}
