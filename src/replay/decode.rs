//! Bytes -> what the engine takes, for a replay.

use crate::codec::{self, Malformed, MalformedCode, RawRecord, StreamCodec};
use crate::domain::{Event, StockEvent, StreamId};

/// What a record turned out to be.
#[derive(Debug, PartialEq)]
pub enum Content {
    /// An event.
    Event(Box<Event>),
    /// What an inventory stream tells.
    Stock(Box<StockEvent>),
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

/// How all streams are read: the orders' streams, and after them the inventory's, as their `StreamId`s go.
#[derive(Clone, Debug, Default)]
pub struct Codecs {
    /// In the order of `streams:`.
    pub orders: Vec<StreamCodec>,
    /// In the order of `streams:`.
    pub inventory: Vec<StreamCodec>,
}

impl Codecs {
    /// Whether the stream tells of stock, and is no part of a shard.
    pub fn is_inventory(&self, stream: StreamId) -> bool {
        usize::from(stream.0) >= self.orders.len()
    }

    /// Reads a record by its stream's rules.
    ///
    /// # Errors
    /// It is a dead letter.
    pub fn read(&self, raw: &RawRecord<'_>) -> Result<Content, Malformed> {
        let place = usize::from(raw.stream.0);
        let stock = place.checked_sub(self.orders.len()).and_then(|place| self.inventory.get(place));
        match (raw.value, self.orders.get(place), stock) {
            (Some(_), Some(stream), _) => codec::decode(stream, raw).map(|event| Content::Event(Box::new(event))),
            (Some(_), None, Some(stream)) => {
                codec::decode_stock(stream, raw).map(|event| Content::Stock(Box::new(event)))
            }
            (None, ..) | (_, None, None) => Ok(Content::Tombstone),
        }
    }
}

/// Decodes a record by its stream's rules.
pub fn decode(codecs: &Codecs, raw: &RawRecord<'_>) -> Decoded {
    match codecs.read(raw) {
        Ok(content) => Decoded { content, time_counts: true },
        Err(malformed) => {
            let skewed = matches!(malformed.code, MalformedCode::TooFarInFuture | MalformedCode::TooFarInPast);
            Decoded { content: Content::DeadLetter(malformed.code.as_str()), time_counts: !skewed }
        }
    }
}
