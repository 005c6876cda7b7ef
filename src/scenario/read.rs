//! A scenario's document.

use std::ops::Range;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use serde_json::{Map, Value as Json, json};

use crate::config::read::{Fields, Reader, did_you_mean, quoted};
use crate::config::yaml::{Key, Node, Value};
use crate::config::{Config, entity, values};
use crate::domain::{Entity, Exception, Kind, Severity, Status, Str, Subject, Timestamp};

/// A story and what must be said of it.
#[derive(Debug)]
pub struct Scenario {
    pub events: Vec<Told>,
    /// The frontier ends here.
    pub until: Timestamp,
    pub expected: Vec<Expected>,
    pub expect_span: Range<usize>,
    calendar: Dates,
}

/// An event, and when it is told.
#[derive(Debug)]
pub struct Told {
    /// Record time.
    pub at: Timestamp,
    /// The record's key; of a stock event, the sku.
    pub key: Str,
    /// Its topic's place in `streams:`, the inventory's after all others.
    pub stream: usize,
    /// JSON as on a topic.
    pub payload: Vec<u8>,
    pub span: Range<usize>,
}

/// A state that must be said; what is `None` may be anything.
#[derive(Debug)]
pub struct Expected {
    /// The frontier at which it is said, to the second.
    pub at: Timestamp,
    pub status: Status,
    pub policy: Str,
    /// `order: o-1`, `checkout: c-1`
    pub subject: Option<(Entity, Str)>,
    pub group: Option<Str>,
    pub owner: Option<Str>,
    pub route: Option<Str>,
    pub reason: Option<Str>,
    pub about: Option<Str>,
    pub severity: Option<Severity>,
    pub level: Option<i64>,
    pub fulfillment_id: Option<Str>,
    /// The orders that a check names, in its order.
    pub orders: Option<Vec<Str>>,
    /// To the second.
    pub deadline: Option<Timestamp>,
    pub span: Range<usize>,
}

/// What a time of the day means.
#[derive(Clone, Debug)]
struct Dates {
    day: Date,
    zone: TimeZone,
}

const STATUSES: [(&str, Status); 7] = [
    ("at_risk", Status::AtRisk),
    ("averted", Status::Averted),
    ("opened", Status::Opened),
    ("escalated", Status::Escalated),
    ("resolved", Status::Resolved),
    ("retracted", Status::Retracted),
    ("cancelled", Status::Cancelled),
];

/// Reads the document.
pub fn scenario(r: &mut Reader<'_>, node: &Node, config: &Config) -> Option<Scenario> {
    r.fields(node, |f| {
        f.required("story", values::text)?;
        let day = f.required("day", |r, n| {
            r.parsed(n, "a date such as `2026-11-20`", |text| text.parse::<Date>().map_err(|e| e.to_string()))
        });
        let zone = f.or("time_zone", TimeZone::UTC, |r, n| {
            r.parsed(n, "a time zone such as `Europe/Berlin`", |name| TimeZone::get(name).map_err(|e| e.to_string()))
        });
        let dates = Dates { day: day?, zone: zone? };
        let mut number = 0;
        let events = f.required("events", |r, n| {
            r.list(n, |r, n| {
                number += 1;
                event(r, n, &dates, config, number)
            })
        });
        let until = f.required("until", |r, n| time(r, n, &dates));
        let expected = f.required("expect", |r, n| r.list(n, |r, n| expected(r, n, &dates, config)));
        let expect_span = f.span("expect").clone();
        Some(Scenario { events: events?, until: until?, expected: expected?, expect_span, calendar: dates })
    })
}

