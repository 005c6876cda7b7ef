//! That the check bites: what came out clean is spoiled in each way, and must be found wrong.

use super::book::Order;
use super::check::{Verdict, check};
use super::said::{Output, Said};
use super::settings::{Delivery, now_ms};

/// Ways of spoiling that went unnoticed; there must be none.
pub fn unnoticed(orders: &[Order], output: &Output, delivery: Delivery) -> Vec<String> {
    let judged = |output: &Output| check(orders, output, delivery, now_ms());
    let mut missed = Vec::new();
    let mut expect = |what: &str, spoiled: &Output, found: fn(&Verdict) -> bool| {
        if !found(&judged(spoiled)) {
            missed.push(format!("the check does not notice {what}"));
        }
    };
    let Some(at) = output.history.iter().position(|said| is_missed(said, output)) else {
        return vec!["nothing was opened and stands".to_owned()];
    };
    let history = |change: &dyn Fn(&mut Vec<Said>)| {
        let mut spoiled = output.clone();
        change(&mut spoiled.history);
        spoiled
    };
    let current = |change: &dyn Fn(&mut Vec<Said>)| {
        let mut spoiled = output.clone();
        change(&mut spoiled.current);
        spoiled
    };
    let id = &output.history[at].ce_id;
    let lost = history(&|all| all.retain(|said| said.ce_id != *id || said.body.status != "opened"));
    expect("an opening that is gone", &lost, |verdict| !verdict.lost.is_empty());
    expect("a state that is not current", &current(&|all| all.clear()), |verdict| !verdict.lost.is_empty());
    let doubled = history(&|all| {
        let mut again = all[at].clone();
        again.content["owner"] = "another".into();
        all.push(again);
    });
    expect("a state told twice", &doubled, |verdict| !verdict.doubled.is_empty());
    let false_alarm = history(&|all| {
        let kept = orders.iter().find(|order| order.fate == "paid in time").expect("most orders are");
        let mut invented = all[at].clone();
        invented.ce_id = "invented".to_owned();
        invented.body.order_id.clone_from(&kept.id);
        all.push(invented);
    });
    expect("a false alarm", &false_alarm, |verdict| !verdict.falses.is_empty());
    missed
}

/// An opening that somebody misses: the exception's only one, and it stands. One that was retracted is not.
fn is_missed(said: &Said, output: &Output) -> bool {
    let of_it = || output.history.iter().filter(|other| other.body.exception_id == said.body.exception_id);
    let openings = of_it().filter(|other| other.body.status == "opened").count();
    let last = of_it().next_back().map(|last| last.body.status.as_str());
    said.body.status == "opened" && openings == 1 && matches!(last, Some("opened" | "escalated" | "resolved"))
}
