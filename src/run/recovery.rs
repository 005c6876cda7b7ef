//! What a restart makes of what it finds (DESIGN section 9): the newest good snapshot, where the inputs go on, and what
//! was published.
//!
//! What is read comes through [`Log`] and [`Shelf`], so that a simulation recovers by the very code of the live run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use crate::codec::{Format, OutputRecord, decode_exception};
use crate::config::{Config, Delivery};
use crate::domain::{Exception, ExceptionId, Str, Timestamp};
use crate::engine::backlog::MemoryRecord;
use crate::engine::{Restoring, Shard, Stored};
use crate::guard::{Guard, is_off};
use crate::kafka::current::{Entry, Visit};
use crate::kafka::offsets::Committed;
use crate::policy::{Policies, Settings};
use crate::snapshot::SnapshotHeader;
use crate::telemetry::SnapshotStatus;

use super::RunError;
use super::backlogs::{OWNER, Remembered};
use super::documents::{Documents, Judged};
use super::inputs::Inputs;
use super::told::{Published, Told};

/// The topics and the group's commits.
pub trait Log {
    /// The group's commits of one shard, by stream; waits for transactions that are being decided.
    ///
    /// # Errors
    /// There is no answer.
    fn commits(&self, topics: &[Str], partition: i32) -> Result<Vec<Option<Committed>>, RunError>;

    /// The first offset kept, and the last stable one.
    ///
    /// # Errors
    /// There is no answer.
    fn bounds(&self, topic: &str, partition: i32) -> Result<(i64, i64), RunError>;

    /// The offset after the last record, those of open transactions counted.
    ///
    /// # Errors
    /// There is no answer.
    fn end(&self, topic: &str, partition: i32) -> Result<i64, RunError>;

    /// The first offset whose record time is at or past `at`.
    ///
    /// # Errors
    /// There is no answer.
    fn offset_at(&self, topic: &str, partition: i32, at: Timestamp) -> Result<Option<i64>, RunError>;

    /// The record time of the first record at or past `offset` that can be read now; `None` where there is none, or it
    /// has none.
    ///
    /// # Errors
    /// There is no answer.
    fn time_at(&self, topic: &str, partition: i32, offset: i64) -> Result<Option<Timestamp>, RunError>;

    /// Gives every committed record from the beginning to `visit`, until both `target` and the stable end as it is now
    /// have been reached, however late a transaction's marker comes. Gives the offset after the last one.
    ///
    /// # Errors
    /// There is no answer, or `visit` refuses a record.
    fn read_back(&self, topic: &str, partition: i32, target: i64, visit: &mut Visit<'_>) -> Result<i64, RunError>;
}

/// The snapshots.
pub trait Shelf {
    /// The newest good snapshot of a shard, whose orders are given to `take`.
    ///
    /// # Errors
    /// Snapshots are there and cannot be read.
    fn newest(&self, shard: i32, take: &mut (dyn FnMut(Stored) + Send)) -> Result<Option<Shelved>, RunError>;
}

/// A snapshot that was read.
#[derive(Debug)]
pub struct Shelved {
    /// What it says of itself.
    pub header: SnapshotHeader,
    /// Its size.
    pub bytes: u64,
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
    /// Where its inputs go on.
    pub inputs: Inputs,
    /// The committed frontier.
    pub reached: Option<Timestamp>,
    /// The frontier of the group's commits: up to there the backlogs' sum was told.
    pub told: Option<Timestamp>,
    /// What was published, the last state of each.
    pub published: Vec<Exception>,
    /// What `exceptions-current` has and the histories may not have: it is not covered by a commit (`at_least_once`).
    pub retell: Vec<Exception>,
    /// What `exceptions-current` has an older state behind (`at_least_once`).
    pub repair: Vec<Exception>,
    /// What may have been said by somebody who had lost the shard (`at_least_once`).
    pub doubted: Vec<ExceptionId>,
    /// The document that it is judged by.
    pub policies: Arc<Policies>,
    /// What the control topic is to be told of it, with the first commit.
    pub decree: Vec<OutputRecord>,
    /// The offset after the last record of `exceptions-current` n.
    pub current_next: i64,
    /// Orders that came from the snapshot.
    pub orders: u64,
    /// The snapshot that it came from.
    pub snapshot: Option<SnapshotStatus>,
    /// When the restore began.
    pub began: Instant,
}

impl Restored {
    /// The committed frontier, where the commit was made under another policy document.
    pub fn in_force_from(&self) -> Option<Timestamp> {
        let mut notes = self.inputs.committed.iter().flatten().filter_map(|commit| commit.note.as_ref());
        self.reached.filter(|_| notes.any(|note| note.policies != self.policies.version))
    }
}

/// What came of a shard's job.
#[derive(Debug)]
pub enum Recovered {
    /// The state in memory is the group's.
    StillOurs,
    /// Read back.
    Anew(Box<Restored>),
}

/// Recovers shards.
#[derive(Debug)]
pub struct Recovery<'a, L, S> {
    /// The configuration.
    pub config: &'a Config,
    /// What the engine judges by.
    pub settings: &'a Arc<Settings>,
    /// The process's start.
    pub started: Timestamp,
    /// The clock as it is now.
    pub now: Timestamp,
    /// The topics.
    pub log: &'a L,
    /// The snapshots.
    pub shelf: &'a S,
}

