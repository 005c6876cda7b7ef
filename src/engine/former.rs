//! What was over before an edit and may not have been told to its end (`at_least_once`, where nothing fences a process that
//! stood still): the document that judged it last says what is still to be told of it.

use std::sync::Arc;

use crate::domain::ExceptionId;
use crate::policy::Policies;
use crate::policy::view::OrderView;

use super::cycles::{Known, key_of_cycle};
use super::history::Since;
use super::judge::{Judge, Sink, key_of};
use super::lifecycle::Closing;
use super::order::{CaseKey, Order, Published};
use super::outbox::Outbox;
use super::reconcile::Move;
use super::shard::{Shard, Transition};

/// A published state of a settled case that nobody vouches for.
#[derive(Debug)]
pub(super) struct Unsure {
    pub slot: u32,
    pub birth: u32,
    pub exception_id: ExceptionId,
    /// The document that judged the case last.
    pub judged_by: Arc<Policies>,
}

impl Shard {
    /// Tells what the documents before say of what is unsure. As often as one likes: what was told is not told again.
    pub(super) fn judge_unsure(&mut self) {
        let unsure = std::mem::take(&mut self.unsure);
        for of in &unsure {
            for transition in self.told_by_former(of) {
                self.publish_former(of, transition);
            }
        }
        self.unsure = unsure;
    }

    fn told_by_former(&mut self, of: &Unsure) -> Vec<Transition> {
        let Some(order) = self.slots.order_mut(of.slot).map(|order| &*order) else { return Vec::new() };
        let Some(told) = order.unsure(of) else { return Vec::new() };
        let Some(key) = key_of(&of.judged_by, &told.last) else { return Vec::new() };
        let mut published = vec![Published { key: key.clone(), ..told.clone() }];
        let mut outbox = Outbox::default();
        let judge = Judge {
            policies: &of.judged_by,
            settings: &self.settings,
            interests: &self.interests,
            entity: self.index.entity(order.entity),
            past: self.past,
            slot: of.slot,
            birth: of.birth,
            since: &Since::default(),
            moved: Move { from: self.frontier, to: self.frontier },
            sink: Some(Sink { outbox: &mut outbox, counters: &mut self.counters, cycles_ended: None }),
            queues: None,
        };
        let view = OrderView::of(judge.entity, &order.id, &order.events);
        judge.one(&key, &view, &mut published);
        outbox.drain()
    }

    fn publish_former(&mut self, of: &Unsure, transition: Transition) {
        let Transition::Publish(exception) = transition else { return };
        let Some(order) = self.slots.order_mut(of.slot) else { return };
        let told = order.published.iter_mut().find(|told| told.last.exception_id == of.exception_id);
        let Some(told) = told else { return };
        let before = told.clone();
        told.last = (*exception).clone();
        self.outbox.publish(of.slot, of.birth, Some(before), *exception);
    }
}

impl Order {
    /// The state, while its case is still settled.
    fn unsure(&self, of: &Unsure) -> Option<&Published> {
        let told = self.published.iter().find(|told| told.last.exception_id == of.exception_id)?;
        (self.birth == of.birth && self.settled.contains(&told.key)).then_some(told)
    }
}

impl Judge<'_> {
    /// Judges one case alone.
    fn one(mut self, key: &CaseKey, view: &OrderView<'_>, published: &mut Vec<Published>) {
        let mut closing = Closing::of(view);
        match key {
            CaseKey::Sla(place, _) => {
                let place = usize::from(*place);
                let Some(sla) = self.policies.slas.get(place) else { return };
                let cycles = self.policies.cycles(place, view);
                let topics = &self.settings.streams;
                let cycle = cycles.iter().find(|cycle| key_of_cycle(place, sla, cycle, topics) == *key);
                let mut known = Known { published, ended: &mut Vec::new(), settled: &[] };
                self.cycle(sla, key, cycle, view, &mut known, &mut closing);
            }
            CaseKey::Check(place, reason) => {
                let Some(check) = self.policies.checks.get(usize::from(*place)) else { return };
                let Some(reason) = check.kind.reasons().get(usize::from(*reason)) else { return };
                self.reason(key, check, reason, view, published, &mut closing);
            }
            CaseKey::Unknown(_) => {}
        }
    }
}
