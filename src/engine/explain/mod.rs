//! What a shard knows of one order, and what each policy makes of it: the same calls by which it is judged, for people.

mod words;

use serde::{Deserialize, Serialize};

use crate::domain::{CheckFigures, Entity, Event, EventRef, Exception, Kind, Millis, Str, Timestamp};
use crate::policy::case::{Case, CaseClock, EndKind};
use crate::policy::sla::Sla;
use crate::policy::view::OrderView;
use crate::policy::{Policies, Settings};

use super::cycles::key_of_cycle;
use super::lifecycle::Closing;
use super::order::{CaseKey, Order, Published};
use super::render::Renderer;
use super::shard::Shard;

/// One order as it stands at a frontier.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Explained {
    /// What it is about.
    #[serde(flatten)]
    pub subject: Explainee,
    /// Judged as of then: every record with an earlier effective time has been read.
    pub frontier: Timestamp,
    /// When it closed, in record time.
    pub closed_at: Option<Timestamp>,
    /// Its facts, in the order of their times.
    pub timeline: Vec<ToldEvent>,
    /// What each SLA and check makes of them, in the order of the document.
    pub policies: Vec<ExplainedPolicy>,
}

/// What is explained, as exceptions name it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Explainee {
    /// An order.
    Order {
        /// Its id.
        order_id: Str,
    },
    /// Anything else.
    Other {
        /// What it is.
        entity: Str,
        /// Its id.
        id: Str,
    },
}

/// One event of the timeline.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ToldEvent {
    /// Which, and where it lies.
    #[serde(flatten)]
    pub event: EventRef,
    /// The record's own time.
    pub record_time: Timestamp,
    /// Which system told it.
    pub source: Str,
    /// The fulfillment that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fulfillment_id: Option<Str>,
}

/// What one policy makes of an order.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ExplainedPolicy {
    /// The policy's id.
    pub policy: Str,
    /// An SLA or a check.
    pub kind: Kind,
    /// Its cycles or findings; with none, `none_because` says why.
    pub cycles: Vec<ExplainedCycle>,
    /// Why an SLA runs no cycle on the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub none_because: Option<NoCycle>,
    /// The same in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why_none: Option<String>,
}

/// Why an SLA runs no cycle on an order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum NoCycle {
    /// Its start has not come.
    NotStarted {
        /// The milestone.
        start: Str,
    },
    /// `when` did not hold at its start.
    WhenDoesNotHold,
    /// Another SLA of its `first_match` group runs.
    AnotherOfItsGroup,
    /// There is no promised date.
    NothingPromised,
    /// It was cancelled at or before its start, or has no target there.
    EndedBeforeItBegan,
}

/// One run of an SLA, or one finding of a check.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ExplainedCycle {
    /// How it stands.
    pub verdict: Verdict,
    /// The same in a sentence, with the reason.
    pub why: String,
    /// The fulfillment that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fulfillment_id: Option<Str>,
    /// What started it.
    pub trigger: EventRef,
    /// When it started.
    pub started_at: Timestamp,
    /// What keeps the promise; `None` for a check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub awaits: Option<Str>,
    /// When it is due; `None` while its clock stands still with no end in sight.
    pub deadline: Option<Timestamp>,
    /// The frontier must be past the deadline by so much.
    pub grace_ms: i64,
    /// The running time allowed; `None` for a promised date and for a check.
    pub target_ms: Option<i64>,
    /// When its clock stood still, `[from, until)`; the last may go on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pauses: Vec<PauseTold>,
    /// How it ended.
    pub ended: Option<EndTold>,
    /// By the wall, up to its end, or to the frontier.
    pub actual_elapsed_ms: i64,
    /// On its own clock.
    pub business_elapsed_ms: i64,
    /// What a check compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<CheckFigures>,
    /// What was published of it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<PublishedTold>,
}

/// How a cycle stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Its deadline is ahead, or the frontier has not passed it by grace.
    Running,
    /// Its clock stands still.
    Paused,
    /// Done in time.
    Met,
    /// Not done, and too late.
    Breached,
    /// Done, too late.
    BreachedThenDone,
    /// No longer wanted, in time.
    Cancelled,
    /// No longer wanted, too late.
    BreachedThenCancelled,
}

