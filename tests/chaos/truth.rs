//! What is true of an order, from its events alone. It shares no code with the engine.

use super::fate::{CANCELLED, CAPTURED, PAID_WITHIN_MS, PLACED, SHIPPED, SHIPPED_WITHIN_MS};

/// How long past its due instant a frontier must be.
pub const GRACE_MS: i64 = 500;

/// A promise, as the policies of the run say it.
#[derive(Debug)]
pub struct Promise {
    pub id: &'static str,
    start: &'static str,
    stop: &'static str,
    within_ms: i64,
    warn_after_ms: Option<i64>,
    escalate_after_ms: Option<i64>,
}

pub const PROMISES: [Promise; 2] = [
    Promise {
        id: "paid",
        start: PLACED,
        stop: CAPTURED,
        within_ms: PAID_WITHIN_MS,
        warn_after_ms: Some(PAID_WITHIN_MS / 2),
        escalate_after_ms: Some(2_000),
    },
    Promise {
        id: "shipped",
        start: CAPTURED,
        stop: SHIPPED,
        within_ms: SHIPPED_WITHIN_MS,
        warn_after_ms: None,
        escalate_after_ms: None,
    },
];

/// An event as far as truth goes: what and when.
pub type Fact = (&'static str, i64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Done,
    Cancelled,
}

/// One cycle of a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cycle {
    pub deadline: i64,
    pub end: Option<(End, i64)>,
}

/// How a broken promise stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    Open,
    Resolved,
    Cancelled,
}

impl Cycle {
    pub fn kept(&self) -> bool {
        self.end.is_some_and(|(_, at)| at <= self.deadline)
    }

    /// None where the promise was kept.
    pub fn standing(&self) -> Option<Standing> {
        match self.end {
            _ if self.kept() => None,
            None => Some(Standing::Open),
            Some((End::Done, _)) => Some(Standing::Resolved),
            Some((End::Cancelled, _)) => Some(Standing::Cancelled),
        }
    }
}

impl Promise {
    /// What the facts say; none where nothing was promised.
    pub fn cycle(&self, facts: &[Fact]) -> Option<Cycle> {
        let first = |kind| facts.iter().filter(|(held, _)| *held == kind).map(|(_, at)| *at).min();
        let (start, stop, cancel) = (first(self.start)?, first(self.stop), first(CANCELLED));
        if cancel.is_some_and(|cancel| cancel <= start) {
            return None;
        }
        let end = match (stop, cancel) {
            (Some(stop), Some(cancel)) if cancel < stop => Some((End::Cancelled, cancel)),
            (Some(stop), _) => Some((End::Done, stop)),
            (None, cancel) => cancel.map(|cancel| (End::Cancelled, cancel)),
        };
        Some(Cycle { deadline: start + self.within_ms, end })
    }

    /// Whether a breach that stays open is escalated.
    pub fn escalates(&self) -> bool {
        self.escalate_after_ms.is_some()
    }

    /// The frontier past which nothing more of the promise falls due.
    pub fn settled_after(&self, deadline: i64) -> i64 {
        deadline + self.escalate_after_ms.unwrap_or(0) + GRACE_MS
    }

    /// Whether a state is true of the facts at the frontier. `breached` and `deadline` are as the state says.
    pub fn allows(&self, facts: &[Fact], status: &str, deadline: i64, breached: bool, frontier: i64) -> bool {
        let Some(cycle) = self.cycle(facts) else {
            return status == "retracted" || (status == "cancelled" && !breached);
        };
        let same = cycle.deadline == deadline;
        let fired = |due: i64| frontier > due + GRACE_MS;
        let broken = same && !cycle.kept() && fired(deadline);
        match status {
            "at_risk" => {
                let due = self.warn_after_ms.map(|after| deadline - self.within_ms + after);
                same && due.is_some_and(|due| fired(due) && cycle.end.is_none_or(|(_, at)| at > due))
            }
            "averted" => cycle.kept() && matches!(cycle.end, Some((End::Done, _))),
            "cancelled" if !breached => cycle.kept() && matches!(cycle.end, Some((End::Cancelled, _))),
            "opened" => broken,
            "escalated" => {
                let due = self.escalate_after_ms.map(|after| deadline + after);
                broken && cycle.end.is_none() && due.is_some_and(fired)
            }
            "resolved" => broken && matches!(cycle.end, Some((End::Done, _))),
            "cancelled" => broken && matches!(cycle.end, Some((End::Cancelled, _))),
            "retracted" => !same || cycle.kept(),
            _ => false,
        }
    }
}
