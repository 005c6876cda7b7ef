//! What went out: exceptions, cycles, commits.

use std::time::Duration;

use metrics::counter;
use tracing::{debug, error, trace, warn};

use crate::domain::{Exception, Millis, Subject};
use crate::telemetry::{InternalEvent, Meters, names};

/// A transition was published and its transaction committed.
#[derive(Debug)]
pub struct ExceptionPublished<'a> {
    /// The handles.
    pub meters: &'a Meters,
    /// What was published.
    pub exception: &'a Exception,
    /// For `opened`: from deadline + grace until the commit was confirmed.
    pub detection_delay: Option<Millis>,
}

impl InternalEvent for ExceptionPublished<'_> {
    fn emit(self) {
        let e = self.exception;
        self.meters.count_exception(e.kind, &e.policy.id, e.status);
        if let Some(delay) = self.detection_delay {
            self.meters.detection_delay.record(delay.max(Millis::ZERO).as_secs_f64());
        }
        // At debug: the topic is the record of exceptions, the log is that of the service.
        let (order_id, other) = match &e.subject {
            Subject::Order(id) => (Some(id.as_str()), None),
            Subject::Other(other) => (None, Some(other)),
            Subject::Group(_) => (None, None),
        };
        debug!(
            kind = e.kind.as_str(), policy = %e.policy.id, status = e.status.as_str(), order_id,
            entity = other.map(|other| other.entity.as_str()), id = other.map(|other| other.id.as_str()),
            exception_id = %e.exception_id, deadline = e.deadline.map(tracing::field::display), "exception published"
        );
    }
}

/// An SLA cycle ended, whether or not anything was published of it.
#[derive(Debug)]
pub struct CycleEnded<'a> {
    /// The handles.
    pub meters: &'a Meters,
    /// As the shard says it.
    pub cycle: &'a crate::engine::CycleEnded,
}

impl InternalEvent for CycleEnded<'_> {
    fn emit(self) {
        let crate::engine::CycleEnded { policy, outcome, elapsed } = self.cycle;
        self.meters.record_cycle(policy, outcome, elapsed.as_secs_f64());
        trace!(%policy, outcome, elapsed_ms = elapsed.get(), "cycle ended");
    }
}

/// A batch's outputs and offsets are in the log for good.
#[derive(Debug)]
pub struct BatchCommitted<'a> {
    /// The handles.
    pub meters: &'a Meters,
    /// Output records in it.
    pub records: usize,
    /// From the start of the commit until the broker confirmed it.
    pub took: Duration,
}

impl InternalEvent for BatchCommitted<'_> {
    fn emit(self) {
        self.meters.commit_seconds.record(self.took.as_secs_f64());
        trace!(records = self.records, took_us = self.took.as_micros(), "batch committed");
    }
}

/// An exception was too large for a topic and goes there without its order's attributes.
#[derive(Debug)]
pub struct ExceptionCut<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The exception's id.
    pub exception: &'a str,
    /// Its record's size, uncut.
    pub bytes: usize,
}

impl InternalEvent for ExceptionCut<'_> {
    fn emit(self) {
        counter!(names::EXCEPTIONS_CUT).increment(1);
        let ExceptionCut { topic, exception, bytes } = self;
        warn!(
            topic,
            exception,
            bytes,
            "an exception is too large for its topic: its attributes are cut; raise max.message.bytes there"
        );
    }
}

/// A record is too large for its topic and cannot be cut: its shard waits, and is tried again every few seconds.
#[derive(Debug)]
pub struct RecordTooLarge<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The exception's id, or the record's key where it carries none.
    pub exception: &'a str,
    /// Whose it is; `None` for the backlogs' sum.
    pub shard: Option<i32>,
    /// The record's size.
    pub bytes: usize,
    /// What the topic takes.
    pub max_bytes: usize,
}

impl InternalEvent for RecordTooLarge<'_> {
    fn emit(self) {
        counter!(names::RECORDS_TOO_LARGE).increment(1);
        let RecordTooLarge { topic, exception, shard, bytes, max_bytes } = self;
        error!(
            topic,
            exception,
            shard,
            bytes,
            max_bytes,
            "a record is too large for its topic even without attributes: nothing of its shard is published until the \
             topic's max.message.bytes is raised"
        );
    }
}

/// The broker does not let us write to a topic.
#[derive(Debug)]
pub struct WriteDenied<'a> {
    /// The topic.
    pub topic: &'a str,
}

impl InternalEvent for WriteDenied<'_> {
    fn emit(self) {
        let WriteDenied { topic } = self;
        counter!(names::WRITES_DENIED, "topic" => topic.to_owned()).increment(1);
        error!(
            topic,
            "orderwatch may not write to this topic: allow WRITE on it; the shards with something to say there wait, lose nothing, \
             and try again every few seconds"
        );
    }
}

/// Less of `exceptions-current` is there than the group's commits say.
#[derive(Debug)]
pub struct OutputMadeAnew<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition.
    pub partition: i32,
    /// Up to where the commits say that it was written.
    pub expected: i64,
    /// Where it ends.
    pub end: i64,
}

impl InternalEvent for OutputMadeAnew<'_> {
    fn emit(self) {
        let OutputMadeAnew { topic, partition, expected, end } = self;
        error!(
            topic,
            partition,
            expected,
            end,
            "the topic was made anew and what it held is lost: what holds is published again, with the ids that it had"
        );
    }
}

/// The broker refused a record or a batch for its size.
#[derive(Debug)]
pub struct TopicTakesLess<'a> {
    /// The topic.
    pub topic: &'a str,
    /// What it is held to take from now on.
    pub max_bytes: usize,
}

impl InternalEvent for TopicTakesLess<'_> {
    fn emit(self) {
        let TopicTakesLess { topic, max_bytes } = self;
        warn!(topic, max_bytes, "the topic refused what was too large for it: exceptions are cut to it from now on");
    }
}

/// A transaction was aborted; the difference is made and published again.
#[derive(Debug)]
pub struct TransactionAborted<'a> {
    /// Why.
    pub reason: &'a str,
}

impl InternalEvent for TransactionAborted<'_> {
    fn emit(self) {
        counter!(names::TRANSACTIONS_ABORTED).increment(1);
        warn!(reason = self.reason, "transaction aborted; nothing is lost, it is made again");
    }
}
