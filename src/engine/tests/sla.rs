use super::story::*;
use crate::domain::{Evidence, Milestone, Millis, Promise, Status, Timestamp};
use crate::engine::Applied;
use crate::policy::sla::{Occurrence, Sla, Target};

fn story() -> Story {
    Story::new(policies(vec![sla("order.placed", "payment.captured", 60)], vec![]))
}

#[test]
fn kept_in_time_says_nothing() {
    let mut s = story();
    s.read(event("order.placed", 0));
    s.read(event("payment.captured", 20));
    s.advance(10_000);
    assert_eq!(s.said(), [""; 0]);
}

#[test]
fn warns_opens_escalates_and_resolves() {
    let mut s = story();
    s.read(event("order.placed", 0));
    for minute in [31, 49, 61, 121, 301] {
        s.advance(minute);
    }
    s.read(event("payment.captured", 400));
    assert_eq!(
        s.said(),
        ["30+ at_risk 50", "48+ at_risk 80", "60+ opened", "120+ escalated 1", "300+ escalated 2", "400 resolved 2"]
    );
    let opened = &s.published[2];
    assert_eq!(opened.deadline, Some(at(60)));
    assert_eq!(opened.breached_at, Some(at(60)));
    assert_eq!(opened.evidence, Some(Evidence::Absent));
    assert_eq!(opened.actual_elapsed_ms, Some(HOUR));
    assert_eq!(opened.trigger.as_ref().unwrap().event_id, "order.placed@0");
    let resolved = s.published.last().unwrap();
    assert_eq!((resolved.sequence, resolved.incarnation), (6, 1));
    assert_eq!(resolved.actual_elapsed_ms, Some(400 * MINUTE));
    assert_eq!(resolved.closed_by.as_ref().unwrap().event_id, "payment.captured@400");
    assert_eq!(resolved.ended_at, Some(at(400)));
}

#[test]
fn one_long_move_collapses_the_rungs_to_the_highest() {
    let mut s = story();
    s.read(event("order.placed", 0));
    s.advance(10_000);
    assert_eq!(s.said(), ["48+ at_risk 80", "60+ opened", "300+ escalated 2"]);
}

#[test]
fn a_stop_exactly_on_the_deadline_meets_it_and_a_millisecond_later_does_not() {
    let mut s = story();
    s.read(event("order.placed", 0));
    s.read(event("payment.captured", 60));
    s.advance(100);
    assert_eq!(s.said(), ["48+ at_risk 80", "60 averted"]);

    let mut s = story();
    s.read(event("order.placed", 0));
    let mut late = event("payment.captured", 60);
    late.event_time = late.event_time.next();
    late.record_time = late.event_time;
    s.read(late);
    s.advance(100);
    assert_eq!(s.said(), ["48+ at_risk 80", "60+ opened", "60+ resolved"]);
}

#[test]
fn a_late_event_that_proves_the_promise_was_kept_retracts() {
    let mut s = story();
    s.read(event("order.placed", 0));
    s.advance(90);
    s.read_late(event("payment.captured", 59), 100);
    assert_eq!(s.said(), ["48+ at_risk 80", "60+ opened", "100 retracted"]);
    assert_eq!(s.published[2].closed_by.as_ref().unwrap().event_id, "payment.captured@59");
}

#[test]
fn a_resolved_breach_is_retracted_by_proof_of_an_earlier_stop() {
    let mut s = story();
    s.read(event("order.placed", 0));
    s.read(event("payment.captured", 70));
    s.read_late(event("payment.captured", 50), 90);
    assert_eq!(s.said(), ["48+ at_risk 80", "60+ opened", "70 resolved", "90 retracted"]);
}

#[test]
fn a_repeat_changes_nothing_and_a_conflict_leaves_the_first() {
    let mut s = story();
    s.read(event("order.placed", 0));
    assert_eq!(s.read_late(event("order.placed", 0), 5), Applied::Repeat);
    let mut other = event("order.placed", 0);
    other.event_time = at(30);
    assert_eq!(s.read_late(other, 31), Applied::Conflict);
    s.advance(61);
    assert_eq!(s.said(), ["30+ at_risk 50", "48+ at_risk 80", "60+ opened"]);
    assert_eq!((s.shard.counters().duplicates, s.shard.counters().conflicts), (1, 1));
}

#[test]
fn known_past_its_deadline_warns_of_nothing() {
    let mut s = story();
    s.advance(500);
    s.read_late(event("order.placed", 0), 500);
    assert_eq!(s.said(), ["500 opened", "500 escalated 2"]);
}

