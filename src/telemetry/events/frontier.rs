//! The frontier and its clock.

use std::time::Duration;

use metrics::counter;
use tracing::{debug, info, warn};

use crate::domain::{Millis, Timestamp};
use crate::engine::HeldCause;
use crate::telemetry::{InternalEvent, names};

/// A shard's frontier stands still. Emit it when the cause sets in or changes, not each turn; the gauge is in `Health`.
#[derive(Debug)]
pub struct FrontierHeld<'a> {
    /// The shard.
    pub shard: i32,
    /// Where it stands.
    pub frontier: Option<Timestamp>,
    /// Why.
    pub cause: HeldCause,
    /// Which input and what to look at.
    pub note: &'a str,
}

impl InternalEvent for FrontierHeld<'_> {
    fn emit(self) {
        let FrontierHeld { shard, cause, note, .. } = self;
        let (frontier, cause_text) = (self.frontier.map(tracing::field::display), cause.as_str());
        // To be behind is a working day; the other causes want a person.
        match cause {
            HeldCause::Behind => debug!(shard, frontier, cause = cause_text, note, "frontier held"),
            _ => warn!(
                shard,
                frontier,
                cause = cause_text,
                note,
                "frontier held: nothing is judged in this shard until it moves"
            ),
        }
    }
}

/// It moves again.
#[derive(Debug)]
pub struct FrontierMoves {
    /// The shard.
    pub shard: i32,
    /// Where it is now.
    pub frontier: Timestamp,
    /// Why it stood.
    pub cause: HeldCause,
    /// How long it stood.
    pub held_for: Duration,
}

impl InternalEvent for FrontierMoves {
    fn emit(self) {
        let FrontierMoves { shard, frontier, cause, held_for } = self;
        let (cause_text, held_ms) = (cause.as_str(), held_for.as_millis());
        match cause {
            HeldCause::Behind => debug!(shard, %frontier, cause = cause_text, held_ms, "frontier moves again"),
            _ => info!(shard, %frontier, cause = cause_text, held_ms, "frontier moves again"),
        }
    }
}

/// The wall clock and the monotonic clock disagree: idle partitions advance no frontier for a while.
#[derive(Debug)]
pub struct ClockHeld {
    /// Wall − ours.
    pub difference: Millis,
    /// After this long we take the wall's word.
    pub hold: Millis,
}

impl InternalEvent for ClockHeld {
    fn emit(self) {
        counter!(names::CLOCK_HOLDS).increment(1);
        warn!(
            difference_ms = self.difference.get(),
            hold_ms = self.hold.get(),
            "the wall clock jumped: idle partitions advance no frontier until it agrees again or clock_hold has passed"
        );
    }
}

/// The two clocks have disagreed for so long that the wall clock's word is taken.
#[derive(Debug)]
pub struct ClockBelieved {
    /// Wall − ours, before.
    pub difference: Millis,
}

impl InternalEvent for ClockBelieved {
    fn emit(self) {
        let difference_ms = self.difference.get();
        if self.difference < Millis::ZERO {
            warn!(
                difference_ms,
                "the wall clock is believed from now on; it was set back, so idle partitions advance no frontier until it has \
                 caught up with what was judged"
            );
        } else {
            warn!(difference_ms, "the wall clock is believed from now on: deadlines up to it are judged");
        }
    }
}
