//! What the plain reader makes is what the other makes; and it makes nearly all that is good.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::super::garbage_tests::{as_json, edit, edited, event, with_stream};
use super::super::{in_full, plain};
use super::*;
use crate::codec::Format;

/// Both readings of a value, as streams of each kind take it.
fn readings(id: Option<&str>, key: &[u8], value: &[u8]) -> (Option<Event>, Option<Event>) {
    with_stream(Format::Json, id, key, value, |stream, record| {
        (plain::read(stream, record, value), in_full(stream, record, value).ok())
    })
}

/// Whatever is no `Some` is left to the other reader.
fn agree(id: Option<&str>, key: &[u8], value: &[u8]) -> Result<bool, TestCaseError> {
    let (plain, full) = readings(id, key, value);
    if plain.is_some() {
        prop_assert_eq!(&plain, &full, "{}", String::from_utf8_lossy(value));
    }
    Ok(plain.is_some())
}

/// What events hold that orderwatch reads past, among them names and values that look like its own.
fn unknown() -> impl Strategy<Value = (String, Value)> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        Just(json!("2026-11-21T10:00:00.000Z")),
    ];
    let value = leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            vec((".{0,3}", inner), 0..3).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    });
    let name = prop_oneof![
        3 => "[a-z_]{0,10}",
        2 => select(vec!["checkout_id", "capture_id", "promised_ship_by", "promised_deliver_by", "attributes", "reason"])
            .prop_map(str::to_owned),
    ];
    (name, value)
}

/// An event's JSON with more in it, some of it in other places, with or without white space.
fn text(event: &Value, more: Vec<(String, Value)>, pretty: bool) -> String {
    let mut event = event.clone();
    if let Some(members) = event.as_object_mut() {
        members.extend(more);
    }
    if pretty { serde_json::to_string_pretty(&event).unwrap_or_default() } else { event.to_string() }
}

fn ids() -> impl Strategy<Value = Option<&'static str>> {
    select(vec![None, None, Some("checkout_id"), Some("payment_id"), Some("order_id"), Some("type"), Some("source")])
}

proptest! {
    #[test]
    fn it_says_what_the_other_reader_says(
        event in event(),
        more in vec(unknown(), 0..3),
        pretty in any::<bool>(),
        edits in vec(edit(), 0..4),
        id in ids(),
    ) {
        let json = as_json(&event);
        let key = id.and_then(|field| json.get(field)?.as_str()).unwrap_or(&event.order_id).to_owned();
        let whole = text(&json, more, pretty);
        agree(id, key.as_bytes(), whole.as_bytes())?;
        agree(id, key.as_bytes(), &edited(whole.into_bytes(), &edits))?;
    }

    #[test]
    fn any_bytes_are_left_to_the_other_reader(bytes in vec(any::<u8>(), 0..300)) {
        prop_assert!(!agree(None, b"o-1", &bytes)?);
    }

    #[test]
    fn a_string_ends_where_json_says(text in "[ -~é\u{0}-\u{1f}\"\\\\]{0,40}") {
        let rest = text.bytes().position(|byte| byte == b'"' || byte == b'\\' || byte < 0x20);
        let quoted = format!("\"{text}\"");
        let plain = Cursor::new(&quoted).string();
        match rest {
            None => prop_assert_eq!(plain, Some(text.as_str())),
            Some(at) => prop_assert_eq!(plain, text.get(..at).filter(|_| text.as_bytes()[at] == b'"')),
        }
    }
}

/// Otherwise the property above would hold of a reader that reads nothing.
#[test]
fn it_reads_what_producers_write() {
    let order = br#"{"event_id":"8f2c","order_id":"o-1","type":"order.placed","event_time":"2026-11-21T10:00:00.000Z",
        "source":"webshop","total":{"amount_minor":12345,"currency":"EUR"},"lines":[{"sku":"B","quantity":2},
        {"sku":"A","quantity":1,"name":"mug"}],"promised_ship_by":null,"promised_deliver_by":1795564800000,"reason":"",
        "attributes":{"region":"EU","channel":"web","vip":true,"items":-3,"note":null},"fee":null,
        "customer":{"name":"\u00fc","ids":[1,2.5e3]},"score":0.5,"version":7}"#;
    let (plain, full) = readings(None, b"o-1", order);
    assert_eq!(plain, full);
    let details = *plain.and_then(|event| event.details).expect("it is plain");
    assert_eq!(details.lines.map(|lines| lines.len()), Some(2));
    assert_eq!(details.attributes.len(), 5);
    assert_eq!((details.promised_ship_by, details.fee, details.reason), (Promise::Withdrawn, None, None));
}

/// What it must leave to the other reader although it looks plain; the other takes the first ones and refuses the rest.
#[test]
fn it_leaves_what_is_not_plain() {
    let with = |field: &str| format!(r#"{{"event_id":"e","order_id":"o-1","type":"t",{field}}}"#);
    let good = [
        r#""attributes":{"a":0.5}"#,
        r#""attributes":{"a":-0}"#,
        r#""attributes":{"a":1e3}"#,
        r#""attributes":{"a":12345678901234567890}"#,
        r#""source":"\u0061""#,
        r#""fee":{"amount_minor":-1,"currency":"EUR"}"#,
        r#""fee":{"amount_minor":1234567890123456789,"currency":"EUR"}"#,
    ];
    let bad = [
        r#""attributes":{"a":01}"#,
        r#""attributes":{"a":- 1}"#,
        r#""attributes":{"a":1,"a":1}"#,
        r#""attributes":{"a":nul}"#,
        r#""lines":[{"sku":"a","quantity":1},]"#,
        r#""lines":[{"sku":"a","quantity":1,"sku":"a"}]"#,
        r#""event_id":"e""#,
        r#""total":{"amount_minor":1}"#,
        r#""total":{"amount_minor":1,"currency":"eur"}"#,
        r#""type ":}"#,
        r#""event_time":"2026-11-21""#,
        r#""x":[}"#,
    ];
    for (field, is_good) in good.map(|field| (field, true)).into_iter().chain(bad.map(|field| (field, false))) {
        let (plain, full) = readings(None, b"o-1", with(field).as_bytes());
        assert_eq!((plain.is_some(), full.is_some()), (false, is_good), "{field}");
    }
}
