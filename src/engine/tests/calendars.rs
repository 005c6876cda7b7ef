//! SLAs whose clock runs during business hours.

use std::sync::Arc;

use jiff::civil::time;
use jiff::tz::TimeZone;

use super::story::*;
use crate::domain::{Millis, Status};
use crate::policy::calendar::{BusinessDays, Calendar, DayHours, Hours};
use crate::policy::sla::{Sla, Target};

const DAY: i64 = 24 * 60;

/// Minute 0 is a Friday, 08:00 in London in winter. Open from Monday to Friday, ten hours from 08:00 on.
fn on_calendar(sla: Sla) -> Sla {
    let weekday = || DayHours::new(vec![(8 * 60, 18 * 60)]);
    let week = [weekday(), weekday(), weekday(), weekday(), weekday(), DayHours::default(), DayHours::default()];
    let zone = TimeZone::get("Europe/London").unwrap();
    Sla { calendar: Some(Arc::new(Calendar::new("london".into(), zone, Hours { week, ..Hours::default() }))), ..sla }
}

/// Twelve hours of business: Monday, 10:00.
fn twelve_hours() -> Story {
    Story::new(policies(vec![on_calendar(sla("order.placed", "payment.captured", 12 * 60))], vec![]))
}

/// Minutes since the first Friday, 08:00, of a time of the Monday after.
const fn monday(hour: i64) -> i64 {
    3 * DAY + (hour - 8) * 60
}

#[test]
fn warnings_the_deadline_and_the_rungs_stand_still_over_the_weekend() {
    let mut s = twelve_hours();
    s.read(event("order.placed", 0));
    (0..8 * DAY).step_by(60).for_each(|minute| s.advance(minute + 1));
    assert_eq!(
        s.said(),
        [
            "360+ at_risk 50",
            "576+ at_risk 80",
            &format!("{}+ opened", monday(10)),
            &format!("{}+ escalated 1", monday(11)),
            &format!("{}+ escalated 2", monday(14)),
        ]
    );
    assert_eq!(s.published[2].deadline, Some(at(monday(10))));
}

#[test]
fn what_is_elapsed_is_told_by_the_wall_and_by_the_calendar() {
    let mut s = twelve_hours();
    s.read(event("order.placed", 0));
    s.read(event("payment.captured", monday(12)));
    let resolved = s.published.last().unwrap();
    assert_eq!(resolved.status, Status::Resolved);
    assert_eq!(resolved.actual_elapsed_ms, Some(Millis::new(monday(12) * MINUTE).get()));
    assert_eq!(resolved.business_elapsed_ms, Some(14 * HOUR));
}

#[test]
fn a_hold_over_the_weekend_takes_only_what_was_open_of_it() {
    let mut s = twelve_hours();
    s.read(event("order.placed", 0));
    // From Friday 17:00 to Monday 09:00: an hour of each.
    s.read(event("order.held", 9 * 60));
    s.read(event("order.released", monday(9)));
    s.advance(monday(12));
    assert!(s.published.iter().all(|e| e.status == Status::AtRisk), "{:?}", s.said());
    s.advance(monday(13));
    assert_eq!(s.published.last().unwrap().deadline, Some(at(monday(12))));
    assert_eq!(s.published.last().unwrap().status, Status::Opened);
}

fn next_day() -> Story {
    let promise = BusinessDays { days: 0, cutoff: Some(time(14, 0, 0, 0)), by: Some(time(18, 0, 0, 0)) };
    let sla =
        Sla { target: Target::BusinessDays(promise), warn_at: vec![], ..sla("order.placed", "payment.captured", 1) };
    Story::new(policies(vec![on_calendar(sla)], vec![]))
}

#[test]
fn before_the_cutoff_it_is_due_today_and_after_it_on_the_next_working_day() {
    for (placed, due) in [(5 * 60, 10 * 60), (6 * 60, monday(18)), (DAY, monday(18))] {
        let mut s = next_day();
        s.read(event("order.placed", placed));
        s.advance(due);
        assert_eq!(s.said(), [""; 0], "placed at {placed}");
        s.advance(due + 1);
        assert_eq!(s.said(), [format!("{due}+ opened")], "placed at {placed}");
    }
}

#[test]
fn a_hold_moves_a_business_day_to_the_end_of_the_day_that_it_reaches() {
    let mut s = next_day();
    s.read(event("order.placed", 4 * 60));
    // Three open hours stood still, so that three are left for Monday: it is due when that day is over.
    s.read(event("order.held", 5 * 60));
    s.read(event("order.released", 8 * 60));
    s.advance(monday(18));
    assert_eq!(s.said(), [""; 0]);
    s.advance(monday(18) + 1);
    assert_eq!(s.said(), [format!("{}+ opened", monday(18))]);

    // A hold while it is closed takes nothing.
    let mut s = next_day();
    s.read(event("order.placed", 6 * 60));
    s.read(event("order.held", DAY));
    s.read(event("order.released", 2 * DAY));
    s.advance(monday(18) + 1);
    assert_eq!(s.said(), [format!("{}+ opened", monday(18))]);

    // One that is never released lets nothing come due.
    let mut s = next_day();
    s.read(event("order.placed", 0));
    s.read(event("order.held", 60));
    s.advance(100 * DAY);
    assert_eq!(s.said(), [""; 0]);
}
