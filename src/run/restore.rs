//! Reading a shard back (DESIGN section 9): the newest good snapshot, where the inputs go on, and what was published.
//!
//! It is done on a thread of its own, so that the loop goes on turning. The inputs between snapshot and commit are then
//! replayed by the loop itself, through the shard's task.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::codec::decode_exception;
use crate::config::{Config, StartFrom};
use crate::domain::{Exception, Kind, Str, StreamId, Timestamp};
use crate::engine::backlog::MemoryRecord;
use crate::engine::{EffectiveTime, Frontier, Shard};
use crate::kafka::client::TRANSACTION_TIMEOUT_MS;
use crate::kafka::current::Reader;
use crate::kafka::offsets::Committed;
use crate::policy::Settings;
use crate::snapshot::{Expected, Found, SnapshotHeader, SnapshotStore};

use super::RunError;
use super::backlogs::{OWNER, Remembered};

/// How long a transaction's late marker is waited for: a killed writer's lasts its time-out and the broker's scan.
const MARKER_WITHIN: Duration = Duration::from_millis(TRANSACTION_TIMEOUT_MS as u64 + 50_000);

/// What is to be read back.
#[derive(Debug)]
pub enum Job {
    /// A shard.
    Shard(ShardJob),
    /// What the backlogs remember, with a number that tells an answer that comes too late.
    Backlogs(u64),
}

/// A shard to read back.
#[derive(Debug)]
pub struct ShardJob {
    /// The shard.
    pub partition: i32,
    /// Tells an answer that comes too late from one that is waited for.
    pub epoch: u64,
    /// What we committed last, where the shard's state is still in memory: if the group's commits are the same, nobody
    /// has had it in between.
    pub known: Option<Vec<Option<Committed>>>,
}

/// A shard that was read back, up to the inputs.
#[derive(Debug)]
pub struct Restored {
    /// The muted shard, with the snapshot's orders.
    pub shard: Shard,
    /// Assigned, with the snapshot's maxima.
    pub frontier: Frontier,
    /// The first offset to read, by stream.
    pub from: Vec<i64>,
    /// The commit up to which the inputs are replayed muted, by stream.
    pub until: Vec<i64>,
    /// The first offset that the group ever read, by stream.
    pub began_at: Vec<i64>,
    /// The group's commits.
    pub committed: Vec<Option<Committed>>,
    /// The committed frontier.
    pub reached: Option<Timestamp>,
    /// What was published, the last state of each.
    pub published: Vec<Exception>,
    /// The offset after the last record of `exceptions-current` n.
    pub current_next: i64,
    /// Orders that came from the snapshot.
    pub orders: u64,
    /// When the snapshot was taken.
    pub snapshot_taken_at: Option<Timestamp>,
    /// When the restore began.
    pub began: Instant,
}

impl Restored {
    /// The committed frontier, where the commit was made under another policy document than `policies`.
    pub fn in_force_from(&self, policies: &str) -> Option<Timestamp> {
        let mut notes = self.committed.iter().flatten().filter_map(|commit| commit.note.as_ref());
        self.reached.filter(|_| notes.any(|note| note.policies != policies))
    }
}

/// What came of a job.
#[derive(Debug)]
pub enum Outcome {
    /// The state in memory is the group's.
    StillOurs,
    /// Read back.
    Restored(Box<Restored>),
    /// What the backlogs remember.
    Backlogs(Remembered),
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
}

