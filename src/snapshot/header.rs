//! What a snapshot says of itself.

use crate::domain::{Entity, Str, Timestamp};
/// Last in the file: what it holds.
pub use crate::engine::Held as SnapshotTotals;

/// First in the file: whose snapshot it is and where the inputs stood when it was begun.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SnapshotHeader {
    /// Partition n of every input topic.
    pub shard: i32,
    /// The Kafka cluster's own id; empty where the broker names none.
    pub cluster_id: String,
    /// The consumer group.
    pub group_id: Str,
    /// The input streams, indexed by `StreamId`.
    pub inputs: Vec<SnapshotInput>,
    /// The shard's frontier; `None` before it judged for the first time.
    pub frontier: Option<Timestamp>,
    /// From when on the shard could read every record; `None` where that is always.
    pub complete_since: Option<Timestamp>,
    /// The document in force.
    pub policies: PolicyDocument,
    /// Our clock when the snapshot was begun.
    pub taken_at: Timestamp,
    /// The version of orderwatch that wrote it; [`SnapshotHeader::VERSION`] for one of ours.
    pub written_by: String,
}

/// Where one input stood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SnapshotInput {
    /// The topic.
    pub topic: Str,
    /// The name of what its events are about.
    pub entity: Str,
    /// The first offset to read again. Everything below it is in the snapshot.
    pub next_offset: i64,
    /// The running maximum of record time below `next_offset`.
    pub effective_max: Option<Timestamp>,
}

/// A policy document.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PolicyDocument {
    /// Its text.
    pub text: String,
    /// Its version.
    pub version: Str,
    /// Its `revision:`.
    pub revision: Option<u64>,
}

impl SnapshotInput {
    /// An input about orders.
    pub fn of_orders(topic: Str, next_offset: i64, effective_max: Option<Timestamp>) -> Self {
        SnapshotInput { topic, entity: Str::new_static(Entity::ORDER_NAME), next_offset, effective_max }
    }
}

impl SnapshotHeader {
    /// What this program writes into `written_by`.
    pub const VERSION: &str = env!("CARGO_PKG_VERSION");
}
