//! A record as it was read from an input, owned: librdkafka's buffer is given back at once.

use rdkafka::message::{BorrowedMessage, Headers, Message};

use crate::codec::RawRecord;
use crate::domain::{StreamId, Timestamp};

use super::InputPartition;

/// A record that waits to be applied.
#[derive(Debug)]
pub struct Fetched {
    /// Where it came from.
    pub input: InputPartition,
    /// Its offset.
    pub offset: i64,
    /// The record's timestamp.
    pub timestamp: Option<Timestamp>,
    /// The key and then the value, together: a record is one block of memory.
    bytes: Box<[u8]>,
    /// How long the key is.
    key: Option<usize>,
    has_value: bool,
    headers: Vec<(String, Option<Box<[u8]>>)>,
}

impl Fetched {
    pub(super) fn copy(message: &BorrowedMessage<'_>, stream: StreamId) -> Self {
        let headers = message.headers().map(|headers| {
            let copied = headers.iter().map(|header| (header.key.to_owned(), header.value.map(Box::from)));
            copied.collect()
        });
        let bare = Fetched::bare(
            InputPartition { stream, partition: message.partition() },
            message.offset(),
            message.timestamp().to_millis().filter(|ms| *ms >= 0).map(Timestamp::from_millis),
        );
        Fetched { headers: headers.unwrap_or_default(), ..bare.with(message.key(), message.payload()) }
    }

    /// A record with nothing but its place and time.
    pub(crate) fn bare(input: InputPartition, offset: i64, timestamp: Option<Timestamp>) -> Self {
        Fetched { input, offset, timestamp, bytes: Box::default(), key: None, has_value: false, headers: Vec::new() }
    }

    fn with(self, key: Option<&[u8]>, value: Option<&[u8]>) -> Self {
        let bytes = [key.unwrap_or_default(), value.unwrap_or_default()].concat().into_boxed_slice();
        Fetched { bytes, key: key.map(<[u8]>::len), has_value: value.is_some(), ..self }
    }

    /// A record with a key and a value.
    #[cfg(test)]
    pub(crate) fn with_value(self, key: &[u8], value: Option<&[u8]>) -> Self {
        self.with(Some(key), value)
    }

    /// The key, where it has one.
    pub fn key(&self) -> Option<&[u8]> {
        self.bytes.get(..self.key?)
    }

    /// Whether it has no value.
    pub fn is_null(&self) -> bool {
        !self.has_value
    }

    /// Gives the record to `read` as the codec takes it.
    pub fn with_raw<T>(&self, read: impl FnOnce(&RawRecord<'_>) -> T) -> T {
        let headers: Vec<(&str, Option<&[u8]>)> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        let (key, value) = self.bytes.split_at_checked(self.key.unwrap_or(0)).unwrap_or_default();
        read(&RawRecord {
            stream: self.input.stream,
            partition: self.input.partition,
            offset: self.offset,
            timestamp: self.timestamp,
            key: self.key.map(|_| key),
            value: self.has_value.then_some(value),
            headers: &headers,
        })
    }
}
