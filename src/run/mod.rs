//! The live run: Kafka -> codec -> engine -> Kafka, one loop.
//!
//! A turn takes what was polled, applies it, moves the frontiers, and commits what follows with the offsets that it
//! follows from. Nothing is in flight between two turns, so a rebalance never interrupts a commit.
//!
//! - [`service`]: the loop; [`group`]: shards coming and going; [`follow`]: what the loop hears of that, and letting shards go;
//!   [`pace`]: how long it may sleep and when it asks for end offsets.
//! - [`workers`]: shards side by side; [`task`]: one shard held here, from a polled record to what is to be published; [`lanes`]: its buffers;
//!   [`commits`]: its offsets.
//! - [`wire`]: how records are read and written; [`commit`]: a batch, from what is drained to what counts as published;
//!   [`told`]: what is in `exceptions-current`; [`overheard`]: what others wrote there in our place; [`publish`]: how a batch is
//!   written, and what follows where it is not taken; [`put_off`]: how long it may wait, and judging with it; [`fit`]: records that their topic does not take.
//! - [`report`]: what people see of it.
//! - [`backlogs`]: the sum over the shards; [`inventory`]: the stock that it holds demand against.
//! - [`recovery`]: what a restart makes of what it finds; [`inputs`]: where its inputs go on; [`completeness`]: how far back
//!   that reaches; [`restore`]: the thread that does it, [`queue`]: in which order; [`snapshots`]: writing a shard out.
//! - [`start`]: from the configuration to a running service; [`stop`]: being told to end it.
//!
//! `task`, `lanes`, `commits`, `commit`, `group`, `recovery`, `inputs`, `inventory` and `backlogs` do no I/O and read no clock (a monotonic time is
//! an argument), so that `tests/simulation` runs them as they are.

// An error ends the process or is logged: its size is no matter.
#![allow(clippy::result_large_err)]

pub mod backlogs;
pub mod commit;
pub mod commits;
pub mod completeness;
pub mod documents;
pub mod fit;
pub mod follow;
pub mod group;
pub mod inputs;
pub mod inventory;
pub mod lanes;
pub mod overheard;
pub mod pace;
pub mod publish;
pub mod put_off;
pub mod queue;
pub mod recovery;
pub mod replaying;
pub mod report;
pub mod restore;
pub mod service;
pub mod snapshots;
pub mod start;
pub mod stop;
pub mod task;
pub mod told;
pub mod wire;
pub mod workers;

use crate::http::BindError;
use crate::kafka::KafkaFailure;
use crate::snapshot::StoreError;

pub use start::{run, run_until};
pub use stop::{Stop, stop_on_signals};

/// Why a run did not start or did not go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Kafka.
    #[error(transparent)]
    Kafka(Box<KafkaFailure>),
    /// The address for HTTP.
    #[error(transparent)]
    Http(#[from] BindError),
    /// The snapshots' place.
    #[error(transparent)]
    Snapshots(#[from] StoreError),
    /// A shard could not be read back.
    #[error("shard {shard} could not be restored")]
    Restore {
        /// The shard.
        shard: i32,
        /// Why.
        #[source]
        source: Box<RunError>,
    },
    /// The system refuses a thread, a socket, a runtime.
    #[error("{what}")]
    System {
        /// What was wanted.
        what: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The policy document in force for the group.
    #[error("the group's policy document cannot be used: {0}; a newer orderwatch may have put it in force")]
    Policies(String),
    /// Metrics or logs.
    #[error("{0}")]
    Telemetry(String),
}

impl From<KafkaFailure> for RunError {
    fn from(failure: KafkaFailure) -> Self {
        RunError::Kafka(Box::new(failure))
    }
}
