//! The loop: poll, apply, advance, commit; one thread, nothing in flight between two turns.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::config::Config;
use crate::domain::{Exception, Millis, Status, Timestamp};
use crate::engine::clock::{CLOCK_HOLD, Reading};
use crate::engine::{HeldCause, Transition};
use crate::http::Server;
use crate::kafka::clock::{Answer, EndOffsets, Question, SystemClock};
use crate::kafka::offsets::ShardOffsets;
use crate::kafka::publisher::{Batch, Outcome, Publisher};
use crate::kafka::source::{Polled, Source};
use crate::telemetry::events::{
    BatchCommitted, ClockHeld, ExceptionPublished, KafkaError, Stopped, Stopping, TransactionAborted,
};
use crate::telemetry::{Health, emit};

use super::RunError;
use super::backlogs::{self, Backlogs};
use super::group::{Beat, SEEK_AGAIN, Shards};
use super::pace::{Pace, Pressure};
use super::report::Reporter;
use super::restore::Restorer;
use super::snapshots::Snapshots;
use super::task::{Task, Wire};

/// Records taken from the consumer in one turn.
const POLL_RECORDS: usize = 4_096;
/// After an abort, the difference is made again after this long.
const AFTER_ABORT: Duration = Duration::from_millis(50);
/// A commit that waits longer than this waits for a broker that is away.
const UNREACHABLE_AFTER: Duration = Duration::from_secs(2);
/// Snapshots at the end of a run may take so long.
const LAST_SNAPSHOTS: Duration = Duration::from_secs(5);

/// A running service.
#[derive(Debug)]
pub struct Service {
    pub(super) config: Arc<Config>,
    pub(super) clock: SystemClock,
    pub(super) source: Source,
    pub(super) ends: EndOffsets,
    pub(super) publisher: Publisher,
    pub(super) restorer: Restorer,
    pub(super) snapshots: Snapshots,
    pub(super) wire: Wire,
    pub(super) health: Arc<Health>,
    pub(super) http: Server,
    pub(super) runtime: Handle,
    pub(super) shards: Shards,
    pub(super) backlogs: Backlogs,
    pub(super) pace: Pace,
    pub(super) reporter: Reporter,
    pub(super) seek: Beat,
    pub(super) housekeeping: Beat,
    pub(super) clock_held: bool,
    pub(super) more_work: bool,
    /// A snapshot takes slices as fast as they are given.
    pub(super) feeding: bool,
    pub(super) retry_at: Option<Instant>,
}

/// What was drained of one shard for the batch in hand.
struct Drained {
    offsets: ShardOffsets,
    transitions: Vec<Transition>,
}

impl Service {
    /// Turns until `stop` is set, and then leaves in good order.
    ///
    /// # Errors
    /// It cannot go on; a restart goes on from what was committed.
    pub fn run(mut self, stop: &AtomicBool) -> Result<(), RunError> {
        while !stop.load(Ordering::Relaxed) {
            self.turn()?;
        }
        self.leave()
    }

    fn turn(&mut self) -> Result<(), RunError> {
        self.health.beat();
        let pressure = self.pressure();
        let clock = self.clock.now();
        self.poll(self.pace.patience(pressure, clock, self.ends.waiting()))?;
        self.follow_the_group()?;
        self.take_answer();
        self.work()?;
        self.ask();
        self.keep_house();
        Ok(())
    }

    fn poll(&mut self, patience: Duration) -> Result<(), RunError> {
        let mut patience = patience;
        for _ in 0..POLL_RECORDS {
            let Polled::Record(record) = self.source.poll(patience)? else { break };
            patience = Duration::ZERO;
            if let Some(task) = self.shards.task_mut(record.input.partition).filter(|task| task.started) {
                task.lanes.push(record);
            }
        }
        for task in self.shards.tasks_mut() {
            let partition = task.partition;
            let inputs = |streams: Vec<crate::domain::StreamId>| -> Vec<_> {
                streams.into_iter().map(|stream| crate::kafka::InputPartition { stream, partition }).collect()
            };
            let full = inputs(task.lanes.take_full());
            if !full.is_empty() {
                self.source.pause(&full);
            }
            let drained = inputs(task.lanes.take_drained());
            if !drained.is_empty() {
                self.source.resume(&drained);
            }
        }
        Ok(())
    }

    /// Takes what the coordinator and the restoring thread have done, and lets restored shards go.
    fn follow_the_group(&mut self) -> Result<(), RunError> {
        for change in self.source.changes() {
            for partition in self.shards.change(change, &self.restorer, &self.health) {
                self.snapshots.went(partition);
            }
        }
        self.shards.take_restored(&self.restorer, &mut self.backlogs, &self.config.policies.version)?;
        if self.shards.tasks().all(|task| task.started) || !self.seek.is_due() {
            return Ok(());
        }
        for task in self.shards.tasks_mut().filter(|task| !task.started && !task.is_parked()) {
            task.started = self.source.start(&task.positions())?;
            if task.started {
                self.snapshots.came(task);
            }
        }
        Ok(())
    }

