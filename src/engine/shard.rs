//! One shard: partition n of every input topic together.

use std::sync::Arc;

use crate::domain::{Event, Exception, ExceptionId, Timestamp};
use crate::policy::{Policies, Settings};

/// What became of an event that was applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Applied {
    /// It is a new fact.
    New,
    /// It was known already, to the letter.
    Repeat,
    /// Its identity was known with other content; the first in the log stands.
    Conflict,
    /// Its order was closed for longer than `retain_closed`: counted, not applied.
    AfterClose,
}

/// Why an event cannot become a fact. It goes to the dead-letter topic with this code.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Rejected {
    /// The order's sums would leave 64 bits.
    #[error("the order's {what} would exceed 64 bits with this event")]
    Overflow {
        /// `amounts` or `quantities`.
        what: &'static str,
    },
    /// One order has more events than anything real.
    #[error("the order has {limit} events already, the most that is kept of one order")]
    TooManyEvents {
        /// The bound.
        limit: usize,
    },
}

impl Rejected {
    /// The code in the dead letter's `orderwatch-error` header.
    pub const fn code(&self) -> &'static str {
        match self {
            Rejected::Overflow { .. } => "overflow",
            Rejected::TooManyEvents { .. } => "too_many_events",
        }
    }
}

/// One thing to publish.
#[derive(Clone, PartialEq, Debug)]
pub enum Transition {
    /// A new state of an exception: to its history topic, its route's topic if it has one, and `exceptions-current`.
    Publish(Box<Exception>),
    /// The exception left memory with its order: a tombstone in `exceptions-current` alone.
    Tombstone(ExceptionId),
}

/// What a shard counted since it was made. Monotone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ShardCounters {
    /// Events that were told again.
    pub duplicates: u64,
    /// Events whose identity came with other content.
    pub conflicts: u64,
    /// Events whose effective time lay below the frontier.
    pub late: u64,
    /// Events of orders that were closed for longer than `retain_closed`.
    pub after_close: u64,
    /// Orders that were silent for `max_open`.
    pub evicted: u64,
    /// Exceptions that were due before `publish_after`.
    pub kept_back: u64,
}

/// One shard's facts, timers and published set.
#[derive(Debug)]
pub struct Shard {
    partition: i32,
    #[allow(dead_code)]
    policies: Arc<Policies>,
    #[allow(dead_code)]
    settings: Arc<Settings>,
}

impl Shard {
    /// An empty shard.
    pub fn new(partition: i32, policies: Arc<Policies>, settings: Arc<Settings>) -> Self {
        Shard { partition, policies, settings }
    }

    /// Partition n of every input topic.
    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// Merges one event into its order's facts. `effective_time` is the record's (DESIGN section 4).
    /// What follows from it comes out of [`Shard::drain_transitions`].
    ///
    /// # Errors
    /// The event cannot become a fact; nothing was changed.
    pub fn apply(&mut self, _event: Event, _effective_time: Timestamp) -> Result<Applied, Rejected> {
        Ok(Applied::New)
    }

    /// Moves the frontier and fires what is due. It never goes back: an earlier frontier does nothing.
    pub fn advance(&mut self, _frontier: Timestamp) {}

    /// The earliest instant that the frontier must pass, strictly, before anything fires.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        None
    }

    /// What holds now and was not published. `detected_at` is our clock; `None` (a replay) takes the frontier.
    /// Nothing counts as published until [`Shard::committed`].
    pub fn drain_transitions(&mut self, _detected_at: Option<Timestamp>) -> Vec<Transition> {
        Vec::new()
    }

    /// The transitions drained since the last call are in the log for good.
    pub fn committed(&mut self) {}

    /// They are not: the facts stand, and the next drain makes the difference again.
    pub fn aborted(&mut self) {}

    /// What was counted so far.
    pub fn counters(&self) -> ShardCounters {
        ShardCounters::default()
    }

    /// Orders that are known and not closed.
    pub fn orders_open(&self) -> usize {
        0
    }

    // --- snapshot and restore -------------------------------------------------------------------------------------

    /// Visits up to `limit` orders from `cursor` on and returns the next cursor, `None` at the end. Orders that change
    /// between two calls may be seen in either state: facts are idempotent, so the replay that follows mends it.
    pub fn visit_orders(
        &self,
        _cursor: usize,
        _limit: usize,
        _visit: &mut dyn FnMut(StoredOrder<'_>),
    ) -> Option<usize> {
        None
    }

    /// Takes back an order that a snapshot holds.
    pub fn restore_order(&mut self, _order: RestoredOrder) {}

    /// While muted, `apply` and `advance` change facts and evict, and nothing is judged.
    pub fn mute(&mut self) {}

    /// Takes back one entry of `exceptions-current`: what was published, read and not guessed.
    pub fn restore_published(&mut self, _exception: Exception) {}

    /// Ends the muted time: every order is judged at the frontier, and what holds and was not published is drained next.
    pub fn unmute(&mut self) {}
}

/// An order as a snapshot stores it.
#[derive(Debug)]
pub enum StoredOrder<'a> {
    /// Its events, in (event_time, position) order.
    Open {
        /// The order.
        order_id: &'a str,
        /// What is known of it.
        events: &'a [Event],
    },
    /// It was closed and is only remembered until this instant of record time.
    Tombstone {
        /// The order.
        order_id: &'a str,
        /// When it closed, in record time.
        closed_at: Timestamp,
    },
}

/// An order as a snapshot gives it back.
#[derive(Debug)]
pub enum RestoredOrder {
    /// Its events in any order.
    Open(Vec<Event>),
    /// It was closed.
    Tombstone {
        /// The order.
        order_id: String,
        /// When it closed, in record time.
        closed_at: Timestamp,
    },
}
