//! A shop's streams, as the benches decode them.

use orderwatch::codec::{Format, StreamCodec};
use orderwatch::domain::{Millis, Str};

/// With the limits that `orderwatch run` has where nothing else is configured.
pub fn codec(topic: &str, format: Format) -> StreamCodec {
    StreamCodec {
        topic: Str::new(topic),
        format,
        id: None,
        require: Vec::new(),
        max_record_bytes: 1 << 20,
        max_future_skew: Millis::from_secs(300),
        max_past_skew: Millis::from_secs(400 * 86_400),
    }
}
