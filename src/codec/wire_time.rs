//! Instants as Protobuf writes them.

use crate::domain::Timestamp;

/// Whole milliseconds; finer digits are cut. `None` where the message breaks its own rules or leaves 64 bits.
pub(super) fn from_protobuf(time: &prost_types::Timestamp) -> Option<Timestamp> {
    let millis = match time.nanos {
        nanos @ 0..=999_999_999 => i64::from(nanos / 1_000_000),
        _ => return None,
    };
    Some(Timestamp::from_millis(time.seconds.checked_mul(1000)?.checked_add(millis)?))
}

pub(super) fn to_protobuf(time: Timestamp) -> prost_types::Timestamp {
    let millis = time.as_millis();
    prost_types::Timestamp {
        seconds: millis.div_euclid(1000),
        // Below 1000 by construction.
        nanos: (millis.rem_euclid(1000) * 1_000_000) as i32,
    }
}
