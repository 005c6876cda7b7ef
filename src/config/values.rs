//! Readers of single values, as both files use them.

use crate::domain::{Milestone, Millis, Severity, Standard, Str};

use super::read::{Reader, did_you_mean, quoted};
use super::units;
use super::yaml::Node;

/// Kafka's own bound on a topic's name.
const TOPIC_BYTES_MAX: usize = 249;
/// An id goes into every exception and every metric.
const ID_BYTES_MAX: usize = 200;

/// A text that is not empty.
pub fn text(r: &mut Reader<'_>, node: &Node) -> Option<Str> {
    let text = r.scalar(node, "a text")?;
    if text.trim().is_empty() {
        r.error(&node.span, "expected a text, found an empty one");
        return None;
    }
    Some(Str::new(text))
}

/// A text that may be empty, which means that there is none: `"${TOKEN:-}"`.
pub fn text_or_none(r: &mut Reader<'_>, node: &Node) -> Option<Option<String>> {
    let text = r.scalar(node, "a text")?;
    Some((!text.is_empty()).then(|| text.into_owned()))
}

/// `true` or `false`.
pub fn boolean(r: &mut Reader<'_>, node: &Node) -> Option<bool> {
    r.one_of(node, &[("true", true), ("false", false)])
}

/// `5m`, `0s`.
pub fn duration(r: &mut Reader<'_>, node: &Node) -> Option<Millis> {
    r.parsed(node, "a duration such as `90s` or `1h30m`", units::duration)
}

/// A duration that is longer than nothing.
pub fn some_duration(r: &mut Reader<'_>, node: &Node) -> Option<Millis> {
    let length = duration(r, node)?;
    if length == Millis::ZERO {
        r.error(&node.span, "expected a duration longer than 0s");
        return None;
    }
    Some(length)
}

/// `1MiB`; at least one byte.
pub fn byte_size(r: &mut Reader<'_>, node: &Node) -> Option<usize> {
    let size = r.parsed(node, "a size such as `1MiB` or `500kB`", units::byte_size)?;
    if size == 0 {
        r.error(&node.span, "expected a size of at least one byte");
        return None;
    }
    Some(size)
}

/// `80%`.
pub fn percent(r: &mut Reader<'_>, node: &Node) -> Option<u8> {
    r.parsed(node, "a percent such as `80%`", units::percent)
}

/// A whole number of at least `least`.
pub fn at_least(least: i64) -> impl Fn(&mut Reader<'_>, &Node) -> Option<i64> {
    move |r, node| {
        let expected = format!("a whole number of at least {least}");
        r.parsed(node, &expected, |text| match units::integer::<i64>(text)? {
            n if n >= least => Ok(n),
            _ => Err("it is too small".to_owned()),
        })
    }
}

/// The same, as a count.
pub fn count(r: &mut Reader<'_>, node: &Node) -> Option<usize> {
    at_least(1)(r, node).and_then(|n| usize::try_from(n).ok())
}

/// A topic's name, as Kafka allows it.
pub fn topic(r: &mut Reader<'_>, node: &Node) -> Option<Str> {
    r.parsed(node, "a topic's name", |text| {
        let legal = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
        match text {
            "" => Err("it is empty".to_owned()),
            "." | ".." => Err("Kafka has no such topic".to_owned()),
            _ if text.len() > TOPIC_BYTES_MAX => Err(format!("it is longer than {TOPIC_BYTES_MAX} characters")),
            _ if !legal => Err("a topic's name has only letters, digits, `.`, `_` and `-`".to_owned()),
            _ => Ok(Str::new(text)),
        }
    })
}

/// A policy's id: it stands in keys, file names and metrics, so it is kept plain.
pub fn id(r: &mut Reader<'_>, node: &Node) -> Option<Str> {
    r.parsed(node, "an id such as `paid-in-1h`", |text| {
        let legal = text.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '/'));
        match text {
            "" => Err("it is empty".to_owned()),
            _ if text.len() > ID_BYTES_MAX => Err(format!("it is longer than {ID_BYTES_MAX} bytes")),
            _ if !legal => Err("an id has only letters, digits, `-`, `_`, `.`, `:` and `/`".to_owned()),
            _ => Ok(Str::new(text)),
        }
    })
}

/// `info`, `warning` or `critical`.
pub fn severity(r: &mut Reader<'_>, node: &Node) -> Option<Severity> {
    let words = [Severity::Info, Severity::Warning, Severity::Critical].map(|s| (s.as_str(), s));
    r.one_of(node, &words)
}

/// A milestone's name, and any name is one.
pub fn milestone_of_any_name(r: &mut Reader<'_>, node: &Node) -> Option<Milestone> {
    r.parsed(node, "a milestone such as `order.placed`", |text| match text {
        "" => Err("it is empty".to_owned()),
        _ if text.chars().any(|c| c.is_whitespace() || c.is_control()) => Err("it holds a space".to_owned()),
        _ => Ok(Milestone::parse(text)),
    })
}

/// An order's milestone. A name that looks like a misspelt standard one is warned of.
pub fn milestone(r: &mut Reader<'_>, node: &Node) -> Option<Milestone> {
    let milestone = milestone_of_any_name(r, node)?;
    let name = milestone.as_str();
    let is_theirs = ["order.", "payment.", "fulfillment."].iter().any(|p| name.starts_with(p));
    let help = standard_meant(name, is_theirs);
    if matches!(milestone, Milestone::Custom(_)) && (is_theirs || help.is_some()) {
        let message =
            format!("{} is no standard milestone: it is reached only by events of just this type", quoted(name));
        r.warn(&node.span, message, help);
    }
    Some(milestone)
}

/// The standard milestone that a name of somebody's own looks like: `order.shipped`, `shipped`, `fullfillment.shipped`.
fn standard_meant(name: &str, is_theirs: bool) -> Option<String> {
    fn verb(name: &str) -> &str {
        name.rsplit_once('.').map_or(name, |(_, verb)| verb)
    }
    let standard = || Standard::ALL.iter().map(|s| s.as_str());
    let same_verb = standard().find(|s| (is_theirs || !name.contains('.')) && verb(s) == verb(name));
    same_verb.map(|s| format!("did you mean `{s}`?")).or_else(|| did_you_mean(name, standard()))
}
