//! What is written reads back, in both formats.

use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;

use super::*;
use crate::domain::exception::Other;
use crate::domain::{
    AttributeValue, BacklogFigures, CheckFigures, Currency, EventRef, Evidence, Kind, PolicyRef, Severity, Status, Str,
    Subject, Timestamp,
};

fn text() -> impl Strategy<Value = Str> {
    prop_oneof!["[a-z0-9-]{0,12}", ".{0,40}"].prop_map(Str::from)
}

fn time() -> impl Strategy<Value = Timestamp> {
    prop_oneof![1_700_000_000_000..1_900_000_000_000_i64, -62_167_219_200_000..=253_402_207_200_000_i64]
        .prop_map(Timestamp::from_millis)
}

fn finite() -> impl Strategy<Value = f64> {
    any::<f64>().prop_filter("JSON has no other", |d| d.is_finite())
}

fn value() -> impl Strategy<Value = AttributeValue> {
    prop_oneof![
        Just(AttributeValue::Null),
        text().prop_map(AttributeValue::Text),
        any::<bool>().prop_map(AttributeValue::Bool),
        any::<i64>().prop_map(AttributeValue::Integer),
        finite().prop_map(AttributeValue::Decimal),
        any::<i32>().prop_map(|whole| AttributeValue::Decimal(whole.into())),
    ]
}

fn event_ref() -> impl Strategy<Value = EventRef> {
    (text(), text(), time(), text(), any::<i32>(), any::<i64>()).prop_map(
        |(event_id, kind, event_time, topic, partition, offset)| EventRef {
            event_id,
            kind,
            event_time,
            topic,
            partition,
            offset,
        },
    )
}

fn subject() -> impl Strategy<Value = Subject> {
    let other = ("[a-z]{1,9}", text()).prop_map(|(entity, id)| Other { entity: entity.into(), id });
    prop_oneof![
        text().prop_map(Subject::Order),
        other.prop_map(|other| Subject::Other(Box::new(other))),
        vec((text(), of(text())), 0..4).prop_map(Subject::Group)
    ]
}

fn severity() -> impl Strategy<Value = Severity> {
    prop_oneof![Just(Severity::Info), Just(Severity::Warning), Just(Severity::Critical)]
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Sla), Just(Kind::Backlog), Just(Kind::Reconciliation)]
}

fn backlog() -> impl Strategy<Value = BacklogFigures> {
    (any::<i64>(), any::<Option<i64>>(), finite(), finite(), any::<Option<i64>>()).prop_map(
        |(depth, oldest_age_ms, inflow_per_min, outflow_per_min, time_to_clear_ms)| BacklogFigures {
            depth,
            oldest_age_ms,
            inflow_per_min,
            outflow_per_min,
            time_to_clear_ms,
        },
    )
}

fn check() -> impl Strategy<Value = CheckFigures> {
    (text(), text(), of(text()), any::<Option<i64>>(), any::<Option<i64>>(), of("[A-Z]{3}")).prop_map(
        |(name, reason, about, expected, actual, currency)| CheckFigures {
            name,
            reason,
            about,
            expected,
            actual,
            currency: currency.and_then(|code| Currency::parse(&code)),
        },
    )
}

pub(in crate::codec) fn exception() -> impl Strategy<Value = Exception> {
    let head = (text(), any::<u32>(), any::<u32>(), kind(), prop::sample::select(&Status::ALL[..]), text(), text());
    let whose = (subject(), severity(), text(), text(), text(), of(text()), of(text()));
    let times = (of(event_ref()), of(time()), of(time()), of(time()), of(time()), of(event_ref()), time(), time());
    let figures = (any::<[Option<i64>; 3]>(), any::<Option<u8>>(), any::<u32>(), of(backlog()), of(check()));
    let evidence = of(prop_oneof![Just(Evidence::Absent), Just(Evidence::Late)]);
    let names = prop::collection::vec(text(), 0..3);
    let rest = (evidence, btree_map(text(), value(), 0..6), of(text()), names, of(text()));
    (head, whose, times, figures, rest).prop_map(|(head, whose, times, figures, rest)| Exception {
        exception_id: head.0,
        sequence: head.1,
        incarnation: head.2,
        kind: head.3,
        status: head.4,
        policy: PolicyRef { id: head.5, version: head.6 },
        subject: whose.0,
        fulfillment_id: rest.4,
        severity: whose.1,
        owner: whose.2,
        route: whose.3,
        expected_outcome: whose.4,
        runbook: whose.5,
        source: whose.6,
        trigger: times.0,
        started_at: times.1,
        deadline: times.2,
        breached_at: times.3,
        ended_at: times.4,
        closed_by: times.5,
        frontier: times.6,
        detected_at: times.7,
        target_ms: figures.0[0],
        actual_elapsed_ms: figures.0[1],
        business_elapsed_ms: figures.0[2],
        warn_percent: figures.1,
        escalation_level: figures.2,
        backlog: figures.3,
        check: figures.4,
        evidence: rest.0,
        attributes: rest.1.into_iter().collect(),
        earlier_routes: rest.3,
        replay: rest.2,
    })
}

proptest! {
    #[test]
    fn what_is_written_reads_back(exception in exception()) {
        for format in [Format::Json, Format::Protobuf] {
            let bytes = encode_exception(&exception, format);
            prop_assert_eq!(decode_exception(&bytes, format), Ok(exception.clone()));
            prop_assert_eq!(encode_exception(&exception, format), bytes);
        }
    }

    #[test]
    fn anything_else_is_refused_in_bounds(bytes in vec(any::<u8>(), 0..200), cut in any::<prop::sample::Index>()) {
        for format in [Format::Json, Format::Protobuf] {
            if let Err(refused) = decode_exception(&bytes, format) {
                prop_assert!(refused.detail.chars().count() <= 300);
            }
        }
        let whole = encode_exception(&crate::codec::samples::sla(), Format::Json);
        let part = &whole[..cut.index(whole.len())];
        prop_assert!(decode_exception(part, Format::Json).is_err());
    }
}

#[test]
fn a_newer_version_s_fields_are_read_past() {
    let written = encode_exception(&crate::codec::samples::sla(), Format::Json);
    let grown = String::from_utf8(written).unwrap().replacen('{', r#"{"acknowledged_by":{"who":["x"]},"#, 1);
    assert_eq!(decode_exception(grown.as_bytes(), Format::Json), Ok(crate::codec::samples::sla()));
}

#[test]
fn what_lacks_its_subject_is_refused() {
    let written = String::from_utf8(encode_exception(&crate::codec::samples::sla(), Format::Json)).unwrap();
    let refused =
        decode_exception(written.replace(r#""order_id":"o-1""#, r#""order_id":null"#).as_bytes(), Format::Json);
    assert_eq!(refused.unwrap_err().detail, "expected an order_id, a group, or an entity and its id");
    assert!(decode_exception(b"", Format::Protobuf).unwrap_err().detail.starts_with("policy is missing"));
}
