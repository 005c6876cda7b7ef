//! How long an order is in memory: closed and kept, remembered by its id alone, forgotten, or evicted.

use super::facts::{Facts, Moment};
use super::{Record, Rules, Told, checks, sla};

/// One life of an order id: the records that were applied to it, and when it left memory (or will, if nothing comes).
pub(super) struct Life<'a> {
    pub(super) records: Vec<&'a Record>,
    pub(super) left_at: i64,
}

/// The lives of one order id, oldest first. Records are taken one by one in effective-time order, each against what the
/// ones before it made of the order; a late one is in no life.
pub(super) fn lives<'a>(told: &[Told<'a>], rules: &Rules) -> Vec<Life<'a>> {
    let mut lives: Vec<Life<'a>> = Vec::new();
    for (record, effective) in told {
        let fate = match lives.last() {
            None => Fate::BeginsNew,
            Some(life) => fate(&Facts::new(&life.records), record, *effective, rules),
        };
        match fate {
            Fate::Late => continue,
            Fate::BeginsNew => lives.push(Life { records: vec![record], left_at: 0 }),
            Fate::Applied => lives.last_mut().expect("only a life applies a record").records.push(record),
        }
    }
    for life in &mut lives {
        life.left_at = left_at(&Facts::new(&life.records), rules);
    }
    lives
}

/// What becomes of a record.
enum Fate {
    Applied,
    Late,
    BeginsNew,
}

fn fate(facts: &Facts, record: &Record, effective: i64, rules: &Rules) -> Fate {
    let Some(closed_at) = closed_at(facts, rules) else {
        let is_evicted = effective >= left_at(facts, rules);
        return if is_evicted { Fate::BeginsNew } else { Fate::Applied };
    };
    // By the text the record's own time decides. Its effective time is where the frontier stands when it is read in
    // order, so past that memory holds nothing to apply a lingering record to (R35).
    let reached = effective.max(record.record_time);
    let shrinks_at = closed_at.saturating_add(rules.retain_closed);
    if reached >= shrinks_at.saturating_add(rules.remember_closed) {
        Fate::BeginsNew
    } else if reached >= shrinks_at {
        Fate::Late
    } else {
        Fate::Applied
    }
}

/// When an order leaves memory if nothing more comes: closed for `retain_closed`, or else silent for `max_open`.
fn left_at(facts: &Facts, rules: &Rules) -> i64 {
    match closed_at(facts, rules) {
        Some(closed_at) => closed_at.saturating_add(rules.retain_closed),
        None => {
            let heard = facts.events.iter().map(|known| known.record_time).max();
            heard.map_or(i64::MAX, |heard| heard.saturating_add(rules.max_open))
        }
    }
}

/// The greatest record time among the events that closed an order; `None` while it is not closed.
///
/// Closed is a function of facts and policies, not of the frontier: a cycle that has neither stop nor cancel is running
/// or breached, and a check that holds by all that is known is open or will be (R31).
fn closed_at(facts: &Facts, rules: &Rules) -> Option<i64> {
    let terminal = super::facts::ENDS.iter().chain(&["order.fully_delivered"]);
    let mut closing: Vec<Moment> = terminal.filter_map(|milestone| facts.milestone(milestone)).collect();
    if closing.is_empty() {
        return None;
    }
    for run in rules.slas.iter().flat_map(|rule| sla::cycles(facts, rule)) {
        closing.push(run.cycle.end?.moment());
    }
    for span in rules.checks.iter().flat_map(|check| checks::spans(facts, check)) {
        let until = span.until?;
        // What ended before it settled was no finding, and closes nothing.
        closing.extend(span.is_finding().then_some(until));
    }
    closing.iter().map(|moment| moment.record_time).max()
}
