//! What joins the shards of a replay: the backlogs' sum, which hears the steps of all of them in one order.

use std::sync::Arc;

use crate::domain::{StockEvent, Timestamp};
use crate::engine::{BacklogSum, StockApplied, Told, Transition};
use crate::policy::{Policies, Settings};

use super::lane::{Place, Step, Word};

/// The backlogs' sum, and what it was last seen to wait for.
#[derive(Debug)]
pub struct Sum {
    backlogs: BacklogSum,
    shards: usize,
    deadline: Option<Timestamp>,
}

impl Sum {
    /// Of so many shards, none of which was heard.
    pub fn new(shards: usize, policies: &Arc<Policies>, settings: &Arc<Settings>) -> Self {
        let mut backlogs = BacklogSum::new(Arc::clone(policies), Arc::clone(settings));
        backlogs.set_shards(shards);
        Sum { backlogs, shards, deadline: None }
    }

    /// Fires what stands before `place`. Every step up to there has been heard.
    ///
    /// # Errors
    /// Those of `publish`.
    pub fn advance<E>(&mut self, place: Place, publish: &mut impl FnMut(Transition) -> Result<(), E>) -> Result<(), E> {
        while let Some(deadline) = self.deadline.filter(|deadline| Place::timer(*deadline, self.shards) < place) {
            self.move_to(deadline.next(), publish)?;
            if self.deadline == Some(deadline) {
                debug_assert!(false, "the backlogs' deadline was passed and is still due");
                return self.move_to(place.frontier, publish);
            }
        }
        Ok(())
    }

    /// Hears a step, and hands out what is said up to there. Steps come in the order of their places. Tells what became of a
    /// stock event.
    ///
    /// # Errors
    /// Those of `publish`.
    pub fn join<E>(
        &mut self,
        (place, word): Step,
        publish: &mut impl FnMut(Transition) -> Result<(), E>,
    ) -> Result<Option<StockApplied>, E> {
        self.advance(place, publish)?;
        match word {
            Word::Said(transition) => publish(transition)?,
            Word::Told(i, frontier, told) => self.hear(i, frontier, told),
            Word::Stock(event) => return Ok(Some(self.apply_stock(&event, place.frontier))),
        }
        Ok(None)
    }

    /// Hears what the `i`th shard tells, which has come to `frontier`.
    fn hear(&mut self, i: usize, frontier: Timestamp, told: Vec<Told>) {
        self.backlogs.observe(i as i32, frontier, told);
        self.deadline = self.backlogs.next_deadline();
    }

    /// Takes in a stock event.
    pub fn apply_stock(&mut self, event: &StockEvent, effective_time: Timestamp) -> StockApplied {
        // What it changes counts from a grid point on that is not passed yet.
        self.backlogs.stock_passed(effective_time);
        let applied = self.backlogs.take_stock(event);
        self.deadline = self.backlogs.next_deadline();
        applied
    }

    /// Takes it to the frontier itself, as at the end of a replay.
    ///
    /// # Errors
    /// Those of `publish`.
    pub fn move_to<E>(
        &mut self,
        frontier: Timestamp,
        publish: &mut impl FnMut(Transition) -> Result<(), E>,
    ) -> Result<(), E> {
        self.backlogs.advance(frontier);
        let transitions = self.backlogs.drain_transitions(None);
        self.backlogs.discard_memory();
        self.backlogs.committed();
        self.deadline = self.backlogs.next_deadline();
        transitions.into_iter().try_for_each(publish)
    }
}
