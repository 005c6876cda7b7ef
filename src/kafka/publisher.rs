//! Outputs and offsets: in one transaction (`exactly_once`), or outputs first and offsets then (`at_least_once`).

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, PurgeConfig};

use crate::codec::OutputRecord;
use crate::config::{Delivery, KafkaConfig};
use crate::domain::{Str, Timestamp};

use super::access;
use super::batch::{Act, Batch, Outcome};
use super::client::{self, Sizes};
use super::deliveries::{Deliveries, Refusal};
use super::error::KafkaFailure;
use super::source::Source;
use super::step::{Asked, Step, Wait, step};

/// One call to the coordinator. It may be made again after that, so this only bounds how long a stop waits.
const STEP: Duration = Duration::from_secs(1);
/// The pause between two looks for delivery reports where none has come. `BaseProducer::poll` cannot pause for so little: it
/// hands librdkafka what is left of its time cut to whole milliseconds, so `poll(1 ms)` keeps a core busy for all of it.
const BETWEEN_REPORTS: Duration = Duration::from_micros(200);

/// The producer of all outputs.
pub struct Publisher {
    producer: BaseProducer<Deliveries>,
    delivery: Delivery,
    current_topic: String,
    refusal: Mutex<Option<Refusal>>,
    /// It can begin no transaction any more; another one can.
    spent: AtomicBool,
}

impl std::fmt::Debug for Publisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Publisher({:?})", self.delivery)
    }
}

impl Publisher {
    /// Makes the producer and, for `exactly_once`, makes it known to its coordinator. `topics`: what it will write to.
    ///
    /// # Errors
    /// The client cannot be made, or the coordinator does not answer within `timeout`.
    pub fn start(
        kafka: &KafkaConfig,
        delivery: Delivery,
        current_topic: &str,
        topics: &[Str],
        sizes: Sizes,
        timeout: Duration,
    ) -> Result<Self, KafkaFailure> {
        // Unique: who of the group may commit is settled by the group's generation, not by this name (KIP-447).
        let id = (delivery == Delivery::ExactlyOnce).then(|| format!("{}-{}", kafka.group_id, unique()));
        let config = client::producer(kafka, id.as_deref(), sizes);
        let producer: BaseProducer<Deliveries> = config
            .create_with_context(Deliveries::default())
            .map_err(|source| KafkaFailure::Client { purpose: "producing", source })?;
        // Before it looks for its coordinator: where librdkafka is connected to no broker that it was told of, it looks again
        // after half a second.
        learn(&producer, topics);
        if delivery == Delivery::ExactlyOnce {
            producer.init_transactions(timeout).map_err(|source| match access::is_denied(&source) {
                true => KafkaFailure::NotAllowed {
                    operation: "WRITE and DESCRIBE",
                    resource: format!("the transactional ids that begin with {}-", kafka.group_id),
                },
                false => KafkaFailure::Unanswered {
                    question:
                        "the transaction coordinator; a broker without transactions needs delivery: at_least_once"
                            .to_owned(),
                    brokers: kafka.brokers.clone(),
                    source,
                },
            })?;
        }
        Ok(Publisher {
            producer,
            delivery,
            current_topic: current_topic.to_owned(),
            refusal: Mutex::default(),
            spent: AtomicBool::new(false),
        })
    }

    /// Writes a batch and its offsets for good, or not at all. While the broker is away this waits for it, and calls
    /// `waiting` now and then with the time that it has waited.
    ///
    /// # Errors
    /// The producer cannot go on, and nobody knows whether the batch stands: leave, and let a restart read it.
    pub fn publish(
        &self,
        source: &Source,
        batch: &Batch,
        waiting: &mut dyn FnMut(Duration),
    ) -> Result<Outcome, KafkaFailure> {
        let mut wait = Wait::new(waiting);
        match self.delivery {
            Delivery::ExactlyOnce => self.in_transaction(source, batch, &mut wait),
            Delivery::AtLeastOnce => self.one_after_the_other(source, batch, &mut wait),
        }
    }

