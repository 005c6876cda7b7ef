//! The oracle: what must stand at a frontier, as one plain function of the complete input.
//!
//! It is written from DESIGN.md and CONTRACT.md alone and shares no line with the engine. It keeps no state, has no
//! timers and no caches: every answer is computed anew from all the records, so that a reader can hold each rule
//! against its sentence. Where the text leaves something open, READINGS.md says what was read (quoted here as `R7`).
//!
//! - `facts`: what is known of one order (identity, milestones, totals, lines, parcels, attributes)
//! - `sla`: cycles (the ledger of pauses, promises, stops, cancels, warnings and rungs)
//! - `checks`: the stretches of time in which a reconciliation check holds
//! - `life`: when an order is closed, late, forgotten, evicted
//! - `edits`: policy documents that follow one another

mod checks;
mod edits;
mod facts;
mod life;
mod sla;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use edits::{Era, Ruling};
use facts::Facts;
use life::Life;

/// One committed record of the log. The slice that holds it is in no particular order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The stream's number; streams are numbered in the order of their topics' names, because ties go by topic.
    pub stream: u16,
    /// The partition in the stream.
    pub partition: i32,
    /// The offset in the partition.
    pub offset: i64,
    /// The Kafka record's time.
    pub record_time: i64,
    /// What it says; `None` is a dead letter or a null, whose record time enters the running maximum and nothing else.
    pub event: Option<Event>,
}

/// A decoded event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Numbered by its source.
    pub event_id: String,
    /// The system it comes from (the topic, where the event names none).
    pub source: String,
    /// The order it is about.
    pub order_id: String,
    /// `order.placed`, … or a custom milestone.
    pub kind: String,
    /// The payload's time (the record's, where the payload has none).
    pub event_time: i64,
    /// The order's total.
    pub total: Option<Money>,
    /// A payment's amount.
    pub amount: Option<Money>,
    /// (sku, quantity): what was ordered, or what is in the parcel.
    pub lines: Option<Vec<(String, i64)>>,
    /// The payment it belongs to; no rule that is built here reads it.
    pub payment_id: Option<String>,
    /// The parcel it belongs to.
    pub fulfillment_id: Option<String>,
    /// What it says of the promised ship date.
    pub promised_ship_by: Promise,
    /// What it says of the promised delivery date.
    pub promised_deliver_by: Promise,
    /// Attributes by key.
    pub attributes: Vec<(String, String)>,
}

/// An amount in minor units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Money {
    /// Minor units.
    pub minor: i64,
    /// ISO code.
    pub currency: String,
}

/// What an event says of a promised date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// Nothing: unchanged.
    Absent,
    /// A null: withdrawn.
    Withdrawn,
    /// A date.
    At(i64),
}

/// The policies, and the figures that decide how long an order is remembered.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The SLAs.
    pub slas: Vec<Sla>,
    /// The checks.
    pub checks: Vec<Check>,
    /// How long a closed order is kept.
    pub retain_closed: i64,
    /// How long, after that, its id is remembered.
    pub remember_closed: i64,
    /// After how long a silence an order that is not closed is evicted.
    pub max_open: i64,
}

/// An SLA, with `promise: latest`.
#[derive(Clone, Debug)]
pub struct Sla {
    /// The policy's id.
    pub id: String,
    /// An attribute and the text that it must equal.
    pub when: Option<(String, String)>,
    /// The milestone that starts the cycle.
    pub start: String,
    /// The milestone that meets it.
    pub stop: String,
    /// `occurrence: last`.
    pub stop_last: bool,
    /// The milestones that cancel it.
    pub cancel_on: Vec<String>,
    /// The milestones that begin and end a pause.
    pub pause: Option<(String, String)>,
    /// By when.
    pub target: Target,
    /// Percents, ascending.
    pub warn_at: Vec<u8>,
    /// How long after the deadline each rung is due, ascending.
    pub escalate_after: Vec<i64>,
    /// How long the judging waits for late records.
    pub grace: i64,
    /// `scope: fulfillment`.
    pub by_parcel: bool,
    /// `each: true`.
    pub each: bool,
}

/// What an SLA's deadline is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// So much running time after the start.
    Duration(i64),
    /// The promised ship date.
    PromisedShipBy,
    /// The promised delivery date.
    PromisedDeliverBy,
}

/// A reconciliation check.
#[derive(Clone, Debug)]
pub enum Check {
    /// Captured against the total; `after` is its default, the first capture.
    AmountMismatch { id: String, tolerance: i64, settle: i64, grace: i64 },
    /// Shipped earlier than the first authorization or capture, or with neither.
    ShippedBeforePayment { id: String, settle: i64, grace: i64 },
}

