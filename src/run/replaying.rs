//! A shard that reads its inputs again, up to where the group's commits are.

use std::time::Instant;

use crate::domain::{Exception, ExceptionId, Timestamp};

/// A replay of the inputs.
#[derive(Debug)]
pub struct Replaying {
    /// By stream: the offset that it is read to.
    pub until: Vec<i64>,
    /// What was published, taken back at the end.
    pub published: Vec<Exception>,
    /// Of that, what nobody vouches for.
    pub doubted: Vec<ExceptionId>,
    /// The committed frontier.
    pub reached: Option<Timestamp>,
    /// Up to there the backlogs' sum was told.
    pub told: Option<Timestamp>,
    /// How many orders the snapshot had.
    pub orders: u64,
    /// Records read so far.
    pub records: u64,
    /// When the restore began.
    pub began: Instant,
}
