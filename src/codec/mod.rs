//! Bytes <-> domain: JSON and Protobuf events in, exceptions out, CloudEvents headers, dead letters. Pure.

pub mod bounds;
mod cloudevents;
pub mod dead_letter;
pub mod encode;
pub mod event;
pub mod exception;
pub mod malformed;
#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod schema_tests;
mod wire_time;

use bytes::Bytes;

use crate::domain::{Str, StreamId, Timestamp};

pub use dead_letter::dead_letter;
pub use encode::{Encoder, EncoderConfig};
pub use event::{Requirement, StreamCodec, decode, decode_stock};
pub use exception::{NotAnException, decode_exception, encode_exception};
pub use malformed::{Malformed, MalformedCode};

/// The Rust types of proto/, made by `tests/generated_code.rs`; see proto/README.md.
#[allow(clippy::all, missing_docs)]
#[rustfmt::skip]
pub mod generated;

/// How values are written on a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Format {
    /// UTF-8 JSON.
    #[default]
    Json,
    /// proto/orderwatch/v1.
    Protobuf,
}

impl Format {
    /// As the `content-type` header says it.
    pub const fn content_type(self) -> &'static str {
        match self {
            Format::Json => "application/json",
            Format::Protobuf => "application/protobuf",
        }
    }

    /// The inverse of [`Format::content_type`].
    pub fn of_content_type(header: &[u8]) -> Option<Self> {
        [Format::Json, Format::Protobuf].into_iter().find(|format| format.content_type().as_bytes() == header)
    }
}

/// A record as a topic (or a dump of one) holds it, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct RawRecord<'a> {
    /// The declared stream it came on.
    pub stream: StreamId,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// The record's timestamp; `None` where the broker has none.
    pub timestamp: Option<Timestamp>,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value; `None` is a tombstone, counted and skipped by the caller.
    pub value: Option<&'a [u8]>,
    /// Its headers, in order.
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
}

/// A record to produce. The bytes are shared between the topics that one exception goes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutputRecord {
    /// Where to.
    pub topic: Str,
    /// Which partition; `None` lets the key decide (murmur2, as Java clients do).
    pub partition: Option<i32>,
    /// The key.
    pub key: Option<Bytes>,
    /// The value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// Headers, in order.
    pub headers: Vec<(Str, Option<Bytes>)>,
}