#[test]
fn a_stop_already_known_when_the_breach_is_judged_gives_both() {
    let mut s = story();
    s.advance(500);
    s.shard.apply(event("payment.captured", 90), at(90)).unwrap();
    s.read_late(event("order.placed", 0), 500);
    assert_eq!(s.said(), ["500 opened", "500 resolved"]);
    assert_eq!(s.published[0].evidence, Some(Evidence::Late));
}

#[test]
fn cancel_before_the_deadline_is_no_breach_and_after_it_ends_one() {
    let mut s = story();
    s.read(event("order.placed", 0));
    s.read(event("order.cancelled", 20));
    s.advance(100);
    assert_eq!(s.said(), [""; 0]);

    let mut s = story();
    s.read(event("order.placed", 0));
    s.read(event("order.cancelled", 55));
    assert_eq!(s.said(), ["48+ at_risk 80", "55 cancelled"]);

    let mut s = story();
    s.read(event("order.placed", 0));
    s.read(event("order.cancelled", 65));
    assert_eq!(s.said(), ["48+ at_risk 80", "60+ opened", "65 cancelled"]);
    s.read_late(event("order.cancelled", 10), 70);
    assert_eq!(s.said().last().unwrap(), "70 retracted");
}

#[test]
fn stop_wins_over_cancel_at_the_same_instant() {
    let mut s = story();
    s.read(event("order.placed", 0));
    s.read(event("order.cancelled", 65));
    s.read(event("payment.captured", 65));
    assert_eq!(s.said()[2..], ["65 cancelled", "65 resolved #2"]);
    let mut s = story();
    s.read(event("order.cancelled", 0));
    s.read(event("order.placed", 0));
    s.advance(500);
    assert_eq!(s.said(), [""; 0], "a cancel at the start means that there is no cycle");
}

#[test]
fn a_hold_moves_deadline_warnings_and_escalations() {
    let mut s = story();
    s.read(event("order.placed", 0));
    s.read(event("order.held", 10));
    s.advance(1000);
    assert_eq!(s.said(), [""; 0], "its clock stands still");
    s.read(event("order.released", 1010));
    s.advance(1100);
    s.advance(1200);
    assert_eq!(s.said(), ["1048+ at_risk 80", "1060+ opened", "1120+ escalated 1"]);
    assert_eq!(s.published[1].business_elapsed_ms, Some(HOUR));
    assert_eq!(s.published[1].actual_elapsed_ms, Some(1060 * MINUTE));
}

#[test]
fn a_hold_told_late_retracts_and_the_breach_opens_anew_at_the_moved_deadline() {
    let mut s = story();
    s.read(event("order.placed", 0));
    s.advance(70);
    s.read_late(event("order.held", 30), 71);
    s.read_late(event("order.released", 50), 72);
    s.advance(100);
    assert_eq!(
        s.said(),
        ["48+ at_risk 80", "60+ opened", "71 retracted", "71 at_risk 50 #2", "72 at_risk 80 #2", "80+ opened #2"]
    );
}

#[test]
fn grace_delays_the_judging_and_not_the_deadline() {
    let mut settings = settings();
    settings.grace = Millis::new(5 * MINUTE);
    let mut s = Story::with_settings(policies(vec![sla("order.placed", "payment.captured", 60)], vec![]), settings);
    s.read(event("order.placed", 0));
    s.advance(65);
    assert_eq!(s.said(), ["53+ at_risk 80"]);
    s.read_late(event("payment.captured", 58), 65);
    assert_eq!(s.said(), ["53+ at_risk 80", "65 averted"]);
    s.advance(500);
    assert_eq!(s.published.len(), 2);
}

#[test]
fn an_sla_s_own_grace_goes_before_the_streams() {
    let mut settings = settings();
    settings.grace = Millis::new(5 * MINUTE);
    let own = |grace| Sla { grace: Some(Millis::new(grace * MINUTE)), ..sla("order.placed", "payment.captured", 60) };
    for (grace, opened) in [(0, "60+ opened"), (20, "80+ opened")] {
        let mut s = Story::with_settings(policies(vec![own(grace)], vec![]), settings.clone());
        s.read(event("order.placed", 0));
        s.advance(90);
        assert_eq!(s.said().last().unwrap(), opened);
    }
}

