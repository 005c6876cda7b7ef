//! Deadlines, grace, precedence, warnings, rungs, occurrences.

use super::*;
use Standing::{CancelledInTime, CancelledLate, Met, Open, Resolved, Running};

const STILL: Option<Standing> = Some(Running { warn: None });

#[test]
fn a_cycle_breaches_when_the_frontier_is_past_deadline_and_grace() {
    let story = log([at(10, PLACED)]);
    let sla = Sla { grace: 5, ..within_100(PLACED, PAID) };
    assert_eq!(standing(&story, &sla, 115), STILL);
    assert_eq!(standing(&story, &sla, 116), Some(Open { level: 0 }));
    assert_eq!(verdict(&story, &sla, 0).and_then(|verdict| verdict.deadline), Some(110));
}

#[test]
fn a_stop_on_the_deadline_meets_it_and_one_later_resolves() {
    let sla = Sla { grace: 5, ..within_100(PLACED, CAPTURED) };
    assert_eq!(standing(&log([at(0, PLACED), at(100, CAPTURED)]), &sla, 200), Some(Met));
    let late = log([at(0, PLACED), at(101, CAPTURED)]);
    assert_eq!(standing(&late, &sla, 106), Some(Resolved { at: 101 }));
    assert_eq!(standing(&late, &sla, 105), STILL, "known to be late, but not judged yet");
}

#[test]
fn a_stop_ahead_of_the_frontier_is_a_fact() {
    assert_eq!(standing(&log([at(0, PLACED), at(90, CAPTURED)]), &within_100(PLACED, CAPTURED), 1), Some(Met));
}

#[test]
fn without_a_start_there_is_no_cycle_and_a_stop_before_it_is_judged_like_any_other() {
    let sla = within_100(PLACED, CAPTURED);
    assert_eq!(standing(&log([at(5, CAPTURED)]), &sla, LATE), None);
    assert_eq!(standing(&log([at(5, CAPTURED), at(10, PLACED)]), &sla, LATE), Some(Met));
}

#[test]
fn a_cancel_by_the_deadline_means_no_breach_and_one_later_ends_it() {
    let sla = within_100(PLACED, CAPTURED);
    assert_eq!(standing(&log([at(0, PLACED), at(100, CANCELLED)]), &sla, 101), Some(CancelledInTime));
    let late = log([at(0, PLACED), at(101, CANCELLED)]);
    assert_eq!(standing(&late, &sla, 101), Some(CancelledLate { at: 101 }));
    assert_eq!(standing(&late, &sla, 100), STILL);
}

#[test]
fn a_cancel_at_or_before_the_start_means_that_there_is_no_cycle() {
    let sla = within_100(PLACED, CAPTURED);
    assert_eq!(standing(&log([at(10, PLACED), at(10, CANCELLED)]), &sla, LATE), None);
    assert_eq!(standing(&log([at(10, PLACED), at(9, CANCELLED)]), &sla, LATE), None);
    assert_eq!(standing(&log([at(10, PLACED), at(11, CANCELLED)]), &sla, LATE), Some(CancelledInTime));
    assert_eq!(standing(&log([at(10, PLACED), at(10, CANCELLED), at(10, CAPTURED)]), &sla, LATE), None);
}

#[test]
fn the_first_of_stop_and_cancel_ends_a_cycle_and_a_tie_is_a_stop() {
    let sla = within_100(PLACED, CAPTURED);
    let story = |stop, cancel| log([at(0, PLACED), at(stop, CAPTURED), at(cancel, CANCELLED)]);
    assert_eq!(standing(&story(50, 40), &sla, LATE), Some(CancelledInTime));
    assert_eq!(standing(&story(50, 50), &sla, LATE), Some(Met));
    assert_eq!(standing(&story(50, 60), &sla, LATE), Some(Met));
    assert_eq!(standing(&story(120, 100), &sla, LATE), Some(CancelledInTime));
    assert_eq!(standing(&story(150, 140), &sla, LATE), Some(CancelledLate { at: 140 }));
    assert_eq!(standing(&story(140, 140), &sla, LATE), Some(Resolved { at: 140 }));
}

#[test]
fn any_of_several_cancels_will_do() {
    let sla = Sla { cancel_on: vec![CANCELLED.to_string(), COMPLETED.to_string()], ..within_100(PLACED, CAPTURED) };
    let story = log([at(0, PLACED), at(120, CANCELLED), at(50, COMPLETED)]);
    assert_eq!(standing(&story, &sla, LATE), Some(CancelledInTime));
}

