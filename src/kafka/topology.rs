//! What the cluster looks like: its topics, that the inputs exist, and that all have the same number of partitions.

use std::time::Duration;

use rdkafka::admin::AdminClient;
use rdkafka::client::{Client, ClientContext};

use crate::config::KafkaConfig;
use crate::domain::Str;

use super::access;
use super::client::{self, Logged};
use super::error::KafkaFailure;

pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// One client for all that is asked of the cluster's topics, and for making them: a client of its own would cost each question
/// two connections.
pub struct Cluster {
    pub(super) admin: AdminClient<Logged>,
    pub(super) kafka: KafkaConfig,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cluster({})", self.kafka.brokers)
    }
}

impl Cluster {
    /// Makes the client; it connects when it is first asked.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn new(kafka: &KafkaConfig) -> Result<Self, KafkaFailure> {
        let admin = client::admin(kafka)
            .create_with_context(Logged)
            .map_err(|source| KafkaFailure::Client { purpose: "metadata", source })?;
        Ok(Cluster { admin, kafka: kafka.clone() })
    }

    /// The number of shards: the partition count that all inputs share.
    ///
    /// # Errors
    /// An input is missing, the inputs are not co-partitioned, or the broker does not answer.
    pub fn count_shards(&self, inputs: &[Str]) -> Result<usize, KafkaFailure> {
        let mut counts = Vec::with_capacity(inputs.len());
        for topic in inputs {
            let partitions = self.partitions(topic)?;
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
    pub fn id(&self) -> String {
        self.admin.inner().fetch_cluster_id(ANSWER_WITHIN).unwrap_or_default()
    }

    pub(super) fn partitions(&self, topic: &str) -> Result<Option<usize>, KafkaFailure> {
        partitions(self.admin.inner(), &self.kafka, topic, ANSWER_WITHIN)
    }

    /// Ends the client where nobody waits for it.
    pub fn let_go(self) {
        client::let_go(self.admin);
    }
}

/// The number of partitions of a topic; `None` where there is no such topic.
///
/// # Errors
/// The broker does not answer, or does not let us know.
pub fn partitions<C: ClientContext>(
    client: &Client<C>,
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
