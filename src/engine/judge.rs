//! Judging one order: each policy's cases against the frontier and what was published.

use crate::domain::{Entity, Exception, Kind, Status, Str, Timestamp, exception_id};
use crate::policy::case::{Case, CaseClock, EndKind};
use crate::policy::checks::CheckPolicy;
use crate::policy::interest::Interest;
use crate::policy::view::OrderView;
use crate::policy::{Policies, Settings};

use super::backlog::Partials;
use super::cycles::{Known, key_of_told};
use super::history::Since;
use super::inert::{Inert, Interests};
use super::lifecycle::Closing;
use super::order::{CaseKey, Frozen, Order, Published};
use super::outbox::Outbox;
use super::past::Past;
use super::reconcile::{Ladder, Move, Step};
use super::render::{Label, Renderer};
use super::shard::{CycleEnded, ShardCounters};

/// What judging an order may publish to; nothing at all while a shard is being restored.
#[derive(Debug)]
pub(super) struct Sink<'a> {
    pub outbox: &'a mut Outbox,
    pub counters: &'a mut ShardCounters,
    /// `None` where ended cycles were counted before (a restore).
    pub cycles_ended: Option<&'a mut Vec<CycleEnded>>,
}

/// What judging found out about the order itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Verdict {
    /// When it closed, in record time.
    pub closed_at: Option<Timestamp>,
    /// The next instant that the frontier must pass.
    pub next_due: Option<Timestamp>,
}

/// What judging one policy found out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said {
    /// The next instant that the frontier must pass.
    pub due: Option<Timestamp>,
    /// Whether it stays so until an event touches it ([`super::inert`]).
    pub is_inert: bool,
}

/// What judging all of them found out.
struct Found {
    inert: Inert,
    next_due: Option<Timestamp>,
}

/// Judges one order by one policy document.
#[derive(Debug)]
pub(super) struct Judge<'a> {
    pub policies: &'a Policies,
    pub settings: &'a Settings,
    pub interests: &'a Interests,
    /// What the order is.
    pub entity: &'a Entity,
    pub past: Past,
    pub slot: u32,
    /// The order's, see [`Order::birth`].
    pub birth: u32,
    pub since: &'a Since,
    pub moved: Move,
    pub sink: Option<Sink<'a>>,
    /// What to tell of where the order stands; `None` where its facts are as they were, or are not all known yet.
    pub queues: Option<&'a mut Partials>,
}