/// What stands of one SLA cycle, or of one finding of a check that was breached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The SLA's or the check's id.
    pub policy: String,
    /// The order.
    pub order_id: String,
    /// A check's reason: `over`, `under`, `currency`, `unpaid`. `None` for an SLA.
    pub reason: Option<String>,
    /// The parcel that the cycle is about, with `scope: fulfillment`.
    pub parcel: Option<String>,
    /// The identity of the event that began the cycle (stream, source, event_id), with `each`.
    pub start: Option<(u16, String, String)>,
    /// The deadline by the ledger (`None` while an open pause keeps it out of reach), or, for a check, the instant at
    /// which it had held for `settle`.
    pub deadline: Option<i64>,
    /// Where it stands.
    pub standing: Standing,
    /// False once the order has left memory at this frontier.
    pub in_memory: bool,
}

/// Where a cycle or a finding stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Not breached and not ended, with the highest warning that is due.
    Running { warn: Option<u8> },
    /// Stopped at or before the deadline.
    Met,
    /// Cancelled at or before the deadline.
    CancelledInTime,
    /// Breached, with the highest escalation rung that is due (0 for none).
    Open { level: u32 },
    /// Breached, and stopped later.
    Resolved { at: i64 },
    /// Breached, and cancelled later.
    CancelledLate { at: i64 },
}

/// What stands at `frontier` (exclusive), when no record was ahead of the clock as it was read.
///
/// Verdicts come by order id, then by life of that id (oldest first), then SLAs and checks in the order of the rules,
/// a check's findings oldest first, an SLA's cycles by parcel and start.
pub fn judge(records: &[Record], rules: &Rules, frontier: i64) -> Vec<Verdict> {
    judge_by_clock(records, rules, frontier, i64::MAX)
}

/// What stands at `frontier` by policy documents of which each has replaced the one before, the one in force last.
pub fn judge_edited(records: &[Record], eras: &[Era<'_>], frontier: i64) -> Vec<Ruling> {
    edits::judge(records, eras, frontier)
}

/// As [`judge`], with the clock that keeps record times ahead of it out of the running maximum (R1, R2).
pub fn judge_by_clock(records: &[Record], rules: &Rules, frontier: i64, clock: i64) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for (order_id, told) in told_by_order(records, clock) {
        for life in life::lives(&told, rules) {
            verdicts.extend(verdicts_of_life(order_id, &life, rules, frontier));
        }
    }
    verdicts
}

/// The running maximum of record time in each (stream, partition), in offset order; a record time past `clock` does
/// not enter it. Answers by index, ascending; `i64::MIN` stands for a maximum that nothing has entered yet (R1).
pub fn effective_times(records: &[Record], clock: i64) -> Vec<(usize, i64)> {
    let effective = |of: &Record| {
        records
            .iter()
            .filter(|other| (other.stream, other.partition) == (of.stream, of.partition))
            .filter(|other| other.offset <= of.offset && other.record_time <= clock)
            .map(|other| other.record_time)
            .max()
            .unwrap_or(i64::MIN)
    };
    records.iter().enumerate().map(|(index, record)| (index, effective(record))).collect()
}

/// An event's record with its effective time.
type Told<'a> = (&'a Record, i64);

/// The events of each order in the order in which the life rules take them: (effective time, stream, partition,
/// offset), as a replay merges them.
fn told_by_order(records: &[Record], clock: i64) -> BTreeMap<&str, Vec<Told<'_>>> {
    let mut by_order: BTreeMap<&str, Vec<Told<'_>>> = BTreeMap::new();
    for (index, effective) in effective_times(records, clock) {
        let record = &records[index];
        if let Some(event) = &record.event {
            by_order.entry(&event.order_id).or_default().push((record, effective));
        }
    }
    for told in by_order.values_mut() {
        told.sort_by_key(|(record, effective)| (*effective, record.stream, record.partition, record.offset));
    }
    by_order
}

fn verdicts_of_life(order_id: &str, life: &Life, rules: &Rules, frontier: i64) -> Vec<Verdict> {
    let facts = Facts::new(&life.records);
    // Nothing falls due for an order that has left memory, so time stands still for it there.
    let judged_at = frontier.min(life.left_at);
    let verdict = |policy: &str, reason: Option<&str>, deadline, standing| Verdict {
        policy: policy.to_string(),
        order_id: order_id.to_string(),
        reason: reason.map(str::to_string),
        parcel: None,
        start: None,
        deadline,
        standing,
        in_memory: frontier < life.left_at,
    };
    let mut verdicts = Vec::new();
    for sla in &rules.slas {
        for sla::Run { parcel, start, cycle } in sla::cycles(&facts, sla) {
            let standing = cycle.standing(judged_at, sla.grace);
            verdicts.push(Verdict { parcel, start, ..verdict(&sla.id, None, cycle.deadline, standing) });
        }
    }
    for check in &rules.checks {
        for span in checks::spans(&facts, check) {
            if let Some((deadline, standing)) = span.finding(judged_at, check.grace()) {
                verdicts.push(verdict(check.id(), Some(span.reason), Some(deadline), standing));
            }
        }
    }
    verdicts
}
