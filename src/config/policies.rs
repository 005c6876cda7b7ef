//! policies.yaml into [`Policies`].

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::domain::{Entity, Milestone, Millis, Standard, Str};
use crate::policy::backlog::Bounds;
use crate::policy::cycle::Scope;
use crate::policy::promise::PromiseRule;
use crate::policy::sla::{MilestoneRef, Target};
use crate::policy::{Backlog, Policies, Sla};

use super::calendars::{self, Calendars, calendars};
use super::checks::check;
use super::cycles::{each_makes_sense, scope_makes_sense};
use super::entity::{self, milestone};
use super::groups;
use super::policy_parts::{ascending, condition, milestone_ref, pause, responsibility, rungs, target};

use super::problem::{Level, Problem, SourceFile};
use super::read::{Fields, Reader, quoted};
use super::values;
use super::yaml::{Node, Value};

const MAX_GROUPS_DEFAULT: usize = 1000;
/// The first hexadecimal digits of the document's hash that name its version.
const VERSION_DIGITS: usize = 12;

/// Reads a policy document. With a problem that is an error there are no policies. `about`: what the streams are about;
/// where it is not known, any entity is taken.
pub fn read(file: SourceFile, about: Option<&[Entity]>) -> (Option<Policies>, Vec<Problem>) {
    let file = Arc::new(file);
    let mut reader = Reader::new(Arc::clone(&file), None);
    let policies = reader.root(|r, root| document(r, root, file.text(), about));
    let problems = reader.finish();
    let sound = problems.iter().all(|p| p.level == Level::Warning);
    (policies.filter(|_| sound), problems)
}

/// The first 12 hexadecimal digits of the SHA-256 of a document's text.
fn version(text: &str) -> Str {
    let digest = Sha256::digest(text.as_bytes());
    digest
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .take(VERSION_DIGITS)
        .filter_map(|d| char::from_digit(d.into(), 16))
        .collect()
}

fn document(r: &mut Reader<'_>, root: &Node, text: &Arc<str>, about: Option<&[Entity]>) -> Option<Policies> {
    r.fields(root, |f| {
        let revision = f.optional("revision", |r, n| values::at_least(0)(r, n).map(i64::unsigned_abs));
        let calendars = f.or("calendars", Calendars::new(), calendars);
        // What stands wrong there is said there alone.
        let of_slas = calendars.clone().unwrap_or_default();
        let of_slas = calendars.as_ref().map(|_| &of_slas);
        let slas = f.or("slas", Vec::new(), |r, n| r.list(n, |r, n| sla(r, n, of_slas, about)));
        let backlogs = f.or("backlogs", Vec::new(), |r, n| r.list(n, |r, n| backlog(r, n, about)));
        let checks = f.or("checks", Vec::new(), |r, n| r.list(n, |r, n| check(r, n, about)));
        ids_apart(f);
        let (slas, backlogs, checks) = (slas?, backlogs?, checks?);
        groups_start_alike(f, &slas);
        groups::make_sense(f, &slas);
        if slas.is_empty() && backlogs.is_empty() && checks.is_empty() {
            f.reader.error(f.whole(), "no policy: expected at least one under `slas`, `backlogs` or `checks`");
        }
        Some(Policies { revision: revision?, version: version(text), text: Arc::clone(text), slas, backlogs, checks })
    })
}

/// An id names one policy over all kinds: it is part of every exception's name.
fn ids_apart(f: &mut Fields<'_, '_, '_>) {
    let mut seen: HashMap<String, Range<usize>> = HashMap::new();
    for (kind, field) in [("slas", "id"), ("backlogs", "id"), ("checks", "id"), ("checks", "check")] {
        let Some(Node { value: Value::List(items), .. }) = f.node(kind) else { continue };
        for item in items {
            // A check's id is its name, unless one is given.
            let named_apart = field == "check" && item.field("id").is_some();
            let Some(Node { value: Value::Scalar(name), span }) = item.field(field).filter(|_| !named_apart) else {
                continue;
            };
            let id = if field == "check" { name.replace('_', "-") } else { name.clone() };
            if let Some(first) = seen.get(&id) {
                let line = f.reader.file().position(first.start).0;
                let help = (field == "check").then(|| "give one of them an `id`".to_owned());
                f.reader.error_with_help(span, format!("the id {} is taken (line {line})", quoted(&id)), help);
            } else {
                seen.insert(id, span.clone());
            }
        }
    }
}

