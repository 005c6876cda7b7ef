//! The ledger of an SLA's clock: it stands still while the order is paused, from events in any order, and while the
//! calendar is closed.

use std::sync::Arc;

use crate::domain::{Millis, Timestamp};

use super::calendar::{BusinessDays, Calendar};
use super::sla::Pause;
use super::view::OrderView;

/// When a clock runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// In time order, without overlap: `[from, until)`; the last may have no end.
    pauses: Vec<(Timestamp, Timestamp)>,
    /// Without one the clock runs by day and by night.
    calendar: Option<Arc<Calendar>>,
}

impl Ledger {
    /// Reads the pauses out of an order's events. A second hold inside one adds nothing, a release ends whatever
    /// stands, and a release without a hold means nothing. A hold never released runs on for ever.
    pub fn of(pause: Option<&Pause>, calendar: Option<&Arc<Calendar>>, view: &OrderView<'_>) -> Self {
        let mut ledger = Ledger { pauses: Vec::new(), calendar: calendar.cloned() };
        let Some(pause) = pause.filter(|pause| view.may_have(&pause.from)) else { return ledger };
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
        let stood = |&(from, to): &(Timestamp, Timestamp)| self.open(from.max(start), to.min(until));
        self.pauses.iter().map(stood).fold(self.open(start, until), |ran, pause| ran - pause)
    }

    /// How long the calendar is open, pauses or not.
    fn open(&self, from: Timestamp, until: Timestamp) -> Millis {
        match &self.calendar {
            Some(calendar) => calendar.elapsed(from, until),
            None if from < until => until - from,
            None => Millis::ZERO,
        }
    }

    /// The first instant at which the calendar has been open for so long, pauses or not.
    fn after(&self, start: Timestamp, length: Millis) -> Option<Timestamp> {
        match &self.calendar {
            Some(calendar) => calendar.deadline(start, length),
            None => Some(start + length),
        }
    }

    /// The first instant at which the clock has run for `target` since `start`: the inverse of [`Ledger::elapsed`].
    /// `None` where a pause without an end comes first, or the calendar's dates end.
    pub fn deadline(&self, start: Timestamp, target: Millis) -> Option<Timestamp> {
        let mut at = start;
        let mut left = target;
        for &(from, until) in &self.pauses {
            if until <= at {
                continue;
            }
            let run = self.open(at, from);
            if left <= run {
                return self.after(at, left);
            }
            if until == Timestamp::MAX {
                return None;
            }
            left = left - run;
            at = until;
        }
        self.after(at, left)
    }

    /// By when whole working days are over. A pause moves the end by the open time that it took, and from there to the end
    /// of the working day. With it comes the open time that was allowed before any pause.
    pub fn business_deadline(&self, start: Timestamp, promise: &BusinessDays) -> Option<(Option<Timestamp>, Millis)> {
        let calendar = self.calendar.as_ref()?;
        let planned = calendar.business_deadline(start, promise)?;
        let allowed = calendar.elapsed(start, planned);
        let is_paused = self.pauses.iter().any(|(from, until)| *from < planned && *until > start);
        let moved = |at| calendar.rounded_up(at, promise).map(|end| end.max(planned));
        let deadline = if is_paused { self.deadline(start, allowed).and_then(moved) } else { Some(planned) };
        Some((deadline, allowed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(pauses: &[(i64, i64)]) -> Ledger {
        let t = Timestamp::from_millis;
        Ledger { pauses: pauses.iter().map(|&(a, b)| (t(a), t(b))).collect(), calendar: None }
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