fn expected(r: &mut Reader<'_>, node: &Node, dates: &Dates, config: &Config) -> Option<Expected> {
    r.fields(node, |f| {
        let at = f.required("at", |r, n| time(r, n, dates));
        let status = f.required("status", |r, n| r.one_of(n, &STATUSES));
        let policy = f.required("policy", |r, n| policy(r, n, config));
        let subject = subject(f, config);
        let mut text = |name| f.optional(name, values::text);
        let (group, owner, route) = (text("group"), text("owner"), text("route"));
        let (reason, about, fulfillment_id) = (text("reason"), text("about"), text("fulfillment_id"));
        let severity = f.optional("severity", values::severity);
        let orders = f.optional("orders", |r, n| r.list(n, values::text));
        let level = f.optional("level", values::at_least(0));
        let deadline = f.optional("deadline", |r, n| time(r, n, dates));
        Some(Expected {
            at: at?,
            status: status?,
            policy: policy?,
            subject: subject?,
            group: group?,
            owner: owner?,
            route: route?,
            reason: reason?,
            about: about?,
            severity: severity?,
            level: level?,
            fulfillment_id: fulfillment_id?,
            orders: orders?,
            deadline: deadline?,
            span: node.span.clone(),
        })
    })
}

fn policy(r: &mut Reader<'_>, node: &Node, config: &Config) -> Option<Str> {
    let id = values::text(r, node)?;
    let policies = &config.policies;
    let slas = policies.slas.iter().map(|sla| &sla.id);
    let ids = slas.chain(policies.queues().map(|b| &b.id)).chain(policies.checks.iter().map(|c| &c.id));
    let ids: Vec<&str> = ids.map(|id| id.as_str()).collect();
    if !ids.contains(&id.as_str()) {
        let help = did_you_mean(&id, ids);
        r.error_with_help(&node.span, format!("there is no policy {}", quoted(&id)), help);
        return None;
    }
    Some(id)
}

fn event(r: &mut Reader<'_>, node: &Node, dates: &Dates, config: &Config, number: usize) -> Option<Told> {
    r.fields(node, |f| {
        let at = f.required("at", |r, n| time(r, n, dates));
        let told = f.optional("told", |r, n| time(r, n, dates));
        let kind = f.required("type", values::text);
        let id = f.or("id", Str::new(format!("e-{number}")), values::text);
        let topic = f.optional("topic", |r, n| stream(r, n, config));
        let mut body = Map::new();
        let is_stock = f.node("sku").is_some();
        let (field, stream, key) = match is_stock {
            true => about_stock(f, config, topic, &mut body)?,
            false => about_entity(f, config, topic, &mut body, dates)?,
        };
        let at = at?;
        body.insert("event_id".into(), json!(id?.as_str()));
        body.insert(field, json!(key.as_str()));
        body.insert("type".into(), json!(kind?.as_str()));
        body.insert("event_time".into(), json!(at.as_millis()));
        let payload = serde_json::to_vec(&body).ok()?;
        Some(Told { at: told?.unwrap_or(at), key, stream, payload, span: node.span.clone() })
    })
}

/// What an event of an order, or of another entity, carries: the field of its id, its stream, and the id.
fn about_entity(
    f: &mut Fields<'_, '_, '_>,
    config: &Config,
    topic: Option<Option<usize>>,
    body: &mut Map<String, Json>,
    dates: &Dates,
) -> Option<(String, usize, Str)> {
    let subject = subject(f, config);
    let details = details(f, body, dates);
    let ((), subject, topic) = (details?, subject?, topic?);
    if topic.is_some_and(|stream| stream >= config.streams.len()) {
        f.reader.error(f.span("topic"), "this topic tells of stock: its events have a `sku`");
        return None;
    }
    let (stream, subject) = place(f, config, topic, subject)?;
    let field = config.streams.get(stream)?.id.as_deref().unwrap_or("order_id");
    Some((field.to_owned(), stream, subject))
}

/// What a stock event carries: the same.
fn about_stock(
    f: &mut Fields<'_, '_, '_>,
    config: &Config,
    topic: Option<Option<usize>>,
    body: &mut Map<String, Json>,
) -> Option<(String, usize, Str)> {
    let pieces = |r: &mut Reader<'_>, n: &Node| values::at_least(i64::MIN)(r, n).map(|pieces| json!(pieces));
    let text = |r: &mut Reader<'_>, n: &Node| values::text(r, n).map(|text| json!(text.as_str()));
    let sku = f.required("sku", values::text);
    let found = [
        ("location", f.optional("location", text)),
        ("source", f.optional("source", text)),
        ("available", f.optional("available", pieces)),
        ("quantity", f.optional("quantity", pieces)),
    ];
    for (name, value) in found {
        body.extend(value?.map(|value| (name.to_owned(), value)));
    }
    // Stock has a stream of its own; where there is none, `orders` refuses it.
    let of_stock = if config.inventory.is_empty() { 0 } else { config.streams.len() };
    Some(("sku".to_owned(), topic?.unwrap_or(of_stock), sku?))
}

