//! What the broker says of each record of a batch: where it lies, or why its topic does not take it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::ProducerContext;

use super::client;

/// Why a topic does not take what it is sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A record, or its batch, is too large for this topic.
    TooLarge(String),
    /// We may not write to this topic.
    Denied(String),
    /// A record did not get there, for the topic may be gone.
    Undelivered,
}

impl Refusal {
    pub(super) fn of(error: &KafkaError, topic: &str) -> Option<Self> {
        match error.rdkafka_error_code()? {
            RDKafkaErrorCode::MessageSizeTooLarge => Some(Refusal::TooLarge(topic.to_owned())),
            RDKafkaErrorCode::TopicAuthorizationFailed => Some(Refusal::Denied(topic.to_owned())),
            RDKafkaErrorCode::MessageTimedOut
            | RDKafkaErrorCode::UnknownTopic
            | RDKafkaErrorCode::UnknownPartition
            | RDKafkaErrorCode::UnknownTopicOrPartition => Some(Refusal::Undelivered),
            _ => None,
        }
    }
}

/// What the broker said of the records of the batch in hand.
#[derive(Debug, Default)]
pub struct Reports {
    /// For each partition of `exceptions-current` that was written: the offset after its last record.
    pub current_next: BTreeMap<i32, i64>,
    /// Why a record is not in the log.
    pub failure: Option<String>,
    /// The same, where it is the topic's doing.
    pub refusal: Option<Refusal>,
}

/// Collects delivery reports; a record's opaque is 1 where it is one of `exceptions-current`.
#[derive(Debug, Default)]
pub struct Deliveries(Mutex<Reports>);

impl Deliveries {
    /// What was said since the last call.
    pub fn take(&self) -> Reports {
        std::mem::take(&mut *self.lock())
    }

    /// Whether a topic may not be written.
    pub fn is_denied(&self) -> bool {
        matches!(self.lock().refusal, Some(Refusal::Denied(_)))
    }

    fn lock(&self) -> MutexGuard<'_, Reports> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The topic that a transaction may not write to. librdkafka names it in its log alone, before which nothing is delivered.
fn denied(facility: &str, message: &str) -> Option<String> {
    let named = message.strip_suffix("Topic authorization failed").filter(|_| facility == "ADDPARTS")?;
    let (_, after) = named.split_once("Failed to add partition \"")?;
    Some(after.split_once('"')?.0.to_owned())
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        if let Some(topic) = denied(facility, message) {
            let mut reports = self.lock();
            reports.failure.get_or_insert(format!("nothing may be written to {topic}"));
            reports.refusal = Some(Refusal::Denied(topic));
        }
        client::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        client::log_error(&error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, is_current: usize) {
        let mut reports = self.lock();
        match result {
            Ok(message) if message.offset() < 0 => {
                // After a duplicate sequence the broker does not say where the record lies.
                let at = format!("{}/{}", message.topic(), message.partition());
                reports.failure.get_or_insert(format!("a record of {at} was delivered without an offset"));
            }
            Ok(message) if is_current == 1 => {
                let next = reports.current_next.entry(message.partition()).or_insert(0);
                *next = (*next).max(message.offset().saturating_add(1));
            }
            Ok(_) => {}
            Err((error, message)) => {
                reports.refusal = reports.refusal.take().or_else(|| Refusal::of(error, message.topic()));
                let at = format!("{}/{}", message.topic(), message.partition());
                reports.failure.get_or_insert(format!("a record of {at} was not delivered: {error}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topic_that_may_not_be_written_is_taken_from_the_log() {
        let said =
            |why: &str| format!("TxnCoordinator/1: Failed to add partition \"sla\" [0] to transaction: Broker: {why}");
        assert_eq!(denied("ADDPARTS", &said("Topic authorization failed")), Some("sla".to_owned()));
        assert_eq!(denied("ADDPARTS", &said("Operation not attempted")), None);
        assert_eq!(denied("TXNERR", &said("Topic authorization failed")), None);
    }
}
