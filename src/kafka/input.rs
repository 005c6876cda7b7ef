//! One input's own queue of records, which librdkafka fills ahead on its own threads.
//!
//! It is read wherever its shard is, as the shard takes records: what waits, waits in librdkafka, which stops fetching for a queue
//! that is full and for no other.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::base_consumer::PartitionQueue;

use super::source::Context;
use super::{Fetched, InputPartition};

/// The records of one partition of an input.
pub struct Input {
    at: InputPartition,
    queue: PartitionQueue<Context>,
    context: Arc<Context>,
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Input({:?})", self.at)
    }
}

impl Input {
    pub(super) fn new(at: InputPartition, queue: PartitionQueue<Context>, context: Arc<Context>) -> Self {
        Input { at, queue, context }
    }

    /// Its stream and partition.
    pub fn at(&self) -> InputPartition {
        self.at
    }

    /// The next record, where one is here. What comes instead of one is told by the next [`super::source::Source::poll`].
    pub fn take(&self) -> Option<Fetched> {
        loop {
            match self.queue.poll(Duration::ZERO)? {
                Ok(message) => {
                    self.context.has_read(self.at.stream);
                    return Some(Fetched::copy(&message, self.at.stream));
                }
                // Records may lie behind it, and no bell rings for what is not the first in a queue.
                Err(error) => self.context.failed(error),
            }
        }
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        // What was fetched of a partition that went is void. librdkafka throws it away as somebody asks, and nobody else will.
        drop(self.queue.poll(Duration::ZERO));
    }
}
