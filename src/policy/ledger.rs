//! The pause ledger: the intervals during which an SLA's clock stands still, from events in any order.

use crate::domain::{Millis, Timestamp};

use super::sla::Pause;
use super::view::OrderView;

/// Pauses in time order, without overlap: `[from, until)`; the last may have no end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    pauses: Vec<(Timestamp, Timestamp)>,
}

impl Ledger {
    /// Reads the pauses out of an order's events. A second hold inside one adds nothing, a release ends whatever
    /// stands, and a release without a hold means nothing. A hold never released runs on for ever.
    pub fn of(pause: Option<&Pause>, view: &OrderView<'_>) -> Self {
        let Some(pause) = pause else { return Ledger::default() };
        let mut ledger = Ledger::default();
        let mut held_since = None;
        let mut edges: Vec<_> = view.occurrences(&pause.from).map(|r| (r.at, r.event.position, true)).collect();
        edges.extend(view.occurrences(&pause.until).map(|r| (r.at, r.event.position, false)));
        edges.sort_unstable();
        for (at, _, holds) in edges {
            match (holds, held_since) {
                (true, None) => held_since = Some(at),
                (false, Some(since)) => {
                    ledger.pauses.push((since, at));
                    held_since = None;
                }
                _ => {}
            }
        }
        if let Some(since) = held_since {
            ledger.pauses.push((since, Timestamp::MAX));
        }
        ledger
    }

    /// The pauses, `[from, until)`; an endless one ends at `Timestamp::MAX`.
    pub fn pauses(&self) -> &[(Timestamp, Timestamp)] {
        &self.pauses
    }

    /// How long the clock ran from `start` to `until`.
    pub fn elapsed(&self, start: Timestamp, until: Timestamp) -> Millis {
        if until <= start {
            return Millis::ZERO;
        }
        let stood = |&(from, to): &(Timestamp, Timestamp)| {
            let (from, to) = (from.max(start), to.min(until));
            if from < to { to - from } else { Millis::ZERO }
        };
        self.pauses.iter().map(stood).fold(until - start, |ran, pause| ran - pause)
    }

    /// The first instant at which the clock has run for `target` since `start`: the inverse of [`Ledger::elapsed`].
    /// `None` where a pause without an end comes first.
    pub fn deadline(&self, start: Timestamp, target: Millis) -> Option<Timestamp> {
        let mut at = start;
        let mut left = target;
        for &(from, until) in &self.pauses {
            if until <= at {
                continue;
            }
            let run = if from > at { from - at } else { Millis::ZERO };
            if left <= run {
                return Some(at + left);
            }
            if until == Timestamp::MAX {
                return None;
            }
            left = left - run;
            at = until;
        }
        Some(at + left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(pauses: &[(i64, i64)]) -> Ledger {
        let t = Timestamp::from_millis;
        Ledger { pauses: pauses.iter().map(|&(a, b)| (t(a), t(b))).collect() }
    }

    #[test]
    fn deadline_is_the_inverse_of_elapsed() {
        let t = Timestamp::from_millis;
        for pauses in [&[][..], &[(5, 9)], &[(0, 3), (3, 4), (10, 20)], &[(2, 2), (7, 8)], &[(4, i64::MAX)]] {
            let ledger = ledger(pauses);
            for start in 0..12 {
                for target in 0..12 {
                    match ledger.deadline(t(start), Millis::new(target)) {
                        Some(d) => {
                            assert_eq!(ledger.elapsed(t(start), d).get(), target, "{pauses:?} {start} {target}");
                            let before = ledger.elapsed(t(start), d - Millis::new(1)).get();
                            assert!(
                                before < target || target == 0,
                                "{pauses:?} {start} {target}: not the first instant"
                            );
                        }
                        None => assert!(ledger.elapsed(t(start), t(1_000_000)).get() < target),
                    }
                }
            }
        }
    }
}
