//! One simulated orderwatch process: the live run's own shards, tasks, batches and recovery, on a broker of the mind.
//!
//! What the live loop does in one turn is cut into steps here, so that a crash, a rebalance or another process's step may
//! come between any two of them.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::{Config, Delivery};
use crate::domain::{Millis, Str, Timestamp};
use crate::engine::Ends;
use crate::engine::clock::{Clock, Reading};
use crate::kafka::source::GroupChange;
use crate::kafka::{Fetched, InputPartition};
use crate::policy::{Policies, Settings};
use crate::run::RunError;
use crate::run::backlogs::Backlogs;
use crate::run::commit::{Moment, Pending};
use crate::run::group::Shards;
use crate::run::recovery::{Recovered, Recovery, ShardJob};
use crate::run::task::Taken;
use crate::run::wire::Wire;
use crate::telemetry::Health;

use super::batch::InFlight;
use super::broker::{Broker, Member};
use super::copy::Taking;
use super::eras::{self, Eras};
use super::log::Batches;
use super::policies::Documents;
use super::rng::Rng;
use super::shelf::Shelf;
use super::shop::TOPICS;

/// What all processes of a run share.
#[derive(Debug)]
pub struct Surroundings {
    pub broker: RefCell<Broker>,
    pub shelf: Shelf,
    pub config: Arc<Config>,
    pub settings: Arc<Settings>,
    pub batches: RefCell<Batches>,
    /// The policy documents that there are.
    pub documents: Documents,
    /// What went wrong where nobody could say so.
    pub wrong: RefCell<Vec<String>>,
    /// Any instant: what is measured from it depends on the world's time alone.
    pub base: Instant,
    pub began: i64,
}

impl Surroundings {
    /// Whether there are several policy documents.
    pub fn is_edited(&self) -> bool {
        self.documents.len() > 1
    }
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
    pub shards: Shards,
    pub backlogs: Backlogs,
    /// With the policy document that it found in force, or put there.
    pub config: Arc<Config>,
    wire: Wire,
    health: Health,
    clock: Clock,
    positions: BTreeMap<InputPartition, i64>,
    jobs: VecDeque<ShardJob>,
    question: Option<Question>,
    pub in_flight: Option<InFlight>,
    pub taking: BTreeMap<i32, Taking>,
    /// By what each of its shards is judged, since when.
    eras: BTreeMap<i32, Eras>,
}

impl Process {
    /// `policies`: what it goes by, once it has looked at what is in force.
    pub fn start(member: Member, policies: Arc<Policies>, around: &Surroundings) -> Self {
        let config = &Arc::new(Config { policies, ..(*around.config).clone() });
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
            config: Arc::clone(config),
            wire: Wire::new(config, 1 << 20),
            health: Health::new(config.kafka.group_id.clone()),
            clock: Clock::start(Timestamp::from_millis(now), Millis::new(now)),
            positions: BTreeMap::new(),
            jobs: VecDeque::new(),
            question: None,
            in_flight: None,
            taking: BTreeMap::new(),
            eras: BTreeMap::new(),
        }
    }

    fn reading(&mut self, around: &Surroundings) -> Reading {
        let now = around.broker.borrow().now;
        let offset = if now < self.wall_until { self.wall_offset } else { 0 };
        self.clock.read(Timestamp::from_millis(now + offset), Millis::new(now))
    }

    pub fn monotonic(around: &Surroundings) -> Instant {
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
                config: &self.config,
                settings: &around.settings,
                started: Timestamp::from_millis(around.began),
                now: Timestamp::from_millis(around.broker.borrow().now),
                log: &around.broker,
                shelf: &around.shelf,
            };
            let recovered = recovery.shard(job, Self::monotonic(around));
            if let Err(wrong @ RunError::Policies(_)) = &recovered {
                around.wrong.borrow_mut().push(wrong.to_string());
            }
            // What is not decided yet is asked again later.
            if let Ok(recovered) = recovered {
                let (partition, epoch) = (job.partition, job.epoch);
                self.jobs.pop_front();
                let clock = self.reading(around).now();
                if let Recovered::Anew(restored) = &recovered {
                    let eras =
                        eras::of(restored, around).inspect_err(|wrong| around.wrong.borrow_mut().push(wrong.clone()));
                    self.eras.insert(partition, eras.unwrap_or_default());
                }
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
            let taken = task.take_batch(&self.wire, clock);
            if taken == Taken::Waits || rng.chance(70) {
                task.advance(monotonic);
            }
        }
        // Far behind, a loop reads on for some turns before it judges; what it says then, it says at once.
        if rng.chance(20) && !self.shards.tasks().any(|task| task.says(monotonic)) {
            return;
        }
        self.shards.tasks_mut().filter(|task| task.started).for_each(|task| task.advance(monotonic));
        let wants_snapshot = rng.chance(10) || !self.taking.is_empty();
        let moment = Moment { clock, monotonic, force: wants_snapshot };
        let tasks = self.shards.tasks_mut();
        let pending = Pending::gather(tasks, false, &mut self.backlogs, &self.wire, moment, &|_| false);
        if pending.is_empty() {
            if wants_snapshot {
                self.begin_snapshots(clock);
            }
            return;
        }
        let number = around.batches.borrow_mut().begin(self.member, pending.batch.offsets.clone(), &self.eras);
        let exactly_once = around.config.delivery == Delivery::ExactlyOnce;
        let txn = exactly_once.then(|| around.broker.borrow_mut().begin(Some(self.member)));
        self.in_flight = Some(InFlight::new(pending, number, txn));
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
