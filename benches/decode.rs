//! What it costs to read one event: CONTRACT's examples, in both formats. `cargo bench --bench decode`

#[path = "shop/streams.rs"]
mod streams;

use divan::{Bencher, black_box, counter::BytesCount};
use orderwatch::codec::generated::orderwatch::v1;
use orderwatch::codec::{Format, RawRecord, decode};
use orderwatch::domain::{StreamId, Timestamp};
use prost::Message;

const PLACED: &str = r#"{"event_id":"8f2c","order_id":"o-1","type":"order.placed","event_time":"2026-11-21T10:00:00.000Z","source":"webshop","total":{"amount_minor":12345,"currency":"EUR"},"lines":[{"sku":"A-1","quantity":2}],"promised_ship_by":"2026-11-22T17:00:00Z","promised_deliver_by":"2026-11-25T00:00:00Z","attributes":{"channel":"web","region":"EU","warehouse":"BER-1"}}"#;
const CAPTURED: &str = r#"{"event_id":"91aa","order_id":"o-1","type":"payment.captured","event_time":"2026-11-21T10:04:10Z","source":"psp","payment_id":"p-7","amount":{"amount_minor":12345,"currency":"EUR"}}"#;
const SHIPPED: &str = r#"{"event_id":"a001","order_id":"o-1","type":"fulfillment.shipped","event_time":"2026-11-22T09:00:00Z","source":"wms","fulfillment_id":"f-3","lines":[{"sku":"A-1","quantity":2}]}"#;

fn main() {
    divan::main();
}

fn run(bencher: Bencher<'_, '_>, format: Format, value: &[u8]) {
    let stream = streams::codec("orders", format);
    let record = RawRecord {
        stream: StreamId(0),
        partition: 0,
        offset: 0,
        // 2026-11-22T10:00:00Z
        timestamp: Some(Timestamp::from_millis(1_795_341_600_000)),
        key: Some(b"o-1"),
        value: Some(value),
        headers: &[],
    };
    assert!(decode(&stream, &record).is_ok());
    bencher.counter(BytesCount::of_slice(value)).bench(|| decode(black_box(&stream), black_box(&record)));
}

#[divan::bench]
fn json_placed(bencher: Bencher<'_, '_>) {
    run(bencher, Format::Json, PLACED.as_bytes());
}

#[divan::bench]
fn json_captured(bencher: Bencher<'_, '_>) {
    run(bencher, Format::Json, CAPTURED.as_bytes());
}

#[divan::bench]
fn json_shipped(bencher: Bencher<'_, '_>) {
    run(bencher, Format::Json, SHIPPED.as_bytes());
}

#[divan::bench]
fn protobuf_placed(bencher: Bencher<'_, '_>) {
    let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    let text = |text: &str| v1::Scalar { value: Some(v1::scalar::Value::Text(text.into())) };
    let event = v1::OrderEvent {
        event_id: "8f2c".into(),
        order_id: "o-1".into(),
        r#type: "order.placed".into(),
        event_time: at(1_795_255_200),
        source: "webshop".into(),
        total: Some(v1::Money { amount_minor: 12345, currency: "EUR".into() }),
        lines: vec![v1::Line { sku: "A-1".into(), quantity: 2 }],
        promised_ship_by: at(1_795_366_800),
        promised_deliver_by: at(1_795_564_800),
        attributes: [("channel", "web"), ("region", "EU"), ("warehouse", "BER-1")]
            .map(|(name, value)| (name.to_owned(), text(value)))
            .into(),
        ..v1::OrderEvent::default()
    };
    run(bencher, Format::Protobuf, &event.encode_to_vec());
}

/// The floor: what serde_json takes to find that the same text is JSON.
#[divan::bench]
fn json_placed_only_checked(bencher: Bencher<'_, '_>) {
    bencher
        .counter(BytesCount::of_str(PLACED))
        .bench(|| serde_json::from_str::<serde::de::IgnoredAny>(black_box(PLACED)).is_ok());
}