    fn in_transaction(&self, source: &Source, batch: &Batch, wait: &mut Wait<'_>) -> Result<Outcome, KafkaFailure> {
        let Some(group) = source.group() else {
            return Ok(Outcome::Aborted { reason: "the consumer is in no group".to_owned() });
        };
        let fatal = |step, source| KafkaFailure::Producer { step, source };
        if let Err(error) = self.producer.begin_transaction() {
            return Err(fatal("begin a transaction", error));
        }
        let current_next = match self.produce(batch.records.iter(), batch.stamp, wait) {
            Ok(reports) => reports,
            Err(reason) => return self.abort(reason, Asked::ToAbort, wait),
        };
        let mut list = TopicPartitionList::new();
        for shard in &batch.offsets {
            let next = current_next.get(&shard.partition).copied().unwrap_or(shard.current_next);
            shard.add_to(&mut list, source.streams(), next).map_err(|e| fatal("write offsets", e))?;
        }
        match step(wait, || self.producer.send_offsets_to_transaction(&list, &group, STEP)) {
            Step::Done => {}
            Step::Abort(reason) => {
                return self.abort(format!("the offsets were not taken: {reason}"), Asked::ToAbort, wait);
            }
            Step::Fatal(error) => {
                return self.spend(format!("the offsets were not taken: {error}"), "send offsets", error);
            }
        }
        match step(wait, || self.producer.commit_transaction(STEP)) {
            Step::Done => Ok(Outcome::Committed { current_next }),
            Step::Abort(reason) => self.abort(format!("the commit was refused: {reason}"), Asked::ToCommit, wait),
            Step::Fatal(error) => Err(fatal("commit a transaction", error)),
        }
    }

    fn one_after_the_other(
        &self,
        source: &Source,
        batch: &Batch,
        wait: &mut Wait<'_>,
    ) -> Result<Outcome, KafkaFailure> {
        let mut current_next = BTreeMap::new();
        for act in Act::at_least_once() {
            match act {
                Act::ProduceCurrent | Act::ProduceOthers => {
                    let records = batch.records.iter().filter(|record| act.writes(&record.topic, &self.current_topic));
                    match self.produce(records, batch.stamp, wait) {
                        Ok(reports) => current_next.extend(reports),
                        Err(reason) => return Ok(Outcome::Torn { reason }),
                    }
                }
                Act::CommitOffsets => {
                    let next = |partition: i32| {
                        let held = batch.offsets.iter().find(|shard| shard.partition == partition);
                        current_next.get(&partition).copied().or(held.map(|shard| shard.current_next)).unwrap_or(0)
                    };
                    if let Err(error) = source.commit(&batch.offsets, &next) {
                        let reason = format!("the offsets were not taken: {error}");
                        return Ok(Outcome::Written { current_next, reason });
                    }
                }
            }
        }
        Ok(Outcome::Committed { current_next })
    }

