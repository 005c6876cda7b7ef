//! Calendars and business days.

use super::*;

const WEEKDAYS: &[usize] = &[0, 1, 2, 3, 4];
const ALL: &[usize] = &[0, 1, 2, 3, 4, 5, 6];

/// The deadline of a cycle on a calendar that was placed at an instant.
fn due(calendar: Calendar, target: Target, placed: &str) -> Option<i64> {
    let sla = Sla { calendar: around(calendar, at(placed)), target, ..within(0) };
    deadline(&sla, &log([event(PLACED, at(placed))]))
}

fn hours(hours: i64) -> Target {
    Target::Duration(hours * HOUR)
}

#[test]
fn a_week_with_several_spans_a_day() {
    let office = || calendar("Europe/Berlin", WEEKDAYS, &[(8, 12), (13, 17)]);
    // Thursday 10:00: two hours, four, and on Friday two more.
    assert_eq!(due(office(), hours(8), "2026-01-15T09:00:00Z"), Some(at("2026-01-16T09:00:00Z")));
    // The first instant at which four hours have run is noon, not one o'clock.
    assert_eq!(due(office(), hours(4), "2026-01-15T07:00:00Z"), Some(at("2026-01-15T11:00:00Z")));
    // On Saturday nothing runs.
    assert_eq!(due(office(), hours(1), "2026-01-17T09:00:00Z"), Some(at("2026-01-19T08:00:00Z")));
    assert_eq!(due(office(), hours(0), "2026-01-17T09:00:00Z"), Some(at("2026-01-17T09:00:00Z")));
}

#[test]
fn a_holiday_and_a_day_with_hours_of_its_own() {
    let mut office = calendar("Europe/Berlin", WEEKDAYS, &[(8, 18)]);
    office.holidays.insert(day(2026, 12, 25));
    // Thursday 15:00: three hours, and five on Monday.
    assert_eq!(due(office.clone(), hours(8), "2026-12-24T14:00:00Z"), Some(at("2026-12-28T12:00:00Z")));
    office.exceptions.insert(day(2026, 12, 24), vec![(480, 960)]);
    office.exceptions.insert(day(2026, 12, 26), vec![(600, 660)]);
    // One on Christmas Eve, one on that Saturday, six on Monday.
    assert_eq!(due(office, hours(8), "2026-12-24T14:00:00Z"), Some(at("2026-12-28T13:00:00Z")));
}

#[test]
fn a_night_belongs_to_the_day_on_which_it_begins() {
    let mut nights = calendar("Europe/Berlin", WEEKDAYS, &[(22, 6)]);
    // Friday's night goes on to Saturday morning; Monday's begins on Monday evening.
    assert_eq!(due(nights.clone(), hours(8), "2026-01-16T12:00:00Z"), Some(at("2026-01-17T05:00:00Z")));
    assert_eq!(due(nights.clone(), hours(9), "2026-01-16T12:00:00Z"), Some(at("2026-01-19T22:00:00Z")));
    // A holiday on Friday takes Friday's night, not the end of Thursday's.
    nights.holidays.insert(day(2026, 1, 16));
    assert_eq!(due(nights, hours(9), "2026-01-15T20:00:00Z"), Some(at("2026-01-19T22:00:00Z")));
}

#[test]
fn nights_with_a_change_of_the_clock_in_berlin() {
    let nights = || calendar("Europe/Berlin", ALL, &[(22, 6)]);
    // 29 March has no hour from two to three, so that night is seven hours long.
    assert_eq!(due(nights(), hours(7), "2026-03-28T21:00:00Z"), Some(at("2026-03-29T04:00:00Z")));
    // 25 October has it twice: nine hours.
    assert_eq!(due(nights(), hours(9), "2026-10-24T20:00:00Z"), Some(at("2026-10-25T05:00:00Z")));
    // The hour that comes twice is open twice, the one that is left out is not there.
    let early = || calendar("Europe/Berlin", ALL, &[(2, 3)]);
    assert_eq!(due(early(), hours(2), "2026-10-24T20:00:00Z"), Some(at("2026-10-25T02:00:00Z")));
    assert_eq!(due(early(), hours(1), "2026-03-28T12:00:00Z"), Some(at("2026-03-30T01:00:00Z")));
}

