//! How long the loop may sleep, and when it asks for the ends of the inputs.
//!
//! An idle service asks once a second and costs next to nothing; when a deadline has come it asks at once, so that the
//! deadline is judged within milliseconds.

use std::time::{Duration, Instant};

use crate::domain::Timestamp;

/// How often the ends are asked when nothing presses: an idle frontier moves by this.
const SLOW_BEAT: Duration = Duration::from_secs(1);
/// How often while records are behind and nothing of them is here.
const WHILE_BEHIND: Duration = Duration::from_millis(50);
/// After the first question for a deadline that is due, the next comes after this, and then twice as late each time that the
/// deadline is still the same …
const FIRST_AGAIN: Duration = Duration::from_millis(2);
/// … up to this.
const LAST_AGAIN: Duration = Duration::from_millis(250);
/// An answer is awaited closely for so long; one that takes longer comes from a broker in trouble.
const CLOSELY: Duration = Duration::from_millis(50);
/// The loop looks at its stop flag and its restores at least so often.
const SLEEP_MAX: Duration = Duration::from_millis(250);

/// What presses, as the shards have it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pressure {
    /// Buffered records can be applied now.
    pub work: bool,
    /// Something is about to be ready: a seek, a sibling's records, a restore, a commit to try again.
    pub soon: bool,
    /// An input is behind, and none of its records are here.
    pub behind: bool,
    /// The earliest deadline that the frontier has not passed.
    pub deadline: Option<Timestamp>,
}

/// Remembers what was asked when.
#[derive(Debug)]
pub struct Pace {
    asked: Option<Instant>,
    /// The deadline that was due when they were asked last.
    due: Option<Timestamp>,
    again: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Pace { asked: None, due: None, again: Duration::ZERO }
    }
}

impl Pace {
    /// Whether the ends are to be asked now.
    pub fn wants_to_ask(&self, pressure: Pressure, clock: Timestamp) -> bool {
        let Some(asked) = self.asked else { return true };
        asked.elapsed() >= self.interval(pressure, clock)
    }

    fn interval(&self, pressure: Pressure, clock: Timestamp) -> Duration {
        match pressure {
            // One that came after it: the frontier moves, and orders of the same second are not to wait for one another.
            _ if is_due(pressure, clock) && self.is_next(pressure) => self.again.min(FIRST_AGAIN),
            _ if is_due(pressure, clock) => self.again,
            Pressure { behind: true, .. } => WHILE_BEHIND,
            _ => SLOW_BEAT,
        }
    }

    /// Whether the deadline is another than it was. While there are records to be read, each of them passes deadlines of their
    /// own time, and no question is what they wait for.
    fn is_next(&self, pressure: Pressure) -> bool {
        pressure.deadline != self.due && !pressure.work && !pressure.behind
    }

    /// They are asked now.
    pub fn asked(&mut self, pressure: Pressure, clock: Timestamp) {
        self.asked = Some(Instant::now());
        let due = pressure.deadline.filter(|_| is_due(pressure, clock));
        self.again = match due {
            Some(_) if self.is_next(pressure) => FIRST_AGAIN,
            Some(_) => (self.again * 2).clamp(FIRST_AGAIN, LAST_AGAIN),
            None => Duration::ZERO,
        };
        self.due = due;
    }

    /// How long the loop may wait for a record. `waiting`: a question waits for its answer.
    pub fn patience(&self, pressure: Pressure, clock: Timestamp, waiting: bool) -> Duration {
        if pressure.work {
            return Duration::ZERO;
        }
        let since = self.asked.map_or(Duration::MAX, |asked| asked.elapsed());
        if waiting {
            return if since < CLOSELY { Duration::from_millis(1) } else { Duration::from_millis(20) };
        }
        let until_asked = self.interval(pressure, clock).saturating_sub(since);
        // A deadline must be passed strictly.
        let until_due = pressure.deadline.map_or(Duration::MAX, |deadline| {
            Duration::from_millis(u64::try_from((deadline.next() - clock).get()).unwrap_or(0))
        });
        let until_due = if is_due(pressure, clock) { Duration::MAX } else { until_due };
        let soon = if pressure.soon { Duration::from_millis(2) } else { SLEEP_MAX };
        until_asked.min(until_due).min(soon).max(Duration::from_millis(1))
    }
}

fn is_due(pressure: Pressure, clock: Timestamp) -> bool {
    pressure.deadline.is_some_and(|deadline| deadline < clock)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn an_idle_service_asks_once_a_second() {
        let mut pace = Pace::default();
        let idle = Pressure::default();
        assert!(pace.wants_to_ask(idle, at(0)));
        pace.asked(idle, at(0));
        assert!(!pace.wants_to_ask(idle, at(0)));
        assert_eq!(pace.patience(idle, at(0), false), SLEEP_MAX);
        assert_eq!(pace.interval(idle, at(0)), SLOW_BEAT);
    }

    #[test]
    fn it_wakes_a_millisecond_after_a_deadline_and_asks_at_once() {
        let mut pace = Pace::default();
        pace.asked(Pressure::default(), at(0));
        let pressure = Pressure { deadline: Some(at(100)), ..Pressure::default() };
        assert_eq!(pace.patience(pressure, at(60), false), Duration::from_millis(41));
        assert!(!pace.wants_to_ask(pressure, at(100)));
        assert!(pace.wants_to_ask(pressure, at(101)));
    }

    #[test]
    fn a_deadline_that_stays_due_is_asked_for_less_and_less_often() {
        let mut pace = Pace::default();
        let pressure = Pressure { deadline: Some(at(100)), ..Pressure::default() };
        let mut intervals = Vec::new();
        for _ in 0..10 {
            pace.asked(pressure, at(200));
            intervals.push(pace.interval(pressure, at(200)).as_millis());
        }
        assert_eq!(intervals, [2, 4, 8, 16, 32, 64, 128, 250, 250, 250]);
        pace.asked(Pressure::default(), at(200));
        assert_eq!(pace.interval(pressure, at(200)), Duration::ZERO);
    }

    #[test]
    fn a_deadline_does_not_wait_for_those_before_it() {
        let mut pace = Pace::default();
        let due = |deadline| Pressure { deadline: Some(at(deadline)), ..Pressure::default() };
        for deadline in 100..120 {
            pace.asked(due(deadline), at(200));
            assert_eq!(pace.interval(due(deadline), at(200)), FIRST_AGAIN);
        }
        for _ in 0..10 {
            pace.asked(due(120), at(200));
        }
        assert_eq!(pace.interval(due(120), at(200)), LAST_AGAIN);
        assert_eq!(pace.interval(due(121), at(200)), FIRST_AGAIN);
        let catching_up = Pressure { behind: true, ..due(121) };
        assert_eq!(pace.interval(catching_up, at(200)), LAST_AGAIN);
    }
}