    /// Writes the records and waits for every report, which `BaseProducer::flush` would do in steps of 100 ms.
    fn produce<'r>(
        &self,
        mut records: impl Iterator<Item = &'r OutputRecord>,
        stamp: Timestamp,
        wait: &mut Wait<'_>,
    ) -> Result<BTreeMap<i32, i64>, String> {
        self.producer.context().take();
        let refused = records.find_map(|record| self.enqueue(record, stamp).err());
        // What a transaction may not write waits until its time is over, and what is written beside it too.
        self.flush(wait, || self.delivery == Delivery::ExactlyOnce && self.producer.context().is_denied());
        if self.producer.in_flight_count() > 0 {
            self.producer.purge(PurgeConfig::default().queue());
            self.flush(wait, || false);
        }
        let reports = self.producer.context().take();
        self.note_refusal(reports.refusal);
        match refused.or(reports.failure) {
            None => Ok(reports.current_next),
            Some(reason) => Err(reason),
        }
    }

    fn note_refusal(&self, refusal: Option<Refusal>) {
        let mut held = self.refusal.lock().unwrap_or_else(PoisonError::into_inner);
        *held = held.take().or(refusal);
    }

    /// Whether another one must take its place.
    pub fn is_spent(&self) -> bool {
        self.spent.load(Ordering::Relaxed)
    }

    /// What a topic refused since the last call.
    pub fn take_refusal(&self) -> Option<Refusal> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn enqueue(&self, output: &OutputRecord, stamp: Timestamp) -> Result<(), String> {
        let is_current = usize::from(output.topic == self.current_topic.as_str());
        let mut record = BaseRecord::<[u8], [u8], usize>::with_opaque_to(&output.topic, is_current);
        record.partition = output.partition;
        record.key = output.key.as_deref();
        record.payload = output.value.as_deref();
        record.timestamp = Some(stamp.as_millis());
        if !output.headers.is_empty() {
            let headers = OwnedHeaders::new_with_capacity(output.headers.len());
            record.headers = Some(output.headers.iter().fold(headers, |headers, (key, value)| {
                headers.insert(Header { key: key.as_str(), value: value.as_deref() })
            }));
        }
        loop {
            record = match self.producer.send(record) {
                Ok(()) => return Ok(()),
                // The queue's bound; serving reports makes room.
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => back,
                Err((error, _)) => {
                    self.note_refusal(Refusal::of(&error, &output.topic));
                    return Err(format!("a record for {} was not taken: {error}", output.topic));
                }
            };
            self.producer.poll(Duration::from_millis(1));
        }
    }

    fn abort(&self, reason: String, asked: Asked, wait: &mut Wait<'_>) -> Result<Outcome, KafkaFailure> {
        // Aborting purges what is queued; nothing of it may be reported into the next batch.
        match step(wait, || self.producer.abort_transaction(STEP)) {
            Step::Done => {}
            Step::Abort(_) => {}
            Step::Fatal(source) if asked == Asked::ToAbort => return self.spend(reason, "abort a transaction", source),
            Step::Fatal(source) => return Err(KafkaFailure::Producer { step: "abort a transaction", source }),
        }
        self.flush(wait, || false);
        Ok(Outcome::Aborted { reason })
    }

    /// A transaction whose commit nobody asked for will not stand, whatever became of the producer: the coordinator ends it in
    /// time, as it does where the broker is too slow for it. Nor can librdkafka abort one whose first topic was refused.
    fn spend(&self, reason: String, step: &'static str, source: KafkaError) -> Result<Outcome, KafkaFailure> {
        match source {
            KafkaError::Transaction(error) if error.is_fatal() => {
                self.spent.store(true, Ordering::Relaxed);
                Ok(Outcome::Aborted { reason })
            }
            source => Err(KafkaFailure::Producer { step, source }),
        }
    }

    fn flush(&self, wait: &mut Wait<'_>, gives_up: impl Fn() -> bool) {
        let mut left = self.producer.in_flight_count();
        while left > 0 && !gives_up() {
            self.producer.poll(Duration::ZERO);
            let before = std::mem::replace(&mut left, self.producer.in_flight_count());
            if left == before {
                std::thread::sleep(BETWEEN_REPORTS);
            }
            wait.tell();
        }
    }
}

/// Asks where these topics lie. What is not known when it is first written to is asked for ten times a second, which a
/// broker that answers slowly cannot keep up with.
fn learn(producer: &BaseProducer<Deliveries>, topics: &[Str]) {
    for topic in topics {
        // Where it is not answered, it is asked for when it is written to.
        drop(producer.client().fetch_metadata(Some(topic), STEP));
    }
}

/// 32 hexadecimal digits that no other process has.
pub fn unique() -> String {
    let random = || std::hash::RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", random(), random())
}
