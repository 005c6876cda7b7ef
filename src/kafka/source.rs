//! The group's consumer: who we are in the group, what we hold of its inputs, and each input's records ([`Input`]).

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, ConsumerGroupMetadata, Rebalance};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use crate::config::KafkaConfig;
use crate::domain::{Str, StreamId};

use super::access;
use super::bell::Bell;
use super::error::KafkaFailure;
use super::input::Input;
use super::offsets::ShardOffsets;
use super::{InputPartition, client};

/// Giving up a subscription takes a moment.
const LEAVES_WITHIN: Duration = Duration::from_secs(2);

/// A question that wakes a leader, beyond what a fetch before it may take: less would end the connection.
const WAKES_WITHIN: Duration = Duration::from_secs(10);

/// What happened to the assignment, in the order in which it happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GroupChange {
    /// These came; they are paused until [`Source::start`].
    Assigned(Vec<InputPartition>),
    /// These went.
    Revoked {
        /// Which.
        inputs: Vec<InputPartition>,
        /// The group gave them away before we let go: nothing of theirs can be committed.
        lost: bool,
    },
}

/// Joins the group, keeps new partitions paused, and notes what changed.
pub(super) struct Context {
    streams: Vec<Str>,
    changes: Mutex<VecDeque<GroupChange>>,
    /// KIP-848: what is revoked goes to others, and a member that is given nothing is not told so.
    next_generation: bool,
    heard: AtomicBool,
    /// Whether a record of the stream was read.
    read: Vec<AtomicBool>,
    /// What came to an input instead of a record.
    errors: Mutex<VecDeque<KafkaError>>,
}

impl Context {
    pub(super) fn has_read(&self, stream: StreamId) {
        // Written once: the threads that read would take the line from each other.
        if let Some(read) = self.read.get(usize::from(stream.0)).filter(|read| !read.load(Ordering::Relaxed)) {
            read.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn failed(&self, error: KafkaError) {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).push_back(error);
    }

    fn next_error(&self) -> Option<KafkaError> {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn inputs(&self, list: &TopicPartitionList) -> Vec<InputPartition> {
        let of = |topic: &str| stream_of(&self.streams, topic);
        let elements = list.elements();
        let each = elements.iter().filter_map(|element| {
            Some(InputPartition { stream: of(element.topic())?, partition: element.partition() })
        });
        each.collect()
    }

    fn note(&self, change: GroupChange) {
        self.heard.store(true, Ordering::Relaxed);
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).push_back(change);
    }
}

fn stream_of(streams: &[Str], topic: &str) -> Option<StreamId> {
    let index = streams.iter().position(|held| held == topic)?;
    u16::try_from(index).ok().map(StreamId)
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        client::log_error(&error, reason);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        if !self.heard.load(Ordering::Relaxed) && heartbeats(statistics) >= HEARTBEATS_OF_A_MEMBER {
            self.note(GroupChange::Assigned(Vec::new()));
        }
    }
}

/// The first may have been answered that the coordinator is not ready.
const HEARTBEATS_OF_A_MEMBER: i64 = 2;

/// How many heartbeats of KIP-848 were answered, by librdkafka's statistics. They count every kind of request but this one,
/// so it is what is left of those that the coordinator answered.
fn heartbeats(statistics: &[u8]) -> i64 {
    #[derive(serde::Deserialize)]
    struct Statistics {
        brokers: BTreeMap<String, Broker>,
    }
    #[derive(serde::Deserialize)]
    struct Broker {
        rx: i64,
        #[serde(default)]
        req: BTreeMap<String, i64>,
    }
    let Ok(Statistics { brokers }) = serde_json::from_slice(statistics) else { return 0 };
    let coordinator = brokers.iter().filter(|(name, _)| name.starts_with("GroupCoordinator"));
    coordinator.map(|(_, broker)| broker.rx - broker.req.values().sum::<i64>()).sum()
}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(list) = rebalance {
            let inputs = self.inputs(list);
            self.note(GroupChange::Revoked { inputs, lost: consumer.assignment_lost() });
        }
    }

    // Quick: nothing is read or written here. The loop restores the shard and then lets its partitions go.
    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(list) => {
                if let Err(error) = consumer.pause(list) {
                    client::log_error(&error, "new partitions could not be paused");
                }
                self.note(GroupChange::Assigned(self.inputs(list)));
            }
            Rebalance::Revoke(_) if self.next_generation && !consumer.assignment_lost() => {
                self.note(GroupChange::Assigned(Vec::new()));
            }
            Rebalance::Revoke(_) => {}
            Rebalance::Error(error) => client::log_error(error, "rebalance"),
        }
    }
}

/// The consumer of all declared inputs.
pub struct Source {
    consumer: Arc<BaseConsumer<Context>>,
    /// Rings when a queue was empty and is not any more.
    bell: Arc<Bell>,
    kafka: KafkaConfig,
    streams: Vec<Str>,
    is_static: bool,
    /// Held by whoever wakes leaders; what is told by it is that nobody does any more.
    waking: Sender<()>,
    woken: Receiver<()>,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Source({:?})", self.streams)
    }
}

