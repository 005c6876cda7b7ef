//! A case: what an order's facts say of one exception, before any frontier is asked.
//!
//! SLAs and checks both come to this: something started, it is due at an instant, and it ended or it did not. The
//! engine compares a case with the frontier and with what was published (`engine::reconcile`).

use crate::domain::{CheckFigures, Event, Millis, Timestamp};

use super::Rung;
use super::ledger::Ledger;

/// How a case ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndKind {
    /// The work was done, or the records agree again.
    Done,
    /// The work is no longer wanted.
    Cancelled,
}

/// The end of a case, by event_time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct End<'a> {
    /// Done or cancelled.
    pub kind: EndKind,
    /// When.
    pub at: Timestamp,
    /// By which event.
    pub by: &'a Event,
    /// In record time: since when it can be known.
    pub known_at: Timestamp,
    /// True where it came at or before the deadline: there is no breach.
    pub in_time: bool,
}

/// The clock a case's warnings and escalations run on.
#[derive(Clone, Debug, PartialEq)]
pub enum CaseClock {
    /// Running time, by the ledger.
    Running {
        /// When the clock runs.
        ledger: Ledger,
        /// The running time allowed.
        target: Millis,
    },
    /// Plain time to a promised date, which nothing shifts; how long it ran is told by the ledger too.
    Promised {
        /// When the clock runs.
        ledger: Ledger,
    },
    /// Plain time between two instants: checks.
    Plain,
}

/// What the facts say of one exception.
#[derive(Clone, Debug, PartialEq)]
pub struct Case<'a> {
    /// The event that started it.
    pub trigger: &'a Event,
    /// When it started.
    pub started_at: Timestamp,
    /// When it is due; `None` while its clock stands still with no end in sight.
    pub deadline: Option<Timestamp>,
    /// What its warnings and escalations run on.
    pub clock: CaseClock,
    /// Its end, where one is known.
    pub end: Option<End<'a>>,
    /// What a check compared.
    pub figures: Option<Box<CheckFigures>>,
    /// The deadline of the finding before this one, which stands as ended beside it: opening anew retracts nothing.
    pub follows: Option<Timestamp>,
}

impl Case<'_> {
    /// When the warning at `percent` of deadline − start is due.
    pub fn warning_due(&self, percent: u8) -> Option<Timestamp> {
        match &self.clock {
            CaseClock::Running { ledger, target } => ledger.deadline(self.started_at, target.percent(percent)),
            CaseClock::Promised { .. } | CaseClock::Plain => {
                let deadline = self.deadline?;
                // A promise that lies before the start is broken at once and warns of nothing.
                (deadline > self.started_at).then(|| self.started_at + (deadline - self.started_at).percent(percent))
            }
        }
    }

    /// When an escalation rung is due.
    pub fn rung_due(&self, rung: &Rung) -> Option<Timestamp> {
        let deadline = self.deadline?;
        match &self.clock {
            CaseClock::Running { ledger, .. } => ledger.deadline(deadline, rung.after),
            CaseClock::Promised { .. } | CaseClock::Plain => Some(deadline + rung.after),
        }
    }

    /// How long it ran up to `until`: (by the wall, on its own clock).
    pub fn elapsed(&self, until: Timestamp) -> (Millis, Millis) {
        let actual = if until > self.started_at { until - self.started_at } else { Millis::ZERO };
        match &self.clock {
            CaseClock::Running { ledger, .. } | CaseClock::Promised { ledger } => {
                (actual, ledger.elapsed(self.started_at, until))
            }
            CaseClock::Plain => (actual, actual),
        }
    }

    /// True once the frontier is past deadline + grace with no end in time.
    pub fn is_breached(&self, frontier: Timestamp, grace: Millis) -> bool {
        let in_time = self.end.is_some_and(|end| end.in_time);
        !in_time && self.deadline.is_some_and(|deadline| frontier > deadline + grace)
    }

    /// An end that came in time.
    pub fn ended_in_time(&self) -> Option<EndKind> {
        self.end.filter(|end| end.in_time).map(|end| end.kind)
    }
}