impl<L: Log, S: Shelf> Recovery<'_, L, S> {
    /// Reads one shard back, up to the inputs. `began`: now.
    ///
    /// # Errors
    /// Something cannot be read.
    pub fn shard(&self, job: &ShardJob, began: Instant) -> Result<Recovered, RunError> {
        let topics = self.topics();
        // First of all: this waits until a predecessor's open transaction has been decided.
        let committed = self.log.commits(&topics, job.partition)?;
        if job.known.as_ref().is_some_and(|known| *known == committed)
            && self.nobody_spoke(job.partition, &committed)?
        {
            return Ok(Recovered::StillOurs);
        }
        let judged = self.judged(job.partition, &topics, &committed)?;
        let mut shard = Shard::new(job.partition, Arc::clone(&judged.policies), Arc::clone(self.settings));
        shard.mute();
        shard.set_history(judged.history);
        let mut restoring = Restoring::new(&mut shard);
        let shelved = self.shelf.newest(job.partition, &mut |stored| restoring.take(stored))?;
        let orders = restoring.finish().0.orders;
        let published = self.published(job.partition, published_to(&committed))?;
        let header = shelved.as_ref().map(|shelved| &shelved.header);
        let inputs = self.inputs(job.partition, &committed, header, !published.ahead.is_empty())?;
        shard.set_complete_since(inputs.completeness.since);
        let notes = committed.iter().flatten().filter_map(|commit| commit.note.as_ref());
        let told = notes.filter_map(|note| note.frontier()).max();
        let reached = told.max(published.ahead.iter().map(|e| e.frontier).max());
        let is_fenced = self.config.delivery == Delivery::ExactlyOnce;
        Ok(Recovered::Anew(Box::new(Restored {
            shard,
            inputs,
            reached,
            told,
            published: published.last,
            // In a transaction they were written with everything else; only the group's offsets are gone.
            retell: if is_fenced { Vec::new() } else { published.ahead },
            repair: if is_fenced { Vec::new() } else { published.overtaken },
            doubted: if is_fenced { Vec::new() } else { published.doubted },
            policies: judged.policies,
            decree: judged.decree,
            current_next: published.next,
            orders,
            snapshot: shelved.map(|Shelved { header, bytes }| SnapshotStatus {
                taken_at: header.taken_at,
                bytes,
                took: None,
            }),
            began,
        })))
    }

    /// Whether the commits say what was published: `at_least_once` a process that was cut off in the middle has said more.
    fn nobody_spoke(&self, partition: i32, committed: &[Option<Committed>]) -> Result<bool, RunError> {
        if committed.iter().all(Option::is_none) || self.config.delivery == Delivery::ExactlyOnce {
            return Ok(committed.iter().any(Option::is_some));
        }
        Ok(self.log.end(&self.config.outputs.current, partition)? == published_to(committed))
    }

    /// By which document the shard is judged from its commits on.
    fn judged(&self, partition: i32, topics: &[Str], committed: &[Option<Committed>]) -> Result<Judged, RunError> {
        let control = &self.config.outputs.control;
        // One that is written in no transaction waits for no marker.
        let note = committed.iter().flatten().find_map(|commit| commit.note.as_ref());
        let under = note.map(|note| &note.policies).filter(|_| self.config.delivery == Delivery::ExactlyOnce);
        let documents = Documents::read_for(self.log, control, partition, under)?;
        let frontiers = committed.iter().flatten().filter_map(|commit| commit.note.as_ref()?.frontier());
        let position =
            |(topic, commit): (&Str, &Option<Committed>)| (topic.clone(), commit.as_ref().map_or(0, |c| c.offset));
        let positions: Vec<_> = topics.iter().zip(committed).map(position).collect();
        let own = &self.config.policies;
        documents.judged(own, control, partition, frontiers.max(), &positions).map_err(RunError::Policies)
    }

    /// What the backlogs' sum wrote to the control topic, and what it published.
    ///
    /// # Errors
    /// Something cannot be read.
    pub fn backlogs(&self) -> Result<Remembered, RunError> {
        let mut last: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        self.log.read_back(&self.config.outputs.control, 0, 0, &mut |Entry { key, value, .. }| {
            let key = key.filter(|key| key.starts_with(MemoryRecord::PREFIX.as_bytes()));
            match (key, value) {
                (Some(key), Some(value)) => drop(last.insert(key.to_vec(), value.to_vec())),
                (Some(key), None) => drop(last.remove(key)),
                (None, _) => {}
            }
            Ok(())
        })?;
        let committed = self.log.commits(&self.topics(), OWNER)?;
        let mut published = self.published(OWNER, published_to(&committed))?.last;
        published.retain(Exception::is_summed);
        Ok(Remembered { memory: last.into_values().collect(), published })
    }

    /// What was published of a shard, by whomever.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn standing(&self, partition: i32) -> Result<Published, RunError> {
        self.published(partition, 0)
    }

    pub(super) fn topics(&self) -> Vec<Str> {
        self.config.streams.iter().map(|stream| stream.topic.clone()).collect()
    }

    /// What the shard published; `named` is the end of it by the group's commits.
    fn published(&self, partition: i32, named: i64) -> Result<Published, RunError> {
        let outputs = &self.config.outputs;
        let mut told = Told::new(named);
        let target = if is_off(Guard::ReadBackToTheNamedPosition) { 0 } else { named };
        let next = self.log.read_back(&outputs.current, partition, target, &mut |entry| {
            // The configured format may have changed since it was written.
            let format = entry.content_type.and_then(Format::of_content_type).unwrap_or(outputs.format);
            let exception = entry.value.map(|value| decode_exception(value, format)).transpose();
            told.take(entry.key.unwrap_or_default(), entry.offset, exception.map_err(|e| e.to_string())?);
            Ok(())
        })?;
        Ok(told.end(next))
    }
}

/// Up to which offset of `exceptions-current` n the commits say that the shard has published.
fn published_to(committed: &[Option<Committed>]) -> i64 {
    let notes = committed.iter().flatten().filter_map(|commit| commit.note.as_ref());
    notes.map(|note| note.current_next).max().unwrap_or(0)
}
