//! What a shard has committed, and when it wants to commit again.

use std::time::{Duration, Instant};

use crate::domain::{Str, StreamId, Timestamp};
use crate::engine::Frontier;
use crate::kafka::offsets::{CommitNote, Committed, ShardOffsets};

/// Offsets that moved are committed after this many records …
const COMMIT_RECORDS: u64 = 20_000;
/// … or this long, where nothing is to be published.
const COMMIT_EVERY: Duration = Duration::from_secs(5);

/// One shard's commits, by stream.
#[derive(Debug)]
pub struct Commits {
    standing: Vec<Option<Committed>>,
    /// The first offset that the group ever read, by stream.
    began_at: Vec<i64>,
    /// From when on the shard could read every record.
    complete_since: Option<Timestamp>,
    /// The offset of `exceptions-current` n after the shard's last record there.
    current_next: i64,
    records_since: u64,
    last: Instant,
}

impl Commits {
    /// As a restore finds them.
    pub fn restored(
        standing: Vec<Option<Committed>>,
        began_at: Vec<i64>,
        complete_since: Option<Timestamp>,
        current_next: i64,
        monotonic: Instant,
    ) -> Self {
        Commits { standing, began_at, complete_since, current_next, records_since: 0, last: monotonic }
    }

    /// The commits that stand, by stream.
    pub fn standing(&self) -> &[Option<Committed>] {
        &self.standing
    }

    /// Whether the commits that stand cover a record.
    pub fn cover(&self, stream: StreamId, offset: i64) -> bool {
        let commit = self.standing.get(usize::from(stream.0)).and_then(Option::as_ref);
        commit.is_some_and(|commit| offset < commit.offset)
    }

    /// The offset after the last record of `exceptions-current` n, as far as we know.
    pub fn current_next(&self) -> i64 {
        self.current_next
    }

    /// Records of the shard are in the log, ahead of its offsets.
    pub fn written(&mut self, current_next: Option<i64>) {
        self.current_next = current_next.unwrap_or(self.current_next);
    }

    /// A record was read.
    pub fn record_read(&mut self) {
        self.records_since += 1;
    }

    /// What was read so far was committed before.
    pub fn nothing_new(&mut self) {
        self.records_since = 0;
    }

    /// Whether every position stands committed, and with it from when on the records are whole: a snapshot that was
    /// taken before would hide from the next restore that they are not.
    pub fn are_at(&self, frontier: &Frontier) -> bool {
        let noted = |commit: &Committed| commit.note.as_ref().and_then(CommitNote::complete_since);
        if self.standing.iter().flatten().any(|commit| noted(commit) != self.complete_since) {
            return false;
        }
        let committed = self.standing.iter().map(|commit| commit.as_ref().map(|commit| commit.offset));
        streams(self.standing.len()).map(|stream| frontier.position(stream)).eq(committed)
    }

    /// Whether the offsets are to be committed although nothing is published: they moved far, or some time ago, or never
    /// were.
    pub fn are_due(&self, monotonic: Instant) -> bool {
        let first = self.standing.iter().any(Option::is_none);
        first || self.records_since >= COMMIT_RECORDS || monotonic.saturating_duration_since(self.last) >= COMMIT_EVERY
    }

    /// What is to be committed.
    pub fn offsets(&self, partition: i32, frontier: &Frontier, policies: &Str) -> ShardOffsets {
        let positions = streams(self.standing.len())
            .zip(&self.began_at)
            .filter_map(|(stream, began_at)| Some((stream, frontier.position(stream)?, *began_at)));
        ShardOffsets {
            partition,
            frontier: frontier.reached(),
            policies: policies.clone(),
            current_next: self.current_next,
            complete_since: self.complete_since,
            positions: positions.collect(),
        }
    }

    /// The batch with these offsets stands.
    pub fn stand(&mut self, offsets: &ShardOffsets, current_next: Option<i64>, monotonic: Instant) {
        self.current_next = current_next.unwrap_or(self.current_next);
        self.standing = vec![None; self.standing.len()];
        for (stream, commit) in offsets.commits(self.current_next) {
            if let Some(slot) = self.standing.get_mut(usize::from(stream.0)) {
                *slot = Some(commit);
            }
        }
        self.records_since = 0;
        self.last = monotonic;
    }
}

/// The first so many streams.
pub fn streams(count: usize) -> impl Iterator<Item = StreamId> + use<> {
    (0..u16::try_from(count).unwrap_or(u16::MAX)).map(StreamId)
}
