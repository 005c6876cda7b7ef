//! What is an event and what is not, in both formats. Arbitrary bytes have `garbage_tests.rs`.

use MalformedCode::*;
use prost::Message;

use super::*;
use crate::codec::generated::orderwatch::v1;
use crate::domain::{AttributeValue, Currency, Line, Money, Promise, Standard, StreamId, Timestamp};

/// 2026-11-21T10:00:01Z, one second after the events here.
const RECORD_TIME: i64 = 1_795_255_201_000;

fn stream(format: Format, require: &[&str]) -> StreamCodec {
    StreamCodec {
        topic: "orders".into(),
        format,
        id: None,
        require: require.iter().map(|r| Requirement::parse(r).unwrap()).collect(),
        max_record_bytes: 1024 * 1024,
        max_future_skew: Millis::from_secs(300),
        max_past_skew: Millis::from_secs(400 * 86_400),
    }
}

fn record<'a>(key: Option<&'a [u8]>, value: &'a [u8]) -> RawRecord<'a> {
    RawRecord {
        stream: StreamId(1),
        partition: 3,
        offset: 120,
        timestamp: Some(Timestamp::from_millis(RECORD_TIME)),
        key,
        value: Some(value),
        headers: &[],
    }
}

fn json(value: &str) -> Result<Event, Malformed> {
    decode(&stream(Format::Json, &[]), &record(Some(b"o-1"), value.as_bytes()))
}

