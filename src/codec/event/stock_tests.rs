use super::*;
use crate::codec::Format;
use crate::domain::{Millis, StreamId, Timestamp};

const NOW: i64 = 1_790_000_000_000;

fn read(key: &str, value: &str) -> Result<StockEvent, String> {
    let stream = StreamCodec {
        topic: "inventory".into(),
        format: Format::Json,
        id: None,
        require: Vec::new(),
        max_record_bytes: 400,
        max_future_skew: Millis::from_secs(300),
        max_past_skew: Millis::from_secs(86_400),
    };
    let record = RawRecord {
        stream: StreamId(3),
        partition: 1,
        offset: 7,
        timestamp: Some(Timestamp::from_millis(NOW)),
        key: (!key.is_empty()).then_some(key.as_bytes()),
        value: Some(value.as_bytes()),
        headers: &[],
    };
    decode_stock(&stream, &record).map_err(|m| format!("{}: {}", m.code, m.detail))
}

#[test]
fn a_level_and_a_movement() {
    let level = read(
        "A-1",
        r#"{"event_id":"e1","sku":"A-1","type":"stock.level","event_time":"2026-09-21T14:13:20Z","source":"wms","location":"BER-1","available":40,"shelf":[1]}"#,
    );
    let position = Position { stream: StreamId(3), partition: 1, offset: 7 };
    let event = StockEvent {
        sku: "A-1".into(),
        event_id: "e1".into(),
        source: "wms".into(),
        location: "BER-1".into(),
        change: StockChange::Level(40),
        event_time: Timestamp::from_millis(NOW),
        position,
    };
    assert_eq!(level.unwrap(), event);
    let moved = read("A-1", r#"{"event_id":"e1","sku":"A-1","type":"stock.moved","quantity":-3}"#).unwrap();
    assert_eq!((moved.change, &*moved.source, &*moved.location), (StockChange::Moved(-3), "inventory", ""));
    assert_eq!(moved.event_time.as_millis(), NOW, "the record's time stands in");
}

#[test]
fn what_is_no_stock_event_says_why() {
    let rows = [
        ("A", "", "not_json"),
        ("A", "[]", "wrong_type"),
        ("A", r#"{"sku":"A","type":"stock.level","available":1}"#, "missing_field: event_id"),
        ("A", r#"{"event_id":"e","type":"stock.level","available":1}"#, "missing_field: sku"),
        ("A", r#"{"event_id":"e","sku":"A","available":1}"#, "missing_field: type"),
        ("A", r#"{"event_id":"e","sku":"A","type":"stock.level","quantity":1}"#, "missing_field: available"),
        ("A", r#"{"event_id":"e","sku":"A","type":"stock.moved","available":1}"#, "missing_field: quantity"),
        ("A", r#"{"event_id":"e","sku":"A","type":"stock.level","available":1.5}"#, "wrong_type: available"),
        ("A", r#"{"event_id":"e","sku":"A","type":"stock.counted","available":1}"#, "wrong_type: type is"),
        ("B", r#"{"event_id":"e","sku":"A","type":"stock.level","available":1}"#, "key_mismatch: the record's key is"),
        (
            "",
            r#"{"event_id":"e","sku":"A","type":"stock.level","available":1}"#,
            "key_mismatch: the record's key is missing",
        ),
        ("A", r#"{"event_id":"e","sku":"A","sku":"A","type":"stock.level","available":1}"#, "duplicate_field"),
        ("A", r#"{"event_id":"e","sku":"A","type":"stock.level","available":1099511627777}"#, "overflow: available"),
        ("A", r#"{"event_id":"e","sku":"A","type":"stock.level","event_time":"now","available":1}"#, "bad_time"),
        (
            "A",
            r#"{"event_id":"e","sku":"A","type":"stock.level","event_time":"2027-09-21T14:13:20Z","available":1}"#,
            "too_far_in_future",
        ),
        (
            "A",
            r#"{"event_id":"e","sku":"A","type":"stock.level","event_time":"2025-09-21T14:13:20Z","available":1}"#,
            "too_far_in_past",
        ),
    ];
    for (key, value, words) in rows {
        let said = read(key, value).unwrap_err();
        assert!(said.starts_with(words), "{value}\n  want {words}\n  got {said}");
    }
    let long =
        format!(r#"{{"event_id":"e","sku":"A","type":"stock.level","available":1,"note":"{}"}}"#, "x".repeat(400));
    assert!(read("A", &long).unwrap_err().starts_with("too_large"));
}
