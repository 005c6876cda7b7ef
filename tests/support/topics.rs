//! Topics, offsets, and reading a topic to its end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers, Message as _};
use rdkafka::{Offset, TopicPartitionList};

use super::Broker;

/// For one question to a broker that is up.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// For reading a topic to its end.
const READ_WITHIN: Duration = Duration::from_secs(60);

/// Records of any time, kept for ever, up to 16 MiB: said for each topic, because a broker that was given to us may
/// have other defaults than ours.
const TOPIC_CONFIG: [(&str, &str); 4] = [
    ("retention.ms", "-1"),
    ("message.timestamp.before.max.ms", "9223372036854775807"),
    ("message.timestamp.after.max.ms", "9223372036854775807"),
    ("max.message.bytes", "16777216"),
];

/// A record as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub timestamp_ms: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Record {
    /// The key as text; a missing key is empty.
    pub fn key(&self) -> String {
        String::from_utf8_lossy(self.key.as_deref().unwrap_or_default()).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        let value = self.value.as_deref().unwrap_or_else(|| panic!("a tombstone is no JSON: {self:?}"));
        serde_json::from_slice(value).unwrap_or_else(|e| panic!("not JSON ({e}): {self:?}"))
    }

    /// The first header of that name, as text.
    pub fn header(&self, name: &str) -> Option<String> {
        let held = self.headers.iter().find(|(key, _)| key == name)?;
        Some(String::from_utf8_lossy(&held.1).into_owned())
    }
}

/// Which records a reader is shown.
#[derive(Clone, Copy)]
pub enum Isolation {
    Committed,
    Uncommitted,
}

impl Broker {
    /// Makes topics with the same number of partitions and the same settings, and waits until they are known. Without
    /// settings they keep records of any time for ever.
    #[track_caller]
    pub fn create_topics(&self, names: &[&str], partitions: i32, config: &[(&str, &str)]) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().expect("an admin client");
        let settings: BTreeMap<&str, &str> = TOPIC_CONFIG.into_iter().chain(config.iter().copied()).collect();
        let topic = |name| {
            let empty = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
            settings.iter().fold(empty, |topic, (key, value)| topic.set(key, value))
        };
        let topics: Vec<NewTopic<'_>> = names.iter().copied().map(topic).collect();
        let options = AdminOptions::new().operation_timeout(Some(ANSWER_WITHIN));
        for result in answered(admin.create_topics(&topics, &options)) {
            result.unwrap_or_else(|(topic, code)| panic!("topic {topic} is not made: {code}"));
        }
        for name in names {
            super::eventually(ANSWER_WITHIN, &format!("topic {name}"), || {
                let known = self.partitions(name)?;
                if known == partitions { Ok(()) } else { Err(format!("{known} of {partitions} partitions are known")) }
            });
        }
    }

    /// Removes what lies before an offset, as retention does.
    #[track_caller]
    pub fn delete_records(&self, topic: &str, partition: i32, before: i64) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().expect("an admin client");
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition_offset(topic, partition, Offset::Offset(before)).expect("an offset");
        let options = AdminOptions::new().operation_timeout(Some(ANSWER_WITHIN));
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let removed = runtime.block_on(admin.delete_records(&offsets, &options)).expect("the broker removes records");
        removed.elements().iter().for_each(|of| of.error().expect("records to remove"));
    }

    /// Sets a topic's settings, these alone.
    #[track_caller]
    pub fn configure_topic(&self, topic: &str, settings: &[(&str, &str)]) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().expect("an admin client");
        let empty = AlterConfig::new(ResourceSpecifier::Topic(topic));
        let all = settings.iter().fold(empty, |config, (key, value)| config.set(key, value));
        for result in answered(admin.alter_configs([&all], &AdminOptions::new())) {
            result.unwrap_or_else(|(_, code)| panic!("{topic} is not changed: {code}"));
        }
    }

    /// Gives a topic so many partitions in all.
    #[track_caller]
    pub fn add_partitions(&self, topic: &str, partitions: usize) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().expect("an admin client");
        for result in answered(admin.create_partitions([&NewPartitions::new(topic, partitions)], &AdminOptions::new()))
        {
            result.unwrap_or_else(|(_, code)| panic!("{topic} gets no more partitions: {code}"));
        }
    }

    /// Deletes a group with its offsets; nobody is in it.
    #[track_caller]
    pub fn delete_group(&self, group: &str) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().expect("an admin client");
        for result in answered(admin.delete_groups(&[group], &AdminOptions::new())) {
            result.unwrap_or_else(|(_, code)| panic!("group {group} is not deleted: {code}"));
        }
    }

    /// Deletes a topic and waits until nobody knows it.
    #[track_caller]
    pub fn delete_topic(&self, topic: &str) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().expect("an admin client");
        for result in answered(admin.delete_topics(&[topic], &AdminOptions::new())) {
            result.unwrap_or_else(|(_, code)| panic!("{topic} is not deleted: {code}"));
        }
        super::eventually(ANSWER_WITHIN, &format!("{topic} to be gone"), || match self.partitions(topic) {
            Ok(_) => Err("it is there".to_owned()),
            Err(_) => Ok(()),
        });
    }

    /// The number of partitions of a topic, or why it cannot be told (as for a topic that is not there).
    pub fn partitions(&self, topic: &str) -> Result<i32, String> {
        count_partitions(&self.plain_client(), topic)
    }

    /// The offset after the last record that a reader of that isolation gets to: the high watermark, or the last
    /// stable offset.
    #[track_caller]
    pub fn end_offset(&self, topic: &str, partition: i32, isolation: Isolation) -> i64 {
        let ends = self.reader(isolation).fetch_watermarks(topic, partition, ANSWER_WITHIN);
        ends.unwrap_or_else(|e| panic!("the end of {topic}/{partition}: {e}")).1
    }

    /// A group's committed offsets and their metadata, by partition; partitions without one are left out.
    #[track_caller]
    pub fn committed(&self, group: &str, topic: &str) -> BTreeMap<i32, (i64, String)> {
        let client: BaseConsumer = self.client().set("group.id", group).create().expect("a Kafka client");
        let mut asked = TopicPartitionList::new();
        asked.add_partition_range(topic, 0, count_partitions(&client, topic).expect("a topic") - 1);
        let held = client.committed_offsets(asked, ANSWER_WITHIN).expect("committed offsets");
        let offsets = held.elements().into_iter().filter_map(|element| match element.offset() {
            Offset::Offset(offset) => Some((element.partition(), (offset, element.metadata().to_owned()))),
            _ => None,
        });
        offsets.collect()
    }

    /// All committed records of a topic up to its end at the time of the call, by partition and offset.
    #[track_caller]
    pub fn read_committed(&self, topic: &str) -> Vec<Record> {
        self.read_to_end(topic, Isolation::Committed)
    }

    #[track_caller]
    pub fn read_to_end(&self, topic: &str, isolation: Isolation) -> Vec<Record> {
        let reader = self.reader(isolation);
        let ends = assign_to_ends(&reader, topic);
        let mut records = Vec::new();
        let deadline = Instant::now() + READ_WITHIN;
        loop {
            match reader.poll(Duration::from_millis(20)) {
                Some(Ok(message)) => records.push(record(&message)),
                Some(Err(e)) => panic!("reading {topic}: {e}"),
                // A position is asked only when nothing waits: it counts what was taken, and markers behind it.
                None if behind(&reader, topic, &ends).is_empty() => break,
                None => {}
            }
            let late = Instant::now() >= deadline;
            assert!(!late, "reading {topic}: after {READ_WITHIN:?} behind in {:?}", behind(&reader, topic, &ends));
        }
        // Records that came after the ends were asked may have been taken too: the answer is as of the call.
        records.retain(|record| record.offset < ends[&record.partition]);
        records.sort_by_key(|record| (record.partition, record.offset));
        records
    }

    fn plain_client(&self) -> BaseConsumer {
        self.client().create().expect("a Kafka client")
    }

    fn reader(&self, isolation: Isolation) -> BaseConsumer {
        let mut config = self.client();
        config.set("group.id", super::unique("reader")).set("enable.auto.commit", "false");
        config.set("fetch.wait.max.ms", "20").set("message.max.bytes", "16777216");
        config.set("fetch.message.max.bytes", "16777216").set("fetch.max.bytes", "50000000");
        config.set(
            "isolation.level",
            match isolation {
                Isolation::Committed => "read_committed",
                Isolation::Uncommitted => "read_uncommitted",
            },
        );
        config.create().expect("a Kafka client")
    }
}

