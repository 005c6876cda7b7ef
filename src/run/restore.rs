//! The thread that reads shards back, so that the loop goes on turning. The inputs between snapshot and commit are then
//! replayed by the loop itself, through the shard's task. What is made of it is [`super::recovery`]'s.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::config::Config;
use crate::domain::{Str, Timestamp};
use crate::engine::Stored;
use crate::kafka::clock::SystemClock;
use crate::kafka::current::{Reader, Visit};
use crate::kafka::error::KafkaFailure;
use crate::kafka::offsets::Committed;
use crate::policy::Settings;
use crate::snapshot::{Expected, SnapshotStore};
use crate::telemetry::emit;
use crate::telemetry::events::{RestoreUnanswered, SnapshotsUnreadable};

use super::RunError;
use super::backlogs::{OWNER, Remembered};
use super::queue::Queue;
use super::recovery::{Log, Recovered, Recovery, ShardJob, Shelf, Shelved};
use super::told::Published;

/// How long a transaction's late marker is waited for: a killed writer's lasts its time-out, at most 15 s, and the broker's
/// scan.
const MARKER_WITHIN: Duration = Duration::from_secs(60);

/// What could not be read is tried again after so long.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// What is to be read back.
#[derive(Debug)]
pub enum Job {
    /// A shard.
    Shard(ShardJob),
    /// What the backlogs remember, with a number that tells an answer that comes too late.
    Backlogs(u64),
    /// What stands in a shard's partition of `exceptions-current`, where another has written; with the shard's epoch.
    Published(i32, u64),
}

/// What came of a job.
#[derive(Debug)]
pub enum Outcome {
    /// A shard was read back.
    Shard(Recovered),
    /// What the backlogs remember.
    Backlogs(Remembered),
    /// What stands in `exceptions-current`.
    Published(Box<Published>),
    /// That could not be read.
    Unheard,
    /// It could not be.
    Failed(Box<RunError>),
}

/// The thread that reads shards back, one after the other.
#[derive(Debug)]
pub struct Restorer {
    // Never more jobs than shards: no bound of its own is needed.
    jobs: Sender<Job>,
    outcomes: Receiver<(i32, u64, Outcome)>,
}

/// What every job needs.
pub struct Means {
    /// The configuration.
    pub config: Arc<Config>,
    /// What the engine judges by.
    pub settings: Arc<Settings>,
    /// Where snapshots lie.
    pub store: SnapshotStore,
    /// The Kafka cluster's own id; empty where the broker names none.
    pub cluster_id: String,
    /// For the store.
    pub runtime: Handle,
    /// The process's start.
    pub started: Timestamp,
    /// The service's.
    pub clock: SystemClock,
}

impl Restorer {
    /// Starts the thread; it ends when this is dropped.
    ///
    /// # Errors
    /// The system refuses the thread.
    pub fn start(means: Means, reader: Reader) -> Result<Self, RunError> {
        let (jobs, wanted) = channel::<Job>();
        let (done, outcomes) = channel();
        let spawned = std::thread::Builder::new().name("restore".to_owned()).spawn(move || {
            let mut queue = Queue::default();
            while let Some(job) = next(&wanted, &mut queue) {
                let answer = match means.work(&reader, &job) {
                    (shard, _, Outcome::Failed(error)) if waits(shard, &error) => {
                        queue.failed(job);
                        continue;
                    }
                    answer => answer,
                };
                if done.send(answer).is_err() {
                    return;
                }
            }
        });
        spawned.map_err(|source| RunError::System { what: "the restoring thread cannot start".to_owned(), source })?;
        Ok(Restorer { jobs, outcomes })
    }

    /// Asks for a shard.
    pub fn ask(&self, job: Job) {
        // The thread ends only with us.
        let _ = self.jobs.send(job);
    }

    /// The next shard that is done.
    pub fn next(&self) -> Option<(i32, u64, Outcome)> {
        self.outcomes.try_recv().ok()
    }
}

/// Whether what failed is tried again, as long as it takes: the shards that are here must go on.
fn waits(shard: i32, error: &RunError) -> bool {
    let again_in = AGAIN_AFTER;
    match error {
        // The topics alone may not reach back far enough.
        RunError::Snapshots(error) => emit(SnapshotsUnreadable { shard, error: &error.to_string(), again_in }),
        // A broker that is slow, or a question that was under way while this process stood still.
        RunError::Kafka(failure) if matches!(**failure, KafkaFailure::Unanswered { .. }) => {
            emit(RestoreUnanswered { shard, error: &failure.to_string(), again_in });
        }
        _ => return false,
    }
    true
}

