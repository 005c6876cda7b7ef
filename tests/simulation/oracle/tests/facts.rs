//! Identity, milestones, totals, lines, parcels, attributes.

use super::*;

#[test]
fn a_repeat_adds_nothing() {
    let story = log([
        at(0, PLACED).total(100),
        at(10, CAPTURED).id("c").amount(50),
        at(10, CAPTURED).id("c").amount(50),
        at(20, CAPTURED).amount(50),
    ]);
    assert_eq!(reached(&story, PAID), Some(20));
}

#[test]
fn of_a_conflict_the_first_in_the_log_stands() {
    let story = log([
        at(0, PLACED).total(100),
        at(5, CAPTURED).id("c").amount(100).offset(8),
        at(30, CAPTURED).id("c").amount(100).offset(7),
    ]);
    assert_eq!(reached(&story, CAPTURED), Some(30));
}

#[test]
fn two_systems_and_two_streams_may_number_alike() {
    let story = log([
        at(0, PLACED).id("1").total(100),
        at(10, CAPTURED).id("1").from("psp").amount(50),
        at(20, CAPTURED).id("1").from("till").amount(50),
    ]);
    assert_eq!(reached(&story, PAID), Some(20));
}

#[test]
fn two_orders_may_number_alike() {
    let story = log([at(0, PLACED).id("1"), at(7, PLACED).id("1").of("p")]);
    assert_eq!(judge(&story, &rules(vec![within_100(PLACED, PAID)], vec![]), 0).len(), 2);
}

#[test]
fn a_milestone_is_reached_at_its_earliest_event_time() {
    assert_eq!(reached(&log([at(20, SHIPPED), at(10, SHIPPED)]), SHIPPED), Some(10));
}

#[test]
fn at_one_event_time_a_milestone_belongs_to_the_least_place_in_the_log() {
    let story = log([at(10, SHIPPED).recorded(11).offset(5), at(10, SHIPPED).recorded(12).offset(4)]);
    let records: Vec<&Record> = story.iter().collect();
    assert_eq!(Facts::new(&records).milestone(SHIPPED).expect("shipped").record_time, 12);
}

#[test]
fn paid_in_full_is_when_the_sum_crosses_by_event_time() {
    let story = log([
        at(30, CAPTURED).amount(20),
        at(20, CAPTURED).amount(30),
        at(10, CAPTURED).amount(50),
        at(0, PLACED).total(100),
    ]);
    assert_eq!(reached(&story, PAID), Some(30));
    assert_eq!(reached(&log([at(0, PLACED).total(80), at(30, CAPTURED).amount(79)]), PAID), None);
}

#[test]
fn a_later_refund_does_not_undo_paid_in_full() {
    let story = log([at(0, PLACED).total(100), at(10, CAPTURED).amount(100), at(9, REFUNDED).amount(50)]);
    assert_eq!(reached(&story, PAID), Some(10));
}

#[test]
fn a_total_of_zero_is_paid_when_placed() {
    assert_eq!(reached(&log([at(3, PLACED).total(0)]), PAID), Some(3));
}

#[test]
fn without_a_total_the_first_capture_pays() {
    let story = log([at(0, PLACED), at(20, CAPTURED).amount(1), at(10, CAPTURED)]);
    assert_eq!(reached(&story, PAID), Some(10));
}

#[test]
fn a_capture_before_the_total_counts_when_the_total_comes_into_force() {
    let story = log([at(0, PLACED), at(10, CAPTURED).amount(100), at(40, "order.changed").total(90)]);
    assert_eq!(reached(&story, PAID), Some(40));
}

#[test]
fn the_total_in_force_is_the_newest_by_event_time() {
    let raised = log([
        at(20, "order.changed").total(150),
        at(0, PLACED).total(100),
        at(30, CAPTURED).amount(100),
        at(40, CAPTURED).amount(50),
    ]);
    assert_eq!(reached(&raised, PAID), Some(40));
    let lowered = log([at(0, PLACED).total(100), at(10, CAPTURED).amount(60), at(25, "order.changed").total(60)]);
    assert_eq!(reached(&lowered, PAID), Some(25));
}

#[test]
fn once_paid_a_higher_total_does_not_move_the_instant() {
    let story = log([at(0, PLACED).total(50), at(10, CAPTURED).amount(50), at(20, "order.changed").total(90)]);
    assert_eq!(reached(&story, PAID), Some(10));
}

