//! Writing test records: any key, time and headers; in transactions that commit, abort, or are left open.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Header, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use rdkafka::types::RDKafkaErrorCode;

use super::Broker;

const DELIVER_WITHIN: Duration = Duration::from_secs(60);
/// The pause between two looks for delivery reports where none has come.
const BETWEEN_REPORTS: Duration = Duration::from_micros(200);

/// A record to write. Without a partition its key decides, as Kafka's own clients do it (murmur2).
#[derive(Clone, Debug, Default)]
pub struct Message {
    topic: String,
    partition: Option<i32>,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    timestamp_ms: Option<i64>,
    headers: Vec<(String, Vec<u8>)>,
}

impl Message {
    pub fn to(topic: &str) -> Message {
        Message { topic: topic.to_owned(), ..Message::default() }
    }

    pub fn partition(mut self, partition: i32) -> Message {
        self.partition = Some(partition);
        self
    }

    pub fn key(mut self, key: impl AsRef<[u8]>) -> Message {
        self.key = Some(key.as_ref().to_vec());
        self
    }

    pub fn value(mut self, value: impl AsRef<[u8]>) -> Message {
        self.value = Some(value.as_ref().to_vec());
        self
    }

    pub fn json(self, value: &serde_json::Value) -> Message {
        self.value(value.to_string())
    }

    /// The record's time, in milliseconds since 1970; now, if it is not set.
    pub fn at(mut self, timestamp_ms: i64) -> Message {
        self.timestamp_ms = Some(timestamp_ms);
        self
    }

    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Message {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }
}

/// The partition and offset of a record that was delivered, or why it was not.
type Delivery = Result<(i32, i64), String>;

#[derive(Clone, Default)]
struct Deliveries(Arc<Mutex<Vec<Delivery>>>);

impl Deliveries {
    fn take(&self) -> Vec<Delivery> {
        std::mem::take(&mut *self.0.lock().expect("no test panics while it holds this"))
    }
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _: ()) {
        let kept = match result {
            Ok(message) => Ok((message.partition(), message.offset())),
            Err((error, message)) => Err(format!("{}/{}: {error}", message.topic(), message.partition())),
        };
        self.0.lock().expect("no test panics while it holds this").push(kept);
    }
}

/// A producer, plain or transactional. Dropping one in a transaction leaves that transaction open on the broker, as a
/// killed process does; the broker ends it after `transaction.timeout.ms`.
pub struct Producer {
    client: BaseProducer<Deliveries>,
    deliveries: Deliveries,
}

impl Broker {
    pub fn producer(&self) -> Producer {
        self.producer_with(&[])
    }

    /// A producer that is ready to `begin` transactions.
    #[track_caller]
    pub fn transactional(&self, transactional_id: &str, timeout: Duration) -> Producer {
        let timeout = timeout.as_millis().to_string();
        let settings = [("transactional.id", transactional_id), ("transaction.timeout.ms", timeout.as_str())];
        // A message may not outlive its transaction.
        let producer = self.producer_with(&[settings[0], settings[1], ("message.timeout.ms", timeout.as_str())]);
        producer.client.init_transactions(DELIVER_WITHIN).expect("a transactional id");
        producer
    }

    /// A producer with settings beside or instead of the usual ones.
    #[track_caller]
    pub fn producer_with(&self, settings: &[(&str, &str)]) -> Producer {
        let mut config = self.client();
        config.set("partitioner", "murmur2_random").set("enable.idempotence", "true");
        config.set("linger.ms", "2").set("retry.backoff.ms", "10").set("message.max.bytes", "16777216");
        for (key, value) in settings {
            config.set(*key, *value);
        }
        let deliveries = Deliveries::default();
        let client = config.create_with_context(deliveries.clone()).expect("a producer");
        Producer { client, deliveries }
    }
}

impl Producer {
    /// Writes one record and waits for it; its partition and offset.
    #[track_caller]
    pub fn send(&self, message: Message) -> (i32, i64) {
        self.send_all([message])[0]
    }

    /// Writes records in their order and waits for all of them; their partitions and offsets as they were delivered,
    /// which is in order within a partition.
    #[track_caller]
    pub fn send_all(&self, messages: impl IntoIterator<Item = Message>) -> Vec<(i32, i64)> {
        for message in messages {
            self.enqueue(&message);
        }
        self.flush();
        let delivered = self.deliveries.take().into_iter();
        delivered.map(|result| result.unwrap_or_else(|reason| panic!("a record was not delivered: {reason}"))).collect()
    }

    #[track_caller]
    pub fn begin(&self) {
        self.client.begin_transaction().expect("a transaction begins");
    }

    #[track_caller]
    pub fn commit(&self) {
        self.client.commit_transaction(DELIVER_WITHIN).expect("the transaction commits");
    }

    #[track_caller]
    pub fn abort(&self) {
        self.client.abort_transaction(DELIVER_WITHIN).expect("the transaction aborts");
    }

    #[track_caller]
    fn enqueue(&self, message: &Message) {
        let mut record = BaseRecord::<[u8], [u8]>::to(&message.topic);
        record.headers = (!message.headers.is_empty()).then(|| {
            let each = message.headers.iter();
            each.fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }))
        });
        record.partition = message.partition;
        record.key = message.key.as_deref();
        record.payload = message.value.as_deref();
        record.timestamp = message.timestamp_ms;
        loop {
            record = match self.client.send(record) {
                Ok(()) => return,
                // The queue's bound; serving deliveries makes room.
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => back,
                Err((e, _)) => panic!("a record for {} is not taken: {e}", message.topic),
            };
            self.client.poll(Duration::from_millis(10));
        }
    }

    /// `BaseProducer::flush` waits in steps of 100 ms; this one ends with the last delivery. `BaseProducer::poll` with a
    /// millisecond keeps a core busy for all of it.
    #[track_caller]
    fn flush(&self) {
        let deadline = Instant::now() + DELIVER_WITHIN;
        let mut left = self.client.in_flight_count();
        while left > 0 {
            self.client.poll(Duration::ZERO);
            let before = std::mem::replace(&mut left, self.client.in_flight_count());
            if left == before {
                std::thread::sleep(BETWEEN_REPORTS);
            }
            assert!(Instant::now() < deadline, "records are not delivered after {DELIVER_WITHIN:?}");
        }
    }
}
