//! A batch: what is drained of the shards and the backlogs' sum, with the offsets that it follows from; and what becomes of
//! it.
//!
//! Between [`Pending::gather`] and [`Pending::committed`] nothing of it counts as published.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Instant;

use crate::domain::{Exception, Timestamp};
use crate::engine::Transition;
use crate::kafka::batch::Batch;
use crate::kafka::offsets::ShardOffsets;

use super::backlogs::{self, Backlogs};
use super::task::Task;
use super::wire::Wire;

/// What is gathered and not decided yet.
#[derive(Debug, Default)]
pub struct Pending {
    /// What is to be written.
    pub batch: Batch,
    shards: BTreeMap<i32, Drained>,
    of_backlogs: Vec<Transition>,
    /// Nobody but the shard's owner can write (`exactly_once`).
    is_fenced: bool,
}

/// What was drained of one shard.
#[derive(Debug)]
struct Drained {
    offsets: ShardOffsets,
    transitions: Vec<Transition>,
    records: Range<usize>,
    /// How many records go to `exceptions-current`.
    to_current: usize,
}

impl Drained {
    /// Whether somebody else wrote between our records, or before them; `next` is the offset after our last. Where there are
    /// transactions, their markers lie there.
    fn is_interrupted(&self, next: i64) -> bool {
        let expected = usize::try_from(next.saturating_sub(self.offsets.current_next));
        expected.is_ok_and(|expected| expected != self.to_current)
    }
}

/// When it is, and why a commit may be wanted although nothing is to be published.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Our clock.
    pub clock: Timestamp,
    /// The same, for what is measured and not told.
    pub monotonic: Instant,
    /// Every offset that moved is committed.
    pub force: bool,
}

impl Pending {
    /// Drains every live shard. `wants_commit`: shards whose offsets are wanted all the same, such as for a snapshot.
    pub fn gather<'a>(
        tasks: impl Iterator<Item = &'a mut Task>,
        owner_is_live: bool,
        backlogs: &mut Backlogs,
        wire: &Wire,
        moment: Moment,
        wants_commit: &dyn Fn(&Task) -> bool,
    ) -> Self {
        let mut pending = Pending::default();
        pending.batch.stamp = moment.clock;
        pending.is_fenced = wire.is_fenced;
        let records = &mut pending.batch.records;
        let of_backlogs = match owner_is_live {
            true => backlogs.drain(wire, moment.clock, records),
            false => backlogs::Drained::default(),
        };
        for task in tasks {
            let before = records.len();
            let transitions = task.drain(wire, moment.clock, records);
            let force = moment.force || wants_commit(task);
            // Who may say what the sum says is settled by the owner's offsets.
            let carries = of_backlogs.any && task.partition == backlogs::OWNER;
            let tells = task.wants_to_tell(moment.monotonic);
            if carries || tells || records.len() > before || task.wants_commit(force, moment.monotonic) {
                if task.has_to_tell() {
                    task.tell(wire, moment.monotonic, records);
                }
                let offsets = task.offsets();
                pending.batch.offsets.push(offsets.clone());
                let of_sum = if task.partition == backlogs::OWNER { of_backlogs.transitions.len() } else { 0 };
                let to_current = transitions.len() + task.repairs() + of_sum;
                let records = before..records.len();
                pending.shards.insert(task.partition, Drained { offsets, transitions, records, to_current });
            }
        }
        pending.of_backlogs = of_backlogs.transitions;
        pending
    }

    /// Whether there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.batch.offsets.is_empty()
    }

    /// Whose record of the batch that is; `None` for one of the backlogs' sum.
    pub fn shard_of(&self, record: usize) -> Option<i32> {
        self.shards.iter().find(|(_, drained)| drained.records.contains(&record)).map(|(shard, _)| *shard)
    }

    /// It stands. `current_next`: for each shard that wrote to `exceptions-current`, the offset after its last record
    /// there.
    pub fn committed<'a>(
        &self,
        tasks: impl Iterator<Item = &'a mut Task>,
        backlogs: &mut Backlogs,
        current_next: &BTreeMap<i32, i64>,
        monotonic: Instant,
    ) {
        for task in tasks {
            if let Some(drained) = self.shards.get(&task.partition) {
                let next = current_next.get(&task.partition).copied();
                task.news |= !drained.transitions.is_empty();
                task.committed(&drained.offsets, next, monotonic);
                self.watch(drained, next, task);
            }
        }
        backlogs.committed();
    }

    /// `at_least_once`: its records are in the log, its offsets are not committed.
    pub fn written<'a>(
        &self,
        tasks: impl Iterator<Item = &'a mut Task>,
        backlogs: &mut Backlogs,
        current_next: &BTreeMap<i32, i64>,
    ) {
        for task in tasks {
            if let Some(drained) = self.shards.get(&task.partition) {
                let next = current_next.get(&task.partition).copied();
                task.news = true;
                task.written(next);
                self.watch(drained, next, task);
            }
        }
        backlogs.committed();
    }

    fn watch(&self, drained: &Drained, next: Option<i64>, task: &mut Task) {
        if !self.is_fenced && next.is_some_and(|next| drained.is_interrupted(next)) {
            task.overheard.suspect();
        }
    }

    /// It does not stand: the facts do, and the difference is made again.
    pub fn aborted<'a>(self, tasks: impl Iterator<Item = &'a mut Task>, backlogs: &mut Backlogs) {
        for task in tasks.filter(|task| self.shards.contains_key(&task.partition)) {
            task.aborted();
        }
        backlogs.aborted();
    }

    /// `at_least_once`: it was to be written again, and the shards may go: what is in the log of it must be read back.
    pub fn given_up<'a>(self, tasks: impl Iterator<Item = &'a mut Task>, backlogs: &mut Backlogs) {
        tasks.filter(|task| self.shards.contains_key(&task.partition)).for_each(|task| task.uncertain = true);
        backlogs.aborted();
    }

    /// What is published from now on, where its records are in the log.
    pub fn published(self) -> impl Iterator<Item = Box<Exception>> {
        let of_shards = self.shards.into_values().flat_map(|drained| drained.transitions);
        of_shards.chain(self.of_backlogs).filter_map(|transition| match transition {
            Transition::Publish(exception) => Some(exception),
            Transition::Tombstone(_) => None,
        })
    }
}
