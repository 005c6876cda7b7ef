//! One simulated orderwatch process: the live run's own shards, tasks, batches and recovery, on a broker of the mind.
//!
//! What the live loop does in one turn is cut into steps here, so that a crash, a rebalance or another process's step may
//! come between any two of them.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::codec::OutputRecord;
use crate::config::{Config, Delivery};
use crate::domain::{Millis, Str, Timestamp};
use crate::engine::clock::{Clock, Reading};
use crate::engine::{Ends, RestoredOrder, StoredOrder};
use crate::kafka::publisher::Act;
use crate::kafka::source::GroupChange;
use crate::kafka::{Fetched, InputPartition};
use crate::policy::Settings;
use crate::run::backlogs::Backlogs;
use crate::run::commit::{Moment, Pending};
use crate::run::group::Shards;
use crate::run::recovery::{Recovery, ShardJob};
use crate::run::snapshots::header;
use crate::run::wire::Wire;
use crate::snapshot::{PolicyDocument, SnapshotHeader};
use crate::telemetry::Health;

use super::broker::{Broker, Fate, Member, Record, Txn};
use super::rng::Rng;
use super::shelf::{Shelf, Snapshot};
use super::shop::TOPICS;
use super::truth::Batches;

/// Orders that a snapshot takes at a time.
const SLICE: usize = 3;

/// What all processes of a run share.
#[derive(Debug)]
pub struct Surroundings {
    pub broker: RefCell<Broker>,
    pub shelf: Shelf,
    pub config: Arc<Config>,
    pub settings: Arc<Settings>,
    pub batches: RefCell<Batches>,
    /// Any instant: what is measured from it depends on the world's time alone.
    pub base: Instant,
    pub began: i64,
}

/// A batch on its way.
#[derive(Debug)]
struct InFlight {
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

/// A snapshot that is being taken.
#[derive(Debug)]
struct Taking {
    header: SnapshotHeader,
    cursor: usize,
    orders: Vec<RestoredOrder>,
}

/// A question for the ends of the inputs.
#[derive(Debug)]
struct Question {
    asked: Reading,
    answer: Option<Vec<(InputPartition, Ends)>>,
}

/// What a step did to the process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stepped {
    Fine,
    /// It cannot go on, as a process ends whose producer was fenced.
    Fatal,
}

/// A process.
#[derive(Debug)]
pub struct Process {
    pub member: Member,
    pub generation: u64,
    /// What the coordinator has told it and it has not heard yet.
    pub inbox: VecDeque<(u64, GroupChange)>,
    /// How far its wall clock is from the world's.
    pub wall_offset: i64,
    /// Until then.
    pub wall_until: i64,
    shards: Shards,
    backlogs: Backlogs,
    wire: Wire,
    health: Health,
    clock: Clock,
    positions: BTreeMap<InputPartition, i64>,
    jobs: VecDeque<ShardJob>,
    question: Option<Question>,
    in_flight: Option<InFlight>,
    taking: BTreeMap<i32, Taking>,
}

impl Process {
    pub fn start(member: Member, around: &Surroundings) -> Self {
        let config = &around.config;
        let streams: Vec<Str> = config.streams.iter().map(|stream| stream.topic.clone()).collect();
        let now = around.broker.borrow().now;
        let outputs = &config.outputs;
        Process {
            member,
            generation: 0,
            inbox: VecDeque::new(),
            wall_offset: 0,
            wall_until: 0,
            shards: Shards::new(streams.len()),
            backlogs: Backlogs::new(Arc::clone(&around.settings), outputs.control.clone(), 1),
            wire: Wire::new(config, 1 << 20),
            health: Health::new(config.kafka.group_id.clone()),
            clock: Clock::start(Timestamp::from_millis(now), Millis::new(now)),
            positions: BTreeMap::new(),
            jobs: VecDeque::new(),
            question: None,
            in_flight: None,
            taking: BTreeMap::new(),
        }
    }

    fn reading(&mut self, around: &Surroundings) -> Reading {
        let now = around.broker.borrow().now;
        let offset = if now < self.wall_until { self.wall_offset } else { 0 };
        self.clock.read(Timestamp::from_millis(now + offset), Millis::new(now))
    }

    fn monotonic(around: &Surroundings) -> Instant {
        let since = around.broker.borrow().now - around.began;
        around.base + Duration::from_millis(since.unsigned_abs())
    }

    /// One step of the loop, at random. While a batch is on its way nothing else is done.
    pub fn step(&mut self, rng: &mut Rng, around: &Surroundings) -> Stepped {
        if self.in_flight.is_some() {
            return self.publish(rng, around);
        }
        // A loop hears of a rebalance before it works on; of a transaction the broker takes care, of nothing else.
        let heard_first = around.config.delivery == Delivery::AtLeastOnce && !self.inbox.is_empty();
        match if heard_first { 0 } else { rng.below(10) } {
            0 => self.follow(around),
            1 => self.restore(rng, around),
            2..4 => self.poll(rng, around),
            4 => self.ask(around),
            5 => self.sample(around),
            6 => self.take_answer(),
            7 => self.take_snapshots(rng, around),
            _ => self.work(rng, around),
        }
        Stepped::Fine
    }

