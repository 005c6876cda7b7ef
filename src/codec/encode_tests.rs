//! Records as the topics get them.

use std::collections::BTreeSet;

use super::*;
use crate::codec::{decode_exception, samples};
use crate::domain::{Severity, Status};

fn encoder(format: Format, replay: Option<&str>) -> Encoder {
    Encoder::new(EncoderConfig {
        sla: "sla-exceptions".into(),
        backlog: "backlog-exceptions".into(),
        reconciliation: "reconciliation-exceptions".into(),
        current: "exceptions-current".into(),
        routes: [("payments-oncall", "payments-exceptions"), ("recon", "reconciliation-exceptions")]
            .map(|(route, topic)| (route.into(), topic.into()))
            .into(),
        group_id: "order watch/1".into(),
        replay: replay.map(Str::new),
        format,
    })
}

fn publish(encoder: &Encoder, exception: Exception) -> Vec<OutputRecord> {
    encoder.transition(&Transition::Publish(Box::new(exception)), 3)
}

/// A record as `kcat` would show it.
fn shown(records: &[OutputRecord]) -> String {
    let text = |bytes: &Option<Bytes>| match bytes {
        None => "(null)".to_owned(),
        Some(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
    };
    let mut shown = String::new();
    for record in records {
        shown += &format!("{} [{:?}] {}\n", record.topic, record.partition, text(&record.key));
        for (name, value) in &record.headers {
            shown += &format!("  {name}: {}\n", text(value));
        }
        shown += &format!("  {}\n", text(&record.value));
    }
    shown
}

#[test]
fn one_of_each_kind_in_json() {
    insta::assert_snapshot!("sla", shown(&publish(&encoder(Format::Json, None), samples::sla())));
    insta::assert_snapshot!("backlog", shown(&publish(&encoder(Format::Json, None), samples::backlog())));
    let replay = encoder(Format::Json, Some("last week"));
    insta::assert_snapshot!("reconciliation", shown(&publish(&replay, samples::reconciliation())));
}

#[test]
fn the_contract_s_example_field_by_field() {
    let records = publish(&encoder(Format::Json, None), samples::sla());
    let id = samples::sla().exception_id;
    let expected = format!(
        concat!(
            r#"{{"exception_id":"{}","sequence":1,"incarnation":1,"kind":"sla","status":"opened","#,
            r#""policy":{{"id":"paid-in-1h","version":"0123456789ab"}},"order_id":"o-1","severity":"critical","#,
            r#""owner":"payments-team","route":"payments-oncall","#,
            r#""expected_outcome":"Payment captured in full, or the order cancelled","#,
            r#""runbook":"https://wiki.example.com/payments","source":"webshop","#,
            r#""trigger":{{"event_id":"8f2c","type":"order.placed","event_time":"2026-11-21T10:00:00.000Z","#,
            r#""topic":"orders","partition":3,"offset":120}},"started_at":"2026-11-21T10:00:00.000Z","#,
            r#""deadline":"2026-11-21T11:00:00.000Z","breached_at":"2026-11-21T11:00:00.000Z","ended_at":null,"#,
            r#""closed_by":null,"target_ms":3600000,"actual_elapsed_ms":3600000,"business_elapsed_ms":3600000,"#,
            r#""warn_percent":null,"escalation_level":0,"evidence":"absent","frontier":"2026-11-21T11:00:05.001Z","#,
            r#""detected_at":"2026-11-21T11:00:05.017Z","attributes":{{"channel":"web"}},"replay":null}}"#,
        ),
        id
    );
    assert_eq!(records[0].value.as_deref(), Some(expected.as_bytes()));
}

#[test]
fn a_state_goes_to_history_route_and_current_with_the_same_bytes() {
    for format in [Format::Json, Format::Protobuf] {
        let records = publish(&encoder(format, None), samples::sla());
        let topics: Vec<_> = records.iter().map(|r| (r.topic.as_str(), r.partition)).collect();
        let expected = [("sla-exceptions", None), ("payments-exceptions", None), ("exceptions-current", Some(3))];
        assert_eq!(topics, expected);
        for record in &records {
            assert_eq!(record.headers, records[0].headers);
            let (value, first) = (record.value.as_ref().unwrap(), records[0].value.as_ref().unwrap());
            assert_eq!(value.as_ptr(), first.as_ptr(), "the bytes are shared");
            assert_eq!(decode_exception(value, format), Ok(samples::sla()));
        }
        let content_type = [&b"application/json"[..], b"application/protobuf"][usize::from(format == Format::Protobuf)];
        assert_eq!(records[0].headers.last().unwrap().1.as_deref(), Some(content_type));
    }
}

#[test]
fn a_route_whose_topic_is_the_kind_s_own_is_written_once() {
    let records = publish(&encoder(Format::Json, None), samples::reconciliation());
    let topics: Vec<_> = records.iter().map(|r| r.topic.as_str()).collect();
    assert_eq!(topics, ["reconciliation-exceptions", "exceptions-current"]);
}

#[test]
fn a_close_goes_where_its_opening_went_although_a_rung_moved_it() {
    let mut resolved = samples::sla();
    resolved.earlier_routes = vec![std::mem::replace(&mut resolved.route, "recon".into())];
    let records = publish(&encoder(Format::Json, None), resolved);
    let topics: Vec<_> = records.iter().map(|r| r.topic.as_str()).collect();
    assert_eq!(topics, ["sla-exceptions", "payments-exceptions", "reconciliation-exceptions", "exceptions-current"]);
}

#[test]
fn a_tombstone_goes_to_current_alone() {
    let records = encoder(Format::Json, None).transition(&Transition::Tombstone("e-1".into()), 2);
    let tombstone = OutputRecord {
        topic: "exceptions-current".into(),
        partition: Some(2),
        key: Some(Bytes::from_static(b"e-1")),
        value: None,
        headers: vec![],
    };
    assert_eq!(records, [tombstone]);
}

#[test]
fn ce_id_tells_states_apart_and_nothing_else() {
    let id = |change: &dyn Fn(&mut Exception)| {
        let mut exception = samples::sla();
        change(&mut exception);
        cloudevents::id(&exception)
    };
    let same = id(&|_| {});
    // What differs between two tellings of one state: a restart, a takeover, a policy edit, a replay.
    assert_eq!(id(&|e| e.detected_at = e.frontier), same);
    assert_eq!(id(&|e| e.policy.version = "other".into()), same);
    assert_eq!(id(&|e| (e.sequence, e.severity, e.replay) = (9, Severity::Info, Some("r".into()))), same);
    let others: BTreeSet<_> = [
        same,
        id(&|e| e.exception_id = "other".into()),
        id(&|e| e.status = Status::Resolved),
        id(&|e| e.incarnation = 2),
        id(&|e| (e.status, e.escalation_level) = (Status::Escalated, 1)),
        id(&|e| (e.status, e.escalation_level) = (Status::Escalated, 2)),
        id(&|e| (e.status, e.warn_percent) = (Status::AtRisk, Some(50))),
        id(&|e| (e.status, e.warn_percent) = (Status::AtRisk, Some(80))),
    ]
    .into();
    assert_eq!(others.len(), 8);
}