impl Judge<'_> {
    /// Judges every policy on the order that may have something to say of it, in file order.
    pub fn order(mut self, order: &mut Order) -> Verdict {
        let Order { id, events, published, ended, stays, settled, touched, inert, .. } = order;
        let view = OrderView::of(self.entity, id, events);
        let mut closing = Closing::of(&view);
        let may_skip = closing.closed_at().is_none() && published.is_empty() && settled.is_empty();
        let idle = if may_skip { self.interests.untouched(*inert, *touched) } else { Inert::default() };
        let mut found = Found { inert: idle, next_due: None };
        let policies = self.policies;
        for place in (0..policies.slas.len()).filter(|place| !idle.has(*place)) {
            let mut known = Known { published, ended, settled };
            let said = self.sla(place, &view, &mut known, &mut closing);
            found.note(place, said);
        }
        for (i, check) in policies.checks.iter().enumerate() {
            let place = self.interests.place_of_check(i);
            if !idle.has(place) {
                let said = self.check(i, check, &view, published, settled, &mut closing);
                found.note(place, said);
            }
        }
        self.end_removed(published);
        if let Some(queues) = &mut self.queues {
            let is_first = stays.len() < policies.queues().count();
            stays.resize_with(policies.queues().count(), Vec::new);
            for (i, (backlog, stay)) in policies.queues().zip(stays).enumerate() {
                if !is_first && !self.interests.touches_queue(i, *touched) {
                    continue;
                }
                let now = self.past.provable(backlog.memberships(&view));
                queues.replace(i, id, stay, &now);
                *stay = now;
            }
        }
        // Who may not count or tell has not heard the last of it.
        if self.sink.is_some() {
            (*touched, *inert) = (Interest::NONE, found.inert);
        }
        Verdict { closed_at: closing.closed_at(), next_due: found.next_due }
    }

    /// Judges a check, each of its reasons.
    fn check(
        &mut self,
        place: usize,
        check: &CheckPolicy,
        view: &OrderView<'_>,
        published: &mut Vec<Published>,
        settled: &[CaseKey],
        closing: &mut Closing,
    ) -> Said {
        let mut said = Said { due: None, is_inert: settled.is_empty() };
        for (r, reason) in check.kind.reasons().iter().enumerate() {
            let key = CaseKey::Check(place as u16, r as u8);
            if !settled.contains(&key) {
                said.and(self.reason(&key, check, reason, view, published, closing));
            }
        }
        said
    }

    /// Judges one reason of a check.
    pub(super) fn reason(
        &mut self,
        key: &CaseKey,
        check: &CheckPolicy,
        reason: &str,
        view: &OrderView<'_>,
        published: &mut Vec<Published>,
        closing: &mut Closing,
    ) -> Said {
        let cases = check.cases(view, reason);
        if cases.is_empty() && published.iter().all(|told| told.key != *key) {
            return Said::NOTHING;
        }
        let subject = Subject { key, ladder: self.check_ladder(check), label: check_label(check, reason) };
        Said::due(self.cases(&subject, view, &cases, published, closing))
    }

    /// Brings the published state of one exception in line with its cases, oldest first.
    pub(super) fn cases(
        &mut self,
        subject: &Subject<'_>,
        view: &OrderView<'_>,
        cases: &[Case<'_>],
        published: &mut Vec<Published>,
        closing: &mut Closing,
    ) -> Option<Timestamp> {
        cases.iter().for_each(|case| closing.consider(case));
        // A subscriber takes no state whose frontier lies before the one that it has.
        let told_at = published.iter().find(|p| p.key == *subject.key).map(|p| p.last.frontier);
        let from = self.moved.from.max(told_at.unwrap_or(self.moved.from)).min(self.moved.to);
        let moved = Move { from, ..self.moved };
        let grace = subject.ladder.grace;
        let due = cases.iter().take_while(|case| case.is_breached(moved.to, grace)).count();
        if self.sink.is_some() {
            let told = published.iter().find(|p| p.key == *subject.key);
            let is_past =
                |told: &Published| told.frozen == Frozen::Past || self.told_is_unproven(subject, view, cases, told);
            if told.is_some_and(is_past) {
                self.end_past(subject, view, cases, published, moved);
                return None;
            }
            let breached = told.filter(|p| p.last.breached_at.is_some());
            let told_of = |case: &Case<'_>| breached.is_some_and(|p| p.last.deadline == case.deadline);
            // Each finding is told, from the one that was told last on; where that one is none any more, the last.
            let first = cases.iter().take(due).position(told_of);
            let first = first.unwrap_or(if breached.is_some() { due.saturating_sub(1) } else { 0 });
            match due {
                0 => self.follow(subject, view, cases.first(), published, moved),
                _ => {
                    cases[first..due].iter().for_each(|case| self.follow(subject, view, Some(case), published, moved));
                }
            }
        }
        let pending = cases.iter().skip(due.saturating_sub(1));
        pending.filter_map(|case| subject.ladder.next_due(case, moved.to)).min()
    }

    /// Whether a case that began then may be none by events that were removed before they could be read here.
    fn is_unproven(&self, subject: &Subject<'_>, view: &OrderView<'_>, began: Timestamp) -> bool {
        let check = match subject.key {
            CaseKey::Check(place, _) => self.policies.checks.get(usize::from(*place)),
            _ => None,
        };
        self.past.may_lack(view, began, check.map(|check| &check.kind))
    }

    /// Whether what was told once can be judged no more: the facts may lack what it rests on, or what ended it.
    fn told_is_unproven(
        &self,
        subject: &Subject<'_>,
        view: &OrderView<'_>,
        cases: &[Case<'_>],
        told: &Published,
    ) -> bool {
        let mut began = told.last.started_at.into_iter().chain(cases.iter().map(|case| case.started_at));
        !told.silent && began.any(|began| self.is_unproven(subject, view, began))
    }

    /// What rests on a past that was not read is never retracted, and an event ends it.
    fn end_past(
        &mut self,
        subject: &Subject<'_>,
        view: &OrderView<'_>,
        cases: &[Case<'_>],
        published: &mut Vec<Published>,
        moved: Move,
    ) {
        let Some(told) = published.iter().find(|p| p.key == *subject.key && !p.last.status.has_ended()) else { return };
        let fulfillment_id = told.last.fulfillment_id.clone();
        let own = fulfillment_id.as_ref().map_or(*view, |id| view.of_fulfillment(id));
        let end = match subject.key {
            CaseKey::Sla(place, _) => {
                self.policies.slas.get(usize::from(*place)).and_then(|sla| sla.end(&own, told.last.started_at))
            }
            // Where its own finding is still known, an event may end it too.
            _ => cases.iter().filter(|case| told.last.started_at == Some(case.started_at)).find_map(|case| case.end),
        };
        let Some(end) = end else { return };
        let status = match (end.kind, told.last.breached_at) {
            (EndKind::Cancelled, _) => Status::Cancelled,
            (EndKind::Done, Some(_)) => Status::Resolved,
            (EndKind::Done, None) => Status::Averted,
        };
        let case = Case {
            trigger: end.by,
            started_at: told.last.started_at.unwrap_or(end.at),
            deadline: told.last.deadline,
            clock: CaseClock::Plain,
            end: Some(end),
            figures: None,
            follows: None,
        };
        let level = told.last.escalation_level;
        let step = Step { status, warn_percent: None, level, frontier: moved.from, due: None };
        self.publish(subject, view, Some(&case), &step, published);
        if let Some(told) = published.iter_mut().find(|p| p.key == *subject.key) {
            told.frozen = Frozen::Past;
        }
    }

    /// Publishes the steps from what was published to what one case says.
    fn follow(
        &mut self,
        subject: &Subject<'_>,
        view: &OrderView<'_>,
        case: Option<&Case<'_>>,
        published: &mut Vec<Published>,
        moved: Move,
    ) {
        let told = published.iter().find(|p| p.key == *subject.key).map(|p| &p.last);
        for step in subject.ladder.steps(case, told, moved) {
            self.publish(subject, view, case, &step, published);
        }
    }

    fn publish(
        &mut self,
        subject: &Subject<'_>,
        view: &OrderView<'_>,
        case: Option<&Case<'_>>,
        step: &Step,
        published: &mut Vec<Published>,
    ) {
        let unproven = case.is_some_and(|case| self.is_unproven(subject, view, case.started_at));
        let grace = subject.ladder.grace;
        let is_overdue = |due| due < self.settings.publish_after || self.since.is_before(subject.key, due, grace);
        let overdue = unproven || step.due.is_some_and(is_overdue);
        let Some(sink) = &mut self.sink else { return };
        if step.status == Status::AtRisk && overdue && !published.iter().any(|p| p.key == *subject.key && !p.silent) {
            return;
        }
        let place = published.iter().position(|p| p.key == *subject.key);
        let before = place.map(|i| published[i].clone());
        // What was never told has no past: what follows it is told as the first of its kind. What was told once is live,
        // wherever its deadline has moved.
        let was_silent = before.as_ref().is_some_and(|p| p.silent);
        let begins = matches!(step.status, Status::AtRisk | Status::Opened);
        let silent = if begins { overdue && (was_silent || before.is_none()) } else { was_silent };
        let past = before.as_ref().filter(|_| was_silent == silent).map(|p| &p.last);
        let renderer = Renderer { settings: self.settings, policies: self.policies };
        let Some(exception) = renderer.exception(&subject.label, view, case, step, past) else { return };
        let entry = Published { key: subject.key.clone(), last: exception.clone(), silent, frozen: Frozen::No };
        match place {
            Some(i) => published[i] = entry,
            None => published.push(entry),
        }
        if silent {
            let counted = if unproven { &mut sink.counters.unproven } else { &mut sink.counters.kept_back };
            *counted += u64::from(step.status == Status::Opened);
        } else {
            sink.outbox.publish(self.slot, self.birth, before, exception);
        }
    }

    /// What stands of a policy that the document in force does not have ends as if there had been no cycle.
    fn end_removed(&mut self, published: &mut [Published]) {
        let Some(sink) = &mut self.sink else { return };
        let is_removed = |p: &&mut Published| matches!(p.key, CaseKey::Unknown(_)) && !p.last.status.has_ended();
        for told in published.iter_mut().filter(is_removed) {
            let before = told.clone();
            let last = &mut told.last;
            last.status = if last.breached_at.is_some() { Status::Retracted } else { Status::Cancelled };
            last.sequence = last.sequence.saturating_add(1);
            last.frontier = last.frontier.max(self.moved.to);
            last.detected_at = last.frontier;
            last.policy.version = self.policies.version.clone();
            (last.ended_at, last.closed_by) = (None, None);
            sink.outbox.publish(self.slot, self.birth, Some(before), last.clone());
        }
    }

    fn check_ladder<'p>(&self, check: &'p CheckPolicy) -> Ladder<'p> {
        Ladder { warn_at: &[], rungs: &[], grace: self.settings.grace_for(check.grace, &check.entity) }
    }
}

