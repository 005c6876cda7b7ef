//! Several cycles of one SLA: one for each parcel, one for each start.

use super::*;
use Standing::{CancelledLate, Met, Open, Resolved};

const ALLOCATED: &str = "fulfillment.allocated";

/// What stands of each cycle, with the parcel or the start that it is of.
fn stand(story: &[Record], sla: &Sla, frontier: i64) -> Vec<(String, Standing)> {
    let named = |v: Verdict| {
        let start = v.start.map(|(_, _, event_id)| event_id);
        (v.parcel.into_iter().chain(start).collect::<Vec<_>>().join(" "), v.standing)
    };
    judge(story, &rules(vec![sla.clone()], vec![]), frontier).into_iter().map(named).collect()
}

fn each_parcel(start: &str) -> Sla {
    Sla { by_parcel: true, ..within_100(start, SHIPPED) }
}

fn each(start: &str, stop: &str) -> Sla {
    Sla { each: true, ..within_100(start, stop) }
}

fn told(expected: &[(&str, Standing)]) -> Vec<(String, Standing)> {
    expected.iter().map(|(name, standing)| (name.to_string(), *standing)).collect()
}

#[test]
fn a_parcel_s_events_are_nothing_to_another() {
    let story = log([
        at(0, ALLOCATED).parcel("a"),
        at(0, ALLOCATED).parcel("b"),
        at(90, SHIPPED).parcel("a"),
        at(150, SHIPPED).parcel("b"),
    ]);
    assert_eq!(stand(&story, &each_parcel(ALLOCATED), LATE), told(&[("a", Met), ("b", Resolved { at: 150 })]));
}

#[test]
fn the_order_s_start_and_cancel_are_every_known_parcel_s() {
    let story = log([at(0, PLACED), at(50, ALLOCATED).parcel("a"), at(200, CANCELLED)]);
    assert_eq!(stand(&story, &each_parcel(PLACED), LATE), told(&[("a", CancelledLate { at: 200 })]));
    assert_eq!(stand(&log([at(0, PLACED)]), &each_parcel(PLACED), LATE), []);
}

#[test]
fn what_names_no_parcel_is_about_all_and_an_order_that_names_none_is_one() {
    let story = log([at(0, PLACED), at(50, ALLOCATED).parcel("a"), at(90, SHIPPED)]);
    assert_eq!(stand(&story, &each_parcel(PLACED), LATE), told(&[("a", Met)]));
    let story = log([at(0, PLACED), at(50, ALLOCATED)]);
    assert_eq!(stand(&story, &each_parcel(PLACED), LATE), told(&[("", Open { level: 0 })]));
}

#[test]
fn every_start_begins_a_cycle_and_the_first_stop_from_there_on_ends_it() {
    let story = log([at(0, HELD), at(10, RELEASED), at(20, HELD), at(30, HELD), at(125, RELEASED)]);
    let expected = told(&[("e0", Met), ("e2", Resolved { at: 125 }), ("e3", Met)]);
    assert_eq!(stand(&story, &each(HELD, RELEASED), LATE), expected);
}

#[test]
fn at_one_instant_the_log_of_one_topic_decides_and_between_topics_the_stop_counts() {
    let story = log([at(0, RELEASED), at(0, HELD)]);
    assert_eq!(stand(&story, &each(HELD, RELEASED), LATE), told(&[("e1", Open { level: 0 })]));
    assert_eq!(stand(&log([at(0, HELD), at(0, RELEASED)]), &each(HELD, RELEASED), LATE), told(&[("e0", Met)]));
    assert_eq!(stand(&log([at(0, CAPTURED), at(0, HELD)]), &each(HELD, CAPTURED), LATE), told(&[("e1", Met)]));
}

#[test]
fn what_is_for_good_counts_for_every_cycle() {
    let story = log([at(0, PLACED), at(10, CANCELLED), at(20, HELD)]);
    assert_eq!(stand(&story, &each(HELD, RELEASED), LATE), []);
    assert_eq!(stand(&log([at(0, CAPTURED), at(20, HELD)]), &each(HELD, PAID), LATE), told(&[("e1", Met)]));
}
