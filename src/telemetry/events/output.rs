//! What went out: exceptions, cycles, commits.

use std::time::Duration;

use metrics::counter;
use tracing::{debug, trace, warn};

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
        debug!(
            kind = e.kind.as_str(), policy = %e.policy.id, status = e.status.as_str(), order_id = order_id(&e.subject),
            exception_id = %e.exception_id, deadline = e.deadline.map(tracing::field::display), "exception published"
        );
    }
}

fn order_id(subject: &Subject) -> Option<&str> {
    match subject {
        Subject::Order(id) => Some(id),
        Subject::Group(_) => None,
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
