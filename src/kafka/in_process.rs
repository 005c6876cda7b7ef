//! A broker inside this process, for the demo: librdkafka's own, with what the demo needs around it.
//!
//! It keeps everything in memory (about 5 MB a partition, then the oldest goes), knows transactions but not what they
//! hide from a reader, has no admin calls and forgets the offsets that a transaction commits. It is no place for data.

use std::time::Duration;

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use rdkafka::{Offset, TopicPartitionList};

use crate::domain::Timestamp;

/// How long the broker may take to answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// The broker inside this process, or a client of it, fails.
#[derive(Debug, thiserror::Error)]
#[error("the broker inside this process: {0}")]
pub struct InProcessError(#[from] KafkaError);

/// The broker. It ends with this value.
pub struct InProcessBroker {
    cluster: MockCluster<'static, DefaultProducerContext>,
    /// Asks it something between two calls.
    asks: BaseProducer,
}

/// Produces to the broker, as a shop's systems would.
pub struct Feeder {
    producer: BaseProducer,
}

/// Reads topics from their beginning, as a subscriber without a group would.
pub struct Subscriber {
    consumer: BaseConsumer,
}

impl InProcessBroker {
    /// Starts a broker.
    ///
    /// # Errors
    /// librdkafka cannot open its ports, or does not answer there.
    pub fn start() -> Result<Self, InProcessError> {
        let cluster = MockCluster::new(1)?;
        let asks = client(&cluster).create()?;
        let broker = InProcessBroker { cluster, asks };
        broker.answers(None)?;
        Ok(broker)
    }

    /// Waits for an answer of the broker. Its thread empties its alarm after it has done what it was woken for, so that of
    /// two calls in a row the second may go unheard for a second; once it has answered, it has come round.
    fn answers(&self, topic: Option<&str>) -> Result<(), InProcessError> {
        self.asks.client().fetch_metadata(topic, ANSWERS_WITHIN)?;
        Ok(())
    }

    /// Makes a topic.
    ///
    /// # Errors
    /// It is there already, or is not seen to be there.
    pub fn create_topic(&self, topic: &str, partitions: i32) -> Result<(), InProcessError> {
        self.cluster.create_topic(topic, partitions, 1)?;
        self.answers(Some(topic))
    }

    /// Its address, as `bootstrap.servers` takes it.
    pub fn address(&self) -> String {
        self.cluster.bootstrap_servers()
    }

    /// A producer of its own.
    ///
    /// # Errors
    /// The client cannot be made.
    pub fn feeder(&self) -> Result<Feeder, InProcessError> {
        // One event is one request: a shop's systems do not wait for each other.
        Ok(Feeder { producer: client(&self.cluster).set("linger.ms", "0").create()? })
    }

    /// A reader of all partitions of some topics.
    ///
    /// # Errors
    /// The client cannot be made.
    pub fn subscriber(&self, topics: &[&str], partitions: i32) -> Result<Subscriber, InProcessError> {
        let consumer: BaseConsumer = client(&self.cluster)
            .set("group.id", "demo-subscriber")
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed")
            .set("fetch.wait.max.ms", "50")
            .create()?;
        let mut list = TopicPartitionList::new();
        for topic in topics {
            for partition in 0..partitions {
                list.add_partition_offset(topic, partition, Offset::Beginning)?;
            }
        }
        consumer.assign(&list)?;
        Ok(Subscriber { consumer })
    }
}

fn client(cluster: &MockCluster<'static, DefaultProducerContext>) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", cluster.bootstrap_servers()).set_log_level(RDKafkaLogLevel::Error);
    config
}

impl Feeder {
    /// Sends a record; the key decides the partition.
    ///
    /// # Errors
    /// The queue is full.
    pub fn send(&self, topic: &str, key: &str, payload: &str, at: Timestamp) -> Result<(), InProcessError> {
        let record = BaseRecord::to(topic).key(key).payload(payload).timestamp(at.as_millis());
        self.producer.send(record).map_err(|(error, _)| error.into())
    }

    /// Waits until everything that was sent has arrived.
    ///
    /// # Errors
    /// It has not within `timeout`.
    pub fn flush(&self, timeout: Duration) -> Result<(), InProcessError> {
        Ok(self.producer.flush(timeout)?)
    }

    /// Lets the client take its reports; call it every now and then.
    pub fn tend(&self) {
        self.producer.poll(Duration::ZERO);
    }
}

impl Subscriber {
    /// The value of the next record; `None` where there is none within `timeout`, or where it has no value.
    pub fn next(&self, timeout: Duration) -> Option<Vec<u8>> {
        // An error is one of the connection: the client mends it and goes on.
        let record = self.consumer.poll(timeout)?.ok()?;
        record.payload().map(<[u8]>::to_vec)
    }
}