impl Restorer {
    /// Starts the thread; it ends when this is dropped.
    ///
    /// # Errors
    /// The Kafka client cannot be made, or the system refuses the thread.
    pub fn start(means: Means) -> Result<Self, RunError> {
        let reader = Reader::start(&means.config.kafka)?;
        let (jobs, wanted) = channel::<Job>();
        let (done, outcomes) = channel();
        let spawned = std::thread::Builder::new().name("restore".to_owned()).spawn(move || {
            for job in wanted {
                let (partition, epoch, outcome) = match job {
                    Job::Shard(job) => (job.partition, job.epoch, means.handle(&reader, &job)),
                    Job::Backlogs(epoch) => (OWNER, epoch, means.backlogs(&reader).map(Outcome::Backlogs)),
                };
                let outcome = outcome.unwrap_or_else(|e| Outcome::Failed(Box::new(e)));
                if done.send((partition, epoch, outcome)).is_err() {
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

impl Means {
    fn handle(&self, reader: &Reader, job: &ShardJob) -> Result<Outcome, RunError> {
        let began = Instant::now();
        let topics = self.topics();
        // First of all: this waits until a predecessor's open transaction has been decided.
        let committed = reader.committed(&topics, job.partition)?;
        if job.known.as_ref().is_some_and(|known| *known == committed) && committed.iter().any(Option::is_some) {
            return Ok(Outcome::StillOurs);
        }
        let mut shard = self.empty_shard(job.partition);
        let mut orders = 0;
        let header = match self.snapshot(job.partition)? {
            Some(found) => {
                let totals = self.runtime.block_on(found.read(&mut |order| {
                    shard.restore_order(order);
                }))?;
                orders = totals.orders;
                Some(found.header)
            }
            None => None,
        };
        let mut frontier = Frontier::new(topics.len());
        let (mut from, mut until, mut began_at) = (Vec::new(), Vec::new(), Vec::new());
        for (index, topic) in topics.iter().enumerate() {
            let commit = committed.get(index).and_then(Option::as_ref);
            let place = self.place(reader, topic, job.partition, commit, header.as_ref())?;
            let stream = StreamId(u16::try_from(index).unwrap_or(u16::MAX));
            frontier.assign(stream, place.from, place.effective);
            from.push(place.from);
            until.push(place.until);
            began_at.push(place.began_at);
        }
        let notes = committed.iter().flatten().filter_map(|commit| commit.note.as_ref());
        let reached = notes.filter_map(|note| note.frontier()).max();
        let (published, current_next) = self.published(reader, job.partition, published_to(&committed))?;
        Ok(Outcome::Restored(Box::new(Restored {
            shard,
            frontier,
            from,
            until,
            began_at,
            committed,
            reached,
            published,
            current_next,
            orders,
            snapshot_taken_at: header.map(|header| header.taken_at),
            began,
        })))
    }

    /// What the backlogs' sum wrote to the control topic, and what it published.
    fn backlogs(&self, reader: &Reader) -> Result<Remembered, RunError> {
        let mut last: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
        reader.read_partition(&self.config.outputs.control, 0, 0, MARKER_WITHIN, &mut |key, value| {
            let key = key.filter(|key| key.starts_with(MemoryRecord::PREFIX.as_bytes()));
            match (key, value) {
                (Some(key), Some(value)) => drop(last.insert(key.to_vec(), value.to_vec())),
                (Some(key), None) => drop(last.remove(key)),
                (None, _) => {}
            }
            Ok(())
        })?;
        let committed = reader.committed(&self.topics(), OWNER)?;
        let (mut published, _) = self.published(reader, OWNER, published_to(&committed))?;
        published.retain(|exception| exception.kind == Kind::Backlog);
        Ok(Remembered { memory: last.into_values().collect(), published })
    }

    fn empty_shard(&self, partition: i32) -> Shard {
        let mut shard = Shard::new(partition, Arc::clone(&self.config.policies), Arc::clone(&self.settings));
        shard.mute();
        shard
    }

    fn topics(&self) -> Vec<Str> {
        self.config.streams.iter().map(|stream| stream.topic.clone()).collect()
    }

    fn snapshot(&self, shard: i32) -> Result<Option<Found>, RunError> {
        let group_id = self.config.kafka.group_id.clone();
        let expected = Expected { group_id, cluster_id: self.cluster_id.clone(), shard, topics: self.topics() };
        Ok(self.runtime.block_on(self.store.newest(&expected))?)
    }

    /// Where one input goes on.
    fn place(
        &self,
        reader: &Reader,
        topic: &Str,
        partition: i32,
        commit: Option<&Committed>,
        header: Option<&SnapshotHeader>,
    ) -> Result<Place, RunError> {
        let (first, end) = reader.watermarks(topic, partition)?;
        let held = header.and_then(|header| header.inputs.iter().find(|input| input.topic == *topic));
        let effective = EffectiveTime::restored(held.and_then(|input| input.effective_max));
        let noted = commit.and_then(|commit| commit.note.as_ref()).map(|note| note.began_at);
        // A commit beyond the end is of a topic that was made anew: what there is, is read.
        let committed = commit.map(|commit| commit.offset.min(end));
        let place = match (held.map(|input| input.next_offset), committed) {
            (Some(held), Some(committed)) => {
                Place { from: held, until: committed.max(held), began_at: noted.unwrap_or(first), effective }
            }
            (Some(held), None) => Place { from: held, until: held, began_at: first, effective },
            (None, Some(committed)) => {
                let from = noted.unwrap_or(first).max(first).min(committed.max(first));
                Place { from, until: committed, began_at: from, effective }
            }
            (None, None) => {
                let from = self.first_offset(reader, topic, partition, first, end)?;
                Place { from, until: from, began_at: from, effective }
            }
        };
        Ok(Place { from: place.from.max(first), ..place })
    }

    /// Where a group without offsets begins.
    fn first_offset(
        &self,
        reader: &Reader,
        topic: &Str,
        partition: i32,
        first: i64,
        end: i64,
    ) -> Result<i64, RunError> {
        let at = match self.config.start.from {
            StartFrom::Earliest => return Ok(first),
            StartFrom::Latest => return Ok(end),
            StartFrom::At(at) => at,
            StartFrom::Ago(ago) => self.started - ago,
        };
        Ok(reader.offset_at(topic, partition, at.as_millis())?.unwrap_or(end))
    }

    /// The last state of each exception that the shard published, and where the next record goes.
    fn published(&self, reader: &Reader, partition: i32, target: i64) -> Result<(Vec<Exception>, i64), RunError> {
        let outputs = &self.config.outputs;
        let mut last: HashMap<Vec<u8>, Exception> = HashMap::new();
        let next = reader.read_partition(&outputs.current, partition, target, MARKER_WITHIN, &mut |key, value| {
            let key = key.unwrap_or_default();
            match value {
                Some(value) => {
                    let exception = decode_exception(value, outputs.format).map_err(|e| e.to_string())?;
                    last.insert(key.to_vec(), exception);
                }
                None => drop(last.remove(key)),
            }
            Ok(())
        })?;
        Ok((last.into_values().collect(), next))
    }
}

/// Up to which offset of `exceptions-current` n the commits say that the shard has published.
fn published_to(committed: &[Option<Committed>]) -> i64 {
    let notes = committed.iter().flatten().filter_map(|commit| commit.note.as_ref());
    notes.map(|note| note.current_next).max().unwrap_or(0)
}

#[derive(Debug)]
struct Place {
    from: i64,
    until: i64,
    began_at: i64,
    effective: EffectiveTime,
}
