//! A history as a user would write it: two YAML documents and JSON events.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::calendars::calendar;
use crate::history::{Drawn, History};
use crate::oracle::minutes::{Day, Hours, MINUTE};
use crate::oracle::{Event, Money, Promise, Target, When, Which};

/// The order's id.
pub const ORDER: &str = "o-1";

/// orderwatch.yaml
pub fn configuration(history: &History) -> String {
    let stream = |(topic, grace): (&&str, &Option<i64>)| {
        let grace = grace.map(|grace| format!(", grace: {grace}ms")).unwrap_or_default();
        format!("{{topic: {topic}{grace}}}")
    };
    let streams: Vec<String> = history.topics.iter().zip(&history.stream_grace).map(stream).collect();
    format!(
        "kafka: {{brokers: localhost:9092}}\nstreams: [{}]\ngrace: {}ms\nretain_closed: 400d\nmax_open: 400d\n\
         start: {{from: earliest}}\nsnapshots: {{url: \"file://snapshots\"}}\npolicies: policies.yaml\n",
        streams.join(", "),
        history.grace
    )
}

/// policies.yaml
pub fn policies(history: &History) -> String {
    let mut numbers: Vec<usize> = history.slas.iter().filter_map(|drawn| drawn.calendar).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let mut text = String::new();
    if !numbers.is_empty() {
        text += "calendars:\n";
    }
    for number in numbers {
        text += &calendar_lines(history.season, number);
    }
    text += "slas:\n";
    for drawn in &history.slas {
        text += &sla(drawn);
    }
    text
}

fn calendar_lines(season: usize, number: usize) -> String {
    let calendar = &calendar(season, number).calendar;
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let week = days.iter().zip(&calendar.week).map(|(day, hours)| format!("{day}: {}", spans(hours)));
    let date = |day: &Day| {
        let midnight = jiff::Timestamp::from_second(day * 24 * 60 * 60).expect("a day in range");
        midnight.strftime("%Y-%m-%d").to_string()
    };
    let holidays: Vec<String> = calendar.holidays.iter().map(date).collect();
    let exceptions = calendar.exceptions.iter().map(|(day, hours)| format!("{}: {}", date(day), spans(hours)));
    format!(
        "  c{number}: {{time_zone: {}, hours: {{{}}}, holidays: [{}], exceptions: {{{}}}}}\n",
        calendar.time_zone,
        week.collect::<Vec<_>>().join(", "),
        holidays.join(", "),
        exceptions.collect::<Vec<_>>().join(", ")
    )
}

fn spans(hours: &Hours) -> String {
    if hours.is_empty() {
        return "closed".to_string();
    }
    let span = |(from, until): &(i64, i64)| format!("{}-{}", clock(*from), clock(*until));
    format!("\"{}\"", hours.iter().map(span).collect::<Vec<_>>().join(", "))
}

fn clock(minutes: i64) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

fn sla(drawn: &Drawn) -> String {
    let sla = &drawn.sla;
    let mut text = format!("  - id: {}\n", sla.id);
    let mut line = |name: &str, value: String| writeln!(text, "    {name}: {value}").expect("a string takes all");
    if let Some(when) = &sla.when {
        line("when", format!("'{}'", condition(when)));
    }
    if let Some(group) = &sla.first_match {
        line("first_match", group.clone());
    }
    line("start", sla.start.clone());
    match sla.stop_last {
        true => line("stop", format!("{{milestone: {}, occurrence: last}}", sla.stop)),
        false => line("stop", sla.stop.clone()),
    }
    line("cancel_on", format!("[{}]", sla.cancel_on.join(", ")));
    if let Some((from, until)) = &sla.pause {
        line("pause", format!("{{from: {from}, until: {until}}}"));
    }
    let (target, promise) = target(sla.target);
    line("target", target);
    if let Some(which) = promise {
        line("promise", if which == Which::Original { "original" } else { "latest" }.to_string());
    }
    if let Some(number) = drawn.calendar {
        line("calendar", format!("c{number}"));
    }
    let percents: Vec<String> = sla.warn_at.iter().map(|percent| format!("{percent}%")).collect();
    line("warn_at", format!("[{}]", percents.join(", ")));
    let rung = |rung: &crate::oracle::Rung| match &rung.owner {
        None => duration(rung.after),
        Some(owner) => format!("{{after: {}, owner: {owner}}}", duration(rung.after)),
    };
    line("escalate_after", format!("[{}]", sla.escalate_after.iter().map(rung).collect::<Vec<_>>().join(", ")));
    if let Some(grace) = drawn.grace {
        line("grace", format!("{grace}ms"));
    }
    line("severity", "warning".to_string());
    line("owner", sla.owner.clone());
    line("route", "ops".to_string());
    line("expected_outcome", "Done".to_string());
    text
}

fn target(target: Target) -> (String, Option<Which>) {
    match target {
        Target::Duration(length) => (duration(length), None),
        Target::PromisedShipBy(which) => ("promised_ship_by".to_string(), Some(which)),
        Target::PromisedDeliverBy(which) => ("promised_deliver_by".to_string(), Some(which)),
        Target::BusinessDays { days, cutoff, by } => {
            let cutoff = cutoff.map(|cutoff| format!(", cutoff: \"{}\"", clock(cutoff))).unwrap_or_default();
            let by = by.map(|by| format!(", by: \"{}\"", clock(by))).unwrap_or_default();
            (format!("{{business_days: {days}{cutoff}{by}}}"), None)
        }
    }
}

fn duration(length: i64) -> String {
    format!("{}m", length / MINUTE)
}

fn condition(when: &When) -> String {
    match when {
        When::Is(key, text) => format!("order.attributes.{key} == \"{text}\""),
        When::IsNot(key, text) => format!("order.attributes.{key} != \"{text}\""),
        When::TotalAtLeast(minor) => format!("order.total.amount_minor >= {minor}"),
        When::TotalBelow(minor) => format!("order.total.amount_minor < {minor}"),
        When::And(one, other) => format!("({}) && ({})", condition(one), condition(other)),
        When::Or(one, other) => format!("({}) || ({})", condition(one), condition(other)),
    }
}

/// An event as a topic carries it.
pub fn event(event: &Event) -> Value {
    let mut body = Map::new();
    let mut say = |name: &str, value: Option<Value>| body.extend(value.map(|value| (name.to_string(), value)));
    say("event_id", Some(json!(event.event_id)));
    say("order_id", Some(json!(ORDER)));
    say("type", Some(json!(event.kind)));
    say("event_time", Some(json!(event.event_time)));
    say("source", Some(json!(event.source)));
    let money = |money: &Money| json!({"amount_minor": money.minor, "currency": money.currency});
    say("total", event.total.as_ref().map(money));
    say("amount", event.amount.as_ref().map(money));
    let line = |(sku, quantity): &(String, i64)| json!({"sku": sku, "quantity": quantity});
    say("lines", event.lines.as_ref().map(|lines| lines.iter().map(line).collect()));
    say("fulfillment_id", event.fulfillment_id.as_ref().map(|id| json!(id)));
    say("promised_ship_by", promise(event.promised_ship_by));
    say("promised_deliver_by", promise(event.promised_deliver_by));
    if !event.attributes.is_empty() {
        say("attributes", Some(event.attributes.iter().map(|(key, text)| (key.clone(), json!(text))).collect()));
    }
    Value::Object(body)
}

fn promise(promise: Promise) -> Option<Value> {
    match promise {
        Promise::Absent => None,
        Promise::Withdrawn => Some(Value::Null),
        Promise::At(at) => Some(json!(at)),
    }
}
