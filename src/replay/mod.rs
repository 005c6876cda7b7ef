//! Replays: a dump of the topics, or a range of them, through the engine, in one order that depends on the input alone.
//!
//! - [`line`]: one line of a dump, as `kcat -C -J` writes it.
//!   `plain`: the same for the usual ones, fast.
//! - [`index`]: where the records of a partition lie in the dump, in offset order, in a few bytes each.
//! - [`dump`]: reads a dump once from end to end, checks every line and fills the index; `scan`: on several threads;
//!   [`blocks`]: reads single lines of it.
//! - [`decode`]: bytes to events, or to a dead letter's reason.
//! - [`merge`]: the records of partitions, merged on (effective time, stream, partition, offset).
//! - [`lane`]: one [`crate::engine::Shard`] for each partition number, and the place of what it says in the replay's order;
//!   [`worker`]: a thread that reads for some of them and drives them; [`horizon`]: how far the workers have come.
//! - [`join`]: what all of them say, in one order; [`sum`]: the backlogs' sum, which hears it.
//! - [`drive`]: all shards on one thread, a record at a time, for those who tell a story.
//! - [`summary`]: what is counted on the way; [`output`]: where the exceptions go.
//! - [`run`]: all of it, from the first record to the last.
//!
//! A dump of many gigabytes needs memory for its index (about 5 bytes a record where the partitions' lines stand in
//! offset order), some batches of records and the shards.

pub mod blocks;
pub mod decode;
pub mod drive;
pub mod dump;
pub mod horizon;
pub mod index;
pub mod join;
pub mod lane;
pub mod line;
pub mod merge;
pub mod output;
mod plain;
pub mod run;
mod scan;
pub mod sum;
pub mod summary;
pub mod worker;

use std::path::PathBuf;

use crate::domain::Timestamp;

pub use dump::Dump;
pub use run::{Plan, replay, replay_by, replay_into};
pub use summary::Summary;

/// How far a replay has come, for those who watch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// What cannot be read twice is copied to a temporary file.
    Copying {
        /// Bytes copied.
        bytes: u64,
    },
    /// The dump is read from end to end.
    Indexing {
        /// Bytes read.
        bytes: u64,
        /// Bytes in all.
        total: u64,
    },
    /// Records go through the engine.
    Replaying {
        /// Records done.
        records: u64,
        /// Records in all.
        total: u64,
        /// The effective time reached.
        record_time: Timestamp,
    },
}

/// Why a replay failed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// A line of the dump is not a record. (A record whose value is not an event is a dead letter instead.)
    #[error("{}:{line}: {detail}; expected a line of `kcat -C -J`, such as {EXAMPLE}", .path.display())]
    Line {
        /// The dump.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// What is wrong with it.
        detail: String,
    },
    /// The dump could not be read.
    #[error("{}: {source}", .path.display())]
    Read {
        /// The dump.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The dump was written to while it was replayed.
    #[error("{}: changed while it was replayed: {detail}", .path.display())]
    Changed {
        /// The dump.
        path: PathBuf,
        /// What no longer fits.
        detail: String,
    },
    /// The output could not be written.
    #[error("{}: {source}", .path.display())]
    Write {
        /// The output.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

const EXAMPLE: &str = r#"{"topic":"orders","partition":0,"offset":0,"ts":1763719200000,"key":"o-1","payload":"{…}"}"#;

#[cfg(test)]
mod tests;