    /// What the ends of the inputs say about the frontiers.
    fn take_answer(&mut self) {
        let Some(Answer { asked, ends }) = self.ends.answer() else { return };
        self.watch_clock(asked);
        match ends {
            Ok(ends) => {
                self.pass_markers();
                for (input, ends) in ends {
                    let Some(task) = self.shards.task_mut(input.partition).filter(|task| task.started) else {
                        continue;
                    };
                    task.frontier.ends(input.stream, ends, asked.evidence());
                    if let Some(high) = task.high.get_mut(usize::from(input.stream.0)) {
                        *high = Some(ends.high);
                    }
                }
            }
            Err(error) => {
                let code = error.rdkafka_error_code().map_or_else(|| "Unknown".to_owned(), |code| format!("{code:?}"));
                emit(KafkaError { code, detail: "the ends of the inputs cannot be asked: frontiers stand still" });
                self.shards.tasks_mut().for_each(|task| task.frontier.unreachable());
            }
        }
    }

    /// Transaction markers at an input's end bring no record: the consumer's position tells of them.
    fn pass_markers(&mut self) {
        for (input, position) in self.source.positions() {
            if let Some(task) = self.shards.task_mut(input.partition) {
                task.moved(input.stream, position);
            }
        }
    }

    fn watch_clock(&mut self, reading: Reading) {
        let held = match reading {
            Reading::Agreed(_) => None,
            Reading::Hold { by, .. } | Reading::Reanchored { by, .. } => Some(by),
        };
        if let Some(difference) = held.filter(|_| !self.clock_held) {
            emit(ClockHeld { difference, hold: CLOCK_HOLD });
        }
        self.clock_held = held.is_some();
    }

    /// Applies what is buffered, moves the frontiers, and commits what follows.
    fn work(&mut self) -> Result<(), RunError> {
        if self.retry_at.is_some_and(|at| Instant::now() < at) {
            return Ok(());
        }
        self.retry_at = None;
        let clock = self.clock.now();
        self.more_work = false;
        for task in self.shards.tasks_mut().filter(|task| task.started) {
            self.more_work |= task.take_batch(&self.wire, clock);
            task.advance();
        }
        let live = self.shards.tasks().filter(|task| task.is_live()).count();
        self.backlogs.follow(live, self.shards.all_live(), &self.restorer);
        self.shards.tasks_mut().filter(|task| task.is_live()).for_each(|task| self.backlogs.observe(task));
        self.commit(clock, false)
    }

    fn commit(&mut self, clock: Timestamp, force: bool) -> Result<(), RunError> {
        let mut batch = Batch::default();
        let mut drained: BTreeMap<i32, Drained> = BTreeMap::new();
        let owner_is_live = self.shards.tasks().any(|task| task.partition == backlogs::OWNER && task.is_live());
        let of_backlogs = match owner_is_live {
            true => self.backlogs.drain(&self.wire, clock, &mut batch.records),
            false => backlogs::Drained::default(),
        };
        for task in self.shards.tasks_mut() {
            let before = batch.records.len();
            let transitions = task.drain(&self.wire, clock, &mut batch.records);
            // What the sum says rests on every shard, so every shard's offsets go with it.
            let due = force || of_backlogs.any || self.snapshots.is_due(task);
            let carries = of_backlogs.any && task.partition == backlogs::OWNER;
            if carries || batch.records.len() > before || task.wants_commit(due) {
                let offsets = task.offsets(&self.config.policies.version);
                batch.offsets.push(offsets.clone());
                drained.insert(task.partition, Drained { offsets, transitions });
            }
        }
        if !batch.offsets.is_empty() {
            let began = Instant::now();
            let (health, shards, reporter) = (&self.health, &mut self.shards, &mut self.reporter);
            let mut waiting = |waited: Duration| {
                health.beat();
                if waited >= UNREACHABLE_AFTER {
                    for task in shards.tasks_mut() {
                        task.frontier.unreachable();
                        reporter.report(task, &self.wire, health);
                    }
                }
            };
            match self.publisher.publish(&self.source, &batch, &mut waiting)? {
                Outcome::Committed { current_next } => {
                    self.committed(&drained, &of_backlogs.transitions, &current_next);
                    let (meters, records) = (&self.wire.meters, batch.records.len());
                    emit(BatchCommitted { meters, records, took: began.elapsed() });
                }
                Outcome::Aborted { reason } => self.aborted(&drained, &reason),
            }
        }
        let now = self.clock.now();
        for task in self.shards.tasks().filter(|task| task.is_settled()) {
            if self.snapshots.is_due(task) {
                self.snapshots.begin(task, now);
            }
        }
        Ok(())
    }

