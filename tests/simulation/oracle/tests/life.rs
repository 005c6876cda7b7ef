//! Closed, kept, late, remembered, forgotten, evicted.

use super::*;
use Standing::{Met, Open, Resolved, Running};

/// Closed orders are kept for 100 and remembered for 200 more; a silence of 1000 evicts.
fn small(sla: Sla, checks: Vec<Check>) -> Rules {
    Rules { retain_closed: 100, remember_closed: 200, max_open: 1_000, ..rules(vec![sla], checks) }
}

/// (standing, in memory) of each verdict.
fn lives(story: &[Record], frontier: i64) -> Vec<(Standing, bool)> {
    let rules = small(within_100(PLACED, CAPTURED), vec![]);
    judge(story, &rules, frontier).into_iter().map(|verdict| (verdict.standing, verdict.in_memory)).collect()
}

#[test]
fn a_closed_order_leaves_memory_after_retain_closed() {
    let story = log([at(0, PLACED), at(10, CAPTURED), at(20, COMPLETED)]);
    assert_eq!(lives(&story, 119), [(Met, true)]);
    assert_eq!(lives(&story, 120), [(Met, false)]);
}

#[test]
fn what_closes_an_order_is_completed_cancelled_or_fully_delivered() {
    for kind in [COMPLETED, CANCELLED, DELIVERED] {
        let story = log([at(0, PLACED), at(10, CAPTURED), at(20, kind)]);
        assert_eq!(lives(&story, 120), [(Met, false)], "{kind}");
    }
    assert_eq!(lives(&log([at(0, PLACED), at(10, CAPTURED)]), 120), [(Met, true)]);
}

#[test]
fn closed_at_is_the_greatest_record_time_among_the_events_that_closed_it() {
    let story = log([at(0, PLACED), at(20, COMPLETED), at(40, CAPTURED).recorded(60)]);
    assert_eq!(lives(&story, 159), [(Met, true)]);
    assert_eq!(lives(&story, 160), [(Met, false)]);
}

#[test]
fn a_running_cycle_and_an_open_breach_keep_an_order_open() {
    let story = log([at(0, PLACED), at(20, COMPLETED)]);
    assert_eq!(lives(&story, 90), [(Running { warn: None }, true)]);
    assert_eq!(lives(&story, 900), [(Open { level: 0 }, true)]);
}

#[test]
fn a_finding_that_holds_keeps_an_order_open_and_its_end_closes_it() {
    let checks = || vec![Check::ShippedBeforePayment { id: "check".to_string(), settle: 0, grace: 0 }];
    let rules = small(within_100("review.begun", "review.done"), checks());
    let held = log([at(0, PLACED), at(10, SHIPPED), at(20, COMPLETED)]);
    let memory = |story: &[Record], frontier| judge(story, &rules, frontier)[0].in_memory;
    assert!(memory(&held, 500));
    let ended = log([at(0, PLACED), at(10, SHIPPED), at(20, COMPLETED), at(70, CAPTURED)]);
    assert!(memory(&ended, 169));
    assert!(!memory(&ended, 170));
}

#[test]
fn a_record_at_or_past_the_end_of_the_keeping_is_late_and_not_applied() {
    let story = |record_time| {
        log([
            at(0, PLACED).total(10),
            at(10, CAPTURED).amount(10),
            at(20, COMPLETED),
            at(15, CAPTURED).amount(10).recorded(record_time),
        ])
    };
    let checks = vec![Check::AmountMismatch { id: "check".to_string(), tolerance: 0, settle: 0, grace: 0 }];
    let rules = small(within_100(PLACED, CAPTURED), checks);
    assert_eq!(judge(&story(119), &rules, 300).len(), 2, "applied: the order is over");
    assert_eq!(judge(&story(120), &rules, 300).len(), 1, "late: nothing changed");
}

#[test]
fn a_late_record_begins_no_order_and_one_after_remember_closed_does() {
    let story = |again| log([at(0, PLACED), at(10, CAPTURED), at(20, COMPLETED), at(again, PLACED)]);
    assert_eq!(lives(&story(319), 320), [(Met, false)]);
    assert_eq!(lives(&story(320), 420), [(Met, false), (Running { warn: None }, true)]);
    assert_eq!(lives(&story(320), 421), [(Met, false), (Open { level: 0 }, true)]);
}