#[test]
fn warnings_are_due_at_their_percent_past_grace_and_the_highest_counts() {
    let story = log([at(0, PLACED)]);
    let sla = Sla { warn_at: vec![50, 80], grace: 5, ..within_100(PLACED, CAPTURED) };
    let cases = [(55, None), (56, Some(50)), (85, Some(50)), (86, Some(80)), (105, Some(80))];
    for (frontier, warn) in cases {
        assert_eq!(standing(&story, &sla, frontier), Some(Running { warn }), "frontier {frontier}");
    }
    assert_eq!(standing(&story, &sla, 106), Some(Open { level: 0 }));
}

#[test]
fn a_percent_cuts_what_is_finer_than_a_millisecond() {
    let sla = Sla { warn_at: vec![33], target: Target::Duration(10), ..within_100(PLACED, CAPTURED) };
    assert_eq!(standing(&log([at(0, PLACED)]), &sla, 3), STILL);
    assert_eq!(standing(&log([at(0, PLACED)]), &sla, 4), Some(Running { warn: Some(33) }));
}

#[test]
fn a_late_stop_that_is_not_judged_yet_leaves_the_warning_due() {
    let sla = Sla { warn_at: vec![80], grace: 50, ..within_100(PLACED, CAPTURED) };
    let story = log([at(0, PLACED), at(110, CAPTURED)]);
    assert_eq!(standing(&story, &sla, 140), Some(Running { warn: Some(80) }));
    assert_eq!(standing(&story, &sla, 151), Some(Resolved { at: 110 }));
}

#[test]
fn rungs_are_due_after_the_deadline_past_grace() {
    let sla = Sla { escalate_after: vec![10, 40], grace: 5, ..within_100(PLACED, CAPTURED) };
    let cases = [(106, 0), (115, 0), (116, 1), (145, 1), (146, 2)];
    for (frontier, level) in cases {
        assert_eq!(standing(&log([at(0, PLACED)]), &sla, frontier), Some(Open { level }), "frontier {frontier}");
    }
}

#[test]
fn the_last_stop_is_fixed_at_the_deadline() {
    let sla = Sla { stop_last: true, ..within_100(PLACED, SHIPPED) };
    let first = within_100(PLACED, SHIPPED);
    let in_time_and_after = log([at(0, PLACED), at(50, SHIPPED), at(150, SHIPPED)]);
    assert_eq!(standing(&in_time_and_after, &sla, LATE), Some(Met));
    let after = log([at(0, PLACED), at(150, SHIPPED), at(160, SHIPPED)]);
    assert_eq!(standing(&after, &sla, LATE), Some(Resolved { at: 150 }));
    assert_eq!(standing(&after, &first, LATE), Some(Resolved { at: 150 }));
    let around_a_cancel = log([at(0, PLACED), at(50, SHIPPED), at(60, CANCELLED), at(70, SHIPPED)]);
    assert_eq!(standing(&around_a_cancel, &sla, LATE), Some(Met));
}

#[test]
fn the_last_stop_in_time_names_the_event_that_closes() {
    let sla = Sla { stop_last: true, ..within_100(PLACED, SHIPPED) };
    let end = |story: &[Record]| {
        let records: Vec<&Record> = story.iter().collect();
        super::super::sla::cycles(&Facts::new(&records), &sla).pop()?.cycle.end.map(|end| end.moment().at)
    };
    assert_eq!(end(&log([at(0, PLACED), at(50, SHIPPED), at(90, SHIPPED), at(150, SHIPPED)])), Some(90));
    assert_eq!(end(&log([at(0, PLACED), at(50, SHIPPED), at(100, SHIPPED)])), Some(100));
    assert_eq!(end(&log([at(0, PLACED), at(50, SHIPPED), at(60, SHIPPED), at(60, CANCELLED)])), Some(60));
    assert_eq!(end(&log([at(0, PLACED), at(150, SHIPPED), at(160, SHIPPED)])), Some(150));
}

#[test]
fn derived_milestones_start_and_stop_cycles() {
    let story = log([
        at(0, PLACED).total(100).lines(&[("a", 2)]),
        at(10, CAPTURED).amount(40),
        at(30, CAPTURED).amount(60),
        at(120, SHIPPED).lines(&[("a", 1)]),
        at(131, SHIPPED).lines(&[("a", 1)]),
    ]);
    let sla = within_100(PAID, "order.fully_shipped");
    assert_eq!(standing(&story, &sla, LATE), Some(Resolved { at: 131 }));
}

#[test]
fn a_late_event_that_shows_the_promise_kept_retracts() {
    let before = log([at(0, PLACED)]);
    let after = log([at(0, PLACED), at(99, CAPTURED).recorded(500)]);
    let sla = within_100(PLACED, CAPTURED);
    assert_eq!(standing(&before, &sla, 300), Some(Open { level: 0 }));
    assert_eq!(standing(&after, &sla, 600), Some(Met));
}
