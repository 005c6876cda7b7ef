//! What policies of several kinds have in common.

use std::ops::Range;

use crate::domain::{Entity, Millis, Str};
use crate::policy::choice::Whose;
use crate::policy::sla::{MilestoneRef, Occurrence, Pause, Target};
use crate::policy::{Choice, Condition, Responsibility, Rung};

use super::calendars::business_days;
use super::entity::milestone;
use super::problem::SourceFile;
use super::read::{Fields, Reader, did_you_mean, quoted};
use super::units;
use super::values;
use super::yaml::{Node, Value};

/// `severity`, `owner`, `route`, `expected_outcome` and `runbook`.
pub fn responsibility(f: &mut Fields<'_, '_, '_>, entity: &Entity) -> Option<Responsibility> {
    let severity = f.required("severity", values::severity);
    let owner = f.required("owner", |r, n| choice(r, n, entity));
    let route = f.required("route", |r, n| choice(r, n, entity));
    let expected_outcome = f.required("expected_outcome", values::text);
    let runbook = f.optional("runbook", values::text);
    Some(Responsibility {
        severity: severity?,
        owner: owner?,
        route: route?,
        expected_outcome: expected_outcome?,
        runbook: runbook?,
    })
}

/// `payments-team`, `[{when: …, is: us-payments}, {is: payments-team}]` or `{from: event.attributes.handed_to, else: ops}`.
fn choice(r: &mut Reader<'_>, node: &Node, entity: &Entity) -> Option<Choice> {
    match &node.value {
        Value::List(_) => first_that_fits(r, node, entity),
        Value::Map(_) => r.fields(node, |f| {
            let from = f.required("from", |r, n| attribute_of(r, n, entity));
            let or_else = f.required("else", values::text);
            let (whose, attribute) = from?;
            Some(Choice::From { whose, attribute, or_else: or_else? })
        }),
        _ => values::text(r, node).map(Choice::Name),
    }
}

fn first_that_fits(r: &mut Reader<'_>, node: &Node, entity: &Entity) -> Option<Choice> {
    let rules = r.list(node, |r, node| {
        if let Value::Scalar(name) = &node.value {
            let help =
                format!("a name alone is written `{name}`, without a list; the last of several `{{is: {name}}}`");
            let message = format!("expected `{{when: CONDITION, is: NAME}}`, found {}", quoted(name));
            r.error_with_help(&node.span, message, Some(help));
            return None;
        }
        r.fields(node, |f| {
            let when = f.optional("when", |r, n| condition(r, n, entity));
            let is = f.required("is", values::text);
            Some((when?, is?))
        })
    })?;
    let Some(((None, _), others)) = rules.split_last() else {
        r.error(&node.span, "the last entry must have no `when`: it is taken where none before it fits");
        return None;
    };
    if others.iter().any(|(when, _)| when.is_none()) {
        r.error(&node.span, "only the last entry may have no `when`: nothing after it is ever taken");
        return None;
    }
    Some(Choice::First(rules.into()))
}

fn attribute_of(r: &mut Reader<'_>, node: &Node, entity: &Entity) -> Option<(Whose, Str)> {
    r.parsed(node, &format!("`event.attributes.NAME` or `{entity}.attributes.NAME`"), |text| {
        let event = text.strip_prefix("event.attributes.").map(|name| (Whose::Event, name));
        let own = text.strip_prefix(entity.name().as_str()).and_then(|rest| rest.strip_prefix(".attributes."));
        let order = own.map(|name| (Whose::Order, name));
        match event.or(order) {
            Some((whose, name)) if !name.is_empty() => Ok((whose, Str::new(name))),
            _ => Err(attribute_meant(text, entity)),
        }
    })
}

/// `seller`, `order.seller` and `attributes.seller` all mean one thing.
fn attribute_meant(text: &str, entity: &Entity) -> String {
    match text.rsplit('.').next() {
        Some(name) if !name.is_empty() && ![entity.name(), "event", "attributes"].contains(&name) => {
            let whose = if text.starts_with("event.") { "event" } else { entity.name() };
            format!("did you mean `{whose}.attributes.{name}`?")
        }
        _ => "an attribute is missing".to_owned(),
    }
}

