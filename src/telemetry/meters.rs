//! Handles of series that move often, made once: looking one up by name costs more than the work it counts.

use std::collections::HashMap;
use std::fmt;

use metrics::{Counter, Histogram, counter, histogram};

use super::names;
use crate::domain::{Kind, Status, Str, StreamId};
use crate::policy::Policies;

/// The handles of one policy document and its streams. Make them anew when the document changes: the series stay.
pub struct Meters {
    streams: Vec<StreamMeters>,
    policies: HashMap<(Kind, Str), PolicyMeters>,
    pub(super) detection_delay: Histogram,
    pub(super) commit_seconds: Histogram,
}

/// One stream's counters.
pub(super) struct StreamMeters {
    pub topic: Str,
    pub events: Counter,
    pub duplicates: Counter,
    pub late: Counter,
    pub conflicts: Counter,
    pub after_close: Counter,
    pub nulls: Counter,
    pub ahead: Counter,
}

/// One policy's counters.
pub(super) struct PolicyMeters {
    exceptions: [Counter; Status::ALL.len()],
    cycles: [Histogram; OUTCOMES.len()],
}

/// How an SLA cycle ends, as the engine spells it.
const OUTCOMES: [&str; 3] = ["met", "breached", "cancelled"];

impl Meters {
    /// Handles for `topics` (indexed by [`StreamId`]) and every policy. Series exist from then on, at zero.
    pub fn new(topics: &[Str], policies: &Policies) -> Self {
        let slas = policies.slas.iter().map(|p| (Kind::Sla, p.id.clone()));
        let backlogs = policies.backlogs.iter().map(|p| (Kind::Backlog, p.id.clone()));
        let oversold = policies.oversold.iter().map(|p| (Kind::Reconciliation, p.id.clone()));
        let checks = policies.checks.iter().map(|p| (Kind::Reconciliation, p.id.clone())).chain(oversold);
        Meters {
            streams: topics.iter().map(StreamMeters::new).collect(),
            policies: slas
                .chain(backlogs)
                .chain(checks)
                .map(|(kind, id)| ((kind, id.clone()), PolicyMeters::new(kind, &id)))
                .collect(),
            detection_delay: histogram!(names::DETECTION_DELAY_SECONDS),
            commit_seconds: histogram!(names::COMMIT_SECONDS),
        }
    }

    /// `None` for a stream that is not declared.
    pub(super) fn stream(&self, stream: StreamId) -> Option<&StreamMeters> {
        self.streams.get(usize::from(stream.0))
    }

    /// The stream's topic; `?` for one that is not declared.
    pub(super) fn topic(&self, stream: StreamId) -> &str {
        self.stream(stream).map_or("?", |s| s.topic.as_str())
    }

    /// One transition was published. A policy that is no longer in the document is looked up by name: it is rare.
    pub(super) fn count_exception(&self, kind: Kind, policy: &Str, status: Status) {
        let known = self.policies.get(&(kind, policy.clone())).and_then(|p| p.exceptions.get(status as usize));
        match known {
            Some(counter) => counter.increment(1),
            None => exception_counter(kind, policy, status).increment(1),
        }
    }

    /// One cycle ended.
    pub(super) fn record_cycle(&self, policy: &Str, outcome: &'static str, seconds: f64) {
        let place = OUTCOMES.iter().position(|o| *o == outcome);
        let policy_meters = self.policies.get(&(Kind::Sla, policy.clone()));
        match policy_meters.zip(place).and_then(|(p, place)| p.cycles.get(place)) {
            Some(histogram) => histogram.record(seconds),
            None => cycle_histogram(policy, outcome).record(seconds),
        }
    }
}

impl fmt::Debug for Meters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Meters({} streams, {} policies)", self.streams.len(), self.policies.len())
    }
}

impl StreamMeters {
    fn new(topic: &Str) -> Self {
        let of = |name: &'static str| {
            let counter = counter!(name, "stream" => topic.to_string());
            counter.increment(0);
            counter
        };
        StreamMeters {
            topic: topic.clone(),
            events: of(names::EVENTS),
            duplicates: of(names::DUPLICATE_EVENTS),
            late: of(names::LATE_EVENTS),
            conflicts: of(names::EVENT_CONFLICTS),
            after_close: of(names::AFTER_CLOSE_EVENTS),
            nulls: of(names::NULL_RECORDS),
            ahead: of(names::AHEAD_RECORDS),
        }
    }
}

impl PolicyMeters {
    fn new(kind: Kind, id: &Str) -> Self {
        let cycle = |outcome| if kind == Kind::Sla { cycle_histogram(id, outcome) } else { Histogram::noop() };
        PolicyMeters {
            exceptions: Status::ALL.map(|status| exception_counter(kind, id, status)),
            cycles: OUTCOMES.map(cycle),
        }
    }
}

fn exception_counter(kind: Kind, policy: &Str, status: Status) -> Counter {
    let counter = counter!(
        names::EXCEPTIONS,
        "kind" => kind.as_str(), "policy" => policy.to_string(), "status" => status.as_str()
    );
    counter.increment(0);
    counter
}

fn cycle_histogram(policy: &Str, outcome: &'static str) -> Histogram {
    histogram!(names::CYCLE_SECONDS, "policy" => policy.to_string(), "outcome" => outcome)
}
