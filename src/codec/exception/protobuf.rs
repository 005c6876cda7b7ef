//! proto/orderwatch/v1/exception.proto.

use prost::Message;

use super::NotAnException;
use crate::codec::generated::orderwatch::v1;
use crate::codec::wire_time::{from_protobuf, to_protobuf};
use crate::domain::exception::Other;
use crate::domain::{
    AttributeValue, BacklogFigures, CheckFigures, Currency, EventRef, Evidence, Exception, Kind, PolicyRef, Severity,
    Status, Str, Subject, Timestamp,
};

pub(in crate::codec) fn write(exception: &Exception) -> Vec<u8> {
    message(exception).encode_to_vec()
}

fn message(e: &Exception) -> v1::Exception {
    v1::Exception {
        exception_id: e.exception_id.to_string(),
        sequence: e.sequence,
        incarnation: e.incarnation,
        kind: kind(e.kind).into(),
        status: status(e.status).into(),
        policy: Some(v1::Policy { id: e.policy.id.to_string(), version: e.policy.version.to_string() }),
        subject: subject(&e.subject),
        entity: other(e).map(|other| other.entity.to_string()),
        id: other(e).map(|other| other.id.to_string()),
        severity: severity(e.severity).into(),
        owner: e.owner.to_string(),
        route: e.route.to_string(),
        expected_outcome: e.expected_outcome.to_string(),
        runbook: e.runbook.as_deref().map(str::to_owned),
        source: e.source.as_deref().map(str::to_owned),
        trigger: e.trigger.as_ref().map(event_ref),
        started_at: e.started_at.map(to_protobuf),
        deadline: e.deadline.map(to_protobuf),
        breached_at: e.breached_at.map(to_protobuf),
        ended_at: e.ended_at.map(to_protobuf),
        closed_by: e.closed_by.as_ref().map(event_ref),
        target_ms: e.target_ms,
        actual_elapsed_ms: e.actual_elapsed_ms,
        business_elapsed_ms: e.business_elapsed_ms,
        warn_percent: e.warn_percent.map(u32::from),
        escalation_level: e.escalation_level,
        evidence: e.evidence.map(|x| evidence(x).into()),
        frontier: Some(to_protobuf(e.frontier)),
        detected_at: Some(to_protobuf(e.detected_at)),
        attributes: e.attributes.iter().map(|(name, value)| (name.to_string(), scalar(value))).collect(),
        backlog: e.backlog.as_ref().map(|b| v1::Backlog {
            depth: b.depth,
            oldest_age_ms: b.oldest_age_ms,
            inflow_per_min: b.inflow_per_min,
            outflow_per_min: b.outflow_per_min,
            time_to_clear_ms: b.time_to_clear_ms,
        }),
        check: e.check.as_ref().map(|c| v1::Check {
            name: c.name.to_string(),
            reason: c.reason.to_string(),
            about: c.about.as_ref().map(Str::to_string),
            expected: c.expected,
            actual: c.actual,
            currency: c.currency.map(|c| c.to_string()),
        }),
        earlier_routes: e.earlier_routes.iter().map(Str::to_string).collect(),
        replay: e.replay.as_deref().map(str::to_owned),
        fulfillment_id: e.fulfillment_id.as_deref().map(str::to_owned),
    }
}

pub(in crate::codec) fn read(value: &[u8]) -> Result<Exception, NotAnException> {
    let m = v1::Exception::decode(value).map_err(NotAnException::new)?;
    let policy = m.policy.as_ref().ok_or_else(|| lacks("policy"))?;
    Ok(Exception {
        exception_id: Str::from(m.exception_id.as_str()),
        sequence: m.sequence,
        incarnation: m.incarnation,
        kind: kind_of(m.kind()).ok_or_else(|| lacks("kind"))?,
        status: status_of(m.status()).ok_or_else(|| lacks("status"))?,
        policy: PolicyRef { id: Str::from(policy.id.as_str()), version: Str::from(policy.version.as_str()) },
        subject: subject_of(&m).ok_or_else(|| lacks("subject"))?,
        fulfillment_id: m.fulfillment_id.as_deref().map(Str::from),
        severity: severity_of(m.severity()).ok_or_else(|| lacks("severity"))?,
        owner: Str::from(m.owner.as_str()),
        route: Str::from(m.route.as_str()),
        expected_outcome: Str::from(m.expected_outcome.as_str()),
        runbook: m.runbook.as_deref().map(Str::from),
        source: m.source.as_deref().map(Str::from),
        trigger: m.trigger.as_ref().map(|r| event_ref_of("trigger", r)).transpose()?,
        started_at: time("started_at", m.started_at.as_ref())?,
        deadline: time("deadline", m.deadline.as_ref())?,
        breached_at: time("breached_at", m.breached_at.as_ref())?,
        ended_at: time("ended_at", m.ended_at.as_ref())?,
        closed_by: m.closed_by.as_ref().map(|r| event_ref_of("closed_by", r)).transpose()?,
        target_ms: m.target_ms,
        actual_elapsed_ms: m.actual_elapsed_ms,
        business_elapsed_ms: m.business_elapsed_ms,
        warn_percent: m.warn_percent.map(u8::try_from).transpose().map_err(NotAnException::new)?,
        escalation_level: m.escalation_level,
        evidence: m.evidence.map(|_| evidence_of(m.evidence()).ok_or_else(|| lacks("evidence"))).transpose()?,
        frontier: time("frontier", m.frontier.as_ref())?.ok_or_else(|| lacks("frontier"))?,
        detected_at: time("detected_at", m.detected_at.as_ref())?.ok_or_else(|| lacks("detected_at"))?,
        backlog: m.backlog.map(backlog_of),
        check: m.check.as_ref().map(check_of).transpose()?,
        earlier_routes: m.earlier_routes.iter().map(Str::new).collect(),
        replay: m.replay.as_deref().map(Str::from),
        attributes: m.attributes.into_iter().map(|(name, value)| (Str::from(name), scalar_of(value))).collect(),
    })
}