/// One exception of one policy on one order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    pub key: &'a CaseKey,
    pub ladder: Ladder<'a>,
    pub label: Label<'a>,
}

fn check_label<'a>(check: &'a CheckPolicy, reason: &'a str) -> Label<'a> {
    Label {
        kind: Kind::Reconciliation,
        policy: &check.id,
        discriminator: Some(reason),
        fulfillment_id: None,
        responsibility: &check.responsibility,
        rungs: &[],
    }
}

/// Which case of the document in force a published exception belongs to; `None` where it has none.
pub(super) fn key_of(policies: &Policies, exception: &Exception) -> Option<CaseKey> {
    let id = &exception.policy.id;
    let (entity, order_id) = exception.subject.entity_and_id()?;
    let is_meant = |policy: &Str, about: &Entity| policy == id && about.name() == entity;
    let sla = policies.slas.iter().position(|sla| is_meant(&sla.id, &sla.entity));
    let sla = sla.filter(|_| exception.kind == Kind::Sla);
    if let Some(place) = sla {
        let key = key_of_told(place, policies, exception)?;
        // A policy that told its cycles apart otherwise had other exceptions.
        let is_its_own = |key: &CaseKey| exception_id(id, entity, order_id, key.cycle()) == exception.exception_id;
        return Some(key).filter(is_its_own);
    }
    let check = policies.checks.iter().enumerate().find(|(_, check)| is_meant(&check.id, &check.entity));
    let reason = exception.check.as_ref().map(|figures| figures.reason.as_str());
    let found = check.and_then(|(i, check)| Some((i, check.kind.reasons().iter().position(|r| Some(*r) == reason)?)));
    found.map(|(i, r)| CaseKey::Check(i as u16, r as u8))
}

/// The earlier of two instants that may not be.
pub(super) fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    [a, b].into_iter().flatten().min()
}

impl Said {
    /// No case, and nothing told.
    pub const NOTHING: Said = Said { due: None, is_inert: true };

    /// A case that is not over, or of which something was told.
    pub const fn due(due: Option<Timestamp>) -> Self {
        Said { due, is_inert: false }
    }

    fn and(&mut self, other: Said) {
        *self = Said { due: earliest(self.due, other.due), is_inert: self.is_inert && other.is_inert };
    }
}

impl Found {
    fn note(&mut self, place: usize, said: Said) {
        self.next_due = earliest(self.next_due, said.due);
        if said.is_inert {
            self.inert.insert(place);
        }
    }
}
