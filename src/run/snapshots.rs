//! When a shard is written out, and what its snapshot says of itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::domain::{Str, Timestamp};
use crate::snapshot::{PolicyDocument, SnapshotHeader, SnapshotInput, SnapshotWriter};
use crate::telemetry::Health;

use super::task::Task;

/// A shard in which nothing was read since the last one is written all the same after this long, so that an alert on a
/// snapshot's age means what it says.
const IDLE_MAX: Duration = Duration::from_secs(300);

/// Takes the shards' snapshots.
#[derive(Debug)]
pub struct Snapshots {
    writer: SnapshotWriter,
    config: Arc<Config>,
    cluster_id: String,
    policies: PolicyDocument,
    every: Duration,
    taken: BTreeMap<i32, Taken>,
}

#[derive(Debug)]
struct Taken {
    begun: Instant,
    positions: Vec<i64>,
}

impl Snapshots {
    /// None taken yet.
    pub fn new(writer: SnapshotWriter, config: Arc<Config>, cluster_id: String, policies: PolicyDocument) -> Self {
        let every = Duration::from_millis(u64::try_from(config.snapshots.every.get()).unwrap_or(30_000));
        Snapshots { writer, config, cluster_id, policies, every, taken: BTreeMap::new() }
    }

    /// Whether a snapshot of the shard is due: its offsets are then to be committed first, for it is taken where every
    /// record below its offsets has had its effect in the log.
    pub fn is_due(&self, task: &Task) -> bool {
        if !task.is_live() || self.writer.is_under_way(task.partition) {
            return false;
        }
        match self.taken.get(&task.partition) {
            // Shards that came together are not all written at once.
            None => true,
            Some(taken) => {
                let moved = taken.positions != positions(task);
                taken.begun.elapsed() >= if moved { self.every } else { self.every.max(IDLE_MAX) }
            }
        }
    }

    /// Whether a snapshot of the shard is copied and waits for a commit of all that was read meanwhile.
    pub fn waits_for_a_commit(&self, task: &Task) -> bool {
        self.writer.waits_for_a_commit(task.partition)
    }

    /// A shard came: its first snapshot is due in a while, a different one for each.
    pub fn came(&mut self, task: &Task) {
        let fraction = f64::from(task.partition.rem_euclid(16)) / 16.0;
        let begun = Instant::now().checked_sub(self.every.mul_f64(fraction)).unwrap_or_else(Instant::now);
        self.taken.entry(task.partition).or_insert(Taken { begun, positions: Vec::new() });
    }

    /// A shard went.
    pub fn went(&mut self, partition: i32) {
        self.writer.cancel(partition);
        self.taken.remove(&partition);
    }

    /// Begins one. Every offset of the task stands committed.
    pub fn begin(&mut self, task: &mut Task, clock: Timestamp) {
        let header = header(task, &self.config, &self.cluster_id, &self.policies, clock);
        if self.writer.begin(header) {
            task.shard.begin_copy();
            self.taken.insert(task.partition, Taken { begun: Instant::now(), positions: positions(task) });
        }
    }

    /// Hands over a slice of each shard that is being written, and notes what has ended. True where something was handed
    /// over: more may follow at once.
    pub fn turn<'a>(&mut self, tasks: impl Iterator<Item = &'a mut Task>, health: &Health) -> bool {
        let mut fed = false;
        for task in tasks {
            let is_settled = task.is_settled();
            fed |= self.writer.feed(&mut task.shard, is_settled);
            if !self.writer.is_copying(task.partition) {
                task.shard.end_copy();
            }
        }
        self.note(health);
        fed
    }

    fn note(&mut self, health: &Health) {
        for outcome in self.writer.poll() {
            match outcome.result {
                Ok(status) => health.update_shard(outcome.shard, |shard| shard.snapshot = Some(status)),
                // What it held is in no snapshot: the next is due in `every`, not when an idle shard's would be.
                Err(_) => {
                    self.taken.entry(outcome.shard).and_modify(|taken| taken.positions.clear());
                }
            }
        }
    }

    /// Writes out every shard that has moved since its last snapshot, until `deadline`. True where all of it was done.
    pub fn finish(&mut self, tasks: &mut [&mut Task], clock: Timestamp, deadline: Instant, turn: impl FnMut()) -> bool {
        for task in tasks.iter_mut().filter(|task| task.is_live() && task.is_settled()) {
            let unchanged = self.taken.get(&task.partition).is_some_and(|taken| taken.positions == positions(task));
            if !unchanged && !self.writer.is_under_way(task.partition) {
                self.begin(task, clock);
            }
        }
        let shards = tasks.iter_mut().map(|task| {
            let is_settled = task.is_settled();
            (&mut task.shard, is_settled)
        });
        let mut shards: Vec<_> = shards.collect();
        let outcomes = self.writer.finish(&mut shards, deadline, turn);
        let failed = outcomes.iter().any(|outcome| outcome.result.is_err());
        !failed && tasks.iter().all(|task| !self.writer.is_under_way(task.partition))
    }
}

/// What a snapshot that is begun now says of itself.
pub fn header(
    task: &Task,
    config: &Config,
    cluster_id: &str,
    policies: &PolicyDocument,
    clock: Timestamp,
) -> SnapshotHeader {
    let inputs = task.streams().zip(&config.streams).map(|(stream, declared)| SnapshotInput {
        topic: declared.topic.clone(),
        entity: declared.entity.name().clone(),
        next_offset: task.frontier.position(stream).unwrap_or(0),
        effective_max: task.frontier.effective(stream).maximum(),
    });
    SnapshotHeader {
        shard: task.partition,
        cluster_id: cluster_id.to_owned(),
        group_id: config.kafka.group_id.clone(),
        inputs: inputs.collect(),
        frontier: task.frontier.reached(),
        complete_since: task.shard.complete_since(),
        policies: policies.clone(),
        taken_at: clock,
        written_by: SnapshotHeader::VERSION.to_owned(),
    }
}

fn positions(task: &Task) -> Vec<i64> {
    task.positions().into_iter().map(|(_, position)| position).collect()
}

/// The policy document as it was read, where its file still holds it.
pub fn document(config: &Config) -> PolicyDocument {
    let version: Str = config.policies.version.clone();
    let text = std::fs::read_to_string(&config.policies_path).unwrap_or_default();
    PolicyDocument { text, version, revision: config.policies.revision }
}