fn promised() -> Story {
    let mut sla = sla("order.placed", "fulfillment.delivered", 0);
    sla.target = Target::PromisedDeliverBy;
    Story::new(policies(vec![sla], vec![]))
}

#[test]
fn a_promise_may_move_only_before_it_runs_out() {
    let promise = |e, minute| with(e, |d| d.promised_deliver_by = Promise::At(at(minute)));
    let mut s = promised();
    s.read(promise(event("order.placed", 0), 100));
    s.read(promise(event("order.changed", 40), 200));
    s.read(promise(event("order.changed", 201), 900));
    assert_eq!(s.said(), ["160+ at_risk 80", "200+ opened"]);
    assert_eq!(s.published[1].deadline, Some(at(200)));

    let mut s = promised();
    s.read(promise(event("order.placed", 0), 100));
    s.read(with(event("order.changed", 90), |d| d.promised_deliver_by = Promise::Withdrawn));
    s.advance(500);
    assert_eq!(s.said(), ["80+ at_risk 80", "90 cancelled"]);

    let mut s = promised();
    s.read(promise(event("order.placed", 50), 20));
    assert_eq!(s.said(), ["50 opened"], "a promise before the start breaches at once, without at_risk");
}

#[test]
fn a_pause_does_not_shift_a_promised_date_and_is_no_business_time() {
    let mut s = promised();
    s.read(with(event("order.placed", 0), |d| d.promised_deliver_by = Promise::At(at(100))));
    s.read(event("order.held", 20));
    s.read(event("order.released", 50));
    s.advance(101);
    s.read(event("fulfillment.delivered", 130));
    assert_eq!(s.said(), ["80+ at_risk 80", "100+ opened", "130 resolved"]);
    let elapsed = s.published.iter().map(|e| (e.actual_elapsed_ms, e.business_elapsed_ms));
    let minutes = |actual, business| (Some(actual * MINUTE), Some(business * MINUTE));
    assert_eq!(elapsed.skip(1).collect::<Vec<_>>(), [minutes(100, 70), minutes(130, 100)]);
}

#[test]
fn without_a_promise_there_is_no_cycle() {
    let mut s = promised();
    s.read(event("order.placed", 0));
    s.advance(100_000);
    assert_eq!(s.said(), [""; 0]);
}

#[test]
fn occurrence_last_restarts_the_cycle_until_its_deadline() {
    let mut policy = sla("handoff.requested", "handoff.accepted", 60);
    policy.start.occurrence = Occurrence::Last;
    policy.warn_at.clear();
    let mut s = Story::new(policies(vec![policy], vec![]));
    s.read(event("handoff.requested", 0));
    s.read(event("handoff.requested", 50));
    s.read(event("handoff.requested", 111));
    assert_eq!(s.said(), ["110+ opened"]);
}

#[test]
fn paid_in_full_is_when_the_sum_crosses() {
    let mut s = Story::new(policies(vec![sla("order.placed", "order.paid_in_full", 60)], vec![]));
    s.read(with(event("order.placed", 0), |d| d.total = Some(money(100))));
    s.read(with(event("payment.captured", 10), |d| d.amount = Some(money(60))));
    s.advance(70);
    s.read_late(with(event("payment.captured", 55), |d| d.amount = Some(money(40))), 71);
    assert_eq!(s.said(), ["48+ at_risk 80", "60+ opened", "71 retracted"]);
}

#[test]
fn what_was_due_before_publish_after_is_counted_and_not_told() {
    let mut settings = settings();
    settings.publish_after = at(1000);
    let mut s = Story::with_settings(policies(vec![sla("order.placed", "payment.captured", 60)], vec![]), settings);
    s.read(event("order.placed", 0));
    let mut other = event("order.placed", 990);
    other.order_id = "o-2".into();
    s.read(other);
    s.advance(1100);
    s.read(event("payment.captured", 1200));
    assert_eq!(s.said(), ["1038+ at_risk 80", "1050+ opened", "1110+ escalated 1"]);
    assert!(s.published.iter().all(|e| e.subject == crate::domain::Subject::Order("o-2".into())));
    assert_eq!(s.shard.counters().kept_back, 1);
}

