//! A history that fails, made smaller while it still does.

use crate::history::{Drawn, History};
use crate::oracle::{Promise, Target};

/// Tries one smaller history after another and keeps each that `fails`, until none does.
pub fn shrink(mut history: History, fails: &dyn Fn(&History) -> bool) -> History {
    loop {
        let Some(smaller) = smaller(&history).into_iter().find(|smaller| fails(smaller)) else { return history };
        history = smaller;
    }
}

fn smaller(history: &History) -> Vec<History> {
    let mut all = Vec::new();
    for index in 0..history.records.len() {
        let mut less = history.clone();
        less.records.remove(index);
        all.push(less);
    }
    if history.slas.len() > 1 {
        for index in 0..history.slas.len() {
            let mut less = history.clone();
            less.slas.remove(index);
            all.push(less);
        }
    }
    let mut plain = history.clone();
    (plain.stream_grace, plain.grace) = ([None; 3], 0);
    if (plain.stream_grace, plain.grace) != (history.stream_grace, history.grace) {
        all.push(plain);
    }
    for index in 0..history.slas.len() {
        for simplify in SIMPLER_SLAS {
            let mut less = history.clone();
            if simplify(&mut less.slas[index]) {
                all.push(less);
            }
        }
    }
    for index in 0..history.records.len() {
        for simplify in SIMPLER_EVENTS {
            let mut less = history.clone();
            if simplify(&mut less.records[index]) {
                all.push(less);
            }
        }
    }
    all
}

/// Takes a feature off; whether there was one.
type Simpler<T> = fn(&mut T) -> bool;

const SIMPLER_SLAS: [Simpler<Drawn>; 9] = [
    |drawn| drawn.sla.when.take().is_some(),
    |drawn| drawn.sla.first_match.take().is_some(),
    |drawn| drawn.sla.pause.take().is_some(),
    |drawn| drawn.sla.cancel_on.pop().is_some(),
    |drawn| drawn.sla.warn_at.pop().is_some(),
    |drawn| drawn.sla.escalate_after.pop().is_some(),
    |drawn| !matches!(drawn.sla.target, Target::BusinessDays { .. }) && drawn.calendar.take().is_some(),
    |drawn| drawn.grace.take().is_some(),
    |drawn| std::mem::take(&mut drawn.sla.stop_last),
];

const SIMPLER_EVENTS: [Simpler<crate::oracle::Record>; 8] = [
    |record| record.event.total.take().is_some(),
    |record| record.event.lines.take().is_some(),
    |record| record.event.amount.take().is_some(),
    |record| record.event.fulfillment_id.take().is_some(),
    |record| std::mem::take(&mut record.event.promised_ship_by) != Promise::Absent,
    |record| std::mem::take(&mut record.event.promised_deliver_by) != Promise::Absent,
    |record| record.event.attributes.pop().is_some(),
    |record| std::mem::replace(&mut record.record_time, record.event.event_time) != record.event.event_time,
];
