//! `at_least_once`: what others write to our shard's partition of `exceptions-current`. Pure.
//!
//! Nothing fences a process that stood still amid a batch: what it says may reach the log after another process has read
//! it back and taken the shard over. A subscriber holds it then, and nobody would ever end it. So whoever has the shard
//! watches where its partition ends. Where more is in it than was written from here, it is read back, and what is news is
//! taken for published, once the shard has come past the frontier that it states.

use std::time::{Duration, Instant};

use crate::domain::{Exception, Timestamp};
use crate::engine::Shard;

/// A partition is read back no more often.
const READ_EVERY: Duration = Duration::from_secs(5);

/// What is known of others' writing.
#[derive(Debug, Default)]
pub struct Overheard {
    state: State,
    asked_at: Option<Instant>,
    /// Read back, and of a frontier that the shard has not passed.
    waiting: Vec<Exception>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum State {
    #[default]
    Quiet,
    /// Somebody else has written.
    Suspected,
    /// The partition is being read back.
    Asked,
}

impl Overheard {
    /// Somebody else has written to the partition.
    pub fn suspect(&mut self) {
        if self.state == State::Quiet {
            self.state = State::Suspected;
        }
    }

    /// Whether the partition is to be read back now; it is not said twice.
    pub fn wants_to_read(&mut self, monotonic: Instant) -> bool {
        let rested = self.asked_at.is_none_or(|at| monotonic.saturating_duration_since(at) >= READ_EVERY);
        let wants = self.state == State::Suspected && rested;
        if wants {
            (self.state, self.asked_at) = (State::Asked, Some(monotonic));
        }
        wants
    }

    /// It could not be read; it is tried again.
    pub fn unread(&mut self, monotonic: Instant) {
        (self.state, self.asked_at) = (State::Suspected, Some(monotonic));
    }

    /// The last state of each exception in the partition.
    pub fn read(&mut self, published: Vec<Exception>) {
        self.state = State::Quiet;
        self.waiting = published;
    }

    /// Gives the shard what it has come past. How much of it was news.
    pub fn hand_to(&mut self, shard: &mut Shard) -> usize {
        if self.waiting.is_empty() || !shard.is_published() {
            return 0;
        }
        let frontier = shard.frontier();
        let ripe = |exception: &mut Exception| exception.frontier < frontier;
        self.waiting.extract_if(.., ripe).filter(|exception| shard.overhear(exception.clone())).count()
    }

    /// The earliest frontier that is waited for.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.waiting.iter().map(|exception| exception.frontier).min()
    }
}
