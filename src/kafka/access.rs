//! What the broker's authorizer does not let us do.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use crate::config::KafkaConfig;
use crate::domain::{Str, StreamId};

use super::client::{self, Logged};
use super::error::KafkaFailure;
use super::topology;

/// A topic that says nothing for so long is not the one that refuses.
const TOLD_WITHIN: Duration = Duration::from_secs(2);

/// Whether an authorizer refused it.
pub fn is_denied(error: &KafkaError) -> bool {
    error.rdkafka_error_code().is_some_and(is_denial)
}

/// The same, by its code.
pub fn is_denial(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode::{
        ClusterAuthorizationFailed, GroupAuthorizationFailed, TopicAuthorizationFailed,
        TransactionalIdAuthorizationFailed,
    };
    matches!(
        code,
        ClusterAuthorizationFailed
            | GroupAuthorizationFailed
            | TopicAuthorizationFailed
            | TransactionalIdAuthorizationFailed
    )
}

/// An operation on a topic that is not allowed.
pub fn denied_topic(operation: &'static str, topic: &str) -> KafkaFailure {
    KafkaFailure::NotAllowed { operation, resource: format!("the topic {topic}") }
}

/// The group is not ours to join.
pub fn denied_group(kafka: &KafkaConfig) -> KafkaFailure {
    KafkaFailure::NotAllowed { operation: "READ", resource: format!("the group {}", kafka.group_id) }
}

/// Whether it is the group that an authorizer refused.
pub fn is_of_group(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::GroupAuthorizationFailed)
}

/// Why a topic could not be read, by a client in the group's name.
pub fn unread(kafka: &KafkaConfig, error: &KafkaError, topic: &str) -> KafkaFailure {
    if is_of_group(error) { denied_group(kafka) } else { denied_topic("READ", topic) }
}

/// What we may not do with the inputs. The consumer is told that there is something, and not of which topic: each is looked
/// at, and read at its end.
pub fn refused(kafka: &KafkaConfig, topics: &[Str]) -> Option<(StreamId, KafkaFailure)> {
    let client: BaseConsumer<Logged> = client::reader(kafka).create_with_context(Logged).ok()?;
    (0..).zip(topics).find_map(|(index, topic)| Some((StreamId(index), refusal(&client, kafka, topic)?)))
}

fn refusal(client: &BaseConsumer<Logged>, kafka: &KafkaConfig, topic: &str) -> Option<KafkaFailure> {
    if let Err(failure @ KafkaFailure::NotAllowed { .. }) =
        topology::partitions(client.client(), kafka, topic, TOLD_WITHIN)
    {
        return Some(failure);
    }
    let mut end = TopicPartitionList::new();
    end.add_partition_offset(topic, 0, Offset::End).and_then(|()| client.assign(&end)).ok()?;
    let deadline = Instant::now() + TOLD_WITHIN;
    while Instant::now() < deadline {
        match client.poll(Duration::from_millis(20)) {
            Some(Err(error)) if is_denied(&error) => return Some(unread(kafka, &error, topic)),
            Some(Ok(_) | Err(KafkaError::PartitionEOF(_))) => break,
            _ => {}
        }
    }
    None
}
