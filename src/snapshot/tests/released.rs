//! The formats as they were released: a file of each lies in the repository, and is read for as long as its version is.
//! `ORDERWATCH_REGENERATE=1 cargo test --lib released` writes it anew, which only a version that nobody has yet may.

use super::*;
use crate::domain::{AttributeValue, Line, Milestone, Promise};
use crate::snapshot::format::Opened;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots/v1.snap");
/// With other entities than orders.
const FILE_2: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots/v2.snap");
/// The same, with orders as they lie in memory.
const FILE_3: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots/v3.snap");
/// The same, with tombstones as they lie in memory.
const FILE_4: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots/v4.snap");

/// As the release wrote it; nothing of it may follow the program's version.
fn released_header() -> SnapshotHeader {
    let input = |topic: &str, next_offset, effective_max: Option<i64>| {
        SnapshotInput::of_orders(topic.into(), next_offset, effective_max.map(Timestamp::from_millis))
    };
    SnapshotHeader {
        shard: 4,
        cluster_id: "cluster-1".into(),
        group_id: "orderwatch".into(),
        inputs: vec![
            input("orders", 1_234, Some(1_763_719_200_500)),
            input("payments", i64::from(u32::MAX) + 7, Some(-1)),
            input("fulfillments", 0, None),
        ],
        frontier: Some(Timestamp::from_millis(1_763_719_200_000)),
        complete_since: None,
        policies: PolicyDocument {
            text: "revision: 7\nslas: []\n".into(),
            version: "0123456789ab".into(),
            revision: Some(7),
        },
        taken_at: Timestamp::from_millis(1_763_719_201_000),
        written_by: "0.1.0".into(),
    }
}

fn full_details() -> Details {
    let money = |amount_minor, code: &str| Some(Money { amount_minor, currency: Currency::parse(code).unwrap() });
    Details {
        total: money(12_345, "EUR"),
        lines: Some(vec![Line { sku: "A-1".into(), quantity: 2 }, Line { sku: "Ä-2".into(), quantity: 0 }]),
        promised_ship_by: Promise::At(Timestamp::from_millis(1_763_805_600_000)),
        promised_deliver_by: Promise::Withdrawn,
        attributes: vec![
            ("channel".into(), AttributeValue::Text("web".into())),
            ("gift".into(), AttributeValue::Bool(true)),
            ("weight".into(), AttributeValue::Decimal(0.1)),
            ("boxes".into(), AttributeValue::Integer(i64::MIN)),
            ("note".into(), AttributeValue::Null),
        ],
        payment_id: Some("p-1".into()),
        capture_id: Some("c-1".into()),
        amount: money(i64::MAX, "JPY"),
        fee: money(-30, "EUR"),
        fulfillment_id: Some("f-1".into()),
        reason: Some(Str::default()),
    }
}

/// Every kind of content there is.
fn released_orders() -> Vec<RestoredOrder> {
    let with = |number, change: fn(&mut Event)| {
        let mut event = event("o-1", number);
        change(&mut event);
        event
    };
    let one = vec![
        with(1, |e| e.details = Some(Box::new(full_details()))),
        with(2, |e| e.details = Some(Box::default())),
        with(3, |e| (e.event_time_inferred, e.milestone) = (true, Milestone::parse("picking.started"))),
        with(5, |e| (e.event_time, e.position.offset) = (Timestamp::from_millis(-1), i64::MAX)),
    ];
    let every_type = Standard::ALL.iter().copied().zip(100..);
    let types = every_type.map(|(milestone, n)| Event { milestone: milestone.into(), ..event("o-2", n) }).collect();
    // More than one message holds.
    let many = (0..1_500).map(|n| event("ö-3", n)).collect();
    vec![
        RestoredOrder::Open(one),
        RestoredOrder::Open(types),
        RestoredOrder::Open(many),
        tombstone("order", "o-closed", 1_763_719_199_999),
    ]
}

/// The file's bytes.
fn released() -> Vec<u8> {
    std::fs::read(FILE).unwrap()
}

#[test]
fn the_first_format_is_read() {
    assert_eq!(released().get(..10), Some(b"\x89OWSNAP\n\x01\x00".as_slice()));
    assert_eq!(contents(&released()), (released_header(), released_orders()));
}

