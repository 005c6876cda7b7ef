//! Kafka: the only folder that knows rdkafka.
//!
//! - [`client`]: how librdkafka is set up for each of our clients.
//! - [`topology`], [`topics`], [`control`]: what is looked at and made before the first record is read.
//! - [`source`]: the group's consumer, from poll to [`record::Fetched`], which [`bell`] waits for; [`clock`]: the ends of the inputs, on a client
//!   of its own.
//! - [`partials`], [`inventory`]: what only the backlogs' sum reads, on clients of their own.
//! - [`publisher`]: a [`batch`] of outputs and offsets, in one transaction or one after the other; [`deliveries`]: what came
//!   of each record; [`offsets`]: what a commit says.
//! - [`current`]: reading back what was published; [`access`]: what the broker does not let us do.

// An error ends the process or is logged: its size is no matter.
#![allow(clippy::result_large_err)]

pub mod access;
pub mod batch;
mod bell;
pub mod client;
pub mod clock;
pub mod control;
pub mod current;
pub mod deliveries;
pub mod error;
pub mod in_process;
pub mod input;
pub mod inventory;
pub mod offsets;
pub mod partials;
pub mod publisher;
pub mod range;
pub mod record;
pub mod source;
mod step;
pub mod topics;
pub mod topology;

pub use error::KafkaFailure;
pub use record::Fetched;

use crate::domain::StreamId;

/// One partition of one input stream.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct InputPartition {
    /// The stream, and with it the topic.
    pub stream: StreamId,
    /// The partition, and with it the shard.
    pub partition: i32,
}
