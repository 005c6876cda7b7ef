//! The clock, and the ends of the inputs asked on a thread and clients of their own: on the client that consumes, a
//! query waits behind its long poll (DESIGN section 12).

use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use crate::config::KafkaConfig;
use crate::domain::{Millis, Str, Timestamp};
use crate::engine::Ends;
use crate::engine::clock::{Clock, Reading};

use super::InputPartition;
use super::client::{self, Logged};
use super::error::KafkaFailure;
use super::topology;

/// A query that takes longer than this counts as unanswered; the next one is asked then.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// A producer learns of new partitions within minutes; we are quicker.
const COUNTED_EVERY: Duration = Duration::from_millis(500);

/// The process's clock. Clones share it.
#[derive(Clone, Debug)]
pub struct SystemClock(Arc<Mutex<Shared>>);

#[derive(Debug)]
struct Shared {
    clock: Clock,
    /// The wall clock was believed, and it was not told yet: whoever read it then may not be the one who tells.
    believed: Option<Millis>,
}

impl SystemClock {
    /// Starts at the wall clock.
    pub fn start() -> Self {
        SystemClock(Arc::new(Mutex::new(Shared { clock: Clock::start(wall(), boot()), believed: None })))
    }

    /// Reads it.
    pub fn read(&self) -> Reading {
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let reading = shared.clock.read(wall(), boot());
        if let Reading::Reanchored { by, .. } = reading {
            shared.believed = Some(by);
        }
        reading
    }

    /// By how much the wall clock was off when it was believed, since the last call.
    pub fn take_believed(&self) -> Option<Millis> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).believed.take()
    }

    /// The time, whatever it is worth.
    pub fn now(&self) -> Timestamp {
        self.read().now()
    }
}

fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Time since the machine started, its sleep included.
#[cfg(target_os = "linux")]
fn boot() -> Millis {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Millis::new(time.tv_sec.saturating_mul(1000).saturating_add(time.tv_nsec / 1_000_000))
}

