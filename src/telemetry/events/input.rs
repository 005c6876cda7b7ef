//! What came in: batches, dead letters, conflicts, and what was kept back.

use std::time::Instant;

use metrics::counter;
use tracing::{debug, error, info, trace, warn};

use crate::domain::{Event, StreamId};
use crate::telemetry::flood::DEAD_LETTERS;
use crate::telemetry::{InternalEvent, Meters, names};

/// What a batch brought on one stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamCounts {
    /// Events decoded, repeats and late ones included; dead letters and nulls not.
    pub events: u64,
    /// Told again, to the letter.
    pub duplicates: u64,
    /// Below the frontier.
    pub late: u64,
    /// Known identity, other content.
    pub conflicts: u64,
    /// Of orders closed for longer than `retain_closed`.
    pub after_close: u64,
    /// Without a value.
    pub nulls: u64,
    /// With a record time ahead of the clock.
    pub ahead: u64,
}

/// A batch of one stream was applied. Emit it once a batch, not once a record.
#[derive(Debug)]
pub struct BatchApplied<'a> {
    /// The handles.
    pub meters: &'a Meters,
    /// The stream.
    pub stream: StreamId,
    /// What came.
    pub counts: StreamCounts,
}

impl InternalEvent for BatchApplied<'_> {
    fn emit(self) {
        let c = self.counts;
        if let Some(m) = self.meters.stream(self.stream) {
            let pairs = [
                (&m.events, c.events),
                (&m.duplicates, c.duplicates),
                (&m.late, c.late),
                (&m.conflicts, c.conflicts),
                (&m.after_close, c.after_close),
                (&m.nulls, c.nulls),
                (&m.ahead, c.ahead),
            ];
            pairs.into_iter().filter(|(_, n)| *n > 0).for_each(|(counter, n)| counter.increment(n));
        }
        trace!(stream = self.meters.topic(self.stream), counts = ?c, "batch applied");
    }
}

/// A record goes to the dead-letter topic. Counted always; its line is written for the first few of a kind.
#[derive(Debug)]
pub struct DeadLettered<'a> {
    /// The input topic.
    pub topic: &'a str,
    /// Where the record lies.
    pub partition: i32,
    /// Where the record lies.
    pub offset: i64,
    /// The code that `orderwatch-error` carries.
    pub reason: &'static str,
    /// What is wrong with it, in words.
    pub detail: &'a str,
}

impl InternalEvent for DeadLettered<'_> {
    fn emit(self) {
        let DeadLettered { topic, partition, offset, reason, detail } = self;
        counter!(names::DEAD_LETTERS, "stream" => topic.to_owned(), "reason" => reason).increment(1);
        if DEAD_LETTERS.admit(topic, reason, Instant::now()) {
            warn!(topic, partition, offset, reason, detail, "dead letter");
        }
    }
}

/// An identity came with other content. Its count is in [`BatchApplied`]; this is the line.
#[derive(Debug)]
pub struct EventConflicted<'a> {
    /// The event that was not taken.
    pub event: &'a Event,
    /// Its topic.
    pub topic: &'a str,
}

impl InternalEvent for EventConflicted<'_> {
    fn emit(self) {
        let Event { order_id: id, event_id, source, position, .. } = self.event;
        debug!(
            %id, %event_id, %source, topic = self.topic, partition = position.partition, offset = position.offset,
            "an event's identity was known with other content; the first in the log stands"
        );
    }
}

/// Orders were silent for `max_open` and left memory.
#[derive(Debug)]
pub struct OrdersEvicted {
    /// The shard.
    pub shard: i32,
    /// How many.
    pub count: u64,
}

impl InternalEvent for OrdersEvicted {
    fn emit(self) {
        counter!(names::ORDERS_EVICTED).increment(self.count);
        debug!(shard = self.shard, count = self.count, "orders silent for max_open left memory");
    }
}

/// Exceptions that were due before `publish_after` were not published.
#[derive(Debug)]
pub struct KeptBack {
    /// The shard.
    pub shard: i32,
    /// How many.
    pub count: u64,
}

impl InternalEvent for KeptBack {
    fn emit(self) {
        counter!(names::KEPT_BACK).increment(self.count);
        info!(
            shard = self.shard,
            count = self.count,
            "exceptions that were due before publish_after are kept back (start: {{publish_after: …}} publishes them)"
        );
    }
}

/// An input ends below what was read of it: it was deleted and made anew, or lost its end.
#[derive(Debug)]
pub struct InputMadeAnew<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition.
    pub partition: i32,
    /// The next offset to read, had it stayed.
    pub expected: i64,
    /// Where it ends.
    pub end: i64,
}

impl InternalEvent for InputMadeAnew<'_> {
    fn emit(self) {
        let InputMadeAnew { topic, partition, expected, end } = self;
        error!(
            topic,
            partition,
            expected,
            end,
            "the input was made anew: it ends below what was read of it, and is read from its beginning; what is known of its \
             orders stands"
        );
    }
}