impl Source {
    /// Subscribes to every stream's topic.
    ///
    /// # Errors
    /// The client cannot be made.
    pub fn subscribe(kafka: &KafkaConfig, streams: &[Str]) -> Result<Self, KafkaFailure> {
        let context = Context {
            streams: streams.to_vec(),
            changes: Mutex::default(),
            next_generation: kafka.is_next_group_protocol(),
            heard: AtomicBool::new(false),
            read: streams.iter().map(|_| AtomicBool::new(false)).collect(),
            errors: Mutex::default(),
        };
        let failed = |source| KafkaFailure::Client { purpose: "consuming", source };
        let mut consumer: BaseConsumer<Context> =
            client::consumer(kafka).create_with_context(context).map_err(failed)?;
        let bell = Arc::new(Bell::default());
        let ringer = Arc::clone(&bell);
        consumer.set_nonempty_callback(move || ringer.ring());
        let topics: Vec<&str> = streams.iter().map(Str::as_str).collect();
        consumer.subscribe(&topics).map_err(failed)?;
        let (waking, woken) = channel();
        Ok(Source {
            consumer: Arc::new(consumer),
            bell,
            kafka: kafka.clone(),
            streams: streams.to_vec(),
            is_static: kafka.is_static_member(),
            waking,
            woken,
        })
    }

    /// Ends a wait for records.
    pub fn bell(&self) -> Arc<Bell> {
        Arc::clone(&self.bell)
    }

    /// Whether the group keeps our place while we are away (`group.instance.id`).
    pub fn is_static(&self) -> bool {
        self.is_static
    }

    /// Ends it, when the inputs that it gave are gone. A member leaves the group by it, so that the others need not wait for its
    /// session to end; a static one only `for_good`, for librdkafka tells the group of its end only where it gives up its
    /// subscription first.
    pub fn leave(self, for_good: bool) {
        if for_good && self.is_static {
            self.consumer.unsubscribe();
            let deadline = Instant::now() + LEAVES_WITHIN;
            while self.consumer.assignment().is_ok_and(|held| held.count() > 0) && Instant::now() < deadline {
                self.consumer.poll(Duration::from_millis(10));
            }
        }
        // The client ends with the last that has it, and that is to be us.
        drop(self.waking);
        let _ended = self.woken.recv_timeout(LEAVES_WITHIN);
    }

    /// Waits until there is something to read of an input, or something has changed, and no longer than this. Changes of the
    /// assignment are in [`Source::changes`] afterwards.
    ///
    /// # Errors
    /// The consumer cannot go on.
    pub fn poll(&self, timeout: Duration) -> Result<(), KafkaFailure> {
        let mut polled = self.consumer.poll(Duration::ZERO);
        if polled.is_none() && !timeout.is_zero() {
            self.bell.wait(timeout);
            polled = self.consumer.poll(Duration::ZERO);
        }
        while let Some(outcome) = polled {
            // Records come to their inputs: one that comes here was fetched before its partition was let go, and is fetched again.
            outcome.map_or_else(|error| self.judge(error), |_| Ok(()))?;
            polled = self.consumer.poll(Duration::ZERO);
        }
        while let Some(error) = self.consumer.context().next_error() {
            self.judge(error)?;
        }
        Ok(())
    }

    /// What an error means that came instead of a record.
    fn judge(&self, error: KafkaError) -> Result<(), KafkaFailure> {
        match error {
            KafkaError::MessageConsumptionFatal(RDKafkaErrorCode::FencedInstanceId) => Err(KafkaFailure::Fenced(error)),
            KafkaError::MessageConsumptionFatal(_) => Err(KafkaFailure::Consumer(error)),
            error if access::is_denied(&error) => self.denied(&error),
            error => {
                // The broker is away, a topic is gone: librdkafka goes on trying, and the frontier shows it.
                client::log_error(&error, "while consuming");
                Ok(())
            }
        }
    }

    /// What was never allowed ends the start; what is taken from us while we run is waited for.
    fn denied(&self, error: &KafkaError) -> Result<(), KafkaFailure> {
        let (failure, worked) = if access::is_of_group(error) {
            (access::denied_group(&self.kafka), self.consumer.context().heard.load(Ordering::Relaxed))
        } else if let Some((stream, failure)) = access::refused(&self.kafka, &self.streams) {
            (
                failure,
                self.consumer
                    .context()
                    .read
                    .get(usize::from(stream.0))
                    .is_some_and(|read| read.load(Ordering::Relaxed)),
            )
        } else {
            // It was given meanwhile.
            return Ok(());
        };
        if !worked {
            return Err(failure);
        }
        client::log_error(error, &failure.to_string());
        Ok(())
    }

