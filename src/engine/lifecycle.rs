//! An order's life in memory: open, closed, remembered, forgotten (DESIGN section 3).
//!
//! Closed is a function of facts and policies; how late a record is follows from its effective time, so a replay agrees
//! with the run whatever memory held at the time. An order that was silent for `max_open` has ended in the same way: its
//! next record begins a new one, whether or not a frontier has evicted it by then.

use crate::domain::{Millis, Timestamp};
use crate::policy::Settings;
use crate::policy::case::{Case, End};
use crate::policy::view::OrderView;

use super::order::Order;

/// How a record stands to its order's closing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lateness {
    /// The order is open, or closed for less than `retain_closed`.
    InTime,
    /// Closed for longer: counted and not applied.
    AfterClose,
    /// Closed, or silent, for so long that the id begins a new order.
    Forgotten,
}

/// Judges a record's effective time against its order's closing.
pub fn lateness(closed_at: Timestamp, effective_time: Timestamp, settings: &Settings) -> Lateness {
    if effective_time < retire_at(closed_at, settings) {
        Lateness::InTime
    } else if effective_time < forget_at(closed_at, settings) {
        Lateness::AfterClose
    } else {
        Lateness::Forgotten
    }
}

/// When a closed order shrinks to a tombstone.
pub fn retire_at(closed_at: Timestamp, settings: &Settings) -> Timestamp {
    closed_at + settings.retain_closed
}

/// When its tombstone goes.
pub fn forget_at(closed_at: Timestamp, settings: &Settings) -> Timestamp {
    retire_at(closed_at, settings) + settings.remember_closed
}

/// What closed before this is forgotten once the frontier is here: it is past [`forget_at`].
pub fn forgotten_before(frontier: Timestamp, settings: &Settings) -> Timestamp {
    frontier - settings.retain_closed - settings.remember_closed
}

/// Collects what closes an order while its policies are judged.
#[derive(Debug)]
pub struct Closing {
    closed_at: Option<Timestamp>,
}

impl Closing {
    /// Begins with what ends its life: completed or cancelled; of an order also that everything was delivered.
    pub fn of(view: &OrderView<'_>) -> Self {
        Closing { closed_at: view.entity().ends().filter_map(|end| view.first(end)).map(|end| end.known_at).max() }
    }

    /// A running cycle or an open exception keeps an order open; one that ended closes it no earlier than its end.
    pub fn consider(&mut self, case: &Case<'_>) {
        self.closed_at = match (self.closed_at, case.end) {
            (Some(closed_at), Some(End { known_at, .. })) => Some(closed_at.max(known_at)),
            _ => None,
        };
    }

    /// When it closed, in record time; `None` while it is open.
    pub fn closed_at(&self) -> Option<Timestamp> {
        self.closed_at
    }
}

impl Settings {
    /// How a record stands to an order of which this is known.
    pub(super) fn lateness(
        &self,
        closed_at: Option<Timestamp>,
        last_activity: impl FnOnce() -> Timestamp,
        effective_time: Timestamp,
    ) -> Lateness {
        match closed_at {
            Some(closed_at) => lateness(closed_at, effective_time, self),
            None if effective_time >= last_activity() + self.max_open => Lateness::Forgotten,
            None => Lateness::InTime,
        }
    }

    /// Whether an order that began then, in record time, could have closed long enough before a record that this is too late for
    /// it. It closed no earlier than its first event.
    pub(super) fn may_be_too_late(&self, first_record_time: Timestamp, effective_time: Timestamp) -> bool {
        effective_time >= retire_at(first_record_time, self)
    }

    /// The last instant of record time at which the order is kept: it leaves when the frontier is past it.
    pub(super) fn leaves_memory_at(&self, order: &Order) -> Timestamp {
        // A record of that very time is too late already, so the order may leave at that very frontier.
        let leaves_at = match order.closed_at {
            Some(closed_at) => retire_at(closed_at, self),
            // Silent for too long.
            None => order.last_activity() + self.max_open,
        };
        leaves_at - Millis::new(1)
    }
}