    /// A whole turn of the loop, to its end. Tells whether anything was left to do.
    pub fn turn(&mut self, rng: &mut Rng, around: &Surroundings) -> Stepped {
        if self.end_batch(rng, around) == Stepped::Fatal {
            return Stepped::Fatal;
        }
        self.follow(around);
        self.restore(rng, around);
        for _ in 0..8 {
            self.poll(rng, around);
        }
        self.ask(around);
        self.sample(around);
        self.take_answer();
        self.work(rng, around);
        Stepped::Fine
    }

    /// Takes the batch that is on its way to its end.
    pub fn end_batch(&mut self, rng: &mut Rng, around: &Surroundings) -> Stepped {
        while self.in_flight.is_some() {
            if self.publish(rng, around) == Stepped::Fatal {
                return Stepped::Fatal;
            }
        }
        Stepped::Fine
    }

    /// Hears what the coordinator says.
    pub fn follow(&mut self, around: &Surroundings) {
        let Some((generation, change)) = self.inbox.pop_front() else { return };
        self.generation = generation;
        if let GroupChange::Revoked { inputs, .. } = &change {
            self.positions.retain(|input, _| !inputs.contains(input));
        }
        let changed = self.shards.change(change, &self.health, Self::monotonic(around));
        self.jobs.extend(changed.restore);
        changed.gone.iter().for_each(|partition| drop(self.taking.remove(partition)));
    }

    fn restore(&mut self, rng: &mut Rng, around: &Surroundings) {
        around.shelf.may_lag(rng.chance(20));
        if let Some(job) = self.jobs.front() {
            let recovery = Recovery {
                config: &around.config,
                settings: &around.settings,
                started: Timestamp::from_millis(around.began),
                now: Timestamp::from_millis(around.broker.borrow().now),
                log: &around.broker,
                shelf: &around.shelf,
            };
            // What is not decided yet is asked again later.
            if let Ok(recovered) = recovery.shard(job, Self::monotonic(around)) {
                let (partition, epoch) = (job.partition, job.epoch);
                self.jobs.pop_front();
                let clock = self.reading(around).now();
                if self.shards.restored(partition, epoch, recovered, &self.wire, clock, &self.health) {
                    self.taking.remove(&partition);
                }
            }
        }
        for task in self.shards.tasks_mut().filter(|task| !task.started && !task.is_parked()) {
            self.positions.extend(task.positions());
            task.started = true;
        }
    }

    fn poll(&mut self, rng: &mut Rng, around: &Surroundings) {
        let inputs: Vec<InputPartition> = self.positions.keys().copied().collect();
        let Some(input) = rng.pick(&inputs).copied() else { return };
        let broker = around.broker.borrow();
        let (topic, position) = (TOPICS[usize::from(input.stream.0)], self.positions[&input]);
        let max = 1 + rng.below(6);
        let (entries, position) = broker.fetch(topic, input.partition, position, max);
        let Some(task) = self.shards.task_mut(input.partition).filter(|task| task.started) else { return };
        for entry in entries {
            let Some(record) = &entry.record else { continue };
            let fetched = Fetched::bare(input, entry.offset, Some(Timestamp::from_millis(record.time)));
            task.lanes.push(fetched.with_value(&record.key, record.value.as_deref()));
        }
        self.positions.insert(input, position);
    }

    fn pass_markers(&mut self) {
        for (input, position) in &self.positions {
            if let Some(task) = self.shards.task_mut(input.partition) {
                task.moved(input.stream, *position);
            }
        }
    }

    fn ask(&mut self, around: &Surroundings) {
        if self.question.is_none() {
            self.pass_markers();
            self.question = Some(Question { asked: self.reading(around), answer: None });
        }
    }

    /// The broker looks at its logs some time after it was asked.
    fn sample(&mut self, around: &Surroundings) {
        let Some(question) = self.question.as_mut().filter(|question| question.answer.is_none()) else { return };
        let broker = around.broker.borrow();
        let ends = |input: &InputPartition| {
            let log = broker.log(TOPICS[usize::from(input.stream.0)], input.partition);
            (*input, Ends { high: log.high(), stable: log.stable() })
        };
        question.answer = Some(self.positions.keys().map(ends).collect());
    }

