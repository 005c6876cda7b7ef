//! `make bench`: what a deadline over ten years of a calendar costs, and the elapsed time back.

use std::hint::black_box;
use std::time::Instant;

use orderwatch::config;
use orderwatch::domain::{Millis, Timestamp};

const POLICIES: &str = r#"
calendars:
  berlin:
    time_zone: Europe/Berlin
    hours: {mon-fri: "08:00-12:30, 13:00-18:00", sat: "22:00-02:00"}
    holidays: [2026-12-25, 2026-12-26, 2027-01-01]
    exceptions: {2026-12-24: "08:00-12:00"}
slas:
  - {id: s, start: a, stop: b, target: 1h, calendar: berlin, severity: info, owner: o, route: r, expected_outcome: e}
"#;
const ROUNDS: u64 = 200_000;
const HOUR: i64 = 3_600_000;

fn main() {
    let (policies, _) = config::parse_policies("policies.yaml", POLICIES).expect("the bench's policies");
    let calendar = policies.slas[0].calendar.clone().expect("it has a calendar");
    let starts: Vec<Timestamp> = (0..ROUNDS as i64)
        .map(|n| Timestamp::from_millis(1_780_000_000_000 + n * 7_919_123 % (365 * 24 * HOUR)))
        .collect();
    let year = calendar.elapsed(starts[0], starts[0] + Millis::new(365 * 24 * HOUR));
    for (name, target) in [("an hour", Millis::new(HOUR)), ("ten years", Millis::new(10 * year.get()))] {
        let began = Instant::now();
        let deadlines: Vec<Timestamp> = starts
            .iter()
            .map(|start| calendar.deadline(black_box(*start), black_box(target)).expect("within the dates"))
            .collect();
        let deadline = began.elapsed();
        let began = Instant::now();
        for (start, deadline) in starts.iter().zip(&deadlines) {
            // The figure counts only if the deadline was right.
            assert_eq!(calendar.elapsed(black_box(*start), *deadline), target);
        }
        let elapsed = began.elapsed();
        let each = |time: std::time::Duration| time.as_nanos() as f64 / ROUNDS as f64;
        println!(
            "{name:10} of open hours: a deadline {:5.0} ns, the time elapsed {:5.0} ns",
            each(deadline),
            each(elapsed)
        );
    }
}
