//! Whatever bytes come, they are an event that keeps the rules or a refusal in bounds; and both formats agree.

use std::time::{Duration, Instant};

use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use prost::Message;
use serde_json::{Value, json};

use super::rules::{MAX_ATTRIBUTES, MAX_ID, MAX_LINES};
use super::*;
use crate::codec::generated::orderwatch::v1;
use crate::domain::{Promise, StreamId, Timestamp};

const RECORD_TIME: i64 = 1_795_255_201_000;

pub(in crate::codec) fn read(format: Format, key: &[u8], value: &[u8]) -> Result<Event, Malformed> {
    with_stream(format, None, key, value, decode)
}

/// Gives a record and its stream, whose id is `order_id` where it is no other.
pub(super) fn with_stream<T>(
    format: Format,
    id: Option<&str>,
    key: &[u8],
    value: &[u8],
    read: impl FnOnce(&StreamCodec, &RawRecord<'_>) -> T,
) -> T {
    let stream = StreamCodec {
        topic: "orders".into(),
        format,
        id: id.map(Str::new),
        require: Vec::new(),
        max_record_bytes: 64 * 1024 * 1024,
        max_future_skew: Millis::from_secs(300),
        max_past_skew: Millis::from_secs(400 * 86_400),
    };
    let record = RawRecord {
        stream: StreamId(0),
        partition: 0,
        offset: 0,
        timestamp: Some(Timestamp::from_millis(RECORD_TIME)),
        key: Some(key),
        value: Some(value),
        headers: &[],
    };
    read(&stream, &record)
}

/// What holds of every answer.
fn keeps_the_rules(read: &Result<Event, Malformed>) -> Result<(), TestCaseError> {
    let event = match read {
        Ok(event) => event,
        Err(refused) => {
            prop_assert!(!refused.detail.is_empty() && refused.detail.len() <= Malformed::MAX_DETAIL);
            return Ok(());
        }
    };
    for id in [&event.order_id, &event.event_id, &event.source] {
        prop_assert!(!id.is_empty() && id.len() <= MAX_ID);
    }
    prop_assert!(!event.milestone.is_derived());
    prop_assert!(event.event_time.is_writable() && event.record_time.is_writable());
    let Some(details) = event.details.as_deref() else { return Ok(()) };
    for promise in [details.promised_ship_by, details.promised_deliver_by] {
        prop_assert!(!matches!(promise, Promise::At(t) if !t.is_writable()));
    }
    for money in [details.total, details.amount].into_iter().flatten() {
        prop_assert!(money.amount_minor >= 0);
    }
    if let Some(lines) = &details.lines {
        prop_assert!((1..=MAX_LINES).contains(&lines.len()) && lines.is_sorted_by(|a, b| a.sku < b.sku));
        prop_assert!(lines.iter().all(|l| l.quantity >= 0));
    }
    prop_assert!(details.attributes.len() <= MAX_ATTRIBUTES && details.attributes.is_sorted_by(|a, b| a.0 < b.0));
    Ok(())
}

fn ids() -> impl Strategy<Value = String> {
    prop_oneof![8 => "[a-z0-9-]{1,8}", 1 => ".{0,12}", 1 => Just("x".repeat(257))]
}

fn money() -> impl Strategy<Value = v1::Money> {
    let amount = prop_oneof![5 => 0..100_000_i64, 1 => any::<i64>()];
    let currency = prop_oneof![5 => Just("EUR".to_owned()), 1 => "[A-Za-z]{0,4}"];
    (amount, currency).prop_map(|(amount_minor, currency)| v1::Money { amount_minor, currency })
}

fn time() -> impl Strategy<Value = prost_types::Timestamp> {
    let near = RECORD_TIME / 1000;
    // Seconds that `from_millis` can hold: what Protobuf alone can say has a test of its own.
    let seconds = prop_oneof![8 => near - 400 * 86_400..near + 300, 1 => -99_999_999_999..299_999_999_999_i64];
    (seconds, 0..1000_i32).prop_map(|(seconds, ms)| prost_types::Timestamp { seconds, nanos: ms * 1_000_000 })
}

fn line() -> impl Strategy<Value = v1::Line> {
    let quantity = prop_oneof![8 => 0..9_i64, 1 => any::<i64>()];
    ("[a-c]{0,2}", quantity).prop_map(|(sku, quantity)| v1::Line { sku, quantity })
}

fn scalar() -> impl Strategy<Value = v1::Scalar> {
    let finite = any::<f64>().prop_filter("JSON has no other", |d| d.is_finite());
    of(prop_oneof![
        ".{0,8}".prop_map(v1::scalar::Value::Text),
        any::<bool>().prop_map(v1::scalar::Value::Boolean),
        any::<i64>().prop_map(v1::scalar::Value::Integer),
        finite.prop_map(v1::scalar::Value::Decimal),
    ])
    .prop_map(|value| v1::Scalar { value })
}

/// Mostly good events, each with little that is bad.
pub(in crate::codec) fn event() -> impl Strategy<Value = v1::OrderEvent> {
    let kinds = select(vec!["order.placed", "payment.captured", "order.paid_in_full", "handoff", ""]);
    let head = (ids(), ids(), kinds, of(time()), ids());
    let body = (of(money()), vec(line(), 0..4), of(time()), any::<bool>(), btree_map(".{0,3}", scalar(), 0..4));
    let rest = (of(ids()), of(money()), of(money()), of(ids()), ".{0,8}");
    (head, body, rest).prop_map(|(head, body, rest)| v1::OrderEvent {
        event_id: head.0,
        order_id: head.1,
        r#type: head.2.to_owned(),
        event_time: head.3,
        source: head.4,
        total: body.0,
        lines: body.1,
        promised_ship_by_withdrawn: body.2.is_none() && body.3,
        promised_ship_by: body.2,
        attributes: body.4,
        payment_id: rest.0.unwrap_or_default(),
        amount: rest.1,
        fee: rest.2,
        fulfillment_id: rest.3.unwrap_or_default(),
        reason: rest.4,
        ..v1::OrderEvent::default()
    })
}

/// The same event as JSON: only what Protobuf says.
pub(in crate::codec) fn as_json(event: &v1::OrderEvent) -> Value {
    let money = |m: &v1::Money| json!({"amount_minor": m.amount_minor, "currency": m.currency});
    let time = |t: &prost_types::Timestamp| json!(t.seconds * 1000 + i64::from(t.nanos) / 1_000_000);
    let scalar = |s: &v1::Scalar| match &s.value {
        None => Value::Null,
        Some(v1::scalar::Value::Text(text)) => json!(text),
        Some(v1::scalar::Value::Boolean(b)) => json!(b),
        Some(v1::scalar::Value::Integer(i)) => json!(i),
        Some(v1::scalar::Value::Decimal(d)) => json!(d),
    };
    let mut value = json!({
        "event_id": event.event_id, "order_id": event.order_id, "type": event.r#type, "source": event.source,
        "payment_id": event.payment_id, "fulfillment_id": event.fulfillment_id, "reason": event.reason,
        "event_time": event.event_time.as_ref().map(time), "total": event.total.as_ref().map(money),
        "amount": event.amount.as_ref().map(money), "fee": event.fee.as_ref().map(money),
        "lines": event.lines.iter().map(|l| json!({"sku": l.sku, "quantity": l.quantity})).collect::<Vec<_>>(),
        "attributes": event.attributes.iter().map(|(k, v)| (k.clone(), scalar(v))).collect::<serde_json::Map<_, _>>(),
    });
    if event.promised_ship_by_withdrawn || event.promised_ship_by.is_some() {
        value["promised_ship_by"] = event.promised_ship_by.as_ref().map_or(Value::Null, time);
    }
    value
}

/// One edit of some bytes: overwrite, insert, remove or repeat.
#[derive(Clone, Debug)]
pub(super) struct Edit(u8, Index, u8);

pub(super) fn edit() -> impl Strategy<Value = Edit> {
    // Bytes that mean something in JSON, and any.
    let byte = prop_oneof![select(&br#"{}[]",:0-.eE+\unft"#[..]), any::<u8>()];
    (0..4_u8, any::<Index>(), byte).prop_map(|(how, at, byte)| Edit(how, at, byte))
}

pub(super) fn edited(mut bytes: Vec<u8>, edits: &[Edit]) -> Vec<u8> {
    for Edit(how, at, byte) in edits {
        let at = at.index(bytes.len() + 1);
        match how {
            0 if at < bytes.len() => bytes[at] = *byte,
            1 if at < bytes.len() => drop(bytes.remove(at)),
            2 => bytes.extend_from_within(at..),
            _ => bytes.insert(at, *byte),
        }
    }
    bytes
}

proptest! {
    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..300)) {
        keeps_the_rules(&read(Format::Json, b"o-1", &bytes))?;
        keeps_the_rules(&read(Format::Protobuf, b"o-1", &bytes))?;
    }

    #[test]
    fn edited_events(event in event(), edits in vec(edit(), 0..4)) {
        let key = event.order_id.clone().into_bytes();
        let json = edited(as_json(&event).to_string().into_bytes(), &edits);
        keeps_the_rules(&read(Format::Json, &key, &json))?;
        keeps_the_rules(&read(Format::Protobuf, &key, &edited(event.encode_to_vec(), &edits)))?;
    }

    #[test]
    fn cut_json_is_no_event(event in event(), at in any::<Index>()) {
        let json = as_json(&event).to_string();
        let part = &json.as_bytes()[..at.index(json.len())];
        let refused = read(Format::Json, event.order_id.as_bytes(), part).unwrap_err();
        prop_assert!(matches!(refused.code, MalformedCode::NotJson | MalformedCode::NotUtf8), "{refused}");
    }

    #[test]
    fn both_formats_agree(event in event()) {
        let key = event.order_id.as_bytes();
        let json = read(Format::Json, key, as_json(&event).to_string().as_bytes());
        let protobuf = read(Format::Protobuf, key, &event.encode_to_vec());
        prop_assert_eq!(json.map_err(|m| m.code), protobuf.map_err(|m| m.code));
    }
}

/// The strategies above would prove little if they made only garbage.
#[test]
fn many_of_the_made_events_are_good() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let good = (0..1000)
        .filter(|_| {
            let event = event().new_tree(&mut runner).unwrap().current();
            read(Format::Protobuf, event.order_id.as_bytes(), &event.encode_to_vec()).is_ok()
        })
        .count();
    assert!((100..900).contains(&good), "{good} of 1000");
}