/// `order: o-1`, or another entity that a stream is about, by its name: `checkout: c-1`.
fn subject(f: &mut Fields<'_, '_, '_>, config: &Config) -> Option<Option<(Entity, Str)>> {
    let all = entity::all(&config.streams);
    let read: Vec<_> = all.into_iter().map(|e| (f.optional(e.name().to_string(), values::text), e)).collect();
    let mut named = None;
    for (id, entity) in read {
        let Some(id) = id? else { continue };
        if named.is_some() {
            f.reader.error(f.span(entity.name()), "it is about one thing alone");
            return None;
        }
        named = Some((entity, id));
    }
    Some(named)
}

/// The stream that an event is told on, and the id of what it is about: that of its topic, else the first of its entity.
fn place(
    f: &mut Fields<'_, '_, '_>,
    config: &Config,
    topic: Option<usize>,
    subject: Option<(Entity, Str)>,
) -> Option<(usize, Str)> {
    let Some((entity, id)) = subject else {
        let stream = topic.unwrap_or(0);
        let entity = &config.streams.get(stream)?.entity;
        return Some((stream, if entity.is_order() { "o-1".into() } else { Str::new(format!("{entity}-1")) }));
    };
    let is_about = |place: &usize| config.streams.get(*place).is_some_and(|stream| stream.entity == entity);
    let place = topic.or_else(|| (0..config.streams.len()).find(is_about));
    let found = place.filter(is_about);
    if found.is_none() {
        f.reader.error(f.span("topic"), format!("this topic's events are not about {}", quoted(entity.name())));
    }
    found.map(|stream| (stream, id))
}

/// What only some events carry. Every field is asked for before any is given up on.
fn details(f: &mut Fields<'_, '_, '_>, body: &mut Map<String, Json>, dates: &Dates) -> Option<()> {
    let mut found: Vec<(&str, Option<Option<Json>>)> = Vec::new();
    for name in ["source", "payment_id", "capture_id", "fulfillment_id", "reason"] {
        found.push((name, f.optional(name, |r, n| values::text(r, n).map(|text| json!(text.as_str())))));
    }
    for name in ["total", "amount", "fee"] {
        found.push((name, f.optional(name, money)));
    }
    for name in ["promised_ship_by", "promised_deliver_by"] {
        found.push((name, f.optional(name, |r, n| promise(r, n, dates))));
    }
    found.push(("lines", f.optional("lines", lines)));
    found.push(("attributes", f.optional("attributes", attributes)));
    for (name, value) in found {
        body.extend(value?.map(|value| (name.to_owned(), value)));
    }
    Some(())
}

fn promise(r: &mut Reader<'_>, node: &Node, dates: &Dates) -> Option<Json> {
    match &node.value {
        Value::Scalar(text) if text == "withdrawn" => Some(Json::Null),
        _ => time(r, node, dates).map(|at| json!(at.as_millis())),
    }
}

/// `{A-1: 2, B-2: 1}`
fn lines(r: &mut Reader<'_>, node: &Node) -> Option<Json> {
    let line = |r: &mut Reader<'_>, sku: &Key, node: &Node| {
        Some(json!({"sku": sku.name, "quantity": values::at_least(0)(r, node)?}))
    };
    r.entries(node, line).map(Json::Array)
}

fn attributes(r: &mut Reader<'_>, node: &Node) -> Option<Json> {
    let all = r.entries(node, |r, name, node| match &node.value {
        Value::Null => Some((name.name.clone(), Json::Null)),
        _ => Some((name.name.clone(), scalar(&r.scalar(node, "a value")?))),
    })?;
    Some(Json::Object(all.into_iter().collect()))
}

fn scalar(text: &str) -> Json {
    match text {
        "true" => json!(true),
        "false" => json!(false),
        _ => text.parse::<i64>().map_or_else(|_| json!(text), |number| json!(number)),
    }
}

