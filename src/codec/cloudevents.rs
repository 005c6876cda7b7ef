//! CloudEvents 1.0, Kafka binding, binary mode: the envelope is in the headers, the value is the exception alone.

use bytes::Bytes;

use super::Format;
use crate::domain::exception::percent_encode;
use crate::domain::hash::digest_32;
use crate::domain::{Exception, Str};

/// `/orderwatch/<group_id>`, and for a replay `/replay/<name>` after it; each name percent-encoded.
pub(super) fn source(group_id: &str, replay: Option<&str>) -> Bytes {
    let mut source = "/orderwatch/".to_owned();
    percent_encode(group_id, &mut source);
    if let Some(name) = replay {
        source.push_str("/replay/");
        percent_encode(name, &mut source);
    }
    Bytes::from(source)
}

/// The same across restarts, repeats and takeovers of a group, and another for every state of an exception: a subscriber
/// takes each id once.
pub(super) fn id(exception: &Exception) -> Str {
    digest_32(&[
        exception.exception_id.as_bytes(),
        exception.status.as_str().as_bytes(),
        &exception.level().to_le_bytes(),
        &exception.incarnation.to_le_bytes(),
    ])
}

/// The headers of one state of an exception; the same on every topic that it goes to.
pub(super) fn headers(
    exception: &Exception,
    source: &Bytes,
    subject: &Bytes,
    format: Format,
) -> Vec<(Str, Option<Bytes>)> {
    let kind = format!("orderwatch.{}.{}.v1", exception.kind.as_str(), exception.status.as_str());
    let headers = [
        ("ce_specversion", Bytes::from_static(b"1.0")),
        ("ce_id", Bytes::from(id(exception).to_string())),
        ("ce_source", source.clone()),
        ("ce_type", Bytes::from(kind)),
        ("ce_subject", subject.clone()),
        ("ce_time", Bytes::from(exception.detected_at.to_string())),
        ("content-type", Bytes::from_static(format.content_type().as_bytes())),
    ];
    headers.into_iter().map(|(name, value)| (Str::new_static(name), Some(value))).collect()
}
