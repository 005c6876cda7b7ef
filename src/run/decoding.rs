//! Records on their way through the decoder into the shards' buffers. Pure.

use std::collections::BTreeMap;

use crate::codec::{Malformed, StreamCodec, decode};
use crate::domain::Event;
use crate::kafka::Fetched;

/// A record that waits to be applied.
#[derive(Debug)]
pub struct Buffered {
    /// The record, which a dead letter quotes.
    pub record: Fetched,
    /// What it says; `None` where it has no value, or was not decoded yet.
    decoded: Option<Result<Event, Malformed>>,
}

impl From<Fetched> for Buffered {
    fn from(record: Fetched) -> Self {
        Buffered { record, decoded: None }
    }
}

impl Buffered {
    /// Decodes it, unless that was done or it has no value.
    fn decode(&mut self, codecs: &[StreamCodec]) {
        if self.decoded.is_none() && !self.record.is_null() {
            let codec = codecs.get(usize::from(self.record.input.stream.0));
            self.decoded = codec.map(|codec| self.record.with_raw(|raw| decode(codec, raw)));
        }
    }

    /// Takes what it says; `None` where it has no value. Asked again, it decodes again.
    pub fn take(&mut self, codecs: &[StreamCodec]) -> Option<Result<Event, Malformed>> {
        self.decode(codecs);
        self.decoded.take()
    }

    /// Whether it is an event.
    pub fn is_event(&mut self, codecs: &[StreamCodec]) -> bool {
        self.decode(codecs);
        matches!(self.decoded, Some(Ok(_)))
    }
}

/// Which state of a shard's buffers a record was polled for: the task's epoch, and how often the buffers were cleared.
pub type State = (u64, u64);

/// What was polled together.
#[derive(Debug)]
pub struct Batch {
    /// In the order in which they were polled.
    pub records: Vec<Buffered>,
    /// Of each shard, by partition.
    pub states: BTreeMap<i32, State>,
}

impl Batch {
    /// Decodes each of its records.
    pub fn decode(&mut self, codecs: &[StreamCodec]) {
        self.records.iter_mut().for_each(|record| record.decode(codecs));
    }
}
