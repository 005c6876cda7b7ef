//! Snapshots.

use std::time::Duration;

use metrics::counter;
use tracing::{error, info, warn};

use crate::domain::Timestamp;
use crate::telemetry::{InternalEvent, names};

/// A snapshot is in the store for good.
#[derive(Debug)]
pub struct SnapshotWritten<'a> {
    /// The shard.
    pub shard: i32,
    /// Its name in the store.
    pub name: &'a str,
    /// Its size.
    pub bytes: u64,
    /// Orders in it, remembered ones included.
    pub orders: u64,
    /// From its beginning.
    pub took: Duration,
}

impl InternalEvent for SnapshotWritten<'_> {
    fn emit(self) {
        counter!(names::SNAPSHOTS).increment(1);
        let SnapshotWritten { shard, name, bytes, orders, took } = self;
        info!(shard, name, bytes, orders, took_ms = took.as_millis(), "snapshot written");
    }
}

/// A snapshot could not be taken or written. The run goes on; the one before stands.
#[derive(Debug)]
pub struct SnapshotFailed<'a> {
    /// The shard.
    pub shard: i32,
    /// Why, and what to do.
    pub error: &'a str,
}

impl InternalEvent for SnapshotFailed<'_> {
    fn emit(self) {
        counter!(names::SNAPSHOT_FAILURES).increment(1);
        error!(shard = self.shard, error = self.error, "snapshot failed; the one before stands and the run goes on");
    }
}

/// An older snapshot could not be removed.
#[derive(Debug)]
pub struct SnapshotPruneFailed<'a> {
    /// The shard.
    pub shard: i32,
    /// Why.
    pub error: &'a str,
}

impl InternalEvent for SnapshotPruneFailed<'_> {
    fn emit(self) {
        warn!(
            shard = self.shard,
            error = self.error,
            "an older snapshot could not be removed; the next one tries again"
        );
    }
}

/// A snapshot is damaged or not ours: the one before it is tried.
#[derive(Debug)]
pub struct SnapshotSkipped<'a> {
    /// The shard.
    pub shard: i32,
    /// Its name in the store.
    pub name: &'a str,
    /// What is wrong with it.
    pub reason: &'a str,
}

impl InternalEvent for SnapshotSkipped<'_> {
    fn emit(self) {
        counter!(names::SNAPSHOTS_SKIPPED).increment(1);
        error!(shard = self.shard, name = self.name, reason = self.reason, "SNAPSHOT SKIPPED for the one before it");
    }
}

/// A shard's snapshots are there and cannot be read now: its restore waits for them, and the other shards go on.
#[derive(Debug)]
pub struct SnapshotsUnreadable<'a> {
    /// The shard.
    pub shard: i32,
    /// Why, and what to do.
    pub error: &'a str,
    /// When it is tried again.
    pub again_in: Duration,
}

impl InternalEvent for SnapshotsUnreadable<'_> {
    fn emit(self) {
        counter!(names::SNAPSHOT_FAILURES).increment(1);
        let SnapshotsUnreadable { shard, error, again_in } = self;
        error!(
            shard,
            error,
            again_in_s = again_in.as_secs(),
            "the shard's snapshots cannot be read; its restore waits"
        );
    }
}

/// A snapshot holds events of a stream that is not declared any more: they are left out.
#[derive(Debug)]
pub struct SnapshotStreamDropped<'a> {
    /// The shard.
    pub shard: i32,
    /// Its name in the store.
    pub name: &'a str,
    /// The topic that is gone from `streams:`, or is about another entity now.
    pub topic: &'a str,
    /// How many events.
    pub events: u64,
}

impl InternalEvent for SnapshotStreamDropped<'_> {
    fn emit(self) {
        let SnapshotStreamDropped { shard, name, topic, events } = self;
        error!(
            shard,
            name,
            topic,
            events,
            "the snapshot holds a stream that is not in `streams:` any more, or is about another entity now; its events are \
             left out"
        );
    }
}

/// A shard's orders were read back from a snapshot.
#[derive(Debug)]
pub struct SnapshotLoaded<'a> {
    /// The shard.
    pub shard: i32,
    /// Its name in the store.
    pub name: &'a str,
    /// When it was taken.
    pub taken_at: Timestamp,
    /// Orders in it.
    pub orders: u64,
    /// How long it took before to read it to its end once and check every checksum.
    pub checked: Duration,
    /// How long the reading took.
    pub took: Duration,
}

impl InternalEvent for SnapshotLoaded<'_> {
    fn emit(self) {
        let SnapshotLoaded { shard, name, taken_at, orders, checked, took } = self;
        let (checked_ms, took_ms) = (checked.as_millis(), took.as_millis());
        info!(shard, name, %taken_at, orders, checked_ms, took_ms, "snapshot loaded");
    }
}
