//! The policy documents that a shard has been judged by (DESIGN section 5).
//!
//! A document comes into force at a frontier. A cycle that had ended before is frozen, and stays so until a new event of
//! its order: an edit rejudges nothing that is over. An id that is new publishes nothing that was overdue by then.

use std::sync::Arc;

use crate::domain::{Entity, Event, Millis, Timestamp};
use crate::guard::{Guard, is_off};
use crate::policy::case::Case;
use crate::policy::cycle::Cycle;
use crate::policy::sla::Sla;
use crate::policy::view::OrderView;
use crate::policy::{CheckPolicy, Policies, Settings};

use super::cycles::key_of_cycle;
use super::order::{CaseKey, Published};

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
    /// has been heard of the order since. With it the place of the document that judged it last.
    pub(super) fn settled(
        &self,
        entity: &Entity,
        order_id: &str,
        events: &[Event],
        published: &[Published],
        settings: &Settings,
    ) -> Vec<(CaseKey, usize)> {
        let Some(in_force) = self.eras.last().filter(|_| !self.is_plain()) else { return Vec::new() };
        let policies = &in_force.policies;
        let view = OrderView::of(entity, order_id, events);
        let cycles = policies.slas.iter().enumerate().flat_map(|(place, sla)| {
            let cycles = policies.cycles(place, &view).into_iter();
            cycles.map(move |cycle| key_of_cycle(place, sla, &cycle, &settings.streams))
        });
        let mut keys: Vec<CaseKey> = cycles.collect();
        // What was told of cycles that this document does not have.
        for told in published.iter().map(|p| &p.key).filter(|key| matches!(key, CaseKey::Sla(..))) {
            if !keys.contains(told) {
                keys.push(told.clone());
            }
        }
        keys.extend(
            policies
                .checks
                .iter()
                .enumerate()
                .flat_map(|(i, check)| (0..check.kind.reasons().len()).map(move |r| CaseKey::Check(i as u16, r as u8))),
        );
        let settled = keys.into_iter().map(|key| {
            let judged_by = self.judged_by(&key, policies, &view, settings);
            (key, judged_by)
        });
        settled.filter(|(_, judged_by)| judged_by + 1 < self.eras.len()).collect()
    }

    /// The document at this place.
    pub(super) fn document(&self, place: usize) -> Option<&Arc<Policies>> {
        self.eras.get(place).map(|era| &era.policies)
    }

    /// The place of the document that judges a case of the one in force.
    fn judged_by(&self, key: &CaseKey, in_force: &Policies, view: &OrderView<'_>, settings: &Settings) -> usize {
        let mut judged_by = 0;
        for (k, era) in self.eras.iter().enumerate().skip(1) {
            let next = self.eras.get(k + 1);
            let is_news = |event: &Event| !era.knew(event) && next.is_none_or(|next| next.knew(event));
            let known: Vec<Event> = view.events().iter().filter(|event| era.knew(event)).cloned().collect();
            let then =
                Then { view: OrderView::of(view.entity(), view.order_id(), &known), frontier: era.frontier, settings };
            let had_ended = then.has_ended(key, in_force, &self.eras[judged_by].policies);
            if !had_ended || view.events().iter().any(is_news) {
                judged_by = k;
            }
        }
        judged_by
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
            slas: slas.map(|sla| since(sla.backfill, &|p| p.slas.iter().any(|other| is_same(sla, other)))).collect(),
            checks: checks
                .map(|check| since(check.backfill, &|p| p.checks.iter().any(|other| is_same_check(check, other))))
                .collect(),
        }
    }
}

/// Whether two documents' SLAs are one: about another entity, an id names another.
fn is_same(one: &Sla, other: &Sla) -> bool {
    one.id == other.id && one.entity == other.entity
}

fn is_same_check(one: &CheckPolicy, other: &CheckPolicy) -> bool {
    one.id == other.id && one.entity == other.entity
}

/// Since when each policy of the document in force has been there, by its place.
#[derive(Clone, Debug, Default)]
pub(super) struct Since {
    slas: Vec<Timestamp>,
    checks: Vec<Timestamp>,
}

impl Since {
    /// Whether something due at `due` was overdue when its policy came into force.
    pub fn is_before(&self, key: &CaseKey, due: Timestamp, grace: Millis) -> bool {
        let since = match key {
            CaseKey::Sla(place, _) => self.slas.get(usize::from(*place)),
            CaseKey::Check(place, _) => self.checks.get(usize::from(*place)),
            CaseKey::Unknown(_) => None,
        };
        since.is_some_and(|since| due + grace < *since)
    }
}

/// An order as it was known when a document came into force.
struct Then<'a> {
    view: OrderView<'a>,
    frontier: Timestamp,
    settings: &'a Settings,
}

impl Then<'_> {
    /// Whether a document says that a case of the one in force was over then: met, resolved or cancelled. Of an end that came
    /// too late nothing is told before the frontier is past the deadline: until then it is not over.
    fn has_ended(&self, key: &CaseKey, in_force: &Policies, document: &Policies) -> bool {
        let is_over = |case: &Case<'_>, own: Option<Millis>| {
            let grace = self.settings.grace_for(own, self.view.entity());
            let is_due = is_off(Guard::TooLateIsOverOnceDue) || case.is_breached(self.frontier, grace);
            case.end.is_some_and(|end| end.in_time || is_due)
        };
        match key {
            CaseKey::Sla(place, _) => {
                let own = usize::from(*place);
                let Some(sla) = in_force.slas.get(own) else { return false };
                let Some(place) = document.slas.iter().position(|other| is_same(sla, other)) else { return false };
                // Where its cycles were others, it is asked what of those that there are now was over.
                let like = document.slas.get(place).filter(|other| other.has_cycles_like(sla));
                let (document, place, sla) = like.map_or((in_force, own, sla), |like| (document, place, like));
                let is_it = |cycle: &Cycle<'_>| key_of_cycle(own, sla, cycle, &self.settings.streams) == *key;
                document.cycles(place, &self.view).iter().any(|cycle| is_it(cycle) && is_over(&cycle.case, sla.grace))
            }
            CaseKey::Check(place, reason) => {
                let Some(check) = in_force.checks.get(usize::from(*place)) else { return false };
                let Some(reason) = check.kind.reasons().get(usize::from(*reason)) else { return false };
                let Some(check) = document.checks.iter().find(|other| is_same_check(check, other)) else {
                    return false;
                };
                let cases = check.cases(&self.view, reason);
                !cases.is_empty() && cases.iter().all(|case| is_over(case, check.grace))
            }
            CaseKey::Unknown(_) => false,
        }
    }
}
