//! The output topics: made where they are absent and that is allowed, checked where they are there.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use rdkafka::admin::{AdminOptions, NewTopic, OwnedResourceSpecifier, ResourceSpecifier, TopicReplication};
use rdkafka::error::RDKafkaErrorCode;

use crate::config::Config;
use crate::domain::Str;
use crate::telemetry::emit;
use crate::telemetry::events::TopicCreated;

use super::access;
use super::error::KafkaFailure;
use super::topology::{Cluster, partitions};

const MADE_WITHIN: Duration = Duration::from_secs(30);
/// A cluster that comes up has all of its brokers after so long.
const BROKERS_COME_WITHIN: Duration = Duration::from_secs(5);
/// A broker that cannot describe its topics (librdkafka's in-process one) does not answer at all: a start waits no longer.
const TOLD_WITHIN: Duration = Duration::from_secs(2);

/// How a topic of ours must be.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    topic: Str,
    partitions: usize,
    kept: Kept,
    /// Whether another number of partitions is an error.
    exact: bool,
}

/// What is kept in a topic of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    /// As long as the user says.
    AsConfigured,
    /// The newest record of each key, for good.
    Newest,
    /// A week: the shards tell the whole again several times a day.
    AWeek,
}

/// Makes sure that every output topic is there.
///
/// # Errors
/// One is missing and may not be made, could not be made, or has the wrong number of partitions.
pub async fn ensure_outputs(config: &Config, cluster: &Cluster, shards: usize) -> Result<(), KafkaFailure> {
    let mut missing = Vec::new();
    for wanted in wanted(config, shards) {
        match cluster.partitions(&wanted.topic)? {
            Some(found) if wanted.exact && found != wanted.partitions => {
                let expected = wanted.partitions;
                return Err(KafkaFailure::WrongPartitions { topic: wanted.topic, found, expected });
            }
            Some(_) => {}
            None if !config.outputs.create_topics => {
                let kept = match wanted.kept {
                    Kept::AsConfigured => "",
                    Kept::Newest => " and cleanup.policy=compact",
                    Kept::AWeek => " and cleanup.policy=delete, retention.ms=604800000",
                };
                let needs = format!(" with {} partitions{kept}", wanted.partitions);
                return Err(KafkaFailure::MissingOutput { topic: wanted.topic, needs });
            }
            None => missing.push(wanted),
        }
    }
    // Side by side: a cluster takes its time for each, and nobody is to wait for the sum.
    try_join_all(missing.iter().map(|wanted| create(config, cluster, wanted))).await?;
    for wanted in &missing {
        wait_until_known(cluster, wanted).await?;
    }
    Ok(())
}

/// Every output topic.
pub fn of(config: &Config) -> Vec<Str> {
    wanted(config, 1).into_iter().map(|wanted| wanted.topic).collect()
}

/// Why nothing gets to an output topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lost {
    /// It is not there any more.
    Gone(Str),
    /// We may not even know of it.
    Denied(Str),
}

/// The first output topic that is lost.
pub fn lost(config: &Config) -> Option<Lost> {
    let cluster = Cluster::new(&config.kafka).ok()?;
    let is_lost = |wanted: Wanted| match partitions(cluster.admin.inner(), &config.kafka, &wanted.topic, TOLD_WITHIN) {
        Ok(None) => Some(Lost::Gone(wanted.topic)),
        Err(KafkaFailure::NotAllowed { .. }) => Some(Lost::Denied(wanted.topic)),
        Ok(Some(_)) | Err(_) => None,
    };
    let lost = wanted(config, 1).into_iter().find_map(is_lost);
    cluster.let_go();
    lost
}

/// The longest record that each topic of ours takes, in bytes; where the broker does not say, it is not there.
pub async fn record_bytes(config: &Config, cluster: &Cluster) -> BTreeMap<Str, usize> {
    let all = wanted(config, 1);
    let topics: Vec<_> = all.iter().map(|wanted| ResourceSpecifier::Topic(&wanted.topic)).collect();
    let options = AdminOptions::new().request_timeout(Some(TOLD_WITHIN));
    let described = cluster.admin.describe_configs(&topics, &options).await.unwrap_or_default();
    let told = described.into_iter().filter_map(|settings| {
        let settings = settings.ok()?;
        let bytes = settings.get("max.message.bytes")?.value.as_ref()?.parse().ok()?;
        match &settings.specifier {
            OwnedResourceSpecifier::Topic(topic) => Some((Str::new(topic), bytes)),
            _ => None,
        }
    });
    told.collect()
}

