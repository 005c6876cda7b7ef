//! What was understood of the two files, as text that fits 100 columns.

use std::fmt::Write as _;

use crate::codec::Requirement;
use crate::domain::{Entity, Milestone, Millis};
use crate::policy::backlog::Bounds;
use crate::policy::calendar::BusinessDays;
use crate::policy::checks::CheckKind;
use crate::policy::cycle::Scope;
use crate::policy::promise::PromiseRule;
use crate::policy::sla::{MilestoneRef, Occurrence, Target};
use crate::policy::{Backlog, CheckPolicy, Choice, Condition, Responsibility, Rung, Sla};

use super::units::format_duration;
use super::{Config, Delivery, Format, StartFrom};

const COLUMNS: usize = 100;
/// Further lines of a policy stand under it by this much.
const DETAIL_INDENT: usize = 6;

/// One policy's line of the table, and what follows it.
struct Row {
    cells: [String; 5],
    details: Vec<String>,
}

/// Says in words and a table what a configuration means.
pub fn summary(config: &Config) -> String {
    let mut out = String::new();
    for (name, text) in settings(config) {
        let lines = wrap(&text, COLUMNS - 14);
        for (i, line) in lines.iter().enumerate() {
            let _ = writeln!(out, "{:<12}  {line}", if i == 0 { name } else { "" });
        }
    }
    let policies = &config.policies;
    let sections = [
        table("SLAs", "target", policies.slas.iter().map(sla).collect()),
        table("Backlogs", "opens at", policies.backlogs.iter().map(backlog).collect()),
        table("Checks", "settle", policies.checks.iter().map(check).collect()),
    ];
    let sections: Vec<&Vec<Row>> = sections.iter().filter(|rows| rows.len() > 1).collect();
    let cells = || sections.iter().flat_map(|rows| rows.iter()).map(|row| &row.cells);
    let width = |i: usize| cells().filter_map(|c| c.get(i)).map(|c| c.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..5).map(width).collect();
    for rows in sections {
        out.push('\n');
        for row in rows {
            write_row(&mut out, row, &widths);
        }
    }
    out
}

fn write_row(out: &mut String, row: &Row, widths: &[usize]) {
    let cells: Vec<String> = row.cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
    let _ = writeln!(out, "{}", cells.join("  ").trim_end());
    for detail in &row.details {
        for line in wrap(detail, COLUMNS - DETAIL_INDENT) {
            let _ = writeln!(out, "{:DETAIL_INDENT$}{line}", "");
        }
    }
}

/// A section: its header, and its policies indented under it.
fn table(kind: &str, figure: &str, policies: Vec<Row>) -> Vec<Row> {
    let header = [kind, figure, "severity", "owner", "route"].map(str::to_owned);
    let mut rows = vec![Row { cells: header, details: Vec::new() }];
    rows.extend(policies.into_iter().map(|mut row| {
        row.cells[0].insert_str(0, "  ");
        row
    }));
    rows
}

fn settings(config: &Config) -> Vec<(&'static str, String)> {
    let duration = format_duration;
    let delivery = match config.delivery {
        Delivery::ExactlyOnce => "exactly once",
        Delivery::AtLeastOnce => "at least once",
    };
    let mut lines = vec![("kafka", format!("{}, group {}, {delivery}", config.kafka.brokers, config.kafka.group_id))];
    if !config.kafka.properties.is_empty() {
        // Names alone: a value may be a password.
        let names: Vec<&str> = config.kafka.properties.keys().map(String::as_str).collect();
        lines.push(("", format!("with {}", names.join(", "))));
    }
    for (i, stream) in config.streams.iter().enumerate() {
        let mut text = format!("{} ({})", stream.topic, format_name(stream.format));
        if !stream.entity.is_order() {
            let _ = write!(text, ", of each {}", stream.entity);
        }
        if let Some(id) = &stream.id {
            let _ = write!(text, " by {id}");
        }
        if let Some(grace) = stream.grace {
            let _ = write!(text, ", grace {}", duration(grace));
        }
        if !stream.require.is_empty() {
            let names: Vec<_> = stream.require.iter().map(Requirement::name).collect();
            let _ = write!(text, ", requires {}", names.join(", "));
        }
        lines.push((if i == 0 { "streams" } else { "" }, text));
    }
    let outputs = &config.outputs;
    let topics = [&outputs.sla, &outputs.backlog, &outputs.reconciliation, &outputs.current, &outputs.dead_letters];
    let topics: Vec<&str> =
        topics.into_iter().chain([&outputs.control, &outputs.partials]).map(|t| t.as_str()).collect();
    let made = if outputs.create_topics { "made when absent" } else { "never made" };
    lines.push(("outputs", format!("{} ({}, {made})", topics.join(", "), format_name(outputs.format))));
    for (i, (route, topic)) in config.routes.iter().enumerate() {
        lines.push((if i == 0 { "routes" } else { "" }, format!("{route} has the topic {topic}")));
    }
    lines.push(("starts", starts(config)));
    let settings = config.settings();
    let mut grace = format!("{} for policies without one", duration(settings.grace));
    for other in settings.entities.others() {
        let _ = write!(grace, ", {} where they are about a {other}", duration(settings.grace_for(None, other)));
    }
    lines.push(("grace", grace));
    lines.push((
        "keeps",
        format!(
            "orders {} after closing, their ids {} more; orders silent for {} are dropped",
            duration(config.retain_closed),
            duration(config.remember_closed),
            duration(config.max_open)
        ),
    ));
    let snapshots = &config.snapshots;
    lines.push((
        "snapshots",
        format!("{} every {}, the last {} kept", snapshots.url, duration(snapshots.every), snapshots.keep),
    ));
    let token = if config.http.token.is_some() { "with a token" } else { "without a token" };
    lines.push(("http", format!("{}, {token}", config.http.listen)));
    let revision = config.policies.revision.map_or(String::new(), |r| format!(", revision {r}"));
    let path = config.policies_path.display();
    lines.push(("policies", format!("{path}, version {}{revision}", config.policies.version)));
    lines
}

