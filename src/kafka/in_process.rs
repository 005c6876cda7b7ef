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

/// The broker inside this process, or a client of it, fails.
#[derive(Debug, thiserror::Error)]
#[error("the broker inside this process: {0}")]
pub struct InProcessError(#[from] KafkaError);

/// The broker. It ends with this value.
pub struct InProcessBroker {
    cluster: MockCluster<'static, DefaultProducerContext>,
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
    /// librdkafka cannot open its ports.
    pub fn start() -> Result<Self, InProcessError> {
        Ok(InProcessBroker { cluster: MockCluster::new(1)? })
    }

    /// Makes a topic.
    ///
    /// # Errors
    /// It is there already.
    pub fn create_topic(&self, topic: &str, partitions: i32) -> Result<(), InProcessError> {
        Ok(self.cluster.create_topic(topic, partitions, 1)?)
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
        Ok(Feeder { producer: self.client().set("linger.ms", "0").create()? })
    }

    /// A reader of all partitions of some topics.
    ///
    /// # Errors
    /// The client cannot be made.
    pub fn subscriber(&self, topics: &[&str], partitions: i32) -> Result<Subscriber, InProcessError> {
        let consumer: BaseConsumer = self
            .client()
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

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.address()).set_log_level(RDKafkaLogLevel::Error);
        config
    }
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