/// Values as long as the default `max_record_bytes` lets in: no recursion, no quadratic work.
#[test]
fn large_hostile_values_are_refused_soon() {
    let filled = |head: &str, unit: &str, tail: &str| {
        format!("{head}{}{tail}", unit.repeat(1024 * 1024 / unit.len())).into_bytes()
    };
    let head = r#"{"event_id":"e","order_id":"o-1","type":"t""#;
    let within = |field: &str| format!("{head},{field}");
    let cases = [
        filled("", "[", ""),
        filled("", r#"{"a":"#, ""),
        filled(&within(r#""x":"#), "[", ""),
        filled(&within(r#""total":"#), r#"{"x":"#, ""),
        filled(&within(r#""lines":["#), r#"{"sku":"a","quantity":1},"#, r#"1]}"#),
        filled(&within(r#""attributes":{"#), r#""a":1,"#, r#""b":1}}"#),
        filled(&within(r#""reason":""#), r"\u00fc", r#""}"#),
        filled(&within(r#""event_time":""#), "2", r#""}"#),
        filled(&within(r#""total":{"amount_minor":"#), "9", "}}"),
        vec![0xff; 1024 * 1024],
        vec![0x3a; 1024 * 1024],
    ];
    for value in cases {
        for format in [Format::Json, Format::Protobuf] {
            let began = Instant::now();
            let refused = read(format, b"o-1", &value).unwrap_err();
            eprintln!("{format:?} {} {:?}", refused.code, began.elapsed());
            // Unoptimized and on a busy machine; quadratic work would take minutes.
            assert!(began.elapsed() < Duration::from_secs(10), "{format:?} {refused}: {:?}", began.elapsed());
            assert!(refused.detail.len() <= Malformed::MAX_DETAIL);
        }
    }
}