fn lacks(field: &str) -> NotAnException {
    NotAnException::new(format_args!("{field} is missing or of a kind that this version does not know"))
}

fn time(field: &str, told: Option<&prost_types::Timestamp>) -> Result<Option<Timestamp>, NotAnException> {
    told.map(|t| from_protobuf(t).ok_or_else(|| NotAnException::new(format_args!("{field} is no instant")))).transpose()
}

fn event_ref(event: &EventRef) -> v1::EventRef {
    v1::EventRef {
        event_id: event.event_id.to_string(),
        r#type: event.kind.to_string(),
        event_time: Some(to_protobuf(event.event_time)),
        topic: event.topic.to_string(),
        partition: event.partition,
        offset: event.offset,
    }
}

fn event_ref_of(field: &str, event: &v1::EventRef) -> Result<EventRef, NotAnException> {
    Ok(EventRef {
        event_id: Str::from(event.event_id.as_str()),
        kind: Str::from(event.r#type.as_str()),
        event_time: time(field, event.event_time.as_ref())?.ok_or_else(|| lacks(field))?,
        topic: Str::from(event.topic.as_str()),
        partition: event.partition,
        offset: event.offset,
    })
}

/// `None` for what is named by `entity` and `id`.
fn subject(subject: &Subject) -> Option<v1::exception::Subject> {
    Some(match subject {
        Subject::Other(_) => return None,
        Subject::Order(id) => v1::exception::Subject::OrderId(id.to_string()),
        Subject::Group(pairs) => v1::exception::Subject::Group(v1::Group {
            values: pairs
                .iter()
                .map(|(name, value)| v1::GroupValue {
                    name: name.to_string(),
                    value: value.as_deref().map(str::to_owned),
                })
                .collect(),
        }),
    })
}

fn other(e: &Exception) -> Option<&Other> {
    match &e.subject {
        Subject::Other(other) => Some(other),
        Subject::Order(_) | Subject::Group(_) => None,
    }
}

fn subject_of(m: &v1::Exception) -> Option<Subject> {
    let Some(subject) = &m.subject else {
        let (entity, id) = m.entity.as_deref().map(Str::from).zip(m.id.as_deref().map(Str::from))?;
        return Some(Subject::Other(Box::new(Other { entity, id })));
    };
    Some(match subject {
        v1::exception::Subject::OrderId(id) => Subject::Order(Str::from(id.as_str())),
        v1::exception::Subject::Group(group) => Subject::Group(
            group.values.iter().map(|v| (Str::from(v.name.as_str()), v.value.as_deref().map(Str::from))).collect(),
        ),
    })
}

fn scalar(value: &AttributeValue) -> v1::Scalar {
    let value = match value {
        AttributeValue::Null => None,
        AttributeValue::Text(text) => Some(v1::scalar::Value::Text(text.to_string())),
        AttributeValue::Bool(b) => Some(v1::scalar::Value::Boolean(*b)),
        AttributeValue::Integer(i) => Some(v1::scalar::Value::Integer(*i)),
        AttributeValue::Decimal(d) => Some(v1::scalar::Value::Decimal(*d)),
    };
    v1::Scalar { value }
}

fn scalar_of(scalar: v1::Scalar) -> AttributeValue {
    match scalar.value {
        None => AttributeValue::Null,
        Some(v1::scalar::Value::Text(text)) => AttributeValue::Text(Str::from(text)),
        Some(v1::scalar::Value::Boolean(b)) => AttributeValue::Bool(b),
        Some(v1::scalar::Value::Integer(i)) => AttributeValue::Integer(i),
        Some(v1::scalar::Value::Decimal(d)) => AttributeValue::Decimal(d),
    }
}

fn backlog_of(b: v1::Backlog) -> BacklogFigures {
    BacklogFigures {
        depth: b.depth,
        oldest_age_ms: b.oldest_age_ms,
        inflow_per_min: b.inflow_per_min,
        outflow_per_min: b.outflow_per_min,
        time_to_clear_ms: b.time_to_clear_ms,
    }
}

fn check_of(c: &v1::Check) -> Result<CheckFigures, NotAnException> {
    let currency = c.currency.as_deref().map(|code| Currency::parse(code).ok_or_else(|| lacks("check.currency")));
    Ok(CheckFigures {
        name: Str::from(c.name.as_str()),
        reason: Str::from(c.reason.as_str()),
        about: c.about.as_deref().map(Str::from),
        expected: c.expected,
        actual: c.actual,
        currency: currency.transpose()?,
    })
}

/// Both directions of an enum: one line a word. The unspecified word is none.
macro_rules! words {
    ($to:ident, $from:ident, $domain:ident, $( $word:ident ),*) => {
        fn $to(word: $domain) -> v1::$domain {
            match word { $( $domain::$word => v1::$domain::$word ),* }
        }
        fn $from(word: v1::$domain) -> Option<$domain> {
            match word {
                v1::$domain::Unspecified => None,
                $( v1::$domain::$word => Some($domain::$word) ),*
            }
        }
    };
}

words!(kind, kind_of, Kind, Sla, Backlog, Reconciliation);
words!(status, status_of, Status, AtRisk, Averted, Opened, Escalated, Resolved, Retracted, Cancelled);
words!(severity, severity_of, Severity, Info, Warning, Critical);
words!(evidence, evidence_of, Evidence, Absent, Late);