fn wanted(config: &Config, shards: usize) -> Vec<Wanted> {
    let outputs = &config.outputs;
    let history = [&outputs.sla, &outputs.backlog, &outputs.reconciliation, &outputs.dead_letters];
    let mut all: BTreeMap<Str, Wanted> = BTreeMap::new();
    for topic in history.into_iter().chain(config.routes.values()) {
        let wanted = Wanted { topic: topic.clone(), partitions: shards, kept: Kept::AsConfigured, exact: false };
        all.insert(topic.clone(), wanted);
    }
    let current = Wanted { topic: outputs.current.clone(), partitions: shards, kept: Kept::Newest, exact: true };
    let control = Wanted { topic: outputs.control.clone(), partitions: 1, kept: Kept::Newest, exact: true };
    let partials = Wanted { topic: outputs.partials.clone(), partitions: 1, kept: Kept::AWeek, exact: true };
    all.into_values().chain([current, control, partials]).collect()
}

async fn create(config: &Config, cluster: &Cluster, wanted: &Wanted) -> Result<(), KafkaFailure> {
    let failed = |reason: String| KafkaFailure::CannotCreate { topic: wanted.topic.clone(), reason };
    let mut settings = config.outputs.topic_config.clone();
    let replication = settings.remove("replication.factor").and_then(|text| text.parse::<i32>().ok());
    let kept: &[(&str, &str)] = match wanted.kept {
        Kept::AsConfigured => &[],
        Kept::Newest => &[("cleanup.policy", "compact")],
        Kept::AWeek => &[("cleanup.policy", "delete"), ("retention.ms", "604800000")],
    };
    if !kept.is_empty() {
        // What the user says of a history would throw away the latest states.
        settings.retain(|key, _| !key.starts_with("retention.") && !key.starts_with("cleanup."));
        settings.extend(kept.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    }
    let partitions = i32::try_from(wanted.partitions).map_err(|e| failed(e.to_string()))?;
    // -1: the broker's default.
    let replication = TopicReplication::Fixed(replication.unwrap_or(-1));
    let mut topic = NewTopic::new(&wanted.topic, partitions, replication);
    for (key, value) in &settings {
        topic = topic.set(key, value);
    }
    let options = AdminOptions::new().operation_timeout(Some(MADE_WITHIN)).request_timeout(Some(MADE_WITHIN));
    let deadline = Instant::now() + BROKERS_COME_WITHIN;
    loop {
        let made = cluster.admin.create_topics([&topic], &options).await.map_err(|e| failed(e.to_string()))?;
        match made.into_iter().find_map(Result::err) {
            // Another process of the group was quicker.
            None | Some((_, RDKafkaErrorCode::TopicAlreadyExists)) => break,
            // Too few brokers are up: so it is for a moment when a cluster comes up.
            Some((_, RDKafkaErrorCode::InvalidReplicationFactor)) if Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Some((_, code)) if access::is_denial(code) => return Err(access::denied_topic("CREATE", &wanted.topic)),
            Some((_, code)) => return Err(failed(code.to_string())),
        }
    }
    emit(TopicCreated { topic: &wanted.topic, partitions });
    Ok(())
}

async fn wait_until_known(cluster: &Cluster, wanted: &Wanted) -> Result<(), KafkaFailure> {
    let deadline = Instant::now() + MADE_WITHIN;
    while cluster.partitions(&wanted.topic)? != Some(wanted.partitions) {
        if Instant::now() >= deadline {
            let reason = format!("it was taken, and is not known after {} s", MADE_WITHIN.as_secs());
            return Err(KafkaFailure::CannotCreate { topic: wanted.topic.clone(), reason });
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}
