//! What is written and committed together, and what can become of it.

use std::collections::BTreeMap;

use crate::codec::OutputRecord;
use crate::domain::Timestamp;
use crate::guard::{Guard, is_off};

use super::offsets::ShardOffsets;

/// What to commit: records and the offsets that they follow from.
#[derive(Debug, Default)]
pub struct Batch {
    /// The outputs, in the order in which they are written.
    pub records: Vec<OutputRecord>,
    /// The shards whose offsets go with them.
    pub offsets: Vec<ShardOffsets>,
    /// The records' time: our clock, for the wall clock may have jumped, and a broker refuses what lies an hour ahead.
    pub stamp: Timestamp,
}

/// What became of a batch.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It stands.
    Committed {
        /// For each shard that wrote to `exceptions-current`: the offset after its last record there.
        current_next: BTreeMap<i32, i64>,
    },
    /// Nothing of it stands. It is made and published again.
    Aborted {
        /// Why.
        reason: String,
    },
    /// `at_least_once`: its records are in the log, its offsets are not committed.
    Written {
        /// As for `Committed`.
        current_next: BTreeMap<i32, i64>,
        /// Why not.
        reason: String,
    },
    /// `at_least_once`: some of its records are in the log, and some are not. The same batch is to be written again.
    Torn {
        /// Why.
        reason: String,
    },
}

/// What `at_least_once` does with a batch, one after the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Act {
    /// Write the records of `exceptions-current` and wait until they are in the log. First, so that whatever a subscriber
    /// was told of is known after a crash; what it was not told of yet is told then.
    ProduceCurrent,
    /// Write the others and wait.
    ProduceOthers,
    /// Commit the offsets.
    CommitOffsets,
}

impl Act {
    /// Records first: what is written twice is told twice, what is never written is lost.
    pub fn at_least_once() -> [Act; 3] {
        match is_off(Guard::OutputsBeforeOffsets) {
            false => [Act::ProduceCurrent, Act::ProduceOthers, Act::CommitOffsets],
            true => [Act::CommitOffsets, Act::ProduceCurrent, Act::ProduceOthers],
        }
    }

    /// Whether a record of `topic` is written in this act.
    pub fn writes(self, topic: &str, current: &str) -> bool {
        match self {
            Act::ProduceCurrent => topic == current,
            Act::ProduceOthers => topic != current,
            Act::CommitOffsets => false,
        }
    }
}
