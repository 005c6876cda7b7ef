//! A story: a shard driven record by record, and what it said.

use std::sync::Arc;

use crate::domain::event::Details;
use crate::domain::{
    AttributeValue, Currency, Entity, Event, Exception, Milestone, Millis, Money, Position, Severity, Str, StreamId,
    Timestamp,
};
use crate::engine::{Applied, Shard, Transition};
use crate::policy::checks::{CheckKind, CheckPolicy};
use crate::policy::cycle::Scope;
use crate::policy::promise::PromiseRule;
use crate::policy::sla::{MilestoneRef, Occurrence, Pause, Sla, Target};
use crate::policy::{Policies, Responsibility, Rung, Settings};

pub const MINUTE: i64 = 60_000;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

/// Minutes after the story's midnight as an instant.
pub fn at(minutes: i64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + minutes * MINUTE)
}

pub fn settings() -> Settings {
    Settings {
        streams: ["orders", "payments", "fulfillments"].map(Str::new_static).to_vec(),
        group_id: Str::new_static("test"),
        entities: Default::default(),
        grace: Millis::ZERO,
        retain_closed: Millis::new(30 * DAY),
        remember_closed: Millis::new(90 * DAY),
        max_open: Millis::new(180 * DAY),
        backlog_grid: Millis::new(10_000),
        publish_after: Timestamp::MIN,
        replay: None,
    }
}

pub fn responsibility() -> Responsibility {
    Responsibility {
        severity: Severity::Warning,
        owner: "team".into(),
        route: "desk".into(),
        expected_outcome: Str::new_static("done"),
        runbook: None,
    }
}

/// `start` to `stop` within `target` minutes.
pub fn sla(start: &str, stop: &str, target: i64) -> Sla {
    let first = |m: &str| MilestoneRef { milestone: Milestone::parse(m), occurrence: Occurrence::First };
    Sla {
        id: Str::new_static("promise"),
        entity: Entity::order(),
        when: None,
        first_match: None,
        scope: Scope::Order,
        each: false,
        start: first(start),
        stop: first(stop),
        cancel_on: vec![Milestone::parse("order.cancelled")],
        pause: Some(Pause { from: Milestone::parse("order.held"), until: Milestone::parse("order.released") }),
        calendar: None,
        target: Target::Duration(Millis::new(target * MINUTE)),
        promise: PromiseRule::Latest,
        warn_at: vec![50, 80],
        escalate_after: vec![rung(60), rung(240)],
        grace: None,
        backfill: false,
        responsibility: responsibility(),
    }
}

pub fn rung(minutes: i64) -> Rung {
    Rung { after: Millis::new(minutes * MINUTE), severity: None, owner: None, route: None }
}

pub fn check(kind: CheckKind, settle: i64) -> CheckPolicy {
    CheckPolicy {
        id: Str::new(kind.name().replace('_', "-")),
        entity: Entity::order(),
        kind,
        when: None,
        settle: Millis::new(settle * MINUTE),
        grace: None,
        backfill: false,
        responsibility: responsibility(),
    }
}

pub fn policies(slas: Vec<Sla>, checks: Vec<CheckPolicy>) -> Policies {
    Policies { version: Str::new_static("v1"), slas, checks, ..Policies::default() }
}

pub fn money(amount_minor: i64) -> Money {
    Money { amount_minor, currency: Currency::parse("EUR").unwrap() }
}

/// An event of order `o-1`, told when it happened.
pub fn event(kind: &str, minute: i64) -> Event {
    let stream = StreamId(match kind.split('.').next() {
        Some("payment") => 1,
        Some("fulfillment") => 2,
        _ => 0,
    });
    Event {
        order_id: Str::new_static("o-1"),
        event_id: Str::new(format!("{kind}@{minute}")),
        source: Str::new_static("shop"),
        milestone: Milestone::parse(kind),
        event_time: at(minute),
        event_time_inferred: false,
        record_time: at(minute),
        position: Position { stream, partition: 0, offset: 0 },
        details: None,
    }
}

pub fn with(mut event: Event, change: impl FnOnce(&mut Details)) -> Event {
    change(event.details.get_or_insert_default());
    event
}

pub fn attribute(event: Event, name: &'static str, value: &'static str) -> Event {
    with(event, |d| d.attributes.push((Str::new_static(name), AttributeValue::Text(Str::new_static(value)))))
}

/// A shard and what it said so far.
pub struct Story {
    pub shard: Shard,
    pub published: Vec<Exception>,
    pub tombstones: usize,
    pub offset: i64,
}

impl Story {
    pub fn new(policies: Policies) -> Self {
        Self::with_settings(policies, settings())
    }

    pub fn with_settings(policies: Policies, settings: Settings) -> Self {
        let shard = Shard::new(0, Arc::new(policies), Arc::new(settings));
        Story { shard, published: Vec::new(), tombstones: 0, offset: 0 }
    }

    /// Reads an event at its record time: the frontier first, then the record, then what follows.
    pub fn read(&mut self, mut event: Event) -> Applied {
        event.position.offset = self.offset;
        self.offset += 1;
        let record_time = event.record_time;
        self.shard.advance(record_time);
        let applied = self.shard.apply(event, record_time).unwrap();
        self.listen();
        applied
    }

    /// Reads an event that happened then and is told only at `minute`.
    pub fn read_late(&mut self, mut event: Event, minute: i64) -> Applied {
        event.record_time = at(minute);
        self.read(event)
    }

    pub fn advance(&mut self, minute: i64) {
        self.shard.advance(at(minute));
        self.listen();
    }

    pub fn listen(&mut self) {
        for transition in self.shard.drain_transitions(None) {
            match transition {
                Transition::Publish(exception) => self.published.push(*exception),
                Transition::Tombstone(_) => self.tombstones += 1,
            }
        }
        self.shard.committed();
    }

    /// What was said: a line each of minute of the frontier, status, level where there is one, and incarnation from 2.
    pub fn said(&self) -> Vec<String> {
        self.published.iter().map(line).collect()
    }
}

pub fn line(e: &Exception) -> String {
    let ms = (e.frontier - at(0)).get();
    let mut said =
        format!("{}{} {}", ms.div_euclid(MINUTE), if ms % MINUTE == 1 { "+" } else { "" }, e.status.as_str());
    if e.level() > 0 {
        said += &format!(" {}", e.level());
    }
    if e.incarnation > 1 {
        said += &format!(" #{}", e.incarnation);
    }
    said
}