/// A time in which a clock stood still.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PauseTold {
    /// From when on.
    pub from: Timestamp,
    /// Until when; `None` where nothing has ended it.
    pub until: Option<Timestamp>,
}

/// The end of a cycle.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct EndTold {
    /// When, by event_time.
    pub at: Timestamp,
    /// By which event.
    pub by: EventRef,
    /// When its record was written.
    pub known_at: Timestamp,
    /// At or before the deadline.
    pub in_time: bool,
}

/// What was published of a cycle last.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PublishedTold {
    /// The exception.
    pub exception_id: Str,
    /// Its status.
    pub status: Str,
    /// The frontier that it states.
    pub frontier: Timestamp,
    /// Rises with each reopening.
    pub incarnation: u32,
    /// The rung in force.
    pub escalation_level: u32,
    /// Who holds it.
    pub owner: Str,
}

impl Shard {
    /// What is known here of the order, or of the `entity`, with this id; `None` where nothing is, or only that it was closed
    /// long ago.
    pub fn explain(&self, entity: &str, id: &str) -> Option<Explained> {
        let entity = self.index.id_of(entity)?;
        let order = &*self.slots.order(self.index.get(&self.slots, entity, id)?)?;
        let (policies, settings, entity) = (&self.policies, &self.settings, self.index.entity(entity));
        Some(Teller { policies, settings, entity, order, frontier: self.frontier }.explain())
    }
}

/// Explains one order.
struct Teller<'a> {
    policies: &'a Policies,
    settings: &'a Settings,
    entity: &'a Entity,
    order: &'a Order,
    frontier: Timestamp,
}

impl Teller<'_> {
    fn explain(&self) -> Explained {
        let view = OrderView::of(self.entity, &self.order.id, &self.order.events);
        let mut policies: Vec<_> = (0..self.policies.slas.len()).filter_map(|at| self.sla(at, &view)).collect();
        let mut closing = Closing::of(&view);
        for place in 0..self.policies.slas.len() {
            self.policies.cycles(place, &view).iter().for_each(|cycle| closing.consider(&cycle.case));
        }
        for (i, check) in self.policies.checks.iter().enumerate() {
            let mut told = ExplainedPolicy::new(&check.id, Kind::Reconciliation);
            for (r, reason) in check.kind.reasons().iter().enumerate() {
                let key = CaseKey::Check(i as u16, r as u8);
                for case in check.cases(&view, reason) {
                    closing.consider(&case);
                    told.cycles.push(self.cycle(&case, &key, check.grace, None));
                }
            }
            policies.extend((!told.cycles.is_empty()).then_some(told));
        }
        Explained {
            subject: Explainee::of(self.entity, &self.order.id),
            frontier: self.frontier,
            closed_at: closing.closed_at(),
            timeline: self.order.events.iter().map(|event| self.event(event)).collect(),
            policies,
        }
    }

    fn sla(&self, place: usize, view: &OrderView<'_>) -> Option<ExplainedPolicy> {
        let sla = self.policies.slas.get(place).filter(|sla| sla.entity == *self.entity)?;
        let mut told = ExplainedPolicy::new(&sla.id, Kind::Sla);
        for cycle in self.policies.cycles(place, view) {
            let key = key_of_cycle(place, sla, &cycle, &self.settings.streams);
            let explained = self.cycle(&cycle.case, &key, sla.grace, Some(sla.stop.milestone.as_str()));
            told.cycles.push(ExplainedCycle { fulfillment_id: cycle.fulfillment_id.cloned(), ..explained });
        }
        told.none_because = told.cycles.is_empty().then(|| self.why_none(place, sla, view));
        told.why_none = told.none_because.as_ref().map(words::none);
        Some(told)
    }

    fn why_none(&self, place: usize, sla: &Sla, view: &OrderView<'_>) -> NoCycle {
        let Some(start) = view.first(&sla.start.milestone) else {
            return NoCycle::NotStarted { start: Str::new(sla.start.milestone.as_str()) };
        };
        if !sla.holds_at(view, start.at) {
            return NoCycle::WhenDoesNotHold;
        }
        let group = |other: &&Sla| sla.first_match.is_some() && other.first_match == sla.first_match;
        if self.policies.slas.iter().take(place).filter(group).any(|other| other.applies(view, start)) {
            return NoCycle::AnotherOfItsGroup;
        }
        if sla.target.is_promised() { NoCycle::NothingPromised } else { NoCycle::EndedBeforeItBegan }
    }

    fn cycle(&self, case: &Case<'_>, key: &CaseKey, grace: Option<Millis>, awaits: Option<&str>) -> ExplainedCycle {
        let grace = self.settings.grace_for(grace, self.entity);
        let renderer = self.renderer();
        let until = case.end.map_or(self.frontier, |end| end.at);
        let (actual, business) = case.elapsed(until);
        let (target_ms, pauses) = match &case.clock {
            CaseClock::Running { ledger, target } => (Some(target.get()), ledger.pauses()),
            CaseClock::Promised { ledger } => (None, ledger.pauses()),
            CaseClock::Plain => (None, &[][..]),
        };
        let pauses = pauses.iter().filter(|(_, until)| *until > case.started_at);
        let pause = |(from, until): &(Timestamp, Timestamp)| PauseTold {
            from: *from,
            until: Some(*until).filter(|until| *until < Timestamp::MAX),
        };
        let told = ExplainedCycle {
            verdict: verdict(case, self.frontier, grace),
            why: String::new(),
            fulfillment_id: None,
            trigger: renderer.event_ref(case.trigger),
            started_at: case.started_at,
            awaits: awaits.map(Str::new),
            deadline: case.deadline,
            grace_ms: grace.get(),
            target_ms,
            pauses: pauses.map(pause).collect(),
            ended: case.end.map(|end| EndTold {
                at: end.at,
                by: renderer.event_ref(end.by),
                known_at: end.known_at,
                in_time: end.in_time,
            }),
            actual_elapsed_ms: actual.get(),
            business_elapsed_ms: business.get(),
            check: case.figures.as_deref().cloned(),
            published: self.order.published.iter().find(|p| p.key == *key && !p.silent).map(published),
        };
        ExplainedCycle { why: words::why(&told, self.frontier), ..told }
    }

    fn event(&self, event: &Event) -> ToldEvent {
        ToldEvent {
            event: self.renderer().event_ref(event),
            record_time: event.record_time,
            source: event.source.clone(),
            fulfillment_id: event.fulfillment_id().cloned(),
        }
    }

    fn renderer(&self) -> Renderer<'_> {
        Renderer { settings: self.settings, policies: self.policies }
    }
}

