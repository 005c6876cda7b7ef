//! Reading a partition of a topic of ours from its beginning, with committed records alone.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};

use crate::config::KafkaConfig;
use crate::domain::Str;
use crate::telemetry::emit;
use crate::telemetry::events::OutputMadeAnew;

use super::access;
use super::client::{self, Logged};
use super::error::KafkaFailure;

const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A record of a topic of ours.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Its offset.
    pub offset: i64,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// What its `content-type` header says.
    pub content_type: Option<&'a [u8]>,
}

/// Takes a record, or says what is wrong with it.
pub type Visit<'a> = dyn FnMut(Entry<'_>) -> Result<(), String> + 'a;

/// Reads topics by assignment; in no group.
pub struct Reader {
    client: BaseConsumer<Logged>,
    /// Tells where a partition ends, open transactions counted.
    ends: BaseConsumer<Logged>,
    kafka: KafkaConfig,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reader({})", self.kafka.brokers)
    }
}

impl Reader {
    /// Makes the client.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn start(kafka: &KafkaConfig) -> Result<Self, KafkaFailure> {
        let failed = |source| KafkaFailure::Client { purpose: "reading back", source };
        let client = client::reader(kafka).create_with_context(Logged).map_err(failed)?;
        let ends = client::ends(kafka, "read_uncommitted").create_with_context(Logged).map_err(failed)?;
        Ok(Reader { client, ends, kafka: kafka.clone() })
    }

    /// The group's commits of one shard, by stream. Waits for transactions that are being decided.
    ///
    /// # Errors
    /// The broker does not answer.
    pub fn committed(
        &self,
        streams: &[Str],
        partition: i32,
    ) -> Result<Vec<Option<super::offsets::Committed>>, KafkaFailure> {
        super::offsets::committed(&self.client, streams, partition, Duration::from_secs(30))
            .map_err(|source| self.unanswered(format!("the group's commits of partition {partition}"), source))
    }

    /// The first offset kept, and the last stable one.
    ///
    /// # Errors
    /// The broker does not answer.
    pub fn watermarks(&self, topic: &str, partition: i32) -> Result<(i64, i64), KafkaFailure> {
        self.client
            .fetch_watermarks(topic, partition, ANSWER_WITHIN)
            .map_err(|source| self.unanswered(format!("the ends of {topic}/{partition}"), source))
    }

    /// The offset after the last record, those of open transactions counted.
    ///
    /// # Errors
    /// The broker does not answer.
    pub fn end(&self, topic: &str, partition: i32) -> Result<i64, KafkaFailure> {
        let asked = self.ends.fetch_watermarks(topic, partition, ANSWER_WITHIN);
        let (_, end) = asked.map_err(|source| self.unanswered(format!("the end of {topic}/{partition}"), source))?;
        Ok(end)
    }

    /// The first offset whose record time is at or past `at`; the end where there is none.
    ///
    /// # Errors
    /// The broker does not answer.
    pub fn offset_at(&self, topic: &str, partition: i32, at_ms: i64) -> Result<Option<i64>, KafkaFailure> {
        let failed = |source| self.unanswered(format!("the offset of a time in {topic}/{partition}"), source);
        let mut asked = TopicPartitionList::new();
        asked.add_partition_offset(topic, partition, Offset::Offset(at_ms)).map_err(failed)?;
        let answered = self.client.offsets_for_times(asked, ANSWER_WITHIN).map_err(failed)?;
        Ok(answered.find_partition(topic, partition).and_then(|element| match element.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        }))
    }

    /// Gives every committed record from the beginning to `visit` (key, value), until the position has reached
    /// both `target` and the stable end as it is now. A transaction's marker may come late: it is waited for.
    ///
    /// # Errors
    /// The broker does not answer, `target` does not come within `timeout`, or `visit` refuses a record.
    pub fn read_partition(
        &self,
        topic: &str,
        partition: i32,
        target: i64,
        timeout: Duration,
        visit: &mut Visit<'_>,
    ) -> Result<i64, KafkaFailure> {
        let (first, stable) = self.watermarks(topic, partition)?;
        let target = self.attainable(topic, partition, target)?.max(stable);
        let mut position = first;
        let mut assigned = TopicPartitionList::new();
        let failed = |source| self.unanswered(format!("reading {topic}/{partition}"), source);
        assigned.add_partition_offset(topic, partition, Offset::Offset(first)).map_err(failed)?;
        if position < target {
            self.client.assign(&assigned).map_err(failed)?;
        }
        let mut deadline = Instant::now() + timeout;
        while position < target {
            match self.client.poll(Duration::from_millis(20)) {
                Some(Ok(message)) => {
                    position = position.max(message.offset().saturating_add(1));
                    let content_type = header(&message, "content-type");
                    let entry =
                        Entry { offset: message.offset(), key: message.key(), value: message.payload(), content_type };
                    visit(entry).map_err(|reason| KafkaFailure::Unreadable {
                        topic: Str::new(topic),
                        partition,
                        offset: message.offset(),
                        reason,
                    })?;
                    deadline = Instant::now() + timeout;
                }
                // What a compaction took from the end moves no position; the end itself says that all was read.
                Some(Err(KafkaError::PartitionEOF(_))) if target == stable => position = target,
                Some(Err(KafkaError::PartitionEOF(_))) => {}
                Some(Err(error)) if access::is_denied(&error) => {
                    return Err(access::unread(&self.kafka, &error, topic));
                }
                Some(Err(error)) => client::log_error(&error, "while reading back what was published"),
                None => {
                    position = position.max(self.position(topic, partition).unwrap_or(first));
                    if position < target && Instant::now() >= deadline {
                        let (topic, waited_s) = (Str::new(topic), timeout.as_secs());
                        return Err(KafkaFailure::NotReached { topic, partition, position, target, waited_s });
                    }
                }
            }
        }
        let _ = self.client.unassign();
        Ok(position)
    }

    /// The record time of the first committed record at or past `from`; `None` where there is none yet, or it has none.
    ///
    /// # Errors
    /// The broker does not answer.
    pub fn first_record_time(&self, topic: &str, partition: i32, from: i64) -> Result<Option<i64>, KafkaFailure> {
        let failed = |source| self.unanswered(format!("the first record of {topic}/{partition}"), source);
        let (_, stable) = self.watermarks(topic, partition)?;
        let mut assigned = TopicPartitionList::new();
        assigned.add_partition_offset(topic, partition, Offset::Offset(from)).map_err(failed)?;
        if from < stable {
            self.client.assign(&assigned).map_err(failed)?;
        }
        let deadline = Instant::now() + ANSWER_WITHIN;
        let mut found = None;
        while self.position(topic, partition).unwrap_or(from).max(from) < stable {
            match self.client.poll(Duration::from_millis(20)) {
                Some(Ok(message)) => {
                    found = message.timestamp().to_millis();
                    break;
                }
                Some(Err(KafkaError::PartitionEOF(_))) => break,
                Some(Err(error)) if access::is_denied(&error) => {
                    return Err(access::unread(&self.kafka, &error, topic));
                }
                Some(Err(error)) => client::log_error(&error, "while reading an input's first record"),
                None if Instant::now() >= deadline => {
                    let (topic, waited_s) = (Str::new(topic), ANSWER_WITHIN.as_secs());
                    return Err(KafkaFailure::NotReached {
                        topic,
                        partition,
                        position: from,
                        target: stable,
                        waited_s,
                    });
                }
                None => {}
            }
        }
        let _ = self.client.unassign();
        Ok(found)
    }

    /// What is committed was written before: a partition that ends below it was made anew, and is all that there is.
    fn attainable(&self, topic: &str, partition: i32, target: i64) -> Result<i64, KafkaFailure> {
        let end = self.end(topic, partition)?;
        if end < target {
            emit(OutputMadeAnew { topic, partition, expected: target, end });
        }
        Ok(target.min(end))
    }

    fn position(&self, topic: &str, partition: i32) -> Option<i64> {
        let list = self.client.position().ok()?;
        match list.find_partition(topic, partition)?.offset() {
            Offset::Offset(position) => Some(position),
            _ => None,
        }
    }

    fn unanswered(&self, question: String, source: KafkaError) -> KafkaFailure {
        if access::is_of_group(&source) {
            return access::denied_group(&self.kafka);
        }
        KafkaFailure::Unanswered { question, brokers: self.kafka.brokers.clone(), source }
    }
}

fn header<'m>(message: &'m BorrowedMessage<'_>, name: &str) -> Option<&'m [u8]> {
    message.headers()?.iter().find(|header| header.key == name)?.value
}
