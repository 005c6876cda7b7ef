//! Shards side by side: while many records come, each core reads, applies and judges those of its own shards.
//!
//! A shard is lent to a worker and taken back within one turn of the loop, so that nothing is in flight between two turns. Shards
//! share nothing that they change: what comes of a turn is the same, whichever thread did it.

use std::num::NonZero;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, available_parallelism};

use super::RunError;
use super::group::Shards;
use super::task::{Task, Turn};
use super::wire::Wire;

/// A shard that took fewer records than this in its last turn is not lent: to wake a thread takes as long.
const WORTH_IT: usize = 256;

/// The threads beside the loop's own. They end when this is dropped.
#[derive(Debug)]
pub struct Workers {
    wire: Arc<Wire>,
    each: Vec<Worker>,
}

#[derive(Debug)]
struct Worker {
    to: Sender<(Box<Task>, Turn)>,
    from: Receiver<(Box<Task>, bool)>,
}

impl Workers {
    /// So many threads beside the loop's.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn start(count: usize, wire: &Arc<Wire>) -> Result<Self, RunError> {
        let each: Result<_, _> = (0..count).map(|_| Worker::start(Arc::clone(wire))).collect();
        Ok(Workers { wire: Arc::clone(wire), each: each? })
    }

    /// How many are of use to so many shards on this machine: one for each core but the loop's.
    pub fn of_use(shards: usize) -> usize {
        available_parallelism().map_or(1, NonZero::get).min(shards).saturating_sub(1)
    }

    /// A turn of every shard that was let go. Tells whether there is more that can be applied now.
    ///
    /// # Errors
    /// A worker has ended.
    pub fn turn(&self, shards: &mut Shards, turn: Turn) -> Result<bool, RunError> {
        let busy = shards.tasks().filter(|task| task.started && task.took >= WORTH_IT);
        let busy: Vec<i32> = busy.map(|task| task.partition).collect();
        let mut lent = Vec::new();
        if busy.len() > 1 {
            for partition in busy {
                // The same shards each time, for their memory is nearest to it.
                let Some(worker) = self.worker_of(partition) else { continue };
                if let Some(task) = shards.lend(partition) {
                    worker.to.send((task, turn)).map_err(|_| ended())?;
                    lent.push(worker);
                }
            }
        }
        let mut more = false;
        for task in shards.tasks_mut().filter(|task| task.started) {
            more |= task.turn(&self.wire, turn);
        }
        for worker in lent {
            let (task, has_more) = worker.from.recv().map_err(|_| ended())?;
            more |= has_more;
            shards.take_back(task);
        }
        Ok(more)
    }

    /// `None` where the loop's own thread does it.
    fn worker_of(&self, partition: i32) -> Option<&Worker> {
        let place = partition.unsigned_abs() as usize % (self.each.len() + 1);
        self.each.get(place.checked_sub(1)?)
    }
}

impl Worker {
    fn start(wire: Arc<Wire>) -> Result<Self, RunError> {
        let (to, tasks) = channel::<(Box<Task>, Turn)>();
        let (back, from) = channel();
        let run = move || {
            for (mut task, turn) in tasks {
                let more = task.turn(&wire, turn);
                if back.send((task, more)).is_err() {
                    return;
                }
            }
        };
        let spawned = Builder::new().name("shards".to_owned()).spawn(run);
        spawned
            .map_err(|source| RunError::System { what: "a thread for the shards cannot start".to_owned(), source })?;
        Ok(Worker { to, from })
    }
}

fn ended() -> RunError {
    let source = std::io::ErrorKind::BrokenPipe.into();
    RunError::System { what: "a thread of the shards has ended".to_owned(), source }
}
