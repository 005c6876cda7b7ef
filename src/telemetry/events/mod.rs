//! Everything that happens and is worth hearing of, a file for each part of the house. To add one: a struct with what is
//! known, `impl InternalEvent` with exactly one log line, and its metrics from [`super::names`].

mod completeness;
mod frontier;
mod group;
mod input;
mod output;
mod process;
mod snapshot;
#[cfg(test)]
mod tests;

pub use completeness::{InputBeginsLate, InputRecordsLost, UnprovenKeptBack};
pub use frontier::{ClockBelieved, ClockHeld, FrontierHeld, FrontierMoves};
pub use group::{
    BacklogMemoryLost, BacklogsSkipped, BacklogsWait, GroupJoined, KafkaError, KafkaLog, OthersPublish,
    PartialsRefused, RestoreStarted, ShardRestored, ShardsAssigned, ShardsRevoked, SpareMember, StockUnknown,
    TopicCreated,
};
pub use input::{BatchApplied, DeadLettered, EventConflicted, InputMadeAnew, KeptBack, OrdersEvicted, StreamCounts};
pub use output::{
    BatchCommitted, CycleEnded, ExceptionCut, ExceptionPublished, OutputMadeAnew, RecordTooLarge, TopicTakesLess,
    TransactionAborted, WriteDenied,
};
pub use process::{HttpListening, HttpRefused, PoliciesInForce, PoliciesRefused, Started, Stopped, Stopping};
pub use snapshot::{
    RestoreUnanswered, SnapshotFailed, SnapshotLoaded, SnapshotPruneFailed, SnapshotSkipped, SnapshotStreamDropped,
    SnapshotWritten, SnapshotsUnreadable,
};
