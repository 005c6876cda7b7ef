//! One shard: partition n of every input topic together.

use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashSet;

use crate::domain::{Entity, EntityId, Event, Exception, ExceptionId, Millis, Str, Timestamp};
use crate::guard::{Guard, is_off};
use crate::policy::interest::Interest;
use crate::policy::{Policies, Settings};

use super::backlog::{Partials, Teller, Told};
use super::copy::Copying;
use super::former::Unsure;
use super::history::{History, Since};
use super::index::Index;
use super::inert::Interests;
use super::judge::earliest;
use super::order::Published;
use super::outbox::Outbox;
use super::past::Past;
use super::slots::Slots;
use super::timers::Timers;
use super::tombstones::Tombstones;

/// What became of an event that was applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Applied {
    /// It is a new fact.
    New,
    /// The very same record was read before.
    Reread,
    /// It was known already, to the letter, from another record.
    Repeat,
    /// Its identity was known with other content; the first in the log stands.
    Conflict,
    /// Its order was closed for longer than `retain_closed`: counted, not applied.
    AfterClose,
    /// It begins an order anew of which something may still be to be told: nothing was changed. It is to be applied again
    /// once the frontier has come to its effective time.
    NotYet,
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
    /// One order has more attributes than anything real.
    #[error("the order would have more than {limit} attributes, or {bytes} bytes of them, over all its events")]
    TooManyAttributes {
        /// The bound on their number.
        limit: usize,
        /// The bound on their bytes.
        bytes: usize,
    },
    /// One order has more lines than anything real.
    #[error("the order would have more than {limit} lines over all its events, the most that is kept of one order")]
    TooManyLines {
        /// The bound.
        limit: usize,
    },
}

impl Rejected {
    /// The stable code of the `orderwatch-error` header and the `reason` label.
    pub const fn code(&self) -> &'static str {
        match self {
            Rejected::Overflow { .. } => "overflow",
            Rejected::TooManyEvents { .. } => "too_many_events",
            Rejected::TooManyLines { .. } => "too_many_lines",
            Rejected::TooManyAttributes { .. } => "too_many_attributes",
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
    /// Exceptions that began before `complete_since`: what would show that they are none may not be there any more.
    pub unproven: u64,
}

impl ShardCounters {
    /// What two shards counted.
    pub fn and(self, other: Self) -> Self {
        ShardCounters {
            duplicates: self.duplicates + other.duplicates,
            conflicts: self.conflicts + other.conflicts,
            late: self.late + other.late,
            after_close: self.after_close + other.after_close,
            evicted: self.evicted + other.evicted,
            kept_back: self.kept_back + other.kept_back,
            unproven: self.unproven + other.unproven,
        }
    }
}

/// An SLA cycle that ended, for the `orderwatch_cycle_seconds` histogram.
#[derive(Clone, PartialEq, Debug)]
pub struct CycleEnded {
    /// The SLA's id.
    pub policy: Str,
    /// `met`, `breached` or `cancelled`.
    pub outcome: &'static str,
    /// Its running time, from start to end.
    pub elapsed: Millis,
}

/// One shard's facts, timers and published set.
#[derive(Debug)]
pub struct Shard {
    pub(super) partition: i32,
    pub(super) policies: Arc<Policies>,
    pub(super) settings: Arc<Settings>,
    pub(super) interests: Interests,
    /// The documents before, until the restore is over.
    pub(super) history: History,
    /// What is settled and may not have been told to its end.
    pub(super) unsure: Vec<Unsure>,
    pub(super) since: Since,
    pub(super) slots: Slots,
    pub(super) index: Index,
    /// No order that is in memory has one, unless a copy that was taken meanwhile says both: then the order counts.
    pub(super) tombstones: Tombstones,
    pub(super) timers: Timers,
    pub(super) queues: Partials,
    /// Orders to be judged, and what the event touched for which each was marked.
    pub(super) dirty: Vec<(u32, Interest)>,
    pub(super) frontier: Timestamp,
    pub(super) outbox: Outbox,
    pub(super) counters: ShardCounters,
    /// Orders to retire once what they published is committed.
    pub(super) deferred: Vec<u32>,
    pub(super) cycles_ended: Vec<CycleEnded>,
    /// Orders that ever came into memory, past four billion from 0 on again.
    pub(super) born: u32,
    pub(super) muted: bool,
    /// Ids that left memory for good while muted, and are not among the tombstones: what was published of them is tombstoned.
    pub(super) forgotten: HashSet<(EntityId, Str), RandomState>,
    /// While muted: exceptions whose last state nobody vouches for.
    pub(super) doubted: HashSet<ExceptionId, RandomState>,
    /// What left memory while a copy is being taken.
    pub(super) copying: Option<Copying>,
    pub(super) restoring: bool,
    pub(super) past: Past,
}

impl Shard {
    /// An empty shard.
    pub fn new(partition: i32, policies: Arc<Policies>, settings: Arc<Settings>) -> Self {
        let queues = Partials::new(&policies, &settings);
        let index = Index::new(&settings.entities);
        let past = Past { complete_since: Timestamp::MIN, retain_closed: settings.retain_closed };
        Shard {
            partition,
            interests: Interests::of(&policies),
            policies,
            settings,
            history: History::default(),
            unsure: Vec::new(),
            since: Since::default(),
            slots: Slots::default(),
            index,
            tombstones: Tombstones::default(),
            timers: Timers::default(),
            queues,
            dirty: Vec::new(),
            frontier: Timestamp::MIN,
            outbox: Outbox::default(),
            counters: ShardCounters::default(),
            deferred: Vec::new(),
            cycles_ended: Vec::new(),
            born: 0,
            muted: false,
            forgotten: HashSet::default(),
            doubted: HashSet::default(),
            copying: None,
            restoring: false,
            past,
        }
    }

