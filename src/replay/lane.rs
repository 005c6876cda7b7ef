//! One shard of a replay, driven along record time by its own records and timers alone, and where in the replay's order
//! stands what follows.

use std::sync::Arc;

use crate::domain::{Event, Position, StockEvent, Timestamp};
use crate::engine::{Rejected, Shard, Told, Transition};
use crate::policy::{Policies, Settings};

/// A place in the order of a replay, which depends on the records alone: by frontier; at one frontier the timers that it
/// fires, by shard, before its records as they are merged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Place {
    /// The frontier at which it happens.
    pub frontier: Timestamp,
    turn: Turn,
}

/// What has its turn first at one frontier comes first here.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Turn {
    Timer(usize),
    Record(Position),
    AfterRecords,
    End(usize),
}

impl Place {
    /// Nothing stands before it.
    pub const FIRST: Place = Place { frontier: Timestamp::MIN, turn: Turn::Timer(0) };

    /// Where a deadline of the `i`th shard fires: it must be passed strictly. The backlogs' sum counts as the shard after
    /// the last.
    pub fn timer(deadline: Timestamp, i: usize) -> Self {
        Place { frontier: deadline.next(), turn: Turn::Timer(i) }
    }

    /// After every timer that fires at `frontier`, before its records.
    pub fn after_timers(frontier: Timestamp) -> Self {
        Place { frontier, turn: Turn::Timer(usize::MAX) }
    }

    /// Where a record lies in the merge.
    pub fn record(effective_time: Timestamp, position: Position) -> Self {
        Place { frontier: effective_time, turn: Turn::Record(position) }
    }

    /// After every record up to `frontier`.
    pub fn after_records(frontier: Timestamp) -> Self {
        Place { frontier, turn: Turn::AfterRecords }
    }

    /// After every record up to `frontier`, the `i`th shard's last word.
    pub fn end(frontier: Timestamp, i: usize) -> Self {
        Place { frontier, turn: Turn::End(i) }
    }
}

/// What happens at a place that others must hear of.
#[derive(Debug)]
pub enum Word {
    /// A shard that has come to this frontier has something to tell the backlogs' sum.
    Told(usize, Timestamp, Vec<Told>),
    /// A shard says this.
    Said(Transition),
    /// The inventory tells of stock.
    Stock(Box<StockEvent>),
}

/// A word and its place.
pub type Step = (Place, Word);

/// A shard, its place among the shards, and what it was last seen to wait for.
#[derive(Debug)]
pub struct Lane {
    i: usize,
    shard: Shard,
    deadline: Option<Timestamp>,
}

impl Lane {
    /// An empty shard for `partition`, the `i`th.
    pub fn new(i: usize, partition: i32, policies: &Arc<Policies>, settings: &Arc<Settings>) -> Self {
        Lane { i, shard: Shard::new(partition, Arc::clone(policies), Arc::clone(settings)), deadline: None }
    }

    /// Its place among the shards.
    pub fn place(&self) -> usize {
        self.i
    }

    /// The shard as it stands.
    pub fn shard(&self) -> &Shard {
        &self.shard
    }

    /// Looks at what the next events need, before their turn.
    pub fn look_ahead<'a>(&self, events: impl Iterator<Item = &'a Event>) {
        self.shard.look_ahead(events.map(|event| (event.position.stream, event.order_id.as_bytes())));
    }

    /// Fires every timer that falls due before `to`, one by one, each at its own time. Its steps come in order.
    pub fn advance(&mut self, to: Timestamp, steps: &mut Vec<Step>) {
        while let Some(deadline) = self.deadline.filter(|deadline| *deadline < to) {
            let place = Place::timer(deadline, self.i);
            self.move_to(deadline.next(), place, steps);
            if self.deadline == Some(deadline) {
                debug_assert!(false, "a shard's deadline was passed and is still due");
                self.move_to(to, place, steps);
                break;
            }
        }
    }

    /// Applies an event at its place, up to which the shard has been advanced.
    ///
    /// # Errors
    /// The event cannot become a fact.
    pub fn apply(&mut self, event: Event, place: Place, steps: &mut Vec<Step>) -> Result<(), Rejected> {
        self.shard.advance(place.frontier);
        let outcome = self.shard.apply(event, place.frontier).map(|_| ());
        self.settle(place, steps);
        outcome
    }

    /// Takes the shard to the frontier itself, which fires nothing more: the end of a replay.
    pub fn finish(&mut self, frontier: Timestamp, steps: &mut Vec<Step>) {
        self.move_to(frontier, Place::end(frontier, self.i), steps);
    }

    fn move_to(&mut self, frontier: Timestamp, place: Place, steps: &mut Vec<Step>) {
        self.shard.advance(frontier);
        self.settle(place, steps);
    }

    /// Drains the shard and notes when it is due next.
    fn settle(&mut self, place: Place, steps: &mut Vec<Step>) {
        let transitions = self.shard.drain_transitions(None);
        // They feed a histogram of the live run.
        drop(self.shard.drain_cycles_ended());
        if !transitions.is_empty() {
            self.shard.committed();
        }
        self.deadline = self.shard.next_deadline();
        let told = self.shard.drain_partials();
        if !told.is_empty() {
            steps.push((place, Word::Told(self.i, self.shard.frontier(), told)));
        }
        steps.extend(transitions.into_iter().map(|transition| (place, Word::Said(transition))));
    }
}
