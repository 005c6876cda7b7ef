//! What holds now, by shard. The loop fills it; `/healthz`, `/readyz` and the gauges of `/metrics` are read from it, so
//! that a gauge is never added up over time and cannot drift, and a shard's series go when the shard does.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::{Kind, Severity, Status, Str, Timestamp};
use crate::engine::HeldCause;

/// The shared status of this process. Cheap to write: a beat is one atomic store, the rest one short lock.
#[derive(Debug)]
pub struct Health {
    made: Instant,
    beat_ms: AtomicU64,
    joined: AtomicBool,
    group_id: Str,
    state: Mutex<State>,
}

/// Everything behind the lock.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// The shards held here.
    pub shards: BTreeMap<i32, ShardStatus>,
    /// The policy document in force here: version and revision.
    pub policies: Option<(Str, Option<u64>)>,
    /// What an operator should read, by topic of the note.
    pub notes: BTreeMap<&'static str, String>,
}

/// What a shard is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum ShardState {
    /// Not all of its inputs are assigned here.
    #[default]
    Waiting,
    /// It is read back from its snapshot, its inputs and `exceptions-current`.
    Restoring,
    /// It judges.
    Running,
}

/// One shard, as operators see it.
#[derive(Clone, Debug, Default)]
pub struct ShardStatus {
    /// What it is doing.
    pub state: ShardState,
    /// Its frontier.
    pub frontier: Option<Timestamp>,
    /// Why the frontier stands still, where it does.
    pub held: Option<Held>,
    /// Each input partition.
    pub inputs: Vec<InputStatus>,
    /// Orders known and not closed.
    pub orders_open: u64,
    /// The same of each other entity, by its name.
    pub others_open: Vec<(Str, u64)>,
    /// The published set's standing exceptions, counted by label.
    pub open: Vec<OpenCount>,
    /// The queues that are summed here.
    pub backlogs: Vec<BacklogStatus>,
    /// The newest good snapshot.
    pub snapshot: Option<SnapshotStatus>,
    /// How far a restore has come, while there is one.
    pub restore: Option<RestoreStatus>,
    /// How long the last restore took.
    pub restore_took: Option<Duration>,
    /// What its facts may lack.
    pub incomplete: Option<Incomplete>,
}

/// A shard whose facts are not whole before an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incomplete {
    /// The instant.
    pub before: Timestamp,
    /// Why, and what follows, in words.
    pub note: String,
}

/// Why a frontier stands still.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The cause.
    pub cause: HeldCause,
    /// Which input and what to look at, in words.
    pub note: String,
}

/// One input partition of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputStatus {
    /// The topic.
    pub topic: Str,
    /// High watermark − position, in offsets; `None` until the watermark is known.
    pub lag_records: Option<i64>,
}

/// How many exceptions with these labels stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenCount {
    /// Family.
    pub kind: Kind,
    /// Policy id.
    pub policy: Str,
    /// Severity in force.
    pub severity: Severity,
    /// Owner in force.
    pub owner: Str,
    /// Route in force.
    pub route: Str,
    /// `at_risk`, `opened` or `escalated`.
    pub status: Status,
    /// How many.
    pub count: u64,
}

/// A queue at the last grid point judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BacklogStatus {
    /// Policy id.
    pub policy: Str,
    /// `region=EU&warehouse=BER-1`; empty without `group_by`.
    pub group: Str,
    /// Orders in it.
    pub depth: i64,
    /// When the oldest came in; `None` for an empty queue.
    pub oldest_since: Option<Timestamp>,
    /// The grid point.
    pub at: Timestamp,
}

/// A snapshot that was written or loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotStatus {
    /// When it was begun, by our clock.
    pub taken_at: Timestamp,
    /// Its size.
    pub bytes: u64,
    /// How long it took to take and write; `None` for one that was loaded.
    pub took: Option<Duration>,
}

/// How far a restore has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreStatus {
    /// `snapshot`, `inputs` or `published`.
    pub step: &'static str,
    /// Records or orders done in this step.
    pub done: u64,
    /// Of how many, where that is known.
    pub total: Option<u64>,
}

impl Health {
    /// A process that has not joined its group yet. It counts as beating from now.
    pub fn new(group_id: Str) -> Self {
        Health {
            made: Instant::now(),
            beat_ms: AtomicU64::new(0),
            joined: AtomicBool::new(false),
            group_id,
            state: Mutex::default(),
        }
    }

    /// The loop turned. Call it once a turn, also within a long restore.
    pub fn beat(&self) {
        let ms = u64::try_from(self.made.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.beat_ms.store(ms, Ordering::Relaxed);
    }

    /// For tests: made, and last beaten, so long ago.
    #[cfg(test)]
    pub(crate) fn made_before(group_id: Str, ago: Duration) -> Self {
        Health { made: Instant::now().checked_sub(ago).unwrap(), ..Health::new(group_id) }
    }

    /// Time since the last [`Health::beat`].
    pub fn loop_age(&self) -> Duration {
        self.made.elapsed().saturating_sub(Duration::from_millis(self.beat_ms.load(Ordering::Relaxed)))
    }

    /// Joined the consumer group (with or without shards), or left it.
    pub fn set_joined(&self, joined: bool) {
        self.joined.store(joined, Ordering::Relaxed);
    }

    /// True once joined.
    pub fn joined(&self) -> bool {
        self.joined.load(Ordering::Relaxed)
    }

    /// The consumer group.
    pub fn group_id(&self) -> &str {
        &self.group_id
    }

    /// Changes one shard's status, which is made where it is not known yet.
    pub fn update_shard(&self, shard: i32, change: impl FnOnce(&mut ShardStatus)) {
        change(self.lock().shards.entry(shard).or_default());
    }

    /// The shard is held elsewhere now: its series go.
    pub fn remove_shard(&self, shard: i32) {
        self.lock().shards.remove(&shard);
    }

    /// The policy document in force here.
    pub fn set_policies(&self, version: Str, revision: Option<u64>) {
        self.lock().policies = Some((version, revision));
    }

    /// Sets or clears a note in the body of /readyz; `topic` tells notes apart.
    pub fn set_note(&self, topic: &'static str, text: Option<String>) {
        let mut state = self.lock();
        match text {
            Some(text) => state.notes.insert(topic, text),
            None => state.notes.remove(topic),
        };
    }

    /// A copy of what holds now.
    pub fn snapshot(&self) -> State {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A status that was half written when its writer panicked is still a status.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ShardState {
    /// Every state.
    pub const ALL: [ShardState; 3] = [ShardState::Waiting, ShardState::Restoring, ShardState::Running];

    /// As /readyz and metrics spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            ShardState::Waiting => "waiting",
            ShardState::Restoring => "restoring",
            ShardState::Running => "running",
        }
    }
}
