//! The process: its start, its end, its policies, its door.

use std::net::SocketAddr;
use std::time::Duration;

use tracing::{info, warn};

use crate::domain::Str;
use crate::policy::Policies;
use crate::telemetry::{InternalEvent, names};

/// The process came up.
#[derive(Debug)]
pub struct Started<'a> {
    /// The consumer group.
    pub group_id: &'a str,
    /// `bootstrap.servers`
    pub brokers: &'a str,
    /// The input topics.
    pub topics: &'a [Str],
    /// `exactly_once` or `at_least_once`.
    pub delivery: &'a str,
}

impl InternalEvent for Started<'_> {
    fn emit(self) {
        let Started { group_id, brokers, topics, delivery } = self;
        let version = env!("CARGO_PKG_VERSION");
        info!(version, group_id, brokers, ?topics, delivery, "orderwatch starts");
    }
}

/// It was asked to stop.
#[derive(Debug)]
pub struct Stopping {
    /// Such as `SIGTERM`.
    pub reason: &'static str,
    /// A static member (`group.instance.id`) that does not leave: its successor finds its shards waiting.
    pub keeps_place: bool,
}

impl InternalEvent for Stopping {
    fn emit(self) {
        let (reason, keeps_place) = (self.reason, self.keeps_place);
        match keeps_place {
            false => info!(reason, keeps_place, "stopping: drain, snapshot, commit, leave the group"),
            true => info!(
                reason,
                keeps_place,
                "stopping: drain, snapshot, commit; the group keeps our shards for whoever comes with our group.instance.id, \
                 until session.timeout.ms has passed"
            ),
        }
    }
}

/// It has stopped.
#[derive(Debug)]
pub struct Stopped {
    /// Since [`Stopping`].
    pub took: Duration,
    /// False where something was left undone in time; the log says what.
    pub clean: bool,
}

impl InternalEvent for Stopped {
    fn emit(self) {
        info!(took_ms = self.took.as_millis(), clean = self.clean, "stopped");
    }
}

/// A policy document is in force from now on.
#[derive(Debug)]
pub struct PoliciesInForce<'a> {
    /// The document.
    pub policies: &'a Policies,
}

impl InternalEvent for PoliciesInForce<'_> {
    fn emit(self) {
        let p = self.policies;
        info!(
            version = %p.version, revision = p.revision, slas = p.slas.len(), backlogs = p.backlogs.len(),
            checks = p.checks.len(), "policies in force"
        );
    }
}

/// A policy document was not put in force.
#[derive(Debug)]
pub struct PoliciesRefused<'a> {
    /// Its version.
    pub version: &'a str,
    /// What stands instead.
    pub in_force: &'a str,
    /// Why, and what to do.
    pub reason: &'a str,
}

impl InternalEvent for PoliciesRefused<'_> {
    fn emit(self) {
        metrics::counter!(names::POLICIES_REFUSED).increment(1);
        warn!(version = self.version, in_force = self.in_force, "policies not put in force: {}", self.reason);
    }
}

/// The HTTP server listens.
#[derive(Debug)]
pub struct HttpListening {
    /// The address, with the port that was taken.
    pub address: SocketAddr,
}

impl InternalEvent for HttpListening {
    fn emit(self) {
        info!(address = %self.address, "listening on http://{}", self.address);
    }
}

/// The HTTP server ended on an error; the stream goes on.
#[derive(Debug)]
pub struct HttpRefused<'a> {
    /// What went wrong.
    pub error: &'a str,
}

impl InternalEvent for HttpRefused<'_> {
    fn emit(self) {
        warn!(error = self.error, "the HTTP server ended: no health, no metrics; orders are still watched");
    }
}