#[test]
fn money_in_another_currency_pays_nothing() {
    let story = log([at(0, PLACED).total(50), at(10, CAPTURED).amount_in("USD", 50), at(20, CAPTURED).amount(50)]);
    assert_eq!(reached(&story, PAID), Some(20));
}

#[test]
fn only_the_orders_own_events_set_its_total_and_lines() {
    let story = log([
        at(0, CAPTURED).total(100).amount(10),
        at(5, SHIPPED).lines(&[("a", 1)]),
        at(6, "review.done").lines(&[("a", 9)]),
    ]);
    assert_eq!(reached(&story, PAID), Some(0));
    assert_eq!(reached(&story, "order.fully_shipped"), Some(5));
}

#[test]
fn fully_shipped_is_when_every_sku_reaches_what_was_ordered() {
    let story = log([
        at(0, PLACED).lines(&[("a", 2), ("b", 1)]),
        at(10, SHIPPED).parcel("1").lines(&[("a", 2)]),
        at(20, SHIPPED).parcel("2").lines(&[("b", 1)]),
        at(30, SHIPPED).parcel("3").lines(&[("b", 1)]),
    ]);
    assert_eq!(reached(&story, "order.fully_shipped"), Some(20));
    assert_eq!(reached(&story, "order.fully_delivered"), None);
}

#[test]
fn the_same_parcel_told_twice_with_equal_lines_is_one() {
    let story = log([
        at(0, PLACED).lines(&[("a", 2)]),
        at(10, SHIPPED).parcel("1").lines(&[("a", 1)]),
        at(11, SHIPPED).parcel("1").lines(&[("a", 1)]),
        at(20, SHIPPED).lines(&[("a", 1)]),
    ]);
    assert_eq!(reached(&story, "order.fully_shipped"), Some(20));
    let without_ids =
        log([at(0, PLACED).lines(&[("a", 2)]), at(10, SHIPPED).lines(&[("a", 1)]), at(11, SHIPPED).lines(&[("a", 1)])]);
    assert_eq!(reached(&without_ids, "order.fully_shipped"), Some(11));
}

#[test]
fn one_parcel_told_with_other_lines_adds_them() {
    let story = log([
        at(0, PLACED).lines(&[("a", 1), ("b", 1)]),
        at(10, SHIPPED).parcel("1").lines(&[("a", 1)]),
        at(12, SHIPPED).parcel("1").lines(&[("b", 1)]),
    ]);
    assert_eq!(reached(&story, "order.fully_shipped"), Some(12));
}

#[test]
fn a_parcel_without_lines_says_everything() {
    let story = log([at(0, PLACED).lines(&[("a", 5)]), at(10, DELIVERED)]);
    assert_eq!(reached(&story, "order.fully_delivered"), Some(10));
    let before_the_lines = log([at(5, DELIVERED), at(8, PLACED).lines(&[("a", 5)])]);
    assert_eq!(reached(&before_the_lines, "order.fully_delivered"), Some(8));
}

#[test]
fn without_lines_the_first_shipment_ships_all() {
    let story = log([at(0, PLACED), at(12, SHIPPED).lines(&[("a", 1)]), at(20, SHIPPED)]);
    assert_eq!(reached(&story, "order.fully_shipped"), Some(12));
}

#[test]
fn a_derived_milestone_cannot_be_told() {
    assert_eq!(reached(&log([at(0, PLACED).total(10), at(5, PAID)]), PAID), None);
}

#[test]
fn when_reads_the_attributes_as_of_the_start() {
    let web = Sla { when: Some(("channel".to_string(), "web".to_string())), ..within_100(PLACED, PAID) };
    let cases = [
        (log([at(10, PLACED).says("channel", "web")]), true),
        (log([at(10, PLACED)]), false),
        (log([at(10, PLACED).says("channel", "web"), at(11, HELD).says("channel", "till")]), true),
        (log([at(10, PLACED).says("channel", "web"), at(10, HELD).says("channel", "till")]), false),
        (log([at(10, PLACED), at(4, CAPTURED).says("channel", "web")]), true),
        (log([at(10, PLACED).says("channel", "web"), at(4, HELD).says("channel", "till")]), true),
    ];
    for (index, (story, holds)) in cases.into_iter().enumerate() {
        assert_eq!(standing(&story, &web, 20).is_some(), holds, "case {index}");
    }
}
