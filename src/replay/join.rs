//! Where what the workers tell becomes one sequence again.

use std::iter::Peekable;
use std::sync::mpsc::Receiver;
use std::vec::IntoIter;

use crate::domain::{Exception, Timestamp};
use crate::engine::{StockApplied, TOO_MANY_SKUS, Transition};

use super::lane::{Place, Step};
use super::sum::Sum;
use super::summary::Summary;
use super::worker::{Batch, Broken};
use super::{ReplayError, Step as Progress};

/// One worker, as it is heard.
#[derive(Debug)]
struct Heard {
    from: Receiver<Result<Batch, Broken>>,
    steps: Peekable<IntoIter<Step>>,
    /// What stands behind its steps; `None` where it has told all.
    next: Option<Next>,
}

#[derive(Debug)]
enum Next {
    /// Another batch, all of it behind this.
    Batch(Place),
    /// It could not read on.
    Broken(Broken),
}

impl Heard {
    /// No step that is still to come stands before this.
    fn place(&mut self) -> Option<Place> {
        match (self.steps.peek(), &self.next) {
            (Some((place, _)), _) => Some(*place),
            (None, Some(Next::Batch(place) | Next::Broken(Broken(place, _)))) => Some(*place),
            (None, None) => None,
        }
    }

    /// Waits for its next batch. So many records were read for it.
    fn hear(&mut self) -> Result<u64, ReplayError> {
        if let Some(Next::Broken(Broken(_, error))) = self.next.take() {
            return Err(error);
        }
        match self.from.recv() {
            Ok(Ok(Batch { steps, bound, records })) => {
                (self.steps, self.next) = (steps.into_iter().peekable(), Some(Next::Batch(bound)));
                Ok(records)
            }
            Ok(Err(broken)) => {
                self.next = Some(Next::Broken(broken));
                Ok(0)
            }
            // It has told all.
            Err(_) => Ok(0),
        }
    }
}

/// What the steps come to.
pub struct Join<'r> {
    /// The backlogs' sum.
    pub sum: &'r mut Sum,
    /// What was published.
    pub summary: Summary,
    /// Where it goes.
    pub write: &'r mut dyn FnMut(&Exception) -> Result<(), ReplayError>,
}

impl Join<'_> {
    /// Takes every step of all workers in the order of their places, and leaves at the end, or where one of them is broken. Who is
    /// the furthest behind is waited for; the others wait where their channels are full. `total`: records in all.
    ///
    /// # Errors
    /// A worker's, after all that stands before it, or those of `write`.
    pub fn all(
        &mut self,
        workers: Vec<Receiver<Result<Batch, Broken>>>,
        total: u64,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), ReplayError> {
        let heard =
            |from| Heard { from, steps: Vec::new().into_iter().peekable(), next: Some(Next::Batch(Place::FIRST)) };
        let mut workers: Vec<Heard> = workers.into_iter().map(heard).collect();
        let mut records = 0;
        loop {
            let places = workers.iter_mut().filter_map(|worker| Some((worker.place()?, worker)));
            let Some((place, first)) = places.min_by_key(|(place, _)| *place) else { return Ok(()) };
            match first.steps.next() {
                Some(step) => self.step(step)?,
                None => {
                    records += first.hear()?;
                    if place != Place::FIRST {
                        progress(Progress::Replaying { records, total, record_time: place.frontier });
                    }
                }
            }
        }
    }

    fn step(&mut self, step: Step) -> Result<(), ReplayError> {
        let Join { sum, summary, write } = self;
        match sum.join(step, &mut |t| publish(t, summary, *write))? {
            Some(StockApplied::Full) => summary.dead_letter(TOO_MANY_SKUS),
            Some(StockApplied::New | StockApplied::Repeat | StockApplied::Superseded) => summary.stock_event(),
            None => {}
        }
        Ok(())
    }

    /// The replay ends at this frontier.
    ///
    /// # Errors
    /// Those of `write`.
    pub fn finish(&mut self, frontier: Timestamp) -> Result<(), ReplayError> {
        let Join { sum, summary, write } = self;
        let mut publish = |t| publish(t, summary, *write);
        sum.advance(Place::after_timers(frontier), &mut publish)?;
        sum.move_to(frontier, &mut publish)
    }
}

fn publish(
    transition: Transition,
    summary: &mut Summary,
    write: &mut dyn FnMut(&Exception) -> Result<(), ReplayError>,
) -> Result<(), ReplayError> {
    match transition {
        Transition::Publish(exception) => {
            summary.published(&exception);
            write(&exception)
        }
        // It belongs to exceptions-current, which a replay does not keep.
        Transition::Tombstone(_) => Ok(()),
    }
}