/// Of a group the first is taken when it starts: with other starts, a later one would take a cycle away that runs.
fn groups_start_alike(f: &mut Fields<'_, '_, '_>, slas: &[Sla]) {
    let mut firsts: HashMap<&Str, &Sla> = HashMap::new();
    for (place, sla) in slas.iter().enumerate() {
        let Some(group) = &sla.first_match else { continue };
        let first = *firsts.entry(group).or_insert(sla);
        let whole = f.whole();
        let node = f.node("slas").and_then(|slas| slas.item(place));
        let span = |name| node.and_then(|sla| sla.field(name).or(sla.field("id"))).map_or(whole, |node| &node.span);
        let group = quoted(group);
        if first.entity != sla.entity {
            let message = format!("slas[{place}]: the SLAs of the group {group} must be about one entity");
            f.reader.error(span("entity"), message);
        }
        if first.start != sla.start {
            f.reader.error(span("start"), format!("slas[{place}]: the SLAs of the group {group} must have one start"));
        }
        if !first.has_cycles_like(sla) {
            let field = if first.scope == sla.scope { "each" } else { "scope" };
            let message = format!("slas[{place}]: the SLAs of the group {group} must have one `scope` and one `each`");
            f.reader.error(span(field), message);
        }
    }
}

fn sla(r: &mut Reader<'_>, node: &Node, calendars: Option<&Calendars>, about: Option<&[Entity]>) -> Option<Sla> {
    r.fields(node, |f| {
        let id = f.required("id", values::id);
        let (entity, is_known) = entity::of_policy(f, about);
        let when = f.optional("when", |r, n| condition(r, n, &entity));
        let start = f.required("start", |r, n| milestone_ref(r, n, &entity));
        let stop = f.required("stop", |r, n| milestone_ref(r, n, &entity));
        let cancel_on = f.or("cancel_on", Vec::new(), |r, n| r.list(n, |r, n| milestone(r, n, &entity)));
        let pause = f.optional("pause", |r, n| pause(r, n, &entity));
        let calendar = f.optional("calendar", |r, n| calendars::named(r, n, calendars?));
        let target = f.required("target", target);
        let promise = f.optional("promise", |r, n| {
            r.one_of(n, &[("latest", PromiseRule::Latest), ("original", PromiseRule::Original)])
        });
        let warn_at = f.or("warn_at", Vec::new(), |r, n| ascending(r, n, values::percent, |p| i64::from(*p)));
        let escalate_after = f.or("escalate_after", Vec::new(), rungs);
        let grace = f.optional("grace", values::duration);
        let responsibility = responsibility(f, &entity);
        let first_match = f.optional("first_match", values::text);
        let backfill = f.or("backfill", false, values::boolean);
        let scope = f.or("scope", Scope::Order, |r, n| {
            r.one_of(n, &[("order", Scope::Order), ("fulfillment", Scope::Fulfillment)])
        });
        let each = f.or("each", false, values::boolean);
        let (start, stop, target, promise) = (start?, stop?, target?, promise?);
        let (scope, each) = (scope?, each?);
        sla_makes_sense(f, &entity, &start, &stop, target, promise.is_some());
        cancels_make_sense(f, cancel_on.as_deref().unwrap_or_default(), &start, &stop);
        calendar_makes_sense(f, target);
        if scope == Scope::Fulfillment {
            scope_makes_sense(f, &entity, &start.milestone, &stop.milestone);
        }
        if each {
            each_makes_sense(f, &entity, &start, &stop, target);
        }
        is_known?;
        Some(Sla {
            entity,
            scope,
            each,
            id: id?,
            when: when?,
            start,
            stop,
            cancel_on: cancel_on?,
            pause: pause?,
            calendar: calendar?,
            target,
            promise: promise.unwrap_or_default(),
            warn_at: warn_at?,
            escalate_after: escalate_after?,
            grace: grace?,
            first_match: first_match?,
            backfill: backfill?,
            responsibility: responsibility?,
        })
    })
}