fn starts(config: &Config) -> String {
    let from = match config.start.from {
        StartFrom::Earliest => "at the earliest record".to_owned(),
        StartFrom::Latest => "with what comes from now on".to_owned(),
        StartFrom::At(time) => format!("at {time}"),
        StartFrom::Ago(ago) => format!("{} before the first start", format_duration(ago)),
    };
    let silent = match config.start.publish_after {
        None => "the first start".to_owned(),
        Some(time) => time.to_string(),
    };
    format!("{from}; what was due before {silent} is counted, not published")
}

const fn format_name(format: Format) -> &'static str {
    match format {
        Format::Json => "json",
        Format::Protobuf => "protobuf",
    }
}

fn row(id: &str, figure: String, who: &Responsibility, details: Vec<String>) -> Row {
    let cells = [id.to_owned(), figure, who.severity.as_str().to_owned(), choice(&who.owner), choice(&who.route)];
    Row { cells, details }
}

fn choice(choice: &Choice) -> String {
    match choice {
        Choice::Name(name) => name.to_string(),
        Choice::First(rules) => join(rules.iter().map(|(_, name)| name)),
        Choice::From { attribute, or_else, .. } => format!("by {attribute}, or {or_else}"),
    }
}

fn sla(sla: &Sla) -> Row {
    let target = match sla.target {
        Target::Duration(length) => format_duration(length),
        Target::BusinessDays(promise) => business_days(&promise),
        Target::PromisedShipBy => "promised_ship_by".to_owned(),
        Target::PromisedDeliverBy => "promised_deliver_by".to_owned(),
    };
    let mut facts = vec![format!("{} -> {}", milestone_ref(&sla.start), milestone_ref(&sla.stop))];
    facts.extend(about(&sla.entity));
    if sla.scope == Scope::Fulfillment {
        facts.push("for each fulfillment".to_owned());
    }
    if sla.each {
        facts.push(format!("anew with each {}", sla.start.milestone));
    }
    facts.extend(sla.calendar.iter().map(|calendar| format!("on the calendar {}", calendar.name)));
    facts.extend(sla.first_match.iter().map(|group| format!("the first that fits of {group}")));
    if sla.promise == PromiseRule::Original {
        facts.push("by the first promise alone".to_owned());
    }
    if !sla.warn_at.is_empty() {
        facts.push(format!("warns at {}", join(sla.warn_at.iter().map(|p| format!("{p}%")))));
    }
    facts.extend(escalations(&sla.escalate_after));
    if let Some(pause) = &sla.pause {
        facts.push(format!("pauses from {} until {}", pause.from, pause.until));
    }
    if !sla.cancel_on.is_empty() {
        facts.push(format!("cancelled by {}", join(sla.cancel_on.iter().map(Milestone::to_string))));
    }
    facts.extend(grace(sla.grace));
    row(&sla.id, target, &sla.responsibility, details(facts, sla.when.as_ref()))
}

fn business_days(promise: &BusinessDays) -> String {
    let mut text = format!("{} business days", promise.days);
    if let Some(cutoff) = promise.cutoff {
        text.push_str(&format!(", cutoff {}", cutoff.strftime("%H:%M")));
    }
    if let Some(by) = promise.by {
        text.push_str(&format!(", by {}", by.strftime("%H:%M")));
    }
    text
}

