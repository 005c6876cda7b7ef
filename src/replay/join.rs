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

    /// Waits for its next batch: how many records were read for it. `None` where it went without a last word, which a panic alone
    /// can be.
    fn hear(&mut self) -> Result<Option<u64>, ReplayError> {
        if let Some(Next::Broken(Broken(_, error))) = self.next.take() {
            return Err(error);
        }
        match self.from.recv() {
            Ok(Ok(Batch { steps, bound, records })) => {
                (self.steps, self.next) = (steps.into_iter().peekable(), bound.map(Next::Batch));
                Ok(Some(records))
            }
            Ok(Err(broken)) => {
                self.next = Some(Next::Broken(broken));
                Ok(Some(0))
            }
            Err(_) => Ok(None),
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
        let (mut records, mut come_to) = (0, Place::FIRST);
        loop {
            let places = workers.iter_mut().filter_map(|worker| Some((worker.place()?, worker)));
            let Some((place, first)) = places.min_by_key(|(place, _)| *place) else { return Ok(()) };
            debug_assert!(come_to <= place, "a worker told something behind its bound: {come_to:?}, {place:?}");
            come_to = place;
            match first.steps.next() {
                Some(step) => self.step(step)?,
                None => {
                    self.advance(place)?;
                    let Some(more) = first.hear()? else { return Ok(()) };
                    records += more;
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

    /// Nothing more stands before this place.
    fn advance(&mut self, place: Place) -> Result<(), ReplayError> {
        let Join { sum, summary, write } = self;
        sum.advance(place, &mut |t| publish(t, summary, *write))
    }

    /// The replay ends at this frontier.
    ///
    /// # Errors
    /// Those of `write`.
    pub fn finish(&mut self, frontier: Timestamp) -> Result<(), ReplayError> {
        self.advance(Place::after_timers(frontier))?;
        let Join { sum, summary, write } = self;
        sum.move_to(frontier, &mut |t| publish(t, summary, *write))
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;
    use crate::replay::tests::random;

    fn batch(to: Option<i64>) -> Result<Batch, Broken> {
        let bound = to.map(|ms| Place::after_records(Timestamp::from_millis(ms)));
        Ok(Batch { steps: Vec::new(), bound, records: 1 })
    }

    /// How many records the workers' batches are for that are heard, where they reach so far.
    fn heard(told: [&[Option<i64>]; 2]) -> u64 {
        let workers = told.map(|bounds| {
            let (to, from) = sync_channel(bounds.len());
            bounds.iter().for_each(|bound| to.send(batch(*bound)).unwrap());
            from
        });
        let plan = random::plan(None);
        let mut sum = Sum::new(2, &plan.policies, &plan.settings);
        let (mut write, mut heard) = (|_: &Exception| Ok(()), 0);
        let mut join = Join { sum: &mut sum, summary: Summary::default(), write: &mut write };
        let mut progress = |step| match step {
            Progress::Replaying { records, .. } => heard = records,
            other => panic!("{other:?}"),
        };
        join.all(workers.into(), 0, &mut progress).unwrap();
        heard
    }

    #[test]
    fn who_is_the_furthest_behind_is_heard_next_and_one_that_went_without_a_word_ends_it() {
        assert_eq!(heard([&[Some(1), Some(5), None], &[Some(3), Some(9), None]]), 6);
        assert_eq!(heard([&[Some(1), Some(5)], &[Some(3), Some(9), Some(12), None]]), 4, "nothing past 5 is said");
    }
}
