//! The messages of proto/orderwatch/internal/v1/snapshot.proto, and how domain types become them and come back. Those of orders
//! come back only: versions 1 and 2 of the file had them.

use super::header::{PolicyDocument, SnapshotHeader, SnapshotInput, SnapshotTotals};
use crate::domain::event::Details;
use crate::domain::{
    AttributeValue, Currency, Entity, Event, Line, Milestone, Money, Position, Promise, Str, StreamId, Timestamp,
};

use crate::codec::generated::orderwatch::internal::v1 as messages;
use messages::{
    SnapshotAttribute, SnapshotDetails, SnapshotEvent, SnapshotLines, SnapshotMoney, SnapshotPromise,
    snapshot_attribute,
};

/// What a message says that no domain value can hold: the file is not ours, or newer.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct BadMessage(pub String);

/// Orders go without a word, as they did before there was anything else.
fn entity_out(entity: &Str) -> String {
    if entity == Entity::ORDER_NAME { String::new() } else { entity.to_string() }
}

/// The name of an entity.
pub fn entity_in(entity: String) -> Str {
    if entity.is_empty() { Str::new_static(Entity::ORDER_NAME) } else { Str::from(entity) }
}

/// An event of `order_id`; `stream` is what the message's input became here.
pub fn event_in(message: SnapshotEvent, order_id: &Str, stream: StreamId) -> Result<Event, BadMessage> {
    Ok(Event {
        order_id: order_id.clone(),
        event_id: message.event_id.into(),
        source: message.source.into(),
        milestone: Milestone::parse(&message.r#type),
        event_time: Timestamp::from_millis(message.event_time_ms),
        event_time_inferred: message.event_time_inferred,
        record_time: Timestamp::from_millis(message.record_time_ms),
        position: Position { stream, partition: message.partition, offset: message.offset },
        details: message.details.map(details_in).transpose()?.map(Box::new),
    })
}

fn details_in(m: SnapshotDetails) -> Result<Details, BadMessage> {
    let lines = |l: SnapshotLines| {
        l.lines.into_iter().map(|l| Line { sku: l.sku.into(), quantity: l.quantity }).collect::<Vec<_>>()
    };
    Ok(Details {
        total: m.total.map(money_in).transpose()?,
        lines: m.lines.map(lines),
        promised_ship_by: promise_in(m.promised_ship_by),
        promised_deliver_by: promise_in(m.promised_deliver_by),
        attributes: m.attributes.into_iter().map(attribute_in).collect(),
        payment_id: m.payment_id.map(Str::from),
        capture_id: m.capture_id.map(Str::from),
        amount: m.amount.map(money_in).transpose()?,
        fee: m.fee.map(money_in).transpose()?,
        fulfillment_id: m.fulfillment_id.map(Str::from),
        reason: m.reason.map(Str::from),
    })
}

fn money_in(m: SnapshotMoney) -> Result<Money, BadMessage> {
    let currency =
        Currency::parse(&m.currency).ok_or_else(|| BadMessage(format!("`{}` is no currency", m.currency)))?;
    Ok(Money { amount_minor: m.amount_minor, currency })
}

fn promise_in(m: Option<SnapshotPromise>) -> Promise {
    match m {
        None => Promise::Unchanged,
        Some(SnapshotPromise { at_ms: None }) => Promise::Withdrawn,
        Some(SnapshotPromise { at_ms: Some(at) }) => Promise::At(Timestamp::from_millis(at)),
    }
}

fn attribute_in(m: SnapshotAttribute) -> (Str, AttributeValue) {
    use snapshot_attribute::Value;
    let value = match m.value {
        None => AttributeValue::Null,
        Some(Value::Text(text)) => AttributeValue::Text(text.into()),
        Some(Value::Boolean(b)) => AttributeValue::Bool(b),
        Some(Value::Integer(i)) => AttributeValue::Integer(i),
        Some(Value::Decimal(d)) => AttributeValue::Decimal(d),
    };
    (m.name.into(), value)
}

impl From<&SnapshotHeader> for messages::SnapshotHeader {
    fn from(h: &SnapshotHeader) -> Self {
        let inputs = h.inputs.iter().map(|i| messages::SnapshotInput {
            topic: i.topic.to_string(),
            entity: entity_out(&i.entity),
            next_offset: i.next_offset,
            effective_max_ms: i.effective_max.map(Timestamp::as_millis),
        });
        messages::SnapshotHeader {
            shard: h.shard,
            cluster_id: h.cluster_id.clone(),
            group_id: h.group_id.to_string(),
            inputs: inputs.collect(),
            frontier_ms: h.frontier.map(Timestamp::as_millis),
            complete_since_ms: h.complete_since.map(Timestamp::as_millis),
            policies: Some(messages::SnapshotPolicies {
                text: h.policies.text.clone(),
                version: h.policies.version.to_string(),
                revision: h.policies.revision,
            }),
            taken_at_ms: h.taken_at.as_millis(),
            written_by: h.written_by.clone(),
        }
    }
}

impl From<messages::SnapshotHeader> for SnapshotHeader {
    fn from(m: messages::SnapshotHeader) -> Self {
        let policies = m.policies.unwrap_or_default();
        let inputs = m.inputs.into_iter().map(|i| SnapshotInput {
            topic: i.topic.into(),
            entity: entity_in(i.entity),
            next_offset: i.next_offset,
            effective_max: i.effective_max_ms.map(Timestamp::from_millis),
        });
        SnapshotHeader {
            shard: m.shard,
            cluster_id: m.cluster_id,
            group_id: m.group_id.into(),
            inputs: inputs.collect(),
            frontier: m.frontier_ms.map(Timestamp::from_millis),
            complete_since: m.complete_since_ms.map(Timestamp::from_millis),
            policies: PolicyDocument {
                text: policies.text,
                version: policies.version.into(),
                revision: policies.revision,
            },
            taken_at: Timestamp::from_millis(m.taken_at_ms),
            written_by: m.written_by,
        }
    }
}

impl From<SnapshotTotals> for messages::SnapshotTrailer {
    fn from(t: SnapshotTotals) -> Self {
        messages::SnapshotTrailer { orders: t.orders, tombstones: t.tombstones, events: t.events }
    }
}

impl From<messages::SnapshotTrailer> for SnapshotTotals {
    fn from(m: messages::SnapshotTrailer) -> Self {
        SnapshotTotals { orders: m.orders, tombstones: m.tombstones, events: m.events }
    }
}
