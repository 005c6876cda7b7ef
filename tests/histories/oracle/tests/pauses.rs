//! The ledger of pauses.

use super::*;

/// The deadline of a cycle of 100 minutes placed at minute 1000, with holds (true) and releases at these minutes after it.
fn due(marks: &[(i64, bool)]) -> Option<i64> {
    let start = 1000;
    let mark = |(minute, holds): &(i64, bool)| event(if *holds { HELD } else { RELEASED }, (start + minute) * MINUTE);
    let story = log(std::iter::once(event(PLACED, start * MINUTE)).chain(marks.iter().map(mark)));
    deadline(&within(100 * MINUTE), &story).map(|due| due / MINUTE - start)
}

#[test]
fn paused_minutes_do_not_run() {
    assert_eq!(due(&[]), Some(100));
    assert_eq!(due(&[(40, true), (70, false)]), Some(130));
    assert_eq!(due(&[(40, true), (70, false), (80, true), (90, false)]), Some(140));
    assert_eq!(due(&[(40, true)]), None, "never released");
    assert_eq!(due(&[(100, true)]), Some(100), "a pause that begins on the deadline does not move it");
    assert_eq!(due(&[(99, true), (199, false)]), Some(200));
}

#[test]
fn a_hold_in_a_hold_and_a_release_without_one_add_nothing() {
    assert_eq!(due(&[(40, true), (50, true), (60, false), (70, false)]), Some(120));
    assert_eq!(due(&[(40, true), (50, true)]), None);
    assert_eq!(due(&[(10, false), (50, true), (60, false)]), Some(110));
}

#[test]
fn a_hold_from_before_the_start_holds_at_the_start() {
    assert_eq!(due(&[(-20, true), (30, false)]), Some(130));
    assert_eq!(due(&[(-20, true), (-10, false)]), Some(100));
    assert_eq!(due(&[(-20, true), (0, false)]), Some(100));
    assert_eq!(due(&[(0, true), (30, false)]), Some(130), "a pause goes before the start");
    assert_eq!(due(&[(-20, true)]), None);
}

#[test]
fn marks_of_one_instant_go_by_their_place_in_the_log() {
    assert_eq!(due(&[(40, true), (50, false), (50, true), (60, false)]), Some(120));
    assert_eq!(due(&[(40, true), (40, false)]), Some(100));
    assert_eq!(due(&[(40, false), (40, true)]), None);
}

#[test]
fn a_hold_over_a_holiday() {
    let mut office = calendar("Europe/Berlin", &[0, 1, 2, 3, 4], &[(8, 18)]);
    office.holidays.insert(day(2026, 12, 25));
    let sla = Sla { calendar: around(office, at("2026-12-24T14:00:00Z")), warn_at: vec![50], ..within(8 * HOUR) };
    let story = log([
        event(PLACED, at("2026-12-24T14:00:00Z")),
        event(HELD, at("2026-12-24T15:00:00Z")),
        event(RELEASED, at("2026-12-28T08:00:00Z")),
    ]);
    // One hour before the hold, and seven on Monday from nine to four.
    let figures = figures(&sla, &story);
    assert_eq!(figures.deadline, Some(at("2026-12-28T15:00:00Z")));
    assert_eq!(figures.actual_elapsed, Some(97 * HOUR));
    assert_eq!(figures.business_elapsed, Some(8 * HOUR));
    // Half of it is on Monday at noon.
    let risk = |until: i64| judge(&sla, &story, until).standing;
    assert_eq!(risk(at("2026-12-28T11:00:00Z")), Standing::Running { at_risk: vec![] });
    assert_eq!(risk(at("2026-12-28T11:00:00Z") + 1), Standing::Running { at_risk: vec![50] });
}

#[test]
fn a_cycle_on_hold_never_breaches_and_its_end_is_in_time() {
    let sla = within(100 * MINUTE);
    let held = [event(PLACED, 0), event(HELD, 60 * MINUTE)];
    let with = |more: Option<Record>| log(held.clone().into_iter().chain(more));
    assert_eq!(judge(&sla, &with(None), HOUR * 1000).standing, Standing::Running { at_risk: vec![] });
    assert_eq!(judge(&sla, &with(Some(event(CAPTURED, 900 * MINUTE))), HOUR * 1000).standing, Standing::Met);
    let cancelled = with(Some(event(CANCELLED, 900 * MINUTE)));
    assert_eq!(judge(&sla, &cancelled, HOUR * 1000).standing, Standing::CancelledInTime);
}
