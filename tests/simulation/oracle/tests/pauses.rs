//! The ledger of pauses.

use super::*;
use Standing::{CancelledInTime, Met, Open, Running};

fn pausing() -> Sla {
    Sla { pause: Some((HELD.to_string(), RELEASED.to_string())), ..within_100(PLACED, CAPTURED) }
}

/// The deadline of a cycle of 100 placed at 0 with these holds (true) and releases (false).
fn deadline(marks: &[(i64, bool)]) -> Option<i64> {
    let mut story = log([at(0, PLACED)]);
    for (index, (time, holds)) in marks.iter().enumerate() {
        let line = at(*time, if *holds { HELD } else { RELEASED }).id(&format!("m{index}"));
        story.extend(log([line.offset(i64::try_from(index).expect("few") + 1)]));
    }
    verdict(&story, &pausing(), 1).expect("a cycle").deadline
}

#[test]
fn the_deadline_comes_from_the_ledger() {
    assert_eq!(deadline(&[(40, true), (70, false)]), Some(130));
    assert_eq!(deadline(&[(40, true), (70, false), (80, true), (90, false)]), Some(140));
    assert_eq!(deadline(&[(40, true)]), None, "open");
    assert_eq!(deadline(&[(100, true)]), Some(100), "a pause on the deadline does not move it");
    assert_eq!(deadline(&[(99, true), (199, false)]), Some(200));
    assert_eq!(deadline(&[(120, true)]), Some(100));
}

#[test]
fn a_pause_in_a_pause_and_a_stray_end_add_nothing() {
    assert_eq!(deadline(&[(40, true), (50, true), (60, false), (70, false)]), Some(120));
    assert_eq!(deadline(&[(40, false), (50, true), (60, false)]), Some(110));
}

#[test]
fn a_hold_before_the_start_pauses_from_the_start() {
    assert_eq!(deadline(&[(-20, true), (30, false)]), Some(130));
    assert_eq!(deadline(&[(-20, true), (-10, false)]), Some(100));
    assert_eq!(deadline(&[(0, true), (30, false)]), Some(130), "pause > start at the same instant");
    assert_eq!(deadline(&[(-20, true)]), None);
}

#[test]
fn marks_of_one_instant_go_by_their_place_in_the_log() {
    assert_eq!(deadline(&[(40, true), (50, false), (50, true), (60, false)]), Some(120));
    assert_eq!(deadline(&[(40, true), (40, false)]), Some(100));
    assert_eq!(deadline(&[(40, false), (40, true)]), None);
}

#[test]
fn a_paused_cycle_never_breaches_and_a_stop_or_a_cancel_in_the_pause_is_in_time() {
    let held = [at(0, PLACED), at(60, HELD)];
    let [placed, hold] = held;
    assert_eq!(standing(&log([placed, hold]), &pausing(), LATE), Some(Running { warn: None }));
    let stopped = log([at(0, PLACED), at(60, HELD), at(5_000, CAPTURED)]);
    assert_eq!(standing(&stopped, &pausing(), LATE), Some(Met));
    let cancelled = log([at(0, PLACED), at(60, HELD), at(5_000, CANCELLED)]);
    assert_eq!(standing(&cancelled, &pausing(), LATE), Some(CancelledInTime));
}

#[test]
fn warnings_and_rungs_run_on_the_same_ledger() {
    let sla = Sla { warn_at: vec![50, 80], escalate_after: vec![10], ..pausing() };
    let story = log([at(0, PLACED), at(60, HELD), at(160, RELEASED), at(205, HELD), at(305, RELEASED)]);
    // Running 0..60, 160..205, 305..: 50 at 50, 80 at 180, the deadline at 200, and the rung (110 run) at 310.
    let cases = [
        (51, Running { warn: Some(50) }),
        (180, Running { warn: Some(50) }),
        (181, Running { warn: Some(80) }),
        (201, Open { level: 0 }),
        (310, Open { level: 0 }),
        (311, Open { level: 1 }),
    ];
    for (frontier, expected) in cases {
        assert_eq!(standing(&story, &sla, frontier), Some(expected), "frontier {frontier}");
    }
}

#[test]
fn an_open_pause_after_a_breach_holds_its_rungs() {
    let sla = Sla { escalate_after: vec![10], ..pausing() };
    let story = log([at(0, PLACED), at(105, HELD)]);
    assert_eq!(standing(&story, &sla, LATE), Some(Open { level: 0 }));
}