fn backlog(backlog: &Backlog) -> Row {
    let mut facts = vec![format!("{} -> {}", backlog.from, backlog.until)];
    facts.extend(about(&backlog.entity));
    if !backlog.group_by.is_empty() {
        facts.push(format!("by {}, at most {} groups", join(backlog.group_by.iter()), backlog.max_groups));
    }
    if let Some(pause) = &backlog.exclude_between {
        facts.push(format!("without those between {} and {}", pause.from, pause.until));
    }
    facts.push(format!("clears at {}", bounds(&backlog.clear_when, &backlog.entity, " and ")));
    facts.extend(escalations(&backlog.escalate_after));
    facts.extend(grace(backlog.grace));
    let opens = bounds(&backlog.open_when, &backlog.entity, " or ");
    row(&backlog.id, opens, &backlog.responsibility, details(facts, backlog.when.as_ref()))
}

fn check(check: &CheckPolicy) -> Row {
    let mut facts = match &check.kind {
        CheckKind::AmountMismatch { tolerance_minor, after } => {
            let after = after.as_ref().map_or("the first capture".to_owned(), Milestone::to_string);
            vec![format!("{}, tolerance {tolerance_minor}, under is judged from {after} on", check.kind.name())]
        }
        CheckKind::RefundExceedsCapture { tolerance_minor } => {
            vec![format!("{}, tolerance {tolerance_minor}", check.kind.name())]
        }
        CheckKind::OutOfSequence { sequence } => {
            vec![format!(
                "{}: {}",
                check.kind.name(),
                sequence.iter().map(Milestone::as_str).collect::<Vec<_>>().join(" -> ")
            )]
        }
        CheckKind::Stuck { after } => vec![format!("{}, silent for {}", check.kind.name(), format_duration(*after))],
        CheckKind::SettlementMismatch { tolerance_minor, after } => {
            let after = format_duration(*after);
            vec![format!("{}, tolerance {tolerance_minor}, {after} after the last capture", check.kind.name())]
        }
        CheckKind::ShippedBeforePayment
        | CheckKind::PaymentWithoutOrder
        | CheckKind::DuplicateCapture
        | CheckKind::AfterCancel
        | CheckKind::OverShipped
        | CheckKind::Backordered => vec![check.kind.name().to_owned()],
    };
    facts.extend(about(&check.entity));
    facts.extend(grace(check.grace));
    row(&check.id, format_duration(check.settle), &check.responsibility, details(facts, check.when.as_ref()))
}

fn details(facts: Vec<String>, when: Option<&Condition>) -> Vec<String> {
    let condition = when.map(|c| format!("when {}", c.source().split_whitespace().collect::<Vec<_>>().join(" ")));
    std::iter::once(facts.join("; ")).chain(condition).collect()
}

fn milestone_ref(milestone: &MilestoneRef) -> String {
    match milestone.occurrence {
        Occurrence::First => milestone.milestone.to_string(),
        Occurrence::Last => format!("the last {}", milestone.milestone),
    }
}

fn bounds(bounds: &Bounds, entity: &Entity, between: &str) -> String {
    let depth = bounds.depth.map(|n| format!("{n} {entity}s"));
    let age = bounds.oldest_age.map(|age| format!("{} old", format_duration(age)));
    let mut text = [depth, age].into_iter().flatten().collect::<Vec<_>>().join(between);
    if bounds.held_for > Millis::ZERO {
        let _ = write!(text, " for {}", format_duration(bounds.held_for));
    }
    text
}

fn escalations(rungs: &[Rung]) -> Option<String> {
    let rung = |rung: &Rung| {
        let changes = [rung.severity.map(|s| s.as_str().to_owned()), owned(&rung.owner), owned(&rung.route)];
        let changes: Vec<String> = changes.into_iter().flatten().collect();
        let to = if changes.is_empty() { String::new() } else { format!(" (to {})", changes.join(", ")) };
        format!("{}{to}", format_duration(rung.after))
    };
    (!rungs.is_empty()).then(|| format!("escalates after {}", join(rungs.iter().map(rung))))
}

fn owned(name: &Option<crate::domain::Str>) -> Option<String> {
    name.as_ref().map(ToString::to_string)
}

fn about(entity: &Entity) -> Option<String> {
    (!entity.is_order()).then(|| format!("of each {entity}"))
}

fn grace(grace: Option<Millis>) -> Option<String> {
    grace.map(|grace| format!("grace {}", format_duration(grace)))
}

fn join(parts: impl Iterator<Item = impl ToString>) -> String {
    parts.map(|p| p.to_string()).collect::<Vec<_>>().join(", ")
}

/// Breaks a text between words; a word longer than the line keeps a line of its own.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
