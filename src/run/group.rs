//! Shards coming and going: the assignment, who is restored, who waits in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::domain::{StreamId, Timestamp};
use crate::engine::HeldCause;
use crate::kafka::InputPartition;
use crate::kafka::source::GroupChange;
use crate::telemetry::events::{GroupJoined, RestoreStarted, ShardsAssigned, ShardsRevoked, SpareMember};
use crate::telemetry::{Health, Held, ShardState, emit};

use super::recovery::{Recovered, ShardJob};
use super::task::{Phase, Task};
use super::wire::Wire;

/// A revoked shard's state stays in memory for so long, where no new assignment says whose it is.
const PARKED_MAX: Duration = Duration::from_secs(120);

/// What people read of a shard that was revoked.
const NOT_ASSIGNED: &str = "the group has taken it back, or does not answer";

/// What people read of a member without shards.
const SPARE: &str =
    "this member holds no shard: the others of its group hold them all, and it takes over when one goes";

/// A shard of which partitions are assigned here.
#[derive(Debug)]
enum Slot {
    /// Not all of its inputs are: members subscribe to unlike topics, and it waits.
    Waiting,
    /// It is being read back; `kept` is its state from before a rebalance.
    Restoring { epoch: u64, kept: Option<Box<Task>> },
    /// It is here, or was until a moment ago.
    Held(Box<Task>),
}

/// What follows from a change of the assignment.
#[derive(Debug, Default)]
pub struct Changed {
    /// To be read back.
    pub restore: Vec<ShardJob>,
    /// Shards that went.
    pub gone: Vec<i32>,
}

/// The shards of this process.
#[derive(Debug)]
pub struct Shards {
    streams: usize,
    slots: BTreeMap<i32, Slot>,
    assigned: BTreeSet<InputPartition>,
    epoch: u64,
    /// The last assignment was empty.
    spare: bool,
}

impl Shards {
    /// None yet, of so many streams.
    pub fn new(streams: usize) -> Self {
        Shards { streams, slots: BTreeMap::new(), assigned: BTreeSet::new(), epoch: 0, spare: false }
    }

