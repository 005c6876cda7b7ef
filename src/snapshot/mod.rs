//! Snapshots: a shard's facts in a file, so that a restart need not read the topics from their beginning. The only folder
//! that knows files and object stores.
//!
//! A snapshot holds facts, where the inputs stood when it was begun, and the policy document; nothing of what was
//! published. Facts are idempotent, so a copy that is taken while the shard goes on, plus the inputs from the offsets
//! noted at its beginning, is exact.
//!
//! Taking one (live run): [`SnapshotWriter::begin`] with the header, [`SnapshotWriter::feed`] once a turn until nothing
//! is in progress, [`SnapshotWriter::poll`] for how it ended. Orders are handed over as they lie in memory; they are compressed and
//! written on a thread of their own.
//!
//! Reading one back: [`SnapshotStore::newest`] and [`Found::read`], on a thread that may block.
//!
//! - `header`: what a snapshot says of itself
//! - `format`: the file's framing: magic, version, chunks, checksums
//! - `wire`: the Protobuf messages of header and trailer, and of the orders in versions 1 and 2
//! - `store`: where the files lie: a directory or a bucket; switched atomically; the last N are kept
//! - `directory`, `bucket`: such a place by its URL
//! - `error`: what can go wrong there, and what to do about it
//! - `writer`, `restore`: the two directions

mod bucket;
mod directory;
mod error;
pub mod format;
mod header;
mod restore;
mod store;
#[cfg(test)]
mod tests;
mod wire;
mod writer;

pub use error::StoreError;
pub use format::FormatError;
pub use header::{PolicyDocument, SnapshotHeader, SnapshotInput, SnapshotTotals};
pub use restore::{Expected, Found};
pub use store::{SnapshotName, SnapshotStore};
pub use writer::{SnapshotOutcome, SnapshotWriter};