#[test]
fn a_new_order_under_an_old_id_knows_nothing_of_the_old_one() {
    let story =
        log([at(0, PLACED), at(10, CAPTURED).id("c"), at(20, COMPLETED), at(400, PLACED), at(600, CAPTURED).id("c")]);
    assert_eq!(lives(&story, 700), [(Met, false), (Resolved { at: 600 }, true)]);
}

#[test]
fn a_late_record_does_not_extend_the_keeping_or_the_remembering() {
    let story = log([at(0, PLACED), at(10, CAPTURED), at(20, COMPLETED), at(200, COMPLETED), at(330, PLACED)]);
    assert_eq!(lives(&story, 340).len(), 2);
}

#[test]
fn a_record_within_the_keeping_may_close_an_order_later() {
    let story = log([at(0, PLACED), at(10, CAPTURED), at(20, DELIVERED), at(90, COMPLETED)]);
    assert_eq!(lives(&story, 189), [(Met, true)]);
    assert_eq!(lives(&story, 190), [(Met, false)]);
}

#[test]
fn late_is_judged_where_the_record_lies_in_effective_time() {
    // The payment's own time is within the keeping, but its partition is already at 200 when it is read.
    let story = log([at(0, PLACED), at(5, CANCELLED), dead(2, 200), at(80, CAPTURED)]);
    let rules = small(within_100(PLACED, CAPTURED), vec![]);
    assert_eq!(judge(&story, &rules, 300)[0].standing, Standing::CancelledInTime);
    let checks = vec![Check::ShippedBeforePayment { id: "check".to_string(), settle: 0, grace: 0 }];
    let rules = small(within_100("review.begun", "review.done"), checks);
    let lingering = log([at(0, PLACED), at(5, CANCELLED), dead(0, 200), at(80, SHIPPED)]);
    assert!(judge(&lingering, &rules, 300).is_empty());
    let in_time = log([at(0, PLACED), at(5, CANCELLED), dead(0, 100), at(80, SHIPPED)]);
    assert_eq!(judge(&in_time, &rules, 300).len(), 1);
}

#[test]
fn a_clock_keeps_a_record_ahead_of_it_from_making_others_late() {
    let checks = vec![Check::ShippedBeforePayment { id: "check".to_string(), settle: 0, grace: 0 }];
    let rules = small(within_100("review.begun", "review.done"), checks);
    let story = log([at(0, PLACED), at(5, CANCELLED), dead(0, 200), at(80, SHIPPED)]);
    assert!(judge(&story, &rules, 190).is_empty());
    assert_eq!(judge_by_clock(&story, &rules, 190, 190).len(), 1);
}

#[test]
fn a_silent_order_is_evicted_after_max_open_and_a_record_then_begins_anew() {
    let silent = log([at(0, PLACED), at(50, HELD)]);
    assert_eq!(lives(&silent, 1_049), [(Open { level: 0 }, true)]);
    assert_eq!(lives(&silent, 1_050), [(Open { level: 0 }, false)]);
    let story = |heard| log([at(0, PLACED), at(50, HELD), at(heard, CAPTURED)]);
    assert_eq!(lives(&story(1_049), 1_100), [(Resolved { at: 1_049 }, true)]);
    assert_eq!(lives(&story(1_050), 1_100), [(Open { level: 0 }, false)], "the capture is in a life without a start");
}

#[test]
fn a_repeat_does_not_break_the_silence() {
    let story = log([at(0, PLACED).id("p"), at(0, PLACED).id("p").recorded(500)]);
    assert_eq!(lives(&story, 1_000), [(Open { level: 0 }, false)]);
}

#[test]
fn nothing_falls_due_after_an_order_has_left_memory() {
    let sla = Sla { target: Target::Duration(2_000), warn_at: vec![40, 80], ..within_100(PLACED, CAPTURED) };
    let verdicts = judge(&log([at(0, PLACED)]), &small(sla, vec![]), 5_000);
    assert_eq!(verdicts[0].standing, Running { warn: Some(40) });
    assert!(!verdicts[0].in_memory);
}

#[test]
fn a_derived_milestone_closes_with_the_last_record_that_made_it_known() {
    let story = log([
        at(0, PLACED).lines(&[("a", 2)]),
        at(10, CAPTURED),
        at(30, DELIVERED).lines(&[("a", 1)]),
        at(20, DELIVERED).lines(&[("a", 1)]).recorded(75),
    ]);
    assert_eq!(lives(&story, 174), [(Met, true)]);
    assert_eq!(lives(&story, 175), [(Met, false)]);
}