    /// The shards whose state is here.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> + Clone {
        self.slots.values().filter_map(|slot| match slot {
            Slot::Held(task) => Some(&**task),
            _ => None,
        })
    }

    /// The same, to be changed.
    pub fn tasks_mut(&mut self) -> impl Iterator<Item = &mut Task> {
        self.slots.values_mut().filter_map(|slot| match slot {
            Slot::Held(task) => Some(&mut **task),
            _ => None,
        })
    }

    /// One of them.
    pub fn task_mut(&mut self, partition: i32) -> Option<&mut Task> {
        match self.slots.get_mut(&partition)? {
            Slot::Held(task) => Some(task),
            _ => None,
        }
    }

    /// Gives a shard away for a moment.
    pub fn lend(&mut self, partition: i32) -> Option<Box<Task>> {
        match self.slots.remove(&partition)? {
            Slot::Held(task) => Some(task),
            other => {
                self.slots.insert(partition, other);
                None
            }
        }
    }

    /// Takes one back that was lent.
    pub fn take_back(&mut self, task: Box<Task>) {
        self.slots.insert(task.partition, Slot::Held(task));
    }

    /// Whether shards are being read back.
    pub fn restoring(&self) -> bool {
        self.slots.values().any(|slot| matches!(slot, Slot::Restoring { .. }))
    }

    /// Whether every shard that is here judges.
    pub fn all_live(&self) -> bool {
        self.slots.values().all(|slot| matches!(slot, Slot::Held(task) if task.is_live()))
    }

    /// The group's coordinator gave or took partitions.
    pub fn change(&mut self, change: GroupChange, health: &Health, monotonic: Instant) -> Changed {
        match change {
            GroupChange::Assigned(inputs) => self.assign(&inputs, health),
            GroupChange::Revoked { inputs, lost } => {
                self.revoke(&inputs, lost, health, monotonic);
                Changed::default()
            }
        }
    }

    fn assign(&mut self, inputs: &[InputPartition], health: &Health) -> Changed {
        let mut changed = Changed::default();
        self.assigned.extend(inputs);
        let came: BTreeSet<i32> = inputs.iter().map(|input| input.partition).collect();
        emit(ShardsAssigned { shards: &came.iter().copied().collect::<Vec<_>>() });
        if !health.joined() {
            emit(GroupJoined { group_id: health.group_id() });
            health.set_joined(true);
        }
        self.note_spare(health);
        for partition in came {
            if !self.is_whole(partition) {
                self.slots.insert(partition, Slot::Waiting);
                health.update_shard(partition, |status| status.state = ShardState::Waiting);
                continue;
            }
            let kept = match self.slots.remove(&partition) {
                Some(Slot::Held(task)) if matches!(task.phase, Phase::Parked { .. }) => Some(task),
                _ => None,
            };
            self.epoch += 1;
            let known = kept.as_ref().map(|task| task.commits.standing().to_vec());
            changed.restore.push(ShardJob { partition, epoch: self.epoch, known });
            health.update_shard(partition, |status| status.state = ShardState::Restoring);
            self.slots.insert(partition, Slot::Restoring { epoch: self.epoch, kept });
        }
        // Now it is known who has the others.
        changed.gone = self.slots.keys().copied().filter(|partition| !self.is_touched(*partition)).collect();
        changed.gone.iter().for_each(|partition| self.forget(*partition, health));
        changed
    }

    /// More members than partitions: one that holds nothing is well, and says why it does nothing.
    fn note_spare(&mut self, health: &Health) {
        let spare = self.assigned.is_empty();
        if spare && !self.spare {
            emit(SpareMember { note: SPARE });
        }
        self.spare = spare;
        health.set_note("spare", spare.then(|| SPARE.to_owned()));
    }

    fn revoke(&mut self, inputs: &[InputPartition], lost: bool, health: &Health, monotonic: Instant) {
        self.assigned.retain(|input| !inputs.contains(input));
        let went: BTreeSet<i32> = inputs.iter().map(|input| input.partition).collect();
        emit(ShardsRevoked { shards: &went.iter().copied().collect::<Vec<_>>(), lost });
        for partition in went {
            match self.slots.get_mut(&partition) {
                // What is half restored is worth nothing to anybody.
                Some(Slot::Held(task)) if task.replayed().is_none() && !task.uncertain => {
                    task.park(monotonic);
                    // Until it is known who has it next, it stands still here, and is seen to.
                    health.update_shard(partition, |status| {
                        status.state = ShardState::Waiting;
                        status.held = Some(Held { cause: HeldCause::NotAssigned, note: NOT_ASSIGNED.to_owned() });
                    });
                }
                _ => self.forget(partition, health),
            }
        }
    }

    /// Drops what has waited in memory for too long. Gives the shards that went.
    pub fn drop_stale(&mut self, health: &Health, monotonic: Instant) -> Vec<i32> {
        let for_long = |since| monotonic.saturating_duration_since(since) > PARKED_MAX;
        let stale = |slot: &Slot| matches!(slot, Slot::Held(task) if matches!(task.phase, Phase::Parked { since } if for_long(since)));
        let gone: Vec<i32> =
            self.slots.iter().filter(|(_, slot)| stale(slot)).map(|(partition, _)| *partition).collect();
        gone.iter().for_each(|partition| self.forget(*partition, health));
        gone
    }

    fn forget(&mut self, partition: i32, health: &Health) {
        self.slots.remove(&partition);
        health.remove_shard(partition);
    }

    fn is_whole(&self, partition: i32) -> bool {
        self.inputs(partition).all(|input| self.assigned.contains(&input))
    }

    fn is_touched(&self, partition: i32) -> bool {
        self.inputs(partition).any(|input| self.assigned.contains(&input))
    }

    fn inputs(&self, partition: i32) -> impl Iterator<Item = InputPartition> + use<> {
        (0..u16::try_from(self.streams).unwrap_or(u16::MAX))
            .map(move |stream| InputPartition { stream: StreamId(stream), partition })
    }

    /// Takes a shard that was read back, unless it went meanwhile. True where it
    /// is another state than the one that was here: what was begun of that one, such as a snapshot, is worth nothing.
    #[must_use]
    pub fn restored(
        &mut self,
        partition: i32,
        epoch: u64,
        recovered: Recovered,
        wire: &Wire,
        clock: Timestamp,
        health: &Health,
    ) -> bool {
        let Some(Slot::Restoring { epoch: wanted, kept }) = self.slots.get_mut(&partition) else { return false };
        if *wanted != epoch {
            return false;
        }
        let (task, is_another) = match (recovered, kept.take()) {
            (Recovered::StillOurs, Some(mut task)) => {
                task.unpark();
                (task, false)
            }
            (Recovered::Anew(restored), _) => {
                emit(RestoreStarted { shard: partition, snapshot: restored.snapshot.map(|s| s.taken_at) });
                health.update_shard(partition, |status| status.snapshot = restored.snapshot);
                restored.inputs.completeness.say(partition, health);
                (Box::new(Task::restored(*restored, epoch, &wire.process, (!wire.is_fenced).then_some(clock))), true)
            }
            // It does not come for a shard without a state in memory.
            (Recovered::StillOurs, None) => return false,
        };
        self.slots.insert(partition, Slot::Held(task));
        is_another
    }
}

/// How long a shard that was just assigned takes until librdkafka lets it seek; it is asked again then.
pub const SEEK_AGAIN: Duration = Duration::from_millis(5);

/// When something was done last, for what is done now and then.
#[derive(Debug)]
pub struct Beat {
    last: Option<Instant>,
    every: Duration,
}

impl Beat {
    /// Due at once, and then every so often.
    pub const fn every(every: Duration) -> Self {
        Beat { last: None, every }
    }

    /// True where it is due, which is then noted.
    pub fn is_due(&mut self) -> bool {
        let due = self.last.is_none_or(|last| last.elapsed() >= self.every);
        if due {
            self.last = Some(Instant::now());
        }
        due
    }
}
