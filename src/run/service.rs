//! The loop: hear, read, apply, advance, commit; nothing in flight between two turns.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::config::KafkaConfig;
use crate::domain::{Exception, Millis, Status, Timestamp};
use crate::engine::clock::{CLOCK_HOLD, Reading};
use crate::http::{OrderQuestion, Server};
use crate::kafka::clock::{Answer, EndOffsets, Question, SystemClock};
use crate::kafka::inventory::InventoryReader;
use crate::kafka::partials::PartialsReader;
use crate::kafka::publisher::Publisher;
use crate::kafka::source::Source;
use crate::telemetry::events::{
    ClockBelieved, ClockHeld, KafkaError, OthersPublish, PartialsRefused, Stopped, Stopping,
};
use crate::telemetry::{Health, emit};

use super::RunError;
use super::backlogs::{self, Backlogs};
use super::commit::Pending;
use super::fit::Fit;
use super::group::{Beat, SEEK_AGAIN, Shards};
use super::pace::{Pace, Pressure};
use super::report::Reporter;
use super::restore::{Job, Restorer};
use super::snapshots::Snapshots;
use super::stop::Stop;
use super::task::{Task, Turn};
use super::wire::Wire;
use super::workers::Workers;

/// Records of the partials' topic taken in one turn.
const HEARD_RECORDS: usize = 1_000;
/// Records of the inventory taken in one turn.
const INVENTORY_RECORDS: usize = 2_000;
/// Questions about orders answered in one turn.
const ANSWERS_A_TURN: usize = 8;
/// Snapshots at the end of a run may take so long.
const LAST_SNAPSHOTS: Duration = Duration::from_secs(5);

/// A running service.
#[derive(Debug)]
pub struct Service {
    pub(super) clock: SystemClock,
    /// Before the source, for they go in this order, and the inputs' queues are the consumer's.
    pub(super) shards: Shards,
    pub(super) source: Source,
    pub(super) ends: EndOffsets,
    pub(super) publisher: Publisher,
    /// The largest batch that it produces.
    pub(super) batch_max: usize,
    pub(super) fit: Fit,
    pub(super) restorer: Restorer,
    pub(super) snapshots: Snapshots,
    pub(super) wire: Arc<Wire>,
    pub(super) workers: Workers,
    pub(super) health: Arc<Health>,
    pub(super) http: Server,
    pub(super) runtime: Handle,
    pub(super) backlogs: Backlogs,
    pub(super) kafka: KafkaConfig,
    /// What the shards of all processes tell, while the backlogs are summed here.
    pub(super) partials: Option<PartialsReader>,
    /// The inventory, while it is held against demand here.
    pub(super) inventory: Option<InventoryReader>,
    /// What people ask about orders.
    pub(super) questions: Receiver<OrderQuestion>,
    pub(super) pace: Pace,
    pub(super) reporter: Reporter,
    pub(super) seek: Beat,
    /// Since when a shard that was read back waits for the others.
    pub(super) gathers: Option<Instant>,
    pub(super) housekeeping: Beat,
    pub(super) clock_held: bool,
    /// A shard, or the inventory, had more records than one turn takes.
    pub(super) more_work: bool,
    /// A commit was put off, and the ends of the inputs have not been reached since.
    pub(super) catching_up: bool,
    /// When it was last looked what there is to commit.
    pub(super) committed_at: Instant,
    /// A shard was read here since the start.
    pub(super) has_read: bool,
    /// A snapshot takes slices as fast as they are given.
    pub(super) feeding: bool,
    pub(super) retry_at: Option<Instant>,
    /// `at_least_once`: a batch that is in the log in part, and must be written whole before anything else.
    pub(super) torn: Option<Pending>,
}

impl Service {
    /// Turns until `stop` is set, and then leaves in good order.
    ///
    /// # Errors
    /// It cannot go on; a restart goes on from what was committed.
    pub fn run(mut self, stop: &Stop) -> Result<(), RunError> {
        while !stop.is_asked() {
            self.turn()?;
        }
        self.leave(stop.is_for_good())
    }

