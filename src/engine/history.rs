//! The policy documents that a shard has been judged by (DESIGN section 5).
//!
//! A document comes into force at a frontier. A cycle that had ended before is frozen, and stays so until a new event of
//! its order: an edit rejudges nothing that is over. An id that is new publishes nothing that was overdue by then.

use std::sync::Arc;

use crate::domain::{Event, Millis, Str, Timestamp};
use crate::guard::{Guard, is_off};
use crate::policy::Policies;
use crate::policy::case::Case;
use crate::policy::view::OrderView;

use super::order::CaseKey;

/// One document, and from where on it was in force.
#[derive(Clone, Debug)]
pub struct Era {
    /// The document.
    pub policies: Arc<Policies>,
    /// The shard's frontier when it came into force.
    pub frontier: Timestamp,
    /// By stream: the first offset that had not been read by then.
    pub positions: Vec<i64>,
}

impl Era {
    fn knew(&self, event: &Event) -> bool {
        let position = self.positions.get(usize::from(event.position.stream.0));
        position.is_some_and(|position| event.position.offset < *position)
    }
}

/// All of them, oldest first; the last one is in force.
#[derive(Clone, Debug, Default)]
pub struct History {
    eras: Vec<Era>,
}

impl History {
    /// `eras`, oldest first.
    pub fn new(eras: Vec<Era>) -> Self {
        History { eras }
    }

    /// Whether there never was another document.
    pub(super) fn is_plain(&self) -> bool {
        self.eras.len() < 2
    }

    /// What of the document in force is not judged on an order: it had ended when another document came, and nothing new
    /// has been heard of the order since.
    pub(super) fn settled(&self, order_id: &str, events: &[Event], grace: Millis) -> Vec<CaseKey> {
        let Some(in_force) = self.eras.last().filter(|_| !self.is_plain()) else { return Vec::new() };
        let slas = in_force.policies.slas.iter().enumerate();
        let slas = slas.map(|(i, sla)| (CaseKey::Sla(i as u16), Policy::Sla(&sla.id)));
        let checks = in_force.policies.checks.iter().enumerate().flat_map(|(i, check)| {
            let reasons = check.kind.reasons().iter().enumerate();
            reasons.map(move |(r, reason)| (CaseKey::Check(i as u16, r as u8), Policy::Check(&check.id, reason)))
        });
        let settled = |(_, policy): &(CaseKey, Policy<'_>)| self.is_settled(*policy, order_id, events, grace);
        slas.chain(checks).filter(settled).map(|(key, _)| key).collect()
    }

    fn is_settled(&self, policy: Policy<'_>, order_id: &str, events: &[Event], grace: Millis) -> bool {
        let mut judged_by = 0;
        for (k, era) in self.eras.iter().enumerate().skip(1) {
            let next = self.eras.get(k + 1);
            let is_news = |event: &Event| !era.knew(event) && next.is_none_or(|next| next.knew(event));
            let known: Vec<Event> = events.iter().filter(|event| era.knew(event)).cloned().collect();
            let view = OrderView::new(order_id, &known);
            let had_ended = policy.has_ended(&self.eras[judged_by].policies, &view, era.frontier, grace);
            if !had_ended || events.iter().any(is_news) {
                judged_by = k;
            }
        }
        judged_by + 1 < self.eras.len()
    }

    /// For each SLA and each check of the document in force: what was overdue before this instant is not published, because
    /// its id is newer. `Timestamp::MIN` for an id that has been there from the first, or says `backfill`.
    pub(super) fn since(&self) -> Since {
        let Some(in_force) = self.eras.last() else { return Since::default() };
        let since = |backfill: bool, has: &dyn Fn(&Policies) -> bool| {
            if backfill {
                return Timestamp::MIN;
            }
            let first = self.eras.iter().rposition(|era| !has(&era.policies)).map(|before| before + 1);
            first.and_then(|first| self.eras.get(first)).map_or(Timestamp::MIN, |era| era.frontier)
        };
        let slas = in_force.policies.slas.iter();
        let checks = in_force.policies.checks.iter();
        Since {
            slas: slas.map(|sla| since(sla.backfill, &|p| p.slas.iter().any(|other| other.id == sla.id))).collect(),
            checks: checks
                .map(|check| since(check.backfill, &|p| p.checks.iter().any(|other| other.id == check.id)))
                .collect(),
        }
    }
}

/// Since when each policy of the document in force has been there, by its place.
#[derive(Clone, Debug, Default)]
pub(super) struct Since {
    slas: Vec<Timestamp>,
    checks: Vec<Timestamp>,
}

impl Since {
    /// Whether something due at `due` was overdue when its policy came into force.
    pub fn is_before(&self, key: CaseKey, due: Timestamp, grace: Millis) -> bool {
        let since = match key {
            CaseKey::Sla(place) => self.slas.get(usize::from(place)),
            CaseKey::Check(place, _) => self.checks.get(usize::from(place)),
            CaseKey::Unknown(_) => None,
        };
        since.is_some_and(|since| due + grace < *since)
    }
}

/// A policy by its id, whatever document it stands in.
#[derive(Clone, Copy, Debug)]
enum Policy<'a> {
    Sla(&'a Str),
    Check(&'a Str, &'a str),
}

impl Policy<'_> {
    /// Whether a document says of an order that the policy's cycle is over at that frontier: met, resolved or cancelled. Of an
    /// end that came too late nothing is told before the frontier is past the deadline: until then it is not over.
    fn has_ended(self, document: &Policies, view: &OrderView<'_>, frontier: Timestamp, grace: Millis) -> bool {
        let is_due = |case: &Case<'_>, own: Option<Millis>| {
            is_off(Guard::TooLateIsOverOnceDue) || case.is_breached(frontier, own.unwrap_or(grace))
        };
        let is_over = |case: &Case<'_>, own| case.end.is_some_and(|end| end.in_time || is_due(case, own));
        match self {
            Policy::Sla(id) => {
                let Some(place) = document.slas.iter().position(|sla| sla.id == *id) else { return false };
                let own = document.slas.get(place).and_then(|sla| sla.grace);
                document.sla_case(place, view).is_some_and(|case| is_over(&case, own))
            }
            Policy::Check(id, reason) => {
                let Some(check) = document.checks.iter().find(|check| check.id == *id) else { return false };
                let cases = check.cases(view, reason);
                !cases.is_empty() && cases.iter().all(|case| is_over(case, check.grace))
            }
        }
    }
}