impl Explainee {
    fn of(entity: &Entity, id: &Str) -> Self {
        match entity.is_order() {
            true => Explainee::Order { order_id: id.clone() },
            false => Explainee::Other { entity: entity.name().clone(), id: id.clone() },
        }
    }
}

impl ExplainedPolicy {
    fn new(policy: &Str, kind: Kind) -> Self {
        ExplainedPolicy { policy: policy.clone(), kind, cycles: Vec::new(), none_because: None, why_none: None }
    }
}

fn verdict(case: &Case<'_>, frontier: Timestamp, grace: Millis) -> Verdict {
    match case.end {
        Some(end) if end.in_time && end.kind == EndKind::Done => Verdict::Met,
        Some(end) if end.in_time => Verdict::Cancelled,
        Some(end) if end.kind == EndKind::Done => Verdict::BreachedThenDone,
        Some(_) => Verdict::BreachedThenCancelled,
        None if case.is_breached(frontier, grace) => Verdict::Breached,
        None => match &case.clock {
            CaseClock::Running { ledger, .. } if stands_still(ledger.pauses(), frontier) => Verdict::Paused,
            _ => Verdict::Running,
        },
    }
}

fn stands_still(pauses: &[(Timestamp, Timestamp)], frontier: Timestamp) -> bool {
    pauses.iter().any(|(from, until)| *from <= frontier && frontier < *until)
}

fn published(told: &Published) -> PublishedTold {
    let Exception { exception_id, status, frontier, incarnation, escalation_level, owner, .. } = &told.last;
    PublishedTold {
        exception_id: exception_id.clone(),
        status: Str::new_static(status.as_str()),
        frontier: *frontier,
        incarnation: *incarnation,
        escalation_level: *escalation_level,
        owner: owner.clone(),
    }
}
