use super::*;
use crate::domain::event::Details;
use crate::domain::{Milestone, Position, Severity, StreamId};
use crate::policy::backlog::{Bounds, Counts};
use crate::policy::{Condition, Responsibility};

fn check() -> Backlog {
    Backlog {
        entity: crate::domain::Entity::order(),
        id: "oversold".into(),
        counts: Counts::Demand,
        from: Standard::OrderPlaced.into(),
        until: Standard::OrderFullyShipped.into(),
        when: None,
        exclude_between: None,
        group_by: vec!["sku".into()],
        max_groups: 10,
        open_when: Bounds::default(),
        clear_when: Bounds::default(),
        escalate_after: vec![],
        grace: None,
        responsibility: Responsibility {
            severity: Severity::Info,
            owner: "o".into(),
            route: "r".into(),
            expected_outcome: "e".into(),
            runbook: None,
        },
    }
}

/// `TIME TYPE [#FULFILLMENT] [SKU:PIECES …] [NAME=VALUE]`.
fn event(offset: i64, line: &str) -> Event {
    let mut words = line.split(' ');
    let at = Timestamp::from_millis(words.next().unwrap().parse().unwrap());
    let milestone = Milestone::parse(words.next().unwrap());
    let mut details = Details::default();
    for word in words {
        if let Some(id) = word.strip_prefix('#') {
            details.fulfillment_id = Some(id.into());
        } else if let Some((sku, pieces)) = word.split_once(':') {
            let line = Line { sku: sku.into(), quantity: pieces.parse().unwrap() };
            details.lines.get_or_insert_default().push(line);
        } else {
            let (name, value) = word.split_once('=').unwrap();
            details.attributes.push((name.into(), crate::domain::AttributeValue::Text(value.into())));
        }
    }
    Event {
        order_id: "o".into(),
        event_id: Str::from(offset.to_string()),
        source: "shop".into(),
        milestone,
        event_time: at,
        event_time_inferred: false,
        record_time: at,
        position: Position { stream: StreamId(0), partition: 0, offset },
        details: Some(Box::new(details)),
    }
}

/// `PIECES SKU FROM..UNTIL` for each stretch, all of them since the order was placed.
fn wanted(check: &Backlog, lines: &[&str]) -> Vec<String> {
    let mut events: Vec<_> = lines.iter().enumerate().map(|(i, line)| event(i as i64, line)).collect();
    events.sort_by_key(Event::order_key);
    let view = OrderView::new("o", &events);
    let placed = view.first(&Standard::OrderPlaced.into()).map(|reached| reached.at);
    let told = |m: Membership| {
        assert_eq!(Some(m.since), placed);
        let until = m.until.map_or(String::new(), |t| t.as_millis().to_string());
        let sku = m.group.values()[0].as_deref().unwrap().to_owned();
        format!("{} {sku} {}..{until}", m.quantity, m.from.as_millis())
    };
    check.memberships(&view).into_iter().map(told).collect()
}

const NONE: [&str; 0] = [];

#[test]
fn an_order_wants_its_lines_until_they_have_left() {
    let c = check();
    assert_eq!(wanted(&c, &["5 order.confirmed A:2"]), NONE, "it is not placed");
    assert_eq!(wanted(&c, &["5 order.placed"]), NONE, "nobody knows what it wants");
    assert_eq!(wanted(&c, &["5 order.placed A:2 B:1"]), ["2 A 5..", "1 B 5.."]);
    assert_eq!(wanted(&c, &["3 order.confirmed A:2", "5 order.placed"]), ["2 A 5.."]);
    let split = ["5 order.placed A:3 B:1", "8 fulfillment.shipped #1 A:1", "9 fulfillment.shipped #2 A:2"];
    assert_eq!(wanted(&c, &split), ["3 A 5..8", "1 B 5..", "2 A 8..9"]);
    assert_eq!(wanted(&c, &["5 order.placed A:3 B:1", "8 fulfillment.shipped #1"]), ["3 A 5..8", "1 B 5..8"]);
    assert_eq!(wanted(&c, &["5 order.placed A:1", "3 fulfillment.shipped A:1"]), NONE, "it left before it was told");
    let too_many = ["5 order.placed A:1", "6 fulfillment.shipped A:4", "7 order.changed A:6"];
    assert_eq!(wanted(&c, &too_many), ["1 A 5..6", "2 A 7.."]);
}

#[test]
fn one_parcel_told_by_two_systems_left_once() {
    let lines = ["5 order.placed A:3", "8 fulfillment.shipped #1 A:1", "9 fulfillment.shipped #1 A:1"];
    assert_eq!(wanted(&check(), &lines), ["3 A 5..8", "2 A 8.."]);
    let without = ["5 order.placed A:3", "8 fulfillment.shipped A:1", "9 fulfillment.shipped A:1"];
    assert_eq!(wanted(&check(), &without), ["3 A 5..8", "2 A 8..9", "1 A 9.."], "two parcels without a number");
    let back = ["5 order.placed A:1", "8 fulfillment.shipped #1 A:1", "9 fulfillment.returned #1 A:1"];
    assert_eq!(wanted(&check(), &back), ["1 A 5..8"]);
}

#[test]
fn a_change_replaces_the_lines() {
    let lines = ["5 order.placed A:3 B:1", "8 order.changed A:1 C:2", "9 order.changed total=9"];
    assert_eq!(wanted(&check(), &lines), ["3 A 5..8", "1 B 5..8", "1 A 8..", "2 C 8.."]);
}

#[test]
fn whoever_ends_wants_nothing() {
    for end in ["order.cancelled", "order.completed", "fulfillment.delivered #1"] {
        let end = format!("9 {end}");
        assert_eq!(wanted(&check(), &["5 order.placed A:3", &end]), ["3 A 5..9"], "{end}");
    }
    assert_eq!(wanted(&check(), &["5 order.placed A:3", "5 order.cancelled"]), NONE);
    let after = ["5 order.placed A:3", "7 order.cancelled", "9 order.changed A:9"];
    assert_eq!(wanted(&check(), &after), ["3 A 5..7"]);
}

#[test]
fn the_condition_chooses_the_orders_as_they_were_placed() {
    let when = Condition::compile(r#"order.attributes.region == "EU""#).unwrap();
    let c = Backlog { when: Some(when), ..check() };
    assert_eq!(wanted(&c, &["5 order.placed A:3 region=EU", "7 note region=US"]), ["3 A 5.."]);
    assert_eq!(wanted(&c, &["5 order.placed A:3", "7 note region=EU"]), NONE);
}

#[test]
fn absurd_quantities_are_bounded() {
    let line = format!("5 order.placed A:{}", i64::MAX);
    assert_eq!(wanted(&check(), &[&line]), [format!("{} A 5..", 1_i64 << 40)]);
}