/// `123.45 EUR`: the digits after the point are those of the currency's minor unit.
fn money(r: &mut Reader<'_>, node: &Node) -> Option<Json> {
    r.parsed(node, "an amount such as `123.45 EUR`", |text| {
        let (figure, currency) = text.split_once(' ').ok_or("a currency is missing")?;
        let (whole, part) = figure.split_once('.').unwrap_or((figure, ""));
        let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !is_number(whole) || !is_number(part) {
            return Err("it is no figure".to_owned());
        }
        let minor: i64 = format!("{whole}{part}").parse().map_err(|_| "it is too large".to_owned())?;
        Ok(json!({"amount_minor": minor, "currency": currency}))
    })
}

fn stream(r: &mut Reader<'_>, node: &Node, config: &Config) -> Option<usize> {
    let topic = values::text(r, node)?;
    let topics = || config.streams.iter().chain(&config.inventory).map(|stream| stream.topic.as_str());
    let place = topics().position(|known| known == topic);
    if place.is_none() {
        let help = did_you_mean(&topic, topics());
        r.error_with_help(&node.span, format!("no stream reads the topic {}", quoted(&topic)), help);
    }
    place
}

/// `10:30`, `10:30:05`, `+2 10:30` (two days later) or `2026-11-21 10:30`, by the wall clock of the scenario's zone.
fn time(r: &mut Reader<'_>, node: &Node, dates: &Dates) -> Option<Timestamp> {
    let expected = "a time such as `10:30`, `10:30:05`, `+2 10:30` or `2026-11-21 10:30`";
    r.parsed(node, expected, |text| {
        dates.parse(text).ok_or_else(|| match text.starts_with('-') {
            true => "what was before `day` is written with its date".to_owned(),
            false => "hours, minutes and seconds have two digits each".to_owned(),
        })
    })
}

impl Dates {
    fn parse(&self, text: &str) -> Option<Timestamp> {
        let (day, clock) = match text.split_once(' ') {
            None => (self.day, text),
            Some((days, clock)) => match days.strip_prefix('+') {
                Some(days) => {
                    (self.day.checked_add(jiff::Span::new().try_days(days.parse::<i64>().ok()?).ok()?).ok()?, clock)
                }
                None => (days.parse().ok()?, clock),
            },
        };
        let at = self.zone.to_timestamp(DateTime::from_parts(day, clock.parse::<Time>().ok()?)).ok()?;
        Some(Timestamp::from_millis(at.as_millisecond()))
    }

    fn format(&self, at: Timestamp) -> String {
        let Ok(at) = jiff::Timestamp::from_millisecond(at.as_millis()) else { return at.to_string() };
        let at = self.zone.to_datetime(at);
        let clock = at.strftime("%H:%M:%S");
        if at.date() == self.day { clock.to_string() } else { format!("{} {clock}", at.date()) }
    }
}

impl Scenario {
    /// A state as the document would say it.
    pub fn line(&self, said: &Exception) -> String {
        let about = match &said.subject {
            Subject::Order(order) => format!("order: {order}"),
            Subject::Other(other) => format!("{}: {}", other.entity, other.id),
            Subject::Group(_) => format!("group: \"{}\"", said.subject.key(&said.policy.id)),
        };
        let mut line = format!(
            "{{at: \"{}\", status: {}, policy: {}, {about}",
            self.calendar.format(said.frontier),
            said.status.as_str(),
            said.policy.id
        );
        if said.level() > 0 {
            line += &format!(", level: {}", said.level());
        }
        if let Some(id) = &said.fulfillment_id {
            line += &format!(", fulfillment_id: {id}");
        }
        if let Some(check) = &said.check {
            line += &format!(", reason: {}", check.reason);
            if !check.orders.is_empty() {
                let orders: Vec<&str> = check.orders.iter().map(|order| order.order_id.as_str()).collect();
                line += &format!(", orders: [{}]", orders.join(", "));
            }
        }
        if let Some(deadline) = said.deadline.filter(|_| said.kind == Kind::Sla) {
            line += &format!(", deadline: \"{}\"", self.calendar.format(deadline));
        }
        line + &format!(", owner: {}}}", said.owner)
    }
}
