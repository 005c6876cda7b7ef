//! What the loop writes: a batch at a time, and what follows where it was not taken.

use std::time::{Duration, Instant};

use crate::domain::{Exception, Timestamp};
use crate::kafka::KafkaFailure;
use crate::kafka::batch::Outcome;
use crate::kafka::deliveries::Refusal;
use crate::kafka::topics::{self, Lost};
use crate::telemetry::emit;
use crate::telemetry::events::{BatchCommitted, ExceptionPublished, TransactionAborted};

use super::RunError;
use super::commit::{Moment, Pending};
use super::put_off::PutOff;
use super::service::Service;
use super::{backlogs, start};

/// After an abort, the difference is made again after this long.
const AFTER_ABORT: Duration = Duration::from_millis(50);
/// A commit that waits longer than this waits for a broker that is away.
const UNREACHABLE_AFTER: Duration = Duration::from_secs(2);

impl Service {
    /// Whether an input has records that were not applied, as far as is known.
    pub(super) fn is_behind(&self) -> bool {
        let mut started = self.shards.tasks().filter(|task| task.started);
        started.any(|task| !task.lanes.all_empty() || task.streams().any(|stream| task.frontier.is_behind(stream)))
    }

    /// For how long judging and commits were put off.
    pub(super) fn put_off(&self, monotonic: Instant) -> PutOff {
        let unjudged = self.shards.tasks().map(|task| task.shard.unjudged()).sum();
        PutOff { since: monotonic.saturating_duration_since(self.committed_at), unjudged }
    }

    /// Whether nothing is told yet, and there is more to read at once.
    pub(super) fn puts_off_commit(&self, clock: Timestamp, monotonic: Instant) -> bool {
        if !self.more_work || self.shards.tasks().any(|task| task.says(monotonic)) {
            return false;
        }
        let behind = self.shards.tasks().filter(|task| task.started).map(|task| task.behind(clock)).max();
        behind.is_some_and(|behind| self.put_off(monotonic).offsets(behind))
    }

    /// Writes what follows from what was read; `force`: every offset that moved too.
    pub(super) fn commit(&mut self, clock: Timestamp, force: bool) -> Result<(), RunError> {
        let owner_is_live = self.shards.tasks().any(|task| task.partition == backlogs::OWNER && task.is_live());
        let moment = Moment { clock, monotonic: Instant::now(), force };
        // Those that put off their judging do it now.
        self.shards.tasks_mut().filter(|task| task.started).for_each(|task| task.advance(moment.monotonic));
        let fit = &self.fit;
        let tasks = self.shards.tasks_mut().filter(|task| !fit.holds(Some(task.partition)));
        let owner_is_live = owner_is_live && !fit.holds(None);
        let pending = Pending::gather(tasks, owner_is_live, &mut self.backlogs, &self.wire, moment, &|task| {
            self.snapshots.is_due(task) || self.snapshots.waits_for_a_commit(task)
        });
        if !pending.is_empty() {
            self.publish(pending, false)?;
        }
        let now = self.clock.now();
        for task in self.shards.tasks_mut().filter(|task| task.is_settled()) {
            if self.snapshots.is_due(task) {
                self.snapshots.begin(task, now);
            }
        }
        Ok(())
    }

    /// Writes a batch. `torn`: some of it is in the log already.
    pub(super) fn publish(&mut self, mut pending: Pending, torn: bool) -> Result<(), RunError> {
        if !self.fit.pass(&mut pending, &self.health, Instant::now()) {
            self.retry_at = Some(Instant::now() + AFTER_ABORT);
            match torn {
                true => self.torn = Some(pending),
                false => pending.aborted(self.shards.tasks_mut(), &mut self.backlogs),
            }
            return Ok(());
        }
        let (began, records) = (Instant::now(), pending.batch.records.len());
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
        let published = self.publisher.publish(&self.source, &pending.batch, &mut waiting);
        if published.is_err() {
            self.outputs_are_there()?;
        }
        match published? {
            Outcome::Committed { current_next } => {
                self.fit.written(&pending.batch.records, &self.health);
                let now = self.clock.now();
                let (shards, backlogs) = (self.shards.tasks_mut(), &mut self.backlogs);
                pending.committed(shards, backlogs, &current_next, Instant::now());
                pending.published().for_each(|exception| self.say(&exception, now));
                emit(BatchCommitted { meters: &self.wire.meters, records, took: began.elapsed() });
            }
            Outcome::Written { current_next, reason } => {
                self.fit.written(&pending.batch.records, &self.health);
                let now = self.clock.now();
                emit(TransactionAborted { reason: &reason });
                let (shards, backlogs) = (self.shards.tasks_mut(), &mut self.backlogs);
                pending.written(shards, backlogs, &current_next);
                pending.published().for_each(|exception| self.say(&exception, now));
                self.retry_at = Some(Instant::now() + AFTER_ABORT);
            }
            Outcome::Torn { reason } => {
                emit(TransactionAborted { reason: &reason });
                self.torn = Some(pending);
                self.retry_at = Some(Instant::now() + AFTER_ABORT);
            }
            Outcome::Aborted { reason } => {
                emit(TransactionAborted { reason: &reason });
                pending.aborted(self.shards.tasks_mut(), &mut self.backlogs);
                self.retry_at = Some(Instant::now() + AFTER_ABORT);
            }
        }
        self.follow_refusals()
    }

    /// What a topic refused: batches become smaller and exceptions are cut; or a topic is gone.
    fn follow_refusals(&mut self) -> Result<(), RunError> {
        match self.publisher.take_refusal() {
            None => {}
            Some(Refusal::Denied(topic)) => self.fit.deny(&topic, &self.health, Instant::now()),
            Some(Refusal::Undelivered) => self.outputs_are_there()?,
            Some(Refusal::TooLarge(topic)) => {
                self.fit.refused(&topic);
                let batch_max = self.fit.batch_max(self.batch_max);
                if batch_max < self.batch_max {
                    self.batch_max = batch_max;
                    self.publisher = start::publisher(self.fit.config(), batch_max)?;
                }
            }
        }
        if self.publisher.is_spent() {
            self.publisher = start::publisher(self.fit.config(), self.batch_max)?;
        }
        Ok(())
    }

    /// librdkafka gives a topic that went no chance: a start makes it again, or says what it must be like.
    fn outputs_are_there(&mut self) -> Result<(), RunError> {
        match topics::lost(self.fit.config()) {
            Some(Lost::Gone(topic)) => return Err(KafkaFailure::OutputGone { topic }.into()),
            Some(Lost::Denied(topic)) => self.fit.deny(&topic, &self.health, Instant::now()),
            None => {}
        }
        Ok(())
    }

    fn say(&self, exception: &Exception, now: Timestamp) {
        let detection_delay = self.reporter.detection_delay(exception, now);
        emit(ExceptionPublished { meters: &self.wire.meters, exception, detection_delay });
    }
}
