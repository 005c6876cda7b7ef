//! An exception: what is published of a broken promise, a queue that backs up, or records that disagree.

use serde::{Deserialize, Serialize};

use super::hash::digest_32;
use super::{AttributeValue, Currency, Entity, Str, Timestamp};

/// The stable name of an exception over all its incarnations: 32 hexadecimal digits.
pub type ExceptionId = Str;

/// Makes an [`ExceptionId`]. `policy` is the policy's id without its version; `entity` and `id` are what it is about
/// (`order` and the order's id, another entity's name and id, or `group` and the group's key as the history topic spells it); `discriminator` tells
/// several cycles or findings of one policy on one order apart: a fulfillment_id, a start event, a check's reason.
pub fn exception_id(policy: &str, entity: &str, id: &str, discriminator: Option<&str>) -> ExceptionId {
    let (more, rest) = discriminator.map_or((0, ""), |d| (1, d));
    digest_32(&[policy.as_bytes(), entity.as_bytes(), id.as_bytes(), &[more], rest.as_bytes()])
}

/// Which family of policies an exception comes from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A promise with a deadline.
    Sla,
    /// A queue of work.
    Backlog,
    /// Records that disagree.
    Reconciliation,
}

/// Where an exception stands (DESIGN section 2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// A warning rung has passed and the work is not done.
    AtRisk,
    /// It was at risk and was done in time.
    Averted,
    /// The deadline has passed and the work was not done.
    Opened,
    /// It has been open for long; `escalation_level` says how long.
    Escalated,
    /// The work was done late: the breach stands.
    Resolved,
    /// Later evidence shows that there was no breach.
    Retracted,
    /// The work is no longer wanted.
    Cancelled,
}

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Worth looking at today.
    Warning,
    /// Worth waking somebody.
    Critical,
}

/// Why an SLA is held to be broken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// No event has been seen that would keep the promise.
    Absent,
    /// One was seen, and it lies after the deadline.
    Late,
}

/// The policy that judged, in the version that judged.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PolicyRef {
    /// The policy's id; stable over edits.
    pub id: Str,
    /// The policy document's hash.
    pub version: Str,
}

/// What the exception is about.
#[derive(Clone, PartialEq, Debug)]
pub enum Subject {
    /// One order, by its id.
    Order(Str),
    /// One of another entity. Boxed: orders are many, and these are not to make them larger.
    Other(Box<Other>),
    /// A group of a backlog: attribute names and values in the policy's order; `None` where the attribute is missing.
    Group(Vec<(Str, Option<Str>)>),
}

/// A checkout, a return, a task: whatever is no order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Other {
    /// The entity's name.
    pub entity: Str,
    /// Which one.
    pub id: Str,
}

/// Names one event so that a person can find it again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EventRef {
    /// The producer's number.
    pub event_id: Str,
    /// The event's type, or the derived milestone it completed.
    #[serde(rename = "type")]
    pub kind: Str,
    /// When it happened.
    pub event_time: Timestamp,
    /// Where it was read.
    pub topic: Str,
    /// Where it was read.
    pub partition: i32,
    /// Where it was read.
    pub offset: i64,
}

/// A backlog's figures at the grid point that was judged.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct BacklogFigures {
    /// Orders in the queue.
    pub depth: i64,
    /// Age of the oldest, in milliseconds; `None` when the queue is empty.
    pub oldest_age_ms: Option<i64>,
    /// Orders that came in per minute, over the last 5 minutes of frontier.
    pub inflow_per_min: f64,
    /// Orders that left per minute, over the same time.
    pub outflow_per_min: f64,
    /// Milliseconds until the queue is empty at these rates; `None` while it does not shrink.
    pub time_to_clear_ms: Option<i64>,
}

/// What a check compared. Figures are minor units or pieces.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CheckFigures {
    /// The check's name, such as `amount_mismatch`.
    pub name: Str,
    /// Which way it failed, such as `under`.
    pub reason: Str,
    /// Which sku, payment or milestone it is about, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<Str>,
    /// What should be.
    pub expected: Option<i64>,
    /// What is.
    pub actual: Option<i64>,
    /// The currency of both, for money.
    pub currency: Option<Currency>,
    /// For `oversold`: the newest orders that cannot be met, newest first, at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orders: Vec<OrderPieces>,
}

