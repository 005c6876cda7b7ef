//! Timers: one for each order, ordered by the instant that the frontier must pass.

use std::collections::BTreeSet;

use crate::domain::Timestamp;

/// What is due when. An order has at most one timer.
#[derive(Debug, Default)]
pub struct Timers {
    due: BTreeSet<(Timestamp, u32)>,
}

impl Timers {
    /// Moves an order's timer from `old` to `new`.
    pub fn set(&mut self, slot: u32, old: Option<Timestamp>, new: Option<Timestamp>) {
        if old == new {
            return;
        }
        if let Some(old) = old {
            self.due.remove(&(old, slot));
        }
        if let Some(new) = new {
            self.due.insert((new, slot));
        }
    }

    /// The earliest.
    pub fn next(&self) -> Option<Timestamp> {
        self.due.first().map(|&(due, _)| due)
    }

    /// Takes the earliest, where the frontier is past it.
    pub fn pop_due(&mut self, frontier: Timestamp) -> Option<u32> {
        let &(due, slot) = self.due.first()?;
        if due >= frontier {
            return None;
        }
        self.due.pop_first();
        Some(slot)
    }
}
