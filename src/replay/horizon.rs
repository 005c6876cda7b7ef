//! How far a replay is known to go: to its latest record, which nobody knows before all have been read.
//!
//! Whoever has no more records of its own goes on with its deadlines as far as the others have come, and ends where all have
//! no more.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::domain::Timestamp;

/// What the workers of a replay tell each other.
#[derive(Debug, Default)]
pub struct Horizon {
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Debug)]
struct State {
    reached: Timestamp,
    reading: usize,
}

/// One who reads, until this is dropped.
#[derive(Debug)]
pub struct Reading<'h>(&'h Horizon);

impl Default for State {
    fn default() -> Self {
        State { reached: Timestamp::MIN, reading: 0 }
    }
}

impl Horizon {
    /// One more reader, which counts until it drops this, however it ends. All are to have theirs before the first begins.
    pub fn reading(&self) -> Reading<'_> {
        self.state().reading += 1;
        Reading(self)
    }

    /// How far they have come.
    pub fn reached(&self) -> Timestamp {
        self.state().reached
    }

    /// Waits until the replay is known to go beyond `frontier`, and says how far. `None` where nobody reads any more: it ends.
    pub fn beyond(&self, frontier: Timestamp) -> Option<Timestamp> {
        let still = |state: &mut State| state.reached <= frontier && state.reading > 0;
        let state = self.moved.wait_while(self.state(), still).unwrap_or_else(PoisonError::into_inner);
        Some(state.reached).filter(|reached| *reached > frontier)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reading<'_> {
    /// It comes to `frontier`. To be said before it tells anything of that time: it may have to wait then until the others have come as
    /// far, and who has no more records goes no further than this says.
    pub fn reach(&self, frontier: Timestamp) {
        let mut state = self.0.state();
        state.reached = state.reached.max(frontier);
        self.0.moved.notify_all();
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.0.state().reading -= 1;
        self.0.moved.notify_all();
    }
}