/// An order, and how many pieces of a sku it wants.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OrderPieces {
    /// The order.
    pub order_id: Str,
    /// Pieces that it wants and that have not left.
    pub quantity: i64,
}

impl CheckFigures {
    /// Without figures.
    pub fn new(name: &'static str, reason: &str) -> Self {
        CheckFigures {
            name: Str::new_static(name),
            reason: Str::new(reason),
            about: None,
            expected: None,
            actual: None,
            currency: None,
            orders: Vec::new(),
        }
    }
}

/// One published state of an exception: CONTRACT.md's "Output exception".
#[derive(Clone, PartialEq, Debug)]
pub struct Exception {
    /// Stable over restarts, repeats and policy edits.
    pub exception_id: ExceptionId,
    /// Counts what was published of this exception, from 1.
    pub sequence: u32,
    /// Counts how often it was published anew after it had ended, from 1.
    pub incarnation: u32,
    /// Its family.
    pub kind: Kind,
    /// Where it stands.
    pub status: Status,
    /// What judged it.
    pub policy: PolicyRef,
    /// What it is about.
    pub subject: Subject,
    /// Which fulfillment of the order, where the policy has a cycle for each.
    pub fulfillment_id: Option<Str>,
    /// How bad it is.
    pub severity: Severity,
    /// Whose it is.
    pub owner: Str,
    /// Where it goes; fixed by the incarnation's first publication.
    pub route: Str,
    /// What should happen now.
    pub expected_outcome: Str,
    /// A page that says how.
    pub runbook: Option<Str>,
    /// The system that sent the trigger.
    pub source: Option<Str>,
    /// The event that started it.
    pub trigger: Option<EventRef>,
    /// When the cycle started, the finding began or the backlog's bound was reached.
    pub started_at: Option<Timestamp>,
    /// When it was due.
    pub deadline: Option<Timestamp>,
    /// When it broke: the deadline.
    pub breached_at: Option<Timestamp>,
    /// When it ended, by event_time.
    pub ended_at: Option<Timestamp>,
    /// The event that ended it.
    pub closed_by: Option<EventRef>,
    /// deadline − start for an SLA, settle for a check.
    pub target_ms: Option<i64>,
    /// Wall time from start to the deadline, or to the stop once that is known.
    pub actual_elapsed_ms: Option<i64>,
    /// The same on the policy's calendar and without its pauses.
    pub business_elapsed_ms: Option<i64>,
    /// The warning rung, for `at_risk`.
    pub warn_percent: Option<u8>,
    /// The escalation rung, from 1; 0 before the first.
    pub escalation_level: u32,
    /// Why it is held to be broken.
    pub evidence: Option<Evidence>,
    /// The frontier at which this was true.
    pub frontier: Timestamp,
    /// When we noticed: our clock, or the frontier in a replay.
    pub detected_at: Timestamp,
    /// The order's attributes at the cycle's start, sorted by name, without nulls.
    pub attributes: Vec<(Str, AttributeValue)>,
    /// For a backlog.
    pub backlog: Option<BacklogFigures>,
    /// For a check.
    pub check: Option<CheckFigures>,
    /// Routes that were told of this incarnation before an escalation rung named another: its close goes there too.
    pub earlier_routes: Vec<Str>,
    /// The replay's name, where a replay made it.
    pub replay: Option<Str>,
}

impl Subject {
    /// The order, or the other thing, with this id.
    pub fn of(entity: &Entity, id: Str) -> Self {
        match entity.is_order() {
            true => Subject::Order(id),
            false => Subject::Other(Box::new(Other { entity: entity.name().clone(), id })),
        }
    }

    /// The entity's name and the id of what it is about; `None` for a group.
    pub fn entity_and_id(&self) -> Option<(&str, &Str)> {
        match self {
            Subject::Order(id) => Some((Entity::ORDER_NAME, id)),
            Subject::Other(other) => Some((&other.entity, &other.id)),
            Subject::Group(_) => None,
        }
    }

