//! Bytes -> what the engine takes, for a replay.

use crate::codec::{self, MalformedCode, RawRecord, StreamCodec};
use crate::domain::Event;

/// What a record turned out to be.
#[derive(Debug, PartialEq)]
pub enum Content {
    /// An event.
    Event(Box<Event>),
    /// A dead letter, for this reason (the code of its `orderwatch-error` header).
    DeadLetter(&'static str),
    /// A record without a value.
    Tombstone,
}

/// A record decoded, and whether its time counts for the partition's effective time.
#[derive(Debug, PartialEq)]
pub struct Decoded {
    /// What it is.
    pub content: Content,
    /// False for a dead letter whose event time lies too far from its record time (DESIGN section 3): its record time
    /// is not to be trusted.
    pub time_counts: bool,
}

/// Decodes a record by its stream's rules; `codecs` are in the order of `streams:`.
pub fn decode(codecs: &[StreamCodec], raw: &RawRecord<'_>) -> Decoded {
    let Some(stream) = codecs.get(usize::from(raw.stream.0)).filter(|_| raw.value.is_some()) else {
        return Decoded { content: Content::Tombstone, time_counts: true };
    };
    match codec::decode(stream, raw) {
        Ok(event) => Decoded { content: Content::Event(Box::new(event)), time_counts: true },
        Err(malformed) => {
            let skewed = matches!(malformed.code, MalformedCode::TooFarInFuture | MalformedCode::TooFarInPast);
            Decoded { content: Content::DeadLetter(malformed.code.as_str()), time_counts: !skewed }
        }
    }
}
