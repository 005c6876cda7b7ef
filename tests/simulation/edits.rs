//! Edits of the policy document: two to four documents, each a few changes away from another.

use super::oracle::{Check, Rules, Sla, Target};
use super::policies::{Document, Documents, entity, rules};
use super::rng::Rng;
use super::shop::{MINUTE, SECOND};

/// For so long an order of an edited run is kept: how long it is, hangs on the document, and the oracle does not say of which
/// of them (R47).
const KEPT: i64 = 24 * 60 * MINUTE;

/// Rules whose SLAs have one cycle an order each: what edits do to several, the oracle does not say.
fn editable() -> Rules {
    let mut rules = rules();
    rules.slas.retain(|sla| !sla.each && !sla.by_parcel);
    rules
}

/// The documents of a run, in the order in which they are rolled out.
pub fn documents(rng: &mut Rng) -> Vec<Document> {
    let revisions = Revisions::of(rng);
    let first = Rules { retain_closed: KEPT, remember_closed: KEPT, max_open: KEPT, ..editable() };
    let mut all = vec![Document::written(first, Vec::new(), revisions.number(rng, 1), "e1")];
    for number in 2..=rng.between(2, 4) as u64 {
        // Most edits go on from the newest; some go back.
        let from = if rng.chance(75) { all.last() } else { rng.pick(&all) };
        let Some(Document { mut rules, mut backfill, .. }) = from.cloned() else { break };
        for _ in 0..rng.between(0, 3) {
            edit(rng, &mut rules, &mut backfill);
        }
        all.push(Document::written(rules, backfill, revisions.number(rng, number), &format!("e{number}")));
    }
    all
}

/// The same by version.
pub fn by_version<'a>(all: impl Iterator<Item = &'a Document>) -> Documents {
    all.map(|document| (document.policies.version.clone(), document.clone())).collect()
}

/// Whether the documents of a run have revisions.
#[derive(Clone, Copy)]
enum Revisions {
    All,
    None,
    Some,
}

impl Revisions {
    fn of(rng: &mut Rng) -> Self {
        match rng.below(5) {
            0 | 1 => Revisions::All,
            2 | 3 => Revisions::None,
            _ => Revisions::Some,
        }
    }

    fn number(self, rng: &mut Rng, number: u64) -> Option<u64> {
        match self {
            Revisions::All => Some(number),
            Revisions::None => None,
            Revisions::Some => rng.chance(50).then_some(number),
        }
    }
}

fn edit(rng: &mut Rng, rules: &mut Rules, backfill: &mut Vec<String>) {
    match rng.below(12) {
        0 => remove(rng, rules),
        1 => put_back(rng, rules),
        2 => new_id(rng, rules, backfill),
        3 => edit_a_check(rng, rules),
        4 => remove_a_check(rng, rules),
        _ => {
            let place = rng.below(rules.slas.len());
            if let Some(sla) = rules.slas.get_mut(place) {
                edit_an_sla(rng, sla);
            }
        }
    }
}

fn edit_an_sla(rng: &mut Rng, sla: &mut Sla) {
    match rng.below(10) {
        0..3 => sla.target = Target::Duration([20, 45, 60, 100, 180][rng.below(5)] * SECOND),
        3 => sla.warn_at = [vec![], vec![50, 80], vec![90]][rng.below(3)].clone(),
        4 => {
            sla.escalate_after =
                [vec![], vec![10 * SECOND], vec![30 * SECOND, 2 * MINUTE], vec![MINUTE]][rng.below(4)].clone();
        }
        5 => sla.when = ["", "web", "store"].get(rng.below(3)).filter(|v| !v.is_empty()).map(|v| channel(v)),
        6 => sla.grace = [2, 5, 20][rng.below(3)] * SECOND,
        7 | 8 if entity(sla) == "checkout" => sla.stop = ["step.left", "checkout.completed"][rng.below(2)].to_owned(),
        7 | 8 => sla.stop = ["order.fully_shipped", "order.completed", "payment.captured"][rng.below(3)].to_owned(),
        _ => match rng.below(3) {
            0 if sla.cancel_on.is_empty() => sla.cancel_on = vec![format!("{}.cancelled", entity(sla))],
            0 => sla.cancel_on = Vec::new(),
            1 => sla.stop_last = !sla.stop_last,
            _ => {
                let pause = ("order.held".to_owned(), "order.released".to_owned());
                sla.pause = if sla.pause.is_some() { None } else { Some(pause) };
            }
        },
    }
}

fn channel(value: &str) -> (String, String) {
    ("channel".to_owned(), value.to_owned())
}

fn remove(rng: &mut Rng, rules: &mut Rules) {
    if rules.slas.len() > 1 {
        rules.slas.remove(rng.below(rules.slas.len()));
    }
}

fn put_back(rng: &mut Rng, rules: &mut Rules) {
    let all = editable();
    let gone: Vec<Sla> = all.slas.into_iter().filter(|sla| rules.slas.iter().all(|held| held.id != sla.id)).collect();
    rules.slas.extend(rng.pick(&gone).cloned());
    for check in all.checks {
        if rules.checks.iter().all(|held| held.id() != check.id()) {
            rules.checks.push(check);
        }
    }
}

fn new_id(rng: &mut Rng, rules: &mut Rules, backfill: &mut Vec<String>) {
    if rules.slas.iter().any(|sla| sla.id == "done") {
        return;
    }
    let Some(like) = editable().slas.into_iter().next() else { return };
    let stop = ["order.fully_delivered", "order.completed"][rng.below(2)].to_owned();
    let target = Target::Duration([30, 90, 180][rng.below(3)] * SECOND);
    rules.slas.insert(rng.below(rules.slas.len()), Sla { id: "done".to_owned(), stop, target, ..like });
    if rng.chance(30) {
        backfill.push("done".to_owned());
    }
}

fn edit_a_check(rng: &mut Rng, rules: &mut Rules) {
    let of = rng.below(rules.checks.len());
    match rules.checks.get_mut(of) {
        Some(Check::AmountMismatch { tolerance, settle, grace, .. }) => {
            *tolerance = [0, 100, 500][rng.below(3)];
            *settle = [5, 20, 60][rng.below(3)] * SECOND;
            *grace = [2, 15][rng.below(2)] * SECOND;
        }
        Some(Check::ShippedBeforePayment { settle, grace, .. }) => {
            *settle = [2, 10, 60][rng.below(3)] * SECOND;
            *grace = [2, 15][rng.below(2)] * SECOND;
        }
        None => {}
    }
}

fn remove_a_check(rng: &mut Rng, rules: &mut Rules) {
    if rules.checks.len() > 1 {
        rules.checks.remove(rng.below(rules.checks.len()));
    }
}
