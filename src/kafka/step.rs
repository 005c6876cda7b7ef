//! One call to the transaction's coordinator, made again until it is answered.

use std::time::{Duration, Instant};

use rdkafka::error::KafkaError;

/// A coordinator that has not decided a transaction after this long may never (Kafka 4.1.1 was seen to lose its task that
/// aborts): the process ends, and the next one has a transactional id that nothing hangs on.
const DECIDED_WITHIN: Duration = Duration::from_secs(120);
/// How often it is told that the broker is waited for.
const TELL_EVERY: Duration = Duration::from_millis(500);

/// Makes a call to the coordinator until it is answered.
pub(super) fn step(wait: &mut Wait<'_>, call: impl Fn() -> Result<(), KafkaError>) -> Step {
    loop {
        match call() {
            Ok(()) => return Step::Done,
            Err(KafkaError::Transaction(error)) if error.is_fatal() => {
                return Step::Fatal(KafkaError::Transaction(error));
            }
            Err(KafkaError::Transaction(error)) if error.txn_requires_abort() => {
                return Step::Abort(error.to_string());
            }
            Err(KafkaError::Transaction(error)) if error.is_retriable() && wait.began.elapsed() < DECIDED_WITHIN => {
                wait.tell();
            }
            Err(error) => return Step::Fatal(error),
        }
    }
}

/// Tells those who wait that we do.
pub(super) struct Wait<'a> {
    began: Instant,
    told: Instant,
    waiting: &'a mut dyn FnMut(Duration),
}

impl<'a> Wait<'a> {
    /// Begins now.
    pub(super) fn new(waiting: &'a mut dyn FnMut(Duration)) -> Self {
        Wait { began: Instant::now(), told: Instant::now(), waiting }
    }

    /// Tells them, where it is time to.
    pub(super) fn tell(&mut self) {
        if self.told.elapsed() >= TELL_EVERY {
            self.told = Instant::now();
            (self.waiting)(self.began.elapsed());
        }
    }
}

/// What the coordinator was asked to do with a transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    ToCommit,
    ToAbort,
}

/// What came of a call.
pub(super) enum Step {
    /// It was done.
    Done,
    /// The transaction must be aborted, and why.
    Abort(String),
    /// The producer cannot go on.
    Fatal(KafkaError),
}