#[test]
fn a_version_nobody_knows_yet_is_refused_with_what_to_do() {
    let mut unknown = released();
    for version in [0, 5, u16::MAX] {
        unknown[8..10].copy_from_slice(&version.to_le_bytes());
        let error = decode(&unknown).unwrap_err();
        assert_eq!(error, FormatError::Version { found: version });
        let said = error.to_string();
        assert!(said.contains(&format!("format version is {version} and this orderwatch reads 1 to 4;")), "{said}");
        assert!(said.contains("start the orderwatch that wrote it, or a newer one"), "{said}");
    }
}

/// As version 2 was first written: what version 1 says, and checkouts and tasks beside it.
fn released_2() -> (SnapshotHeader, Vec<RestoredOrder>) {
    let mut header = released_header();
    for (topic, entity, next_offset) in [("checkouts", "checkout", 77), ("tasks", "task", 0)] {
        let of_orders = SnapshotInput::of_orders(topic.into(), next_offset, None);
        header.inputs.push(SnapshotInput { entity: entity.into(), ..of_orders });
    }
    let on = |stream, number| {
        let mut event = event("o-1", number);
        event.position.stream = StreamId(stream);
        event
    };
    let mut orders = released_orders();
    // One id in two entities, known and remembered.
    orders.push(RestoredOrder::Open(vec![on(3, 1), on(3, 2)]));
    orders.push(tombstone("checkout", "o-closed", 1_763_719_199_999));
    orders.push(tombstone("task", "t-1", 5));
    (header, tombstones_last(orders))
}

/// With the streams that version 2 was first written with.
fn expected_2() -> Expected {
    let mut expected = expected(4);
    expected.streams.extend(["checkout", "task"].map(|e| (format!("{e}s").into(), Entity::named(e))));
    expected
}

/// Read under the streams that it was written with, and where a topic is about something else now, which says nothing of what
/// it was.
#[track_caller]
fn assert_read(file: &str, version: u8) {
    let (header, orders) = released_2();
    let released = std::fs::read(file).unwrap();
    assert_eq!(released.get(..10), Some([b"\x89OWSNAP\n".as_slice(), &[version, 0]].concat().as_slice()));
    let mut expected = expected_2();
    assert_eq!(contents_of(&released, &expected), (header, orders.clone()));
    expected.streams[3].1 = Entity::order();
    let left = contents_of(&released, &expected).1;
    assert_eq!(left.len(), orders.len() - 1);
    assert!(left.iter().all(|order| !matches!(order, RestoredOrder::Open(e) if e[0].position.stream == StreamId(3))));
}

#[test]
fn version_2_is_read() {
    assert_read(FILE_2, 2);
}

#[test]
fn version_3_is_read() {
    assert_read(FILE_3, 3);
}

#[test]
fn version_4_is_read_and_written_as_it_was_first() {
    let (header, orders) = released_2();
    let today = encode(&header, &orders);
    if std::env::var_os("ORDERWATCH_REGENERATE").is_some() {
        std::fs::write(FILE_4, &today).unwrap();
    }
    assert_read(FILE_4, 4);
    // Not byte by byte: what has a number hangs on what was met lately, by hashes that are others each time.
    assert_eq!(contents_of(&today, &expected_2()), (header, orders));
    let remembered = |bytes: &[u8]| {
        let bodies = decode(bytes).unwrap().into_iter().filter_map(|chunk| match chunk {
            Chunk::Body(body) => Some(body.open().unwrap()),
            Chunk::Header(_) | Chunk::Trailer(_) => None,
        });
        let remembered = bodies.filter_map(|opened| match opened {
            Opened::Packed(packed) => Some(packed.remembered().to_vec()),
            Opened::Messages(_) => None,
        });
        remembered.collect::<Vec<_>>().concat()
    };
    assert_eq!(remembered(&today), remembered(&std::fs::read(FILE_4).unwrap()));
}

/// What a restore makes of a file.
fn contents(bytes: &[u8]) -> (SnapshotHeader, Vec<RestoredOrder>) {
    contents_of(bytes, &expected(4))
}

fn contents_of(bytes: &[u8], expected: &Expected) -> (SnapshotHeader, Vec<RestoredOrder>) {
    let place = Place::new();
    place.put(&released_header(), bytes);
    let found = place.newest(expected).unwrap();
    let orders = place.read(&found);
    (found.header, tombstones_last(orders))
}