/// The required fields and `more`, which is empty or begins with a comma.
fn with(more: &str) -> Result<Event, Malformed> {
    json(&format!(r#"{{"event_id":"e","order_id":"o-1","type":"order.placed"{more}}}"#))
}

fn details(more: &str) -> crate::domain::event::Details {
    *with(more).unwrap().details.expect("details")
}

fn protobuf(event: &v1::OrderEvent) -> Result<Event, Malformed> {
    decode(&stream(Format::Protobuf, &[]), &record(Some(b"o-1"), &event.encode_to_vec()))
}

fn minimal() -> v1::OrderEvent {
    v1::OrderEvent { event_id: "e".into(), order_id: "o-1".into(), r#type: "order.placed".into(), ..Default::default() }
}

fn eur(amount_minor: i64) -> Money {
    Money { amount_minor, currency: Currency::parse("EUR").unwrap() }
}

const PLACED: &str = r#"{"event_id":"8f2c","order_id":"o-1","type":"order.placed",
    "event_time":"2026-11-21T10:00:00.000Z","source":"webshop","total":{"amount_minor":12345,"currency":"EUR"},
    "lines":[{"sku":"A-1","quantity":2}],"promised_ship_by":"2026-11-22T17:00:00Z",
    "promised_deliver_by":"2026-11-25T00:00:00Z",
    "attributes":{"channel":"web","region":"EU","warehouse":"BER-1"},"unknown":[{"deep":[1,2.5e3,"\u00fc"]}]}"#;

#[test]
fn the_contract_s_order_reads_as_written() {
    let event = json(PLACED).unwrap();
    assert_eq!((event.order_id.as_str(), event.event_id.as_str(), event.source.as_str()), ("o-1", "8f2c", "webshop"));
    assert_eq!(event.milestone, Standard::OrderPlaced);
    assert_eq!(event.event_time.as_millis(), RECORD_TIME - 1000);
    assert!(!event.event_time_inferred);
    assert_eq!(event.record_time.as_millis(), RECORD_TIME);
    assert_eq!((event.position.stream, event.position.partition, event.position.offset), (StreamId(1), 3, 120));
    let details = event.details.unwrap();
    assert_eq!(details.total, Some(eur(12345)));
    assert_eq!(details.lines, Some(vec![Line { sku: "A-1".into(), quantity: 2 }]));
    let attributes: Vec<_> = details.attributes.iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(attributes, ["channel=web", "region=EU", "warehouse=BER-1"]);
    assert_eq!(details.promised_ship_by, Promise::At(Timestamp::parse_rfc3339("2026-11-22T17:00:00Z").unwrap()));
    assert_eq!(details.promised_deliver_by, Promise::At(Timestamp::parse_rfc3339("2026-11-25T00:00:00Z").unwrap()));
}

#[test]
fn what_is_missing_stands_for_something() {
    let event = with("").unwrap();
    assert_eq!(event.source, "orders");
    assert_eq!((event.event_time.as_millis(), event.event_time_inferred), (RECORD_TIME, true));
    assert_eq!(event.details, None);
    // Null is the same, except in a promise.
    let nulls =
        r#","event_time":null,"source":null,"total":null,"lines":null,"attributes":null,"reason":null,"fee":null"#;
    assert_eq!(with(nulls).unwrap(), event);
    assert_eq!(with(r#","source":"","payment_id":"","lines":[],"attributes":{}"#).unwrap(), event);
    assert_eq!(details(r#","promised_ship_by":null"#).promised_ship_by, Promise::Withdrawn);
    assert_eq!(details(r#","promised_ship_by":null"#).promised_deliver_by, Promise::Unchanged);
}

#[test]
fn a_time_is_rfc3339_or_epoch_milliseconds() {
    for time in ["1795255200000", r#""2026-11-21T11:00:00.0009+01:00""#, r#""2026-11-21T10:00:00Z""#] {
        let event = with(&format!(r#","event_time":{time}"#)).unwrap();
        assert_eq!((event.event_time.as_millis(), event.event_time_inferred), (1_795_255_200_000, false), "{time}");
    }
}

#[test]
fn lines_of_one_sku_are_summed_and_sorted() {
    let lines =
        details(r#","lines":[{"sku":"b","quantity":1},{"sku":"a","quantity":2,"x":{}},{"quantity":3,"sku":"b"}]"#)
            .lines;
    let expected = [("a", 2), ("b", 4)].map(|(sku, quantity)| Line { sku: sku.into(), quantity });
    assert_eq!(lines, Some(expected.to_vec()));
}

#[test]
fn an_attribute_is_any_scalar() {
    let attributes =
        details(r#","attributes":{"f":2.0,"b":true,"n":null,"i":-3,"big":18446744073709551615,"t":"\u00fc\n"}"#)
            .attributes;
    let expected: Vec<(Str, AttributeValue)> = vec![
        ("b".into(), AttributeValue::Bool(true)),
        ("big".into(), AttributeValue::Decimal(18_446_744_073_709_551_615.0)),
        ("f".into(), AttributeValue::Decimal(2.0)),
        ("i".into(), AttributeValue::Integer(-3)),
        ("n".into(), AttributeValue::Null),
        ("t".into(), AttributeValue::Text("ü\n".into())),
    ];
    assert_eq!(attributes, expected);
}

#[test]
fn only_a_fee_may_be_negative() {
    let fee = details(r#","fee":{"amount_minor":-5,"currency":"EUR"}"#).fee;
    assert_eq!(fee, Some(eur(-5)));
}

/// Fields added to an event that is good without them, the code, and what the detail must say.
#[test]
fn every_bad_field_has_its_code() {
    let long = "x".repeat(257);
    let many_lines = vec![r#"{"sku":"a","quantity":1}"#; 1001].join(",");
    let many_attributes = (0..65).map(|i| format!(r#""a{i}":{i}"#)).collect::<Vec<_>>().join(",");
    let text_1025 = "x".repeat(1025);
    let reason_4097 = "x".repeat(4097);
    let deep = format!("{}{}", "[".repeat(101), "]".repeat(101));
    let cases: &[(&str, MalformedCode, &str)] = &[
        (r#","source":7"#, WrongType, "source is 7; expected a string"),
        (r#","payment_id":12"#, WrongType, "payment_id is 12; expected a string"),
        (r#","reason":["a"]"#, WrongType, "reason is an array"),
        (r#","event_time":"yesterday""#, BadTime, r#"event_time is "yesterday""#),
        (r#","event_time":"2026-11-21T10:00:00""#, BadTime, "with an offset"),
        (r#","event_time":1795255200000.5"#, WrongType, "event_time is 1795255200000.5"),
        (r#","event_time":9223372036854775807"#, BadTime, "outside the years"),
        (r#","event_time":true"#, WrongType, "event_time is true"),
        (r#","event_time":{}"#, WrongType, "event_time is an object"),
        (r#","event_time":"9999-01-01T00:00:00Z""#, TooFarInFuture, "more than 300000 ms after"),
        (r#","event_time":"2026-11-21T10:05:01.001Z""#, TooFarInFuture, "2026-11-21T10:05:01.001Z"),
        (r#","event_time":"9999-12-31T23:59:59Z""#, BadTime, "9999-12-31"),
        (r#","event_time":"1970-01-01T00:00:00Z""#, TooFarInPast, "before the record's time, 2026-11-21T10:00:01.000Z"),
        (r#","event_time":0"#, TooFarInPast, "1970-01-01T00:00:00.000Z"),
        (r#","promised_ship_by":"soon""#, BadTime, "promised_ship_by"),
        (r#","promised_deliver_by":[]"#, WrongType, "promised_deliver_by is an array"),
        (r#","total":5"#, WrongType, "total is 5; expected an object"),
        (r#","total":[]"#, WrongType, "total is an array"),
        (r#","total":{}"#, MissingField, "total.amount_minor"),
        (r#","total":{"amount_minor":5}"#, MissingField, "total.currency"),
        (r#","amount":{"amount_minor":12345.0,"currency":"EUR"}"#, WrongType, "amount.amount_minor is 12345.0"),
        (r#","amount":{"amount_minor":"5","currency":"EUR"}"#, WrongType, r#"amount.amount_minor is "5""#),
        (r#","amount":{"amount_minor":9223372036854775808,"currency":"EUR"}"#, WrongType, "within 64 bits"),
        (r#","amount":{"amount_minor":1e400,"currency":"EUR"}"#, WrongType, "number out of range"),
        (r#","amount":{"amount_minor":-1,"currency":"EUR"}"#, Negative, "amount.amount_minor is -1"),
        (r#","total":{"amount_minor":-1,"currency":"EUR"}"#, Negative, "total.amount_minor is -1"),
        (r#","amount":{"amount_minor":1,"currency":"eur"}"#, BadCurrency, r#""eur"; expected three upper-case"#),
        (r#","amount":{"amount_minor":1,"currency":""}"#, MissingField, "amount.currency"),
        (r#","fee":{"amount_minor":1,"currency":978}"#, WrongType, "fee.currency is 978"),
        (r#","lines":{}"#, WrongType, "lines is an object"),
        (r#","lines":[1]"#, WrongType, "lines[0] is 1"),
        (r#","lines":[{"sku":"a","quantity":1},[]]"#, WrongType, "lines[1] is an array"),
        (r#","lines":[{"quantity":1}]"#, MissingField, "lines[0].sku"),
        (r#","lines":[{"sku":"","quantity":1}]"#, MissingField, "lines[0].sku"),
        (r#","lines":[{"sku":"a"}]"#, MissingField, "lines[0].quantity"),
        (r#","lines":[{"sku":"a","quantity":1.5}]"#, WrongType, "lines[0].quantity is 1.5"),
        (r#","lines":[{"sku":"a","quantity":-1}]"#, Negative, "lines[0].quantity is -1"),
        (
            r#","lines":[{"sku":"a","quantity":9223372036854775807},{"sku":"a","quantity":1}]"#,
            Overflow,
            r#"sku "a" sum"#,
        ),
        (&format!(r#","lines":[{many_lines}]"#), TooMany, "lines has 1001 entries"),
        (r#","attributes":[]"#, WrongType, "attributes is an array"),
        (r#","attributes":{"a":{"b":1}}"#, WrongType, r#"attributes."a" is an object; expected a scalar"#),
        (r#","attributes":{"a":1,"b":2,"a":1}"#, DuplicateField, r#""a" twice"#),
        (&format!(r#","attributes":{{{many_attributes}}}"#), TooMany, "attributes has 65 entries"),
        (&format!(r#","attributes":{{"{long}":1}}"#), TooLong, "attribute's name is 257 bytes"),
        (&format!(r#","attributes":{{"a":"{text_1025}"}}"#), TooLong, "is 1025 bytes"),
        (&format!(r#","fulfillment_id":"{long}""#), TooLong, "fulfillment_id is 257 bytes"),
        (&format!(r#","reason":"{reason_4097}""#), TooLong, "at most 4096"),
        (&format!(r#","lines":[{{"sku":"{long}","quantity":1}}]"#), TooLong, "lines[0].sku"),
        (r#","reason":"a","reason":"a""#, DuplicateField, "duplicate field `reason`"),
        (r#","type":"order.placed""#, DuplicateField, "duplicate field `type`"),
        (r#","total":{"amount_minor":1,"amount_minor":1}"#, DuplicateField, "`amount_minor`"),
        (&format!(r#","x":{deep}"#), TooDeep, "nested deeper than 100"),
        (&format!(r#","total":{{"x":{deep}}}"#), TooDeep, "nested deeper than 100"),
        (r#","x":NaN"#, NotJson, "expected value"),
        (r#","total":{"amount_minor":Infinity,"currency":"EUR"}"#, NotJson, "expected value"),
        (r#","reason":"\ud800""#, NotJson, "the value begins with"),
        (",", NotJson, "trailing comma"),
    ];
    for (more, code, says) in cases {
        let refused = with(more).expect_err(more);
        assert_eq!(refused.code, *code, "{more}: {}", refused.detail);
        assert!(refused.detail.contains(says), "{more}: {} does not say {says}", refused.detail);
    }
}

/// Whole values.
#[test]
fn every_bad_value_has_its_code() {
    let open_brackets = "[".repeat(100_000);
    let open_objects = r#"{"a":"#.repeat(100_000);
    let cases: &[(&str, MalformedCode, &str)] = &[
        ("", NotJson, "EOF"),
        ("garbage", NotJson, r#"begins with "garbage""#),
        ("\u{feff}{}", NotJson, "expected value"),
        ("{}", MissingField, "event_id"),
        ("null", WrongType, "expected an object"),
        ("[]", WrongType, "expected an object"),
        ("12", WrongType, "expected an object"),
        (&open_brackets, WrongType, "expected an object"),
        (&open_objects, NotJson, "EOF"),
        (r#"{"event_id":"e","order_id":"o-1","type":"order.placed"} x"#, NotJson, "trailing characters"),
        (r#"{"event_id":"e","order_id":"o-1","type":"order.pla"#, NotJson, "EOF"),
        (r#"{"order_id":"o-1","type":"order.placed"}"#, MissingField, "event_id is missing"),
        (
            r#"{"event_id":"","order_id":"o-1","type":"order.placed"}"#,
            MissingField,
            "event_id is missing, null or empty",
        ),
        (r#"{"event_id":"e","order_id":null,"type":"order.placed"}"#, MissingField, "order_id is missing"),
        (r#"{"event_id":"e","order_id":"o-1"}"#, MissingField, "type is missing"),
        (r#"{"event_id":1,"order_id":"o-1","type":"order.placed"}"#, WrongType, "event_id is 1"),
        (
            r#"{"event_id":"e","order_id":"o-2","type":"order.placed"}"#,
            KeyMismatch,
            r#"is "o-1"; expected the order_id, "o-2""#,
        ),
        (r#"{"event_id":"e","order_id":"o-1","type":"order.paid_in_full"}"#, ReservedType, "order.paid_in_full"),
        (r#"{"event_id":"e","order_id":"o-1","type":"order.fully_shipped"}"#, ReservedType, "computed"),
        (r#"{"event_id":"e","order_id":"o-1","type":"order.fully_delivered"}"#, ReservedType, "computed"),
    ];
    for (value, code, says) in cases {
        let refused = json(value).expect_err(value);
        assert_eq!(refused.code, *code, "{}", refused.detail);
        assert!(refused.detail.contains(says), "{} does not say {says}", refused.detail);
    }
}

#[test]
fn records_that_are_bad_around_their_value() {
    let good = br#"{"event_id":"e","order_id":"o-1","type":"order.placed"}"#;
    let orders = stream(Format::Json, &[]);
    let code = |record: &RawRecord<'_>| decode(&orders, record).map_err(|m| (m.code, m.detail));
    assert!(code(&record(Some(b"o-1"), good)).is_ok());
    assert!(matches!(code(&record(None, good)), Err((KeyMismatch, d)) if d.contains("key is missing")));
    assert!(matches!(code(&record(Some(b"o-\xff"), good)), Err((KeyMismatch, _))));
    assert!(matches!(code(&record(Some(b"o-1"), b"{\"a\":\"\xff\"}")), Err((NotUtf8, d)) if d.ends_with("at 6")));
    assert!(matches!(code(&RawRecord { value: None, ..record(Some(b"o-1"), b"") }), Err((NotJson, _))));
    let timeless = RawRecord { timestamp: None, ..record(Some(b"o-1"), good) };
    assert!(matches!(code(&timeless), Err((BadTime, _))));
    for absurd in [i64::MIN, i64::MAX] {
        let record = RawRecord { timestamp: Some(Timestamp::from_millis(absurd)), ..record(Some(b"o-1"), good) };
        assert!(matches!(code(&record), Err((BadTime, d)) if d.contains("the record's timestamp")));
    }
}

#[test]
fn skew_is_held_against_the_record_s_time_where_there_is_one() {
    let value = br#"{"event_id":"e","order_id":"o-1","type":"order.placed","event_time":"2026-11-21T10:00:00Z"}"#;
    let orders = stream(Format::Json, &[]);
    let at = |timestamp| {
        let timestamp: Option<i64> = timestamp;
        let record = RawRecord { timestamp: timestamp.map(Timestamp::from_millis), ..record(Some(b"o-1"), value) };
        decode(&orders, &record).map(|e| e.record_time.as_millis()).map_err(|m| m.code)
    };
    let event_time = RECORD_TIME - 1000;
    assert_eq!(at(None), Ok(event_time));
    assert_eq!(at(Some(event_time - 300_000)), Ok(event_time - 300_000));
    assert_eq!(at(Some(event_time - 300_001)), Err(TooFarInFuture));
    assert_eq!(at(Some(event_time + 400 * 86_400_000)), Ok(event_time + 400 * 86_400_000));
    assert_eq!(at(Some(event_time + 400 * 86_400_000 + 1)), Err(TooFarInPast));
    assert_eq!(at(Some(-1)), Err(TooFarInFuture));
    assert_eq!(at(Some(i64::MIN)), Err(TooFarInFuture));
    assert_eq!(at(Some(i64::MAX)), Err(TooFarInPast));
}

#[test]
fn a_large_record_is_refused_before_it_is_read() {
    // No JSON at all: only its size can be what is said of it.
    let large = vec![b'['; 10 * 1024 * 1024];
    let refused = decode(&stream(Format::Json, &[]), &record(Some(b"o-1"), &large)).unwrap_err();
    assert_eq!(refused.code, TooLarge);
    assert_eq!(refused.detail, "key and value are 10485763 bytes long; expected at most 1048576");
    let mut exact = stream(Format::Json, &[]);
    let good = br#"{"event_id":"e","order_id":"o-1","type":"order.placed"}"#;
    exact.max_record_bytes = good.len() + 3;
    assert!(decode(&exact, &record(Some(b"o-1"), good)).is_ok());
    exact.max_record_bytes -= 1;
    assert_eq!(decode(&exact, &record(Some(b"o-1"), good)).unwrap_err().code, TooLarge);
}

#[test]
fn a_stream_may_require_fields() {
    let code = |require: &str, more: &str| {
        let value = format!(r#"{{"event_id":"e","order_id":"o-1","type":"order.placed"{more}}}"#);
        let read = decode(&stream(Format::Json, &[require]), &record(Some(b"o-1"), value.as_bytes()));
        read.map(|_| ()).map_err(|m| (m.code, m.detail))
    };
    let money = r#"{"amount_minor":1,"currency":"EUR"}"#;
    let time = r#""2026-11-21T10:00:00Z""#;
    let values = [
        ("event_time", time),
        ("source", r#""s""#),
        ("total", money),
        ("lines", r#"[{"sku":"a","quantity":1}]"#),
        ("promised_ship_by", time),
        ("promised_deliver_by", time),
        ("payment_id", r#""p""#),
        ("capture_id", r#""c""#),
        ("amount", money),
        ("fee", money),
        ("fulfillment_id", r#""f""#),
        ("reason", r#""r""#),
    ];
    assert_eq!(values.map(|(name, _)| name).to_vec(), Requirement::fields().collect::<Vec<_>>());
    for (name, value) in values {
        assert_eq!(code(name, &format!(r#","{name}":{value}"#)), Ok(()));
        let refused = format!("{name} is missing, null or empty; this stream requires it");
        assert_eq!(code(name, ""), Err((MissingField, refused.clone())));
        assert_eq!(code(name, &format!(r#","{name}":null"#)), Err((MissingField, refused)));
    }
    assert_eq!(code("attributes.region", r#","attributes":{"region":"EU"}"#), Ok(()));
    assert!(code("attributes.region", r#","attributes":{"region":null}"#).is_err());
    assert!(code("attributes.region", r#","attributes":{"Region":"EU"}"#).is_err());
    assert!(
        ["attributes.", "attributes", "order_id", "totals", ""].iter().all(|name| Requirement::parse(name).is_none())
    );
}

#[test]
fn protobuf_says_the_same_as_json() {
    let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 999_999 });
    let money = |amount_minor| Some(v1::Money { amount_minor, currency: "EUR".into() });
    let text = |t: &str| v1::Scalar { value: Some(v1::scalar::Value::Text(t.into())) };
    let line = |sku: &str, quantity| v1::Line { sku: sku.into(), quantity };
    let event = v1::OrderEvent {
        event_time: at(1_795_255_200),
        source: "webshop".into(),
        total: money(12345),
        lines: vec![line("b", 1), line("a", 2), line("b", 3)],
        promised_ship_by_withdrawn: true,
        promised_deliver_by: at(1_795_564_800),
        attributes: [
            ("channel".to_owned(), text("web")),
            ("gone".to_owned(), v1::Scalar { value: None }),
            ("vip".to_owned(), v1::Scalar { value: Some(v1::scalar::Value::Boolean(true)) }),
            ("n".to_owned(), v1::Scalar { value: Some(v1::scalar::Value::Integer(3)) }),
            ("d".to_owned(), v1::Scalar { value: Some(v1::scalar::Value::Decimal(0.5)) }),
        ]
        .into(),
        payment_id: "p-7".into(),
        amount: money(0),
        fee: money(-1),
        ..minimal()
    };
    let same = with(
        r#","event_time":"2026-11-21T10:00:00Z","source":"webshop","total":{"amount_minor":12345,"currency":"EUR"},
        "lines":[{"sku":"a","quantity":2},{"sku":"b","quantity":4}],"promised_ship_by":null,
        "promised_deliver_by":"2026-11-25T00:00:00Z",
        "attributes":{"channel":"web","gone":null,"vip":true,"n":3,"d":0.5},"payment_id":"p-7",
        "amount":{"amount_minor":0,"currency":"EUR"},"fee":{"amount_minor":-1,"currency":"EUR"}"#,
    );
    assert_eq!(protobuf(&event), same);
    assert_eq!(protobuf(&minimal()), with(""));
}

#[test]
fn protobuf_has_the_same_rules() {
    let bad_time = Some(prost_types::Timestamp { seconds: 1_795_255_200, nanos: 1_000_000_000 });
    let absurd = Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 });
    let early = Some(prost_types::Timestamp { seconds: 0, nanos: 0 });
    let nan = v1::Scalar { value: Some(v1::scalar::Value::Decimal(f64::NAN)) };
    let cases = [
        (v1::OrderEvent { event_id: String::new(), ..minimal() }, MissingField),
        (v1::OrderEvent { order_id: "o-2".into(), ..minimal() }, KeyMismatch),
        (v1::OrderEvent { r#type: "order.paid_in_full".into(), ..minimal() }, ReservedType),
        (v1::OrderEvent { event_time: bad_time, ..minimal() }, BadTime),
        (v1::OrderEvent { event_time: absurd, ..minimal() }, BadTime),
        (v1::OrderEvent { event_time: early, ..minimal() }, TooFarInPast),
        (v1::OrderEvent { promised_ship_by: early, promised_ship_by_withdrawn: true, ..minimal() }, DuplicateField),
        (
            v1::OrderEvent { total: Some(v1::Money { amount_minor: 1, currency: String::new() }), ..minimal() },
            MissingField,
        ),
        (
            v1::OrderEvent { amount: Some(v1::Money { amount_minor: -1, currency: "EUR".into() }), ..minimal() },
            Negative,
        ),
        (v1::OrderEvent { lines: vec![v1::Line { sku: "a".into(), quantity: -1 }], ..minimal() }, Negative),
        (v1::OrderEvent { lines: vec![v1::Line { sku: "a".into(), quantity: 1 }; 1001], ..minimal() }, TooMany),
        (v1::OrderEvent { attributes: [("a".to_owned(), nan)].into(), ..minimal() }, WrongType),
        (v1::OrderEvent { source: "x".repeat(257), ..minimal() }, TooLong),
    ];
    for (event, code) in cases {
        let refused = protobuf(&event).expect_err(code.as_str());
        assert_eq!(refused.code, code, "{}", refused.detail);
    }
    for garbage in [&b"{\"event_id\":1}"[..], b"\x0a\xff", b"\x0a\x01\xff"] {
        let refused = decode(&stream(Format::Protobuf, &[]), &record(Some(b"o-1"), garbage)).unwrap_err();
        assert_eq!(refused.code, BadProtobuf, "{}", refused.detail);
        assert!(refused.detail.starts_with("not an orderwatch.v1.OrderEvent: "), "{}", refused.detail);
    }
}

#[test]
fn what_is_no_order_is_known_by_its_streams_own_field() {
    let of = |id: &'static str, format| StreamCodec { id: Some(Str::new_static(id)), ..stream(format, &[]) };
    let read = |stream: &StreamCodec, json: &str| decode(stream, &record(Some(b"c-1"), json.as_bytes()));
    let checkouts = of("checkout_id", Format::Json);
    let head = r#"{"event_id":"e","type":"payment_step.entered""#;
    let told = read(&checkouts, &format!(r#"{head},"checkout_id":"c-1","order_id":"o-9","fulfillment_id":"f-1"}}"#));
    let told = told.unwrap();
    assert_eq!(told.order_id, "c-1");
    assert_eq!(told.details.unwrap().fulfillment_id.as_deref(), Some("f-1"));
    for (rest, code, words) in [
        (r#","order_id":"c-1"}"#, MissingField, "checkout_id is missing, null or empty; expected a string"),
        (r#","checkout_id":"c-2"}"#, KeyMismatch, "the record's key is \"c-1\"; expected the checkout_id, \"c-2\""),
        (r#","checkout_id":7}"#, WrongType, "checkout_id is 7; expected a string"),
        (r#","checkout_id":"c-1","checkout_id":"c-1"}"#, DuplicateField, "duplicate field `checkout_id`"),
    ] {
        let refused = read(&checkouts, &format!("{head}{rest}")).unwrap_err();
        assert!(refused.code == code && refused.detail.starts_with(words), "{}: {}", refused.code, refused.detail);
    }
    // A field of every event may be the id, and says what it always says too.
    let parcel = read(&of("fulfillment_id", Format::Json), &format!(r#"{head},"fulfillment_id":"c-1"}}"#)).unwrap();
    assert_eq!((parcel.order_id.as_str(), parcel.fulfillment_id().map(Str::as_str)), ("c-1", Some("c-1")));

    let event = v1::OrderEvent { id: "c-1".into(), order_id: String::new(), ..minimal() };
    let told = decode(&of("id", Format::Protobuf), &record(Some(b"c-1"), &event.encode_to_vec())).unwrap();
    assert_eq!(told.order_id, "c-1");
    assert_eq!(protobuf(&event).unwrap_err().code, MissingField, "of an order it must be the order_id");
}
