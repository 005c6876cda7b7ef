//! A range of the input topics, for a replay: every committed record from a point in record time to the end as it is at
//! the start.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};

use crate::config::KafkaConfig;
use crate::domain::{Str, Timestamp};
use crate::replay::line::Line;

use super::client::{self, Logged};
use super::current::Reader;
use super::error::KafkaFailure;
use super::topology::Cluster;

/// How long a partition may give nothing before the replay gives up on it.
const SILENT_MAX: Duration = Duration::from_secs(30);

/// Gives every record of `topics` from `from` on (`None`: from the first one kept) to `visit`, partition after
/// partition, in offset order. The first `orders` of them are co-partitioned, the others have partitions of their own. `from` counts by record time: the first record at or past it, and all that follow.
///
/// # Errors
/// A topic is missing, the broker does not answer, or those of `visit`.
pub fn read<E: From<KafkaFailure>>(
    kafka: &KafkaConfig,
    topics: &[Str],
    orders: usize,
    from: Option<Timestamp>,
    visit: &mut dyn FnMut(&Line<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let (of_orders, of_stock) = topics.split_at(orders.min(topics.len()));
    let cluster = Cluster::new(kafka)?;
    let shards = cluster.count_shards(of_orders)?;
    let mut counts: Vec<(&Str, usize, Option<Timestamp>)> =
        of_orders.iter().map(|topic| (topic, shards, from)).collect();
    for topic in of_stock {
        // The stock is what was counted before and moved since: it is read from its beginning, as the live run does.
        counts.push((topic, cluster.count_shards(std::slice::from_ref(topic))?, None));
    }
    cluster.let_go();
    let reader = Reader::start(kafka)?;
    // All ends first: what comes while the first partitions are read is not in the range.
    let mut spans = Vec::new();
    for (topic, partitions, from) in counts {
        for partition in 0..i32::try_from(partitions).unwrap_or(i32::MAX) {
            let (first, end) = reader.watermarks(topic, partition)?;
            let begin = match from {
                Some(at) => reader.offset_at(topic, partition, at.as_millis())?.unwrap_or(end),
                None => first,
            };
            spans.push(Span { topic, partition, begin, end });
        }
    }
    let client: BaseConsumer<Logged> = client::reader(kafka)
        .create_with_context(Logged)
        .map_err(|source| KafkaFailure::Client { purpose: "reading the inputs", source })?;
    spans.iter().filter(|span| span.begin < span.end).try_for_each(|span| span.read(kafka, &client, visit))
}

/// The records of one partition that are in the range.
struct Span<'a> {
    topic: &'a Str,
    partition: i32,
    begin: i64,
    end: i64,
}

impl Span<'_> {
    fn read<E: From<KafkaFailure>>(
        &self,
        kafka: &KafkaConfig,
        client: &BaseConsumer<Logged>,
        visit: &mut dyn FnMut(&Line<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let unanswered = |source| KafkaFailure::Unanswered {
            question: format!("reading {}/{}", self.topic, self.partition),
            brokers: kafka.brokers.clone(),
            source,
        };
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(self.topic, self.partition, Offset::Offset(self.begin)).map_err(unanswered)?;
        client.assign(&list).map_err(unanswered)?;
        let mut position = self.begin;
        let mut heard = Instant::now();
        while position < self.end {
            match client.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => {
                    position = message.offset().saturating_add(1);
                    heard = Instant::now();
                    if message.offset() < self.end {
                        visit(&line(&message))?;
                    }
                }
                // Nothing is left but markers of transactions.
                Some(Err(KafkaError::PartitionEOF(_))) => position = self.end,
                Some(Err(error)) => client::log_error(&error, "while reading a range of the inputs"),
                None if heard.elapsed() >= SILENT_MAX => {
                    return Err(KafkaFailure::NotReached {
                        topic: self.topic.clone(),
                        partition: self.partition,
                        position,
                        target: self.end,
                        waited_s: SILENT_MAX.as_secs(),
                    }
                    .into());
                }
                None => {}
            }
        }
        Ok(())
    }
}

fn line<'m>(message: &'m BorrowedMessage<'_>) -> Line<'m> {
    let headers = message
        .headers()
        .map(|headers| headers.iter().map(|header| (header.key.into(), header.value.map(Into::into))).collect());
    Line {
        topic: message.topic().into(),
        partition: message.partition(),
        offset: message.offset(),
        timestamp: message.timestamp().to_millis().filter(|ms| *ms >= 0).map(Timestamp::from_millis),
        key: message.key().map(Into::into),
        value: message.payload().map(Into::into),
        headers: headers.unwrap_or_default(),
    }
}