    fn committed(
        &mut self,
        drained: &BTreeMap<i32, Drained>,
        of_backlogs: &[Transition],
        current_next: &BTreeMap<i32, i64>,
    ) {
        let now = self.clock.now();
        for (partition, Drained { offsets, transitions }) in drained {
            if let Some(task) = self.shards.task_mut(*partition) {
                task.news |= !transitions.is_empty();
                task.committed(offsets, current_next.get(partition).copied());
            }
        }
        self.backlogs.committed();
        let of_shards = drained.values().flat_map(|drained| &drained.transitions);
        for transition in of_shards.chain(of_backlogs) {
            let Transition::Publish(exception) = transition else { continue };
            let detection_delay = self.reporter.detection_delay(exception, now);
            emit(ExceptionPublished { meters: &self.wire.meters, exception, detection_delay });
        }
    }

    fn aborted(&mut self, drained: &BTreeMap<i32, Drained>, reason: &str) {
        emit(TransactionAborted { reason });
        for partition in drained.keys() {
            if let Some(task) = self.shards.task_mut(*partition) {
                task.aborted();
            }
        }
        self.backlogs.aborted();
        self.retry_at = Some(Instant::now() + AFTER_ABORT);
    }

    fn ask(&mut self) {
        let (pressure, clock) = (self.pressure(), self.clock.now());
        if self.ends.waiting() || !self.pace.wants_to_ask(pressure, clock) {
            return;
        }
        self.pass_markers();
        let inputs: Vec<_> =
            self.shards.tasks().filter(|task| task.started).flat_map(|task| task.positions()).collect();
        if !inputs.is_empty() {
            self.ends.ask(Question { inputs });
            self.pace.asked(pressure, clock);
        }
    }

    fn pressure(&self) -> Pressure {
        let deadline = self.backlogs.next_deadline();
        let mut pressure =
            Pressure { work: self.more_work && self.retry_at.is_none(), deadline, ..Pressure::default() };
        pressure.soon = self.shards.restoring() || self.retry_at.is_some() || self.feeding;
        for task in self.shards.tasks() {
            pressure.soon |= !task.started && !task.is_parked();
            pressure.soon |= !task.lanes.all_empty() || task.replayed().is_some();
            if task.is_live() {
                pressure.deadline = [pressure.deadline, task.shard.next_deadline()].into_iter().flatten().min();
            }
            let is_behind =
                |stream| task.lanes.is_empty(stream) && task.frontier.held_cause(stream) == Some(HeldCause::Behind);
            pressure.behind |= task.started && task.streams().any(is_behind);
        }
        pressure
    }

    fn keep_house(&mut self) {
        self.feeding = self.snapshots.turn(self.shards.tasks(), &self.health);
        if self.housekeeping.is_due() {
            for task in self.shards.tasks_mut() {
                self.reporter.report(task, &self.wire, &self.health);
            }
            if self.shards.tasks().any(|task| task.partition == backlogs::OWNER && task.is_live()) {
                self.backlogs.report(&self.health);
            }
            for partition in self.shards.drop_stale(&self.health) {
                self.snapshots.went(partition);
            }
        }
    }

    /// Drains, commits, writes out and leaves the group.
    fn leave(mut self) -> Result<(), RunError> {
        let began = Instant::now();
        emit(Stopping { reason: "a signal" });
        self.retry_at = None;
        self.work()?;
        let clock = self.clock.now();
        self.commit(clock, true)?;
        let health = Arc::clone(&self.health);
        let clean = self.snapshots.finish(self.shards.tasks(), clock, began + LAST_SNAPSHOTS, || health.beat());
        self.health.set_joined(false);
        // Dropping the consumer leaves the group, so that the others need not wait for its session to end.
        drop(self.source);
        self.runtime.block_on(self.http.stop());
        emit(Stopped { took: began.elapsed(), clean });
        Ok(())
    }
}

/// Beats of the loop, for those who make a [`Service`].
pub(super) fn beats() -> (Beat, Beat) {
    (Beat::every(SEEK_AGAIN), Beat::every(Duration::from_millis(500)))
}

/// True for the state that says for the first time that something broke.
pub(super) fn is_opening(exception: &Exception) -> bool {
    exception.status == Status::Opened
}

/// From deadline and grace until now.
pub(super) fn delay(exception: &Exception, grace: Millis, now: Timestamp) -> Option<Millis> {
    exception.deadline.map(|deadline| now - (deadline + grace))
}

impl Task {
    /// Whether it waits for the next assignment.
    pub fn is_parked(&self) -> bool {
        matches!(self.phase, super::task::Phase::Parked { .. })
    }
}
