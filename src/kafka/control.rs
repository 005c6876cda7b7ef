//! The control topic: what the group must agree on. Compacted, one partition.
//!
//! A value that is said twice at once (two processes that start together) counts as it was said first.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde::{Deserialize, Serialize};

use crate::codec::OutputRecord;
use crate::config::KafkaConfig;
use crate::domain::{Str, Timestamp};

use super::access;
use super::client::{self, Sizes};
use super::current::Reader;
use super::deliveries::{Deliveries, Refusal, Reports};
use super::error::KafkaFailure;
use super::topology::ANSWER_WITHIN;

const FIRST_START: &str = "first-start";
const READ_WITHIN: Duration = Duration::from_secs(30);
/// Reports are looked for so often. By itself `flush` looks ten times a second, which a start would feel.
const LOOKS_EVERY: Duration = Duration::from_millis(5);

/// What the control topic says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Agreed {
    /// When the group first started.
    pub first_start: Timestamp,
    /// Whether this is that start.
    pub is_first: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct FirstStart {
    at: Timestamp,
}

/// Reads what the group agreed on; the first process of all says when it started.
///
/// # Errors
/// The topic cannot be read or written.
pub fn agree(topic: &Str, reader: &Reader, writer: &Writer, now: Timestamp) -> Result<Agreed, KafkaFailure> {
    if let Some(first_start) = first_start(reader, topic)? {
        return Ok(Agreed { first_start, is_first: false });
    }
    let text = serde_json::to_string(&FirstStart { at: now }).unwrap_or_default();
    writer.write(&[OutputRecord {
        topic: topic.clone(),
        partition: Some(0),
        key: Some(Bytes::from_static(FIRST_START.as_bytes())),
        value: Some(Bytes::from(text)),
        headers: Vec::new(),
    }])?;
    // Read again: another process may have been quicker, and then its word stands.
    let first_start = first_start(reader, topic)?.unwrap_or(now);
    Ok(Agreed { first_start, is_first: first_start == now })
}

fn first_start(reader: &Reader, topic: &Str) -> Result<Option<Timestamp>, KafkaFailure> {
    let mut said: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    reader.read_partition(topic, 0, 0, READ_WITHIN, &mut |entry| {
        if let (Some(key), Some(value)) = (entry.key, entry.value) {
            said.entry(key.to_vec()).or_insert_with(|| value.to_vec());
        }
        Ok(())
    })?;
    let held = said.get(FIRST_START.as_bytes()).and_then(|value| serde_json::from_slice::<FirstStart>(value).ok());
    Ok(held.map(|held| held.at))
}

/// Writes to the control topic, in no transaction.
pub struct Writer {
    producer: BaseProducer<Deliveries>,
    brokers: String,
}

impl Writer {
    /// Makes the producer, which connects when it is to write.
    ///
    /// # Errors
    /// The client cannot be made.
    pub fn start(kafka: &KafkaConfig) -> Result<Self, KafkaFailure> {
        let config = client::producer(kafka, None, Sizes { message_max: 1 << 20, batch_max: 1 << 16 });
        let producer = config.create_with_context(Deliveries::default());
        let producer = producer.map_err(|source| KafkaFailure::Client { purpose: "the control topic", source })?;
        Ok(Writer { producer, brokers: kafka.brokers.clone() })
    }

    /// Ends the producer where nobody waits for it.
    pub fn let_go(self) {
        client::let_go(self.producer);
    }

    /// Writes records, and waits until they are in the log.
    ///
    /// # Errors
    /// The topic cannot be written.
    pub fn write(&self, records: &[OutputRecord]) -> Result<(), KafkaFailure> {
        let failed = |topic: &str, source| KafkaFailure::Unanswered {
            question: format!("writing to {topic}"),
            brokers: self.brokers.clone(),
            source,
        };
        if let Some(first) = records.first() {
            self.get_ready(&first.topic);
        }
        for OutputRecord { topic, partition, key, value, .. } in records {
            let mut record = BaseRecord::<[u8], [u8], usize>::with_opaque_to(topic, 0);
            (record.partition, record.key, record.payload) = (*partition, key.as_deref(), value.as_deref());
            self.producer.send(record).map_err(|(e, _)| failed(topic, e))?;
        }
        self.flush().map_err(|e| failed("the control topic", e))?;
        match self.producer.context().take() {
            Reports { refusal: Some(Refusal::Denied(topic)), .. } => Err(access::denied_topic("WRITE", &topic)),
            Reports { failure: Some(reason), .. } => Err(KafkaFailure::NotWritten { reason }),
            _ => Ok(()),
        }
    }

    /// librdkafka asks for the producer id as soon as it is told where topics lie and is connected to a broker that it was told of: with
    /// the second answer at the latest. Else it looks again after half a second, and again.
    fn get_ready(&self, topic: &str) {
        for _ in 0..2 {
            // Where it is not answered, writing says so.
            drop(self.producer.client().fetch_metadata(Some(topic), ANSWER_WITHIN));
        }
    }

    fn flush(&self) -> Result<(), KafkaError> {
        let deadline = Instant::now() + READ_WITHIN;
        loop {
            match self.producer.flush(LOOKS_EVERY) {
                Err(KafkaError::Flush(RDKafkaErrorCode::OperationTimedOut)) if Instant::now() < deadline => {}
                flushed => return flushed,
            }
        }
    }
}