/// What the broker answers to an administrator.
#[track_caller]
fn answered<T>(question: impl Future<Output = Result<T, KafkaError>>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(question).expect("an answer of the broker")
}

fn count_partitions(client: &BaseConsumer, topic: &str) -> Result<i32, String> {
    let metadata = client.fetch_metadata(Some(topic), ANSWER_WITHIN).map_err(|e| e.to_string())?;
    let held = metadata.topics().iter().find(|held| held.name() == topic).ok_or("no such topic")?;
    match held.error() {
        None => Ok(i32::try_from(held.partitions().len()).expect("a small number")),
        Some(_) => Err(format!("topic {topic} is not there")),
    }
}

/// Assigns all partitions of the topic from their beginnings, and gives the ends to read to.
#[track_caller]
fn assign_to_ends(reader: &BaseConsumer, topic: &str) -> BTreeMap<i32, i64> {
    // A broker that has just come back answers before it leads every partition.
    let partitions = super::eventually(ANSWER_WITHIN, topic, || count_partitions(reader, topic));
    let mut assigned = TopicPartitionList::new();
    let mut ends = BTreeMap::new();
    for partition in 0..partitions {
        let (low, high) = super::eventually(ANSWER_WITHIN, &format!("the ends of {topic}/{partition}"), || {
            reader.fetch_watermarks(topic, partition, ANSWER_WITHIN).map_err(|e| e.to_string())
        });
        if low < high {
            ends.insert(partition, high);
            assigned.add_partition_offset(topic, partition, Offset::Beginning).expect("an offset");
        }
    }
    reader.assign(&assigned).unwrap_or_else(|e| panic!("assigning {topic}: {e}"));
    ends
}

/// The partitions whose position is short of its end.
fn behind(reader: &BaseConsumer, topic: &str, ends: &BTreeMap<i32, i64>) -> Vec<i32> {
    let positions = reader.position().expect("positions");
    let reached = |partition: i32, end: i64| match positions.find_partition(topic, partition).map(|held| held.offset())
    {
        Some(Offset::Offset(position)) => position >= end,
        _ => false,
    };
    ends.iter().filter(|&(&partition, &end)| !reached(partition, end)).map(|(&partition, _)| partition).collect()
}

fn record(message: &rdkafka::message::BorrowedMessage<'_>) -> Record {
    let headers = message.headers().map(|held| {
        let each = held.iter().map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec()));
        each.collect()
    });
    Record {
        topic: message.topic().to_owned(),
        partition: message.partition(),
        offset: message.offset(),
        timestamp_ms: message.timestamp().to_millis().unwrap_or(-1),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
    }
}
