//! What retention has taken, or `start: {from: …}` left out.

use metrics::counter;
use tracing::{error, info, warn};

use crate::domain::Timestamp;
use crate::telemetry::{InternalEvent, names};

/// Exceptions that began before the shard's records are whole were not published.
#[derive(Debug)]
pub struct UnprovenKeptBack {
    /// The shard.
    pub shard: i32,
    /// How many.
    pub count: u64,
    /// From when on they are.
    pub complete_since: Timestamp,
}

impl InternalEvent for UnprovenKeptBack {
    fn emit(self) {
        counter!(names::UNPROVEN).increment(self.count);
        info!(
            shard = self.shard,
            count = self.count,
            complete_since = %self.complete_since,
            "exceptions that began before the records are whole are kept back: what disproves them may be removed"
        );
    }
}

/// The group begins with an input whose first records are not there, or are left out by `start: {from: …}`.
#[derive(Debug)]
pub struct InputBeginsLate<'a> {
    /// The shard.
    pub shard: i32,
    /// The input.
    pub topic: &'a str,
    /// The first offset that is read.
    pub offset: i64,
    /// From when on the shard's records are whole.
    pub since: Timestamp,
}

impl InternalEvent for InputBeginsLate<'_> {
    fn emit(self) {
        let InputBeginsLate { shard, topic, offset, since } = self;
        warn!(
            shard,
            topic,
            offset,
            complete_since = %since,
            "the input does not begin at offset 0: what began before complete_since is counted and not published"
        );
    }
}

/// A restore needs records that retention has removed: the shard is rebuilt from what is left.
#[derive(Debug)]
pub struct InputRecordsLost<'a> {
    /// The shard.
    pub shard: i32,
    /// The input.
    pub topic: &'a str,
    /// The first offset that is needed.
    pub needed: i64,
    /// The first offset that is left.
    pub offset: i64,
    /// From when on the shard's records are whole.
    pub since: Timestamp,
}

impl InternalEvent for InputRecordsLost<'_> {
    fn emit(self) {
        let InputRecordsLost { shard, topic, needed, offset, since } = self;
        let lost = u64::try_from(offset - needed).unwrap_or(0);
        counter!(names::INPUT_RECORDS_LOST, "topic" => topic.to_owned()).increment(lost);
        error!(
            shard,
            topic,
            needed,
            offset,
            complete_since = %since,
            "RECORDS LOST: retention has removed what this restore needs, and no snapshot holds it. What began before \
             complete_since is not judged any more, and what was published of it stands until an event ends it. Keep \
             snapshots where every instance reads them, and let the topics keep more than a restore needs"
        );
    }
}