/// What only several fields together can tell.
fn sla_makes_sense(
    f: &mut Fields<'_, '_, '_>,
    entity: &Entity,
    start: &MilestoneRef,
    stop: &MilestoneRef,
    target: Target,
    promise: bool,
) {
    if start.milestone == stop.milestone {
        f.reader
            .error(f.span("stop"), format!("start and stop are both `{}`: it would be kept at once", stop.milestone));
    }
    let promised = target.is_promised();
    if promise && !promised {
        let message = "`promise` is for a promised date, and this target is none";
        f.reader.error(f.span("promise"), message);
    }
    if promised && f.node("pause").is_some() {
        f.reader.warn(f.span("pause"), "a pause does not shift a promised date, only business_elapsed_ms", None);
    }
    if may_follow_closing(entity, &start.milestone) {
        let message = format!("`{}` can come after its {entity} has closed", start.milestone);
        let help = "what comes later than `retain_closed` after closing is counted as late and starts nothing";
        f.reader.warn(f.span("start"), message, Some(help.to_owned()));
    }
}

/// What cancels is neither the beginning nor the end. With `each` the next beginning may well end the one before.
fn cancels_make_sense(f: &mut Fields<'_, '_, '_>, cancels: &[Milestone], start: &MilestoneRef, stop: &MilestoneRef) {
    for (place, cancel) in cancels.iter().enumerate() {
        let span = f.node("cancel_on").and_then(|list| list.item(place)).map_or(f.whole(), |node| &node.span);
        if *cancel == start.milestone && f.node("each").is_none() {
            f.reader.error(span, format!("`{cancel}` starts it: it would be cancelled at once"));
        } else if *cancel == stop.milestone {
            f.reader.warn(span, format!("`{cancel}` is its stop, which comes first: this has no effect"), None);
        }
    }
}

/// A calendar and a target that run on each other.
fn calendar_makes_sense(f: &mut Fields<'_, '_, '_>, target: Target) {
    let calendar = f.node("calendar").is_some();
    match target {
        Target::BusinessDays(_) if !calendar => {
            f.reader.error(f.span("target"), "business days need a `calendar`");
        }
        Target::PromisedShipBy | Target::PromisedDeliverBy if calendar => {
            let message = "a calendar does not shift a promised date, only business_elapsed_ms";
            f.reader.warn(f.span("calendar"), message, None);
        }
        Target::Duration(_) if calendar => {
            days_of_24_hours(f, f.node("target"), "write the open hours (`10h`), or {business_days: 1}");
        }
        _ => {}
    }
    if let (true, Target::Duration(_) | Target::BusinessDays(_), Some(Value::List(rungs))) =
        (calendar, target, f.node("escalate_after").map(|node| &node.value))
    {
        for rung in rungs {
            days_of_24_hours(f, rung.field("after").or(Some(rung)), "write the open hours (`10h`)");
        }
    }
}

/// On a calendar a duration is open time: nobody who writes `1d` means 24 hours of that.
fn days_of_24_hours(f: &mut Fields<'_, '_, '_>, node: Option<&Node>, help: &str) {
    if let Some(Node { value: Value::Scalar(text), span }) = node
        && text.contains(['d', 'w'])
    {
        f.reader.error_with_help(span, "with a calendar a day is not 24 hours", Some(help.to_owned()));
    }
}