    /// Wakes librdkafka's own thread, which sends the heartbeats. It may sleep for an hour where the wall clock was set back
    /// by one ([`Bell`]), and any question to it ends that.
    pub fn wake(&self) {
        drop(self.consumer.group_metadata());
    }

    /// What happened to the assignment since the last call.
    pub fn changes(&self) -> VecDeque<GroupChange> {
        std::mem::take(&mut *self.consumer.context().changes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lets assigned partitions go, each from an offset, and gives their records; `None` right after an assignment, for which
    /// librdkafka is not ready at once: it is asked again.
    ///
    /// # Errors
    /// librdkafka refuses.
    pub fn start(&self, from: &[(InputPartition, i64)]) -> Result<Option<Vec<Input>>, KafkaFailure> {
        // Before the seek, which makes what was fetched until then void.
        let Some(inputs) = from.iter().map(|(input, _)| self.input(*input)).collect() else { return Ok(None) };
        let mut list = TopicPartitionList::with_capacity(from.len());
        for (input, offset) in from {
            let topic = self.topic(*input);
            list.add_partition_offset(topic, input.partition, Offset::Offset(*offset))
                .map_err(KafkaFailure::Consumer)?;
        }
        let Ok(sought) = self.consumer.seek_partitions(list, Duration::from_secs(1)) else { return Ok(None) };
        if sought.elements().iter().any(|element| element.error().is_err()) {
            return Ok(None);
        }
        self.consumer.resume(&sought).map_err(KafkaFailure::Consumer)?;
        Ok(Some(inputs))
    }

    /// Makes librdkafka ask for the records of what was let go. It does not by itself: a resume wakes no leader's thread, nor
    /// does a seek to 0, and one that has nothing to fetch sleeps for up to a second. A question to the leaders of these inputs
    /// wakes them all. Nobody waits for its answer here, which may lie behind that to a fetch.
    pub fn wake_leaders(&self, of: &[InputPartition]) {
        let mut list = TopicPartitionList::with_capacity(of.len());
        for input in of {
            // The end, which a leader knows at once.
            drop(list.add_partition_offset(self.topic(*input), input.partition, Offset::End));
        }
        let within = WAKES_WITHIN + client::fetch_waits(&self.kafka);
        let (consumer, waking) = (Arc::clone(&self.consumer), self.waking.clone());
        let ask = move || {
            drop(consumer.offsets_for_times(list, within));
            drop(consumer);
            drop(waking);
        };
        // Where the system refuses the thread, or nobody answers, the leaders' threads wake by themselves.
        drop(std::thread::Builder::new().name("waking".to_owned()).spawn(ask));
    }

    /// A queue of its own for an input that is assigned to us.
    fn input(&self, at: InputPartition) -> Option<Input> {
        let mut queue = self.consumer.split_partition_queue(self.topic(at), at.partition)?;
        let bell = self.bell();
        queue.set_nonempty_callback(move || bell.ring());
        Some(Input::new(at, queue, Arc::clone(self.consumer.context())))
    }

    /// The next offset after what was polled, transaction markers passed; inputs of which nothing was seen are left out.
    pub fn positions(&self) -> Vec<(InputPartition, i64)> {
        let Ok(list) = self.consumer.position() else { return Vec::new() };
        let elements = list.elements();
        let each = elements.iter().filter_map(|element| match element.offset() {
            Offset::Offset(position) => {
                let stream = stream_of(&self.streams, element.topic())?;
                Some((InputPartition { stream, partition: element.partition() }, position))
            }
            _ => None,
        });
        each.collect()
    }

    /// Who we are in the group: a commit in another's time is refused by it.
    pub(super) fn group(&self) -> Option<ConsumerGroupMetadata> {
        self.consumer.group_metadata()
    }

    /// Commits offsets without a transaction.
    pub(super) fn commit(&self, shards: &[ShardOffsets], current_next: &dyn Fn(i32) -> i64) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::new();
        for shard in shards {
            shard.add_to(&mut list, &self.streams, current_next(shard.partition))?;
        }
        self.consumer.commit(&list, CommitMode::Sync)
    }

    /// The topics, by stream.
    pub fn streams(&self) -> &[Str] {
        &self.streams
    }

    /// The topic of an input.
    pub fn topic(&self, input: InputPartition) -> &str {
        self.streams.get(usize::from(input.stream.0)).map_or("", Str::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answered_heartbeats_are_what_no_other_kind_of_request_was() {
        let told = br#"{"name": "rdkafka#consumer-1", "brokers": {
            "b:9092/1": {"rx": 90, "req": {"Fetch": 80}},
            "GroupCoordinator": {"rx": 5, "req": {"ApiVersion": 1, "OffsetFetch": 2}}}, "topics": {}}"#;
        assert_eq!(heartbeats(told), 2);
        assert_eq!(heartbeats(b"{}"), 0);
    }
}
