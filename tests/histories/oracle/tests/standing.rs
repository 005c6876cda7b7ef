//! Where a cycle stands, to the millisecond.

use super::*;
use Standing::{CancelledInTime, CancelledLate, Met, Open, Running, StoppedLate};

const LATE: i64 = 10_000 * MINUTE;

fn story(events: &[(&str, i64)]) -> Vec<Record> {
    log(events.iter().map(|(kind, minute)| event(kind, minute * MINUTE)))
}

fn standing(sla: &Sla, events: &[(&str, i64)], until: i64) -> Standing {
    judge(sla, &story(events), until).standing
}

fn open(rung: usize, owner: &str) -> Standing {
    Open { rung, owner: owner.to_string() }
}

#[test]
fn a_breach_is_past_the_deadline_and_the_grace() {
    let sla = Sla { grace: 5_000, ..within(100 * MINUTE) };
    let running = Running { at_risk: vec![] };
    assert_eq!(standing(&sla, &[(PLACED, 0)], 100 * MINUTE + 5_000), running);
    assert_eq!(standing(&sla, &[(PLACED, 0)], 100 * MINUTE + 5_001), open(0, "team"));
    assert_eq!(standing(&sla, &[(PLACED, 0), (CAPTURED, 100)], LATE), Met);
    assert_eq!(standing(&sla, &[(PLACED, 0), (CAPTURED, 101)], LATE), StoppedLate);
    assert_eq!(standing(&sla, &[(PLACED, 0), (CAPTURED, 101)], 100 * MINUTE), running, "not judged yet");
    assert_eq!(standing(&sla, &[(PLACED, 10), (CAPTURED, 5)], LATE), Met, "a stop before its start");
    assert_eq!(standing(&sla, &[(CAPTURED, 5)], LATE), Standing::None);
}

#[test]
fn a_cancel_ends_it_in_time_or_late() {
    let sla = within(100 * MINUTE);
    assert_eq!(standing(&sla, &[(PLACED, 0), (CANCELLED, 100)], LATE), CancelledInTime);
    assert_eq!(standing(&sla, &[(PLACED, 0), (CANCELLED, 101)], LATE), CancelledLate);
    assert_eq!(standing(&sla, &[(PLACED, 0), (CANCELLED, 101), (CAPTURED, 101)], LATE), StoppedLate);
    assert_eq!(standing(&sla, &[(PLACED, 0), (CANCELLED, 101), (CAPTURED, 102)], LATE), CancelledLate);
    assert_eq!(standing(&sla, &[(PLACED, 0), (CANCELLED, 40), (CAPTURED, 102)], LATE), CancelledInTime);
    assert_eq!(standing(&sla, &[(PLACED, 5), (CANCELLED, 5)], LATE), Standing::None);
}

#[test]
fn the_last_stop_counts_while_it_is_in_time() {
    let sla = Sla { stop_last: true, ..within(100 * MINUTE) };
    let ended = |events: &[(&str, i64)]| judge(&sla, &story(events), LATE).cycle.and_then(|cycle| cycle.ended);
    let told = [(PLACED, 0), (CAPTURED, 20), (CAPTURED, 90), (CAPTURED, 150)];
    assert_eq!(standing(&sla, &told, LATE), Met);
    assert_eq!(ended(&told), Some(90 * MINUTE));
    assert_eq!(ended(&[(PLACED, 0), (CAPTURED, 120), (CAPTURED, 150)]), Some(120 * MINUTE));
    assert_eq!(ended(&[(PLACED, 0), (CAPTURED, 20), (CANCELLED, 50), (CAPTURED, 90)]), Some(20 * MINUTE));
}

#[test]
fn rungs_come_after_the_deadline_and_keep_the_last_owner_named() {
    let rung = |after: i64, owner: Option<&str>| Rung { after: after * MINUTE, owner: owner.map(str::to_string) };
    let sla = Sla {
        escalate_after: vec![rung(10, None), rung(20, Some("head")), rung(30, None)],
        warn_at: vec![33, 50],
        ..within(100 * MINUTE)
    };
    let at = |until: i64| standing(&sla, &[(PLACED, 0)], until);
    assert_eq!(at(33 * MINUTE + 1), Running { at_risk: vec![33] });
    assert_eq!(at(100 * MINUTE), Running { at_risk: vec![33, 50] });
    assert_eq!(at(110 * MINUTE), open(0, "team"));
    assert_eq!(at(110 * MINUTE + 1), open(1, "team"));
    assert_eq!(at(120 * MINUTE + 1), open(2, "head"));
    assert_eq!(at(130 * MINUTE + 1), open(3, "head"));
    // A hold after the deadline delays the rungs.
    assert_eq!(standing(&sla, &[(PLACED, 0), (HELD, 105), (RELEASED, 205)], 211 * MINUTE), open(1, "team"));
}

#[test]
fn when_reads_the_order_as_it_was_at_the_start_and_a_group_takes_the_first() {
    let is = |text: &str| Some(When::Is("region".to_string(), text.to_string()));
    let group = Some("speed".to_string());
    let slas = [
        Sla { id: "eu".to_string(), when: is("EU"), first_match: group.clone(), ..within(HOUR) },
        Sla { id: "rest".to_string(), first_match: group, ..within(2 * HOUR) },
    ];
    let told = |minute: i64| {
        let mut placed = event(PLACED, 10 * MINUTE);
        placed.event.total = Some(Money { minor: 500, currency: "EUR".to_string() });
        let mut changed = event("order.changed", minute * MINUTE);
        changed.event.attributes = vec![("region".to_string(), "EU".to_string())];
        log([placed, changed])
    };
    let runs = |minute: i64| expected(&slas, &told(minute), MINUTE).into_iter().map(|verdict| verdict.cycle.is_some());
    assert_eq!(runs(10).collect::<Vec<_>>(), [true, false], "up to and at the start");
    assert_eq!(runs(11).collect::<Vec<_>>(), [false, true], "a missing attribute compares false");
    let runs = |when: When| judge(&Sla { when: Some(when), ..within(HOUR) }, &told(11), MINUTE).cycle.is_some();
    assert!(runs(When::TotalAtLeast(500)) && !runs(When::TotalBelow(500)));
    assert!(!runs(When::IsNot("region".to_string(), "US".to_string())), "missing is not unlike either");
}