/// Where boot time is not to be had, a sleep of the machine is a jump of the wall clock.
#[cfg(not(target_os = "linux"))]
fn boot() -> Millis {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    let since = START.get_or_init(std::time::Instant::now).elapsed();
    Millis::new(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A question: where do these inputs end? With the position in each, so that the last stable offset is asked only where
/// it matters.
#[derive(Debug)]
pub struct Question {
    /// Each input partition and the next offset that will be read of it.
    pub inputs: Vec<(InputPartition, i64)>,
    /// Partitions of `exceptions-current` whose ends are asked too.
    pub current: Vec<i32>,
}

/// What came of a question.
#[derive(Debug)]
pub struct Answer {
    /// The clock when the question was sent.
    pub asked: Reading,
    /// The ends of every input that was asked about, or why there is no answer.
    pub ends: Result<Vec<(InputPartition, Ends)>, KafkaError>,
    /// The ends of the partitions of `exceptions-current`, as far as they are known.
    pub current: Vec<(i32, i64)>,
    /// The inputs are not what they were: made anew, or with other numbers of partitions.
    pub changed: Option<KafkaFailure>,
}

/// Asks one question at a time.
#[derive(Debug)]
pub struct EndOffsets {
    questions: SyncSender<Question>,
    answers: Receiver<Answer>,
    waiting: bool,
}

impl EndOffsets {
    /// Starts the thread; it ends when this is dropped. `inputs`: the topics by stream, with their numbers of partitions.
    ///
    /// # Errors
    /// The clients cannot be made.
    pub fn start(
        kafka: &KafkaConfig,
        inputs: &[(Str, usize)],
        current: &Str,
        clock: SystemClock,
    ) -> Result<Self, KafkaFailure> {
        let failed = |source| KafkaFailure::Client { purpose: "end offsets", source };
        let mut asker = Asker {
            high: client::ends(kafka, "read_uncommitted").create_with_context(Logged).map_err(failed)?,
            stable: client::ends(kafka, "read_committed").create_with_context(Logged).map_err(failed)?,
            kafka: kafka.clone(),
            inputs: inputs.to_vec(),
            current: current.clone(),
            counted: None,
            clock,
        };
        let (questions, asked) = sync_channel::<Question>(1);
        let (answer, answers) = sync_channel(1);
        let spawned = std::thread::Builder::new().name("end-offsets".to_owned()).spawn(move || {
            for question in asked {
                let reading = asker.clock.read();
                let ends = asker.ask(&question);
                let current = asker.ends_of_current(&question.current);
                // The split after the ends: where nothing was added by now, nothing lay in a partition that was not asked.
                let changed = asker.made_anew(&question, &ends).or_else(|| asker.split());
                if answer.send(Answer { asked: reading, ends, current, changed }).is_err() {
                    return;
                }
            }
        });
        spawned.map_err(|e| failed(KafkaError::ClientCreation(e.to_string())))?;
        Ok(EndOffsets { questions, answers, waiting: false })
    }

    /// Whether a question waits for its answer.
    pub fn waiting(&self) -> bool {
        self.waiting
    }

    /// Sends a question, unless one waits for its answer.
    pub fn ask(&mut self, question: Question) {
        if !self.waiting {
            self.waiting = self.questions.try_send(question).is_ok();
        }
    }

    /// The answer, when it has come.
    pub fn answer(&mut self) -> Option<Answer> {
        match self.answers.try_recv() {
            Ok(answer) => {
                self.waiting = false;
                Some(answer)
            }
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => None,
        }
    }
}

struct Asker {
    high: BaseConsumer<Logged>,
    stable: BaseConsumer<Logged>,
    kafka: KafkaConfig,
    /// Each with its number of partitions, by stream.
    inputs: Vec<(Str, usize)>,
    current: Str,
    /// When the partitions were counted last.
    counted: Option<Instant>,
    clock: SystemClock,
}

impl Asker {
    fn ask(&self, question: &Question) -> Result<Vec<(InputPartition, Ends)>, KafkaError> {
        let all: Vec<InputPartition> = question.inputs.iter().map(|(input, _)| *input).collect();
        let high = self.ends(&self.high, &all)?;
        let short = |(_, position): &&(InputPartition, i64), high: i64| *position < high;
        let behind: Vec<InputPartition> =
            question.inputs.iter().zip(&high).filter(|(asked, high)| short(asked, **high)).map(|(a, _)| a.0).collect();
        // After the high watermark, so that a position at the stable offset and below the watermark is no accident.
        let stable = if behind.is_empty() { Vec::new() } else { self.ends(&self.stable, &behind)? };
        let stable_of = |input: InputPartition, high: i64| {
            behind.iter().position(|held| *held == input).and_then(|at| stable.get(at).copied()).unwrap_or(high)
        };
        Ok(all.iter().zip(high).map(|(input, high)| (*input, Ends { high, stable: stable_of(*input, high) })).collect())
    }

    fn ends_of_current(&self, partitions: &[i32]) -> Vec<(i32, i64)> {
        if partitions.is_empty() {
            return Vec::new();
        }
        let asked: Vec<(&str, i32)> = partitions.iter().map(|partition| (self.current.as_str(), *partition)).collect();
        // Where it is not answered, it is asked again with the next question.
        let ends = ends(&self.high, &asked).unwrap_or_default();
        partitions.iter().copied().zip(ends).collect()
    }

    /// An input that ends below where its reader was when the question was sent. What was read since says nothing. A new
    /// leader does not name an end before it knows it (KIP-207).
    fn made_anew(
        &self,
        question: &Question,
        ends: &Result<Vec<(InputPartition, Ends)>, KafkaError>,
    ) -> Option<KafkaFailure> {
        let asked = question.inputs.iter().zip(ends.as_ref().ok()?);
        let ((input, _), (_, ends)) = asked.into_iter().find(|((_, position), (_, ends))| *position > ends.high)?;
        Some(KafkaFailure::MadeAnew { topic: self.topic(*input).into(), partition: input.partition, end: ends.high })
    }

    /// The partitions, counted now and then. A topic that is not there has its own word, by the consumer.
    fn split(&mut self) -> Option<KafkaFailure> {
        if self.counted.is_some_and(|at| at.elapsed() < COUNTED_EVERY) {
            return None;
        }
        self.counted = Some(Instant::now());
        let count = |topic| topology::partitions(self.high.client(), &self.kafka, topic, ANSWER_WITHIN).ok().flatten();
        let counts = self.inputs.iter().filter_map(|(topic, before)| Some((topic, *before, count(topic)?)));
        let counts: Vec<_> = counts.collect();
        let before = counts.iter().find(|(_, before, now)| before != now).map(|(_, before, _)| *before)?;
        let alike = counts.iter().filter(|(_, held, _)| *held == before);
        let counts = alike.map(|(topic, _, now)| format!("{topic} {now}")).collect::<Vec<_>>().join(", ");
        Some(KafkaFailure::Split { before, counts })
    }

    fn ends(&self, client: &BaseConsumer<Logged>, inputs: &[InputPartition]) -> Result<Vec<i64>, KafkaError> {
        let asked: Vec<_> = inputs.iter().map(|input| (self.topic(*input), input.partition)).collect();
        ends(client, &asked)
    }

    fn topic(&self, input: InputPartition) -> &str {
        self.inputs.get(usize::from(input.stream.0)).map_or("", |(topic, _)| topic.as_str())
    }
}

/// The end of each partition, in the order asked. One request a broker.
fn ends(client: &BaseConsumer<Logged>, partitions: &[(&str, i32)]) -> Result<Vec<i64>, KafkaError> {
    let mut asked = TopicPartitionList::with_capacity(partitions.len());
    for (topic, partition) in partitions {
        asked.add_partition_offset(topic, *partition, Offset::End)?;
    }
    let answered = client.offsets_for_times(asked, ANSWER_WITHIN)?;
    let end = |(topic, partition): &(&str, i32)| {
        let found = answered.find_partition(topic, *partition);
        let element = found.ok_or(KafkaError::OffsetFetch(rdkafka::types::RDKafkaErrorCode::UnknownPartition))?;
        element.error()?;
        match element.offset() {
            Offset::Offset(end) => Ok(end),
            _ => Err(KafkaError::OffsetFetch(rdkafka::types::RDKafkaErrorCode::NoOffset)),
        }
    };
    partitions.iter().map(end).collect()
}