#[test]
fn an_order_leaves_memory_after_it_closed_and_its_id_is_remembered() {
    let mut s = story();
    s.read(event("order.placed", 0));
    s.read(event("payment.captured", 70));
    s.read(event("order.completed", 80));
    assert_eq!(s.shard.orders_open(), 0);
    let day = DAY / MINUTE;
    assert_eq!(s.read(event("payment.refunded", 80 + 30 * day - 1)), Applied::New);
    assert_eq!(s.read(event("payment.captured", 80 + 30 * day)), Applied::AfterClose);
    assert_eq!(s.tombstones, 1);
    assert_eq!(s.read(event("order.placed", 80 + 120 * day - 1)), Applied::AfterClose);
    assert_eq!(s.read(event("order.placed", 80 + 120 * day)), Applied::New);
    assert_eq!(s.shard.orders_open(), 1);
}

/// A transaction upstream holds the frontier, and another input is read on: what the order has still to tell comes first.
#[test]
fn a_record_that_begins_an_order_anew_waits_until_all_of_the_old_one_was_told() {
    let mut s = story();
    s.read(event("order.placed", 0));
    let forgotten = 180 * DAY / MINUTE;
    let mut anew = event("order.placed", forgotten);
    anew.position.offset = s.offset;
    assert_eq!(s.shard.apply(anew.clone(), at(forgotten)), Ok(Applied::NotYet));
    assert_eq!((s.shard.orders_open(), s.shard.counters().evicted), (1, 0), "nothing was changed");

    // What it says when it leaves must be committed before it does.
    s.shard.advance(at(forgotten));
    assert_eq!(s.shard.apply(anew.clone(), at(forgotten)), Ok(Applied::NotYet));
    s.listen();
    assert!(s.said().iter().any(|said| said.ends_with("opened")), "{:?}", s.said());
    s.listen();
    assert_eq!((s.shard.apply(anew, at(forgotten)), s.shard.counters().evicted), (Ok(Applied::New), 1));
}

#[test]
fn closing_is_judged_by_record_time_also_within_one_batch() {
    let mut s = story();
    let day = DAY / MINUTE;
    for (offset, e) in
        [event("order.placed", 0), event("payment.captured", 1), event("order.completed", 2)].into_iter().enumerate()
    {
        let mut e = e;
        e.position.offset = offset as i64;
        s.shard.apply(e, at(0)).unwrap();
    }
    let refund = event("payment.refunded", 2 + 30 * day);
    let record_time = refund.record_time;
    assert_eq!(s.shard.apply(refund, record_time).unwrap(), Applied::AfterClose);
}

#[test]
fn a_silent_order_is_evicted() {
    let mut s = story();
    s.read(event("order.placed", 0));
    s.advance(181 * DAY / MINUTE);
    s.listen();
    s.advance(182 * DAY / MINUTE);
    s.listen();
    assert_eq!(s.shard.counters().evicted, 1);
    assert_eq!(s.tombstones, 1);
    assert_eq!(s.shard.next_deadline(), None);
}

#[test]
fn an_abort_takes_nothing_for_published() {
    let mut s = story();
    s.read(event("order.placed", 0));
    s.shard.advance(at(61));
    let first = s.shard.drain_transitions(None);
    assert_eq!(first.len(), 2);
    s.shard.aborted();
    s.advance(62);
    assert_eq!(s.said(), ["61 opened"]);
    assert_eq!(s.published[0].sequence, 1);
    s.listen();
    assert_eq!(s.published.len(), 1);
}

#[test]
fn owner_and_severity_follow_the_rungs_and_the_attributes_are_those_at_the_start() {
    let mut policy = sla("order.placed", "payment.captured", 60);
    policy.escalate_after[0].route = Some("management".into());
    policy.escalate_after[1].owner = Some("boss".into());
    let mut s = Story::new(policies(vec![policy], vec![]));
    s.read(attribute(event("order.placed", 0), "region", "EU"));
    s.read(attribute(event("order.changed", 10), "region", "US"));
    s.advance(61);
    s.advance(500);
    assert_eq!(s.published[1].attributes.len(), 1);
    assert_eq!(s.published[1].attributes[0].1.to_string(), "EU");
    assert_eq!(s.published[1].owner, "team");
    assert_eq!(s.published[2].owner, "boss");
    assert_eq!(s.published[2].route, "management", "a rung passed over counts as well");
    assert_eq!(s.published[2].earlier_routes, ["desk"]);
    assert_eq!(s.published[2].status, Status::Escalated);
}

#[test]
fn a_frontier_never_goes_back_and_fires_strictly_past() {
    let mut s = story();
    s.read(event("order.placed", 0));
    assert_eq!(s.shard.next_deadline(), Some(at(30)));
    s.advance(30);
    assert_eq!(s.said(), [""; 0]);
    s.shard.advance(Timestamp::MIN);
    assert_eq!(s.shard.frontier(), at(30));
    s.shard.advance(at(30).next());
    s.listen();
    assert_eq!(s.said(), ["30+ at_risk 50"]);
}