    fn take_answer(&mut self) {
        let Some(Question { asked, answer: Some(ends) }) = self.question.take_if(|q| q.answer.is_some()) else {
            return;
        };
        self.pass_markers();
        for (input, ends) in ends {
            if let Some(task) = self.shards.task_mut(input.partition).filter(|task| task.started) {
                task.frontier.ends(input.stream, ends, asked.evidence());
            }
        }
    }

    /// Applies what is buffered, moves the frontiers, and begins a batch where something is to be committed.
    fn work(&mut self, rng: &mut Rng, around: &Surroundings) {
        let (clock, monotonic) = (self.reading(around).now(), Self::monotonic(around));
        for task in self.shards.tasks_mut().filter(|task| task.started) {
            task.take_batch(&self.wire, clock);
            task.advance(monotonic);
        }
        let wants_snapshot = rng.chance(10) || !self.taking.is_empty();
        let moment = Moment { clock, monotonic, force: wants_snapshot };
        let tasks = self.shards.tasks_mut();
        let pending = Pending::gather(tasks, false, &mut self.backlogs, &self.wire, moment, &|_| false);
        if pending.is_empty() {
            if wants_snapshot {
                self.begin_snapshots(clock, around);
            }
            return;
        }
        let number = around.batches.borrow_mut().begin(self.member, pending.batch.offsets.clone());
        let exactly_once = around.config.delivery == Delivery::ExactlyOnce;
        let txn = exactly_once.then(|| around.broker.borrow_mut().begin(Some(self.member)));
        self.in_flight = Some(InFlight::new(pending, number, txn));
    }

    /// One step of a batch's way.
    fn publish(&mut self, rng: &mut Rng, around: &Surroundings) -> Stepped {
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
                _ => drop(batch.pending.written(tasks, &mut self.backlogs, &batch.current_next)),
            }
        } else if batch.acts.is_empty() {
            let monotonic = Self::monotonic(around);
            batch.pending.committed(tasks, &mut self.backlogs, &batch.current_next, monotonic);
        } else {
            self.in_flight = Some(batch);
        }
        Stepped::Fine
    }

    fn begin_snapshots(&mut self, clock: Timestamp, around: &Surroundings) {
        for task in self.shards.tasks_mut().filter(|task| task.is_live() && task.is_settled()) {
            if self.taking.contains_key(&task.partition) {
                continue;
            }
            let header = header(task, &around.config, "sim", &PolicyDocument::default(), clock);
            task.shard.begin_copy();
            self.taking.insert(task.partition, Taking { header, cursor: 0, orders: Vec::new() });
        }
    }

    /// Takes a slice of one snapshot while the shard goes on, and puts it on the shelf once it is whole.
    fn take_snapshots(&mut self, rng: &mut Rng, around: &Surroundings) {
        let partitions: Vec<i32> = self.taking.keys().copied().collect();
        let Some(partition) = rng.pick(&partitions) else { return };
        let Some(mut taking) = self.taking.remove(partition) else { return };
        let Some(task) = self.shards.task_mut(*partition) else { return };
        if taking.cursor == usize::MAX {
            // Copied; it is whole once the group has committed all that was read meanwhile.
            match task.is_settled() {
                true => {
                    task.shard.end_copy();
                    around.shelf.put(Snapshot { header: taking.header, orders: taking.orders });
                }
                false => drop(self.taking.insert(*partition, taking)),
            }
            return;
        }
        let next = task.shard.visit_orders(taking.cursor, SLICE, &mut |order| {
            taking.orders.push(match order {
                StoredOrder::Open { events, .. } => RestoredOrder::Open(events.to_vec()),
                StoredOrder::Tombstone { order_id, closed_at } => {
                    RestoredOrder::Tombstone { order_id: Str::new(order_id), closed_at }
                }
            });
        });
        taking.cursor = next.unwrap_or(usize::MAX);
        self.taking.insert(*partition, taking);
    }

    pub fn is_publishing(&self) -> bool {
        self.in_flight.is_some()
    }

    /// Where it reads an input, if it does.
    pub fn position(&self, input: InputPartition) -> Option<i64> {
        self.positions.get(&input).copied()
    }

    /// The frontiers of its live shards.
    pub fn frontiers(&self) -> BTreeMap<i32, Timestamp> {
        let live = self.shards.tasks().filter(|task| task.is_live());
        live.filter_map(|task| Some((task.partition, task.frontier.reached()?))).collect()
    }

    /// Whether nothing waits to be read, judged or committed. Asks for the ends anew, so `false` may be said once too often.
    pub fn is_idle(&self) -> bool {
        self.in_flight.is_none()
            && self.inbox.is_empty()
            && self.jobs.is_empty()
            && self.shards.tasks().all(|task| {
                task.is_live() && task.lanes.all_empty() && task.frontier.held().is_none() && task.is_settled()
            })
    }
}

impl InFlight {
    fn new(pending: Pending, number: usize, txn: Option<Txn>) -> Self {
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
