//! Dead letters: what could not be read, as it was, with why and from where in the headers.

use std::fmt::Write;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::{OutputRecord, RawRecord};
use crate::domain::Str;

/// What Kafka adds to a record beside its bytes, generously: batch and record headers, lengths.
pub(super) const OVERHEAD: usize = 128;
/// The same for one header.
pub(super) const HEADER_OVERHEAD: usize = 12;

type Header = (Str, Option<Bytes>);

/// The record to produce for `record`, which `input_topic` held and which cannot be read because of `code` (the value of
/// `orderwatch-error`). The original key, value and headers are untouched, those of an earlier dead letter too; ours come
/// last.
///
/// Where that would be longer than `max_bytes`, the key is cut to an eighth of them, headers are kept as long as they
/// fit into a quarter, and the value gets what is left. Then `orderwatch-cut` says what was cut, and
/// `orderwatch-original-size` and `orderwatch-sha256` tell the original value.
pub fn dead_letter(
    topic_out: &Str,
    record: &RawRecord<'_>,
    code: &str,
    detail: &str,
    input_topic: &str,
    max_bytes: usize,
) -> OutputRecord {
    let mut ours = reasons(record, code, detail, input_topic);
    let theirs = record.headers.iter().map(|(name, value)| (*name, *value));
    let key = record.key.unwrap_or_default();
    let value = record.value.unwrap_or_default();
    let untouched = OVERHEAD + size(&ours) + key.len() + value.len() + theirs.clone().map(header_size).sum::<usize>();
    if untouched <= max_bytes {
        let headers = theirs.map(owned).chain(ours).collect();
        return letter(topic_out, record.key, record.value, headers);
    }

    let key = prefix(key, max_bytes / 8);
    let mut room = max_bytes / 4;
    let kept: Vec<Header> = theirs
        .take_while(|&header| {
            let fits = header_size(header) <= room;
            room = room.saturating_sub(header_size(header));
            fits
        })
        .map(owned)
        .collect();
    ours.push(("orderwatch-original-size".into(), Some(Bytes::from(value.len().to_string()))));
    ours.push(("orderwatch-sha256".into(), Some(Bytes::from(sha256(value)))));
    // As long as this header can get.
    const CUT: &str = "key,headers,value";
    let left = OVERHEAD + size(&ours) + key.len() + size(&kept) + header_size(("orderwatch-cut", Some(CUT.as_bytes())));
    let value = prefix(value, max_bytes.saturating_sub(left));
    let cut = [
        ("key", record.key.is_some_and(|whole| whole.len() > key.len())),
        ("headers", record.headers.len() > kept.len()),
        ("value", record.value.is_some_and(|whole| whole.len() > value.len())),
    ];
    let cut: Vec<&str> = cut.into_iter().filter(|(_, cut)| *cut).map(|(what, _)| what).collect();
    ours.push(("orderwatch-cut".into(), Some(Bytes::from(cut.join(",")))));
    letter(topic_out, record.key.map(|_| key), record.value.map(|_| value), kept.into_iter().chain(ours).collect())
}

fn letter(topic: &Str, key: Option<&[u8]>, value: Option<&[u8]>, headers: Vec<Header>) -> OutputRecord {
    OutputRecord {
        topic: topic.clone(),
        partition: None,
        key: key.map(Bytes::copy_from_slice),
        value: value.map(Bytes::copy_from_slice),
        headers,
    }
}

/// Why, and from where.
fn reasons(record: &RawRecord<'_>, code: &str, detail: &str, input_topic: &str) -> Vec<Header> {
    let text = |name: &'static str, value: String| (Str::new_static(name), Some(Bytes::from(value)));
    let mut headers = vec![
        text("orderwatch-error", code.to_owned()),
        text("orderwatch-detail", detail.to_owned()),
        text("orderwatch-topic", input_topic.to_owned()),
        text("orderwatch-partition", record.partition.to_string()),
        text("orderwatch-offset", record.offset.to_string()),
    ];
    if let Some(timestamp) = record.timestamp {
        headers.push(text("orderwatch-timestamp", timestamp.as_millis().to_string()));
    }
    headers
}

fn owned((name, value): (&str, Option<&[u8]>)) -> Header {
    (Str::new(name), value.map(Bytes::copy_from_slice))
}

fn header_size((name, value): (&str, Option<&[u8]>)) -> usize {
    HEADER_OVERHEAD + name.len() + value.map_or(0, <[u8]>::len)
}

fn size(headers: &[Header]) -> usize {
    headers.iter().map(|(name, value)| header_size((name, value.as_deref()))).sum()
}

fn prefix(bytes: &[u8], at_most: usize) -> &[u8] {
    bytes.get(..at_most).unwrap_or(bytes)
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
#[path = "dead_letter_tests.rs"]
mod tests;
