//! One exception of each kind, for the tests here.

use crate::domain::{
    AttributeValue, BacklogFigures, CheckFigures, Currency, EventRef, Evidence, Exception, Kind, PolicyRef, Severity,
    Status, Subject, Timestamp, exception_id,
};

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

/// CONTRACT's own example.
pub(crate) fn sla() -> Exception {
    Exception {
        exception_id: exception_id("paid-in-1h", "order", "o-1", None),
        sequence: 1,
        incarnation: 1,
        kind: Kind::Sla,
        status: Status::Opened,
        policy: PolicyRef { id: "paid-in-1h".into(), version: "0123456789ab".into() },
        subject: Subject::Order("o-1".into()),
        fulfillment_id: None,
        severity: Severity::Critical,
        owner: "payments-team".into(),
        route: "payments-oncall".into(),
        expected_outcome: "Payment captured in full, or the order cancelled".into(),
        runbook: Some("https://wiki.example.com/payments".into()),
        source: Some("webshop".into()),
        trigger: Some(EventRef {
            event_id: "8f2c".into(),
            kind: "order.placed".into(),
            event_time: at("2026-11-21T10:00:00Z"),
            topic: "orders".into(),
            partition: 3,
            offset: 120,
        }),
        started_at: Some(at("2026-11-21T10:00:00Z")),
        deadline: Some(at("2026-11-21T11:00:00Z")),
        breached_at: Some(at("2026-11-21T11:00:00Z")),
        ended_at: None,
        closed_by: None,
        target_ms: Some(3_600_000),
        actual_elapsed_ms: Some(3_600_000),
        business_elapsed_ms: Some(3_600_000),
        warn_percent: None,
        escalation_level: 0,
        evidence: Some(Evidence::Absent),
        frontier: at("2026-11-21T11:00:05.001Z"),
        detected_at: at("2026-11-21T11:00:05.017Z"),
        attributes: vec![("channel".into(), AttributeValue::Text("web".into()))],
        backlog: None,
        check: None,
        earlier_routes: Vec::new(),
        replay: None,
    }
}

/// A queue that backs up, escalated once.
pub(super) fn backlog() -> Exception {
    let group = Subject::Group(vec![("region".into(), Some("EU".into())), ("warehouse".into(), None)]);
    Exception {
        exception_id: exception_id("awaiting-shipment", "group", &group.key("awaiting-shipment"), None),
        sequence: 2,
        kind: Kind::Backlog,
        status: Status::Escalated,
        escalation_level: 1,
        policy: PolicyRef { id: "awaiting-shipment".into(), version: "0123456789ab".into() },
        subject: group,
        severity: Severity::Warning,
        owner: "warehouse-leads".into(),
        route: "ops".into(),
        runbook: None,
        source: None,
        trigger: None,
        deadline: None,
        target_ms: None,
        evidence: None,
        attributes: Vec::new(),
        backlog: Some(BacklogFigures {
            depth: 512,
            oldest_age_ms: Some(14_400_000),
            inflow_per_min: 12.4,
            outflow_per_min: 10.0,
            time_to_clear_ms: None,
        }),
        ..sla()
    }
}

/// A finding that was resolved, made by a replay.
pub(super) fn reconciliation() -> Exception {
    Exception {
        exception_id: exception_id("amount-mismatch", "order", "o-1", Some("under")),
        sequence: 2,
        kind: Kind::Reconciliation,
        status: Status::Resolved,
        policy: PolicyRef { id: "amount-mismatch".into(), version: "0123456789ab".into() },
        severity: Severity::Warning,
        owner: "finance".into(),
        route: "recon".into(),
        ended_at: Some(at("2026-11-21T12:00:00Z")),
        closed_by: Some(EventRef {
            event_id: "91aa".into(),
            kind: "payment.captured".into(),
            event_time: at("2026-11-21T12:00:00Z"),
            topic: "payments".into(),
            partition: 3,
            offset: 7,
        }),
        check: Some(CheckFigures {
            name: "amount_mismatch".into(),
            reason: "under".into(),
            about: None,
            expected: Some(12345),
            actual: Some(12000),
            currency: Currency::parse("EUR"),
            orders: Vec::new(),
        }),
        earlier_routes: Vec::new(),
        replay: Some("last week".into()),
        ..sla()
    }
}
