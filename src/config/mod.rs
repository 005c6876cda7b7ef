//! orderwatch.yaml and policies.yaml into types. Every error names file, line and column, and all of a file's errors
//! come at once.
//!
//! `load` reads files; `yaml` makes a tree in which every node knows its place, `read` walks it and collects problems,
//! `service` and `policies` say what the two files may hold, and `problem` draws what is wrong.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use crate::codec::Format;
use crate::codec::{Requirement, StreamCodec};
use crate::domain::{Entity, Millis, Str, Timestamp};
use crate::policy::{Entities, Policies, Settings};

mod calendars;
mod checks;
mod cycles;
pub(crate) mod entity;
mod groups;
mod ics;
mod kafka_properties;
mod load;
mod policies;
mod policy_parts;
pub(crate) mod problem;
pub(crate) mod read;
mod service;
mod summary;
#[cfg(test)]
mod tests;
pub mod units;
pub(crate) mod values;
mod vars;
pub(crate) mod yaml;

pub use load::{load_policies, parse_policies};
pub use problem::{ConfigErrors, Level, Problem, SourceFile, Style, Warning, render};
pub use summary::summary;

/// orderwatch.yaml, checked and with its variables filled in, and the policies that it names.
#[derive(Clone, Debug)]
pub struct Config {
    /// How to reach Kafka.
    pub kafka: KafkaConfig,
    /// The input streams, in file order: the index is the `StreamId`.
    pub streams: Vec<StreamConfig>,
    /// The topics written to.
    pub outputs: OutputsConfig,
    /// Topics of routes that have one of their own.
    pub routes: BTreeMap<Str, Str>,
    /// How outputs are committed.
    pub delivery: Delivery,
    /// Time allowed for late records where neither stream nor policy says otherwise.
    pub grace: Millis,
    /// Where a group without offsets begins.
    pub start: StartConfig,
    /// How far event_time may lie after record_time.
    pub max_future_skew: Millis,
    /// How far event_time may lie before record_time.
    pub max_past_skew: Millis,
    /// How long a closed order is kept whole.
    pub retain_closed: Millis,
    /// How long a closed order is remembered after that.
    pub remember_closed: Millis,
    /// How long an order may be silent.
    pub max_open: Millis,
    /// Records larger than this are dead letters, in bytes.
    pub max_record_bytes: usize,
    /// The grid of record time on which backlogs are judged.
    pub backlog_grid: Millis,
    /// Snapshots, where they are wanted (the default is a directory).
    pub snapshots: SnapshotsConfig,
    /// Health, metrics and the API.
    pub http: HttpConfig,
    /// Where the policies were read from.
    pub policies_path: PathBuf,
    /// The policies, compiled.
    pub policies: Arc<Policies>,
}

/// `kafka:`
#[derive(Clone, Debug)]
pub struct KafkaConfig {
    /// `bootstrap.servers`
    pub brokers: String,
    /// The consumer group.
    pub group_id: Str,
    /// Handed to librdkafka; what would break delivery was refused.
    pub properties: BTreeMap<String, String>,
}

/// `transaction.timeout.ms` where it is not set.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(10);

impl KafkaConfig {
    /// After so long the broker aborts an open transaction (`transaction.timeout.ms`).
    pub fn transaction_timeout(&self) -> Duration {
        let told = self.properties.get("transaction.timeout.ms").and_then(|text| text.parse().ok());
        told.map_or(TRANSACTION_TIMEOUT, Duration::from_millis)
    }

    /// Whether the group is kept by KIP-848's protocol.
    pub fn is_next_group_protocol(&self) -> bool {
        self.properties.get("group.protocol").is_some_and(|protocol| protocol == "consumer")
    }

    /// Whether the group keeps this member's place while it is away.
    pub fn is_static_member(&self) -> bool {
        self.properties.get("group.instance.id").is_some_and(|id| !id.is_empty())
    }
}

/// One entry of `streams:`
#[derive(Clone, Debug)]
pub struct StreamConfig {
    /// The topic.
    pub topic: Str,
    /// How its values are written.
    pub format: Format,
    /// What its events are about.
    pub entity: Entity,
    /// The field that holds the id, where it is not orders' own `order_id`.
    pub id: Option<Str>,
    /// Time allowed for its late records.
    pub grace: Option<Millis>,
    /// Fields without which an event is a dead letter: `attributes.NAME` or a field's name.
    pub require: Vec<Requirement>,
}

