//! For tests: any event of an order there can be, and a bare one.

use proptest::prelude::*;

use super::event::Details;
use super::{
    AttributeValue, Currency, Event, Line, Milestone, Money, Position, Promise, Standard, Str, StreamId, Timestamp,
};

/// Any text; some that say something to whoever packs them: UUIDs and what nearly is one, the order's id, common words.
fn text() -> impl Strategy<Value = Str> {
    prop_oneof![
        4 => "\\PC{0,30}",
        1 => "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        1 => "[0-9A-Fa-f-]{36}",
        1 => "o-1\\PC{0,9}",
        2 => "[ab]",
        1 => "\\PC{60,140}",
    ]
    .prop_map(Str::from)
}

fn money() -> impl Strategy<Value = Money> {
    (any::<i64>(), "[A-Z]{3}")
        .prop_map(|(amount_minor, code)| Money { amount_minor, currency: Currency::parse(&code).unwrap() })
}

fn time() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp::from_millis)
}

fn promise() -> impl Strategy<Value = Promise> {
    prop_oneof![Just(Promise::Unchanged), Just(Promise::Withdrawn), time().prop_map(Promise::At)]
}

fn attribute() -> impl Strategy<Value = AttributeValue> {
    prop_oneof![
        Just(AttributeValue::Null),
        text().prop_map(AttributeValue::Text),
        any::<bool>().prop_map(AttributeValue::Bool),
        any::<i64>().prop_map(AttributeValue::Integer),
        prop::num::f64::NORMAL.prop_map(AttributeValue::Decimal),
    ]
}

fn details() -> impl Strategy<Value = Details> {
    let line = (text(), any::<i64>()).prop_map(|(sku, quantity)| Line { sku, quantity });
    let words = prop::collection::vec(prop::option::of(text()), 4);
    let money = (prop::option::of(money()), prop::option::of(money()), prop::option::of(money()));
    (
        money,
        prop::option::of(prop::collection::vec(line, 0..4)),
        (promise(), promise()),
        prop::collection::vec((text(), attribute()), 0..4),
        words,
    )
        .prop_map(|((total, amount, fee), lines, (ship, deliver), attributes, mut words)| Details {
            total,
            lines,
            promised_ship_by: ship,
            promised_deliver_by: deliver,
            attributes,
            payment_id: words.pop().flatten(),
            capture_id: words.pop().flatten(),
            amount,
            fee,
            fulfillment_id: words.pop().flatten(),
            reason: words.pop().flatten(),
        })
}

/// An event of order `o-1` that is known when it happens, `at_ms` after 1970, and says nothing else.
pub fn bare(milestone: impl Into<Milestone>, at_ms: i64) -> Event {
    let at = Timestamp::from_millis(at_ms);
    Event {
        order_id: "o-1".into(),
        event_id: "e".into(),
        source: "shop".into(),
        milestone: milestone.into(),
        event_time: at,
        event_time_inferred: false,
        record_time: at,
        position: Position { stream: StreamId(0), partition: 0, offset: 0 },
        details: None,
    }
}

pub fn event() -> impl Strategy<Value = Event> {
    let milestone = prop_oneof![
        prop::sample::select(Standard::ALL).prop_map(|s| s.as_str().to_owned()),
        "[a-z.]{1,20}".prop_map(String::from),
    ];
    (
        (text(), text(), milestone),
        (time(), any::<bool>(), time()),
        (0..3_u16, prop_oneof![Just(0), any::<i32>()], any::<i64>()),
        prop::option::of(details()),
    )
        .prop_map(|((event_id, source, milestone), (event_time, inferred, record_time), at, details)| Event {
            order_id: "o-1".into(),
            event_id,
            source,
            milestone: Milestone::parse(&milestone),
            event_time,
            event_time_inferred: inferred,
            record_time,
            position: Position { stream: StreamId(at.0), partition: at.1, offset: at.2 },
            details: details.map(Box::new),
        })
}
