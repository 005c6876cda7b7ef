//! A batch on its way: its records, its offsets and its commit, step by step, so that anything may come between.

use std::collections::{BTreeMap, VecDeque};

use crate::codec::OutputRecord;
use crate::kafka::batch::Act;
use crate::run::commit::Pending;

use super::broker::{Fate, Member, Record, Txn};
use super::process::{Process, Stepped, Surroundings};
use super::rng::Rng;
use super::shop::TOPICS;

/// A batch on its way.
#[derive(Debug)]
pub struct InFlight {
    pending: Pending,
    number: usize,
    txn: Option<Txn>,
    acts: VecDeque<Phase>,
    current_next: BTreeMap<i32, i64>,
    to_write: VecDeque<OutputRecord>,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Act(Act),
    Commit,
}

impl Process {
    /// Takes the batch that is on its way to its end.
    pub fn end_batch(&mut self, rng: &mut Rng, around: &Surroundings) -> Stepped {
        while self.in_flight.is_some() {
            if self.publish(rng, around) == Stepped::Fatal {
                return Stepped::Fatal;
            }
        }
        Stepped::Fine
    }

    /// One step of a batch's way.
    pub fn publish(&mut self, rng: &mut Rng, around: &Surroundings) -> Stepped {
        let Some(mut batch) = self.in_flight.take() else { return Stepped::Fine };
        let went_well = match batch.acts.front() {
            Some(Phase::Act(act @ (Act::ProduceCurrent | Act::ProduceOthers))) => {
                let current = &around.config.outputs.current;
                let of_act = batch.to_write.iter().position(|record| act.writes(&record.topic, current));
                if let Some(record) = of_act.and_then(|place| batch.to_write.remove(place)) {
                    // Now and then the broker takes a batch and its answer is lost.
                    let written = batch.write(record, around) && !rng.chance(1);
                    return self.go_on(batch, written, around);
                }
                true
            }
            Some(Phase::Act(Act::CommitOffsets)) => {
                let taken = batch.commit_offsets(self.member, self.generation, around);
                if taken && batch.txn.is_none() {
                    around.batches.borrow_mut().commit(batch.number);
                }
                taken
            }
            Some(Phase::Commit) => {
                if rng.chance(3) {
                    false
                } else if batch.txn.is_some_and(|txn| around.broker.borrow_mut().end(txn, Fate::Committed)) {
                    around.batches.borrow_mut().commit(batch.number);
                    true
                } else {
                    return Stepped::Fatal;
                }
            }
            None => true,
        };
        if went_well {
            batch.acts.pop_front();
        }
        self.go_on(batch, went_well, around)
    }

    fn go_on(&mut self, batch: InFlight, went_well: bool, around: &Surroundings) -> Stepped {
        let tasks = self.shards.tasks_mut();
        if !went_well {
            match (batch.txn, batch.acts.front()) {
                (Some(txn), _) => {
                    around.broker.borrow_mut().end(txn, Fate::Aborted);
                    batch.pending.aborted(tasks, &mut self.backlogs);
                }
                (None, Some(Phase::Act(Act::ProduceCurrent | Act::ProduceOthers))) => {
                    // The same batch once more.
                    self.in_flight = Some(InFlight::new(batch.pending, batch.number, None));
                }
                _ => batch.pending.written(tasks, &mut self.backlogs, &batch.current_next),
            }
        } else if batch.acts.is_empty() {
            let monotonic = Self::monotonic(around);
            batch.pending.committed(tasks, &mut self.backlogs, &batch.current_next, monotonic);
        } else {
            self.in_flight = Some(batch);
        }
        Stepped::Fine
    }
}

impl InFlight {
    pub fn new(pending: Pending, number: usize, txn: Option<Txn>) -> Self {
        let acts = match txn {
            Some(_) => vec![
                Phase::Act(Act::ProduceCurrent),
                Phase::Act(Act::ProduceOthers),
                Phase::Act(Act::CommitOffsets),
                Phase::Commit,
            ],
            None => Act::at_least_once().into_iter().map(Phase::Act).collect(),
        };
        let to_write = pending.batch.records.iter().cloned().collect();
        InFlight { pending, number, txn, acts: acts.into(), current_next: BTreeMap::new(), to_write }
    }

    fn write(&mut self, output: OutputRecord, around: &Surroundings) -> bool {
        let mut broker = around.broker.borrow_mut();
        let partition = output.partition.unwrap_or(0);
        let record = Record {
            time: broker.now,
            key: output.key.map(Into::into).unwrap_or_default(),
            value: output.value.map(Into::into),
            tag: self.number,
        };
        let Some(offset) = broker.append(&output.topic, partition, self.txn, record) else { return false };
        if output.topic == around.config.outputs.current {
            self.current_next.insert(partition, offset + 1);
        }
        true
    }

    fn commit_offsets(&self, member: Member, generation: u64, around: &Surroundings) -> bool {
        let offsets = self.pending.batch.offsets.iter().flat_map(|shard| {
            let next = self.current_next.get(&shard.partition).copied().unwrap_or(shard.current_next);
            let commits = shard.commits(next).map(|(stream, commit)| {
                let topic = TOPICS[usize::from(stream.0)].to_owned();
                (topic, shard.partition, commit.offset, commit.note.expect("ours have one"))
            });
            commits.collect::<Vec<_>>()
        });
        around.broker.borrow_mut().take_offsets(member, generation, self.txn, offsets)
    }
}