/// The next job: those that were asked for, then those that failed. `None` where nobody wants any more.
fn next(wanted: &Receiver<Job>, queue: &mut Queue) -> Option<Job> {
    loop {
        wanted.try_iter().for_each(|job| queue.push(job));
        if let Some(job) = queue.take() {
            return Some(job);
        }
        if !queue.has_failed() {
            queue.push(wanted.recv().ok()?);
            continue;
        }
        match wanted.recv_timeout(AGAIN_AFTER) {
            Ok(job) => queue.push(job),
            Err(RecvTimeoutError::Timeout) => return queue.take_failed(),
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
}

impl Job {
    /// Whether nobody waits for the old one where this one was asked for.
    pub fn replaces(&self, old: &Job) -> bool {
        match (self, old) {
            (Job::Shard(new), Job::Shard(old)) => new.partition == old.partition,
            (Job::Backlogs(_), Job::Backlogs(_)) => true,
            (Job::Published(new, _), Job::Published(old, _)) => new == old,
            _ => false,
        }
    }

    /// Whether it may be done with a look at the group's commits.
    pub fn is_quick(&self) -> bool {
        matches!(self, Job::Shard(job) if job.known.is_some())
    }
}

impl Means {
    fn work(&self, reader: &Reader, job: &Job) -> (i32, u64, Outcome) {
        let recovery = Recovery {
            config: &self.config,
            settings: &self.settings,
            started: self.started,
            now: self.clock.now(),
            log: reader,
            shelf: self,
        };
        let (partition, epoch, outcome) = match job {
            Job::Shard(job) => (job.partition, job.epoch, recovery.shard(job, Instant::now()).map(Outcome::Shard)),
            Job::Backlogs(epoch) => (OWNER, *epoch, recovery.backlogs().map(Outcome::Backlogs)),
            Job::Published(partition, epoch) => {
                let published = recovery.standing(*partition);
                let told = published.map_or(Outcome::Unheard, |published| Outcome::Published(Box::new(published)));
                (*partition, *epoch, Ok(told))
            }
        };
        (partition, epoch, outcome.unwrap_or_else(|e| Outcome::Failed(Box::new(e))))
    }
}

impl Shelf for Means {
    fn newest(&self, shard: i32, take: &mut (dyn FnMut(Stored) + Send)) -> Result<Option<Shelved>, RunError> {
        let expected = Expected {
            group_id: self.config.kafka.group_id.clone(),
            cluster_id: self.cluster_id.clone(),
            shard,
            streams: self.config.streams.iter().map(|s| (s.topic.clone(), s.entity.clone())).collect(),
        };
        let Some(found) = self.runtime.block_on(self.store.newest(&expected))? else { return Ok(None) };
        self.runtime.block_on(found.read(take))?;
        Ok(Some(Shelved { bytes: found.name.bytes, header: found.header }))
    }
}

impl Log for Reader {
    fn commits(&self, topics: &[Str], partition: i32) -> Result<Vec<Option<Committed>>, RunError> {
        Ok(self.committed(topics, partition)?)
    }

    fn bounds(&self, topic: &str, partition: i32) -> Result<(i64, i64), RunError> {
        Ok(self.watermarks(topic, partition)?)
    }

    fn end(&self, topic: &str, partition: i32) -> Result<i64, RunError> {
        Ok(Reader::end(self, topic, partition)?)
    }

    fn offset_at(&self, topic: &str, partition: i32, at: Timestamp) -> Result<Option<i64>, RunError> {
        Ok(Reader::offset_at(self, topic, partition, at.as_millis())?)
    }

    fn time_at(&self, topic: &str, partition: i32, offset: i64) -> Result<Option<Timestamp>, RunError> {
        Ok(self.first_record_time(topic, partition, offset)?.map(Timestamp::from_millis))
    }

    fn read_back(&self, topic: &str, partition: i32, target: i64, visit: &mut Visit<'_>) -> Result<i64, RunError> {
        Ok(self.read_partition(topic, partition, target, MARKER_WITHIN, visit)?)
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::error::KafkaError;

    use super::*;

    #[test]
    fn a_broker_that_does_not_answer_is_asked_again_and_what_it_forbids_is_not() {
        let unanswered = KafkaFailure::Unanswered {
            question: "the end of exceptions-current/1".to_owned(),
            brokers: "localhost:9092".to_owned(),
            source: KafkaError::MetadataFetch(rdkafka::types::RDKafkaErrorCode::OperationTimedOut),
        };
        assert!(waits(1, &unanswered.into()));
        let forbidden = KafkaFailure::NotAllowed { operation: "READ", resource: "the topic orders".to_owned() };
        assert!(!waits(1, &forbidden.into()));
    }
}
