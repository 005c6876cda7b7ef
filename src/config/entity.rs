//! `entity` and `id` of a stream, and `entity` of a policy, with what each must agree with.

use crate::codec::Format;
use crate::domain::{Entity, Milestone, Str};
use crate::policy::Condition;
use crate::policy::checks::CheckKind;

use super::StreamConfig;
use super::read::{Fields, Reader, did_you_mean, quoted};
use super::values;
use super::yaml::Node;

/// Fields of an event that say something else than what it is about.
const OTHER_FIELDS: [&str; 12] = [
    "event_id",
    "type",
    "event_time",
    "source",
    "total",
    "lines",
    "promised_ship_by",
    "promised_deliver_by",
    "attributes",
    "amount",
    "fee",
    "reason",
];

/// What the streams are about, orders first, each once.
pub fn all(streams: &[StreamConfig]) -> Vec<Entity> {
    let mut all = vec![Entity::order()];
    for stream in streams {
        if !all.contains(&stream.entity) {
            all.push(stream.entity.clone());
        }
    }
    all
}

/// A name that conditions can call the thing by.
fn name(r: &mut Reader<'_>, node: &Node) -> Option<Entity> {
    r.parsed(node, "an entity such as `checkout`", |text| {
        let mut letters = text.chars();
        let is_plain = letters.next().is_some_and(|c| c.is_ascii_lowercase())
            && letters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        let entity = Entity::named(text);
        match text {
            _ if !is_plain => Err("its name has small letters, digits and `_`, and begins with a letter".to_owned()),
            "event" | "group" => Err("an owner's `event` and a backlog's group have that name already".to_owned()),
            _ if Condition::about(&entity, &format!("{text}.id == \"\"")).is_err() => {
                Err("the word means something else in a condition".to_owned())
            }
            _ => Ok(entity),
        }
    })
}

/// `entity` and `id` of a stream.
pub fn of_stream(f: &mut Fields<'_, '_, '_>, format: Option<Format>) -> (Option<Entity>, Option<Option<Str>>) {
    let entity = f.or("entity", Entity::order(), name);
    let id = f.optional("id", |r, node| {
        let id = values::text(r, node)?;
        if format == Some(Format::Protobuf) {
            r.error(&node.span, "a Protobuf event has it in `order_id`, or in `id` where the stream has an `entity`");
            return None;
        }
        if OTHER_FIELDS.contains(&id.as_str()) {
            r.error(&node.span, format!("the field {} says something else", quoted(&id)));
            return None;
        }
        Some(id)
    });
    let id = id.map(|given| match (&entity, given) {
        (Some(entity), None) if !entity.is_order() => Some(match format {
            Some(Format::Protobuf) => Str::new_static("id"),
            _ => Str::new(format!("{entity}_id")),
        }),
        (_, given) => given.filter(|given| given != "order_id" || entity.as_ref().is_some_and(|e| !e.is_order())),
    });
    (entity, id)
}

/// What a policy is about; orders where that cannot be read, with `None` beside it. `about`: what the streams are about.
pub fn of_policy(f: &mut Fields<'_, '_, '_>, about: Option<&[Entity]>) -> (Entity, Option<()>) {
    let mut meant = Entity::order();
    let read = f.optional("entity", |r, node| {
        meant = name(r, node)?;
        let known = about.is_none_or(|about| about.contains(&meant));
        if !known {
            let names = || about.unwrap_or_default().iter().map(|entity| entity.name().as_str());
            let help = did_you_mean(meant.name(), names());
            let help = help.unwrap_or_else(|| format!("there are {}", names().collect::<Vec<_>>().join(", ")));
            r.error_with_help(&node.span, format!("no stream has the entity {}", quoted(meant.name())), Some(help));
        }
        known.then_some(())
    });
    (meant, read.map(|_| ()))
}

/// A milestone of a policy about `entity`: any type that its events may have.
pub fn milestone(r: &mut Reader<'_>, node: &Node, entity: &Entity) -> Option<Milestone> {
    if entity.is_order() {
        return values::milestone(r, node);
    }
    let milestone = values::milestone_of_any_name(r, node)?;
    if milestone.is_derived() {
        r.error(&node.span, format!("`{milestone}` is computed for orders alone, and this is about `{entity}`"));
        return None;
    }
    if matches!(milestone, Milestone::Standard(_)) {
        let message = format!("`{milestone}` is an order's: here only an event of a stream of `{entity}` reaches it");
        r.warn(&node.span, message, None);
    }
    Some(milestone)
}

/// The checks of an order's money and lines have nothing to look at elsewhere.
pub fn check_makes_sense(f: &mut Fields<'_, '_, '_>, entity: &Entity, kind: &CheckKind) {
    if !entity.is_order() && !matches!(kind, CheckKind::Stuck { .. }) {
        let message =
            format!("`{}` is about an order's money, lines and parcels, and this about `{entity}`", kind.name());
        f.reader.error_with_help(f.span("entity"), message, Some("`stuck` looks at any entity".to_owned()));
    }
}