#[test]
fn custom_milestones_work_like_any_other() {
    let mut s = Story::new(policies(vec![sla("handoff.requested", "handoff.accepted", 60)], vec![]));
    s.read(event("handoff.requested", 0));
    s.read(event("handoff.accepted", 61));
    assert_eq!(s.said(), ["48+ at_risk 80", "60+ opened", "61 resolved"]);
    assert_eq!(s.published[1].trigger.as_ref().unwrap().kind, Milestone::parse("handoff.requested").as_str());
}

/// Applies events in one batch, all of them before anything is judged.
fn batch(s: &mut Story, events: Vec<crate::domain::Event>) -> Vec<Applied> {
    let numbered = events.into_iter().zip(0..);
    let applied = numbered.map(|(mut e, offset)| {
        e.position.offset = offset;
        let record_time = e.record_time;
        s.shard.apply(e, record_time).unwrap()
    });
    applied.collect()
}

#[test]
fn how_late_a_record_is_does_not_depend_on_batches() {
    let day = DAY / MINUTE;
    let events = || {
        vec![
            event("order.placed", 0),
            event("payment.captured", 1),
            event("order.completed", 2),
            event("payment.refunded", 20 * day),
            event("payment.disputed", 35 * day),
        ]
    };
    let mut one_by_one = story();
    let expected: Vec<Applied> = events().into_iter().map(|e| one_by_one.read(e)).collect();
    assert_eq!(expected.last(), Some(&Applied::AfterClose));
    assert_eq!(batch(&mut story(), events()), expected);
}

#[test]
fn a_record_time_of_next_year_does_not_begin_a_closed_order_anew() {
    let mut s = story();
    for e in [event("order.placed", 0), event("payment.captured", 1), event("order.completed", 2)] {
        s.read(e);
    }
    let mut astray = event("payment.refunded", 10);
    astray.record_time = at(365 * DAY / MINUTE);
    astray.position.offset = 99;
    assert_eq!(s.shard.apply(astray, at(10)), Ok(Applied::New));
    assert_eq!(s.tombstones, 0);
}

#[test]
fn an_order_that_is_past_its_time_when_it_is_read_leaves_no_timer_behind() {
    let mut s = story();
    let day = DAY / MINUTE;
    s.advance(200 * day);
    for (kind, minute) in [("order.placed", 0), ("payment.captured", 1), ("order.completed", 2)] {
        s.shard.apply(event(kind, minute), at(minute)).unwrap();
    }
    s.listen();
    assert_eq!(s.said(), [""; 0]);
    assert_eq!(s.shard.next_deadline(), None);
    assert_eq!(s.shard.orders_open(), 0);
}

#[test]
fn repeats_cost_no_judging() {
    let mut s = story();
    s.read(event("order.placed", 0));
    s.shard.advance(at(20));
    for _ in 0..3 {
        let mut again = event("order.placed", 0);
        again.position.offset = 7;
        assert_eq!(s.shard.apply(again, at(20)), Ok(Applied::Repeat));
    }
    assert_eq!(s.shard.unjudged(), 0, "a repeat changes no facts");
}

#[test]
fn attributes_of_one_order_are_bounded() {
    let mut s = story();
    let big = |minute| {
        let value = crate::domain::AttributeValue::Text("x".repeat(60_000).into());
        with(event("order.changed", minute), |d| d.attributes.push((format!("a{minute}").into(), value)))
    };
    s.read(event("order.placed", 0));
    s.read(big(1));
    s.read(big(2));
    let refused = s.shard.apply(big(3), at(3)).unwrap_err();
    assert_eq!(refused.code(), "too_many_attributes");
    s.advance(100);
    assert_eq!(s.published.last().unwrap().attributes.len(), 0, "what came after the start is not carried");
}

#[test]
fn what_is_queued_after_the_drain_is_not_committed_with_it() {
    let mut s = story();
    s.read(event("order.placed", 0));
    s.shard.advance(at(49));
    assert_eq!(s.shard.drain_transitions(None).len(), 1);
    s.shard.advance(at(61));
    s.shard.committed();
    assert_eq!(s.shard.drain_transitions(None).len(), 1);
    s.shard.aborted();
    s.listen();
    assert_eq!(s.said(), ["61 opened"]);
}