    /// Says from when on every record can be read. Before the first order comes.
    pub fn set_complete_since(&mut self, since: Option<Timestamp>) {
        self.past.complete_since = since.unwrap_or(Timestamp::MIN);
    }

    /// From when on every record could be read; `None` where the logs were read from their beginning.
    pub fn complete_since(&self) -> Option<Timestamp> {
        Some(self.past.complete_since).filter(|since| *since > Timestamp::MIN)
    }

    /// Partition n of every input topic.
    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// The frontier it was last advanced to; `Timestamp::MIN` before the first.
    pub fn frontier(&self) -> Timestamp {
        self.frontier
    }

    /// Merges one event into the facts of its order, or of what else its stream is about. `effective_time` is the record's
    /// (DESIGN section 4).
    /// What follows from it comes out of [`Shard::drain_transitions`].
    ///
    /// # Errors
    /// The event cannot become a fact; nothing was changed.
    pub fn apply(&mut self, event: Event, effective_time: Timestamp) -> Result<Applied, Rejected> {
        let applied = self.take_in(event, effective_time);
        self.slots.rest_some();
        let applied = applied?;
        if applied == Applied::NotYet {
            return Ok(applied);
        }
        if effective_time < self.frontier {
            self.counters.late += 1;
        }
        match applied {
            Applied::Repeat => self.counters.duplicates += 1,
            Applied::Conflict => self.counters.conflicts += 1,
            Applied::AfterClose => self.counters.after_close += 1,
            Applied::New | Applied::Reread | Applied::NotYet => {}
        }
        Ok(applied)
    }

    /// Moves the frontier and fires what is due. It never goes back: an earlier frontier does nothing.
    pub fn advance(&mut self, frontier: Timestamp) {
        self.judge_dirty();
        if frontier <= self.frontier {
            return;
        }
        let from = self.frontier;
        while let Some(due) = self.timers.next().filter(|due| *due < frontier) {
            // An order that leaves memory now still stood in its queues at every grid point before.
            self.pass_grid_points(due);
            let Some(slot) = self.timers.pop_due(frontier) else { break };
            self.fire(slot, from, frontier);
        }
        self.frontier = frontier;
        self.pass_grid_points(frontier);
        self.sweep_tombstones();
    }

    fn pass_grid_points(&mut self, frontier: Timestamp) {
        if !self.muted {
            self.queues.advance(frontier);
        }
    }

    /// The earliest instant that the frontier must pass, strictly, before anything fires.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        earliest(self.timers.next(), self.queues.next_deadline())
    }

    /// Who tells the backlogs' sum of it; no other state of a shard ever had that name.
    pub fn teller(&self, name: Str, began: Option<Timestamp>) -> Teller {
        Teller::new(self.partition, name, began, &self.policies, &self.settings)
    }

    /// The document that it is judged by.
    pub fn policies(&self) -> &Arc<Policies> {
        &self.policies
    }

    /// What [`super::BacklogSum::observe`] is to be told, with [`Shard::frontier`], after each [`Shard::advance`].
    pub fn drain_partials(&mut self) -> Vec<Told> {
        self.queues.drain()
    }

    /// What holds now and was not published. `detected_at` is our clock; `None` (a replay) takes the frontier.
    /// Nothing counts as published until [`Shard::committed`].
    pub fn drain_transitions(&mut self, detected_at: Option<Timestamp>) -> Vec<Transition> {
        self.judge_dirty();
        let mut drained = self.outbox.drain();
        if let Some(clock) = detected_at {
            for transition in &mut drained {
                if let Transition::Publish(exception) = transition {
                    exception.detected_at = clock;
                }
            }
        }
        drained
    }

    /// The transitions drained since the last call are in the log for good.
    pub fn committed(&mut self) {
        self.outbox.committed();
        if self.outbox.is_empty() {
            self.unsure.clear();
        }
        self.fire_deferred();
    }

    /// They are not: the facts stand, and the next drain makes the difference again.
    pub fn aborted(&mut self) {
        if is_off(Guard::PublishedOnceCommitted) {
            return self.committed();
        }
        for slot in self.outbox.aborted(&mut self.slots) {
            self.touch(slot);
        }
        // Judged by the next turn, with what was read until then: a state that was never told need not be told at all.
        self.touch_deferred();
    }

    /// How many orders have facts that no judgement has seen yet.
    pub fn unjudged(&self) -> usize {
        self.dirty.len()
    }

    /// Whether all that was published is in the log for good, as far as it has been judged.
    pub fn is_published(&self) -> bool {
        self.outbox.is_empty()
    }

    /// What was counted so far.
    pub fn counters(&self) -> ShardCounters {
        self.counters
    }

    /// The SLA cycles that ended since the last call.
    pub fn drain_cycles_ended(&mut self) -> std::vec::Drain<'_, CycleEnded> {
        self.cycles_ended.drain(..)
    }

    /// Orders that are known and not closed.
    pub fn orders_open(&self) -> usize {
        self.open().find(|(entity, _)| entity.is_order()).map_or(0, |(_, open)| open)
    }

    /// How many of each entity are known and not closed; orders first.
    pub fn open(&self) -> impl Iterator<Item = (&Entity, usize)> {
        self.index.open()
    }

    /// Visits what is at risk, open or escalated in the published set, in no order.
    pub fn visit_standing(&self, visit: &mut dyn FnMut(&Exception)) {
        let standing = self.slots.all_published().filter(|p| !p.silent && !p.last.status.has_ended());
        standing.for_each(|p: &Published| visit(&p.last));
    }
}
