//! What policies of several kinds have in common.

use std::ops::Range;

use crate::domain::{Millis, Str};
use crate::policy::sla::{MilestoneRef, Occurrence, Pause, Target};
use crate::policy::{Condition, Responsibility, Rung};

use super::calendars::business_days;
use super::problem::SourceFile;
use super::read::{Fields, Reader, did_you_mean};
use super::units;
use super::values;
use super::yaml::{Node, Value};

/// `severity`, `owner`, `route`, `expected_outcome` and `runbook`.
pub fn responsibility(f: &mut Fields<'_, '_, '_>) -> Option<Responsibility> {
    let severity = f.required("severity", values::severity);
    let owner = f.required("owner", |r, n| name_or_list(r, n, "owner"));
    let route = f.required("route", |r, n| name_or_list(r, n, "route"));
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

fn name_or_list(r: &mut Reader<'_>, node: &Node, what: &str) -> Option<Str> {
    if matches!(node.value, Value::List(_)) {
        r.error(&node.span, format!("not built yet: a list of which the first that fits is taken; name one {what}"));
        return None;
    }
    values::text(r, node)
}

/// `order.placed`, or `{milestone: order.placed, occurrence: last}`.
pub fn milestone_ref(r: &mut Reader<'_>, node: &Node) -> Option<MilestoneRef> {
    if !matches!(node.value, Value::Map(_)) {
        return Some(MilestoneRef { milestone: values::milestone(r, node)?, occurrence: Occurrence::First });
    }
    r.fields(node, |f| {
        let milestone = f.required("milestone", values::milestone);
        let occurrence = f.or("occurrence", Occurrence::First, |r, n| {
            r.one_of(n, &[("first", Occurrence::First), ("last", Occurrence::Last)])
        });
        Some(MilestoneRef { milestone: milestone?, occurrence: occurrence? })
    })
}

/// `{from: …, until: …}`
pub fn pause(r: &mut Reader<'_>, node: &Node) -> Option<Pause> {
    r.fields(node, |f| {
        let from = f.required("from", values::milestone);
        let until = f.required("until", values::milestone);
        let (from, until) = (from?, until?);
        if from == until {
            f.reader.error(f.span("until"), format!("from and until are both `{until}`"));
        }
        Some(Pause { from, until })
    })
}

/// `1h`, `promised_ship_by`, `promised_deliver_by` or business days.
pub fn target(r: &mut Reader<'_>, node: &Node) -> Option<Target> {
    if node.field("business_days").is_some() {
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
        let owner = f.optional("owner", |r, n| name_or_list(r, n, "owner"));
        let route = f.optional("route", |r, n| name_or_list(r, n, "route"));
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
pub fn condition(r: &mut Reader<'_>, node: &Node) -> Option<Condition> {
    let text = r.scalar(node, "a condition such as `order.attributes.channel == \"web\"`")?;
    match Condition::compile(&text) {
        Ok(condition) => Some(condition),
        Err(e) => {
            let span = e.offset.and_then(|at| within(r.file(), node, &text, at)).unwrap_or(node.span.clone());
            r.error(&span, e.message);
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