/// Completed, cancelled or fully delivered closes an order; these may come then, or after one of the others.
fn may_follow_closing(entity: &Entity, milestone: &Milestone) -> bool {
    use Standard as S;
    if !entity.is_order() {
        return entity.is_for_good(milestone);
    }
    let Milestone::Standard(milestone) = milestone else { return false };
    matches!(
        milestone,
        S::OrderCancelled
            | S::OrderCompleted
            | S::OrderFullyDelivered
            | S::FulfillmentDelivered
            | S::FulfillmentReturned
            | S::PaymentRefunded
            | S::PaymentDisputed
            | S::PaymentSettled
    )
}

fn backlog(r: &mut Reader<'_>, node: &Node, about: Option<&[Entity]>) -> Option<Backlog> {
    r.fields(node, |f| {
        let id = f.required("id", values::id);
        let (entity, is_known) = entity::of_policy(f, about);
        let from = f.required("from", |r, n| milestone(r, n, &entity));
        let until = f.required("until", |r, n| milestone(r, n, &entity));
        let when = f.optional("when", |r, n| condition(r, n, &entity));
        let exclude_between = f.optional("exclude_between", |r, n| pause(r, n, &entity));
        let group_by = f.or("group_by", Vec::new(), group_by);
        let max_groups = f.or("max_groups", MAX_GROUPS_DEFAULT, values::count);
        let open_when = f.required("open_when", |r, n| bounds(r, n, 1));
        let clear_when = f.required("clear_when", |r, n| bounds(r, n, 0));
        let escalate_after = f.or("escalate_after", Vec::new(), rungs);
        let grace = f.optional("grace", values::duration);
        let responsibility = responsibility(f, &entity);
        let (from, until, open_when, clear_when) = (from?, until?, open_when?, clear_when?);
        if from == until {
            f.reader.error(
                f.span("until"),
                format!("from and until are both `{until}`: the queue would be empty for ever"),
            );
        }
        clears_below(f, open_when, clear_when);
        is_known?;
        Some(Backlog {
            entity,
            id: id?,
            from,
            until,
            when: when?,
            exclude_between: exclude_between?,
            group_by: group_by?,
            max_groups: max_groups?,
            open_when,
            clear_when,
            escalate_after: escalate_after?,
            grace: grace?,
            responsibility: responsibility?,
        })
    })
}

fn bounds(r: &mut Reader<'_>, node: &Node, depth_least: i64) -> Option<Bounds> {
    r.fields(node, |f| {
        let depth = f.optional("depth", values::at_least(depth_least));
        let oldest_age = f.optional("oldest_age", values::duration);
        let held_for = f.or("for", Millis::ZERO, values::duration);
        let (depth, oldest_age) = (depth?, oldest_age?);
        if depth.is_none() && oldest_age.is_none() {
            f.reader.error(f.whole(), "expected `depth`, `oldest_age` or both");
        }
        Some(Bounds { depth, oldest_age, held_for: held_for? })
    })
}

/// A queue that cleared at the figure that opens it would flap.
fn clears_below(f: &mut Fields<'_, '_, '_>, open: Bounds, clear: Bounds) {
    let depth = open.depth.zip(clear.depth).filter(|(open, clear)| clear >= open).map(|_| "depth");
    let age = open.oldest_age.zip(clear.oldest_age).filter(|(open, clear)| clear >= open).map(|_| "oldest_age");
    for name in [depth, age].into_iter().flatten() {
        let span = f.node("clear_when").and_then(|n| n.field(name)).map_or(f.span("clear_when"), |n| &n.span);
        f.reader.error(span, format!("clear_when.{name} must lie below open_when.{name}"));
    }
}

fn group_by(r: &mut Reader<'_>, node: &Node) -> Option<Vec<Str>> {
    let mut seen = std::collections::HashSet::new();
    r.list(node, |r, node| {
        let name = values::text(r, node)?;
        if let Some((_, alone)) = name.split_once("attributes.") {
            let help = Some(format!("did you mean `{alone}`?"));
            r.error_with_help(&node.span, format!("expected an attribute's name alone, found {}", quoted(&name)), help);
            return None;
        }
        if !seen.insert(name.clone()) {
            r.error(&node.span, format!("the attribute {} is named twice", quoted(&name)));
            return None;
        }
        Some(name)
    })
}