/// `outputs:`
#[derive(Clone, Debug)]
pub struct OutputsConfig {
    /// History of SLA exceptions.
    pub sla: Str,
    /// History of backlog exceptions.
    pub backlog: Str,
    /// History of findings.
    pub reconciliation: Str,
    /// Latest state by exception_id; compacted.
    pub current: Str,
    /// What could not be read.
    pub dead_letters: Str,
    /// What the group must agree on; compacted.
    pub control: Str,
    /// What the shards tell the backlogs' sum; the control topic's name and `-partials`, where it is not given.
    pub partials: Str,
    /// How values are written.
    pub format: Format,
    /// Whether absent topics are made.
    pub create_topics: bool,
    /// Settings of made topics.
    pub topic_config: BTreeMap<String, String>,
}

/// How outputs and offsets are committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Delivery {
    /// In one Kafka transaction.
    #[default]
    ExactlyOnce,
    /// Outputs first, then offsets.
    AtLeastOnce,
}

/// `start:`
#[derive(Clone, Copy, Debug)]
pub struct StartConfig {
    /// Which records a group without offsets reads.
    pub from: StartFrom,
    /// What was due before this is counted and not published; `None` is the group's first start.
    pub publish_after: Option<Timestamp>,
}

/// `start.from`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartFrom {
    /// The first record kept.
    Earliest,
    /// Only what comes from now on.
    Latest,
    /// From this instant of record time.
    At(Timestamp),
    /// From so long before the start.
    Ago(Millis),
}

/// `snapshots:`
#[derive(Clone, Debug)]
pub struct SnapshotsConfig {
    /// `file:///…`, `s3://…`, `gs://…`, `az://…`
    pub url: String,
    /// How often.
    pub every: Millis,
    /// How many are kept of each shard.
    pub keep: usize,
}

/// `http:`
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// Address and port.
    pub listen: String,
    /// How other instances and people reach this one.
    pub advertised: Option<String>,
    /// What the API asks for beyond loopback.
    pub token: Option<String>,
}

impl Config {
    /// What the engine judges by. `publish_after` is what `start:` says; where that is the group's first start, the
    /// caller knows it and fills it in (here it stands at `Timestamp::MIN`: nothing is kept back).
    pub fn settings(&self) -> Settings {
        // Any stream may carry any event of an order, so the most patient of its streams decides; so it is for each entity.
        let graces = || self.streams.iter().map(|s| (&s.entity, s.grace.unwrap_or(self.grace)));
        let of_orders = graces().filter(|(entity, _)| entity.is_order()).map(|(_, grace)| grace);
        let grace = of_orders.max().unwrap_or(self.grace);
        Settings {
            streams: self.streams.iter().map(|s| s.topic.clone()).collect(),
            group_id: self.kafka.group_id.clone(),
            entities: Entities::of(graces()),
            grace,
            retain_closed: self.retain_closed,
            remember_closed: self.remember_closed,
            max_open: self.max_open,
            backlog_grid: self.backlog_grid,
            publish_after: self.start.publish_after.unwrap_or(Timestamp::MIN),
            replay: None,
        }
    }
}

impl Config {
    /// How each stream's records are read, in the order of `streams:`.
    pub fn stream_codecs(&self) -> Vec<StreamCodec> {
        let codec = |stream: &StreamConfig| StreamCodec {
            topic: stream.topic.clone(),
            format: stream.format,
            id: stream.id.clone(),
            require: stream.require.clone(),
            max_record_bytes: self.max_record_bytes,
            max_future_skew: self.max_future_skew,
            max_past_skew: self.max_past_skew,
        };
        self.streams.iter().map(codec).collect()
    }
}

impl Default for OutputsConfig {
    fn default() -> Self {
        OutputsConfig {
            sla: "sla-exceptions".into(),
            backlog: "backlog-exceptions".into(),
            reconciliation: "reconciliation-exceptions".into(),
            current: "exceptions-current".into(),
            dead_letters: "dead-letters".into(),
            control: "orderwatch-control".into(),
            partials: "orderwatch-control-partials".into(),
            format: Format::Json,
            create_topics: true,
            topic_config: BTreeMap::new(),
        }
    }
}

impl Default for SnapshotsConfig {
    fn default() -> Self {
        SnapshotsConfig {
            url: "file:///var/lib/orderwatch/snapshots".to_owned(),
            every: Millis::from_secs(30),
            keep: 3,
        }
    }
}

impl Default for HttpConfig {
    fn default() -> Self {
        HttpConfig { listen: "127.0.0.1:8080".to_owned(), advertised: None, token: None }
    }
}
