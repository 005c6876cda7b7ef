//! What the inputs look like: each exists, and all have the same number of partitions.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::config::KafkaConfig;
use crate::domain::Str;

use super::access;
use super::client::{self, Logged};
use super::error::KafkaFailure;

pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// The number of shards: the partition count that all inputs share.
///
/// # Errors
/// An input is missing, the inputs are not co-partitioned, or the broker does not answer.
pub fn count_shards(kafka: &KafkaConfig, inputs: &[Str]) -> Result<usize, KafkaFailure> {
    let client: BaseConsumer<Logged> = client::admin(kafka)
        .create_with_context(Logged)
        .map_err(|source| KafkaFailure::Client { purpose: "metadata", source })?;
    let mut counts = Vec::with_capacity(inputs.len());
    for topic in inputs {
        let partitions = partitions(&client, kafka, topic, ANSWER_WITHIN)?;
        counts.push(partitions.ok_or_else(|| KafkaFailure::MissingInput { topic: topic.clone() })?);
    }
    let first = counts.first().copied().unwrap_or(0);
    if counts.iter().all(|count| *count == first) {
        return Ok(first);
    }
    let told: Vec<String> = inputs.iter().zip(&counts).map(|(topic, count)| format!("{topic} {count}")).collect();
    Err(KafkaFailure::NotCoPartitioned { counts: told.join(", ") })
}

/// The Kafka cluster's own id; empty where the broker names none.
///
/// # Errors
/// The client cannot be made.
pub fn cluster_id(kafka: &KafkaConfig) -> Result<String, KafkaFailure> {
    let client: BaseConsumer<Logged> = client::admin(kafka)
        .create_with_context(Logged)
        .map_err(|source| KafkaFailure::Client { purpose: "metadata", source })?;
    Ok(client.client().fetch_cluster_id(ANSWER_WITHIN).unwrap_or_default())
}

/// The number of partitions of a topic; `None` where there is no such topic.
///
/// # Errors
/// The broker does not answer, or does not let us know.
pub fn partitions(
    client: &BaseConsumer<Logged>,
    kafka: &KafkaConfig,
    topic: &str,
    timeout: Duration,
) -> Result<Option<usize>, KafkaFailure> {
    let metadata = client.fetch_metadata(Some(topic), timeout).map_err(|source| KafkaFailure::Unanswered {
        question: format!("the partitions of {topic}"),
        brokers: kafka.brokers.clone(),
        source,
    })?;
    let told = metadata.topics().iter().find(|held| held.name() == topic);
    if told.and_then(|held| held.error()).is_some_and(|error| access::is_denial(error.into())) {
        return Err(access::denied_topic("DESCRIBE", topic));
    }
    let found = told.filter(|held| held.error().is_none());
    Ok(found.map(|held| held.partitions().len()).filter(|count| *count > 0))
}
