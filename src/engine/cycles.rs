//! Judging an SLA: each of its cycles on one order, and what stands of cycles that are none any more.

use crate::domain::{Exception, Kind, Str, Timestamp};
use crate::policy::Policies;
use crate::policy::case::{Case, EndKind};
use crate::policy::cycle::{Cycle, Start};
use crate::policy::sla::Sla;
use crate::policy::view::OrderView;

use super::judge::{Judge, Said, Subject, earliest};
use super::lifecycle::Closing;
use super::order::{CaseKey, Published};
use super::reconcile::Ladder;
use super::render::Label;
use super::shard::CycleEnded;

/// What an order remembers of the cycles that were judged.
#[derive(Debug)]
pub(super) struct Known<'o> {
    pub published: &'o mut Vec<Published>,
    /// Those whose end was counted.
    pub ended: &'o mut Vec<CaseKey>,
    /// Those that are not judged, for they were over when the policies changed.
    pub settled: &'o [CaseKey],
}

/// The key of one of the cycles that the SLA at `place` has on an order. `topics`: by stream.
pub(super) fn key_of_cycle(place: usize, sla: &Sla, cycle: &Cycle<'_>, topics: &[Str]) -> CaseKey {
    let event = cycle.case.trigger;
    let topic = topics.get(usize::from(event.position.stream.0)).map_or("", Str::as_str);
    let start = Start { topic, source: &event.source, event_id: &event.event_id };
    CaseKey::Sla(place as u16, sla.cycle_key(cycle.fulfillment_id, start))
}

/// Which cycle of the SLA at `place` an exception is about, by what it says of itself.
pub(super) fn key_of_told(place: usize, policies: &Policies, exception: &Exception) -> Option<CaseKey> {
    let sla = policies.slas.get(place)?;
    let trigger = exception.trigger.as_ref();
    let start = Start {
        topic: trigger.map_or("", |trigger| &trigger.topic),
        source: exception.source.as_deref().unwrap_or_default(),
        event_id: trigger.map_or("", |trigger| &trigger.event_id),
    };
    Some(CaseKey::Sla(place as u16, sla.cycle_key(exception.fulfillment_id.as_ref(), start)))
}

impl Judge<'_> {
    /// Judges the SLA at `place`.
    pub(super) fn sla(
        &mut self,
        place: usize,
        view: &OrderView<'_>,
        known: &mut Known<'_>,
        closing: &mut Closing,
    ) -> Said {
        let Some(sla) = self.policies.slas.get(place) else { return Said::NOTHING };
        if sla.has_one_cycle() && !known.published.iter().any(|told| told.key.is_of_sla(place)) {
            let Some(case) = self.policies.only_case(place, view) else { return Said::NOTHING };
            let ladder = self.sla_ladder(sla);
            if ladder.is_quiet(&case, self.moved.to) {
                return self.quiet(sla, &CaseKey::Sla(place as u16, None), &case, ladder, known, closing);
            }
        }
        let cycles = self.policies.cycles(place, view);
        let topics = &self.settings.streams;
        let told = known.published.iter().map(|told| &told.key).filter(|key| key.is_of_sla(place));
        let is_gone = |key: &&CaseKey| !cycles.iter().any(|cycle| key_of_cycle(place, sla, cycle, topics) == **key);
        let gone: Vec<CaseKey> = told.filter(is_gone).cloned().collect();
        let mut due = None;
        for cycle in &cycles {
            let key = key_of_cycle(place, sla, cycle, topics);
            due = earliest(due, self.cycle(sla, &key, Some(cycle), view, known, closing));
        }
        for key in &gone {
            due = earliest(due, self.cycle(sla, key, None, view, known, closing));
        }
        Said::due(due)
    }

    /// Judges a cycle that has nothing to publish.
    fn quiet(
        &mut self,
        sla: &Sla,
        key: &CaseKey,
        case: &Case<'_>,
        ladder: Ladder<'_>,
        known: &mut Known<'_>,
        closing: &mut Closing,
    ) -> Said {
        if known.settled.contains(key) {
            return Said::due(None);
        }
        self.count_end(key, sla, case, known.ended);
        closing.consider(case);
        Said { due: ladder.next_due(case, self.moved.to), is_inert: case.ended_in_time().is_some() }
    }

    /// Judges one cycle; `None` where there is none any more.
    pub(super) fn cycle(
        &mut self,
        sla: &Sla,
        key: &CaseKey,
        cycle: Option<&Cycle<'_>>,
        view: &OrderView<'_>,
        known: &mut Known<'_>,
        closing: &mut Closing,
    ) -> Option<Timestamp> {
        if known.settled.contains(key) {
            return None;
        }
        if let Some(cycle) = cycle {
            self.count_end(key, sla, &cycle.case, known.ended);
        }
        let fulfillment_id = cycle.and_then(|cycle| cycle.fulfillment_id);
        let subject = Subject { key, ladder: self.sla_ladder(sla), label: sla_label(sla, key, fulfillment_id) };
        let own = fulfillment_id.map_or(*view, |id| view.of_fulfillment(id));
        let cases = cycle.map(|cycle| &cycle.case).map_or(&[][..], std::slice::from_ref);
        self.cases(&subject, &own, cases, known.published, closing)
    }

    /// Counts a cycle once, when its end is known.
    fn count_end(&mut self, key: &CaseKey, sla: &Sla, case: &Case<'_>, ended: &mut Vec<CaseKey>) {
        let (Some(end), Some(sink)) = (case.end, &mut self.sink) else { return };
        // How long a cycle took whose first stop may not be there is not known.
        if ended.contains(key) || case.started_at < self.past.complete_since {
            return;
        }
        ended.push(key.clone());
        let outcome = match (end.in_time, end.kind) {
            (true, EndKind::Done) => "met",
            (true, EndKind::Cancelled) => "cancelled",
            (false, _) => "breached",
        };
        if let Some(cycles_ended) = &mut sink.cycles_ended {
            let elapsed = case.elapsed(end.at).1;
            cycles_ended.push(CycleEnded { policy: sla.id.clone(), outcome, elapsed });
        }
    }

    fn sla_ladder<'p>(&self, sla: &'p Sla) -> Ladder<'p> {
        Ladder {
            warn_at: &sla.warn_at,
            rungs: &sla.escalate_after,
            grace: self.settings.grace_for(sla.grace, &sla.entity),
        }
    }
}

fn sla_label<'a>(sla: &'a Sla, key: &'a CaseKey, fulfillment_id: Option<&'a Str>) -> Label<'a> {
    Label {
        kind: Kind::Sla,
        policy: &sla.id,
        discriminator: key.cycle(),
        fulfillment_id,
        responsibility: &sla.responsibility,
        rungs: &sla.escalate_after,
    }
}
