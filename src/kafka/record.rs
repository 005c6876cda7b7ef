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
    key: Option<Box<[u8]>>,
    value: Option<Box<[u8]>>,
    headers: Vec<(String, Option<Box<[u8]>>)>,
}

impl Fetched {
    pub(super) fn copy(message: &BorrowedMessage<'_>, stream: StreamId) -> Self {
        let headers = message.headers().map(|headers| {
            let copied = headers.iter().map(|header| (header.key.to_owned(), header.value.map(Box::from)));
            copied.collect()
        });
        Fetched {
            input: InputPartition { stream, partition: message.partition() },
            offset: message.offset(),
            timestamp: message.timestamp().to_millis().filter(|ms| *ms >= 0).map(Timestamp::from_millis),
            key: message.key().map(Box::from),
            value: message.payload().map(Box::from),
            headers: headers.unwrap_or_default(),
        }
    }

    /// A record with nothing but its place and time.
    #[cfg(test)]
    pub(crate) fn bare(input: InputPartition, offset: i64, timestamp: Option<Timestamp>) -> Self {
        Fetched { input, offset, timestamp, key: None, value: None, headers: Vec::new() }
    }

    /// A record with a key and a value.
    #[cfg(test)]
    pub(crate) fn with_value(self, key: &[u8], value: Option<&[u8]>) -> Self {
        Fetched { key: Some(key.into()), value: value.map(Into::into), ..self }
    }

    /// Whether it has no value.
    pub fn is_null(&self) -> bool {
        self.value.is_none()
    }

    /// Bytes that it holds.
    pub fn size(&self) -> usize {
        let headers: usize =
            self.headers.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, |value| value.len())).sum();
        self.key.as_ref().map_or(0, |key| key.len()) + self.value.as_ref().map_or(0, |value| value.len()) + headers
    }

    /// Gives the record to `read` as the codec takes it.
    pub fn with_raw<T>(&self, read: impl FnOnce(&RawRecord<'_>) -> T) -> T {
        let headers: Vec<(&str, Option<&[u8]>)> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        read(&RawRecord {
            stream: self.input.stream,
            partition: self.input.partition,
            offset: self.offset,
            timestamp: self.timestamp,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: &headers,
        })
    }
}
