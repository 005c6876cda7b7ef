//! Protobuf -> [`Told`].

use std::borrow::Cow;

use prost::Message;

use super::rules::{MAX_ATTRIBUTES, MAX_LINES};
use super::told::{AtMost, Scalar, Shaped, Told, ToldLine, ToldMoney};
use crate::codec::generated::orderwatch::v1;
use crate::codec::malformed::{Malformed, MalformedCode};
use crate::codec::wire_time;

pub(super) fn read(value: &[u8]) -> Result<Told<'static>, Malformed> {
    let event = v1::OrderEvent::decode(value)
        .map_err(|e| Malformed::new(MalformedCode::BadProtobuf, format!("not an orderwatch.v1.OrderEvent: {e}")))?;
    let promised_ship_by =
        promise("promised_ship_by", event.promised_ship_by.as_ref(), event.promised_ship_by_withdrawn)?;
    let promised_deliver_by =
        promise("promised_deliver_by", event.promised_deliver_by.as_ref(), event.promised_deliver_by_withdrawn)?;
    Ok(Told {
        event_id: text(event.event_id),
        order_id: text(event.order_id),
        id: text(event.id),
        kind: text(event.r#type),
        event_time: event.event_time.map(|t| time("event_time", &t)).transpose()?,
        source: text(event.source),
        total: event.total.map(money),
        lines: list(event.lines.into_iter().map(line), MAX_LINES),
        promised_ship_by,
        promised_deliver_by,
        attributes: list(event.attributes.into_iter().map(|(k, v)| (Cow::Owned(k), scalar(v))), MAX_ATTRIBUTES),
        payment_id: text(event.payment_id),
        capture_id: text(event.capture_id),
        amount: event.amount.map(money),
        fee: event.fee.map(money),
        fulfillment_id: text(event.fulfillment_id),
        reason: text(event.reason),
    })
}

fn text(value: String) -> Option<Scalar<'static>> {
    (!value.is_empty()).then_some(Scalar::Text(Cow::Owned(value)))
}

fn list<T>(items: impl ExactSizeIterator<Item = T>, bound: usize) -> Option<Shaped<AtMost<T>>> {
    (items.len() > 0).then(|| {
        let mut list = AtMost::new(bound);
        items.for_each(|item| list.push(item));
        Shaped::As(list)
    })
}

fn line(line: v1::Line) -> ToldLine<'static> {
    ToldLine { sku: text(line.sku), quantity: Some(Scalar::Integer(line.quantity)), not_an_object: None }
}

fn money(money: v1::Money) -> Shaped<ToldMoney<'static>> {
    Shaped::As(ToldMoney { amount_minor: Some(Scalar::Integer(money.amount_minor)), currency: text(money.currency) })
}

fn scalar(scalar: v1::Scalar) -> Scalar<'static> {
    match scalar.value {
        None => Scalar::Null,
        Some(v1::scalar::Value::Text(text)) => Scalar::Text(Cow::Owned(text)),
        Some(v1::scalar::Value::Boolean(b)) => Scalar::Bool(b),
        Some(v1::scalar::Value::Integer(i)) => Scalar::Integer(i),
        Some(v1::scalar::Value::Decimal(d)) => Scalar::Decimal(d),
    }
}

fn time(field: &str, time: &prost_types::Timestamp) -> Result<Scalar<'static>, Malformed> {
    let parsed = wire_time::from_protobuf(time).ok_or_else(|| {
        let detail = format!("{field} is {}s and {}ns, which is no instant", time.seconds, time.nanos);
        Malformed::new(MalformedCode::BadTime, detail)
    })?;
    Ok(Scalar::Integer(parsed.as_millis()))
}

fn promise(
    field: &str,
    at: Option<&prost_types::Timestamp>,
    withdrawn: bool,
) -> Result<Option<Scalar<'static>>, Malformed> {
    match (at, withdrawn) {
        (None, false) => Ok(None),
        (None, true) => Ok(Some(Scalar::Null)),
        (Some(at), false) => time(field, at).map(Some),
        (Some(_), true) => {
            let detail = format!("{field} and {field}_withdrawn are both set; expected one of them");
            Err(Malformed::new(MalformedCode::DuplicateField, detail))
        }
    }
}
