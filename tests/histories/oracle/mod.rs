//! The oracle of single orders: what must stand of every SLA on one order at a frontier, as one plain function.
//!
//! It is written from DESIGN.md and CONTRACT.md alone and shares no line with the engine. It is slow on purpose: time
//! is counted minute by minute (a minute is open or it is not, paused or not), so that no rule of a calendar or a pause
//! is hidden in arithmetic. What the two documents leave open is in READINGS.md (quoted here as `R7`).
//!
//! - `facts`: what is known of the order (identity, milestones, totals, lines, parcels, attributes)
//! - `minutes`: calendars, by the minute
//! - `ledger`: which minutes run, and when so many of them have run
//! - `promise`: which promised date counts
//! - `cycle`: one SLA on one order

mod cycle;
mod facts;
mod ledger;
pub mod minutes;
mod promise;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use minutes::OpenMinutes;

/// A record of the log that carries an event of the order. All its times are milliseconds on whole minutes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The stream's number, as the configuration lists them (R20).
    pub stream: usize,
    /// The offset in the order's partition of that stream.
    pub offset: i64,
    /// The Kafka record's time.
    pub record_time: i64,
    /// What it says.
    pub event: Event,
}

/// A decoded event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Numbered by its source.
    pub event_id: String,
    /// The system it comes from.
    pub source: String,
    /// `order.placed`, … or a custom milestone.
    pub kind: String,
    /// The payload's time.
    pub event_time: i64,
    /// The order's total.
    pub total: Option<Money>,
    /// A payment's amount.
    pub amount: Option<Money>,
    /// (sku, quantity): what was ordered, or what is in the parcel.
    pub lines: Option<Vec<(String, i64)>>,
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Promise {
    /// Nothing: unchanged.
    #[default]
    Absent,
    /// A null: withdrawn.
    Withdrawn,
    /// A date.
    At(i64),
}

/// An SLA.
#[derive(Clone, Debug)]
pub struct Sla {
    /// The policy's id.
    pub id: String,
    /// Which orders it is for; `None` for all.
    pub when: Option<When>,
    /// The group of which an order runs only the first.
    pub first_match: Option<String>,
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
    /// When time counts; `None` for always.
    pub calendar: Option<Arc<OpenMinutes>>,
    /// Percents, ascending.
    pub warn_at: Vec<u8>,
    /// The rungs, ascending.
    pub escalate_after: Vec<Rung>,
    /// Whose a breach is before any rung says otherwise.
    pub owner: String,
    /// How long the judging waits for late records, ms.
    pub grace: i64,
}

/// An escalation rung.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rung {
    /// How long after the deadline, ms.
    pub after: i64,
    /// Whose the breach is from then on, where the rung says so.
    pub owner: Option<String>,
}

/// A condition on an order as it was at the cycle's start.
#[derive(Clone, Debug)]
pub enum When {
    /// `order.attributes.KEY == "TEXT"`.
    Is(String, String),
    /// `order.attributes.KEY != "TEXT"`.
    IsNot(String, String),
    /// `order.total.amount_minor >= N`.
    TotalAtLeast(i64),
    /// `order.total.amount_minor < N`.
    TotalBelow(i64),
    /// Both.
    And(Box<When>, Box<When>),
    /// Either.
    Or(Box<When>, Box<When>),
}

/// What an SLA's deadline is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// So much running time after the start, ms.
    Duration(i64),
    /// The promised ship date.
    PromisedShipBy(Which),
    /// The promised delivery date.
    PromisedDeliverBy(Which),
    /// The end of a business day so many after the start's. In minutes of the day: from when on a start counts for the
    /// next business day, and when the last one ends (`None`, for either: with that day's hours).
    BusinessDays { days: usize, cutoff: Option<i64>, by: Option<i64> },
}

/// Which promise counts where several are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The first alone.
    Original,
    /// The newest that was made in time.
    Latest,
}

/// What stands of one SLA on the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The SLA.
    pub policy: String,
    /// Where it stands.
    pub standing: Standing,
    /// The cycle's figures; `None` where there is no cycle.
    pub cycle: Option<Figures>,
}

/// Where an SLA stands on an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// There is no cycle.
    None,
    /// Not breached and not ended, with the percents that are due, ascending.
    Running { at_risk: Vec<u8> },
    /// Stopped at or before the deadline.
    Met,
    /// Cancelled at or before the deadline.
    CancelledInTime,
    /// Breached and neither stopped nor cancelled, with the rung in force (0 for none) and whose it is.
    Open { rung: usize, owner: String },
    /// Breached, and stopped later.
    StoppedLate,
    /// Breached, and cancelled later.
    CancelledLate,
}

/// A cycle's figures, ms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figures {
    /// When it began.
    pub start: i64,
    /// By when it has to be done; `None` where that is not within sight (a pause without end).
    pub deadline: Option<i64>,
    /// When it was stopped or cancelled, whichever ended it.
    pub ended: Option<i64>,
    /// The running time that was allowed; for a promised date, wall time.
    pub target: Option<i64>,
    /// Wall time from the start to the end or, without one, the deadline.
    pub actual_elapsed: Option<i64>,
    /// The same on the calendar and outside the pauses.
    pub business_elapsed: Option<i64>,
}

/// What stands of every SLA, in their order, at the frontier `until` (exclusive) with these records read. The records
/// are in no particular order, and all are of one order.
pub fn expected(slas: &[Sla], records: &[Record], until: i64) -> Vec<Verdict> {
    let facts = facts::Facts::new(records);
    let verdict = |(index, sla): (usize, &Sla)| {
        let cycle = if is_first_of_its_group(slas, index, &facts) { cycle::cycle(&facts, sla) } else { None };
        let standing = cycle.as_ref().map_or(Standing::None, |cycle| cycle.standing(sla, until));
        Verdict { policy: sla.id.clone(), standing, cycle: cycle.map(|cycle| cycle.figures()) }
    };
    slas.iter().enumerate().map(verdict).collect()
}

/// An order runs only the first of a group, in file order, of those that it has started and whose `when` is true (R13).
fn is_first_of_its_group(slas: &[Sla], index: usize, facts: &facts::Facts) -> bool {
    let group = &slas[index].first_match;
    let mut before = slas[..index].iter().filter(|other| group.is_some() && other.first_match == *group);
    !before.any(|other| cycle::start(facts, other).is_some())
}