#[test]
fn half_an_hour_on_lord_howe_and_quarters_in_kathmandu() {
    let howe = || calendar("Australia/Lord_Howe", &[6], &[(0, 6)]);
    let minutes = |minutes: i64| Target::Duration(minutes * MINUTE);
    // Sunday 5 April has six hours and a half there until six: from +11:00 to +10:30.
    assert_eq!(due(howe(), minutes(390), "2026-04-04T13:00:00Z"), Some(at("2026-04-04T19:30:00Z")));
    // Sunday 4 October has five and a half: from +10:30 to +11:00.
    assert_eq!(due(howe(), minutes(330), "2026-10-03T13:30:00Z"), Some(at("2026-10-03T19:00:00Z")));
    // Friday 16:30 at +05:45, half an hour then and half an hour on Sunday from ten.
    let nepal = calendar("Asia/Kathmandu", &[6, 0, 1, 2, 3, 4], &[(10, 17)]);
    assert_eq!(due(nepal, hours(1), "2026-05-15T10:45:00Z"), Some(at("2026-05-17T04:45:00Z")));
}

#[test]
fn business_days_count_from_the_cutoff() {
    let office = || {
        let mut office = calendar("Europe/Berlin", WEEKDAYS, &[(8, 18)]);
        office.holidays.insert(day(2026, 1, 20));
        office
    };
    let next_day = Target::BusinessDays { days: 1, cutoff: Some(14 * 60), by: Some(17 * 60) };
    let due = |placed: &str| due(office(), next_day, placed);
    assert_eq!(due("2026-01-15T12:59:00Z"), Some(at("2026-01-16T16:00:00Z")), "Thursday in time");
    assert_eq!(due("2026-01-15T13:00:00Z"), Some(at("2026-01-19T16:00:00Z")), "at the cutoff it is too late");
    assert_eq!(due("2026-01-16T12:00:00Z"), Some(at("2026-01-19T16:00:00Z")), "over the weekend");
    assert_eq!(due("2026-01-17T20:00:00Z"), Some(at("2026-01-21T16:00:00Z")), "Saturday is Monday, and Tuesday is off");
    assert_eq!(due("2026-01-14T23:00:00Z"), Some(at("2026-01-16T16:00:00Z")), "local midnight is Thursday");
}

#[test]
fn a_pause_takes_open_time_from_business_days() {
    let target = Target::BusinessDays { days: 1, cutoff: Some(14 * 60), by: Some(17 * 60) };
    let office = calendar("Europe/Berlin", WEEKDAYS, &[(8, 18)]);
    let sla = Sla { calendar: around(office, at("2026-01-15T09:00:00Z")), target, ..within(0) };
    let story = |from: &str, until: &str| {
        log([event(PLACED, at("2026-01-15T09:00:00Z")), event(HELD, at(from)), event(RELEASED, at(until))])
    };
    // An hour of Thursday and one of Friday: two past Friday 17:00 reach Monday 09:00, which ends at 17:00.
    let held = story("2026-01-15T16:00:00Z", "2026-01-16T08:00:00Z");
    assert_eq!(deadline(&sla, &held), Some(at("2026-01-19T16:00:00Z")));
    // Seven hours and eight of Thursday and Friday, ten less the hour before eight, and nine.
    assert_eq!(figures(&sla, &held).business_elapsed, Some((7 + 9 + 9) * HOUR));
    // One that takes no open minute moves nothing.
    let at_night = story("2026-01-15T18:00:00Z", "2026-01-16T06:00:00Z");
    assert_eq!(deadline(&sla, &at_night), Some(at("2026-01-16T16:00:00Z")));
}
