//! One record: decoded, and applied to its shard.

use std::collections::BTreeMap;

use crate::codec::{MalformedCode, dead_letter, decode};
use crate::domain::{StreamId, Timestamp};
use crate::engine::Applied;
use crate::kafka::Fetched;
use crate::run::wire::Wire;
use crate::telemetry::emit;
use crate::telemetry::events::{DeadLettered, StreamCounts};

use super::{BATCH_DEAD_LETTERS, Fate, Task};

fn is_event(wire: &Wire, record: &Fetched) -> bool {
    let codec = wire.codecs.get(usize::from(record.input.stream.0));
    !record.is_null() && codec.is_some_and(|codec| record.with_raw(|raw| decode(codec, raw)).is_ok())
}

impl Task {
    /// Takes one record in.
    pub(super) fn apply(&mut self, wire: &Wire, record: &Fetched, clock: Timestamp, counts: &mut StreamCounts) -> Fate {
        let stream = record.input.stream;
        let ahead = u64::from(record.timestamp.is_some_and(|time| time > clock));
        if record.is_null() {
            counts.nulls += 1;
            self.frontier.read(stream, record.offset, record.timestamp, clock);
            return self.done(counts, ahead);
        }
        let Some(stream_codec) = wire.codecs.get(usize::from(stream.0)) else { return Fate::Done };
        match record.with_raw(|raw| decode(stream_codec, raw)) {
            Ok(event) => {
                let effective = self.frontier.peek(stream, record.timestamp, clock);
                let applied = self.shard.apply(event, effective);
                if applied == Ok(Applied::NotYet) {
                    return Fate::NotYet;
                }
                self.frontier.read(stream, record.offset, record.timestamp, clock);
                counts.events += 1;
                counts.late += u64::from(self.frontier.reached().is_some_and(|reached| effective < reached));
                match applied {
                    Ok(Applied::New | Applied::Reread | Applied::NotYet) => {}
                    Ok(Applied::Repeat) => counts.duplicates += 1,
                    Ok(Applied::Conflict) => counts.conflicts += 1,
                    Ok(Applied::AfterClose) => counts.after_close += 1,
                    Err(rejected) => {
                        counts.events -= 1;
                        self.dead_letter(wire, record, rejected.code(), &rejected.to_string());
                    }
                }
            }
            Err(malformed) => {
                match malformed.code {
                    // Such a record's time is worth as little as its event's.
                    MalformedCode::TooFarInFuture | MalformedCode::TooFarInPast => {
                        self.frontier.moved(stream, record.offset.saturating_add(1));
                    }
                    _ => {
                        self.frontier.read(stream, record.offset, record.timestamp, clock);
                    }
                }
                self.dead_letter(wire, record, malformed.code.as_str(), &malformed.detail);
            }
        }
        self.done(counts, ahead)
    }

    /// Puts back a record that has to wait, and tells the frontier that it may come to it: what its siblings have next lies no
    /// earlier.
    pub(super) fn wait_with(
        &mut self,
        wire: &Wire,
        record: Fetched,
        clock: Timestamp,
        counts: &mut BTreeMap<StreamId, StreamCounts>,
    ) {
        let (stream, time) = (record.input.stream, record.timestamp);
        let until = self.frontier.peek(stream, time, clock);
        self.lanes.put_back(record);
        for sibling in self.streams() {
            // The time of what is no event may be worth nothing.
            while let Some(dead) = self.lanes.take_if(sibling, |head| !is_event(wire, head)) {
                self.apply(wire, &dead, clock, counts.entry(sibling).or_default());
                if self.dead_letters.len() >= BATCH_DEAD_LETTERS {
                    // The next turn goes on from here.
                    return;
                }
            }
            if !self.lanes.is_empty(sibling) {
                self.frontier.comes(sibling, Some(until), clock);
            }
        }
    }

    fn done(&mut self, counts: &mut StreamCounts, ahead: u64) -> Fate {
        self.commits.record_read();
        counts.ahead += ahead;
        Fate::Done
    }

    fn dead_letter(&mut self, wire: &Wire, record: &Fetched, reason: &'static str, detail: &str) {
        // Below the commit it was written to the dead-letter topic already.
        if self.commits.cover(record.input.stream, record.offset) {
            return;
        }
        let topic = wire.codecs.get(usize::from(record.input.stream.0)).map_or("", |codec| codec.topic.as_str());
        let (partition, offset) = (record.input.partition, record.offset);
        emit(DeadLettered { topic, partition, offset, reason, detail });
        let letter =
            record.with_raw(|raw| dead_letter(&wire.dead_letters, raw, reason, detail, topic, wire.dead_letter_bytes));
        self.dead_letters.push(letter);
    }
}
