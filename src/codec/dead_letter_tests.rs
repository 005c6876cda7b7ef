use super::*;
use crate::domain::{StreamId, Timestamp};

const LIMIT: usize = 10_000;

fn record<'a>(key: Option<&'a [u8]>, value: &'a [u8], headers: &'a [(&'a str, Option<&'a [u8]>)]) -> RawRecord<'a> {
    RawRecord {
        stream: StreamId(0),
        partition: 3,
        offset: 120,
        timestamp: Some(Timestamp::from_millis(1_795_255_201_000)),
        key,
        value: Some(value),
        headers,
    }
}

fn letter(record: &RawRecord<'_>) -> OutputRecord {
    dead_letter(&"dead-letters".into(), record, "not_json", "expected value", "orders", LIMIT)
}

fn header<'a>(letter: &'a OutputRecord, name: &str) -> Option<&'a str> {
    let (_, value) = letter.headers.iter().rfind(|(n, _)| n == name)?;
    Some(std::str::from_utf8(value.as_deref()?).unwrap())
}

/// What a broker counts of a record, at least.
fn produced(letter: &OutputRecord) -> usize {
    let headers: usize = letter.headers.iter().map(|(n, v)| n.len() + v.as_ref().map_or(0, Bytes::len)).sum();
    headers + letter.key.as_ref().map_or(0, Bytes::len) + letter.value.as_ref().map_or(0, Bytes::len)
}

#[test]
fn key_value_and_headers_are_untouched_and_ours_come_last() {
    let theirs: &[(&str, Option<&[u8]>)] = &[
        ("trace", Some(b"\xff\x00")),
        ("empty", None),
        ("orderwatch-error", Some(b"bad_time")),
        ("trace", Some(b"2")),
    ];
    let letter = letter(&record(Some(b"k\xff"), b"\xfegarbage", theirs));
    assert_eq!((letter.topic.as_str(), letter.partition), ("dead-letters", None));
    assert_eq!(letter.key.as_deref(), Some(&b"k\xff"[..]));
    assert_eq!(letter.value.as_deref(), Some(&b"\xfegarbage"[..]));
    let headers: Vec<_> = letter.headers.iter().map(|(n, v)| (n.as_str(), v.as_deref())).collect();
    assert_eq!(headers[..4], *theirs);
    let ours: &[(&str, Option<&[u8]>)] = &[
        ("orderwatch-error", Some(b"not_json")),
        ("orderwatch-detail", Some(b"expected value")),
        ("orderwatch-topic", Some(b"orders")),
        ("orderwatch-partition", Some(b"3")),
        ("orderwatch-offset", Some(b"120")),
        ("orderwatch-timestamp", Some(b"1795255201000")),
    ];
    assert_eq!(headers[4..], *ours);
}

#[test]
fn what_is_absent_stays_absent() {
    let letter = letter(&RawRecord { timestamp: None, value: None, ..record(None, b"", &[]) });
    assert_eq!((letter.key.as_ref(), letter.value.as_ref()), (None, None));
    assert_eq!(header(&letter, "orderwatch-timestamp"), None);
}

#[test]
fn a_large_value_is_cut_to_fit_and_its_size_and_hash_are_told() {
    let value = vec![b'x'; 10 * 1024 * 1024];
    let letter = letter(&record(Some(b"o-1"), &value, &[("trace", Some(b"1"))]));
    assert!(produced(&letter) <= LIMIT && produced(&letter) > LIMIT - 500, "{}", produced(&letter));
    let kept = letter.value.as_deref().unwrap();
    assert!(value.starts_with(kept) && !kept.is_empty());
    assert_eq!(letter.key.as_deref(), Some(&b"o-1"[..]));
    assert_eq!(header(&letter, "trace"), Some("1"));
    assert_eq!(header(&letter, "orderwatch-original-size"), Some("10485760"));
    // sha256sum of ten mebibytes of x
    assert_eq!(
        header(&letter, "orderwatch-sha256"),
        Some("462a12a876c0364e4f1f3d12ed33dcae125f1198010ff78d8f4c3f4de0412d49")
    );
    assert_eq!(header(&letter, "orderwatch-cut"), Some("value"));
}

#[test]
fn huge_keys_and_headers_are_cut_too() {
    let huge = vec![b'k'; 1_000_000];
    let headers: Vec<(&str, Option<&[u8]>)> = (0..1000).map(|_| ("name", Some(&b"value"[..]))).collect();
    let letter = letter(&record(Some(&huge), &huge, &headers));
    assert!(produced(&letter) <= LIMIT, "{}", produced(&letter));
    assert_eq!(letter.key.as_ref().map(Bytes::len), Some(LIMIT / 8));
    assert!(letter.headers.iter().filter(|(n, _)| n == "name").count() > 50);
    assert_eq!(header(&letter, "orderwatch-cut"), Some("key,headers,value"));
    assert_eq!(header(&letter, "orderwatch-error"), Some("not_json"));
    assert_eq!(header(&letter, "orderwatch-original-size"), Some("1000000"));
}

#[test]
fn the_limit_is_exact() {
    let at = |length: usize| letter(&record(Some(b"o-1"), &vec![b'x'; length], &[]));
    let longest = (0..LIMIT).rev().find(|&length| header(&at(length), "orderwatch-cut").is_none()).unwrap();
    assert_eq!(at(longest).value.unwrap().len(), longest);
    let cut = at(longest + 1);
    assert!(produced(&cut) <= LIMIT && cut.value.unwrap().len() < longest);
}