/// `order.placed`, or `{milestone: order.placed, occurrence: last}`.
pub fn milestone_ref(r: &mut Reader<'_>, node: &Node, entity: &Entity) -> Option<MilestoneRef> {
    if !matches!(node.value, Value::Map(_)) {
        return Some(MilestoneRef { milestone: milestone(r, node, entity)?, occurrence: Occurrence::First });
    }
    r.fields(node, |f| {
        let milestone = f.required("milestone", |r, n| milestone(r, n, entity));
        let occurrence = f.or("occurrence", Occurrence::First, |r, n| {
            r.one_of(n, &[("first", Occurrence::First), ("last", Occurrence::Last)])
        });
        Some(MilestoneRef { milestone: milestone?, occurrence: occurrence? })
    })
}

/// `{from: …, until: …}`
pub fn pause(r: &mut Reader<'_>, node: &Node, entity: &Entity) -> Option<Pause> {
    r.fields(node, |f| {
        let from = f.required("from", |r, n| milestone(r, n, entity));
        let until = f.required("until", |r, n| milestone(r, n, entity));
        let (from, until) = (from?, until?);
        if from == until {
            f.reader.error(f.span("until"), format!("from and until are both `{until}`"));
        }
        Some(Pause { from, until })
    })
}

/// `1h`, `promised_ship_by`, `promised_deliver_by` or business days.
pub fn target(r: &mut Reader<'_>, node: &Node) -> Option<Target> {
    if matches!(node.value, Value::Map(_)) {
        return business_days(r, node).map(Target::BusinessDays);
    }
    let expected = "a duration such as `1h30m`, promised_ship_by, promised_deliver_by or {business_days: 1}";
    r.parsed(node, expected, |text| match text {
        "promised_ship_by" => Ok(Target::PromisedShipBy),
        "promised_deliver_by" => Ok(Target::PromisedDeliverBy),
        _ => match units::duration(text) {
            Ok(Millis::ZERO) => Err("it must be longer than 0s".to_owned()),
            Ok(length) => Ok(Target::Duration(length)),
            Err(why) => Err(did_you_mean(text, ["promised_ship_by", "promised_deliver_by"]).unwrap_or(why)),
        },
    })
}

/// `[1h, {after: 4h, severity: critical}]`
pub fn rungs(r: &mut Reader<'_>, node: &Node) -> Option<Vec<Rung>> {
    ascending(r, node, rung, |rung| rung.after.get())
}

fn rung(r: &mut Reader<'_>, node: &Node) -> Option<Rung> {
    if !matches!(node.value, Value::Map(_)) {
        return Some(Rung { after: values::some_duration(r, node)?, severity: None, owner: None, route: None });
    }
    r.fields(node, |f| {
        let after = f.required("after", values::some_duration);
        let severity = f.optional("severity", values::severity);
        let owner = f.optional("owner", values::text);
        let route = f.optional("route", values::text);
        Some(Rung { after: after?, severity: severity?, owner: owner?, route: route? })
    })
}

/// A list in which each entry lies above the one before.
pub fn ascending<T>(
    r: &mut Reader<'_>,
    node: &Node,
    read: impl Fn(&mut Reader<'_>, &Node) -> Option<T>,
    figure: impl Fn(&T) -> i64,
) -> Option<Vec<T>> {
    let mut last = None;
    r.list(node, |r, node| {
        let entry = read(r, node)?;
        let current = figure(&entry);
        if last.replace(current).is_some_and(|last| last >= current) {
            r.error(&node.span, "each must lie above the one before");
            return None;
        }
        Some(entry)
    })
}

/// CEL, with its errors where they stand.
pub fn condition(r: &mut Reader<'_>, node: &Node, entity: &Entity) -> Option<Condition> {
    let text = r.scalar(node, &format!("a condition such as `{entity}.attributes.channel == \"web\"`"))?;
    match Condition::about(entity, &text) {
        Ok(condition) => Some(condition),
        Err(e) => {
            let span = e.offset.and_then(|at| within(r.file(), node, &text, at)).unwrap_or(node.span.clone());
            r.error_with_help(&span, e.message, e.help);
            None
        }
    }
}

/// Where a byte of a scalar's text stands in the file: exact where its line stands there as it is, which only escapes
/// and folded lines prevent.
fn within(file: &SourceFile, node: &Node, text: &str, at: usize) -> Option<Range<usize>> {
    let line_start = text.get(..at)?.rfind('\n').map_or(0, |i| i + 1);
    let line = text.get(line_start..)?.lines().next()?;
    let found = file.slice(&node.span).find(line)?;
    let start = node.span.start + found + (at - line_start);
    let length = text.get(at..)?.chars().next().map_or(0, char::len_utf8);
    Some(start..start + length)
}