    /// The history topics' record key and `ce_subject`: the id, or for a group
    /// `awaiting-shipment?region=EU&warehouse=BER-1`, percent-encoded, names in the policy's order. A missing value is
    /// a name without `=`, so that it differs from an empty one.
    pub fn key(&self, policy: &str) -> Str {
        let pairs = match self {
            Subject::Order(id) => return id.clone(),
            Subject::Other(other) => return other.id.clone(),
            Subject::Group(pairs) => pairs,
        };
        let mut key = String::new();
        percent_encode(policy, &mut key);
        for (i, (name, value)) in pairs.iter().enumerate() {
            key.push(if i == 0 { '?' } else { '&' });
            percent_encode(name, &mut key);
            if let Some(value) = value {
                key.push('=');
                percent_encode(value, &mut key);
            }
        }
        Str::from(key)
    }
}

/// Appends `text` with everything but RFC 3986's unreserved characters as `%XX`, byte for byte.
pub fn percent_encode(text: &str, out: &mut String) {
    use std::fmt::Write;
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte.into()),
            // Writing to a String cannot fail.
            _ => drop(write!(out, "%{byte:02X}")),
        }
    }
}

impl Kind {
    /// As topics, metrics and `ce_type` spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Sla => "sla",
            Kind::Backlog => "backlog",
            Kind::Reconciliation => "reconciliation",
        }
    }

    /// The inverse of [`Kind::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Kind::Sla, Kind::Backlog, Kind::Reconciliation].into_iter().find(|k| k.as_str() == text)
    }
}

impl Status {
    /// Every status.
    pub const ALL: [Status; 7] = [
        Status::AtRisk,
        Status::Averted,
        Status::Opened,
        Status::Escalated,
        Status::Resolved,
        Status::Retracted,
        Status::Cancelled,
    ];

    /// As topics, metrics and `ce_type` spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Status::AtRisk => "at_risk",
            Status::Averted => "averted",
            Status::Opened => "opened",
            Status::Escalated => "escalated",
            Status::Resolved => "resolved",
            Status::Retracted => "retracted",
            Status::Cancelled => "cancelled",
        }
    }

    /// The inverse of [`Status::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Status::ALL.into_iter().find(|s| s.as_str() == text)
    }

    /// True once nothing more is expected of this incarnation.
    pub const fn has_ended(self) -> bool {
        matches!(self, Status::Averted | Status::Resolved | Status::Retracted | Status::Cancelled)
    }

    /// True while a breach stands unanswered.
    pub const fn is_open(self) -> bool {
        matches!(self, Status::Opened | Status::Escalated)
    }
}

impl Severity {
    /// As policies and outputs spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }

    /// The inverse of [`Severity::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Severity::Info, Severity::Warning, Severity::Critical].into_iter().find(|s| s.as_str() == text)
    }
}

impl Evidence {
    /// As outputs spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Evidence::Absent => "absent",
            Evidence::Late => "late",
        }
    }

    /// The inverse of [`Evidence::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Evidence::Absent, Evidence::Late].into_iter().find(|e| e.as_str() == text)
    }
}

impl Exception {
    /// Which of two states of one exception is the later one, whatever their places in a log.
    pub fn age(&self) -> (Timestamp, u32) {
        (self.frontier, self.sequence)
    }

    /// Whether it is the same state as another of the same exception.
    pub fn says(&self, other: &Exception) -> bool {
        (self.status, self.level(), self.incarnation) == (other.status, other.level(), other.incarnation)
    }

    /// Whether it comes of the sum over all shards, and not of one order.
    pub fn is_summed(&self) -> bool {
        matches!(self.subject, Subject::Group(_))
    }

    /// The rung in force: the escalation level, or the warning's percent. Part of `ce_id`, so that two rungs of one
    /// status differ.
    pub fn level(&self) -> u32 {
        match self.status {
            Status::AtRisk => self.warn_percent.unwrap_or(0).into(),
            _ => self.escalation_level,
        }
    }
}

#[cfg(test)]
#[path = "exception_tests.rs"]
mod tests;
