//! CONTRACT's "Output exception": the field order is the contract's, nulls are written.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::{Serialize, Serializer};

use super::NotAnException;
use crate::domain::exception::Other;
use crate::domain::{
    AttributeValue, BacklogFigures, CheckFigures, EventRef, Evidence, Exception, Kind, PolicyRef, Severity, Status,
    Str, Subject, Timestamp,
};

/// One exception's value. An order's has `order_id`, a group's has it null, and what is neither has `entity` and `id` in its
/// place. `group`, `backlog`, `check`, `earlier_routes` and `fulfillment_id` are there only where they say
/// something.
#[derive(Serialize, serde::Deserialize)]
struct Body {
    exception_id: Str,
    sequence: u32,
    incarnation: u32,
    kind: Kind,
    status: Status,
    policy: PolicyRef,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    order_id: Option<Option<Str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    entity: Option<Str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<Str>,
    severity: Severity,
    owner: Str,
    route: Str,
    expected_outcome: Str,
    runbook: Option<Str>,
    source: Option<Str>,
    trigger: Option<EventRef>,
    started_at: Option<Timestamp>,
    deadline: Option<Timestamp>,
    breached_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    closed_by: Option<EventRef>,
    target_ms: Option<i64>,
    actual_elapsed_ms: Option<i64>,
    business_elapsed_ms: Option<i64>,
    warn_percent: Option<u8>,
    escalation_level: u32,
    evidence: Option<Evidence>,
    frontier: Timestamp,
    detected_at: Timestamp,
    attributes: Pairs<AttributeValue>,
    replay: Option<Str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<Pairs<Option<Str>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    backlog: Option<BacklogFigures>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    check: Option<CheckFigures>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    earlier_routes: Vec<Str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fulfillment_id: Option<Str>,
}

pub(in crate::codec) fn write(exception: &Exception) -> Vec<u8> {
    const USUAL: usize = 1536;
    let mut text = Vec::with_capacity(USUAL);
    // Cannot fail: every key is a string and nothing here makes an error of its own.
    match serde_json::to_writer(&mut text, &Body::from(exception)) {
        Ok(()) => text,
        Err(_) => Vec::new(),
    }
}

pub(in crate::codec) fn read(value: &[u8]) -> Result<Exception, NotAnException> {
    let body: Body = serde_json::from_slice(value).map_err(NotAnException::new)?;
    let subject = match (body.order_id.flatten(), body.group, body.entity, body.id) {
        (Some(id), None, None, None) => Subject::Order(id),
        (None, Some(group), None, None) => Subject::Group(group.0),
        (None, None, Some(entity), Some(id)) => Subject::Other(Box::new(Other { entity, id })),
        _ => return Err(NotAnException::new("expected an order_id, a group, or an entity and its id")),
    };
    Ok(Exception {
        exception_id: body.exception_id,
        sequence: body.sequence,
        incarnation: body.incarnation,
        kind: body.kind,
        status: body.status,
        policy: body.policy,
        subject,
        fulfillment_id: body.fulfillment_id,
        severity: body.severity,
        owner: body.owner,
        route: body.route,
        expected_outcome: body.expected_outcome,
        runbook: body.runbook,
        source: body.source,
        trigger: body.trigger,
        started_at: body.started_at,
        deadline: body.deadline,
        breached_at: body.breached_at,
        ended_at: body.ended_at,
        closed_by: body.closed_by,
        target_ms: body.target_ms,
        actual_elapsed_ms: body.actual_elapsed_ms,
        business_elapsed_ms: body.business_elapsed_ms,
        warn_percent: body.warn_percent,
        escalation_level: body.escalation_level,
        evidence: body.evidence,
        frontier: body.frontier,
        detected_at: body.detected_at,
        attributes: body.attributes.0,
        backlog: body.backlog,
        check: body.check,
        earlier_routes: body.earlier_routes,
        replay: body.replay,
    })
}

impl From<&Exception> for Body {
    fn from(exception: &Exception) -> Self {
        // A short string's clone copies 24 bytes or counts a reference.
        let e = exception.clone();
        let (order_id, group, other) = match e.subject {
            Subject::Order(id) => (Some(Some(id)), None, None),
            Subject::Group(pairs) => (Some(None), Some(Pairs(pairs)), None),
            Subject::Other(other) => (None, None, Some(*other)),
        };
        let (entity, id) = other.map(|other| (other.entity, other.id)).unzip();
        Body {
            exception_id: e.exception_id,
            sequence: e.sequence,
            incarnation: e.incarnation,
            kind: e.kind,
            status: e.status,
            policy: e.policy,
            order_id,
            entity,
            id,
            severity: e.severity,
            owner: e.owner,
            route: e.route,
            expected_outcome: e.expected_outcome,
            runbook: e.runbook,
            source: e.source,
            trigger: e.trigger,
            started_at: e.started_at,
            deadline: e.deadline,
            breached_at: e.breached_at,
            ended_at: e.ended_at,
            closed_by: e.closed_by,
            target_ms: e.target_ms,
            actual_elapsed_ms: e.actual_elapsed_ms,
            business_elapsed_ms: e.business_elapsed_ms,
            warn_percent: e.warn_percent,
            escalation_level: e.escalation_level,
            evidence: e.evidence,
            frontier: e.frontier,
            detected_at: e.detected_at,
            attributes: Pairs(e.attributes),
            earlier_routes: e.earlier_routes,
            replay: e.replay,
            group,
            backlog: e.backlog,
            check: e.check,
            fulfillment_id: e.fulfillment_id,
        }
    }
}

/// An object whose members keep their order.
struct Pairs<V>(Vec<(Str, V)>);

impl<V: Serialize> Serialize for Pairs<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Pairs<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for PairsVisitor<V> {
            type Value = Pairs<V>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(PairsVisitor(PhantomData))
    }
}
