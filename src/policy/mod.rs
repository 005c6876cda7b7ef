//! The policies a shop writes, compiled: SLAs, backlogs and checks, and how each is judged on one order's facts.
//!
//! `config::policies` builds these from YAML; `engine` asks them. Each is pure: facts and a frontier in, a verdict out.

pub mod backlog;
mod by_currency;
pub mod calendar;
pub mod case;
pub mod checks;
pub mod choice;
pub mod condition;
pub mod cycle;
mod demand;
mod derived;
pub mod entities;
pub mod interest;
pub mod ledger;
pub mod membership;
pub mod promise;
mod reaches;
pub mod sla;
pub mod view;

use std::sync::Arc;

use crate::domain::{Exception, Millis, Severity, Str, Timestamp};

use case::Case;
use cycle::Cycles;
use view::{OrderView, Reached};

pub use backlog::Backlog;
pub use calendar::Calendar;
pub use checks::CheckPolicy;
pub use choice::Choice;
pub use condition::Condition;
pub use entities::Entities;
pub use sla::Sla;

/// One policy document in force.
#[derive(Debug, Default)]
pub struct Policies {
    /// `revision:` of the document; the highest is in force for the whole group.
    pub revision: Option<u64>,
    /// The first 12 hexadecimal digits of the SHA-256 of the document's text.
    pub version: Str,
    /// The document itself, which snapshots keep: it reads back by `config::parse_policies`.
    pub text: Arc<str>,
    /// In file order.
    pub slas: Vec<Sla>,
    /// In file order.
    pub backlogs: Vec<Backlog>,
    /// In file order.
    pub checks: Vec<CheckPolicy>,
    /// The checks `oversold`, in file order. They are summed over the shards as backlogs are, by sku.
    pub oversold: Vec<Backlog>,
}

impl Policies {
    /// What is summed over the shards: the backlogs, and after them the checks `oversold`. The places in this list are what
    /// `engine::backlog` counts by.
    pub fn queues(&self) -> impl Iterator<Item = &Backlog> {
        self.backlogs.iter().chain(&self.oversold)
    }

    /// The one at this place of [`Policies::queues`].
    pub fn queue(&self, place: usize) -> Option<&Backlog> {
        self.backlogs.get(place).or_else(|| self.oversold.get(place.checked_sub(self.backlogs.len())?))
    }

    /// What an order's facts say of the SLA at this place, cycle by cycle, without those that another of its `first_match`
    /// group has taken. An SLA of another entity has none.
    pub fn cycles<'a>(&self, place: usize, view: &OrderView<'a>) -> Cycles<'a> {
        let Some(sla) = self.slas.get(place).filter(|sla| sla.entity == *view.entity()) else { return Cycles::new() };
        sla.cycles(view, &|view, start| self.is_free(place, sla, view, start))
    }

    /// The same of an SLA that has one cycle at the most ([`Sla::has_one_cycle`]).
    pub fn only_case<'a>(&self, place: usize, view: &OrderView<'a>) -> Option<Case<'a>> {
        let sla = self.slas.get(place).filter(|sla| sla.entity == *view.entity())?;
        sla.only_case(view, |view, start| self.is_free(place, sla, view, start))
    }

    /// Whether no SLA before this one in its group takes the start.
    fn is_free<'a>(&self, place: usize, sla: &Sla, view: &OrderView<'a>, start: Reached<'a>) -> bool {
        let Some(group) = &sla.first_match else { return true };
        let mut before = self.slas.iter().take(place).filter(|other| other.first_match.as_ref() == Some(group));
        !before.any(|other| other.applies(view, start))
    }
}

/// Who answers for an exception and where it goes. Every policy has these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Responsibility {
    /// How bad a breach is.
    pub severity: Severity,
    /// Whose it is.
    pub owner: Choice,
    /// Where it goes.
    pub route: Choice,
    /// What should happen then.
    pub expected_outcome: Str,
    /// A page that says how.
    pub runbook: Option<Str>,
}

/// One rung of `escalate_after`: how long after the breach, and what it changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rung {
    /// Time after the deadline (SLA) or after opening (backlog).
    pub after: Millis,
    /// The severity from this rung on, where it changes.
    pub severity: Option<Severity>,
    /// The owner from this rung on, where it changes.
    pub owner: Option<Str>,
    /// The route named from this rung on, where it changes. It does not move the topic.
    pub route: Option<Str>,
}

/// Climbs an exception to rung `level`: every rung on the way changes what it names, also one that was passed over, and
/// what it leaves out stays.
pub fn escalate(exception: &mut Exception, rungs: &[Rung], level: u32) {
    let passed = exception.escalation_level as usize;
    for rung in rungs.iter().take(level as usize).skip(passed) {
        exception.severity = rung.severity.unwrap_or(exception.severity);
        exception.owner = rung.owner.clone().unwrap_or_else(|| exception.owner.clone());
        let Some(route) = rung.route.as_ref().filter(|route| **route != exception.route) else { continue };
        let before = std::mem::replace(&mut exception.route, route.clone());
        if !exception.earlier_routes.contains(&before) {
            exception.earlier_routes.push(before);
        }
    }
    exception.escalation_level = level;
}

/// The settings of orderwatch.yaml that the engine judges by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Topic names, indexed by `StreamId`.
    pub streams: Vec<Str>,
    /// The group's name: part of nothing but `ce_source`.
    pub group_id: Str,
    /// What the streams are about.
    pub entities: Entities,
    /// The largest grace of the order entity's streams, or the global one: what applies where a policy has none.
    pub grace: Millis,
    /// The largest `grace` of the streams that tell of stock.
    pub stock_grace: Millis,
    /// How long a closed order is kept whole.
    pub retain_closed: Millis,
    /// How long a closed order is remembered after that.
    pub remember_closed: Millis,
    /// How long an order may be silent before it is evicted.
    pub max_open: Millis,
    /// The grid of record time on which backlogs are judged.
    pub backlog_grid: Millis,
    /// What was due before this instant is counted and not published. `Timestamp::MIN` in a replay.
    pub publish_after: Timestamp,
    /// The replay's name, where this is one.
    pub replay: Option<Str>,
}