    fn turn(&mut self) -> Result<(), RunError> {
        self.health.beat();
        let pressure = self.pressure();
        let clock = self.clock.now();
        self.source.poll(self.pace.patience(pressure, clock, self.ends.waiting()))?;
        self.follow_the_group()?;
        self.take_answer()?;
        self.work()?;
        self.ask();
        self.answer();
        self.keep_house();
        Ok(())
    }

    /// What the ends of the inputs say about the frontiers.
    fn take_answer(&mut self) -> Result<(), RunError> {
        let Some(Answer { asked, ends, current, changed }) = self.ends.answer() else { return Ok(()) };
        if let Some(changed) = changed {
            return Err(changed.into());
        }
        self.watch_clock(asked);
        for (partition, end) in current {
            // Of a batch that is in the log in part, we do not know how far it goes.
            let task = self.shards.task_mut(partition).filter(|task| task.is_live());
            let task = task.filter(|task| self.torn.is_none() && end > task.commits.current_next());
            task.into_iter().for_each(|task| task.overheard.suspect());
        }
        match ends {
            Ok(ends) => {
                // A marker that is here is passed as its queue is asked.
                self.shards.tasks_mut().filter(|task| task.started).for_each(|task| task.lanes.fill());
                self.pass_markers();
                for (input, ends) in ends {
                    self.backlogs.ends_of_inventory(input, ends, asked.evidence());
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
                self.backlogs.inventory_unreachable();
            }
        }
        Ok(())
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
        if let Some(difference) = self.clock.take_believed() {
            emit(ClockBelieved { difference });
        }
    }

    /// Applies what is buffered, moves the frontiers, and commits what follows.
    fn work(&mut self) -> Result<(), RunError> {
        if self.retry_at.is_some_and(|at| Instant::now() < at) {
            return Ok(());
        }
        self.retry_at = None;
        self.fit.turn(&self.health, Instant::now());
        if let Some(torn) = self.torn.take() {
            self.publish(torn, true)?;
            if self.torn.is_some() {
                return Ok(());
            }
        }
        let (clock, monotonic) = (self.clock.now(), Instant::now());
        let turn = Turn { clock, monotonic, put_off: self.put_off(monotonic), more_to_read: self.more_work };
        self.more_work = self.workers.turn(&mut self.shards, turn)?;
        for task in self.shards.tasks_mut().filter(|task| task.is_live()) {
            if task.overheard.wants_to_read(Instant::now()) {
                emit(OthersPublish { shard: task.partition });
                self.restorer.ask(Job::Published(task.partition, task.epoch));
            }
        }
        self.sum()?;
        if self.puts_off_commit(clock, monotonic) {
            self.catching_up = true;
            return Ok(());
        }
        // Where it has come to the ends is committed at once, and not when the next commit is due.
        let has_caught_up = self.catching_up && !self.is_behind();
        self.catching_up &= !has_caught_up;
        self.commit(clock, has_caught_up)?;
        self.committed_at = Instant::now();
        Ok(())
    }

    /// Whoever holds shard 0 sums the backlogs of all.
    fn sum(&mut self) -> Result<(), RunError> {
        let owner = self.shards.tasks().find(|task| task.partition == backlogs::OWNER && task.is_live());
        if let Some(epoch) = self.backlogs.follow(owner.map(|task| task.epoch)) {
            self.restorer.ask(Job::Backlogs(epoch));
        }
        match self.backlogs.reads_from() {
            None => self.partials = None,
            Some(from) if self.partials.is_none() => {
                self.partials =
                    Some(PartialsReader::start(&self.kafka, &self.wire.partials, from, self.source.bell())?);
            }
            Some(_) => {}
        }
        let told = self.partials.iter().flat_map(|reader| reader.records().take(HEARD_RECORDS));
        for (offset, value) in told {
            if let Err(error) = self.backlogs.hear(offset, &value) {
                emit(PartialsRefused { offset, detail: &error.to_string() });
            }
        }
        self.read_inventory()
    }

    /// Whoever sums reads the whole inventory.
    fn read_inventory(&mut self) -> Result<(), RunError> {
        let Some(inputs) = self.backlogs.inventory_inputs() else {
            self.inventory = None;
            return Ok(());
        };
        if self.inventory.is_none() {
            self.inventory = Some(InventoryReader::start(&self.kafka, inputs, self.source.bell())?);
        }
        let clock = self.clock.now();
        for taken in 0..INVENTORY_RECORDS {
            let next = self.inventory.as_ref().filter(|_| self.backlogs.has_room_for_stock());
            let Some(found) = next.and_then(InventoryReader::take) else { break };
            self.backlogs.take_stock(found, &self.wire, clock);
            self.more_work |= taken + 1 == INVENTORY_RECORDS;
        }
        self.backlogs.advance_stock(&self.wire);
        Ok(())
    }

    fn ask(&mut self) {
        let (pressure, clock) = (self.pressure(), self.clock.now());
        if self.ends.waiting() || !self.pace.wants_to_ask(pressure, clock) {
            return;
        }
        self.pass_markers();
        let inputs = self.shards.tasks().filter(|task| task.started).flat_map(|task| task.positions());
        let inputs: Vec<_> = inputs.chain(self.backlogs.inventory_positions()).collect();
        if !inputs.is_empty() {
            let unfenced = self.shards.tasks().filter(|task| !self.wire.is_fenced && task.is_live());
            let current = unfenced.map(|task| task.partition).collect();
            self.ends.ask(Question { inputs, current });
            self.pace.asked(pressure, clock);
        }
    }

    /// What people want to know of orders: a few in each turn.
    fn answer(&mut self) {
        for OrderQuestion { entity, id, reply } in self.questions.try_iter().take(ANSWERS_A_TURN) {
            let live = self.shards.tasks().filter(|task| task.is_live());
            let known = live.filter_map(|task| task.shard.explain(&entity, &id)).next();
            // Whoever asked may have gone.
            drop(reply.send(known));
        }
    }

    fn pressure(&self) -> Pressure {
        let mut pressure = Pressure { work: self.more_work && self.retry_at.is_none(), ..Pressure::default() };
        pressure.behind = self.backlogs.is_behind_in_stock();
        pressure.soon = self.shards.restoring() || self.retry_at.is_some() || self.feeding;
        for task in self.shards.tasks() {
            pressure.soon |= !task.started && !task.is_parked();
            pressure.soon |= !task.lanes.all_empty() || task.replayed().is_some();
            if task.is_live() {
                pressure.deadline = [pressure.deadline, task.next_deadline()].into_iter().flatten().min();
            }
            let is_behind = |stream| task.lanes.is_empty(stream) && task.frontier.is_behind(stream);
            pressure.behind |= task.started && task.streams().any(is_behind);
        }
        pressure
    }

    fn keep_house(&mut self) {
        self.feeding = self.snapshots.turn(self.shards.tasks_mut(), &self.health);
        if self.housekeeping.is_due() {
            self.source.wake();
            for task in self.shards.tasks_mut() {
                self.reporter.report(task, &self.wire, &self.health);
            }
            if self.shards.tasks().any(|task| task.partition == backlogs::OWNER && task.is_live()) {
                self.backlogs.report(&self.health, Instant::now());
            }
            for partition in self.shards.drop_stale(&self.health, Instant::now()) {
                self.snapshots.went(partition);
            }
        }
    }

    /// Drains, commits, writes out and leaves the group. `for_good`: a static member gives up its place too.
    fn leave(mut self, for_good: bool) -> Result<(), RunError> {
        let began = Instant::now();
        emit(Stopping { reason: "a signal", keeps_place: self.source.is_static() && !for_good });
        self.retry_at = None;
        self.work()?;
        let clock = self.clock.now();
        self.commit(clock, true)?;
        let health = Arc::clone(&self.health);
        let mut tasks: Vec<&mut Task> = self.shards.tasks_mut().collect();
        let clean = self.snapshots.finish(&mut tasks, clock, began + LAST_SNAPSHOTS, || health.beat());
        self.health.set_joined(false);
        // The inputs hold the consumer.
        self.shards.tasks_mut().for_each(|task| task.lanes.clear());
        self.source.leave(for_good);
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
